"""Whoever watches a descent: its path, and the user's callback."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from .._solvers.driver import Driver
from .function import FunctionObjective, Point
from .table import Table


class Watch:
    """Remembers where a descent has led to, and tells whoever wants to know, who may stop it."""

    def __init__(
        self, objective: FunctionObjective, callback: Callable | None, keeps_path: bool, table: Table | None = None
    ):
        self.objective, self.keeps_path, self.table = objective, keeps_path, table
        self.callback: Any = callback
        self.takes_result = _parameters_of(callback) == ["intermediate_result"]
        self.path: list[np.ndarray] = []  # the last two points, or all if asked for
        self.values: list[float] = []

    def begin(self, point: Point) -> None:
        """It begins here."""
        self.path, self.values = [point.params], [point.value]
        if self.table is not None:
            self.table.begin(0, point)

    def see(self, driver: Driver, earlier: int) -> None:
        """After every iteration; there may have been earlier ones, of other drivers."""
        point = self.objective.evaluate(driver.training.params)
        if not self.keeps_path:
            del self.path[:-1], self.values[:-1]
        self.path.append(point.params)
        self.values.append(point.value)
        if self.table is not None:
            self.table.see(earlier + driver.training.epochs, point, rate_of(driver))
        if self.callback is not None and self._is_stopped_at(point, driver, earlier):
            driver.stop("callback")

    @property
    def step(self) -> float:
        """Largest change of a variable in the last iteration."""
        return float(np.abs(self.path[-1] - self.path[-2]).max()) if len(self.path) > 1 else np.inf

    def _is_stopped_at(self, point: Point, driver: Driver, earlier: int) -> bool:
        """Call back, with arrays that are nobody else's: whether that is to be the end, by True or StopIteration."""
        shaped, sign = self.objective.function.shaped, self.objective.function.sign
        x = shaped(point.params.copy())
        try:
            if not self.takes_result:
                answer = self.callback(x)
            else:
                told = OptimizeResult(
                    x=x,
                    fun=sign * point.value,
                    jac=shaped(sign * point.gradient),
                    nit=earlier + driver.training.epochs,
                    learning_rate=rate_of(driver),
                )
                answer = self.callback(intermediate_result=told)
        except StopIteration:
            return True
        return isinstance(answer, bool | np.bool_) and bool(answer)  # others return what they like, as x itself


def rate_of(driver: Driver) -> float | None:
    """The learning rate of the last step; None for a line search."""
    return driver.learning_rate if driver.plan.solver == "rule" else None


def _parameters_of(function: Callable | None) -> list[str]:
    if function is None:
        return []
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some that are written in C
        return []
