"""Lion: the sign of an interpolated momentum."""

import numpy as np

from .base import NOT_NEGATIVE, SHARE, Optimizer


class Lion(Optimizer):
    r"""Lion: every parameter moves by the learning rate, in the direction that momentum and gradient agree on.

    With gradient :math:`g`, learning rate :math:`\eta` and weight decay :math:`\lambda`

    .. math::

        \theta &\leftarrow \theta - \eta\, ( \operatorname{sign}(\beta_1 m + (1 - \beta_1)\, g) + \lambda \theta ) \\
        m &\leftarrow \beta_2 m + (1 - \beta_2)\, g

    Estimators decay the weights, not the intercepts.

    Parameters
    ----------
    learning_rate : float, default=None
        Step size of every parameter, positive. None is the customary 0.0001, or the estimator's choice.
    beta1 : float in [0, 1), default=0.9
        Share of the momentum in the direction.
    beta2 : float in [0, 1), default=0.99
        Decay of the momentum m.
    weight_decay : float, default=0.0
        Decoupled decay lambda, not negative.

    References
    ----------
    Chen et al. 2023, Symbolic discovery of optimization algorithms, arXiv:2302.06675.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import Lion
    >>> params = np.array([1.0, -2.0])
    >>> Lion(learning_rate=0.1).update(params, np.array([0.5, -50.0]))
    >>> params
    array([ 0.9, -1.9])
    """

    default_learning_rate = 1e-4
    n_slots = 1  # m

    _parameter_constraints = Optimizer._parameter_constraints | {
        "beta1": [SHARE],
        "beta2": [SHARE],
        "weight_decay": [NOT_NEGATIVE],
    }

    def __init__(
        self, learning_rate: float | None = None, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0
    ):
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.weight_decay = weight_decay

    def hyperparameters(self):
        return (self.beta1, self.beta2)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        beta1, beta2 = hyper[0], hyper[1]
        m = slots[0]
        for j in range(params.size):
            params[j] -= learning_rate * np.sign(beta1 * m[j] + (1.0 - beta1) * grads[j])
            m[j] = beta2 * m[j] + (1.0 - beta2) * grads[j]
