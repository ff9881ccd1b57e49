"""The API reference: a page for every public name, and a warning where its docstring lacks something.

Built with ``-W``, a warning here is an error: nothing public stays undocumented.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from docstring_faults import all_faults
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata
from what_is_public import (
    MACHINERY,
    is_constant,
    members,
    methods,
    own_documentation,
    public_modules,
    resolved,
    text_of_constant,
)

from skgd.activations import ACTIVATIONS
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS
from skgd.penalties import PENALTIES
from skgd.schedules import SCHEDULES

logger = logging.getLogger(__name__)

# Names of parts that are those of criteria, parameters or parts of another kind, too
ALSO_OTHERWISE = {"step", "constant", "quantile", "identity", "logistic"}

OF_SCIKIT_LEARN = {
    "Perceptron",
    "ElasticNet",
    "momentum",
}  # on the page for who comes from there

Page = tuple[str, str]  # a file's name and its text


# ---------------------------------------------------------------------------------------------------------------------
# 1. The pages


def pages() -> list[Page]:
    modules = public_modules()
    return [
        ("index", index_page(modules)),
        *((module.__name__, module_page(module)) for module in modules),
        *(
            (name, page(name))
            for name in sorted({name for module in modules for name in members(module)})
        ),
    ]


def index_page(modules: list[ModuleType]) -> str:
    lines = [
        *heading("API reference"),
        "Every public name, with its parameters, equation, errors and an example.",
        "",
    ]
    for module in modules:
        lines += [
            *heading(f":mod:`{module.__name__}`", "-"),
            (module.__doc__ or "").split("\n\n")[0],
            "",
        ]
        lines += ["", *summary(members(module))]
    return "\n".join([*lines, *toctree(module.__name__ for module in modules)])


def module_page(module: ModuleType) -> str:
    name = module.__name__
    lines = [
        *heading(name),
        f".. automodule:: {name}",
        "   :no-members:",
        "",
        ".. currentmodule:: None",
        "",
    ]
    lines += summary(members(module))
    return "\n".join([*lines, *named_objects(module), *toctree(members(module))])


def page(full_name: str) -> str:
    """The page of a class, a function or a constant."""
    module, _, name = full_name.rpartition(".")
    thing = resolved(full_name)
    lines = [*heading(name), f".. currentmodule:: {module}", ""]
    if inspect.isclass(thing):
        shown = shown_members(thing)
        lines += [
            f".. autoclass:: {name}",
            *([f"   :members: {', '.join(shown)}"] if shown else []),
            "",
        ]
        lines += inherited(thing)
    elif is_constant(full_name):
        lines += [
            f".. py:data:: {name}",
            "",
            *(f"   {line}".rstrip() for line in text_of_constant(full_name)),
        ]
    else:
        lines += [f".. autofunction:: {name}"]
    return "\n".join(
        [
            *lines,
            "",
            f".. minigallery:: {full_name}",
            "   :add-heading: Gallery",
            "   :heading-level: -",
            "",
        ]
    )


def shown_members(cls: type) -> list[str]:
    """Of estimators all methods, of parts to plug in those that they describe themselves."""
    if not hasattr(cls, "fit"):
        return [name for name in methods(cls) if own_documentation(cls, name)]
    inherited = [
        name
        for name in dir(cls)
        if inspect.isfunction(getattr(cls, name)) and not MACHINERY.fullmatch(name)
    ]
    return [name for name in inherited if not name.startswith("_")]


def inherited(cls: type) -> list[str]:
    """A line that leads to the methods which a part inherits from what it is: Adam from Optimizer."""
    base = next(
        (
            base
            for base in cls.__mro__[1:]
            if base.__name__ in public_names_of(cls.__module__)
        ),
        None,
    )
    if base is None or hasattr(cls, "fit"):
        return []
    module = re.match(r"skgd\.\w+", base.__module__)[0]
    own = [name for name in methods(base) if own_documentation(base, name)]
    links = ", ".join(f":py:obj:`{name} <{module}.{base.__name__}.{name}>`" for name in own)
    article = "an" if base.__name__[0] in "AEIOU" else "a"
    what = f"It is {article} :class:`~{module}.{base.__name__}`"
    return [what + (f", and has its methods: {links}." if own else "."), ""]


def public_names_of(module: str) -> list[str]:
    """Names in ``__all__`` of the public module that a private one belongs to."""
    return getattr(
        importlib.import_module(re.match(r"skgd(\.\w+)?", module)[0]), "__all__", []
    )


def named_objects(module: ModuleType) -> list[str]:
    """The names that estimators accept, as a table beside the objects that they stand for."""
    table = getattr(module, module.__name__.rpartition(".")[2].upper(), None)
    if not isinstance(table, dict):
        return []
    lines = [
        *heading("By name", "-"),
        "What estimators accept as a string, and the object that it stands for:",
        "",
    ]
    lines += [
        ".. list-table::",
        "   :widths: auto",
        "   :header-rows: 1",
        "",
        "   * - name",
        "     - object",
    ]
    for name, make in table.items():
        lines += [f'   * - ``"{name}"``', f"     - ``{written(make)}``"]
    return [*lines, ""]


def written(make: Callable) -> str:
    """The call that makes the object; penalties get their parameters from the estimator."""
    if make in PENALTIES.values():
        kind = type(make(1.0, 0.5))
        return f"{kind.__name__}({', '.join(inspect.signature(kind).parameters)})"
    return " ".join(make().__repr__(N_CHAR_MAX=10_000).split())


def heading(text: str, line: str = "=") -> list[str]:
    return [text, line * len(text), ""]


def summary(names: list[str]) -> list[str]:
    """A table of names with what they are in a line; constants below it, of which Sphinx would tell their type's."""
    constants = [name for name in names if is_constant(name)]
    others = [f"   ~{name}" for name in names if name not in constants]
    lines = [".. autosummary::", "   :nosignatures:", "", *others, ""] if others else []
    for name in constants:
        lines += [
            f":py:obj:`~{name}`",
            f"   {' '.join(text_of_constant(name)).partition('. ')[0]}.",
            "",
        ]
    return lines


def toctree(documents) -> list[str]:
    return [
        ".. toctree::",
        "   :hidden:",
        "   :maxdepth: 1",
        "",
        *(f"   {name}" for name in documents),
        "",
    ]


# ---------------------------------------------------------------------------------------------------------------------
# 2. Into the build


def write_pages(app: Sphinx) -> None:
    """Write the pages as sources, those that are out of date, and remove those of names that are gone."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    wanted = {f"{name}.rst": text for name, text in pages()}
    for file in folder.glob("*.rst"):
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def check(app: Sphinx, env: BuildEnvironment) -> None:
    for fault in all_faults():
        logger.warning("%s", fault)
    described = env.domains["py"].objects
    for module in public_modules():
        for name in members(module):
            if name not in described:
                logger.warning(
                    "%s is public, and the API reference doesn't describe it", name
                )


def mend(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Make of a docstring, which is written for a terminal, what reads well on a page."""
    lines[:] = [re.sub(r"\bdocs/(\w+)\.md", r":doc:`/\1`", line) for line in lines]
    for k, line in enumerate(lines):  # the shape (n_iter_,) is no link
        lines[k] = re.sub(
            r"\bshape \([^)`]*\)", lambda shape: re.sub(r"_(?!\w)", r"\\_", shape[0]), line
        )
    if not (getattr(thing, "__module__", None) or "skgd").startswith(
        "skgd"
    ):  # scikit-learn's lead to its own site
        lines[:] = [re.sub(r":ref:`([^<`]+?)\s*<[^`]*`", r"\1", line) for line in lines]
    if ".. rubric:: References" in lines:  # each begins a line of its own
        begin = lines.index(".. rubric:: References")
        text = "\n".join(lines[begin:]).partition("\n.. rubric:: Examples")
        lines[begin:] = "".join([re.sub(r"\.\n(?=\S)", ".\n\n", text[0]), *text[1:]]).split(
            "\n"
        )


def linked_names() -> dict[str, str]:
    """What may stand as code in running text: modules, classes and functions by their names, parts as strings, too."""
    places = {module.__name__: module.__name__ for module in public_modules()}
    for module in public_modules():
        for full in members(module):
            places |= {full: full, full.rpartition(".")[2]: full}
    for table in OPTIMIZERS, SCHEDULES, LOSSES, ACTIVATIONS:
        for name, make in table.items():
            if name not in ALSO_OTHERWISE:
                full = places[type(make()).__name__]
                places |= {name: full, f'"{name}"': full}
    return places


class LinkNames(SphinxTransform):
    """Code in the running text of a page that is a public name leads to its place in the reference."""

    default_priority = 200  # before references are resolved

    def apply(self, **kwargs) -> None:
        if self.env.doc2path(self.env.docname).suffix != ".md":
            return
        places = linked_names()
        if self.env.docname == "coming_from_scikit_learn":
            places = {
                name: full for name, full in places.items() if name not in OF_SCIKIT_LEARN
            }
        kind = {"refdomain": "py", "reftype": "obj", "refexplicit": True, "refwarn": True}
        for literal in list(self.document.findall(nodes.literal)):
            # Adam, Adam(beta1=0.8), "adam" and optimizer="adam"
            word = re.fullmatch(
                r'([A-Z]\w*)\(.*\)|optimizer=("\w+")|(.+)', literal.astext(), re.DOTALL
            )
            place = places.get(next(filter(None, word.groups())).removesuffix("()"))
            within = nodes.title | nodes.reference | addnodes.pending_xref
            if place and not isinstance(literal.parent, within):
                where = {"reftarget": place, "refdoc": self.env.docname}
                link = addnodes.pending_xref("", **where, **kind)
                literal.replace_self(link)
                link += literal


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("builder-inited", write_pages)
    app.connect("env-check-consistency", check)
    app.connect("autodoc-process-docstring", mend)
    app.add_transform(LinkNames)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
