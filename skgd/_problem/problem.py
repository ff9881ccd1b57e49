"""What is minimised: a model's loss over rows, and a penalty."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._kernels.constants import EPS
from ..losses import Loss
from ..penalties import ElasticNet, smallest_subgradient
from .model import penalty_factor
from .objective import MeanLoss, pointwise
from .partitioned import PartitionedRows
from .rows import Rows
from .scaling import Scaling
from .squares import is_half_square

NULL_ROWS = 4096
FEW_ROWS = 64  # that mostly tell that targets differ
FAR_OUT = 1e9  # times parameters at which raw predictions of 1e-8 of one tell classes apart for certain
TOSS_UP = float(np.log(2.0))  # log-loss of even odds


@dataclass(frozen=True)
class Problem:
    """mean over rows of loss(model(row), target) + sum_j ridge_j params_j^2 / 2 + sum_j l1_j |params_j|."""

    rows: Rows | PartitionedRows
    validation: Rows | PartitionedRows | None  # rows to look at, not to learn from
    model: Any
    loss: Loss
    penalty: ElasticNet
    scaling: Scaling
    moments: tuple  # of features and targets, from which the scaling followed; None where there is none
    standardization: bool | str  # what `standardize` means for these features
    constant: Callable[[], np.ndarray]  # gives the raw prediction of the constant model; of streams that go on the mean
    facts: dict  # of the targets, that predictions will need
    n_given: int  # rows, before those that say the same became one
    rows_seen: int  # of a stream, with those before
    streaming: bool
    precision: np.dtype  # of what is published
    near: np.ndarray | None = None  # parameters that are known to be near the optimum

    @property
    def dtype(self) -> np.dtype:
        """What parameters, predictions and gradients are computed in."""
        return self.model.compute_dtype(self.rows.storage)

    @cached_property
    def loss_hyper(self) -> np.ndarray:
        """The loss's hyper-parameters, in scaled units."""
        return self.loss.hyper(self.scaling.target_scale)

    def start(self, rng: np.random.RandomState) -> np.ndarray:
        """Parameters that training starts from."""
        if self.near is not None:
            return self.near.copy()
        return self.model.start(self.constant(), targets_vary(self), self.scaling, rng)

    @cached_property
    def penalised(self) -> np.ndarray:
        """How much the L2 penalty counts for every parameter; 0 for intercepts."""
        return self.model.penalised(penalty_factor(self.loss, self.scaling))

    @cached_property
    def l1_counts(self) -> np.ndarray:
        """The same for the L1 penalty."""
        if self.loss.target_power is None:  # no scale, no difference
            return self.penalised
        return self.model.penalised(penalty_factor(self.loss, self.scaling, degree=1))

    @cached_property
    def ridge(self) -> np.ndarray:
        """Strength of the L2 penalty on every parameter."""
        return self.penalty.l2 * self.penalised

    @cached_property
    def l1(self) -> np.ndarray | None:
        """Strength of the L1 penalty on every parameter; None without one."""
        return self.penalty.l1 * self.l1_counts if self.penalty.l1 > 0 else None

    @cached_property
    def is_half_square(self) -> bool:
        """Whether the loss is known by second moments alone."""
        return is_half_square(self.loss, self.model.n_outputs)

    @cached_property
    def objective(self) -> MeanLoss:
        """The smooth part over all rows."""
        return self.smooth_part(self.loss_hyper)

    def smooth_part(self, loss_hyper: np.ndarray, rows: Rows | None = None) -> MeanLoss:
        """The same with other hyper-parameters of the loss, or over other rows."""
        return (rows or self.rows).objective(self.model, self.loss, loss_hyper, self.ridge)

    def value(self, params: np.ndarray) -> float:
        """The objective."""
        value, _ = self.objective(params)
        return value if self.l1 is None else value + float(self.l1 @ np.abs(params))

    def gradient(self, params: np.ndarray) -> np.ndarray:
        """Its gradient; under an L1 penalty the subgradient of least norm."""
        _, gradient = self.objective(params)
        return gradient if self.l1 is None else smallest_subgradient(params, gradient, self.l1)

    def validation_loss(self, params: np.ndarray) -> float:
        """Mean loss over the validation rows, nothing penalised."""
        return self._of_validation.loss_alone(params)

    @cached_property
    def _of_validation(self) -> MeanLoss:
        assert self.validation is not None
        return self.validation.objective(self.model, self.loss, self.loss_hyper, self.ridge)

    def reference(self, dtype: np.dtype, of_best: bool = False) -> float:
        """Loss of the constant model that training starts from: the measure of what is much and what is little.

        That of squared error follows from the moments of y, where they are known, others from some thousand rows. There
        it may be the loss of the best constant: of targets far from zero that of the start is a measure by which next
        to nothing is left to gain once an intercept is found.
        """
        of_y = self.moments[1]
        if of_y is not None and not self.streaming and self.is_half_square:
            center, scale = self.scaling.target_center, self.scaling.target_scale
            with np.errstate(over="ignore"):
                off = (of_y.mean - center) / scale - self.constant()
                of_start = _finite(0.5 * float(((of_y.std / scale) ** 2 + off**2).sum()))
                if not (of_best and self.model.trains_intercept):
                    return of_start
                return max(0.5 * float(((of_y.std / scale) ** 2).sum()), EPS * of_start)  # no digits tell of less
        if isinstance(self.rows, Rows):  # without a copy of features that nobody looks at
            data, takes_all = self.rows.data, self.rows.n_rows <= NULL_ROWS
            some = self.rows.numbers(slice(None)) if takes_all else data.sample_rows(NULL_ROWS)
            of_rows = data.targets_of(some), data.shares_of(some)
        else:
            sample = self.rows.some(NULL_ROWS)
            of_rows = sample.targets, sample.shares
        targets, weight = (array.astype(dtype, copy=False) for array in of_rows)
        raw = np.empty((weight.size, self.model.n_outputs), dtype)
        raw[:] = self.constant()
        loss = pointwise(self.loss, dtype, warns=True)
        value = float(loss.call(raw, targets, weight, self.loss_hyper, np.empty_like(raw)))
        return _finite(value)


def _finite(value: float) -> float:
    """The loss of the constant model, which must be a number."""
    if not math.isfinite(value):
        raise ValueError(f"the loss is {value} for the constant model: it must be finite there")
    return value


def separates(problem: Problem, params: np.ndarray) -> bool:
    """Whether the raw predictions of a linear model are those of the right class, by a margin, in all rows.

    Those of parameters so much larger leave no loss then. A row on the wrong side has at least that of a toss-up.
    """
    with np.errstate(all="ignore"):
        loss = problem.objective.loss_alone(FAR_OUT * params)
    if not loss * problem.rows.n_rows < TOSS_UP:  # a row's share may be less, but not that of all
        return False
    return bool(loss < TOSS_UP * problem.rows.least_share)


def targets_vary(problem: Problem) -> np.ndarray:
    """Which targets differ among rows by more than rounding; all, where they are classes or nobody has looked."""
    data, of_y = getattr(problem.rows, "data", None), problem.moments[1]
    if of_y is not None:
        return of_y.varies(EPS)
    if problem.loss.for_classes or data is None:
        return np.ones(problem.model.n_outputs, dtype=bool)
    few, used = data.sample_rows(FEW_ROWS), data.subset if data.subset.size else slice(None)
    vary = (data.y[few] != data.y[few[0]]).any(axis=0)
    return vary if vary.all() else (data.y[used] != data.y[few[0]]).any(axis=0)
