"""Models of a Hessian: matrices, a matrix of low rank, a diagonal."""

import copy

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from .._kernels.constants import EPS, RIDGE, TINY
from .._problem.sample import Sample
from .quasi_newton import CurvatureModel
from .working_sets import OVERFLOWS, least_with_l1


class Factor:
    """A symmetric positive definite matrix plus diag(ridge), factorised (Cholesky).

    A share of each entry of the diagonal stands in for a ridge that is smaller. It is that entry's own share: columns
    may have any scale, and where rows are certain of their classes there is little curvature left.
    """

    def __init__(self, matrix: np.ndarray, ridge: np.ndarray, share: float = RIDGE):
        if not np.isfinite(matrix).all():
            raise ValueError(OVERFLOWS)
        self.matrix, self.diagonal, self.share = matrix, np.diagonal(matrix).copy(), share
        self._factorise(ridge)

    def _factorise(self, ridge):
        diagonal, positive = self.diagonal, self.diagonal > 0
        own = diagonal if positive.all() else np.where(positive, diagonal, diagonal.mean())
        jitter = self.share * np.maximum(own, TINY)
        while True:
            np.fill_diagonal(self.matrix, diagonal + np.maximum(ridge, jitter))
            self.lower, failed = dpotrf(self.matrix.T, lower=1, clean=0)  # symmetric, and copied faster that way
            if not failed:
                return
            jitter *= 100

    def solve(self, vector: np.ndarray) -> np.ndarray:
        return dpotrs(self.lower, vector, lower=1)[0]

    def penalised(self, ridge: np.ndarray) -> "Factor":
        """The same matrix plus another ridge."""
        other = copy.copy(self)
        other.matrix = self.matrix.copy()
        other._factorise(ridge)
        return other


class Blocks:
    """One matrix for each output; or one for all outputs, if there is a single one of the size of all."""

    rough = False

    def __init__(self, factors: list[Factor]):
        self.factors, self.shared = factors, len(set(factors)) == 1

    def _split(self, vector):
        return vector.reshape(len(self.factors), -1)

    def solve(self, gradient):
        if self.shared:
            return self.factors[0].solve(self._split(gradient).T).T.ravel()
        parts = zip(self.factors, self._split(gradient), strict=True)
        return np.concatenate([factor.solve(part) for factor, part in parts])

    def penalised(self, ridge):
        ridges = dict(zip(self.factors, self._split(ridge), strict=True))  # one may stand for several outputs
        anew = {factor: factor.penalised(of_block) for factor, of_block in ridges.items()}
        other = copy.copy(self)
        other.factors = [anew[factor] for factor in self.factors]
        return other

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

    def penalised(self, ridge):
        return Unshifted(self.model.penalised(ridge), ridge, self.n_outputs)

    def proximal_step(self, params, gradient, l1):
        return None


class LowRank:
    """diag(ridge) + Z' diag(weight) Z with few rows Z (Woodbury), for each output: for more columns than rows.

    The ridge is one number for all columns but the last, the intercept's: the products of the rows without that column
    serve all outputs, weights and ridges. A share of the typical entry of the other matrix' diagonal stands in for one
    that is smaller. The unit in the matrix that is left is no ridge, and nothing but rounding stands in for it: a
    multiple of it would make steps along the rows as many times as long. Weights that all outputs share are given
    once, and so is the matrix made.
    """

    rough = False

    def __init__(self, ridge: np.ndarray, Z: np.ndarray, products: np.ndarray, weight: np.ndarray):
        self.Z, self.products, self.roots = Z, products, np.sqrt(np.atleast_2d(weight))
        self._factorise(ridge)

    def _factorise(self, ridge):
        self.base, self.inner = ridge.reshape(-1, self.Z.shape[1])[: len(self.roots)].copy(), []
        for root, base in zip(self.roots, self.base, strict=True):
            of_intercept = self.Z[:, -1] * root
            trace = self.products.diagonal() @ root**2 + of_intercept @ of_intercept
            np.maximum(base, RIDGE * max(trace / self.Z.shape[1] + base.mean(), TINY), out=base)
            of_features, of_intercept = root / np.sqrt(base[0]), of_intercept / np.sqrt(base[-1])
            matrix = self.products * of_features
            matrix *= of_features[:, None]
            matrix += np.outer(of_intercept, of_intercept)
            self.inner.append(Factor(matrix, np.ones(len(matrix)), EPS))

    def solve(self, vector):
        scaled = vector.reshape(-1, self.Z.shape[1]) / self.base
        along = self.roots * (scaled @ self.Z.T)
        for of_outputs, inner in zip(np.split(along, len(self.inner)), self.inner, strict=True):
            of_outputs[:] = inner.solve(of_outputs.T).T
        return (scaled - ((self.roots * along) @ self.Z) / self.base).ravel()

    def penalised(self, ridge):
        other = copy.copy(self)
        other._factorise(ridge)
        return other

    def proximal_step(self, params, gradient, l1):
        return None


def low_rank(sample: Sample, ridge: np.ndarray, params: np.ndarray, hyper: np.ndarray) -> LowRank:
    """The model of few rows beside many columns."""
    second = sample.second_derivatives(params, hyper).T
    if (second == second[0]).all():  # of squared error, or where fits begin: one matrix serves all outputs
        second = second[:1]
    return LowRank(ridge, sample.Z, sample.products, second * (sample.weight / sample.weight.sum()))


class Diagonal:
    """A diagonal matrix but for the parameters that weigh most: among these all is known, a matrix for each output."""

    rough = True

    def __init__(self, curvature: np.ndarray, ridge: np.ndarray, leading: np.ndarray, block: Blocks):
        self.curvature, self.leading, self.block = curvature, leading, block
        diagonal = curvature + ridge
        self.diagonal = np.maximum(diagonal, RIDGE * max(diagonal.mean(), TINY))

    def solve(self, vector):
        step = vector / self.diagonal
        step[self.leading] = self.block.solve(vector[self.leading])
        return step

    def penalised(self, ridge):
        return Diagonal(self.curvature, ridge, self.leading, self.block.penalised(ridge[self.leading]))

    def proximal_step(self, params, gradient, l1):
        return None
