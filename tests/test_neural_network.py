"""Networks against scikit-learn's MLPRegressor, finite differences and exact solutions, and what they must learn."""

import itertools
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import r2_score
from sklearn.model_selection import learning_curve
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd._problem import predictions
from skgd._solvers.several import attributes_of, best_of, salvage
from skgd.activations import ACTIVATIONS, Tanh
from skgd.optimizers import SGD, Adam

SKLEARNS = ["identity", "logistic", "tanh", "relu"]  # the activations that MLPRegressor has
NO_STEP = 1e-300  # a learning rate that leaves parameters as they are


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 4))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(90)


def forward(X, coefs, intercepts, function):
    a = np.asarray(X, dtype=np.float64)
    for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        a = a @ coef + intercept
        if layer < len(coefs) - 1:
            a = function(a)
    return a


def sklearns(n_epochs, n_rows, **settings):
    defaults = {"batch_size": n_rows, "shuffle": False, "tol": 0, "n_iter_no_change": 10**6, "random_state": 3}
    return MLPRegressor(max_iter=n_epochs, **(defaults | settings))


def fit_quietly(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def starting_weights(X, y, **settings):
    """The random weights that MLPRegressor begins with, in public terms: those that no step has changed."""
    model = fit_quietly(sklearns(1, len(X), solver="sgd", learning_rate_init=NO_STEP, **settings), X, y)
    return model.coefs_, model.intercepts_


def assert_same_network(ours, theirs, rtol):
    for mine, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol)


# -- the same steps as scikit-learn's


@pytest.mark.parametrize("activation", SKLEARNS)
@pytest.mark.parametrize(
    ("optimizer", "theirs"),
    [
        (SGD(), {"momentum": 0.0}),
        (SGD(momentum=0.9), {"momentum": 0.9, "nesterovs_momentum": False}),
        (SGD(momentum=0.9, nesterov=True), {"momentum": 0.9, "nesterovs_momentum": True}),
    ],
    ids=["sgd", "momentum", "nesterov"],
)
def test_fifty_updates_agree_with_sklearn(data, optimizer, theirs, activation):
    X, y = data
    layers = {"hidden_layer_sizes": (7, 5), "activation": activation}
    theirs = sklearns(50, 90, solver="sgd", learning_rate_init=0.02, alpha=0.9, **layers, **theirs)
    init = starting_weights(X, y, **layers)
    ours = GDMLPRegressor(
        optimizer=optimizer,
        learning_rate=0.02,
        alpha=0.9 / 90,  # sklearn divides its penalty by the number of rows
        init=init,
        standardize=False,
        batch_size=None,
        max_iter=50,
        tol=None,
        **layers,
    ).fit(X, y)
    assert ours.t_ == 50
    fit_quietly(theirs, X, y)
    assert_same_network(ours, theirs, rtol=1e-10)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_mini_batches_in_order_agree_with_sklearn(data, momentum):
    # 90 rows in batches of 40: the last one is short
    X, y = data
    theirs = sklearns(20, 90, solver="sgd", learning_rate_init=0.01, momentum=momentum, alpha=0, batch_size=40)
    theirs.set_params(hidden_layer_sizes=(6,), activation="tanh")
    init = starting_weights(X, y, hidden_layer_sizes=(6,), activation="tanh")
    ours = GDMLPRegressor(
        hidden_layer_sizes=(6,),
        activation="tanh",
        optimizer=SGD(momentum=momentum, nesterov=momentum > 0),
        learning_rate=0.01,
        alpha=0,
        init=init,
        standardize=False,
        batch_size=40,
        shuffle=False,
        max_iter=20,
        tol=None,
    ).fit(X, y)
    assert ours.t_ == 60
    assert_same_network(ours, fit_quietly(theirs, X, y), rtol=1e-10)


def test_adam_agrees_with_sklearn(data):
    # sklearn leaves the correction out of epsilon ("epsilon hat" in the paper): no matter where epsilon is negligible
    X, y = data
    Y = np.column_stack([y, -y, X[:, 0]])
    layers = {"hidden_layer_sizes": (6, 4), "activation": "logistic"}
    init = starting_weights(X, Y, **layers)
    common = {"init": init, "standardize": False, "batch_size": None, "max_iter": 50, "tol": None, "alpha": 0, **layers}
    for epsilon, rtol in ((1e-8, 1e-3), (1e-30, 1e-9)):
        theirs = sklearns(50, 90, solver="adam", learning_rate_init=0.01, epsilon=epsilon, alpha=0, **layers)
        ours = GDMLPRegressor(optimizer=Adam(epsilon=epsilon), learning_rate=0.01, **common).fit(X, Y)
        assert_same_network(ours, fit_quietly(theirs, X, Y), rtol=rtol)


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("activation", SKLEARNS)
def test_adam_with_epsilon_hat_is_that_of_sklearn(data, kind, activation):
    X, y = data
    layers = {"hidden_layer_sizes": (6, 4), "activation": activation}
    ours, theirs = (GDMLPRegressor, MLPRegressor) if kind == "regression" else (GDMLPClassifier, MLPClassifier)
    if kind != "regression":
        y = (y > 0.3).astype(int) if kind == "binary" else np.digitize(y, [-0.5, 0.5])
    same_of_theirs = {"batch_size": 90, "shuffle": False, "tol": 0, "n_iter_no_change": 10**6, "random_state": 3}
    start = theirs(max_iter=1, solver="sgd", learning_rate_init=NO_STEP, **same_of_theirs, **layers)
    fit_quietly(start, X, y)
    settings = {"standardize": False, "batch_size": None, "max_iter": 50, "tol": None, "alpha": 0.5 / 90, **layers}
    model = ours(optimizer=Adam(epsilon_hat=True), learning_rate=0.01, init=(start.coefs_, start.intercepts_))
    model.set_params(**settings).fit(X, y)
    other = theirs(max_iter=50, solver="adam", learning_rate_init=0.01, alpha=0.5, **same_of_theirs, **layers)
    assert_same_network(model, fit_quietly(other, X, y), rtol=1e-8)
    np.testing.assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_first_step_is_the_gradient_by_finite_differences(activation, twins):
    rng = np.random.default_rng(1)
    sizes = (3, 5, 4, 2)
    X, Y, weight = rng.standard_normal((30, 3)), rng.standard_normal((30, 2)), rng.uniform(0, 3, 30)
    coefs = [rng.standard_normal(shape) for shape in itertools.pairwise(sizes)]
    intercepts = [rng.standard_normal(n) for n in sizes[1:]]
    alpha, rate = 0.3, 1e-3
    model = GDMLPRegressor(
        hidden_layer_sizes=sizes[1:-1],
        activation=activation,
        optimizer="sgd",
        learning_rate=rate,
        alpha=alpha,
        init=(coefs, intercepts),
        standardize=False,
        batch_size=None,
        max_iter=1,
        tol=None,
    ).fit(X, Y, sample_weight=weight)

    def objective():
        residual = forward(X, coefs, intercepts, twins[activation].function) - Y
        loss = 0.5 * np.average((residual**2).sum(axis=1), weights=weight)
        return loss + 0.5 * alpha * sum((W**2).sum() for W in coefs)

    np.testing.assert_allclose(model.loss_curve_, [objective()], rtol=1e-12)
    for array, after in zip(coefs + intercepts, model.coefs_ + model.intercepts_, strict=True):
        step = (array - after) / rate
        for j in np.ndindex(array.shape):
            value, h = array[j], 1e-5
            array[j] = value + h
            above = objective()
            array[j] = value - h
            below = objective()
            array[j] = value
            assert step[j] == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-7)


# -- where training starts


VARIANCES = {
    "he": lambda n_in, n_out: 2 / n_in,
    "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
    "lecun": lambda n_in, n_out: 1 / n_in,
}
SCHEMES = [scheme + kind for scheme in VARIANCES for kind in ("", "_uniform", "_normal")]


class TanhByLecun(Tanh):
    default_init = "lecun_normal"


@pytest.mark.parametrize(
    ("init", "activation", "scheme"),
    [
        *((scheme, "tanh", scheme) for scheme in SCHEMES),
        *(("auto", activation, "glorot") for activation in ACTIVATIONS),
        ("auto", TanhByLecun(), "lecun_normal"),
        ("he", TanhByLecun(), "he"),
    ],
)
def test_random_weights_have_the_spread_of_their_scheme(init, activation, scheme):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 60)), rng.standard_normal(20)
    model = GDMLPRegressor(
        hidden_layer_sizes=(150, 40),
        activation=activation,
        init=init,
        learning_rate=NO_STEP,
        optimizer="sgd",
        standardize=False,
        max_iter=1,
        tol=None,
        random_state=0,
    ).fit(X, y)
    scheme, _, kind = scheme.partition("_")
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        std = np.sqrt(VARIANCES[scheme](*coef.shape))
        values, n = coef / std, coef.size
        kurtosis = 3.0 if kind == "normal" else 1.8
        assert abs(values.mean()) < 5 / np.sqrt(n)
        assert abs((values**2).mean() - 1) < 5 * np.sqrt((kurtosis - 1) / n)
        assert (values**4).mean() == pytest.approx(kurtosis, rel=0.1)
        assert abs((intercept**2).mean() / std**2 - 1) < 5 * np.sqrt((kurtosis - 1) / intercept.size)
        if kind != "normal":
            assert np.abs(values).max() <= np.sqrt(3) * (1 + 1e-12)
            assert np.abs(intercept).max() <= np.sqrt(3) * std * (1 + 1e-12)
    assert model.intercepts_[-1][0] == pytest.approx(y.mean())


@pytest.mark.parametrize("standardize", [True, False])
def test_the_users_starting_weights_are_in_the_units_of_the_data(standardize):
    rng = np.random.default_rng(2)
    X = 500 + 30 * rng.standard_normal((50, 3))
    Y = 1e4 + 300 * rng.standard_normal((50, 2))
    coefs = [rng.standard_normal((3, 4)), rng.standard_normal((4, 2))]
    intercepts = [rng.standard_normal(4), rng.standard_normal(2)]
    given = [a.copy() for a in coefs + intercepts]
    model = GDMLPRegressor(
        hidden_layer_sizes=4,
        init=(coefs, intercepts),
        learning_rate=NO_STEP,
        optimizer="sgd",
        standardize=standardize,
        max_iter=1,
        tol=None,
    ).fit(X, Y)
    for before, now, after in zip(given, coefs + intercepts, model.coefs_ + model.intercepts_, strict=True):
        assert np.array_equal(before, now)
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


def test_a_fitted_network_can_be_the_start_of_another(data):
    X, y = data
    first = GDMLPRegressor(hidden_layer_sizes=(8,), learning_rate=0.01, max_iter=60, tol=None, random_state=0).fit(X, y)
    init = (first.coefs_, first.intercepts_)
    again = GDMLPRegressor(hidden_layer_sizes=(8,), init=init, learning_rate=NO_STEP, max_iter=1, tol=None).fit(X, y)
    np.testing.assert_allclose(again.predict(X), first.predict(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "init",
    [
        ([np.zeros((4, 3))], [np.zeros(3)]),
        ([np.zeros((4, 3)), np.zeros((3, 1))], [np.zeros(3)]),
        ([np.zeros((3, 4)), np.zeros((3, 1))], [np.zeros(3), np.zeros(1)]),
        ([np.zeros((4, 3)), np.full((3, 1), np.nan)], [np.zeros(3), np.zeros(1)]),
        ([np.zeros((4, 3)), np.zeros((3, 1))],),
        "unknown",
    ],
)
def test_starting_weights_that_do_not_fit_are_refused(data, init):
    X, y = data
    with pytest.raises(ValueError, match="init"):
        GDMLPRegressor(hidden_layer_sizes=(3,), init=init).fit(X, y)


@pytest.mark.parametrize("unknown", ["xavier", "he_cauchy", "auto"])
def test_an_unknown_default_init_of_an_activation_is_refused_by_name(data, unknown):
    class Shifted(Tanh):
        default_init = unknown

    X, y = data
    with pytest.raises(ValueError, match=f"default_init='{unknown}' of activation=Shifted.* 'he_normal'"):
        GDMLPRegressor(activation=Shifted(), max_iter=1).fit(X, y)


@pytest.mark.parametrize("sizes", [(0,), (-1,), 0, (5, 0), (2.5,), ("ten",), ((3, 4),), (np.nan,), "10", None, 2.5])
def test_bad_hidden_layer_sizes_are_refused(data, sizes):
    X, y = data
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        GDMLPRegressor(hidden_layer_sizes=sizes).fit(X, y)


@pytest.mark.parametrize("sizes", [6, (6,), [6], np.array([6]), np.int64(6)])
def test_hidden_layer_sizes_may_be_a_number_or_any_sequence(data, sizes):
    X, y = data
    model = GDMLPRegressor(hidden_layer_sizes=sizes, max_iter=2, tol=None).fit(X, y)
    assert [coef.shape for coef in model.coefs_] == [(4, 6), (6, 1)]
    assert [intercept.shape for intercept in model.intercepts_] == [(6,), (1,)]
    assert model.n_layers_ == 3
    assert model.n_outputs_ == 1


# -- what it learns


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n_targets", [None, 1, 3])
def test_coefs_and_intercepts_alone_predict_from_raw_features(activation, n_targets, twins):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((80, 3)) * [1e-3, 1, 1e4] + [5, 0, -1e5]
    y = X[:, 0] * 1e6 + 200 + rng.standard_normal(80)
    y = y if n_targets is None else np.column_stack([y, X[:, 1], -X[:, 2]])[:, :n_targets]
    model = GDMLPRegressor(hidden_layer_sizes=(6, 3), activation=activation, max_iter=30, tol=None).fit(X, y)
    expected = forward(X, model.coefs_, model.intercepts_, twins[activation].function)
    assert model.predict(X).shape == y.shape
    np.testing.assert_allclose(model.predict(X), expected.reshape(y.shape), rtol=1e-8, atol=1e-8 * np.abs(y).max())


def test_predictions_of_many_rows_are_those_of_few(data):
    X, y = data
    model = GDMLPRegressor(hidden_layer_sizes=(5,), max_iter=3, tol=None).fit(X, y)
    many = np.tile(X, (120, 1))  # more than are predicted at once
    np.testing.assert_allclose(model.predict(many), np.tile(model.predict(X), 120), rtol=1e-12, atol=1e-12)


CURVED = sorted(set(ACTIVATIONS) - {"identity"})


# each in one precision: tests/test_activations.py has the values and slopes of both
@pytest.mark.parametrize(("activation", "dtype"), [*zip(CURVED, itertools.cycle([np.float32, np.float64]))])
def test_every_activation_learns_a_noisy_curve(activation, dtype):
    rng = np.random.default_rng(5)
    x = rng.uniform(-3, 3, 500)
    clean = np.sin(2 * x)
    X = x[:, None].astype(dtype)
    model = GDMLPRegressor(
        hidden_layer_sizes=(30, 30),
        activation=activation,
        learning_rate=0.02,
        max_iter=300,
        batch_size=50,
        random_state=0,
    )
    # all epochs: sigmoids rest on a plateau for long before they bend
    model.set_params(tol=None, schedule="cosine").fit(X, clean + 0.1 * rng.standard_normal(500))
    assert model.coefs_[0].dtype == model.predict(X).dtype == dtype
    # a straight line leaves 0.4
    assert np.mean((model.predict(X) - clean) ** 2) < 0.02


def test_several_targets_are_learned_at_once_whatever_their_size():
    rng = np.random.default_rng(6)
    X = rng.uniform(-2, 2, (600, 2))
    Y = np.column_stack([np.sin(2 * X[:, 0]), 1e5 + 1e4 * X[:, 1] ** 2, 1e-6 * np.abs(X[:, 0])])
    model = GDMLPRegressor(hidden_layer_sizes=(40,), learning_rate=0.01, max_iter=150, batch_size=50, random_state=0)
    error = model.fit(X, Y).predict(X) - Y
    assert model.n_outputs_ == 3
    assert (np.mean(error**2, axis=0) < 0.05 * Y.var(axis=0)).all()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_deep_network_learns(activation):
    rng = np.random.default_rng(7)
    X = rng.uniform(-2, 2, (300, 2))
    y = np.sin(2 * X[:, 0]) * X[:, 1]
    model = GDMLPRegressor(
        hidden_layer_sizes=(12,) * 8,
        activation=activation,
        learning_rate=3e-3,
        max_iter=200,
        batch_size=30,
        random_state=0,
    ).fit(X, y)
    assert model.n_layers_ == 10
    assert model.score(X, y) > 0.9


def test_defaults_beat_a_linear_model_on_a_curved_target():
    rng = np.random.default_rng(8)
    X = 300 + 20 * rng.standard_normal((800, 3))
    z = (X - 300) / 20
    y = 5000 + 700 * (z[:, 0] * z[:, 1] + np.abs(z[:, 2])) + 70 * rng.standard_normal(800)
    model = GDMLPRegressor(random_state=0)
    fit_quietly(model, X, y)
    assert model.score(X, y) > 0.9


def test_no_hidden_layer_is_ridge_regression():
    X, y = load_diabetes(return_X_y=True)
    model = GDMLPRegressor(
        hidden_layer_sizes=(),
        optimizer="nesterov",
        learning_rate=0.1,
        alpha=1e-2,
        batch_size=None,
        criterion="gradient",
        tol=1e-9,
        max_iter=20_000,
    ).fit(X, y)
    assert model.converged_
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    w = np.linalg.solve(Z.T @ Z / len(y) + 1e-2 * np.eye(10), Z.T @ (y - y.mean()) / len(y))
    np.testing.assert_allclose(model.predict(X), Z @ w + y.mean(), rtol=1e-5)
    np.testing.assert_allclose(model.coefs_[0][:, 0], w / X.std(axis=0), rtol=1e-4, atol=1e-3)
    assert len(model.coefs_) == len(model.intercepts_) == 1
    assert model.n_layers_ == 2


def test_a_strong_penalty_leaves_the_mean(data):
    X, y = data
    model = GDMLPRegressor(hidden_layer_sizes=(5,), alpha=10.0, optimizer="sgd", learning_rate=0.05, batch_size=None)
    model.set_params(max_iter=400, tol=None).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y.mean(), atol=1e-3)


def test_a_constant_target_is_predicted(data):
    X, _ = data
    model = fit_quietly(
        GDMLPRegressor(hidden_layer_sizes=(5,), learning_rate=0.01, random_state=0), X, np.full(90, 1234.5)
    )
    np.testing.assert_allclose(model.predict(X), 1234.5, atol=0.1)


# -- rows in CSR


SPARSE = sparse.random_array((90, 12), density=0.3, rng=np.random.default_rng(0), format="csr")
SPARSE_TARGET = np.sin(8 * SPARSE[:, [0]].toarray()[:, 0]) + SPARSE.sum(axis=1)
NETWORKS = {"regression": GDMLPRegressor, "classes": GDMLPClassifier}


def target_of(kind, dtype=np.float64):
    return SPARSE_TARGET.astype(dtype) if kind == "regression" else np.digitize(SPARSE_TARGET, [1.2, 1.9])


OVER_SPARSE_ROWS = [
    {"batch_size": None},
    {"batch_size": 16},
    {"batch_size": 1},
    {"batch_size": None, "optimizer": "lbfgs"},
    {"batch_size": 16, "dropout": 0.3},
    {"batch_size": 16, "optimizer": "svrg"},
    {"batch_size": 20, "activation": "gelu", "hidden_layer_sizes": (40, 3)},
    {"batch_size": 20, "hidden_layer_sizes": ()},
    {"batch_size": 32, "early_stopping": True, "tol": 1e-3},
]


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(
    ("index", "settings"),
    # long numbers of columns meet each kernel once: those of batches, their passes, and of all rows
    [(np.int32, each) for each in OVER_SPARSE_ROWS] + [(np.int64, OVER_SPARSE_ROWS[k]) for k in (1, 3)],
    ids=str,
)
def test_sparse_rows_make_the_fit_of_dense_ones(kind, index, settings):
    y, few = target_of(kind), {"hidden_layer_sizes": (7, 5), "max_iter": 12, "tol": None, "random_state": 0}
    X = sparse.csr_array((SPARSE.data, SPARSE.indices.astype(index), SPARSE.indptr.astype(index)), SPARSE.shape)
    ours, dense = (
        fit_quietly(NETWORKS[kind](standardize=False, **(few | settings)), rows, y) for rows in (X, X.toarray())
    )
    assert ours.n_iter_ == dense.n_iter_
    assert_same_network(ours, dense, rtol=1e-9)
    np.testing.assert_allclose(ours.loss_curve_, dense.loss_curve_, rtol=1e-9)
    predict = "predict_proba" if kind == "classes" else "predict"
    predicted = getattr(ours, predict)(X)
    np.testing.assert_allclose(predicted, getattr(dense, predict)(X.toarray()), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(getattr(ours, predict)(X.toarray()), predicted, rtol=1e-12, atol=1e-12)
    for other in (X.tocoo(), X.tocsc()):
        np.testing.assert_array_equal(getattr(ours, predict)(other), predicted)


@pytest.mark.parametrize("kind", NETWORKS)
def test_sparse_rows_of_float32_are_computed_in_float32(kind):
    y = target_of(kind, np.float32)
    few = {"hidden_layer_sizes": (7,), "batch_size": 32, "max_iter": 12, "tol": None, "random_state": 0}
    X = SPARSE.astype(np.float32)
    ours, dense = (NETWORKS[kind](standardize=False, **few).fit(rows, y) for rows in (X, X.toarray()))
    for array in (*ours.coefs_, *ours.intercepts_):
        assert array.dtype == np.float32
    assert ours._training.dtype == np.float32
    predict = "predict_proba" if kind == "classes" else "predict"
    assert getattr(ours, predict)(X).dtype == getattr(dense, predict)(X.toarray()).dtype
    assert kind == "classes" or ours.predict(X).dtype == np.float32
    assert_same_network(ours, dense, rtol=1e-3)
    exact = NETWORKS[kind](standardize=False, **few).fit(SPARSE, target_of(kind))
    assert_same_network(ours, exact, rtol=1e-3)


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_was_learned_from_dense_rows_predicts_for_sparse_ones(kind):
    rows = SPARSE.toarray() + 3.0  # which are centred in training
    model = NETWORKS[kind](**SMALL).fit(rows, target_of(kind))
    np.testing.assert_allclose(model.predict(sparse.csr_array(rows)), model.predict(rows), rtol=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_weights_that_the_user_changes_are_those_that_predict(data, activation, twins):
    X, y = data
    model = GDMLPRegressor(activation=activation, **SMALL).fit(X, y)
    model.coefs_ = [1.5 * coef for coef in model.coefs_]
    model.intercepts_[-1] = model.intercepts_[-1] - 3
    a = X
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        a = twins[activation].function(a @ coef + intercept)
    expected = (a @ model.coefs_[-1] + model.intercepts_[-1])[:, 0]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-9, atol=1e-9)


def test_standardized_sparse_rows_are_scaled_and_not_centred(twins):
    few = {"hidden_layer_sizes": (7,), "batch_size": 32, "max_iter": 12, "tol": None, "random_state": 0}
    model = GDMLPRegressor(standardize="max_abs", **few).fit(SPARSE, SPARSE_TARGET)
    scale = np.abs(SPARSE).max(axis=0).toarray()
    y_scale, y_mean = SPARSE_TARGET.std(), SPARSE_TARGET.mean()
    scaled = SPARSE.toarray() / scale
    other = GDMLPRegressor(standardize=False, **few)
    other.fit(scaled, (SPARSE_TARGET - y_mean) / y_scale)
    np.testing.assert_allclose(model.predict(SPARSE), other.predict(scaled) * y_scale + y_mean, rtol=1e-9)
    by_hand = forward(SPARSE.toarray(), model.coefs_, model.intercepts_, twins["relu"].function)[:, 0]
    np.testing.assert_allclose(model.predict(SPARSE), by_hand, rtol=1e-9)


# -- dropout


SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 10, "tol": None, "batch_size": 30, "random_state": 0}


def test_dropout_is_one_rate_or_one_for_each_layer(data):
    X, y = data
    one = GDMLPRegressor(dropout=0.25, **SMALL).fit(X, y)
    for rates in ([0.25, 0.25], (0.25, 0.25), np.array([0.25, 0.25])):
        each = GDMLPRegressor(dropout=rates, **SMALL).fit(X, y)
        assert np.array_equal(each.loss_curve_, one.loss_curve_)
        assert np.array_equal(each.predict(X), one.predict(X))
    others = [GDMLPRegressor(dropout=rates, **SMALL).fit(X, y) for rates in (0, (0.25, 0), (0, 0.25))]
    for model in others:
        assert not np.array_equal(model.loss_curve_, one.loss_curve_)
    assert np.array_equal(one.predict(X), one.predict(X))  # with all units


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_units_that_dropout_leaves_make_up_for_the_others(rate):
    # on average the predictions are those without dropout, and their variance is that of a binomial
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2000, 3)), np.full(2000, 1.0)
    init = [rng.standard_normal((3, 8)), rng.standard_normal((8, 1))], [rng.standard_normal(8), np.zeros(1)]
    settings = {"hidden_layer_sizes": (8,), "init": init, "activation": "tanh", "standardize": False, "alpha": 0}
    model = GDMLPRegressor(dropout=rate, optimizer="sgd", learning_rate=1e-300, max_iter=30, tol=None, **settings)
    curve = model.set_params(random_state=0).fit(X, y).loss_curve_
    parts = np.tanh(X @ init[0][0] + init[1][0]) * init[0][1][:, 0]
    variance = rate / (1 - rate) * (parts**2).sum(axis=1)
    expected = 0.5 * np.mean((parts.sum(axis=1) - y) ** 2 + variance)
    assert curve.mean() == pytest.approx(expected, rel=0.02)


def test_no_dropout_leaves_every_bit(data):
    X, y = data
    for settings in ({}, {"batch_size": None}, {"optimizer": "lbfgs"}):
        without = GDMLPRegressor(**(SMALL | settings)).fit(X, y)
        for rates in (0, 0.0, [0.0, 0]):
            zero = GDMLPRegressor(dropout=rates, **(SMALL | settings)).fit(X, y)
            for ours, theirs in zip(zero.coefs_ + zero.intercepts_, without.coefs_ + without.intercepts_, strict=True):
                assert np.array_equal(ours, theirs)
    nothing_hidden = SMALL | {"hidden_layer_sizes": ()}
    linear = GDMLPRegressor(dropout=0.5, **nothing_hidden).fit(X, y)
    assert np.array_equal(linear.coefs_[0], GDMLPRegressor(**nothing_hidden).fit(X, y).coefs_[0])


@pytest.mark.each(
    "dropout",
    [
        *[-0.1, 1, 1.0, 2, np.nan, np.inf, "0.5", None],
        *[[], [0.5], [0.1] * 3, [0.5, 1.0], [0.5, -0.1], [0.5, np.nan], ["a", 0.1], [[0.1, 0.2]], [None, 0.1]],
    ],
)
@pytest.mark.each("make", NETWORKS.values())
def test_bad_dropout_is_refused_by_name(data, dropout, make):
    X, y = data
    with pytest.raises(ValueError, match="dropout"):
        make(dropout=dropout, **SMALL).fit(X, (y > 0).astype(int))


@pytest.mark.parametrize("dropout", [0.2, [0.0, 0.2]], ids=str)
@pytest.mark.parametrize("optimizer", ["svrg", "lbfgs"])
def test_dropout_does_not_go_with_gradients_that_are_compared(data, optimizer, dropout):
    X, y = data
    for batch_size in (30, None):
        with pytest.raises(ValueError, match=rf"dropout=.*{optimizer}.*'adam'"):
            GDMLPRegressor(dropout=dropout, optimizer=optimizer, **(SMALL | {"batch_size": batch_size})).fit(X, y)


def test_dropout_holds_a_wide_network_back():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (60, 5))
    y = np.sin(2 * X[:, 0]) + 0.5 * rng.standard_normal(60)
    settings = {"hidden_layer_sizes": (150,), "learning_rate": 0.01, "max_iter": 400, "tol": None, "random_state": 0}
    free, held = (GDMLPRegressor(alpha=0, dropout=rate, **settings).fit(X, y) for rate in (0, 0.5))
    assert free.score(X, y) > held.score(X, y) > 0.5


@pytest.mark.parametrize("average", [False, 0.9])
def test_a_stream_with_dropout_goes_on_as_a_fit_does(data, average):
    X, y = data
    settings = SMALL | {"dropout": 0.3, "schedule": "constant", "learning_rate": 0.01, "batch_size": None}
    whole = GDMLPRegressor(average=average, **settings).fit(X, y)
    stream = GDMLPRegressor(average=average, **settings)
    for _ in range(10):
        stream.partial_fit(X, y)
    np.testing.assert_allclose(stream.predict(X), whole.predict(X), rtol=1e-9, atol=1e-9)


# -- several starts


def objective_of(model, X, y):
    return 0.5 * np.mean((model.predict(X) - y) ** 2) + 0.5 * model.alpha * sum((W**2).sum() for W in model.coefs_)


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.2}, {"optimizer": "lbfgs"}, {"average": 0.9}], ids=str)
def test_the_best_of_several_starts_is_kept(data, settings):
    X, y = data
    settings = SMALL | settings | {"standardize": False}
    kept = set()
    for seed in range(4):
        settings["random_state"] = seed
        model = GDMLPRegressor(n_restarts=4, **settings).fit(X, y)
        scores = model.restart_scores_
        assert scores.shape == (4,)
        assert len(set(scores)) == 4
        np.testing.assert_allclose(objective_of(model, X, y), scores.min(), rtol=1e-12)
        one = GDMLPRegressor(**settings).fit(X, y)
        assert not hasattr(one, "restart_scores_")
        np.testing.assert_allclose(objective_of(one, X, y), scores[0], rtol=1e-12)
        kept.add(scores.argmin())
        if scores.argmin() == 0:
            for ours, theirs in zip(model.coefs_ + model.intercepts_, one.coefs_ + one.intercepts_, strict=True):
                assert np.array_equal(ours, theirs)
            assert np.array_equal(model.loss_curve_, one.loss_curve_)
        generator = np.random.RandomState(seed)  # which fits one after the other draw their starts from
        each = [GDMLPRegressor(**settings | {"random_state": generator}).fit(X, y) for _ in range(4)]
        np.testing.assert_allclose([objective_of(model, X, y) for model in each], scores, rtol=1e-12)
        fewer = GDMLPRegressor(n_restarts=2, **settings).fit(X, y)
        assert np.array_equal(fewer.restart_scores_, scores[:2])
    assert len(kept) > 1


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("rows", [SPARSE, SPARSE.toarray()], ids=["CSR", "dense"])
def test_starts_in_threads_give_the_same_bits(kind, rows):
    models = [
        NETWORKS[kind](n_restarts=5, n_jobs=n_jobs, dropout=0.1, **SMALL).fit(rows, target_of(kind))
        for n_jobs in (1, 2)
    ]
    for one, other in zip(
        *((m.restart_scores_, m.loss_curve_, *m.coefs_, *m.intercepts_) for m in models), strict=True
    ):
        assert np.array_equal(one, other)


def test_with_early_stopping_the_best_on_validation_data_is_kept(data):
    X, y = data
    settings = SMALL | {"early_stopping": True, "max_iter": 60, "tol": 0.0, "validation_fraction": 0.3}
    model = fit_quietly(GDMLPRegressor(n_restarts=4, **settings), X, y)
    np.testing.assert_allclose(model.validation_curve_.min(), model.restart_scores_.min(), rtol=1e-12)
    one = fit_quietly(GDMLPRegressor(**settings), X, y)
    np.testing.assert_allclose(one.validation_curve_.min(), model.restart_scores_[0], rtol=1e-12)


def test_scores_of_starts_are_those_of_the_last_fit(data):
    X, y = data
    model = GDMLPRegressor(n_restarts=3, **SMALL).fit(X, y)
    assert model.restart_scores_.shape == (3,)
    model.set_params(n_restarts=2).fit(X, y)
    assert model.restart_scores_.shape == (2,)
    model.set_params(n_restarts=1).fit(X, y)
    assert not hasattr(model, "restart_scores_")


def test_one_start_that_diverges_is_no_trouble(data):
    X, y = data
    settings = SMALL | {"activation": "relu", "optimizer": "sgd", "standardize": False, "n_restarts": 6}
    for rate in (0.5, 1.0, 2.0, 5.0):
        model = fit_quietly(GDMLPRegressor(learning_rate=rate, **settings), X, y)
        assert np.isfinite(model.predict(X)).all()
        assert model.restart_scores_.min() == pytest.approx(objective_of(model, X, y), rel=1e-9)


class Start:
    """Stands for the driver of one start."""

    def __init__(self, score=0.0, error=None, updates=0, before=0, reason="converged"):
        self.of, self.error, self.first_update = score, error, before
        self.training = SimpleNamespace(loss_unit=3.0, updates=updates, stop_reason=reason)

    def train(self, audience):
        if self.error is not None:
            raise self.error

    def score(self, anew=True):
        return self.of

    def interrupted(self):
        return self.training

    def stop(self, reason):
        self.stopped = reason


def test_the_start_with_the_least_score_is_kept_whatever_the_others_are():
    audience, failed = SimpleNamespace(error=None, ended=[]), ValueError("nothing to learn from there")
    audience.end = audience.ended.append
    starts = [Start(np.nan), Start(-1.0), Start(error=failed), Start(np.inf), Start(-5.0), Start(2.0)]
    best = best_of(starts, audience, 1)
    assert best is starts[4]
    np.testing.assert_array_equal(best.training.restart_scores, 3 * np.array([np.nan, -1, np.inf, np.inf, -5, 2]))
    assert audience.ended == [starts[2]]
    with pytest.raises(ValueError, match="nothing to learn"):
        best_of([Start(error=failed), Start(error=ValueError("nor there"))], None, 1)
    audience.error = failed  # of a callback: not for lack of anything to learn
    with pytest.raises(ValueError, match="nothing to learn"):
        best_of(starts, audience, 1)


def test_of_starts_that_were_interrupted_the_best_is_kept_of_members_all():
    ended, going, waiting = Start(2.0, updates=5), Start(1.0, updates=3), Start(0.0)
    assert salvage([ended, going, waiting], are_members=False) == [going]
    assert going.training.stop_reason == "interrupted"  # since one has never begun
    before = Start(updates=5, before=5)
    assert salvage([before, ended, waiting], are_members=True) == [before, ended]
    assert before.training.stop_reason == "interrupted"
    assert salvage([before, waiting], are_members=True) == []
    both = Start(2.0, updates=5), Start(1.0, updates=3, reason="max_iter")
    assert salvage(both, are_members=False)[0].training.stop_reason == "max_iter"


@pytest.mark.parametrize(("norms", "largest"), [((0.5, 2.0), 2.0), ((None, 2.0), None)])
def test_the_gradient_of_several_trainings_is_the_largest(norms, largest):
    curves = dict.fromkeys(("losses", "validation_losses"), SimpleNamespace(values=[1.0]))
    others = dict.fromkeys(("optimizer", "learning_rate", "batch_size", "restart_scores"))
    counts = {"epochs": 1, "updates": 1, "facts": {}, "stop_reason": "converged"}
    trainings = [SimpleNamespace(gradient_norm=norm, **curves, **others, **counts) for norm in norms]
    assert attributes_of(trainings)["gradient_norm_"] == largest


# -- averages


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("decay", [0.99, 0.5, np.float64(0.8)])
def test_an_exponential_mean_is_that_of_the_path(data, optimizer, decay):
    X, y = data
    settings = SMALL | {"optimizer": optimizer, "batch_size": None, "learning_rate": 0.05, "activation": "tanh"}
    model = GDMLPRegressor(average=decay, **settings).fit(X, y)
    expected = None
    for count in range(1, 11):
        step = GDMLPRegressor(**(settings | {"max_iter": count})).fit(X, y)
        position = [array.copy() for array in step.coefs_ + step.intercepts_]
        share = max(1 / count, 1 - decay)
        expected = expected or position
        expected = [mean + share * (now - mean) for mean, now in zip(expected, position, strict=True)]
    for ours, mean, last in zip(model.coefs_ + model.intercepts_, expected, position, strict=True):
        np.testing.assert_allclose(ours, mean, rtol=1e-11, atol=1e-13)
        assert not np.allclose(ours, last, rtol=1e-6)


# -- going on, and ends


@pytest.mark.parametrize("rows", [1, 2])
def test_a_stream_of_single_rows_on_any_scale_is_learned(rows):
    # the first row tells no scale, and random weights are meant for standardised features
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 5))
    y = X[:, 0] + X[:, 1] ** 2
    X, y = 1000 + 1000 * X, 1000 * y
    model = GDMLPRegressor(hidden_layer_sizes=(30,), learning_rate=0.01, random_state=0)
    for _ in range(3):
        for i in range(0, 300, rows):
            model.partial_fit(X[i : i + rows], y[i : i + rows])
    assert model.score(X, y) > 0.9


def test_after_a_fit_whose_rate_went_down_training_goes_on_at_the_customary_one(data):
    X, y = data
    model = GDMLPRegressor(n_members=1, max_iter=5, random_state=0).fit(X, y)
    assert model.learning_rate_ == pytest.approx(0.003)
    assert model.partial_fit(X, y).learning_rate_ == 0.001
    given = GDMLPRegressor(max_iter=5, learning_rate=0.02, tol=None, random_state=0).fit(X, y)
    assert given.partial_fit(X, y).learning_rate_ == 0.02


def test_a_schedule_that_has_ended_is_told(data):
    X, y = data
    model = GDMLPRegressor(schedule="cosine", max_iter=5, warm_start=True, random_state=0).fit(X, y)
    before = [coef.copy() for coef in model.coefs_]
    with pytest.warns(ConvergenceWarning, match="come down to zero"):
        model.fit(X, y)
    for coef, after in zip(before, model.coefs_, strict=True):
        np.testing.assert_array_equal(coef, after)


@pytest.mark.parametrize("schedule", ["auto", "cosine", "one_cycle", "exponential"])
def test_schedules_over_all_epochs_need_no_tolerance(schedule, data):
    model = GDMLPRegressor(schedule=schedule, max_iter=5, random_state=0).fit(*data)  # a warning would be an error
    assert model.n_iter_ == 5
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_an_immense_start_is_refused(optimizer, data):
    X, y = data
    model = GDMLPRegressor("poisson", standardize=False, optimizer=optimizer, batch_size=None, random_state=0)
    with pytest.raises(ValueError, match="standardize=True"):
        model.fit(1e3 * X, 1e3 * np.abs(y))


@pytest.mark.parametrize("average", [False, 0.9])
def test_a_pickle_holds_what_it_needs_and_goes_on_to_the_same_bits(average, data):
    X, y = data
    settings = {"hidden_layer_sizes": (200, 50), "max_iter": 3, "n_members": 1, "random_state": 0}
    model = GDMLPRegressor(average=average, **settings).fit(X, y)
    stored = pickle.dumps(model)
    n_params = sum(array.size for array in model.coefs_ + model.intercepts_)
    assert len(stored) < (4 + bool(average) + 0.5) * 8 * n_params  # published, in training, and Adam's two slots
    loaded = pickle.loads(stored)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    for _ in range(2):
        model.partial_fit(X, y)
        loaded.partial_fit(X, y)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize(("n_rows", "dense", "of_csr"), [(20, 20, 20), (500, 32, 200), (60_000, 60, 200)])
def test_batches_have_a_thousandth_of_the_rows_within_limits(n_rows, dense, of_csr):
    X, y = np.ones((n_rows, 1)), np.zeros(n_rows)
    few = {"hidden_layer_sizes": (1,), "max_iter": 1, "n_members": 1, "random_state": 0}
    assert GDMLPRegressor(**few).fit(X, y).batch_size_ == dense
    assert GDMLPRegressor(**few).fit(sparse.csr_array(X), y).batch_size_ == of_csr


# -- what selectors and explainers ask for


def test_fitted_attributes_have_the_meanings_of_scikit_learns(data):
    X, y = data
    settings = {"hidden_layer_sizes": (6, 4), "max_iter": 5, "random_state": 0, "tol": 0, "n_iter_no_change": 9}
    theirs = fit_quietly(MLPRegressor(**settings), X, y)
    ours = GDMLPRegressor(**(settings | {"tol": None})).fit(X, y)
    for name in ("n_layers_", "n_outputs_", "out_activation_", "best_validation_score_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_", "best_loss_"):
        assert type(getattr(ours, name)) is float
    assert ours.loss_ == ours.loss_curve_[-1]
    assert ours.best_loss_ == ours.loss_curve_.min()

    ours.set_params(learning_rate=0.5, schedule="constant", warm_start=True).fit(X, y)  # the loss goes up again
    assert ours.loss_ == ours.loss_curve_[-1] > ours.best_loss_ == ours.loss_curve_.min()
    restored = pickle.loads(pickle.dumps(ours))
    assert (restored.loss_, restored.best_loss_, restored.out_activation_) == (ours.loss_, ours.best_loss_, "identity")
    restored.partial_fit(X, y)
    assert restored.best_loss_ == restored.loss_curve_.min()


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("columns", [1, 2])
def test_best_validation_score_is_that_of_the_parameters_kept(data, columns, storage):
    X, y = data[0], np.column_stack([data[1], data[1] ** 2])[:, :columns].squeeze()
    weight = np.random.default_rng(1).uniform(0.5, 2, 30)
    model = GDMLPRegressor(hidden_layer_sizes=(6,), early_stopping=True, random_state=0, learning_rate=0.05)
    model.fit(storage(X[:60]), y[:60], X_val=storage(X[60:]), y_val=y[60:], sample_weight_val=weight)
    expected = r2_score(y[60:], model.predict(X[60:]), sample_weight=weight)
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-12)
    assert model.best_loss_ is None
    assert pickle.loads(pickle.dumps(model)).best_validation_score_ == model.best_validation_score_
    model.set_params(early_stopping=False).partial_fit(X, y)
    assert model.best_validation_score_ is None
    assert model.best_loss_ == model.loss_curve_.min()


def test_a_score_of_validation_rows_that_there_is_none_of(data):
    X, y = data
    settings = {"hidden_layer_sizes": (3,), "max_iter": 3, "tol": None, "early_stopping": True}
    several = GDMLPRegressor(loss="quantile", quantile=[0.1, 0.9], **settings).fit(X, y)
    one_row = GDMLPRegressor(**settings).fit(X, y, X_val=X[:1], y_val=y[:1])
    assert np.isnan([several.best_validation_score_, one_row.best_validation_score_]).all()
    assert GDMLPRegressor(loss="poisson", **settings).fit(X, np.exp(y)).out_activation_ == "exp"


def test_selectors_say_what_to_use_in_place_of_importances(data):
    X, y = data[0], 3 * data[0][:, 0] + data[0][:, 1]
    model = GDMLPRegressor(hidden_layer_sizes=(10,), learning_rate=0.03, max_iter=40, tol=None, random_state=0)
    said = "GDMLPRegressor has no feature_importances_.*permutation_importance.*SequentialFeatureSelector"
    for selector in (SelectFromModel(model), RFE(model), RFECV(model, cv=2), SelectFromModel(make_pipeline(model))):
        inside = isinstance(selector.estimator, Pipeline)  # of which scikit-learn asks the pipeline
        with pytest.raises(ValueError, match="importance_getter" if inside else said):
            selector.fit(X, y).get_support()
    named = SelectFromModel(make_pipeline(model), importance_getter="named_steps.gdmlpregressor.feature_importances_")
    with pytest.raises((AttributeError, ValueError), match=said):
        named.fit(X, y).get_support()

    # and that works
    def importances(fitted):
        return permutation_importance(fitted, X, y, random_state=0).importances_mean

    found = SelectFromModel(model, importance_getter=importances).fit(X, y)
    assert found.get_support().tolist() == [True, False, False, False]
    by_steps = SequentialFeatureSelector(model, n_features_to_select=1, cv=2).fit(X, y)
    assert by_steps.get_support().tolist() == [True, False, False, False]


def test_networks_have_no_importances_for_anybody_else(data):
    model = GDMLPRegressor(hidden_layer_sizes=(3,), max_iter=2)
    for _ in range(2):
        assert not hasattr(model, "feature_importances_")
        assert not hasattr(model, "coef_")
        assert "feature_importances_" not in dir(model)
        with pytest.raises(AttributeError, match="permutation_importance"):
            model.feature_importances_  # noqa: B018
        with pytest.raises(AttributeError, match="no attribute 'coef_'"):
            model.coef_  # noqa: B018
        model.fit(*data)
    assert "feature_importances_" not in model._repr_html_()
    with pytest.raises(AttributeError) as raised:
        GDMLPClassifier("hinge").predict_proba  # noqa: B018
    assert "gives no probabilities" in str(raised.value.__cause__)  # as without the special case


def test_partial_dependence_and_permutation_importance(data):
    X, y = data
    model = GDMLPRegressor(hidden_layer_sizes=(10,), max_iter=20, n_members=1, random_state=0).fit(X, y)
    grid = np.array([-1.0, 0.0, 1.0])
    found = partial_dependence(model, X, [1], custom_values={1: grid}, kind="average")["average"][0]
    expected = [
        forward(
            np.column_stack([X[:, 0], np.full(len(X), at), X[:, 2:]]),
            model.coefs_,
            model.intercepts_,
            lambda z: np.maximum(z, 0),
        ).mean()
        for at in grid
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    scores = learning_curve(model, X, y, cv=2, train_sizes=[0.5, 1.0])[2]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_predictions_of_several_blocks_of_rows(stored, data, monkeypatch):
    X, y = data
    model = GDMLPRegressor(
        hidden_layer_sizes=(5,), activation="tanh", max_iter=3, tol=None, n_members=1, random_state=0
    ).fit(stored(X), y)
    monkeypatch.setattr(predictions, "NETWORK_BLOCK_ENTRIES", 7 * 5)  # seven rows at a time, the last ones fewer
    raw = forward(X, model.coefs_, model.intercepts_, np.tanh)
    np.testing.assert_allclose(model.predict(stored(X)), raw[:, 0], rtol=1e-9)
