"""Predictions and gradients of linear models, raw = (x - center) / scale . w + b, for dense rows."""

from .._jit import inline


@inline
def coefficients(data, params, work):
    """Coefficients in the units of X, one row per output: w / scale."""
    d = data.X.shape[1]
    for k in range(params.size // (d + 1)):
        for j in range(d):
            work[k * d + j] = params[k * (d + 1) + j] * data.inverse_scale[j]


def linear_forward(data, rows, model, params, work, raw):
    """Raw predictions of the given rows. The mean is taken off each entry: folded into b it would cancel badly."""
    d = data.X.shape[1]
    coefficients(data, params, work)
    for i in range(rows.size):
        row = rows[i]
        for k in range(raw.shape[1]):
            z = params[k * (d + 1) + d]
            for j in range(d):
                z += (data.X[row, j] - data.center[j]) * work[k * d + j]
            raw[i, k] = z


def linear_backward(data, rows, model, params, work, derivative, grads):
    """Gradient of the block's loss: sum over its rows of d loss / d raw times the standardised row."""
    d = data.X.shape[1]
    grads[:] = 0
    for i in range(rows.size):
        row = rows[i]
        for k in range(derivative.shape[1]):
            slope = derivative[i, k]
            start = k * (d + 1)
            for j in range(d):
                grads[start + j] += slope * (data.X[row, j] - data.center[j])
            grads[start + d] += slope
    for k in range(derivative.shape[1]):
        start = k * (d + 1)
        for j in range(d):
            grads[start + j] *= data.inverse_scale[j]
        if not model.fit_intercept:
            grads[start + d] = 0
