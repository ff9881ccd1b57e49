"""The learning rate range test: one run in which the rate rises."""

import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from scipy.ndimage import gaussian_filter1d
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._docstrings import documented
from .._fit import problem_of
from .._warnings import warn_user
from ._checks import is_positive
from ._curves import informative_range, set_range
from ._docstrings import Displays
from ._objective import TrainingObjective, rows_of
from ._runs import of_one_network, with_rate
from ._style import COLORS, LIGHT_GREY, LINE_WIDTH, add_legend, axes_for, tidy

_MOST_ROWS = 20_000  # to train on
_MEASURED_ROWS = 1_000  # that the loss is measured on after every update
_FEWEST_UPDATES = 20
_LEAST_RATE, _LARGEST_RATE = 1e-100, 1e100  # beyond them axes overflow
_EXPLODED = 4.0  # times what had been gained, above the first loss: there is nothing to see behind
_SMOOTHING = 0.2  # decades of the learning rate: standard deviation of the Gaussian
# Measured on 63 fits, of linear models and networks by sgd, momentum and adam, on seven data sets: with other shares,
# or where the loss falls most steeply, more of them come near their optimum late or never.
_RISE = 0.02  # of what has been gained: above the least loss
_SHARE = 1 / 6


@documented(Displays)
class RangeTestDisplay:
    """Loss against a learning rate that rises in one run, with the rate to take.

    Smith's test: the rate rises geometrically, by the same factor with every update. While it is small nothing happens;
    then the loss falls, and beyond a largest rate it explodes.

    The loss is the objective on up to 1,000 rows, the same after each update. It is smoothed over the logarithm of the
    rate by a Gaussian with a standard deviation of 0.2 decades. The suggested rate is a sixth of the largest one before
    the smoothed loss rises again, by 2 % of what it has fallen. The largest one itself is too large to stay with, and
    where the loss falls most steeply, which is also advised, rates are too small more often than not.

    On 54 fits of linear models and networks by sgd, momentum and adam, of six data sets that played no part in this
    choice, no suggested rate diverged. Half of them came within 5 % of what the best of a grid of rates gained in at
    most 1.35 times its epochs, 80 % in three times as many; 7 never did.

    A short run can't see the noise that a constant rate leaves in the end: mini-batches of noisy data may need a
    smaller rate, or a schedule, for the last digits.

    Made by :meth:`LearningRateDisplay.from_range_test`, or from arrays.

    Parameters
    ----------
    learning_rates : ndarray of shape (n_updates,)
        Learning rates of the updates, ascending.
    losses : ndarray of shape (n_updates,)
        The loss after each.

    Attributes
    ----------
    suggested_rate_ : float
        The rate to take.
    smoothed_ : ndarray of shape (n_updates,)
        The smoothed losses, without what explodes.
    {ax_, figure_}
    line_ : matplotlib.lines.Line2D
        The losses.
    smoothed_line_ : matplotlib.lines.Line2D
        The smoothed losses.
    mark_ : matplotlib.lines.Line2D
        The suggested rate.

    References
    ----------
    Smith 2017, Cyclical learning rates for training neural networks, section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skgd import GDLogisticClassifier
    >>> from skgd.plotting import LearningRateDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> display = LearningRateDisplay.from_range_test(GDLogisticClassifier(optimizer="adam"), X, y)
    >>> 0.001 < display.suggested_rate_ < 1
    True
    """

    def __init__(self, learning_rates: np.ndarray, losses: np.ndarray):
        self.learning_rates = learning_rates
        self.losses = losses
        self.smoothed_ = smoothed(learning_rates, losses)
        self.suggested_rate_ = suggested_rate(learning_rates, self.smoothed_)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the losses and mark the suggested rate.

        Parameters
        ----------
        {ax, legend}

        Returns
        -------
        RangeTestDisplay
            The display itself.
        """
        own_axes, ax = ax is None, axes_for(ax)
        set_range(ax, *informative_range([np.asarray(self.losses)], "auto"))
        ax.set_xscale("log")
        looks: dict[str, Any] = {"color": LIGHT_GREY, "linewidth": 1.2}
        (self.line_,) = ax.plot(self.learning_rates, self.losses, label="after each update", **looks)
        looks = {"color": COLORS[0], "linewidth": LINE_WIDTH + 0.4}
        (self.smoothed_line_,) = ax.plot(self.learning_rates, self.smoothed_, label="smoothed", **looks)
        rate = self.suggested_rate_
        height = np.interp(np.log(rate), np.log(self.learning_rates), self.smoothed_)
        ax.axvline(rate, color=COLORS[1], linestyle="--", linewidth=1.2, zorder=1.5)
        looks = {"color": COLORS[1], "marker": "o", "markersize": 8, "linestyle": "none", "zorder": 5}
        (self.mark_,) = ax.plot([rate], [height], label=f"suggested rate: {rate:.2g}", **looks)
        tidy(ax)
        ax.set_xlabel("learning rate, rising with every update")
        ax.set_ylabel("objective on training rows")
        if legend:
            add_legend(ax, own_axes)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self


def smoothed(learning_rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Losses smoothed over the logarithm of the rate; those that explode are cut off before, they would spread."""
    losses = np.asarray(losses, dtype=np.float64)
    if len(losses) < 2:
        return losses
    step = np.log10(learning_rates[1] / learning_rates[0])
    highest = losses[0] + (losses[0] - losses.min() or abs(losses[0]))
    return gaussian_filter1d(np.minimum(losses, highest), _SMOOTHING / step, mode="nearest")


def suggested_rate(learning_rates: np.ndarray, losses: np.ndarray) -> float:
    """A share of the largest rate before the losses, smoothed, rise from their least value again."""
    lowest = int(np.argmin(losses))
    gained = losses[0] - losses[lowest]
    if gained <= 0:
        warn_user(
            f"the loss never fell: low={learning_rates[0]:.3g} is too large a rate already, or high="
            f"{learning_rates[-1]:.3g} too small",
            UserWarning,
        )
        return float(learning_rates[0])
    risen = np.append(losses[lowest:], np.inf) > losses[lowest] + _RISE * gained
    return float(learning_rates[lowest + int(np.argmax(risen)) - 1] * _SHARE)


def range_test(
    estimator: Any, X: Any, y: Any, low: float, high: float, n_updates: int, random_state: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Learning rates of the updates, and the loss after each, until it has exploded."""
    for name, rate in ("low", low), ("high", high):
        if not (is_positive(rate) and _LEAST_RATE <= rate <= _LARGEST_RATE):
            raise ValueError(f"{name}={rate!r} must be a number from {_LEAST_RATE} to {_LARGEST_RATE}")
    if low >= high:
        raise ValueError(f"low={low!r} must be below high={high!r}")
    if not (isinstance(n_updates, int | np.integer) and n_updates >= _FEWEST_UPDATES):
        raise ValueError(f"n_updates={n_updates!r} must be a whole number, at least {_FEWEST_UPDATES}")
    with_rate(estimator, low)  # or complain
    rates = np.geomspace(low, high, n_updates)
    losses: list[float] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # that it diverges in the end is meant
        for loss in _losses(estimator, X, y, rates, check_random_state(random_state)):
            if not np.isfinite(loss):
                break
            losses.append(loss)
            gained = losses[0] - min(losses)
            if loss - losses[0] > _EXPLODED * max(gained, abs(losses[0]) / _EXPLODED):
                break
    if not losses:
        raise ValueError(f"low={low!r} is too large a rate: the loss isn't finite after an update")
    return rates[: len(losses)], np.array(losses)


def _losses(estimator: Any, X: Any, y: Any, rates: np.ndarray, rng: np.random.RandomState) -> Iterator[float]:
    """The loss after each update, which is a call of partial_fit with the rows of one batch."""
    y = np.asarray(y)
    n_rows = len(y)
    problem = problem_of(clone(estimator).set_params(early_stopping=False), X, y)
    if n_rows > _MOST_ROWS:
        rows = np.sort(rng.choice(n_rows, _MOST_ROWS, replace=False))
        X, y = rows_of(X, rows), y[rows]
    model = _begun(with_rate(estimator, rates[0]), X, y, rng)
    objective = TrainingObjective(model, X, y, _MEASURED_ROWS)
    batch_size, optimizer = estimator.batch_size, clone(model.optimizer_)
    model.set_params(optimizer=optimizer)
    order, at = rng.permutation(len(y)), 0
    for rate in rates:
        model.set_params(learning_rate=float(rate), batch_size=batch_size)  # "auto" may depend on the rate
        size = min(type(model)._decide(model._parameters(), problem, None).batch_size, len(y))
        if at + size > len(y):
            order, at = rng.permutation(len(y)), 0
        batch: Any = order[at : at + size] if size < len(y) else slice(None)
        model.set_params(batch_size=None).partial_fit(rows_of(X, batch), y[batch])
        at += size
        yield objective.of(model)


def _begun(model: Any, X: Any, y: Any, rng: np.random.RandomState) -> Any:
    """The model after an epoch at the lowest rate: scales, classes and what "auto" stands for are known from there."""
    settings = {"max_iter": 1, "tol": None, "schedule": "constant", "early_stopping": False, "warm_start": False}
    settings |= {"average": False, "verbose": 0, "random_state": rng.randint(2**31 - 1)}
    return model.set_params(**settings | of_one_network(model)).fit(X, y)
