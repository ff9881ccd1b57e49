"""Imports: only downwards, nothing heavy before it is needed, every public name where it is promised."""

import ast
import functools
import graphlib
import importlib
import importlib.util
import json
import pkgutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

import skgd

PACKAGE = Path(skgd.__file__).parent

# From the ground up. A room may import from itself and from the floors below it, not from a neighbour.
FLOORS = [
    {"_constructors", "_containers", "_files", "_kernels", "_partitions", "_random", "_version", "_warnings"},
    {"_dask", "_encoding", "_numbers", "_tails"},
    {"_compile", "_validation"},
    {"_checked_parts", "_parallel", "activations", "losses", "optimizers", "penalties", "schedules"},
    {"_docstrings", "_onnx_formulas", "_targets"},
    {"_problem"},
    {"_engine", "_solvers"},
    {"_auto", "_pickles", "_scores", "_watch"},
    {"_in_parts"},
    {"_fit"},
    {"_classifier", "_minimize", "_regressor"},
    {"_precompile", "linear_model", "neural_network"},
    {"_trusted_types", "onnx", "plotting"},
    {"callbacks"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "skgd."))
FILES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@functools.cache
def nodes_of(path):
    return list(ast.walk(parsed(path)))


@functools.cache
def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@functools.cache
def files_of(room):
    return [path for path in FILES if room_of(path) == room]


each_room = pytest.mark.each("room", sorted({room_of(path) for path in FILES}))


def imported_names(path):
    """Absolute dotted names of all that a file imports, anywhere in it, with the line."""
    package = ("skgd", *path.relative_to(PACKAGE).parts[:-1])
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = [*base, *(node.module or "").split(".")] if node.module else list(base)
            yield from ((".".join([*start, alias.name]), node.lineno) for alias in node.names)


def in_new_process(code):
    """What the code prints as JSON, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in FILES} - {"__init__"}
    assert rooms <= FLOOR_OF.keys(), "a new module needs a place in FLOORS"
    assert {"_kernels", "optimizers", "_solvers", "linear_model"} <= rooms  # the walk found the package
    plan = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    missing = [room for room in rooms if f"{room}/" not in plan and f"{room}.py" not in plan]
    assert not missing, "a new module needs a line in the plan of the house"


@each_room
def test_imports_run_downwards(room):
    for path in set(files_of(room)) - {PACKAGE / "__init__.py"}:  # the roof
        for name, line in imported_names(path):
            top, *rest = name.split(".")
            if top != "skgd":
                continue
            assert rest, f"{path}:{line} imports all of skgd"
            below = rest[0] == room or FLOOR_OF[rest[0]] < FLOOR_OF[room]
            assert below, f"{path}:{line}: {room} imports from {rest[0]}"


def test_the_test_of_floors_sees_relative_imports():
    found = {name for name, _ in imported_names(PACKAGE / "optimizers" / "base.py")}
    assert {"skgd._validation.Interval", "numpy"} <= found


MOST_LINES, MOST_CODE, MOST_METHODS = 400, 60, 15


def lines_of_code(path, node):
    """How many lines of a definition are neither blank, nor comment, nor docstring."""
    skipped = set()
    for each in ast.walk(node):
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(each) is not None:
            skipped |= set(range(each.body[0].lineno, each.body[0].end_lineno + 1))
    lines = lines_of(path)
    numbers = set(range(node.lineno, node.end_lineno + 1)) - skipped
    return sum(bool(lines[n - 1].strip()) and not lines[n - 1].strip().startswith("#") for n in numbers)


@each_room
def test_files_functions_and_classes_are_of_a_size_to_be_read(room):
    for path in files_of(room):
        lines = lines_of(path)
        assert len(lines) <= MOST_LINES, path
        for node in nodes_of(path):
            said = isinstance(node, ast.FunctionDef | ast.ClassDef) and "# long:" in lines[node.lineno - 1]  # and why
            if isinstance(node, ast.FunctionDef):
                assert said or lines_of_code(path, node) <= MOST_CODE, f"{path}:{node.lineno} {node.name}"
            if isinstance(node, ast.ClassDef):
                methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
                assert said or len(methods) <= MOST_METHODS, f"{path}:{node.lineno} {node.name}"


def test_kernels_know_nothing_of_numba():
    for path in (PACKAGE / "_kernels").glob("*.py"):
        roots = {name.split(".")[0] for name, _ in imported_names(path)}
        assert roots <= {"skgd", "numpy", *sys.stdlib_module_names}
        assert not any(name.startswith("skgd._compile") for name, _ in imported_names(path))


def test_every_module_can_be_imported_first():
    # a circle of imports shows only from one of its ends, or with luck not at all
    graph = {}
    for path in FILES:
        name = ".".join(["skgd", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
        graph[name] = set()
        for imported, _ in imported_names(path):
            module = imported if imported in MODULES else imported.rpartition(".")[0]
            packages = {module[:at] for at, letter in enumerate(module) if letter == "."}  # which come before it
            own = {name[:at] for at, letter in enumerate(name) if letter == "."}
            graph[name] |= ({module} | packages - own) & set(MODULES) - {name}
    assert sum(map(len, graph.values())) > 300
    assert list(graphlib.TopologicalSorter(graph).static_order())  # a CycleError names the circle


HEAVY = ["numba", "llvmlite", "matplotlib", "pandas", "rich", "dask", "torch", "onnx", "skl2onnx"]
CORE = {"numpy", "scipy", "sklearn", "numba", "joblib", "threadpoolctl"}
BROUGHT_ALONG = {"llvmlite": "_compile"}  # by numba, for what it has no words for: in one room only
EXTRAS = {"skl2onnx": "onnx", "dask": "_dask"}  # the package that a module is nothing without, and the module


# Steps on the way to a first fit, one after the other.
BEFORE_A_FIT = [
    "import skgd; dir(skgd); skgd.__version__; skgd.TRUSTED_TYPES",
    "from skgd import *",
    """
    from sklearn.base import clone
    from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
    from skgd.optimizers import OPTIMIZERS
    from skgd.schedules import SCHEDULES
    from skgd.losses import LOSSES
    from skgd.activations import ACTIVATIONS, get_activation
    for make in (GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor):
        for optimizer in OPTIMIZERS.values():
            for schedule in SCHEDULES.values():
                model = make(optimizer=optimizer(), schedule=schedule())
        clone(model).set_params(optimizer__learning_rate=0.1)
        repr(model), model.get_params(), model.__sklearn_tags__()
    for loss in LOSSES.values():
        loss().get_params()
    for name, activation in ACTIVATIONS.items():
        activation.derivative(0.5, activation.function(0.5)), get_activation(name).probe()
        for make in (GDMLPClassifier, GDMLPRegressor):
            repr(clone(make(activation=activation(), dropout=0.1, n_restarts=2)))
    """,
    """
    for bad in (dict(alpha=-1), dict(optimizer="none")):
        try:
            GDLinearRegressor(**bad).fit([[0.0], [1.0]], [0.0, 1.0])
        except ValueError:
            continue
        raise AssertionError("not refused")
    """,
]


def test_nothing_heavy_is_imported_before_the_first_fit():
    # numba alone takes longer to import than a small model to fit; what scikit-learn imports itself (pandas) is its own
    code = f"""
        import contextlib, json, sys, sklearn.base, sklearn.utils.validation
        with contextlib.suppress(ImportError):  # before 1.9
            import sklearn.callback
        before, found = set(sys.modules), []
        for step in {[textwrap.dedent(step) for step in BEFORE_A_FIT]!r}:
            exec(step)
            found += [(name, step) for name in {HEAVY!r} if name in sys.modules and name not in before]
        print(json.dumps(found))
        """
    assert in_new_process(code) == []


@each_room
def test_only_core_dependencies_are_imported(room):
    for path in files_of(room):
        for name, line in imported_names(path):
            top = name.split(".")[0]
            known = top in CORE or top == "skgd" or top in sys.stdlib_module_names
            known = known or (BROUGHT_ALONG | EXTRAS).get(top) == room_of(path)
            assert known or room_of(path) == "plotting", f"{path}:{line} imports {name}"


@each_room
def test_numba_is_never_imported_at_the_top_of_a_module(room):
    for path in files_of(room):
        for node in parsed(path).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                )
                heavy = {name.split(".")[0] for name in names}.intersection(HEAVY)
                assert {each for each in heavy if EXTRAS.get(each) != room_of(path)} == set(), f"{path}:{node.lineno}"


def test_fitting_needs_only_the_core_dependencies_and_the_rest_says_what_to_install():
    blocked = ["matplotlib", "pandas", "rich", "skl2onnx"]
    score, said = in_new_process(
        f"""
        import json, sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {blocked!r}:
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Absent())
        import numpy as np
        from skgd import *
        from skgd import GDLinearRegressor, plotting
        X = np.arange(20.0).reshape(-1, 1)
        score, said = GDLinearRegressor().fit(X, 3 * X[:, 0]).score(X, 3 * X[:, 0]), []
        for draw in (
            lambda: plotting.LossCurveDisplay({{"a": [2.0, 1.0]}}).plot(),
            lambda: plotting.CoefficientPathDisplay.from_estimator(GDLinearRegressor(), X, X[:, 0]),
            lambda: __import__("skgd.onnx"),
        ):
            try:
                draw()
            except ImportError as error:
                said.append(str(error))
        print(json.dumps([score, said]))
        """
    )
    assert score > 0.999
    assert said == [
        *['skgd.plotting needs matplotlib: pip install "skgd[plot]"'] * 2,
        'skgd.onnx needs skl2onnx: pip install "skgd[onnx]"',
    ]


def test_every_name_in_all_is_there():
    absent = tuple(f"skgd.{module}" for package, module in EXTRAS.items() if not importlib.util.find_spec(package))
    for name in ["skgd", *MODULES]:
        if name.startswith(absent):
            continue
        module = importlib.import_module(name)
        names = getattr(module, "__all__", [])
        assert len(set(names)) == len(names), name
        for public in names:
            assert hasattr(module, public), f"{name}.__all__ lists {public}"


@pytest.mark.parametrize(
    "name",
    [
        "skgd",
        "skgd.activations",
        "skgd.callbacks",
        "skgd.linear_model",
        "skgd.losses",
        "skgd.neural_network",
        "skgd.optimizers",
        "skgd.penalties",
        "skgd.plotting",
        "skgd.schedules",
    ],
)
def test_public_modules_list_their_names(name):
    # strings written out, so that editors and type checkers can read them
    path = Path(importlib.import_module(name).__file__)
    values = [
        node.value
        for node in parsed(path).body
        if isinstance(node, ast.Assign) and [getattr(t, "id", None) for t in node.targets] == ["__all__"]
    ]
    assert len(values) == 1
    assert ast.literal_eval(values[0])


def test_public_names_are_the_promised_ones():
    promised = {"GDLinearRegressor", "GDLogisticClassifier", "GDMLPClassifier", "GDMLPRegressor", "minimize"}
    promised |= {"activations", "callbacks", "losses", "optimizers", "penalties", "plotting", "schedules"}
    promised |= {"precompile", "scipy_method", "TRUSTED_TYPES"}
    assert promised <= set(skgd.__all__)
    assert set(skgd.__all__) <= set(dir(skgd))
    assert skgd.GDLinearRegressor is importlib.import_module("skgd.linear_model").GDLinearRegressor
    # type checkers see the names that are imported lazily
    block = next(node for node in parsed(PACKAGE / "__init__.py").body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name for node in block.body for alias in node.names}
    assert seen == set(skgd.__all__)
    assert (PACKAGE / "py.typed").exists()


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(skgd, "GDNothing")
    with pytest.raises(AttributeError, match="module 'skgd' has no attribute 'GDNothing'"):
        _ = skgd.GDNothing
    with pytest.raises(ImportError):
        from skgd import GDNothing  # noqa: F401


# Attributes of scikit-learn's classes that it documents for third-party estimators in spite of their underscore.
DOCUMENTED = {"_parameter_constraints", "_repr_html_", "_more_tags"}
PRIVATE = {
    name
    for cls in (BaseEstimator, ClassifierMixin, RegressorMixin)
    for name in dir(cls)
    if name.startswith("_") and not name.startswith("__")
} - DOCUMENTED


@each_room
def test_only_one_module_touches_private_names_of_scikit_learn(room):
    # so that a new release of scikit-learn can break one file only
    for path in set(files_of(room)) - {PACKAGE / "_validation.py"}:
        for name, line in imported_names(path):
            top, *rest = name.split(".")
            if top == "sklearn":
                assert not any(part.startswith("_") for part in rest), f"{path}:{line} imports {name}"
        for node in nodes_of(path):
            if isinstance(node, ast.Attribute):
                assert node.attr not in PRIVATE, f"{path}:{node.lineno} uses BaseEstimator.{node.attr}"
