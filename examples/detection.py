"""The sample dataset for object detection: groceries on shelves, tables and grass, drawn from cut-out pictures.

`python -m examples.detection --to FOLDER` writes `train.json`, `test.json` and `images/<name>.jpg` from the pictures in
`FOLDER/objects`, where `make setup EXAMPLE=detection` puts them: renderings of Microsoft's Fluent Emoji (MIT), as the npm
package `@lobehub/fluent-emoji-3d` (MIT) has them. The same pictures give the same dataset. Most test scenes
have a kind of background, and untagged things, that no training image has.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from PIL import Image

from examples.backdrops import Backdrop, cloth, concrete, grass, lying, marble, plaster, shelves, tiles, wood
from examples.scenes import Placed, Style, draw_scene

WIDTH, HEIGHT = 640, 480

# The pictures of each tag, by code point.
TAGS = {
    "apple": ("1f34e", "1f34f"),
    "banana": ("1f34c",),
    "bread": ("1f35e", "1f956"),
    "carrot": ("1f955",),
    "cheese": ("1f9c0",),
    "juice": ("1f9c3",),
    "milk": ("1f95b",),
    "tin": ("1f96b",),
}
# Objects that are drawn without a box: orange, aubergine, broccoli, onion, honey, pepper, doughnut, butter, lemon, strawberry.
UNTAGGED = ("1f34a", "1f346", "1f966", "1f9c5", "1f36f", "1fad1", "1f369", "1f9c8", "1f34b", "1f353")
# The same, only in the test scenes: pear, maize, avocado.
UNTAGGED_IN_TEST = ("1f350", "1f33d", "1f951")
PICTURES = tuple(sorted({*UNTAGGED, *UNTAGGED_IN_TEST}.union(*TAGS.values())))

# One of this many images has no tagged object.
EMPTY_EVERY = 15

DrawBackdrop = Callable[[Random, int, int], Backdrop]


@dataclass(frozen=True)
class Part:
    """One annotation file: its images, and the backdrops, objects and style of its scenes; `backdrops` take turns."""

    images: int
    untagged: tuple[str, ...]
    backdrops: tuple[DrawBackdrop, ...]
    style: Style


_SEEN: tuple[DrawBackdrop, ...] = (partial(shelves, wall=plaster, board=wood), partial(lying, surface=wood))

PARTS = {
    "train.json": Part(
        120,
        UNTAGGED,
        (*_SEEN, partial(lying, surface=grass), partial(shelves, wall=tiles, board=wood), partial(lying, surface=tiles)),
        Style(tilt=35, squeeze=0.2, blur=1.0, quality=(65, 95), brightness=(0.7, 1.15)),
    ),
    "test.json": Part(
        60,
        UNTAGGED + UNTAGGED_IN_TEST,
        (
            *_SEEN,
            *(partial(lying, surface=surface) for surface in (marble, cloth, concrete)),
            partial(shelves, wall=plaster, board=None),
        ),
        Style(tilt=50, squeeze=0.28, blur=1.3, quality=(50, 90), brightness=(0.6, 1.2)),
    ),
}

Document = dict[str, list[dict[str, object]]]


class SamplesError(Exception):
    """The sample dataset can't be created."""


def read_pictures(folder: Path) -> dict[str, Image.Image]:
    """The cut-outs by code point, RGBA.

    Raises:
        SamplesError: one is missing or is not an image.
    """
    pictures = {}
    for name in PICTURES:
        path = folder / f"{name}.webp"
        try:
            with Image.open(path) as image:
                pictures[name] = image.convert("RGBA")
        except FileNotFoundError:
            raise SamplesError(f"{path} is missing. Run `make setup EXAMPLE=detection` to download the pictures") from None
        except OSError as error:
            raise SamplesError(f"{path} can't be read as an image ({error}). Delete it and run `make setup`") from error
    return pictures


def fractions(box: tuple[int, int, int, int], width: int, height: int) -> list[float]:
    """A box in pixels as the contract's fractions: left, top, width, height, always inside the image."""
    shares = []
    for start, extent, whole in ((box[0], box[2], width), (box[1], box[3], height)):
        share = extent / whole
        while start / whole + share > 1:  # rounding of the last digit
            share = math.nextafter(share, 0)
        shares.append((start / whole, share))
    (left, wide), (top, high) = shares
    return [left, top, wide, high]


def document(images: Sequence[tuple[str, Sequence[Placed]]]) -> Document:
    """A COCO document for detection, from images' file names and the objects placed in them."""
    tags = list(TAGS)
    found = [(number, placed) for number, (_, all_placed) in enumerate(images, start=1) for placed in all_placed if placed.tag]
    return {
        "images": [
            {"id": number, "width": WIDTH, "height": HEIGHT, "file_name": name}
            for number, (name, _) in enumerate(images, start=1)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": tags.index(placed.tag) + 1,
                "bbox": fractions(placed.box, WIDTH, HEIGHT),
            }
            for number, (image, placed) in enumerate(found, start=1)
        ],
        "categories": [{"id": number, "name": tag} for number, tag in enumerate(tags, start=1)],
    }


def scene(name: str, part: Part, number: int, pictures: Mapping[str, Image.Image]) -> tuple[bytes, list[Placed]]:
    """The scene of this number of a part, as JPEG, and its objects: independent of the other scenes."""
    random = Random(f"{name} {number}")  # noqa: S311 - not a secret
    backdrop = part.backdrops[number % len(part.backdrops)](random, WIDTH, HEIGHT)
    objects = {tag: [pictures[code] for code in codes] for tag, codes in TAGS.items()}
    if number % EMPTY_EVERY == 0:
        objects = {}
    if number % (2 * EMPTY_EVERY):
        objects[""] = [pictures[code] for code in part.untagged]
    return draw_scene(random, backdrop, objects, part.style)


def write_dataset(
    pictures: Mapping[str, Image.Image], target: Path, parts: Mapping[str, Part] = PARTS, *, overwrite: bool = False
) -> list[Path]:
    """Draw the images and write the annotation files; returns the annotation files written.

    An existing annotation file and its images are left unchanged, unless `overwrite`: they may have been changed on purpose.
    """
    written = []
    for name, part in parts.items():
        annotation_file = target / name
        if annotation_file.exists() and not overwrite:
            continue
        (target / "images").mkdir(parents=True, exist_ok=True)
        images = []
        for number in range(1, part.images + 1):
            data, placed = scene(name, part, number, pictures)
            file_name = f"images/{annotation_file.stem}-{number:03}.jpg"
            (target / file_name).write_bytes(data)
            images.append((file_name, placed))
        annotation_file.write_text(json.dumps(document(images), indent=1) + "\n")
        written.append(annotation_file)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.detection", description="Write the sample dataset for detection.")
    parser.add_argument("--to", type=Path, default=Path("examples/detection"), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument(
        "--from", dest="objects", type=Path, metavar="FOLDER", help="the cut-out pictures; default: objects in --to"
    )
    parser.add_argument("--overwrite", action="store_true", help="overwrite existing annotation files and images")
    options = parser.parse_args(arguments)
    try:
        written = write_dataset(
            read_pictures(options.objects or options.to / "objects"), options.to, overwrite=options.overwrite
        )
    except SamplesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for file in written:
        made = json.loads(file.read_text())
        print(f"{file}: {len(made['images'])} images with {len(made['annotations'])} boxes of {', '.join(TAGS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
