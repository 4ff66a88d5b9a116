import numpy as np
import pytest

from vision_customization.engine.learning.estimate import HeldOut, wilson_interval


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.8, 100, 0.7112, 0.8666), (1.0, 20, 0.8389, 1.0), (0.0, 5, 0.0, 0.4345)],
)
def test_wilsons_interval(share: float, count: int, low: float, high: float) -> None:
    """The numbers of statsmodels' `proportion_confint(method="wilson")`."""
    assert wilson_interval(share, count) == pytest.approx((low, high), abs=1e-4)


def test_the_upper_end_allows_for_what_more_images_bring() -> None:
    held = HeldOut(np.arange(10), np.zeros((1, 10, 2), np.float32), groups=10, learnt_share=0.5)
    low, high = wilson_interval(0.5, 10)
    assert held.interval(0.5) == pytest.approx((low, 1 - (1 - high) * 0.5))


def test_bursts_count_once() -> None:
    alone, bursts = (HeldOut(np.arange(40), np.zeros((1, 40, 2), np.float32), groups, 0.8) for groups in (40, 10))
    assert bursts.interval(0.8)[0] < alone.interval(0.8)[0]


def test_labels_are_repeated_as_the_probabilities_are() -> None:
    foldings = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    held = HeldOut(np.array([0, 2, 3]), foldings, 3, 0.8)
    np.testing.assert_array_equal(held.repeated(np.array([5, 6, 7, 8])), [5, 7, 8, 5, 7, 8])
    np.testing.assert_array_equal(held.flat, np.arange(12).reshape(6, 2))
    np.testing.assert_array_equal(held.probabilities, [[3, 4], [5, 6], [7, 8]])
