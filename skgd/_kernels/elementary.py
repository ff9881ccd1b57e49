"""Exponentials and a logarithm in arithmetic that compilers turn into vector instructions, unlike library calls."""

import math

import numpy as np

INVERSE_LN2 = 1.4426950408889634
# ln 2 in two parts: the first ends in zeros, so that its product with a whole number is exact (Cody and Waite 1980)
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
LOWEST, HIGHEST = -708.0, 709.0  # beyond, the result is no normal number
EXPONENT_BIAS, EXPONENT_AT = 1023, 52  # where a float64 keeps its power of two
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13 = [1.0 / math.factorial(n) for n in range(2, 14)]

L3, L5, L7, L9, L11, L13, L15, L17, L19, L21, L23, L25, L27, L29, L31, L33 = [1.0 / n for n in range(3, 34, 2)]


def power_and_rest(x):
    """2^n and p with exp(x) = 2^n (1 + p): n is whole, and p = exp(r) - 1 for |r| <= ln(2) / 2 by Taylor's series."""
    x = max(min(np.float64(x), HIGHEST), LOWEST)  # also as plain Python, where arithmetic would stay in float32
    n = np.floor(x * INVERSE_LN2 + 0.5)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = ((((((C13 * r + C12) * r + C11) * r + C10) * r + C9) * r + C8) * r + C7) * r + C6
    p = ((((p * r + C5) * r + C4) * r + C3) * r + C2) * r * r + r
    return np.int64((np.int64(n) + EXPONENT_BIAS) << EXPONENT_AT).view(np.float64), p


def expm1(x):
    """exp(x) - 1, without loss of digits near zero."""
    if x != x:
        return x
    power, p = power_and_rest(x)
    return power * p + (power - 1.0)


def exp(x):
    """The exponential function, zero where that would be no normal number."""
    if x != x or x < LOWEST:
        return x if x != x else 0.0
    power, p = power_and_rest(x)
    return power * p + power


def log1p(x):
    """log(1 + x) for 0 <= x <= 1, without loss of digits near zero: 2 artanh(s) for s = x / (2 + x) by its series."""
    s = x / (2.0 + x)
    q = s * s
    p = (((((((L33 * q + L31) * q + L29) * q + L27) * q + L25) * q + L23) * q + L21) * q + L19) * q + L17
    p = (((((((p * q + L15) * q + L13) * q + L11) * q + L9) * q + L7) * q + L5) * q + L3) * q
    return 2.0 * s * p + 2.0 * s
