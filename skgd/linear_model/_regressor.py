"""Linear regression."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._docstrings import Linear, documented
from .._partitions import by_blocks
from .._regressor import RegressorFits
from .._validation import in_library_of
from ..losses import Loss, RegressionLossName
from ..optimizers import Optimizer, OptimizerName
from ..penalties import ElasticNet, PenaltyName
from ..schedules import Schedule, ScheduleName
from ._base import LinearEstimator


@documented(Linear)
class GDLinearRegressor(RegressorFits, LinearEstimator):
    """Linear regression by gradient descent.

    Minimises, with weights s_i that sum to one and targets y_i::

        sum_i s_i loss(x_i w + b, y_i) + alpha penalty(w)

    where w are the coefficients of standardised features and the intercept b is free. Targets are centred and
    scaled during the fit where the loss allows; several targets are fitted at once. Predictions are x w + b, or
    exp(x w + b) for losses with a log link. X may be sparse: see :mod:`skgd.linear_model`.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        What is minimised, by name with the loss's default parameters, or an object from :mod:`skgd.losses`, as
        ``Huber(epsilon=2)``, or your own:

        - "squared_error": 1/2 (raw - y)^2, the mean.
        - "huber", "absolute_error", "epsilon_insensitive", "squared_epsilon_insensitive": robust ones, and those of
          support vector regression.
        - "quantile": pinball loss for ``quantile``.
        - "poisson", "gamma", "tweedie": half deviances with a log link, for counts and positive targets; predictions
          are exp(raw).
    {quantile}
    {optimizer, learning_rate, schedule}
    {penalty, alpha, l1_ratio, fit_intercept, standardize}
    {batch_size, max_iter, tol, criterion, n_iter_no_change, shuffle}
    {early_stopping, validation_fraction, average, clip_norm}
    {warm_start, random_state, verbose, n_jobs}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features) or (n_quantiles, n_features)
        Coefficients in the units of X and y, or of log(y) for losses with a log link.
    intercept_ : ndarray of shape (1,) or (n_targets,) or (n_quantiles,)
        Intercepts.
    {n_iter_, t_, loss_curve_}
        With several targets each counts in units of its variance.
    {validation_curve_, optimizer_, learning_rate_, batch_size_}
    {gradient_norm_, converged_, stop_reason_, n_features_in_, feature_names_in_}

    Raises
    ------
    {ValueError}

    Warns
    -----
    {ConvergenceWarning}

    See Also
    --------
    GDLinearClassifier : the same for classes.
    GDMLPRegressor : networks.

    References
    ----------
    Bottou, Curtis and Nocedal 2018, Optimization methods for large-scale machine learning.
    Those of the losses are with them, in :mod:`skgd.losses`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDLinearRegressor().fit(X, y)
    >>> round(model.score(X, y), 3), model.stop_reason_
    (0.518, 'converged')
    """

    _parameter_constraints: dict = LinearEstimator._parameter_constraints | RegressorFits._parameter_constraints

    def __init__(
        self,
        loss: RegressionLossName | Loss = "squared_error",
        *,
        quantile: float | Sequence[float] | np.ndarray = 0.5,
        optimizer: OptimizerName | Literal["auto"] | Optimizer = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        schedule: ScheduleName | Schedule | Callable = "constant",
        penalty: PenaltyName | ElasticNet | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool | Literal["auto", "max_abs"] = "auto",
        batch_size: int | Literal["auto"] | None = "auto",
        max_iter: int = 3000,
        tol: float | Literal["auto"] | None = "auto",
        criterion: Literal["objective", "gradient", "step"] = "objective",
        n_iter_no_change: int = 3,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        average: bool | float | Literal["auto"] = "auto",
        clip_norm: float | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ):
        self.loss = loss
        self.quantile = quantile
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.criterion = criterion
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.average = average
        self.clip_norm = clip_norm
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @by_blocks
    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; of a Dask collection predictions are one, too, lazy and block by block.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets) or (n_rows, n_quantiles)
            Predictions on the scale of y: ``X coef_' + intercept_``, of losses with a log link the exponential of it,
            and sorted for several quantiles.
        """
        raw = self._raw_predictions(X)
        columns = raw[:, None] if raw.ndim == 1 else raw
        predictions = self._training.loss.predict(columns).reshape(raw.shape)
        with np.errstate(over="ignore"):  # infinity is the nearest float32
            return in_library_of(X, predictions.astype(self.coef_.dtype, copy=False))
