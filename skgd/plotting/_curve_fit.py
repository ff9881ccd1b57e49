"""A curve that is fitted to points, over the epochs."""

from typing import Any, Self

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_array

from .._containers import named_columns
from .._docstrings import documented
from ._checks import shown
from ._docstrings import Displays
from ._runs import of_one_network, recorded_fit
from ._style import COLORS, GREY, LINE_WIDTH, add_legend, axes_for, color, line_style, tidy
from ._unwrap import Unwrapped, checked_model

_GRID = 300  # points of the curve
_MOST_FRAMES = 1_000  # curves that are kept
_MOST_POINTS = 5_000  # that are drawn
_EARLIER = 3  # curves before the last one
_BEYOND = 0.3  # of the range of y, above and below the points, that is shown of a curve that leaves them
_POINT_AREAS = 6.0, 24.0  # square points; small where there are many
_DENSE = 400


@documented(Displays)
class CurveFitDisplay:
    """Points and the curve that a regressor of one feature fits to them, over the epochs.

    Make one by :meth:`from_estimator`, or from arrays. :func:`animate` shows it moving.

    Parameters
    ----------
    x, y : ndarray of shape (n_points,)
        The points. y may have several columns, of targets.
    grid : ndarray of shape (n_grid,)
        Where the curves are known, ascending.
    curves : ndarray of shape (n_frames, n_grid, n_outputs)
        Predictions there, after each of the epochs.
    epochs : ndarray of shape (n_frames,)
        The epochs.
    losses : ndarray of shape (n_frames,)
        The objective of each.
    labels : pair of str, default=("x", "y")
        Labels of the axes.

    Attributes
    ----------
    {ax_, figure_}
    points_ : list of matplotlib.lines.Line2D
        The points, of each target.
    lines_ : list of matplotlib.lines.Line2D
        The last curve, or that of the frame, of each output.
    earlier_lines_ : list of matplotlib.lines.Line2D
        Curves of earlier epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDMLPRegressor
    >>> from skgd.plotting import CurveFitDisplay
    >>> X = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> model = GDMLPRegressor(hidden_layer_sizes=(10,), max_iter=30, random_state=0)
    >>> display = CurveFitDisplay.from_estimator(model, X, X[:, 0] ** 2)
    >>> display.curves.shape
    (30, 300, 1)
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        grid: np.ndarray,
        curves: np.ndarray,
        epochs: np.ndarray,
        losses: np.ndarray,
        *,
        labels: tuple[str, str] = ("x", "y"),
    ):
        self.x = x
        self.y = y
        self.grid = grid
        self.curves = curves
        self.epochs = epochs
        self.losses = losses
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any, *, legend: bool = True, ax: Any = None) -> Self:
        """Fit a clone and draw the curve that it fits, after the last epoch and some before.

        Parameters
        ----------
        estimator : estimator
            Regressor of skgd, or a pipeline or fitted search that ends with one; it stays as it is. Of networks with
            ``n_restarts`` one is trained.
        X : array-like of shape (n_rows, 1)
            The feature, as the first step of a pipeline takes it.
        {y, legend, ax}

        Returns
        -------
        CurveFitDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator isn't a regressor of skgd.
        ValueError
            If X hasn't one column.
        """
        if not is_regressor(checked_model(estimator)):
            raise TypeError(f"estimator={shown(estimator)} must be a regressor of skgd: a classifier fits no curve")
        values = check_array(X, input_name="X")
        if values.shape[1] != 1:
            raise ValueError(f"X has shape {values.shape}; it must have one column, the x-axis of the picture")
        x = values[:, 0]
        grid = np.linspace(x.min(), x.max(), _GRID)
        of_frame = {name: grid for name, _ in named_columns(X)}
        make_frame = getattr(type(X), "from_pydict", type(X))  # pyarrow's have no other constructor
        asked = make_frame(of_frame) if of_frame else grid[:, None].astype(x.dtype)
        given = Unwrapped(estimator, X, y)
        seen_of_grid = given.transform(asked)

        def curve(model):
            return model.predict(seen_of_grid).reshape(_GRID, -1)

        model, seen = recorded_fit(given.model, given.X, y, curve, **of_one_network(given.model))
        epochs = np.arange(1, len(seen) + 1)
        kept = np.unique(np.geomspace(1, len(seen), _MOST_FRAMES).round().astype(int)) - 1
        labels = str(next(iter(of_frame), "x")), str(getattr(y, "name", None) or "y")
        losses = model.loss_curve_[: len(seen)]
        curves = np.array(seen)[kept]
        return cls(x, np.asarray(y), grid, curves, epochs[kept], losses[kept], labels=labels).plot(ax, legend=legend)

    @property
    def n_frames(self) -> int:
        """Number of frames for :func:`animate`."""
        return len(self.epochs)

    def plot(self, ax: Any = None, *, frame: int | None = None, legend: bool = True) -> Self:
        """Draw the points and curves.

        Parameters
        ----------
        {ax}
        frame : int, default=None
            The only curve to draw, by its number in ``curves``; None: the last one, and some before.
        {legend}

        Returns
        -------
        CurveFitDisplay
            The display itself.
        """
        self._own_figure = own_axes = ax is None
        ax = axes_for(ax)
        rows = np.linspace(0, len(self.x) - 1, min(len(self.x), _MOST_POINTS)).astype(np.intp)
        targets = np.asarray(self.y).reshape(len(self.x), -1)
        n_outputs = self.curves.shape[2]
        size = float(np.sqrt(_POINT_AREAS[len(rows) < _DENSE]))
        looks: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0}
        self.points_ = [
            ax.plot(
                self.x[rows], column[rows], color=COLORS[5] if targets.shape[1] == 1 else color(k), alpha=0.6, **looks
            )[0]
            for k, column in enumerate(targets.T)
        ]
        self.points_[0].set_label(f"{len(self.x)} points")
        last, self.earlier_lines_ = self.n_frames - 1 if frame is None else frame, []
        for k, before in enumerate(self._earlier() if frame is None else []):
            style = {"color": GREY, "linestyle": line_style(_EARLIER - k), "linewidth": 1.3}
            lines = ax.plot(self.grid, self.curves[before], **style)
            lines[0].set_label(f"epoch {self.epochs[before]}")
            self.earlier_lines_ += lines
        self.lines_ = [
            ax.plot(self.grid, curve, color=COLORS[1] if n_outputs == 1 else color(k), linewidth=LINE_WIDTH + 0.7)[0]
            for k, curve in enumerate(self.curves[last].T)
        ]
        self.lines_[0].set_label(f"epoch {self.epochs[last]}")
        low, high = float(np.nanmin(targets)), float(np.nanmax(targets))
        margin = _BEYOND * ((high - low) or 1.0)
        visible = np.clip(self.curves[np.isfinite(self.curves)], low - margin, high + margin)
        low, high = visible.min(initial=low), visible.max(initial=high)
        ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        tidy(ax)
        ax.set_xlabel(self.labels[0])
        ax.set_ylabel(self.labels[1])
        if legend and frame is None:
            add_legend(ax, own_axes)
        self.title_ = ax.set_title(self._title(last), fontsize="medium")
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self

    def show_frame(self, frame: int) -> None:
        """Change the curve that was drawn to that of another frame."""
        for line, curve in zip(self.lines_, self.curves[frame].T, strict=True):
            line.set_ydata(curve)
        self.title_.set_text(self._title(frame))

    def _title(self, frame: int) -> str:
        return f"epoch {self.epochs[frame]}, objective {self.losses[frame]:.3g}"

    def _earlier(self) -> list[int]:
        """Frames before the last one, in about equal ratios of epochs."""
        wanted = np.geomspace(self.epochs[0], self.epochs[-1], _EARLIER + 1)[:-1]
        frames = {int(np.abs(self.epochs - epoch).argmin()) for epoch in wanted}
        return sorted(frames - {self.n_frames - 1})
