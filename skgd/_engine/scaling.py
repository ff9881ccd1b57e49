"""Means and standard deviations, and the scaling of features and targets that follows from them."""

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._kernels.signatures import Data, Features
from .kernels import kernel

SLICE_SECONDS = 0.25  # how long compiled code may run before Python looks whether Ctrl-C was pressed
_CHUNK_ROWS = 65_536
_SQUARES_ROWS = 1_000
_LOST_SHARE = 1e-3  # a variance of so small a share of the mean square has lost three digits to cancellation


@dataclass
class Moments:
    """Sum of weights, mean and standard deviation of every column, each in float64."""

    weight: float
    mean: np.ndarray
    std: np.ndarray

    def merged(self, other: "Moments") -> "Moments":
        """Moments of both sets of rows together (Chan, Golub and LeVeque 1983), safe from overflow."""
        weight = self.weight + other.weight
        distance = other.mean - self.mean
        unit = np.maximum(np.maximum(self.std, other.std), np.abs(distance))
        unit[unit == 0] = 1.0
        share = other.weight / weight
        variance = (
            (1 - share) * (self.std / unit) ** 2
            + share * (other.std / unit) ** 2
            + share * (1 - share) * (distance / unit) ** 2
        )
        return Moments(weight, self.mean + share * distance, unit * np.sqrt(variance))

    def scale(self, eps: float) -> np.ndarray:
        """Standard deviations, 1 for columns that are constant up to the rounding of their values."""
        constant = (self.std <= 4 * eps * np.abs(self.mean)) | (self.std < np.finfo(np.float64).tiny)
        return np.where(constant, 1.0, self.std)


class Scaling(NamedTuple):
    """z = (x - center) / scale for features, the same for targets; float64."""

    center: np.ndarray  # (n_features,)
    scale: np.ndarray  # (n_features,)
    target_center: np.ndarray  # (n_targets,)
    target_scale: np.ndarray  # (n_targets,)


def column_moments(values: np.ndarray, weight: np.ndarray | None, name: str, first: int = 0) -> Moments:
    """Moments of a small array in NumPy, whatever the size of its entries; errors name the array and the column."""
    total = float(len(values)) if weight is None else weight.sum()
    if total == 0:
        return Moments(0.0, values[0].astype(np.float64), np.zeros(values.shape[1]))
    shift = values[0].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        distance = values - shift
        unit = np.abs(distance).max(axis=0)
    if not np.isfinite(unit).all():
        column = first + int(np.flatnonzero(~np.isfinite(unit))[0])
        raise ValueError(f"column {column} of {name} spans more than float64 can hold: rescale it")
    unit[unit == 0] = 1.0
    distance /= unit
    mean = np.average(distance, axis=0, weights=weight)
    distance -= mean
    return Moments(total, shift + unit * mean, unit * np.sqrt(np.average(distance**2, axis=0, weights=weight)))


def target_moments(y: np.ndarray, weight: np.ndarray | None, subset: np.ndarray) -> Moments:
    """Moments of the targets, some rows at a time."""
    n_rows = subset.size or len(y)
    moments: Moments | None = None
    for start in range(0, n_rows, _CHUNK_ROWS):
        rows = subset[start : start + _CHUNK_ROWS] if subset.size else slice(start, start + _CHUNK_ROWS)
        chunk = column_moments(y[rows], None if weight is None else weight[rows], "y")
        if chunk.weight > 0:
            moments = chunk if moments is None else moments.merged(chunk)
    assert moments is not None  # the weights are not all zero
    return moments


def feature_moments(data: Data) -> Moments:
    """Moments of X in one pass, with sums in float64 of distances from a point near the mean."""
    X, weight, subset, n_rows = data.features.X, data.weight, data.subset, data.n_rows
    shift = X[subset[0] if subset.size else 0].astype(np.float64)  # exact for constant columns
    used = weight[subset] if weight.size and subset.size else weight
    weight_sum = float(used.sum()) if weight.size else float(n_rows)
    distance, squares = _sums(data, shift)
    with np.errstate(over="ignore", invalid="ignore"):
        distance, squares = distance / weight_sum, squares / weight_sum
        if (np.isfinite(squares) & (squares - distance**2 < _LOST_SHARE * squares)).any():
            # the row was far from the mean, in units of the spread: an outlier costs a second pass
            shift = shift + np.where(np.isfinite(distance), distance, 0.0)
            distance, squares = (total / weight_sum for total in _sums(data, shift))
        variance = squares - distance**2
    result = Moments(weight_sum, shift + distance, np.sqrt(np.maximum(variance, 0.0)))
    # squares that overflowed, or fell below what float64 resolves, need a unit of their own
    lost = ~np.isfinite(variance) | ((squares < np.sqrt(np.finfo(np.float64).tiny)) & (squares >= 0))
    for j in np.flatnonzero(lost):
        column = X[subset, j] if subset.size else X[:, j]
        of_column = column_moments(column[:, None].astype(np.float64), used if weight.size else None, "X", int(j))
        result.mean[j], result.std[j] = of_column.mean[0], of_column.std[0]
    return result


def _sums(data: Data, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of the distances from `shift` and of their squares."""
    X = data.features.X
    total, squares = np.zeros_like(shift), np.zeros_like(shift)
    moments = kernel("moments", X.dtype)
    rows, start = max(1, 10_000_000 // X.shape[1]), 0
    while start < data.n_rows:
        began = time.perf_counter()
        moments(X, data.weight, data.subset, shift, total, squares, start, start + rows)
        start += rows
        rows = max(1, int(rows * min(4.0, SLICE_SECONDS / max(time.perf_counter() - began, 1e-6))))
    return total, squares


def dense_rows(features: Features, rows: np.ndarray | slice, out: np.ndarray) -> None:
    """Fill `out` with the given rows, standardised, in float64."""
    np.subtract(features.X[rows], features.center, out=out, dtype=np.float64)
    out *= features.inverse_scale


def mean_squares(data: Data) -> np.ndarray:
    """Mean squares of the scaled columns over some thousand rows."""
    rows = data.sample_rows(_SQUARES_ROWS)
    out = np.empty((len(rows), data.features.X.shape[1]))
    dense_rows(data.features, rows, out)
    return np.mean(out**2, axis=0)
