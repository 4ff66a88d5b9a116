"""The gate: the metrics that a model has, and must reach. One rule for stacks, the Evaluation resource and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from vision_customization.contract.enums import AnnotationKind, ModelKind

METRICS_BY_KIND = {
    AnnotationKind.IMAGE_CLASSIFICATION: ("accuracyTop1", "accuracyTop5", "averagePrecision", "calibrationECE"),
    AnnotationKind.IMAGE_OBJECT_DETECTION: ("meanAveragePrecision30", "meanAveragePrecision50", "meanAveragePrecision75"),
}
"""What can be required: the contract's metrics of a whole model, each in 0…1, by the kind of dataset that trains it."""

METRICS = tuple(metric for metrics in METRICS_BY_KIND.values() for metric in metrics)

LOWER_IS_BETTER = ("calibrationECE",)


class Performance(TypedDict, total=False):
    """A model's metrics as JSON: what `ModelPerformance` writes, for those who read it without pydantic.

    Each is in 0…1. Absent is what the model's kind does not have. `tagPerformance` has those of each tag.
    """

    averagePrecision: float
    accuracyTop1: float
    accuracyTop5: float
    calibrationECE: float
    meanAveragePrecision30: float
    meanAveragePrecision50: float
    meanAveragePrecision75: float
    tagPerformance: dict[str, dict[str, float]]


def faults(require: Mapping[str, float], kind: ModelKind | None = None) -> list[str]:
    """What is wrong with a gate, whatever its model will be like: a metric that no model has, or none of this kind where the
    kind is known, or a threshold that no metric can have."""
    metrics = METRICS if kind is None else METRICS_BY_KIND[kind.annotation_kind]
    whose = "" if kind is None else f" of a {kind}"
    found = []
    for metric, threshold in require.items():
        if metric not in metrics:
            found.append(f"'{metric}' is no metric{whose}; those are {', '.join(metrics)}")
        elif not 0 <= threshold <= 1:
            found.append(f"{metric} is required to be {threshold:g}, and metrics are between 0 and 1")
    return found


def misses(performance: Mapping[str, object], require: Mapping[str, float]) -> list[str]:
    """What of `require` the metrics do not reach: metric, value and threshold. A metric that is not there is not reached."""
    found = []
    for metric, threshold in sorted(require.items()):
        value = performance.get(metric)
        if not isinstance(value, float | int):
            found.append(f"{metric} is not among the metrics of this model, and {threshold:g} is required")
        elif metric in LOWER_IS_BETTER and value > threshold:
            found.append(f"{metric} is {value:.4f}, above the {threshold:g} that is allowed")
        elif metric not in LOWER_IS_BETTER and value < threshold:
            found.append(f"{metric} is {value:.4f}, below the {threshold:g} that is required")
    return found
