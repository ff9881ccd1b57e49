"""Newton's systems of weighted rows beside a diagonal, by a matrix of the columns or of the rows, the smaller one."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg.lapack import dpotrf, dpotrs

from .._compile.kernels import kernel
from .._kernels.constants import TINY
from .._kernels.structures import FLOAT64
from .._problem import sample
from .._problem.products import on_both_sides

SOLVED = 6  # times each system at most, with what is left: in the end weights are as far apart as digits
ROUNDING = 1e-14  # of what was left first: less has few digits,
SHRINKS = 0.5  # as has what shrinks no more than so
JITTERS = 1e-15, 1e-13, 1e-11, 1e-8  # of the diagonal, the first that makes a matrix definite: each costs slopes digits

INDEX = np.dtype(np.int32)  # of columns of CSR

Solve = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Systems:
    """Those of the same rows, an array or CSR, under one weight and diagonal after another."""

    def __init__(self, Z: np.ndarray | sparse.csr_array):
        self.Z = Z
        self.diagonal: np.ndarray | None = None  # of the products that are known
        self.products: np.ndarray | None = None

    def solver(self, weight: np.ndarray, diagonal: np.ndarray) -> Solve | None:
        """What solves diagonal x + Z's = b, s = weight (Z x - q) for x, s by b, q; None where no matrix is definite."""
        free = np.flatnonzero(diagonal == 0)
        if self.Z.shape[0] + free.size < self.Z.shape[1]:
            return self._by_rows(weight, diagonal, free)
        return self._by_columns(weight, diagonal)

    def _by_columns(self, weight, diagonal) -> Solve | None:
        """(Z' weight Z + diagonal) x = b + Z' weight q."""
        Z, matrix = self.Z, gram(self.Z, weight)
        factorised = _cholesky(matrix, np.diagonal(matrix) + diagonal)
        if factorised is None:
            return None

        def solve(b, q):
            x, s = np.zeros_like(b), -weight * q
            is_worth = _Refinement()
            while is_worth(left := b - s @ Z - diagonal * x):
                x += factorised(left)
                s = weight * (Z @ x - q)
            return x, s

        return solve

    def _by_rows(self, weight, diagonal, free) -> Solve | None:
        """(1 + R diagonal^-1 R') t = R diagonal^-1 b - root q, R = root Z, s = root t, root^2 = weight (Woodbury 1950).

        Columns without a diagonal, as that of the intercept is, border the matrix.
        """
        Z, root = self.Z, np.sqrt(weight)
        scale = np.zeros(len(diagonal))
        np.divide(1.0, diagonal, out=scale, where=diagonal > 0)
        R_free = root[:, None] * _dense(Z[:, free])
        matrix = root[:, None] * self._products_of_rows(diagonal, scale)
        matrix *= root
        factorised = _cholesky(matrix, np.diagonal(matrix) + 1.0)
        if factorised is None:
            return None
        of_free = factorised(R_free)
        border = R_free.T @ of_free
        factorised_border = _cholesky(border, np.diagonal(border).copy())
        if factorised_border is None:
            return None

        def solve(b, q):
            x, t, x_free = scale * b, np.zeros_like(q), np.zeros(free.size)
            is_worth = _Refinement()
            while is_worth(left := root * (Z @ x - q) - t):
                change = factorised(left)
                change_free = factorised_border(b[free] - (t + change) @ R_free)
                t += change + of_free @ change_free
                x_free += change_free
                x = scale * (b - (root * t) @ Z)
                x[free] = x_free
            return x, root * t

        return solve

    def _products_of_rows(self, diagonal: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Z scale Z', kept until the diagonal is another one: without an L1 penalty it stays."""
        if self.products is None or self.diagonal is None or (diagonal != self.diagonal).any():
            self.products = None  # whose memory is free for the next ones
            half = scaled_columns(self.Z, np.sqrt(scale))
            self.products, self.diagonal = _dense(half @ half.T), diagonal.copy()
        return self.products


class _Refinement:
    """Whether what is left of a system is worth a solution more."""

    def __init__(self):
        self.sizes: list[float] = []

    def __call__(self, left: np.ndarray) -> bool:
        size = float(np.abs(left).max())
        sizes, self.sizes = self.sizes, [*self.sizes, size]
        return not sizes or (len(sizes) < SOLVED and ROUNDING * sizes[0] < size < SHRINKS * sizes[-1])


def _cholesky(matrix: np.ndarray, diagonal: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """What solves by a matrix with this diagonal."""
    if not matrix.size:
        return lambda right: right
    for jitter in JITTERS:
        np.fill_diagonal(matrix, diagonal * (1 + jitter) + TINY)
        lower, failed = dpotrf(matrix, lower=1)
        if not failed:
            return lambda right: dpotrs(lower, right, lower=1)[0]
    return None


def gram(Z: Any, weight: np.ndarray) -> np.ndarray:
    """Z' diag(weight) Z; of CSR by the pairs of entries in each row."""
    if not sparse.issparse(Z):
        return sample.gram(Z, weight)
    n_columns = Z.shape[1]
    total = np.zeros((n_columns + 1, n_columns))  # with the sums of columns at the end
    entries = Z.data, Z.indices.astype(INDEX, copy=False), Z.indptr.astype(np.int64, copy=False)
    kernel("gram", FLOAT64, index=INDEX)(*entries, weight, total, 0, Z.shape[0])
    return on_both_sides(total[:-1])


def scaled_columns(Z: Any, scale: np.ndarray) -> Any:
    """Z diag(scale)."""
    if not sparse.issparse(Z):
        return Z * scale
    return sparse.csr_array((Z.data * scale[Z.indices], Z.indices, Z.indptr), shape=Z.shape)


def _dense(matrix: Any) -> np.ndarray:
    return matrix.toarray(order="F") if sparse.issparse(matrix) else matrix
