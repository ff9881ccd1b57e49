"""One descent on a function: what minimize makes one or several of."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from .._auto.advice import rate_that_works
from .._auto.function import decide
from .._kernels.constants import DIVERGENCE_FACTOR, IMMENSE
from .._kernels.structures import FLOAT64
from .._solvers.driver import Driver
from .._solvers.plan import Plan
from .._solvers.training import Training, new_progress, new_state
from .function import Function, FunctionObjective, Point
from .searches import rate_on
from .solvers import SOLVERS, FunctionLineSearch, RuleDescent
from .surroundings import Surroundings

STATUS = {"converged": 0, "max_iter": 1, "diverged": 2, "no minimum": 3, "rounding": 4, "callback": 99}  # 99: SciPy's


class FunctionRun:
    """One descent from one start: how it goes, why it ended, what is told about it."""

    def __init__(self, function: Function, start: np.ndarray, arguments: Any):
        self.function, self.start, self.arguments = function, start, arguments
        self.objective = FunctionObjective(function)
        self.callback = arguments.callback
        self.takes_result = _parameters_of(self.callback) == ["intermediate_result"]
        self.params, self.value, self.gradient = start, np.nan, np.full(start.size, np.nan)
        self.allowed = 0.0  # that the criterion may leave of the function
        self.path: list[np.ndarray] = []  # the last two points, or all if asked for
        self.values: list[float] = []
        self.n_iter = 0
        self.rate: float | None = None  # None for a line search
        self.reason, self.message = "max_iter", ""

    # -- how it goes

    def begin(self) -> None:
        """Evaluate the function at the start; what it raises there passes through."""
        self.objective.begin(self.start)
        self.path, self.values = [self.start], [self.objective.first.value]

    def fail(self, error: Exception) -> None:
        """Say that it can't begin."""
        self.reason, self.message = "diverged", f"No start: {type(error).__name__}: {error}"

    def run(self) -> None:
        """Descend; nothing is printed and nobody warned."""
        objective, arguments, first = self.objective, self.arguments, self.objective.first.value
        plan = decide(arguments, lambda: rate_on(objective))
        training = self._training(plan)
        solver, beginning = self._descend(training, plan)
        self.n_iter, self.rate = training.epochs, _rate_of(training, plan)
        endless = first - objective.best.value > IMMENSE * max(abs(first), 1.0)
        # wherever the line search looked
        lost = solver.idle and not np.isfinite(objective.last.value) and not endless
        self.params, self.value, self.gradient = objective.evaluate(training.params)
        grown = not self.value <= DIVERGENCE_FACTOR * max(abs(first), 1.0)  # in the very last iteration
        self.reason = training.stop_reason
        if self.reason == "diverged" or lost or grown:
            self.params, self.value, self.gradient = objective.best
            if self.reason != "callback":  # which may well have stopped it for that
                self.reason = "diverged"
                self.message = self._divergence_in_words(self._advised_rate(training, plan, beginning))
                return
        criterion, tol = arguments.criterion, arguments.tol
        if solver.idle and criterion == "gradient" and np.abs(self.gradient).max() > (tol or 0.0):
            self.reason = "rounding"
        if criterion == "objective":
            self.allowed = (tol or 0.0) * abs(self.value)
        self.message = self._in_words(solver.idle, tol, criterion)

    def _training(self, plan: Plan) -> Training:
        everywhere = np.ones(self.start.size)  # decoupled decay of weights takes all variables
        state = new_state(self.start, plan.optimizer, FLOAT64, everywhere, everywhere)
        return Training(plan.optimizer, state, new_progress(seed=1), plan.learning_rate)

    def _descend(self, training: Training, plan: Plan) -> tuple[RuleDescent | FunctionLineSearch, Training | None]:
        """Descend; the solver, and what other rates may be tried from."""
        solver = SOLVERS[plan.solver](training, plan, self.objective)
        driver = Driver(training, plan, self.objective, watched=True, solver=solver)
        for _ in driver.run():
            self._look(driver)
        return solver, driver.beginning if plan.solver == "rule" else None

    def _advised_rate(self, training: Training, plan: Plan, beginning: Training | None) -> float | None:
        def train(training, plan):
            probe = copy.copy(self.objective)
            solver = SOLVERS[plan.solver](training, plan, probe)
            return Driver(training, plan, probe, solver=solver).train()

        try:
            return rate_that_works(training, plan, beginning, train)
        except ValueError:  # the function fails where it began, too, by now
            return None

    def _look(self, driver: Driver) -> None:
        """After every iteration: remember where it has led to, and tell whoever wants to know, who may stop it."""
        point = self.objective.evaluate(driver.training.params)
        if not self.arguments.return_path:
            del self.path[:-1], self.values[:-1]
        self.path.append(point.params)
        self.values.append(point.value)
        if self.callback is not None and self._is_stopped_at(point, driver):
            driver.stop("callback")

    def _is_stopped_at(self, point: Point, driver: Driver) -> bool:
        """Call back, with arrays that are nobody else's: whether that is to be the end, by True or StopIteration."""
        shaped, sign = self.function.shaped, self.function.sign
        x = shaped(point.params.copy())
        try:
            if not self.takes_result:
                answer = self.callback(x)
            else:
                told = OptimizeResult(
                    x=x,
                    fun=sign * point.value,
                    jac=shaped(sign * point.gradient),
                    nit=driver.training.epochs,
                    learning_rate=_rate_of(driver.training, driver.plan),
                )
                answer = self.callback(intermediate_result=told)
        except StopIteration:
            return True
        return isinstance(answer, bool | np.bool_) and bool(answer)  # others return what they like, as x itself

    @property
    def step(self) -> float:
        """Largest change of a variable in the last iteration."""
        return float(np.abs(self.path[-1] - self.path[-2]).max()) if self.n_iter else np.inf

    def verify(self) -> None:
        """Look around where a criterion was met, whether it is a minimum."""
        if self.reason not in ("converged", "rounding", "diverged") or not np.isfinite(self.value):
            return
        surroundings = Surroundings(self.objective, self.params, self.value, self.gradient, self.start)
        if self.reason == "diverged":
            if not self.function.differentiates and surroundings.contradict_gradient():
                self.message += " But jac isn't the gradient of the function, by finite differences there."
            return
        wrong = surroundings.what_is_wrong(self.objective.first.value - self.value, self.allowed)
        if wrong:
            extremum = "minimum" if self.function.sign > 0 else "maximum"
            why = self.message.partition(": ")[2].removesuffix(".")
            self.reason = "no minimum"
            self.message = f"Stopped at what is no {extremum}: {wrong}. Why there: {why}."

    # -- what is told about it

    def _in_words(self, idle: bool, tol: float | None, criterion: str) -> str:
        """Why the descent ended."""
        largest = float(np.abs(self.gradient).max())
        if self.reason == "callback":
            return f"Ended by the callback after {self.n_iter} iterations."
        if self.reason == "max_iter":
            last = f"the last step was {self.step:.2g}, the largest entry of the gradient is {largest:.2g}"
            if tol is None:
                return f"All max_iter={self.n_iter} iterations were made, as tol=None asks for; {last}."
            return f"All max_iter={self.n_iter} iterations were made; {last}; tol={tol} ({criterion}) was not met."
        if idle:
            end = "Converged" if self.reason == "converged" else f"Stopped before the gradient was within tol={tol}"
            turn = "decreases" if self.function.sign > 0 else "increases"
            return (
                f"{end}: no step {turn} the function any further, as far as rounding shows; the largest entry of the "
                f"gradient is {largest:.2g}."
            )
        return {
            "step": f"Converged: the last step, {self.step:.2g}, is within tol={tol}.",
            "gradient": f"Converged: the largest entry of the gradient, {largest:.2g}, is within tol={tol}.",
            "objective": f"Converged: what the function is expected to change by is within tol={tol} times its value.",
        }[criterion]

    def _divergence_in_words(self, rate_that_works: float | None) -> str:
        trouble = self.objective.trouble
        what = trouble or "the function grew a million times as large as at the start"
        given = self.arguments.learning_rate != "auto" and self.rate is not None  # not by a line search
        rate = f" with learning_rate={self.rate:.3g}" if given else ""
        end = "Ended" if trouble else "Diverged"
        message = f"{end} in iteration {self.n_iter}{rate}: {what}. x is the best point before."
        if rate_that_works is not None:
            message += f" learning_rate={rate_that_works:.2g} would work, and so would learning_rate='auto'."
        return message

    def result(self) -> OptimizeResult:
        """What is told to the user."""
        function = self.function
        sign, shaped = function.sign, function.shaped
        result = OptimizeResult(
            x=shaped(self.params),
            fun=sign * self.value,
            jac=shaped(sign * self.gradient),
            nit=self.n_iter,
            **function.counts,
            status=STATUS[self.reason],
            success=self.reason == "converged" or (self.reason == "max_iter" and self.arguments.tol is None),
            message=self.message,
            learning_rate=self.rate,
        )
        if self.arguments.return_path:
            shape = (len(self.path), *function.shape)
            result.path = np.array(self.path).reshape(shape)
            result.fun_path = sign * np.array(self.values)
        return result


def _rate_of(training: Training, plan: Plan) -> float | None:
    return training.learning_rate if plan.solver == "rule" else None


def _parameters_of(function: Callable | None) -> list[str]:
    if function is None:
        return []
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some that are written in C
        return []
