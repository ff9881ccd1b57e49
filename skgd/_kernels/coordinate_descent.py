"""The minimum of a quadratic function under an L1 penalty, coordinate by coordinate."""

INNER_TOL = 0.3  # of a tolerance for all coordinates, that of those which are worked on
RESTING = 1e-12  # share of the penalty: smaller subgradients are rounding


def coordinate_descent(matrix, params, l1, slope, step, calm, most_sweeps):
    """Go on to the minimum of g'step + step'H step / 2 + sum_j l1_j |params_j + step_j| (Friedman et al. 2010).

    slope is the gradient of the quadratic part at the step. Ends with so many calm sweeps on end, which made no
    parameter zero, non-zero or of another sign, and returns how many there were in all; 0 if that didn't come about.
    """
    n, n_calm = params.size, 0
    for sweep in range(most_sweeps):
        turned = False
        for j in range(n):
            curvature = matrix[j, j]
            now = params[j] + step[j]
            aim, limit = now - slope[j] / curvature, l1[j] / curvature
            shrunk = max(abs(aim) - limit, 0.0)
            if now == 0.0 and shrunk <= RESTING * limit:  # the copy of another column would come and go
                shrunk = 0.0
            new = shrunk if aim > 0.0 else -shrunk
            if new != now:
                turned = turned or now * new <= 0.0
                change = new - now
                step[j] = -params[j] if new == 0.0 else step[j] + change
                for k in range(n):
                    slope[k] += change * matrix[j, k]
        n_calm = 0 if turned else n_calm + 1
        if n_calm == calm:
            return sweep + 1
    return 0


def add_multiples(matrix, numbers, factors, total):
    """Add some rows of a matrix times their factors, as far as the total goes."""
    for i in range(numbers.size):
        factor, row = factors[i], matrix[numbers[i]]
        for k in range(total.size):
            total[k] += factor * row[k]


def among(matrix, numbers, found):
    """Fill in the rows and columns of a matrix with these numbers."""
    for i in range(numbers.size):
        row = matrix[numbers[i]]
        for k in range(numbers.size):
            found[i, k] = row[numbers[k]]


def _move(row, params, slope, j, new):
    """Change a parameter, and the gradient with it, by the matrix's row of it."""
    change = new - params[j]
    if change != 0.0:
        params[j] = new
        for k in range(slope.size):
            slope[k] += change * row[k]


def _sweep(matrix, ridge, l1, tol, most_sweeps, at, size):
    """Sweep over so many coordinates until no component of the subgradient is larger than tol; how often.

    at holds their parameters and the gradient without the ridge's part.
    """
    params, slope = at[0, :size], at[1, :size]
    for sweep in range(most_sweeps):
        worst = 0.0
        for j in range(size):
            curvature, now = matrix[j, j] + ridge, params[j]
            along = curvature * now - slope[j] - ridge * now
            shrunk = abs(along) - l1
            new = 0.0
            if shrunk > 0.0 and curvature > 0.0:
                new = shrunk / curvature if along > 0.0 else -shrunk / curvature
            if new != now:
                worst = max(worst, abs(new - now) * curvature)
                _move(matrix[j], params, slope, j, new)
        if worst <= tol:
            return sweep + 1
    return most_sweeps


def coordinate_path(
    rows,
    places,
    ridge,
    l1,
    tol,
    first,
    most_sweeps,
    params,
    slope,
    path,
    norms,
    sweeps,
    chosen,
    of_chosen,
    at_chosen,
):
    """Go on to the minima of w'H w / 2 - c'w + ridge_i |w|^2 / 2 + l1_i |w|_1 for one i after another, from `first`.

    params holds w, and slope H w - c there. A minimum is where no component of the smallest subgradient is larger than
    tol; they are the rows of path. Sweeps go over coordinates that aren't zero, or shouldn't be, whose part of H is
    of_chosen; sweeps_i counts them, and norms_i is zero before them. Row j of H is rows[places[j]] if it is known; else
    places[j] < 0, and w_j is zero. Returns the number of the first minimum that took too many sweeps, or where no more
    is left than rows tell that aren't known, or how many minima there are.
    """
    n = params.size
    for i in range(first, l1.size):
        if i > 1 and l1[i - 2] > l1[i - 1] and norms[i] == 0.0:
            # solutions change in straight lines, as long as signs stay
            far = (l1[i - 1] - l1[i]) / (l1[i - 2] - l1[i - 1])
            for j in range(n):
                change = far * (params[j] - path[i - 2, j])
                if change != 0.0 and params[j] * (params[j] + change) > 0.0:
                    _move(rows[places[j]], params, slope, j, params[j] + change)
        while True:
            worst, of_known, size = 0.0, 0.0, 0
            for j in range(n):
                gradient = slope[j] + ridge[i] * params[j]
                if params[j] == 0.0:
                    left = max(abs(gradient) - l1[i], 0.0)
                else:
                    left = abs(gradient + (l1[i] if params[j] > 0.0 else -l1[i]))
                worst = max(worst, left)
                if places[j] >= 0 and (params[j] != 0.0 or left > 0.0):
                    of_known = max(of_known, left)
                    chosen[size] = j
                    size += 1
            norms[i] = worst
            if worst <= tol:
                break
            if sweeps[i] >= most_sweeps or of_known <= tol:
                return i
            for k in range(size):
                row = rows[places[chosen[k]]]
                for m in range(size):
                    of_chosen[k, m] = row[chosen[m]]
                at_chosen[0, k], at_chosen[1, k] = params[chosen[k]], slope[chosen[k]]
            sweeps[i] += _sweep(of_chosen, ridge[i], l1[i], INNER_TOL * tol, most_sweeps - sweeps[i], at_chosen, size)
            for k in range(size):
                _move(rows[places[chosen[k]]], params, slope, chosen[k], at_chosen[0, k])
        for j in range(n):
            path[i, j] = params[j]
    return l1.size
