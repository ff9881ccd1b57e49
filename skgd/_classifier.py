"""What classifiers share: how they are fitted to classes, and to labels, and what they predict."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning

from ._containers import as_numpy
from ._partitions import by_blocks
from ._scores import Accuracy, scored_by_parts
from ._targets.classes import check_labels
from ._targets.classification import describe_classes
from ._targets.partitioned import ClassSurvey
from ._validation import StrOptions, available_if, fit_context, in_library_of
from ._warnings import warn_user
from .losses import CLASS_LOSSES, Loss, get_class_loss, get_label_loss


def _gives_probabilities(model: ClassifierFits) -> bool:
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

    _parameter_constraints: dict = {
        "loss": [StrOptions(CLASS_LOSSES), Loss],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    _takes_labels: bool = False  # whether rows may have any number of labels at once, a column of y each

    @property
    def _checks_of_y(self) -> dict:
        return {"y_numeric": False, "multi_output": self._takes_labels}

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
        X : array-like, data frame or sparse matrix of shape (n_rows, n_features)
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
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

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
        return self._fit(X, y, sample_weight, classes=classes, streaming=True)

    def _describe_targets(self, X, y, sample_weight, validation, classes, before, streaming):
        loss = self._make_loss()
        return describe_classes(self, X, y, sample_weight, validation, loss, classes, before, streaming)

    def _survey(self, y_like, dtype, classes, before):
        if y_like.ndim == 2 and y_like.shape[1] == 1:  # as in memory; the parts say nothing of it
            warn_user("y is a column, where classes are expected in one dimension", DataConversionWarning)
        return ClassSurvey(self._make_loss(), self.class_weight, before, classes, type(self).__name__)

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

    @by_blocks
    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Raw predictions.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; of a Dask collection predictions are one, too, lazy and block by block.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes) or (n_rows, n_labels)
            What the model gives before any link: of two classes, positive for the second one; else one column for
            each class or label. For log-loss they are log-odds and logits.
        """
        raw = self._raw_predictions(X)
        return self._like(X, raw[:, 0] if raw.shape[1] == 1 else raw)

    @by_blocks
    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class with the largest raw prediction, or all labels whose raw prediction is positive.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; of a Dask collection predictions are one, too, lazy and block by block.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_labels)
            Classes, of a Dask data frame a series with its index; or labels, 1 for those that a row has, else 0.
        """
        raw = self._raw_predictions(X)
        if self._training.loss.multilabel:
            return in_library_of(X, (raw > 0).astype(np.intp))
        return in_library_of(X, self.classes_[_predicted(raw)])

    @available_if(_gives_probabilities)
    @by_blocks
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the probabilities of the classes or labels, where the loss gives them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; of a Dask collection predictions are one, too, lazy and block by block.

        Returns
        -------
        ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Probabilities, in the order of ``classes_``. Those of classes sum to one, each of labels stands alone. Where
            rounding makes classes equally likely, the one that `predict` names is ahead by the last digit.
        """
        raw = self._raw_predictions(X)
        probabilities = self._training.loss.predict_proba(raw).astype(self._training.precision, copy=False)
        if not self._training.loss.multilabel:
            _tell_apart(probabilities, _predicted(raw))
        return in_library_of(X, probabilities)

    @available_if(_gives_probabilities)
    @by_blocks
    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the logarithms of the probabilities of the classes or labels, exact however small they are.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; of a Dask collection predictions are one, too, lazy and block by block.

        Returns
        -------
        ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Logarithms of probabilities, in the order of ``classes_``.
        """
        raw = self._raw_predictions(X)
        return self._like(X, self._training.loss.predict_log_proba(raw))

    def _like(self, X, predictions: np.ndarray) -> Any:
        """In the precision that the parameters have, as predictions of numbers are, and the library of X."""
        with np.errstate(over="ignore"):  # infinity is the nearest float32
            return in_library_of(X, predictions.astype(self._training.precision, copy=False))

    @scored_by_parts(Accuracy)
    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy of the predictions: the share of rows whose class, or all of whose labels, are predicted.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; of Dask collections the score is a number that isn't computed yet: ``float`` gets it.
        y : array-like of shape (n_rows,) or array-like or sparse matrix of shape (n_rows, n_labels)
            True classes, or labels.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights.

        Returns
        -------
        float
            Between 0 and 1.
        """
        from sklearn.metrics import accuracy_score  # when asked for: it takes long to import

        y = as_numpy(y, "y")
        if hasattr(self, "_training") and self._training.loss.multilabel:
            y = check_labels(y, "y")
        predicted = self.predict(X)
        if sample_weight is None and _are_whole(y) and _are_whole(predicted) and y.size == predicted.size > 0:
            return float(np.mean(predicted == y))  # scikit-learn looks at both for as long as a small fit takes
        y, weight = (in_library_of(X, array) for array in (y, as_numpy(sample_weight, "sample_weight")))
        return float(accuracy_score(y, predicted, sample_weight=weight))


def _are_whole(values: Any) -> TypeGuard[np.ndarray]:
    """Whether these are whole numbers in an array: there is nothing else to look for then."""
    return type(values) is np.ndarray and values.ndim == 1 and values.dtype.kind in "iub"


def _predicted(raw: np.ndarray) -> np.ndarray:
    """Numbers of the classes with the largest raw predictions."""
    return (raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else raw.argmax(axis=1)


def _tell_apart(probabilities: np.ndarray, predicted: np.ndarray) -> None:
    """Have the predicted class stand out by the last digit where others are exactly as likely."""
    first = probabilities.argmax(axis=1)
    rows = np.flatnonzero(first != predicted)
    rows = rows[probabilities[rows, first[rows]] == probabilities[rows, predicted[rows]]]
    probabilities[rows, predicted[rows]] = np.nextafter(
        probabilities[rows, predicted[rows]], probabilities.dtype.type(1)
    )
