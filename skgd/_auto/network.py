"""What `auto` becomes for networks."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .._problem.network import NetworkModel
from .._problem.problem import Problem, targets_vary
from .._solvers.plan import Plan
from .._solvers.training import Training
from ..optimizers import Adam, NAdam, Optimizer
from ..schedules import Constant, Cosine, ReduceOnPlateau, Schedule, get_schedule
from .decide import make_plan, users_batch_size, users_optimizer
from .description import ONE_BATCH_ROWS

# Measured by cross-validation on data of 150 to 50,000 rows: with rates that end at zero, networks of one to three
# layers need fewer epochs, and predict better, than with a constant one.
FEWEST_ROWS, MOST_ROWS, UPDATES = ONE_BATCH_ROWS[NetworkModel], 256, 1000  # of a batch; of an epoch
FEWEST_SPARSE_ROWS = 200  # whose gradient is cheap beside the update of all weights
ANNEALED_RATE = 3.0  # times Adam's customary rate, where it begins
# Members of an ensemble keep the best of their epochs, so that they may go further in each and end sooner.
FEWEST_ROWS_OF_MEMBERS, FEWEST_UPDATES = 16, 50  # of a batch; of an epoch, while batches have more rows than that
MEMBERS_RATE, MEMBERS_PATIENCE, MEMBERS_TOL = 6.0, 2.0, 0.0  # the same; times n_iter_no_change; of the loss held out
# Rows with many columns are soon learnt by heart, at a high price: a sooner end, and of more columns than rows fewer
# updates of more rows.
MOST_OF_WIDE, FEWEST_OF_WIDE = 0.25, 0.5  # of the rows in a batch; of all epochs
COLUMNS_OF_WIDE = 0.25  # a row, from which on the end comes sooner
LEAST_PATIENCE, TOL_OF_WIDE = 1.0, 1e-3  # times n_iter_no_change; of the loss held out
RECENT = 0.8  # times n_iter_no_change: epochs that end a member far above its best loss held out, or tell its pace
FEW_ROWS, WORK_OF_MEMBERS = 50_000, 2.0  # up to which members make all epochs; of many rows, in epochs of one network
TOL = 1e-4  # where the rate stays


class Course(NamedTuple):
    """How training goes, and when it ends."""

    rate: float | None  # None: the optimizer's customary one
    schedule: Schedule | Callable
    tol: float | None  # None: all epochs are run
    max_iter: int
    n_iter_no_change: int
    n_iter_recent: int | None = None


def decide(parameters: Any, problem: Problem, before: Training | None) -> Plan:
    """The plan of a fit, or of its continuation."""
    optimizer = users_optimizer(parameters)
    if before is None and parameters.n_members > 1 and parameters.n_restarts > 1:
        raise ValueError(
            f"n_members={parameters.n_members}, n_restarts={parameters.n_restarts}: of starts one is kept, of members "
            "all are; set one of them to 1"
        )
    if problem.model.random and (optimizer.searches_line or optimizer.variance_reduced):
        raise ValueError(
            f"dropout={parameters.dropout!r} makes every gradient a random one, optimizer={parameters.optimizer!r} "
            "compares those of the same function: set dropout=0, or take another optimizer, as 'adam'"
        )
    anneals = _anneals(parameters, problem, optimizer)
    keeps_best = anneals and parameters.n_members > 1 and parameters.early_stopping
    course = _course(parameters, problem, optimizer, anneals, keeps_best)
    return make_plan(
        parameters,
        problem,
        before,
        optimizer=optimizer,
        batch_size=users_batch_size(parameters, problem, optimizer, lambda: _batch_size(problem, keeps_best)),
        rate_from_data=lambda problem: course.rate,
        anneals=anneals,
        schedule=course.schedule,
        max_iter=course.max_iter,
        tol=course.tol,
        n_iter_no_change=course.n_iter_no_change,
        n_iter_recent=course.n_iter_recent,
        n_starts=parameters.n_restarts if before is None else 1,
        n_members=parameters.n_members,
    )


def _batch_size(problem: Problem, keeps_best: bool) -> int:
    fewest, n_rows = FEWEST_ROWS if problem.rows.is_dense else FEWEST_SPARSE_ROWS, problem.n_given
    if keeps_best and problem.rows.is_dense:
        of_wide = min(FEWEST_ROWS_OF_MEMBERS * _columns_per_row(problem), MOST_OF_WIDE * n_rows, MOST_ROWS)
        fewest = min(fewest, max(FEWEST_ROWS_OF_MEMBERS, n_rows // FEWEST_UPDATES))
        fewest = max(fewest, int(of_wide))
    return min(max(fewest, min(n_rows // UPDATES, MOST_ROWS)), n_rows)


def _columns_per_row(problem: Problem) -> float:
    return problem.model.sizes[0] / problem.n_given  # type: ignore[attr-defined]


def _anneals(parameters: Any, problem: Problem, optimizer: Optimizer) -> bool:
    """Whether the rate goes down to zero over all epochs: it is ours to choose, and their number is known."""
    by_itself = parameters.learning_rate == parameters.schedule == "auto" and optimizer.learning_rate is None
    asked_for = parameters.tol not in ("auto", None) or parameters.criterion != "objective"
    ends_sooner = parameters.early_stopping and parameters.n_members == 1  # members keep the best of all epochs
    known = not (problem.streaming or parameters.warm_start or ends_sooner or asked_for)
    return by_itself and known and not optimizer.searches_line


def _course(parameters: Any, problem: Problem, optimizer: Optimizer, anneals: bool, keeps_best: bool) -> Course:
    """The rate, its schedule and the end of training; members may keep the best of their epochs."""
    customary = optimizer.default_learning_rate if isinstance(optimizer, Adam | NAdam) else None
    if isinstance(parameters.init, str) and not targets_vary(problem).any():
        customary = 0.0  # it starts at the optimum, where rounding is all that is left of gradients
    max_iter, patience = parameters.max_iter, parameters.n_iter_no_change
    if not anneals:
        return Course(None, *_schedule_and_tol(parameters, optimizer), max_iter, patience)
    if not keeps_best:
        return Course(customary and ANNEALED_RATE * customary, Cosine(max_iter), None, max_iter, patience)
    rate = customary and MEMBERS_RATE * customary
    if parameters.tol is None:
        return Course(rate, Cosine(max_iter), None, max_iter, patience)
    wide = max(_columns_per_row(problem) / COLUMNS_OF_WIDE, 1.0)
    share = max(WORK_OF_MEMBERS / parameters.n_members, FEW_ROWS / problem.n_given)
    epochs = math.ceil(max_iter * min(share, max(1 / wide, FEWEST_OF_WIDE), 1.0))
    tol = MEMBERS_TOL if wide == 1 else TOL_OF_WIDE
    patiences = max(MEMBERS_PATIENCE / wide, LEAST_PATIENCE), RECENT
    return Course(rate, Cosine(epochs), tol, epochs, *(math.ceil(times * patience) for times in patiences))


def _schedule_and_tol(parameters: Any, optimizer: Optimizer) -> tuple[Schedule | Callable, float | None]:
    """The schedule, and the tolerance, where the rate isn't ours to let go down."""
    by_itself = parameters.schedule == "auto"
    schedule = get_schedule("constant" if by_itself else parameters.schedule, parameters.max_iter)
    tol = parameters.tol
    if tol == "auto":  # a schedule of the user's says how the rate goes over all epochs
        goes_on = isinstance(schedule, Constant | ReduceOnPlateau) or optimizer.searches_line
        tol = TOL if goes_on or parameters.criterion != "objective" or parameters.early_stopping else None
    return schedule, tol
