"""Losses: pointwise functions of the raw prediction and the target, shared by linear models and networks."""

from .base import LOSSES, Loss, get_loss, get_regression_loss
from .log_loss import LogLoss
from .squared_error import SquaredError

# The losses that have a name. A new one needs its file and an entry here; every test runs over this table.
LOSSES.update(squared_error=SquaredError, log_loss=LogLoss)
REGRESSION_LOSSES = {name for name, loss in LOSSES.items() if not loss.for_classes}

__all__ = [
    "LOSSES",
    "REGRESSION_LOSSES",
    "LogLoss",
    "Loss",
    "SquaredError",
    "get_loss",
    "get_regression_loss",
]
