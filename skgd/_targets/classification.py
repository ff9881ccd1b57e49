"""What classifiers share: how they are fitted to classes, and to labels, and what they predict."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from .._validation import StrOptions, at_one_scale, check_sample_weight, fit_context
from ..losses import CLASS_LOSSES, Loss, get_class_loss, get_label_loss
from .classes import (
    balancing_factors,
    check_classes_or_labels,
    check_validation_labels,
    class_index,
    class_totals,
    given_factors,
    label_indicator,
    unique_classes,
)
from .validation_set import check_validation_set


def _gives_probabilities(model: "ClassifierFits") -> bool:
    """Whether the loss gives probabilities; the error says which do."""
    if hasattr(model, "_training"):
        loss = model._training.loss
    else:
        try:
            loss = model._make_loss()
        except ValueError:  # what is wrong shows in fit
            return False
    if not loss.gives_probabilities:
        raise AttributeError(f"{loss!r} gives no probabilities: loss='log_loss' and loss='modified_huber' do")
    return True


class ClassifierFits(ClassifierMixin):
    """`fit`, `partial_fit` and predictions; stands before a GradientDescentEstimator.

    That has `_raw_predictions(X)`, which returns an array of shape (n_rows, n_outputs).
    """

    _loss_constraints: dict = {"loss": [StrOptions(CLASS_LOSSES), Loss]}
    _weight_constraints: dict = {"class_weight": [dict, StrOptions({"balanced"}), None]}

    _takes_labels: bool = False  # whether rows may have any number of labels at once, a column of y each

    def _make_loss(self) -> Loss:
        return get_class_loss(self.loss)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features, not copied if C-ordered or CSR, float32 or float64.
        y : array-like of shape (n_rows,) or, for networks, also array-like or sparse matrix of shape (n_rows, n_labels)
            Classes, at least two; or any number of labels for a row at once, 1 where it has them, else 0.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, not negative; only their proportions count.
        X_val : array-like of shape (n_validation_rows, n_features), default=None
            Rows to validate on, instead of a part of X that is held out with ``early_stopping``. Without early
            stopping they are only watched: ``validation_curve_`` tells the loss on them.
        y_val : array-like of shape (n_validation_rows,) or (n_validation_rows, n_labels), default=None
            Their classes, which must be among those of y, or their labels.
        sample_weight_val : array-like of shape (n_validation_rows,), default=None
            Their weights; ``class_weight`` counts for them, too.

        Returns
        -------
        Self
            The fitted estimator itself.
        """
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), None, streaming=False)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Make one epoch over the given rows and go on where the last call ended.

        Optimizer state, schedule and standardization go on. A change of the running mean and standard deviation
        doesn't change the predictions, but for networks that have seen fewer than 100 rows. With
        ``class_weight="balanced"`` the factors follow from all rows seen so far.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.
        y : array-like of shape (n_rows,) or, for networks, also array-like or sparse matrix of shape (n_rows, n_labels)
            Classes, all of them among ``classes``; or labels, 1 where a row has them, else 0.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed in the first call. Labels need none: they are 0 to n_labels - 1.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, not negative.

        Returns
        -------
        Self
            The estimator itself.
        """
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, (None, None, None), classes, streaming=True)

    def _fit(self, X, y, sample_weight, validation, classes, streaming):
        X, y = self._check_training_data(X, y, streaming, y_numeric=False, multi_output=self._takes_labels)
        y = check_classes_or_labels(y)
        labelled = y.ndim == 2
        weight = check_sample_weight(sample_weight, X)
        loss = self._resolve_loss(labelled, streaming)
        self.classes_ = (self._resolve_labels if labelled else self._resolve_classes)(y, classes, streaming)

        encode = label_indicator if labelled else class_index
        targets = encode(y, self.classes_, X.dtype)
        loss.check_targets(targets)
        factors = self._class_factors(targets, weight, streaming)
        weight = _times_factors(weight, targets, factors, "sample_weight")

        def check_targets(y_val):
            y_val = check_validation_labels(y_val) if labelled else column_or_1d(y_val, warn=True)
            return encode(y_val, self.classes_, X.dtype)

        validation = check_validation_set(self, *validation, check_targets)
        if validation is not None:
            of_rows = _times_factors(validation.weight, validation.y, factors, "sample_weight_val")
            validation = validation._replace(weight=of_rows)
        n_outputs = 1 if len(self.classes_) == 2 and not labelled else len(self.classes_)
        # seldom do two rows have the same labels
        stratify = targets[:, 0] if self.early_stopping and not labelled else None
        self._train(X, targets, n_outputs, weight, loss, streaming=streaming, stratify=stratify, validation=validation)
        return self

    def _resolve_loss(self, labelled: bool, streaming: bool) -> Loss:
        loss = self._make_loss()
        if labelled and self.class_weight is not None:
            raise ValueError(
                "class_weight is for classes, and y holds labels, a column each: use sample_weight instead"
            )
        if self._continues(streaming) and self._training.loss.multilabel != labelled:
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

    def _resolve_labels(self, y, classes, streaming) -> np.ndarray:
        labels = np.arange(y.shape[1])
        known = self.classes_ if self._continues(streaming) else labels
        if len(known) != len(labels):
            raise ValueError(
                f"y has {len(labels)} columns, one for each label; in the calls before it had {len(known)}"
            )
        if classes is not None and not np.array_equal(np.asarray(classes), labels):
            raise ValueError(
                f"classes={classes!r} must be None or 0 to {len(labels) - 1}: labels have a column of y each"
            )
        return labels

    def _resolve_classes(self, y, classes, streaming) -> np.ndarray:
        known = self.classes_ if self._continues(streaming) else None
        if streaming and known is None and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit: all that will ever come")
        found = unique_classes(y if classes is None else np.asarray(classes))
        if known is not None:
            if classes is not None and not np.array_equal(known, found):
                raise ValueError(f"classes={found} differs from the classes of the calls before, {known}")
            found = known
        if len(found) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; {'the data' if classes is None else 'classes'} "
                f"contains only one class: {found[0]}"
            )
        return found

    def _class_factors(self, index, weight, streaming) -> np.ndarray | None:
        """Factor of every class on the weights of its rows."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, dict):
            return given_factors(self.class_weight, self.classes_)
        totals = class_totals(index, weight, len(self.classes_))
        if not streaming and not totals.all():
            raise ValueError(
                f"class_weight='balanced' can't balance the classes {self.classes_[totals == 0]}: the sample "
                "weights of their rows are all zero"
            )
        if self._continues(streaming) and streaming:
            totals += getattr(self, "_class_totals", 0.0)
        self._class_totals = totals
        return balancing_factors(totals)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._takes_labels and self.class_weight is None and self._has_label_loss()
        return tags

    def _has_label_loss(self) -> bool:
        try:
            return get_label_loss(self._make_loss()).multilabel
        except ValueError:  # a loss for classes alone, or one that fit will complain about
            return False

    # -- predictions

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Raw predictions.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes) or (n_rows, n_labels)
            What the model gives before any link: of two classes, positive for the second one; else one column for
            each class or label. For log-loss they are log-odds and logits.
        """
        raw = self._raw_predictions(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class with the largest raw prediction, or all labels whose raw prediction is positive.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_labels)
            Classes; or labels, 1 for those that a row has, else 0.
        """
        raw = self._raw_predictions(X)
        if self._training.loss.multilabel:
            return (raw > 0).astype(np.intp)
        index = (raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return self.classes_[index]

    @available_if(_gives_probabilities)
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the probabilities of the classes or labels, where the loss gives them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Probabilities, in the order of ``classes_``. Those of classes sum to one, each of labels stands alone.
        """
        raw = self._raw_predictions(X)
        return self._training.loss.predict_proba(raw)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the logarithms of the probabilities of the classes or labels, exact however small they are.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Logarithms of probabilities, in the order of ``classes_``.
        """
        raw = self._raw_predictions(X)
        return self._training.loss.predict_log_proba(raw)


def _times_factors(weight: np.ndarray, index: np.ndarray, factors: np.ndarray | None, name: str) -> np.ndarray:
    """Weights of rows times the factors of their classes."""
    if factors is None:
        return weight
    of_rows = factors[index[:, 0].astype(np.intp)]
    return at_one_scale(weight * of_rows if weight.size else of_rows, f"{name} times class_weight")
