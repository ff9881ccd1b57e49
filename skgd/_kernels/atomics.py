"""Numbers that several threads read and change at once, for which compiled code has its own instructions.

These stand for them (skgd._compile.intrinsics); as plain Python, for one thread alone, they say what they do.
"""


def load(numbers, at):
    """The number, and all that was written before who stored it did."""
    return numbers[at]


def store(numbers, at, value):
    """Set the number: who loads it sees all that was written before."""
    numbers[at] = value


def add(numbers, at, value):
    """Add to the number; both of the above."""
    numbers[at] += value


def replace(numbers, at, expected, value):
    """Set the number if it is what is expected; whether it was."""
    if numbers[at] != expected:
        return False
    numbers[at] = value
    return True


def give_way(address):
    """Let another thread have the core, by the function of the system that has this address."""
