"""Raw predictions of linear models, X coef' + intercept, in threads and with bounded memory."""

import numpy as np
from scipy import sparse

from . import threads

BLOCK_ENTRIES = 2**20  # of rows that must be converted: so many are at a time


def raw_predictions(X, coef: np.ndarray, intercept: np.ndarray, n_threads: int) -> np.ndarray:
    """X coef' + intercept in float64, of shape (n_rows,) or (n_rows, n_outputs) as coef is."""
    n_rows, d = X.shape
    raw = np.empty((n_rows, *coef.shape[:-1]))
    row_entries = max(1, X.nnz // max(n_rows, 1)) if sparse.issparse(X) else d

    def fill(part):
        for start in range(*part, rows_at_once):
            rows = slice(start, min(start + rows_at_once, part[1]))
            raw[rows] = _float64_rows(X, rows) @ coef.T
            raw[rows] += intercept

    rows_at_once = max(1, BLOCK_ENTRIES // row_entries)
    for _ in threads.run_over_rows(fill, n_rows, row_entries * intercept.size, 0, n_threads):
        pass
    return raw


def _float64_rows(X, rows: slice):
    """Some rows: with large means the products of float32 would lose what their sum keeps."""
    if sparse.issparse(X):
        begin, end = X.indptr[rows.start], X.indptr[rows.stop]
        parts = X.data[begin:end], X.indices[begin:end], X.indptr[rows.start : rows.stop + 1] - begin
        return sparse.csr_array(parts, shape=(rows.stop - rows.start, X.shape[1]))  # where X[rows] would copy
    return X[rows].astype(np.float64, copy=False)
