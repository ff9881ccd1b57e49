"""Validation data of the user's."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .._containers import as_numpy
from .._partitions import adapter_of
from .._validation import check_features, check_sample_weight

# The steps of a Pipeline transform X alone, unless they are told to
IN_PIPELINES = (
    " In a Pipeline its steps have to transform X_val, too: with metadata routing, transform_input=['X_val'] does that"
)


class ValidationSet(NamedTuple):
    """Checked rows that training doesn't see."""

    X: np.ndarray  # (n_rows, n_features), float32 or float64
    y: np.ndarray  # (n_rows, n_targets) float64; for a classifier class indices or labels in float32
    weight: np.ndarray  # (n_rows,) float64; empty: all rows count the same


def check_validation_set(
    estimator, given: tuple, check_targets: Callable[[object], np.ndarray]
) -> ValidationSet | None:
    """The user's (X_val, y_val, sample_weight_val), None where there are none.

    `check_targets` makes y_val what ValidationSet.y is.
    """
    X_val, y_val, sample_weight_val = given
    if X_val is y_val is sample_weight_val is None:
        return None
    if adapter_of(*given) is not None:
        raise ValueError("the validation data are a collection, and X isn't: give both as collections, or neither")
    missing = [name for name, array in {"X_val": X_val, "y_val": y_val}.items() if array is None]
    if missing:
        if len(missing) == 1:
            raise ValueError(f"{missing[0]} is missing: validation data need both X_val and y_val")
        raise ValueError("sample_weight_val needs X_val and y_val, which are missing")
    with _naming("X_val"):
        X = check_features(estimator, X_val)
    with _naming("y_val"):
        y = check_targets(as_numpy(y_val, "y"))
    if len(y) != X.shape[0]:
        raise ValueError(f"X_val has {X.shape[0]} rows and y_val {len(y)}: they must be as many")
    with _naming("sample_weight_val"):
        weight = check_sample_weight(sample_weight_val, X)
    return ValidationSet(X, y, weight)


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say in errors which of the arguments they are about."""
    try:
        yield
    except ValueError as error:
        advice = IN_PIPELINES if name == "X_val" and "features" in str(error) else ""
        raise ValueError(f"{name}: {error}{advice}") from error
