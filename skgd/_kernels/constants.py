"""Constants that kernels and NumPy's steps share."""

import numpy as np

ARMIJO = 1e-4  # share of the decrease that the slope promises which a step must deliver
SHORTEST, LONGEST = 0.1, 0.5  # by which a step that didn't is shortened
MAX_TRIALS = 40
STEEP = 0.3  # share of the slope that is left behind a step from which on it goes further along its line
FARTHEST = 3.0  # times the last stretch of it
MAX_STRETCHES = 10
FLATTER = 0.9  # share of the slope that may be left behind a step too small to be seen in the objective
SLOW = 0.1  # share of the promised decrease that a step may leave if the model of the curvature is to do
LEAST_GAIN = 1e-3  # share of the constant model's objective that counts as gained at least
DIFFERENCE = 1e-4  # step of finite differences, of the size of a raw prediction
RIDGE = 1e-8  # share of the mean diagonal that keeps singular matrices definite where no penalty does
TINY = float(np.finfo(np.float64).tiny)
EPS = float(np.finfo(np.float64).eps)
MOST_OUTPUTS = 8  # of a layer that has its products without BLAS, from weights that lie on their side
DIVERGENCE_FACTOR = 1e6  # by which the objective may grow over that at the start before a fit counts as diverged
IMMENSE = 1e20  # share of the constant model's objective that no descent comes back from
LEAST_SQUARE = TINY**0.5  # of deviations: smaller ones may have lost digits
LOST_SHARE = 1e-3  # a variance of so small a share of the mean square has lost three digits to cancellation
