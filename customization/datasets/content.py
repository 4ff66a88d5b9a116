"""What a dataset on this machine holds, as digests: read, checked against every rule, and ready to be compared or uploaded.

An unchanged dataset of 10,000 images is read in a fraction of a second: file digests come from a `DigestCache`, and neither
Pillow nor the Azure libraries are imported for it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vision_customization.contract.coco.document import CocoFile, Severity, Violation, read_json
from vision_customization.contract.coco.rules import check_coco, check_together
from vision_customization.contract.enums import Purpose
from vision_customization.contract.limits import DATASET_LIMITS, IMAGE_BYTES_MAX
from vision_customization.customization.datasets.content_rules import contradictions, crowded, unturned
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import ImageFacts
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.datasets.labelled_file import ContentEntry, LabelledFile
from vision_customization.customization.datasets.manifest import ContentChange, ImageLabels, Manifest, compare, manifest_of
from vision_customization.customization.errors import DatasetInvalid, ImageUnreadable

__all__ = [
    "Content",
    "ContentChange",
    "ContentEntry",
    "DigestCache",
    "ImageLabels",
    "Manifest",
    "check_content",
    "compare",
    "read_content",
]


@dataclass(frozen=True)
class Content:
    """A dataset that keeps every rule.

    Its `digest` depends on the kind, on each image's bytes and on its annotations by tag name: not on ids, order, file names or
    times. `warnings` are what is allowed and yet hardly meant.
    """

    kind: str
    files: tuple[LabelledFile, ...]
    manifest: Manifest
    warnings: tuple[Violation, ...] = field(default=(), compare=False)

    @cached_property
    def digest(self) -> str:
        return self.manifest.digest

    @cached_property
    def entries(self) -> tuple[ContentEntry, ...]:
        return tuple(entry for file in self.files for entry in file.entries)

    @property
    def images(self) -> int:
        return sum(len(file.entries) for file in self.files)

    @cached_property
    def tags(self) -> dict[str, int]:
        """Tag → number of its annotations, by tag."""
        return self.manifest.tags


def read_content(
    source: Path,
    annotation_files: Sequence[str],
    kind: str,
    cache: DigestCache | None = None,
    purpose: str = Purpose.TRAINING,
    on_progress: Callable[[int, int], None] | None = None,
) -> Content:
    """Read and check a dataset.

    Args:
        source: the folder that `annotation_files` and each image's `file_name` are relative to. A `file_name` that is not there
            is looked for beside its annotation file.
        annotation_files: COCO files; several make one dataset, their categories merged by name.
        kind: an `AnnotationKind`.
        cache: digests of files that have not changed.
        purpose: `training` or `evaluation`, whose limits differ.
        on_progress: gets (done, total) of the image files that have to be read.

    Raises:
        DatasetInvalid: with every violation there is.
    """
    content, violations = check_content(source, annotation_files, kind, cache, purpose, on_progress)
    if content is None:
        raise DatasetInvalid([violation for violation in violations if violation.severity is Severity.ERROR])
    return content


def check_content(
    source: Path,
    annotation_files: Sequence[str],
    kind: str,
    cache: DigestCache | None = None,
    purpose: str = Purpose.TRAINING,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Content | None, list[Violation]]:
    """As `read_content`, but what is wrong is returned: errors, in whose presence there is no content, and warnings."""
    violations: list[Violation] = []
    files: list[CocoFile] = []
    located: list[_Located] = []
    for name in annotation_files:
        path = source / name
        document, unreadable = read_json(path, name)
        if unreadable is not None:
            violations.append(unreadable)
            continue
        file, broken_rules = check_coco(document, name, kind, purpose)
        violations += broken_rules
        if file is not None:
            files.append(file)
        located += _locate(name, document, os.path.abspath(source), os.path.abspath(path.parent))  # noqa: PTH100 - text is quicker
    if len(files) == len(annotation_files):
        violations += check_together(files, kind, purpose)

    statuses: dict[str, os.stat_result] = {}
    for image in located:
        image.find(statuses)
    facts = read_images(statuses, cache, on_progress)
    limits = DATASET_LIMITS[kind, purpose]
    for image in located:
        image_violation = image.problem(statuses, facts, limits.side_min, limits.side_max)
        if image_violation is not None:
            violations.append(image_violation)
    if any(violation.severity is Severity.ERROR for violation in violations):
        return None, violations

    entries = iter(located)
    labelled = tuple(LabelledFile(file, tuple(next(entries).entry(statuses, facts) for _ in file.images)) for file in files)
    too_many = crowded(labelled)
    violations += [*too_many, *contradictions(labelled), *unturned(labelled)]
    if too_many:
        return None, violations
    manifest = _manifest(kind, labelled)
    return Content(str(kind), labelled, manifest, tuple(violations)), violations


class _Located:
    """An entry of `images` on its way to its file."""

    __slots__ = ("beside", "claimed", "file", "file_name", "id", "index", "path")

    def __init__(self, file: str, index: int, entry: dict[str, Any], source: str, beside: str) -> None:
        self.file = file
        self.index = index
        self.id = entry.get("id")
        self.file_name: str = entry["file_name"]
        self.claimed = entry.get("width"), entry.get("height")
        self.path = f"{source}/{self.file_name}"
        self.beside = f"{beside}/{self.file_name}"

    def find(self, statuses: dict[str, os.stat_result]) -> None:
        if self._outside() or self.path in statuses:
            return
        # os.stat and text instead of Path: this runs for each of up to a million images.
        try:
            statuses[self.path] = os.stat(self.path)  # noqa: PTH116
        except (OSError, ValueError):
            if self.beside != self.path:
                try:
                    statuses[self.beside] = os.stat(self.beside)  # noqa: PTH116
                except (OSError, ValueError):
                    return
                self.path = self.beside

    def _outside(self) -> bool:
        name = self.file_name
        return name.startswith(("/", "\\")) or (".." in name and ".." in name.replace("\\", "/").split("/"))

    def problem(
        self,
        statuses: dict[str, os.stat_result],
        facts: dict[str, ImageFacts | ImageUnreadable],
        side_min: int,
        side_max: int,
    ) -> Violation | None:
        status = statuses.get(self.path)
        if self._outside():
            message = f"file_name {self.file_name!r} must be relative, and must stay in the dataset's folder"
        elif status is None:
            message = f"no such image file: {self.path}"
        elif not stat.S_ISREG(status.st_mode):
            message = f"{self.path} is not a file"
        elif status.st_size > IMAGE_BYTES_MAX:
            message = f"{self.file_name} has {status.st_size:,} bytes, must have at most {IMAGE_BYTES_MAX:,}"
        else:
            found = facts[self.path]
            if isinstance(found, ImageUnreadable):
                message = f"{self.file_name} {found}"
            elif not (side_min <= found.width <= side_max and side_min <= found.height <= side_max):
                message = f"{self.file_name} is {found.width} × {found.height} px, a side must be {side_min} to {side_max:,}"
            elif not found.has_size(*self.claimed) and _are_numbers(self.claimed):
                claimed = " × ".join(str(side) for side in self.claimed)
                message = f"{self.file_name} is {found.width} × {found.height} px, width and height say {claimed}"
            else:
                return None
        return Violation(self.file, message, "images", self.index, self.id)

    def entry(self, statuses: dict[str, os.stat_result], facts: dict[str, ImageFacts | ImageUnreadable]) -> ContentEntry:
        found = facts[self.path]
        assert isinstance(found, ImageFacts)
        size = statuses[self.path].st_size
        return ContentEntry(self.path, self.file_name, found.sha256, found.width, found.height, size, found.format)


def _are_numbers(claimed: tuple[Any, Any]) -> bool:
    return all(type(side) in (int, float) for side in claimed)


def _locate(name: str, document: object, source: str, beside: str) -> list[_Located]:
    """Every image that names a file, also of a document that breaks other rules: its files are checked all the same."""
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        return []
    return [
        _Located(name, index, entry, source, beside)
        for index, entry in enumerate(images)
        if isinstance(entry, dict) and isinstance(entry.get("file_name"), str) and entry["file_name"]
    ]


def _manifest(kind: str, files: Sequence[LabelledFile]) -> Manifest:
    images = []
    for file in files:
        labels: dict[int, list[tuple[str, Any]]] = {image.id: [] for image in file.coco.images}
        for annotation in file.coco.annotations:
            labels[annotation.image_id].append((file.coco.categories[annotation.category_id], annotation.box))
        images += [(entry.sha256, labels[image.id]) for image, entry in zip(file.coco.images, file.entries, strict=True)]
    return manifest_of(str(kind), images)
