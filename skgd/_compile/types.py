"""The numba types of all that crosses a kernel's border.

Every kernel is compiled once for each way of storing X (and kind of model) with the explicit types made here. Losses,
optimizers' rules and activations reach the kernels as function pointers, so that plugging in another one
compiles nothing but itself.
"""

import functools
from typing import NamedTuple

import numpy as np

from .._kernels.coordinates import Design, Found, Work
from .._kernels.structures import (
    FLOAT64,
    ROW_NUMBER,
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
    LinearByProducts,
    Network,
    NewtonSettings,
    NewtonWork,
    Products,
    Progress,
    Search,
    Settings,
    SparseFeatures,
    State,
    Team,
    TeamNetwork,
)
from .jit import have_numba
from .private import function_type


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
    help_team: dict
    run_lazy_epochs: object = None
    largest_entries: object = None
    square_sums: object = None
    select_columns: object = None
    few_columns_raw: object = None
    combine_rows: object = None
    row_products: object = None
    conjugate_direction: object = None
    conjugate_step: object = None
    slope_along: object = None
    merge_rows: object = None
    gram: object = None
    coordinate_descent: object = None
    coordinate_path: object = None
    add_multiples: object = None
    among: object = None
    newton: object = None
    prepare_columns: object = None
    coordinates: object = None
    function_update: object = None
    full_step: object = None
    finish_epoch: object = None
    control: object = None


@functools.cache
def signatures(dtype: np.dtype, index: np.dtype | None = None, compute: np.dtype | None = None) -> Signatures:
    """Signatures for X of the given dtype, in CSR with indices of dtype `index` or dense.

    `forward`, `backward`, ... by the class of the model. All is computed in `compute`, by default as dense X is, or in
    float64 for CSR.
    """
    if not have_numba():
        nothing = dict.fromkeys((Linear, LinearByProducts, Network, TeamNetwork))
        return Signatures(None, None, None, None, None, None, nothing, nothing, nothing, nothing, nothing)
    from numba import from_dtype

    entry, real = from_dtype(np.dtype(dtype)), from_dtype(compute or (FLOAT64 if index else np.dtype(dtype)))
    plug_ins = _plug_ins(real)
    data = _data(entry, real, None if index is None else from_dtype(np.dtype(index)))
    training = _training(real)
    of_storage = _of_dense if index is None else _of_sparse
    others: dict = of_storage(plug_ins, data, entry, real, training)
    return Signatures(*plug_ins, **_of_models(plug_ins, data, real, training) | others)  # type: ignore[misc]


def _array(scalar, ndim: int, readonly: bool = False):
    from numba import types

    return types.Array(scalar, ndim, "C", readonly=readonly)


def _plug_ins(real) -> tuple:
    """Rule, loss, activation with its derivative, product of matrices."""
    from numba import types

    f8, void = types.float64, types.void
    vector, matrix, double = _array(real, 1), _array(real, 2), _array(f8, 1)
    return (
        void(vector, vector, matrix, double, f8, types.int64),
        f8(matrix, matrix, vector, double, matrix),
        void(matrix, vector, matrix),
        void(matrix, matrix, matrix, vector),
        void(matrix, types.boolean, matrix, matrix),
    )


def _data(entry, real, index):
    """The rows to learn from."""
    from numba import from_dtype, types

    vector, double, double_in = _array(real, 1), _array(types.float64, 1), _array(types.float64, 1, readonly=True)
    rows_in, starts_in = (_array(number, 1, readonly=True) for number in (from_dtype(ROW_NUMBER), types.int64))
    if index is None:
        features = types.NamedTuple([_array(entry, 2, True), vector, vector], Features)
    else:
        stored = _array(entry, 1, True), _array(index, 1, True), starts_in
        features = types.NamedTuple([*stored, vector, vector], SparseFeatures)
    targets = _array(types.float64, 2, True), _array(types.float32, 2, True)
    return types.NamedTuple([features, *targets, double, double, double_in, rows_in], Data)


def _training(real) -> tuple:
    """State, anchor, buffers, settings, and what loops over epochs take after these."""
    from numba import from_dtype, types

    f8, i8, flag = types.float64, types.int64, types.boolean
    vector, matrix, double, indices = _array(real, 1), _array(real, 2), _array(f8, 1), _array(i8, 1)
    state = types.NamedTuple([vector, vector, matrix, double, vector, vector, double, vector, vector], State)
    anchor = types.NamedUniTuple(vector, 3, Anchor)
    buffers = types.NamedTuple([indices, matrix, matrix, matrix, vector, vector], Buffers)
    settings = types.NamedTuple([i8] * 3 + [f8] * 4 + [i8] * 2 + [f8, i8, flag, f8, flag, i8, f8, f8, flag], Settings)
    return (
        state,
        anchor,
        buffers,
        settings,
        (double, double, double, indices, _array(from_dtype(Progress), 1), double, i8),
    )


def _of_models(plug_ins: tuple, data, real, training: tuple) -> dict[str, dict]:
    """The passes of models, and the loops that call them."""
    from numba import from_dtype, types

    f8, i8, void, Function = types.float64, types.int64, types.void, function_type
    rule, loss, activation, activation_derivative, product = plug_ins
    state, anchor, buffers, settings, hypers_to_budget = training
    vector, matrix, double, indices = _array(real, 1), _array(real, 2), _array(f8, 1), _array(i8, 1)
    linear = types.NamedUniTuple(types.boolean, 1, Linear)
    products = types.NamedTuple([i8, Function(product)], Products)
    activations = Function(activation), Function(activation_derivative)
    random = _array(types.uint64, 1)
    layers = types.NamedTuple([_array(from_dtype(Layer), 1), *activations, types.boolean, random, products], Layers)
    forward, backward, run_epochs, evaluate = {}, {}, {}, {}
    for cls, model in {Linear: linear, Network: layers}.items():
        place = (i8, i8) if cls is Network else ()  # of the rows in the workspace
        forward[cls] = void(data[0], indices, model, vector, vector, matrix, *place)
        backward[cls] = void(data[0], indices, model, vector, vector, matrix, vector, *place)
    network = types.NamedTuple([layers, Function(forward[Network]), Function(backward[Network])], Network)
    _know(by=activations[0], as_type=layers)
    _know(by=network.types[1], as_type=network)
    shared = types.NamedTuple([indices, double, _array(i8, 2), random, i8, i8, i8], Team)
    team = types.NamedTuple([*network.types, shared], TeamNetwork)
    help_team = {TeamNetwork: void(Function(loss), data[0], team, vector, buffers, double, vector)}
    for cls, model in {Linear: linear, Network: network, TeamNetwork: team}.items():
        of_model = data, model, state, anchor, buffers, settings
        run_epochs[cls] = void(Function(loss), Function(rule), *of_model, *hypers_to_budget)
        if cls is not TeamNetwork:
            evaluate[cls] = i8(Function(loss), double, data, model, vector, buffers, f8, vector, double, double, i8, i8)
    by_products = types.NamedTuple([types.boolean, i8], LinearByProducts)
    of_evaluate = data, by_products, vector, buffers, f8, vector, double, double, i8, i8
    evaluate[LinearByProducts] = i8(Function(loss), double, *of_evaluate)
    passes = {"forward": forward, "backward": backward}
    return passes | {"run_epochs": run_epochs, "evaluate": evaluate, "help_team": help_team}


_known: dict = {}


def _know(by, as_type) -> None:
    """Let numba tell the type of a tuple by that of its second part.

    It would look at every part anew in each call, which takes longer than a small batch: the records of `Layer` alone
    have ten.
    """
    from numba.extending import typeof_impl

    if not _known:
        of_parts = typeof_impl.dispatch(tuple)

        def typeof(value, context):
            known = _known.get(getattr(value[1], "_numba_type_", None))
            return of_parts(value, context) if known is None else known

        for each in (Layers, Network):
            typeof_impl.register(each)(typeof)
    _known[by] = as_type


def _of_dense(plug_ins: tuple, data, entry, real, training: tuple) -> dict:
    """What else is done with dense rows, or without any."""
    from numba import from_dtype, types

    f8, i8, flag, void, Function = types.float64, types.int64, types.boolean, types.void, function_type
    rule, loss, *_ = plug_ins
    vector, matrix, double, square = _array(real, 1), _array(real, 2), _array(f8, 1), _array(f8, 2)
    double_in, rows_in, progress = _array(f8, 1, True), _array(from_dtype(ROW_NUMBER), 1, True), training[-1][4]
    numbers = _array(i8, 1)
    of_path = double, double, square, double, numbers, numbers, square, square
    few_rows = types.NamedTuple([square, square, double, double], FewRows)
    newton_settings = types.NamedTuple([i8, f8, i8, f8, f8, flag], NewtonSettings)
    work = types.NamedTuple([square, _array(f8, 3), square, square], NewtonWork)
    design = types.NamedTuple([square, *[double] * 4], Design)
    look, found = types.NamedTuple([double, double, double, numbers], Work), _array(from_dtype(Found), 1)
    function_state = types.NamedTuple([vector, vector, matrix, vector, vector], FunctionState)
    function_settings = types.NamedTuple([i8, f8, i8, f8], FunctionSettings)
    search, (state, _, _, settings, _) = _array(from_dtype(Search), 1), training
    return {
        "moments": void(_array(entry, 2, True), double_in, rows_in, double, double, double, double, i8, i8),
        "merge_rows": flag(_array(entry, 2, True), double_in, rows_in, f8, f8, double, double, double, square),
        "gram": void(data, i8, i8, i8, square, square),
        "coordinate_descent": i8(square, double, double, double, double, i8, i8),
        "add_multiples": void(square, numbers, double, double),
        "among": void(square, numbers, square),
        "coordinate_path": i8(square, numbers, double, double, f8, i8, i8, *of_path),
        "conjugate_direction": void(f8, double, f8, *[double] * 5),
        "conjugate_step": void(f8, double, f8, *[double] * 7),
        "slope_along": void(f8, *[double] * 6),
        "newton": i8(Function(loss), double, few_rows, newton_settings, double, work, search, double),
        "prepare_columns": void(square, double_in, double_in, double, double, flag, double, double),
        "coordinates": i8(design, f8, f8, double, look, found, double),
        "function_update": i8(Function(rule), f8, function_state, function_settings, double, f8, progress),
        "full_step": void(Function(rule), f8, state, settings, double, f8, i8, progress, double),
        "finish_epoch": void(state, settings, f8, progress),
        "control": i8(i8),
    }


def _of_sparse(plug_ins: tuple, data, entry, real, training: tuple) -> dict:
    """What else is done with rows in CSR."""
    from numba import from_dtype, types

    f8, i8, void, Function = types.float64, types.int64, types.void, function_type
    rule, loss, *_ = plug_ins
    state, anchor, buffers, settings, hypers_to_budget = training
    double, indices, numbers = _array(f8, 1), _array(i8, 1), _array(types.uint64, 1)
    places = _array(types.int32, 1)
    double_in, rows_in = _array(f8, 1, True), _array(from_dtype(ROW_NUMBER), 1, True)
    columns, linear = _array(from_dtype(Column), 1), types.NamedUniTuple(types.boolean, 1, Linear)
    batch = types.NamedTuple([columns, numbers, double, numbers, indices] + [double] * 9, Batch)
    of_model = data, linear, state, anchor, buffers, batch, settings
    return {
        "moments": void(data[0], double_in, rows_in, double, double, double, double, double, i8, i8),
        "run_lazy_epochs": void(Function(loss), Function(rule), *of_model, *hypers_to_budget),
        "largest_entries": void(data[0], double_in, rows_in, double, indices, i8, i8),
        "square_sums": void(data[0], double, i8, i8),
        "select_columns": void(data[0], rows_in, places, indices, indices, double, places, indices),
        "few_columns_raw": void(double, places, indices, double, double),
        "combine_rows": void(data[0], rows_in, double, double, i8, i8),
        "row_products": void(data[0], rows_in, double, double, i8, i8),
        "coordinate_descent": void(double, double, places, places, double, f8, *[double] * 7, i8, f8),
        "gram": void(double, places, indices, double, _array(f8, 2), i8, i8),
    }
