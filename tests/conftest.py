"""What all tests share."""

import contextlib
import gc
import io
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

# Heavier things are imported by the fixtures that need them: the process that shares the tests out would wait, too.

collect_ignore = ["peer_suites.py", "peers", "killed.py", "integrations/callback_suite.py"]  # commands by themselves

# Beside what users of the checkout have compiled, where cleaning up would meet tests that run at the same time.
os.environ.setdefault("NUMBA_CACHE_DIR", str(pathlib.Path(tempfile.gettempdir()) / "skgd-tests"))


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "each(names, values): like parametrize, with all cases in one test, where a test takes longer than a case",
    )


def pytest_generate_tests(metafunc):
    for mark in metafunc.definition.iter_markers("each"):
        names = names_of_each(mark)
        nothing_yet = pytest.param(*[None] * len(names), id=f"each {' and '.join(names)}")
        metafunc.parametrize(names, [nothing_yet])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Call a test that is marked with `each` for all its cases; a failure says where it was."""
    marks = [*pyfuncitem.iter_markers("each")]
    if not marks:
        return None
    fixtures = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    for values in itertools.product(*(mark.args[1] for mark in marks)):
        case = {}
        for names, value in zip(map(names_of_each, marks), values, strict=True):
            case |= zip(names, [value] if len(names) == 1 else value, strict=True)
        try:
            pyfuncitem.obj(**fixtures | case)
        except (Exception, pytest.fail.Exception) as error:
            error.add_note(f"where {case}")
            raise
    return True


def names_of_each(mark):
    return [mark.args[0]] if isinstance(mark.args[0], str) else mark.args[0]


MANY_TESTS = 1000  # which need most of what skgd compiles; those of a file need some of it


@pytest.fixture(scope="session", autouse=True)
def compile_by_turns(request, tmp_path_factory):
    """Workers share out what most tests need compiled, as those of a cold start would all compile the same."""
    if hasattr(request.config, "workerinput") and len(request.session.items) >= MANY_TESTS:
        from skgd._precompile import jobs_for

        of_all_workers = tmp_path_factory.getbasetemp().parent
        # the longest first, so that nobody waits for the last one
        jobs = further_jobs() + jobs_for([np.dtype(float), np.dtype(np.float32)], sparse=True)
        for number, (what, *arguments) in enumerate(jobs):
            with contextlib.suppress(FileExistsError):
                (of_all_workers / f"compiled {number}").touch(exist_ok=False)
                what(*arguments)
        gc.collect()
    gc.freeze()  # what is there stays: tests don't look for garbage among the hundreds of thousands of its objects


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_blas():
    """BLAS's threads wait busily, and take the cores from each other's processes; tests/test_threads.py has several."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield


def further_jobs():
    """What some tests need that users may never: networks shared among threads, columns numbered with 64 bits."""
    from skgd._compile.kernels import kernel
    from skgd._kernels.structures import Network, TeamNetwork

    double, single, short, long = map(np.dtype, (np.float64, np.float32, np.int32, np.int64))
    shared = [(double, TeamNetwork, None), (single, TeamNetwork, short)]
    jobs = [(kernel, name, *of) for of in shared for name in ("run_epochs", "help_team")]
    return jobs + [(kernel, name, double, Network, long) for name in ("run_epochs", "forward", "backward")]


class Twin(NamedTuple):
    """An activation in NumPy and SciPy, with the slope in closed form of its input."""

    function: Callable
    slope: Callable


@pytest.fixture(scope="session")
def twins():
    """The activations in NumPy, by their names."""
    from scipy.special import expit, ndtr

    return {
        "identity": Twin(lambda z: z, np.ones_like),
        "logistic": Twin(expit, lambda z: expit(z) * expit(-z)),
        "tanh": Twin(np.tanh, lambda z: 4 * expit(2 * z) * expit(-2 * z)),
        "relu": Twin(lambda z: np.where(z < 0, 0, z), lambda z: np.where(z > 0, 1.0, 0.0)),
        "leaky_relu": Twin(lambda z: np.where(z < 0, 0.01 * z, z), lambda z: np.where(z > 0, 1.0, 0.01)),
        "elu": Twin(lambda z: np.where(z < 0, np.expm1(np.minimum(z, 0)), z), lambda z: np.exp(np.minimum(z, 0))),
        "gelu": Twin(lambda z: z * ndtr(z), lambda z: ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)),
        "silu": Twin(lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
        "softplus": Twin(lambda z: np.logaddexp(0, z), expit),
    }


@pytest.fixture(scope="session")
def lasso():
    """Parameters of an L1 penalty, as the installed scikit-learn's LogisticRegression has it said."""
    from sklearn.linear_model import LogisticRegression

    return {"l1_ratio": 1.0} if LogisticRegression().penalty == "deprecated" else {"penalty": "l1"}


class AtEpoch:
    """A callback that does something after one of the epochs; if that gives True, the fit ends."""

    def __init__(self, epoch, action):
        self.epoch, self.action, self.seen = epoch, action, 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.seen += context.max_subtasks == 0  # the tasks that have no others in them
        return context.max_subtasks == 0 and self.seen == self.epoch and self.action() is True

    def teardown(self, estimator, context):
        pass


@pytest.fixture
def at_epoch():
    """The class of a callback, made from the number of an epoch and what is to be done after it."""
    return AtEpoch


@pytest.fixture
def answer_here():
    """A function: what a script for a process of its own prints as JSON, in this one, which has all imported."""

    def answer(script):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(textwrap.dedent(script), {})
        return json.loads(printed.getvalue())

    return answer


@pytest.fixture
def answer_of_a_copy():
    """A function: what a script prints as JSON in a copy of this process, whose changes go with it.

    A copy has all imported but the packages that it is to forget: of skgd, numba remembers types and takes no others of
    their names. Where there are no copies, it is a process of its own. Either ends after two minutes, or after as many
    seconds as are said.
    """

    def answer(script, forgets=(), longest=120):
        if not hasattr(os, "fork"):
            command = [sys.executable, "-c", textwrap.dedent(script)]
            return json.loads(subprocess.check_output(command, text=True, timeout=longest))
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of copies beside other threads
            copy = os.fork()
        if copy == 0:
            status = 1
            with os.fdopen(write, "w") as pipe, contextlib.redirect_stdout(pipe):
                try:
                    signal.alarm(longest)
                    for name in [name for name in sys.modules if name.split(".")[0] in forgets]:
                        del sys.modules[name]
                    exec(textwrap.dedent(script), {})
                    status = 0
                except BaseException:
                    traceback.print_exc(file=pipe)
                pipe.flush()
                os._exit(status)  # the tests are the other process's
        os.close(write)
        with os.fdopen(read) as pipe:
            printed = pipe.read()
        assert os.waitpid(copy, 0)[1] == 0, printed[-2000:]
        return json.loads(printed)

    return answer


@pytest.fixture
def quick_pictures(monkeypatch):
    """Leave out the layout and most points of contours, half of the time of pictures, where no test looks at them."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from skgd.plotting import _contour

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
    monkeypatch.setitem(_contour._GRID_POINTS, 2, 20)
