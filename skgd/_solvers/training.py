"""The state of one training: everything that changes while it runs and is kept so that it can go on later."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .._kernels.constants import IMMENSE
from .._kernels.structures import FLOAT64, Network, Progress, State
from .._problem.model import Model
from .._problem.problem import Problem
from .._problem.scaling import Scaling
from ..losses import Loss
from ..optimizers import Optimizer
from ..schedules import ReduceOnPlateau
from .plan import Plan

MUCH = 2.0
FEW_ROWS = 100  # up to here the scaling of a stream may change the predictions of a network
SEEDS = 2**31 - 1
KEPT = ("params", "slots", "average")  # vectors of the state that outlive a fit; the others are scratch
RESUMED = "learning_rate", "plateau", "updates", "stop_reason", "gradient_norm"  # beside arrays and curves


def _places(*names: str) -> np.ndarray:
    """Where fields are in a progress, which has eight bytes for each."""
    return np.array([Progress.fields[name][1] // 8 for name in names])  # type: ignore[index]


# All fields of a kind at once: for a small batch it would take long to look them up one by one.
NOTHING_YET = _places("cursor", "batch_done", "unimproved", "still", "circled")
NO_OBJECTIVE_YET = _places("best_objective", "last_objective", "last_change", "mark")
IN_DOUBLE = {"average", "total"}  # vectors of the state that are float64 whatever the others are


class Curve:
    """Numbers that are only ever added to.

    Copies share what they have in common: a copy, and what is added to it, take the same time however long it is.
    """

    def __init__(self, values: ArrayLike = ()):
        self._buffer = np.array(values, dtype=np.float64)
        self._size = self._buffer.size
        self._filled = [self._size]  # of the buffer, by whoever shares it
        self._least, self._looked_at = np.inf, 0  # of so many numbers the least

    def extend(self, losses: np.ndarray, unit: float = 1.0) -> None:
        """Add some at the end, given in a unit; infinite where no float holds them."""
        values = losses
        if unit != 1.0:
            with np.errstate(over="ignore"):
                values = losses * unit
        size = self._size + len(values)
        if self._filled[0] != self._size or size > self._buffer.size:
            buffer = np.empty(max(2 * size, 16))
            buffer[: self._size] = self.values
            self._buffer, self._filled = buffer, [self._size]
        self._buffer[self._size : size] = values
        self._size = self._filled[0] = size

    @property
    def least(self) -> float:
        """The least of the numbers that are any; infinity where there is none."""
        if self._looked_at < self._size:
            new, self._looked_at = self._buffer[self._looked_at : self._size], self._size
            self._least = float(np.fmin.reduce(new, initial=self._least))
        return self._least

    @property
    def values(self) -> np.ndarray:
        """All of them, in a read-only array that stays as it is."""
        view = self._buffer[: self._size]
        view.flags.writeable = False
        return view

    def copy(self) -> "Curve":
        """The same numbers, to be gone on with."""
        same = object.__new__(Curve)
        same.__dict__.update(self.__dict__)
        return same

    def __len__(self) -> int:
        return self._size


@dataclass
class Training:
    """Everything that one training owns; pickled with the estimator, so that it can go on later."""

    optimizer: Optimizer
    state: State
    progress: np.ndarray
    learning_rate: float
    rate_is_auto: bool = False
    given_rate: object = None  # what the learning rate follows from
    loss_unit: float = 1.0  # the loss in the units of y over that of scaled targets
    model: Any = None
    loss: Any = None
    scaling: Any = None
    moments: tuple = (None, None)  # of features and targets, for the scaling of rows to come
    facts: dict = field(default_factory=dict)  # of the targets, see Targets
    losses: Curve = field(default_factory=Curve)  # in the units of the loss
    validation_losses: Curve = field(default_factory=Curve)
    plateau: tuple = (*ReduceOnPlateau.START, 0)  # the schedule's state, and how many losses it has seen
    batch_size: int = 0
    rows_seen: int = 0
    updates: int = 0  # in all; progress["update"] counts those since the optimizer's state began
    stop_reason: str = "max_iter"
    gradient_norm: float | None = None
    restart_scores: np.ndarray | None = None  # of all starts, where there were several
    validation_score: float | None = None  # of a network's kept parameters, with early stopping
    precision: np.dtype = FLOAT64  # of what is published: that of X

    @property
    def dtype(self) -> np.dtype:
        return self.state.params.dtype

    @property
    def params(self) -> np.ndarray:
        """The parameters to publish: their running mean where there is one."""
        return self.state.average if self.progress["averaged"][0] > 0 else self.state.params

    @property
    def epochs(self) -> int:
        return self.progress["epoch"].item()

    @property
    def starts_immense(self) -> bool:
        """Whether the objective is infinite, or as good as that, at the starting parameters."""
        start, reference = (float(self.progress[name][0]) for name in ("start_objective", "reference"))
        return not abs(start) <= IMMENSE * max(abs(reference), 1.0)

    # -- what happens to it

    def copy(self) -> "Training":
        """A copy to go on with, so that the original survives whatever happens."""
        other = object.__new__(Training)
        other.__dict__.update(self.__dict__)
        params, slots, average = (getattr(self.state, name).copy() for name in KEPT)
        other.state = self.state._replace(params=params, slots=slots, average=average)
        # as bytes: NumPy copies records field by field, in the time of a small batch
        other.progress = self.progress.view(np.uint8).copy().view(Progress)
        other.losses, other.validation_losses = self.losses.copy(), self.validation_losses.copy()
        return other

    def model_to_go_on_with(self, asked_for: Model, loss: Loss, scaling: Scaling) -> Model:
        """The model, for data of another scaling; an error names what changed since training began."""
        now, then = asked_for.settings(), self.model.settings()
        changed = [name for name in now if now[name] != then.get(name)]
        if not same(loss, self.loss):
            changed.append("loss")
        if changed:
            raise ValueError(
                f"training can't go on where it ended: {', '.join(changed)} changed since it began. Call fit with "
                "warm_start=False to begin anew"
            )
        general = self.model.of_other_data()
        return self.model if general is self.model or _equal(self.scaling, scaling) else general

    def go_on(self, problem: Problem, plan: Plan) -> None:
        """Prepare for more data: another scaling leaves the model's predictions as they are, once it is settled."""
        self.model, state = problem.model, self.state
        if not _equal(self.scaling, problem.scaling):
            differ_much = _differ_much(self.scaling[:2], problem.scaling[:2])
            if not differ_much and self.loss.target_power is not None:
                differ_much = _differ_much(self.scaling[2:], problem.scaling[2:])
            if differ_much:
                self.forget()  # state in units so different would be worse than none
            # random weights are meant for standardised units, which the first few rows don't tell
            if not (differ_much and self.model.kind is Network and self.rows_seen < FEW_ROWS):
                averages = self.progress["averaged"][0] > 0
                for vector in (state.params, state.average) if averages else (state.params,):
                    vector[:] = self.model.pack(self.model.unpack(vector, self.scaling), problem.scaling)
        if problem.dtype != self.dtype:
            state = self._in_dtype(problem.dtype)
        if not same(plan.optimizer, self.optimizer) or len(state.slots) != plan.n_slots:
            slots = np.zeros((plan.n_slots, state.params.size), problem.dtype)
            state = state._replace(slots=slots)
            self.progress["update"] = 0
        elif plan.optimizer.follows_path:
            self.forget()
        # they depend on the scaling of targets, but where the loss goes with the same power of it as the penalty
        if self.loss.target_power not in (None, 2):
            state.penalised[:] = problem.penalised
        if self.loss.target_power is not None and problem.penalty.l1 > 0:
            state.l1_counts[:] = problem.l1_counts
        state.best[:] = state.params
        begin_anew(self.progress)
        if plan.average is False or plan.searches_line:  # which has no mean to go on with
            self.progress["averaged"] = 0
        self.state, self.optimizer = state, plan.optimizer
        self.learning_rate, self.rate_is_auto, self.given_rate = plan.learning_rate, plan.rate_is_auto, plan.given_rate
        if problem.precision != self.precision:
            self.precision = np.result_type(self.precision, problem.precision)
        self._take(problem, plan)

    def _in_dtype(self, dtype: np.dtype) -> State:
        """The state in a dtype, or in a more precise one that it has; a line search starts from a rounded point."""
        rounded = State(*(array.astype(np.result_type(array, dtype)) for array in self.state))
        if not self.optimizer.searches_line:
            return rounded
        arrays = rounded._asdict()
        return State(**{name: a if name in IN_DOUBLE else a.astype(dtype) for name, a in arrays.items()})

    def _take(self, problem: Problem, plan: Plan) -> None:
        """What is known of the data and the plan, in place of what was known of earlier ones."""
        self.scaling, self.moments, self.rows_seen = problem.scaling, problem.moments, problem.rows_seen
        self.facts, self.restart_scores, self.validation_score = problem.facts, None, None
        self.loss_unit, self.batch_size = _loss_unit(problem), plan.batch_size

    def count_steps(self, objectives: np.ndarray) -> None:
        """Count steps over all rows, which are epochs, with the objective after each."""
        self.losses.extend(objectives, self.loss_unit)
        progress = self.progress[0]
        progress["epoch"] += objectives.size
        progress["update"] += objectives.size
        self.updates += objectives.size

    def plateau_factor(self, schedule: ReduceOnPlateau, losses: Curve) -> float:
        """The schedule's factor after the losses that there are."""
        state, n_seen = self.plateau[:3], self.plateau[3]
        for loss in losses.values[n_seen:]:
            state = schedule.advance(state, loss)
        if state[0] < self.plateau[0]:
            self.progress["unimproved"] = self.progress["still"] = 0  # it gets epochs of its own
        self.plateau = (*state, len(losses))
        return state[0]

    def forget(self) -> None:
        """Forget the optimizer's state."""
        self.state.slots[:] = 0
        self.progress["update"] = 0

    def resumable(self) -> dict:
        """All that training changes, as it is between two epochs: arrays, numbers and strings."""
        vectors = [*KEPT[:2], "best"] + ["average"] * bool(self.progress["averaged"][0])
        return {
            "vectors": {name: getattr(self.state, name).copy() for name in vectors},
            "progress": self.progress.view(np.uint8).copy(),
            "losses": self.losses.values,
            "validation_losses": self.validation_losses.values,
            "precision": self.precision.name,
            **{name: getattr(self, name) for name in RESUMED},
        }

    def restore(self, resumable: dict) -> None:
        """Become what a training for the same data was then.

        Raises
        ------
        ValueError
            If it isn't the state of such a training between two epochs: kernels trust what they are given.
        """
        for name in (*KEPT[:2], "best", *({"average"} & resumable["vectors"].keys())):
            fill(getattr(self.state, name), resumable["vectors"][name], name)
        progress = np.zeros(1, Progress)
        fill(progress.view(np.uint8), resumable["progress"], "progress")
        counts = progress[["epoch", "update", "averaged", "unimproved", "still"]][0]
        if progress["cursor"][0] or progress["batch_done"][0] or min(counts) < 0 or not progress["random"][0]:
            raise ValueError("progress is that of no training between two epochs")
        self.progress[:] = progress
        self.losses, self.validation_losses = (Curve(resumable[name]) for name in ("losses", "validation_losses"))
        rate, (factor, best, *waits), updates, reason, norm = (resumable[name] for name in RESUMED)
        self.learning_rate, self.updates, self.stop_reason = float(rate), int(updates), str(reason)
        self.plateau = (float(factor), float(best), *map(int, waits))
        self.gradient_norm = None if norm is None else float(norm)
        self.precision = np.dtype(resumable["precision"])

    def return_to_best(self) -> None:
        """Return to the best parameters so far, and begin anew from there."""
        self.state.params[:] = self.state.best
        self.state.average[:] = 0
        self.progress["averaged"] = 0
        self.forget()
        best = self.progress["best_objective"][0]
        begin_anew(self.progress)
        self.progress["best_objective"] = best


def begin(problem: Problem, plan: Plan, rng: np.random.RandomState) -> list[Training]:
    """Trainings that have not made a step yet, one for each start."""
    trainings = []
    for _ in range(plan.n_starts):
        params, seed = problem.start(rng), rng.randint(1, SEEDS)
        training = Training(
            plan.optimizer,
            new_state(params, plan.n_slots, problem.dtype, problem.penalised, problem.l1_counts),
            new_progress(seed),
            plan.learning_rate,
            plan.rate_is_auto,
            plan.given_rate,
            model=problem.model,
            loss=problem.loss,
            precision=problem.precision,
        )
        training._take(problem, plan)
        trainings.append(training)
    return trainings


def fill(array: np.ndarray, values: np.ndarray, name: str) -> np.ndarray:
    """Fill an array with others of its shape and dtype, and return it; refuse any other ones."""
    if values.shape != array.shape or values.dtype != array.dtype:
        raise ValueError(
            f"{name} has shape {values.shape} and dtype {values.dtype} instead of {array.shape} and {array.dtype}"
        )
    array[...] = values
    return array


def new_state(params, n_slots: int, dtype: np.dtype, penalised: np.ndarray, l1_counts: np.ndarray) -> State:
    """State that nothing has happened to."""
    n = params.size
    with np.errstate(over="ignore"):  # what is infinite at the start is told of
        return State(
            params=params.astype(dtype),
            grads=np.zeros(n, dtype),
            slots=np.zeros((n_slots, n), dtype),
            average=np.zeros(n),
            epoch_start=np.zeros(n, dtype),
            best=params.astype(dtype),
            total=np.zeros(n),
            penalised=penalised.astype(dtype),
            l1_counts=l1_counts.astype(dtype),
        )


def new_progress(seed: int) -> np.ndarray:
    """Progress of a training that has not made a step yet."""
    progress = np.zeros(1, Progress)
    progress["random"] = seed
    begin_anew(progress)
    return progress


def begin_anew(progress: np.ndarray) -> None:
    """Begin an epoch, and judge progress from here on."""
    progress.view(np.int64)[NOTHING_YET] = 0
    progress.view(np.float64)[NO_OBJECTIVE_YET] = np.inf


def same(one: BaseEstimator, other: BaseEstimator) -> bool:
    """Whether two optimizers or losses are of one class and have equal parameters."""
    if one is other or type(one) is not type(other):
        return one is other
    mine, theirs = one.get_params(), other.get_params()
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[key], theirs[key]) for key in mine)


def _loss_unit(problem: Problem) -> float:
    """1 for several targets, each with its own scale."""
    scale, power = problem.scaling.target_scale, problem.loss.target_power
    if power is None or scale.size > 1:
        return 1.0
    try:
        return scale.item() ** float(power)  # NumPy's numbers would warn, and not to take longer
    except OverflowError:
        return math.inf


def _equal(old: Scaling, new: Scaling) -> bool:
    return all(one.tobytes() == other.tobytes() for one, other in zip(old, new, strict=True))


def _differ_much(old: tuple, new: tuple) -> bool:
    """Whether a scale changed by more than MUCH, or a centre by more than MUCH times its scale."""
    (old_center, old_scale), (center, scale) = old, new
    if scale.size == 1:  # of one target: numbers take less time than arrays
        (old_center, old_scale), (center, scale) = map(_as_numbers, (old, new))
        return max(abs(center - old_center), old_scale) > MUCH * scale or scale > MUCH * old_scale
    far = np.maximum(np.abs(center - old_center), old_scale) > MUCH * scale
    return bool(np.count_nonzero(far | (scale > MUCH * old_scale)))


def _as_numbers(of_one: tuple) -> tuple[float, ...]:
    return tuple(array.item() for array in of_one)
