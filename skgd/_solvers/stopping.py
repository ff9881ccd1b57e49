"""When training ends: by criteria that kernels look at, by a certificate, by rows held out."""

from collections import deque
from typing import Protocol

import numpy as np

from .._kernels.constants import IMMENSE
from .._kernels.structures import GRADIENT, NEVER, OBJECTIVE, STEP
from .._problem.problem import Problem
from .plan import Plan
from .prospects import Prospects
from .training import Training, fill

# Criteria by their names, as kernels know them.
CRITERIA = {"objective": OBJECTIVE, "gradient": GRADIENT, "step": STEP, "never": NEVER}
# Above the best loss on validation rows by so much of it: what overfits so does not come back (Prechelt 1998). Where
# there is hardly any noise the rate alone makes losses come and go: at least of so much of the constant model's.
FAR_ABOVE, OF_CONSTANT = 0.2, 0.1


class Search(Protocol):
    """What is asked of a search."""

    @property
    def objective(self) -> float:
        """What is minimised, at the parameters."""

    @property
    def steepest(self) -> np.ndarray:
        """The gradient, or the shortest subgradient."""

    @property
    def longest_step(self) -> float:
        """Largest change of a parameter in the last step."""


class SearchCriterion:
    """Whether a line search has come to its end, by the criterion of the plan."""

    def __init__(self, plan: Plan):
        self.name, self.tol, self.patience = plan.criterion_of_solver, plan.tol or 0.0, plan.n_iter_no_change
        self.small_steps = 0  # on end

    def is_met(self, search: Search, prospects: Prospects, gain: float) -> bool:
        """Whether the criterion is met before another step; the gain is the measure of what is still to come."""
        if self.name == "step":  # a single one may be short by chance
            self.small_steps = self.small_steps + 1 if search.longest_step <= self.tol else 0
            return self.small_steps >= self.patience
        if self.name == "gradient":
            return float(np.abs(search.steepest).max(initial=0.0)) <= self.tol
        return self.name == "objective" and (prospects.lost or prospects.to_come() <= self.tol * gain)


def leads_out(problem: Problem, params: np.ndarray) -> bool:
    """Whether predictions of rows leave the range of floats; all are looked at where that may be, as below exp."""
    if problem.loss.out_activation != "exp" and np.abs(params).max(initial=0.0) < IMMENSE:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return not np.isfinite(problem.objective.loss_alone(params))


def settle(training: Training) -> None:
    """Take the mean over a standstill for the parameters, to go on from there, too."""
    if training.progress["averaged"][0] > 0:
        training.state.params[:] = training.state.average
        training.progress["averaged"] = 0


class EarlyStopping:
    """The best parameters by the loss on validation rows, and for how many epochs there have been no better ones.

    There may be a model beside, whose loss on these rows is known, that predictions will be shared with.
    """

    def __init__(self, training: Training, plan: Plan):
        self.training, self.tol, self.patience = training, plan.tol, plan.n_iter_no_change
        self.n_recent, self.worse = plan.n_iter_recent or np.inf, 0  # epochs on end with a loss far above the best
        self.bests, self.last_epoch = deque[float](maxlen=(plan.n_iter_recent or 0) + 1), plan.max_iter
        self.stale, self.best, self.params = 0, np.inf, training.params.astype(training.dtype)
        self.factor = 1.0

    def is_over(self, loss: float, beside: float | None = None) -> bool:
        """Compare the loss of another epoch with the best one so far; whether patience has come to its end.

        Or whether there is no hope of coming near the loss of the model beside.
        """
        factor = self.training.plateau[0]
        if factor < self.factor:
            self.stale, self.factor = 0, factor  # the smaller rate gets epochs of its own
        improved = not loss >= self.best - (self.tol or 0.0) * abs(self.best)  # NaN while that is infinite
        self.stale = 0 if improved else self.stale + 1
        if not loss >= self.best:
            # means of float32 parameters are float64 and, like these, would be cut when it returns to them
            self.best, self.params = loss, self.training.params.astype(self.training.dtype)
        self.bests.append(self.best)
        constant = float(self.training.progress["reference"][0])
        of_constant = OF_CONSTANT * abs(constant)
        self.worse = self.worse + 1 if loss > self.best + FAR_ABOVE * max(self.best, of_constant) else 0
        over = self.stale >= self.patience or self.worse >= self.n_recent
        if beside is not None and self.best < constant:  # large rates throw some off at first, until they have begun
            over = over or self._least_to_come() > beside + max(beside, of_constant)
        return self.tol is not None and over

    def _least_to_come(self) -> float:
        """The best loss by the last epoch if it went on coming down at its pace, as it hardly ever does for long."""
        if len(self.bests) <= self.n_recent:
            return -np.inf
        pace = (self.bests[0] - self.best) / self.n_recent
        return self.best - pace * (self.last_epoch - self.training.epochs)

    def state(self) -> dict:
        named = {name: getattr(self, name) for name in ("stale", "worse", "best", "params", "factor")}
        return named | {"bests": [*self.bests]}

    def restore(self, state: dict) -> None:
        """Go on from where another one was."""
        self.stale, self.worse = int(state["stale"]), int(state.get("worse", 0))
        self.best, self.factor = float(state["best"]), float(state["factor"])
        self.bests.extend(map(float, state.get("bests", ())))
        fill(self.params, state["params"], "params of early stopping")

    def return_to_best(self, training: Training) -> None:
        """Return to the best parameters."""
        if np.isfinite(self.best):
            training.state.params[:] = self.params
            training.progress["averaged"] = 0
