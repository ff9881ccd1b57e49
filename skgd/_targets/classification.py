"""From classes, and labels, to targets."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from .._parallel import n_threads
from .._validation import at_one_scale, check_sample_weight
from ..losses import Loss, get_label_loss
from .classes import (
    ENCODING_ROWS,
    balancing_factors,
    check_classes_or_labels,
    check_labels,
    class_index,
    class_totals,
    given_factors,
    label_indicator,
    unique_classes,
)
from .targets import Targets
from .validation_set import check_validation_set


def describe_classes(
    estimator: Any, X, y, sample_weight, validation: tuple, loss: Loss, classes, before: Any, streaming: bool
) -> Targets:
    """What a classifier is to learn from; before is the training that goes on, classes what `partial_fit` was given.

    validation is the triple (X_val, y_val, sample_weight_val).
    """
    y = check_classes_or_labels(y)
    labelled, workers = y.ndim == 2, n_threads(estimator.n_jobs)
    weight = check_sample_weight(sample_weight, X)
    loss = loss_of(loss, labelled, before, estimator.class_weight)
    known = None if before is None else before.facts["classes"]
    name = type(estimator).__name__
    classes = labels_of(y, classes, known) if labelled else classes_of(y, classes, known, streaming, name, workers)

    encode = label_indicator if labelled else functools.partial(class_index, n_threads=workers)
    targets = encode(y, classes)
    loss.check_targets(targets)
    facts = (before.facts if streaming and before is not None else {}) | {"classes": classes}
    earlier = facts.get("class_totals", 0.0) if streaming else None
    factors, totals = class_factors(
        estimator.class_weight, classes, lambda: class_totals(targets, weight, len(classes)), earlier
    )

    def check_targets(y_val):
        y_val = check_labels(y_val, "y_val") if labelled else column_or_1d(y_val, warn=True)
        return encode(y_val, classes)

    rows_to_look_at = check_validation_set(estimator, validation, check_targets)
    if rows_to_look_at is not None:
        of_rows = _times_factors(rows_to_look_at.weight, rows_to_look_at.y, factors, "sample_weight_val")
        rows_to_look_at = rows_to_look_at._replace(weight=of_rows)
    return Targets(
        y=targets,
        weight=_times_factors(weight, targets, factors, "sample_weight"),
        loss=loss,
        n_outputs=1 if len(classes) == 2 and not labelled else len(classes),
        validation=rows_to_look_at,
        facts=facts | ({} if totals is None else {"class_totals": totals}),
        stratify=None if labelled else targets[:, 0],  # seldom do two rows have the same labels
    )


def loss_of(loss: Loss, labelled: bool, before: Any, class_weight) -> Loss:
    """The loss for classes or for labels; an error where it, or the training that goes on, is for the other kind."""
    if labelled and class_weight is not None:
        raise ValueError("class_weight is for classes, and y holds labels, a column each: use sample_weight instead")
    if before is not None and before.loss.multilabel != labelled:
        now, then = ("labels", "classes") if labelled else ("classes", "labels")
        raise ValueError(
            f"training can't go on where it ended: it began with {then}, and now y holds {now}. Call fit with "
            "warm_start=False to begin anew"
        )
    if labelled:
        return get_label_loss(loss)
    if loss.multilabel:
        raise ValueError(f"loss={loss!r} is made for labels, y of shape (n_rows, n_labels); here y holds classes")
    return loss


def labels_of(y: np.ndarray, classes, known: np.ndarray | None) -> np.ndarray:
    labels = np.arange(y.shape[1])
    if known is not None and len(known) != len(labels):
        raise ValueError(f"y has {len(labels)} columns, one for each label; in the calls before it had {len(known)}")
    if classes is not None and not np.array_equal(np.asarray(classes), labels):
        raise ValueError(f"classes={classes!r} must be None or 0 to {len(labels) - 1}: labels have a column of y each")
    return labels


def classes_of(
    y: np.ndarray, classes, known: np.ndarray | None, streaming: bool, name: str, n_threads: int = 1
) -> np.ndarray:
    if streaming and known is None and classes is None:
        raise ValueError("classes must be given in the first call of partial_fit: all that will ever come")
    if known is not None:
        if classes is not None and not np.array_equal(known, found := unique_classes(np.asarray(classes))):
            raise ValueError(f"classes={found} differs from the classes of the calls before, {known}")
        return known
    found = unique_classes(y if classes is None else np.asarray(classes), n_threads)
    if len(found) < 2:
        raise ValueError(
            f"{name} needs at least two classes; {'the data' if classes is None else 'classes'} "
            f"contains only one class: {found[0]}"
        )
    return found


def class_factors(
    class_weight, classes, count: Callable[[], np.ndarray], earlier
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Factor of every class on the weights of its rows, and the weights seen so far, `earlier` ones of a stream.

    count() gives the total weight of every class.
    """
    if class_weight is None:
        return None, None
    if isinstance(class_weight, dict):
        return given_factors(class_weight, classes), None
    totals = count()
    if earlier is None and not totals.all():
        raise ValueError(
            f"class_weight='balanced' can't balance the classes {classes[totals == 0]}: the sample "
            "weights of their rows are all zero"
        )
    totals = totals if earlier is None else totals + earlier
    return balancing_factors(totals), totals


def _times_factors(weight: np.ndarray, index: np.ndarray, factors: np.ndarray | None, name: str) -> np.ndarray:
    """Weights of rows times the factors of their classes."""
    if factors is None:
        return weight
    of_rows = np.empty(len(index))
    for start in range(0, len(index), ENCODING_ROWS):  # to spare memory
        part = slice(start, start + ENCODING_ROWS)
        of_rows[part] = factors[index[part, 0].astype(np.intp)]
    if weight.size:
        of_rows *= weight
    return at_one_scale(of_rows, f"{name} times class_weight")
