"""The numba types of all that crosses a kernel's border.

Every kernel is compiled once for each way of storing X (and kind of model) with the explicit types made here. Losses,
optimizers' rules and activations reach the kernels as function pointers, so that plugging in another one
compiles nothing but itself.
"""

import functools
from typing import NamedTuple

import numpy as np

from .._kernels.structures import (
    FLOAT64,
    Anchor,
    Batch,
    Buffers,
    Column,
    Data,
    Features,
    FewRows,
    FunctionSettings,
    FunctionState,
    Layer,
    Layers,
    Linear,
    Network,
    NewtonSettings,
    NewtonWork,
    Products,
    Progress,
    Search,
    Settings,
    SparseFeatures,
    State,
)
from .jit import have_numba


class Signatures(NamedTuple):
    """numba signatures of the kernels and plug-ins for one way of storing X."""

    rule: object
    loss: object
    activation: object
    activation_derivative: object
    product: object
    moments: object
    forward: dict
    backward: dict
    run_epochs: dict
    evaluate: dict
    run_lazy_epochs: object = None
    largest_entries: object = None
    square_sums: object = None
    gram: object = None
    coordinate_descent: object = None
    newton: object = None
    function_update: object = None


@functools.cache
def signatures(
    dtype: np.dtype, index: np.dtype | None = None, target: np.dtype = FLOAT64, compute: np.dtype | None = None
) -> Signatures:
    """Signatures for X of the given dtype, in CSR with indices of dtype `index` or dense, and for targets of theirs.

    `forward`, `backward`, ... by the class of the model. All is computed in `compute`, by default as dense X is, or in
    float64 for CSR.
    """
    if not have_numba():
        nothing = dict.fromkeys((Linear, Network))
        return Signatures(None, None, None, None, None, None, nothing, nothing, nothing, nothing)
    from numba import from_dtype, types

    f8, i8, flag, void, Function = types.float64, types.int64, types.boolean, types.void, types.FunctionType
    entry, real = from_dtype(np.dtype(dtype)), from_dtype(compute or (FLOAT64 if index else np.dtype(dtype)))

    def array(scalar, ndim, readonly=False):
        return types.Array(scalar, ndim, "C", readonly=readonly)

    vector, matrix, double, indices = array(real, 1), array(real, 2), array(f8, 1), array(i8, 1)
    double_in, indices_in = array(f8, 1, readonly=True), array(i8, 1, readonly=True)
    if index is None:
        features = types.NamedTuple([array(entry, 2, True), vector, vector], Features)
    else:
        entries, columns = array(entry, 1, True), array(from_dtype(np.dtype(index)), 1, True)
        features = types.NamedTuple([entries, columns, indices_in, vector, vector], SparseFeatures)
    targets = array(from_dtype(np.dtype(target)), 2, True)
    data = types.NamedTuple([features, targets, double, double, double_in, indices_in], Data)
    rule = void(vector, vector, matrix, double, f8, i8)
    loss = f8(matrix, matrix, vector, double, matrix)
    activation = void(matrix, vector, matrix)
    activation_derivative = void(matrix, matrix, matrix, vector)
    state = types.NamedTuple([vector, vector, matrix, double, vector, vector, double, vector, vector], State)
    anchor = types.NamedUniTuple(vector, 3, Anchor)
    settings = types.NamedTuple([i8] * 3 + [f8] * 4 + [i8] * 2 + [f8, i8, flag, f8, flag, i8, f8, flag], Settings)
    buffers = types.NamedTuple([indices, matrix, matrix, matrix, vector, vector], Buffers)
    progress = array(from_dtype(Progress), 1)
    linear = types.NamedUniTuple(flag, 1, Linear)
    activations = Function(activation), Function(activation_derivative)
    random = array(types.uint64, 1)
    product = void(matrix, matrix, matrix)
    products = types.NamedTuple([i8, Function(product), Function(product)], Products)
    layers = types.NamedTuple([array(from_dtype(Layer), 1), *activations, flag, random, products], Layers)
    forward, backward = {}, {}
    for cls, model in {Linear: linear, Network: layers}.items():
        forward[cls] = void(features, indices, model, vector, vector, matrix)
        backward[cls] = void(features, indices, model, vector, vector, matrix, vector)
    network = types.NamedTuple([layers, Function(forward[Network]), Function(backward[Network])], Network)
    hypers_to_budget = (double, double, double, indices, progress, double, i8)
    run_epochs, evaluate = {}, {}
    for cls, model in {Linear: linear, Network: network}.items():
        plugged_in = Function(loss), Function(rule)
        run_epochs[cls] = void(*plugged_in, data, model, state, anchor, buffers, settings, *hypers_to_budget)
        evaluate[cls] = i8(Function(loss), double, data, model, vector, buffers, f8, vector, double, double, i8, i8)
    plug_ins = rule, loss, activation, activation_derivative, product
    coordinate_descent = void(array(f8, 2), double, double, double, double, double)
    if index is None:
        moments = void(array(entry, 2, True), double_in, indices_in, double, double, double, i8, i8)
        gram = void(features, double_in, indices_in, i8, i8, array(f8, 2), array(f8, 2))
        few_rows = types.NamedTuple([array(f8, 2), array(f8, 2), double, double], FewRows)
        newton_settings = types.NamedTuple([i8, f8, f8, f8, flag], NewtonSettings)
        work = types.NamedTuple([array(f8, 2), array(f8, 3), array(f8, 2), array(f8, 2)], NewtonWork)
        search = array(from_dtype(Search), 1)
        newton = i8(Function(loss), double, few_rows, newton_settings, double, work, search, double)
        function_state = types.NamedTuple([vector, vector, matrix, vector, vector], FunctionState)
        function_settings = types.NamedTuple([i8, f8, i8, f8], FunctionSettings)
        function_update = i8(Function(rule), f8, function_state, function_settings, double, f8, progress)
        dense = {"gram": gram, "coordinate_descent": coordinate_descent}
        dense |= {"newton": newton, "function_update": function_update}
        return Signatures(*plug_ins, moments, forward, backward, run_epochs, evaluate, **dense)
    columns = array(from_dtype(Column), 1)
    numbers = array(types.uint64, 1)
    batch = types.NamedTuple([columns, numbers, double, numbers, indices] + [double] * 9, Batch)
    run_lazy_epochs = void(
        Function(loss), Function(rule), data, linear, state, anchor, buffers, batch, settings, *hypers_to_budget
    )
    moments = void(features, double_in, indices_in, double, double, double, double, double, i8, i8)
    largest_entries = void(features, double_in, indices_in, double, indices, i8, i8)
    of_sparse = run_lazy_epochs, largest_entries, void(features, double, i8, i8)
    return Signatures(*plug_ins, moments, forward, backward, run_epochs, evaluate, *of_sparse)
