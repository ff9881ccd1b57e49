"""Epochs of updates by an optimizer's rule: calls of the compiled loop."""

import contextlib
import functools
import time

import numpy as np

from .._compile.kernels import without_denormals
from .._kernels.structures import Network
from .._parallel import single_threaded_blas
from .._problem.problem import Problem
from .._problem.rows import Rows
from ..schedules import Constant, ReduceOnPlateau, factors_at
from .loop import SLICE_SECONDS, Loop
from .outcome import Outcome
from .plan import Plan
from .rules import rate_of_epoch
from .teams import Sharing
from .training import Training

MAX_PLANNED_UPDATES = 100_000  # learning rates that one call of the kernel takes along
MAX_BUDGET = 10**9
NOBODY_ELSE = contextlib.nullcontext()


class Epochs:
    """Trains by the optimizer's rule, many epochs to a call of the kernel.

    With pauses it returns after every epoch. So it does where the variance is reduced: every epoch begins with a pass
    over all rows; and where the rate follows the losses.
    """

    def __init__(
        self, training: Training, plan: Plan, problem: Problem, pauses: bool = False, loop: Loop | None = None
    ):
        assert isinstance(problem.rows, Rows)
        self.training, self.plan, self.problem, self.data = training, plan, problem, problem.rows.data
        self.dtype, self.n_rows = training.dtype, problem.rows.n_rows
        self.loop = loop = loop or Loop(training, plan, problem, pauses)
        self.reduces_variance = loop.reduces_variance
        self.settings = loop.settings_for(problem)
        model = problem.model
        self.sharing: Sharing | None = None
        if loop.shared_rows is None:
            self.buffers = loop.buffers
            self.model = model.for_kernels(loop.storage, training.progress["random"])
        else:
            self.sharing = Sharing(training, problem, loop.shared_rows, self.settings.block_size, plan.n_at_once)
            self.buffers, self.model = self.sharing.buffers, self.sharing.network
        self.anchor, self.budget = loop.anchor, loop.first_budget
        self.first_planned, self.planned = 0, np.empty(0)  # factors of the schedule, from that update on
        if self.reduces_variance:
            no_ridge = np.zeros(model.n_params)
            self.loss_of_all = problem.rows.objective(model, training.loss, problem.loss_hyper, no_ridge)

    def step(self, last_epoch: int) -> Outcome:
        """One call of the compiled epochs."""
        training, progress, loop = self.training, self.training.progress, self.loop
        rates = self._learning_rates(last_epoch)
        if self.reduces_variance and progress["cursor"][0] == progress["batch_done"][0] == 0:
            self._take_snapshot()
        most_epochs = 1 if loop.pause or self.reduces_variance else self.budget
        epoch, update = training.epochs, progress["update"][0]
        losses = np.empty(min(last_epoch - epoch, most_epochs))
        began = time.perf_counter()
        batch = [] if loop.lazy is None else [loop.lazy.batch]
        is_network = self.problem.model.kind is Network
        call = functools.partial(without_denormals, loop.call) if is_network and not loop.python else loop.call
        try:
            with self._threads() if is_network else NOBODY_ELSE:
                call(
                    *loop.plug_ins,
                    self.data,
                    self.model,
                    training.state,
                    self.anchor,
                    self.buffers,
                    *batch,
                    self.settings,
                    self.problem.loss_hyper,
                    loop.hyper,
                    rates,
                    loop.order,
                    progress,
                    losses,
                    self.budget,
                )
            loop.called()
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
        with single_threaded_blas(), self.sharing.helpers(self.loop.loss.pointer) if self.sharing else NOBODY_ELSE:
            yield

    def _take_snapshot(self) -> None:
        """Drop the anchor of variance reduction where the parameters are now."""
        params = self.training.state.params
        self.anchor.params[:] = params
        self.anchor.gradient[:] = self.loss_of_all(params.astype(np.float64))[1]

    def _learning_rates(self, last_epoch: int) -> np.ndarray:
        """One rate per update of the coming call, or one for all."""
        training, schedule = self.training, self.plan.schedule
        if isinstance(schedule, ReduceOnPlateau | Constant):
            return np.array([rate_of_epoch(training, self.plan, self.problem)])
        self.budget = min(self.budget, MAX_PLANNED_UPDATES)
        per_epoch = self.loop.n_updates
        done = training.progress["cursor"][0] // self.settings.batch_size
        first, last = training.epochs * per_epoch + done, last_epoch * per_epoch
        n_updates = min(self.budget, (per_epoch - done if self.loop.pause else last - first))
        # Calls of an epoch are short: of a schedule that is ours many epochs are looked up once.
        n_planned = min(MAX_PLANNED_UPDATES if self.plan.anneals else self.budget, last - first)
        known = 0 <= first - self.first_planned <= len(self.planned) - n_updates
        if not (known and self.plan.anneals):
            epochs, updates = np.divmod(np.arange(first, first + n_planned), per_epoch)
            t = epochs + updates / per_epoch  # to the same bits, wherever a call begins
            self.first_planned, self.planned = first, factors_at(schedule, t)
        at = first - self.first_planned
        return training.learning_rate * self.planned[at : at + n_updates]
