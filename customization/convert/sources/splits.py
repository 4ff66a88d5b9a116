"""The split that a source has already: folders, files or values `train`, `valid` and `test`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from vision_customization.customization.convert.remarks import Remarks, What

ORDER = ("train", "valid", "test")
SPLITS: Mapping[str, str] = {
    "train": "train", "training": "train",
    "val": "valid", "valid": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What folders and files are called, in lower case → which split they hold."""


def split_of(folder: str) -> str | None:
    return SPLITS.get(folder.lower())


def split_of_file(path: Path) -> str | None:
    """The split that a label file is of, by its name (`instances_train2017.json`) or else by its folders'; None if they name
    none, or several."""
    for names in (re.findall("[a-z]+", path.stem.lower()), [part.lower() for part in path.parts[:-1]]):
        found = {SPLITS[name] for name in names if name in SPLITS}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def split_in(folders: Iterable[str]) -> str | None:
    """The split of an image by the folders that it is in: `train/images`, `images/train`."""
    return next((split for folder in folders if (split := split_of(folder)) is not None), None)


def splits_by_folder(images: Iterable[Path], root: Path, listed_in: Path | None = None) -> dict[Path, str | None]:
    """The split of each image, by its folders below `root`; none if the file that lists them is of one split, as train.json."""
    if listed_in is not None and listed_in.is_file() and split_of_file(Path(listed_in.name)) is not None:
        return dict.fromkeys(images)
    return {image: split_in(Path(os.path.relpath(image, root)).parts[:-1]) for image in images}


def sides(splits: Mapping[Path, str | None], remarks: Remarks, stated_in: str | None = None) -> dict[Path, bool | None]:
    """Whether each image is for testing, by its split; None if it has none, or if the source is not split.

    Args:
        stated_in: the place in the source that says the splits; by default, folders of these names.
    """
    testing = is_for_testing(split for split in splits.values() if split is not None)
    if len(testing) > 1:
        for name, is_test in sorted(testing.items()):
            what, place = (What.FOLDER, name) if stated_in is None else (What.FILE, f"{stated_in}: {name}")
            remarks.note(what, split_reason(is_test), place)
        for image, split in splits.items():
            if split is None:
                remarks.warn(What.IMAGE, "is in no split of the source, so it is for training", str(image))
    return {path: None if split is None else testing[split] for path, split in splits.items()}


def split_reason(testing: bool) -> str:
    return f"is a split of the source, for {'testing' if testing else 'training'}"


def is_for_testing(splits: Iterable[str]) -> dict[str, bool]:
    """Which of a source's splits are for testing: `test`, or `valid` if there is no `test`; none if there is no `train`."""
    there = set(splits)
    testing = next((split for split in ("test", "valid") if split in there and "train" in there), None)
    return {split: split == testing for split in there}
