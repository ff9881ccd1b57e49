"""The one loop that trains: it plans learning rates, calls the compiled epochs and decides what comes next."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._kernels.signatures import (
    CONVERGED,
    DIVERGED,
    GRADIENT,
    NEVER,
    OBJECTIVE,
    RUNNING,
    STEP,
    Buffers,
    Data,
    Settings,
    signatures,
)
from .._warnings import warn_user
from ..optimizers.sgd import descent_rule
from ..penalties import smallest_subgradient
from ..schedules import Constant, ReduceOnPlateau, Schedule, factors_at
from .kernels import kernel, plug_in, python_kernel
from .lazy import FULL_PASS_ROWS, lazy_updates, rows_at_once
from .scaling import SLICE_SECONDS
from .training import Training, begin_anew

CRITERIA = {"objective": OBJECTIVE, "gradient": GRADIENT, "step": STEP}
CACHE_BYTES = 256_000  # up to here any order is as fast as another
RUN_BYTES = 10_000  # above, rows come in runs of about two pages of memory, which the processor prefetches,
MIN_RUNS = 256  # but from so many runs at least that they mix well
FLOPS_PER_SECOND = 1e9  # cautious guess for the first slice; later ones go by the clock
BLOCK_OVERHEAD_FLOPS = 2_000
MAX_PLANNED_UPDATES = 100_000  # learning rates that one call of the kernel takes along
MAX_BUDGET = 10**9
BACK_OFF = 0.25
MAX_BACK_OFFS = 40
STREAMING_BACK_OFFS = 5  # in one call: one bad part of the data shall not ruin the rate for all others
NULL_ROWS = 4096
IMMENSE = 1e20  # share of the constant model's objective that no descent comes back from
TRIAL_FACTOR = 10  # between one rate tried after a divergence and the next
TRIAL_EPOCHS = 20  # for which it must go well beyond the epoch that diverged
MAX_TRIALS = 12


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
    tol: float | None = 1e-4
    criterion: str = "objective"
    n_iter_no_change: int = 5
    shuffle: bool = True
    average: bool | int = False
    clip_norm: float | None = None
    verbose: int = 0
    l1: float = 0.0  # strength of the L1 penalty


class Loop:
    """Train on `data` until a criterion is met, epochs run out, or the fit diverges for good."""

    def __init__(self, training: Training, plan: Plan, data: Data, validation: Data | None = None):
        self.training = training
        self.plan = plan
        self.data = data
        self.validation = validation
        self.n_rows = data.n_rows
        self.plateau = isinstance(plan.schedule, ReduceOnPlateau)
        self.plateau_state, self.plateau_epochs = ReduceOnPlateau.START, 0
        self.full_batch = plan.batch_size >= self.n_rows
        # where the gradient at hand is not that of the parameters to publish
        self.checks_gradient = (
            plan.tol is not None and plan.criterion == "gradient" and not (self.full_batch and plan.average is False)
        )
        self.storage, self.sparse = data.features.storage, data.features.storage.index_dtype is not None
        self.lazy = lazy_updates(data, plan.batch_size, training.objective.n_outputs, training.optimizer)
        self.settings = self._settings()
        self.order, self.settings = self._row_order()
        self.buffers = self._buffers(self.settings.block_size)
        self.model = training.objective.model(training.dtype)
        self.forward, self.backward = self._compiled("forward"), self._compiled("backward")
        types, loss, optimizer = signatures(*self.storage), training.loss, training.optimizer
        self.loss = plug_in(loss.pointwise, types.loss, f"{type(loss).__name__}.pointwise", is_rule=False)
        optimizer.probe()
        self.rule = plug_in(optimizer.rule, types.rule, f"{type(optimizer).__name__}.rule", is_rule=True)
        self.hyper = optimizer.hyper()
        self.loss_hyper = loss.hyper(training.scaling.target_scale)
        self.python = self.rule.in_python or self.loss.in_python
        self.budget = self._first_budget()

    # -- set-up

    def _settings(self) -> Settings:
        training, plan = self.training, self.plan
        criterion = CRITERIA[plan.criterion] if plan.tol is not None else NEVER
        if self.validation is not None or self.checks_gradient:
            criterion = NEVER  # decided here, after every epoch
        average_from = -1
        if plan.average is not False:
            # True: from the second epoch on
            average_from = -(-self.n_rows // plan.batch_size) if plan.average is True else int(plan.average)
        return Settings(
            batch_size=min(plan.batch_size, self.n_rows),
            block_size=self._block_size(min(plan.batch_size, self.n_rows)),
            run_length=1,
            weight_factor=_weight_factor(self.data),
            alpha=float(plan.alpha),
            weight_decay=float(training.optimizer.weight_decay),
            clip_norm=float(plan.clip_norm or 0.0),
            average_from=average_from,
            criterion=criterion,
            tol=float(plan.tol or 0.0),
            n_iter_no_change=plan.n_iter_no_change,
            pause=bool(plan.verbose or self.validation is not None or self.plateau or self.checks_gradient),
            l1=float(plan.l1),
            # what clipping leaves of the gradient isn't a plain step any more
            proximal=training.optimizer.rule is descent_rule and plan.clip_norm is None,
            average_every=1 if self.lazy is None else self.lazy.average_every,
        )

    def _block_size(self, n_rows: int) -> int:
        if self.sparse:
            return n_rows if self.lazy is not None else rows_at_once(self.data.features, n_rows)
        return self.training.objective.block_size(n_rows, self.training.dtype.itemsize)

    def _buffers(self, block_size: int) -> Buffers:
        objective, dtype, n_targets = self.training.objective, self.training.dtype, self.data.y.shape[1]
        return Buffers(
            rows=np.empty(block_size, np.int64),
            raw=np.empty((block_size, objective.n_outputs), dtype),
            derivatives=np.empty((block_size, objective.n_outputs), dtype),
            targets=np.empty((block_size, n_targets), dtype),
            weights=np.empty(block_size, dtype),
            work=np.empty(0 if self.sparse else objective.n_work(block_size), dtype),
        )

    def _row_order(self) -> tuple[np.ndarray, Settings]:
        if self.full_batch or not self.plan.shuffle:
            return np.empty(0, np.int64), self.settings
        row_bytes = self.data.features.row_bytes
        in_cache = self.n_rows * row_bytes <= CACHE_BYTES
        run_length = 1 if in_cache else max(1, min(RUN_BYTES // row_bytes, self.n_rows // MIN_RUNS))
        return np.arange(self.n_rows // run_length), self.settings._replace(run_length=run_length)

    def _first_budget(self) -> int:
        rows = 1 if self.sparse else self.settings.block_size
        block_flops = self.training.objective.flops_per_row() * rows + BLOCK_OVERHEAD_FLOPS
        return max(1, int(SLICE_SECONDS * FLOPS_PER_SECOND / (block_flops * (1000 if self.python else 1))))

    # -- training

    def run(self) -> Training:
        training, plan = self.training, self.plan
        beginning = None if plan.backs_off else training.copy()
        self.train()
        if training.stop_reason == "diverged":
            self._warn_of_divergence(beginning)
        elif training.stop_reason == "max_iter" and plan.tol is not None:
            warn_user(
                f"Maximum number of epochs reached, max_iter={plan.max_iter}, before the fit converged to "
                f"tol={plan.tol} ({plan.criterion}): increase max_iter, learning_rate or tol.",
                ConvergenceWarning,
            )
        return training

    def train(self) -> None:
        """Train without a word; training.stop_reason says how it ended."""
        training, plan = self.training, self.plan
        self.last_epoch = training.epochs + plan.max_iter
        self.stale, self.best_validation, self.best_params = 0, np.inf, training.params.copy()
        training.stop_reason, training.gradient_norm = "max_iter", None
        training.progress["start_objective"] = np.nan
        training.progress["reference"] = training.progress["best_objective"] = self._null_objective()
        back_offs, most_back_offs = 0, STREAMING_BACK_OFFS if plan.streaming else MAX_BACK_OFFS
        began = time.perf_counter()
        while training.epochs < self.last_epoch:
            status = self._advance()
            if status == DIVERGED:
                self._check_start()
                self._to_best()
                if not plan.backs_off or back_offs == most_back_offs:
                    training.stop_reason = "diverged"
                    return
                back_offs += 1
                training.learning_rate *= BACK_OFF
                continue
            if self.settings.pause and status != RUNNING and self._after_epoch(began):
                break
            if status == CONVERGED:
                training.stop_reason = "converged"
                if training.progress["circled"][0]:
                    training.state.params[:] = training.state.best
                break
        if self.validation is not None and training.validation_losses:
            training.state.params[:] = self.best_params
            training.progress["averaged"] = 0
        if self.full_batch and training.gradient_norm is None:
            training.gradient_norm = float(training.progress["gradient_norm"][0])

    def _advance(self) -> int:
        """One call of the compiled epochs; returns the status it ended with."""
        training, progress = self.training, self.training.progress
        rates = self._learning_rates()
        losses = np.empty(min(self.last_epoch - training.epochs, self.budget))
        epoch, update = training.epochs, progress["update"][0]
        began = time.perf_counter()
        name = "run_epochs" if self.lazy is None else "run_lazy_epochs"
        loss, rule, batch = self.loss.call, self.rule.call, () if self.lazy is None else (self.lazy.batch,)
        self._kernel(name)(
            *((self.forward, loss, self.backward, rule) if self.lazy is None else (loss, rule)),
            self.data,
            self.model,
            training.state,
            self.buffers,
            *batch,
            self.settings,
            self.loss_hyper,
            self.hyper,
            rates,
            self.order,
            progress,
            losses,
            self.budget,
        )
        elapsed = time.perf_counter() - began
        training.losses.extend((losses[: training.epochs - epoch] * training.loss_unit).tolist())
        training.updates += int(progress["update"][0] - update)
        self.budget = max(1, min(int(self.budget * min(8.0, SLICE_SECONDS / max(elapsed, 1e-6))), MAX_BUDGET))
        return int(progress["status"][0])

    def _kernel(self, name: str):
        return python_kernel(name, self.training.objective.kind, self.sparse) if self.python else self._compiled(name)

    def _compiled(self, name: str):
        return kernel(name, self.storage.dtype, self.training.objective.kind, self.storage.index_dtype)

    def _learning_rates(self) -> np.ndarray:
        """One rate per update of the coming call, or one for all."""
        training, schedule = self.training, self.plan.schedule
        if isinstance(schedule, ReduceOnPlateau):
            history = training.validation_losses if self.validation is not None else training.losses
            for loss in history[self.plateau_epochs :]:
                self.plateau_state = schedule.advance(self.plateau_state, loss)
            self.plateau_epochs = len(history)
            return np.array([training.learning_rate * self.plateau_state[0]])
        if isinstance(schedule, Constant):
            return np.array([training.learning_rate])
        self.budget = min(self.budget, MAX_PLANNED_UPDATES)
        per_epoch = -(-self.n_rows // self.settings.batch_size)
        done = training.progress["cursor"][0] // self.settings.batch_size
        n_updates = min(self.budget, (self.last_epoch - training.epochs) * per_epoch - done)
        t = training.epochs + (done + np.arange(n_updates)) / per_epoch
        return training.learning_rate * factors_at(schedule, t)

    def _after_epoch(self, began: float) -> bool:
        """Look at the epoch that has just ended; whether to stop."""
        training, plan = self.training, self.plan
        stop = False
        if self.validation is not None:
            loss, _ = self._evaluate(self.validation)
            training.validation_losses.append(loss * training.loss_unit)
            improved = not loss > self.best_validation - (plan.tol or 0.0) * abs(self.best_validation)
            self.stale = 0 if improved else self.stale + 1
            if not loss >= self.best_validation:
                self.best_validation = loss
                self.best_params = training.params.copy()
            if plan.tol is not None and self.stale >= plan.n_iter_no_change:
                training.stop_reason, stop = "early_stopping", True
        elif self.checks_gradient:
            _, gradient = self._evaluate(self.data)
            training.gradient_norm = float(np.abs(gradient).max())
            if training.gradient_norm <= (plan.tol or 0.0):
                training.stop_reason, stop = "converged", True
        if plan.verbose and training.losses:
            line = f"epoch {training.epochs:4d}  objective {training.losses[-1]:.6g}"
            if self.validation is not None:
                line += f"  validation {training.validation_losses[-1]:.6g}"
            print(f"{line}  {time.perf_counter() - began:.2f} s")
        return stop

    def _evaluate(self, data: Data) -> tuple[float, np.ndarray]:
        """Loss of the published parameters on `data`; the objective's gradient, too, if that is the training data."""
        training = self.training
        params = training.params.astype(training.dtype)
        want_gradient = data is self.data
        total = np.zeros(params.size if want_gradient else 0)
        value, start = np.zeros(1), 0
        block_size = min(FULL_PASS_ROWS, data.n_rows) if self.sparse else self._block_size(data.n_rows)
        buffers, weight_factor = self._buffers(block_size), _weight_factor(data)
        while start < data.n_rows:
            start = self._kernel("evaluate")(
                self.forward,
                self.loss.call,
                self.backward,
                self.loss_hyper,
                data,
                self.model,
                params,
                buffers,
                weight_factor,
                training.state.grads,
                total,
                value,
                start,
                self.budget,
            )
        if want_gradient:
            state = training.state
            total += self.plan.alpha * state.penalised * params
            total = smallest_subgradient(params, total, self.plan.l1 * state.l1_counts)
        return float(value[0]), total

    # -- when it goes wrong

    def _null_objective(self) -> float:
        """Loss of the constant model, on some thousand rows: the measure of what is much and what is little."""
        data, dtype = self.data, self.training.dtype
        rows = data.sample_rows(NULL_ROWS)
        targets = (data.y[rows] - data.target_center) * data.target_inverse_scale
        weight = data.weight[rows] if data.weight.size else np.ones(len(rows))
        weight = weight / max(weight.sum(), np.finfo(np.float64).tiny)
        raw = np.tile(np.asarray(self.plan.constant, dtype), (len(rows), 1))
        value = float(
            self.loss.call(raw, targets.astype(dtype), weight.astype(dtype), self.loss_hyper, np.empty_like(raw))
        )
        if not np.isfinite(value):
            raise ValueError(f"the loss is {value} for the constant model: it must be finite there")
        return value

    def _check_start(self) -> None:
        start, reference = (self.training.progress[name][0] for name in ("start_objective", "reference"))
        if not abs(start) <= IMMENSE * max(abs(reference), 1.0):
            raise ValueError(
                "The objective is not finite, or immense, at the starting parameters: the loss is undefined there, or "
                "features or targets are too large, which standardize=True would mend"
            )

    def _to_best(self) -> None:
        """Return to the best parameters so far, and begin anew from there."""
        training = self.training
        training.state.params[:] = training.state.best
        training.state.average[:] = 0
        training.progress["averaged"] = 0
        training.forget()
        best = training.progress["best_objective"][0]
        begin_anew(training.progress)
        training.progress["best_objective"] = best

    def _warn_of_divergence(self, beginning: Training | None) -> None:
        training = self.training
        rate = None if beginning is None else self._rate_that_works(beginning)
        advice = (
            "No smaller rate helped: check the loss and the optimizer's rule."
            if rate is None
            else f"learning_rate={rate:.2g} would work, and so would learning_rate='auto'."
        )
        if (training.scaling.scale == 1).all():
            advice += " standardize=True allows larger rates, and converges sooner."
        warn_user(
            f"The fit diverged in epoch {training.epochs + 1} with learning_rate={training.learning_rate:.3g}; the "
            f"best parameters before that were kept. {advice}",
            ConvergenceWarning,
        )

    def _rate_that_works(self, beginning: Training) -> float | None:
        """A rate from theory, else one that has been tried for longer than this fit lasted."""
        plan, rate = self.plan, self.training.learning_rate
        safe = plan.safe_rate()
        if safe is not None and safe < rate:
            return safe
        epochs = min(plan.max_iter, self.training.epochs - beginning.epochs + TRIAL_EPOCHS)
        for _ in range(MAX_TRIALS):
            rate = float(f"{rate / TRIAL_FACTOR:.2g}")  # as it will be printed
            trial = beginning.copy()
            trial.learning_rate = rate
            Loop(trial, replace(plan, max_iter=epochs, verbose=0), self.data).train()
            if trial.stop_reason != "diverged":
                return rate
        return None


def _weight_factor(data: Data) -> float:
    """What brings the mean weight of the rows to one."""
    if not data.weight.size:
        return 1.0
    weight = data.weight[data.subset] if data.subset.size else data.weight
    return len(weight) / weight.sum()
