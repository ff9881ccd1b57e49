"""Threads that share the batches of a network: how, when that pays, and the memory that each needs."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from .. import _parallel as threads
from .._compile.intrinsics import give_way_address, intrinsic_for
from .._compile.kernels import kernel, without_denormals
from .._kernels import atomics
from .._kernels.products import by_loops
from .._kernels.structures import Network, Storage, Team, TeamNetwork
from .._kernels.team import N_NUMBERS, STOP, WAIT, WORD
from .._problem.model import Model
from .._problem.network import layer_table
from .._problem.objective import buffers
from .._problem.problem import Problem
from .._problem.rows import Rows
from .training import Training

# Rows of a block: fewer make slow products of matrices, for which BLAS copies all weights of a layer. With 64 of 1,024
# where these aren't in the processor's second-level cache one thread takes 30 % longer, and sixteen don't take less.
FEWEST_ROWS, FEWEST_ROWS_OF_MANY = 64, 96
CACHED_PARAMETERS = 2**18
LEAST_WORK = 2**22  # rows of a block times parameters: below, threads take longer to meet than a second one brings
MOST_BLOCKS = 16  # that are worked on at once, and tiles of a layer
MOST_NUMBERS = 2**25  # that such blocks leave for the tiles
FEWEST_ACROSS, MOST_ACROSS = 128, 4  # sides of tiles: squares need the least copies for their products


def block_rows(model: Model, storage: Storage, batch_size: int) -> int | None:
    """Rows of the blocks that a batch is shared in, whatever the number of threads; None where that doesn't pay."""
    n_params = model.n_params
    if model.kind is not Network or batch_size < 2 * FEWEST_ROWS:
        return None
    n_in, n_out = model.shapes[0]  # type: ignore[attr-defined]
    with_each_row = n_params - (n_in * n_out if storage.index_dtype is not None else 0)
    if 2 * with_each_row < n_params:
        return None
    _, of_row = layer_table(model, storage, drops=True)  # type: ignore[arg-type]
    fewest = FEWEST_ROWS if n_params <= CACHED_PARAMETERS else FEWEST_ROWS_OF_MANY
    fewest = max(fewest, LEAST_WORK // with_each_row)
    # of a single layer on CSR nothing is left
    most = min(model.block_size(batch_size, storage.dtype.itemsize), MOST_NUMBERS // (MOST_BLOCKS * max(of_row, 1)))
    n_blocks = min(batch_size // fewest, MOST_BLOCKS)
    if n_blocks < 2 or fewest > most or not can_meet():
        return None
    return min(-(-batch_size // n_blocks), most)


def tiles(model: Model, storage: Storage) -> np.ndarray:
    """Layers, and from which to which of their inputs and units weights have their gradients computed at once."""
    found = []
    for k, (n_in, n_out) in enumerate(model.shapes):  # type: ignore[attr-defined]
        in_place = k == 0 and storage.index_dtype is not None
        whole = not in_place and by_loops(n_in, n_out)
        across = 1 if whole else parts_of(n_out, MOST_ACROSS)
        down = 1 if whole or in_place else parts_of(n_in, MOST_BLOCKS // across)
        found += [
            (k, n_in * i // down, n_in * (i + 1) // down, n_out * j // across, n_out * (j + 1) // across)
            for i in range(down)
            for j in range(across)
        ]
    return np.array(found)


def parts_of(length: int, most: int) -> int:
    return min(max(length // FEWEST_ACROSS, 1), most)


def can_meet() -> bool:
    """Whether threads can meet in compiled code."""
    functions = atomics.load, atomics.store, atomics.add, atomics.replace, atomics.give_way
    return give_way_address() != 0 and all(intrinsic_for(function) is not None for function in functions)


class Sharing:
    """What a training needs to share its batches, among its share of the threads where there are several at once."""

    def __init__(self, training: Training, problem: Problem, block_size: int, n_rows: int, n_at_once: int):
        assert isinstance(problem.rows, Rows)
        model, data = problem.model, problem.rows.data
        self.features = data.features
        self.training, self.problem, self.storage = training, problem, problem.rows.storage
        n_blocks = -(-n_rows // block_size)
        self.n_at_once = min(n_at_once, problem.rows.n_threads)
        self.n_helpers = min(problem.rows.n_threads // self.n_at_once, n_blocks) - 1
        self.team = Team(
            numbers=np.zeros(N_NUMBERS, np.int64),
            losses=np.empty(n_blocks),
            tiles=tiles(model, self.storage),
            random=training.progress["random"],
            block_size=block_size,
            turned_size=model.n_work(0, self.storage),
            give_way=give_way_address(),
        )
        n_turned = max(n_blocks, len(model.shapes))
        n_work = model.n_work(n_rows, self.storage) + (n_turned - 1) * self.team.turned_size
        self.buffers = buffers(model, data, n_rows, training.dtype, n_work=n_work)
        self.network = self.network_of_thread()
        self.of_helpers = [self.network_of_thread() for _ in range(self.n_helpers)]

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
            hyper = self.problem.loss_hyper
            of_training = state.params, self.buffers, hyper, state.grads
            without_denormals(help_team, loss, features, waiting.pop(), *of_training)

        self.team.numbers[WORD] = WAIT
        helpers = threads.start(work, self.n_helpers, self.n_helpers * self.n_at_once)
        try:
            yield
        finally:
            self.team.numbers[WORD] = STOP
            threads.finish(helpers)
