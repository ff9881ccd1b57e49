"""Linear classification with any loss for classes."""

from .._classifier import ClassifierFits
from .._docstrings import Linear, documented
from ._classifier import LinearClassifier


@documented(Linear)
class GDLinearClassifier(LinearClassifier):
    """Linear classification by gradient descent: support vector machines, logistic regression and others.

    Minimises, with weights s_i that sum to one and classes c_i::

        sum_i s_i loss(x_i W' + b, c_i) + alpha penalty(W)

    where W are the coefficients of standardised features and the intercepts b are free. Two classes have one row
    of coefficients, K > 2 classes have K rows. Log-loss is then multinomial; the other losses are summed over the
    outputs, each of them one class against the rest.

    Parameters
    ----------
    loss : str or Loss, default="log_loss"
        What is minimised, for the margin m = +-raw, positive where the class is predicted right:

        - "log_loss": log(1 + exp(-m)), or its multinomial form: logistic regression.
        - "hinge": max(0, 1 - m), a support vector machine.
        - "squared_hinge": max(0, 1 - m)^2.
        - "modified_huber": max(0, 1 - m)^2 for m >= -1, -4 m below; robust.
        - "perceptron": max(0, -m), for which "auto" makes plain steps over a few rows at a time.

        Or a loss of your own with ``for_classes = True``.
    {optimizer, learning_rate, schedule}
    {penalty, alpha, l1_ratio, fit_intercept, standardize}
    {batch_size, max_iter, tol, criterion, n_iter_no_change, shuffle}
    {early_stopping, validation_fraction, average, clip_norm}
    {class_weight}
    {warm_start, random_state, verbose, n_jobs}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients in the units of X.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    {n_iter_, t_, loss_curve_}
    {validation_curve_, optimizer_, learning_rate_, batch_size_}
    {gradient_norm_, converged_, stop_reason_, n_features_in_, feature_names_in_}

    Raises
    ------
    {ValueError}
        Also if y holds a single class.

    Warns
    -----
    {ConvergenceWarning}

    See Also
    --------
    GDLogisticClassifier : the same with log-loss.
    GDLinearRegressor : the same for numbers.

    References
    ----------
    Bottou, Curtis and Nocedal 2018, Optimization methods for large-scale machine learning.
    Those of the losses are with them, in :mod:`skgd.losses`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skgd import GDLinearClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = GDLinearClassifier(loss="squared_hinge", alpha=1e-2).fit(X, y)
    >>> round(model.score(X, y), 2), model.stop_reason_
    (0.99, 'converged')
    >>> hasattr(model, "predict_proba")
    False
    """

    _parameter_constraints: dict = LinearClassifier._parameter_constraints | ClassifierFits._parameter_constraints

    def __init__(
        self,
        loss="log_loss",
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
        super().__init__(
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            standardize=standardize,
            batch_size=batch_size,
            max_iter=max_iter,
            tol=tol,
            criterion=criterion,
            n_iter_no_change=n_iter_no_change,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            average=average,
            clip_norm=clip_norm,
            class_weight=class_weight,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
            n_jobs=n_jobs,
        )
        self.loss = loss
