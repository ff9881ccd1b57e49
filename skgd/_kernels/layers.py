"""What is done to the matrix of a layer's units, a row for each row of the data: biases, activations, dropout."""

import numpy as np

from .rows import xorshift

HALF_BITS, LOW_BITS = 2.0**32, np.uint64(2**32 - 1)


def add_to_rows(bias, z):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


def add_rows(delta, total):
    """Add the rows to the total, four at a time, to touch it seldom."""
    m = delta.shape[0]
    for i in range(0, m - 3, 4):
        for j in range(total.size):
            total[j] += (delta[i, j] + delta[i + 1, j]) + (delta[i + 2, j] + delta[i + 3, j])
    for i in range(m - m % 4, m):
        for j in range(total.size):
            total[j] += delta[i, j]


# -- activations


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
    """Multiply a gradient with the slope, and add its rows to that of the biases."""
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            gradient[i, j] *= slope(z[i, j], a[i, j])
    add_rows(gradient, bias_gradient)


# -- dropout


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


def undo_drop(a, mask, rate, gradient):
    """Let the gradient pass where units did, and give them their own size again."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            gradient[i, j] *= mask[i, j]
            a[i, j] *= 1.0 - rate


def enlarge(grads, factor, first, last, left, right):
    for i in range(first, last):
        for j in range(left, right):
            grads[i, j] *= factor
