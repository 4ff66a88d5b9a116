"""Metrics of a classifier: pure functions, equal to PyPI's `vision-evaluation`, which the hosted service measured with."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.models import ModelPerformance
from vision_customization.engine.learning.average_precision import average_precision

_BINS = 15
_ROWS = 4096
"""Images that are looked at together where that takes a multiple of their probabilities in memory."""

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def top_k_accuracy(labels: Labels, probabilities: Probabilities, k: int) -> float:
    """Share of images whose true class is among the k most probable (among all, if there are fewer than k)."""
    if not len(labels):
        return 0.0
    k = min(k, probabilities.shape[1])
    # Among equal probabilities, argmax and the partition choose, as in vision-evaluation.
    right = 0
    for start in range(0, len(labels), _ROWS):
        rows = probabilities[start : start + _ROWS]
        best = np.argpartition(rows, -k, axis=1)[:, -k:] if k > 1 else np.argmax(rows, axis=1)[:, None]
        right += int((best == labels[start : start + _ROWS, None]).any(axis=1).sum())
    return right / len(labels)


def mean_average_precision(labels: Labels, probabilities: Probabilities) -> float:
    """Average precision of each class against the rest, then the plain mean over the classes that have an image."""
    present = [index for index in np.unique(labels) if index < probabilities.shape[1]]
    if not present:
        return 0.0
    return float(np.mean([average_precision(labels == index, probabilities[:, index]) for index in present]))


def expected_calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Guo et al. (ICML 2017): in 15 equal bins of the top probability (lower edge out, upper edge in), how far hits and
    confidence are apart, summed and divided by the number of images."""
    if not len(labels):
        return 0.0
    best = np.argmax(probabilities, axis=1)
    confidence = probabilities[np.arange(len(probabilities)), best]
    correct = best == labels
    edges = np.linspace(0, 1, _BINS + 1)
    apart = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        apart += abs(float(correct[inside].sum()) - float(confidence[inside].astype(np.float64).sum()))
    return apart / len(labels)


def tag_accuracies(labels: Labels, probabilities: Probabilities) -> list[float]:
    """For each class, the share of its images that are recognised; 0 for a class without any."""
    correct = np.argmax(probabilities, axis=1) == labels
    return [
        float(correct[labels == index].mean()) if (labels == index).any() else 0.0 for index in range(probabilities.shape[1])
    ]


def classification_performance(labels: Labels, probabilities: Probabilities, tags: Sequence[str]) -> ModelPerformance:
    """All metrics that the contract reports for a classifier.

    Args:
        labels: int64 [n], positions in `tags`.
        probabilities: float32 [n, k].
        tags: the k tags' names, in the order of the columns.

    Raises:
        ValueError: the shapes do not match.
    """
    if probabilities.shape != (len(labels), len(tags)):
        raise ValueError(f"probabilities are {probabilities.shape}, expected ({len(labels)}, {len(tags)})")
    accuracies = tag_accuracies(labels, probabilities)
    return ModelPerformance(
        average_precision=mean_average_precision(labels, probabilities),
        accuracy_top1=top_k_accuracy(labels, probabilities, 1),
        accuracy_top5=top_k_accuracy(labels, probabilities, 5),
        calibration_ece=expected_calibration_error(labels, probabilities),
        tag_performance={tag: {"accuracy": accuracy} for tag, accuracy in zip(tags, accuracies, strict=True)},
    )
