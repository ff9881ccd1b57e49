"""Compile everything ahead of time."""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._compile.kernels import LOOPS, PASSES, activation_kernels, kernel, products, rule_plug_in
from ._kernels.structures import FLOAT64, Linear, LinearByProducts, Network
from ._problem.objective import pointwise
from ._solvers.loop import INLINED_LOSSES
from .activations import ACTIVATIONS
from .losses import LOSSES
from .optimizers import OPTIMIZERS, SGD

OF_PARAMETERS = "full_step", "finish_epoch"  # kernels that are given no rows
OF_DENSE_ROWS = "moments", "merge_rows"
OF_MEMBERS = np.dtype(np.float32)  # what those of ensembles are mostly trained in, whatever X is
INDEX = np.dtype(np.int32)
# Kernels that are given float64, or are where it isn't the dtype of X that is computed in.
WHATEVER_X_IS = (
    *OF_DENSE_ROWS,
    "newton",
    "prepare_columns",
    "coordinates",
    "coordinate_descent",
    "coordinate_path",
    "add_multiples",
    "among",
    "conjugate_direction",
    "conjugate_step",
    "slope_along",
    "function_update",
    "control",
    *OF_PARAMETERS,
)


def precompile(dtypes: Iterable[DTypeLike] = (np.float64, np.float32), sparse: bool = False) -> None:
    """Fill the cache on disk, so that no later process has to compile what skgd brings.

    Worth a line in a Dockerfile, or before workers are spawned. Takes half a minute or so for a dtype the first time,
    and next to nothing after; what is being compiled is printed to ``sys.stderr``. The cache lies beside the installed
    package, or where ``NUMBA_CACHE_DIR`` says.

    Parameters
    ----------
    dtypes : iterable of dtypes, default=(numpy.float64, numpy.float32)
        Dtypes of X to compile for, float64 or float32. Ensembles of networks need float32 for both.
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
    given = [np.dtype(dtype) for dtype in dtypes]
    for dtype in given:
        if dtype not in (np.float64, np.float32):
            raise ValueError(f"dtypes may hold float64 and float32, not {dtype}")
    jobs = jobs_for(given, sparse)
    for number, (what, *arguments) in enumerate(jobs, 1):
        name = " ".join(str(getattr(part, "__name__", part)) for part in arguments if part is not None)
        print(f"skgd.precompile: {number} of {len(jobs)}: {name}", file=sys.stderr, flush=True)
        what(*arguments)


Job = tuple[Any, ...]  # a function and its arguments


def jobs_for(dtypes: list[np.dtype], sparse: bool) -> list[Job]:
    """What is to be compiled, each thing once."""
    jobs = [job for dtype in dtypes for job in _of_dtype(dtype)]
    jobs += [job for dtype in dtypes if sparse for job in _of_sparse(dtype)]
    jobs += [job for dtype in dict.fromkeys([*dtypes, OF_MEMBERS]) for job in _of_networks(dtype, sparse)]
    jobs += [(kernel, name, FLOAT64) for name in WHATEVER_X_IS]
    jobs += [job for dtype in dict.fromkeys([*dtypes, OF_MEMBERS, FLOAT64]) for job in _plug_ins(dtype)]
    return list(dict.fromkeys(jobs))


def _of_dtype(dtype: np.dtype) -> list[Job]:
    """For dense X."""
    jobs: list[Job] = [(kernel, name, dtype) for name in (*OF_DENSE_ROWS, "gram", *OF_PARAMETERS)]
    jobs += [(kernel, name, dtype, Linear) for name in (*PASSES, *LOOPS)]
    jobs.append((kernel, "evaluate", dtype, LinearByProducts))
    return jobs + [(kernel, "run_epochs", dtype, Linear, None, loss) for loss in INLINED_LOSSES]


def _of_sparse(dtype: np.dtype) -> list[Job]:
    """For CSR with 32-bit indices."""
    of_sets = "select_columns", "few_columns_raw", "gram", "coordinate_descent"
    of_ridge = "combine_rows", "row_products"
    of_linear = "largest_entries", "square_sums", "moments", "run_lazy_epochs", *of_sets, *of_ridge
    return [(kernel, name, dtype, Linear, INDEX) for name in (*of_linear, *PASSES, *LOOPS)]


def _of_networks(dtype: np.dtype, sparse: bool) -> list[Job]:
    """For networks, of which those of ensembles are trained in another dtype than that of X."""
    jobs: list[Job] = [(kernel, name, dtype) for name in OF_DENSE_ROWS]
    jobs += [(kernel, name, dtype, Linear, INDEX) for name in ("moments", "largest_entries") if sparse]
    storages = (None, INDEX) if sparse else (None,)
    jobs += [(kernel, name, dtype, Network, index) for index in storages for name in (*PASSES, *LOOPS)]
    jobs += [(activation_kernels, activation(), dtype) for activation in ACTIVATIONS.values()]
    return [*jobs, (products, dtype)]


def _plug_ins(dtype: np.dtype) -> list[Job]:
    """Rules and losses; those in float64 serve CSR, small data and functions, too."""
    optimizers = [*(make() for make in OPTIMIZERS.values()), SGD(momentum="auto", nesterov=True)]
    rules = [(rule_plug_in, optimizer, dtype) for optimizer in optimizers]
    return [*rules, *((pointwise, loss(), dtype) for loss in LOSSES.values())]
