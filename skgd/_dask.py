"""Dask's collections as partitions: the only module that knows Dask."""

import concurrent.futures
import functools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np
from scipy import sparse

from ._partitions import Part

FAN_IN = 16  # sums that are added up at once, from the leaves of the tree to its root
AHEAD = 2  # partitions that are got ready while one is worked on


def partitions(X: Any, y: Any, weight: Any, name: str) -> "DaskPartitions":
    """Features, targets and weights, at least one of them a collection, as partitions."""
    if not is_collection(X):
        raise ValueError(
            f"{name} is a {type(X).__name__}, and something beside it is a Dask collection: give all of them as "
            "collections, or none"
        )
    if y is None:
        raise ValueError(f"{name} needs a y beside it")
    X = _in_one_piece_by_columns(X, name)
    together = [X, y] if weight is None else [X, y, weight]
    if all(map(_is_frame, together)):
        return DaskPartitions(X._meta, y._meta, _packed(together, name), _packed(together[1:], name))
    # a frame by itself mustn't be optimized: that may read several of its parts at once
    blocks = _blocks(X)
    y = y if is_collection(y) else da.from_array(np.asarray(y), chunks=-1)
    beside = [_blocks_alike(y, X, blocks, "y")]
    beside += [] if weight is None else [_blocks_alike(weight, X, blocks, "sample_weight")]
    targets = list(zip(*beside, strict=True))
    return DaskPartitions(_like(X), _like(y), list(zip(blocks, *beside, strict=True)), targets)


def is_collection(data: Any) -> bool:
    """Whether these are rows in parts: an array, a data frame or a series."""
    return hasattr(data, "dask") and hasattr(data, "to_delayed") and hasattr(data, "_meta")


def lazily(method: Callable, estimator: Any, X: Any, *others: Any, **named: Any) -> Any:
    """What a method of the estimator gives for a collection: a collection that isn't computed yet."""
    raise NotImplementedError


class DaskPartitions:
    """Parts of collections; work on them runs on the scheduler in force."""

    def __init__(self, X_like: Any, y_like: Any, parts: list, targets: list):
        self.X_like, self.y_like, self.n_partitions = X_like, y_like, len(parts)
        self.parts, self.targets = parts, targets  # tuples of (X, y, weight), or what computes one; the same without X

    def map(self, work: Callable, *arguments: Any, without_X: bool = False) -> list:
        """What work gives for each part, in their order."""
        parts = self.targets if without_X else self.parts
        return list(dask.compute(*_tasks(work, arguments, enumerate(parts), without_X)))

    def total(self, work: Callable, *arguments: Any) -> Any:
        """The sum of the arrays that work gives, None aside, in a tree."""
        sums = _tasks(work, arguments, enumerate(self.parts))
        while len(sums) > 1:
            sums = [_lazy(_add, *sums[k : k + FAN_IN]) for k in range(0, len(sums), FAN_IN)]
        return dask.compute(*sums)[0]

    def fetch(self, work: Callable, numbers: Sequence[int], *arguments: Any) -> Generator:
        """What work gives for some parts, one after the other."""
        waiting: deque = deque()
        readers = concurrent.futures.ThreadPoolExecutor(AHEAD)
        try:
            for task in _tasks(work, arguments, ((number, self.parts[number]) for number in numbers)):
                waiting.append(readers.submit(dask.compute, task))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()[0]
            while waiting:
                yield waiting.popleft().result()[0]
        finally:  # whoever presses Ctrl-C doesn't wait for what is being read
            readers.shutdown(wait=False, cancel_futures=True)


def _tasks(work: Callable, arguments: tuple, parts: Iterable, without_X: bool = False) -> list:
    given = dask.delayed((work, arguments), traverse=False, pure=False)  # once, however many parts there are
    return [_lazy(_work_on, given, number, part, without_X) for number, part in parts]


def _lazy(function: Callable, *arguments: Any) -> Any:
    return dask.delayed(function, pure=False, traverse=False)(*arguments)


def _work_on(given: tuple, number: int, part: tuple, without_X: bool) -> Any:
    work, arguments = given
    X, y, weight = ((None, *part, None) if without_X else (*part, None))[:3]
    return work(Part(number, X, y, weight), *arguments)


def _add(*arrays: Any) -> Any:
    there = [array for array in arrays if array is not None]
    return functools.reduce(np.add, there) if there else None


# -- from collections to their parts


def _in_one_piece_by_columns(X: Any, name: str) -> Any:
    if X.ndim != 2:
        raise ValueError(f"{name} has {X.ndim} dimension(s), and must have two: rows and features")
    if isinstance(X, da.Array) and X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return X


def _is_frame(data: Any) -> bool:
    return is_collection(data) and not isinstance(data, da.Array)


def _packed(frames: list, name: str) -> list:
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
    tuples = first.map_partitions(_tuple, *others, **options)
    return tuples.to_delayed()


def _divided_alike(frame: Any, other: Any) -> Any:
    return frame.repartition(divisions=other.divisions, force=True)


def _tuple(*parts: Any) -> tuple:
    return parts


def _blocks(data: Any) -> list:
    """The parts of a collection, along its rows."""
    blocks = data.to_delayed(optimize_graph=not _is_frame(data))
    return list(blocks.ravel() if isinstance(blocks, np.ndarray) else blocks)


def _blocks_alike(data: Any, X: Any, blocks: list, name: str) -> list:
    """Parts of y or of weights that belong to those of X."""
    lengths = X.chunks[0] if isinstance(X, da.Array) else (np.nan,)
    data = data if is_collection(data) else da.from_array(np.asarray(data), chunks=-1)
    if isinstance(data, da.Array):
        data = data.rechunk(dict.fromkeys(range(1, data.ndim), -1))
        if data.chunks[0] != lengths and not np.isnan([*lengths, *data.chunks[0]]).any():
            if sum(data.chunks[0]) != sum(lengths):
                raise ValueError(f"X has {sum(lengths)} rows and {name} {sum(data.chunks[0])}: they must be as many")
            data = data.rechunk({0: lengths})
    found = _blocks(data)
    if len(found) != len(blocks):
        raise ValueError(
            f"X has {len(blocks)} partitions and {name} {len(found)}, and how many rows there are in each isn't known: "
            "repartition them alike, or call compute_chunk_sizes() of both first"
        )
    return found


def _like(data: Any) -> Any:
    """An empty array or frame with the columns and dtypes of a collection."""
    if not isinstance(data, da.Array):
        return data._meta
    if any(np.isnan(length) for length in data.shape[1:]):
        raise ValueError("X has an unknown number of columns: call X.compute_chunk_sizes() first")
    shape = 0, *data.shape[1:]
    return sparse.csr_array(shape, dtype=data.dtype) if sparse.issparse(data._meta) else np.empty(shape, data.dtype)
