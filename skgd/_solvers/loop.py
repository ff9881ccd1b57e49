"""What the compiled epochs take beside the data and the state of a training: the same for parts of a stream."""

import numpy as np

from .._compile.kernels import kernel, python_kernel, rule_plug_in
from .._compile.private import entry_of
from .._kernels.structures import Anchor, Linear, Settings, TeamNetwork
from .._problem.objective import FULL_PASS_ROWS, buffers, pointwise, weight_factor
from .._problem.problem import Problem
from ..losses import LogLoss, SquaredError
from ..schedules import ReduceOnPlateau
from .lazy_epochs import Lazy, lazy_updates, rows_at_once
from .plan import Plan
from .rules import settings_of
from .teams import MOST_BLOCKS, block_rows
from .training import Training

SLICE_SECONDS = 0.25  # how long compiled code may run before Python looks whether Ctrl-C was pressed
FLOPS_PER_SECOND = 1e9  # cautious guess for the first slice; later ones go by the clock
BLOCK_OVERHEAD_FLOPS = 2_000
CACHE_BYTES = 256_000  # up to here any order is as fast as another
RUN_BYTES = 10_000  # above, rows come in runs of about two pages of memory, which the processor prefetches,
MIN_RUNS = 256  # but from so many runs at least that they mix well
FETCHED_ROWS = 256  # whose numbers, targets and weights are looked up at once for batches of few rows
FEW_UPDATES = 64  # in one call: plug-ins are passed as pointers then

# Parts of the loops over mini-batches of linear models, where calling one takes a third of the time of few rows.
INLINED_LOSSES = SquaredError.pointwise, LogLoss.pointwise


class Loop:
    """The compiled loop over epochs, with plug-ins, settings, and room for a block of rows.

    It holds no data and nothing that a training goes on with: whoever goes on with rows of the same kind takes it over.
    """

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        self.plan, self.model, self.dtype = plan, problem.model, training.dtype
        data, optimizer = problem.rows.data, training.optimizer  # type: ignore[union-attr]
        self.n_rows, self.n_threads, self.storage = problem.rows.n_rows, problem.rows.n_threads, problem.rows.storage
        self.pause = pauses or isinstance(plan.schedule, ReduceOnPlateau)
        self.lazy: Lazy | None = lazy_updates(data, plan, self.model.n_outputs)
        self.by_column = self.model.kind is Linear and self.storage.index_dtype is not None
        self.reduces_variance = optimizer.variance_reduced and plan.batch_size < self.n_rows
        self.loss = pointwise(training.loss, training.dtype)
        self.rule = rule_plug_in(optimizer, training.dtype)
        self.python = self.rule.in_python or self.loss.in_python or self.model.in_python(training.dtype)
        batch_size = min(plan.batch_size, self.n_rows)
        self.shared_rows = None  # of a block, where threads share the blocks of a batch
        if not self.python and not self.reduces_variance:
            self.shared_rows = block_rows(self.model, self.storage, batch_size)
        self.n_updates = -(-self.n_rows // batch_size)  # of an epoch
        self.settings = self._settings(training, problem, batch_size)
        self.order = np.empty(0, np.int64)
        if batch_size < self.n_rows and plan.shuffle:
            self.order = np.arange(self.n_rows // self.settings.run_length)
        if self.shared_rows is None:
            n_fetched = 0 if self.lazy else FETCHED_ROWS
            self.buffers = buffers(self.model, data, self.settings.block_size, training.dtype, n_fetched)
        n_anchor = self.model.n_params if self.reduces_variance else 0
        self.anchor = Anchor(*np.zeros((len(Anchor._fields), n_anchor), training.dtype))
        self.first_budget, self.hyper = self._first_budget(), optimizer.hyper()
        self.kernel = self._kernel(training)
        self.call = self.kernel
        self.short_calls = plan.streaming or (self.pause and self.n_updates <= FEW_UPDATES)
        self.plug_ins = tuple(part.call if self.python else part.pointer for part in (self.loss, self.rule))

    @property
    def is_of_any_rows(self) -> bool:
        """Whether neither it nor the plan follows from the entries of X, and nothing of it belongs to the training."""
        by_entries = self.by_column and (self.n_updates > 1 or self.n_rows > FULL_PASS_ROWS)
        return not (by_entries or self.reduces_variance) and self.shared_rows is None

    def suits(self, problem: Problem, before: Training) -> bool:
        """Whether the plan, and so the loop, would be the same for other rows, as the parameters are."""
        rows, plan = problem.rows, self.plan
        same_rows = rows.n_rows == problem.n_given == self.n_rows and rows.storage == self.storage
        same_rows = same_rows and rows.n_threads == self.n_threads
        same_rate = before.learning_rate == plan.learning_rate and before.rate_is_auto == plan.rate_is_auto
        same_model = problem.model is self.model and before.optimizer is plan.optimizer
        return same_rows and same_rate and same_model and before.dtype == self.dtype

    def settings_for(self, problem: Problem) -> Settings:
        """The scalars for these rows, whose weights have a mean of their own."""
        factor = weight_factor(problem.rows.data)  # type: ignore[union-attr]
        settings = self.settings
        return settings if settings.weight_factor == factor else settings._replace(weight_factor=factor)

    def called(self) -> None:
        """There will be more short calls, all of the same types: arrays are made here, or by trainings."""
        if self.short_calls and self.call is self.kernel:
            self.call = entry_of(self.kernel)

    def _settings(self, training: Training, problem: Problem, batch_size: int) -> Settings:
        average_every = 1 if self.lazy is None else self.lazy.average_every
        of_rule = settings_of(training, self.plan, problem, self.n_updates, average_every)
        data, run_length = problem.rows.data, 1  # type: ignore[union-attr]
        row_bytes = data.features.row_bytes
        if batch_size < self.n_rows and self.n_rows * row_bytes > CACHE_BYTES:
            run_length = max(1, min(RUN_BYTES // row_bytes, self.n_rows // MIN_RUNS))
        return of_rule._replace(
            batch_size=batch_size,
            block_size=self._block_size(problem, batch_size),
            run_length=run_length,
            weight_factor=weight_factor(data),
            pause=self.pause,
        )

    def _block_size(self, problem: Problem, n_rows: int) -> int:
        if self.by_column:
            features = problem.rows.data.features  # type: ignore[union-attr]
            return n_rows if self.lazy is not None else rows_at_once(features, n_rows)
        if self.shared_rows is not None:  # as many as are worked on at once
            return min(n_rows, MOST_BLOCKS * self.shared_rows)
        return self.model.block_size(n_rows, self.dtype.itemsize)

    def _first_budget(self) -> int:
        """Blocks of rows in one call."""
        rows = 1 if self.by_column else self.settings.block_size
        block_flops = self.model.flops_per_parameter * self.model.n_params * rows + BLOCK_OVERHEAD_FLOPS
        return max(1, int(SLICE_SECONDS * FLOPS_PER_SECOND / (block_flops * (1000 if self.python else 1))))

    def _kernel(self, training: Training):
        """The loop over epochs."""
        name = "run_epochs" if self.lazy is None else "run_lazy_epochs"
        dtype, index = self.storage
        of_data = name, dtype, self.model.kind if self.shared_rows is None else TeamNetwork, index
        if self.python:
            return python_kernel(*of_data)
        # losses that become part of the kernel; others are called, so that nothing is compiled but themselves
        loss = training.loss.pointwise
        inlined = self.model.kind is Linear and index is None and loss in INLINED_LOSSES
        return kernel(*of_data, loss if inlined else None)
