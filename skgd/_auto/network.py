"""What `auto` becomes for networks."""

from collections.abc import Callable
from typing import Any

from .._problem.network import NetworkModel
from .._problem.problem import Problem
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
TOL = 1e-4  # where the rate stays


def decide(parameters: Any, problem: Problem, before: Training | None) -> Plan:
    """The plan of a fit, or of its continuation."""
    optimizer = users_optimizer(parameters)
    if problem.model.random and (optimizer.searches_line or optimizer.variance_reduced):
        raise ValueError(
            f"dropout={parameters.dropout!r} makes every gradient a random one, optimizer={parameters.optimizer!r} "
            "compares those of the same function: set dropout=0, or take another optimizer, as 'adam'"
        )
    anneals = _anneals(parameters, problem, optimizer)
    rate = ANNEALED_RATE * optimizer.default_learning_rate if isinstance(optimizer, Adam | NAdam) and anneals else None
    schedule, tol = _schedule_and_tol(parameters, optimizer, anneals)
    return make_plan(
        parameters,
        problem,
        before,
        optimizer=optimizer,
        batch_size=users_batch_size(parameters, problem, optimizer, lambda: _batch_size(problem)),
        rate_from_data=lambda: rate,
        anneals=anneals,
        schedule=schedule,
        tol=tol,
        n_starts=parameters.n_restarts if before is None else 1,
    )


def _batch_size(problem: Problem) -> int:
    fewest = FEWEST_ROWS if problem.rows.is_dense else FEWEST_SPARSE_ROWS
    n_rows = problem.n_given
    return min(max(fewest, min(n_rows // UPDATES, MOST_ROWS)), n_rows)


def _anneals(parameters: Any, problem: Problem, optimizer: Optimizer) -> bool:
    """Whether the rate goes down to zero over all epochs: it is ours to choose, and their number is known."""
    by_itself = parameters.learning_rate == parameters.schedule == "auto" and optimizer.learning_rate is None
    asked_for = parameters.tol not in ("auto", None) or parameters.criterion != "objective"
    known = not (problem.streaming or parameters.warm_start or parameters.early_stopping or asked_for)
    return by_itself and known and not optimizer.searches_line


def _schedule_and_tol(parameters: Any, optimizer: Optimizer, anneals: bool) -> tuple[Schedule | Callable, float | None]:
    """The schedule, and the tolerance: None where all epochs are run."""
    if anneals:
        return Cosine(parameters.max_iter), None
    by_itself = parameters.schedule == "auto"
    schedule = get_schedule("constant" if by_itself else parameters.schedule, parameters.max_iter)
    tol = parameters.tol
    if tol == "auto":  # a schedule of the user's says how the rate goes over all epochs
        goes_on = isinstance(schedule, Constant | ReduceOnPlateau) or optimizer.searches_line
        tol = TOL if goes_on or parameters.criterion != "objective" or parameters.early_stopping else None
    return schedule, tol
