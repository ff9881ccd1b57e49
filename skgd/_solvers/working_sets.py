"""Proximal Newton steps on the columns that matter: an L1 penalty leaves most coefficients at zero."""

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, dsysv, dtrtrs

from .._compile.kernels import kernel
from .._kernels.constants import TINY
from .._kernels.coordinate_descent import RESTING
from .._kernels.structures import FLOAT64
from .._problem.columns import DenseColumns, SparseColumns, raw_predictions_of
from .._problem.model import LinearModel
from .._problem.rows import Rows
from ..penalties import smallest_subgradient
from .active_set import change_one_by_one

SWEEPS = 60  # until signs stay: one costs as much as a thirtieth of a factorisation, roughly
CALM_WORK = 2**17  # multiplications of sweeps that leave signs alone: they cost less than a Newton step to others
NEWTON_STEPS = 3  # of a round, until none leads to other signs
MOST_ROUNDS = 10  # what is left then waits for the next step, which may have other columns
FAR = 0.3  # of the penalty, subgradients that are left after so many: others lead nowhere soon
JITTER = 1e-12  # share of the mean diagonal that lets a singular matrix be factorised
MOST_COLUMNS = 4_000  # of a set: their matrix takes 128 MB
SMALL = 64  # parameters whose system takes less time to be factorised than another one to be bordered
CHANGED = 0.15  # of the parameters: up to so many others cost less than another factorisation
SOLUTIONS = 2  # of one system, where the matrix stays: all digits in one step save the next
SOLVED = 1e-8  # of what a system was to solve, what may be left by the factor of another one
LEAST_CURVATURE = 1e-12  # share of the mean diagonal that every column has at least
MARGIN = 0.1  # share of the penalty within which gradients that are too small may become large enough
DENSE_GROWTH, SPARSE_GROWTH = 0.25, 1.0  # columns for each that isn't zero: those of CSR are cheap beside a pass
SET_FACTOR = 2.0  # times the root of the number of columns: a matrix of so many costs less than a pass over all
FEW_COLUMNS = 64  # whose products under squared error cost less than the steps that would come to them by and by
FEW_PRODUCTS = 2**26  # of dense columns' entries: so do those that a weak penalty will let in by and by, most of them
WEAK = 50.0  # times the penalty, the largest slope from which on it is weak
WEAKER = 0.2  # times the largest slope, the weakest penalty that a step is made under
FEW_NEW = 0.05  # of a set's columns: with more, its minimum is none for long, and not worth more than one round
MOST_TURNS = 10  # of coupled outputs
SETTLED = 1e-2  # of the first turn's largest change: the next step begins with other curvature

OVERFLOWS = (
    "the features are so large that the curvature of the objective overflows; standardize=True brings them to one scale"
)

Function = Callable[[np.ndarray], np.ndarray]


class Support:
    """A matrix's inverse on some of the parameters, by the Cholesky factor of what it was on others before.

    Those that have come or gone since border that system, and the Schur complement is as small as these are few.
    """

    def __init__(self) -> None:
        self.is_own = True  # whether the last solution came from a factor of its own
        self.forget()

    def forget(self) -> None:
        """Take another factor for the next system."""
        self.base, self.lower = np.empty(0, np.int64), None  # parameters of the factor

    def solve(self, matrix: np.ndarray, free: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Solution of the system of these parameters."""
        gone, come, n_changed = self._changes(len(matrix), free)
        self.is_own = n_changed > (0 if self.base.size <= SMALL else CHANGED * self.base.size)
        if self.is_own or self.lower is None:
            self._factorise(matrix, free if self.is_own else self.base)
        if self.is_own or not n_changed:
            return dpotrs(self.lower, vector, lower=1)[0]
        full, n_gone = np.zeros(len(matrix)), gone.size
        full[free] = vector
        border = np.zeros((self.base.size, n_gone + come.size), order="F")
        border[gone, np.arange(n_gone)] = 1.0  # what has gone is zero
        border[:, n_gone:] = matrix[np.ix_(self.base, come)]
        border, solution = self._forth(border), self._forth(full[self.base])
        complement = -border.T @ border
        complement[n_gone:, n_gone:] += matrix[np.ix_(come, come)]
        right = np.concatenate([np.zeros(n_gone), full[come]]) - solution @ border
        of_border, failed = dsysv(complement, right)[2:]
        if failed:
            self.forget()
            return self.solve(matrix, free, vector)
        full[come] = of_border[n_gone:]
        full[self.base] = self._back(solution - border @ of_border)
        return full[free]

    def _changes(self, n: int, free: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Where those that have gone are in the base, those that have come, and how many they are."""
        if not self.base.size:
            return self.base, free, free.size
        is_free, is_base = np.zeros((2, n), dtype=bool)
        is_free[free] = is_base[self.base] = True
        gone, come = (~is_free[self.base]).nonzero()[0], free[~is_base[free]]
        return gone, come, gone.size + come.size

    def _forth(self, vectors):
        return dtrtrs(self.lower, vectors, lower=1)[0]

    def _back(self, vectors):
        return dtrtrs(self.lower, vectors, lower=1, trans=1)[0]

    def _factorise(self, matrix, free):
        among, of_free = kernel("among", FLOAT64), np.empty((free.size, free.size))
        diagonal = of_free.ravel()[:: free.size + 1]
        jitter, failed = JITTER / free.size * float(matrix.diagonal()[free].sum()), True
        while failed:
            among(matrix, free, of_free)
            diagonal += jitter
            self.lower, failed = dpotrf(of_free.T, lower=1, overwrite_a=1, clean=0)
            jitter = max(100 * jitter, TINY)
        self.base = free


def least_with_l1(
    matrix: np.ndarray,
    params: np.ndarray,
    gradient: np.ndarray,
    l1: np.ndarray,
    most_rounds: int = MOST_ROUNDS,
    support: Support | None = None,
) -> np.ndarray:
    """Step to the minimum of g'step + step'H step / 2 + sum_j l1_j |params_j + step_j|, or as far as rounds lead.

    Coordinate descent finds signs, a Newton step among the parameters that aren't zero the minimum that these have.
    H is the first rows and columns of the matrix, which may have room for more.
    """
    if not np.isfinite(np.diagonal(matrix)[: params.size]).all():  # all others lie between its entries
        raise ValueError(OVERFLOWS)
    descend, most_solutions = kernel("coordinate_descent", FLOAT64), 1 if support is None else SOLUTIONS
    support = support or Support()
    slope, step = gradient.copy(), np.zeros_like(params)
    calm = min(max(CALM_WORK // max(params.size, 1) ** 2, 1), SWEEPS)
    solved = False
    for _ in range(most_rounds):
        if descend(matrix, params, l1, slope, step, 1 if solved else calm, SWEEPS + calm) == 1 and solved:
            break
        for _ in range(NEWTON_STEPS):  # on end: coordinates would take back what these make zero
            solved = _newton(matrix, params, l1, slope, step, support, most_solutions)
            if solved:
                break
    else:
        left = np.abs(smallest_subgradient(params + step, slope, l1)).max()
        if most_rounds == MOST_ROUNDS and left > FAR * l1.max():
            change_one_by_one(matrix, params, l1, slope, step, support)
    return step


def _newton(matrix, params, l1, slope, step, support, most_solutions) -> bool:
    """Go to the minimum among parameters that aren't zero, or as far as signs stay; whether it is reached.

    Another solution makes up for the digits that one by a factor of almost the same matrix lacks.
    """
    now = params + step
    free = ((now != 0) | (l1 == 0)).nonzero()[0]
    if not free.size:
        return True
    now = now[free]
    limit = np.copysign(l1[free], now)
    downhill = -(slope[free] + limit)
    first = left = np.abs(downhill).max()
    rounding = RESTING * l1.max()
    for _ in range(most_solutions):
        if left <= rounding:
            return True
        direction = support.solve(matrix, free, downhill)
        aim = now + direction
        crossed = (aim * limit < 0).nonzero()[0]
        if crossed.size:
            aim = _between_orthants(matrix[free[crossed]][:, free], downhill, now, direction, crossed)
        change = aim - now
        step[free] = np.where(aim == 0, -params[free], step[free] + change)
        kernel("add_multiples", FLOAT64)(matrix, free, change, slope)
        if crossed.size:
            return False
        now, downhill = aim, -(slope[free] + limit)
        left = np.abs(downhill).max()
    if support.is_own or left <= max(SOLVED * first, rounding):
        return True
    support.forget()  # its digits are lost
    return False


def _between_orthants(rows, downhill, now, direction, crossed):
    """Where to go along a direction that leads to other signs: as far as setting these to zero pays.

    rows are those of the matrix for the parameters that have crossed; times the direction it is downhill.
    """
    zeros = now[crossed] / -direction[crossed]
    length = float(zeros.min())  # to the first zero, which is downhill
    best, found = np.inf, now
    while True:
        beyond, aim = zeros <= length, now + length * direction
        at = crossed[beyond]
        back, aim[at] = -aim[at], 0.0
        # in its orthant the penalty is linear
        gain = float((aim - now) @ ((0.5 * length - 1.0) * downhill + 0.5 * (back @ rows[beyond])))
        if not gain < best:
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
        self.bounded = False  # whether they are bounds
        self.weighed_at: tuple[np.ndarray, bool] | None = None  # parameters that the weights are of, and whether bounds
        self.raw_there = np.empty((0, 0))
        self.coupling: Callable[[np.ndarray], np.ndarray | None]  # of the outputs at raw predictions, as losses have it
        make = DenseColumns if rows.is_dense else SparseColumns
        self.sets = [make(rows, model.trains_intercept) for _ in self.ridge]
        self.supports = [Support() for _ in self.ridge]
        if quadratic:
            for each in self.sets:
                each.weigh(rows.shares)

    def state(self) -> list:
        """Which columns there are: the sums of their moments have last digits that depend on how they came."""
        return [[list(columns.parts), each.base] for columns, each in zip(self.sets, self.supports, strict=True)]

    def penalise(self, ridge: np.ndarray) -> None:
        """Take another ridge."""
        self.ridge = ridge.reshape(self.ridge.shape)
        for support in self.supports:
            support.forget()

    def restore(self, state: list) -> None:
        """Hold the same columns, to the same bits."""
        for columns, support, (parts, base) in zip(self.sets, self.supports, state, strict=True):
            for part in parts:
                (columns.add if self.quadratic else columns.replace)(part)
            support.base = np.asarray(base)

    def solve(self, gradient):
        raise NotImplementedError("nothing is known of columns outside of the sets")

    def proximal_step(self, params, gradient, l1):
        step = np.zeros_like(params)
        if np.abs(smallest_subgradient(params, gradient, l1)).max() <= RESTING * l1.max():
            return step
        parts = [array.reshape(self.ridge.shape) for array in (params, gradient, l1, step)]
        if self.quadratic:
            for each in zip(self.sets, self.supports, self.ridge, *parts, strict=True):
                self._step_down(*each)
            return step
        wanted = [chosen(*of_output[:3], self.most, self.growth) for of_output in zip(*parts, strict=True)]
        share = self.coupling(self._renew(params, wanted))
        if share is not None:
            self._step_by_turns(share, *parts)
            return step
        for columns, *of_output in zip(self.sets, self.ridge, *parts, strict=True):
            self._step(columns, Support(), *of_output)
        return step

    def _step_by_turns(self, share, params, gradient, l1, step):
        """Step by one output after the other, each after what the steps of the others have changed, until little is.

        The Hessian of a row's loss by its outputs is diag(h + share^2) - share share'.
        """
        supports = [Support() for _ in self.sets]
        moved, mixed = np.zeros_like(share), np.zeros(len(share))  # raw predictions, and share'moved
        first = 0.0
        for _ in range(MOST_TURNS):
            largest = 0.0
            for k, (columns, support) in enumerate(zip(self.sets, supports, strict=True)):
                others = self.rows.shares * share[:, k] * (mixed - share[:, k] * moved[:, k])
                of_rows = columns.weight * moved[:, k] - others
                slope, change = gradient[k] + self.ridge[k] * step[k], np.zeros_like(step[k])
                slope[columns.numbers] += columns.sums(of_rows)
                slope[-1] += of_rows.sum()
                self._step(columns, support, self.ridge[k], params[k] + step[k], slope, l1[k], change)
                raw = columns.raw(change[columns.numbers]) + change[-1]
                step[k] += change
                moved[:, k] += raw
                mixed += share[:, k] * raw
                largest = max(largest, float(np.abs(change).max()))
            first = first or largest
            if largest <= SETTLED * first:
                return

    def _step_down(self, columns, support, ridge, params, gradient, l1, step):
        """Step by penalties that come down to the one that is wanted: under most of them few columns aren't zero.

        Where the last one is much stronger, more columns would be worth a step than are in the end.
        """
        zero = (params == 0) & (l1 > 0)
        largest = float((np.abs(gradient[zero]) / l1[zero]).max(initial=0.0))
        if self._costs_little(columns, weak=largest > WEAK):
            self._hold(columns, support, np.arange(params.size - 1))
            self._step(columns, support, ridge, params, gradient, l1, step)
            return
        for under in [WEAKER * largest * l1, l1] if WEAKER * largest > 1 else [l1]:
            n_new = self._hold(columns, support, chosen(params, gradient, under, self.most, self.growth))
            rounds = 1 if n_new > FEW_NEW * columns.numbers.size else MOST_ROUNDS
            step[:] = 0.0
            self._step(columns, support, ridge, params, gradient, under, step, rounds)
            if l1 @ np.abs(params + step) >= l1 @ np.abs(params):  # else the last penalty was a weaker one
                return

    def _costs_little(self, columns, weak: bool) -> bool:
        """Whether a set of all columns takes less time than the steps of one that grows."""
        rows, n = self.rows, self.rows.n_features
        if n <= FEW_COLUMNS or columns.numbers.size == n:
            return True
        return weak and rows.is_dense and n <= rows.n_rows and rows.n_rows * n**2 * len(self.sets) <= FEW_PRODUCTS

    def _hold(self, columns, support, numbers) -> int:
        """Have a set hold some columns; how many of them it lacked."""
        lacking = columns.lacking(numbers)
        if columns.numbers.size + lacking.size > self.most:
            columns.replace(numbers)
            columns.weigh(columns.weight)
            support.forget()
        else:
            columns.add(lacking)
        return lacking.size

    def _renew(self, params, wanted):
        """Take the curvature at these parameters; the raw predictions there."""
        stays = self.weighed_at is not None and self.weighed_at[0] is params and self.weighed_at[1] == self.bounded
        if stays and all(columns.numbers.size for columns in self.sets):  # to which others can be added
            for columns, numbers in zip(self.sets, wanted, strict=True):  # another penalty may want more
                columns.add(columns.lacking(numbers))
            return self.raw_there
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
            # where all rows lie on straight pieces, as outliers of Huber's loss do, steps are those of squared error
            columns.weigh(np.ascontiguousarray(weight) if weight.any() else self.rows.shares)
        self.weighed_at, self.raw_there = (params, self.bounded), raw
        return raw

    def _step(self, columns, support, ridge, params, gradient, l1, step, most_rounds=MOST_ROUNDS):
        at, of_intercept = columns.numbers, float(gradient[-1])
        if at.size:
            along = gradient[at] - columns.mean * of_intercept if self.model.trains_intercept else gradient[at]
            if columns.has_matrix:
                diagonal = np.einsum("ii->i", columns.matrix)[: at.size]
                before, least = diagonal.copy(), LEAST_CURVATURE * max(float(diagonal.mean()), TINY)
                np.maximum(before + ridge[at], least, out=diagonal)
                step[at] = least_with_l1(columns.matrix, params[at], along, l1[at], most_rounds, support)
                diagonal[:] = before
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
