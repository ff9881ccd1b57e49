"""Updates by an optimizer's rule with the gradient over all rows, wherever these lie."""

import numpy as np

from .._compile.kernels import kernel, python_kernel, rule_plug_in
from .._problem.problem import Problem
from .outcome import Outcome
from .plan import Plan
from .rules import rate_of_epoch, settings_of
from .training import Training


class FullBatches:
    """Trains by the optimizer's rule: a pass for the gradient, then the compiled update. Each is an epoch."""

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        self.training, self.plan, self.problem, self.dtype = training, plan, problem, training.dtype
        self.settings = settings_of(training, plan, problem, n_updates=1)
        rule = rule_plug_in(training.optimizer, training.dtype)
        self.update = (python_kernel if rule.in_python else kernel)("full_step", training.dtype)
        self.rule, self.hyper = rule.call if rule.in_python else rule.pointer, training.optimizer.hyper()

    def step(self, last_epoch: int) -> Outcome:
        """One update."""
        training, progress, objective = self.training, self.training.progress, np.empty(1)
        state, epoch, update = training.state, training.epochs, progress["update"][0]
        rate = rate_of_epoch(training, self.plan, self.problem)
        loss, state.grads[:] = self.problem.objective.sums(state.params.astype(np.float64), state.params.size)
        n_rows = self.problem.rows.n_rows
        try:
            self.update(self.rule, loss, state, self.settings, self.hyper, rate, n_rows, progress, objective)
        finally:  # Ctrl-C is heard when the kernel returns
            training.losses.extend(objective[: training.epochs - epoch], training.loss_unit)
            training.updates += int(progress["update"][0] - update)
        return Outcome(int(progress["status"][0]))

    def state(self) -> dict:
        """Nothing: between two epochs all is in the training."""
        return {}

    def restore(self, state: dict) -> None:
        pass
