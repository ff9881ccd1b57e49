"""Passes over all rows: the objective and its gradient."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import _parallel as threads
from .._compile.intrinsics import gemm_address
from .._compile.kernels import PlugIn, kernel, plug_in, python_kernel
from .._compile.private import entry_of
from .._kernels.structures import FLOAT64, Buffers, Data, Linear, LinearByProducts
from ..losses import Loss
from .model import Model
from .sample import BLAS_OUTPUTS, BLAS_SPEED, Sample

FULL_PASS_ROWS = 1_024  # of CSR at a time
MEMORY_ENTRIES = 2**15  # of X that are copied at a time for it
HELD_ENTRIES = 2**21  # of standardised rows that are held in memory, at most


class MeanLoss:
    """Mean loss over rows plus 1/2 sum_j ridge_j params_j^2, and its gradient: wherever the sums come from."""

    def __init__(self, ridge: np.ndarray):
        self.ridge = ridge

    def sums(self, params: np.ndarray, n_gradient: int) -> tuple[float, np.ndarray]:
        """Mean loss and its gradient, of so many numbers (0: none), nothing penalised."""
        raise NotImplementedError

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Objective and gradient."""
        value, gradient = self.sums(params, params.size)
        penalty = self.ridge * params
        gradient += penalty
        return value + 0.5 * float(penalty @ params), gradient

    def loss_alone(self, params: np.ndarray) -> float:
        """Mean loss, nothing penalised."""
        return self.sums(params, 0)[0]


class Objective(MeanLoss):
    """The same over rows in memory."""

    def __init__(
        self,
        data: Data,
        model: Model,
        loss: Loss,
        loss_hyper: np.ndarray,
        ridge: np.ndarray,
        n_threads: int,
    ):
        super().__init__(ridge)
        self.data, self.model, self.loss, self.loss_hyper = data, model, loss, loss_hyper
        self.factor = weight_factor(data)
        self.storage = data.features.storage
        linear, sparse = model.kind is Linear, self.storage.index_dtype is not None
        by_products = linear and model.n_outputs >= BLAS_OUTPUTS and not sparse
        # a network of one layer is linear: NumPy is as fast on rows that stay standardised, and nothing is compiled
        few = data.n_rows * (data.features.center.size + 1) <= HELD_ENTRIES
        one_layer = model.linear and few and not linear and not sparse
        self.in_units_of_X = linear and sparse
        self.dtype = FLOAT64 if by_products or one_layer else model.compute_dtype(self.storage)
        self.pointwise = pointwise(loss, self.dtype)
        self.by_samples = one_layer or (by_products and self.pointwise.in_python)
        self.in_python = self.pointwise.in_python or (not one_layer and model.in_python(self.dtype))
        self.n_threads = 1 if self.in_python else n_threads
        self.kind, n_work = model.kind, None
        if one_layer:
            self.block_size = data.n_rows
        elif by_products:
            self.block_size = max(1, MEMORY_ENTRIES // (data.row_entries + model.n_outputs))
            self.kind, n_work = LinearByProducts, self.block_size * (data.features.center.size + 1)
            self.of_kernels: Any = LinearByProducts(model.trains_intercept, gemm_address(FLOAT64))  # type: ignore[attr-defined]
            scaling = (data.features.center, data.features.inverse_scale)
            center, inverse_scale = (np.asarray(each, dtype=FLOAT64) for each in scaling)
            features = data.features._replace(center=center, inverse_scale=inverse_scale)
            self.data_of_kernels = data._replace(features=features)
        else:
            rows = min(FULL_PASS_ROWS, data.n_rows) if self.in_units_of_X else 0
            self.block_size = rows or model.block_size(data.n_rows, self.dtype.itemsize)
            # by the sum of the derivatives, the intercept's gradient, columns of CSR are centred
            self.of_kernels = Linear(True) if self.in_units_of_X else model.for_kernels(self.storage)
            self.data_of_kernels = data
        row_cost = data.row_entries * model.n_outputs // (BLAS_SPEED if by_products else 1)
        if not linear:
            row_cost = max(data.row_entries, model.n_params // BLAS_SPEED)
        self.parts = threads.parts(data.n_rows, row_cost, model.n_params, 1 if one_layer else self.block_size)
        self.held: dict[int, Sample] | None = {} if one_layer else None  # by the numbers of their parts
        self.evaluate: Callable | None = None
        # of functions that don't hold the objective: a circle of references would keep its data for a while
        room = functools.partial(buffers, model, data, self.block_size, self.dtype, n_work=n_work)
        self.buffers = threads.Spare(room)
        self.gradients = threads.Spare(functools.partial(np.empty, (len(self.parts), model.n_params)))
        if self.in_units_of_X:  # what parameters are multiplied by
            self.unit = np.tile(np.append(data.features.inverse_scale, 1.0), model.n_outputs)
        # entries that aren't stored can't be centred: the intercept makes up for it
        self.center = data.features.center if self.in_units_of_X and data.features.center.any() else None

    def sums(self, params, n_gradient):
        params = np.ascontiguousarray(params * self.unit if self.in_units_of_X else params, dtype=self.dtype)
        if self.center is not None:
            blocks = params.reshape(self.model.n_outputs, -1)
            blocks[:, -1] -= blocks[:, :-1] @ self.center
        first = self.evaluate is None and not self.by_samples
        if first:
            get = python_kernel if self.in_python else kernel
            self.evaluate = get("evaluate", self.storage.dtype, self.kind, self.storage.index_dtype)
        with self.gradients.one() as room:
            gradients = room[:, :n_gradient]
            work = functools.partial(self._by_samples if self.by_samples else self._by_kernels, params, gradients)
            value = sum(threads.run(work, list(enumerate(self.parts)), self.n_threads))
            gradient = threads.added_up(gradients, self.n_threads)
        if first:
            self.evaluate = entry_of(self.evaluate)  # what comes later is of the same types
        if self.center is not None and n_gradient:
            blocks = gradient.reshape(self.model.n_outputs, -1)
            blocks[:, :-1] -= blocks[:, -1:] * self.center
        if self.in_units_of_X and n_gradient and not self.model.trains_intercept:
            gradient.reshape(self.model.n_outputs, -1)[:, -1] = 0.0
        if n_gradient and self.in_units_of_X:
            gradient *= self.unit
        return float(value), gradient

    def _by_samples(self, params, gradients, numbered_part):
        """Loss of a part of the rows by NumPy, from standardised copies, and its gradient."""
        number, factor = numbered_part[0], self.factor / self.data.n_rows
        value, gradient = 0.0, gradients[number]
        gradient[:] = 0.0
        for sample in self._samples(*numbered_part):
            of_loss, of_gradient = sample.loss_and_gradient(params, self.loss_hyper)
            value += of_loss
            if gradient.size:
                gradient += of_gradient
        gradient *= factor
        return value * factor

    def _samples(self, number: int, part: tuple[int, int]) -> Iterator[Sample]:
        """The standardised rows of a part: some at a time, or all, which are held."""
        if self.held and number in self.held:
            yield self.held[number]
            return
        subset = self.data.subset
        for start in range(*part, self.block_size):
            rows = slice(start, min(start + self.block_size, part[1]))
            sample = Sample(self.data, subset[rows] if subset.size else rows, self.model, self.loss, self.pointwise)
            if self.held is not None:
                self.held[number] = sample
            yield sample

    def _by_kernels(self, params, gradients, numbered_part):
        """The same by the kernel."""
        number, (start, stop) = numbered_part
        value, gradient = np.zeros(1), gradients[number]
        gradient[:] = 0.0
        with self.buffers.one() as room:
            self.evaluate(
                self.pointwise.call if self.in_python else self.pointwise.pointer,
                self.loss_hyper,
                self.data_of_kernels,
                self.of_kernels,
                params,
                room,
                self.factor,
                np.empty(0 if self.in_units_of_X else params.size, self.dtype),
                gradient,
                value,
                start,
                -(-(stop - start) // self.block_size),
            )
        return value[0]


def pointwise(loss: Loss, dtype: np.dtype, warns: bool = False) -> PlugIn:
    """The loss as kernels of a dtype take it."""
    return plug_in(loss.pointwise, "loss", np.dtype(dtype), f"{type(loss).__name__}.pointwise", warns)


def buffers(
    model: Model, data: Data, block_size: int, dtype: np.dtype, n_fetched: int = 0, n_work: int | None = None
) -> Buffers:
    """Room for one block of rows, and for what is looked up of so many."""
    n_fetched = max(block_size, n_fetched)
    n_work = model.n_work(block_size, data.features.storage) if n_work is None else n_work
    return Buffers(
        rows=np.empty(n_fetched, np.int64),
        raw=np.empty((block_size, model.n_outputs), dtype),
        derivatives=np.empty((block_size, model.n_outputs), dtype),
        targets=np.empty((n_fetched, data.y.shape[1]), dtype),
        weights=np.empty(n_fetched, dtype),
        work=np.empty(n_work, dtype),
    )


def weight_factor(data: Data) -> float:
    """What brings the mean weight of the rows to one."""
    if not data.weight.size:
        return 1.0
    weight = data.weight[data.subset] if data.subset.size else data.weight
    return len(weight) / weight.sum()
