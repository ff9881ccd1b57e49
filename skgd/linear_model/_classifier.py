"""Logistic regression."""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from .._validation import StrOptions, at_one_scale, check_sample_weight, fit_context
from ..losses import LogLoss
from ._base import LinearEstimator

ENCODING_ROWS = 65_536  # rows whose classes are looked up at once, to spare memory


class GDLogisticClassifier(ClassifierMixin, LinearEstimator):
    """Logistic regression by gradient descent, binary and multinomial.

    Minimises, with weights s_i that sum to one and classes c_i,

        sum_i s_i log_loss(x_i W' + b, c_i) + alpha penalty(W)

    where W are the coefficients of standardised features and the intercepts b are free. Two classes have one row
    of coefficients and log_loss(z, c) = log(1 + exp(z)) - c z; K > 2 classes have K rows and
    log_loss(z, c) = log(sum_k exp(z_k)) - z_c. X may be sparse: see :mod:`skgd.linear_model`.

    Parameters
    ----------
    optimizer : str or Optimizer, default="auto"
        "auto": accelerated gradient descent on all rows; with a mini-batch size Nesterov's momentum, in
        ``partial_fit`` AdaGrad. Else one of "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam",
        "amsgrad", "adamw", "nadam", "lion", or an object from :mod:`skgd.optimizers`.
    learning_rate : float or "auto", default="auto"
        Step size, positive, for standardised features. "auto" is the optimizer's own ``learning_rate`` if it has one,
        else follows from the curvature of the data where the optimizer's steps are proportional to the
        gradient, else is the optimizer's customary one; it is reduced if the fit diverges.
    schedule : str, Schedule or callable, default="constant"
        Factor on the learning rate over epochs: "constant", "invscaling", "step", "exponential", "cosine",
        "one_cycle", "plateau", an object from :mod:`skgd.schedules`, or a function from an array of times in
        epochs to an array of factors.
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
        "l2": 1/2 |W|^2; "l1": |W|_1, which makes coefficients exactly zero; "elasticnet": the sum of l1_ratio times the
        second and 1 - l1_ratio times the first. None: no penalty.
    alpha : float, default=1e-4
        Strength of the penalty, not negative.
    l1_ratio : float in [0, 1], default=0.15
        Share of the L1 part in "elasticnet": 0 is L2, 1 is L1.
    fit_intercept : bool, default=True
        Whether to fit b. Without it features are scaled, not centred.
    standardize : bool, "max_abs" or "auto", default="auto"
        Whether to train on (x - mean) / std, without a copy of X. Sparse X is scaled only: the free intercept makes up
        for the means, and the solution is that of the same data held dense. "max_abs": train on x / max |x|. "auto"
        is True for dense X and "max_abs" for sparse X, since unit variance blows rare columns up.
    batch_size : int, None or "auto", default="auto"
        Rows per update, at least 1; more than there are means all. None is all rows. "auto" is all rows for the
        optimizer "auto", for up to 512 rows if the learning rate follows from the data, and for up to 64; else 16.
    max_iter : int, default=3000
        Largest number of epochs, at least 1.
    tol : float, "auto" or None, default="auto"
        Tolerance of the criterion, not negative. "auto" is 1e-6 at full batch, where an epoch is a single step, else
        3e-4. None runs all epochs.
    criterion : {"objective", "gradient", "step"}, default="objective"
        "objective": stop after ``n_iter_no_change`` epochs in which the objective had, relatively, no more than ``tol``
        to gain: at full batch by what its last changes leave to come (Aitken's extrapolation), for mini-batches by
        the best mean over an epoch so far. "gradient": stop when the largest absolute entry of the objective's full
        gradient, in standardised units, is at most ``tol``. "step": stop after ``n_iter_no_change`` epochs that
        change no parameter by more than ``tol``.
    n_iter_no_change : int, default=5
        Epochs that count as a standstill, at least 1.
    shuffle : bool, default=True
        Whether every epoch visits the rows in another order. Full batches need none.
    early_stopping : bool, default=False
        Whether to hold out a part of the data, stop when its loss hasn't improved for ``n_iter_no_change`` epochs,
        and keep the parameters that were best on it. ``criterion`` doesn't count then.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows held out for early stopping.
    average : bool or int, default=False
        Whether to keep the mean of the parameters over all updates (Polyak), True: from the second epoch on, an
        integer: after so many updates.
    clip_norm : float or None, default=None
        Largest Euclidean norm of a gradient, positive; longer ones are scaled down.
    class_weight : dict, "balanced" or None, default=None
        Factors on the sample weights by class; "balanced" makes the classes count the same.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit, with the optimizer's state and the schedule's position.
    random_state : int, RandomState instance or None, default=None
        Determines the order of rows and the part held out. The same integer gives the same bits.
    verbose : int, default=0
        Above 0: print a line for every epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients in the units of X.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    n_iter_ : int
        Epochs since training began; ``partial_fit`` and ``warm_start`` go on counting.
    t_ : int
        Updates made.
    loss_curve_ : ndarray of shape (n_iter_,)
        Objective of every epoch, as a mean over its batches before their updates, in the units of the loss.
    validation_curve_ : ndarray
        Loss on the part held out after every epoch; empty without early stopping.
    optimizer_ : Optimizer
        The optimizer that was used.
    learning_rate_ : float
        The learning rate before the schedule's factor.
    batch_size_ : int
        Rows per update.
    gradient_norm_ : float or None
        Largest absolute entry of the full gradient in standardised units, where it is known: at the end with
        ``criterion="gradient"``, before the last update at full batch.
    converged_ : bool
        Whether the criterion was met.
    stop_reason_ : str
        "converged", "max_iter", "early_stopping" or "diverged".
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if X had any.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the data hold NaN, infinities or nothing.

    Warns
    -----
    ConvergenceWarning
        If epochs ran out first, or the fit diverged; then the best parameters before are kept and the warning
        names a rate that would work.

    See Also
    --------
    GDLinearRegressor : the same for numbers.

    References
    ----------
    Bottou, Curtis and Nocedal 2018, Optimization methods for large-scale machine learning.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgd import GDLogisticClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = GDLogisticClassifier(alpha=1e-3).fit(X, y)
    >>> round(model.score(X, y), 2), model.stop_reason_
    (0.98, 'converged')
    """

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
        n_iter_no_change=5,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        average=False,
        clip_norm=None,
        class_weight=None,
        warm_start=False,
        random_state=None,
        verbose=0,
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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "GDLogisticClassifier":
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features, not copied if C-ordered or CSR, float32 or float64.
        y : array-like of shape (n_rows,)
            Classes, at least two.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights, not negative; only their proportions count.

        Returns
        -------
        GDLogisticClassifier
            The fitted estimator itself.
        """
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, None, streaming=False)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> "GDLogisticClassifier":
        """Make one epoch over the given rows and go on where the last call ended.

        Optimizer state, schedule and standardization go on. A change of the running mean and standard deviation
        doesn't change the predictions.

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
        GDLogisticClassifier
            The estimator itself.
        """
        with self._all_or_nothing():
            return self._fit(X, y, sample_weight, classes, streaming=True)

    def _fit(self, X, y, sample_weight, classes, streaming):
        X, y = self._check_training_data(X, y, streaming, y_numeric=False)
        check_classification_targets(y)
        weight = check_sample_weight(sample_weight, X)
        self.classes_ = self._resolve_classes(y, classes, streaming)
        index = _class_index(y, self.classes_)
        weight = self._weight_classes(weight, y, index, streaming)
        n_outputs = 1 if len(self.classes_) == 2 else len(self.classes_)
        stratify = y if self.early_stopping else None
        self._train(X, index, n_outputs, weight, LogLoss(), streaming=streaming, stratify=stratify)
        return self

    def _resolve_classes(self, y, classes, streaming) -> np.ndarray:
        known = self.classes_ if self._continues(streaming) else None
        if streaming and known is None and classes is None:
            raise ValueError("classes must be given in the first call of partial_fit: all that will ever come")
        found = _unique(y if classes is None else np.asarray(classes))
        if known is not None:
            if classes is not None and not np.array_equal(known, found):
                raise ValueError(f"classes={found} differs from the classes of the calls before, {known}")
            found = known
        if len(found) < 2:
            raise ValueError(
                f"GDLogisticClassifier needs at least two classes; {'the data' if classes is None else 'classes'} "
                f"contains only one class: {found[0]}"
            )
        return found

    def _weight_classes(self, weight, y, index, streaming) -> np.ndarray:
        """Sample weights times the weights of the classes."""
        if self.class_weight is None:
            return weight
        if streaming and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' needs all data at once, partial_fit sees a part: give a dict instead, for "
                "instance from sklearn.utils.class_weight.compute_class_weight"
            )
        by_row = weight if weight.size else np.ones(len(y))
        factors = self._class_factors(by_row, y)
        return at_one_scale(by_row * factors[index[:, 0].astype(np.intp)], "sample_weight times class_weight")

    def _class_factors(self, by_row: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Factor of every class, in the order of classes_."""
        if isinstance(self.class_weight, dict):
            valid = [isinstance(factor, Real) and 0 <= float(factor) < np.inf for factor in self.class_weight.values()]
            if not all(valid):
                raise ValueError(f"class_weight={self.class_weight!r} must hold finite numbers, none of them negative")
        with np.errstate(divide="ignore"):
            factors = compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=by_row)
        if not np.isfinite(factors).all():
            raise ValueError(
                f"class_weight='balanced' can't balance the classes {self.classes_[~np.isfinite(factors)]}: the sample "
                "weights of their rows are all zero"
            )
        return factors

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Raw predictions.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes)
            X coef_' + intercept_: log-odds of the second class of two, or logits of all classes.
        """
        raw = self._raw_predictions(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the most probable class.

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

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        return LogLoss().predict_proba(self._raw_predictions(X))

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
        return LogLoss().predict_log_proba(self._raw_predictions(X))


def _unique(y: np.ndarray) -> np.ndarray:
    """The distinct values, sorted, some rows at a time to spare memory."""
    parts = [np.unique(y[start : start + ENCODING_ROWS]) for start in range(0, len(y), ENCODING_ROWS)]
    return np.unique(np.concatenate(parts))


def _class_index(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Index of each row's class as a float64 column, some rows at a time to spare memory."""
    index = np.empty((len(y), 1))
    for start in range(0, len(y), ENCODING_ROWS):
        part = y[start : start + ENCODING_ROWS]
        found = np.minimum(np.searchsorted(classes, part), len(classes) - 1)
        if not (classes[found] == part).all():
            unknown = np.setdiff1d(part, classes)
            raise ValueError(f"y contains classes {unknown} that are not among the known ones, {classes}")
        index[start : start + ENCODING_ROWS, 0] = found
    return index
