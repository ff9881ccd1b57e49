"""Dask's collections as partitions: nothing outside this room knows Dask."""

import concurrent.futures
import contextvars
import functools
import operator
import uuid
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.delayed import Delayed
from dask.optimization import cull

from .._containers import checked_table
from .._partitions import Part
from .cluster import OnCluster, client_in_force, compute, on_this_machine, told_in_plain_words
from .collections import (
    NO_ROWS,
    blocks_alike,
    blocks_of,
    empty_like,
    in_one_piece_by_columns,
    is_collection,
    is_frame,
    packed,
)

FAN_IN = 16  # sums that are added up at once, from the leaves of the tree to its root
AHEAD = 2  # partitions that are got ready while one is worked on


def partitions(X: Any, y: Any, weight: Any, name: str) -> "DaskPartitions":
    """Features, targets and weights, at least one of them a collection, as partitions."""
    if type(X).__module__.partition(".")[0] == "dask" and not is_collection(X):
        raise ValueError(NO_ROWS.format(name, type(X).__name__))
    if not is_collection(X):
        raise ValueError(
            f"{name} is a {type(X).__name__}, and something beside it is a Dask collection: give all of them as "
            "collections, or none"
        )
    if y is None:
        raise ValueError(f"{name} needs a y beside it")
    X = in_one_piece_by_columns(X, name)
    together = [X, y] if weight is None else [X, y, weight]
    if all(map(is_frame, together)):
        return DaskPartitions(X._meta, y._meta, packed(together, name), packed(together[1:], name))
    # a frame by itself mustn't be optimized: that may read several of its parts at once
    blocks = blocks_of(X)
    y = y if is_collection(y) else np.asarray(y)
    beside = [blocks_alike(y, X, blocks, "y")]
    beside += [] if weight is None else [blocks_alike(weight, X, blocks, "sample_weight")]
    targets = list(zip(*beside, strict=True))
    return DaskPartitions(empty_like(X), empty_like(y), list(zip(blocks, *beside, strict=True)), targets)


def lazily(predict: Callable, X: Any) -> Any:
    """What predict gives for rows, block by block: an array, or a series for one-dimensional predictions of a frame."""
    X = in_one_piece_by_columns(X, "X")
    like = _predictions_of_one_row(predict, empty_like(X))[:0]
    given = dask.delayed((predict, like), traverse=False, pure=False)  # once, however many blocks there are
    if not isinstance(X, da.Array):
        meta = _series(like, X._meta) if like.ndim == 1 else like
        return X.map_partitions(_predict_block, given=given, meta=meta)
    map_blocks: Any = X.map_blocks  # whose decorator leaves type checkers without its arguments
    shape = {"drop_axis": 1} if like.ndim == 1 else {"chunks": (X.chunks[0], (like.shape[1],))}
    return map_blocks(_predict_block, given=given, dtype=like.dtype, meta=like, **shape)


def _predictions_of_one_row(predict: Callable, X_like: Any) -> np.ndarray:
    """Predictions of zeros: they tell the dtype and the shape, and what is wrong with the columns."""
    zeros = np.zeros((1, X_like.shape[1]))
    if hasattr(X_like, "columns"):
        zeros = type(checked_table(X_like))(zeros, columns=X_like.columns)
    with np.errstate(all="ignore"):
        return predict(zeros)


def _predict_block(X: Any, given: tuple) -> Any:
    predict, like = given
    predictions = predict(X) if X.shape[0] else like
    return _series(predictions, X) if like.ndim == 1 and hasattr(X, "columns") else predictions


def _series(predictions: np.ndarray, X: Any) -> Any:
    """Predictions for the rows of a frame; objects stay objects, whatever those of a block could be taken for."""
    dtype = object if predictions.dtype.kind in "OU" else predictions.dtype
    return X._constructor_sliced(predictions, X.index, dtype=dtype)


class Blocks:
    """Parts of collections as keys of one graph: each pass adds its own tasks to that, without asking Dask again."""

    def __init__(self, blocks: list):
        # each is something lazy that computes a tuple, or a tuple of such
        graphs = {id(each.dask): each.dask for block in blocks for each in _each_of(block)}
        self.graph: dict = {}
        for graph in graphs.values():
            self.graph.update(graph)
        self.keys = [[each.key for each in _each_of(block)] for block in blocks]
        self.are_packed = not isinstance(blocks[0], tuple)
        self.alone: dict[int, dict] = {}  # what is needed for a single one

    def __len__(self) -> int:
        return len(self.keys)

    def needed_for(self, number: int) -> dict:
        """The part of the graph that computes one of them."""
        if number not in self.alone:
            self.alone[number] = cull(self.graph, self.keys[number])[0]
        return self.alone[number]


def _each_of(block: Any) -> tuple:
    return block if isinstance(block, tuple) else (block,)


class Work(NamedTuple):
    """What is to be done to each part: sent once, however many there are."""

    function: Callable
    arguments: tuple
    without_X: bool


class DaskPartitions:
    """Parts of collections; work on them runs on the scheduler in force."""

    def __init__(self, X_like: Any, y_like: Any, parts: list, targets: list):
        self.X_like, self.y_like, self.n_partitions = X_like, y_like, len(parts)
        self.parts, self.targets = Blocks(parts), targets  # of (X, y, weight); the same without X

    def map(self, work: Callable, *arguments: Any, without_X: bool = False) -> list:
        """What work gives for each part, in their order."""
        blocks = Blocks(self.targets) if without_X else self.parts
        graph, keys = _tasks(Work(work, arguments, without_X), blocks)
        return compute(_gathered(graph, keys, _list))

    def total(self, work: Callable, *arguments: Any) -> Any:
        """The sum of what work gives, None aside, in a tree."""
        return compute(self._sum(work, arguments))

    def later(self, work: Callable, finish: Callable) -> Any:
        """finish(sum of what work gives, None aside), as an array without dimensions that isn't computed yet."""
        number = dask.delayed(finish, pure=False, traverse=False)(self._sum(work, ()))
        array = da.from_delayed(number, (), np.float64)
        return Number(array.dask, array.name, array.chunks, meta=array._meta)

    def _sum(self, work: Callable, arguments: tuple) -> Delayed:
        graph, keys = _tasks(Work(work, arguments, False), self.parts)
        while len(keys) > 1:
            name = _new_name("sum")
            groups = [keys[k : k + FAN_IN] for k in range(0, len(keys), FAN_IN)]
            for k, group in enumerate(groups):
                _add_task(graph, (name, k), _add, group)
            keys = [(name, k) for k in range(len(groups))]
        return Delayed(keys[0], graph)

    def fetch(self, work: Callable, numbers: Sequence[int], *arguments: Any) -> Generator:
        """What work gives for some parts, one after the other."""
        client, reader, waiting = client_in_force(), concurrent.futures.ThreadPoolExecutor(AHEAD), deque[Any]()

        def begin(task: Any) -> Any:
            if client is not None:
                return OnCluster(client, task)
            context = contextvars.copy_context()  # where something may be set that is in force here only
            return reader.submit(context.run, on_this_machine, task)

        try:
            for number in numbers:
                graph, keys = _tasks(Work(work, arguments, False), self.parts, number)
                waiting.append(begin(Delayed(keys[0], graph)))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
            reader.shutdown(wait=False)  # what it reads just now nobody waits for


class Number(da.Array):
    """A number that isn't computed yet; scikit-learn's cross-validation asks for it as it does for NumPy's."""

    __slots__ = ()

    def compute(self, **kwargs: Any) -> Any:
        """The number, on the scheduler in force."""
        with told_in_plain_words():
            return super().compute(**kwargs)

    def item(self) -> float:
        """The number itself."""
        return self.compute().item()


def _tasks(work: Work, blocks: Blocks, alone: int | None = None) -> tuple[dict, list]:
    """The graph of some work on all parts, or one alone, and the keys of what it gives for each."""
    name, given = _new_name("work"), _new_name("given")
    graph = dict(blocks.graph if alone is None else blocks.needed_for(alone))
    graph[given] = Opaque((work, blocks.are_packed))
    numbers = range(len(blocks)) if alone is None else [alone]
    for number in numbers:
        _add_task(graph, (name, number), functools.partial(_work_on, number), [given, *blocks.keys[number]])
    return graph, [(name, number) for number in numbers]


def _add_task(graph: dict, key: Any, function: Callable, keys: list) -> None:
    """Add the function of what other keys give."""
    graph[key] = Task(key, function, *map(TaskRef, keys))


def _gathered(graph: dict, keys: list, function: Callable) -> Delayed:
    name = _new_name("gather")
    _add_task(graph, name, function, keys)
    return Delayed(name, graph)


def _new_name(what: str) -> str:
    return f"skgd-{what}-{uuid.uuid4().hex}"


class Opaque:
    """Holds what Dask isn't to look into."""

    def __init__(self, content: Any):
        self.content = content


def _work_on(number: int, given: Opaque, *part: Any) -> Any:
    (function, arguments, without_X), is_packed = given.content
    part = part[0] if is_packed else part
    X, y, weight = ((None, *part, None) if without_X else (*part, None))[:3]
    return function(Part(number, X, y, weight), *arguments)


def _list(*parts: Any) -> list:
    return list(parts)


def _add(*parts: Any) -> Any:
    there = [part for part in parts if part is not None]
    return functools.reduce(operator.add, there) if there else None


# -- from collections to their parts
