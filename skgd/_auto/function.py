"""What `auto` becomes for functions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._solvers.plan import Plan
from ..optimizers import OPTIMIZERS
from ..optimizers.sgd import descent_rule
from ..schedules import Constant, ReduceOnPlateau

ADAPTIVE = 100.0  # times the customary rate, which is for networks, where variables are of size one
DECAY, STALE, LEAST = 0.5, 50, 1e-7  # of that rate: by how much, after how many iterations without progress, how far
PATIENCE = 5  # iterations for which a criterion must hold where a single one may meet it by chance
_ADAPTIVE_RULES = {make().rule for make in OPTIMIZERS.values() if not make().steps_with_gradient}


def decide(arguments: Any, start: np.ndarray, rate_from_curvature: Callable[[], float | None]) -> Plan:
    """The plan of one descent, from the arguments of minimize, whose optimizer and schedule are objects by now."""
    optimizer, schedule = arguments.optimizer, arguments.schedule
    rate = optimizer.learning_rate if arguments.learning_rate == "auto" else arguments.learning_rate
    rate_is_auto, textbook = rate is None, arguments.learning_rate != "auto" and optimizer.n_slots == 0
    solver = "quasi_newton" if optimizer.searches_line else "rule"
    if rate_is_auto and optimizer.rule is descent_rule and isinstance(schedule, Constant):
        solver, rate = "steepest_descent", 1.0  # of the length that the search proposes
    if rate is None and optimizer.steps_with_gradient:
        rate = rate_from_curvature()
    elif rate_is_auto and solver == "rule" and isinstance(schedule, Constant) and optimizer.rule in _ADAPTIVE_RULES:
        size = max(float(np.median(np.abs(start))), 1.0)
        rate, schedule = ADAPTIVE * size * optimizer.default_learning_rate, ReduceOnPlateau(DECAY, STALE, floor=LEAST)
    return Plan(
        solver=solver,
        optimizer=optimizer,
        batch_size=1,
        learning_rate=float(optimizer.default_learning_rate if rate is None else rate),
        rate_is_auto=rate_is_auto,
        schedule=schedule,
        max_iter=arguments.max_iter,
        safe_rate=lambda problem: None,
        tol=arguments.tol,
        criterion=arguments.criterion,
        n_iter_no_change=1 if textbook else PATIENCE,
        exact=True,
    )
