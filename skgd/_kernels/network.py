"""Predictions and gradients of feed-forward networks: one product of matrices per layer, forwards and backwards."""

import numpy as np

from .._jit import inline, outline
from .matrices import matrix_at, multiply
from .rows import xorshift
from .vectors import set_zero

# Products whose result has so few rows, and enough columns, are summed up from outer products faster than BLAS does it:
MOST_ROWS, FEWEST_COLUMNS = 32, 16
ROWS_IN_CACHE = 16  # of a layer of common width, so that they are still in the first-level cache the second time
MOST_OUTPUTS = 8  # and those with so few columns, lying on their side
HALF_BITS, LOW_BITS = 2.0**32, np.uint64(2**32 - 1)


@inline
def set_all_zero(a):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = 0


@inline
def add_to_rows(bias, z):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


@inline
def add_rows(delta, start, stop, total):
    """Add some rows to the total, four at a time, to touch it seldom."""
    whole = stop - (stop - start) % 4
    for i in range(start, whole, 4):
        for j in range(total.size):
            total[j] += (delta[i, j] + delta[i + 1, j]) + (delta[i + 2, j] + delta[i + 3, j])
    for i in range(whole, stop):
        for j in range(total.size):
            total[j] += delta[i, j]


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
    m, n = gradient.shape
    set_zero(bias_gradient)
    for start in range(0, m, ROWS_IN_CACHE):
        stop = min(start + ROWS_IN_CACHE, m)
        for i in range(start, stop):
            for j in range(n):
                gradient[i, j] *= slope(z[i, j], a[i, j])
        add_rows(gradient, start, stop, bias_gradient)


# -- products of matrices


@inline
def times_column(a, w, z):
    """Z = a w for a single output: a product that BLAS is slow at."""
    for i in range(a.shape[0]):
        total = a.dtype.type(0)  # a float literal would make it float64
        for j in range(a.shape[1]):
            total += a[i, j] * w[j, 0]
        z[i, 0] = total


@inline
def back_through_column(a, delta, w, grads, below):
    """Grads = a' delta and below = delta w' for a single output."""
    m, n = a.shape
    set_all_zero(grads)
    for i in range(0, m - 3, 4):
        p, q, r, s = delta[i, 0], delta[i + 1, 0], delta[i + 2, 0], delta[i + 3, 0]
        for j in range(n):
            grads[j, 0] += (p * a[i, j] + q * a[i + 1, j]) + (r * a[i + 2, j] + s * a[i + 3, j])
            below[i, j], below[i + 1, j] = p * w[j, 0], q * w[j, 0]
            below[i + 2, j], below[i + 3, j] = r * w[j, 0], s * w[j, 0]
    for i in range(m - m % 4, m):
        for j in range(n):
            grads[j, 0] += delta[i, 0] * a[i, j]
            below[i, j] = delta[i, 0] * w[j, 0]


@inline
def add_four_products(a, b, i, k, total):
    """Add a[i..i+3, k] b[i..i+3] to row k of the total, which is read and written once for all four."""
    p, q, r, s = a[i, k], a[i + 1, k], a[i + 2, k], a[i + 3, k]
    for j in range(b.shape[1]):
        total[k, j] += p * b[i, j] + q * b[i + 1, j] + r * b[i + 2, j] + s * b[i + 3, j]


@inline
def add_sixteen_products(a, b, i, k, total):
    """The same for rows k..k+3 of the total, which share what is read of b."""
    p0, q0, r0, s0 = a[i, k], a[i + 1, k], a[i + 2, k], a[i + 3, k]
    p1, q1, r1, s1 = a[i, k + 1], a[i + 1, k + 1], a[i + 2, k + 1], a[i + 3, k + 1]
    p2, q2, r2, s2 = a[i, k + 2], a[i + 1, k + 2], a[i + 2, k + 2], a[i + 3, k + 2]
    p3, q3, r3, s3 = a[i, k + 3], a[i + 1, k + 3], a[i + 2, k + 3], a[i + 3, k + 3]
    for j in range(b.shape[1]):
        t, u, v, w = b[i, j], b[i + 1, j], b[i + 2, j], b[i + 3, j]
        total[k, j] += p0 * t + q0 * u + r0 * v + s0 * w
        total[k + 1, j] += p1 * t + q1 * u + r1 * v + s1 * w
        total[k + 2, j] += p2 * t + q2 * u + r2 * v + s2 * w
        total[k + 3, j] += p3 * t + q3 * u + r3 * v + s3 * w


@outline
def sum_of_outer_products(a, b, total):
    """Total = a' b for an `a` of few columns."""
    m, n_in = a.shape
    set_all_zero(total)
    for i in range(0, m - 3, 4):
        for k in range(0, n_in - 3, 4):
            add_sixteen_products(a, b, i, k, total)
        for k in range(n_in - n_in % 4, n_in):
            add_four_products(a, b, i, k, total)
    for i in range(m - m % 4, m):
        for k in range(n_in):
            for j in range(b.shape[1]):
                total[k, j] += a[i, k] * b[i, j]


@inline
def weight_gradients(gemm, a, delta, spare, grads):
    """Grads = a' delta."""
    n_in, n_out = grads.shape
    if n_in <= MOST_ROWS and n_out >= FEWEST_COLUMNS:
        sum_of_outer_products(a, delta, grads)
    elif n_out <= MOST_OUTPUTS and grads.size <= spare.size:
        turned = matrix_at(spare, 0, n_out, n_in)
        sum_of_outer_products(delta, a, turned)
        for j in range(n_in):
            for k in range(n_out):
                grads[j, k] = turned[k, j]
    else:
        multiply(gemm, a, True, delta, False, grads)


# -- the first layer


def first_product(gemm, features, rows, weights, a, z):
    """Z = a W for the standardised rows a: a name for that of dense or sparse rows, which takes its place."""
    raise NotImplementedError


def first_gradients(gemm, features, rows, a, delta, spare, grads):
    """Grads = a' delta, likewise."""
    raise NotImplementedError


@inline
def product(gemm, a, weights, z):
    """Z = a W."""
    if z.shape[1] == 1:
        times_column(a, weights, z)
    else:
        multiply(gemm, a, False, weights, False, z)


def dense_product(gemm, features, rows, weights, a, z):
    X, center, inverse_scale = features
    for i in range(rows.size):
        row = rows[i]
        for j in range(center.size):
            a[i, j] = (X[row, j] - center[j]) * inverse_scale[j]
    product(gemm, a, weights, z)


def dense_gradients(gemm, features, rows, a, delta, spare, grads):
    weight_gradients(gemm, a, delta, spare, grads)


def sparse_product(gemm, features, rows, weights, a, z):
    entries, columns, starts, _, inverse_scale = features
    for i in range(rows.size):
        set_zero(z[i])
        for at in range(starts[rows[i]], starts[rows[i] + 1]):
            column = columns[at]
            x, w = entries[at] * inverse_scale[column], weights[column]
            for j in range(w.size):
                z[i, j] += x * w[j]


def sparse_gradients(gemm, features, rows, a, delta, spare, grads):
    entries, columns, starts, _, inverse_scale = features
    set_all_zero(grads)
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
    x = random[0]
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if j % 2 == 0:  # a number has random bits for two
                x = xorshift(x)
            bits = x >> np.uint64(32) if j % 2 == 0 else x & LOW_BITS
            mask[i, j] = factor if bits >= limit else 0.0
            a[i, j] *= mask[i, j]
    random[0] = x


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
    a = matrix_at(work, at, m, n)
    z = mask = a
    at += hidden
    if model.keeps_inputs:
        z = matrix_at(work, at, m, n)
        at += hidden
    if model.dropout.size > 0:
        mask = matrix_at(work, at, m, n)
    return z, a, mask


def network_forward(features, rows, model, params, work, raw):
    """Raw predictions of the given rows: a_0 = (x - center) / scale, a_k+1 = activation(a_k W_k + b_k)."""
    m, sizes = rows.size, model.sizes
    n_layers = sizes.size - 1
    n_in = first_width(model)
    a = matrix_at(work, 0, m, n_in)
    offset = 0
    for layer in range(n_layers):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        weights = matrix_at(params, offset, n_in, n_out)
        bias = params[offset + n_in * n_out : offset + (n_in + 1) * n_out]
        offset += (n_in + 1) * n_out
        z, output, mask = raw, raw, raw
        if layer < n_layers - 1:
            z, output, mask = unit_matrices(model, work, m, layer + 1)
        if layer == 0:
            first_product(model.gemm, features, rows, weights, a, z)
        else:
            product(model.gemm, a, weights, z)
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
    of_bias = grads[offset - sizes[n_layers] :]
    set_zero(of_bias)
    add_rows(derivative, 0, m, of_bias)
    for layer in range(n_layers - 1, -1, -1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        offset -= (n_in + 1) * n_out
        weights = matrix_at(params, offset, n_in, n_out)
        of_weights = matrix_at(grads, offset, n_in, n_out)
        spare = work[spare_at + layer % 2 * widest : spare_at + (layer % 2 + 1) * widest]
        if layer == 0:
            n_in = first_width(model)
            first_gradients(model.gemm, features, rows, matrix_at(work, 0, m, n_in), delta, spare, of_weights)
            break
        z, a, mask = unit_matrices(model, work, m, layer)
        below = matrix_at(spare, 0, m, n_in)
        if n_out == 1:
            back_through_column(a, delta, weights, of_weights, below)
        else:
            weight_gradients(model.gemm, a, delta, spare, of_weights)
            multiply(model.gemm, delta, False, weights, True, below)
        if model.dropout.size > 0 and model.dropout[layer - 1] > 0.0:
            undo_drop(a, mask, model.dropout[layer - 1], below)
        model.activation_derivative(z, a, below, grads[offset - n_in : offset])
        delta = below


# -- what loops over batches call


def forward_by_pointer(features, rows, model, params, work, raw):
    model.forward(features, rows, model.layers, params, work, raw)


def backward_by_pointer(features, rows, model, params, work, derivative, grads):
    model.backward(features, rows, model.layers, params, work, derivative, grads)
