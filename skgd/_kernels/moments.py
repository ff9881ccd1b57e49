"""Weighted mean and variance of every column in one pass over the data."""

from .epochs import n_rows_used


def moments(data, shift, total, squares, start, stop):
    """Add sum w (x - shift) and sum w (x - shift)^2 over rows start..stop-1; shift near the mean keeps the digits."""
    d = shift.size
    for position in range(start, min(stop, n_rows_used(data))):
        row = data.subset[position] if data.subset.size > 0 else position
        weight = data.weight[row] if data.weight.size > 0 else 1.0
        for j in range(d):
            distance = data.X[row, j] - shift[j]
            total[j] += weight * distance
            squares[j] += weight * distance * distance
