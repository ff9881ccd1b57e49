"""The state of one training: everything that changes while it runs and is kept so that it can go on later."""

from dataclasses import dataclass, field, replace

import numpy as np

from .._kernels.signatures import Progress, State
from ..losses import Loss
from ..optimizers import Optimizer
from .objectives import Objective
from .scaling import Scaling

MUCH = 2.0


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
    losses: list = field(default_factory=list)
    validation_losses: list = field(default_factory=list)
    rows_seen: int = 0
    stop_reason: str = "max_iter"
    gradient_norm: float | None = None

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

    def copy(self) -> "Training":
        """A copy to go on with, so that the original survives whatever happens."""
        state = State(*(array.copy() for array in self.state))
        return replace(
            self,
            state=state,
            progress=self.progress.copy(),
            losses=list(self.losses),
            validation_losses=list(self.validation_losses),
        )

    def go_on(self, optimizer: Optimizer, scaling: Scaling, dtype: np.dtype) -> None:
        """Prepare for more data: another scaling leaves the model's predictions as they are."""
        objective, state = self.objective, self.state
        if any(not np.array_equal(old, new) for old, new in zip(self.scaling, scaling, strict=True)):
            objective.meet_other_data()
            if _differ_much(self.scaling, scaling):
                state.slots[:] = 0  # state in units so different would be worse than none
            for vector in (state.params, state.average):
                vector[:] = objective.pack(objective.unpack(vector, self.scaling), scaling)
        if dtype != self.dtype:
            state = State(*(array.astype(np.result_type(array, dtype)) for array in state))
        if repr(optimizer) != repr(self.optimizer):
            state = state._replace(slots=np.zeros((optimizer.n_slots, objective.n_params), dtype))
            self.progress["update"] = 0
        elif optimizer.follows_path:
            state.slots[:] = 0
        state.best[:] = state.params
        begin_anew(self.progress)
        self.state, self.scaling, self.optimizer = state, scaling, optimizer


def new_training(objective, loss, optimizer, scaling, params, dtype, learning_rate, rate_is_auto, seed) -> Training:
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
        penalised=objective.penalised().astype(dtype),
    )
    progress = np.zeros(1, Progress)
    progress["random"] = seed
    begin_anew(progress)
    return Training(objective, loss, optimizer, scaling, state, progress, learning_rate, rate_is_auto)


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
