import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.made_features import make_features
from vision_customization.engine.learning import train_classifier
from vision_customization.engine.learning.classification.outlook import Curve, learning_curve, twice_as_many
from vision_customization.engine.learning.classification.recipes import CENTRE
from vision_customization.engine.learning.classification.selection import Trial, foldings, try_recipe
from vision_customization.engine.learning.estimate import HeldOut

LEARNT = np.array([40.0, 60.0, 80.0])


def held_out(images: int, groups: int | None = None) -> HeldOut:
    return HeldOut(np.arange(images), np.zeros((1, images, 2), np.float32), groups or images, 0.8)


def made_curve(errors: NDArray[np.float64], images: int, *, burst: int = 1, seed: int | None = None) -> Curve:
    """The first images are missed, so that more images give fewer misses among them; or images by chance, with a seed."""
    chance = (np.arange(images) + 0.5) / images if seed is None else np.random.default_rng(seed).random((3, images))
    return Curve(chance >= errors[:, None], np.arange(images) // burst, LEARNT)


@pytest.mark.parametrize("exponent", [0.2, 0.5, 0.9])
def test_a_power_law_is_continued(exponent: float) -> None:
    errors = 2.0 * LEARNT**-exponent
    outlook = twice_as_many(made_curve(errors, 100_000), 100, 1 - errors[-1], held_out(100_000))
    assert outlook.images == 200
    assert outlook.accuracy_top1 == pytest.approx(1 - 2.0 * 160.0**-exponent, abs=1e-3)
    low, high = outlook.interval
    assert low < outlook.accuracy_top1 < high
    assert high - low < 0.2 * errors[-1] + 0.01


@pytest.mark.parametrize("error", [0.0, 0.02, 0.3, 1.0])
def test_a_flat_curve_brings_nothing(error: float) -> None:
    outlook = twice_as_many(made_curve(np.full(3, error), 1000), 100, 1 - error, held_out(1000))
    assert outlook.accuracy_top1 == pytest.approx(1 - error)


def test_more_images_are_not_expected_to_do_harm() -> None:
    outlook = twice_as_many(made_curve(np.array([0.1, 0.15, 0.2]), 1000), 100, 0.8, held_out(1000))
    assert outlook.accuracy_top1 == pytest.approx(0.8)


def test_the_errors_fall_to_half_at_most() -> None:
    outlook = twice_as_many(made_curve(np.array([0.8, 0.3, 0.1]), 1000), 100, 0.9, held_out(1000))
    assert outlook.accuracy_top1 == pytest.approx(0.95)


def test_few_images_give_a_wide_interval() -> None:
    errors = 2.0 * LEARNT**-0.5
    widths = []
    for images in (20, 200, 2000):
        outlook = twice_as_many(made_curve(errors, images, seed=1), 100, 1 - errors[-1], held_out(images))
        widths.append(outlook.interval[1] - outlook.interval[0])
    assert widths[0] > 1.5 * widths[1] > 3 * widths[2]


def test_bursts_count_once() -> None:
    errors, widths = 2.0 * LEARNT**-0.5, []
    for burst in (1, 10):
        curve = made_curve(errors, 1000, burst=burst, seed=2)
        one_answer = Curve(curve.hits[:, curve.groups * burst], curve.groups, LEARNT)  # all images of a burst as its first
        outlook = twice_as_many(one_answer, 100, 1 - errors[-1], held_out(1000, 1000 // burst))
        widths.append(outlook.interval[1] - outlook.interval[0])
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize("errors", [[0, 0, 0], [1, 1, 1], [1, 0.5, 0], [0, 0.5, 1], [0.3, 0.1, 0.02]])
@pytest.mark.parametrize("images", [3, 10, 300])
def test_nothing_is_outside_0_to_1(errors: list[float], images: int) -> None:
    for seed in range(5):
        curve = made_curve(np.array(errors, np.float64), images, seed=seed)
        accuracy = float(curve.hits[-1].mean())
        outlook = twice_as_many(curve, images, accuracy, held_out(images))
        low, high = outlook.interval
        assert 0 <= low <= outlook.accuracy_top1 <= high <= 1
        assert low < high
        assert outlook.accuracy_top1 >= accuracy


def trial_of(
    counts: list[int], groups: NDArray[np.int64] | None = None, noise: float = 4.0
) -> tuple[Trial, NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], list[NDArray[np.int64]]]:
    features, labels = make_features(counts, noise=noise)
    groups = np.arange(len(labels)) if groups is None else groups
    folds = foldings(labels, groups, 0)
    return try_recipe(CENTRE, features, labels, len(counts), folds), features, labels, groups, folds


def test_a_curve_is_of_ever_more_images_and_ends_with_the_trial() -> None:
    trial, *data = trial_of([20, 20, 1])
    curve = learning_curve(trial, *data)
    assert curve is not None
    np.testing.assert_allclose(curve.learnt, [17, 25, 33])  # 8, 12 and 16 of each tag, and always the one of the third
    assert curve.hits.shape == (3, 6 * 40)  # six ways to fold; the third tag's image is never left out
    assert curve.hits[-1].mean() == pytest.approx(trial.accuracy)


def test_a_burst_is_learnt_from_as_a_whole_or_not_at_all() -> None:
    trial, *data = trial_of([40, 40], np.arange(80) // 4)
    curve = learning_curve(trial, *data)
    assert curve is not None
    np.testing.assert_array_equal(curve.learnt, [32, 48, 64])  # 4, 6 and 8 bursts of four, of each of two tags


@pytest.mark.parametrize("counts", [[2, 2], [4, 4, 4], [4, 3, 100]])
def test_there_is_no_curve_of_few_images(counts: list[int]) -> None:
    trial, *data = trial_of(counts)
    assert learning_curve(trial, *data) is None


def test_there_is_no_curve_after_the_deadline() -> None:
    trial, *data = trial_of([10, 10])
    answers = iter([True, True, False])
    assert learning_curve(trial, *data, go_on=lambda: next(answers)) is None


def test_enough_judgements_end_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.engine.learning.classification.outlook._JUDGED_ENOUGH", 30)
    trial, *data = trial_of([50, 50])
    asked: list[int] = []
    curve = learning_curve(trial, *data, go_on=lambda: asked.append(1) is None)
    assert curve is not None
    assert len(asked) == 2
    assert curve.hits.shape == (3, 2 * 20)


def test_a_training_says_what_more_images_bring() -> None:
    features, labels = make_features([12] * 4, noise=14.0)
    training = train_classifier(features, labels, list("abcd"))
    assert training.outlook is not None
    assert training.held_out is not None
    estimate = float((training.held_out.foldings.argmax(axis=2) == labels).mean())
    assert training.outlook.images == 96
    assert training.outlook.accuracy_top1 >= estimate
    assert training.recipe["learningCurve"][-1]["accuracy"] == pytest.approx(estimate, abs=1e-6)
    again = train_classifier(features, labels, list("abcd"))
    assert again.outlook == training.outlook


def test_a_training_out_of_time_says_nothing_of_more_images() -> None:
    features, labels = make_features([12] * 4)
    training = train_classifier(features, labels, list("abcd"), deadline_seconds=0)
    assert training.held_out is not None
    assert training.outlook is None
    assert "learningCurve" not in training.recipe
