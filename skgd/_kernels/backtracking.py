"""How far a line search goes: steps that are accepted, and others, which are shortened."""

import numpy as np

from .constants import ARMIJO, LONGEST, SHORTEST


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
