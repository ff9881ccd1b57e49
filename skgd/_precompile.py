"""Compile everything ahead of time."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike

from ._compile import jit as _jit
from ._compile.kernels import activation_kernels, kernel
from ._compile.types import signatures
from ._kernels.structures import FLOAT64, Linear, Network
from ._solvers.epochs import INLINED_LOSSES
from .activations import ACTIVATIONS
from .losses import LOSSES
from .optimizers import OPTIMIZERS, SGD


def precompile(dtypes: Iterable[DTypeLike] = (np.float64, np.float32), sparse: bool = False) -> None:
    """Fill numba's cache on disk, so that no later process has to compile what skgd brings.

    Worth a line in a Dockerfile, or before workers are spawned. Takes half a minute or so the first time, and next to
    nothing after. The cache lies beside the installed package, or where ``NUMBA_CACHE_DIR`` says.

    Parameters
    ----------
    dtypes : iterable of dtypes, default=(numpy.float64, numpy.float32)
        Dtypes of X to compile for, float64 or float32.
    sparse : bool, default=False
        Whether to compile for sparse X, too, with the 32-bit indices that SciPy takes while they suffice.

    Raises
    ------
    ValueError
        If a dtype is another one.

    Examples
    --------
    >>> import skgd
    >>> skgd.precompile(["float64"])
    """
    for dtype in [np.dtype(given) for given in dtypes]:
        if dtype not in (np.float64, np.float32):
            raise ValueError(f"dtypes may hold float64 and float32, not {dtype}")
        types = signatures(dtype)
        for name in ("moments", "gram"):
            kernel(name, dtype)
        for model in (Linear, Network):
            for name in ("forward", "backward", "run_epochs", "evaluate"):
                kernel(name, dtype, model)
        for loss in INLINED_LOSSES:
            kernel("run_epochs", dtype, loss=loss)
        _compile_rules(dtype)
        for loss in LOSSES.values():
            _jit.compiled(loss().pointwise, types.loss)
        for activation in ACTIVATIONS.values():
            activation_kernels(activation(), dtype)
        if sparse:
            _precompile_sparse(dtype)
    _precompile_line_searches()
    _precompile_minimize()


def _precompile_line_searches() -> None:
    # in float64, whatever X is
    for name in ("moments", "newton", "coordinate_descent"):
        kernel(name, FLOAT64)
    for loss in LOSSES.values():
        _jit.compiled(loss().pointwise, signatures(FLOAT64).loss)


def _precompile_minimize() -> None:
    kernel("function_update", FLOAT64)
    _compile_rules(FLOAT64)


def _compile_rules(dtype: np.dtype) -> None:
    for optimizer in [make() for make in OPTIMIZERS.values()] + [SGD(momentum="auto", nesterov=True)]:
        optimizer.compiled_rule(dtype)


def _precompile_sparse(dtype: np.dtype) -> None:
    # rules and losses compute in float64 there
    index_dtype = np.dtype(np.int32)
    for name in (
        "largest_entries",
        "square_sums",
        "moments",
        "forward",
        "backward",
        "evaluate",
        "run_epochs",
        "run_lazy_epochs",
    ):
        kernel(name, dtype, Linear, index_dtype)
    for name in ("forward", "backward", "evaluate", "run_epochs"):
        kernel(name, dtype, Network, index_dtype)
    _compile_rules(FLOAT64)
    for loss in LOSSES.values():
        _jit.compiled(loss().pointwise, signatures(dtype, index_dtype).loss)
