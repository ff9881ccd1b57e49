"""Rows that lie in parts as solvers see them: each sum over all rows is one pass over the parts."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .._checked_parts import check_part
from .._kernels.structures import ROW_NUMBER, Data, Features, Storage
from .._partitions import Part, Partitions
from .._tails import Tails, squashed
from .._targets.partitioned import Encoding, check_part_of_weights
from ..losses import Loss
from .features import ALL_ROWS, raw_features, read_only, row_numbers, targets_by_precision
from .objective import MeanLoss
from .rows import Rows
from .sample import SAMPLE_ENTRIES
from .scaling import total_weight


@dataclass(frozen=True)
class HeldOut:
    """Which rows of each part are held out: it follows from the seed, the part's number and its rows with weight."""

    seed: int
    fraction: float
    validates: bool = False  # whether these are the rows in use, or the others

    def subset(self, number: int, n_rows: int, weight: np.ndarray) -> np.ndarray:
        """Numbers of the rows in use, sorted; those without weight are in no use."""
        rows = np.flatnonzero(weight) if weight.size else np.arange(n_rows)
        n_rows = len(rows)
        rng = np.random.RandomState(np.random.MT19937(np.random.SeedSequence([self.seed, number])))
        n_held_out = min(int(self.fraction * n_rows + rng.uniform()), n_rows - 1)  # one is left to learn from
        order = rng.permutation(n_rows)
        return np.sort(rows[order[:n_held_out] if self.validates else order[n_held_out:]]).astype(ROW_NUMBER)


@dataclass(frozen=True)
class Reading:
    """How a part becomes arrays."""

    dtype: np.dtype  # of X
    is_sparse: bool
    n_features: int
    checks_of_y: dict
    held_out: HeldOut | None = None
    columns: tuple | None = None  # their names, which parts that are data frames must have in this order
    tails: Tails | None = None  # of columns that a fit before has squashed

    def read(self, part: Part, finite: bool = False) -> tuple | None:
        """X, y, weights and the numbers of the rows in use (empty: all); None where there are none."""
        if not part.X.shape[0] and not part.y.shape[0]:
            return None  # scikit-learn's checks of y would complain
        columns = columns_of(part.X)
        if columns is not None and columns != self.columns:
            raise ValueError(f"X has the columns {columns}, and its meta {self.columns}, in this order")
        X, y = check_part(part.X, part.y, self.dtype, finite=finite, **self.checks_of_y)
        n_rows = X.shape[0]
        if sparse.issparse(X) != self.is_sparse:
            kinds = ("sparse", "dense") if self.is_sparse else ("dense", "sparse")
            raise ValueError(f"X is {kinds[1]}, and its meta is {kinds[0]}: give the meta that its parts have")
        if X.shape[1] != self.n_features:
            raise ValueError(f"X has {X.shape[1]} columns, and its meta, or the X that was fitted, {self.n_features}")
        weight = check_part_of_weights(part.weight, n_rows)
        if weightless(weight, ALL_ROWS):
            return None
        subset = ALL_ROWS
        if self.held_out is not None:
            subset = self.held_out.subset(part.number, n_rows, weight)
            if not subset.size:
                return None
        return squashed(self.tails, X), y, weight, subset


def columns_of(X_like: Any) -> tuple | None:
    """The names of a data frame's columns; None of arrays."""
    return tuple(X_like.columns) if hasattr(X_like, "columns") else None


def weightless(weight: np.ndarray, subset: np.ndarray) -> bool:
    """Whether none of the rows in use has a weight."""
    return weight.size > 0 and not (weight[subset] if subset.size else weight).any()


@dataclass(frozen=True)
class Preparation:
    """How a part becomes the data that kernels work on."""

    reading: Reading
    encoding: Encoding
    scaling: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # of features and targets, as in Data

    def encoded(self, part: Part) -> tuple | None:
        """X, targets, weights and the numbers of the rows in use; None if there are none."""
        read = self.reading.read(part)
        if read is None:
            return None
        X, y, weight, subset = read
        targets = self.encoding.targets(y)
        weight = self.encoding.weights(weight, targets)
        return None if weightless(weight, subset) else (X, targets, weight, subset)

    def scaled(self, X: Any, targets: np.ndarray, weight: np.ndarray, subset: np.ndarray = ALL_ROWS) -> Data:
        """The data as kernels take it."""
        center, inverse_scale, target_center, target_inverse_scale = self.scaling
        return Data(
            raw_features(X)._replace(center=center, inverse_scale=inverse_scale),
            *targets_by_precision(targets),
            target_center,
            target_inverse_scale,
            read_only(weight),
            row_numbers(subset),
        )

    def data(self, part: Part) -> Data | None:
        """The data of a part; None if it has no rows to use."""
        encoded = self.encoded(part)
        return None if encoded is None else self.scaled(*encoded)


@dataclass(frozen=True)
class Fetch:
    """Work that gives the data of a part, without rows that have no weight."""

    preparation: Preparation

    def __call__(self, part: Part) -> Data | None:
        with naming(part.number):
            data = self.preparation.data(part)
            return None if data is None else weighing(data)


def weighing(data: Data) -> Data:
    """The data without the rows that have no weight."""
    if data.weight.all():
        return data
    rows = data.subset if data.subset.size else np.arange(len(data.y), dtype=ROW_NUMBER)
    return data._replace(subset=row_numbers(rows[data.weight[rows] > 0]))


class Tally(NamedTuple):
    """What is counted of some rows."""

    n_rows: int = 0  # with weight
    weight: float = 0.0
    least_weight: float = np.inf  # of a row, above zero
    n_entries: int = 0

    @classmethod
    def of(cls, data: Data) -> "Tally":
        """The tally of a part."""
        weights = data.weight_of(data.subset if data.subset.size else slice(None))
        weights = weights[weights > 0]
        return cls(len(weights), float(weights.sum()), float(weights.min()), len(weights) * data.row_entries)

    def __add__(self, other: "Tally") -> "Tally":  # type: ignore[override]
        least = min(self.least_weight, other.least_weight)
        n_rows, weight = self.n_rows + other.n_rows, self.weight + other.weight
        return Tally(n_rows, weight, least, self.n_entries + other.n_entries)


# -- what is done to a part


class OnRows:
    """Work on the rows of a part in memory, by themselves."""

    def __init__(self, work: Callable, preparation: Preparation):
        self.work, self.preparation = work, preparation

    def __call__(self, part: Part, *arguments: Any) -> Any:
        """What it gives; None for a part without rows to use."""
        with naming(part.number):
            data = self.preparation.data(part)
            if data is None:
                return None
            result = self.on(Rows(data, 1), *arguments)
            if isinstance(result, np.ndarray) and not np.isfinite(result).all():
                check_entries(data)  # unless the parameters are too large, it is they
            return result

    def on(self, rows: Rows, *arguments: Any) -> Any:
        return self.work(rows, *arguments)


class Share(OnRows):
    """Work that gives a mean over the rows of a part: its share in that over all rows."""

    def __init__(self, work: Callable, preparation: Preparation, weight: float):
        super().__init__(work, preparation)
        self.weight = weight  # of all rows

    def on(self, rows: Rows, *arguments: Any) -> np.ndarray:
        return super().on(rows, *arguments) * (total_weight(rows.data) / self.weight)


def check_entries(data: Data) -> None:
    """Refuse features that aren't finite. The first look has refused them: here are other ones."""
    features = data.features
    if not np.isfinite(features.X if isinstance(features, Features) else features.data).all():
        raise ValueError(
            "X holds NaN or infinity now, and didn't in the first look: computed anew it must have the same rows"
        )


@contextlib.contextmanager
def naming(number: int) -> Iterator[None]:
    """Say in errors which part they are about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"partition {number}: {error}") from error


def loss_and_gradient(
    rows: Rows, model: Any, loss: Loss, loss_hyper: np.ndarray, params: np.ndarray, n_gradient: int
) -> np.ndarray:
    """Mean loss, nothing penalised, and its gradient one after the other."""
    value, gradient = rows.objective(model, loss, loss_hyper, np.zeros(1)).sums(params, n_gradient)
    return np.append(gradient, value)


@dataclass(frozen=True)
class Some:
    """Some rows of a part: X, targets, and weights with which they stand for all of it."""

    preparation: Preparation

    def __call__(self, part: Part, most: int) -> tuple | None:
        with naming(part.number):
            encoded = self.preparation.encoded(part)
            if encoded is None:
                return None
            X, targets, weight, subset = encoded
            data = self.preparation.scaled(X, targets, weight, subset)
            check_entries(data)
            return some_of(data, X, targets, most)


def some_of(data: Data, X: Any, y: np.ndarray, most: int) -> tuple:
    """Some rows of X and y, and weights with which they stand for all rows in use.

    None is without weight: among few rows these would leave too few others for the curvature.
    """
    data = weighing(data)
    rows = data.sample_rows(most)
    return X[rows], y[rows], data.weight_of(rows) * (data.n_rows / max(len(rows), 1))


def joined(parts: list[tuple]) -> tuple:
    """The rows of several parts one after the other; the weights are empty where they are all the same."""
    X, y, weight = zip(*(part for part in parts if part[2].any()), strict=True)
    rows: Any = sparse.vstack(X, format="csr") if sparse.issparse(X[0]) else np.concatenate(X)
    weights = np.concatenate(weight)
    return rows, np.concatenate(y), np.empty(0) if (weights == weights[0]).all() else weights


# -- what solvers see


class PartitionedObjective(MeanLoss):
    """Mean loss over all parts, with the ridge, as a function of the parameters: each evaluation is one pass."""

    def __init__(self, rows: "PartitionedRows", model: Any, loss: Loss, loss_hyper: np.ndarray, ridge: np.ndarray):
        super().__init__(ridge)
        self.rows, self.model, self.loss, self.loss_hyper = rows, model, loss, loss_hyper

    def sums(self, params: np.ndarray, n_gradient: int) -> tuple[float, np.ndarray]:
        of_loss = self.model, self.loss, self.loss_hyper
        total = self.rows.mean(loss_and_gradient, *of_loss, np.array(params), n_gradient)
        return float(total[-1]), total[:-1]


class PartitionedRows:
    """What :class:`Rows` is, of rows in parts; a sample of them is at hand."""

    in_memory = False

    def __init__(
        self,
        partitions: Partitions,
        preparation: Preparation,
        tally: Tally,
        digests: list[int],
        sample: Rows | None = None,
        n_threads: int = 1,
        lengths: Sequence[int] = (),
    ):
        self.lengths = np.array(lengths, np.int64)  # rows of each part, which those that train on them know
        self.partitions, self.preparation, self.tally, self.digests = partitions, preparation, tally, digests
        self.sample_rows, self.n_threads = sample, n_threads
        self.n_rows, self.n_entries = tally.n_rows, tally.n_entries
        self.most_at_hand = min(self.n_rows // 2, max(1, SAMPLE_ENTRIES * self.n_rows // self.n_entries))
        self.n_sampled = 0 if sample is None else sample.n_rows
        self.n_features = preparation.scaling[0].size

    @property
    def storage(self) -> Storage:
        return self._sample.storage

    @property
    def is_dense(self) -> bool:
        return self._sample.is_dense

    @property
    def _sample(self) -> Rows:
        assert self.sample_rows is not None  # of rows to look at there is none
        return self.sample_rows

    def total(self, work: Callable, *arguments: Any) -> Any:
        """The sum over the parts of work(rows, *arguments)."""
        return self.partitions.total(OnRows(work, self.preparation), *arguments)

    def mean(self, work: Callable, *arguments: Any) -> np.ndarray:
        """The weighted mean over the parts of work(rows, *arguments), itself a mean."""
        return self.partitions.total(Share(work, self.preparation, self.tally.weight), *arguments)

    def objective(self, model: Any, loss: Loss, loss_hyper: np.ndarray, ridge: np.ndarray) -> PartitionedObjective:
        """Mean loss over all rows, with the ridge, as a function of the parameters."""
        return PartitionedObjective(self, model, loss, loss_hyper, ridge)

    @property
    def weight_factor(self) -> float:
        """What brings the mean weight of the rows to one."""
        return self.tally.n_rows / self.tally.weight

    def arrived(self, data: Data | None, number: int) -> Data:
        """What :class:`Fetch` has given for a part, as kernels take it, whatever way it came here."""
        n_rows, expected = 0 if data is None else data.n_rows, int(self.lengths[number])
        if data is None or n_rows != expected:
            raise ValueError(
                f"partition {number} has {n_rows} rows in use now, and had {expected} in the first look: computed anew "
                "it must have the same rows"
            )
        center, inverse_scale, *of_targets = self.preparation.scaling
        features = data.features._replace(center=center, inverse_scale=inverse_scale)
        stored = ("X",) if isinstance(features, Features) else ("data", "indices", "indptr")
        features = features._replace(**{name: read_only(getattr(features, name)) for name in stored})
        return Data(features, *map(read_only, data[1:3]), *of_targets, *map(read_only, data[5:]))

    def some(self, most: int) -> Rows:
        """At most so many rows of the sample, always the same; one more pass where there are too few of them."""
        most = min(most, max(self.most_at_hand, self._sample.n_rows))
        if most > self.n_sampled:
            each = -(-most // self.partitions.n_partitions)
            parts = [part for part in self.partitions.map(Some(self.preparation), each) if part is not None]
            self.sample_rows, self.n_sampled = Rows(self.preparation.scaled(*joined(parts)), self.n_threads), most
        return self._sample.some(most)

    def mean_squares(self) -> np.ndarray | None:
        """Mean squares of the scaled columns of CSR; None for dense ones."""
        return None if self.is_dense else self.mean(Rows.mean_squares)

    def second_moments(self, trains_intercept: bool, n_targets: int = 0) -> np.ndarray | None:
        """Z'Z / n in one pass, Z with a column of ones at the end, and targets; None for CSR."""
        return self.mean(Rows.second_moments, trains_intercept, n_targets) if self.is_dense else None

    def column_shares(self) -> np.ndarray:
        """Share of the rows that have an entry in each column of CSR."""
        return self.mean(Rows.column_shares)

    @property
    def least_share(self) -> float:
        """The smallest weight of a row, made to sum to one."""
        return self.tally.least_weight / self.tally.weight

    def fingerprint(self) -> dict:
        """What tells the data from other ones."""
        return {
            "shape of X": [self.n_rows, self.n_features],
            "dtype of X": str(self.preparation.reading.dtype),
            "partitions": self.digests,
        }
