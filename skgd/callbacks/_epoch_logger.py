"""The epochs of a fit as a table."""

import contextlib
import os
import pathlib
import time
from typing import Any

from .._solvers.driver import Driver
from .._warnings import warn_user
from .._watch.words import last_losses
from ._base import FitCallback

COLUMNS = "start", "epoch", "objective", "validation", "learning_rate", "seconds"


class EpochLogger(FitCallback):
    """Writes a line for every epoch of a fit to a CSV file, as soon as the epoch has ended.

    ``tail -f`` follows it, ``pandas.read_csv`` reads it. Its columns:

    - ``start``: number of the random start, from 1 on, where there are several;
    - ``epoch``: from 1 on; a fit with ``warm_start=True`` counts on;
    - ``objective``: on the training rows, as ``loss_curve_`` has it;
    - ``validation``: loss on the validation rows, as ``validation_curve_`` has it, empty where there are none;
    - ``learning_rate``: that the epoch began with, empty where a line search looks for the length of steps;
    - ``seconds``: since the fit began.

    Numbers have all their digits. A file that can't be written is warned of, and the fit goes on.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; its folder must exist.
    append : bool, default=False
        Whether lines are added to those that are there, as for a fit that goes on. Otherwise every fit begins the file
        anew: after a search it is that of the best estimator, which is fitted last. Fits that run at the same time mix
        their lines, each of which is whole.

    Raises
    ------
    TypeError
        If it is set on an estimator that isn't skgd's.

    See Also
    --------
    LossPlot : draws it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.callbacks import EpochLogger
    >>> X, y = load_diabetes(return_X_y=True)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "fit.csv"
    >>> logger = EpochLogger(path)
    >>> model = GDLinearRegressor(optimizer="adam", max_iter=10, tol=None, random_state=0)
    >>> model = model.set_callbacks(logger).fit(X, y)
    >>> len(path.read_text().splitlines())
    11
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike, *, append: bool = False):
        os.fspath(path)
        self.path, self.append = path, append
        super().__init__()

    def _begin(self, estimator: Any) -> "Log":
        return Log(pathlib.Path(self.path), self.append)


class Log:
    """The lines of one fit."""

    def __init__(self, path: pathlib.Path, append: bool):
        self.path, self.began, self.file = path, time.perf_counter(), None
        self.epochs: dict[int, int] = {}  # of each start that have been written
        try:
            if not append:
                path.open("w").close()
            # every line goes to the end as it is then, whoever writes there, too
            self.file = path.open("a", buffering=1, encoding="utf-8", newline="\n")
            if os.fstat(self.file.fileno()).st_size == 0:
                self.file.write(",".join(COLUMNS) + "\n")
        except OSError as error:
            self._give_up(error)

    def see(self, driver: Driver) -> None:
        """Write the last epoch, unless it was cut short."""
        training = driver.training
        if self.file is None or self.epochs.get(driver.number) == training.epochs or not len(training.losses):
            return
        self.epochs[driver.number] = training.epochs
        losses = last_losses(driver)
        numbers = losses["objective"], losses.get("validation"), driver.learning_rate
        words = ["" if number is None else repr(float(number)) for number in numbers]
        words = [str(driver.number + 1), str(training.epochs), *words, f"{time.perf_counter() - self.began:.6f}"]
        try:
            self.file.write(",".join(words) + "\n")
        except OSError as error:
            self._give_up(error)

    def end(self, estimator: Any = None) -> None:
        """Close the file."""
        file, self.file = self.file, None
        if file is not None:
            with contextlib.suppress(OSError):  # of a disk that was full before
                file.close()

    def _give_up(self, error: OSError) -> None:
        self.end()
        warn_user(f"the epochs can't be written to {self.path}, and the fit goes on: {error}", UserWarning)
