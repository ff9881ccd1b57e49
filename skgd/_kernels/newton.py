"""Newton's method on a few rows in memory: many steps in one call, where NumPy's calls would take longer than its work.

All matrices of rows are held by columns, so that the inner loops run over rows whatever the number of features.
"""

import numpy as np

from .backtracking import decreases_enough, is_within_rounding, shortening, stretching
from .constants import DIFFERENCE, FLATTER, LEAST_GAIN, MAX_STRETCHES, MAX_TRIALS, RIDGE, SLOW, STEEP, TINY
from .structures import CONVERGED, GRADIENT, OBJECTIVE, PAUSED, STEP, STUCK
from .vectors import copy_into, dot, largest, set_zero

RAW, DERIVATIVES, SECOND, SCALED = range(4)  # of the workspace's vectors


def evaluate(loss, hyper, rows, work, params, gradient):
    """Mean loss plus 1/2 sum_j ridge_j params_j^2, and its gradient."""
    raw, derivatives = work.vectors[RAW], work.vectors[DERIVATIVES]
    set_zero(raw)
    for j in range(params.size):
        column = rows.columns[j]
        for i in range(raw.size):
            raw[i] += params[j] * column[i]
    value = loss(work.blocks[RAW], rows.targets, rows.weight, hyper, work.blocks[DERIVATIVES])
    for j in range(params.size):
        penalty = rows.ridge[j] * params[j]
        value += 0.5 * penalty * params[j]
        gradient[j] = dot(rows.columns[j], derivatives) + penalty
    return value


def second_derivatives(loss, hyper, rows, work):
    """Weighted second derivatives of the rows' losses by central differences; raw becomes workspace."""
    raw, up, second = work.vectors[RAW], work.vectors[DERIVATIVES], work.vectors[SECOND]
    size = 0.0
    for i in range(raw.size):
        size += abs(raw[i])
    step = DIFFERENCE * max(1.0, size / raw.size)
    for i in range(raw.size):
        raw[i] += step
    loss(work.blocks[RAW], rows.targets, rows.weight, hyper, work.blocks[DERIVATIVES])
    for i in range(raw.size):
        raw[i] -= 2.0 * step
    loss(work.blocks[RAW], rows.targets, rows.weight, hyper, work.blocks[SECOND])
    for i in range(raw.size):
        second[i] = max((up[i] - second[i]) / (2.0 * step), 0.0)


def factorise(rows, work, lower):
    """Cholesky factor of the Hessian; returns the mean of its diagonal, NaN where it is not positive definite."""
    second, scaled, mean = work.vectors[SECOND], work.vectors[SCALED], 0.0
    p = lower.shape[0]
    for j in range(p):
        column = rows.columns[j]
        for i in range(second.size):
            scaled[i] = second[i] * column[i]
        for k in range(j + 1):
            lower[j, k] = dot(scaled, rows.columns[k])
        mean += lower[j, j] / p
    for j in range(p):
        # beside its own entry: columns may have any scale, and rows that are certain of their class little curvature
        lower[j, j] += max(rows.ridge[j], RIDGE * max(lower[j, j] if lower[j, j] > 0.0 else mean, TINY))
        for k in range(j + 1):
            rest = lower[j, k]
            for m in range(k):
                rest -= lower[j, m] * lower[k, m]
            if k < j:
                lower[j, k] = rest / lower[k, k]
            elif rest > 0.0:
                lower[j, j] = np.sqrt(rest)
            else:
                return np.nan
    return mean


def solve(lower, gradient, direction):
    """Fill direction with -H^-1 gradient; returns the slope along it."""
    p = gradient.size
    for j in range(p):
        rest = -gradient[j]
        for k in range(j):
            rest -= lower[j, k] * direction[k]
        direction[j] = rest / lower[j, j]
    for j in range(p - 1, -1, -1):
        direction[j] /= lower[j, j]
        for k in range(j):
            direction[k] -= lower[j, k] * direction[j]
    return dot(gradient, direction)


def is_met(settings, search, promise, gain, lost):
    if settings.criterion == OBJECTIVE:
        return lost or promise <= settings.tol * gain
    if settings.criterion == GRADIENT:
        return search["gradient_norm"] <= settings.tol
    return settings.criterion == STEP and search["still"] >= settings.n_iter_no_change


def go_further(loss, hyper, rows, settings, params, work, slope, objective):
    """Go on along the direction behind a whole step while it is steep; how far it was, and the objective there."""
    gradient, direction, trial, trial_gradient = work.steps[0], work.steps[1], work.steps[2], work.steps[3]
    stretch, length, before, there = 1.0, 0.0, slope, dot(gradient, direction)
    for _ in range(MAX_STRETCHES):
        if not there < STEEP * slope:
            break
        stretch *= stretching(before, there)
        for j in range(params.size):
            trial[j] = params[j] + stretch * direction[j]
        after = evaluate(loss, hyper, rows, work, trial, trial_gradient)
        if not decreases_enough(objective, after, stretch * there, settings.eps):
            break
        length, objective = length + stretch, after
        copy_into(params, trial)
        copy_into(gradient, trial_gradient)
        before, there = there, dot(gradient, direction)
    return length, objective


def newton(loss, hyper, rows, settings, params, work, search, curve):
    """Make up to curve.size steps and fill curve with the objective after each of them.

    Returns CONVERGED, PAUSED after the last step, or STUCK: where another method should go on from params.
    """
    search, lower = search[0], work.lower
    gradient, direction, trial, trial_gradient = work.steps[0], work.steps[1], work.steps[2], work.steps[3]
    search["steps"] = 0
    search["objective"] = evaluate(loss, hyper, rows, work, params, gradient)
    for step in range(curve.size):
        # 1. the curvature, of a quadratic loss once
        if not settings.quadratic or not search["factorised"]:
            if settings.quadratic:
                copy_into(work.vectors[SECOND], rows.weight)
            else:
                second_derivatives(loss, hyper, rows, work)
            if not factorise(rows, work, lower) < np.inf:
                return STUCK
            search["factorised"] = 1

        # 2. the direction, and what it promises
        slope = solve(lower, gradient, direction)
        search["gradient_norm"] = largest(gradient)
        if not -np.inf < slope < 0.0 and search["gradient_norm"] != 0.0:
            return STUCK
        before, promise = search["objective"], -0.5 * slope
        gain = max(max(search["reference"] - before, LEAST_GAIN * abs(search["reference"])), TINY)
        lost = promise <= settings.eps * gain and promise > SLOW * search["last_promise"]
        search["last_promise"] = promise
        if is_met(settings, search, promise, gain, lost):
            return CONVERGED
        if lost:
            return STUCK

        # 3. as far that way as the objective decreases
        length, found = settings.first_length, False
        for _ in range(MAX_TRIALS):
            for j in range(params.size):
                trial[j] = params[j] + length * direction[j]
            after = evaluate(loss, hyper, rows, work, trial, trial_gradient)
            found = decreases_enough(before, after, length * slope, settings.eps)
            if not found and is_within_rounding(before, length * slope, settings.eps):
                found = abs(dot(trial_gradient, direction)) <= FLATTER * -slope
            if found:
                break
            length *= shortening(before, after, length * slope)
        if not found:
            return STUCK
        copy_into(params, trial)
        copy_into(gradient, trial_gradient)

        # 4. and on, while it is steep
        if length == 1.0 and not settings.quadratic and not is_within_rounding(before, slope, settings.eps):
            stretched, after = go_further(loss, hyper, rows, settings, params, work, slope, after)
            length += stretched
        search["largest_step"] = length * largest(direction)
        search["still"] = search["still"] + 1 if search["largest_step"] <= settings.tol else 0
        search["objective"] = curve[step] = after
        search["steps"] += 1
    return PAUSED
