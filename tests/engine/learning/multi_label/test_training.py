import json

import numpy as np
import pytest

from tests.support.made_features import make_multi_label_features
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning import Classifier, LearningError, multi_label_performance, train_multi_label
from vision_customization.engine.learning.classification.recipes import RECIPES
from vision_customization.engine.learning.classification.views import DIMENSIONS, SLICES

TAGS = ["cup", "fork", "knife"]


def _present(images: int, rates: list[float], seed: int = 0) -> np.ndarray:
    """Whether each image has each tag. The first four images have all tags or none."""
    present = np.random.default_rng(seed).random((images, len(rates))) < rates
    present[:2], present[2:4] = True, False
    return present


@pytest.mark.parametrize(
    ("images", "rates"),
    [(4, [0.5]), (7, [0.5, 0.5]), (12, [0.3] * 3), (60, [0.5, 0.05]), (60, [0.9, 0.2]), (40, [0.1] * 20)],
)
def test_any_number_of_images_and_tags_gives_a_classifier(images: int, rates: list[float]) -> None:
    present = _present(images, rates)
    features = make_multi_label_features(present)
    tags = [f"tag {index}" for index in range(len(rates))]
    training = train_multi_label(features, present, tags)
    probabilities = training.classifier.probabilities(features)
    assert probabilities.shape == present.shape
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert training.classifier.thresholds is not None
    assert all(0 < threshold < 1 for threshold in training.classifier.thresholds)
    assert multi_label_performance(present, probabilities, training.classifier.thresholds, tags).mean_average_precision == 1
    json.dumps(training.recipe)
    assert (training.held_out is not None) == (images >= 8)
    if training.held_out is not None:
        assert training.held_out.probabilities.shape == present.shape
        assert 0 < training.held_out.groups <= images


def test_probabilities_are_independent_of_each_other() -> None:
    present = _present(60, [0.5, 0.5, 0.5])
    training = train_multi_label(make_multi_label_features(present), present, TAGS)
    unseen = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [1, 1, 1]], bool)
    features = make_multi_label_features(np.concatenate([present, unseen]))[60:]
    found = training.classifier.probabilities(features) >= np.array(training.classifier.thresholds)
    np.testing.assert_array_equal(found, unseen)


def test_the_estimate_is_of_a_classifier_that_has_not_seen_the_images() -> None:
    present = _present(80, [0.5])
    features = make_multi_label_features(present)
    shuffled = np.random.default_rng(0).permutation(present)
    training = train_multi_label(features, shuffled, ["cup"])
    assert training.held_out is not None
    probabilities = training.held_out.probabilities
    held = shuffled[training.held_out.rows]
    performance = multi_label_performance(held, probabilities, training.classifier.thresholds or (), ["cup"])
    assert performance.mean_average_precision is not None
    assert performance.mean_average_precision < 0.9
    # It does not claim to know what nobody can.
    assert np.abs(probabilities - 0.5).mean() < 0.3


@pytest.mark.parametrize(("view_part", "chosen"), [("head", "whole"), ("mirror.centre", "centre"), ("texture", "texture")])
def test_the_recipe_that_sees_the_difference_is_chosen(view_part: str, chosen: str) -> None:
    present = _present(75, [0.4, 0.4, 0.4])
    random = np.random.default_rng(1)
    features = np.abs(random.standard_normal((75, DIMENSIONS))).astype(np.float32)
    centres = 3 * random.random((3, DIMENSIONS)).astype(np.float32)
    for view, where in SLICES.items():
        if view_part in view.name:
            features[:, where] += present.astype(np.float32) @ centres[:, where]
    training = train_multi_label(features, present, TAGS)
    assert training.recipe["chosen"] == chosen
    assert {candidate["name"] for candidate in training.recipe["candidates"]} == {recipe.name for recipe in RECIPES}


def test_when_time_is_up_only_the_default_is_tried() -> None:
    present = _present(40, [0.5, 0.3])
    features = make_multi_label_features(present)
    training = train_multi_label(features, present, TAGS[:2], deadline_seconds=0)
    assert training.recipe["chosen"] == "whole"
    assert [candidate["name"] for candidate in training.recipe["candidates"]] == ["whole"]


def test_copies_of_the_same_images_are_not_learnt_from_and_judged_on() -> None:
    present = np.repeat(np.random.default_rng(0).random((20, 1)) < 0.5, 4, axis=0)
    features = np.repeat(make_multi_label_features(np.zeros((20, 1), bool)), 4, axis=0)
    training = train_multi_label(features, present, ["cup"])
    assert training.held_out is not None
    assert (training.held_out.groups, len(training.held_out.rows)) == (20, 80)
    right = (training.held_out.probabilities >= 0.5) == present
    assert right.mean() < 0.8  # nothing tells the tag, so that only copies could be recognised


def test_progress_rises_from_nothing_to_all() -> None:
    present = _present(20, [0.5])
    told: list[float] = []
    train_multi_label(make_multi_label_features(present), present, ["cup"], progress=lambda share, _: told.append(share))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_the_same_images_give_the_same_bytes_and_are_read_back() -> None:
    present = _present(25, [0.5, 0.3, 0.2])
    features = make_multi_label_features(present)
    first, second = (train_multi_label(features, present, TAGS).classifier for _ in range(2))
    assert first.to_npz() == second.to_npz()
    again = Classifier.from_npz(first.to_npz())
    assert (again.tags, again.thresholds) == (first.tags, first.thresholds)
    np.testing.assert_array_equal(again.probabilities(features), first.probabilities(features))


@pytest.mark.parametrize(
    ("column", "said"), [(False, r"1 of 2 tags are on no image: 'fork'"), (True, r"1 of 2 tags are on every image: 'fork'")]
)
def test_what_cannot_be_told_apart_has_diverged(column: bool, said: str) -> None:
    present = _present(20, [0.5, 0.5])
    present[:, 1] = column
    with pytest.raises(LearningError, match=said) as caught:
        train_multi_label(make_multi_label_features(present), present, TAGS[:2])
    assert caught.value.code is FailureCode.DIVERGED
