"""Log-loss: binary, multinomial, and of any number of labels at once."""

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

from .._kernels.elementary import exp, log1p
from ._constants import class_shares
from .base import Loss


class LogLoss(Loss):
    r"""Negative log-likelihood of the classes: logistic and softmax regression.

    .. math:: \ell(m) = \log(1 + e^{-m}), \quad m = \pm z, \qquad \ell(z, y) = \log \textstyle\sum_k e^{z_k} - z_y

    With one output z and classes 0 and 1, log(1 + exp(z)) - y z; with K outputs and class c,
    log(sum_k exp(z_k)) - z_c. Exact for raw predictions of any size, infinities aside.

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning, sections 4.3.2 and 4.3.4; curvature bounds: Böhning 1992,
    Multinomial logistic regression algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import LogLoss
    >>> raw, y, derivative = np.array([[0.0]]), np.array([[1.0]]), np.empty((1, 1))
    >>> round(float(LogLoss.pointwise(raw, y, np.ones(1), np.empty(0), derivative)), 4), derivative.item()
    (0.6931, -0.5)
    """

    curvature = 0.5  # of the multinomial form
    for_classes = True
    reaches_minimum = False
    out_activation = "softmax"

    def curvature_bound(self, n_outputs):
        return 0.25 if n_outputs == 1 else self.curvature

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        n_outputs = raw.shape[1]
        total = 0.0
        if n_outputs == y.shape[1]:  # two classes, or labels: every output has a column of 0 and 1
            for k in range(n_outputs):
                for i in range(raw.shape[0]):
                    # margin > 0: the class is predicted right
                    sign = 1.0 if y[i, k] > 0.5 else -1.0
                    margin = sign * raw[i, k]
                    e = exp(-abs(margin))
                    total += float(weight[i] * (log1p(e) + max(-margin, 0.0)))
                    derivative[i, k] = -sign * weight[i] * (e if margin > 0.0 else 1.0) / (1.0 + e)
            return total
        for i in range(raw.shape[0]):
            highest, target = raw[i, 0], int(y[i, 0])
            for k in range(1, n_outputs):
                highest = max(highest, raw[i, k])
            # max() changes nothing, but keeps the compiler from adding the large numbers first
            total += float(weight[i] * max(highest - raw[i, target], 0.0))
            for k in range(n_outputs):
                derivative[i, k] = raw[i, k] - highest
        flat = derivative.reshape(derivative.size)  # in one go: the rows are too short for vector instructions
        for j in range(flat.size):
            flat[j] = exp(flat[j])
        for i in range(raw.shape[0]):
            normaliser = 0.0
            for k in range(n_outputs):
                normaliser += derivative[i, k]
            total += float(weight[i] * np.log(normaliser))
            for k in range(n_outputs):
                derivative[i, k] *= weight[i] / normaliser
            derivative[i, int(y[i, 0])] -= weight[i]
        return total

    def second_derivative(self, raw, y):
        probability = expit(raw) if raw.shape[1] == 1 else _shares(raw)
        return probability * (1 - probability)

    def coupling(self, raw):
        return None if raw.shape[1] == 1 else _shares(raw)

    def best_constant(self, y, weight, n_outputs):
        log_share = _log_shares(class_shares(y, weight, n_outputs))
        return np.array([log_share[1] - log_share[0]]) if n_outputs == 1 else log_share - log_share.mean()

    def predict_proba(self, raw):
        if raw.shape[1] == 1:
            return np.hstack([expit(-raw), expit(raw)])
        return softmax(raw, axis=1)

    def predict_log_proba(self, raw: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities, without the underflow of log(predict_proba)."""
        if raw.shape[1] == 1:
            return np.hstack([log_expit(-raw), log_expit(raw)])
        return log_softmax(raw, axis=1)


class MultilabelLogLoss(LogLoss):
    r"""Log-loss of labels, of which a row may have any number: the sum of the binary log-losses.

    .. math:: \ell(z, y) = \sum_k \log(1 + e^{-m_k}), \qquad m_k = \pm z_k

    With an output z_k and a target y_k of 0 or 1 for every label, sum_k log(1 + exp(z_k)) - y_k z_k. Exact for raw
    predictions of any size, infinities aside. ``loss="log_loss"`` becomes it where y has a column for every label.

    References
    ----------
    Tsoumakas and Katakis 2007, Multi-label classification: an overview, International Journal of Data Warehousing and
    Mining 3, 1-13: binary relevance.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import MultilabelLogLoss
    >>> raw, y, derivative = np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]), np.empty((1, 2))
    >>> round(float(MultilabelLogLoss.pointwise(raw, y, np.ones(1), np.empty(0), derivative)), 4)
    1.3863
    >>> derivative
    array([[-0.5,  0.5]])
    """

    multilabel = True
    out_activation = "logistic"

    def curvature_bound(self, n_outputs):
        return 0.25

    def check_targets(self, y):
        if not ((y == 0) | (y == 1)).all():
            raise ValueError("MultilabelLogLoss takes nothing but 0 and 1 in y, a column for every label")

    def second_derivative(self, raw, y):
        return expit(raw) * expit(-raw)

    def coupling(self, raw):
        return None

    def best_constant(self, y, weight, n_outputs):
        share = y.mean(axis=0, dtype=np.float64) if weight is None else weight @ y / weight.sum()
        log_share = _log_shares(np.array([1.0 - share, share]))
        return log_share[1] - log_share[0]

    def predict_proba(self, raw):
        return expit(raw)

    def predict_log_proba(self, raw: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities, without the underflow of log(predict_proba)."""
        return log_expit(raw)


def _shares(raw: np.ndarray) -> np.ndarray:
    """Softmax of each row, by columns: the inner loops of NumPy are as long as the rows are many."""
    share = raw.T.copy()
    share -= share.max(axis=0)
    np.exp(share, out=share)
    share /= share.sum(axis=0)
    return share.T


def _log_shares(share: np.ndarray) -> np.ndarray:
    """Logarithms of the shares of the classes, finite even for those that haven't been seen yet."""
    return np.log(0.999 * share + 0.001 / len(share))
