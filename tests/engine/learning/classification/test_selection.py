import numpy as np
import pytest

from vision_customization.engine.learning.classification.recipes import DEFAULT, RECIPES
from vision_customization.engine.learning.classification.selection import Trial, assign_folds, choose


@pytest.mark.parametrize("counts", [[10, 10], [5, 100], [2, 2, 2], [7, 3, 1]])
def test_folds_spread_every_tag_evenly(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    folds = assign_folds(labels, 5, 0)
    for label, count in enumerate(counts):
        sizes = np.bincount(folds[labels == label] + 1, minlength=6)
        if count == 1:
            assert sizes[0] == 1
        else:
            assert sizes[0] == 0
            assert np.ptp(sizes[1:]) <= 1
            assert sizes.max() < count
    sizes = np.bincount(folds[folds >= 0], minlength=5)
    assert np.ptp(sizes) <= 1


def test_folds_depend_on_the_seed_alone() -> None:
    labels = np.repeat([0, 1], 20)
    np.testing.assert_array_equal(assign_folds(labels, 5, 3), assign_folds(labels, 5, 3))
    assert (assign_folds(labels, 5, 3) != assign_folds(labels, 5, 4)).any()


def _trial(position: int, truth: list[float]) -> Trial:
    return Trial(RECIPES[position], 1.0, 0.0, np.array(truth))


@pytest.mark.parametrize(
    ("default", "others", "chosen"),
    [
        ([0.5] * 50, [[0.9] * 50, [0.6] * 50], 1),  # clearly ahead
        ([0.5] * 50, [[0.505] * 50, [0.2] * 50], 0),  # ahead by a hair
        ([0.5] * 50, [[0.6] * 50, [0.9] * 50], 2),  # the furthest of two
        ([0.5] * 4, [[0.7] * 4, [0.7] * 4], 0),  # too few images to tell
        ([0.5, 0.5] * 10, [[0.0, 1.0] * 10, [1.0, 0.1] * 10], 0),  # now better, now worse
        ([0.9] * 50, [[0.5] * 50, [0.5] * 50], 0),
    ],
)
def test_the_default_stays_unless_another_is_clearly_ahead(
    default: list[float], others: list[list[float]], chosen: int
) -> None:
    trials = [_trial(0, default), *(_trial(position + 1, truth) for position, truth in enumerate(others))]
    assert RECIPES[0] is DEFAULT
    assert choose(trials).recipe is RECIPES[chosen]
