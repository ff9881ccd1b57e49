"""What updates by an optimizer's rule have in common, wherever their gradients come from."""

from .._kernels.structures import Settings
from .._problem.problem import Problem
from ..optimizers.sgd import descent_rule
from ..schedules import Constant, ReduceOnPlateau, factor_at
from .plan import Plan
from .stopping import CRITERIA
from .training import Training


def settings_of(training: Training, plan: Plan, problem: Problem, n_updates: int, average_every: int = 1) -> Settings:
    """The scalars of updates, so many an epoch; what concerns blocks of rows is for others to fill in."""
    average_from = -1
    if plan.average is True:  # from the second epoch on
        average_from = n_updates
    elif plan.average is not False:
        average_from = int(plan.average)
    elif plan.settles:
        average_from = 0
    decay = plan.average if isinstance(plan.average, float) else 1.0
    return Settings(
        batch_size=plan.batch_size,
        block_size=1,
        run_length=1,
        weight_factor=1.0,
        alpha=float(problem.penalty.l2),
        weight_decay=float(training.optimizer.weight_decay),
        clip_norm=float(plan.clip_norm or 0.0),
        average_from=average_from,
        criterion=CRITERIA[plan.criterion_of_solver],
        tol=float(plan.tol or 0.0),
        n_iter_no_change=plan.n_iter_no_change,
        pause=True,
        l1=float(problem.penalty.l1),
        # what clipping leaves of the gradient isn't a plain step any more
        proximal=training.optimizer.rule is descent_rule and plan.clip_norm is None,
        average_every=average_every,
        least_share=1.0 - decay**average_every,
        near_zero=plan.near_zero,
        settles=plan.settles,
    )


def rate_of_epoch(training: Training, plan: Plan, problem: Problem) -> float:
    """The learning rate that an epoch begins with."""
    schedule = plan.schedule
    if isinstance(schedule, ReduceOnPlateau):  # on validation rows where these decide
        by_validation = plan.early_stopping and problem.validation is not None
        losses = training.validation_losses if by_validation else training.losses
        return training.learning_rate * training.plateau_factor(schedule, losses)
    if isinstance(schedule, Constant):
        return training.learning_rate
    return training.learning_rate * factor_at(schedule, float(training.epochs))
