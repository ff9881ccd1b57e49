"""What a point is at which descent has ended: a minimum, a saddle, a maximum, a plateau, or just a halt on the way."""

import numpy as np

from .._kernels.constants import IMMENSE
from .._solvers.quasi_newton import Identity, QuasiNewton
from .function import FunctionObjective

DIRECTIONS = 8  # random ones, tried both ways
NEAR = 1e-3  # of the way that was gone, and of variables up to one: how far from the point it is looked
WIDER = 10.0  # times as far, for ways down that begin beyond a flat step
CLOSER = 0.1  # share of it at which a suspicion is confirmed
STEPS = 30  # of a descent from there
FEW_VARIABLES, FEW_STEPS = 20, 5
FAR = 10.0  # times as far it must lead, and gain a share MUCH of what was gained before, to tell something
MUCH = 1e-6
BACK = 1e-3  # share of the distance at which it has come back to where it was
RANDOM = 10.0  # times what a repeated evaluation differs by is noise
ROUNDING = 32 * np.finfo(float).eps  # of values whose differences are looked at


class Surroundings:
    """Values of the function a little way off a point, in random directions, always the same, and their opposites."""

    def __init__(
        self,
        objective: FunctionObjective,
        point: np.ndarray,
        value: float,
        gradient: np.ndarray,
        start: np.ndarray,
    ):
        self.objective, self.function = objective, objective.function
        self.point, self.value, self.gradient = point, value, gradient
        way, size = (float(np.abs(vector).max(initial=0.0)) for vector in (point - start, point))
        self.near = NEAR * (max(way, min(size, 1.0)) or 1.0)
        directions = np.random.RandomState(0).normal(size=(DIRECTIONS, point.size))
        self.directions = directions * self.near / np.linalg.norm(directions, axis=1, keepdims=True)
        self.values = np.array([self._both_ways(direction) for direction in self.directions])
        finite = self.values[np.isfinite(self.values)]
        repeated = abs(objective.value_at(point) - value)  # not zero where the function is random
        self.noise = ROUNDING * max(abs(value), float(np.abs(finite).max(initial=0.0)))
        self.noise += RANDOM * repeated if np.isfinite(repeated) else 0.0

    def _both_ways(self, direction):
        return [self.objective.value_at(self.point + sign * direction) for sign in (1, -1)]

    def contradict_gradient(self) -> bool:
        """Whether the gradient is another one than that of the function, as far as the function looks straight."""
        if self.function.differentiates and self.gradient.any():
            return False  # it is what differences are, off by a little
        slopes = self.directions @ self.gradient

        def off(share, values):
            return np.abs(0.5 * (values[:, 0] - values[:, 1]) - share * slopes)

        bend = np.abs(self.values.sum(axis=1) - 2 * self.value)
        doubtful = off(1.0, self.values)
        if not (doubtful > bend + self.noise).all():
            return False
        closer = np.array([self._both_ways(CLOSER * direction) for direction in self.directions])
        return bool((off(CLOSER, closer) > 0.5 * CLOSER * doubtful).all())  # else it was a bend of third order

    def what_is_wrong(self, gained: float, allowed: float) -> str:
        """Why the point is no minimum, in words; empty where nothing speaks against it.

        gained is what the descent has brought, allowed what it was allowed to leave.
        A descent from the lowest point nearby tells whether there is much to gain yet; from a saddle it finds its way
        down even where random directions lead up (Jin, Ge, Netrapalli, Kakade and Jordan 2017, How to escape saddle
        points efficiently).
        """
        box = self.objective.box
        if box is not None and np.array_equal(*box):
            return ""  # there is no other point
        value, values, noise, near = self.value, self.values, self.noise, self.near
        down, less, maximum = ("down", "less", "maximum") if self.function.sign > 0 else ("up", "more", "minimum")
        if gained > IMMENSE * max(abs(value + gained), 1.0):
            return f"the function seems to go {down} without end"
        if self.contradict_gradient():
            if self.function.differentiates:
                return "the function slopes more than its finite differences tell, whose step is lost in rounding"
            hint = "" if self.gradient.any() else "; if it takes differences itself, its step is lost in rounding there"
            return f"jac isn't the gradient of the function, by finite differences around it{hint}"
        if (values == value).all():
            return f"the function has one value within {near:.2g} of it in every direction tried: a plateau"
        lower = values < value - noise
        if lower.all():
            return f"the function is {less} within {near:.2g} of it in every direction tried: a {maximum}"
        saddle = f"the function goes {down} from there, both ways along some directions within {near:.2g}: a saddle"
        if any(self._falls_both_ways(direction) for direction in CLOSER * self.directions[lower.all(axis=1)]):
            return saddle  # and not a minimum that is narrower than the directions are long
        goal = value - max(MUCH * gained, allowed, noise)
        onwards = self._descend(self._lowest(), goal)
        if onwards is None:
            onwards = self._descend(self._lower_without_a_rise(), goal)
        if onwards is None:
            return ""
        if self._falls_both_ways(onwards):
            return saddle
        return (
            f"the function still goes {down} from there, the largest entry of its gradient being "
            f"{np.abs(self.gradient).max():.2g}: a plateau or a long valley, or steps that are too small"
        )

    def _falls_both_ways(self, direction):
        return bool(np.max(self._both_ways(direction)) < self.value - 0.01 * self.noise)  # not where one is NaN

    def _steps(self) -> int:
        """Of the descent: a share of those made before, where each takes as many evaluations as there are variables."""
        costly = self.function.differentiates and self.point.size > FEW_VARIABLES
        return min(STEPS, max(FEW_STEPS, self.function.counts["njev"] // 5)) if costly else STEPS

    def _lowest(self) -> np.ndarray | None:
        """The lowest of the points around."""
        if not np.isfinite(self.values).any():
            return None
        row, column = np.unravel_index(np.nanargmin(self.values), self.values.shape)
        return self.point + (1, -1)[column] * self.directions[row]

    def _lower_without_a_rise(self) -> np.ndarray | None:
        """A lower point farther off, with no higher one on the way."""
        for direction in [sign * WIDER * direction for direction in self.directions for sign in (1, -1)]:
            half, whole = (self.objective.value_at(self.point + share * direction) for share in (0.5, 1.0))
            if whole < half < self.value - self.noise:
                return self.point + direction
        return None

    def _descend(self, nearby: np.ndarray | None, goal: float) -> np.ndarray | None:
        """The direction to a point far off and below the goal, if a few steps of L-BFGS lead to one from nearby."""
        if nearby is None:
            return None
        objective, point, near = self.objective, self.point, self.near
        objective.project(nearby)
        value, gradient = objective(nearby)
        steepness = float(np.abs(gradient).max())
        if not (np.isfinite(value) and steepness > 0):
            return None
        search = QuasiNewton(objective, nearby, memory=10, l1=None, eps=0.0)
        search.use(Identity(near / steepness))
        search.box = objective.box
        for _ in range(self._steps()):
            before = search.params
            if not search.look() > self.noise or not search.move() or np.array_equal(search.params, before):
                return None
            way = search.params - point
            distance = float(np.linalg.norm(way))
            if distance < BACK * near:
                return None
            if search.objective < goal and distance > FAR * near:
                return way * near / distance
        return None
