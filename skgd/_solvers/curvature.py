"""The curvature of a linear model's objective, from a sub-sample of rows: what preconditions its gradients."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _parallel as threads
from .._kernels.constants import TINY
from .._problem.columns import PRODUCTS_PER_ENTRY
from .._problem.features import dense_columns, left_to_center, squared
from .._problem.model import LinearModel
from .._problem.partitioned import PartitionedRows
from .._problem.products import MOST_TARGETS
from .._problem.rows import Rows
from .._problem.sample import SAMPLE_ENTRIES, Sample, gram, second_derivatives
from .._problem.squares import is_half_square
from ..losses import Loss
from .by_products import ByProducts, SparseHessian
from .coupled import LEAST_ROWS, coupled_outputs
from .hessians import Blocks, Coupled, Diagonal, Factor, Unshifted, low_rank
from .plan import CurvaturePlan
from .quasi_newton import CurvatureModel, Identity
from .sub_sample import SubSample, saves_passes, second_moments, takes_one_pass
from .working_sets import WorkingSets

FIRST_ROWS_PER_PARAMETER = 5  # fewer have an optimum that is no start for that of all rows
MATRIX_WORK = 1e10  # multiplications for a matrix from the sub-sample
RARE_SHARE = 0.01  # of the typical column: weight of the mean curvature in that of a column
GROWTH = 8
MOST_MATRIX_WORK = 1e11
PASS_OVERHEAD = 1e5
MOST_PATIENCE = 20
LEADING_COLUMNS = 128  # a matrix of these costs less than a pass over the data where there are more than a thousand
ROWS_PER_LEADING = 4  # under an L1 penalty
ROWS_PER_TRY = 16  # of which so many make it as dear as one more pass
SPARSE_TRIES = 100  # of sparse rows, before the diagonal
PRODUCTS_PER_PASS = 25  # in the time that an evaluation takes for an entry of dense rows
NEWTON_COLUMNS = 64  # up to here Newton's method proper costs no more


class Curvature:
    """Models of the Hessian for one fit: from a sub-sample of rows, or from all, and more exact on demand."""

    def __init__(
        self,
        rows: Rows | PartitionedRows,
        model: LinearModel,
        loss: Loss,
        ridge: np.ndarray,
        plan: CurvaturePlan,
        has_l1: bool = False,
    ):
        self.rows, self.linear, self.loss, self.ridge = rows, model, loss, ridge
        self.n_columns, self.n_outputs = model.n_features + 1, model.n_outputs
        self.kind, self.few_rows, self.tries_gradients = plan.kind, plan.few_rows, plan.tries_gradients
        self.by_diagonal, self.ridges, self.has_l1 = plan.by_diagonal, plan.ridges, has_l1
        K, p = self.n_outputs, self.n_columns
        self.couples = K > 1 and loss.coupling(np.zeros((1, K))) is not None  # whether outputs depend on each other
        self.coupled = self.couples and K * p <= plan.coupled  # whether one matrix holds all of them
        self.half_square = is_half_square(loss, K)  # whose second moments tell all
        self.n_matrices = 1 if self.coupled else K
        self.matrix_width = p * (K if self.coupled else 1)  # parameters that a matrix speaks for
        # whether the coupling of many outputs is known, by its products with vectors
        apart = self.couples and not self.coupled and not has_l1 and self.kind == "subsample"
        self.by_products = apart and LEAST_ROWS * K * p <= plan.size < rows.n_rows
        self.model_width = K * p if self.by_products else self.matrix_width  # that a model of an output speaks for
        self.some = SubSample(rows, model, loss, plan.size)
        self.constant_model: CurvatureModel | None = None  # of a quadratic loss
        self.moments: np.ndarray | None = None  # of all rows and their targets, once these have been looked at
        self.sets: WorkingSets | None = None
        self.sparse_hessian: SparseHessian | None = None
        self.after_products = self.kind
        if plan.tries_products:
            self.kind = "products"
        if self.chooses_columns:
            assert isinstance(rows, Rows)
            # of a quadratic loss the curvature of all rows is taken once, and makes a step exact
            self.sets = WorkingSets(rows if loss.quadratic else rows.some(plan.size), model, ridge, loss.quadratic)
        self.squares: np.ndarray | None = None
        self.made_of: dict = {}  # what the last model was made of

    @property
    def holds_all(self) -> bool:
        """Whether the rows that models are made of are all, in an array by whose products sums go fastest."""
        if self.kind != "subsample" or not self.some.is_all or self.tries_gradients or knows_moments(self):
            return False
        return (self.rows.is_dense and self.n_outputs == 1) or not looks_once(self)

    @property
    def chooses_columns(self) -> bool:
        """Whether models are made of few columns, by which an L1 penalty makes them cheap."""
        return self.kind == "working_sets"

    @property
    def complete(self) -> bool:
        """Whether the models leave nothing out but rows: what was learnt with other ones doesn't make them better."""
        if self.chooses_columns or self.kind == "products":
            return True
        sees_kinks = self.loss.smooth or self.some.is_all
        return self.kind == "subsample" and sees_kinks and (self.coupled or not self.couples)

    def patience(self, n_rows: int, grows: bool) -> float:
        """Slow steps that are worth a new model: its cost in evaluations of the objective over n_rows, roughly."""
        if self.tries_gradients and self.kind == "subsample" and not (self.few_rows and self.complete):
            return self.n_columns / PRODUCTS_PER_PASS
        if self.tries_gradients:
            per_row = ROWS_PER_TRY * (self.n_outputs if self.loss.quadratic else 1)  # of outputs that share a matrix
            return n_rows / per_row if self.few_rows else SPARSE_TRIES
        if self.kind != "subsample":
            return np.inf if self.kind == "diagonal" else 0.0
        if self.few_rows:  # whose products are known
            work = n_rows**2 / (3 * PRODUCTS_PER_PASS * self.n_columns)
            return min(work - 1, MOST_PATIENCE if self.loss.smooth else 3)
        if not self.loss.smooth and self.some.is_all:
            return 1  # the curvature of kinks is another one after every step
        p, K = self.n_columns, self.n_outputs
        width, n_matrices = self.matrix_width, self.n_matrices
        if self.some.is_all:  # independent of n: a weight of two is the same as two rows
            return min(n_matrices * width**2 / (NEWTON_COLUMNS * p * K) - 1, MOST_PATIENCE)
        size = min(self.rows.most_at_hand, self.some.size * GROWTH) if grows else self.some.size
        work = n_matrices * width**2 * (size + width) / 8  # products of matrices are fast
        return min(work / (4 * n_rows * p * K + PASS_OVERHEAD), MOST_PATIENCE)

    def state(self) -> dict:
        """What the next model depends on, and what the last one was made of, which is all it takes to make it again."""
        columns = None if self.sets is None else self.sets.state()
        of_some = {"size": self.some.size, "bounded": self.some.bounded}
        return {**of_some, "kind": self.kind, "squares": self.squares, "columns": columns, "made_of": self.made_of}

    def restore(self, state: dict) -> CurvatureModel:
        """Go on from there; the last model."""
        made_of = state["made_of"]
        if not made_of:
            return Identity()
        self.some.resize(made_of["size"])
        self.some.bound(bool(made_of["bounded"]))
        self.tries_gradients = made_of["tries_gradients"]
        self.squares, self.constant_model = state["squares"], None
        model = self.model(made_of["params"], made_of["hyper"])
        if self.sets is not None:
            self.sets.restore(state["columns"])
        self.some.resize(state["size"])
        self.some.bound(bool(state["bounded"]))
        return model

    def penalise(self, ridge: np.ndarray, model: CurvatureModel) -> CurvatureModel | None:
        """Take another ridge; the model with it, or None if that costs more than a step. What rows tell stays."""
        self.ridge = ridge
        if self.sets is not None:
            self.sets.penalise(ridge)
            return model
        work = self.n_matrices * self.matrix_width**3 / 3 if self.kind == "subsample" else 0
        pass_work = self.rows.n_rows * self.n_columns * self.n_outputs + PASS_OVERHEAD
        if not self.loss.quadratic and work > PRODUCTS_PER_ENTRY * pass_work:
            return None
        model = model.penalised(ridge)
        self.constant_model = None if self.constant_model is None else model
        return model

    def grow(self) -> bool:
        """Take more rows from now on; whether there are more, at a bearable cost."""
        n, p = self.rows.most_at_hand, self.n_columns
        size = min(n, self.some.size * GROWTH)
        if self.by_products:  # of rows held in memory
            size = min(size, SAMPLE_ENTRIES // p)
        work = size * p**2 * self.n_outputs
        if self.kind != "subsample" or self.few_rows or size <= self.some.size or work > MOST_MATRIX_WORK:
            return False
        self.some.resize(size)
        return True

    def sizes_to_settle_on(self) -> list[int]:
        """Rows to minimise the objective on, one sample after the other, before all rows are looked at.

        On the largest only where its matrices cost less than the pass over all rows that it may save.
        """
        first = max(self.some.size // GROWTH, FIRST_ROWS_PER_PARAMETER * self.model_width)
        sizes = [first] if 2 * first <= self.some.size else []
        return [*sizes, self.some.size] if self.patience(self.rows.n_rows, grows=False) <= 1 or not sizes else sizes

    def model(self, params: np.ndarray, hyper: np.ndarray) -> CurvatureModel:
        """The model at these parameters."""
        if self.kind is None:
            return Identity()
        if self.constant_model is not None:
            return self.constant_model
        of_some = {"size": self.some.size, "bounded": self.some.bounded}
        without = {"tries_gradients": self.tries_gradients}
        self.made_of = {"params": params, "hyper": hyper.copy(), **without, **of_some}
        if self.tries_gradients:
            self.tries_gradients = False
            return Identity()
        if self.sets is not None:
            of_rows = self.sets.rows, hyper, self.some.bounded
            self.sets.second_derivatives = functools.partial(self.some.weighted_derivatives, *of_rows)
            self.sets.coupling, self.sets.bounded = self.loss.coupling, self.some.bounded
            model: Any = self.sets
        else:
            model = MODELS[self.kind](self, params, hyper)
            if self.couples and not self.coupled and not self.has_l1 and not self.by_products:
                model = Unshifted(model, self.ridge, self.n_outputs)
        if self.loss.quadratic:
            self.constant_model = model
        return model

    def _matrices(self, params, hyper):
        p, K = self.n_columns, self.n_outputs
        if self.few_rows:
            return low_rank(self.some.sample, self.ridge, params, hyper)
        ridge = self.ridge.reshape(K, p)
        if self.loss.quadratic:
            moments = moments_of_all(self)
            moments = second_moments(self.some) if moments is None else moments[:p, :p].copy()
            return Blocks([Factor(moments, ridge[0])] * K)
        if self.coupled:
            total = self._mean_over_rows(lambda sample: sample.coupled_hessian(params, hyper))
            return Coupled(Factor(total, self.ridge), K)
        if self.by_products:
            return coupled_outputs(self.some.sample, params, self.ridge)
        if K * self.some.size * p**2 > MATRIX_WORK:  # for very many outputs the same matrix serves all

            def shared(sample):
                second = sample.second_derivatives(params, hyper, self.some.is_all).mean(axis=1)
                return gram(sample.Z, second * sample.weight)

            return Blocks([Factor(self._mean_over_rows(shared), ridge[0])] * K)
        totals = self._mean_over_rows(lambda sample: sample.hessians(params, hyper, self.some.is_all))
        return Blocks([Factor(total, of_output) for total, of_output in zip(totals, ridge, strict=True)])

    def _mean_over_rows(self, function: Callable[[Sample], np.ndarray]) -> np.ndarray:
        of_matrices = self.n_matrices * self.matrix_width**2
        row_cost = max(self.n_columns * self.n_outputs, of_matrices // PRODUCTS_PER_ENTRY)
        return self.some.mean(function, row_cost, of_matrices)

    def _diagonal(self, params, hyper):
        """Per output and column the mean curvature of the rows that have an entry there, times its mean square."""
        some, blocks = self.rows.some(self.some.size), params.reshape(self.n_outputs, -1)
        rows, center = some.scaled(), left_to_center(some.data.features)
        raw = np.ascontiguousarray(rows @ blocks[:, :-1].T + (blocks[:, -1] - blocks[:, :-1] @ center))
        targets, weight = some.targets, some.weight
        of = self.loss, self.some.pointwise, raw, targets, weight, hyper
        second = second_derivatives(*of, self.loss.smooth, self.some.bounded)
        mean = weight @ second / weight.sum()
        of_rows = squared(rows)

        def sums_of_squares(weights):  # of the centred columns, (n_features, n_outputs)
            sums, total = of_rows.T @ weights, weights.sum(axis=0)
            if not center.any():
                return sums
            far = sums - 2 * center[:, None] * (rows.T @ weights) + np.outer(center**2, total)
            return np.where(center[:, None] != 0, np.maximum(far, 0.0), sums)

        squares = sums_of_squares(weight[:, None])[:, 0]
        if self.squares is None:
            of_all = self.rows.mean_squares()
            of_sample = squares / weight.sum()
            self.squares = of_sample if of_all is None else np.where(center != 0, of_sample, of_all)
        of_columns = sums_of_squares(second * weight[:, None])
        pseudo = squares.sum() / max(np.count_nonzero(squares), 1) * RARE_SHARE + TINY  # speaks for columns not seen
        curvature = (of_columns + pseudo * mean) / (squares + pseudo)[:, None] * self.squares[:, None]
        leading = self._leading(rows, center, second * (weight / weight.sum())[:, None], curvature)
        return Diagonal(np.vstack([curvature, mean]).T.ravel(), self.ridge, *leading)

    def _leading(self, rows, center, second, curvature) -> tuple[np.ndarray, Blocks]:
        """Where the intercepts and the parameters of the columns that weigh most stand, and their matrices."""
        n_leading = min(LEADING_COLUMNS, len(curvature))
        if self.has_l1:  # steps end where signs change: long ones, by a matrix of too few rows, end nowhere
            n_leading = min(n_leading, max(len(second) // ROWS_PER_LEADING, 1))
        columns = np.sort(np.argpartition(-curvature.mean(axis=1), n_leading - 1)[:n_leading])
        leading = np.add.outer(np.arange(self.n_outputs) * self.n_columns, np.append(columns, self.n_columns - 1))
        Z = dense_columns(rows, columns, beside=1)
        if center.any():
            Z[:, :-1] -= center[columns]
        Z[:, -1] = self.linear.trains_intercept
        matrices = threads.run(lambda of_output: gram(Z, of_output), second.T, self.rows.n_threads)
        factors = [Factor(matrix, self.ridge[at]) for matrix, at in zip(matrices, leading, strict=True)]
        return leading.ravel(), Blocks(factors)


def model_by_products(curvature: Curvature, params: np.ndarray, hyper: np.ndarray) -> ByProducts:
    """Of all rows of CSR, whose entries stay where they are."""
    rows = curvature.rows
    assert isinstance(rows, Rows)
    if curvature.sparse_hessian is None:
        curvature.sparse_hessian = SparseHessian(rows, curvature.linear.trains_intercept)
    raw = curvature.sparse_hessian.raw(params)[:, None]
    second = curvature.some.weighted_derivatives(rows, hyper, False, raw)
    return curvature.sparse_hessian.at(second[:, 0], curvature.ridge)


MODELS = {"diagonal": Curvature._diagonal, "subsample": Curvature._matrices, "products": model_by_products}


def curvature_among(numbers: np.ndarray, curvature: Curvature, ridge: np.ndarray) -> Curvature:
    """The curvature that some of the rows have, under another ridge."""
    other = copy.copy(curvature)
    other.some, other.ridge, other.made_of = curvature.some.among(numbers), ridge, {}
    return other


def knows_moments(curvature: Curvature) -> bool:
    """Whether somebody has looked at all rows before."""
    return getattr(curvature.rows, "products", None) is not None


def looks_once(curvature: Curvature) -> bool:
    """Whether a quadratic loss asks rows for no more than second moments of all of them, which cost little."""
    if curvature.kind != "subsample" or curvature.few_rows or not curvature.half_square:
        return False
    if knows_moments(curvature):
        return True
    return curvature.n_outputs <= MOST_TARGETS and (takes_one_pass(curvature.some) or saves_passes(curvature.some))


def end_products(curvature: Curvature) -> None:
    """Make the models that were to come after products from now on."""
    curvature.kind, curvature.sparse_hessian = curvature.after_products, None


def take_all_rows(curvature: Curvature) -> None:
    """Take all rows in an array from now on, and matrices of these, in place of the diagonal."""
    n_rows = curvature.rows.n_rows
    curvature.kind, curvature.few_rows, curvature.by_diagonal = "subsample", 2 * n_rows < curvature.n_columns, np.inf
    curvature.some.resize(n_rows)


def moments_of_all(curvature: Curvature) -> np.ndarray | None:
    """Second moments of all rows with their targets at the end, where a quadratic loss asks rows for no more."""
    if curvature.moments is None and looks_once(curvature):
        rows, model, K = curvature.rows, curvature.linear, curvature.n_outputs
        if knows_moments(curvature) or takes_one_pass(curvature.some):
            curvature.moments = rows.second_moments(model.trains_intercept, K)
        else:
            curvature.moments = second_moments(SubSample(rows, model, curvature.loss, rows.n_rows), K)
    return curvature.moments


def most_to_gain(gradient: np.ndarray, ridge: np.ndarray) -> float:
    """By how much an objective lies above its least, at most: the ridge curves all but the intercept."""
    if not ridge.any():
        return np.inf
    inverse = np.divide(0.5, ridge, out=np.zeros_like(ridge), where=ridge > 0)
    return float(gradient**2 @ inverse)
