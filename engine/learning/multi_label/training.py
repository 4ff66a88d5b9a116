"""Trains a multi-label classifier: chooses a recipe by cross-validation, calibrates it, and fits it on all images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning.classification.classifier import Classifier, apply_blocks
from vision_customization.engine.learning.classification.heads import Samples
from vision_customization.engine.learning.classification.recipes import RECIPES, Recipe
from vision_customization.engine.learning.classification.selection import choose, lead_over
from vision_customization.engine.learning.classification.training import Progress
from vision_customization.engine.learning.classification.views import views_in
from vision_customization.engine.learning.errors import LearningError
from vision_customization.engine.learning.multi_label.calibration import Calibration, uncalibrated
from vision_customization.engine.learning.multi_label.folds import hold_out
from vision_customization.engine.learning.multi_label.heads import Present, fit_tag_heads
from vision_customization.engine.learning.multi_label.metrics import mean_average_precision
from vision_customization.engine.learning.multi_label.selection import DEFAULT, run_trials
from vision_customization.engine.learning.multi_label.thresholds import THRESHOLD_UNFITTED, choose_thresholds

_HELD_OUT_FOLDS = 5

Thresholds = tuple[float, ...]


@dataclass(frozen=True)
class TrainedMultiLabel:
    """The classifier that a training produced, and how it was chosen.

    `recipe` is JSON-ready: the chosen recipe and the results of all. `held_out`, only with `estimate`, has of the held-out
    images the tags bool [m, k] and the probabilities float32 [m, k], and the thresholds, all by a classifier that had not seen
    them.
    """

    classifier: Classifier
    recipe: dict[str, Any]
    held_out: tuple[Present, NDArray[np.float32], Thresholds] | None


@dataclass(frozen=True)
class _Choice:
    recipe: Recipe
    calibration: Calibration
    thresholds: Thresholds
    facts: dict[str, Any]


def train_multi_label(
    features: Samples,
    present: Present,
    tags: Sequence[str],
    *,
    estimate: bool,
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

    def in_time() -> bool:
        return deadline_seconds is None or time.monotonic() - started < deadline_seconds

    def go_on(first: float, last: float) -> Callable[[int], bool]:
        def reported(done: int) -> bool:
            report(first + (last - first) * done / len(RECIPES), f"trying recipe {done + 1} of {len(RECIPES)}")
            return in_time()

        return reported

    held_out = None
    choice = None
    half = 0.45 if estimate else 0.0
    held = hold_out(present, _HELD_OUT_FOLDS, seed) if estimate else np.zeros(len(present), bool)
    if held.any():
        choice = _choose(features[~held], present[~held], seed, go_on(0.0, half))
        trial = _fit(choice, features[~held], present[~held], tags)
        held_out = (present[held], trial.probabilities(features[held]), choice.thresholds)
    if choice is None or in_time():
        choice = _choose(features, present, seed, go_on(half, 0.9))
    report(0.9, "fitting on all images")
    classifier = _fit(choice, features, present, tags)
    report(1.0, "trained")
    return TrainedMultiLabel(classifier, choice.facts, held_out)


def _check(features: Samples, present: Present, tags: Sequence[str]) -> None:
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


def _choose(features: Samples, present: Present, seed: int, go_on: Callable[[int], bool]) -> _Choice:
    trials = run_trials(features, present, seed=seed, go_on=go_on)
    if not trials:
        untried = {"chosen": DEFAULT.name, "default": DEFAULT.name, "candidates": []}
        return _Choice(DEFAULT, uncalibrated(present), (THRESHOLD_UNFITTED,) * present.shape[1], untried)
    best = choose(trials)
    candidates = []
    for trial in trials:
        lead, error = lead_over(trial, trials[0])
        candidates.append(
            {
                "name": trial.recipe.name,
                "meanAveragePrecision": round(mean_average_precision(present, trial.probabilities.mean(axis=0)), 6),
                "probability": round(float(trial.truth.mean()), 6),
                "lead": round(lead, 6),
                "leadError": round(error, 6),
            }
        )
    facts = {"chosen": best.recipe.name, "default": DEFAULT.name, "candidates": candidates}
    return _Choice(best.recipe, best.calibration, choose_thresholds(best.probabilities), facts)


def _fit(choice: _Choice, features: Samples, present: Present, tags: Sequence[str]) -> Classifier:
    """The choice's heads on these images, with its calibration multiplied in."""
    blocks = choice.recipe.fit_blocks(features)
    head = choice.calibration.applied_to(fit_tag_heads(apply_blocks(blocks, features), present, choice.recipe.shrinkage))
    weights, bias = head.weights.astype(np.float32), head.bias.astype(np.float32)
    return Classifier(tuple(tags), blocks, weights, bias, choice.thresholds)
