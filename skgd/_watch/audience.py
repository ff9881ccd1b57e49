"""Who watches a fit."""

from collections.abc import Callable
from typing import Any

from .._solvers.driver import Driver
from .printing import Printer
from .run import Run
from .tasks import Tasks


def audience_of(
    estimator: Any, drivers: list[Driver], tasks: Tasks | None, description: Callable[[], dict]
) -> Run | None:
    """Whoever watches; None: nobody."""
    watchers: list[Any] = []
    if estimator.verbose:
        watchers.append(Printer(int(estimator.verbose), len(drivers), drivers[0].plan.kind))
    if tasks is not None:
        watchers.append(tasks)
    if estimator._watch is not None and len(drivers) == 1:
        watchers.append(Onlooker(estimator))
    if not watchers:
        return None
    run = Run(drivers, watchers, description)
    if tasks is not None:
        estimator._run = run
    return run


class Onlooker:
    """Shows the estimator itself, as far as it has been fitted, to who has asked for it."""

    def __init__(self, estimator: Any):
        self.estimator = estimator

    def begin(self, driver: Driver) -> None:
        pass

    def see(self, driver: Driver) -> object:
        self.estimator._publish(driver.training)
        return self.estimator._watch(self.estimator)

    def end(self, driver: Driver) -> None:
        pass
