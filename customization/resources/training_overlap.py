"""Pictures that a model is both trained and judged on: shown in a preview, before a metric is believed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vision_customization.common.dataset_content.manifest import Manifest
from vision_customization.contract.content_reference import content_reference
from vision_customization.contract.texts import counted
from vision_customization.customization.datasets.content import Content
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.labelled_file import ContentEntry
from vision_customization.customization.datasets.shared_pictures import Picture, near_contents, shared_pictures

SHOWN = 3
_DIGITS = 12
"""Of a digest, in messages."""

_READ: dict[str, tuple[ContentEntry, ...]] = {}
"""The images of the datasets that this update has read from disk, by the dataset's digest."""
_STORED: dict[str, StoredContents] = {}
"""The contents in storage that this update's datasets name, by their digests."""


@dataclass(frozen=True)
class StoredContents:
    """How a content in storage is looked at, if it must be. `manifest` gives None if it can't be read; `file_names` are those
    that can be read, by the images' SHA-256."""

    manifest: Callable[[], Manifest | None]
    file_names: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """An image of a content in storage."""

    digest: str
    sha256: str

    @property
    def path(self) -> str:
        """Its file's name, and the content: `ash/7.jpg of sha256:1a2b3c4d5e6f…`."""
        name = _STORED[self.digest].file_names().get(self.sha256, f"image {self.sha256[:_DIGITS]}…")
        return f"{name} of {content_reference(self.digest[:_DIGITS])}…"


def remember(content: Content) -> None:
    _READ[content.digest] = content.entries


def remember_stored(digest: str, contents: StoredContents) -> None:
    _STORED[digest] = contents


def overlap(training_digest: str, test_digest: str, test_dataset: str, state_folder: Path) -> str | None:
    """A warning that names test images that are training images, too, or nearly. None if no image is, or if this update doesn't
    know the images of both datasets. Near-duplicates are only found among images on disk.

    Args:
        state_folder: keeps which contents are near-duplicates, so that unchanged datasets are not compared again.
    """
    training, test = _READ.get(training_digest), _READ.get(test_digest)
    if training is not None and test is not None:
        near = _near(training_digest, test_digest, training, test, state_folder)
        found = shared_pictures(test, training, near)
        advice = "`vision check` with the annotation files of both datasets lists all"
    else:
        found = shared_pictures(_pictures(test_digest), _pictures(training_digest), {})
        advice = "Remove them from one of the two"
    if not found:
        return None
    more = f"; and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return (
        f"{counted(len(found), 'image')} of dataset '{test_dataset}' {'is' if len(found) == 1 else 'are'} in the training "
        f"dataset, too, so the metrics will be too good: {'; '.join(map(str, found[:SHOWN]))}{more}. {advice}"
    )


def _pictures(digest: str) -> Sequence[Picture]:
    """The images of a dataset; none if this update does not know them."""
    if (read := _READ.get(digest)) is not None:
        return read
    stored = _STORED.get(digest)
    manifest = None if stored is None else stored.manifest()
    return [] if manifest is None else [StoredPicture(digest, sha256) for sha256 in sorted(manifest.images)]


def _near(
    training_digest: str,
    test_digest: str,
    training: tuple[ContentEntry, ...],
    test: tuple[ContentEntry, ...],
    state_folder: Path,
) -> dict[str, str]:
    path = state_folder / "overlaps" / f"{training_digest}-{test_digest}.json"
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        near = near_contents(test, training, DigestCache(state_folder))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{time.monotonic_ns()}.partial")
    partial.write_text(json.dumps(near))
    partial.replace(path)
    return near
