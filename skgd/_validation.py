"""Every use of scikit-learn's private names, and the checks of data that all estimators share."""

from collections.abc import Sequence

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, validate_data

FLOATS = (np.float64, np.float32)
SAFE_WEIGHTS = (1e-100, 1e100)  # sums and products of weights in between are as exact as those of any others


def check_sample_weight(sample_weight, X: np.ndarray) -> np.ndarray:
    """Weights as float64, not negative and not all zero; an empty array where there are none."""
    if sample_weight is None:
        return np.empty(0)
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    return at_one_scale(weight, "sample_weight")


def at_one_scale(weight: np.ndarray, name: str) -> np.ndarray:
    """Bring weights whose sum would leave the range of floats back into it; only their proportions count."""
    largest = weight.max()
    if largest == 0:
        raise ValueError(f"{name} is zero for every row: give at least one row a positive weight")
    low, high = SAFE_WEIGHTS
    return weight if low < largest < high else weight / largest


def check_parameters(estimator) -> None:
    """Raise InvalidParameterError, which names the parameter, for one that breaks its constraint."""
    estimator._validate_params()


def check_features(estimator, X, *, reset: bool, dtypes: Sequence[type] = FLOATS) -> np.ndarray:
    """X as a C-ordered float array, copied only if it is something else."""
    X = validate_data(estimator, X, reset=reset, dtype=list(dtypes), order="C")
    return np.asarray(X)


def check_training_data(
    estimator, X, y, *, reset: bool, dtypes: Sequence[type] = FLOATS, y_numeric: bool
) -> tuple[np.ndarray, np.ndarray]:
    """X as a C-ordered float array and y of the same length, one column for each target."""
    X, y = validate_data(
        estimator, X, y, reset=reset, dtype=list(dtypes), order="C", multi_output=y_numeric, y_numeric=y_numeric
    )
    return np.asarray(X), y


__all__ = [
    "FLOATS",
    "Interval",
    "StrOptions",
    "at_one_scale",
    "check_features",
    "check_parameters",
    "check_sample_weight",
    "check_training_data",
    "fit_context",
]
