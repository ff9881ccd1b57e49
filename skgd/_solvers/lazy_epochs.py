"""Mini-batches of sparse rows that are worked on column by touched column: the arrays for it."""

from dataclasses import dataclass

import numpy as np

from .._kernels.structures import Batch, Column, Data, SparseFeatures
from .._problem.objective import FULL_PASS_ROWS
from .plan import Plan

MOST_ROWS_AT_ONCE = 65_536


@dataclass
class Lazy:
    """The arrays for lazy updates; averages take part in one update of so many, to cost no more than the rest."""

    batch: Batch
    average_every: int


def lazy_updates(data: Data, plan: Plan, n_outputs: int) -> Lazy | None:
    """What lazy updates need; None where the plan is to update all columns."""
    chance, features, optimizer, batch_size = plan.chances, data.features, plan.optimizer, plan.batch_size
    if chance is None:
        return None
    assert isinstance(features, SparseFeatures)
    d = features.center.size
    lengths = np.diff(features.indptr)
    lengths = lengths[data.subset] if data.subset.size else lengths
    most_entries = int(np.partition(lengths, len(lengths) - batch_size)[-batch_size:].sum())
    most_columns = 1 + min(most_entries, int((chance > 0).sum()))
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
    return Lazy(batch, average_every(chance, data.n_rows, batch_size))


def average_every(chance: np.ndarray, n_rows: int, batch_size: int) -> int:
    """Updates from one that averages take part in to the next."""
    return max(1, min(int(chance.size / float(chance.sum())), n_rows // batch_size))


def rows_at_once(features, batch_size: int) -> int:
    """Rows of a block in updates of all columns: so many that the work on entries outweighs that on columns."""
    mean_length = max(1.0, features.data.size / (features.indptr.size - 1))
    rows = max(FULL_PASS_ROWS, int(4 * features.center.size / mean_length))
    return min(batch_size, rows, MOST_ROWS_AT_ONCE)
