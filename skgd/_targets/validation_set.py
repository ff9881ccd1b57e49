"""Validation data: the user's, or a part of the rows that training doesn't see."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .._containers import as_numpy
from .._kernels.structures import ROW_NUMBER
from .._partitions import adapter_of
from .._validation import check_features, check_sample_weight

ROWS_AT_ONCE = 65_536  # that are looked at, to spare memory


class ValidationSet(NamedTuple):
    """Checked rows that training doesn't see."""

    X: np.ndarray  # (n_rows, n_features), float32 or float64
    y: np.ndarray  # (n_rows, n_targets) float64; for a classifier class indices or labels in float32
    weight: np.ndarray  # (n_rows,) float64; empty: all rows count the same


def check_validation_set(
    estimator, given: tuple, check_targets: Callable[[object], np.ndarray]
) -> ValidationSet | None:
    """The user's (X_val, y_val, sample_weight_val), None where there are none.

    `check_targets` makes y_val what ValidationSet.y is.
    """
    X_val, y_val, sample_weight_val = given
    if X_val is y_val is sample_weight_val is None:
        return None
    if adapter_of(*given) is not None:
        raise ValueError("the validation data are a collection, and X isn't: give both as collections, or neither")
    missing = [name for name, array in {"X_val": X_val, "y_val": y_val}.items() if array is None]
    if missing:
        if len(missing) == 1:
            raise ValueError(f"{missing[0]} is missing: validation data need both X_val and y_val")
        raise ValueError("sample_weight_val needs X_val and y_val, which are missing")
    with _naming("X_val"):
        X = check_features(estimator, X_val, reset=False)
    with _naming("y_val"):
        y = check_targets(as_numpy(y_val, "y"))
    if len(y) != X.shape[0]:
        raise ValueError(f"X_val has {X.shape[0]} rows and y_val {len(y)}: they must be as many")
    with _naming("sample_weight_val"):
        weight = check_sample_weight(sample_weight_val, X)
    return ValidationSet(X, y, weight)


def hold_out(
    n_rows: int, fraction: float, weight: np.ndarray, classes: np.ndarray | None, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows to train on and of those to validate on, drawn at random, of every class in proportion.

    `classes` are class indices, None where there are no classes. Rows without weight tell nothing, and are left out.
    """

    def rows_from(start):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, n_rows))
        if weight.size:
            rows = rows[weight[rows] > 0]
        return rows, np.zeros(len(rows), np.intp) if classes is None else classes[rows].astype(np.intp)

    n_classes = 1 if classes is None else int(classes.max()) + 1
    starts = range(0, n_rows, ROWS_AT_ONCE)
    left = np.sum([np.bincount(rows_from(start)[1], minlength=n_classes) for start in starts], axis=0)
    wanted = _in_proportion(left, fraction)
    to_train, to_validate = np.empty(int((left - wanted).sum()), ROW_NUMBER), np.empty(int(wanted.sum()), ROW_NUMBER)
    n_train = n_validate = 0
    for start in starts:
        rows, classes_here = rows_from(start)
        here = np.bincount(classes_here, minlength=n_classes)
        seen, drawn = here > 0, np.zeros(n_classes, np.int64)
        drawn[seen] = rng.hypergeometric(wanted[seen], (left - wanted)[seen], here[seen])
        shuffled, chosen = np.lexsort((rng.uniform(size=len(rows)), classes_here)), np.zeros(len(rows), bool)
        rank = np.arange(len(rows)) - np.repeat(np.cumsum(here) - here, here)  # of a row in its class
        chosen[shuffled[rank < np.repeat(drawn, here)]] = True
        n_drawn = int(drawn.sum())
        to_validate[n_validate : n_validate + n_drawn] = rows[chosen]
        to_train[n_train : n_train + len(rows) - n_drawn] = rows[~chosen]
        n_train, n_validate = n_train + len(rows) - n_drawn, n_validate + n_drawn
        wanted, left = wanted - drawn, left - here
    return to_train, to_validate


def _in_proportion(counts: np.ndarray, fraction: float) -> np.ndarray:
    """How many rows of each class to hold out, about their fraction; at least one is left of each."""
    n_rows, n_classes = int(counts.sum()), np.count_nonzero(counts)
    n_wanted = math.ceil(fraction * n_rows)
    if n_classes > 1 and counts[counts > 0].min() < 2:
        raise ValueError("there is a class with a single row, which can't be in both parts")
    if min(n_wanted, n_rows - n_wanted) < n_classes:
        kind = "classes" if n_classes > 1 else "row needed"
        raise ValueError(
            f"with {n_rows - n_wanted} rows to train on and {n_wanted} to validate on, one part has fewer rows than "
            f"the {n_classes} {kind}"
        )
    exact = n_wanted * (counts / n_rows)
    wanted = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(wanted - exact, kind="stable")[: n_wanted - wanted.sum()]
    wanted[largest_remainders] += 1
    return np.minimum(wanted, np.maximum(counts - 1, 0))


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say in errors which of the arguments they are about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
