"""What docstrings of estimators and of displays have in common: tables of entries that fill the places of their names.

A line of a docstring with nothing but ``{tol}``, or ``{tol, criterion}``, is such a place. What a class has to add to
the last entry follows in the next lines, indented as the entry's text is. A table is a docstring, too: of a class,
which also has the entries of its base.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from textwrap import fill, indent
from typing import TypeVar

from .activations import ACTIVATIONS
from .losses import CLASS_LOSSES, LOSSES, REGRESSION_LOSSES
from .optimizers import OPTIMIZERS
from .schedules import SCHEDULES

Class = TypeVar("Class", bound=type)


def documented(table: type) -> Callable[[Class], Class]:
    """Decorate a class: fill the places of its docstring and of its methods'; a name that isn't there is a KeyError."""

    def decorate(cls: Class) -> Class:
        functions = [getattr(member, "__func__", member) for member in vars(cls).values()]
        for each in [cls, *filter(inspect.isfunction, functions)]:
            if each.__doc__:  # python -OO takes docstrings away
                each.__doc__ = _filled(each.__doc__, entries(table))
        return cls

    return decorate


@functools.cache
def entries(table: type) -> dict[str, str]:
    """Entries by name, each from a line without indentation to the next; those of the class go before its base's."""
    if table is object:
        return NAMES
    below = entries(table.__base__)  # type: ignore[arg-type]
    text = _filled(inspect.cleandoc(table.__doc__ or "").partition("\n\n")[2], below)
    return below | {entry.split(maxsplit=1)[0]: entry for entry in re.split(r"\n(?=\S)", text)}


def _filled(text: str, found: dict[str, str]) -> str:
    def entries_of(place: re.Match) -> str:
        return indent("\n".join(found[name] for name in place[2].split(", ")), place[1])

    return re.sub(r"^( *)\{([a-z]\w*(?:, [a-z]\w*)*)\}$", entries_of, text, flags=re.MULTILINE | re.IGNORECASE)


def _in_quotes(names: Iterable[str], others: str) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return fill(f"{quoted}, {others}", width=108)


# What the tables of parts say themselves: a new part stands in the docstrings with its row there.
NAMES = {
    "activations": _in_quotes(ACTIVATIONS, "or your own subclass of :class:`skgd.activations.Activation`."),
    "class_losses": _in_quotes(
        (name for name in LOSSES if name in CLASS_LOSSES),
        "an object from :mod:`skgd.losses`, or your own with ``for_classes=True``.",
    ),
    "optimizers": _in_quotes(OPTIMIZERS, "or an object from :mod:`skgd.optimizers`."),
    "regression_losses": _in_quotes(
        (name for name in LOSSES if name in REGRESSION_LOSSES),
        "an object from :mod:`skgd.losses`, as ``Huber(epsilon=2)``, or your own.",
    ),
    "schedules": _in_quotes(
        SCHEDULES,
        "an object from :mod:`skgd.schedules`, or a function from an array of times in epochs to an array of factors.",
    ),
}


class Shared:
    """Of all estimators.

    quantile : float or array-like of shape (n_quantiles,), default=0.5
        What ``loss="quantile"`` predicts, above 0 and below 1; no other loss looks at it. A list of quantiles of a
        single target is fitted at once, a row of coefficients or an output each, and predictions are sorted so that
        they never cross.
    schedule : str, Schedule or callable, default="constant"
        Factor on the learning rate over epochs:
        {schedules}
    criterion : {"objective", "gradient", "step"}, default="objective"
        "objective": stop after ``n_iter_no_change`` epochs in which the objective had, relatively, no more than ``tol``
        to gain: at full batch by what its last changes leave to come (Aitken's extrapolation), for mini-batches by
        the best mean over an epoch so far. "gradient": stop when the largest absolute entry of the objective's full
        gradient, in standardised units, is at most ``tol``. "step": stop after ``n_iter_no_change`` epochs that
        change no parameter by more than ``tol``.
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
    verbose : int, default=0
        1: print some twenty lines of a fit, which tell the epoch and of how many, the objective, the loss on validation
        rows, the learning rate, and the seconds that have passed and that are to come at most; then why it ended. 2 or
        more: a line for every epoch.
    n_jobs : int or None, default=None
        Threads for passes over all rows and for predictions; -1 is one a core. None is as many as OpenMP would take:
        one a core, unless a worker of joblib or ``OMP_NUM_THREADS`` leaves less. The result is the same, bit for bit.
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
        Largest absolute entry of the full gradient in standardised units, under an L1 penalty of the shortest
        subgradient, which certifies the optimum, where it is known: at the end with line searches and
        ``criterion="gradient"``, before the last update at full batch.
    converged_ : bool
        Whether the criterion was met.
    stop_reason_ : str
        "converged", "max_iter", "early_stopping" or "diverged"; "callback" if one of `set_callbacks` ended the fit,
        "interrupted" if Ctrl-C did.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if X had any.
    ValueError
        If a parameter is out of its range, or the data hold NaN, infinities or nothing.
    ConvergenceWarning
        If epochs ran out first, with what to do about it; if the fit diverged: then the best parameters before are
        kept and the warning names a rate that would work; if the loss of classes has no optimum, since a linear model
        separates them and there is no penalty. In scikit-learn's searches each of these is said once, unless Python's
        warning filters ask for all.
    """


class Linear(Shared):
    """Of linear estimators.

    optimizer : str or Optimizer, default="auto"
        "auto": L-BFGS on all rows, with the curvature of some; Nesterov's momentum over mini-batches if you give a
        learning rate or their size, in ``partial_fit`` AdaGrad; see docs/auto.md. Else one of
        {optimizers}
    learning_rate : float or "auto", default="auto"
        Step size, positive, for standardised features. "auto" is the optimizer's own ``learning_rate`` if it has one,
        else follows from the curvature of the data where the optimizer's steps are proportional to the
        gradient, else is the optimizer's customary one; it is reduced if the fit diverges.
    penalty : str, ElasticNet or None, default="l2"
        "l2": half the sum of the squares of the coefficients; "l1": the sum of their absolute values, which makes
        coefficients exactly zero; "elasticnet": the sum of l1_ratio times the second and 1 - l1_ratio times the first.
        Or an object from :mod:`skgd.penalties`, as ``L1(alpha=0.1)``, which brings its own strength. None: no penalty.
    alpha : float, default=1e-4
        Strength of a penalty that is given by its name, not negative. The parameters of an object take its place.
    l1_ratio : float in [0, 1], default=0.15
        Share of the L1 part in "elasticnet": 0 is L2, 1 is L1. Nothing else looks at it.
    fit_intercept : bool, default=True
        Whether to fit b. Without it features, and targets that are numbers, are scaled, not centred.
    standardize : bool, "max_abs" or "auto", default="auto"
        Whether to train on (x - mean) / std, without a copy of X. Sparse X is scaled only: the free intercept makes up
        for the means, and the solution is that of the same data held dense. "max_abs": train on x / max(abs(x)). "auto"
        is True but for columns that are rarely non-zero, which unit variance blows up: they are divided by more, words
        of text most, the same for dense and sparse X.
    batch_size : int, None or "auto", default="auto"
        Rows per update, at least 1; more than there are means all. None is all rows. "auto" is all rows for the
        optimizer "auto", for up to 512 rows if the learning rate follows from the data, and for up to 64; for a
        learning rate of yours 2 to 64, the more the larger it is, where that says what noise it makes; else 16.
    max_iter : int, default=3000
        Largest number of epochs, at least 1.
    tol : float, "auto" or None, default="auto"
        Tolerance of the criterion, not negative. "auto" is 1e-10 for "objective" under L-BFGS, where every step
        knows what is left to gain (less for small data, more for very many features, 1e-4 for early stopping), else
        1e-6 at full batch and 1e-3 for mini-batches: of the objective, but at least of a tenth of the constant model's,
        of 0.4 of it if you give a learning rate, which may be too small to be worth waiting for. None runs all epochs.
    average : bool, int, float or "auto", default="auto"
        Whether to keep the mean of the parameters over all updates (Polyak), True: from the second epoch on, an
        integer: after so many updates. A float between 0 and 1: an exponential mean with this decay, as 0.99, of all
        updates. "auto": where mini-batches at a constant rate end by the criterion "objective", the mean over the
        epochs that found no new best, but for the first of them, takes the place of the last parameters, most of whose
        distance from the optimum is noise; not under an L1 penalty, whose zeros it would fill.
    {criterion}
        Under L-BFGS "objective" stops at once, when the Newton decrement is at most ``tol`` times what has been gained.
    n_iter_no_change : int, default=3
        Epochs that count as a standstill, at least 1.
    random_state : int, RandomState instance or None, default=None
        Determines the order of rows and the part held out. The same integer gives the same bits.
    """


class Network(Shared):
    """Of networks.

    early_stopping : bool or "auto", default="auto"
        Whether to hold out a part of the data, stop when its loss hasn't improved for ``n_iter_no_change`` epochs, of
        members twice as many, and keep the parameters that were best on it. ``criterion`` doesn't count then. If
        ``fit`` is given ``X_val`` and ``y_val``, they take the place of the part held out. "auto" is True for several
        members where these are given, or there are 40 rows with weight or more that aren't alone in their class.
    validation_fraction : float in (0, 1) or "auto", default="auto"
        Share of the rows held out for early stopping: each member's is another fold, at most as large. "auto" is 0.1
        for one network, for several 1 / n_members, but 0.1 at least and 0.2 at most.
    hidden_layer_sizes : sequence of int, default=(100,)
        Width of every hidden layer, each at least 1; () is a linear model.
    activation : str or Activation, default="relu"
        Activation of the hidden layers:
        {activations}
    optimizer : str or Optimizer, default="adam"
        One of
        {optimizers}
    learning_rate : float or "auto", default="auto"
        Step size, positive. "auto" is the optimizer's own ``learning_rate`` if it has one, else its customary one, for
        Adam and NAdam three times that where the schedule "auto" lets it go down; it is reduced if the fit diverges.
    schedule : str, Schedule or callable, default="auto"
        Factor on the learning rate over epochs:
        {schedules}
        "auto" is half a cosine down to zero over all ``max_iter`` epochs; it is constant where the rate is given, and
        where a fit may end sooner or go on later: with a number as ``tol``, another ``criterion``, ``early_stopping``,
        ``warm_start``, and in ``partial_fit``.
    alpha : float, default=1e-4
        Strength of the penalty, not negative.
    dropout : float or sequence of floats in [0, 1), default=0.0
        Share of a hidden layer's units that each row leaves out of every update, the same for all layers or one
        number for each; the others count by 1 / (1 - dropout), so that expectations stay. Predictions use them all.
    init : str or (coefs, intercepts), default="auto"
        Starting weights and biases: "he", with variance 2 / n_in, "glorot", 2 / (n_in + n_out), or "lecun", 1 / n_in,
        each uniform, or normal as "he_normal"; the last layer's biases start at the best constant prediction. "auto"
        is what the activation names as its ``default_init``, glorot unless you write another one. Or your own: one
        matrix of shape (n_in, n_out) and one vector of shape (n_out,) for each layer, in the units of the data as
        ``coefs_`` and ``intercepts_`` are.
    n_members : int or "auto", default="auto"
        Networks of an ensemble, whose predictions, or probabilities, are averaged: each has its own starting weights
        and order of rows, holds out another part of the rows with ``early_stopping``, keeps the parameters that were
        best on it, and has a linear model beside it, see ``linear_weight_``. "auto" is 5 where the way of training is
        left to skgd (``optimizer``, ``learning_rate``, ``schedule``, ``tol``, ``criterion`` and ``early_stopping`` as
        they are, ``n_restarts=1``, no weights as ``init``), else 1: in ``partial_fit``, with ``warm_start`` and for
        Dask collections, too.
    n_restarts : int, default=1
        Fits from so many random starts, ``n_jobs`` at once in threads, of which the one with the least objective is
        kept, with ``early_stopping`` that with the least loss on the validation data. ``partial_fit`` has one start.
    standardize : bool, "max_abs" or "auto", default="auto"
        Whether to train on (x - mean) / std, without a copy of X. Sparse X is scaled only: the first layer's free
        biases make up for the means. "max_abs": train on x / max(abs(x)). "auto" is True but for columns that
        are rarely non-zero, which unit variance blows up: they are divided by more, words of text most, the same for
        dense and sparse X; and columns with heavy tails are squashed, see ``tails_``, with hidden layers, without
        arrays as ``init``, and not in ``partial_fit``, unless `fit` came first, or of Dask collections.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default="from_dtype"
        Columns of X that hold categories: a mask, numbers or names. "from_dtype" are those of a data frame whose type
        says so: pandas's category, polars's Categorical and Enum, pyarrow's dictionaries. Each of their categories
        becomes a column of its own. See docs/networks.md, for numbers that are missing, too.
    batch_size : int, None or "auto", default="auto"
        Rows per update, at least 1; more than there are means all. None is all rows, "auto" a thousandth of them, at
        least 32, or 200 of sparse X, and at most 256.
    max_iter : int, default=100
        Largest number of epochs, at least 1.
    tol : float, "auto" or None, default="auto"
        Tolerance of the criterion, not negative. None runs all epochs, and so does "auto" where a schedule lets the
        rate change over them, "auto" itself or another one; with a constant rate, "plateau", "lbfgs", another criterion
        or early stopping "auto" is 1e-4.
    n_iter_no_change : int, default=10
        Epochs that count as a standstill, at least 1.
    random_state : int, RandomState instance or None, default=None
        Determines the starting weights, the order of rows and the part held out. The same integer gives the same bits.
    {n_jobs}
        Restarts take them, too, and so do batches that are worth it, as of 256 rows for two layers of 256 units.
    n_members_ : int
        Networks that were trained. Of several ``coefs_``, ``intercepts_``, ``loss_curve_`` and ``validation_curve_``
        are lists with one entry, as described here, for each; ``loss_``, ``best_loss_`` and
        ``best_validation_score_`` are means, ``n_iter_`` and ``t_`` the largest of them.
    linear_weight_ : float
        Weight of linear models in the predictions of an ensemble, from 0 to 1: beside each member that held rows out
        there is one of the other rows, where the loss is smooth and rows that were held out are predicted best with
        both; it is midway from their best weight to the largest that isn't worse by more than a standard error. It is
        1/4 where rows are too few for that. Set it to 0 for the networks alone, whose parameters ``coefs_`` are.
    calibration_slope_ : float
        How many times as far from the constant model raw predictions are taken as networks and linear models together
        have them, from 0.8 to 1.3: midway from 1 to what predicts rows that were held out best. Of log-odds it is an
        inverse temperature. It is 3/4 for classes where rows are too few for that, and 1 for numbers there, where there
        are no linear models, and where a fit goes on.
    oob_score_ : float
        What ``score`` says of ``oob_prediction_``, with weights as in the loss. There is none where members held no
        rows out, or went on from an earlier fit and so may have seen them before.
    oob_prediction_ : ndarray of shape (n_rows,) or (n_rows, n_outputs) or (n_rows, n_classes)
        What a member that held a row out, and the linear model beside it, say of it, probabilities where the loss
        gives them; NaN for rows that none did. As long as the data, so that pickles leave it out.
    tails_ : dict
        Columns with heavy tails, under ``standardize="auto"``, by their numbers, rows of ``coefs_[0]``: the median m
        and the scale s with which x becomes s arsinh((x - m) / s) - s arsinh(-m / s), in ``fit`` and in predictions,
        before ``coefs_``, ``intercepts_`` and linear models see it. Empty if there are none.
    n_layers_ : int
        Number of layers, input and output included.
    out_activation_ : str
        Name of the function that makes predictions, or probabilities, of the last layer: "identity", "exp" for losses
        with a log link, "logistic" or "softmax" for log-loss, or what ``out_activation`` of a loss of yours says.
    loss_ : float
        Objective of the last epoch, as ``loss_curve_`` has it, NaN if there was none without divergence.
    best_loss_ : float or None
        Least objective of an epoch; None with ``early_stopping``, which keeps the parameters with the least loss in
        ``validation_curve_`` instead.
    best_validation_score_ : float or None
        With ``early_stopping`` what ``score`` gives, for the parameters that were kept, on the rows that they were
        chosen by, weighted as in the loss; NaN where there is no score, as for several quantiles. Else None.
    restart_scores_ : ndarray of shape (n_restarts,)
        Objective of every start in the end, or its least loss on the validation data, if there were several: the
        fit with the least is the one that was kept.
    """
