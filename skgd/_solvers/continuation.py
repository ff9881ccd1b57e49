"""One problem under one penalty after another: each solution is where the next one begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import _parallel as threads
from .._kernels.constants import TINY
from .._problem.problem import Problem
from ..penalties import L1, ElasticNet
from .coordinates import Coordinates
from .driver import IMMENSE_START
from .interior_point import GAP, InteriorPoint
from .multipliers import Multipliers
from .newton import Newton
from .outcome import Outcome
from .plan import Plan
from .solvers import make_solver
from .training import Training, begin

PAST = 3  # solutions that the next one follows from: more would add up what each of them is off
CONDITIONS = 4  # on the polynomial, by solutions and slopes
AT_LARGEST = 1 + 1e-9  # times the largest slope: rounding shall make no coefficient of it
AT_LARGEST_INSIDE = 1 + 1.3 * GAP**0.5  # so much that what the gap leaves of coefficients is rounded to zero


class Solution(NamedTuple):
    """Where the training has come to under a penalty."""

    params: np.ndarray
    gradient_norm: float
    n_iter: int
    converged: bool


class Past(NamedTuple):
    """A solution, and its slope if that is known, by the logarithm of the penalty's strength."""

    at: float
    params: np.ndarray
    slope: np.ndarray | None


class Continuation:
    """A training by line searches that goes on from one penalty to the next: rows and curvature are kept.

    Without an L1 penalty each solution is looked for where those before it lead, as a polynomial of the logarithm of
    the penalty's strength, whose slopes it has, too, where Newton's method knows them.
    """

    def __init__(self, problem: Problem, decide: Callable[[Problem], Plan]):
        self.problem, self.decide = problem, decide
        self.training: Training | None = None
        self.past: list[Past] = []

    def solutions(self, penalties: Sequence[ElasticNet]) -> list[Solution]:
        """The optimum under each penalty, in their order: weaker ones shall follow."""
        with threads.single_threaded_blas():
            return [self.under(penalty) for penalty in penalties]

    def under(self, penalty: ElasticNet) -> Solution:
        """Go on to the optimum under a penalty."""
        problem = replace(self.problem, penalty=penalty)
        unheld = penalty.l2 == 0 and self.training is not None and isinstance(self.solver, Multipliers)
        if self.training is None or unheld or (problem.l1 is None) != (self.problem.l1 is None):
            self.training, self.past = self._begun(problem), []
        else:
            self.solver.go_on(problem, self._guess(problem))
        self.problem, training, first = problem, self.training, self.training.epochs
        outcome, last = Outcome.RUNNING, first + self.plan.max_iter
        while outcome not in (Outcome.CONVERGED, Outcome.OUT_OF_EPOCHS, Outcome.STUCK):
            outcome = self.solver.step(last)
            if outcome == Outcome.DIVERGED:
                raise ValueError(IMMENSE_START)
        params, norm = training.state.params.copy(), float(training.gradient_norm or 0.0)
        if penalty.l2 > 0 and problem.l1 is None:
            exact = outcome == Outcome.CONVERGED and isinstance(self.solver, Newton)
            there = (self.solver.outlook() if exact else None) or (params, None)
            at = np.log(penalty.l2)
            self.past = [*(each for each in self.past if each.at != at), Past(at, *there)][-PAST:]
        return Solution(params, norm, training.epochs - first, outcome == Outcome.CONVERGED)

    def _guess(self, problem: Problem) -> np.ndarray | None:
        """What the polynomial through the last solutions gives; of an L1 penalty it saves too few steps."""
        strength = problem.penalty.l2
        if strength == 0 or problem.l1 is not None:
            return None
        known = [(each.at, by) for each in reversed(self.past) for by in (each.params, each.slope) if by is not None]
        at = np.log(strength)
        if len(known) < 2 or at in [each.at for each in self.past]:
            return None
        return through(known[:CONDITIONS], at)

    def _begun(self, problem: Problem) -> Training:
        """Begin from where another method has come to, if one has."""
        self.plan = self.decide(problem)
        training = begin(problem, self.plan, np.random.RandomState(0))[0]
        if self.training is not None:
            training.state.params[:] = self.training.state.params
        training.progress["reference"] = problem.reference(np.dtype(np.float64), of_best=True)
        training.optimizer.probe()
        self.solver: Any = make_solver(training, self.plan, problem, False)  # a line search, or Newton's method
        return training

    def largest_strength(self) -> float:
        """The least strength of an L1 penalty from which on no coefficient is other than zero.

        It is the largest slope of the loss by a coefficient, in units of the penalty's, at the best constant model. A
        loss of straight pieces has several there, and those that are found may not be the least.
        """
        counts = self.problem.l1_counts
        params = self.problem.start(np.random.RandomState(0))
        slopes = self.problem.objective(params)[1]
        while True:
            found = float(np.abs(slopes[counts > 0] / counts[counts > 0]).max())
            solution = self.under(L1(2 * found + TINY))
            inside, by_sweeps = (isinstance(self.solver, kind) for kind in (InteriorPoint, Coordinates))
            slopes = self.solver.slopes if inside or by_sweeps else self.solver.search.gradient
            if not solution.params[counts > 0].any():
                factor = AT_LARGEST_INSIDE if inside else AT_LARGEST
                return factor * float(np.abs(slopes[counts > 0] / counts[counts > 0]).max())
            if inside:  # slopes of a constant on one side of all rows may be zero
                slopes = np.full(slopes.size, self.solver.largest_slope)


def through(known: Sequence[tuple[float, np.ndarray]], at: float) -> np.ndarray:
    """Value of the polynomial that has these values, each followed by the slope there if that is known (Hermite)."""
    places = [place for place, _ in known]
    values: dict[float, np.ndarray] = {}
    slopes: dict[float, np.ndarray] = {}
    for place, vector in known:
        (slopes if place in values else values)[place] = vector
    differences, factor = [values[place] for place in places], 1.0
    found = differences[0].copy()
    for order in range(1, len(places)):  # Newton's divided differences: that of a place with itself is the slope
        pairs = zip(differences, differences[1:], places, places[order:], strict=False)
        differences = [slopes[a] if a == b else (after - before) / (b - a) for before, after, a, b in pairs]
        factor *= at - places[order - 1]
        found += factor * differences[0]
    return found
