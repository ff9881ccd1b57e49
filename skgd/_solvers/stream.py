"""What a call of `partial_fit` leaves for the next one."""

import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from .._problem.problem import Problem
from .driver import Driver
from .epochs import Epochs
from .loop import Loop
from .plan import Plan
from .several import begun
from .training import Training


@dataclass(frozen=True)
class Stream:
    """What was decided, and what carries it out: while parameters and the kind of rows stay, there is nothing new.

    It holds no data, and nothing that a training changes.
    """

    values: tuple  # of the estimator's parameters, none of which can change behind our back
    parameters: SimpleNamespace  # the same, settled
    loops: Sequence[Loop | None]  # of each training; None: it follows from the rows

    def holds(self, values: tuple) -> bool:
        """Whether these are the values: equal ones may be of other types."""
        return all(map(operator.is_, self.values, values))

    def loops_for(self, problems: Sequence[Problem], befores: Iterable[Training | None]) -> list[Loop | None]:
        """The loops that suit these problems, with their plans."""
        each = zip(self.loops, problems, befores, strict=True)
        return [loop if loop and before and loop.suits(problem, before) else None for loop, problem, before in each]


def drivers_of(
    decide: Callable[[Problem, Training | None], Plan],
    problems: list[Problem],
    befores: list[Training | None],
    rng: np.random.RandomState,
    loops: Sequence[Loop | None],
    watched: bool,
) -> list[Driver]:
    """Decide on plans, and begin trainings with them, or go on; by the loops that were left, with theirs, if any."""
    each = zip(loops, problems, befores, strict=True)
    plans = [decide(problem, before) if loop is None else loop.plan for loop, problem, before in each]
    trainings = begun(problems, plans, befores, rng)
    drivers = []
    left = itertools.chain(loops, itertools.repeat(None))  # of several starts there is none
    for number, ((training, plan, problem), loop) in enumerate(zip(trainings, left, strict=False)):
        solver = None if loop is None else Epochs(training, plan, problem, loop=loop)
        drivers.append(Driver(training, plan, problem, watched, solver, number))
    return drivers


def loops_of(drivers: Iterable[Driver]) -> list[Loop | None]:
    """What trainings that have ended leave for others to go on with."""
    loops = [each.solver.loop if isinstance(each.solver, Epochs) else None for each in drivers]
    return [loop if loop and loop.is_of_any_rows else None for loop in loops]
