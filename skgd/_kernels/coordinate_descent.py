"""The minimum of a quadratic function under an L1 penalty, coordinate by coordinate."""


def coordinate_descent(matrix, params, l1, slope, step, most_sweeps):
    """Go on to the minimum of g'step + step'H step / 2 + sum_j l1_j |params_j + step_j| (Friedman et al. 2010).

    slope is the gradient of the quadratic part at the step. Ends with a sweep that made no parameter zero, non-zero or
    of another sign, and returns how many there were; 0 if all did.
    """
    n = params.size
    for sweep in range(most_sweeps):
        turned = False
        for j in range(n):
            curvature = matrix[j, j]
            now = params[j] + step[j]
            aim = now - slope[j] / curvature
            shrunk = max(abs(aim) - l1[j] / curvature, 0.0)
            new = shrunk if aim > 0.0 else -shrunk
            if new != now:
                turned = turned or now * new <= 0.0
                change = new - now
                step[j] = -params[j] if new == 0.0 else step[j] + change
                for k in range(n):
                    slope[k] += change * matrix[j, k]
        if not turned:
            return sweep + 1
    return 0
