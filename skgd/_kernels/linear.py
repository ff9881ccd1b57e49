"""Predictions and gradients of linear models, raw = (x - center) / scale . w + b, for dense rows."""

from .._jit import inline
from .vectors import set_zero


@inline
def coefficients(inverse_scale, params, work):
    """Coefficients in the units of X, one row per output: w / scale."""
    d = inverse_scale.size
    for k in range(params.size // (d + 1)):
        for j in range(d):
            work[k * d + j] = params[k * (d + 1) + j] * inverse_scale[j]


def linear_forward(features, rows, model, params, work, raw):
    """Raw predictions of the given rows. The mean is taken off each entry: folded into b it would cancel badly."""
    X, center = features.X, features.center
    d = X.shape[1]
    coefficients(features.inverse_scale, params, work)
    for i in range(rows.size):
        row = rows[i]
        for k in range(raw.shape[1]):
            z = params[k * (d + 1) + d]
            for j in range(d):
                z += (X[row, j] - center[j]) * work[k * d + j]
            raw[i, k] = z


def linear_backward(features, rows, model, params, work, derivative, grads):
    """Gradient of the block's loss: sum over its rows of d loss / d raw times the standardised row."""
    X, center, inverse_scale = features
    d = X.shape[1]
    set_zero(grads)
    for i in range(rows.size):
        row = rows[i]
        for k in range(derivative.shape[1]):
            slope = derivative[i, k]
            start = k * (d + 1)
            for j in range(d):
                grads[start + j] += slope * (X[row, j] - center[j])
            grads[start + d] += slope
    for k in range(derivative.shape[1]):
        start = k * (d + 1)
        for j in range(d):
            grads[start + j] *= inverse_scale[j]
        if not model.fit_intercept:
            grads[start + d] = 0
