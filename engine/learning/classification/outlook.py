"""What more images would bring: the learning curve of the chosen recipe, and where it leads with twice as many images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.models import Outlook
from vision_customization.engine.learning.classification.classifier import Features
from vision_customization.engine.learning.classification.heads import Labels
from vision_customization.engine.learning.classification.selection import FOLDS, Trial, folds_for
from vision_customization.engine.learning.estimate import HeldOut

SHARES = (0.5, 0.75)
"""The parts of a fold's training images that are learnt from, beside all of them, which the trial has done."""

_JUDGED_ENOUGH = 1000
"""After so many judgements, no further fold is fitted."""
_RESAMPLES = 200
_ENDS = (0.025, 0.975)
_STEEPEST = 1.0
"""Errors fall at most in proportion to the images, as `HeldOut.interval` assumes."""


@dataclass(frozen=True)
class Curve:
    """Judgements of images by classifiers that had not seen them and learnt from ever more of the others.

    `hits` are bool [3, m], the last row with all images; `groups`, int64 [m], are the judged images' groups of images that show
    nearly the same; `learnt`, float64 [3], is the mean number of images that the classifiers learnt from.
    """

    hits: NDArray[np.bool_]
    groups: Labels
    learnt: NDArray[np.float64]


def learning_curve(
    trial: Trial,
    features: Features,
    labels: Labels,
    groups: Labels,
    folds: Sequence[Labels],
    *,
    seed: int = 0,
    go_on: Callable[[], bool] = lambda: True,
) -> Curve | None:
    """Fit the trial's recipe also on half and on three quarters of the images outside each fold, and judge those in it.

    Args:
        folds: the ways of folding that the trial was made with.
        go_on: asked before each fold; when it returns false, there is no curve.

    Returns:
        None if a usual tag has fewer than five groups of images: there is no half of so few.
    """
    if folds_for(labels, groups) < FOLDS:
        return None
    random = np.random.default_rng(seed)
    x, dimensions = trial.recipe.vectors_to_try(features)
    classes = trial.probabilities.shape[2]
    with_all = trial.probabilities.argmax(axis=2) == labels[trial.rows]
    hits: list[NDArray[np.bool_]] = []
    judged: list[Labels] = []
    learnt: list[list[int]] = []
    for repeat, fold in enumerate(folds):
        of_trial = fold[trial.rows]
        for index in np.unique(of_trial):
            if sum(len(rows) for rows in judged) >= _JUDGED_ENOUGH:
                break
            if not go_on():
                return None
            left_out, others = trial.rows[of_trial == index], np.flatnonzero(fold != index)
            order = random.permutation(int(groups.max()) + 1)
            parts = [_part(others, labels, groups, order, share) for share in SHARES]
            heads = [trial.recipe.fit_head(x[part], labels[part], classes, dimensions=dimensions) for part in parts]
            right = [head.scores(x[left_out]).argmax(axis=1) == labels[left_out] for head in heads]
            hits.append(np.stack([*right, with_all[repeat, of_trial == index]]))
            judged.append(left_out)
            learnt.append([len(part) for part in (*parts, others)])
    return Curve(np.concatenate(hits, axis=1), groups[np.concatenate(judged)], np.mean(learnt, axis=0))


def _part(rows: Labels, labels: Labels, groups: Labels, order: Labels, share: float) -> Labels:
    """The images of the first groups of each tag, in this order of all groups: this share of the tag's groups, at least one."""
    taken = []
    for label in np.unique(labels[rows]):
        members = np.unique(groups[rows[labels[rows] == label]])
        taken.append(members[np.argsort(order[members])][: int(np.ceil(share * len(members)))])
    return rows[np.isin(groups[rows], np.concatenate(taken))]


def twice_as_many(curve: Curve, images: int, accuracy: float, held_out: HeldOut, *, seed: int = 0) -> Outlook:
    """The accuracy with twice as many training images as `images`, of which the estimate `accuracy`, 0…1, was made.

    Learning curves are about power laws (Hestness et al. 2017, arXiv:1712.00409): through the three points, the errors fall by
    a constant factor each time the images double, which is between none and half. The interval is that of 200 resamples of
    the groups, and at least as wide as the estimate's would be for such an accuracy.
    """
    _, group = np.unique(curve.groups, return_inverse=True)
    judged = np.bincount(group)
    missed = np.stack([np.bincount(group, weights=~hits) for hits in curve.hits], axis=1)
    count = len(judged)
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    resampled = (times @ missed) / (times @ judged)[:, None]
    ends = np.quantile(1 - resampled[:, -1] * _factor(resampled, curve.learnt, count), _ENDS)
    mean = missed.sum(axis=0) / judged.sum()
    expected = 1 - (1 - accuracy) * float(_factor(mean, curve.learnt, count))
    low, high = held_out.interval(expected)
    interval = min(low, float(ends[0])), max(high, 1 - (1 - float(ends[1])) * held_out.learnt_share)
    return Outlook(images=2 * images, accuracy_top1=expected, interval=interval)


def _factor(errors: NDArray[np.float64], learnt: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """By what the errors, float64 […, 3], are multiplied when the images double: float64 […], 0.5…1, least squares of their
    logarithms. Half a group's error is added, so that errors may be zero."""
    images = np.log2(learnt) - np.log2(learnt).mean()
    slope = np.log2(errors + 0.5 / groups) @ images / np.square(images).sum()
    factor: NDArray[np.float64] = 2.0 ** np.clip(slope, -_STEEPEST, 0.0)
    return factor
