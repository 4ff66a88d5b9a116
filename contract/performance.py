"""A model's metrics as JSON: what `ModelPerformance` writes, for those who read it without pydantic."""

from __future__ import annotations

from typing import TypedDict


class Performance(TypedDict, total=False):
    """Metrics, each in 0…1. Absent is what the model's kind does not have. `tagPerformance` has those of each tag."""

    averagePrecision: float
    accuracyTop1: float
    accuracyTop5: float
    calibrationECE: float
    meanAveragePrecision30: float
    meanAveragePrecision50: float
    meanAveragePrecision75: float
    tagPerformance: dict[str, dict[str, float]]
