"""The losses of support vector regression."""

from numbers import Real

import numpy as np

from .._validation import Interval
from ._constants import weighted_quantile
from .base import Loss


class EpsilonInsensitive(Loss):
    r"""Absolute error beyond a margin: ``max(0, |raw - y| - epsilon)``, the loss of support vector regression.

    .. math:: \ell(z, y) = \max(0,\; \left| z - y \right| - \epsilon)

    Parameters
    ----------
    epsilon : float, default=0.1
        Residuals up to here cost nothing; not negative, in units of y.

    References
    ----------
    Vapnik 1995, The Nature of Statistical Learning Theory, section 6.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import EpsilonInsensitive
    >>> raw, y, derivative = np.array([[3.0]]), np.array([[1.0]]), np.empty((1, 1))
    >>> loss = EpsilonInsensitive(epsilon=0.5)
    >>> loss.pointwise(raw, y, np.ones(1), loss.hyper(np.ones(1)), derivative), derivative.item()
    (1.5, 1.0)
    """

    target_power = 1
    smooth = False

    _parameter_constraints: dict = {"epsilon": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, epsilon: float = 0.1):
        self.epsilon = epsilon

    def hyperparameters(self, target_scale):
        return (0.0, *(self.epsilon / target_scale))

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        width = hyper[0]
        total = 0.0
        for k in range(raw.shape[1]):
            epsilon = hyper[min(1 + k, hyper.size - 1)]
            for i in range(raw.shape[0]):
                residual = raw[i, k] - y[i, k]
                slope, value = 0.0, 0.0
                # max(0, r - epsilon) + max(0, -r - epsilon): each rounded by itself they are smooth for any width
                for side in range(2):
                    sign = 1.0 - 2.0 * side
                    beyond = sign * residual - epsilon
                    if beyond > width:
                        slope += sign
                        value += beyond
                    elif beyond < -width:
                        pass
                    elif width > 0.0:
                        slope += sign * 0.5 * (beyond / width + 1.0)
                        value += 0.25 * (beyond + width) * (beyond / width + 1.0)
                    else:  # zero, or NaN
                        slope += beyond
                        value += beyond
                derivative[i, k] = weight[i] * slope
                total += float(weight[i] * value)
        return total

    def pieces(self, y, n_outputs, hyper):
        zero, one = np.zeros_like(y), np.ones_like(y)
        return [(zero, one, y + hyper[1:]), (-one, zero, y - hyper[1:])]

    def best_constant(self, y, weight, n_outputs):
        return weighted_quantile(y, weight, 0.5)


class SquaredEpsilonInsensitive(Loss):
    r"""Squared error beyond a margin: ``max(0, |raw - y| - epsilon)^2``.

    .. math:: \ell(z, y) = \max(0,\; \left| z - y \right| - \epsilon)^2

    Without the factor 1/2, as in scikit-learn's ``SGDRegressor``.

    Parameters
    ----------
    epsilon : float, default=0.1
        Residuals up to here cost nothing; not negative, in units of y.

    References
    ----------
    Ho and Lin 2012, Large-scale linear support vector regression, Journal of Machine Learning Research 13.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import SquaredEpsilonInsensitive
    >>> raw, y, derivative = np.array([[3.0]]), np.array([[1.0]]), np.empty((1, 1))
    >>> loss = SquaredEpsilonInsensitive(epsilon=0.5)
    >>> loss.pointwise(raw, y, np.ones(1), loss.hyper(np.ones(1)), derivative), derivative.item()
    (2.25, 3.0)
    """

    curvature = 2.0
    target_power = 2

    _parameter_constraints: dict = {"epsilon": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, epsilon: float = 0.1):
        self.epsilon = epsilon

    def hyperparameters(self, target_scale):
        return self.epsilon / target_scale

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for k in range(raw.shape[1]):
            epsilon = hyper[min(k, hyper.size - 1)]
            for i in range(raw.shape[0]):
                residual = raw[i, k] - y[i, k]
                beyond = abs(residual) - epsilon
                if beyond <= 0.0:
                    derivative[i, k] = 0.0
                else:  # NaN comes here, and goes on
                    derivative[i, k] = weight[i] * 2.0 * (beyond if residual > 0.0 else -beyond)
                    total += float(weight[i] * beyond * beyond)
        return total
