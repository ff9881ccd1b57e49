"""Penalties: formulas, and optima with the right coefficients exactly zero."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.linear_model import ElasticNet as SkElasticNet
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError

from skgd import GDLinearRegressor, GDLogisticClassifier
from skgd.optimizers import OPTIMIZERS
from skgd.penalties import L1, L2, PENALTIES, ElasticNet, get_penalty, smallest_subgradient

ALPHA, L1_RATIO = 0.3, 0.4
W = np.array([0.7, -1.3, 0.0, 2.0])


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 12)) * np.geomspace(0.1, 10, 12) + 3
    signal = ((X - X.mean(axis=0)) / X.std(axis=0)) @ np.r_[2, -1, 0.5, np.zeros(9)]
    return X, 50 + 7 * (signal + 0.5 * rng.standard_normal(200))


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


# -- formulas


@pytest.mark.parametrize("name", PENALTIES)
def test_values_are_those_of_the_formula(name):
    l1, l2 = {"l2": (0, 1), "l1": (1, 0), "elasticnet": (L1_RATIO, 1 - L1_RATIO)}[name]
    penalty = get_penalty(name, ALPHA, L1_RATIO)
    assert penalty.value(W) == pytest.approx(ALPHA * (l1 * np.abs(W).sum() + l2 / 2 * (W**2).sum()))
    assert (penalty.l1, penalty.l2) == pytest.approx((ALPHA * l1, ALPHA * l2))


@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_agree_with_finite_differences(name):
    penalty = get_penalty(name, ALPHA, L1_RATIO)
    for j in np.flatnonzero(W):
        step = 1e-6 * np.eye(4)[j]
        slope = (penalty.value(W + step) - penalty.value(W - step)) / 2e-6
        assert penalty.gradient(W)[j] == pytest.approx(slope, rel=1e-6)
    assert penalty.gradient(W)[2] == 0


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("step", [0.0, 0.5, 3.0])
def test_the_proximal_step_minimises_what_it_says(name, step):
    penalty = get_penalty(name, ALPHA, L1_RATIO)
    found = penalty.proximal(W, step)
    for j, w in enumerate(W):
        grid = np.linspace(-3, 3, 60_001)
        values = 0.5 * (grid - w) ** 2 + step * np.array([penalty.l1 * np.abs(grid) + penalty.l2 / 2 * grid**2])[0]
        assert found[j] == pytest.approx(grid[values.argmin()], abs=2e-4)


def test_the_smallest_subgradient_is_zero_at_the_minimum():
    # of 1/2 |w - target|^2 + 0.5 |w|_1
    target = np.array([2.0, 0.3, -0.5, -4.0])
    w = ElasticNet(0.5, 1.0).proximal(target, 1.0)
    np.testing.assert_allclose(smallest_subgradient(w, w - target, 0.5), 0, atol=1e-15)
    np.testing.assert_allclose(smallest_subgradient(np.zeros(4), -target, 0.5), [-1.5, 0, 0, 3.5])


def test_names():
    assert get_penalty(None, 5.0).value(W) == 0
    with pytest.raises(ValueError, match=r"penalty='l3' is not known.*elasticnet.*None.*skgd.penalties"):
        get_penalty("l3", 1.0)


# -- optima


def exact(**settings):
    return {"batch_size": None, "tol": None, "max_iter": 6000, "random_state": 0} | settings


SEARCHED = {"tol": 1e-12}  # line searches: the other epochs would change no digit


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "auto"])
@pytest.mark.parametrize(("penalty", "alpha"), [("l1", 0.2), ("elasticnet", 0.3), ("l1", 5.0)])
def test_regression_agrees_with_the_exact_solver(problem, optimizer, penalty, alpha):
    X, y = problem
    Z = standardised(X)
    settings = {"adam": {"learning_rate": 0.05, "schedule": "cosine"}, "auto": SEARCHED}.get(optimizer, {})
    model = GDLinearRegressor(penalty=penalty, alpha=alpha, l1_ratio=0.5, optimizer=optimizer, **exact(**settings))
    model.fit(X, y)
    oracle = Lasso(alpha=alpha) if penalty == "l1" else SkElasticNet(alpha=alpha, l1_ratio=0.5)
    oracle.set_params(tol=1e-12, max_iter=100_000).fit(Z, y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), oracle.coef_, atol=1e-4)
    np.testing.assert_allclose(model.predict(X), oracle.predict(Z), atol=1e-3)
    np.testing.assert_array_equal(model.coef_ == 0, oracle.coef_ == 0)
    assert 0 < (model.coef_ == 0).sum() < 12
    w = oracle.coef_
    l1 = alpha * (1 if penalty == "l1" else 0.5)
    objective = 0.5 * np.mean((y - oracle.predict(Z)) ** 2) + l1 * np.abs(w).sum() + (alpha - l1) / 2 * w @ w
    assert model.loss_curve_[-1] == pytest.approx(objective, rel=1e-6)


def test_several_targets_are_penalised_each_in_its_units(problem):
    X, y = problem
    Y = np.column_stack([y, 1000 * y[::-1] + 5])
    alphas = 0.05 * Y.std(axis=0)
    model = GDLinearRegressor(penalty="l1", alpha=2.0, **exact(**SEARCHED)).fit(X, Y)
    assert alphas[0] != alphas[1]
    for k in range(2):
        single = GDLinearRegressor(penalty="l1", alpha=2.0, **exact(**SEARCHED)).fit(X, Y[:, k])
        np.testing.assert_allclose(model.coef_[k], single.coef_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classification_agrees_with_the_exact_solver(problem, n_classes, lasso):
    X, y = problem
    Z, target = standardised(X), np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
    alpha = 0.03
    model = GDLogisticClassifier(penalty="l1", alpha=alpha, **exact(**SEARCHED)).fit(X, target)
    oracle = LogisticRegression(**lasso, C=1 / (alpha * len(X)), solver="saga", tol=1e-8, max_iter=20_000)
    oracle.fit(Z, target)
    np.testing.assert_allclose(model.predict_proba(X), oracle.predict_proba(Z), atol=1e-4)
    assert (model.coef_ == 0).any()
    np.testing.assert_array_equal(model.coef_ == 0, np.abs(oracle.coef_) < 1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_rule_makes_zeros(problem, optimizer):
    X, y = problem
    settings = exact(max_iter=500, learning_rate=10.0 if optimizer == "adadelta" else 0.02)
    model = GDLinearRegressor(penalty="l1", alpha=2.0, optimizer=optimizer, **settings).fit(X, y)
    assert 5 <= (model.coef_ == 0).sum() < 12
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_mini_batches_come_near_the_optimum(problem, optimizer):
    X, y = problem
    settings = exact(max_iter=300, batch_size=20, learning_rate=0.02, schedule="cosine")
    model = GDLinearRegressor(penalty="l1", alpha=2.0, optimizer=optimizer, **settings).fit(X, y)
    oracle = Lasso(alpha=2.0).fit(standardised(X), y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), oracle.coef_, atol=0.15)


def test_a_penalty_stronger_than_any_gradient_leaves_the_constant(problem):
    X, y = problem
    model = GDLinearRegressor(penalty="l1", alpha=100.0).fit(X, y)
    assert (model.coef_ == 0).all()
    assert model.intercept_[0] == pytest.approx(y.mean())


def test_elastic_net_without_l1_is_l2(problem):
    X, y = problem
    for settings in ({"batch_size": 16, "optimizer": "sgd"}, {}):
        common = {"alpha": 0.1, "max_iter": 20, "tol": None, "random_state": 0, **settings}
        net = GDLinearRegressor(penalty="elasticnet", l1_ratio=0, **common).fit(X, y)
        np.testing.assert_array_equal(net.coef_, GDLinearRegressor(penalty="l2", **common).fit(X, y).coef_)


def test_the_gradient_criterion_looks_at_the_smallest_subgradient(problem):
    X, y = problem
    for batch_size in (None, 100):
        settings = {"batch_size": batch_size, "criterion": "gradient", "tol": 1e-5 if batch_size is None else 0.05}
        model = GDLinearRegressor(penalty="l1", alpha=2.0, optimizer="sgd", random_state=0, **settings).fit(X, y)
        assert model.converged_
        assert model.gradient_norm_ <= settings["tol"]
        assert (model.coef_ == 0).any()


def test_the_optimum_against_scipy_without_an_intercept(problem):
    X, y = problem
    scale = np.sqrt(((X - X.mean(axis=0)) ** 2).mean(axis=0))

    def objective(parts):
        residual = X / scale @ (parts[:12] - parts[12:]) - y
        gradient = (X / scale).T @ residual / len(y)
        return 0.5 * np.mean(residual**2) + 0.5 * parts.sum(), np.concatenate([gradient, -gradient]) + 0.5

    few = {"bounds": [(0, None)] * 24, "options": {"ftol": 1e-15, "maxiter": 10**5}}
    best = minimize(objective, np.ones(24), jac=True, **few)
    model = GDLinearRegressor(penalty="l1", alpha=0.5, fit_intercept=False, **exact(**SEARCHED)).fit(X, y)
    assert model.loss_curve_[-1] <= best.fun * (1 + 1e-6)


# -- objects


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(
    ("penalty", "oracle"),
    [
        (L1(0.2), Lasso(0.2, tol=1e-12, max_iter=100_000)),
        (L2(0.3), Ridge(0.3 * 200)),  # the sum over 200 rows, where skgd has the mean
        (ElasticNet(0.3, l1_ratio=0.5), SkElasticNet(0.3, l1_ratio=0.5, tol=1e-12, max_iter=100_000)),
    ],
    ids=repr,
)
def test_an_object_brings_its_own_strength(problem, penalty, oracle, standardize):
    X, y = problem
    Z = standardised(X)
    # alpha and l1_ratio of the estimator are for names alone
    model = GDLinearRegressor(penalty=penalty, alpha=50.0, l1_ratio=0.9, standardize=standardize)
    model.fit(X if standardize else Z, y)
    oracle.fit(Z, y)
    np.testing.assert_allclose(model.coef_ * (X.std(axis=0) if standardize else 1), oracle.coef_, atol=1e-4)
    np.testing.assert_array_equal(model.coef_ == 0, oracle.coef_ == 0)


@pytest.mark.parametrize("optimizer", ["auto", "sgd"])
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("make", [GDLinearRegressor, GDLogisticClassifier])
def test_an_object_and_its_name_are_one_penalty(problem, make, name, optimizer):
    X, y = problem
    target = y if make is GDLinearRegressor else y > y.mean()
    settings = {"optimizer": optimizer, "max_iter": 20, "tol": None, "random_state": 0}
    by_name = make(penalty=name, alpha=ALPHA, l1_ratio=L1_RATIO, **settings).fit(X, target)
    by_object = make(penalty=get_penalty(name, ALPHA, L1_RATIO), **settings).fit(X, target)
    np.testing.assert_array_equal(by_object.coef_, by_name.coef_)


def test_the_users_penalty_is_never_changed(problem):
    penalty = ElasticNet(0.1, l1_ratio=0.5)
    model = GDLinearRegressor(penalty=penalty, max_iter=5, tol=None).fit(*problem)
    assert model.penalty is penalty
    assert vars(penalty) == {"alpha": 0.1, "l1_ratio": 0.5}
    copy = clone(model)
    assert copy.penalty is not penalty
    assert copy.penalty.get_params() == penalty.get_params()
    assert repr(pickle.loads(pickle.dumps(penalty))) == "ElasticNet(alpha=0.1, l1_ratio=0.5)"


def test_a_grid_over_a_penaltys_parameters(problem):
    X, y = problem
    grid = {"penalty__alpha": [1e-3, 3.0], "penalty__l1_ratio": [0.2, 1.0]}
    found = GridSearchCV(GDLinearRegressor(penalty=ElasticNet()), grid, cv=3).fit(X, y)
    oracle = GridSearchCV(SkElasticNet(), {key[9:]: values for key, values in grid.items()}, cv=3)
    oracle.fit(standardised(X), y)
    np.testing.assert_allclose(found.cv_results_["mean_test_score"], oracle.cv_results_["mean_test_score"], atol=0.01)
    assert found.best_params_ == {f"penalty__{key}": value for key, value in oracle.best_params_.items()}


def test_strengths_may_follow_from_parameters_of_ones_own(problem):
    class Prior(ElasticNet):
        """Laplace's and Gauss's distribution of the coefficients, by their widths."""

        def __init__(self, laplace=1.0, gauss=1.0):
            self.laplace = laplace
            self.gauss = gauss

        @property
        def l1(self):
            return 1 / self.laplace

        @property
        def l2(self):
            return 1 / self.gauss**2

    X, y = problem
    model = GDLinearRegressor(penalty=Prior(2.0, 2.0)).fit(X, y)
    oracle = SkElasticNet(alpha=0.75, l1_ratio=2 / 3, tol=1e-12, max_iter=100_000).fit(standardised(X), y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), oracle.coef_, atol=1e-4)
    for wrong, said in (
        (Prior(-2.0), "l1 must be .* not negative; it is -0.5"),
        (Prior(gauss=np.nan), "l2 must be .*nan"),
    ):
        with pytest.raises(ValueError, match=said):
            GDLinearRegressor(penalty=wrong).fit(X, y)


@pytest.mark.parametrize("method", ["value", "gradient", "proximal"])
def test_a_formula_that_training_would_not_use_is_refused(problem, method):
    own = type("Own", (L1,), {method: lambda self, *arguments: 0.0})
    with pytest.raises(ValueError, match=rf"penalty=Own\(alpha=0.5\) has a {method} of its own.*strengths l1 and l2"):
        GDLinearRegressor(penalty=own(0.5)).fit(*problem)


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (L1(-1.0), r"'alpha' parameter of L1 must be a float in the range \[0.0, inf\)"),
        (L2(np.nan), "'alpha' parameter of L2"),
        (ElasticNet(0.1, l1_ratio=2), "'l1_ratio' parameter of ElasticNet"),
        (L1, r"'penalty' parameter of GDLinearRegressor.*skgd.penalties.L1.*or None"),
    ],
    ids=repr,
)
def test_what_is_wrong_with_an_object_is_named(problem, penalty, message):
    model = GDLinearRegressor().fit(*problem)
    coef = model.coef_.copy()
    with pytest.raises(InvalidParameterError, match=message):
        model.set_params(penalty=penalty).fit(*problem)
    np.testing.assert_array_equal(model.coef_, coef)


# -- what else there is


@pytest.mark.parametrize("bad", [{"penalty": "l3"}, {"l1_ratio": 1.5}, {"l1_ratio": -0.1}, {"l1_ratio": None}])
def test_what_is_no_penalty_is_refused(problem, bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        GDLinearRegressor(**bad).fit(*problem)


def test_sparsified_coefficients_predict_and_train_on(problem):
    X, y = problem
    for target, make in (
        (y, GDLinearRegressor),
        (y > y.mean(), GDLogisticClassifier),
        (np.c_[y, y], GDLinearRegressor),
        (y[:, None], GDLinearRegressor),  # of which coef_ is a row, as scikit-learn's
    ):
        model = make(penalty="l1", alpha=0.05, warm_start=True).fit(X, target)
        coef, prediction = model.coef_.copy(), model.predict(X)
        assert coef.ndim == (1 if target.ndim == 1 and make is GDLinearRegressor else 2)
        assert model.sparsify() is model
        assert model.coef_.format == "csr"
        np.testing.assert_allclose(model.predict(X), prediction)
        np.testing.assert_array_equal(model.densify().coef_, coef)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.sparsify().partial_fit(X, target)
            assert isinstance(model.coef_, np.ndarray)
            model.sparsify().fit(X, target)
        np.testing.assert_allclose(model.predict(X), prediction, rtol=0.2)


def test_float32_coefficients_are_sparsified_too(problem):
    X, y = (array.astype(np.float32) for array in problem)
    model = GDLinearRegressor(penalty="l1", alpha=1.0).fit(X, y)
    prediction = model.predict(X)
    np.testing.assert_allclose(model.sparsify().predict(X), prediction, rtol=1e-4)
