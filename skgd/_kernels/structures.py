"""The named groups of arrays that kernels work on."""

import functools
from typing import NamedTuple

import numpy as np

from .constants import TINY

FLOAT64 = np.dtype(np.float64)
ROW_NUMBER = np.dtype(np.uint32)  # of rows in use: eight bytes would be a good part of a narrow X


class Features(NamedTuple):
    """What models see of the data: rows, and the scaling that is applied to them on the fly."""

    X: np.ndarray  # (n_rows, n_features), read-only
    center: np.ndarray  # (n_features,)
    inverse_scale: np.ndarray  # (n_features,)

    @property
    def storage(self) -> "Storage":
        return Storage(self.X.dtype)

    @property
    def row_bytes(self) -> int:
        return self.X.strides[0]


class SparseFeatures(NamedTuple):
    """The same for rows in CSR format, which are scaled and never centred: an entry that isn't stored is zero."""

    data: np.ndarray  # (n_stored,), read-only
    indices: np.ndarray  # (n_stored,) int32 or int64, read-only: the columns, in any order, none of them twice in a row
    indptr: np.ndarray  # (n_rows + 1,) int64, read-only: where each row begins
    center: np.ndarray  # (n_features,), zero
    inverse_scale: np.ndarray  # (n_features,)

    @property
    def storage(self) -> "Storage":
        return Storage(self.data.dtype, self.indices.dtype)

    @property
    def row_bytes(self) -> int:
        """Of a row of mean length."""
        return max(1, self.data.size * (self.data.itemsize + self.indices.itemsize) // (self.indptr.size - 1))


class Storage(NamedTuple):
    """How X is stored: what kernels are compiled for."""

    dtype: np.dtype
    index_dtype: np.dtype | None = None  # of the columns' numbers in CSR; None: X is dense


@functools.lru_cache(maxsize=4)
def _places(size: int) -> np.ndarray:
    """Random places within parts of length one, always the same; a small fit would take long to draw them."""
    return np.random.RandomState(0).uniform(size=size)


def sample_of(n: int, most: int) -> np.ndarray:
    """At most so many of n numbers, one at random out of each of as many equal parts, always the same."""
    numbers = np.arange(min(n, most))
    return ((numbers + _places(most)) * (n / most)).astype(np.int64) if n > most else numbers


class Data(NamedTuple):
    """The rows to learn from."""

    features: Features | SparseFeatures
    # (n_rows, n_targets), read-only; class indices for a classifier: one of these, the other one is empty, so that
    # kernels needn't be compiled for both
    doubles: np.ndarray  # float64
    singles: np.ndarray  # float32
    target_center: np.ndarray  # (n_targets,) float64
    target_inverse_scale: np.ndarray  # (n_targets,) float64
    weight: np.ndarray  # (n_rows,) float64, read-only; empty: all rows count the same
    subset: np.ndarray  # (n_used,) uint32, read-only: the rows to use; empty: all of them

    @property
    def y(self) -> np.ndarray:
        """The targets."""
        return self.doubles if len(self.doubles) else self.singles

    @property
    def n_rows(self) -> int:
        """Number of rows in use."""
        return self.subset.size or len(self.y)

    @property
    def row_entries(self) -> int:
        """Stored entries of a row, roughly."""
        return max(1, self.features.row_bytes // self.features.storage.dtype.itemsize)

    def targets_of(self, rows: np.ndarray | slice) -> np.ndarray:
        """Scaled targets of the given rows."""
        return (self.y[rows] - self.target_center) * self.target_inverse_scale

    def weight_of(self, rows: np.ndarray | slice) -> np.ndarray:
        """Weights of the given rows, ones where all rows count the same."""
        return np.array(self.weight[rows]) if self.weight.size else np.ones(len(self.y[rows]))

    def shares_of(self, rows: np.ndarray | slice) -> np.ndarray:
        """Weights of the given rows, made to sum to one."""
        if not self.weight.size:
            n = rows.stop - rows.start if isinstance(rows, slice) else rows.size
            return np.full(n, 1.0 / n)
        weight = self.weight[rows]
        return weight / max(weight.sum(), TINY)

    def sample_rows(self, most: int) -> np.ndarray:
        """Numbers of at most so many rows in use, one at random out of each of as many equal parts, always the same."""
        positions = sample_of(self.n_rows, most)
        return self.subset[positions] if self.subset.size else positions


class Linear(NamedTuple):
    """A linear model: per output the coefficients, then the intercept."""

    trains_intercept: bool


class LinearByProducts(NamedTuple):
    """The same with products of matrices, for several outputs."""

    trains_intercept: bool
    gemm: int  # address of BLAS's


class Products(NamedTuple):
    """How matrices are multiplied."""

    gemm: int  # address of BLAS's
    by_loops: object  # function pointer: (a, turns_a, b, total), total = a b or a' b for an a of few columns


# A layer of a network, and where its matrices begin: in the parameters, and in the workspace for each row of a block.
Layer = np.dtype(
    [
        ("n_in", np.int64),
        ("n_out", np.int64),
        ("params_at", np.int64),
        ("width", np.int64),  # columns of a: n_in, or none where rows stay in place
        ("a_at", np.int64),  # its inputs, the outputs of the units before it
        ("z_at", np.int64),  # what these units got; a itself where their slopes follow from that
        ("mask_at", np.int64),  # which of them dropout has left
        ("below_at", np.int64),  # the gradient by a
        ("few", np.int64),  # n_out, where weights lie on their side, else 0
        ("dropout", np.float64),  # rate of these units; 0 for predictions
    ],
    align=True,
)


class Layers(NamedTuple):
    """The layers of a network, whose parameters are per layer the matrix (n_in, n_out) row by row, then the biases."""

    table: np.ndarray  # (n_layers,) Layer
    activation: object  # function pointer: (z, bias, a) on matrices
    activation_derivative: object  # function pointer: (z, a, gradient, bias_gradient), multiplies a gradient in place
    keeps_rows: bool  # whether blocks of rows are copied and standardised, as dense ones are
    random: np.ndarray  # (1,) uint64, state of the generator
    products: Products


class Network(NamedTuple):
    """A feed-forward network with its passes, which are compiled once for all loops that call them."""

    layers: Layers
    forward: object  # function pointer
    backward: object  # function pointer


class Team(NamedTuple):
    """What threads share that work on a batch, besides the buffers of who leads them."""

    numbers: np.ndarray  # (N_NUMBERS,) int64: what is to be done, and how far that is
    losses: np.ndarray  # (n_blocks,) float64
    tiles: np.ndarray  # (n_tiles, 5) int64: a layer, from which to which of its inputs and of its units
    random: np.ndarray  # (1,) uint64, state of the training's generator
    block_size: int
    turned_size: int  # numbers of the workspace for weights on their side, which each block has
    give_way: int  # address of the system's function


class TeamNetwork(NamedTuple):
    """A network whose batches are shared among threads; each has layers with a random state of its own."""

    layers: Layers
    forward: object  # function pointer
    backward: object  # function pointer
    team: Team


class State(NamedTuple):
    """What training changes: everything that has one entry per parameter."""

    params: np.ndarray  # (n_params,)
    grads: np.ndarray  # (n_params,)
    slots: np.ndarray  # (n_slots, n_params), the optimizer's
    average: np.ndarray  # (n_params,) float64, running mean of the parameters
    epoch_start: np.ndarray  # (n_params,), the parameters when the epoch began
    best: np.ndarray  # (n_params,), the parameters when the best epoch began
    total: np.ndarray  # (n_params,) float64, gradient summed over the blocks of a batch
    penalised: np.ndarray  # (n_params,), how much the L2 penalty counts; 0 for intercepts
    l1_counts: np.ndarray  # (n_params,), how much the L1 penalty counts; 0 for intercepts


class Variables(NamedTuple):
    """What an update sees: all parameters, or those of the columns that a batch touches."""

    params: np.ndarray
    grads: np.ndarray
    slots: np.ndarray
    penalised: np.ndarray
    l1_counts: np.ndarray
    side: np.ndarray  # workspace of the L1 penalty
    rarity: np.ndarray  # of the columns that are touched, see Batch; empty: all parameters are there


class Anchor(NamedTuple):
    """The snapshot by which variance reduction corrects the gradients of batches; empty arrays: no such correction."""

    params: np.ndarray  # (n_params,)
    gradient: np.ndarray  # (n_params,), of the loss over all rows at these parameters
    of_block: np.ndarray  # (n_params,), of one block of rows at them


class Buffers(NamedTuple):
    """What one block of rows needs; made once for all calls. Rows are looked up ahead where a block has few."""

    rows: np.ndarray  # (n_fetched,) int64; n_fetched >= block_size
    raw: np.ndarray  # (block_size, n_outputs)
    derivatives: np.ndarray  # (block_size, n_outputs)
    targets: np.ndarray  # (n_fetched, n_targets)
    weights: np.ndarray  # (n_fetched,)
    work: np.ndarray  # the model's own


class Settings(NamedTuple):
    """The scalars that one fit leaves as they are."""

    batch_size: int
    block_size: int
    run_length: int
    weight_factor: float
    alpha: float  # of the L2 penalty
    weight_decay: float
    clip_norm: float
    average_from: int
    criterion: int
    tol: float
    n_iter_no_change: int
    pause: bool  # return after every epoch
    l1: float  # strength of the L1 penalty
    proximal: bool  # whether the rule is plain descent, so that L1 gets its proximal step
    average_every: int  # updates from one addition to the running mean to the next
    least_share: float  # of an addition in the running mean: above 0 it forgets exponentially
    near_zero: float  # share of the first objective below which a mean over batches counts as zero; 0: it is exact
    settles: bool  # whether the running mean is that of the epochs at a standstill


class FunctionState(NamedTuple):
    """What descent on a function changes; each of its updates is an epoch."""

    params: np.ndarray  # (n_params,) float64
    grads: np.ndarray  # (n_params,), the function's gradient there; the rule may write into it
    slots: np.ndarray  # (n_slots, n_params), the optimizer's
    epoch_start: np.ndarray  # (n_params,), the parameters before the update
    best: np.ndarray  # (n_params,), those where the function was least


class FunctionSettings(NamedTuple):
    """The scalars of a descent on a function."""

    criterion: int
    tol: float
    n_iter_no_change: int
    weight_decay: float


OBJECTIVE, GRADIENT, STEP, NEVER = range(4)  # Settings.criterion
RUNNING, CONVERGED, DIVERGED, PAUSED, OUT_OF_EPOCHS, STUCK = range(6)  # Progress["status"]

Progress = np.dtype(
    [
        ("epoch", np.int64),  # epochs completed
        ("update", np.int64),  # updates made
        ("cursor", np.int64),  # rows of this epoch in completed batches
        ("batch_done", np.int64),  # rows of the current batch in completed blocks
        ("batch_loss", np.float64),
        ("loss_sum", np.float64),
        ("reference", np.float64),  # objective of the constant model
        ("start_objective", np.float64),  # objective of the first batch; NaN before
        ("best_objective", np.float64),  # of all epochs
        ("last_objective", np.float64),  # of the last epoch
        ("last_change", np.float64),  # by which that differed from the one before
        ("mark", np.float64),  # objective that another one must beat by the tolerance
        ("unimproved", np.int64),  # epochs that didn't
        ("circled", np.int64),  # whether the fit ended by going round in circles
        ("still", np.int64),  # epochs in which little was to come, or the parameters stood still
        ("averaged", np.int64),  # parameter vectors in the running mean
        ("gradient_norm", np.float64),
        ("offset", np.int64),  # rotation of the row order in this epoch
        ("random", np.uint64),  # state of the xorshift generator
        ("status", np.int64),
    ],
    align=True,
)


# What a batch looks up of each column of CSR rows: together, since every look-up is a cache miss.
Column = np.dtype(
    [
        ("inverse_scale", np.float64),
        ("rarity", np.float32),  # 1 / (probability that a batch touches the column)
        ("place", np.int32),  # number among the columns of the batch, -1 for one that isn't
    ],
    align=True,
)


class Batch(NamedTuple):
    """One mini-batch of CSR rows with its columns renumbered, and all that belongs to these columns."""

    columns: np.ndarray  # (n_features,) Column
    touched: np.ndarray  # (most_columns,) uint64: the columns of the batch
    values: np.ndarray  # (most_entries,) float64, scaled
    places: np.ndarray  # (most_entries,) uint64: which of the touched columns
    starts: np.ndarray  # (batch_size + 1,) int64
    rarity: np.ndarray  # (most_columns,) float64
    params: np.ndarray  # (n_outputs * (most_columns + 1),), and so on for all of these
    grads: np.ndarray
    slots: np.ndarray  # n_slots times as many
    side: np.ndarray
    penalised: np.ndarray
    l1_counts: np.ndarray
    anchor: np.ndarray  # empty without variance reduction, and so is the next
    correction: np.ndarray


class FewRows(NamedTuple):
    """The rows of small data, standardised and in memory, and the L2 penalty: all that Newton's method asks for."""

    columns: np.ndarray  # (n_params, n_rows) float64: the features and, for the intercept, ones
    targets: np.ndarray  # (n_rows, n_targets) float64
    weight: np.ndarray  # (n_rows,) float64, of sum one
    ridge: np.ndarray  # (n_params,) float64


class NewtonSettings(NamedTuple):
    """The scalars of Newton's method."""

    criterion: int
    tol: float
    n_iter_no_change: int  # steps that must be small for the criterion of steps
    first_length: float  # of a step that is tried
    eps: float  # relative rounding of the objective
    quadratic: bool  # whether the second derivatives are one


class NewtonWork(NamedTuple):
    """Workspace of Newton's method."""

    vectors: np.ndarray  # (4, n_rows) float64
    blocks: np.ndarray  # (4, n_rows, 1): the same memory, as losses take it
    steps: np.ndarray  # (4, n_params) float64
    lower: np.ndarray  # (n_params, n_params) float64: Cholesky factor of the Hessian


Search = np.dtype(
    [
        ("steps", np.int64),  # made in the last call
        ("reference", np.float64),  # objective of the constant model
        ("objective", np.float64),
        ("gradient_norm", np.float64),  # before the last step
        ("last_promise", np.float64),  # decrease that the last step was to bring
        ("largest_step", np.float64),  # of any parameter in the last step
        ("still", np.int64),  # steps on end that were small
        ("factorised", np.int64),  # whether the Hessian, of a quadratic loss, is there
    ],
    align=True,
)
