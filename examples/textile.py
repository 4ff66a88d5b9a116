"""The sample dataset: simulated textile surfaces in COCO form, from the package `conformal-clip-data` (MIT).

`python -m examples.textile --to FOLDER` writes `train.json`, `test.json` and `images/<tag>/<name>.jpg`.

The package numbers its images per class, from 1. Images of one number in different classes are independent simulations (their
pixels correlate no more than those of any two numbers); still, each number is in one split only, so that no dependence can
reach the test set. Source: Megahed et al., "Adapting OpenAI's CLIP Model for Few-Shot Image Inspection in Manufacturing Quality
Control", arXiv:2501.12596.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

# The package's class folders and what they show.
TAGS = {
    "nominal": "nominal",  # the intact weave
    "local": "local-defect",  # a disruption in one place
    "global": "global-defect",  # the parameters of the whole weave shifted by 5 %
}
IMAGES_PER_TAG = {"train.json": 100, "test.json": 100}

Document = dict[str, list[dict[str, int | str]]]


class SamplesError(Exception):
    """The sample dataset can't be created."""


def package_folders() -> dict[str, Path]:
    """The package's folder of each class.

    Raises:
        SamplesError: the package is not installed.
    """
    try:
        import conformal_clip_data
    except ModuleNotFoundError as error:
        raise SamplesError("conformal-clip-data is not installed: `pip install vision-customization[samples]`") from error
    root = Path(conformal_clip_data.textile_simulated_root())
    return {name: root / name for name in TAGS}


def split(names: Sequence[str], sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """Split the names into disjoint parts of the given sizes, each sorted; the order of the names does not matter.

    Raises:
        SamplesError: there are not enough names.
    """
    if sum(sizes.values()) > len(names):
        raise SamplesError(f"{len(names)} images were found in all classes, but {sum(sizes.values())} are needed")
    shuffled = iter(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()))
    return {part: sorted(next(shuffled) for _ in range(size)) for part, size in sizes.items()}


def document(images: Sequence[tuple[str, str, tuple[int, int]]]) -> Document:
    """A COCO document for classification.

    Args:
        images: the file name, tag, and width and height in pixels of each image.
    """
    tags = list(TAGS.values())
    return {
        "images": [
            {"id": number, "width": size[0], "height": size[1], "file_name": name}
            for number, (name, _, size) in enumerate(images, start=1)
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": tags.index(tag) + 1}
            for number, (_, tag, _) in enumerate(images, start=1)
        ],
        "categories": [{"id": number, "name": tag} for number, tag in enumerate(tags, start=1)],
    }


def write_dataset(folders: Mapping[str, Path], target: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the annotation files and copy the images that they name; returns the annotation files written.

    An existing annotation file is left unchanged, unless `overwrite`: it may have been changed on purpose. Images are copied,
    not linked: editing one must not change the installed package.

    Raises:
        SamplesError: too few image numbers are in all classes.
    """
    common = set.intersection(*({file.name for file in folder.glob("*.jpg")} for folder in folders.values()))
    parts = split(sorted(common), IMAGES_PER_TAG)
    written = []
    for annotation_file, names in parts.items():
        if (target / annotation_file).exists() and not overwrite:
            continue
        images = []
        for class_name, tag in TAGS.items():
            (target / "images" / tag).mkdir(parents=True, exist_ok=True)
            for name in names:
                source = folders[class_name] / name
                shutil.copyfile(source, target / "images" / tag / name)
                with Image.open(source) as image:
                    images.append((f"images/{tag}/{name}", tag, image.size))
        (target / annotation_file).write_text(json.dumps(document(images), indent=1) + "\n")
        written.append(target / annotation_file)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.textile", description="Write the sample dataset.")
    parser.add_argument("--to", type=Path, default=Path("examples/textile"), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--overwrite", action="store_true", help="overwrite existing annotation files and images")
    options = parser.parse_args(arguments)
    try:
        written = write_dataset(package_folders(), options.to, overwrite=options.overwrite)
    except SamplesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for file in written:
        print(f"{file}: {IMAGES_PER_TAG[file.name]} images for each of {', '.join(TAGS.values())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
