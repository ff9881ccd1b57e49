"""The random numbers of a fit."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

_spare: list[np.random.RandomState] = []


def generator(random_state: Any) -> np.random.RandomState:
    """As `check_random_state`; for a number a spare one, seeded anew: to make one takes a tenth of a small fit."""
    if type(random_state) is not int:
        return check_random_state(random_state)
    try:
        spare = _spare.pop()
    except IndexError:
        return np.random.RandomState(random_state)
    spare.seed(random_state)
    return spare


def give_back(used: np.random.RandomState, random_state: Any) -> None:
    """Keep the generator that there was for a number: nobody else has it."""
    if type(random_state) is int:
        _spare.append(used)
