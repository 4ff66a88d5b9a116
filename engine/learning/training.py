"""Training a classifier: choose a recipe on the training images alone, calibrate it, fit it on everything."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from customization.contract import FailureCode
from engine.learning.calibration import fit_sharpness
from engine.learning.classifier import Classifier, apply_blocks, fit_block
from engine.learning.errors import LearningError
from engine.learning.heads import LinearHead, fit_discriminant
from engine.learning.recipes import DEFAULT, RECIPES, Recipe
from engine.learning.views import DIMENSIONS

Features = NDArray[np.float32]
Labels = NDArray[np.int64]
Progress = Callable[[float, str], None]

HELD_OUT_SHARE = 0.2
_FOLDS = 5


@dataclass(frozen=True)
class ClassifierTraining:
    """What came out. `recipe` is JSON-ready: the chosen candidate and how all of them did. `held_out` are the labels int64 [m]
    and probabilities float32 [m, k] of the images held out for the estimate, by a classifier that has not seen them."""

    classifier: Classifier
    recipe: dict[str, Any]
    held_out: tuple[Labels, NDArray[np.float32]] | None


def _check(features: Features, labels: Labels, tags: Sequence[str]) -> None:
    if features.ndim != 2 or features.shape != (len(labels), DIMENSIONS):
        raise ValueError(f"features are {features.shape}, expected ({len(labels)}, {DIMENSIONS})")
    if len(tags) < 2:
        raise LearningError(FailureCode.DIVERGED, f"a classifier needs images of at least 2 tags; the dataset has {len(tags)}")
    counts = np.bincount(labels, minlength=len(tags))
    without = [tag for tag, count in zip(tags, counts, strict=True) if count == 0]
    if without:
        named = ", ".join(repr(tag) for tag in without[:5])
        raise LearningError(
            FailureCode.DIVERGED, f"{len(without)} of {len(tags)} tags have no image: {named}. Add images or drop the tags"
        )
    if not np.isfinite(features).all():
        raise LearningError(FailureCode.INTERNAL_SERVER_ERROR, "the features hold values that are not finite")


def _folds(labels: Labels, folds: int, seed: int) -> NDArray[np.int64]:
    """int64 [n]: each image's fold, every tag spread over all folds as evenly as its count allows."""
    random = np.random.default_rng(seed)
    result = np.empty(len(labels), np.int64)
    offset = 0
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        result[members] = (np.arange(len(members)) + offset) % folds
        offset += len(members)
    return result


def _fit_head(recipe: Recipe, x: NDArray[np.float32], labels: Labels, classes: int) -> LinearHead:
    return fit_discriminant(x.astype(np.float64), labels, classes, recipe.shrinkage)


def _out_of_fold(recipe: Recipe, features: Features, labels: Labels, classes: int, seed: int) -> NDArray[np.float64] | None:
    folds = min(_FOLDS, int(np.bincount(labels).min()))
    if folds < 2:
        return None
    blocks = [fit_block(views, features) for views in recipe.blocks]
    x = apply_blocks(blocks, features)
    fold = _folds(labels, folds, seed)
    scores = np.empty((len(labels), classes))
    for index in range(folds):
        seen = fold != index
        head = _fit_head(recipe, x[seen], labels[seen], classes)
        scores[~seen] = head.scores(x[~seen].astype(np.float64))
    return scores


def _fit(recipe: Recipe, features: Features, labels: Labels, tags: Sequence[str], sharpness: float) -> Classifier:
    blocks = tuple(fit_block(views, features) for views in recipe.blocks)
    head = _fit_head(recipe, apply_blocks(blocks, features), labels, len(tags))
    return Classifier(
        tuple(tags), blocks, (head.weights * sharpness).astype(np.float32), (head.bias * sharpness).astype(np.float32)
    )


def train_classifier(
    features: Features,
    labels: Labels,
    tags: Sequence[str],
    *,
    estimate: bool,
    deadline_seconds: float | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> ClassifierTraining:
    """Train a classifier of one tag an image.

    Args:
        features: float32 [n, dimensions], as the extractor gives them, in an order that does not change between runs.
        labels: int64 [n], positions in `tags`.
        tags: the k tags' names.
        estimate: hold out a random part, a fifth of each tag, and report on it; the classifier is fitted on all images.
        deadline_seconds: stop trying candidates after this long, and take the best so far.
        progress: told the share done (0…1) and what is being done.
        seed: of the random parts.

    Raises:
        LearningError: fewer than two tags, or a tag without images (`diverged`).
    """
    _check(features, labels, tags)
    deadline = None if deadline_seconds is None else time.monotonic() + deadline_seconds
    report = progress or (lambda _share, _stage: None)
    report(0.0, "choosing a recipe")
    del deadline
    held_out = None
    if estimate:
        held = _folds(labels, round(1 / HELD_OUT_SHARE), seed) == 0
        held &= np.bincount(labels)[labels] > 1
        if held.any():
            sharpness = _sharpness(DEFAULT, features[~held], labels[~held], len(tags), seed)
            trial = _fit(DEFAULT, features[~held], labels[~held], tags, sharpness)
            held_out = (labels[held], trial.probabilities(features[held]))
    sharpness = _sharpness(DEFAULT, features, labels, len(tags), seed)
    report(0.9, "fitting on all images")
    classifier = _fit(DEFAULT, features, labels, tags, sharpness)
    report(1.0, "trained")
    return ClassifierTraining(classifier, {"chosen": DEFAULT.name, "candidates": [recipe.name for recipe in RECIPES]}, held_out)


def _sharpness(recipe: Recipe, features: Features, labels: Labels, classes: int, seed: int) -> float:
    scores = _out_of_fold(recipe, features, labels, classes, seed)
    return 1.0 if scores is None else fit_sharpness(scores, labels)
