"""Pictures that a model is both trained and judged on: shown in a preview, before a metric is believed."""

from __future__ import annotations

import json
import time
from pathlib import Path

from vision_customization.contract.texts import counted
from vision_customization.customization.datasets.content import Content
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.labelled_file import ContentEntry
from vision_customization.customization.datasets.shared_pictures import near_contents, shared_pictures

SHOWN = 3

_READ: dict[str, tuple[ContentEntry, ...]] = {}
"""The images of the datasets that this update has read from disk, by the dataset's digest."""


def remember(content: Content) -> None:
    _READ[content.digest] = content.entries


def overlap(training_digest: str, test_digest: str, test_dataset: str, state_folder: Path) -> str | None:
    """A warning that names test images that are training images, too, or nearly; None if no image is, or if this update has
    not read both datasets from disk.

    Args:
        state_folder: keeps which contents are near-duplicates, so that unchanged datasets are not compared again.
    """
    training, test = _READ.get(training_digest), _READ.get(test_digest)
    if training is None or test is None:
        return None
    near = _near(training_digest, test_digest, training, test, state_folder)
    found = shared_pictures(test, training, near)
    if not found:
        return None
    more = f"; and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return (
        f"{counted(len(found), 'image')} of dataset '{test_dataset}' {'is' if len(found) == 1 else 'are'} in the training "
        f"dataset, too, so the metrics will be too good: {'; '.join(map(str, found[:SHOWN]))}{more}. "
        "`vision check` with the annotation files of both datasets lists all"
    )


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
