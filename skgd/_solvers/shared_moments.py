"""Moments of all rows but a few, by those of these few: what the folds of a cross-validation have in common."""

from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from .._kernels.constants import LOST_SHARE
from .._kernels.structures import Features
from .._problem.features import row_numbers
from .._problem.problem import Problem
from .._problem.products import rescaled
from .._problem.rows import Rows
from .._problem.scaling import Moments, Scaling, keeps_digits
from .covariances import Covariances, moments_of
from .matrix_rows import are_few

MOST_LEFT_OUT = 0.25  # of all rows: of more it costs as much to look at the others
MOST_KEPT = 2**24  # entries of the moments of parts: 128 MB
MANY_ROWS = 500  # fewer make a matrix as fast as two of them make another
LEAST_LEFT = 1e-6  # of the squares that residuals are summed from: then their sum has ten digits


class Others(NamedTuple):
    """What is known of all rows but a few."""

    second_moments: np.ndarray  # in a scaling
    scaling: Scaling  # of all rows
    moments: tuple | None  # of columns and targets as they are; None where rows must tell
    weight: float
    left_out: tuple[float, np.ndarray]  # share of all weight and second moments of the few

    def moments_in(self, scaling: Scaling) -> np.ndarray:
        """Their second moments in another scaling."""
        # a column there is z * stretch + shift
        theirs = self.scaling
        stretch = np.concatenate([theirs.scale / scaling.scale, [1.0], theirs.target_scale / scaling.target_scale])
        of_columns, of_targets = theirs.center - scaling.center, theirs.target_center - scaling.target_center
        shift = np.concatenate([of_columns / scaling.scale, [0.0], of_targets / scaling.target_scale])
        return rescaled(self.second_moments, stretch, shift, ones=of_columns.size)

    def deviations(self, coefs: np.ndarray, intercepts: np.ndarray) -> tuple | None:
        """Of the few other rows: weight, means of targets, sums of squares around these and around predictions.

        They are in the scaling of all rows, predictions those of many models. None where sums would have lost digits.
        """
        scaling, (share, moments) = self.scaling, self.left_out
        d, weight = scaling.center.size, self.weight * share / (1 - share)
        coefs = coefs.reshape(*intercepts.shape, d)
        models = np.full((*intercepts.shape, d + 2), -1.0)  # the last is the factor of the target
        models[..., :d] = coefs * scaling.scale / scaling.target_scale[:, None]
        models[..., d] = (intercepts + coefs @ scaling.center - scaling.target_center) / scaling.target_scale
        squares, sizes = np.empty((2, *intercepts.shape))
        for k in range(intercepts.shape[1]):
            at = np.append(np.arange(d + 1), d + 1 + k)
            matrix = moments[np.ix_(at, at)]
            squares[:, k] = np.einsum("ij,ij->i", models[:, k] @ matrix, models[:, k])
            sizes[:, k] = (np.abs(models[:, k]) @ np.sqrt(np.diagonal(matrix))) ** 2  # Cauchy and Schwarz
        mean, of_targets = moments[d, d + 1 :], np.diagonal(moments)[d + 1 :]
        around_mean = of_targets - mean**2
        lost = (squares < LEAST_LEFT * sizes).any() or (around_mean < LEAST_LEFT * of_targets).any()
        return None if lost else (weight, mean, weight * around_mean, weight * squares)


class SharedMoments:
    """The moments of some rows, and those of all others by them."""

    def __init__(self, whole: Covariances):
        self.whole = whole
        self.parts: list[tuple] = []  # numbers of some rows, their share of the weight, their moments
        self.lock = Lock()  # of the moments of all: from Python 3.12 on cached properties have none

    def look_at(self, parts: Sequence[np.ndarray]) -> None:
        """Take the moments of rows part by part, by their numbers, if all are in one; those of parts are kept.

        Many parts, as of one row each, aren't: they take more room than their rows.
        """
        problem = self.whole.problem
        rows, size = problem.rows, problem.model.n_features + 1 + problem.model.n_outputs
        few = len(parts) * size**2 <= MOST_KEPT and all(_are_few(problem, part) for part in parts)
        if few and sum(map(len, parts)) == rows.n_rows:  # as one where rows that say the same are one
            self.parts = [(part, *_share_and_moments(problem, part)) for part in parts]
            self.whole.known = sum(share * moments for _, share, moments in self.parts)

    def _of_part(self, rows: np.ndarray) -> tuple[float, np.ndarray]:
        """The share of all weight that some rows have, and their moments."""
        known = [(share, found) for part, share, found in self.parts if part is rows]
        return known[0] if known else _share_and_moments(self.whole.problem, rows)

    def without(self, left_out: np.ndarray) -> Others | None:
        """The moments of all rows but a few, by those of these few; None where it takes too long, or digits."""
        problem = self.whole.problem
        rows, scaling, d = problem.rows, problem.scaling, problem.model.n_features
        if not _are_few(problem, left_out):
            return None
        assert isinstance(rows, Rows)
        with self.lock:
            total = self.whole.moments
        share, found = self._of_part(left_out)
        if not share < 1:
            return None
        left = found * -share
        left += total
        left /= 1 - share
        means, squares = (np.delete(each, d) for each in (left[d], np.diagonal(left)))
        if not (squares >= LOST_SHARE * np.delete(np.diagonal(total), d)).all() or not keeps_digits(means, squares):
            return None
        moments, weight, (of_X, of_y) = None, float(rows.weight.sum()) * (1 - share), problem.moments
        if rows.is_dense and (of_X is None or isinstance(of_X, Moments)):
            stds = np.sqrt(squares - means**2)
            if of_X is not None:
                filled = _filled_without(rows, of_X.filled, left_out, share)
                of_X = Moments(weight, scaling.center + scaling.scale * means[:d], scaling.scale * stds[:d], filled)
            if of_y is not None:
                center, scale = scaling.target_center, scaling.target_scale
                of_y = Moments(weight, center + scale * means[d:], scale * stds[d:])
            moments = of_X, of_y
        return Others(left, scaling, moments, weight, (share, found))


def shared_moments_of(whole: Any) -> SharedMoments | None:
    """The moments that solutions of all rows come from, if they do: few rows aren't summed up."""
    return SharedMoments(whole) if isinstance(whole, Covariances) and not are_few(whole.problem.rows) else None


def _are_few(problem: Problem, numbers: np.ndarray) -> bool:
    """Whether some rows are so few of the many that the others are known by them."""
    rows = problem.rows
    return isinstance(rows, Rows) and rows.n_rows >= MANY_ROWS and len(numbers) <= MOST_LEFT_OUT * rows.n_rows


def _filled_without(rows: Rows, filled: np.ndarray, left_out: np.ndarray, share: float) -> np.ndarray:
    """Shares of non-zeros in all rows but a few."""
    features, weight = rows.data.features, rows.data.weight_of(left_out)
    assert isinstance(features, Features)
    if filled.min() == 1.0:
        return filled
    of_few = weight @ (features.X[left_out] != 0) / weight.sum()
    return np.clip((filled - share * of_few) / (1 - share), 0.0, 1.0)


def _share_and_moments(problem: Problem, numbers: np.ndarray) -> tuple[float, np.ndarray]:
    rows = problem.rows
    assert isinstance(rows, Rows)
    those = Rows(rows.data._replace(subset=row_numbers(numbers)), rows.n_threads)
    return float(those.weight.sum() / rows.weight.sum()), moments_of(problem, those)
