"""Linear classification with any loss for classes."""

from .._classifier import ClassifierFits
from ._classifier import LinearClassifier


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
    optimizer : str or Optimizer, default="auto"
        "auto": L-BFGS on all rows, with the curvature of some; accelerated gradient descent if you give a learning
        rate, with a mini-batch size Nesterov's momentum, in ``partial_fit`` AdaGrad; see docs/auto.md. Else one of
        "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "amsgrad", "adamw", "nadam", "lion",
        "lbfgs", "svrg", or an object from :mod:`skgd.optimizers`.
    learning_rate : float or "auto", default="auto"
        Step size, positive, for standardised features. "auto" is the optimizer's own ``learning_rate`` if it has one,
        else follows from the curvature of the data where the optimizer's steps are proportional to the
        gradient, else is the optimizer's customary one; it is reduced if the fit diverges.
    schedule : str, Schedule or callable, default="constant"
        Factor on the learning rate over epochs: "constant", "invscaling", "step", "exponential", "cosine",
        "one_cycle", "plateau", an object from :mod:`skgd.schedules`, or a function from an array of times in
        epochs to an array of factors.
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
        "l2": ``1/2 |W|^2``; "l1": ``|W|_1``, which makes coefficients exactly zero; "elasticnet": the sum of l1_ratio
        times the second and 1 - l1_ratio times the first. None: no penalty.
    alpha : float, default=1e-4
        Strength of the penalty, not negative.
    l1_ratio : float in [0, 1], default=0.15
        Share of the L1 part in "elasticnet": 0 is L2, 1 is L1.
    fit_intercept : bool, default=True
        Whether to fit b. Without it features are scaled, not centred.
    standardize : bool, "max_abs" or "auto", default="auto"
        Whether to train on (x - mean) / std, without a copy of X. Sparse X is scaled only: the free intercept makes up
        for the means, and the solution is that of the same data held dense. "max_abs": train on x / max(abs(x)). "auto"
        is True for dense X and "max_abs" for sparse X, since unit variance blows rare columns up.
    batch_size : int, None or "auto", default="auto"
        Rows per update, at least 1; more than there are means all. None is all rows. "auto" is all rows for the
        optimizer "auto", for up to 512 rows if the learning rate follows from the data, and for up to 64; for a
        learning rate of yours 2 to 64, the more the larger it is, where that says what noise it makes; else 16.
    max_iter : int, default=3000
        Largest number of epochs, at least 1.
    tol : float, "auto" or None, default="auto"
        Tolerance of the criterion, not negative. "auto" is 1e-10 for "objective" under L-BFGS, where every step
        knows what is left to gain (less for small data, more for very many features, 1e-4 for early stopping), else
        1e-6 at full batch and 1e-3 for mini-batches. None runs all epochs.
    criterion : {"objective", "gradient", "step"}, default="objective"
        "objective": stop after ``n_iter_no_change`` epochs in which the objective had, relatively, no more than ``tol``
        to gain: at full batch by what its last changes leave to come (Aitken's extrapolation), for mini-batches by
        the best mean over an epoch so far; under L-BFGS at once, when the Newton decrement is at most ``tol`` times
        what has been gained. "gradient": stop when the largest absolute entry of the objective's full
        gradient, in standardised units, is at most ``tol``. "step": stop after ``n_iter_no_change`` epochs that
        change no parameter by more than ``tol``.
    n_iter_no_change : int, default=3
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
    class_weight : dict, "balanced" or None, default=None
        Factors on the sample weights by class; "balanced" makes the classes count the same, in ``partial_fit`` by the
        rows seen so far.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit, with the optimizer's state and the schedule's position.
    random_state : int, RandomState instance or None, default=None
        Determines the order of rows and the part held out. The same integer gives the same bits.
    verbose : int, default=0
        Above 0: print a line for every epoch.
    n_jobs : int or None, default=None
        Threads for passes over all rows; -1 is one a core. None is as many as OpenMP would take: one a core, unless a
        worker of joblib or ``OMP_NUM_THREADS`` leaves less. The result is the same, bit for bit.

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
        Loss on the part held out, or on the validation data given to ``fit``, after every epoch; else empty.
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
