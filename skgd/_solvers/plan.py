"""Every decision about a fit, frozen: what solvers carry out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..optimizers import Optimizer
from ..schedules import Schedule


class CurvaturePlan(NamedTuple):
    """What the curvature of a linear model's objective is learnt from."""

    kind: str  # "subsample": matrices; "diagonal": a diagonal, and a matrix of the columns that weigh most
    few_rows: bool  # whether rows are so few beside columns that the matrix has their rank
    tries_gradients: bool  # whether these may lead to the optimum without a model: rows are fewer than columns
    size: int  # rows to begin with
    coupled: int  # up to so many one matrix holds all outputs, if these depend on each other
    by_diagonal: float = np.inf  # steps by the diagonal that cost what Newton's with a matrix of all rows do
    tries_products: bool = False  # whether steps are found by products of all rows first, as long as few are enough
    ridges: tuple[float, ...] = ()  # times the ridge that is asked for: those under which the way there is shorter


@dataclass(frozen=True)
class Plan:
    """The estimator's parameters that concern the fit, with what `auto` became."""

    solver: str  # its name in SOLVERS
    optimizer: Optimizer
    batch_size: int
    learning_rate: float
    rate_is_auto: bool  # then one that diverges is reduced
    schedule: Schedule | Callable
    max_iter: int
    safe_rate: Callable[[Any], float | None]  # of a problem: a rate to advise where the given one diverged
    anneals: bool = False  # whether the schedule is ours, and ends at zero: its last epoch is an end as good as any
    given_rate: object = None  # what the learning rate followed from
    tol: float | None = 1e-4
    criterion: str = "objective"
    n_iter_no_change: int = 5
    # Epochs that end a training if all of them lie far above the best loss on validation data, or by the pace at which
    # that came down in them. None: any number may lie there, and no pace is told.
    n_iter_recent: int | None = None
    early_stopping: bool = False  # whether validation data stop the training, or are only watched
    shuffle: bool = True
    average: bool | int | float = False  # a float is the decay of an exponential mean
    looks_back: bool = False  # whether the end is looked at once more: the last steps may have left the range of floats
    settles: bool = False  # whether a fit that noise ends takes the mean over the epochs at the standstill
    near_zero: float = 0.0  # share of the first objective below which a mean over mini-batches counts as 0; 0: exact
    clip_norm: float | None = None
    n_starts: int = 1
    n_at_once: int = 1  # starts, or members of an ensemble, that share the threads
    n_threads: int = 1
    streaming: bool = False
    exact: bool = False  # whether an epoch's objective is that of its parameters, without noise of batches or dropout
    curvature: CurvaturePlan | None = None
    chances: np.ndarray | None = None  # that a batch touches a column of CSR, where only such columns are worked on

    @property
    def kind(self) -> str:
        """What a training is one of, where there are several."""
        return "start" if self.n_starts > 1 else "member"

    @property
    def searches_line(self) -> bool:
        """Whether the solver looks for the length of its steps, and so knows what is left to gain."""
        return self.optimizer.searches_line

    @property
    def n_slots(self) -> int:
        """Vectors that the optimizer's rule keeps in the state of a training; line searches have their own."""
        return 0 if self.searches_line else self.optimizer.n_slots

    @property
    def needs_certificate(self) -> bool:
        """Whether the gradient must be looked for after every epoch, since no solver has that of the parameters."""
        at_hand = self.searches_line or (self.exact and self.average is False)
        return self.tol is not None and self.criterion == "gradient" and not at_hand

    @property
    def criterion_of_solver(self) -> str:
        """What the solver itself ends by; "never" where others decide."""
        others = self.tol is None or self.early_stopping or self.needs_certificate
        return "never" if others else self.criterion
