"""The order of what to label next, as far as it is computed without a page."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.scripts import call_script


@pytest.mark.parametrize(
    ("trail", "number", "expected"),
    [
        (([], -1), 7, ([7], 0)),
        (([7], 0), 7, ([7], 0)),  # shown again
        (([7], 0), 3, ([7, 3], 1)),
        (([7, 3, 9], 2), 3, ([7, 3, 9], 1)),  # back
        (([7, 3, 9], 1), 9, ([7, 3, 9], 2)),  # forward
        (([7, 3, 9], 1), 4, ([7, 3, 4], 2)),  # elsewhere from there
    ],
)
def test_the_way_that_one_came(tmp_path: Path, trail: tuple[list[int], int], number: int, expected: Any) -> None:  # noqa: ANN401
    numbers, at = trail
    [found] = call_script(tmp_path, "label_order.js", [["visited", {"numbers": numbers, "at": at}, number]])
    assert (found["numbers"], found["at"]) == expected


@pytest.mark.parametrize(
    ("upcoming", "ordered", "expected"),
    [
        ([], [4, 2], [4, 2]),
        ([1, 2, 3], [9, 2, 8], [1, 2, 9, 8]),  # those that are ready stay first
        ([1, 2, 3], [], [1, 2]),
    ],
)
def test_a_new_order_keeps_what_is_ready(tmp_path: Path, upcoming: list[int], ordered: list[int], expected: list[int]) -> None:
    [found] = call_script(tmp_path, "label_order.js", [["reordered", upcoming, ordered]])
    assert found == expected
