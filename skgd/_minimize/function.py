"""Any function of a vector: how it is called, and as what is minimised."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._kernels.constants import EPS, IMMENSE
from .differences import Box, Differences, noise_along

NOISY = 1e3  # times the rounding of a value from which noise is more than that


class Function:
    """sign times fun(x, *args), for x of any shape, and its gradient; whatever goes wrong in them passes through.

    Parameters are flat here. Finite differences, where there is no jac, stay within the box.
    """

    def __init__(self, fun: Callable, jac, args: tuple, shape: tuple[int, ...], sign: float, box: Box | None):
        self.fun, self.jac, self.args, self.shape, self.sign, self.box = fun, jac, args, shape, sign, box
        self.counts = {"nfev": 0, "njev": 0}
        self.differences = Differences(jac or None, math.prod(shape), box) if self.differentiates else None

    @property
    def differentiates(self) -> bool:
        """Whether the gradient comes from finite differences of the function, not from the user."""
        return not callable(self.jac) and self.jac is not True

    @property
    def refines(self) -> bool:
        """Whether better differences may still come in."""
        return self.differences is not None and self.differences.adapts and self.differences.steps is None

    def shaped(self, params: np.ndarray) -> Any:
        """Flat variables as the user's function takes them."""
        return params.reshape(self.shape) if self.shape else params[0]

    def value(self, params: np.ndarray) -> float:
        """Value alone; nobody wants to get to infinity."""
        if not np.isfinite(params).all():
            return np.inf
        return self.sign * (self._pair(params)[0] if self.jac is True else self._value(params))

    def gradient(self, params: np.ndarray, value: float) -> np.ndarray:
        """Gradient where the value is known; NaN where that isn't finite."""
        if not math.isfinite(value):
            return np.full(params.size, np.nan)
        if self.jac is True:
            return self.sign * self._pair(params)[1]
        self.counts["njev"] += 1
        if self.differences is None:
            return self.sign * self._vector(self.jac(self.shaped(params.copy()), *self.args))
        return self.sign * self.differences.gradient(self._scalar, params, self.sign * value)

    def gradient_by(self, method: str, steps: np.ndarray, params: np.ndarray) -> np.ndarray:
        """Gradient by differences of these steps, whichever others are in use; there must be some."""
        assert self.differences is not None
        value = self._scalar(params)
        return self.sign * self.differences.gradient(self._scalar, params, value, method, steps)

    def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Both; a gradient of NaN where the value isn't finite."""
        if self.jac is True and np.isfinite(params).all():
            value, gradient = self._pair(params)
            return self.sign * value, self.sign * gradient
        value = self.value(params)
        return value, self.gradient(params, value)

    def _pair(self, params):
        self.counts["nfev"] += 1
        self.counts["njev"] += 1
        returned = self.fun(self.shaped(params.copy()), *self.args)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise ValueError(f"with jac=True fun must return (value, gradient), it returned {returned!r:.200}")
        return self._number(returned[0]), self._vector(returned[1])

    def _value(self, params):
        self.counts["nfev"] += 1
        return self._number(self.fun(self.shaped(params.copy()), *self.args))

    def _number(self, value):
        if isinstance(value, float):  # NumPy's are, too
            return float(value)
        if value is None or np.size(value) != 1 or np.iscomplexobj(value):
            raise ValueError(f"fun must return a real number, it returned {value!r:.200}")
        return float(np.asarray(value).reshape(()))

    def _scalar(self, params):
        """For differences, which take complex numbers, too."""
        self.counts["nfev"] += 1
        return np.asarray(self.fun(self.shaped(params), *self.args)).reshape(())

    def _vector(self, gradient):
        gradient = np.array(gradient, dtype=np.float64)
        if gradient.shape != self.shape and not gradient.size == math.prod(self.shape) == 1:
            raise ValueError(f"jac must return an array of shape {self.shape}, as x0; it returned {gradient.shape}")
        return gradient.reshape(-1)


class Point(NamedTuple):
    """Where a function was evaluated, and what was found; nobody changes the arrays."""

    params: np.ndarray
    value: float
    gradient: np.ndarray


class NotFiniteAtStartError(ValueError):
    """There is nothing to descend from; `found` is what there is."""

    def __init__(self, message: str, found: dict):
        super().__init__(message)
        self.found = found


class FunctionObjective:
    """A function as what is minimised: its first, last and best points, within the box if there is one.

    Whatever goes wrong in the user's functions, after the first evaluation, is a value of NaN: it is up to the solver
    to take smaller steps, or to the driver to return to the best point. `trouble` tells what it was. A copy goes its
    own way, but for the counts of evaluations.
    """

    validation = None  # there are no rows to hold out

    def __init__(self, function: Function):
        self.function, self.box = function, function.box
        unknown = np.full(math.prod(function.shape), np.nan)
        self.first = self.last = self.best = Point(unknown, np.inf, unknown)
        self.at = b""  # where the last evaluation was: bytes are compared in a tenth of the time that arrays take
        self.seen: tuple[bytes, float] = b"", np.nan  # where the value alone was looked at last
        self.trouble: str | None = None
        self.failed_at = b""  # where the user's function has raised an error last
        self.noise = 0.0  # of values, as a standard deviation, as far as it is more than rounding

    def begin(self, params: np.ndarray) -> None:
        """Evaluate where nothing is lost yet: errors of the user's functions pass through.

        Raises
        ------
        ValueError
            If value or gradient have the wrong shape or aren't finite.
        """
        function = self.function
        with np.errstate(all="ignore"):
            value, gradient = function.value_and_gradient(params)
        for name, found in ("fun", value), ("jac" if callable(function.jac) else "the gradient", gradient):
            if not np.isfinite(found).all():
                at = f"{function.shaped(params)!s:.200}"
                told = {"x": function.shaped(params.copy()), "fun": function.sign * value, **function.counts}
                told["jac"] = function.shaped(function.sign * gradient)
                raise NotFiniteAtStartError(f"{name} is not finite at x0: it is {found!s:.200} at {at}", told)
        self.first = self.last = self.best = Point(params.copy(), value, gradient)
        self.at = params.tobytes()

    def is_endless(self, value: float) -> bool:
        """Whether the function has fallen as far as this as if it did without end."""
        return self.first.value - value > IMMENSE * max(abs(self.first.value), 1.0)

    def reference(self, dtype: np.dtype, of_best: bool = False) -> float:
        """Where it began: the measure of what is much and what is little."""
        return self.first.value

    def value(self, params: np.ndarray) -> float:
        """Value alone, where a gradient may follow if it is a good one."""
        if self.function.jac is True:
            return self.evaluate(params).value
        at = params.tobytes()
        if at == self.at:
            return self.last.value
        if at != self.seen[0]:
            self.seen = at, self._guarded(params, self.function.value)
            if not math.isfinite(self.seen[1]):
                self._note_value(params, self.seen[1])
                self.at, self.last = at, Point(params.copy(), self.seen[1], np.full(params.size, np.nan))
        return self.seen[1]

    def evaluate(self, params: np.ndarray) -> Point:
        """Value and gradient at the parameters; nothing is called where these are the last ones."""
        at = params.tobytes()
        if at == self.at:
            return self.last
        unknown = np.full(params.size, np.nan)
        if self.function.jac is True:
            pair = self._guarded(params, self.function.value_and_gradient)
            value, gradient = pair if isinstance(pair, tuple) else (pair, unknown)
            if not math.isfinite(value):
                self._note_value(params, value)
        else:
            value, gradient = self.value(params), unknown
            if math.isfinite(value):
                gradient = self._guarded(params, lambda x: self.function.gradient(x, value))
                gradient = gradient if isinstance(gradient, np.ndarray) else unknown
        if not np.isfinite(gradient).all():
            if math.isfinite(value) and (self.trouble is None or self.failed_at != at):
                shaped = self.function.shaped
                told = shaped(self.function.sign * gradient)
                self.trouble = f"the gradient is {told!s:.200} at x = {shaped(params)!s:.200}"
            value = np.nan  # a point from which no step can be made
        self.at, self.last = at, Point(params.copy(), value, gradient)
        if value < self.best.value:
            self.best = self.last
        return self.last

    def _guarded(self, params, call):
        try:
            with np.errstate(all="ignore"):  # what isn't finite is looked after
                return call(params)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}, at x = {self.function.shaped(params)!s:.200}"
            self.failed_at = params.tobytes()
            return np.nan

    def _note_value(self, params, value):
        if self.failed_at != params.tobytes():
            function = self.function
            self.trouble = f"fun is {function.sign * value} at x = {function.shaped(params)!s:.200}"

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and projected gradient, for searches that only want to know where no step is blocked."""
        point = self.evaluate(params)
        return point.value, self.projected(point)

    def projected(self, point: Point) -> np.ndarray:
        """The gradient without what leads out of the box."""
        if self.box is None:
            return point.gradient
        low, high = self.box
        blocked = ((point.params <= low) & (point.gradient > 0)) | ((point.params >= high) & (point.gradient < 0))
        return np.where(blocked, 0.0, point.gradient)

    def value_at(self, params: np.ndarray) -> float:
        """Value alone, at the nearest point of the box; NaN where there is none."""
        params = params.copy()
        self.project(params)
        try:
            with np.errstate(all="ignore"):
                return self.function.value(params)
        except Exception:
            return np.nan

    def project(self, params: np.ndarray) -> None:
        """Bring parameters back into the box."""
        if self.box is not None:
            np.clip(params, *self.box, out=params)

    def forget(self) -> None:
        """Evaluate anew, wherever it is: gradients are found in another way from here on."""
        self.at, self.seen = b"", (b"", np.nan)

    def estimate_noise(self, point: Point) -> float:
        """Noise of values around a point; it is kept if it is more than rounding."""
        with np.errstate(all="ignore"):
            noise = noise_along(self.value_at, point.params, point.value)
        self.noise = noise if noise > NOISY * EPS * abs(point.value) else 0.0
        return self.noise
