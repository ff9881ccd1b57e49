"""Losses: pointwise functions of the raw prediction and the target, shared by linear models and networks."""

from typing import Literal

from sklearn.base import clone

from .base import Loss
from .epsilon_insensitive import EpsilonInsensitive, SquaredEpsilonInsensitive
from .hinge import Hinge, ModifiedHuber, Perceptron, SquaredHinge
from .huber import Huber
from .log_loss import LogLoss, MultilabelLogLoss
from .quantile import AbsoluteError, Quantile
from .squared_error import SquaredError
from .tweedie import Gamma, Poisson, Tweedie

# The losses that have a name. A new one needs its file, an entry in the table, over which every test runs, and its name
# in one of these, for type checkers.
RegressionLossName = Literal[
    "squared_error",
    "huber",
    "absolute_error",
    "quantile",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
    "poisson",
    "gamma",
    "tweedie",
]
ClassLossName = Literal["log_loss", "hinge", "squared_hinge", "modified_huber", "perceptron"]
LOSSES: dict[RegressionLossName | ClassLossName, type[Loss]] = {
    "squared_error": SquaredError,
    "huber": Huber,
    "absolute_error": AbsoluteError,
    "quantile": Quantile,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
    "poisson": Poisson,
    "gamma": Gamma,
    "tweedie": Tweedie,
    "log_loss": LogLoss,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "modified_huber": ModifiedHuber,
    "perceptron": Perceptron,
}
REGRESSION_LOSSES = {name for name, loss in LOSSES.items() if not loss.for_classes}
CLASS_LOSSES = {name for name, loss in LOSSES.items() if loss.for_classes}

__all__ = [
    "AbsoluteError",
    "EpsilonInsensitive",
    "Gamma",
    "Hinge",
    "Huber",
    "LogLoss",
    "Loss",
    "ModifiedHuber",
    "MultilabelLogLoss",
    "Perceptron",
    "Poisson",
    "Quantile",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "Tweedie",
]


def get_loss(loss: RegressionLossName | ClassLossName | Loss) -> Loss:
    """Return a fresh, checked loss for a name or an object; the object itself is never handed on.

    Raises
    ------
    ValueError
        If the name is unknown, the object is no :class:`Loss` or one of its parameters is out of range.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    if isinstance(loss, Loss):
        loss.check()
        return clone(loss)
    raise ValueError(f"loss={loss!r} is not known: give one of {sorted(LOSSES)} or a skgd.losses.Loss object")


def get_regression_loss(loss: RegressionLossName | Loss) -> Loss:
    """Return a fresh loss for numeric targets; raises ValueError for one that is made for classes."""
    found = get_loss(loss)
    if found.for_classes:
        raise ValueError(f"loss={loss!r} is made for classes: a regressor takes losses of numbers, as 'squared_error'")
    return found


def get_class_loss(loss: ClassLossName | Loss) -> Loss:
    """Return a fresh loss for classes; raises ValueError for one that is made for numbers."""
    found = get_loss(loss)
    if not found.for_classes:
        raise ValueError(
            f"loss={loss!r} is made for numbers: a classifier takes losses with for_classes=True, as 'log_loss'"
        )
    return found


def get_label_loss(loss: Loss) -> Loss:
    """Return the loss for labels that belongs to a loss for classes; raises ValueError where there is none."""
    if loss.multilabel:
        return loss
    if type(loss) is LogLoss:
        return MultilabelLogLoss()
    raise ValueError(
        f"loss={loss!r} is made for one class a row, and y holds labels, a column each: give loss='log_loss', or a "
        "loss with multilabel=True"
    )
