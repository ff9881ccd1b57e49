"""What regressors share: how they are fitted to numbers."""

from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import check_array

from .._validation import Interval, StrOptions, check_sample_weight, fit_context
from ..losses import REGRESSION_LOSSES, Loss, Quantile, get_regression_loss
from .validation_set import check_validation_set


class RegressorFits(RegressorMixin):
    """`fit` and `partial_fit` for one target or several; stands before a GradientDescentEstimator."""

    _loss_constraints: dict = {
        "loss": [StrOptions(REGRESSION_LOSSES), Loss],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }

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
        X : array-like or sparse matrix of shape (n_rows, n_features)
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
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), streaming=False)

    @fit_context(prefer_skip_nested_validation=True)
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
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, (None, None, None), streaming=True)

    def _fit(self, X, y, sample_weight, validation, streaming):
        X, y = self._check_training_data(X, y, streaming, y_numeric=True, multi_output=True)
        weight = check_sample_weight(sample_weight, X)
        if not isinstance(self.quantile, Real):  # whatever the loss; numbers have been checked
            Quantile(self.quantile).check()
        loss = self._make_loss()
        self._one_target = y.ndim == 1 and not loss.has_output_axis
        dtype = (
            np.float32 if y.dtype == X.dtype == np.float32 else np.float64
        )  # a copy would be a good part of a narrow X
        y = np.ascontiguousarray(y, dtype=dtype).reshape(len(y), -1)
        loss.check_targets(y)
        n_targets = y.shape[1]

        def check_targets(y_val):
            y_val = check_array(y_val, ensure_2d=False, dtype=np.float64, order="C", input_name="y_val")
            y_val = y_val.reshape(len(y_val), -1)
            if y_val.shape[1] != n_targets:
                raise ValueError(f"it has {y_val.shape[1]} columns, y has {n_targets}")
            loss.check_targets(y_val)
            return y_val

        validation = check_validation_set(self, *validation, check_targets)
        n_outputs = loss.n_outputs(n_targets)
        self._train(X, y, n_outputs, weight, loss, streaming=streaming, validation=validation)
        return self

    def _make_loss(self) -> Loss:
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
