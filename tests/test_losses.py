"""Losses: values and derivatives, from the middle to the extremes, and losses of the user's own."""

import copy
import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, mean_squared_error, mean_tweedie_deviance

from skgd import GDLinearRegressor, GDMLPRegressor
from skgd._compile.jit import compiled
from skgd._compile.types import signatures
from skgd.losses import (
    LOSSES,
    AbsoluteError,
    EpsilonInsensitive,
    Gamma,
    Hinge,
    Huber,
    LogLoss,
    Loss,
    ModifiedHuber,
    MultilabelLogLoss,
    Perceptron,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    Tweedie,
    get_class_loss,
    get_loss,
    get_regression_loss,
)

DTYPES = [np.float64, np.float32]
N_ROWS = 50


def numbers(rng, n_outputs):
    return rng.normal(size=(N_ROWS, n_outputs)) * 3


def one_column(rng, n_outputs):
    return rng.normal(size=(N_ROWS, 1)) * 3


def counts(rng, n_outputs):
    return rng.poisson(2.0, size=(N_ROWS, n_outputs)).astype(float)


def positive(rng, n_outputs):
    return rng.gamma(2.0, size=(N_ROWS, n_outputs)) + 0.1


def zeros_and_positive(rng, n_outputs):
    return positive(rng, n_outputs) * rng.integers(0, 2, (N_ROWS, n_outputs))


def classes(rng, n_outputs):
    return rng.integers(0, max(n_outputs, 2), size=(N_ROWS, 1)).astype(float)


def labels(rng, n_outputs):
    return rng.integers(0, 2, size=(N_ROWS, n_outputs)).astype(float)


def squared_error_value(raw, y, weight):
    return 0.5 * len(raw) * raw.shape[1] * mean_squared_error(y, raw, sample_weight=weight) * weight.mean()


def log_loss_value(raw, y, weight):
    proba = np.hstack([1 - expit(raw), expit(raw)]) if raw.shape[1] == 1 else softmax(raw, axis=1)
    classes = range(proba.shape[1])
    return log_loss(y[:, 0], proba, sample_weight=weight, labels=classes, normalize=False)


def multilabel_value(raw, y, weight):
    return sum(log_loss_value(raw[:, [k]], y[:, [k]], weight) for k in range(raw.shape[1]))


def summed(formula):
    """The sum over rows and outputs of a formula of z and y."""
    return lambda raw, y, weight: weight @ formula(raw, y).sum(axis=1)


def of_margin(formula):
    """The same of a formula of the margin."""

    def margin(raw, y):
        positive = y == 1 if raw.shape[1] == 1 else y == np.arange(raw.shape[1])
        return formula(np.where(positive, raw, -raw))

    return summed(margin)


def huber(epsilon):
    def formula(z, y):
        r = np.abs(z - y)
        return np.where(r <= epsilon, r**2 / 2, epsilon * r - epsilon**2 / 2)

    return summed(formula)


def pinball(*quantiles):
    return summed(lambda z, y: np.maximum(np.multiply(quantiles, y - z), np.multiply(quantiles, y - z) - (y - z)))


def tweedie(p):
    return summed(lambda z, y: np.exp((2 - p) * z) / (2 - p) - y * np.exp((1 - p) * z) / (1 - p))


# Targets, the value by scikit-learn or by the formula of the textbook, and the numbers of outputs to try. A new loss
# needs a row.
CASES = {
    "squared_error": (SquaredError(), numbers, squared_error_value, [1, 3]),
    "huber": (Huber(), numbers, huber(1.35), [1, 3]),
    "huber 3": (Huber(epsilon=3), numbers, huber(3), [1]),
    "absolute_error": (AbsoluteError(), numbers, summed(lambda z, y: np.abs(z - y)), [1, 3]),
    "quantile": (Quantile(), numbers, pinball(0.5), [1, 3]),
    "quantile 0.9": (Quantile(0.9), numbers, pinball(0.9), [1, 2]),
    "quantiles": (Quantile([0.5, 0.05, 0.9]), one_column, pinball(0.5, 0.05, 0.9), [3]),
    "epsilon_insensitive": (
        EpsilonInsensitive(),
        numbers,
        summed(lambda z, y: np.maximum(np.abs(z - y) - 0.1, 0)),
        [1, 3],
    ),
    "squared_epsilon_insensitive": (
        SquaredEpsilonInsensitive(epsilon=0.5),
        numbers,
        summed(lambda z, y: np.maximum(np.abs(z - y) - 0.5, 0) ** 2),
        [1, 3],
    ),
    "poisson": (Poisson(), counts, summed(lambda z, y: np.exp(z) - y * z), [1, 3]),
    "gamma": (Gamma(), positive, summed(lambda z, y: z + y * np.exp(-z)), [1, 3]),
    "tweedie": (Tweedie(), zeros_and_positive, tweedie(1.5), [1, 3]),
    "tweedie -1": (Tweedie(power=-1), numbers, tweedie(-1), [1]),
    "tweedie 0": (Tweedie(power=0), numbers, summed(lambda z, y: (np.exp(z) - y) ** 2 / 2), [1]),
    "tweedie 0.5": (Tweedie(power=0.5), zeros_and_positive, tweedie(0.5), [1]),
    "tweedie 1": (Tweedie(power=1), counts, summed(lambda z, y: np.exp(z) - y * z), [1]),
    "tweedie 2": (Tweedie(power=2), positive, summed(lambda z, y: z + y * np.exp(-z)), [1]),
    "tweedie 3": (Tweedie(power=3), positive, tweedie(3), [2]),
    "log_loss": (LogLoss(), classes, log_loss_value, [1, 3, 4]),
    "multilabel log_loss": (MultilabelLogLoss(), labels, multilabel_value, [1, 2, 5]),
    "hinge": (Hinge(), classes, of_margin(lambda m: np.maximum(1 - m, 0)), [1, 3]),
    "squared_hinge": (SquaredHinge(), classes, of_margin(lambda m: np.maximum(1 - m, 0) ** 2), [1, 3]),
    "modified_huber": (
        ModifiedHuber(),
        classes,
        of_margin(lambda m: np.where(m >= -1, np.maximum(1 - m, 0) ** 2, -4 * m)),
        [1, 3],
    ),
    "perceptron": (Perceptron(), classes, of_margin(lambda m: np.maximum(-m, 0)), [1, 3]),
}
ALL = [(name, n_outputs) for name in CASES for n_outputs in CASES[name][3]]


def test_every_loss_has_a_row():
    assert set(LOSSES) <= set(CASES)
    # that of labels goes by the name of log_loss
    assert {type(case[0]) for case in CASES.values()} == {*LOSSES.values(), MultilabelLogLoss}


def on(loss, raw, y, weight, dtype=np.float64, plain=False, width=0.0, scale=1.0):
    """Value and derivatives, of the compiled function unless `plain`."""
    function = loss.pointwise if plain else compiled(loss.pointwise, signatures(np.dtype(dtype)).loss)
    derivative = np.full(raw.shape, 7.0, dtype)
    hyper = loss.hyper(np.full(y.shape[1], scale))
    if width:
        hyper[0] = width
    with np.errstate(all="ignore"):  # where NumPy says what becomes of extremes, compiled code doesn't
        value = function(raw.astype(dtype), y.astype(dtype), weight.astype(dtype), hyper, derivative)
    return float(value), derivative


def label(case):
    return f"{case[0]}-{case[1]}"


def only(condition):
    """Decorator: the cases of losses for which the condition holds."""
    cases = [case for case in ALL if condition(CASES[case[0]][0])]
    return pytest.mark.parametrize("case", cases, ids=label, indirect=True)


@pytest.fixture(params=ALL, ids=label)
def case(request):
    name, n_outputs = request.param
    rng = np.random.default_rng(0)
    loss, make_targets, reference, _ = CASES[name]
    raw = rng.normal(size=(N_ROWS, n_outputs)) * 3
    return clone(loss), raw, make_targets(rng, n_outputs), rng.uniform(0.1, 3, N_ROWS), reference


@pytest.mark.parametrize("dtype", DTYPES)
def test_value_is_scikit_learns(case, dtype):
    loss, raw, y, weight, reference = case
    value, _ = on(loss, raw, y, weight, dtype)
    np.testing.assert_allclose(value, reference(raw, y, weight), rtol=1e-12 if dtype == np.float64 else 5e-6)


def test_derivative_is_that_of_the_value(case):
    loss, raw, y, weight, reference = case
    _, derivative = on(loss, raw, y, weight)
    h = 1e-5
    for k in range(raw.shape[1]):
        step = np.zeros_like(raw)
        step[:, k] = h
        for i in range(0, N_ROWS, 7):
            rows = slice(i, i + 1)
            up, down = (reference((raw + sign * step)[rows], y[rows], weight[rows]) for sign in (1, -1))
            np.testing.assert_allclose(derivative[i, k], (up - down) / (2 * h), rtol=1e-6, atol=1e-8)


def test_rows_of_weight_zero_count_nothing(case):
    loss, raw, y, weight, _ = case
    weight[::2] = 0.0
    value, derivative = on(loss, raw, y, weight)
    kept, kept_derivative = on(loss, raw[1::2], y[1::2], weight[1::2])
    np.testing.assert_allclose(value, kept, rtol=1e-13)
    np.testing.assert_array_equal(derivative[1::2], kept_derivative)
    assert (derivative[::2] == 0).all()


def test_weights_are_repetitions(case):
    loss, raw, y, _, _ = case
    times = np.arange(N_ROWS) % 4
    value, derivative = on(loss, raw, y, times)
    repeated, each = on(loss, np.repeat(raw, times, axis=0), np.repeat(y, times, axis=0), np.ones(times.sum()))
    np.testing.assert_allclose(value, repeated, rtol=1e-13)
    np.testing.assert_allclose(
        derivative[times > 0], each[np.r_[0, times.cumsum()[:-1]][times > 0]] * times[times > 0, None]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_and_plain_python_agree(case, dtype):
    loss, raw, y, weight, _ = case
    raw = np.vstack([raw, np.full((1, raw.shape[1]), 40.0), np.zeros((1, raw.shape[1]))])
    y, weight = np.vstack([y, y[:2]]), np.r_[weight, 1.0, 2.0]
    ours, plain = (on(loss, raw, y, weight, dtype, plain=p) for p in (False, True))
    rtol = 1e-13 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(ours[0], plain[0], rtol=rtol)
    np.testing.assert_allclose(ours[1], plain[1], rtol=rtol, atol=rtol)


def test_inputs_are_not_changed(case):
    loss, raw, y, weight, _ = case
    before = copy.deepcopy((raw, y, weight))
    compiled(loss.pointwise, signatures(np.dtype(float)).loss)(
        raw, y, weight, loss.hyper(np.ones(1)), np.empty_like(raw)
    )
    for now, then in zip((raw, y, weight), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_nan_in_a_prediction_is_seen(case):
    # a NaN that vanished would let a fit go on in ruins
    loss, raw, y, weight, _ = case
    raw[3, 0] = np.nan
    value, derivative = on(loss, raw, y, weight)
    assert np.isnan(value)
    assert np.isnan(derivative[3, 0])
    assert np.isfinite(derivative[:3]).all()


@pytest.mark.parametrize(
    ("dtype", "sizes"),
    [
        (np.float64, [0, 1e-300, 1e-20, 1e-8, 1, 30, 37, 40, 700, 710, 750, 1e4, 1e15, 1e150, 1e300]),
        (np.float32, [0, 1e-37, 1e-8, 1, 15, 17, 88, 104, 1e4, 1e15, 1e37]),
    ],
)
@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_binary_log_loss_is_exact_at_any_size(dtype, sizes, plain):
    z = np.array(sizes + [-size for size in sizes], dtype)[:, None]
    rtol = 1e-14 if dtype == np.float64 else 1e-6
    for target in (0.0, 1.0):
        for i in range(len(z)):
            value, derivative = on(LogLoss(), z[i : i + 1], np.array([[target]]), np.ones(1), dtype, plain)
            margin = float(z[i, 0]) * (1 if target else -1)
            np.testing.assert_allclose(value, -log_expit(margin), rtol=rtol, atol=np.finfo(dtype).tiny)
            # relative, down to probabilities of 1e-300; below them float32 has only zero
            expected = -expit(-margin) if target else expit(-margin)
            np.testing.assert_allclose(derivative[0, 0], expected, rtol=rtol * 10, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_multinomial_log_loss_is_exact_at_any_size(dtype, plain):
    big = 1e300 if dtype == np.float64 else 1e37
    raw = np.array(
        [
            [big, 0, -big],
            [-big, -big, -big],
            [big, big, big],
            [big, big, 0],
            [-big, 0, 1],
            [0, 0, 0],
            [800, 790, -800],
            [1e-30, -1e-30, 0],
            [50, 0, -50],
        ],
        dtype,
    )
    for target in range(3):
        y = np.full((len(raw), 1), float(target))
        expected = -log_softmax(raw.astype(np.float64), axis=1)[:, target]
        one_hot = np.eye(3)[np.full(len(raw), target)]
        for i in range(len(raw)):
            rows = slice(i, i + 1)
            value, derivative = on(LogLoss(), raw[rows], y[rows], np.ones(1), dtype, plain)
            rtol = 1e-13 if dtype == np.float64 else 1e-6
            np.testing.assert_allclose(value, expected[i], rtol=rtol, atol=rtol)
            gradient = softmax(raw[rows].astype(np.float64), axis=1) - one_hot[rows]
            np.testing.assert_allclose(derivative, gradient, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_log_loss_of_labels_is_exact_at_any_size(dtype, plain):
    big = 1e300 if dtype == np.float64 else 1e37
    raw = np.array([[big, -big, 0], [-big, 1, big], [800, -800, 1e-30], [-40, 40, -1e-30]], dtype)
    rtol = 1e-13 if dtype == np.float64 else 1e-6
    for y in (np.zeros(3), np.ones(3), np.array([1.0, 0.0, 1.0])):
        margin = (2 * y - 1) * raw.astype(float)
        for i in range(len(raw)):
            value, derivative = on(MultilabelLogLoss(), raw[i : i + 1], y[None], np.ones(1), dtype, plain)
            np.testing.assert_allclose(value, -log_expit(margin[i]).sum(), rtol=rtol)
            expected = -(2 * y - 1) * expit(-margin[i])
            np.testing.assert_allclose(derivative[0], expected, rtol=10 * rtol, atol=np.finfo(dtype).tiny)


def test_log_loss_of_labels_starts_at_their_log_odds_and_predicts_each_alone():
    loss, weight = MultilabelLogLoss(), np.array([1.0, 2.0, 1.0])
    y = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    start = loss.best_constant(y, weight, 3)
    np.testing.assert_allclose(expit(start), [0.25, 0.0, 1.0], atol=1e-3)
    assert np.isfinite(start).all()
    np.testing.assert_allclose(expit(loss.best_constant(y, None, 3)), [1 / 3, 0.0, 1.0], atol=1e-3)
    raw = np.array([[0.0, 800.0, -800.0]])
    np.testing.assert_array_equal(loss.predict_proba(raw), [[0.5, 1.0, 0.0]])
    np.testing.assert_allclose(loss.predict_log_proba(raw), [[-np.log(2), 0.0, -800.0]])
    for wrong in (np.array([[2.0, 0.0]]), np.array([[0.5, 0.0]]), np.array([[-1.0, 1.0]])):
        with pytest.raises(ValueError, match="nothing but 0 and 1"):
            loss.check_targets(wrong)


def test_two_outputs_of_the_multinomial_are_the_binary_form():
    rng = np.random.default_rng(1)
    raw, y = rng.normal(size=(20, 2)) * 5, rng.integers(0, 2, (20, 1)).astype(float)
    multinomial, derivative = on(LogLoss(), raw, y, np.ones(20))
    binary, slope = on(LogLoss(), raw[:, 1:] - raw[:, :1], y, np.ones(20))
    np.testing.assert_allclose(multinomial, binary, rtol=1e-13)
    np.testing.assert_allclose(derivative, np.hstack([-slope, slope]), rtol=1e-10, atol=1e-15)


def test_squared_error_of_huge_residuals_is_infinite_not_wrong():
    value, derivative = on(SquaredError(), np.array([[1e300]]), np.array([[-1e300]]), np.ones(1))
    assert value == np.inf
    assert derivative[0, 0] == 2e300


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_sums_are_kept_in_float64(plain):
    # summed in float32 the digits beyond the fifth would be lost after some thousand rows
    n = 50_000 if plain else 1_000_000
    raw, y, weight = np.full((n, 1), 0.1), np.zeros((n, 1)), np.ones(n)
    value, _ = on(SquaredError(), raw, y, weight, np.float32, plain)
    np.testing.assert_allclose(value, n * 0.5 * np.float32(0.1).astype(float) ** 2, rtol=2e-7)
    value, _ = on(LogLoss(), raw, y, weight, np.float32, plain)
    np.testing.assert_allclose(value, n * np.log1p(np.exp(np.float64(np.float32(0.1)))), rtol=2e-7)


# -- what losses know about themselves


def curvatures(loss, z, y):
    """Eigenvalues of the second derivative at raw predictions z of one row, by differences of the derivative."""
    h = 1e-5
    rows = np.vstack([z + h * np.eye(z.size), z - h * np.eye(z.size)])
    _, derivative = on(loss, rows, np.tile(y, (len(rows), 1)), np.ones(len(rows)))
    hessian = (derivative[: z.size] - derivative[z.size :]) / (2 * h)
    return np.linalg.eigvalsh((hessian + hessian.T) / 2)


@only(lambda loss: loss.curvature is not None)
def test_curvature_bound_holds_and_is_not_idle(case):
    loss, raw, y, _, _ = case
    bound = loss.curvature_bound(raw.shape[1])
    corners = np.zeros((2, raw.shape[1]))
    corners[1, 2:] = -40.0  # two classes alike, all others out of the question: the multinomial's largest curvature
    points = np.vstack([raw, raw / 10, corners])
    found = [curvatures(loss, z, y[i % N_ROWS])[-1] for i, z in enumerate(points)]
    assert max(found) <= bound * (1 + 1e-6)
    assert max(found) >= 0.9 * bound  # a bound far too high would make every learning rate far too small


@only(lambda loss: loss.target_power is not None)
def test_target_power_is_what_scaling_does_to_the_loss(case):
    loss, raw, y, weight, _ = case
    value, _ = on(loss, raw, y, weight)
    scaled, _ = on(loss, raw / 8.0 + 5.0, y / 8.0 + 5.0, weight, scale=8.0)
    np.testing.assert_allclose(scaled * 8.0**loss.target_power, value, rtol=1e-10)


# Losses that start near the best constant, and how near: as a share of what a step of one away from it costs.
NEAR = {EpsilonInsensitive: 0.02, SquaredEpsilonInsensitive: 0.02, Huber: 1e-3}


@only(lambda loss: not loss.trivial_optimum)
@pytest.mark.parametrize("weighted", [False, True])
def test_best_constant_is_near_the_optimum(case, weighted):
    loss, raw, y, weight, reference = case
    weight = weight if weighted else np.ones(len(y))
    n_outputs = raw.shape[1]

    def mean(constant, y=y):
        return reference(np.tile(constant, (len(y), 1)), y, weight) / weight.sum()

    def least(y, start):
        if start.size == 1:  # a convex function, which may have kinks
            return minimize_scalar(mean, args=(y,), method="bounded", bounds=(-30, 30), options={"xatol": 1e-9}).fun
        return min(minimize(mean, at, args=(y,), options={"gtol": 1e-7}).fun for at in (start, np.zeros(start.size)))

    # what log-loss adds to every class weighs little beside a thousand rows
    many = np.vstack([y] * 20), np.concatenate([weight] * 20) if weighted else None
    constant = loss.best_constant(*many, n_outputs)
    assert constant.shape == (n_outputs,)
    if y.shape[1] == n_outputs:  # each has targets of its own, and an optimum that the others don't touch
        best = sum(least(y[:, [k]], constant[[k]]) for k in range(n_outputs))
    else:
        best = least(y, constant)
    share = NEAR.get(type(loss), 0.0)
    assert mean(constant) <= best + share * (mean(constant + 1.0) - best) + 1e-6


def test_best_constant_of_log_loss_is_finite_for_classes_without_rows():
    constant = LogLoss().best_constant(np.zeros((10, 1)), None, 3)
    assert np.isfinite(constant).all()
    assert constant[0] > constant[1] == constant[2]
    assert np.isfinite(LogLoss().best_constant(np.ones((10, 1)), np.full(10, 1e6), 1)).all()


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_probabilities_are_scipys_and_sum_to_one(n_outputs):
    raw = np.array([[0.0], [1.0], [-30.0], [800.0], [-1e300], [1e300]]) * np.arange(1, n_outputs + 1)
    proba, log_proba = LogLoss().predict_proba(raw), LogLoss().predict_log_proba(raw)
    both = np.hstack([np.zeros_like(raw), raw]) if n_outputs == 1 else raw
    np.testing.assert_allclose(proba, softmax(both, axis=1), rtol=1e-13)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-13)
    np.testing.assert_allclose(log_proba, log_softmax(both, axis=1), rtol=1e-13, atol=1e-15)


def test_losses_without_classes_give_no_probabilities():
    with pytest.raises(NotImplementedError, match="SquaredError gives no probabilities"):
        SquaredError().predict_proba(np.zeros((1, 1)))


@pytest.mark.parametrize("name", LOSSES)
def test_names_objects_and_clones(name):
    loss = LOSSES[name]()
    assert type(get_loss(name)) is type(loss)
    assert get_loss(loss) is not loss
    assert clone(loss).get_params() == loss.get_params()
    right, wrong = (get_class_loss, get_regression_loss) if loss.for_classes else (get_regression_loss, get_class_loss)
    assert type(right(name)) is type(right(loss)) is type(loss)
    for given in (name, loss):
        with pytest.raises(ValueError, match="is made for"):
            wrong(given)


@pytest.mark.parametrize("bad", ["squared", "", None, 2, SquaredError, lambda z: z])
def test_unknown_losses_are_refused_with_the_known_ones(bad):
    with pytest.raises(ValueError, match="is not known") as caught:
        get_loss(bad)
    assert all(repr(name) in str(caught.value) for name in LOSSES)
    for make in (GDLinearRegressor, GDMLPRegressor):
        with pytest.raises(ValueError, match="'loss' parameter") as caught:
            make(loss=bad).fit([[0.0], [1.0]], [0.0, 1.0])
        assert "squared_error" in str(caught.value)


# -- at extremes, and around kinks


@only(lambda loss: not isinstance(loss, LogLoss))  # has tests of its own, to the last digit
@pytest.mark.parametrize("dtype", DTYPES)
def test_predictions_of_any_size_give_what_the_formula_gives(case, dtype):
    loss, raw, y, _, reference = case
    largest = float(np.finfo(dtype).max)
    sizes = [1e-30, 1e-8, 30, 80, 700, 1e4, 1e15, *([1e150, 1e300] if dtype == np.float64 else [1e37])]
    for size in [0.0, *sizes, *(-size for size in sizes)]:
        z = np.full((1, raw.shape[1]), size, dtype)
        for i in range(8):
            target = y[i : i + 1].astype(dtype)
            value, derivative = on(loss, z, target, np.ones(1), dtype)
            with np.errstate(all="ignore"):
                expected = float(reference(z.astype(float), target.astype(float), np.ones(1)))
            assert not np.isnan(value)
            assert not np.isnan(derivative).any()
            if abs(expected) < largest / 10:
                np.testing.assert_allclose(value, expected, rtol=1e-12 if dtype == np.float64 else 2e-5, atol=1e-6)


@only(lambda loss: not loss.smooth)
@pytest.mark.parametrize("width", [1.5, 0.1, 1e-3])
def test_kinks_are_rounded_within_the_width(case, width):
    loss, raw, y, _, _ = case
    assert loss.hyper(np.ones(1))[0] == 0.0
    n_outputs, one = raw.shape[1], np.ones(1)
    for i in range(4):
        target = y[i : i + 1]
        kinks = [-1.0, 0.0, 1.0, *(target.ravel() - 0.1), *target.ravel(), *(target.ravel() + 0.1)]
        z = np.unique([kink + width * np.linspace(-2, 2, 201) for kink in kinks])
        at = np.repeat(z[:, None], n_outputs, axis=1)
        _, slope = on(loss, at, np.repeat(target, z.size, axis=0), np.ones(z.size), width=width)
        some = np.r_[: z.size - 1 : 8, z.size - 1]
        value, exact = (np.array([on(loss, at[[k]], target, one, width=w)[0] for k in some]) for w in (width, 0.0))
        assert np.abs(value - exact).max() <= width * n_outputs
        assert (np.diff(slope, axis=0) >= -1e-9).all()  # convex
        jumps = np.diff(slope, axis=0) / np.maximum(np.diff(z), 1e-9)[:, None]
        assert jumps.max() <= 1.0 / width * (1 + 1e-3)  # smooth
        # the value is the integral of the slope: exactly by trapezes, but for the cells where the parabola ends
        steps = np.diff(z) * (slope[1:] + slope[:-1]).sum(axis=1) / 2
        np.testing.assert_allclose(value[-1] - value[0], steps.sum(), rtol=1e-3, atol=1e-4 * width)
        np.testing.assert_allclose(
            np.diff(value),
            np.add.reduceat(steps, some[:-1]),
            atol=n_outputs * np.max(np.diff(z)[np.diff(z) < width] ** 2) / width + 1e-9,
        )
    wide, narrow = (on(loss, raw, y, np.ones(N_ROWS), width=w)[0] for w in (1e-12, 0.0))
    np.testing.assert_allclose(wide, narrow, rtol=1e-10)


@only(lambda loss: type(loss).second_derivative is not Loss.second_derivative)
def test_second_derivatives_are_those_of_the_derivative(case):
    loss, raw, y, _, _ = case
    found = loss.second_derivative(raw, y)
    assert found.shape == raw.shape
    h, one = 1e-5, np.ones(N_ROWS)
    for k in range(raw.shape[1]):
        step = np.zeros_like(raw)
        step[:, k] = h
        difference = (on(loss, raw + step, y, one)[1] - on(loss, raw - step, y, one)[1])[:, k] / (2 * h)
        np.testing.assert_allclose(found[:, k], difference, rtol=1e-5, atol=1e-6)


@only(lambda loss: type(loss).curvature_of_bound is not Loss.curvature_of_bound)
def test_parabolas_lie_above_the_loss_and_touch_it_again_unless_they_are_its_second_derivative(case):
    loss, raw, y, _, _ = case
    hyper = np.atleast_1d(np.asarray(loss.hyperparameters(np.ones(1)), dtype=float))
    for at in (np.where(np.arange(raw.size).reshape(raw.shape) % 3, 4 * raw, y + 0.1), raw):
        found = loss.curvature_of_bound(at, y, hyper)
        assert found.shape == raw.shape
        for i in range(N_ROWS):
            row = at[i : i + 1], y[i : i + 1], np.ones(1)
            value, slope = on(loss, *row)
            # a parabola that is too narrow is seen first where it is to touch the loss again
            steps = np.append(np.linspace(-20, 20, 101), 2 * (row[1] - row[0]))
            along = np.array([on(loss, row[0] + step, *row[1:])[0] for step in steps])
            above = value + slope.sum() * steps + 0.5 * found[i].sum() * steps**2 - along
            assert above.min() >= -1e-9
            mirrored = on(loss, 2 * row[1] - row[0], *row[1:])[0]  # on the other side, where it touches again
            np.testing.assert_allclose(mirrored, value, rtol=1e-12)


@only(lambda loss: not (isinstance(loss, Tweedie) and loss.power < 1))  # as documented
def test_losses_are_convex(case):
    loss, raw, y, _, _ = case
    rng, one = np.random.default_rng(3), np.ones(N_ROWS)
    other = rng.normal(size=raw.shape) * 3
    ends = on(loss, raw, y, one)[0] + on(loss, other, y, one)[0]
    assert on(loss, (raw + other) / 2, y, one)[0] <= ends / 2 + 1e-9 * abs(ends)


# -- deviances


@pytest.mark.parametrize("power", [-1, 0, 1, 1.2, 1.9, 2, 3])
def test_deviances_differ_as_scikit_learns_do(power):
    rng = np.random.default_rng(4)
    y, weight = rng.gamma(2.0, size=(30, 1)), rng.uniform(0.1, 2, 30)
    one, other = (rng.normal(size=(30, 1)) for _ in range(2))
    loss = {1: Poisson(), 2: Gamma()}.get(power, Tweedie(power=power))

    def deviance(raw):
        return mean_tweedie_deviance(y[:, 0], np.exp(raw[:, 0]), sample_weight=weight, power=power)

    ours = on(loss, one, y, weight)[0] - on(loss, other, y, weight)[0]
    np.testing.assert_allclose(2 * ours / weight.sum(), deviance(one) - deviance(other), rtol=1e-10)


DOMAINS = [
    (Poisson(), -0.5, "no negative"),
    (Gamma(), 0.0, "positive"),
    (Gamma(), -2.0, "positive"),
    (Tweedie(), -1.0, "no negative"),
    (Tweedie(power=0.5), -1.0, "no negative"),
    (Tweedie(power=2), 0.0, "positive"),
    (Tweedie(power=3), 0.0, "positive"),
]


@pytest.mark.parametrize(("loss", "value", "accepted"), DOMAINS, ids=lambda part: str(part))
def test_targets_out_of_the_domain_are_refused_by_value_with_what_is_accepted(loss, value, accepted):
    X, y = np.arange(4.0).reshape(-1, 1), np.array([1.0, 2.0, value, 3.0])
    for make in (GDLinearRegressor, GDMLPRegressor):
        model = make(loss=loss)
        with pytest.raises(ValueError, match=rf"y contains {value:g}.*{type(loss).__name__}.*{accepted}"):
            model.fit(X, y)
        assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("loss", [Poisson(), Tweedie(), Tweedie(power=0), Tweedie(power=-2)], ids=repr)
def test_targets_on_the_border_of_the_domain_start_finite(loss):
    for y in (np.zeros((9, 1)), np.full((9, 1), 1e-300), np.full((9, 1), 1e300), np.eye(9)[:, :1]):
        loss.check_targets(y)
        constant = loss.best_constant(y, None, 1)
        assert np.isfinite(constant).all()
        if y.any():
            np.testing.assert_allclose(loss.predict(constant), y.mean(), rtol=1e-10)
    if loss.power <= 0 if isinstance(loss, Tweedie) else False:
        loss.check_targets(np.array([[-1.0]]))
        assert np.isfinite(loss.best_constant(np.array([[-1.0]]), None, 1)).all()


def test_predictions_through_a_log_link_are_exponentials_without_warnings():
    for loss in (Poisson(), Gamma(), Tweedie()):
        raw = np.array([[0.0], [-800.0], [800.0]])
        np.testing.assert_array_equal(loss.predict(raw), [[1.0], [0.0], [np.inf]])


# -- quantiles


def test_several_quantiles_are_rearranged_in_the_order_they_were_given():
    loss = Quantile([0.9, 0.1, 0.5])
    raw = np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0], [5.0, 5.0, 4.0]])
    expected = [[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [5.0, 4.0, 5.0]]
    np.testing.assert_array_equal(loss.predict(raw), expected)
    assert loss.n_outputs(1) == 3
    assert Quantile([0.3]).n_outputs(1) == 1
    np.testing.assert_array_equal(Quantile(0.3).predict(raw), raw)
    with pytest.raises(ValueError, match=r"single target; it has 2"):
        loss.n_outputs(2)


@pytest.mark.parametrize("bad", [[], [0.5, 1.0], [0.0], [[0.5]], ["half"], [np.nan], (0.5, -0.1), {"q": 0.5}, 0, 1.0])
def test_quantiles_out_of_range_are_refused(bad):
    for model in (GDLinearRegressor(loss=Quantile(bad)), GDMLPRegressor(loss=Quantile(bad))):
        with pytest.raises(ValueError, match=r"quantile.*(above 0 and below 1|\(0.0, 1.0\))"):
            model.fit([[0.0], [1.0]], [0.0, 1.0])


def test_best_constants_of_many_rows_are_near_those_of_all():
    rng = np.random.default_rng(0)
    y = np.sort(rng.normal(size=(250_000, 1)), axis=0)
    weight = np.where(y[:, 0] > 0, 2.0, 1.0)
    np.testing.assert_allclose(Quantile([0.2, 0.8]).best_constant(y, None, 2), np.quantile(y, [0.2, 0.8]), atol=0.01)
    np.testing.assert_allclose(AbsoluteError().best_constant(y, weight, 1), np.quantile(y, 0.625), atol=0.01)
    only = np.zeros(len(y))
    only[7] = 1.0  # a row that a sample would miss
    assert AbsoluteError().best_constant(y, only, 1) == y[7]


# -- probabilities


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_of_modified_huber_are_those_of_sgd_classifier(n_classes):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 2))
    y = np.digitize(X[:, 0] + rng.normal(size=60), [0.0, 0.7][: n_classes - 1])
    theirs = SGDClassifier(loss="modified_huber", random_state=0).fit(X, y)
    far = np.vstack([X, 10 * X, -100 * X])
    raw = theirs.decision_function(far).reshape(len(far), -1)
    np.testing.assert_allclose(ModifiedHuber().predict_proba(raw), theirs.predict_proba(far), atol=1e-15)
    if n_classes == 3:
        assert (ModifiedHuber().predict_proba(np.full((1, 3), -5.0)) == 1 / 3).all()
    log_proba = ModifiedHuber().predict_log_proba(raw)
    assert (np.exp(log_proba) == ModifiedHuber().predict_proba(raw)).mean() > 0.5
    np.testing.assert_allclose(np.exp(log_proba), ModifiedHuber().predict_proba(raw), rtol=1e-14)


def test_losses_say_whether_they_give_probabilities():
    assert {name for name, loss in LOSSES.items() if loss().gives_probabilities} == {"log_loss", "modified_huber"}


# -- losses of the user's own


class LogCosh(Loss):
    """A smooth, robust loss."""

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


class OwnPoisson(Loss):
    """exp(raw) - y raw, of unbounded curvature."""

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                mean = np.exp(raw[i, k])
                derivative[i, k] = weight[i] * (mean - y[i, k])
                total += weight[i] * (mean - y[i, k] * raw[i, k])
        return total


class InPython(Loss):
    """LogCosh with a class that numba doesn't know."""

    curvature = 1.0

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        residual = (raw - y) * float(Fraction(1, 1))
        derivative[...] = weight[:, None] * np.tanh(residual)
        return float(weight @ np.logaddexp(residual, -residual).sum(axis=1) - raw.size * np.log(2.0) * weight.mean())


def log_cosh(z, y):
    return np.logaddexp(z - y, y - z) - np.log(2)


def poisson(z, y):
    return np.exp(z) - y * z


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(60, 3)) * [1.0, 2.0, 0.5] + [0.0, 1.0, 3.0]
    y = X @ [0.3, -0.2, 0.5] + rng.standard_t(2, 60)
    return X, y, rng.uniform(0.2, 2, 60)


def optimum(loss, X, y, weight, alpha):
    """Coefficients and intercepts of every target by BFGS on the documented objective, on standardised features."""
    mean = np.average(X, axis=0, weights=weight)
    std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    Z = (X - mean) / std
    found = []
    for target in y.reshape(len(y), -1).T:

        def objective(w, target=target):
            return weight @ loss(Z @ w[:-1] + w[-1], target) / weight.sum() + alpha / 2 * w[:-1] @ w[:-1]

        w = minimize(objective, np.zeros(Z.shape[1] + 1), method="BFGS", options={"gtol": 1e-8}).x
        coef = w[:-1] / std
        found.append([*coef, w[-1] - coef @ mean])
    return np.squeeze([f[:-1] for f in found]), np.array([f[-1] for f in found])


CERTIFIED = {"alpha": 0.05, "criterion": "gradient", "tol": 1e-7, "max_iter": 20_000}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("make", "function"), [(LogCosh, log_cosh), (OwnPoisson, poisson)], ids=["bounded curvature", "unbounded"]
)
def test_users_loss_reaches_scipys_optimum(make, function, weighted, data):
    X, y, weight = data
    y = np.round(np.clip(y, 0, 6)) if make is OwnPoisson else y
    weight = weight if weighted else np.ones(len(y))
    settings = CERTIFIED if make is LogCosh else CERTIFIED | {"learning_rate": 0.1}
    model = GDLinearRegressor(loss=make(), **settings).fit(X, y, sample_weight=weight if weighted else None)
    coef, intercept = optimum(function, X, y, weight, 0.05)
    assert model.converged_
    np.testing.assert_allclose(model.coef_, coef, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, intercept, atol=1e-5)
    value = np.average(function(model.predict(X), y), weights=weight)
    np.testing.assert_allclose(
        model.loss_curve_[-1] - 0.025 * np.sum((model.coef_ * _std(X, weight)) ** 2), value, rtol=1e-6
    )


def _std(X, weight):
    mean = np.average(X, axis=0, weights=weight)
    return np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))


def test_quadratic_loss_of_targets_as_they_are_has_an_intercept(data):
    # on centred features its best intercept is the targets' mean, which is not zero where they aren't centred
    class Plain(Loss):
        curvature = 1.0
        quadratic = True
        pointwise = staticmethod(SquaredError.pointwise)

    X, y, _ = data
    y = y + 10
    model = GDLinearRegressor(loss=Plain(), **CERTIFIED).fit(X, y)
    coef, intercept = optimum(lambda z, y: 0.5 * (z - y) ** 2, X, y, np.ones(len(y)), 0.05)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, intercept, atol=1e-5)


def test_users_loss_of_several_targets(data):
    X, y, _ = data
    y = np.column_stack([y, -2 * y + X[:, 0]])
    model = GDLinearRegressor(loss=LogCosh(), **CERTIFIED).fit(X, y)
    coef, intercept = optimum(log_cosh, X, y, np.ones(len(y)), 0.05)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, intercept, atol=1e-5)


def test_users_loss_in_mini_batches_and_in_a_network(data):
    X, y, _ = data
    linear = GDLinearRegressor(
        loss=LogCosh(), batch_size=10, schedule="invscaling", max_iter=300, tol=None, alpha=0.05, random_state=0
    ).fit(X, y)
    coef, _ = optimum(log_cosh, X, y, np.ones(len(y)), 0.05)
    np.testing.assert_allclose(linear.coef_, coef, atol=0.1)
    network = GDMLPRegressor(
        loss=LogCosh(), hidden_layer_sizes=(), optimizer="nesterov", learning_rate=0.1, batch_size=None, **CERTIFIED
    ).fit(X, y)
    np.testing.assert_allclose(network.coefs_[0][:, 0], coef, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_that_cannot_be_compiled_gives_the_same_fit_with_one_warning(dtype, data):
    X, y, _ = data
    settings = {"alpha": 0.05, "max_iter": 40, "tol": None, "batch_size": 20, "random_state": 0}
    expected = GDLinearRegressor(loss=LogCosh(), **settings).fit(X.astype(dtype), y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = GDLinearRegressor(loss=InPython(), **settings).fit(X.astype(dtype), y)
    assert [w.category for w in caught] == [RuntimeWarning]
    assert "InPython.pointwise can't be compiled" in str(caught[0].message)
    assert "Fraction" in str(caught[0].message)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-10 if dtype == np.float64 else 1e-3)


def test_network_with_a_loss_that_cannot_be_compiled(data):
    X, y, _ = data
    settings = {"hidden_layer_sizes": (5,), "max_iter": 5, "tol": None, "random_state": 0, "early_stopping": True}
    expected = GDMLPRegressor(loss=LogCosh(), **settings).fit(X, y)
    with pytest.warns(RuntimeWarning, match=r"InPython\.pointwise can't be compiled"):
        model = GDMLPRegressor(loss=InPython(), **settings).fit(X, y)
    np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-9)
    np.testing.assert_allclose(model.validation_curve_, expected.validation_curve_, rtol=1e-9)


def test_users_loss_is_never_changed(data):
    X, y, _ = data
    loss = LogCosh()
    model = GDLinearRegressor(loss=loss, max_iter=3, tol=None).fit(X, y)
    assert vars(loss) == {}
    assert model.loss is loss


def test_loss_without_a_function_says_what_is_missing(data):
    class Nothing(Loss):
        pass

    X, y, _ = data
    model = GDLinearRegressor(loss=Nothing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that it can't be compiled either
        with pytest.raises(NotImplementedError, match="needs a static method pointwise"):
            model.fit(X, y)


def test_loss_that_returns_nan_ends_in_finite_coefficients_and_a_warning(data):
    class Root(Loss):
        @staticmethod
        def pointwise(raw, y, weight, hyper, derivative):
            total = 0.0
            for i in range(raw.shape[0]):
                for k in range(raw.shape[1]):
                    derivative[i, k] = weight[i] / np.sqrt(raw[i, k])
                    total += weight[i] * np.sqrt(raw[i, k])  # falls below zero, and its root is NaN
            return total

        def best_constant(self, y, weight, n_outputs):
            return np.full(n_outputs, 0.5)

    X, y, _ = data
    with pytest.warns(UserWarning, match="diverged"):
        model = GDLinearRegressor(loss=Root(), learning_rate=0.1, max_iter=50).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.stop_reason_ == "diverged"


# -- what is noticed about them before the first fit


def absolute_power(weighted_value=True, weighted_derivative=True, divisor=1.0, sign=1.0):
    """|raw - y|^1.5 / 1.5, right or with a mistake."""

    class Power(Loss):
        @staticmethod
        def pointwise(raw, y, weight, hyper, derivative):
            total = 0.0
            for i in range(raw.shape[0]):
                for k in range(raw.shape[1]):
                    r = raw[i, k] - y[i, k]
                    slope = sign * np.sign(r) * np.sqrt(abs(r))
                    derivative[i, k] = weight[i] * slope if weighted_derivative else slope
                    total += abs(r) ** 1.5 / 1.5 * (weight[i] if weighted_value else 1.0)
            return total / (raw.shape[0] if divisor == "rows" else weight.sum() if divisor == "weights" else divisor)

    return Power()


UNWEIGHTED = r"Power\.pointwise doesn't count rows by their weights in {}: .*sum of weight\[i\] \* loss"


@pytest.mark.parametrize("n_rows", [1, 2, 60])
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"weighted_value": False}, UNWEIGHTED.format("what it returns")),
        ({"weighted_derivative": False}, UNWEIGHTED.format("derivative")),
        ({"weighted_value": False, "weighted_derivative": False}, UNWEIGHTED.format("what it returns and derivative")),
        ({"divisor": "weights"}, UNWEIGHTED.format("what it returns")),
        ({"sign": -1.0}, "isn't the derivative"),
    ],
    ids=str,
)
def test_a_mistake_that_spoils_every_fit_is_noticed(mistake, message, n_targets, n_rows):
    y = np.random.default_rng(4).normal(size=(n_rows, n_targets)) * 5
    with pytest.warns(RuntimeWarning, match=message) as caught:
        absolute_power(**mistake).probe(y, n_targets)
    assert len(caught) == 1


def test_a_mean_over_rows_is_noticed():
    y = np.random.default_rng(4).normal(size=(60, 1))
    with pytest.warns(RuntimeWarning, match=UNWEIGHTED.format("what it returns")):
        absolute_power(divisor="rows").probe(y, 1)


def test_entries_of_the_derivative_that_stay_as_they_are_are_noticed():
    class OneSided(Loss):
        @staticmethod
        def pointwise(raw, y, weight, hyper, derivative):
            total = 0.0
            for i in range(raw.shape[0]):
                if raw[i, 0] > y[i, 0]:  # else zero; in training something of the last batch stands there
                    derivative[i, 0] = weight[i]
                    total += weight[i] * (raw[i, 0] - y[i, 0])
            return total

    with pytest.warns(RuntimeWarning, match="isn't the derivative"):
        OneSided().probe(np.arange(8.0).reshape(-1, 1), 1)


def test_a_forgotten_weight_is_noticed_in_fit_and_nothing_where_all_is_right(data):
    X, y, _ = data
    GDLinearRegressor(loss=absolute_power(), max_iter=3, tol=None).fit(X, y)  # a warning would be an error
    with pytest.warns(RuntimeWarning, match=UNWEIGHTED.format("what it returns")):
        GDLinearRegressor(loss=absolute_power(weighted_value=False), max_iter=3, tol=None).fit(X, y)


@pytest.mark.parametrize("make", [GDLinearRegressor, GDMLPRegressor])
def test_a_loss_that_is_no_static_method_is_refused(make, data):
    class Bound(Loss):
        def pointwise(self, raw, y, weight, hyper, derivative):
            derivative[:] = weight[:, None] * (raw - y)
            return 0.5 * float(weight @ (raw - y)[:, 0] ** 2)

    X, y, _ = data
    with pytest.raises(ValueError, match=r"Bound\.pointwise must be a static method: put @staticmethod"):
        make(loss=Bound()).fit(X, y)


USERS = [*LOSSES.values(), MultilabelLogLoss]


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("cls", USERS, ids=lambda cls: cls.__name__)
def test_what_is_right_is_not_warned_of(cls, n_outputs):
    # each as if it were a user's, on targets of any size, kinks, zeros and few rows included
    loss, rng = type("Own", (cls,), {})(), np.random.default_rng(5)
    make = labels if loss.multilabel else classes if loss.for_classes else positive
    for scale in [1.0] if loss.for_classes else [1e-3, 1.0, 1e4]:
        for n_rows in (1, 2, N_ROWS):
            loss.probe(scale * make(rng, n_outputs)[:n_rows], n_outputs)
    if not loss.for_classes and cls not in (Gamma,):
        loss.probe(np.zeros((5, n_outputs)), n_outputs)


def test_a_users_quantiles_of_one_target_are_not_warned_of():
    own = type("Own", (Quantile,), {})([0.1, 0.5, 0.9])
    own.probe(np.random.default_rng(5).normal(size=(N_ROWS, 1)), 3)
