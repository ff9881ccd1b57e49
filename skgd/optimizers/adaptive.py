"""Rates per parameter from the squares of past gradients: AdaGrad, AdaDelta, RMSProp."""

import numpy as np

from .base import NOT_NEGATIVE, POSITIVE, SHARE, Optimizer


class AdaGrad(Optimizer):
    r"""AdaGrad: each parameter's step shrinks with the gradients it has seen.

    With gradient :math:`g` and learning rate :math:`\eta`

    .. math:: G \leftarrow G + g^2, \qquad \theta \leftarrow \theta - \eta\, \frac{g}{\sqrt{G} + \epsilon}

    Parameters
    ----------
    learning_rate : float, default=None
        Size of the first step of every parameter, positive. None is the customary 0.01, or the estimator's choice.
    initial_accumulator : float, default=0.0
        G before the first update, not negative.
    epsilon : float, default=1e-10
        Keeps the division finite, positive.

    References
    ----------
    Duchi, Hazan and Singer 2011, Adaptive subgradient methods for online learning and stochastic optimization.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import AdaGrad
    >>> params = np.array([1.0, -2.0])
    >>> AdaGrad(learning_rate=0.1).update(params, np.array([0.5, 50.0]))
    >>> params.round(6)
    array([ 0.9, -2.1])
    """

    default_learning_rate = 0.01
    n_slots = 1  # G

    _parameter_constraints = Optimizer._parameter_constraints | {
        "initial_accumulator": [NOT_NEGATIVE],
        "epsilon": [POSITIVE],
    }

    def __init__(self, learning_rate: float | None = None, initial_accumulator: float = 0.0, epsilon: float = 1e-10):
        self.learning_rate = learning_rate
        self.initial_accumulator = initial_accumulator
        self.epsilon = epsilon

    def hyperparameters(self):
        return (self.initial_accumulator, self.epsilon)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        start = hyper[0] if t == 1 else 0.0
        epsilon = hyper[1]
        G = slots[0]
        for j in range(params.size):
            G[j] += start + grads[j] * grads[j]
            params[j] -= learning_rate * grads[j] / (np.sqrt(G[j]) + epsilon)


class AdaDelta(Optimizer):
    r"""AdaDelta: steps in the units of the parameters, without a learning rate to choose.

    With gradient :math:`g`, decay :math:`\rho` and learning rate :math:`\eta` (1 in the paper)

    .. math::

        G &\leftarrow \rho\, G + (1 - \rho)\, g^2, \qquad s = \frac{\sqrt{D + \epsilon}}{\sqrt{G + \epsilon}}\, g \\
        D &\leftarrow \rho\, D + (1 - \rho)\, s^2, \qquad \theta \leftarrow \theta - \eta\, s

    Parameters
    ----------
    learning_rate : float, default=None
        Factor on the step, positive. None is the paper's 1.0, or the estimator's choice.
    rho : float in [0, 1), default=0.95
        Decay of the running means G of squared gradients and D of squared steps.
    epsilon : float, default=1e-6
        Starts the progress off and keeps the division finite, positive.

    References
    ----------
    Zeiler 2012, ADADELTA: an adaptive learning rate method, arXiv:1212.5701.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import AdaDelta
    >>> params = np.array([1.0])
    >>> AdaDelta().update(params, np.array([2.0]))
    >>> params.round(5)
    array([0.99553])
    """

    default_learning_rate = 1.0
    n_slots = 2  # G, D

    _parameter_constraints = Optimizer._parameter_constraints | {"rho": [SHARE], "epsilon": [POSITIVE]}

    def __init__(self, learning_rate: float | None = None, rho: float = 0.95, epsilon: float = 1e-6):
        self.learning_rate = learning_rate
        self.rho = rho
        self.epsilon = epsilon

    def hyperparameters(self):
        return (self.rho, self.epsilon)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        rho, epsilon = hyper[0], hyper[1]
        G, D = slots[0], slots[1]
        for j in range(params.size):
            g = grads[j]
            G[j] = rho * G[j] + (1.0 - rho) * g * g
            step = np.sqrt((D[j] + epsilon) / (G[j] + epsilon)) * g
            D[j] = rho * D[j] + (1.0 - rho) * step * step
            params[j] -= learning_rate * step


class RMSProp(Optimizer):
    r"""RMSProp: the gradient over a running root mean square of itself.

    With gradient :math:`g`, decay :math:`\rho` and learning rate :math:`\eta`

    .. math::

        G \leftarrow \rho\, G + (1 - \rho)\, g^2, \qquad
        \theta \leftarrow \theta - \eta\, \frac{g}{\sqrt{G} + \epsilon}

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is the customary 0.001, or the estimator's choice.
    rho : float in [0, 1), default=0.9
        Decay of the running mean G of squared gradients.
    epsilon : float, default=1e-8
        Keeps the division finite, positive.

    References
    ----------
    Tieleman and Hinton 2012, Neural networks for machine learning, lecture 6.5.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import RMSProp
    >>> params = np.array([1.0])
    >>> RMSProp(learning_rate=0.1).update(params, np.array([2.0]))
    >>> params.round(4)
    array([0.6838])
    """

    default_learning_rate = 0.001
    n_slots = 1  # G

    _parameter_constraints = Optimizer._parameter_constraints | {"rho": [SHARE], "epsilon": [POSITIVE]}

    def __init__(self, learning_rate: float | None = None, rho: float = 0.9, epsilon: float = 1e-8):
        self.learning_rate = learning_rate
        self.rho = rho
        self.epsilon = epsilon

    def hyperparameters(self):
        return (self.rho, self.epsilon)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        rho, epsilon = hyper[0], hyper[1]
        G = slots[0]
        for j in range(params.size):
            G[j] = rho * G[j] + (1.0 - rho) * grads[j] * grads[j]
            params[j] -= learning_rate * grads[j] / (np.sqrt(G[j]) + epsilon)
