"""Types: what checkers are told of parameters is what fits accept, and `help` can be read."""

import importlib
import inspect
import os
import pydoc
import re
import tempfile
import types
import typing
from pathlib import Path

import pytest
from sklearn.utils._param_validation import Interval, StrOptions

import skgd
from skgd.activations import ACTIVATIONS, ActivationName
from skgd.losses import CLASS_LOSSES, LOSSES, REGRESSION_LOSSES, ClassLossName, RegressionLossName
from skgd.optimizers import OPTIMIZERS, OptimizerName
from skgd.penalties import PENALTIES, PenaltyName
from skgd.schedules import SCHEDULES, ScheduleName

ROOT = Path(skgd.__file__).parents[1]
ESTIMATORS = [getattr(skgd, name) for name in skgd.__all__ if name.startswith("GD")]
CLASSES = [
    getattr(importlib.import_module(module), name)
    for module, _, name in (full.rpartition(".") for full in skgd.TRUSTED_TYPES)
    if name != "AlphaSearchCV"  # whose ArrayLike is a union with str in it
]


@pytest.mark.parametrize(
    ("literal", "table"),
    [
        (OptimizerName, OPTIMIZERS),
        (ScheduleName, SCHEDULES),
        (ActivationName, ACTIVATIONS),
        (PenaltyName, PENALTIES),
        (RegressionLossName, [name for name in LOSSES if name in REGRESSION_LOSSES]),
        (ClassLossName, [name for name in LOSSES if name in CLASS_LOSSES]),
    ],
    ids=["optimizers", "schedules", "activations", "penalties", "losses of numbers", "losses of classes"],
)
def test_type_checkers_know_the_names_of_the_tables(literal, table):
    assert typing.get_args(literal) == tuple(table)


def kinds(annotation):
    """The members of a union, its literals one by one."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return {kind for part in typing.get_args(annotation) for kind in kinds(part)}
    return set(typing.get_args(annotation)) if typing.get_origin(annotation) is typing.Literal else {annotation}


@pytest.mark.each("cls", CLASSES)
def test_annotations_say_what_validation_accepts(cls):
    if "__init__" not in dir(cls) or cls.__init__ is object.__init__:
        return  # it has no parameters
    hints = typing.get_type_hints(cls.__init__)
    parameters = set(inspect.signature(cls).parameters)
    assert hints.keys() - {"return"} == parameters
    for name in parameters & cls._parameter_constraints.keys():
        annotated, accepted = kinds(hints[name]), cls._parameter_constraints[name]
        strings = {option for each in accepted if isinstance(each, StrOptions) for option in each.options}
        assert {kind for kind in annotated if isinstance(kind, str)} == strings, name
        none = None in accepted or "random_state" in accepted
        assert (type(None) in annotated) == none, name
        assert (bool in annotated) == ("boolean" in accepted), name
        if any(isinstance(each, Interval) for each in accepted):
            assert {int, float} & annotated, name
        assert str not in annotated, name


def test_help_fits_on_a_screen_and_names_types_as_people_do():
    for cls in ESTIMATORS:
        for method in ("fit", "partial_fit", "predict"):
            text = pydoc.plain(pydoc.render_doc(getattr(cls, method)))
            signature = next(line for line in text.splitlines() if line.startswith(f"{method}("))
            assert "ArrayLike" in signature
            assert not re.search(r"numpy\._|_Supports|Union", signature)
            assert len(signature) < 300
            assert "Parameters\n" in text
    constructor = str(inspect.signature(skgd.GDLinearRegressor))
    assert "loss: 'RegressionLossName | Loss' = 'squared_error'" in constructor
    assert re.search(r"learning_rate: .float \| Literal\[.auto.\]. = 'auto'", constructor)
    assert "numpy._" not in str(inspect.signature(skgd.minimize))


# What mypy must complain of says so; it may complain of nothing else.
SNIPPET = """
from typing import assert_type

import numpy as np

import skgd
from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.activations import GELU
from skgd.losses import Huber
from skgd.optimizers import LBFGS, OPTIMIZERS, SGD, Adam
from skgd.penalties import L1
from skgd.schedules import Cosine

X, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])

assert_type(GDLinearRegressor().fit(X, y), GDLinearRegressor)
assert_type(GDLinearClassifier().fit([[0.0], [1.0]], ["a", "b"]), GDLinearClassifier)
assert_type(GDLogisticClassifier().fit(X, y, X_val=X, y_val=y), GDLogisticClassifier)
assert_type(GDMLPRegressor().partial_fit(X, y), GDMLPRegressor)
assert_type(GDMLPClassifier().fit(X, y), GDMLPClassifier)
assert_type(GDLinearRegressor().fit(X, y).predict(X), np.ndarray)
assert_type(GDMLPClassifier().fit(X, y).predict_proba(X), np.ndarray)
assert_type(skgd.TRUSTED_TYPES, tuple[str, ...])

GDLinearRegressor("huber", optimizer="adam", learning_rate=0.1, schedule="cosine", penalty="l1", batch_size=None)
GDLinearRegressor(Huber(2), optimizer=SGD(momentum="auto"), schedule=Cosine(), penalty=L1(0.1), quantile=[0.1])
GDLinearRegressor(schedule=lambda t: 0.5**t, alpha=1, standardize="max_abs", average=0.9, random_state=0, penalty=None)
GDLogisticClassifier(class_weight={0: 1, 1: 2.5}, optimizer=LBFGS(preconditioner=None), verbose=True)
GDMLPClassifier(hidden_layer_sizes=(3, 2), activation=GELU(), dropout=[0.1, 0.2], init="he_normal", schedule="auto")
GDMLPRegressor(hidden_layer_sizes=5, activation="tanh", optimizer=Adam(amsgrad=True), max_iter=np.int64(3).item())
for name in OPTIMIZERS:
    GDLinearRegressor(optimizer=name)
skgd.minimize(lambda x: float(x @ x), [1.0], optimizer="nadam", learning_rate="auto", criterion="gradient")

GDLinearRegressor(learning_rate="x")  # wrong
GDLinearRegressor(optimizer="adams")  # wrong
GDLinearRegressor("hinge")  # wrong
GDLinearRegressor(schedule="auto")  # wrong
GDLinearClassifier("huber")  # wrong
GDLogisticClassifier(penalty="l3")  # wrong
GDLogisticClassifier(loss="log_loss")  # wrong
GDMLPClassifier(activation="sigmoid")  # wrong
GDMLPRegressor(optimizer="auto")  # wrong
GDMLPRegressor(hidden_layer_sizes="100")  # wrong
GDMLPRegressor(init="xavier")  # wrong
GDMLPRegressor(standardize="min_max")  # wrong
SGD(momentum="much")  # wrong
LBFGS(preconditioner="none")  # wrong
skgd.minimize(lambda x: float(x @ x), [1.0], optimizer="adams")  # wrong
skgd.minimize(lambda x: float(x @ x), [1.0], criterion="value")  # wrong
"""


def test_mypy_tells_wrong_calls_from_right_ones(tmp_path, monkeypatch):
    mypy = pytest.importorskip("mypy.api")
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET, encoding="utf-8")
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)  # away from the configuration
    cache = os.path.join(tempfile.gettempdir(), "skgd-tests-mypy")
    said, failure, _ = mypy.run(["--ignore-missing-imports", "--cache-dir", cache, str(snippet)])
    assert not failure
    found = {int(line) for line in re.findall(r"snippet\.py:(\d+): error", said)}
    expected = {number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# wrong")}
    assert found == expected, said
