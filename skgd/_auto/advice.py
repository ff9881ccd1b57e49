"""What is said about a training that didn't end well, and a learning rate that would have."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._problem.model import LinearModel
from .._problem.problem import Problem, separates
from .._solvers.driver import Driver
from .._solvers.plan import Plan
from .._solvers.training import Training
from .._warnings import warn_user, within_search
from ..schedules import Constant, ReduceOnPlateau, factors_at
from .linear import LEAST_PENALTY

TRIAL_FACTOR = 10  # between one rate tried after a divergence and the next
TRIAL_EPOCHS = 20  # for which it must go well beyond the epoch that diverged
MAX_TRIALS = 12
SEPARABLE_LOSS = 0.01  # share of the constant model's loss: a criterion that was met above it was met at an optimum
STEADY = 0.5  # of the largest change from epoch to epoch the smallest one: noise has others
FAR = 0.05  # share of the constant model's objective that a few descents would still gain
DESCENTS = 5  # of which the first may gain little in a narrow valley
LONGER = 4.0  # of these steps one than the one before
MAX_STEPS = 30

Train = Callable[[Training, Plan], Training]
UNPROVEN = (
    "{} stopped where no step leads on, after {} epochs, and can't prove that this is the optimum: the loss has kinks"
    "{}. Increase alpha or tol, or give {} or a smooth loss."
)


def report(
    estimator: str, training: Training, plan: Plan, problem: Problem, beginning: Training | None, first_epoch: int
) -> None:
    """Warn of what went wrong, in words for users of an estimator; the beginning is what other rates are tried from."""

    def train(training, plan):
        return Driver(training, plan, replace(problem, validation=None)).train()

    def warn(reason, message, more=None):
        warn_user(message, ConvergenceWarning, kind=f"{reason} {estimator}", more=more)

    def what_would_work():
        rate = rate_that_works(training, plan, problem, beginning, train)
        advice = (
            "No smaller rate helped: check the loss and the optimizer's rule."
            if rate is None
            else f"learning_rate={rate:.2g} would work, and so would learning_rate='auto'."
        )
        return advice + (" standardize=True allows larger rates, and converges sooner." if unscaled else "")

    unscaled = problem.standardization is False
    if rests(plan, first_epoch, training.epochs - first_epoch):
        warn(
            "rests",
            f"schedule={plan.schedule!r} had come down to zero before: {estimator} has learned nothing. Let training "
            "begin anew, or give a schedule that goes on.",
        )
    elif training.stop_reason == "diverged":
        warn(
            "diverged",
            f"{estimator} diverged in epoch {training.epochs + 1} with learning_rate={training.learning_rate:.3g}; the "
            "best parameters before that were kept. ",
            what_would_work,
        )
    elif plan.tol is None or plan.anneals:
        return  # all epochs were asked for, or are right
    elif has_no_optimum(training, plan, problem):
        warn(
            "separable",
            f"The classes are separable, so without a penalty {estimator} has no optimum: the loss goes to zero while "
            "coefficients grow for ever. Give a penalty, alpha > 0.",
        )
    elif training.stop_reason == "max_iter" and training.epochs - first_epoch < plan.max_iter:
        words = ("", "columns of one scale") if problem.l1 is None else (", as an L1 penalty has", "penalty='l2'")
        warn("unproven", UNPROVEN.format(estimator, training.epochs - first_epoch, *words))
    elif training.stop_reason == "max_iter":
        patience = f"on the validation data for n_iter_no_change={plan.n_iter_no_change} epochs"
        aim = (
            f"stood still to tol={plan.tol} {patience}"
            if plan.early_stopping
            else f"converged to tol={plan.tol} ({plan.criterion})"
        )
        warn(
            "max_iter",
            f"Maximum number of epochs reached, max_iter={plan.max_iter}, before {estimator} {aim}: "
            f"{what_to_do(training, plan)}." + (" standardize=True converges sooner." if unscaled else ""),
        )
    elif creeps(training, plan) and not within_search() and is_far(training, problem):  # searches compare rates
        warn(
            "slow",
            f"learning_rate={training.learning_rate:.3g} is too small to make progress that counts: {estimator} ended "
            f"after {training.epochs - first_epoch} epochs, far from the optimum. Give a larger one, or "
            "learning_rate='auto'; with tol=None all epochs are run.",
        )


def creeps(training: Training, plan: Plan) -> bool:
    """Whether a fit that noise was to end ended in a steady way down: too slow a one to be told from a standstill."""
    if plan.rate_is_auto or not plan.near_zero or training.stop_reason != "converged" or plan.criterion != "objective":
        return False
    changes = -np.diff(training.losses.values[-1 - plan.n_iter_no_change :])
    return bool(changes.size and changes.min() > STEADY * changes.max())


def is_far(training: Training, problem: Problem) -> bool:
    """Whether a few descents along the gradient over all rows gain much, each by steps one longer than the other."""
    if not problem.rows.in_memory:
        return False
    params, rate = training.params.astype(np.float64), training.learning_rate
    with np.errstate(over="ignore", invalid="ignore"):
        before = least = problem.value(params)
        for _ in range(DESCENTS):
            gradient, length, start = problem.gradient(params), rate, params
            for _ in range(MAX_STEPS):
                value = problem.value(farther := start - length * gradient)
                if not value < least:
                    break
                params, least, length = farther, value, LONGER * length
            if before - least > FAR * abs(training.progress["reference"][0]):
                return True
    return False


def what_to_do(training: Training, plan: Plan) -> str:
    """What may help where epochs ran out."""
    linear = isinstance(training.model, LinearModel) and not plan.early_stopping
    if plan.searches_line:
        return "increase max_iter or tol" + (", or alpha, which makes the way shorter" if linear else "")
    constant = isinstance(plan.schedule, Constant)
    noisy = not plan.exact and not plan.optimizer.variance_reduced and constant and plan.average is False
    if noisy and plan.criterion != "objective" and not plan.early_stopping:
        return (
            f"the noise of batches of {plan.batch_size} rows is seldom below tol while the rate stays as it is; give a "
            "schedule that goes down, or batch_size=None"
        )
    largest = linear and plan.rate_is_auto and plan.optimizer.steps_with_gradient  # that theory allows
    ways = ["max_iter", "tol"] if largest else ["max_iter", "learning_rate", "tol"]
    text = f"increase {', '.join(ways[:-1])} or {ways[-1]}"
    if not constant:
        text += ", or let the schedule go down more slowly"
    if linear and not training.loss.trivial_optimum:
        text += "; optimizer='lbfgs' takes fewer"
    return text


def has_no_optimum(training: Training, plan: Plan, problem: Problem) -> bool:
    """Whether a linear model separates all classes, so that nothing but a penalty could end its growth.

    Where a criterion was met the rows are looked at only after a loss that speaks for it: else it costs nothing.
    """
    loss, penalty, losses = problem.loss, problem.penalty, training.losses.values
    endless = loss.for_classes and not loss.reaches_minimum and max(penalty.l1, penalty.l2) <= LEAST_PENALTY
    if not endless or plan.early_stopping or not losses.size or not isinstance(problem.model, LinearModel):
        return False
    near_zero = losses[-1] < SEPARABLE_LOSS * training.progress["reference"][0]
    suspect = training.stop_reason == "max_iter" or (training.stop_reason == "converged" and near_zero)
    return bool(suspect) and separates(problem, training.params)


def rests(plan: Plan, first_epoch: int, n_epochs: int) -> bool:
    """Whether the schedule has come down to zero, from here on in all epochs that were run."""
    if plan.searches_line or isinstance(plan.schedule, ReduceOnPlateau | Constant):
        return False
    return not factors_at(plan.schedule, first_epoch + np.arange(float(max(n_epochs, 1)))).any()


def rate_that_works(
    training: Training, plan: Plan, problem: Any, beginning: Training | None, train: Train
) -> float | None:
    """A rate from theory, else one that has been tried for longer than this training lasted."""
    if beginning is None:
        return None
    rate, safe = training.learning_rate, plan.safe_rate(problem)
    if safe is not None and safe < rate:
        return safe
    epochs = min(plan.max_iter, training.epochs - beginning.epochs + TRIAL_EPOCHS)
    for _ in range(MAX_TRIALS):
        rate = float(f"{rate / TRIAL_FACTOR:.2g}")  # as it will be printed
        trial = beginning.copy()
        trial.learning_rate = rate
        try:
            if train(trial, replace(plan, max_iter=epochs)).stop_reason != "diverged":
                return rate
        except ValueError:  # it starts where nothing can be learnt
            return None
    return None
