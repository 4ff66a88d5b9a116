"""What an inspection of a dataset found, as it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict

from vision_customization.contract.texts import counted
from vision_customization.engine.inspection.likeness import (
    Digests,
    Likenesses,
    SharedPictures,
    copies,
    near_duplicates,
    nearly_same_pictures,
    same_pictures,
)

VERSION = 1
"""Of how inspections are computed. A report of another version is made again."""

KEPT_MAX = 1000
"""Groups or pairs of each kind that a report has; their number is counted beyond."""

NEAR_IMAGES_MAX = 20_000
"""Distinct images among which near-duplicates are searched: the time grows with the square."""


class Found(BaseModel):
    """Groups of positions in the dataset: `count` of them, of which the first KEPT_MAX are here. `at_least` if there may be
    more."""

    model_config = ConfigDict(frozen=True)

    groups: list[list[int]] = []
    count: int = 0
    at_least: bool = False


class OtherSide(BaseModel):
    """Pictures that this dataset shares with another one, which judges models that learned from this one, or the other way
    round. Each group is a position here, and one there. `why` names the model.

    `not_compared` says which images were not compared, and why.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    why: str
    content: str
    same: Found = Found()
    near: Found = Found()
    not_compared: list[str] = []


class Report(BaseModel):
    """Of a dataset with so many images, of which the engine has read `read`. `copies` are images with the same file content."""

    model_config = ConfigDict(frozen=True)

    version: int = VERSION
    images: int
    read: int
    copies: Found
    near: Found
    sides: list[OtherSide] = []
    not_compared: list[str] = []

    @classmethod
    def from_json(cls, data: bytes) -> Self | None:
        """None if another version wrote it."""
        try:
            report = cls.model_validate_json(data)
        except ValueError:
            return None
        return report if report.version == VERSION else None


@dataclass(frozen=True)
class Inspected:
    """A dataset to inspect: what identifies its content, and the digests of its images."""

    name: str
    content: str
    digests: Digests


@dataclass(frozen=True)
class Judge:
    """Another dataset to compare with, and why: `model 'a' was evaluated on it`."""

    dataset: Inspected | None
    name: str
    why: str
    missing: str = ""


def inspect(dataset: Inspected, judges: Sequence[Judge], miniatures: Mapping[str, bytes]) -> Report:
    """Inspect a dataset.

    Args:
        judges: datasets that must not share a picture with this one.
        miniatures: of the images of all datasets that can be compared, by SHA-256; see `common.miniatures`.
    """
    few, left_out = _within_limit(dataset.digests, miniatures)
    return Report(
        images=len(dataset.digests),
        read=sum(digest is not None for digest in dataset.digests),
        copies=_groups(copies(dataset.digests)),
        near=_groups(near_duplicates(dataset.digests, few)),
        sides=[_side(dataset, judge, miniatures) for judge in judges],
        not_compared=_not_compared(dataset.digests, miniatures, left_out),
    )


def _side(dataset: Inspected, judge: Judge, miniatures: Mapping[str, bytes]) -> OtherSide:
    other = judge.dataset
    if other is None:
        return OtherSide(dataset=judge.name, why=judge.why, content="", not_compared=[judge.missing])
    here, left_here = _within_limit(dataset.digests, miniatures)
    there, left_there = _within_limit(other.digests, miniatures)
    return OtherSide(
        dataset=judge.name,
        why=judge.why,
        content=other.content,
        same=_pairs(same_pictures(dataset.digests, other.digests)),
        near=_pairs(nearly_same_pictures(dataset.digests, other.digests, {**here, **there})),
        not_compared=[
            *(f"Of '{dataset.name}': {text}" for text in _not_compared(dataset.digests, miniatures, left_here)),
            *(f"Of '{judge.name}': {text}" for text in _not_compared(other.digests, miniatures, left_there)),
        ],
    )


def _within_limit(digests: Digests, miniatures: Mapping[str, bytes]) -> tuple[dict[str, bytes], int]:
    """The miniatures of the first NEAR_IMAGES_MAX distinct images, and how many images are left out."""
    distinct = [digest for digest in dict.fromkeys(digests) if digest is not None and digest in miniatures]
    kept = {digest: miniatures[digest] for digest in distinct[:NEAR_IMAGES_MAX]}
    return kept, len(distinct) - len(kept)


def _not_compared(digests: Digests, miniatures: Mapping[str, bytes], left_out: int) -> list[str]:
    said = []
    if unread := sum(digest is None for digest in digests):
        were, them = ("was", "it") if unread == 1 else ("were", "them")
        said.append(
            f"{counted(unread, 'image')} {were} not compared, because the engine has not read {them} yet: it reads images when "
            "it trains or evaluates a model with them, or shows them."
        )
    known = {digest for digest in digests if digest is not None}
    if without := len(known - miniatures.keys()):
        had = "it has no thumbnail" if without == 1 else "they have no thumbnails"
        said.append(
            f"{counted(without, 'image')} {'was' if without == 1 else 'were'} compared only by content, because {had}: "
            "an older engine read the dataset, or the engine has deleted the oldest thumbnails."
        )
    if left_out:
        said.append(
            f"{counted(left_out, 'image')} {'was' if left_out == 1 else 'were'} compared only by content: near-duplicates are "
            f"searched among the first {NEAR_IMAGES_MAX:,} images."
        )
    return said


def _groups(found: Likenesses) -> Found:
    return Found(groups=found.groups[:KEPT_MAX], count=len(found.groups), at_least=not found.complete)


def _pairs(found: SharedPictures) -> Found:
    groups = [list(pair) for pair in found.pairs[:KEPT_MAX]]
    return Found(groups=groups, count=len(found.pairs), at_least=not found.complete)
