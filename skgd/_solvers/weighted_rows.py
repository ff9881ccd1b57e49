"""Newton's systems of weighted rows beside a diagonal, by a matrix of the columns or of the rows, the smaller one."""

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from .._kernels.constants import TINY
from .._problem.sample import gram

SOLVED = 6  # times each system at most, with what is left: in the end weights are as far apart as digits
ROUNDING = 1e-14  # of what was left first: less has few digits,
SHRINKS = 0.5  # as has what shrinks no more than so
JITTERS = 1e-15, 1e-13, 1e-11, 1e-8  # of the diagonal, the first that makes a matrix definite: each costs slopes digits

Solve = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def solver(Z: np.ndarray, weight: np.ndarray, diagonal: np.ndarray) -> Solve | None:
    """What solves diagonal x + Z's = b, s = weight (Z x - q) for x, s by b, q; None where no matrix is definite."""
    free = np.flatnonzero(diagonal == 0)
    if len(Z) + free.size < Z.shape[1]:
        return _by_rows(Z, weight, diagonal, free)
    return _by_columns(Z, weight, diagonal)


def _by_columns(Z, weight, diagonal) -> Solve | None:
    """(Z' weight Z + diagonal) x = b + Z' weight q."""
    matrix = gram(Z, weight)
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


def _by_rows(Z, weight, diagonal, free) -> Solve | None:
    """(1 + R diagonal^-1 R') t = R diagonal^-1 b - root q, R = root Z, s = root t, root^2 = weight (Woodbury 1950).

    Columns without a diagonal, as that of the intercept is, border the matrix.
    """
    root = np.sqrt(weight)
    scale = np.zeros(len(diagonal))
    np.divide(1.0, diagonal, out=scale, where=diagonal > 0)
    half = root[:, None] * Z
    R_free = half[:, free]
    half *= np.sqrt(scale)
    matrix = half @ half.T
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
