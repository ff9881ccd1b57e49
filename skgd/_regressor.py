"""What regressors share: how they are fitted to numbers."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from ._containers import all_single, as_numpy
from ._scores import R2, scored_by_parts
from ._targets.partitioned import NumberSurvey
from ._targets.regression import describe_numbers
from ._validation import FLOATS, Interval, StrOptions, fit_context, in_library_of
from .losses import REGRESSION_LOSSES, Loss, Quantile, get_regression_loss


class RegressorFits(RegressorMixin):
    """`fit` and `partial_fit` for one target or several; stands before a GradientDescentEstimator."""

    _parameter_constraints: dict = {
        "loss": [StrOptions(REGRESSION_LOSSES), Loss],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }
    _checks_of_y: dict = {"y_numeric": True, "multi_output": True}

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_rows, n_features)
            Features, not copied if C-ordered or CSR, float32 or float64.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, not negative; only their proportions count.
        X_val : array-like of shape (n_validation_rows, n_features), default=None
            Rows to validate on, instead of a part of X that is held out with ``early_stopping``. Without early
            stopping they are only watched: ``validation_curve_`` tells the loss on them.
        y_val : array-like of shape (n_validation_rows,) or (n_validation_rows, n_targets), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_validation_rows,), default=None
            Their weights.

        Returns
        -------
        Self
            The fitted estimator itself.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Make one epoch over the given rows and go on where the last call ended.

        Optimizer state, schedule and standardization go on. A change of the running mean and standard deviation
        doesn't change the predictions, but for networks that have seen fewer than 100 rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Features.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, not negative.

        Returns
        -------
        Self
            The estimator itself.
        """
        return self._fit(X, y, sample_weight, streaming=True)

    @scored_by_parts(R2)
    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination R^2 of the predictions, the mean of those of several targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; of Dask collections the score is a number that isn't computed yet: ``float`` gets it.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            True targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights.

        Returns
        -------
        float
            At most 1; 0 is as good as the mean of y.
        """
        n_rows = getattr(X, "shape", ())[:1]
        plain = y if type(y) is np.ndarray and y.dtype in FLOATS and y.ndim <= 2 else None
        if plain is not None and sample_weight is None and plain.shape[:1] == n_rows > (1,):
            return float(R2.finish(R2(self).told(X, plain, np.ones(n_rows))))  # scikit-learn's asks every library first
        y, weight = as_numpy(y, "y"), as_numpy(sample_weight, "sample_weight")
        return super().score(X, in_library_of(X, y), in_library_of(X, weight))

    def _describe_targets(self, X, y, sample_weight, validation, classes, before, streaming):
        return describe_numbers(self, X, y, sample_weight, validation, self._make_loss())

    def _survey(self, y_like, dtype, classes, before):
        n_targets = y_like.shape[1] if y_like.ndim == 2 else 1
        single = dtype == np.float32 and all_single(y_like)
        return NumberSurvey(self._make_loss(), y_like.ndim, n_targets, np.dtype(np.float32 if single else np.float64))

    def _make_loss(self) -> Loss:
        if not isinstance(self.quantile, Real):  # whatever the loss; numbers have been checked
            Quantile(self.quantile).check()
        by_name = isinstance(self.loss, str) and self.loss == "quantile"
        return Quantile(self.quantile) if by_name else get_regression_loss(self.loss)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        try:
            self._make_loss().check_targets(np.array([[-1.0]]))
        except ValueError:  # out of the domain, or a loss that fit will complain about
            tags.target_tags.positive_only = True
        return tags
