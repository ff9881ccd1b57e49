"""Statistics of targets from which the constants follow that training starts from."""

import functools

import numpy as np

MOST_ROWS = 100_000  # beyond, quantiles of so many rows will do: they are where training starts
CHUNK_ROWS = 65_536


def sampled(y: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """At most so many rows of the targets, spread evenly, and their weights."""
    step = -(-len(y) // MOST_ROWS)
    if step > 1 and (weight is None or weight[::step].any()):
        y, weight = y[::step], None if weight is None else weight[::step]
    return y, np.ones(len(y)) if weight is None else weight


def weighted_quantile(y: np.ndarray, weight: np.ndarray | None, quantile: float) -> np.ndarray:
    """Smallest value of every column that has the share `quantile` of the weight at or below it."""
    y, weight = sampled(y, weight)
    found = np.empty(y.shape[1])
    for k in range(y.shape[1]):
        order = np.argsort(y[:, k], kind="stable")
        reached = np.cumsum(weight[order])
        at = np.searchsorted(reached, quantile * reached[-1])
        found[k] = y[order[min(at, len(y) - 1)], k]
    return found


def class_shares(y: np.ndarray, weight: np.ndarray | None, n_outputs: int) -> np.ndarray:
    """Share of the weight that every class has; one output is for two classes."""
    n_classes = max(n_outputs, 2)

    def of_part(start):  # bincount wants a copy as integers: of some rows at a time
        part = slice(start, start + CHUNK_ROWS)
        weights = None if weight is None else weight[part]
        return np.bincount(y[part, 0].astype(np.intp), weights=weights, minlength=n_classes)

    total = functools.reduce(np.add, map(of_part, range(0, len(y), CHUNK_ROWS)))
    return total / total.sum()
