"""Arrays and data frames of other libraries: how they become NumPy's, and what is said of those that can't."""

import re
import sys
from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any, NoReturn

import numpy as np

# float32 as columns name it: of pandas and polars; of pyarrow, also in pandas; sparse ones of pandas
SINGLE = re.compile(r"[Ff]loat32|float(\[pyarrow\])?|Sparse\[float32, .*\]")
# of pandas, polars and pyarrow, in this order
TIMES = re.compile(
    r"(datetime64|timedelta64|period|Date|Datetime|Duration|Time|(date|time)(32|64)|timestamp|duration)\b"
)
NESTED = re.compile(r"(List|Array|Struct|(large_|fixed_size_)?list(_view)?|struct|map)\b")

NO_TIMES = "column {!r} holds times: give numbers for them, as days since one"
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
            raise ValueError(NO_TIMES.format(name))
        if NESTED.match(dtype):
            raise ValueError(NO_PARTS.format(name))
    if type(X).__name__ == "RecordBatch":  # of which scikit-learn doesn't know that its columns have names
        return sys.modules["pyarrow"].Table.from_batches([X])
    return X


def all_single(X: Any) -> bool:
    """Whether an array, or all columns of a data frame, hold float32, in whatever order of bytes."""
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind == "f" and dtype.itemsize == 4
    dtypes = [dtype for _, dtype in named_columns(X)] if hasattr(X, "shape") else []
    return bool(dtypes) and all(map(SINGLE.fullmatch, dtypes))


def raise_for_columns(X: Any, error: Exception) -> NoReturn:
    """Raise an error that names the column of a data frame which holds no numbers, else the error itself."""
    if not hasattr(X, "shape"):
        raise error
    for name, _ in named_columns(X):
        values = np.ravel(np.asarray(X[name]))
        if values.dtype.kind in "iufb":
            continue
        if values.dtype.kind in "mM" or any(isinstance(value, date | time | timedelta) for value in values):
            raise ValueError(NO_TIMES.format(name)) from error
        if any(isinstance(value, list | tuple | dict | np.ndarray) for value in values):
            raise ValueError(NO_PARTS.format(name)) from error
        word = next((value for value in values if isinstance(value, str) and not _is_number(value)), None)
        if word is not None:
            raise ValueError(
                f"column {name!r} holds {str(word)!r}, which is no number: encode such columns first, as "
                "sklearn.preprocessing.OneHotEncoder does"
            ) from error
    raise error


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
