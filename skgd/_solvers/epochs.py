"""Epochs of updates by an optimizer's rule: what the compiled kernels need, and the calls of them."""

import contextlib
import time
from contextlib import nullcontext

import numpy as np

from .._compile.kernels import kernel, python_kernel, rule_plug_in
from .._compile.private import entry_of
from .._kernels.structures import Anchor, Linear, Network, Settings, TeamNetwork
from .._parallel import single_threaded_blas
from .._problem.objective import buffers, pointwise, weight_factor
from .._problem.problem import Problem
from .._problem.rows import Rows
from ..losses import LogLoss, SquaredError
from ..schedules import Constant, ReduceOnPlateau, factors_at
from .lazy_epochs import lazy_updates, rows_at_once
from .outcome import Outcome
from .plan import Plan
from .rules import rate_of_epoch, settings_of
from .teams import MOST_BLOCKS, Sharing, block_rows
from .training import Training

SLICE_SECONDS = 0.25  # how long compiled code may run before Python looks whether Ctrl-C was pressed
CACHE_BYTES = 256_000  # up to here any order is as fast as another
RUN_BYTES = 10_000  # above, rows come in runs of about two pages of memory, which the processor prefetches,
MIN_RUNS = 256  # but from so many runs at least that they mix well
FLOPS_PER_SECOND = 1e9  # cautious guess for the first slice; later ones go by the clock
BLOCK_OVERHEAD_FLOPS = 2_000
FETCHED_ROWS = 256  # whose numbers, targets and weights are looked up at once for batches of few rows
MAX_PLANNED_UPDATES = 100_000  # learning rates that one call of the kernel takes along
MAX_BUDGET = 10**9
FEW_UPDATES = 64  # in one call: plug-ins are passed as pointers then

# Parts of the loops over mini-batches of linear models, where calling one takes a third of the time of few rows.
INLINED_LOSSES = SquaredError.pointwise, LogLoss.pointwise


class Epochs:
    """Trains by the optimizer's rule, many epochs to a call of the kernel.

    With pauses it returns after every epoch. So it does where the variance is reduced: every epoch begins with a pass
    over all rows; and where the rate follows the losses.
    """

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        assert isinstance(problem.rows, Rows)
        self.training, self.plan, self.problem, self.data = training, plan, problem, problem.rows.data
        self.dtype = training.dtype
        self.pause = pauses or isinstance(plan.schedule, ReduceOnPlateau)
        self.n_rows = problem.rows.n_rows
        self.storage = problem.rows.storage
        model, optimizer = problem.model, training.optimizer
        self.by_column = model.kind is Linear and self.storage.index_dtype is not None
        self.lazy = lazy_updates(self.data, plan, model.n_outputs)
        self.reduces_variance = optimizer.variance_reduced and plan.batch_size < self.n_rows
        self.loss = pointwise(training.loss, training.dtype)
        self.rule = rule_plug_in(optimizer, training.dtype)
        self.python = self.rule.in_python or self.loss.in_python or model.in_python(training.dtype)
        self.shared_rows = None  # of a block, where threads share the blocks of a batch
        if not self.python and not self.reduces_variance:
            self.shared_rows = block_rows(model, self.storage, min(plan.batch_size, self.n_rows))
        self.settings = self._settings()
        self.order, self.settings = self._row_order()
        block_size = self.settings.block_size
        self.sharing: Sharing | None = None
        if self.shared_rows is None:
            n_fetched = 0 if self.lazy else FETCHED_ROWS
            self.buffers = buffers(model, self.data, block_size, training.dtype, n_fetched)
            self.model = model.for_kernels(self.storage, training.progress["random"])
        else:
            self.sharing = Sharing(training, problem, self.shared_rows, block_size, plan.n_at_once)
            self.buffers, self.model = self.sharing.buffers, self.sharing.network
        self.hyper = optimizer.hyper()
        self.budget = self._first_budget()
        self.kernel = self._kernel()
        looked_at, entry = training.entry
        self.call = entry if looked_at == self._typed() else self.kernel
        n_updates = -(-self.n_rows // self.settings.batch_size)  # of an epoch
        self.short_calls = plan.streaming or (self.pause and n_updates <= FEW_UPDATES)
        n_anchor = model.n_params if self.reduces_variance else 0
        self.anchor = Anchor(*np.zeros((len(Anchor._fields), n_anchor), training.dtype))
        if self.reduces_variance:
            self.loss_of_all = problem.rows.objective(model, training.loss, problem.loss_hyper, np.zeros(n_anchor))

    def _settings(self) -> Settings:
        batch_size = min(self.plan.batch_size, self.n_rows)
        average_every = 1 if self.lazy is None else self.lazy.average_every
        of_rule = settings_of(self.training, self.plan, self.problem, -(-self.n_rows // batch_size), average_every)
        return of_rule._replace(
            batch_size=batch_size,
            block_size=self._block_size(batch_size),
            weight_factor=weight_factor(self.data),
            pause=self.pause,
        )

    def _block_size(self, n_rows: int) -> int:
        if self.by_column:
            return n_rows if self.lazy is not None else rows_at_once(self.data.features, n_rows)
        if self.shared_rows is not None:  # as many as are worked on at once
            return min(n_rows, MOST_BLOCKS * self.shared_rows)
        return self.problem.model.block_size(n_rows, self.training.dtype.itemsize)

    def _row_order(self) -> tuple[np.ndarray, Settings]:
        if self.plan.batch_size >= self.n_rows or not self.plan.shuffle:
            return np.empty(0, np.int64), self.settings
        row_bytes = self.data.features.row_bytes
        in_cache = self.n_rows * row_bytes <= CACHE_BYTES
        run_length = 1 if in_cache else max(1, min(RUN_BYTES // row_bytes, self.n_rows // MIN_RUNS))
        return np.arange(self.n_rows // run_length), self.settings._replace(run_length=run_length)

    def _first_budget(self) -> int:
        rows = 1 if self.by_column else self.settings.block_size
        model = self.problem.model
        block_flops = model.flops_per_parameter * model.n_params * rows + BLOCK_OVERHEAD_FLOPS
        return max(1, int(SLICE_SECONDS * FLOPS_PER_SECOND / (block_flops * (1000 if self.python else 1))))

    def step(self, last_epoch: int) -> Outcome:
        """One call of the compiled epochs."""
        training, progress = self.training, self.training.progress
        rates = self._learning_rates(last_epoch)
        if self.reduces_variance and progress["cursor"][0] == progress["batch_done"][0] == 0:
            self._take_snapshot()
        most_epochs = 1 if self.pause or self.reduces_variance else self.budget
        losses = np.empty(min(last_epoch - training.epochs, most_epochs))
        epoch, update = training.epochs, progress["update"][0]
        began = time.perf_counter()
        batch = [] if self.lazy is None else [self.lazy.batch]
        loss, rule = self.loss.call, self.rule.call
        if self.short_calls and not self.python:
            loss, rule = self.loss.pointer, self.rule.pointer
        try:
            with self._threads():
                self.call(
                    loss,
                    rule,
                    self.data,
                    self.model,
                    training.state,
                    self.anchor,
                    self.buffers,
                    *batch,
                    self.settings,
                    self.problem.loss_hyper,
                    self.hyper,
                    rates,
                    self.order,
                    progress,
                    losses,
                    self.budget,
                )
            if self.short_calls and self.call is self.kernel:  # there will be many, all of the same types
                self.call = entry_of(self.kernel)
                training.entry = self._typed(), self.call
        finally:  # Ctrl-C is heard when the kernel returns
            training.losses.extend(losses[: training.epochs - epoch], training.loss_unit)
            training.updates += int(progress["update"][0] - update)
        elapsed = time.perf_counter() - began
        self.budget = max(1, min(int(self.budget * min(8.0, SLICE_SECONDS / max(elapsed, 1e-6))), MAX_BUDGET))
        return Outcome(int(progress["status"][0]))

    def state(self) -> dict:
        """Nothing: between two epochs all is in the training."""
        return {}

    def restore(self, state: dict) -> None:
        pass

    @contextlib.contextmanager
    def _threads(self):
        """Those that share the batches; one for BLAS, whose own wait in busy loops, and have other last digits."""
        if self.problem.model.kind is not Network:
            yield
            return
        with single_threaded_blas(), self.sharing.helpers(self.loss.pointer) if self.sharing else nullcontext():
            yield

    def _take_snapshot(self) -> None:
        """Drop the anchor of variance reduction where the parameters are now."""
        params = self.training.state.params
        self.anchor.params[:] = params
        self.anchor.gradient[:] = self.loss_of_all(params.astype(np.float64))[1]

    def _kernel(self):
        """The loop over epochs."""
        name = "run_epochs" if self.lazy is None else "run_lazy_epochs"
        dtype, index = self.storage
        of_data = name, dtype, self.problem.model.kind if self.sharing is None else TeamNetwork, index
        return python_kernel(*of_data) if self.python else kernel(*of_data, self._inlined_loss(name))

    def _typed(self) -> tuple:
        """What the types of a call's arguments depend on: arrays are made here, or by the training before."""
        plug_ins = [] if self.python else [type(self.loss.pointer), type(self.rule.pointer)]
        return self.kernel, *plug_ins

    def _inlined_loss(self, kernel_name: str):
        """The loss that becomes part of the kernel; others are called, so that nothing is compiled but themselves."""
        of_linear = self.problem.model.kind is Linear and self.storage.index_dtype is None
        loss = self.training.loss.pointwise
        return loss if of_linear and kernel_name == "run_epochs" and loss in INLINED_LOSSES else None

    def _learning_rates(self, last_epoch: int) -> np.ndarray:
        """One rate per update of the coming call, or one for all."""
        training, schedule = self.training, self.plan.schedule
        if isinstance(schedule, ReduceOnPlateau | Constant):
            return np.array([rate_of_epoch(training, self.plan, self.problem)])
        self.budget = min(self.budget, MAX_PLANNED_UPDATES)
        per_epoch = -(-self.n_rows // self.settings.batch_size)
        done = training.progress["cursor"][0] // self.settings.batch_size
        n_updates = min(self.budget, (last_epoch - training.epochs) * per_epoch - done)
        epochs, updates = np.divmod(done + np.arange(n_updates), per_epoch)
        t = (training.epochs + epochs) + updates / per_epoch  # to the same bits, wherever a call begins
        return training.learning_rate * factors_at(schedule, t)
