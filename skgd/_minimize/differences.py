"""Gradients by finite differences, and the noise that their steps must be larger than."""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize._numdiff import approx_derivative  # the differences of scipy.optimize.minimize, in no public place

from .._kernels.constants import EPS

METHODS = "2-point", "3-point", "cs"
Box = tuple[np.ndarray, np.ndarray]
POINTS = 7  # on a line, whose differences tell noise from what is smooth
SPACINGS = 1e-9, 1e-7, 1e-5  # between them, of variables up to one: the first at which most values differ
ALIKE = 4.0  # what the estimates of three orders of differences may differ by, as a factor
SHARE = 100.0  # times the noise that a second difference should be at least
WIDE = 1e10  # times its rounding a second difference is more than any precision needs: third orders count, too
FITTING = 1e8  # times it should be then
TRIALS = 4  # of steps, one ten times as long or short as the one before
SHORTEST = 1e-3  # of forward steps, as a share of SciPy's


class Differences:
    """The gradient of a function by finite differences within a box; where the user leaves it open, they are refined.

    They begin as SciPy's forward differences. For quasi-Newton steps, which come nearer than these can see, they become
    shorter as the function does: what it bends by on them counts for more then, and it has less rounding. Central ones,
    with steps that fit the curvature and noise of the function, come in once these are known.
    """

    def __init__(self, method: str | None, size: int, box: Box | None):
        self.method, self.adapts = method or METHODS[0], method is None
        low, high = (-np.inf, np.inf) if box is None else box
        self.low, self.high = np.broadcast_to(low, size), np.broadcast_to(high, size)
        self.free = self.low < self.high  # there are no differences where there is no room
        self.steps: np.ndarray | None = None
        self.first: float | None = None  # value of the function
        self.shortens = False  # whether the first steps follow the function's value

    def refine(self, steps: np.ndarray) -> None:
        """Go on with central differences of these steps, if that is open."""
        if self.adapts:
            self.method, self.steps = "3-point", steps

    def gradient(
        self,
        value_at: Callable,
        params: np.ndarray,
        value: float,
        method: str | None = None,
        steps: np.ndarray | None = None,
    ) -> np.ndarray:
        """The gradient where the function is `value`, by another method and its steps if these are given.

        value_at takes complex vectors, too, for complex steps.
        """
        method, steps = (self.method, self.steps) if method is None else (method, steps)
        free, gradient = self.free, np.zeros(params.size)

        def of_free(x):
            whole = params.astype(x.dtype)
            whole[free] = x
            return value_at(whole)

        if self.first is None:
            self.first = abs(value)
        if steps is None and self.shortens and abs(value) < self.first:
            # rounding is that of squares whose terms stay as large as they were: of the root of first * value
            share = max((abs(value) / self.first) ** 0.25, SHORTEST)
            steps = share * EPS**0.5 * np.where(params < 0, -1.0, 1.0) * np.maximum(np.abs(params), 1.0)
        if free.any():
            bounds, steps = (self.low[free], self.high[free]), None if steps is None else steps[free]
            gradient[free] = approx_derivative(
                of_free, params[free], method=method, f0=value, bounds=bounds, abs_step=steps
            )
        return gradient


def noise_along(value_at: Callable[[np.ndarray], float], point: np.ndarray, value: float) -> float:
    """Standard deviation of the noise of a function, from differences of high order between points on a short line.

    Differences of what is smooth vanish with their order, those of noise don't (Moré and Wild 2011, Estimating
    computational noise). It is zero where none is seen: there is still rounding.
    """
    direction = np.random.RandomState(1).choice([-1.0, 1.0], point.size) * np.maximum(np.abs(point), 1.0)
    for spacing in SPACINGS:
        line = [value_at(point + k * spacing * direction) for k in range(1, POINTS)]
        values = np.array([value, *line])
        if not np.isfinite(values).all():
            return 0.0
        if np.unique(values).size > POINTS // 2:
            return _noise_of(values)
    return 0.0


def _noise_of(values: np.ndarray) -> float:
    estimates, changes, differences = [], [], values
    for order in range(1, POINTS):
        differences = np.diff(differences)
        factor = math.factorial(order) ** 2 / math.factorial(2 * order)
        estimates.append(math.sqrt(factor) * float(np.linalg.norm(differences)) / math.sqrt(differences.size))
        changes.append(bool(differences.size > 1 and differences.min() < 0 < differences.max()))
    for k in range(len(estimates) - 2):
        of_three = estimates[k : k + 3]
        if changes[k] and max(of_three) <= ALIKE * min(of_three):
            return estimates[k]
    return 0.0


def second_differences(
    value_at: Callable[[np.ndarray], float],
    point: np.ndarray,
    value: float,
    steps: np.ndarray,
    noise: float,
    largest: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values a step forward and a step backward along every axis, and the steps, so that their bend is seen.

    A step is made longer while the second difference is lost in noise (Gill, Murray, Saunders and Wright 1983,
    Computing forward-difference intervals), and shorter while there are no values, or while it is so far above the
    rounding of the `largest` value that the function was seen to have that a shorter step shows as much; at a kink it
    doesn't.
    """
    steps, around = steps.copy(), np.full((2, point.size), np.nan)
    for j in np.flatnonzero(steps):
        longer: tuple[float, np.ndarray, float] | None = None  # step, values, bend
        for trial in range(TRIALS):
            for side, sign in enumerate((1, -1)):
                params = point.copy()
                params[j] += sign * steps[j]
                around[side, j] = value_at(params)
            bend = abs(around[0, j] + around[1, j] - 2 * value)
            if longer is not None and bend > longer[2] * (steps[j] / longer[0]) ** 1.5:  # as the step, not its square
                steps[j], around[:, j], _ = longer
                break
            finite = bool(np.isfinite(bend))
            floor = max(noise, EPS * max(abs(value), *np.abs(around[:, j])))
            rounding = max(floor, EPS * largest)
            if trial == TRIALS - 1 or (finite and SHARE * floor < bend <= WIDE * rounding):
                break
            if finite and bend > SHARE * floor:
                longer = float(steps[j]), around[:, j].copy(), bend
                steps[j] *= np.sqrt(FITTING * rounding / bend)
            else:
                steps[j] *= 10.0 if finite else 0.1
    return around[0], around[1], steps
