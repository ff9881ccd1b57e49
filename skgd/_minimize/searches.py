"""Steps against the gradient within a box, as long as fits the curvature on the way."""

import copy
from collections import deque

import numpy as np

from .._kernels.constants import TINY
from .._solvers.quasi_newton import Function, QuasiNewton
from .differences import Box
from .function import FunctionObjective
from .limited_memory import first_length

LENGTHEN = 10.0  # times the last step against the gradient, where nothing bends
SHORT_LENGTHS = 5  # of which the shortest is taken
ALTERNATES = 0.5  # share of the long length below which a short one says that there are other curvatures, too
CURVATURE_STEPS = 5


class SteepestDescent(QuasiNewton):
    """Steps against the gradient that never increase the function.

    The length that is tried first fits the last gradients, alternating between two ways to fit them (ABBmin:
    Frassoldati, Zanni and Zanghirati 2008, New adaptive stepsize selections in gradient methods); it is shortened until
    the function has decreased enough.
    """

    def __init__(self, function: Function, params: np.ndarray, box: Box | None):
        super().__init__(function, params, memory=0, l1=None, eps=0.0)
        self.box = box
        self.length = self.long = first_length(self.params, self.gradient)
        self.short: deque[float] = deque(maxlen=SHORT_LENGTHS)

    def look(self) -> float:
        self.orthant, self.direction = None, -self.length * self.gradient
        self.slope = float(self.gradient @ self.direction)
        return -0.5 * self.slope

    @property
    def longest_step(self) -> float:
        """Largest change of a parameter in the next step, at the longer of the two lengths.

        The step itself may be short since it goes against the steep side of a valley.
        """
        return self.long * float(np.abs(self.gradient).max(initial=0.0))

    def move(self, length: float = 1.0) -> bool:
        before = self.params
        return super().move(length) and not np.array_equal(before, self.params)

    def _remember(self, step, change):
        unit = max(float(np.abs(change).max(initial=0.0)), TINY)  # squares of gradients may be out of range
        change = change / unit
        product, square = float(step @ change), float(change @ change)
        if not product > 0:  # no curvature on the way that could be fitted
            self.length = self.long = (
                LENGTHEN * float(np.abs(step).max()) / max(float(np.abs(self.gradient).max()), TINY)
            )
            return
        self.long, short = float(step @ step) / product / unit, product / square / unit
        self.short.append(short)
        self.length = min(self.short) if short < ALTERNATES * self.long else self.long


def rate_on(objective: FunctionObjective) -> float | None:
    """The inverse of the largest curvature that a few steps from the start meet; None if there was none."""
    probe = copy.copy(objective)
    search = SteepestDescent(probe, objective.first.params.copy(), objective.box)
    for _ in range(CURVATURE_STEPS):
        if not search.look() > 0 or not search.move():
            break
    objective.best, objective.trouble = probe.best, probe.trouble
    return min(search.short) if search.short else None
