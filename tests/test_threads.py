"""Work shared among threads: complete, in order, in the caller's surroundings, with BLAS as it was found afterwards."""

import contextvars
import multiprocessing
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController, threadpool_info

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor  # loads the BLAS that fits work with
from skgd import _parallel as threads
from skgd._problem import predictions, sample
from skgd._targets import classes


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("n_tasks", [1, 2, 7])
def test_every_task_is_done_once(n_threads, n_tasks):
    assert list(threads.run(lambda task: task**2, range(n_tasks), n_threads)) == [task**2 for task in range(n_tasks)]


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("late", [0, 2, 5])
def test_results_come_in_the_order_of_the_tasks(late, n_threads):
    others_are_done, done = threading.Event(), []

    def work(task):
        if task == late:
            assert others_are_done.wait(10)
        done.append(task)
        if len(done) == 5:
            others_are_done.set()
        return task

    assert list(threads.run(work, range(6), n_threads)) == [0, 1, 2, 3, 4, 5]
    assert done[-1] == late


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_any_thread_reaches_the_caller_and_later_work_goes_on(error, n_threads):
    began = []

    def fails_late(task):
        began.append(task)
        if task == 5:
            raise error("task 5")
        return task

    before = blas_threads()
    with pytest.raises(error, match="task 5"):
        list(threads.run(fails_late, range(1000), n_threads))
    assert len(began) < 1000
    assert blas_threads() == before
    assert list(threads.run(str, range(3), n_threads)) == ["0", "1", "2"]


def test_an_interrupt_in_a_helping_thread_ends_the_work_of_all():
    began, raised = [], threading.Event()

    def work(task):
        began.append(task)
        if threading.current_thread() is not threading.main_thread():
            raised.set()
            raise KeyboardInterrupt
        raised.wait(10)
        time.sleep(1e-3)

    with pytest.raises(KeyboardInterrupt):
        list(threads.run(work, range(1000), 2))
    assert len(began) < 500


def test_the_first_of_several_errors_is_raised_after_the_results_before_it():
    both_began = threading.Barrier(2)

    def fails(task):
        if task < 2:
            return task
        both_began.wait(10)
        raise ValueError(f"task {task}")

    found = threads.run(fails, range(4), 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="task 2"):
        next(found)


def test_where_no_thread_can_be_started_the_caller_does_all_work(monkeypatch):
    def fails(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fails)
    threads._pool.cache_clear()
    assert list(threads.run(str, range(5), 3)) == ["0", "1", "2", "3", "4"]
    threads._pool.cache_clear()


def test_what_the_caller_has_set_holds_in_all_threads():
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set here")
    all_began = threading.Barrier(3)

    def surroundings(task):
        all_began.wait(10)  # a thread for each task
        return threading.get_ident(), variable.get(), np.geterr(), get_config()["assume_finite"]

    with np.errstate(all="raise", under="ignore"), config_context(assume_finite=True):
        here = np.geterr()
        seen = list(threads.run(surroundings, range(3), 3))
    assert len({thread for thread, *_ in seen}) == 3
    assert [rest for _, *rest in seen] == 3 * [["set here", here, True]]
    with np.errstate(all="ignore"):
        here = np.geterr()
        assert [errors for _, _, errors, _ in threads.run(surroundings, range(3), 3)] == 3 * [here]


@pytest.mark.parametrize("n_rows", [1, 99, 100_000, 1_000_003])
@pytest.mark.parametrize("row_entries", [1, 20, 50_000_000])
def test_parts_cover_every_row_once(n_rows, row_entries):
    parts = threads.parts(n_rows, row_entries, n_params=21, multiple=64)
    assert [start for start, _ in parts] == [0, *(stop for _, stop in parts[:-1])]
    assert parts[-1][1] == n_rows
    assert all(start < stop for start, stop in parts)


@pytest.mark.parametrize("n_parts", [20, 36, 77])
def test_many_parts_leave_none_of_sixteen_threads_without_work(n_parts):
    parts = threads.parts(n_parts * 1_000, 1, n_params=0, multiple=1, part_entries=1_000)
    assert len(parts) % 16 == 0
    assert abs(len(parts) - n_parts) <= 8
    rows = [stop - start for start, stop in parts]
    assert max(rows) - min(rows) <= len(parts)  # of nearly one size


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two_threads_of_blas():
    """As many, whatever the machine, the environment and the session give it."""
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


def test_blas_is_limited_until_the_last_has_left():
    before = blas_threads()
    assert set(before) == {2}
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with threads.single_threaded_blas():
            entered.set()
            leave.wait(10)

    for other_first in (True, False):
        other = threading.Thread(target=stay)
        if other_first:
            other.start()
            assert entered.wait(10)
        with threads.single_threaded_blas(), threads.single_threaded_blas():
            assert set(blas_threads()) == {1}
            if other_first:
                leave.set()
                other.join()
                assert set(blas_threads()) == {1}
            else:
                other.start()
                assert entered.wait(10)
        if not other_first:
            assert set(blas_threads()) == {1}
            leave.set()
            other.join()
        assert blas_threads() == before
        entered.clear()
        leave.clear()


# -- fits


def parameters_of(model):
    arrays = [*model.coefs_, *model.intercepts_] if hasattr(model, "coefs_") else [model.coef_, model.intercept_]
    if isinstance(arrays[0], list):  # of members
        arrays = [array for of_member in arrays for array in of_member]
    return np.concatenate([np.ravel(array) for array in arrays])


def fitted_coefficients(n_rows=150_000):  # in parts enough for threads
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 30))
    return GDLogisticClassifier().fit(X, X[:, 0] + rng.logistic(size=n_rows) > 0).coef_


@pytest.mark.parametrize("standardize", [True, "max_abs"])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_threads_give_the_same_bits(as_sparse, standardize, monkeypatch):
    monkeypatch.setattr(threads, "PART_ENTRIES", 2**14)  # so that there are many parts
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 20)) * (rng.random((20_000, 20)) < 0.7)
    y = X[:, 0] + rng.logistic(size=20_000) > 0
    assert len(threads.parts(20_000, 20, 21, 1)) >= 8
    X = sparse.csr_array(X) if as_sparse else X
    models = [GDLogisticClassifier(n_jobs=n_jobs, standardize=standardize).fit(X, y) for n_jobs in (1, 2, 5, None)]
    for model in models[1:]:
        np.testing.assert_array_equal(parameters_of(model), parameters_of(models[0]))
        np.testing.assert_array_equal(model.loss_curve_, models[0].loss_curve_)
        np.testing.assert_array_equal(model.decision_function(X), models[0].decision_function(X))
    with pytest.raises(ValueError, match="n_jobs=0"):
        GDLogisticClassifier(n_jobs=0).fit(X[:100], y[:100])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kept_apart", [False, True])
def test_several_classes_have_the_same_bits_and_scikit_learns_optimum(dtype, kept_apart, monkeypatch):
    monkeypatch.setattr(threads, "PART_ENTRIES", 2**14)
    monkeypatch.setattr(classes, "ENCODING_ROWS", 1000)
    monkeypatch.setattr(sample, "PART_ENTRIES", 2**14)
    rng = np.random.default_rng(0)
    X = (3.0 + rng.standard_normal((30_000, 8)) * np.arange(1.0, 9.0)).astype(dtype)
    y = (X[:, :4] / np.arange(1.0, 5.0) + rng.gumbel(size=(len(X), 4))).argmax(axis=1)
    weight = rng.integers(0 if kept_apart else 1, 4, len(X))  # rows without weight are left out by their numbers
    models = [GDLogisticClassifier(alpha=1e-3, n_jobs=n_jobs).fit(X, y, weight) for n_jobs in (1, 2, 3, 4)]
    for model in models[1:]:
        np.testing.assert_array_equal(parameters_of(model), parameters_of(models[0]))
        np.testing.assert_array_equal(model.loss_curve_, models[0].loss_curve_)
    mean = np.average(X.astype(float), axis=0, weights=weight)
    std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    peer = LogisticRegression(C=1 / (1e-3 * weight.sum()), tol=1e-10, max_iter=1000)
    peer.fit((X - mean) / std, y, weight)
    np.testing.assert_allclose(models[0].coef_ * std, peer.coef_, atol=1e-5)


def test_what_threads_add_up_has_the_bits_of_one_after_the_other():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5, 100_001)) * 10.0 ** rng.integers(-8, 8, (5, 100_001))
    expected = np.zeros(100_001)
    for vector in vectors:
        expected += vector
    for n_threads in (1, 2, 3):
        np.testing.assert_array_equal(threads.added_up(vectors, n_threads), expected)
    many = np.ones((3_000_000, 2), np.float32)
    assert threads.total(many, 2) == 6_000_000
    many[-1] = np.nan
    assert np.isnan(threads.total(many, 2))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("model", [GDLinearRegressor(), GDMLPRegressor(hidden_layer_sizes=(2,), max_iter=1, tol=None)])
def test_threads_look_for_infinite_entries_of_rows_to_predict(model, order, monkeypatch):
    X = np.random.default_rng(0).normal(size=(600_000, 2))
    model.set_params(n_jobs=2).fit(X[:100], X[:100, 0])
    X = np.asarray(X, order=order)
    seen = []
    monkeypatch.setattr(
        threads, "run", lambda work, tasks, *others, run=threads.run: seen.append(tasks) or run(work, tasks, *others)
    )
    model.predict(X)
    assert len(seen) == 2
    assert all(tasks[0][0] == 0 and tasks[-1][1] == len(X) for tasks in seen)
    X[-1, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.predict(X)


@pytest.mark.parametrize("values", [[3, 5, 4], [-7, 900], [0, 10**6], ["b", "a", "c"], [0.5, 0.25]])
def test_threads_find_classes_as_numpy_does(values, monkeypatch):
    monkeypatch.setattr(classes, "ENCODING_ROWS", 7)
    y = np.random.default_rng(0).choice(values, 100)
    expected, index = np.unique(y, return_inverse=True)
    for n_threads in (1, 3):
        np.testing.assert_array_equal(classes.unique_classes(y, n_threads), expected)
        found = classes.class_index(y, expected, n_threads)
        np.testing.assert_array_equal(found[:, 0], index)
        rows = np.arange(0, 100, 3)
        counts = classes.class_totals(found, np.arange(100.0), len(values), rows, n_threads)
        np.testing.assert_array_equal(counts, np.bincount(index[rows], rows, len(values)))
    with pytest.raises(ValueError, match="not among the known ones"):
        classes.class_index(y, expected[:-1], 3)


@pytest.mark.parametrize("activation", ["relu", "silu"])  # that take the place of what they are given, and not
@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "csr"])
def test_networks_predict_by_parts_what_their_formula_gives(kind, activation, monkeypatch):
    monkeypatch.setattr(predictions, "NETWORK_PART_WORK", 2**16)
    monkeypatch.setattr(predictions, "NETWORK_BLOCK_ENTRIES", 2**10)
    rng = np.random.default_rng(0)
    X = rng.integers(-3, 4, (3_000, 5))
    settings = {"hidden_layer_sizes": (20, 30), "max_iter": 1, "n_members": 1, "random_state": 0}
    model = GDMLPRegressor(activation=activation, **settings)
    model.fit(X[:100].astype(float), X[:100, 0].astype(float))
    z = X.astype(float)
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        z = z @ coef + intercept
        z = np.maximum(z, 0) if activation == "relu" else z / (1 + np.exp(-z))
    expected = (z @ model.coefs_[-1] + model.intercepts_[-1])[:, 0]
    rows = sparse.csr_array(X.astype(float)) if kind == "csr" else X.astype(kind)
    found = [model.set_params(n_jobs=n_jobs).predict(rows) for n_jobs in (1, 2, 3)]
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_fits_in_several_threads_at_once_give_the_bits_of_each_alone():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 60))
    y = X @ rng.standard_normal(60) + rng.standard_normal(20_000)
    fits = {
        "line search": (GDLogisticClassifier(), X, y > 0),
        "several classes": (GDLogisticClassifier(), X, np.digitize(y, [-5, 0, 5])),
        "Newton": (GDLogisticClassifier(alpha=0.1), X[:300], y[:300] > 0),
        "more columns than rows": (GDLogisticClassifier(alpha=0.1), X[:6000].reshape(100, -1)[:, :160], y[:100] > 0),
        "network": (GDMLPRegressor(hidden_layer_sizes=(50,), max_iter=2, random_state=0), X[:4000], y[:4000]),
    }
    alone = [parameters_of(model.fit(*data)) for model, *data in fits.values()]
    together = [None] * len(fits)
    began = threading.Barrier(len(fits))

    def fit(number, model, *data):
        began.wait(10)
        for _ in range(3):  # so that they end at different times
            together[number] = parameters_of(model.fit(*data))

    fitting = [threading.Thread(target=fit, args=(number, *case)) for number, case in enumerate(fits.values())]
    for thread in fitting:
        thread.start()
    for thread in fitting:
        thread.join()
    for name, there, here in zip(fits, together, alone, strict=True):
        np.testing.assert_array_equal(there, here, err_msg=name)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading", "sequential"])
def test_starts_are_compared_here_whatever_joblib_is_told(backend):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(200)
    settings = {"hidden_layer_sizes": (4,), "max_iter": 5, "n_restarts": 4, "random_state": 0}
    expected = GDMLPRegressor(n_jobs=1, **settings).fit(X, y)
    with joblib.parallel_config(backend):
        model = GDMLPRegressor(n_jobs=2, **settings).fit(X, y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(expected))
    np.testing.assert_array_equal(model.restart_scores_, expected.restart_scores_)
    assert len(set(model.restart_scores_)) == 4
    assert model.n_iter_ == 5


def test_floating_point_errors_are_the_callers_whatever_the_number_of_threads():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4_000, 600))  # two parts
    model = GDLinearRegressor(max_iter=1, tol=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:700], X[:700, 0])
    model.coef_ *= 1e300
    for n_jobs in (1, 2):
        model.set_params(n_jobs=n_jobs)
        with np.errstate(over="raise", invalid="raise"), pytest.raises(FloatingPointError):
            model.predict(X * 1e100)
        with np.errstate(all="ignore"):
            assert not np.isfinite(model.predict(X * 1e100)).all()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    here = fitted_coefficients()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        there = pool.apply_async(fitted_coefficients).get(timeout=60)
    np.testing.assert_array_equal(there, here)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("forks_within", [False, True])
def test_a_child_forked_during_a_fit_has_the_threads_of_blas_back(forks_within):
    before, entered, leave = blas_threads(), threading.Event(), threading.Event()

    def stay():
        with threads.single_threaded_blas():
            entered.set()
            leave.wait(60)

    other = threading.Thread(target=stay)
    other.start()
    assert entered.wait(10)
    try:
        if forks_within:
            with threads.single_threaded_blas(), multiprocessing.get_context("fork").Pool(1) as pool:
                assert set(pool.apply_async(blas_threads).get(timeout=60)) == {1}
        else:
            with multiprocessing.get_context("fork").Pool(1) as pool:
                assert pool.apply_async(blas_threads).get(timeout=60) == before
    finally:
        leave.set()
        other.join()
    assert blas_threads() == before
