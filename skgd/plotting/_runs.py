"""Fits that are watched on the way: of a clone, so that the estimator given stays as it was."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from .._fit import GradientDescentEstimator
from ..optimizers import get_optimizer
from ._style import pyplot
from ._unwrap import innermost


def recorded_fit(
    estimator: Any, X: Any, y: Any, look: Callable[[Any], Any] | None, **settings: Any
) -> tuple[Any, list]:
    """Fit a clone with other settings; return it, and what `look` saw of it after every epoch."""
    pyplot()  # where there is none, the fit would be in vain
    model, seen = clone(estimator).set_params(**settings), []
    if look is not None:
        model._watch = lambda model: seen.append(look(model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the picture tells it
        model.fit(X, y)
    model.__dict__.pop("_watch", None)
    if look is not None and not seen:
        raise ValueError(
            f"estimator: the fit diverged in its first epoch with learning_rate={model.learning_rate_:.3g}, so there "
            "is no way to draw; give a smaller one, or 'auto'"
        )
    return model, seen


def of_one_network(model: Any) -> dict[str, int]:
    """Settings with which a network is trained alone, from one start; none of a linear model."""
    return {"n_members": 1, "n_restarts": 1} if "n_restarts" in model.get_params(deep=False) else {}


def with_rate(estimator: Any, rate: float) -> Any:
    """A clone with a learning rate, whether or not its optimizer has one of its own.

    Raises
    ------
    ValueError
        If the optimizer has none.
    """
    model = clone(estimator).set_params(learning_rate=float(rate))
    if isinstance(model.optimizer, str) and model.optimizer == "auto":
        return model
    optimizer = get_optimizer(model.optimizer)
    if optimizer.searches_line:
        raise ValueError(
            f"estimator: optimizer={estimator.optimizer!r} searches along lines and has no learning rate; take another "
            "one, as 'sgd' or 'adam'"
        )
    return model if optimizer.learning_rate is None else model.set_params(optimizer__learning_rate=None)


def curve_of(model: Any, name: str = "loss_curve_") -> np.ndarray:
    """A curve of a fitted estimator: of an ensemble the mean over the members that have come as far."""
    curves = getattr(model, name, ())
    of_members = isinstance(curves, list) and len(curves) and np.ndim(curves[0])  # scikit-learn's hold numbers
    if not of_members:
        return np.asarray(curves, dtype=np.float64)
    padded = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    return np.nanmean(padded, axis=0)


def updates_of(model: Any) -> np.ndarray:
    """Number of updates that each value of ``loss_curve_`` was measured after: the mean over the epoch's batches."""
    if not isinstance(model, GradientDescentEstimator):
        raise ValueError(f"x='updates' needs estimators of skgd, {type(model).__name__} doesn't count them; x='epochs'")
    epochs, per_epoch = np.arange(1, len(curve_of(model)) + 1), model.t_ / max(model.n_iter_, 1)
    if model.optimizer_.searches_line:  # the objective after each step
        return epochs * per_epoch
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
        "interrupted": f"interrupted {after}",
    }
    return words.get(reason, f"stopped {after}")  # type: ignore[arg-type]


def how_descent_ended(result: OptimizeResult) -> str:
    """Where and why `skgd.minimize` stopped, in words."""
    n = len(result.fun_path) - 1
    steps = f"{n} step{'s' if n != 1 else ''}"
    words = {0: "converged after", 1: "ran all", 2: "diverged after", 3: "at no minimum after"}
    words |= {4: "ended by rounding after", 99: "stopped by a callback after"}
    return f"{words.get(result.get('status'), 'ended after')} {steps}"  # type: ignore[arg-type]


def _best_epoch(model: Any) -> str:
    unseen = curve_of(model, "validation_curve_")
    return f", best at {int(np.argmin(unseen)) + 1}" if len(unseen) else ""


def optimizer_name(estimator: Any) -> str:
    """What a curve is called by default: the optimizer, or the class where skgd chooses one."""
    model = innermost(estimator)
    optimizer = getattr(model, "optimizer", "auto")
    if isinstance(optimizer, str):
        return type(model).__name__ if optimizer == "auto" else optimizer
    return type(optimizer).__name__
