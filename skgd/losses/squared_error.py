"""Squared error."""

import numpy as np

from .base import Loss


class SquaredError(Loss):
    r"""Half the squared error, 1/2 (raw - y)^2, summed over the targets.

    .. math:: \ell(z, y) = \tfrac12 \sum_k (z_k - y_k)^2

    Least squares, the loss of ridge regression: its minimiser is the conditional mean.

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd edition, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import SquaredError
    >>> raw, y, derivative = np.array([[3.0]]), np.array([[1.0]]), np.empty((1, 1))
    >>> SquaredError.pointwise(raw, y, np.ones(1), np.empty(0), derivative), derivative.item()
    (2.0, 2.0)
    """

    curvature = 1.0
    target_power = 2
    quadratic = True

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                residual = raw[i, k] - y[i, k]
                derivative[i, k] = weight[i] * residual
                total += 0.5 * float(weight[i] * residual * residual)
        return total

    def second_derivative(self, raw, y):
        return np.ones_like(raw)
