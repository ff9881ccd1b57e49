"""Nasty data and settings: a fit ends in finite predictions of its own rows, or in an error that says why."""

import os
import warnings

import numpy as np
import pytest

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._solvers.several import check_range

N_EXAMPLES = int(os.environ.get("SKGD_EXTREMES", "60"))
PRECISIONS = {np.float64: 300, np.float32: 37}  # and decimal exponents in their range
ROWS = 24


def draw_data(draw, st, for_classes, log_link):
    """Features of whatever sizes, with outliers and columns that are constant or far from zero; targets; weights."""
    dtype = draw(st.sampled_from([*PRECISIONS]))
    most = PRECISIONS[dtype]
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    n_columns = draw(st.integers(1, 3))
    X = rng.normal(size=(ROWS, n_columns))
    if draw(st.booleans()):
        X[:, 0] = X[0, 0]
    if draw(st.booleans()):
        X[0] *= 1e6
    X += 10.0 ** draw(st.integers(-5, 12)) * draw(st.booleans())
    exponents = st.integers(-most, most - 20)
    X *= [10.0 ** draw(exponents) for _ in range(n_columns)]
    weight = rng.random(ROWS) * 10.0 ** draw(st.integers(-100, 100)) if draw(st.booleans()) else None
    if for_classes:
        return X.astype(dtype), rng.permutation(np.arange(ROWS) % draw(st.integers(2, 3))), weight
    y = rng.normal(size=ROWS) * 10.0 ** draw(st.integers(-300, 300))
    return X.astype(dtype), np.abs(y) + 1e-300 if log_link else y, weight


def draw_estimator(draw, st):
    """A way of training, not always a wise one."""

    def choice(*values):
        return draw(st.sampled_from(values))

    given = {
        "alpha": choice(0.0, 1e-30, 1e-4, 1e6, 1e300),
        "standardize": choice("auto", True, False, "max_abs"),
        "max_iter": choice(1, 5, 30),
        "schedule": choice("constant", "plateau"),
        "learning_rate": choice("auto", "auto", 1e-10, 0.1, 100.0, 1e100),
        "random_state": 0,
    }
    networks = {"hidden_layer_sizes": (4,), "n_members": choice(1, 2)}
    kind = choice(GDLinearRegressor, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor)
    if kind in (GDMLPClassifier, GDMLPRegressor):
        given |= networks
    if kind is GDMLPRegressor:
        given["loss"] = choice("squared_error", "poisson")
    if kind is GDLinearRegressor:
        given["loss"] = choice("squared_error", "huber", "poisson", "gamma")
    if kind in (GDLinearRegressor, GDLogisticClassifier):
        given["optimizer"] = choice("auto", "sgd", "adam")
    return kind(**given)


def test_predictions_are_finite_or_an_error_says_why():
    hypothesis = pytest.importorskip("hypothesis")  # which takes seconds to import: one process is enough
    from hypothesis import strategies as st

    # the same cases whenever the number is the same: who changes something meets its own failures, not those of chance
    cases = hypothesis.settings(
        max_examples=N_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    @cases
    @hypothesis.given(st.data())
    def check(data):
        model = draw_estimator(data.draw, st)
        log_link = getattr(model, "loss", None) in ("poisson", "gamma")
        for_classes = isinstance(model, GDLogisticClassifier | GDMLPClassifier)
        assert_finite_or_refused(model, *draw_data(data.draw, st, for_classes, log_link))

    check()


def assert_finite_or_refused(model, X, y, weight):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        refusal = None
        try:
            model.fit(X, y, sample_weight=weight)
        except ValueError as error:
            refusal = str(error)
        if refusal is not None:
            assert len(refusal) > 40  # it says what to do
            assert not hasattr(model, "n_iter_")
            return
        assert np.isfinite(model.predict(X).astype(float)).all()
        if hasattr(model, "predict_proba"):
            np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("parameters", "X", "y", "message"),
    [
        # coefficients in the units of X and y
        ({}, np.array([[1e-200], [2e-200], [4e-200]]), np.array([1e200, 2e200, 5e200]), "beyond what float64 holds"),
        ({}, np.array([[1], [2], [4]], np.float32), np.array([1e60, 2e60, 5e60]), "beyond what float32 holds"),
        ({"loss": "poisson", "optimizer": "sgd"}, np.eye(3, dtype=np.float32), np.array([1e39, 1, 2]), "float32 holds"),
        # exp(1e60) of a step's length
        (
            {"loss": "gamma", "optimizer": "sgd", "standardize": False, "learning_rate": 1e100, "max_iter": 1},
            np.array([[1e3], [2e3], [4e3]]),
            np.array([1.0, 2.0, 5.0]),
            "beyond what float64 holds",
        ),
    ],
)
def test_what_cannot_be_represented_is_an_error(parameters, X, y, message):
    model = GDLinearRegressor().fit([[0.0], [1.0]], [0.0, 1.0])
    model.set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    np.testing.assert_allclose(model.predict([[2.0]]), 2.0, rtol=1e-3)  # the model from before


@pytest.mark.each("parameters", [{}, {"n_members": 1}, {"standardize": False}, {"n_members": 1, "dropout": 0.5}])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "quantile"])
@pytest.mark.each("target", [0.1, -3.0, 1e-6, 1e9])
def test_targets_that_are_all_the_same_are_predicted_exactly(target, loss, parameters):
    X = np.random.default_rng(0).normal(size=(23, 3))
    model = GDMLPRegressor(loss, hidden_layer_sizes=(8,), max_iter=20, random_state=0, **parameters)
    model.fit(X, np.full(23, target))
    np.testing.assert_allclose(model.predict(9 * X), target, rtol=1e-12)
    one_of_two = np.column_stack([X[:, 0], np.full(23, target)])
    np.testing.assert_allclose(model.fit(X, one_of_two).predict(9 * X)[:, 1], target, rtol=1e-12)


@pytest.mark.each("parameters", [{}, {"n_members": 1}, {"optimizer": "nadam"}])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "gamma"])
@pytest.mark.each("n_rows", [23, 60])
@pytest.mark.each("target", [7.3, 1e-6, 1e9])
def test_targets_that_are_all_the_same_are_predicted_whatever_the_link(target, n_rows, loss, parameters):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    model = GDMLPRegressor(loss, hidden_layer_sizes=(8,), max_iter=20, random_state=0, **parameters)
    model.fit(X, np.full(n_rows, target))
    rtol = 1e-12 if model._training.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(model.predict(9 * X), target, rtol=rtol)
    assert model.linear_weight_ == 0


@pytest.mark.parametrize("unit", [1.0, 1e-6, -1e9])
@pytest.mark.parametrize("n_rows", [23, 60])
def test_targets_that_differ_by_rounding_alone_count_as_the_same(n_rows, unit):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    y = unit * np.where(np.arange(n_rows) % 3 == 0, 0.1 + 0.2, 0.3)  # two floats next to each other
    assert len(np.unique(y)) == 2
    model = GDMLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict(9 * X), 0.3 * unit, rtol=1e-14)


def test_weights_times_the_largest_targets_overflow_nowhere():
    X = np.linspace(-1, 1, 24).reshape(-1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0)
        model.fit(X, 1e300 * X[:, 0] + 1e300, sample_weight=np.full(24, 1e9))
    assert np.isfinite(model.predict(X)).all()


def test_a_last_step_out_of_range_is_taken_back():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    counts = rng.poisson(np.exp(X[:, 0]))
    model = GDLinearRegressor("poisson", optimizer="sgd", learning_rate=1e4, batch_size=None, max_iter=1)
    with pytest.warns(match="diverged"):
        model.fit(X, counts)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("name", ["coef_", "intercept_", "coefs_", "intercepts_"])
def test_parameters_that_their_dtype_does_not_hold_are_refused_by_name(name):
    finite = np.ones(2, np.float32)
    beyond = np.array([1.0, np.inf], np.float32)
    as_lists = name.endswith("s_")
    published = {
        of: [finite, finite] if as_lists else finite for of in ("coef_", "intercept_", "coefs_", "intercepts_")
    }
    check_range("Estimator", published)
    published[name] = [finite, beyond] if as_lists else beyond
    with pytest.raises(ValueError, match=f"Estimator: {name} are beyond what float32 holds.*float64 X has more room"):
        check_range("Estimator", published)
