"""Records of drafts and versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vision_customization.contract.coco.document import Box
from vision_customization.contract.drafts import ImageState
from vision_customization.contract.enums import AnnotationKind


@dataclass(frozen=True, slots=True, order=True)
class DraftLabel:
    """A label of an image. `box` is left, top, width and height as fractions of the image's sides; only detection has one."""

    tag: str
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class DraftTagRecord:
    """A tag: on how many images it is, and how many labels there are of it. `base_name` is its name in the dataset that the
    draft began with."""

    number: int
    name: str
    base_name: str | None
    images: int
    labels: int


@dataclass(frozen=True, slots=True)
class DraftRecord:
    """A draft. `container` is the URL of the container of its images; the counts do not include images that were removed.
    `edit` counts its changes, and `saved_digest` is the version that was saved since the last one."""

    sequence: int
    id: str
    name: str
    annotation_kind: AnnotationKind
    dataset_name: str
    base_dataset: str | None
    base_uris: tuple[str, ...]
    container: str
    images: int
    unlabelled: int
    changed: int
    conflicts: int
    labels: int
    edit: int
    saved_digest: str | None
    created_by: str
    created: datetime
    updated: datetime

    def url_of(self, sha256: str, extension: str) -> str:
        """The address of an image."""
        return f"{self.container}/images/{sha256}{extension}"


@dataclass(frozen=True, slots=True)
class DraftImageRecord:
    """An image of a draft. `settled` images are labelled, or somebody looked and found nothing to label. `base` are the labels
    that a changed image had at first; `theirs` those that the dataset has meanwhile, if both sides changed them."""

    number: int
    sha256: str
    extension: str
    file_name: str
    width: float | None
    height: float | None
    labels: tuple[DraftLabel, ...]
    settled: bool
    state: ImageState
    revision: int
    base: tuple[DraftLabel, ...] | None = None
    theirs: tuple[DraftLabel, ...] | None = None
    changed_by: str | None = None
    changed: datetime | None = None

    @property
    def e_tag(self) -> str:
        return str(self.revision)

    @property
    def in_base(self) -> bool:
        """Whether the dataset has the image that the draft began with, or was merged with last."""
        return self.state is ImageState.SAME or self.base is not None


@dataclass(frozen=True, slots=True)
class DraftImages:
    """A part of the images that a filter selects. `total` is how many it selects in all."""

    total: int
    images: tuple[DraftImageRecord, ...]


@dataclass(frozen=True, slots=True)
class NewDraftImage:
    """An image to add, whose blob is in the draft's container. `width` and `height` are pixels, upright."""

    sha256: str
    extension: str
    file_name: str
    width: float | None
    height: float | None
    labels: tuple[DraftLabel, ...] = ()
    settled: bool = False


@dataclass(frozen=True, slots=True)
class LabelChange:
    """The labels that an image gets; with `e_tag`, only if it still has that one. `empty` says that somebody looked and found
    nothing to label."""

    number: int
    labels: tuple[DraftLabel, ...]
    empty: bool = False
    e_tag: str | None = None


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version of a dataset; `tags` maps each tag to the number of its labels."""

    dataset_name: str
    digest: str
    annotation_kind: AnnotationKind
    annotation_file_uri: str
    base_uris: tuple[str, ...]
    images: int
    labels: int
    tags: dict[str, int]
    changes: tuple[str, ...]
    message: str | None
    saved_by: str
    saved: datetime

    @property
    def container(self) -> str:
        """URL of the container of its blobs."""
        return self.annotation_file_uri.rpartition("/annotations/")[0]


def labels_to_json(labels: Sequence[DraftLabel]) -> str:
    return json.dumps([[label.tag, label.box] for label in labels], ensure_ascii=False, separators=(",", ":"))


def labels_from_json(text: str) -> tuple[DraftLabel, ...]:
    return tuple(DraftLabel(tag, None if box is None else (box[0], box[1], box[2], box[3])) for tag, box in json.loads(text))
