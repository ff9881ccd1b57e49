"""L-BFGS within a box, with a line search of its own."""

from typing import Any

import numpy as np

from .._kernels.backtracking import decreases_enough, is_within_rounding
from .._kernels.constants import EPS, FLATTER, TINY
from .._solvers.quasi_newton import two_loops
from .function import FunctionObjective, Point

MOST_HALTS = 10  # steps on end that led nowhere, before it is at its end
TRIALS = 30  # of lengths along one direction
End = tuple[float, float, Any]  # a length, the value there, the slope, or None where it isn't known
CLOSEST, FARTHEST = 0.1, 0.9  # where between two lengths the next may lie, as shares
GROWTH = 4.0  # of lengths whose end isn't seen
FIRST_STEP = 0.1  # share of the parameters that a first step changes


class LimitedMemory:
    """Steps of L-BFGS that never leave the box.

    Variables that stand at a limit which the gradient pushes them against stay there; the inverse Hessian of the
    others comes from those entries of the last steps and changes alone. A step that leaves the box is bent along its
    limits (Kim, Sra and Dhillon 2010, Tackling box-constrained optimization via a new projected quasi-Newton
    approach). The length meets Wolfe's conditions, by cubic interpolation (Nocedal and Wright, section 3.5).
    """

    eps = EPS

    def __init__(self, objective: FunctionObjective, params: np.ndarray, memory: int, scaling: np.ndarray | None):
        self.function, self.memory, self.box = objective, memory, objective.box
        self.point = objective.evaluate(params)
        self.steepest = objective.projected(self.point)
        self.pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
        self.inverse = scaling  # of the Hessian: a matrix, or a diagonal; None where nothing is known
        self.first_length = first_length(params, self.steepest)
        self.lowest = self.point.value
        self.halts = 0  # steps on end that led nowhere
        self.longest_step = np.inf  # largest change of a parameter in the last step

    @property
    def params(self) -> np.ndarray:
        return self.point.params

    @property
    def objective(self) -> float:
        return self.point.value

    @property
    def gradient(self) -> np.ndarray:
        return self.point.gradient

    def look(self) -> float:
        """Choose the direction; return what the function should decrease by on the way."""
        self.direction = -self._inverse_hessian(self.steepest)
        self.slope = float(self.steepest @ self.direction)
        if not -np.inf < self.slope < 0 and self.steepest.any():  # rounding has spoilt the model
            self._forget()
            self.direction = -self.first_length * self.steepest
            self.slope = float(self.steepest @ self.direction)
        return -0.5 * self.slope if self.slope < 0 else 0.0

    def move(self, length: float = 1.0) -> bool:
        """Go along the direction as far as the function decreases; whether it did."""
        if not self.slope < 0:
            return False
        found = self._search(length)
        if found is None and (self.pairs or self.inverse is not None):
            self._forget()
            self.look()
            found = self._search(length)
        if found is None:
            return False
        # no other float lies that way, which ends the criterion "step" soon, and all others here; or all is noise
        lost = self.function.noise > 0 and not found.value < self.lowest
        self.halts = self.halts + 1 if lost or np.array_equal(found.params, self.params) else 0
        self.lowest = min(self.lowest, found.value)
        if self.halts > MOST_HALTS:
            return False
        step, change = found.params - self.params, found.gradient - self.gradient
        self.longest_step = float(np.abs(step).max(initial=0.0))
        self.pairs = [*self.pairs, *telling([(step, change)])][-self.memory :]
        self.point, self.steepest = found, self.function.projected(found)
        return True

    def _forget(self):
        self.pairs, self.inverse = [], None
        self.first_length = first_length(self.params, self.steepest)

    # -- how far

    def _at(self, length: float) -> np.ndarray:
        params = self.params + length * self.direction
        self.function.project(params)
        return params

    def _search(self, length: float) -> Point | None:
        """The point at a length that brings what it should, and beyond which there is little to gain."""
        function, start = self.function, self.point
        room = self._room()
        low: End = (0.0, start.value, self.slope)
        high: End | None = None
        best: Point | None = None
        for _ in range(TRIALS):
            params = self._at(length)
            value = function.value(params)
            promised = length * self.slope
            if length > room:
                promised = min(float(self.steepest @ (params - start.params)), 0.0)
            enough = decreases_enough(start.value, value, promised, EPS) or (
                value <= start.value + 2 * function.noise and function.noise > 0
            )
            hidden = not enough and abs(value) < np.inf and is_within_rounding(start.value, promised, EPS)
            if (not enough and not hidden) or (best is not None and not value <= best.value and enough):
                high = length, value, None
            else:
                point = function.evaluate(params)
                if not np.isfinite(point.value):
                    high = length, np.nan, None
                else:
                    slope = float(point.gradient @ self.direction)
                    flat = abs(slope) <= FLATTER * -self.slope
                    if hidden:  # values don't show so small a decrease, but slopes do (Hager and Zhang 2005)
                        if flat:
                            return point
                        high = length, value, slope
                    else:
                        best = point
                        if flat or length >= room or np.array_equal(params, start.params):
                            return point
                        if slope > 0:
                            high = length, value, slope
                        else:
                            low = length, value, slope
            if high is None:
                length = min(max(_extrapolated(low, self.slope), 2 * length), GROWTH * length, max(room, length))
                if length <= low[0]:
                    return best
            elif best is not None and high[0] - low[0] <= 1e-3 * high[0]:
                return best
            else:
                length = _between(low, high)
        return best

    def _room(self) -> float:
        """The length at which the first variable comes to a limit."""
        if self.box is None:
            return np.inf
        low, high = self.box
        moving = self.direction != 0
        limit = np.where(self.direction > 0, high, low)[moving] - self.params[moving]
        with np.errstate(over="ignore"):
            return float((limit / self.direction[moving]).min(initial=np.inf))

    # -- where to

    def _inverse_hessian(self, gradient: np.ndarray) -> np.ndarray:
        """The two-loop recursion (Nocedal and Wright, algorithm 7.4), over the variables that may move."""
        pairs = self.pairs
        free = None
        if self.box is not None:
            low, high = self.box
            blocked = (gradient == 0) & ((self.params <= low) | (self.params >= high))
            if blocked.any():
                free = ~blocked
                pairs = telling([(step * free, change * free) for step, change, _ in pairs])
        direction = two_loops(gradient, pairs, lambda direction: self._first_guess(direction, pairs))
        return direction if free is None else direction * free

    def _first_guess(self, direction, pairs):
        """Inverse Hessian before the pairs tell of it: what was given, or a multiple of the identity."""
        if self.inverse is not None:
            return self.inverse @ direction if self.inverse.ndim == 2 else self.inverse * direction
        if not pairs:
            return self.first_length * direction
        step, change, _ = pairs[-1]
        return float(step @ change) / float(change @ change) * direction


def telling(pairs: list) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Of steps and changes of the gradient those that tell of a curvature above zero, as :func:`two_loops` has them."""
    found = []
    for step, change in pairs:
        product, square = float(step @ change), float(change @ change)
        if product > max(EPS * square, TINY) and square > TINY:
            found.append((step, change, 1.0 / product))
    return found


def first_length(params: np.ndarray, gradient: np.ndarray) -> float:
    """Length of a first step that changes parameters by a tenth of their size, where nothing is known of curvature."""
    largest = float(np.abs(gradient).max(initial=0.0))
    if largest == 0:
        return 1.0
    size = max(float(np.abs(params).max(initial=0.0)), 1.0)
    return min(FIRST_STEP * size / max(largest, TINY), float(np.finfo(np.float64).max))


def _extrapolated(low: End, first_slope: float) -> float:
    """Where the slope would vanish if it went on as from the start."""
    length, _, slope = low
    return length * first_slope / (first_slope - slope) if slope > first_slope else np.inf


def _between(low: End, high: End) -> float:
    """The minimum of the cubic, or parabola, through what is known at both ends, not too near to either."""
    (a, at_a, slope_a), (b, at_b, slope_b) = low, high
    width, share = b - a, 0.5
    if not abs(at_b) < np.inf:
        share = CLOSEST
    elif slope_b is None:
        bend = at_b - at_a - slope_a * width
        share = -0.5 * slope_a * width / bend if bend > 0 else 0.5
    else:
        d = slope_a + slope_b - 3 * (at_b - at_a) / width
        root = d * d - slope_a * slope_b
        if root >= 0:
            root = np.sqrt(root)
            share = 1 - (slope_b + root - d) / (slope_b - slope_a + 2 * root)
    return a + width * min(max(share, CLOSEST), FARTHEST if slope_b is not None else 0.5)
