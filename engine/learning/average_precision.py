"""Average precision, the metric of both kinds of model."""

import numpy as np
from numpy.typing import NDArray


def average_precision(relevant: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Σ (Rₙ − Rₙ₋₁) · Pₙ over the distinct scores in falling order; at least one image must be relevant.

    Args:
        relevant: bool [n].
        scores: float [n].
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(relevant[order])
    falling = scores[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    precision = hits[ends] / (ends + 1)
    recall = hits[ends] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
