"""Deviances of generalised linear models with a log link: Poisson, gamma, Tweedie."""

from numbers import Real

import numpy as np

from .._validation import Interval
from ._constants import sampled
from .base import Loss

# The mean of targets that are all zero counts as this share of their size: its logarithm must be finite.
LEAST_MEAN = 1e-10


class LogLinkLoss(Loss):
    """Base of half deviances whose prediction is exp(raw)."""

    out_activation = "exp"

    def check_targets(self, y):
        lowest, zero_allowed = self._lowest_target()
        bad = y < lowest if zero_allowed else y <= lowest
        if bad.any():
            accepted = "no negative ones" if zero_allowed else "positive ones only"
            raise ValueError(f"y contains {y[bad][0]:.6g}, but the loss {self!r} takes {accepted}")

    def _lowest_target(self) -> tuple[float, bool]:
        """The lower end of the domain of y, and whether it belongs to it."""
        return 0.0, True

    def predict(self, raw):
        with np.errstate(over="ignore"):  # infinity is then the nearest float
            return np.exp(raw)

    def best_constant(self, y, weight, n_outputs):
        # for all Tweedie deviances that is the mean
        y, weight = sampled(y, weight)
        size = np.abs(y).max(axis=0)
        size[size == 0] = 1.0
        relative = y / size
        least = LEAST_MEAN * np.maximum(np.average(np.abs(relative), axis=0, weights=weight), LEAST_MEAN)
        return np.log(np.maximum(np.average(relative, axis=0, weights=weight), least)) + np.log(size)


class Poisson(LogLinkLoss):
    r"""Half the Poisson deviance with a log link, for counts and frequencies: exp(raw) - y raw.

    .. math:: \ell(z, y) = e^z - y z

    Up to a term that depends on y alone, as in scikit-learn's ``PoissonRegressor``; y is not negative, and predictions
    are exp(raw).

    References
    ----------
    McCullagh and Nelder 1989, Generalized Linear Models, 2nd edition, chapter 6.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Poisson
    >>> raw, y, derivative = np.array([[0.0]]), np.array([[3.0]]), np.empty((1, 1))
    >>> Poisson.pointwise(raw, y, np.ones(1), np.empty(0), derivative), derivative.item()
    (1.0, -2.0)
    """

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                mean = np.exp(raw[i, k])
                derivative[i, k] = weight[i] * (mean - y[i, k])
                total += float(weight[i] * (mean - y[i, k] * raw[i, k]))
        return total

    def second_derivative(self, raw, y):
        return self.predict(raw)


class Gamma(LogLinkLoss):
    r"""Half the gamma deviance with a log link, for positive and skewed targets: raw + y exp(-raw).

    .. math:: \ell(z, y) = z + y\, e^{-z}

    Up to a term that depends on y alone, as in scikit-learn's ``GammaRegressor``; y is positive, and predictions are
    exp(raw). Errors count relatively to y.

    References
    ----------
    McCullagh and Nelder 1989, Generalized Linear Models, 2nd edition, chapter 8.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Gamma
    >>> raw, y, derivative = np.array([[0.0]]), np.array([[3.0]]), np.empty((1, 1))
    >>> Gamma.pointwise(raw, y, np.ones(1), np.empty(0), derivative), derivative.item()
    (3.0, -2.0)
    """

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                ratio = y[i, k] * np.exp(-raw[i, k])
                derivative[i, k] = weight[i] * (1.0 - ratio)
                total += float(weight[i] * (raw[i, k] + ratio))
        return total

    def _lowest_target(self):
        return 0.0, False

    def second_derivative(self, raw, y):
        with np.errstate(over="ignore"):
            return y * np.exp(-raw)


class Tweedie(LogLinkLoss):
    r"""Half the Tweedie deviance with a log link, whose variance is the mean to some power p.

    .. math:: \ell(z, y) = \frac{e^{(2 - p) z}}{2 - p} - y\, \frac{e^{(1 - p) z}}{1 - p}

    up to a term that depends on y alone, as in scikit-learn's ``TweedieRegressor(link="log")``, with z the raw
    prediction; predictions are exp(z). p = 0 is the normal distribution,
    1/2 (exp(raw) - y)^2, p = 1 Poisson, p = 2 gamma, p = 3 inverse Gaussian; between 1 and 2 many zeros stand beside
    positive values, as in rainfall or claims of insurance. For p below 1 it is not convex in raw.

    Parameters
    ----------
    power : float, default=1.5
        p, any number: up to 0 for any y, between 0 and 2 for y that are not negative, from 2 on for positive y.

    References
    ----------
    Jørgensen 1987, Exponential dispersion models, Journal of the Royal Statistical Society B 49, 127-162.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Tweedie
    >>> raw, y, derivative = np.array([[0.0]]), np.array([[3.0]]), np.empty((1, 1))
    >>> loss = Tweedie(power=1.5)
    >>> loss.pointwise(raw, y, np.ones(1), loss.hyper(np.ones(1)), derivative), derivative.item()
    (8.0, -2.0)
    """

    _parameter_constraints: dict = {"power": [Interval(Real, None, None, closed="neither")]}

    def __init__(self, power: float = 1.5):
        self.power = power

    def hyperparameters(self, target_scale):
        return (self.power,)

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        power = hyper[0]
        a, b = 1.0 - power, 2.0 - power
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                z, target = raw[i, k], y[i, k]
                small = np.exp(-abs(z))
                if power == 0.0:
                    mean = np.exp(z)
                    slope = mean * (mean - target)
                    value = 0.5 * (mean - target) * (mean - target)
                elif power == 1.0:
                    mean = np.exp(z)
                    slope = mean - target
                    value = mean - target * z
                elif power == 2.0:
                    ratio = target * np.exp(-z)
                    slope = 1.0 - ratio
                    value = z + ratio
                elif z > 0.0 or target == 0.0:
                    # of the two exponentials the larger one is taken out: no infinity meets another, or a zero
                    large = np.exp(b * z)
                    slope = large * (1.0 - target * small)
                    value = large * (1.0 / b - target * small / a)
                else:
                    large = np.exp(a * z)
                    slope = large * (small - target)
                    value = large * (small / b - target / a)
                derivative[i, k] = weight[i] * slope
                total += float(weight[i] * value)
        return total

    def _lowest_target(self):
        return (-np.inf, True) if self.power <= 0 else (0.0, self.power < 2)

    def second_derivative(self, raw, y):
        a, b = 1.0 - self.power, 2.0 - self.power
        with np.errstate(over="ignore", invalid="ignore"):
            return b * np.exp(b * raw) - a * y * np.exp(a * raw)
