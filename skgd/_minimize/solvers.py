"""The methods that descend on functions; a step of theirs is an iteration."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._compile.kernels import kernel, python_kernel, rule_plug_in
from .._kernels.constants import EPS, TINY
from .._kernels.structures import FLOAT64, FunctionSettings, FunctionState
from .._solvers.outcome import Outcome
from .._solvers.plan import Plan
from .._solvers.prospects import Prospects
from .._solvers.stopping import CRITERIA, SearchCriterion
from .._solvers.training import Training
from ..schedules import Constant, ReduceOnPlateau, factor_at
from .function import FunctionObjective
from .limited_memory import LimitedMemory
from .searches import SteepestDescent

ROUNDING = 4 * EPS  # of a value: what a line search allows it to be off by


class RuleDescent:
    """Descends by the optimizer's rule: evaluate, then the compiled update."""

    dtype = FLOAT64
    idle = False  # a rule always has a step to make

    def __init__(self, training: Training, plan: Plan, objective: FunctionObjective, inverse: np.ndarray | None = None):
        self.training, self.schedule, self.objective = training, plan.schedule, objective
        optimizer, state = training.optimizer, training.state
        self.state = FunctionState(state.params, state.grads, state.slots, state.epoch_start, state.best)
        self.settings = FunctionSettings(
            criterion=CRITERIA[plan.criterion_of_solver],
            tol=float(plan.tol or 0.0),
            n_iter_no_change=plan.n_iter_no_change,
            weight_decay=float(optimizer.weight_decay),
        )
        rule = rule_plug_in(optimizer, FLOAT64)
        self.update = (python_kernel if rule.in_python else kernel)("function_update", FLOAT64)
        self.rule, self.hyper = rule.call if rule.in_python else rule.pointer, optimizer.hyper()

    def step(self, last_epoch: int) -> Outcome:
        """One update."""
        training, objective, state = self.training, self.objective, self.state
        point, iteration = objective.evaluate(state.params), training.epochs
        state.grads[:] = objective.projected(point)
        rate = training.learning_rate * self._factor(iteration)
        status = self.update(self.rule, point.value, state, self.settings, self.hyper, rate, training.progress)
        if training.epochs > iteration:
            training.losses.extend(np.array([point.value]))
            training.updates += 1
        objective.project(state.params)
        objective.evaluate(state.params)  # at once, for whoever looks at where the update has led to
        outcome = Outcome(status)
        return Outcome.PAUSED if outcome == Outcome.RUNNING else outcome

    def _factor(self, iteration: int) -> float:
        if isinstance(self.schedule, Constant):
            return 1.0
        if isinstance(self.schedule, ReduceOnPlateau):
            return self.training.plateau_factor(self.schedule, self.training.losses)
        return factor_at(self.schedule, float(iteration))


class FunctionLineSearch:
    """Descends by a line search; it is idle once no step decreases the function any more."""

    dtype = FLOAT64

    def __init__(self, training: Training, plan: Plan, objective: FunctionObjective, inverse: np.ndarray | None = None):
        self.training, self.criterion, self.prospects = training, SearchCriterion(plan), Prospects()
        self.noise, self.function, self.is_endless = objective.noise, objective.function, objective.is_endless
        self.ends_when_spent = plan.solver == "quasi_newton" and plan.criterion == "step"
        start = training.state.params.copy()
        self.search: SteepestDescent | LimitedMemory = (
            SteepestDescent(objective, start, objective.box)
            if plan.solver == "steepest_descent"
            else LimitedMemory(objective, start, plan.optimizer.memory, inverse)
        )
        self.idle = False

    def step(self, last_epoch: int) -> Outcome:
        """One step."""
        training, search = self.training, self.search
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            if self._converged(search.look()):
                if training.epochs == 0:
                    self._count()
                return Outcome.CONVERGED
            before = search.objective
            self.idle = (
                self.prospects.lost
                or self.is_endless(before)
                or not search.move(training.learning_rate)
                or self._is_spent(before)
            )
        if self.idle:
            return Outcome.CONVERGED  # as near as rounding allows, or as far as anybody wants to go
        self._count()
        return Outcome.PAUSED

    def _converged(self, promise: float) -> bool:
        """Whether the criterion is met."""
        search: Any = self.search
        size = max(abs(search.objective), TINY)  # the start may be anywhere: the measure is the value now
        self.prospects.see(promise, search.objective, rounding=max(search.eps * size, self.noise))
        return self.criterion.is_met(search, self.prospects, size)

    def _is_spent(self, before: float) -> bool:
        """Whether rough differences lead to nothing lower any more: steps would go on at random."""
        rough = self.ends_when_spent and self.function.refines
        return rough and not self.search.objective < before - ROUNDING * abs(before)

    def _count(self) -> None:
        self.training.state.params[:] = self.search.params
        self.training.count_steps(np.array([self.search.objective]))


SOLVERS: dict[str, Callable[..., RuleDescent | FunctionLineSearch]] = {
    "rule": RuleDescent,  # updates by the optimizer's rule
    "steepest_descent": FunctionLineSearch,  # as long as fits the curvature on the way
    "quasi_newton": FunctionLineSearch,  # L-BFGS
}
