"""Docstrings of estimators, filled from one table."""

import inspect
import re
from pathlib import Path

import pytest

import skgd
from skgd._docstrings import NAMES, Linear, Network, documented, entries
from skgd.activations import ACTIVATIONS
from skgd.optimizers import OPTIMIZERS
from skgd.schedules import SCHEDULES

LINEAR_MODELS = [skgd.GDLinearClassifier, skgd.GDLinearRegressor, skgd.GDLogisticClassifier]
NETWORKS = [skgd.GDMLPClassifier, skgd.GDMLPRegressor]
each_estimator = pytest.mark.parametrize("cls", LINEAR_MODELS + NETWORKS, ids=lambda cls: cls.__name__)


def section(cls, title):
    """Entries of a section: the line that begins each, and its text."""
    text = re.split(r"\n\n(?=[A-Z][\w ]+\n-+\n)", inspect.getdoc(cls))
    lines = next(part for part in text if part.startswith(title)).split("\n", 2)[2]
    return [tuple(entry.split("\n", 1)) for entry in re.split(r"\n(?=\S)", lines)]


@each_estimator
def test_every_entry_says_something_and_no_place_is_left(cls):
    for title in ("Parameters", "Attributes", "Raises", "Warns"):
        assert all(re.search(r"\w", "".join(text)) for _, *text in section(cls, title))
    assert not re.search(r"^\s*\{.*\}$", cls.__doc__, re.MULTILINE)


@each_estimator
def test_names_are_those_of_the_tables_of_parts(cls):
    entries = {head.split(" : ")[0]: text for head, text in section(cls, "Parameters")}
    assert set(OPTIMIZERS) <= set(re.findall(r'"(\w+)"', entries["optimizer"]))
    assert set(SCHEDULES) <= set(re.findall(r'"(\w+)"', entries["schedule"]))
    if cls in NETWORKS:
        assert set(ACTIVATIONS) == set(re.findall(r'"(\w+)"', entries["activation"]))


def test_what_a_class_adds_follows_the_entry():
    attributes = dict(section(skgd.GDLinearRegressor, "Attributes"))
    words = attributes["loss_curve_ : ndarray of shape (n_iter_,)"].split()
    assert " ".join(words).endswith("of the loss. With several targets each counts in units of its variance.")


@pytest.mark.parametrize(("table", "readers"), [(Linear, LINEAR_MODELS), (Network, NETWORKS)])
def test_the_tables_hold_nothing_that_nobody_reads(table, readers):
    text = "\n".join(inspect.getdoc(cls) for cls in readers)
    names = entries(table).keys() - NAMES.keys()
    assert {name for name in names if not re.search(rf"^{name}\b", text, re.MULTILINE)} == set()


def test_an_unknown_name_is_noticed_when_the_class_is_made():
    with pytest.raises(KeyError, match="learning_rat"):

        @documented(Linear)
        class Misspelt:
            """Has a place for nothing.

            {learning_rat}
            """


class Numbers:
    """Of all.

    one : int
        The first.
    two : int
        The second.
    """


class MoreNumbers(Numbers):
    """Of some.

    {two}
        Not the last.
    three : int
        The third.
    """


def test_entries_follow_each_other_and_those_of_a_base():
    class Outer:
        @documented(MoreNumbers)
        class Inner:
            """Has numbers.

            {one, two}
                Nor the first.
            {three}
            """

    assert inspect.cleandoc(Outer.Inner.__doc__) == (
        "Has numbers.\n\none : int\n    The first.\ntwo : int\n    The second.\n    Not the last.\n    Nor the first.\n"
        "three : int\n    The third."
    )


WITHOUT_DOCSTRINGS = """
    import importlib.machinery, json, sys
    import numpy, scipy, sklearn.linear_model, sklearn.utils.validation

    class Stripped(importlib.machinery.SourceFileLoader):  # what python -OO does, which would compile scikit-learn, too
        def get_code(self, name):
            return compile(self.get_data(self.path), self.path, "exec", optimize=2, dont_inherit=True)

    sys.path_hooks.insert(0, importlib.machinery.FileFinder.path_hook((Stripped, [".py"])))
    sys.path_importer_cache.clear()
    sys.path.insert(0, {folder!r})
    import skgd
    print(json.dumps([each.__doc__ for each in (skgd.losses.Loss, skgd.GDLinearRegressor, skgd.GDMLPClassifier)]))
"""


def test_python_without_docstrings_makes_the_classes(answer_of_a_copy):
    script = WITHOUT_DOCSTRINGS.format(folder=str(Path(skgd.__file__).parents[1]))
    assert answer_of_a_copy(script, forgets=["skgd"]) == [None] * 3
