"""Kernels: row order, moments, gradients, and the same results as plain Python."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor
from skgd._compile import intrinsics
from skgd._compile.jit import bound, compiled, have_numba
from skgd._compile.kernels import PASSES, kernel, products, python_kernel
from skgd._compile.types import signatures
from skgd._kernels import epochs as epoch_loops
from skgd._kernels import layers as layer_kernels
from skgd._kernels import linear, matrices, vectors
from skgd._kernels import rows as row_order
from skgd._kernels.steps import full_step
from skgd._kernels.structures import (
    CONVERGED,
    DIVERGED,
    GRADIENT,
    NEVER,
    OBJECTIVE,
    RUNNING,
    STEP,
    Buffers,
    Data,
    Features,
    FunctionSettings,
    FunctionState,
    Linear,
    Network,
    Progress,
    Settings,
    SparseFeatures,
    State,
)
from skgd._problem import scaling
from skgd._problem.features import NO_TARGETS
from skgd._problem.model import LinearModel
from skgd._problem.network import NetworkModel, layers_of
from skgd._problem.objective import buffers, weight_factor
from skgd._problem.scaling import feature_moments, feature_scales
from skgd._solvers import loop
from skgd.activations import ACTIVATIONS, get_activation
from skgd.losses import LogLoss, SquaredError
from skgd.optimizers import SGD

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
    of_rows = frozen(weight, float), frozen(subset, np.uint32)
    return Data(features, frozen(y, float), NO_TARGETS["float32"], np.zeros(k), np.ones(k), *of_rows)


# -- the order of rows


NO_SUBSET = np.empty(0, np.int64)
next_rows, shuffle_runs = row_order.next_rows, row_order.shuffle_runs


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


@pytest.mark.each(("n_rows", "run_length"), SHAPES)
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
    monkeypatch.setattr(LinearModel, "block_size", lambda self, batch_size, itemsize: 7)
    parts = GDLinearRegressor(**settings).fit(X, y)
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-10)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-10)
    assert parts.t_ == whole.t_ == 9


# -- vectors


@pytest.mark.parametrize("compile_it", [True, False], ids=["compiled", "plain"])
def test_largest_entry_and_clipping(compile_it):
    largest, clip = vectors.largest, vectors.clip
    if compile_it:
        largest, clip = as_kernel(largest, "f8(f8[::1])"), as_kernel(clip, "void(f8[::1], f8)")
    assert largest(np.array([1.0, -3.0, 2.0])) == 3.0
    assert largest(np.array([0.0])) == 0.0
    assert largest(np.array([1.0, -np.inf])) == np.inf
    for place in range(3):  # a NaN anywhere must be seen: it is how divergence shows
        vector = np.array([5.0, 1.0, 7.0])
        vector[place] = np.nan
        assert np.isnan(largest(vector))
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


@pytest.mark.each("name", COLUMNS)
@pytest.mark.each("case", ["all", "weighted", "subset", "weighted subset"])
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
    assert found.filled == pytest.approx(np.average(x[used, 0] != 0, weights=None if weight is None else weight[used]))
    assert abs(found.mean - mean) <= 4 * resolution + 1e-10 * std


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [1000, 30_000])
def test_moments_of_many_columns_at_once(dtype, n_rows, monkeypatch):
    asked_for = []
    monkeypatch.setattr(scaling, "kernel", lambda *of: asked_for.append(of) or kernel(*of))
    rng = np.random.default_rng(2)
    X = (rng.normal(size=(n_rows, 6)) * [1, 1e-5, 1e5, 1, 10, 100] + [0, 0, 0, 1e4, -1e3, 1e5]).astype(dtype)
    mean, std = reference_moments(X)
    found = feature_moments(make_data(X, dtype=dtype))
    assert set(asked_for) == {("moments", np.dtype(float if n_rows == 1000 else dtype))}  # a kernel less to compile
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
    X[rng.random(300) < 0.4, 1] = 0.0
    weight = rng.uniform(0.1, 3, 300) if weighted else None
    parts = [slice(0, 1), slice(1, 120), slice(120, 300)]
    found = None
    for part in parts:
        moments = feature_moments(make_data(X[part], weight=() if weight is None else weight[part]))
        found = moments if found is None else found.merged(moments)
    mean, std = reference_moments(X, weight)
    np.testing.assert_allclose(found.std[:2], std[:2], rtol=1e-8)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-14)
    np.testing.assert_allclose(found.filled, np.average(X != 0, axis=0, weights=weight))
    assert found.scale(np.finfo(float).eps)[2] == 1.0


@pytest.mark.each("name", COLUMNS)
@pytest.mark.each("case", ["all", "weighted", "subset"])
def test_moments_with_those_before_are_those_of_all_rows(name, case):
    rng = np.random.default_rng(2)
    X = np.column_stack([COLUMNS[name], np.full(500, 3.0), rng.standard_normal(500)])
    weight = rng.uniform(0, 5, 500) if case == "weighted" else np.ones(500)
    used = np.sort(rng.choice(500, 400, replace=False)) if case == "subset" else np.arange(500)
    found = None
    for part in np.array_split(used, [3, 19, 35, 200]):
        data = make_data(X, weight=weight, subset=part) if case == "subset" else make_data(X[part], weight=weight[part])
        found = feature_scales(data, True, found, 1)
    mean, std = reference_moments(X[used], weight[used])
    resolution = np.finfo(float).eps * abs(mean)
    assert (abs(found.std - std) <= 8 * resolution + 1e-8 * std).all()
    assert (abs(found.mean - mean) <= 16 * resolution + 1e-9 * std).all()
    np.testing.assert_allclose(found.filled, np.average(X[used] != 0, axis=0, weights=weight[used]))


def test_a_first_row_without_weight_costs_later_parts_no_digits():
    X = np.random.default_rng(5).normal(size=(60, 1))
    X[40], weight = 1e9, np.ones(60)
    weight[40] = 0.0  # from which the others of its part are measured
    before = feature_scales(make_data(X[:40]), True, None, 1)
    found = feature_scales(make_data(X[40:], weight=weight[40:]), True, before, 1)
    mean, std = reference_moments(X, weight)
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.std, std, rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_targets_and_weights_of_a_batch(dtype, weighted):
    rng = np.random.default_rng(6)
    y, weight = rng.normal(size=(9, 2)).astype(dtype), rng.uniform(size=9) if weighted else np.ones(9)
    data = make_data(rng.normal(size=(9, 1)), weight=weight if weighted else ())
    kept = {"doubles": y, "singles": NO_TARGETS["float32"]}
    if dtype == np.float32:
        kept = {"doubles": NO_TARGETS["float64"], "singles": y}
    data = data._replace(**kept, target_center=np.array([1.0, -2.0]), target_inverse_scale=np.array([0.5, 4.0]))
    rows, targets, weights = np.array([7, 0, 3, 3]), np.zeros((4, 2)), np.zeros(4)
    row_order.gather_targets(data, Buffers(rows, None, None, targets, weights, None), 3, 0.25)
    np.testing.assert_allclose(targets[:3], (y[rows[:3]] - [1.0, -2.0]) * [0.5, 4.0], rtol=1e-15)
    np.testing.assert_allclose(weights[:3], 0.25 * weight[rows[:3]], rtol=1e-15)
    assert not targets[3].any()


# -- gradients


LINEAR_PASSES = {"forward": linear.linear_forward, "backward": linear.linear_backward}


def plain_model(objective, storage, random=None):
    """The model with activations and passes in plain Python."""
    if objective.kind is Linear:
        return objective.for_kernels(storage)
    activation = type(objective.activation)
    forwards = layer_kernels.activate_in_place if activation.from_output else layer_kernels.activate
    layers = objective.for_kernels(storage, random).layers._replace(
        activation=bound(forwards, function=activation.function),
        activation_derivative=bound(layer_kernels.differentiate, slope=activation.derivative),
    )
    return Network(layers, *(python_kernel(name, storage.dtype, Network, storage.index_dtype) for name in PASSES))


def value_and_gradient(objective, loss, data, params, dtype=np.float64, block_size=8, in_python=False):
    """Loss of all rows and its gradient, by the kernels that train."""
    storage = data.features.storage
    if in_python:
        model, pointwise = plain_model(objective, storage), loss.pointwise
        evaluate = python_kernel("evaluate", storage.dtype, objective.kind, storage.index_dtype)
        if objective.kind is Linear:
            evaluate = bound(epoch_loops.evaluate, **LINEAR_PASSES)
    else:
        model = objective.for_kernels(storage)
        pointwise = compiled(loss.pointwise, signatures(np.dtype(dtype)).loss).pointer
        evaluate = kernel("evaluate", storage.dtype, objective.kind, storage.index_dtype)
    work = buffers(objective, data, block_size, np.dtype(dtype))
    work.work[:] = np.nan  # nothing may rely on what was there before
    factor = weight_factor(data)
    total, value = np.zeros(params.size), np.zeros(1)
    start = 0
    while start < data.n_rows:  # two blocks to a call
        grads = np.full(params.size, np.nan, dtype)
        arguments = data, model, params.astype(dtype), work, factor, grads, total, value, start, 2
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


def network_raw(Z, params, sizes, function):
    a, at = Z, 0
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        W, b = params[at : at + n_in * n_out].reshape(n_in, n_out), params[at + n_in * n_out : at + (n_in + 1) * n_out]
        a, at = a @ W + b, at + (n_in + 1) * n_out
        if layer < len(sizes) - 2:
            a = function(a)
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
    value, gradient = value_and_gradient(LinearModel(4, n_outputs, True, True), loss, data, params, dtype)
    tolerance = 1e-7 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(value, reference(params), rtol=tolerance)
    np.testing.assert_allclose(gradient, numerical_gradient(reference, params), rtol=tolerance, atol=tolerance)
    _, free = value_and_gradient(LinearModel(4, n_outputs, False, False), loss, data, params, dtype)
    mask = np.arange(params.size) % 5 == 4
    assert (free[mask] == 0).all()
    np.testing.assert_allclose(free[~mask], gradient[~mask], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [(), (3,), (5, 2), (2, 6, 3)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_network_gradients_match_finite_differences(activation, hidden, dtype, problem, twins):
    X, center, scale, rng = problem
    for loss, function, n_outputs in (LOSS_CASES["squared, 3 targets"], LOSS_CASES["multinomial"]):
        y = targets(loss, n_outputs, rng)
        weight = rng.uniform(0, 2, 21)
        objective = network_of([4, *hidden, n_outputs], activation)
        params = rng.normal(size=objective.n_params)
        Z = (X - center) / scale

        def reference(params, function=function, y=y, weight=weight, sizes=objective.sizes):
            return weight / weight.sum() @ function(network_raw(Z, params, sizes, twins[activation].function), y)  # noqa: B023

        data = make_data(X, y, weight, (), center, scale, dtype)
        value, gradient = value_and_gradient(objective, loss, data, params, dtype)
        tolerance = 1e-6 if dtype == np.float64 else 1e-3
        np.testing.assert_allclose(value, reference(params), rtol=tolerance)
        np.testing.assert_allclose(gradient, numerical_gradient(reference, params), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("activation", "stored"), [("linear model", "dense"), *itertools.product(ACTIVATIONS, ["dense", "CSR"])]
)
def test_compiled_and_plain_kernels_agree(activation, stored, dtype, problem):
    X, center, scale, rng = problem
    y, weight = targets(SquaredError(), 3, rng), rng.uniform(0, 2, 21)
    if activation == "linear model":
        objectives = [LinearModel(4, 3, True, True)]
    else:
        objectives = [network_of([4, *hidden, 3], activation) for hidden in [(), (5, 2), (40, 1, 7)]]
    if stored == "CSR":
        data = make_data(X, y, weight, (), None, scale, dtype)._replace(features=csr_features(X, scale, dtype))
    else:
        data = make_data(X, y, weight, (), center, scale, dtype)
    for objective in objectives:
        params = rng.normal(size=objective.n_params)
        ours, other = (
            value_and_gradient(objective, SquaredError(), data, params, dtype, in_python=p) for p in (False, True)
        )
        tolerance = 1e-12 if dtype == np.float64 else 2e-5
        np.testing.assert_allclose(ours[0], other[0], rtol=tolerance)
        np.testing.assert_allclose(ours[1], other[1], rtol=100 * tolerance, atol=tolerance * np.abs(other[1]).max())


# -- products of matrices


def as_kernel(function, signature):
    """A function of the tests with the helpers that it calls, compiled as kernels are."""
    if not have_numba():
        pytest.skip("nothing is compiled")
    return compiled(function, signature)


@pytest.mark.parametrize("way", ["compiled", "plain", "loops, compiled", "loops"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_by_address_are_numpys(dtype, way):
    multiply = matrices.multiply_by_loops if "loops" in way else bound(call_multiply, multiply=matrices.multiply)
    if "compiled" in way:
        matrix = f"{np.dtype(dtype).name}[:, ::1]"
        multiply = as_kernel(multiply, f"void(i8, {matrix}, b1, {matrix}, b1, {matrix})")
    rng, address = np.random.default_rng(0), products(np.dtype(dtype)).gemm
    assert address or not have_numba()
    for m, k, n in itertools.product([0, 1, 2, 7, 33], [0, 1, 3, 20], [1, 2, 9, 40]):
        for turns_a, turns_b in itertools.product([False, True], repeat=2):
            a = rng.normal(size=(k, m) if turns_a else (m, k)).astype(dtype)
            b = rng.normal(size=(n, k) if turns_b else (k, n)).astype(dtype)
            before, room = (a.copy(), b.copy()), np.full((m + 2, n), np.nan, dtype)
            multiply(address, a, turns_a, b, turns_b, room[1:-1])
            expected = (a.T if turns_a else a).astype(float) @ (b.T if turns_b else b).astype(float)
            tolerance = 1e-13 if dtype == np.float64 else 1e-5
            np.testing.assert_allclose(room[1:-1], expected, rtol=tolerance, atol=10 * tolerance)
            assert np.isnan(room[[0, -1]]).all()  # nothing beside it is touched
            assert np.array_equal(a, before[0])
            assert np.array_equal(b, before[1])


def call_multiply(gemm, a, turns_a, b, turns_b, c):
    multiply(gemm, a, turns_a, b, turns_b, c)  # noqa: F821


def fill_view(vector, start, n_rows, n_columns):
    view = matrix_at(vector, start, n_rows, n_columns)  # noqa: F821
    for i in range(view.shape[0]):
        for j in range(view.shape[1]):
            view[i, j] = 100 * i + j
    return view.size


@pytest.mark.parametrize("way", ["compiled", "plain"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_matrices_within_vectors_are_views(dtype, way):
    fill = bound(fill_view, matrix_at=matrices.matrix_at)
    if way == "compiled":
        fill = as_kernel(fill, f"i8({np.dtype(dtype).name}[::1], i8, i8, i8)")
    for start, n_rows, n_columns in [(0, 3, 4), (5, 3, 4), (18, 2, 1), (7, 1, 13), (20, 0, 5), (3, 4, 0), (0, 0, 0)]:
        vector = np.full(20, np.nan, dtype)
        assert fill(vector, start, n_rows, n_columns) == n_rows * n_columns
        stop = start + n_rows * n_columns
        expected = 100 * np.arange(n_rows)[:, None] + np.arange(n_columns)
        np.testing.assert_array_equal(vector[start:stop].reshape(n_rows, n_columns), expected)
        assert np.isnan(vector[:start]).all()
        assert np.isnan(vector[stop:]).all()


def number_part(array, start, count):
    part = part_of(array, start, count)  # noqa: F821
    for i in range(part.shape[0]):
        part[i] = i
    return part.size


@pytest.mark.parametrize("way", ["compiled", "plain"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_of_vectors_and_of_matrices_are_views(dtype, way):
    for shape, layout in [((20,), "[::1]"), ((20, 3), "[:, ::1]"), ((20, 1), "[:, ::1]")]:
        number = bound(number_part, part_of=matrices.part_of)
        if way == "compiled":
            number = as_kernel(number, f"i8({np.dtype(dtype).name}{layout}, i8, i8)")
        for start, count in [(0, 20), (5, 3), (19, 1), (20, 0), (0, 0)]:
            array = np.full(shape, np.nan, dtype)
            assert number(array, start, count) == array[:count].size
            for i in range(count):
                assert (array[start + i] == i).all()
            assert np.isnan(array).sum() == array[count:].size  # nothing beside it is touched


@pytest.mark.skipif(not have_numba(), reason="nothing is compiled")
def test_parts_of_arrays_that_do_not_lie_row_by_row_are_refused_by_compiled_code():
    import numba

    part_of = intrinsics.intrinsic_for(matrices.part_of)
    part = numba.njit(lambda array: part_of(array, 1, 2))
    array = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(part(array), array[1:3])
    for other in array[:, :2], array.T, array[:, 0]:
        with pytest.raises(numba.TypingError, match="row by row"):
            part(other)


# -- the passes of networks


def network_of(sizes, activation, dropout=()):
    return NetworkModel(sizes, get_activation(activation), "auto", dropout)


def csr_features(X, scale, dtype, index=np.int32):
    """Rows of X in CSR, their columns in no order."""
    stored = [np.random.default_rng(i).permutation(np.flatnonzero(row)) for i, row in enumerate(X)]
    starts = np.concatenate([[0], np.cumsum([len(columns) for columns in stored])])
    entries = np.concatenate([row[columns] for row, columns in zip(X, stored, strict=True)])
    return SparseFeatures(
        frozen(entries, dtype),
        frozen(np.concatenate(stored), index),
        frozen(starts, np.int64),
        np.zeros(X.shape[1], dtype),
        (1 / np.asarray(scale)).astype(dtype),
    )


def numpy_passes(Z, objective, params, derivative, twin, masks=None):
    """Raw predictions, and the gradient of sum(raw * derivative): written out in float64."""
    layers, a, kept = layers_of(objective, params), Z, []
    for layer, (coef, intercept) in enumerate(layers):
        z = a @ coef + intercept
        kept.append((a, z))
        if layer < len(layers) - 1:
            a = twin.function(z) * (1.0 if masks is None else masks[layer])
    parts, delta = [], derivative
    for layer in reversed(range(len(layers))):
        a = kept[layer][0]
        parts[:0] = [(a.T @ delta).ravel(), delta.sum(axis=0)]
        if layer:
            delta = delta @ layers[layer][0].T * twin.slope(kept[layer - 1][1])
            delta *= 1.0 if masks is None else masks[layer - 1]
    return z, np.concatenate(parts)


def run_passes(objective, features, rows, params, derivative, random=None, in_python=False):
    """The same by the kernels, and the workspace that they leave."""
    storage = features.storage
    dtype, n_rows = storage.dtype, len(rows)
    model = plain_model(objective, storage, random) if in_python else objective.for_kernels(storage, random)
    get = python_kernel if in_python else kernel
    forward, backward = (get(name, dtype, Network, storage.index_dtype) for name in PASSES)
    params = params.astype(dtype)
    room = np.full(objective.n_work(n_rows, storage) + 2, np.nan, dtype)
    work = room[1:-1]
    raw, grads = np.full((n_rows, objective.n_outputs), np.nan, dtype), np.full(params.size, np.nan, dtype)
    forward(features, rows, model.layers, params, work, raw, 0, len(rows))
    masks = [
        work[n_rows * layer["mask_at"] :][: n_rows * layer["n_in"]].reshape(n_rows, -1).copy()
        for layer in model.layers.table[1:]
    ]
    backward(features, rows, model.layers, params, work, derivative.astype(dtype), grads, 0, len(rows))
    assert np.isnan(room[[0, -1]]).all()  # they keep to the room that they ask for
    return raw, grads, masks


def assert_passes_match(found, expected, dtype):
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=10 * tolerance, atol=20 * tolerance * np.abs(theirs).max())


ROWS = {"one": [7], "few": [31, 0, 7], "many": [*range(32, -1, -1)]}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stored", ["dense", "CSR", "CSR of many columns"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_of_all_shapes_are_those_of_numpy(activation, stored, dtype, twins):
    # hidden layers and outputs so that every way to a product is taken: few rows, few columns, a single one, BLAS
    rng = np.random.default_rng(0)
    n_features = 6 if stored != "CSR of many columns" else 50
    X = rng.normal(size=(33, n_features)) * (rng.random((33, n_features)) < 0.4)
    X[5] = 0
    center, scale = rng.normal(size=n_features), rng.uniform(0.5, 2, n_features)
    index = np.int64 if n_features > 6 and dtype is np.float64 else np.int32  # each of both compiles for seconds
    features = make_data(X, None, (), (), center, scale, dtype).features
    if stored != "dense":
        features, center = csr_features(X, scale, dtype, index), np.zeros(n_features)
    Z = (X - center) / scale
    for hidden, n_outputs in itertools.product([(), (5,), (40,), (7, 5), (40, 12)], [1, 3, 12]):
        objective = network_of([n_features, *hidden, n_outputs], activation)
        params = rng.normal(size=objective.n_params) / 2
        for rows in ROWS.values():
            derivative = rng.normal(size=(len(rows), n_outputs))
            expected = numpy_passes(Z[rows], objective, params, derivative, twins[activation])
            found = run_passes(objective, features, np.array(rows), params, derivative)[:2]
            assert_passes_match(found, expected, dtype)


def test_the_gradient_in_numpy_is_that_of_finite_differences(twins):
    rng = np.random.default_rng(1)
    Z, derivative = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    for activation, twin in twins.items():
        objective = network_of([3, 4, 3, 2], activation)
        params, masks = rng.normal(size=objective.n_params), [rng.uniform(0, 2, (6, n)) for n in (4, 3)]

        def total(params, objective=objective, twin=twin, masks=masks):
            return np.sum(numpy_passes(Z, objective, params, derivative, twin, masks)[0] * derivative)

        found = numpy_passes(Z, objective, params, derivative, twin, masks)[1]
        np.testing.assert_allclose(found, numerical_gradient(total, params), rtol=1e-6, atol=1e-6)


# -- dropout


def dropout_case(hidden, activation, rates, stored="dense", dtype=np.float64, n_rows=33, n_outputs=3):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n_rows, 6))
    features = make_data(X, dtype=dtype).features if stored == "dense" else csr_features(X, np.ones(6), dtype)
    objective = network_of([6, *hidden, n_outputs], activation, rates)
    return X, features, objective, rng.normal(size=objective.n_params), rng.normal(size=(n_rows, n_outputs))


@pytest.mark.skipif(not have_numba(), reason="nothing is compiled")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stored", ["dense", "CSR"])
def test_types_of_networks_that_are_looked_up_are_those_of_their_parts(stored, dtype):
    from numba import typeof
    from numba.core.typing.typeof import Purpose, _TypeofContext, typeof_impl

    _, features, objective, *_ = dropout_case((5,), "tanh", (0.5,), stored, dtype)
    network = objective.for_kernels(features.storage, np.ones(1, np.uint64))
    of_parts = typeof_impl.dispatch(tuple)
    for value in (network, network.layers):
        expected = of_parts(tuple(value), _TypeofContext(Purpose.argument))
        assert typeof(value).types == expected.types
        assert typeof(value).instance_class is type(value)


@pytest.mark.parametrize("in_python", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("rate", [0.03, 0.25, 0.5, 0.9])
def test_dropout_leaves_out_the_share_that_it_says(rate, in_python):
    n_rows = 33 if in_python else 400
    for width in (1, 5, 40):
        _, features, objective, params, derivative = dropout_case((width,), "tanh", (rate,), n_rows=n_rows)
        random = np.array([2463534242], np.uint64)
        masks = []
        for _ in range(1 if in_python else 20):
            before = random.copy()
            masks += run_passes(objective, features, np.arange(n_rows), params, derivative, random, in_python)[2]
            assert random != before
        values = np.array(masks)
        assert set(np.unique(values)) <= {0.0, 1 / (1 - rate)}
        n = values.size
        assert abs((values == 0).mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / n)
        assert abs(values.mean() - 1) <= 5 * np.sqrt(rate / (1 - rate) / n)
        # neighbours in a row, whose bits come from one number, in a column, and in time know nothing of each other
        deviation = (values - 1) * np.sqrt((1 - rate) / rate)
        for axis in range(3):
            one, other = (np.take(deviation, range(k, deviation.shape[axis] - 1 + k), axis) for k in (0, 1))
            if one.size > 1000:
                assert abs(np.mean(one * other)) <= 5 / np.sqrt(one.size) * max(1, rate / (1 - rate), (1 - rate) / rate)


def test_another_state_gives_another_mask_and_the_same_state_the_same():
    _, features, objective, params, derivative = dropout_case((40,), "relu", (0.5,))
    masks = []
    for seed in (1, 1, 2, 3, 2**31 - 2):
        random = np.array([seed], np.uint64)
        masks.append(run_passes(objective, features, np.arange(33), params, derivative, random)[2][0])
    assert np.array_equal(masks[0], masks[1])
    for one, other in itertools.combinations(masks[1:], 2):
        assert 0.3 < np.mean(one == other) < 0.7


@pytest.mark.parametrize("rates", [(0.3, 0.0), (0.0, 0.3), (0.5, 0.2)])
def test_means_over_masks_are_predictions_without(rates):
    _, features, objective, params, derivative = dropout_case((9, 4), "identity", rates, n_rows=12)
    random, raws = np.array([88172645463325252], np.uint64), []
    rows = np.tile(np.arange(12), 100)  # each with masks of its own
    for _ in range(60):
        raws.append(run_passes(objective, features, rows, params, derivative[rows], random)[0])
    exact = run_passes(objective, features, np.arange(12), params, derivative)[0]
    raws = np.reshape(raws, (6000, *exact.shape))
    assert (np.abs(raws.mean(axis=0) - exact) <= 5 * raws.std(axis=0) / np.sqrt(len(raws))).all()
    assert raws.std(axis=0).min() > 0.01


@pytest.mark.parametrize("in_python", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stored", ["dense", "CSR"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_with_dropout_are_those_of_the_masked_network(activation, stored, dtype, in_python, twins):
    cases = [
        ((5,), (0.5,)),
        ((40,), (0.1,)),
        ((7, 5), (0.5, 0.0)),
        ((7, 5), (0.0, 0.4)),
        ((40, 12, 3), (0.2, 0.3, 0.6)),
    ]
    for (hidden, rates), n_outputs in itertools.product(cases[:: 2 if in_python else 1], [1, 3]):
        n_rows = 5 if in_python else 33
        case = dropout_case(hidden, activation, rates, stored, dtype, n_rows, n_outputs)
        X, features, objective, params, derivative = case
        random = np.array([2463534242], np.uint64)
        raw, grads, masks = run_passes(objective, features, np.arange(n_rows), params, derivative, random, in_python)
        masks = [mask if rate else 1.0 for mask, rate in zip(masks, rates, strict=True)]
        expected = numpy_passes(X, objective, params, derivative, twins[activation], masks)
        assert_passes_match((raw, grads), expected, dtype)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_a_rate_of_zero_changes_no_bit(activation):
    _, features, objective, params, derivative = dropout_case((7, 5), activation, (0.0, 0.0))
    random = np.array([5], np.uint64)
    without = network_of(objective.sizes, activation)
    assert not objective.random
    assert objective.n_work(33, features.storage) == without.n_work(33, features.storage)
    rows = np.arange(33)
    ours = run_passes(objective, features, rows, params, derivative, random)[:2]
    for mine, other in zip(ours, run_passes(without, features, rows, params, derivative)[:2], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert random == 5
    # nor do predictions with any rate, as evaluations know no random numbers
    dropping = network_of(objective.sizes, activation, (0.5, 0.5))
    assert dropping.random
    ours = run_passes(dropping, features, rows, params, derivative)[:2]
    for mine, other in zip(ours, run_passes(without, features, rows, params, derivative)[:2], strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("name", ["all", "weighted"])
def test_compiled_and_plain_moments_agree(name):
    X = np.column_stack([COLUMNS["ordinary"], COLUMNS["timestamps"], COLUMNS["counts"]])
    weights = frozen(np.random.default_rng(0).uniform(0, 2, len(X)) if name == "weighted" else ())
    results = []
    for function in (kernel("moments", np.dtype(float)), python_kernel("moments", np.dtype(float))):
        sums = np.zeros((3, 3))
        function(frozen(X), weights, frozen([], np.uint32), X[0].copy(), *sums, 0, 300)
        function(frozen(X), weights, frozen([], np.uint32), X[0].copy(), *sums, 300, 900)
        results.append(sums)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-11)


# -- updates on functions


FIELDS_OF_A_FUNCTION = "start_objective", "reference", "best_objective", "last_objective", "last_change", "mark"


def start_of_function(n_params=3, value=np.inf):
    state = FunctionState(*np.ones((2, n_params)), np.zeros((1, n_params)), *np.zeros((2, n_params)))
    progress = np.zeros(1, Progress)
    for name in FIELDS_OF_A_FUNCTION:
        progress[name] = np.inf
    progress["start_objective"], progress["reference"], progress["best_objective"] = np.nan, value, value
    return state, progress


def update_on_function(get, value, state, progress, criterion=NEVER, tol=0.0, weight_decay=0.0, patience=1):
    """One update by momentum, 0.5 of the sum of gradients before."""
    optimizer = SGD(momentum=0.5)
    rule = optimizer.rule if get is python_kernel else optimizer.compiled_rule(np.dtype(float)).pointer
    settings = FunctionSettings(criterion, tol, patience, weight_decay)
    update = get("function_update", np.dtype(float))
    status = update(rule, value, state, settings, optimizer.hyper(), 0.1, progress)
    assert status == progress["status"][0]
    return status


@pytest.mark.parametrize("get", [kernel, python_kernel])
def test_updates_on_a_function_are_those_of_the_rule(get):
    state, progress = start_of_function(value=1.0)
    params, velocity = np.ones(3), np.zeros(3)
    for t in range(1, 4):
        state.grads[:] = [1.0, -2.0, t]
        before = state.params.copy()
        params = params * (1 - 0.1 * 0.2)
        velocity = 0.5 * velocity + [1.0, -2.0, t]
        params = params - 0.1 * velocity
        assert update_on_function(get, 1.0 / t, state, progress, weight_decay=0.2) == RUNNING
        np.testing.assert_allclose(state.params, params, rtol=1e-14)
        np.testing.assert_array_equal(state.epoch_start, before)
        np.testing.assert_array_equal(state.best, before if t > 1 else np.zeros(3))  # no better than the reference
        assert progress["update"] == progress["epoch"] == t
        assert progress["gradient_norm"] == max(2, t)


@pytest.mark.parametrize("get", [kernel, python_kernel])
def test_updates_on_a_function_stop_by_its_criteria(get):
    for value, status in [(np.nan, DIVERGED), (np.inf, DIVERGED), (2e6, DIVERGED), (0.9e6, RUNNING), (-1e9, RUNNING)]:
        state, progress = start_of_function(value=1.0)
        progress["start_objective"] = 1.0
        assert update_on_function(get, value, state, progress) == status
        assert (state.params == 1).all() == (status == DIVERGED)
    state, progress = start_of_function(value=1.0)
    state.grads[1] = np.inf  # no step that ends anywhere
    assert update_on_function(get, 1.0, state, progress) == DIVERGED
    assert progress["epoch"] == 0
    state, progress = start_of_function(value=1.0)
    state.grads[:] = [1e-3, -2e-3, 0]
    assert update_on_function(get, 1.0, state, progress, GRADIENT, 1.9e-3) == RUNNING
    state.grads[:] = [1e-3, -2e-3, 0]
    params = state.params.copy()
    assert update_on_function(get, 1.0, state, progress, GRADIENT, 2e-3) == CONVERGED
    np.testing.assert_array_equal(state.params, params)
    state, progress = start_of_function(value=1.0)
    for expected in (RUNNING, RUNNING, CONVERGED):  # steps of 1e-4, 1.5e-4, 1.75e-4, three in a row
        state.grads[:] = 1e-3
        assert update_on_function(get, 1.0, state, progress, STEP, 1.76e-4, patience=3) == expected
    for value, end in (1.4, CONVERGED), (1.6, DIVERGED):  # a standstill half above the reference is none to end at
        state, progress = start_of_function(value=1.0)
        for expected in (RUNNING, end):
            state.grads[:] = 0
            assert update_on_function(get, value, state, progress, OBJECTIVE, 1e-6) == expected
    for reference, end in ((2.0, CONVERGED), (1.0, DIVERGED)):  # after ten times the patience, if it was of use
        state, progress = start_of_function(value=reference)
        for number in range(21):
            state.grads[:] = 0
            value = 1.0 if number == 0 else 1.2 + 0.1 * (number % 2)
            expected = end if number == 20 else RUNNING
            assert update_on_function(get, value, state, progress, OBJECTIVE, 1e-6, patience=2) == expected
        assert progress["circled"][0] == (end == CONVERGED)
    state, progress = start_of_function(value=2.0)
    for number in range(60):  # no circle goes down, though it be by less than the tolerance each time
        state.grads[:] = 0
        value = 1.0 - 0.003 * number + 0.05 * (number % 2)
        assert update_on_function(get, value, state, progress, OBJECTIVE, 1e-2, patience=2) == RUNNING


# -- updates whose sums over rows come from elsewhere


def steps_from(start, values, rate, **settings):
    """State, progress and parameters after each of some updates against the parameters themselves."""
    zeros = np.zeros((6, start.size))
    state = State(start.copy(), zeros[0], zeros[:0], *zeros[1:5], np.ones(start.size), zeros[5])
    progress, path = start_of_function(value=10.0)[1], []
    fixed = Settings(4, 4, 1, 1.0, 0.0, 0.0, 0.0, 0, OBJECTIVE, 0.0, 10, False, 0.0, False, 1, 0.0, 0.1, True)

    def rule(params, grads, slots, hyper, learning_rate, t):
        params -= learning_rate * grads

    for value in values:
        state.grads[:] = state.params
        full_step(rule, value, state, fixed._replace(**settings), np.empty(0), rate, 4, progress, np.empty(9))
        path.append(state.params.copy())
    return state, progress[0], path


def test_the_best_parameters_are_those_that_were_judged():
    start = np.array([1.0, -2.0])
    state, progress, path = steps_from(start, [5.0, 3.0, 11.0], 2.5)
    np.testing.assert_array_equal(path, [start * (-1.5) ** k for k in (1, 2, 3)])
    np.testing.assert_array_equal(state.best, path[0])
    assert progress["best_objective"] == 3.0


def test_a_mean_in_which_a_fit_settles_begins_anew_where_it_goes_on():
    state, progress, path = steps_from(np.array([1.0]), [1.0, 1.2, 1.3, 0.5, 0.9], 0.1)
    np.testing.assert_allclose(state.average, (path[2] + path[3]) / 2)  # a standstill, until 0.5 turned up
    state, progress, path = steps_from(np.array([1.0]), [1.0, 1.2, 1.3, 0.5, 0.9, 0.9, 0.9], 0.1)
    np.testing.assert_allclose(state.average, (path[5] + path[6]) / 2)
    assert progress["averaged"] == 2


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


def test_without_numba_the_same_models_come_out_with_one_warning(answer_here, answer_of_a_copy):
    without = answer_of_a_copy(TRAIN.format(blocked=True), forgets=("skgd", "numba", "llvmlite"))
    answers = [answer_here(TRAIN.format(blocked=False)), without]
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
