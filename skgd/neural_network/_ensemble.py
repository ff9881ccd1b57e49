"""What members of an ensemble say together: of any rows, and of those that they held out."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.special import log_expit, log_softmax

from .._problem.rows import Rows
from .._solvers.driver import Driver
from ..losses import Loss
from ._held_out import network_of, predicted, score


def mean_raw(loss: Loss, raws: Sequence[np.ndarray]) -> np.ndarray:
    """The raw prediction whose prediction, or probability, is the mean of the members' by the link `out_activation`.

    Like each of the raws it has the shape (n_rows, n_outputs). Of losses without a link it is their mean.
    """
    if len(raws) == 1:
        return raws[0]
    link, log_number = loss.out_activation, np.log(raws[0].dtype.type(len(raws)))
    if link == "softmax" and raws[0].shape[1] > 1:
        return _log_sum(log_softmax(raw, axis=1) for raw in raws) - log_number
    if link in ("softmax", "logistic"):  # log-odds of the mean
        return _log_sum(map(log_expit, raws)) - _log_sum(log_expit(-raw) for raw in raws)
    return _log_sum(raws) - log_number if link == "exp" else functools.reduce(np.add, raws) / len(raws)


def _log_sum(logarithms: Iterable[np.ndarray]) -> np.ndarray:
    return functools.reduce(np.logaddexp, logarithms)


def out_of_bag(drivers: Sequence[Driver], n_threads: int) -> dict[str, Any]:
    """What members say of the rows that they held out, and its score; nothing where they held none out."""
    if len(drivers) == 1 or not all(_holds_out(driver) for driver in drivers):
        return {}
    data, loss = drivers[0].problem.rows.data, drivers[0].training.loss
    raw = np.full((len(data.y), drivers[0].training.model.n_outputs), np.nan)
    for driver in drivers:
        rows: Any = driver.problem.validation
        raw[rows.data.subset], _, _ = predicted(rows, *network_of(driver.training), n_threads)
    seen = np.flatnonzero(np.isfinite(raw).all(axis=1))
    gives_probabilities = loss.for_classes and loss.gives_probabilities
    said = (loss.predict_proba if gives_probabilities else loss.predict)(raw[seen])
    predictions = np.full((len(raw), said.shape[1]), np.nan)
    predictions[seen] = said
    return {"oob_prediction_": predictions, "oob_score_": score(loss, raw[seen], data.y[seen], data.weight_of(seen))}


def _holds_out(driver: Driver) -> bool:
    """Whether a member's validation rows are a part of the rows that were given."""
    rows = driver.problem.validation
    return driver.plan.early_stopping and isinstance(rows, Rows) and rows.data.subset.size > 0
