"""Optimizers: hyper-parameters and an update rule, for estimators and by hand."""

from .adam import Adam, AdamW, NAdam
from .adaptive import AdaDelta, AdaGrad, RMSProp
from .base import OPTIMIZERS, Optimizer, get_optimizer
from .lion import Lion
from .sgd import SGD

# The names that estimators accept. A new optimizer needs its file and a line here; every test runs over this table.
OPTIMIZERS.update(
    sgd=SGD,
    momentum=lambda: SGD(momentum=0.9),
    nesterov=lambda: SGD(momentum=0.9, nesterov=True),
    adagrad=AdaGrad,
    adadelta=AdaDelta,
    rmsprop=RMSProp,
    adam=Adam,
    amsgrad=lambda: Adam(amsgrad=True),
    adamw=AdamW,
    nadam=NAdam,
    lion=Lion,
)

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSProp",
    "get_optimizer",
]
