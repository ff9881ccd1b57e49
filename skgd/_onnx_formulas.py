"""What networks do to numbers, as nodes of ONNX: of operators that onnxruntime has for both precisions.

The graph is that of :mod:`skgd.onnx`: ``graph.Add(a, b)`` adds a node and gives the name of what comes out.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from ._tails import FARTHEST, Tails
from .activations import (
    ELU,
    FAR,
    GELU,
    SLOPE_BELOW_ZERO,
    SQRT_HALF,
    Identity,
    LeakyReLU,
    Logistic,
    ReLU,
    SiLU,
    Softplus,
    Tanh,
)

ERFC_DEGREE = 24  # from which on it is rounding that limits the polynomial


def squashed(graph: Any, rows: str, n_features: int, tails: Tails) -> str:
    """Rows of so many columns, those with heavy tails squashed."""
    apart = graph.Div(graph.Sub(graph.Gather(rows, tails.columns, axis=1), tails.center), tails.scale)
    apart = graph.Max(graph.Min(apart, FARTHEST), -FARTHEST)
    size = graph.Abs(apart)  # onnxruntime has no Asinh for doubles
    size = graph.Log(graph.Add(size, graph.Sqrt(graph.Add(graph.Mul(size, size), 1))))
    signed = graph.Mul(graph.Sign(apart), size)
    found = graph.Mul(graph.Sub(signed, np.arcsinh(-tails.center / tails.scale)), tails.scale)
    place = np.arange(n_features)
    place[tails.columns] = n_features + np.arange(len(tails.columns))
    return graph.Gather(graph.Concat(rows, found, axis=1), place, axis=1)


def expit(graph: Any, raw: str) -> str:
    """1 / (1 + exp(-raw)), small ones exact, too: those of the runtime's Sigmoid are zero from -40 on."""
    exponential = graph.Exp(graph.Neg(graph.Abs(raw)))
    numerator = graph.Where(graph.Less(raw, 0), exponential, 1)
    return graph.Div(numerator, graph.Add(exponential, 1))


def softplus(graph: Any, z: str) -> str:
    exponential = graph.Exp(graph.Neg(graph.Abs(z)))
    return graph.Add(graph.Log(graph.Add(exponential, 1)), graph.Relu(z))


def elu(graph: Any, z: str) -> str:
    below = graph.Sub(graph.Exp(graph.Min(z, 0)), 1)
    return graph.Where(graph.Less(z, 0), below, z)


def gelu(graph: Any, z: str) -> str:
    z = graph.Max(z, -FAR)
    return graph.Mul(z, normal_share(graph, z))


def normal_share(graph: Any, z: str) -> str:
    """The normal distribution function."""
    x = graph.Mul(z, SQRT_HALF)
    if graph.dtype == np.float32:
        return graph.Mul(graph.Add(graph.Erf(x), 1), 0.5)
    # onnxruntime has Erf in float32 alone: erfc(x) is t exp(p(2 t - 1) - x^2) for x > 0, with t = 2 / (2 + x)
    size = graph.Abs(x)
    t = graph.Div(2, graph.Add(size, 2))
    s = graph.Sub(graph.Add(t, t), 1)
    *lower, power = erfc_polynomial()
    total = power
    for coefficient in reversed(lower):
        total = graph.Add(graph.Mul(total, s), coefficient)
    half = graph.Mul(graph.Mul(t, 0.5), graph.Exp(graph.Sub(total, graph.Mul(size, size))))
    return graph.Where(graph.Less(x, 0), half, graph.Sub(1, half))


@functools.cache
def erfc_polynomial() -> np.ndarray:
    """Coefficients of p, by powers: log(erfc(x) exp(x^2) / t) is smooth, and finite for infinite x."""

    def smooth(s):
        t = (s + 1) / 2
        return np.log(erfcx(2 / t - 2) / t)

    return chebyshev.cheb2poly(chebyshev.chebinterpolate(smooth, ERFC_DEGREE))


def silu(graph: Any, z: str) -> str:
    z = graph.Max(z, -FAR)
    return graph.Mul(z, expit(graph, z))


# Of operators that onnxruntime has for both precisions, which LeakyRelu, Elu and Softplus aren't.
ACTIVATION_FORMULAS: dict[Callable, Callable] = {
    Identity.function: lambda graph, z: z,
    Logistic.function: lambda graph, z: graph.Sigmoid(z),
    Tanh.function: lambda graph, z: graph.Tanh(z),
    ReLU.function: lambda graph, z: graph.Relu(z),
    LeakyReLU.function: lambda graph, z: graph.Max(z, graph.Mul(z, SLOPE_BELOW_ZERO)),
    ELU.function: elu,
    GELU.function: gelu,
    SiLU.function: silu,
    Softplus.function: softplus,
}
