"""Training on small dense data by squared error under an L1 penalty: compiled coordinate descent."""

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.constants import TINY
from .._kernels.coordinates import Design, Found, Work
from .._kernels.structures import FLOAT64, Features
from .._problem.problem import Problem
from .._problem.rows import Rows
from .line_search import LineSearch
from .outcome import Outcome
from .plan import Plan
from .training import Training, fill
from .working_sets import LEAST_CURVATURE, least_with_l1

MOST = 0.5  # of the columns: where so many matter, all of them are looked at together
ROUNDS_AT_ONCE = 20
MOST_STEPS = 20  # under one penalty: what these leave undone is left to line searches


class Coordinates:
    """Rounds of sweeps over the columns that matter, or a step by their matrix where those would be many.

    Each begins with the parameters alone. Where they lead nowhere soon, line searches go on from there.
    """

    dtype = FLOAT64

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        self.training, self.plan, self.problem, self.pauses = training, plan, problem, pauses
        self.line_search: LineSearch | None = None
        model, rows = problem.model, problem.rows
        assert isinstance(rows, Rows)
        assert isinstance(rows.data.features, Features)
        n, p, shares, features = rows.n_rows, model.n_features, rows.shares, rows.data.features
        columns = np.array(features.X[rows.numbers(slice(None))].T, dtype=FLOAT64, order="C")
        self.means, squares, roots = np.empty(p), np.empty(p), np.sqrt(shares)
        of_rows = *(of.astype(FLOAT64) for of in (features.center, features.inverse_scale)), shares, roots
        kernel("prepare_columns", FLOAT64)(columns, *of_rows, model.trains_intercept, self.means, squares)
        targets = rows.targets[:, 0]
        self.target_mean = float(shares @ targets) if model.trains_intercept else 0.0
        self.design = Design(columns, (targets - self.target_mean) * roots, squares, *self._penalty(problem))
        self.work, self.found = Work(np.empty(n), np.empty(p), np.empty(p), np.empty(p, np.int64)), np.zeros(1, Found)
        self.params = training.state.params[:-1].astype(FLOAT64)
        self.steps = 0
        self.held, self.matrix = np.empty(0, np.int64), np.empty((0, 0))  # of columns with these numbers
        self.is_held = np.zeros(p, dtype=bool)
        if not np.isfinite(squares).all():  # which line searches refuse
            self.line_search = LineSearch(training, plan, problem, pauses)

    def _penalty(self, problem):
        assert problem.l1 is not None
        return problem.ridge[:-1], problem.l1[:-1]

    def go_on(self, problem: Problem, guess: np.ndarray | None = None) -> None:
        """Go on under another penalty; from where this one has led, as a guess would save too little."""
        self.problem = problem
        if self.line_search is not None:
            self.line_search.go_on(problem, guess)
            return
        ridge, l1 = self._penalty(problem)
        self.design = self.design._replace(ridge=ridge, l1=l1)
        self.steps = 0

    @property
    def slopes(self) -> np.ndarray:
        """Gradient of the smooth part."""
        if self.line_search is not None and self.line_search.search is not None:
            return self.line_search.search.gradient
        return np.append(self.work.slopes, 0.0)

    def state(self) -> dict:
        line_search = None if self.line_search is None else self.line_search.state()
        return {"params": self.params.copy(), "steps": self.steps, "held": self.held, "line_search": line_search}

    def restore(self, state: dict) -> None:
        fill(self.params, state["params"], "params")
        self.steps = int(state["steps"])
        if state["line_search"] is not None:
            self.line_search = LineSearch(self.training, self.plan, self.problem, self.pauses)
            self.line_search.restore(state["line_search"])
            return
        with threads.single_threaded_blas():  # as in a step
            self._hold(np.asarray(state["held"], np.int64))

    def step(self, last_epoch: int) -> Outcome:
        """Make some steps, or one if somebody will look in between."""
        if self.line_search is not None:
            return self.line_search.step(last_epoch)
        training = self.training
        curve = np.empty(2 if self.pauses else 1 + min(last_epoch - training.epochs, ROUNDS_AT_ONCE))
        outcome, n_steps = self._descend(curve)
        while outcome == Outcome.RUNNING:
            self._step_by_matrix()
            outcome, n_more = self._descend(curve[n_steps + 1 :])
            n_steps += 1 + n_more
        self.steps += n_steps
        training.state.params[:-1] = self.params
        training.state.params[-1] = self.target_mean - self.means @ self.params
        training.gradient_norm = float(self.found["left"][0])
        training.count_steps(curve[1 : n_steps + 1])
        if outcome == Outcome.CONVERGED:
            if training.epochs == 0:
                training.count_steps(curve[:1])
            return outcome
        if outcome == Outcome.STUCK or self.steps >= MOST_STEPS:
            self.line_search = LineSearch(training, self.plan, self.problem, self.pauses)
            return Outcome.PAUSED if n_steps else self.line_search.step(last_epoch)
        return Outcome.OUT_OF_EPOCHS if training.epochs >= last_epoch else Outcome.PAUSED

    def _descend(self, curve: np.ndarray) -> tuple[Outcome, int]:
        """Make rounds of sweeps, as many as the curve has room for after its first entry; how many were made."""
        reference = float(self.training.progress["reference"][0])
        descend, tol = kernel("coordinates", FLOAT64), self.plan.tol or 0.0
        outcome = Outcome(descend(self.design, tol, reference, self.params, self.work, self.found, curve))
        return outcome, int(self.found["rounds"][0])

    def _step_by_matrix(self) -> None:
        """Go to the minimum among the chosen columns, with those whose matrix is held if these are among them."""
        design, at = self.design, self.work.chosen[: int(self.found["size"][0])]
        with threads.single_threaded_blas():
            if not self.is_held[at].all():
                n_columns = self.params.size
                most = MOST * n_columns < at.size and n_columns < design.targets.size
                self._hold(np.arange(n_columns) if most else at.copy())
            at, matrix = self.held, self.matrix
            curvature = design.squares[at] + design.ridge[at]
            least = LEAST_CURVATURE * max(float(curvature.mean()), TINY)
            np.maximum(curvature, least, out=np.einsum("ii->i", matrix))
            self.params[at] += least_with_l1(matrix, self.params[at], self.work.slopes[at], design.l1[at])

    def _hold(self, numbers: np.ndarray) -> None:
        """Hold the matrix of these columns."""
        columns = self.design.columns[numbers]
        self.held, self.matrix, self.is_held = numbers, columns @ columns.T, np.zeros(self.params.size, dtype=bool)
        self.is_held[numbers] = True
