"""L2, L1 and the elastic net."""

from .base import Penalty


class L2(Penalty):
    """``alpha / 2 |w|^2``: shrinks all coefficients in proportion.

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

    def __init__(self, alpha: float = 1e-4):
        self.alpha = alpha

    @property
    def l1(self) -> float:  # type: ignore[override]
        return 0.0

    @property
    def l2(self) -> float:  # type: ignore[override]
        return float(self.alpha)


class L1(Penalty):
    """``alpha |w|_1``: makes coefficients exactly zero.

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

    def __init__(self, alpha: float = 1e-4):
        self.alpha = alpha

    @property
    def l1(self) -> float:  # type: ignore[override]
        return float(self.alpha)

    @property
    def l2(self) -> float:  # type: ignore[override]
        return 0.0


class ElasticNet(Penalty):
    """``alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|^2)``: zeros, and correlated features share their weight.

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
    >>> from skgd.penalties import ElasticNet
    >>> ElasticNet(2.0, l1_ratio=0.5).value(np.array([1.0, -2.0]))
    5.5
    """

    def __init__(self, alpha: float = 1e-4, l1_ratio: float = 0.15):
        self.alpha = alpha
        self.l1_ratio = l1_ratio

    @property
    def l1(self) -> float:  # type: ignore[override]
        return float(self.alpha * self.l1_ratio)

    @property
    def l2(self) -> float:  # type: ignore[override]
        return float(self.alpha * (1 - self.l1_ratio))
