"""Some rows of the data, standardised and in memory: what a linear model's loss looks like on them."""

import copy
import functools
from collections.abc import Callable

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import PlugIn
from .._kernels.constants import DIFFERENCE, TINY
from .._kernels.structures import Data
from ..losses import Loss
from .features import dense_rows
from .model import Model

PART_ENTRIES = 2**18  # of the rows, for each output, that one thread works on at a time: a quarter of a millisecond
BLAS_OUTPUTS = 3  # from so many outputs on a linear model's raw predictions are a product of matrices worth its name
BLAS_SPEED = 4  # products of BLAS in the time of one in our kernels
COUPLED_ENTRIES = 2**17  # of the rows, for each output, that its matrix is made of at a time: they stay in the cache
SAMPLE_ROWS = 10_000  # of which the curvature is learnt, at least,
ROWS_PER_PARAMETER = 20  # a matrix from so many rows a column is within some ten per cent of that from all
SAMPLE_ENTRIES = 2**23  # unless they are as wide as that
SHARE_OF_X = 64  # rows in as much memory as this part of X are sampled if they are more: they cost less than they save,
MORE_ENTRIES = 2**21  # up to this size
LIMITS = 20  # corrections of what rows are drawn surely from: each leaves a part of the error
FAR = 10.0  # raw predictions at which losses with straight pieces have no curvature
SHARE_IN_KINKS = 0.1  # of the rows that the curvature of kinks is averaged over, at least


def more_rows(n_rows: int, n_columns: int, dtype: np.dtype) -> int:
    """Rows of a sample, in float64, that saves passes over so many, dense ones."""
    return min(n_rows * dtype.itemsize // 8 // SHARE_OF_X, MORE_ENTRIES // n_columns)


class Sample:
    """Some of the rows, standardised and held in memory: the objective on them and its curvature."""

    def __init__(
        self,
        data: Data,
        rows: np.ndarray | slice,
        model: Model,
        loss: Loss,
        plug_in: PlugIn,
        n_threads: int = 1,
    ):
        self.loss, self.plug_in, self.n_threads, self.bounded = loss, plug_in, n_threads, False
        self.n_outputs, self.matrix_of = model.n_outputs, model.matrix_of
        self.targets, self.weight = data.targets_of(rows), data.weight_of(rows)
        n_rows = len(self.targets)
        self.Z = np.empty((n_rows, model.n_features + 1))

        def fill(part):
            start, stop = part
            these = slice(rows.start + start, rows.start + stop) if isinstance(rows, slice) else rows[start:stop]
            dense_rows(data.features, these, self.Z[start:stop, :-1])
            self.Z[start:stop, -1] = model.trains_intercept

        for _ in threads.run_over_rows(fill, n_rows, model.n_features + 1, 0, n_threads, PART_ENTRIES):
            pass

    def part(self, rows: slice) -> "Sample":
        """Some of these rows."""
        if isinstance(rows, slice) and rows == slice(0, len(self.Z)):
            return self
        part = copy.copy(self)
        part.targets, part.weight, part.Z = self.targets[rows], self.weight[rows], self.Z[rows]
        return part

    @functools.cached_property
    def products(self) -> np.ndarray:
        """Of the rows with each other, without the column of the intercept."""
        n, d = len(self.Z), self.Z.shape[1] - 1

        def of_columns(part):
            columns = self.Z[:, slice(*part)]
            return columns @ columns.T

        return sum(threads.run_over_rows(of_columns, d, n, n * n, self.n_threads))

    def drawn(self, size: np.ndarray, n_rows: int) -> tuple[np.ndarray, "Sample"]:
        """About so many of these rows, their numbers first: the larger surely, others by chance, made up for by weight.

        Chances are min(1, size / limit). They are added up along the rows, and one is drawn wherever the sum passes a
        whole number and a half: that takes no random numbers, and neighbours that are alike stand for each other.
        """
        limit = max(float(size.sum()), TINY) / n_rows
        for _ in range(LIMITS):
            limit *= max(float(np.minimum(size / limit, 1.0).sum()) / n_rows, 0.5)
        chance = np.minimum(size / limit, 1.0)
        drawn = np.flatnonzero(np.diff(np.floor(np.cumsum(chance) + 0.5), prepend=0.0))
        part = self.part(drawn)  # type: ignore[arg-type]
        part.weight = part.weight / chance[drawn]
        return drawn, part

    def loss_and_gradient(self, params: np.ndarray, hyper: np.ndarray) -> tuple[float, np.ndarray]:
        """Weighted sum of the rows' losses and its gradient."""
        raw = self._raw(params)
        derivatives = np.empty_like(raw)
        value = self.plug_in.call(raw, self.targets, self.weight, hyper, derivatives)
        gradient = np.empty(params.size)
        self.matrix_of(gradient)[...] = self.Z.T @ derivatives
        return value, gradient

    def objective(self, ridge: np.ndarray, hyper: np.ndarray) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """Weighted mean loss plus 1/2 sum_j ridge_j params_j^2, and its gradient, as a function of the parameters."""
        total = self.weight.sum()
        n_threads = 1 if self.plug_in.in_python else self.n_threads
        row_cost = self.n_outputs * self.Z.shape[1] // (BLAS_SPEED if self.n_outputs >= BLAS_OUTPUTS else 1)

        def function(params):
            def of_part(part):
                some = self if part == (0, len(self.Z)) else self.part(slice(*part))
                return some.loss_and_gradient(params, hyper)

            value, gradient = 0.0, np.zeros(params.size)
            of_parts = threads.run_over_rows(of_part, len(self.Z), row_cost, params.size, n_threads, PART_ENTRIES)
            for part_value, part_gradient in of_parts:
                value += part_value
                gradient += part_gradient
            penalty = ridge * params
            return value / total + 0.5 * float(penalty @ params), gradient / total + penalty

        return function

    def hessians(self, params: np.ndarray, hyper: np.ndarray, exact: bool) -> np.ndarray:
        """Weighted sum of the rows' second derivatives, one matrix for each output."""
        second = self.second_derivatives(params, hyper, exact)
        if (second == second[0]).all():  # where fits begin
            return second[0, :, None, None] * gram(self.Z, self.weight)
        return np.array([gram(self.Z, of_output) for of_output in (second * self.weight[:, None]).T])

    def coupled_hessian(self, params: np.ndarray, hyper: np.ndarray) -> np.ndarray:
        """The same with the blocks between outputs: one matrix for all parameters."""
        raw = self._raw(params)
        share = self._coupling(raw).T
        own = np.sqrt((self._second_derivatives(raw, hyper).T + share**2) * self.weight)
        share = share * np.sqrt(self.weight)
        K, p = self.n_outputs, self.Z.shape[1]
        total = np.zeros((K, p, K, p))
        for start in range(0, len(self.Z), max(COUPLED_ENTRIES // (K * p), 1)):
            rows = slice(start, start + max(COUPLED_ENTRIES // (K * p), 1))
            columns = np.ascontiguousarray(self.Z[rows].T)  # whose inner loops run over rows, however few columns
            for k in range(K):
                root = columns * own[k, rows]
                total[k, :, k] += root @ root.T
            products = (share[:, None, rows] * columns).reshape(K * p, -1)
            total -= (products @ products.T).reshape(total.shape)
        return total.reshape(K * p, K * p)

    def coupled_products(self, share: np.ndarray, total_weight: float) -> Callable[[np.ndarray], np.ndarray]:
        """What multiplies a vector by that matrix, over a sum of weights, without the matrix."""
        share, weight = np.ascontiguousarray(share.T), self.weight / total_weight  # long rows: fast sums over outputs
        row_cost = max(self.n_outputs * self.Z.shape[1] // BLAS_SPEED, 1)

        def function(vector):
            coefs = vector.reshape(self.n_outputs, -1)

            def of_part(part):
                Z, p = self.Z[slice(*part)], share[:, slice(*part)]
                along = p * (coefs @ Z.T)
                along -= p * along.sum(axis=0)
                along *= weight[slice(*part)]
                return along @ Z

            of_parts = threads.run_over_rows(of_part, len(self.Z), row_cost, vector.size, self.n_threads, PART_ENTRIES)
            return sum(of_parts).ravel()

        return function

    def shares(self, params: np.ndarray) -> np.ndarray:
        """Of each output in all of a row, which couple them."""
        return self._coupling(self._raw(params))

    def _coupling(self, raw):
        share = self.loss.coupling(raw)
        assert share is not None
        return share

    def second_derivatives(self, params: np.ndarray, hyper: np.ndarray, exact: bool = True) -> np.ndarray:
        """Of the loss of each row by each output; not exact: those of kinks as means over their neighbourhood."""
        return self._second_derivatives(self._raw(params), hyper, exact)

    def _second_derivatives(self, raw, hyper, exact=True):
        of = self.loss, self.plug_in, raw, self.targets, self.weight, hyper
        return second_derivatives(*of, exact or self.loss.smooth, self.bounded)

    def _raw(self, params):
        if not params.any():  # where fits begin
            return np.zeros((len(self.Z), self.n_outputs))
        return self.Z @ self.matrix_of(params)


def second_derivatives(
    loss: Loss,
    plug_in: PlugIn,
    raw: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray,
    hyper: np.ndarray,
    exact: bool,
    bounded: bool,
) -> np.ndarray:
    """Second derivatives of the loss by each output, like raw.

    Few of the rows of a sub-sample lie within a narrow kink: unless `exact` its curvature is the mean over a
    neighbourhood that holds enough of them. If `bounded`, steps shall not promise more than they bring.
    """
    bound = loss.curvature_of_bound(raw, targets, hyper) if bounded else None
    if bound is not None:
        return bound
    known = loss.second_derivative(raw, targets) if loss.smooth else None
    if known is not None:
        return np.maximum(known, 0.0)
    ones, up, down = np.ones(len(raw)), np.empty_like(raw), np.empty_like(raw)
    step = DIFFERENCE * (max(1.0, np.abs(raw).mean()) if loss.smooth else float(hyper[0]))
    if not exact:
        step = float(hyper[0])
    while True:
        plug_in.call(raw + step, targets, ones, hyper, up)
        plug_in.call(raw - step, targets, ones, hyper, down)
        curvature = np.maximum((up - down) / (2 * step), 0.0)
        if exact or step > 1 or (weight @ (curvature > 0) >= SHARE_IN_KINKS * weight.sum()).all():
            return curvature
        step *= 2


def is_curved_everywhere(loss: Loss, n_outputs: int) -> bool:
    """Whether a loss has no straight pieces, at whose ends gradients go to and fro, and long steps beyond them."""
    second = loss.second_derivative(np.outer([-FAR, FAR], np.ones(n_outputs)), np.ones((2, n_outputs)))
    return second is not None and bool((second > 0).all())


def gram(Z: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Z' diag(weight) Z."""
    if (weight == weight[0]).all():  # no copy of Z is made
        return weight[0] * (Z.T @ Z)
    root = Z * np.sqrt(weight)[:, None]
    return root.T @ root
