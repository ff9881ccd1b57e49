"""Arrays, data frames and sparse matrices of others: how they become ours, and what is said of those that can't."""

import itertools
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta
from typing import Any, NoReturn

import numpy as np
from scipy import sparse

# float32 as columns name it: of pandas and polars; of pyarrow, also in pandas; sparse ones of pandas
SINGLE = re.compile(r"[Ff]loat32|float(\[pyarrow\])?|Sparse\[float32, .*\]")
# of pandas, polars and pyarrow, in this order
CATEGORIES = re.compile(r"(category|Categorical|Enum|dictionary)\b")
TIMES = re.compile(
    r"(datetime64|timedelta64|period|Date|Datetime|Duration|Time|(date|time)(32|64)|timestamp|duration)\b"
)
NESTED = re.compile(r"(List|Array|Struct|(large_|fixed_size_)?list(_view)?|struct|map)\b")

SORTED_ENTRIES = 2**16  # of CSR that are sorted at a time, to look for equal ones

NO_TIMES = "{} holds times: give numbers for them, as days since one"
ENCODE = "encode such columns first, as sklearn.preprocessing.OneHotEncoder does"
NAME_IT = "name it in categorical_features, or give it a type of categories, as astype('category') does"
FILL_PARTS = (
    "Rows that lie in parts may have no gaps: give X.fillna(X.mean()) in place of a data frame X, "
    "np.where(np.isnan(X), np.nanmean(X, axis=0), X) in place of an array"
)
NO_PARTS = "column {!r} holds lists or structures: give a column of numbers for each of their parts"


def as_numpy(array: Any, name: str) -> Any:
    """An array of another library as NumPy's, without a copy where that is possible; anything else as it is."""
    if isinstance(array, np.ndarray) or not hasattr(type(array), "__dlpack__"):
        return array
    try:  # of torch's, those with gradients want to be told that these end here
        return np.asarray(array.detach() if hasattr(array, "detach") else array)
    except Exception as error:  # which kind is each library's own
        kind = f"{type(array).__module__.partition('.')[0]}.{type(array).__qualname__}"  # as it is imported
        article = "an" if kind[0].lower() in "aeiou" else "a"
        elsewhere = "cpu" not in str(getattr(array, "device", "cpu")).lower()
        hint = "; move it to the CPU first" if elsewhere else ""
        raise ValueError(f"{name} is {article} {kind} that NumPy can't take: {error}{hint}") from error


def checked_table(X: Any) -> Any:
    """A data frame whose columns may hold numbers, as scikit-learn knows it; anything else as it is."""
    if isinstance(X, np.ndarray):
        return X
    if type(X).__name__ == "LazyFrame":
        raise ValueError("X is a LazyFrame: call X.collect() first")
    if not hasattr(X, "shape"):
        return X
    for name, dtype in named_columns(X):
        if TIMES.match(dtype):  # which some libraries make numbers of, in units that nobody has chosen
            raise ValueError(NO_TIMES.format(f"column {name!r}"))
        if NESTED.match(dtype):
            raise ValueError(NO_PARTS.format(name))
    if type(X).__name__ == "RecordBatch":  # of which scikit-learn doesn't know that its columns have names
        return sys.modules["pyarrow"].Table.from_batches([X])
    return X


def of_numbers(X: Any) -> Any:
    """X, of a list its array: not one of times, words or records, which NumPy makes numbers of if it is asked to."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    dtype = getattr(X, "dtype", None)
    if (kind := getattr(dtype, "kind", "")) in ("m", "M"):
        raise ValueError(NO_TIMES.format("X"))
    if kind in ("S", "U", "V"):
        raise ValueError(f"X holds {dtype}, no numbers: convert it, as X.astype(float) does, or {ENCODE}")
    return X


def becomes_sparse(X: Any) -> bool:
    """Whether X is sparse, or a data frame whose columns all are, of which scikit-learn makes CSR."""
    return sparse.issparse(X) or (hasattr(X, "iloc") and hasattr(X, "sparse"))


def all_single(X: Any) -> bool:
    """Whether an array, or all columns of a data frame, hold float32, in whatever order of bytes."""
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind == "f" and dtype.itemsize == 4
    dtypes = [dtype for _, dtype in named_columns(X)] if hasattr(X, "shape") else []
    return bool(dtypes) and all(map(SINGLE.fullmatch, dtypes))


def raise_for_columns(X: Any, error: Exception, advice: str = ENCODE, of_gaps: str = "") -> NoReturn:
    """Raise an error that names the column of a data frame which holds no numbers, else the error itself.

    The advice is for a column of words; that of gaps is added where scikit-learn has none.
    """
    if not hasattr(X, "shape"):
        raise error
    for name, _ in named_columns(X):
        values = np.ravel(np.asarray(X[name]))
        if values.dtype.kind in "iufb":
            continue
        if values.dtype.kind in "mM" or any(isinstance(value, date | time | timedelta) for value in values):
            raise ValueError(NO_TIMES.format(f"column {name!r}")) from error
        if any(isinstance(value, list | tuple | dict | np.ndarray) for value in values):
            raise ValueError(NO_PARTS.format(name)) from error
        word = next((value for value in values if isinstance(value, str) and not _is_number(value)), None)
        if word is not None:
            raise ValueError(f"column {name!r} holds {str(word)!r}, which is no number: {advice}") from error
    if of_gaps and "X contains NaN" in str(error):
        raise ValueError(f"{error} {of_gaps}") from error
    raise error


def hold_categories(X: Any) -> list[bool]:
    """Of each column of a data frame whether its type says that it holds categories; of an array nothing."""
    return [bool(CATEGORIES.match(dtype)) for _, dtype in named_columns(X)]


def names_of(X: Any) -> list:
    """Names of a data frame's columns; none of an array."""
    return [name for name, _ in named_columns(X)]


def columns_at(X: Any, numbers: Sequence[int] | np.ndarray) -> Any:
    """Some columns of an array, CSR, a list of rows or a data frame; an array if there are none."""
    if not len(numbers):
        return np.empty((len(X), 0))  # polars and pyarrow would have no rows then
    if hasattr(X, "iloc"):
        return X.iloc[:, numbers]
    if names := names_of(X):
        return X.select([names[j] for j in numbers])
    return (X if hasattr(X, "shape") else np.asarray(X, dtype=object))[:, numbers]


def objects_at(X: Any, numbers: np.ndarray) -> np.ndarray:
    """The objects in some columns, of shape (n_rows, n_columns), None where one is missing, whatever libraries have."""
    objects, names = np.empty((len(X), len(numbers)), dtype=object), names_of(X)
    for of_column, j in zip(objects.T, numbers, strict=True):
        column = X.iloc[:, j] if hasattr(X, "iloc") else X[names[j]] if names else columns_at(X, [j])[:, 0]
        # NumPy makes something else of pyarrow's dictionaries
        of_column[:] = column.to_pylist() if hasattr(column, "to_pylist") else np.asarray(column, dtype=object)
        of_column[np.asarray(column.isna()) if hasattr(column, "isna") else [*map(_is_missing, of_column)]] = None
    return objects


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas's NA, which may be anything
        return True


def named_columns(X: Any) -> Iterable[tuple[Any, str]]:
    """Names and types of a data frame's columns; none of an array."""
    schema: Any = getattr(X, "schema", None)
    if hasattr(schema, "types"):  # pyarrow's
        return zip(schema.names, map(str, schema.types), strict=True)
    if hasattr(X, "dtypes") and hasattr(X, "columns"):
        return zip(X.columns, map(str, X.dtypes), strict=True)
    return ()


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def check_structure(X) -> None:
    """Refuse a sparse matrix whose parts contradict each other: reading it would lead beyond its arrays."""
    if X.ndim != 2:
        return
    kind, axes = f"X is no valid {X.format.upper()} matrix", {"row": X.shape[0], "column": X.shape[1]}
    if X.format == "coo":
        numbers, n_stored = {"row": X.row, "column": X.col}, len(X.data)
    else:
        if X.format == "bsr":
            axes = {"row": X.shape[0] // X.blocksize[0], "column": X.shape[1] // X.blocksize[1]}
        major, minor = ("column", "row") if X.format == "csc" else ("row", "column")
        if len(X.indptr) != axes[major] + 1 or X.indptr[0] != 0:
            raise ValueError(f"{kind}: indptr must have {axes[major] + 1} entries, from 0 on")
        if (X.indptr[1:] < X.indptr[:-1]).any():
            raise ValueError(f"{kind}: indptr decreases, so that a {major} ends before it begins")
        numbers, n_stored = {minor: X.indices}, int(X.indptr[-1])
    lengths = len(X.data), *map(len, numbers.values())
    if min(lengths) < n_stored or max(lengths) > min(lengths):
        raise ValueError(f"{kind}: {n_stored} stored entries, but arrays of the lengths {lengths} for them")
    for axis, of_axis in numbers.items():
        used = of_axis[:n_stored]
        if used.size and not (used.min() >= 0 and used.max() < axes[axis]):
            raise ValueError(f"{kind}: it has {axis} numbers outside 0 to {axes[axis] - 1}")


def without_duplicates(X):
    """X itself, its columns in whatever order, or a copy where rows have an entry twice."""
    if X.has_canonical_format or not _has_duplicates(X):
        return X
    X = X.copy()
    X.sum_duplicates()
    if not np.isfinite(X.data).all():
        raise ValueError("X holds entries twice whose sum is infinite")
    return X


def _has_duplicates(X) -> bool:
    """Whether a row has an entry twice; looks at some rows at a time."""
    first_rows = np.searchsorted(X.indptr, np.arange(0, X.nnz, SORTED_ENTRIES), side="right") - 1
    for start, stop in itertools.pairwise([*np.unique(first_rows), X.shape[0]]):
        # one number for each place: these are sorted in a third of the time that it takes to sort CSR
        kind = np.uint32 if (stop - start) * X.shape[1] < 2**32 else np.uint64
        places = np.repeat(np.arange(stop - start, dtype=kind) * kind(X.shape[1]), np.diff(X.indptr[start : stop + 1]))
        places += X.indices[X.indptr[start] : X.indptr[stop]].astype(kind)
        places.sort()
        if (places[1:] == places[:-1]).any():
            return True
    return False
