"""Trains a classifier: chooses a recipe on the training images only, calibrates it, and fits it on all of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import Outlook
from vision_customization.engine.learning.classification.calibration import (
    SHARPNESS_UNFITTED,
    fit_sharpness,
    temper_sharpness,
)
from vision_customization.engine.learning.classification.classifier import Classifier, Features, apply_blocks
from vision_customization.engine.learning.classification.everything import Everything, sum_up
from vision_customization.engine.learning.classification.heads import Labels
from vision_customization.engine.learning.classification.novelty import fit_novelty
from vision_customization.engine.learning.classification.outlook import Curve, learning_curve, twice_as_many
from vision_customization.engine.learning.classification.recipes import DEFAULT, RECIPES, Recipe, group_alike
from vision_customization.engine.learning.classification.selection import (
    IMAGES_MIN,
    choose,
    foldings,
    run_trials,
    trial_facts,
)
from vision_customization.engine.learning.classification.sums import spread_of, summed_head
from vision_customization.engine.learning.classification.views import views_in
from vision_customization.engine.learning.errors import LearningError
from vision_customization.engine.learning.estimate import HeldOut

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class TrainedClassifier:
    """The classifier that a training produced, and how it was chosen.

    `recipe` is JSON-ready: the chosen recipe and the results of all. `held_out` is what was said of the training images by
    classifiers of the chosen recipe that had not seen them; None if each tag has one image, or only near-duplicates. `outlook`
    is what more images would bring; None if there are too few to say.
    """

    classifier: Classifier
    recipe: dict[str, Any]
    held_out: HeldOut | None
    outlook: Outlook | None


def _check(features: Features, labels: Labels, tags: Sequence[str]) -> None:
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


def _points(curve: Curve) -> list[dict[str, float]]:
    """The mean number of images learnt from, and the accuracy on images left out."""
    accuracies = curve.hits.mean(axis=1).round(6).tolist()
    return [
        {"images": images, "accuracy": accuracy}
        for images, accuracy in zip(curve.learnt.round(1).tolist(), accuracies, strict=True)
    ]


def fit_classifier(recipe: Recipe, features: Features, labels: Labels, tags: Sequence[str], *, sharpness: float) -> Classifier:
    """Fit one recipe; `sharpness` is the calibration's factor on its scores."""
    blocks = recipe.fit_blocks(features)
    head = recipe.fit_head(apply_blocks(blocks, features), labels, len(tags)).scaled(sharpness)
    return Classifier(tuple(tags), blocks, head.weights.astype(np.float32), head.bias.astype(np.float32))


def with_novelty(
    classifier: Classifier, features: Features, labels: Labels | None = None, groups: Labels | None = None
) -> Classifier:
    """The classifier with its novelty, from the images that it was fitted on; without labels, all of them are of one kind.
    Images of a group show the same."""
    kinds = np.zeros(len(features), np.int64) if labels is None else labels
    x = apply_blocks(classifier.blocks, features)
    return replace(classifier, novelty=fit_novelty(x, kinds, int(kinds.max()) + 1, groups))


def train_classifier(
    features: Features,
    labels: Labels,
    tags: Sequence[str],
    *,
    everything: Everything | None = None,
    deadline_seconds: float | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> TrainedClassifier:
    """Train a classifier that gives one tag per image.

    Args:
        features: [n, dimensions], from the extractor or as they are stored. Their order matters: if they are sorted, the same
            images give the same classifier, byte for byte.
        labels: int64 [n], positions in `tags`.
        tags: the k tags' names.
        everything: all images, if `features` and `labels` are only of a sample (`everything.sample_rows`). The recipe is chosen
            on the sample and fitted on all images. `HeldOut.rows` are of the sample, and there is no outlook. If the images
            unlike the sample are fewer than half, calibration and `held_out` are those of cross-validation within the sample.
        deadline_seconds: after this time, no further recipe is tried and the best so far is used. The default is tried, and
            the last fit run, in any case.
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

    def go_on(done: int) -> bool:
        report(0.8 * done / len(RECIPES), f"trying recipe {done + 1} of {len(RECIPES)}")
        return in_time()

    report(0.0, f"trying recipe 1 of {len(RECIPES)}")
    groups = group_alike(features, labels.tolist())
    trials = run_trials(features, labels, groups, len(tags), seed=seed, go_on=go_on)
    recipe, sharpness = DEFAULT.within(views_in(features.shape[1])), SHARPNESS_UNFITTED
    held_out = outlook = curve = None
    if trials:
        best = choose(trials, len(labels) / len(tags))
        recipe, sharpness = best.recipe, best.sharpness
        held_out = HeldOut(best.rows, best.probabilities, len(np.unique(groups[best.rows])), best.learnt_share)
    if trials and held_out is not None and everything is None:
        report(0.8, "learning from fewer images")
        curve = learning_curve(best, features, labels, groups, foldings(labels, groups, seed), seed=seed, go_on=in_time)
        if curve is not None:
            outlook = twice_as_many(curve, len(labels), best.accuracy, held_out, seed=seed)
    report(0.9, "fitting on all images")
    if everything is None:
        classifier = fit_classifier(recipe, features, labels, tags, sharpness=sharpness)
        classifier = with_novelty(classifier, features, labels, groups)
    else:

        def summed_up(share: float) -> None:
            report(0.9 + 0.1 * share, "fitting on all images")

        classifier, judged = _fit_on_all(recipe, sharpness, features, labels, groups, tags, everything, summed_up)
        held_out = judged or (held_out and held_out.of_sample(len(labels), everything.tags.shape[0]))
    report(1.0, "trained")
    facts = trial_facts(trials, recipe, DEFAULT) | ({} if curve is None else {"learningCurve": _points(curve)})
    if everything is not None:
        facts["sampledImages"] = len(labels)
    return TrainedClassifier(classifier, facts, held_out, outlook)


def _fit_on_all(
    recipe: Recipe,
    sharpness: float,
    features: Features,
    labels: Labels,
    groups: Labels,
    tags: Sequence[str],
    everything: Everything,
    report: Callable[[float], None],
) -> tuple[Classifier, HeldOut | None]:
    """The recipe, fitted on all images, and what a classifier that learnt from the images unlike the sample says of the sample.
    If it learnt from too few, or too few are judged, that is None, and `sharpness` stays. `features`, `labels` and `groups` are
    the sample's."""
    summed = sum_up(recipe, features, everything, one_tag=True, report=report)
    x = apply_blocks(summed.blocks, features)
    judged = np.flatnonzero(summed.others.counts[labels] > 0)
    held_out = None
    if summed.others_judge and len(judged) >= IMAGES_MIN:
        scores = summed_head(recipe, summed.others).scores(x[judged])[None]
        fitted = fit_sharpness(scores, labels[judged])
        sharpness = temper_sharpness(fitted, everything.tags.indices.astype(np.int64))
        probabilities = softmax(fitted * scores, axis=2).astype(np.float32)
        held_out = HeldOut(judged, probabilities, len(np.unique(groups[judged])), summed.learnt_share)
    whole = summed.others + summed.alike
    head = summed_head(recipe, whole).scaled(sharpness)
    novelty = fit_novelty(x, labels, len(tags), groups, spread_of(whole))
    weights, bias = head.weights.astype(np.float32), head.bias.astype(np.float32)
    return Classifier(tuple(tags), summed.blocks, weights, bias, novelty=novelty), held_out
