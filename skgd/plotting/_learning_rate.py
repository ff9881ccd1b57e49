"""Losses over updates for several learning rates."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from .._docstrings import documented
from ._checks import learning_rates_of, told_apart
from ._docstrings import Rates
from ._loss_curve import LossCurveDisplay
from ._range_test import RangeTestDisplay, range_test
from ._rate_search import LearningRateSearchDisplay
from ._runs import recorded_fit, updates_of, with_rate
from ._search_results import scores_of
from ._style import short
from ._unwrap import Unwrapped

_EPOCHS = 50  # enough to tell rates apart


@documented(Rates)
class LearningRateDisplay:
    """Losses over updates for several learning rates: too small, right, too large and diverging in one picture.

    Make one by :meth:`from_estimator`, or from arrays. :meth:`from_range_test` finds a rate in a single run,
    :meth:`from_search` draws what a search over rates has found.

    Parameters
    ----------
    learning_rates : sequence of float
        Learning rates.
    losses : sequence of ndarray of shape (n_points,)
        Losses for each of them.
    updates : sequence of ndarray of shape (n_points,)
        Numbers of updates that the losses were measured after.
    stop_reasons : sequence of str, default=None
        Why each fit stopped, as ``stop_reason_``.
    log : bool or "auto", default="auto"
        Whether the axis of losses is logarithmic.

    Attributes
    ----------
    {ax_, figure_}
    lines_ : list of matplotlib.lines.Line2D
        A curve for each learning rate.
    best_rate_ : float
        The learning rate of the least loss in the end, of fits that didn't diverge; NaN if all did.
    models_ : dict of float to estimator
        The fitted clones by their learning rates, after :meth:`from_estimator`; empty for a display made from arrays.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.plotting import LearningRateDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDLinearRegressor(optimizer="sgd", batch_size=None)
    >>> display = LearningRateDisplay.from_estimator(model, X, y, learning_rates=[0.01, 0.1, 0.4, 0.6])
    >>> display.best_rate_
    0.4
    """

    def __init__(
        self,
        learning_rates: Sequence[float] | np.ndarray,
        losses: Sequence[np.ndarray],
        updates: Sequence[np.ndarray],
        *,
        stop_reasons: Sequence[str] | None = None,
        log: bool | str = "auto",
    ):
        self.learning_rates = learning_rates
        self.losses = losses
        self.updates = updates
        self.stop_reasons = stop_reasons
        self.log = log
        self.models_: dict[float, Any] = {}

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        learning_rates: Sequence[float],
        max_iter: int | None = _EPOCHS,
        log: bool | str = "auto",
        legend: bool = True,
        ax: Any = None,
    ) -> Self:
        """Fit a clone with each learning rate and draw its losses.

        All have batches of one size; ``batch_size="auto"`` is that of the middle one of the rates.

        Parameters
        ----------
        {estimator, X, y}
        learning_rates : sequence of float
            Learning rates, positive.
        max_iter : int or None, default=50
            Epochs of every fit, all of which are run; None: those of the estimator, with its criterion.
        log : bool or "auto", default="auto"
            Whether the axis of losses is logarithmic; "auto": where all are positive and span more than a decade.
        {legend, ax}

        Returns
        -------
        LearningRateDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator isn't one of skgd.
        ValueError
            If a learning rate isn't positive, or the optimizer has none.
        """
        given = Unwrapped(estimator, X, y)
        model, X = given.model, given.X
        rates = learning_rates_of("learning_rates", learning_rates)
        settings = {} if max_iter is None else {"max_iter": max_iter, "tol": None, "early_stopping": False}
        settings["batch_size"] = _one_batch_size(model, X, y, rates)
        models = [recorded_fit(with_rate(model, rate), X, y, None, **settings)[0] for rate in rates]
        losses, updates = [model.loss_curve_ for model in models], [updates_of(model) for model in models]
        reasons = [model.stop_reason_ for model in models]
        display = cls(rates, losses, updates, stop_reasons=reasons, log=log)
        display.models_ = dict(zip(rates.tolist(), models, strict=True))
        return display.plot(ax, legend=legend)

    @classmethod
    def from_range_test(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        low: float = 1e-6,
        high: float = 10.0,
        n_updates: int = 200,
        random_state: Any = 0,
        legend: bool = True,
        ax: Any = None,
    ) -> RangeTestDisplay:
        """Find a learning rate: draw the loss against a rate that rises in one run, and mark the one to take.

        See :class:`RangeTestDisplay` for what is measured and how the rate is chosen.

        Parameters
        ----------
        {estimator, X, y}
        low : float, default=1e-6
            Rate of the first update, positive.
        high : float, default=10.0
            Rate of the last update, above ``low``; the run ends before, when the loss has exploded.
        n_updates : int, default=200
            Number of updates, at least 20.
        random_state : int, RandomState instance or None, default=0
            Determines which rows make up the batches.
        {legend, ax}

        Returns
        -------
        RangeTestDisplay
            The display, with ``suggested_rate_``.

        Raises
        ------
        TypeError
            If the estimator isn't one of skgd.
        ValueError
            If a parameter isn't what is accepted, or the optimizer has no learning rate.
        """
        given = Unwrapped(estimator, X, y)
        display = RangeTestDisplay(*range_test(given.model, given.X, y, low, high, n_updates, random_state))
        return display.plot(ax, legend=legend)

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        parameter: str | None = None,
        metric: str | None = None,
        legend: bool = True,
        ax: Any = None,
    ) -> LearningRateSearchDisplay:
        """Draw the scores of a search against its learning rates, with their spread over the folds, and the best.

        Other parameters make a line for each of their settings, see :class:`LearningRateSearchDisplay`. Nothing is
        fitted anew.

        Parameters
        ----------
        search : estimator
            Fitted ``GridSearchCV``, ``RandomizedSearchCV`` or another search, over any estimator; or a pipeline that
            ends with one. Of a halving search the scores of each number of rows make a line of their own.
        parameter : str, default=None
            Name of the searched parameter to draw; None: the one called ``learning_rate``, behind any prefix as
            ``model__``.
        metric : str, default=None
            Which of several metrics to draw; None: that of ``refit``.
        {legend, ax}

        Returns
        -------
        LearningRateSearchDisplay
            The display, with ``best_rate_``.

        Raises
        ------
        TypeError
            If it isn't a search.
        ValueError
            If the parameter wasn't searched, none of its values is a positive number, the metric is none of the
            search's, or every fit has failed.
        sklearn.exceptions.NotFittedError
            If the search isn't fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.model_selection import GridSearchCV
        >>> from skgd import GDLogisticClassifier
        >>> from skgd.plotting import LearningRateDisplay
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> model = GDLogisticClassifier(optimizer="adam", max_iter=5, tol=None, random_state=0)
        >>> search = GridSearchCV(model, {"learning_rate": [1e-5, 1e-3, 0.1]}).fit(X, y)
        >>> LearningRateDisplay.from_search(search).best_rate_ == search.best_params_["learning_rate"]
        True
        """
        return LearningRateSearchDisplay(**scores_of(search, parameter, metric)).plot(ax, legend=legend)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the curves.

        Parameters
        ----------
        {ax, legend}

        Returns
        -------
        LearningRateDisplay
            The display itself.
        """
        names = told_apart(short(self.learning_rates, 3, lambda rate, digits: f"{rate:.{digits}g}"))
        reasons = [""] * len(names) if self.stop_reasons is None else list(self.stop_reasons)
        ends = [np.nan if why == "diverged" else x[-1] for x, why in zip(self.losses, reasons, strict=True)]
        best = int(np.nanargmin(ends)) if np.isfinite(ends).any() else -1
        self.best_rate_ = float(self.learning_rates[best]) if best >= 0 else np.nan
        notes = {name: "diverged" for name, why in zip(names, reasons, strict=True) if why == "diverged"}
        if best >= 0 and len(names) > 1:
            notes[names[best]] = "least at the end"
        curves = LossCurveDisplay(
            dict(zip(names, self.losses, strict=True)),
            positions=dict(zip(names, self.updates, strict=True)),
            notes=notes,
            xlabel="updates",
            ylabel="objective on the training rows",
            legend_title="learning rate",
            log=self.log,
        ).plot(ax, legend=legend)
        self.lines_ = list(curves.lines_.values())
        self.ax_, self.figure_ = curves.ax_, curves.figure_
        return self


def _one_batch_size(estimator: Any, X: Any, y: Any, rates: np.ndarray) -> int | None:
    """What "auto" is for the middle one of the rates: it depends on the rate, and curves are compared."""
    if estimator.batch_size != "auto":
        return estimator.batch_size
    middle = with_rate(estimator, rates[len(rates) // 2])
    return recorded_fit(middle, X, y, None, max_iter=1, tol=None, early_stopping=False)[0].batch_size_
