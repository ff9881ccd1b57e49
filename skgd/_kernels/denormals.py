"""Numbers below the least normal one, with which many processors compute a hundred times as slowly.

Weights of units that no row activates any more are shrunk by the penalty until they are such numbers, and stay so, as
their running means do: six of a hundred units made epochs take ten times as long. Taken for zero they change nothing
that counts. An instruction that says so stands for the first function (skgd._compile.intrinsics), where there is one.
"""

KEEP = -1
FLUSHED = 0x8040  # of SSE's control register: what goes in, and what comes out


def exchange_control(mode):
    """Let this thread compute in another mode, or keep its own; what that was. Elsewhere there is but one."""
    return 0


def control(mode):
    return exchange_control(mode)
