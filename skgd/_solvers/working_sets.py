"""Proximal Newton steps on the columns that matter: an L1 penalty leaves most coefficients at zero."""

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from .._compile.kernels import kernel
from .._kernels.constants import TINY
from .._kernels.structures import FLOAT64
from .._problem.columns import DenseColumns, SparseColumns, raw_predictions_of
from .._problem.model import LinearModel
from .._problem.rows import Rows
from ..penalties import smallest_subgradient

SWEEPS = 30  # until signs stay: one costs as much as a thirtieth of a factorisation, roughly
MOST_ROUNDS = 10  # what is left then waits for the next step, which may have other columns
JITTER = 1e-12  # share of the mean diagonal that lets a singular matrix be factorised
MOST_COLUMNS = 4_000  # of a set: their matrix takes 128 MB
LEAST_RIDGE = 1e-12  # share of the mean diagonal that every column has at least
MARGIN = 0.1  # share of the penalty within which gradients that are too small may become large enough
DENSE_GROWTH, SPARSE_GROWTH = 0.25, 1.0  # columns for each that isn't zero: those of CSR are cheap beside a pass
SET_FACTOR = 2.0  # times the root of the number of columns: a matrix of so many costs less than a pass over all
RESTING = 1e-12  # share of the penalty: smaller subgradients are rounding

OVERFLOWS = (
    "the features are so large that the curvature of the objective overflows; standardize=True brings them to one scale"
)

Function = Callable[[np.ndarray], np.ndarray]


def least_with_l1(matrix: np.ndarray, params: np.ndarray, gradient: np.ndarray, l1: np.ndarray) -> np.ndarray:
    """Step to the minimum of g'step + step'H step / 2 + sum_j l1_j |params_j + step_j|.

    Coordinate descent finds signs, a Newton step among the parameters that aren't zero the minimum that these have.
    """
    if not np.isfinite(matrix).all():
        raise ValueError(OVERFLOWS)
    descend = kernel("coordinate_descent", FLOAT64)
    slope, step = gradient.copy(), np.zeros_like(params)
    solved = False
    for _ in range(MOST_ROUNDS):
        if descend(matrix, params, l1, slope, step, SWEEPS) == 1 and solved:
            break
        solved = _newton(matrix, params, l1, slope, step)
    return step


def _newton(matrix, params, l1, slope, step) -> bool:
    """Go to the minimum among parameters that aren't zero, or as far as signs stay; whether it is reached."""
    now = params + step
    free = np.flatnonzero((now != 0) | (l1 == 0))
    if not free.size:
        return True
    of_free, sign = matrix[np.ix_(free, free)], np.sign(now[free])
    jitter = JITTER * float(np.diagonal(of_free).mean())
    downhill = -(slope[free] + l1[free] * sign)
    failed = True
    while failed:
        lower = of_free.copy()
        lower.flat[:: free.size + 1] += jitter
        lower, failed = dpotrf(lower.T, lower=1, overwrite_a=1)
        jitter = max(100 * jitter, TINY)
    direction = dpotrs(lower, downhill, lower=1)[0]
    aim = now[free] + direction
    crossed = (aim * sign < 0) & (l1[free] > 0)
    whole = not crossed.any()
    if not whole:
        aim = _between_orthants(of_free, downhill, now[free], direction, crossed)
    change = np.zeros_like(step)
    change[free] = aim - now[free]
    step[free] = np.where(aim == 0, -params[free], step[free] + change[free])
    slope += change @ matrix
    return whole


def _between_orthants(matrix, downhill, now, direction, crossed):
    """Where to go along a direction that leads to other signs: as far as setting these to zero pays."""
    length = float(np.min(now[crossed] / -direction[crossed]))  # to the first zero, which is downhill
    best, found = np.inf, now
    while True:
        aim = now + length * direction
        aim[crossed & (aim * now <= 0)] = 0.0
        aim[crossed & (length * np.abs(direction) >= np.abs(now))] = 0.0  # whatever rounding says
        change = aim - now
        gain = float(change @ (0.5 * (matrix @ change) - downhill))  # in its orthant the penalty is linear
        if gain >= best:
            return found
        best, found = gain, aim
        if length == 1.0:
            return found
        length = min(2.0 * length, 1.0)


class WorkingSets:
    """The curvature of the columns that are not zero, or shouldn't be: a model that chooses them anew in every step.

    A set holds all columns that aren't zero, and of the others those with the largest gradients (Johnson and Guestrin
    2015; Massias, Gramfort and Salmon 2018). Of a quadratic loss, whose curvature stays, it only grows.
    """

    rough = False

    def __init__(self, rows: Rows, model: LinearModel, ridge: np.ndarray, quadratic: bool):
        self.rows, self.model, self.ridge = rows, model, ridge.reshape(model.n_outputs, -1)
        self.quadratic = quadratic
        # CSR has matrices of few columns alone
        self.most, self.growth = (MOST_COLUMNS, DENSE_GROWTH) if rows.is_dense else (rows.n_features, SPARSE_GROWTH)
        self.second_derivatives: Function  # of the rows' losses at raw predictions, by the shares of the rows
        make = DenseColumns if rows.is_dense else SparseColumns
        self.sets = [make(rows, model.trains_intercept) for _ in self.ridge]
        if quadratic:
            for each in self.sets:
                each.weigh(rows.shares)

    def state(self) -> list:
        """Which columns there are: the sums of their moments have last digits that depend on how they came."""
        return [list(columns.parts) for columns in self.sets]

    def restore(self, state: list) -> None:
        """Hold the same columns, to the same bits."""
        for columns, parts in zip(self.sets, state, strict=True):
            for part in parts:
                (columns.add if self.quadratic else columns.replace)(part)

    def solve(self, gradient):
        raise NotImplementedError("nothing is known of columns outside of the sets")

    def proximal_step(self, params, gradient, l1):
        step = np.zeros_like(params)
        if np.all(np.abs(smallest_subgradient(params, gradient, l1)) <= RESTING * l1.max()):
            return step
        parts = [array.reshape(self.ridge.shape) for array in (params, gradient, l1, step)]
        wanted = [chosen(*of_output[:3], self.most, self.growth) for of_output in zip(*parts, strict=True)]
        if not self.quadratic:
            self._renew(params, wanted)
        for columns, numbers, ridge, *of_output in zip(self.sets, wanted, self.ridge, *parts, strict=True):
            lacking = columns.lacking(numbers)
            if columns.numbers.size + lacking.size > self.most:
                columns.replace(numbers)
                columns.weigh(columns.weight)
            else:
                columns.add(lacking)
            self._step(columns, ridge, *of_output)
        return step

    def _renew(self, params, wanted):
        """Take the curvature at these parameters."""
        blocks = params.reshape(self.ridge.shape)
        for columns, numbers in zip(self.sets, wanted, strict=True):
            if columns.lacking(numbers).size:
                columns.replace(numbers)
        if all(
            np.count_nonzero(b[:-1]) == np.count_nonzero(b[c.numbers]) for b, c in zip(blocks, self.sets, strict=True)
        ):
            raw = np.stack([c.raw(b[c.numbers]) + b[-1] for b, c in zip(blocks, self.sets, strict=True)], axis=1)
        else:
            raw = raw_predictions_of(self.rows, self.model, params)
        for columns, weight in zip(self.sets, self.second_derivatives(raw).T, strict=True):
            columns.weigh(np.ascontiguousarray(weight))

    def _step(self, columns, ridge, params, gradient, l1, step):
        at, of_intercept = columns.numbers, float(gradient[-1])
        if at.size:
            along = gradient[at] - columns.mean * of_intercept if self.model.trains_intercept else gradient[at]
            if columns.has_matrix:
                diagonal = np.diagonal(columns.matrix).copy()
                least = LEAST_RIDGE * max(float(diagonal.mean()), TINY)
                np.fill_diagonal(columns.matrix, diagonal + np.maximum(ridge[at], least))
                step[at] = least_with_l1(columns.matrix, params[at], along, l1[at])
                np.fill_diagonal(columns.matrix, diagonal)
            else:
                step[at] = columns.least_with_l1(params[at], along, l1[at], ridge[at])
        if self.model.trains_intercept:
            step[-1] = -of_intercept / columns.total - float(columns.mean @ step[at])


def chosen(params: np.ndarray, gradient: np.ndarray, l1: np.ndarray, most: int, growth: float) -> np.ndarray:
    """Numbers of the columns that are worth a step, sorted: the intercept, last of all, is none of them."""
    params, gradient, l1 = params[:-1], gradient[:-1], l1[:-1]
    n_free, few = int(np.count_nonzero(params)), int(SET_FACTOR * np.sqrt(params.size))
    size = min(params.size, most, n_free + max(int(growth * n_free), few))
    if n_free + few > size < params.size:  # too many that aren't zero: those that are farthest from their optimum
        excess = np.abs(smallest_subgradient(params, gradient, l1))
    else:
        excess = np.where(params != 0, np.inf, np.abs(gradient) - l1)
    at = np.flatnonzero(excess > -MARGIN * l1)
    return at if at.size <= size else np.sort(at[np.argpartition(-excess[at], size - 1)[:size]])
