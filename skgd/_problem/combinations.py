"""Combinations of the rows of CSR, and the products of all rows with them."""

import functools
from collections.abc import Callable, Iterator

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import kernel
from .features import left_to_center
from .rows import Rows


class Combinations:
    """Vectors Z'v, by one factor of each row for each output.

    Z are the rows as models see them, less their mean where an intercept follows. Factors and products are
    (n_outputs, n_rows), combinations (n_outputs, n_features).
    """

    def __init__(self, rows: Rows, centred: bool):
        self.rows, self.centred, self.shares = rows, centred, rows.shares
        data, storage = rows.data, rows.storage
        self.unit = data.features.inverse_scale if (data.features.inverse_scale != 1.0).any() else None
        self.center = left_to_center(data.features)
        self.parts = threads.parts(rows.n_rows, data.row_entries, rows.n_features, 1)
        of_kernels = functools.partial(kernel, dtype=storage.dtype, index=storage.index_dtype)
        self._combine, self._multiply = of_kernels("combine_rows"), of_kernels("row_products")

    def centre(self, of_rows: np.ndarray, in_place: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the rows less the mean of each output, and these; or as they are, and zeros."""
        means = of_rows @ self.shares if self.centred else np.zeros(len(of_rows))
        found = of_rows if in_place else np.array(of_rows, order="C")
        if self.centred:
            found -= means[:, None]
        return found, means

    def of(self, factors: np.ndarray) -> np.ndarray:
        """Z'v."""
        rows, n_features = self.rows, self.rows.n_features
        if self.centred:
            factors = factors - factors.sum(axis=1)[:, None] * self.shares

        def combine(part):
            of_part = np.zeros((len(factors), n_features))
            for of_output, total in zip(factors, of_part, strict=True):
                self._combine(rows.data.features, rows.data.subset, of_output, total, *part)
            return of_part

        found, *others = self._over_parts(combine)
        for of_part in others:
            found += of_part
        if self.unit is not None:
            found *= self.unit
        return found

    def products(self, combinations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Products of the rows with them, centred, and their means."""
        rows, coefs = self.rows, combinations if self.unit is None else combinations * self.unit
        found = np.empty((len(coefs), rows.n_rows))

        def multiply(part):
            for coef, of_output in zip(coefs, found, strict=True):
                self._multiply(rows.data.features, rows.data.subset, coef, of_output, *part)

        for _ in self._over_parts(multiply):
            pass
        return self.centre(found, in_place=True)

    def _over_parts(self, work: Callable) -> Iterator:
        return map(work, self.parts) if len(self.parts) == 1 else threads.run(work, self.parts, self.rows.n_threads)
