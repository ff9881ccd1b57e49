"""A fit in progress, as whoever watches it sees it."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from .._solvers.driver import Driver


class Watcher(Protocol):
    """One who watches."""

    def begin(self, driver: Driver) -> object:
        """A training begins."""

    def see(self, driver: Driver) -> object:
        """An epoch has ended; what is true ends the training."""

    def end(self, driver: Driver) -> object:
        """A training has ended."""


class Run:
    """The audience of a fit: tells its watchers, one after the other, whichever threads the trainings are in.

    Meanwhile `driver` is the one that they are told of.
    """

    def __init__(self, drivers: Sequence[Driver], watchers: Sequence[Watcher], describe: Callable[[], dict]):
        self.drivers, self.watchers, self.describe = drivers, watchers, describe
        self.description: dict | None = None  # of the fit, for checkpoints: made once, as it takes a look at the data
        self.driver = drivers[0]
        # of each training, as it was when somebody asked for it last
        self.states = [driver.state() if driver.begun else None for driver in drivers]
        self.lock = threading.RLock()
        self.error: Exception | None = None

    def begin(self, driver: Driver) -> None:
        """Tell that a training begins."""
        self._tell("begin", driver)

    def see(self, driver: Driver) -> bool:
        """Tell that an epoch has ended; whether somebody wants the training to end."""
        return any(self._tell("see", driver))

    def end(self, driver: Driver) -> None:
        """Tell that a training has ended."""
        self._tell("end", driver)

    def state(self) -> dict:
        """What is needed to go on from here: of the training that is being told of as it is, of others as last seen."""
        if self.description is None:
            self.description = self.describe()
        self.states[self.driver.number] = self.driver.state()
        return self.description | {"drivers": list(self.states)}

    def _tell(self, what: str, driver: Driver) -> list:
        with self.lock:
            self.driver = driver
            try:
                return [getattr(watcher, what)(driver) for watcher in self.watchers]
            except Exception as error:
                self.error = error
                raise
