"""Quantiles of targets, where training starts for losses that are robust."""

import numpy as np

MOST_ROWS = 100_000  # beyond, quantiles of so many rows will do: they are where training starts


def weighted_quantile(y: np.ndarray, weight: np.ndarray | None, quantile: float) -> np.ndarray:
    """Smallest value of every column that has the share `quantile` of the weight at or below it."""
    step = -(-len(y) // MOST_ROWS)
    if step > 1 and (weight is None or weight[::step].any()):
        y, weight = y[::step], None if weight is None else weight[::step]
    weight = np.ones(len(y)) if weight is None else weight
    found = np.empty(y.shape[1])
    for k in range(y.shape[1]):
        order = np.argsort(y[:, k], kind="stable")
        reached = np.cumsum(weight[order])
        at = np.searchsorted(reached, quantile * reached[-1])
        found[k] = y[order[min(at, len(y) - 1)], k]
    return found
