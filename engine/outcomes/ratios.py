"""Precision, recall and F1 from counts."""

from typing import TypedDict


class Ratios(TypedDict):
    precision: float | None
    recall: float | None
    f1: float | None


def ratios(right: int, false: int, labels: int) -> Ratios:
    """Of `right` and `false` answers and of all `labels`; None without a denominator."""
    return {
        "precision": _ratio(right, right + false),
        "recall": _ratio(right, labels),
        "f1": _ratio(2 * right, right + false + labels),
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
