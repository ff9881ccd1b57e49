"""Fits that are watched on the way: of a clone, so that the estimator given stays as it was."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from .._estimator import GradientDescentEstimator


def check_estimator(estimator: Any, needs: type = GradientDescentEstimator, what: str = "an estimator of skgd") -> None:
    """Raise a TypeError unless it is an instance of an estimator of skgd of the class that the picture needs."""
    if not isinstance(estimator, needs):
        raise TypeError(f"estimator={estimator!r} must be {what}, not {type(estimator).__name__}")


def watched_fit(estimator: Any, X, y, look: Callable[[Any], object] | None = None, **settings) -> Any:
    """Fit a clone with other settings, and let `look` see it after every epoch; the pictures warn."""
    model = clone(estimator).set_params(**settings)
    if look is not None:
        model._watch = look
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    model.__dict__.pop("_watch", None)
    return model


def rate_settings(estimator: Any, rate: float) -> dict[str, Any]:
    """Settings that give an estimator a learning rate, whether or not its optimizer has one of its own."""
    own = getattr(estimator.optimizer, "learning_rate", None) is not None
    return {"learning_rate": rate} | ({"optimizer__learning_rate": None} if own else {})


def updates_of(model: Any) -> np.ndarray:
    """Number of updates that each value of ``loss_curve_`` was measured after: the mean over the epoch's batches."""
    epochs = np.arange(1, len(model.loss_curve_) + 1)
    optimizer = getattr(model, "optimizer_", None)
    if optimizer is None or optimizer.searches_line:  # the objective after each step
        return epochs * (model.t_ / max(model.n_iter_, 1))
    per_epoch = model.t_ / max(model.n_iter_, 1)
    return (epochs - 1) * per_epoch + (per_epoch - 1) / 2


def how_it_ended(model: Any) -> str:
    """Where and why training stopped, in words."""
    n, reason = int(model.n_iter_), getattr(model, "stop_reason_", None)
    after = f"after {n} epoch{'s' if n != 1 else ''}"
    words = {
        "converged": f"converged {after}",
        "max_iter": f"ran all {n} epoch{'s' if n != 1 else ''}",
        "early_stopping": f"stopped early {after}{_best_epoch(model)}",
        "diverged": f"diverged in epoch {n + 1}",
        "callback": f"stopped by a callback {after}",
    }
    return words.get(reason, f"stopped {after}")  # type: ignore[arg-type]


def _best_epoch(model: Any) -> str:
    unseen = getattr(model, "validation_curve_", ())
    return f", best at {int(np.argmin(unseen)) + 1}" if len(unseen) else ""
