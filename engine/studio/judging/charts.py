"""Charts as numbers to draw: a precision-recall curve with its point, and how true confidences are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from vision_customization.contract.curve_plot import Plot, curve_line
from vision_customization.contract.judging import AtThreshold, Calibration, CalibrationBin
from vision_customization.contract.outcomes import Curve

PLOT = Plot(252, 56, 12)
"""In a view box of 320 × 320."""

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_FEW = 20
"""Of fewer answers, a share of 100 would promise too much."""


@dataclass(frozen=True)
class CurveChart:
    """A precision-recall curve. `line` and `area` are the points of a polyline and of the polygon below it. `point` is where
    the threshold is; None if nothing counts there. `data` is the curve as JSON, for the script that moves the point."""

    line: str
    area: str
    point: tuple[float, float] | None
    data: str
    label: str


def curve_chart(curve: Curve, at: AtThreshold) -> CurveChart | None:
    """The curve, with the point at a threshold. None if the curve is empty."""
    line = curve_line(PLOT, curve)
    if not line:
        return None
    corners = PLOT.line([(curve.recall[-1], 0.0), (0.0, 0.0)])
    point, told = None, "nothing is answered"
    if at.precision is not None and at.recall is not None:
        point = PLOT.x(at.recall), PLOT.y(at.precision)
        told = f"precision {at.precision:.3f}, recall {at.recall:.3f}"
    label = f"Precision by recall, for every threshold. At {at.threshold:.2f}: {told}."
    return CurveChart(line, f"{line} {corners}", point, json.dumps(curve.to_wire(), separators=(",", ":")), label)


@dataclass(frozen=True)
class Bar:
    """Answers of similar confidence: a bar from (`x`, `y`) to the axis, and `text`, what it means in words."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Reliability:
    """How true confidences are. `bars` as wide as the bins, as high as the share that is right; `sentences` say the same of the
    fullest bins; `bins` are those with answers."""

    bars: Sequence[Bar]
    sentences: Sequence[str]
    bins: Sequence[CalibrationBin]


def reliability(calibration: Calibration, most: int = 3) -> Reliability:
    """Of a model's answers; `most` bins are said in words."""
    bins = [found for found in calibration.bins if found.count]
    bars = []
    for found in bins:
        top, bottom = PLOT.y(found.share_right or 0.0), PLOT.y(0.0)
        left, right = PLOT.x(found.low), PLOT.x(found.high)
        bars.append(Bar(left, top, round(right - left, 1), round(bottom - top, 1), _said(found)))
    fullest = sorted(bins, key=lambda found: -found.count)[:most]
    sentences = [_said(found) for found in sorted(fullest, key=lambda found: -found.high)]
    return Reliability(bars, [*sentences, *_tendency(calibration, bins)], bins)


def _said(found: CalibrationBin) -> str:
    share = found.share_right or 0.0
    right = f"{round(share * found.count)} of {found.count}" if found.count < _FEW else f"{_of_hundred(share)}"
    return f"When it says {found.mean_confidence or 0.0:.2f}, it is right in {right}."


def _of_hundred(share: float) -> str:
    """`93 of 100`. Never rounded to none or to all, so that each mistake counts."""
    if 0 < share < 0.01:
        return "less than 1 of 100"
    return "more than 99 of 100" if 0.99 < share < 1 else f"{round(100 * share)} of 100"


def _tendency(calibration: Calibration, bins: Sequence[CalibrationBin]) -> list[str]:
    """Whether it is too sure or not sure enough, over all answers."""
    if calibration.expected_calibration_error is None:
        return []
    sums = [(found.count, found.mean_confidence or 0.0, found.share_right or 0.0) for found in bins]
    surplus = sum(count * (says - right) for count, says, right in sums) / calibration.answers
    error = f"On average, its confidence is {calibration.expected_calibration_error:.2f} off"
    if abs(surplus) < 0.02:
        return [f"{error}, too high about as often as too low."]
    return [f"{error}: it is {'surer than it should be' if surplus > 0 else 'right more often than it says'}."]
