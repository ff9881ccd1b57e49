"""Few rows as what they say: every distinct row once, with its total weight, in an order that follows from the rows."""

import hashlib
import math
from collections import defaultdict
from typing import Any

import numpy as np
from scipy import sparse

MOST_ROWS = 64  # up to here an order of their own costs nothing beside the epochs


def is_one_batch(parameters: Any, kind: Any, n_rows: int) -> bool:
    """Whether every update by a rule sees all rows, and these are few. A line search cares for no last digits."""
    optimizer, batch_size = parameters.optimizer, parameters.batch_size
    searches_line = optimizer in ("auto", "lbfgs") if isinstance(optimizer, str) else optimizer.searches_line
    most = kind.few_rows if batch_size == "auto" else n_rows if batch_size is None else batch_size
    return not searches_line and n_rows <= min(most, MOST_ROWS)


def distinct_rows(
    X: np.ndarray | sparse.csr_matrix, y: np.ndarray, weight: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the rows, and the numbers of the distinct ones among `rows` (empty: all).

    A row that is repeated and one that has as much weight say the same, and so do rows in another order. Sums over
    them differ by rounding alone, but rules that divide by the size of the gradient amplify it where gradients vanish:
    their steps stay as long. Data that say the same are therefore made the same, to the bit.
    """
    numbers = rows if len(rows) else np.arange(len(y))
    weight = weight.copy() if weight.size else np.ones(len(y))
    alike = defaultdict(list)
    for i in numbers.tolist():
        alike[_digest(X, y, i)].append(i)
    distinct = []
    for _, same in sorted(alike.items()):
        distinct.append(same[0])
        weight[same[0]] = math.fsum(weight[same])  # rounded once, as a product by their number is
    return weight, np.array(distinct)


def _digest(X: Any, y: np.ndarray, i: int) -> bytes:
    """Short for all numbers of a row; sums with 0.0 turn negative zeros into what they equal."""
    if sparse.issparse(X):
        entries = slice(X.indptr[i], X.indptr[i + 1])
        numbers = X.indices[entries].tobytes() + (X.data[entries] + 0.0).tobytes()
    else:
        numbers = (X[i] + 0.0).tobytes()
    return hashlib.blake2b(numbers + (y[i] + 0.0).tobytes(), digest_size=16).digest()
