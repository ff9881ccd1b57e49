"""Absolute error, and the pinball loss of quantile regression."""

from collections.abc import Sequence
from numbers import Real

import numpy as np

from .._validation import Interval
from ._constants import weighted_quantile
from .base import Loss


class AbsoluteError(Loss):
    r"""Absolute error, ``|raw - y|``, summed over the targets.

    .. math:: \ell(z, y) = \left| z - y \right|

    Least absolute deviations: its minimiser is the conditional median, which outliers in y hardly move.

    References
    ----------
    Koenker and Bassett 1978, Regression quantiles, Econometrica 46, 33-50.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import AbsoluteError
    >>> raw, y, derivative = np.array([[3.0]]), np.array([[1.0]]), np.empty((1, 1))
    >>> AbsoluteError.pointwise(raw, y, np.ones(1), np.zeros(1), derivative), derivative.item()
    (2.0, 1.0)
    """

    target_power = 1
    smooth = False

    def hyperparameters(self, target_scale):
        return (0.0,)

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        width = hyper[0]
        total = 0.0
        for k in range(raw.shape[1]):
            for i in range(raw.shape[0]):
                residual = raw[i, k] - y[i, k]
                if residual > width:
                    slope, value = 1.0, residual
                elif residual < -width:
                    slope, value = -1.0, -residual
                elif width > 0.0:  # a parabola that meets both branches with their slopes
                    slope = residual / width
                    value = 0.5 * (residual * residual / width + width)
                else:  # zero, or NaN
                    slope, value = residual, residual
                derivative[i, k] = weight[i] * slope
                total += float(weight[i] * value)
        return total

    def pieces(self, y, n_outputs, hyper):
        return [(-np.ones_like(y), np.ones_like(y), y)]

    def best_constant(self, y, weight, n_outputs):
        return weighted_quantile(y, weight, 0.5)


class Quantile(Loss):
    r"""Pinball loss of quantile regression, for one quantile or several at once.

    .. math:: \ell(z, y) = \max\left(q\, (y - z),\; (1 - q)\, (z - y)\right)

    With r = y - raw and a quantile q, q r where r > 0 and (q - 1) r where r < 0: its minimiser is the conditional
    quantile. Several quantiles of one target are several outputs, and the loss is the sum over them. Fitted apart,
    they may cross here and there; predictions are therefore sorted in the order of the quantiles, which never makes
    them worse (Chernozhukov, Fernández-Val and Galichon).

    Parameters
    ----------
    quantile : float or array-like of shape (n_quantiles,), default=0.5
        The quantile, above 0 and below 1, or a list of them in any order.

    References
    ----------
    Koenker and Bassett 1978, Regression quantiles, Econometrica 46, 33-50.
    Chernozhukov, Fernández-Val and Galichon 2010, Quantile and probability curves without crossing, Econometrica
    78, 1093-1125.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Quantile
    >>> raw, y, derivative = np.array([[3.0, 3.0]]), np.array([[1.0]]), np.empty((1, 2))
    >>> loss = Quantile([0.1, 0.9])
    >>> value = loss.pointwise(raw, y, np.ones(1), loss.hyper(np.ones(1)), derivative)
    >>> round(value, 6), derivative.round(6)
    (2.0, array([[0.9, 0.1]]))
    """

    target_power = 1
    smooth = False

    _parameter_constraints: dict = {"quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"]}

    def __init__(self, quantile: float | Sequence[float] | np.ndarray = 0.5):
        self.quantile = quantile

    @property
    def has_output_axis(self) -> bool:  # type: ignore[override]
        """Whether there is a list of quantiles."""
        return np.ndim(self.quantile) > 0

    def check(self):
        super().check()
        try:
            quantiles = np.asarray(self.quantile, dtype=np.float64)
            valid = quantiles.ndim < 2 and quantiles.size > 0 and bool(((quantiles > 0) & (quantiles < 1)).all())
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ValueError(
                f"quantile={self.quantile!r} must be a number above 0 and below 1, or a list of such numbers"
            )

    def hyperparameters(self, target_scale):
        return (0.0, *np.ravel(self.quantile))

    def n_outputs(self, n_targets):
        if not self.has_output_axis:
            return n_targets
        if n_targets > 1:
            raise ValueError(
                f"quantile={self.quantile!r} is a list, which needs y with a single target; it has {n_targets}: give "
                "one quantile, or fit the targets one by one"
            )
        return np.size(self.quantile)

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        width = hyper[0]
        total = 0.0
        for k in range(raw.shape[1]):
            quantile = hyper[min(1 + k, hyper.size - 1)]
            target = min(k, y.shape[1] - 1)
            for i in range(raw.shape[0]):
                residual = raw[i, k] - y[i, target]
                if residual > width:
                    slope = 1.0 - quantile
                    value = slope * residual
                elif residual < -width:
                    slope = -quantile
                    value = slope * residual
                elif width > 0.0:  # a parabola that meets both branches with their slopes
                    slope = 0.5 - quantile + 0.5 * residual / width
                    value = (0.5 - quantile) * residual + 0.25 * (residual * residual / width + width)
                else:  # zero, or NaN
                    slope = residual
                    value = residual
                derivative[i, k] = weight[i] * slope
                total += float(weight[i] * value)
        return total

    def predict(self, raw):
        if not self.has_output_axis:
            return raw
        rearranged = np.empty_like(raw)
        rearranged[:, np.argsort(self.quantile, kind="stable")] = np.sort(raw, axis=1)
        return rearranged

    def pieces(self, y, n_outputs, hyper):
        ones, quantiles = np.ones((len(y), n_outputs)), hyper[1:]
        return [(-quantiles * ones, (1.0 - quantiles) * ones, y * ones)]

    def best_constant(self, y, weight, n_outputs):
        if not self.has_output_axis:
            return weighted_quantile(y, weight, self.quantile)
        return np.array([weighted_quantile(y, weight, quantile)[0] for quantile in self.quantile])
