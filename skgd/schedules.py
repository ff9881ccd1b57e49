"""Schedules: the factor on the learning rate over time, counted in epochs."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, clone

from ._constructors import AdvisesCallers
from ._validation import Interval, check_parameters

FACTOR = Interval(Real, 0, 1, closed="neither")
POSITIVE = Interval(Real, 0, None, closed="neither")


class Schedule(AdvisesCallers, BaseEstimator):
    """A factor on the learning rate as a function of t, the number of epochs since training began.

    A subclass gives :meth:`factor`. Any callable that takes an array of times and returns an array of factors
    serves in its place.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.schedules import Schedule
    >>> class Halves(Schedule):
    ...     def factor(self, t):
    ...         return 0.5**t
    >>> Halves()(np.array([0.0, 1.0, 2.0]))
    array([1.  , 0.5 , 0.25])
    """

    _parameter_constraints: dict = {}

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Factor at each time in ``t``, epochs as floats: 0.5 is half-way through the first."""
        return self.factor(np.asarray(t, dtype=np.float64))

    def factor(self, t: np.ndarray) -> np.ndarray:
        """Factor at each time in ``t``; to be given by subclasses."""
        raise NotImplementedError("a Schedule needs a method factor(t)")

    def check(self) -> None:
        """Raise an error that names a parameter out of range and what it accepts."""
        check_parameters(self)


class Constant(Schedule):
    """The same rate throughout: factor 1.

    References
    ----------
    Goodfellow, Bengio and Courville, Deep Learning, section 8.3.1.

    Examples
    --------
    >>> from skgd.schedules import Constant
    >>> Constant()([0, 10])
    array([1., 1.])
    """

    def factor(self, t):
        return np.ones_like(t)


class InverseScaling(Schedule):
    r"""Decay by a power of time: :math:`(1 + t)^{-\text{power}}`.

    With powers above 1/2 and up to 1 stochastic descent converges in spite of its noise.

    Parameters
    ----------
    power : float, default=0.5
        Positive.

    References
    ----------
    Robbins and Monro 1951, A stochastic approximation method.

    Examples
    --------
    >>> from skgd.schedules import InverseScaling
    >>> InverseScaling(power=1.0)([0, 1, 3])
    array([1.  , 0.5 , 0.25])
    """

    _parameter_constraints: dict = {"power": [POSITIVE]}

    def __init__(self, power: float = 0.5):
        self.power = power

    def factor(self, t):
        return (1.0 + t) ** -self.power


class StepDecay(Schedule):
    r"""Decay by a factor every few epochs: :math:`\text{decay}^{\lfloor t / \text{every} \rfloor}`.

    Parameters
    ----------
    decay : float in (0, 1), default=0.1
        What the rate is multiplied by.
    every : float, default=30
        Epochs between two decays, positive.

    References
    ----------
    Goodfellow, Bengio and Courville, Deep Learning, section 8.3.1.

    Examples
    --------
    >>> from skgd.schedules import StepDecay
    >>> StepDecay(decay=0.5, every=10)([0, 9.9, 10, 20])
    array([1.  , 1.  , 0.5 , 0.25])
    """

    _parameter_constraints: dict = {"decay": [FACTOR], "every": [POSITIVE]}

    def __init__(self, decay: float = 0.1, every: float = 30):
        self.decay = decay
        self.every = every

    def factor(self, t):
        return self.decay ** np.floor(t / self.every)


class ExponentialDecay(Schedule):
    r"""Decay by the same factor in every epoch, continuously: :math:`\text{decay}^t`.

    Parameters
    ----------
    decay : float in (0, 1), default=0.97
        Factor of one epoch.

    References
    ----------
    Goodfellow, Bengio and Courville, Deep Learning, section 8.3.1.

    Examples
    --------
    >>> from skgd.schedules import ExponentialDecay
    >>> ExponentialDecay(decay=0.5)([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    _parameter_constraints: dict = {"decay": [FACTOR]}

    def __init__(self, decay: float = 0.97):
        self.decay = decay

    def factor(self, t):
        return self.decay**t


class _OverEpochs(Schedule):
    """A schedule that knows its end: n_epochs, or the estimator's max_iter."""

    n_epochs: float | None

    def _progress(self, t):
        """Share of the epochs that have passed, 1 from the end on."""
        if self.n_epochs is None:
            raise ValueError(f"{type(self).__name__} needs n_epochs where no estimator's max_iter gives it")
        return np.minimum(t / self.n_epochs, 1.0)


class Cosine(_OverEpochs):
    r"""Half a cosine from 1 down to a floor f over T epochs: :math:`f + (1 - f)\, \frac12 (1 + \cos(\pi t / T))`.

    Parameters
    ----------
    n_epochs : float, default=None
        Length, positive; None is the estimator's ``max_iter``. The factor stays at ``floor`` afterwards.
    floor : float in [0, 1], default=0.0
        Factor at the end.

    References
    ----------
    Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts, equation 5.

    Examples
    --------
    >>> from skgd.schedules import Cosine
    >>> Cosine(n_epochs=10)([0, 5, 10]).round(6)
    array([1. , 0.5, 0. ])
    """

    _parameter_constraints: dict = {"n_epochs": [POSITIVE, None], "floor": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, n_epochs: float | None = None, floor: float = 0.0):
        self.n_epochs = n_epochs
        self.floor = floor

    def factor(self, t):
        return self.floor + (1.0 - self.floor) * 0.5 * (1.0 + np.cos(np.pi * self._progress(t)))


class OneCycle(_OverEpochs):
    """Warm up to the full rate, then decay far below it, along half-cosines.

    The factor rises from 1 / start_divisor to 1 during the first ``warm_up`` of the epochs and falls to
    1 / end_divisor in the rest.

    Parameters
    ----------
    n_epochs : float, default=None
        Length, positive; None is the estimator's ``max_iter``. The factor stays at its last value afterwards.
    warm_up : float in (0, 1), default=0.3
        Share of the epochs spent rising.
    start_divisor : float, default=25
        The full rate over the first one, at least 1.
    end_divisor : float, default=1e4
        The full rate over the last one, at least 1.

    References
    ----------
    Smith and Topin 2018, Super-convergence: very fast training of neural networks using large learning rates.

    Examples
    --------
    >>> from skgd.schedules import OneCycle
    >>> OneCycle(n_epochs=10)([0, 3, 10]).round(6)
    array([4.e-02, 1.e+00, 1.e-04])
    """

    _parameter_constraints: dict = {
        "n_epochs": [POSITIVE, None],
        "warm_up": [FACTOR],
        "start_divisor": [Interval(Real, 1, None, closed="left")],
        "end_divisor": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(
        self, n_epochs: float | None = None, warm_up: float = 0.3, start_divisor: float = 25, end_divisor: float = 1e4
    ):
        self.n_epochs = n_epochs
        self.warm_up = warm_up
        self.start_divisor = start_divisor
        self.end_divisor = end_divisor

    def factor(self, t):
        progress = self._progress(t)
        rising = progress < self.warm_up
        position = np.where(rising, 1 - progress / self.warm_up, (progress - self.warm_up) / (1 - self.warm_up))
        floor = np.where(rising, 1 / self.start_divisor, 1 / self.end_divisor)
        return floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * position))


class ReduceOnPlateau(Schedule):
    """Decay by a factor whenever the loss has stopped improving.

    The loss is the validation loss with early stopping, else the objective on the training data. An
    improvement is a relative one of more than ``threshold`` over the best epoch so far; after
    ``patience`` epochs without one the rate is multiplied by ``decay``.

    Parameters
    ----------
    decay : float in (0, 1), default=0.2
        What the rate is multiplied by.
    patience : int, default=2
        Epochs without improvement, at least 1. A patience below the estimator's ``n_iter_no_change`` lets the
        decay come before the end of training, which then waits until the rate is at its floor.
    threshold : float, default=1e-3
        Relative improvement that counts, not negative.
    floor : float in [0, 1], default=1e-3
        Smallest factor.

    References
    ----------
    Goodfellow, Bengio and Courville, Deep Learning, section 8.3.1.

    Examples
    --------
    >>> from skgd.schedules import ReduceOnPlateau
    >>> schedule = ReduceOnPlateau(decay=0.5, patience=2)
    >>> schedule.factor_after([3.0, 2.0, 2.0]), schedule.factor_after([3.0, 2.0, 2.0, 2.0])
    (1.0, 0.5)
    """

    _parameter_constraints: dict = {
        "decay": [FACTOR],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "threshold": [Interval(Real, 0, None, closed="left")],
        "floor": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, decay: float = 0.2, patience: int = 2, threshold: float = 1e-3, floor: float = 1e-3):
        self.decay = decay
        self.patience = patience
        self.threshold = threshold
        self.floor = floor

    def factor(self, t):
        raise ValueError("ReduceOnPlateau depends on the loss, not on time alone: see factor_after(losses)")

    def factor_after(self, losses: Sequence[float]) -> float:
        """Factor for the epoch that follows epochs with the given losses."""
        state = self.START
        for loss in losses:
            state = self.advance(state, loss)
        return state[0]

    START = (1.0, np.inf, 0)  # the factor, the loss to beat, the epochs that didn't

    def advance(self, state: tuple[float, float, int], loss: float) -> tuple[float, float, int]:
        """State after one more epoch; its first entry is the factor."""
        factor, best, stale = state
        if best == np.inf or loss < best - self.threshold * abs(best):
            return factor, loss, 0
        if stale + 1 < self.patience:
            return factor, best, stale + 1
        return max(factor * self.decay, self.floor), best, 0


# The names that estimators accept. A new schedule needs its class, a line in the table, over which every test runs, and
# its name here, for type checkers.
ScheduleName = Literal["constant", "invscaling", "step", "exponential", "cosine", "one_cycle", "plateau"]
SCHEDULES: dict[ScheduleName, Callable[[], Schedule]] = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "step": StepDecay,
    "exponential": ExponentialDecay,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "plateau": ReduceOnPlateau,
}


def get_schedule(schedule: ScheduleName | Schedule | Callable, max_iter: int) -> Schedule | Callable:
    """Return a fresh, checked schedule for a name or an object, or the callable itself.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter of the object is out of range.
    """
    if isinstance(schedule, str) and schedule in SCHEDULES:
        found: Schedule | Callable = SCHEDULES[schedule]()
    elif isinstance(schedule, Schedule):
        schedule.check()
        found = clone(schedule)
    elif callable(schedule) and not isinstance(schedule, type | str):
        found = schedule
    else:
        raise ValueError(
            f"schedule={schedule!r} is not known: give one of {sorted(SCHEDULES)}, a skgd.schedules.Schedule object "
            "or a callable t -> factor"
        )
    if isinstance(found, _OverEpochs) and found.n_epochs is None:
        found.n_epochs = max_iter
    return found


def factor_at(schedule: Schedule | Callable, t: float) -> float:
    """The factor at one time; see :func:`factors_at`."""
    return float(factors_at(schedule, np.array([t]))[0])


def factors_at(schedule: Schedule | Callable, t: np.ndarray) -> np.ndarray:
    """Evaluate a schedule at each time in t, at all at once or, for a function of a single number, one by one.

    Raises
    ------
    ValueError
        If that gives anything but finite, non-negative factors. What a user's function raises passes through.
    """
    try:
        returned = schedule(t)
    except Exception:  # it may be a function of a single number: `if t < 5`, math.exp(-t)
        returned = None
    if returned is None or np.ndim(returned) == 0:
        function: Callable = schedule
        returned = [function(time) for time in t.tolist()]
    try:
        factors = np.asarray(returned, dtype=np.float64)
    except (TypeError, ValueError):
        factors = np.empty(0)  # of the wrong shape
    if factors.shape == t.shape and np.isfinite(factors).all() and (factors >= 0).all():
        return factors
    raise ValueError(
        f"schedule={schedule!r} must give one finite, non-negative factor for each time in epochs of an array like "
        f"{t[:3]}; it returned {str(returned)[:100]}"
    )


__all__ = [
    "Constant",
    "Cosine",
    "ExponentialDecay",
    "InverseScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
]
