"""Squared error of a few rows under an L1 penalty: many sweeps of coordinate descent in one call.

Columns lie one after the other, so that the inner loops run over rows. What a round begins with is computed from the
parameters alone: nothing is carried along whose rounding would add up, and a fit that goes on later does the same.
"""

from typing import NamedTuple

import numpy as np

from .constants import EPS, LEAST_GAIN, TINY
from .coordinate_descent import RESTING
from .structures import CONVERGED, PAUSED, RUNNING, STUCK
from .vectors import copy_into, dot

ROUNDING = 4.0 * EPS  # share of the lengths of columns and of what they add up to that slopes may be off
LOST = 1e-14  # share of the objective: smaller gaps are rounding
PROVEN = 1e-12  # of what is gained, the gap where subgradients are rounding
FAR_ENOUGH = 1e-3  # of the first change's, the changes after which a round ends: then other columns may matter
WEAKER = 0.2  # times the largest slope of a column at zero, the weakest penalty of a round
WEAK = 50.0  # times the penalty, the largest slope from which on most columns come in: if rows are more, all at once
ON_THE_WAY = 0.1  # of the first change's, the same under stronger penalties than those that are asked for
INSIDE = 0.3  # of what subgradients may be in the end, what they may be among the columns that are worked on
FIRST_SWEEPS = 3  # that tell how many are to come
CALLS_WORK = 2**18  # multiplications in the time of the calls that a step by a matrix takes
COLUMNS_PER_SWEEP = 20  # over which one costs as much as their matrix


class Design(NamedTuple):
    """Columns and targets less their means, times the roots of the rows' shares, and the penalty of each column."""

    columns: np.ndarray  # (n_features, n_rows) float64
    targets: np.ndarray  # (n_rows,) float64
    squares: np.ndarray  # (n_features,) float64, of the columns' lengths
    ridge: np.ndarray  # (n_features,) float64
    l1: np.ndarray  # (n_features,) float64


class Work(NamedTuple):
    """What is known of the parameters, and room for it."""

    residual: np.ndarray  # (n_rows,) float64
    slopes: np.ndarray  # (n_features,) float64, without the L1 penalty's part
    before: np.ndarray  # (n_features,) float64: the parameters before the round
    chosen: np.ndarray  # (n_features,) int64: begins with the numbers of the columns that aren't at rest


Found = np.dtype(
    [
        ("rounds", np.int64),  # made in the last call
        ("size", np.int64),  # columns that aren't at rest
        ("n_nonzero", np.int64),
        ("objective", np.float64),
        ("gap", np.float64),  # the most that it may lie above the least one
        ("left", np.float64),  # largest entry of the smallest subgradient
        ("beyond", np.float64),  # the same less what rounding may be
        ("strength", np.float64),  # of the next round's penalties, in units of those that are asked for
    ],
    align=True,
)


def prepare_columns(columns, center, inverse_scale, shares, roots, centred, means, squares):
    """Scale columns, centre them under the rows' shares and take the roots of these into them."""
    for j in range(columns.shape[0]):
        column, mean, square = columns[j], 0.0, 0.0
        for i in range(column.size):
            column[i] = (column[i] - center[j]) * inverse_scale[j]
            mean += column[i] * shares[i]
        means[j] = mean if centred else 0.0
        for i in range(column.size):
            column[i] = (column[i] - means[j]) * roots[i]
            square += column[i] * column[i]
        squares[j] = square


def fit_residual(design, params, residual):
    """Fill in what is left of the targets; returns the length of all that has been added up for it."""
    copy_into(residual, design.targets)
    added = np.sqrt(dot(residual, residual))
    for j in range(params.size):
        if params[j] != 0.0:
            column = design.columns[j]
            for i in range(residual.size):
                residual[i] -= params[j] * column[i]
            added += abs(params[j]) * np.sqrt(design.squares[j])
    return added


def look(design, params, work, found):
    """Residuals, slopes, the columns that aren't at rest, the objective and by how much it may lie above the least."""
    residual, slopes, l1, ridge = work.residual, work.slopes, design.l1, design.ridge
    rounding = ROUNDING * fit_residual(design, params, residual)
    penalty, left, beyond, steepest, scale = 0.0, 0.0, 0.0, 0.0, 1.0
    for j in range(params.size):
        product = dot(design.columns[j], residual)
        slopes[j] = ridge[j] * params[j] - product
        if params[j] == 0.0:
            of_column = max(abs(slopes[j]) - l1[j], 0.0)
            steepest = max(steepest, abs(slopes[j]) / l1[j])
        else:
            of_column = abs(slopes[j] + (l1[j] if params[j] > 0.0 else -l1[j]))
            penalty += l1[j] * abs(params[j]) + 0.5 * ridge[j] * params[j] * params[j]
        left = max(left, of_column)
        beyond = max(beyond, of_column - rounding * np.sqrt(design.squares[j]))
        if ridge[j] == 0.0 and abs(product) * scale > l1[j]:
            scale = l1[j] / abs(product)
    squares = dot(residual, residual)
    dual = scale * dot(residual, design.targets) - 0.5 * scale * scale * squares
    for j in range(params.size):
        if ridge[j] > 0.0:
            excess = max(scale * abs(slopes[j] - ridge[j] * params[j]) - l1[j], 0.0)
            dual -= 0.5 * excess * excess / ridge[j]
    found["objective"] = 0.5 * squares + penalty
    found["gap"] = found["objective"] - dual
    found["left"], found["beyond"] = left, beyond
    strength, size, n_nonzero = max(WEAKER * steepest, 1.0), 0, 0
    if strength > WEAKER * WEAK and params.size < residual.size:
        strength = 1.0
    for j in range(params.size):
        n_nonzero += params[j] != 0.0
        if params[j] != 0.0 or abs(slopes[j]) > strength * l1[j]:
            work.chosen[size] = j
            size += 1
    found["strength"], found["size"], found["n_nonzero"] = strength, size, n_nonzero


def sweep(design, strength, params, residual, chosen, size):
    """Bring each of these coordinates to its minimum under penalties so strong; the largest slope that one had left."""
    worst = 0.0
    for k in range(size):
        j = chosen[k]
        column, curvature, now = design.columns[j], design.squares[j], params[j]
        along = dot(column, residual) + curvature * now
        limit, new = strength * design.l1[j], 0.0
        shrunk = max(abs(along) - limit, 0.0)
        curvature += design.ridge[j]
        if shrunk > RESTING * limit and curvature > 0.0:  # the copy of another column would come and go
            new = shrunk / curvature if along > 0.0 else -shrunk / curvature
        if new != now:
            change = new - now
            worst = max(worst, abs(change) * curvature)
            params[j] = new
            for i in range(residual.size):
                residual[i] -= change * column[i]
    return worst


def has_converged(found, resting, tol, reference):
    """Whether the subgradient rests, up to rounding, or the gap is a share `tol` of what is gained."""
    objective, gap = found["objective"], found["gap"]
    gain = max(max(reference - objective, LEAST_GAIN * abs(reference)), TINY)
    if found["left"] <= resting or gap + LOST * objective <= tol * gain:
        return True
    return found["beyond"] <= resting and gap <= PROVEN * gain


def coordinates(design, tol, reference, params, work, found, curve):
    """Make up to curve.size - 1 rounds of sweeps; curve is the objective before, and after each of them.

    Returns CONVERGED; PAUSED after the last round; RUNNING in one to be ended by a step by the matrix of the chosen
    columns, which costs less than the sweeps to come; STUCK where another method should go on from params, since a
    round would have led to more coefficients that aren't zero than there are rows, or nowhere.
    """
    found = found[0]
    found["rounds"] = 0
    resting = 0.0
    for j in range(params.size):
        resting = max(resting, RESTING * design.l1[j])
    look(design, params, work, found)
    curve[0] = found["objective"]
    for number in range(1, curve.size):
        if not found["objective"] < np.inf:
            return STUCK
        if has_converged(found, resting, tol, reference):
            return CONVERGED
        strength, size = found["strength"], found["size"]
        most = max(CALLS_WORK // (size * work.residual.size), size // COLUMNS_PER_SWEEP)
        enough = FAR_ENOUGH if strength == 1.0 else ON_THE_WAY
        copy_into(work.before, params)
        first = last = sweep(design, strength, params, work.residual, work.chosen, size)
        n_sweeps, to_come = 1, 0.0
        while n_sweeps + to_come <= most and last > max(INSIDE * resting, enough * first):
            before, last = last, sweep(design, strength, params, work.residual, work.chosen, size)
            n_sweeps += 1
            if n_sweeps >= FIRST_SWEEPS:  # at the rate of this one
                goal = INSIDE * resting if strength == 1.0 else ON_THE_WAY * first
                to_come = np.log(last / goal) / np.log(before / last) if last < before else np.inf
        look(design, params, work, found)
        most_there = np.inf if strength > 1.0 else curve[number - 1] + LOST * curve[0]
        less = found["objective"] < np.inf and found["objective"] <= most_there
        if not (first > 0.0 and less and found["n_nonzero"] <= work.residual.size):
            copy_into(params, work.before)
            look(design, params, work, found)
            return STUCK
        if n_sweeps + to_come > most and strength == 1.0 and not has_converged(found, resting, tol, reference):
            return RUNNING
        curve[number] = found["objective"]
        found["rounds"] = number
    return CONVERGED if has_converged(found, resting, tol, reference) else PAUSED
