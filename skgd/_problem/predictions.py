"""Raw predictions of linear models and networks, in threads and with bounded memory."""

from typing import Any

import numpy as np
from scipy import sparse

from .. import _parallel as threads
from .._compile.kernels import activation_kernels
from .._containers import as_numpy
from .._kernels.structures import Data, Features
from .features import some_rows
from .network import NetworkModel, layers_of
from .scaling import Scaling

BLOCK_ENTRIES = 2**20  # of rows that must be converted: so many are at a time
COPIED_ENTRIES = 2**16  # of rows that lie apart: so many are copied at a time
NETWORK_BLOCK_ENTRIES = 2**18  # of the widest layer: what the processor's second-level cache can hold
FAR_FROM_LARGEST = {np.dtype(each): float(np.finfo(each).max) ** 0.5 for each in (np.float64, np.float32)}
NETWORK_PART_WORK = 2**25  # multiplications that one thread makes at a time: Python, which one thread runs, takes 2 %


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


def check_predictions(estimator: Any, X: Any) -> None:
    """Refuse a fit whose predictions of its own rows are infinite."""
    training = estimator._training
    scale, dtype = training.scaling.target_scale, training.precision
    if training.loss.out_activation != "exp" and scale.max() < FAR_FROM_LARGEST[dtype]:
        return  # they stay near the targets
    with np.errstate(over="ignore", invalid="ignore"):
        predictions = as_numpy(estimator.predict(X), "predictions")
    if not np.isfinite(predictions).all():
        raise ValueError(
            f"{type(estimator).__name__}: predictions of rows in X are beyond what {dtype} holds: take a smaller "
            "learning rate, the default standardize, or y in other units"
        )


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
    rows_at_once = max(1, NETWORK_BLOCK_ENTRIES // width)
    # the inputs of units, what they get and what they give, which may take its place
    room = threads.Spare(lambda: np.empty((3, min(rows_at_once, n_rows) * width), dtype))
    in_place = 1 if model.activation.from_output else 2

    def fill(part):
        with room.one() as matrices:
            for start in range(*part, rows_at_once):
                rows, held = slice(start, min(start + rows_at_once, part[1])), 0
                a = _standardised(X, rows, center, inverse_scale, matrices[held])
                for coef, intercept in layers[:-1]:
                    z_at, a_at = (held + 1) % 3, (held + in_place) % 3
                    z, output = (_matrix(matrices[at], a.shape[0], coef.shape[1]) for at in (z_at, a_at))
                    _multiply(a, coef, z)
                    activation.call(z, intercept, output)
                    a, held = output, a_at
                _multiply(a, layers[-1][0], raw[rows])
                raw[rows] += layers[-1][1]

    workers = 1 if model.in_python(dtype) else n_threads
    for _ in threads.run_over_rows(fill, n_rows, max(width, model.n_params), 0, workers, NETWORK_PART_WORK):
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
    parts = some_rows(data.features, rows)
    shape = len(rows), data.features.center.size
    return sparse.csr_array((parts.data, parts.indices, parts.indptr), shape=shape)


def _float64_rows(X, rows: slice):
    """Some rows: with large means the products of float32 would lose what their sum keeps."""
    return _rows(X, rows) if sparse.issparse(X) else np.ascontiguousarray(X[rows], dtype=np.float64)


def _standardised(X, rows: slice, center: np.ndarray, inverse_scale: np.ndarray, room: np.ndarray):
    """Some rows in the dtype of the room, which takes them; sparse ones as they are."""
    if sparse.issparse(X):
        return _rows(X, rows).astype(room.dtype, copy=False)
    a = _matrix(room, rows.stop - rows.start, X.shape[1])
    if X.dtype == room.dtype:
        np.subtract(X[rows], center, out=a)
        a *= inverse_scale
    else:  # other numbers in float64
        a[...] = (np.asarray(X[rows], np.float32 if X.dtype == np.float32 else np.float64) - center) * inverse_scale
    return a


def _matrix(room: np.ndarray, n_rows: int, n_columns: int) -> np.ndarray:
    return room[: n_rows * n_columns].reshape(n_rows, n_columns)


def _multiply(a, coef: np.ndarray, z: np.ndarray) -> None:
    """Z = a W."""
    if sparse.issparse(a):
        z[...] = a @ coef
    else:
        np.matmul(a, coef, out=z)


def _rows(X, rows: slice) -> sparse.csr_array:
    """Some rows of a CSR matrix, where X[rows] would copy."""
    begin, end = X.indptr[rows.start], X.indptr[rows.stop]
    parts = X.data[begin:end], X.indices[begin:end], X.indptr[rows.start : rows.stop + 1] - begin
    return sparse.csr_array(parts, shape=(rows.stop - rows.start, X.shape[1]))
