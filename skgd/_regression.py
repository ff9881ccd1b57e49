"""What regressors share: how they are fitted to numbers."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from ._validation import check_sample_weight, fit_context
from .losses import get_regression_loss


class RegressorFits(RegressorMixin):
    """`fit` and `partial_fit` for one target or several; stands before a GradientDescentEstimator."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or, for linear models, sparse matrix of shape (n_rows, n_features)
            Features, not copied if C-ordered or CSR, float32 or float64.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, not negative; only their proportions count.

        Returns
        -------
        Self
            The fitted estimator itself.
        """
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, streaming=False)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Make one epoch over the given rows and go on where the last call ended.

        Optimizer state, schedule and standardization go on. A change of the running mean and standard deviation
        doesn't change the predictions.

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
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, streaming=True)

    def _fit(self, X, y, sample_weight, streaming):
        X, y = self._check_training_data(X, y, streaming, y_numeric=True)
        weight = check_sample_weight(sample_weight, X)
        self._one_target = y.ndim == 1
        y = np.ascontiguousarray(y, dtype=np.float64).reshape(len(y), -1)
        loss = get_regression_loss(self.loss)
        loss.check_targets(y)
        self._train(X, y, loss.n_outputs(y.shape[1]), weight, loss, streaming=streaming)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
