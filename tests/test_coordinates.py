"""Compiled coordinate descent of small dense data under an L1 penalty, against scikit-learn."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, Lasso

from skgd import GDLinearRegressor
from skgd._kernels import coordinates as kernels
from skgd._solvers.coordinates import Coordinates
from skgd._solvers.line_search import LineSearch
from skgd._watch import files
from skgd.callbacks import Checkpoint
from skgd.linear_model import AlphaSearchCV, regularization_path


def data(shape, kind="correlated", seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape)
    if kind == "correlated":
        X[:, 1:] += 0.7 * X[:, :-1]
    if kind == "twice":
        half = shape[1] // 2
        X[:, half : 2 * half] = X[:, :half]
    if kind == "far and constant":
        X += 1e3 * rng.standard_normal(shape[1])
        X[:, 0] = 7.0
    if kind == "of all scales":
        X *= 10.0 ** rng.uniform(-3, 3, shape[1])
    coef = np.where(rng.random(shape[1]) < 0.2, rng.standard_normal(shape[1]), 0) / np.maximum(X.std(axis=0), 1e-3)
    y = X @ coef
    return X, y + 0.3 * y.std() * rng.standard_normal(shape[0]) + 3.0


def alpha_of(X, y, share):
    return share * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)


@pytest.fixture
def solvers(monkeypatch):
    """What the fits to come have been solved by."""
    made = []
    for kind in (Coordinates, LineSearch):

        def noted(self, *args, kind=kind, before=kind.__init__):
            made.append(kind)
            before(self, *args)

        monkeypatch.setattr(kind, "__init__", noted)
    return made


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
@pytest.mark.parametrize("share", [0.9, 0.2, 0.01])
@pytest.mark.parametrize("kind", ["correlated", "twice", "far and constant", "of all scales"])
@pytest.mark.parametrize("shape", [(60, 20), (30, 80)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_objective_is_that_of_scikit_learn(shape, kind, share, l1_ratio, weighted):
    X, y = data(shape, kind)
    alpha = alpha_of(X, y, share)
    weight = np.random.default_rng(1).choice([0.0, 1e-12, 1.0, 2.0], len(y)) if weighted else np.ones(len(y))
    penalty = {"alpha": alpha, "l1_ratio": l1_ratio}
    model = GDLinearRegressor(penalty="elasticnet", standardize=False, **penalty).fit(X, y, sample_weight=weight)
    peer = ElasticNet(**penalty, tol=1e-13, max_iter=2000).fit(X, y, sample_weight=weight)

    def objective(coef, intercept):
        loss = 0.5 * np.average((y - X @ coef - intercept) ** 2, weights=weight)
        return loss + alpha * (l1_ratio * np.abs(coef).sum() + 0.5 * (1 - l1_ratio) * coef @ coef)

    least, found = objective(peer.coef_, peer.intercept_), objective(model.coef_, model.intercept_[0])
    assert model.converged_
    assert found <= least + 1e-11 * objective(np.zeros(shape[1]), np.average(y, weights=weight))
    np.testing.assert_allclose(model.loss_curve_[-1], found, rtol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"fit_intercept": False}, {"standardize": True}])
def test_what_is_left_of_the_subgradient_is_published(settings):
    X, y = data((80, 50))
    model = GDLinearRegressor(**{"penalty": "l1", "alpha": 0.1, "standardize": False} | settings).fit(X, y)
    scale = X.std(axis=0) if settings.get("standardize") else 1.0
    Z, coef = X / scale, model.coef_ * scale
    slopes = (Z - (Z.mean(axis=0) if model.fit_intercept else 0)).T @ (model.predict(X) - y) / len(y)
    left = np.where(coef == 0, np.maximum(np.abs(slopes) - 0.1, 0), np.abs(slopes + 0.1 * np.sign(coef)))
    assert 0 < np.count_nonzero(coef) < 50
    assert model.gradient_norm_ <= 1e-12
    assert left.max() <= 1e-11


def test_small_data_are_swept_over_alone(solvers):
    X, y = data((100, 60))
    settings = {"penalty": "l1", "alpha": alpha_of(X, y, 0.1), "standardize": False}
    GDLinearRegressor(**settings).fit(X, y)
    assert solvers == [Coordinates]
    for other in ({"criterion": "gradient"}, {"tol": None, "max_iter": 3}, {"early_stopping": True}):
        del solvers[:]
        GDLinearRegressor(**settings | other, random_state=0).fit(X, y)
        assert solvers == [LineSearch], other
    for shape, dtype in ((100, 60), np.float32), ((12, 60), float), ((10_001, 2), float):
        del solvers[:]
        X, y = data(shape)
        GDLinearRegressor(**settings).fit(X.astype(dtype), y)
        assert solvers == [LineSearch], shape


def test_what_sweeps_lead_nowhere_soon_in_is_left_to_line_searches(solvers):
    X, y = data((100, 400))
    alpha = alpha_of(X, y, 1e-3)
    model = GDLinearRegressor(penalty="l1", alpha=alpha, standardize=False).fit(X, y)
    assert solvers == [Coordinates, LineSearch]
    assert model.converged_
    peer = Lasso(alpha, tol=1e-12, max_iter=10**6).fit(X, y)
    np.testing.assert_allclose(model.predict(X), peer.predict(X), atol=1e-4 * y.std())
    assert np.abs(model.coef_).sum() <= np.abs(peer.coef_).sum() * (1 + 1e-6)


def test_columns_that_overflow_are_refused_as_before():
    X, y = data((40, 10))
    with pytest.raises(ValueError, match="overflow"):
        GDLinearRegressor(penalty="l1", alpha=0.1, standardize=False).fit(1e200 * X, y)


@pytest.mark.parametrize(
    ("shape", "share"), [((120, 100), 0.1), ((120, 100), 0.03), ((40, 200), 0.03), ((30, 400), 1e-3)]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_goes_on_later_has_the_same_bits(shape, share, tmp_path):
    X, y = data(shape)
    model = GDLinearRegressor(penalty="l1", alpha=alpha_of(X, y, share), standardize=False)
    whole = clone(model).fit(X, y)
    assert whole.n_iter_ >= 3
    for every in range(1, whole.n_iter_):
        path = tmp_path / f"{every}.npz"
        watched = clone(model).set_callbacks(Checkpoint(path, every=every, keep=9)).fit(X, y)
        np.testing.assert_array_equal(watched.coef_, whole.coef_)
        np.testing.assert_array_equal(watched.loss_curve_, whole.loss_curve_)
    for path in sorted(tmp_path.glob("1-*.npz")):
        assert files.read(path)
        resumed = clone(model).resume(path, X, y)
        np.testing.assert_array_equal(resumed.coef_, whole.coef_)
        np.testing.assert_array_equal(resumed.intercept_, whole.intercept_)
        np.testing.assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
    parts = clone(model).set_params(warm_start=True, max_iter=1)
    for _ in range(60):
        if parts.fit(X, y).converged_:
            break
    np.testing.assert_allclose(parts.coef_, whole.coef_, atol=1e-9 * np.abs(whole.coef_).max())


@pytest.mark.parametrize("shape", [(60, 20), (60, 90)])
def test_one_training_goes_on_to_other_penalties(shape, monkeypatch):
    monkeypatch.setattr("skgd.linear_model._path.covariances_suit", lambda problem: False)
    X, y = data(shape)
    model = GDLinearRegressor(penalty="l1", standardize=False)
    alphas = [alpha_of(X, y, share) for share in (0.5, 0.1, 0.01, 0.3)]
    path = regularization_path(model, X, y, alphas=alphas)
    for alpha, coef in zip(path.alphas, path.coefs, strict=True):
        peer = Lasso(alpha, tol=1e-13, max_iter=10**5).fit(X, y)
        np.testing.assert_allclose(np.ravel(coef), peer.coef_, atol=1e-6 * np.abs(peer.coef_).max())


def test_paths_know_the_largest_penalty(monkeypatch):
    monkeypatch.setattr("skgd.linear_model._path.covariances_suit", lambda problem: False)
    X, y = data((60, 20))
    model = GDLinearRegressor(penalty="l1", standardize=False)
    np.testing.assert_allclose(regularization_path(model, X, y, n_alphas=3).alphas.max(), alpha_of(X, y, 1.0))
    assert AlphaSearchCV(model, n_alphas=3, cv=3).fit(X, y).best_params_["alpha"] <= alpha_of(X, y, 1.01)


def test_the_gap_is_that_of_fenchel():
    rng = np.random.default_rng(0)
    columns, targets, params = rng.standard_normal((5, 30)), rng.standard_normal(30), rng.standard_normal(5)
    for ridge, l1 in ((np.zeros(5), np.full(5, 0.4)), (np.full(5, 0.3), np.full(5, 0.2))):
        design = kernels.Design(columns, targets, (columns**2).sum(axis=1), ridge, l1)
        work = kernels.Work(np.empty(30), np.empty(5), np.empty(5), np.empty(5, np.int64))
        found = np.zeros(1, kernels.Found)[0]
        kernels.look(design, params, work, found)
        residual = targets - params @ columns
        np.testing.assert_allclose(work.residual, residual)
        np.testing.assert_allclose(work.slopes, ridge * params - columns @ residual)
        primal = 0.5 * residual @ residual + l1 @ np.abs(params) + 0.5 * ridge @ params**2
        scale = 1.0 if ridge.any() else min(1.0, float((l1 / np.abs(columns @ residual)).min()))
        dual = 0.5 * targets @ targets - 0.5 * ((targets - scale * residual) ** 2).sum()
        if ridge.any():
            dual -= (np.maximum(np.abs(columns @ residual) - l1, 0) ** 2 / (2 * ridge)).sum()
        np.testing.assert_allclose([found["objective"], found["gap"]], [primal, primal - dual])
