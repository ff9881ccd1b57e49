"""Activations: against NumPy and SciPy, finite differences, and at the extremes."""

import numpy as np
import pytest
from scipy.special import expit

from skgd._jit import compiled
from skgd._kernels.signatures import signatures
from skgd.activations import ACTIVATIONS, NUMPY_ACTIVATIONS

DTYPES = [np.float64, np.float32]
REFERENCES = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
}


def apply(function, z, dtype, plain=False):
    a = np.array(z, dtype=dtype, order="C")
    (function if plain else compiled(function, signatures(np.dtype(dtype)).activation))(a)
    return a


def differentiate(function, a, gradient, dtype, plain=False):
    gradient = np.array(gradient, dtype=dtype, order="C")
    before = a.copy()
    (function if plain else compiled(function, signatures(np.dtype(dtype)).activation_derivative))(a, gradient)
    np.testing.assert_array_equal(a, before)  # the layer below still needs it
    return gradient


def test_every_activation_has_its_twin_for_predictions():
    assert NUMPY_ACTIVATIONS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_function_is_the_textbooks(name, dtype, plain):
    tiny, huge = (1e-300, 1e300) if dtype == np.float64 else (1e-37, 1e37)
    sizes = np.array([0, tiny, 1e-8, 0.1, 1, 5, 20, 40, 100, 710, 1e4, huge, np.inf])
    z = np.vstack([sizes, -sizes]).astype(dtype)
    rtol = 1e-14 if dtype == np.float64 else 1e-6
    expected = REFERENCES[name](z.astype(np.float64))
    a = apply(ACTIVATIONS[name].function, z, dtype, plain)
    np.testing.assert_allclose(a, expected, rtol=rtol, atol=np.finfo(dtype).tiny)
    predicted = NUMPY_ACTIVATIONS[name](z.copy())
    assert predicted.dtype == dtype
    np.testing.assert_allclose(predicted, expected, rtol=rtol, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_that_of_the_function(name, dtype, plain):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(9, 4)) * 2
    h = 1e-6
    slope = (REFERENCES[name](z + h) - REFERENCES[name](z - h)) / (2 * h)
    gradient = rng.normal(size=z.shape)
    a = REFERENCES[name](z).astype(dtype)
    found = differentiate(ACTIVATIONS[name].derivative, a, gradient, dtype, plain)
    tolerance = 1e-8 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(found, gradient * slope, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"identity"}))
def test_derivative_is_zero_far_out(name):
    z = np.array([[-1e300, -1e3], [-1e300, -1e3]])
    a = apply(ACTIVATIONS[name].function, z, np.float64)
    assert (differentiate(ACTIVATIONS[name].derivative, a, np.ones((2, 2)), np.float64) == 0).all()


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name, plain):
    # a NaN that became a number would hide that a fit has diverged
    z = np.array([[np.nan, 1.0, -1.0]])
    a = apply(ACTIVATIONS[name].function, z, np.float64, plain)
    assert np.isnan(a[0, 0])
    assert np.isfinite(a[0, 1:]).all()
    assert np.isnan(NUMPY_ACTIVATIONS[name](z.copy())[0, 0])
    gradient = differentiate(ACTIVATIONS[name].derivative, np.ones((1, 3)) / 2, z, np.float64, plain)
    assert np.isnan(gradient[0, 0])


def test_relu_has_no_slope_at_zero():
    a = np.array([[0.0, -0.0, 1e-300]])
    gradient = differentiate(ACTIVATIONS["relu"].derivative, a, np.full((1, 3), 2.0), np.float64)
    np.testing.assert_array_equal(gradient, [[0.0, 0.0, 2.0]])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_rows_are_no_trouble(name):
    assert apply(ACTIVATIONS[name].function, np.empty((0, 3)), np.float64).shape == (0, 3)
