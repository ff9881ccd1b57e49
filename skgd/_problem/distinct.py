"""Few rows as what they say: every distinct row once, with its total weight, in an order that follows from the rows."""

import hashlib
import math

import numpy as np
from scipy import sparse

SHORT_ROW = 1_000  # columns up to which rows are copied to be compared: that is faster than digests


def distinct_rows(X, y: np.ndarray, weight: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the rows, and the numbers of the distinct ones among `rows` (empty: all).

    A row that is repeated and one that has as much weight say the same, and so do rows in another order. Sums over
    them differ by rounding alone, but rules that divide by the size of the gradient amplify it where gradients vanish:
    their steps stay as long. Data that say the same are therefore made the same, to the bit.
    """
    numbers = rows if len(rows) else np.arange(len(y))
    short = not sparse.issparse(X) and X.shape[1] <= SHORT_ROW
    keys = _copies(X, y, numbers) if short else _digests(X, y, numbers)
    _, first, which, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    weight = weight.copy() if weight.size else np.ones(len(y))
    for k in np.flatnonzero(counts > 1):
        # rounded once, as the product of a weight and a number of rows is
        weight[numbers[first[k]]] = math.fsum(weight[numbers[which == k]])
    return weight, numbers[first]


def _copies(X: np.ndarray, y: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The bytes of each row and its targets; adding 0.0 turns negative zeros into what they equal."""
    block = np.concatenate([X[numbers], y[numbers]], axis=1) + 0.0
    return block.view(f"V{block.shape[1] * block.itemsize}").ravel()


def _digests(X, y: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The same in 16 bytes for each row."""
    digests = []
    for i in numbers:
        digest = hashlib.blake2b((y[i] + 0.0).tobytes(), digest_size=16)
        if sparse.issparse(X):
            entries = slice(X.indptr[i], X.indptr[i + 1])
            digest.update(X.indices[entries].tobytes())
            digest.update((X.data[entries] + 0.0).tobytes())
        else:
            digest.update((X[i] + 0.0).tobytes())
        digests.append(digest.digest())
    return np.frombuffer(b"".join(digests), "V16")
