"""What is public: what stands in ``__all__`` of skgd and of its modules without an underscore.

Names that skgd itself exports are shown as ``skgd.Name``.
"""

import importlib
import inspect
import pkgutil
import re
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

import skgd

ORDER = [
    "skgd",
    "skgd.linear_model",
    "skgd.neural_network",
    "skgd.optimizers",
    "skgd.schedules",
    "skgd.losses",
    "skgd.penalties",
    "skgd.activations",
    "skgd.callbacks",
    "skgd.plotting",
    "skgd.onnx",
]  # of the modules; others come after these

# Parts of scikit-learn's machinery that every estimator inherits and nobody calls on skgd's account
MACHINERY = re.compile(r"set_\w+_request|get_metadata_routing")


def public_modules() -> list[ModuleType]:
    """The package and its modules whose names begin without an underscore, in the order of the reference."""
    names = [
        "skgd",
        *(f"skgd.{found.name}" for found in pkgutil.iter_modules(skgd.__path__)),
    ]
    public = [name for name in names if not name.rpartition(".")[2].startswith("_")]
    public.sort(key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return [importlib.import_module(name) for name in public]


def members(module: ModuleType) -> list[str]:
    """Full names of what the module's page lists: those of skgd have it once, under ``skgd.``."""
    names = sorted(getattr(module, "__all__", []), key=str.lower)
    if module is skgd:
        elsewhere = [
            getattr(other, name)
            for other in public_modules()[1:]
            for name in getattr(other, "__all__", [])
        ]
        return [
            f"skgd.{name}" for name in names if not listed(getattr(skgd, name), elsewhere)
        ]
    return [f"{home(module, name)}.{name}" for name in names]


def listed(thing: object, elsewhere: list) -> bool:
    return isinstance(thing, ModuleType) or any(thing is other for other in elsewhere)


def home(module: ModuleType, name: str) -> str:
    return "skgd" if name in skgd.__all__ else module.__name__


def resolved(full_name: str) -> object:
    module, _, name = full_name.rpartition(".")
    return getattr(importlib.import_module(module), name)


def is_constant(full_name: str) -> bool:
    return not callable(resolved(full_name))


def text_of_constant(full_name: str) -> list[str]:
    """Lines of the string below a constant of skgd, which is all the docstring that it has."""
    name = full_name.rpartition(".")[2]
    analyzer = ModuleAnalyzer.for_module(f"skgd.{skgd._HOMES[name]}")
    analyzer.analyze()
    return analyzer.attr_docs.get(("", name), [])


def methods(cls: type) -> list[str]:
    """Public methods and properties that skgd gives a class."""
    return [
        name
        for name in dir(cls)
        if not name.startswith("_")
        and not MACHINERY.fullmatch(name)
        and (
            inspect.isroutine(getattr(cls, name))
            or isinstance(inspect.getattr_static(cls, name), property)
        )
        and any(
            name in vars(base) for base in cls.__mro__ if base.__module__.startswith("skgd")
        )
    ]


def own_documentation(cls: type, name: str) -> bool:
    return bool(getattr(vars(cls).get(name), "__doc__", None))
