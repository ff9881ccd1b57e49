"""Numbers as compiled code takes them: Python's own, of 64 bits, whatever they come as."""

import functools
import math
from numbers import Integral, Real
from typing import Any

import numpy as np

# No count comes so far: larger ones mean without end. A multiple of it still has 64 bits, and floats hold it exactly.
ENDLESS = 2**53
_AS_THEY_ARE = frozenset({bool, float, str, type(None)})


def plain(value: Any, kind: type) -> Any:
    """A number as one of this kind; infinite where it is beyond floats, and what is none as it is."""
    if isinstance(value, Integral) and kind is not Real:
        return max(-ENDLESS, min(int(value), ENDLESS))
    if not isinstance(value, Real):
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def settled(value: Any, kind: type) -> Any:
    """The value of a parameter whose numbers are of this kind: a bool or number as Python's, or what it is."""
    if type(value) in _AS_THEY_ARE:  # most are, and to ask what a number is takes long
        return value
    return bool(value) if isinstance(value, np.bool_) else plain(value, kind)


@functools.cache
def kinds_of(cls: type) -> dict[str, type]:
    """The kind of number that each parameter of a class takes: real ones, if any will do, or whole ones."""
    constraints = cls._parameter_constraints.items()  # type: ignore[attr-defined]
    return {
        name: Real if any(getattr(it, "type", None) is Real for it in taken) else Integral
        for name, taken in constraints
    }
