"""Figures of an engine now and before."""

from benchmarks.before import LIMIT, Key, to_figures


def test_each_value_is_compared_round_by_round() -> None:
    p50, wall = Key("analyze p50", "ms"), Key("training", "s")
    now = [{p50: 10.0, wall: 30.0}, {p50: 11.0, wall: 33.0}, {p50: 12.0, wall: 20.0}]
    before = [{p50: 10.0, wall: 20.0}, {p50: 10.0, wall: 30.0}, {p50: 12.0, wall: 20.0}]
    figures = to_figures(now, before, 0.5)
    assert [(figure.name, figure.unit, figure.ratios) for figure in figures] == [
        ("analyze p50", "ms", (1.0, 1.1, 1.0)),
        ("training", "s", (1.5, 1.1, 1.0)),
    ]
    assert [figure.limit for figure in figures] == [LIMIT, LIMIT]
    assert [figure.met for figure in figures] == [True, False]
