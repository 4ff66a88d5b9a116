"""Chooses between recipes for several tags per image, by how they do on images that they have not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.classifier import Features
from vision_customization.engine.learning.classification.recipes import RECIPES, WHOLE, Recipe
from vision_customization.engine.learning.classification.selection import FOLDS, IMAGES_MIN, repeats_for
from vision_customization.engine.learning.classification.views import views_in
from vision_customization.engine.learning.multi_label.calibration import Calibration, fit_calibration
from vision_customization.engine.learning.multi_label.folds import assign_group_folds
from vision_customization.engine.learning.multi_label.heads import Present, fit_tag_heads
from vision_customization.engine.learning.multi_label.metrics import mean_average_precision

DEFAULT = WHOLE
"""The recipe that is used unless another is clearly ahead: of several objects, few are in the middle of the picture."""


@dataclass(frozen=True)
class TagTrial:
    """A recipe's result on images that it had not seen.

    `probabilities` are float64 [repeats, n, k], calibrated. `truth` is how right they are about each image, float64 [n]: the
    mean probability of the true state of its tags. It is weighted so that the images with a tag and those without count the
    same, and its mean is in 0…1. `accuracy` is the mean average precision.
    """

    recipe: Recipe
    calibration: Calibration
    probabilities: NDArray[np.float64]
    truth: NDArray[np.float64]
    accuracy: float


def try_recipe(recipe: Recipe, features: Features, present: Present, folds: Sequence[NDArray[np.int64]]) -> TagTrial:
    """Fit the heads on all folds but one and score that one, for each fold and each way of folding."""
    x, dimensions = recipe.vectors_to_try(features)
    scores = np.zeros((len(folds), *present.shape))
    for repeat, fold in enumerate(folds):
        for index in np.unique(fold):
            seen = fold != index
            head = fit_tag_heads(x[seen], present[seen], recipe.shrinkage, dimensions=dimensions)
            scores[repeat, ~seen] = head.scores(x[~seen])
    calibration = fit_calibration(scores, present)
    probabilities = calibration.probabilities(scores)
    right = np.where(present, probabilities, 1 - probabilities).mean(axis=0)
    counts = present.sum(axis=0)
    share = np.where(present, counts, len(present) - counts) * 2 / len(present)
    accuracy = mean_average_precision(present, probabilities.mean(axis=0))
    return TagTrial(recipe, calibration, probabilities, (right / share).mean(axis=1), accuracy)


def run_trials(
    features: Features, present: Present, groups: NDArray[np.int64], *, seed: int, go_on: Callable[[int], bool]
) -> list[TagTrial]:
    """Try the default and then the others, as long as `go_on`, called with the number of trials done, returns true.

    Args:
        groups: int64 [n], of images that show nearly the same, which no fold parts.

    Returns:
        The trials, the default's first, which is tried in any case; none if there are too few groups of images.
    """
    trials: list[TagTrial] = []
    if len(np.unique(groups)) < IMAGES_MIN:
        return trials
    folds = [assign_group_folds(present, groups, FOLDS, seed + repeat) for repeat in range(repeats_for(len(present)))]
    for recipe in (DEFAULT, *(recipe for recipe in RECIPES if recipe is not DEFAULT)):
        if trials and not go_on(len(trials)):
            break
        trials.append(try_recipe(recipe.within(views_in(features.shape[1])), features, present, folds))
    return trials
