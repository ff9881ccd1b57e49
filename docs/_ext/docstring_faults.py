"""What the docstrings of public names lack, by numpydoc's rules."""

import inspect
from types import ModuleType

from numpydoc.validate import validate
from what_is_public import (
    is_constant,
    methods,
    own_documentation,
    public_modules,
    resolved,
    text_of_constant,
)

# Faults by numpydoc's names. Left out: matters of taste (SS05, SS06, the case of first letters), an extended summary
# (ES01) and "See Also" (SA01), which not everything needs.
DOCSTRING = {"GL08", "SS01", "SS03"}  # there is one, and its first line is a sentence
SECTIONS = {
    "GL06",
    "GL07",
    "PR02",
    "PR03",
    "PR04",
    "PR05",
    "PR07",
    "PR09",
    "PR10",
    "RT02",
    "RT03",
    "RT05",
}
COMPLETE = {"PR01", "RT01", "YD01", "EX01"}  # all parameters, what is returned, an example


def all_faults() -> list[str]:
    found = []
    for module in public_modules():
        if not hasattr(module, "__all__"):
            found.append(f"{module.__name__} is public and has no __all__")
        if not module.__doc__:
            found.append(f"{module.__name__} has no docstring")
        for name in getattr(module, "__all__", []):
            if not hasattr(module, name):
                found.append(f"{module.__name__}.__all__ names {name}, which isn't there")
            elif isinstance(getattr(module, name), ModuleType):
                if getattr(module, name) not in public_modules():
                    found.append(f"{module.__name__}.{name} is no module of the reference")
            elif is_constant(f"{module.__name__}.{name}"):
                if not text_of_constant(f"{module.__name__}.{name}"):
                    found.append(f"{module.__name__}.{name} has no string below it")
            else:
                found += faults(f"{module.__name__}.{name}")
    return sorted(set(found))


def faults(full_name: str) -> list[str]:
    """What a public class or function lacks, its methods included."""
    found = docstring_faults(full_name, DOCSTRING | SECTIONS | COMPLETE)
    thing = resolved(full_name)
    for name in methods(thing) if inspect.isclass(thing) else []:
        if own_documentation(thing, name):
            # a line may say all there is to say about a method; one with sections has them complete
            complete = {"PR01"} if "Parameters\n" in getattr(thing, name).__doc__ else set()
            found += docstring_faults(
                f"{full_name}.{name}", DOCSTRING | SECTIONS | complete
            )
        elif not explained_elsewhere(thing, name):
            found.append(f"{full_name}.{name} has no docstring")
    return found


def docstring_faults(full_name: str, codes: set[str]) -> list[str]:
    return [
        f"{full_name}: {code} {message}"
        for code, message in validate(full_name)["errors"]
        if code in codes
    ]


def explained_elsewhere(cls: type, name: str) -> bool:
    """Whether it overrides what a class above it documents, as a method or among its attributes."""
    above = [base for base in cls.__mro__[1:] if base is not object]
    return any(
        own_documentation(base, name) or name in inspect.get_annotations(base)
        for base in above
    )
