"""`python -m benchmarks.near_duplicates [crop]`: which pictures of the labelled sets count as near-duplicates, and the cost."""

import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.near_copies import QUALITIES, near_copies
from tests.support.places import CHECKOUT
from vision_customization.common.near_duplicates import groups, near_pairs
from vision_customization.customization.datasets import image_facts
from vision_customization.customization.datasets.image_facts import read_image

DATA = CHECKOUT.parent / "shared" / "data"
PHOTO_PX = (4032, 3024)
PHOTOS = 400
DIFFERENT_PHOTOS = 20


def main(arguments: Sequence[str]) -> int:
    crop = float(arguments[0]) if arguments else 0.05
    print(f"four copies of each picture, cropped by up to {crop:.0%} at each side, JPEG qualities {QUALITIES}")
    copies: list[bytes] = []
    for folder in sorted(DATA.iterdir()) if DATA.is_dir() else ():
        if folder.is_dir():
            copies += measure_set(folder, crop)
    measure_comparing(copies)
    measure_reading()
    return 0


def measure_set(folder: Path, crop: float) -> list[bytes]:
    """Returns the miniatures of the copies."""
    documents = [json.loads(file.read_bytes()) for file in sorted(folder.glob("*.json"))]
    files = [folder / entry["file_name"] for document in documents for entry in document["images"]]
    alone = groups(near_pairs([_miniature(file.read_bytes()) for file in files]))
    copies = []
    for number, file in enumerate(files):
        with Image.open(file) as image:
            copies += [_miniature(data) for data in near_copies(image, number, crop)]
    found = groups(near_pairs(copies))
    whole = sum(any(set(range(start, start + 4)) <= set(group) for group in found) for start in range(0, len(copies), 4))
    print(
        f"{folder.name:17} {len(files):4} pictures: {sum(map(len, alone)):3} joined with others in {len(alone):2} groups "
        f"(largest {max(map(len, alone), default=0):2}); of {len(files)} groups of copies, {len(files) - whole} fell apart"
    )
    return copies


def measure_reading() -> None:
    """What the miniature adds to the reading of photos as phones take them."""
    photos = []
    for seed in range(DIFFERENT_PHOTOS):
        noise = np.random.default_rng(seed).integers(0, 256, (PHOTO_PX[1] // 12, PHOTO_PX[0] // 12, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noise).resize(PHOTO_PX, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        photos.append(stream.getvalue())
    real = image_facts.miniature
    added = 0.0

    def timed(image: Image.Image, orientation: int = 1) -> bytes:
        nonlocal added
        started = time.process_time()
        small = real(image, orientation)
        added += time.process_time() - started
        return small

    image_facts.miniature = timed
    started = time.process_time()
    for number in range(PHOTOS):
        read_image(photos[number % DIFFERENT_PHOTOS])
    seconds = time.process_time() - started
    image_facts.miniature = real
    share = f"{added:.2f} s ({added / seconds:.1%})"
    print(f"reading {PHOTOS} photos of {PHOTO_PX}: {seconds:.1f} s of CPU, of which miniatures take {share}")


def measure_comparing(miniatures: Sequence[bytes]) -> None:
    """The copies of all sets, as one dataset."""
    started = time.process_time()
    pairs = near_pairs(miniatures)
    print(f"comparing {len(miniatures):,} pictures: {time.process_time() - started:.1f} s of CPU, {len(pairs):,} pairs")


def _miniature(data: bytes) -> bytes:
    small = read_image(data).miniature
    assert small is not None
    return small


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
