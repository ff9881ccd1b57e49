"""What a penalty is."""

import numpy as np
from sklearn.base import BaseEstimator


def smallest_subgradient(w: np.ndarray, gradient: np.ndarray, limits: np.ndarray | float) -> np.ndarray:
    """The subgradient of least norm of a smooth function plus ``sum_j limits_j |w_j|``; zero at the minimum.

    Parameters
    ----------
    w, gradient : ndarray of shape (n,)
        Parameters and the gradient of the smooth function at them.
    limits : ndarray of shape (n,) or float
        Strengths of the absolute values, not negative.

    Returns
    -------
    ndarray of shape (n,)
        gradient + limits sign(w); where w is zero the gradient, brought towards zero by the limit.

    References
    ----------
    Andrew and Gao 2007, Scalable training of L1-regularized log-linear models.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.penalties import smallest_subgradient
    >>> smallest_subgradient(np.array([2.0, 0.0, 0.0]), np.array([1.0, 1.0, -3.0]), 2.0)
    array([ 3.,  0., -1.])
    """
    return np.where(w == 0, soft_threshold(gradient, limits), gradient + limits * np.sign(w))


def soft_threshold(w: np.ndarray, limits: np.ndarray | float) -> np.ndarray:
    """Bring entries towards zero by the limits, to zero at most."""
    return np.sign(w) * np.maximum(np.abs(w) - limits, 0.0)


class Penalty(BaseEstimator):
    """``l1 |w|_1 + l2 / 2 |w|^2``; a subclass gives the two strengths.

    Attributes
    ----------
    l1, l2 : float
        Strengths of the two parts: all that the training loop asks for.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.penalties import Penalty
    >>> class OnlyL1(Penalty):
    ...     l1, l2 = 0.5, 0.0
    >>> OnlyL1().value(np.array([1.0, -2.0]))
    1.5
    """

    l1: float
    l2: float

    def value(self, w: np.ndarray) -> float:
        """Value of the penalty at w."""
        w = np.asarray(w, dtype=np.float64)
        return float(self.l1 * np.abs(w).sum() + 0.5 * self.l2 * np.square(w).sum())

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Gradient at w; at the kink of the L1 part, w = 0, the smallest subgradient, zero."""
        w = np.asarray(w, dtype=np.float64)
        return smallest_subgradient(w, self.l2 * w, self.l1)

    def proximal(self, w: np.ndarray, step: float) -> np.ndarray:
        r"""The proximal step: :math:`\arg\min_v \frac12 |v - w|^2 + \text{step} \cdot \text{penalty}(v)`.

        Parameters
        ----------
        w : ndarray
            Where a descent on the smooth part has come to.
        step : float
            Its length, the learning rate, not negative.

        Returns
        -------
        ndarray
            w brought towards zero by step l1, but not beyond, then divided by 1 + step l2.

        References
        ----------
        Parikh and Boyd 2014, Proximal algorithms, section 6.5.
        """
        return soft_threshold(np.asarray(w, dtype=np.float64), step * self.l1) / (1 + step * self.l2)
