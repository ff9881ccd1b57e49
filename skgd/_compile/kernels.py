"""Kernels by name and plug-ins, compiled when first asked for."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from .._kernels import (
    conjugate,
    coordinate_descent,
    coordinates,
    denormals,
    epochs,
    function_update,
    gram,
    layers,
    lazy,
    linear,
    moments,
    network,
    newton,
    pieces,
    sparse,
    steps,
    team,
)
from .._kernels.products import product_by_loops
from .._kernels.structures import FLOAT64, Linear, LinearByProducts, Network, Products, TeamNetwork
from . import intrinsics
from . import jit as _jit
from .exceptions import surfacing
from .types import signatures

PASSES = "forward", "backward"  # of a model over some rows
LOOPS = "run_epochs", "evaluate"  # kernels that call them by these names
# The rooms of the kernels that have their names in them.
ROOMS = {
    "run_epochs": epochs,
    "evaluate": epochs,
    "run_lazy_epochs": lazy,
    "moments": moments,
    "merge_rows": moments,
    "gram": gram,
    "coordinate_descent": coordinate_descent,
    "coordinate_path": coordinate_descent,
    "add_multiples": coordinate_descent,
    "among": coordinate_descent,
    "prepare_columns": coordinates,
    "coordinates": coordinates,
    "newton": newton,
    "function_update": function_update,
    "full_step": steps,
    "finish_epoch": steps,
    "largest_entries": sparse,
    "select_columns": sparse,
    "few_columns_raw": sparse,
    "combine_rows": sparse,
    "row_products": sparse,
    "conjugate_direction": conjugate,
    "conjugate_step": conjugate,
    "slope_along": pieces,
    "help_team": team,
    "control": denormals,
}


def kernel(
    name: str,
    dtype: np.dtype,
    model: type = Linear,
    index: np.dtype | None = None,
    loss: Callable | None = None,
) -> Callable:
    """Return the kernel `name`, compiled for X of the given dtype and for one kind of model.

    index is the dtype of the columns' numbers in CSR, None for dense X. loss is the only one that the kernel will be
    given, if its formula is to become a part of it: calling it takes a third of the time of a batch of few rows.
    """
    ready = _kernel(name, dtype, model, index, loss)
    return surfacing(ready) if _jit.compiles_users_code else ready


@functools.cache
def _kernel(name, dtype, model, index, loss):
    computed_in = {Network: dtype, TeamNetwork: dtype, LinearByProducts: FLOAT64}.get(model)
    signature = getattr(signatures(dtype, index, computed_in), name)
    if isinstance(signature, dict):
        signature = signature[model]
    source = _source(name, model, index is not None)
    if name in LOOPS:
        source = _jit.bound(source, **_passes(name, model, index))
        if loss is not None:
            source = _jit.bound(source, pointwise=_jit.bound(epochs.pointwise_by_formula, formula=loss))
    if name in PASSES and model is Network:
        return _jit.pointer(source, signature)
    return _jit.compiled(source, signature, callers=_jit.PYTHON)


@functools.cache
def python_kernel(name: str, dtype: np.dtype, model: type = Linear, index: np.dtype | None = None) -> Callable:
    """Return the same kernel as plain Python, for plug-ins that can't be compiled; the model's passes are."""
    loop = _source(name, model, index is not None)
    if name not in LOOPS:
        return loop
    if model is Network or (name == "evaluate" and index is not None):
        return _jit.bound(loop, **_passes(name, model, index))
    return _jit.bound(loop, **{part: kernel(part, dtype, model, index) for part in PASSES})


def _passes(loop: str, model: type, index: np.dtype | None) -> dict[str, Callable]:
    """What loops over batches call forward and backward."""
    if model is Linear and index is not None and loop == "evaluate":
        return dict(sparse.IN_FULL_PASSES)
    if model is LinearByProducts:
        return dict(linear.BY_PRODUCTS)
    if model is TeamNetwork:
        first_layer = _first_layer(index is not None)
        return network.IN_LOOPS | {part: _jit.bound(source, **first_layer) for part, source in team.IN_TEAMS.items()}
    if model is Network:  # they are compiled by themselves, as they are long
        return dict(network.IN_LOOPS)
    return {part: _source(part, model, index is not None) for part in PASSES}


def _first_layer(of_sparse: bool) -> dict[str, Callable]:
    return network.SPARSE_ROWS if of_sparse else network.DENSE_ROWS


def _source(name: str, model: type, of_sparse: bool) -> Callable:
    if name in PASSES and model is Network:
        return _jit.bound(getattr(network, f"network_{name}"), **_first_layer(of_sparse))
    if name == "run_lazy_epochs":
        return _jit.bound(lazy.run_lazy_epochs, **lazy.IN_LAZY_EPOCHS)
    if model is TeamNetwork and name not in LOOPS:
        return _jit.bound(getattr(ROOMS[name], name), **_first_layer(of_sparse))
    if model is Linear and of_sparse and hasattr(sparse, f"sparse_{name}"):
        return getattr(sparse, f"sparse_{name}")
    return getattr(linear, f"linear_{name}") if name in PASSES else getattr(ROOMS[name], name)


@dataclass
class PlugIn:
    """A loss or rule that kernels can call."""

    call: Callable
    in_python: bool

    @property
    def pointer(self):
        """As kernels take it."""
        return self.call.pointer


def plug_in(function: Callable, kind: str, dtype: np.dtype, name: str, warns: bool = True) -> PlugIn:
    """A "loss", "rule" or part of an "activation" as the kernels take it: compiled, or Python, with a warning."""
    ready = _plug_in(function, kind, dtype, name)
    if ready.in_python and warns:  # again, for the warning: what came of it is remembered
        _jit.compiled_or_python(function, getattr(signatures(dtype), kind), name)
    return ready


def rule_plug_in(optimizer: Any, dtype: np.dtype) -> PlugIn:
    """An optimizer's rule as the kernels take it; as plain Python it is guarded."""
    return plug_in(optimizer.rule, "rule", dtype, f"{type(optimizer).__name__}.rule")


@functools.cache
def _plug_in(function: Callable, kind: str, dtype: np.dtype, name: str) -> PlugIn:
    ready = _jit.compiled_or_python(function, getattr(signatures(dtype), kind), name, warns=False)
    if ready is not function:
        return PlugIn(ready, in_python=False)
    if kind != "rule":
        return PlugIn(function, in_python=True)

    def guarded(params, grads, slots, hyper, learning_rate, t):
        shapes = params.shape, slots.shape
        returned = function(params, grads, slots, hyper, learning_rate, t)
        if returned is not None:
            raise ValueError(f"{name} returned a {type(returned).__name__}: it must change params in place")
        if (params.shape, slots.shape) != shapes:
            raise ValueError(
                f"{name} changed the shape of its arrays: params {params.shape}, slots {slots.shape} instead of "
                f"{shapes[0]} and {shapes[1]}; a rule works in place"
            )

    return PlugIn(guarded, in_python=True)


@functools.cache
def products(dtype: np.dtype, in_python: bool = False) -> Products:
    """How networks of a dtype multiply matrices: by SciPy's BLAS, and by loops where these are faster."""
    if in_python or not _jit.have_numba():
        return Products(0, product_by_loops)
    return Products(intrinsics.gemm_address(dtype), _jit.pointer(product_by_loops, signatures(dtype).product))


class Formulas(Protocol):
    """What is asked of an activation."""

    function: Callable
    derivative: Callable
    from_output: bool


class Activations(NamedTuple):
    """An activation for matrices, as networks take it."""

    call: Callable  # (z, bias, a)
    forwards: object  # the same as a pointer
    backwards: object
    in_python: bool


def activation_kernels(activation: Formulas, dtype: np.dtype) -> Activations:
    """An activation and its derivative, compiled, or plain Python where they can't be, with a warning."""
    name = type(activation).__qualname__
    return _activation_kernels(activation.function, activation.derivative, activation.from_output, name, dtype)


@functools.cache
def _activation_kernels(
    function: Callable, derivative: Callable, from_output: bool, name: str, dtype: np.dtype
) -> Activations:
    forwards = _jit.bound(layers.activate_in_place if from_output else layers.activate, function=function)
    backwards = _jit.bound(layers.differentiate, slope=derivative)
    ready = [
        plug_in(forwards, "activation", dtype, f"{name}.function"),
        plug_in(backwards, "activation_derivative", dtype, f"{name}.derivative"),
    ]
    if any(part.in_python for part in ready):
        return Activations(forwards, forwards, backwards, True)
    return Activations(ready[0].call, ready[0].pointer, ready[1].pointer, False)


def without_denormals(function: Callable, *args: Any) -> Any:
    """What a compiled function returns to a thread that takes numbers below the least normal one for zero meanwhile."""
    control = kernel("control", FLOAT64)
    mode = control(denormals.KEEP)  # before anything changes: Ctrl-C may come at any time
    try:
        control(mode | denormals.FLUSHED)
        return function(*args)
    finally:  # also where a user's function raises inside a kernel
        control(mode)
