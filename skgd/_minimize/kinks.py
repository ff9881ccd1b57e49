"""Where a function has a kink its gradient is none: the gradients all around tell which way still leads down."""

import numpy as np
from scipy.optimize import nnls

from .._kernels.constants import TINY
from .curvature import gradient_at
from .function import FunctionObjective, Point

RADII = 1e-2, 1e-3, 1e-4, 1e-5, 1e-6  # of variables up to one: how far from the point it is looked
MOST_GRADIENTS = 100
SHARES = 1.0, 0.5, 0.1, 0.01  # of a way that doesn't lead down, at which its gradients tell why
TELLING = 0.5  # share of the slope that was expected, which they must be above


def way_along(
    objective: FunctionObjective, point: Point, sizes: np.ndarray, radius: float, least: float
) -> np.ndarray | None:
    """A direction in which the function falls, though it rises on both sides along its gradient.

    The opposite of the shortest mean of gradients within the radius: of all planes that touch the function there, it
    goes down on each. Where the function doesn't, its gradient joins them (Wolfe 1975, A method of conjugate
    subgradients for minimizing nondifferentiable functions). None where they promise no more than `least`.
    """
    gradients = [point.gradient * sizes]
    for _ in range(min(2 * sizes.size + 10, MOST_GRADIENTS)):
        shortest = shortest_mean(np.array(gradients))
        largest, square = float(np.abs(shortest).max(initial=0.0)), float(shortest @ shortest)
        if not radius * square > least * largest:
            return None
        direction = -radius * sizes * shortest / largest
        if objective.value_at(point.params + direction) < point.value - 0.01 * radius * square / largest:
            return direction
        for share in SHARES:
            there = point.params + share * direction
            objective.project(there)
            gradient = gradient_at(objective, there) * sizes
            if gradient @ shortest < TELLING * square:
                break
        else:
            return None
        gradients.append(gradient)
    return None


def shortest_mean(gradients: np.ndarray) -> np.ndarray:
    """The shortest of all weighted means of the rows, zero where one of them isn't finite.

    Weights w that minimise |sum_i w_i g_i|^2 + c^2 (1 - sum_i w_i)^2, none below zero, have the proportions of those
    that sum to 1, for any c.
    """
    size = float(np.abs(gradients).max(initial=0.0))
    if not 0 < size < np.inf:
        return np.zeros(gradients.shape[1])
    system = np.vstack([gradients.T / size, np.ones(len(gradients))])
    weights = nnls(system, np.append(np.zeros(gradients.shape[1]), 1.0))[0]
    return weights @ gradients / max(weights.sum(), TINY)
