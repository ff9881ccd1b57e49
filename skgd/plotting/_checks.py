"""What displays are given, checked and brought into one form."""

import math
import re
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

_MOST_LETTERS = 80  # of what is shown in an error


def shown(thing: Any, most_letters: int = _MOST_LETTERS) -> str:
    """What is given, in one short line: scikit-learn writes pipelines over many."""
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(thing).split()))  # nobody looks for an address
    return text if len(text) <= most_letters else text[: most_letters - 3] + "..."


def by_name(things: Any, names: Sequence[str] | None, default: Any, is_one) -> dict[str, Any]:
    """One thing, a list or a dict of them, as a dict from name to thing.

    default: a function that names a thing; equal names get a number. is_one: whether a value is one thing already.
    """
    if isinstance(things, dict) and not is_one(things):
        if names is not None:
            raise ValueError(f"names={names!r} must be None where a dict gives the names already: {list(things)}")
        if not things:
            raise ValueError("there is nothing to draw: the dict is empty")
        return {str(name): thing for name, thing in things.items()}
    one = is_one(things) or isinstance(things, str) or not isinstance(things, Iterable)
    things = [things] if one else list(things)
    if not things:
        raise ValueError("there is nothing to draw: the list is empty")
    if names is None:
        return dict(zip(told_apart([default(thing) for thing in things]), things, strict=True))
    names = [names] if isinstance(names, str) else [str(name) for name in names]
    if len(names) != len(things) or len(set(names)) != len(names):
        raise ValueError(f"names={names!r} must be different names, one for each of the {len(things)} to draw")
    return dict(zip(names, things, strict=True))


def told_apart(names: list[str]) -> list[str]:
    """Names that occur more than once with a number behind."""
    seen: dict[str, int] = {}
    apart = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        apart.append(f"{name} {seen[name]}" if names.count(name) > 1 else name)
    return apart


def one_of(name: str, value: Any, accepted: Sequence) -> None:
    """Raise a ValueError that names the parameter, its value and what is accepted."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in accepted):
        raise ValueError(f"{name}={value!r} must be one of {list(accepted)}")


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_positive(value: Any) -> bool:
    """Whether a value is a finite number above 0."""
    return is_number(value) and value > 0


def learning_rates_of(name: str, rates: Any) -> np.ndarray:
    """Learning rates, at least one, positive and finite, in ascending order."""
    try:
        array = np.atleast_1d(np.asarray(rates, dtype=np.float64))
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 1 or array.size == 0 or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"{name}={rates!r} must be positive, finite numbers, at least one")
    return np.unique(array)


def column_numbers(features: Any, names: Sequence[str]) -> list[int]:
    """Numbers of the features that are given by number or by name."""
    chosen = []
    for feature in [features] if isinstance(features, str | int | np.integer) else list(features):
        number = -1
        if isinstance(feature, str):
            number = names.index(feature) if feature in names else -1
        elif isinstance(feature, int | np.integer):
            number = int(feature)
        if not 0 <= number < len(names):
            raise ValueError(
                f"features={features!r}: {feature!r} must be a number from 0 to {len(names) - 1}, or among the names "
                f"{shown(names)}"
            )
        chosen.append(number)
    return chosen


def feature_names(known: Any, n_features: int) -> list[str]:
    """The names that are known, if any are, else feature 0, feature 1, ..."""
    return [f"feature {j}" for j in range(n_features)] if known is None else [str(name) for name in known]


def output_names(model: Any) -> list[str]:
    """What the rows of ``coef_`` are called: classes by their names."""
    n_outputs = len(np.atleast_2d(model.coef_))
    classes = getattr(model, "classes_", None)
    if classes is None:
        return [f"output {k}" for k in range(n_outputs)]
    return [str(name) for name in classes[-n_outputs:]]  # two classes have one row, of the second


def output_number(output: int | str, names: Sequence[str]) -> int:
    """The row of ``coef_`` that is asked for by number or by name, if there is one."""
    number = names.index(output) if isinstance(output, str) and output in names else output
    if not (isinstance(number, int | np.integer) and 0 <= number < len(names)):
        raise ValueError(
            f"output={output!r} must be a number from 0 to {len(names) - 1}: the row of coef_; or among {shown(names)}"
        )
    return int(number)


def is_path(value: Any) -> bool:
    """Whether a value is one result or path: an array, or a list of points that aren't paths themselves."""
    if isinstance(value, dict):
        return isinstance(value, OptimizeResult)
    return isinstance(value, np.ndarray) or not all(isinstance(part, dict | np.ndarray) for part in value)


def checked_path(name: str, value: Any) -> np.ndarray:
    """The path of a result, or an array of points of one or two variables."""
    path = np.asarray(value.get("path", ()) if isinstance(value, dict) else value, dtype=np.float64)
    if path.size == 0:
        raise ValueError(
            f"results: {name!r} has no path; call minimize(..., return_path=True), or give an array of points"
        )
    if int(np.prod(path.shape[1:])) not in (1, 2):
        raise ValueError(
            f"results: the path of {name!r} has shape {path.shape}; it must be (n_points, 1) or (n_points, 2): "
            "a picture shows functions of one or two variables"
        )
    return path
