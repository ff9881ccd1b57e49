"""A fit in progress, as whoever watches it sees it."""

import threading
from collections.abc import Sequence
from typing import Any, Protocol

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

    def __init__(self, drivers: Sequence[Driver], watchers: Sequence[Watcher], description: Any = None):
        self.drivers, self.watchers, self.description = drivers, watchers, description
        self.driver = drivers[0]
        self.states: list[dict | None] = [None] * len(drivers)  # that somebody asked for last
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
        self.states[self.driver.number] = self.driver.state()
        return self.description() | {"drivers": list(self.states)}

    def _tell(self, what: str, driver: Driver) -> list:
        with self.lock:
            self.driver = driver
            try:
                return [getattr(watcher, what)(driver) for watcher in self.watchers]
            except Exception as error:
                self.error = error
                raise
