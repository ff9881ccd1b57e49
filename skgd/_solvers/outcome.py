"""How a step of a solver ended, and what a solver is."""

from enum import IntEnum
from typing import Protocol

import numpy as np

from .._kernels import structures as kernels


class Outcome(IntEnum):
    """How a call of a solver ended: the statuses of kernels by their names."""

    RUNNING = kernels.RUNNING  # in the middle of an epoch
    CONVERGED = kernels.CONVERGED
    DIVERGED = kernels.DIVERGED
    PAUSED = kernels.PAUSED  # after an epoch
    OUT_OF_EPOCHS = kernels.OUT_OF_EPOCHS
    STUCK = kernels.STUCK  # no epoch to come leads anywhere: another solver should go on, if there is one


class Solver(Protocol):
    """What the driver asks of a method of minimisation."""

    dtype: np.dtype  # that it computes in

    def step(self, last_epoch: int) -> Outcome:
        """Go on: until an epoch has ended if somebody will look, else as far as one call leads.

        Parameters and progress are in the training that the solver was made for.
        """

    def state(self) -> dict:
        """What else a step depends on, between two epochs: arrays, numbers and strings, in dictionaries and lists."""

    def restore(self, state: dict) -> None:
        """Go on from such a state, to the same bits."""
