"""The optimum of losses made of straight pieces on many rows: their kinks are rounded off where slopes say."""

import functools
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .._compile.kernels import kernel
from .._kernels.constants import TINY
from .._kernels.structures import FLOAT64
from .._problem.features import squared
from .._problem.problem import Problem
from .by_products import ByProducts, OfColumns
from .interior_point import InteriorPoint, Parts
from .line_search import LineSearch
from .outcome import Outcome
from .plan import Plan
from .training import Training
from .weighted_rows import Systems

WIDTH = 1.0  # within which kinks are rounded off at first, in units of the targets' spread
NARROWER = 1 / 3
FALL = 0.2  # of the gap since all rows were looked at: if more is left, the next width is a narrower one
LEFT = 0.3  # of the gap that may be the gradient's part when all rows are looked at
SMALL = 0.1  # of the gap then: so little is enough, however small the other part is
REACH = 2.0  # widths beyond which rows keep to their pieces until then
MOST_NEAR = 0.5  # of the rows that are worked on apart from the others
WIDEST_MATRIX, WIDEST_SPARSE_MATRIX = 1_000, 500  # up to here matrices cost less than tens of products
DAMPING = 1e-6  # of the curvature that all rows could have, in columns without a ridge
FLAT = 0.1  # of the slope that may be left along a line
MOST_LENGTHS = 60
FARTHER, NEARER = 10.0, 0.1  # times the length, where nothing is known beyond it, or before
LONGEST = 1e12  # of lengths where slopes don't turn: what there is of one is rounding
PRECISION, MOST_PRODUCTS = 0.1, 500  # of a step by products: what they leave, other steps would find from scratch
IDLE_LOOKS = 20  # at all rows in turn that find no smaller gap: it is lost in rounding
ROUNDING = 1e-15  # of slopes that add up to zero
MOST_STEPS = 500  # what these leave undone is left to line searches


class Near(NamedTuple):
    """Rows near the kinks: numbers, rows, and what belongs to each piece."""

    rows: np.ndarray | slice
    Z: Any
    low: np.ndarray
    high: np.ndarray
    centres: np.ndarray
    curvature: np.ndarray


class RoundedProgram(Parts):
    """min_w sum_i max(low_i r_i, high_i r_i) + 1/2 sum_j ridge_j w_j^2, r = A w - at, by the method of multipliers.

    A kink is a parabola within a width; its slopes are clip(U_i + r_i (high_i - low_i) / 2 width, low_i, high_i), where
    U_i is the slope at zero. With those of the optimum for U_i the rounded problem has the same optimum as the exact
    one, whatever the width is: so each solution's slopes are the next U (Rockafellar 1976). Steps are Newton's, for
    which only rows within the width have curvature (Li, Sun and Toh 2018). They look at rows that are near it: others
    keep to their pieces until a solution is found, and all are looked at.
    """

    parts = "w", "slopes", "centres", "off", "is_near", "gradient", "fixed", "fixed_at", "search", "proof", "least"
    rounding = 0.0  # of what is proven

    def __init__(self, systems, low, high, at, l1, ridge, w):
        self.rows, self.low, self.high, self.at, self.ridge = systems.Z, low, high, at, ridge
        self.w, self.held = w.astype(np.float64), ridge > 0
        self.trains_intercept = bool(self.rows[:, [-1]].sum())
        self.slopes, self.off = 0.5 * (low + high), self.rows @ self.w - at
        self.proof, self.least, self.fixed_at = np.zeros_like(self.slopes), np.zeros(1), np.zeros(1)
        # width, the least gap so far, looks at all rows in turn that found no smaller one, whether the last step was
        # one, and the objective there
        self.search = np.array([WIDTH, np.inf, 0.0, False, np.nan])
        self._move_kinks()

    # -- all rows

    def of_loss(self, slopes: np.ndarray) -> np.ndarray:
        """The part of the loss in the subgradient."""
        return slopes.sum(axis=0) @ self.rows

    def value(self, w: np.ndarray) -> float:
        """The objective."""
        if self.looked and w is self.w:
            return float(self.search[4])
        off = self.rows @ w - self.at
        return float(np.maximum(self.low * off, self.high * off).sum() + 0.5 * self.ridge @ w**2)

    def rounded(self) -> np.ndarray:
        """The parameters, as there is no penalty that makes zeros."""
        return self.w

    @property
    def looked(self) -> bool:
        """Whether all rows have been looked at since the last step."""
        return bool(self.search[3])

    @property
    def subgradient(self) -> np.ndarray:
        """What the slopes make of it."""
        return self.gradient

    @property
    def objective(self) -> float:
        """That of the parameters, where rows that aren't near the kinks have kept to their pieces."""
        low, high, off = self.near.low, self.near.high, _columns(self.off, self.near.rows)
        of_near = np.maximum(low * off, high * off).sum()
        return float(of_near + self.fixed @ self.w - self.fixed_at[0] + 0.5 * self.ridge @ self.w**2)

    def take_proof(self) -> None:
        """Take the slopes that prove most."""
        self.slopes = self.proof.copy()
        self.gradient = self.of_loss(self.slopes) + self.ridge * self.w

    def _look(self) -> None:
        """Look at all rows: how small the objective can be at least, by the slopes; move the kinks there."""
        self.off = self.rows @ self.w - self.at
        losses = np.maximum(self.low * self.off, self.high * self.off)
        value = float(losses.sum() + 0.5 * self.ridge @ self.w**2)
        gap = sum(self._gaps(losses, self.slopes, self.off))
        slopes = adding_up_to_zero(self.slopes, self.low, self.high) if self.trains_intercept else self.slopes.copy()
        if slopes is not None:
            gradient = self.of_loss(slopes) + self.ridge * self.w
            gap = float((losses - slopes * self.off).sum()) + of_ridge(gradient, self.ridge)
            if value - gap > self.least[0]:
                self.least[0], self.proof = value - gap, slopes
        width, last, idle = self.search[:3]
        self.search[0] = width * NARROWER if gap > FALL * last else width
        self.search[1:] = min(gap, last), idle + 1 if gap >= last else 0, True, value
        self._move_kinks()

    def _gaps(self, losses, slopes, off) -> tuple[float, float]:
        """By how much the objective may lie above its least: the part of the slopes and that of the gradient.

        An intercept is taken to be no farther from its best than from zero, and one.
        """
        of_free = float(np.abs(self.gradient[~self.held]) @ (1 + np.abs(self.w[~self.held])))
        return float((losses - slopes * off).sum()), of_ridge(self.gradient, self.ridge) + of_free

    def _move_kinks(self) -> None:
        """Go on with the slopes that have been found, and choose the rows near the kinks, or over them by now."""
        width, idle = self.search[0], self.search[2]
        ranges = self.high - self.low
        aims, reach = self.slopes + ranges / (2 * width) * self.off, 0.5 * REACH * ranges
        self.centres, self.slopes = self.slopes, np.clip(aims, self.low, self.high)
        near = (aims > self.low - reach) & (aims < self.high + reach) | (self.slopes != self.centres)
        self.is_near = near.any(axis=0)
        if idle or self.is_near.mean() > MOST_NEAR:
            self.is_near[:] = True
        self._take_near()
        self.gradient = self.of_loss(self.slopes) + self.ridge * self.w
        self.fixed_at[0] = (self.slopes * self.at)[:, ~self.is_near].sum()
        of_near = self.slopes[:, self.near.rows].sum(axis=0) @ self.near.Z
        self.fixed = np.zeros_like(self.w) if self.is_near.all() else self.gradient - self.ridge * self.w - of_near

    def _take_near(self) -> None:
        rows = slice(None) if self.is_near.all() else np.flatnonzero(self.is_near)
        low, high, centres = (_columns(each, rows) for each in (self.low, self.high, self.centres))
        self.near = Near(rows, self.rows[rows], low, high, centres, (high - low) / (2 * self.search[0]))

    def restore(self, state: dict) -> None:
        super().restore(state)
        self._take_near()

    # -- those near the kinks

    def step(self) -> bool:
        """Make a step, or look at all rows if the last one was good enough; whether more of them may lead anywhere."""
        near = self.near
        slopes, off = _columns(self.slopes, near.rows), _columns(self.off, near.rows)
        losses = np.maximum(near.low * off, near.high * off)
        of_slopes, of_gradient = self._gaps(losses, slopes, off)
        gap = self.search[1]
        is_small = of_gradient <= LEFT * max(of_slopes, SMALL * gap if gap < np.inf else 0.0)
        if is_small or not self._newton(slopes, off):
            self._look()
        return self.search[2] < IDLE_LOOKS

    def _newton(self, slopes: np.ndarray, off: np.ndarray) -> bool:
        """Make a step of Newton's method; whether it led anywhere."""
        near, before = self.near, self.w
        most = (self.high - self.low).sum() / (2 * self.search[0])
        damped = self.ridge + np.where(self.held, 0.0, DAMPING * most)
        direction = newton_direction(near, slopes, self.gradient, damped)
        along, slope = near.Z @ direction, float(self.gradient @ direction)
        if not -np.inf < slope < 0:
            return False
        at_zero, curved = (self.ridge * before + self.fixed) @ direction, self.ridge @ direction**2
        length = length_of_step(near, off, along, slope, float(at_zero), float(curved))
        w, off = before + length * direction, off + length * along
        if not np.isfinite(w).all():
            return False
        self.w = w
        slopes = np.clip(near.centres + near.curvature * off, near.low, near.high)
        self.slopes[:, near.rows], self.off[:, near.rows] = slopes, off
        self.gradient = slopes.sum(axis=0) @ near.Z + self.fixed + self.ridge * self.w
        self.search[3] = False
        return not np.array_equal(self.w, before)


def adding_up_to_zero(slopes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """The slopes as a proof beside an intercept, those within the kinks changed; None if that doesn't lead there."""
    excess = float(slopes.sum())
    if abs(excess) <= ROUNDING * np.abs(slopes).sum():
        return slopes.copy()
    within = (slopes > low) & (slopes < high)
    room = np.where(within, slopes - low if excess > 0 else high - slopes, 0.0)
    total = float(room.sum())
    return slopes - excess / total * room if total >= abs(excess) else None


def of_ridge(gradient: np.ndarray, ridge: np.ndarray) -> float:
    """What parameters that a ridge holds may gain by a gradient."""
    held = ridge > 0
    return 0.5 * float((gradient[held] ** 2 / ridge[held]).sum())


def newton_direction(near: Near, slopes: np.ndarray, gradient: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """Where Newton's method leads: rows have curvature whose slopes are none of their pieces'."""
    weight = np.where((slopes > near.low) & (slopes < near.high), near.curvature, 0.0).sum(axis=0)
    within = np.flatnonzero(weight)
    if not within.size:  # as if all were: there will be some
        return -gradient / (near.curvature.sum(axis=0) @ squared(near.Z) + ridge)
    Z, weight = near.Z[within], weight[within]
    if min(Z.shape) <= (WIDEST_SPARSE_MATRIX if sparse.issparse(Z) else WIDEST_MATRIX):
        solve = Systems(Z).solver(weight, ridge)
        if solve is not None:
            return solve(-gradient, np.zeros(within.size))[0]
    diagonal, products = OfColumns(weight @ squared(Z), ridge), functools.partial(_product, Z, weight)
    return ByProducts(products, ridge, diagonal, PRECISION, MOST_PRODUCTS).solve(-gradient)


def length_of_step(
    near: Near, off: np.ndarray, along: np.ndarray, first: float, at_zero: float, curved: float
) -> float:
    """Where hardly any of the first slope is left along a line, on which all else adds one from that at zero."""
    slope_along = kernel("slope_along", FLOAT64)
    start = near.centres + near.curvature * off
    sums, length, shorter, longer = np.empty(2), 1.0, 0.0, np.inf
    for _ in range(MOST_LENGTHS):
        sums[:] = at_zero + length * curved, curved
        for of_set in zip(start, near.curvature, near.low, near.high, strict=True):
            slope_along(length, *of_set, along, sums)
        slope, of_slope = sums
        if abs(slope) <= FLAT * -first:
            return length
        if slope > 0:
            longer = length
        else:
            shorter = length
        by_newton = length - slope / max(of_slope, TINY)
        if longer == np.inf:
            if length > LONGEST:
                return 1.0
            length = min(by_newton, FARTHER * length)
        elif shorter < by_newton < longer:
            length = by_newton
        else:
            length = np.sqrt(shorter * longer) if shorter > 0 else NEARER * longer
    return shorter


def _columns(array, numbers):
    """Some columns, each of the rows contiguous."""
    return np.ascontiguousarray(array[:, numbers])


def _product(Z, weight, vector):
    return (weight * (Z @ vector)) @ Z


class Multipliers(InteriorPoint):
    """Trains by the method of multipliers, a step an epoch, one program for each output.

    Where it leads no farther without a proof line searches go on from there.
    """

    program = RoundedProgram

    def __init__(self, training: Training, plan: Plan, problem: Problem, pauses: bool):
        super().__init__(training, plan, problem, pauses)
        self.pauses, self.first_epoch, self.is_last = pauses, training.epochs, False
        self.line_search: LineSearch | None = None

    def go_on(self, problem: Problem, guess: np.ndarray | None = None) -> None:
        super().go_on(problem, guess)
        self.first_epoch, self.line_search = self.training.epochs, None

    def state(self) -> dict:
        line_search = None if self.line_search is None else self.line_search.state()
        return super().state() | {"first_epoch": self.first_epoch, "line_search": line_search}

    def restore(self, state: dict) -> None:
        self.first_epoch = int(state["first_epoch"])
        if state["line_search"] is None:
            super().restore(state)
            return
        self.line_search = self._begin_line_search()
        self.line_search.restore(state["line_search"])

    def _begin_line_search(self) -> LineSearch:
        return LineSearch(self.training, self.plan, self.problem, self.pauses)

    def step(self, last_epoch: int) -> Outcome:
        """Make one step, or what line searches make of one."""
        if self.line_search is not None:
            return self.line_search.step(last_epoch)
        self.is_last = self.training.epochs + 1 >= last_epoch
        outcome = super().step(last_epoch)
        too_many = outcome == Outcome.PAUSED and not self.idle and self.training.epochs - self.first_epoch >= MOST_STEPS
        if outcome == Outcome.STUCK or too_many:
            self.programs, self.line_search = [], self._begin_line_search()
            return Outcome.PAUSED if self.training.epochs < last_epoch else Outcome.OUT_OF_EPOCHS
        return outcome

    @property
    def _objective(self):
        """By the rows near the kinks, as all others were when they were looked at; in the end by all of them."""
        return sum(each.value(each.w) for each in self.programs) if self.is_last else super()._objective

    def _settles(self, program):
        return program.looked and self._is_there(program)
