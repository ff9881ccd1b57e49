"""Types to trust in files: skgd's public classes, all of them and nothing else."""

import importlib
import json

import skgd
from skgd.activations import ACTIVATIONS, Activation
from skgd.linear_model import AlphaSearchCV
from skgd.losses import LOSSES, Loss, MultilabelLogLoss
from skgd.optimizers import OPTIMIZERS, Optimizer
from skgd.penalties import PENALTIES, ElasticNet
from skgd.schedules import SCHEDULES, Schedule

ESTIMATORS = {getattr(skgd, name) for name in skgd.__all__ if name.startswith("GD")}


def name_of(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def found():
    places = (name.rpartition(".")[::2] for name in skgd.TRUSTED_TYPES)
    return {getattr(importlib.import_module(module), name) for module, name in places}


def test_all_that_has_a_name_in_a_table_is_trusted():
    made = [make() for table in (OPTIMIZERS, LOSSES, SCHEDULES, ACTIVATIONS) for make in table.values()]
    made += [make(1.0, 0.5) for make in PENALTIES.values()]
    assert {name_of(type(each)) for each in made} <= set(skgd.TRUSTED_TYPES)
    assert {name_of(cls) for cls in (*ESTIMATORS, MultilabelLogLoss)} <= set(skgd.TRUSTED_TYPES)
    assert len(ESTIMATORS) == 5


def test_nothing_else_is_trusted():
    parts = (Optimizer, Loss, Schedule, Activation, ElasticNet)
    for cls in found():  # no functions, nothing private, nothing of others
        assert isinstance(cls, type)
        assert cls in ESTIMATORS or issubclass(cls, (*parts, AlphaSearchCV))
        assert cls.__module__.startswith("skgd.")
        assert not cls.__name__.startswith("_")


def test_it_is_plain_strings_in_order_that_can_be_written_anywhere():
    assert type(skgd.TRUSTED_TYPES) is tuple
    assert json.loads(json.dumps(skgd.TRUSTED_TYPES)) == sorted(set(skgd.TRUSTED_TYPES))


def test_a_users_row_in_a_table_is_not_trusted(monkeypatch):
    class Mine(Loss):
        pass

    monkeypatch.setitem(LOSSES, "mine", Mine)
    assert name_of(Mine) not in skgd.TRUSTED_TYPES
