"""What `verbose` prints of a fit."""

from .._solvers.driver import Driver
from .words import Clock, ending, in_words, last_losses

PARTS = 10  # of all epochs a line each, and before the first of them at 1, 2, 5, 10, 20, 50, ...
FEW_EPOCHS = 20  # up to here a line for each


class Printer:
    """Prints how trainings go: some twenty lines for each, or one an epoch."""

    def __init__(self, verbose: int, n_trainings: int, kind: str):
        self.every_epoch, self.n_trainings, self.kind = verbose > 1, n_trainings, kind
        self.clocks: dict[int, Clock] = {}

    def begin(self, driver: Driver) -> None:
        """Look at the clock."""
        self.clocks[driver.number] = Clock()

    def see(self, driver: Driver) -> None:
        """Print where training stands, if it is time to."""
        clock, last = self.clocks[driver.number], str(driver.last_epoch)
        clock.see(driver)
        if not (self.every_epoch or is_due(driver.training.epochs - driver.first_epoch, driver.plan.max_iter)):
            return
        rate = driver.learning_rate
        words = [f"epoch {driver.training.epochs:{len(last)}d}/{last}", *in_words(last_losses(driver))]
        words += [] if rate is None else [f"rate {rate:.3g}"]
        self._print(driver, "  ".join([*words, clock.to_go(driver)]))

    def end(self, driver: Driver) -> None:
        """Print why training ended."""
        self._print(driver, f"{ending(driver)}  {self.clocks[driver.number].so_far}")

    def _print(self, driver: Driver, line: str) -> None:
        if self.n_trainings > 1:
            line = f"{self.kind} {driver.number + 1}/{self.n_trainings}  {line}"
        print(line, flush=True)


def is_due(n_done: int, n_epochs: int) -> bool:
    """Whether `verbose=1` has a line after so many epochs of so many."""
    part = -(-n_epochs // PARTS)
    if n_epochs <= FEW_EPOCHS or n_done % part == 0 or n_done == n_epochs:
        return True
    digits = str(n_done)
    return n_done < part and digits[0] in "125" and not digits[1:].strip("0")
