import numpy as np
import pytest

from vision_customization.engine.learning.classification.recipes import CENTRE, DEFAULT, RECIPES, TEXTURE, WHOLE, Recipe
from vision_customization.engine.learning.classification.selection import NEVER, Trial, assign_folds, choose, folds_for


@pytest.mark.parametrize("counts", [[10, 10], [5, 100], [2, 2, 2], [7, 3, 1]])
def test_folds_spread_every_tag_evenly(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    folds = assign_folds(labels, np.arange(len(labels)), 5, 0)
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


def test_no_group_is_parted_and_large_ones_are_spread() -> None:
    labels = np.repeat([0, 1], [40, 6])
    groups = np.concatenate([np.repeat(np.arange(10), 4), [10, 10, 10, 11, 11, 12]])
    folds = assign_folds(labels, groups, 3, 0)
    for group in range(13):
        assert len(set(folds[groups == group])) == 1
    assert sorted(np.bincount(folds[labels == 0])) == [12, 12, 16]
    assert sorted(np.bincount(folds[labels == 1])) == [1, 2, 3]


def test_a_tag_with_one_group_is_never_left_out() -> None:
    folds = assign_folds(np.repeat([0, 1], 4), np.array([0, 0, 0, 0, 1, 2, 3, 4]), 2, 0)
    np.testing.assert_array_equal(folds[:4], NEVER)
    assert (folds[4:] >= 0).all()


def test_folds_depend_on_the_seed_alone() -> None:
    labels, groups = np.repeat([0, 1], 20), np.arange(40)
    np.testing.assert_array_equal(assign_folds(labels, groups, 5, 3), assign_folds(labels, groups, 5, 3))
    assert (assign_folds(labels, groups, 5, 3) != assign_folds(labels, groups, 5, 4)).any()


@pytest.mark.parametrize(
    ("counts", "groups", "folds"),
    [([2, 2, 2], None, 2), ([3, 3, 30], None, 3), ([9, 8], None, 5), ([1, 1], None, 2), ([8, 8], [0, 1, 2] * 2, 3)],
)
def test_as_many_folds_as_a_usual_tag_has_groups(counts: list[int], groups: list[int] | None, folds: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    own = np.arange(len(labels)) if groups is None else labels * 3 + np.arange(len(labels)) % 3
    assert folds_for(labels, own) == folds


def _trial(recipe: Recipe, truth: list[float], accuracy: float = 0.0) -> Trial:
    return Trial(recipe, 1.0, accuracy, np.array(truth), np.zeros((1, len(truth), 2), np.float32), np.arange(len(truth)), 0.8)


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
    trials = [_trial(CENTRE, default), *(_trial(RECIPES[place + 1], truth, 1.0) for place, truth in enumerate(others))]
    assert RECIPES[0] is DEFAULT
    assert choose(trials, 50).recipe is RECIPES[chosen]


@pytest.mark.parametrize(
    ("recipe", "lead", "images_per_tag", "taken"),
    [
        (WHOLE, 0.04, 100, False),  # it has seen the background
        (WHOLE, 0.06, 100, True),
        (TEXTURE, 0.01, 11, True),
        (TEXTURE, 0.14, 10, False),  # with few images, the light of the photos
        (TEXTURE, 0.16, 10, True),
    ],
)
def test_some_recipes_need_more_evidence(recipe: Recipe, lead: float, images_per_tag: float, taken: bool) -> None:
    trials = [_trial(CENTRE, [0.5] * 100, 0.7), _trial(recipe, [0.6] * 100, 0.7 + lead)]
    assert (choose(trials, images_per_tag).recipe is recipe) == taken
