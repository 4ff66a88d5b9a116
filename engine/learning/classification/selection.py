"""Chooses a recipe by cross-validation on the training images only, with a bias towards the default."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.calibration import (
    SHARPNESS_UNFITTED,
    fit_sharpness,
    temper_sharpness,
)
from vision_customization.engine.learning.classification.classifier import Features
from vision_customization.engine.learning.classification.heads import Labels
from vision_customization.engine.learning.classification.recipes import DEFAULT, RECIPES, Recipe
from vision_customization.engine.learning.classification.views import views_in

FOLDS = 5
IMAGES_MIN = 8
"""With fewer images to try recipes on, the default is used without comparing."""

_DOUBT = 1.0
"""How many standard errors a recipe must be ahead of the default (Breiman et al., 1984: one)."""
_FEW = 10
"""Up to so many images per tag, recipes may need more evidence."""

_IMAGES_TO_TRY = 300
_REPEATS_MAX = 6
"""Maximum number of ways to fold few images: with only one, chance would decide too much."""

NEVER = -1


def folds_for(labels: Labels, groups: Labels) -> int:
    """How many folds: 5, but no more than a usual tag has groups of images, so that all tags miss about as many in each."""
    of_tag = [len(np.unique(groups[labels == label])) for label in np.unique(labels)]
    return int(np.clip(np.median(of_tag), 2, FOLDS))


def assign_folds(labels: Labels, groups: Labels, folds: int, seed: int) -> Labels:
    """Each image's fold; every tag is spread over the folds as evenly as possible, and each group is in one fold.

    Args:
        groups: int64 [n], of images that show nearly the same; a group has one tag.

    Returns:
        int64 [n] of 0…folds − 1; −1 for the images of a tag with a single group, which are never left out.
    """
    random = np.random.default_rng(seed)
    result = np.full(len(labels), NEVER, np.int64)
    sizes = np.zeros(folds, np.int64)
    for label in np.unique(labels):
        members, counts = np.unique(groups[labels == label], return_counts=True)
        if len(members) < 2:
            continue
        order = random.permutation(len(members))
        of_tag = np.zeros(folds, np.int64)
        for position in order[np.argsort(-counts[order], kind="stable")]:
            fold = int(np.lexsort((sizes, of_tag))[0])
            result[groups == members[position]] = fold
            of_tag[fold] += counts[position]
            sizes[fold] += counts[position]
    return result


@dataclass(frozen=True)
class Trial:
    """A recipe's result on images that it had not seen: `probabilities`, float32 [repeats, m, k], are calibrated; `truth`,
    float64 [m], is the one that it gave to each image's own tag, on average. `rows`, int64 [m], are the images' positions, and
    `learnt_share` is the mean share of the images, 0…1, that a head learnt from."""

    recipe: Recipe
    sharpness: float
    accuracy: float
    truth: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    rows: Labels
    learnt_share: float


def try_recipe(recipe: Recipe, features: Features, labels: Labels, classes: int, folds: Sequence[Labels]) -> Trial:
    """Fit the head on all folds but one and score that one, for each fold and each way of folding."""
    x, dimensions = recipe.vectors_to_try(features)
    tried = folds[0] != NEVER
    scores = np.zeros((len(folds), len(labels), classes))
    learnt = []
    for repeat, fold in enumerate(folds):
        for index in np.unique(fold[tried]):
            seen = fold != index
            learnt.append(float(seen.mean()))
            scores[repeat, ~seen] = recipe.fit_head(x[seen], labels[seen], classes, dimensions=dimensions).scores(x[~seen])
    scores, truth = scores[:, tried], labels[tried]
    enough = len(truth) >= IMAGES_MIN
    sharpness = fit_sharpness(scores, truth) if enough else SHARPNESS_UNFITTED
    scaled = np.exp(sharpness * (scores - scores.max(axis=2, keepdims=True)))
    probabilities = scaled / scaled.sum(axis=2, keepdims=True)
    return Trial(
        recipe,
        temper_sharpness(sharpness, truth) if enough else sharpness,
        float((scores.argmax(axis=2) == truth).mean()),
        probabilities[:, np.arange(len(truth)), truth].mean(axis=0),
        probabilities.astype(np.float32),
        np.flatnonzero(tried),
        float(np.mean(learnt)),
    )


class Tried(Protocol):
    """A result on images that were not seen: `truth`, float64 [n], is how right it was about each of them, 0…1, and `accuracy`,
    0…1, how many of them it got right."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def truth(self) -> NDArray[np.float64]: ...
    @property
    def accuracy(self) -> float: ...


AnyTrial = TypeVar("AnyTrial", bound=Tried)


def lead_over(trial: Tried, default: Tried) -> tuple[float, float]:
    """A recipe's lead over the default on the same images, and its standard error."""
    difference = trial.truth - default.truth
    count = len(difference)
    # Add one assumed image with the maximum difference, so that a handful of images does not look certain.
    spread = np.square(difference - difference.mean()).sum() + 1.0
    return float(difference.mean()), float(np.sqrt(spread) / count)


def choose(trials: Sequence[AnyTrial], images_per_tag: float) -> AnyTrial:
    """The recipe furthest ahead of the default (the first) among those that have the evidence they need; else the default."""
    default = trials[0]
    best, best_lead = default, 0.0
    for trial in trials[1:]:
        few = images_per_tag <= _FEW
        needed = trial.recipe.accuracy_lead_of_few if few else trial.recipe.accuracy_lead
        lead, error = lead_over(trial, default)
        if trial.accuracy - default.accuracy >= needed and lead > _DOUBT * error and lead > best_lead:
            best, best_lead = trial, lead
    return best


def trial_facts(trials: Sequence[Tried], chosen: Recipe, default: Recipe, *, accuracy: str = "accuracy") -> dict[str, Any]:
    """The choice and the results of all trials, the default's first, ready for JSON. `accuracy` is what a trial's is called."""
    candidates = []
    for trial in trials:
        lead, error = lead_over(trial, trials[0])
        candidates.append(
            {
                "name": trial.recipe.name,
                accuracy: round(trial.accuracy, 6),
                "probability": round(float(trial.truth.mean()), 6),
                "lead": round(lead, 6),
                "leadError": round(error, 6),
            }
        )
    return {"chosen": chosen.name, "default": default.name, "candidates": candidates}


def repeats_for(images: int) -> int:
    """In how many ways so many images are folded."""
    return int(np.clip(_IMAGES_TO_TRY // max(images, 1), 1, _REPEATS_MAX))


def foldings(labels: Labels, groups: Labels, seed: int) -> list[Labels]:
    """The ways of folding that recipes are tried with, the same for the same seed."""
    count = folds_for(labels, groups)
    return [assign_folds(labels, groups, count, seed + repeat) for repeat in range(repeats_for(len(labels)))]


def run_trials(
    features: Features, labels: Labels, groups: Labels, classes: int, *, seed: int, go_on: Callable[[int], bool]
) -> list[Trial]:
    """Try the default and then the others, as long as `go_on`, called with the number of trials done, returns true.

    Returns:
        The trials, the default's first, which is tried in any case; none if no image can be left out.
    """
    trials: list[Trial] = []
    folds = foldings(labels, groups, seed)
    tried = int((folds[0] != NEVER).sum())
    if not tried:
        return trials
    for recipe in (DEFAULT, *(recipe for recipe in RECIPES if recipe is not DEFAULT)):
        if trials and (tried < IMAGES_MIN or not go_on(len(trials))):
            break
        trials.append(try_recipe(recipe.within(views_in(features.shape[1])), features, labels, classes, folds))
    return trials
