"""Checks of data that come in parts, of which some may be empty."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_X_y

from ._containers import FILL_PARTS, checked_table, of_numbers, raise_for_columns, without_duplicates
from ._validation import in_rows, needs_no_conversion


def check_part(X, y, dtype: np.dtype, *, y_numeric: bool, multi_output: bool, finite: bool = True) -> tuple:
    """X as :func:`check_training_data` returns it, in this dtype, and y: of a part of the rows, which may be empty.

    `finite` says whether the entries of X are looked at, too.
    """
    if not needs_no_conversion(X, y, (dtype,), finite):
        X, y = _converted(X, y, dtype, y_numeric, multi_output, finite)
    return (without_duplicates(X) if sparse.issparse(X) else X), y


def _converted(X, y, dtype: np.dtype, y_numeric: bool, multi_output: bool, finite: bool) -> tuple:
    options: dict[str, Any] = {"y_numeric": y_numeric, "multi_output": multi_output, "ensure_min_samples": 0}
    options |= {"accept_sparse": "csr", "dtype": dtype, "order": "C", "ensure_all_finite": finite}

    y = _without_axis_of_columns(y)

    def check(X):
        nonlocal y
        table = checked_table(X)
        _check_nothing_is_missing(y)
        try:
            X, y = check_X_y(of_numbers(table), y, **options)
        except (TypeError, ValueError) as error:
            raise_for_columns(table, error, of_gaps=FILL_PARTS)
        return X

    X = in_rows(X, check)
    return X, y.toarray() if sparse.issparse(y) else y


def check_part_of_y(y) -> np.ndarray:
    """Targets of a part of the rows as :func:`check_part` returns them, for those who need no X."""
    options = {"accept_sparse": "csr", "ensure_2d": False, "dtype": None, "ensure_min_samples": 0, "input_name": "y"}
    y = _without_axis_of_columns(y)
    _check_nothing_is_missing(y)
    y = check_array(y, **options)
    return y.toarray() if sparse.issparse(y) else y


def _without_axis_of_columns(y) -> Any:
    """A single column as a series or a vector: scikit-learn would warn of it, here in each part and each pass."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    return y.iloc[:, 0] if hasattr(y, "iloc") else (y.toarray() if sparse.issparse(y) else y)[:, 0]


def _check_nothing_is_missing(y) -> None:
    """Refuse a series or frame with words that are missing, which scikit-learn compares with others."""
    if hasattr(y, "isna") and np.any(y.isna()):
        raise ValueError("y contains NaN")
