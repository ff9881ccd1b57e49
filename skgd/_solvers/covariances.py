"""Least squares under one penalty after another, from second moments alone: rows are looked at once."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.structures import FLOAT64
from .._problem.problem import Problem
from ..penalties import ElasticNet, smallest_subgradient
from .continuation import AT_LARGEST, Solution
from .curvature import ALL_ROWS_COLUMNS, SubSample, second_moments
from .working_sets import JITTER, MARGIN, OVERFLOWS, least_with_l1

TOL = 1e-10  # of the largest slope
# Of coordinate descent: then a Newton step among the columns that matter costs less than the sweeps to come.
MOST_SWEEPS, MOST_WORK = 60, 10**6
FEW_SWEEPS = 5  # where it has come to that before
MOST_STEPS = 20


class Covariances:
    """The loss of a quadratic problem by the covariances of its columns, which all penalties have in common."""

    def __init__(self, problem: Problem):
        self.problem, model = problem, problem.model
        start = model.start(problem.constant, problem.scaling, np.random.RandomState(0))
        start, gradient = start.reshape(model.n_outputs, -1), self._gradient(start)
        if gradient[:, -1].any():  # to the best constant model: the curvature along intercepts is one
            start[:, -1] -= gradient[:, -1]
            gradient = self._gradient(start.ravel())
        self.start, self.slopes = start, gradient[:, :-1]

    def _gradient(self, params: np.ndarray) -> np.ndarray:
        return self.problem.objective.sums(params, params.size)[1].reshape(self.problem.model.n_outputs, -1)

    @cached_property
    def mean(self) -> np.ndarray:
        """Of the columns, where the intercept follows them; else zeros."""
        return self._moments[-1, :-1]

    @cached_property
    def matrix(self) -> np.ndarray:
        """The covariances."""
        found = self._moments[:-1, :-1] - np.outer(self.mean, self.mean)
        if not np.isfinite(found).all():
            raise ValueError(OVERFLOWS)
        return found

    @cached_property
    def _moments(self) -> np.ndarray:
        problem, n_columns = self.problem, self.problem.model.n_features + 1
        some = SubSample(problem.rows, problem.model, problem.loss, problem.rows.n_rows)
        with threads.single_threaded_blas():
            return second_moments(some, n_columns <= ALL_ROWS_COLUMNS)

    def _counts(self, counts: np.ndarray) -> np.ndarray:
        """How much a penalty counts for each output."""
        return counts.reshape(self.start.shape)[:, 0]

    def largest_strength(self) -> float:
        """The least strength of an L1 penalty from which on no coefficient is other than zero."""
        return AT_LARGEST * float((np.abs(self.slopes).max(axis=1) / self._counts(self.problem.l1_counts)).max())

    def solutions(self, penalties: Sequence[ElasticNet]) -> list[Solution]:
        """The optimum under each penalty, in their order: weaker ones shall follow."""
        coefs = np.empty((len(penalties), *self.slopes.shape))
        norms, steps = np.zeros((len(self.slopes), len(penalties))), np.zeros((len(self.slopes), len(penalties)), int)
        l1s, l2s = (np.array([getattr(each, name) for each in penalties]) for name in ("l1", "l2"))
        counts = self._counts(self.problem.l1_counts), self._counts(self.problem.penalised)
        tols = TOL * np.abs(self.slopes).max(axis=1, initial=0.0)
        with threads.single_threaded_blas():
            for k, (slope, of_l1, of_l2) in enumerate(zip(self.slopes, *counts, strict=True)):
                given = slope, l1s * of_l1, l2s * of_l2
                if l1s.any():
                    coefs[:, k], norms[k], steps[k] = self._by_coordinates(*given, tols[k])
                else:
                    coefs[:, k], norms[k] = self._in_closed_form(slope, l2s * of_l2)
        params = np.empty((len(penalties), *self.start.shape))
        params[:, :, :-1] = coefs
        params[:, :, -1] = self.start[:, -1] - coefs @ self.mean
        converged = (norms <= np.maximum(tols[:, None], 0)).all(axis=0)
        norms, steps = norms.max(axis=0), steps.max(axis=0)
        return [Solution(*each) for each in zip(params.reshape(len(params), -1), norms, steps, converged, strict=True)]

    def _in_closed_form(self, slope, ridges):
        """Ridge regression by the eigenvectors of the matrix."""
        values, vectors = np.linalg.eigh(self.matrix)
        curvatures = np.maximum(values, 0.0) + ridges[:, None]
        curvatures[curvatures <= JITTER * values[-1]] = np.inf  # along which the rows tell nothing
        coefs = (-(slope @ vectors) / curvatures) @ vectors.T
        left = coefs @ self.matrix + slope + ridges[:, None] * coefs
        return coefs, np.abs(left).max(axis=1)

    def _by_coordinates(self, slope, l1s, ridges, tol):
        """Coordinate descent, and Newton steps where it takes too long."""
        descend, n, done = kernel("coordinate_path", FLOAT64), len(l1s), 0
        path, norms, sweeps = np.empty((n, slope.size)), np.zeros(n), np.zeros(n, np.int64)
        params, slope, most_sweeps = np.zeros(slope.size), slope.copy(), max(MOST_SWEEPS, MOST_WORK // slope.size**2)
        while True:
            of_path = params, slope, path, norms, sweeps
            done = descend(self.matrix, ridges, l1s, tol, done, most_sweeps, *of_path)
            if done == n:
                return path, norms, sweeps
            most_sweeps = FEW_SWEEPS
            for _ in range(MOST_STEPS):
                norms[done] = self._newton(params, slope, l1s[done], ridges[done])
                if norms[done] <= tol:
                    break
            path[done] = params
            done += 1

    def _newton(self, params, slope, l1, ridge) -> float:
        """Go to the minimum among the columns that aren't zero, or nearly shouldn't be."""
        gradient = slope + ridge * params
        at = np.flatnonzero((params != 0) | (np.abs(gradient) > (1 - MARGIN) * l1))
        of_set = self.matrix[np.ix_(at, at)]
        of_set.flat[:: at.size + 1] += max(ridge, JITTER * float(np.diagonal(of_set).mean()))
        step = least_with_l1(of_set, params[at], gradient[at], np.full(at.size, l1))
        params[at] += step
        slope += step @ self.matrix[at]
        return float(np.abs(smallest_subgradient(params, slope + ridge * params, l1)).max(initial=0.0))
