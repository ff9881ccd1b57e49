"""How a fit proceeds and ends: step by step against the same steps in NumPy, and what survives when it goes wrong."""

import copy
import gc
import re
import signal
import sys
import tracemalloc
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, logit
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._solvers.stopping import SearchCriterion
from skgd._targets.held_out import hold_out
from skgd._watch.printing import is_due
from skgd.losses import Huber, SquaredError
from skgd.optimizers import OPTIMIZERS, SGD, Adam, Optimizer
from skgd.schedules import InverseScaling, ReduceOnPlateau, Schedule, StepDecay

ESTIMATORS = {
    "linear": GDLinearRegressor,
    "logistic": GDLogisticClassifier,
    "network": lambda **settings: GDMLPRegressor(hidden_layer_sizes=(6,), **settings),
    "network of classes": lambda **settings: GDMLPClassifier(hidden_layer_sizes=(6,), **settings),
}
CLASSIFIERS, NETWORKS = ("logistic", "network of classes"), ("network", "network of classes")
NO_STEP = 1e-300  # a learning rate that leaves parameters as they are
NUMBER = r"([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)"


@pytest.fixture(params=ESTIMATORS)
def kind(request):
    return request.param


def make_data(kind="linear", n=61, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.linspace(0.5, 2, d) + np.linspace(-1, 3, d)
    y = 7 + X @ np.linspace(1, -2, d) + 0.5 * rng.standard_normal(n)
    return X, (y > np.median(y)).astype(int) if kind in CLASSIFIERS else y


def parameters(model):
    """All parameters of any estimator, as one vector."""
    if hasattr(model, "coef_"):
        return np.concatenate([model.coef_.ravel(), model.intercept_])
    return np.concatenate([a.ravel() for a in model.coefs_ + model.intercepts_])


def fit_quietly(model, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **kwargs)


class Replay:
    """Linear or logistic regression on standardised data, trained by plain NumPy."""

    def __init__(self, X, y, alpha=0.0, weight=None, logistic=False):
        weight = np.ones(len(X)) if weight is None else weight
        self.weight = weight / weight.mean()
        self.center, self.target_center = np.average(X, axis=0, weights=weight), np.average(y, weights=weight)
        self.scale = np.sqrt(np.average((X - self.center) ** 2, axis=0, weights=weight))
        self.target_scale = np.sqrt(np.average((y - self.target_center) ** 2, weights=weight))
        if logistic:
            self.target_center, self.target_scale = 0.0, 1.0
        self.Z = np.column_stack([(X - self.center) / self.scale, np.ones(len(X))])
        self.target = (y - self.target_center) / self.target_scale
        self.alpha, self.logistic = alpha, logistic
        self.theta = np.zeros(self.Z.shape[1])
        self.penalised = np.ones_like(self.theta)
        self.penalised[-1] = 0

    def objective(self, rows=slice(None)):
        raw, t = self.Z[rows] @ self.theta, self.target[rows]
        loss = np.logaddexp(0, raw) - t * raw if self.logistic else 0.5 * (raw - t) ** 2
        return np.mean(self.weight[rows] * loss) + 0.5 * self.alpha * np.sum(self.penalised * self.theta**2)

    def gradient(self, rows=slice(None)):
        raw, t = self.Z[rows] @ self.theta, self.target[rows]
        residual = self.weight[rows] * ((expit(raw) if self.logistic else raw) - t)
        return self.Z[rows].T @ residual / len(residual) + self.alpha * self.penalised * self.theta

    def step_gradient(self, rows=slice(None)):
        """What an update follows: on centred data the best intercept of least squares is known, and stays."""
        gradient = self.gradient(rows)
        if not self.logistic:
            gradient[-1] = 0
        return gradient

    def take(self, model):
        """Adopt the parameters of a fitted model."""
        coef = model.coef_.ravel()
        intercept = (model.intercept_[0] + coef @ self.center - self.target_center) / self.target_scale
        self.theta = np.append(coef * self.scale / self.target_scale, intercept)
        return self

    def parameters(self, theta=None):
        theta = self.theta if theta is None else theta
        coef = theta[:-1] * self.target_scale / self.scale
        return np.append(coef, theta[-1] * self.target_scale + self.target_center - coef @ self.center)


def in_order(n_rows, batch_size):
    return [slice(start, min(start + batch_size, n_rows)) for start in range(0, n_rows, batch_size)]


# -- the steps


@pytest.mark.parametrize("batch_size", [1, 16, 61])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_batches_in_order_are_those_of_numpy(kind, momentum, batch_size):
    # 61 rows: the last batch of 16 is short
    X, y = make_data(kind)
    weight = np.random.default_rng(1).uniform(0, 2, len(y))
    replay = Replay(X, y, 0.05, weight, logistic=kind in CLASSIFIERS)
    model = ESTIMATORS[kind](
        optimizer=SGD(momentum=momentum), learning_rate=0.01, alpha=0.05, batch_size=batch_size, shuffle=False
    )
    model.set_params(max_iter=3, tol=None).fit(X, y, sample_weight=weight)
    # a linear model starts at the mean, a logistic one near the log-odds
    start = ESTIMATORS[kind](learning_rate=NO_STEP, optimizer="sgd", max_iter=1, tol=None)
    replay.take(start.fit(X, y, sample_weight=weight))
    mean = np.average(y, weights=weight)
    constant = np.log(mean / (1 - mean)) if kind in CLASSIFIERS else 0.0
    np.testing.assert_allclose(replay.theta, [0, 0, 0, constant], atol=0.05 if kind in CLASSIFIERS else 1e-12)
    velocity, curve = np.zeros(4), []
    for _ in range(3):
        losses = []
        for rows in in_order(61, batch_size):
            losses.append((rows.stop - rows.start) * replay.objective(rows))
            velocity = momentum * velocity - 0.01 * replay.step_gradient(rows)
            replay.theta = replay.theta + velocity
        curve.append(np.sum(losses) / 61 * replay.target_scale**2)
    np.testing.assert_allclose(parameters(model), replay.parameters(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.loss_curve_, curve, rtol=1e-10)
    assert model.t_ == 3 * -(-61 // batch_size)
    assert model.n_iter_ == 3
    assert model.batch_size_ == batch_size


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_the_loss_curve_is_the_objective_at_full_batch(kind):
    X, y = make_data(kind)
    settings = {"optimizer": "nesterov", "learning_rate": 0.05, "alpha": 0.1, "batch_size": None, "tol": None}
    curve = ESTIMATORS[kind](max_iter=12, **settings).fit(X, y).loss_curve_
    for n_epochs in (1, 4, 11):
        model = ESTIMATORS[kind](max_iter=n_epochs, **settings).fit(X, y)
        replay = Replay(X, y, 0.1, logistic=kind in CLASSIFIERS).take(model)
        # an epoch is measured before its update: where the last one has ended
        assert curve[n_epochs] == pytest.approx(replay.objective() * replay.target_scale**2, rel=1e-10)


def test_every_row_counts_once_in_a_shuffled_epoch():
    # from w = 0 with a tiny rate, an epoch of single rows moves along the sum of all gradients at the start
    for n in (7, 61, 513, 40_000):  # the last exceed the cache, and are read in runs of rows
        X, y = make_data(n=n)
        replay = Replay(X, y)
        model = GDLinearRegressor(optimizer="sgd", learning_rate=1e-9, batch_size=1, max_iter=1, tol=None, alpha=0)
        replay_step = -1e-9 * n * replay.gradient()
        np.testing.assert_allclose(
            replay.take(model.fit(X, y)).theta[:-1], replay_step[:-1], rtol=1e-5 if n < 1000 else 1e-3
        )


@pytest.mark.parametrize(("n_rows", "n_features"), [(61, 3), (40_000, 4)])
def test_shuffled_epochs_differ_from_each_other_and_from_memory_order(n_rows, n_features):
    # the larger data exceed the cache and are read in runs of rows: each row still once an epoch
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    order = np.arange(n_rows, dtype=float)
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": 1, "alpha": 0, "standardize": False}
    fits = [
        GDLinearRegressor(max_iter=1, tol=None, random_state=seed, shuffle=shuffle, **settings).fit(X / 10, order)
        for seed, shuffle in ((0, True), (1, True), (0, False))
    ]
    assert len({parameters(model).tobytes() for model in fits}) == 3


@pytest.mark.parametrize("clip_norm", [0.05, 0.5, 100.0])
def test_clipping_is_that_of_numpy(clip_norm):
    X, y = make_data()
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.1, batch_size=20, shuffle=False, clip_norm=clip_norm)
    model.set_params(max_iter=2, tol=None, alpha=0.01).fit(X, y)
    replay = Replay(X, y, 0.01)
    for rows in 2 * in_order(61, 20):
        gradient = replay.step_gradient(rows)
        replay.theta = replay.theta - 0.1 * gradient * min(1, clip_norm / np.linalg.norm(gradient))
    np.testing.assert_allclose(parameters(model), replay.parameters(), rtol=1e-9, atol=1e-12)


NOISY = {"optimizer": "sgd", "learning_rate": 0.3, "batch_size": 2, "random_state": 0}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "rmsprop"])
def test_noisy_fits_settle_near_the_optimum(optimizer):
    X, y = load_diabetes(return_X_y=True)
    replay = Replay(X, y, 1e-4)
    hessian = replay.Z.T @ replay.Z / len(y) + 1e-4 * np.diag(replay.penalised)
    replay.theta = np.linalg.solve(hessian, replay.Z.T @ replay.target / len(y))
    best = replay.objective()
    settings = {"optimizer": optimizer, "learning_rate": 0.3, "random_state": 0}
    noisy, settled = (
        replay.take(GDLinearRegressor(average=average, **settings).fit(X, y)).objective() - best
        for average in (False, "auto")
    )
    assert settled < 0.3 * noisy
    assert settled < 0.02 * (0.5 - best)


@pytest.mark.parametrize(
    "said",
    [
        {"schedule": "exponential"},
        {"schedule": "plateau"},
        {"penalty": "l1"},
        {"tol": None, "max_iter": 5},
        {"criterion": "step", "max_iter": 5},
        {"early_stopping": True},
        {"batch_size": None, "learning_rate": 0.1},
        {"optimizer": "svrg", "learning_rate": 0.01, "max_iter": 5},
    ],
    ids=str,
)
def test_fits_settle_unless_there_is_no_noise_or_something_else_is_to_end_it(said):
    X, y = make_data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        settled, last = (
            GDLinearRegressor(**NOISY | said, average=average).fit(X, y).coef_ for average in ("auto", False)
        )
    np.testing.assert_array_equal(settled, last)


def test_training_goes_on_where_it_has_settled():
    X, y = make_data()
    model = GDLinearRegressor(**NOISY, warm_start=True).fit(X, y)
    again = copy.deepcopy(model).set_params(learning_rate=NO_STEP, max_iter=1, tol=None).fit(X, y)
    np.testing.assert_allclose(parameters(again), parameters(model), rtol=1e-12)


@pytest.mark.parametrize(("average", "first"), [(True, 4), (0, 0), (7, 7), (1, 1), (0.8, 0)])
def test_averaging_is_the_mean_of_the_parameters(average, first):
    # True: from the second epoch on; 4 batches an epoch
    X, y = make_data()
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.1, batch_size=16, shuffle=False, average=average)
    model.set_params(max_iter=3, tol=None).fit(X, y)
    replay, path = Replay(X, y, 1e-4), []
    for rows in 3 * in_order(61, 16):
        replay.theta = replay.theta - 0.1 * replay.step_gradient(rows)
        path.append(replay.theta)
    expected = np.mean(path[first:], axis=0)
    if isinstance(average, float):  # an exponential mean, and that of all while these are few
        expected = path[0]
        for k, theta in enumerate(path[1:], start=2):
            expected = expected + max(1 / k, 1 - average) * (theta - expected)
    np.testing.assert_allclose(parameters(model), replay.parameters(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("momentum", "rate", "clip_norm"), [(0.0, 0.5, None), (0.9, 0.1, None), (0.0, 0.5, 0.3)])
def test_l1_on_mini_batches_makes_proximal_steps(momentum, rate, clip_norm):
    # plain descent; with momentum, or clipped, a coefficient stays on its side, and passes zero in a later step
    X, y = make_data()
    X[:, 0] = np.random.default_rng(3).standard_normal(len(y))  # which tells nothing: its coefficient changes sides
    model = GDLinearRegressor(optimizer=SGD(momentum=momentum), learning_rate=rate, penalty="l1", alpha=0.1)
    model.set_params(clip_norm=clip_norm, batch_size=7, shuffle=False, max_iter=3, tol=None).fit(X, y)
    replay = Replay(X, y)
    strength = 0.1 / replay.target_scale  # in units of scaled targets, as |w| is of degree one and the loss of two
    velocity, changes = np.zeros(3), 0
    for rows in 3 * in_order(61, 7):
        w, gradient = replay.theta[:-1], replay.gradient(rows)[:-1]
        if momentum == 0 and clip_norm is None:
            moved = w - rate * gradient
            moved = np.sign(moved) * np.maximum(np.abs(moved) - rate * strength, 0)
        else:
            at_zero = np.sign(gradient) * np.maximum(np.abs(gradient) - strength, 0)
            slope = np.where(w != 0, gradient + strength * np.sign(w), at_zero)
            side = np.where(w != 0, np.sign(w), -np.sign(slope))
            if clip_norm is not None:
                slope *= min(1, clip_norm / np.linalg.norm(slope))
            velocity = momentum * velocity - rate * slope
            moved = np.where((w + velocity) * side > 0, w + velocity, 0.0)
        changes += np.sum(moved * w < 0)
        replay.theta = np.append(moved, replay.theta[-1])
    assert (changes > 0) == (momentum == 0 and clip_norm is None)
    np.testing.assert_allclose(parameters(model), replay.parameters(), rtol=1e-9, atol=1e-12)


def test_averaging_gets_below_the_noise_of_a_constant_rate():
    X, y = make_data(n=300)
    settings = {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch_size": 1,
        "max_iter": 40,
        "tol": None,
        "random_state": 0,
    }
    optimum = GDLinearRegressor(criterion="gradient", tol=1e-10, batch_size=None, max_iter=10_000).fit(X, y)
    best = Replay(X, y, 1e-4).take(optimum).objective()
    excess = [
        Replay(X, y, 1e-4).take(GDLinearRegressor(average=average, **settings).fit(X, y)).objective() - best
        for average in (False, True)
    ]
    assert 0 <= excess[1] < 0.1 * excess[0]


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        (StepDecay(decay=0.5, every=2), lambda t: 0.5 ** (t // 2)),
        ("invscaling", lambda t: (1 + t) ** -0.5),
        (lambda t: 1 / (1 + t), lambda t: 1 / (1 + t)),
    ],
)
def test_the_schedule_advances_within_epochs(schedule, factor):
    X, y = make_data()
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.1, batch_size=16, shuffle=False, schedule=schedule)
    model.set_params(max_iter=5, tol=None).fit(X, y)
    replay = Replay(X, y, 1e-4)
    for t, rows in enumerate(5 * in_order(61, 16)):
        replay.theta = replay.theta - 0.1 * factor(t / 4) * replay.step_gradient(rows)
    np.testing.assert_allclose(parameters(model), replay.parameters(), rtol=1e-9, atol=1e-12)
    assert model.learning_rate_ == 0.1


@pytest.mark.parametrize(
    "bad", [lambda t: t - 1, lambda t: np.full_like(t, np.nan), lambda t: np.ones(3), lambda t: None]
)
def test_a_schedule_that_returns_nonsense_is_refused(bad):
    X, y = make_data()
    with pytest.raises((ValueError, TypeError), match=r"schedule|float"):
        GDLinearRegressor(optimizer="sgd", schedule=bad, batch_size=10).fit(X, y)


def test_the_plateau_schedule_follows_the_loss():
    X, y = make_data()
    schedule = ReduceOnPlateau(decay=0.5, patience=2, threshold=0.05)
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.3, schedule=schedule, batch_size=None, alpha=0)
    model.set_params(max_iter=25, tol=None).fit(X, y)
    replay, factor, best, stale = Replay(X, y), 1.0, np.inf, 0
    factors = []
    for _ in range(25):
        loss = replay.objective()
        replay.theta = replay.theta - 0.3 * factor * replay.step_gradient()
        factors.append(factor)
        if best == np.inf or loss < 0.95 * best:
            best, stale = loss, 0
        else:
            stale += 1
        if stale == 2:
            factor, stale = factor * 0.5, 0
    assert len(set(factors)) > 3
    np.testing.assert_allclose(parameters(model), replay.parameters(), rtol=1e-9, atol=1e-12)


# -- when it stops


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize(("optimizer", "learning_rate"), [("sgd", 0.1), ("sgd", 0.002), ("nesterov", 0.02)])
def test_stops_at_full_batch_when_the_objective_is_nearly_as_low_as_it_can_be(optimizer, learning_rate, tol):
    X, y = make_data()
    replay = Replay(X, y, 1e-4)
    hessian = replay.Z.T @ replay.Z / len(y) + 1e-4 * np.diag(replay.penalised)
    replay.theta = np.linalg.solve(hessian, replay.Z.T @ replay.target / len(y))
    best = replay.objective() * replay.target_scale**2
    settings = {"optimizer": optimizer, "learning_rate": learning_rate, "batch_size": None, "max_iter": 20_000}
    model = GDLinearRegressor(tol=tol, **settings).fit(X, y)
    assert model.converged_ is True
    assert model.stop_reason_ == "converged"
    assert model.n_iter_ == len(model.loss_curve_)
    # a slow descent is followed far, and none is drawn out
    excess = model.loss_curve_ / best - 1
    assert -1e-12 <= excess[-1] <= 10 * tol
    there = np.flatnonzero(excess <= tol)
    assert there.size == 0 or model.n_iter_ <= there[0] + 20
    patient = GDLinearRegressor(tol=tol, n_iter_no_change=20, **settings).fit(X, y)
    assert patient.n_iter_ >= model.n_iter_ + 15


@pytest.mark.parametrize(("tol", "near_zero"), [(1e-3, 0.1), ("auto", 0.4)])
@pytest.mark.parametrize("n_iter_no_change", [1, 3, 6])
def test_stops_on_mini_batches_when_the_objective_finds_no_new_best(n_iter_no_change, tol, near_zero):
    # and takes the mean of the parameters over all updates since it found none
    X, y = make_data()
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.05, batch_size=16, shuffle=False, tol=tol)
    model.set_params(n_iter_no_change=n_iter_no_change).fit(X, y)
    replay, best, stale, epochs, path = Replay(X, y, 1e-4), np.inf, 0, 0, []
    near_zero *= 0.5  # this share of what a constant model leaves of scaled targets
    while stale < n_iter_no_change:
        losses, path = [], path if stale else []
        for rows in in_order(61, 16):
            losses.append((rows.stop - rows.start) * replay.objective(rows) / 61)
            replay.theta = replay.theta - 0.05 * replay.step_gradient(rows)
            path += [replay.theta] * (stale > 0)
        loss = np.sum(losses)
        stale = stale + 1 if best < np.inf and loss >= best - 1e-3 * max(min(best, loss), near_zero) else 0
        best = min(best, loss)
        epochs += 1
    assert model.n_iter_ == len(model.loss_curve_) == epochs
    assert model.converged_ is True
    settled = np.mean(path, axis=0) if path else replay.theta
    np.testing.assert_allclose(parameters(model), replay.parameters(settled), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_iter_no_change", [1, 4])
def test_stops_when_no_parameter_moves(n_iter_no_change):
    X, y = make_data()
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.1, batch_size=16, shuffle=False, criterion="step")
    model.set_params(tol=1e-3, schedule=lambda t: 0.8**t, n_iter_no_change=n_iter_no_change).fit(X, y)
    replay, stale, epochs = Replay(X, y, 1e-4), 0, 0
    while stale < n_iter_no_change:
        before = replay.theta
        for i, rows in enumerate(in_order(61, 16)):
            replay.theta = replay.theta - 0.1 * 0.8 ** (epochs + i / 4) * replay.step_gradient(rows)
        epochs += 1
        stale = stale + 1 if np.abs(replay.theta - before).max() <= 1e-3 else 0
    assert model.n_iter_ == epochs
    assert model.converged_ is True
    np.testing.assert_allclose(parameters(model), replay.parameters(), rtol=1e-8)


@pytest.mark.parametrize("tol", [1e-3, 1e-8])
@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_the_gradient_criterion_is_a_certificate(kind, batch_size, tol):
    X, y = make_data(kind)
    weight = np.random.default_rng(2).uniform(0.1, 3, len(y))
    model = ESTIMATORS[kind](
        optimizer="sgd",
        learning_rate=0.5,
        batch_size=batch_size,
        criterion="gradient",
        tol=tol,
        alpha=0.1,
        random_state=0,
    )
    model.set_params(schedule="constant" if batch_size is None else lambda t: 0.9**t, max_iter=1000)
    model = fit_quietly(model, X, y, sample_weight=weight)
    replay = Replay(X, y, 0.1, weight, logistic=kind in CLASSIFIERS).take(model)
    gradient = np.abs(replay.gradient()).max()
    assert model.gradient_norm_ == pytest.approx(gradient, rel=1e-4, abs=1e-12)
    assert model.converged_ == (gradient <= tol * (1 + 1e-6))
    assert model.converged_ or batch_size is not None
    assert model.stop_reason_ == ("converged" if model.converged_ else "max_iter")


def test_the_gradient_criterion_of_line_searches_asks_for_the_largest_component():
    plan = SimpleNamespace(criterion_of_solver="gradient", tol=2.0, n_iter_no_change=1)
    for steepest, met in ([3.0, 0.0, 0.0], False), ([0.0, -3.0, 0.0], False), ([2.0, -2.0, 2.0], True):
        search = SimpleNamespace(steepest=np.array(steepest))
        assert SearchCriterion(plan).is_met(search, None, gain=1.0) == met == (np.linalg.norm(steepest, np.inf) <= 2.0)


def test_the_gradient_criterion_holds_for_networks():
    X, y = make_data("network")
    model = GDMLPRegressor(
        hidden_layer_sizes=(3,), activation="tanh", optimizer="nesterov", learning_rate=0.01, alpha=0.1, batch_size=None
    )
    model.set_params(criterion="gradient", tol=1e-6, max_iter=20_000, random_state=0, standardize=False).fit(X, y)
    assert model.converged_
    arrays = [a.copy() for a in model.coefs_ + model.intercepts_]

    def objective():
        W1, W2, b1, b2 = arrays
        residual = (np.tanh(X @ W1 + b1) @ W2 + b2)[:, 0] - y
        return 0.5 * np.mean(residual**2) + 0.05 * (np.sum(W1**2) + np.sum(W2**2))

    for array in arrays:
        for j in np.ndindex(array.shape):
            value, h = array[j], 1e-4
            array[j] = value + h
            above = objective()
            array[j] = value - h
            slope = (above - objective()) / (2 * h)
            array[j] = value
            assert abs(slope) < 1e-5


@pytest.mark.parametrize("batch_size", [None, 16])
def test_without_a_tolerance_all_epochs_run(kind, batch_size):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](tol=None, max_iter=37, batch_size=batch_size).fit(X, y)  # and no warning
    assert model.n_iter_ == len(model.loss_curve_) == 37
    assert model.stop_reason_ == "max_iter"
    assert model.converged_ is False


def test_running_out_of_epochs_warns(kind):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](optimizer="nesterov", tol=1e-12, max_iter=4)
    with pytest.warns(ConvergenceWarning, match="max_iter=4"):
        model.fit(X, y)
    assert model.n_iter_ == 4
    assert model.stop_reason_ == "max_iter"
    assert model.converged_ is False


def test_early_stopping_restores_the_parameters_that_were_best_on_the_part_held_out():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 3))
    y = X[:, 0] + rng.standard_normal(60)  # mostly noise: a wide network fits it too well
    settings = {
        "hidden_layer_sizes": (100,),
        "learning_rate": 0.02,
        "early_stopping": True,
        "validation_fraction": 0.3,
        "random_state": 0,
        "batch_size": 10,
        "alpha": 0,
    }
    model = GDMLPRegressor(tol=0.0, n_iter_no_change=15, max_iter=1000, **settings).fit(X, y)
    assert model.stop_reason_ == "early_stopping"
    curve = model.validation_curve_
    best = int(curve.argmin())
    assert len(curve) == model.n_iter_ == best + 1 + 15
    assert curve[-1] > curve[best]
    assert model.converged_ is False
    # a fit that ends at the best epoch has these parameters, and its curve is the beginning of the longer one
    short = GDMLPRegressor(tol=None, max_iter=best + 1, **settings).fit(X, y)
    assert np.array_equal(short.validation_curve_, curve[: best + 1])
    assert np.array_equal(parameters(short), parameters(model))


@pytest.mark.parametrize("as_sparse", [False, True])
def test_early_stopping_looks_at_the_rows_that_are_held_out(kind, as_sparse):
    X, y = make_data(kind, n=300)
    if as_sparse:
        X = sparse.csr_array(np.where(np.abs(X) < 0.5, 0.0, X))
    weight = np.random.default_rng(0).uniform(0, 2, 300) * (np.arange(300) % 7 > 0)
    classes = y if kind in CLASSIFIERS else None
    _, rows = hold_out(300, 0.2, weight, classes, np.random.RandomState(5))
    model = ESTIMATORS[kind](early_stopping=True, validation_fraction=0.2, optimizer="adam", learning_rate=0.1)
    model.set_params(batch_size=20, tol=0.0, n_iter_no_change=3, max_iter=500, random_state=5)
    model.fit(X, y, sample_weight=weight)
    assert model.stop_reason_ == "early_stopping"
    assert len(model.validation_curve_) == model.n_iter_
    if kind in CLASSIFIERS:
        losses = -model.predict_log_proba(X)[np.arange(300), y]
    else:
        losses = 0.5 * (model.predict(X) - y) ** 2
    expected = np.average(losses[rows], weights=weight[rows])
    assert model.validation_curve_.min() == pytest.approx(expected, rel=1e-9)


def test_early_stopping_keeps_the_share_of_rare_classes_in_both_parts():
    X, _ = make_data(n=100)
    y = np.array(["rare"] * 10 + ["common"] * 90)
    settings = {"optimizer": "sgd", "learning_rate": NO_STEP, "max_iter": 1, "tol": None}
    for seed in range(5):
        model = GDLogisticClassifier(early_stopping=True, validation_fraction=0.2, random_state=seed, **settings)
        odds = model.fit(X, y).intercept_[0] + model.coef_[0] @ X.mean(axis=0)
        assert odds == pytest.approx(logit(8 / 80), abs=0.05)  # the start: log-odds of the rows to train on
        expected = 0.1 * np.logaddexp(0, -odds) + 0.9 * np.logaddexp(0, odds)  # 2 of the 20 rows held out
        assert model.validation_curve_[0] == pytest.approx(expected, rel=1e-9)


# -- the same again


@pytest.mark.parametrize("batch_size", [None, 7])
def test_the_same_random_state_gives_the_same_bits(kind, batch_size):
    X, y = make_data(kind)
    settings = {"optimizer": "adam", "batch_size": batch_size, "max_iter": 5, "tol": None}
    first, second = (parameters(ESTIMATORS[kind](random_state=3, **settings).fit(X, y)) for _ in range(2))
    assert np.array_equal(first, second)
    generators = [np.random.RandomState(3), np.random.RandomState(3)]
    first, second = (parameters(ESTIMATORS[kind](random_state=g, **settings).fit(X, y)) for g in generators)
    assert np.array_equal(first, second)
    if batch_size is not None or kind in NETWORKS:
        assert not np.array_equal(first, parameters(ESTIMATORS[kind](random_state=4, **settings).fit(X, y)))


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
def test_weights_equal_repetition_at_full_batch(kind, optimizer, standardize):
    X, y = make_data(kind)
    counts = np.random.default_rng(5).integers(0, 4, len(y))
    assert (counts == 0).any()
    settings = {"optimizer": optimizer, "learning_rate": 0.02, "batch_size": None, "max_iter": 60, "tol": None}
    make = lambda: ESTIMATORS[kind](random_state=0, standardize=standardize, **settings)  # noqa: E731
    weighted = make().fit(X, y, sample_weight=counts)
    repeated = make().fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    # where the intercept starts at its optimum, Adam divides one rounding error by another
    rtol = 1e-3 if optimizer == "adam" else 1e-8
    np.testing.assert_allclose(parameters(weighted), parameters(repeated), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("factor", [1e-300, 0.37, 1e6, 1e300])
def test_only_the_proportions_of_weights_count(kind, factor):
    X, y = make_data(kind)
    weight = np.random.default_rng(5).uniform(0, 2, len(y))
    settings = {"optimizer": "nesterov", "learning_rate": 0.02, "max_iter": 5, "tol": None, "random_state": 0}
    one, other = (ESTIMATORS[kind](**settings).fit(X, y, sample_weight=w) for w in (weight, factor * weight))
    np.testing.assert_allclose(parameters(other), parameters(one), rtol=1e-8, atol=1e-10)


# -- going on


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_partial_fit_goes_on_with_state_and_schedule(momentum):
    X, y = make_data()
    model = GDLinearRegressor(optimizer=SGD(momentum=momentum), learning_rate=0.1, schedule=lambda t: 1 / (1 + t))
    model.set_params(batch_size=16, shuffle=False)
    for _ in range(6):
        model.partial_fit(X, y)
    replay, velocity = Replay(X, y, 1e-4), np.zeros(4)
    for t, rows in enumerate(6 * in_order(61, 16)):
        velocity = momentum * velocity - 0.1 / (1 + t / 4) * replay.gradient(rows)
        replay.theta = replay.theta + velocity
    np.testing.assert_allclose(parameters(model), replay.parameters(), rtol=1e-8)
    assert model.n_iter_ == len(model.loss_curve_) == 6
    assert model.t_ == 24


def test_partial_fit_makes_the_steps_of_fit(kind):
    X, y = make_data(kind)
    settings = {
        # Adam would make much of the intercept's gradient, which is zero up to rounding on centred data
        "optimizer": SGD(momentum=0.9, nesterov=True) if kind == "linear" else "adam",
        "learning_rate": 0.05,
        "batch_size": None,
        "random_state": 0,
        "schedule": "invscaling",
    }
    streamed = ESTIMATORS[kind](**settings)
    for _ in range(8):
        streamed.partial_fit(X, y, **({"classes": [0, 1]} if kind in CLASSIFIERS else {}))
    fitted = ESTIMATORS[kind](max_iter=8, tol=None, **settings).fit(X, y)
    np.testing.assert_allclose(parameters(streamed), parameters(fitted), rtol=1e-8, atol=1e-10)


def test_partial_fit_standardises_by_all_rows_so_far():
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.standard_normal((90, 2)), axis=0) * [1, 100] + [0, 1e5]  # drifts
    y = X[:, 0] + 0.01 * X[:, 1]
    weight = rng.uniform(0.1, 2, 90)
    model = GDLinearRegressor(optimizer="sgd", learning_rate=NO_STEP, alpha=0, batch_size=None)
    for rows in in_order(90, 30):
        model.partial_fit(X[rows], y[rows], sample_weight=weight[rows])
    # one real step shows the scaling: coef = rate * covariance / variance, both over all rows
    before = model.predict(X[60:])
    coef_before = model.coef_.copy()
    model.set_params(learning_rate=1.0).partial_fit(X[60:], y[60:], sample_weight=weight[60:])
    seen, w = np.r_[0:90, 60:90], np.concatenate([weight, weight[60:]])
    mean = np.average(X[seen], axis=0, weights=w)
    variance = np.average((X[seen] - mean) ** 2, axis=0, weights=w)
    expected = -np.average((X[60:] - mean) * (before - y[60:])[:, None], axis=0, weights=weight[60:]) / variance
    np.testing.assert_allclose(model.coef_ - coef_before, expected, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum"])  # which forgets steps in other units
def test_new_means_and_deviations_leave_the_predictions_as_they_are(kind, optimizer):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](optimizer=optimizer, learning_rate=0.05, random_state=0, alpha=0)
    classes = {"classes": [0, 1]} if kind in CLASSIFIERS else {}
    for _ in range(5):
        model.partial_fit(X, y, **classes)
    raw = model.decision_function if kind in CLASSIFIERS else model.predict
    before = raw(X)
    assert before.std() > 0.01
    model.set_params(learning_rate=NO_STEP)
    other = y if kind in CLASSIFIERS else 300 - 50 * y
    model.partial_fit(40 * X - 500, other)
    np.testing.assert_allclose(raw(X), before, rtol=1e-8, atol=1e-8)


def test_a_stream_reaches_a_good_fit():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 5)) * [1e-3, 1, 10, 1e3, 1] + [1, 0, -50, 1e5, 3]
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    y = 1e4 + 500 * (z @ [1, -2, 0.5, 1, 0] + 0.5 * rng.standard_normal(4000))
    labels = np.where(z @ [1, -2, 0.5, 1, 0] + rng.logistic(size=4000) > 0, "yes", "no")
    regressor, classifier = GDLinearRegressor(random_state=0), GDLogisticClassifier(random_state=0)
    for rows in 3 * in_order(4000, 100):
        regressor.partial_fit(X[rows], y[rows])
        classifier.partial_fit(X[rows], labels[rows], classes=["no", "yes"])
    Z1 = np.column_stack([z, np.ones(4000)])
    best = 1 - np.sum((y - Z1 @ np.linalg.lstsq(Z1, y, rcond=None)[0]) ** 2) / np.sum((y - y.mean()) ** 2)
    assert regressor.score(X, y) > best - 0.01
    exact = GDLogisticClassifier().fit(X, labels)
    assert classifier.score(X, labels) > exact.score(X, labels) - 0.01
    assert regressor.n_iter_ == classifier.n_iter_ == 120


def test_a_network_learns_from_a_stream():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (3000, 2))
    y = 100 * np.sin(2 * X[:, 0]) + 1000
    model = GDMLPRegressor(hidden_layer_sizes=(30,), learning_rate=0.01, random_state=0, batch_size=20)
    for rows in 10 * in_order(3000, 300):
        model.partial_fit(X[rows], y[rows])
    assert model.score(X, y) > 0.95


def test_warm_start_goes_on(kind):
    X, y = make_data(kind)
    settings = {"optimizer": "momentum", "learning_rate": 0.02, "batch_size": None, "tol": None, "random_state": 0}
    settings["schedule"] = InverseScaling()
    warm = ESTIMATORS[kind](warm_start=True, max_iter=6, **settings)
    for n_epochs in (6, 12, 18):
        warm.fit(X, y)
        assert warm.n_iter_ == len(warm.loss_curve_) == n_epochs
    whole = ESTIMATORS[kind](max_iter=18, **settings).fit(X, y)
    np.testing.assert_allclose(parameters(warm), parameters(whole), rtol=1e-10)
    np.testing.assert_allclose(warm.loss_curve_, whole.loss_curve_, rtol=1e-10)
    cold = ESTIMATORS[kind](max_iter=6, **settings)
    once = parameters(cold.fit(X, y))
    assert np.array_equal(once, parameters(cold.fit(X, y)))
    assert cold.n_iter_ == 6


def test_warm_start_on_an_optimum_ends_soon():
    X, y = make_data()
    model = GDLinearRegressor(warm_start=True, criterion="gradient", tol=1e-8, batch_size=None).fit(X, y)
    epochs = model.n_iter_
    model.fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= epochs + 2


def test_warm_start_on_other_data_reaches_their_optimum():
    X, y = make_data()
    model = GDLinearRegressor(warm_start=True, criterion="gradient", tol=1e-8, batch_size=None).fit(X, y)
    X, y = 10 * X + 100, 3 * y - 7 * X[:, 0]
    model.fit(X, y)
    assert np.abs(Replay(X, y, 1e-4).take(model).gradient()).max() < 1e-7


# -- divergence


def tutorial_data(kind, n=200):
    """A tutorial's first example: features in the hundreds, as they come."""
    rng = np.random.default_rng(0)
    X = rng.uniform(100, 900, (n, 3))
    y = X @ [3.0, -2.0, 1.0] + 50 + 20 * rng.standard_normal(n)
    return X, (y > np.median(y)).astype(int) if kind in CLASSIFIERS else y


def diverges(model, X, y):
    """Fit; the divergence warning's text, or None."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert all(issubclass(w.category, ConvergenceWarning) for w in caught), [str(w.message) for w in caught]
    texts = [str(w.message) for w in caught if "diverged" in str(w.message)]
    assert len(texts) <= 1
    assert bool(texts) == (model.stop_reason_ == "diverged")
    return texts[0] if texts else None


def loss_of(model, kind, X, y):
    if kind in CLASSIFIERS:
        raw = model.decision_function(X)
        return np.mean(np.logaddexp(0, raw) - y * raw)
    return 0.5 * np.mean((model.predict(X) - y) ** 2)


@pytest.mark.parametrize("batch_size", [None, "auto", 1, 32])
@pytest.mark.parametrize("optimizer", ["auto", "sgd", "momentum", "nesterov", "adagrad", "adam", "lion"])
def test_a_rate_far_too_large_ends_in_finite_parameters_and_a_rate_that_works(kind, optimizer, batch_size):
    if kind in NETWORKS and optimizer == "auto":
        pytest.skip("networks have no such choice")
    X, y = tutorial_data(kind)
    settings = {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "standardize": False,
        "max_iter": 30,
        "random_state": 0,
    }
    model = ESTIMATORS[kind](learning_rate=0.01, **settings)
    text = diverges(model, X, y)
    null = np.log(2) if kind in CLASSIFIERS else 0.5 * np.var(y)
    assert np.isfinite(parameters(model)).all()
    assert np.isfinite(model.loss_curve_).all()
    assert model.learning_rate_ == 0.01  # a user's rate is honoured
    if kind == "linear" and optimizer in ("auto", "sgd", "momentum", "nesterov"):
        assert text is not None  # more than a hundred thousand times too large for the squared error
    if text is None:
        return
    assert not model.converged_
    epoch = int(re.search(r"epoch ([0-9]+)", text)[1])
    assert 1 <= epoch <= 30
    named, better = (float(rate) for rate in re.findall(r"learning_rate=" + NUMBER, text)[:2])
    assert named == 0.01
    assert 0 < better < 0.01
    refit = ESTIMATORS[kind](learning_rate=better, **settings)
    assert diverges(refit, X, y) is None
    assert np.isfinite(parameters(refit)).all()
    # rules that move by signs bounce about the optimum without growing
    assert loss_of(refit, kind, X, y) < (2 if optimizer in ("lion", "adam", "adagrad") else 1.01) * null


def test_a_divergent_fit_keeps_the_best_parameters_and_can_be_repaired_by_auto():
    X, y = tutorial_data("linear")
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.01, standardize=False, batch_size=None)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, y)
    assert loss_of(model, "linear", X, y) <= 0.5 * np.mean(y**2) * (1 + 1e-12)  # no worse than the start
    model.set_params(learning_rate="auto", max_iter=20)
    assert diverges(model, X, y) is None
    assert loss_of(model, "linear", X, y) < 0.5 * np.var(y)


class Understated(SquaredError):
    """With a bound of the curvature that is far too low: the first rates diverge."""

    curvature = 0.02


@pytest.mark.parametrize("batch_size", [None, 20])
def test_after_a_back_off_the_average_begins_anew(batch_size):
    X, y = make_data(n=300)
    settings = {"optimizer": "sgd", "batch_size": batch_size, "random_state": 0, "max_iter": 3000, "tol": None}
    model = GDLinearRegressor(loss=Understated(), average=0, **settings).fit(X, y)
    first = GDLinearRegressor(**settings | {"max_iter": 1}).fit(X, y).learning_rate_ / Understated.curvature
    assert model.learning_rate_ < first / 2  # there were back-offs
    best = Ridge(alpha=1e-4 * len(y)).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), best.coef_, rtol=0.01)
    assert model.score(X, y) == pytest.approx(best.score((X - X.mean(axis=0)) / X.std(axis=0), y), abs=1e-3)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_the_best_epoch_is_kept_when_a_later_one_diverges(batch_size):
    # rates that are right for five epochs, and then are not
    X, y = make_data()
    settings = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": batch_size, "shuffle": False, "tol": None}
    model = GDLinearRegressor(schedule=lambda t: np.where(t < 5, 1.0, 1e4), max_iter=30, **settings)
    assert diverges(model, X, y) is not None
    best = int(model.loss_curve_.argmin())  # measured before the steps of an epoch: of the parameters it began with
    assert best >= 4
    np.testing.assert_array_equal(parameters(model), parameters(GDLinearRegressor(max_iter=best, **settings).fit(X, y)))


class UpToSomeRate(Optimizer):
    """Plain descent at rates up to 0.0128, and none above."""

    default_learning_rate = 0.01

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] = params[j] - learning_rate * grads[j] if learning_rate <= 0.0128 else np.nan


def test_a_rate_is_tried_as_it_is_printed():
    # a tenth of 0.1251 works, and 0.013, as that is rounded, doesn't
    X, y = make_data()
    model = GDLinearRegressor(optimizer=UpToSomeRate(), learning_rate=0.1251, max_iter=10, tol=None)
    text = diverges(model, X, y)
    better = float(re.findall(r"learning_rate=" + NUMBER, text)[1])
    assert diverges(model.set_params(learning_rate=better), X, y) is None


def test_a_fit_that_goes_round_in_circles_ends_with_its_best_parameters():
    X, y = make_data()
    model = GDLinearRegressor(optimizer="lion", learning_rate=0.05, batch_size=None).fit(X, y)
    assert model.converged_
    assert model.loss_curve_[-1] > 1.001 * model.loss_curve_.min()  # or this tests nothing
    replay = Replay(X, y, 1e-4).take(model)
    assert replay.objective() * replay.target_scale**2 == pytest.approx(model.loss_curve_.min(), rel=1e-9)


def test_a_stream_finds_a_rate_that_works_if_it_may():
    X, y = make_data(n=400)
    model = GDLinearRegressor(loss=Understated(), optimizer="sgd", batch_size=1, random_state=0)
    first = GDLinearRegressor(optimizer="sgd", batch_size=1).partial_fit(X[:100], y[:100]).learning_rate_
    for rows in 5 * in_order(400, 100):
        model.partial_fit(X[rows], y[rows])  # a warning would be an error
    assert model.learning_rate_ < 20 * first  # it began with fifty times as much
    assert model.score(X, y) > 0.9


def test_divergence_in_a_stream_is_told():
    X, y = tutorial_data("linear")
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.01, standardize=False, batch_size=10)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.partial_fit(X, y)
    assert np.isfinite(parameters(model)).all()


def test_a_divergence_in_a_later_call_of_a_stream_leaves_what_was_there_and_is_advised():
    X, y = make_data(n=64)
    model = GDLinearRegressor(optimizer="adam", learning_rate=1e-3, batch_size=2, shuffle=False)  # no rate from theory
    before = parameters(model.partial_fit(X, y))
    with pytest.warns(ConvergenceWarning, match=rf"diverged in epoch 2 .*learning_rate={NUMBER} would work") as warned:
        model.set_params(learning_rate=1e10).partial_fit(X, y)
    np.testing.assert_allclose(parameters(model), before, rtol=1e-12)
    advice = re.search(rf"learning_rate={NUMBER} would", str(warned[0].message)).group(1)
    assert model.set_params(learning_rate=float(advice)).partial_fit(X, y).stop_reason_ == "max_iter"


def test_rows_that_are_immense_beside_those_before_are_no_error_in_a_stream():
    X, y = positive_data()
    model = GDLinearRegressor(loss="gamma", optimizer="sgd", learning_rate=1e-9, standardize=False, batch_size=None)
    before = parameters(model.partial_fit(X, y))
    with pytest.warns(ConvergenceWarning, match="diverged"):  # by the rate: a constant has as immense a loss
        model.set_params(learning_rate=1e300).partial_fit(X, 1e25 * y)
    np.testing.assert_array_equal(parameters(model), before)


def test_an_outlier_among_ordinary_rows_of_a_stream_is_no_divergence():
    X, y = positive_data()
    model = GDLinearRegressor(loss="gamma", optimizer="sgd", learning_rate=1e-12, standardize=False, batch_size=16)
    model.set_params(shuffle=False).partial_fit(X, y)
    y[-1] = 1e10  # in the last of four batches
    assert model.partial_fit(X, y).stop_reason_ == "max_iter"  # a warning would be an error


def positive_data():
    X = np.random.default_rng(0).normal(size=(64, 3))
    return X, np.exp(X @ [0.1, 0.2, 0.3] - 2)


def test_streams_that_go_on_ask_for_no_best_constant(monkeypatch):
    asked, of_huber = [], Huber.best_constant
    monkeypatch.setattr(Huber, "best_constant", lambda self, *args: asked.append(args) or of_huber(self, *args))
    X, y = make_data(n=64)
    weight = np.linspace(0, 2, 64)
    for batch_size in (None, 16):
        model = GDLinearRegressor(loss="huber", batch_size=batch_size).partial_fit(X, y)
        assert asked
        asked.clear()
        model.partial_fit(X, y, sample_weight=weight).partial_fit(X[:32], y[:32])
        assert not asked


@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.each("optimizer", OPTIMIZERS)
def test_a_rate_left_to_skgd_never_diverges(kind, optimizer, batch_size):
    for factor, standardize in ((1, False), (1e4, False), (1e4, True)):
        X, y = tutorial_data(kind, n=60)
        X = factor * X
        model = ESTIMATORS[kind](optimizer=optimizer, batch_size=batch_size, standardize=standardize, random_state=0)
        model.set_params(max_iter=15, tol=None)
        assert diverges(model, X, y) is None
        assert np.isfinite(parameters(model)).all()
        assert np.isfinite(model.loss_curve_).all()
        if standardize:
            null = np.log(2) if kind in CLASSIFIERS else 0.5 * np.var(y)
            assert loss_of(model, kind, X, y) < (1.01 if kind not in NETWORKS else 1.5) * null


def test_a_rate_just_above_the_limit_does_not_count_as_convergence():
    X, y = make_data()
    top = np.linalg.eigvalsh(Replay(X, y).Z.T @ Replay(X, y).Z / len(y))[-1]
    for factor, good in ((1.9, True), (2.1, False)):
        model = GDLinearRegressor(optimizer="sgd", learning_rate=factor / top, alpha=0, batch_size=None, max_iter=3000)
        text = diverges(model, X, y)
        assert (text is None) == good
        assert model.converged_ == good


# -- interruptions, memory, output


INTERRUPTED = """
import json, os, signal, threading, warnings
import numpy as np
from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.optimizers import SGD, Optimizer

class InPython(Optimizer):
    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        with np.errstate(over="ignore"):
            params -= learning_rate * grads

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.standard_normal((1_000, 20))
y = (X[:, 0] > 0).astype(int)
long, ends = {"max_iter": 10**7, "tol": None}, []
for model in (
    GDLinearRegressor(optimizer="sgd", batch_size=10),
    GDLogisticClassifier(batch_size=None),
    GDMLPRegressor(hidden_layer_sizes=(100, 100), batch_size=100, optimizer="sgd", learning_rate=1e-6),
    GDLinearRegressor(optimizer=InPython(), learning_rate=1e-6, batch_size=10),
    GDMLPRegressor(hidden_layer_sizes=(20,), n_restarts=4, n_jobs=2),
):
    model.set_params(max_iter=1, tol=None).fit(X, y)
    n_updates = model.t_
    threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        model.set_params(**long).fit(X, y)
    except KeyboardInterrupt:
        # where all is slow, one epoch is all that there was time for
        ends.append([model.stop_reason_, model.n_iter_ == len(model.loss_curve_), model.t_ >= n_updates])
        n_iter = model.n_iter_
        model.set_params(warm_start=True, max_iter=1).fit(X, y)
        assert model.n_iter_ == n_iter + 1
print(json.dumps(ends))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_ends_a_long_fit_and_keeps_what_it_has_learned(answer_of_a_copy):
    assert answer_of_a_copy(INTERRUPTED) == [["interrupted", True, True]] * 5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_training_makes_no_copy_of_the_features(kind, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150_000, 64), dtype=np.float32).astype(dtype)
    y = (X[:, 0] > 0).astype(np.float64)
    model = ESTIMATORS[kind](optimizer="sgd", learning_rate=1e-3, batch_size=1000, max_iter=2, tol=None)
    model.fit(X[:1000], y[:1000])  # compiled code and imports don't count
    peaks = []
    for settings in ({}, {"learning_rate": "auto", "batch_size": None}):
        tracemalloc.start()
        try:
            model.set_params(**settings).fit(X, y)
            peaks.append(tracemalloc.get_traced_memory()[1] / X.nbytes)
        finally:
            tracemalloc.stop()
    # a few numbers per row, of 64 or 32 times that size; then also 10,000 rows for the learning rate
    assert peaks[0] < 0.1
    assert peaks[1] < 0.35
    assert np.array_equal(X[:, 0] > 0, y)


@pytest.mark.parametrize("model", [GDLinearRegressor(), GDLogisticClassifier(), GDLinearRegressor(optimizer="sgd")])
def test_few_columns_of_float32_need_little_memory_beside_them(model):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1_500_000, 20), dtype=np.float32)
    y = X[:, 0] + rng.standard_normal(len(X), dtype=np.float32)
    if isinstance(model, GDLogisticClassifier):
        y = (y > 0).astype(np.int64)
    model.fit(X[:20_000], y[:20_000])  # compiled code doesn't count
    tracemalloc.start()
    try:
        model.fit(X, y)
        assert tracemalloc.get_traced_memory()[1] < 0.1 * X.nbytes
    finally:
        tracemalloc.stop()


def test_float64_targets_keep_their_digits_beside_float32_features():
    X = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    y = X.astype(float) @ [1.0, 2.0, 3.0]
    for optimizer in ("auto", "nesterov"):
        model = GDLinearRegressor(optimizer=optimizer, alpha=0).fit(X, y + 1e9)  # of which float32 knows the hundreds
        np.testing.assert_allclose(model.coef_, [1.0, 2.0, 3.0], rtol=1e-3)


@pytest.mark.parametrize("parameters", [{}, {"loss": "huber"}, {"loss": "quantile"}, {"optimizer": "adam"}])
def test_float32_targets_are_their_values(parameters):
    X = np.random.default_rng(0).standard_normal((2_000, 3)).astype(np.float32)
    y = (1000 + X @ [1, 2, 3] + np.sin(7 * X[:, 0])).astype(np.float32)
    model = GDLinearRegressor(random_state=0, **parameters)
    as_they_are = model.fit(X, y, X_val=X[:100], y_val=y[:100]).coef_
    as_float64 = model.fit(X, y.astype(np.float64), X_val=X[:100], y_val=y[:100].astype(np.float64)).coef_
    np.testing.assert_allclose(as_they_are, as_float64, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["auto", "sgd", "svrg"])
def test_what_a_fit_needed_is_given_back_at_once(optimizer):
    X = np.random.default_rng(0).standard_normal((150_000, 8))
    y = np.digitize(X[:, 0], [-1, 1])  # its classes as float64 are a copy
    model = GDLogisticClassifier(optimizer=optimizer, max_iter=2, tol=None).fit(X, y)  # compiled code stays
    gc.collect()
    gc.disable()  # circles of references would wait for it, a copy of the targets with them
    tracemalloc.start()
    try:
        model.fit(X, y)
        assert tracemalloc.get_traced_memory()[0] < 0.5 * y.nbytes
    finally:
        tracemalloc.stop()
        gc.enable()


def test_verbose_prints_a_line_for_each_of_few_epochs_and_one_at_the_end(kind, capsys):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](verbose=1, max_iter=5, tol=None, batch_size=20, optimizer="adam", learning_rate=0.01)
    model.fit(X, y)
    *lines, end = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"epoch {epoch}/5" for epoch in range(1, 6)]
    assert all("rate 0.01" in line and re.search(r"\d\.\d s", line) for line in lines)
    assert "to go" not in lines[0]
    assert lines[-1].endswith("at most 0.0 s to go")
    assert end.startswith("all epochs done after epoch 5  objective")
    model.set_params(verbose=0).fit(X, y)
    assert capsys.readouterr().out == ""
    model.set_params(verbose=1, early_stopping=True, max_iter=3).fit(X, y)
    *lines, _ = capsys.readouterr().out.splitlines()
    losses = [float(re.search(rf"validation ({NUMBER})", line)[1]) for line in lines]
    np.testing.assert_allclose(losses, model.validation_curve_, rtol=1e-4)
    model.set_params(verbose=1, early_stopping=False, warm_start=True).fit(X, y)
    assert capsys.readouterr().out.startswith("epoch 4/6 ")


@pytest.mark.parametrize("n_epochs", [20, 21, 100, 3_000, 10**6])
def test_verbose_1_has_some_twenty_lines_at_most_and_2_one_an_epoch(n_epochs, capsys):
    assert sum(is_due(done, n_epochs) for done in range(1, n_epochs + 1)) <= 26
    assert is_due(1, n_epochs)
    assert is_due(n_epochs, n_epochs)
    if n_epochs <= 100:
        X, y = make_data("linear")
        for verbose, expected in ((1, range(10, 26)), (2, [n_epochs + 1])):
            GDLinearRegressor(verbose=verbose, optimizer="adam", max_iter=n_epochs, tol=None).fit(X, y)
            assert len(capsys.readouterr().out.splitlines()) in expected


def test_verbose_names_the_start(capsys):
    X, y = make_data("network")
    GDMLPRegressor(verbose=2, n_restarts=3, max_iter=2, random_state=0).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split("  ")[0] for line in lines) == [f"start {n}/3" for n in (1, 1, 1, 2, 2, 2, 3, 3, 3)]


def test_verbose_gives_the_objective_in_the_units_of_the_loss_curve(kind, capsys):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](verbose=1, max_iter=2, tol=None).fit(X, y if kind in CLASSIFIERS else 1e3 * y)
    *lines, _ = capsys.readouterr().out.splitlines()
    for line, loss in zip(lines, model.loss_curve_, strict=True):
        assert any(abs(float(number) - loss) < 1e-3 * loss for number in re.findall(NUMBER, line))


# -- what is known afterwards


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("n_targets", [None, 2])
def test_fitted_attributes(kind, batch_size, n_targets):
    X, y = make_data(kind)
    if n_targets == 2:
        y = np.arange(len(y)) % 3 if kind in CLASSIFIERS else np.column_stack([y, -y])
    model = ESTIMATORS[kind](batch_size=batch_size, optimizer="adam", learning_rate=0.01, random_state=0)
    fit_quietly(model, X, y)
    n_outputs = {None: 1, 2: 3 if kind in CLASSIFIERS else 2}[n_targets]
    if kind in NETWORKS:
        assert [c.shape for c in model.coefs_] == [(3, 6), (6, n_outputs)]
        assert [b.shape for b in model.intercepts_] == [(6,), (n_outputs,)]
    else:
        assert model.coef_.shape == ((3,) if kind == "linear" and n_targets is None else (n_outputs, 3))
        assert model.intercept_.shape == (n_outputs,)
    assert isinstance(model.n_iter_, int)
    assert isinstance(model.t_, int)
    assert model.t_ == model.n_iter_ * (1 if batch_size is None else 4)
    assert model.loss_curve_.shape == (model.n_iter_,)
    assert model.validation_curve_.shape == (0,)
    assert isinstance(model.optimizer_, Adam)
    assert isinstance(model.learning_rate_, float)
    assert model.learning_rate_ == 0.01
    assert model.batch_size_ == (61 if batch_size is None else 16)
    assert model.stop_reason_ in ("converged", "max_iter")
    assert model.converged_ is (model.stop_reason_ == "converged")
    assert model.n_features_in_ == 3
    assert hasattr(model, "gradient_norm_")
    if batch_size is None:
        assert model.gradient_norm_ >= 0
    if kind in CLASSIFIERS:
        assert np.array_equal(model.classes_, np.unique(y))


def test_loss_curve_of_several_targets_counts_each_in_units_of_its_variance():
    X, y = make_data()
    Y = np.column_stack([1e6 * y, 1e-3 * X[:, 0] ** 2 + 5])
    model = GDLinearRegressor(optimizer="sgd", max_iter=1, tol=None, batch_size=None, alpha=0).fit(X, Y)
    # at the start, the means are predicted: half a variance for each target
    np.testing.assert_allclose(model.loss_curve_, [1.0], rtol=1e-10)


class RecordingSchedule(Schedule):
    def __init__(self, start=1.0):
        self.start = start

    def factor(self, t):
        return self.start / (1 + t)


def test_objects_of_the_user_are_left_as_they_are(kind):
    X, y = make_data(kind)
    objects = {"optimizer": Adam(beta1=0.8), "schedule": RecordingSchedule()}
    if kind not in CLASSIFIERS:
        objects["loss"] = SquaredError()
    states = {name: dict(vars(thing)) for name, thing in objects.items()}
    X_before, y_before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    model = ESTIMATORS[kind](batch_size=16, max_iter=3, tol=None, **objects)
    parameters_before = dict(model.get_params(deep=False))
    model.fit(X, y)
    model.partial_fit(X, y)
    assert np.array_equal(X, X_before)
    assert np.array_equal(y, y_before)
    for name, thing in objects.items():
        assert vars(thing) == states[name]
        assert getattr(model, name) is thing
    assert model.optimizer_ is not objects["optimizer"]
    assert model.optimizer_.beta1 == 0.8
    assert all(model.get_params(deep=False)[name] is value for name, value in parameters_before.items())


def test_a_failed_refit_leaves_the_earlier_model(kind):
    X, y = make_data(kind)
    model = ESTIMATORS[kind](max_iter=5, tol=None).fit(X, y)
    before, state = model.predict(X), set(vars(model))
    for bad_X, bad_y in ((np.full((len(X), 2), np.inf), y), (X[:5], y), (X, y[:-1])):
        with pytest.raises(ValueError):  # noqa: PT011
            model.fit(bad_X, bad_y)
    with pytest.raises(ValueError, match="schedule"):
        model.set_params(schedule=lambda t: np.full_like(t, -1.0)).fit(2 * X, y)
    assert np.array_equal(model.predict(X), before)
    assert set(vars(model)) == state


def test_the_optimizers_own_rate_holds_unless_the_estimator_has_one():
    X, y = make_data()
    model = GDLinearRegressor(optimizer=SGD(learning_rate=0.03), max_iter=3, tol=None)
    assert model.fit(X, y).learning_rate_ == 0.03
    with pytest.warns(UserWarning, match="learning_rate=0.07 is used"):
        assert model.set_params(learning_rate=0.07).fit(X, y).learning_rate_ == 0.07


def test_batches_larger_than_the_data_mean_all_rows(kind):
    X, y = make_data(kind)
    settings = {"max_iter": 4, "tol": None, "random_state": 0, "optimizer": "adam"}
    larger, full = (ESTIMATORS[kind](batch_size=size, **settings).fit(X, y) for size in (10**9, None))
    assert larger.batch_size_ == 61
    assert np.array_equal(parameters(larger), parameters(full))


# -- the batch size for a given learning rate


def first_size(rate, n, d, curvature, momentum):
    """The first of 2, 4, ..., 64 rows whose rate from theory, 1 / (L_B sqrt(T)), is at least the given one."""
    for size in (2, 4, 8, 16, 32):
        bound = curvature * (np.sqrt(d + 1) * (size - 1) / size + 2 * (d + 1) / (size * (1 - momentum)))
        if rate <= 1 / (bound * np.sqrt(n / size)):
            return size
    return 64


@pytest.mark.parametrize("rate", [1e-5, 1e-3, 3e-3, 1e-2, 1.0])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("estimator", "curvature"), [(GDLinearRegressor, 1.0), (GDLogisticClassifier, 0.25)])
def test_batch_size_follows_a_given_rate(rate, momentum, estimator, curvature):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 7))
    y = X[:, 0] + rng.standard_normal(3000) > 0
    settings = {"max_iter": 1, "tol": None}
    expected = first_size(rate, 3000, 7, curvature, momentum)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the largest rate diverges with momentum
        model = estimator(optimizer=SGD(momentum=momentum), learning_rate=rate, **settings).fit(X, y)
        own = estimator(optimizer=SGD(rate, momentum=momentum), **settings).fit(X, y)
    assert model.batch_size_ == own.batch_size_ == expected


@pytest.mark.parametrize(
    ("given", "X"),
    [
        ({"optimizer": "adam"}, "dense"),
        ({"optimizer": "svrg"}, "dense"),
        ({"loss": "absolute_error"}, "dense"),
        ({"standardize": False}, "dense"),
        ({}, "sparse"),
    ],
)
def test_batch_size_where_the_rate_says_nothing_of_the_noise(given, X):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((1000, 3))
    X = sparse.csr_matrix(rows) if X == "sparse" else rows
    for rate in (1e-6, 1e-2):
        settings = {"optimizer": "sgd", "learning_rate": rate, "max_iter": 1, "tol": None, **given}
        assert GDLinearRegressor(**settings).fit(X, rows[:, 0]).batch_size_ == 16


def test_small_and_large_rates_come_near_the_optimum():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 10))
    y = X @ rng.standard_normal(10) + rng.standard_normal(5000)
    best = Ridge(alpha=1e-4 * len(X)).fit(X, y).score(X, y)
    for rate in (3e-4, 1e-3, 1e-2, 3e-2):
        model = GDLinearRegressor(optimizer="sgd", learning_rate=rate, random_state=0).fit(X, y)
        assert model.score(X, y) > best - 2e-3


@pytest.mark.parametrize("rate", [0.3, 0.1, 0.03])
def test_slow_descent_goes_on_until_little_is_left(rate):
    # steps that bring little are no standstill while as many are to come
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(
        optimizer="sgd", learning_rate=rate, batch_size=None, alpha=0, tol=1e-4, criterion="objective", max_iter=20_000
    ).fit(X, y)
    assert model.converged_
    Z = np.column_stack([np.ones(len(X)), X])
    least = 0.5 * np.mean((y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]) ** 2)
    assert 0 <= model.loss_curve_[-1] / least - 1 < 1.5e-4
