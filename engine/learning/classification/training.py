"""Trains a classifier: chooses a recipe on the training images only, calibrates it, and fits it on all of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning.classification.calibration import SHARPNESS_UNFITTED
from vision_customization.engine.learning.classification.classifier import Classifier, apply_blocks
from vision_customization.engine.learning.classification.heads import Labels, Samples
from vision_customization.engine.learning.classification.recipes import DEFAULT, RECIPES, Recipe
from vision_customization.engine.learning.classification.selection import assign_folds, choose, lead_over, run_trials
from vision_customization.engine.learning.classification.views import views_in
from vision_customization.engine.learning.errors import LearningError

Progress = Callable[[float, str], None]

_HELD_OUT_FOLDS = 5


@dataclass(frozen=True)
class TrainedClassifier:
    """The classifier that a training produced, and how it was chosen.

    `recipe` is JSON-ready: the chosen recipe and the results of all. `held_out`, only with `estimate`, has the labels int64
    [m] and the probabilities float32 [m, k] of the held-out images, by a classifier that had not seen them.
    """

    classifier: Classifier
    recipe: dict[str, Any]
    held_out: tuple[Labels, NDArray[np.float32]] | None


@dataclass(frozen=True)
class _Choice:
    recipe: Recipe
    sharpness: float
    facts: dict[str, Any]


def _check(features: Samples, labels: Labels, tags: Sequence[str]) -> None:
    if features.ndim != 2 or len(features) != len(labels):
        raise ValueError(f"features are {features.shape}, expected ({len(labels)}, dimensions)")
    views_in(features.shape[1])
    if len(tags) < 2:
        raise LearningError(FailureCode.DIVERGED, f"a classifier needs images of at least 2 tags, not {len(tags)}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(tags):
        raise ValueError(f"labels are {labels.min()}…{labels.max()}, expected 0…{len(tags) - 1}")
    counts = np.bincount(labels, minlength=len(tags))
    without = [repr(tag) for tag, count in zip(tags, counts, strict=True) if count == 0]
    if without:
        named = ", ".join(without[:5]) + (", …" if len(without) > 5 else "")
        raise LearningError(
            FailureCode.DIVERGED, f"{len(without)} of {len(tags)} tags have no image: {named}. Add images or drop the tags"
        )
    if not np.isfinite(features).all():
        raise LearningError(FailureCode.INTERNAL_SERVER_ERROR, "the features contain values that are not finite")


def _choose(features: Samples, labels: Labels, classes: int, seed: int, go_on: Callable[[int], bool]) -> _Choice:
    trials = run_trials(features, labels, classes, seed=seed, go_on=go_on)
    if not trials:
        return _Choice(DEFAULT, SHARPNESS_UNFITTED, {"chosen": DEFAULT.name, "default": DEFAULT.name, "candidates": []})
    best = choose(trials)
    candidates = []
    for trial in trials:
        lead, error = lead_over(trial, trials[0])
        candidates.append(
            {
                "name": trial.recipe.name,
                "accuracy": round(trial.accuracy, 6),
                "probability": round(float(trial.truth.mean()), 6),
                "lead": round(lead, 6),
                "leadError": round(error, 6),
            }
        )
    facts = {"chosen": best.recipe.name, "default": DEFAULT.name, "candidates": candidates}
    return _Choice(best.recipe, best.sharpness, facts)


def fit_classifier(recipe: Recipe, features: Samples, labels: Labels, tags: Sequence[str], *, sharpness: float) -> Classifier:
    """Fit one recipe; `sharpness` is the calibration's factor on its scores."""
    blocks = recipe.fit_blocks(features)
    head = recipe.fit_head(apply_blocks(blocks, features), labels, len(tags)).scaled(sharpness)
    return Classifier(tuple(tags), blocks, head.weights.astype(np.float32), head.bias.astype(np.float32))


def _hold_out(labels: Labels, seed: int) -> NDArray[np.bool_]:
    """bool [n]: a random fifth of the images of each tag, leaving each tag at least one image."""
    held: NDArray[np.bool_] = assign_folds(labels, _HELD_OUT_FOLDS, seed) == 0
    return held


def train_classifier(
    features: Samples,
    labels: Labels,
    tags: Sequence[str],
    *,
    estimate: bool,
    deadline_seconds: float | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> TrainedClassifier:
    """Train a classifier that gives one tag per image.

    With `estimate`, a random fifth of each tag is held out: the whole training, including the choice of the recipe, runs
    without it and is evaluated on it. The resulting classifier is fitted on all images in any case.

    Args:
        features: float32 [n, dimensions], from the extractor. Their order matters: if they are sorted, the same images give
            the same classifier, byte for byte.
        labels: int64 [n], positions in `tags`.
        tags: the k tags' names.
        estimate: whether to hold images out.
        deadline_seconds: after this time, no further recipe is tried and the best so far is used. The last fit always runs.
        progress: called with the share done (0…1) and the current activity.
        seed: seed of the random parts.

    Raises:
        LearningError: `diverged` if there are fewer than two tags, or a tag has no image.
    """
    _check(features, labels, tags)
    started = time.monotonic()
    report = progress or (lambda _share, _stage: None)

    def in_time() -> bool:
        return deadline_seconds is None or time.monotonic() - started < deadline_seconds

    def go_on(first: float, last: float) -> Callable[[int], bool]:
        def told(done: int) -> bool:
            report(first + (last - first) * done / len(RECIPES), f"trying recipe {done + 1} of {len(RECIPES)}")
            return in_time()

        return told

    held_out = None
    choice = None
    half = 0.45 if estimate else 0.0
    held = _hold_out(labels, seed) if estimate else np.zeros(len(labels), bool)
    if held.any():
        choice = _choose(features[~held], labels[~held], len(tags), seed, go_on(0.0, half))
        trial = fit_classifier(choice.recipe, features[~held], labels[~held], tags, sharpness=choice.sharpness)
        held_out = (labels[held], trial.probabilities(features[held]))
    if choice is None or in_time():
        choice = _choose(features, labels, len(tags), seed, go_on(half, 0.9))
    report(0.9, "fitting on all images")
    classifier = fit_classifier(choice.recipe, features, labels, tags, sharpness=choice.sharpness)
    report(1.0, "trained")
    return TrainedClassifier(classifier, choice.facts, held_out)
