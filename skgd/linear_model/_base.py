"""What linear models share."""

from numbers import Real
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._auto import auto
from .._fit import GradientDescentEstimator
from .._parallel import n_threads
from .._problem.models import LinearObjective
from .._problem.predictions import raw_predictions
from .._validation import Interval, StrOptions, check_rows_to_predict
from ..optimizers import OPTIMIZERS, SGD, Optimizer
from ..penalties import PENALTIES, get_penalty

# At the mean of y the gradient of the intercept is zero up to rounding: a rule that takes its sign would follow that.
START_OFFSET = 1e-3


class LinearEstimator(GradientDescentEstimator):
    """Penalty, intercept, learning rates and predictions of linear models."""

    _parameter_constraints: dict = GradientDescentEstimator._parameter_constraints | {
        "optimizer": [StrOptions({*OPTIMIZERS, "auto"}), Optimizer],
        "penalty": [StrOptions(set(PENALTIES)), None],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
    }

    _objective = LinearObjective

    def _make_objective(self, n_features, n_outputs, intercept_known):
        return LinearObjective(n_features, n_outputs, self.fit_intercept, self.fit_intercept and not intercept_known)

    def _starting_constant(self, n_outputs, loss, data):
        # among raw features the best constant is a bad start: the intercept would have a long way back
        if loss.trivial_optimum:
            return super()._starting_constant(n_outputs, loss, data)
        if not self._centers_targets(data.features):
            return np.zeros(n_outputs)
        if not loss.quadratic:
            return super()._starting_constant(n_outputs, loss, data)
        return np.full(n_outputs, 0.0 if self._centers(data.features) else START_OFFSET)  # the mean is zero

    def _auto_batch_size(self, X, n_rows, n_outputs, optimizer, loss, streaming):
        rate = optimizer.learning_rate if self.learning_rate == "auto" else self.learning_rate
        curvature = loss.curvature_bound(n_outputs) if optimizer.steps_with_gradient else None
        size = auto.auto_batch_size(n_rows, optimizer, rate is None and curvature is not None, streaming)
        given = rate is not None and curvature is not None and not streaming and not optimizer.variance_reduced
        standardised = not sparse.issparse(X) and self._standardization(X) is True
        if given and standardised and size < n_rows:
            return auto.batch_size_for_rate(float(rate), n_rows, X.shape[1], curvature, optimizer)
        return size

    def _with_exact_gradients(self, optimizer):
        # by its name: momentum that grows, and restarts, in place of a fixed one that mini-batches need
        by_name = isinstance(self.optimizer, str) and self.optimizer == "nesterov"
        return SGD(momentum="auto", nesterov=True) if by_name else optimizer

    def _penalty(self):
        return get_penalty(self.penalty, self.alpha, self.l1_ratio)

    def _rate_from_data(self, data, loss, n_outputs, optimizer, batch_size, rows_seen, streaming):
        curvature = loss.curvature_bound(n_outputs)
        if curvature is None or not optimizer.steps_with_gradient:
            return None
        alpha = self._penalty().l2
        partly_seen = streaming and bool(self.standardize)
        return auto.gradient_rate(
            data, curvature, optimizer, batch_size, rows_seen, partly_seen, alpha, self.fit_intercept
        )

    def _raw_predictions(self, X) -> np.ndarray:
        """X coef' + intercept in the shape that coef_ implies, in float64."""
        check_is_fitted(self)
        X = check_rows_to_predict(self, X)
        if sparse.issparse(self.coef_) and X.dtype != np.float32:
            X = X if X.dtype == np.float64 else X.astype(np.float64)
            raw = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
            return raw[:, 0] if getattr(self, "_one_target", False) else raw
        coef, intercept = (self.coef_, self.intercept_) if X.dtype != np.float32 else self._exact_parameters()
        return raw_predictions(X, coef, intercept, n_threads(self.n_jobs))

    def sparsify(self) -> Self:
        """Store ``coef_`` as a CSR matrix: less memory and faster predictions where most coefficients are zero.

        Training goes on from there as if nothing had happened, and makes ``coef_`` dense again.

        Returns
        -------
        Self
            The estimator itself.
        """
        check_is_fitted(self)
        self.coef_: np.ndarray | sparse.csr_matrix = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Store ``coef_`` as an array, as :meth:`sparsify` found it.

        Returns
        -------
        Self
            The estimator itself.
        """
        check_is_fitted(self)
        if sparse.issparse(self.coef_):
            coef = self.coef_.toarray()  # type: ignore[union-attr]
            self.coef_ = coef[0] if getattr(self, "_one_target", False) else coef
        return self

    def _publish_parameters(self, training):
        self.coef_, self.intercept_ = (array.astype(training.precision) for array in self._unrounded(training))

    def _exact_parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """coef_ and intercept_ in float64, unrounded unless the user has changed them."""
        exact, coef = self._unrounded(self._training), self.coef_
        if sparse.issparse(coef):
            coef = coef.toarray().reshape(exact[0].shape)  # type: ignore[union-attr]
        published = coef, self.intercept_
        unchanged = all(np.array_equal(a.astype(b.dtype), b) for a, b in zip(exact, published, strict=True))
        return exact if unchanged else published

    def _unrounded(self, training) -> tuple[np.ndarray, np.ndarray]:
        return self._shaped(*training.objective.unpack(training.params, training.scaling))

    def _shaped(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and intercepts in the shapes that are published."""
        return coef, intercept
