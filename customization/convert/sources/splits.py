"""The split that a source has already: folders `train`, `valid` and `test`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SPLITS: Mapping[str, str] = {
    "train": "train", "training": "train",
    "val": "valid", "valid": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What folders are called, in lower case → which split they hold."""


def split_of(folder: str) -> str | None:
    return SPLITS.get(folder.lower())


def split_reason(testing: bool) -> str:
    return f"is a split of the source, for {'testing' if testing else 'training'}"


def is_for_testing(splits: Iterable[str]) -> dict[str, bool]:
    """Which of a source's splits are for testing: `test`, or `valid` if there is no `test`; none if there is no `train`."""
    there = set(splits)
    testing = next((split for split in ("test", "valid") if split in there and "train" in there), None)
    return {split: split == testing for split in there}
