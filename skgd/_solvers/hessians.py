"""Models of a Hessian: matrices, a matrix of low rank, a diagonal."""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from .. import _parallel as threads
from .._kernels.constants import RIDGE, TINY
from .quasi_newton import CurvatureModel
from .working_sets import OVERFLOWS, least_with_l1


class Factor:
    """A symmetric positive definite matrix plus diag(ridge), factorised (Cholesky).

    A share of each entry of the diagonal stands in for a ridge that is smaller. It is that entry's own share: columns
    may have any scale, and where rows are certain of their classes there is little curvature left.
    """

    def __init__(self, matrix: np.ndarray, ridge: np.ndarray):
        if not np.isfinite(matrix).all():
            raise ValueError(OVERFLOWS)
        self.matrix = matrix
        diagonal = np.diagonal(matrix).copy()
        jitter = RIDGE * np.maximum(np.where(diagonal > 0, diagonal, diagonal.mean()), TINY)
        while True:
            np.fill_diagonal(matrix, diagonal + np.maximum(ridge, jitter))
            self.lower, failed = dpotrf(matrix, lower=1)
            if not failed:
                return
            jitter *= 100

    def solve(self, vector: np.ndarray) -> np.ndarray:
        return dpotrs(self.lower, vector, lower=1)[0]


class Blocks:
    """One matrix for each output; or one for all outputs, if there is a single one of the size of all."""

    rough = False

    def __init__(self, factors: list[Factor]):
        self.factors = factors

    def _split(self, vector):
        return vector.reshape(len(self.factors), -1)

    def solve(self, gradient):
        if len(self.factors) == 1:
            return self.factors[0].solve(gradient)
        parts = zip(self.factors, self._split(gradient), strict=True)
        return np.concatenate([factor.solve(part) for factor, part in parts])

    def proximal_step(self, params, gradient, l1):
        parts = map(self._split, (params, gradient, l1))
        return np.concatenate(
            [least_with_l1(factor.matrix, *of_block) for factor, *of_block in zip(self.factors, *parts, strict=True)]
        )


class Coupled(Blocks):
    """One matrix for all outputs, whose loss stays the same if all raw predictions are shifted alike."""

    def __init__(self, factor: Factor, n_outputs: int):
        super().__init__([factor])
        self.n_outputs = n_outputs

    def solve(self, gradient):
        step = super().solve(gradient)
        of_intercepts = step.reshape(self.n_outputs, -1)[:, -1]
        of_intercepts -= of_intercepts.mean()  # along which the curvature is nothing but rounding
        return step


class Unshifted:
    """A model that has no part in what all outputs share, where a loss stays the same if all of them are shifted alike.

    Nothing but the ridge curves these directions. A model that takes outputs for independent mixes them with others,
    which are a thousand times as curved.
    """

    def __init__(self, model: CurvatureModel, ridge: np.ndarray, n_outputs: int):
        self.model, self.rough, self.n_outputs = model, model.rough, n_outputs
        self.ridge = ridge.reshape(n_outputs, -1).mean(axis=0)

    def solve(self, vector):
        shared = vector.reshape(self.n_outputs, -1).mean(axis=0)
        step = self.model.solve((vector.reshape(self.n_outputs, -1) - shared).ravel()).reshape(self.n_outputs, -1)
        step += np.where(self.ridge > RIDGE, shared / np.maximum(self.ridge, RIDGE), 0.0) - step.mean(axis=0)
        return step.ravel()

    def proximal_step(self, params, gradient, l1):
        return None


class LowRank:
    """diag(ridge) + Z' diag(weight) Z with few rows Z (Woodbury): for more columns than rows.

    The ridge is one number for all columns but the last, the intercept's: Z is multiplied by itself as it is then. A
    share of the typical entry of the other matrix' diagonal stands in for one that is smaller.
    """

    rough = False

    def __init__(self, ridge: np.ndarray, Z: np.ndarray, weight: np.ndarray, n_threads: int):
        self.Z, self.root = Z, np.sqrt(weight)
        n, d = len(Z), Z.shape[1] - 1

        def products(part):
            columns = Z[:, slice(*part)]
            return columns @ columns.T

        root = np.outer(self.root, self.root)
        of_features = sum(threads.run_over_rows(products, d, n, n * n, n_threads)) * root
        of_intercept = np.outer(Z[:, d], Z[:, d]) * root
        typical = (np.trace(of_features) + np.trace(of_intercept)) / Z.shape[1] + ridge.mean()
        self.base = np.maximum(ridge, RIDGE * max(typical, TINY))
        self.inner = Factor(of_features / self.base[0] + of_intercept / self.base[d], np.ones(n))

    def solve(self, vector):
        scaled = vector / self.base
        return scaled - ((self.root * self.inner.solve(self.root * (self.Z @ scaled))) @ self.Z) / self.base

    def proximal_step(self, params, gradient, l1):
        return None


class Diagonal:
    """A diagonal matrix but for the parameters that weigh most: among these all is known, a matrix for each output."""

    rough = True

    def __init__(self, diagonal: np.ndarray, leading: np.ndarray, factors: list[Factor]):
        self.diagonal, self.leading, self.block = diagonal, leading, Blocks(factors)

    def solve(self, vector):
        step = vector / self.diagonal
        step[self.leading] = self.block.solve(vector[self.leading])
        return step

    def proximal_step(self, params, gradient, l1):
        return None
