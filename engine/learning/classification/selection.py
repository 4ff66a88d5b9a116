"""Chooses a recipe by cross-validation on the training images only, with a bias towards the default."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.calibration import fit_sharpness, temper_sharpness
from vision_customization.engine.learning.classification.classifier import apply_blocks
from vision_customization.engine.learning.classification.heads import Labels, Samples, coordinates_in_span
from vision_customization.engine.learning.classification.recipes import DEFAULT, RECIPES, Recipe

FOLDS = 5
IMAGES_MIN = 8
"""With fewer images to try recipes on, the default is used without a trial."""

_DOUBT = 1.0
"""How many standard errors a recipe must be ahead of the default (Breiman et al., 1984: one)."""

_IMAGES_TO_TRY = 300
_REPEATS_MAX = 6
"""Maximum number of ways to fold few images: with only one, chance would decide too much."""

_NEVER = -1


def assign_folds(labels: Labels, folds: int, seed: int) -> Labels:
    """Each image's fold; every tag is spread over the folds as evenly as possible.

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
    """A recipe's result on images that it had not seen: `truth` is the calibrated probability, float64 [n], that it gave to
    each image's own tag."""

    recipe: Recipe
    sharpness: float
    accuracy: float
    truth: NDArray[np.float64]


def try_recipe(recipe: Recipe, features: Samples, labels: Labels, classes: int, folds: Sequence[Labels]) -> Trial:
    """Fit the head on all folds but one and score that one, for each fold and each way of folding.

    The standardisation is fitted once, on all images, because it does not use the labels.
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


class Tried(Protocol):
    """A result on images that were not seen: `truth`, float64 [n], is how right it was about each of them, 0…1."""

    @property
    def truth(self) -> NDArray[np.float64]: ...


AnyTrial = TypeVar("AnyTrial", bound=Tried)


def lead_over(trial: Tried, default: Tried) -> tuple[float, float]:
    """A recipe's lead over the default on the same images, and its standard error."""
    difference = trial.truth - default.truth
    count = len(difference)
    # Add one assumed image with the maximum difference, so that a handful of images does not look certain.
    spread = np.square(difference - difference.mean()).sum() + 1.0
    return float(difference.mean()), float(np.sqrt(spread) / count)


def choose(trials: Sequence[AnyTrial]) -> AnyTrial:
    """The recipe furthest ahead of the default (the first) among those clearly ahead of it; else the default."""
    default = trials[0]
    best, best_lead = default, 0.0
    for trial in trials[1:]:
        lead, error = lead_over(trial, default)
        if lead > _DOUBT * error and lead > best_lead:
            best, best_lead = trial, lead
    return best


def repeats_for(images: int) -> int:
    """In how many ways so many images are folded."""
    return int(np.clip(_IMAGES_TO_TRY // max(images, 1), 1, _REPEATS_MAX))


def run_trials(features: Samples, labels: Labels, classes: int, *, seed: int, go_on: Callable[[int], bool]) -> list[Trial]:
    """Try the default and then the others, as long as `go_on`, called with the number of trials done, returns true.

    Returns:
        The trials, the default's first; none if there are too few images, or time was up before the first.
    """
    trials: list[Trial] = []
    folds = [assign_folds(labels, FOLDS, seed + repeat) for repeat in range(repeats_for(len(labels)))]
    if (folds[0] != _NEVER).sum() < IMAGES_MIN:
        return trials
    for recipe in (DEFAULT, *(recipe for recipe in RECIPES if recipe is not DEFAULT)):
        if not go_on(len(trials)):
            break
        trials.append(try_recipe(recipe, features, labels, classes, folds))
    return trials
