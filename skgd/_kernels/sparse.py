"""Linear models on CSR rows, raw = (x / scale) . w + b: predictions, gradients, moments. Nothing is centred.

The work follows the entries that are stored. Full passes go through

    sparse_evaluate(loss, loss_hyper, data, model, params, buffers, weight_factor, grads, total, value, start,
                    budget) -> next row

which has the meaning of `evaluate` for dense rows, in the units of X: params holds w / scale, and the gradient is that
by them, so that no entry has to be scaled. It adds the loss of `budget` blocks of rows from `start`, in memory order,
to value[0] and their gradient to the float64 array `total` of n_params (empty: the loss alone). A block has
buffers.rows.size rows. It allocates nothing, holds no lock and does no work per column, so that several can run in
threads over disjoint rows, each with a `total`, a `value` and `buffers` of its own. `grads` and `buffers.work` are
there for the sake of the same call; they aren't touched.
"""

import numpy as np

from .rows import gather_targets, next_rows
from .vectors import set_zero


def add_gradient(features, rows, model, derivatives, total):
    """Add the gradient of the given rows' loss, sum of d loss / d raw times the scaled row, to the total."""
    entries, columns, starts = features.data, features.indices, features.indptr
    inverse_scale = features.inverse_scale
    d = inverse_scale.size
    for k in range(derivatives.shape[1]):
        gradient = total[k * (d + 1) : (k + 1) * (d + 1)]
        for i in range(rows.size):
            row, slope = rows[i], derivatives[i, k]
            for at in range(starts[row], starts[row + 1]):
                j = columns[at]
                gradient[j] += slope * (entries[at] * inverse_scale[j])
            if model.trains_intercept:
                gradient[d] += slope


def add_raw_gradient(features, rows, model, derivatives, total):
    """The same in the units of X."""
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


def raw_predictions(features, rows, params, raw):
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
    """Gradient of the block's loss."""
    set_zero(grads)
    add_gradient(features, rows, model, derivatives, grads)


def sparse_evaluate(
    loss,
    loss_hyper,
    data,
    model,
    params,
    buffers,
    weight_factor,
    grads,
    total,
    value,
    start,
    budget,
):
    """Add the loss of `budget` blocks of rows from `start` to value[0], their gradient to total; return the next row.

    An empty total asks for the loss alone. Nothing is penalised.
    """
    features, subset = data.features, data.subset
    n_rows = subset.size if subset.size > 0 else data.y.shape[0]
    rows, raw, derivatives, targets, weights, _ = buffers
    no_order = subset[:0]
    factor = weight_factor / n_rows
    for _ in range(budget):
        m = min(buffers.rows.size, n_rows - start)
        if m <= 0:
            break
        if m != rows.size:
            rows, raw, derivatives = buffers.rows[:m], buffers.raw[:m], buffers.derivatives[:m]
            targets, weights = buffers.targets[:m], buffers.weights[:m]
        next_rows(no_order, 1, 0, subset, n_rows, start, rows, m)
        gather_targets(data, buffers, m, factor)
        raw_predictions(features, rows, params, raw)
        value[0] += loss(raw, targets, weights, loss_hyper, derivatives)
        if total.size > 0:
            add_raw_gradient(features, rows, model, derivatives, total)
        start += m
    return start


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
