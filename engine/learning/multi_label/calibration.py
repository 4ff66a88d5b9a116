"""Calibrates the probabilities of independent tags, on scores of images that the heads have not seen."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from vision_customization.engine.learning.classification.heads import LinearHead
from vision_customization.engine.learning.multi_label.heads import Present

SLOPE_UNFITTED = 4.0
"""For heads that could not be tried on unseen images: about the value that is fitted with few images per tag."""

Odds = NDArray[np.float64]
"""The logarithms of the tags' odds, or differences of them, float64 [k]."""


@dataclass(frozen=True)
class Calibration:
    """Probabilities are `sigmoid(slope · scores + offsets)`."""

    slope: float
    offsets: Odds

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 […, k] → float64 […, k]."""
        result: NDArray[np.float64] = expit(self.slope * scores + self.offsets)
        return result

    def moved(self, shift: Odds) -> Self:
        """With the logarithms of the tags' odds moved by `shift`."""
        return replace(self, offsets=self.offsets + shift)

    def applied_to(self, head: LinearHead) -> LinearHead:
        """The head whose scores are the logarithms of the calibrated odds."""
        scaled = head.scaled(self.slope)
        return LinearHead(scaled.weights, scaled.bias + self.offsets)


def moved(probabilities: NDArray[np.floating], shift: Odds) -> NDArray[np.float64]:
    """The probabilities, […, k], with the logarithms of the tags' odds moved by `shift`: float64 […, k]."""
    result: NDArray[np.float64] = expit(logit(probabilities.astype(np.float64)) + shift)
    return result


def prior_log_odds(counts: NDArray[np.int64], images: int) -> NDArray[np.float64]:
    """The logarithm of each tag's odds, float64 [k], if so many images have it, with half an image more on both sides."""
    odds: NDArray[np.float64] = np.log((counts + 0.5) / (images - counts + 0.5))
    return odds


def uncalibrated(present: Present) -> Calibration:
    """For heads that could not be tried on unseen images."""
    return Calibration(SLOPE_UNFITTED, prior_log_odds(present.sum(axis=0), len(present)))


def fit_calibration(scores: NDArray[np.float64], present: Present) -> Calibration:
    """The slope and the offset, common to all tags, under which the labels are likeliest (Platt 1999).

    To the common offset each tag adds the log odds of its share of images: a rare tag needs a higher score. One assumed mistake
    of each kind keeps a few right answers from becoming certainty.

    Args:
        scores: float64 [repeats, n, k], of images that the heads had not seen.
    """
    repeats = len(scores)
    prior = prior_log_odds(present.sum(axis=0), len(present))
    gap = max(0.0, float(scores[:, present].mean() - scores[:, ~present].mean()))

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope = np.exp(parameters[0])
        odds = slope * scores + prior + parameters[1]
        error = (expit(odds) - present) / repeats
        loss = float((np.logaddexp(0, odds) - present * odds).sum()) / repeats + 2 * float(np.logaddexp(0, slope * gap / 2))
        steepness = float((error * scores).sum()) + gap * float(expit(slope * gap / 2))
        return loss, np.array([slope * steepness, float(error.sum())])

    found = minimize(objective, np.array([np.log(SLOPE_UNFITTED), 0.0]), jac=True, method="L-BFGS-B")
    return Calibration(float(np.exp(found.x[0])), prior + float(found.x[1]))
