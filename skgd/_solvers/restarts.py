"""Several trainings from different starts, of which the best is kept."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .. import _parallel as threads
from .._kernels.structures import Data
from .driver import Loop
from .training import Plan, Training


def best_of(
    trainings: Sequence[Training], plan: Plan, data: Data, validation: Data | None, n_threads: int
) -> tuple[Training, np.ndarray]:
    """Train all, in threads, and return the one with the least score, and all scores.

    That is the best loss on the validation data where these stop the training, else the objective in the end. BLAS has
    one thread for each, however many run at once: with more its sums would have other last digits.
    """
    alone = replace(plan, n_threads=1, watch=None)
    loops = [Loop(training, alone, data, validation) for training in trainings]

    def train(loop):
        beginning = loop.begin()
        loop.train()
        return beginning, loop.score()

    results = list(threads.run(train, loops, n_threads))  # compiled code holds no lock
    scores = np.array([score for _, score in results])
    best = int(np.nanargmin(scores)) if np.isfinite(scores).any() else 0
    return loops[best].report(results[best][0]), scores * trainings[best].loss_unit
