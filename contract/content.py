"""What a dataset's annotation files hold, as a worker has read them. All of it is an extension."""

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind, ContentStatus, ProblemKind, Purpose
from vision_customization.contract.wire import ErrorDetails, Page, Timestamp, Wire

IMAGES_PAGE_MAX = 200
"""Maximum number of images per page."""
TAGS_SHOWN_MAX = 2500
"""The most tags that a dataset may have. Of one that breaks the rule, the first of them are shown."""


class ContentTag(Wire):
    """A category: on how many images it is, and how many labels there are of it."""

    name: str
    images: int
    labels: int


class ContentProblem(Wire):
    """The problems of one kind: how many there are, how many images have one, and the first in words. With `warning`, trainings
    accept them."""

    kind: ProblemKind
    count: int
    images: int
    warning: bool
    first: str


class ContentProgress(Wire):
    """A newer content that is not ready yet, or failed: the dataset or its annotation files have changed."""

    status: ContentStatus
    images_read: int
    message: str | None = None
    error: ErrorDetails | None = None


class DatasetContent(Wire):
    """What a dataset holds.

    The numbers count once `status` is `ready`. `purpose` says which limits the problems are about: those for evaluation if the
    dataset is only used to test models. `message` says what the reading waits for, or why the last check could not read the
    files. `successor` is there if a newer content will replace this one.
    """

    status: ContentStatus
    annotation_kind: AnnotationKind
    purpose: Purpose
    images_read: int
    images: int
    unlabelled_images: int
    labels: int
    tag_count: int
    tags: list[ContentTag]
    problems: list[ContentProblem]
    digest: str | None = None
    message: str | None = None
    error: ErrorDetails | None = None
    successor: ContentProgress | None = None
    checked_date_time: Timestamp | None = None
    updated_date_time: Timestamp


class ImageLabel(Wire):
    """A label of an image. Only in a dataset for detection it has a `bbox`: left, top, width and height as fractions of the
    image's sides."""

    tag: str
    bbox: Box | None = None


class DatasetImage(Wire):
    """An image of a dataset, by its place in the annotation files: the first has `position` 0.

    `image` is the URL without its query, `file_name` the name in the annotation file if it has one. `width` and `height` are
    pixels as that file claims. `digest` is the SHA-256 of the image in hex, if the engine has read it. `problems` are in words.
    """

    position: int
    image: str
    file_name: str | None = None
    width: float | None = None
    height: float | None = None
    digest: str | None = None
    labels: list[ImageLabel]
    problems: list[str] | None = None


class DatasetImagePage(Page[DatasetImage]):
    """One page of images, by position. `count` is the number of images that the filter selects."""

    count: int
