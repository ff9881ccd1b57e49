"""What `auto` becomes for linear models."""

import functools
from numbers import Integral
from typing import Any

import numpy as np

from .._problem.model import LinearModel
from .._problem.problem import Problem
from .._solvers.plan import Plan
from .._solvers.training import Training
from ..optimizers import LBFGS, SGD, AdaGrad, Optimizer
from ..schedules import Constant, get_schedule
from .curvature import working_sets_suit
from .decide import NEAR_ZERO, make_plan, users_batch_size, users_optimizer
from .description import ONE_BATCH_ROWS, own_steps
from .rates import batch_size_for_rate, gradient_rate

SMALL_ROWS = 512  # up to here a full batch costs hardly more than a mini-batch
MINI_BATCH = 16  # small enough that small rates get far in an epoch, large enough to vectorise
STREAM_RATE = 0.1  # AdaGrad's rate on standardised features: coefficients of a few units within a few hundred updates
LINE_SEARCH_TOL = 1e-10  # a line search knows what is left to gain, and its last steps are large ones
CERTAIN_ROWS = 10_000  # up to here one step more costs nothing, and makes weights the same as repetition to 1e-7:
CERTAIN_TOL = 1e-25
MANY_FEATURES = 1_000  # beyond, the curvature is only known by its diagonal, and every digit costs passes
MANY_FEATURES_TOL = 1e-9
MANY_FEATURES_L1_TOL = 1e-11  # coefficients near zero change long after the objective has settled
EARLY_STOPPING_TOL = 1e-4  # the loss of rows held out tells no more
FULL_BATCH_TOL = 1e-6  # an epoch is a single step
LEAST_PENALTY = float(np.finfo(np.float64).eps)  # smaller ones end nothing
# Of a rate that was given, in place of NEAR_ZERO: it may be too small to be worth waiting for. The best of several
# rates predicted no worse where fits ended here than where they went on two to four times as long.
NEAR_ENOUGH = 0.4
MINI_BATCH_TOL = 1e-3  # an epoch is many steps, and its mean objective is noisy; as SGDRegressor's


def decide(parameters: Any, problem: Problem, before: Training | None) -> Plan:
    """The plan of a fit, or of its continuation."""
    optimizer = _optimizer(parameters, problem, before)
    batch_size = users_batch_size(parameters, problem, optimizer, lambda: _batch_size(parameters, problem, optimizer))
    by_name = parameters.optimizer in ("auto", "nesterov") and isinstance(optimizer, SGD) and optimizer.nesterov
    if batch_size >= problem.n_given and not problem.streaming and by_name:
        # momentum that grows, and restarts, in place of a fixed one that mini-batches need
        optimizer = SGD(momentum="auto", nesterov=True)
    tol = parameters.tol
    if tol == "auto":
        tol = None if problem.streaming else _tol(parameters, problem, optimizer, batch_size)  # a stream has no end
    return make_plan(
        parameters,
        problem,
        before,
        optimizer=optimizer,
        batch_size=batch_size,
        rate_from_data=functools.partial(_rate_from_data, parameters, optimizer, batch_size),
        anneals=False,
        schedule=get_schedule(parameters.schedule, parameters.max_iter),
        tol=tol,
        settles=_settles(parameters, problem, optimizer, batch_size, tol),
        near_zero=NEAR_ZERO if _users_rate(parameters, optimizer) is None or parameters.tol != "auto" else NEAR_ENOUGH,
    )


def _users_rate(parameters: Any, optimizer: Optimizer) -> float | None:
    """The learning rate that was given."""
    return optimizer.learning_rate if parameters.learning_rate == "auto" else float(parameters.learning_rate)


def _settles(parameters: Any, problem: Problem, optimizer: Optimizer, batch_size: int, tol: float | None) -> bool:
    """Whether the noise of batches keeps the objective from new bests, in the end, and nobody said what comes then.

    The mean over these epochs has a small part of the noise; but zeros of an L1 penalty would be none any more.
    """
    left_to_us = parameters.average == "auto" and not parameters.early_stopping and problem.penalty.l1 == 0
    constant = isinstance(get_schedule(parameters.schedule, parameters.max_iter), Constant)
    by_standstill = tol is not None and parameters.criterion == "objective"
    noisy = batch_size < problem.n_given and not (optimizer.variance_reduced or optimizer.follows_path)
    return left_to_us and constant and by_standstill and noisy


def _optimizer(parameters: Any, problem: Problem, before: Training | None) -> Optimizer:
    """L-BFGS on all rows, accelerated gradient if the steps are given; where rows come in parts, what bears noise."""
    if parameters.optimizer != "auto":
        return users_optimizer(parameters)
    if problem.streaming:
        if before is None:
            return AdaGrad(learning_rate=STREAM_RATE)
        # what the stream began with, or plain descent on from the optimum that `fit` has found
        return SGD() if before.optimizer.follows_path else before.optimizer
    if problem.loss.trivial_optimum:
        return SGD()  # small steps, as there is nothing to see at the optimum
    in_batches = isinstance(parameters.batch_size, Integral) and parameters.batch_size < problem.n_given
    rate_alone = parameters.learning_rate != "auto" and parameters.batch_size == "auto"
    if in_batches or (rate_alone and problem.penalty.l1 == 0):  # of an L1 penalty noise would leave few zeros
        return SGD(momentum=0.9, nesterov=True)
    if own_steps(parameters):
        return SGD(momentum="auto", nesterov=True)
    return LBFGS(preconditioner="working_sets") if working_sets_suit(problem) else LBFGS()


def _batch_size(parameters: Any, problem: Problem, optimizer: Optimizer) -> int:
    """All rows for a method that needs exact gradients and for small data, else mini-batches.

    A rate that follows from the data makes good use of exact gradients. Other ones, the customary and the user's, take
    small steps: there must be many of them.
    """
    n_rows, loss, streaming = problem.n_given, problem.loss, problem.streaming
    if loss.trivial_optimum:  # all rows at once would lead to it
        return min(MINI_BATCH, max(1, n_rows // 4))
    if streaming:  # whatever the size of its parts, it shall make as many steps
        return min(MINI_BATCH, n_rows)
    rate = _users_rate(parameters, optimizer)
    curvature = loss.curvature_bound(problem.model.n_outputs) if optimizer.steps_with_gradient else None
    few = ONE_BATCH_ROWS[LinearModel]
    if optimizer.variance_reduced:  # on a full batch it would be plain descent
        return n_rows if n_rows <= few else MINI_BATCH
    if rate is None and curvature is not None:
        few = SMALL_ROWS
    if optimizer.follows_path or n_rows <= few:
        return n_rows
    standardised = problem.rows.is_dense and problem.standardization in (True, "auto")
    if rate is not None and curvature is not None and standardised:
        return batch_size_for_rate(rate, n_rows, problem.rows.n_features, curvature, optimizer)
    return MINI_BATCH


def _tol(parameters: Any, problem: Problem, optimizer: Optimizer, batch_size: int) -> float:
    if parameters.early_stopping and optimizer.searches_line:
        return EARLY_STOPPING_TOL
    n_rows = problem.n_given
    if optimizer.searches_line and parameters.criterion == "objective":
        if problem.rows.n_features > MANY_FEATURES:
            if problem.l1 is not None:
                return MANY_FEATURES_L1_TOL
            return MANY_FEATURES_TOL
        # whether there is one optimum, and the penalty's part in it more than rounding
        determined = problem.penalty.l2 > LEAST_PENALTY or problem.loss.quadratic
        return CERTAIN_TOL if n_rows <= CERTAIN_ROWS and determined else LINE_SEARCH_TOL
    return FULL_BATCH_TOL if batch_size >= n_rows or optimizer.variance_reduced else MINI_BATCH_TOL


def _rate_from_data(parameters: Any, optimizer: Optimizer, batch_size: int, problem: Problem) -> float | None:
    """A learning rate that theory gives for this data, or None."""
    curvature = problem.loss.curvature_bound(problem.model.n_outputs)
    if curvature is None or not optimizer.steps_with_gradient:
        return None
    return gradient_rate(problem, curvature, optimizer, batch_size, parameters.fit_intercept)
