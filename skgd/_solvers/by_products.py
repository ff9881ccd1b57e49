"""A Hessian known by its products with vectors, whose inverse conjugate gradients apply; that of rows of CSR."""

import copy
import functools
from collections.abc import Callable
from typing import Protocol

import numpy as np

from .._kernels.constants import TINY
from .._problem.combinations import Combinations
from .._problem.features import left_to_center, squared
from .._problem.rows import Rows

PRECISION = 0.1  # of a step, in the norm of its preconditioner: the next ones tell the rest
ROUGH = 0.4  # where the next steps have curvatures of their own
MOST_PRODUCTS = 50  # for it: what they have found until then is a step, too, but others are found with less work

Products = Callable[[np.ndarray], np.ndarray]


class Preconditioner(Protocol):
    """What a Hessian is much like, and easily inverted."""

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """Its inverse times a vector."""

    def penalised(self, ridge: np.ndarray) -> "Preconditioner":
        """The same with another ridge."""


class ByProducts:
    """A Hessian whose inverse conjugate gradients apply."""

    rough = False

    def __init__(
        self,
        products: Products,
        ridge: np.ndarray,
        preconditioner: Preconditioner,
        precision: float | None = None,
        most: int | None = None,
    ):
        self.products, self.ridge, self.preconditioner = products, ridge, preconditioner
        self.precision, self.most = precision or PRECISION, most or MOST_PRODUCTS
        self.falls_short = False  # whether the last step was less than good enough

    def finer(self) -> "ByProducts":
        """The same where a step is the last one: promises of rough ones are too small to end by."""
        return ByProducts(self.products, self.ridge, self.preconditioner)

    def solve(self, vector: np.ndarray) -> np.ndarray:
        """Conjugate gradients, to a step that is good enough, or to where the curvature is nothing but rounding."""
        step, rest = np.zeros_like(vector), vector.copy()
        direction = ahead = self.preconditioner.solve(rest)
        left = first = float(rest @ ahead)
        for _ in range(self.most):
            if not left > self.precision**2 * first:
                break
            product = self.products(direction) + self.ridge * direction
            curvature = float(direction @ product)
            if not curvature > TINY:
                break
            step += left / curvature * direction
            rest -= left / curvature * product
            ahead = self.preconditioner.solve(rest)
            before, left = left, float(rest @ ahead)
            direction = ahead + left / before * direction
        else:
            self.falls_short = True
        return step if step.any() else ahead

    def penalised(self, ridge: np.ndarray) -> "ByProducts":
        other = copy.copy(self)
        other.ridge, other.preconditioner = ridge, self.preconditioner.penalised(ridge)
        return other

    def proximal_step(self, params, gradient, l1):
        return None


class OfColumns:
    """The diagonal of a Hessian, and a ridge."""

    def __init__(self, curvature: np.ndarray, ridge: np.ndarray):
        self.curvature, self.inverse = curvature, 1.0 / np.maximum(curvature + ridge, TINY)

    def solve(self, gradient):
        return self.inverse * gradient

    def penalised(self, ridge):
        return OfColumns(self.curvature, ridge)


class SparseHessian:
    """Z'DZ of all rows of CSR, Z with a column of ones at the end: nothing is made of the entries but their squares."""

    def __init__(self, rows: Rows, trains_intercept: bool):
        self.rows, self.trains_intercept = Combinations(rows, centred=False), trains_intercept
        self.center = left_to_center(rows.data.features)
        self.squares = squared(rows.scaled()).T

    def raw(self, params: np.ndarray) -> np.ndarray:
        """Z params."""
        raw = self.rows.products(params[None, :-1])[0][0]
        return raw + (self.trains_intercept * params[-1] - self.center @ params[:-1])

    def of(self, factors: np.ndarray) -> np.ndarray:
        """Z'factors."""
        total = factors.sum()
        return np.append(self.rows.of(factors[None])[0] - self.center * total, self.trains_intercept * total)

    def at(self, curvature: np.ndarray, ridge: np.ndarray) -> ByProducts:
        """With D, the curvatures of the rows' losses times their shares."""
        total, diagonal = curvature.sum(), self.squares @ curvature
        if self.center.any():
            diagonal -= self.center * (2 * self.rows.of(curvature[None])[0] - self.center * total)
        diagonal = np.append(np.maximum(diagonal, 0.0), self.trains_intercept * total)
        products = functools.partial(self._products, curvature)
        return ByProducts(products, ridge, OfColumns(diagonal, ridge), ROUGH)

    def _products(self, curvature, vector):
        return self.of(curvature * self.raw(vector))
