"""Schedules: their formulas, their limits, and estimators that follow them."""

import copy
import math
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from skgd import GDLinearRegressor, GDMLPRegressor
from skgd.losses import Loss, SquaredError
from skgd.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    ExponentialDecay,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    get_schedule,
)

# -- the formulas, one time after another, in plain Python


def one_cycle(t, n, warm_up, start_divisor, end_divisor):
    """Half a cosine up from 1 / start_divisor to 1 over warm_up * n, half a cosine down to 1 / end_divisor after."""

    def between(a, b, share):
        return a + (b - a) * (1 - np.cos(np.pi * share)) / 2

    peak = warm_up * n
    if t < peak:
        return between(1 / start_divisor, 1.0, t / peak)
    return between(1.0, 1 / end_divisor, min((t - peak) / (n - peak), 1.0))


FORMULAS = {
    "constant": [(Constant(), lambda t: 1.0)],
    "invscaling": [
        (InverseScaling(), lambda t: 1 / (1 + t) ** 0.5),
        (InverseScaling(power=0.75), lambda t: 1 / (1 + t) ** 0.75),
    ],
    "step": [
        (StepDecay(), lambda t: 0.1 ** (t // 30)),
        (StepDecay(decay=0.5, every=2.5), lambda t: 0.5 ** (t // 2.5)),
    ],
    "exponential": [
        (ExponentialDecay(), lambda t: 0.97**t),
        (ExponentialDecay(decay=0.5), lambda t: 0.5**t),
    ],
    "cosine": [
        (Cosine(n_epochs=40), lambda t: (1 + np.cos(np.pi * min(t, 40) / 40)) / 2),
        (Cosine(n_epochs=7.5, floor=0.2), lambda t: 0.2 + 0.8 * (1 + np.cos(np.pi * min(t, 7.5) / 7.5)) / 2),
    ],
    "one_cycle": [
        (OneCycle(n_epochs=40), lambda t: one_cycle(t, 40, 0.3, 25, 1e4)),
        (
            OneCycle(n_epochs=7.5, warm_up=0.6, start_divisor=2, end_divisor=1),
            lambda t: one_cycle(t, 7.5, 0.6, 2, 1),
        ),
    ],
}
OF_TIME = sorted(set(SCHEDULES) - {"plateau"})


def plateau_factor(losses, decay, patience, threshold, floor):
    """The docstring's rule, with the best epoch and the last decay found by looking back."""
    factor, best, since = 1.0, losses[0] if losses else None, 0
    for loss in losses[1:]:
        if best - loss > threshold * abs(best):
            best, since = loss, 0
        else:
            since += 1
        if since == patience:
            factor, since = max(floor, factor * decay), 0
    return factor


@pytest.mark.parametrize("name", OF_TIME)
def test_factors_follow_the_formula(name):
    t = np.linspace(0, 100, 1001)
    for schedule, formula in FORMULAS[name]:
        np.testing.assert_allclose(schedule(t), [formula(x) for x in t], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", OF_TIME)
def test_array_in_array_out(name):
    schedule = FORMULAS[name][0][0]
    times = np.arange(12.0)
    factors = schedule(times)
    np.testing.assert_array_equal(times, np.arange(12.0))  # the times are the caller's
    assert factors.dtype == np.float64
    np.testing.assert_array_equal(schedule(list(range(12))), factors)
    np.testing.assert_array_equal(schedule(np.arange(12)), factors)  # whole numbers: no integer powers
    np.testing.assert_array_equal(schedule(times.reshape(3, 4)), factors.reshape(3, 4))
    assert schedule(np.array([])).shape == (0,)
    assert np.shape(schedule(3.0)) == ()
    assert float(schedule(3.0)) == factors[3]


@pytest.mark.parametrize("name", OF_TIME)
def test_factors_stay_between_zero_and_one_for_ever(name):
    t = np.concatenate([np.linspace(0, 50, 501), [1e3, 1e6, 1e12]])
    for schedule, _ in FORMULAS[name]:
        factors = schedule(t)
        assert np.isfinite(factors).all()
        assert (factors >= 0).all()
        assert (factors <= 1).all()


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_schedules_with_an_end_take_max_iter(name):
    t = np.linspace(0, 30, 61)
    ended = SCHEDULES[name]().set_params(n_epochs=20)
    for given in (name, SCHEDULES[name]()):
        np.testing.assert_array_equal(get_schedule(given, 20)(t), ended(t))
    np.testing.assert_array_equal(get_schedule(ended, 50)(t), ended(t))  # its own length goes before
    assert (ended(t[t >= 20]) == ended(20.0)).all()
    with pytest.raises(ValueError, match=r"needs n_epochs"):
        SCHEDULES[name]()(t)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "settings", [{}, {"decay": 0.5, "patience": 1, "threshold": 0.05, "floor": 0.1}, {"patience": 4}]
)
def test_plateau_decays_when_the_loss_stands_still(seed, settings):
    rng = np.random.default_rng(seed)
    losses = list(np.exp(-0.1 * np.arange(60)) + 0.3 * rng.random(60) - 0.2)  # through zero to negative ones
    schedule = ReduceOnPlateau(**settings)
    expected = [plateau_factor(losses[:n], **schedule.get_params()) for n in range(61)]
    assert expected[-1] < 1
    np.testing.assert_allclose([schedule.factor_after(losses[:n]) for n in range(61)], expected, rtol=1e-12)


def test_improvements_on_negative_losses_are_as_large():
    schedule = ReduceOnPlateau(decay=0.5, patience=2, threshold=1e-3)
    assert schedule.factor_after([-1.0, -1.0005, -1.0009]) == 0.5
    assert schedule.factor_after([-1.0, -1.0005, -1.0011]) == 1.0


def test_plateau_by_hand():
    schedule = ReduceOnPlateau(decay=0.1, patience=2, threshold=0.0, floor=0.005)
    steady = [1.0] * 12
    factors = [schedule.factor_after(steady[:n]) for n in range(8)]
    np.testing.assert_allclose(factors, [1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.005])
    assert schedule.factor_after(list(np.linspace(1, 0, 50))) == 1.0
    assert schedule.factor_after([]) == 1.0
    with pytest.raises(ValueError, match="factor_after"):
        schedule(np.arange(3.0))


# -- names, objects, callables


@pytest.mark.parametrize("name", SCHEDULES)
def test_names_objects_and_clones(name):
    schedule = SCHEDULES[name]()
    assert clone(schedule).get_params() == schedule.get_params()
    for parameter in schedule.get_params():
        assert parameter in type(schedule).__doc__
    by_name = get_schedule(name, 10)
    assert type(by_name) is type(schedule)
    assert get_schedule(schedule, 10) is not schedule
    assert schedule.get_params() == SCHEDULES[name]().get_params()


@pytest.mark.parametrize("bad", ["linear", "", None, 0.5, Constant, ["constant"]])
def test_unknown_schedules_are_refused_with_the_known_ones(bad):
    with pytest.raises(ValueError, match="is not known") as caught:
        get_schedule(bad, 10)
    assert all(repr(name) in str(caught.value) for name in SCHEDULES)
    with pytest.raises(ValueError, match="schedule") as caught:
        GDLinearRegressor(schedule=bad).fit([[0.0], [1.0]], [0.0, 1.0])
    assert not isinstance(bad, str) or all(repr(name) in str(caught.value) for name in SCHEDULES)


BAD_VALUES = {
    "power": [0, -0.5, np.nan, np.inf, None, "x"],
    "decay": [0, 1, -0.5, 1.5, np.nan, None],
    "every": [0, -1, np.nan, None],
    "n_epochs": [0, -5, np.nan, "all"],
    "floor": [-0.1, 1.1, np.nan, None],
    "warm_up": [0, 1, -0.1, np.nan, None],
    "start_divisor": [0.5, 0, -1, np.nan, None],
    "end_divisor": [0.5, 0, -1, np.nan, None],
    "patience": [0, -1, 1.5, None],
    "threshold": [-0.1, np.nan, None],
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_parameters_out_of_range_are_named(name):
    for parameter in SCHEDULES[name]().get_params():
        for value in BAD_VALUES[parameter]:
            schedule = SCHEDULES[name]().set_params(**{parameter: value})
            with pytest.raises(ValueError, match=f"The '{parameter}' parameter of {type(schedule).__name__} must be"):
                get_schedule(schedule, 10)
            with pytest.raises(ValueError, match=f"The '{parameter}' parameter"):
                GDLinearRegressor(schedule=schedule).fit([[0.0], [1.0]], [0.0, 1.0])


def test_schedule_without_a_factor_says_what_is_missing():
    with pytest.raises(NotImplementedError, match=r"factor\(t\)"):
        Schedule()(np.arange(3.0))


# -- estimators follow them


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) + 0.5
    return X, X @ [2.0, -1.0, 0.5] + 1.0 + 0.2 * rng.normal(size=40)


class Uncentred(SquaredError):
    """Squared error of the targets as they are, starting at zero: a start that can be written down."""

    quadratic = False  # whose intercept would be known on centred data
    target_power = None
    best_constant = Loss.best_constant


def descend(X, y, rate_of_update, n_epochs, alpha, batch_size=None):
    """Gradient descent on mean squared error / 2 + alpha / 2 |w|^2, rows in order; w, b and the epochs' objectives."""
    n_rows = len(y)
    batch_size = batch_size or n_rows
    w, b = np.zeros(X.shape[1]), 0.0
    objectives = []
    for epoch in range(n_epochs):
        total = 0.0
        for start in range(0, n_rows, batch_size):
            rows = slice(start, start + batch_size)
            residual = X[rows] @ w + b - y[rows]
            total += len(residual) * (np.mean(residual**2) / 2 + alpha / 2 * w @ w)
            rate = rate_of_update(epoch + start // batch_size / -(-n_rows // batch_size), objectives)
            w = w - rate * (X[rows].T @ residual / len(residual) + alpha * w)
            b = b - rate * residual.mean()
        objectives.append(total / n_rows)
    return w, b, np.array(objectives)


def plain(**settings):
    settings = {"optimizer": "sgd", "alpha": 0.1, "learning_rate": 0.1, "shuffle": False, "tol": None} | settings
    return GDLinearRegressor(loss=Uncentred(), standardize=False, **settings)


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("name", OF_TIME)
def test_training_follows_the_schedule(name, batch_size, data):
    X, y = data
    for schedule, formula in [*FORMULAS[name], (clone(FORMULAS[name][0][0]).__call__, FORMULAS[name][0][1])]:
        w, b, objectives = descend(X, y, lambda t, _, f=formula: 0.1 * f(t), 9, 0.1, batch_size)
        model = plain(schedule=schedule, batch_size=batch_size, max_iter=9).fit(X, y)
        np.testing.assert_allclose(model.coef_, w, rtol=1e-9)
        np.testing.assert_allclose(model.intercept_, [b], rtol=1e-9)
        np.testing.assert_allclose(model.loss_curve_, objectives, rtol=1e-9)
        assert model.learning_rate_ == 0.1  # the rate before the factor


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_training_takes_its_length_from_max_iter(name, data):
    X, y = data
    formula = {
        "cosine": lambda t: (1 + np.cos(np.pi * t / 9)) / 2,
        "one_cycle": lambda t: one_cycle(t, 9, 0.3, 25, 1e4),
    }
    w, b, _ = descend(X, y, lambda t, _: 0.1 * formula[name](t), 9, 0.1, 7)
    model = plain(schedule=name, batch_size=7, max_iter=9).fit(X, y)
    np.testing.assert_allclose(model.coef_, w, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, [b], rtol=1e-9)


def test_training_reduces_the_rate_on_a_plateau(data):
    X, y = data
    schedule = ReduceOnPlateau(decay=0.5, patience=2, threshold=0.2, floor=1e-3)
    w, b, objectives = descend(
        X, y, lambda _, losses: 0.1 * plateau_factor(losses, **schedule.get_params()), 25, 0.1, 7
    )
    assert plateau_factor(list(objectives), **schedule.get_params()) < 0.1  # several decays, or this tests nothing
    model = plain(schedule=schedule, batch_size=7, max_iter=25).fit(X, y)
    np.testing.assert_allclose(model.coef_, w, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, [b], rtol=1e-9)
    np.testing.assert_allclose(model.loss_curve_, objectives, rtol=1e-9)


def test_networks_end_at_a_standstill_on_a_plateau_and_after_all_epochs_of_other_schedules(data):
    X, y = data
    model = GDMLPRegressor(hidden_layer_sizes=(2,), max_iter=3, n_members=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match="before GDMLPRegressor converged to tol=0.0001"):
        model.set_params(schedule="plateau").fit(X, y)
    assert model.set_params(schedule="cosine").fit(X, y).n_iter_ == 3  # which is no reason to warn


@pytest.mark.parametrize("early_stopping", [False, True])
def test_on_validation_data_that_stop_a_fit_the_plateau_is_theirs(early_stopping, data):
    X, y = data
    schedule = ReduceOnPlateau(decay=0.5, patience=2, threshold=0.05, floor=0.0)
    rng = np.random.default_rng(1)
    X_val = rng.normal(size=(40, 3)) + 0.5
    y_val = X_val @ [1.0, 0.0, 0.5] + 1.0 + rng.normal(size=40)  # which rises again while the other loss falls
    rows = {"X_val": X_val, "y_val": y_val}
    settings = {"batch_size": 7, "max_iter": 25, "early_stopping": early_stopping}
    model = plain(schedule=schedule, **settings).fit(X, y, **rows)
    curves = model.loss_curve_, model.validation_curve_
    of_training, of_validation = (
        np.array([plateau_factor(list(curve[:n]), **schedule.get_params()) for n in range(25)]) for curve in curves
    )
    assert not np.array_equal(of_training, of_validation)
    factors = of_validation if early_stopping else of_training
    same = plain(schedule=lambda t: factors[np.floor(t).astype(int)], **settings).fit(X, y, **rows)
    np.testing.assert_allclose(model.validation_curve_, same.validation_curve_, rtol=1e-12)
    np.testing.assert_allclose(model.loss_curve_, same.loss_curve_, rtol=1e-12)


def test_a_rate_per_update_survives_being_split_into_many_calls(data, monkeypatch):
    # long fits return to Python now and then; each call's rates must go on where the last ended
    from skgd._solvers import epochs as loop

    X, y = data
    whole = plain(schedule="cosine", batch_size=7, max_iter=9).fit(X, y)
    monkeypatch.setattr(loop, "MAX_PLANNED_UPDATES", 4)
    parts = plain(schedule="cosine", batch_size=7, max_iter=9).fit(X, y)
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    assert parts.t_ == whole.t_ == 54


@pytest.mark.parametrize("name", OF_TIME)
def test_schedule_goes_on_in_partial_fit_and_warm_start(name, data):
    X, y = data
    schedule, formula = FORMULAS[name][1] if len(FORMULAS[name]) > 1 else FORMULAS[name][0]
    w, b, _ = descend(X, y, lambda t, _: 0.1 * formula(t), 6, 0.1, 7)
    warm = plain(schedule=schedule, batch_size=7, max_iter=3, warm_start=True).fit(X, y).fit(X, y)
    stream = plain(schedule=schedule, batch_size=7, max_iter=3)
    for _ in range(6):
        stream.partial_fit(X, y)
    for model in (warm, stream):
        np.testing.assert_allclose(model.coef_, w, rtol=1e-9)
        np.testing.assert_allclose(model.intercept_, [b], rtol=1e-9)
        assert model.n_iter_ == 6


@pytest.mark.parametrize("make", [GDLinearRegressor, GDMLPRegressor])
@pytest.mark.parametrize("name", SCHEDULES)
def test_users_schedule_is_never_changed(name, make, data):
    X, y = data
    schedule = SCHEDULES[name]()
    before = copy.deepcopy(vars(schedule))
    model = make(schedule=schedule, optimizer="adam", max_iter=3, tol=None).fit(X, y)
    assert vars(schedule) == before
    assert model.schedule is schedule


def test_network_follows_a_schedule_too(data):
    # without hidden layers it is the linear model, to be compared with the loop in NumPy
    X, y = data
    model = GDMLPRegressor(
        hidden_layer_sizes=(),
        init=([np.zeros((3, 1))], [np.zeros(1)]),
        optimizer="sgd",
        learning_rate=0.1,
        schedule=lambda t: 1 / (1 + t),
        standardize=False,
        shuffle=False,
        batch_size=7,
        alpha=0.1,
        max_iter=5,
        tol=None,
    ).fit(X, y)
    w, b, _ = descend(X, y, lambda t, _: 0.1 / (1 + t), 5, 0.1, 7)
    np.testing.assert_allclose(model.coefs_[0][:, 0], w, rtol=1e-9)
    np.testing.assert_allclose(model.intercepts_[0], [b], rtol=1e-9)


@pytest.mark.parametrize(
    "bad",
    [
        lambda t: np.ones(len(t) + 1),
        lambda t: np.ones((len(t), 1)),
        lambda t: np.full_like(t, np.nan),
        lambda t: np.full_like(t, np.inf),
        lambda t: -np.ones_like(t),
        lambda t: ["fast"] * len(t),
        lambda t: None,
    ],
    ids=["longer", "2-d", "nan", "inf", "negative", "strings", "None"],
)
def test_callables_that_return_no_factors_are_refused(bad, data):
    X, y = data
    model = GDLinearRegressor(max_iter=3, tol=None).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="schedule") as caught:
        model.set_params(schedule=bad).fit(X, y)
    assert "factor" in str(caught.value)
    np.testing.assert_array_equal(model.predict(X), before)  # what was fitted before still works


@pytest.mark.parametrize(
    ("of_a_number", "of_an_array"),
    [
        (lambda t: 0.5, lambda t: np.full_like(t, 0.5)),
        (lambda t: 1.0 if t < 1.5 else 0.1, lambda t: np.where(t < 1.5, 1.0, 0.1)),
        (lambda t: math.exp(-t), lambda t: np.exp(-t)),
    ],
    ids=["constant", "condition", "math"],
)
def test_functions_of_a_single_number_are_taken_too(of_a_number, of_an_array, data):
    X, y = data
    fits = [plain(schedule=schedule, batch_size=8, max_iter=3).fit(X, y) for schedule in (of_a_number, of_an_array)]
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, rtol=1e-12)


def test_errors_of_a_callable_reach_the_user(data):
    def broken(t):
        raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own"):
        GDLinearRegressor(schedule=broken).fit(*data)


def test_a_factor_of_zero_stands_still(data):
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = plain(schedule=lambda t: (t < 2).astype(float), batch_size=None, max_iter=10).fit(X, y)
    np.testing.assert_allclose(model.coef_, plain(batch_size=None, max_iter=2).fit(X, y).coef_, rtol=1e-12)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_plateaus_take_the_noise_of_a_rate_away_before_training_ends(rate):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5_000, 10))
    y = X @ rng.standard_normal(10) + 3 * rng.standard_normal(len(X))
    best = Ridge(alpha=1e-4 * len(X)).fit(X, y).score(X, y)
    settings = {"optimizer": "sgd", "learning_rate": rate, "batch_size": 16, "random_state": 0}
    settings |= {"average": False}
    noisy, quiet = (GDLinearRegressor(schedule=schedule, **settings).fit(X, y) for schedule in ("constant", "plateau"))
    assert quiet.stop_reason_ == "converged"
    assert best - quiet.score(X, y) < 1e-4 < best - noisy.score(X, y)


@pytest.mark.parametrize("settings", [{"batch_size": None}, {"batch_size": 30, "early_stopping": True}])
def test_plateaus_go_down_to_their_floor_before_training_ends(settings):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 5))
    y = X.sum(axis=1) + rng.standard_normal(len(X))
    schedule = ReduceOnPlateau(decay=0.5, patience=6, threshold=0.01, floor=0.1)
    settings |= {"optimizer": "sgd", "learning_rate": 0.05, "max_iter": 5_000, "tol": 0.01, "n_iter_no_change": 10}
    model = GDLinearRegressor(schedule=schedule, random_state=0, **settings).fit(X, y)
    watched = model.validation_curve_ if "early_stopping" in settings else model.loss_curve_
    assert model.stop_reason_ in ("converged", "early_stopping")
    assert schedule.factor_after(watched) == schedule.floor
