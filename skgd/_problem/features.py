"""Features as kernels take them, dense or CSR, and samples of their standardised rows."""

import zlib
from typing import Any

import numpy as np
from scipy import sparse

from .._kernels.structures import ROW_NUMBER, Data, Features, SparseFeatures, Storage


def read_only(array: np.ndarray) -> np.ndarray:
    """A read-only C-ordered view: the type that kernels are compiled for, whatever the user's array is."""
    if type(array) is np.ndarray and array.flags.c_contiguous and not array.flags.writeable:
        return array
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


# Standard deviations whose squares, sums and quotients float32 holds; data outside is computed in float64.
SAFE_FLOAT32 = (1e-15, 1e15)
FARTHEST_SINGLE = 1e3  # times its range that a column may lie from zero in float32: 1e-4 of that is what rounding takes
MOST_COPIED = 2**24  # entries that are copied to have them in float32
NO_TARGETS = {dtype: read_only(np.empty((0, 0), dtype)) for dtype in ("float64", "float32")}


def targets_by_precision(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The doubles and the singles of :class:`Data` for some targets in one of these."""
    if y.dtype == np.float32:
        return NO_TARGETS["float64"], read_only(y)
    return read_only(y.astype(np.float64, copy=False)), NO_TARGETS["float32"]


ALL_ROWS = read_only(np.empty(0, ROW_NUMBER))  # as a subset


def row_numbers(rows: np.ndarray) -> np.ndarray:
    """Numbers of rows as kernels take them."""
    return read_only(rows.astype(ROW_NUMBER, copy=False))


def checksum(*arrays: np.ndarray) -> int:
    """One number that tells arrays from others."""
    total = 0
    for array in arrays:
        if array.size:
            total = zlib.crc32(np.ascontiguousarray(array).ravel().view(np.uint8).data, total)
    return total


def stored_alike(X, storage: Storage):
    """X in the format of other data: an array or CSR, with its dtypes."""
    if storage.index_dtype is None:
        return (X.toarray() if sparse.issparse(X) else X).astype(storage.dtype, copy=False)
    X = sparse.csr_array(X, dtype=storage.dtype)
    return sparse.csr_array((X.data, X.indices.astype(storage.index_dtype, copy=False), X.indptr), shape=X.shape)


def raw_features(X) -> Features | SparseFeatures:
    """A float array or CSR matrix as kernels take it, neither centred nor scaled."""
    d = X.shape[1]
    if not sparse.issparse(X):
        return Features(read_only(X), np.zeros(d, X.dtype), np.ones(d, X.dtype))
    indptr = X.indptr.astype(np.int64, copy=False)
    return SparseFeatures(read_only(X.data), read_only(X.indices), read_only(indptr), np.zeros(d), np.ones(d))


def as_stored(features: Features | SparseFeatures) -> np.ndarray | sparse.csr_array:
    """The array or CSR matrix that kernels take as features."""
    if isinstance(features, Features):
        return features.X
    shape = features.indptr.size - 1, features.center.size
    return sparse.csr_array((features.data, features.indices, features.indptr), shape=shape)


def in_double(features: Features | SparseFeatures) -> Features | SparseFeatures:
    """The features in float64."""
    name = "X" if isinstance(features, Features) else "data"
    return features._replace(**{name: read_only(getattr(features, name).astype(np.float64))})


def scaled_rows(features: Features | SparseFeatures, rows: np.ndarray | slice) -> np.ndarray | sparse.csr_array:
    """The given rows as models see them, in float64; CSR, which isn't centred, where the data are."""
    if isinstance(features, Features):
        scaled = np.empty((_count(rows), features.center.size))
        dense_rows(features, rows, scaled)
        return scaled
    some = some_rows(features, rows)
    values = some.data.astype(np.float64, copy=False)
    if (features.inverse_scale != 1.0).any():
        values = values * features.inverse_scale[some.indices]
    return sparse.csr_array((values, some.indices, some.indptr), shape=(_count(rows), features.center.size))


def _count(rows: np.ndarray | slice) -> int:
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def narrowed(X, targets: Any):
    """X in float32, a copy, where entries of each column differ by digits that it keeps, and targets fit, too; else X.

    A constant column has none to keep. Columns of CSR aren't centred: each entry has its digits.
    """
    low, high = SAFE_FLOAT32
    entries = X.data if sparse.issparse(X) else X
    if entries.dtype == np.float32 or not 0 < entries.size <= MOST_COPIED:
        return X
    unseen = [] if targets.validation is None else [targets.validation.X, targets.validation.y]
    if any(is_beyond(array, high) for array in (X, targets.y, *unseen)):
        return X
    if sparse.issparse(X):
        fits = bool(np.abs(entries[entries != 0]).min(initial=1.0) > low)
    else:
        least, largest = entries.min(axis=0), entries.max(axis=0)
        spread = largest - least
        near = np.maximum(-least, largest) <= FARTHEST_SINGLE * spread
        fits = bool(((spread == 0) | (near & (spread > low))).all())
    return X.astype(np.float32) if fits else X


def is_beyond(X, high: float = SAFE_FLOAT32[1]) -> bool:
    """Whether an entry, dense or CSR, is so large that what a network makes of it may be beyond float32."""
    entries = X.data if sparse.issparse(X) else X
    return entries.size > 0 and not max(entries.max(), -entries.min()) < high


def squared(rows: np.ndarray | sparse.csr_array) -> np.ndarray | sparse.csr_array:
    """Squares of all entries; SciPy's own would sort those of CSR in place, which users' data don't allow."""
    if isinstance(rows, np.ndarray):
        return rows**2
    return sparse.csr_array((rows.data**2, rows.indices, rows.indptr), shape=rows.shape)


def left_to_center(features: Features | SparseFeatures) -> np.ndarray:
    """What :func:`scaled_rows` has left on the columns: nothing but of CSR."""
    center = features.center
    return np.zeros(center.size) if isinstance(features, Features) else center * features.inverse_scale


def some_rows(features: SparseFeatures, rows: np.ndarray | slice) -> SparseFeatures:
    """The given rows one after the other: those of a slice where they are, others in arrays of their own."""
    if isinstance(rows, slice):
        indptr = features.indptr[rows.start : rows.stop + 1]
        at: Any = slice(indptr[0], indptr[-1])
        indptr = indptr - indptr[0]
    else:
        begin, lengths = features.indptr[rows], np.diff(features.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(indptr[-1]) + np.repeat(begin - indptr[:-1], lengths)
    data, indices, indptr = map(read_only, (features.data[at], features.indices[at], indptr))
    return features._replace(data=data, indices=indices, indptr=indptr)


def dense_rows(features: Features | SparseFeatures, rows: np.ndarray | slice, out: np.ndarray) -> None:
    """Fill `out` (n_rows, n_features) with the given rows as models see them."""
    if isinstance(features, Features):
        np.subtract(features.X[rows], features.center, out=out, dtype=np.float64)
        if (features.inverse_scale != 1.0).any():  # half the time, of rows that don't stay in the cache
            out *= features.inverse_scale
        return
    out[...] = sparse.csr_array(scaled_rows(features, rows)).toarray()
    if features.center.any():
        out -= left_to_center(features)


def rows_apart(data: Data, rows: np.ndarray) -> Data:
    """The data of some rows alone: short ones, of CSR, as copies, which saves looking for each in every pass."""
    if isinstance(data.features, Features):
        return data._replace(subset=row_numbers(rows))
    weight = read_only(data.weight[rows] if data.weight.size else data.weight)
    (doubles, singles), numbers = targets_by_precision(data.y[rows]), row_numbers(rows[:0])
    features = some_rows(data.features, rows)
    return data._replace(features=features, doubles=doubles, singles=singles, weight=weight, subset=numbers)


def dense_columns(rows: np.ndarray | sparse.csr_array, columns: np.ndarray, beside: int = 0) -> np.ndarray:
    """Some columns of rows that :func:`scaled_rows` gave, as an array, with as many columns of zeros `beside` them."""
    shape = rows.shape[0], len(columns) + beside
    if isinstance(rows, np.ndarray):
        found = np.zeros(shape)
        found[:, : len(columns)] = rows[:, columns]
        return found
    place = np.full(rows.shape[1], -1, dtype=np.int32)
    place[columns] = np.arange(len(columns))
    at = place[rows.indices]
    wanted = np.flatnonzero(at >= 0)
    indptr = np.searchsorted(wanted, rows.indptr)
    return sparse.csr_array((rows.data[wanted], at[wanted], indptr), shape=shape).toarray()
