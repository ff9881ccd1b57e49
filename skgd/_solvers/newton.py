"""Training on small data by a compiled Newton's method."""

from typing import Any

import numpy as np

from .._compile.kernels import PlugIn, kernel
from .._kernels.structures import (
    CONVERGED,
    NEVER,
    OUT_OF_EPOCHS,
    PAUSED,
    STUCK,
    Data,
    FewRows,
    NewtonSettings,
    NewtonWork,
    Search,
)
from .._problem.features import dense_rows
from .._problem.models import LinearObjective
from .curvature import NEWTON_COLUMNS
from .line_search import Descent
from .training import CRITERIA, Plan, Training

MOST_WORK = 2**22  # multiplications of a step up to which BLAS isn't faster
LOSS_WORK = 1_000  # of them in the time that the losses of a row take, three times
STEPS_AT_ONCE = 100


def suits(training: Training, plan: Plan, data: Data) -> bool:
    """Whether Newton's method proper is what the optimizer comes to, and the data are small enough for the kernel."""
    objective = training.objective
    return (
        isinstance(objective, LinearObjective)
        and training.optimizer.preconditioner in ("auto", "subsample")
        and objective.n_outputs == 1
        and objective.n_params <= NEWTON_COLUMNS
        and data.n_rows * (objective.n_params**2 + LOSS_WORK) <= MOST_WORK
        and plan.l1 == 0
        and training.loss.smooth
    )


class Newton:
    """Newton steps, many in one call; where they lead nowhere, Descent goes on from there."""

    def __init__(self, training: Training, plan: Plan, data: Data, loss: PlugIn, loss_hyper: np.ndarray, pauses: bool):
        self.training, self.plan, self.data, self.hyper, self.pauses = training, plan, data, loss_hyper, pauses
        self.descent: Descent | None = None
        optimizer = training.optimizer
        objective: Any = training.objective
        rows = data.subset if data.subset.size else slice(0, data.n_rows)
        n, p = data.n_rows, objective.n_params
        columns = np.empty((p, n))
        dense_rows(data.features, rows, columns[:-1].T)
        columns[-1] = objective.trains_intercept
        ridge = plan.alpha * training.state.penalised.astype(np.float64)
        self.rows = FewRows(columns, data.targets_of(rows), data.shares_of(rows), ridge)
        vectors = np.empty((4, n))
        self.work = NewtonWork(vectors, vectors[:, :, None], np.empty((4, p)), np.empty((p, p)))
        self.search = np.zeros(1, Search)
        self.search["last_promise"] = self.search["largest_step"] = np.inf
        self.settings = NewtonSettings(
            criterion=NEVER if plan.tol is None or plan.early_stopping else CRITERIA[plan.criterion],
            tol=plan.tol or 0.0,
            first_length=optimizer.learning_rate or optimizer.default_learning_rate,
            eps=float(np.finfo(training.dtype).eps),
            quadratic=training.loss.quadratic,
        )
        self.params = training.state.params.astype(np.float64)
        self.loss, self.kernel = loss.pointer, kernel("newton", np.dtype(np.float64))

    def advance(self, last_epoch: int) -> int:
        """Make some steps, or one if somebody will look in between; the status that they ended with."""
        if self.descent is not None:
            return self.descent.advance(last_epoch)
        training, search = self.training, self.search
        search["reference"] = training.progress["reference"]
        curve = np.empty(1 if self.pauses else min(last_epoch - training.epochs, STEPS_AT_ONCE))
        status = self.kernel(self.loss, self.hyper, self.rows, self.settings, self.params, self.work, search, curve)
        n_steps = int(search["steps"][0])
        training.state.params[:] = self.params
        training.gradient_norm = float(search["gradient_norm"][0])
        training.count_steps(curve[:n_steps])
        if status == STUCK:
            self.descent = Descent(training, self.plan, self.data, self.hyper)
            return PAUSED if n_steps else self.descent.advance(last_epoch)
        if status == CONVERGED and training.epochs == 0:
            training.count_steps(search["objective"])
        return OUT_OF_EPOCHS if status == PAUSED and training.epochs >= last_epoch else status
