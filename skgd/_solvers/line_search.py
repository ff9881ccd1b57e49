"""Training with exact gradients: on a sub-sample first, then on all rows, with the sub-sample's curvature."""

import contextlib
from collections import deque

import numpy as np

from .. import _parallel as threads
from .._kernels.constants import LEAST_GAIN, SLOW, TINY
from .._kernels.structures import CONVERGED, DIVERGED, OUT_OF_EPOCHS, PAUSED, RUNNING, Data
from .._minimize.function import FunctionObjective
from .._problem.features import rows_apart
from .._problem.models import LinearObjective
from .._problem.objective import FullPass
from .curvature import MOST_PATIENCE, Curvature, Sample
from .quasi_newton import Identity, QuasiNewton, SteepestDescent, first_length
from .training import Plan, Training

SAMPLE_TOL = 0.01  # of parameters per row: by about half of them the sample's optimum is off that of all rows anyway
SAMPLE_STEPS = 100
WIDTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # of the smoothing of kinks, in units of the targets' spread
SMALL_STEPS = 3
WIDE_TOL = 1e-3  # of what is gained, where the next width will change more
KINK_TOL = 1e-7  # beside what the last width leaves
PART = 16  # of so many parts of the rows one, before all of them
PART_STEPS = 50
PART_TOL = 0.03  # over the root of the number of rows: what they can't tell
MANY_ENTRIES = 2**20
SLOWEST_RATE = 0.95  # that is believed: at slower ones all that is to come would be a multiple of noise
WINDOW = 10  # steps whose decrease is compared with that of as many before
RATE_STEPS = 5  # over which the rate of convergence is judged: that of a single one says little
LAST_WIDTHS = 3  # of these are left for all rows


class PreconditionedSearch(QuasiNewton):
    """A search that renews its model of the curvature when steps bring less than they should."""

    def __init__(self, function, params, memory, l1, eps, curvature: Curvature | None, hyper, grows: bool):
        super().__init__(function, params, memory, l1, eps)
        self.curvature, self.hyper, self.grows = curvature, hyper, grows
        self.steps, self.improved = 0, False
        self.patience = self._worth_of_model()
        self.newton = curvature is not None and curvature.complete and self.patience <= 0 and l1 is None
        if self.newton:
            self.memory = 0
        self.renew()

    def renew(self) -> None:
        """Take the curvature at the current parameters."""
        self.slow, self.promise, self.model_steps = 0, np.inf, self.steps
        if self.curvature is not None:
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                self.use(self.curvature.model(self.params, self.hyper))
            if self.curvature.complete:
                self.pairs = []

    def improve(self) -> bool:
        """Renew the model, the next times from more rows if there are; whether it wasn't as good as can be before."""
        if self.curvature is None or self.curvature.constant_model is not None:
            return False
        grown = self.grows and (self.improved or self.model_steps == self.steps) and self.curvature.grow()
        if not grown and self.model_steps == self.steps:
            return False
        self.improved = True
        self.patience = max(self.patience, self._worth_of_model())
        self.renew()
        return True

    def _worth_of_model(self) -> float:
        """Slow steps that are worth the next model."""
        curvature = self.curvature
        if curvature is None:
            return np.inf
        return curvature.patience(curvature.data.n_rows if self.grows else curvature.size, self.grows and self.improved)

    def look(self) -> float:
        if self.newton and self.model_steps != self.steps and self.curvature.constant_model is None:  # type: ignore[union-attr]
            self.renew()
            return super().look()
        before, self.promise = self.promise, super().look()
        self.slow = self.slow + 1 if self.promise > SLOW * before else 0
        if self.curvature is not None and self.slow > self.patience and self.improve():
            if not self.curvature.complete:  # where a new model doesn't help, others won't
                self.patience = min(MOST_PATIENCE, 2 * self.patience + 1)
            self.promise = super().look()
        return self.promise

    def move(self, length: float = 1.0) -> bool:
        self.steps += 1
        return super().move(length)


class Descent:
    """Trains by line searches over all rows; advance() makes one step."""

    def __init__(self, training: Training, plan: Plan, data: Data, loss_hyper: np.ndarray):
        self.training, self.plan, self.data = training, plan, data
        self.optimizer = training.optimizer
        self.hyper = loss_hyper.copy()
        self.smooth = training.loss.smooth
        self.ridge = plan.alpha * training.state.penalised.astype(np.float64)
        self.l1 = plan.l1 * training.state.l1_counts.astype(np.float64) if plan.l1 > 0 else None
        self.first_length = self.optimizer.learning_rate or self.optimizer.default_learning_rate
        self.curvature = None
        if isinstance(training.objective, LinearObjective) and self.optimizer.preconditioner is not None:
            self.curvature = Curvature(
                data,
                training.objective,
                training.loss,
                self.ridge,
                self.optimizer.preconditioner,
                plan.n_threads,
                plan.l1 > 0,
            )
        self.of_function = isinstance(training.objective, FunctionObjective)
        self.search: PreconditionedSearch | SteepestDescent | None = None

    # -- the functions that are minimised

    def _function(self):
        """The objective over all rows; in memory where the sub-sample holds them all."""
        training, curvature = self.training, self.curvature
        if isinstance(training.objective, FunctionObjective):
            return training.objective
        if curvature is not None and curvature.kind == "subsample" and curvature.of_all_rows:
            return self._sample_function(curvature.sample)
        return FullPass(self.data, training.objective, training.loss, self.hyper, self.ridge, self.plan.n_threads)

    def _sample_function(self, sample: Sample):
        total, ridge, hyper = sample.weight.sum(), self.ridge, self.hyper

        def function(params):
            value, gradient = sample.loss_and_gradient(params, hyper)
            penalty = ridge * params
            return value / total + 0.5 * float(penalty @ params), gradient / total + penalty

        return function

    def _new_search(self, function, params, grows):
        eps = float(np.finfo(self.training.dtype).eps)
        return PreconditionedSearch(
            function, params, self.optimizer.memory, self.l1, eps, self.curvature, self.hyper, grows
        )

    # -- how it goes

    def _begin(self) -> PreconditionedSearch:
        params = self.training.state.params.astype(np.float64)
        pairs: list = []  # of steps
        function = self._function()
        self.in_memory = not isinstance(function, FullPass)
        self.widths = list(WIDTHS) if not self.smooth else []
        if self.curvature is not None and self.curvature.kind == "subsample" and not self.in_memory:
            params = self._settle_on_sample(params)
            self.widths = self.widths[-LAST_WIDTHS:]
        elif not self.in_memory and self.smooth and self._entries() > MANY_ENTRIES:
            params, pairs = self._settle_on_part(params)
        if self.widths:
            self.hyper[0] = self.widths.pop(0)
        self.idle, self.lost, self.small_steps = False, False, 0
        self.largest_step = np.inf
        self.promises: deque[float] = deque(maxlen=RATE_STEPS + 1)
        self.objectives: deque[float] = deque(maxlen=2 * WINDOW + 1)
        if isinstance(function, FunctionObjective):
            return self._begin_on_function(function, params)
        search = self._new_search(function, params, grows=True)
        search.pairs = pairs  # the curvature of a part of the rows is much like that of all
        return search

    def _begin_on_function(self, function: FunctionObjective, params: np.ndarray):
        if not self.optimizer.memory:
            return SteepestDescent(function, params, function.box)
        search = self._new_search(function, params, grows=False)
        search.use(Identity(first_length(params, search.gradient)))
        search.box = function.box
        return search

    def _settle_on_sample(self, params: np.ndarray) -> np.ndarray:
        """Minimise the objective on the sub-sample, on a smaller one first."""
        curvature = self.curvature
        assert curvature is not None
        if self.training.loss.quadratic:
            return params  # the first step on all rows gets as far
        largest = curvature.size
        for size in curvature.sizes_to_settle_on() if self.smooth else [largest]:
            curvature.resize(size)
            function = self._sample_function(curvature.sample)
            for width in self.widths or [0.0]:
                if self.widths:
                    self.hyper[0] = width
                search = self._new_search(function, params, grows=False)
                tol = SAMPLE_TOL * curvature.matrix_width / size if self.smooth else WIDE_TOL
                params = self._descend(search, tol, SAMPLE_STEPS)
        curvature.resize(largest)
        return params

    def _entries(self) -> int:
        return self.data.n_rows * max(1, self.data.features.row_bytes // self.data.features.storage.dtype.itemsize)

    def _settle_on_part(self, params: np.ndarray) -> tuple[np.ndarray, list]:
        """Minimise the objective on a part of the rows, as well as it stands for all; the last steps, too."""
        training, n_rows = self.training, self.data.n_rows // PART
        if n_rows < params.size // training.objective.n_outputs:  # it would tell little about most of the columns
            return params, []
        of_part = rows_apart(self.data, self.data.sample_rows(n_rows))
        function = FullPass(of_part, training.objective, training.loss, self.hyper, self.ridge, self.plan.n_threads)
        search = self._new_search(function, params, grows=False)
        return self._descend(search, PART_TOL / np.sqrt(n_rows), PART_STEPS), search.pairs

    def _descend(self, search: PreconditionedSearch, tol: float, most_steps: int) -> np.ndarray:
        """Go on until what is left to gain is a share `tol` of what has been gained; the parameters in the end."""
        for _ in range(most_steps):
            if search.look() <= tol * self._gain(search) or not search.move():
                break
        return search.params

    def _gain(self, search: QuasiNewton) -> float:
        """What the fit has gained on the constant model, and so the measure of what is still to come.

        A function has no such model, and its start may be anywhere: the measure is its value.
        """
        if self.of_function:
            return max(abs(search.objective), TINY)
        reference = float(self.training.progress["reference"][0])
        return max(reference - search.objective, LEAST_GAIN * abs(reference), TINY)

    def advance(self, last_epoch: int) -> int:
        """Make one step; the status that it ended with."""
        # threads of BLAS that wait for each other on cores that others use, too, make a step many times as long, and
        # other last digits; a function of the user's may have them
        with contextlib.nullcontext() if self.of_function else threads.single_threaded_blas():
            return self._advance(last_epoch)

    def _advance(self, last_epoch):
        plan, training = self.plan, self.training
        if self.search is None:
            self.search = self._begin()
            training.progress["start_objective"] = self.search.objective
            if training.starts_immense:
                return DIVERGED  # no step can be trusted there
        search = self.search
        if not self.idle:
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                status = self._step(search)
            if status is not None:
                return status
        if self.idle and self.of_function:
            return CONVERGED  # as near as rounding allows
        self._count(search)
        if self.idle and plan.tol is not None and plan.criterion == "objective" and not plan.early_stopping:
            return CONVERGED
        return OUT_OF_EPOCHS if training.epochs >= last_epoch else PAUSED

    def _step(self, search: PreconditionedSearch) -> int | None:
        """Make a step; the status if there was none to make."""
        promise = search.look()
        self.gradient_norm = float(np.abs(search.steepest).max(initial=0.0))
        self.training.gradient_norm = self.gradient_norm
        if self._converged(promise, search):
            if self.widths:
                self._narrow(search)
                return RUNNING
            if self.training.epochs == 0:
                self._count(search)
            return CONVERGED
        before = search.params
        if (self.lost and self.smooth) or (not search.move(self.first_length) and not search.improve()):
            if self.widths:
                self._narrow(search)
                return RUNNING
            self.idle = True
        self.largest_step = float(np.abs(search.params - before).max(initial=0.0))
        return None

    def _narrow(self, search):
        """Go on with kinks less rounded."""
        self.hyper[0], self.small_steps = self.widths.pop(0), 0
        search.evaluate_anew()
        search.renew()

    def _converged(self, promise: float, search: QuasiNewton) -> bool:
        """Whether the criterion is met; while there are widths left, whether it is time for the next."""
        plan, gain = self.plan, self._gain(search)
        # in rounding: little to come, and it doesn't get less
        lost = self.lost = promise <= search.eps * gain and promise > SLOW * (self.promises or [np.inf])[-1]
        self.promises.append(promise)
        self.objectives.append(search.objective)
        if self.widths:
            return self._stands_still(lost or promise <= WIDE_TOL * gain)
        if plan.tol is None or plan.early_stopping:
            return False
        if plan.criterion == "gradient":
            return self.gradient_norm <= plan.tol
        if plan.criterion == "step":
            if not self.of_function:
                return self.largest_step <= plan.tol
            # a single step may be short by chance, or since it goes against the steep side of a valley
            step = search.longest_step if isinstance(search, SteepestDescent) else self.largest_step
            self.small_steps = self.small_steps + 1 if step <= plan.tol else 0
            return self.small_steps >= plan.n_iter_no_change
        if self.smooth:
            return lost or self._to_come() <= plan.tol * gain
        return self._stands_still(lost or promise <= max(plan.tol, 0.0 if self.in_memory else KINK_TOL) * gain)

    def _to_come(self) -> float:
        """What is left to gain: the next step's promise and, at the rate at which promises shrink, all later ones."""
        first, last = self.promises[0], self.promises[-1]
        steps = len(self.promises) - 1
        rate = (last / first) ** (1 / steps) if last > 0 and steps else 0.0
        promised = last / (1 - min(rate, SLOWEST_RATE))
        if len(self.objectives) < 2 * WINDOW + 1:
            return promised
        # a rough model promises little where it knows little: then it counts what many steps have brought
        earlier, middle, now = self.objectives[0], self.objectives[WINDOW], self.objectives[-1]
        rate = (middle - now) / max(earlier - middle, TINY)
        return max(promised, (middle - now) * rate / (1 - min(rate, SLOWEST_RATE)))

    def _stands_still(self, small: bool) -> bool:
        """Whether steps are small for good: a small one up to the next kink may be followed by large ones."""
        self.small_steps = self.small_steps + 1 if small else 0
        return self.small_steps >= SMALL_STEPS

    def _count(self, search: QuasiNewton) -> None:
        self.training.state.params[:] = search.params
        self.training.count_steps(np.array([search.objective]))
