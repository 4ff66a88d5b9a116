import json

import numpy as np
import pytest

from tests.support.made_features import make_features
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning import LearningError, train_classifier
from vision_customization.engine.learning.classification.recipes import RECIPES
from vision_customization.engine.learning.classification.views import DIMENSIONS, SLICES


def _tags(count: int) -> list[str]:
    return [f"tag {index}" for index in range(count)]


@pytest.mark.parametrize(
    "counts",
    [[1, 1], [2, 2], [3, 3, 3], [1, 40], [60, 2, 1], [5] * 30, [1] * 50, [100, 100]],
    ids=lambda counts: "+".join(map(str, counts[:3])) + f" of {len(counts)}",
)
@pytest.mark.parametrize("estimate", [False, True])
def test_any_number_of_images_gives_a_classifier(counts: list[int], estimate: bool) -> None:
    features, labels = make_features(counts)
    training = train_classifier(features, labels, _tags(len(counts)), estimate=estimate)
    probabilities = training.classifier.probabilities(features)
    assert probabilities.shape == (len(labels), len(counts))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.95
    json.dumps(training.recipe)
    if estimate and max(counts) > 1:
        assert training.held_out is not None
        held = training.held_out
        assert held.probabilities.shape == (len(held.rows), len(counts))
        assert 0 < len(held.rows) < len(labels)
    else:
        assert training.held_out is None


def test_held_out_images_are_a_fifth_of_each_tag() -> None:
    features, labels = make_features([50, 20, 10])
    training = train_classifier(features, labels, _tags(3), estimate=True)
    assert training.held_out is not None
    np.testing.assert_array_equal(np.bincount(labels[training.held_out.rows]), [10, 4, 2])


def test_the_estimate_is_of_a_classifier_that_has_not_seen_the_images() -> None:
    features, labels = make_features([40, 40])
    random_labels = np.random.default_rng(0).permutation(labels)
    training = train_classifier(features, random_labels, _tags(2), estimate=True)
    assert training.held_out is not None
    held_labels, probabilities = random_labels[training.held_out.rows], training.held_out.probabilities
    assert (probabilities.argmax(axis=1) == held_labels).mean() < 0.85
    # It does not claim to know what nobody can.
    assert probabilities.max(axis=1).mean() < 0.8


def test_the_held_out_images_are_in_the_final_fit() -> None:
    features, labels = make_features([20, 20])
    with_estimate = train_classifier(features, labels, _tags(2), estimate=True)
    without = train_classifier(features, labels, _tags(2), estimate=False)
    assert with_estimate.classifier.to_npz() == without.classifier.to_npz()


def _with_signal_only_in(view_part: str, counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.abs(random.standard_normal((len(labels), DIMENSIONS))).astype(np.float32)
    centres = 3 * random.random((len(counts), DIMENSIONS)).astype(np.float32)
    for view, where in SLICES.items():
        if view_part in view.name:
            features[:, where] += centres[labels][:, where]
    return features, labels


@pytest.mark.parametrize(
    ("view_part", "chosen"), [("centre", "centre"), ("head", "centre"), ("mirror.mean", "whole"), ("texture", "texture")]
)
def test_the_recipe_that_sees_the_difference_is_chosen(view_part: str, chosen: str) -> None:
    features, labels = _with_signal_only_in(view_part, [25, 25, 25])
    training = train_classifier(features, labels, _tags(3), estimate=False)
    assert training.recipe["chosen"] == chosen
    assert {candidate["name"] for candidate in training.recipe["candidates"]} == {recipe.name for recipe in RECIPES}


def test_when_time_is_up_the_default_is_fitted_untried() -> None:
    features, labels = make_features([20, 20])
    training = train_classifier(features, labels, _tags(2), estimate=True, deadline_seconds=0)
    assert training.recipe["candidates"] == []
    assert training.recipe["chosen"] == "centre"
    assert (training.classifier.probabilities(features).argmax(axis=1) == labels).all()


def test_progress_rises_from_nothing_to_all() -> None:
    features, labels = make_features([10, 10])
    told: list[tuple[float, str]] = []
    train_classifier(features, labels, _tags(2), estimate=True, progress=lambda share, stage: told.append((share, stage)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert all(stage for _, stage in told)


def test_the_same_images_give_the_same_bytes() -> None:
    features, labels = make_features([9, 14, 5])
    first, second = (train_classifier(features, labels, _tags(3), estimate=False).classifier.to_npz() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("counts", "tags", "says"),
    [([5], ["only"], "at least 2 tags"), ([5, 5], ["a", "b", "empty"], r"1 of 3 tags have no image: 'empty'")],
)
def test_what_cannot_be_trained_has_diverged(counts: list[int], tags: list[str], says: str) -> None:
    features, labels = make_features(counts)
    with pytest.raises(LearningError, match=says) as caught:
        train_classifier(features, labels, tags, estimate=True)
    assert caught.value.code is FailureCode.DIVERGED


def test_features_that_do_not_fit_are_refused() -> None:
    features, labels = make_features([3, 3])
    with pytest.raises(ValueError, match="features are"):
        train_classifier(features[:, :100], labels, _tags(2), estimate=False)
    with pytest.raises(ValueError, match="labels are"):
        train_classifier(features, labels + 5, _tags(2), estimate=False)
    features[0, 0] = np.nan
    with pytest.raises(LearningError, match="not finite"):
        train_classifier(features, labels, _tags(2), estimate=False)


def test_copies_of_the_same_images_do_no_harm() -> None:
    features, labels = make_features([1, 1, 1])
    features, labels = np.repeat(features, 6, axis=0), np.repeat(labels, 6)
    classifier = train_classifier(features, labels, _tags(3), estimate=True).classifier
    assert (classifier.probabilities(features).argmax(axis=1) == labels).all()
