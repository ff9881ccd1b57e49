"""The one loop that trains: a step of the solver after another, and what comes next."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .outcome import Outcome, Solver
from .plan import Plan
from .solvers import make_solver
from .stopping import EarlyStopping
from .training import Training

BACK_OFF = 0.25
MAX_BACK_OFFS = 40
STREAMING_BACK_OFFS = 5  # in one call: one bad part of the data shall not ruin the rate for all others


class Driver:
    """Train until a criterion is met, epochs run out, somebody stops it, or the fit diverges for good.

    Whoever watches iterates over `run()`, which yields the training after every epoch, and may call `stop`. What is
    minimised is asked for a `reference`, for the loss on its `validation` rows if it has any, and for its `gradient`
    where that is to be the certificate of convergence.
    """

    def __init__(self, training: Training, plan: Plan, problem: Any, watched: bool = False, solver: Any = None):
        self.training, self.plan, self.problem, self.watched = training, plan, problem, watched
        validates = problem.validation is not None
        self.pauses = watched or validates or plan.needs_certificate
        self.seen = training.epochs  # when it was last looked at
        self.stopped = False
        self.early: EarlyStopping | None = None
        training.optimizer.probe()
        self.solver: Solver = solver or make_solver(training, plan, problem, self.pauses)

    def train(self) -> Training:
        """Train without anybody watching."""
        for _ in self.run():
            pass
        return self.training

    def stop(self, reason: str) -> None:
        """End the training with the epoch that is being looked at, for this reason unless there is one already."""
        if not self.stopped:
            self.training.stop_reason, self.stopped = reason, True

    def run(self) -> Iterator[Training]:
        """Train; training.stop_reason says how it ended."""
        training = self.training
        last_epoch = training.epochs + self.plan.max_iter
        self._begin()
        back_offs = STREAMING_BACK_OFFS if self.plan.streaming else MAX_BACK_OFFS
        while training.epochs < last_epoch:
            outcome = self.solver.step(last_epoch)
            if outcome == Outcome.DIVERGED:
                self._check_start()
                training.return_to_best()
                if not self.plan.rate_is_auto or back_offs == 0:
                    training.stop_reason = "diverged"
                    if self.early is not None:
                        self.early.restore()
                    return
                back_offs -= 1
                training.learning_rate *= BACK_OFF
                continue
            if self.pauses and training.epochs > self.seen:
                self.seen = training.epochs
                self._look()
                if self.watched:
                    yield training
                if self.stopped:
                    break
            if outcome == Outcome.CONVERGED:
                training.stop_reason = "converged"
                if training.progress["circled"][0]:
                    training.state.params[:] = training.state.best
                break
        self._end()

    def score(self) -> float:
        """Least loss on the validation data, if these stop the training, else the objective; the less, the better."""
        return self.problem.value(self.training.params) if self.early is None else self.early.best

    def _begin(self) -> None:
        training, plan = self.training, self.plan
        if self.problem.validation is not None and plan.early_stopping:
            self.early = EarlyStopping(training, plan)
        training.stop_reason, training.gradient_norm = "max_iter", None
        progress = training.progress
        progress["start_objective"] = np.nan
        progress["reference"] = progress["best_objective"] = self.problem.reference(self.solver.dtype)

    def _look(self) -> None:
        """Look at the epoch that has just ended, whether it is to be the last one."""
        training = self.training
        if self.problem.validation is not None:
            loss = self.problem.validation_loss(training.params)
            training.validation_losses.extend(np.array([loss * training.loss_unit]))
            if self.early is not None and self.early.is_over(loss):
                self.stop("early_stopping")
        if self.plan.needs_certificate and self.early is None:
            training.gradient_norm = float(np.abs(self.problem.gradient(training.params)).max())
            if training.gradient_norm <= (self.plan.tol or 0.0):
                self.stop("converged")

    def _end(self) -> None:
        training = self.training
        if self.early is not None:
            self.early.restore()
        if self.plan.exact and training.gradient_norm is None:
            training.gradient_norm = float(training.progress["gradient_norm"][0])

    def _check_start(self) -> None:
        if self.training.starts_immense:
            raise ValueError(
                "The objective is not finite, or immense, at the starting parameters: the loss is undefined there, or "
                "features or targets are too large, which standardize=True would mend"
            )
