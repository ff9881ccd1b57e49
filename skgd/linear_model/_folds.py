"""Paths of all folds of a cross-validation side by side, where they share what a look at the rows tells."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from .._problem.features import row_numbers
from .._problem.objective import pointwise
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._problem.sample import SAMPLE_ENTRIES
from .._solvers.continuation import Continuation
from .._solvers.covariances import Covariances
from .._solvers.plan import Plan
from .._solvers.side_by_side import MOST_STEPS, SideBySide
from .._targets.classes import class_totals
from ._base import LinearEstimator
from ._path import RegularizationPath, as_path, penalties_at, plan_of, problem_of

MOST_AT_ONCE = 10  # folds: more would take more room, and save no more
LEAST_SHARE = 0.5  # of the rows in a fold: looks at all of them would be more than at its own


def paths_side_by_side(
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    of_all: Continuation | Covariances,
    model: LinearEstimator,
    alphas: np.ndarray,
    tol: float,
    n_threads: int,
) -> Iterator[tuple[Problem, RegularizationPath] | None]:
    """The problem and the path of each fold; None where it has to be found alone."""
    rows_of_folds, penalties = [rows for rows, _ in folds], penalties_at(model, alphas)
    whole = replace(of_all.problem, penalty=penalties[0])
    plan = None
    if isinstance(of_all, Continuation) and _may_share(rows_of_folds, whole, model, alphas):
        assert isinstance(whole.rows, Rows)
        of_first = whole.rows.data._replace(subset=row_numbers(rows_of_folds[0]))
        plan = plan_of(model, model._parameters(), tol, replace(whole, rows=Rows(of_first, whole.rows.n_threads)))
    if plan is None or not _suits(plan):
        yield from [None] * len(folds)
        return
    for start in range(0, len(folds), MOST_AT_ONCE):
        problems = [problem_of(rows, whole, model) for rows in rows_of_folds[start : start + MOST_AT_ONCE]]
        solver = SideBySide(whole, problems, plan, n_threads)
        for problem, solutions in zip(problems, solver.solutions(penalties), strict=True):
            yield None if solutions is None else (problem, as_path(model, problem, solutions, alphas))


def _may_share(folds: Sequence[np.ndarray], whole: Problem, model: LinearEstimator, alphas: np.ndarray) -> bool:
    """Whether folds are problems of the same kind, dense, small enough to be held in memory, and curved everywhere."""
    rows, loss = whole.rows, whole.loss
    if model.optimizer != "auto" or model.max_iter < MOST_STEPS or getattr(model, "class_weight", None) == "balanced":
        return False
    if not (isinstance(rows, Rows) and rows.n_rows == whole.n_given == len(rows.data.y)):  # none without weight
        return False
    if not (rows.is_dense and rows.n_rows * (rows.n_features + 1) <= SAMPLE_ENTRIES):
        return False
    if whole.l1 is not None or not loss.smooth or loss.quadratic or pointwise(loss, np.dtype(np.float64)).in_python:
        return False
    if not (len(folds) > 1 and min(map(len, folds)) >= LEAST_SHARE * rows.n_rows and alphas[-1] > 0):
        return False
    n_classes, empty = len(whole.facts.get("classes", ())), np.empty(0)
    return all(class_totals(rows.data.y, empty, n_classes, fold).all() for fold in folds) if n_classes else True


def _suits(plan: Plan) -> bool:
    """Whether steps of line searches by matrices lead to the optimum, and end by what they promise."""
    of_matrices = plan.curvature is not None and plan.curvature.kind == "subsample" and not plan.curvature.few_rows
    return of_matrices and plan.solver == "line_search" and plan.criterion_of_solver == "objective" and bool(plan.tol)
