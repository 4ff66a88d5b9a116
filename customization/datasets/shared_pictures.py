"""Pictures that stand in two sets of images, one of which should be judged without having seen the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_reading import read_miniatures
from vision_customization.customization.datasets.labelled_file import ContentEntry


class Picture(Protocol):
    """An image with the digest of its content. `path` is that of its file, or what stands for it in messages."""

    @property
    def sha256(self) -> str: ...

    @property
    def path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SharedPicture:
    """An image, and the one of the other set that shows the same. `identical` says that the files are the same."""

    entry: Picture
    other: Picture
    identical: bool

    def __str__(self) -> str:
        like = "the same picture as" if self.identical else "nearly the same picture as"
        return f"{_shown(self.entry)} is {like} {_shown(self.other)}"


def shared_pictures(entries: Sequence[Picture], others: Sequence[Picture], near: Mapping[str, str]) -> list[SharedPicture]:
    """Those of the entries that are also among the others, in their order.

    Args:
        near: what `near_contents` gives.
    """
    by_content = {entry.sha256: entry for entry in reversed(others)}
    found = []
    for entry in entries:
        if entry.sha256 in by_content:
            found.append(SharedPicture(entry, by_content[entry.sha256], identical=True))
        elif entry.sha256 in near:
            found.append(SharedPicture(entry, by_content[near[entry.sha256]], identical=False))
    return found


def near_contents(
    entries: Sequence[ContentEntry], others: Sequence[ContentEntry], cache: DigestCache | None = None
) -> dict[str, str]:
    """For each content of the entries that is not among the others, but has a near-duplicate there: that one. By SHA-256."""
    from vision_customization.common.near_duplicates import near_pairs  # numpy takes 0.1 s

    files = {entry.sha256: Path(entry.path) for entry in (*entries, *others)}
    miniatures = read_miniatures(files, cache)
    known = {entry.sha256 for entry in others}
    new = sorted({entry.sha256 for entry in entries if entry.sha256 in miniatures} - known)
    old = sorted(known.intersection(miniatures))
    pairs = near_pairs([miniatures[sha256] for sha256 in new], [miniatures[sha256] for sha256 in old])
    return {new[one]: old[other] for one, other in reversed(pairs)}


def _shown(entry: Picture) -> str:
    """The file's path, from the current folder if it is below it."""
    path, here = Path(entry.path), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
