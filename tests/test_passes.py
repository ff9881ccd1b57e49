"""Passes over all rows and models of the curvature, against their formulas written out in NumPy."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, logsumexp, softmax
from sklearn.linear_model import Ridge

from skgd import GDLinearRegressor
from skgd import _parallel as threads
from skgd._kernels.structures import Data
from skgd._problem import objective as passes
from skgd._problem.features import NO_TARGETS, raw_features, read_only
from skgd._problem.model import LinearModel
from skgd._problem.network import NetworkModel
from skgd._problem.objective import Objective
from skgd._problem.products import NEAR_ROWS, products_of
from skgd._problem.rows import Rows
from skgd._problem.squares import SquaresByMoments
from skgd._solvers.curvature import LEADING_COLUMNS, Curvature
from skgd._solvers.plan import CurvaturePlan
from skgd.activations import ReLU
from skgd.losses import LogLoss, SquaredError

RNG = np.random.default_rng(0)


def data_of(X, y, center, scale, weight=None):
    features = raw_features(X)
    dtype = LinearModel.compute_dtype(features.storage)
    features = features._replace(center=center.astype(dtype), inverse_scale=(1 / scale).astype(dtype))
    weight = np.empty(0) if weight is None else weight
    arrays = (read_only(array) for array in (y.astype(float)[:, None], weight, np.empty(0, np.uint32)))
    y, weight, subset = arrays
    return Data(features, y, NO_TARGETS["float32"], np.zeros(1), np.ones(1), weight, subset)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("mean", [0.0, 3.0, 1e5])  # folded into intercepts, or taken off every entry
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_softmax_over_all_rows_is_its_formula(dtype, mean, intercept, weighted):
    n, d, K = 5_000, 7, 4
    X = (mean + RNG.standard_normal((n, d))).astype(dtype)
    y, weight = RNG.integers(0, K, n), RNG.uniform(0.1, 3, n) if weighted else None
    center = X.astype(float).mean(axis=0)
    data = data_of(X, y, center, X.astype(float).std(axis=0), weight)
    ridge = RNG.uniform(0, 1, K * (d + 1))
    params = RNG.standard_normal(K * (d + 1))
    params[d :: d + 1] *= intercept
    objective = LinearModel(d, K, intercept, intercept)
    full_pass = Objective(data, objective, LogLoss(), np.empty(0), ridge, n_threads=2)
    value, gradient = full_pass(params)

    Z = (X.astype(float) - data.features.center) * data.features.inverse_scale
    W = params.reshape(K, d + 1)
    raw = Z @ W[:, :-1].T + W[:, -1]
    share = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    expected = share @ (logsumexp(raw, axis=1) - raw[np.arange(n), y]) + 0.5 * ridge @ params**2
    slopes = (softmax(raw, axis=1) - np.eye(K)[y]) * share[:, None]
    of_params = np.column_stack([slopes.T @ Z, slopes.sum(axis=0) * intercept]).ravel() + ridge * params
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, of_params, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(full_pass.loss_alone(params), expected - 0.5 * ridge @ params**2, rtol=1e-12)


@pytest.mark.parametrize("sparse_rows", [False, True])
def test_with_many_columns_those_that_weigh_most_have_a_matrix_and_the_others_a_diagonal(sparse_rows):
    n, d = 2_000, 1_500  # few enough rows that the curvature is taken from all of them
    frequency = np.clip(1 / np.arange(1, d + 1), 2e-3, 1)
    X = np.where(RNG.random((n, d)) < frequency, RNG.uniform(0.5, 1, (n, d)), 0.0)
    y = RNG.integers(0, 2, n)
    data = data_of(sparse.csr_matrix(X) if sparse_rows else X, y, np.zeros(d), np.ones(d))
    ridge = np.append(np.full(d, 1e-4), 0.0)
    params = np.append(RNG.standard_normal(d) / 10, 0.3)
    objective = LinearModel(d, 1, True, True)
    model = Curvature(Rows(data, 2), objective, LogLoss(), ridge, CurvaturePlan("diagonal", False, False, n, 0)).model(
        params, np.empty(0)
    )

    ones = np.column_stack([X, np.ones(n)])
    p = expit(ones @ params)
    hessian = (ones * (p * (1 - p))[:, None]).T @ ones / n + np.diag(ridge)
    leading = np.sort(model.leading)
    assert len(leading) == LEADING_COLUMNS + 1
    assert leading[-1] == d  # the intercept
    assert np.isin(leading[:-1], np.argsort(-np.diag(hessian)[:-1])[: 2 * LEADING_COLUMNS]).all()
    vector = RNG.standard_normal(d + 1)
    step = model.solve(vector)
    np.testing.assert_allclose(hessian[np.ix_(leading, leading)] @ step[leading], vector[leading], rtol=1e-6, atol=1e-9)
    others = np.setdiff1d(np.arange(d + 1), leading)
    # sums over few entries: means of the curvature stand in for a part of it
    ratio = vector[others] / step[others] / np.diag(hessian)[others]
    assert ratio.min() > 0.5
    assert ratio.max() < 2


def squares_of(X, Y, weight=None, intercept=True):
    """Squared error by second moments, and by the rows."""
    center, scale = X.astype(float).mean(axis=0), X.astype(float).std(axis=0)
    data = data_of(X, Y[:, 0], center, scale, weight)._replace(doubles=read_only(Y))
    data = data._replace(target_center=Y.mean(axis=0), target_inverse_scale=1 / Y.std(axis=0))
    K, d = Y.shape[1], X.shape[1]
    rows, ridge = Rows(data, 2), np.full(K * (d + 1), 0.1)
    of_rows = rows.objective(LinearModel(d, K, intercept, intercept), SquaredError(), np.empty(0), ridge)
    return SquaresByMoments(rows.second_moments(intercept, K), K, of_rows), of_rows


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("K", [1, 11])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_squared_error_by_second_moments_is_its_formula(dtype, K, intercept, weighted, monkeypatch):
    n, d = 5_001, 7
    X = (1e3 + RNG.standard_normal((n, d))).astype(dtype)
    Y, weight = 5.0 + RNG.standard_normal((n, K)), RNG.uniform(0.1, 3, n) if weighted else None
    by_moments, of_rows = squares_of(X, Y, weight, intercept)
    monkeypatch.setattr(Objective, "sums", None)  # rows aren't looked at again
    params = RNG.standard_normal(K * (d + 1))
    params[d :: d + 1] *= intercept
    value, gradient = by_moments(params)

    features = of_rows.data.features
    Z = (X.astype(float) - features.center) * features.inverse_scale
    Z, W = np.column_stack([Z, np.full(n, float(intercept))]), params.reshape(K, -1)
    residuals = Z @ W.T - (Y - Y.mean(axis=0)) / Y.std(axis=0)
    share = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    penalty = 0.05 * params @ params
    assert value == pytest.approx(0.5 * share @ (residuals**2).sum(axis=1) + penalty, rel=1e-12)
    np.testing.assert_allclose(gradient, ((share * residuals.T) @ Z).ravel() + 0.1 * params, rtol=1e-10, atol=1e-12)
    assert by_moments.loss_alone(params) == pytest.approx(value - penalty, rel=1e-12)


def test_rows_tell_the_squared_error_whose_digits_cancel_among_second_moments():
    n, d = 3_000, 5
    X = RNG.standard_normal((n, d))
    residuals = 1e-7 * RNG.standard_normal(n)
    signal = X @ np.ones(d)
    by_moments, of_rows = squares_of(X, (signal + residuals)[:, None])
    inverse = of_rows.data.target_inverse_scale[0]
    params = np.append(np.full(d, inverse) * X.std(axis=0), (signal.mean() - (signal + residuals).mean()) * inverse)
    expected = 0.5 * np.mean((residuals * inverse) ** 2)
    assert by_moments.loss_alone(params) == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_look_tells_moments_and_second_moments_in_any_scaling(dtype, some, weighted):
    n, d = 5_003, 7
    X = (10.0 ** np.arange(-3, 4) * (3 + RNG.standard_normal((n, d)))).astype(dtype)
    X[RNG.random(n) < 0.7, 0] = 0.0
    X[:, 1] = 0.1  # a mean of equal numbers may be rounded
    Y = np.column_stack([X[:, 2] + RNG.standard_normal(n), 1e6 + RNG.standard_normal(n)])
    weight, subset = RNG.uniform(0.1, 3, n) if weighted else None, np.flatnonzero(RNG.random(n) < 0.6)
    data = data_of(X, Y[:, 0], np.zeros(d), np.ones(d), weight)._replace(
        doubles=read_only(Y), target_center=np.zeros(2), target_inverse_scale=np.ones(2)
    )
    if some:
        data = data._replace(subset=read_only(subset.astype(np.uint32)))
    found = products_of(data, 2)

    rows = subset if some else slice(None)
    x, y, share = X[rows].astype(float), Y[rows], np.ones(n)[rows] if weight is None else weight[rows]
    share = share / share.sum()
    for moments, values in zip(found.moments, (x, y), strict=True):
        mean = share @ values
        np.testing.assert_allclose(moments.mean, mean, rtol=1e-12)
        deviation = np.sqrt(share @ (values - mean) ** 2)
        deviation[np.ptp(values, axis=0) == 0] = 0.0
        np.testing.assert_allclose(moments.std, deviation, rtol=1e-12)
        np.testing.assert_allclose(moments.filled, share @ (values != 0), rtol=1e-12)
    assert found.moments[0].std[1] == 0
    assert found.moments[0].filled[2] == 1

    center, stretch = x.mean(axis=0), 1 / np.maximum(x.std(axis=0), 1e-3)
    features = data.features._replace(center=center.astype(dtype), inverse_scale=stretch.astype(dtype))
    of_y = y.mean(axis=0), 1 / y.std(axis=0)
    scaled = data._replace(features=features, target_center=of_y[0], target_inverse_scale=of_y[1])
    Z = np.column_stack(
        [
            (x - features.center.astype(float)) * features.inverse_scale.astype(float),
            np.ones(len(x)),
            (y - of_y[0]) * of_y[1],
        ]
    )
    expected = (Z * share[:, None]).T @ Z
    of_all = found.second_moments(scaled, 2)
    of_all[d + 1, d + 2] = of_all[d + 2, d + 1] = expected[d + 1, d + 2]  # of different targets, which nobody asks for
    np.testing.assert_allclose(of_all, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.second_moments(scaled, 0), expected[: d + 1, : d + 1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("n_rows", [1, 40, 40_000])  # in one part, and in several of many copies each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_second_moments_of_csr_are_those_of_an_array(dtype, n_rows, some, weighted):
    d, K = 9, 2
    X = sparse.random(n_rows, d, 0.4, format="csr", dtype=dtype, random_state=3)
    Y, weight = RNG.standard_normal((n_rows, K)), RNG.uniform(0.1, 3, n_rows) if weighted else None
    center = np.where(np.arange(d) % 4 == 0, 2.0, 0.0)  # of which each row has an entry
    data = data_of(X, Y[:, 0], center, np.linspace(0.5, 2, d), weight)
    data = data._replace(doubles=read_only(Y), target_center=np.ones(K), target_inverse_scale=np.full(K, 3.0))
    used = np.arange(n_rows)[::2] if some else np.arange(n_rows)
    if some:
        data = data._replace(subset=read_only(used.astype(np.uint32)))
    Z = np.column_stack([(X.toarray() - center) / np.linspace(0.5, 2, d), np.ones(n_rows), 3 * (Y - 1)])[used]
    share = np.ones(n_rows) if weight is None else weight
    share = share[used] / share[used].sum()
    for n_threads, n_targets in ((1, K), (2, K), (2, 0)):
        p, found = d + 1 + n_targets, Rows(data, n_threads).second_moments(True, n_targets)
        expected = (Z * share[:, None]).T @ Z
        expected[d + 1, d + 2] = expected[d + 2, d + 1] = 0.0  # of different targets, which nobody asks for
        np.testing.assert_allclose(found, expected[:p, :p], rtol=1e-5 if X.dtype == np.float32 else 1e-10)
    without = Rows(data, 1).second_moments(False)
    assert not without[d].any()
    assert not without[:, d].any()


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("n_rows", [3_000, 12_000])  # more than a sample has
def test_tall_csr_is_looked_at_once_where_pairs_of_entries_are_few(n_rows, K, alpha, monkeypatch):
    rng = np.random.default_rng(4)
    X = sparse.random(n_rows, 120, 0.04, format="csr", random_state=5)
    y = X @ rng.standard_normal((120, K)) + rng.standard_normal((n_rows, K))
    monkeypatch.setattr(Rows, "sample", None)  # no array is made of them
    monkeypatch.setattr(Objective, "sums", None)  # nor a pass over them
    model = GDLinearRegressor(penalty="l2", alpha=alpha, standardize=False).fit(X, y if K > 1 else y[:, 0])
    peer = Ridge(alpha=alpha * n_rows, solver="cholesky").fit(X.toarray(), y)
    np.testing.assert_allclose(model.coef_, np.squeeze(peer.coef_), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.intercept_, np.squeeze(peer.intercept_), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", ["far from what some rows tell", "small", "large", "not finite"])
def test_products_that_lose_digits_are_none(case):
    n = 20_000
    X, y = RNG.standard_normal((n, 3)), RNG.standard_normal(n)
    assert products_of(data_of(X, y, np.zeros(3), np.ones(3)), 1) is not None
    if case == "far from what some rows tell":
        X[data_of(X, y, np.zeros(3), np.ones(3)).sample_rows(NEAR_ROWS), 1] += 1e6
    else:
        X[:, 1] *= {"small": 1e-170, "large": 1e170, "not finite": np.inf}[case]
    assert products_of(data_of(X, y, np.zeros(3), np.ones(3)), 1) is None


@pytest.mark.parametrize("unit", [1.0, 1e-170])
def test_least_squares_of_many_rows_are_those_of_lstsq(unit, monkeypatch):
    n, d = 20_000, 5
    X = 100.0 + RNG.standard_normal((n, d))
    y, weight = X @ np.arange(d) + RNG.standard_normal(n), RNG.uniform(0.1, 3, n)
    monkeypatch.setattr(Objective, "sums", None)
    if unit == 1.0:  # one look is enough
        monkeypatch.setattr("skgd._problem.scaling._sums", None)
    model = GDLinearRegressor(alpha=0).fit(X * unit, y, sample_weight=weight)
    root = np.sqrt(weight)[:, None]
    coef = np.linalg.lstsq(np.column_stack([X, np.ones(n)]) * root, y * root[:, 0])[0]
    np.testing.assert_allclose(model.coef_ * unit, coef[:-1], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.predict(X * unit), X @ coef[:-1] + coef[-1], rtol=1e-8)


@pytest.mark.parametrize("held", [True, False], ids=["by NumPy", "by the kernel"])
@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_networks_of_one_layer_over_all_rows_are_their_formula(dtype, K, held, monkeypatch):
    if not held:
        monkeypatch.setattr(passes, "HELD_ENTRIES", 0)
    n, d = 4_000, 5
    monkeypatch.setattr(threads, "PART_ENTRIES", 2**12)
    X, y, weight = RNG.normal(2, 3, (n, d)).astype(dtype), RNG.standard_normal((n, K)), RNG.uniform(0.1, 3, n)
    center, scale = X.mean(axis=0), X.std(axis=0)
    subset = np.sort(RNG.choice(n, n - 1, replace=False)).astype(np.uint32)
    features = raw_features(X)._replace(center=center.astype(dtype), inverse_scale=(1 / scale).astype(dtype))
    arrays = read_only(y), NO_TARGETS["float32"], np.zeros(K), np.ones(K), read_only(weight), read_only(subset)
    params, ridge = RNG.standard_normal((d + 1) * K), np.full((d + 1) * K, 0.1)
    found = []
    for n_threads in (1, 2):
        model = NetworkModel([d, K], ReLU(), "auto")
        objective = Objective(Data(features, *arrays), model, SquaredError(), np.empty(0), ridge, n_threads)
        assert len(objective.parts) > 1
        assert objective.by_samples == held
        found += [objective(params), objective(params), (objective.loss_alone(params), None)]  # of rows held by now
    W, b = params[: d * K].reshape(d, K), params[d * K :]
    Z, share = (X[subset].astype(float) - center) / scale, weight[subset] / weight[subset].sum()
    rest = Z @ W + b - y[subset]
    value, of_raw = 0.5 * float(share @ (rest**2).sum(axis=1)), share[:, None] * rest
    gradient = np.append((Z.T @ of_raw).ravel(), of_raw.sum(axis=0)) + 0.1 * params
    rtol = 1e-10 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(found[0][0], value + 0.05 * float(params @ params), rtol=rtol)
    np.testing.assert_allclose(found[0][1], gradient, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(found[2][0], value, rtol=rtol)
    assert [each[0] for each in found[:3]] == [each[0] for each in found[3:]]  # the same bits
    for one, other in (found[:2], (found[0], found[3])):
        np.testing.assert_array_equal(one[1], other[1])
