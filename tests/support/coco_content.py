"""Registered datasets whose content is indexed, as a worker does it, from a COCO document in memory."""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision_customization.contract.enums import AnnotationKind, ProblemKind
from vision_customization.engine.annotations.content import DatasetContent
from vision_customization.engine.store import BlobRecord, ContentIndexRecord, Store
from vision_customization.engine.store.content_rows import NewImage
from vision_customization.engine.store.records import IndexedFile, IndexedProblem, IndexedTag, ProblemCount

CONTAINER = "https://acct.blob.core.windows.net/c"

Boxes = Sequence[tuple[str, Sequence[float]]]
"""Tags with their boxes."""


def url_of(name: str) -> str:
    return f"{CONTAINER}/{name}"


def digest_of(name: str) -> str:
    """The SHA-256 that `read` gives an image."""
    return hashlib.sha256(name.encode()).hexdigest()


def coco(
    images: Mapping[str, Iterable[str] | Boxes], tags: Sequence[str] = (), size: tuple[int, int] = (640, 480)
) -> dict[str, Any]:
    """A COCO document of images by file name, each with its tags, or with tags and boxes.

    Args:
        tags: categories beside those of the images.
    """
    labels = [(number, *_label(label)) for number, (_, of_image) in enumerate(images.items(), 1) for label in of_image]
    names = list(dict.fromkeys([*tags, *(tag for _, tag, _ in labels)]))
    return {
        "images": [
            {"id": number, "width": size[0], "height": size[1], "file_name": name, "absolute_url": url_of(name)}
            for number, name in enumerate(images, 1)
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": names.index(tag) + 1, **({} if box is None else {"bbox": box})}
            for number, (image, tag, box) in enumerate(labels, 1)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
    }


def register(
    store: Store,
    name: str,
    document: Mapping[str, Any],
    kind: AnnotationKind = AnnotationKind.IMAGE_CLASSIFICATION,
    **properties: str,
) -> ContentIndexRecord:
    """A dataset whose annotation file has been read. Its custom properties are `properties`."""
    store.datasets.create(name, kind, [f"{CONTAINER}/{name}.json"], custom_properties=properties or None)
    return index(store, name, document)


def index(store: Store, name: str, document: Mapping[str, Any]) -> ContentIndexRecord:
    """Read the annotation file of a dataset whose content was not looked at yet, or has changed."""
    look = store.content.look(name)
    assert look.created is not None
    return fill(store, look.created, name, document)


def fill(store: Store, index_id: str, name: str, document: Mapping[str, Any]) -> ContentIndexRecord:
    """Read the annotation file of the dataset `name` into an index that waits for a worker."""
    begun, data = store.content.begin(index_id), json.dumps(document).encode()
    writer = store.content.writer(index_id)
    with tempfile.TemporaryDirectory() as folder, DatasetContent(Path(folder), begun.annotation_kind, begun.purpose) as content:
        content.add(io.BytesIO(data), f"{name}.json")
        writer.add_images(NewImage(*image) for image in content.images())
        writer.add_tags(IndexedTag(*tag) for tag in content.tags())
        content.conclude()
        kept = content.problems.kept()
        writer.add_problems(IndexedProblem(*problem) for problem in kept)
        counts = [
            ProblemCount(each, content.problems.counts[each], writer.images_with(each), "")
            for each in ProblemKind
            if content.problems.counts[each]
        ]
        digest = content.digest
    file = IndexedFile(f"{CONTAINER}/{name}.json", hashlib.sha256(data).hexdigest(), len(data), '"v1"')
    return store.content.finish(index_id, writer, [file], counts, digest)


def read(store: Store, *names: str) -> None:
    """Let the engine know the digests of images, as if a job had read them."""
    store.known_blobs.remember(BlobRecord(url_of(name), '"v1"', digest_of(name), 640, 480) for name in names)


def _label(label: str | tuple[str, Sequence[float]]) -> tuple[str, Sequence[float] | None]:
    return (label, None) if isinstance(label, str) else label
