"""Second moments of rows and their targets in one look, from which means, deviations and Z'Z follow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.constants import LEAST_SQUARE
from .._kernels.gram import ROOM_FOR_ROWS, ROWS_AT_ONCE
from .._kernels.structures import FLOAT64, Data, Features
from .features import row_numbers
from .sample import ROWS_PER_PARAMETER, SAMPLE_ROWS
from .scaling import Moments, keeps_digits, moments_by_means, total_weight

MOST_COLUMNS = 300  # up to here X'X of all rows costs less than ten passes
MOST_TARGETS = 300  # whose products with columns cost less than two passes
ROWS_FOR_SEVERAL = 4  # times columns, of several targets: on fewer rows matrices may be of chosen columns
NEAR_ROWS = 1_000  # tell a point near the means
KEPT_SHARE = 0.5  # of mean squares about that point, which variances are at least
ENTRIES_AT_ONCE = 2**16  # whose copies stay in the cache until they are multiplied


@dataclass(frozen=True)
class Products:
    """Weighted means of the products of columns about points near their means: X's, one of ones, the targets'."""

    means: np.ndarray
    center: np.ndarray  # the points
    moments: tuple[Moments, Moments]  # of features and targets

    def second_moments(self, data: Data, n_targets: int) -> np.ndarray:
        """The same, but for some targets, of the columns as the data scale them."""
        d, p = data.features.center.size, data.features.center.size + 1 + n_targets
        center = np.concatenate([data.features.center.astype(FLOAT64), [0.0], data.target_center])[:p]
        stretch = np.concatenate([data.features.inverse_scale.astype(FLOAT64), [1.0], data.target_inverse_scale])[:p]
        return rescaled(self.means[:p, :p], stretch, (self.center[:p] - center) * stretch, d)


@dataclass(frozen=True)
class KnownMoments:
    """Second moments of the columns as the data scale them, one of ones and the targets."""

    means: np.ndarray

    def second_moments(self, data: Data, n_targets: int) -> np.ndarray:
        """The same, but for some targets."""
        p = data.features.center.size + 1 + n_targets
        return self.means[:p, :p].copy()


def rescaled(means: np.ndarray, stretch: np.ndarray, shift: np.ndarray, ones: int) -> np.ndarray:
    """Means of the products of columns times `stretch`, plus `shift`; `ones` is the number of the column of ones."""
    found = means * stretch * stretch[:, None]
    half = found[ones] + 0.5 * shift
    return found + np.outer(shift, half) + np.outer(half, shift)


def are_few(data: Data) -> bool:
    """Whether columns and targets are few beside dense rows, of one target those that no array of their own holds."""
    n_columns, n_targets, is_dense = data.features.center.size + 1, data.y.shape[1], isinstance(data.features, Features)
    few_rows = max(SAMPLE_ROWS, ROWS_PER_PARAMETER * n_columns) if n_targets == 1 else ROWS_FOR_SEVERAL * n_columns
    return is_dense and data.n_rows > few_rows and n_columns <= MOST_COLUMNS and n_targets <= MOST_TARGETS


def products_of(data: Data, n_threads: int) -> Products | None:
    """Products of unscaled columns and targets; None where these would have fewer digits than scaled ones."""
    X, y, d = data.features.X, data.y, data.features.center.size  # type: ignore[union-attr]
    numbers = data.sample_rows(NEAR_ROWS)
    with np.errstate(over="ignore", invalid="ignore"):
        features = data.features._replace(center=_near(X, numbers))
        data = data._replace(features=features, target_center=_near(y, numbers).astype(FLOAT64))
        total, zeros = sums_of_products(data, y.shape[1], n_threads)
        weight = total_weight(data)
        means, filled = total / weight, 1.0 - np.append(zeros, np.zeros(1 + y.shape[1])) / weight
        center = np.concatenate([features.center.astype(FLOAT64), [0.0], data.target_center])
        moments = []
        for values, name, which in ((X, "X", slice(d)), (y, "y", slice(d + 1, None))):
            sums = means[d, which], np.diagonal(means)[which]
            if not keeps_digits(*sums, KEPT_SHARE):
                return None
            columns = values, data.weight, data.subset, name
            found = moments_by_means(center[which], *sums, filled[which], weight, columns)
            if found.std[sums[1] < LEAST_SQUARE].any():  # squares so small that they may have lost digits, or all
                return None
            moments.append(found)
    return Products(means, center, (moments[0], moments[1]))


def _near(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """A point near the means of columns, that of constant ones exactly."""
    first = values[numbers[0]]
    return first + (values[numbers] - first).mean(axis=0, dtype=FLOAT64).astype(values.dtype)


def sums_of_products(data: Data, n_targets: int, n_threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Z' diag(weight) Z, Z with a column of ones at the end and some targets beyond; the weights of X's zeros.

    Of the products of targets with each other squares alone are right: nobody asks for others.
    """
    d = data.features.center.size
    add, p = kernel("gram", data.features.storage.dtype), d + 1 + n_targets
    room = -(-p // 3) * 3

    def of_part(part):
        total = np.zeros((room + 1, room))
        add(data, n_targets, *part, np.zeros((room, ROOM_FOR_ROWS)), total)
        return total

    parts = threads.parts(data.n_rows, p - 1, p * p, ROWS_AT_ONCE)
    total = sum(threads.run(of_part, parts, n_threads))
    products = total[:p, :p]
    return np.tril(products) + np.tril(products, -1).T, total[room, :d]


def entries_of_rows(data: Data) -> np.ndarray:
    """Number of each row's entries, at most: in columns far from zero, which are centred, all rows have one."""
    lengths = np.diff(data.features.indptr)  # type: ignore[union-attr]
    n_far = np.count_nonzero(data.features.center)
    return (lengths[data.subset] if data.subset.size else lengths) + n_far


def sums_of_sparse_products(data: Data, n_targets: int, n_threads: int) -> np.ndarray:
    """Z' diag(weight) Z, Z with ones at the end and targets beyond, whose products with each other are 0."""
    d, ends = data.features.center.size, np.cumsum(entries_of_rows(data))
    n_rows, p = ends.size, d + 1 + n_targets
    numbers = data.subset if data.subset.size else np.arange(n_rows)

    def of_part(part):
        total, (start, stop) = np.zeros((p, p)), part
        while start < stop:
            before = ends[start - 1] if start else 0
            end = min(max(int(np.searchsorted(ends, before + ENTRIES_AT_ONCE)), start + 1), stop)
            _add_rows(data, numbers[start:end], int(ends[end - 1] - before), total)
            start = end
        return total

    row_cost = (int(ends[-1]) // n_rows + 1) ** 2
    total = sum(threads.run_over_rows(of_part, n_rows, row_cost, p * p, n_threads))
    return on_both_sides(total)


def on_both_sides(of_pairs: np.ndarray) -> np.ndarray:
    """The symmetric matrix whose entries off the diagonal are each given on one side of it."""
    products = of_pairs + of_pairs.T
    np.fill_diagonal(products, np.diagonal(of_pairs))
    return products


def _add_rows(data: Data, numbers: np.ndarray, n_entries: int, total: np.ndarray) -> None:
    """Add the products over some rows, those of each pair of different columns on one side of the diagonal."""
    features: Any = data.features
    d, p = features.center.size, len(total)
    values, places, starts = np.empty(n_entries), np.empty(n_entries, np.int32), np.zeros(len(numbers) + 1, np.int64)
    every, far = np.arange(d, dtype=np.int32), np.flatnonzero(features.center)
    of_dtypes: Any = {"dtype": features.storage.dtype, "index": features.storage.index_dtype}
    select, add = kernel("select_columns", **of_dtypes), kernel("gram", **of_dtypes)
    select(features, row_numbers(numbers), every, far, np.full(d, -1), values, places, starts)
    weight = data.weight_of(numbers)
    add(values, places, starts, weight, total[: d + 1], 0, len(numbers))
    beside = np.column_stack([np.ones(len(numbers)), data.targets_of(numbers)])[:, : p - d]
    weighted = beside * weight[:, None]
    total[d:, d] += weighted.sum(axis=0)
    total.flat[(d + 1) * (p + 1) :: p + 1] += np.einsum("ij,ij->j", beside[:, 1:], weighted[:, 1:])
    if p > d + 1:
        found = slice(starts[-1])
        rows = sparse.csr_array((values[found], places[found], starts), shape=(len(numbers), d))
        total[d + 1 :, :d] += (rows.T @ weighted[:, 1:]).T
