import numpy as np
import pytest

from vision_customization.engine.learning.multi_label.folds import assign_group_folds, assign_tag_folds


def _present(images: int, rates: list[float], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((images, len(rates))) < rates


@pytest.mark.parametrize("rates", [[0.5], [0.1, 0.5, 0.9], [0.05] * 8, [0.0]])
def test_every_image_is_in_one_fold_and_every_tag_is_spread(rates: list[float]) -> None:
    present = _present(100, rates)
    folds = assign_tag_folds(present, 5, seed=1)
    assert set(folds) == set(range(5))
    assert np.ptp(np.bincount(folds)) <= 4
    for tag in range(len(rates)):
        assert np.ptp(np.bincount(folds[present[:, tag]], minlength=5)) <= 2


def test_the_seed_decides() -> None:
    present = _present(60, [0.3, 0.3])
    assert (assign_tag_folds(present, 5, 0) == assign_tag_folds(present, 5, 0)).all()
    assert (assign_tag_folds(present, 5, 0) != assign_tag_folds(present, 5, 1)).any()


def test_no_group_is_parted() -> None:
    present = np.repeat(_present(30, [0.3, 0.6]), 3, axis=0)
    groups = np.repeat(np.arange(30), 3)
    folds = assign_group_folds(present, groups, 5, seed=0)
    np.testing.assert_array_equal(folds, np.repeat(folds[::3], 3))
    np.testing.assert_array_equal(folds[::3], assign_tag_folds(present[::3], 5, seed=0))
