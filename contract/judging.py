"""What outcomes say about a model: at a threshold, by tag, by confidence, beside another model. All of it is an extension."""

from enum import StrEnum

from vision_customization.contract.outcomes import Outcome, OutcomePage
from vision_customization.contract.wire import Page, Wire


class OutcomeKind(StrEnum):
    """What a model answers: one tag per image, several tags per image, or objects."""

    ONE_TAG = "oneTag"
    SEVERAL_TAGS = "severalTags"
    OBJECTS = "objects"


class AtThreshold(Wire):
    """What a model is worth if only answers with a confidence of at least `threshold` count, for one `tag` or for all.

    For one tag per image an answer is the image's first one, and a label is the image's tag. For several tags per image, labels
    and answers are those of `tag`. For a detector both are objects.

    `right` answers have a label, `false` ones do not. `missed` are labels that are not found. For one tag per image, `missed`
    are only the right answers below the threshold, because a false answer counts already; `unanswered` are all answers below
    the threshold. `precision` is `right` / (`right` + `false`), `recall` is `right` / `labels`; without a denominator they are
    absent. `lowest` is the lowest threshold at which these outcomes can be counted.
    """

    kind: OutcomeKind
    threshold: float
    lowest: float
    tag: str | None = None
    images: int
    labels: int
    right: int
    false: int
    missed: int
    unanswered: int | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


class ThresholdPage(OutcomePage, AtThreshold):
    """One page of the outcomes at a threshold, in their usual order. `right`, `missed` and `false` mean answers, labels and
    objects at this threshold. A detector's outcomes have `objects`, `unsure` and `missed` as they are at this threshold."""

    threshold: float


class CalibrationBin(Wire):
    """The answers with a confidence above `low`, up to `high`. The first bin includes 0. `mean_confidence` and `share_right`
    are absent if there are none."""

    low: float
    high: float
    count: int
    mean_confidence: float | None = None
    share_right: float | None = None


class Calibration(Wire):
    """How far a model's confidences are true: of answers with a confidence of 0.8, 80 % should be right.

    Answers are the first answer for each image, for several tags per image each tag of each image, for a detector each object;
    all with a confidence of at least `lowest`. `expected_calibration_error` is the mean distance between confidence and share
    right, weighted by the bins' counts (Guo et al., ICML 2017, equation 3, with 10 equal bins). It is absent without an answer.
    A model's metric `calibrationECE` has 15 bins and no lowest confidence, so it differs a little.
    """

    kind: OutcomeKind
    answers: int
    lowest: float
    expected_calibration_error: float | None = None
    bins: list[CalibrationBin]


class TagOutcome(Wire):
    """A tag's images or objects at the model's own decision rule: how many have it as a `label`, and how many were found
    (`right`), `missed`, and given falsely (`false`). Ratios without a denominator are absent. `average_precision` is the area
    under the tag's curve; it is absent if the curve is empty."""

    tag: str
    labels: int
    right: int
    missed: int
    false: int
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    average_precision: float | None = None


class TagOutcomes(Wire):
    """Every tag of the model, in its order. `threshold` is that of `OutcomePage`."""

    images: int
    threshold: float | None = None
    tags: list[TagOutcome]


class ComparisonFilter(StrEnum):
    """Which images of two models to list: those on which only the `first` or only the `second` is right, `both` or `neither`;
    `differing` is `first` or `second`. `unpaired` are images that only one of them has."""

    DIFFERING = "differing"
    FIRST = "first"
    SECOND = "second"
    BOTH = "both"
    NEITHER = "neither"
    UNPAIRED = "unpaired"


class Comparison(Wire):
    """Two models on the same images, which are paired by their digests. An outcome is right if nothing is missed or false.

    `images` have outcomes of both models. On `only_first` of them only the first model is right. `only_in_first` images have an
    outcome of the first model alone, and do not count. An image that a dataset lists several times counts once, and is right if
    each of its outcomes is. `labels_differ` counts images whose two outcomes have labels of different tags. `p_value` is that
    of McNemar's exact test (McNemar, Psychometrika 12, 1947): how often two equally good models would differ this much.
    """

    kind: OutcomeKind
    images: int
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    only_in_first: int
    only_in_second: int
    labels_differ: int
    p_value: float


class ComparedImage(Wire):
    """An image's outcomes of both models, or of the one that has it."""

    first: Outcome | None = None
    second: Outcome | None = None


class ComparisonPage(Page[ComparedImage], Comparison):
    """One page of the images of two models, the worst first: by the worse of the two places in their outcomes. `count` is the
    number of images that the filter selects."""

    count: int
