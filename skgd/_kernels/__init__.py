"""Compiled kernels: arrays in, arrays out. Imported by the first fit, because they import numba."""
