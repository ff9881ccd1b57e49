"""Predictions of networks for rows that they were validated on, and the score of these."""

from typing import Any

import numpy as np
from sklearn.metrics import r2_score

from .._problem.partitioned import PartitionedRows
from .._problem.predictions import predictions_of_data
from .._problem.rows import Rows
from .._problem.scaling import Scaling
from .._scores import R2, Accuracy, Deviations
from .._solvers.training import Training
from ..losses import Loss


def validated(training: Training, rows: Rows | PartitionedRows, n_threads: int) -> tuple[float, np.ndarray | None]:
    """What the estimator's `score` gives on the validation rows, and their raw predictions if they are in memory."""
    loss, of_network = training.loss, network_of(training)
    if isinstance(rows, Rows):
        raw, y, weight = predicted(rows, *of_network, n_threads)
        return score(loss, raw, y, weight), raw
    kind = Accuracy if loss.for_classes else R2
    return float(kind.finish(rows.total(_told, loss, of_network))), None


def network_of(training: Training) -> tuple[Any, np.ndarray, Scaling, np.dtype]:
    """Model, parameters as they are in predictions, scaling, and the precision of what these are."""
    return training.model, training.params.astype(training.dtype, copy=False), training.scaling, training.precision


def in_units_of_y(raw: np.ndarray, scaling: Scaling, precision: np.dtype) -> np.ndarray:
    return (raw * scaling.target_scale + scaling.target_center).astype(precision, copy=False)


def predicted(
    rows: Rows, model: Any, params: np.ndarray, scaling: Scaling, precision: np.dtype, n_threads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw predictions of the rows in use, targets and weights."""
    data = rows.data
    raw = predictions_of_data(data, model, params, scaling, n_threads)
    used = data.subset if data.subset.size else slice(None)
    return in_units_of_y(raw, scaling, precision), data.y[used], data.weight_of(used)


def score(loss: Loss, raw: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """What the estimator's `score` gives for raw predictions; NaN where there is none, as for several quantiles."""
    if loss.for_classes:
        return float(np.average(_right(raw, y), weights=weight))
    predictions = loss.predict(raw)
    if predictions.shape != y.shape or len(y) < 2 or not np.isfinite(predictions).all():
        return np.nan
    with np.errstate(over="ignore", invalid="ignore"):  # squares of targets near the largest float
        return float(r2_score(y, predictions, sample_weight=weight))


def _right(raw: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of which rows the class, or all labels, are predicted."""
    each_alone = raw.shape == y.shape  # two classes, or labels
    return ((raw > 0) == (y > 0.5)).all(axis=1) if each_alone else raw.argmax(axis=1) == y[:, 0]


def _told(rows: Rows, loss: Loss, of_network: tuple[Any, np.ndarray, Scaling, np.dtype]) -> Any:
    """What a part of the rows tells of the score."""
    raw, y, weight = predicted(rows, *of_network, 1)
    if loss.for_classes:
        return np.array([weight @ _right(raw, y), weight.sum()])
    predictions = loss.predict(raw)
    if predictions.shape != y.shape or not np.isfinite(predictions).all():
        predictions = np.full(y.shape, np.nan)
    return Deviations.of(y.astype(np.float64), predictions, weight)
