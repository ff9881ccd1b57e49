"""What a fit must not leave behind, mix up or lose: state, units, signs."""

import copy
import threading
import time

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression, Ridge

from skgd import GDLinearRegressor, GDLogisticClassifier, _parallel, minimize
from skgd._random import generator, give_back
from skgd.losses import Poisson
from skgd.optimizers import get_optimizer
from skgd.schedules import ReduceOnPlateau

RNG = np.random.default_rng(0)


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


class Trouble:
    """A schedule that raises from some epoch on."""

    def __init__(self, error, epoch=0):
        self.error, self.epoch = error, epoch

    def __call__(self, t):
        if np.max(t) >= self.epoch:
            raise self.error
        return np.ones_like(t)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no")])
def test_a_refit_that_ends_half_way_leaves_every_attribute_as_it_was(error):
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="sgd").fit(X, y)
    model.set_params(schedule=Trouble(error))
    before = dict(vars(model))
    with pytest.raises(type(error)):
        model.fit(X[:, :3], y)
    assert vars(model).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(model).items())


def test_a_continuation_that_fails_changes_nothing_that_the_next_one_begins_with():
    X, y = load_diabetes(return_X_y=True)
    settings = {"average": True, "learning_rate": 0.01, "batch_size": 50, "shuffle": False, "warm_start": True}
    model = GDLinearRegressor(optimizer="sgd", max_iter=5, tol=None, **settings).fit(X, y)
    kept = copy.deepcopy(model)
    with pytest.raises(RuntimeError):
        model.set_params(schedule=Trouble(RuntimeError(), epoch=20_000), max_iter=20_001).fit(X, y)
    model.set_params(schedule="constant", max_iter=5)
    np.testing.assert_array_equal(model.fit(X, y).coef_, kept.fit(X, y).coef_)


def test_nothing_is_learned_without_a_word_where_a_schedule_has_come_down_to_zero():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="sgd", schedule="cosine", max_iter=5, tol=None, warm_start=True).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="come down to zero"):
        model.fit(X, y)


def test_the_rate_of_a_stream_follows_all_rows_that_were_seen():
    X = standardised(RNG.normal(size=(500, 4)))
    y = X @ [1.0, 2.0, 3.0, 4.0]
    rates = []
    for repeated in (1, 4):
        model = GDLinearRegressor(alpha=0.0).fit(np.tile(X, (repeated, 1)), np.tile(y, repeated))
        rates.append(model.partial_fit(X[:16], y[:16]).learning_rate_)
    # 1 / (L sqrt(rows / 16))
    assert rates[0] / rates[1] == pytest.approx(np.sqrt((4 * 500 + 16) / (500 + 16)), rel=1e-3)


def test_several_targets_of_more_columns_than_rows_are_ridges():
    X = standardised(RNG.normal(size=(30, 400)))
    y = RNG.normal(size=(30, 2))
    model = GDLinearRegressor(alpha=0.1).fit(X, y)
    np.testing.assert_allclose(model.coef_, Ridge(0.1 * 30).fit(X, y).coef_, rtol=1e-5, atol=1e-7)


def test_another_optimizer_has_a_rate_of_its_own():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="adam", max_iter=3, tol=None, warm_start=True).fit(X, y)
    model.set_params(optimizer="adagrad").fit(X, y)
    assert model.learning_rate_ == get_optimizer("adagrad").default_learning_rate


@pytest.mark.parametrize("unit", [1e-39, 1e-20, 1e20, 1e37])
def test_float32_bears_one_column_in_a_unit_of_its_own(unit):
    Z = RNG.normal(size=(300, 3)).astype(np.float32)
    y = (Z @ [1.0, 2.0, 3.0]).astype(np.float32)
    X = Z * np.array([1, unit, 1], np.float32)
    for optimizer in ("auto", "nesterov"):
        assert GDLinearRegressor(optimizer=optimizer).fit(X, y).score(X, y) > 0.999


def test_a_column_far_from_zero_costs_several_outputs_no_digits():
    X = RNG.normal(size=(20_000, 3))
    y = np.argmax(X + RNG.gumbel(size=(20_000, 3)), axis=1)
    X = X + np.array([1e12, 0, 0])
    exact = LogisticRegression(C=1 / (1e-2 * len(y)), tol=1e-12, max_iter=10_000).fit(standardised(X), y)
    model = GDLogisticClassifier(alpha=1e-2).fit(X, y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), exact.coef_, atol=1e-5)


def test_a_warm_start_takes_the_l1_penalty_in_the_units_of_the_new_targets():
    X, y = load_diabetes(return_X_y=True)
    X = standardised(X)
    model = GDLinearRegressor(penalty="l1", alpha=1.0, optimizer="nesterov", tol=1e-12, warm_start=True)
    model.fit(X, y / 1000).fit(X, y)
    np.testing.assert_allclose(model.coef_, Lasso(1.0, tol=1e-10).fit(X, y).coef_, atol=1e-3)


def test_other_means_of_a_stream_leave_the_averaged_predictions():
    X = RNG.normal(size=(200, 3))
    y = X @ [1.0, -2.0, 3.0] + 0.1 * RNG.normal(size=200)
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.05, average=True, random_state=0)
    for _ in range(5):
        model.partial_fit(X, y)
    before = model.predict(X)
    model.set_params(learning_rate=1e-300, average=10**6)  # the mean is published, and gets nothing more
    model.partial_fit(1.5 * X + np.array([1.0, 2.0, 0.5]), y)
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-6, atol=1e-9)


def test_a_negative_loss_that_stands_still_stops_a_fit():
    X = RNG.normal(size=(200, 2))
    y = RNG.poisson(50, 200).astype(float)
    model = GDLinearRegressor(Poisson(), optimizer="sgd", learning_rate=1e-300, early_stopping=True, tol=1e-3)
    model.set_params(n_iter_no_change=3, max_iter=50, random_state=0).fit(X, y)
    assert model.validation_curve_[0] < 0
    assert (model.stop_reason_, model.n_iter_) == ("early_stopping", 4)


def test_a_negative_loss_that_stands_still_is_a_plateau():
    schedule = ReduceOnPlateau(decay=0.5, patience=2)
    assert schedule.factor_after([-3.0, -3.0, -3.0]) == 0.5
    assert schedule.factor_after([-3.0, -3.1, -3.2]) == 1.0


def test_adam_begins_anew_where_data_come_in_other_units():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="adam", batch_size=None, learning_rate=1e-3, tol=None, warm_start=True)
    before = model.set_params(max_iter=3000).fit(X, y).coef_
    after = model.set_params(max_iter=1).fit(100 * X, -y).coef_
    steps = np.abs(after - before) * (100 * X).std(axis=0) / y.std()
    np.testing.assert_allclose(steps[:5], 1e-3, rtol=0.02)  # m / sqrt(v) is 1 in the first update


def test_a_stream_that_was_loaded_may_reduce_its_rate_as_before():
    X, y = load_iris(return_X_y=True)
    model = GDLogisticClassifier(optimizer="sgd").partial_fit(X, y, classes=[0, 1, 2])
    loaded = copy.deepcopy(model)
    loaded.__setstate__(model.__getstate__())
    for name, value in vars(model._training).items():
        if isinstance(value, bool | int | float | str):
            assert getattr(loaded._training, name) == value, name
    assert loaded._training.rate_is_auto


def test_a_column_number_one_too_large_is_refused():
    X = sparse.csr_matrix(np.eye(4))
    X.indices[2] = 4
    with pytest.raises(ValueError, match="no valid CSR matrix"):
        GDLinearRegressor().fit(X, np.arange(4.0))


def test_threads_have_ended_when_an_error_comes_out():
    begun, ended, under_way = [], [], threading.Event()

    def work(task):
        if task == 0:
            assert under_way.wait(10)
            raise ValueError("zero")
        begun.append(task)
        under_way.set()
        time.sleep(0.2)
        ended.append(task)

    with pytest.raises(ValueError, match="zero"):
        list(_parallel.run(work, range(8), 3))
    assert sorted(begun) == sorted(ended)


# -- minimize


def test_functions_may_work_on_their_argument():
    def fun(x):
        x -= 1.0
        return float(x @ x)

    def jac(x):
        x -= 1.0
        return 2 * x

    for given in (jac, None):
        np.testing.assert_allclose(minimize(fun, np.array([3.0, -2.0]), jac=given).x, 1.0, atol=1e-4)


def test_callbacks_see_the_function_itself_in_ascent():
    seen = []

    def callback(intermediate_result):
        seen.append((float(intermediate_result.x[0]), intermediate_result.fun))

    def fun(x):
        return 5.0 - (x[0] - 1.0) ** 2

    minimize(fun, [3.0], maximize=True, callback=callback)
    assert len(seen) > 1
    for x, value in seen:
        assert value == pytest.approx(fun([x]))


def test_a_divergence_keeps_the_best_on_rows_held_out():
    X, y = load_breast_cancer(return_X_y=True)

    def jump(t):
        return np.where(t < 8, 1.0, 1e300)

    model = GDLogisticClassifier(optimizer="sgd", learning_rate=0.3, schedule=jump, early_stopping=True, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.set_params(batch_size=16, max_iter=30, tol=None).fit(X, y)
    best = model.validation_curve_.min()
    again = GDLogisticClassifier(optimizer="sgd", learning_rate=0.3, early_stopping=True, random_state=0)
    again.set_params(batch_size=16, max_iter=int(model.validation_curve_.argmin()) + 1, tol=None).fit(X, y)
    assert again.validation_curve_.min() == best
    np.testing.assert_array_equal(model.coef_, again.coef_)


def test_few_rows_that_are_alike_count_by_their_weights():
    X, y = load_diabetes(return_X_y=True)
    X, y = np.repeat(X[:20], 2, axis=0), np.repeat(y[:20], 2)
    weight = RNG.uniform(0.1, 3.0, 40)
    settings = {"standardize": False, "fit_intercept": False, "alpha": 1e-3, "tol": 1e-14, "max_iter": 100_000}
    model = GDLinearRegressor(optimizer="nesterov", **settings).fit(X, y, sample_weight=weight)
    exact = Ridge(1e-3 * weight.sum(), fit_intercept=False).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-4)


def test_few_sparse_rows_differ_by_their_columns():
    X, y = sparse.csr_matrix(np.eye(6)), np.ones(6)
    model = GDLinearRegressor(optimizer="nesterov", standardize=False, fit_intercept=False, alpha=0.1, tol=1e-14)
    np.testing.assert_allclose(model.fit(X, y).coef_, Ridge(0.6, fit_intercept=False).fit(X, y).coef_, rtol=1e-5)


def test_few_rows_that_differ_by_their_targets_alone_all_count():
    X, y = np.repeat(RNG.standard_normal((6, 3)), 2, axis=0), RNG.standard_normal(12)
    exact = Ridge(1.2, fit_intercept=False).fit(X, y).coef_
    settings = {"standardize": False, "fit_intercept": False, "alpha": 0.1, "tol": 1e-14}
    for stored in (np.asarray, sparse.csr_array):
        model = GDLinearRegressor(optimizer="nesterov", **settings).fit(stored(X), y)
        np.testing.assert_allclose(model.coef_, exact, rtol=1e-5)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_weights_of_rows_that_are_alike_are_added_up_without_rounding(stored):
    X, y = RNG.standard_normal((6, 3)), RNG.standard_normal(6)
    assert sum([0.1] * 10) < 1  # one after the other
    model = GDLinearRegressor(optimizer="rmsprop", batch_size=None, random_state=0, max_iter=300, tol=None)
    once = clone(model).fit(stored(X), y)
    often = clone(model).fit(stored(X.repeat(10, axis=0)), y.repeat(10), sample_weight=np.full(60, 0.1))
    np.testing.assert_array_equal(often.coef_, once.coef_)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64])
def test_labels_without_a_sign_go_on_among_classes_below_zero(dtype):
    X, y = load_breast_cancer(return_X_y=True)
    by_labels, plain = (GDLogisticClassifier(random_state=0) for _ in range(2))
    by_labels.partial_fit(X, y.astype(dtype), classes=[-1, 0, 1])
    plain.partial_fit(X, y, classes=[-1, 0, 1])
    np.testing.assert_array_equal(by_labels.coef_, plain.coef_)
    with pytest.raises(ValueError, match=r"\[2\] that are not among the known ones"):
        by_labels.partial_fit(X, y.astype(dtype) * 2)


def test_the_generator_of_a_user_is_no_other_fits():
    X, y = load_diabetes(return_X_y=True)
    model, rng = GDLinearRegressor(optimizer="sgd", max_iter=2, tol=None), np.random.RandomState(0)
    model.set_params(random_state=rng).fit(X, y)
    expected = copy.deepcopy(rng).normal(size=4)
    model.set_params(random_state=1).fit(X, y)
    np.testing.assert_array_equal(rng.normal(size=4), expected)


def test_fits_at_the_same_time_have_generators_of_their_own():
    used = [generator(0) for _ in range(2)]
    for each in used:
        give_back(each, 0)  # what others may take from here on
    one, other = generator(3), generator(4)
    one.normal(size=7)
    np.testing.assert_array_equal(other.normal(size=4), np.random.RandomState(4).normal(size=4))
    give_back(one, 3)
    give_back(other, 4)
