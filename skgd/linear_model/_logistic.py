"""Logistic regression."""

from .._docstrings import Linear, documented
from ..losses import LogLoss, Loss
from ._classifier import LinearClassifier


@documented(Linear)
class GDLogisticClassifier(LinearClassifier):
    r"""Logistic regression by gradient descent, binary and multinomial.

    Minimises, with weights :math:`s_i` that sum to one and classes :math:`c_i`

    .. math:: \sum_i s_i\, \ell(W x_i + b, c_i) + \alpha\, \text{penalty}(W)

    where W are the coefficients of standardised features and the intercepts b are free. Two classes have one row
    of coefficients and :math:`\ell(z, c) = \log(1 + e^z) - c z`; K > 2 classes have K rows and
    :math:`\ell(z, c) = \log \sum_k e^{z_k} - z_c`.

    Parameters
    ----------
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
    GDLinearClassifier : the same with other losses.
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

    def _make_loss(self) -> Loss:
        return LogLoss()
