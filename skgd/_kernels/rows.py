"""The order in which an epoch visits the rows, and the gathering of their targets and weights.

Numbers of rows are made unsigned where they are looked up by: signed ones might count from the end.
"""

import numpy as np

# Rows are read from this many places at once, a run of consecutive rows from each: every mini-batch mixes rows from
# all of them, while the processor prefetches along each. 1,000,000 x 20 float64 on a 32 MB cache: 12 ms an epoch,
# as in memory order; 39 ms in a fully random order.
STREAMS = 32


def xorshift(x):
    """The random number after x by xorshift64 (Marsaglia 2003)."""
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    return x


def random_below(bound, progress):
    """Draw an integer from 0 to bound - 1; bound < 2**32."""
    x = xorshift(progress["random"])
    progress["random"] = x
    return np.int64(((x >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


def shuffle_runs(order, n_rows, progress):
    """Permute the runs of rows and rotate where they begin, so that no row stays at a run's border.

    Fisher-Yates from the inside out: what was in `order` before doesn't matter.
    """
    for i in range(order.size):
        j = random_below(i + 1, progress)
        order[i] = order[j]
        order[j] = i
    progress["offset"] = random_below(n_rows, progress)


def next_rows(order, run_length, offset, subset, n_rows, position, rows, m):
    """Fill rows[:m] with the rows at position, position + 1, ... of the epoch.

    order is a permutation of runs of run_length rows, visited STREAMS runs at a time, one row of each in turn;
    the rows left over at the end form no run. An empty order means memory order.
    """
    n_in_runs, i = order.size * run_length, 0
    while i < m:
        at = position + i
        if at >= n_in_runs:
            count = m - i
            for k in range(count):
                rows[i + k] = at + k
        else:
            group = at // (STREAMS * run_length) * STREAMS
            streams = min(STREAMS, order.size - group)
            step = (at - group * run_length) // streams
            stream = (at - group * run_length) % streams
            count = min(streams - stream, m - i)
            runs, part = order[group + stream :], rows[i:]
            for k in range(count):
                part[k] = runs[k] * run_length + step
        i += count
    for i in range(m):
        row = rows[i] + offset
        rows[i] = row - n_rows if row >= n_rows else row
    if subset.size > 0:
        for i in range(m):
            rows[i] = subset[np.uint64(rows[i])]


def count_rows(data):
    """How many rows are in use."""
    return data.subset.size if data.subset.size > 0 else max(data.doubles.shape[0], data.singles.shape[0])


def gather_targets(data, buffers, m, weight_factor):
    """Scaled targets and weights of the first m rows in the buffers."""
    center, inverse_scale, weight = data.target_center, data.target_inverse_scale, data.weight
    rows, targets, weights = buffers.rows, buffers.targets, buffers.weights
    if weight.size > 0:
        for i in range(m):
            weights[i] = weight_factor * weight[np.uint64(rows[i])]
    else:
        for i in range(m):
            weights[i] = weight_factor
    for k in range(targets.shape[1]):
        if data.doubles.shape[0] > 0:
            for i in range(m):
                targets[i, k] = (data.doubles[np.uint64(rows[i]), k] - center[k]) * inverse_scale[k]
        else:
            for i in range(m):
                targets[i, k] = (data.singles[np.uint64(rows[i]), k] - center[k]) * inverse_scale[k]
