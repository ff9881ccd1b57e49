"""Some of the rows, or sums over all where these cost less: what a linear model's curvature is learnt from."""

import copy
import functools
from collections.abc import Callable

import numpy as np

from .. import _parallel as threads
from .._kernels.structures import FLOAT64
from .._problem.columns import PRODUCTS_PER_ENTRY
from .._problem.model import LinearModel
from .._problem.objective import pointwise
from .._problem.partitioned import PartitionedRows
from .._problem.products import MOST_COLUMNS, entries_of_rows
from .._problem.rows import Rows
from .._problem.sample import PART_ENTRIES, ROWS_PER_PARAMETER, SAMPLE_ENTRIES, Sample, gram, second_derivatives
from ..losses import Loss

PASSES_SAVED = 6  # of a quadratic loss by the curvature of all rows: that of some leads there in seven or so
COLUMNS_PER_TARGET = 100  # up to which the passes that products of all rows save cost more than these
PRODUCTS_PER_PAIR = 128  # of matrices in the time that one takes for a pair of CSR's entries, where they stand


class SubSample:
    """Some of the rows, more on demand, and sums over them."""

    def __init__(self, rows: Rows | PartitionedRows, model: LinearModel, loss: Loss, size: int):
        self.rows, self.model, self.loss, self.size = rows, model, loss, size
        self.pointwise = pointwise(loss, FLOAT64)
        # Of so few rows those where the loss is straight say nothing of most columns: steps promise too much. Bounds of
        # the curvature promise too little, near the optimum: where steps are slow, the next ones take the other
        self.has_few_rows = rows.n_rows < ROWS_PER_PARAMETER * (model.n_features + 1)
        self.bounded = self.has_few_rows
        self._sample: Sample | None = None

    @property
    def is_all(self) -> bool:
        return self.rows.in_memory and self.size == self.rows.n_rows

    @functools.cached_property
    def n_pairs(self) -> float:
        """Pairs of entries that stand in one row of CSR, of all rows, whose products Z'Z is made of."""
        lengths = entries_of_rows(self.rows.data).astype(FLOAT64)  # type: ignore[union-attr]
        return float(lengths @ (lengths + 1.0)) / 2

    @property
    def sample(self) -> Sample:
        """The rows in an array, which is kept."""
        if self._sample is None:
            self._sample = self._in_array(self.rows.some(self.size))
        return self._sample

    def turn(self) -> None:
        """Take the curvature for bounds of it, or these for it, from the next model on."""
        self.bound(self.has_few_rows and not self.bounded)

    def bound(self, bounded: bool) -> None:
        """Take bounds of the curvature, or not."""
        self.bounded = bounded
        if self._sample is not None:
            self._sample.bounded = bounded

    def resize(self, size: int) -> None:
        """Take so many rows from now on."""
        if size != self.size:
            self.size, self._sample = size, None

    def among(self, numbers: np.ndarray) -> "SubSample":
        """Some of these rows."""
        some = copy.copy(self)
        some.size, some._sample = len(numbers), self.sample.part(numbers)  # type: ignore[arg-type]
        return some

    def mean(self, function: Callable[[Sample], np.ndarray], row_cost: int, n_numbers: int) -> np.ndarray:
        """Weighted mean over the rows of what function(sample), an array of so many numbers, sums."""
        if self._sample is not None or self.size * (self.model.n_features + 1) <= SAMPLE_ENTRIES:
            sample = self.sample  # made here, not by several threads at once
            weight = sample.weight

            def of_part(part):
                return function(sample.part(slice(*part)))

        else:
            rows = self.rows.some(self.size)
            weight = rows.weight

            def of_part(part):
                return function(self._in_array(rows, slice(*part)))

        of_parts = threads.run_over_rows(of_part, self.size, row_cost, n_numbers, self.rows.n_threads, PART_ENTRIES)
        return sum(of_parts) / weight.sum()

    def weighted_derivatives(self, rows: Rows, hyper: np.ndarray, bounded: bool, raw: np.ndarray) -> np.ndarray:
        """Second derivatives of the losses of some rows, or bounds of them, times their shares."""
        of = self.loss, self.pointwise, raw, rows.targets, rows.weight, hyper
        return second_derivatives(*of, exact=True, bounded=bounded) * rows.shares[:, None]

    def _in_array(self, rows: Rows, part: slice = slice(None)) -> Sample:
        sample = rows.sample(self.model, self.loss, self.pointwise, part)
        sample.bounded = self.bounded
        return sample


def takes_one_pass(some: SubSample) -> bool:
    """Whether second moments of all rows cost less than those of some in an array, and passes that these ask for."""
    rows, n_columns, n_outputs, size = some.rows, some.model.n_features + 1, some.model.n_outputs, some.size
    if rows.is_dense:
        return n_columns <= MOST_COLUMNS
    if not isinstance(rows, Rows):
        return False
    passes = PASSES_SAVED * n_outputs * rows.n_entries if size < rows.n_rows else 0
    return some.n_pairs <= size * n_columns * (1 + n_columns / PRODUCTS_PER_PAIR) + passes


def saves_passes(some: SubSample) -> bool:
    """Whether products of all dense rows cost less than passes for several targets, which are products, too."""
    rows, n_outputs = some.rows, some.model.n_outputs
    if not (rows.is_dense and rows.in_memory) or n_outputs == 1:
        return False
    return some.is_all or some.model.n_features <= COLUMNS_PER_TARGET * n_outputs


def second_moments(some: SubSample, n_targets: int = 0) -> np.ndarray:
    """Z'Z / n of some rows, or of all where one pass takes them, Z with a column of ones, then targets, at the end."""
    if takes_one_pass(some):
        found = some.rows.second_moments(some.model.trains_intercept, n_targets)
        if found is not None:
            return found
    p = some.model.n_features + 1 + n_targets
    return some.mean(_gram_with_targets if n_targets else _plain_gram, max(p, p**2 // PRODUCTS_PER_ENTRY), p**2)


def _plain_gram(sample: Sample) -> np.ndarray:
    return gram(sample.Z, sample.weight)


def _gram_with_targets(sample: Sample) -> np.ndarray:
    Z, Y, weight = sample.Z, sample.targets, sample.weight[:, None]
    p, found = Z.shape[1], np.zeros((Z.shape[1] + Y.shape[1],) * 2)
    found[:p, :p], found[p:, :p] = gram(Z, sample.weight), (weight * Y).T @ Z
    found[:p, p:] = found[p:, :p].T
    np.fill_diagonal(found[p:, p:], (weight * Y**2).sum(axis=0))
    return found
