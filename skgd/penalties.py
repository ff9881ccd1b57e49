"""Penalties on coefficients: L2, L1 and what lies between, by name or as an object."""

from collections.abc import Callable
from numbers import Real
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator

from ._constructors import AdvisesCallers
from ._validation import Interval, RemembersValidParameters, check_parameters

__all__ = ["L1", "L2", "ElasticNet", "smallest_subgradient"]

_STRENGTH = [Interval(Real, 0, None, closed="left")]


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
    return np.where(w == 0, _soft_threshold(gradient, limits), gradient + limits * np.sign(w))


def _soft_threshold(w: np.ndarray, limits: np.ndarray | float) -> np.ndarray:
    """Bring entries towards zero by the limits, to zero at most."""
    return np.sign(w) * np.maximum(np.abs(w) - limits, 0.0)


class ElasticNet(AdvisesCallers, RemembersValidParameters, BaseEstimator):
    r"""``alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|^2)``: zeros, and correlated features share their weight.

    .. math:: \alpha \left( r \lVert w \rVert_1 + \tfrac{1 - r}{2} \lVert w \rVert^2 \right), \quad r = \text{l1\_ratio}

    Parameters
    ----------
    alpha : float, default=1e-4
        Strength, not negative.
    l1_ratio : float in [0, 1], default=0.15
        Share of the L1 part: 0 is L2, 1 is L1.

    References
    ----------
    Zou and Hastie 2005, Regularization and variable selection via the elastic net.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDLinearRegressor
    >>> from skgd.penalties import ElasticNet
    >>> penalty = ElasticNet(2.0, l1_ratio=0.5)
    >>> penalty.value(np.array([1.0, -2.0]))
    5.5
    >>> X = np.array([[-1.0], [1.0]])
    >>> GDLinearRegressor(penalty=penalty).fit(X, 5 * X[:, 0]).coef_  # (5 - l1) / (1 + l2)
    array([2.])
    """

    _parameter_constraints: dict = {"alpha": _STRENGTH, "l1_ratio": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, alpha: float = 1e-4, l1_ratio: float = 0.15):
        self.alpha = alpha
        self.l1_ratio = l1_ratio

    @property
    def l1(self) -> float:
        """Strength of ``|w|_1``; this and ``l2`` are all that training asks for."""
        return float(self.alpha * self.l1_ratio)

    @property
    def l2(self) -> float:
        """Strength of ``|w|^2 / 2``."""
        return float(self.alpha * (1 - self.l1_ratio))

    def check(self) -> None:
        """Raise a ValueError, which names the parameter, for one that is out of its range."""
        check_parameters(self)

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
        return _soft_threshold(np.asarray(w, dtype=np.float64), step * self.l1) / (1 + step * self.l2)


class L2(ElasticNet):
    r"""``alpha / 2 |w|^2``: shrinks all coefficients in proportion.

    .. math:: \tfrac{\alpha}{2} \lVert w \rVert^2

    Parameters
    ----------
    alpha : float, default=1e-4
        Strength, not negative.

    References
    ----------
    Hoerl and Kennard 1970, Ridge regression: biased estimation for nonorthogonal problems.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.penalties import L2
    >>> L2(2.0).value(np.array([1.0, -2.0])), L2(2.0).gradient(np.array([1.0, -2.0]))
    (5.0, array([ 2., -4.]))
    """

    _parameter_constraints = {"alpha": _STRENGTH}
    l1_ratio = 0.0

    def __init__(self, alpha: float = 1e-4):
        self.alpha = alpha


class L1(ElasticNet):
    r"""``alpha |w|_1``: makes coefficients exactly zero.

    .. math:: \alpha \lVert w \rVert_1

    Parameters
    ----------
    alpha : float, default=1e-4
        Strength, not negative.

    References
    ----------
    Tibshirani 1996, Regression shrinkage and selection via the lasso.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.penalties import L1
    >>> L1(0.5).value(np.array([1.0, -2.0])), L1(0.5).proximal(np.array([1.0, -0.2]), step=1.0)
    (1.5, array([ 0.5, -0. ]))
    """

    _parameter_constraints = {"alpha": _STRENGTH}
    l1_ratio = 1.0

    def __init__(self, alpha: float = 1e-4):
        self.alpha = alpha


# The penalties that have a name, made from alpha and l1_ratio. Every test of penalties runs over this table.
PenaltyName = Literal["l2", "l1", "elasticnet"]
PENALTIES: dict[PenaltyName, Callable[[float, float], ElasticNet]] = {
    "l2": lambda alpha, l1_ratio: L2(alpha),
    "l1": lambda alpha, l1_ratio: L1(alpha),
    "elasticnet": ElasticNet,
}


def get_penalty(penalty: PenaltyName | ElasticNet | None, alpha: float, l1_ratio: float = 0.15) -> ElasticNet:
    """Return the penalty of a name, made from alpha and l1_ratio; an object brings its own. None is none at all.

    Raises
    ------
    ValueError
        If the name is unknown, the object no penalty, one of its parameters out of range, or its formula another one.
    """
    if penalty is None:
        return L2(0.0)
    if isinstance(penalty, str) and penalty in PENALTIES:
        return PENALTIES[penalty](alpha, l1_ratio)
    if not isinstance(penalty, ElasticNet):
        raise ValueError(
            f"penalty={penalty!r} is not known: give one of {sorted(PENALTIES)}, None, or an L1, L2 or ElasticNet of "
            "skgd.penalties"
        )
    penalty.check()
    for name in "l1", "l2":
        strength = getattr(penalty, name)
        if not (isinstance(strength, Real) and 0 <= float(strength) < np.inf):
            raise ValueError(f"penalty={penalty!r}: {name} must be a finite number, not negative; it is {strength!r}")
    for name in "value", "gradient", "proximal":
        if getattr(type(penalty), name) is not getattr(ElasticNet, name):
            raise ValueError(
                f"penalty={penalty!r} has a {name} of its own, which training wouldn't use: of a penalty it takes the "
                "strengths l1 and l2 alone"
            )
    return penalty
