"""The one loop that trains: a step of the solver after another, and what comes next."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..schedules import ReduceOnPlateau, factor_at
from .outcome import Outcome, Solver
from .plan import Plan
from .solvers import make_solver
from .stopping import EarlyStopping, leads_out, settle
from .training import Training

BACK_OFF = 0.25
MAX_BACK_OFFS = 40
STREAMING_BACK_OFFS = 5  # in one call: one bad part of the data shall not ruin the rate for all others
IMMENSE_START = (
    "The objective is not finite, or immense, at the starting parameters: the loss is undefined there, or "
    "features or targets are too large, which standardize=True would mend"
)
RESUMED = "first_epoch", "first_update", "last_epoch", "back_offs", "seen", "stopped"  # of a driver


class Audience(Protocol):
    """Whoever watches trainings."""

    error: Exception | None  # that one of them has raised

    def begin(self, driver: "Driver") -> None:
        """A training begins."""

    def see(self, driver: "Driver") -> bool:
        """An epoch has ended; whether the training shall, too."""

    def end(self, driver: "Driver") -> None:
        """A training has ended."""


class Beside(NamedTuple):
    """A simpler model of the rows that a training learns from, with which its predictions will be shared."""

    training: Training
    loss: float  # on the validation rows


class Driver:
    """Train until a criterion is met, epochs run out, somebody stops it, or the fit diverges for good.

    Whoever watches iterates over `run()`, which yields the training after every epoch, and may call `stop`. What is
    minimised is asked for a `reference`, for the loss on its `validation` rows if it has any, and for its `gradient`
    where that is to be the certificate of convergence.
    """

    def __init__(
        self, training: Training, plan: Plan, problem: Any, watched: bool = False, solver: Any = None, number: int = 0
    ):
        self.training, self.plan, self.problem, self.watched = training, plan, problem, watched
        # To try other rates from, if it diverges: a stream goes on from what it has gone back to
        self.beginning = None if plan.rate_is_auto else training if plan.streaming else training.copy()
        self.number = number  # of its start, where there are several
        self.first_epoch, self.first_update = training.epochs, training.updates
        self.last_epoch = self.first_epoch + plan.max_iter
        self.back_offs = STREAMING_BACK_OFFS if plan.streaming else MAX_BACK_OFFS
        self.begun = self.stopped = False
        self.cut_short: dict | None = None  # the state in which somebody ended it, before what comes with an end
        self.early: EarlyStopping | None = None
        self.beside: Beside | None = None
        validates = problem.validation is not None
        self.pauses = watched or validates or plan.needs_certificate
        self.seen = self.first_epoch  # when it was last looked at
        training.optimizer.probe()
        self.solver: Solver = solver or make_solver(training, plan, problem, self.pauses)

    def train(self, audience: Audience | None = None) -> Training:
        """Train, before an audience perhaps."""
        if audience is None:
            for _ in self.run():
                pass
            return self.training
        audience.begin(self)
        for _ in self.run():
            if audience.see(self) and not self.stopped:
                self.cut_short = self.state()
                self.stop("callback")
        audience.end(self)
        return self.training

    def stop(self, reason: str) -> None:
        """End the training with the epoch that is being looked at, for this reason unless there is one already."""
        if not self.stopped:
            self.training.stop_reason, self.stopped = reason, True

    @property
    def goes_on(self) -> bool:
        """Whether there are more epochs to come, as far as is known."""
        return not self.stopped and self.training.epochs < self.last_epoch

    def run(self) -> Iterator[Training]:
        """Train; training.stop_reason says how it ended."""
        training = self.training
        if not self.begun:
            self._begin()
        while self.goes_on:
            outcome = self.solver.step(self.last_epoch)
            if outcome == Outcome.DIVERGED:
                self._refuse_immense_start()
                training.return_to_best()
                if not self.plan.rate_is_auto or self.back_offs == 0:
                    self.stop("diverged")
                    break
                self.back_offs -= 1
                training.learning_rate *= BACK_OFF
                continue
            new = self.pauses and training.epochs > self.seen
            if new:
                self.seen = training.epochs
                self._look()
            if outcome == Outcome.CONVERGED and not self.stopped:
                self.stop("converged")
                if training.progress["circled"][0]:
                    training.state.params[:] = training.state.best
            if outcome == Outcome.STUCK and not self.stopped:
                self.stop("max_iter")  # before: no epoch to come would lead anywhere
            if new and self.watched:
                yield training
        self._end(training)

    def score(self, anew: bool = True) -> float:
        """Least loss on the validation data, if these stop the training, else the objective; the less, the better.

        Anew over all rows, or that of the last epoch.
        """
        if self.early is not None:
            return self.early.best
        if anew:
            return self.problem.value(self.training.params)
        return float(self.training.losses.values[-1]) if len(self.training.losses) else np.inf

    def as_if_ended(self) -> Training:
        """A copy of the training as it would be if the epoch that is being looked at were the last one."""
        return self._end(self.training.copy())

    def interrupted(self) -> Training:
        """The training as far as it has come, in the middle of an epoch perhaps."""
        self.stop("interrupted")
        if not np.isfinite(self.training.state.params).all():
            self.training.return_to_best()
        return self._end(self.training)

    @property
    def learning_rate(self) -> float | None:
        """The rate that the last epoch began with; None where the length of steps is looked for."""
        training, schedule = self.training, self.plan.schedule
        if self.plan.searches_line:
            return None
        if isinstance(schedule, ReduceOnPlateau):
            return training.learning_rate * training.plateau[0]
        return training.learning_rate * factor_at(schedule, max(training.epochs - 1.0, 0.0))

    def state(self) -> dict:
        """What is needed to go on from the end of the last epoch: copies that stay as they are."""
        if self.cut_short is not None:
            return self.cut_short
        return {
            "training": self.training.resumable(),
            "early": None if self.early is None else self.early.state(),
            "solver": self.solver.state(),
            **{name: getattr(self, name) for name in RESUMED},
        }

    def restore(self, state: dict) -> None:
        """Go on from there, with the same data and parameters, to the same bits."""
        self.begun = True
        self.training.restore(state["training"])
        if state["early"] is not None:
            self.early = EarlyStopping(self.training, self.plan)
            self.early.restore(state["early"])
        self.solver.restore(state["solver"])
        for name in RESUMED:
            setattr(self, name, int(state[name]))
        self.stopped = bool(self.stopped)

    def _begin(self) -> None:
        training, plan, self.begun = self.training, self.plan, True
        if self.problem.validation is not None and plan.early_stopping:
            self.early = EarlyStopping(training, plan)
        training.stop_reason, training.gradient_norm = "max_iter", None
        progress = training.progress
        progress["start_objective"], progress["reference"] = np.nan, 0.0
        if not makes_one_step(plan, training, self.problem):
            progress["reference"] = progress["best_objective"] = _reference(self)

    def _look(self) -> None:
        """Look at the epoch that has just ended, whether it is to be the last one."""
        training = self.training
        if self.problem.validation is not None:
            loss = self.problem.validation_loss(training.params)
            training.validation_losses.extend(np.array([loss]), training.loss_unit)
            if self.early is not None and self.early.is_over(loss, self.beside.loss if self.beside else None):
                self.stop("early_stopping")
        if self.plan.needs_certificate and self.early is None:
            training.gradient_norm = float(np.abs(self.problem.gradient(training.params)).max())
            if training.gradient_norm <= (self.plan.tol or 0.0):
                self.stop("converged")

    def _end(self, training: Training) -> Training:
        if self.early is not None:
            self.early.return_to_best(training)
        if self.plan.settles:
            settle(training)
        # what the last steps have led to, no epoch has seen yet
        if self.plan.looks_back and leads_out(self.problem, training.params):
            training.return_to_best()
            training.stop_reason = "diverged"
        if self.plan.exact and training.gradient_norm is None and training.stop_reason != "diverged":
            training.gradient_norm = float(training.progress["gradient_norm"][0])
        return training

    def _refuse_immense_start(self) -> None:
        progress = self.training.progress
        if progress["reference"][0] == 0:  # or it was left out so far
            progress["reference"] = _reference(self)
        if self.training.starts_immense:
            raise ValueError(IMMENSE_START)


def makes_one_step(plan: Plan, training: Training, problem: Any) -> bool:
    """Whether a call in a stream makes but one step: the loss of its batch is measured by itself, by nothing else."""
    in_stream = plan.streaming and not plan.searches_line and training.epochs > 0
    return in_stream and plan.batch_size >= problem.rows.n_rows


def _reference(driver: Driver) -> float:
    """What gains are measured by: line searches set the intercept at once, where rules are a long way from it."""
    return driver.problem.reference(driver.solver.dtype, of_best=driver.plan.searches_line)
