"""The one loop that trains: it advances the method, a step or some epochs, and decides what comes next."""

import time
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._kernels.structures import CONVERGED, DIVERGED, NEVER, RUNNING, Data
from .._problem.objective import FullPass, pointwise
from .._warnings import warn_user
from ..penalties import smallest_subgradient
from ..schedules import ReduceOnPlateau
from .epochs import Epochs
from .line_search import Descent
from .newton import Newton, suits
from .training import CRITERIA, Plan, Training, begin_anew

BACK_OFF = 0.25
MAX_BACK_OFFS = 40
STREAMING_BACK_OFFS = 5  # in one call: one bad part of the data shall not ruin the rate for all others
NULL_ROWS = 4096
TRIAL_FACTOR = 10  # between one rate tried after a divergence and the next
TRIAL_EPOCHS = 20  # for which it must go well beyond the epoch that diverged
MAX_TRIALS = 12


class Loop:
    """Train on `data` until a criterion is met, epochs run out, or the fit diverges for good."""

    def __init__(self, training: Training, plan: Plan, data: Data, validation: Data | None = None):
        self.training = training
        self.plan = plan
        self.data = data
        self.validation = validation
        self.stops_early = validation is not None and plan.early_stopping
        # epochs before the last validation, before the last line, and before somebody last looked
        self.validated = self.printed = self.watched = training.epochs
        self.exact = plan.batch_size >= data.n_rows and not training.objective.random
        self.loss_hyper = training.loss.hyper(training.scaling.target_scale)
        training.optimizer.probe()
        by_line_search = training.optimizer.searches_line  # which computes in float64 where it can
        self.dtype = np.dtype(np.float64) if by_line_search else training.dtype
        self.pointwise = pointwise(training.loss, self.dtype, warns=True)
        watched = bool(plan.verbose or plan.watch or validation is not None)
        if by_line_search:
            self.checks_gradient, self.pauses = False, watched
            self.method: Descent | Epochs | Newton = (
                Newton(training, plan, data, self.pointwise, self.loss_hyper, self.pauses)
                if not self.pointwise.in_python and suits(training, plan, data)
                else Descent(training, plan, data, self.loss_hyper)
            )
            return
        # where the gradient at hand is not that of the parameters to publish
        self.checks_gradient = (
            plan.tol is not None and plan.criterion == "gradient" and not (self.exact and plan.average is False)
        )
        decided_here = plan.tol is None or self.stops_early or self.checks_gradient
        criterion = NEVER if decided_here else CRITERIA[plan.criterion]
        on_plateaus = isinstance(plan.schedule, ReduceOnPlateau)
        self.pauses = bool(watched or on_plateaus or self.checks_gradient)
        self.method = Epochs(training, plan, data, self.loss_hyper, criterion, self.pauses, self.stops_early)

    def run(self) -> Training:
        """Train, and warn of what went wrong."""
        beginning = self.begin()
        self.train()
        return self.report(beginning)

    def begin(self) -> Training | None:
        """What a rate that works would be looked for with, if the fit diverged."""
        return None if self.plan.backs_off else self.training.copy()

    def report(self, beginning: Training | None) -> Training:
        """Warn of what went wrong."""
        training, plan = self.training, self.plan
        if self.rests:
            warn_user(
                f"schedule={plan.schedule!r} had come down to zero before: nothing was learned. Let training begin "
                "anew, or give a schedule that goes on.",
                ConvergenceWarning,
            )
        elif training.stop_reason == "diverged":
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
        self.rests = isinstance(self.method, Epochs) and self.method.rests(self.last_epoch)
        self.stale, self.best_validation, self.best_params = 0, np.inf, training.params.copy()
        self.plateau_factor = 1.0
        training.stop_reason, training.gradient_norm = "max_iter", None
        training.progress["start_objective"] = np.nan
        training.progress["reference"] = training.progress["best_objective"] = self._null_objective()
        back_offs, most_back_offs = 0, STREAMING_BACK_OFFS if plan.streaming else MAX_BACK_OFFS
        began = time.perf_counter()
        while training.epochs < self.last_epoch:
            status = self.method.advance(self.last_epoch)
            if status == DIVERGED:
                self._check_start()
                self._to_best()
                if not plan.backs_off or back_offs == most_back_offs:
                    training.stop_reason = "diverged"
                    return
                back_offs += 1
                training.learning_rate *= BACK_OFF
                continue
            if self.pauses and status != RUNNING and self._after_epoch(began):
                break
            if status == CONVERGED:
                training.stop_reason = "converged"
                if training.progress["circled"][0]:
                    training.state.params[:] = training.state.best
                break
        if self.stops_early and training.validation_losses:
            training.state.params[:] = self.best_params
            training.progress["averaged"] = 0
        if self.exact and training.gradient_norm is None:
            training.gradient_norm = float(training.progress["gradient_norm"][0])

    def score(self) -> float:
        """Least loss on the validation data, if these stop the training, else the objective; the less, the better."""
        if self.stops_early:
            return self.best_validation
        value, _ = self._evaluate(self.data)
        return value + self.plan.l1 * float(self.training.state.l1_counts @ np.abs(self.training.params))

    def _after_epoch(self, began: float) -> bool:
        """Look at the epoch that has just ended; whether to stop."""
        training, plan = self.training, self.plan
        stop = False
        if self.validation is not None and training.epochs > self.validated:
            self.validated = training.epochs
            loss, _ = self._evaluate(self.validation)
            training.validation_losses.append(loss * training.loss_unit)
            stop = self.stops_early and self._stop_early(loss)
        if self.checks_gradient and not self.stops_early:
            _, gradient = self._evaluate(self.data)
            training.gradient_norm = float(np.abs(gradient).max())
            if training.gradient_norm <= (plan.tol or 0.0):
                training.stop_reason, stop = "converged", True
        if plan.verbose and training.epochs > self.printed:
            self.printed = training.epochs
            line = f"epoch {training.epochs:4d}  objective {training.losses[-1]:.6g}"
            if self.validation is not None:
                line += f"  validation {training.validation_losses[-1]:.6g}"
            print(f"{line}  {time.perf_counter() - began:.2f} s")
        if plan.watch is not None and training.epochs > self.watched:
            self.watched = training.epochs
            if plan.watch(training) and not stop:
                training.stop_reason, stop = "callback", True
        return stop

    def _stop_early(self, loss: float) -> bool:
        """Compare the loss on the validation data with the best one so far; whether to stop."""
        training, plan = self.training, self.plan
        factor = self.method.plateau_state[0] if isinstance(self.method, Epochs) else 1.0
        if factor < self.plateau_factor:
            self.stale, self.plateau_factor = 0, factor  # the smaller rate gets epochs of its own
        improved = not loss > self.best_validation - (plan.tol or 0.0) * abs(self.best_validation)
        self.stale = 0 if improved else self.stale + 1
        if not loss >= self.best_validation:
            self.best_validation = loss
            self.best_params = training.params.copy()
        if plan.tol is None or self.stale < plan.n_iter_no_change:
            return False
        training.stop_reason = "early_stopping"
        return True

    def _evaluate(self, data: Data) -> tuple[float, np.ndarray]:
        """Loss of the published parameters on `data`; the objective's gradient, too, if that is the training data."""
        training = self.training
        ridge = self.plan.alpha * training.state.penalised.astype(np.float64)
        full_pass = FullPass(data, training.objective, training.loss, self.loss_hyper, ridge, self.plan.n_threads)
        if data is not self.data:
            return full_pass.loss_alone(training.params), np.empty(0)
        value, gradient = full_pass(training.params)
        return value, smallest_subgradient(training.params, gradient, self.plan.l1 * training.state.l1_counts)

    # -- when it goes wrong

    def _null_objective(self) -> float:
        """Loss of the constant model, on some thousand rows: the measure of what is much and what is little."""
        data, dtype = self.data, self.dtype
        few = data.n_rows <= NULL_ROWS and not data.subset.size
        rows = slice(None) if few else data.sample_rows(NULL_ROWS)
        targets, weight = (array.astype(dtype, copy=False) for array in (data.targets_of(rows), data.shares_of(rows)))
        raw = np.empty((weight.size, self.training.objective.n_outputs), dtype)
        raw[:] = self.plan.constant
        value = float(self.pointwise.call(raw, targets, weight, self.loss_hyper, np.empty_like(raw)))
        if not np.isfinite(value):
            raise ValueError(f"the loss is {value} for the constant model: it must be finite there")
        return value

    def _check_start(self) -> None:
        if self.training.starts_immense:
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
        rate = self.rate_that_works(beginning)
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

    def rate_that_works(self, beginning: Training | None) -> float | None:
        """A rate from theory, else one that has been tried for longer than this fit lasted."""
        if beginning is None:
            return None
        plan, rate = self.plan, self.training.learning_rate
        safe = plan.safe_rate()
        if safe is not None and safe < rate:
            return safe
        epochs = min(plan.max_iter, self.training.epochs - beginning.epochs + TRIAL_EPOCHS)
        for _ in range(MAX_TRIALS):
            rate = float(f"{rate / TRIAL_FACTOR:.2g}")  # as it will be printed
            trial = beginning.copy()
            trial.learning_rate = rate
            Loop(trial, replace(plan, max_iter=epochs, verbose=0, watch=None), self.data).train()
            if trial.stop_reason != "diverged":
                return rate
        return None
