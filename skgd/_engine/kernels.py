"""Kernels by name, compiled when first asked for."""

import functools
from collections.abc import Callable

import numpy as np

from .. import _jit
from .._kernels.signatures import Linear, signatures


@functools.cache
def kernel(name: str, dtype: np.dtype, model: type = Linear) -> Callable:
    """Return the kernel `name`, compiled for X of the given dtype and for one kind of model."""
    function = python_kernel(name, model)
    signature = getattr(signatures(dtype), name)
    return _jit.compiled(function, signature if name == "moments" else signature[model])


def python_kernel(name: str, model: type) -> Callable:
    """Return the same kernel as plain Python."""
    # imported here because decorating these functions imports numba
    from .._kernels import epochs, linear, moments, network

    passes = {"forward": "linear_forward", "backward": "linear_backward"}
    if name in passes:
        layer = linear if model is Linear else network
        return getattr(layer, passes[name] if model is Linear else f"network_{name}")
    return getattr(moments if name == "moments" else epochs, name)
