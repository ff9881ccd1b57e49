"""Limited-memory BFGS."""

from numbers import Integral
from typing import Literal

from .._validation import Interval, StrOptions
from .base import Optimizer


class LBFGS(Optimizer):
    r"""Limited-memory BFGS: Newton's method with a curvature that is learnt from the last few gradients.

    With :math:`s_k = \theta_{k+1} - \theta_k` and :math:`y_k = g_{k+1} - g_k` of the last ``memory`` steps, the
    two-loop recursion applies to the gradient :math:`g` the inverse Hessian that satisfies :math:`H y_k = s_k`,
    beginning with the preconditioner:

    .. math:: \theta \leftarrow \theta - \eta\, H g

    Estimators take exact gradients over all rows, whatever ``batch_size`` is: a unit step first, shortened until the
    objective has decreased enough (Armijo). Schedules, averages and clipping don't concern it. With an L1 penalty the
    steps are proximal Newton steps, or orthant-wise ones where there is no curvature to go by. The preconditioner of
    linear models comes from the curvature of some rows, which makes most fits a matter of two to ten passes over the
    data; see docs/auto.md.

    Parameters
    ----------
    learning_rate : float, default=None
        Length of the first step that is tried, positive. None is 1.
    memory : int, default=10
        Number of steps remembered, at least 1.
    preconditioner : {"auto", "subsample", "diagonal", "working_sets"} or None, default="auto"
        Curvature that the recursion begins with, for linear models: that of a sub-sample of rows, a matrix; the
        diagonal alone; or none, a multiple of the identity. "auto" is the matrix where it is small enough to be
        factorised in little time, else the diagonal. "working_sets" is for smooth losses with an L1 penalty and rows
        in memory, and "auto" elsewhere: the curvature of the columns alone whose coefficients are not zero, or
        shouldn't be, chosen anew for each step. ``optimizer="auto"`` takes it where it is faster. Networks have none.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and 7.5.
    Andrew and Gao 2007, Scalable training of L1-regularized log-linear models.
    Johnson and Guestrin 2015, Blitz: a principled meta-algorithm for scaling sparse optimization.
    Massias, Gramfort and Salmon 2018, Celer: a fast solver for the Lasso with dual extrapolation.
    Bertrand et al. 2022, Beyond L1: faster and better sparse models with skglm.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.optimizers import LBFGS
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDLinearRegressor(optimizer=LBFGS(memory=5, preconditioner=None)).fit(X, y)
    >>> round(model.score(X, y), 3)
    0.518
    """

    default_learning_rate = 1.0
    follows_path = True
    searches_line = True

    _parameter_constraints = Optimizer._parameter_constraints | {
        "memory": [Interval(Integral, 1, None, closed="left")],
        "preconditioner": [StrOptions({"auto", "subsample", "diagonal", "working_sets"}), None],
    }

    def __init__(
        self,
        learning_rate: float | None = None,
        memory: int = 10,
        preconditioner: Literal["auto", "subsample", "diagonal", "working_sets"] | None = "auto",
    ):
        self.learning_rate = learning_rate
        self.memory = memory
        self.preconditioner = preconditioner

    @property
    def n_slots(self):
        return 2 * self.memory + 3

    def hyperparameters(self):
        return (self.memory,)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        # without a line search: for update() and for rows that come in batches
        memory = int(hyper[0])
        last_params, last_grads, inner = slots[2 * memory], slots[2 * memory + 1], slots[2 * memory + 2]
        n_pairs = min(t - 1, memory)
        if t > 1:
            newest = (t - 2) % memory
            s, y = slots[newest], slots[memory + newest]
            for j in range(params.size):
                s[j] = params[j] - last_params[j]
                y[j] = grads[j] - last_grads[j]
        for j in range(params.size):
            last_params[j] = params[j]
            last_grads[j] = grads[j]
        scale = 1.0
        for back in range(n_pairs):
            at = (t - 2 - back) % memory
            s, y = slots[at], slots[memory + at]
            sy = yy = sq = 0.0
            for j in range(params.size):
                sy += s[j] * y[j]
                yy += y[j] * y[j]
                sq += s[j] * grads[j]
            if sy <= 0.0 or back >= inner.size:
                continue
            if scale == 1.0:
                scale = sy / yy
            inner[back] = sq / sy
            for j in range(params.size):
                grads[j] -= inner[back] * y[j]
        for j in range(params.size):
            grads[j] *= scale
        for back in range(n_pairs - 1, -1, -1):
            at = (t - 2 - back) % memory
            s, y = slots[at], slots[memory + at]
            sy = yq = 0.0
            for j in range(params.size):
                sy += s[j] * y[j]
                yq += y[j] * grads[j]
            if sy <= 0.0 or back >= inner.size:
                continue
            for j in range(params.size):
                grads[j] += s[j] * (inner[back] - yq / sy)
        for j in range(params.size):
            params[j] -= learning_rate * grads[j]
