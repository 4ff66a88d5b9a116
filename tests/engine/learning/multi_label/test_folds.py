import numpy as np
import pytest

from vision_customization.engine.learning.multi_label.folds import assign_tag_folds, hold_out


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


@pytest.mark.parametrize(
    "present",
    [
        np.eye(4, dtype=bool),
        ~np.eye(4, dtype=bool),
        np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool),
        _present(30, [0.1, 0.9]),
        np.ones((3, 1), bool),
    ],
)
def test_what_is_left_still_shows_each_tag_and_lacks_it(present: np.ndarray) -> None:
    held = hold_out(present, 5, seed=0)
    for states in (present, ~present):
        np.testing.assert_array_equal(states[~held].any(axis=0), states.any(axis=0))
