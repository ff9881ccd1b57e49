"""Searches within a box: against the gradient, and with the curvature that is learnt on the way."""

import copy
from collections import deque

import numpy as np

from .._kernels.constants import TINY
from .._solvers.quasi_newton import Function, Identity, QuasiNewton
from .function import Box, FunctionObjective

FIRST_STEP = 0.1  # share of the parameters that a first step changes
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


class LimitedMemory(QuasiNewton):
    """L-BFGS within a box."""

    def __init__(self, function: Function, params: np.ndarray, memory: int, box: Box | None):
        super().__init__(function, params, memory, l1=None, eps=float(np.finfo(np.float64).eps))
        self.box = box
        self.use(Identity(first_length(self.params, self.gradient)))


def first_length(params: np.ndarray, gradient: np.ndarray) -> float:
    """Length of a first step that changes parameters by a tenth of their size, where nothing is known of curvature."""
    largest = float(np.abs(gradient).max(initial=0.0))
    if largest == 0:
        return 1.0
    size = max(float(np.abs(params).max(initial=0.0)), 1.0)
    return min(FIRST_STEP * size / max(largest, TINY), float(np.finfo(np.float64).max))


def rate_on(objective: FunctionObjective) -> float | None:
    """The inverse of the largest curvature that a few steps from the start meet; None if there was none."""
    probe = copy.copy(objective)
    search = SteepestDescent(probe, objective.first.params.copy(), objective.box)
    for _ in range(CURVATURE_STEPS):
        if not search.look() > 0 or not search.move():
            break
    objective.best, objective.trouble = probe.best, probe.trouble
    return min(search.short) if search.short else None
