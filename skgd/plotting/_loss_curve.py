"""Losses over epochs or updates."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.utils.validation import check_is_fitted

from .._docstrings import documented
from ._checks import by_name, is_number, one_of, shown
from ._curves import begin_at_zero, informative_range, leaves, mark_exit, mark_point, set_range
from ._docstrings import Displays
from ._runs import curve_of, how_descent_ended, how_it_ended, optimizer_name, updates_of
from ._style import LINE_WIDTH, add_legend, axes_for, color, line_style, tidy
from ._unwrap import innermost

X_AXES = ("epochs", "updates")
LOG = ("auto", True, False)


@documented(Displays)
class LossCurveDisplay:
    """Losses of one or several fits over epochs or updates, or of descents over steps; where and why each stopped.

    The scale is logarithmic where all losses are positive and span more than a decade. A curve that explodes leaves
    the picture, at an arrow head, and doesn't crush the others. Make one by :meth:`from_estimator`, by
    :meth:`from_results`, or from arrays.

    Parameters
    ----------
    losses : dict of str to array-like of shape (n_points,)
        Losses by the names of their curves.
    positions : dict of str to array-like of shape (n_points,), default=None
        Where the points of each curve lie on the x-axis, None or left out: at 1, 2, 3, ...
    validation_losses : dict of str to array-like of shape (n_points,), default=None
        Losses on validation data, at the same positions, for some names or all; drawn dashed, the others solid.
    notes : dict of str to str, default=None
        What the legend says of a curve, beside its name.
    xlabel : str, default="epochs"
        Label of the x-axis.
    ylabel : str, default="loss"
        Label of the y-axis.
    legend_title : str, default=None
        Title of the legend.
    minimum : float, default=None
        A known minimum of the losses: drawn is how far they are above it, and the label of the y-axis says so. What
        comes down to it leaves a logarithmic scale below. Validation losses, which have another minimum, are left out.
    log : bool or "auto", default="auto"
        Whether the y-axis is logarithmic.

    Attributes
    ----------
    {ax_, figure_}
    lines_ : dict of str to matplotlib.lines.Line2D
        Losses.
    validation_lines_ : dict of str to matplotlib.lines.Line2D
        Losses on validation data.
    ends_ : dict of str to matplotlib.lines.Line2D
        Markers of where each curve ends.
    exits_ : dict of str to matplotlib.lines.Line2D
        Arrow heads where curves leave the picture.

    See Also
    --------
    LearningRateDisplay : the same for several learning rates.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDMLPRegressor
    >>> from skgd.plotting import LossCurveDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDMLPRegressor(early_stopping=True, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'epochs'
    """

    def __init__(
        self,
        losses: Mapping[str, Any],
        *,
        positions: Mapping[str, Any] | None = None,
        validation_losses: Mapping[str, Any] | None = None,
        notes: Mapping[str, str] | None = None,
        xlabel: str = "epochs",
        ylabel: str = "loss",
        legend_title: str | None = None,
        minimum: float | None = None,
        log: bool | str = "auto",
    ):
        self.losses = losses
        self.positions = positions
        self.validation_losses = validation_losses
        self.notes = notes
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.legend_title = legend_title
        self.minimum = minimum
        self.log = log

    @classmethod
    def from_estimator(
        cls,
        estimators: Any,
        *,
        names: Sequence[str] | None = None,
        validation: bool = True,
        x: str = "epochs",
        minimum: float | None = None,
        log: bool | str = "auto",
        legend: bool = True,
        ax: Any = None,
    ) -> Self:
        """Draw the losses of fitted estimators.

        Parameters
        ----------
        estimators : estimator, list of estimators or dict of str to estimator
            Fitted estimators of skgd, others with a ``loss_curve_``, as scikit-learn's networks, or pipelines and
            searches that end with one. Of an ensemble the means of its members' losses are drawn.
        names : list of str, default=None
            Names of the curves; None: those of the dict, else of the optimizers, else of the classes.
        validation : bool, default=True
            Whether to draw ``validation_curve_`` where there is one.
        x : {"epochs", "updates"}, default="epochs"
            What the losses are drawn over. ``loss_curve_`` is a mean over the epoch's batches before their updates;
            over updates it stands at the mean of their numbers.
        minimum : float, default=None
            A known minimum of the objective: drawn is how far the losses are above it, those on validation data not.
        log : bool or "auto", default="auto"
            Whether the y-axis is logarithmic; "auto": where all losses are positive and span more than a decade.
        {legend, ax}

        Returns
        -------
        LossCurveDisplay
            The display.

        Raises
        ------
        TypeError
            If something isn't an estimator.
        ValueError
            If there is nothing to draw, an estimator has no loss curve, or names aren't one for each.
        sklearn.exceptions.NotFittedError
            If an estimator isn't fitted.
        """
        one_of("x", x, X_AXES)
        one_of("log", log, LOG)
        models = by_name(estimators, names, optimizer_name, lambda value: hasattr(value, "fit"))
        named = names is not None or isinstance(estimators, dict)
        models = {name: _with_curve(name if named else None, model) for name, model in models.items()}
        losses = {name: curve_of(model) for name, model in models.items()}
        unseen = {name: curve_of(model, "validation_curve_") for name, model in models.items()}
        unseen = {name: curve for name, curve in unseen.items() if validation and len(curve)}
        positions = None if x == "epochs" else {name: updates_of(model) for name, model in models.items()}
        notes = {name: how_it_ended(model) for name, model in models.items()}
        ylabel = "training objective, validation loss" if unseen else "objective on the training rows"
        display = cls(
            losses,
            positions=positions,
            validation_losses=unseen,
            notes=notes,
            xlabel=x,
            ylabel=ylabel if minimum is None else "objective",
            minimum=minimum,
            log=log,
        )
        return display.plot(ax, legend=legend)

    @classmethod
    def from_results(
        cls,
        results: Any,
        *,
        names: Sequence[str] | None = None,
        minimum: float | None = None,
        log: bool | str = "auto",
        legend: bool = True,
        ax: Any = None,
    ) -> Self:
        """Draw the values of a function on the way of descents, step by step.

        Parameters
        ----------
        results : OptimizeResult, or a list or dict of these
            Results of :func:`skgd.minimize` with ``return_path=True``. Fitted estimators of skgd may be among them:
            their losses are drawn over their updates.
        names : list of str, default=None
            Names of the curves, unless ``results`` is a dict.
        minimum : float, default=None
            A known minimum: drawn is how far the values are above it.
        log : bool or "auto", default="auto"
            Whether the y-axis is logarithmic; "auto": where all values are positive and span more than a decade.
        {legend, ax}

        Returns
        -------
        LossCurveDisplay
            The display.

        Raises
        ------
        ValueError
            If there is nothing to draw, a result has no path, or names aren't one for each.

        Examples
        --------
        >>> import skgd
        >>> from skgd.plotting import LossCurveDisplay
        >>> settings = {"learning_rate": 0.1, "max_iter": 50, "tol": None, "return_path": True}
        >>> result = skgd.minimize(lambda x: 3 + x**2, 4.0, **settings)
        >>> LossCurveDisplay.from_results(result, minimum=3.0).ax_.get_ylabel()
        'objective above its minimum'
        """
        one_of("log", log, LOG)
        given = by_name(results, names, _name, lambda value: isinstance(value, OptimizeResult) or hasattr(value, "fit"))
        losses, positions, notes = {}, {}, {}
        for name, value in given.items():
            if isinstance(value, OptimizeResult):
                losses[name] = _values(name, value)
                positions[name], notes[name] = np.arange(len(losses[name])), how_descent_ended(value)
            else:
                model = _with_curve(name if names is not None or isinstance(results, dict) else None, value)
                losses[name] = curve_of(model)
                positions[name], notes[name] = updates_of(model), how_it_ended(model)
        display = cls(
            losses, positions=positions, notes=notes, xlabel="steps", ylabel="objective", minimum=minimum, log=log
        )
        return display.plot(ax, legend=legend)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the curves.

        Parameters
        ----------
        {ax, legend}

        Returns
        -------
        LossCurveDisplay
            The display itself.
        """
        one_of("log", self.log, LOG)
        if self.minimum is not None and not is_number(self.minimum):
            raise ValueError(f"minimum={self.minimum!r} must be a finite number")
        above = 0.0 if self.minimum is None else float(self.minimum)
        losses = {name: np.asarray(curve, dtype=np.float64) - above for name, curve in self.losses.items()}
        empty = [name for name, curve in losses.items() if not curve.size]
        if len(empty) == len(losses):
            of_whom = f" of {empty}: no fit has ended an epoch, as when it diverges in the first" if empty else ""
            raise ValueError(f"losses: there is nothing to draw{of_whom}")
        unseen = {name: np.asarray(curve, float) for name, curve in (self.validation_losses or {}).items()}
        unseen = unseen if self.minimum is None else {}
        low, high, logarithmic = informative_range([*losses.values(), *unseen.values()], self.log, self.minimum)
        own_axes, ax = ax is None, axes_for(ax)
        set_range(ax, low, high, logarithmic)
        self.lines_: dict[str, Any] = {}
        self.validation_lines_: dict[str, Any] = {}
        self.ends_: dict[str, Any] = {}
        self.exits_: dict[str, Any] = {}
        for k, (name, curve) in enumerate(losses.items()):
            x = np.asarray((self.positions or {}).get(name, np.arange(1, len(curve) + 1)), dtype=np.float64)
            out = leaves(curve, high)
            note = (self.notes or {}).get(name, "")
            note += (", " if note else "") + "leaves the picture" if out else ""
            looks = {"color": color(k), "linewidth": LINE_WIDTH}
            style = line_style(k) if not unseen else "-"
            (self.lines_[name],) = ax.plot(
                x, curve, linestyle=style, **looks, label=": ".join(filter(None, (name, note)))
            )
            if name in unseen:
                (self.validation_lines_[name],) = ax.plot(
                    x[: len(unseen[name])], unseen[name], linestyle="--", **looks, label=f"{name}: validation"
                )
            if out:
                self.exits_[name] = mark_exit(ax, x, curve, high, color(k))
            if len(curve):  # not of a fit that diverged in its first epoch
                self.ends_[name] = mark_point(ax, x[-1], curve[-1], k)
        tidy(ax)
        begin_at_zero(ax, next(iter(self.lines_.values())))
        ax.set_xlabel(self.xlabel)
        ax.set_ylabel(self.ylabel if self.minimum is None else f"{self.ylabel} above its minimum")
        if legend:
            add_legend(ax, own_axes, title=self.legend_title)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self


def _with_curve(name: str | None, estimator: Any) -> Any:
    """The estimator itself, or the one that a pipeline or search ends with, if it has a loss curve.

    name: what the user calls it, if anything, for errors.
    """
    model = innermost(estimator)
    if not hasattr(model, "fit"):
        which = shown(model) if name is None else f"{name!r}, {shown(model)},"
        raise TypeError(f"estimators: {which} must be a fitted estimator, not {type(model).__name__}")
    check_is_fitted(model)
    diverged = getattr(model, "stop_reason_", None) == "diverged"  # perhaps in its first epoch: the legend tells
    if not len(getattr(model, "loss_curve_", ())) and not diverged:
        which = type(model).__name__ if name is None else f"{name!r}, {type(model).__name__},"
        raise ValueError(f"estimators: {which} has no loss_curve_ to draw")
    return model


def _name(value: Any) -> str:
    return "descent" if isinstance(value, OptimizeResult) else optimizer_name(value)


def _values(name: str, result: OptimizeResult) -> np.ndarray:
    """The function on the way, if it was kept."""
    if "fun_path" not in result:
        raise ValueError(f"results: {name!r} has no fun_path; call minimize(..., return_path=True)")
    return np.asarray(result.fun_path, dtype=np.float64)
