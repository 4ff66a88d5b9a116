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
def test_any_number_of_images_gives_a_classifier(counts: list[int]) -> None:
    features, labels = make_features(counts)
    training = train_classifier(features, labels, _tags(len(counts)))
    probabilities = training.classifier.probabilities(features)
    assert probabilities.shape == (len(labels), len(counts))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.95
    json.dumps(training.recipe)
    assert (training.held_out is not None) == (max(counts) > 1)
    if training.held_out is not None:
        held = training.held_out
        left_out = sum(count for count in counts if count > 1)
        assert len(held.rows) == held.groups == left_out
        assert held.probabilities.shape == (left_out, len(counts))
        assert 0 < held.learnt_share < 1
        low, high = held.interval(0.9)
        assert 0 <= low < 0.9 < high < 1


def test_the_estimate_is_of_a_classifier_that_has_not_seen_the_images() -> None:
    features, labels = make_features([40, 40])
    random_labels = np.random.default_rng(0).permutation(labels)
    training = train_classifier(features, random_labels, _tags(2))
    assert training.held_out is not None
    probabilities = training.held_out.probabilities
    assert (probabilities.argmax(axis=1) == random_labels[training.held_out.rows]).mean() < 0.85
    # It does not claim to know what nobody can.
    assert probabilities.max(axis=1).mean() < 0.8


def test_near_duplicates_are_not_learnt_from_and_judged_on() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 30).repeat(4)
    one_kind, _ = make_features([30])
    bursts = one_kind.repeat(4, axis=0) * random.uniform(0.97, 1.03, (120, DIMENSIONS)).astype(np.float32)
    training = train_classifier(bursts, labels, _tags(2))
    assert training.held_out is not None
    assert training.held_out.groups == 30
    assert (training.held_out.probabilities.argmax(axis=1) == labels).mean() < 0.75  # nothing but the burst tells the tag


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
    training = train_classifier(features, labels, _tags(3))
    assert training.recipe["chosen"] == chosen
    assert {candidate["name"] for candidate in training.recipe["candidates"]} == {recipe.name for recipe in RECIPES}


def test_when_time_is_up_only_the_default_is_tried() -> None:
    features, labels = make_features([20, 20])
    training = train_classifier(features, labels, _tags(2), deadline_seconds=0)
    assert [candidate["name"] for candidate in training.recipe["candidates"]] == ["centre"]
    assert training.recipe["chosen"] == "centre"
    assert (training.classifier.probabilities(features).argmax(axis=1) == labels).all()


def test_progress_rises_from_nothing_to_all() -> None:
    features, labels = make_features([10, 10])
    told: list[tuple[float, str]] = []
    train_classifier(features, labels, _tags(2), progress=lambda share, stage: told.append((share, stage)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert all(stage for _, stage in told)


def test_the_same_images_give_the_same_bytes() -> None:
    features, labels = make_features([9, 14, 5])
    first, second = (train_classifier(features, labels, _tags(3)).classifier.to_npz() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("counts", "tags", "says"),
    [([5], ["only"], "at least 2 tags"), ([5, 5], ["a", "b", "empty"], r"1 of 3 tags have no image: 'empty'")],
)
def test_what_cannot_be_trained_has_diverged(counts: list[int], tags: list[str], says: str) -> None:
    features, labels = make_features(counts)
    with pytest.raises(LearningError, match=says) as caught:
        train_classifier(features, labels, tags)
    assert caught.value.code is FailureCode.DIVERGED


def test_features_that_do_not_fit_are_refused() -> None:
    features, labels = make_features([3, 3])
    with pytest.raises(ValueError, match="features are"):
        train_classifier(features[:, :100], labels, _tags(2))
    with pytest.raises(ValueError, match="labels are"):
        train_classifier(features, labels + 5, _tags(2))
    features[0, 0] = np.nan
    with pytest.raises(LearningError, match="not finite"):
        train_classifier(features, labels, _tags(2))


def test_copies_of_the_same_images_do_no_harm() -> None:
    features, labels = make_features([1, 1, 1])
    features, labels = np.repeat(features, 6, axis=0), np.repeat(labels, 6)
    classifier = train_classifier(features, labels, _tags(3)).classifier
    assert (classifier.probabilities(features).argmax(axis=1) == labels).all()
