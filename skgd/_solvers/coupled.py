"""The curvature of outputs that depend on each other, too many for a matrix: its products with vectors are enough."""

import numpy as np

from .. import _parallel as threads
from .._problem.sample import Sample, gram
from .by_products import ByProducts
from .hessians import Blocks, Factor, Unshifted

LEAST_ROWS = 15  # for each parameter: in fewer the coupling has more noise than matrices without it leave out
ROWS_OF_PRODUCTS = 10  # for each parameter: these have its curvature to some ten per cent
ROWS_OF_MATRICES = 20  # for each column of a matrix


class Inverses(Blocks):
    """Matrices of outputs, inverted: products with all of them take one call, where there are many on end."""

    def __init__(self, factors: list[Factor]):
        super().__init__(factors)
        self.inverses = np.array([factor.solve(np.eye(len(factor.matrix))) for factor in factors])

    def solve(self, gradient):
        return (self.inverses @ self._split(gradient)[:, :, None]).ravel()

    def penalised(self, ridge):
        return Inverses(super().penalised(ridge).factors)


def coupled_outputs(sample: Sample, params: np.ndarray, ridge: np.ndarray) -> ByProducts:
    """The curvature of a sample, by those of its rows that have most of it, preconditioned by a matrix for each output.

    What such matrices leave out is as large as what they hold where rows are nearly certain of their classes: there
    two of these share nearly all of a row's probability, and only the difference of their raw predictions is curved.
    """
    n_outputs, total = sample.n_outputs, float(sample.weight.sum())
    n_columns = sample.Z.shape[1]
    rows, share = representative(sample, sample.shares(params), ROWS_OF_PRODUCTS * params.size)
    few, of_few = representative(rows, share, ROWS_OF_MATRICES * n_columns)
    second = (of_few * (1.0 - of_few)) * (few.weight / total)[:, None]
    matrices = threads.run(lambda of_output: gram(few.Z, of_output), [*second.T], sample.n_threads)
    factors = [Factor(*each) for each in zip(matrices, ridge.reshape(n_outputs, -1), strict=True)]
    independent = Unshifted(Inverses(factors), ridge, n_outputs)
    return ByProducts(rows.coupled_products(share, total), ridge, independent)


def representative(sample: Sample, share: np.ndarray, most: int) -> tuple[Sample, np.ndarray]:
    """About so many rows of a sample that have the curvature of all of them, and their shares of outputs.

    A row is taken the more surely the more it weighs there, and weighs the more the less surely. Rows that are certain
    of their classes, nearly all in the end if classes can be separated, are left out.
    """
    if most >= len(sample.Z):
        return sample, share
    size = sample.weight * (1.0 - np.einsum("ik,ik->i", share, share)) * np.einsum("ij,ij->i", sample.Z, sample.Z)
    drawn, rows = sample.drawn(np.maximum(size, 0.0), most)
    return rows, share[drawn]
