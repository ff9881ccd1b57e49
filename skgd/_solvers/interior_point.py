"""The optimum of a linear model whose loss is made of straight pieces, under a penalty."""

from typing import Any

import numpy as np
from scipy import sparse

from .. import _parallel as threads
from .._kernels.constants import LEAST_GAIN, TINY
from .._kernels.structures import FLOAT64
from .._problem.features import left_to_center
from .._problem.objective import pointwise
from .._problem.problem import Problem
from .._problem.rows import Rows
from .outcome import Outcome
from .plan import Plan
from .training import Training, fill
from .weighted_rows import Systems

GAP = 1e-9  # share of what is gained that rounding lets the gap come to, whatever the tolerance
SLOPE = 1e-8  # of the largest slope that the loss can have: what may be left of the subgradient
INSIDE = 0.995  # of the way to the boundary (Mehrotra 1992)
ROUNDING = 1e-16  # of the objective: a barrier that small has no digits left
FEW_ENTRIES = 0.1  # of an array: its products, a hundred times as fast for each entry, take as long as those of CSR
LEAST_SHARE = 1e-3  # of the largest that a piece has in the barrier: near those of less the others have no digits
STUCK = 1e-10  # a shorter step leads nowhere any more


class Parts:
    """What changes as steps are made."""

    parts: tuple[str, ...]

    def state(self) -> dict:
        return {name: getattr(self, name).copy() for name in self.parts}

    def restore(self, state: dict) -> None:
        for name in self.parts:
            fill(getattr(self, name), state[name], name)


class Program(Parts):
    """min_w sum_i max(low_i r_i, high_i r_i) + 1/2 sum_j ridge_j w_j^2, r = A w - at: rows of A are given, or units.

    U_i between low_i and high_i is a slope of the piece i; with A'U + ridge w = 0 it proves that no w is better by more
    than sum_i max(low_i r_i, high_i r_i) - U_i r_i. Steps are Newton's, for w, U and the two sides of r at once, kept
    away from the boundary by a barrier that is taken away (Mehrotra 1992; Portnoy and Koenker 1997).
    """

    parts = "w", "slopes", "above", "below", "to_low", "to_high", "proof", "least"

    def __init__(self, systems, low, high, at, l1, ridge, w):
        self.systems, self.rows, self.n_sets, self.ridge = systems, systems.Z, len(at), ridge
        self.units = np.flatnonzero(l1)
        self.low = np.concatenate([*low, -l1[self.units]])
        self.high = np.concatenate([*high, l1[self.units]])
        self.at = np.concatenate([*at, np.zeros(self.units.size)])
        self.w, self.slopes = w.astype(np.float64), 0.5 * (self.low + self.high)
        self.to_low = self.slopes - self.low  # in steps of their own: near the boundary differences have no digits
        self.to_high = self.to_low.copy()
        self.seen: tuple[np.ndarray, np.ndarray] | None = None  # parameters, their residuals
        residuals = self.residuals(w)
        ranges = self.high - self.low
        for part in self._split(ranges):
            np.maximum(part, LEAST_SHARE * part.max(initial=0.0), out=part)
        self.share = ranges / ranges.sum()  # of a piece in the barrier: rows of twice the weight are two rows
        inside = self.share @ np.abs(residuals) + TINY
        self.above, self.below = np.maximum(residuals, 0.0) + inside, np.maximum(-residuals, 0.0) + inside
        self.proof, self.least = np.zeros_like(self.slopes), np.zeros(1)  # slopes, and what they prove is the least
        self.rounding = ROUNDING * float(np.maximum(-self.low, self.high) @ np.abs(self.at))
        self.largest = float(abs(self.rows).T.dot(np.maximum(*np.abs([low, high])).sum(axis=0)).max())

    def forward(self, w):
        """A w."""
        return np.concatenate([*[self.rows @ w] * self.n_sets, w[self.units]])

    def residuals(self, w: np.ndarray) -> np.ndarray:
        """A w - at."""
        if self.seen is None or not np.array_equal(self.seen[0], w):
            self.seen = w.copy(), self.forward(w) - self.at
        return self.seen[1]

    def _split(self, of_pieces):
        """Those of rows, set by set, and of units."""
        n_of_rows = self.n_sets * self.rows.shape[0]
        return of_pieces[:n_of_rows].reshape(self.n_sets, -1), of_pieces[n_of_rows:]

    def backward(self, slopes):
        """A'U."""
        sums = self.of_loss(slopes)
        sums[self.units] += self._split(slopes)[1]
        return sums

    def of_loss(self, slopes):
        """The part of the rows that are given in A'U."""
        return self._split(slopes)[0].sum(axis=0) @ self.rows

    def _solver(self, weight):
        """What solves A'U + ridge w = left, U = weight (A w - pull) for w, U by left, pull; None where nothing does."""
        weight, of_units = self._split(weight)
        sums, diagonal = weight.sum(axis=0), self.ridge.copy()
        diagonal[self.units] += of_units
        solve_rows = self.systems.solver(sums, diagonal)
        if solve_rows is None:
            return None
        share = np.divide(weight, sums, out=np.full_like(weight, 1 / self.n_sets), where=sums > 0)  # or too small a sum

        def solve(left, pull):
            pull, pull_of_units = self._split(pull)
            left = left.copy()
            left[self.units] += of_units * pull_of_units
            w, slopes = solve_rows(left, (share * pull).sum(axis=0))
            apart = (share[:, None] * (pull[:, None] - pull)).sum(axis=0)  # of the mean: nothing where there is one set
            of_sets = share * slopes + weight * apart
            return w, np.concatenate([of_sets.ravel(), of_units * (w[self.units] - pull_of_units)])

        return solve

    @property
    def subgradient(self) -> np.ndarray:
        """What the slopes make of it."""
        return self.backward(self.slopes) + self.ridge * self.w

    @property
    def objective(self) -> float:
        """That of the parameters."""
        return self.value(self.w)

    def take_proof(self) -> None:
        """Take the slopes that prove most: the last ones may have lost their digits."""
        self.slopes[:] = self.proof

    def value(self, w: np.ndarray) -> float:
        """The objective."""
        residuals = self.residuals(w)
        return float(np.maximum(self.low * residuals, self.high * residuals).sum() + 0.5 * self.ridge @ w**2)

    def gap(self, w: np.ndarray) -> float:
        """By how much the objective lies above its least, at most, if the subgradient is zero."""
        residuals = self.residuals(w)
        return float((np.maximum(self.low * residuals, self.high * residuals) - self.slopes * residuals).sum())

    def learn(self) -> None:
        """Take note of how small the objective can be at least, by slopes with nothing left of the subgradient."""
        least = self.value(self.w) - self.gap(self.w)
        if least > self.least[0]:
            self.least[0], self.proof = least, self.slopes.copy()

    def rounded(self) -> np.ndarray:
        """The parameters, zero where the slope of the penalty is farther from its end than they are from zero."""
        w, (_, l1), slopes = self.w.copy(), self._split(self.high), np.abs(self._split(self.slopes)[1])
        small = l1 * np.abs(w[self.units]) < (1.0 - slopes / l1) * self.value(w)
        w[self.units[small]] = 0.0
        return w

    def step(self) -> bool:
        """Make a step; whether it led anywhere."""
        above, below, to_high, to_low = self.above, self.below, self.to_high, self.to_low
        weight = 1.0 / (above / to_high + below / to_low)
        solve = self._solver(weight)
        if solve is None:
            return False
        left, off = -self.subgradient, self.residuals(self.w) - above + below

        def newton(aim_above, aim_below):
            change, of_slopes = solve(left, -off + aim_above / to_high - aim_below / to_low)
            return (
                change,
                of_slopes,
                (aim_above + above * of_slopes) / to_high,
                (aim_below - below * of_slopes) / to_low,
            )

        def longest(_, of_slopes, of_above, of_below):
            shares = [
                (-part / whole).max()
                for part, whole in (
                    (of_above, above),
                    (of_below, below),
                    (of_slopes, to_low),
                    (-of_slopes, to_high),
                )
            ]
            return min(1.0, INSIDE / max(*shares, TINY))

        tried = newton(-above * to_high, -below * to_low)
        length, (_, of_slopes, of_above, of_below) = longest(*tried), tried
        now = float(above @ to_high + below @ to_low)
        if now <= ROUNDING * self.value(self.w):
            return False
        then = float(
            (above + length * of_above) @ (to_high - length * of_slopes)
            + (below + length * of_below) @ (to_low + length * of_slopes)
        )
        barrier = (then / now) ** 2 * then / 2 * self.share
        aims = barrier - above * to_high + of_above * of_slopes, barrier - below * to_low - of_below * of_slopes
        change = newton(*aims)
        length = longest(*change)
        if not (length > STUCK and np.isfinite(change[0]).all()):
            return False
        for values, by in zip((self.w, self.slopes, above, below), change, strict=True):
            values += length * by
        to_low += length * change[1]
        to_high -= length * change[1]
        return True


def sparse_entries(rows: Any) -> float:
    """Entries of CSR, with those of columns far from zero, if its products are made of pairs of them, few; else 0."""
    if rows.is_dense:
        return 0.0
    entries = rows.n_entries + rows.n_rows * np.count_nonzero(left_to_center(rows.data.features))
    return entries if entries <= FEW_ENTRIES * rows.n_rows * rows.n_features else 0.0


class InteriorPoint:
    """Trains by steps of an interior point method, an epoch each, one program for each output."""

    dtype = FLOAT64
    program: type = Program

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        self.training, self.plan, self.problem = training, plan, problem
        self.idle = False
        self.programs: list[Any] = []

    def go_on(self, problem: Problem, guess: np.ndarray | None = None) -> None:
        """Go on from here under another penalty; it begins far inside, whatever the guess."""
        self.problem, self.programs, self.idle = problem, [], False

    def state(self) -> dict:
        return {"programs": [each.state() for each in self.programs], "idle": self.idle}

    def restore(self, state: dict) -> None:
        if not state["programs"]:
            return
        self.programs, self.idle = self._begin(), bool(state["idle"])
        for program, parts in zip(self.programs, state["programs"], strict=True):
            program.restore(parts)

    def _begin(self) -> list[Any]:
        problem, rows = self.problem, self.problem.rows
        assert isinstance(rows, Rows)
        pieces = problem.loss.pieces(rows.targets, problem.model.n_outputs, problem.loss_hyper)
        assert pieces is not None
        low, high, at = (np.moveaxis(np.stack(each), 2, 0) for each in zip(*pieces, strict=True))
        share, Z = rows.shares, self._rows()
        if not share.all():
            counts = share > 0
            low, high, at, share, Z = low[..., counts], high[..., counts], at[..., counts], share[counts], Z[counts]
        l1 = np.zeros(problem.ridge.size) if problem.l1 is None else problem.l1
        parts = (each.reshape(len(low), -1) for each in (l1, problem.ridge, self.training.state.params))
        systems = Systems(Z)
        return [
            self.program(systems, of_low * share, of_high * share, of_at, *of_params)
            for of_low, of_high, of_at, *of_params in zip(low, high, at, *parts, strict=True)
        ]

    def _rows(self):
        """The rows with a column for the intercept: in CSR if few of its entries would be others than zero."""
        problem, rows = self.problem, self.problem.rows
        if not sparse_entries(rows):
            return rows.sample(problem.model, problem.loss, pointwise(problem.loss, FLOAT64)).Z
        ones = sparse.csr_array(np.full((rows.n_rows, 1), float(problem.model.trains_intercept)))
        scaled, center = rows.scaled(), left_to_center(rows.data.features)
        if center.any():
            scaled = scaled - sparse.csr_array(np.ones((rows.n_rows, 1))) @ sparse.csr_array(center[None])
        Z = sparse.csr_array(sparse.hstack([scaled, ones], format="csr"))
        Z.sum_duplicates()
        return Z

    def step(self, last_epoch: int) -> Outcome:
        """Make one step."""
        training = self.training
        with threads.single_threaded_blas(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
            if not self.programs:
                self.programs = self._begin()
                training.progress["start_objective"] = self._objective
                if training.starts_immense:
                    return Outcome.DIVERGED
            if not self.idle:
                moved = [each.step() for each in self.programs if not self._settles(each)]
                self.idle = not any(moved) or all(map(self._settles, self.programs))
                self._publish()
            training.count_steps(np.array([self._objective]))
        if self.idle and self.plan.criterion_of_solver != "never":
            return Outcome.CONVERGED if all(map(self._is_there, self.programs)) else Outcome.STUCK
        return Outcome.OUT_OF_EPOCHS if training.epochs >= last_epoch else Outcome.PAUSED

    @property
    def slopes(self) -> np.ndarray:
        """Of the loss by the parameters."""
        return np.concatenate([each.of_loss(each.slopes) for each in self.programs])

    @property
    def largest_slope(self) -> float:
        """Of the loss by a parameter, whatever the parameters are."""
        return max(each.largest for each in self.programs)

    @property
    def _objective(self) -> float:
        return sum(each.objective for each in self.programs)

    def _is_there(self, program: Program) -> bool:
        """Whether slopes prove that a program has nothing left to gain."""
        plan, objective, reference = self.plan, self._objective, float(self.training.progress["reference"][0])
        gain = max(reference - objective, LEAST_GAIN * abs(reference), TINY) / len(self.programs)
        tol = max(plan.tol or 0.0, GAP) if plan.criterion == "objective" else GAP
        if plan.criterion == "gradient" and not self._is_flat(program):
            return False
        return program.value(program.w) - program.least[0] <= tol * gain + program.rounding

    def _is_flat(self, program: Program) -> bool:
        """Whether slopes leave next to nothing of the subgradient, as those do that prove anything."""
        by_gradient = self.plan.criterion == "gradient"
        most = self.plan.tol or 0.0 if by_gradient else SLOPE * program.largest
        return float(np.abs(program.subgradient).max()) <= most

    def _settles(self, program: Program) -> bool:
        """Make zero what is next to nothing, if slopes prove that nothing is left to gain then; whether they do.

        Where the gap is small but what is zero at the optimum isn't small enough yet, it takes some more steps.
        """
        if self._is_flat(program):
            program.learn()
        if not self._is_there(program):
            return False
        before, program.w = program.w, program.rounded()
        if self._is_there(program):
            return True
        program.w = before
        return False

    def _publish(self) -> None:
        if self.idle:
            for each in self.programs:
                rounded = each.rounded()
                if each.value(rounded) <= each.value(each.w):
                    each.w = rounded
                if self.plan.criterion != "gradient" and self._is_there(each):
                    each.take_proof()
        self.training.state.params[:] = np.concatenate([each.w for each in self.programs])
        self.training.gradient_norm = max(float(np.abs(each.subgradient).max()) for each in self.programs)
