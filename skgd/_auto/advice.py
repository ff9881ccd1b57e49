"""What is said about a training that didn't end well, and a learning rate that would have."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._solvers.plan import Plan
from .._solvers.training import Training
from .._warnings import warn_user
from ..schedules import Constant, ReduceOnPlateau, factors_at

TRIAL_FACTOR = 10  # between one rate tried after a divergence and the next
TRIAL_EPOCHS = 20  # for which it must go well beyond the epoch that diverged
MAX_TRIALS = 12

Train = Callable[[Training, Plan], Training]


def report(training: Training, plan: Plan, beginning: Training | None, first_epoch: int, train: Train) -> None:
    """Warn of what went wrong. The beginning is what other rates are tried from, with `train`."""
    if rests(plan, first_epoch):
        warn_user(
            f"schedule={plan.schedule!r} had come down to zero before: nothing was learned. Let training begin "
            "anew, or give a schedule that goes on.",
            ConvergenceWarning,
        )
    elif training.stop_reason == "diverged":
        rate = rate_that_works(training, plan, beginning, train)
        advice = (
            "No smaller rate helped: check the loss and the optimizer's rule."
            if rate is None
            else f"learning_rate={rate:.2g} would work, and so would learning_rate='auto'."
        )
        if (training.scaling.scale == 1).all():
            advice += " standardize=True allows larger rates, and converges sooner."
        warn_user(
            f"The fit diverged in epoch {training.epochs + 1} with learning_rate={training.learning_rate:.3g}; the "
            f"best parameters before that were kept. {advice}",
            ConvergenceWarning,
        )
    elif training.stop_reason == "max_iter" and plan.tol is not None:
        warn_user(
            f"Maximum number of epochs reached, max_iter={plan.max_iter}, before the fit converged to "
            f"tol={plan.tol} ({plan.criterion}): increase max_iter, learning_rate or tol.",
            ConvergenceWarning,
        )


def rests(plan: Plan, first_epoch: int) -> bool:
    """Whether the schedule has come down to zero, from here to the last epoch."""
    if plan.searches_line or isinstance(plan.schedule, ReduceOnPlateau | Constant):
        return False
    return not factors_at(plan.schedule, np.arange(float(first_epoch), first_epoch + plan.max_iter)).any()


def rate_that_works(training: Training, plan: Plan, beginning: Training | None, train: Train) -> float | None:
    """A rate from theory, else one that has been tried for longer than this training lasted."""
    if beginning is None:
        return None
    rate, safe = training.learning_rate, plan.safe_rate()
    if safe is not None and safe < rate:
        return safe
    epochs = min(plan.max_iter, training.epochs - beginning.epochs + TRIAL_EPOCHS)
    for _ in range(MAX_TRIALS):
        rate = float(f"{rate / TRIAL_FACTOR:.2g}")  # as it will be printed
        trial = beginning.copy()
        trial.learning_rate = rate
        if train(trial, replace(plan, max_iter=epochs)).stop_reason != "diverged":
            return rate
    return None
