"""What a model is to learn from, whatever kind of targets it was."""

from typing import Any, NamedTuple

import numpy as np

from .._tails import Tails, squashed
from ..losses import Loss
from .validation_set import ValidationSet


class Targets(NamedTuple):
    """Targets, weights and loss, and what is to be remembered of them."""

    y: np.ndarray  # (n_rows, n_targets) float64 or float32; for a classifier class indices or labels in float32
    weight: np.ndarray  # (n_rows,) float64; empty: all rows count the same
    loss: Loss
    n_outputs: int
    validation: ValidationSet | None
    facts: dict[str, Any]  # that predictions, and further training, will need: classes, for one
    stratify: np.ndarray | None = None  # (n_rows,) class indices: a part that is held out has the same proportions

    def squashed(self, tails: Tails | None) -> "Targets":
        """The same with the columns of the validation set squashed."""
        rows = self.validation
        return self if rows is None else self._replace(validation=rows._replace(X=squashed(tails, rows.X)))
