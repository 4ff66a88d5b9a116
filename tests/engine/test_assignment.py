from itertools import permutations

import numpy as np
import pytest

from engine.assignment import assign


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 4), (4, 1), (3, 3), (3, 5), (5, 3), (6, 6)])
@pytest.mark.parametrize("values", ["real", "ties", "negative"])
def test_the_least_sum_of_all_assignments(shape: tuple[int, int], values: str) -> None:
    random = np.random.default_rng([*shape, len(values)])
    for _ in range(20):
        costs = random.random(shape)
        if values == "ties":
            costs = np.round(costs * 3)
        elif values == "negative":
            costs -= 0.5
        chosen = assign(costs)
        rows = np.flatnonzero(chosen >= 0)
        assert len(rows) == min(shape)
        assert len(set(chosen[rows])) == len(rows)
        small, large = (costs, costs.shape[1]) if shape[0] <= shape[1] else (costs.T, costs.shape[0])
        least = min(
            sum(small[row, column] for row, column in enumerate(order)) for order in permutations(range(large), len(small))
        )
        assert costs[rows, chosen[rows]].sum() == pytest.approx(least)


def test_a_large_one() -> None:
    costs = np.random.default_rng(0).random((200, 300))
    chosen = assign(costs)
    assert len(set(chosen)) == 200
    # In expectation the sum is less than π²/6 where all rows compete for as many columns (Aldous, 2001).
    assert costs[np.arange(200), chosen].sum() < np.pi**2 / 6
