"""Coefficients over epochs, or over the strengths of a penalty."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Self

import numpy as np

from .._docstrings import documented
from ..linear_model._base import LinearEstimator
from ..linear_model._path import RegularizationPath
from ._checks import column_numbers, feature_names, output_names, output_number, shown
from ._docstrings import Coefficients
from ._objective import training_coefficients
from ._runs import recorded_fit
from ._style import (
    GREY,
    LIGHT_GREY,
    LINE_WIDTH,
    add_legend,
    add_legend_beside,
    axes_for,
    color,
    line_style,
    short,
    tidy,
)
from ._unwrap import Unwrapped

_MOST_NAMED = 10  # lines that can be told apart


@documented(Coefficients)
class CoefficientPathDisplay:
    """Coefficients of a linear estimator over the epochs of its fit, or over the strengths of its penalty.

    Make one by :meth:`from_estimator` or :meth:`from_path`, or from arrays. The ten that end largest have colours and
    names, the legend in the order in which they end; the others are grey.

    Parameters
    ----------
    epochs : ndarray of shape (n_points,)
        Epochs, from 0; or alphas, the largest first, at the left.
    coefficients : ndarray of shape (n_points, n_features)
        Coefficients there.
    names : sequence of str
        Names of the features, or of what else has a coefficient.
    ylabel : str, default="coefficient"
        Label of the y-axis.
    xlabel : str, default="epochs"
        Label of the x-axis.
    xscale : {"linear", "log"}, default="linear"
        Its scale.
    chosen : float, default=None
        Where a vertical line marks what was chosen; the largest are those that are it there.

    Attributes
    ----------
    {ax_, figure_}
    lines_ : dict of str to matplotlib.lines.Line2D
        A line for each feature.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.plotting import CoefficientPathDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = GDLinearRegressor(optimizer="adam", max_iter=50, random_state=0)
    >>> display = CoefficientPathDisplay.from_estimator(model, X, y)
    >>> list(display.lines_)[:3]
    ['age', 'sex', 'bmi']
    """

    def __init__(
        self,
        epochs: np.ndarray,
        coefficients: np.ndarray,
        names: Sequence[str],
        *,
        ylabel: str = "coefficient",
        xlabel: str = "epochs",
        xscale: str = "linear",
        chosen: float | None = None,
    ):
        self.epochs = epochs
        self.coefficients = coefficients
        self.names = names
        self.ylabel = ylabel
        self.xlabel = xlabel
        self.xscale = xscale
        self.chosen = chosen

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        features: Any = None,
        output: int | str | None = 0,
        legend: bool = True,
        ax: Any = None,
    ) -> Self:
        """Fit a clone and draw its coefficients after every epoch.

        Coefficients are those of the features as training sees them, by default per standard deviation: features in
        different units can be compared. With ``standardize=False`` they are per unit of each feature.

        Parameters
        ----------
        estimator : estimator
            Linear estimator of skgd, or a pipeline or fitted search that ends with one; it stays as it is. Fitted
            steps of a pipeline are applied to X, and name its features, where they do.
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features; columns of a data frame give their names.
        {y, features, output, legend, ax}

        Returns
        -------
        CoefficientPathDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator isn't a linear one of skgd.
        ValueError
            If a feature or the output isn't there.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skgd import GDLogisticClassifier
        >>> from skgd.plotting import CoefficientPathDisplay
        >>> iris = load_iris(as_frame=True)
        >>> kinds = iris.target_names[iris.target]
        >>> settings = {"features": ["petal width (cm)"], "output": None}
        >>> display = CoefficientPathDisplay.from_estimator(GDLogisticClassifier(), iris.data, kinds, **settings)
        >>> list(display.lines_)
        ['setosa', 'versicolor', 'virginica']
        """
        given = Unwrapped(estimator, X, y, LinearEstimator, "a linear estimator of skgd")
        model, passed = recorded_fit(given.model, given.X, y, training_coefficients)
        coefficients = np.array([np.zeros_like(passed[0]), *passed])
        scaled = not (model._training.scaling.scale == 1).all()
        names, outputs = given.feature_names(model), output_names(model)
        flat, lines, ylabel = _lines(coefficients, names, outputs, features, output, scaled)
        return cls(np.arange(len(flat)), flat, lines, ylabel=ylabel).plot(ax, legend=legend)

    @classmethod
    def from_path(
        cls,
        path: RegularizationPath,
        *,
        alpha: float | None = None,
        features: Any = None,
        output: int | str | None = 0,
        legend: bool = True,
        ax: Any = None,
    ) -> Self:
        """Draw the coefficients of a regularization path over alpha, the largest at the left.

        Coefficients are those of the features as training sees them, as in :meth:`from_estimator`.

        Parameters
        ----------
        path : RegularizationPath
            What :func:`skgd.linear_model.regularization_path` returned.
        alpha : float, default=None
            An alpha to mark by a line, as ``alpha_`` of :class:`skgd.linear_model.AlphaSearchCV`.
        {features, output, legend, ax}

        Returns
        -------
        CoefficientPathDisplay
            The display.

        Raises
        ------
        TypeError
            If it is no such path.
        ValueError
            If a feature or the output isn't there.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skgd import GDLinearRegressor
        >>> from skgd.linear_model import regularization_path
        >>> from skgd.plotting import CoefficientPathDisplay
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> path = regularization_path(GDLinearRegressor(penalty="l1"), X, y)
        >>> CoefficientPathDisplay.from_path(path, features=["bmi", "bp"]).names
        ['bmi', 'bp']
        """
        if not isinstance(path, RegularizationPath):
            raise TypeError(f"path={shown(path)} must be what skgd.linear_model.regularization_path returns")
        of_one = SimpleNamespace(coef_=path.coefs[0], classes_=path.classes)
        names = feature_names(path.feature_names, path.scales.size)
        shown_at = path.alphas > 0  # 0 has no place on a logarithmic axis
        coefficients = path.coefs.reshape(len(path.alphas), -1, path.scales.size)[shown_at] * path.scales
        scaled = bool((path.scales != 1).any())
        flat, lines, ylabel = _lines(coefficients, names, output_names(of_one), features, output, scaled)
        display = cls(path.alphas[shown_at], flat, lines, ylabel=ylabel, xlabel="alpha", xscale="log", chosen=alpha)
        return display.plot(ax, legend=legend)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the coefficients.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None: new ones, with the legend beside them.
        {legend}

        Returns
        -------
        CoefficientPathDisplay
            The display itself.
        """
        own_axes, ax = ax is None, axes_for(ax)
        chosen = None if self.chosen is None else int(np.abs(np.asarray(self.epochs) - self.chosen).argmin())
        end = self.coefficients[-1 if chosen is None else chosen]
        largest = np.argsort(-np.abs(end), kind="stable")[:_MOST_NAMED]
        rank = {int(j): k for k, j in enumerate(sorted(largest, key=lambda j: -end[j]))}
        self.lines_: dict[str, Any] = {}
        for j, name in enumerate(self.names):
            looks: dict[str, Any] = {"color": LIGHT_GREY, "linewidth": 1.0, "zorder": 1.5}
            if j in rank:
                k = rank[j]
                looks = {"color": color(k), "linestyle": line_style(k), "linewidth": LINE_WIDTH, "label": name}
            (self.lines_[name],) = ax.plot(self.epochs, self.coefficients[:, j], **looks)
        handles = [self.lines_[self.names[j]] for j in rank]
        if len(rank) < len(self.names):
            others = next(line for j, line in enumerate(self.lines_.values()) if j not in rank)
            others.set_label(f"{len(self.names) - len(rank)} smaller ones")
            handles.append(others)
        tidy(ax)
        ax.axhline(0, color="black", linewidth=0.8, zorder=1)
        ax.set_xscale(self.xscale)
        ax.set_xlim(self.epochs[0], self.epochs[-1])
        if self.chosen is not None:
            label = f"{self.xlabel} = {short([self.chosen])[0]}"
            handles.append(ax.axvline(self.chosen, color=GREY, linestyle="--", linewidth=1.0, zorder=1, label=label))
        ax.set_xlabel(self.xlabel)
        ax.set_ylabel(self.ylabel)
        if legend and own_axes:
            add_legend_beside(ax, handles=handles)
        elif legend:
            add_legend(ax, own_axes, handles=handles)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self


def _lines(coefficients, names, outputs, features, output, scaled) -> tuple[np.ndarray, list[str], str]:
    """What to draw of coefficients (n_points, n_outputs, n_features), names of the lines and label of the y-axis."""
    columns = range(len(names)) if features is None else column_numbers(features, names)
    rows = range(len(outputs)) if output is None else [output_number(output, outputs)]
    flat = coefficients[:, rows][:, :, columns].reshape(len(coefficients), -1)
    ylabel = "coefficient of the scaled feature" if scaled else "coefficient"
    if len(rows) == 1:
        ylabel += f" for {outputs[rows[0]]}" if len(outputs) > 1 else ""
        return flat, [names[j] for j in columns], ylabel
    ylabel = f"coefficient of {names[columns[0]]}" if len(columns) == 1 else ylabel
    return (
        flat,
        [f"{names[j]}, {outputs[k]}" if len(columns) > 1 else outputs[k] for k in rows for j in columns],
        ylabel,
    )
