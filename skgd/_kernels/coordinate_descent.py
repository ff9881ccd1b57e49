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


def coordinate_path(matrix, ridge, l1, tol, first, most_sweeps, params, slope, path, norms, sweeps):
    """Go on to the minima of w'H w / 2 - c'w + ridge_i |w|^2 / 2 + l1_i |w|_1 for one i after another, from `first`.

    params holds w, and slope H w - c there. A minimum is where no component of the smallest subgradient is larger than
    tol; they are the rows of path. Returns the number of the first that took too many sweeps, or how many there are.
    """
    n = params.size
    for i in range(first, l1.size):
        for sweep in range(most_sweeps + 1):
            worst = 0.0
            for j in range(n):
                gradient = slope[j] + ridge[i] * params[j]
                if params[j] == 0.0:
                    left = max(abs(gradient) - l1[i], 0.0)
                else:
                    left = abs(gradient + (l1[i] if params[j] > 0.0 else -l1[i]))
                worst = max(worst, left)
            norms[i], sweeps[i] = worst, sweep
            if worst <= tol or sweep == most_sweeps:
                break
            for j in range(n):
                curvature = matrix[j, j] + ridge[i]
                now = params[j]
                along = curvature * now - slope[j] - ridge[i] * now
                shrunk = abs(along) - l1[i]
                new = 0.0
                if shrunk > 0.0 and curvature > 0.0:
                    new = shrunk / curvature if along > 0.0 else -shrunk / curvature
                if new != now:
                    params[j] = new
                    for k in range(n):
                        slope[k] += (new - now) * matrix[j, k]
        if norms[i] > tol:
            return i
        for j in range(n):
            path[i, j] = params[j]
    return l1.size
