"""Work shared among threads, with results that don't depend on their number."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from joblib import effective_n_jobs

from .._validation import openmp_threads

PART_ENTRIES = 2**20  # entries of X that one thread works on at a time: some milliseconds


def n_threads(n_jobs: int | None) -> int:
    """Threads for n_jobs: None is as many as OpenMP would take, all that a worker of joblib or a container leaves."""
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning: give None, a positive number of threads, or -1 for one a core")
    return openmp_threads() if n_jobs is None else effective_n_jobs(n_jobs)


def parts(n_rows: int, row_entries: int, n_params: int, multiple: int) -> list[tuple[int, int]]:
    """Ranges of rows for a pass over the data: the same ones whatever the number of threads.

    Each part needs sums of its own, n_params numbers: parts are large enough that these are few beside the data.
    """
    rows = max(PART_ENTRIES, 8 * n_params) // max(row_entries, 1)
    rows = max(rows // multiple, 1) * multiple
    return [(start, min(start + rows, n_rows)) for start in range(0, n_rows, rows)]


def run(work: Callable, tasks: Sequence, n_threads: int) -> Iterator:
    """Results of work(task) in the order of the tasks."""
    if n_threads == 1 or len(tasks) == 1:
        yield from map(work, tasks)
        return
    with ThreadPoolExecutor(min(n_threads, len(tasks))) as pool:
        yield from pool.map(work, tasks)
