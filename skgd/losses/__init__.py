"""Losses: pointwise functions of the raw prediction and the target, shared by linear models and networks."""

from .base import LOSSES, Loss, get_loss
from .log_loss import LogLoss
from .squared_error import SquaredError

LOSSES.update(squared_error=SquaredError, log_loss=LogLoss)

__all__ = ["LOSSES", "LogLoss", "Loss", "SquaredError", "get_loss"]
