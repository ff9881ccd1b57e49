"""Scores of rows in parts: what each part tells, and what all of them come to."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from scipy import sparse

from ._partitions import Part, copy_to_predict, partitions_of
from ._problem.partitioned import naming
from ._targets.partitioned import check_part_of_weights
from ._validation import check_columns, check_fitted

Method = TypeVar("Method", bound=Callable)


def scored_by_parts(kind: type["Score"]) -> Callable[[Method], Method]:
    """Let `score` take collections, too: it gives a number then that isn't computed yet."""

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def score(self, X, y, sample_weight=None):
            partitions = partitions_of(X, y, sample_weight)
            if partitions is None:
                return method(self, X, y, sample_weight)
            check_fitted(self)
            check_columns(self, partitions.X_like, reset=False)
            estimator = copy_to_predict(self)
            estimator.__dict__.pop("feature_names_in_", None)  # they have been compared, and parts may come as arrays
            return partitions.later(kind(estimator), kind.finish)

        return cast(Method, score)

    return decorate


class Score:
    """What a part tells of the predictions for its rows."""

    def __init__(self, estimator: Any):
        self.estimator = estimator

    def __call__(self, part: Part) -> Any:
        """What it tells; None if it has no rows with weight."""
        with naming(part.number):
            y = part.y.toarray() if sparse.issparse(part.y) else np.asarray(part.y)
            if part.X.shape[0] != len(y):
                raise ValueError(f"X has {part.X.shape[0]} rows and y {len(y)}")
            weight = check_part_of_weights(part.weight, len(y))
            weight = weight if part.weight is not None else np.ones(len(y))
            # a frame that isn't all floats has names, and the estimator none any more
            X = part.X.to_numpy() if hasattr(part.X, "columns") else part.X
            return self.told(X, y, weight) if weight.any() else None

    def told(self, X: Any, y: np.ndarray, weight: np.ndarray) -> Any:
        raise NotImplementedError

    @staticmethod
    def finish(total: Any) -> float:
        """The score of all rows."""
        raise NotImplementedError


class Accuracy(Score):
    """The share of rows that are predicted rightly."""

    def told(self, X, y, weight):
        return np.array([self.estimator.score(X, y, weight), 1.0]) * weight.sum()

    @staticmethod
    def finish(total):
        right, all_rows = (np.nan, np.nan) if total is None else total
        return np.float64(right / all_rows)


@dataclass(frozen=True)
class Deviations:
    """Of targets: their means, sums of squares around these, and around the predictions."""

    n_rows: int
    weight: float
    mean: np.ndarray
    around_mean: np.ndarray
    around_predictions: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, predictions: np.ndarray, weight: np.ndarray) -> "Deviations":
        """Of some rows, (n_rows, n_targets)."""
        mean = np.average(y, axis=0, weights=weight)
        around_mean, around_predictions = (weight @ (y - center) ** 2 for center in (mean, predictions))
        return cls(len(y), float(weight.sum()), mean, around_mean, around_predictions)

    def __add__(self, other: "Deviations") -> "Deviations":
        """Of the rows of both (Chan, Golub and LeVeque 1983)."""
        weight, step = self.weight + other.weight, other.mean - self.mean
        between = step**2 * (self.weight * (other.weight / weight))
        return Deviations(
            self.n_rows + other.n_rows,
            weight,
            self.mean + step * (other.weight / weight),
            self.around_mean + other.around_mean + between,
            self.around_predictions + other.around_predictions,
        )


class R2(Score):
    """Coefficient of determination, the mean of those of several targets."""

    def told(self, X, y, weight):
        predictions = self.estimator.predict(X)
        y, predictions = (np.asarray(each, np.float64).reshape(len(weight), -1) for each in (y, predictions))
        if y.shape != predictions.shape:
            raise ValueError(f"y has {y.shape[1]} columns, and predictions {predictions.shape[1]}")
        if not np.isfinite(y).all():
            raise ValueError("y holds NaN or infinity")
        return Deviations.of(y, predictions, weight)

    @staticmethod
    def finish(total):
        if total is None or total.n_rows < 2:
            return np.float64(np.nan)
        # as scikit-learn has it for targets that are all the same
        constant = np.where(total.around_predictions == 0, 1.0, 0.0)
        there = total.around_mean > 0
        share = np.divide(total.around_predictions, total.around_mean, out=1 - constant, where=there)
        return np.float64((1 - share).mean(axis=-1))
