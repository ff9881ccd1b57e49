"""What networks share."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._auto.network import decide
from .._fit import GradientDescentEstimator
from .._parallel import n_threads
from .._problem.network import INITS, NetworkModel
from .._problem.predictions import network_predictions
from .._solvers.training import Training
from .._validation import Interval, StrOptions, check_rows_to_predict
from ..activations import ACTIVATIONS, Activation
from ..schedules import SCHEDULES, Schedule


class NetworkEstimator(GradientDescentEstimator):
    """Layers, weights and raw predictions of feed-forward networks."""

    _parameter_constraints: dict = GradientDescentEstimator._parameter_constraints | {
        "hidden_layer_sizes": ["array-like", Integral],
        "activation": [StrOptions(set(ACTIVATIONS)), Activation],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "init": [StrOptions(INITS), tuple, list],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "schedule": [StrOptions({*SCHEDULES, "auto"}), Schedule, callable],
    }

    _model = NetworkModel
    _decide = staticmethod(decide)

    def _published_parameters(self, training: Training) -> dict[str, Any]:
        coefs, intercepts = self._in_units_of_data(training)
        n_layers, n_outputs = len(coefs) + 1, training.model.n_outputs
        return {"coefs_": coefs, "intercepts_": intercepts, "n_layers_": n_layers, "n_outputs_": n_outputs}

    def _in_units_of_data(self, training: Training) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights and biases as they are published."""
        coefs, intercepts = training.model.unpack(training.params, training.scaling)
        return [coef.astype(training.dtype) for coef in coefs], [b.astype(training.dtype) for b in intercepts]

    def _raw_predictions(self, X: ArrayLike) -> np.ndarray:
        """Outputs of the last layer in the units of y, of shape (n_rows, n_outputs)."""
        check_is_fitted(self)
        X = check_rows_to_predict(self, X)
        training = self._training
        model: Any = training.model
        scaling = training.scaling
        raw = network_predictions(X, model, self._parameters_to_predict(), scaling, n_threads(self.n_jobs))
        return (raw * scaling.target_scale + scaling.target_center).astype(training.dtype, copy=False)

    def _parameters_to_predict(self) -> np.ndarray:
        """All parameters in scaled units, as predictions take them: the training's, or what the user made of them."""
        training = self._training
        model: Any = training.model
        params = training.params
        published = self.coefs_, self.intercepts_
        if not _same_arrays(published, self._in_units_of_data(training)):  # the user has changed them
            shapes = [*model.shapes], [(n_out,) for _, n_out in model.shapes]
            if tuple([np.shape(array) for array in part] for part in published) != shapes:
                raise ValueError(f"coefs_ and intercepts_ must keep their shapes, {shapes[0]} and {shapes[1]}")
            params = model.pack(published, training.scaling)
        return params.astype(training.dtype, copy=False)


def _same_arrays(one: tuple, other: tuple) -> bool:
    pairs = zip(one, other, strict=True)
    return all(len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in pairs)
