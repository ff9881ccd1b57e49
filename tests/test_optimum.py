"""The defaults reach the optimum, untuned: against scipy's solvers and scikit-learn's exact ones."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from scipy.linalg.lapack import dpotrf
from scipy.optimize import linprog, minimize
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from skgd._auto.curvature import curvature_plan
from skgd._auto.linear import decide
from skgd._fit import problem_of
from skgd._kernels.constants import RIDGE
from skgd._solvers import hessians
from skgd._solvers.driver import Driver
from skgd._solvers.hessians import Diagonal, LowRank
from skgd._solvers.preconditioned import PreconditionedSearch
from skgd._solvers.prospects import Prospects
from skgd._solvers.quasi_newton import Identity
from skgd._solvers.training import begin
from skgd.optimizers import LBFGS

ALPHA = 1e-4
RNG = np.random.default_rng(0)


def classes_for(X, shift=0.3, strength=2.0):
    """Two classes that a logistic model of the standardised columns explains in part."""
    Z = StandardScaler().fit_transform(X)
    signal = Z @ RNG.standard_normal(Z.shape[1])
    return (strength * signal / signal.std() + RNG.logistic(size=len(X)) > shift).astype(int)


def one_hot(n_rows, *sizes):
    return np.hstack([np.eye(size)[RNG.integers(0, size, n_rows)] for size in sizes])


def classification_problems():
    for name, load in (
        ("iris", load_iris),
        ("wine", load_wine),
        ("cancer", load_breast_cancer),
        ("digits", load_digits),
    ):
        yield pytest.param(*load(return_X_y=True), id=name)
    n = 12_000  # more than the rows that the curvature is taken from
    plain = RNG.standard_normal((n, 8))
    yield pytest.param(plain, classes_for(plain), id="plain")
    yield pytest.param(plain, classes_for(plain, shift=8), id="few positives")
    yield pytest.param(plain, classes_for(plain, strength=30), id="nearly separable")
    order = np.argsort(classes_for(plain), kind="stable")
    yield pytest.param(plain[order], np.sort(classes_for(plain)), id="sorted")
    X = np.hstack([one_hot(n, 5, 12), RNG.standard_normal((n, 2))])
    yield pytest.param(X, classes_for(X), id="collinear one-hot columns")
    X = RNG.poisson(RNG.lognormal(0, 1.5, (n, 6))).astype(float)
    yield pytest.param(X, classes_for(np.log1p(X)), id="counts with heavy tails")
    X = np.column_stack([1.6e9 + 3e7 * RNG.random(n), RNG.random((n, 3))])
    yield pytest.param(X, classes_for(X), id="timestamps beside fractions")
    X = np.hstack([plain, plain, np.zeros((n, 1))])
    yield pytest.param(X, classes_for(plain), id="duplicated and constant columns")
    X = np.zeros((n, 3))
    X[:, 1:] = RNG.standard_normal((n, 2))
    X[RNG.choice(n, 10, replace=False), 0] = 1
    yield pytest.param(X, classes_for(X), id="a column of ten ones")
    X = RNG.standard_normal((60, 400))
    yield pytest.param(X, classes_for(X), id="more columns than rows")
    yield pytest.param(np.array([[0.0, 1], [1, 0], [2, 2]]), np.array([0, 1, 1]), id="three rows")
    X = RNG.standard_normal((3_000, 6))
    yield pytest.param(
        X, (X @ RNG.standard_normal((6, 40)) + RNG.gumbel(size=(3_000, 40))).argmax(1), id="forty classes"
    )


def logistic_objective(Z, index, n_classes):
    """Objective and gradient of multinomial or binary logistic regression at flat parameters, by its definition."""
    n, d = Z.shape
    K = 1 if n_classes == 2 else n_classes
    hot = np.eye(n_classes)[index]

    def objective(theta):
        W = theta.reshape(K, d + 1)
        raw = Z @ W[:, :-1].T + W[:, -1]
        logits = np.column_stack([np.zeros(n), raw]) if K == 1 else raw
        normaliser = logsumexp(logits, axis=1)
        residual = (np.exp(logits - normaliser[:, None]) - hot)[:, n_classes - K if K == 1 else 0 :] / n
        value = np.mean(normaliser - logits[np.arange(n), index]) + ALPHA / 2 * np.sum(W[:, :-1] ** 2)
        return value, np.column_stack([residual.T @ Z + ALPHA * W[:, :-1], residual.sum(axis=0)]).ravel()

    return objective, np.zeros(K * (d + 1))


@pytest.mark.parametrize(("X", "y"), list(classification_problems()))
def test_logistic_regression_reaches_the_optimum_untuned(X, y):
    Z = StandardScaler().fit_transform(X)
    classes, index = np.unique(y, return_inverse=True)
    objective, start = logistic_objective(Z, index, len(classes))
    options = {"maxiter": 5000, "maxfun": 10_000, "gtol": 1e-9, "ftol": 1e-15}
    best = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).fun
    prior = np.bincount(index) / len(y)
    null = -np.sum(prior * np.log(prior))
    model = GDLogisticClassifier(standardize=True).fit(X, y)
    assert model.converged_
    coef = model.coef_ * StandardScaler().fit(X).scale_
    probability = model.predict_proba(X)[np.arange(len(y)), index]
    reached = -np.mean(np.log(probability)) + ALPHA / 2 * np.sum(coef**2)
    assert reached - best <= 1e-7 * (null - best)


def regression_problems():
    yield pytest.param(*load_diabetes(return_X_y=True), id="diabetes")
    n = 12_000
    X = RNG.standard_normal((n, 6)) * np.logspace(-4, 4, 6) + 100 * np.logspace(-4, 4, 6)
    yield pytest.param(
        X, 1e3 * (X / X.std(axis=0)).sum(axis=1) + RNG.standard_normal(n), id="scales over eight decades"
    )
    X = RNG.standard_cauchy((n, 4))
    yield pytest.param(X, np.tanh(X).sum(axis=1) + RNG.standard_normal(n), id="heavy tails")
    X = np.column_stack([1.6e9 + 3e7 * RNG.random(n), RNG.random((n, 2))])
    yield pytest.param(X, (X[:, 0] - 1.6e9) / 1e7 + X[:, 1] + RNG.standard_normal(n), id="timestamps")
    X = RNG.standard_normal((50, 900))
    yield pytest.param(X, X[:, :3].sum(axis=1), id="more columns than rows")
    yield pytest.param(X[:3, :2], np.array([1.0, 2, 4]), id="three rows")
    yield pytest.param(X[:, :2], np.full(50, 7.0), id="constant targets")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("X", "y"), list(regression_problems()))
def test_least_squares_reaches_the_optimum_untuned(X, y, weighted):
    weight = 10.0 ** RNG.uniform(-3, 3, len(y)) if weighted else np.ones(len(y))
    share = weight / weight.sum()
    mean = share @ X
    scale = np.sqrt(share @ (X - mean) ** 2)
    Z, t = (X - mean) / scale, y - share @ y
    coef = np.linalg.solve((Z * share[:, None]).T @ Z + ALPHA * np.eye(Z.shape[1]), Z.T @ (share * t))
    model = GDLinearRegressor().fit(X, y, sample_weight=weight if weighted else None)
    expected = Z @ coef + share @ y
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-7, atol=1e-7 * max(t.std(), 1e-9))


def pinball(residual, quantile):
    return np.mean(np.maximum(quantile * residual, (quantile - 1) * residual))


@pytest.mark.parametrize(("n_rows", "quantile"), [(442, 0.05), (442, 0.5), (442, 0.9), (10_500, 0.8)])
def test_quantiles_reach_the_optimum_of_the_linear_programme(n_rows, quantile):
    X, y = load_diabetes(return_X_y=True)
    if n_rows > len(y):
        X = RNG.standard_normal((n_rows, 3))
        y = X.sum(axis=1) + RNG.standard_exponential(n_rows)
    # the dual linear programme, whose optimum is the same, and which HiGHS solves in a tenth of the time
    A = np.column_stack([StandardScaler().fit_transform(X), np.ones(len(y))])
    best = -linprog(-y / len(y), A_eq=A.T, b_eq=np.zeros(A.shape[1]), bounds=(quantile - 1, quantile)).fun
    model = GDLinearRegressor(loss="quantile", quantile=quantile, alpha=0).fit(X, y)
    assert pinball(y - model.predict(X), quantile) <= (1 + 5e-5) * best


def test_absolute_error_is_half_the_median():
    X, y = load_diabetes(return_X_y=True)
    median = GDLinearRegressor(loss="quantile", alpha=0).fit(X, y)
    absolute = GDLinearRegressor(loss="absolute_error", alpha=0).fit(X, y)
    np.testing.assert_allclose(absolute.predict(X), median.predict(X), rtol=1e-3)


@pytest.mark.parametrize("n_rows", [300, 12_000])
def test_hinge_reaches_the_optimum(n_rows):
    X = RNG.standard_normal((n_rows, 3))
    y = classes_for(X)
    Z, sign = StandardScaler().fit_transform(X), 2 * y - 1

    def objective(w):
        return np.mean(np.maximum(0, 1 - sign * (Z @ w[:-1] + w[-1]))) + ALPHA / 2 * w[:-1] @ w[:-1]

    model = GDLinearClassifier(loss="hinge").fit(X, y)
    coef = model.coef_[0] * StandardScaler().fit(X).scale_
    reached = objective(np.append(coef, model.decision_function(np.mean(X, axis=0)[None])))
    best = reached
    for start in (np.append(coef, 0.0), np.zeros(4)):  # without derivatives, from here and from afar
        options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-8, "fatol": 1e-12}
        best = min(best, minimize(objective, start, method="Nelder-Mead", options=options).fun)
    assert reached <= (1 + 1e-3) * best


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize(("penalty", "l1_ratio"), [("l1", 0.15), ("elasticnet", 0.5)])
def test_l1_agrees_with_coordinate_descent(penalty, l1_ratio, as_sparse):
    X, y = load_diabetes(return_X_y=True)
    Z, alpha = StandardScaler().fit_transform(X), 2.0
    # of the targets in their own units; skgd's objective is that of scikit-learn's coordinate descent
    peer = (
        Lasso(alpha, tol=1e-12, max_iter=10**6) if penalty == "l1" else ElasticNet(alpha, l1_ratio=l1_ratio, tol=1e-12)
    )
    peer.fit(Z, y)
    data, standardize = (sparse.csr_array(X), True) if as_sparse else (X, "auto")
    model = GDLinearRegressor(penalty=penalty, alpha=alpha, l1_ratio=l1_ratio, standardize=standardize).fit(data, y)
    coef = model.coef_ * StandardScaler().fit(X).scale_
    np.testing.assert_allclose(coef, peer.coef_, atol=1e-4 * np.abs(peer.coef_).max())
    np.testing.assert_array_equal(coef == 0, peer.coef_ == 0)
    assert model.converged_


def test_l1_logistic_regression_agrees_with_scikit_learn(lasso):
    X, y = load_breast_cancer(return_X_y=True)
    Z, alpha = StandardScaler().fit_transform(X), 0.01
    C = 1 / (alpha * len(y))
    peer = LogisticRegression(**lasso, solver="saga", C=C, tol=1e-9, max_iter=10**5).fit(Z, y)
    for preconditioner in ("auto", "diagonal", None):
        optimizer = LBFGS(preconditioner=preconditioner)
        model = GDLogisticClassifier(penalty="l1", alpha=alpha, optimizer=optimizer).fit(X, y)
        coef = model.coef_ * StandardScaler().fit(X).scale_
        np.testing.assert_allclose(coef, peer.coef_, atol=1e-4 * np.abs(peer.coef_).max(), err_msg=str(preconditioner))
        np.testing.assert_array_equal(coef == 0, peer.coef_ == 0, err_msg=str(preconditioner))


@pytest.mark.parametrize("preconditioner", ["auto", "subsample", "diagonal", None])
@pytest.mark.parametrize("memory", [1, 20])
def test_preconditioners_lead_to_the_optimum(preconditioner, memory):
    X, y = load_iris(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    exact = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-12, max_iter=10_000).fit(Z, y)
    optimizer = LBFGS(memory=memory, preconditioner=preconditioner)
    model = GDLogisticClassifier(alpha=0.01, optimizer=optimizer).fit(X, y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), exact.coef_, atol=1e-5)
    assert model.converged_


@pytest.mark.parametrize("tol", [1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("kind", ["plain", "weak signal", "outliers of little weight"])
def test_a_loose_tolerance_is_about_what_a_fit_leaves(kind, tol):
    # correlated columns, and nothing is known of their curvature: many steps that promise little each
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2_000, 60))
    for j in range(1, 60):
        X[:, j] = 0.97 * X[:, j - 1] + np.sqrt(1 - 0.97**2) * X[:, j]
    y = X @ rng.standard_normal(60) + (200 if kind == "weak signal" else 5) * rng.standard_normal(len(X))
    weight = np.ones(len(X))
    if kind == "outliers of little weight":
        y[::10], weight[::10] = 1e4, 1e-12
    Z = StandardScaler().fit(X, sample_weight=weight).transform(X)
    exact = Ridge(alpha=ALPHA * weight.sum()).fit(Z, y, sample_weight=weight)
    model = GDLinearRegressor(optimizer=LBFGS(preconditioner=None), criterion="objective", tol=tol)
    model.fit(X, y, sample_weight=weight)

    def objective(prediction, coef):
        return 0.5 * np.average((prediction - y) ** 2, weights=weight) + 0.5 * ALPHA * coef @ coef

    scale = np.sqrt(np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight))
    best = objective(exact.predict(Z), exact.coef_)
    left = objective(model.predict(X), model.coef_ * scale) - best
    null = 0.5 * np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    assert model.converged_
    assert left <= 4 * tol * (null - best)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n_rows", "n_columns"), [(12_000, 5), (300, 700)])
def test_least_squares_is_a_single_step_however_rows_weigh(n_rows, n_columns, fit_intercept):
    # with the matrix of all rows, or of low rank where columns are more
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns)) + 3
    y = X[:, 0] + rng.standard_normal(n_rows)
    weight = rng.lognormal(0, 2, n_rows)
    model = GDLinearRegressor(fit_intercept=fit_intercept, alpha=0.1).fit(X, y, sample_weight=100 * weight)
    assert model.converged_
    assert model.n_iter_ <= 2
    share = weight / weight.sum()
    mean = share @ X
    scale = np.sqrt(share @ (X - mean) ** 2)
    Z, t = ((X - mean) / scale, y - share @ y) if fit_intercept else (X / scale, y)
    coef = np.linalg.solve((Z * share[:, None]).T @ Z + 0.1 * np.eye(n_columns), Z.T @ (share * t))
    np.testing.assert_allclose(model.coef_ * scale, coef, atol=1e-7)
    assert fit_intercept or model.intercept_ == 0


def test_the_step_criterion_ends_where_steps_are_small():
    X = RNG.standard_normal((20_000, 5)) @ RNG.standard_normal((5, 5))
    y = classes_for(X)
    Z = StandardScaler().fit_transform(X)
    exact = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-12, max_iter=10_000).fit(Z, y)
    for preconditioner, tol in (("auto", 1e-6), (None, 1e-6), (None, 1e-3)):
        optimizer = LBFGS(preconditioner=preconditioner)
        model = GDLogisticClassifier(alpha=0.01, optimizer=optimizer, criterion="step", tol=tol).fit(X, y)
        assert model.converged_
        np.testing.assert_allclose(model.coef_ * X.std(axis=0), exact.coef_, atol=30 * tol)


def test_softmax_takes_newtons_steps():
    # classes apart would take many times as many
    X, y = load_iris(return_X_y=True)
    model = GDLogisticClassifier(alpha=1e-3).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 12


@pytest.mark.parametrize(("penalty", "alpha"), [("l2", ALPHA), ("l1", 0.02)])
@pytest.mark.parametrize("preconditioner", ["auto", "diagonal"])
def test_converged_by_gradient_is_a_certificate(preconditioner, penalty, alpha):
    X = RNG.standard_normal((20_000, 5)) * [1, 10, 0.1, 1, 1]
    X[:, 4] = X[:, 4].round()  # whose coefficient will be zero under an L1 penalty
    y = classes_for(X[:, :4])
    settings = {"penalty": penalty, "alpha": alpha, "criterion": "gradient", "tol": 1e-7, "max_iter": 500}
    model = GDLogisticClassifier(optimizer=LBFGS(preconditioner=preconditioner), **settings).fit(X, y)
    Z = StandardScaler().fit_transform(X)
    objective, _ = logistic_objective(Z, y, 2)
    scale, mean = StandardScaler().fit(X).scale_, X.mean(axis=0)
    theta = np.append(model.coef_[0] * scale, model.intercept_ + model.coef_[0] @ mean)
    gradient = objective(theta)[1]
    if penalty == "l1":
        w = theta[:-1]
        of_loss = gradient[:-1] - ALPHA * w
        at_zero = np.sign(of_loss) * np.maximum(np.abs(of_loss) - alpha, 0)
        gradient[:-1] = np.where(w != 0, of_loss + alpha * np.sign(w), at_zero)
        assert 0 < (w == 0).sum() < 5
    largest = np.abs(gradient).max()
    assert model.converged_
    assert largest <= 1e-7
    assert model.gradient_norm_ == pytest.approx(largest, rel=1e-3, abs=1e-12)


def test_sparse_and_dense_data_have_the_same_optimum_on_one_scale():
    X = sparse.random_array((3_000, 40), density=0.1, rng=1, format="csr")
    y = classes_for(X.toarray())
    dense, thin = (GDLogisticClassifier(standardize=True).fit(data, y) for data in (X.toarray(), X))
    np.testing.assert_allclose(thin.predict_proba(X), dense.predict_proba(X.toarray()), atol=1e-7)


def test_nesterov_at_full_batch_is_the_accelerated_gradient():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="nesterov", batch_size=None).fit(X, y)
    assert (model.optimizer_.momentum, model.optimizer_.nesterov) == ("auto", True)
    np.testing.assert_allclose(model.predict(X), GDLinearRegressor().fit(X, y).predict(X), atol=1e-2 * y.std())
    assert GDLinearRegressor(optimizer="nesterov", batch_size=32).fit(X, y).optimizer_.momentum == 0.9


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
def test_rows_without_weight_are_not_there(loss):
    X = RNG.standard_normal((30_000, 5))
    y = np.abs(X[:, 0] + 2)
    weight = np.zeros(len(X))
    weight[[5, 100, 20_000]] = 1.0, 2.0, 1.0
    few, alone = weight > 0, GDLinearRegressor(loss=loss)
    alone.fit(X[few], y[few], sample_weight=weight[few])
    model = GDLinearRegressor(loss=loss).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=1e-9)
    assert model.converged_


def test_a_first_row_far_off_of_next_to_no_weight_costs_no_digits():
    # moments are summed as distances from it
    X = RNG.standard_normal((300, 3))
    y = X @ [1.0, 2.0, 3.0] + RNG.standard_normal(300)
    alone = GDLinearRegressor().fit(X[1:], y[1:])
    X[0], weight = 1e9, np.ones(300)
    weight[0] = 1e-24
    model = GDLinearRegressor().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=1e-5)
    np.testing.assert_allclose(model.intercept_, alone.intercept_, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_weights_count_in_the_scale_of_features_of_extreme_size(size):
    X = RNG.standard_normal((200, 2)) + 1
    y = X[:, 0] + RNG.standard_normal(200)
    weight = np.where(X[:, 0] > 1, 1e-3, 1.0)
    model, expected = (GDLinearRegressor(alpha=1.0).fit(data, y, weight) for data in (size * X, X))
    np.testing.assert_allclose(model.predict(size * X), expected.predict(X), rtol=1e-6)


@pytest.mark.parametrize("n_columns", [1_200, 3_200])  # with a matrix of them all, and of some
def test_many_columns_that_few_factors_explain(n_columns):
    factors = RNG.standard_normal((1_500, 10))
    X = factors @ RNG.standard_normal((10, n_columns)) + RNG.standard_normal((1_500, n_columns))
    y = factors[:, 0] + RNG.standard_normal(len(X))
    Z, alpha = StandardScaler().fit_transform(X), 1e-2
    best = Ridge(alpha=alpha * len(X)).fit(Z, y)
    model = GDLinearRegressor(alpha=alpha).fit(X, y)

    def objective(prediction, coef):
        return 0.5 * np.mean((prediction - y) ** 2) + 0.5 * alpha * coef @ coef

    optimum = objective(best.predict(Z), best.coef_)
    reached = objective(model.predict(X), model.coef_ * X.std(axis=0))
    assert reached - optimum <= 1e-6 * (0.5 * np.var(y) - optimum)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_several_targets_have_the_penalty_that_each_has_alone(penalty):
    X, y = load_diabetes(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    Y = np.column_stack([y, 50 * y[::-1] + 7, 1e-2 * Z[:, 0] ** 3])
    for alpha in (2.0, 1e-3):
        model = GDLinearRegressor(penalty=penalty, alpha=alpha, l1_ratio=0.5).fit(X, Y)
        for k, target in enumerate(Y.T):
            exact = ElasticNet(alpha, l1_ratio=1.0 if penalty == "l1" else 0.5, tol=1e-12, max_iter=10**6)
            coef = exact.fit(Z, target).coef_
            np.testing.assert_allclose(model.coef_[k] * X.std(axis=0), coef, atol=1e-5 * target.std())
            np.testing.assert_array_equal(model.coef_[k] == 0, coef == 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_columns_that_are_constant_but_for_rounding_have_no_say(as_sparse, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)).astype(dtype)
    third = dtype(0.3)
    X[:, 1] = np.where(rng.random(200) < 0.5, third, np.nextafter(third, dtype(1)))  # 0.3 and 0.1 + 0.2
    y = X[:, 0] + rng.standard_normal(200)
    data = sparse.csr_array(X) if as_sparse else X
    for model, targets in ((GDLinearRegressor(), y), (GDLogisticClassifier(), y > 0)):
        model.set_params(standardize=True).fit(data, targets)
        assert abs(model.coef_.ravel()[1]) < 1e-3
        assert model.coef_.ravel()[0] > 0.1


def test_lasso_with_many_correlated_columns_agrees_with_scikit_learn():
    X = RNG.standard_normal((800, 1_100)) + RNG.standard_normal((800, 1))
    y = X[:, :10] @ RNG.standard_normal(10) + RNG.standard_normal(800)
    model = GDLinearRegressor(penalty="l1", alpha=0.1).fit(X, y)
    exact = Lasso(alpha=0.1, tol=1e-10, max_iter=100_000).fit(StandardScaler().fit_transform(X), y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), exact.coef_, atol=1e-4)


@pytest.mark.parametrize("optimizer", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])  # Newton's method proper of small data, and line searches
def test_the_step_criterion_needs_as_many_small_steps_as_are_asked_for(penalty, optimizer):
    X, y = load_breast_cancer(return_X_y=True)
    path, mean, scale = [], X.mean(axis=0), X.std(axis=0)
    model = GDLogisticClassifier(penalty=penalty, alpha=0.01, optimizer=optimizer, batch_size=None, standardize=True)
    model.set_params(criterion="step", tol=1e-3, learning_rate=0.1 if optimizer == "adam" else "auto")
    # the scaled coefficients, and the intercept of centred data
    model._watch = lambda model: path.append(np.append(model.coef_ * scale, model.coef_ @ mean + model.intercept_))
    for patience in (1, 4):
        path.clear()
        model.set_params(n_iter_no_change=patience).fit(X, y)
        steps = np.abs(np.diff(path, axis=0)).max(axis=1)
        assert model.converged_
        small = steps <= 1e-3 * (1 + 1e-9)
        assert small[len(small) - patience + 1 :].all()
        ended = np.flatnonzero(np.convolve(small, np.ones(patience, int), "valid") == patience)
        assert ended.size == 0 or ended[0] + patience + 1 >= len(path)  # no sooner, and no later


# -- where there are more columns than rows, or than one matrix holds


@pytest.mark.parametrize("kind", ["independent", "correlated", "of few factors", "of many scales"])
def test_ridge_with_more_columns_than_rows(kind):
    rng = np.random.default_rng(0)
    n, d = 640, 1400  # beyond the rows from which on the matrix costs more than conjugate gradients on easy columns
    X = rng.standard_normal((n, d))
    if kind == "correlated":
        for j in range(1, d):
            X[:, j] = 0.98 * X[:, j - 1] + 0.2 * X[:, j]
    elif kind == "of few factors":
        X = 0.01 * X + rng.standard_normal((n, 10)) @ rng.standard_normal((10, d))
    elif kind == "of many scales":
        X *= np.logspace(-3, 3, d)
    y = X @ (rng.standard_normal(d) / X.std(axis=0)) / np.sqrt(d) + rng.standard_normal(n)
    model = GDLinearRegressor(alpha=1e-3, standardize=False).fit(X, y)
    oracle = Ridge(1e-3 * n, solver="cholesky").fit(X, y)

    def objective(fitted):
        return 0.5 * np.mean((y - fitted.predict(X)) ** 2) + 0.5e-3 * np.sum(fitted.coef_**2)

    assert model.converged_
    assert objective(model) - objective(oracle) <= 1e-9 * np.var(y)
    assert model.n_iter_ <= n // 16 + 10  # conjugate gradients, then the matrix


def test_one_step_on_few_rows_is_proven_to_be_the_last_without_another_direction(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 2000)) + 3
    y = X[:, :5].sum(axis=1) + rng.standard_normal(50)
    directions, solve = [], LowRank.solve
    monkeypatch.setattr(LowRank, "solve", lambda *of: directions.append(of) or solve(*of))
    model = GDLinearRegressor(alpha=1e-2, standardize=False).fit(X, y)
    oracle = Ridge(1e-2 * 50, solver="cholesky").fit(X, y)
    np.testing.assert_allclose(model.coef_, oracle.coef_, rtol=1e-8, atol=1e-10)
    assert (model.n_iter_, len(directions)) == (1, 1)


def test_few_rows_of_several_outputs_are_solved_as_the_matrix_of_all_columns_says():
    rng = np.random.default_rng(0)
    Z, weight, vector = np.column_stack([rng.standard_normal((9, 12)), np.ones(9)]), rng.random((2, 9)), np.arange(26.0)
    ridge = np.append(np.append(np.full(12, 0.1), 1e-3), np.append(np.full(12, 3.0), 0.2))
    found = LowRank(ridge, Z, Z[:, :-1] @ Z[:, :-1].T, weight).solve(vector)
    blocks = [Z.T * of_output @ Z + np.diag(own) for of_output, own in zip(weight, ridge.reshape(2, -1), strict=True)]
    expected = [np.linalg.solve(*each) for each in zip(blocks, vector.reshape(2, -1), strict=True)]
    np.testing.assert_allclose(found, np.ravel(expected), rtol=1e-9)


@pytest.mark.parametrize(("model", "of_rank"), [(GDLogisticClassifier(), True), (GDLinearClassifier("hinge"), False)])
def test_kinks_of_several_outputs_have_matrices_of_all_columns(model, of_rank):
    """By those of the rows' rank hinges of three classes didn't end in thousands of steps."""
    problem = problem_of(model, np.random.default_rng(0).standard_normal((20, 700)), np.arange(20) % 3)
    plan = curvature_plan(problem, "auto")
    assert plan is not None
    assert plan.few_rows == of_rank


def test_a_step_along_a_heavy_row_is_as_long_as_the_matrix_of_all_columns_says():
    """The unit beside its square in the matrix that is left is no ridge for a share of that square to stand in for."""
    rng = np.random.default_rng(0)
    Z, weight = np.column_stack([rng.standard_normal((4, 12)), np.zeros(4)]), np.full((1, 4), 0.25)
    Z[0] *= 1e5
    ridge, vectors = np.append(np.full(12, 50.0), 1.0), Z[:2]  # of two outputs, whose weights are the same
    found = LowRank(np.tile(ridge, 2), Z, Z[:, :-1] @ Z[:, :-1].T, weight).solve(vectors.ravel())
    expected = np.linalg.solve(Z.T * weight[0] @ Z + np.diag(ridge), vectors.T).T
    for step, of_output in zip(found.reshape(2, -1), expected, strict=True):
        np.testing.assert_allclose(step, of_output, atol=1e-5 * np.abs(of_output).max())


@pytest.mark.parametrize(("n", "p", "n_targets"), [(60, 400, 3), (440, 900, 50)])
def test_targets_share_the_one_matrix_of_few_rows_whose_columns_have_common_factors(n, p, n_targets, monkeypatch):
    """The first step gets as far as digits do, under a small penalty, too; however many targets there are."""
    rng, alpha = np.random.default_rng(0), 1e-7
    X = rng.standard_normal((n, 4)) @ rng.standard_normal((4, p)) + 0.3 * rng.standard_normal((n, p))
    Y, weight = X[:, :n_targets] + rng.standard_normal((n, n_targets)), rng.uniform(0.5, 2.0, n)
    factors, factorise = [], hessians.Factor._factorise
    monkeypatch.setattr(
        hessians.Factor, "_factorise", lambda self, ridge: factors.append(len(ridge)) or factorise(self, ridge)
    )
    model = GDLinearRegressor(alpha=alpha, standardize=False).fit(X, Y, sample_weight=weight)
    shares = weight / weight.sum()
    Z, T = X - shares @ X, Y - shares @ Y
    exact = Z.T @ np.linalg.solve(Z @ Z.T * shares[:, None] + alpha * np.eye(n), T * shares[:, None])
    np.testing.assert_allclose(model.coef_, exact.T, atol=1e-6 * np.abs(exact).max())
    np.testing.assert_allclose(model.intercept_, shares @ (Y - X @ exact), atol=1e-5)
    assert factors == [n]
    assert model.n_iter_ <= 5


@pytest.mark.parametrize("n_factors", [3, 0])  # behind all columns; without any, gradients are enough
def test_classes_of_few_rows_have_no_matrix_of_all_columns(n_factors, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 400)) + rng.standard_normal((60, n_factors)) @ rng.standard_normal((n_factors, 400))
    y = (X[:, :3] + rng.gumbel(size=(60, 3))).argmax(axis=1)
    factors, factorise = [], hessians.Factor._factorise
    monkeypatch.setattr(
        hessians.Factor, "_factorise", lambda self, ridge: factors.append(len(ridge)) or factorise(self, ridge)
    )
    model = GDLogisticClassifier(alpha=10.0, standardize=False).fit(X, y)
    oracle = LogisticRegression(C=1 / (10.0 * 60), solver="newton-cg", tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model.coef_, oracle.coef_, atol=1e-6 * np.abs(oracle.coef_).max())
    assert set(factors) == ({60} if n_factors else set())


def test_a_gradient_proves_nothing_where_an_intercept_is_left_to_learn():
    curvature = SimpleNamespace(constant_model=Diagonal, ridge=np.array([0.1, 0.2, 0.0]))
    gradient = np.array([1e-5, 2e-5, 0.0])
    most = 0.5 * (1e-10 / 0.1 + 4e-10 / 0.2)
    search = SimpleNamespace(curvature=curvature, l1=None, gradient=gradient)
    assert PreconditionedSearch.is_least(search, 1.01 * most)
    assert not PreconditionedSearch.is_least(search, 0.99 * most)
    search.gradient = np.array([1e-5, 2e-5, 1e-9])
    assert not PreconditionedSearch.is_least(search, 1.01 * most)


@pytest.mark.parametrize(("model", "patience"), [(Identity(), 3.0), (LowRank, 44.0)])
def test_the_patience_with_gradients_ends_with_them(model, patience):
    """So many are tried as a matrix costs; from then on the price of the next one counts."""
    at = {"constant_model": None, "grow": lambda: False}
    search = SimpleNamespace(curvature=SimpleNamespace(**at), model=model, patience=44.0, steps=5, model_steps=0)
    search.grows, search.improved, search.renew, search._worth_of_model = True, False, lambda: None, lambda: 3.0
    assert PreconditionedSearch.improve(search)
    assert search.patience == patience


@pytest.mark.parametrize("start", ["anew", "from a shifted model"])
def test_softmax_of_many_outputs_takes_few_steps(start):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 40))
    raw = X @ rng.standard_normal((40, 20)) / 3 + rng.gumbel(size=(3000, 20)) + np.linspace(0, 2, 20)
    y, alpha = raw.argmax(axis=1), 1e-3
    model = GDLogisticClassifier(alpha=alpha, standardize=False, warm_start=True)
    if start != "anew":  # by what all classes share, which no probability shows, but the penalty
        model.fit(X, y)
        model._training.state.params[:] += np.tile(rng.standard_normal(41), 20)
    model.fit(X, y)
    oracle = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-9, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(model.coef_, oracle.coef_, atol=1e-5)
    assert model.n_iter_ <= 30


@pytest.mark.parametrize("ridge", [0.1, 1e-3])
def test_model_of_low_rank_is_that_of_the_whole_matrix(ridge):
    rng = np.random.default_rng(0)
    Z, weight = np.column_stack([rng.standard_normal((8, 30)), np.ones(8)]), rng.uniform(size=8) * (np.arange(8) > 0)
    of_rows = Z.T @ (weight[:, None] * Z)
    penalties = np.append(np.full(30, ridge), 0.0)
    model = LowRank(penalties, Z, Z[:, :-1] @ Z[:, :-1].T, weight)
    stands_in = RIDGE * (np.trace(of_rows) / 31 + penalties.mean())
    oracle = np.diag(np.maximum(penalties, stands_in)) + of_rows
    vector = of_rows @ rng.standard_normal(31)
    np.testing.assert_allclose(oracle @ model.solve(vector), vector, atol=1e-6)


def test_a_step_that_promises_something_after_one_that_promised_nothing():
    """Of parts, where a sample's optimum is the start."""
    prospects = Prospects()
    for promise in (0.0, 1e-3):
        prospects.see(promise, 1.0, rounding=1e-16)
    np.testing.assert_allclose(prospects.to_come(), 1e-3 / (1 - 0.95))  # at the slowest rate that is believed


def test_what_the_objective_was_before_counts_unless_promises_are_reliable():
    """A rough model promises little where it knows little."""
    for reliable in (False, True):
        prospects = Prospects()
        for step in range(30):
            prospects.see(1e-9, 1.0 + 0.8**step, rounding=1e-16, reliable=reliable)
        promised = 1e-9 / (1 - 0.95)  # at the slowest rate that is believed
        left = 0.8**29  # of a geometric series
        np.testing.assert_allclose(prospects.to_come(), promised if reliable else left)


def ridge_gap(model, X, y, alpha, weight):
    """By how much an objective lies above its least, by the dual problem, as a share of the constant model's excess."""
    share = weight / weight.sum()
    Z = (X - share @ X) * np.sqrt(share)[:, None]
    t = (y - share @ y) * np.sqrt(share)
    dual = np.linalg.solve(Z @ Z.T + alpha * np.eye(len(y)), t)
    least = 0.5 * alpha * t @ dual
    reached = 0.5 * share @ (y - X @ model.coef_ - model.intercept_) ** 2 + 0.5 * alpha * model.coef_ @ model.coef_
    return (reached - least) / (0.5 * t @ t - least)


@pytest.mark.parametrize("alpha", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("rows", ["apart", "twice", "weighted", "far from zero"])
def test_sparse_ridge_with_more_columns_than_rows(rows, alpha):
    rng = np.random.default_rng(0)
    n, d = 200, 1500
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.05)
    if rows == "twice":
        X[n // 2 :] = X[: n // 2]
    if rows == "far from zero":
        X[:, :20] += 100.0
    weight = rng.integers(0, 3, n).astype(float) if rows == "weighted" else np.ones(n)
    y = X[:, :20] @ rng.standard_normal(20) + rng.standard_normal(n) + 50.0
    model = GDLinearRegressor(alpha=alpha, standardize=False).fit(sparse.csr_array(X), y, sample_weight=weight)
    assert model.converged_
    assert ridge_gap(model, X, y, alpha, weight) <= 1e-9
    assert model.n_iter_ <= 50


def test_columns_that_most_sparse_rows_have_are_known_before_the_first_step():
    """As words that all texts have: gradients would come to them by turns."""
    rng = np.random.default_rng(0)
    n, d = 1500, 5000
    words = np.minimum(rng.zipf(1.3, 40 * n) - 1, d - 1)
    X = sparse.csr_array((np.ones(40 * n), (np.repeat(np.arange(n), 40), words)), shape=(n, d))
    y = X[:, :10].sum(axis=1) / 50 + 0.5 * rng.standard_normal(n)
    model = GDLinearRegressor(alpha=1e-2, standardize=False).fit(X, y)
    assert ridge_gap(model, X.toarray(), y, 1e-2, np.ones(n)) <= 1e-8
    assert model.n_iter_ <= 20


def test_conjugate_gradients_end_by_the_gradient_at_the_end():
    """Steps to points that nobody has looked at lose digits, most where rows have sizes of their own."""
    rng = np.random.default_rng(0)
    n, d, alpha = 200, 1500, 1e-6
    sizes = np.repeat(np.geomspace(1, 100, 5)[np.arange(n) % 5], 2)
    at = np.repeat(np.arange(n), 2), rng.permutation(d)[: 2 * n]
    X, y = sparse.csr_array((sizes * rng.choice([-1, 1], 2 * n), at), shape=(n, d)), rng.standard_normal(n)
    model = GDLinearRegressor(alpha=alpha, standardize=False).fit(X, y)
    Z, t = X.toarray() - X.toarray().mean(axis=0), y - y.mean()
    gradient = (Z.T @ (Z @ model.coef_ - t) / n + alpha * model.coef_) / y.std()
    np.testing.assert_allclose(model.gradient_norm_, np.abs(gradient).max(), rtol=1e-4)


def test_the_curve_of_conjugate_gradients_is_the_objective():
    """Steps to points that nobody has looked at, whose objective follows from that of others."""
    rng = np.random.default_rng(0)
    X, y = sparse.random_array((100, 1500), density=0.02, rng=rng, format="csr"), 3 + rng.standard_normal(100)
    model, objectives = GDLinearRegressor(alpha=1e-3, standardize=False, tol=None), []
    for n_steps in range(1, 6):
        model.set_params(max_iter=n_steps).fit(X, y)
        objectives.append(0.5 * np.mean((model.predict(X) - y) ** 2) + 0.5 * 1e-3 * (model.coef_**2).sum())
    np.testing.assert_allclose(model.loss_curve_, objectives, rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_rows", [100, 700])  # Newton's method, and L-BFGS without a model
def test_logistic_regression_with_more_columns_than_rows(n_rows, fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_rows + 900)) + rng.uniform(0, 3, n_rows + 900)
    y = X[:, :5].sum(axis=1) + rng.logistic(size=n_rows) > X[:, :5].sum(axis=1).mean()
    alpha = 1e-3
    model = GDLogisticClassifier(alpha=alpha, standardize=False, fit_intercept=fit_intercept).fit(X, y)
    oracle = LogisticRegression(C=1 / (alpha * n_rows), fit_intercept=fit_intercept, tol=1e-8, max_iter=5000).fit(X, y)

    def objective(fitted):
        raw = X @ fitted.coef_[0] + fitted.intercept_
        return np.mean(np.logaddexp(0, np.where(y, -raw, raw))) + 0.5 * alpha * np.sum(fitted.coef_**2)

    assert model.converged_
    assert objective(model) - objective(oracle) <= 1e-9 * np.log(2)
    if n_rows == 100 or fit_intercept:  # columns that aren't centred are far from even
        assert model.n_iter_ <= (15 if n_rows == 100 else n_rows // 16)


@pytest.mark.parametrize(("kind", "alpha"), [("independent", 0.1), ("independent", 1e-3), ("of few factors", 1e-3)])
@pytest.mark.parametrize(("n_rows", "dtype"), [(350, "float64"), (600, "float64"), (600, "float32")])
def test_logistic_regression_with_about_as_many_columns_as_rows(n_rows, dtype, kind, alpha, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 400))
    if kind != "independent":
        X = 0.5 * X + rng.standard_normal((n_rows, 10)) @ rng.standard_normal((10, 400))
    X = X.astype(dtype)
    y = X[:, :5].sum(axis=1) + rng.logistic(size=n_rows) > 0
    matrices = []
    monkeypatch.setattr(hessians, "dpotrf", lambda *of, **how: matrices.append(len(of[0])) or dpotrf(*of, **how))
    model = GDLogisticClassifier(alpha=alpha, standardize=False).fit(X, y)
    X = X.astype(float)  # whose coefficients aren't rounded
    oracle = LogisticRegression(C=1 / (alpha * n_rows), tol=1e-8, max_iter=5000).fit(X, y)

    def objective(fitted):
        raw = X @ fitted.coef_[0].astype(float) + fitted.intercept_
        return np.mean(np.logaddexp(0, np.where(y, -raw, raw))) + 0.5 * alpha * np.sum(fitted.coef_.astype(float) ** 2)

    assert model.converged_
    assert objective(model) - objective(oracle) <= 1e-9 * np.log(2)
    assert model.n_iter_ <= (30 if alpha == 0.1 or kind == "of few factors" else 40)
    if kind == "independent" and dtype == "float64":  # gradients lead to the optimum, or one matrix or two from there
        assert len(matrices) <= (0 if alpha == 0.1 else 2)


@pytest.mark.filterwarnings("ignore:The classes are separable")
@pytest.mark.parametrize("alpha", [0.0, 1e-6])
def test_separable_classes_of_about_as_many_columns_as_rows(alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((372, 300))
    raw = X @ rng.standard_normal(300)
    y = np.digitize(raw, np.quantile(raw, [1 / 3, 2 / 3]))
    model = GDLogisticClassifier(alpha=alpha).fit(X, y)
    assert model.converged_
    assert model.score(X, y) == 1.0
    assert model.loss_curve_[-1] < (1e-9 if alpha == 0 else 1e-3)
    assert model.n_iter_ <= 150  # without a penalty, 82; after gradients alone, 1,340


@pytest.mark.parametrize("as_sparse", [True, False])
def test_an_intercept_costs_wide_data_no_steps(as_sparse):
    """Among columns that aren't centred nothing but the ridge would curve it."""
    rng = np.random.default_rng(0)
    n, d = 700, 1500
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < (0.05 if as_sparse else 1)) + (0 if as_sparse else 2)
    y = X[:, :10].sum(axis=1) + rng.standard_normal(n)
    steps = []
    for Z in X, X - X.mean(axis=0):
        model = GDLinearRegressor(alpha=1e-4, standardize=False).fit(sparse.csr_array(Z) if as_sparse else Z, y)
        assert ridge_gap(model, Z, y, 1e-4, np.ones(n)) <= 1e-9
        steps.append(model.n_iter_)
    assert steps[0] <= steps[1] + 1


def test_few_rows_where_curvature_vanishes_take_steps_that_learn_from_those_before():
    """Without a penalty counts of few rows are met exactly, and those of zero never: Newton's steps stay as short."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 453)) + 5 * rng.standard_normal((150, 1))
    y = rng.poisson(np.exp(np.clip(X[:, 0] / 5, -5, 4))).astype(float)
    model = GDLinearRegressor(loss="poisson", alpha=0.0, standardize=False).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 400
    met = np.where(y > 0, y * np.log(np.maximum(y, 1)), 0.0)
    log_rate = X @ model.coef_ + model.intercept_
    assert np.mean(np.exp(log_rate) - y * log_rate - (y - met)) <= 1e-6


def test_rows_that_are_repeated_with_other_outliers_take_steps_that_learn_from_those_before():
    """Where the loss is straight there is no curvature: of Huber's bounds alone each step leaves nine tenths."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 923))
    X[150:] = X[:150]
    y = X @ rng.standard_normal(923) / 30 + 3 * rng.standard_normal(300)
    model = GDLinearRegressor(loss="huber", alpha=2e-2, standardize="max_abs").fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 150


@pytest.mark.parametrize("loss", ["squared_hinge", "modified_huber"])
@pytest.mark.parametrize(("n", "d"), [(200, 200), (300, 150), (100, 250)])
def test_separable_classes_of_losses_with_straight_pieces_take_few_steps(loss, n, d):
    """Under a small ridge, by way of larger ones."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    signs = np.sign(X @ rng.standard_normal(d) / np.sqrt(d) + 0.5 * rng.standard_normal(n))
    models = []
    renew = PreconditionedSearch.renew
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PreconditionedSearch, "renew", lambda self: (models.append(self), renew(self))[1])
        model = GDLinearClassifier(loss=loss, alpha=1e-5, standardize=False).fit(X, signs)
    margins = signs * (X @ model.coef_[0] + model.intercept_[0])
    slopes = -2 * np.maximum(1 - margins, 0) * signs  # no margin is below -1
    gradient = X.T @ slopes / n + 1e-5 * model.coef_[0]
    assert model.converged_
    assert model.n_iter_ <= 70
    assert len(models) <= 60
    # what is left to gain is at most the square of the gradient over twice the ridge
    assert gradient @ gradient / 2e-5 <= 1e-9
    assert abs(slopes.mean()) <= 1e-7


@pytest.mark.parametrize("loss", ["squared_hinge", "huber"])
def test_ridges_are_no_way_where_few_steps_do(loss, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 90))
    signal = X[:, 0] + rng.standard_t(3, 800)
    model = GDLinearClassifier(loss, alpha=1e-5) if loss == "squared_hinge" else GDLinearRegressor(loss, alpha=1e-5)
    monkeypatch.setattr("skgd._solvers.line_search.descend", lambda *of: pytest.fail("it went by larger ridges"))
    model.fit(X, np.sign(signal) if loss == "squared_hinge" else signal)
    assert model.converged_


def test_a_fit_is_resumed_on_its_way_by_larger_ridges():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 110))
    signs = np.sign(X @ rng.standard_normal(110) + rng.standard_normal(120))
    model = GDLinearClassifier(loss="squared_hinge", alpha=1e-5, standardize=False)
    problem = problem_of(model, X, signs)
    plan = decide(model._parameters(X), problem, None)
    assert plan.curvature.ridges == (1e4, 1e3, 1e2, 1e1)

    def driver(watched):
        return Driver(begin(problem, plan, np.random.RandomState(0))[0], plan, problem, watched)

    whole = driver(watched=False).train()
    for n_epochs in 5, whole.epochs - 2:
        first, second = driver(watched=True), driver(watched=False)
        for training in first.run():
            if training.epochs == n_epochs:
                break
        second.restore(first.state())
        assert second.train().params.tobytes() == whole.params.tobytes()
