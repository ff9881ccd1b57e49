"""Views and products of matrices, for which compiled code has shorter ways (skgd._compile.intrinsics)."""

import numpy as np


def matrix_at(vector, start, n_rows, n_columns):
    """The matrix that lies row by row in a vector from `start` on."""
    return vector[start : start + n_rows * n_columns].reshape(n_rows, n_columns)


def part_of(array, start, count):
    """So many entries of a vector, or rows of a matrix, from `start` on, which are all there."""
    return array[start : start + count]


def multiply(gemm, a, turns_a, b, turns_b, c):
    """C = a b, with a or b transposed on request; gemm is the address of BLAS's product, for compiled code."""
    np.matmul(a.T if turns_a else a, b.T if turns_b else b, out=c)


def multiply_by_loops(gemm, a, turns_a, b, turns_b, c):
    """The same without BLAS."""
    inner = a.shape[0] if turns_a else a.shape[1]
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            c[i, j] = 0
        for k in range(inner):
            factor = a[k, i] if turns_a else a[i, k]
            for j in range(c.shape[1]):
                c[i, j] += factor * (b[j, k] if turns_b else b[k, j])
