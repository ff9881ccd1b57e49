"""Activations of networks: in place on a layer's output, and their derivatives from that output."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit


class Activation(NamedTuple):
    """A function of a layer's output and its derivative, both in place and compiled into the training loop."""

    function: Callable[[np.ndarray], None]  # z becomes a = f(z)
    derivative: Callable[[np.ndarray, np.ndarray], None]  # (a, gradient): gradient becomes gradient * f'(z)


def identity(z):
    pass


def identity_derivative(a, gradient):
    pass


def logistic(z):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            e = np.exp(-abs(z[i, j]))
            z[i, j] = (1.0 if z[i, j] >= 0.0 else e) / (1.0 + e)


def logistic_derivative(a, gradient):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            gradient[i, j] *= a[i, j] * (1.0 - a[i, j])


def tanh(z):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] = np.tanh(z[i, j])


def tanh_derivative(a, gradient):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            gradient[i, j] *= 1.0 - a[i, j] * a[i, j]


def relu(z):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            if z[i, j] < 0.0:  # not max(), which would turn NaN into 0
                z[i, j] = 0.0


def relu_derivative(a, gradient):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] <= 0.0:
                gradient[i, j] = 0.0


ACTIVATIONS = {
    "identity": Activation(identity, identity_derivative),
    "logistic": Activation(logistic, logistic_derivative),
    "tanh": Activation(tanh, tanh_derivative),
    "relu": Activation(relu, relu_derivative),
}

# The same functions for predictions, out of any training loop.
NUMPY_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0.0, out=z),
}
