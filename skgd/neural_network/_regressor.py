"""Networks that predict numbers."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._docstrings import Network, documented
from .._partitions import by_blocks
from .._problem.network import InitName
from .._regressor import RegressorFits
from .._validation import in_library_of
from ..activations import Activation, ActivationName
from ..losses import Loss, RegressionLossName
from ..optimizers import Optimizer, OptimizerName
from ..schedules import Schedule, ScheduleName
from ._base import NetworkEstimator
from ._ensemble import calibrated, mixed, of_all


@documented(Network)
class GDMLPRegressor(RegressorFits, NetworkEstimator):
    r"""Multi-layer perceptron for regression, trained by gradient descent.

    The network :math:`a_0 = x`, :math:`a_{k+1} = \sigma(a_k W_k + b_k)` with the activation :math:`\sigma`,
    without it in the last layer, which gives :math:`z(x)`, minimises

    .. math:: \sum_i s_i\, \ell(z(x_i), y_i) + \frac \alpha 2 \sum_k \lVert W_k \rVert^2

    with weights :math:`s_i` that sum to one. With ``standardize`` it works on standardised features and targets, and
    the penalty on their weights; ``coefs_`` and ``intercepts_`` are given in the units of X and y.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        {regression_losses}
        With the log link of "poisson", "gamma" and "tweedie" predictions are exp(network(x)).
    {quantile}
    {hidden_layer_sizes, activation}
    {optimizer, learning_rate, schedule}
    {alpha, dropout, init, n_members, n_restarts, standardize}
        Targets are scaled likewise where the loss allows.
    {categorical_features}
    {batch_size, max_iter, tol, criterion, n_iter_no_change, shuffle}
    {early_stopping, validation_fraction, average, clip_norm}
    {warm_start, random_state, verbose, n_jobs}

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of every layer in the units of X and y.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of every layer in the units of X and y.
    {n_members_, linear_weight_, calibration_slope_, oob_score_, oob_prediction_, tails_, n_layers_}
    n_outputs_ : int
        Number of outputs: targets, or quantiles of one.
    {out_activation_, loss_, best_loss_, best_validation_score_}
    {n_iter_, t_, loss_curve_}
        With several targets each counts in units of its variance.
    {validation_curve_, restart_scores_, optimizer_, learning_rate_, batch_size_}
    {gradient_norm_, converged_, stop_reason_, n_features_in_, feature_names_in_}

    Raises
    ------
    {ValueError}

    Warns
    -----
    {ConvergenceWarning}

    See Also
    --------
    GDMLPClassifier : networks for classes.
    GDLinearRegressor : linear models.

    References
    ----------
    Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors.
    He, Zhang, Ren and Sun 2015, Delving deep into rectifiers, arXiv:1502.01852.
    Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, Dropout: a simple way to prevent neural networks
    from overfitting.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDMLPRegressor
    >>> X = np.linspace(-1, 1, 300).reshape(-1, 1)
    >>> model = GDMLPRegressor(hidden_layer_sizes=(10,), learning_rate=0.03, batch_size=32, random_state=0)
    >>> model = model.fit(X, X[:, 0] ** 2)
    >>> model.score(X, X[:, 0] ** 2) > 0.99
    True
    """

    _parameter_constraints: dict = NetworkEstimator._parameter_constraints | RegressorFits._parameter_constraints

    def __init__(
        self,
        loss: RegressionLossName | Loss = "squared_error",
        *,
        quantile: float | Sequence[float] | np.ndarray = 0.5,
        hidden_layer_sizes: int | Sequence[int] | np.ndarray = (100,),
        activation: ActivationName | Activation = "relu",
        optimizer: OptimizerName | Optimizer = "adam",
        learning_rate: float | Literal["auto"] = "auto",
        schedule: ScheduleName | Literal["auto"] | Schedule | Callable = "auto",
        alpha: float = 1e-4,
        dropout: float | Sequence[float] | np.ndarray = 0.0,
        init: InitName | tuple | list = "auto",
        n_members: int | Literal["auto"] = "auto",
        n_restarts: int = 1,
        standardize: bool | Literal["auto", "max_abs"] = "auto",
        categorical_features: Sequence | np.ndarray | Literal["from_dtype"] | None = "from_dtype",
        batch_size: int | Literal["auto"] | None = "auto",
        max_iter: int = 100,
        tol: float | Literal["auto"] | None = "auto",
        criterion: Literal["objective", "gradient", "step"] = "objective",
        n_iter_no_change: int = 10,
        shuffle: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float | Literal["auto"] = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ):
        self.loss = loss
        self.quantile = quantile
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.alpha = alpha
        self.dropout = dropout
        self.init = init
        self.n_members = n_members
        self.n_restarts = n_restarts
        self.standardize = standardize
        self.categorical_features = categorical_features
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @by_blocks
    def predict(self, X: ArrayLike, *, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Features; of a Dask collection predictions are one, too, lazy and block by block.
        return_std : bool, default=False
            Whether to return how much the members of an ensemble differ, too.

        Returns
        -------
        predictions : ndarray of shape (n_rows,) or (n_rows, n_targets) or (n_rows, n_quantiles)
            Predictions on the scale of y, the mean of the members'.
        std : ndarray of the same shape
            Standard deviation of the members' predictions, each with the linear model beside it (over their number,
            without correction), with ``return_std``: what training leaves open, not the noise of y.
        """
        raws, of_linear, weight, calibration = self._raw_predictions_of_members(X)
        loss = self._training.loss

        def shaped(predictions: np.ndarray) -> np.ndarray:
            return in_library_of(X, predictions[:, 0] if self._training.facts["one_target"] else predictions)

        mean = shaped(loss.predict(calibrated(of_all(loss, raws, of_linear, weight), *calibration)))
        if not return_std:
            return mean
        if len(raws) == 1:
            raise ValueError(
                "return_std=True is for several members, and this is one network: fit with n_members=5, say"
            )
        if of_linear is not None:
            together = (mixed(loss, *each, weight) for each in zip(raws, of_linear, strict=True))
            raws = [calibrated(each, *calibration) for each in together]
        return mean, shaped(np.std([loss.predict(raw) for raw in raws], axis=0))
