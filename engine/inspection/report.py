"""What an inspection of a dataset found, as it is stored."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from vision_customization.engine.inspection.sizes import size_bins, sizes_text

VERSION = 2
"""Of how inspections are computed and reported; increase it with either. It is one of an inspection's inputs, and only engines
and workers of this version make and read it."""

KEPT_MAX = 1000
"""Groups or pairs of each kind that a report has; their number is counted beyond."""

GROUP_MAX = 12
"""Positions of a group that a report has."""

NEAR_IMAGES_MAX = 20_000
"""Distinct images among which near-duplicates are searched: the time grows with the square."""


class Group(BaseModel):
    """Images that belong together: `count` of them, of which the first GROUP_MAX positions are here. `key` depends on which
    images these are, and not on their positions in the dataset."""

    model_config = ConfigDict(frozen=True)

    positions: list[int]
    count: int
    key: str


class Found(BaseModel):
    """Groups of images: `count` of them, of which the first KEPT_MAX are here. `at_least` if there may be more."""

    model_config = ConfigDict(frozen=True)

    groups: list[Group] = []
    count: int = 0
    at_least: bool = False


class Sizes(BaseModel):
    """How large the images are, in words, and how many are in each range of shorter sides."""

    model_config = ConfigDict(frozen=True)

    text: str = ""
    ranges: list[tuple[str, int]] = []


class OtherSide(BaseModel):
    """Pictures that this dataset shares with another one, which judges models that learned from this one, or the other way
    round. Each group is a position here, and one there. `why` names the model.

    `not_compared` says which images were not compared, and why.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    why: str
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
    sizes: Sizes = Sizes()
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


MiniaturesOf = Callable[[Sequence[str]], Mapping[str, bytes]]


@dataclass(frozen=True)
class Judge:
    """Another dataset to compare with: the digests of its images, and why: `model 'a' was evaluated on it`. Without digests,
    `missing` says why it cannot be compared."""

    name: str
    why: str
    digests: Digests | None
    missing: str = ""


def inspect(digests: Digests, sizes: Iterable[tuple[int, int]], judges: Sequence[Judge], miniatures_of: MiniaturesOf) -> Report:
    """Inspect a dataset.

    Args:
        digests: of its images, by position.
        sizes: widths and heights in pixels, of the images for which they are known.
        judges: datasets that must not share a picture with this one.
        miniatures_of: gives the miniatures of images, by SHA-256, without those that cannot be had.
    """
    compared = _Compared.of(digests, miniatures_of)
    counts = Counter(sizes)
    return Report(
        images=len(digests),
        read=sum(digest is not None for digest in digests),
        copies=_groups(copies(digests), digests),
        near=_groups(near_duplicates(digests, compared.miniatures), digests),
        sizes=Sizes(text=sizes_text(counts), ranges=[(each.text, each.count) for each in size_bins(counts)]),
        sides=[_side(digests, compared, judge, miniatures_of) for judge in judges],
        not_compared=compared.not_compared,
    )


@dataclass(frozen=True)
class _Compared:
    """The miniatures of a dataset's images that are compared, and why others are not."""

    miniatures: Mapping[str, bytes]
    not_compared: list[str]

    @classmethod
    def of(cls, digests: Digests, miniatures_of: MiniaturesOf) -> Self:
        distinct = [digest for digest in dict.fromkeys(digests) if digest is not None]
        tried = distinct[:NEAR_IMAGES_MAX]
        miniatures = miniatures_of(tried)
        unread = sum(digest is None for digest in digests)
        return cls(miniatures, list(_not_compared(unread, len(tried) - len(miniatures), len(distinct) - len(tried))))


def _side(digests: Digests, compared: _Compared, judge: Judge, miniatures_of: MiniaturesOf) -> OtherSide:
    if judge.digests is None:
        return OtherSide(dataset=judge.name, why=judge.why, not_compared=[judge.missing])
    theirs = _Compared.of(judge.digests, miniatures_of)
    near = nearly_same_pictures(digests, judge.digests, {**compared.miniatures, **theirs.miniatures})
    return OtherSide(
        dataset=judge.name,
        why=judge.why,
        same=_pairs(same_pictures(digests, judge.digests), digests, judge.digests),
        near=_pairs(near, digests, judge.digests),
        not_compared=[f"Of dataset '{judge.name}', {text}" for text in theirs.not_compared],
    )


def _not_compared(unread: int, without: int, left_out: int) -> Iterator[str]:
    """In words: images that were not read, images without a thumbnail, and images beyond the limit."""
    if unread:
        were, them = ("was", "it") if unread == 1 else ("were", "them")
        yield (
            f"{counted(unread, 'image')} {were} not compared, because the engine has not read {them} yet: it reads images when "
            "it trains or evaluates a model with them, or shows them."
        )
    if without:
        were, they, have = ("was", "it", "has no thumbnail") if without == 1 else ("were", "they", "have no thumbnails")
        yield (
            f"{counted(without, 'image')} {were} compared only by content, because {they} {have}: an older engine read the "
            "dataset, or the engine has deleted the oldest thumbnails."
        )
    if left_out:
        yield (
            f"{counted(left_out, 'image')} {'was' if left_out == 1 else 'were'} compared only by content: near-duplicates are "
            f"searched among the first {NEAR_IMAGES_MAX:,} images."
        )


def _groups(found: Likenesses, digests: Digests) -> Found:
    groups = [
        Group(positions=group[:GROUP_MAX], count=len(group), key=_key([digests[position] for position in group]))
        for group in found.groups[:KEPT_MAX]
    ]
    return Found(groups=groups, count=len(found.groups), at_least=not found.complete)


def _pairs(found: SharedPictures, digests: Digests, others: Digests) -> Found:
    groups = [
        Group(positions=[here, there], count=2, key=_key([digests[here], others[there]]))
        for here, there in found.pairs[:KEPT_MAX]
    ]
    return Found(groups=groups, count=len(found.pairs), at_least=not found.complete)


def _key(digests: Sequence[str | None]) -> str:
    return hashlib.sha256("".join(sorted(digest or "" for digest in digests)).encode()).hexdigest()
