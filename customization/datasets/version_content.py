"""What a version of a dataset holds, from its COCO file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from vision_customization.common.dataset_content.blob_names import stored_name
from vision_customization.common.dataset_content.manifest import Manifest, manifest_of
from vision_customization.common.errors import VisionError
from vision_customization.contract.coco.document import Box, CocoFile, Severity, Violation
from vision_customization.contract.coco.rules import check_coco
from vision_customization.contract.coco.streamed import read_document
from vision_customization.contract.enums import Purpose
from vision_customization.customization.errors import DatasetInvalid

Label = tuple[str, Box | None]
"""A tag, and the box that it is on; only detection has one."""

Labels = tuple[Label, ...]
"""All labels of an image, sorted."""


@dataclass(frozen=True, slots=True)
class ContentImage:
    """An image of a version. `width` and `height` are pixels, upright; `extension` begins with a dot."""

    sha256: str
    extension: str
    file_name: str
    width: float
    height: float
    labels: Labels

    @property
    def blob(self) -> str:
        """Its name in storage, below `images/`."""
        return f"{self.sha256}{self.extension}"


@dataclass(frozen=True)
class VersionContent:
    """The images of a COCO file in storage, in its order, and its tags; one may be on no image."""

    kind: str
    images: tuple[ContentImage, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def manifest(self) -> Manifest:
        return manifest_of(self.kind, ((image.sha256, image.labels) for image in self.images))

    def __add__(self, other: VersionContent) -> VersionContent:
        """Both files as one dataset."""
        tags = tuple(dict.fromkeys((*self.tags, *other.tags)))
        return VersionContent(self.kind, (*self.images, *other.images), tags)


def read_content(data: bytes, kind: str, name: str) -> VersionContent:
    """The content of a COCO file whose images lie in storage under the names of their contents. `name` is for messages.

    Raises:
        DatasetInvalid: it is not a COCO file of this kind.
        VisionError: an image has another address.
    """
    document, unreadable = read_document(BytesIO(data), name)
    if unreadable is not None:
        raise DatasetInvalid([unreadable])
    file = valid_coco(document, kind, name)
    images = []
    for image, labels in zip(file.images, labels_by_image(file), strict=True):
        stored = stored_name(image.url or "")
        if stored is None:
            raise VisionError(f"{name}: images[{image.index}]: is not stored under the digest of its content")
        images.append(ContentImage(*stored, image.file_name, image.width, image.height, labels))
    return VersionContent(str(kind), tuple(images), tuple(dict.fromkeys(file.categories.values())))


def valid_coco(document: object, kind: str, name: str) -> CocoFile:
    """A COCO file that satisfies the rules for training or for evaluation. Raises DatasetInvalid."""
    first: list[Violation] = []
    for purpose in Purpose:
        file, violations = check_coco(document, name, kind, purpose)
        if file is not None:
            return file
        first = first or violations
    raise DatasetInvalid([violation for violation in first if violation.severity is Severity.ERROR])


def labels_by_image(file: CocoFile) -> list[Labels]:
    """The labels of each image, in the order of the images."""
    return [sorted_labels(labels) for labels in tagged_labels(file)]


def tagged_labels(file: CocoFile) -> Iterator[list[Label]]:
    """The same, one after the other and not sorted."""
    for own in file.labels():
        yield [(file.categories[annotation.category_id], annotation.box) for annotation in own]


def sorted_labels(labels: Iterable[Label]) -> Labels:
    return tuple(sorted(labels, key=lambda label: (label[0], label[1] or ())))


def labels_text(labels: Sequence[Label] | None) -> str:
    """Labels for people: `ash`, `fork (2), spoon`, `no label`, `removed`."""
    if labels is None:
        return "removed"
    counts: dict[str, int] = {}
    for tag, _ in labels:
        counts[tag] = counts.get(tag, 0) + 1
    return ", ".join(tag if count == 1 else f"{tag} ({count})" for tag, count in counts.items()) or "no label"
