"""Fits on a cluster whose workers or scheduler fail: they go on to the same bits, or end with one clear error, soon."""

import contextlib
import functools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from skgd import GDLinearRegressor

dask, distributed = (pytest.importorskip(name) for name in ("dask", "distributed"))
da = pytest.importorskip("dask.array")

N, D, ROWS = 8_000, 5, 1_000
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D))
Y = RNG.poisson(np.exp(X @ np.linspace(-0.5, 0.5, D))).astype(float)
MODEL = GDLinearRegressor("poisson")  # which takes some passes
SOON = 40  # seconds; a hang would be for ever
STARTING = 300  # seconds that workers may take on a busy machine


@pytest.fixture(autouse=True)
def _quiet():
    """What distributed says of failures that are meant."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ResourceWarning)
        warnings.filterwarnings("ignore", message="Creating scratch directories", category=UserWarning)
        yield
    logger.setLevel(level)


@contextlib.contextmanager
def two_workers():
    """The client of a cluster of two workers, each a process that a nanny looks after."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module")
def shared():
    """A place for the client that the tests share."""
    with contextlib.ExitStack() as stack:
        yield {"stack": stack, "client": stack.enter_context(two_workers())}


@pytest.fixture
def client(shared):
    """The client, in force and with both its workers: of a new cluster where a nanny gave up on one."""
    try:
        shared["client"].wait_for_workers(2, timeout=SOON)
    except TimeoutError:
        shared["stack"].close()
        shared["client"] = shared["stack"].enter_context(two_workers())
        shared["client"].wait_for_workers(2, timeout=STARTING)
    with shared["client"].as_current():
        yield shared["client"]


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler, and a worker, that are processes of their own; its client is in force."""
    file = tmp_path / "scheduler.json"
    here = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = [sys.executable, "-m"], ["--scheduler-file", str(file), "--dashboard-address", ":0"]
    run = [*start[0], "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *start[1]]
    work = [*start[0], "distributed.cli.dask_worker", *start[1], "--nthreads", "1"]
    processes = [subprocess.Popen(command, **here) for command in (run, work)]
    try:
        with distributed.Client(scheduler_file=str(file), timeout=SOON) as client:
            client.wait_for_workers(1, timeout=STARTING)
            yield processes[0]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def data():
    return da.from_array(X, chunks=(ROWS, D)), da.from_array(Y, chunks=ROWS)


@pytest.fixture(scope="module")
def expected():
    """The model without failures, on the threads of this process."""
    return clone(MODEL).fit(*data())


@pytest.fixture
def fit_while(at_epoch):
    """Fits while something happens after the first epoch."""

    def fit(action, X_given=None, y_given=None):
        X_parts, y_parts = data()
        X_given, y_given = X_parts if X_given is None else X_given, y_parts if y_given is None else y_given
        return clone(MODEL).set_callbacks(at_epoch(1, action)).fit(X_given, y_given)

    return fit


def assert_same_bits(model, expected):
    assert model.n_iter_ == expected.n_iter_ > 2
    assert np.array_equal(model.coef_, expected.coef_)
    assert np.array_equal(model.intercept_, expected.intercept_)


def kill_a_worker(client, which=0):
    os.kill(list(client.run(os.getpid).values())[which], signal.SIGKILL)


def soon(action, seconds=0.02):
    """A function that lets the action happen a little later, while work is under way."""
    return lambda: threading.Timer(seconds, action).start()


@pytest.fixture
def hears_interrupts():
    """Ctrl-C is heard in whatever shell: one that runs its commands in the background lets them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupt_is_heard_and_keeps_what_has_been_learnt(client, expected, at_epoch):
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    def slow(block):
        time.sleep(0.2)
        return block

    rows = client.persist(data()[0])
    slowly = rows.map_blocks(slow, meta=np.empty((0, 0)))
    model = clone(MODEL).set_callbacks(at_epoch(1, soon(press, 0.3)))
    with pytest.raises(KeyboardInterrupt):
        model.fit(slowly, data()[1])
    assert time.monotonic() - pressed[0] < 1
    assert (model.stop_reason_, model.n_iter_) == ("interrupted", 1)
    assert np.isfinite(model.predict(X)).all()
    deadline = time.monotonic() + 5
    while any(client.processing().values()):  # what a worker has begun it ends
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_workers_that_are_killed_or_restarted_cost_nothing_but_time(client, expected, fit_while):
    assert_same_bits(clone(MODEL).fit(*data()), expected)
    assert_same_bits(fit_while(lambda: kill_a_worker(client)), expected)
    kept = [client.persist(each) for each in data()]  # in the memory of workers, and known where from
    distributed.wait(kept)
    assert_same_bits(fit_while(soon(lambda: kill_a_worker(client)), *kept), expected)
    client.wait_for_workers(2, timeout=STARTING)
    # a nanny that gives up on its worker is no business of ours: the other one is enough
    restart = functools.partial(client.restart_workers, timeout=SOON, raise_for_error=False)
    assert_same_bits(fit_while(lambda: restart(list(client.nthreads())[:1])), expected)


def scattered(client):
    """Rows that are in the memory of workers and nowhere else."""
    workers = list(client.nthreads())
    blocks = [client.scatter(X[k : k + ROWS], workers=workers[k // ROWS % 2]) for k in range(0, N, ROWS)]
    return da.concatenate([da.from_delayed(dask.delayed(block), (ROWS, D), float) for block in blocks])


def test_rows_that_are_lost_for_good_are_a_clear_error(client, expected, fit_while):
    rows = scattered(client)
    model = clone(MODEL).fit(rows, data()[1])
    assert_same_bits(model, expected)
    message = r"rows are lost with the worker that held them.*load them from files"
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=message):  # in a pass
        fit_while(soon(lambda: kill_a_worker(client)), rows)
    with pytest.raises(RuntimeError, match=message):  # or before a fit
        clone(MODEL).fit(rows, data()[1])
    with pytest.raises(RuntimeError, match=message):
        float(model.score(rows, data()[1]))
    assert time.monotonic() - start < SOON


def test_work_that_ends_its_workers_is_a_clear_error(client, monkeypatch):
    def dies(block):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)
    rows = data()[0].map_blocks(dies, meta=np.empty((0, 0)))
    with pytest.raises(RuntimeError, match="ended each worker that tried it, most often for want of memory"):
        clone(MODEL).fit(rows, data()[1])


def test_a_restart_in_mid_work_is_a_clear_error(client, fit_while):
    def slow(block):
        time.sleep(0.1)
        return block

    rows = data()[0].map_blocks(slow, meta=np.empty((0, 0)))
    restarting = threading.Timer(0.1, client.restart, kwargs={"wait_for_workers": False})
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="the cluster was restarted while it worked for a fit: fit again"):
        fit_while(restarting.start, rows)
    assert time.monotonic() - start < SOON
    restarting.join()


def test_a_cluster_without_workers_is_told_of_and_waited_for(expected, monkeypatch):
    monkeypatch.setattr("skgd._dask.cluster.PATIENCE", 0.5)
    options = {"n_workers": 0, "threads_per_worker": 1, "dashboard_address": ":0", "processes": False}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        come = threading.Timer(1.5, cluster.scale, [1])
        come.start()
        with pytest.warns(RuntimeWarning, match="the cluster has no workers: waiting for some to come"):
            assert_same_bits(clone(MODEL).fit(*data()), expected)
        come.join()


def test_a_paused_scheduler_is_waited_for_and_a_killed_one_is_a_clear_error(scheduler, expected, fit_while):
    assert_same_bits(clone(MODEL).fit(*data()), expected)

    def pause():
        scheduler.send_signal(signal.SIGSTOP)
        threading.Timer(3, scheduler.send_signal, [signal.SIGCONT]).start()

    start = time.monotonic()
    assert_same_bits(fit_while(pause), expected)
    assert time.monotonic() - start > 3

    start = time.monotonic()
    with pytest.raises(RuntimeError, match="the connection to the cluster's scheduler is lost"):
        fit_while(scheduler.kill)
    with pytest.raises(RuntimeError, match="the connection to the cluster's scheduler is lost"):
        clone(MODEL).fit(*data())
    assert time.monotonic() - start < SOON


def fit_in_a_task(X, y):
    rows = da.from_array(X, chunks=(ROWS, D)), da.from_array(y, chunks=ROWS)
    return clone(MODEL).fit(*rows)


def test_a_task_may_fit_on_the_cluster_that_it_runs_on(expected):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "processes": False}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        assert_same_bits(client.submit(fit_in_a_task, X, Y).result(timeout=STARTING), expected)
