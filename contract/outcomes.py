"""Outcomes: what a model answered for each image of an evaluation, or of its own estimate. All of it is an extension."""

from enum import StrEnum

from pydantic import Field

from vision_customization.contract.analysis import Tag
from vision_customization.contract.coco.document import Box
from vision_customization.contract.wire import Page, Wire

OUTCOMES_PAGE_MAX = 100
"""Maximum number of outcomes per page."""


class OutcomeFilter(StrEnum):
    """Which images to list. With a tag, only its verdicts count: for `missed`, the images that have the tag and were not given
    it.

    `wrong` is `missed` or `false`: a label that the model did not find, or an answer that is not a label.
    """

    WRONG = "wrong"
    MISSED = "missed"
    FALSE = "false"
    RIGHT = "right"


class LabelledObject(Wire):
    """An object of the labels. `bbox` is left, top, width and height as fractions of the image's sides, as in a dataset."""

    tag: str
    bbox: Box


class FoundObject(LabelledObject):
    """An object that the detector found. `right` if it hits an object of its tag, with an intersection over union of at least
    0.5. `match` is the tag of the object that it hits, else of the one that it overlaps most, `match_bbox` its box, and
    `overlap` is how much. All three are absent if it overlaps none."""

    confidence: float
    right: bool
    match: str | None = None
    match_bbox: Box | None = None
    overlap: float | None = None


class Outcome(Wire):
    """What a model answered for one image.

    `image` is the URL without its query, `file_name` the name in the annotation file if it has one, `digest` the SHA-256 of the
    file in hex. A classifier has `labels` and `tags`: its five best tags and those of the labels, by falling confidence.
    `likely_labels` is present if an estimate's training image is likely labelled wrongly. A detector has `objects`, those whose
    confidence reaches the page's threshold, and `missed`, the objects of the labels that it did not find. `unsure` are objects
    with a lower confidence, from 0.2 on, which do not count; it is absent if there are none.
    """

    image: str
    file_name: str | None = None
    digest: str
    right: bool
    labels: list[str] | None = None
    likely_labels: list[str] | None = None
    tags: list[Tag] | None = None
    objects: list[FoundObject] | None = None
    unsure: list[FoundObject] | None = None
    missed: list[LabelledObject] | None = None


class OutcomePage(Page[Outcome]):
    """One page of outcomes, the worst first. `count` is the number of images that the filter selects. `threshold` is the
    confidence from which on a detector's objects count: the one with the highest F1 on these images, at least 0.2.
    `cell_count` is present if the filter names a label or an answer: the sum of these cells of the confusion. A classifier of
    one tag per image counts images there, so it equals `count`. Others count labels and answers, a detector its objects."""

    count: int
    threshold: float | None = None
    cell_count: int | None = None


class LabelIssues(OutcomePage):
    """Training images by rising probability of their own labels, as `model_name` estimates it without having seen the image.
    `likely` is the number of images, of all, with `likely_labels`."""

    model_name: str
    likely: int


class ConfusionCell(Wire):
    """How often a label got an answer. `label` is absent if the image has no such label, `answer` if the model missed it."""

    label: str | None = None
    answer: str | None = None
    count: int


class Confusion(Wire):
    """The cells that are not zero. A classifier of one tag per image counts images, others count labels and answers.
    `threshold` is that of `OutcomePage`."""

    images: int
    tags: list[str]
    threshold: float | None = None
    cells: list[ConfusionCell]


class Curve(Wire):
    """Precision and recall if only answers of this confidence or a higher one count: lists of one length, by falling
    threshold."""

    precision: list[float]
    recall: list[float]
    threshold: list[float]


class Curves(Wire):
    """Curves by tag. `overall` pools all tags: of a classifier of one tag per image its first answers, of a detector all
    objects. It is absent for several tags per image, where each tag has a threshold of its own."""

    overall: Curve | None = None
    tags: dict[str, Curve] = Field(default_factory=dict)


def curve_area(curve: Curve) -> float:
    """The area under the steps of a curve: the average precision, of a curve of more than 101 points about that."""
    before, total = 0.0, 0.0
    for precision, recall in zip(curve.precision, curve.recall, strict=True):
        total += (recall - before) * precision
        before = recall
    return total
