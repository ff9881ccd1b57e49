"""Rows of the matrix of columns' covariances: all of them, or those that are asked for."""

from typing import TypeGuard

import numpy as np

from .._problem.columns import ROOM, DenseColumns
from .._problem.partitioned import PartitionedRows
from .._problem.rows import Rows
from .working_sets import OVERFLOWS, SET_FACTOR

FEW_ROWS = 0.5  # for each column: most entries of the matrix, and eigenvectors of it, cost more than they tell


class AllRows:
    """A matrix that is known."""

    def __init__(self, matrix: np.ndarray):
        self.rows, self.places = matrix, np.arange(len(matrix))

    def learn(self, numbers: np.ndarray, slope: np.ndarray) -> bool:
        """Know the rows of these numbers; whether one wasn't known."""
        return False


class FewRows:
    """The covariances of the columns of few rows, as their products are asked for: most columns never matter."""

    def __init__(self, rows: Rows, centred: bool):
        self.factor, mean = DenseColumns(rows, centred).factor(rows.shares)  # times its transpose it is the matrix
        self.mean = mean if centred else np.zeros_like(mean)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("ij,ij->i", self.factor, self.factor)
        if not np.isfinite(squares).all():
            raise ValueError(OVERFLOWS)
        self.rows, self.places, self.n_known = np.empty((0, mean.size)), np.full(mean.size, -1), 0

    def learn(self, numbers: np.ndarray, slope: np.ndarray) -> bool:
        """Know the rows of these numbers, of many those with the largest slopes; whether one wasn't known."""
        numbers, n = numbers[self.places[numbers] < 0], self.n_known
        most = n + int(SET_FACTOR * np.sqrt(self.places.size))
        if numbers.size > most:
            numbers = numbers[np.argpartition(-np.abs(slope[numbers]), most - 1)[:most]]
        self.n_known += numbers.size
        if self.n_known > len(self.rows):
            rows = np.empty((min(int(ROOM * self.n_known), self.places.size), self.places.size))
            rows[:n] = self.rows[:n]
            self.rows = rows
        np.matmul(self.factor[numbers], self.factor.T, out=self.rows[n : self.n_known])
        self.places[numbers] = np.arange(n, self.n_known)
        return numbers.size > 0


def are_few(rows: Rows | PartitionedRows) -> TypeGuard[Rows]:
    """Whether there are few dense rows beside the columns."""
    return isinstance(rows, Rows) and rows.is_dense and rows.n_rows <= FEW_ROWS * rows.n_features
