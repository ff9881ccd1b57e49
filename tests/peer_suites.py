"""scikit-learn's own tests of its linear models and networks, as they are installed, run against skgd.

    python tests/peer_suites.py                     all of them, some minutes
    python tests/peer_suites.py sgd glm             some: sgd, common, glm, mlp, stochastic
    python tests/peer_suites.py sgd -- -k warm -x   and options for pytest

Before pytest imports a suite, the classes of the folder `peers` take the place of scikit-learn's in its namespace: they
have the peer's parameters, hand them to a skgd estimator under skgd's names, and let it do the work. Tests that meet
none of these classes are left out. What differs by design stands in peers/known.py, each with its reason; such a test
must fail, or the table is out of date. The exit status is 0 if nothing else fails.
"""

import ast
import collections
import fnmatch
import inspect
import pathlib
import sys
import textwrap

import numpy as np
import pytest
import sklearn
from peers import known, linear, networks
from peers.adaptor import StandIn
from sklearn.base import BaseEstimator

SUITES = {
    "sgd": ("sklearn.linear_model.tests.test_sgd", known.LINEAR_MODELS),
    "common": ("sklearn.linear_model.tests.test_common", known.LINEAR_MODELS),
    "glm": ("sklearn.linear_model._glm.tests.test_glm", known.LINEAR_MODELS),
    "mlp": ("sklearn.neural_network.tests.test_mlp", known.NETWORKS),
    "stochastic": ("sklearn.neural_network.tests.test_stochastic_optimizers", known.NETWORKS),
}
KINDS = (BaseEstimator, StandIn)
MAKERS = {"SGDClassifier", "SGDRegressor", "SparseSGDClassifier", "SparseSGDRegressor"}  # functions of test_sgd
LEFT_OUT = {"test_SGDClassifier_fit_for_all_backends"}  # how the peer spreads classes over processes


class Report:
    """Leaves out tests that meet no adaptor, marks those of peers/known.py, and says in the end how it went."""

    def __init__(self):
        self.outcomes = collections.defaultdict(collections.Counter)

    def pytest_collection_modifyitems(self, config, items):
        ours = [item for item in items if meets_adaptor(item) and item.originalname not in LEFT_OUT]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(ours)])
        items[:] = ours
        for item in items:
            if reason := known_difference(item):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=reason != known.MINIMUM_NORM))

    def pytest_runtest_setup(self, item):
        np.random.seed(0)  # noqa: NPY002 (tests without a seed of their own shall end alike in every run)

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        expected = hasattr(report, "wasxfail")
        outcome = ("known difference" if report.skipped else "better") if expected else report.outcome
        self.outcomes[name_of(report.nodeid).split("::")[0]][outcome] += 1

    def pytest_terminal_summary(self, terminalreporter):
        for suite, counts in self.outcomes.items():
            terminalreporter.write_line(f"{suite}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))


def name_of(nodeid):
    path, _, test = nodeid.partition("::")
    return f"{pathlib.Path(path).stem}::{test}"


def known_difference(item):
    """The reason why a test must fail, if there is one."""
    table = next(table for module, table in SUITES.values() if module == item.module.__name__)
    test = name_of(item.nodeid).split("::")[1]
    return next((why for why, tests in table.items() if any(fnmatch.fnmatchcase(test, t) for t in tests)), None)


def meets_adaptor(item):
    """Whether an adaptor is among the estimators that a test has as parameters; without any, among the names in it."""
    estimators = list(_estimators(getattr(getattr(item, "callspec", None), "params", {}).values()))
    if not estimators:
        tree = ast.parse(textwrap.dedent(inspect.getsource(item.function)))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        estimators = _estimators(getattr(item.module, name, None) for name in names)
    return any(
        issubclass(e, StandIn) if inspect.isclass(e) else isinstance(e, StandIn) or e in MAKERS for e in estimators
    )


def _estimators(values):
    """Those among the values, and in the lists and tuples among them; test_sgd has functions that make some."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _estimators(value)
        elif inspect.isfunction(value):
            yield value.__name__
        elif isinstance(value, KINDS) or (inspect.isclass(value) and issubclass(value, KINDS)):
            yield value


def main(arguments):
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names, options = arguments[:split], arguments[split + 1 :]
    if unknown := set(names) - set(SUITES):
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    linear.take_their_places()
    networks.take_their_places()
    modules = [SUITES[name][0] for name in names or SUITES]
    root = str(pathlib.Path(sklearn.__file__).parents[1])
    fixed = [
        *("-c", "/dev/null", "--rootdir", root, "-p", "no:cacheprovider", "-p", "no:warnings"),
        *("-q", "--tb=short", "--pyargs"),
    ]
    return pytest.main([*fixed, *modules, *options], plugins=[Report()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
