"""Linear models against exact optima: normal equations, and scipy's L-BFGS run to the end."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDRegressor
from sklearn.metrics import accuracy_score, r2_score

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from skgd._problem import predictions

ALPHA = 1e-4
# The share of the gain over the constant model that a fit with defaults may leave.
DEFAULT_GAP = 1e-3
# Run until the gradient proves the optimum, whatever it takes.
EXACT = {"criterion": "gradient", "tol": 1e-9, "max_iter": 100_000, "batch_size": None}


# -- oracles


def scaling(X, weight=None, fit_intercept=True, standardize=True):
    """Center and scale of X in float64, as the objective is defined."""
    X = np.asarray(X, dtype=np.float64)
    mean = np.average(X, axis=0, weights=weight)
    std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    std[std <= 1e-14 * np.abs(mean)] = 1.0
    center = mean if fit_intercept else np.zeros_like(mean)
    return (center, std) if standardize else (np.zeros_like(mean), np.ones_like(std))


def ridge_optimum(X, y, alpha=ALPHA, weight=None, fit_intercept=True, standardize=True):
    """Coefficients and predictions of the exact minimum, from an augmented least-squares problem."""
    center, scale = scaling(X, weight, fit_intercept, standardize)
    Z = (np.asarray(X, dtype=np.float64) - center) / scale
    y = np.asarray(y, dtype=np.float64)
    share = np.full(len(y), 1 / len(y)) if weight is None else weight / weight.sum()
    z_mean, y_mean = (share @ Z, share @ y) if fit_intercept else (0.0, 0.0)
    root = np.sqrt(share)[:, None]
    A = np.vstack([root * (Z - z_mean), np.sqrt(alpha) * np.eye(Z.shape[1])])
    t = (y - y_mean).reshape(len(y), -1)
    b = np.vstack([root * t, np.zeros((Z.shape[1], t.shape[1]))])
    w = np.linalg.lstsq(A, b, rcond=1e-15)[0]
    predictions = (Z - z_mean) @ w + y_mean
    return (w.T / scale).reshape(*y.shape[1:], -1), predictions.reshape(y.shape)


def ridge_objective(X, y, coef, predictions, alpha=ALPHA):
    _, scale = scaling(X)
    residual = np.asarray(predictions, dtype=np.float64) - y
    return 0.5 * np.mean(residual**2) + 0.5 * alpha * np.sum((np.asarray(coef, dtype=np.float64) * scale) ** 2)


def logistic_parts(X, y, weight, fit_intercept, standardize):
    center, scale = scaling(X, weight, fit_intercept, standardize)
    Z = (np.asarray(X, dtype=np.float64) - center) / scale
    if fit_intercept:
        Z = np.column_stack([Z, np.ones(len(Z))])
    classes, index = np.unique(y, return_inverse=True)
    share = np.full(len(y), 1 / len(y)) if weight is None else weight / weight.sum()
    return Z, scale, classes, index, share


def log_loss_of(logits, index, share):
    """Weighted mean of the negative log-likelihood; binary logits are (n_rows, 1)."""
    if logits.shape[1] == 1:
        logits = np.column_stack([np.zeros(len(logits)), logits])
    return -share @ log_softmax(logits, axis=1)[np.arange(len(index)), index]


def logistic_optimum(X, y, alpha=ALPHA, weight=None, fit_intercept=True, standardize=True):
    """Objective and probabilities at the exact minimum, by scipy."""
    Z, _, classes, index, share = logistic_parts(X, y, weight, fit_intercept, standardize)
    outputs = 1 if len(classes) == 2 else len(classes)
    hot = np.eye(len(classes))[index]
    penalised = np.ones(Z.shape[1])
    if fit_intercept:
        penalised[-1] = 0

    def objective(theta):
        W = theta.reshape(outputs, -1)
        logits = Z @ W.T
        full = np.column_stack([np.zeros(len(Z)), logits]) if outputs == 1 else logits
        residual = (softmax(full, axis=1) - hot)[:, -outputs:] * share[:, None]
        value = log_loss_of(logits, index, share) + 0.5 * alpha * np.sum(penalised * W**2)
        return value, (residual.T @ Z + alpha * penalised * W).ravel()

    options = {"maxiter": 20_000, "maxfun": 40_000, "maxcor": 30, "gtol": 1e-10, "ftol": 0}
    found = minimize(objective, np.zeros(outputs * Z.shape[1]), jac=True, method="L-BFGS-B", options=options)
    logits = Z @ found.x.reshape(outputs, -1).T
    proba = np.column_stack([expit(-logits), expit(logits)]) if outputs == 1 else softmax(logits, axis=1)
    return found.fun, proba


def logistic_objective(model, X, y, alpha=ALPHA, weight=None):
    _, scale, classes, index, share = logistic_parts(X, y, weight, True, True)
    logits = np.asarray(model.decision_function(X), dtype=np.float64).reshape(len(y), -1)
    assert np.array_equal(model.classes_, classes)
    return log_loss_of(logits, index, share) + 0.5 * alpha * np.sum((model.coef_.astype(np.float64) * scale) ** 2)


def gap(objective, optimum, null):
    return (objective - optimum) / (null - optimum)


# -- problems: features that real tables have, and what follows from them


def plain(rng, n=400, d=8):
    return rng.standard_normal((n, d))


def many_scales(rng):
    return plain(rng) * np.logspace(-4, 4, 8)


def huge_mean(rng):
    return 1e6 + plain(rng)


def timestamps(rng):
    X = plain(rng)
    X[:, 0] = 1.7e9 + rng.integers(0, 365, len(X)) * 86_400.0
    X[:, 1] = X[:, 0] + 3600 * rng.random(len(X))
    return X


def one_hot(rng):
    # every group of columns sums to one: collinear with the intercept and with each other
    groups = [np.eye(k)[rng.integers(0, k, 400)] for k in (2, 5, 9)]
    return np.column_stack([*groups, plain(rng, d=2)])


def sorted_rows(rng):
    X = plain(rng, n=700)
    return X[np.argsort(X[:, 0])]


def correlated(rng):
    X = plain(rng, d=12)
    for j in range(1, 12):
        X[:, j] = 0.95 * X[:, j - 1] + np.sqrt(1 - 0.95**2) * X[:, j]
    return X


def more_columns_than_rows(rng):
    return plain(rng, 60, 150)


def three_rows(rng):
    return plain(rng, 3, 2)


def duplicated_and_constant_columns(rng):
    X = plain(rng, d=3)
    return np.column_stack([X, X, np.full(len(X), 7.7), np.zeros(len(X))])


def rare_column(rng):
    X = plain(rng)
    X[:, 3] = 0
    X[5, 3] = 1
    return X


FEATURES = [
    plain,
    many_scales,
    huge_mean,
    timestamps,
    one_hot,
    sorted_rows,
    correlated,
    more_columns_than_rows,
    three_rows,
    duplicated_and_constant_columns,
    rare_column,
]


def problem(make_features, noise=0.5):
    """Features, a target near one, and classes 0 and 1."""
    rng = np.random.default_rng(17)
    X = make_features(rng)
    _, scale = scaling(X)
    signal = (X - X.mean(axis=0)) / scale @ rng.standard_normal(X.shape[1])
    signal = (signal - signal.mean()) / signal.std()
    y = signal + noise * rng.standard_normal(len(X))
    labels = (signal + noise * rng.standard_normal(len(X)) > np.median(signal)).astype(int)
    if make_features is three_rows:
        labels = np.array([0, 1, 1])
    return X, y, labels


# -- defaults get there


@pytest.mark.parametrize("make_features", FEATURES, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("size", "offset"), [(1.0, 0.0), (3e3, 5e4), (1e-6, 1e-6)])
def test_default_regression_is_near_the_optimum(make_features, size, offset):
    X, y, _ = problem(make_features)
    y = offset + size * y
    model = GDLinearRegressor().fit(X, y)
    assert model.stop_reason_ == "converged"
    coef, predictions = ridge_optimum(X, y)
    best = ridge_objective(X, y, coef, predictions)
    found = ridge_objective(X, y, model.coef_, model.predict(X))
    assert -1e-6 <= gap(found, best, 0.5 * np.var(y)) <= DEFAULT_GAP


@pytest.mark.parametrize("make_features", FEATURES, ids=lambda f: f.__name__)
def test_default_classification_is_near_the_optimum(make_features):
    X, _, labels = problem(make_features)
    model = GDLogisticClassifier().fit(X, labels)
    assert model.stop_reason_ == "converged"
    best, _ = logistic_optimum(X, labels)
    share = np.bincount(labels) / len(labels)
    null = -share @ np.log(share)
    assert -1e-6 <= gap(logistic_objective(model, X, labels), best, null) <= DEFAULT_GAP


def test_separable_classes_converge_to_the_penalised_optimum():
    rng = np.random.default_rng(0)
    X = plain(rng, 300, 5)
    y = (X @ rng.standard_normal(5) > 0).astype(int)
    model = GDLogisticClassifier().fit(X, y)
    best, _ = logistic_optimum(X, y)
    assert gap(logistic_objective(model, X, y), best, np.log(2)) <= DEFAULT_GAP
    assert np.isfinite(model.coef_).all()


# -- and exactly there, if asked to


@pytest.mark.parametrize("make_features", FEATURES, ids=lambda f: f.__name__)
def test_regression_run_to_the_end_is_the_exact_ridge_solution(make_features):
    X, y, _ = problem(make_features)
    y = 1e3 + 250 * y
    model = GDLinearRegressor(alpha=1e-3, standardize=True, **EXACT).fit(X, y)
    assert model.converged_
    coef, predictions = ridge_optimum(X, y, alpha=1e-3)
    _, scale = scaling(X)
    # gradients are relative to a target of size one: within tol / alpha of the optimum, times the target's size
    tolerance = 1e-9 / 1e-3 * np.sqrt(X.shape[1]) * np.std(y)
    np.testing.assert_allclose(model.predict(X), predictions, rtol=1e-8, atol=10 * tolerance)
    np.testing.assert_allclose(model.coef_ * scale, coef * scale, rtol=1e-8, atol=10 * tolerance)


@pytest.mark.parametrize("make_features", FEATURES, ids=lambda f: f.__name__)
def test_classification_run_to_the_end_is_the_exact_optimum(make_features):
    X, _, labels = problem(make_features)
    model = GDLogisticClassifier(alpha=1e-2, standardize=True, **EXACT).fit(X, labels)
    assert model.converged_
    _, proba = logistic_optimum(X, labels, alpha=1e-2)
    np.testing.assert_allclose(model.predict_proba(X), proba, atol=1e-5)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False, "auto"])
@pytest.mark.parametrize("penalty", ["l2", None])
def test_regression_options_against_the_normal_equations(fit_intercept, standardize, penalty):
    rng = np.random.default_rng(3)
    X = plain(rng, 200, 5) * [0.5, 1, 2, 3, 1] + [1, 0, -2, 0, 1]
    y = X @ [1.0, 2, -1, 0, 3] + 4 + rng.standard_normal(200)
    weight = 10.0 ** rng.uniform(-3, 3, 200)
    settings = {"fit_intercept": fit_intercept, "standardize": standardize}
    model = GDLinearRegressor(penalty=penalty, alpha=0.1, **settings, **EXACT).fit(X, y, sample_weight=weight)
    alpha = 0.0 if penalty is None else 0.1
    coef, predictions = ridge_optimum(X, y, alpha, weight, fit_intercept, bool(standardize))
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.predict(X), predictions, rtol=1e-6, atol=1e-5)
    if not fit_intercept:
        assert np.array_equal(model.intercept_, [0.0])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_classification_options_against_scipy(n_classes, fit_intercept, standardize):
    rng = np.random.default_rng(4)
    X = plain(rng, 240, 4) * [0.5, 1, 2, 1] + [0.5, 0, -1, 0]
    y = (X @ rng.standard_normal((4, n_classes)) + rng.gumbel(size=(240, n_classes))).argmax(axis=1)
    weight = 10.0 ** rng.uniform(-3, 3, 240)
    settings = {"fit_intercept": fit_intercept, "standardize": standardize}
    model = GDLogisticClassifier(alpha=0.01, **settings, **EXACT).fit(X, y, sample_weight=weight)
    _, proba = logistic_optimum(X, y, 0.01, weight, fit_intercept, standardize)
    np.testing.assert_allclose(model.predict_proba(X), proba, atol=1e-5)
    if not fit_intercept:
        assert not model.intercept_.any()


def test_agrees_with_sklearns_ridge_and_least_squares():
    X, y = datasets.load_diabetes(return_X_y=True)
    # raw features: Ridge's penalty is the sum over rows, twice skgd's mean
    model = GDLinearRegressor(alpha=1e-3, standardize=False, **EXACT).fit(X, y)
    ridge = Ridge(alpha=1e-3 * len(y), tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, ridge.coef_, rtol=1e-4)
    np.testing.assert_allclose(model.intercept_[0], ridge.intercept_, rtol=1e-8)
    model = GDLinearRegressor(penalty=None, **EXACT).fit(X, y)
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(X, y).predict(X), rtol=1e-5)


def test_agrees_with_sklearns_logistic_regression():
    X, y = datasets.load_iris(return_X_y=True)
    alpha = 1e-2
    for rows in (y < 2, y < 3):
        model = GDLogisticClassifier(alpha=alpha, standardize=False, **EXACT).fit(X[rows], y[rows])
        exact = LogisticRegression(C=1 / (alpha * rows.sum()), tol=1e-12, max_iter=10_000).fit(X[rows], y[rows])
        np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-5)
        np.testing.assert_allclose(model.intercept_, exact.intercept_, atol=1e-4)


@pytest.mark.parametrize("class_weight", ["balanced", {"a": 1.0, "b": 5.0, "c": 0.5}])
def test_class_weight_agrees_with_sklearns_logistic_regression(class_weight):
    rng = np.random.default_rng(5)
    X = plain(rng, 300, 3)
    y = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + rng.standard_normal(300), [0.0, 1.5])]
    weight = rng.uniform(0.1, 2, 300)
    model = GDLogisticClassifier(alpha=0.05, standardize=False, class_weight=class_weight, **EXACT)
    model.fit(X, y, sample_weight=weight)
    # the mean of weighted losses, where sklearn has their sum
    factors = class_weight
    if class_weight == "balanced":
        factors = {c: weight.sum() / (3 * weight[y == c].sum()) for c in "abc"}
    total = weight @ [factors[c] for c in y]
    exact = LogisticRegression(C=1 / (0.05 * total), tol=1e-12, max_iter=10_000, class_weight=factors)
    exact.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-5)


def test_a_weight_of_zero_removes_a_row():
    X, y, labels = problem(plain)
    weight = np.ones(len(X))
    weight[::3] = 0
    X_spoilt = X.copy()
    X_spoilt[::3] = 1e3
    kept = weight > 0
    for cls, target in ((GDLinearRegressor, y), (GDLogisticClassifier, labels)):
        weighted = cls(**EXACT).fit(X_spoilt, target, sample_weight=weight)
        alone = cls(**EXACT).fit(X[kept], target[kept])
        np.testing.assert_allclose(weighted.coef_, alone.coef_, rtol=1e-5, atol=1e-6)


# -- targets


@pytest.mark.parametrize("value", [0.0, 3.5, -1e6, 1e-12])
def test_a_constant_target_is_predicted_exactly(value):
    X = plain(np.random.default_rng(0), 50, 3)
    model = GDLinearRegressor().fit(X, np.full(50, value))
    np.testing.assert_allclose(model.predict(X), value, rtol=1e-12, atol=1e-300)
    assert model.converged_


def test_several_targets_of_any_size_are_each_at_their_optimum():
    X, y, _ = problem(many_scales)
    rng = np.random.default_rng(1)
    Y = np.column_stack([y, 1e5 * X[:, 0] / X[:, 0].std() + 1e5 * rng.standard_normal(len(X)) + 7e6, -1e-5 * y, y**2])
    model = GDLinearRegressor(alpha=1e-2, **EXACT).fit(X, Y)
    coef, predictions = ridge_optimum(X, Y, alpha=1e-2)
    assert model.coef_.shape == (4, 8)
    assert model.intercept_.shape == (4,)
    assert model.predict(X).shape == Y.shape
    np.testing.assert_allclose(model.predict(X) / Y.std(axis=0), predictions / Y.std(axis=0), rtol=1e-8, atol=1e-6)
    scale = X.std(axis=0) / Y.std(axis=0)[:, None]
    np.testing.assert_allclose(model.coef_ * scale, coef * scale, atol=1e-6)


def test_default_with_several_targets():
    X, Y = datasets.load_linnerud(return_X_y=True)
    model = GDLinearRegressor().fit(X, Y)
    coef, predictions = ridge_optimum(X, Y)
    for k in range(3):
        best = ridge_objective(X, Y[:, k], coef[k], predictions[:, k])
        found = ridge_objective(X, Y[:, k], model.coef_[k], model.predict(X)[:, k])
        assert gap(found, best, 0.5 * np.var(Y[:, k])) <= DEFAULT_GAP


def test_mini_batches_with_a_decaying_rate_approach_the_optimum():
    X, y, labels = problem(sorted_rows)
    settings = {"optimizer": "sgd", "batch_size": 8, "schedule": "cosine", "max_iter": 100, "tol": None}
    model = GDLinearRegressor(learning_rate=0.02, random_state=0, **settings).fit(X, y)
    coef, predictions = ridge_optimum(X, y)
    best = ridge_objective(X, y, coef, predictions)
    assert gap(ridge_objective(X, y, model.coef_, model.predict(X)), best, 0.5 * np.var(y)) <= 1e-3
    model = GDLogisticClassifier(learning_rate=0.1, random_state=0, **settings).fit(X, labels)
    best, _ = logistic_optimum(X, labels)
    assert gap(logistic_objective(model, X, labels), best, np.log(2)) <= 1e-3


# -- float32


@pytest.mark.parametrize("make_features", [plain, many_scales, timestamps, one_hot], ids=lambda f: f.__name__)
def test_float32_reaches_what_float64_reaches(make_features):
    X, y, labels = problem(make_features)
    X = X.astype(np.float32)
    y = 1e3 + 100 * y
    model = GDLinearRegressor().fit(X, y)
    assert model.coef_.dtype == model.intercept_.dtype == model.predict(X).dtype == np.float32
    _, predictions = ridge_optimum(X, y)
    assert np.mean((model.predict(X) - predictions) ** 2) <= DEFAULT_GAP * np.var(y)
    classifier = GDLogisticClassifier().fit(X, labels)
    assert classifier.coef_.dtype == np.float32
    assert classifier.decision_function(X).dtype == np.float32
    probabilities, logarithms = classifier.predict_proba(X), classifier.predict_log_proba(X)
    assert probabilities.dtype == logarithms.dtype == np.float32
    raw = X.astype(float) @ classifier.coef_[0].astype(float) + float(classifier.intercept_[0])
    np.testing.assert_allclose(probabilities[:, 1], expit(raw), rtol=1e-4)
    best, _ = logistic_optimum(X, labels)
    assert gap(logistic_objective(classifier, X, labels), best, np.log(2)) <= DEFAULT_GAP


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_predicted_class_is_the_likeliest_however_close_another_is(n_classes):
    X, y = datasets.load_iris(return_X_y=True)
    model = GDLogisticClassifier(alpha=1.0).fit(X[y < n_classes].astype(np.float32), y[y < n_classes])
    ahead = np.atleast_2d(model.coef_)[-1] - (model.coef_[0] if n_classes > 2 else 0)  # the last class before the first
    offset = model.intercept_[-1] - (model.intercept_[0] if n_classes > 2 else 0)
    rows = np.random.default_rng(0).normal(size=(2000, 4))
    rows -= np.outer((rows @ ahead + offset) / (ahead @ ahead), ahead)  # onto the boundary, up to rounding
    probabilities = model.predict_proba(rows.astype(np.float32))
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(model.predict(rows.astype(np.float32)), probabilities.argmax(axis=1))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=2e-7)


def test_float32_with_a_mean_large_beside_the_std():
    rng = np.random.default_rng(0)
    X = (1e4 + plain(rng)).astype(np.float32)
    y = X.astype(np.float64) @ np.ones(8) + 0.1 * rng.standard_normal(len(X))
    model = GDLinearRegressor().fit(X, y)
    _, predictions = ridge_optimum(X, y)
    assert np.mean((model.predict(X) - predictions) ** 2) <= DEFAULT_GAP * np.var(y)


# -- the interface of scikit-learn's own linear models


def test_regressor_shapes_are_those_of_sgd_regressor():
    X, y, _ = problem(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = SGDRegressor(max_iter=2).fit(X, y)
    ours = GDLinearRegressor().fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    assert ours.predict(X).shape == theirs.predict(X).shape
    np.testing.assert_allclose(ours.predict(X), X @ ours.coef_ + ours.intercept_, rtol=1e-12, atol=1e-12)
    one_column = GDLinearRegressor().fit(X, y[:, None])
    assert one_column.coef_.shape == (1, 8)
    assert one_column.predict(X).shape == (len(X), 1)


@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c"], [-1, 1], [10, 20, 30], [False, True]])
def test_classifier_outputs_are_those_of_logistic_regression(names):
    rng = np.random.default_rng(8)
    X = plain(rng, 150, 3)
    y = np.array(names)[np.argmax(X[:, : len(names)] + rng.standard_normal((150, len(names))), axis=1)]
    ours, theirs = GDLogisticClassifier(alpha=1e-2).fit(X, y), LogisticRegression().fit(X, y)
    assert np.array_equal(ours.classes_, theirs.classes_)
    for name in ("coef_", "intercept_"):
        assert getattr(ours, name).shape == getattr(theirs, name).shape
    for name in ("predict", "decision_function", "predict_proba", "predict_log_proba"):
        mine, other = getattr(ours, name)(X), getattr(theirs, name)(X)
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype
    raw = X @ ours.coef_.T + ours.intercept_
    decision = ours.decision_function(X)
    np.testing.assert_allclose(decision, raw[:, 0] if len(names) == 2 else raw, rtol=1e-10, atol=1e-12)
    full = np.column_stack([np.zeros(len(X)), raw]) if len(names) == 2 else raw
    np.testing.assert_allclose(ours.predict_proba(X), softmax(full, axis=1), rtol=1e-9)
    np.testing.assert_allclose(ours.predict_log_proba(X), log_softmax(full, axis=1), rtol=1e-9)
    assert np.array_equal(ours.predict(X), ours.classes_[full.argmax(axis=1)])


@pytest.mark.parametrize("last", [1022, 1023, 1024, 1025])
def test_whole_numbers_as_classes_however_far_apart(last):
    X = plain(np.random.default_rng(0), 60, 2)
    y = np.where(X[:, 0] > 0, last, -1)
    model = GDLogisticClassifier().fit(X, y)
    np.testing.assert_array_equal(model.classes_, [-1, last])
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("factor", "summand"), [(2, 1), (2, 0), (1, 1)])
def test_coefficients_that_the_user_changes_are_those_that_predict(dtype, factor, summand):
    X, y, _ = problem(plain)
    X = X.astype(dtype)
    model = GDLinearRegressor().fit(X, y)
    model.coef_, model.intercept_ = factor * model.coef_, model.intercept_ + summand
    expected = X.astype(float) @ model.coef_ + model.intercept_
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_probabilities_are_exact_where_probabilities_underflow(n_classes):
    rng = np.random.default_rng(9)
    X = plain(rng, 90, 2)
    y = np.arange(90) % n_classes
    X[:, 0] += 3 * y
    model = GDLogisticClassifier(alpha=1e-2).fit(X, y)
    far = 1e5 * X
    with np.errstate(over="raise", invalid="raise"):
        log_proba, proba = model.predict_log_proba(far), model.predict_proba(far)
    raw = np.reshape(model.decision_function(far), (90, -1))
    full = np.column_stack([np.zeros(90), raw]) if n_classes == 2 else raw
    np.testing.assert_allclose(log_proba, log_softmax(full, axis=1), rtol=1e-9)
    assert log_proba.min() < -800
    assert proba.min() == 0
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize("stored", [np.asarray, np.float32, sparse.csr_array])
def test_predictions_of_several_blocks_of_rows(stored, monkeypatch):
    monkeypatch.setattr(predictions, "BLOCK_ENTRIES", 3 * 4)  # three rows at a time, the last ones fewer
    rng = np.random.default_rng(0)
    X, coef, intercept = rng.standard_normal((10, 4)).round(1), rng.standard_normal((2, 4)), np.array([5.0, -7.0])
    found = predictions.raw_predictions(stored(X), coef, intercept, n_threads=1)
    np.testing.assert_allclose(found, X @ coef.T + intercept, rtol=1e-6)


@pytest.mark.parametrize("targets", ["one", "a column", "two", "constant", "perfect", "single", "whole"])
def test_the_score_is_scikit_learns_r2(targets):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((60, 3))
    y = X[:, 0] + 0.5 * rng.standard_normal(60)
    of = {
        "one": y,
        "a column": y[:, None],
        "two": np.column_stack([y, 100 - y**2]),
        "constant": np.full(60, 3.0),
        "perfect": 2 * X[:, 1] + 1,
        "single": y.astype(np.float32),
        "whole": (10 * y).astype(int),
    }
    model = GDLinearRegressor().fit(X[:40], of[targets][:40])
    for rows in slice(40), slice(40, 60):
        expected = r2_score(of[targets][rows], model.predict(X[rows]))
        assert model.score(X[rows], of[targets][rows]) == pytest.approx(
            expected, rel=1e-12 if targets != "single" else 1e-6
        )
        weight = np.arange(60.0)[rows]
        expected = r2_score(of[targets][rows], model.predict(X[rows]), sample_weight=weight)
        assert model.score(X[rows], of[targets][rows], weight) == pytest.approx(
            expected, rel=1e-12 if targets != "single" else 1e-6
        )
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(X, of[targets][:30])
    with pytest.warns(UndefinedMetricWarning):  # as scikit-learn's
        assert np.isnan(model.score(X[:1], of[targets][:1]))


@pytest.mark.parametrize("classes", ["numbers", "bools", "floats", "words", "far apart"])
def test_the_score_is_scikit_learns_accuracy(classes):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((60, 3))
    index = (X[:, 0] + rng.standard_normal(60) > 0).astype(int)
    named = {"bools": [False, True], "floats": [0.0, 1.0], "words": ["no", "yes"], "far apart": [-7, 10**12]}
    y = np.array(named.get(classes, [0, 1]))[index]
    model = GDLogisticClassifier().fit(X[:40], y[:40])
    for rows in slice(40), slice(40, 60), slice(1):
        expected = accuracy_score(y[rows], model.predict(X[rows]))
        assert model.score(X[rows], y[rows]) == model.score(X[rows], list(y[rows])) == expected
        assert isinstance(model.score(X[rows], y[rows]), float)
        weight = 1.0 + np.arange(60.0)[rows]
        expected = accuracy_score(y[rows], model.predict(X[rows]), sample_weight=weight)
        assert model.score(X[rows], y[rows], weight) == pytest.approx(expected)
    assert model.score(X, np.roll(y, 7)[:, None]) == accuracy_score(np.roll(y, 7), model.predict(X))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(X, y[:30])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(X, y[:1])
    other = "word" if classes != "words" else 3
    with pytest.raises((ValueError, TypeError)):  # as scikit-learn's
        model.score(X, np.where(index > 0, other, y) if classes != "words" else index)


def test_raw_predictions_beyond_float32_are_infinite_and_nobody_warns():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((60, 3)).astype(np.float32)
    model = GDLogisticClassifier(alpha=1e-3).fit(X, X @ [3.0, -2.0, 1.0] > 0)
    far = np.float32(3e38) * np.sign(model.coef_).astype(np.float32)
    assert (np.abs(far) @ np.abs(model.coef_[0].astype(float)) > 4e38).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.decision_function(np.concatenate([far, -far])), [np.inf, -np.inf])


def test_probabilities_are_those_of_the_loss_that_was_fitted():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((60, 3))
    y = X[:, 0] > 0
    model = GDLinearClassifier(loss="log_loss").fit(X, y)
    model.set_params(loss="hinge")
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expit(model.decision_function(X)))
    model.fit(X, y).set_params(loss="log_loss")
    assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_batch_of_any_size_descends_along_the_formulas_gradient(batch_size, fit_intercept):
    rng = np.random.default_rng(batch_size)
    X, y = 10 + 3 * rng.standard_normal((batch_size, 21)), rng.standard_normal((batch_size, 2))
    settings = {"standardize": False, "fit_intercept": fit_intercept, "alpha": 0.3, "tol": None, "max_iter": 2}
    model = GDLinearRegressor(optimizer="sgd", learning_rate=1e-4, batch_size=batch_size, **settings).fit(X, y)
    coef, intercept = np.zeros((2, 21)), np.zeros(2)  # where raw features begin
    for _ in range(2):
        slope = (X @ coef.T + intercept - y) / batch_size
        coef, intercept = coef - 1e-4 * (slope.T @ X + 0.3 * coef), intercept - 1e-4 * slope.sum(axis=0) * fit_intercept
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-9, atol=1e-14)
