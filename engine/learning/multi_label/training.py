"""Trains a multi-label classifier: chooses a recipe by cross-validation, calibrates it, and fits it on all images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning.classification.classifier import Classifier, Features, apply_blocks
from vision_customization.engine.learning.classification.everything import Everything, SummedUp, sum_up
from vision_customization.engine.learning.classification.heads import Labels, Samples
from vision_customization.engine.learning.classification.novelty import fit_novelty
from vision_customization.engine.learning.classification.recipes import RECIPES, Recipe, group_alike
from vision_customization.engine.learning.classification.selection import FOLDS, IMAGES_MIN, choose, trial_facts
from vision_customization.engine.learning.classification.sums import spread_of
from vision_customization.engine.learning.classification.training import Progress, with_novelty
from vision_customization.engine.learning.classification.views import views_in
from vision_customization.engine.learning.errors import LearningError
from vision_customization.engine.learning.estimate import HeldOut
from vision_customization.engine.learning.multi_label.calibration import (
    Calibration,
    Odds,
    fit_calibration,
    moved,
    prior_log_odds,
    uncalibrated,
)
from vision_customization.engine.learning.multi_label.heads import Present, fit_tag_heads, summed_tag_heads
from vision_customization.engine.learning.multi_label.selection import DEFAULT, TagTrial, run_trials
from vision_customization.engine.learning.multi_label.thresholds import THRESHOLD_UNFITTED, choose_thresholds


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
    tags shows none of them. Calibration, thresholds and `held_out` have the tags' shares of all images, not of the sample.

    Raises:
        LearningError: `diverged` if no image has a tag, or every image has it.
    """
    _check(features, present, tags, present if everything is None else everything.tags)
    started = time.monotonic()
    report = progress or (lambda _share, _stage: None)

    def go_on(done: int) -> bool:
        report(0.9 * done / len(RECIPES), f"trying recipe {done + 1} of {len(RECIPES)}")
        return deadline_seconds is None or time.monotonic() - started < deadline_seconds

    report(0.0, f"trying recipe 1 of {len(RECIPES)}")
    groups = group_alike(features, [row.tobytes() for row in present])
    trials = run_trials(features, present, groups, seed=seed, go_on=go_on)
    best = choose(trials, present.sum() / len(tags)) if trials else None
    recipe = best.recipe if best is not None else DEFAULT.within(views_in(features.shape[1]))
    report(0.9, "fitting on all images")
    if everything is None:
        decision = _by_folds(best, present, groups)
        classifier = with_novelty(_fit(recipe, decision, features, present, tags), features, groups=groups)
    else:

        def summed_up(share: float) -> None:
            report(0.9 + 0.1 * share, "fitting on all images")

        classifier, decision = _fit_on_all(recipe, best, features, present, groups, tags, everything, summed_up)
    report(1.0, "trained")
    facts = trial_facts(trials, recipe, DEFAULT, accuracy="meanAveragePrecision")
    if everything is not None:
        facts["sampledImages"] = len(present)
    return TrainedMultiLabel(classifier, facts, decision.held_out)


def _check(features: Features, present: Present, tags: Sequence[str], of_all: Present | csr_array) -> None:
    """Check the arguments of `train_multi_label`; `of_all` are the tags of all images, bool [n, k]."""
    if features.ndim != 2 or len(features) != len(present):
        raise ValueError(f"features are {features.shape}, expected ({len(present)}, dimensions)")
    views_in(features.shape[1])
    if present.shape[1:] != (len(tags),):
        raise ValueError(f"labels are {present.shape}, expected ({len(features)}, {len(tags)})")
    counts = np.asarray(of_all.sum(axis=0)).ravel()
    for undecided, which, advice in (
        (counts == 0, "are on no image", "Add images with them, or drop the tags"),
        (counts == of_all.shape[0], "are on every image", "Add images without them, or drop the tags"),
    ):
        names = [repr(tags[index]) for index in np.flatnonzero(undecided).tolist()]
        if names:
            named = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            raise LearningError(FailureCode.DIVERGED, f"{len(names)} of {len(tags)} tags {which}: {named}. {advice}")
    if not np.isfinite(features).all():
        raise LearningError(FailureCode.INTERNAL_SERVER_ERROR, "the features contain values that are not finite")


@dataclass(frozen=True)
class _Decision:
    """How scores become probabilities and tags, and what they say of images that their heads had not seen."""

    calibration: Calibration
    thresholds: tuple[float, ...]
    held_out: HeldOut | None

    def moved(self, shift: Odds) -> Self:
        """With the logarithms of the tags' odds moved by `shift` in all probabilities and thresholds, so that the same images
        have a tag."""
        thresholds = tuple(moved(np.array(self.thresholds), shift).tolist())
        held_out = self.held_out
        if held_out is not None:
            held_out = replace(held_out, foldings=moved(held_out.foldings, shift).astype(np.float32))
        return type(self)(self.calibration.moved(shift), thresholds, held_out)


def _by_folds(best: TagTrial | None, present: Present, groups: Labels) -> _Decision:
    """By cross-validation, if there was one."""
    if best is None:
        return _Decision(uncalibrated(present), (THRESHOLD_UNFITTED,) * present.shape[1], None)
    rows, count = np.arange(len(present)), len(np.unique(groups))
    held_out = HeldOut(rows, best.probabilities.astype(np.float32), count, 1 - 1 / FOLDS)
    return _Decision(best.calibration, choose_thresholds(best.probabilities), held_out)


def _fit(recipe: Recipe, decision: _Decision, features: Features, present: Present, tags: Sequence[str]) -> Classifier:
    """The recipe's heads on these images, with the calibration multiplied in."""
    blocks = recipe.fit_blocks(features)
    head = decision.calibration.applied_to(fit_tag_heads(apply_blocks(blocks, features), present, recipe.shrinkage))
    weights, bias = head.weights.astype(np.float32), head.bias.astype(np.float32)
    return Classifier(tuple(tags), blocks, weights, bias, decision.thresholds)


def _fit_on_all(
    recipe: Recipe,
    best: TagTrial | None,
    features: Features,
    present: Present,
    groups: Labels,
    tags: Sequence[str],
    everything: Everything,
    report: Callable[[float], None],
) -> tuple[Classifier, _Decision]:
    """The recipe's heads, fitted on all images. Heads that learnt from the images unlike the sample judge it or, if these are
    too few, those of cross-validation within it. `best`, `features`, `present` and `groups` are the sample's."""
    summed = sum_up(recipe, features, everything, one_tag=False, report=report)
    x = apply_blocks(summed.blocks, features)
    whole = summed.others + summed.alike
    decision = _by_folds(best, present, groups)
    if decision.held_out is not None:
        decision = _by_others(recipe, decision, summed, x, present, groups) or replace(
            decision, held_out=decision.held_out.of_sample(len(present), whole.images)
        )
    # A rare tag is on a greater share of the sample than of all images.
    shift = prior_log_odds(whole.counts, whole.images) - prior_log_odds(present.sum(axis=0), len(present))
    decision = decision.moved(shift)
    head = decision.calibration.applied_to(summed_tag_heads(whole, recipe.shrinkage))
    novelty = fit_novelty(x, np.zeros(len(x), np.int64), 1, groups, spread_of(whole))
    weights, bias = head.weights.astype(np.float32), head.bias.astype(np.float32)
    return Classifier(tuple(tags), summed.blocks, weights, bias, decision.thresholds, novelty), decision


def _by_others(
    recipe: Recipe,
    by_folds: _Decision,
    summed: SummedUp,
    x: Samples,
    present: Present,
    groups: Labels,
) -> _Decision | None:
    """By heads that learnt from the images unlike the sample, whose vectors are `x`. A tag that all of those images have, or
    none, keeps its threshold, and the images that differ from them are not judged. None if the heads learnt from too few
    images, or fewer than 8 are judged."""
    counts, images = summed.others.counts, summed.others.images
    tried = (counts > 0) & (counts < images)
    rows = np.flatnonzero((tried | (present == (counts > 0))).all(axis=1))
    if not summed.others_judge or not tried.any() or len(rows) < IMAGES_MIN:
        return None
    scores = summed_tag_heads(summed.others, recipe.shrinkage).scores(x)[None]
    fitted = fit_calibration(scores[:, :, tried], present[:, tried])
    prior = prior_log_odds(present.sum(axis=0), len(present))
    calibration = Calibration(fitted.slope, prior + (fitted.offsets - prior[tried])[0])
    probabilities = calibration.probabilities(scores)
    thresholds = np.where(tried, choose_thresholds(probabilities), by_folds.thresholds)
    held_out = HeldOut(rows, probabilities[:, rows].astype(np.float32), len(np.unique(groups[rows])), summed.learnt_share)
    return _Decision(calibration, tuple(thresholds.tolist()), held_out)
