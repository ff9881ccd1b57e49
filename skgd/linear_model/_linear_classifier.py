"""Linear classification with any loss for classes."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

from collections.abc import Callable
from typing import Literal

import numpy as np

from .._classifier import ClassifierFits
from .._docstrings import Linear, documented
from ..losses import ClassLossName, Loss
from ..optimizers import Optimizer, OptimizerName
from ..penalties import ElasticNet, PenaltyName
from ..schedules import Schedule, ScheduleName
from ._classifier import LinearClassifier


@documented(Linear)
class GDLinearClassifier(LinearClassifier):
    """Linear classification by gradient descent: support vector machines, logistic regression and others.

    Minimises, with weights s_i that sum to one and classes c_i::

        sum_i s_i loss(x_i W' + b, c_i) + alpha penalty(W)

    where W are the coefficients of standardised features and the intercepts b are free. Two classes have one row
    of coefficients, K > 2 classes have K rows. Log-loss is then multinomial; the other losses are summed over the
    outputs, each of them one class against the rest.

    Parameters
    ----------
    loss : str or Loss, default="log_loss"
        What is minimised, for the margin m = +-raw, positive where the class is predicted right:

        - "log_loss": log(1 + exp(-m)), or its multinomial form: logistic regression.
        - "hinge": max(0, 1 - m), a support vector machine.
        - "squared_hinge": max(0, 1 - m)^2.
        - "modified_huber": max(0, 1 - m)^2 for m >= -1, -4 m below; robust.
        - "perceptron": max(0, -m), for which "auto" makes plain steps over a few rows at a time.

        Or a loss of your own with ``for_classes = True``.
    {optimizer, learning_rate, schedule}
    {penalty, alpha, l1_ratio, fit_intercept, standardize}
    {batch_size, max_iter, tol, criterion, n_iter_no_change, shuffle}
    {early_stopping, validation_fraction, average, clip_norm}
    {class_weight}
    {warm_start, random_state, verbose, n_jobs}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients in the units of X.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    {n_iter_, t_, loss_curve_}
    {validation_curve_, optimizer_, learning_rate_, batch_size_}
    {gradient_norm_, converged_, stop_reason_, n_features_in_, feature_names_in_}

    Raises
    ------
    {ValueError}
        Also if y holds a single class.

    Warns
    -----
    {ConvergenceWarning}

    See Also
    --------
    GDLogisticClassifier : the same with log-loss.
    GDLinearRegressor : the same for numbers.

    References
    ----------
    Bottou, Curtis and Nocedal 2018, Optimization methods for large-scale machine learning.
    Those of the losses are with them, in :mod:`skgd.losses`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skgd import GDLinearClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GDLinearClassifier(loss="squared_hinge", alpha=1e-2).fit(X, y)
    >>> round(model.score(X, y), 2), model.stop_reason_
    (0.99, 'converged')
    >>> hasattr(model, "predict_proba")
    False
    """

    _parameter_constraints: dict = LinearClassifier._parameter_constraints | ClassifierFits._parameter_constraints

    def __init__(
        self,
        loss: ClassLossName | Loss = "log_loss",
        *,
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
        class_weight: dict | Literal["balanced"] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ):
        super().__init__(
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            standardize=standardize,
            batch_size=batch_size,
            max_iter=max_iter,
            tol=tol,
            criterion=criterion,
            n_iter_no_change=n_iter_no_change,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            average=average,
            clip_norm=clip_norm,
            class_weight=class_weight,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
            n_jobs=n_jobs,
        )
        self.loss = loss
