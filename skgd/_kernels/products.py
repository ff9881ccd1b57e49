"""Products of matrices: by BLAS, or by loops where few rows or columns on the one side meet many on the other."""

from .constants import MOST_OUTPUTS
from .matrices import multiply
from .vectors import set_all_zero

MOST_ROWS, FEWEST_COLUMNS, WIDE_BYTES = 40, 16, 512  # from where to where BLAS takes up to twice as long


def turn(a, turned):
    """Turned = a'."""
    for j in range(turned.shape[0]):
        for i in range(turned.shape[1]):
            turned[j, i] = a[i, j]


def times_turned(a, turned, z):
    """Z = a turned' for few outputs, four at a time, which share what is read of a."""
    n_out, n_in = turned.shape
    in_fours = n_out - n_out % 4
    for i in range(a.shape[0]):
        for k in range(0, in_fours, 4):
            p = q = r = s = a.dtype.type(0)  # a float literal would make them float64
            for j in range(n_in):
                p += a[i, j] * turned[k, j]
                q += a[i, j] * turned[k + 1, j]
                r += a[i, j] * turned[k + 2, j]
                s += a[i, j] * turned[k + 3, j]
            z[i, k], z[i, k + 1], z[i, k + 2], z[i, k + 3] = p, q, r, s
        for k in range(in_fours, n_out):
            p = a.dtype.type(0)
            for j in range(n_in):
                p += a[i, j] * turned[k, j]
            z[i, k] = p


def back_through_column(a, delta, w, grads, below):
    """Add a' delta to grads, and below = delta w', for a single output."""
    m, n = a.shape
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


def add_block(a, i, k, turns_a, b, total):
    """Add what a 4 x 4 block of `a` contributes to four rows of the total: read and written once for all four of b."""
    i1, i2, i3, k1, k2, k3 = i + 1, i + 2, i + 3, k + 1, k + 2, k + 3
    p0, q0, r0, s0 = a[i, k], a[i, k1], a[i, k2], a[i, k3]
    p1, q1, r1, s1 = a[i1, k], a[i1, k1], a[i1, k2], a[i1, k3]
    p2, q2, r2, s2 = a[i2, k], a[i2, k1], a[i2, k2], a[i2, k3]
    p3, q3, r3, s3 = a[i3, k], a[i3, k1], a[i3, k2], a[i3, k3]
    if turns_a:
        q0, r0, s0, r1, s1, s2, p1, p2, p3, q2, q3, r3 = p1, p2, p3, q2, q3, r3, q0, r0, s0, r1, s1, s2
        i, i1, i2, i3, k, k1, k2, k3 = k, k1, k2, k3, i, i1, i2, i3
    for j in range(b.shape[1]):
        t, u, v, w = b[k, j], b[k1, j], b[k2, j], b[k3, j]
        total[i, j] += p0 * t + q0 * u + r0 * v + s0 * w
        total[i1, j] += p1 * t + q1 * u + r1 * v + s1 * w
        total[i2, j] += p2 * t + q2 * u + r2 * v + s2 * w
        total[i3, j] += p3 * t + q3 * u + r3 * v + s3 * w


def add_to_row(total, k, b, i, factor):
    for j in range(b.shape[1]):
        total[k, j] += factor * b[i, j]


def product_by_loops(a, turns_a, b, total):
    """Total = a b, or a' b, for an `a` of few columns and a wide b."""
    m, n = a.shape
    in_fours = n - n % 4
    set_all_zero(total)
    for i in range(0, m - 3, 4):
        for k in range(0, in_fours, 4):
            add_block(a, i, k, turns_a, b, total)
        if turns_a:
            for k in range(in_fours, n):
                p, q, r, s = a[i, k], a[i + 1, k], a[i + 2, k], a[i + 3, k]
                for j in range(b.shape[1]):
                    total[k, j] += (p * b[i, j] + q * b[i + 1, j]) + (r * b[i + 2, j] + s * b[i + 3, j])
    for i in range(m):
        in_blocks = i < m - m % 4
        for k in range((n if turns_a else in_fours) if in_blocks else 0, n):
            row, of_b = (k, i) if turns_a else (i, k)
            add_to_row(total, row, b, of_b, a[i, k])


def by_loops(n_in, n_out):
    """Whether gradients of so many weights are computed without BLAS."""
    return n_out <= MOST_OUTPUTS or (n_in <= MOST_ROWS and n_out >= FEWEST_COLUMNS)


def weight_gradients(products, a, delta, turned, grads):
    """Grads = a' delta."""
    n_in, n_out = grads.shape
    if n_in <= MOST_ROWS and n_out >= FEWEST_COLUMNS:
        products.by_loops(a, True, delta, grads)
    elif n_out <= MOST_OUTPUTS:
        products.by_loops(delta, True, a, turned)
        turn(turned, grads)
    else:
        multiply(products.gemm, a, True, delta, False, grads)


def product(products, a, weights, turned, z):
    """Z = a W."""
    if z.shape[1] <= MOST_OUTPUTS:
        turn(weights, turned)
        times_turned(a, turned, z)
    elif a.shape[1] <= MOST_ROWS and z.shape[1] * z.itemsize >= WIDE_BYTES:
        products.by_loops(a, False, weights, z)
    else:
        multiply(products.gemm, a, False, weights, False, z)
