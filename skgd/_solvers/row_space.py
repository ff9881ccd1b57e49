"""Ridge regression on fewer rows of CSR than columns: conjugate gradients among combinations of the rows."""

import time
from dataclasses import replace

import numpy as np

from .. import _parallel as threads
from .._compile.kernels import kernel
from .._kernels.constants import EPS, TINY
from .._kernels.structures import FLOAT64
from .._problem.combinations import Combinations
from .._problem.problem import Problem
from .._problem.rows import Rows
from .line_search import LineSearch, gain_of
from .loop import SLICE_SECONDS
from .outcome import Outcome
from .plan import Plan
from .prospects import Prospects
from .quasi_newton import largest
from .stopping import SearchCriterion
from .training import Training, fill

PATIENCE = 100  # steps: where as many are to come, those by a model of the curvature cost less
ARRAYS = "factors", "residuals", "step_factors", "step_products", "squares", "lengths"  # that a step follows from
RESUMED: dict[str, type] = {"n_steps": int, "objective": float, "exact": bool}


class RowSearch:
    """Conjugate gradients from zero on: each vector is a combination Z'v of the rows, and held by its factors v.

    With the shares S of the rows and the residuals r of the parameters Z'a, the gradient is Z'(S r + ridge a). A step
    takes that and the products of all rows with it, and nothing else as long as columns are many. The intercept follows
    by itself, as rows and targets are taken less their means.
    """

    def __init__(self, combinations: Combinations, targets: np.ndarray):
        self.combinations, self.shares, self.targets = combinations, combinations.shares, targets
        self.factors, self.residuals, self.slopes = np.zeros_like(targets), -targets, np.empty_like(targets)
        self.step_factors, self.step_products = np.zeros((2, *targets.shape))
        self._turn, self._go = (kernel(name, FLOAT64) for name in ("conjugate_direction", "conjugate_step"))

    def begin(self, ridge: np.ndarray) -> None:
        """Begin where the factors are, with a ridge for each output."""
        self.ridge, self.n_steps = ridge, 0
        self.squares, self.lengths = np.zeros((2, len(ridge)))  # of the gradient before the last step, and of that
        self.exact = not self.factors.any()  # whether residuals are computed from the factors, not carried along
        self._step(np.zeros_like(self.lengths))

    def _step(self, lengths: np.ndarray) -> None:
        """Go so far along the directions; evaluate the objective, the factors of its gradient and the dual there."""
        found = np.empty((len(lengths), 3))
        of_outputs = self.targets, self.step_factors, self.step_products, self.factors, self.residuals, self.slopes
        for length, ridge, sums, *of_output in zip(lengths, self.ridge, found, *of_outputs, strict=True):
            self._go(length, self.shares, ridge, *of_output, sums)
        self.objective = 0.5 * float(found[:, :2].sum())
        self.duality_gaps = 0.5 * found[:, 2]  # by how much the objective of each output lies above its least, at most

    def state(self) -> dict:
        """Where it is, between two steps."""
        return {name: getattr(self, name).copy() for name in ARRAYS} | {name: getattr(self, name) for name in RESUMED}

    def restore(self, state: dict) -> None:
        """Go on from there."""
        for name in ARRAYS:
            fill(getattr(self, name), state[name], name)
        self._step(np.zeros_like(self.lengths))
        for name, kind in RESUMED.items():
            setattr(self, name, kind(state[name]))

    @property
    def longest_step(self) -> float:
        """Largest change of a parameter in the last step."""
        moved = self.combinations.of(self.lengths[:, None] * self.step_factors)
        return largest(moved.ravel()) if self.n_steps else np.inf

    def look(self) -> float:
        """Take the gradient; by how much the objective lies above its least, at most.

        The ridge's curvature allows another bound than the dual does. Along a direction that has k times as much by the
        loss the one is 1 + k times what is left to gain, the other 1 + 1 / k times: mostly one of them is near it.
        """
        self.steepest = self.combinations.of(self.slopes)
        squares = self.next_squares = _products(self.steepest, self.steepest)
        by_ridge = np.divide(0.5 * squares, self.ridge, out=np.full_like(squares, np.inf), where=self.ridge > 0)
        return float(np.minimum(self.duality_gaps, by_ridge).sum())

    def move(self) -> None:
        """Go to the least point along the direction that is conjugate to those before."""
        products, _ = self.combinations.products(self.steepest)
        ratios, found = _quotients(self.next_squares, self.squares), np.empty((len(products), 2))
        of_outputs = self.slopes, products, self.step_factors, self.step_products
        for ratio, ridge, sums, *of_output in zip(ratios, self.ridge, found, *of_outputs, strict=True):
            self._turn(ratio, self.shares, ridge, *of_output, sums)
        self.lengths = _quotients(-found[:, 0], found[:, 1])
        self.squares, self.exact = self.next_squares, False
        self.n_steps += 1
        self._step(self.lengths)

    def evaluate_anew(self, products: np.ndarray) -> None:
        """Take the products of the rows with the parameters, of which the steps have lost digits; begin anew there."""
        self.residuals, self.squares = products - self.targets, np.zeros_like(self.squares)
        self.exact = True
        self._step(np.zeros_like(self.lengths))


class RowSpace:
    """Trains by such a search; where that would take long, line searches go on from where it has come to."""

    dtype = FLOAT64

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        self.training, self.plan, self.problem, self.pauses = training, plan, problem, pauses
        assert isinstance(problem.rows, Rows)
        self.combinations = Combinations(problem.rows, problem.model.fit_intercept)
        targets, self.mean_targets = self.combinations.centre(problem.rows.targets.T)
        self.search = RowSearch(self.combinations, targets)
        self.line_search: LineSearch | None = None
        self._begin()

    def _begin(self) -> None:
        self.search.begin(self.problem.ridge.reshape(self.problem.model.n_outputs, -1)[:, 0])
        self.criterion, self.prospects, self.first_bound = SearchCriterion(self.plan), Prospects(), np.inf

    def go_on(self, problem: Problem, guess: np.ndarray | None = None) -> None:
        """Go on under another penalty, from the factors of the last solution, whatever the guess."""
        self.problem = problem
        if self.line_search is not None:
            self.line_search.go_on(problem, guess)
        else:
            self._begin()

    def state(self) -> dict:
        return {
            "search": self.search.state(),
            "small_steps": self.criterion.small_steps,
            "prospects": self.prospects.state(),
            "first_bound": self.first_bound,
            "line_search": None if self.line_search is None else self.line_search.state(),
        }

    def restore(self, state: dict) -> None:
        self.search.restore(state["search"])
        self.criterion.small_steps, self.first_bound = int(state["small_steps"]), float(state["first_bound"])
        self.prospects.restore(state["prospects"])
        if state["line_search"] is not None:
            self._hand_over()
            self.line_search.restore(state["line_search"])  # type: ignore[union-attr]

    def step(self, last_epoch: int) -> Outcome:
        """Make one step, or as many as a call should where nobody looks in between."""
        if self.line_search is not None:
            return self.line_search.step(last_epoch)
        until, curve, first = time.perf_counter() + SLICE_SECONDS, list[float](), self.training.epochs
        with threads.single_threaded_blas(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
            while True:
                outcome = self._step(curve)
                if outcome == Outcome.PAUSED and first + len(curve) >= last_epoch:
                    outcome = Outcome.OUT_OF_EPOCHS
                ends = outcome not in (Outcome.PAUSED, Outcome.RUNNING)
                if ends or (curve and (self.pauses or time.perf_counter() > until)):
                    break
            if not self.search.exact:
                self._publish()
        if outcome != Outcome.DIVERGED:
            self.training.gradient_norm = largest(self.search.steepest.ravel())
        self.training.count_steps(np.array(curve))
        if outcome != Outcome.STUCK:
            return outcome
        return Outcome.PAUSED if curve or self.line_search is None else self.line_search.step(last_epoch)

    def _step(self, curve: list[float]) -> Outcome:
        """Make a step if there is one to make, and add the objective after it to the curve."""
        training, search, by_gap = self.training, self.search, self.criterion.name == "objective"
        if not training.epochs and not curve and not search.n_steps:
            training.progress["start_objective"] = search.objective
            if training.starts_immense:
                return Outcome.DIVERGED
        gain = gain_of(search, training)
        negligible = self.criterion.tol * gain if by_gap else 0.0
        if by_gap and not search.exact and search.duality_gaps.sum() <= negligible:
            search.evaluate_anew(self._publish())
        bound = search.look()
        self.first_bound = self.first_bound if search.n_steps else bound
        self.prospects.see(bound, search.objective, rounding=EPS * gain)
        lost = self.prospects.lost
        if (lost or bound <= negligible) if by_gap else self.criterion.is_met(search, self.prospects, gain):
            if not search.exact:  # convergence is that of the true gradient
                search.evaluate_anew(self._publish())
                return Outcome.RUNNING
            if not training.epochs and not curve:
                curve.append(search.objective)
            return Outcome.CONVERGED
        if lost or self._steps_to_come(bound, max(negligible, EPS * abs(search.objective), TINY)) > PATIENCE:
            self._hand_over()
            return Outcome.STUCK
        search.move()
        curve.append(search.objective)
        return Outcome.PAUSED

    def _steps_to_come(self, bound: float, least: float) -> float:
        """Steps until the bound is so small, at the rate of those so far; none while these are few."""
        if self.search.n_steps < PATIENCE or bound <= least:
            return 0.0
        rate = np.log(self.first_bound / bound) / self.search.n_steps
        return np.log(bound / least) / rate if rate > 0 else np.inf

    def _publish(self) -> np.ndarray:
        """Give the training the parameters; the products of all rows with them."""
        coefs = self.combinations.of(self.search.factors)
        products, means = self.combinations.products(coefs)
        model = self.problem.model
        blocks = self.training.state.params.reshape(model.n_outputs, -1)
        blocks[:, :-1] = coefs
        if model.trains_intercept:
            blocks[:, -1] = self.mean_targets - means + coefs @ self.combinations.center
        return products

    def _hand_over(self) -> None:
        """Leave the rest to line searches by a model of the curvature."""
        plan, curvature = self.plan, self.plan.curvature
        assert curvature is not None
        plan = replace(plan, curvature=curvature._replace(tries_gradients=False))
        problem = replace(self.problem, near=self.training.state.params)
        self.line_search = LineSearch(self.training, plan, problem, self.pauses)


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row with that of the other matrix."""
    return np.einsum("ki,ki->k", one, other)


def _quotients(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Zeros where there is nothing to divide by."""
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0)
