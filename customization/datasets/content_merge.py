"""What becomes of each image of a COCO file when a version is merged into it. Pure: it reads and writes no file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from vision_customization.common.dataset_content.three_way import Outcome, outcome
from vision_customization.customization.datasets.version_content import ContentImage, Labels

Item = TypeVar("Item")


class Prefer(StrEnum):
    """Whose labels an image gets that both sides have changed."""

    MINE = "mine"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Conflict:
    """An image that both sides changed differently. A side without the image has None."""

    file_name: str
    sha256: str
    mine: Labels | None
    theirs: Labels | None


@dataclass(frozen=True, slots=True)
class FileImage:
    """An image of the file: its content and its labels."""

    file_name: str
    sha256: str
    labels: Labels


@dataclass(frozen=True)
class Merged:
    """The result. `labels` has one entry for each image of the file: its labels from now on, None if it goes. `added` images
    come to the end of the file. `conflicts` are those that no preference decides: their images stay as they are."""

    labels: tuple[Labels | None, ...]
    added: tuple[ContentImage, ...]
    conflicts: tuple[Conflict, ...]


def merge_content(
    base: Iterable[tuple[str, Labels]],
    mine: Sequence[FileImage],
    theirs: Iterable[ContentImage],
    prefer: Prefer | None = None,
) -> Merged:
    """Merge a version into a file.

    Args:
        base: what both began with: SHA-256 and labels of each image.
        mine: the images of the file, in its order.
        theirs: the images of the version.
        prefer: decides conflicts.
    """
    began = defaultdict[str, list[Labels]](list)
    for sha256, labels in base:
        began[sha256].append(labels)
    left = defaultdict[str, list[ContentImage]](list)
    for image in theirs:
        left[image.sha256].append(image)
    labels_now: list[Labels | None] = []
    added: list[ContentImage] = []
    conflicts: list[Conflict] = []
    for file_image in mine:
        former = _first(began[file_image.sha256])
        other = _first(left[file_image.sha256])
        wanted = None if other is None else other.labels
        decided = outcome(former, file_image.labels, wanted)
        if decided is Outcome.CONFLICT and prefer is None:
            conflicts.append(Conflict(file_image.file_name, file_image.sha256, file_image.labels, wanted))
        labels_now.append(wanted if _follows(decided, prefer) else file_image.labels)
    for images in left.values():
        for image in images:
            decided = outcome(_first(began[image.sha256]), None, image.labels)
            if decided is Outcome.CONFLICT and prefer is None:
                conflicts.append(Conflict(image.file_name, image.sha256, None, image.labels))
            if _follows(decided, prefer):
                added.append(image)
    return Merged(tuple(labels_now), tuple(added), tuple(conflicts))


def _follows(decided: Outcome, prefer: Prefer | None) -> bool:
    return decided is Outcome.THEIRS or (decided is Outcome.CONFLICT and prefer is Prefer.THEIRS)


def _first(items: list[Item]) -> Item | None:
    return items.pop(0) if items else None
