"""The grid's geometry and selection, which are functions of numbers alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.scripts import call_script

HEIGHT_MAX = 8_000_000


def laid_out(tmp_path: Path, count: int, *, width: int = 700, view: int = 600) -> dict[str, Any]:
    wanted = {"count": count, "width": width, "view": view, "size": 100, "gap": 10, "caption": 20}
    [layout] = call_script(tmp_path, "grid_geometry.js", [["layOut", wanted]])
    assert isinstance(layout, dict)
    return layout


@pytest.mark.parametrize(
    ("count", "width", "columns", "rows", "cell"),
    [
        (0, 700, 6, 0, 650 / 6),
        (1, 700, 6, 1, 650 / 6),
        (7, 700, 6, 2, 650 / 6),
        (7, 650, 6, 2, 100),  # exactly as wide as six cells
        (3, 60, 1, 3, 60),  # narrower than a cell
    ],
)
def test_cells_fill_the_width(tmp_path: Path, count: int, width: int, columns: int, rows: int, cell: float) -> None:
    layout = laid_out(tmp_path, count, width=width)
    assert (layout["columns"], layout["rows"]) == (columns, rows)
    assert layout["cell"] == pytest.approx(cell)
    assert layout["height"] == pytest.approx(max(0, rows * (cell + 30) - 10))


@pytest.mark.parametrize("count", [50, 100_000, 1_000_000])
def test_every_cell_can_be_scrolled_to(tmp_path: Path, count: int) -> None:
    layout = laid_out(tmp_path, count)
    assert layout["height"] <= HEIGHT_MAX
    indices = [0, 1, count // 3, count // 2, count - 1]
    scrolled = call_script(tmp_path, "grid_geometry.js", [["scrolledToShow", layout, 0, index] for index in indices])
    around = {"before": 0, "after": 0}
    seen = call_script(tmp_path, "grid_geometry.js", [["cellsWithin", layout, at, around] for at in scrolled])
    places = call_script(
        tmp_path, "grid_geometry.js", [["placeOf", layout, at, index] for at, index in zip(scrolled, indices, strict=True)]
    )
    for index, at, cells, place in zip(indices, scrolled, seen, places, strict=True):
        assert cells["first"] <= index < cells["stop"]
        assert 0 <= at <= layout["height"]
        assert at - 0.01 <= place["y"]
        assert place["y"] + layout["step"] - layout["gap"] <= at + layout["view"] + 0.01


def test_what_is_around_the_view_is_bounded(tmp_path: Path) -> None:
    layout = laid_out(tmp_path, 100_000)
    [top, middle, end] = call_script(
        tmp_path,
        "grid_geometry.js",
        [["cellsWithin", layout, at, {"before": 0.5, "after": 0.5}] for at in (0, 1_000_000, layout["height"] - 600)],
    )
    assert top["first"] == 0
    assert end["stop"] == 100_000
    for cells in (top, middle, end):
        assert cells["stop"] - cells["first"] <= 6 * (2 * 600 / layout["step"] + 2)
    assert middle["first"] < 6 * 1_000_000 / layout["step"] < middle["stop"]


@pytest.mark.parametrize(
    ("index", "key", "whole", "expected"),
    [
        (0, "ArrowRight", False, 1),
        (0, "ArrowLeft", False, 0),
        (19, "ArrowRight", False, 19),
        (7, "ArrowUp", False, 1),
        (3, "ArrowUp", False, 3),  # there is no row above
        (7, "ArrowDown", False, 13),
        (16, "ArrowDown", False, 19),  # the last row is shorter
        (18, "ArrowDown", False, 18),
        (8, "Home", False, 6),
        (8, "End", False, 11),
        (18, "End", False, 19),
        (8, "Home", True, 0),
        (8, "End", True, 19),
        (2, "PageDown", False, 14),  # two rows fit into the view
        (14, "PageUp", False, 2),
        (8, "PageUp", False, 2),
        (14, "PageDown", False, 19),
        (3, "Enter", False, None),
        (3, "toString", False, None),
    ],
)
def test_keys_lead_to_cells(tmp_path: Path, index: int, key: str, whole: bool, expected: int | None) -> None:
    layout = laid_out(tmp_path, 20, view=280)
    assert call_script(tmp_path, "grid_geometry.js", [["cellByKey", layout, index, key, whole]]) == [expected]


def test_an_empty_grid_has_no_cell_to_go_to(tmp_path: Path) -> None:
    layout = laid_out(tmp_path, 0)
    assert call_script(tmp_path, "grid_geometry.js", [["cellByKey", layout, 0, "ArrowDown"]]) == [None]


@pytest.mark.parametrize(
    ("first", "stop", "starts"), [(0, 1, [0]), (59, 61, [0, 60]), (60, 60, []), (60, 120, [60]), (61, 181, [60, 120, 180])]
)
def test_pages_of_cells(tmp_path: Path, first: int, stop: int, starts: list[int]) -> None:
    assert call_script(tmp_path, "grid_geometry.js", [["pagesOf", first, stop, 60]]) == [starts]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (["withRange", [], 3, 5], [[3, 5]]),
        (["withRange", [[3, 5]], 5, 7], [[3, 7]]),  # they touch
        (["withRange", [[3, 5], [9, 12]], 4, 10], [[3, 12]]),
        (["withRange", [[3, 5]], 0, 2], [[0, 2], [3, 5]]),
        (["withRange", [[3, 5]], 7, 7], [[3, 5]]),
        (["withoutRange", [[0, 10]], 3, 5], [[0, 3], [5, 10]]),
        (["withoutRange", [[0, 3], [5, 10]], 2, 6], [[0, 2], [6, 10]]),
        (["withoutRange", [[3, 5]], 0, 9], []),
        (["toggled", [[0, 1_000_000]], 5], [[0, 5], [6, 1_000_000]]),
        (["toggled", [[0, 5], [6, 9]], 5], [[0, 9]]),
        (["isSelected", [[0, 5], [6, 9]], 5], False),
        (["isSelected", [[0, 5], [6, 9]], 8], True),
        (["isSelected", [], 0], False),
        (["countOf", [[0, 5], [6, 9]]], 8),
        (["firstSelected", [[0, 2], [6, 9]], 3], [0, 1, 6]),
    ],
)
def test_a_selection_is_ranges(tmp_path: Path, call: list[Any], expected: object) -> None:
    assert call_script(tmp_path, "grid_selection.js", [call]) == [expected]
