"""Dask's collections as partitions: the only module that knows Dask."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import operator
import sys
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.delayed import Delayed
from dask.optimization import cull
from scipy import sparse

from ._containers import checked_table
from ._partitions import Part
from ._warnings import warn_user

FAN_IN = 16  # sums that are added up at once, from the leaves of the tree to its root
AHEAD = 2  # partitions that are got ready while one is worked on
PATIENCE = 30.0  # seconds without a result, after which somebody looks whether there are workers

NO_ROWS = "{} is a Dask {}: give an Array or a DataFrame, as dask.array.from_delayed and Bag.to_dataframe make them"
NO_WORKERS = "the cluster has no workers: waiting for some to come; Ctrl-C ends that, and keeps what has been learnt"
KILLED_WORKERS = (
    "work on a partition ended each worker that tried it, most often for want of memory: make smaller partitions, or "
    "give workers more memory"
)
LOST_CONNECTION = (
    "the connection to the cluster's scheduler is lost: connect a new Client and fit again; what a fit had learnt "
    "until then skgd.callbacks.Checkpoint keeps"
)
LOST_ROWS = (
    "rows are lost with the worker that held them, and nothing tells how to compute them again, as of what "
    "client.scatter has sent: load them from files, or persist() collections that know where their rows come from"
)
REASONS = {  # for which distributed cancels work
    "lost dependencies": LOST_ROWS,
    "already forgotten": LOST_ROWS,
    "scheduler-connection-lost": LOST_CONNECTION,
    "scheduler-restart": "the cluster was restarted while it worked for a fit: fit again",
}


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


def lazily(predict: Callable, X: Any) -> Any:
    """What predict gives for rows, block by block: an array, or a series for one-dimensional predictions of a frame."""
    X = _in_one_piece_by_columns(X, "X")
    like = _predictions_of_one_row(predict, _like(X))[:0]
    given = dask.delayed((predict, like), traverse=False, pure=False)  # once, however many blocks there are
    if not isinstance(X, da.Array):
        meta = _series(like, X._meta) if like.ndim == 1 else like
        return X.map_partitions(_predict_block, given=given, meta=meta)
    if like.ndim == 1:
        return X.map_blocks(_predict_block, given=given, dtype=like.dtype, drop_axis=1, meta=like)
    chunks = X.chunks[0], (like.shape[1],)
    return X.map_blocks(_predict_block, given=given, dtype=like.dtype, chunks=chunks, meta=like)


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
        return _compute(_gathered(graph, keys, _list))

    def total(self, work: Callable, *arguments: Any) -> Any:
        """The sum of what work gives, None aside, in a tree."""
        return _compute(self._sum(work, arguments))

    def later(self, work: Callable, finish: Callable) -> Any:
        """finish(sum of what work gives, None aside), as an array without dimensions that isn't computed yet."""
        number = dask.delayed(finish, pure=False, traverse=False)(self._sum(work, ()))
        return da.from_delayed(number, (), np.float64)

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
        client, reader, waiting = _client(), concurrent.futures.ThreadPoolExecutor(AHEAD), deque[Any]()

        def begin(task: Any) -> Any:
            if client is not None:
                return OnCluster(client, task)
            context = contextvars.copy_context()  # where something may be set that is in force here only
            return reader.submit(context.run, _on_this_machine, task)

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


def _compute(task: Any) -> Any:
    """What a task gives, on the scheduler in force."""
    client = _client()
    return _on_this_machine(task) if client is None else OnCluster(client, task).result()


def _on_this_machine(task: Any) -> Any:
    return dask.compute(task)[0]


def _client() -> Any:
    """The client of distributed that is in force, or None; nothing is imported for it."""
    if "distributed" not in sys.modules:
        return None
    client = getattr(dask.base.get_scheduler(), "__self__", None)
    return client if isinstance(client, sys.modules["distributed"].Client) else None


class OnCluster:
    """A task that has been sent to a cluster, whose result is waited for with open eyes."""

    def __init__(self, client: Any, task: Any):
        if client.status != "running":
            raise RuntimeError(LOST_CONNECTION)
        self.client, self.future = client, client.compute(task)
        gather = client.gather(self.future, asynchronous=True)
        self.gathered = asyncio.run_coroutine_threadsafe(gather, client.loop.asyncio_loop)

    def result(self) -> Any:
        """What the task gives; a RuntimeError where the cluster can't say it."""
        try:
            with _beside_other_tasks():
                if not concurrent.futures.wait([self.gathered], timeout=PATIENCE).done and not self.client.nthreads():
                    warn_user(NO_WORKERS, RuntimeWarning)
                return self.gathered.result()
        except Exception as error:
            words = _in_plain_words(error)
            if words is None:
                raise
            raise RuntimeError(words) from error
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody wants the result any more."""
        self.future.release()


@contextlib.contextmanager
def _beside_other_tasks() -> Iterator[None]:
    """In a task of a worker let others have its thread while it waits for them."""
    distributed = sys.modules["distributed"]
    inside = False
    with contextlib.suppress(Exception):  # of many kinds: here is no worker, or the thread has been given away
        distributed.secede()
        inside = True
    try:
        yield
    finally:
        if inside:
            distributed.rejoin()


def _in_plain_words(error: Exception) -> str | None:
    """What an error of a cluster means for a fit; None of errors that the work itself raised."""
    if not type(error).__module__.startswith("distributed."):
        return None
    if type(error).__name__ == "KilledWorker":
        return f"{KILLED_WORKERS} ({error})"
    if isinstance(error, OSError):
        return LOST_CONNECTION
    return REASONS.get(getattr(error, "reason", ""), f"the cluster gave the work up: {error}")


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


def _in_one_piece_by_columns(X: Any, name: str) -> Any:
    if not is_collection(X):
        raise ValueError(NO_ROWS.format(name, type(X).__name__))
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
    return _in_rows(X, names), *others


def _in_rows(frame: Any, names: list) -> Any:
    """A frame of floats as an array, so that the frame itself can go; any other, of other columns too, as it is."""
    dtypes = set(frame.dtypes) if hasattr(frame, "columns") and list(frame.columns) == names else set()
    of_floats = len(dtypes) == 1 and dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}
    return np.ascontiguousarray(frame.to_numpy()) if of_floats else frame


def _blocks(data: Any) -> list:
    """The parts of a collection, along its rows."""
    blocks = data.to_delayed(optimize_graph=not _is_frame(data))
    return list(blocks.ravel() if isinstance(blocks, np.ndarray) else blocks)


def _blocks_alike(data: Any, X: Any, blocks: list, name: str) -> list:
    """Parts of y or of weights that belong to those of X."""
    lengths = X.chunks[0] if isinstance(X, da.Array) else (np.nan,)
    data = data if is_collection(data) else da.from_array(np.asarray(data), chunks=-1)
    if not data.ndim:
        raise ValueError(f"{name} must have an entry for each row of X")
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
