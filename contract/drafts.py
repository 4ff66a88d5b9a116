"""Drafts of datasets, in which people label, and the versions that are saved from them. All of it is an extension.

A draft is like a branch: it begins with the images and labels of a dataset, or with none, and nothing that is done in it
changes the dataset. A version is its content at one moment, in blob storage, and never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from vision_customization.contract.content import ImageLabel
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import BOXES_PER_IMAGE_MAX
from vision_customization.contract.wire import Name, Page, Timestamp, Wire

DRAFT_IMAGES_PAGE_MAX = 200
"""Maximum number of images per page."""
BATCH_IMAGES_MAX = 200
"""Maximum number of images whose labels one call sets."""
TAG_MAX_LENGTH = 255
"""Of a tag that is given in a draft. A dataset's own tags may be longer."""
DIGEST_PATTERN = r"^[0-9a-f]{64}$"


class ImageState(StrEnum):
    """How an image of a draft differs from the dataset that the draft was made from."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    REMOVED = "removed"


class ImageChoice(StrEnum):
    """Which images of a draft a page shows. Images that were removed are only in `removed` and in `changed`."""

    UNLABELLED = "unlabelled"
    CHANGED = "changed"
    NEW = "new"
    REMOVED = "removed"
    CONFLICTS = "conflicts"


class BulkAction(StrEnum):
    """What a change does to many images: give them a tag, take one from them, take all from them, remove them from the draft,
    or restore them."""

    GIVE = "give"
    TAKE = "take"
    CLEAR = "clear"
    REMOVE = "remove"
    RESTORE = "restore"


TagText = Annotated[str, StringConstraints(min_length=1, max_length=TAG_MAX_LENGTH, pattern=r"^\S(.*\S)?$")]
"""A tag's name: no blanks around it."""


class DraftCreate(Wire):
    """Body of `PUT /drafts/{name}`.

    With `base_dataset`, the draft begins with that dataset's images and labels, or with those of its version `base_version` (a
    digest). Without, it begins empty, and needs `annotation_kind`. `dataset_name` is the dataset that its versions are of: by
    default the base dataset, else the draft's own name.
    """

    base_dataset: Name | None = None
    base_version: Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)] | None = None
    annotation_kind: AnnotationKind | None = None
    dataset_name: Name | None = None
    tags: list[TagText] = Field(default_factory=list)


class DraftTag(Wire):
    """A tag of a draft: on how many images it is, and how many labels there are of it, without images that were removed."""

    name: str
    images: int
    labels: int


class DraftBase(Wire):
    """What the draft began with: the dataset's annotation files at that time. `moved` says that the dataset has other files
    now."""

    dataset_name: str
    annotation_file_uris: list[str]
    moved: bool


class Draft(Wire):
    """A draft, with its counts. `id` is in the names of the blobs that keep its images. `edit` rises with each change."""

    name: str
    id: str
    annotation_kind: AnnotationKind
    dataset_name: str
    base: DraftBase | None = None
    images: int
    unlabelled_images: int
    changed_images: int
    conflicts: int
    labels: int
    edit: int = 0
    tags: list[DraftTag]
    created_by: str
    created_date_time: Timestamp
    updated_date_time: Timestamp


class DraftImage(Wire):
    """An image of a draft. `number` stays the same for as long as the draft exists.

    `e_tag` changes with the labels: send it back in `If-Match`. `empty` says that a person looked and found nothing to label.
    `theirs` are the labels that the dataset has meanwhile, if both sides changed them: set labels to settle it.
    """

    number: int
    digest: str
    image: str
    file_name: str
    width: int | None = None
    height: int | None = None
    labels: list[ImageLabel]
    empty: bool
    state: ImageState
    theirs: list[ImageLabel] | None = None
    e_tag: str
    changed_by: str | None = None
    changed_date_time: Timestamp | None = None


class DraftImagePage(Page[DraftImage]):
    """One page of images, by number. `count` is the number of images that the filter selects."""

    count: int


class LabelsPut(Wire):
    """Body of `PUT /drafts/{name}/images/{number}/labels`: all labels of the image. A tag that the draft does not have yet is
    added to it. Without labels, `empty` says that there is nothing to label."""

    labels: Annotated[list[ImageLabel], Field(max_length=BOXES_PER_IMAGE_MAX)]
    empty: bool = False


class BatchImage(LabelsPut):
    """The labels of one image in a batch. With `e_tag`, only if that is still the image's."""

    number: int
    e_tag: str | None = None


class LabelsBatch(Wire):
    """Body of `POST /drafts/{name}/images:label`."""

    images: Annotated[list[BatchImage], Field(min_length=1, max_length=BATCH_IMAGES_MAX)]


class BatchResult(Wire):
    """What became of one image in a batch. It was `saved`, or not: then `image` is how it is now."""

    number: int
    saved: bool
    image: DraftImage | None = None


class BatchResults(Wire):
    value: list[BatchResult]


class ImageNumbers(Wire):
    """Body of `POST /drafts/{name}/images:remove` and `images:restore`."""

    numbers: Annotated[list[int], Field(min_length=1, max_length=BATCH_IMAGES_MAX)]


class BulkOrder(Wire):
    """Body of `POST /drafts/{name}/images:change`: a change of all images that `only` and `only_tag` select. `tag` is the one
    to give or to take. With `seen`, an `edit` of the draft, images that changed after it are left alone. With `preview`,
    nothing is changed, and the answer says what would be."""

    action: BulkAction
    tag: TagText | None = None
    only: ImageChoice | None = None
    only_tag: str | None = None
    seen: int | None = Field(None, ge=0, le=2**31 - 1)
    preview: bool = False


class BulkResult(Wire):
    """What a change of many images did, in numbers of images: `changed`; `already` so; `left` alone because they were removed
    or have a conflict; and `others` left alone because they changed since they were read. `names` are the files of the first of
    these."""

    changed: int
    already: int
    left: int
    others: int
    names: list[str]


class TagCreate(Wire):
    """Body of `POST /drafts/{name}/tags`."""

    name: TagText


class TagRename(Wire):
    """Body of `POST /drafts/{name}/tags:rename`. A `name` that another tag has already makes one tag of both; that needs
    `merge`."""

    tag: str
    name: TagText
    merge: bool = False


class TagDelete(Wire):
    """Body of `POST /drafts/{name}/tags:delete`: the tag and all labels of it."""

    tag: str


class DraftMerge(Wire):
    """What a merge with the dataset's present content did, counted by image: `taken` from the dataset, `kept` as the draft has
    them although the dataset lost or never had them, `conflicts` to be settled."""

    taken: int
    kept: int
    added: int
    removed: int
    conflicts: int


class ContentChanges(Wire):
    """What is different in a content from another one, in words."""

    changes: list[str] = Field(default_factory=list)


class VersionRegister(Wire):
    """Body of `POST /datasets/{name}/versions/{digest}:register`.

    `dataset_name` is the dataset that gets the version's content: by default the one that the version is of. If that exists
    with other content, `replace` gives it this one.
    """

    dataset_name: Name | None = None
    replace: bool = False


class VersionSave(Wire):
    """Body of `POST /drafts/{name}:save`."""

    message: Annotated[str, StringConstraints(max_length=1000)] | None = None


class DatasetVersion(Wire):
    """A version of a dataset: immutable, named by its content.

    `digest` is that of a `Dataset`'s content; `tags` maps each tag to the number of its labels. `changes` says in words what
    is different from what the draft began with, whose COCO files are `base_files` in number. `registered` names the datasets
    that have this content now, whichever files they have it from.
    """

    digest: str
    dataset_name: str
    annotation_kind: AnnotationKind
    annotation_file_uri: str
    images: int
    labels: int
    tags: Mapping[str, int]
    changes: list[str]
    base_files: int = 0
    message: str | None = None
    saved_by: str
    saved_date_time: Timestamp
    registered: list[str] = Field(default_factory=list)
