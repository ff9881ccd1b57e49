"""skgd's speed beside scikit-learn's: the same work on the same arrays, in turn, in one process.

    python benchmarks/compare.py                 all cases, about two minutes on two cores
    python benchmarks/compare.py epoch cold      some

Every line gives the median times of both and their ratio, above 1 where skgd is faster. One untimed fit of each comes
first, so that compiling is not in the figures: the case `cold` measures it by itself, in fresh processes. Absolute
times depend on the machine and on what else runs there; ratios of one run are worth more, those of several runs most.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor


def race(what, ours, peer, X, y, *, rounds, per=1, unit="s", scale=1.0):
    """Time the fits of both in turn and print medians and their ratio; `per`: what the time is divided by."""
    times = {id(ours): [], id(peer): []}
    ours.fit(X, y)
    peer.fit(X, y)
    for _ in range(rounds):
        for model in (ours, peer):
            began = time.perf_counter()
            model.fit(X, y)
            times[id(model)].append((time.perf_counter() - began) / per * scale)
    mine, theirs = (statistics.median(times[id(model)]) for model in (ours, peer))
    report(what, mine, theirs, unit)


def report(what, mine, theirs, unit):
    print(f"{what:50s} {mine:10.3f} {theirs:10.3f} {unit:9s} {theirs / mine:6.2f}x", flush=True)


def regression_data(n_rows, n_features):
    """Correlated features, a linear signal of variance one and some noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    for j in range(1, n_features):
        X[:, j] += 0.5 * X[:, j - 1]
    signal = X @ rng.standard_normal(n_features)
    return X, signal / signal.std() + 0.5 * rng.standard_normal(n_rows)


def epoch():
    """Epochs of shuffled stochastic gradient descent: skgd in batches of 32, scikit-learn row by row."""
    for n_rows, n_features in ((500_000, 20), (100_000, 100)):
        X, y = regression_data(n_rows, n_features)
        ours = GDLinearRegressor(optimizer="sgd", learning_rate=0.005, batch_size=32, max_iter=5, tol=None)
        peer = SGDRegressor(max_iter=5, tol=None)
        what = f"SGDRegressor, an epoch of {n_rows:,} x {n_features}"
        race(what, ours, peer, X, y, rounds=3, per=5, unit="ms/epoch", scale=1e3)


def grid():
    """A search over six learning rates with five folds; both see standardised features."""
    X, y = regression_data(20_000, 20)
    rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
    ours = GridSearchCV(GDLinearRegressor(optimizer="sgd"), {"learning_rate": rates})
    peer = GridSearchCV(make_pipeline(StandardScaler(), SGDRegressor()), {"sgdregressor__eta0": rates})
    race("SGDRegressor, grid of 6 rates, 20,000 x 20", ours, peer, X, y, rounds=3)


def tiny():
    """Default fits of 100 rows: what a call costs."""
    X, y = regression_data(100, 5)
    race("SGDRegressor, 100 x 5", GDLinearRegressor(), SGDRegressor(), X, y, rounds=50, unit="ms", scale=1e3)
    peer = SGDClassifier(loss="log_loss")
    race("SGDClassifier, 100 x 5", GDLogisticClassifier(), peer, X, y > 0, rounds=50, unit="ms", scale=1e3)


def network():
    """Epochs of Adam through one hidden layer."""
    X, y = regression_data(20_000, 20)
    y = np.sin(2 * y)
    for width, batch_size in ((10, 32), (100, 32), (100, 200)):
        shape = {"hidden_layer_sizes": (width,), "batch_size": batch_size, "max_iter": 5, "random_state": 0}
        ours = GDMLPRegressor(optimizer="adam", learning_rate=1e-3, tol=None, **shape)
        peer = MLPRegressor(tol=0, n_iter_no_change=10**6, **shape)
        what = f"MLPRegressor, an epoch, ({width},), batches of {batch_size}"
        race(what, ours, peer, X, y, rounds=3, per=5, unit="ms/epoch", scale=1e3)


COLD_FIT = """
import time
began = time.perf_counter()
import numpy as np
from {module} import {name}
X = np.random.default_rng(0).standard_normal((1000, 10))
{name}().fit(X, X[:, 0])
print(time.perf_counter() - began)
"""


def cold():
    """Import and first fit in a new process: before anything is compiled, and once the cache on disk is filled."""
    pairs = (
        (("skgd", "GDLinearRegressor"), ("sklearn.linear_model", "SGDRegressor")),
        (("skgd", "GDMLPRegressor"), ("sklearn.neural_network", "MLPRegressor")),
    )
    for ours, peer in pairs:
        with tempfile.TemporaryDirectory() as cache:
            first, *later = [_cold_fit(*ours, cache) for _ in range(4)]
            theirs = statistics.median(_cold_fit(*peer, cache) for _ in range(3))
        for what, mine in (("first ever", first), ("new process", statistics.median(later))):
            report(f"{peer[1]}, import and fit, {what}", mine, theirs, "s")


def _cold_fit(module, name, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONWARNINGS": "ignore"}
    code = COLD_FIT.format(module=module, name=name)
    output = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return float(output.stdout)


CASES = {case.__name__: case for case in (epoch, grid, tiny, network, cold)}


def main(names):
    if unknown := set(names) - set(CASES):
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs is what is timed
    print(f"{'peer and work':50s} {'skgd':>10s} {'peer':>10s} {'':9s} {'ratio':>7s}")
    for name in names or CASES:
        CASES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
