"""From Dask's collections to their parts."""

import functools
from typing import Any

import dask
import dask.array as da
import numpy as np
from scipy import sparse

from .cluster import kept

NO_ROWS = "{} is a Dask {}: give an Array or a DataFrame, as dask.array.from_delayed and Bag.to_dataframe make them"


def is_collection(data: Any) -> bool:
    """Whether these are rows in parts: an array, a data frame or a series."""
    return hasattr(data, "dask") and hasattr(data, "to_delayed") and hasattr(data, "_meta")


def in_one_piece_by_columns(X: Any, name: str) -> Any:
    if not is_collection(X):
        raise ValueError(NO_ROWS.format(name, type(X).__name__))
    if X.ndim != 2:
        raise ValueError(f"{name} has {X.ndim} dimension(s), and must have two: rows and features")
    if isinstance(X, da.Array) and X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return X


def is_frame(data: Any) -> bool:
    return is_collection(data) and not isinstance(data, da.Array)


def packed(frames: list, name: str) -> list:
    """Tuples of the parts of frames that belong together: read together, each of its columns once."""
    first, *others = frames
    if all(frame.known_divisions for frame in frames):
        others = [each if each.divisions == first.divisions else _divided_alike(each, first) for each in others]
    elif any(frame.npartitions != first.npartitions for frame in frames):
        numbers = ", ".join(str(frame.npartitions) for frame in frames)
        raise ValueError(
            f"{name} and what is beside it have {numbers} partitions, and nobody knows which rows are in which: "
            "repartition them alike"
        )
    options: dict = {"meta": first._meta, "enforce_metadata": False, "align_dataframes": False}
    names = list(getattr(first._meta, "columns", ()))
    tuples = first.map_partitions(functools.partial(_tuple, names), *others, **options)
    return tuples.to_delayed()


def _divided_alike(frame: Any, other: Any) -> Any:
    (first, *_, last), (first_of_other, *_, last_of_other) = frame.divisions, other.divisions
    if first < first_of_other or last > last_of_other:  # which Dask would refuse in words of its own
        raise ValueError(
            f"the index of X goes from {first_of_other} to {last_of_other}, and that of what is beside it from {first} "
            f"to {last}: they must be alike"
        )
    return frame.repartition(divisions=other.divisions, force=True)


def _tuple(names: list, X: Any, *others: Any) -> tuple:
    return _in_rows(X, names), *map(_numbers, others)


def _in_rows(frame: Any, names: list) -> Any:
    """A frame of floats as an array, so that the frame itself can go; any other, of other columns too, as it is."""
    dtypes = set(frame.dtypes) if hasattr(frame, "columns") and list(frame.columns) == names else set()
    of_floats = len(dtypes) == 1 and dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}
    return np.ascontiguousarray(frame.to_numpy()) if of_floats else frame


def _numbers(data: Any) -> Any:
    """A series of NumPy's numbers as an array, which needs no further checks; anything else as it is."""
    dtype = getattr(data, "dtype", None)
    return data.to_numpy() if isinstance(dtype, np.dtype) and dtype.kind in "iuf" else data


def blocks_of(data: Any) -> list:
    """The parts of a collection, along its rows."""
    blocks = data.to_delayed(optimize_graph=not is_frame(data))
    return list(blocks.ravel() if isinstance(blocks, np.ndarray) else blocks)


def blocks_alike(data: Any, X: Any, blocks: list, name: str) -> list:
    """Parts of y or of weights that belong to those of X."""
    lengths = X.chunks[0] if isinstance(X, da.Array) else (np.nan,)
    data = data if is_collection(data) else np.asarray(data)
    if not data.ndim:
        raise ValueError(f"{name} must have an entry for each row of X")
    if isinstance(data, da.Array):
        data = data.rechunk(dict.fromkeys(range(1, data.ndim), -1))
    own = data.chunks[0] if isinstance(data, da.Array) else (np.nan,) if is_collection(data) else (len(data),)
    if own != lengths and not np.isnan([*lengths, *own]).any():
        if sum(own) != sum(lengths):
            raise ValueError(f"X has {sum(lengths)} rows and {name} {sum(own)}: they must be as many")
        own = lengths
        data = data.rechunk({0: lengths}) if is_collection(data) else data
    found = blocks_of(data) if is_collection(data) else _pieces(data, own)
    if len(found) != len(blocks):
        raise ValueError(
            f"X has {len(blocks)} partitions and {name} {len(found)}, and how many rows there are in each isn't known: "
            "repartition them alike, or find out: arrays have compute_chunk_sizes(), frames to_dask_array(lengths=True)"
        )
    return found


def _pieces(array: np.ndarray, lengths: tuple) -> list:
    """Rows in memory as parts that hold nothing but their own; to a cluster they are sent once, not in each pass."""
    pieces = [dask.delayed(each, traverse=False) for each in np.split(array, np.cumsum(lengths[:-1], dtype=np.intp))]
    return kept(pieces)


def empty_like(data: Any) -> Any:
    """An empty array or frame with the columns and dtypes of a collection, or of an array in memory."""
    if isinstance(data, np.ndarray):
        return data[:0]
    if not isinstance(data, da.Array):
        return data._meta
    if any(np.isnan(length) for length in data.shape[1:]):
        raise ValueError("X has an unknown number of columns: call X.compute_chunk_sizes() first")
    shape = 0, *data.shape[1:]
    return sparse.csr_array(shape, dtype=data.dtype) if sparse.issparse(data._meta) else np.empty(shape, data.dtype)
