"""A picture of a fit while it lasts."""

import os
import time
from numbers import Real
from typing import Any

import numpy as np

from .._solvers.driver import Driver
from .._warnings import warn_user
from .._watch.run import Run
from .._watch.words import Clock, in_words, last_losses
from ..plotting._progress import Progress, draw_progress
from ..plotting._runs import how_it_ended
from ..plotting._screen import Screen
from ._base import FitCallback

SHARE = 0.05  # of the time that drawing may take


class LossPlot(FitCallback):
    """Draws a fit while it lasts: losses on training and validation rows, the learning rate, where it stands.

    In a notebook the picture is in the cell's output; in a script or a terminal, where matplotlib has a window, in a
    window; elsewhere in a file. It is drawn again in place, at most as often as ``seconds`` says and so seldom that it
    takes at most a twentieth of the time, and once more when the fit has ended, however it did. Of several random
    starts all are drawn, thin; thick is the one that was trained last, and in the end the best one.

    One ``LossPlot`` has one picture. Fits of one after another, as in a search, draw it over, each cell of a notebook
    has its own. Worker processes, as a search has with ``n_jobs``, draw only into a file whose name is given. A window
    stays open after the fit, until the program ends or ``matplotlib.pyplot.show()`` returns; only the main thread draws
    in it. A picture that can't be drawn or written is warned of, and the fit goes on.

    Parameters
    ----------
    path : str or pathlib.Path, default=None
        File for the picture, a PNG; None: ``loss.png`` where there is neither a notebook nor a window, otherwise none.
    seconds : float, default=1.0
        Time between two drawings, at least 0.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The last picture that was drawn in this process; None before.

    Raises
    ------
    ValueError
        If ``seconds`` is no number of at least 0.
    ImportError
        If matplotlib is missing when a fit begins.
    TypeError
        If it is set on an estimator that isn't skgd's.

    See Also
    --------
    skgd.plotting.LossCurveDisplay : the losses of fitted estimators.
    EpochLogger : the same as a table.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDMLPRegressor
    >>> from skgd.callbacks import LossPlot
    >>> X, y = load_diabetes(return_X_y=True)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "loss.png"
    >>> plot = LossPlot(path)
    >>> model = GDMLPRegressor(early_stopping=True, random_state=0)
    >>> model = model.set_callbacks(plot).fit(X, y)
    >>> path.exists()
    True
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike | None = None, *, seconds: float = 1.0):
        if path is not None:
            os.fspath(path)
        if not (isinstance(seconds, Real) and 0 <= seconds < np.inf):
            raise ValueError(f"seconds={seconds!r} must be a number, at least 0")
        self.path: str | os.PathLike | None = path
        self.seconds: float = seconds
        self._screen: Screen = Screen(path)
        super().__init__()

    @property
    def figure_(self) -> Any:
        """The last picture."""
        return self._screen.figure

    def _begin(self, estimator: Any) -> "View":
        self._screen.look_around()
        return View(type(estimator).__name__, self._screen, self.seconds)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """See which start, or member, it is."""
        if estimator._run is not None:  # not the fit itself
            self._record(estimator).run = estimator._run

    def __getstate__(self) -> dict:
        return super().__getstate__() | {"_screen": Screen(self.path)}


class View:
    """What has been seen of one fit."""

    def __init__(self, name: str, screen: Screen, seconds: float):
        self.name, self.screen, self.seconds = name, screen, seconds
        self.run: Run | None = None  # once the first training has begun
        self.began = time.perf_counter()
        self.due = self.began + seconds
        self.rates: dict[int, list[tuple[int, float | None]]] = {}  # of each start, with the number of the epoch
        self.clocks: dict[int, Clock] = {}  # of each start
        self.failed = False

    def see(self, driver: Driver) -> None:
        """Look at an epoch that has ended, unless it was cut short, and draw the fit as it is, if it is time to."""
        now, epoch = time.perf_counter(), driver.training.epochs
        rates = self.rates.setdefault(driver.number, [])
        if (rates and rates[-1][0] == epoch) or not epoch:
            return
        rates.append((epoch, driver.learning_rate))
        self.clocks.setdefault(driver.number, Clock(self.began)).see(driver)
        if now >= self.due:
            self._draw(driver, self._where_it_stands(driver))
            finished = time.perf_counter()
            self.due = finished + max(self.seconds, (finished - now) / SHARE)

    def end(self, estimator: Any) -> None:
        """Draw the fit as it has ended."""
        if self.run is None:
            return
        published = [driver for driver in self.run.drivers if driver.training is estimator.__dict__.get("_training")]
        driver = published[0] if published else self.run.driver
        how = how_it_ended(estimator) if published else "ended by an error"
        words = [*in_words(last_losses(driver)), Clock(self.began).so_far]
        self._draw(driver, f"{self._name(driver)}{how}\n{', '.join(words)}")

    def _draw(self, driver: Driver, title: str) -> None:
        if self.failed:
            return
        assert self.run is not None
        progress = Progress(
            title,
            [_epochs(each.training.losses.values, each) for each in self.run.drivers],
            self.run.drivers.index(driver),
            _epochs(_validation(driver), driver),
            _known(self.rates.get(driver.number, [])),
        )
        try:
            self.screen.show(lambda figure: draw_progress(figure, progress))
        except Exception as error:  # whatever it is, no picture is worth a fit
            self.failed = True
            warn_user(f"the picture of the fit can't be drawn, and the fit goes on: {error}", UserWarning)

    def _where_it_stands(self, driver: Driver) -> str:
        words = [*in_words(last_losses(driver)), self.clocks[driver.number].to_go(driver)]
        return f"{self._name(driver)}epoch {driver.training.epochs}/{driver.last_epoch}\n{', '.join(words)}"

    def _name(self, driver: Driver) -> str:
        assert self.run is not None
        several = len(self.run.drivers)
        return f"{self.name}, {driver.plan.kind} {driver.number + 1}/{several}: " if several > 1 else f"{self.name}: "


def _validation(driver: Driver) -> np.ndarray:
    """Losses on the validation rows, if there are any in this fit."""
    return driver.training.validation_losses.values if driver.problem.validation is not None else np.empty(0)


def _epochs(values: np.ndarray, driver: Driver) -> tuple[np.ndarray, np.ndarray]:
    """The values with the numbers of their epochs, of which the last has just ended."""
    last = driver.training.epochs
    return np.arange(last - len(values) + 1, last + 1), values


def _known(rates: list[tuple[int, float | None]]) -> tuple[np.ndarray, np.ndarray]:
    found = [(epoch, rate) for epoch, rate in rates if rate is not None]
    epochs, values = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return epochs, values
