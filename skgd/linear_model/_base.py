"""What linear models share."""

import functools
from numbers import Real
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from .._auto.linear import decide
from .._constructors import OF_LINEAR_MODELS
from .._fit import GradientDescentEstimator
from .._parallel import n_threads, total
from .._problem.model import LinearModel
from .._problem.predictions import raw_predictions
from .._validation import Interval, StrOptions, check_fitted, check_rows_to_predict
from ..optimizers import OPTIMIZERS, Optimizer
from ..penalties import L1, L2, PENALTIES, ElasticNet, get_penalty


class LinearEstimator(GradientDescentEstimator):
    """Penalty, intercept, learning rates and predictions of linear models."""

    _parameter_constraints: dict = GradientDescentEstimator._parameter_constraints | {
        "optimizer": [StrOptions({*OPTIMIZERS, "auto"}), Optimizer],
        "penalty": [StrOptions(set(PENALTIES)), L1, L2, ElasticNet, None],
        "average": [*GradientDescentEstimator._parameter_constraints["average"], StrOptions({"auto"})],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
    }

    _written_elsewhere = OF_LINEAR_MODELS
    _model = LinearModel
    _decide = staticmethod(decide)

    def _penalty(self):
        return get_penalty(self.penalty, self.alpha, self.l1_ratio)

    def _raw_predictions(self, X) -> np.ndarray:
        """X coef' + intercept in the shape that coef_ implies, in float64."""
        check_fitted(self)
        X = check_rows_to_predict(self, X, functools.partial(total, n_jobs=self.n_jobs))
        if sparse.issparse(self.coef_) and X.dtype != np.float32:
            X = X if X.dtype == np.float64 else X.astype(np.float64)
            raw = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
            return raw[:, 0] if self._one_target else raw
        return raw_predictions(X, *self._parameters_for(X.dtype), n_threads(self.n_jobs))

    def sparsify(self) -> Self:
        """Store ``coef_`` as a CSR matrix: less memory and faster predictions where most coefficients are zero.

        Training goes on from there as if nothing had happened, and makes ``coef_`` dense again. What takes arrays of
        coefficients alone, as ``shap.LinearExplainer``, gets ``copy.copy(model).densify()``.

        Returns
        -------
        Self
            The estimator itself.
        """
        check_fitted(self)
        self.coef_: np.ndarray | sparse.csr_matrix = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Store ``coef_`` as an array, as :meth:`sparsify` found it.

        Returns
        -------
        Self
            The estimator itself.
        """
        check_fitted(self)
        if sparse.issparse(self.coef_):
            coef = self.coef_.toarray()  # type: ignore[union-attr]
            self.coef_ = coef[0] if self._one_target else coef
        return self

    def _published_parameters(self, training):
        coef, intercept = (array.astype(training.precision) for array in self._unrounded(training))
        return {"coef_": coef, "intercept_": intercept}

    def _parameters_for(self, dtype: np.dtype) -> tuple[Any, np.ndarray]:
        """coef_ and intercept_ that rows of a dtype are predicted with."""
        return self._exact_parameters() if dtype == np.float32 else (self.coef_, self.intercept_)

    def _exact_parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """coef_ and intercept_ in float64, unrounded unless the user has changed them."""
        exact, coef = self._unrounded(self._training), self.coef_
        if sparse.issparse(coef):
            coef = coef.toarray().reshape(exact[0].shape)  # type: ignore[union-attr]
        published = coef, self.intercept_
        unchanged = all(np.array_equal(a.astype(b.dtype), b) for a, b in zip(exact, published, strict=True))
        return exact if unchanged else published

    def _unrounded(self, training) -> tuple[np.ndarray, np.ndarray]:
        coef, intercept = training.model.unpack(training.params, training.scaling)
        return (coef[0] if training.facts.get("one_target") else coef), intercept

    @property
    def _one_target(self) -> bool:
        """Whether y had one dimension, and so have the parameters."""
        return self._training.facts.get("one_target", False)
