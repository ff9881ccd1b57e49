"""Some columns of the rows in memory, with their second moments under weights of the rows."""

from typing import Any

import numpy as np
from scipy import sparse

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.constants import TINY
from .._kernels.structures import FLOAT64, Linear
from .model import LinearModel
from .products import on_both_sides
from .rows import Rows

PRODUCTS_PER_ENTRY = 64  # of matrices in the time that a pass takes for an entry
MATRIX_PER_ENTRY = 2  # entries of a matrix for each of the columns that it is worth its time for
SMALL_MATRIX = 2**18  # entries of a matrix that costs little, however few the rows are
MOST_SWEEPS = 1_000
SMALL = 1e-3  # share of what the first sweep has brought: the rest is left to the next step
LEAST_CURVATURE = 1e-12  # share of the largest one
ROOM = 1.5  # times the columns that there are to be: growing by a few, they are copied seldom
HELD_ENTRIES = 2**20  # of a transpose, at most: 8 MB
PART_ENTRIES = 2**18  # of CSR that one thread works on at a time


class Columns:
    """Columns as models see them, in an order of their own: a copy of their entries, no more.

    Under weights h of the rows `matrix` begins with sum_i h_i z_ij z_ik, and may have room for more columns beside it;
    `mean` holds sum_i h_i z_ij / sum_i h_i. Where an intercept is free to follow, the entries are those less the mean.
    """

    def __init__(self, rows: Rows, centred: bool):
        self.rows, self.centred = rows, centred
        self.numbers = np.empty(0, np.int64)  # of the columns in X
        self.parts: list[np.ndarray] = []  # of these, as they came
        self.known = np.zeros(rows.n_features, dtype=bool)
        self.matrix, self.mean = np.empty((0, 0)), np.empty(0)

    @property
    def has_matrix(self) -> bool:
        """Whether there is a matrix, since that is small beside the entries."""
        return True

    def lacking(self, numbers: np.ndarray) -> np.ndarray:
        """Those of some columns that aren't held."""
        return numbers[~self.known[numbers]]

    def replace(self, numbers: np.ndarray) -> None:
        """Hold other columns."""
        self.known[self.numbers], self.known[numbers] = False, True
        self.numbers, self.parts = numbers, [numbers]
        self._read()

    def weigh(self, weight: np.ndarray) -> None:
        """Take the moments under other weights."""
        self.weight, self.total = weight, max(float(weight.sum()), TINY)
        if self.numbers.size:
            self._take_moments()

    def add(self, numbers: np.ndarray) -> None:
        """Hold more columns, under the same weights."""
        if numbers.size:
            self.replace(np.concatenate([self.numbers, numbers]))
            self._take_moments()

    def raw(self, coef: np.ndarray) -> np.ndarray:
        """Sum of the columns times their coefficients."""
        raise NotImplementedError

    def sums(self, of_rows: np.ndarray) -> np.ndarray:
        """Sum of each column's entries times numbers of the rows."""
        raise NotImplementedError

    def _read(self) -> None:
        raise NotImplementedError

    def _take_moments(self) -> None:
        raise NotImplementedError


class DenseColumns(Columns):
    """Of dense rows."""

    def __init__(self, rows: Rows, centred: bool):
        super().__init__(rows, centred)
        self.values = self.rooted = np.empty((0, rows.n_rows))
        self.n_read = 0
        self.all_values: np.ndarray | None = None  # of all columns, once as many have been read as there are

    def raw(self, coef):
        return coef @ self.values

    def sums(self, of_rows):
        return self.values @ of_rows

    def factor(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What times its transpose is the matrix of all columns under these weights, which aren't kept; their means."""
        values = self._read_entries(np.arange(self.rows.n_features))
        mean = values @ weight / weight.sum()
        return self._rooted(values, mean, weight), mean

    def _read(self):
        self.values = self._entries(self.numbers)

    def _take_moments(self):
        self.mean = self._mean(self.values)
        self.rooted = self._rooted(self.values, self.mean, self.weight)
        self.matrix = self._products(self.rooted, self.rooted)

    def add(self, numbers):
        if not numbers.size:
            return
        values, known, n = self._entries(numbers), self.numbers.size, self.numbers.size + numbers.size
        mean = self._mean(values)
        if n > len(self.matrix):
            self._make_room(int(ROOM * n))
        self.rooted[known:n] = self._rooted(values, mean, self.weight)
        self.matrix[known:n, :n] = self._products(self.rooted[known:n], self.rooted[:n])
        self.matrix[:known, known:n] = self.matrix[known:n, :known].T
        if self.values.size:
            self.values = np.concatenate([self.values, values])
        self.numbers, self.mean = np.concatenate([self.numbers, numbers]), np.concatenate([self.mean, mean])
        self.known[numbers] = True
        self.parts.append(numbers)

    def _make_room(self, size):
        known, matrix, rooted = self.numbers.size, np.empty((size, size)), np.empty((size, self.rows.n_rows))
        matrix[:known, :known], rooted[:known] = self.matrix[:known, :known], self.rooted[:known]
        self.matrix, self.rooted = matrix, rooted

    def _entries(self, numbers):
        """What these columns hold: the transpose is held, if it is small, where columns are taken time and again."""
        n_features = self.rows.n_features
        self.n_read += numbers.size
        if self.n_read > n_features and self.rows.n_rows * n_features <= HELD_ENTRIES:
            if self.all_values is None:
                self.all_values = self._read_entries(np.arange(n_features))
            return self.all_values[numbers]
        return self._read_entries(numbers)

    def _read_entries(self, numbers):
        rows, features = self.rows, self.rows.data.features
        found, center, inverse_scale = np.empty((numbers.size, rows.n_rows)), features.center, features.inverse_scale

        def fill(part):
            some = features.X[rows.numbers(slice(*part))][:, numbers].astype(FLOAT64)
            found[:, slice(*part)] = ((some - center[numbers]) * inverse_scale[numbers]).T

        for _ in threads.run_over_rows(fill, rows.n_rows, rows.n_features, 0, rows.n_threads):
            pass
        return found

    def _mean(self, values):
        return values @ self.weight / self.total

    def _rooted(self, values, mean, weight):
        return (values - mean[:, None] if self.centred else values) * np.sqrt(weight)

    def _products(self, one, other):
        size = len(one) * len(other)

        def of_part(part):
            some = slice(*part)
            return one[:, some] @ other[:, some].T

        row_cost = max(len(one) + len(other), size // PRODUCTS_PER_ENTRY)
        return sum(threads.run_over_rows(of_part, self.rows.n_rows, row_cost, size, self.rows.n_threads))


class SparseColumns(Columns):
    """Of CSR: its rows with nothing but these columns, and the same transposed where they are too many for a matrix."""

    def __init__(self, rows: Rows, centred: bool):
        super().__init__(rows, centred)
        features: Any = rows.data.features
        self.is_far = features.center != 0
        n_entries = _count_entries(rows, features.indptr)
        if self.is_far.any():  # each row has an entry in these, once they are centred
            n_stored = np.concatenate([[0], np.cumsum(self.is_far[features.indices])])
            n_entries += rows.n_rows * int(self.is_far.sum()) - _count_entries(rows, n_stored[features.indptr])
        self.values, self.places = np.empty(n_entries), np.empty(n_entries, np.int32)
        self.starts = np.zeros(rows.n_rows + 1, np.int64)

    def _read(self):
        places = np.full(self.rows.n_features, -1, np.int32)
        places[self.numbers] = np.arange(self.numbers.size)
        storage, data = self.rows.storage, self.rows.data
        select = kernel("select_columns", storage.dtype, index=storage.index_dtype)
        far, last_rows = self.numbers[self.is_far[self.numbers]], np.full(self.numbers.size, -1)
        select(data.features, data.subset, places, far, last_rows, self.values, self.places, self.starts)

    def raw(self, coef):
        raw = np.empty(self.rows.n_rows)
        kernel("few_columns_raw", self.rows.storage.dtype, index=self.rows.storage.index_dtype)(
            self.values, self.places, self.starts, coef, raw
        )
        return raw

    def sums(self, of_rows):
        n_entries, lengths = self.starts[-1], np.diff(self.starts)
        of_entries = self.values[:n_entries] * np.repeat(of_rows, lengths)
        return np.bincount(self.places[:n_entries], of_entries, self.numbers.size)

    @property
    def has_matrix(self):
        return self.numbers.size**2 <= max(MATRIX_PER_ENTRY * int(self.starts[-1]), SMALL_MATRIX)

    def _take_moments(self):
        n_columns, n_rows = self.numbers.size, self.rows.n_rows
        if not self.has_matrix:
            n_entries = self.starts[-1]
            rows = self.values[:n_entries], self.places[:n_entries], self.starts.astype(np.int32)
            self.turned = sparse.csr_array(rows, shape=(n_rows, n_columns)).tocsc()
            self.weighted = self.turned.data * self.weight[self.turned.indices]
            self.mean = self._sums_of_columns(self.weighted) / self.total
            return
        add = kernel("gram", self.rows.storage.dtype, index=self.rows.storage.index_dtype)

        def of_part(part):
            total = np.zeros((n_columns + 1, n_columns))
            add(self.values, self.places, self.starts, self.weight, total, *part)
            return total

        row_cost = 2 * int(self.starts[-1]) // n_rows + 1
        found = threads.run_over_rows(of_part, n_rows, row_cost, n_columns**2, self.rows.n_threads, PART_ENTRIES)
        total = sum(found)
        sums, matrix = total[-1], total[:-1]
        self.mean = sums / self.total
        self.matrix = on_both_sides(matrix)
        if self.centred:
            self.matrix -= np.outer(sums, self.mean)

    def _sums_of_columns(self, entries):
        of_column = np.repeat(np.arange(self.numbers.size), np.diff(self.turned.indptr))
        return np.bincount(of_column, entries, self.numbers.size)

    def least_with_l1(self, params, gradient, l1, ridge):
        """Step to about the minimum of the quadratic function that has these moments, where they have no matrix."""
        sums = self.mean * self.total
        curvature = self._sums_of_columns(self.weighted * self.turned.data)
        if self.centred:
            curvature -= sums * self.mean
        curvature = np.maximum(curvature, 0.0) + ridge
        curvature = np.maximum(curvature, LEAST_CURVATURE * max(float(curvature.max(initial=0.0)), TINY))
        step, turned = np.zeros_like(params), self.turned
        kernel("coordinate_descent", self.rows.storage.dtype, index=self.rows.storage.index_dtype)(
            *(turned.data, self.weighted, turned.indices, turned.indptr),
            *(sums, self.total if self.centred else np.inf, curvature, ridge),
            *(gradient, l1, params, np.zeros(self.rows.n_rows), step, MOST_SWEEPS, SMALL),
        )
        return step


def _count_entries(rows: Rows, starts: np.ndarray) -> int:
    """How many there are in the rows, where those of each row start."""
    return int(np.diff(starts)[rows.numbers(slice(None))].sum())


def raw_predictions_of(rows: Rows, model: LinearModel, params: np.ndarray) -> np.ndarray:
    """Raw predictions of the rows, in float64."""
    storage, dtype = rows.storage, model.compute_dtype(rows.storage)
    forward = kernel("forward", storage.dtype, Linear, storage.index_dtype)
    of_model = model.for_kernels(storage), np.ascontiguousarray(params, dtype=dtype)
    raw, numbers = np.empty((rows.n_rows, model.n_outputs), dtype), rows.numbers(slice(None))
    numbers = np.arange(rows.n_rows) if isinstance(numbers, slice) else numbers.astype(np.int64)

    def fill(part):
        some = slice(*part)
        work = np.empty(model.n_work(part[1] - part[0], storage), dtype)
        forward(rows.data.features, numbers[some], *of_model, work, raw[some])

    for _ in threads.run_over_rows(fill, rows.n_rows, rows.data.row_entries, 0, rows.n_threads):
        pass
    return raw.astype(FLOAT64, copy=False)
