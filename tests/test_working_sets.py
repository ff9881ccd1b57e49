"""Working sets: steps on the columns that an L1 penalty leaves, against the conditions of the optimum."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from skgd._compile.kernels import kernel
from skgd._kernels.coordinate_descent import coordinate_descent
from skgd._kernels.sparse import select_columns
from skgd._kernels.structures import FLOAT64, SparseFeatures
from skgd._problem import columns
from skgd._problem.columns import DenseColumns
from skgd._solvers.active_set import change_one_by_one
from skgd._solvers.working_sets import Support, WorkingSets, least_with_l1
from skgd.linear_model import regularization_path
from skgd.linear_model._path import model_for_path, solver_of
from skgd.losses import Huber
from skgd.optimizers import LBFGS
from skgd.penalties import smallest_subgradient

WIDE, TALL = (60, 300), (300, 90)


@pytest.fixture(autouse=True)
def _no_sweeps(monkeypatch):
    """Few dense columns would be swept over."""
    monkeypatch.setattr("skgd._auto.curvature.MOST_SWEPT", 0)


def data(shape, seed=0, informative=8):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape)
    X[:, 1:] += 0.7 * X[:, :-1]
    coef = np.zeros(shape[1])
    coef[rng.choice(shape[1], informative, replace=False)] = 2 * rng.standard_normal(informative)
    return X, X @ coef + rng.standard_normal(shape[0])


def smallest_subgradients(Z, derivative, coef, l1, l2, weight=None):
    """Of the objective by the coefficients of Z and the intercept; derivative is that of each row's loss."""
    share = np.full(len(derivative), 1.0) if weight is None else np.asarray(weight, float)
    slopes = derivative * share / share.sum()
    gradient = np.asarray(slopes @ Z).ravel() + l2 * coef
    at_zero = np.sign(gradient) * np.maximum(np.abs(gradient) - l1, 0)
    return np.append(np.where(coef == 0, at_zero, gradient + l1 * np.sign(coef)), slopes.sum())


# Losses by their derivatives in raw predictions, written out, and targets for them.
CASES = {
    "squared_error": (GDLinearRegressor(), lambda y: y, lambda raw, y: raw - y),
    "huber": (GDLinearRegressor(Huber(1.0)), lambda y: y, lambda raw, y: np.clip(raw - y, -1, 1)),
    "poisson": (
        GDLinearRegressor("poisson"),
        lambda y: np.round(np.exp(y / np.std(y))),
        lambda raw, y: np.exp(raw) - y,
    ),
    "log_loss": (GDLogisticClassifier(), lambda y: y > 0, lambda raw, y: expit(raw) - y),
    "squared_hinge": (
        GDLinearClassifier("squared_hinge"),
        lambda y: y > 0,
        lambda raw, y: -2 * (2 * y - 1) * np.maximum(0, 1 - (2 * y - 1) * raw),
    ),
}


@pytest.mark.parametrize("stored", ["wide", "wide, CSR, weights", "few, CSR, weights", "tall, not standardised"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("loss", CASES)
def test_conditions_of_the_optimum(loss, l1_ratio, stored):
    model, targets_of, derivative = CASES[loss]
    X, y = data(WIDE if "wide" in stored else TALL)
    X = X[:, :40] if "few" in stored else X
    y, alpha, weight = targets_of(y), 0.05, None
    X[:, 3], X[:, 5] = 0.0, X[:, 4]  # a column of zeros, and one twice
    standardize = "not" not in stored
    Z = StandardScaler().fit_transform(X) if standardize else X
    if "CSR" in stored:
        X[np.abs(X) < 0.5] = 0.0
        weight = np.random.default_rng(1).uniform(0.5, 2.0, len(X))
        Z = X / np.sqrt(
            np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight) + (X == 0).all(0)
        )
    model.set_params(penalty="elasticnet", alpha=alpha, l1_ratio=l1_ratio, standardize=standardize)
    model.set_params(criterion="gradient", tol=1e-9)
    model.fit(sparse.csr_array(X) if "CSR" in stored else X, y, sample_weight=weight)
    assert model.converged_
    assert model.optimizer_.preconditioner == "working_sets"
    coef = np.ravel(model.coef_)
    raw = X @ coef + model.intercept_[0]
    scale = np.divide(X.std(axis=0), Z.std(axis=0), out=np.ones(X.shape[1]), where=Z.std(axis=0) > 0)
    left = smallest_subgradients(Z, derivative(raw, y), coef * scale, alpha * l1_ratio, alpha * (1 - l1_ratio), weight)
    assert 0 < np.count_nonzero(coef) < coef.size
    unit = np.std(y) if loss in ("squared_error", "huber") else 1.0  # in which targets are scaled
    assert np.abs(left).max() <= 2e-9 * unit


# By second derivatives alone, 0 where the loss is straight, these take 75 and 46 steps, many of them between orthants;
# by bounds of them alone, which hold far from the residuals, 696 and 17. With both 77 to 103 and 16 to 33, by the last
# digits of targets.
@pytest.mark.parametrize(("shape", "most_steps"), [((600, 300), 130), ((100, 800), 40)])
def test_outliers_of_hubers_loss_take_few_steps(shape, most_steps):
    X, y = data(shape, informative=40)
    rng = np.random.default_rng(1)
    y += np.where(rng.random(len(y)) < 0.4, 100 * rng.standard_normal(len(y)), 0)
    alpha = 0.002
    model = GDLinearRegressor(Huber(1.0), penalty="l1", alpha=alpha, standardize=False).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= most_steps
    slopes = np.clip(X @ model.coef_ + model.intercept_[0] - y, -1, 1)
    left = smallest_subgradients(X, slopes, model.coef_, alpha, 0.0)
    assert np.abs(left).max() <= 2e-3 * alpha


@pytest.mark.parametrize(("shape", "share"), [(WIDE, 0.02), (TALL, 0.3)])
def test_agrees_with_coordinate_descent(shape, share):
    X, y = data(shape)
    alpha = share * np.abs(X.T @ (y - y.mean())).max() / len(y)
    common = {"tol": 1e-13, "max_iter": 10**6}
    settings = {"alpha": alpha, "standardize": False}
    for peer, penalty in (Lasso(alpha, **common), "l1"), (ElasticNet(alpha, l1_ratio=0.15, **common), "elasticnet"):
        peer.fit(X, y)
        for dtype, atol in (np.float64, 1e-7), (np.float32, 1e-3):
            model = GDLinearRegressor(penalty=penalty, **settings).fit(X.astype(dtype), y)
            np.testing.assert_allclose(model.coef_, peer.coef_, atol=atol)
            np.testing.assert_allclose(model.intercept_[0], peer.intercept_, atol=10 * atol)
            assert model.converged_
            assert model.coef_.dtype == dtype


def test_logistic_regression_agrees_with_scikit_learn(lasso):
    X, y = data(WIDE)
    alpha = 0.05
    peer = LogisticRegression(**lasso, C=1 / (alpha * len(y)), solver="saga", tol=1e-10, max_iter=10**5)
    peer.fit(X, y > 0)
    model = GDLogisticClassifier(penalty="l1", alpha=alpha, standardize=False).fit(X, y > 0)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-5)
    np.testing.assert_array_equal(model.coef_ == 0, peer.coef_ == 0)
    assert model.gradient_norm_ <= 1e-5 * alpha  # a certificate


def test_nothing_but_zeros_from_the_largest_alpha_on():
    X, y = data(WIDE)
    Z = StandardScaler().fit_transform(X)
    largest = np.abs(Z.T @ (y - y.mean())).max() / len(y)
    assert np.count_nonzero(GDLinearRegressor(penalty="l1", alpha=0.999 * largest).fit(X, y).coef_) == 1
    for targets in (y, np.full(len(y), 3.0)):
        model = GDLinearRegressor(penalty="l1", alpha=1.001 * largest).fit(X, targets)
        np.testing.assert_array_equal(model.coef_, 0)
        np.testing.assert_allclose(model.intercept_, targets.mean())
        assert model.converged_
    share = np.mean(y > 0)
    model = GDLogisticClassifier(penalty="l1", alpha=10.0).fit(sparse.csr_array(X), y > 0)
    np.testing.assert_array_equal(model.coef_, 0)
    np.testing.assert_allclose(model.intercept_, np.log(share / (1 - share)), rtol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", Huber(1e3)])  # which is the same without being quadratic
def test_more_columns_than_fit_into_a_set(loss, monkeypatch):
    monkeypatch.setattr("skgd._solvers.working_sets.MOST_COLUMNS", 80)
    X, y = data(WIDE, informative=30)
    peer = Lasso(0.1, tol=1e-13, max_iter=10**6).fit(X, y)
    assert np.count_nonzero(peer.coef_) > 40
    model = GDLinearRegressor(loss, penalty="l1", alpha=0.1, standardize=False, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-7)
    assert model.converged_


def test_warm_start_goes_on_from_the_optimum():
    X, y = data(WIDE)
    model = GDLinearRegressor(penalty="l1", alpha=0.2, warm_start=True).fit(X, y)
    coef, steps = model.coef_, model.n_iter_
    model.fit(X, y)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-10)
    assert model.n_iter_ <= steps + 1
    model.set_params(alpha=0.1).fit(X, y)
    np.testing.assert_allclose(model.coef_, GDLinearRegressor(penalty="l1", alpha=0.1).fit(X, y).coef_, atol=1e-8)


def test_several_targets_have_sets_of_their_own():
    X, y = data(WIDE)
    Y = np.column_stack([y, -2 * y + X[:, 7], np.random.default_rng(2).standard_normal(len(y))])
    model = GDLinearRegressor(penalty="l1", alpha=0.3, standardize=False).fit(X, Y)
    peer = Lasso(0.3, tol=1e-13, max_iter=10**6)
    np.testing.assert_allclose(model.coef_, np.stack([peer.fit(X, each).coef_.copy() for each in Y.T]), atol=1e-7)
    assert model.optimizer_.preconditioner == "working_sets"


def test_many_sparse_columns_have_no_matrix(monkeypatch):
    monkeypatch.setattr(columns, "SMALL_MATRIX", 0)
    rng = np.random.default_rng(0)
    X = sparse.random_array((300, 500), density=0.02, rng=rng, format="csr")
    coef = rng.standard_normal(500) * (rng.random(500) < 0.5) * 5
    y = rng.random(300) < expit(X @ coef)
    settings = {"penalty": "l1", "alpha": 1e-3, "standardize": False, "criterion": "gradient", "tol": 1e-9}
    model = GDLogisticClassifier(**settings).fit(X, y)
    w = model.coef_[0]
    assert np.count_nonzero(w) ** 2 > 2 * X.nnz
    left = smallest_subgradients(X, expit(X @ w + model.intercept_) - y, w, 1e-3, 0.0)
    assert np.abs(left).max() <= 2e-9


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "squared_hinge"])
def test_sparse_columns_far_from_zero_are_chosen_as_others_are(loss):
    model, targets_of, derivative = CASES[loss]
    X, y = data((20, 1_000))
    y, X[:, ::2] = targets_of(y), X[:, ::2] + 100.0
    X[7, [0, 4]] = 0.0  # which aren't stored
    X[:, 1] = np.where(np.arange(len(X)) % 9, 0.0, X[:, 1])
    settings = {"penalty": "l1", "alpha": 0.02, "standardize": False, "max_iter": 100}
    model = clone(model).set_params(**settings).fit(sparse.csr_array(X), y)
    coef = np.ravel(model.coef_)
    assert model.stop_reason_ == "converged"
    centred = X - X.mean(axis=0)
    raw = centred @ coef + (model.intercept_[0] + X.mean(axis=0) @ coef)
    left = smallest_subgradients(centred, derivative(raw, y), coef, 0.02, 0.0)
    assert 0 < np.count_nonzero(coef) < len(X)
    assert np.abs(left).max() <= 1e-4 * 0.02


def test_chosen_columns_of_csr_are_those_of_centred_rows():
    X = np.array([[100.0, 0.0, 3.0, 0.0], [0.0, 1.0, 0.0, 5.0], [102.0, 0.0, 4.0, 7.0]])
    stored, center, unit = sparse.csr_array(X), np.array([101.0, 0.0, 0.0, 6.0]), np.array([0.5, 1.0, 2.0, 4.0])
    features = SparseFeatures(stored.data, stored.indices, stored.indptr, center, unit)
    places = np.array([2, 0, -1, 1])  # of columns 1, 3 and 0
    values, numbers, starts = np.empty(9), np.empty(9, int), np.zeros(4, int)
    far, last_rows = np.array([3, 0]), np.full(3, -1)
    select_columns(features, np.empty(0, int), places, far, last_rows, values, numbers, starts)
    found = np.zeros((3, 3))
    np.add.at(found, (np.repeat(np.arange(3), np.diff(starts)), numbers[: starts[-1]]), values[: starts[-1]])
    np.testing.assert_array_equal(found, ((X - center) * unit)[:, [1, 3, 0]])


def test_few_sparse_rows_of_columns_that_are_alike_converge_by_default():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((40, 1_000)) + 5 * rng.standard_normal((40, 1))
    y = X[:, :100].sum(axis=1) - 100 * X.mean(axis=1) > 0
    settings = {"penalty": "elasticnet", "alpha": 1.7e-3, "standardize": False, "max_iter": 300}
    models = [GDLinearClassifier("squared_hinge", **settings).fit(of(X), y) for of in (sparse.csr_array, np.asarray)]
    assert all(model.stop_reason_ == "converged" for model in models)
    assert models[0].loss_curve_[-1] == pytest.approx(models[1].loss_curve_[-1], rel=1e-5)


def left_of_softmax(X, y, model, l1, l2=0.0, weight=None):
    """The largest of the smallest subgradients of a softmax regression on X as it is, by its formula."""
    differences = softmax(X @ model.coef_.T + model.intercept_, axis=1) - (y[:, None] == model.classes_)
    pairs = zip(differences.T, model.coef_, strict=True)
    return np.abs([smallest_subgradients(X, each, coef, l1, l2, weight) for each, coef in pairs]).max()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("stored", ["wide", "wide, CSR, weights", "many columns, CSR"])
def test_classes_that_softmax_couples_step_by_turns(stored, l1_ratio):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 800)), rng.integers(0, 4, 60)  # noise, which many columns tell apart
    weight = rng.uniform(0.5, 2.0, 60) if "weights" in stored else None
    if "CSR" in stored:
        X[np.abs(X) < (1.5 if "many" in stored else 0.7)] = 0.0
        X = sparse.csr_array(X)
    model = GDLogisticClassifier(penalty="elasticnet", alpha=0.02, l1_ratio=l1_ratio, standardize=False)
    model.set_params(criterion="gradient", tol=1e-8).fit(X, y, sample_weight=weight)
    assert model.converged_
    assert model.n_iter_ <= 60
    assert model.optimizer_.preconditioner == "working_sets"
    assert 0 < np.count_nonzero(model.coef_) < model.coef_.size
    assert left_of_softmax(X, y, model, 0.02 * l1_ratio, 0.02 * (1 - l1_ratio), weight) <= 2e-8


def test_few_rows_of_many_classes_and_columns_converge_by_default():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((60, 2000)), rng.integers(0, 3, 60)
    model = GDLogisticClassifier(penalty="l1", alpha=0.02, standardize=False).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 30
    assert left_of_softmax(X, y, model, 0.02) <= 1e-4 * 0.02


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_diagonal_learnt_from_few_rows_comes_down_as_far(kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2000))
    y = X[:, :5] @ rng.standard_normal(5) * 2 + rng.standard_normal(60)
    model, y = (GDLinearRegressor(), y) if kind == "numbers" else (GDLogisticClassifier(), y > 0)
    model.set_params(penalty="l1", alpha=0.02, max_iter=300, standardize=False)
    best = model.fit(X, y).loss_curve_[-1]
    model.set_params(optimizer=LBFGS(preconditioner="diagonal"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert model.fit(X, y).loss_curve_[-1] <= best * (1 + 1e-3)


@pytest.mark.parametrize("shape", [(60, 200), (200, 20)])
def test_bounded_slopes_don_t_walk_to_raw_targets_far_from_zero(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    y = 1000 + X[:, :3] @ [1.0, 2.0, -1.0] + 0.1 * rng.standard_normal(shape[0])
    peer = Lasso(0.05, tol=1e-14, max_iter=10**5).fit(X, y)
    assert np.abs(peer.predict(X) - y).max() < 1.0  # so Huber's loss is squared error where the optimum is
    for _ in range(2):
        model = GDLinearRegressor(Huber(1.0), penalty="l1", alpha=0.05, standardize=False).fit(X, y)
        assert model.converged_
        assert model.n_iter_ <= 20
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-8)
        X += 1e4  # columns far from zero, too


def test_auto_keeps_one_matrix_for_few_columns():
    X, y = data(TALL)
    assert GDLinearRegressor(penalty="l1").fit(X[:, :5], y).optimizer_.preconditioner == "auto"
    of_sparse = GDLinearRegressor(penalty="l1").fit(sparse.csr_array(X[:, :5]), y)
    assert of_sparse.optimizer_.preconditioner == "working_sets"
    classes = np.digitize(y, [-3, 3])
    assert GDLogisticClassifier(penalty="l1", alpha=0.1).fit(X[:60], classes[:60]).optimizer_.preconditioner == "auto"
    # without anything to choose by it is what auto is
    model = GDLinearRegressor(optimizer=LBFGS(preconditioner="working_sets"), standardize=False).fit(X, y)
    np.testing.assert_allclose(model.coef_, Ridge(1e-4 * len(y)).fit(X, y).coef_, atol=1e-6)


def test_curvature_that_overflows_is_told():
    X, y = data(WIDE)
    X[:, 7] *= 1e200
    with pytest.raises(ValueError, match="so large that the curvature of the objective overflows"):
        GDLinearRegressor(penalty="l1", alpha=1e-3, standardize=False).fit(X, y)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_weak_penalties_are_reached_from_stronger_and_from_weaker_ones(l1_ratio):
    X, y = data(WIDE, informative=30)
    X += 3 * np.random.default_rng(3).standard_normal((len(X), 1))  # all of them correlated
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    model = GDLinearRegressor(penalty="elasticnet", l1_ratio=l1_ratio, standardize=False, warm_start=True)
    before = 0
    for share in 1e-3, 0.1, 1e-3, 0.5:
        alpha = share * largest
        model.set_params(alpha=alpha).fit(X, y)
        residuals = X @ model.coef_ + model.intercept_[0] - y
        left = smallest_subgradients(X, residuals, model.coef_, alpha * l1_ratio, alpha * (1 - l1_ratio))
        assert np.abs(left).max() <= 1e-9 * largest
        assert model.converged_
        assert model.n_iter_ - before <= 20  # where signs turn again and again it took hundreds
        before = model.n_iter_


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("alpha", "shape", "steps"), [(1e-3, (160, 120), 3), (1e-3, (100, 120), None), (1.0, (160, 120), None)]
)
def test_all_columns_are_worked_on_at_once_where_most_of_them_will_come_in(alpha, shape, steps, dtype, monkeypatch):
    sizes = []

    class Recorded(WorkingSets):
        def _step(self, columns, *args):
            sizes.append(columns.numbers.size)
            super()._step(columns, *args)

    monkeypatch.setattr("skgd._solvers.curvature.WorkingSets", Recorded)
    X, y = data(shape, informative=80)
    X, weight = X.astype(dtype), np.random.default_rng(5).uniform(0.5, 2.0, len(X))
    model = GDLinearRegressor(penalty="l1", alpha=alpha, standardize=False).fit(X, y, sample_weight=weight)
    coef = model.coef_.astype(float)
    left = smallest_subgradients(X, X @ coef + model.intercept_[0] - y, coef, alpha, 0.0, weight)
    assert np.abs(left).max() <= (1e-8 if dtype == np.float64 else 1e-4)
    assert model.converged_
    assert (sizes[0] == shape[1]) == (steps is not None)
    if steps is not None:
        assert model.n_iter_ <= steps
        assert np.count_nonzero(coef) > shape[1] / 2


def test_sweeps_go_on_until_signs_have_stayed_for_as_many_as_asked_for():
    matrix, gradient, l1 = np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([-2.0, -1.9]), np.full(2, 0.1)
    for calm, most, expected in (1, 9, 2), (4, 9, 5), (4, 5, 5), (4, 4, 0):  # signs stay from the first on
        slope, step = gradient.copy(), np.zeros(2)
        assert coordinate_descent(matrix, np.zeros(2), l1, slope, step, calm, most) == expected
        np.testing.assert_allclose(slope, gradient + matrix @ step, rtol=1e-12)
    coordinate_descent(matrix, np.zeros(2), l1, slope := gradient.copy(), step := np.zeros(2), 200, 200)
    np.testing.assert_allclose(step, np.linalg.solve(matrix, -gradient - l1), rtol=1e-9)  # both are positive


@pytest.mark.parametrize("centred", [True, False])
def test_coordinates_by_sparse_columns_lead_to_the_minimum_that_the_matrix_has(centred):
    rng = np.random.default_rng(2)
    Z = sparse.random_array((60, 40), density=0.2, rng=rng, format="csc", data_sampler=rng.standard_normal)
    weight, ridge, l1 = rng.uniform(0.5, 2, 60) / 60, rng.uniform(0, 0.1, 40), np.full(40, 0.05)
    sums = Z.T @ weight
    H = (Z.T * weight) @ Z - centred * np.outer(sums, sums) / weight.sum() + np.diag(ridge)
    gradient, params, step = (
        0.1 * rng.standard_normal(40),
        rng.standard_normal(40) * (rng.random(40) < 0.3),
        np.zeros(40),
    )
    kernel("coordinate_descent", FLOAT64, index=np.dtype(np.int32))(
        *(Z.data, weight[Z.indices] * Z.data, Z.indices.astype(np.int32), Z.indptr.astype(np.int32), sums),
        *(weight.sum() if centred else np.inf, np.diagonal(H).copy(), ridge, gradient, l1, params, raw := np.zeros(60)),
        *(step, 10_000, 1e-25),
    )
    found = params + step
    np.testing.assert_allclose(raw, Z @ step, atol=1e-12)
    assert np.abs(smallest_subgradient(found, gradient + H @ step, l1)).max() <= 1e-9
    assert 5 < np.count_nonzero(found) < 35


def test_a_support_solves_systems_of_those_that_differ_from_it():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((150, 200))
    matrix, support, owns = root.T @ root / 150 + 0.01 * np.eye(200), Support(), []
    free = np.sort(rng.choice(200, 100, replace=False))
    for changes in 0, 3, 2, 100, 1:
        others = rng.permutation(np.setdiff1d(np.arange(200), free))[: (changes + 1) // 2]
        free = np.sort(np.append(rng.permutation(free)[changes // 2 :], others))
        vector = rng.standard_normal(free.size)
        np.testing.assert_allclose(
            support.solve(matrix, free, vector), np.linalg.solve(matrix[np.ix_(free, free)], vector), rtol=1e-7
        )
        owns.append(support.is_own)
    assert owns == [True, False, False, True, False]
    again = Support()  # as of a fit that goes on elsewhere
    again.base = support.base
    np.testing.assert_array_equal(again.solve(matrix, free, vector), support.solve(matrix, free, vector))


@pytest.mark.parametrize("share", [10, 30])
def test_copies_of_columns_do_not_come_and_go(share):
    X, y = data((200, 200))
    y += 4 * np.random.default_rng(1).standard_normal(200)
    X = np.hstack([X, X])
    Z, n_systems = X - X.mean(axis=0), []
    matrix, gradient = Z.T @ Z / len(y), -Z.T @ y / len(y)
    alpha = np.abs(gradient).max() / share

    class Counted(Support):
        def solve(self, *system):
            n_systems.append(1)
            return super().solve(*system)

    step = least_with_l1(matrix, np.zeros(400), gradient, np.full(400, alpha), support=Counted())
    left = smallest_subgradient(step, gradient + matrix @ step, alpha)
    assert np.abs(left).max() <= 1e-11 * alpha
    assert len(n_systems) <= 15  # where rounding lets copies in: 20 to 30
    model = GDLinearRegressor(penalty="l1", alpha=alpha, standardize=False).fit(X, y)
    alone = Lasso(alpha, tol=1e-13, max_iter=10**5).fit(X[:, :200], y)
    np.testing.assert_allclose(model.coef_[:200] + model.coef_[200:], alone.coef_, atol=1e-6)
    left = smallest_subgradients(X, X @ model.coef_ + model.intercept_[0] - y, model.coef_, alpha, 0.0)
    assert np.abs(left).max() <= 1e-11 * alpha


def test_targets_far_from_zero_cost_no_step_of_their_own():
    X, y = data((200, 500))
    alpha = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y) / 20
    near, far = (GDLinearRegressor(penalty="l1", alpha=alpha, standardize=False).fit(X, each) for each in (y, y + 1e4))
    assert far.n_iter_ <= near.n_iter_
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-8)
    assert abs(far.intercept_[0] - near.intercept_[0] - 1e4) <= 1e-7


def test_who_watches_sees_each_step(at_epoch):
    X, y = data(WIDE, informative=30)
    for last in 1, 2, 3:
        model = GDLinearRegressor(penalty="l1", alpha=1e-3).set_callbacks(at_epoch(last, lambda: True)).fit(X, y)
        assert model.n_iter_ == len(model.loss_curve_) == last
    assert GDLinearRegressor(penalty="l1", alpha=1e-3).fit(X, y).n_iter_ > last


def test_along_a_path_curvature_is_taken_once_wherever_it_comes_to(monkeypatch):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((120, 90))
    classes = X[:, :9].sum(axis=1) + rng.standard_normal(120) > 0
    taken = []
    weigh = DenseColumns.weigh
    monkeypatch.setattr(DenseColumns, "weigh", lambda self, weight: (taken.append(weight), weigh(self, weight)))
    model = GDLogisticClassifier(penalty="l1", standardize=False)
    path = regularization_path(model, X, classes, alphas=np.geomspace(0.1, 1e-3, 12))
    assert path.converged.all()
    assert len(taken) == path.n_iter.sum() + 1  # at the start, and after each step
    for alpha, coef, intercept in zip(path.alphas, path.coefs, path.intercepts, strict=True):
        slopes = X.T @ (1 / (1 + np.exp(-X @ coef.ravel() - intercept)) - classes) / 120
        held, coef = np.sign(slopes) * np.maximum(np.abs(slopes) - alpha, 0), coef.ravel()
        assert np.abs(np.where(coef != 0, slopes + alpha * np.sign(coef), held)).max() <= 2e-3 * alpha


def test_columns_that_come_later_are_as_if_they_had_been_there():
    X = np.random.default_rng(0).standard_normal((20, 6))
    problem = solver_of(model_for_path(GDLogisticClassifier(standardize=False)), X, X[:, 0] > 0, None).problem
    weight, coef = np.linspace(0.1, 1, 20), np.array([1.0, -2.0, 0.5, 3.0])
    held = DenseColumns(problem.rows, True)
    for numbers in [4, 1], [0, 2, 3], [5, 1]:  # the last ones by the transpose: more were read than there are
        held.replace(np.array(numbers))
    held.weigh(weight)
    held.add(np.array([3, 0]))
    np.testing.assert_allclose(held.raw(coef), X[:, [5, 1, 3, 0]] @ coef)
    np.testing.assert_allclose(held.sums(weight), weight @ X[:, [5, 1, 3, 0]])
    centred = X[:, [5, 1, 3, 0]] - weight @ X[:, [5, 1, 3, 0]] / weight.sum()
    np.testing.assert_allclose(held.matrix[:4, :4], (centred * weight[:, None]).T @ centred, atol=1e-12)


@pytest.mark.parametrize("quadratic", [True, False])
def test_columns_far_from_zero_without_an_intercept_converge(quadratic):
    """They are all but multiples of each other, and coordinates hold each other in place."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 400)) + 10 ** rng.uniform(0, 4, 400)
    signal = (X[:, :5] - X[:, :5].mean(axis=0)).sum(axis=1) + 0.3 * rng.standard_normal(50)
    settings = {"penalty": "l1", "standardize": False, "fit_intercept": False}
    y = np.where(signal > np.median(signal), 1.0, -1.0)
    if quadratic:
        alpha = 0.02 * np.abs(X.T @ signal).max() / 50
        model = GDLinearRegressor(alpha=alpha, **settings).fit(X, signal)
        slopes = X.T @ (X @ model.coef_ - signal) / 50
    else:
        alpha = 0.02 * np.abs(X.T @ y).max() / 100
        model = GDLogisticClassifier(alpha=alpha, **settings).fit(X, y)
        slopes = -X.T @ (y * expit(-y * (X @ model.coef_.ravel()))) / 50
    coef = model.coef_.ravel()
    at_zero = np.maximum(np.abs(slopes) - alpha, 0.0)
    assert model.converged_
    assert model.n_iter_ <= 30
    assert np.count_nonzero(coef) <= 50  # no more than rows
    # 1e4 times as long as the shortest, of the longest column
    assert np.abs(np.where(coef != 0, slopes + alpha * np.sign(coef), at_zero)).max() <= 0.05 * alpha


@pytest.mark.parametrize("start", ["zeros", "far"])
def test_one_sign_after_the_other_leads_to_the_optimum(start):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 80)) + 10 ** rng.uniform(0, 3, 80)
    matrix, slopes, l1 = X.T @ X / 30, -X.T @ rng.standard_normal(30) / 30, np.full(80, 0.5)
    l1[7] = 0.0  # as an intercept's
    params = np.zeros(80) if start == "zeros" else 1e-3 * rng.standard_normal(80)
    gradient = slopes + matrix @ params
    slope, step = gradient.copy(), np.zeros(80)
    change_one_by_one(matrix, params, l1, slope, step, Support())
    np.testing.assert_allclose(slope, gradient + matrix @ step, atol=1e-6)
    found = params + step
    assert np.abs(smallest_subgradient(found, slopes + matrix @ found, l1)).max() <= 1e-6
    assert 0 < np.count_nonzero(found) <= 31
