"""Means and standard deviations, and the scaling of features and targets that follows from them."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.constants import LEAST_SQUARE, LOST_SHARE, TINY
from .._kernels.moments import deviation_of_both
from .._kernels.structures import Data, Features, SparseFeatures

_CHUNK_ENTRIES = 2**15  # of X, of which each thread may need a copy that stays in the cache
WIDENED_ENTRIES = 2**17  # of float32: so many take less time in float64 than another kernel takes to compile
# Columns are rare that aren't zero in a share q of the rows below r = 0.01 / the same share of all entries, at most 1:
# of text all are, of tables few. They are divided by std (r / q)^0.625. With 1/2 entries that aren't zero would have
# about the same mean square, however rare; a little more penalises rare columns more than others. Both predicted best.
RARE = 0.01
SPARED = 0.625


@dataclass
class Moments:
    """Sum of weights, mean, standard deviation and share of non-zeros of every column, each in float64."""

    weight: float
    mean: np.ndarray
    std: np.ndarray
    filled: np.ndarray = None  # type: ignore[assignment] # pickles of earlier releases have none

    def __post_init__(self) -> None:
        if self.filled is None:
            self.filled = np.ones_like(self.mean)

    def merged(self, other: "Moments") -> "Moments":
        """Moments of both sets of rows together."""
        weight = self.weight + other.weight
        distance = other.mean - self.mean
        share = other.weight / weight
        filled = (1 - share) * self.filled + share * other.filled
        std = deviation_of_both(share, distance, self.std, other.std)
        return Moments(weight, self.mean + share * distance, std, filled)

    def varies(self, eps: float) -> np.ndarray:
        """Which columns aren't constant up to the rounding of their values."""
        return self.std > np.maximum(4 * eps * np.abs(self.mean), TINY)

    def scale(self, eps: float, spares_rare: bool = False) -> np.ndarray:
        """Standard deviations, 1 for columns that are constant up to the rounding of their values.

        spares_rare: more than these for columns that are rarely non-zero.
        """
        varies = self.varies(eps)
        n_varying = np.count_nonzero(varies)  # which takes a fifth of the time of `any` and `all`
        scale = self.std.copy() if n_varying == varies.size else np.where(varies, self.std, 1.0)
        if spares_rare and n_varying and np.count_nonzero(self.filled < 1.0):  # a full column never is
            rare = min(1.0, RARE / self.filled[self.filled > 0].mean())
            scale[varies] *= np.maximum(1.0, rare / self.filled[varies]) ** SPARED
        return scale


@dataclass
class LargestEntries:
    """Largest absolute value of every column, in float64: a scale that doesn't blow rare columns up, and no centre."""

    largest: np.ndarray

    def merged(self, other: "LargestEntries") -> "LargestEntries":
        return LargestEntries(np.maximum(self.largest, other.largest))

    @property
    def mean(self) -> np.ndarray:
        return np.zeros_like(self.largest)

    def scale(self, eps: float, spares_rare: bool = False) -> np.ndarray:
        """The largest values, 1 for columns of zeros."""
        return np.where(self.largest < TINY, 1.0, self.largest)


class Scaling(NamedTuple):
    """z = (x - center) / scale for features, the same for targets; float64."""

    center: np.ndarray  # (n_features,)
    scale: np.ndarray  # (n_features,)
    target_center: np.ndarray  # (n_targets,)
    target_scale: np.ndarray  # (n_targets,)


def _column_moments(values: np.ndarray, weight: np.ndarray | None, name: str) -> tuple[float, float]:
    """Mean and standard deviation of a column in NumPy, whatever the size of its entries; errors name it."""
    shift = values[0]
    with np.errstate(over="ignore", invalid="ignore"):
        distance = values - shift
        unit = np.abs(distance).max()
    if not np.isfinite(unit):
        raise ValueError(f"{name} spans more than float64 can hold: rescale it")
    if unit == 0:
        return shift, 0.0
    distance /= unit
    mean = np.average(distance, weights=weight)
    return shift + unit * mean, unit * np.sqrt(np.average((distance - mean) ** 2, weights=weight))


def feature_scales(data: Data, standardize: bool | str, before: Moments | LargestEntries | None, n_threads: int):
    """Moments or, for "max_abs", largest entries of the columns, together with those of the rows that came before."""
    if isinstance(before, Moments) and standardize != "max_abs" and isinstance(data.features, Features):
        return moments_with_those_before(before, data.features.X, data.weight, data.subset, "X", n_threads)
    found = largest_entries(data, n_threads) if standardize == "max_abs" else feature_moments(data, n_threads)
    return before.merged(found) if type(before) is type(found) else found  # type: ignore[arg-type, union-attr]


def largest_entries(data: Data, n_threads: int = 1) -> LargestEntries:
    """Largest absolute values of the columns among the rows that have weight."""
    features, d = data.features, data.features.center.size
    largest = np.zeros(d)
    if isinstance(features, SparseFeatures):
        compiled = kernel("largest_entries", features.data.dtype, index=features.indices.dtype)

        def of_part(part):
            found = np.zeros(d)
            compiled(features, data.weight, data.subset, found, np.zeros(d, np.int64), *part)
            return found

        for found in threads.run_over_rows(of_part, data.n_rows, _row_cost(features), d, n_threads):
            np.maximum(largest, found, out=largest)
        return LargestEntries(largest)
    rows_at_once = max(1, _CHUNK_ENTRIES // d)

    def of_rows(part):
        found = np.zeros(d)
        for start in range(*part, rows_at_once):
            rows: slice | np.ndarray = slice(start, min(start + rows_at_once, part[1]))
            rows = data.subset[rows] if data.subset.size else rows
            if data.weight.size:
                rows = (np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows)[data.weight[rows] > 0]
            some = features.X[rows]  # a copy, perhaps: that of the absolute values would be another one
            np.maximum(found, some.max(axis=0, initial=0), out=found)
            np.maximum(found, -some.min(axis=0, initial=0), out=found)
        return found

    for found in threads.run_over_rows(of_rows, data.n_rows, d, d, n_threads):
        np.maximum(largest, found, out=largest)
    return LargestEntries(largest)


def feature_moments(data: Data, n_threads: int = 1) -> Moments:
    """Moments of X, whatever the size of its entries."""
    if isinstance(data.features, SparseFeatures):
        return _sparse_moments(data, data.features, n_threads)
    return dense_moments(data.features.X, data.weight, data.subset, "X", n_threads)


def total_weight(data: Data) -> float:
    """Sum of the weights of the rows in use."""
    return _total(data.weight, data.subset, data.n_rows)


def _total(weight: np.ndarray, subset: np.ndarray, n_rows: int) -> float:
    return float(_used(weight, subset).sum()) if weight.size else float(n_rows)


def _used(values: np.ndarray, subset: np.ndarray) -> np.ndarray:
    return values[subset] if subset.size else values


def _sparse_moments(data: Data, features: SparseFeatures, n_threads: int) -> Moments:
    """Moments of CSR columns in units of their largest entries, zeros included."""
    unit = largest_entries(data, n_threads).largest
    unit[unit == 0] = 1.0
    weight_sum = total_weight(data)
    rounding = data.n_rows * np.finfo(np.float64).eps * weight_sum if data.weight.size else 0.0
    compiled = kernel("moments", features.data.dtype, index=features.indices.dtype)
    shift = np.zeros_like(unit)
    for _ in range(2):
        arrays = features, data.weight, data.subset, unit, shift
        sums = _sums(compiled, arrays, (3, unit.size), data.n_rows, _row_cost(features), n_threads)
        total, squares, filled = sums
        unseen = weight_sum - filled  # each of these entries is zero, at distance -shift
        unseen[unseen <= rounding] = 0.0  # none in full columns, whose weights are added up in another order
        distance = (total - unseen * shift) / weight_sum
        squares = (squares + unseen * shift**2) / weight_sum
        variance = np.maximum(squares - distance**2, 0.0)
        if shift.any() or not (variance < LOST_SHARE * squares).any():
            break
        shift = distance  # a column far from zero costs a second pass
    return Moments(weight_sum, unit * (shift + distance), unit * np.sqrt(variance), filled / weight_sum)


def dense_moments(X: np.ndarray, weight: np.ndarray, subset: np.ndarray, name: str, n_threads: int) -> Moments:
    """Moments of a matrix in one pass, with sums in float64 of distances from a point near the mean."""
    if X.size <= WIDENED_ENTRIES:
        X = X.astype(np.float64, copy=False)  # a kernel for float32 takes longer to compile
    shift = X[subset[0] if subset.size else 0].astype(np.float64)  # exact for constant columns
    n_rows = subset.size or len(X)
    weight_sum = _total(weight, subset, n_rows)

    def means(shift):
        """Weighted means of the distances from `shift` and of their squares, and shares of non-zeros."""
        arrays, shape = (X, weight, subset, shift), (3, shift.size)
        return _sums(kernel("moments", X.dtype), arrays, shape, n_rows, X.shape[1], n_threads) / weight_sum

    with np.errstate(over="ignore", invalid="ignore"):
        distance, squares, filled = means(shift)
        if not keeps_digits(distance, squares):
            # the row was far from the mean, in units of the spread: an outlier costs a second pass
            shift = shift + np.where(np.isfinite(distance), distance, 0.0)
            distance, squares, filled = means(shift)
        return moments_by_means(shift, distance, squares, filled, weight_sum, (X, weight, subset, name))


def moments_with_those_before(
    before: Moments, X: np.ndarray, weight: np.ndarray, subset: np.ndarray, name: str, n_threads: int
) -> Moments:
    """Moments of a matrix together with those of rows that came before: of few rows, in a stream, by one call."""
    n_rows, d = subset.size or len(X), X.shape[1]
    if n_rows * d <= threads.FEW_ENTRIES:
        total = _total(weight, subset, n_rows)
        mean, std, filled = before.mean.copy(), before.std.copy(), before.filled.copy()
        merge = kernel("merge_rows", X.dtype)
        if merge(X, weight, subset, total, before.weight, mean, std, filled, np.empty((4, d))):
            return Moments(before.weight + total, mean, std, filled)
    return before.merged(dense_moments(X, weight, subset, name, n_threads))


def keeps_digits(distance: np.ndarray, squares: np.ndarray, share: float = LOST_SHARE) -> bool:
    """Whether variances are at least a share of the mean squares of distances from a point, whose mean is taken off."""
    return bool((squares - distance**2 >= share * squares).all())


def moments_by_means(
    shift: np.ndarray, distance: np.ndarray, squares: np.ndarray, filled: np.ndarray, weight_sum: float, columns: tuple
) -> Moments:
    """Moments by means of distances from `shift` and of their squares; columns are X, weights, subset and a name."""
    X, weight, subset, name = columns
    variance = squares - distance**2
    result = Moments(weight_sum, shift + distance, np.sqrt(np.maximum(variance, 0.0)), filled)
    # squares that overflowed, or fell below what float64 resolves, need a unit of their own
    lost = ~((squares >= LEAST_SQUARE) & np.isfinite(variance))
    used = _used(weight, subset) if weight.size else None
    for j in lost.nonzero()[0]:
        column = _used(X[:, j], subset).astype(np.float64)
        result.mean[j], result.std[j] = _column_moments(column, used, f"column {j} of {name}")
    return result


def mean_squares(features: SparseFeatures, n_threads: int) -> np.ndarray:
    """Mean squares of the scaled columns over all rows."""
    compiled = kernel("square_sums", features.data.dtype, index=features.indices.dtype)
    n_entries, shape = features.data.size, (1, features.center.size)
    return _sums(compiled, (features,), shape, n_entries, 1, n_threads)[0] / (features.indptr.size - 1)


def _row_cost(features: SparseFeatures) -> int:
    """Stored entries of a row of mean length."""
    return max(1, features.data.size // (features.indptr.size - 1))


def _sums(compiled, arrays: tuple, shape: tuple, n_rows: int, row_cost: int, n_threads: int) -> np.ndarray:
    """What the kernel adds up over all rows: vectors, as rows of an array of that shape."""

    def of_part(part):
        sums = np.zeros(shape)
        compiled(*arrays, *sums, *part)
        return sums

    sums_of_parts = threads.run_over_rows(of_part, n_rows, row_cost, shape[0] * shape[1], n_threads)
    return functools.reduce(np.add, sums_of_parts)
