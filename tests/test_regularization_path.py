"""Paths of solutions along alpha, and the choice of alpha, against scikit-learn's solvers and its grid search."""

import dataclasses
import functools
import time
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import logsumexp
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.linear_model import Lasso, LassoCV, LogisticRegression, Ridge, enet_path, lasso_path
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut, ShuffleSplit
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from skgd._compile.kernels import kernel
from skgd._solvers import covariances, shared_moments
from skgd._solvers.continuation import Continuation, Past, through
from skgd._solvers.hessians import Blocks, Diagonal, Factor, LowRank, Unshifted
from skgd._solvers.quasi_newton import QuasiNewton, leap, penalise
from skgd.linear_model import AlphaSearchCV, _path, regularization_path
from skgd.linear_model._path import model_for_path, path_of, solver_of
from skgd.penalties import L1, L2, ElasticNet
from skgd.plotting import CoefficientPathDisplay

mpl.use("Agg")


def data(shape=(80, 12), seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape) * np.geomspace(0.1, 10, shape[1]) + 1.0
    X[:, 1:6] += 0.8 * X[:, :5]
    return X, StandardScaler().fit_transform(X)[:, :6] @ [3.0, -2.0, 1.0, 0.0, 1.0, -1.0] + rng.standard_normal(
        shape[0]
    )


X, y = data()
Z = StandardScaler().fit_transform(X)
KIND = np.digitize(y, np.quantile(y, [0.3, 0.6]))


@pytest.fixture(params=["covariances", "line searches"])
def way(request, monkeypatch):
    """Both ways to the solutions of squared error."""
    if request.param != "covariances":
        monkeypatch.setattr(_path, "covariances_suit", lambda problem: False)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_agrees_with_coordinate_descent(way, l1_ratio):
    model = GDLinearRegressor(penalty=ElasticNet(l1_ratio=l1_ratio))
    path = regularization_path(model, X, y, n_alphas=20)
    _, coefs, _ = enet_path(Z, y - y.mean(), l1_ratio=l1_ratio, alphas=path.alphas, tol=1e-12, max_iter=10**5)
    np.testing.assert_allclose(path.coefs * X.std(axis=0), coefs.T, atol=1e-6)
    np.testing.assert_allclose(path.intercepts[:, 0], y.mean() - path.coefs @ X.mean(axis=0), rtol=1e-12)
    slopes = coefs.T @ Z.T @ Z / len(y) - Z.T @ y / len(y) + path.alphas[:, None] * (1 - l1_ratio) * coefs.T
    assert np.abs(slopes).max() <= path.alphas[0] * l1_ratio * (1 + 1e-6)
    assert path.converged.all()
    assert path.gradient_norms.max() < 1e-6
    assert model.get_params() == GDLinearRegressor(penalty=model.penalty).get_params()


def test_agrees_with_ridge_and_several_targets(way):
    Y, alphas = np.column_stack([y, 100 * np.cos(y)]), [1e-8, 1.0, 0.1]
    path = regularization_path(GDLinearRegressor(), X, Y, alphas=alphas, sample_weight=1 + (y > 0))
    assert path.alphas.tolist() == [1.0, 0.1, 1e-8]
    mean = np.average(X, axis=0, weights=1 + (y > 0))
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=1 + (y > 0)))
    for alpha, coef, intercept in zip(path.alphas, path.coefs, path.intercepts, strict=True):
        peer = Ridge(alpha * (1 + (y > 0)).sum(), tol=1e-12).fit((X - mean) / scale, Y, sample_weight=1 + (y > 0))
        np.testing.assert_allclose(coef * scale, peer.coef_, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(X @ coef.T + intercept, peer.predict((X - mean) / scale), rtol=1e-6, atol=1e-6)
    lasso = regularization_path(GDLinearRegressor(penalty="l1"), X, Y, n_alphas=4)
    alone = [regularization_path(GDLinearRegressor(penalty="l1"), X, of, alphas=lasso.alphas) for of in Y.T]
    np.testing.assert_allclose(lasso.coefs, np.stack([each.coefs for each in alone], axis=1), atol=1e-6)


def test_sparse_rows_and_raw_features(way):
    entries = np.where(np.abs(X) < 1, 0, X)
    path = regularization_path(GDLinearRegressor(penalty="l1", standardize="max_abs"), sparse.csr_array(entries), y)
    scaled = MaxAbsScaler().fit_transform(entries)
    for k in 0, 30, 99:
        peer = Lasso(path.alphas[k], tol=1e-12, max_iter=10**5).fit(scaled, y)
        np.testing.assert_allclose(path.coefs[k] * path.scales, peer.coef_, atol=1e-5)
        np.testing.assert_allclose(path.intercepts[k], peer.intercept_, atol=1e-5)
    raw = GDLinearRegressor(penalty="l1", standardize=False, fit_intercept=False)
    path = regularization_path(raw, X, y, n_alphas=5)
    _, coefs, _ = lasso_path(X, y, alphas=path.alphas, tol=1e-12, max_iter=10**5)
    np.testing.assert_allclose(path.coefs, coefs.T, atol=1e-6)


@pytest.mark.parametrize(("penalty", "alphas"), [("l1", [0.1, 0.02, 0.003]), ("l2", [1.0, 0.1, 0.0])])
def test_logistic_regression_at_single_alphas(penalty, alphas, lasso):
    kind = y > 0
    path = regularization_path(GDLogisticClassifier(penalty=penalty), X, kind, alphas=alphas)
    for alpha, coef, intercept in zip(path.alphas[:2], path.coefs, path.intercepts, strict=False):
        how = {"solver": "lbfgs"} if penalty == "l2" else lasso | {"solver": "saga"}
        peer = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=10**5, **how).fit(Z, kind)
        np.testing.assert_allclose(coef * path.scales, peer.coef_, atol=1e-5)
        np.testing.assert_allclose(X @ coef[0] + intercept, peer.decision_function(Z), atol=1e-4)
    assert path.converged[:2].all()


LARGEST = {  # derivatives of the loss by raw predictions at the best constant, written out
    "squared": (GDLinearRegressor(), y, lambda y, share: y - share @ y),
    "poisson": (GDLinearRegressor("poisson"), y**2, lambda y, share: y - share @ y),
    "squared_hinge": (
        GDLinearClassifier("squared_hinge"),
        y > 0,
        lambda y, share: 2 * np.where(y, 2 * (1 - share @ y), -2 * (share @ y)),
    ),
    "log_loss": (GDLogisticClassifier(), y > 0, lambda y, share: y - share @ y),
    "multinomial": (GDLogisticClassifier(), KIND, lambda y, share: np.eye(3)[y] - share @ np.eye(3)[y]),
}


@pytest.mark.parametrize("stored", ["dense", "CSR"])
@pytest.mark.parametrize("loss", LARGEST)
def test_all_is_zero_at_the_largest_alpha_and_not_below(loss, stored):
    model, targets, slopes_of = LARGEST[loss]
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    share = weight / weight.sum()
    mean = share @ X
    scale = np.sqrt(share @ (X - mean) ** 2)
    largest = np.abs((X / scale).T @ (share * slopes_of(targets, share).T).T).max() / 0.5
    model.set_params(penalty="elasticnet", l1_ratio=0.5, standardize=True)
    rows = sparse.csr_array(X) if stored == "CSR" else X
    path = regularization_path(model, rows, targets, weight, n_alphas=2, eps=0.999)
    np.testing.assert_allclose(path.alphas[0], largest, rtol=1e-6)
    assert not path.coefs[0].any()
    assert path.coefs[1].any()
    assert path.converged.all()
    fitted = model.set_params(alpha=path.alphas[0]).fit(rows, targets, sample_weight=weight)
    assert not fitted.coef_.any()
    np.testing.assert_allclose(path.intercepts[0], fitted.intercept_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("model", "targets"),
    [
        (GDLogisticClassifier(penalty="elasticnet"), KIND),
        (GDLinearRegressor("huber", penalty="l1"), y),
        (GDLinearRegressor("quantile"), y),
        (GDLinearRegressor("poisson", penalty="l1"), np.abs(y)),
    ],
)
def test_solutions_are_those_of_single_fits(model, targets):
    path = regularization_path(model, X.astype(np.float32), targets, n_alphas=4, eps=1e-2)
    assert path.coefs.dtype == np.float32
    fitted = model.set_params(alpha=float(path.alphas[-1])).fit(X.astype(np.float32), targets)
    assert path.coefs[-1].shape == fitted.coef_.shape
    assert path.intercepts[-1].shape == fitted.intercept_.shape
    np.testing.assert_allclose(path.coefs[-1] * path.scales, fitted.coef_ * path.scales, atol=3e-3)


def test_more_columns_than_rows(way):
    wide, targets = data((40, 100), seed=3)
    path = regularization_path(GDLinearRegressor(penalty="l1"), wide, targets, n_alphas=10)
    assert path.converged.all()
    scaled = StandardScaler().fit_transform(wide)
    residuals = wide @ path.coefs.T + path.intercepts[:, 0] - targets[:, None]
    slopes, at = (scaled.T @ residuals / len(targets)).T, path.coefs != 0
    assert np.count_nonzero(at[-1]) > 20
    np.testing.assert_allclose(
        slopes[at], -(path.alphas[:, None] * np.sign(path.coefs))[at], atol=1e-7 * path.alphas[0]
    )
    assert (np.abs(slopes) <= path.alphas[:, None] + 1e-7 * path.alphas[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("l1_ratio", "off"), [(0.0, 2e-4), (0.3, 2e-4), (1.0, 2e-3)])  # by the tolerances of each
def test_solutions_of_classes_are_at_the_optimum(l1_ratio, off, dtype):
    rng = np.random.default_rng(0)
    rows, weight, alphas = rng.normal(size=(300, 40)).astype(dtype), rng.uniform(0, 2, 300), np.geomspace(0.3, 1e-4, 15)
    classes = np.digitize(rows[:, 0], [-0.5, 0.5])
    model = GDLogisticClassifier(penalty=ElasticNet(l1_ratio=l1_ratio) if l1_ratio else "l2")
    path = regularization_path(model, rows, classes, sample_weight=weight, alphas=alphas)
    assert path.converged.all()
    centered = rows - np.average(rows, axis=0, weights=weight)
    scale = np.sqrt(np.average(centered.astype(float) ** 2, axis=0, weights=weight))
    for alpha, coefs, intercepts in zip(alphas, path.coefs.astype(float), path.intercepts, strict=True):
        raw = np.exp(rows @ coefs.T + intercepts)
        errors = raw / raw.sum(axis=1, keepdims=True) - np.eye(3)[classes]
        scaled, bears = coefs * scale, alpha * l1_ratio
        slopes = (errors * weight[:, None] / weight.sum()).T @ (centered / scale) + alpha * (1 - l1_ratio) * scaled
        held = np.sign(slopes) * np.maximum(np.abs(slopes) - bears, 0)
        subgradient = np.where(coefs != 0, slopes + bears * np.sign(coefs), held)
        assert np.abs(subgradient).max() <= off * alpha


def test_coordinates_alone_follow_a_path_to_the_tolerance_that_was_asked_for():
    rng, tol = np.random.default_rng(0), 1e-8
    X = rng.standard_normal((50, 20)) + rng.standard_normal((50, 1))
    H, c = X.T @ X / 50, X.T @ (X[:, :3].sum(axis=1) + rng.standard_normal(50)) / 50
    l1s = np.geomspace(np.abs(c).max(), 1e-3 * np.abs(c).max(), 10)
    ridges, path, norms, sweeps = 0.3 * l1s, np.empty((10, 20)), np.zeros(10), np.zeros(10, np.int64)
    work = np.empty(20, np.int64), np.empty_like(H), np.empty((2, 20))
    of_path = np.zeros(20), -c, path, norms, sweeps
    follow = kernel("coordinate_path", np.dtype(float))
    assert follow(H, np.arange(20), ridges, l1s, tol, 0, 1000, *of_path, *work) == 10
    for l1, ridge, w, norm in zip(l1s, ridges, path, norms, strict=True):
        gradient = H @ w - c + ridge * w
        left = np.where(w == 0, np.maximum(np.abs(gradient) - l1, 0), np.abs(gradient + l1 * np.sign(w)))
        assert left.max() <= tol
        np.testing.assert_allclose(norm, left.max(), atol=1e-13)
    assert not path[0].any()
    assert 0 < np.count_nonzero(path[5]) < np.count_nonzero(path[-1])


def test_the_next_solution_is_looked_for_where_the_last_ones_lead():
    alphas = np.array([0.3, 0.2, 0.05, 0.01])
    at = np.log(alphas)
    truth = np.outer(at**2, [1.0, 0.0, -0.2, 3.0]) + np.outer(at, [0.5, 0.0, 0.1, 1.0]) + [2.0, 0.0, 0.4, 1.0]
    path = Continuation(solver_of(model_for_path(GDLogisticClassifier()), X[:, :3], KIND > 0, None).problem, None)
    path.past = [Past(*each, None) for each in zip(at[:3], truth[:3], strict=True)]
    np.testing.assert_allclose(path._guess(dataclasses.replace(path.problem, penalty=L2(0.01))), truth[3])
    for penalty in L2(0.0), L2(0.2), L1(0.01):  # a logarithm that isn't known, or leads nowhere; zeros that stay
        assert path._guess(dataclasses.replace(path.problem, penalty=penalty)) is None


@pytest.mark.parametrize("slopes", [(), (0,), (1,), (0, 1)])
def test_the_polynomial_has_the_values_and_slopes_that_are_known(slopes):
    at, coefs = np.array([0.3, -1.0, -2.2]), np.random.default_rng(0).standard_normal((5, 3 + len(slopes)))
    known = []
    for number, place in enumerate(at):
        known.append((place, np.array([np.polyval(each, place) for each in coefs])))
        if number in slopes:
            known.append((place, np.array([np.polyval(np.polyder(each), place) for each in coefs])))
    np.testing.assert_allclose(through(known, 1.7), [np.polyval(each, 1.7) for each in coefs], rtol=1e-9)


def test_newtons_method_knows_how_solutions_go_on():
    path = solver_of(model_for_path(GDLogisticClassifier()), X[:, :4], KIND > 0, None)
    for strength in 0.3, 0.1:
        path.under(L2(strength))
    ahead = [solver_of(model_for_path(GDLogisticClassifier(tol=1e-14)), X[:, :4], KIND > 0, None) for _ in range(2)]
    further = [one.under(L2(0.1 * np.exp(step))).params for one, step in zip(ahead, (1e-3, -1e-3), strict=True)]
    np.testing.assert_allclose(path.past[-1].slope, (further[0] - further[1]) / 2e-3, rtol=1e-4)
    np.testing.assert_allclose(path.past[-1].params, (further[0] + further[1]) / 2, atol=1e-6)


@pytest.mark.parametrize("name", ["two classes", "three classes"])
def test_no_promise_by_the_curvature_from_elsewhere_is_an_end(name):
    rows, classes = load_wine(return_X_y=True)
    rows = StandardScaler().fit_transform(rows)
    if name == "two classes":  # too many columns for the kernel of Newton's method
        rows, classes = np.hstack([rows, *(rows[:, : 12 - j] * rows[:, j + 1 :] for j in range(6))]), classes == 1
    model, alphas = model_for_path(GDLogisticClassifier(standardize=False)), np.geomspace(0.1, 1e-6, 12)
    path = path_of(model, solver_of(model, rows, classes, None, 1e-5), alphas)
    for alpha, coef, intercept in zip(alphas, path.coefs, path.intercepts, strict=True):
        peer = LogisticRegression(C=1 / (alpha * len(rows)), tol=1e-10, max_iter=10**4).fit(rows, classes)

        def objective(coef, intercept, alpha=alpha):
            raw = rows @ np.atleast_2d(coef).T + intercept
            raw = np.hstack([np.zeros_like(raw), raw]) if raw.shape[1] == 1 else raw
            losses = logsumexp(raw, axis=1) - raw[np.arange(len(raw)), classes.astype(int)]
            return losses.mean() + 0.5 * alpha * (coef**2).sum()

        assert objective(coef, intercept) - objective(peer.coef_, peer.intercept_) <= 5e-5


def test_solutions_cost_less_where_the_last_ones_lead(monkeypatch):
    steps = []
    for leaps in True, False:
        if not leaps:
            monkeypatch.setattr(Continuation, "_guess", lambda *_: None)
        for targets in KIND, KIND > 0:  # line searches, and Newton's method
            path = regularization_path(GDLogisticClassifier(), X, targets, alphas=np.geomspace(1, 1e-3, 12))
            assert path.converged.all()
            steps.append(path.n_iter.sum())
    assert steps[0] < steps[2]
    assert steps[1] < steps[3]


ROWS, SHARES = np.random.default_rng(0).standard_normal((9, 4)), np.linspace(0.1, 1, 9)
CURVATURE = ROWS.T @ (ROWS * SHARES[:, None])
OF_RIDGES = {
    "blocks": lambda one, other: Blocks([Factor(CURVATURE.copy(), one), Factor(CURVATURE**2, other)]),
    "one of two outputs": lambda one, _: Blocks([Factor(CURVATURE.copy(), one)] * 2),
    "what outputs share": lambda one, _: Unshifted(Blocks([Factor(CURVATURE.copy(), one)] * 2), np.append(one, one), 2),
    "low rank": lambda one, _: LowRank(one, ROWS, ROWS[:, :-1] @ ROWS[:, :-1].T, SHARES),
    "diagonal": lambda one, other: Diagonal(
        np.arange(8.0), np.append(one, other), np.arange(4), Blocks([Factor(CURVATURE.copy(), one)])
    ),
}


@pytest.mark.parametrize("kind", OF_RIDGES)
def test_models_of_the_curvature_take_another_ridge(kind):
    old, new, other = (np.array([ridge] * 3 + [0.0]) for ridge in (0.3, 2.0, 5.0))
    other = new if kind == "one of two outputs" or "share" in kind else other
    model, vector = OF_RIDGES[kind](old, old), np.arange(1.0, 5.0 if kind == "low rank" else 9.0)
    before = model.solve(vector)
    again = model.penalised(new if kind == "low rank" else np.append(new, other))
    np.testing.assert_allclose(again.solve(vector), OF_RIDGES[kind](new, other).solve(vector), rtol=1e-9)
    np.testing.assert_array_equal(model.solve(vector), before)  # which stays as it is
    if kind == "blocks":
        expected = np.linalg.solve(CURVATURE + np.diag(new), vector[:4])
        np.testing.assert_allclose(again.solve(vector)[:4], expected, rtol=1e-6)


def test_a_search_takes_another_ridge_and_leaps_where_less_is_known_to_be():
    at, more = np.arange(4.0), np.array([1.0, 2.0, 3.0, 0.0])

    def function(params):
        return 0.5 * (params - at) @ CURVATURE @ (params - at), CURVATURE @ (params - at)

    def penalised(params):
        value, gradient = function(params)
        return value + 0.5 * more @ params**2, gradient + more * params

    search = QuasiNewton(function, np.ones(4), memory=5, l1=None, eps=1e-16)
    for _ in range(3):
        search.look()
        assert search.move()
    search.function = penalised
    penalise(search, more)
    value, gradient = penalised(search.params)
    np.testing.assert_allclose(search.value, value, rtol=1e-12)
    np.testing.assert_allclose(search.gradient, gradient, rtol=1e-12)
    assert len(search.pairs) == 3
    for step, change, inverse in search.pairs:
        np.testing.assert_allclose(change, CURVATURE @ step + more * step, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(inverse, 1 / (step @ change), rtol=1e-12)
    assert not leap(search, 10 * at)
    assert search.value == value
    least = np.linalg.solve(CURVATURE + np.diag(more), CURVATURE @ at)
    assert leap(search, least)
    np.testing.assert_array_equal(search.params, least)


def test_the_last_fit_begins_where_the_folds_have_ended():
    search = AlphaSearchCV(GDLogisticClassifier(), n_alphas=5).fit(X, KIND)
    alone = GDLogisticClassifier(alpha=search.alpha_).fit(X, KIND)
    assert search.best_estimator_.n_iter_ < alone.n_iter_
    np.testing.assert_allclose(search.best_estimator_.coef_, alone.coef_, rtol=1e-7, atol=1e-9)


def test_who_asks_for_a_tolerance_has_it_along_paths_and_in_folds():
    def slope_left(tol):
        of_folds = solver_of(model_for_path(GDLogisticClassifier(tol=tol)), X[:, :4], KIND > 0, None, tol=0.5)
        return of_folds.under(L2(1e-3)).gradient_norm

    assert slope_left(1e-14) < 1e-7
    assert slope_left("auto") > 1e-3  # which leaves it to the search


def test_no_solution_takes_more_than_max_iter():
    model = GDLinearRegressor(penalty="l1", max_iter=3)
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        path = regularization_path(model, X, y, n_alphas=30)
    assert path.n_iter.max() <= 3
    assert path.converged.any()
    assert not path.converged.all()
    assert (path.gradient_norms[~path.converged] > path.gradient_norms[path.converged].max()).all()


def test_several_targets_have_converged_when_each_has():
    model, constant = GDLinearRegressor(penalty="l1"), np.ones(len(y))
    Y, alphas = np.column_stack([y, np.cos(X[:, 0])]), [0.1, 0.02, 0.004]
    alone = [regularization_path(model, X, of, alphas=alphas) for of in Y.T]
    together = regularization_path(model, X, Y, alphas=alphas)
    assert together.n_iter.tolist() == np.max([each.n_iter for each in alone], axis=0).tolist()
    np.testing.assert_allclose(
        together.gradient_norms, np.max([each.gradient_norms for each in alone], axis=0), atol=1e-15
    )
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        path = regularization_path(model.set_params(max_iter=3), X, np.column_stack([constant, y]), alphas=alphas)
    assert not path.converged.any()


def test_steps_are_those_of_each_solution():
    walks = np.cumsum(np.random.default_rng(0).standard_normal((200, 60)), axis=1)  # which coordinates are slow among
    path = regularization_path(GDLinearRegressor(penalty="l1"), walks, walks[:, ::7].sum(axis=1), n_alphas=20)
    assert path.n_iter.max() > covariances.MOST_SWEEPS
    path = regularization_path(GDLogisticClassifier(), X, KIND, alphas=[0.1, 0.1 - 1e-9])
    assert path.n_iter[1] <= 2 < path.n_iter[0]


def test_what_rows_tell_nothing_of_is_left_at_zero():
    twice = np.column_stack([X, X[:, 0]])
    path = regularization_path(GDLinearRegressor(standardize=False), twice, y, alphas=[1.0, 0.0])
    expected = np.linalg.lstsq(twice - twice.mean(axis=0), y - y.mean())[0]  # the shortest of those that are as good
    np.testing.assert_allclose(path.coefs[1], expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_moments_that_overflow_are_told(penalty):
    with pytest.raises(ValueError, match="features are so large"):
        regularization_path(GDLinearRegressor(penalty=penalty, standardize=False), 1e155 * X, y, alphas=[1.0])


def test_what_makes_no_path_is_refused():
    for parameters, word in (
        ({"penalty": None}, "penalty=None"),
        ({"early_stopping": True}, "early_stopping"),
        ({"optimizer": "adam"}, "optimizer='auto'"),
        ({"l1_ratio": 2.0}, "l1_ratio"),
    ):
        with pytest.raises(ValueError, match=word):
            regularization_path(GDLinearRegressor(**parameters), X, y)
    with pytest.raises(TypeError, match="linear estimator of skgd"):
        regularization_path(Lasso(), X, y)
    for name, value in ("alphas", [-1.0]), ("alphas", []), ("alphas", [np.inf]), ("eps", 1.0), ("n_alphas", 0):
        with pytest.raises(ValueError, match=name):
            regularization_path(GDLinearRegressor(), X, y, **{name: value})
    with pytest.raises(dataclasses.FrozenInstanceError):
        regularization_path(GDLinearRegressor(), X, y, n_alphas=2).alphas = None


SEARCHES = {
    "lasso": (GDLinearRegressor(penalty="l1"), y, {}),
    "counts, another score": (GDLinearRegressor("poisson"), np.abs(y), {"scoring": "neg_mean_poisson_deviance"}),
    "counts, CSR of zeros for the most part": (
        GDLinearRegressor("poisson", penalty="elasticnet", l1_ratio=0.7),
        np.round(np.maximum(y, 0.0)),
        {"cv": 4},
    ),
    "classes by name, CSR": (GDLogisticClassifier(penalty=L1()), np.array(["a", "b", "c"])[KIND], {"cv": 3}),
    "yes or no": (GDLogisticClassifier(), KIND > 0, {"cv": 3}),
    "a half to learn from": (
        GDLinearRegressor(),
        y,
        {"cv": ShuffleSplit(3, train_size=0.5, test_size=0.2, random_state=0)},
    ),
    "probabilities": (
        GDLogisticClassifier(),
        KIND,
        {"scoring": "neg_log_loss", "cv": KFold(4, shuffle=True, random_state=0)},
    ),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_the_search_is_a_grid_search_over_alpha(case, monkeypatch):
    monkeypatch.setattr(shared_moments, "MANY_ROWS", 1)  # from which on folds have the moments of all rows less others
    model, targets, settings = SEARCHES[case]
    rows = np.where(Z > 0.5, Z, 0.0) if "zeros" in case else X
    rows = sparse.csr_array(rows) if "CSR" in case else rows
    weight = 1 + (y > 0) if case == "lasso" else None
    search = AlphaSearchCV(model, n_alphas=5, eps=1e-2, tol=1e-12, **settings).fit(rows, targets, sample_weight=weight)
    (name,) = search.best_params_
    alphas = [each[name] for each in search.cv_results_["params"]]
    grid = GridSearchCV(model, {name: alphas}, **settings).fit(rows, targets, sample_weight=weight)
    for key in set(grid.cv_results_) & set(search.cv_results_) - {"params", f"param_{name}"}:
        np.testing.assert_allclose(search.cv_results_[key], grid.cv_results_[key], atol=1e-4, err_msg=key)
    assert search.alpha_ == grid.best_params_[name] == search.best_estimator_.get_params()[name]
    # from the folds' moments, or solutions
    same = np.testing.assert_array_equal if is_classifier(model) else np.testing.assert_allclose
    for of_search, of_grid in (
        (search.predict(rows), grid.predict(rows)),
        (search.score(rows, targets), grid.score(rows, targets)),
    ):
        same(of_search, of_grid, **({} if is_classifier(model) else {"rtol": 1e-10}))
    if "classes" in case:
        assert list(search.classes_) == ["a", "b", "c"]


@pytest.mark.parametrize("order", [slice(None), np.argsort(y)], ids=["as they are", "folds of other means and scales"])
@pytest.mark.parametrize(("tol", "rtol"), [({}, 2e-3), ({"tol": 1e-8}, 1e-3), ({"tol": 1e-14}, 1e-6)])
def test_finds_the_alpha_of_lasso_cv(tol, rtol, order, monkeypatch):
    monkeypatch.setattr(shared_moments, "MANY_ROWS", 1)
    rows, targets = X[order], y[order]
    model = GDLinearRegressor(penalty="l1", standardize=False)
    search = AlphaSearchCV(model, scoring="neg_mean_squared_error", **tol).fit(rows, targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = LassoCV(tol=1e-10, max_iter=10**5).fit(rows, targets)
    np.testing.assert_allclose(search.alpha_, peer.alpha_, rtol=1e-8)
    np.testing.assert_allclose(-search.cv_results_["mean_test_score"], peer.mse_path_.mean(axis=1), rtol=rtol)
    np.testing.assert_allclose(search.best_estimator_.coef_, peer.coef_, atol=1e-6)


def test_without_an_intercept_it_is_that_of_lasso_cv_too(monkeypatch):
    monkeypatch.setattr(shared_moments, "MANY_ROWS", 1)
    model = GDLinearRegressor(penalty="l1", standardize=False, fit_intercept=False)
    search = AlphaSearchCV(model, n_alphas=20, scoring="neg_mean_squared_error", tol=1e-14).fit(X, y)
    alphas = [each["alpha"] for each in search.cv_results_["params"]]
    peer = LassoCV(alphas=alphas, fit_intercept=False, tol=1e-10, max_iter=10**5).fit(X, y)
    assert search.alpha_ == peer.alpha_
    np.testing.assert_allclose(-search.cv_results_["mean_test_score"], peer.mse_path_.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(search.best_estimator_.coef_, peer.coef_, atol=1e-6)


def test_moments_of_many_folds_are_not_kept(monkeypatch):
    kept = []

    def without(self, left_out, without=shared_moments.SharedMoments.without):
        kept.append(sum(moments.nbytes for _, _, moments in self.parts))
        return without(self, left_out)

    monkeypatch.setattr(shared_moments.SharedMoments, "without", without)
    monkeypatch.setattr(shared_moments, "MANY_ROWS", 1)
    scores = []
    for most in shared_moments.MOST_KEPT, 5 * 14**2 - 1:  # five folds of twelve features, of ones and of y
        monkeypatch.setattr(shared_moments, "MOST_KEPT", most)
        search = AlphaSearchCV(GDLinearRegressor(penalty="l1"), n_alphas=3, cv=5).fit(X, y)
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_allclose(*scores, rtol=1e-9)
    assert kept == [5 * 14**2 * 8] * 5 + [0] * 5


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [GDLinearRegressor(penalty="l1"), GDLogisticClassifier()])
def test_the_search_passes_the_checks_of_estimators(model):
    results = check_estimator(AlphaSearchCV(model, n_alphas=2, cv=2), on_fail=None, on_skip=None)
    assert [each["check_name"] for each in results if each["status"] == "failed"] == []


def test_pictures_of_paths():
    path = regularization_path(GDLinearRegressor(penalty="l1"), X, y, alphas=[0.0, 0.01, 0.1, 1.0])
    display = CoefficientPathDisplay.from_path(path, alpha=0.1)
    np.testing.assert_array_equal(display.lines_["feature 2"].get_xdata(), [1.0, 0.1, 0.01])
    np.testing.assert_allclose(display.lines_["feature 2"].get_ydata(), path.coefs[:3, 2] * X.std(axis=0)[2])
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlim() == (1.0, 0.01)  # the largest at the left
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("alpha", "coefficient of the scaled feature")
    assert "alpha = 0.1" in [text.get_text() for text in display.figure_.legends[0].get_texts()]
    classes = regularization_path(GDLogisticClassifier(), X, np.array(["a", "b", "c"])[KIND], n_alphas=2)
    assert list(CoefficientPathDisplay.from_path(classes, features=[0], output=None).lines_) == ["a", "b", "c"]
    crossing = CoefficientPathDisplay(np.array([1.0, 0.1]), np.array([[2.0, 1.0], [1.0, 2.0]]), ["a", "b"], chosen=1.0)
    names = [text.get_text() for text in crossing.plot().figure_.legends[0].get_texts()]
    assert names == ["a", "b", "epochs = 1"]  # as they are at what was chosen
    with pytest.raises(TypeError, match="regularization_path"):
        CoefficientPathDisplay.from_path(X)


def test_names_of_columns_are_known():
    frame = pd.DataFrame(X[:, :2], columns=["one", "other"])
    assert [*AlphaSearchCV(GDLinearRegressor(), n_alphas=2).fit(frame, y).feature_names_in_] == ["one", "other"]


def test_rows_of_folds_may_be_numbered_from_the_end():
    numbers = np.arange(len(y))
    given = [(numbers[:-50], numbers[-50:]), (numbers[50:], numbers[:50])]
    from_the_end = [(rows, unseen - len(y)) for rows, unseen in given]
    scores = [
        AlphaSearchCV(GDLinearRegressor(), n_alphas=3, cv=cv).fit(X, y).cv_results_["mean_test_score"]
        for cv in (given, from_the_end)
    ]
    np.testing.assert_array_equal(*scores)


def test_folds_of_single_rows_have_no_score_and_weightless_ones_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = AlphaSearchCV(GDLinearRegressor(), n_alphas=3, cv=LeaveOneOut()).fit(X[:10], y[:10])
    assert np.isnan(search.cv_results_["mean_test_score"]).all()  # as GridSearchCV has it
    assert (search.cv_results_["rank_test_score"] == 1).all()  # ties share the best place, and the largest alpha has it
    assert search.best_index_ == 0
    with pytest.raises(ValueError, match="zero for all rows of a fold"):
        AlphaSearchCV(GDLinearRegressor(), n_alphas=3).fit(X, y, sample_weight=np.arange(len(y)) < 50)


def test_weights_go_where_they_are_asked_for():
    weight = np.random.default_rng(0).random(len(y))
    with config_context(enable_metadata_routing=True):
        with pytest.raises((TypeError, UnsetMetadataPassedError)):  # as GridSearchCV has it
            AlphaSearchCV(GDLinearRegressor(), n_alphas=3).fit(X, y, sample_weight=weight)
        silent = GDLinearRegressor().set_fit_request(sample_weight=False).set_score_request(sample_weight=True)
        search = AlphaSearchCV(silent, n_alphas=3).fit(X, y, sample_weight=weight)
        alphas = [each["alpha"] for each in search.cv_results_["params"]]
        grid = GridSearchCV(silent, {"alpha": alphas}).fit(X, y, sample_weight=weight)
    for scores in "mean_test_score", "split0_test_score":
        np.testing.assert_allclose(search.cv_results_[scores], grid.cv_results_[scores], atol=1e-4)
    np.testing.assert_array_equal(search.best_estimator_.coef_, GDLinearRegressor(alpha=search.alpha_).fit(X, y).coef_)
    plain = AlphaSearchCV(
        GDLinearRegressor(), n_alphas=3, scoring=lambda model, rows, targets: model.score(rows, targets)
    )
    plain.fit(X, y, sample_weight=weight)  # a scorer that takes no weights
    with pytest.raises(ValueError, match="scoring"):
        AlphaSearchCV(GDLinearRegressor(), scoring=["r2"]).fit(X, y)


RARE = 3 * np.arange(12)
FOLDS = {
    "weights": {"sample_weight": 1.0 + (y > 0)},
    "several targets": {"targets": np.c_[y, X @ np.arange(12)]},
    "zeros": {"rows": np.where(X > 1, X, 0.0)},
    "far from zero": {"rows": X + 1e4},
    "a column that one fold alone tells": {"rows": np.c_[X, np.where(np.arange(len(X)) == 3, 1e6, np.sin(X[:, 0]))]},
    "a column that is constant in the others": {"rows": np.c_[X, np.arange(len(X)) == 3]},
    "no noise": {"targets": X @ np.arange(12.0)},
    "targets of a fold that are about the same": {"targets": np.where(np.arange(len(y)) < 16, 3 + 1e-6 * y, y)},
    "a rare column, most of it in a fold": {
        "rows": np.c_[
            X[:, 0] * np.isin(np.arange(80), [0, 2, 5, 9, 79]), X * (np.add.outer(np.arange(80), RARE) % 11 == 0)
        ]
    },
}


@pytest.mark.parametrize("standardize", ["auto", "max_abs", False])
@pytest.mark.parametrize("case", FOLDS)
def test_scores_by_moments_are_those_of_rows(case, standardize, monkeypatch):
    monkeypatch.setattr(shared_moments, "MANY_ROWS", 1)
    given = {"rows": X, "targets": y, "sample_weight": None} | FOLDS[case]
    rows, targets, weight = given.values()
    model = GDLinearRegressor(penalty="l1", standardize=standardize, max_iter=10**4)
    fit = {"X": rows, "y": targets, "sample_weight": weight}
    told, deviations = [], shared_moments.Others.deviations
    monkeypatch.setattr(shared_moments.Others, "deviations", lambda *given: told.append(deviations(*given)) or told[-1])
    search = AlphaSearchCV(model, n_alphas=4, eps=1e-2, tol=1e-14).fit(**fit)
    by_moments = sum(each is not None for each in told)
    assert by_moments == {"weights": 5, "several targets": 5, "zeros": 5, "no noise": 5}.get(case, by_moments)
    for fold, (train, test) in enumerate(KFold(5).split(rows)):
        for k, params in enumerate(search.cv_results_["params"]):
            alone = (
                clone(model)
                .set_params(**params, tol=1e-14)
                .fit(rows[train], targets[train], None if weight is None else weight[train])
            )
            expected = r2_score(
                targets[test], alone.predict(rows[test]), sample_weight=None if weight is None else weight[test]
            )
            np.testing.assert_allclose(search.cv_results_[f"split{fold}_test_score"][k], expected, rtol=1e-6, atol=1e-7)
    last = clone(model).set_params(**search.best_params_).fit(**fit)
    np.testing.assert_allclose(search.best_estimator_.coef_, last.coef_, rtol=1e-6, atol=1e-7)


class Marked(GDLinearRegressor):
    """A model whose `fit` does more."""

    def fit(self, X, y, sample_weight=None):
        """Fit, and leave a mark."""
        self.mark_ = len(X)
        return super().fit(X, 2 * y, sample_weight)


def test_the_last_fit_is_that_of_a_subclass():
    search = AlphaSearchCV(Marked(penalty="l1", standardize=False), n_alphas=3).fit(X, y)
    assert search.best_estimator_.mark_ == len(X)
    peer = Lasso(search.alpha_, tol=1e-12, max_iter=10**5).fit(X, 2 * y)
    np.testing.assert_allclose(search.best_estimator_.coef_, peer.coef_, atol=1e-7)


@pytest.mark.parametrize("case", SEARCHES)
def test_folds_in_threads_change_no_bit(case, monkeypatch):
    monkeypatch.setattr(shared_moments, "MANY_ROWS", 1)
    model, targets, settings = SEARCHES[case]
    searches = [AlphaSearchCV(model, n_alphas=3, n_jobs=n, **settings).fit(X, targets) for n in (None, 2, 5)]
    for each in searches[1:]:
        for key, scores in searches[0].cv_results_.items():
            np.testing.assert_array_equal(each.cv_results_[key], scores, err_msg=key)
        np.testing.assert_array_equal(each.best_estimator_.coef_, searches[0].best_estimator_.coef_)


def test_folds_in_threads_take_the_moments_of_all_rows_once(monkeypatch):
    monkeypatch.setattr(shared_moments, "MANY_ROWS", 1)
    taken, moments_of = [], covariances.moments_of

    def slowly(problem, rows):
        taken.append(rows.n_rows)
        time.sleep(0.05)
        return moments_of(problem, rows)

    monkeypatch.setattr(covariances, "moments_of", slowly)
    cv = ShuffleSplit(4, test_size=0.1, random_state=0)  # folds that aren't all rows together
    AlphaSearchCV(GDLinearRegressor(penalty="l1"), alphas=[1.0, 0.1], cv=cv, n_jobs=4).fit(X, y)
    assert taken == [len(X)]


def test_folds_in_threads_warn_whoever_has_called():
    model = GDLogisticClassifier(penalty="l1", max_iter=1)
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as told:
        AlphaSearchCV(model, n_alphas=3, n_jobs=2).fit(X, KIND)
    assert {each.filename for each in told} == {__file__}


@pytest.mark.parametrize("loss", ["log_loss", "huber"])
def test_paths_of_other_losses_under_an_l1_penalty_begin_with_nothing(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 50))
    y = X[:, :5].sum(axis=1) + rng.standard_normal(100)
    single = {"penalty": "l1", "standardize": False}
    if loss == "log_loss":
        y, model = (y > 0.6).astype(int), GDLogisticClassifier(**single)
    else:
        model = GDLinearRegressor(loss="huber", **single)
    path = regularization_path(model, X, y, n_alphas=8)
    assert not path.coefs[0].any()
    for alpha, coefs in zip(path.alphas, path.coefs, strict=True):
        expected = clone(model).set_params(alpha=alpha, tol=1e-14).fit(X, y).coef_
        np.testing.assert_allclose(np.ravel(coefs), np.ravel(expected), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "weighted", "fit_intercept"), [((12,), False, True), ((12, 2), True, True), ((12, 2), True, False)]
)
def test_ridge_paths_of_few_rows_come_from_their_singular_vectors(shape, weighted, fit_intercept, monkeypatch):
    random = np.random.RandomState(0)
    X, y = random.randn(12, 40) + 3, random.randn(*shape)
    weight = random.uniform(0.5, 2, 12) if weighted else np.ones(12)
    monkeypatch.setattr(np.linalg, "eigh", None)  # of the covariances, which takes the cube of the columns
    model = GDLinearRegressor(penalty="l2", standardize=False, fit_intercept=fit_intercept)
    path = regularization_path(model, X, y, weight, alphas=[10.0, 1e-2, 1e-6])
    assert path.converged.all()
    h = weight / weight.sum()
    centred, targets = (array - h @ array * fit_intercept for array in (X, y))
    weighed = np.diag(h)
    for alpha, coef, intercept in zip(path.alphas, path.coefs, path.intercepts, strict=True):
        dual = np.linalg.solve(weighed @ centred @ centred.T + alpha * np.eye(12), weighed @ targets)
        exact = dual.T @ centred
        np.testing.assert_allclose(coef, exact, rtol=1e-6, atol=1e-9)
        at_rest = h @ (y - X @ exact.T) if fit_intercept else 0.0
        np.testing.assert_allclose(intercept, np.broadcast_to(at_rest, intercept.shape), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("most_sweeps", [1, 60], ids=["Newton's method", "sweeps"])
@pytest.mark.parametrize("case", ["as it is", "two targets", "through zero, elastic net", "the weakest at once"])
def test_lasso_paths_of_few_rows_ask_for_products_of_few_columns(case, most_sweeps, monkeypatch):
    monkeypatch.setattr(covariances, "MOST_SWEEPS", most_sweeps)
    monkeypatch.setattr(covariances, "moments_of", None)  # of all columns
    random, centred = np.random.RandomState(0), "zero" not in case
    X = random.randn(30, 200) + 0.5 * random.randn(30, 1) + 1
    Y = X[:, :3] @ random.randn(3, 1 + ("two" in case)) + 0.3 * random.randn(30, 1)
    model = GDLinearRegressor(penalty=ElasticNet(l1_ratio=1.0 if centred else 0.8), standardize=False)
    model.set_params(fit_intercept=centred)
    solver = solver_of(model_for_path(model), X, Y, None)
    peer = lasso_path if centred else functools.partial(enet_path, l1_ratio=0.8)
    largest = np.abs((X - centred * X.mean(axis=0)).T @ (Y - centred * Y.mean(axis=0))).max() / 30
    alphas = largest * np.geomspace(0.99, 0.01, 8)[-1 if "once" in case else 0 :]
    path = path_of(model, solver, alphas)
    assert path.converged.all()
    assert solver.few.n_known < 150
    for target, of_target in zip(Y.T, path.coefs.reshape(len(alphas), -1, 200).transpose(1, 0, 2), strict=True):
        moved = X - centred * X.mean(axis=0), target - centred * target.mean()
        exact = peer(*moved, alphas=alphas, tol=1e-12, max_iter=10**6)[1]
        np.testing.assert_allclose(of_target, exact.T, atol=2e-5)


def test_ridge_paths_of_few_rows_in_float32_converge():
    random = np.random.default_rng(0)
    few = random.standard_normal((40, 200)).astype(np.float32)
    target = few[:, :5].sum(axis=1)
    alphas = np.array([1e3, 1.0, 1e-3])
    path = regularization_path(GDLinearRegressor(standardize=False), few, target, alphas=alphas)
    assert path.converged.all()  # without a warning
    centred = few.astype(float) - few.mean(axis=0, dtype=float)
    for alpha, coef in zip(path.alphas, path.coefs, strict=True):
        exact = centred.T @ np.linalg.solve(centred @ centred.T + 40 * alpha * np.eye(40), target - target.mean())
        np.testing.assert_allclose(np.ravel(coef), exact, atol=1e-4)
