"""Figures: the measured values, the values to compare them with, and whether they keep their limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One figure of the speed benchmark.

    `measured` and `against` are samples in `unit`, taken in turns. `ratios` are the quotients of corresponding samples; the
    limit applies to their median, or without `against` to the median of `measured`. `at_least` makes it a lower limit. `load`
    is the machine's one-minute load average at the time. A figure without `limit` is only for information.
    """

    name: str
    unit: str
    measured: tuple[float, ...]
    load: float
    limit: float | None = None
    against: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    at_least: bool = False

    @property
    def value(self) -> float:
        return median(self.ratios or self.measured)

    @property
    def met(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "measured": list(self.measured),
            "against": list(self.against),
            "ratios": list(self.ratios),
            "value": self.value,
            "limit": self.limit,
            "atLeast": self.at_least,
            "load": self.load,
            "met": self.met,
        }


def compare(
    name: str,
    unit: str,
    measured: Sequence[float],
    against: Sequence[float],
    *,
    load: float,
    limit: float | None = None,
    at_least: bool = False,
) -> Figure:
    """A figure of samples taken in pairs."""
    ratios = tuple(mine / other for mine, other in zip(measured, against, strict=True))
    return Figure(name, unit, tuple(measured), load, limit, tuple(against), ratios, at_least)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` (0…1) of `values` do not exceed."""
    ordered = sorted(values)
    position = -int(-len(ordered) * share // 1) - 1
    return ordered[min(max(position, 0), len(ordered) - 1)]


def spread(samples: Sequence[float], unit: str = "") -> str:
    """`12.1 (11.8–13.0) ms`: median, least and greatest."""
    if not samples:
        return "–"
    text = number(median(samples))
    if len(samples) > 1:
        text += f" ({number(min(samples))}–{number(max(samples))})"
    return f"{text} {unit}".rstrip()


def number(value: float) -> str:
    """The number with three or more digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def limit_text(figure: Figure) -> str:
    if figure.limit is None:
        return "–"
    return f"{'≥' if figure.at_least else '≤'} {figure.limit:g}{'' if figure.ratios else ' ' + figure.unit}"


def to_table(figures: Sequence[Figure], title: str) -> Table:
    table = Table(title=title)
    for column in ("figure", "measured", "held against", "ratio", "limit", "load", ""):
        table.add_column(column, justify="left" if column in ("figure", "") else "right")
    for figure in figures:
        table.add_row(
            figure.name,
            spread(figure.measured, figure.unit),
            spread(figure.against, figure.unit),
            spread(figure.ratios),
            limit_text(figure),
            f"{figure.load:.1f}",
            "" if figure.limit is None else "ok" if figure.met else "MISSED",
        )
    return table
