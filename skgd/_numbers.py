"""Numbers as compiled code takes them: Python's own, of 64 bits, whatever they come as."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

# No count comes so far: larger ones mean without end. A multiple of it still has 64 bits, and floats hold it exactly.
ENDLESS = 2**53


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


def settled(value: Any, accepted: Iterable[Any]) -> Any:
    """The value of a parameter that takes this: a bool, a number where it is one, or what it is."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if not isinstance(value, Real):
        return value
    return plain(value, Real if any(getattr(each, "type", None) is Real for each in accepted) else Integral)
