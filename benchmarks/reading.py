"""A COCO file of a million images, and the digests of as many files: how long they are read, in how much memory.

Writes a COCO file for classification without pixels. A process of its own each: checks it by the rules of `vision check`; reads
it as a training does, puts the images in order and keeps the plan; looks up the digests of as many files, whose states are made
up instead of read from a disk.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.content import write_entries
from benchmarks.figures import Figure, to_table
from benchmarks.processes import peak_gigabytes
from vision_customization.contract.enums import AnnotationKind, Purpose

READ_MEGABYTES = 1000.0
LOOKUP_SECONDS = 10.0
_KIND = AnnotationKind.IMAGE_CLASSIFICATION
_COCO = "large.json"
_LONG_AGO_NS = 1_600_000_000_000_000_000
_REMEMBERED_AT_ONCE = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks reading", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000, help="images of the dataset (default: %(default)s)")
    parser.add_argument("--tags", type=int, default=1000, help="tags of the dataset (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="vision-reading-") as work:
        figures = measure(Path(work), options.images, options.tags)
    console.print(to_table(figures, f"{options.images:,} images of {options.tags:,} tags"))
    return 0 if all(figure.met for figure in figures) else 1


def measure(work: Path, images: int, tags: int) -> list[Figure]:
    write_classification(work / _COCO, images, tags)
    _remember_digests(work, images)
    figures = [Figure("annotation file", "MB", ((work / _COCO).stat().st_size / 1e6,), _load())]
    for name, label, limits in (
        ("check", "checking it by all rules", (None, READ_MEGABYTES)),
        ("train", "a training's reading, order and plan", (None, READ_MEGABYTES)),
        ("digests", "digests of the files, from the cache", (LOOKUP_SECONDS, None)),
    ):
        load = _load()
        command = [sys.executable, "-m", "benchmarks.reading", name, str(work), str(images)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        figures += [
            Figure(label, "s", (found["seconds"],), load, limit=limits[0]),
            Figure("the same, memory at its greatest", "MB", (found["megabytes"],), load, limit=limits[1]),
        ]
    return figures


def write_classification(file: Path, images: int, tags: int) -> None:
    """A COCO file with one tag per image, as an upload writes it."""

    def image(number: int) -> dict[str, Any]:
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        url = f"https://account.blob.core.windows.net/training/images/{sha256}.jpg"
        return {"id": number + 1, "width": 640, "height": 480, "file_name": _name(number), "absolute_url": url}

    def annotation(number: int) -> dict[str, Any]:
        return {"id": number + 1, "image_id": number + 1, "category_id": number % tags + 1}

    with file.open("w") as target:
        target.write('{"images": [')
        write_entries(target.write, map(image, range(images)))
        target.write('], "annotations": [')
        write_entries(target.write, map(annotation, range(images)))
        categories = [{"id": tag + 1, "name": f"tag {tag:04}"} for tag in range(tags)]
        target.write(f'], "categories": {json.dumps(categories)}}}')


def _name(number: int) -> str:
    return f"photos/{number % 1000:03}/IMG_{number:07}.jpg"


def _files(images: int) -> Iterator[tuple[str, Any]]:
    """Paths and made-up states of files that no disk has."""
    from vision_customization.customization.datasets.image_facts import SmallStatus

    for number in range(images):
        yield f"/nowhere/{_name(number)}", SmallStatus(0o100644, number, _LONG_AGO_NS + number, _LONG_AGO_NS + number)


def _remember_digests(work: Path, images: int) -> None:
    from vision_customization.customization.datasets.digest_cache import DigestCache
    from vision_customization.customization.datasets.image_facts import ImageFacts, ReadImage

    cache, read = DigestCache(work), list[ReadImage]()
    for path, status in _files(images):
        facts = ImageFacts(hashlib.sha256(path.encode()).hexdigest(), 640, 480, False, "JPEG")
        read.append(ReadImage(path, status, time.time_ns(), facts))
        if len(read) == _REMEMBERED_AT_ONCE:
            cache.remember(read)
            read.clear()
    cache.remember(read)


def _check(work: Path, images: int) -> Callable[[], None]:
    from vision_customization.contract.coco.rules import check_coco, check_together
    from vision_customization.contract.coco.streamed import open_document

    def run() -> None:
        document, _ = open_document(work / _COCO, _COCO)
        file, violations = check_coco(document, _COCO, _KIND)
        assert file is not None
        assert not violations
        assert not check_together([file], _KIND)
        assert len(file.images) == images

    return run


def _train(work: Path, images: int) -> Callable[[], None]:
    from vision_customization.engine.annotations import read_classification
    from vision_customization.engine.blobs.access import Access
    from vision_customization.engine.jobs.images.kept_plans import Plans
    from vision_customization.engine.jobs.images.plan import Part, Plan, interleaved
    from vision_customization.engine.objects.files import FileObjects
    from vision_customization.engine.settings import Settings
    from vision_customization.engine.store.cipher import TokenCipher

    def run() -> None:
        with (work / _COCO).open("rb") as file:
            read = read_classification([(_COCO, file)], Purpose.TRAINING)
        part = Part("large", read.tags, interleaved(read.images), Access(None, False, ()), (10, 10_240))
        plans = Plans(FileObjects(work / "objects"), TokenCipher.open(Settings(data_dir=work)))
        plans.put("job", Plan((part,)))
        kept = plans.get("job").parts[0].images
        assert len(kept) == images
        assert kept[images // 2] == part.images[images // 2]

    return run


def _digests(work: Path, images: int) -> Callable[[], None]:
    from vision_customization.customization.datasets.digest_cache import DigestCache

    statuses = dict(_files(images))

    def run() -> None:
        assert len(DigestCache(work).lookup(statuses)) == images

    return run


def _load() -> float:
    return os.getloadavg()[0]


if __name__ == "__main__":
    prepared = {"check": _check, "train": _train, "digests": _digests}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    started = time.monotonic()
    prepared()
    taken = time.monotonic() - started
    print(json.dumps({"seconds": taken, "megabytes": 1000 * peak_gigabytes(os.getpid())}))
