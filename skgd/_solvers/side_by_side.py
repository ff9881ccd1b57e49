"""Problems of some rows each, out of rows that they share, solved side by side: a look at these serves all of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _parallel as threads
from .._kernels.backtracking import decreases_enough, is_within_rounding, shortening
from .._kernels.constants import EPS, FLATTER, LEAST_GAIN, MAX_TRIALS, SLOW, TINY
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._problem.shared_rows import SharedRows
from ..penalties import ElasticNet
from .continuation import PAST, Solution, through
from .curvature import Curvature, curvature_among, most_to_gain
from .plan import Plan
from .prospects import SLOWEST_RATE
from .quasi_newton import CURVED, CurvatureModel, Identity

MOST_STEPS = 60  # under a penalty: a problem that takes more is to be solved alone
MEMORY = 10  # steps that the next one learns from
WIDTH_PER_STEP = 40  # parameters in a matrix for which one slow step more is worth waiting: it costs as much as they do
LEAST_PATIENCE = 1  # slow steps that are worth a model of the problem's own rows, at least
WORTH_RENEWING = 50  # parameters in a matrix, over the problems that it serves, up to which each penalty has a new one
PATIENCE_APART = (
    6  # the same where matrices leave out that outputs depend on each other, and rows of all tell the rest:
)
ROWS_THAT_TELL = 40  # for each column
UNKNOWN_RATE = 0.9  # at which promises shrink by a model of more rows than those of a problem
BELIEVED = (
    0.1  # of promises by a model of other parameters or rows: other directions than those of steps may be flatter
)


class Pairs(NamedTuple):
    """Steps of problems, changes of their gradients, and inverses of their products: 0 where these tell nothing."""

    step: np.ndarray
    change: np.ndarray
    inverse: np.ndarray


class SideBySide:
    """Problems without an L1 penalty solved under one penalty after another, a step of all of them at a time.

    All parameters are those of the rows as a problem of all of them scales these. A model of the curvature of all rows
    serves all problems, until steps of one are slow: from then on it has models of its own rows.
    """

    def __init__(self, whole: Problem, problems: Sequence[Problem], plan: Plan, n_threads: int):
        assert plan.curvature is not None
        assert isinstance(whole.rows, Rows)
        self.whole, self.problems, self.tol = whole, problems, plan.tol or 0.0
        n = whole.rows.n_rows
        of_all = plan.curvature._replace(size=n)
        curvature = Curvature(whole.rows, whole.model, whole.loss, whole.ridge, of_all)
        self.curvature = self.of_whole = curvature
        if plan.curvature.size < problems[0].rows.n_rows:  # many: some of them tell enough
            self.of_whole = curvature_among(whole.rows.data.sample_rows(plan.curvature.size), curvature, whole.ridge)
        self.rows = SharedRows(curvature.some.sample, whole, problems, n_threads)
        # columns that a matrix speaks for, were it one of all parameters of an output
        width = curvature.n_matrices * curvature.matrix_width**2 / (curvature.n_columns * curvature.n_outputs)
        self.patience = LEAST_PATIENCE + width / WIDTH_PER_STEP
        self.alike = not curvature.some.has_few_rows  # problems' curvature and that of all rows
        if n >= ROWS_THAT_TELL * curvature.n_columns and not curvature.complete:
            self.patience = PATIENCE_APART
        self.renews = width <= WORTH_RENEWING * len(problems)
        self.params = self.rows.shared_params(np.array([each.start(np.random.RandomState(0)) for each in problems]))
        self.reference = np.array([each.reference(np.dtype(np.float64), of_best=True) for each in problems])
        self.ridge = np.zeros_like(self.params)
        self.values, self.gradients = self.rows.evaluate(np.arange(len(problems)), self.params)
        self.pairs: list[Pairs] = []
        self.models: list[Any] = [None] * len(problems)
        self.owns = np.zeros(len(problems), bool)  # a model of its own rows
        self.is_new = np.zeros(len(problems), bool)  # whether the model is that of parameters under this penalty
        self.failed = np.zeros(len(problems), bool)
        self.past: list[tuple[float, np.ndarray]] = []

    def solutions(self, penalties: Sequence[ElasticNet]) -> list[list[Solution] | None]:
        """Of each problem the optimum under each penalty, in their order; None where these steps don't lead there."""
        with threads.single_threaded_blas(), np.errstate(all="ignore"):
            under = [self._under(penalty) for penalty in penalties if not self.failed.all()]
        return [
            None if failed else list(each) for failed, each in zip(self.failed, zip(*under, strict=True), strict=True)
        ]

    def _under(self, penalty: ElasticNet) -> list[Solution]:
        self._penalise(penalty)
        self._leap(penalty.l2)
        self._begin_models()
        n_problems = len(self.problems)
        n_iter, slow, before = np.zeros(n_problems, int), np.zeros(n_problems), np.full(n_problems, np.inf)
        ended, ahead = np.zeros(n_problems, bool), self.params.copy()  # where one more step would lead
        for _ in range(MOST_STEPS):
            going = np.flatnonzero(~(ended | self.failed))
            if not going.size:
                break
            directions, promise = self._look(going)
            slow = np.where(promise > SLOW * before, slow + 1, 0)
            late = going[slow[going] > self.patience]
            if late.size:
                self._renew(late)
                slow[late], before[late] = 0, np.inf
                anew, of_late = self._look(late)
                directions[late], promise[late] = anew[late], of_late[late]
            ended[going] = self._converged(promise, before)[going]
            before = promise
            ahead[going] = self.params[going] + directions[going]
            on = going[~(ended | self.failed)[going]]
            self._move(on, directions, -2.0 * promise)
            n_iter[on] += 1
        self.failed |= ~ended
        at = float(np.log(penalty.l2))
        self.past = [*(each for each in self.past if each[0] != at), (at, ahead)][-PAST:]
        params = self.rows.own_params(self.params)
        norms = np.abs(self.rows.own_gradients(self.gradients)).max(axis=1)
        return [Solution(*each, True) for each in zip(params, norms.tolist(), n_iter.tolist(), strict=True)]

    # -- from one penalty to the next

    def _penalise(self, penalty):
        """Take the penalty: what is known of the rows stays."""
        ridge = self.rows.shared_ridge([penalty.l2 * problem.penalised for problem in self.problems])
        more = ridge - self.ridge
        self.values = self.values + 0.5 * products(more * self.params, self.params)
        self.gradients = self.gradients + more * self.params
        self.pairs = [pairs_of(each.step, each.change + more * each.step, each.inverse > 0) for each in self.pairs]
        self.ridge, self.of_whole.ridge = ridge, penalty.l2 * self.whole.penalised

    def _leap(self, strength):
        """Go where the last solutions lead, as a polynomial of the logarithm of the penalty's strength, if it helps."""
        at = float(np.log(strength))
        if len(self.past) < 2 or at in [place for place, _ in self.past]:
            return
        guess = through(self.past[::-1], at)
        everyone = np.flatnonzero(~self.failed)
        values, gradients = self._evaluate(everyone, guess[everyone])
        less = values < self.values[everyone]
        there = everyone[less]
        self.params[there], self.values[there], self.gradients[there] = guess[there], values[less], gradients[less]

    def _begin_models(self):
        """Bring the models to this penalty, or renew that of all rows where it costs little."""
        self.is_new[:] = False
        sharing = np.flatnonzero(~(self.owns | self.failed))
        if sharing.size and (self.renews or self.models[sharing[0]] is None):
            self._share(sharing)
        penalised: dict[int, CurvatureModel] = {}  # by the models before: one serves many
        for k in np.flatnonzero(~(self.is_new | self.failed)):
            before = self.models[k]
            if id(before) not in penalised:
                penalised[id(before)] = before.penalised(self.ridge[k] if self.owns[k] else self.of_whole.ridge)
            self.models[k] = penalised[id(before)]

    def _share(self, which):
        """Give problems a model of all rows, at the mean of their parameters."""
        model = self.of_whole.model(self.params[which].mean(axis=0), self.whole.loss_hyper)
        self._give(which, [model] * len(which), owns=False)

    def _renew(self, which):
        """Give problems whose steps are slow new models: of all rows at first, then of their own."""
        behind = which[~(self.owns[which] | self.is_new[which])]
        if behind.size:
            self._share(behind)
        late, models = np.setdiff1d(which, behind), []
        for each in late:
            own = curvature_among(self.rows.numbers[each], self.curvature, self.ridge[each])
            models.append(own.model(self.params[each], self.problems[each].loss_hyper))
        self._give(late, models, owns=True)

    def _give(self, which, models, owns):
        for each, model in zip(which, models, strict=True):
            self.models[each] = model
        self.owns[which], self.is_new[which] = owns, True
        if self.curvature.complete:  # what steps before have told doesn't make it better
            for pairs in self.pairs:
                pairs.inverse[which] = 0.0

    # -- steps

    def _evaluate(self, which, params):
        values, gradients = self.rows.evaluate(which, params)
        penalty = self.ridge[which] * params
        gradients += penalty
        return values + 0.5 * products(penalty, params), gradients

    def _look(self, which):
        """Directions of some problems, and by how much the objectives should decrease on the way."""
        rest, along = self.gradients.copy(), []
        for pairs in reversed(self.pairs):
            along.append(products(pairs.step, rest) * pairs.inverse)
            rest -= along[-1][:, None] * pairs.change
        directions = np.zeros_like(rest)
        for k in which:
            directions[k] = self._first_guess(k, rest[k])
        for pairs, of_step in zip(self.pairs, reversed(along), strict=True):
            directions += pairs.step * (of_step - products(pairs.change, directions) * pairs.inverse)[:, None]
        promise = 0.5 * products(directions, self.gradients)
        self.failed[which] |= ~((promise[which] >= 0) & (promise[which] < np.inf))
        return -directions, promise

    def _first_guess(self, k, vector):
        model = self.models[k]
        step = model.solve(vector)
        if self.pairs and self.pairs[-1].inverse[k] and (model.rough or not self.is_new[k]):
            # to the scale of the last step (Nocedal and Wright, equation 7.20): the curvature has changed since
            change = self.pairs[-1].change[k]
            step /= self.pairs[-1].inverse[k] * float(change @ model.solve(change))
        return step

    def _converged(self, promise, before):
        """Where what is to come is within the tolerance: this step's promise, and all later ones' at its rate."""
        gain = np.maximum(self.reference - self.values, np.maximum(LEAST_GAIN * np.abs(self.reference), TINY))
        exact = self.is_new & self.owns & self.curvature.complete
        unknown = np.where(exact, 0.0, np.where(self.is_new, UNKNOWN_RATE, 1.0))
        rate = np.minimum(promise / np.maximum(before, TINY), SLOWEST_RATE)
        believed = np.where(exact | (self.is_new & self.alike), 1.0, BELIEVED)
        believed *= 1.0 - np.where(np.isfinite(before), rate, unknown)
        for k, model in enumerate(self.models):
            if isinstance(model, Identity):  # which knows nothing of other directions
                promise, believed[k] = promise.copy(), 1.0
                promise[k] = max(promise[k], most_to_gain(self.gradients[k], self.ridge[k]))
        return promise <= believed * self.tol * gain

    def _move(self, which, directions, slopes):
        """Go along the directions as far as the objectives decrease."""
        start, at_start = self.params.copy(), self.gradients.copy()
        lengths, left = np.ones(len(self.problems)), which
        for _ in range(MAX_TRIALS):
            if not left.size:
                break
            there = start[left] + lengths[left, None] * directions[left]
            values, gradients = self._evaluate(left, there)
            still = []
            for k, each in enumerate(left):
                before, after, slope = self.values[each], values[k], lengths[each] * slopes[each]
                enough = decreases_enough(before, after, slope, EPS)
                if not enough and is_within_rounding(before, slope, EPS):
                    enough = abs(float(gradients[k] @ directions[each])) <= FLATTER * -slopes[each]
                if enough:
                    self.params[each], self.values[each], self.gradients[each] = there[k], after, gradients[k]
                else:
                    lengths[each] *= shortening(before, after, slope)
                    still.append(each)
            left = np.array(still, int)
        self.failed[left] = True
        moved = np.zeros(len(self.problems), bool)
        moved[which] = True
        self.pairs = [*self.pairs, pairs_of(self.params - start, self.gradients - at_start, moved)][-MEMORY:]


def pairs_of(step: np.ndarray, change: np.ndarray, which: np.ndarray) -> Pairs:
    """The same for steps of some problems, those of which nothing can be learnt left out."""
    product = products(step, change)
    least = CURVED * np.sqrt(products(step, step) * products(change, change))
    tells = which & (product > np.maximum(least, TINY))
    return Pairs(step, change, np.divide(1.0, product, out=np.zeros(len(product)), where=tells))


def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of the rows of two arrays."""
    return np.einsum("kj,kj->k", a, b)
