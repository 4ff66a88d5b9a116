"""The order of what to label next, as far as it is computed without a page."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.scripts import call_script, run_script


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


_PAGE = """
globalThis.HTMLSelectElement = class { value = "useful"; addEventListener() {} matches() { return true; } };
const choice = new HTMLSelectElement();
globalThis.document = { getElementById: (id) => (id === "order" ? choice : null) };
const waits = [], answers = [];
globalThis.setTimeout = (_, wait) => waits.push(wait);
globalThis.fetch = () => new Promise((resolve) => answers.push((value) => resolve(new Response(JSON.stringify(value)))));
const { LabelOrder } = await import("./label_order.js");
const images = { known: () => ({}), isLabelled: () => false, unlabelledAfter: async (number) => number + 1 };
const order = new LabelOrder("/studio/drafts/d", images);
const answer = { images: [{ number: 9 }, { number: 4 }], complete: true, told: "" };
const settled = () => new Promise((resolve) => setImmediate(resolve));
"""


def test_a_key_never_waits_for_the_first_order(tmp_path: Path) -> None:
    ask = "const before = await order.after(0); answers[0](answer); await settled(); await settled();"
    found = run_script(tmp_path, _PAGE + ask + "process.stdout.write(JSON.stringify([before, await order.after(0)]));")
    assert found == [1, 9], "the next one of the grid, then that of the order"


@pytest.mark.parametrize(("save", "times"), [("order.saved();", 1), ("", 0)])
def test_an_order_that_may_not_know_of_a_label_is_asked_for_again(tmp_path: Path, save: str, times: int) -> None:
    ask = f"{save} answers[0](answer); await settled(); await settled();"
    assert len(run_script(tmp_path, _PAGE + ask + "process.stdout.write(JSON.stringify(waits));")) == times
