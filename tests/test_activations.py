"""Activations: against NumPy and SciPy, finite differences, and at the extremes; those that users write."""

import math
import types
import warnings

import numpy as np
import pytest

from skgd import GDMLPRegressor
from skgd._compile.jit import bound, compiled, have_numba
from skgd._compile.kernels import _activation_kernels, activation_kernels
from skgd._kernels import elementary, layers
from skgd.activations import ACTIVATIONS, Activation, Tanh, get_activation

DTYPES = [np.float64, np.float32]
WAYS = ["compiled", "plain", "scalars"]
ROUNDING = {np.float64: 2e-15, np.float32: 2e-7}
each_activation = pytest.mark.each("name", ACTIVATIONS)
each_dtype = pytest.mark.each("dtype", DTYPES)
each_way = pytest.mark.each("way", WAYS)


def plain_kernels(cls, dtype):
    """The same kernels as those that are compiled, as they run where they can't be."""
    forwards = layers.activate_in_place if cls.from_output else layers.activate
    return bound(forwards, function=cls.function), bound(layers.differentiate, slope=cls.derivative)


def kernels(cls, dtype, way):
    if way == "plain":
        return plain_kernels(cls, dtype)
    ready = activation_kernels(cls(), np.dtype(dtype))
    assert ready.in_python != have_numba()
    return ready.call, ready.backwards


def activate(cls, z, bias=None, dtype=np.float64, way="compiled"):
    """Outputs for inputs z + bias, and the inputs that derivatives are given with them."""
    z = np.array(z, dtype=dtype, order="C", ndmin=2)
    bias = np.zeros(z.shape[1], dtype) if bias is None else np.asarray(bias, dtype)
    if way == "scalars":
        a = np.array([[cls.function(float(x)) for x in row] for row in z + bias]).reshape(z.shape)
        return (a if cls.from_output else z + bias), a
    given = z + bias
    a = z if cls.from_output else np.full_like(z, np.nan)
    kernels(cls, dtype, way)[0](z, bias, a)
    if not cls.from_output:
        np.testing.assert_array_equal(z, given)  # the way back needs the inputs
    return z, a


def differentiate(cls, z, a, gradient, dtype=np.float64, way="compiled"):
    """The gradient by z, and its sums over the rows."""
    if way == "scalars":
        slopes = [cls.derivative(float(x), float(y)) for x, y in zip(z.ravel(), a.ravel(), strict=True)]
        gradient = gradient * np.array(slopes).reshape(z.shape)
        return gradient, gradient.sum(axis=0)
    gradient, sums = np.array(gradient, dtype=dtype, order="C"), np.zeros(z.shape[1], dtype)
    before = z.copy(), a.copy()
    kernels(cls, dtype, way)[1](z, a, gradient, sums)
    np.testing.assert_array_equal((z, a), before)
    return gradient, sums


def assert_close(a, z, expected, dtype, smallest):
    """Relatively, up to what rounding of z makes of exp(-z^2), the steepest of all tails."""
    rtol = ROUNDING[dtype] * (1 + np.minimum(np.abs(z), 40.0) ** 2)
    with np.errstate(invalid="ignore"):
        close = np.abs(a - expected) <= rtol * np.abs(expected) + smallest
    assert (close | (a == expected)).all(), (z[~close], a[~close], expected[~close])


def extremes(dtype):
    tiny, huge = (1e-300, 1e300) if dtype == np.float64 else (1e-37, 1e37)
    sizes = [0, tiny, 1e-16, 1e-8, 0.1, 0.3, 1, 5, 9, 20, 37, 40, 89, 100, 700, 708, 710, 750, 1e4, 1e18, huge, np.inf]
    return np.array([sizes, np.negative(sizes)], dtype=dtype)


@each_way
@each_dtype
@each_activation
def test_function_is_the_textbooks(name, dtype, way, twins):
    z = extremes(dtype)
    with np.errstate(all="ignore"):
        expected = twins[name].function(z.astype(np.float64))
    expected[np.isnan(expected)] = 0  # z times zero, for infinite z: where the function has come back to zero
    _, a = activate(ACTIVATIONS[name], z, dtype=dtype, way=way)
    # an exponential that would be no normal number may be zero
    smallest = 800 * np.finfo(np.float64).tiny if dtype == np.float64 else np.finfo(np.float32).tiny
    if name == "gelu":
        assert_close(a, z, expected, dtype, smallest)
    else:
        np.testing.assert_allclose(a, expected, rtol=ROUNDING[dtype], atol=smallest)


@each_way
@each_dtype
@each_activation
def test_function_of_many_inputs_and_biases(name, dtype, way, twins):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(37, 11)) * np.logspace(-3, 2, 11)
    bias = rng.normal(size=11).astype(dtype)
    z = z.astype(dtype)
    expected = twins[name].function((z + bias).astype(np.float64))
    _, a = activate(ACTIVATIONS[name], z, bias, dtype, way)
    assert_close(a, z + bias, expected, dtype, np.finfo(dtype).tiny)


@each_way
@each_dtype
@each_activation
def test_derivative_is_that_of_the_function(name, dtype, way, twins):
    rng = np.random.default_rng(0)
    cls = ACTIVATIONS[name]
    for n_rows, n_units in [(1, 1), (3, 4), (16, 5), (37, 3)]:  # of whole and broken blocks of rows
        z = (rng.normal(size=(n_rows, n_units)) * 2).astype(dtype)
        h = 1e-6
        exactly, function = z.astype(np.float64), twins[name].function
        slope = (function(exactly + h) - function(exactly - h)) / (2 * h)
        np.testing.assert_allclose(twins[name].slope(exactly), slope, rtol=1e-8, atol=1e-8)
        gradient = rng.normal(size=z.shape).astype(dtype)
        found, sums = differentiate(cls, *activate(cls, z, dtype=dtype, way=way), gradient, dtype, way)
        np.testing.assert_allclose(
            found, gradient * twins[name].slope(exactly), rtol=40 * ROUNDING[dtype], atol=4 * ROUNDING[dtype]
        )
        np.testing.assert_allclose(sums, found.sum(axis=0), rtol=1e-5, atol=20 * ROUNDING[dtype])


@each_way
@each_dtype
@each_activation
def test_derivative_far_out_is_its_limit(name, dtype, way):
    cls, z = ACTIVATIONS[name], extremes(dtype)[:, -6:]
    slopes, _ = differentiate(cls, *activate(cls, z, dtype=dtype, way=way), np.ones_like(z), dtype, way)
    above = 0.0 if name in ("logistic", "tanh") else 1.0
    below = {"identity": 1.0, "leaky_relu": dtype(0.01)}.get(name, 0.0)
    np.testing.assert_allclose(slopes[0], above, rtol=ROUNDING[dtype], atol=1e-300)
    np.testing.assert_allclose(slopes[1], below, rtol=ROUNDING[dtype], atol=1e-300)


@each_way
@each_dtype
@each_activation
def test_nan_stays_nan(name, dtype, way):
    # a NaN that became a number would hide that a fit has diverged
    cls, z = ACTIVATIONS[name], np.array([[np.nan, 1.0, -1.0]])
    inputs, a = activate(cls, z, dtype=dtype, way=way)
    assert np.isnan(a[0, 0])
    assert np.isfinite(a[0, 1:]).all()
    np.testing.assert_array_equal(np.isnan(activate(cls, np.zeros((1, 3)), z[0], dtype, way)[1]), np.isnan(z))
    gradient, sums = differentiate(cls, inputs[:, 1:], a[:, 1:], [[np.nan, 1.0]], dtype, way)
    assert np.isnan(gradient[0, 0])
    assert np.isnan(sums[0])
    assert np.isfinite(gradient[0, 1])


def test_kinks_have_the_slope_from_below():
    z = np.array([[0.0, -0.0, 1e-300, -1e-300]])
    for name, below in (("relu", 0.0), ("leaky_relu", 0.01)):
        cls = ACTIVATIONS[name]
        slopes, _ = differentiate(cls, *activate(cls, z), np.ones((1, 4)))
        np.testing.assert_array_equal(slopes, [[below, below, 1.0, below]])


@each_activation
def test_no_rows_are_no_trouble(name):
    inputs, a = activate(ACTIVATIONS[name], np.empty((0, 3)))
    gradient, sums = differentiate(ACTIVATIONS[name], inputs, a, np.empty((0, 3)))
    assert a.shape == gradient.shape == (0, 3)
    np.testing.assert_array_equal(sums, np.zeros(3))


def test_names_and_objects_become_fresh_activations():
    for name, cls in ACTIVATIONS.items():
        assert type(get_activation(name)) is cls
        given = cls()
        assert type(get_activation(given)) is cls
        assert get_activation(given) is not given
        assert cls.__doc__
    for wrong in ("sine", None, Tanh, np.tanh):
        with pytest.raises(ValueError, match=r"leaky_relu.*skgd\.activations\.Activation"):
            get_activation(wrong)


# -- exponentials


def fill_exp(x, out):
    for i in range(x.size):
        out[i] = elementary_exp(x[i])


def fill_expm1(x, out):
    for i in range(x.size):
        out[i] = elementary_expm1(x[i])


def fill_log1p(x, out):
    for i in range(x.size):
        out[i] = elementary_log1p(x[i])


elementary_exp, elementary_expm1, elementary_log1p = elementary.exp, elementary.expm1, elementary.log1p


def of_all(fill, x, way):
    if way == "compiled":
        if not have_numba():
            pytest.skip("nothing is compiled")
        fill = compiled(fill, "void(float64[::1], float64[::1])")
    out = np.empty(x.size)
    fill(x, out)
    return out


def ulps(found, expected):
    return np.abs(found - expected) / np.spacing(np.abs(expected))


def exponents():
    rng = np.random.default_rng(0)
    n, half = 3000, np.log(2) / 2
    small = rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-300, 0, n)
    borders = (np.arange(-2040, 2044) * half)[:, None] * [1 - 1e-15, 1, 1 + 1e-15]  # where powers of two change
    x = np.concatenate([small, rng.uniform(-708, 709, n), rng.uniform(-2, 2, n), borders.ravel(), [0.0, -708.0, 709.0]])
    return x[(x >= -708) & (x <= 709)]


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_exponentials_are_exact_to_some_units_in_the_last_place(way):
    x = exponents()
    assert ulps(of_all(fill_exp, x, way), np.array([math.exp(e) for e in x])).max() <= 4
    exact = np.array([math.expm1(e) for e in x])
    assert ulps(of_all(fill_expm1, x, way), exact).max() <= 4


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_logarithms_near_one_are_exact_to_some_units_in_the_last_place(way):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1, 3000), 10.0 ** rng.uniform(-300, 0, 3000), [1.0, 1e-16]])
    assert ulps(of_all(fill_log1p, x, way), np.array([math.log1p(e) for e in x])).max() <= 4
    assert of_all(fill_log1p, np.zeros(1), way)[0] == 0
    assert np.isnan(of_all(fill_log1p, np.array([np.nan]), way)[0])


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_exponentials_beyond_normal_numbers(way):
    x = np.array([-708.5, -745.0, -800.0, -1e300, -np.inf])
    np.testing.assert_array_equal(of_all(fill_exp, x, way), np.zeros(5))
    np.testing.assert_array_equal(of_all(fill_expm1, x, way), -np.ones(5))
    x = np.array([709.5, 1e300, np.inf])  # stay finite, so that their quotients are numbers
    np.testing.assert_array_equal(of_all(fill_exp, x, way), of_all(fill_exp, np.full(3, 709.0), way))
    np.testing.assert_array_equal(of_all(fill_expm1, x, way), of_all(fill_expm1, np.full(3, 709.0), way))
    for fill in (fill_exp, fill_expm1):
        assert np.isnan(of_all(fill, np.array([np.nan]), way)[0])


# -- what users write


class Softsign(Activation):
    from_output = False

    @staticmethod
    def function(z):
        return z / (1.0 + abs(z))

    @staticmethod
    def derivative(z, a):
        return (1.0 - abs(a)) ** 2


class Sine(Activation):
    @staticmethod
    def function(z):
        return np.sin(z)

    @staticmethod
    def derivative(z, a):
        return np.cos(z)


class Arctan(Activation):
    from_output = True

    @staticmethod
    def function(z):
        return np.arctan(z)

    @staticmethod
    def derivative(z, a):
        return np.cos(a) ** 2


class WrongSlope(Softsign):
    @staticmethod
    def derivative(z, a):
        return 1.0 - a * a


class NoDerivative(Activation):
    @staticmethod
    def function(z):
        return z


class NoFunction(Activation):
    @staticmethod
    def derivative(z, a):
        return 1.0


class NotStatic(Activation):
    def function(self, z):
        return z

    def derivative(self, z, a):
        return 1.0


class OfUfuncs(Activation):
    function, derivative = staticmethod(np.sin), staticmethod(lambda z, a: np.cos(z))


class OfTheClass(Sine):
    @classmethod
    def function(cls, z):
        return np.sin(z)


class NotEverywhere(Activation):
    @staticmethod
    def function(z):
        return math.log(z)

    @staticmethod
    def derivative(z, a):
        return 1.0 / z


class NoNumber(Sine):
    @staticmethod
    def function(z):
        return "high" if z > 0 else None


FORMULAS = types.SimpleNamespace(softsign=Softsign.function, slope=Softsign.derivative)


class SoftsignInPython(Activation):  # numba knows no such object
    @staticmethod
    def function(z):
        return FORMULAS.softsign(z)

    @staticmethod
    def derivative(z, a):
        return FORMULAS.slope(z, a)


class SlopeInPython(Softsign):  # half of it is beyond the compiler
    @staticmethod
    def derivative(z, a):
        return FORMULAS.slope(z, a)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]


def network_of(activation, **settings):
    defaults = {"hidden_layer_sizes": (6, 4), "max_iter": 4, "tol": None, "batch_size": 16, "random_state": 0}
    return GDMLPRegressor(activation=activation, **(defaults | settings))


@each_activation
def test_the_named_ones_are_not_probed(name, monkeypatch):
    monkeypatch.setattr(ACTIVATIONS[name], "function", None)
    ACTIVATIONS[name]().probe()


@pytest.mark.parametrize(
    ("cls", "dtype"), [(Softsign, np.float64), (Softsign, np.float32), (Sine, np.float64), (Arctan, np.float32)]
)
def test_a_users_activation_trains(cls, dtype, data):
    X, y = data
    cls().probe()  # without a warning
    model = network_of(cls(), max_iter=300, learning_rate=0.02).fit(X.astype(dtype), y.astype(dtype))
    assert model.predict(X.astype(dtype)).dtype == dtype
    assert model.score(X.astype(dtype), y) > 0.8
    # it makes the step that finite differences of its own predictions ask for
    start = network_of(cls(), optimizer="sgd", learning_rate=1e-300, max_iter=1, batch_size=None).fit(X, y)
    init = start.coefs_, start.intercepts_
    step = {"optimizer": "sgd", "batch_size": None, "standardize": False, "alpha": 0, "max_iter": 1}
    after = network_of(cls(), init=init, learning_rate=1e-3, **step).fit(X, y)
    h = 1e-6
    losses = []
    for change in (-h, h):
        moved = [coef.copy() for coef in init[0]]
        moved[0][1, 2] += change
        losses.append(network_of(cls(), init=(moved, init[1]), learning_rate=1e-300, **step).fit(X, y).loss_curve_[0])
    slope = (losses[1] - losses[0]) / (2 * h)
    assert (init[0][0] - after.coefs_[0])[1, 2] / 1e-3 == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_a_users_twin_of_a_named_one_makes_the_same_fit(data):
    class OwnTanh(Activation):
        from_output = True

        @staticmethod
        def function(z):
            return np.tanh(z)

        @staticmethod
        def derivative(z, a):
            return 1.0 - a * a

    own, named = (network_of(activation).fit(*data) for activation in (OwnTanh(), "tanh"))
    np.testing.assert_allclose(own.loss_curve_, named.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(own.predict(data[0]), named.predict(data[0]), rtol=1e-10)


def test_a_subclass_may_have_the_name_of_another(data):
    # compiled code lies on disk by name: its own must not be that of its namesake
    namesake = type("ReLU", (Tanh,), {"__module__": __name__, "__qualname__": "ReLU"})
    network_of("relu").fit(*data)
    ours, tanh = (network_of(activation).fit(*data) for activation in (namesake(), "tanh"))
    np.testing.assert_array_equal(ours.loss_curve_, tanh.loss_curve_)
    np.testing.assert_array_equal(ours.predict(data[0]), tanh.predict(data[0]))


def test_a_wrong_derivative_is_warned_of(data):
    with pytest.warns(RuntimeWarning, match=r"WrongSlope\.derivative isn't the derivative"):
        WrongSlope().probe()
    with pytest.warns(RuntimeWarning, match=r"WrongSlope\.derivative isn't the derivative"):
        network_of(WrongSlope()).fit(*data)


class WrongBelowZero(Activation):
    @staticmethod
    def function(z):
        return z if z > 0 else 0.1 * z

    @staticmethod
    def derivative(z, a):
        return 1.0


class TanhOfOutput(Activation):
    from_output = True

    @staticmethod
    def function(z):
        return np.tanh(z)

    @staticmethod
    def derivative(z, a):
        return 1.0 - z * a  # the output is all that there is


def test_a_derivative_may_be_wrong_on_one_side_and_right_of_the_output():
    with pytest.warns(RuntimeWarning, match=r"WrongBelowZero\.derivative isn't .* at \[-3\.1, -1\.2, -0\.4\]"):
        WrongBelowZero().probe()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TanhOfOutput().probe()


@pytest.mark.parametrize(
    "cls", [NoDerivative, NoFunction, NotStatic, OfTheClass, OfUfuncs, NotEverywhere, NoNumber, Activation]
)
def test_what_is_missing_is_named(cls, data):
    with pytest.raises(ValueError, match=r"function\(z\) and derivative\(z, a\)"):
        cls().probe()
    with pytest.raises(ValueError, match=cls.__name__):
        network_of(cls()).fit(*data)


@pytest.mark.skipif(not have_numba(), reason="nothing is compiled")
@pytest.mark.parametrize("settings", [{}, {"batch_size": None}, {"dropout": 0.3}, {"optimizer": "lbfgs"}], ids=str)
@pytest.mark.parametrize("cls", [SoftsignInPython, SlopeInPython])
def test_what_numba_cannot_compile_runs_as_python_with_a_warning(cls, settings, data):
    X, y = data
    _activation_kernels.cache_clear()  # it warns once
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = network_of(cls(), **settings).fit(X, y)
        predicted = model.predict(X)
    messages = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
    assert messages
    assert all(message.startswith(cls.__name__) and "can't be compiled" in message for message in messages)
    assert len(set(messages)) == len([part for part in ("function", "derivative") if part in cls.__dict__])
    twin = network_of(Softsign(), **settings).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_, twin.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(predicted, twin.predict(X), rtol=1e-10, atol=1e-10)
    for ours, compiled_one in zip(model.coefs_, twin.coefs_, strict=True):
        np.testing.assert_allclose(ours, compiled_one, rtol=1e-10, atol=1e-10)
