"""Stochastic variance reduced gradient."""

from .base import Optimizer
from .sgd import descent_rule


class SVRG(Optimizer):
    r"""Stochastic variance reduced gradient: mini-batch descent whose noise vanishes at the optimum.

    Every epoch begins with a snapshot: the parameters :math:`\tilde\theta`, and the gradient :math:`\tilde\mu` of the
    loss there over all rows. The gradient :math:`g_B` of a batch is then corrected by what the same rows say at the
    snapshot:

    .. math::

        g &= g_B(\theta) - g_B(\tilde\theta) + \tilde\mu \\
        \theta &\leftarrow \theta - \eta\, (g + \text{gradient of the penalty at } \theta)

    Its mean is the exact gradient, and its variance shrinks as theta and the snapshot approach the optimum. So a
    constant learning rate converges there, where that of :class:`SGD` has to decay. An epoch costs about two and a
    half times as much: there is the snapshot's pass, and batches are looked at with both parameters. At full batch
    nothing is left to correct, and this is plain descent; so is :meth:`update`, which knows no rows.

    On sparse rows, where a batch changes no columns but its own, mu~ counts 1 / (probability that a batch touches
    the column) times. With ``partial_fit`` the snapshot is that of the rows of the call.

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is the customary 0.01, or the estimator's choice: for linear models and losses of
        bounded curvature 1 / L_B, where L_B bounds the curvature that batches show.

    References
    ----------
    Johnson and Zhang 2013, Accelerating stochastic gradient descent using predictive variance reduction.
    Xiao and Zhang 2014, A proximal stochastic gradient method with progressive variance reduction; for the L1 penalty.
    Mania, Pan, Papailiopoulos, Recht, Ramchandran and Jordan 2017, Perturbed iterate analysis for asynchronous
    stochastic optimization; for sparse rows.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.optimizers import SVRG
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDLinearRegressor(optimizer=SVRG(), batch_size=16, random_state=0).fit(X, y)
    >>> round(model.score(X, y), 3)
    0.518
    """

    default_learning_rate = 0.01
    steps_with_gradient = True
    variance_reduced = True

    rule = staticmethod(descent_rule)
