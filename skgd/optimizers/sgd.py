"""Gradient descent, momentum, Nesterov's acceleration."""

from numbers import Real
from typing import Literal

from .._validation import Interval, StrOptions
from .base import Optimizer


class SGD(Optimizer):
    r"""Gradient descent, with momentum or Nesterov's accelerated gradient on demand.

    With gradient :math:`g`, learning rate :math:`\eta` and momentum :math:`\mu`

    .. math::

        \text{no momentum:}\quad & \theta \leftarrow \theta - \eta\, g \\
        \text{momentum:}\quad & v \leftarrow \mu v - \eta\, g, \qquad \theta \leftarrow \theta + v \\
        \text{Nesterov:}\quad & v \leftarrow \mu v - \eta\, g, \qquad \theta \leftarrow \theta + \mu v - \eta\, g

    ``momentum="auto"`` lets the momentum of ``nesterov=True`` grow as (k - 1) / (k + 2) over the updates k, and
    begin again whenever the last step went uphill: the accelerated gradient method with adaptive restart. It is
    meant for exact gradients, that is for full batches, where it needs about the square root of plain descent's
    number of steps.

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is the customary 0.01, or the estimator's choice.
    momentum : float in [0, 1) or "auto", default=0.0
        Share of the last step that the next one keeps.
    nesterov : bool, default=False
        Whether to look ahead; needs momentum.

    References
    ----------
    Polyak 1964, Some methods of speeding up the convergence of iteration methods.
    Nesterov 1983, A method for solving the convex programming problem with convergence rate O(1/k^2); the form
    above is that of Sutskever, Martens, Dahl and Hinton 2013, On the importance of initialization and momentum.
    O'Donoghue and Candes 2015, Adaptive restart for accelerated gradient schemes.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.optimizers import SGD
    >>> params = np.array([1.0, -2.0])
    >>> SGD(learning_rate=0.1).update(params, np.array([1.0, 1.0]))
    >>> params
    array([ 0.9, -2.1])
    """

    default_learning_rate = 0.01
    steps_with_gradient = True

    _parameter_constraints = Optimizer._parameter_constraints | {
        "momentum": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "nesterov": ["boolean"],
    }

    def __init__(
        self, learning_rate: float | None = None, momentum: float | Literal["auto"] = 0.0, nesterov: bool = False
    ):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov

    def check(self):
        super().check()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum: give SGD a momentum above 0, customarily 0.9, or 'auto'")
        if self.momentum == "auto" and not self.nesterov:
            raise ValueError("momentum='auto' is Nesterov's accelerated gradient: set nesterov=True with it")

    @property
    def n_slots(self):
        return 2 if self.momentum == "auto" else int(self.momentum > 0)

    @property
    def follows_path(self):
        return self.momentum == "auto"

    @property
    def rule(self):
        if self.momentum == "auto":
            return accelerated_rule
        if self.momentum == 0:
            return descent_rule
        return nesterov_rule if self.nesterov else momentum_rule

    def hyperparameters(self):
        return () if self.momentum == "auto" else (self.momentum,)


class Momentum(SGD):
    r"""Gradient descent with momentum: :class:`SGD` whose steps add up, as textbooks call it.

    With gradient :math:`g`, learning rate :math:`\eta` and momentum :math:`\mu`

    .. math:: v \leftarrow \mu v - \eta\, g, \qquad \theta \leftarrow \theta + v

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is the customary 0.01, or the estimator's choice.
    momentum : float in [0, 1) or "auto", default=0.9
        Share of the last step that the next one keeps; "auto" needs ``nesterov=True``, see :class:`SGD`.
    nesterov : bool, default=False
        Whether to look ahead.

    References
    ----------
    Polyak 1964, Some methods of speeding up the convergence of iteration methods.

    Examples
    --------
    >>> from skgd.optimizers import Momentum
    >>> params, optimizer = {"w": 1.0, "b": 0.0}, Momentum(learning_rate=0.1)
    >>> for _ in range(2):
    ...     optimizer.update(params, {"w": 1.0, "b": -1.0})
    >>> round(params["w"], 6), round(params["b"], 6)
    (0.71, 0.29)
    """

    def __init__(
        self, learning_rate: float | None = None, momentum: float | Literal["auto"] = 0.9, nesterov: bool = False
    ):
        super().__init__(learning_rate, momentum, nesterov)


def descent_rule(params, grads, slots, hyper, learning_rate, t):
    for j in range(params.size):
        params[j] -= learning_rate * grads[j]


def momentum_rule(params, grads, slots, hyper, learning_rate, t):
    momentum, velocity = hyper[0], slots[0]
    for j in range(params.size):
        velocity[j] = momentum * velocity[j] - learning_rate * grads[j]
        params[j] += velocity[j]


def nesterov_rule(params, grads, slots, hyper, learning_rate, t):
    momentum, velocity = hyper[0], slots[0]
    for j in range(params.size):
        velocity[j] = momentum * velocity[j] - learning_rate * grads[j]
        params[j] += momentum * velocity[j] - learning_rate * grads[j]


def accelerated_rule(params, grads, slots, hyper, learning_rate, t):
    if params.size == 0:
        return
    last, count = slots[0], slots[1]  # the last point before its extrapolation; count[0]: steps since the restart
    if count[0] == 0.0:
        for j in range(params.size):
            last[j] = params[j]
    uphill = 0.0
    for j in range(params.size):
        uphill += grads[j] * (params[j] - learning_rate * grads[j] - last[j])
    k = 1.0 if uphill > 0.0 else count[0] + 1.0
    count[0] = k
    momentum = (k - 1.0) / (k + 2.0)
    for j in range(params.size):
        point = params[j] - learning_rate * grads[j]
        params[j] = point + momentum * (point - last[j])
        last[j] = point
