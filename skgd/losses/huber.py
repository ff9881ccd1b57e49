"""Huber's loss."""

from numbers import Real

import numpy as np

from .._validation import Interval
from ._constants import sampled, weighted_quantile
from .base import Loss

STEPS = 10  # to the best constant; each halves the distance or better unless most residuals are outliers


class Huber(Loss):
    r"""Huber's loss: squared error for small residuals, absolute error for large ones.

    .. math:: \ell(r) = \tfrac12 r^2 \text{ if } \left| r \right| \le \epsilon, \text{ else }
        \epsilon \left| r \right| - \tfrac12 \epsilon^2, \qquad r = z - y

    With r = raw - y, ``1/2 r^2`` where ``|r| <= epsilon``, and ``epsilon |r| - 1/2 epsilon^2`` beyond: outliers pull
    no harder than a residual of epsilon does.

    Parameters
    ----------
    epsilon : float, default=1.35
        Where squared error ends, positive, in units of y, as in scikit-learn's ``SGDRegressor``. 1.35 is for noise
        with a standard deviation of one: then it costs 5 % of the precision of least squares.

    References
    ----------
    Huber 1964, Robust estimation of a location parameter, The Annals of Mathematical Statistics 35, 73-101.
    Holland and Welsch 1977, Robust regression using iteratively reweighted least-squares, Communications in
    Statistics 6, 813-827: the weights of rows where these are few.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDLinearRegressor
    >>> from skgd.losses import Huber
    >>> X, y = np.arange(10.0).reshape(-1, 1), np.arange(10.0)
    >>> y[8] = 100.0
    >>> GDLinearRegressor(loss=Huber(epsilon=0.1), alpha=0).fit(X, y).predict([[5.0]]).round(1)
    array([5.])
    """

    curvature = 1.0
    target_power = 2

    _parameter_constraints: dict = {"epsilon": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, epsilon: float = 1.35):
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
                if abs(residual) > epsilon:
                    slope = epsilon if residual > 0.0 else -epsilon
                    total += float(weight[i] * epsilon * (abs(residual) - 0.5 * epsilon))
                else:  # NaN comes here, and goes on
                    slope = residual
                    total += float(weight[i] * 0.5 * residual * residual)
                derivative[i, k] = weight[i] * slope
        return total

    def curvature_of_bound(self, raw, y, hyper):
        return hyper / np.maximum(np.abs(raw - y), hyper)

    def best_constant(self, y, weight, n_outputs):
        y, weight = sampled(y, weight)
        constant = weighted_quantile(y, weight, 0.5)
        for _ in range(STEPS):  # the bound of the curvature is 1: each step goes down
            constant += np.average(np.clip(y - constant, -self.epsilon, self.epsilon), axis=0, weights=weight)
        return constant
