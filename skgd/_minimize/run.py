"""One descent on a function: what minimize makes one or several of."""

import inspect
from collections.abc import Callable

import numpy as np
from scipy.optimize import OptimizeResult

from .._kernels.constants import DIVERGENCE_FACTOR, IMMENSE
from .._solvers.driver import Loop, Plan
from .._solvers.training import Training
from .._warnings import warn_user
from ..optimizers import Optimizer
from ..optimizers.sgd import descent_rule
from ..schedules import Constant, Schedule
from .function import FunctionObjective, LineSearch, one_row, rate_on, training_on
from .surroundings import Surroundings

PATIENCE = 5  # iterations for which a criterion must hold where a single one may meet it by chance
STATUS = {"converged": 0, "max_iter": 1, "diverged": 2, "no minimum": 3, "rounding": 4, "callback": 99}  # 99: SciPy's


class FunctionRun:
    """One descent from one start: how it goes, why it ended, what is told about it."""

    def __init__(
        self,
        objective: FunctionObjective,
        start: np.ndarray,
        optimizer: Optimizer,
        learning_rate: float | str,
        callback: Callable | None,
        keeps_path: bool,
    ):
        self.objective, self.start, self.optimizer = objective, start, optimizer
        self.given_rate, self.callback, self.keeps_path = learning_rate, callback, keeps_path
        self.takes_result = callback is not None and _parameters_of(callback) == ["intermediate_result"]
        self.params, self.value, self.gradient = start, np.nan, np.full(start.size, np.nan)
        self.first_value = np.nan
        self.allowed = 0.0  # that the criterion may leave of the function
        self.path: list[np.ndarray] = []
        self.values: list[float] = []
        self.n_iter, self.step = 0, np.inf
        self.rate: float | None = None
        self.reason, self.message = "max_iter", ""

    # -- how it goes

    def run(self, schedule: Schedule | Callable, max_iter: int, tol: float | None, criterion: str) -> None:
        """Descend; nothing is printed and nobody warned."""
        objective, start = self.objective, self.start
        assert objective.best is not None
        first_value = self.first_value = float(objective.value[0])
        self.path, self.values = [start], [first_value]
        is_auto = isinstance(self.given_rate, str)
        rate, self.optimizer = self._rate(schedule)
        by_line_search = self.optimizer.searches_line
        textbook = not is_auto and self.optimizer.n_slots == 0
        plan = Plan(
            batch_size=1,
            max_iter=max_iter,
            alpha=0.0,
            schedule=schedule,
            backs_off=is_auto and self.optimizer.learning_rate is None,
            safe_rate=lambda: None,
            constant=np.array([first_value]),
            tol=tol,
            criterion=criterion,
            n_iter_no_change=1 if textbook else PATIENCE,
            watch=self._look,
        )
        training = training_on(objective, self.optimizer, rate, start)
        loop = Loop(training, plan, one_row())
        beginning = loop.begin()
        loop.train()
        self.n_iter, self.rate = training.epochs, None if by_line_search else training.learning_rate
        idle = getattr(loop.method, "idle", False)
        endless = first_value - objective.best[1] > IMMENSE * max(abs(first_value), 1.0)
        lost = idle and not np.isfinite(objective.value[0]) and not endless  # wherever the line search looked
        self.params = training.params.copy()
        self.value, self.gradient = objective(self.params)
        grown = not self.value <= DIVERGENCE_FACTOR * max(abs(first_value), 1.0)  # in the very last iteration
        self.reason = "diverged" if lost or grown else training.stop_reason
        if self.reason == "diverged":
            self.params, self.value, self.gradient = objective.best
            self.message = self._divergence_in_words(self._advised_rate(loop, beginning))
            return
        if idle and criterion == "gradient" and np.abs(self.gradient).max() > (tol or 0.0):
            self.reason = "rounding"
        if criterion == "objective":
            self.allowed = (tol or 0.0) * abs(self.value)
        self.message = self._in_words(idle, tol, criterion)

    def _advised_rate(self, loop: Loop, beginning: Training | None) -> float | None:
        try:
            return loop.rate_that_works(beginning)
        except ValueError:  # the function fails where it began, too, by now
            return None

    def _rate(self, schedule: Schedule | Callable) -> tuple[float, Optimizer]:
        """The learning rate, and the optimizer, in whose place there may be a line search."""
        optimizer = self.optimizer
        if not isinstance(self.given_rate, str):
            if optimizer.learning_rate not in (None, self.given_rate):
                warn_user(f"learning_rate={self.given_rate} is used, not that of optimizer={optimizer}", UserWarning)
            given = float(self.given_rate)
            return given, optimizer.set_params(learning_rate=given) if optimizer.searches_line else optimizer
        if optimizer.learning_rate is not None:
            return float(optimizer.learning_rate), optimizer
        if optimizer.rule is descent_rule and isinstance(schedule, Constant):
            return 1.0, LineSearch()
        rate = rate_on(self.objective, self.start) if optimizer.steps_with_gradient else None
        return (optimizer.default_learning_rate if rate is None else rate), optimizer

    def _look(self, training: Training) -> bool:
        """After every iteration: remember where it has led to, and tell whoever wants to know; whether to stop."""
        params = training.params.copy()
        self.objective.evaluate(params)
        value = float(self.objective.value[0])
        self.step = float(np.abs(params - self.path[-1]).max())
        if not self.keeps_path:
            self.path, self.values = [], []
        self.path.append(params)
        self.values.append(value)
        if self.callback is None:
            return False
        x, fun = self.objective.shaped(params.copy()), self.objective.sign * value
        try:
            if self.takes_result:
                self.callback(intermediate_result=OptimizeResult(x=x, fun=fun))
            else:
                self.callback(x)
        except StopIteration:
            return True
        return False

    def verify(self) -> None:
        """Look around where a criterion was met, whether it is a minimum."""
        if self.reason not in ("converged", "rounding", "diverged") or not np.isfinite(self.value):
            return
        surroundings = Surroundings(self.objective, self.params, self.value, self.gradient, self.start)
        if self.reason == "diverged":
            if not self.objective.differentiates and surroundings.contradict_gradient():
                self.message += " But jac isn't the gradient of the function, by finite differences there."
            return
        wrong = surroundings.what_is_wrong(self.first_value - self.value, self.allowed)
        if wrong:
            extremum = "minimum" if self.objective.sign > 0 else "maximum"
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
            return f"All max_iter={self.n_iter} iterations were made; {last}" + (
                "." if tol is None else f"; tol={tol} ({criterion}) was not met."
            )
        if idle:
            end = "Converged" if self.reason == "converged" else f"Stopped before the gradient was within tol={tol}"
            turn = "decreases" if self.objective.sign > 0 else "increases"
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
        rate = "" if isinstance(self.given_rate, str) else f" with learning_rate={self.rate:.3g}"
        end = "Ended" if trouble else "Diverged"
        message = f"{end} in iteration {self.n_iter}{rate}: {what}. x is the best point before."
        if rate_that_works is not None:
            message += f" learning_rate={rate_that_works:.2g} would work, and so would learning_rate='auto'."
        return message

    def result(self) -> OptimizeResult:
        """What is told to the user."""
        sign = self.objective.sign
        result = OptimizeResult(
            x=self.objective.shaped(self.params),
            fun=sign * self.value,
            jac=self.objective.shaped(sign * self.gradient),
            nit=self.n_iter,
            **self.objective.counts,
            status=STATUS[self.reason],
            success=self.reason == "converged",
            message=self.message,
            learning_rate=self.rate,
        )
        if self.keeps_path:
            shape = (len(self.path), *self.objective.shape)
            result.path = np.array(self.path).reshape(shape)
            result.fun_path = sign * np.array(self.values)
        return result


def _parameters_of(function: Callable) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some that are written in C
        return []
