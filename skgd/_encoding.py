"""Columns as users have them, made numbers: a column for each category, gaps filled, with columns that tell of them."""

import functools
from collections.abc import Sequence
from numbers import Number
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from ._containers import columns_at, hold_categories, names_of, objects_at
from ._warnings import warn_user

# Share of entries that aren't zero below which these alone are stored. Down to it an array takes no more time, a row
# alone is predicted sooner, and it's at most ten times as large.
SPARSE = 0.1


Missing = np.ndarray | None  # a mask of numbers that are missing; None: none are


class Columns(NamedTuple):
    """Columns of X, those of categories apart."""

    categorical: np.ndarray  # which are, of shape (n_features,); empty if none
    names: list  # of these, their numbers in an array
    words: np.ndarray  # their objects, (n_rows, n_categorical)
    others: Any  # of numbers, of the kind of X; X itself if no others are there


class Encoding:
    """How the columns of a fit become numbers: plain values, as the fit has found them.

    First stand the columns of numbers, the mean in place of missing ones; then for each of them that had gaps a column
    that is 1 where one is; then for each column of categories one for each of these, 1 where a row has it. A missing
    category is one like others, if the fit has seen it; rows with one that it hasn't seen have none.
    """

    def __init__(self, categorical: np.ndarray, categories: Sequence[np.ndarray], means: np.ndarray, gaps: np.ndarray):
        self.categorical = categorical  # as in Columns
        self.categories = [*categories]  # of each such column: objects, sorted, None at the end if it was missing
        self.means = means  # of the columns of numbers, in float64
        self.gaps = gaps  # which of these had some
        n_numbers = len(means) + int(gaps.sum())
        self.n_features = len(means) + len(self.categories)
        self.width = n_numbers + sum(map(len, self.categories))
        self.is_sparse = n_numbers + len(self.categories) < SPARSE * self.width

    @classmethod
    def of(cls, columns: Columns, numbers: np.ndarray, missing: Missing, weight: np.ndarray) -> Self | None:
        """What columns tell of which the others have become numbers; None if all are there, and none of categories.

        Rows count by their weights, if they have any: those without weight tell nothing.
        """
        if missing is None and not columns.categorical.any():
            return None
        words, known, share = columns.words, np.ones_like(numbers, dtype=bool) if missing is None else ~missing, 1.0
        if weight.size:
            used = weight > 0
            words = words[used] if words.size else words  # of no column there are no rows
            numbers, known, share = numbers[used], known[used], weight[used, None] / weight.max()
        try:
            categories = _one_hot_encoder().fit(words).categories_ if words.shape[1] else []
        except TypeError as error:
            raise ValueError("categories of one column must be all words or all numbers") from error
        share = share / 2.0 ** np.ceil(np.log2(len(numbers)))  # rounds nothing: sums of large numbers stay among floats
        total = (known * share).sum(axis=0)
        means = np.nansum(numbers * share, axis=0, dtype=np.float64) / np.where(total > 0, total, 1.0)
        return cls(columns.categorical, categories, means, np.array(~known.all(axis=0)))

    def state(self) -> dict[str, Any]:
        """The plain values that make it."""
        return {name: getattr(self, name) for name in ("categorical", "categories", "means", "gaps")}

    def encoded(self, columns: Columns, numbers: np.ndarray, missing: Missing) -> Any:
        """The columns in an array or, where few entries aren't zero, in CSR: that is never centred, so they are."""
        dtype = np.float32 if numbers.dtype == np.float32 else np.float64
        gaps = np.zeros((len(numbers), int(self.gaps.sum())), bool) if missing is None else missing[:, self.gaps]
        blocks: list[Any] = [numbers if missing is None else np.where(missing, self.means, numbers), gaps]
        if self.categories:
            self._check_kinds(columns)
            blocks.append(self._one_hot.transform(columns.words))
        if not self.is_sparse:
            return np.hstack(blocks, dtype=dtype)
        blocks[0] = blocks[0] - self.means
        return sparse.hstack([sparse.csr_array(block, dtype=dtype) for block in blocks], format="csr")

    def _check_kinds(self, columns: Columns) -> None:
        """Warn of categories of another kind than those of the fit: 1 and "1" are two."""
        for name, known, given in zip(columns.names, self.categories, columns.words.T, strict=True):
            if not {*known}.difference([None]).isdisjoint(given):
                continue
            (kind, one), (kind_here, one_here) = _kind_of(known), _kind_of(given)
            if one is not None and one_here is not None and kind != kind_here:
                warn_user(
                    f"column {name!r} holds categories that are {kind_here}, as {one_here!r}, and those of the fit are "
                    f"{kind}, as {one!r}: its rows have none of these",
                    UserWarning,
                )

    @functools.cached_property
    def _one_hot(self) -> Any:
        options: Any = {"categories": self.categories, "handle_unknown": "ignore", "sparse_output": self.is_sparse}
        return _one_hot_encoder(**options).fit(np.array([[each[0] for each in self.categories]], dtype=object))


def _kind_of(categories: np.ndarray) -> tuple[str, Any]:
    """What categories are, and one of them; None if all are missing."""
    one = next((each for each in categories if each is not None), None)
    return "words" if isinstance(one, str) else "numbers" if isinstance(one, Number) else type(one).__name__, one


def _one_hot_encoder(**options: Any) -> Any:
    from sklearn.preprocessing import OneHotEncoder  # which takes long to import, and `minimize` needs none of

    return OneHotEncoder(**options).set_output(transform="default")  # whatever the user has others put out


def columns_of(X: Any, categorical: np.ndarray) -> Columns:
    """The columns of X, of which these hold categories."""
    if not categorical.any():
        return Columns(categorical, [], np.empty((0, 0), dtype=object), X)
    of_words, names = np.flatnonzero(categorical), names_of(X) or range(len(categorical))
    words, others = objects_at(X, of_words), columns_at(X, np.flatnonzero(~categorical))
    return Columns(categorical, [names[j] for j in of_words], words, others)


def missing_in(numbers: Any) -> Missing:
    """Which numbers are missing; sparse ones may not be."""
    if not sparse.issparse(numbers):
        with np.errstate(over="ignore", invalid="ignore"):  # a sum tells without a mask as large as an eighth of X
            missing = None if np.isfinite(numbers.sum()) else np.isnan(numbers)
        return missing if missing is not None and missing.any() else None
    if np.isnan(numbers.data).any():
        raise ValueError("X is sparse and contains NaN: numbers may be missing in arrays and data frames")
    return None


def filled(numbers: Any, missing: Missing, fill: np.ndarray | None) -> Any:
    """Numbers of which the fit has seen none missing: of those that are `fill`, one a column, takes the place."""
    if missing is None:
        return numbers
    if fill is None:
        raise ValueError("X contains NaN, and there was none in the rows to learn from: fill the gaps first")
    return np.where(missing, fill, numbers).astype(numbers.dtype)


def categorical_columns(X: Any, given: Any) -> np.ndarray:
    """Which columns hold categories, by their types or as the parameter says; empty if there is nothing to say."""
    mask = np.zeros(0, dtype=bool)
    if given is None:
        return mask
    if isinstance(given, str):  # "from_dtype"
        return np.array(hold_categories(X), dtype=bool)
    given, shape = np.asarray(given), np.shape(X)
    if given.size == 0 or len(shape) != 2:  # which scikit-learn has more to say of
        return mask
    if sparse.issparse(X):
        raise ValueError("categorical_features are columns of an array or a data frame, and X is sparse")
    n_features, names, mask = shape[1], names_of(X), np.zeros(shape[1], dtype=bool)
    if given.dtype.kind == "b" and given.shape != mask.shape:
        raise ValueError(f"categorical_features is a mask of {given.size} columns, and X has {n_features}")
    if given.dtype.kind in "iu" and (given.min() < 0 or given.max() >= n_features):
        raise ValueError(f"categorical_features={given.tolist()}: columns of X have the numbers 0 to {n_features - 1}")
    if given.dtype.kind not in "biu":
        given = given.ravel().tolist()
        for name in given:
            if name not in names:
                known = f"which has the columns {names}" if names else "whose columns have numbers instead of names"
                raise ValueError(f"categorical_features: {name!r} is no column of X, {known}")
        given = [names.index(name) for name in given]
    mask[given] = True
    return mask
