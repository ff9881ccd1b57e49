"""The epochs of a fit, as a textbook prints a descent."""

from typing import Any

import numpy as np

from .._minimize.function import Point
from .._minimize.table import Table
from .._solvers.driver import Driver
from ..linear_model._base import LinearEstimator
from ._base import FitCallback


class EpochTable(FitCallback):
    r"""Prints every epoch of a linear model's fit as a textbook does, and ``minimize(trace=True)``.

    A line has the coefficients and the intercept, the objective and its gradient there, and the learning rate and the
    step that have led there. With ``batch_size=None`` an epoch is one step. All are in the units of X and y, whatever
    training standardizes: with ``standardize=False`` and plain descent without ``average`` each step is minus the rate
    times the gradient of the line above,

    .. math:: w \leftarrow w - \eta \, \frac{1}{n} \sum_i \ell'(x_i w + b, y_i) \, x_i, \qquad
        b \leftarrow b - \eta \, \frac{1}{n} \sum_i \ell'(x_i w + b, y_i)

    The gradient takes a pass over the data in every epoch. Of more than four parameters the first two and the last two
    are shown.

    Raises
    ------
    TypeError
        If it is set on an estimator that is no linear one of skgd.

    See Also
    --------
    EpochLogger : writes a file.
    skgd.minimize : the same of any function.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDLinearRegressor
    >>> from skgd.callbacks import EpochTable
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0])
    >>> settings = {"optimizer": "sgd", "learning_rate": 0.4, "batch_size": None, "standardize": False, "alpha": 0}
    >>> model = GDLinearRegressor(max_iter=2, tol=None, **settings).set_callbacks(EpochTable())
    >>> model = model.fit(X, y)  # of the parameters the coefficient is the first, the intercept the last
        k            parameters    objective              gradient      rate                  step
        0          0          0      5.83333     -4.333         -3
        1      1.733        1.2    0.0259259    -0.2444   -0.06667       0.4      1.733        1.2
        2      1.831      1.227     0.011177   -0.05481    0.05778       0.4    0.09778    0.02667
    """

    def __init__(self) -> None:  # one of its own, whose errors have its name
        super().__init__()

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin to watch a fit."""
        if not isinstance(estimator, LinearEstimator):
            raise TypeError(
                f"EpochTable must be set on a linear model of skgd, and this is a {type(estimator).__name__}"
            )
        super().setup(estimator, context)

    def _begin(self, estimator: Any) -> "Lines":
        return Lines()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Print the head and the start, before the first epoch."""
        if context.max_subtasks == 0:
            self._record(estimator).begin(estimator._run.driver)


class Lines:
    """The table of one fit."""

    def __init__(self) -> None:
        self.table, self.epoch = Table(np.asarray, 1.0), -1

    def begin(self, driver: Driver) -> None:
        """The head, once."""
        if self.epoch < 0:
            self.epoch = driver.training.epochs
            self.table.begin(self.epoch, in_units_of_data(driver), "parameters", "objective")

    def see(self, driver: Driver) -> None:
        """Print the last epoch, unless it was cut short."""
        if driver.training.epochs > self.epoch:
            self.epoch = driver.training.epochs
            self.table.see(self.epoch, in_units_of_data(driver), driver.learning_rate or None)

    def end(self, estimator: Any = None) -> None:
        """Nothing is left open."""


def in_units_of_data(driver: Driver) -> Point:
    """Coefficients and intercepts of a training, row by row, the objective and its gradient, by the chain rule."""
    training, problem = driver.training, driver.problem
    params = training.params.astype(np.float64)
    scaling, shape = training.scaling, (training.model.n_outputs, -1)
    coef, intercept = training.model.unpack(params, scaling)
    gradient = problem.gradient(params).reshape(shape)
    of_intercept = gradient[:, -1:]
    of_coef = gradient[:, :-1] * scaling.scale + of_intercept * scaling.center
    found = np.hstack([of_coef, of_intercept]) * training.loss_unit / scaling.target_scale[:, None]
    value = problem.value(params) * training.loss_unit
    return Point(np.column_stack([coef, intercept]).ravel(), value, found.ravel())
