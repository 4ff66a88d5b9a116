"""The content of a dataset on this machine, as digests: checked against every rule, ready to be compared or uploaded.

Reading and checking an unchanged dataset of 10,000 images takes a fraction of a second: file digests come from a
`DigestCache`, and neither Pillow nor the Azure libraries are imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypedDict

from vision_customization.common.dataset_content.manifest import Manifest, manifest_of
from vision_customization.contract.coco.document import CocoFile, Severity, Violation
from vision_customization.contract.coco.rules import check_coco, check_together
from vision_customization.contract.limits import DATASET_LIMITS
from vision_customization.customization.datasets.content_rules import contradictions, crowded, unturned
from vision_customization.customization.datasets.labelled_file import ContentEntry, LabelledFile
from vision_customization.customization.datasets.near_names import NearNames
from vision_customization.customization.datasets.source import DatasetFiles
from vision_customization.customization.datasets.version_content import tagged_labels
from vision_customization.customization.errors import DatasetInvalid


@dataclass(frozen=True)
class Content:
    """A dataset that satisfies every rule.

    Its `digest` depends on the kind, on each image's bytes and on its annotations by tag name: not on ids, order, file names or
    times. `warnings` lists what is valid but probably unintended.
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
        """Tag → number of its annotations, sorted by tag."""
        return self.manifest.tags


class Description(TypedDict):
    """A dataset in numbers: `tags` maps each tag to the number of its annotations."""

    images: int
    tags: dict[str, int]
    digest: str


@dataclass(frozen=True)
class CheckedDataset:
    """The result of a check: `violations` are errors and warnings; if there is an error, `content` is None."""

    violations: tuple[Violation, ...]
    content: Content | None = None

    def valid(self) -> Content:
        """The content. Raises DatasetInvalid with all errors."""
        if self.content is None:
            raise DatasetInvalid([violation for violation in self.violations if violation.severity is Severity.ERROR])
        return self.content


def check_dataset(found: DatasetFiles) -> CheckedDataset:
    """Check a dataset that was read against every rule."""
    kind, purpose = found.source.kind, found.source.purpose
    violations: list[Violation] = []
    files: list[CocoFile] = []
    for document in found.documents:
        if document.unreadable is not None:
            violations.append(document.unreadable)
            continue
        file, broken_rules = check_coco(document.json, document.name, kind, purpose)
        violations += broken_rules
        if file is not None:
            files.append(file)
    if len(files) == len(found.documents):
        violations += check_together(files, kind, purpose)
    limits = DATASET_LIMITS[kind, purpose]
    near = NearNames()
    for image in found.images:
        problem = image.problem(found.statuses, found.facts, limits.side_min, limits.side_max, near)
        if problem is not None:
            violations.append(problem)
    if any(violation.severity is Severity.ERROR for violation in violations):
        return CheckedDataset(tuple(violations))

    entries = (image.entry(found.statuses, found.facts) for image in found.images)
    labelled = tuple(LabelledFile(file, tuple(next(entries) for _ in file.images)) for file in files)
    too_many = crowded(labelled)
    violations += [*too_many, *contradictions(labelled, kind), *unturned(labelled)]
    if too_many:
        return CheckedDataset(tuple(violations))
    content = Content(str(kind), labelled, _manifest(kind, labelled), tuple(violations))
    return CheckedDataset(content.warnings, content)


def describe(content: Content) -> Description:
    return {"images": content.images, "tags": dict(content.tags), "digest": content.digest}


def _manifest(kind: str, files: Sequence[LabelledFile]) -> Manifest:
    images = (
        (entry.sha256, labels) for file in files for labels, entry in zip(tagged_labels(file.coco), file.entries, strict=True)
    )
    return manifest_of(str(kind), images)
