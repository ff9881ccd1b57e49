"""What linear models share."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._engine import auto
from .._engine.objectives import LinearObjective
from .._estimator import GradientDescentEstimator
from .._validation import StrOptions, check_features
from ..optimizers import OPTIMIZERS, Optimizer

PREDICTION_ROWS = 65_536  # rows predicted at once where they must be converted, so that memory stays bounded


class LinearEstimator(GradientDescentEstimator):
    """Penalty, intercept, learning rates and predictions of linear models."""

    _parameter_constraints: dict = GradientDescentEstimator._parameter_constraints | {
        "optimizer": [StrOptions({*OPTIMIZERS, "auto"}), Optimizer],
        "penalty": [StrOptions({"l2"}), None],
        "fit_intercept": ["boolean"],
    }

    def _make_objective(self, n_features, n_outputs, intercept_known):
        return LinearObjective(n_features, n_outputs, self.fit_intercept, self.fit_intercept and not intercept_known)

    def _starting_constant(self, n_outputs, loss, data):
        # among raw features the best constant is a bad start: the intercept would have a long way back
        return super()._starting_constant(n_outputs, loss, data) if self._centers() else np.zeros(n_outputs)

    def _auto_batch_size(self, n_rows, optimizer, loss, streaming):
        rate_is_auto = self.learning_rate == "auto" and optimizer.learning_rate is None
        rate_from_data = rate_is_auto and optimizer.steps_with_gradient and loss.curvature is not None
        return auto.auto_batch_size(n_rows, optimizer, rate_from_data, streaming)

    def _penalty_strength(self):
        return 0.0 if self.penalty is None else self.alpha

    def _rate_from_data(self, data, loss, n_outputs, optimizer, batch_size, rows_seen, streaming):
        curvature = loss.curvature_bound(n_outputs)
        if curvature is None or not optimizer.steps_with_gradient:
            return None
        alpha = self._penalty_strength()
        partly_seen = streaming and bool(self.standardize)
        return auto.gradient_rate(
            data, curvature, optimizer, batch_size, rows_seen, partly_seen, alpha, self.fit_intercept
        )

    def _raw_predictions(self, X) -> np.ndarray:
        """X coef' + intercept in the shape that coef_ implies."""
        check_is_fitted(self)
        X = check_features(self, X, reset=False)
        if X.dtype == self.coef_.dtype:
            return X @ self.coef_.T + self.intercept_
        # float32 rows in float64, some at a time: with large means the products would lose what their sum keeps
        blocks = [
            X[start : start + PREDICTION_ROWS].astype(self.coef_.dtype) @ self.coef_.T + self.intercept_
            for start in range(0, len(X), PREDICTION_ROWS)
        ]
        return np.concatenate(blocks).astype(X.dtype)
