"""What a line search still has to gain."""

from collections import deque

import numpy as np

from .._kernels.constants import SLOW, TINY

SLOWEST_RATE = 0.95  # that is believed: at slower ones all that is to come would be a multiple of noise
WINDOW = 10  # steps whose decrease is compared with that of as many before
RATE_STEPS = 5  # over which the rate of convergence is judged: that of a single one says little


class Prospects:
    """What the steps of a search have promised, what they have brought, and so what is to come."""

    def __init__(self) -> None:
        self.promises: deque[float] = deque(maxlen=RATE_STEPS + 1)
        self.objectives: deque[float] = deque(maxlen=2 * WINDOW + 1)
        self.lost = False  # in rounding: little to come, and it doesn't get less

    def see(self, promise: float, objective: float, rounding: float, reliable: bool = False) -> None:
        """Take note of what the next step promises, and of the objective now, both known up to rounding.

        A reliable promise leaves nothing out: what the objective was before has nothing to add.
        """
        self.lost = promise <= rounding and promise > SLOW * (self.promises or [np.inf])[-1]
        self.promises.append(promise)
        if reliable:
            self.objectives.clear()
        self.objectives.append(objective)

    def state(self) -> dict:
        return {"promises": list(self.promises), "objectives": list(self.objectives), "lost": self.lost}

    def restore(self, state: dict) -> None:
        self.promises.extend(state["promises"])
        self.objectives.extend(state["objectives"])
        self.lost = state["lost"]

    def to_come(self) -> float:
        """What is left to gain: the next step's promise and, at the rate at which promises shrink, all later ones."""
        first, last = self.promises[0], self.promises[-1]
        steps = len(self.promises) - 1
        rate = (last / max(first, TINY)) ** (1 / steps) if last > 0 and steps else 0.0  # a sample's best promises 0
        promised = last / (1 - min(rate, SLOWEST_RATE))
        if len(self.objectives) < 2 * WINDOW + 1:
            return promised
        # a rough model promises little where it knows little: then it counts what many steps have brought
        earlier, middle, now = self.objectives[0], self.objectives[WINDOW], self.objectives[-1]
        rate = (middle - now) / max(earlier - middle, TINY)
        return max(promised, (middle - now) * rate / (1 - min(rate, SLOWEST_RATE)))
