"""Columns with heavy tails, squashed: as they are near their medians, by their logarithms far from these."""

from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from ._kernels.structures import sample_of

# The typical distance of a column's entries from their median is the median of those that aren't zero. Tails are heavy
# if some entry is farther than HEAVY of them: of a million rows of a normal distribution the farthest has 7, of an
# exponential one, whose tail isn't heavy yet, 29. From LINEAR of them on, two standard deviations of a normal one,
# logarithms take over.
HEAVY, LINEAR = 30.0, 3.0
# A column stays as it is if targets follow its tail: if it accounts for so much more of their variance than squashed,
# by squared correlations. Of a column that has nothing to do with them these are about one over the number of rows.
FOLLOWED = 0.05
MOST_ROWS = 4096  # that tell medians and correlations, to two digits
FEW_ENTRIES = 2**14  # of which medians are found at once: what hardly counts beside the sample
MOST_ENTRIES = 2**22  # of columns with heavy tails that tell whether targets follow them: what a few copies may take
FARTHEST = 1e150  # scales from the median: the root of the largest floats


class Tails(NamedTuple):
    r"""Columns that become :math:`t(x) - t(0)` with :math:`t(x) = s \operatorname{arsinh}((x - m) / s)`.

    Zero stays zero: sparse rows stay sparse.
    """

    columns: np.ndarray  # their numbers, ascending
    center: np.ndarray  # m, the median
    scale: np.ndarray  # s

    @classmethod
    @np.errstate(over="ignore")  # what spans more than float64 can hold is refused later, in words
    def of(cls, X: Any, y: np.ndarray | None, weight: np.ndarray) -> Self | None:
        """Those of X, by the weights of rows, if there are any; None if there are none.

        y are numbers, of shape (n_rows, n_targets), whose tails may follow those of X; None where these are none.
        """
        rows = np.flatnonzero(weight > 0) if weight.size else np.arange(X.shape[0])
        least, largest = _range(X, rows)
        some = rows[sample_of(len(rows), MOST_ROWS)]
        sample, weight, varies = X[some], weight[some] if weight.size else weight, least < largest
        is_rare = np.zeros(X.shape[1], bool)
        if sparse.issparse(sample):
            is_rare, alike = _rare_and_alike(sample, np.maximum(-least, largest), weight)
            varies &= ~alike
            sample = sample.tocsc()
        columns = np.flatnonzero(varies)
        if sparse.issparse(sample) or weight.size:
            told = [_median_and_distance(sample, j, weight, is_rare[j]) for j in columns.tolist()]
            center, typical = np.array(told, np.float64).reshape(-1, 2).T
        else:
            center, typical = _medians_and_distances(sample, columns)
        farthest = np.maximum(largest[columns] - center, center - least[columns])
        heavy = (farthest > HEAVY * typical) & (typical > 0)
        if not heavy.any():
            return None
        tails = cls(columns[heavy], center[heavy], LINEAR * typical[heavy])
        if y is not None:
            stays = _followed(y[some].astype(np.float64), sample[:, tails.columns], tails, weight)
            tails = cls(*(each[~stays] for each in tails))
        return tails if tails.columns.size else None

    def are_of(self, n_columns: int) -> bool:
        """Whether these are numbers of that many columns, medians and scales."""
        if not all(isinstance(each, np.ndarray) and each.shape == np.shape(self.columns) for each in self):
            return False
        known = self.columns.dtype.kind == "i" and self.center.dtype == self.scale.dtype == np.float64
        return known and self.columns.ndim == 1 and bool(((self.columns >= 0) & (self.columns < n_columns)).all())

    def squash(self, entries: np.ndarray, which: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Entries of the columns, or of some of them, squashed, in float64."""
        center, scale = self.center[which], self.scale[which]
        with np.errstate(over="ignore"):
            apart = np.clip((entries - center) / scale, -FARTHEST, FARTHEST)
            return scale * (np.arcsinh(apart) - np.arcsinh(-center / scale))

    def by_column(self) -> dict[int, tuple[float, float]]:
        """Median and scale by the numbers of the columns."""
        medians_and_scales = zip(self.center.tolist(), self.scale.tolist(), strict=True)
        return dict(zip(self.columns.tolist(), medians_and_scales, strict=True))

    def unsquash(self, means: np.ndarray) -> np.ndarray:
        """Entries of all columns that become these."""
        means = means.astype(np.float64)
        of_zero = np.arcsinh(-self.center / self.scale)
        means[self.columns] = self.center + self.scale * np.sinh(means[self.columns] / self.scale + of_zero)
        return means


def squashed(tails: Tails | None, X: Any) -> Any:
    """X with its columns squashed: a copy in the same precision, X itself where there is nothing to do."""
    if tails is None:
        return X
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    X = X.astype(dtype, order="C") if isinstance(X, np.ndarray) else X.astype(dtype, copy=True)
    if not sparse.issparse(X):
        X[:, tails.columns] = tails.squash(X[:, tails.columns].astype(np.float64))
        return X
    place = np.full(X.shape[1], -1)
    place[tails.columns] = np.arange(len(tails.columns))
    at = place[X.indices]
    X.data[at >= 0] = tails.squash(X.data[at >= 0].astype(np.float64), at[at >= 0])
    return X


def unsquashed(tails: Tails | None, means: np.ndarray) -> np.ndarray:
    """Means of squashed columns as entries of X."""
    return means if tails is None else tails.unsquash(means)


def _range(X: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest entry of each column in some rows, in float64."""
    if len(rows) < X.shape[0]:  # rows that are picked are copied: some at a time
        parts = np.array_split(rows, 1 + _n_stored(X) // MOST_ENTRIES)
        of_parts = [_range(X[part], np.arange(len(part))) for part in parts]
        least, largest = zip(*of_parts, strict=True)
        return np.min(least, axis=0), np.max(largest, axis=0)
    found = X.min(axis=0), X.max(axis=0)
    if sparse.issparse(X):
        found = tuple(each.toarray().ravel() for each in found)
    return tuple(each.astype(np.float64) for each in found)  # type: ignore[return-value]


def _n_stored(X: Any) -> int:
    return X.nnz if sparse.issparse(X) else X.size


def _rare_and_alike(sample: Any, size: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which columns of CSR are mostly zero; which of these hold nothing much smaller than their size: most of text."""
    rows, least = np.repeat(np.arange(sample.shape[0]), np.diff(sample.indptr)), np.full(sample.shape[1], np.inf)
    np.minimum.at(least, sample.indices, np.where(sample.data == 0, np.inf, np.abs(sample.data)))
    weight = weight if weight.size else np.ones(sample.shape[0])
    filled = np.bincount(sample.indices, weight[rows], minlength=sample.shape[1])
    is_rare = filled < weight.sum() / 2
    return is_rare, is_rare & (size <= HEAVY * least)


def _column(sample: Any, j: int) -> np.ndarray:
    """A column in float64."""
    if not sparse.issparse(sample):
        return sample[:, j].astype(np.float64)
    column, entries = np.zeros(sample.shape[0]), slice(*sample.indptr[j : j + 2])
    column[sample.indices[entries]] = sample.data[entries]
    return column


def _median_and_distance(sample: Any, j: int, weight: np.ndarray, is_rare: bool) -> tuple[float, float]:
    """The median of a column, and that of distances from it which aren't zero; 0 if all are."""
    if is_rare:  # entries that are stored tell all: the median is zero
        entries = slice(*sample.indptr[j : j + 2])
        column, center = sample.data[entries].astype(np.float64), 0.0
        weight = weight[sample.indices[entries]] if weight.size else weight
    else:
        column = _column(sample, j)
        center = _median(column, weight)
    distance = np.abs(column - center)
    apart = distance > 0
    return center, _median(distance[apart], weight[apart] if weight.size else weight) if apart.any() else 0.0


def _medians_and_distances(sample: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of all these columns of dense rows that count alike, some at a time."""
    found = [np.empty((2, 0))]
    for some in np.array_split(columns, 1 + len(columns) * len(sample) // FEW_ENTRIES):
        ordered = np.sort(sample[:, some].T.astype(np.float64), axis=1)
        n_rows = ordered.shape[1]
        center = ordered[:, (n_rows - 1) // 2]
        distance = np.sort(np.abs(ordered - center[:, None]), axis=1)
        n_zeros = np.count_nonzero(distance == 0, axis=1)
        middle = n_zeros + (n_rows - n_zeros - 1) // 2  # of a constant column the last zero
        found.append(np.array([center, distance[np.arange(len(some)), middle]]))
    center, typical = np.concatenate(found, axis=1)
    return center, typical


def _median(values: np.ndarray, weight: np.ndarray) -> float:
    """The least of the values with half of the weight at or below it."""
    if not weight.size:
        middle = (len(values) - 1) // 2
        return float(np.partition(values, middle)[middle])
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def _followed(y: np.ndarray, columns: Any, tails: Tails, weight: np.ndarray) -> np.ndarray:
    """Which columns have tails that some of the targets follow: one after the other, by what is left of the targets."""
    n = columns.shape[0]
    some = sample_of(n, max(1, MOST_ENTRIES * n // max(_n_stored(columns), 1)))
    share = (weight[some] if weight.size else np.ones(len(some)))[:, None]
    share = share / share.sum()
    columns, left = columns[some].astype(np.float64), _standardised(y[some], share)
    if sparse.issparse(columns):
        squashed_ones, of_entries = columns.copy(), np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))
        squashed_ones.data = tails.squash(columns.data, of_entries)
        raw, squashed_ones = (_of_unit_variance(each, of_entries, share) for each in (columns, squashed_ones))
    else:
        raw, squashed_ones = (_standardised(each, share) for each in (columns, tails.squash(columns)))
    follows = np.zeros(columns.shape[1], bool)
    while not follows.all():
        gains = (raw.T @ (share * left)) ** 2 - (squashed_ones.T @ (share * left)) ** 2
        gains[follows] = 0.0
        j, k = np.unravel_index(np.argmax(gains), gains.shape)
        if not gains[j, k] > FOLLOWED:
            break
        follows[j] = True
        x = _standardised(_column(raw, int(j))[:, None], share)
        left = _standardised(left - x * (x.T @ (share * left)), share)
    return follows


def _standardised(columns: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Columns less their means, over their standard deviations; zeros where one doesn't vary."""
    with np.errstate(all="ignore"):
        columns = columns / np.abs(columns).max(axis=0)
        columns = columns - (share * columns).sum(axis=0)
        columns = columns / np.sqrt((share * columns**2).sum(axis=0))
    return np.where(np.isfinite(columns), columns, 0.0)


def _of_unit_variance(columns: Any, of_entries: np.ndarray, share: np.ndarray) -> Any:
    """CSC over its columns' standard deviations; with what is centred its products are those of centred columns."""
    d, share = columns.shape[1], share[columns.indices, 0]
    with np.errstate(all="ignore"):
        size = np.zeros(d)
        np.maximum.at(size, of_entries, np.abs(columns.data))
        entries = columns.data / size[of_entries]
        mean, filled = (np.bincount(of_entries, each, minlength=d) for each in (share * entries, share))
        variance = np.bincount(of_entries, share * (entries - mean[of_entries]) ** 2, minlength=d)
        entries = entries / np.sqrt(variance + np.maximum(1 - filled, 0) * mean**2)[of_entries]
    columns.data = np.where(np.isfinite(entries), entries, 0.0)
    return columns
