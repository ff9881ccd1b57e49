"""Estimators with each loss: against exact optima, and what their predictions mean."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    GammaRegressor,
    PoissonRegressor,
    QuantileRegressor,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_sample_weight

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor
from skgd.losses import (
    Gamma,
    Hinge,
    Huber,
    LogLoss,
    Loss,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
    Tweedie,
)
from skgd.optimizers import SGD

# Run until the gradient proves the optimum, whatever it takes.
EXACT = {"criterion": "gradient", "tol": 1e-9, "max_iter": 100_000, "batch_size": None}
# The same where theory gives no learning rate.
BY_RATE = EXACT | {"optimizer": SGD(momentum="auto", nesterov=True), "learning_rate": 0.1}
ROWS, COLUMNS = 300, 4


@pytest.fixture
def data():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(ROWS, COLUMNS)) * [1.0, 10.0, 0.1, 3.0] + [0.0, 50.0, 1.0, -7.0]
    signal = (X - X.mean(axis=0)) / X.std(axis=0) @ [0.5, -0.3, 0.2, 0.0]
    return X, signal, rng.uniform(0.1, 2.0, ROWS), rng


def standardised(X, weight):
    mean = np.average(X, axis=0, weights=weight)
    std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    return (X - mean) / std


def optimum(loss, Z, weight, alpha, start=0.0):
    """Predictions of the minimum of sum_i s_i loss(z_i) + alpha / 2 |w|^2, by scipy; loss gives value and slope."""

    def objective(theta):
        value, slope = loss(Z @ theta[:-1] + theta[-1])
        share = weight / weight.sum()
        gradient = np.r_[Z.T @ (share * slope) + alpha * theta[:-1], share @ slope]
        return share @ value + alpha / 2 * theta[:-1] @ theta[:-1], gradient

    start = np.r_[np.zeros(Z.shape[1]), start]
    options = {"maxiter": 10_000, "gtol": 1e-12, "ftol": 0}
    theta = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    return Z @ theta[:-1] + theta[-1]


# -- regression


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("epsilon", [5.0, 40.0])
@pytest.mark.parametrize("name", ["huber", "squared_epsilon_insensitive"])
def test_widths_are_in_units_of_y_at_scipys_optimum(name, epsilon, weighted, data):
    X, signal, weight, _ = data
    y = 1000 + 100 * signal + 30 * np.random.default_rng(0).standard_t(2, ROWS)
    weight = weight if weighted else np.ones(ROWS)

    def huber(z):
        r = z - y
        inside = np.abs(r) <= epsilon
        return np.where(inside, r**2 / 2, epsilon * np.abs(r) - epsilon**2 / 2), np.clip(r, -epsilon, epsilon)

    def squared(z):
        beyond = np.maximum(np.abs(z - y) - epsilon, 0)
        return beyond**2, 2 * beyond * np.sign(z - y)

    function, loss = (huber, Huber(epsilon)) if name == "huber" else (squared, SquaredEpsilonInsensitive(epsilon))
    model = GDLinearRegressor(loss=loss, alpha=0.05, **EXACT).fit(X, y, sample_weight=weight if weighted else None)
    assert model.converged_
    expected = optimum(function, standardised(X, weight), weight, 0.05, start=np.median(y))
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-3)
    # several targets, each with a scale of its own
    both = GDLinearRegressor(loss=loss, alpha=0.05, **EXACT)
    both.fit(X, np.column_stack([y, 1e3 * signal]), sample_weight=weight if weighted else None)
    np.testing.assert_allclose(both.predict(X)[:, 0], expected, atol=1e-3)


GLMS = {
    "poisson": (PoissonRegressor, {}),
    "gamma": (GammaRegressor, {}),
    "tweedie": (TweedieRegressor, {"power": 1.5, "link": "log"}),
}


@pytest.mark.parametrize(
    ("name", "alpha", "weighted"),
    [
        *(("poisson", alpha, weighted) for alpha in (1e-2, 1.0) for weighted in (False, True)),
        *((name, alpha, weighted) for name in ("gamma", "tweedie") for alpha, weighted in ((1e-2, True), (1.0, False))),
    ],
)
def test_log_links_agree_with_scikit_learns_generalised_linear_models(name, alpha, weighted, data):
    X, signal, weight, rng = data
    y = np.exp(signal + 1)
    y = {"poisson": rng.poisson(y), "gamma": rng.gamma(2.0, y / 2), "tweedie": rng.poisson(y) * rng.gamma(2.0, 0.5)}[
        name
    ].astype(float)
    weight = weight if weighted else np.ones(ROWS)
    make, settings = GLMS[name]
    solver = {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}
    Z = standardised(X, weight)
    exact = make(alpha=alpha, **settings, **solver).fit(Z, y, sample_weight=weight)
    model = GDLinearRegressor(loss=name, alpha=alpha, **BY_RATE).fit(X, y, sample_weight=weight if weighted else None)
    assert model.converged_
    np.testing.assert_allclose(model.predict(X), exact.predict(Z), rtol=1e-6)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), exact.coef_ * X.std(axis=0) / scale(X, weight), atol=1e-6)
    if name == "poisson":
        np.testing.assert_allclose(np.average(model.predict(X), weights=weight), np.average(y, weights=weight))


def scale(X, weight):
    return np.sqrt(np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight))


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0, 1.9, 2.0, 3.0])
def test_tweedie_of_any_power_agrees_with_scikit_learns(power, data):
    X, signal, _, rng = data
    y = rng.gamma(5.0, np.exp(signal) / 5)
    exact = TweedieRegressor(power=power, alpha=0.05, link="log", tol=1e-10, max_iter=10_000)
    exact.fit(standardised(X, np.ones(ROWS)), y)
    model = GDLinearRegressor(
        loss=Tweedie(power), alpha=0.05, **BY_RATE | {"learning_rate": 0.03 if power >= 0 else 0.003}
    ).fit(X, y)
    np.testing.assert_allclose(model.predict(X), exact.predict(standardised(X, np.ones(ROWS))), rtol=1e-4)


def test_predictions_through_a_log_link_are_on_the_scale_of_y(data):
    X, signal, _, rng = data
    Y = rng.gamma(2.0, np.exp(np.column_stack([2.0 + signal, -signal])))
    for make in (GDLinearRegressor, GDMLPRegressor):
        settings = {"learning_rate": 0.02, "batch_size": 200, "max_iter": 200, "tol": None, "random_state": 0}
        model = make(loss="gamma", optimizer="adam", **settings)
        predictions = model.fit(X, Y).predict(X)
        assert predictions.shape == Y.shape
        assert (predictions > 0).all()
        assert model.score(X, Y) > 0.05
        assert model.fit(X, Y[:, 0]).predict(X).shape == (ROWS,)
    linear = GDLinearRegressor(loss=Poisson(), **BY_RATE | {"learning_rate": 0.01}).fit(X, Y)
    np.testing.assert_allclose(linear.predict(X), np.exp(X @ linear.coef_.T + linear.intercept_), rtol=1e-10)


@pytest.mark.parametrize("make", [GDLinearRegressor, GDMLPRegressor])
def test_predictions_far_out_through_a_log_link_are_infinite_without_warnings(make, data):
    X, signal, _, _ = data
    X = X.astype(np.float32)
    model = make(loss="poisson", max_iter=20, tol=None, learning_rate=0.01, random_state=0).fit(X, np.exp(signal))
    far = model.predict(X * np.float32(1e6))
    assert far.dtype == np.float32
    assert np.isinf(far).any()
    assert not np.isnan(far).any()


def test_a_log_link_without_any_count_predicts_next_to_nothing(data):
    X, _, _, _ = data
    model = GDLinearRegressor(loss="poisson").fit(X, np.zeros(ROWS))
    assert (model.predict(X) < 1e-6).all()
    assert np.isfinite(model.coef_).all()


def test_an_offset_of_y_shifts_predictions_of_robust_losses(data):
    X, signal, _, rng = data
    y = signal + 0.3 * rng.normal(size=ROWS)
    settings = {"max_iter": 500, "alpha": 1e-3, "tol": None}
    for loss in ("absolute_error", "epsilon_insensitive", "quantile"):
        model = GDLinearRegressor(loss=loss, **settings).fit(X, y)
        shifted = GDLinearRegressor(loss=loss, **settings).fit(X, y + 1000)
        np.testing.assert_allclose(shifted.predict(X), model.predict(X) + 1000, atol=0.1)
        assert model.score(X, y) > 0.7


# -- quantiles

QUANTILES = [0.95, 0.05, 0.5]


def skewed(data):
    X, signal, _, _ = data
    noise = np.random.default_rng(1).exponential(size=ROWS)
    return X, 300 + 100 * signal + 50 * noise * (1 + (X[:, 0] > 0))


@pytest.mark.parametrize(
    "make",
    [
        GDLinearRegressor,
        lambda **s: GDMLPRegressor(hidden_layer_sizes=(8,), learning_rate=0.02, batch_size=200, random_state=0, **s),
    ],
    ids=["linear", "network"],
)
def test_several_quantiles_are_fitted_at_once_and_never_cross(make, data):
    X, y = skewed(data)
    model = make(loss="quantile", quantile=QUANTILES, max_iter=500, tol=None).fit(X, y)
    far = np.vstack([X, X.mean(axis=0) + 20 * (X - X.mean(axis=0))])  # where lines of their own would cross
    predictions = model.predict(far)
    assert predictions.shape == (2 * ROWS, 3)
    assert (np.diff(predictions[:, [1, 2, 0]], axis=1) >= 0).all()
    np.testing.assert_allclose((y[:, None] <= model.predict(X)).mean(axis=0), QUANTILES, atol=0.05)
    if hasattr(model, "coef_"):
        assert model.coef_.shape == (3, COLUMNS)
        assert model.intercept_.shape == (3,)
        raw = far @ model.coef_.T + model.intercept_
        assert (np.diff(raw[:, [1, 2, 0]], axis=1) < 0).any()  # the test is not idle
        np.testing.assert_allclose(np.sort(raw, axis=1), np.sort(predictions, axis=1))


def test_quantiles_by_parameter_object_and_one_by_one_are_the_same(data):
    X, y = skewed(data)
    settings = {"optimizer": "adam", "learning_rate": 0.05, "max_iter": 200, "tol": None, "batch_size": None}
    named = GDLinearRegressor(loss="quantile", quantile=QUANTILES, **settings).fit(X, y)
    given = GDLinearRegressor(loss=Quantile(QUANTILES), **settings).fit(X, y)
    np.testing.assert_array_equal(named.predict(X), given.predict(X))
    assert named.quantile is QUANTILES
    assert clone(named).get_params()["quantile"] == QUANTILES
    for k, quantile in enumerate(QUANTILES):
        alone = GDLinearRegressor(loss="quantile", quantile=quantile, **settings).fit(X, y)
        assert alone.predict(X).shape == (ROWS,)
        np.testing.assert_allclose(alone.coef_, named.coef_[k], rtol=1e-6, atol=1e-8)
    one = GDLinearRegressor(loss="quantile", quantile=[0.5], **settings).fit(X, y)
    assert one.coef_.shape == (1, COLUMNS)
    assert one.predict(X).shape == (ROWS, 1)
    column = GDLinearRegressor(loss="quantile", quantile=QUANTILES, **settings).fit(X, y[:, None])
    np.testing.assert_array_equal(column.predict(X), named.predict(X))
    array = GDLinearRegressor(loss="quantile", quantile=np.array(QUANTILES), **settings).fit(X, y)
    np.testing.assert_array_equal(array.partial_fit(X, y).predict(X).shape, (ROWS, 3))


def test_quantiles_are_near_those_of_scikit_learns_linear_programme(data):
    X, y = skewed(data)
    for quantile in (0.2, 0.8):
        exact = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y)
        model = GDLinearRegressor(loss="quantile", quantile=quantile, alpha=0, max_iter=1000, tol=None).fit(X, y)
        assert np.mean((model.predict(X) - exact.predict(X)) ** 2) < 0.01 * y.var()


def test_several_quantiles_of_several_targets_are_refused(data):
    X, y = skewed(data)
    model = GDLinearRegressor(loss="quantile", quantile=0.5, max_iter=5, tol=None).fit(X, y)
    before = model.predict(X)
    model.set_params(quantile=QUANTILES)
    with pytest.raises(ValueError, match=r"quantile=\[0.95, 0.05, 0.5\].*single target; it has 2"):
        model.fit(X, np.column_stack([y, y]))
    np.testing.assert_array_equal(model.predict(X), before)
    both = GDLinearRegressor(loss="quantile", quantile=0.5, max_iter=5, tol=None).fit(X, np.column_stack([y, y]))
    assert both.predict(X).shape == (ROWS, 2)


def test_another_quantile_can_not_go_on_where_the_last_one_ended(data):
    X, y = skewed(data)
    model = GDLinearRegressor(loss="quantile", quantile=0.5, warm_start=True, max_iter=5, tol=None).fit(X, y)
    with pytest.raises(ValueError, match=r"loss changed"):
        model.set_params(quantile=0.6).fit(X, y)
    with pytest.raises(ValueError, match=r"number of targets.*loss changed"):
        model.set_params(quantile=QUANTILES).partial_fit(X, y)


# -- classification


@pytest.fixture(params=[2, 3])
def labelled(request, data):
    X, signal, weight, _ = data
    noise = np.random.default_rng(2).normal(size=ROWS)
    cuts = [0.0] if request.param == 2 else [-0.4, 0.4]
    return X, np.array(["a", "b", "c"])[np.digitize(signal + 0.3 * noise, cuts)], weight


def margin_oracles(y):
    """For each smooth loss, value and slope for the targets y = +-1."""

    def squared_hinge(z):
        short = np.maximum(1 - y * z, 0)
        return short**2, -2 * y * short

    def modified_huber(z):
        m = y * z
        value = np.where(m >= -1, np.maximum(1 - m, 0) ** 2, -4 * m)
        return value, y * np.where(m >= -1, -2 * np.maximum(1 - m, 0), -4.0)

    return {"squared_hinge": squared_hinge, "modified_huber": modified_huber}


@pytest.mark.parametrize("loss", ["squared_hinge", "modified_huber"])
def test_margin_losses_reach_scipys_optimum_one_class_against_the_rest(loss, labelled):
    X, y, weight = labelled
    model = GDLinearClassifier(loss=loss, alpha=0.05, **EXACT).fit(X, y, sample_weight=weight)
    assert model.converged_
    decision = model.decision_function(X).reshape(ROWS, -1)
    positives = model.classes_[1:] if len(model.classes_) == 2 else model.classes_
    for k, positive in enumerate(positives):
        signs = np.where(y == positive, 1.0, -1.0)
        expected = optimum(margin_oracles(signs)[loss], standardised(X, weight), weight, 0.05)
        np.testing.assert_allclose(decision[:, k], expected, atol=1e-5)


def test_squared_hinge_agrees_with_liblinear(labelled):
    X, y, _ = labelled
    Z = standardised(X, np.ones(ROWS))
    model = GDLinearClassifier(loss="squared_hinge", alpha=0.1, fit_intercept=False, standardize=False, **EXACT)
    exact = LinearSVC(C=1 / (0.1 * ROWS), fit_intercept=False, tol=1e-10, max_iter=100_000, dual=False).fit(Z, y)
    # liblinear's penalty is 1/2 |w|^2 beside C times the sum
    np.testing.assert_allclose(model.fit(Z, y).coef_, exact.coef_, atol=1e-5)


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge", "modified_huber", "perceptron"])
def test_classifiers_have_the_shapes_and_methods_of_sgd_classifier(loss, labelled):
    X, y, _ = labelled
    Z = standardised(X, np.ones(ROWS))
    ours = GDLinearClassifier(loss=loss, random_state=0, max_iter=500, tol=None).fit(X, y)
    theirs = SGDClassifier(loss=loss, random_state=0).fit(Z, y)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    assert ours.decision_function(X).shape == theirs.decision_function(Z).shape
    assert ours.score(X, y) > theirs.score(Z, y) - (0.1 if loss == "perceptron" else 0.05)
    raw = ours.decision_function(X)
    expected = ours.classes_[(raw > 0).astype(int) if raw.ndim == 1 else raw.argmax(axis=1)]
    np.testing.assert_array_equal(ours.predict(X), expected)
    for method in ("predict_proba", "predict_log_proba"):
        assert hasattr(ours, method) == hasattr(theirs, method) == hasattr(GDLinearClassifier(loss=loss), method)
        if hasattr(ours, method):
            assert getattr(ours, method)(X).shape == (ROWS, len(ours.classes_))
        else:
            with pytest.raises(AttributeError, match=method) as caught:
                getattr(ours, method)
            assert "loss='log_loss'" in str(caught.value.__cause__)
    if hasattr(ours, "predict_proba"):
        np.testing.assert_allclose(ours.predict_proba(X).sum(axis=1), 1)
        np.testing.assert_allclose(np.exp(ours.predict_log_proba(X)), ours.predict_proba(X))


def test_methods_of_a_classifier_that_is_not_fitted_or_has_no_loss():
    assert not hasattr(GDLinearClassifier(loss="nonsense"), "predict_proba")
    assert not hasattr(GDLinearClassifier(loss=Hinge()), "predict_proba")
    with pytest.raises(NotFittedError):
        GDLinearClassifier(loss=LogLoss()).predict_proba([[0.0]])


def test_log_loss_is_logistic_regression_to_the_bit(labelled):
    X, y, weight = labelled
    settings = {"optimizer": "adam", "max_iter": 20, "tol": None, "random_state": 0, "class_weight": "balanced"}
    general, logistic = (
        make(**settings).fit(X, y, sample_weight=weight) for make in (GDLinearClassifier, GDLogisticClassifier)
    )
    np.testing.assert_array_equal(general.coef_, logistic.coef_)
    np.testing.assert_array_equal(general.predict_log_proba(X), logistic.predict_log_proba(X))
    parameters = GDLinearClassifier().get_params()
    assert parameters.pop("loss") == "log_loss"
    assert parameters == GDLogisticClassifier().get_params()


class Exponential(Loss):
    """AdaBoost's loss, exp(-m), one against the rest; with probabilities."""

    for_classes = True

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                sign = 1.0 if (y[i, 0] > 0.5 if raw.shape[1] == 1 else int(y[i, 0]) == k) else -1.0
                value = np.exp(-sign * raw[i, k])
                derivative[i, k] = -sign * weight[i] * value
                total += weight[i] * value
        return total

    def predict_proba(self, raw):
        odds = np.exp(2 * np.hstack([np.zeros_like(raw), raw]) if raw.shape[1] == 1 else 2 * raw)
        return odds / odds.sum(axis=1, keepdims=True)


def test_a_users_loss_for_classes(labelled):
    X, y, _ = labelled
    settings = {"learning_rate": 0.05, "max_iter": 300, "tol": None}
    model = GDLinearClassifier(loss=Exponential(), optimizer="adam", **settings).fit(X, y)
    assert model.score(X, y) > 0.7
    assert hasattr(model, "predict_proba")
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[model.predict_proba(X).argmax(axis=1)], model.predict(X))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("rows", [40, ROWS])
def test_the_perceptron_learns_without_being_told_how(rows, standardize, fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 3))
    y = (X @ [1.0, -1.0, 0.5] > 0).astype(int)
    model = GDLinearClassifier(loss="perceptron", standardize=standardize, fit_intercept=fit_intercept, random_state=0)
    model.fit(X, y)
    assert model.stop_reason_ == "converged"
    assert model.score(X, y) > 0.9
    assert model.predict(X).mean() == pytest.approx(0.5, abs=0.2)
    streamed = clone(model)
    for _ in range(20):
        streamed.partial_fit(X, y, classes=[0, 1])
    assert streamed.score(X, y) > 0.85


# -- balanced classes in a stream


def test_balanced_class_weights_in_a_stream_follow_from_all_rows_so_far(labelled):
    X, y, weight = labelled
    classes = np.unique(y)
    settings = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 10, "random_state": 0, "standardize": False}
    X = standardised(X, np.ones(ROWS))
    stream = GDLinearClassifier(class_weight="balanced", **settings)
    by_hand = GDLinearClassifier(**settings)
    for seen in (100, 200, 300):
        part = slice(seen - 100, seen)
        stream.partial_fit(X[part], y[part], classes=classes, sample_weight=weight[part])
        totals = {c: weight[:seen][y[:seen] == c].sum() for c in classes}
        factors = np.array([1 / totals[c] for c in y[part]])
        by_hand.partial_fit(X[part], y[part], classes=classes, sample_weight=weight[part] * factors)
        np.testing.assert_allclose(stream.coef_, by_hand.coef_, rtol=1e-9)


def test_balanced_class_weights_in_a_stream_that_begins_without_some_classes(data):
    X = standardised(data[0], np.ones(ROWS))
    y = np.concatenate([np.zeros(20), np.ones(20), np.arange(20) % 3]).astype(int)
    weight = np.ones(60)
    weight[20:24] = 0
    settings = {"random_state": 0, "standardize": False}  # means and deviations would be those of other weights
    stream, by_hand = (GDLogisticClassifier(class_weight=each, **settings) for each in ("balanced", None))
    for seen in (20, 40, 60):
        part = slice(seen - 20, seen)
        stream.partial_fit(X[part], y[part], classes=[0, 1, 2], sample_weight=weight[part])
        totals = np.bincount(y[:seen], weight[:seen], minlength=3)
        factors = 1 / totals[y[part]]
        by_hand.partial_fit(X[part], y[part], classes=[0, 1, 2], sample_weight=weight[part] * factors)
        np.testing.assert_allclose(stream.coef_, by_hand.coef_, rtol=1e-9)


def test_fit_begins_the_count_of_classes_anew(labelled):
    X, y, _ = labelled
    settings = {"class_weight": "balanced", "max_iter": 5, "tol": None, "random_state": 0}
    twice = GDLinearClassifier(**settings).partial_fit(X[:50], y[:50], classes=np.unique(y)).fit(X, y)
    once = GDLinearClassifier(**settings).fit(X, y)
    np.testing.assert_array_equal(twice.coef_, once.coef_)
    by_hand = GDLinearClassifier(**settings | {"class_weight": None})
    by_hand.fit(X, y, sample_weight=compute_sample_weight("balanced", y))
    np.testing.assert_allclose(once.coef_, by_hand.coef_, rtol=1e-9)


def test_regression_losses_as_objects_with_parameters_out_of_range_name_them(data):
    X, y = skewed(data)
    for loss, name in ((Huber(epsilon=0), "epsilon"), (Tweedie(power="1"), "power"), (Quantile(2), "quantile")):
        with pytest.raises(ValueError, match=f"'{name}' parameter of {type(loss).__name__}"):
            GDLinearRegressor(loss=loss).fit(X, y)
    with pytest.raises(ValueError, match=r"y contains -1.*Gamma\(\).*positive"):
        GDLinearRegressor(loss=Gamma()).fit(X, -np.ones(ROWS))
