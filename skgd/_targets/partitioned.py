"""Targets of rows that lie in parts: what each part tells of them, and how those of a part are encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._tails import squashed
from .._validation import SAFE_WEIGHTS_OF_PARTS, check_weights
from ..losses import Loss
from .classes import check_classes_or_labels, class_index, class_totals, label_indicator, unique_classes
from .classification import class_factors, classes_of, labels_of, loss_of
from .validation_set import ValidationSet, check_validation_set


@dataclass(frozen=True)
class Encoding:
    """From y and weights as users have them to targets and weights as kernels take them, for any part of the rows."""

    loss: Loss
    n_outputs: int
    facts: dict[str, Any]  # see Targets

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Targets of shape (n_rows, n_targets)."""
        raise NotImplementedError

    def weights(self, weight: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Weights of the rows (empty: all count the same)."""
        return weight


@dataclass(frozen=True)
class NumberEncoding(Encoding):
    """Numbers as they are."""

    n_targets: int
    dtype: np.dtype

    def targets(self, y):
        y = np.ascontiguousarray(y, dtype=self.dtype).reshape(len(y), -1)
        if y.shape[1] != self.n_targets:
            raise ValueError(f"y has {y.shape[1]} columns, in other parts {self.n_targets}")
        self.loss.check_targets(y)
        return y


@dataclass(frozen=True)
class ClassEncoding(Encoding):
    """Indices of classes, or labels as columns of 0 and 1."""

    factors: np.ndarray | None = None  # on the weights of each class

    def targets(self, y):
        y = check_classes_or_labels(y)
        if (y.ndim == 2) != self.loss.multilabel:
            raise ValueError("y holds labels, a column each, in some parts and classes in others")
        targets = (label_indicator if self.loss.multilabel else class_index)(y, self.facts["classes"])
        self.loss.check_targets(targets)
        return targets

    def weights(self, weight, targets):
        if self.factors is None:
            return weight
        of_rows = self.factors[targets[:, 0].astype(np.intp)]
        return of_rows * weight if weight.size else of_rows


class Found(NamedTuple):
    """What a part tells of classes: which there are, and the weight of each; labels have none."""

    classes: np.ndarray
    totals: np.ndarray


@dataclass(frozen=True)
class NumberSurvey:
    """Asks nothing of the parts: what numbers are is known beforehand."""

    loss: Loss
    y_ndim: int
    n_targets: int
    dtype: np.dtype

    needs_first_look = False
    known_beforehand = True

    def encoding(self, found: Sequence) -> NumberEncoding:
        """How the targets of all parts are encoded."""
        facts = {"one_target": self.y_ndim == 1 and not self.loss.has_output_axis}
        return NumberEncoding(self.loss, self.loss.n_outputs(self.n_targets), facts, self.n_targets, self.dtype)


@dataclass(frozen=True)
class ClassSurvey:
    """Asks the parts which classes they have."""

    loss: Loss
    class_weight: Any
    before: Any  # the training that goes on, or None
    classes: np.ndarray | None  # where they are known
    name: str  # of the estimator

    known_beforehand = False

    @property
    def needs_first_look(self) -> bool:
        """Whether weights of rows, and so means and deviations, are known only after a look at the classes."""
        return self.class_weight is not None

    def look(self, y: np.ndarray, weight: np.ndarray) -> Found:
        """The classes of a part."""
        y = check_classes_or_labels(y)
        if y.ndim == 2:
            return Found(np.arange(y.shape[1]), np.empty(0))
        classes = unique_classes(y)
        return Found(classes, class_totals(class_index(y, classes), weight, len(classes)))

    def encoding(self, found: Sequence[Found]) -> ClassEncoding:
        """How the targets of all parts are encoded."""
        labelled = not found[0].totals.size
        if any(labelled == bool(each.totals.size) for each in found):
            raise ValueError("y holds labels, a column each, in some parts and classes in others")
        loss = loss_of(self.loss, labelled, self.before, self.class_weight)
        known = None if self.before is None else self.before.facts["classes"]
        if labelled:
            columns = np.empty((0, max(len(each.classes) for each in found)))
            classes = labels_of(columns, self.classes, known)
            return ClassEncoding(loss, len(classes), {"classes": classes})
        there = np.unique(np.concatenate([each.classes for each in found]))
        classes = classes_of(there, self.classes, known, False, self.name)
        totals = np.zeros(len(classes))
        for each in found:
            at = class_index(each.classes, classes)[:, 0].astype(np.intp)
            totals[at] += each.totals
        factors, _ = class_factors(self.class_weight, classes, lambda: totals, None)
        n_outputs = 1 if len(classes) == 2 else len(classes)
        return ClassEncoding(loss, n_outputs, {"classes": classes}, factors)


def encoded_validation_set(estimator: Any, given: tuple, encoding: Encoding) -> ValidationSet:
    """The user's (X_val, y_val, sample_weight_val) in memory beside rows in parts."""
    rows = check_validation_set(estimator, given, lambda y_val: encoding.targets(np.asarray(y_val)))
    assert rows is not None
    return rows._replace(X=squashed(estimator._tails, rows.X), weight=encoding.weights(rows.weight, rows.y))


def check_part_of_weights(weight: Any, n_rows: int) -> np.ndarray:
    """Weights of a part as float64 (empty: there are none); in one part, but not in all, they may all be zero."""
    if weight is None:
        return np.empty(0)
    weight = check_weights(weight, n_rows)
    low, high = SAFE_WEIGHTS_OF_PARTS
    if weight.size and not (weight.max() < high and (weight.max() > low or weight.max() == 0)):
        raise ValueError(f"sample_weight reaches {weight.max():.3g}: rescale it, only proportions count")
    return weight
