"""Predictions and gradients of linear models, raw = (x - center) / scale . w + b, for dense rows.

Four rows go through each inner loop together: coefficients, means and gradients are loaded once for all four, which
halves the time. The mean is taken off each entry: folded into b it would cancel badly where it is large. Numbers of
rows are made unsigned: compiled code looks at signed ones whether they count from the end, for each of few rows.
"""

from collections.abc import Callable

import numpy as np

from .matrices import matrix_at, multiply, part_of
from .network import copy_dense_rows
from .vectors import add_into, set_zero

ROWS_AT_ONCE = 4


def four_of(rows, i):
    """The numbers of four rows."""
    return np.uint64(rows[i]), np.uint64(rows[i + 1]), np.uint64(rows[i + 2]), np.uint64(rows[i + 3])


def linear_forward(features, rows, model, params, work, raw):
    """Raw predictions of the given rows."""
    X, center, inverse_scale = features.X, features.center, features.inverse_scale
    d, m = X.shape[1], rows.size
    for k in range(raw.shape[1]):
        w = part_of(params, k * (d + 1), d + 1)
        intercept = w[d]
        for i in range(0, m - ROWS_AT_ONCE + 1, ROWS_AT_ONCE):
            row0, row1, row2, row3 = four_of(rows, i)
            z0 = z1 = z2 = z3 = intercept
            for j in range(d):
                coef = w[j] * inverse_scale[j]
                z0 += (X[row0, j] - center[j]) * coef
                z1 += (X[row1, j] - center[j]) * coef
                z2 += (X[row2, j] - center[j]) * coef
                z3 += (X[row3, j] - center[j]) * coef
            raw[i, k], raw[i + 1, k], raw[i + 2, k], raw[i + 3, k] = z0, z1, z2, z3
        i = m - m % ROWS_AT_ONCE
        if m - i >= 2:
            row0, row1 = np.uint64(rows[i]), np.uint64(rows[i + 1])
            z0 = z1 = intercept
            for j in range(d):
                coef = w[j] * inverse_scale[j]
                z0 += (X[row0, j] - center[j]) * coef
                z1 += (X[row1, j] - center[j]) * coef
            raw[i, k], raw[i + 1, k] = z0, z1
            i += 2
        if i < m:
            row, z = np.uint64(rows[i]), intercept
            for j in range(d):
                z += (X[row, j] - center[j]) * (w[j] * inverse_scale[j])
            raw[i, k] = z


def linear_backward(features, rows, model, params, work, derivatives, grads):
    """Gradient of the block's loss: sum over its rows of d loss / d raw times the standardised row.

    The rows that make no four come first, and one or two of them set the gradient: batches of two, which small
    learning rates take, go through it once.
    """
    X, center, inverse_scale = features.X, features.center, features.inverse_scale
    d, m = X.shape[1], rows.size
    first = m % ROWS_AT_ONCE
    for k in range(derivatives.shape[1]):
        gradient = part_of(grads, k * (d + 1), d + 1)
        if first >= 2:
            row0, row1 = np.uint64(rows[0]), np.uint64(rows[1])
            s0, s1 = derivatives[0, k], derivatives[1, k]
            for j in range(d):
                gradient[j] = (s0 * (X[row0, j] - center[j]) + s1 * (X[row1, j] - center[j])) * inverse_scale[j]
            gradient[d] = s0 + s1
        elif first == 1:
            row0, s0 = np.uint64(rows[0]), derivatives[0, k]
            for j in range(d):
                gradient[j] = s0 * (X[row0, j] - center[j]) * inverse_scale[j]
            gradient[d] = s0
        else:
            set_zero(gradient)
        if first == 3:
            row2, s2 = np.uint64(rows[2]), derivatives[2, k]
            for j in range(d):
                gradient[j] += s2 * (X[row2, j] - center[j]) * inverse_scale[j]
            gradient[d] += s2
        for i in range(first, m, ROWS_AT_ONCE):
            row0, row1, row2, row3 = four_of(rows, i)
            s0, s1, s2, s3 = derivatives[i, k], derivatives[i + 1, k], derivatives[i + 2, k], derivatives[i + 3, k]
            for j in range(d):
                gradient[j] += (
                    s0 * (X[row0, j] - center[j])
                    + s1 * (X[row1, j] - center[j])
                    + s2 * (X[row2, j] - center[j])
                    + s3 * (X[row3, j] - center[j])
                ) * inverse_scale[j]
            gradient[d] += s0 + s1 + s2 + s3
        if not model.trains_intercept:
            gradient[d] = 0


# -- several outputs, in full passes: the work holds a block of standardised rows, with a last column for the intercept


def forward_by_products(features, rows, model, params, work, raw):
    """Raw predictions of the given rows, Z W'."""
    d, m = features.center.size, rows.size
    Z = matrix_at(work, 0, m, d + 1)
    copy_dense_rows(features, rows, Z)
    for i in range(m):
        Z[i, d] = 1.0 if model.trains_intercept else 0.0
    multiply(model.gemm, Z, False, matrix_at(params, 0, raw.shape[1], d + 1), True, raw)


def add_gradient_by_products(features, rows, model, params, work, derivatives, grads, total):
    """Add the gradient of the rows' loss to the total."""
    m, width = rows.size, features.center.size + 1
    Z = matrix_at(work, 0, m, width)
    multiply(model.gemm, derivatives, True, Z, False, matrix_at(grads, 0, derivatives.shape[1], width))
    add_into(total, grads)


# What `evaluate` calls.
BY_PRODUCTS: dict[str, Callable] = {"forward": forward_by_products, "add_gradient": add_gradient_by_products}
