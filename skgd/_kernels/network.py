"""Predictions and gradients of feed-forward networks: one matrix product per layer, forwards and backwards."""

import numpy as np

from .._jit import inline
from .vectors import set_zero


@inline
def times_column(a, w, bias, z):
    """Z = a w + bias for a single output: a product that BLAS is slow at."""
    for i in range(a.shape[0]):
        total = bias
        for j in range(w.size):
            total += a[i, j] * w[j]
        z[i, 0] = total


@inline
def column_gradients(a, delta, grads):
    """Gradients a' delta of the weights of a single output, then the bias's, sum of delta."""
    n_in = a.shape[1]
    set_zero(grads)
    for i in range(a.shape[0]):
        slope = delta[i, 0]
        for j in range(n_in):
            grads[j] += slope * a[i, j]
        grads[n_in] += slope


@inline
def outer(delta, w, below):
    """Delta w' for a single output."""
    for i in range(below.shape[0]):
        slope = delta[i, 0]
        for j in range(w.size):
            below[i, j] = slope * w[j]


def network_forward(features, rows, model, params, work, raw):
    """Raw predictions of the given rows: a_0 = (x - center) / scale, a_k+1 = activation(a_k W_k + b_k).

    The first half of the workspace keeps the activations of all layers but the last for the way back.
    """
    X, center, inverse_scale = features
    m = rows.size
    sizes = model.sizes
    n_layers = sizes.size - 1
    a = work[: m * sizes[0]].reshape(m, sizes[0])
    for i in range(m):
        row = rows[i]
        for j in range(sizes[0]):
            a[i, j] = (X[row, j] - center[j]) * inverse_scale[j]
    offset, at = 0, 0  # where the layer's parameters and its input begin
    for layer in range(n_layers):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        bias = params[offset + n_in * n_out : offset + (n_in + 1) * n_out]
        at += m * n_in
        z = work[at : at + m * n_out].reshape(m, n_out) if layer < n_layers - 1 else raw
        if n_out == 1:
            times_column(a, params[offset : offset + n_in], bias[0], z)
        else:
            np.dot(a, params[offset : offset + n_in * n_out].reshape(n_in, n_out), z)
            for i in range(m):
                for j in range(n_out):
                    z[i, j] += bias[j]
        if layer < n_layers - 1:
            model.activation(z)
        offset += (n_in + 1) * n_out
        a = z


def network_backward(features, rows, model, params, work, derivative, grads):
    """Gradient of the block's loss, layer by layer from the last (Rumelhart, Hinton and Williams 1986)."""
    m = rows.size
    sizes = model.sizes
    n_layers = sizes.size - 1
    offset, at = params.size, 0
    for layer in range(n_layers):
        at += m * sizes[layer]
    spare = at  # behind the activations: the derivatives, in two places taken in turn
    widest = 0
    for layer in range(1, n_layers):
        widest = max(widest, m * sizes[layer])
    delta = derivative
    for layer in range(n_layers - 1, -1, -1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        offset -= (n_in + 1) * n_out
        at -= m * n_in
        a = work[at : at + m * n_in].reshape(m, n_in)
        if n_out == 1:
            column_gradients(a, delta, grads[offset : offset + n_in + 1])
        else:
            np.dot(a.T, delta, grads[offset : offset + n_in * n_out].reshape(n_in, n_out))
            bias = grads[offset + n_in * n_out : offset + (n_in + 1) * n_out]
            set_zero(bias)
            for i in range(m):
                for j in range(n_out):
                    bias[j] += delta[i, j]
        if layer > 0:
            start = spare + (layer % 2) * widest
            below = work[start : start + m * n_in].reshape(m, n_in)
            if n_out == 1:
                outer(delta, params[offset : offset + n_in], below)
            else:
                np.dot(delta, params[offset : offset + n_in * n_out].reshape(n_in, n_out).T, below)
            model.activation_derivative(a, below)
            delta = below
