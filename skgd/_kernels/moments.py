"""Weighted mean, variance and share of non-zeros of every column in one pass over the data.

Four rows go through the inner loop together: the sums are loaded and stored once for all four.
"""

import numpy as np

from .constants import LEAST_SQUARE, LOST_SHARE, TINY

ROWS_AT_ONCE = 4


def moments(X, weights, subset, shift, total, squares, filled, start, stop):
    """Add sum w (x - shift), sum w (x - shift)^2 and the weights of non-zeros over rows start..stop-1.

    shift near the mean keeps the digits.
    """
    stop = min(stop, subset.size if subset.size > 0 else X.shape[0])
    for position in range(start, stop - ROWS_AT_ONCE + 1, ROWS_AT_ONCE):
        row0, row1, row2, row3 = position, position + 1, position + 2, position + 3
        if subset.size > 0:
            row0, row1, row2, row3 = subset[position], subset[position + 1], subset[position + 2], subset[position + 3]
        w0 = w1 = w2 = w3 = 1.0
        if weights.size > 0:
            w0, w1, w2, w3 = weights[row0], weights[row1], weights[row2], weights[row3]
        for j in range(shift.size):
            x0, x1, x2, x3 = X[row0, j], X[row1, j], X[row2, j], X[row3, j]
            d0, d1, d2, d3 = x0 - shift[j], x1 - shift[j], x2 - shift[j], x3 - shift[j]
            total[j] += w0 * d0 + w1 * d1 + w2 * d2 + w3 * d3
            squares[j] += w0 * d0 * d0 + w1 * d1 * d1 + w2 * d2 * d2 + w3 * d3 * d3
            filled[j] += (
                (w0 if x0 != 0.0 else 0.0)
                + (w1 if x1 != 0.0 else 0.0)
                + (w2 if x2 != 0.0 else 0.0)
                + (w3 if x3 != 0.0 else 0.0)
            )
    for position in range(stop - max(stop - start, 0) % ROWS_AT_ONCE, stop):
        row = subset[position] if subset.size > 0 else position
        weight = weights[row] if weights.size > 0 else 1.0
        for j in range(shift.size):
            entry = X[row, j]
            distance = entry - shift[j]
            total[j] += weight * distance
            squares[j] += weight * distance * distance
            filled[j] += weight if entry != 0.0 else 0.0


def deviation_of_both(share, distance, deviation, of_others):
    """Standard deviation of two sets of rows together, the others a share of all, with means so far apart.

    By Chan, Golub and LeVeque (1983), safe from overflow.
    """
    unit = np.maximum(np.maximum(deviation, of_others), np.maximum(np.abs(distance), TINY))
    one, other, apart = deviation / unit, of_others / unit, distance / unit
    return unit * np.sqrt((1 - share) * one * one + share * other * other + share * (1 - share) * apart * apart)


def merge_rows(X, weights, subset, weight, weight_before, mean, std, filled, work):
    """Take rows, of this weight in all, into the moments of others; False, and nothing done, where digits are lost.

    work has four rows of the size of a row of X.
    """
    n_rows, d = subset.size if subset.size > 0 else X.shape[0], X.shape[1]
    shift, total, squares, counts = work[0], work[1], work[2], work[3]
    for j in range(d):
        shift[j] = X[subset[0] if subset.size > 0 else 0, j]  # exact for constant columns
        total[j] = squares[j] = counts[j] = 0.0
    moments(X, weights, subset, shift, total, squares, counts, 0, n_rows)
    for j in range(d):
        distance, square = total[j] / weight, squares[j] / weight
        constant = total[j] == 0.0 and squares[j] == 0.0
        if constant:  # unless the squares of what cancels out are too small
            for position in range(n_rows):
                constant = constant and X[subset[position] if subset.size > 0 else position, j] == shift[j]
        holds = square >= LEAST_SQUARE and square < np.inf and square - distance * distance >= LOST_SHARE * square
        if not (constant or holds):
            return False
    share = weight / (weight_before + weight)
    for j in range(d):
        of_rows = total[j] / weight
        deviation = np.sqrt(max(squares[j] / weight - of_rows * of_rows, 0.0))
        distance = shift[j] + of_rows - mean[j]
        std[j] = deviation_of_both(share, distance, std[j], deviation)
        mean[j] += share * distance
        filled[j] = (1 - share) * filled[j] + share * (counts[j] / weight)
    return True
