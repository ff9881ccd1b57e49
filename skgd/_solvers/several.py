"""Several trainings: from different starts, of which the best is kept, or of the members of an ensemble."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _parallel as threads
from .._problem.problem import Problem
from .driver import Audience, Driver
from .plan import Plan
from .training import SEEDS, Training, begin

# Of an ensemble the first of these that a member has.
STOP_REASONS = "interrupted", "callback", "diverged", "max_iter", "early_stopping", "converged"


def one_for_each(before: list[Training] | None, n: int) -> list[Training | None]:
    """The trainings before, or None for each."""
    return [None] * n if before is None else [*before]


def begun(
    problems: list[Problem], plans: list[Plan], befores: list, rng: np.random.RandomState
) -> Iterator[tuple[Training, Plan, Problem]]:
    """Trainings that begin, or go on, with their plans and problems.

    A member of an ensemble has random numbers of its own, as if it were fitted alone with another ``random_state``.
    """
    several = len(problems) > 1
    for problem, plan, before in zip(problems, plans, befores, strict=True):
        if before is not None:
            before.go_on(problem, plan)
            yield before, plan, problem
        else:
            own = np.random.RandomState(rng.randint(1, SEEDS)) if several else rng
            for training in begin(problem, plan, own):
                yield training, plan, problem


def all_of(drivers: Sequence[Driver], audience: Audience | None, n_threads: int) -> Sequence[Driver]:
    """Train all, in threads.

    BLAS has one thread for each, however many run at once: with more its sums would have other last digits.
    """

    def train(driver: Driver) -> None:
        driver.train(audience)

    for _ in threads.run(train, drivers, n_threads, lambda: give_up(drivers)):  # compiled code holds no lock
        pass
    return drivers


def best_of(drivers: Sequence[Driver], audience: Audience | None, n_threads: int) -> Driver:
    """Train all, in threads; the driver of the training with the least score, which gets the scores of all.

    The score is the best loss on the validation data where these stop the training, else the objective in the end.
    """
    errors = []

    def score(driver: Driver) -> float:
        try:
            driver.train(audience)
        except ValueError as error:  # a start from which nothing can be learnt
            if audience is not None and audience.error is error:
                raise
            errors.append(error)
            if audience is not None:
                audience.end(driver)
            return np.inf
        return driver.score()

    scores = np.array(list(threads.run(score, drivers, n_threads, lambda: give_up(drivers))))
    if len(errors) == len(drivers):
        raise errors[0]
    best = drivers[int(np.nanargmin(scores)) if np.isfinite(scores).any() else 0]
    with np.errstate(over="ignore"):
        best.training.restart_scores = scores * best.training.loss_unit
    return best


def give_up(drivers: Sequence[Driver]) -> None:
    """End them with the epochs that they are in."""
    for driver in drivers:
        driver.stop("interrupted")


def salvage(drivers: Sequence[Driver], are_members: bool) -> list[Driver]:
    """Drivers of what interrupted trainings have learnt, now or before: of all members, else of the best start.

    There are none if nothing has been learnt now.
    """
    begun = [driver for driver in drivers if driver.training.updates > driver.first_update]
    if not begun:
        return []
    if are_members:
        begun = [driver for driver in drivers if driver.training.updates > 0]
    ends = [driver.interrupted().stop_reason for driver in begun]
    kept = begun if are_members else [min(begun, key=lambda driver: driver.score(anew=False))]
    if "interrupted" in ends or len(begun) < len(drivers):
        kept[0].training.stop_reason = "interrupted"  # of all, though this one had ended
    return kept


def check_range(name: str, published: dict[str, Any]) -> None:
    """Refuse parameters that are no numbers in the units of the data, and in the precision of X."""
    for of in ("coef_", "intercept_", "coefs_", "intercepts_"):
        if of in published:
            _check_range(name, of, published[of])


def _check_range(name: str, of: str, parameters: Any) -> None:
    if isinstance(parameters, list):
        for each in parameters:
            _check_range(name, of, each)
    elif np.count_nonzero(np.isfinite(parameters)) < parameters.size:
        room = "" if parameters.dtype == np.float64 else "; float64 X has more room"
        raise ValueError(
            f"{name}: {of} are beyond what {parameters.dtype} holds, in the units of X and y: bring these nearer to "
            f"1{room}"
        )


def attributes_of(trainings: Sequence[Training]) -> dict[str, Any]:
    """The fitted attributes that all estimators have, of a training, or of those of all members."""
    first = trainings[0]
    norms = [each.gradient_norm for each in trainings if each.gradient_norm is not None]
    curves = [(each.losses.values, each.validation_losses.values) for each in trainings]
    losses, validation_losses = curves[0] if len(curves) == 1 else map(list, zip(*curves, strict=True))
    stop_reason = min((each.stop_reason for each in trainings), key=STOP_REASONS.index)
    found = {
        "optimizer_": first.optimizer,
        "learning_rate_": first.learning_rate,
        "batch_size_": first.batch_size,
        "n_iter_": max(each.epochs for each in trainings),
        "t_": max(each.updates for each in trainings),
        "loss_curve_": losses,
        "validation_curve_": validation_losses,
        "gradient_norm_": max(norms) if len(norms) == len(trainings) else None,
        "stop_reason_": stop_reason,
        "converged_": stop_reason == "converged",
    }
    if "classes" in first.facts:
        found["classes_"] = first.facts["classes"]
    if first.restart_scores is not None:
        found["restart_scores_"] = first.restart_scores
    return found
