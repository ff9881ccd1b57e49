"""What members of an ensemble say together: of any rows, and of those that they held out."""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.special import log_expit

from .._problem.features import is_beyond
from .._problem.predictions import network_predictions
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._solvers.driver import Driver
from .._solvers.training import Training
from ..losses import Loss
from ._held_out import in_units_of_y, network_of, predicted, score

Raw = np.ndarray  # raw predictions, of shape (n_rows, n_outputs)
Raws = Sequence[Raw] | np.ndarray  # of several models


def mean_raw(loss: Loss, raws: Raws, weights: Sequence[float] = ()) -> Raw:
    """The raw prediction whose prediction, or probability, is the mean of these by the link `out_activation`.

    All have the shape (..., n_outputs), in a sequence or in one array. Of losses without a link it is their mean.
    Weights sum to one; without them all count the same.
    """
    if len(raws) == 1:
        return raws[0]
    link = loss.out_activation
    shares = np.asarray(weights or np.full(len(raws), 1 / len(raws)), dtype=raws[0].dtype)
    if link == "softmax" and raws[0].shape[-1] > 1:
        return _log_mean(_log_softmax, raws, shares)
    if link in ("softmax", "logistic"):  # log-odds of the mean
        return _log_mean(log_expit, raws, shares) - _log_mean(lambda raw: log_expit(-raw), raws, shares)
    if link == "exp":
        return _log_mean(lambda raw: raw, raws, shares)
    return functools.reduce(np.add, raws) / len(raws) if not weights else sum(map(operator.mul, shares, raws))


def _log_mean(logarithm: Callable, raws: Raws, shares: np.ndarray) -> Raw:
    """The logarithm of the mean of what has these logarithms."""
    if isinstance(raws, np.ndarray):  # few rows: calls are what takes time
        return np.logaddexp.reduce(logarithm(raws) + np.log(shares)[:, None, None], axis=0)
    return functools.reduce(np.logaddexp, map(operator.add, map(logarithm, raws), np.log(shares)))


def _log_softmax(raw: Raw) -> Raw:
    # as SciPy's, which takes ten times as long for few numbers
    raw = raw - raw.max(axis=-1, keepdims=True)
    return raw - np.log(np.exp(raw).sum(axis=-1, keepdims=True))


def mixed(loss: Loss, raw: Raw, of_linear: Any, weight: float) -> Raw:
    """The raw prediction of networks and linear models together, in which the latter have this weight."""
    if not 0 < weight < 1:
        return of_linear if weight else raw
    return mean_raw(loss, (raw, of_linear), (1 - weight, weight))


def calibrated(raw: Raw, slope: float, constant: Any) -> Raw:
    """Raw predictions so many times as far from the constant model's."""
    if slope == 1:
        return raw
    return (slope * raw + np.multiply(constant, 1 - slope)).astype(raw.dtype, copy=False)


def checked_slope(model: Any) -> float:
    """The calibration slope that is published, or what the user made of it."""
    slope = float(model.calibration_slope_)
    if not 0 < slope < np.inf or (slope != 1 and not model._constant):
        must = "be positive and finite" if model._constant else "be 1, as no constant model is known to this fit"
        raise ValueError(f"calibration_slope_={slope} must {must}")
    return slope


def of_all(loss: Loss, raws: Raws, of_linear: Any, weight: float) -> Raw:
    """The same of all members and the linear models beside them, at once."""
    if not 0 < weight < 1:
        return mean_raw(loss, of_linear if weight else raws)
    n_members = len(raws)
    together = np.concatenate([raws, of_linear]) if isinstance(raws, np.ndarray) else [*raws, *of_linear]
    return mean_raw(loss, together, [(1 - weight) / n_members] * n_members + [weight / n_members] * n_members)


def raw_predictions_of(X: Any, networks: Iterable[tuple[Training, np.ndarray]], n_threads: int) -> list[Raw]:
    """Raw predictions of networks, with their parameters, in the units of y; of rows beyond float32 in float64."""
    raws, networks = [], list(networks)
    beyond = any(params.dtype != X.dtype == np.float64 for _, params in networks) and is_beyond(X)
    for training, given in networks:
        params = given.astype(np.float64, copy=False) if beyond else given
        raw = network_predictions(X, training.model, params, training.scaling, n_threads)
        raws.append(in_units_of_y(raw, training.scaling, training.precision))
    return raws


def raw_of_rows(rows: Rows, training: Training, n_threads: int) -> Raw:
    """Raw predictions of the rows in use."""
    return predicted(rows, *network_of(training), n_threads)[0]


def held_out(drivers: Sequence[Driver], raws: Sequence[Raw]) -> np.ndarray:
    """Of all rows what a member that held them out says; NaN of those that none did."""
    rows: Any = drivers[0].problem.rows
    together = np.full((len(rows.data.y), raws[0].shape[1]), np.nan)
    for driver, raw in zip(drivers, raws, strict=True):
        together[driver.problem.validation.data.subset] = raw
    return together


def out_of_bag(problem: Problem, raw: np.ndarray) -> dict[str, Any]:
    """Predictions of rows that were held out, and their score, as attributes; raw is NaN for others."""
    data: Any = problem.rows.data  # type: ignore[union-attr]
    loss, seen = problem.loss, np.flatnonzero(np.isfinite(raw).all(axis=1))
    gives_probabilities = loss.for_classes and loss.gives_probabilities
    said = (loss.predict_proba if gives_probabilities else loss.predict)(raw[seen])
    predictions = np.full((len(raw), said.shape[1]), np.nan)
    predictions[seen] = said
    if problem.facts.get("one_target"):
        predictions = predictions[:, 0]
    return {"oob_prediction_": predictions, "oob_score_": score(loss, raw[seen], data.y[seen], data.weight_of(seen))}


def all_hold_out(drivers: Sequence[Driver]) -> bool:
    """Whether these are members of an ensemble whose validation rows are a part of the rows that were given."""
    return len(drivers) > 1 and all(map(_holds_out, drivers))


def _holds_out(driver: Driver) -> bool:
    rows = driver.problem.validation
    return driver.plan.early_stopping and isinstance(rows, Rows) and rows.data.subset.size > 0
