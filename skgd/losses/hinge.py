"""Losses of classes that count the margin: support vector machines, the perceptron, Huber's loss for classes."""

import numpy as np

from ._constants import class_shares
from .base import Loss


class MarginLoss(Loss):
    """Base of losses of the margin m = +-raw, positive where the class is predicted right.

    Two classes have one output, and m = raw for the second of them, -raw for the first. K > 2 classes have K
    outputs, one against the rest, and the loss is the sum over the outputs.
    """

    for_classes = True

    def best_constant(self, y, weight, n_outputs):
        # the best constant of the squared losses: their minimiser is the difference of the two probabilities
        return (2.0 * class_shares(y, weight, n_outputs) - 1.0)[-n_outputs:]


class Hinge(MarginLoss):
    r"""Hinge loss of linear support vector machines: max(0, 1 - m) for the margin m.

    .. math:: \ell(m) = \max(0,\; 1 - m), \qquad m = \pm z

    m is raw for the second of two classes and -raw for the first. More classes have an output each, one against
    the rest, and the loss is the sum over the outputs.

    References
    ----------
    Cortes and Vapnik 1995, Support-vector networks, Machine Learning 20, 273-297.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Hinge
    >>> raw, y, derivative = np.array([[0.25]]), np.array([[1.0]]), np.empty((1, 1))
    >>> loss = Hinge()
    >>> loss.pointwise(raw, y, np.ones(1), loss.hyper(np.ones(1)), derivative), derivative.item()
    (0.75, -1.0)
    """

    smooth = False

    def hyperparameters(self, target_scale):
        return (0.0, 1.0)

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        width, threshold = hyper[0], hyper[1]
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                positive = y[i, 0] > 0.5 if raw.shape[1] == 1 else int(y[i, 0]) == k
                sign = 1.0 if positive else -1.0
                short = threshold - sign * raw[i, k]
                if short > width:
                    slope, value = -sign, short
                elif short < -width:
                    slope, value = 0.0, 0.0
                elif width > 0.0:  # a parabola that meets both branches with their slopes
                    slope = -sign * 0.5 * (short / width + 1.0)
                    value = 0.25 * (short + width) * (short / width + 1.0)
                else:  # zero, where the perceptron needs the slope to begin at all, or NaN
                    slope, value = -sign * (1.0 + short), short
                derivative[i, k] = weight[i] * slope
                total += float(weight[i] * value)
        return total

    def pieces(self, y, n_outputs, hyper):
        signs = _signs(np.empty((len(y), n_outputs)), y)
        return [(-np.maximum(signs, 0.0), np.maximum(-signs, 0.0), hyper[1] * signs)]

    def best_constant(self, y, weight, n_outputs):
        return np.sign(super().best_constant(y, weight, n_outputs))


class Perceptron(Hinge):
    r"""Loss of the perceptron: max(0, -m) for the margin m; only rows that are predicted wrong count.

    .. math:: \ell(m) = \max(0,\; -m), \qquad m = \pm z

    Raw predictions of zero cost nothing, so that the objective's minimum tells nothing unless a hyperplane separates
    the classes: the perceptron is a way to go, not a place to reach. The optimizer "auto" therefore makes plain steps
    over few rows at a time, as Rosenblatt did. Several classes have an output each, one against the rest, and the
    loss is the sum over the outputs.

    References
    ----------
    Rosenblatt 1958, The perceptron, Psychological Review 65, 386-408.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Perceptron
    >>> raw, y, derivative = np.array([[0.25]]), np.array([[0.0]]), np.empty((1, 1))
    >>> loss = Perceptron()
    >>> loss.pointwise(raw, y, np.ones(1), loss.hyper(np.ones(1)), derivative), derivative.item()
    (0.25, 1.0)
    """

    trivial_optimum = True

    def hyperparameters(self, target_scale):
        return (0.0, 0.0)

    def best_constant(self, y, weight, n_outputs):
        # not the best one, which is zero and would leave nothing to learn from
        return np.where(super().best_constant(y, weight, n_outputs) > 0, 1.0, -1.0)


class SquaredHinge(MarginLoss):
    r"""Squared hinge loss, max(0, 1 - m)^2 for the margin m.

    .. math:: \ell(m) = \max(0,\; 1 - m)^2, \qquad m = \pm z

    m is raw for the second of two classes and -raw for the first. More classes have an output each, one against
    the rest, and the loss is the sum over the outputs.

    References
    ----------
    Fan, Chang, Hsieh, Wang and Lin 2008, LIBLINEAR, Journal of Machine Learning Research 9, 1871-1874.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import SquaredHinge
    >>> raw, y, derivative = np.array([[0.5]]), np.array([[1.0]]), np.empty((1, 1))
    >>> SquaredHinge.pointwise(raw, y, np.ones(1), np.empty(0), derivative), derivative.item()
    (0.25, -1.0)
    """

    curvature = 2.0

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                positive = y[i, 0] > 0.5 if raw.shape[1] == 1 else int(y[i, 0]) == k
                sign = 1.0 if positive else -1.0
                short = 1.0 - sign * raw[i, k]
                if short <= 0.0:
                    derivative[i, k] = 0.0
                else:  # NaN comes here, and goes on
                    derivative[i, k] = -2.0 * sign * weight[i] * short
                    total += float(weight[i] * short * short)
        return total

    def second_derivative(self, raw, y):
        return np.where(_signs(raw, y) * raw < 1.0, 2.0, 0.0)


class ModifiedHuber(MarginLoss):
    r"""Huber's loss for classes: max(0, 1 - m)^2 for margins m >= -1, and -4 m below.

    .. math:: \ell(m) = \max(0,\; 1 - m)^2 \text{ if } m \ge -1, \text{ else } -4 m, \qquad m = \pm z

    Smooth, robust to rows far on the wrong side, and a source of probabilities: (raw + 1) / 2, clipped to [0, 1]. m is
    raw for the second of two classes and -raw for the first. More classes have an output each, one against the rest;
    the loss is the sum over the outputs, and their probabilities are divided by their sum, or all the same where
    every one is zero, as in scikit-learn's ``SGDClassifier``.

    References
    ----------
    Zhang 2004, Solving large scale linear prediction problems using stochastic gradient descent algorithms, ICML.
    Zadrozny and Elkan 2002, Transforming classifier scores into accurate multiclass probability estimates, KDD.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import ModifiedHuber
    >>> raw, y, derivative = np.array([[-3.0]]), np.array([[1.0]]), np.empty((1, 1))
    >>> ModifiedHuber.pointwise(raw, y, np.ones(1), np.empty(0), derivative), derivative.item()
    (12.0, -4.0)
    """

    curvature = 2.0

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                positive = y[i, 0] > 0.5 if raw.shape[1] == 1 else int(y[i, 0]) == k
                sign = 1.0 if positive else -1.0
                margin = sign * raw[i, k]
                if margin >= 1.0:
                    derivative[i, k] = 0.0
                elif margin < -1.0:
                    derivative[i, k] = -4.0 * sign * weight[i]
                    total += float(-4.0 * weight[i] * margin)
                else:  # NaN comes here, and goes on
                    derivative[i, k] = -2.0 * sign * weight[i] * (1.0 - margin)
                    total += float(weight[i] * (1.0 - margin) * (1.0 - margin))
        return total

    def second_derivative(self, raw, y):
        return np.where(np.abs(_signs(raw, y) * raw) < 1.0, 2.0, 0.0)

    def predict_proba(self, raw):
        proba = (np.clip(raw, -1.0, 1.0) + 1.0) / 2.0
        if raw.shape[1] == 1:
            return np.hstack([1.0 - proba, proba])
        total = proba.sum(axis=1, keepdims=True)
        return np.where(total > 0, proba / np.where(total > 0, total, 1.0), 1.0 / raw.shape[1])


def _signs(raw: np.ndarray, y: np.ndarray) -> np.ndarray:
    """+1 for the output of a row's class, -1 for all others; of two classes, +1 for the second."""
    positive = y > 0.5 if raw.shape[1] == 1 else y == np.arange(raw.shape[1])
    return np.where(positive, 1.0, -1.0)
