"""Choosing a recipe by cross-validation on the training images alone, with a bias to the default."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.calibration import fit_sharpness, temper_sharpness
from vision_customization.engine.learning.classification.classifier import apply_blocks
from vision_customization.engine.learning.classification.heads import Labels, Samples, coordinates_in_span
from vision_customization.engine.learning.classification.recipes import DEFAULT, RECIPES, Recipe

FOLDS = 5
IMAGES_MIN = 8
"""Below this many images to try a recipe on, the default is taken untried."""

_DOUBT = 1.0
"""How many standard errors a recipe must be ahead of the default (Breiman et al., 1984: one)."""

_IMAGES_TO_TRY = 300
_REPEATS_MAX = 6
"""Few images are folded in several ways: which of them fall together would decide too much."""

_NEVER = -1


def assign_folds(labels: Labels, folds: int, seed: int) -> Labels:
    """Each image's fold, every tag spread over the folds as evenly as its count allows.

    Returns:
        int64 [n] of 0…folds − 1; −1 for the only image of its tag, which is never left out.
    """
    random = np.random.default_rng(seed)
    result = np.full(len(labels), _NEVER, np.int64)
    assigned = 0
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            result[members] = (np.arange(len(members)) + assigned) % folds
            assigned += len(members)
    return result


@dataclass(frozen=True)
class Trial:
    """How a recipe did on images that it had not seen: `truth` is the calibrated probability, float64 [n], that it gave to
    each image's own tag."""

    recipe: Recipe
    sharpness: float
    accuracy: float
    truth: NDArray[np.float64]


def try_recipe(recipe: Recipe, features: Samples, labels: Labels, classes: int, folds: Sequence[Labels]) -> Trial:
    """Fit the head on all folds but one, in turn, and score that one; again for each way of folding.

    The standardisation is fitted once, on all images: it does not see the labels.
    """
    x = apply_blocks(recipe.fit_blocks(features), features)
    dimensions = x.shape[1]
    if len(x) <= dimensions // 2:
        x = coordinates_in_span(x)
    tried = folds[0] != _NEVER
    scores = np.zeros((len(folds), len(labels), classes))
    for repeat, fold in enumerate(folds):
        for index in np.unique(fold[tried]):
            seen = fold != index
            scores[repeat, ~seen] = recipe.fit_head(x[seen], labels[seen], classes, dimensions=dimensions).scores(x[~seen])
    scores, truth = scores[:, tried], labels[tried]
    sharpness = fit_sharpness(scores, truth)
    scaled = np.exp(sharpness * (scores - scores.max(axis=2, keepdims=True)))
    probability = (scaled[:, np.arange(len(truth)), truth] / scaled.sum(axis=2)).mean(axis=0)
    accuracy = float((scores.argmax(axis=2) == truth).mean())
    return Trial(recipe, temper_sharpness(sharpness, truth), accuracy, probability)


def lead_over(trial: Trial, default: Trial) -> tuple[float, float]:
    """How far a recipe is ahead of the default on the same images, and the standard error of that."""
    difference = trial.truth - default.truth
    count = len(difference)
    # One assumed image on which they are as far apart as can be, so that a handful of images does not look certain.
    spread = np.square(difference - difference.mean()).sum() + 1.0
    return float(difference.mean()), float(np.sqrt(spread) / count)


def choose(trials: Sequence[Trial]) -> Trial:
    """The recipe furthest ahead of the default (the first) among those clearly ahead of it; else the default."""
    default = trials[0]
    best, best_lead = default, 0.0
    for trial in trials[1:]:
        lead, error = lead_over(trial, default)
        if lead > _DOUBT * error and lead > best_lead:
            best, best_lead = trial, lead
    return best


def run_trials(features: Samples, labels: Labels, classes: int, *, seed: int, go_on: Callable[[int], bool]) -> list[Trial]:
    """Try the default and then the others, for as long as `go_on`, told how many are done, says so.

    Returns:
        The trials, the default's first; none where the images are too few, or time was up before the first.
    """
    trials: list[Trial] = []
    repeats = int(np.clip(_IMAGES_TO_TRY // max(len(labels), 1), 1, _REPEATS_MAX))
    folds = [assign_folds(labels, FOLDS, seed + repeat) for repeat in range(repeats)]
    if (folds[0] != _NEVER).sum() < IMAGES_MIN:
        return trials
    for recipe in (DEFAULT, *(recipe for recipe in RECIPES if recipe is not DEFAULT)):
        if not go_on(len(trials)):
            break
        trials.append(try_recipe(recipe, features, labels, classes, folds))
    return trials
