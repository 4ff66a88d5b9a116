"""Trains a multi-label classifier: chooses a recipe by cross-validation, calibrates it, and fits it on all images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning.classification.classifier import Classifier, Features, apply_blocks
from vision_customization.engine.learning.classification.everything import Everything, sum_up
from vision_customization.engine.learning.classification.heads import Labels
from vision_customization.engine.learning.classification.novelty import fit_novelty
from vision_customization.engine.learning.classification.recipes import RECIPES, Recipe, group_alike
from vision_customization.engine.learning.classification.selection import FOLDS, choose, trial_facts
from vision_customization.engine.learning.classification.sums import spread_of
from vision_customization.engine.learning.classification.training import Progress, with_novelty
from vision_customization.engine.learning.classification.views import views_in
from vision_customization.engine.learning.errors import LearningError
from vision_customization.engine.learning.estimate import HeldOut
from vision_customization.engine.learning.multi_label.calibration import (
    Calibration,
    fit_calibration,
    prior_log_odds,
    uncalibrated,
)
from vision_customization.engine.learning.multi_label.heads import Present, fit_tag_heads, summed_tag_heads
from vision_customization.engine.learning.multi_label.selection import DEFAULT, run_trials
from vision_customization.engine.learning.multi_label.thresholds import THRESHOLD_UNFITTED, choose_thresholds

Thresholds = tuple[float, ...]


@dataclass(frozen=True)
class TrainedMultiLabel:
    """The classifier that a training produced, and how it was chosen.

    `recipe` is JSON-ready: the chosen recipe and the results of all. `held_out` is what was said of the training images by
    classifiers of the chosen recipe that had not seen them; None if there are too few.
    """

    classifier: Classifier
    recipe: dict[str, Any]
    held_out: HeldOut | None


def train_multi_label(
    features: Features,
    present: Present,
    tags: Sequence[str],
    *,
    everything: Everything | None = None,
    deadline_seconds: float | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> TrainedMultiLabel:
    """Train a classifier that gives each image any number of tags.

    The arguments are those of `train_classifier`, but for `present`, bool [n, k]: whether an image has a tag. An image without
    tags shows none of them.

    Raises:
        LearningError: `diverged` if no image has a tag, or every image has it.
    """
    _check(features, present, tags)
    started = time.monotonic()
    report = progress or (lambda _share, _stage: None)

    def go_on(done: int) -> bool:
        report(0.9 * done / len(RECIPES), f"trying recipe {done + 1} of {len(RECIPES)}")
        return deadline_seconds is None or time.monotonic() - started < deadline_seconds

    report(0.0, f"trying recipe 1 of {len(RECIPES)}")
    groups = group_alike(features, [row.tobytes() for row in present])
    trials = run_trials(features, present, groups, seed=seed, go_on=go_on)
    held_out = None
    if trials:
        best = choose(trials, present.sum() / len(tags))
        recipe, calibration, thresholds = best.recipe, best.calibration, choose_thresholds(best.probabilities)
        count = len(np.unique(groups))
        held_out = HeldOut(np.arange(len(present)), best.probabilities.astype(np.float32), count, 1 - 1 / FOLDS)
    else:
        recipe, calibration = DEFAULT.within(views_in(features.shape[1])), uncalibrated(present)
        thresholds = (THRESHOLD_UNFITTED,) * len(tags)
    report(0.9, "fitting on all images")
    if everything is None:
        classifier = _fit(recipe, calibration, thresholds, features, present, tags)
        classifier = with_novelty(classifier, features, groups=groups)
    else:

        def summed_up(share: float) -> None:
            report(0.9 + 0.1 * share, "fitting on all images")

        classifier, held_out = _fit_on_all(recipe, features, present, groups, tags, everything, summed_up)
    report(1.0, "trained")
    facts = trial_facts(trials, recipe, DEFAULT, accuracy="meanAveragePrecision")
    if everything is not None:
        facts["sampledImages"] = len(present)
    return TrainedMultiLabel(classifier, facts, held_out)


def _check(features: Features, present: Present, tags: Sequence[str]) -> None:
    if features.ndim != 2 or len(features) != len(present):
        raise ValueError(f"features are {features.shape}, expected ({len(present)}, dimensions)")
    views_in(features.shape[1])
    if present.shape[1:] != (len(tags),):
        raise ValueError(f"labels are {present.shape}, expected ({len(features)}, {len(tags)})")
    for undecided, which, advice in (
        (~present.any(axis=0), "are on no image", "Add images with them, or drop the tags"),
        (present.all(axis=0), "are on every image", "Add images without them, or drop the tags"),
    ):
        names = [repr(tags[index]) for index in np.flatnonzero(undecided).tolist()]
        if names:
            named = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            raise LearningError(FailureCode.DIVERGED, f"{len(names)} of {len(tags)} tags {which}: {named}. {advice}")
    if not np.isfinite(features).all():
        raise LearningError(FailureCode.INTERNAL_SERVER_ERROR, "the features contain values that are not finite")


def _fit(
    recipe: Recipe, calibration: Calibration, thresholds: Thresholds, features: Features, present: Present, tags: Sequence[str]
) -> Classifier:
    """The recipe's heads on these images, with the calibration multiplied in."""
    blocks = recipe.fit_blocks(features)
    head = calibration.applied_to(fit_tag_heads(apply_blocks(blocks, features), present, recipe.shrinkage))
    return Classifier(tuple(tags), blocks, head.weights.astype(np.float32), head.bias.astype(np.float32), thresholds)


def _fit_on_all(
    recipe: Recipe,
    features: Features,
    present: Present,
    groups: Labels,
    tags: Sequence[str],
    everything: Everything,
    report: Callable[[float], None],
) -> tuple[Classifier, HeldOut]:
    """The recipe's heads, fitted on all images, and what heads that learnt from the images unlike the sample say of the sample.
    `features`, `present` and `groups` are the sample's."""
    summed = sum_up(recipe, features, everything, one_tag=False, report=report)
    x = apply_blocks(summed.blocks, features)
    scores = summed_tag_heads(summed.others, recipe.shrinkage).scores(x)[None]
    calibration = fit_calibration(scores, present)
    probabilities = calibration.probabilities(scores)
    whole = summed.others + summed.alike
    # A rare tag is on a greater share of the sample than of all images.
    offsets = (
        calibration.offsets - prior_log_odds(present.sum(axis=0), len(present)) + prior_log_odds(whole.counts, whole.images)
    )
    head = Calibration(calibration.slope, offsets).applied_to(summed_tag_heads(whole, recipe.shrinkage))
    kinds = np.zeros(len(x), np.int64)
    classifier = Classifier(
        tuple(tags),
        summed.blocks,
        head.weights.astype(np.float32),
        head.bias.astype(np.float32),
        choose_thresholds(probabilities),
        fit_novelty(x, kinds, 1, groups, spread_of(whole)),
    )
    share = summed.others.images / whole.images
    rows = np.arange(len(present))
    return classifier, HeldOut(rows, probabilities.astype(np.float32), len(np.unique(groups)), share)
