"""The quality gate: a model's metrics, and the thresholds they must reach. Shared by stacks, `Evaluation` and the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from vision_customization.contract.enums import AnnotationKind, ModelKind

METRICS_BY_KIND = {
    AnnotationKind.IMAGE_CLASSIFICATION: ("accuracyTop1", "accuracyTop5", "averagePrecision", "calibrationECE"),
    AnnotationKind.IMAGE_OBJECT_DETECTION: ("meanAveragePrecision30", "meanAveragePrecision50", "meanAveragePrecision75"),
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION: ("meanAveragePrecision", "macroF1", "calibrationECE"),
}
"""The metrics that a gate can require, each in 0…1, by the kind of the training dataset."""

METRICS = tuple(dict.fromkeys(metric for metrics in METRICS_BY_KIND.values() for metric in metrics))

LOWER_IS_BETTER = ("calibrationECE",)


class Outlook(TypedDict):
    """What twice as many training images would probably bring, as `ModelPerformance` writes it."""

    images: int
    accuracyTop1: float
    interval: list[float]


class Estimate(TypedDict, total=False):
    """What a performance rests on that was estimated from training images, as `ModelPerformance` writes it."""

    images: int
    groups: int
    accuracyTop1: list[float]
    outlook: Outlook


class Performance(TypedDict, total=False):
    """A model's metrics as JSON: what `ModelPerformance` writes, for callers that do not use pydantic.

    Each is in 0…1. A metric that the model's kind does not have is absent. `tagPerformance` has the metrics per tag.
    """

    averagePrecision: float
    accuracyTop1: float
    accuracyTop5: float
    calibrationECE: float
    meanAveragePrecision30: float
    meanAveragePrecision50: float
    meanAveragePrecision75: float
    meanAveragePrecision: float
    macroF1: float
    estimate: Estimate
    tagPerformance: dict[str, dict[str, float]]


def faults(require: Mapping[str, float], kind: ModelKind | None = None, annotation_kind: str | None = None) -> list[str]:
    """What is wrong with a gate before any model is evaluated: a metric that no model (of this kind, if `kind` is given) has,
    or a threshold that no metric can reach.

    Args:
        annotation_kind: the kind of the dataset that the model is evaluated on, where it is known.
    """
    kinds = METRICS_BY_KIND if kind is None else kind.annotation_kinds
    whose = "" if kind is None else f" of a {kind}"
    if annotation_kind is not None and annotation_kind in kinds:
        if len(kinds) > 1:
            whose += f" for {annotation_kind}"
        kinds = (AnnotationKind(annotation_kind),)
    metrics = tuple(dict.fromkeys(metric for each in kinds for metric in METRICS_BY_KIND[each]))
    found = []
    for metric, threshold in require.items():
        if metric not in metrics:
            found.append(f"'{metric}' is not a metric{whose}; choose from {', '.join(metrics)}")
        elif not 0 <= threshold <= 1:
            found.append(f"{metric} is required to be {threshold:g}, but metrics are between 0 and 1")
    return found


def misses(performance: Mapping[str, object], require: Mapping[str, float]) -> list[str]:
    """One line per threshold in `require` that is missed: metric, value and threshold. An absent metric counts as missed."""
    found = []
    for metric, threshold in sorted(require.items()):
        value = performance.get(metric)
        if not isinstance(value, float | int):
            found.append(f"{metric} is not among the metrics of this model, but {threshold:g} is required")
        elif metric in LOWER_IS_BETTER and value > threshold:
            found.append(f"{metric} is {value:.4f}, above the allowed {threshold:g}")
        elif metric not in LOWER_IS_BETTER and value < threshold:
            found.append(f"{metric} is {value:.4f}, below the required {threshold:g}")
    return found
