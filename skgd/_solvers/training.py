"""The state of one training: everything that changes while it runs and is kept so that it can go on later."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.base import BaseEstimator

from .._kernels.constants import IMMENSE
from .._kernels.structures import GRADIENT, OBJECTIVE, STEP, Network, Progress, State
from .._problem.models import Objective
from .._problem.scaling import Scaling
from ..losses import Loss
from ..optimizers import Optimizer
from ..schedules import Schedule

CRITERIA = {"objective": OBJECTIVE, "gradient": GRADIENT, "step": STEP}
MUCH = 2.0
FEW_ROWS = 100  # up to here the scaling of a stream may change the predictions of a network


@dataclass
class Plan:
    """The estimator's parameters that concern the loop, with what `auto` became."""

    batch_size: int
    max_iter: int
    alpha: float  # of the L2 penalty
    schedule: Schedule | Callable
    backs_off: bool  # whether a rate that diverges may be reduced
    safe_rate: Callable[[], float | None]  # a rate to advise where the given one diverged
    constant: np.ndarray  # raw prediction of the constant model
    streaming: bool = False
    early_stopping: bool = False  # whether validation data stop the training, or are only watched
    tol: float | None = 1e-4
    criterion: str = "objective"
    n_iter_no_change: int = 5
    shuffle: bool = True
    average: bool | int | float = False  # a float is the decay of an exponential mean
    clip_norm: float | None = None
    verbose: int = 0
    l1: float = 0.0  # strength of the L1 penalty
    n_threads: int = 1
    watch: Callable[["Training"], object] | None = None  # called after every epoch; what is true stops the training


@dataclass
class Training:
    """Everything that one training owns; pickled with the estimator, so that it can go on later."""

    objective: Objective
    loss: Loss
    optimizer: Optimizer
    scaling: Scaling
    state: State
    progress: np.ndarray
    learning_rate: float
    rate_is_auto: bool
    given_rate: object  # what the learning rate follows from
    losses: list = field(default_factory=list)  # in the units of the loss
    validation_losses: list = field(default_factory=list)
    rows_seen: int = 0
    updates: int = 0  # in all; progress["update"] counts those since the optimizer's state began
    stop_reason: str = "max_iter"
    gradient_norm: float | None = None
    precision: np.dtype = field(default_factory=lambda: np.dtype(np.float64))  # of what is published: that of X

    @property
    def dtype(self) -> np.dtype:
        return self.state.params.dtype

    @property
    def params(self) -> np.ndarray:
        """The parameters to publish: their running mean where there is one."""
        return self.state.average if self.progress["averaged"][0] > 0 else self.state.params

    @property
    def epochs(self) -> int:
        return int(self.progress["epoch"][0])

    @property
    def loss_unit(self) -> float:
        """The loss in the units of y over that of scaled targets; 1 for several targets, each with its own scale."""
        scale, power = self.scaling.target_scale, self.loss.target_power
        with np.errstate(over="ignore"):
            return float(scale[0] ** power) if power is not None and scale.size == 1 else 1.0

    def __getstate__(self) -> dict:
        """What a pickle needs: vectors that every fit fills anew stay behind."""
        scratch = (
            set(State._fields) - {"params", "slots"} - ({"average"} if self.progress["averaged"][0] > 0 else set())
        )
        return self.__dict__ | {"state": self.state._replace(**dict.fromkeys(scratch, np.empty(0)))}

    def __setstate__(self, given: dict) -> None:
        self.__dict__.update(given)
        n, in_double = self.state.params.size, {"average", "total"}
        dropped = [name for name in State._fields if getattr(self.state, name).size == 0 and name != "slots"]
        made = {name: np.zeros(n, np.float64 if name in in_double else self.dtype) for name in dropped}
        self.state = self.state._replace(**made)

    @property
    def starts_immense(self) -> bool:
        """Whether the objective is infinite, or as good as that, at the starting parameters."""
        start, reference = (float(self.progress[name][0]) for name in ("start_objective", "reference"))
        return not abs(start) <= IMMENSE * max(abs(reference), 1.0)

    def copy(self) -> "Training":
        """A copy to go on with, so that the original survives whatever happens."""
        state = State(*(array.copy() for array in self.state))
        return replace(
            self,
            objective=copy.copy(self.objective),
            state=state,
            progress=self.progress.copy(),
            losses=list(self.losses),
            validation_losses=list(self.validation_losses),
        )

    def go_on(self, optimizer: Optimizer, scaling: Scaling, dtype: np.dtype) -> None:
        """Prepare for more data: another scaling leaves the model's predictions as they are, once it is settled."""
        objective, state = self.objective, self.state
        if any(not np.array_equal(old, new) for old, new in zip(self.scaling, scaling, strict=True)):
            objective.meet_other_data()
            differ_much = _differ_much(self.scaling, scaling)
            if differ_much:
                self.forget()  # state in units so different would be worse than none
            # random weights are meant for standardised units, which the first few rows don't tell
            if not (differ_much and objective.kind is Network and self.rows_seen < FEW_ROWS):
                for vector in (state.params, state.average):
                    vector[:] = objective.pack(objective.unpack(vector, self.scaling), scaling)
        if dtype != self.dtype:
            state = State(*(array.astype(np.result_type(array, dtype)) for array in state))
        if not same(optimizer, self.optimizer):
            state = state._replace(slots=np.zeros((optimizer.n_slots, objective.n_params), dtype))
            self.progress["update"] = 0
        elif optimizer.follows_path:
            self.forget()
        state.penalised[:] = objective.penalised(penalty_factor(self.loss, scaling))
        state.l1_counts[:] = objective.penalised(penalty_factor(self.loss, scaling, degree=1))
        state.best[:] = state.params
        begin_anew(self.progress)
        self.state, self.scaling, self.optimizer = state, scaling, optimizer

    def count_steps(self, objectives) -> None:
        """Count steps over all rows, which are epochs, with the objective after each."""
        self.losses.extend((objectives * self.loss_unit).tolist())
        progress = self.progress[0]
        progress["epoch"] += objectives.size
        progress["update"] += objectives.size
        self.updates += objectives.size

    def forget(self) -> None:
        """Forget the optimizer's state."""
        self.state.slots[:] = 0
        self.progress["update"] = 0


def new_training(objective, loss, optimizer, scaling, params, dtype, rate, given_rate, seed) -> Training:
    """Training that has not made a step yet."""
    n = objective.n_params
    state = State(
        params=params.astype(dtype),
        grads=np.zeros(n, dtype),
        slots=np.zeros((optimizer.n_slots, n), dtype),
        average=np.zeros(n),
        epoch_start=np.zeros(n, dtype),
        best=params.astype(dtype),
        total=np.zeros(n),
        penalised=objective.penalised(penalty_factor(loss, scaling)).astype(dtype),
        l1_counts=objective.penalised(penalty_factor(loss, scaling, degree=1)).astype(dtype),
    )
    progress = np.zeros(1, Progress)
    progress["random"] = seed
    begin_anew(progress)
    learning_rate, is_auto = rate
    return Training(objective, loss, optimizer, scaling, state, progress, learning_rate, is_auto, given_rate)


def penalty_factor(loss: Loss, scaling: Scaling, degree: int = 2) -> np.ndarray:
    """What alpha must be multiplied by so that scaling a target by s leaves the solution the same: s^(degree - p).

    The degree is that of the penalty in the parameters: 2 for L2, 1 for L1.
    """
    if loss.target_power is None:
        return np.ones(1)
    return scaling.target_scale ** float(degree - loss.target_power)


def same(one: BaseEstimator, other: BaseEstimator) -> bool:
    """Whether two optimizers or losses are of one class and have equal parameters."""
    if type(one) is not type(other):
        return False
    mine, theirs = one.get_params(), other.get_params()
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[key], theirs[key]) for key in mine)


def begin_anew(progress: np.ndarray) -> None:
    """Begin an epoch, and judge progress from here on."""
    for name in ("cursor", "batch_done", "unimproved", "still", "circled"):
        progress[name] = 0
    for name in ("best_objective", "last_objective", "last_change", "mark"):
        progress[name] = np.inf


def _differ_much(old: Scaling, new: Scaling) -> bool:
    """Whether a scale changed by more than MUCH, or a centre by more than MUCH times its scale."""
    pairs = (old.center, old.scale, new.center, new.scale), (*old[2:], *new[2:])
    return any(
        (np.abs(np.log(new_scale / old_scale)) > np.log(MUCH)).any()
        or (np.abs(new_center - old_center) > MUCH * new_scale).any()
        for old_center, old_scale, new_center, new_scale in pairs
    )
