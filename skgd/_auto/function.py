"""What `auto` becomes for functions."""

from collections.abc import Callable
from typing import Any

from .._solvers.plan import Plan
from ..optimizers.sgd import descent_rule
from ..schedules import Constant

PATIENCE = 5  # iterations for which a criterion must hold where a single one may meet it by chance


def decide(arguments: Any, rate_from_curvature: Callable[[], float | None]) -> Plan:
    """The plan of one descent, from the arguments of minimize, whose optimizer and schedule are objects by now."""
    optimizer, schedule = arguments.optimizer, arguments.schedule
    rate = optimizer.learning_rate if arguments.learning_rate == "auto" else arguments.learning_rate
    rate_is_auto, textbook = rate is None, arguments.learning_rate != "auto" and optimizer.n_slots == 0
    solver = "quasi_newton" if optimizer.searches_line else "rule"
    if rate_is_auto and optimizer.rule is descent_rule and isinstance(schedule, Constant):
        solver, rate = "steepest_descent", 1.0  # of the length that the search proposes
    if rate is None and optimizer.steps_with_gradient:
        rate = rate_from_curvature()
    return Plan(
        solver=solver,
        optimizer=optimizer,
        batch_size=1,
        learning_rate=float(optimizer.default_learning_rate if rate is None else rate),
        rate_is_auto=rate_is_auto,
        schedule=schedule,
        max_iter=arguments.max_iter,
        safe_rate=lambda: None,
        tol=arguments.tol,
        criterion=arguments.criterion,
        n_iter_no_change=1 if textbook else PATIENCE,
        exact=True,
    )
