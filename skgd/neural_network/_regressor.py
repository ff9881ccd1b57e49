"""Networks that predict numbers."""

import numpy as np
from numpy.typing import ArrayLike

from .._regressor import RegressorFits
from ._base import NetworkEstimator


class GDMLPRegressor(RegressorFits, NetworkEstimator):
    """Multi-layer perceptron for regression, trained by gradient descent.

    The network a_0 = x, a_(k+1) = activation(a_k W_k + b_k), without activation in the last layer, minimises::

        sum_i s_i loss(network(x_i), y_i) + alpha / 2 sum_k |W_k|^2

    with weights s_i that sum to one. With ``standardize`` it works on standardised features and targets, and the
    penalty on their weights; ``coefs_`` and ``intercepts_`` are given in the units of X and y.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        "squared_error", "huber", "absolute_error", "epsilon_insensitive", "squared_epsilon_insensitive", "quantile",
        "poisson", "gamma", "tweedie", an object from :mod:`skgd.losses`, as ``Huber(epsilon=2)``, or your own. With
        the log link of "poisson", "gamma" and "tweedie" predictions are exp(network(x)).
    quantile : float or array-like of shape (n_quantiles,), default=0.5
        What ``loss="quantile"`` predicts, above 0 and below 1; no other loss looks at it. A list of quantiles of a
        single target is fitted at once, one output each, and predictions are sorted so that they never cross.
    hidden_layer_sizes : sequence of int, default=(100,)
        Width of every hidden layer, each at least 1; () is a linear model.
    activation : str or Activation, default="relu"
        Activation of the hidden layers: "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu",
        "softplus", or your own subclass of :class:`skgd.activations.Activation`.
    optimizer : str or Optimizer, default="adam"
        One of "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "amsgrad", "adamw", "nadam",
        "lion", "lbfgs", "svrg", or an object from :mod:`skgd.optimizers`.
    learning_rate : float or "auto", default="auto"
        Step size, positive. "auto" is the optimizer's own ``learning_rate`` if it has one, else its customary one, for
        Adam and NAdam three times that where the schedule "auto" lets it go down; it is reduced if the fit diverges.
    schedule : str, Schedule or callable, default="auto"
        Factor on the learning rate over epochs: "constant", "invscaling", "step", "exponential", "cosine",
        "one_cycle", "plateau", an object from :mod:`skgd.schedules`, or a function from an array of times in
        epochs to an array of factors. "auto" is half a cosine down to zero over all ``max_iter`` epochs; it is constant
        where the rate is given, and where a fit may end sooner or go on later: with a number as ``tol``, another
        ``criterion``, ``early_stopping``, ``warm_start``, and in ``partial_fit``.
    alpha : float, default=1e-4
        Strength of the penalty, not negative.
    dropout : float or sequence of floats in [0, 1), default=0.0
        Share of a hidden layer's units that each row leaves out of every update, the same for all layers or one
        number for each; the others count by 1 / (1 - dropout), so that expectations stay. Predictions use them all.
    init : str or (coefs, intercepts), default="auto"
        Starting weights and biases: "he", with variance 2 / n_in, "glorot", 2 / (n_in + n_out), or "lecun", 1 / n_in,
        each uniform, or normal as "he_normal"; the last layer's biases start at the best constant prediction. "auto"
        is what the activation names as its ``default_init``, glorot unless you write another one. Or your own: one
        matrix of shape (n_in, n_out) and one vector of shape (n_out,) for each layer, in the units of X and y as
        ``coefs_`` and ``intercepts_`` are.
    n_restarts : int, default=1
        Fits from so many random starts, ``n_jobs`` at once in threads, of which the one with the least objective is
        kept, with ``early_stopping`` that with the least loss on the validation data. ``partial_fit`` has one start.
    standardize : bool, "max_abs" or "auto", default="auto"
        Whether to train on (x - mean) / std, without a copy of X, and on targets scaled likewise where the loss
        allows. Sparse X is scaled only: the first layer's free biases make up for the means. "max_abs": train on
        x / max(abs(x)). "auto" is True for dense X and "max_abs" for sparse X, since unit variance blows rare columns
        up.
    batch_size : int, None or "auto", default="auto"
        Rows per update, at least 1; more than there are means all. None is all rows, "auto" a thousandth of them, at
        least 32, or 200 of sparse X, and at most 256.
    max_iter : int, default=100
        Largest number of epochs, at least 1.
    tol : float, "auto" or None, default="auto"
        Tolerance of the criterion, not negative. None runs all epochs, and so does "auto" where a schedule lets the
        rate change over them, "auto" itself or another one; with a constant rate, "plateau", "lbfgs", another criterion
        or early stopping "auto" is 1e-4.
    criterion : {"objective", "gradient", "step"}, default="objective"
        "objective": stop after ``n_iter_no_change`` epochs in which the objective had, relatively, no more than ``tol``
        to gain: at full batch by what its last changes leave to come (Aitken's extrapolation), for mini-batches by
        the best mean over an epoch so far. "gradient": stop when the largest absolute entry of the objective's full
        gradient, in standardised units, is at most ``tol``. "step": stop after ``n_iter_no_change`` epochs that
        change no parameter by more than ``tol``.
    n_iter_no_change : int, default=10
        Epochs that count as a standstill, at least 1.
    shuffle : bool, default=True
        Whether every epoch visits the rows in another order. Full batches need none.
    early_stopping : bool, default=False
        Whether to hold out a part of the data, stop when its loss hasn't improved for ``n_iter_no_change`` epochs,
        and keep the parameters that were best on it. ``criterion`` doesn't count then. If ``fit`` is given
        ``X_val`` and ``y_val``, they take the place of the part held out.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows held out for early stopping.
    average : bool, int or float, default=False
        Whether to keep the mean of the parameters over all updates (Polyak), True: from the second epoch on, an
        integer: after so many updates. A float between 0 and 1: an exponential mean with this decay, as 0.99, of all
        updates.
    clip_norm : float or None, default=None
        Largest Euclidean norm of a gradient, positive; longer ones are scaled down.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit, with the optimizer's state and the schedule's position.
    random_state : int, RandomState instance or None, default=None
        Determines the starting weights, the order of rows and the part held out. The same integer gives the same bits.
    verbose : int, default=0
        Above 0: print a line for every epoch.
    n_jobs : int or None, default=None
        Threads for passes over all rows, predictions and restarts; -1 is one a core. None is as many as OpenMP would
        take: one a core, unless a worker of joblib or ``OMP_NUM_THREADS`` leaves less. The result is the same, bit for
        bit. Products of more than four million multiplications in a batch, as of two layers of 256 units and 256 rows,
        use the threads of BLAS: where these are fewer, as in worker processes, last digits may differ.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of every layer in the units of X and y.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of every layer in the units of X and y.
    n_layers_ : int
        Number of layers, input and output included.
    n_outputs_ : int
        Number of outputs: targets, or quantiles of one.
    n_iter_ : int
        Epochs since training began; ``partial_fit`` and ``warm_start`` go on counting.
    t_ : int
        Updates made.
    loss_curve_ : ndarray of shape (n_iter_,)
        Objective of every epoch, as a mean over its batches before their updates, in the units of the loss. With
        several targets each counts in units of its variance.
    validation_curve_ : ndarray
        Loss on the part held out, or on the validation data given to ``fit``, after every epoch; else empty.
    restart_scores_ : ndarray of shape (n_restarts,)
        Objective of every start in the end, or its least loss on the validation data, if there were several: the
        fit with the least is the one that was kept.
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
        loss="squared_error",
        *,
        quantile=0.5,
        hidden_layer_sizes=(100,),
        activation="relu",
        optimizer="adam",
        learning_rate="auto",
        schedule="auto",
        alpha=1e-4,
        dropout=0.0,
        init="auto",
        n_restarts=1,
        standardize="auto",
        batch_size="auto",
        max_iter=100,
        tol="auto",
        criterion="objective",
        n_iter_no_change=10,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        average=False,
        clip_norm=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        n_jobs=None,
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
        self.n_restarts = n_restarts
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets) or (n_rows, n_quantiles)
            Predictions on the scale of y.
        """
        raw = self._raw_predictions(X)
        predictions = self._training.loss.predict(raw)
        return predictions[:, 0] if self._training.facts["one_target"] else predictions
