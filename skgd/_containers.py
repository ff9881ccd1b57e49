"""Arrays and data frames of other libraries: how they become NumPy's, and what is said of those that can't."""

import re
from typing import Any, NoReturn

import numpy as np

# float32 as columns name it: of pandas and polars; of pyarrow, also in pandas; sparse ones of pandas
SINGLE = re.compile(r"[Ff]loat32|float(\[pyarrow\])?|Sparse\[float32, .*\]")


def as_numpy(array: Any, name: str) -> Any:
    """An array of another library as NumPy's, without a copy where that is possible; anything else as it is."""
    if isinstance(array, np.ndarray) or not hasattr(type(array), "__dlpack__"):
        return array
    try:  # of torch's, those with gradients want to be told that these end here
        return np.asarray(array.detach() if hasattr(array, "detach") else array)
    except Exception as error:  # which kind is each library's own
        kind = f"{type(array).__module__}.{type(array).__qualname__}"
        raise ValueError(f"{name} is a {kind} that NumPy can't take: {error}") from error


def all_single(X: Any) -> bool:
    """Whether an array, or all columns of a data frame, hold float32, in whatever order of bytes."""
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind == "f" and dtype.itemsize == 4
    if not hasattr(X, "shape"):
        return False
    types = getattr(getattr(X, "schema", None), "types", None)  # pyarrow's
    types = getattr(X, "dtypes", None) if types is None else types
    return types is not None and all(SINGLE.fullmatch(str(each)) for each in types)


def raise_for_columns(X: Any, error: Exception) -> NoReturn:
    """Raise an error that names the column of a data frame which holds no numbers, else the error itself."""
    if not hasattr(X, "shape"):
        raise error
    for name in getattr(X, "columns", ()) if hasattr(X, "dtypes") else getattr(X, "column_names", ()):  # pyarrow's
        values = np.ravel(np.asarray(X[name]))
        if values.dtype.kind in "mM":
            raise ValueError(f"column {name!r} holds times: give numbers for them, as days since one") from error
        if values.dtype.kind in "iufb":
            continue
        word = next((value for value in values if isinstance(value, str) and not _is_number(value)), None)
        if word is not None:
            raise ValueError(
                f"column {name!r} holds {str(word)!r}, which is no number: encode such columns first, as "
                "sklearn.preprocessing.OneHotEncoder does"
            ) from error
    raise error


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
