"""The minimum of a quadratic model under an L1 penalty."""

import numpy as np

SWEEPS = 1000
SMALL = 1e-10  # share of the largest change of all that ends it


def coordinate_descent(matrix, params, gradient, l1, slope, step):
    """Fill step with the minimum of g'step + step'H step / 2 + sum_j l1_j |params_j + step_j| (Friedman et al. 2010).

    slope is workspace: the gradient of the quadratic part at the current step.
    """
    n, largest = params.size, 0.0
    for j in range(n):
        slope[j] = gradient[j]
        step[j] = 0.0
    for _ in range(SWEEPS):
        moved = 0.0
        for j in range(n):
            curvature = matrix[j, j]
            now = params[j] + step[j]
            aim = now - slope[j] / curvature
            shrunk = max(abs(aim) - l1[j] / curvature, 0.0)
            change = (shrunk if aim > 0.0 else -shrunk) - now
            if change != 0.0:
                step[j] += change
                for k in range(n):
                    slope[k] += change * matrix[j, k]
                moved = max(moved, abs(change) * np.sqrt(curvature))
        largest = max(largest, moved)
        if moved <= SMALL * largest:
            break
