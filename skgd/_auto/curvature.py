"""What a linear model's curvature is learnt from, and whether data are small enough for Newton's method."""

from typing import Any

import numpy as np

from .._kernels.structures import FLOAT64
from .._problem.features import left_to_center, squared
from .._problem.model import LinearModel
from .._problem.objective import pointwise
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._problem.sample import ROWS_PER_PARAMETER, SAMPLE_ENTRIES, SAMPLE_ROWS, is_curved_everywhere, more_rows
from .._solvers.curvature import NEWTON_COLUMNS
from .._solvers.interior_point import FEW_ENTRIES, sparse_entries
from .._solvers.plan import CurvaturePlan

DIAGONAL_ROWS = 4_000  # some thirty for each of the columns that have a matrix beside the diagonal
MATRIX_COLUMNS = 3_000  # up to here a matrix costs less than the hundreds of steps that correlated columns take without
FEWER_MATRIX_COLUMNS = 1_000  # sparse columns are less correlated; an L1 penalty takes many sweeps over a matrix
WIDE = 300  # from so many columns on fewer rows make smaller matrices
MATRIX_ROWS = 1_000  # so many make a matrix that is factorised in less than a tenth of a second
LOW_RANK_MOST_ROWS = 3_000  # as many as columns have a matrix
ROWS_FOR_ALL_COLUMNS = 4  # times columns: from so many rows on one matrix of all columns makes up for itself
ROWS_PER_COLUMN = 10  # of which the curvature of chosen columns is learnt, which are a part of all
COUPLED_PARAMETERS = 200  # up to here a matrix of all classes together saves passes that cost more than it does
COUPLED_PARAMETERS_L1 = 700  # proximal steps learn nothing from those before: without it they are hundreds
TRIED_ROWS = 600  # from which on gradients alone are tried before a matrix of the rows' products
TRIED_COLUMNS = 300  # from which on they are tried before a matrix of all columns, if rows are few enough to be in it
LEAST_L2 = 1e-8  # with which the gradients of outputs that are coupled come to an end before their matrices
APART = 0.15  # directions per column that hold the variance: where they are fewer, gradients lead nowhere soon
EVEN_ROWS = 100  # tell whether columns have about the same scale:
EVEN = 100.0  # times the smallest mean square, at most,
LARGE_RIDGE = 0.1  # of the columns' mean square: under such a one rows change their pieces a few times
MOST_RIDGES = 8
EVEN_SHARE = 0.05  # or of the sum of all: the diagonal knows columns that hold more, gradients come to them by turns
LEAST_BY_DIAGONAL = 200  # steps, which mostly do
NEWTON_STEPS = 5  # that lead to the optimum, under each ridge, from where these have come to
PRODUCTS_OF_STEP = 16  # of matrices of some hundred rows in the time that a step takes for an entry of CSR
STEP_ENTRIES = 1e5  # in the time of what a step takes beside its entries
LEAST_MATRIX_WORK = 2**25  # multiplications for a matrix, from which on tens of products with CSR cost less
MOST_WORK = 2**22  # multiplications of a step up to which BLAS isn't faster
ROWS_BY_KINKS = 25  # times columns: up to so many rows, or pieces, steps inside cost less than seven widths of kinks
FEW_ROWS_BY_KINKS = 1_000  # a few milliseconds, where rounded kinks leave up to a hundredth of what is to gain
ROWS_BY_MULTIPLIERS = 200  # times columns: of more, rounded kinks leave some millionth of what is gained, and sooner
SPARSE_ROWS_BY_KINKS = 200  # the same where products are those of pairs of entries
MATRIX_COLUMNS_BY_KINKS = 4_000  # or rows: a matrix that is factorised in half a second
FAR_APART = 1e18  # times the smallest mean square of a column
MOST_PAIRS = 2**27  # of entries of CSR in a row, or a column: a second for a matrix of their products
MOST_HELD = 2**26  # entries of rows that are copied for steps among kinks: half a GiB
MOST_SWEPT = 2**19  # entries that processors keep near, where sweeps over them cost less than NumPy's calls,
ROWS_SWEPT, COLUMNS_SWEPT = 10_000, 4  # in rows of which there are at most so many, and so many columns for each
LOSS_WORK = 1_000  # of them in the time that the losses of a row take, three times


def curvature_plan(problem: Problem, preconditioner: str | None) -> CurvaturePlan | None:
    """What a model of the curvature is made from; None where there is none."""
    model, rows = problem.model, problem.rows
    if preconditioner is None or not isinstance(model, LinearModel):
        return None
    n, p = rows.n_rows, model.n_features + 1
    most_entries = SAMPLE_ENTRIES * (2 if problem.loss.quadratic else 1)  # which conjugate gradients seldom leave to it
    wide = 2 * n < p and p >= WIDE and (n <= MATRIX_ROWS or n * p <= most_entries)
    n_matrices = 1 if problem.loss.quadratic else model.n_outputs
    few_rows = rows.is_dense and wide and n_matrices * n**2 <= LOW_RANK_MOST_ROWS**2
    few_rows = few_rows and (model.n_outputs == 1 or (problem.loss.smooth and problem.l1 is None))
    kind = preconditioner
    if kind == "working_sets" and not can_choose_columns(problem):
        kind = "auto"
    if kind == "auto":
        most_columns = MATRIX_COLUMNS if rows.is_dense and problem.l1 is None else FEWER_MATRIX_COLUMNS
        kind = "subsample" if p <= most_columns or few_rows else "diagonal"
    wanted = DIAGONAL_ROWS if kind == "diagonal" else max(SAMPLE_ROWS, ROWS_PER_PARAMETER * p)
    coupled = COUPLED_PARAMETERS if problem.l1 is None else COUPLED_PARAMETERS_L1
    if kind == "working_sets":
        return CurvaturePlan(kind, False, False, max(SAMPLE_ROWS, ROWS_PER_COLUMN * p), coupled)
    if kind == "subsample" and rows.is_dense:
        wanted = max(wanted, min(more_rows(n, p, rows.storage.dtype), rows.n_sampled))
    held_dense = rows.is_dense or kind != "diagonal"
    size = min(n, max(min(wanted, SAMPLE_ENTRIES // p), 1) if held_dense else wanted)
    may_try = problem.loss.smooth and problem.l1 is None and not problem.streaming
    tries = may_try and gradients_lead_far(problem, preconditioner == "auto", kind, few_rows, size)
    of_all = kind == "subsample" and size == n and not tries and rows.in_memory
    may_take_all = kind == "diagonal" and fits_in_a_matrix(problem)
    ridges = first_ridges(problem) if of_all or may_take_all else ()
    by_diagonal = steps_by_diagonal(problem, len(ridges)) if may_take_all else np.inf
    by_products = preconditioner == "auto" and of_all and products_suit(problem)
    return CurvaturePlan(kind, few_rows, tries, int(size), coupled, by_diagonal, by_products, ridges)


def products_suit(problem: Problem) -> bool:
    """Whether Newton's steps on CSR are found by products first, each of which costs what the entries do, not a matrix.

    Where these don't come to an end, a matrix does.
    """
    rows, loss, work = problem.rows, problem.loss, problem.rows.n_rows * problem.model.n_params**2
    if rows.is_dense or not isinstance(rows, Rows) or problem.model.n_outputs > 1 or problem.l1 is not None:
        return False
    if work < LEAST_MATRIX_WORK or rows.n_entries > FEW_ENTRIES * rows.n_rows * rows.n_features:
        return False
    return loss.smooth and not loss.quadratic and is_curved_everywhere(loss, 1) and problem.penalty.l2 > 0


def fits_in_a_matrix(problem: Problem) -> bool:
    """Whether the curvature of all rows is that of a matrix, and changes with the parameters."""
    rows, n, p = problem.rows, problem.rows.n_rows, problem.model.n_features + 1
    affordable = rows.in_memory and n * p <= SAMPLE_ENTRIES and min(n, p) <= MATRIX_COLUMNS
    changes = problem.l1 is None and problem.loss.smooth and not problem.loss.quadratic
    return affordable and changes and problem.model.n_outputs == 1


def steps_by_diagonal(problem: Problem, n_ridges: int) -> float:
    """Steps by the diagonal that cost what Newton's do with a matrix of all rows.

    Where little is penalised, steps by the diagonal of correlated columns may be thousands.
    """
    rows, n, p = problem.rows, problem.rows.n_rows, problem.model.n_features + 1
    is_wide, n_steps = 2 * n < p, NEWTON_STEPS * (1 + n_ridges)
    of_step = (n**3 / 3 if is_wide else n * p**2 + p**3 / 3) + PRODUCTS_OF_STEP * n * p
    work = n_steps * of_step + (n**2 * p if is_wide else 0)  # products of few rows are made once
    return max(LEAST_BY_DIAGONAL, work / PRODUCTS_OF_STEP / (rows.n_entries + STEP_ENTRIES))


def first_ridges(problem: Problem) -> tuple[float, ...]:
    """Times the ridge: under which a loss with straight pieces is minimised first, where columns are hardly penalised.

    On which piece a row is changes with each step of Newton's method, and far from the optimum with many at once: under
    a ridge ten times as large few of them change, and the optimum is near that of the next one.
    """
    loss, ridge = problem.loss, problem.penalty.l2
    if not loss.smooth or loss.quadratic or problem.l1 is not None or ridge <= 0:
        return ()
    if is_curved_everywhere(loss, problem.model.n_outputs):
        return ()
    curvature = float(squared(problem.rows.some(EVEN_ROWS).scaled()).mean())
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        decades = np.log10(LARGE_RIDGE * curvature / ridge)
    return tuple(10.0**k for k in range(int(min(decades, MOST_RIDGES)), 0, -1)) if decades >= 1 else ()


def gradients_lead_far(problem: Problem, is_auto: bool, kind: str, few_rows: bool, size: int) -> bool:
    """Whether gradients alone may lead to the optimum in the time of a model, which wouldn't be its last."""
    rows, quadratic = problem.rows, problem.loss.quadratic
    n, d = rows.n_rows, rows.n_features
    if n <= d and (few_rows and n > TRIED_ROWS if rows.is_dense else is_auto and quadratic and rows.in_memory):
        return is_even(rows)
    complete = few_rows and problem.model.n_outputs == 1  # which Newton's method makes the best of
    of_all = is_auto and rows.is_dense and rows.in_memory and kind == "subsample" and not complete and size == n
    exact = problem.model.compute_dtype(rows.storage) == FLOAT64  # other passes lose digits that matrices keep
    if not (of_all and exact) or quadratic or d < TRIED_COLUMNS:
        return False
    if problem.model.n_outputs > 1 and problem.penalty.l2 < LEAST_L2:
        return False  # separable classes
    if not is_curved_everywhere(problem.loss, problem.model.n_outputs):
        return False
    some = rows.some(EVEN_ROWS).scaled()
    return are_even(some) and are_apart(some)


def row_space_suits(problem: Problem, curvature: CurvaturePlan | None) -> bool:
    """Whether gradients alone are tried on squared error in CSR, from zero: all vectors have a number for each row."""
    tries = curvature is not None and curvature.tries_gradients
    suits = not problem.rows.is_dense and problem.penalty.l2 > 0 and problem.near is None
    return tries and suits and problem.is_half_square


def is_even(rows: Any) -> bool:
    """Whether gradients of fewer rows than columns do best as they are: columns have about the same scale.

    Gradients lie among combinations of the rows then, and so do the steps. Another metric would lead them out of
    there, where nothing but the ridge is curved. Columns of CSR may be rare, but none holds much of all variance.
    """
    of_all = rows.mean_squares()
    if of_all is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            variance = of_all - left_to_center(rows.data.features) ** 2
            return bool(variance.max(initial=0.0) <= EVEN_SHARE * variance.sum())
    return are_even(rows.some(EVEN_ROWS).scaled())


def are_even(Z: np.ndarray) -> bool:
    """Whether dense columns have about the same scale, by some rows."""
    squares = np.einsum("ij,ij->j", Z, Z)
    squares = squares[squares > 0]
    return squares.size > 0 and bool(squares.max() <= EVEN * squares.min())


def are_apart(Z: np.ndarray) -> bool:
    """Whether columns are hardly correlated, by the products of some rows: their variance spreads over many directions.

    The square of all variance over the sum of the squares of those along the principal axes is the number of columns
    where none are correlated, and the number of factors where few are behind all of them.
    """
    products = Z @ Z.T
    squares = np.diagonal(products)
    of_pairs = (products**2).sum() - (squares**2).sum()
    n = len(squares)
    return bool(n * (n - 1) * squares.mean() ** 2 >= APART * Z.shape[1] * of_pairs)


def newton_suits(problem: Problem, optimizer: Any) -> bool:
    """Whether Newton's method proper is what the optimizer comes to, and the data are small enough for the kernel."""
    model = problem.model
    return (
        isinstance(model, LinearModel)
        and problem.rows.in_memory
        and optimizer.preconditioner in ("auto", "subsample")
        and model.n_outputs == 1
        and model.n_params <= NEWTON_COLUMNS
        and problem.rows.n_rows * (model.n_params**2 + LOSS_WORK) <= MOST_WORK
        and problem.l1 is None
        and problem.loss.smooth
        and not pointwise(problem.loss, FLOAT64).in_python  # asked last: it is compiled for that
    )


def coordinates_suit(problem: Problem, optimizer: Any) -> bool:
    """Whether an L1 penalty on few dense columns is to be met by sweeps over them."""
    rows = problem.rows
    return (
        isinstance(problem.model, LinearModel)
        and can_choose_columns(problem)
        and optimizer.preconditioner in ("auto", "working_sets")
        and problem.model.n_outputs == 1
        and problem.is_half_square
        and rows.is_dense
        and rows.storage.dtype == FLOAT64  # others leave parts of slopes that sweeps hardly reach
        and rows.n_features <= COLUMNS_SWEPT * rows.n_rows
        and rows.n_rows <= min(ROWS_SWEPT, MOST_SWEPT / rows.n_features)
    )


def solver_of_pieces(problem: Problem, optimizer: Any) -> str | None:
    """What finds the optimum of a loss that is made of straight pieces; None where it isn't, or nothing does.

    An interior point method, under an L1 penalty alone, and else while matrices are small. The more rows each column
    has the nearer is the optimum of a loss with rounded kinks, and the sooner; but where a constant meets all targets
    it lies aside. Of few rows that aren't penalised there are many optima, and without a penalty slopes prove nothing
    before all of them are exact.
    """
    rows, loss, model = problem.rows, problem.loss, problem.model
    if loss.smooth or not rows.in_memory or optimizer.preconditioner != "auto":
        return None
    pieces = loss.pieces(np.zeros((1, 1)), model.n_outputs, problem.loss_hyper)
    if pieces is None:
        return None
    n, p = rows.n_rows, rows.n_features + int(model.trains_intercept)
    entries = sparse_entries(rows)
    is_tall = n > FEW_ROWS_BY_KINKS and n * len(pieces) > (SPARSE_ROWS_BY_KINKS if entries else ROWS_BY_KINKS) * p
    many_optima = problem.penalty.l2 == 0 and n <= p
    fits = entries**2 <= MOST_PAIRS * max(n, p) if entries else n * p <= SAMPLE_ENTRIES
    fits = fits and min(n, p) <= MATRIX_COLUMNS_BY_KINKS
    if problem.l1 is not None or problem.reference(FLOAT64) == 0:
        return "interior_point" if fits else None
    if many_optima or are_far_apart(rows):
        return None
    if fits and not is_tall:
        return "interior_point"
    suits = problem.penalty.l2 > 0 and n <= ROWS_BY_MULTIPLIERS * p and (entries or n * p) <= MOST_HELD
    return "multipliers" if suits else None


def are_far_apart(rows: Any) -> bool:
    """Whether scales of columns differ by so much that a matrix of fewer rows has no digits left for some of them."""
    with np.errstate(over="ignore"):
        of_all = rows.mean_squares()
        squares = squared(rows.some(EVEN_ROWS).scaled()).sum(axis=0) if of_all is None else of_all
    squares = squares[squares > 0]
    if not np.isfinite(squares).all():
        return True
    return rows.n_rows <= rows.n_features and squares.size > 0 and bool(squares.max() > FAR_APART * squares.min())


def can_choose_columns(problem: Problem) -> bool:
    """Whether an L1 penalty makes zeros, and the curvature of some columns alone is to be had."""
    return problem.l1 is not None and problem.loss.smooth and isinstance(problem.rows, Rows)


def working_sets_suit(problem: Problem) -> bool:
    """Whether steps on the columns that matter lead to the optimum fastest.

    Where dense rows are many, all columns of some of them make one matrix, if they are few; or many of them are not
    zero, and few passes over all do. Products of CSR's columns cost no more than its entries, whatever their number; of
    those far from zero each row has an entry.
    """
    if not can_choose_columns(problem):
        return False
    rows, n_columns = problem.rows, problem.rows.n_features
    many = n_columns > FEWER_MATRIX_COLUMNS and problem.loss.quadratic
    suits = many or not _are_filled(rows) or rows.n_rows < ROWS_FOR_ALL_COLUMNS * n_columns
    if problem.loss.coupling(np.zeros((1, problem.model.n_outputs))) is not None:
        suits = suits and problem.model.n_params > COUPLED_PARAMETERS_L1  # one matrix knows what outputs share
    return suits


def _are_filled(rows: Any) -> bool:
    """Whether rows are dense, or CSR most of whose columns are, as they lie far from zero."""
    return rows.is_dense or 2 * np.count_nonzero(left_to_center(rows.data.features)) > rows.n_features


def covariances_suit(problem: Problem) -> bool:
    """Whether a path of solutions is found fastest from second moments: then rows are looked at once."""
    rows = problem.rows
    if not rows.in_memory or not problem.is_half_square:
        return False
    return rows.n_features <= (MATRIX_COLUMNS if rows.is_dense else FEWER_MATRIX_COLUMNS)
