"""Linear models on CSR rows, raw = (x / scale) . w + b: predictions, gradients, moments. Nothing is centred.

The work follows the entries that are stored. In full passes (`evaluate`) it is done in the units of X: params holds
w / scale there, and the gradient is that by them, so that no entry has to be scaled; it is added to the float64 total
at once, without any work per column. Blocks have as many rows as buffers.rows.
"""

from collections.abc import Callable

import numpy as np

from .vectors import set_zero


def add_gradient_in_units_of_X(features, rows, model, params, work, derivatives, grads, total):
    """Add the gradient of the rows' loss, by coefficients in the units of X, to the total."""
    entries, columns, starts = features.data, features.indices, features.indptr
    d = features.inverse_scale.size
    for k in range(derivatives.shape[1]):
        gradient = total[k * (d + 1) : (k + 1) * (d + 1)]
        of_intercept = 0.0
        for i in range(rows.size):
            row, slope = rows[i], derivatives[i, k]
            for at in range(np.uint64(starts[row]), np.uint64(starts[row + 1])):
                gradient[np.uint64(columns[at])] += slope * entries[at]
            of_intercept += slope
        if model.trains_intercept:
            gradient[d] += of_intercept


def forward_in_units_of_X(features, rows, model, params, work, raw):
    """Raw predictions with coefficients in the units of X."""
    entries, columns, starts = features.data, features.indices, features.indptr
    d = features.inverse_scale.size
    for k in range(raw.shape[1]):
        w = params[k * (d + 1) : (k + 1) * (d + 1)]
        for i in range(rows.size):
            row, z = rows[i], w[d]
            for at in range(np.uint64(starts[row]), np.uint64(starts[row + 1])):
                z += entries[at] * w[np.uint64(columns[at])]
            raw[i, k] = z


def sparse_forward(features, rows, model, params, work, raw):
    """Raw predictions of the given rows."""
    entries, columns, starts = features.data, features.indices, features.indptr
    inverse_scale = features.inverse_scale
    d = inverse_scale.size
    for k in range(raw.shape[1]):
        w = params[k * (d + 1) : (k + 1) * (d + 1)]
        for i in range(rows.size):
            row, z = rows[i], w[d]
            for at in range(starts[row], starts[row + 1]):
                j = columns[at]
                z += entries[at] * inverse_scale[j] * w[j]
            raw[i, k] = z


def sparse_backward(features, rows, model, params, work, derivatives, grads):
    """Gradient of the block's loss: sum of d loss / d raw times the scaled row."""
    set_zero(grads)
    entries, columns, starts = features.data, features.indices, features.indptr
    inverse_scale = features.inverse_scale
    d = inverse_scale.size
    for k in range(derivatives.shape[1]):
        gradient = grads[k * (d + 1) : (k + 1) * (d + 1)]
        for i in range(rows.size):
            row, slope = rows[i], derivatives[i, k]
            for at in range(starts[row], starts[row + 1]):
                j = columns[at]
                gradient[j] += slope * (entries[at] * inverse_scale[j])
            if model.trains_intercept:
                gradient[d] += slope


def combine_rows(features, subset, factors, total, start, stop):
    """Add the rows start..stop-1, in the units of X, times their factors to the total."""
    entries, columns, starts = features.data, features.indices, features.indptr
    for i in range(start, stop):
        row, factor = subset[i] if subset.size > 0 else i, factors[i]
        for at in range(np.uint64(starts[row]), np.uint64(starts[row + 1])):
            total[np.uint64(columns[at])] += factor * entries[at]


def row_products(features, subset, coef, products, start, stop):
    """Products of the rows start..stop-1, in the units of X, with coefficients."""
    entries, columns, starts = features.data, features.indices, features.indptr
    for i in range(start, stop):
        row, product = subset[i] if subset.size > 0 else i, 0.0
        for at in range(np.uint64(starts[row]), np.uint64(starts[row + 1])):
            product += entries[at] * coef[np.uint64(columns[at])]
        products[i] = product


def largest_entries(features, weights, subset, largest, count, start, stop):
    """Largest absolute entry of every column among the rows that have weight, and the number of entries in all rows."""
    entries, columns, starts = features.data, features.indices, features.indptr
    n_rows = subset.size if subset.size > 0 else starts.size - 1
    for position in range(start, min(stop, n_rows)):
        row = subset[position] if subset.size > 0 else position
        counts = weights.size == 0 or weights[row] > 0
        for at in range(starts[row], starts[row + 1]):
            j = columns[at]
            count[j] += 1
            if counts:
                largest[j] = max(largest[j], abs(entries[at]))


def sparse_moments(features, weights, subset, unit, shift, total, squares, filled, start, stop):
    """Add sum w (x / unit - shift), sum w (x / unit - shift)^2 and sum w over non-zeros; zeros may be stored."""
    entries, columns, starts = features.data, features.indices, features.indptr
    n_rows = subset.size if subset.size > 0 else starts.size - 1
    for position in range(start, min(stop, n_rows)):
        row = subset[position] if subset.size > 0 else position
        weight = weights[row] if weights.size > 0 else 1.0
        for at in range(starts[row], starts[row + 1]):
            if entries[at] != 0.0:
                j = columns[at]
                distance = entries[at] / unit[j] - shift[j]
                total[j] += weight * distance
                squares[j] += weight * distance * distance
                filled[j] += weight


def sparse_square_sums(features, total, start, stop):
    """Add the squares of the scaled entries start..stop-1 to the sums of their columns."""
    entries, columns, inverse_scale = features.data, features.indices, features.inverse_scale
    for at in range(np.uint64(start), np.uint64(stop)):
        j = np.uint64(columns[at])
        scaled = entries[at] * inverse_scale[j]
        total[j] += scaled * scaled


def select_columns(features, subset, places, far, last_rows, values, numbers, starts):
    """Scaled entries of some columns, row by row: places tells the number of each among these, -1 of others.

    The center is taken off the columns that lie far from zero, of which each row has an entry then: last_rows has a
    place for each of the chosen columns, to note the last row with one, and begins with -1.
    """
    entries, columns, begins = features.data, features.indices, features.indptr
    center, inverse_scale = features.center, features.inverse_scale
    found = 0
    for i in range(starts.size - 1):
        row = subset[i] if subset.size > 0 else i
        for at in range(np.uint64(begins[row]), np.uint64(begins[row + 1])):
            column = np.uint64(columns[at])
            place = places[column]
            if place >= 0:
                values[found] = (entries[at] - center[column]) * inverse_scale[column]
                numbers[found] = place
                last_rows[place] = i
                found += 1
        for column in far:
            place = places[column]
            if last_rows[place] < i:
                values[found] = -center[column] * inverse_scale[column]
                numbers[found] = place
                found += 1
        starts[i + 1] = found


def few_columns_raw(values, numbers, starts, coef, raw):
    """Sums of selected columns times their coefficients."""
    for i in range(raw.size):
        z = 0.0
        for at in range(np.uint64(starts[i]), np.uint64(starts[i + 1])):
            z += values[at] * coef[np.uint64(numbers[at])]
        raw[i] = z


def sparse_gram(values, numbers, starts, weights, total, start, stop):
    """Add the products of selected columns over some rows, each pair once, either way, and their sums in a last row."""
    sums = total[total.shape[0] - 1]
    for i in range(start, stop):
        weight = weights[i]
        for one in range(np.uint64(starts[i]), np.uint64(starts[i + 1])):
            number, scaled = np.uint64(numbers[one]), weight * values[one]
            products = total[number]
            sums[number] += scaled
            for other in range(np.uint64(starts[i]), one + np.uint64(1)):
                products[np.uint64(numbers[other])] += scaled * values[other]


def sparse_coordinate_descent(
    values, weighted, rows, starts, sums, total, curvature, ridge, gradient, l1, params, raw, step, most_sweeps, small
):
    """Go to the minimum that the kernel for matrices goes to, by columns: where these are many and sparse.

    weighted holds their values times the weights of their rows, sums those of each column, total that of the weights,
    or infinity where nothing is centred. raw becomes the sum of the columns times the step. Between sweeps over all
    columns there are others over those that aren't zero. Ends with the first whose moves bring no more than a share
    `small` of what the best sweep brought.
    """
    sum_of_raw, best, of_all = 0.0, 0.0, True
    for _ in range(most_sweeps):
        moved = 0.0
        for j in range(params.size):
            now = params[j] + step[j]
            if now == 0.0 and not of_all:
                continue
            slope = gradient[j] + ridge[j] * step[j] - sums[j] * sum_of_raw / total
            for at in range(np.uint64(starts[j]), np.uint64(starts[j + 1])):
                slope += weighted[at] * raw[np.uint64(rows[at])]
            aim = now - slope / curvature[j]
            shrunk = max(abs(aim) - l1[j] / curvature[j], 0.0)
            new = shrunk if aim > 0.0 else -shrunk
            if new != now:
                change = new - now
                step[j] = -params[j] if new == 0.0 else step[j] + change
                for at in range(np.uint64(starts[j]), np.uint64(starts[j + 1])):
                    raw[np.uint64(rows[at])] += change * values[at]
                sum_of_raw += change * sums[j]
                moved += change * change * curvature[j]
        best = max(best, moved)
        if moved > small * best:
            of_all = False
        elif of_all:
            break
        else:
            of_all = True


# What `evaluate` calls, in the units of X.
IN_FULL_PASSES: dict[str, Callable] = {"forward": forward_in_units_of_X, "add_gradient": add_gradient_in_units_of_X}
