"""Training with exact gradients: on a sub-sample first, then on all rows, with the sub-sample's curvature."""

import time

import numpy as np

from .. import _parallel as threads
from .._kernels.constants import EPS, LEAST_GAIN, TINY
from .._kernels.structures import FLOAT64
from .._problem.problem import Problem
from .._problem.sample import is_curved_everywhere
from .._problem.squares import SquaresByMoments
from .curvature import Curvature, end_products, moments_of_all, take_all_rows
from .loop import SLICE_SECONDS
from .outcome import Outcome
from .plan import Plan
from .preconditioned import PreconditionedSearch
from .prospects import Prospects
from .quasi_newton import Identity, QuasiNewton, gap_of, largest, leap, penalise, set_intercepts
from .stopping import Search, SearchCriterion
from .training import Training

SAMPLE_TOL = 0.01  # of parameters per row: by about half of them the sample's optimum is off that of all rows anyway
PRODUCTS_TOL = 0.03  # the same where steps are found by products with the rows, which come to it slowly
SAMPLE_STEPS = 100
RIDGE_TOL = 1e-3  # of the objective, under a ridge that is larger than the one that is asked for
WIDTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # of the smoothing of kinks, in units of the targets' spread
SMALL_STEPS = 3
# of the tolerance: promises of the last step's curvature so small are an end, without that of these parameters
NEGLIGIBLE = 0.1
WIDE_TOL = 1e-3  # of what is gained, where the next width will change more
KINK_GAP = 1e-3  # of what is gained, to be proven under an L1 penalty
KINK_TOL = 1e-7  # beside what the last width leaves
PART = 16  # of so many parts of the rows one, before all of them
PART_STEPS = 50
PART_TOL = 0.03  # over the root of the number of rows: what they can't tell
MANY_ENTRIES = 2**20
LAST_WIDTHS = 3  # of these are left for all rows
CERTAIN = 0.5  # of the constant model's loss: below, curvature vanishes with what is left, and steps are too short
MANY_STEPS = 40  # after which the way by larger ridges is shorter
RESUMED = "idle", "still", "ridges"  # beside what its parts resume


class LineSearch:
    """Trains by line searches over all rows, an epoch each."""

    dtype = FLOAT64

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        self.training, self.plan, self.problem, self.pauses = training, plan, problem, pauses
        self.optimizer = training.optimizer
        self.hyper = problem.loss_hyper.copy()  # whose width of kinks will change
        self.smooth = training.loss.smooth
        self.first_length = self.optimizer.learning_rate or self.optimizer.default_learning_rate
        self.curvature = None
        if plan.curvature is not None:
            self.curvature = Curvature(
                problem.rows, problem.model, problem.loss, problem.ridge, plan.curvature, problem.l1 is not None
            )
        self.search: PreconditionedSearch | None = None

    def _new_search(self, function, params, grows):
        eps = EPS if self.in_memory else float(np.finfo(self.training.dtype).eps)
        search = PreconditionedSearch(
            function, params, self.optimizer.memory, self.problem.l1, eps, self.curvature, self.hyper, grows
        )
        if self.curvature is not None and is_curved_everywhere(self.problem.loss, self.problem.model.n_outputs):
            search.stretches_below = CERTAIN * abs(float(self.training.progress["reference"][0]))
        return search

    def go_on(self, problem: Problem, guess: np.ndarray | None = None) -> None:
        """Go on under another penalty, from the guess if the objective is less there: what rows tell stays."""
        more, self.problem = problem.ridge - self.problem.ridge, problem
        model = Identity() if self.search is None else self.search.model
        # what is known tells much, until steps are slow
        penalised = model if self.curvature is None else self.curvature.penalise(problem.ridge, model)
        if self.search is None:
            return
        self.idle, self.still, self.criterion, self.prospects = False, 0, SearchCriterion(self.plan), Prospects()
        search = self.search
        search.function, search.l1 = self._function(), problem.l1
        if self.in_memory:  # so near to the last solution all that is to come may lie below the rounding of float32
            search.eps = EPS
        if self.smooth:
            penalise(search, more)
        else:  # narrow kinks tell nothing of what lies beyond them
            self.widths = list(WIDTHS)
            self.hyper[0] = self.widths.pop(0)
            search.evaluate_anew()
        if (
            search.newton and problem.l1 is None
        ):  # so near to the optimum few steps are slow by what is known, and pairs
            search.newton, search.memory, search.patience = False, self.optimizer.memory, 0.0
        search.slow, search.promise = 0, np.inf
        search.use(penalised or model)
        if guess is not None and self.smooth and leap(search, guess):
            search.steps += 1  # since when the model is that of other parameters
        search.first_step = search.steps
        # by what a model with another ridge promises nothing has come to its end
        if self.training.loss.quadratic or not self.smooth:
            search.renew()

    # -- how it goes on elsewhere

    def state(self) -> dict:
        if self.search is None:
            return {}
        return {
            "search": self.search.state(),
            "prospects": self.prospects.state(),
            "small_steps": self.criterion.small_steps,
            "hyper": self.hyper.copy(),
            "widths": list(self.widths),
            **{name: getattr(self, name) for name in RESUMED},
        }

    def restore(self, state: dict) -> None:
        if not state:
            return
        self.hyper[:] = state["hyper"]
        if self.curvature is not None:
            kind = state["search"]["curvature"]["kind"]
            if self.curvature.kind == "products" != kind:
                end_products(self.curvature)
            if self.curvature.kind != kind:
                take_all_rows(self.curvature)
        with threads.single_threaded_blas():  # as in a step
            self.search = self._new_search(self._function(), state["search"]["params"], grows=True)
            self.search.restore(state["search"])
        self.criterion, self.prospects = SearchCriterion(self.plan), Prospects()
        self.criterion.small_steps = state["small_steps"]
        self.prospects.restore(state["prospects"])
        self.widths = [float(width) for width in state["widths"]]
        for name in RESUMED:
            setattr(self, name, bool(state[name]) if name == "idle" else int(state[name]))

    # -- how it goes

    def _begin(self) -> PreconditionedSearch:
        params, pairs = self.training.state.params.astype(np.float64), list[tuple]()  # of steps
        function = self._function()
        self.widths = list(WIDTHS) if not self.smooth else []
        if self.problem.near is not None:
            self.widths = self.widths[-LAST_WIDTHS:]  # a sample would lead away
        elif self.curvature is not None and self.curvature.tries_gradients:
            pass  # all rows cost less than a model of some
        elif self.curvature is not None and self.curvature.kind == "subsample" and not self.in_memory:
            params = self._settle_on_sample(params)
            self.widths = self.widths[-LAST_WIDTHS:]
        elif not self.in_memory and self.smooth and gains_from_part(self.curvature, self.problem):
            params, pairs = self._settle_on_part(params)
        if self.widths:
            self.hyper[0] = self.widths.pop(0)
        self.idle, self.still, self.criterion, self.prospects = False, 0, SearchCriterion(self.plan), Prospects()
        self.ridges = len(self.curvature.ridges) if self.curvature is not None and self.in_memory else 0
        search = self._new_search(function, params, grows=True)
        if self.training.loss.quadratic and self.curvature is not None:  # of a linear model
            set_intercepts(search, self.problem.model.n_outputs)
        search.renew()
        search.pairs = pairs  # the curvature of a part of the rows is much like that of all
        return search

    def _function(self):
        """What is minimised, by the sub-sample's sums where that holds all rows."""
        curvature = self.curvature
        self.in_memory = curvature is not None and curvature.holds_all
        if curvature is not None and self.in_memory:
            return curvature.some.sample.objective(self.problem.ridge, self.hyper)
        of_rows = self.problem.smooth_part(self.hyper)
        with np.errstate(over="ignore", invalid="ignore"):
            moments = None if curvature is None else moments_of_all(curvature)
        return of_rows if moments is None else SquaresByMoments(moments, self.problem.model.n_outputs, of_rows)

    def _settle_on_sample(self, params: np.ndarray) -> np.ndarray:
        """Minimise the objective on the sub-sample, on a smaller one first."""
        curvature = self.curvature
        assert curvature is not None
        if self.training.loss.quadratic:
            return params  # the first step on all rows gets as far
        largest = curvature.some.size
        for size in curvature.sizes_to_settle_on() if self.smooth else [largest]:
            curvature.some.resize(size)
            function = curvature.some.sample.objective(self.problem.ridge, self.hyper)
            for width in self.widths or [0.0]:
                if self.widths:
                    self.hyper[0] = width
                search = self._new_search(function, params, grows=False)
                search.renew()
                tol = PRODUCTS_TOL if curvature.by_products else SAMPLE_TOL
                tol = tol * curvature.model_width / size if self.smooth else WIDE_TOL
                params = descend(search, self.training, tol, SAMPLE_STEPS)
        curvature.some.resize(largest)
        return params

    def _settle_on_part(self, params: np.ndarray) -> tuple[np.ndarray, list]:
        """Minimise the objective on a part of the rows, as well as it stands for all; the last steps, too."""
        n_rows = min(self.problem.rows.n_rows // PART, self.problem.rows.most_at_hand)
        if n_rows < params.size // self.problem.model.n_outputs:  # it would tell little about most of the columns
            return params, []
        function = self.problem.smooth_part(self.hyper, self.problem.rows.some(n_rows))
        search = self._new_search(function, params, grows=False)
        search.renew()
        return descend(search, self.training, PART_TOL / np.sqrt(n_rows), PART_STEPS), search.pairs

    def step(self, last_epoch: int) -> Outcome:
        """Make one step, or as many as a call should where nobody looks in between."""
        # threads of BLAS that wait for each other on cores that others use, too, make a step many times as long, and
        # other last digits
        with threads.single_threaded_blas():
            until = time.perf_counter() + SLICE_SECONDS
            while True:
                outcome = self._step(last_epoch)
                if self.pauses or outcome not in (Outcome.PAUSED, Outcome.RUNNING) or time.perf_counter() > until:
                    return outcome

    def _step(self, last_epoch):
        training = self.training
        if self.search is None:
            self.search = self._begin()
            training.progress["start_objective"] = self.search.objective
            if training.starts_immense:
                return Outcome.DIVERGED  # no step can be trusted there
        if not self.idle:
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                outcome = self._move(self.search)
            if outcome is not None:
                return outcome
        count(self.search, training)
        criterion = self.criterion  # where no step is to be made any more nothing is left to gain
        if self.idle and criterion.name != "never" and not is_proven(self.search, training, self.problem):
            return Outcome.STUCK
        if self.idle and (criterion.name == "objective" or criterion.is_met(self.search, self.prospects, 0.0)):
            return Outcome.CONVERGED
        return Outcome.OUT_OF_EPOCHS if training.epochs >= last_epoch else Outcome.PAUSED

    def _move(self, search: PreconditionedSearch) -> Outcome | None:
        """Make a step; how it ended if there was none to make."""
        by_promise = self.criterion.name == "objective" and self.smooth
        negligible = self.criterion.tol * gain_of(search, self.training) if by_promise else 0.0
        is_least = by_promise and search.is_least(negligible)
        promise = 0.0 if is_least else search.look(NEGLIGIBLE * negligible)
        self.training.gradient_norm = largest(search.steepest)
        if search.falls_short:
            assert self.curvature is not None
            end_products(self.curvature)
            self.search = self._begin()
            return Outcome.RUNNING
        if is_least or (self._converged(promise, search) and not search.is_elsewhere):
            if search.extrapolated:  # digits are lost on the way, and convergence is that of the true gradient
                search.evaluate_anew()
                return Outcome.RUNNING
            if self.widths:
                self._narrow(search)
                return Outcome.RUNNING
            if not is_proven(search, self.training, self.problem):
                self.idle = True
                return None
            if self.training.epochs == 0:
                count(search, self.training)
            return Outcome.CONVERGED
        if ends_diagonal := self.curvature is not None and search.steps >= self.curvature.by_diagonal:
            take_all_rows(self.curvature)
            self.in_memory = True
        if ends_diagonal or (self.ridges and search.steps >= MANY_STEPS):
            self.search, self.ridges = by_larger_ridges(self, search.params), 0
            return Outcome.RUNNING
        before = search.params
        if (self.prospects.lost and self.smooth) or (not search.move(self.first_length) and not search.improve()):
            if self.widths:
                self._narrow(search)
                return Outcome.RUNNING
            self.idle = True
        if search.params is before:
            search.moved_by = 0.0
        return None

    def _narrow(self, search):
        """Go on with kinks less rounded."""
        self.hyper[0], self.still = self.widths.pop(0), 0
        search.evaluate_anew()
        search.renew()

    def _converged(self, promise: float, search: PreconditionedSearch) -> bool:
        """Whether the criterion is met; while there are widths left, whether it is time for the next."""
        criterion, gain = self.criterion, gain_of(search, self.training)
        self.prospects.see(promise, search.objective, search.eps * gain, search.is_reliable)
        lost = self.prospects.lost
        if self.widths:
            return self._stands_still(lost or promise <= WIDE_TOL * gain)
        if self.smooth or criterion.name != "objective":
            return criterion.is_met(search, self.prospects, gain)
        return self._stands_still(lost or promise <= max(criterion.tol, 0.0 if self.in_memory else KINK_TOL) * gain)

    def _stands_still(self, small: bool) -> bool:
        """Whether steps are small for good: a small one up to the next kink may be followed by large ones."""
        self.still = self.still + 1 if small else 0
        return self.still >= SMALL_STEPS


def by_larger_ridges(solver: LineSearch, params: np.ndarray) -> PreconditionedSearch:
    """Newton's method under larger ridges, one after the other, and a search by it under the one that is asked for."""
    curvature, ridge = solver.curvature, solver.problem.ridge
    assert curvature is not None
    for factor in (*curvature.ridges, 1.0):
        curvature.ridge = factor * ridge
        function = curvature.some.sample.objective(curvature.ridge, solver.hyper)
        search = solver._new_search(function, params, grows=True)
        search.newton, search.memory = True, 0
        search.renew()
        if factor > 1.0:
            tol = RIDGE_TOL * search.objective / gain_of(search, solver.training)
            params = descend(search, solver.training, tol, SAMPLE_STEPS)
    return search


def count(search: QuasiNewton, training: Training) -> None:
    """Take the step that a search has made for an epoch."""
    training.state.params[:] = search.params
    training.count_steps(np.array([search.objective]))


def gains_from_part(curvature: Curvature | None, problem: Problem) -> bool:
    """Whether a search should begin on a part of the rows: not if columns are chosen by the gradient over all."""
    chooses = curvature is not None and curvature.chooses_columns
    return not chooses and problem.rows.n_entries > MANY_ENTRIES


def gain_of(search: Search, training: Training) -> float:
    """What a search has gained on the constant model, and so the measure of what is still to come."""
    reference = float(training.progress["reference"][0])
    return max(reference - search.objective, LEAST_GAIN * abs(reference), TINY)


def is_proven(search: QuasiNewton, training: Training, problem: Problem) -> bool:
    """Whether the end is near the optimum: under an L1 penalty steps among kinks may end anywhere."""
    if training.loss.smooth or problem.l1 is None:
        return True
    return gap_of(search, problem.ridge) <= KINK_GAP * gain_of(search, training)


def descend(search: QuasiNewton, training: Training, tol: float, most_steps: int) -> np.ndarray:
    """Go on until what is left to gain is a share `tol` of what has been gained; the parameters in the end."""
    for _ in range(most_steps):
        if search.look() <= tol * gain_of(search, training) or not search.move():
            break
    return search.params
