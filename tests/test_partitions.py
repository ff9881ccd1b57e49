"""Training by a rule on rows in parts, whatever library keeps them: here a list."""

import functools
import itertools
import operator
import os
import signal
import sys
import threading
import types
import weakref

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import scale

from skgd import (
    GDLinearClassifier,
    GDLinearRegressor,
    GDLogisticClassifier,
    GDMLPClassifier,
    GDMLPRegressor,
    _partitions,
)
from skgd._fit import problem_of
from skgd._partitions import Part
from skgd.callbacks import Checkpoint
from skgd.optimizers import Optimizer

LENGTHS = 100, 48, 0, 150, 144  # rows of the parts, one of them empty
X, Y = load_diabetes(return_X_y=True)
X = scale(X)
C, CLASSES = load_breast_cancer(return_X_y=True)
C, CLASSES = scale(C)[: sum(LENGTHS)], CLASSES[: sum(LENGTHS)]
fully = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Drawers:
    """Rows of an array or CSR in a few places, which count how many are open."""

    __module__ = "drawers"

    def __init__(self, rows, lengths=LENGTHS):
        ends = np.cumsum(lengths)
        self.parts = [rows[end - length : end] for end, length in zip(ends, lengths, strict=True)]

    def __getitem__(self, number):
        return self.parts[number].copy()


class PartsOfDrawers:
    """As :class:`skgd._partitions.Partitions` has it, all in this thread but for reading ahead."""

    def __init__(self, X, y, weight):
        self.X, self.y, self.weight = X, y, weight
        self.n_partitions, self.X_like, self.y_like = len(X.parts), X.parts[0][:0], y.parts[0][:0]
        self.fetched, self.n_passes = [], 0

    def _part(self, number):
        weight = None if self.weight is None else self.weight[number]
        return Part(number, self.X[number], self.y[number], weight)

    def map(self, work, *arguments, without_X=False):
        self.n_passes += 1
        return [work(self._part(number), *arguments) for number in range(self.n_partitions)]

    def total(self, work, *arguments):
        there = [each for each in self.map(work, *arguments) if each is not None]
        return functools.reduce(operator.add, there) if there else None

    def fetch(self, work, numbers, *arguments):
        for number in numbers:
            self.fetched.append(number)
            yield work(self._part(number), *arguments)


@pytest.fixture(autouse=True)
def library(monkeypatch):
    """A library of drawers; `made` are the partitions that were asked for."""
    module = types.ModuleType("skgd_drawers")
    module.made = []

    def partitions(X, y, weight, name):
        module.made.append(PartsOfDrawers(X, y, weight))
        return module.made[-1]

    module.partitions = partitions
    monkeypatch.setitem(sys.modules, "skgd_drawers", module)
    monkeypatch.setitem(_partitions.ADAPTERS, "drawers", "skgd_drawers")
    return module


def in_order(X, y, weight, lengths, batch_size, n_epochs):
    """The batches of rows in parts that aren't shuffled."""
    starts = np.cumsum([0, *lengths])
    for epoch in range(n_epochs):
        for start, end in itertools.pairwise(starts):
            rows = np.flatnonzero(weight[start:end]) + start  # others aren't there
            for at in range(0, len(rows), batch_size):
                yield epoch, rows[at : at + batch_size]


# -- mini-batches


@fully
@pytest.mark.parametrize("batch_size", [16, 60, 10_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_descent_is_that_of_the_formula_with_batches_cut_at_the_ends_of_parts(batch_size, weighted):
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, len(Y)).astype(float) if weighted else np.ones(len(Y))
    n_used = np.count_nonzero(weight)
    lengths = [np.count_nonzero(part) for part in Drawers(weight).parts]
    if batch_size > n_used:
        batch_size, lengths_of_steps = n_used, [len(Y)]  # all rows at once, wherever they lie
    else:
        lengths_of_steps = LENGTHS
    per_epoch = sum(-(-n // batch_size) for n in lengths) if batch_size < n_used else 1
    w, b, alpha, losses = np.zeros(X.shape[1]), 0.0, 0.1, []
    for k, (epoch, rows) in enumerate(in_order(X, Y, weight, lengths_of_steps, batch_size, 3)):
        rate = 0.01 / (1 + epoch + (k % per_epoch) / per_epoch)
        residual = X[rows] @ w + b - Y[rows]
        share = weight[rows] * n_used / weight.sum() / len(rows)
        losses.append((len(rows), 0.5 * share @ residual**2 + 0.5 * alpha * w @ w))
        w, b = w - rate * (X[rows].T @ (share * residual) + alpha * w), b - rate * (share @ residual)
    curve = [sum(n * loss for n, loss in losses[k * per_epoch : (k + 1) * per_epoch]) / n_used for k in range(3)]

    model = GDLinearRegressor(
        optimizer="sgd", learning_rate=0.01, schedule=lambda t: 1 / (1 + t), alpha=alpha, batch_size=batch_size,
        shuffle=False, standardize=False, max_iter=3, tol=None,
    )  # fmt: skip
    model.fit(Drawers(X), Drawers(Y), Drawers(weight) if weighted else None)
    np.testing.assert_allclose(model.coef_, w, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, b, rtol=1e-9)
    np.testing.assert_allclose(model.loss_curve_, curve, rtol=1e-9)
    assert (model.t_, model.n_iter_) == (3 * per_epoch, 3)


@fully
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "svrg"])
def test_one_part_is_what_it_is_in_memory(optimizer):
    model = GDLogisticClassifier(
        optimizer=optimizer, batch_size=10, standardize=False, shuffle=False, average=True, max_iter=4, tol=None
    )
    expected = clone(model).fit(C, CLASSES)
    model.fit(Drawers(C, [0, len(C)]), Drawers(CLASSES, [0, len(C)]))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    if optimizer != "svrg":  # whose objective is that at the beginning of each epoch
        np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-12)


@fully
def test_variance_reduction_ends_at_the_optimum_of_parts_that_differ():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 4))
    y = X @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=2_000)
    order = np.argsort(y)  # so that each part would lead elsewhere
    lengths = [200] * 10
    model = GDLinearRegressor(optimizer="svrg", alpha=0.1, random_state=0).fit(
        Drawers(X[order], lengths), Drawers(y[order], lengths)
    )
    scaled = Ridge(alpha=0.1 * 2_000).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    np.testing.assert_allclose(model.coef_, scaled.coef_ / X.std(axis=0), atol=1e-3)
    assert model.stop_reason_ == "converged"


@fully
def test_averages_begin_with_the_second_epoch():
    kept = []

    class Remembers(Optimizer):
        @staticmethod
        def rule(params, grads, slots, hyper, learning_rate, t):
            params -= learning_rate * grads
            kept.append(params.copy())

    model = GDLinearRegressor(
        optimizer=Remembers(), learning_rate=0.01, batch_size=20, average=True, max_iter=3, tol=None
    )
    with pytest.warns(RuntimeWarning, match="runs as plain Python"):
        model.fit(Drawers(X), Drawers(Y))
    per_epoch = model.t_ // 3
    mean = np.mean(kept[-2 * per_epoch :], axis=0)
    np.testing.assert_allclose(model._training.params, mean, rtol=1e-9)


@fully
def test_parts_come_in_another_order_in_each_epoch_and_the_seed_tells_which(library):
    model = GDLinearRegressor(optimizer="sgd", batch_size=8, max_iter=40, tol=None, random_state=0)
    model.fit(Drawers(X), Drawers(Y))
    orders = np.reshape(library.made[-1].fetched, (40, 4))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile([0, 1, 3, 4], (40, 1)))
    assert len(np.unique(orders, axis=0)) > 12  # of 24
    again = clone(model).fit(Drawers(X), Drawers(Y))
    np.testing.assert_array_equal(again.coef_, model.coef_)
    other = clone(model).set_params(random_state=1).fit(Drawers(X), Drawers(Y))
    assert (other.coef_ != model.coef_).any()
    model.set_params(shuffle=False).fit(Drawers(X), Drawers(Y))
    assert library.made[-1].fetched == [0, 1, 3, 4] * 40


@fully
def test_rows_of_columns_that_batches_touch():
    # the columns that a batch doesn't touch are left alone, as if they were trained by all rows in memory
    rng = np.random.default_rng(0)
    rows = sparse.random(442, 2000, 0.002, format="csr", random_state=0)
    y = rows @ rng.standard_normal(2000)
    parts = Drawers(rows, (200, 40, 0, 202)), Drawers(y, (200, 40, 0, 202))
    model = GDLinearRegressor(
        optimizer="adam", batch_size=2, shuffle=False, standardize=False, average=0.9, max_iter=3, tol=None
    )
    expected = clone(model).fit(rows, y)
    model.fit(*parts)
    assert model._training.optimizer.n_slots
    assert np.count_nonzero(model.coef_) > 500
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-12)


@fully
def test_variance_reduction_looks_at_all_parts():
    # with the anchor over all rows a constant rate ends at their optimum, with that of a part at no point at all
    model = GDLinearRegressor(optimizer="svrg", batch_size=4, alpha=0.1, max_iter=60, tol=None, random_state=0)
    model.fit(Drawers(X), Drawers(Y))
    exact = np.linalg.solve(X.T @ X / len(X) + 0.1 * np.eye(10), X.T @ (Y - Y.mean()) / len(X))
    np.testing.assert_allclose(model.coef_, exact, rtol=1e-6)


# -- all rows at once


@fully
@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "sgd", "momentum": "auto"},
        {"optimizer": "nesterov"},
        {"optimizer": "adam", "learning_rate": 0.1, "average": True},
        {"optimizer": "adamw", "learning_rate": 0.1, "clip_norm": 0.5, "schedule": "cosine"},
        {"optimizer": "sgd", "penalty": "l1", "alpha": 0.02},
        {"optimizer": "rmsprop", "schedule": "plateau", "average": 0.9},
        {"optimizer": "svrg"},
        {"optimizer": "sgd", "criterion": "gradient", "tol": 1e-2, "max_iter": 1000},
    ],
    ids=lambda parameters: parameters["optimizer"],
)
def test_a_full_batch_is_that_in_memory(parameters):
    from skgd.optimizers import SGD

    parameters = dict(parameters)
    if parameters.pop("momentum", None):
        parameters["optimizer"] = SGD(momentum="auto", nesterov=True)
    model = GDLogisticClassifier(batch_size=None, standardize=False).set_params(**{"max_iter": 30, **parameters})
    expected = clone(model).fit(C, CLASSES)
    model.fit(Drawers(C), Drawers(CLASSES))
    assert (model.n_iter_, model.t_, model.stop_reason_) == (expected.n_iter_, expected.t_, expected.stop_reason_)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-9)
    if expected.gradient_norm_ is not None:
        np.testing.assert_allclose(model.gradient_norm_, expected.gradient_norm_, rtol=1e-6)


@fully
def test_with_dropout_a_full_batch_is_one_for_each_part():
    model = GDMLPClassifier(
        hidden_layer_sizes=(8,), dropout=0.2, batch_size=None, optimizer="adam", learning_rate=0.01, max_iter=20
    ).set_params(random_state=0)
    model.fit(Drawers(C), Drawers(CLASSES))
    assert model.t_ == 20 * 4
    assert model.score(C, CLASSES) > 0.95


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_columns_far_from_zero_have_the_optimum_of_others(make):
    model = GDLogisticClassifier(standardize=False, alpha=0.1)
    expected = clone(model).fit(C, CLASSES).coef_
    model.fit(Drawers(make(C + 1e5)), Drawers(CLASSES))
    np.testing.assert_allclose(model.coef_, expected, atol=1e-4)
    assert model.n_iter_ < 15


# -- networks


@fully
def test_networks_learn_as_well_as_in_memory():
    digits, figures = load_digits(return_X_y=True)
    lengths = 300, 700, 0, 797
    model = GDMLPClassifier(max_iter=20, random_state=0, early_stopping=True, class_weight="balanced")
    model.fit(Drawers(digits, lengths), Drawers(figures, lengths))
    assert model.score(digits, figures) > 0.98
    assert model.best_validation_score_ > 0.94


@fully
@pytest.mark.parametrize("n_targets", [1, 2])
def test_the_validation_score_of_parts_is_that_of_all_their_rows(n_targets):
    y = Y if n_targets == 1 else np.column_stack([Y, X[:, 0] ** 2])
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y))
    model = GDMLPRegressor(hidden_layer_sizes=(8,), max_iter=10, early_stopping=True, random_state=0)
    validation = {"X_val": Drawers(X), "y_val": Drawers(y), "sample_weight_val": Drawers(weight)}
    model.fit(Drawers(X), Drawers(y), **validation)
    np.testing.assert_allclose(model.best_validation_score_, r2_score(y, model.predict(X), sample_weight=weight))
    classifier = GDMLPClassifier(hidden_layer_sizes=(8,), max_iter=3, early_stopping=True, random_state=0)
    classifier.fit(Drawers(C), Drawers(CLASSES), X_val=Drawers(C), y_val=Drawers(CLASSES))
    np.testing.assert_allclose(classifier.best_validation_score_, classifier.score(C, CLASSES))


@fully
def test_starts_come_one_after_the_other(library):
    model = GDMLPRegressor(hidden_layer_sizes=(4,), n_restarts=3, n_jobs=2, max_iter=3, random_state=0)
    model.fit(Drawers(X), Drawers(Y))
    assert len(model.restart_scores_) == 3
    fetched = np.reshape(library.made[-1].fetched, (3 * 3, 4))
    np.testing.assert_array_equal(np.sort(fetched, axis=1), np.tile([0, 1, 3, 4], (9, 1)))
    np.testing.assert_allclose(model.restart_scores_.min(), 0.5 * np.mean((model.predict(X) - Y) ** 2), rtol=1e-3)


# -- what else estimators have


@fully
def test_a_fit_that_diverges_keeps_the_best_and_names_a_rate_that_works():
    model = GDLinearRegressor(optimizer="sgd", learning_rate=1.0, batch_size=16, max_iter=20, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch 1 .* learning_rate=([\d.e-]+) would work"):
        model.fit(Drawers(X), Drawers(Y))
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.coef_).all()
    # `auto` takes a smaller one by itself
    model = GDLinearRegressor(optimizer="adam", batch_size=16, max_iter=20, random_state=0, schedule=lambda t: 1e9)
    model.fit(Drawers(X), Drawers(Y))
    assert model.learning_rate_ < 1e-6
    assert np.isfinite(model.coef_).all()


@fully
def test_warm_starts_go_on():
    model = GDLinearRegressor(optimizer="adam", batch_size=16, warm_start=True, max_iter=5, tol=None, random_state=0)
    for n_epochs in (5, 10):
        model.fit(Drawers(X), Drawers(Y))
        assert (model.n_iter_, len(model.loss_curve_)) == (n_epochs, n_epochs)
    model.fit(X, Y)  # in memory, too
    assert model.n_iter_ == 15


def test_classes_whose_best_loss_tells_nothing():
    model = GDLinearClassifier(loss="perceptron", random_state=0).fit(Drawers(C), Drawers(CLASSES))
    assert model.score(C, CLASSES) > 0.95


@fully
@pytest.mark.parametrize(
    "model",
    [
        GDLinearRegressor(optimizer="adam", batch_size=16, average=True, schedule="plateau", early_stopping=True),
        GDMLPRegressor(hidden_layer_sizes=(4,), dropout=0.1, n_restarts=2),
        GDLinearRegressor(optimizer="nesterov", batch_size=None, tol=None),
    ],
    ids=["batches", "dropout", "all rows"],
)
def test_a_checkpoint_leads_to_the_same_bits(model, at_epoch, tmp_path):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    path = tmp_path / "fit.npz"
    model = clone(model).set_params(max_iter=6, random_state=0)
    data = Drawers(X), Drawers(Y)
    whole = clone(model).fit(*data)

    def dies():
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        clone(model).set_callbacks(Checkpoint(path), at_epoch(4, dies)).fit(*data)
    resumed = clone(model).set_params(random_state=None).resume(path, *data)
    np.testing.assert_array_equal(resumed._training.params, whole._training.params)
    np.testing.assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
    with pytest.raises(ValueError, match="aren't those that the checkpoint was made with"):
        clone(model).resume(path, Drawers(X), Drawers(Y + 1))


def test_parts_that_change_from_one_reading_to_the_next_are_told_of():
    class Shrinks(Drawers):
        __module__ = "drawers"

        def __getitem__(self, number):
            part, self.parts[number] = self.parts[number], self.parts[number][1:]
            return part

    with pytest.raises(ValueError, match=r"partition 0 has 99 rows in use now, and had 100 in the first look"):
        GDLinearRegressor(optimizer="adam", batch_size=16, shuffle=False).fit(Shrinks(X), Shrinks(Y))


def test_an_error_in_a_part_ends_the_fit_and_leaves_the_estimator_as_it_was(library):
    model = GDLinearRegressor(optimizer="adam", batch_size=16, max_iter=3, tol=None, shuffle=False, random_state=0)

    class Lost(Drawers):
        __module__ = "drawers"
        looks = 0

        def __getitem__(self, number):
            self.looks += number == 3
            if self.looks == 3:
                raise OSError("the file is gone")
            return super().__getitem__(number)

    with pytest.raises(OSError, match="the file is gone"):
        model.fit(Lost(X), Drawers(Y))
    assert not hasattr(model, "coef_")


def test_a_part_is_dropped_before_the_next_is_asked_for():
    alive, most = [], []

    class Counted(Drawers):
        __module__ = "drawers"

        def __getitem__(self, number):
            part = super().__getitem__(number)
            alive[:] = [each for each in alive if each() is not None]
            alive.append(weakref.ref(part))
            most.append(len(alive))
            return part

    model = GDLinearRegressor(optimizer="adam", batch_size=16, max_iter=3, tol=None, random_state=0)
    model.fit(Counted(X), Drawers(Y))
    assert len(most) > 5 + 3 * 4 - 1
    assert max(most[5:]) == 1  # here nothing is read ahead


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="needs the main thread")
def test_ctrl_c_keeps_what_was_learned():
    for parameters in ({"batch_size": 4}, {"batch_size": None}):
        model = GDLinearRegressor(optimizer="adam", learning_rate=1e-5, max_iter=10**7, tol=None, **parameters)
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                model.fit(Drawers(X), Drawers(Y))
        finally:
            timer.cancel()
            signal.signal(signal.SIGINT, before)
        assert model.stop_reason_ == "interrupted"
        assert model.t_ > 0
        assert model.n_iter_ == len(model.loss_curve_)
        n_iter = model.n_iter_
        model.set_params(warm_start=True, max_iter=1).fit(X, Y)
        assert model.n_iter_ == n_iter + 1


# -- the sample


def test_a_sample_counts_for_the_parts_that_it_is_from():
    # 1,000 rows of the first part, all, and 5,000 of the 11,000 of the second
    column = np.repeat([0.0, 1.0], [1_000, 11_000])[:, None]
    lengths = [1_000, 11_000]
    rows, targets = Drawers(column, lengths), Drawers(column[:, 0], lengths)
    problem = problem_of(GDLinearRegressor(standardize=False), rows, targets)
    sample = problem.rows.some(6_000)
    assert sample.n_rows == 6_000
    np.testing.assert_allclose(sample.shares @ sample.scaled(), 11 / 12, rtol=1e-12)


def test_rows_without_weight_are_in_no_sample():
    """They would leave too few others for the curvature: hundreds of steps, and 3,000 for a squared hinge."""
    rng = np.random.default_rng(0)
    columns, weight = rng.normal(size=(90, 40)), np.arange(90) % 2 * 1.0
    y = (columns[:, 0] + rng.normal(size=90) > 0).astype(int)
    model = GDLogisticClassifier(alpha=1e-4, standardize=False)
    parts = [Drawers(each, [45, 45]) for each in (columns, y, weight)]
    model.fit(*parts)
    assert model.n_iter_ < 30
    oracle = LogisticRegression(C=1 / (1e-4 * weight.sum()), tol=1e-10, max_iter=10_000).fit(columns, y, weight)
    np.testing.assert_allclose(model.coef_, oracle.coef_, atol=1e-3)


def test_few_parts_are_sampled_where_rows_are_wide(monkeypatch):
    monkeypatch.setattr("skgd._problem.survey._rows_at_hand", lambda n_features, is_sparse: 3)
    lengths = [len(X) // 13] * 13
    assert sum(lengths) == len(X)
    problem = problem_of(GDLinearRegressor(), Drawers(X, lengths), Drawers(Y, lengths))
    assert problem.rows.sample_rows.n_rows == 4  # of parts 0, 4, 8 and 12
    np.testing.assert_allclose(problem.scaling.center, X.mean(axis=0), atol=1e-12)  # all parts tell of that


def test_where_rows_are_many_more_of_them_are_sampled_in_the_same_pass(library):
    rng = np.random.default_rng(0)
    column = rng.normal(size=(1_280_000, 1))
    classes = (rng.random(len(column)) < 1 / (1 + np.exp(-column[:, 0]))).astype(int)
    lengths = [400_000, 800_000, 80_000]
    rows, targets = Drawers(column, lengths), Drawers(classes, lengths)
    problem = problem_of(GDLogisticClassifier(), rows, targets)
    assert problem.rows.n_sampled == 400_000 // 64 + 800_000 // 64 + 3_334  # of each part a third of 10,000, at least
    model = GDLogisticClassifier(tol=1e-10).fit(rows, targets)
    assert library.made[-1].n_passes == 2 + model.n_iter_  # to describe them, at the start, and after each step
