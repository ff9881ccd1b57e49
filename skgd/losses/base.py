"""What a loss is."""

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator

from .._constructors import AdvisesCallers
from .._validation import RemembersValidParameters, check_parameters
from .probe import probe


class Loss(AdvisesCallers, RemembersValidParameters, BaseEstimator):  # long: all that a loss may tell of itself
    """A function of raw predictions and targets that training minimises.

    A subclass gives :meth:`pointwise`, plain Python over small arrays, which is compiled into the training
    loop, and declares what it knows about itself in the attributes below.

    Attributes
    ----------
    curvature : float or None
        Upper bound of the second derivative with respect to the raw prediction. With it, ``learning_rate="auto"``
        follows from the data; None means that no bound is known.
    target_power : int or None
        p if dividing prediction and target by s divides the loss by s**p, and shifting both leaves it unchanged:
        targets are then centred and scaled during the fit, which doesn't change the solution. None: the
        targets are used as they are.
    quadratic : bool
        Whether the loss is a quadratic function of raw - y: on centred data the best intercept is then zero.
    for_classes : bool
        Whether the targets are indices of classes; regressors refuse such a loss.
    multilabel : bool
        Whether the targets are not classes but labels, of which a row may have any number: a column each, 1 for those
        that the row has, else 0. ``for_classes`` is True, too.
    smooth : bool
        Whether the loss has a derivative everywhere. One with kinks keeps ``hyper[0]`` for a width: within it the
        kinks are rounded off, 0 is the loss itself. Training to the optimum narrows it step by step.
    trivial_optimum : bool
        Whether raw predictions of zero are an optimum, as for the perceptron: then it is the way that counts, and the
        optimizer "auto" goes it in small steps over few rows at a time.
    reaches_minimum : bool
        Whether some raw prediction has the least loss that there is. That of log-loss goes down for ever: without a
        penalty there is no optimum where a linear model separates the classes, and a fit warns of it.
    has_output_axis : bool
        Whether parameters and predictions have an axis for the outputs even where y has one dimension.
    out_activation : str
        Name of the function that makes predictions, or probabilities, of raw ones: "exp", "logistic", "softmax", or
        "identity" for none, which networks publish as ``out_activation_``. Softmax of one output is "logistic".

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDLinearRegressor
    >>> from skgd.losses import Loss
    >>> class LogCosh(Loss):
    ...     curvature = 1.0
    ...     @staticmethod
    ...     def pointwise(raw, y, weight, hyper, derivative):
    ...         total = 0.0
    ...         for i in range(raw.shape[0]):
    ...             for k in range(raw.shape[1]):
    ...                 r = raw[i, k] - y[i, k]
    ...                 derivative[i, k] = weight[i] * np.tanh(r)
    ...                 total += weight[i] * np.log(np.cosh(r))
    ...         return total
    >>> X = np.arange(6.0).reshape(-1, 1)
    >>> model = GDLinearRegressor(loss=LogCosh(), alpha=0).fit(X, X[:, 0])
    >>> model.predict([[10.0]]).round(3)
    array([10.])
    """

    curvature: float | None = None
    target_power: int | None = None
    quadratic: bool = False
    for_classes: bool = False
    multilabel: bool = False
    smooth: bool = True
    trivial_optimum: bool = False
    reaches_minimum: bool = True
    has_output_axis: bool = False
    out_activation: str = "identity"

    _parameter_constraints: dict = {}

    def check(self) -> None:
        """Raise a ValueError, which names the parameter, for one that is out of its range."""
        check_parameters(self)

    def hyperparameters(self, target_scale: np.ndarray) -> Sequence[float]:
        """Floats that ``pointwise`` receives as its array ``hyper``.

        ``target_scale`` holds what each target has been divided by; what is measured in units of y must be, too.
        """
        return ()

    @staticmethod
    def pointwise(
        raw: np.ndarray, y: np.ndarray, weight: np.ndarray, hyper: np.ndarray, derivative: np.ndarray
    ) -> float:
        """Return sum_i weight_i loss(raw_i, y_i) and fill ``derivative`` with weight_i d loss / d raw_i.

        Parameters
        ----------
        raw : ndarray of shape (n_rows, n_outputs)
            Linear predictions, before any link.
        y : ndarray of shape (n_rows, n_targets)
            Targets; the index of the class for a classifier.
        weight : ndarray of shape (n_rows,)
            Weights of the rows.
        hyper : ndarray
            What :meth:`hyperparameters` returned.
        derivative : ndarray of shape (n_rows, n_outputs)
            To be filled.

        Returns
        -------
        float
            The weighted sum over the rows.
        """
        raise NotImplementedError("a Loss needs a static method pointwise(raw, y, weight, hyper, derivative)")

    def probe(self, y: np.ndarray, n_outputs: int) -> None:
        """Try a user's loss on a few rows of y, as plain Python, where mistakes show that compiled code would hide.

        Raises
        ------
        ValueError
            If ``pointwise`` is no static method, or reaches outside its arrays.

        Warns
        -----
        RuntimeWarning
            If rows don't count by their weights, or the derivative isn't that of the loss by finite differences.
        """
        if not type(self).__module__.startswith(__package__):
            probe(self, y, n_outputs)

    def hyper(self, target_scale: np.ndarray) -> np.ndarray:
        """What :meth:`hyperparameters` returns as an array."""
        return np.array(self.hyperparameters(target_scale), dtype=np.float64).ravel()

    def n_outputs(self, n_targets: int) -> int:
        """Number of raw predictions for so many targets."""
        return n_targets

    def check_targets(self, y: np.ndarray) -> None:
        """Raise a ValueError if targets of shape (n_rows, n_targets) lie outside the domain of the loss."""

    def predict(self, raw: np.ndarray) -> np.ndarray:
        """Predictions on the scale of y for raw ones of shape (n_rows, n_outputs): the inverse link."""
        return raw

    def second_derivative(self, raw: np.ndarray, y: np.ndarray) -> np.ndarray | None:
        """Second derivatives of the loss of each row by each output, like raw; None: by finite differences."""
        return None

    def curvature_of_bound(self, raw: np.ndarray, y: np.ndarray, hyper: np.ndarray) -> np.ndarray | None:
        """Second derivatives, like raw, of parabolas that touch the losses of rows there and lie nowhere below them.

        Of a loss with straight pieces, which have none of their own; None: not known.
        """
        return None

    def coupling(self, raw: np.ndarray) -> np.ndarray | None:
        """Shares q, like raw, if the Hessian of a row's loss by its outputs is diag(h + q^2) - q q'.

        h are the second derivatives; None: there are no mixed ones.
        """
        return None

    def pieces(self, y: np.ndarray, n_outputs: int, hyper: np.ndarray) -> list[tuple[np.ndarray, ...]] | None:
        """Arrays low <= 0, high >= 0, at like raw, if the loss is a sum of ``max(low * r, high * r)``, r = raw - at.

        A list of them, for each part of the sum; None: it isn't made of straight pieces.
        """
        return None

    def curvature_bound(self, n_outputs: int) -> float | None:
        """Upper bound of the curvature for a model with that many outputs, ``curvature`` unless overridden."""
        return self.curvature

    def best_constant(self, y: np.ndarray, weight: np.ndarray | None, n_outputs: int) -> np.ndarray:
        """Raw prediction, one number per output, that training starts from: near the best constant one.

        The base class takes the mean where targets are centred anyway (``target_power``), else zero.
        """
        if self.target_power is None:
            return np.zeros(n_outputs)
        return y.mean(axis=0, dtype=np.float64) if weight is None else np.average(y, axis=0, weights=weight)

    def predict_proba(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, a column each, for raw predictions; only some losses for classes give them."""
        raise NotImplementedError(f"{type(self).__name__} gives no probabilities")

    def predict_log_proba(self, raw: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities."""
        with np.errstate(divide="ignore"):  # a probability of zero is possible, and its logarithm right
            return np.log(self.predict_proba(raw))

    @property
    def gives_probabilities(self) -> bool:
        """Whether the class defines ``predict_proba``."""
        return type(self).predict_proba is not Loss.predict_proba
