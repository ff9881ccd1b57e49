"""Raw predictions of linear models and networks, in threads and with bounded memory."""

import numpy as np
from scipy import sparse

from .. import _parallel as threads
from .._compile.kernels import activation_kernels
from .._kernels.structures import Data, Features
from .features import copied_rows
from .network import NetworkModel, layers_of
from .scaling import Scaling

BLOCK_ENTRIES = 2**20  # of rows that must be converted: so many are at a time
COPIED_ENTRIES = 2**16  # of rows that lie apart: so many are copied at a time
NETWORK_BLOCK_ENTRIES = 2**18  # of the widest layer: what the processor's second-level cache can hold


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


def network_predictions(X, model: NetworkModel, params: np.ndarray, scaling: Scaling, n_threads: int) -> np.ndarray:
    """Raw predictions in scaled units, computed in the dtype of the parameters, of shape (n_rows, n_outputs)."""
    n_rows, dtype, width = X.shape[0], params.dtype, max(model.sizes)
    activation = activation_kernels(model.activation, dtype)
    layers = layers_of(model, np.require(params, requirements="W"))  # kernels take no read-only vectors
    center, inverse_scale = scaling.center.astype(dtype), (1.0 / scaling.scale).astype(dtype)
    if sparse.issparse(X):  # which aren't centred row by row
        coef, intercept = layers[0]
        coef = coef * inverse_scale[:, None]
        layers[0] = coef, intercept - center @ coef
    raw = np.empty((n_rows, model.n_outputs), dtype)

    def fill(part):
        for start in range(*part, rows_at_once):
            rows = slice(start, min(start + rows_at_once, part[1]))
            if sparse.issparse(X):
                a = _rows(X, rows).astype(dtype, copy=False)
            else:
                a = (_in_order(X[rows]) - center) * inverse_scale
                a = a.astype(dtype, copy=False)
            for coef, intercept in layers[:-1]:
                z = np.ascontiguousarray(a @ coef)
                a = z if model.activation.from_output else np.empty_like(z)
                activation.call(z, intercept, a)
            raw[rows] = a @ layers[-1][0]
            raw[rows] += layers[-1][1]

    rows_at_once = max(1, NETWORK_BLOCK_ENTRIES // width)
    workers = 1 if model.in_python(dtype) else n_threads
    for _ in threads.run_over_rows(fill, n_rows, max(width, model.n_params // 4), 0, workers):
        pass
    return raw


def predictions_of_data(data: Data, model: NetworkModel, params: np.ndarray, scaling: Scaling, n_threads: int):
    """The same of the rows in use of a problem's data, some of which are copied at a time."""
    rows = data.subset if data.subset.size else np.arange(data.n_rows)
    at_once = max(1, COPIED_ENTRIES // data.row_entries)
    parts = (_copied(data, rows[start : start + at_once]) for start in range(0, data.n_rows, at_once))
    return np.concatenate([network_predictions(part, model, params, scaling, n_threads) for part in parts])


def _copied(data: Data, rows: np.ndarray):
    """The given rows as they were before they were scaled."""
    if isinstance(data.features, Features):
        return data.features.X[rows]
    parts = copied_rows(data.features, rows)
    shape = len(rows), data.features.center.size
    return sparse.csr_array((parts.data, parts.indices, parts.indptr), shape=shape)


def _float64_rows(X, rows: slice):
    """Some rows: with large means the products of float32 would lose what their sum keeps."""
    return _rows(X, rows) if sparse.issparse(X) else np.ascontiguousarray(X[rows], dtype=np.float64)


def _in_order(X: np.ndarray) -> np.ndarray:
    """Rows one after the other in memory, float32 as they are, other numbers in float64."""
    return np.ascontiguousarray(X, dtype=np.float32 if X.dtype == np.float32 else np.float64)


def _rows(X, rows: slice) -> sparse.csr_array:
    """Some rows of a CSR matrix, where X[rows] would copy."""
    begin, end = X.indptr[rows.start], X.indptr[rows.stop]
    parts = X.data[begin:end], X.indices[begin:end], X.indptr[rows.start : rows.stop + 1] - begin
    return sparse.csr_array(parts, shape=(rows.stop - rows.start, X.shape[1]))
