"""Second moments of standardised rows: Z' diag(weight) Z, with a column of ones for the intercept, and the targets.

Four rows at a time become parts of columns, whose products are sums along them, nine at a time.
"""

import numpy as np

ROWS_AT_ONCE = 128
ROOM_FOR_ROWS = ROWS_AT_ONCE + 4  # of a column: at distances of a power of two they would share few places in a cache
COLUMNS_AT_ONCE = 3  # nine products at a time: as many as there are registers to sum them in


def row_at(data, position):
    """Number of the row in use at a position."""
    return data.subset[position] if data.subset.size > 0 else position


def gather_columns(data, n_targets, position, m, columns, zeros):
    """Fill columns (n_columns, ROOM_FOR_ROWS) with sqrt(weight) times the standardised rows, and zeros at the end.

    The weights of the rows in which a column of X is zero are added to `zeros`.
    """
    d, last, weights = data.features.center.size, position + m - 1, data.weight
    roots = columns[d]
    for i in range(ROWS_AT_ONCE):
        row = row_at(data, min(position + i, last))
        root = weights[row] ** 0.5 if weights.size > 0 else 1.0
        roots[i] = root if i < m else 0.0
        for k in range(n_targets):
            y = data.doubles[row, k] if data.doubles.shape[0] > 0 else data.singles[row, k]
            columns[d + 1 + k, i] = (y - data.target_center[k]) * data.target_inverse_scale[k]
    for i in range(0, ROWS_AT_ONCE, 4):
        gather_four(data, position + i, last, i, columns, zeros)
    if weights.size > 0 or m < ROWS_AT_ONCE:
        for j in range(d + 1 + n_targets):
            if j != d:
                for i in range(ROWS_AT_ONCE):
                    columns[j, i] *= roots[i]


def gather_four(data, position, last, i, columns, zeros):
    """Fill places i to i + 3 of columns with the standardised rows from a position on, but for weights."""
    X, center, inverse_scale = data.features
    roots = columns[center.size]
    row0, row1 = row_at(data, min(position, last)), row_at(data, min(position + 1, last))
    row2, row3 = row_at(data, min(position + 2, last)), row_at(data, min(position + 3, last))
    for j in range(center.size):
        x0, x1, x2, x3 = X[row0, j], X[row1, j], X[row2, j], X[row3, j]
        c, s = np.float64(center[j]), inverse_scale[j]
        columns[j, i] = (x0 - c) * s
        columns[j, i + 1] = (x1 - c) * s
        columns[j, i + 2] = (x2 - c) * s
        columns[j, i + 3] = (x3 - c) * s
        if x0 * x1 * x2 * x3 == 0.0:  # seldom, or tiny
            for k, x in enumerate((x0, x1, x2, x3)):
                zeros[j] += roots[i + k] ** 2 if x == 0.0 else 0.0


def gram(data, n_targets, start, stop, columns, total):
    """Add the lower triangle of Z'Z over rows start..stop-1, and below it the weights of zeros among X.

    Columns, and the rows of Z'Z, have room for multiples of three; what is beyond Z is zero. Products of
    targets with each other, which nobody asks for, are left out but for some that stand near their squares.
    """
    n_columns = data.features.center.size + 1  # without targets
    for position in range(start, stop, ROWS_AT_ONCE):
        m = min(ROWS_AT_ONCE, stop - position)
        gather_columns(data, n_targets, position, m, columns, total[columns.shape[0]])
        for j in range(0, columns.shape[0], COLUMNS_AT_ONCE):
            a0, a1, a2 = columns[j], columns[j + 1], columns[j + 2]
            for k in range(0, j + 1, COLUMNS_AT_ONCE):
                if n_columns <= k < j:
                    continue
                b0, b1, b2 = columns[k], columns[k + 1], columns[k + 2]
                s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = 0.0
                for i in range(ROWS_AT_ONCE):
                    x0, x1, x2 = a0[i], a1[i], a2[i]
                    y0, y1, y2 = b0[i], b1[i], b2[i]
                    s00 += x0 * y0
                    s01 += x0 * y1
                    s02 += x0 * y2
                    s10 += x1 * y0
                    s11 += x1 * y1
                    s12 += x1 * y2
                    s20 += x2 * y0
                    s21 += x2 * y1
                    s22 += x2 * y2
                total[j, k] += s00
                total[j, k + 1] += s01
                total[j, k + 2] += s02
                total[j + 1, k] += s10
                total[j + 1, k + 1] += s11
                total[j + 1, k + 2] += s12
                total[j + 2, k] += s20
                total[j + 2, k + 1] += s21
                total[j + 2, k + 2] += s22
