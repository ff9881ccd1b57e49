"""Data that other libraries keep in parts: what is asked of such a library, and where the answers are."""

import copy
import functools
import importlib
import operator
from collections.abc import Callable, Generator, Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np

# For each library whose collections are taken: a module with `partitions` and `lazily`.
ADAPTERS = {"dask": "skgd._dask", "dask_expr": "skgd._dask"}

CALLBACKS = "_skl_callbacks", "_parent_callback_ctx"  # of scikit-learn

Method = TypeVar("Method", bound=Callable)


class Part(NamedTuple):
    """Some of the rows, as users have them."""

    number: int
    X: Any  # None where nobody asked for them
    y: Any
    weight: Any  # None: all rows count the same


class Partitions(Protocol):
    """Rows in parts, in files or on other machines: work goes to the parts, what it gives comes back in their order.

    `work` is a function, or an object with ``__call__``, that can be pickled. It is called with a part, and with
    arguments that are the same for all parts. What is sent to the parts, and what comes back, is small.
    """

    n_partitions: int
    X_like: Any  # an empty array, CSR matrix or data frame with the columns and dtypes of X
    y_like: Any  # and one, or a series, with those of y

    def map(self, work: Callable, *arguments: Any, without_X: bool = False) -> list:
        """What work gives for each part, in their order; without_X: it looks at y and weights alone."""

    def total(self, work: Callable, *arguments: Any) -> Any:
        """The sum of what work gives, None aside, in an order that the number of parts alone decides."""

    def later(self, work: Callable, finish: Callable) -> Any:
        """finish(sum of what work gives, None aside) as a number that isn't computed yet."""

    def fetch(self, work: Callable, numbers: Sequence[int], *arguments: Any) -> Generator:
        """What work gives for some parts, one after the other, while the next ones are got ready: three at most.

        Whoever takes them drops each before the next one, and closes the generator when no more are wanted.
        """


def adapter_of(*data: Any) -> ModuleType | None:
    """The module for the library that keeps data in parts; None if they are in memory."""
    for each in data:
        if each is None or type(each) is np.ndarray:
            continue
        library = type(each).__module__.partition(".")[0]
        if library in ADAPTERS:
            return importlib.import_module(ADAPTERS[library])
    return None


def partitions_of(X: Any, y: Any, weight: Any, name: str = "X") -> Partitions | None:
    """Data in parts; None if they are in memory. The name is what errors call X."""
    adapter = adapter_of(X, y, weight)
    return None if adapter is None else adapter.partitions(X, y, weight, name)


def by_blocks(method: Method) -> Method:
    """Let a method that predicts rows take collections, too: it gives another one then, block by block, lazily."""

    @functools.wraps(method)
    def predict(self, X, **options):
        adapter = adapter_of(X)
        if adapter is None:
            return method(self, X, **options)
        if any(options.values()):
            raise ValueError(f"{', '.join(options)}: takes rows in memory, and X is a collection")
        return adapter.lazily(MethodOfCopy(method, self), X)

    return cast(Method, predict)


class MethodOfCopy:
    """A method of an estimator as it is now, whatever becomes of it: what travels to the rows."""

    def __init__(self, method: Callable, estimator: Any):
        self.method = method.__module__, method.__qualname__  # by name: what decorators wrap can't be pickled
        self.estimator = copy_to_predict(estimator)

    def __call__(self, X: Any) -> Any:
        """What the method gives for some rows."""
        module, name = self.method
        return operator.attrgetter(name)(importlib.import_module(module))(self.estimator, X)


def copy_to_predict(estimator: Any) -> Any:
    """A copy as pickles hold it, so that predictions are the same here and there; without callbacks, on one thread."""
    state = {name: value for name, value in estimator.__getstate__().items() if name not in CALLBACKS}
    other: Any = object.__new__(type(estimator))
    other.__setstate__(copy.deepcopy(state))
    other.n_jobs = 1  # there are other blocks for other cores
    return other
