"""How far a line search goes: steps that are accepted, others, which are shortened, and on, where it is still steep."""

import numpy as np

from .constants import ARMIJO, FARTHEST, LONGEST, SHORTEST


def decreases_enough(before, after, slope, eps):
    """Whether the objective is less by a share of what the slope promises (Armijo 1966), but for rounding."""
    return abs(after) < np.inf and after <= before + ARMIJO * slope + 4.0 * eps * abs(before)


def is_within_rounding(before, slope, eps):
    """Whether the objective's digits don't show the decrease that the slope promises."""
    return -slope <= np.sqrt(eps) * abs(before)


def shortening(before, after, slope):
    """By what to multiply the step: it leads to the minimum of the parabola through what is known."""
    if not abs(after) < np.inf:
        return SHORTEST
    return min(max(-0.5 * slope / (after - before - slope), SHORTEST), LONGEST)


def stretching(slope, slope_there):
    """How far to go on behind a stretch, in its length: to where the slope vanishes, by those at both its ends.

    Curvature vanishes where a loss is certain of its rows: a step that was to lead to the optimum is a part of the way.
    """
    return min(slope_there / (slope - slope_there), FARTHEST) if slope < slope_there else FARTHEST
