"""Descent with exact gradients: preconditioned L-BFGS, and proximal Newton steps under an L1 penalty."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from .._kernels.backtracking import decreases_enough, is_within_rounding, shortening, stretching
from .._kernels.constants import FLATTER, MAX_STRETCHES, MAX_TRIALS, STEEP, TINY
from ..penalties import smallest_subgradient
from .training import fill

EXACT = 1e-3  # steps so near to the least point of a quadratic function are left as they are
LONGEST_WAY = 100.0  # to that point, in steps
MOST = 0.5  # of the objective: what intercepts gain that are set before the first step
CURVED = 1e-14  # cosine between step and change of the gradient from which a pair tells something

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


class CurvatureModel(Protocol):
    """An approximation of the Hessian; a rough one tells directions from each other, not how long steps should be."""

    rough: bool

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """Inverse Hessian times the gradient."""

    def penalised(self, ridge: np.ndarray) -> "CurvatureModel":
        """The model with another ridge."""

    def proximal_step(self, params: np.ndarray, gradient: np.ndarray, l1: np.ndarray) -> np.ndarray | None:
        """Step to the minimum of the quadratic model plus sum_j l1_j |params_j + step_j|; None: there is no such."""


class Identity:
    """No curvature is known, but perhaps how long a step against the gradient should be."""

    rough = True

    def __init__(self, length: float = 1.0):
        self.length = length

    def solve(self, gradient):
        return self.length * gradient if self.length != 1.0 else gradient.copy()

    def penalised(self, ridge):
        return self

    def proximal_step(self, params, gradient, l1):
        return None


class QuasiNewton:
    """Minimise function(params) + sum_j l1_j |params_j|, a step at a time.

    `direction` and what it promises are known before each step, so that convergence is seen where it happens.
    """

    def __init__(self, function: Function, params: np.ndarray, memory: int, l1: np.ndarray | None, eps: float):
        self.function, self.memory, self.l1, self.eps = function, memory, l1, eps
        self.params = params
        self.stretches_below = -np.inf  # objective from which on steps go on along their line where it is steep
        self.conjugate = False  # whether the function is quadratic, and steps go to the least point on their line
        self.model: CurvatureModel = Identity()
        self.box: tuple[np.ndarray, np.ndarray] | None = None  # that no step may leave
        self.moved_by = np.inf  # largest change of a parameter in the last step, 0 where there was none to make
        self.evaluate_anew()

    def evaluate_anew(self) -> None:
        """Evaluate the function, which may have become another one, at the parameters; forget the steps made."""
        with np.errstate(over="ignore", invalid="ignore"):
            self.value, self.gradient = self.function(self.params)
        self.extrapolated = False  # whether these follow from those of other points
        self.pairs: list[tuple[np.ndarray, np.ndarray, float]] = []

    def state(self) -> dict:
        """Where it is, between two steps, and what it has learnt of the curvature."""
        at = {"params": self.params, "value": self.value, "gradient": self.gradient, "moved_by": self.moved_by}
        return at | {"pairs": [list(pair) for pair in self.pairs]}

    def restore(self, state: dict) -> None:
        """Go on from there; the model of the curvature is its owner's."""
        self.value, self.moved_by = float(state["value"]), float(state["moved_by"])

        def vector(values, name):
            return fill(np.empty_like(self.params), values, name)

        self.params, self.gradient = (vector(state[name], name) for name in ("params", "gradient"))
        self.pairs = [(vector(s, "a step"), vector(c, "a change"), float(rho)) for s, c, rho in state["pairs"]]

    @property
    def objective(self) -> float:
        return self.value + self._l1_norm(self.params)

    @property
    def steepest(self) -> np.ndarray:
        """The gradient; under an L1 penalty the shortest subgradient."""
        return self.gradient if self.l1 is None else smallest_subgradient(self.params, self.gradient, self.l1)

    @property
    def longest_step(self) -> float:
        """Largest change of a parameter, as the criterion of steps sees it."""
        return self.moved_by

    def use(self, model: CurvatureModel) -> None:
        """Go on with another approximation of the Hessian."""
        self.model = model

    def look(self) -> float:
        """Choose the direction; return by how much the objective should decrease on the way, the Newton decrement."""
        step = None if self.l1 is None else self.model.proximal_step(self.params, self.gradient, self.l1)
        self.orthant = None
        if step is None or not np.isfinite(step).all():
            steepest = self.steepest
            step = self._inverse_hessian(steepest)
            np.negative(step, out=step)
            if self.l1 is not None:  # Andrew and Gao 2007: stay where the signs are, or where they may go to
                step[step * steepest >= 0] = 0.0
                self.orthant = np.where(self.params != 0, np.sign(self.params), -np.sign(steepest))
            self.slope = float(steepest @ step)
            if not -np.inf < self.slope < 0 and steepest.any():  # rounding has spoilt the model
                self.pairs = []
                step = -steepest / np.abs(steepest).max()
                self.slope = float(steepest @ step)
        else:
            self.slope = float(self.gradient @ step) + self._l1_norm(self.params + step) - self._l1_norm(self.params)
        self.direction = step
        return -0.5 * self.slope if self.slope < 0 else 0.0

    def move(self, length: float = 1.0) -> bool:
        """Go along the direction as far as the objective decreases; whether it did."""
        before, exact = self.objective, self.conjugate and self.l1 is None and length == 1.0
        for _ in range(MAX_TRIALS):
            params, slope = self._point(length)
            extrapolated = False
            with np.errstate(over="ignore", invalid="ignore"):
                value, gradient = self.function(params)
                after = value + self._l1_norm(params)
            enough = decreases_enough(before, after, slope, self.eps)
            if not enough and self.l1 is None and is_within_rounding(before, slope, self.eps):
                # the objective's digits don't show so small a decrease, but the slope's do (Hager and Zhang 2005)
                enough = abs(float(gradient @ self.direction)) <= FLATTER * -self.slope
            if exact:
                slope_there = float(gradient @ self.direction)
                way = _way_to_least(self.slope, slope_there)
                if not 1 / LONGEST_WAY < way < LONGEST_WAY:  # digits would be lost
                    length, exact = way * length, False
                    continue
                if extrapolated := abs(way - 1) >= EXACT:
                    params, value, gradient = self._least_on_line(gradient, slope_there, length, way)
                enough = enough or value < self.value
            if enough:
                if length == 1.0 and is_worth_going_on(self):
                    params, value, gradient = go_further(self, params, value, gradient)
                _arrive(self, params, value, gradient)
                self.extrapolated = self.extrapolated or extrapolated
                return True
            length *= shortening(before, after, slope)
        return False

    def _least_on_line(self, gradient, slope_there, length, way):
        """Where a quadratic function is least on the line, by gradient and slope so far off; its value and gradient."""
        value = self.value + way * length * (self.slope + 0.5 * way * (slope_there - self.slope))
        there = gradient - self.gradient
        there *= way
        there += self.gradient
        return self._point(way * length)[0], value, there

    def _point(self, length):
        """The point so far along the direction, and the change of the objective that the slope promises there."""
        params = self.params + length * self.direction
        if self.orthant is not None:
            params[params * self.orthant <= 0] = 0.0
        if self.box is None:
            return params, length * self.slope
        np.clip(params, *self.box, out=params)
        return params, min(float(self.gradient @ (params - self.params)), 0.0)

    def _l1_norm(self, params):
        return 0.0 if self.l1 is None else float(self.l1 @ np.abs(params))

    def _remember(self, step, change):
        if not self.memory:
            return
        product = step @ change
        if product > max(CURVED * math.sqrt(step @ step) * math.sqrt(change @ change), TINY):
            memory = 1 if self.conjugate else self.memory  # the steps before the last are known to be conjugate
            self.pairs = [*self.pairs, (step, change, 1.0 / product)][-memory:]

    def _inverse_hessian(self, gradient):
        def first_guess(vector):
            direction = self.model.solve(vector)
            if self.pairs and self.model.rough:  # to the scale of the last step (Nocedal and Wright, equation 7.20)
                step, change, _ = self.pairs[-1]
                direction *= (step @ change) / (change @ self.model.solve(change))
            return direction

        return two_loops(gradient, self.pairs, first_guess)


def is_worth_going_on(search: QuasiNewton) -> bool:
    """Whether it may be steep behind a whole step: rough models learn from pairs how long the next should be."""
    by_length = search.value < search.stretches_below and not search.model.rough and search.l1 is None
    return by_length and not is_within_rounding(search.value, search.slope, search.eps)


def go_further(search: QuasiNewton, params: np.ndarray, value: float, gradient: np.ndarray) -> tuple:
    """The point along the direction, behind a whole step, from which on it isn't steep; value and gradient there."""
    stretch, before, there = 1.0, search.slope, float(gradient @ search.direction)
    for _ in range(MAX_STRETCHES):
        if not there < STEEP * search.slope:
            break
        stretch *= stretching(before, there)
        point = params + stretch * search.direction
        with np.errstate(over="ignore", invalid="ignore"):
            after, gradient_there = search.function(point)
        if not decreases_enough(value, after, stretch * there, search.eps):
            break
        params, value, gradient = point, after, gradient_there
        before, there = there, float(gradient @ search.direction)
    return params, value, gradient


def two_loops(gradient: np.ndarray, pairs: Sequence[tuple], first_guess: Callable) -> np.ndarray:
    """The inverse Hessian that pairs tell of times the gradient (Nocedal and Wright, algorithm 7.4).

    Pairs are steps, changes of the gradient and the inverse of the product of both.
    """
    direction, inner = gradient.copy(), []
    for step, change, inverse in reversed(pairs):
        inner.append((step @ direction) * inverse)
        direction -= inner[-1] * change
    direction = first_guess(direction)
    for (step, change, inverse), along in zip(pairs, reversed(inner), strict=True):
        direction += step * (along - (change @ direction) * inverse)
    return direction


def largest(vector: np.ndarray) -> float:
    """Largest absolute value in a vector, without a copy of it."""
    return float(max(vector.max(initial=0.0), -vector.min(initial=0.0)))


def penalise(search: QuasiNewton, more: np.ndarray) -> None:
    """Add 1/2 sum_j more_j params_j^2 to the function of a search, which has it from now on."""
    search.value += 0.5 * float(more @ search.params**2)
    search.gradient = search.gradient + more * search.params
    of_steps = [(step, change + more * step) for step, change, _ in search.pairs]
    search.pairs = [(step, change, 1.0 / (step @ change)) for step, change in of_steps if step @ change > TINY]


def leap(search: QuasiNewton, params: np.ndarray) -> bool:
    """Go to other parameters, if the objective is less there; whether it is."""
    with np.errstate(over="ignore", invalid="ignore"):
        value, gradient = search.function(params)
        less = bool(value + search._l1_norm(params) < search.objective)
        if less:
            _arrive(search, params, value, gradient)
    return less


def _way_to_least(slope: float, slope_there: float) -> float:
    """How far the least point of a quadratic function lies on a line, in ways to a point, by the slopes here and there.

    Steps of L-BFGS to such points are those of conjugate gradients, in exact arithmetic (Nazareth 1979).
    """
    return slope / (slope - slope_there) if slope < slope_there < np.inf else 1.0


def gap_of(search: QuasiNewton, ridge: np.ndarray) -> float:
    """By how much an objective with an L1 penalty lies above its least, at most: by Fenchel's dual at the gradient.

    Parameters that no ridge holds, where slopes are more than the penalty bears, are taken to be no farther from zero
    at their best than one beyond where they are.
    """
    assert search.l1 is not None
    params, l1 = search.params, search.l1
    curved = ridge * params
    slopes, loss = search.gradient - curved, search.value - 0.5 * float(curved @ params)
    excess, held = np.maximum(np.abs(slopes) - l1, 0.0), ridge > 0
    dual = 0.5 * float((excess[held] ** 2 / ridge[held]).sum()) + float((excess * (1 + np.abs(params)))[~held].sum())
    return search.objective + dual + float(slopes @ params) - loss


def set_intercepts(search: QuasiNewton, n_outputs: int) -> None:
    """Go to the best intercepts of a mean of squares, along which its curvature is one, if most is to gain there.

    The first step would do nothing else; and by slopes of columns that aren't centred those that matter aren't known.
    """
    slopes = search.gradient.reshape(n_outputs, -1)[:, -1]
    with np.errstate(over="ignore", invalid="ignore"):
        most = 0.5 * float(slopes @ slopes) > MOST * search.objective
    if most:
        params = search.params.copy()
        params.reshape(n_outputs, -1)[:, -1] -= slopes
        leap(search, params)


def _arrive(search, params, value, gradient):
    step = params - search.params
    search.moved_by = largest(step)
    search._remember(step, gradient - search.gradient)
    search.params, search.value, search.gradient = params, value, gradient
