"""Work shared among threads, with results that don't depend on their number."""

import contextlib
import contextvars
import functools
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn import config_context, get_config
from threadpoolctl import ThreadpoolController

from ._validation import openmp_threads

PART_ENTRIES = 2**20  # entries of X that one thread works on at a time: some milliseconds
FEW_ENTRIES = 2**17  # of work that takes no longer than to limit the threads of BLAS, which it would hardly use
ENTRIES_PER_PARAMETER = 8  # of a part, at least: the sums of its own that it needs are few beside them
MANY_PARTS = 16  # more are a multiple of it: on so many cores, or 8, or 4, no thread is left without work at the end
ADDED_AT_ONCE = 2**15  # entries of each vector, where the sum of many long ones is shared


def n_threads(n_jobs: int | None) -> int:
    """Threads for n_jobs: None is as many as OpenMP would take, all that a worker of joblib or a container leaves."""
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning: give None, a positive number of threads, or -1 for one a core")
    return openmp_threads() if n_jobs is None else effective_n_jobs(n_jobs)


def parts(
    n_rows: int, row_entries: int, n_params: int, multiple: int, part_entries: int | None = None
) -> list[tuple[int, int]]:
    """Ranges of rows for a pass over the data, of nearly one size: the same ones whatever the number of threads.

    Each part needs sums of its own, n_params numbers.
    """
    rows = max(part_entries or PART_ENTRIES, ENTRIES_PER_PARAMETER * n_params) // max(row_entries, 1)
    n_parts = max(1, n_rows // max(rows, 1))
    if n_parts > MANY_PARTS:
        n_parts = round(n_parts / MANY_PARTS) * MANY_PARTS
    else:
        n_parts += n_parts > 1 and n_parts % 2  # an odd one would leave one of two threads without work at the end
    rows = max(1, -(-n_rows // (n_parts * multiple)) * multiple)
    return [(start, min(start + rows, n_rows)) for start in range(0, n_rows, rows)]


def run(work: Callable, tasks: Sequence, n_threads: int, give_up: Callable[[], object] = lambda: None) -> Iterator:
    """Results of work(task) in the order of the tasks, each as soon as it is there; this thread works, too.

    An error of a task is raised in place of its result: the first one's in the order of the tasks, whichever thread it
    comes from. What the caller has set for NumPy's errors, scikit-learn and context variables holds in all threads.
    Ctrl-C is heard in one thread alone: `give_up()` tells the others.
    """
    n_threads = min(n_threads, len(tasks))
    with single_threaded_blas():
        if n_threads <= 1:
            yield from map(work, tasks)
            return
        waiting = deque(enumerate(tasks))
        done: dict[int, tuple[Any, Exception | None]] = {}  # results and errors

        def take_one() -> bool:
            try:
                number, task = waiting.popleft()
            except IndexError:
                return False
            try:
                done[number] = work(task), None
            except Exception as error:
                waiting.clear()  # their results would never be asked for
                done[number] = None, error
            except BaseException:  # of a helper, which would leave the rest to the others
                waiting.clear()
                raise
            return True

        def take_all() -> None:
            while take_one():
                pass

        helpers = start(take_all, n_threads - 1)
        try:
            for number in range(len(tasks)):
                while number not in done and take_one():
                    pass
                if number not in done:
                    finish(helpers)
                result, error = done.pop(number)
                if error is not None:
                    raise error
                yield result
        except KeyboardInterrupt:
            give_up()
            raise
        finally:
            waiting.clear()
            finish(helpers)


def run_over_rows(
    work: Callable, n_rows: int, row_entries: int, n_params: int, n_threads: int, part_entries: int | None = None
) -> Iterator:
    """Results of work((start, stop)) over parts of the rows."""
    if n_rows * row_entries <= FEW_ENTRIES:
        return iter([work((0, n_rows))])
    return run(work, parts(n_rows, row_entries, n_params, 1, part_entries), n_threads)


def total(array: np.ndarray, n_jobs: int | None) -> float:
    """Sum of all entries, which is finite only if they all are, by the threads for n_jobs."""
    if array.size <= FEW_ENTRIES:
        return array.sum()
    row_entries = math.prod(array.shape[1:])
    return sum(run_over_rows(lambda part: array[slice(*part)].sum(), len(array), row_entries, 0, n_threads(n_jobs)))


def added_up(vectors: Sequence[np.ndarray], n_threads: int) -> np.ndarray:
    """Sum of vectors of one length, in their order for every entry: the same bits as if one thread added them."""
    if len(vectors) == 1:
        return vectors[0] + 0.0
    sums = np.zeros(vectors[0].size)

    def add(part: tuple[int, int]) -> None:
        of_part = sums[slice(*part)]
        for vector in vectors:
            of_part += vector[slice(*part)]

    for _ in run_over_rows(add, sums.size, len(vectors), 0, n_threads, ADDED_AT_ONCE * len(vectors)):
        pass
    return sums


class Spare:
    """What threads need for a while, kept for the next one: new memory makes all of a process's threads wait."""

    def __init__(self, make: Callable[[], Any]):
        self.make, self.left = make, []  # type: ignore[var-annotated]

    @contextlib.contextmanager
    def one(self) -> Iterator[Any]:
        """One that nobody else has."""
        try:
            each = self.left.pop()
        except IndexError:
            each = self.make()
        yield each
        self.left.append(each)


def start(work: Callable[[], None], n_helpers: int, pool_size: int | None = None) -> list[Future]:
    """Let threads of a pool work in the caller's surroundings: fewer than asked for where the system has no more."""
    errors: Any = np.geterr() | {"call": np.geterrcall()}
    config = get_config()

    def as_here() -> None:
        # NumPy 1 and scikit-learn keep these for each thread, and so do some libraries of BLAS
        with np.errstate(**errors), config_context(**config), single_threaded_blas():
            work()

    helpers = []
    for _ in range(n_helpers):
        try:
            helpers.append(_pool(pool_size or n_helpers).submit(contextvars.copy_context().run, as_here))
        except RuntimeError:  # no new thread can be started
            break
    return helpers


def finish(helpers: list) -> None:
    """Wait for those that have begun; an error of theirs is raised here."""
    for helper in helpers:
        if not helper.cancel():
            helper.result()


@functools.cache
def _pool(size: int) -> ThreadPoolExecutor:
    """Threads that are kept: starting them for every pass would cost a good part of a short one."""
    return ThreadPoolExecutor(size, thread_name_prefix="skgd")


# From 3.8 on threadpoolctl lets one thread alone set the number for the process; the last to leave may be another one.
_RELEASE = "clear_controlling_thread"


class _BlasLimit:
    """One thread for BLAS as long as anybody wants that: the last to leave gives back what the first has found.

    With more threads sums have other last digits; where we share the work ourselves they would fight for the cores.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # the end of a generator may come at any time, also while this thread holds it
        self.depth: dict[int, int] = {}  # how often each thread has entered
        self.n_modules = 0  # that Python had when we looked for libraries
        self.of_process: list = []  # BLAS of NumPy, of SciPy, ...: those with threads for the whole process,
        self.of_thread: list = []  # and those with a number of threads for each of ours
        self.found: dict[int | None, list[int]] = {}  # numbers of threads, by our thread or None: for the process

    def enter(self) -> int:
        with self.lock:
            thread = threading.get_ident()
            if not self.depth:
                self.look_for_libraries()
                self.found[None] = _set_threads(self.of_process, [1] * len(self.of_process))
            if thread not in self.depth:
                self.found[thread] = _set_threads(self.of_thread, [1] * len(self.of_thread))
            self.depth[thread] = self.depth.get(thread, 0) + 1
            return thread

    def leave(self, thread: int) -> None:
        with self.lock:
            self.depth[thread] -= 1
            if not self.depth[thread]:
                del self.depth[thread]
                _set_threads(self.of_thread, self.found.pop(thread))
            if not self.depth:
                _set_threads(self.of_process, self.found.pop(None))

    def look_for_libraries(self) -> None:
        """Find them, which takes a millisecond, and look again where a module imported since may have brought one."""
        if len(sys.modules) == self.n_modules:
            return
        libraries = [each for each in ThreadpoolController().lib_controllers if each.user_api == "blas"]
        of_thread = [hasattr(each, _RELEASE) and each.threading_layer == "openmp" for each in libraries]
        self.of_thread = [each for each, own in zip(libraries, of_thread, strict=True) if own]
        self.of_process = [each for each, own in zip(libraries, of_thread, strict=True) if not own]
        self.n_modules = len(sys.modules)

    def begin_in_child(self) -> None:
        """Of all threads only the one that forked has come along."""
        self.lock = threading.RLock()
        here, held = threading.get_ident(), self.depth
        self.depth = {thread: depth for thread, depth in held.items() if thread == here}
        if held and not self.depth:
            _set_threads(self.of_process, self.found.pop(None))


def _set_threads(libraries: list, numbers: list[int]) -> list[int]:
    """Set the libraries' numbers of threads, and return those that there were before."""
    before = [library.get_num_threads() for library in libraries]
    for library, number in zip(libraries, numbers, strict=True):
        release = getattr(library, _RELEASE, None)
        if release is not None:
            release(force=True)
        library.set_num_threads(number)
        if release is not None:
            release()
    return before


_blas = _BlasLimit()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Leave all threads to us, whoever else does so at the same time."""
    thread = _blas.enter()
    try:
        yield
    finally:
        _blas.leave(thread)


def _begin_in_child() -> None:
    """A child process has none of its parent's threads, whatever these were doing."""
    _pool.cache_clear()
    _blas.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
