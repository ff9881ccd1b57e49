"""Epochs of mini-batches over rows in parts, which are brought here one after the other."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np

from .._compile.kernels import kernel, python_kernel, rule_plug_in
from .._kernels.rows import shuffle_runs
from .._kernels.structures import Anchor
from .._problem.partitioned import Fetch, PartitionedRows, check_entries, naming
from .._problem.problem import Problem
from .._problem.rows import Rows
from ..schedules import Constant, ReduceOnPlateau, Schedule, factors_at
from .epochs import Epochs
from .lazy_epochs import average_every
from .outcome import Outcome
from .plan import Plan
from .rules import rate_of_epoch, settings_of
from .training import Curve, Training, begin_anew, new_progress

# Of the progress of a training what goes on from part to part; all else there is a matter of epochs over all of them.
ALONG = "update", "averaged", "unimproved", "random", "start_objective", "reference"


class PartitionedEpochs:
    """Trains by the optimizer's rule on one part after the other, in an order that is drawn for each epoch.

    Batches end with the parts. What is trained on a part is an epoch over its rows, by the compiled loop of rows in
    memory, with a progress of its own: it neither ends the training nor knows the best parameters. The next parts are
    fetched meanwhile.
    """

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        assert isinstance(problem.rows, PartitionedRows)
        self.training, self.plan, self.problem, self.rows = training, plan, problem, problem.rows
        self.dtype, n_rows = training.dtype, problem.rows.n_rows
        self.batch_size = min(plan.batch_size, n_rows)
        self.n_updates = sum(map(self._updates_of, self.rows.lengths.tolist()))  # of an epoch
        every = 1 if plan.chances is None else average_every(plan.chances, n_rows, self.batch_size)
        self.settings = settings_of(training, plan, problem, self.n_updates, every)
        rule = rule_plug_in(training.optimizer, training.dtype)
        self.finish = (python_kernel if rule.in_python else kernel)("finish_epoch", training.dtype)
        n_anchor = problem.model.n_params if training.optimizer.variance_reduced else 0
        if n_anchor:
            self.settings = self.settings._replace(near_zero=0.0)
        self.anchor = Anchor(*np.zeros((len(Anchor._fields), n_anchor), training.dtype))

        # of the part that is being worked on
        average = self.n_updates if plan.average is True else plan.average
        self.plan_of_parts = replace(plan, average=average, tol=None, exact=False, schedule=Constant())
        params = training.state.params
        scratch = training.state._replace(best=np.empty_like(params), epoch_start=np.empty_like(params))
        self.of_part = replace(training, state=scratch, progress=new_progress(1), losses=Curve())
        self.part: Epochs | None = None
        self.budget: int | None = None  # of its next call, as the last one went

        # of the epoch
        self.coming: Generator | None = None  # the data of the parts to come
        self.numbers: deque[int] = deque()  # of these
        self.number = -1  # of the one that is worked on
        self.rows_done = self.updates_done = 0
        self.loss_sum = 0.0
        self.objective = np.inf  # at its beginning, where that is known

    def step(self, last_epoch: int) -> Outcome:
        """One call of the compiled epochs on a part."""
        try:
            if self.coming is None:
                self._begin()
            if self.part is None:
                self._take_next()
            outcome = self._train()
        except BaseException:
            self._drop()
            raise
        if outcome == Outcome.DIVERGED:
            self._drop()
        elif self.part is None:
            outcome = Outcome.RUNNING if self.numbers else self._end()
        return outcome

    def state(self) -> dict:
        """Nothing: between two epochs all is in the training."""
        return {}

    def restore(self, state: dict) -> None:
        pass

    def _updates_of(self, n_rows: int) -> int:
        return -(-n_rows // self.batch_size)

    def _begin(self) -> None:
        """Begin an epoch: the order of its parts, which are asked for."""
        training, rows = self.training, self.rows
        training.state.epoch_start[:] = training.state.params
        self.rows_done, self.updates_done, self.loss_sum = 0, 0, 0.0
        self.of_part.learning_rate = training.learning_rate
        if isinstance(self.plan.schedule, ReduceOnPlateau):
            self.of_part.learning_rate = rate_of_epoch(training, self.plan, self.problem)
        numbers = np.flatnonzero(rows.lengths)
        if self.plan.shuffle:
            order = np.arange(len(numbers))
            shuffle_runs(order, 1, training.progress[0])
            numbers = numbers[order]
        if self.anchor.params.size:
            self._take_snapshot()
        self.numbers.extend(numbers.tolist())
        self.coming = rows.partitions.fetch(Fetch(rows.preparation), numbers.tolist())

    def _take_snapshot(self) -> None:
        """Drop the anchor of variance reduction, where the objective is exact, too: that of batches has their noise."""
        params = self.training.state.params.astype(np.float64)
        loss, gradient = self.problem.objective.sums(params, params.size)
        self.anchor.params[:], self.anchor.gradient[:] = params, gradient
        l1 = 0.0 if self.problem.l1 is None else float(self.problem.l1 @ np.abs(params))
        self.objective = loss + 0.5 * float(self.problem.ridge @ params**2) + l1

    def _take_next(self) -> None:
        """Begin to train on the next part."""
        assert self.coming is not None
        self.number = number = self.numbers.popleft()
        data = self.rows.arrived(next(self.coming), number)
        n_rows = data.n_rows
        schedule = self._schedule(self._updates_of(n_rows))
        plan = replace(self.plan_of_parts, batch_size=min(self.batch_size, n_rows), schedule=schedule)
        begin_anew(self.of_part.progress)
        self.of_part.progress["epoch"] = 0
        for name in ALONG:
            self.of_part.progress[name] = self.training.progress[name]
        problem = replace(self.problem, rows=Rows(data, self.rows.n_threads))
        self.part = part = Epochs(self.of_part, plan, problem, True)
        part.settings = part.settings._replace(
            weight_factor=self.rows.weight_factor,
            average_every=self.settings.average_every,
            least_share=self.settings.least_share,
        )
        part.anchor, part.reduces_variance = self.anchor, False  # or rather: by all rows
        part.budget = part.budget if self.budget is None else self.budget

    def _schedule(self, n_updates: int) -> Schedule | Callable:
        """The schedule by the time within a part of so many updates."""
        schedule, epoch, before = self.plan.schedule, self.training.epochs, self.updates_done
        if isinstance(schedule, ReduceOnPlateau | Constant):
            return Constant()

        def factors(t):
            times = epoch + (before + np.rint(np.atleast_1d(t) * n_updates)) / self.n_updates
            return factors_at(schedule, times) if np.ndim(t) else float(factors_at(schedule, times)[0])

        return factors

    def _train(self) -> Outcome:
        """Go on with the part; it is dropped when its last batch is done."""
        assert self.part is not None
        training, of_part, n_rows = self.training, self.of_part, self.part.n_rows
        progress, updates = of_part.progress, of_part.updates
        try:
            outcome = self.part.step(1)
            if outcome == Outcome.DIVERGED:
                with naming(self.number):
                    check_entries(self.part.data)
        finally:  # what is learnt is kept, whatever happens
            for name in ALONG:
                training.progress[name] = progress[name]
            training.progress["cursor"] = self.rows_done + progress["cursor"]
            training.updates += of_part.updates - updates
        if of_part.epochs:
            self.budget, self.part = self.part.budget, None  # before the next one is asked for: few are held
            self.rows_done += n_rows
            self.updates_done += self._updates_of(n_rows)
            self.loss_sum += float(progress["loss_sum"][0])
        return outcome

    def _end(self) -> Outcome:
        """End the epoch."""
        training, progress, epoch = self.training, self.training.progress, self.training.epochs
        objective = self.objective if self.anchor.params.size else self.loss_sum / self.rows.n_rows
        self._drop()
        try:
            self.finish(training.state, self.settings, objective, progress)
        finally:  # Ctrl-C is heard when the kernel returns
            training.losses.extend(np.full(training.epochs - epoch, objective), training.loss_unit)
        outcome = Outcome(int(progress["status"][0]))
        return Outcome.PAUSED if outcome == Outcome.RUNNING else outcome

    def _drop(self) -> None:
        """Forget the parts that are here or coming."""
        self.part = None
        self.numbers.clear()
        if self.coming is not None:
            self.coming.close()
            self.coming = None
