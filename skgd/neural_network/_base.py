"""What networks share."""

import sys
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from .._auto.network import decide
from .._constructors import OF_NETWORKS
from .._fit import GradientDescentEstimator
from .._parallel import n_threads
from .._problem.network import INITS, NetworkModel
from .._problem.predictions import network_predictions, predictions_of_data
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._problem.scaling import Scaling
from .._scores import R2, Accuracy, Deviations
from .._solvers.plan import Plan
from .._solvers.training import Training
from .._validation import Interval, StrOptions, check_rows_to_predict
from ..activations import ACTIVATIONS, Activation
from ..losses import Loss
from ..schedules import SCHEDULES, Schedule

NO_IMPORTANCES = (
    "{} has no feature_importances_: nothing in a network says by itself how much a feature counts. "
    "sklearn.inspection.permutation_importance measures it, which SelectFromModel takes as importance_getter=lambda "
    "model: permutation_importance(model, X, y).importances_mean; RFE, which drops columns on the way, can't; "
    "SequentialFeatureSelector needs no importances"
)


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

    _written_elsewhere = OF_NETWORKS
    _model = NetworkModel
    _decide = staticmethod(decide)

    def _published_parameters(self, training: Training) -> dict[str, Any]:
        coefs, intercepts = self._in_units_of_data(training)
        losses, score, n_outputs = training.losses, training.validation_score, training.model.n_outputs
        out_activation = training.loss.out_activation
        return {
            "coefs_": coefs,
            "intercepts_": intercepts,
            "n_layers_": len(coefs) + 1,
            "n_outputs_": n_outputs,
            "out_activation_": "logistic" if out_activation == "softmax" and n_outputs == 1 else out_activation,
            "loss_": float(losses.values[-1]) if len(losses) else np.nan,
            "best_loss_": losses.least if score is None else None,
            "best_validation_score_": score,
        }

    def _finished(self, training: Training, plan: Plan, problem: Problem) -> Training:
        if plan.early_stopping and problem.validation is not None:
            rows, loss = problem.validation, training.loss
            params = training.params.astype(training.dtype, copy=False)  # as in predictions
            of_network = training.model, params, training.scaling
            if isinstance(rows, Rows):
                training.validation_score = _score(loss, *_predicted(rows, *of_network, n_threads(self.n_jobs)))
            else:
                score = Accuracy if loss.for_classes else R2
                training.validation_score = float(score.finish(rows.total(_told, loss, *of_network)))
        return training

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
        return _in_units_of_y(raw, training.scaling)

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

    if not TYPE_CHECKING:  # for type checkers it would mean that there are attributes of any name

        def __getattr__(self, name: str) -> NoReturn:
            """Say of an attribute that isn't there why."""
            if name != "feature_importances_":
                return super().__getattribute__(name)  # which knows what to say
            # scikit-learn's selectors look for it with hasattr, which hides what an AttributeError says
            asked_by = sys._getframe(1).f_globals.get("__name__", "")
            kind = ValueError if asked_by.startswith("sklearn.feature_selection") else AttributeError
            raise kind(NO_IMPORTANCES.format(type(self).__name__))


def _in_units_of_y(raw: np.ndarray, scaling: Scaling) -> np.ndarray:
    return (raw * scaling.target_scale + scaling.target_center).astype(raw.dtype, copy=False)


def _predicted(rows: Rows, model: Any, params: np.ndarray, scaling: Scaling, n_threads: int) -> tuple:
    """Raw predictions of the rows in use, targets and weights."""
    data = rows.data
    raw = predictions_of_data(data, model, params, scaling, n_threads)
    used = data.subset if data.subset.size else slice(None)
    return _in_units_of_y(raw, scaling), data.y[used], data.weight_of(used)


def _score(loss: Loss, raw: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """What the estimator's `score` gives for raw predictions; NaN where there is none, as for several quantiles."""
    if loss.for_classes:
        return float(np.average(_right(raw, y), weights=weight))
    predictions = loss.predict(raw)
    if predictions.shape != y.shape or len(y) < 2 or not np.isfinite(predictions).all():
        return np.nan
    return float(r2_score(y, predictions, sample_weight=weight))


def _right(raw: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of which rows the class, or all labels, are predicted."""
    each_alone = raw.shape == y.shape  # two classes, or labels
    return ((raw > 0) == (y > 0.5)).all(axis=1) if each_alone else raw.argmax(axis=1) == y[:, 0]


def _told(rows: Rows, loss: Loss, model: Any, params: np.ndarray, scaling: Scaling) -> Any:
    """What a part of the rows tells of the score."""
    raw, y, weight = _predicted(rows, model, params, scaling, 1)
    if loss.for_classes:
        return np.array([weight @ _right(raw, y), weight.sum()])
    predictions = loss.predict(raw)
    if predictions.shape != y.shape or not np.isfinite(predictions).all():
        predictions = np.full(y.shape, np.nan)
    return Deviations.of(y.astype(np.float64), predictions, weight)


def _same_arrays(one: tuple, other: tuple) -> bool:
    pairs = zip(one, other, strict=True)
    return all(len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in pairs)
