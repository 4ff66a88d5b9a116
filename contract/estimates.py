"""How a model's main metric, what it rests on, and what more images would bring are said: the same words in the CLI, on the row
of an update and in the Markdown of a preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAIN_METRICS = ("accuracyTop1", "meanAveragePrecision50", "meanAveragePrecision")
"""Of a classifier, of a detector, of a multi-label classifier."""

NO_GAIN = 0.005
"""A gain below half a point is none."""


def main_metric(performance: Mapping[str, Any]) -> str | None:
    """The main metric with its name: `accuracyTop1 0.983`."""
    values = ((name, performance.get(name)) for name in MAIN_METRICS)
    return next((f"{name} {value:.3f}" for name, value in values if isinstance(value, float | int)), None)


def estimate_text(performance: Mapping[str, Any]) -> str | None:
    """The main metric, its 95 % interval and what it rests on: `accuracyTop1 0.912 (0.84 to 0.95; 120 images in 80 groups)`.

    A metric that was not estimated from training images stands alone. Numbers may be floats, as in a stack's state.
    """
    metric, estimate = main_metric(performance), performance.get("estimate")
    if metric is None or not isinstance(estimate, Mapping):
        return metric
    images, groups = int(estimate["images"]), int(estimate["groups"])
    basis = f"{images:,} images" + (f" in {groups:,} groups" if groups != images else "")
    interval = estimate.get("accuracyTop1")
    return f"{metric} ({_span(interval)}; {basis})" if interval else f"{metric} ({basis})"


def outlook_text(performance: Mapping[str, Any]) -> str | None:
    """What twice as many images would bring: `240 images: probably 0.93 (0.88 to 0.96)`."""
    estimate = performance.get("estimate")
    outlook = estimate.get("outlook") if isinstance(estimate, Mapping) else None
    if not isinstance(outlook, Mapping):
        return None
    expected = outlook["accuracyTop1"]
    gains = expected - performance.get("accuracyTop1", 0.0) >= NO_GAIN
    said = f"probably {expected:.3f}" if gains else "probably no better"
    return f"{int(outlook['images']):,} images: {said} ({_span(outlook['interval'])})"


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"
