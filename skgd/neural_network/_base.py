"""What networks share."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from .._fit import GradientDescentEstimator
from .._parallel import n_threads
from .._problem.models import INITS, NetworkObjective
from .._problem.predictions import network_predictions
from .._solvers.training import Training
from .._validation import Interval, StrOptions, check_rows_to_predict
from ..activations import ACTIVATIONS, Activation, get_activation
from ..optimizers import Adam, NAdam, Optimizer
from ..schedules import SCHEDULES, Constant, Cosine, ReduceOnPlateau, Schedule, get_schedule

# Measured by cross-validation on data of 150 to 50,000 rows: with rates that end at zero, networks of one to three
# layers need fewer epochs, and predict better, than with a constant one.
FEWEST_ROWS, MOST_ROWS, UPDATES = 32, 256, 1000  # of a batch; of an epoch
FEWEST_SPARSE_ROWS = 200  # whose gradient is cheap beside the update of all weights
ANNEALED_RATE = 3.0  # times Adam's customary rate, where it begins
TOL = 1e-4  # where the rate stays


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

    _objective = NetworkObjective

    def _make_objective(self, n_features, n_outputs, intercept_known):
        hidden = self._hidden_widths()
        activation = get_activation(self.activation)
        activation.probe()
        return NetworkObjective([n_features, *hidden, n_outputs], activation, self.init, self._dropout_rates())

    def _hidden_widths(self) -> list:
        widths = self.hidden_layer_sizes
        widths = [widths] if isinstance(widths, Integral) else np.atleast_1d(np.asarray(widths, dtype=object)).tolist()
        if not all(isinstance(width, Integral) and int(width) > 0 for width in widths):
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} must hold whole numbers above 0, one a layer"
            )
        return widths

    def _dropout_rates(self) -> list[float]:
        """One rate for each hidden layer."""
        n_hidden = len(self._hidden_widths())
        try:
            rates = np.asarray(self.dropout, dtype=np.float64)
            rates = np.full(n_hidden, rates) if rates.ndim == 0 else rates
        except (TypeError, ValueError):  # no numbers, or none in a row
            rates = np.full(0, np.nan)
        if rates.shape != (n_hidden,) or not ((rates >= 0) & (rates < 1)).all():
            raise ValueError(
                f"dropout={self.dropout!r} must be a number from 0 to below 1, or one for each of the {n_hidden} "
                "hidden layers"
            )
        return rates.tolist()

    def _resolve_optimizer(self, n_rows, streaming, before):
        optimizer = super()._resolve_optimizer(n_rows, streaming, before)
        if any(self._dropout_rates()) and (optimizer.searches_line or optimizer.variance_reduced):
            raise ValueError(
                f"dropout={self.dropout!r} makes every gradient a random one, optimizer={self.optimizer!r} compares "
                "those of the same function: set dropout=0, or take another optimizer, as 'adam'"
            )
        return optimizer

    def _n_starts(self):
        return self.n_restarts

    def _auto_batch_size(self, X, n_rows, n_outputs, optimizer, loss, streaming):
        fewest = FEWEST_SPARSE_ROWS if sparse.issparse(X) else FEWEST_ROWS
        return min(max(fewest, min(n_rows // UPDATES, MOST_ROWS)), n_rows)

    def _anneals(self, optimizer: Optimizer, streaming: bool) -> bool:
        """Whether the rate goes down to zero over all epochs: it is ours to choose, and their number is known."""
        by_itself = self.learning_rate == "auto" and optimizer.learning_rate is None
        by_itself = by_itself and isinstance(self.schedule, str) and self.schedule == "auto"
        asked_for = self.tol not in ("auto", None) or self.criterion != "objective" or self.early_stopping
        return by_itself and not (streaming or self.warm_start or asked_for or optimizer.searches_line)

    def _rate_from_data(self, data, loss, n_outputs, optimizer, batch_size, rows_seen, streaming):
        if isinstance(optimizer, Adam | NAdam) and self._anneals(optimizer, streaming):
            return ANNEALED_RATE * optimizer.default_learning_rate
        return None

    def _schedule_and_tol(self, optimizer, streaming, auto_tol):
        if self._anneals(optimizer, streaming):
            return Cosine(self.max_iter), None
        by_name = isinstance(self.schedule, str) and self.schedule == "auto"
        schedule = get_schedule("constant" if by_name else self.schedule, self.max_iter)
        tol = self.tol
        if isinstance(tol, str):  # a schedule of the user's says how the rate goes over all epochs
            goes_on = isinstance(schedule, Constant | ReduceOnPlateau) or optimizer.searches_line
            tol = TOL if goes_on or self.criterion != "objective" or self.early_stopping else None
        return schedule, None if streaming else tol

    def _scales_targets(self):
        return bool(self.standardize)

    def _publish_parameters(self, training: Training) -> None:
        self.coefs_, self.intercepts_ = self._in_units_of_data(training)
        self.n_layers_ = len(self.coefs_) + 1
        self.n_outputs_ = training.objective.n_outputs

    def _in_units_of_data(self, training: Training) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights and biases as they are published."""
        coefs, intercepts = training.objective.unpack(training.params, training.scaling)
        return [coef.astype(training.dtype) for coef in coefs], [b.astype(training.dtype) for b in intercepts]

    def _raw_predictions(self, X: ArrayLike) -> np.ndarray:
        """Outputs of the last layer in the units of y, of shape (n_rows, n_outputs)."""
        check_is_fitted(self)
        X = check_rows_to_predict(self, X)
        training = self._training
        objective: Any = training.objective
        params, scaling = training.params, training.scaling
        published = self.coefs_, self.intercepts_
        if not _same_arrays(published, self._in_units_of_data(training)):  # the user has changed them
            params = objective.pack(published, scaling)
        raw = network_predictions(
            X, objective, params.astype(training.dtype, copy=False), scaling, n_threads(self.n_jobs)
        )
        return (raw * scaling.target_scale + scaling.target_center).astype(training.dtype, copy=False)


def _same_arrays(one: tuple, other: tuple) -> bool:
    pairs = zip(one, other, strict=True)
    return all(len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in pairs)
