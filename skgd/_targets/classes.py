"""Classes as indices, labels as columns of 0 and 1, and the weights of classes."""

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

COUNTED_LABELS = 1_024
ENCODING_ROWS = 65_536  # rows whose classes are looked up at once, to spare memory
MOST_IN_FLOAT32 = 2**24  # whole numbers


def check_classes_or_labels(y) -> np.ndarray:
    """Return classes of shape (n_rows,), or labels of shape (n_rows, n_labels), 1 for those that a row has, else 0."""
    if sparse.issparse(y):
        y = y.toarray()
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.ndim == 1:
        if y.dtype.kind not in "iub":  # whole numbers are classes
            check_classification_targets(y)
        return y
    if y.dtype.kind in "iubf" and ((y == 0) | (y == 1)).all():
        return y
    check_classification_targets(y)
    raise ValueError(
        "Multioutput target data is not supported: y may have one column of classes, or several columns of labels that "
        "hold nothing but 0 and 1"
    )


def check_validation_labels(y_val) -> np.ndarray:
    """Return y_val as :func:`check_classes_or_labels` returns y."""
    options = {"accept_sparse": "csr", "ensure_2d": False, "dtype": None, "input_name": "y_val"}
    return check_classes_or_labels(check_array(y_val, **options))


def _range_of_few(y: np.ndarray) -> tuple[int, int] | None:
    """Smallest and largest label if labels are integers so close together that they can be counted, not sorted."""
    if y.dtype.kind not in "iu" or not len(y):
        return None
    low, high = int(y.min()), int(y.max())
    return (low, high) if high - low < COUNTED_LABELS and high < 2**62 else None


def unique_classes(y: np.ndarray) -> np.ndarray:
    """The distinct values, sorted, some rows at a time to spare memory."""
    span = _range_of_few(y)
    if span is not None:
        low, counts = span[0], np.zeros(COUNTED_LABELS, np.int64)
        for start in range(0, len(y), ENCODING_ROWS):
            counts += np.bincount(y[start : start + ENCODING_ROWS].astype(np.int64) - low, minlength=COUNTED_LABELS)
        return (np.flatnonzero(counts) + low).astype(y.dtype)
    parts = [np.unique(y[start : start + ENCODING_ROWS]) for start in range(0, len(y), ENCODING_ROWS)]
    return np.unique(np.concatenate(parts))


def class_index(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Index of each row's class as a column of float32, where that holds them all; looked up some rows at a time."""
    index = np.empty((len(y), 1), np.float32 if len(classes) <= MOST_IN_FLOAT32 else np.float64)
    if len(y) and y.dtype.kind in "iu" and classes.dtype.kind in "iu" and classes[-1] < 2**62:
        low, high = int(classes[0]), int(classes[-1])
        if high - low + 1 == len(classes) and low <= y.min() and y.max() <= high:  # consecutive numbers
            np.subtract(y, low, out=index[:, 0], dtype=np.int64, casting="unsafe")
            return index
    for start in range(0, len(y), ENCODING_ROWS):
        part = y[start : start + ENCODING_ROWS]
        found = np.minimum(np.searchsorted(classes, part), len(classes) - 1)
        if not (classes[found] == part).all():
            unknown = np.setdiff1d(part, classes)
            raise ValueError(f"y contains classes {unknown} that are not among the known ones, {classes}")
        index[start : start + ENCODING_ROWS, 0] = found
    return index


def label_indicator(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels as floats, a column each."""
    n_columns = y.shape[1] if y.ndim == 2 else 1
    if n_columns != len(labels):
        raise ValueError(f"it has {n_columns} columns, y has {len(labels)}, one for each label")
    return np.ascontiguousarray(y, dtype=np.float32)


def class_totals(index: np.ndarray, weight: np.ndarray, n_classes: int, subset: np.ndarray | None = None) -> np.ndarray:
    """Sum of the weights (empty: rows count one) of every class, in a subset of the rows if there is one."""
    totals = np.zeros(n_classes)
    for start in range(0, len(index) if subset is None else len(subset), ENCODING_ROWS):
        rows: slice | np.ndarray = slice(start, start + ENCODING_ROWS)
        rows = rows if subset is None else subset[rows]
        weights = weight[rows] if weight.size else None
        totals += np.bincount(index[rows, 0].astype(np.intp), weights=weights, minlength=n_classes)
    return totals


def balancing_factors(totals: np.ndarray) -> np.ndarray:
    """Factors with which all classes count the same, as scikit-learn's "balanced"; 1 for classes without weight."""
    seen = totals > 0
    return np.where(seen, totals.sum() / (len(totals) * np.where(seen, totals, 1.0)), 1.0)


def given_factors(class_weight: dict, classes: np.ndarray) -> np.ndarray:
    """The user's factors in the order of the classes, 1 where there is none."""
    valid = [isinstance(factor, Real) and 0 <= float(factor) < np.inf for factor in class_weight.values()]
    if not all(valid):
        raise ValueError(f"class_weight={class_weight!r} must hold finite numbers, none of them negative")
    return compute_class_weight(class_weight, classes=classes, y=classes)
