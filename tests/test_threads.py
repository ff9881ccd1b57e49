"""Work shared among threads: complete, in order, with BLAS as it was found afterwards."""

import multiprocessing
import threading
import time

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info

import skgd.linear_model  # loads the libraries of BLAS that fits work with
from skgd import _parallel as threads


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("n_tasks", [1, 2, 7])
def test_results_come_in_the_order_of_the_tasks(n_threads, n_tasks):
    def work(task):
        time.sleep(0.03 if task % 2 == 0 else 0.0)  # so that others are done before
        return task**2

    assert list(threads.run(work, range(n_tasks), n_threads)) == [task**2 for task in range(n_tasks)]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_any_thread_reaches_the_caller_and_later_work_goes_on(n_threads):
    def fails_late(task):
        if task == 5:
            raise RuntimeError("task 5")
        return task

    with pytest.raises(RuntimeError, match="task 5"):
        list(threads.run(fails_late, range(8), n_threads))
    assert list(threads.run(str, range(3), n_threads)) == ["0", "1", "2"]


@pytest.mark.parametrize("n_rows", [1, 99, 100_000, 1_000_003])
@pytest.mark.parametrize("row_entries", [1, 20, 50_000_000])
def test_parts_cover_every_row_once(n_rows, row_entries):
    parts = threads.parts(n_rows, row_entries, n_params=21, multiple=64)
    assert [start for start, _ in parts] == [0, *(stop for _, stop in parts[:-1])]
    assert parts[-1][1] == n_rows
    assert all(start < stop for start, stop in parts)


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def two_threads_of_blas():
    """As many, whatever the machine and the environment give it."""
    libraries = [found for found in ThreadpoolController().lib_controllers if found.user_api == "blas"]

    def give(numbers):
        def each():
            for library, number in zip(libraries, numbers, strict=True):
                library.set_num_threads(number)

        # threadpoolctl lets one thread decide while it lives: not this one
        helper = threading.Thread(target=each)
        helper.start()
        helper.join()

    before = [library.num_threads for library in libraries]
    give([2] * len(libraries))
    yield
    give(before)


def test_blas_has_its_threads_back_whoever_leaves_first(two_threads_of_blas):
    before = blas_threads()
    assert set(before) == {2}
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with threads.single_threaded_blas():
            entered.set()
            leave.wait(10)

    for thread_first in (True, False):
        other = threading.Thread(target=stay)
        if thread_first:
            other.start()
            assert entered.wait(10)
        with threads.single_threaded_blas(), threads.single_threaded_blas():
            assert set(blas_threads()) == {1}
            if not thread_first:
                other.start()
                assert entered.wait(10)
        leave.set()
        other.join()
        assert blas_threads() == before
        entered.clear()
        leave.clear()


def fitted_coefficients(n_rows=150_000):  # in parts enough for threads
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 30))
    return skgd.linear_model.GDLogisticClassifier().fit(X, X[:, 0] + rng.logistic(size=n_rows) > 0).coef_


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    here = fitted_coefficients()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        there = pool.apply_async(fitted_coefficients).get(timeout=60)
    np.testing.assert_array_equal(there, here)
