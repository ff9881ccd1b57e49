"""When to stop: the only criteria, whatever the model, the loss and the optimizer."""

import numpy as np

from .constants import DIVERGENCE_FACTOR, EPS, TINY
from .structures import CONVERGED, DIVERGED, GRADIENT, OBJECTIVE, STEP
from .vectors import copy_into, largest

CIRCLING = 10  # times n_iter_no_change epochs of an exact objective without a new best: it goes round in circles
ROUNDING = 4.0  # changes of the objective by so many units in the last place are noise


def in_its_right_mind(objective, progress):
    """Whether the objective of a batch is finite and not far above that at the start."""
    if np.isnan(progress["start_objective"]):
        progress["start_objective"] = objective
    limit = DIVERGENCE_FACTOR * max(max(abs(progress["reference"]), abs(progress["start_objective"])), 1.0)
    return np.isfinite(objective) and objective <= limit


def gradient_vanishes(grads, settings, progress):
    """Whether the criterion is the gradient, of an exact objective, and met; sets the status, if so."""
    progress["gradient_norm"] = largest(grads)
    met = settings.criterion == GRADIENT and progress["gradient_norm"] <= settings.tol
    if met:
        progress["status"] = CONVERGED
    return met


def end_epoch(params, epoch_start, best_params, settings, objective, near_zero, progress):
    """Compare the epoch with those before it and set the status. One in which the fit diverges doesn't count.

    The objective is a mean over mini-batches, with their noise, unless near_zero is 0: then it is exact.
    """
    exact, step = near_zero == 0.0, 0.0
    for j in range(params.size):
        change = abs(params[j] - epoch_start[j])
        if not change <= step:  # true for NaN as well
            step = change
    if not np.isfinite(step):
        progress["status"] = DIVERGED
        return
    if objective < progress["best_objective"]:
        # the objective was measured before the updates of this epoch: it speaks for where they began
        progress["best_objective"] = objective
        copy_into(best_params, epoch_start)
    idle = 0
    if settings.criterion == OBJECTIVE:
        idle = epochs_without_progress(objective, near_zero, settings, progress)
    elif settings.criterion == STEP:
        idle = progress["still"] = progress["still"] + 1 if step <= settings.tol else 0
    if settings.criterion != GRADIENT and idle >= settings.n_iter_no_change:
        # a rate on the brink of divergence stagnates too, far above where it began
        worse = objective > progress["reference"] + 0.5 * abs(progress["reference"])
        circled = exact and settings.criterion == OBJECTIVE and progress["still"] < settings.n_iter_no_change
        if worse or (circled and progress["best_objective"] >= progress["reference"]):
            progress["status"] = DIVERGED
            return
        progress["circled"] = circled
        progress["status"] = CONVERGED
    progress["epoch"] += 1
    progress["cursor"] = 0


def epochs_without_progress(objective, near_zero, settings, progress):
    """Count the epochs in which the objective has made no progress that matters, in units of their limit.

    One that is averaged over mini-batches makes none when it is no new best by the tolerance. An exact one has
    nothing more to make when little is to come of it: a slow descent is not the end, and it may well rise for a
    while, as momentum lets it; only where it finds no new best for very long does it go round in circles.
    """
    exact, mark, change = near_zero == 0.0, progress["mark"], objective - progress["last_objective"]
    # near zero, where a fit is all but perfect, progress counts as a share of where it began
    floor = (settings.tol if exact else near_zero) * abs(progress["reference"])
    tolerance = settings.tol * max(min(abs(mark), abs(objective)), floor)
    if exact:
        little = to_come(change, progress["last_change"]) <= tolerance
        little = little or abs(change) <= ROUNDING * EPS * abs(objective)
        progress["still"] = progress["still"] + 1 if little else 0
    progress["last_objective"], progress["last_change"] = objective, change
    if objective >= mark - tolerance:
        progress["unimproved"] += 1
    else:
        progress["unimproved"] = 0
    if not (exact and objective >= mark - tolerance):
        progress["mark"] = min(mark, objective)
    if not exact:
        return progress["unimproved"]
    slow = objective <= progress["best_objective"]  # a new best, by however little: that is no circle
    return progress["still"] if slow else max(progress["still"], progress["unimproved"] // CIRCLING)


def to_come(change, last_change):
    """Estimate what is still to come of a sequence that changes so: a geometric series (Aitken 1926)."""
    if not np.isfinite(last_change):
        return np.inf
    ratio = abs(change) / max(abs(last_change), TINY)
    return abs(change) / max(1.0 - ratio, EPS)
