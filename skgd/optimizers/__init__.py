"""Optimizers: hyper-parameters and an update rule, for estimators and by hand."""

from collections.abc import Callable
from typing import Literal

from sklearn.base import clone

from .adam import Adam, AdamW, NAdam
from .adaptive import AdaDelta, AdaGrad, RMSProp
from .base import Optimizer
from .lbfgs import LBFGS
from .lion import Lion
from .sgd import SGD, Momentum
from .svrg import SVRG

# The names that estimators accept. A new optimizer needs its file, an entry in the table, over which every test runs,
# and its name here, for type checkers.
OptimizerName = Literal[
    "sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "adadelta",
    "rmsprop",
    "adam",
    "amsgrad",
    "adamw",
    "nadam",
    "lion",
    "lbfgs",
    "svrg",
]
OPTIMIZERS: dict[OptimizerName, Callable[[], Optimizer]] = {
    "sgd": SGD,
    "momentum": lambda: SGD(momentum=0.9),
    "nesterov": lambda: SGD(momentum=0.9, nesterov=True),
    "adagrad": AdaGrad,
    "adadelta": AdaDelta,
    "rmsprop": RMSProp,
    "adam": Adam,
    "amsgrad": lambda: Adam(amsgrad=True),
    "adamw": AdamW,
    "nadam": NAdam,
    "lion": Lion,
    "lbfgs": LBFGS,
    "svrg": SVRG,
}

__all__ = [
    "LBFGS",
    "SGD",
    "SVRG",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Lion",
    "Momentum",
    "NAdam",
    "Optimizer",
    "RMSProp",
]


def get_optimizer(optimizer: OptimizerName | Optimizer) -> Optimizer:
    """Return a fresh, checked optimizer for a name or an object; the object itself is never handed on.

    Raises
    ------
    ValueError
        If the name is unknown, the object is no :class:`Optimizer` or one of its hyper-parameters is out of range.
    """
    if isinstance(optimizer, str) and optimizer in OPTIMIZERS:
        return OPTIMIZERS[optimizer]()
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"optimizer={optimizer!r} is not known: give one of {sorted(OPTIMIZERS)} or an object from skgd.optimizers"
        )
    optimizer.check()
    return clone(optimizer)
