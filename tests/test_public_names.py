"""The documentation fails on public names that it doesn't explain: needs the extra `docs`."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from skgd import losses

for needed in ("numpydoc", "skl2onnx", "sphinx"):
    pytest.importorskip(needed)

FILE = Path(__file__).parents[1] / "docs" / "_ext" / "public_names.py"


@pytest.fixture(scope="module")
def public_names():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FILE.parent)
        return importlib.import_module("public_names")


def test_nothing_public_lacks_anything(public_names):
    assert public_names.all_faults() == []


def test_every_public_name_has_a_page(public_names):
    pages = {name for name, _ in public_names.pages()}
    assert {"skgd.GDLinearRegressor", "skgd.minimize", "skgd.losses.Huber", "skgd.activations.Tanh"} <= pages
    assert {f"skgd.losses.{name}" for name in losses.__all__} <= pages


class Silent(losses.Loss):
    def __init__(self, width=1.0):
        self.width = width


class Explained(losses.Loss):
    """Has everything.

    Parameters
    ----------
    width : float, default=1.0
        How wide it is.

    Examples
    --------
    >>> Explained().width
    1.0
    """

    def __init__(self, width=1.0):
        self.width = width


class WithoutParameter(Explained):
    """Has a parameter of which nobody is told.

    Examples
    --------
    >>> WithoutParameter().width
    1.0
    """


class WithoutExample(Explained):
    """Has no example.

    Parameters
    ----------
    width : float, default=1.0
        How wide it is.
    """


class WithSilentMethod(Explained):
    __doc__ = Explained.__doc__

    def shrink(self):
        self.width /= 2


class WithSilentOverride(Explained):
    __doc__ = Explained.__doc__

    def predict(self, raw):  # what it is for stands with Loss.predict
        return raw


@pytest.mark.parametrize(
    ("loss", "fault"),
    [
        (Explained, None),
        (Silent, "GL08"),
        (WithoutParameter, "PR01 Parameters {'width'} not documented"),
        (WithoutExample, "EX01"),
        (WithSilentMethod, "shrink has no docstring"),
        (WithSilentOverride, None),
    ],
)
def test_a_public_name_without_documentation_is_noticed(public_names, monkeypatch, loss, fault):
    monkeypatch.setattr(losses, "New", loss, raising=False)
    monkeypatch.setattr(losses, "__all__", [*losses.__all__, "New"])
    monkeypatch.setattr(loss, "__module__", "skgd.losses")  # only what skgd defines is its business
    found = public_names.all_faults()
    assert found == [] if fault is None else len(found) == 1 and fault in found[0] and "skgd.losses.New" in found[0]


def test_parts_to_plug_in_are_reached_by_import_skgd_alone(public_names):
    parts = {module.__name__.partition(".")[2] for module in public_names.public_modules()}
    parts -= {"", "linear_model", "neural_network"}  # whose estimators are names of skgd itself
    parts -= {"onnx"}  # which has no names, and needs an extra
    assert {"activations", "losses", "optimizers", "penalties", "schedules"} <= parts
    code = f"import sys, skgd; before = set(sys.modules); print(all(getattr(skgd, part).__all__ for part in {parts}))"
    code += "; print('skgd.activations' not in before, 'activations' in dir(skgd))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=FILE.parents[2])
    assert done.stdout.split() == ["True"] * 3, done.stderr


def test_a_public_module_without_all_is_noticed(public_names, monkeypatch):
    monkeypatch.delattr(losses, "__all__")
    assert "skgd.losses is public and has no __all__" in public_names.all_faults()
