"""Variance reduction: the paper's loop, and what it is for: exact optima from mini-batches at a constant rate."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression, Ridge

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor
from skgd.losses import SquaredError
from skgd.optimizers import SVRG, Optimizer

MAKERS = {"linear": GDLinearRegressor, "logistic": GDLogisticClassifier}
PLAIN = {"standardize": False, "shuffle": False, "tol": None}


def make_data(kind, n=60, d=5, density=None):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    if density is not None:
        X *= rng.uniform(size=(n, d)) < density
        X[:, 2] = rng.standard_normal(n)
    signal = X[:, : min(d, 20)].sum(axis=1) + 0.5
    if kind == "linear":
        return X, 3 * signal + rng.standard_normal(n)
    return X, (signal + rng.logistic(size=n) > 0).astype(int)


def rarity_of(X, batch_size):
    """1 / probability that a batch touches the column; the intercept, and column 0, belong to every batch."""
    share = np.count_nonzero(X, axis=0) / len(X)
    chance = 1 - (1 - share) ** batch_size
    chance[0] = 1
    return np.append(1 / np.where(chance > 0, chance, 1), 1)


def johnson_and_zhang(kind, X, y, weight, rate, batch_size, n_epochs, alpha=0.0, lazily=False):
    """Their procedure SVRG, option I, one pass of mini-batches in memory order to a snapshot."""
    n = len(X)
    Z = np.column_stack([X, np.ones(n)])
    weight = weight / weight.mean()
    rarity = rarity_of(X, batch_size) if lazily else np.ones(Z.shape[1])
    penalised = np.append(np.full(X.shape[1], alpha), 0)

    def gradient(theta, rows):
        raw = Z[rows] @ theta
        slope = raw - y[rows] if kind == "linear" else expit(raw) - y[rows]
        return Z[rows].T @ (weight[rows] * slope) / len(Z[rows])

    theta = np.zeros(Z.shape[1])
    for _ in range(n_epochs):
        anchor, mu = theta.copy(), gradient(theta, slice(None))
        for start in range(0, n, batch_size):
            rows = slice(start, start + batch_size)
            touched = (Z[rows] != 0).any(axis=0) | (not lazily)
            touched[0] = True
            step = gradient(theta, rows) - gradient(anchor, rows) + rarity * mu + penalised * theta
            theta = np.where(touched, theta - rate * step, theta)
    return theta


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
def test_mini_batches_are_the_papers_loop(kind, weighted, storage, dtype):
    X, y = make_data(kind)
    X = X.astype(dtype)
    weight = np.random.default_rng(1).uniform(0.1, 3, len(y)) if weighted else np.ones(len(y))
    model = MAKERS[kind](optimizer=SVRG(learning_rate=0.1), alpha=0.2, batch_size=7, max_iter=5, **PLAIN)
    model.fit(storage(X), y, weight if weighted else None)
    theta = johnson_and_zhang(kind, X.astype(float), y, weight, 0.1, 7, 5, alpha=0.2)
    rtol = 1e-10 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), theta, rtol=rtol)


@pytest.mark.parametrize("kind", MAKERS)
def test_lazy_mini_batches_are_the_papers_loop_on_touched_columns(kind):
    X, y = make_data(kind, n=90, d=2000, density=0.004)
    model = MAKERS[kind](optimizer="svrg", learning_rate=0.1, alpha=0, batch_size=4, max_iter=4, **PLAIN)
    model.fit(sparse.csr_matrix(X), y)
    theta = johnson_and_zhang(kind, X, y, np.ones(len(y)), 0.1, 4, 4, lazily=True)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), theta, rtol=1e-5, atol=1e-8)
    dense = johnson_and_zhang(kind, X, y, np.ones(len(y)), 0.1, 4, 4)
    assert np.abs(theta - dense).max() > 1e-3  # so that the test tells them apart


@pytest.mark.parametrize("kind", MAKERS)
def test_full_batches_are_plain_descent(kind):
    X, y = make_data(kind)
    settings = {"batch_size": None, "max_iter": 20, "tol": None}
    models = [MAKERS[kind](optimizer=optimizer, **settings).fit(X, y) for optimizer in ("svrg", "sgd")]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)
    assert models[0].learning_rate_ == models[1].learning_rate_


# -- the exact optimum at a constant rate


def gap(kind, model, X, y, alpha):
    """Objective above that of the exact solver, relative to it."""
    if kind == "linear":
        oracle = Ridge(alpha=alpha * len(y), tol=1e-12).fit(X, y)
    else:
        oracle = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-12, max_iter=10_000).fit(X, y)

    def objective(fitted):
        w = fitted.coef_.ravel()
        raw = X @ w + np.ravel(fitted.intercept_)[0]
        losses = 0.5 * (raw - y) ** 2 if kind == "linear" else np.logaddexp(0, (1 - 2 * y) * raw)
        return losses.mean() + alpha / 2 * w @ w

    return objective(model) / objective(oracle) - 1


def fitted(kind, X, y, **settings):
    common = {"alpha": 0.02, "standardize": False, "tol": None, "random_state": 0, "max_iter": 100}
    return MAKERS[kind](**common | settings).fit(X, y)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_exact_optimum_where_descent_ends_in_noise(kind):
    X, y = make_data(kind, n=1000)
    model = fitted(kind, X, y, optimizer="svrg")
    plain = fitted(kind, X, y, optimizer="sgd", batch_size=model.batch_size_, learning_rate=model.learning_rate_)
    assert model.batch_size_ < 100
    assert abs(gap(kind, model, X, y, 0.02)) < 1e-10
    assert gap(kind, plain, X, y, 0.02) > 1e-4


@pytest.mark.parametrize("kind", MAKERS)
def test_the_exact_optimum_of_lazily_updated_sparse_rows(kind):
    X, y = make_data(kind, n=1000, d=2000, density=0.004)
    model = fitted(kind, sparse.csr_matrix(X), y, optimizer="svrg", batch_size=8)
    assert abs(gap(kind, model, X, y, 0.02)) < 1e-8


def test_the_penalty_and_the_gradient_that_cancels_it_are_limited_alike():
    # rate * alpha * rarity is far above 1 for most columns here
    X, y = make_data("logistic", n=1000, d=2000, density=0.002)
    settings = {"alpha": 0.3, "optimizer": "svrg", "batch_size": 4, "max_iter": 200}
    model = fitted("logistic", sparse.csr_matrix(X), y, **settings)
    assert 0.3 * model.learning_rate_ * np.median(rarity_of(X, 4)) > 2
    assert abs(gap("logistic", model, X, y, 0.3)) < 1e-8


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_l1_leads_to_the_same_zeros_as_the_exact_solver(storage):
    X, y = make_data("linear", n=500, d=30)
    settings = {"penalty": "l1", "alpha": 0.1, "standardize": "max_abs"}
    model = GDLinearRegressor(optimizer="svrg", max_iter=200, tol=None, random_state=0, **settings).fit(storage(X), y)
    scale = np.abs(X).max(axis=0)
    exact = Lasso(alpha=0.1, tol=1e-12, max_iter=100_000).fit(X / scale, y).coef_
    assert 0 < (exact == 0).sum() < 30
    np.testing.assert_array_equal(model.coef_ == 0, exact == 0)
    np.testing.assert_allclose(model.coef_ * scale, exact, atol=1e-6)


def gradient_norm(model, X, y):
    """Largest entry of the gradient of a network of one hidden layer of tanh, in standardised units, by its formula."""
    mean, std, target_mean, target_std = X.mean(axis=0), X.std(axis=0), y.mean(), y.std()
    Z, t = (X - mean) / std, (y - target_mean) / target_std
    W1, W2 = model.coefs_[0] * std[:, None], model.coefs_[1] / target_std
    b1, b2 = model.intercepts_[0] + mean @ model.coefs_[0], (model.intercepts_[1] - target_mean) / target_std
    hidden = np.tanh(Z @ W1 + b1)
    residual = (hidden @ W2 + b2 - t[:, None]) / len(t)
    below = residual @ W2.T * (1 - hidden**2)
    parts = Z.T @ below + model.alpha * W1, below.sum(axis=0), hidden.T @ residual + model.alpha * W2, residual.sum()
    return max(np.abs(part).max() for part in parts)


def test_networks_reach_a_point_without_gradient():
    X, y = make_data("linear", n=300)
    norms = {}
    for optimizer in ("svrg", "sgd"):
        model = GDMLPRegressor(hidden_layer_sizes=(4,), activation="tanh", optimizer=optimizer, learning_rate=0.1)
        model.set_params(batch_size=10, max_iter=300, criterion="gradient", tol=1e-6, alpha=0.01, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            norms[optimizer] = gradient_norm(model.fit(X, y), X, y)
        assert model.gradient_norm_ == pytest.approx(norms[optimizer], rel=1e-4)
    assert norms["svrg"] < 0.01 * norms["sgd"]


def test_the_defaults_stop_near_the_optimum():
    X, y = make_data("logistic", n=2000)
    model = fitted("logistic", X, y, optimizer="svrg", tol="auto")
    assert model.converged_
    assert model.n_iter_ < 50
    assert abs(gap("logistic", model, X, y, 0.02)) < 1e-6


# -- rates, and going on


def test_the_rate_from_the_data_knows_no_noise():
    X, y = make_data("linear", n=1600)
    settings = {"batch_size": 16, "max_iter": 1, "tol": None}
    reduced, plain = (GDLinearRegressor(optimizer=name, **settings).fit(X, y) for name in ("svrg", "sgd"))
    assert reduced.learning_rate_ / plain.learning_rate_ == pytest.approx(np.sqrt(100), rel=0.01)


class Understated(SquaredError):
    """With a bound of the curvature that is far too low: the first rates diverge."""

    curvature = 0.02


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_after_a_divergence_the_snapshot_is_a_new_one(storage):
    X, y = make_data("linear", n=1000)
    model = fitted("linear", storage(X), y, optimizer="svrg", loss=Understated())
    wanted = fitted("linear", storage(X), y, optimizer="svrg")
    assert model.learning_rate_ < 20 * wanted.learning_rate_  # there were back-offs
    assert abs(gap("linear", model, X, y, 0.02)) < 1e-8


def test_training_goes_on_as_if_it_had_not_ended():
    X, y = make_data("logistic")
    settings = {"optimizer": "svrg", "learning_rate": 0.1, "batch_size": 7, "alpha": 0.1, **PLAIN}
    at_once = GDLogisticClassifier(max_iter=6, **settings).fit(X, y)
    twice = GDLogisticClassifier(max_iter=3, warm_start=True, **settings).fit(X, y)
    twice = pickle.loads(pickle.dumps(twice)).fit(X, y)
    streamed = clone(twice).set_params(warm_start=False)
    for _ in range(6):
        streamed.partial_fit(X, y, classes=[0, 1])
    np.testing.assert_allclose(twice.coef_, at_once.coef_, rtol=1e-12)
    np.testing.assert_allclose(streamed.coef_, at_once.coef_, rtol=1e-12)


def test_streams_of_parts_learn():
    X, y = make_data("linear", n=2000)
    model = GDLinearRegressor(optimizer="svrg", random_state=0)
    for start in range(0, 2000, 100):
        model.partial_fit(X[start : start + 100], y[start : start + 100])
    assert model.score(X, y) > 0.95


class ReducedMomentum(Optimizer):
    """A rule of the user's own that asks for corrected gradients."""

    variance_reduced = True
    n_slots = 1

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            slots[0, j] = 0.5 * slots[0, j] - learning_rate * grads[j]
            params[j] += slots[0, j]


class ReducedInPython(ReducedMomentum):
    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        step = dict(enumerate(grads.tolist()))  # which numba can't compile
        for j, g in sorted(step.items(), key=lambda pair: str(pair)):
            slots[0, j] = 0.5 * slots[0, j] - learning_rate * g
            params[j] += slots[0, j]


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_any_rule_can_have_its_gradients_corrected(storage):
    X, y = make_data("linear", n=200)
    settings = {"learning_rate": 0.02, "batch_size": 10}
    model = fitted("linear", storage(X), y, optimizer=ReducedMomentum(), **settings)
    assert abs(gap("linear", model, X, y, 0.02)) < 1e-8
    compiled = fitted("linear", storage(X), y, optimizer=ReducedMomentum(), max_iter=3, **settings)
    with pytest.warns(RuntimeWarning, match="numba"):
        plain = fitted("linear", storage(X), y, optimizer=ReducedInPython(), max_iter=3, **settings)
    np.testing.assert_allclose(plain.coef_, compiled.coef_, rtol=1e-9)


def test_small_data_still_comes_in_mini_batches():
    X, y = make_data("linear", n=100)
    assert fitted("linear", X, y, optimizer="svrg", max_iter=5).batch_size_ == 16
    assert fitted("linear", X, y, optimizer="sgd", max_iter=5).batch_size_ == 100
    assert fitted("linear", X[:5], y[:5], optimizer="svrg", max_iter=5).batch_size_ == 5
