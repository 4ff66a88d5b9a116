"""Where a precision-recall curve is drawn: pure geometry, for reports and for the Studio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vision_customization.contract.outcomes import Curve


@dataclass(frozen=True)
class Plot:
    """A square for two values 0…1, in the units of an SVG: `side` long, its upper left corner at (`left`, `top`). The first
    value rises to the right, the second upwards."""

    side: float
    left: float
    top: float

    def x(self, value: float) -> float:
        return round(self.left + value * self.side, 1)

    def y(self, value: float) -> float:
        return round(self.top + (1 - value) * self.side, 1)

    def line(self, points: Iterable[tuple[float, float]]) -> str:
        """The `points` of a polyline."""
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def curve_line(plot: Plot, curve: Curve) -> str:
    """The polyline of a curve, recall to the right and precision upwards, from recall 0 on. Empty for an empty curve."""
    pairs = list(zip(curve.recall, curve.precision, strict=True))
    return plot.line([(0.0, pairs[0][1]), *pairs]) if pairs else ""


def curve_point(curve: Curve, threshold: float) -> tuple[float, float] | None:
    """Precision and recall if only answers of this confidence or a higher one count, as exactly as the curve's points say. None
    if there are no such answers."""
    counted = sum(point >= threshold for point in curve.threshold)
    return (curve.precision[counted - 1], curve.recall[counted - 1]) if counted else None
