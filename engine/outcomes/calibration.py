"""Whether a model's confidences are true: pure functions."""

import numpy as np

from vision_customization.contract.judging import Calibration, CalibrationBin
from vision_customization.engine.outcomes.answers import SCALE, Answers, ten_thousandths

BINS = 10
_WIDTH = SCALE // BINS


def calibration(answers: Answers) -> Calibration:
    """Reliability of the answers in ten equal bins of their confidence: lower edge out, upper edge in, as in
    `learning.classification.metrics`.

    The expected calibration error is Σ |Bₘ|/n · |acc(Bₘ) − conf(Bₘ)| (Guo et al., ICML 2017, equation 3).
    """
    found = answers.labels.confidences[answers.labels.confidences > 0]
    confidences = np.concatenate([found, answers.false.confidences])
    right = np.arange(len(confidences)) < len(found)
    kept = confidences >= ten_thousandths(answers.lowest)
    confidences, right = confidences[kept], right[kept]
    numbers = np.maximum(confidences.astype(np.int64) - 1, 0) // _WIDTH
    counts, hits, sums = (
        np.bincount(numbers, weights, BINS) for weights in (None, right.astype(np.float64), confidences / SCALE)
    )
    apart = float(np.abs(hits - sums).sum()) / len(confidences) if len(confidences) else None
    bins = [
        CalibrationBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=int(count),
            mean_confidence=float(total / count) if count else None,
            share_right=float(hit / count) if count else None,
        )
        for number, (count, hit, total) in enumerate(zip(counts, hits, sums, strict=True))
    ]
    return Calibration(
        kind=answers.kind,
        answers=len(confidences),
        lowest=answers.lowest,
        expected_calibration_error=apart,
        bins=bins,
    )
