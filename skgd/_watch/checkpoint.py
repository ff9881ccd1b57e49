"""What a checkpoint holds beside the trainings' state: whose fit, of what data."""

import contextlib
import functools
import zlib
from collections.abc import Iterator
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._kernels.structures import Data, SparseFeatures
from .._problem.features import checksum, some_rows
from .._problem.model import LinearModel
from .._problem.partitioned import PartitionedRows
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._solvers.driver import Driver

SAMPLE = 1000  # rows of X whose numbers are compared; of a standardised one means and deviations of all rows, too
DEEPEST = 10  # of parameters in parameters that are looked at
BIT_GENERATORS = {"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"}
TELLING = "shape", "dtype"  # of what is compared: where one of them differs, so does all else
MAY_CHANGE = {"verbose", "n_jobs", "warm_start", "random_state"}  # parameters that don't change how a fit goes on


def describe_fit(estimator: Any, problem: Problem, goes_on: bool, random: Any) -> dict:
    """What must be the same where a fit goes on, and what it began with."""
    return {
        "class": _name(type(estimator)),
        "parameters": parameters_of(estimator),
        "data": fingerprint(problem),
        "random": random,
        "began": beginning(problem) if goes_on else None,
        "beside": beside(estimator) if goes_on else [],
    }


class SavedFit:
    """A fit that was cut short, as a checkpoint holds it, to go on with."""

    def __init__(self, state: dict, estimator: Any):
        self.state = state
        with _refusing_damage():
            wrong = other_estimator(state, estimator)
            missing = set(state["beside"]) - set(beside(estimator))
        if wrong:
            raise ValueError(wrong)
        if missing:
            raise ValueError(
                f"the fit went on from {estimator._HAS_BESIDE}, which the checkpoint doesn't hold: resume it by that "
                "estimator, or by a copy that was pickled before"
            )
        with _refusing_damage():
            self.rng = _generator(state["random"])
            began = state["began"]  # None, or what it had from an earlier training that it went on from
            self.goes_on = began is not None
            self.dtype = np.dtype(began["dtype"]) if began else None
            self.known = began["trains_intercept"] is False if began else True
            classes = began["classes"] if began else None
            self.classes = np.array(classes, dtype=object) if isinstance(classes, list) else classes

    def checked(self, problem: Problem) -> Problem:
        """The problem as it was described then; an error if the data aren't the same."""
        with _refusing_damage():
            wrong = other_data(self.state, problem)
        if wrong:
            raise ValueError(wrong)
        return problem if self.known else replace(problem, model=problem.model.of_other_data())

    def restored(self, drivers: list[Driver]) -> list[Driver]:
        """The drivers that go on from there, or from the beginning if they hadn't begun."""
        with _refusing_damage():
            states = self.state["drivers"]
            if not 0 < len(states) <= len(drivers):
                raise ValueError(f"it has {len(states)} starts")
            drivers = drivers[: len(states)]
            for driver, state in zip(drivers, states, strict=True):
                if state is not None:
                    driver.restore(state)
                if self.goes_on:
                    driver.beginning = None  # of which nothing is known
        return drivers


@contextlib.contextmanager
def _refusing_damage() -> Iterator[None]:
    """Say of whatever is wrong inside a checkpoint that it is damaged."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"the checkpoint is damaged: {type(error).__name__}, {error}") from error


def _generator(state: dict) -> np.random.RandomState:
    """The random generator that had such a state."""
    name = state["bit_generator"]
    if name not in BIT_GENERATORS:
        raise ValueError(f"there is no generator {name!r} of random bits")
    bits = getattr(np.random, name)()
    bits.state = {each: state[each] for each in bits.state}
    return np.random.RandomState(bits)


def other_estimator(state: dict, estimator: Any) -> str:
    """What speaks against going on with an estimator: another class, other parameters."""
    if state["class"] != _name(type(estimator)):
        return f"the checkpoint is of a {state['class']}, and this is a {_name(type(estimator))}"
    then, now = state["parameters"], parameters_of(estimator)
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    if not changed:
        return ""
    was = ", ".join(f"{name}={_in_words(then.get(name))}" for name in changed)
    return (
        f"the fit can't go on with other parameters than it began with: it had {was}. To train on with new ones, fit "
        "with warm_start=True"
    )


def beside(estimator: Any) -> list[str]:
    """Names of what goes on beside the trainings, and isn't in a checkpoint, where there is something."""
    known = {"_encoding": None, "_tails": None} | estimator._BESIDE
    return [name for name, nothing in known.items() if vars(estimator).get(name, nothing) != nothing]


def other_data(state: dict, problem: Problem) -> str:
    """What speaks against going on with data."""
    then, now = state["data"], fingerprint(problem)
    changed = [name for name in then | now if now.get(name) != then.get(name)]
    changed = [name for name in changed if name.startswith(TELLING)] or changed  # of which all the others follow
    differ = "; ".join(_difference(name, then.get(name), now.get(name)) for name in changed)
    return f"the data aren't those that the checkpoint was made with: {differ}" if changed else ""


# -- parameters


def parameters_of(estimator: Any) -> dict:
    """The parameters that a fit depends on, as JSON takes them."""
    parameters = estimator.get_params(deep=False)
    return {name: _plain(value) for name, value in parameters.items() if name not in MAY_CHANGE}


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON takes it; two that differ in what fits do differ here, too."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth > DEEPEST:  # in a circle, perhaps
        return _name(type(value))
    if isinstance(value, BaseEstimator):
        return [_name(type(value)), _plain(value.get_params(deep=False), depth + 1)]
    if isinstance(value, dict):
        return {str(key): _plain(value[key], depth + 1) for key in sorted(value, key=repr)}
    if isinstance(value, list | tuple | range):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [_name(value), *_plain([_code(value.__code__), value.__defaults__, cells], depth + 1)]
    if isinstance(value, functools.partial):
        return ["partial", *_plain([value.func, value.args, value.keywords], depth + 1)]
    if hasattr(value, "__qualname__"):  # a class, or a function that isn't written in Python
        return _name(value)
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        numbers = array.dtype.kind != "O"
        return [array.dtype.str, [*array.shape], checksum(array)] if numbers else _plain(array.tolist(), depth + 1)
    return [_name(type(value)), _plain(getattr(value, "__dict__", {}), depth + 1)]


def _code(code: CodeType) -> list:
    """What a function does."""
    constants = [_code(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return [zlib.crc32(code.co_code), list(code.co_names), constants]


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _in_words(plain: Any) -> str:
    simple = not isinstance(plain, list) or not any(isinstance(each, list | dict) for each in plain)
    return repr(plain) if simple else f"another {str(plain[0]).rpartition('.')[2]}"


# -- data


def fingerprint(problem: Problem) -> dict:
    """What tells data from other ones: shapes, dtypes, checksums of y, weights, a sample of X, means and deviations."""
    found = _of_rows(problem.rows) | {"means and deviations": checksum(*problem.scaling)}
    if problem.validation is not None:
        found |= {f"{name} of the validation rows": value for name, value in _of_rows(problem.validation).items()}
    return found


def _of_rows(rows: Rows | PartitionedRows) -> dict:
    if isinstance(rows, PartitionedRows):
        return rows.fingerprint()
    data, storage = rows.data, rows.storage
    dtypes = [str(dtype) for dtype in storage if dtype is not None]
    return {
        "shape of X": [len(data.y), rows.n_features],
        "dtype of X": " ".join(dtypes),
        "X": checksum(*_sample(data)),
        "y": checksum(data.y),
        "weights": checksum(data.weight),
        "rows in use": checksum(data.subset),
    }


def _sample(data: Data) -> list[np.ndarray]:
    numbers = data.sample_rows(SAMPLE)
    if isinstance(data.features, SparseFeatures):
        some = some_rows(data.features, numbers)
        return [some.data, some.indices, some.indptr]
    return [data.features.X[numbers]]


def _difference(name: str, then: Any, now: Any) -> str:
    return f"{name} was {then}, now it is {now}" if name.startswith(TELLING) else f"{name} changed"


# -- a training that went on from an earlier one


def beginning(problem: Problem) -> dict:
    """What the description owes to the training before: classes, the dtype of X, whether the intercept is known."""
    model = problem.model
    return {
        "classes": problem.facts.get("classes"),
        "dtype": problem.rows.storage.dtype.name,
        "trains_intercept": model.trains_intercept if isinstance(model, LinearModel) else None,
    }
