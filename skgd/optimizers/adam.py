"""Adam and its kin: running means of the gradient and of its square."""

import numpy as np

from .base import NOT_NEGATIVE, POSITIVE, SHARE, Optimizer


class Adam(Optimizer):
    r"""Adam: momentum over a running root mean square, both corrected for starting at zero.

    With gradient :math:`g`, learning rate :math:`\eta` and :math:`t = 1, 2, \dots`

    .. math::

        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \\
        \theta &\leftarrow \theta - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    ``amsgrad=True`` divides by the root of the largest :math:`v` so far, ``epsilon_hat=True`` by
    :math:`\sqrt{v / (1 - \beta_2^t)} + \epsilon / \sqrt{1 - \beta_2^t}`, as the end of the paper's section 2 has it,
    and scikit-learn.

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is the customary 0.001, or the estimator's choice.
    beta1 : float in [0, 1), default=0.9
        Decay of the mean m of gradients.
    beta2 : float in [0, 1), default=0.999
        Decay of the mean v of squared gradients.
    epsilon : float, default=1e-8
        Keeps the division finite, positive.
    amsgrad : bool, default=False
        Whether v may only grow.
    epsilon_hat : bool, default=False
        Whether epsilon is added to sqrt(v) before the correction for starting at zero.

    References
    ----------
    Kingma and Ba 2015, Adam: a method for stochastic optimization, arXiv:1412.6980, algorithm 1.
    Reddi, Kale and Kumar 2018, On the convergence of Adam and beyond.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import Adam
    >>> params = {"W": np.zeros((2, 2)), "b": np.zeros(2)}
    >>> grads = {"W": np.full((2, 2), 3.0), "b": np.array([-0.1, 0.1])}
    >>> Adam(learning_rate=0.5).update(params, grads)
    >>> params["b"].round(6)
    array([ 0.5, -0.5])
    """

    default_learning_rate = 0.001

    _parameter_constraints = Optimizer._parameter_constraints | {
        "beta1": [SHARE],
        "beta2": [SHARE],
        "epsilon": [POSITIVE],
        "amsgrad": ["boolean"],
        "epsilon_hat": ["boolean"],
    }

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        epsilon_hat: bool = False,
    ):
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self.epsilon_hat = epsilon_hat

    @property
    def n_slots(self):
        return 3 if self.amsgrad else 2

    @property
    def rule(self):
        return amsgrad_rule if self.amsgrad else adam_rule

    def hyperparameters(self):
        return (self.beta1, self.beta2, self.epsilon, self.epsilon_hat)


class AdamW(Adam):
    r"""AdamW: Adam whose weight decay doesn't pass through the running means.

    With the step of :class:`Adam`, learning rate :math:`\eta` and weight decay :math:`\lambda`

    .. math:: \theta \leftarrow \theta - \eta \lambda \theta - (\text{Adam's step})

    Estimators decay the weights, not the intercepts, beside their own penalty ``alpha``.

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is the customary 0.001, or the estimator's choice.
    beta1 : float in [0, 1), default=0.9
        Decay of the mean m of gradients.
    beta2 : float in [0, 1), default=0.999
        Decay of the mean v of squared gradients.
    epsilon : float, default=1e-8
        Keeps the division finite, positive.
    weight_decay : float, default=0.01
        Decoupled decay lambda, not negative.
    amsgrad : bool, default=False
        Whether v may only grow.
    epsilon_hat : bool, default=False
        Whether epsilon is added to sqrt(v) before the correction for starting at zero.

    References
    ----------
    Loshchilov and Hutter 2019, Decoupled weight decay regularization, arXiv:1711.05101.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import AdamW
    >>> params = np.array([1.0])
    >>> AdamW(learning_rate=0.1, weight_decay=0.5).update(params, np.array([3.0]))
    >>> params.round(6)
    array([0.85])
    """

    _parameter_constraints = Adam._parameter_constraints | {"weight_decay": [NOT_NEGATIVE]}

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        epsilon_hat: bool = False,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, amsgrad, epsilon_hat)
        self.weight_decay = weight_decay


class NAdam(Optimizer):
    r"""NAdam: Adam with Nesterov's look-ahead and a momentum that warms up.

    With gradient :math:`g`, learning rate :math:`\eta` and :math:`t = 1, 2, \dots`

    .. math::

        \mu_t &= \beta_1 \left( 1 - \tfrac{1}{2}\, 0.96^{t \psi} \right), \qquad M_t = \mu_1 \mu_2 \cdots \mu_t \\
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \\
        \hat m &= \frac{\mu_{t+1}\, m}{1 - M_{t+1}} + \frac{(1 - \mu_t)\, g}{1 - M_t} \\
        \theta &\leftarrow \theta - \eta\, \frac{\hat m}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is the customary 0.002, or the estimator's choice.
    beta1 : float in [0, 1), default=0.9
        Decay of the mean m of gradients.
    beta2 : float in [0, 1), default=0.999
        Decay of the mean v of squared gradients.
    epsilon : float, default=1e-8
        Keeps the division finite, positive.
    momentum_decay : float, default=0.004
        psi, the speed at which the momentum warms up, not negative.

    References
    ----------
    Dozat 2016, Incorporating Nesterov momentum into Adam.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import NAdam
    >>> params = np.array([1.0])
    >>> NAdam(learning_rate=0.1).update(params, np.array([3.0]))
    >>> params.round(4)
    array([0.8944])
    """

    default_learning_rate = 0.002
    n_slots = 3  # m, v, and in the third the product of the momenta

    _parameter_constraints = Optimizer._parameter_constraints | {
        "beta1": [SHARE],
        "beta2": [SHARE],
        "epsilon": [POSITIVE],
        "momentum_decay": [NOT_NEGATIVE],
    }

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
    ):
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay

    def hyperparameters(self):
        return (self.beta1, self.beta2, self.epsilon, self.momentum_decay)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        if params.size == 0:
            return
        beta1, beta2, epsilon, decay = hyper[0], hyper[1], hyper[2], hyper[3]
        m, v, product = slots[0], slots[1], slots[2]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * decay))
        product[0] = mu if t == 1 else product[0] * mu
        of_m = learning_rate * mu_next / (1.0 - product[0] * mu_next)
        of_g = learning_rate * (1.0 - mu) / (1.0 - product[0])
        correction = 1.0 / np.sqrt(1.0 - beta2**t)
        for j in range(params.size):
            m[j] = beta1 * m[j] + (1.0 - beta1) * grads[j]
            v[j] = beta2 * v[j] + (1.0 - beta2) * grads[j] * grads[j]
            params[j] -= (of_m * m[j] + of_g * grads[j]) / (np.sqrt(v[j]) * correction + epsilon)


def adam_rule(params, grads, slots, hyper, learning_rate, t):
    real = params.dtype.type  # arithmetic in float32 is twice as fast where it suffices
    beta1, beta2 = real(hyper[0]), real(hyper[1])
    of_g, of_square = real(1.0 - hyper[0]), real(1.0 - hyper[1])
    # both corrections taken out of the loop, as at the end of section 2 of the paper
    correction = np.sqrt(1.0 - hyper[1] ** t)
    step = real(learning_rate * correction / (1.0 - hyper[0] ** t))
    floor = real(hyper[2] * (1.0 if hyper[3] > 0.0 else correction))
    m, v = slots[0], slots[1]
    for j in range(params.size):
        m[j] = beta1 * m[j] + of_g * grads[j]
        v[j] = beta2 * v[j] + of_square * grads[j] * grads[j]
        params[j] -= step * m[j] / (np.sqrt(v[j]) + floor)


def amsgrad_rule(params, grads, slots, hyper, learning_rate, t):
    real = params.dtype.type
    beta1, beta2 = real(hyper[0]), real(hyper[1])
    of_g, of_square = real(1.0 - hyper[0]), real(1.0 - hyper[1])
    correction = np.sqrt(1.0 - hyper[1] ** t)
    step = real(learning_rate * correction / (1.0 - hyper[0] ** t))
    floor = real(hyper[2] * (1.0 if hyper[3] > 0.0 else correction))
    m, v, largest = slots[0], slots[1], slots[2]
    for j in range(params.size):
        m[j] = beta1 * m[j] + of_g * grads[j]
        v[j] = beta2 * v[j] + of_square * grads[j] * grads[j]
        largest[j] = max(largest[j], v[j])
        params[j] -= step * m[j] / (np.sqrt(largest[j]) + floor)
