"""Everything that can be plugged in, in everything that it can be plugged into."""

import warnings

import numpy as np
import pytest
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.losses import CLASS_LOSSES, REGRESSION_LOSSES, Loss, get_loss
from skgd.optimizers import OPTIMIZERS, SGD, Optimizer
from skgd.schedules import SCHEDULES

ESTIMATORS = {
    "linear": GDLinearRegressor,
    "logistic": GDLogisticClassifier,
    "network": lambda **settings: GDMLPRegressor(hidden_layer_sizes=(8,), **settings),
    "network of classes": lambda **settings: GDMLPClassifier(hidden_layer_sizes=(8,), **settings),
}
CLASSIFIERS, NETWORKS = ("logistic", "network of classes"), ("network", "network of classes")
# Rates for standardised data where the first one that comes to mind doesn't suit the rule.
SENSIBLE_RATE = 0.02
RATES = {"sgd": 0.1, "svrg": 0.1, "adadelta": 10.0, "adagrad": 0.2, "lion": 0.01}


def make_data(kind, dtype=np.float64):
    """Features of unlike sizes, and a target in the hundreds or three classes."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((120, 4))
    X = (Z * [1, 10, 0.1, 1] + [0, 50, 3, -1]).astype(dtype)
    signal = Z @ [1.0, -1.0, 0.5, 0.0]
    if kind in CLASSIFIERS:
        return X, np.digitize(signal + 0.3 * rng.standard_normal(120), [-0.7, 0.7])
    return X, 500 + 100 * signal + 20 * rng.standard_normal(120)


def loss_of(model, kind, X, y):
    if kind in CLASSIFIERS:
        return -np.mean(model.predict_log_proba(X)[np.arange(len(y)), y])
    return 0.5 * np.mean((model.predict(X) - y) ** 2)


def loss_of_constant(kind, y):
    """Of the best model without features."""
    if kind in CLASSIFIERS:
        share = np.bincount(y) / len(y)
        return -share @ np.log(share)
    return 0.5 * np.var(y)


def assert_learned(model, kind, X, y, dtype=np.float64, share=0.9):
    loss = loss_of(model, kind, X, y)
    assert np.isfinite(model.loss_curve_).all()
    assert model.loss_curve_[-1] <= (1 + 1e-12) * model.loss_curve_[0]
    assert loss < share * loss_of_constant(kind, y)
    assert model.stop_reason_ in ("converged", "max_iter")
    arrays = model.coefs_ + model.intercepts_ if kind in NETWORKS else [model.coef_, model.intercept_]
    assert all(array.dtype == dtype and np.isfinite(array).all() for array in arrays)


@pytest.mark.parametrize("batch_size", [None, 25])
@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_every_estimator(optimizer, kind, batch_size):
    losses = []
    for dtype in (np.float64, np.float32):
        X, y = make_data(kind, dtype)
        model = ESTIMATORS[kind](optimizer=optimizer, learning_rate=RATES.get(optimizer, SENSIBLE_RATE), random_state=0)
        model.set_params(batch_size=batch_size, max_iter=100 if batch_size is None else 25, tol=None).fit(X, y)
        assert type(model.optimizer_) is type(OPTIMIZERS[optimizer]())
        assert_learned(model, kind, X, y, dtype)
        losses.append(loss_of(model, kind, X, y))
    # the same in float32 as in float64, up to rounding, which these three blow up where the objective isn't convex
    if optimizer not in ({"adadelta", "lion", "lbfgs"} if kind in NETWORKS else {"adadelta", "lion"}):
        assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_streams_into_every_estimator(optimizer, kind):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](optimizer=optimizer, learning_rate=RATES.get(optimizer, SENSIBLE_RATE), random_state=0)
    model.set_params(batch_size=25)
    for _ in range(15):
        for rows in (slice(0, 60), slice(60, 120)):
            model.partial_fit(X[rows], y[rows], **({"classes": [0, 1, 2]} if kind in CLASSIFIERS else {}))
    assert model.n_iter_ == 30
    assert loss_of(model, kind, X, y) < 0.9 * loss_of_constant(kind, y)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_with_averaging_clipping_and_early_stopping(optimizer, kind):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](optimizer=optimizer, learning_rate=RATES.get(optimizer, SENSIBLE_RATE), random_state=0)
    model.set_params(batch_size=20, average=True, clip_norm=5.0, early_stopping=True, max_iter=30, tol=None).fit(X, y)
    assert len(model.validation_curve_) == 30
    assert loss_of(model, kind, X, y) < 0.9 * loss_of_constant(kind, y)


@pytest.mark.parametrize("batch_size", [None, 25])
@pytest.mark.parametrize("as_object", [False, True])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_serves_by_name_and_as_an_object(schedule, as_object, batch_size):
    X, y = make_data("linear")
    given = SCHEDULES[schedule]() if as_object else schedule
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.2, schedule=given, batch_size=batch_size, max_iter=60)
    model.set_params(tol=None, random_state=0).fit(X, y)
    assert_learned(model, "linear", X, y, share=0.5)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_goes_on_in_a_stream(schedule, kind):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](optimizer="adam", learning_rate=0.05, schedule=schedule, max_iter=40, random_state=0)
    for _ in range(40):
        model.partial_fit(X, y, **({"classes": [0, 1, 2]} if kind in CLASSIFIERS else {}))
    assert loss_of(model, kind, X, y) < 0.9 * loss_of_constant(kind, y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize("make", [GDLinearRegressor, lambda **s: GDMLPRegressor(hidden_layer_sizes=(8,), **s)])
@pytest.mark.parametrize("loss", sorted(REGRESSION_LOSSES))
def test_every_loss_of_regression_trains_by_name_and_as_an_object(loss, make, batch_size, dtype):
    X, y = make_data("linear", dtype)
    y = y / 100  # positive, and of a size that plain steps reach through a log link
    settings = {"optimizer": "adam", "learning_rate": 0.03, "max_iter": 150, "tol": None, "random_state": 0}
    by_name, by_object = (
        make(loss=given, batch_size=batch_size, **settings).fit(X, y) for given in (loss, get_loss(loss))
    )
    assert np.array_equal(by_name.predict(X), by_object.predict(X))
    assert by_name.predict(X).dtype == dtype
    assert by_name.loss_curve_[-1] < by_name.loss_curve_[0]
    assert by_name.score(X, y) > 0.8


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("make", [GDLinearClassifier, lambda **s: GDMLPClassifier(hidden_layer_sizes=(8,), **s)])
@pytest.mark.parametrize("loss", sorted(CLASS_LOSSES))
def test_every_loss_for_classes_trains_by_name_and_as_an_object(loss, make, n_classes, batch_size, dtype):
    X, y = make_data("logistic", dtype)
    y = np.minimum(y, n_classes - 1)
    settings = {"optimizer": "adam", "learning_rate": 0.03, "max_iter": 150, "tol": None, "random_state": 0}
    by_name, by_object = (
        make(loss=given, batch_size=batch_size, **settings).fit(X, y) for given in (loss, get_loss(loss))
    )
    assert np.array_equal(by_name.decision_function(X), by_object.decision_function(X))
    assert by_name.decision_function(X).shape == ((120,) if n_classes == 2 else (120, 3))
    assert by_name.loss_curve_[-1] < by_name.loss_curve_[0]
    assert by_name.score(X, y) > 0.75


# -- what users bring along


class SignDescent(Optimizer):
    """Compilable, with two slots and a hyper-parameter."""

    n_slots = 2
    default_learning_rate = 0.01

    def __init__(self, learning_rate=None, decay=0.9):
        self.learning_rate = learning_rate
        self.decay = decay

    def hyperparameters(self):
        return (self.decay,)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            slots[0, j] = hyper[0] * slots[0, j] + grads[j]
            slots[1, j] += 1
            params[j] -= learning_rate * np.sign(slots[0, j]) / np.sqrt(t)


class Vectorised(Optimizer):
    """Compilable although it makes arrays; to assign them to slices has numba compile words for shapes, for seconds."""

    n_slots = 1

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        velocity = slots[0]
        velocity *= 0.5
        velocity += grads
        step = learning_rate * velocity
        params -= step


class BeyondNumba(Optimizer):
    """The same as Vectorised, and as SGD(momentum=0.5), with Python that can't be compiled."""

    n_slots = 1

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        kept = {"velocity": slots[0], "t": t}
        kept["velocity"][:] = [0.5 * v + g for v, g in zip(kept["velocity"], grads, strict=True)]
        params -= learning_rate * kept["velocity"]


class LogCosh(Loss):
    curvature = 1.0

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                r = raw[i, k] - y[i, k]
                derivative[i, k] = weight[i] * np.tanh(r)
                total += weight[i] * (abs(r) + np.log1p(np.exp(-2 * abs(r))) - np.log(2.0))
        return total


class LogCoshBeyondNumba(LogCosh):
    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        residual = raw - y
        derivative[:] = weight[:, None] * np.tanh(residual)
        with np.errstate(over="ignore"):
            return float(weight @ (np.logaddexp(residual, -residual) - np.log(2)).sum(axis=1))


def standardised(X, y, kind):
    Z = np.column_stack([(X - X.mean(axis=0)) / X.std(axis=0), np.ones(len(X))])
    return Z, y if kind in CLASSIFIERS else (y - y.mean()) / y.std()


def two_classes(kind):
    X, y = make_data(kind)
    return X, (y == 2).astype(int) if kind in CLASSIFIERS else y


@pytest.mark.parametrize("batch_size", [None, 50])
@pytest.mark.parametrize(
    "optimizer", [SignDescent(decay=0.5), Vectorised(), BeyondNumba()], ids=lambda o: type(o).__name__
)
@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_a_users_rule_makes_the_steps_that_it_says(kind, optimizer, batch_size):
    X, y = two_classes(kind)
    model = ESTIMATORS[kind](optimizer=optimizer, learning_rate=0.03, batch_size=batch_size, shuffle=False, alpha=0)
    model.set_params(max_iter=4, tol=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        model.fit(X, y)
    Z, t = standardised(X, y, kind)
    theta = np.zeros(5)
    if kind in CLASSIFIERS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            start = GDLogisticClassifier(optimizer="sgd", learning_rate=1e-300, max_iter=1, tol=None).fit(X, y)
        theta[-1] = start.intercept_[0]
    slots, hyper, update = np.zeros((2, 5)), np.array(optimizer.hyperparameters()), 0
    for _ in range(4):
        for first in range(0, 120, batch_size or 120):
            rows = slice(first, min(first + (batch_size or 120), 120))
            raw = Z[rows] @ theta
            gradient = Z[rows].T @ ((expit(raw) if kind in CLASSIFIERS else raw) - t[rows]) / len(raw)
            if kind == "linear":
                gradient[-1] = 0  # on centred data the best intercept is known
            update += 1
            optimizer.rule(theta, gradient, slots, hyper, 0.03, update)
    size = 1 if kind in CLASSIFIERS else y.std()
    np.testing.assert_allclose(model.coef_.ravel(), theta[:-1] / X.std(axis=0) * size, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [None, 25])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_rule_beyond_the_compiler_works_with_one_warning(kind, batch_size, dtype):
    X, y = make_data(kind, dtype)
    settings = {"learning_rate": 0.1, "batch_size": batch_size, "max_iter": 20, "tol": None, "random_state": 0}
    with pytest.warns(RuntimeWarning, match="BeyondNumba.rule") as caught:
        slow = ESTIMATORS[kind](optimizer=BeyondNumba(), **settings).fit(X, y)
    assert len(caught) == 1
    fast = ESTIMATORS[kind](optimizer=SGD(momentum=0.5), **settings).fit(X, y)  # no warning
    assert_learned(slow, kind, X, y, dtype)
    rtol = 1e-7 if dtype == np.float64 else 1e-2
    np.testing.assert_allclose(slow.loss_curve_, fast.loss_curve_, rtol=rtol)


@pytest.mark.parametrize("make", [GDLinearRegressor, lambda **s: GDMLPRegressor(hidden_layer_sizes=(8,), **s)])
def test_a_users_loss_trains_compiled_or_not(make):
    X, y = make_data("linear")
    y = (y - 500) / 100
    settings = {"optimizer": "nesterov", "learning_rate": 0.05, "max_iter": 40, "tol": None, "random_state": 0}
    fast = make(loss=LogCosh(), **settings).fit(X, y)
    with pytest.warns(RuntimeWarning, match="LogCoshBeyondNumba.pointwise") as caught:
        slow = make(loss=LogCoshBeyondNumba(), **settings).fit(X, y)
    assert len(caught) == 1
    np.testing.assert_allclose(slow.predict(X), fast.predict(X), rtol=1e-6, atol=1e-7)
    assert loss_of(fast, "linear", X, y) < 0.2 * loss_of_constant("linear", y)


def test_a_users_loss_reaches_its_own_optimum():
    from scipy.optimize import minimize

    X, y = make_data("linear")
    y = (y - 500) / 30
    y[::20] += 100  # outliers that the squared error would chase
    model = GDLinearRegressor(loss=LogCosh(), alpha=0.01, criterion="gradient", tol=1e-8, max_iter=20_000).fit(X, y)
    Z, _ = standardised(X, y, "linear")

    def objective(theta):
        r = Z @ theta - y
        return np.mean(np.logaddexp(r, -r) - np.log(2)) + 0.005 * np.sum(theta[:-1] ** 2)

    best = minimize(objective, np.zeros(5), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), best.x[:-1], atol=1e-4)


class ReturnsNaN(Optimizer):
    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] = np.nan


class ReshapesItsState(Optimizer):
    n_slots = 1

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        slots.resize((2, 3), refcheck=False)


@pytest.mark.parametrize("learning_rate", [0.1, "auto"])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_rule_that_returns_nan_ends_in_finite_parameters_and_a_warning(kind, learning_rate):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](optimizer=ReturnsNaN(), learning_rate=learning_rate)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.predict(X)).all()


def test_a_rule_that_reshapes_its_state_is_told_so():
    X, y = make_data("linear")
    with (
        pytest.warns(RuntimeWarning, match="can't be compiled"),
        pytest.raises(ValueError, match=r"shape|resize|reference"),
    ):
        GDLinearRegressor(optimizer=ReshapesItsState()).fit(X, y)
