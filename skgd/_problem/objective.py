"""Passes over all rows: the objective and its gradient."""

import functools

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import PlugIn, kernel, plug_in, python_kernel
from .._kernels.structures import FLOAT64, Buffers, Data, Features, Linear, SparseFeatures
from ..losses import Loss
from .model import Model
from .sample import Sample

BLAS_OUTPUTS = 3  # from so many outputs on a linear model's raw predictions are a product of matrices worth its name
BLAS_SPEED = 4  # products of BLAS in the time of one in our kernels
FULL_PASS_ROWS = 1_024  # of CSR at a time
MEMORY_ENTRIES = 2**16  # of X that are worked on at a time for it
SMALL_MEAN = 10.0  # in standard deviations: up to here a mean that is folded into the intercept costs one digit


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
        return value + 0.5 * float(self.ridge @ params**2), gradient + self.ridge * params

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
        self.by_blas = linear and model.n_outputs >= BLAS_OUTPUTS and not sparse
        self.in_units_of_X = linear and sparse
        self.dtype = FLOAT64 if self.by_blas else model.compute_dtype(self.storage)
        self.pointwise = pointwise(loss, self.dtype)
        self.in_python = self.pointwise.in_python or model.in_python(self.dtype)
        self.n_threads = 1 if self.in_python else n_threads
        if self.by_blas:
            self.folds_means = _can_fold_means(data.features)
            self.block_size = max(1, MEMORY_ENTRIES // (data.row_entries + model.n_outputs))
        else:
            rows = min(FULL_PASS_ROWS, data.n_rows) if self.in_units_of_X else 0
            self.block_size = rows or model.block_size(data.n_rows, self.dtype.itemsize)
            self.of_kernels = model.for_kernels(self.storage)
        row_cost = data.row_entries * model.n_outputs // (BLAS_SPEED if self.by_blas else 1)
        if not linear:
            row_cost = max(data.row_entries, model.n_params // BLAS_SPEED)
        self.parts = threads.parts(data.n_rows, row_cost, model.n_params, self.block_size)
        self.unit: np.ndarray | float = 1.0  # what parameters are multiplied by
        if self.in_units_of_X:
            self.unit = np.tile(np.append(data.features.inverse_scale, 1.0), model.n_outputs)

    def sums(self, params, n_gradient):
        params = np.ascontiguousarray(params * self.unit, dtype=self.dtype)
        value, gradient = 0.0, np.zeros(n_gradient)
        of_part = self._by_kernels
        if self.by_blas:
            of_part = self._by_products if self.folds_means else self._by_samples
        work = functools.partial(of_part, params, n_gradient)
        for part_value, part_gradient in threads.run(work, self.parts, self.n_threads):
            value += part_value
            gradient += part_gradient
        return float(value), gradient * self.unit if n_gradient else gradient

    def _blocks(self, part):
        """The rows of a part, some at a time."""
        subset = self.data.subset
        for start in range(*part, self.block_size):
            rows = slice(start, min(start + self.block_size, part[1]))
            yield subset[rows] if subset.size else rows

    def _by_products(self, params, n_gradient, part):
        """Products of matrices with the rows as they are: means and scales go into the coefficients."""
        data, (X, center, inverse_scale) = self.data, self.data.features
        blocks = params.reshape(self.model.n_outputs, -1)
        coef = blocks[:, :-1] * inverse_scale
        intercept = blocks[:, -1] - coef @ center
        value, of_coef, of_intercept = 0.0, np.zeros_like(coef), np.zeros_like(intercept)
        for rows in self._blocks(part):
            X_block = X[rows]
            raw = X_block @ coef.T
            raw += intercept
            slopes = np.empty_like(raw)
            value += self.pointwise.call(raw, data.targets_of(rows), data.weight_of(rows), self.loss_hyper, slopes)
            if n_gradient:
                of_coef += slopes.T @ X_block
                of_intercept += np.ones(len(slopes)) @ slopes  # six times as fast as slopes.sum(axis=0)
        factor = self.factor / data.n_rows
        if not n_gradient:
            return value * factor, np.empty(0)
        total = np.empty_like(blocks)
        total[:, :-1] = (of_coef - np.outer(of_intercept, center)) * inverse_scale
        total[:, -1] = of_intercept * self.model.trains_intercept
        return value * factor, total.ravel() * factor

    def _by_samples(self, params, n_gradient, part):
        """The same with standardised copies of the rows, where folded means would cost digits."""
        value, total = 0.0, np.zeros(n_gradient)
        for rows in self._blocks(part):
            sample = Sample(self.data, rows, self.model, self.loss, self.pointwise)
            loss, gradient = sample.loss_and_gradient(params, self.loss_hyper)
            value += loss
            if n_gradient:
                total += gradient
        factor = self.factor / self.data.n_rows
        return value * factor, total * factor

    def _by_kernels(self, params, n_gradient, part):
        value, total = np.zeros(1), np.zeros(n_gradient)
        dtype, index = self.storage
        get = python_kernel if self.in_python else kernel
        get("evaluate", dtype, self.model.kind, index)(
            self.pointwise.call,
            self.loss_hyper,
            self.data,
            self.of_kernels,
            params,
            buffers(self.model, self.data, self.block_size, self.dtype),
            self.factor,
            np.empty(0 if self.in_units_of_X else params.size, self.dtype),
            total,
            value,
            part[0],
            -(-(part[1] - part[0]) // self.block_size),
        )
        return value[0], total


def _can_fold_means(features: Features | SparseFeatures) -> bool:
    means = np.abs(features.center * features.inverse_scale)
    return features.storage.dtype == np.float64 and bool((means <= SMALL_MEAN).all())


def pointwise(loss: Loss, dtype: np.dtype, warns: bool = False) -> PlugIn:
    """The loss as kernels of a dtype take it."""
    return plug_in(loss.pointwise, "loss", np.dtype(dtype), f"{type(loss).__name__}.pointwise", warns)


def buffers(model: Model, data: Data, block_size: int, dtype: np.dtype, n_fetched: int = 0) -> Buffers:
    """Room for one block of rows, and for what is looked up of so many."""
    n_fetched = max(block_size, n_fetched)
    return Buffers(
        rows=np.empty(n_fetched, np.int64),
        raw=np.empty((block_size, model.n_outputs), dtype),
        derivatives=np.empty((block_size, model.n_outputs), dtype),
        targets=np.empty((n_fetched, data.y.shape[1]), dtype),
        weights=np.empty(n_fetched, dtype),
        work=np.empty(model.n_work(block_size, data.features.storage), dtype),
    )


def weight_factor(data: Data) -> float:
    """What brings the mean weight of the rows to one."""
    if not data.weight.size:
        return 1.0
    weight = data.weight[data.subset] if data.subset.size else data.weight
    return len(weight) / weight.sum()
