"""Second moments of standardised rows: Z' diag(weight) Z, with a column of ones for the intercept, and the targets."""

ROWS_AT_ONCE = 128
ROOM_FOR_ROWS = ROWS_AT_ONCE + 8  # of a column: at distances of a power of two they would share few places in a cache
COLUMNS_AT_ONCE = 3  # nine products at a time: as many as there are registers to sum them in


def gather_columns(data, n_targets, position, m, columns):
    """Fill columns (n_columns, ROOM_FOR_ROWS) with sqrt(weight) times the standardised rows, and zeros at the end."""
    X, center, inverse_scale = data.features
    weights, subset, d = data.weight, data.subset, center.size
    for i in range(ROWS_AT_ONCE):
        if i >= m:
            for j in range(columns.shape[0]):
                columns[j, i] = 0.0
            continue
        row = subset[position + i] if subset.size > 0 else position + i
        root = weights[row] ** 0.5 if weights.size > 0 else 1.0
        for j in range(d):
            columns[j, i] = (X[row, j] - center[j]) * inverse_scale[j] * root
        columns[d, i] = root
        for k in range(n_targets):
            y = data.doubles[row, k] if data.doubles.shape[0] > 0 else data.singles[row, k]
            columns[d + 1 + k, i] = (y - data.target_center[k]) * data.target_inverse_scale[k] * root
        for j in range(d + 1 + n_targets, columns.shape[0]):
            columns[j, i] = 0.0


def gram(data, n_targets, start, stop, columns, total):
    """Add the lower triangle of Z'Z over rows start..stop-1; columns and total have room for multiples of three."""
    for position in range(start, stop, ROWS_AT_ONCE):
        m = min(ROWS_AT_ONCE, stop - position)
        gather_columns(data, n_targets, position, m, columns)
        for j in range(0, total.shape[0], COLUMNS_AT_ONCE):
            a0, a1, a2 = columns[j], columns[j + 1], columns[j + 2]
            for k in range(0, j + 1, COLUMNS_AT_ONCE):
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
