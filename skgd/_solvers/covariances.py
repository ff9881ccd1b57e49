"""Least squares under one penalty after another, from second moments alone: rows are looked at once."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.structures import FLOAT64
from .._problem.model import LinearModel
from .._problem.partitioned import PartitionedRows
from .._problem.problem import Problem
from .._problem.products import KnownMoments
from .._problem.rows import Rows
from ..penalties import ElasticNet, smallest_subgradient
from .continuation import AT_LARGEST, Solution
from .matrix_rows import AllRows, FewRows, are_few
from .plan import Plan
from .sub_sample import SubSample, second_moments
from .working_sets import JITTER, MARGIN, OVERFLOWS, least_with_l1

ROUNDING = 1e-12  # of the largest slope, for that along an intercept
TOL = 1e-10  # of the largest slope
# Of the largest slope, times the root of what may be left to gain, which goes with the square of the subgradient: found
# to leave less than a tenth of that, on Lasso paths of 10 to 1,000 columns.
SLOPE_FOR_GAIN = 0.03
MOST_SWEEPS = 60  # of coordinate descent: then a Newton step costs less than those to come
MOST_STEPS = 20  # of Newton's method for a solution


class Covariances:
    """The loss of a quadratic problem by the covariances of its columns, which all penalties have in common."""

    def __init__(self, problem: Problem, plan: Plan):
        self.problem, self.plan = problem, plan
        self.known: np.ndarray | None = None  # the moments, where rows were looked at for several problems

    @cached_property
    def _at_start(self) -> tuple[np.ndarray, np.ndarray]:
        """The best constant model, and the slopes of the loss by coefficients there."""
        problem, model = self.problem, self.problem.model
        start = problem.start(np.random.RandomState(0))
        start, gradient = start.reshape(model.n_outputs, -1), self._gradient(start)
        if np.abs(gradient[:, -1]).max() > ROUNDING * np.abs(gradient).max():
            start[:, -1] -= gradient[:, -1]  # along intercepts the curvature is one
            gradient = self._gradient(start.ravel())
        return start, gradient[:, :-1]

    @property
    def slopes(self) -> np.ndarray:
        return self._at_start[1]

    def _gradient(self, params: np.ndarray) -> np.ndarray:
        if self.known is None:
            return self.problem.objective.sums(params, params.size)[1].reshape(self.problem.model.n_outputs, -1)
        n_columns, model = self.problem.model.n_features + 1, self.problem.model
        of_columns = self.known[:, :n_columns]
        gradient = params.reshape(model.n_outputs, -1) @ of_columns[:n_columns] - of_columns[n_columns:]
        gradient[:, -1] *= model.trains_intercept
        return gradient

    @cached_property
    def mean(self) -> np.ndarray:
        """Of the columns, where the intercept follows them; else zeros."""
        if self.few is not None:
            return self.few.mean
        n_features = self.problem.model.n_features
        mean = self.moments[n_features, :n_features]
        return mean if self.problem.model.trains_intercept else np.zeros_like(mean)

    @cached_property
    def few(self) -> FewRows | None:
        """The rows, where they are so few beside the columns that they cost less than a matrix of all of these."""
        rows = self.problem.rows
        return FewRows(rows, self.problem.model.trains_intercept) if are_few(rows) else None

    @cached_property
    def matrix(self) -> np.ndarray:
        """The covariances."""
        n_features = self.problem.model.n_features
        found = self.moments[:n_features, :n_features].copy()
        if self.mean.any():
            found -= np.outer(self.mean, self.mean)
        if not np.isfinite(found).all():
            raise ValueError(OVERFLOWS)
        return found

    @cached_property
    def moments(self) -> np.ndarray:
        """Second moments of all rows, in their scaling: of columns, one of ones, and targets."""
        return moments_of(self.problem, self.problem.rows) if self.known is None else self.known

    def problem_with_moments(self) -> Problem:
        """The problem, whose rows know their moments if these have been taken."""
        rows = self.problem.rows
        if self.known is None or not isinstance(rows, Rows):
            return self.problem
        return replace(self.problem, rows=Rows(rows.data, rows.n_threads, KnownMoments(self.known)))

    def largest_strength(self) -> float:
        """The least strength of an L1 penalty from which on no coefficient is other than zero."""
        return AT_LARGEST * float(
            (np.abs(self.slopes).max(axis=1) / _counts(self.slopes, self.problem.l1_counts)).max()
        )

    def solutions(self, penalties: Sequence[ElasticNet]) -> list[Solution]:
        """The optimum under each penalty, in their order: weaker ones shall follow."""
        coefs = np.empty((len(penalties), *self.slopes.shape))
        norms, steps = np.zeros((len(self.slopes), len(penalties))), np.zeros((len(self.slopes), len(penalties)), int)
        l1s, l2s = (np.array([getattr(each, name) for each in penalties]) for name in ("l1", "l2"))
        counts = _counts(self.slopes, self.problem.l1_counts), _counts(self.slopes, self.problem.penalised)
        tols = self._tols()
        with threads.single_threaded_blas():
            for k, (slope, of_l1, of_l2) in enumerate(zip(self.slopes, *counts, strict=True)):
                given = slope, l1s * of_l1, l2s * of_l2
                if l1s.any():
                    coefs[:, k], norms[k], steps[k] = self._by_coordinates(*given, tols[k])
                else:
                    coefs[:, k], norms[k] = self._in_closed_form(slope, l2s * of_l2)
        start = self._at_start[0]
        params = np.empty((len(penalties), *start.shape))
        params[:, :, :-1] = coefs
        params[:, :, -1] = start[:, -1] - coefs @ self.mean
        converged = (norms <= np.maximum(tols[:, None], 0)).all(axis=0)
        norms, steps = norms.max(axis=0), steps.max(axis=0)
        return [Solution(*each) for each in zip(params.reshape(len(params), -1), norms, steps, converged, strict=True)]

    def _tols(self) -> np.ndarray:
        """How large the smallest subgradient may be in the end, for each output."""
        largest, plan = np.abs(self.slopes).max(axis=1, initial=0.0), self.plan
        if plan.tol is None or plan.criterion == "step":
            return TOL * largest
        if plan.criterion == "gradient":
            return np.full(len(largest), plan.tol)
        return max(TOL, SLOPE_FOR_GAIN * np.sqrt(plan.tol)) * largest

    def _in_closed_form(self, slope, ridges):
        """Ridge regression by the eigenvectors of the matrix, for which few rows tell their rank."""
        # of float32 the rounding of slopes lies beside what few rows span
        factor = self.few.factor if self.few is not None and self.problem.rows.storage.dtype == FLOAT64 else None
        if factor is None:
            values, vectors = np.linalg.eigh(self.matrix)
        else:
            vectors, roots, _ = np.linalg.svd(factor, full_matrices=False)
            values, vectors = roots[::-1] ** 2, vectors[:, ::-1]  # in the same order
        curvatures = np.maximum(values, 0.0) + ridges[:, None]
        curvatures[curvatures <= JITTER * values[-1]] = np.inf  # along which the rows tell nothing
        coefs = (-(slope @ vectors) / curvatures) @ vectors.T
        products = coefs @ self.matrix if factor is None else (coefs @ factor) @ factor.T
        return coefs, np.abs(products + slope + ridges[:, None] * coefs).max(axis=1)

    def _by_coordinates(self, slope, l1s, ridges, tol):
        """Coordinate descent, and Newton steps where it takes too long."""
        descend, n, done, most = kernel("coordinate_path", FLOAT64), len(l1s), 0, self.plan.max_iter
        matrix = AllRows(self.matrix) if self.few is None else self.few
        path, norms, sweeps = np.empty((n, slope.size)), np.zeros(n), np.zeros(n, np.int64)
        params, slope, at = np.zeros(slope.size), slope.copy(), np.empty((2, slope.size))
        most_sweeps, chosen = min(MOST_SWEEPS, most), np.empty(slope.size, np.int64)
        of_chosen = np.empty((0, 0))
        while True:
            if len(of_chosen) < len(matrix.rows):
                of_chosen = np.empty((len(matrix.rows),) * 2)
            of_path = params, slope, path, norms, sweeps, chosen, of_chosen, at
            done = descend(matrix.rows, matrix.places, ridges, l1s, tol, done, most_sweeps, *of_path)
            if done == n:
                return path, norms, sweeps
            wanted = np.flatnonzero(np.abs(slope) > (1 - MARGIN) * l1s[done])
            if sweeps[done] < most_sweeps and matrix.learn(wanted, slope):
                continue
            for _ in range(min(MOST_STEPS, most - sweeps[done])):
                norms[done] = self._newton(matrix, params, slope, l1s[done], ridges[done])
                sweeps[done] += 1
                if norms[done] <= tol:
                    break
            path[done] = params
            done += 1

    def _newton(self, matrix, params, slope, l1, ridge) -> float:
        """Go to the minimum among the columns that aren't zero, or nearly shouldn't be."""
        gradient = slope + ridge * params
        at = np.flatnonzero((params != 0) | (np.abs(gradient) > (1 - MARGIN) * l1))
        matrix.learn(at, slope)
        at = at[matrix.places[at] >= 0]
        rows = matrix.rows[matrix.places[at]]
        of_set = rows.take(at, axis=1)
        of_set.flat[:: at.size + 1] += max(ridge, JITTER * float(np.diagonal(of_set).mean()))
        step = least_with_l1(of_set, params[at], gradient[at], np.full(at.size, l1))
        params[at] += step
        slope += step @ rows
        return float(np.abs(smallest_subgradient(params, slope + ridge * params, l1)).max(initial=0.0))


def _counts(slopes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """How much a penalty counts for each output."""
    return counts.reshape(len(slopes), -1)[:, 0]


def moments_of(problem: Problem, rows: Rows | PartitionedRows) -> np.ndarray:
    """Second moments of some rows of a problem, in its scaling: of columns, one of ones, and targets."""
    model = LinearModel(problem.model.n_features, problem.model.n_outputs, True, True)
    some = SubSample(rows, model, problem.loss, rows.n_rows)
    with threads.single_threaded_blas():
        return second_moments(some, problem.model.n_outputs)
