"""What a checkpoint holds beside the trainings' state: whose fit, of what data."""

import inspect
import zlib
from dataclasses import replace
from numbers import Number
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._kernels.structures import Data, SparseFeatures
from .._problem.features import copied_rows
from .._problem.model import LinearModel
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._solvers.driver import Driver

SAMPLE = 1000  # rows of X whose numbers are compared; of a standardised one means and deviations of all rows, too
MAY_CHANGE = {"verbose", "n_jobs", "warm_start", "random_state"}  # parameters that don't change how a fit goes on


def describe_fit(estimator: Any, problem: Problem, goes_on: bool, random: Any) -> dict:
    """What must be the same where a fit goes on, and what it began with."""
    return {
        "class": _name(type(estimator)),
        "parameters": parameters_of(estimator),
        "data": fingerprint(problem),
        "random": list(random),
        "began": beginning(problem) if goes_on else None,
    }


class SavedFit:
    """A fit that was cut short, as a checkpoint holds it, to go on with."""

    def __init__(self, state: dict, estimator: Any):
        self.state = state
        check_estimator(state, estimator)
        self.rng = np.random.RandomState()
        self.rng.set_state(tuple(state["random"]))
        self.began = state["began"]  # None, or what it had from an earlier training that it went on from
        self.classes = self.began["classes"] if self.began else None

    def checked(self, problem: Problem) -> Problem:
        """The problem as it was described then; an error if the data aren't the same."""
        check_data(self.state, problem)
        if self.began and self.began["trains_intercept"]:
            return replace(problem, model=problem.model.of_other_data())
        return problem

    def restored(self, drivers: list[Driver]) -> list[Driver]:
        """The drivers that go on from there, or from the beginning if they hadn't begun."""
        drivers = drivers[: len(self.state["drivers"])]
        for driver, state in zip(drivers, self.state["drivers"], strict=True):
            if state is not None:
                driver.restore(state)
        return drivers


def check_estimator(state: dict, estimator: Any) -> None:
    """Refuse to go on with another estimator or other parameters."""
    if state["class"] != _name(type(estimator)):
        raise ValueError(f"the checkpoint is of a {state['class']}, and this is a {_name(type(estimator))}")
    then, now = state["parameters"], parameters_of(estimator)
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    if changed:
        was = ", ".join(f"{name}={_in_words(then.get(name))}" for name in changed)
        raise ValueError(
            f"the fit can't go on with other parameters than it began with: it had {was}. To train on with new ones, "
            "fit with warm_start=True"
        )


def check_data(state: dict, problem: Problem) -> None:
    """Refuse to go on with other data."""
    then, now = state["data"], fingerprint(problem)
    changed = [name for name in then | now if now.get(name) != then.get(name)]
    if changed:
        differ = "; ".join(_difference(name, then.get(name), now.get(name)) for name in changed)
        raise ValueError(f"the data aren't those that the checkpoint was made with: {differ}")


# -- parameters


def parameters_of(estimator: Any) -> dict:
    """The parameters that a fit depends on, as JSON takes them."""
    parameters = estimator.get_params(deep=False)
    return {name: _plain(value) for name, value in parameters.items() if name not in MAY_CHANGE}


def _plain(value: Any) -> Any:
    """A value as JSON takes it; two that differ in what fits do differ here, too."""
    if value is None or isinstance(value, str | bool | Number):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, BaseEstimator):
        return [_name(type(value)), {name: _plain(each) for name, each in value.get_params(deep=False).items()}]
    if isinstance(value, dict):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return [value.dtype.str, list(value.shape), _checksum(value)]
    if callable(value) and inspect.isroutine(value):
        return _name(value)
    return _name(type(value))


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _in_words(plain: Any) -> str:
    return repr(plain) if not isinstance(plain, list) else str(plain[0] if plain else plain)


# -- data


def fingerprint(problem: Problem) -> dict:
    """What tells data from other ones: shapes, dtypes, checksums of y, weights, a sample of X, means and deviations."""
    found = _of_rows(problem.rows) | {"means and deviations": _checksum(*problem.scaling)}
    if problem.validation is not None:
        found |= {f"{name} of the validation rows": value for name, value in _of_rows(problem.validation).items()}
    return found


def _of_rows(rows: Rows) -> dict:
    data, storage = rows.data, rows.storage
    dtypes = [str(dtype) for dtype in storage if dtype is not None]
    return {
        "shape of X": [len(data.y), rows.n_features],
        "dtype of X": " ".join(dtypes),
        "X": _checksum(*_sample(data)),
        "y": _checksum(data.y),
        "weights": _checksum(data.weight),
        "rows in use": _checksum(data.subset),
    }


def _sample(data: Data) -> list[np.ndarray]:
    numbers = data.sample_rows(SAMPLE)
    if isinstance(data.features, SparseFeatures):
        some = copied_rows(data.features, numbers)
        return [some.data, some.indices, some.indptr]
    return [data.features.X[numbers]]


def _checksum(*arrays: np.ndarray) -> int:
    total = 0
    for array in arrays:
        total = zlib.crc32(np.ascontiguousarray(array).data.cast("B"), total)
    return total


def _difference(name: str, then: Any, now: Any) -> str:
    return f"{name} was {then}, now it is {now}" if name.startswith(("shape", "dtype")) else f"{name} changed"


# -- a training that went on from an earlier one


def beginning(problem: Problem) -> dict:
    """What the description owes to the training before: its classes, and whether the intercept is known."""
    model = problem.model
    return {
        "classes": problem.facts.get("classes"),
        "trains_intercept": model.trains_intercept if isinstance(model, LinearModel) else None,
    }
