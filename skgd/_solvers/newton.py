"""Training on small data by a compiled Newton's method."""

import numpy as np
from scipy.linalg.lapack import dpotrs

from .._compile.kernels import kernel
from .._kernels.structures import FLOAT64, FewRows, NewtonSettings, NewtonWork, Search
from .._problem.objective import pointwise
from .._problem.problem import Problem
from .._problem.rows import Rows
from .line_search import LineSearch
from .outcome import Outcome
from .plan import Plan
from .stopping import CRITERIA
from .training import Training, fill

STEPS_AT_ONCE = 100


class Newton:
    """Newton steps, many in one call; where they lead nowhere, line searches go on from there."""

    dtype = FLOAT64

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        self.training, self.plan, self.problem, self.pauses = training, plan, problem, pauses
        self.line_search: LineSearch | None = None
        optimizer, model, rows = training.optimizer, problem.model, problem.rows
        assert isinstance(rows, Rows)
        n, p = rows.n_rows, model.n_params
        columns = np.empty((p, n))
        rows.fill(columns[:-1].T)
        columns[-1] = model.trains_intercept
        self.rows = FewRows(columns, rows.targets, rows.shares, problem.ridge)
        vectors = np.empty((4, n))
        self.work = NewtonWork(vectors, vectors[:, :, None], np.empty((4, p)), np.empty((p, p)))
        self.search = np.zeros(1, Search)
        self.search["last_promise"] = self.search["largest_step"] = np.inf
        self.settings = NewtonSettings(
            criterion=CRITERIA[plan.criterion_of_solver],
            tol=float(plan.tol or 0.0),
            n_iter_no_change=plan.n_iter_no_change,
            first_length=float(optimizer.learning_rate or optimizer.default_learning_rate),
            eps=float(np.finfo(training.dtype).eps),
            quadratic=training.loss.quadratic,
        )
        self.params = training.state.params.astype(np.float64)
        self.loss, self.kernel = pointwise(training.loss, FLOAT64), kernel("newton", FLOAT64)

    def go_on(self, problem: Problem, guess: np.ndarray | None = None) -> None:
        """Go on under another penalty, from the guess if the objective is less there."""
        self.problem, self.rows = problem, self.rows._replace(ridge=problem.ridge)
        self.search[:] = 0
        self.search["last_promise"] = self.search["largest_step"] = np.inf
        if self.line_search is not None:
            self.line_search.go_on(problem, guess)
        elif guess is not None and self._value(guess) < self._value(self.params):
            self.params[:] = guess

    def outlook(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Where one more step would lead, and the slope of solutions by the logarithm of the ridge's strength."""
        if self.line_search is not None:
            return None
        slope = -dpotrs(self.work.lower.T, self.rows.ridge * self.params, lower=0)[0]
        return self.params + self.work.steps[1], slope

    def _value(self, params):
        rows = self.rows
        raw = (params @ rows.columns)[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self.loss.call(raw, rows.targets, rows.weight, self.problem.loss_hyper, np.empty_like(raw))
            return loss + 0.5 * float(rows.ridge @ params**2)

    def state(self) -> dict:
        line_search = None if self.line_search is None else self.line_search.state()
        return {
            "search": self.search.view(np.uint8).copy(),
            "params": self.params.copy(),
            "line_search": line_search,
        }

    def restore(self, state: dict) -> None:
        fill(self.search.view(np.uint8), state["search"], "search")
        if self.settings.quadratic:
            self.search["factorised"] = 0  # so the Hessian, which doesn't change, is factorised again
        fill(self.params, state["params"], "params")
        if state["line_search"] is not None:
            self.line_search = LineSearch(self.training, self.plan, self.problem, self.pauses)
            self.line_search.restore(state["line_search"])

    def step(self, last_epoch: int) -> Outcome:
        """Make some steps, or one if somebody will look in between."""
        if self.line_search is not None:
            return self.line_search.step(last_epoch)
        training, search = self.training, self.search
        search["reference"] = training.progress["reference"]
        curve = np.empty(1 if self.pauses else min(last_epoch - training.epochs, STEPS_AT_ONCE))
        of_loss = self.loss.pointer, self.problem.loss_hyper
        outcome = Outcome(self.kernel(*of_loss, self.rows, self.settings, self.params, self.work, search, curve))
        n_steps = int(search["steps"][0])
        training.state.params[:] = self.params
        training.gradient_norm = float(search["gradient_norm"][0])
        training.count_steps(curve[:n_steps])
        if outcome == Outcome.STUCK:
            self.line_search = LineSearch(training, self.plan, self.problem, self.pauses)
            return Outcome.PAUSED if n_steps else self.line_search.step(last_epoch)
        if outcome == Outcome.CONVERGED and training.epochs == 0:
            training.count_steps(search["objective"])
        return Outcome.OUT_OF_EPOCHS if outcome == Outcome.PAUSED and training.epochs >= last_epoch else outcome
