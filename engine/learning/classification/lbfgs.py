"""A small quasi-Newton minimiser for smooth convex functions."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_MEMORY = 10
_STEPS_MAX = 100
_ARMIJO = 1e-4
_HALVINGS_MAX = 30

Vector = NDArray[np.float64]
Objective = Callable[[Vector], tuple[float, Vector]]
History = deque[tuple[Vector, Vector, float]]


def minimise(objective: Objective, start: Vector, *, tolerance: float) -> Vector:
    """Limited-memory BFGS with backtracking (Nocedal & Wright, "Numerical Optimization", algorithms 3.1 and 7.4).

    Args:
        objective: a strictly convex function of float64 [p], giving its value and its gradient.
        start: float64 [p].
        tolerance: how far the gradient's greatest part must fall, as a share of what it was at the start.

    Returns:
        Where the gradient has fallen so far, or after 100 steps, or where no progress is left.
    """
    point = start
    value, gradient = objective(point)
    goal = tolerance * float(np.abs(gradient).max())
    history: History = deque(maxlen=_MEMORY)
    for _ in range(_STEPS_MAX):
        if float(np.abs(gradient).max()) <= goal:
            break
        direction = -_multiply_inverse_hessian(history, gradient)
        slope = float(direction @ gradient)
        length = 1.0 if history else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        for _ in range(_HALVINGS_MAX):
            reached = point + length * direction
            reached_value, reached_gradient = objective(reached)
            if reached_value <= value + _ARMIJO * length * slope:
                break
            length /= 2
        else:
            break
        step, change = reached - point, reached_gradient - gradient
        curvature = float(step @ change)
        if curvature > 0:
            history.append((step, change, 1 / curvature))
        point, value, gradient = reached, reached_value, reached_gradient
    return point


def _multiply_inverse_hessian(history: History, gradient: Vector) -> Vector:
    """The two-loop recursion."""
    product = gradient.copy()
    shares = []
    for step, change, density in reversed(history):
        share = density * float(step @ product)
        product -= share * change
        shares.append(share)
    if history:
        _, change, density = history[-1]
        product /= density * float(change @ change)
    for (step, change, density), share in zip(history, reversed(shares), strict=True):
        product += (share - density * float(change @ product)) * step
    return product
