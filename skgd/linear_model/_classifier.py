"""What linear classifiers share."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from .._engine import auto
from .._validation import StrOptions, at_one_scale, check_sample_weight, fit_context
from .._validation_set import check_validation_set
from ..losses import LogLoss, Loss
from ..optimizers import SGD
from ._base import LinearEstimator
from ._classes import balancing_factors, class_index, class_totals, given_factors, unique_classes


def _gives_probabilities(model: "LinearClassifier") -> bool:
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


class LinearClassifier(ClassifierMixin, LinearEstimator):
    """Parameters, fits and predictions of classifiers whose raw predictions are linear in the features."""

    _parameter_constraints: dict = LinearEstimator._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
        *,
        optimizer="auto",
        learning_rate="auto",
        schedule="constant",
        penalty="l2",
        alpha=1e-4,
        l1_ratio=0.15,
        fit_intercept=True,
        standardize="auto",
        batch_size="auto",
        max_iter=3000,
        tol="auto",
        criterion="objective",
        n_iter_no_change=3,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        average=False,
        clip_norm=None,
        class_weight=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        n_jobs=None,
    ):
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.criterion = criterion
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.average = average
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _make_loss(self) -> Loss:
        return LogLoss()

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
        y : array-like of shape (n_rows,)
            Classes, at least two.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, not negative; only their proportions count.
        X_val : array-like of shape (n_validation_rows, n_features), default=None
            Rows to validate on, instead of a part of X that is held out with ``early_stopping``. Without early
            stopping they are only watched: ``validation_curve_`` tells the loss on them.
        y_val : array-like of shape (n_validation_rows,), default=None
            Their classes, which must be among those of y.
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
        doesn't change the predictions. With ``class_weight="balanced"`` the factors follow from all rows seen so far.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.
        y : array-like of shape (n_rows,)
            Classes; all of them must be among ``classes``.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed in the first call.
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
        X, y = self._check_training_data(X, y, streaming, y_numeric=False)
        if y.dtype.kind not in "iub":  # whole numbers are classes
            check_classification_targets(y)
        weight = check_sample_weight(sample_weight, X)
        loss = self._make_loss()
        self.classes_ = self._resolve_classes(y, classes, streaming)
        index = class_index(y, self.classes_, X.dtype)
        loss.check_targets(index)
        factors = self._class_factors(index, weight, streaming)
        weight = _times_factors(weight, index, factors, "sample_weight")

        def check_targets(y_val):
            return class_index(column_or_1d(y_val, warn=True), self.classes_, X.dtype)

        validation = check_validation_set(self, *validation, check_targets)
        if validation is not None:
            of_rows = _times_factors(validation.weight, validation.y, factors, "sample_weight_val")
            validation = validation._replace(weight=of_rows)
        n_outputs = 1 if len(self.classes_) == 2 else len(self.classes_)
        stratify = y if self.early_stopping else None
        self._train(X, index, n_outputs, weight, loss, streaming=streaming, stratify=stratify, validation=validation)
        return self

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

    def _resolve_optimizer(self, n_rows, streaming, before):
        by_itself = isinstance(self.optimizer, str) and self.optimizer == "auto"
        if by_itself and not streaming and self._make_loss().trivial_optimum:
            return SGD()  # small steps, as there is nothing to see at the optimum
        return super()._resolve_optimizer(n_rows, streaming, before)

    def _auto_batch_size(self, X, n_rows, n_outputs, optimizer, loss, streaming):
        if loss.trivial_optimum:  # all rows at once would lead to it
            return min(auto.MINI_BATCH, max(1, n_rows // 4))
        return super()._auto_batch_size(X, n_rows, n_outputs, optimizer, loss, streaming)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Raw predictions.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes)
            X coef_' + intercept_: of two classes, positive for the second one; else one column for each class. For
            log-loss they are log-odds and logits.
        """
        raw = self._raw_predictions(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class with the largest raw prediction.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,)
            Classes.
        """
        raw = self._raw_predictions(X)
        index = (raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return self.classes_[index]

    @available_if(_gives_probabilities)
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the probabilities of the classes, where the loss gives them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        raw = self._raw_predictions(X)
        return self._training.loss.predict_proba(raw)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the logarithms of the probabilities of the classes, exact however small they are.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
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
