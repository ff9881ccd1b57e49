"""Any function of a vector as an objective: what it takes for the loop to descend on it."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize._numdiff import approx_derivative  # the differences of scipy.optimize.minimize, in no public place

from .._kernels.structures import FLOAT64, Data, Evaluation, Features, Storage
from .._problem.scaling import Scaling
from .._solvers.quasi_newton import SteepestDescent
from .._solvers.training import Training, new_training
from ..losses import Loss
from ..optimizers.base import Optimizer
from ..optimizers.sgd import SGD

DIFFERENCES = "2-point", "3-point", "cs"
CURVATURE_STEPS = 5
Box = tuple[np.ndarray, np.ndarray]


class ObjectiveItself(Loss):
    """The loss of a model whose prediction is the objective itself."""

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        derivative[0, 0] = weight[0]
        return weight[0] * raw[0, 0]


class LineSearch(SGD):
    """Steepest descent, whose steps are as long as a line search finds them."""

    searches_line = True
    memory = 0
    default_learning_rate = 1.0  # of the length that the search proposes
    preconditioner = None


class FunctionObjective:
    """sign times fun(x, *args), for x of any shape, and its gradient, within a box if there is one.

    Whatever goes wrong in the user's functions, after the first evaluation, is a value of NaN: it is up to the loop to
    take smaller steps, or to return to the best point. `trouble` tells what it was.
    """

    kind = Evaluation
    in_python = random = False
    n_outputs = 1

    def __init__(self, fun: Callable, jac, args: tuple, shape: tuple[int, ...], sign: float, box: Box | None):
        self.fun, self.jac, self.args, self.shape, self.sign, self.box = fun, jac, args, shape, sign, box
        self.n_params = int(np.prod(shape))
        self.params = np.full(self.n_params, np.nan)  # of the last evaluation
        self.value, self.gradient = np.full(1, np.nan), np.full(self.n_params, np.nan)
        self.best: tuple[np.ndarray, float, np.ndarray] | None = None
        self.counts = {"nfev": 0, "njev": 0}  # shared by copies
        self.trouble: str | None = None

    # -- the function

    @property
    def differentiates(self) -> bool:
        """Whether the gradient comes from finite differences of the function, not from the user."""
        return not callable(self.jac) and self.jac is not True

    def first_evaluation(self, params: np.ndarray) -> None:
        """Evaluate where nothing is lost yet: errors of the user's functions pass through.

        Raises
        ------
        ValueError
            If value or gradient have the wrong shape or aren't finite.
        """
        value, gradient = self._evaluate(params)
        for name, found in ("fun", value), ("jac" if callable(self.jac) else "the gradient", gradient):
            if not np.isfinite(found).all():
                raise ValueError(f"{name} is not finite at x0: it is {found!s:.200} at {self.shaped(params)!s:.200}")
        self._remember(params, value, gradient)

    def evaluate(self, params: np.ndarray) -> None:
        """Find value and gradient at the parameters, unless these are the last ones."""
        if np.array_equal(params, self.params):
            return
        try:
            value, gradient = self._evaluate(params)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}, at x = {self.shaped(params)!s:.200}"
            value, gradient = np.nan, np.full(self.n_params, np.nan)
        if not np.isfinite(gradient).all():
            value = np.nan  # a point from which no step can be made
        self._remember(params, value, gradient)

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient, for line searches."""
        self.evaluate(params)
        return float(self.value[0]), self.gradient.copy()

    def value_at(self, params: np.ndarray) -> float:
        """Value alone, at the nearest point of the box; NaN where there is none."""
        params = params.copy()
        self.project(params)
        try:
            with np.errstate(all="ignore"):
                if self.jac is True:
                    return self._evaluate(params)[0]
                return self.sign * self._value(params)
        except Exception:
            return np.nan

    def _remember(self, params, value, gradient):
        self.params[:], self.value[0], self.gradient[:] = params, value, gradient
        if value < (np.inf if self.best is None else self.best[1]):
            self.best = params.copy(), float(value), gradient.copy()

    def shaped(self, params: np.ndarray) -> Any:
        """Flat variables as the user's function takes them."""
        return params.reshape(self.shape) if self.shape else params[0]

    def _evaluate(self, params):
        with np.errstate(all="ignore"):  # what isn't finite is looked after
            if self.jac is True:
                self.counts["nfev"] += 1
                self.counts["njev"] += 1
                returned = self.fun(self.shaped(params.copy()), *self.args)
                if not isinstance(returned, tuple | list) or len(returned) != 2:
                    raise ValueError(f"with jac=True fun must return (value, gradient), it returned {returned!r:.200}")
                value, gradient = self._number(returned[0]), self._vector(returned[1])
            else:
                value = self._value(params)
                gradient = self._gradient(params, value) if np.isfinite(value) else np.full(self.n_params, np.nan)
        value, gradient = self.sign * value, self.sign * gradient
        if not np.isfinite(value):
            self.trouble = f"fun is {self.sign * value} at x = {self.shaped(params)!s:.200}"
        elif not np.isfinite(gradient).all():
            at = f"{self.shaped(params)!s:.200}"
            self.trouble = f"the gradient is {self.shaped(self.sign * gradient)!s:.200} at x = {at}"
        if self.box is not None:  # no step leads out of the box
            low, high = self.box
            gradient[((params <= low) & (gradient > 0)) | ((params >= high) & (gradient < 0))] = 0.0
        return value, gradient

    def _value(self, params):
        self.counts["nfev"] += 1
        return self._number(self.fun(self.shaped(params.copy()), *self.args))

    def _number(self, value):
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

        gradient = np.zeros(self.n_params)
        if free.any():
            bounds = tuple(np.broadcast_to(limit, params.shape)[free] for limit in (low, high))
            method = self.jac or DIFFERENCES[0]
            gradient[free] = approx_derivative(of_free, params[free], method=method, f0=value, bounds=bounds)
        return gradient

    def _vector(self, gradient):
        gradient = np.array(gradient, dtype=np.float64)
        if gradient.shape != self.shape and not gradient.size == self.n_params == 1:
            raise ValueError(f"jac must return an array of shape {self.shape}, as x0; it returned {gradient.shape}")
        return gradient.reshape(-1)

    def project(self, params: np.ndarray) -> None:
        """Bring parameters back into the box."""
        if self.box is not None:
            np.clip(params, *self.box, out=params)

    # -- as a model, for the loop

    @staticmethod
    def compute_dtype(storage: Storage) -> np.dtype:
        return FLOAT64

    def model(self, storage: Storage, random: np.ndarray | None = None) -> Evaluation:
        return Evaluation(self.value, self.gradient)

    def block_size(self, batch_size: int, itemsize: int) -> int:
        return 1

    def n_work(self, block_size: int, storage: Storage) -> int:
        return 0

    def largest_product(self, n_rows: int) -> int:
        return 0

    def flops_per_row(self) -> int:
        return self.n_params

    def penalised(self, factor: np.ndarray) -> np.ndarray:
        return np.ones(self.n_params)  # decoupled decay of weights takes all of them


def one_row() -> Data:
    """Data of a single row, which nobody looks at: the function knows all by itself."""
    one, nothing = np.ones((1, 1)), np.zeros(1)
    for array in (no_weight := np.empty(0), no_subset := np.empty(0, np.int64), one):
        array.flags.writeable = False
    return Data(Features(one, nothing, np.ones(1)), one, nothing, np.ones(1), no_weight, no_subset)


def training_on(objective: FunctionObjective, optimizer: Optimizer, rate: float, params: np.ndarray) -> Training:
    """Training of the function's variables from `params` on."""
    scaling = Scaling(np.zeros(1), np.ones(1), np.zeros(1), np.ones(1))
    return new_training(objective, ObjectiveItself(), optimizer, scaling, params, FLOAT64, (rate, False), None, seed=1)


def rate_on(objective: FunctionObjective, params: np.ndarray) -> float | None:
    """The inverse of the largest curvature that a few steps with a line search meet; None if there was none."""
    known = [array.copy() for array in (objective.params, objective.value, objective.gradient)]
    probe = copy.copy(objective)
    search = SteepestDescent(probe, params.copy(), objective.box)
    for _ in range(CURVATURE_STEPS):
        if not search.look() > 0 or not search.move():
            break
    objective.params[:], objective.value[:], objective.gradient[:] = known  # which the copy shares
    objective.best, objective.trouble = probe.best, probe.trouble
    return min(search.short) if search.short else None
