"""Work shared among threads, with results that don't depend on their number."""

import contextlib
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

from ._validation import openmp_threads

PART_ENTRIES = 2**20  # entries of X that one thread works on at a time: some milliseconds
ENTRIES_PER_PARAMETER = 8  # of a part, at least: the sums of its own that it needs are few beside them


def n_threads(n_jobs: int | None) -> int:
    """Threads for n_jobs: None is as many as OpenMP would take, all that a worker of joblib or a container leaves."""
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning: give None, a positive number of threads, or -1 for one a core")
    return openmp_threads() if n_jobs is None else effective_n_jobs(n_jobs)


def parts(n_rows: int, row_entries: int, n_params: int, multiple: int) -> list[tuple[int, int]]:
    """Ranges of rows for a pass over the data, of nearly one size: the same ones whatever the number of threads.

    Each part needs sums of its own, n_params numbers.
    """
    rows = max(PART_ENTRIES, ENTRIES_PER_PARAMETER * n_params) // max(row_entries, 1)
    n_parts = max(1, n_rows // max(rows, 1))
    n_parts += n_parts > 1 and n_parts % 2  # an odd one would leave one of two threads without work at the end
    rows = max(1, -(-n_rows // (n_parts * multiple)) * multiple)
    return [(start, min(start + rows, n_rows)) for start in range(0, n_rows, rows)]


def run(work: Callable, tasks: Sequence, n_threads: int) -> Iterator:
    """Results of work(task) in the order of the tasks, each as soon as it is there; this thread works, too."""
    n_threads = min(n_threads, len(tasks))
    with single_threaded_blas():
        if n_threads == 1:
            yield from map(work, tasks)
            return
        waiting, done = deque(enumerate(tasks)), {}

        def take_one() -> bool:
            try:
                number, task = waiting.popleft()
            except IndexError:
                return False
            done[number] = work(task)
            return True

        def take_all() -> None:
            while take_one():
                pass

        helpers = [_pool(n_threads - 1).submit(take_all) for _ in range(n_threads - 1)]
        try:
            for number in range(len(tasks)):
                while number not in done and take_one():
                    pass
                if number not in done:
                    _finish(helpers)
                yield done.pop(number)
        finally:
            waiting.clear()
            _finish(helpers)


def run_over_rows(work: Callable, n_rows: int, row_entries: int, n_params: int, n_threads: int) -> Iterator:
    """Results of work((start, stop)) over parts of the rows, at once where they are a single one."""
    ranges = parts(n_rows, row_entries, n_params, 1)
    return map(work, ranges) if len(ranges) == 1 else run(work, ranges, n_threads)


def _finish(helpers: list) -> None:
    """Wait for those that have begun; an error of theirs is raised here."""
    for helper in helpers:
        if not helper.cancel():
            helper.result()


@functools.cache
def _pool(size: int) -> ThreadPoolExecutor:
    """Threads that are kept: starting them for every pass would cost a good part of a short one."""
    return ThreadPoolExecutor(size, thread_name_prefix="skgd")


@functools.cache
def _blas() -> ThreadpoolController:
    """What limits the threads of BLAS; finding its libraries takes a millisecond."""
    return ThreadpoolController()


_blas_is_limited = threading.Lock()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Leave all threads to us. Of several fits at once the first limits BLAS, and gives its threads back in the end."""
    lock = _blas_is_limited
    if not lock.acquire(blocking=False):
        yield
        return
    try:
        with _blas().limit(limits=1, user_api="blas"):
            yield
    finally:
        lock.release()


def _begin_in_child() -> None:
    """A child process has none of its parent's threads, whatever these were doing."""
    global _blas_is_limited
    _pool.cache_clear()
    _blas_is_limited = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
