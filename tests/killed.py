"""Fits that are killed at random moments and resumed until they end: a command by itself, run by test_checkpoints.py.

    python tests/killed.py KILLS [KIND ... | FIRST::STEP]

For each kind of fit, children of this process fit and keep checkpoints; each is killed after a random time, and the
next one goes on from the file. What comes out in the end, again and again until so many have been killed, must be what
a fit gives that nobody interrupts, bit for bit. Prints a line for each kind; the exit status is 1 if one differs.
"""

import os
import pathlib
import random
import signal
import sys
import tempfile
import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.callbacks import Checkpoint
from skgd.optimizers import OPTIMIZERS
from skgd.schedules import SCHEDULES

PAUSE = 0.001  # seconds, before and after each epoch is kept: as if it took longer

NUMBERS, CLASSES, DIGITS = (
    tuple(each[::step] for each in load(return_X_y=True))
    for load, step in ((load_diabetes, 1), (load_breast_cancer, 2), (load_digits, 4))
)
WIDE = np.random.default_rng(0).standard_normal((300, 1100))
WIDE = WIDE, (WIDE[:, :5].sum(axis=1) > 0).astype(int)

KINDS = {
    f"optimizer {name}": (GDLogisticClassifier(optimizer=name, batch_size=16, max_iter=15), *CLASSES)
    for name in OPTIMIZERS
}
KINDS |= {
    f"schedule {name}": (
        GDMLPClassifier(hidden_layer_sizes=(8,), schedule=name, learning_rate=0.01, max_iter=15),
        *CLASSES,
    )
    for name in SCHEDULES
}
KINDS |= {
    "accelerated gradient": (GDLogisticClassifier(optimizer="nesterov", batch_size=None, max_iter=25), *CLASSES),
    "criterion step": (GDLinearRegressor(optimizer="adam", criterion="step", tol=1e-2, max_iter=30), *NUMBERS),
    "criterion gradient": (GDLinearRegressor(optimizer="momentum", criterion="gradient", tol=1e-2), *NUMBERS),
    "early stopping": (
        GDMLPClassifier(hidden_layer_sizes=(8,), early_stopping=True, n_iter_no_change=3, max_iter=40),
        *CLASSES,
    ),
    "average": (GDLinearClassifier(optimizer="sgd", average=True, batch_size=16, max_iter=15), *CLASSES),
    "exponential average": (GDMLPRegressor(hidden_layer_sizes=(8,), average=0.99, max_iter=15), *NUMBERS),
    "dropout": (GDMLPClassifier(hidden_layer_sizes=(8, 8), dropout=0.3, max_iter=15), *DIGITS),
    "restarts": (GDMLPRegressor(hidden_layer_sizes=(8,), n_restarts=3, max_iter=10), *NUMBERS),
    "back-offs": (GDLogisticClassifier(optimizer="nadam", batch_size=None, standardize=False, max_iter=25), *CLASSES),
    "newton": (GDLogisticClassifier(), *CLASSES),
    "line search": (GDLogisticClassifier(alpha=1e-6), *DIGITS),
    "line search, lasso": (GDLogisticClassifier(penalty="l1", alpha=1e-3), *DIGITS),
    "line search, kinks": (GDLinearRegressor(loss="absolute_error"), *NUMBERS),
    "line search, wide": (GDLogisticClassifier(alpha=1e-6), *WIDE),
    "line search, network": (GDMLPRegressor(hidden_layer_sizes=(8,), optimizer="lbfgs", max_iter=25), *NUMBERS),
    "single precision": (GDLogisticClassifier(alpha=1e-6), np.float32(DIGITS[0]), DIGITS[1]),
}


class Pause:
    """Takes its time at the end of every epoch."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        time.sleep(PAUSE)

    def teardown(self, estimator, context):
        pass


def fitted_numbers(model):
    """All that a fit has learnt, by names."""
    parameters = model.coefs_ + model.intercepts_ if hasattr(model, "coefs_") else [model.coef_, model.intercept_]
    parameters += [model.loss_curve_, model.validation_curve_]
    flat = []
    for each in parameters:  # of an ensemble a list
        flat += each if isinstance(each, list) else [each]
    found = {f"parameters {n}": each for n, each in enumerate(flat)}
    names = "n_iter_", "t_", "learning_rate_", "stop_reason_", "gradient_norm_"
    found |= {
        name: np.array(str(getattr(model, name)) if name.endswith("norm_") else getattr(model, name)) for name in names
    }
    found["out of bag"] = np.array(getattr(model, "oob_score_", 0.0))
    return found | {"restarts": getattr(model, "restart_scores_", np.zeros(0))}


def fit_or_resume(kind, folder):
    """What a child does: it begins, or goes on from the last checkpoint, and writes what it has learnt in the end."""
    model, X, y = KINDS[kind]
    path = folder / "fit.npz"
    model = clone(model).set_callbacks(Pause(), Checkpoint(path), Pause())
    np.random.seed(0 if not path.exists() else os.getpid())  # noqa: NPY002 (the same rows are held out all the same)
    model.resume(path, X, y) if path.exists() else model.fit(X, y)
    np.savez(folder / "part.npz", **fitted_numbers(model))
    os.replace(folder / "part.npz", folder / "end.npz")


def child(kind, folder):
    """The number of a new process that fits."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            fit_or_resume(kind, folder)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    return process


def finished(process):
    """Wait for a child; whether it came to its end, or was killed, and didn't fail."""
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)


def differences(kind, n_kills, clock):
    """What differs in the ends of fits of which so many were killed, and how many ends there were."""
    model, X, y = KINDS[kind]
    np.random.seed(0)  # noqa: NPY002
    expected, found, n_ends, longest = fitted_numbers(clone(model).fit(X, y)), set(), 0, 0.0
    clone(model).set_callbacks(Pause()).fit(X, y)  # what this loads, children have
    while n_kills > 0 or n_ends < 2:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            while not (folder / "end.npz").exists():
                began, process = time.perf_counter(), child(kind, folder)
                if longest and n_kills > 0:
                    n_kills -= 1
                    time.sleep(clock.uniform(0, longest))
                    os.kill(process, signal.SIGKILL)
                if not finished(process):
                    return {"a child failed"}, n_ends
                longest = longest or time.perf_counter() - began  # the first one lives as long as it likes
            with np.load(folder / "end.npz") as end:
                found |= {name for name in expected if not np.array_equal(end[name], expected[name])}
                n_ends += 1
    return found, n_ends


def main(n_kills, kinds):
    """Kill children of each kind, and print what comes of it."""
    warnings.simplefilter("ignore")
    clock, failed = random.Random(0), False
    if kinds and "::" in kinds[0]:
        first, step = map(int, kinds[0].split("::"))
        kinds = list(KINDS)[first::step]
    for kind in kinds or KINDS:
        found, n_ends = differences(kind, n_kills, clock)
        failed |= bool(found)
        print(f"{kind}: {n_kills} killed, {n_ends} ended, {', '.join(sorted(found)) or 'equal'}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
