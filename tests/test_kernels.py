"""Kernels: row order, moments, gradients, and the same results as plain Python."""

import itertools
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chi2

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor
from skgd._engine import epochs as loop
from skgd._engine.kernels import kernel, python_kernel
from skgd._engine.objectives import LinearObjective, NetworkObjective
from skgd._engine.scaling import feature_moments
from skgd._jit import LEAN_OPTIONS, bound, compiled, plain
from skgd._kernels import epochs as epoch_loops
from skgd._kernels import linear, network, vectors
from skgd._kernels import rows as row_order
from skgd._kernels.signatures import Buffers, Data, Features, Linear, Network, Progress, signatures
from skgd.activations import ACTIVATIONS
from skgd.losses import LogLoss, SquaredError

DTYPES = [np.float64, np.float32]


def frozen(array, dtype=None):
    array = np.ascontiguousarray(array, dtype=dtype).copy()
    array.flags.writeable = False
    return array


def make_data(X, y=None, weight=(), subset=(), center=None, scale=None, dtype=np.float64):
    d = X.shape[1]
    features = Features(
        frozen(X, dtype),
        np.zeros(d, dtype) if center is None else np.asarray(center, dtype),
        np.ones(d, dtype) if scale is None else 1 / np.asarray(scale, dtype),
    )
    y = np.zeros((len(X), 1)) if y is None else y
    k = y.shape[1]
    return Data(features, frozen(y, float), np.zeros(k), np.ones(k), frozen(weight, float), frozen(subset, np.int64))


# -- the order of rows


NO_SUBSET = np.empty(0, np.int64)
next_rows, shuffle_runs = plain(row_order.next_rows), plain(row_order.shuffle_runs)


def epoch(n_rows, run_length, progress, pieces=None, subset=NO_SUBSET, order=None):
    """Rows of one epoch in their order, fetched in pieces of the given sizes, the last one repeated."""
    order = np.arange(n_rows // run_length) if order is None else order
    shuffle_runs(order, n_rows, progress)
    visited, position = [], 0
    pieces = list(pieces or [n_rows])
    while position < n_rows:
        m = min(pieces.pop(0) if len(pieces) > 1 else pieces[0], n_rows - position)
        rows = np.full(m, -1)
        next_rows(order, run_length, progress["offset"], subset, n_rows, position, rows, m)
        visited.extend(rows.tolist())
        position += m
    return np.array(visited)


def new_progress(seed=12345):
    progress = np.zeros(1, Progress)
    progress["random"] = seed
    return progress[0]


STREAMS = row_order.STREAMS
SHAPES = [
    (n_rows, run_length)
    for n_rows in [2, 3, 7, 31, 32, 33, 64, 100, 257, 1000]
    for run_length in [1, 2, 3, 5, 8, 16, 50]
    if run_length <= max(1, n_rows // 2)
] + [(STREAMS * 7, 7), (STREAMS * 7 + 1, 7), (2 * STREAMS * 4 - 1, 4), (STREAMS * 10 + 5 * 10 + 3, 10)]


@pytest.mark.parametrize(("n_rows", "run_length"), SHAPES)
def test_every_epoch_visits_every_row_once(n_rows, run_length):
    progress = new_progress()
    order = np.arange(n_rows // run_length)
    for pieces in ([n_rows], [1], [7], [5, 1, 32]):
        np.testing.assert_array_equal(
            np.sort(epoch(n_rows, run_length, progress, pieces, order=order)), np.arange(n_rows)
        )


@pytest.mark.parametrize(("n_rows", "run_length"), [(100, 1), (1000, 8), (333, 5)])
def test_pieces_join_to_the_same_order(n_rows, run_length):
    whole = epoch(n_rows, run_length, new_progress())
    for pieces in ([1], [13], [64], [3, 50, 1, 20]):
        np.testing.assert_array_equal(epoch(n_rows, run_length, new_progress(), pieces), whole)


@pytest.mark.parametrize("run_length", [1, 4])
def test_a_subset_is_visited_and_nothing_else(run_length):
    subset = np.random.default_rng(0).choice(500, 123, replace=False)
    visited = epoch(123, run_length, new_progress(), [10], subset)
    np.testing.assert_array_equal(np.sort(visited), np.sort(subset))


def test_no_order_is_memory_order():
    rows = np.full(5, -1)
    next_rows(np.empty(0, np.int64), 1, 0, NO_SUBSET, 20, 10, rows, 5)
    np.testing.assert_array_equal(rows, [10, 11, 12, 13, 14])


@pytest.mark.parametrize(("n_rows", "run_length"), [(50, 1), (1000, 8), (5000, 50)])
def test_epochs_differ_and_so_do_seeds(n_rows, run_length):
    progress, order = new_progress(), np.arange(n_rows // run_length)
    epochs = [tuple(epoch(n_rows, run_length, progress, order=order)) for _ in range(5)]
    assert len(set(epochs)) == 5
    assert tuple(epoch(n_rows, run_length, new_progress(54321))) != epochs[0]
    assert tuple(epoch(n_rows, run_length, new_progress())) == epochs[0]


def test_small_seeds_shuffle_from_the_first_epoch_on():
    for seed in range(1, 20):
        visited = epoch(200, 1, new_progress(seed))
        assert np.mean(np.diff(visited) == 1) < 0.1
        assert abs(np.corrcoef(visited, np.arange(200))[0, 1]) < 0.5


def test_every_permutation_of_runs_is_equally_likely():
    progress, order, n_shuffles = new_progress(), np.arange(4), 4800
    counts, offsets = {}, np.zeros(10)
    for _ in range(n_shuffles):
        shuffle_runs(order, 10, progress)
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1
        offsets[progress["offset"]] += 1
    assert len(counts) == 24
    for found in (np.array(list(counts.values())), offsets):
        expected = n_shuffles / len(found)
        assert chi2.sf(np.sum((found - expected) ** 2 / expected), len(found) - 1) > 1e-4


@pytest.mark.parametrize("run_length", [1, 20, 60])
def test_mini_batches_mix_many_places(run_length):
    # rows sorted by y: a batch from one place would see one value of y only
    n_rows, batch_size = 20_000, 32
    visited = epoch(n_rows, run_length, new_progress(), [batch_size])
    batches = visited[: n_rows // batch_size * batch_size].reshape(-1, batch_size)
    n_places = np.array([np.unique(batch // max(run_length, 50)).size for batch in batches])
    assert np.median(n_places) >= 20
    assert np.mean(n_places >= 15) > 0.95
    # the mean place of a batch scatters as that of a random sample does, not more
    scatter = batches.mean(axis=1).std() / (n_rows / np.sqrt(12 * batch_size))
    assert 0.7 < scatter < 1.4


@pytest.mark.parametrize("batch_size", [1, 4, 40])
@pytest.mark.parametrize(("n_rows", "run_length"), [(2, 1), (97, 1), (97, 5), (97, 48), (100, 10), (75, 2)])
def test_compiled_epochs_visit_every_row_once(n_rows, run_length, batch_size, monkeypatch):
    # every row has a feature of its own, so that its coefficient counts the steps made on it
    monkeypatch.setattr(loop, "CACHE_BYTES", 0)
    monkeypatch.setattr(loop, "RUN_BYTES", run_length * n_rows * 8)
    X, y = np.eye(n_rows), np.full(n_rows, 3.0)
    settings = {"standardize": False, "fit_intercept": False, "alpha": 0, "tol": None, "optimizer": "sgd"}
    model = GDLinearRegressor(learning_rate=0.1, batch_size=batch_size, max_iter=3, random_state=0, **settings)
    model.fit(X, y)
    n_batches = -(-n_rows // min(batch_size, n_rows))
    last = n_rows - (n_batches - 1) * min(batch_size, n_rows)
    # the mean over a batch of m rows moves each by 0.1 / m of its residual; the last batch may be shorter
    full, short = 0.1 / min(batch_size, n_rows), 0.1 / last
    possible = [3 * (1 - (1 - full) ** (3 - i) * (1 - short) ** i) for i in range(4)]
    distance = np.abs(model.coef_[:, None] - possible).min(axis=1)
    assert distance.max() < 1e-12
    n_short = np.abs(model.coef_[:, None] - possible).argmin(axis=1).sum()
    assert full == short or n_short == 3 * last
    assert model.t_ == 3 * n_batches


def test_batches_larger_than_a_block_are_still_one_update(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 3)), rng.normal(size=300)
    settings = {"optimizer": "adam", "batch_size": 100, "max_iter": 3, "tol": None, "random_state": 0}
    whole = GDLinearRegressor(**settings).fit(X, y)
    monkeypatch.setattr(LinearObjective, "block_size", lambda self, batch_size, itemsize: 7)
    parts = GDLinearRegressor(**settings).fit(X, y)
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-10)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-10)
    assert parts.t_ == whole.t_ == 9


# -- vectors


def compiled_helper(helper, n_arguments):
    numba = pytest.importorskip("numba")
    arguments = ", ".join("abc"[:n_arguments])
    namespace = {"helper": helper}
    exec(f"def call({arguments}):\n    return helper({arguments})", namespace)
    return numba.njit(**LEAN_OPTIONS)(namespace["call"])


@pytest.mark.parametrize("compile_it", [True, False], ids=["compiled", "plain"])
def test_largest_entry_and_clipping(compile_it):
    largest = compiled_helper(vectors.largest, 1) if compile_it else plain(vectors.largest)
    assert largest(np.array([1.0, -3.0, 2.0])) == 3.0
    assert largest(np.array([0.0])) == 0.0
    assert largest(np.array([1.0, -np.inf])) == np.inf
    for place in range(3):  # a NaN anywhere must be seen: it is how divergence shows
        vector = np.array([5.0, 1.0, 7.0])
        vector[place] = np.nan
        assert np.isnan(largest(vector))
    clip = compiled_helper(vectors.clip, 2) if compile_it else plain(vectors.clip)
    vector = np.array([3.0, -4.0])
    clip(vector, 10.0)
    np.testing.assert_array_equal(vector, [3.0, -4.0])
    clip(vector, 2.5)
    np.testing.assert_allclose(vector, [1.5, -2.0], rtol=1e-15)
    zero = np.zeros(2)
    clip(zero, 1.0)
    np.testing.assert_array_equal(zero, [0.0, 0.0])


# -- moments


def reference_moments(X, weight=None):
    """Mean and standard deviation in long double, in two passes."""
    X = X.astype(np.longdouble)
    weight = np.ones(len(X), np.longdouble) if weight is None else weight.astype(np.longdouble)
    share = weight / weight.sum()
    mean = share @ X
    return mean.astype(float), np.sqrt(share @ (X - mean) ** 2).astype(float)


def columns(n_rows=500):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=n_rows)
    return {
        "ordinary": noise,
        "mean 1e6": 1e6 + noise,
        "timestamps": 1.7e9 + 1e-3 * noise,
        "mean 1e12": 1e12 + noise,
        "mean -1e15": -1e15 + 100 * noise,
        "sorted": np.sort(1e9 + 1e3 * noise),
        "counts": rng.poisson(3, n_rows).astype(float),
        "rare": (rng.random(n_rows) < 0.01).astype(float),
        "outlier": np.r_[noise[1:], 1e8],
        "two places": np.where(rng.random(n_rows) < 0.3, 1e9, -1e9) + noise,
        "heavy tails": rng.standard_cauchy(n_rows),
        "1e150": 1e150 * noise,
        "1e300": 1e300 * (1 + noise / 10),
        "1e-150": 1e-150 * noise,
        "1e-300": 1e-300 * noise,
        "symmetric tiny": 2.0**-665 * rng.permutation(np.resize([-1.0, 0.0, 0.0, 0.0, 1.0], n_rows)),
    }


COLUMNS = columns()


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("case", ["all", "weighted", "subset", "weighted subset"])
def test_moments_are_exact_whatever_the_column(name, case):
    rng = np.random.default_rng(1)
    x = COLUMNS[name][:, None]
    weight = rng.uniform(0, 5, len(x)) if "weighted" in case else None
    subset = np.sort(rng.choice(len(x), 400, replace=False)) if "subset" in case else NO_SUBSET
    used = subset if subset.size else slice(None)
    mean, std = reference_moments(x[used], None if weight is None else weight[used])
    found = feature_moments(make_data(x, weight=() if weight is None else weight, subset=subset))
    resolution = np.finfo(float).eps * abs(mean)  # what a float64 at that distance from zero can show
    np.testing.assert_allclose(found.std, std, rtol=1e-9, atol=0)
    assert abs(found.mean - mean) <= 4 * resolution + 1e-10 * std


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments_of_many_columns_at_once(dtype):
    rng = np.random.default_rng(2)
    X = (rng.normal(size=(1000, 6)) * [1, 1e-5, 1e5, 1, 10, 100] + [0, 0, 0, 1e4, -1e3, 1e5]).astype(dtype)
    mean, std = reference_moments(X)
    found = feature_moments(make_data(X, dtype=dtype))
    np.testing.assert_allclose(found.std, std, rtol=1e-9)  # in float64, whatever X is
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9, atol=1e-10 * std.max())
    assert found.mean.dtype == found.std.dtype == np.float64


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1 / 3, 1e-300, -1e300, 1.7e9, 123456.789])
@pytest.mark.parametrize("weighted", [False, True])
def test_constant_columns_have_scale_one(value, weighted):
    X = np.full((300, 1), value)
    weight = np.random.default_rng(0).uniform(0, 1, 300) if weighted else ()
    found = feature_moments(make_data(X, weight=weight))
    assert found.mean[0] == pytest.approx(value, rel=1e-15)
    assert found.scale(np.finfo(float).eps)[0] == 1.0


def test_small_spread_around_a_large_mean_is_no_constant():
    X = (1e9 + np.tile([0.0, 1.0], 50))[:, None]
    assert feature_moments(make_data(X)).scale(np.finfo(float).eps)[0] == pytest.approx(0.5, rel=1e-9)


def test_rows_of_weight_zero_have_no_part_in_the_moments():
    # as if they weren't there, even where most rows are such and lie far away
    rng = np.random.default_rng(3)
    X = np.r_[np.zeros(300), 1e9 + rng.normal(size=200)][:, None]
    weight = np.r_[np.zeros(300), np.ones(200)]
    mean, std = reference_moments(X[300:])
    found = feature_moments(make_data(X, weight=weight))
    np.testing.assert_allclose(found.std, std, rtol=1e-9)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-15)


def test_a_column_beyond_float64_says_so():
    X = np.array([[-1.7e308], [1.7e308], [1.7e308]])
    with pytest.raises(ValueError, match=r"column 0 .*rescale"):
        feature_moments(make_data(X))


@pytest.mark.parametrize("weighted", [False, True])
def test_merged_moments_are_those_of_all_rows(weighted):
    rng = np.random.default_rng(4)
    X = np.column_stack([1e9 + rng.normal(size=300), 1e200 * rng.normal(size=300), np.full(300, 5.0)])
    weight = rng.uniform(0.1, 3, 300) if weighted else None
    parts = [slice(0, 1), slice(1, 120), slice(120, 300)]
    found = None
    for part in parts:
        moments = feature_moments(make_data(X[part], weight=() if weight is None else weight[part]))
        found = moments if found is None else found.merged(moments)
    mean, std = reference_moments(X, weight)
    np.testing.assert_allclose(found.std[:2], std[:2], rtol=1e-8)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-14)
    assert found.scale(np.finfo(float).eps)[2] == 1.0


# -- gradients


PASSES = {
    Linear: (linear.linear_forward, linear.linear_backward),
    Network: (network.network_forward, network.network_backward),
}


def value_and_gradient(objective, loss, data, params, dtype=np.float64, block_size=8, in_python=False):
    """Loss of all rows and its gradient, by the kernels that train."""
    evaluate = kernel("evaluate", np.dtype(dtype), objective.kind)
    pointwise = loss.pointwise if in_python else compiled(loss.pointwise, signatures(np.dtype(dtype)).loss)
    model = objective.model(np.dtype(dtype))
    if in_python and objective.kind is Network:
        activation = ACTIVATIONS[objective.activation]
        model = Network(model.sizes, activation.function, activation.derivative)
    if in_python:
        passes = PASSES[objective.kind]
        evaluate = bound(plain(epoch_loops.evaluate), forward=plain(passes[0]), backward=plain(passes[1]))
    buffers = Buffers(
        np.empty(block_size, np.int64),
        np.empty((block_size, objective.n_outputs), dtype),
        np.empty((block_size, objective.n_outputs), dtype),
        np.empty((block_size, data.y.shape[1]), dtype),
        np.empty(block_size, dtype),
        np.full(objective.n_work(block_size), np.nan, dtype),  # nothing may rely on what was there before
    )
    weight = data.weight[data.subset] if data.subset.size and data.weight.size else data.weight
    factor = len(weight) / weight.sum() if weight.size else 1.0
    total, value = np.zeros(params.size), np.zeros(1)
    start = 0
    while start < data.n_rows:  # two blocks to a call
        grads = np.full(params.size, np.nan, dtype)
        arguments = data, model, params.astype(dtype), buffers, factor, grads, total, value, start, 2
        start = evaluate(pointwise, loss.hyper(np.ones(data.y.shape[1])), *arguments)
    return value[0], total


def numerical_gradient(function, params):
    h = 1e-6
    steps = h * np.eye(params.size)
    return np.array([(function(params + step) - function(params - step)) / (2 * h) for step in steps])


def squared(raw, y):
    return 0.5 * np.sum((raw - y) ** 2, axis=1)


def logistic(raw, y):
    if raw.shape[1] == 1:
        return np.logaddexp(0, raw[:, 0]) - y[:, 0] * raw[:, 0]
    return np.log(np.exp(raw).sum(axis=1)) - raw[np.arange(len(raw)), y[:, 0].astype(int)]


LOSS_CASES = {
    "squared": (SquaredError(), squared, 1),
    "squared, 3 targets": (SquaredError(), squared, 3),
    "binary": (LogLoss(), logistic, 1),
    "multinomial": (LogLoss(), logistic, 4),
}
NUMPY = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
}


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(21, 4)) * [1, 5, 0.1, 1] + [0, 100, -1, 3]
    return X, X.mean(axis=0), X.std(axis=0), rng


def targets(loss, n_outputs, rng):
    if isinstance(loss, LogLoss):
        return rng.integers(0, max(2, n_outputs), (21, 1)).astype(float)
    return rng.normal(size=(21, n_outputs))


def linear_raw(Z, params, n_outputs):
    blocks = params.reshape(n_outputs, -1)
    return Z @ blocks[:, :-1].T + blocks[:, -1]


def network_raw(Z, params, sizes, activation):
    a, at = Z, 0
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        W, b = params[at : at + n_in * n_out].reshape(n_in, n_out), params[at + n_in * n_out : at + (n_in + 1) * n_out]
        a, at = a @ W + b, at + (n_in + 1) * n_out
        if layer < len(sizes) - 2:
            a = NUMPY[activation](a)
    return a


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["all", "weighted", "subset"])
@pytest.mark.parametrize("name", LOSS_CASES)
def test_linear_gradients_match_finite_differences(name, case, dtype, problem):
    X, center, scale, rng = problem
    loss, function, n_outputs = LOSS_CASES[name]
    y = targets(loss, n_outputs, rng)
    weight = rng.uniform(0, 2, 21) if case == "weighted" else np.ones(21)
    subset = np.array([0, 3, 4, 10, 20]) if case == "subset" else NO_SUBSET
    used = subset if subset.size else np.arange(21)
    data = make_data(X, y, weight if case == "weighted" else (), subset, center, scale, dtype)
    Z = (X - center) / scale
    share = weight[used] / weight[used].sum()

    def reference(params):
        return share @ function(linear_raw(Z[used], params, n_outputs), y[used])

    params = rng.normal(size=n_outputs * 5)
    value, gradient = value_and_gradient(LinearObjective(4, n_outputs, True, True), loss, data, params, dtype)
    tolerance = 1e-7 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(value, reference(params), rtol=tolerance)
    np.testing.assert_allclose(gradient, numerical_gradient(reference, params), rtol=tolerance, atol=tolerance)
    _, free = value_and_gradient(LinearObjective(4, n_outputs, False, False), loss, data, params, dtype)
    mask = np.arange(params.size) % 5 == 4
    assert (free[mask] == 0).all()
    np.testing.assert_allclose(free[~mask], gradient[~mask], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [(), (3,), (5, 2), (2, 6, 3)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_network_gradients_match_finite_differences(activation, hidden, dtype, problem):
    X, center, scale, rng = problem
    for loss, function, n_outputs in (LOSS_CASES["squared, 3 targets"], LOSS_CASES["multinomial"]):
        y = targets(loss, n_outputs, rng)
        weight = rng.uniform(0, 2, 21)
        objective = NetworkObjective([4, *hidden, n_outputs], activation, "auto")
        params = rng.normal(size=objective.n_params)
        Z = (X - center) / scale

        def reference(params, function=function, y=y, weight=weight, sizes=objective.sizes):
            return weight / weight.sum() @ function(network_raw(Z, params, sizes, activation), y)  # noqa: B023

        data = make_data(X, y, weight, (), center, scale, dtype)
        value, gradient = value_and_gradient(objective, loss, data, params, dtype)
        tolerance = 1e-6 if dtype == np.float64 else 1e-3
        np.testing.assert_allclose(value, reference(params), rtol=tolerance)
        np.testing.assert_allclose(gradient, numerical_gradient(reference, params), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", [Linear, Network])
def test_compiled_and_plain_kernels_agree(kind, activation, problem):
    X, center, scale, rng = problem
    data = make_data(X, targets(SquaredError(), 3, rng), rng.uniform(0, 2, 21), (), center, scale)
    objective = (
        LinearObjective(4, 3, True, True) if kind is Linear else NetworkObjective([4, 5, 2, 3], activation, "auto")
    )
    params = rng.normal(size=objective.n_params)
    ours, in_python = (value_and_gradient(objective, SquaredError(), data, params, in_python=p) for p in (False, True))
    np.testing.assert_allclose(ours[0], in_python[0], rtol=1e-12)
    np.testing.assert_allclose(ours[1], in_python[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["all", "weighted"])
def test_compiled_and_plain_moments_agree(name):
    X = np.column_stack([COLUMNS["ordinary"], COLUMNS["timestamps"], COLUMNS["counts"]])
    weights = frozen(np.random.default_rng(0).uniform(0, 2, len(X)) if name == "weighted" else ())
    results = []
    for function in (kernel("moments", np.dtype(float)), python_kernel("moments", np.dtype(float))):
        total, squares = np.zeros(3), np.zeros(3)
        function(frozen(X), weights, frozen([], np.int64), X[0].copy(), total, squares, 0, 300)
        function(frozen(X), weights, frozen([], np.int64), X[0].copy(), total, squares, 300, 900)
        results.append((total, squares))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-11)


# -- the whole loop where numba can't be imported

TRAIN = """
    import json, sys, warnings
    if {blocked}:
        sys.modules["numba"] = None
    import numpy as np
    from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) + 100
    y = X @ [1.0, 2.0, -1.0] + rng.normal(size=40)
    few = dict(max_iter=4, tol=None, random_state=0, batch_size=8)
    models = [
        GDLinearRegressor(optimizer="adam", clip_norm=0.5, average=True, early_stopping=True, **few),
        GDLinearRegressor(max_iter=4, tol=None),
        GDLogisticClassifier(optimizer="nesterov", schedule="cosine", **few),
        GDMLPRegressor(hidden_layer_sizes=(4, 3), activation="tanh", **few),
        GDMLPRegressor(hidden_layer_sizes=(4,), **few),
        GDMLPClassifier(hidden_layer_sizes=(4,), **few),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = []
        for model in models:
            target = np.digitize(y, np.quantile(y, [1 / 3, 2 / 3])) if "Classifier" in type(model).__name__ else y
            model.fit(X, target)
            predicted = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
            results.append([*predicted.ravel().tolist(), *model.loss_curve_.tolist()])
    print(json.dumps([results, [str(w.message) for w in caught], "numba" in sys.modules]))
"""


def test_without_numba_the_same_models_come_out_with_one_warning(tmp_path):
    answers = []
    for blocked in (False, True):
        script = textwrap.dedent(TRAIN).format(blocked=blocked)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": ""}
        )
        assert done.returncode == 0, done.stderr[-2000:]
        answers.append(json.loads(done.stdout))
    (compiled_models, no_warnings, _), (plain_models, one_warning, _) = answers
    assert no_warnings == []
    assert len(one_warning) == 1
    assert "numba can't be imported" in one_warning[0]
    for ours, plain_ones in zip(compiled_models, plain_models, strict=True):
        np.testing.assert_allclose(ours, plain_ones, rtol=1e-8)


def test_estimators_train_in_the_units_of_the_data_whatever_their_size():
    # the same problem, moved and stretched: the same predictions, up to what rounding leaves
    rng = np.random.default_rng(6)
    X, noise = rng.normal(size=(60, 2)), rng.normal(size=60)
    y = X @ [1.0, -2.0] + 0.1 * noise
    expected = GDLinearRegressor().fit(X, y).predict(X)
    for stretch, shift in [(1e300, 0), (1e-300, 0), (1e-150, 0), (1.0, 1e6), (1e-3, 1e3), (1e6, -1e12)]:
        moved = X * stretch + shift
        np.testing.assert_allclose(GDLinearRegressor().fit(moved, y).predict(moved), expected, atol=1e-4)
    labels = (y > 0).astype(int)
    expected = GDLogisticClassifier(alpha=0.01).fit(X, labels).predict_proba(X)
    for stretch in (1e300, 1e-300):
        found = GDLogisticClassifier(alpha=0.01).fit(X * stretch, labels).predict_proba(X * stretch)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    few = {"hidden_layer_sizes": (4,), "max_iter": 20, "tol": None, "random_state": 0}
    expected = GDMLPRegressor(**few).fit(X, y).predict(X)
    np.testing.assert_allclose(GDMLPRegressor(**few).fit(X * 1e-300, y).predict(X * 1e-300), expected, atol=1e-6)


def test_where_nothing_can_be_cached_on_disk_kernels_compile_all_the_same():
    script = """
        import numba.core.dispatcher as dispatcher
        import numpy as np

        def no_locator(py_func):
            raise RuntimeError(f"cannot cache function {py_func.__qualname__!r}: no locator available")

        dispatcher.FunctionCache = no_locator
        from skgd import GDLinearRegressor

        X = np.arange(20.0).reshape(10, 2)
        X[::2, 1] = 0
        print(GDLinearRegressor(alpha=0).fit(X, X[:, 1]).score(X, X[:, 1]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) > 0.999
