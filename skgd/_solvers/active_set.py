"""The minimum of a quadratic function under an L1 penalty where coordinates alone creep: one sign after the other."""

from typing import Any

import numpy as np

from .._compile.kernels import kernel
from .._kernels.constants import TINY
from .._kernels.structures import FLOAT64

SETTLED = 1e-9  # of the penalty, subgradients that are left
CHANGES = 2  # for each parameter: what is left then waits for the next step
MOST_WORK = 2**22  # products of them: in large sets coordinates have brought more by then


def change_one_by_one(
    matrix: np.ndarray, params: np.ndarray, l1: np.ndarray, slope: np.ndarray, step: np.ndarray, support: Any
) -> None:
    """Go on to the minimum of g'step + step'H step / 2 + sum_j l1_j |params_j + step_j| (Osborne et al. 2000).

    Among the parameters that aren't zero as far towards their minimum as none changes its sign; the one that would
    becomes zero. Once they are there, the one at zero that gains most by itself joins them. Where columns are all but
    multiples of each other, as those far from zero are without an intercept, coordinates hold each other in place.
    slope is the gradient of the quadratic part at the step.
    """
    size = params.size
    curvature, add = np.diagonal(matrix)[:size].copy(), kernel("add_multiples", FLOAT64)

    def go(at: np.ndarray, new: np.ndarray) -> None:
        change = new - (params[at] + step[at])
        step[at] = np.where(new == 0, -params[at], step[at] + change)
        add(matrix, at, change, slope)

    for _ in range(min(CHANGES * size, MOST_WORK // size**2)):
        now = params + step
        free = ((now != 0) | (l1 == 0)).nonzero()[0]
        downhill = -(slope[free] + np.copysign(l1[free], now[free]))
        if np.abs(downhill).max(initial=0.0) > SETTLED * l1.max():
            direction = support.solve(matrix, free, downhill)
            crosses = (now[free] * direction < 0) & (l1[free] > 0)
            lengths = np.divide(-now[free], direction, out=np.full(free.size, np.inf), where=crosses)
            first = int(lengths.argmin())
            aim = now[free] + min(float(lengths[first]), 1.0) * direction
            if lengths[first] <= 1.0:
                aim[first] = 0.0
            go(free, aim)
            if lengths[first] <= 1.0:
                continue
        excess = np.where((params + step == 0) & (l1 > 0), np.abs(slope) - l1, 0.0)
        best = int((excess / np.sqrt(np.maximum(curvature, TINY))).argmax())
        if excess[best] <= SETTLED * l1[best]:
            return
        joins = np.array([best])
        go(joins, -np.sign(slope[joins]) * excess[joins] / curvature[joins])
