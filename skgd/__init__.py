"""skgd: gradient descent for scikit-learn.

Linear, logistic and neural estimators trained by gradient descent in one compiled engine, with every
optimizer, schedule and loss as a plug-in.
"""

import importlib
from typing import TYPE_CHECKING

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from . import activations, callbacks, losses, optimizers, penalties, plotting, schedules
    from ._minimize import minimize, scipy_method
    from ._precompile import precompile
    from ._trusted_types import TRUSTED_TYPES
    from .linear_model import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
    from .neural_network import GDMLPClassifier, GDMLPRegressor

__all__ = [
    "TRUSTED_TYPES",
    "GDLinearClassifier",
    "GDLinearRegressor",
    "GDLogisticClassifier",
    "GDMLPClassifier",
    "GDMLPRegressor",
    "activations",
    "callbacks",
    "losses",
    "minimize",
    "optimizers",
    "penalties",
    "plotting",
    "precompile",
    "schedules",
    "scipy_method",
]

# Where each public name lives; a module of that name itself where the name is None. Imported when first used.
_HOMES = {
    "GDLinearClassifier": "linear_model",
    "GDLinearRegressor": "linear_model",
    "GDLogisticClassifier": "linear_model",
    "GDMLPClassifier": "neural_network",
    "GDMLPRegressor": "neural_network",
    "minimize": "_minimize",
    "precompile": "_precompile",
    "scipy_method": "_minimize",
    "TRUSTED_TYPES": "_trusted_types",
    "activations": None,
    "callbacks": None,
    "losses": None,
    "optimizers": None,
    "penalties": None,
    "plotting": None,
    "schedules": None,
}


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'skgd' has no attribute {name!r}")
    home = _HOMES[name]
    module = importlib.import_module(f".{home or name}", __name__)
    value = module if home is None else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
