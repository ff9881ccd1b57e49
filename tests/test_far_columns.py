"""Columns far from zero that nobody centres: the optimum of centred ones, in as few steps. Hessians of any scale."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression, PoissonRegressor

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from skgd._problem.describe import FIRST_FAR_ROWS, far_centers, unscaled
from skgd._problem.features import ALL_ROWS

RNG = np.random.default_rng(0)
N = 3_000
Z = RNG.standard_normal((N, 3))
NUMBERS = Z[:, 0] - Z[:, 1] + 0.1 * RNG.standard_normal(N)
TWO = (Z[:, 0] + 0.5 * RNG.logistic(size=N) > 0).astype(int)
THREE = np.digitize(Z[:, 0] + 0.5 * RNG.logistic(size=N), [-1, 1])
COUNTS = RNG.poisson(np.exp(0.5 * Z[:, 0])).astype(float)
STORED = {"csr": sparse.csr_array, "dense": np.asarray}


def far(ratio, rows=Z):
    return rows + ratio * np.array([1.0, -2.0, 0.0])


@pytest.mark.parametrize("n_rows", [N, 30_000])  # in memory as a sample, and in passes
@pytest.mark.parametrize(("storage", "standardize"), [("csr", True), ("csr", False), ("dense", False)])
@pytest.mark.parametrize("ratio", [1e3, 1e5, 1e7])
def test_squared_error_is_fitted_as_well_as_by_least_squares_on_centred_columns(ratio, storage, standardize, n_rows):
    rng = np.random.default_rng(1)
    X = far(ratio, rng.standard_normal((n_rows, 3)))
    y = X[:, 0] - X[:, 0].mean() + 0.1 * rng.standard_normal(n_rows)
    centred = X - X.mean(axis=0)
    coef = np.linalg.lstsq(centred, y - y.mean(), rcond=None)[0]
    best = 1 - np.sum((y - y.mean() - centred @ coef) ** 2) / np.sum((y - y.mean()) ** 2)
    model = GDLinearRegressor(alpha=0, standardize=standardize).fit(STORED[storage](X), y)
    assert model.score(X, y) == pytest.approx(best, abs=1e-8)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-5)
    assert model.n_iter_ <= 4


@pytest.mark.parametrize("storage", STORED)
@pytest.mark.parametrize("ratio", [1e3, 1e7])
def test_all_losses_have_the_optimum_of_centred_columns(ratio, storage):
    centred, rows = far(ratio) - ratio * np.array([1.0, -2.0, 0.0]), STORED[storage](far(ratio))
    exact, raw = {"tol": 1e-10, "max_iter": 10_000}, {"standardize": False}
    for y in (TWO, THREE):
        expected = LogisticRegression(C=1 / (1e-3 * N), **exact).fit(centred, y)
        model = GDLogisticClassifier(alpha=1e-3, **raw).fit(rows, y)
        np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-4)
        assert model.n_iter_ < 15
    expected = PoissonRegressor(alpha=1e-3, **exact).fit(centred, COUNTS)
    np.testing.assert_allclose(
        GDLinearRegressor("poisson", alpha=1e-3, **raw).fit(rows, COUNTS).coef_, expected.coef_, atol=1e-4
    )
    for model, y in (
        (GDLinearRegressor("huber", alpha=1e-3, **raw), NUMBERS),
        (GDLinearRegressor("quantile", alpha=1e-3, **raw), NUMBERS),
        (GDLinearRegressor(penalty="l1", alpha=0.1, **raw), NUMBERS),
        (GDLinearRegressor(alpha=0.1, **raw), np.column_stack([NUMBERS, COUNTS])),
        (GDLinearClassifier("hinge", alpha=1e-3, **raw), TWO),
        (GDLogisticClassifier(penalty="l1", alpha=1e-2, **raw), THREE),
    ):
        optimum = model.fit(centred, y).loss_curve_[-1]
        assert model.fit(rows, y).loss_curve_[-1] == pytest.approx(optimum, rel=1e-5), model


def test_wide_sparse_rows_with_columns_far_from_zero():
    rng = np.random.default_rng(0)
    rare = sparse.random(2_000, 1_500, 0.01, format="csr", random_state=0)
    dense = rng.standard_normal((2_000, 20))
    y = dense[:, :3].sum(axis=1) + rng.standard_normal(2_000)
    objectives = []
    for ratio in (0.0, 1e5):
        rows = sparse.hstack([sparse.csr_array(dense + ratio), rare]).tocsr()
        model = GDLinearRegressor(alpha=1e-2, standardize=False).fit(rows, y)
        objectives.append(model.loss_curve_[-1])
        assert model.n_iter_ < 200
    assert objectives[1] == pytest.approx(objectives[0], rel=1e-7)


@pytest.mark.parametrize(("n_zeros", "is_far"), [(0, True), (9, True), (10, False), (500, False)])
def test_columns_with_more_zeros_than_their_variance_allows_are_not_far(n_zeros, is_far):
    column = 1e4 + RNG.standard_normal(1000)
    step = 1000 // FIRST_FAR_ROWS
    column[np.resize(np.r_[0:1000:step, 1:1000:2], n_zeros)] = 0.0  # in the rows that are looked at first
    X = sparse.csr_array(np.column_stack([column, RNG.standard_normal(1000) * (np.arange(1000) % 3 == 0)]))
    assert is_far == (np.var(column) < (np.mean(column) / 10) ** 2)
    center = far_centers(unscaled(X, np.zeros((1000, 1)), np.empty(0), ALL_ROWS))
    np.testing.assert_allclose(center, [np.mean(column) if is_far else 0.0, 0.0])


def test_weights_rows_to_validate_on_warm_starts_and_streams_see_the_same_model():
    rows, weight = sparse.csr_array(far(1e4)), RNG.uniform(0, 2, N)
    model = GDLogisticClassifier(standardize=False, warm_start=True, alpha=1e-2)
    model.fit(rows, TWO, weight, X_val=rows, y_val=TWO, sample_weight_val=weight)
    signs = (2 * TWO - 1) * (far(1e4) @ model.coef_[0] + model.intercept_)
    mean_loss = np.average(np.logaddexp(0, -signs), weights=weight)
    assert model.validation_curve_[-1] == pytest.approx(mean_loss, rel=1e-6)
    coef = model.coef_.copy()
    assert model.fit(rows, TWO, weight).n_iter_ < 15
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6)
    before = model.decision_function(rows)
    model.set_params(learning_rate=1e-15).partial_fit(rows, TWO)
    np.testing.assert_allclose(model.decision_function(rows), before, atol=1e-4)


def test_rules_take_columns_as_they_are():
    X = far(30.0)[:, :1]
    model = GDLinearRegressor(optimizer="sgd", learning_rate=1e-4, batch_size=None, standardize=False, alpha=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_params(max_iter=1, tol=None).fit(X, NUMBERS)
    np.testing.assert_allclose(model.coef_, 1e-4 * np.mean(X[:, 0] * NUMBERS))


def test_where_precision_ends_a_warning_says_so():
    X = far(1e11)
    with pytest.warns(RuntimeWarning, match=r"column 0 of the sparse X lies so far from zero, 1e\+11 on average"):
        GDLinearRegressor().fit(sparse.csr_array(X), NUMBERS)
    same = np.column_stack([Z, np.full(N, 0.3)])  # a constant loses nothing
    GDLinearRegressor().fit(sparse.csr_array(same), NUMBERS)


# -- what keeps Hessians definite


@pytest.mark.parametrize("n_rows", [200, 20_000])
def test_separable_classes_with_hardly_a_penalty(n_rows):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 2))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    X[:, 0] += 0.05 * np.sign(y - 0.5)
    scaled, signs, alpha = (X - X.mean(axis=0)) / X.std(axis=0), 2 * y - 1, 1e-11

    def objective(params):
        margin = signs * (scaled @ params[:2] + params[2])
        slope = -signs * expit(-margin) / n_rows
        gradient = np.append(slope @ scaled + alpha * params[:2], slope.sum())
        return 1e9 * (np.logaddexp(0, -margin).mean() + alpha / 2 * params[:2] @ params[:2]), 1e9 * gradient

    model = GDLogisticClassifier(alpha=alpha).fit(X, y)
    assert model.n_iter_ < 40
    start = np.append(model.coef_[0] * X.std(axis=0), model.intercept_ + model.coef_[0] @ X.mean(axis=0))
    best = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-12}).fun
    assert model.loss_curve_[-1] * 1e9 == pytest.approx(best, rel=1e-3)
    for none in (0, 1e-31):
        with pytest.warns(ConvergenceWarning, match="separable"):
            model = GDLogisticClassifier(alpha=none).fit(X, y)
        assert model.n_iter_ < 40


@pytest.mark.parametrize("n_rows", [N, 300])
def test_raw_features_may_have_any_scales(n_rows):
    rows, y, scales = Z[:n_rows], TWO[:n_rows], np.array([1e-6, 1.0, 1e6])
    model = GDLogisticClassifier(alpha=0, standardize=False).fit(rows * scales, y)
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(rows, y)
    np.testing.assert_allclose(model.coef_ * scales, expected.coef_, atol=1e-4)
    assert model.n_iter_ < 15


@pytest.mark.parametrize("storage", STORED)
def test_coefficients_that_are_zero_stay_the_same(storage):
    rng = np.random.default_rng(3)
    centred = rng.standard_normal((100, 150)) * (rng.random((100, 150)) < 0.2)
    centred[:, 0] = rng.standard_normal(100)
    y = centred[:, 0] + centred[:, 1] + 0.1 * rng.standard_normal(100)
    X = centred + 1e5 * (np.arange(150) == 0)
    expected = Lasso(alpha=0.02, tol=1e-12, max_iter=100_000).fit(centred, y)
    model = GDLinearRegressor(penalty="l1", alpha=0.02, standardize=False).fit(STORED[storage](X), y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-6)
    assert model.converged_


@pytest.mark.parametrize(("penalty", "limit"), [("l1", 1e-3), ("l2", 0.0)])
def test_large_targets_below_exp_are_met_among_raw_features(penalty, limit):
    """The loss of a constant of zero, 1e6 times the best one's, is no measure of what is left to gain."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3), dtype=np.float32)
    y = 1e6 * rng.gamma(2, np.exp(X[:, 0]))
    model = GDLinearRegressor("gamma", penalty=penalty, alpha=1e-3, standardize=False).fit(X, y)
    slopes = 1 - y / model.predict(X).astype(np.float64)
    assert model.converged_
    assert abs(slopes.mean()) < 1e-5
    gradient = X.T @ slopes / len(y) + (0 if limit else 1e-3 * model.coef_)
    np.testing.assert_allclose(np.where(model.coef_ == 0, 0, gradient + limit * np.sign(model.coef_)), 0, atol=1e-5)


@pytest.mark.parametrize("penalty", ["l1", "l2", None])
@pytest.mark.parametrize("n_rows", [500, 11_000])
def test_targets_far_from_zero_are_learnt_among_raw_features(n_rows, penalty):
    """The loss at zero was the measure of what is to gain: of 1e14 nothing was left after an intercept."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 3))
    y = X @ [1.0, 2.0, 3.0] + 0.5 * rng.standard_normal(n_rows)
    near, far = (GDLinearRegressor(penalty=penalty, alpha=1e-2, standardize=False, tol=1e-6) for _ in range(2))
    near.fit(X, y)
    far.fit(X, y + 1e7)
    assert far.converged_
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-3)
    np.testing.assert_allclose(near.coef_, [1, 2, 3], atol=0.1)


def test_a_target_far_from_zero_leaves_others_what_they_learn():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((11_000, 3))
    Y = X @ rng.standard_normal((3, 2)) + 0.1 * rng.standard_normal((11_000, 2))
    Y[:, 1] += 1e6
    model = GDLinearRegressor(penalty=None, standardize=False).fit(X, Y)
    exact = np.linalg.lstsq(np.c_[X, np.ones(11_000)], Y - [0, 1e6], rcond=None)[0]
    np.testing.assert_allclose(model.coef_, exact[:3].T, atol=1e-5)
