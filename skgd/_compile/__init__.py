"""Everything that knows numba."""
