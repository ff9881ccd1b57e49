"""Networks that predict classes, or labels."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from .._classifier import ClassifierFits
from .._docstrings import Network, documented
from .._problem.network import InitName
from ..activations import Activation, ActivationName
from ..losses import ClassLossName, Loss
from ..optimizers import Optimizer, OptimizerName
from ..schedules import Schedule, ScheduleName
from ._base import NetworkEstimator


@documented(Network)
class GDMLPClassifier(ClassifierFits, NetworkEstimator):
    r"""Multi-layer perceptron for classification, binary, multinomial and multilabel, trained by gradient descent.

    The network :math:`a_0 = x`, :math:`a_{k+1} = \sigma(a_k W_k + b_k)` with the activation :math:`\sigma`,
    without it in the last layer, which gives :math:`z(x)`, minimises

    .. math:: \sum_i s_i\, \ell(z(x_i), c_i) + \frac \alpha 2 \sum_k \lVert W_k \rVert^2

    with weights :math:`s_i` that sum to one and classes c_i. Two classes have one output z and, with log-loss,
    log(1 + exp(z)) - c z, so that the second class has the probability 1 / (1 + exp(-z)). K > 2 classes have K outputs
    and log(sum_k exp(z_k)) - z_c: softmax. L labels, of which a row may have any number (y of shape (n_rows, n_labels),
    1 for those that it has, else 0), have L outputs and the sum of their binary log-losses. With ``standardize`` the
    network works on standardised features, and the penalty on their weights; ``coefs_`` and ``intercepts_`` are given
    in the units of X.

    Parameters
    ----------
    loss : str or Loss, default="log_loss"
        {class_losses}
        All but log-loss are summed over the outputs, each of them one class against the rest. Labels need "log_loss" or
        a loss with ``multilabel=True``.
    {hidden_layer_sizes, activation}
    {optimizer, learning_rate, schedule}
    {alpha, dropout, init}
        With log-loss the best constant prediction is the log-odds of the classes.
    {n_members, n_restarts, standardize, categorical_features}
    {batch_size, max_iter, tol, criterion, n_iter_no_change, shuffle}
    {early_stopping}
        The part held out has the classes in proportion; labels are left to chance.
    {validation_fraction, average, clip_norm}
    {class_weight}
        None for labels, which have no class.
    {warm_start, random_state, verbose, n_jobs}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or (n_labels,)
        The classes, sorted; the numbers of the labels, 0 to n_labels - 1.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of every layer in the units of X.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of every layer in the units of X.
    {n_members_, linear_weight_, calibration_slope_, oob_score_, oob_prediction_, tails_, n_layers_}
    n_outputs_ : int
        Number of outputs: 1 for two classes, else the number of classes or labels.
    {out_activation_, loss_, best_loss_, best_validation_score_}
    {n_iter_, t_, loss_curve_}
    {validation_curve_, restart_scores_, optimizer_, learning_rate_, batch_size_}
    {gradient_norm_, converged_, stop_reason_, n_features_in_, feature_names_in_}

    Raises
    ------
    {ValueError}
        Also if y holds a single class, or labels and ``loss`` or ``class_weight`` is for classes alone.

    Warns
    -----
    {ConvergenceWarning}

    See Also
    --------
    GDMLPRegressor : networks for numbers.
    GDLinearClassifier : linear models.

    References
    ----------
    Bishop 2006, Pattern Recognition and Machine Learning, section 5.2: losses and outputs of networks.
    Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors.
    He, Zhang, Ren and Sun 2015, Delving deep into rectifiers, arXiv:1502.01852.
    Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, Dropout: a simple way to prevent neural networks
    from overfitting.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skgd import GDMLPClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> model = GDMLPClassifier(hidden_layer_sizes=(20,), learning_rate=0.01, max_iter=50, tol=None, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.99
    True
    >>> model.predict_proba(X[:1]).round(1)
    array([[1., 0., 0.]])

    Labels, any number of which a row may have:

    >>> labels = [[row[0] > 13, row[1] > 2] for row in X]
    >>> model.fit(X, labels).predict(X[:2])
    array([[1, 0],
           [1, 0]])
    """

    _parameter_constraints: dict = NetworkEstimator._parameter_constraints | ClassifierFits._parameter_constraints

    _takes_labels = True

    def __init__(
        self,
        loss: ClassLossName | Loss = "log_loss",
        *,
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
        class_weight: dict | Literal["balanced"] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ):
        self.loss = loss
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
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs
