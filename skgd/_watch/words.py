"""How a training stands, in the words of all who tell of it."""

import time

from .._solvers.driver import Driver

WORDS = {"max_iter": "all epochs done", "early_stopping": "stopped early", "callback": "stopped by a callback"}


class Clock:
    """Tells how long a training has taken, and how long it may still take."""

    def __init__(self, began: float | None = None):
        self.began = time.perf_counter() if began is None else began
        self.first: tuple[float, int] | None = None  # time and number of the first epoch, which had much to prepare

    def see(self, driver: Driver) -> None:
        """Take note of an epoch that has ended."""
        if self.first is None:
            self.first = time.perf_counter(), driver.training.epochs

    @property
    def so_far(self) -> str:
        """How long it has taken."""
        return f"{time.perf_counter() - self.began:.1f} s"

    def to_go(self, driver: Driver) -> str:
        """The same, and how much is to come at most, as soon as that can be told."""
        epoch = driver.training.epochs
        if self.first is None or epoch == self.first[1]:
            return self.so_far
        then, first = self.first
        left = (time.perf_counter() - then) / (epoch - first) * (driver.last_epoch - epoch)
        return f"{self.so_far}, at most {left:.1f} s to go"


def last_losses(driver: Driver) -> dict[str, float]:
    """Objective and loss on validation rows after the last epoch, so far as there are any in this fit."""
    training = driver.training
    curves = {"objective": training.losses}
    if driver.problem.validation is not None:
        curves["validation"] = training.validation_losses
    return {name: float(curve.values[-1]) for name, curve in curves.items() if len(curve)}


def in_words(losses: dict[str, float]) -> list[str]:
    """Losses with their names."""
    return [f"{name} {loss:.6g}" for name, loss in losses.items()]


def ending(driver: Driver) -> str:
    """Why a training ended, and how good it is."""
    reason = driver.training.stop_reason
    return "  ".join(
        [f"{WORDS.get(reason, reason)} after epoch {driver.training.epochs}", *in_words(last_losses(driver))]
    )
