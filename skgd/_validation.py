"""Every use of scikit-learn's private names, and the checks of data that all estimators share."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context as fit_context
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as openmp_threads
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils._param_validation import RealNotInt as RealNotInt
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


class RemembersValidParameters:
    """Checks parameters once: small fits, in grids and in streams, would spend much of their time on it.

    Stands before BaseEstimator. Only numbers, strings, None and tuples of them are remembered, which can't change
    behind our back.
    """

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # scikit-learn reads them off the constructor, slowly, for every clone
        return list(_parameter_names(cls))  # type: ignore[arg-type]

    def _validate_params(self) -> None:
        values = [getattr(self, name) for name in self._get_param_names()]
        parts = [part for value in values for part in (value if type(value) is tuple else (value,))]
        kinds = tuple(map(type, parts))
        if not _SIMPLE.issuperset(kinds):
            super()._validate_params()  # type: ignore[misc]
            return
        key = type(self), kinds, tuple(values)
        if key not in _VALID:
            super()._validate_params()  # type: ignore[misc]
            if len(_VALID) >= _MOST_REMEMBERED:
                _VALID.clear()
            _VALID.add(key)


_SIMPLE = frozenset({bool, int, float, str, type(None)})
_MOST_REMEMBERED = 1_000
_VALID: set[tuple] = set()


@functools.cache
def _parameter_names(cls: type) -> list[str]:
    return super(RemembersValidParameters, cls)._get_param_names()  # type: ignore[misc]


def check_parameters(estimator) -> None:
    """Raise InvalidParameterError, which names the parameter, for one that breaks its constraint."""
    estimator._validate_params()


def check_arguments(function: str, constraints: dict, arguments: dict) -> None:
    """The same for the arguments of a function."""
    validate_parameter_constraints(constraints, arguments, caller_name=function)


def check_features(estimator, X, *, reset: bool, dtypes: Sequence[Any] = FLOATS) -> Any:
    """X as a C-ordered float array or in CSR, copied only if it is something else."""
    options = {"dtype": list(dtypes), "order": "C", "accept_sparse": "csr"}
    return _plain(validate_data(estimator, X, reset=reset, **options))


def check_training_data(
    estimator, X, y, *, reset: bool, dtypes: Sequence[Any] = FLOATS, y_numeric: bool, multi_output: bool
) -> tuple:
    """X as :func:`check_features` returns it, and y of the same length, with several columns only if multi_output."""
    if _needs_no_conversion(X, y, dtypes) and (reset or X.shape[1] == estimator.n_features_in_):
        if reset:
            estimator.n_features_in_ = X.shape[1]
            estimator.__dict__.pop("feature_names_in_", None)
        if not hasattr(estimator, "feature_names_in_"):  # else scikit-learn warns of names that are missing
            return X, y
    options = {"dtype": list(dtypes), "order": "C", "accept_sparse": "csr"}
    X, y = validate_data(estimator, X, y, reset=reset, multi_output=multi_output, y_numeric=y_numeric, **options)
    return _plain(X), y


def _needs_no_conversion(X, y, dtypes: Sequence[Any]) -> bool:
    """Whether validate_data would return X and y as they are: it takes half as long as a small fit does in all."""
    if not type(X) is type(y) is np.ndarray:
        return False
    rows = X.ndim == 2 and X.size > 0 and X.dtype in dtypes and X.flags.c_contiguous
    numbers = y.ndim == 1 and y.dtype.kind in "iuf" and len(y) == len(X)
    with np.errstate(over="ignore", invalid="ignore"):  # a sum that isn't finite says that a closer look is needed
        return bool(rows and numbers and np.isfinite(X.sum()) and np.isfinite(y.sum()))


def _plain(X):
    """X as an array, or in CSR with no entry twice."""
    if not sparse.issparse(X):
        return np.asarray(X)
    if X.nnz and not (X.indices.min() >= 0 and X.indices.max() < X.shape[1]):
        raise ValueError(f"X is no valid CSR matrix: it has column numbers outside 0 to {X.shape[1] - 1}")
    X.check_format(full_check=False)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
        if not np.isfinite(X.data).all():
            raise ValueError("X holds entries twice whose sum is infinite")
    return X


__all__ = [
    "FLOATS",
    "Interval",
    "RemembersValidParameters",
    "StrOptions",
    "at_one_scale",
    "check_arguments",
    "check_features",
    "check_parameters",
    "check_sample_weight",
    "check_training_data",
    "fit_context",
    "openmp_threads",
]
