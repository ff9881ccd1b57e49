"""Checkpoints of a fit."""

import collections
import os
import pathlib
import threading
import time
from datetime import timedelta
from numbers import Integral
from typing import Any

from .._warnings import warn_user
from .._watch import files
from ._base import FitCallback


class Checkpoint(FitCallback):
    """Keeps a fit in a file while it lasts, so that it can go on wherever it was cut short.

    ``estimator.resume(path, X, y)`` goes on from there, in another process perhaps, and ends with the same bits as the
    fit would have that was never interrupted. A checkpoint is written beside the file and takes its place when it is
    whole: whatever happens, the last good one stays. It is written in the background, and holds arrays, numbers and
    strings alone, nothing that could be executed. One that can't be written is warned of, and the fit goes on.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; its folder must exist. Each fit has one of its own: in a grid search they would write over each other.
    every : int or datetime.timedelta, default=1
        Epochs between two checkpoints, positive, or the time. The end of the fit has one in any case.
    keep : int, default=1
        How many to keep, positive. The file is the last one; earlier ones stand beside it, with the epoch in their
        names: ``fit.npz``, ``fit-000020.npz``, ``fit-000010.npz``.

    Raises
    ------
    ValueError
        If ``every`` or ``keep`` is out of range.
    TypeError
        If it is set on an estimator that isn't skgd's.

    See Also
    --------
    skgd.GDLinearRegressor.resume : goes on from a checkpoint.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "fit.npz"
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.callbacks import Checkpoint
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDLinearRegressor(optimizer="adam", random_state=0).set_callbacks(Checkpoint(path, every=10))
    >>> again = GDLinearRegressor(optimizer="adam", random_state=0)
    >>> bool((model.fit(X, y).coef_ == again.resume(path, X, y).coef_).all())
    True
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike, *, every: int | timedelta = 1, keep: int = 1):
        if not (_is_count(every) or (isinstance(every, timedelta) and every > timedelta(0))):
            raise ValueError(f"every={every!r} must be a positive integer or timedelta")
        if not _is_count(keep):
            raise ValueError(f"keep={keep!r} must be a positive integer")
        if not pathlib.Path(path).name or "\0" in os.fspath(path):
            raise ValueError(f"path={path!r} must be the name of a file")
        self.path: str | os.PathLike = path
        self.every, self.keep = every, keep
        super().__init__()

    def _begin(self, estimator: Any) -> "Writer":
        # where it leads now, whatever folder is the current one later
        return Writer(pathlib.Path(self.path).resolve(), self.keep)

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Keep the fit as it is, if it is time to, or the end."""
        run, writer = estimator._run, self._record(estimator)
        n_epochs, now = run.driver.training.epochs, time.monotonic()
        if context.max_subtasks == 0:  # an epoch
            by_time = isinstance(self.every, timedelta)
            early = now - writer.last < self.every.total_seconds() if by_time else n_epochs % self.every  # type: ignore
            if early:
                return
        writer.last = now
        writer.write(run.state(), n_epochs)


def _is_count(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) > 0


class Writer:
    """Writes checkpoints of one fit in the background; of those that come while it writes, the last one."""

    def __init__(self, path: pathlib.Path, keep: int):
        self.path, self.keep = path, keep
        self.last = time.monotonic()  # when there was one
        self.condition = threading.Condition()
        self.waiting: tuple[dict, int] | None = None
        self.busy = False
        self.error: Exception | None = None
        self.warned = False
        self.kept: collections.deque[pathlib.Path] = collections.deque()  # under names with epochs, the oldest first
        files.clean_up(path)

    def write(self, state: dict, n_epochs: int) -> None:
        """Have a state written."""
        with self.condition:
            self.waiting = state, n_epochs
            starts, self.busy = not self.busy, True
        if starts:
            try:
                threading.Thread(target=self._write_all, name="skgd-checkpoint").start()
            except RuntimeError:  # the system has no more threads
                self._write_all()
        self._warn()

    def end(self, estimator: Any) -> None:
        """Wait until all is written."""
        with self.condition:
            self.condition.wait_for(lambda: not self.busy)
        self._warn()

    def _write_all(self) -> None:
        while True:
            with self.condition:
                if self.waiting is None:
                    self.busy = False
                    self.condition.notify_all()
                    return
                (state, n_epochs), self.waiting = self.waiting, None
            try:
                files.write(self.path, state)
                self._keep(n_epochs)
            except Exception as error:  # whatever it is, no checkpoint is worth a fit
                self.error = error

    def _keep(self, n_epochs: int) -> None:
        """Give the newest a second name, and remove the oldest of those that this fit has made."""
        if self.keep == 1:
            return
        numbered = self.path.with_name(f"{self.path.stem}-{n_epochs:06d}{self.path.suffix}")
        numbered.unlink(missing_ok=True)
        files.copy(self.path, numbered)
        if numbered in self.kept:
            self.kept.remove(numbered)
        self.kept.append(numbered)
        while len(self.kept) > self.keep:
            self.kept.popleft().unlink(missing_ok=True)

    def _warn(self) -> None:
        """Warn of the first checkpoint that couldn't be written; from the fit's own thread, where it is seen."""
        if self.error is not None and not self.warned:
            self.warned = True
            reason = str(self.error) or type(self.error).__name__
            warn_user(
                f"no checkpoint could be written to {self.path}, and the fit goes on: {reason}. The last good one "
                "stays",
                UserWarning,
            )
