"""Several trainings from different starts, of which the best is kept."""

from collections.abc import Callable, Sequence

import numpy as np

from .. import _parallel as threads
from .driver import Driver
from .training import Training


def best_of(drivers: Sequence[Driver], train: Callable[[Driver], Training], n_threads: int) -> Driver:
    """Train all, in threads; the driver of the training with the least score, which gets the scores of all.

    The score is the best loss on the validation data where these stop the training, else the objective in the end. BLAS
    has one thread for each, however many run at once: with more its sums would have other last digits.
    """
    errors = []

    def score(driver):
        try:
            train(driver)
        except ValueError as error:  # a start from which nothing can be learnt
            errors.append(error)
            return np.inf
        return driver.score()

    scores = np.array(list(threads.run(score, drivers, n_threads)))  # compiled code holds no lock
    if len(errors) == len(drivers):
        raise errors[0]
    best = drivers[int(np.nanargmin(scores)) if np.isfinite(scores).any() else 0]
    best.training.restart_scores = scores * best.training.loss_unit
    return best
