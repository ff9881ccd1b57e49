"""Numbers below the least normal one, with which many processors compute a hundred times as slowly.

Weights of units that no row activates any more are shrunk by the penalty until they are such numbers, and stay so, as
their running means do: six of a hundred units made epochs take ten times as long. Taken for zero they change nothing
that counts. Instructions that say so stand for the first two functions (skgd._compile.intrinsics), where there are any.
"""


def flush_denormals():
    """Let this thread take them for zero; how it took them before."""
    return 0


def restore_denormals(mode):
    """Let it take them as it did before."""


def begin_flushing():
    return flush_denormals()


def end_flushing(mode):
    restore_denormals(mode)
