"""Features as kernels take them, dense or CSR, and samples of their standardised rows."""

import numpy as np
from scipy import sparse

from .._kernels.signatures import Features, SparseFeatures


def read_only(array: np.ndarray) -> np.ndarray:
    """A read-only C-ordered view: the type that kernels are compiled for, whatever the user's array is."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def raw_features(X) -> Features | SparseFeatures:
    """A float array or CSR matrix as kernels take it, neither centred nor scaled."""
    d = X.shape[1]
    if not sparse.issparse(X):
        return Features(read_only(X), np.zeros(d, X.dtype), np.ones(d, X.dtype))
    indptr = X.indptr.astype(np.int64, copy=False)
    return SparseFeatures(read_only(X.data), read_only(X.indices), read_only(indptr), np.zeros(d), np.ones(d))


def scaled_rows(features: Features | SparseFeatures, rows: np.ndarray) -> np.ndarray | sparse.csr_array:
    """The given rows as models see them, in float64; CSR where the data are."""
    if isinstance(features, Features):
        return (features.X[rows].astype(np.float64) - features.center) * features.inverse_scale
    begin, lengths = features.indptr[rows], np.diff(features.indptr)[rows]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    at = np.arange(indptr[-1]) + np.repeat(begin - indptr[:-1], lengths)
    columns = features.indices[at]
    values = features.data[at] * features.inverse_scale[columns]
    return sparse.csr_array((values, columns, indptr), shape=(len(rows), features.center.size))


def dense_rows(features: Features | SparseFeatures, rows: np.ndarray) -> np.ndarray:
    """The given rows as models see them, as a float64 array (n_rows, n_features)."""
    found = scaled_rows(features, rows)
    return found if isinstance(found, np.ndarray) else found.toarray()
