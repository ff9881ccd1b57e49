"""Loops in plain Python: arrays in, arrays out. skgd._compile compiles them, with what they call of each other."""
