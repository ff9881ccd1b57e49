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


def add_to_four_rows(total, k, b, i, factors):
    """Add to rows k..k+3 of the total rows i..i+3 of b, times four factors for each: read and written once for all."""
    p0, q0, r0, s0, p1, q1, r1, s1, p2, q2, r2, s2, p3, q3, r3, s3 = factors
    for j in range(b.shape[1]):
        t, u, v, w = b[i, j], b[i + 1, j], b[i + 2, j], b[i + 3, j]
        total[k, j] += p0 * t + q0 * u + r0 * v + s0 * w
        total[k + 1, j] += p1 * t + q1 * u + r1 * v + s1 * w
        total[k + 2, j] += p2 * t + q2 * u + r2 * v + s2 * w
        total[k + 3, j] += p3 * t + q3 * u + r3 * v + s3 * w


def block_of_four(a, i, k):
    """The rows of a 4 x 4 block, one after the other."""
    return (
        *(a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]),
        *(a[i + 1, k], a[i + 1, k + 1], a[i + 1, k + 2], a[i + 1, k + 3]),
        *(a[i + 2, k], a[i + 2, k + 1], a[i + 2, k + 2], a[i + 2, k + 3]),
        *(a[i + 3, k], a[i + 3, k + 1], a[i + 3, k + 2], a[i + 3, k + 3]),
    )


def turned_block_of_four(a, i, k):
    """Its columns."""
    return (
        *(a[i, k], a[i + 1, k], a[i + 2, k], a[i + 3, k]),
        *(a[i, k + 1], a[i + 1, k + 1], a[i + 2, k + 1], a[i + 3, k + 1]),
        *(a[i, k + 2], a[i + 1, k + 2], a[i + 2, k + 2], a[i + 3, k + 2]),
        *(a[i, k + 3], a[i + 1, k + 3], a[i + 2, k + 3], a[i + 3, k + 3]),
    )


def add_to_row(total, k, b, i, factor):
    for j in range(b.shape[1]):
        total[k, j] += factor * b[i, j]


def narrow_product(a, b, total):
    """Total = a b for an `a` of few columns and a wide b."""
    m, n = a.shape
    in_fours = n - n % 4
    set_all_zero(total)
    for i in range(0, m - 3, 4):
        for k in range(0, in_fours, 4):
            add_to_four_rows(total, i, b, k, block_of_four(a, i, k))
    for i in range(m):
        for k in range(in_fours if i < m - m % 4 else 0, n):
            add_to_row(total, i, b, k, a[i, k])


def sum_of_outer_products(a, b, total):
    """Total = a' b for an `a` of few columns."""
    m, n = a.shape
    in_fours = n - n % 4
    set_all_zero(total)
    for i in range(0, m - 3, 4):
        for k in range(0, in_fours, 4):
            add_to_four_rows(total, k, b, i, turned_block_of_four(a, i, k))
        for k in range(in_fours, n):
            for j in range(b.shape[1]):
                total[k, j] += (a[i, k] * b[i, j] + a[i + 1, k] * b[i + 1, j]) + (
                    a[i + 2, k] * b[i + 2, j] + a[i + 3, k] * b[i + 3, j]
                )
    for i in range(m - m % 4, m):
        for k in range(n):
            add_to_row(total, k, b, i, a[i, k])


def by_loops(n_in, n_out):
    """Whether gradients of so many weights are computed without BLAS."""
    return n_out <= MOST_OUTPUTS or (n_in <= MOST_ROWS and n_out >= FEWEST_COLUMNS)


def weight_gradients(products, a, delta, turned, grads):
    """Grads = a' delta."""
    n_in, n_out = grads.shape
    if n_in <= MOST_ROWS and n_out >= FEWEST_COLUMNS:
        products.outer(a, delta, grads)
    elif n_out <= MOST_OUTPUTS:
        products.outer(delta, a, turned)
        turn(turned, grads)
    else:
        multiply(products.gemm, a, True, delta, False, grads)


def product(products, a, weights, turned, z):
    """Z = a W."""
    if z.shape[1] <= MOST_OUTPUTS:
        turn(weights, turned)
        times_turned(a, turned, z)
    elif a.shape[1] <= MOST_ROWS and z.shape[1] * z.itemsize >= WIDE_BYTES:
        products.narrow(a, weights, z)
    else:
        multiply(products.gemm, a, False, weights, False, z)
