"""Classes as indices, labels as columns of 0 and 1, and the weights of classes."""

from collections.abc import Callable
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from .. import _parallel as threads

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
            try:
                check_classification_targets(y)
            except TypeError as error:  # they are sorted
                types = " and ".join(sorted({type(each).__name__ for each in y}))
                raise TypeError(f"y holds {types}, which have no order: make all classes words, or numbers") from error
        return y
    if y.dtype.kind in "iubf" and ((y == 0) | (y == 1)).all():
        return y
    check_classification_targets(y)
    raise ValueError(
        "Multioutput target data is not supported: y may have one column of classes, or several columns of labels that "
        "hold nothing but 0 and 1"
    )


def check_labels(y, name: str) -> np.ndarray:
    """Return labels that scikit-learn hasn't looked at as :func:`check_classes_or_labels` does."""
    options = {"accept_sparse": "csr", "ensure_2d": False, "dtype": None, "input_name": name}
    return check_classes_or_labels(check_array(y, **options))


def _over_rows(work: Callable, n_rows: int, n_threads: int) -> list:
    """Results of work(slice) for some rows at a time, shared among threads."""
    if n_rows <= ENCODING_ROWS:
        return [work(slice(0, n_rows))]
    starts = range(0, n_rows, ENCODING_ROWS)
    return list(threads.run(lambda start: work(slice(start, start + ENCODING_ROWS)), starts, n_threads))


def _counts_of_few(y: np.ndarray, n_threads: int) -> tuple[int, np.ndarray] | None:
    """The smallest label, and how many rows have it and each of the next; None where they can't be counted so.

    That is if labels are no integers, or too far apart: then they are sorted.
    """
    if y.dtype.kind not in "iu" or not len(y):
        return None
    ranges = _over_rows(lambda rows: (int(y[rows].min()), int(y[rows].max())), len(y), n_threads)
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if high - low >= COUNTED_LABELS or high >= 2**62:
        return None

    def count(rows):
        return np.bincount(y[rows].astype(np.int64) - low, minlength=high - low + 1)

    return low, sum(_over_rows(count, len(y), n_threads))


def unique_classes(y: np.ndarray, n_threads: int = 1) -> np.ndarray:
    """The distinct values, sorted, some rows at a time to spare memory."""
    counted = _counts_of_few(y, n_threads)
    if counted is not None:
        low, counts = counted
        return (np.flatnonzero(counts) + low).astype(y.dtype)
    return np.unique(np.concatenate(_over_rows(lambda rows: np.unique(y[rows]), len(y), n_threads)))


def class_index(y: np.ndarray, classes: np.ndarray, n_threads: int = 1) -> np.ndarray:
    """Index of each row's class as a column of float32, where that holds them all; looked up some rows at a time."""
    index = np.empty((len(y), 1), np.float32 if len(classes) <= MOST_IN_FLOAT32 else np.float64)
    consecutive = len(y) > 0 and y.dtype.kind in "iu" and classes.dtype.kind in "iu" and classes[-1] < 2**62
    consecutive = consecutive and int(classes[-1]) - int(classes[0]) + 1 == len(classes)

    def fill(rows):
        part, of_part = y[rows], index[rows, 0]
        if consecutive and classes[0] <= part.min() and part.max() <= classes[-1]:
            np.subtract(part, int(classes[0]), out=of_part, dtype=np.int64, casting="unsafe")
            return
        found = np.minimum(np.searchsorted(classes, part), len(classes) - 1)
        if not (classes[found] == part).all():
            unknown = np.setdiff1d(part, classes)
            raise ValueError(f"y contains classes {unknown} that are not among the known ones, {classes}")
        of_part[:] = found

    _over_rows(fill, len(y), n_threads)
    return index


def label_indicator(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels as floats, a column each."""
    n_columns = y.shape[1] if y.ndim == 2 else 1
    if n_columns != len(labels):
        raise ValueError(f"it has {n_columns} columns, y has {len(labels)}, one for each label")
    return np.ascontiguousarray(y, dtype=np.float32)


def class_totals(
    index: np.ndarray,
    weight: np.ndarray,
    n_classes: int,
    subset: np.ndarray | None = None,
    n_threads: int = 1,
) -> np.ndarray:
    """Sum of the weights (empty: rows count one) of every class, in a subset of the rows if there is one."""

    def of_rows(rows):
        rows = rows if subset is None else subset[rows]
        weights = weight[rows] if weight.size else None
        return np.bincount(index[rows, 0].astype(np.intp), weights=weights, minlength=n_classes)

    return sum(_over_rows(of_rows, len(index if subset is None else subset), n_threads), np.zeros(n_classes))


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
