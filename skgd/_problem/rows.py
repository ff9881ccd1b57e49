"""Rows in memory: where the number of rows, sums over them and samples come from."""

from typing import Any

import numpy as np

from .._compile.kernels import PlugIn, kernel
from .._kernels.structures import Data, Features
from ..losses import Loss
from .features import dense_rows, rows_apart, scaled_rows
from .objective import Objective
from .products import KnownMoments, Products, sums_of_products, sums_of_sparse_products
from .sample import Sample
from .scaling import mean_squares, total_weight


class Rows:
    """All that solvers ask of rows as a whole.

    Rows that lie in parts elsewhere have another class with these methods, `PartitionedRows`: solvers don't know where
    their sums come from. Only epochs of mini-batches work on `data` itself.
    """

    in_memory = True

    def __init__(self, data: Data, n_threads: int, products: Products | KnownMoments | None = None):
        self.data, self.n_threads, self.products = data, n_threads, products
        self.n_rows = self.n_sampled = self.most_at_hand = data.n_rows
        self.n_features = data.features.center.size
        self.storage = data.features.storage
        self.is_dense = isinstance(data.features, Features)

    @property
    def n_entries(self) -> int:
        """Stored entries of all rows, roughly."""
        return self.n_rows * self.data.row_entries

    def objective(self, model: Any, loss: Loss, loss_hyper: np.ndarray, ridge: np.ndarray) -> Objective:
        """Mean loss over all rows, with the ridge, as a function of the parameters."""
        return Objective(self.data, model, loss, loss_hyper, ridge, self.n_threads)

    def some(self, most: int) -> "Rows":
        """At most so many of the rows, in memory, always the same."""
        if most >= self.n_rows:
            return self
        return Rows(rows_apart(self.data, self.data.sample_rows(most)), self.n_threads)

    # -- of rows that are few enough

    def numbers(self, part: slice) -> np.ndarray | slice:
        """Numbers of some of them in X."""
        start, stop, _ = part.indices(self.n_rows)
        return self.data.subset[part] if self.data.subset.size else slice(start, stop)

    def sample(self, model: Any, loss: Loss, plug_in: PlugIn, part: slice = slice(None)) -> Sample:
        """The rows, or a part of them, standardised in an array: one thread does a part, several all rows."""
        n_threads = self.n_threads if part == slice(None) else 1
        return Sample(self.data, self.numbers(part), model, loss, plug_in, n_threads)

    def scaled(self) -> Any:
        """The rows as models see them, in CSR where the data are."""
        return scaled_rows(self.data.features, self.numbers(slice(None)))

    def fill(self, columns: np.ndarray) -> None:
        """Fill an array (n_rows, n_features) with them."""
        dense_rows(self.data.features, self.numbers(slice(None)), columns)

    @property
    def targets(self) -> np.ndarray:
        """Scaled targets."""
        return self.data.targets_of(self.numbers(slice(None)))

    @property
    def weight(self) -> np.ndarray:
        """Weights, ones where all rows count the same."""
        return self.data.weight_of(self.numbers(slice(None)))

    @property
    def shares(self) -> np.ndarray:
        """Weights, made to sum to one."""
        return self.data.shares_of(self.numbers(slice(None)))

    @property
    def least_share(self) -> float:
        """The smallest of the shares."""
        return float(self.shares.min())

    # -- sums over all rows

    def column_shares(self) -> np.ndarray:
        """Share of the rows that have an entry in each column of CSR."""
        features, d = self.data.features, self.n_features
        largest, count = np.zeros(d), np.zeros(d, np.int64)
        count_entries = kernel("largest_entries", features.storage.dtype, index=features.storage.index_dtype)
        count_entries(features, self.data.weight, self.data.subset, largest, count, 0, self.n_rows)
        return count / self.n_rows

    def mean_squares(self) -> np.ndarray | None:
        """Mean squares of the scaled columns of CSR; None for dense ones, of which a sample tells enough."""
        return None if self.is_dense else mean_squares(self.data.features, self.n_threads)  # type: ignore[arg-type]

    def second_moments(self, trains_intercept: bool, n_targets: int = 0) -> np.ndarray | None:
        """Z'Z / n in one pass, Z with a column of ones at the end; with targets: Z has these as further columns.

        Products of targets with each other, but for squares, mean nothing.
        """
        found = self.products
        if found is not None:
            moments = found.second_moments(self.data, n_targets)
        elif self.is_dense:
            moments = sums_of_products(self.data, n_targets, self.n_threads)[0] / total_weight(self.data)
        else:
            moments = sums_of_sparse_products(self.data, n_targets, self.n_threads) / total_weight(self.data)
        d = self.n_features
        if not trains_intercept:
            moments[d], moments[:, d] = 0.0, 0.0
        return moments
