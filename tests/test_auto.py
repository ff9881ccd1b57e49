"""What `auto` becomes, as docs/auto.md says: optimizers, learning rates by their formula, tolerances."""

import re
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor
from skgd._auto import curvature
from skgd.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.standard_normal((640, 7)) @ RNG.standard_normal((7, 7))
TARGETS = X[:, 0] + RNG.standard_normal(640)
CLASSES = (TARGETS > 0).astype(int)


# -- optimizers


@pytest.mark.parametrize(
    ("settings", "name", "hyper"),
    [
        ({}, "LBFGS", {}),
        ({"batch_size": 1000}, "LBFGS", {}),
        ({"batch_size": 64}, "SGD", {"momentum": 0.9, "nesterov": True}),
        ({"learning_rate": 0.01}, "SGD", {"momentum": 0.9, "nesterov": True}),
        ({"learning_rate": 0.01, "penalty": "l1"}, "SGD", {"momentum": "auto", "nesterov": True}),
        ({"learning_rate": 0.01, "batch_size": None}, "SGD", {"momentum": "auto", "nesterov": True}),
        ({"learning_rate": 0.01, "batch_size": 1000}, "SGD", {"momentum": "auto", "nesterov": True}),
        ({"schedule": "cosine"}, "SGD", {"momentum": "auto", "nesterov": True}),
        ({"schedule": "constant"}, "LBFGS", {}),
        ({"clip_norm": 1.0}, "SGD", {"momentum": "auto", "nesterov": True}),
        ({"average": True}, "SGD", {"momentum": "auto", "nesterov": True}),
        ({"average": 5}, "SGD", {"momentum": "auto", "nesterov": True}),
    ],
    ids=str,
)
def test_the_optimizer_follows_from_what_the_user_asks_for(settings, name, hyper):
    model = GDLinearRegressor(max_iter=1, tol=None, **settings).fit(X, TARGETS)
    found = model.optimizer_.get_params()
    assert type(model.optimizer_).__name__ == name
    assert {key: found[key] for key in hyper} == hyper


def test_a_stream_has_a_rule_that_bears_noise_and_after_a_fit_one_that_stays_near_its_optimum():
    stream = GDLinearRegressor(random_state=0).partial_fit(X[:100], TARGETS[:100]).partial_fit(X[100:], TARGETS[100:])
    assert type(stream.optimizer_).__name__ == "AdaGrad"
    assert stream.learning_rate_ == 0.1
    assert stream.batch_size_ == 16
    after = GDLinearRegressor(random_state=0).fit(X, TARGETS).partial_fit(X[:100], TARGETS[:100])
    assert (type(after.optimizer_).__name__, after.optimizer_.momentum) == ("SGD", 0.0)


# -- learning rates


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize(("estimator", "curvature"), [(GDLinearRegressor, 1.0), (GDLogisticClassifier, 0.25)])
@pytest.mark.parametrize("streaming", [False, True])
def test_the_rate_follows_from_the_curvature_and_the_noise_of_batches(
    streaming, estimator, curvature, batch_size, momentum
):
    # rows come as often as one another, so that the weights count in the noise by their squares
    weight = np.random.default_rng(1).lognormal(0, 1.5, 640)
    weight /= weight.mean()
    mean = np.average(X, axis=0, weights=weight)
    Z = np.column_stack([(X - mean) / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight)), np.ones(640)])
    bound = 1.1 * np.linalg.eigvalsh((Z * weight[:, None]).T @ Z / 640)[-1]  # with a margin
    lengths = (Z**2).sum(axis=1)
    if streaming:  # what is still to come may be as bad as standardised features can
        bound, lengths = max(bound, 8.0), np.maximum(lengths, 8.0)
    if streaming or batch_size is not None:
        size = batch_size or 640
        noise = 2 * np.mean(weight**2 * lengths) / (1 - momentum)
        bound = (bound * (size - 1) + noise) / size * np.sqrt(640 / size)
    model = estimator(optimizer=SGD(momentum=momentum), batch_size=batch_size, alpha=0.3, max_iter=1, tol=None)
    if streaming:
        classes = {"classes": [0, 1]} if estimator is GDLogisticClassifier else {}
        model.partial_fit(X, CLASSES, sample_weight=weight, **classes)
    else:
        model.fit(X, CLASSES, sample_weight=weight)
    assert model.learning_rate_ == pytest.approx(1 / (curvature * bound + 0.3), rel=1e-9)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_curvature_of_many_columns_is_known_within_ten_per_cent(as_sparse):
    rng = np.random.default_rng(2)
    wide = rng.standard_normal((400, 200)) * (rng.random((400, 200)) < 0.3) + rng.standard_normal((400, 1))
    wide /= np.abs(wide).max(axis=0)
    data = sparse.csr_array(wide) if as_sparse else wide
    settings = {"optimizer": "sgd", "batch_size": None, "alpha": 0, "standardize": False, "max_iter": 1, "tol": None}
    model = GDLinearRegressor(**settings).fit(data, wide[:, 0])
    ones = np.column_stack([wide, np.ones(400)])
    largest = np.linalg.eigvalsh(ones.T @ ones / 400)[-1]
    assert 0.9 < model.learning_rate_ * largest <= 1.0  # a tenth is the margin


def test_a_network_begins_at_three_times_adams_rate_and_ends_at_zero():
    settings = {"hidden_layer_sizes": (5,), "max_iter": 8, "random_state": 0}
    by_itself = GDMLPRegressor(n_members=1, **settings).fit(X, TARGETS)
    assert by_itself.learning_rate_ == pytest.approx(0.003)
    by_hand = GDMLPRegressor(learning_rate=by_itself.learning_rate_, schedule="cosine", tol=None, **settings)
    np.testing.assert_array_equal(by_hand.fit(X, TARGETS).predict(X), by_itself.predict(X))
    for other in ({"early_stopping": True}, {"tol": 1e-3}, {"warm_start": True}, {"schedule": "step"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            assert GDMLPRegressor(**settings | other).fit(X, TARGETS).learning_rate_ == 0.001


# -- tolerances, which fits that end too soon tell


def tolerance(model, data, targets):
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1, before GD\w+ (converged|stood still) to tol=") as caught:
        model.set_params(max_iter=1).fit(data, targets)
    return float(re.search(r"tol=([0-9.e-]+)", str(caught[-1].message))[1])


@pytest.mark.parametrize(
    ("model", "rows", "columns", "expected"),
    [
        (GDLogisticClassifier(), 640, 7, 1e-25),  # one optimum, by the penalty
        (GDLogisticClassifier(alpha=0.0), 640, 7, 1e-10),
        (GDLogisticClassifier(early_stopping=True), 640, 7, 1e-4),  # rows held out tell no more
        (GDLogisticClassifier(), 10_500, 2, 1e-10),
        (GDLogisticClassifier(), 60, 1_100, 1e-9),
        (GDLogisticClassifier(penalty="l1", alpha=1e-3), 60, 1_100, 1e-11),
        (GDLogisticClassifier(optimizer="sgd"), 500, 3, 1e-6),  # an epoch is one step
        (GDLogisticClassifier(optimizer="sgd", batch_size=50), 500, 3, 1e-3),
        (GDLogisticClassifier(optimizer="svrg", batch_size=50), 500, 3, 1e-6),
        (GDMLPRegressor(hidden_layer_sizes=(3,), learning_rate=0.01), 100, 3, 1e-4),
    ],
    ids=str,
)
def test_tolerances(model, rows, columns, expected):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((rows, columns))
    targets = data[:, 0] + rng.logistic(size=rows) > 0
    assert tolerance(model, data, targets) == expected


def test_zeros_of_an_l1_penalty_are_not_averaged_away():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((500, 20))
    targets = data[:, 0] - data[:, 1] + rng.standard_normal(500)
    model = GDLinearRegressor(alpha=0.1, optimizer="sgd", batch_size=16, learning_rate=3e-3, random_state=0)
    for penalty, averages in (("l2", True), ("l1", False)):
        given = [clone(model).set_params(penalty=penalty, average=average) for average in ("auto", False)]
        found = [each.fit(data, targets).coef_ for each in given]
        assert np.array_equal(*found) == (not averages)
    assert not found[0].all()


def test_losses_are_not_compiled_to_rule_out_newtons_method(monkeypatch):
    monkeypatch.setattr(curvature, "pointwise", lambda *of: pytest.fail("asked for what is compiled"))
    settings = {"optimizer": "lbfgs", "alpha": 0.1, "max_iter": 2, "tol": 0.0}
    with pytest.warns(ConvergenceWarning):
        GDLinearRegressor(**settings, penalty="l1").fit(X, np.column_stack([TARGETS, TARGETS]))
