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


def sparse_moments(features, weights, subset, unit, shift, total, squares, seen, start, stop):
    """Add sum w (x / unit - shift), sum w (x / unit - shift)^2 and sum w over the entries that are stored."""
    entries, columns, starts = features.data, features.indices, features.indptr
    n_rows = subset.size if subset.size > 0 else starts.size - 1
    for position in range(start, min(stop, n_rows)):
        row = subset[position] if subset.size > 0 else position
        weight = weights[row] if weights.size > 0 else 1.0
        for at in range(starts[row], starts[row + 1]):
            j = columns[at]
            distance = entries[at] / unit[j] - shift[j]
            total[j] += weight * distance
            squares[j] += weight * distance * distance
            seen[j] += weight


def sparse_square_sums(features, total, start, stop):
    """Add the squares of the scaled entries start..stop-1 to the sums of their columns."""
    entries, columns, inverse_scale = features.data, features.indices, features.inverse_scale
    for at in range(np.uint64(start), np.uint64(stop)):
        j = np.uint64(columns[at])
        scaled = entries[at] * inverse_scale[j]
        total[j] += scaled * scaled


# What `evaluate` calls, in the units of X.
IN_FULL_PASSES: dict[str, Callable] = {"forward": forward_in_units_of_X, "add_gradient": add_gradient_in_units_of_X}
