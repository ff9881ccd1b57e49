"""Threads that share the batches of a network: how, when that pays, and the memory that each needs."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from .. import _parallel as threads
from .._compile.intrinsics import give_way_address, intrinsic_for
from .._compile.kernels import kernel
from .._kernels import atomics
from .._kernels.structures import Network, Storage, Team, TeamNetwork
from .._kernels.team import MOST_ITEMS, N_NUMBERS, SLICE, STOP, WAIT, WORD
from .._problem.model import Model
from .._problem.objective import buffers
from .._problem.problem import Problem
from .._problem.rows import Rows
from .training import Training

# Rows of a block: fewer make slow products of matrices. One thread takes some 10 % longer over a batch in such blocks
# than over one in blocks of 512; with 64, where gradients don't stay in the processor's second-level cache, 30 %.
FEWEST_ROWS, FEWEST_ROWS_OF_MANY = 64, 128
CACHED_PARAMETERS = 2**18
LEAST_WORK = 2**23  # rows of a block times parameters: below, small products cost more than a second thread brings
MOST_BLOCKS = 16  # that are worked on at once, each with a gradient of its own
MOST_NUMBERS = 2**25  # in these gradients


def block_rows(model: Model, storage: Storage, batch_size: int) -> int | None:
    """Rows of the blocks that a batch is shared in, whatever the number of threads; None where that doesn't pay."""
    n_params = model.n_params
    if model.kind is not Network or batch_size < 2 * FEWEST_ROWS or -(-n_params // SLICE) > MOST_ITEMS:
        return None
    n_in, n_out = model.shapes[0]  # type: ignore[attr-defined]
    with_each_row = n_params - (n_in * n_out if storage.index_dtype is not None else 0)
    if 2 * with_each_row < n_params:
        return None
    fewest = FEWEST_ROWS if n_params <= CACHED_PARAMETERS else FEWEST_ROWS_OF_MANY
    fewest, most = max(fewest, LEAST_WORK // with_each_row), model.block_size(batch_size, storage.dtype.itemsize)
    n_blocks = min(batch_size // fewest, MOST_BLOCKS, MOST_NUMBERS // n_params)
    if n_blocks < 2 or fewest > most or not can_meet():
        return None
    return min(-(-batch_size // n_blocks), most)


def can_meet() -> bool:
    """Whether threads can meet in compiled code."""
    functions = atomics.load, atomics.store, atomics.add, atomics.replace, atomics.give_way
    return give_way_address() != 0 and all(intrinsic_for(function) is not None for function in functions)


class Sharing:
    """What a training needs to share its batches, among its share of the threads where there are several at once."""

    def __init__(self, training: Training, problem: Problem, block_size: int, n_rows: int, n_at_once: int):
        assert isinstance(problem.rows, Rows)
        model, data, dtype = problem.model, problem.rows.data, training.dtype
        self.features = data.features
        self.training, self.problem, self.storage = training, problem, problem.rows.storage
        n_blocks = -(-n_rows // block_size)
        self.n_at_once = min(n_at_once, problem.rows.n_threads)
        self.n_helpers = min(problem.rows.n_threads // self.n_at_once, n_blocks) - 1
        self.team = Team(
            numbers=np.zeros(N_NUMBERS, np.int64),
            rows=np.empty(n_rows, np.int64),
            targets=np.empty((n_rows, data.y.shape[1]), dtype),
            weights=np.empty(n_rows, dtype),
            gradients=np.empty((n_blocks, model.n_params), dtype),
            losses=np.empty(n_blocks),
            sums=np.empty(model.n_params),
            random=training.progress["random"],
            block_size=block_size,
            give_way=give_way_address(),
        )
        self.network = self.network_of_thread()
        self.of_helpers = [
            (self.network_of_thread(), buffers(model, data, block_size, dtype)) for _ in range(self.n_helpers)
        ]

    def network_of_thread(self) -> TeamNetwork:
        """The network with a random state of its own."""
        layers, forward, backward = self.problem.model.for_kernels(self.storage, np.zeros(1, np.uint64))
        return TeamNetwork(layers, forward, backward, self.team)

    @contextlib.contextmanager
    def helpers(self, loss: Callable) -> Iterator[None]:
        """Threads that help whoever leads meanwhile; whether they come is for the system to say."""
        if not (self.n_helpers and can_meet()):  # compiling may have found that they can't, after all
            yield
            return
        help_team = kernel("help_team", self.storage.dtype, TeamNetwork, self.storage.index_dtype)
        state, features, waiting = self.training.state, self.features, list(self.of_helpers)

        def work():
            network, room = waiting.pop()
            help_team(loss, features, network, state.params, room, self.problem.loss_hyper, state.grads)

        self.team.numbers[WORD] = WAIT
        helpers = threads.start(work, self.n_helpers, self.n_helpers * self.n_at_once)
        try:
            yield
        finally:
            self.team.numbers[WORD] = STOP
            threads.finish(helpers)
