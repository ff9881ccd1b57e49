"""Losses: pointwise functions of the raw prediction and the target, shared by linear models and networks."""

from sklearn.base import clone

from .base import Loss
from .log_loss import LogLoss
from .squared_error import SquaredError

# The losses that have a name. A new one needs its file and an entry here; every test runs over this table.
LOSSES: dict[str, type[Loss]] = {"squared_error": SquaredError, "log_loss": LogLoss}
REGRESSION_LOSSES = {name for name, loss in LOSSES.items() if not loss.for_classes}

__all__ = ["LogLoss", "Loss", "SquaredError"]


def get_loss(loss: str | Loss) -> Loss:
    """Return a fresh loss for a name or an object; the object itself is never handed on.

    Raises
    ------
    ValueError
        If the name is unknown or the object is no :class:`Loss`.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    if isinstance(loss, Loss):
        return clone(loss)
    raise ValueError(f"loss={loss!r} is not known: give one of {sorted(LOSSES)} or a skgd.losses.Loss object")


def get_regression_loss(loss: str | Loss) -> Loss:
    """Return a fresh loss for numeric targets; raises ValueError for one that is made for classes."""
    found = get_loss(loss)
    if found.for_classes:
        raise ValueError(f"loss={loss!r} is made for classes: a regressor takes losses of numbers, as 'squared_error'")
    return found
