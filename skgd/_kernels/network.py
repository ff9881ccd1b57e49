"""Predictions and gradients of feed-forward networks: one product of matrices per layer, forwards and backwards."""

import numpy as np

from .._jit import inline, inline_with_blas
from .rows import xorshift
from .vectors import set_zero

NARROW = 32  # matrices of so few rows are summed up from those of their factors faster than BLAS does it
FEW_OUTPUTS = 8  # and of so few columns, lying on their side
HALF_BITS, LOW_BITS = 2.0**32, np.uint64(2**32 - 1)


# -- activations, of a matrix


def function(z):
    """The output of a unit: a name for the activation's own, which takes its place."""
    raise NotImplementedError


def slope(z, a):
    """The derivative: a name for the activation's own, which takes its place."""
    raise NotImplementedError


def activate(z, bias, a):
    """Fill a with the function of z + bias, which takes the place of z."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]
            a[i, j] = function(z[i, j])


def activate_in_place(z, bias, a):
    """Fill a, which is z as well, with the function of z + bias."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = function(a[i, j] + bias[j])


def differentiate(z, a, gradient, bias_gradient):
    """Multiply a gradient with the slope, and add its rows up."""
    for j in range(bias_gradient.size):
        bias_gradient[j] = 0.0
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            gradient[i, j] *= slope(z[i, j], a[i, j])
            bias_gradient[j] += gradient[i, j]


def differentiate_from_output(z, a, gradient, bias_gradient):
    """The same where the slope follows from the output."""
    for j in range(bias_gradient.size):
        bias_gradient[j] = 0.0
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            gradient[i, j] *= slope(np.nan, a[i, j])
            bias_gradient[j] += gradient[i, j]


# -- products of matrices


@inline
def add_to_rows(bias, z):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


@inline
def sum_rows(delta, total):
    set_zero(total)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            total[j] += delta[i, j]


@inline
def times_column(a, w, z):
    """Z = a w for a single output: a product that BLAS is slow at."""
    for i in range(a.shape[0]):
        total = a.dtype.type(0)  # a float literal would make it float64
        for j in range(a.shape[1]):
            total += a[i, j] * w[j, 0]
        z[i, 0] = total


@inline
def outer(delta, w, below):
    """Delta w' for a single output."""
    for i in range(below.shape[0]):
        for j in range(below.shape[1]):
            below[i, j] = delta[i, 0] * w[j, 0]


@inline
def sum_of_outer_products(a, b, total):
    """Total = a' b for an `a` of few columns, four rows at a time so that the total is seldom read and written."""
    m, n = a.shape[0], b.shape[1]
    set_zero(total.reshape(total.size))
    whole = m - m % 4
    for i in range(0, whole, 4):
        for k in range(0, a.shape[1] - 1, 2):  # two at once, which share what is read of b
            p, q, r, s = a[i, k], a[i + 1, k], a[i + 2, k], a[i + 3, k]
            t, u, v, w = a[i, k + 1], a[i + 1, k + 1], a[i + 2, k + 1], a[i + 3, k + 1]
            for j in range(n):
                total[k, j] += p * b[i, j] + q * b[i + 1, j] + r * b[i + 2, j] + s * b[i + 3, j]
                total[k + 1, j] += t * b[i, j] + u * b[i + 1, j] + v * b[i + 2, j] + w * b[i + 3, j]
        if a.shape[1] % 2 == 1:
            k = a.shape[1] - 1
            p, q, r, s = a[i, k], a[i + 1, k], a[i + 2, k], a[i + 3, k]
            for j in range(n):
                total[k, j] += p * b[i, j] + q * b[i + 1, j] + r * b[i + 2, j] + s * b[i + 3, j]
    for i in range(whole, m):
        for k in range(a.shape[1]):
            for j in range(n):
                total[k, j] += a[i, k] * b[i, j]


@inline_with_blas
def weight_gradients(a, delta, spare, grads):
    """Grads = a' delta."""
    n_in, n_out = grads.shape
    if n_in <= NARROW:
        sum_of_outer_products(a, delta, grads)
    elif n_out <= FEW_OUTPUTS and grads.size <= spare.size:
        turned = spare[: grads.size].reshape(n_out, n_in)
        sum_of_outer_products(delta, a, turned)
        for j in range(n_in):
            for k in range(n_out):
                grads[j, k] = turned[k, j]
    else:
        np.dot(a.T, delta, grads)


# -- the first layer


def first_product(features, rows, weights, a, z):
    """Z = a W for the standardised rows a: a name for that of dense or sparse rows, which takes its place."""
    raise NotImplementedError


def first_gradients(features, rows, a, delta, spare, grads):
    """Grads = a' delta, likewise."""
    raise NotImplementedError


@inline_with_blas
def product(a, weights, z):
    """Z = a W."""
    if z.shape[1] == 1:
        times_column(a, weights, z)
    else:
        np.dot(a, weights, z)


def dense_product(features, rows, weights, a, z):
    X, center, inverse_scale = features
    for i in range(rows.size):
        row = rows[i]
        for j in range(center.size):
            a[i, j] = (X[row, j] - center[j]) * inverse_scale[j]
    product(a, weights, z)


def dense_gradients(features, rows, a, delta, spare, grads):
    weight_gradients(a, delta, spare, grads)


def sparse_product(features, rows, weights, a, z):
    entries, columns, starts, _, inverse_scale = features
    for i in range(rows.size):
        set_zero(z[i])
        for at in range(starts[rows[i]], starts[rows[i] + 1]):
            column = columns[at]
            x, w = entries[at] * inverse_scale[column], weights[column]
            for j in range(w.size):
                z[i, j] += x * w[j]


def sparse_gradients(features, rows, a, delta, spare, grads):
    entries, columns, starts, _, inverse_scale = features
    set_zero(grads.reshape(grads.size))
    for i in range(rows.size):
        for at in range(starts[rows[i]], starts[rows[i] + 1]):
            column = columns[at]
            x, of_column = entries[at] * inverse_scale[column], grads[column]
            for j in range(of_column.size):
                of_column[j] += x * delta[i, j]


# What the first layer's names stand for.
DENSE_ROWS = {"first_product": dense_product, "first_gradients": dense_gradients}
SPARSE_ROWS = {"first_product": sparse_product, "first_gradients": sparse_gradients}


# -- dropout


@inline
def drop(a, mask, rate, random):
    """Set a share `rate` of the units to zero, others to a / (1 - rate) (Srivastava et al. 2014).

    The mask keeps by what each was multiplied.
    """
    limit, factor = np.uint64(rate * HALF_BITS), 1.0 / (1.0 - rate)
    flat, kept = a.reshape(a.size), mask.reshape(a.size)
    x = random[0]
    for i in range(a.size):
        if i % 2 == 0:  # a number has random bits for two
            x = xorshift(x)
        bits = x >> np.uint64(32) if i % 2 == 0 else x & LOW_BITS
        kept[i] = factor if bits >= limit else 0.0
    random[0] = x
    for i in range(a.size):
        flat[i] *= kept[i]


@inline
def undo_drop(a, mask, rate, gradient):
    """Let the gradient pass where units did, and give them their own size again."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            gradient[i, j] *= mask[i, j]
            a[i, j] *= 1.0 - rate


# -- the passes
#
# The workspace holds one after the other: the inputs a_k of all layers; where slopes don't follow from outputs, z_k of
# the hidden ones, which became them; with dropout its masks; and two matrices in turn for the way back.


@inline
def first_width(model):
    """Columns of a_0: none where sparse rows are read in place."""
    return model.sizes[0] if model.keeps_rows else 0


@inline
def n_inputs(model, n_layers):
    """Numbers of the inputs of so many layers for each row."""
    total = first_width(model)
    for layer in range(1, n_layers):
        total += model.sizes[layer]
    return total


@inline
def unit_matrices(model, work, m, layer):
    """Outputs a of the units before a layer, their inputs z and their mask: a itself where these aren't kept."""
    n, n_layers = model.sizes[layer], model.sizes.size - 1
    at, all_inputs = m * n_inputs(model, layer), m * n_inputs(model, n_layers)
    hidden = all_inputs - m * first_width(model)
    a = work[at : at + m * n].reshape(m, n)
    z = mask = a
    at += hidden
    if model.keeps_inputs:
        z = work[at : at + m * n].reshape(m, n)
        at += hidden
    if model.dropout.size > 0:
        mask = work[at : at + m * n].reshape(m, n)
    return z, a, mask


def network_forward(features, rows, model, params, work, raw):
    """Raw predictions of the given rows: a_0 = (x - center) / scale, a_k+1 = activation(a_k W_k + b_k)."""
    m, sizes = rows.size, model.sizes
    n_layers = sizes.size - 1
    n_in = first_width(model)
    a = work[: m * n_in].reshape(m, n_in)
    offset = 0
    for layer in range(n_layers):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        weights = params[offset : offset + n_in * n_out].reshape(n_in, n_out)
        bias = params[offset + n_in * n_out : offset + (n_in + 1) * n_out]
        offset += (n_in + 1) * n_out
        z, output, mask = raw, raw, raw
        if layer < n_layers - 1:
            z, output, mask = unit_matrices(model, work, m, layer + 1)
        if layer == 0:
            first_product(features, rows, weights, a, z)
        else:
            product(a, weights, z)
        if layer < n_layers - 1:
            model.activation(z, bias, output)
            if model.dropout.size > 0 and model.dropout[layer] > 0.0:
                drop(output, mask, model.dropout[layer], model.random)
        else:
            add_to_rows(bias, raw)
        a = output


def network_backward(features, rows, model, params, work, derivative, grads):
    """Gradient of the block's loss, layer by layer from the last (Rumelhart, Hinton and Williams 1986)."""
    m, sizes = rows.size, model.sizes
    n_layers = sizes.size - 1
    widest, spare_at = 0, m * n_inputs(model, n_layers)
    kept_besides = int(model.keeps_inputs) + int(model.dropout.size > 0)
    spare_at += kept_besides * (spare_at - m * first_width(model))
    for layer in range(1, n_layers):
        widest = max(widest, m * sizes[layer])
    offset, delta = params.size, derivative
    sum_rows(derivative, grads[offset - sizes[n_layers] :])
    for layer in range(n_layers - 1, -1, -1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        offset -= (n_in + 1) * n_out
        weights = params[offset : offset + n_in * n_out].reshape(n_in, n_out)
        of_weights = grads[offset : offset + n_in * n_out].reshape(n_in, n_out)
        spare = work[spare_at + layer % 2 * widest :]
        if layer == 0:
            n_in = first_width(model)
            first_gradients(features, rows, work[: m * n_in].reshape(m, n_in), delta, spare, of_weights)
            break
        z, a, mask = unit_matrices(model, work, m, layer)
        weight_gradients(a, delta, spare, of_weights)
        below = spare[: m * n_in].reshape(m, n_in)
        if n_out == 1:
            outer(delta, weights, below)
        else:
            np.dot(delta, weights.T, below)
        if model.dropout.size > 0 and model.dropout[layer - 1] > 0.0:
            undo_drop(a, mask, model.dropout[layer - 1], below)
        model.activation_derivative(z, a, below, grads[offset - n_in : offset])
        delta = below
