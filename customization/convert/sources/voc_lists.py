"""The lists of Pascal VOC that say which images are in which split: `ImageSets/Main/train.txt`, with one name per line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.convert.sources.label_text import read_lines
from vision_customization.customization.convert.sources.splits import split_of

LABEL_FOLDERS = frozenset({"annotations", "annotation", "labels", "xml", "xmls"})
"""What the folders of XML files are called, in lower case."""

FOLDERS = ("imagesets", "main")
BOTH = "trainval"
"""Lists the images of `train` and `val`."""


def is_split_list(path: Path) -> bool:
    """Whether a file is such a list; those of a tag, such as `cat_train.txt`, are not."""
    folders = tuple(part.lower() for part in path.parts[-3:-1])
    return folders == FOLDERS and path.suffix.lower() == ".txt" and _split_of(path) is not None


def listed_splits(lists: Iterable[Path], remarks: Remarks) -> dict[Path, str]:
    """The split of each XML file, by its path without extension. One that is in several lists is for training if it can be.

    Raises:
        ConversionFailed: a list is not text.
    """
    splits: dict[Path, str] = {}
    # Of `trainval`, only what the lists of one split don't have.
    for path in sorted(lists, key=lambda path: (path.stem.lower() == BOTH, _split_of(path) != "train", path)):
        split = _split_of(path) or ""
        folders = [folder for folder in sorted(path.parents[2].iterdir()) if folder.name.lower() in LABEL_FOLDERS]
        for name in dict.fromkeys(line.split()[0] for line in read_lines(path) if line.strip()):
            for folder in folders:
                if (former := splits.setdefault(folder / name, split)) != split and path.stem.lower() != BOTH:
                    remarks.warn(What.IMAGE, f"is in the lists of two splits, and counts as {former}", f"{path}: {name}")
    return splits


def _split_of(path: Path) -> str | None:
    return "train" if path.stem.lower() == BOTH else split_of(path.stem)
