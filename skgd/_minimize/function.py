"""Any function of a vector: how it is called, and as what is minimised."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize._numdiff import approx_derivative  # the differences of scipy.optimize.minimize, in no public place

DIFFERENCES = "2-point", "3-point", "cs"
Box = tuple[np.ndarray, np.ndarray]


class Function:
    """sign times fun(x, *args), for x of any shape, and its gradient; whatever goes wrong in them passes through.

    Parameters are flat here. Finite differences, where there is no jac, stay within the box.
    """

    def __init__(self, fun: Callable, jac, args: tuple, shape: tuple[int, ...], sign: float, box: Box | None):
        self.fun, self.jac, self.args, self.shape, self.sign, self.box = fun, jac, args, shape, sign, box
        self.counts = {"nfev": 0, "njev": 0}

    @property
    def differentiates(self) -> bool:
        """Whether the gradient comes from finite differences of the function, not from the user."""
        return not callable(self.jac) and self.jac is not True

    def shaped(self, params: np.ndarray) -> Any:
        """Flat variables as the user's function takes them."""
        return params.reshape(self.shape) if self.shape else params[0]

    def value(self, params: np.ndarray) -> float:
        """Value alone."""
        return self.sign * (self._pair(params)[0] if self.jac is True else self._value(params))

    def value_and_gradient(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Both; a gradient of NaN where the value isn't finite."""
        if self.jac is True:
            value, gradient = self._pair(params)
        else:
            value = self._value(params)
            gradient = self._gradient(params, value) if math.isfinite(value) else np.full(params.size, np.nan)
        return self.sign * value, self.sign * gradient

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
        if np.size(value) != 1 or np.iscomplexobj(value):
            raise ValueError(f"fun must return a real number, it returned {value!r:.200}")
        return float(np.asarray(value).reshape(()))

    def _gradient(self, params, value):
        self.counts["njev"] += 1
        if callable(self.jac):
            return self._vector(self.jac(self.shaped(params.copy()), *self.args))

        low, high = (-np.inf, np.inf) if self.box is None else self.box
        free = np.broadcast_to(low < high, params.shape)  # there are no differences where there is no room

        def of_free(x):
            self.counts["nfev"] += 1
            whole = params.astype(x.dtype)  # complex for complex steps
            whole[free] = x
            return np.asarray(self.fun(self.shaped(whole), *self.args)).reshape(())

        gradient = np.zeros(params.size)
        if free.any():
            bounds = tuple(np.broadcast_to(limit, params.shape)[free] for limit in (low, high))
            method = self.jac or DIFFERENCES[0]
            gradient[free] = approx_derivative(of_free, params[free], method=method, f0=value, bounds=bounds)
        return gradient

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
        self.trouble: str | None = None

    def begin(self, params: np.ndarray) -> None:
        """Evaluate where nothing is lost yet: errors of the user's functions pass through.

        Raises
        ------
        ValueError
            If value or gradient have the wrong shape or aren't finite.
        """
        function = self.function
        value, gradient = self._evaluate(params)
        for name, found in ("fun", value), ("jac" if callable(function.jac) else "the gradient", gradient):
            if not np.isfinite(found).all():
                at = f"{function.shaped(params)!s:.200}"
                raise ValueError(f"{name} is not finite at x0: it is {found!s:.200} at {at}")
        self.first = self.last = self.best = Point(params.copy(), value, gradient)
        self.at = params.tobytes()

    def reference(self, dtype: np.dtype) -> float:
        """Where it began: the measure of what is much and what is little."""
        return self.first.value

    def evaluate(self, params: np.ndarray) -> Point:
        """Value and gradient at the parameters; nothing is called where these are the last ones."""
        at = params.tobytes()
        if at == self.at:
            return self.last
        try:
            value, gradient = self._evaluate(params)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}, at x = {self.function.shaped(params)!s:.200}"
            value, gradient = np.nan, np.full(params.size, np.nan)
        if self.trouble is not None and not np.isfinite(gradient).all():
            value = np.nan  # a point from which no step can be made
        self.at, self.last = at, Point(params.copy(), value, gradient)
        if value < self.best.value:
            self.best = self.last
        return self.last

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient, for line searches."""
        point = self.evaluate(params)
        return point.value, point.gradient

    def value_at(self, params: np.ndarray) -> float:
        """Value alone, at the nearest point of the box; NaN where there is none."""
        params = params.copy()
        self.project(params)
        try:
            with np.errstate(all="ignore"):
                return self.function.value(params)
        except Exception:
            return np.nan

    def leads_out(self, params: np.ndarray) -> bool:
        """No: whatever is evaluated is looked at."""
        return False

    def project(self, params: np.ndarray) -> None:
        """Bring parameters back into the box."""
        if self.box is not None:
            np.clip(params, *self.box, out=params)

    def _evaluate(self, params):
        function = self.function
        with np.errstate(all="ignore"):  # what isn't finite is looked after
            value, gradient = function.value_and_gradient(params)
        if not math.isfinite(value):
            self.trouble = f"fun is {function.sign * value} at x = {function.shaped(params)!s:.200}"
        elif not np.isfinite(gradient).all():
            at = f"{function.shaped(params)!s:.200}"
            self.trouble = f"the gradient is {function.shaped(function.sign * gradient)!s:.200} at x = {at}"
        if self.box is not None:  # no step leads out of the box
            low, high = self.box
            gradient[((params <= low) & (gradient > 0)) | ((params >= high) & (gradient < 0))] = 0.0
        return value, gradient
