"""Rows that training doesn't see: a part of them, or for each member of an ensemble another one."""

import math

import numpy as np

from .._kernels.structures import ROW_NUMBER

ROWS_AT_ONCE = 65_536  # that are looked at, to spare memory
EPS = 1e-9  # of 1 / fraction: a third of the rows is one of three folds
EVERYWHERE, NOWHERE = 2**16 - 2, 2**16 - 1  # in place of a fold: rows that all members train on, and that none does

Split = tuple[np.ndarray, np.ndarray]  # numbers of the rows to train on, and of those to validate on


def hold_out(
    n_rows: int, fraction: float, weight: np.ndarray, classes: np.ndarray | None, rng: np.random.RandomState
) -> Split:
    """Numbers of the rows to train on and of those to validate on, drawn at random, of every class in proportion.

    `classes` are class indices, None where there are no classes. Rows without weight tell nothing, and are left out.
    """
    starts, left = range(0, n_rows, ROWS_AT_ONCE), _counts(n_rows, weight, classes)
    n_classes = len(left)
    wanted = _in_proportion(left, fraction)
    to_train, to_validate = np.empty(int((left - wanted).sum()), ROW_NUMBER), np.empty(int(wanted.sum()), ROW_NUMBER)
    n_train = n_validate = 0
    for start in starts:
        rows, classes_here = _of_rows(start, n_rows, weight, classes)
        here = np.bincount(classes_here, minlength=n_classes)
        seen, drawn = here > 0, np.zeros(n_classes, np.int64)
        drawn[seen] = rng.hypergeometric(wanted[seen], (left - wanted)[seen], here[seen])
        (shuffled, rank), chosen = _at_random(classes_here, here, rng), np.zeros(len(rows), bool)
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


def folds(
    n_rows: int,
    fraction: float,
    weight: np.ndarray,
    classes: np.ndarray | None,
    n_members: int,
    rng: np.random.RandomState,
) -> list[Split]:
    """The same for members of an ensemble, each of which holds out another fold of at most this fraction of the rows.

    Folds have classes in proportion; no member does without a class that has a single row. More members than folds
    begin again with the first one.
    """
    n_folds = max(math.ceil(min(1 / fraction, n_rows + 1.0) - EPS), 2)  # 1 / the least fractions is infinite
    counts = _counts_in_folds(n_rows, weight, classes)
    if counts.sum() < n_folds:
        raise ValueError(f"they are fewer than the {n_folds} parts, each of which one of the members holds out")
    fold = np.full(n_rows, NOWHERE, np.uint16)
    dealt = np.cumsum(counts) - counts  # a class goes on dealing where the one before ended: folds of one size
    for start in range(0, n_rows, ROWS_AT_ONCE):
        rows, classes_here = _of_rows(start, n_rows, weight, classes)
        here = np.bincount(classes_here, minlength=len(counts))
        shuffled, rank = _at_random(classes_here, here, rng)
        number = (rank + np.repeat(dealt, here)) % n_folds
        fold[rows[shuffled]] = np.where(np.repeat(counts, here) > 0, number, EVERYWHERE)
        dealt += here
    return [_without(fold, number % n_folds) for number in range(n_members)]


def n_to_hold_out(n_rows: int, weight: np.ndarray, classes: np.ndarray | None) -> int:
    """Rows that one of the members may hold out: with weight, and not alone in their class."""
    return int(_counts_in_folds(n_rows, weight, classes).sum())


def _counts_in_folds(n_rows: int, weight: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Rows with weight of each class that has several of them."""
    counts = _counts(n_rows, weight, classes)
    return np.where(counts > 1, counts, 0) if len(counts) > 1 else counts


def _at_random(classes: np.ndarray, counts: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """An order of rows by class, at random within each, and the rank that each place has in its class."""
    order = np.lexsort((rng.uniform(size=len(classes)), classes))
    return order, np.arange(len(classes)) - np.repeat(np.cumsum(counts) - counts, counts)


def _without(fold: np.ndarray, number: int) -> Split:
    mine = fold == number
    to_train, to_validate = np.flatnonzero(~mine & (fold != NOWHERE)), np.flatnonzero(mine)
    return to_train.astype(ROW_NUMBER), to_validate.astype(ROW_NUMBER)


def _counts(n_rows: int, weight: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Rows with weight, of each class."""
    n_classes = 1 if classes is None else int(classes.max()) + 1
    parts = (_of_rows(start, n_rows, weight, classes)[1] for start in range(0, n_rows, ROWS_AT_ONCE))
    return np.sum([np.bincount(part, minlength=n_classes) for part in parts], axis=0)


def _of_rows(start: int, n_rows: int, weight: np.ndarray, classes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of some rows from a start on, those that have weight, and their classes."""
    rows = np.arange(start, min(start + ROWS_AT_ONCE, n_rows))
    if weight.size:
        rows = rows[weight[rows] > 0]
    return rows, np.zeros(len(rows), np.intp) if classes is None else classes[rows].astype(np.intp)
