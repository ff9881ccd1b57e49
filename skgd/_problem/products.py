"""Second moments of dense rows and their targets in one look, from which means, deviations and Z'Z follow."""

from dataclasses import dataclass

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.constants import LEAST_SQUARE
from .._kernels.gram import ROOM_FOR_ROWS, ROWS_AT_ONCE
from .._kernels.structures import FLOAT64, Data, Features
from .sample import ROWS_PER_PARAMETER, SAMPLE_ROWS
from .scaling import Moments, keeps_digits, moments_by_means, total_weight

MOST_COLUMNS = 300  # up to here X'X of all rows costs less than ten passes
MOST_TARGETS = 8  # whose products with columns cost little beside those of columns
NEAR_ROWS = 1_000  # tell a point near the means
KEPT_SHARE = 0.5  # of mean squares about that point, which variances are at least


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
    """Whether columns and targets are few beside dense rows, which don't all stand in an array of their own."""
    n_columns, is_dense = data.features.center.size + 1, isinstance(data.features, Features)
    many_rows = data.n_rows > max(SAMPLE_ROWS, ROWS_PER_PARAMETER * n_columns)
    return is_dense and many_rows and n_columns <= MOST_COLUMNS and data.y.shape[1] <= MOST_TARGETS


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
    """Z' diag(weight) Z, Z with a column of ones at the end and some targets beyond; the weights of X's zeros."""
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
