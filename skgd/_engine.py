"""What pickles of skgd 0.1 name: nothing is made of it any more but what `_pickles.py` reads.

A pickle imports ``skgd._engine.training`` and the like, which are all this module.
"""

import sys
from typing import NamedTuple

import numpy as np

from ._problem.scaling import LargestEntries, Moments, Scaling


class State(NamedTuple):
    """The arrays of a training."""

    params: np.ndarray
    grads: np.ndarray
    slots: np.ndarray
    average: np.ndarray
    epoch_start: np.ndarray
    best: np.ndarray
    total: np.ndarray
    penalised: np.ndarray
    l1_counts: np.ndarray


class Training:
    """A training, as a bag of what it had."""


class LinearObjective:
    """A linear model."""


class NetworkObjective:
    """A network."""


for _name in ("training", "objectives", "scaling"):
    sys.modules[f"{__name__}.{_name}"] = sys.modules[__name__]
sys.modules["skgd._kernels.signatures"] = sys.modules[__name__]

__all__ = ["LargestEntries", "LinearObjective", "Moments", "NetworkObjective", "Scaling", "State", "Training"]
