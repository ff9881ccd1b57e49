"""Weighted mean and variance of every column in one pass over the data."""


def moments(X, weights, subset, shift, total, squares, start, stop):
    """Add sum w (x - shift) and sum w (x - shift)^2 over rows start..stop-1; shift near the mean keeps the digits."""
    n_rows = subset.size if subset.size > 0 else X.shape[0]
    for position in range(start, min(stop, n_rows)):
        row = subset[position] if subset.size > 0 else position
        weight = weights[row] if weights.size > 0 else 1.0
        for j in range(shift.size):
            distance = X[row, j] - shift[j]
            total[j] += weight * distance
            squares[j] += weight * distance * distance
