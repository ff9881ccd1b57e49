"""The names of skgd's classes in files of fitted models, for loaders that ask which types to trust."""

from sklearn.base import BaseEstimator

from . import activations, linear_model, losses, neural_network, optimizers, penalties, schedules

_MODULES = (activations, linear_model, losses, neural_network, optimizers, penalties, schedules)

TRUSTED_TYPES: tuple[str, ...] = tuple(
    sorted(
        f"{thing.__module__}.{thing.__qualname__}"
        for module in _MODULES
        for thing in (getattr(module, name) for name in module.__all__)
        if isinstance(thing, type) and issubclass(thing, BaseEstimator)
    )
)
"""The public estimators, optimizers, schedules, losses, penalties and activations, as files of fitted models name them.

For loaders that refuse all types but those that they are told to trust: ``skops.io.load(file, trusted=TRUSTED_TYPES)``,
``mlflow.sklearn.save_model(model, path, skops_trusted_types=TRUSTED_TYPES)``. It holds classes alone, no functions, and
nothing but skgd's: subclasses of your own are yours to add, ``[*TRUSTED_TYPES, "my_package.MyLoss"]``.

Loading runs none of their methods but those that take stored values, which are checked: a file whose parts don't fit
each other is a ValueError.
"""
