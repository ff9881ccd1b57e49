"""What networks share."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._engine.objectives import NetworkObjective
from .._engine.training import Training
from .._estimator import GradientDescentEstimator
from .._validation import StrOptions, check_features
from ..activations import ACTIVATIONS, NUMPY_ACTIVATIONS

CUSTOMARY_BATCH_SIZE = 200
PREDICTION_ROWS = 4096  # rows predicted at once, so that memory stays bounded


class NetworkEstimator(GradientDescentEstimator):
    """Layers, weights and raw predictions of feed-forward networks."""

    _parameter_constraints: dict = GradientDescentEstimator._parameter_constraints | {
        "hidden_layer_sizes": ["array-like", Integral],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "init": [StrOptions({"auto", "he", "glorot"}), tuple, list],
    }

    def _make_objective(self, n_features, n_outputs, intercept_known):
        hidden = self.hidden_layer_sizes
        hidden = [hidden] if isinstance(hidden, Integral) else list(hidden)
        if not all(isinstance(width, Integral) and width > 0 for width in hidden):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} must hold whole numbers above 0, one a layer"
            )
        return NetworkObjective([n_features, *hidden, n_outputs], self.activation, self.init)

    def _auto_batch_size(self, X, n_rows, n_outputs, optimizer, loss, streaming):
        return min(CUSTOMARY_BATCH_SIZE, n_rows)

    def _scales_targets(self):
        return bool(self.standardize)

    def _publish_parameters(self, training: Training) -> None:
        coefs, intercepts = training.objective.unpack(training.params, training.scaling)
        self.coefs_ = [coef.astype(training.dtype) for coef in coefs]
        self.intercepts_ = [intercept.astype(training.dtype) for intercept in intercepts]
        self.n_layers_ = len(coefs) + 1
        self.n_outputs_ = coefs[-1].shape[1]

    def _raw_predictions(self, X: ArrayLike) -> np.ndarray:
        """Outputs of the last layer, of shape (n_rows, n_outputs)."""
        check_is_fitted(self)
        rows = check_features(self, X, reset=False)
        starts = range(0, len(rows), PREDICTION_ROWS)
        return np.concatenate([self._forward(rows[start : start + PREDICTION_ROWS]) for start in starts])

    def _forward(self, X: np.ndarray) -> np.ndarray:
        activate = NUMPY_ACTIVATIONS[self._training.objective.settings()["activation"]]
        a = X
        for layer, (coef, intercept) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            a = a @ coef
            a += intercept
            if layer < len(self.coefs_) - 1:
                a = activate(a)
        return a
