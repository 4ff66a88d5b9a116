"""Metrics of a multi-label classifier: pure functions."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.models import ModelPerformance
from vision_customization.engine.learning.average_precision import average_precision
from vision_customization.engine.learning.multi_label.heads import Present

_BINS = 15

Probabilities = NDArray[np.float32]


def mean_average_precision(present: Present, probabilities: NDArray[np.floating]) -> float:
    """The mean of the average precisions of the tags that are on an image; 0 if none is."""
    shown = np.flatnonzero(present.any(axis=0))
    return float(np.mean([average_precision(present[:, tag], probabilities[:, tag]) for tag in shown])) if len(shown) else 0.0


def expected_calibration_error(present: Present, probabilities: Probabilities) -> float:
    """In 15 equal bins of the probability (lower edge out, upper edge in), how far the number of tags that are present and the
    sum of their probabilities are apart, summed over the bins and divided by the number of images × tags."""
    if not present.size:
        return 0.0
    apart = 0.0
    for low, high in pairwise(np.linspace(0, 1, _BINS + 1)):
        inside = (probabilities > low) & (probabilities <= high) if low else probabilities <= high
        apart += abs(float(present[inside].sum()) - float(probabilities[inside].sum(dtype=np.float64)))
    return apart / present.size


def tag_metrics(present: NDArray[np.bool_], probabilities: Probabilities, threshold: float) -> dict[str, float]:
    """The metrics of one tag; 0 where a ratio has no denominator.

    Args:
        present: bool [n].
        probabilities: float32 [n].
    """
    found = probabilities >= threshold
    hits = int((present & found).sum())
    return {
        "averagePrecision": average_precision(present, probabilities) if present.any() else 0.0,
        "f1": 2 * hits / max(1, int(present.sum()) + int(found.sum())),
        "precision": hits / max(1, int(found.sum())),
        "recall": hits / max(1, int(present.sum())),
        "threshold": threshold,
    }


def multi_label_performance(
    present: Present, probabilities: Probabilities, thresholds: Sequence[float], tags: Sequence[str]
) -> ModelPerformance:
    """All metrics of a multi-label classifier. The means are over the tags that are on an image.

    Args:
        present: bool [n, k].
        probabilities: float32 [n, k].
        thresholds: k probabilities from which on a tag counts as present.
        tags: the k tags' names, in the order of the columns.

    Raises:
        ValueError: the shapes do not match.
    """
    if present.shape != probabilities.shape or present.shape[1:] != (len(tags),) or len(thresholds) != len(tags):
        given = f"{probabilities.shape} probabilities and {len(thresholds)} thresholds"
        raise ValueError(f"{given}, expected those of {present.shape} labels and {len(tags)} tags")
    by_tag = {tag: tag_metrics(present[:, index], probabilities[:, index], thresholds[index]) for index, tag in enumerate(tags)}
    shown = [by_tag[tags[index]] for index in np.flatnonzero(present.any(axis=0)).tolist()]
    return ModelPerformance(
        mean_average_precision=mean_average_precision(present, probabilities),
        macro_f1=float(np.mean([metrics["f1"] for metrics in shown])) if shown else 0.0,
        calibration_ece=expected_calibration_error(present, probabilities),
        tag_performance=by_tag,
    )
