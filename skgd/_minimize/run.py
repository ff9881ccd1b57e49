"""One descent on a function: what minimize makes one or several of."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from .._auto.advice import rate_that_works
from .._auto.function import decide
from .._kernels.constants import DIVERGENCE_FACTOR
from .._kernels.structures import FLOAT64
from .._solvers.driver import Driver
from .._solvers.plan import Plan
from .._solvers.training import Training, new_progress, new_state
from ..schedules import Constant
from .curvature import Curvature, curvature_at, sizes_of
from .function import Function, FunctionObjective, Point
from .searches import rate_on
from .solvers import SOLVERS, FunctionLineSearch, RuleDescent
from .surroundings import Finding, Surroundings
from .table import Table
from .watch import Watch, rate_of
from .words import divergence_in_words, end_in_words

KINDS = "saddle", "maximum", "kink"  # of places that are no minima
MOST_LOOKS = 20  # around, from which it goes on
ALLOWED = 0.1  # share of tol, of the function and what was gained of it, that a minimum may be lower by
ALLOWED_AT_GIVEN_RATES = 1e-5  # share of what was gained: how near steps of such a length come is the user's business

STATUS = {"converged": 0, "max_iter": 1, "diverged": 2, "no minimum": 3, "rounding": 4, "unseen": 5, "callback": 99}


class FunctionRun:
    """One descent from one start: how it goes, why it ended, what is told about it."""

    def __init__(self, function: Function, start: np.ndarray, arguments: Any):
        self.function, self.start, self.arguments = function, start, arguments
        self.objective = FunctionObjective(function)
        table = Table(function.shaped, function.sign) if arguments.trace else None
        self.watch = Watch(self.objective, arguments.callback, arguments.return_path, table)
        self.point = Point(start, np.nan, np.full(start.size, np.nan))
        self.left: list[str] = []  # what it was at before it went on
        self.n_iter = 0
        self.rate: float | None = None  # None for a line search
        self.is_fixed = False  # there is no other point
        self.reason, self.message = "max_iter", ""

    # -- how it goes

    def begin(self) -> None:
        """Evaluate the function at the start; what it raises there passes through."""
        objective, differences = self.objective, self.function.differences
        objective.begin(self.start)
        self.watch.begin(objective.first)
        self.is_fixed = objective.box is not None and np.array_equal(*objective.box)
        if (
            not self.is_fixed
            and differences is not None
            and differences.adapts
            and objective.estimate_noise(objective.first)
        ):
            self._refine(curvature_at(objective, objective.first, sizes_of(self.start, self.start)))
            objective.best = objective.first = objective.evaluate(self.start)

    def _refine(self, curvature: Curvature | None) -> bool:
        """Take finite differences that fit the curvature and the noise, if that is open; whether they are others."""
        differences = self.function.differences
        if differences is None or not differences.adapts or curvature is None or curvature.steps is None:
            return False
        first = differences.steps is None
        differences.refine(curvature.steps)
        self.objective.forget()
        return first

    def fail(self, error: Exception) -> None:
        """Say that it can't begin."""
        self.reason, self.message = "diverged", f"No start: {type(error).__name__}: {error}"

    def run(self) -> None:
        """Descend; nothing is printed and nobody warned."""
        if self.is_fixed:
            self.reason, self.message = "converged", "Converged: all variables are fixed by their bounds."
            self.point = self.objective.first
            return
        self.plan = decide(self.arguments, self.start, lambda: rate_on(self.objective))
        differences = self.function.differences
        if differences is not None:
            differences.shortens = differences.adapts and self.plan.solver == "quasi_newton"
        constant = isinstance(self.arguments.schedule, Constant)
        escape = self.arguments.escape
        self.escapes = self.plan.rate_is_auto and constant if escape == "auto" else escape
        self._descend(self.start)

    def _descend(self, start: np.ndarray, inverse: np.ndarray | None = None) -> None:
        """Descend from there, perhaps with the inverse of the Hessian there."""
        objective, arguments, first = self.objective, self.arguments, self.objective.first.value
        plan = self.plan = replace(self.plan, max_iter=arguments.max_iter - self.n_iter)
        training = _training_from(start, plan)
        solver, beginning = self._drive(training, plan, inverse)
        self.n_iter += training.epochs
        endless = objective.is_endless(objective.best.value)
        # wherever the line search looked
        lost = solver.idle and not np.isfinite(objective.last.value) and not endless
        self.point = objective.evaluate(training.params)
        grown = not self.point.value <= DIVERGENCE_FACTOR * max(abs(first), 1.0)  # in the very last iteration
        self.reason = training.stop_reason
        if self.reason == "diverged" or lost or grown:
            self.point = objective.best
            if self.reason != "callback":  # which may well have stopped it for that
                self.reason = "diverged"
                self.message = divergence_in_words(self, self._advised_rate(training, plan, beginning))
                return
        criterion, tol = arguments.criterion, arguments.tol
        if solver.idle and criterion == "gradient" and np.abs(self.gradient).max() > (tol or 0.0):
            self.reason = "rounding"
        self.message = end_in_words(self, solver.idle, tol, criterion)

    def _drive(
        self, training: Training, plan: Plan, inverse: np.ndarray | None
    ) -> tuple[RuleDescent | FunctionLineSearch, Training | None]:
        """The solver when it has come to an end, and what other rates may be tried from."""
        solver = SOLVERS[plan.solver](training, plan, self.objective, inverse)
        driver = Driver(training, plan, self.objective, watched=True, solver=solver)
        for _ in driver.run():
            self.watch.see(driver, self.n_iter)
        self.rate = rate_of(driver)
        return solver, driver.beginning if plan.solver == "rule" else None

    def _advised_rate(self, training: Training, plan: Plan, beginning: Training | None) -> float | None:
        def train(training, plan):
            probe = copy.copy(self.objective)
            solver = SOLVERS[plan.solver](training, plan, probe)
            return Driver(training, plan, probe, solver=solver).train()

        try:
            return rate_that_works(training, plan, self.objective, beginning, train)
        except ValueError:  # the function fails where it began, too, by now
            return None

    @property
    def value(self) -> float:
        return self.point.value

    @property
    def gradient(self) -> np.ndarray:
        """The gradient without what leads out of the limits."""
        return self.objective.projected(self.point)

    def verify(self) -> None:
        """Look around where a criterion was met, whether it is a minimum; go on if it isn't, and that is wanted."""
        useful = True  # to go on
        for look in range(MOST_LOOKS + 1):
            reasons = "converged", "rounding", "diverged"
            if self.is_fixed or self.reason not in reasons or not np.isfinite(self.value):
                return
            surroundings = Surroundings(self.objective, self.point, self.start, self._allowed())
            if self.reason == "diverged":
                if not self.function.differentiates and surroundings.contradict_gradient():
                    self.message += " But jac isn't the gradient of the function, by finite differences there."
                return
            finding = surroundings.look()
            before = self.value
            if look == MOST_LOOKS or not useful or not self._goes_on(finding):
                self._judge(finding)
                return
            useful = self.value < before or finding.lower is None

    def _allowed(self) -> float:
        """What a minimum may be lower by."""
        tol, gained = self.arguments.tol or 0.0, abs(self.objective.first.value - self.value)
        share = 1.0 if self.arguments.criterion == "objective" else ALLOWED
        # a constant that was added to the function says nothing of what is much
        allowed = share * tol * (min(abs(self.value), gained) + min(gained, 1.0))
        return allowed if self.plan.rate_is_auto else max(allowed, ALLOWED_AT_GIVEN_RATES * gained)

    def _goes_on(self, finding: Finding) -> bool:
        """Descend from a lower point that was found, or with better differences; whether it did."""
        if not self.escapes or self.n_iter >= self.arguments.max_iter:
            return False
        curvature = finding.curvature
        refined = self._refine(curvature)
        if finding.lower is None and not (refined and (finding.hidden or finding.doubtful)):
            return False
        if finding.lower is not None:
            kind = finding.words.rpartition(" a ")[2] if finding.words.endswith(KINDS) else "halt"
            self.left.append(f"a {kind} where f = {self.function.sign * self.value:.4g}")
        start = self.point.params if finding.lower is None else finding.lower
        inverse = None
        if curvature is not None and curvature.complete:
            inverse = curvature.inverse() if self.objective.box is None else curvature.scaling
        if self.plan.solver == "rule" and self.plan.rate_is_auto and not self.plan.optimizer.steps_with_gradient:
            # steps are about as long as the rate: no longer than the one that has just helped
            length = float(np.abs(start - self.point.params).max()) or self.plan.learning_rate
            self.plan = replace(self.plan, learning_rate=min(self.plan.learning_rate, length))
        self._descend(start.copy(), inverse)
        if self.reason in ("converged", "max_iter") and self.objective.best.value < self.value:
            self.point = self.objective.best  # where a rule begins anew it may go astray at first
        return True

    def _judge(self, finding: Finding) -> None:
        """Say what it is."""
        why = self.message.partition(": ")[2].removesuffix(".")
        if finding.words:
            extremum = "minimum" if self.function.sign > 0 else "maximum"
            self.reason = "no minimum"
            self.message = f"Stopped at what is no {extremum}: {finding.words}. Why there: {why}."
        elif finding.hidden:
            self.reason = "rounding"
            self.message = f"Stopped: {finding.hidden}. Why there: {why}."
        if self.left:
            self.message += f" It had left {self.left[-1]}."

    # -- what is told about it

    def result(self) -> OptimizeResult:
        """What is told to the user."""
        function = self.function
        sign, shaped = function.sign, function.shaped
        result = OptimizeResult(
            x=shaped(self.point.params),
            fun=sign * self.value,
            jac=shaped(sign * self.point.gradient),
            nit=self.n_iter,
            **function.counts,
            status=STATUS[self.reason],
            success=self.reason == "converged" or (self.reason == "max_iter" and self.arguments.tol is None),
            message=self.message,
            learning_rate=self.rate,
        )
        if self.arguments.return_path:
            shape = (len(self.watch.path), *function.shape)
            result.path = np.array(self.watch.path).reshape(shape)
            result.fun_path = sign * np.array(self.watch.values)
        return result


def _training_from(start: np.ndarray, plan: Plan) -> Training:
    everywhere = np.ones(start.size)  # decoupled decay of weights takes all variables
    state = new_state(start, plan.n_slots, FLOAT64, everywhere, everywhere)
    return Training(plan.optimizer, state, new_progress(seed=1), plan.learning_rate)


def leave(run: FunctionRun) -> None:
    """Say that nobody has looked around where a criterion was met."""
    if run.reason in ("converged", "rounding"):
        run.reason = "unseen"
        run.message += " Whether it is a minimum was not looked at: another start has led lower."
