"""Vectors in loops: numba compiles these in a fraction of the seconds that `a[:] = b` and `a += b` take it."""

import numpy as np


def copy_into(target, source):
    for j in range(target.size):
        target[j] = source[j]


def add_into(target, source):
    for j in range(target.size):
        target[j] += source[j]


def subtract_from(target, source):
    for j in range(target.size):
        target[j] -= source[j]


def set_zero(target):
    for j in range(target.size):
        target[j] = 0


def set_all_zero(a):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = 0


def set_columns_zero(a, first, last):
    for i in range(a.shape[0]):
        for j in range(first, last):
            a[i, j] = 0


def dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


def largest(vector):
    """Largest absolute entry; NaN where there is one."""
    biggest = 0.0
    for j in range(vector.size):
        entry = abs(vector[j])
        if not entry <= biggest:
            biggest = entry
            if biggest != biggest:
                break
    return biggest


def clip(vector, norm):
    """Scale the vector down to a Euclidean norm of at most `norm`."""
    length = 0.0
    for j in range(vector.size):
        entry = float(vector[j])
        length += entry * entry
    length = np.sqrt(length)
    if length > norm:
        for j in range(vector.size):
            vector[j] *= norm / length
