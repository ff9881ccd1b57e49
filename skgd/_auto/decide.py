"""What is decided alike for all models: the user's optimizer, rates, solvers; and the plan that it comes to."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._problem.model import LinearModel
from .._problem.problem import Problem
from .._solvers.plan import CurvaturePlan, Plan
from .._solvers.training import Training, same
from .._warnings import warn_user
from ..optimizers import Optimizer, get_optimizer
from ..schedules import Schedule
from .curvature import coordinates_suit, curvature_plan, newton_suits, row_space_suits, solver_of_pieces

# Of a column that a batch touches the gathering costs as much as so many columns of a plain update of them all.
COST_OF_TOUCHING = 8

NEAR_ZERO = 0.1  # share of the first objective below which a mean over mini-batches counts as zero

Rate = Callable[[Problem], float | None]


def users_optimizer(parameters: Any) -> Optimizer:
    """The optimizer that was asked for by name or object."""
    optimizer = get_optimizer(parameters.optimizer)
    if parameters.learning_rate != "auto" and optimizer.learning_rate not in (None, parameters.learning_rate):
        warn_user(f"learning_rate={parameters.learning_rate} is used, not that of optimizer={optimizer}", UserWarning)
    return optimizer


def users_batch_size(parameters: Any, problem: Problem, optimizer: Optimizer, auto: Callable[[], int]) -> int:
    """Rows per update: all, as many as were asked for, or what `auto()` says."""
    n_rows = problem.n_given
    if parameters.batch_size is None or optimizer.searches_line:
        return n_rows
    return auto() if parameters.batch_size == "auto" else min(int(parameters.batch_size), n_rows)


def make_plan(
    parameters: Any,
    problem: Problem,
    before: Training | None,
    *,
    optimizer: Optimizer,
    batch_size: int,
    rate_from_data: Rate,
    anneals: bool,
    schedule: Schedule | Callable,
    tol: float | None,
    max_iter: int | None = None,
    settles: bool = False,
    near_zero: float = NEAR_ZERO,
    n_iter_no_change: int | None = None,
    n_iter_recent: int | None = None,
    n_starts: int = 1,
    n_members: int = 1,
) -> Plan:
    """The plan; what hasn't been decided yet follows from what has, or is as the parameters say."""
    streaming, average = problem.streaming, parameters.average
    average = False if isinstance(average, str) else average  # "auto"
    linear = isinstance(problem.model, LinearModel)
    exact = batch_size >= problem.rows.n_rows and not problem.model.random
    curvature = curvature_plan(problem, optimizer.preconditioner) if optimizer.searches_line else None
    rate, is_auto, given = _rate(parameters, problem, before, optimizer, rate_from_data, anneals)
    ends, stops_early = tol is not None and not streaming, bool(parameters.early_stopping)
    by_objective = ends and parameters.criterion == "objective" and not stops_early
    return Plan(
        solver=_solver(problem, optimizer, exact, curvature, before, by_objective),
        optimizer=optimizer,
        batch_size=batch_size,
        learning_rate=rate,
        rate_is_auto=is_auto,
        anneals=anneals,
        given_rate=given,
        schedule=schedule,
        max_iter=1 if streaming else max_iter or parameters.max_iter,
        safe_rate=rate_from_data,
        tol=None if streaming else tol,
        criterion=parameters.criterion,
        n_iter_no_change=n_iter_no_change or parameters.n_iter_no_change,
        n_iter_recent=n_iter_recent,
        early_stopping=stops_early,
        shuffle=parameters.shuffle,
        average=average.item() if isinstance(average, np.generic) else average,
        looks_back=not optimizer.searches_line,
        settles=settles,
        near_zero=0.0 if exact else near_zero,
        clip_norm=parameters.clip_norm,
        n_starts=1 if streaming else n_starts,
        n_at_once=max(n_members, 1 if streaming else n_starts),
        # rows in parts are held for one start at a time
        n_threads=problem.rows.n_threads if problem.rows.in_memory else 1,
        streaming=streaming,
        exact=exact,
        curvature=curvature,
        chances=column_chances(problem.rows, batch_size, optimizer) if linear else None,
    )


def _rate(parameters, problem, before, optimizer, rate_from_data: Rate, anneals) -> tuple[float, bool, object]:
    """The learning rate, whether it was left to skgd, and what it follows from: while that stays, so does the rate."""
    given = parameters.learning_rate, optimizer.learning_rate, anneals
    if before is not None and given == before.given_rate and same(optimizer, before.optimizer):
        return before.learning_rate, before.rate_is_auto, given
    if parameters.learning_rate != "auto":
        return float(parameters.learning_rate), False, given
    if optimizer.learning_rate is not None:
        return float(optimizer.learning_rate), parameters.optimizer == "auto", given
    rate = rate_from_data(problem)
    return (optimizer.default_learning_rate if rate is None else rate), True, given


def _solver(
    problem: Problem,
    optimizer: Optimizer,
    exact: bool,
    curvature: CurvaturePlan | None,
    before: Training | None,
    by_objective: bool,
) -> str:
    if not optimizer.searches_line:
        if problem.rows.in_memory:
            return "epochs"
        return "full_batches" if exact else "partitioned_epochs"
    by_pieces = solver_of_pieces(problem, optimizer)
    if by_pieces is not None:
        return by_pieces
    if before is None and row_space_suits(problem, curvature):
        return "row_space"
    if by_objective and coordinates_suit(problem, optimizer):
        return "coordinates"
    return "newton" if newton_suits(problem, optimizer) else "line_search"


def column_chances(rows: Any, batch_size: int, optimizer: Optimizer) -> np.ndarray | None:
    """Chance that a batch touches a column of CSR.

    None where updates of all columns are as fast, or the rule needs them all.
    """
    if rows.is_dense or batch_size >= rows.n_rows or optimizer.follows_path:
        return None
    with np.errstate(divide="ignore"):
        chance = -np.expm1(batch_size * np.log1p(-rows.column_shares()))
    chance[0] = 1.0  # column 0 is in every batch
    return None if COST_OF_TOUCHING * float(chance.sum()) >= chance.size else chance
