"""What `verbose` prints of a fit."""

import time

from .._solvers.driver import Driver
from .._solvers.training import Training

PARTS = 10  # of all epochs a line each, and before the first of them at 1, 2, 5, 10, 20, 50, ...
FEW_EPOCHS = 20  # up to here a line for each
WORDS = {"max_iter": "all epochs done", "early_stopping": "stopped early", "callback": "stopped by a callback"}


class Printer:
    """Prints how trainings go: some twenty lines for each, or one an epoch."""

    def __init__(self, verbose: int, n_starts: int):
        self.every_epoch, self.n_starts = verbose > 1, n_starts
        self.began: dict[int, float] = {}
        self.first: dict[int, tuple[float, int]] = {}  # seconds and epochs of each training's first line

    def begin(self, driver: Driver) -> None:
        """Look at the clock."""
        self.began[driver.number] = time.perf_counter()

    def see(self, driver: Driver) -> None:
        """Print where training stands, if it is time to."""
        n_done, n_epochs = driver.training.epochs - driver.first_epoch, driver.plan.max_iter
        if not (self.every_epoch or is_due(n_done, n_epochs)):
            return
        last, seconds = str(driver.last_epoch), self._seconds(driver)
        what = f"epoch {driver.training.epochs:{len(last)}d}/{last}  {_objectives(driver.training)}"
        rate = driver.learning_rate
        if rate is not None:
            what += f"  rate {rate:.3g}"
        what += f"  {seconds:.1f} s"
        before, n_before = self.first.setdefault(driver.number, (seconds, n_done))
        if n_done > n_before:  # the first epochs had much to prepare
            left = (seconds - before) / (n_done - n_before) * (n_epochs - n_done)
            what += f", at most {left:.1f} s to go"
        self._print(driver, what)

    def end(self, driver: Driver) -> None:
        """Print why training ended."""
        self._print(driver, f"{in_words(driver.training)}  {self._seconds(driver):.1f} s")

    def _seconds(self, driver: Driver) -> float:
        return time.perf_counter() - self.began[driver.number]

    def _print(self, driver: Driver, line: str) -> None:
        if self.n_starts > 1:
            line = f"start {driver.number + 1}/{self.n_starts}  {line}"
        print(line, flush=True)


def is_due(n_done: int, n_epochs: int) -> bool:
    """Whether `verbose=1` has a line after so many epochs of so many."""
    part = -(-n_epochs // PARTS)
    if n_epochs <= FEW_EPOCHS or n_done % part == 0 or n_done == n_epochs:
        return True
    digits = str(n_done)
    return n_done < part and digits[0] in "125" and not digits[1:].strip("0")


def in_words(training: Training) -> str:
    """Why a training ended, and how good it is."""
    reason = training.stop_reason
    after = f"{WORDS.get(reason, reason)} after epoch {training.epochs}"
    return f"{after}  {_objectives(training)}" if len(training.losses) else after


def _objectives(training: Training) -> str:
    line = f"objective {training.losses.values[-1]:.6g}"
    if len(training.validation_losses):
        line += f"  validation {training.validation_losses.values[-1]:.6g}"
    return line
