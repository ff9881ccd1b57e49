"""Several trainings from different starts, of which the best is kept."""

from collections.abc import Sequence

import numpy as np

from .. import _parallel as threads
from .driver import Audience, Driver


def best_of(drivers: Sequence[Driver], audience: Audience | None, n_threads: int) -> Driver:
    """Train all, in threads; the driver of the training with the least score, which gets the scores of all.

    The score is the best loss on the validation data where these stop the training, else the objective in the end. BLAS
    has one thread for each, however many run at once: with more its sums would have other last digits.
    """
    errors = []

    def score(driver):
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

    def give_up():
        for driver in drivers:
            driver.stop("interrupted")

    scores = np.array(list(threads.run(score, drivers, n_threads, give_up)))  # compiled code holds no lock
    if len(errors) == len(drivers):
        raise errors[0]
    best = drivers[int(np.nanargmin(scores)) if np.isfinite(scores).any() else 0]
    best.training.restart_scores = scores * best.training.loss_unit
    return best


def salvage(drivers: Sequence[Driver]) -> Driver | None:
    """The driver of the best of interrupted trainings, as far as is known; None if none of them has learnt anything."""
    begun = [driver for driver in drivers if driver.training.updates > driver.first_update]
    if not begun:
        return None
    ends = [driver.interrupted().stop_reason for driver in begun]
    best = min(begun, key=lambda driver: driver.score(anew=False))
    if "interrupted" in ends or len(begun) < len(drivers):
        best.training.stop_reason = "interrupted"  # of all starts, though this one had ended
    return best
