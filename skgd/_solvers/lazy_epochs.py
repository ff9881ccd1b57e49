"""When mini-batches of sparse rows are worked on column by touched column, and the arrays for it."""

from dataclasses import dataclass

import numpy as np

from .._compile.kernels import kernel
from .._kernels.structures import Batch, Column, Data, SparseFeatures
from .._problem.objective import FULL_PASS_ROWS
from ..optimizers import Optimizer

# Of a column that a batch touches the gathering costs as much as so many columns of a plain update of them all.
COST_OF_TOUCHING = 8
MOST_ROWS_AT_ONCE = 65_536


@dataclass
class Lazy:
    """The arrays for lazy updates; averages take part in one update of so many, to cost no more than the rest."""

    batch: Batch
    average_every: int


def lazy_updates(data: Data, batch_size: int, n_outputs: int, optimizer: Optimizer) -> Lazy | None:
    """What lazy updates need, or None where updates of all columns are as fast or the rule needs them all."""
    features = data.features
    if not isinstance(features, SparseFeatures) or batch_size >= data.n_rows or optimizer.follows_path:
        return None
    d = features.center.size
    largest, count = np.zeros(d), np.zeros(d, np.int64)
    kernel("largest_entries", features.data.dtype, index=features.indices.dtype)(
        features, data.weight, data.subset, largest, count, 0, data.n_rows
    )
    with np.errstate(divide="ignore"):
        chance = -np.expm1(batch_size * np.log1p(-count / data.n_rows))
    chance[0] = 1.0  # column 0 is in every batch
    touched = float(chance.sum())
    if COST_OF_TOUCHING * touched >= d:
        return None
    lengths = np.diff(features.indptr)
    lengths = lengths[data.subset] if data.subset.size else lengths
    most_entries = int(np.partition(lengths, len(lengths) - batch_size)[-batch_size:].sum())
    most_columns = 1 + min(most_entries, int((count > 0).sum()))
    size = n_outputs * (most_columns + 1)
    columns = np.empty(d, Column)
    columns["inverse_scale"] = features.inverse_scale
    columns["rarity"] = 1 / np.where(chance > 0, chance, 1)
    columns["place"] = -1
    batch = Batch(
        columns=columns,
        touched=np.empty(most_columns, np.uint64),
        values=np.empty(most_entries),
        places=np.empty(most_entries, np.uint64),
        starts=np.empty(batch_size + 1, np.int64),
        rarity=np.empty(most_columns),
        params=np.empty(size),
        grads=np.empty(size),
        slots=np.empty(optimizer.n_slots * size),
        side=np.empty(size),
        penalised=np.empty(size),
        l1_counts=np.empty(size),
        anchor=np.empty(size if optimizer.variance_reduced else 0),
        correction=np.empty(size if optimizer.variance_reduced else 0),
    )
    return Lazy(batch, max(1, min(int(d / touched), data.n_rows // batch_size)))


def rows_at_once(features, batch_size: int) -> int:
    """Rows of a block in updates of all columns: so many that the work on entries outweighs that on columns."""
    mean_length = max(1.0, features.data.size / (features.indptr.size - 1))
    rows = max(FULL_PASS_ROWS, int(4 * features.center.size / mean_length))
    return min(batch_size, rows, MOST_ROWS_AT_ONCE)
