"""Weighted mean, variance and share of non-zeros of every column in one pass over the data."""


def moments(X, weights, subset, shift, total, squares, filled, start, stop):
    """Add sum w (x - shift), sum w (x - shift)^2 and the weights of non-zeros over rows start..stop-1.

    shift near the mean keeps the digits.
    """
    n_rows = subset.size if subset.size > 0 else X.shape[0]
    for position in range(start, min(stop, n_rows)):
        row = subset[position] if subset.size > 0 else position
        weight = weights[row] if weights.size > 0 else 1.0
        for j in range(shift.size):
            entry = X[row, j]
            distance = entry - shift[j]
            total[j] += weight * distance
            squares[j] += weight * distance * distance
            filled[j] += weight if entry != 0.0 else 0.0
