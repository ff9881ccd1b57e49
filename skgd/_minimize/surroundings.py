"""What a point is at which descent has ended: a minimum, a saddle, a maximum, a plateau, or just a halt on the way."""

import copy
from typing import NamedTuple

import numpy as np

from .._kernels.constants import EPS, TINY
from .curvature import LEAST, Curvature, curvature_at, sizes_of
from .function import FunctionObjective, Point
from .kinks import RADII, way_along
from .limited_memory import LimitedMemory

DIRECTIONS = 8  # random ones, tried both ways
NEAR = 1e-3  # of the way that was gone, and of variables up to one: how far from the point it is looked
CLOSER = 0.1  # share of it at which a suspicion is confirmed
ROUNDING = 32 * EPS  # of values whose differences are looked at
PERHAPS = 1e-7  # share of what is allowed, from which noise may hide that much where curvatures are lost in their error
SURE = 6.0  # times the standard deviation of noise that values must differ by
FLAT = 1e-3  # share of the largest curvature; along directions that bend less, third orders may count
FLAT_DIRECTIONS = 4  # random ones among these
LENGTHS = 1e-3, 1e-2, 1e-1  # that are tried along them, of the variables' size
GROWTH, GROWTHS = 3.0, 40  # of a step that leads down, while it does
SHORTER = 1.0, 0.3, 0.1, 0.01, 1e-3  # Newton steps, as shares
STEPS, MEMORY = 50, 10  # of a quasi-Newton search for a lower point
PROMISE = 1e-4  # share of what is allowed, which each of these steps should promise
LEAST_CURVATURES = 1e-5, 1e-8, 1e-11  # that Newton steps count with
KINK_LENGTHS = 1e-3, 1e-5  # between which the function rises as a line does at a kink
KINK = 0.1  # share of it


class Finding(NamedTuple):
    """What speaks against a minimum."""

    words: str = ""  # nothing
    lower: np.ndarray | None = None  # a point from which it goes on
    curvature: Curvature | None = None  # of the function at the point
    hidden: str = ""  # what doesn't let it be told
    doubtful: bool = False  # whether a better gradient might tell more


class Surroundings:
    """The function around a point: values in random directions, always the same, and how it bends.

    `allowed` is what a minimum may be lower by.
    """

    def __init__(self, objective: FunctionObjective, point: Point, start: np.ndarray, allowed: float):
        self.objective, self.function, self.point, self.start = objective, objective.function, point, start
        self.value, self.gradient = point.value, objective.projected(point)
        params = point.params
        way, size = (float(np.abs(vector).max(initial=0.0)) for vector in (params - start, params))
        extent = max(way, min(size, 1.0))
        self.near = NEAR * (extent if extent > LEAST else 1.0)
        directions = np.random.RandomState(0).normal(size=(DIRECTIONS, params.size))
        self.directions = directions * self.near / np.linalg.norm(directions, axis=1, keepdims=True)
        self.values = np.array([self._both_ways(direction) for direction in self.directions])
        finite = self.values[np.isfinite(self.values)]
        self.noise = ROUNDING * max(abs(self.value), float(np.abs(finite).max(initial=0.0)))
        noise = SURE * objective.estimate_noise(point)
        self.noise += noise
        self.hides = noise > allowed and bool(self.gradient.any())
        self.allowed = max(allowed, noise, ROUNDING * abs(self.value))

    def _both_ways(self, direction):
        return [self.objective.value_at(self.point.params + sign * direction) for sign in (1, -1)]

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

    def look(self) -> Finding:
        """What the point is."""
        value, values = self.value, self.values
        down = "down" if self.function.sign > 0 else "up"
        if self.objective.is_endless(value):
            return Finding(f"the function seems to go {down} without end")
        if not self.function.differentiates and self.contradict_gradient():
            hint = "" if self.gradient.any() else "; if it takes differences itself, its step is lost in rounding there"
            return Finding(f"jac isn't the gradient of the function, by finite differences around it{hint}")
        if (values == value).all():
            words = f"the function has one value within {self.near:.2g} of it in every direction tried: a plateau"
            return Finding(words)
        curvature = curvature_at(self.objective, self.point, sizes_of(self.point.params, self.start))
        words, lower = self._way_down(curvature, down)
        if words:
            return Finding(words, lower, curvature)
        if curvature is not None and (curvature.gain() > self.allowed or self._is_kink(curvature)):
            lower = self._along_kink()
            if lower is not None:
                return Finding(f"the function still goes {down} from there, along a kink", lower)
        doubtful = curvature is None or curvature.gain(LEAST_CURVATURES[-1]) > self.allowed
        if doubtful and not self.function.refines:
            lower = self._search(curvature)
            if lower is not None:
                return Finding(f"the function still goes {down} from there, by quasi-Newton steps", lower, curvature)
        return Finding(curvature=curvature, hidden=self._what_hides(curvature, doubtful), doubtful=doubtful)

    def _way_down(self, curvature: Curvature | None, down: str) -> tuple[str, np.ndarray | None]:
        """What speaks against a minimum, with a lower point: where it bends down, slopes, or is flat, in this order."""
        values, near = self.values, self.near
        lower = values < self.value - self.noise
        lowest = [self.directions[row] * (1, -1)[side] for row, side in np.argwhere(lower & (values == values.min()))]
        if lower.all():
            less, maximum = ("less", "maximum") if self.function.sign > 0 else ("more", "minimum")
            words = f"the function is {less} within {near:.2g} of it in every direction tried: a {maximum}"
            return words, self._follow(lowest[0])
        bent, flat = ([], []) if curvature is None else self._down_and_flat(curvature)
        found = self._across([*CLOSER * self.directions[lower.all(axis=1)], *bent])
        if found is not None:
            both = f"the function goes {down} from there, both ways along some directions within {near:.2g}: a saddle"
            one = f"the function still goes {down} from there, though its gradient hardly tells: a saddle"
            return both if self._falls(found[1]) else one, found[0]
        onwards = self._further(curvature)
        if onwards is not None:
            largest = f"the largest entry of its gradient being {np.abs(self.gradient).max():.2g}"
            what = "a plateau or a long valley, or steps that are too small"
            return f"the function still goes {down} from there, {largest}: {what}", onwards
        found = self._across([*lowest, *flat])
        if found is not None:
            return f"the function still goes {down} from there, along directions in which it is flat there", found[0]
        return "", None

    def _falls(self, direction):
        return bool(np.max(self._both_ways(direction)) < self.value - 0.01 * self.noise)  # not where one is NaN

    # -- ways down

    def _follow(self, direction: np.ndarray) -> np.ndarray | None:
        """The lowest point on the way, if it is low enough; the way is as long as leads down."""
        best, params, length = self.value, None, 1.0
        for _ in range(GROWTHS):
            there = self.point.params + length * direction
            self.objective.project(there)
            value = self.objective.value_at(there)
            if not value < best:
                break
            best, params, length = value, there, GROWTH * length
        return params if best < self.value - self.allowed else None

    def _across(self, directions: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
        """A lower point, and the direction, along some that the gradient doesn't tell of."""
        for direction in directions:
            forward, backward = self._both_ways(direction)
            if not min(forward, backward) < self.value - 0.01 * self.noise:
                continue
            found = self._follow(direction if not backward < forward else -direction)
            if found is not None:
                return found, direction
        return None

    def _down_and_flat(self, curvature: Curvature) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Directions, in several lengths, in which the function bends down, and in which third orders may count."""
        if not curvature.values.size:
            return [], []
        extent = np.maximum(np.abs(self.point.params), np.abs(self.point.params - self.start))
        extent = np.where(extent > LEAST, extent, 1.0)
        vectors = curvature.vectors / np.maximum(np.abs(curvature.vectors / extent[:, None]).max(axis=0), TINY)
        bends = curvature.values * (vectors**2).sum(axis=0) / np.maximum((curvature.vectors**2).sum(axis=0), TINY)
        down = np.flatnonzero(curvature.values < -curvature.error)[:FLAT_DIRECTIONS]
        flat = np.flatnonzero(np.abs(bends) <= FLAT * np.abs(bends).max())
        some = [vectors[:, [np.argmin(np.abs(bends))]], vectors[:, flat[:FLAT_DIRECTIONS]]]
        if flat.size > 1:
            some.append(vectors[:, flat] @ np.random.RandomState(3).normal(size=(flat.size, FLAT_DIRECTIONS)))

        def in_lengths(directions):
            longest = np.maximum(np.abs(directions / extent[:, None]).max(axis=0), TINY)
            return [length * direction for direction in (directions / longest).T for length in LENGTHS]

        return in_lengths(vectors[:, down]), in_lengths(np.hstack(some))

    def _further(self, curvature: Curvature | None) -> np.ndarray | None:
        """A lower point where the gradient promises one."""
        if curvature is None:
            steps = [-self.near * self.gradient / max(float(np.abs(self.gradient).max()), TINY)]
        elif curvature.gain(LEAST_CURVATURES[-1]) <= self.allowed:
            return None
        else:
            steps = [curvature.newton_step(least) for least in LEAST_CURVATURES]
            steps.append(-curvature.scaling * curvature.gradient)
        lowest, found = self.value - self.allowed, None
        for step in steps:
            for share in SHORTER:
                there = self.point.params + share * step
                self.objective.project(there)
                value = self.objective.value_at(there)
                if value < lowest:
                    lowest, found = value, there
                    break
        return found

    def _what_hides(self, curvature: Curvature | None, doubtful: bool) -> str:
        """Why it can't be told whether it goes on, though no lower point was found; empty if it doesn't go on."""
        if self.hides or (doubtful and self.objective.noise > PERHAPS * self.allowed):
            return f"the noise of fun, about {self.objective.noise:.1g}, hides what is left of the way"
        if curvature is None or curvature.gain() <= self.allowed or self._is_kink(curvature):
            return ""
        return (
            f"the gradient, whose largest entry is {np.abs(self.gradient).max():.2g}, promises another "
            f"{curvature.gain():.1g}, but no step brings it: {self._why_lost()}"
        )

    def _why_lost(self) -> str:
        if self.function.differentiates:
            return "its finite differences are too rough there, or variables differ too much in scale"
        return "rounding hides it, or variables differ too much in scale"

    def _is_kink(self, curvature: Curvature) -> bool:
        """Whether the function rises on both sides along the gradient, as steeply near it as farther off."""
        if not curvature.gradient.any():
            return False
        gradient = curvature.gradient
        sizes = sizes_of(self.point.params, self.start)
        direction = np.where(gradient != 0, sizes * np.sign(gradient), 0.0)
        far, near = (np.min(self._both_ways(length * direction)) - self.value for length in KINK_LENGTHS)
        return bool(near > self.noise and near >= KINK * KINK_LENGTHS[1] / KINK_LENGTHS[0] * far)

    def _search(self, curvature: Curvature | None) -> np.ndarray | None:
        """A lower point by quasi-Newton steps, which find out about curvatures that are lost in the error of others."""
        inverse = None if curvature is None or self.objective.box is not None else curvature.inverse()
        search = LimitedMemory(copy.copy(self.objective), self.point.params, MEMORY, inverse)
        with np.errstate(all="ignore"):
            for _ in range(STEPS):
                if not search.look() > PROMISE * self.allowed or not search.move():
                    break
        return search.params if search.objective < self.value - self.allowed else None

    def _along_kink(self) -> np.ndarray | None:
        """A lower point where the function falls along a kink."""
        sizes = sizes_of(self.point.params, self.start)
        for radius in RADII:
            direction = way_along(self.objective, self.point, sizes, radius, self.allowed)
            lower = None if direction is None else self._follow(direction)
            if lower is not None:
                return lower
        return None
