"""Paths of optimizers over the function that they minimise."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from .._docstrings import documented
from ..linear_model._base import LinearEstimator
from ._checks import by_name, checked_path, column_numbers, is_path, one_of, output_names, output_number
from ._contour import check_bounds, contour_levels, draw_contours, goes_up, on_grid, value_of, window
from ._docstrings import Paths
from ._marks import dots, mark_scale, steps_outside
from ._objective import LinearSlice, TrainingObjective, training_coefficients
from ._runs import optimizer_name, recorded_fit
from ._style import (
    GREY,
    LIGHT_GREY,
    LINE_WIDTH,
    SMALL,
    add_legend,
    add_legend_outside,
    axes_for,
    color,
    line_style,
    short,
    tidy,
    width_to_height,
)
from ._surface import check_axes, cut, draw_surface, move, on_surface
from ._unwrap import Unwrapped

_ZERO = 5e-5  # of the range of levels: what is less is called 0
_EQUAL = (None, True, False)


@documented(Paths)
class PathDisplay:
    """Paths of one or several optimizers over the contours of a function of two variables, or the curve of one.

    Contours lie closer, or in equal ratios, near the lowest value where equal steps would show nothing of it. With
    ``projection="3d"`` the function is a surface. Make one by :meth:`from_function` or :meth:`from_estimator`, or from
    arrays.

    Parameters
    ----------
    paths : dict of str to ndarray of shape (n_points, 1) or (n_points, 2)
        Points of each path, from the start to the end, by its name.
    grid : list of ndarray
        Points along each variable at which the function is known.
    values : ndarray of shape (n,) or (n_second, n_first)
        Its values there; NaN where it is undefined.
    heights : dict of str to ndarray of shape (n_points,)
        The function along the paths.
    {levels}
    labels : sequence of str, default=("x", "f(x)")
        Of the axes and, last, of the function.
    equal : bool, default=False
        Whether both axes have one scale.
    {projection}

    Attributes
    ----------
    {ax_, figure_}
    contours_ : matplotlib.contour.QuadContourSet or None
        The contours, of two variables.
    surface_ : mpl_toolkits.mplot3d.art3d.Poly3DCollection or None
        The surface in their place.
    curve_ : matplotlib.lines.Line2D or None
        The function, of one variable.
    lines_ : dict of str to matplotlib.lines.Line2D
        The paths, in space ``Line3D``.
    starts_, ends_ : dict of str to matplotlib.lines.Line2D
        Their first and last points.

    See Also
    --------
    animate : the same, moving.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.plotting import PathDisplay
    >>> x, path = np.array([-7.0, 2.0]), []
    >>> for _ in range(30):
    ...     path.append(x)
    ...     x = x - 0.9 * np.array([x[0] / 10, 2 * x[1]])
    >>> display = PathDisplay.from_function(lambda x: x[0] ** 2 / 20 + x[1] ** 2, np.array(path), names=["descent"])
    >>> display.lines_["descent"].get_xydata()[0]
    array([-7.,  2.])
    """

    def __init__(
        self,
        paths: dict[str, np.ndarray],
        grid: Sequence[np.ndarray],
        values: np.ndarray,
        *,
        heights: dict[str, np.ndarray],
        levels: Any = "auto",
        labels: Sequence[str] = ("x", "f(x)"),
        equal: bool = False,
        projection: str | None = None,
    ):
        self.paths = paths
        self.grid = grid
        self.values = values
        self.heights = heights
        self.levels = levels
        self.labels = labels
        self.equal = equal
        self.projection = projection

    @classmethod
    def from_function(
        cls,
        fun: Callable,
        results: Any,
        *,
        bounds: Any = None,
        names: Sequence[str] | None = None,
        levels: Any = "auto",
        labels: Sequence[str] | None = None,
        equal: bool | None = None,
        projection: str | None = None,
        legend: bool = True,
        ax: Any = None,
    ) -> Self:
        """Draw paths over a function.

        Parameters
        ----------
        fun : callable
            The function, of one or two variables in the shape of a path's points; one that returns its gradient in a
            tuple behind the value will do.
        results : OptimizeResult, array-like, or a list or dict of these
            Results of :func:`skgd.minimize` with ``return_path=True``, or paths of shape (n_points,), (n_points, 1) or
            (n_points, 2).
        bounds : sequence of (low, high), default=None
            Part of the plane, or line, to show, a pair for each variable; None: what holds the paths, but for points
            where the function explodes.
        names : list of str, default=None
            Names of the paths, unless ``results`` is a dict.
        {levels}
        labels : sequence of str, default=None
            Of the axes and, last, of the function: three for two variables, two for one. None: x and f(x).
        {equal, projection, legend, ax}

        Returns
        -------
        PathDisplay
            The display.

        Raises
        ------
        ValueError
            If a result has no path, paths have more than two variables, or a parameter isn't what is accepted.
        """
        given = by_name(results, names, lambda _: "path", is_path)
        paths = {name: checked_path(name, value) for name, value in given.items()}
        shapes = {path.shape[1:] for path in paths.values()}
        if len(shapes) > 1:
            raise ValueError(f"results: all paths must have points of one shape, they have {sorted(shapes)}")
        usual = ("x", "f(x)") if int(np.prod(shapes.pop())) == 1 else ("$x_0$", "$x_1$", "f(x)")
        labels = usual if labels is None else labels
        if isinstance(labels, str) or len(labels) != len(usual):
            raise ValueError(f"labels={labels!r} must be {len(usual)} texts: of the axes and, last, of the function")
        return cls._over(fun, paths, bounds, equal, levels, labels, projection, ax).plot(ax, legend=legend)

    @classmethod
    def from_estimator(
        cls,
        estimators: Any,
        X: Any,
        y: Any,
        *,
        features: Sequence[int | str] = (0, 1),
        output: int | str = 0,
        bounds: Any = None,
        names: Sequence[str] | None = None,
        levels: Any = "auto",
        equal: bool | None = None,
        projection: str | None = None,
        legend: bool = True,
        ax: Any = None,
    ) -> Self:
        """Draw a linear estimator's objective over two of its coefficients, with the path of its fit.

        Clones are fitted; the estimators stay as they are. Coefficients are shown as training sees them, of
        standardised features unless ``standardize=False``: there steps of plain descent cross the contours at right
        angles where both axes have one scale. Paths have a point for every epoch.
        All other coefficients are held as they are at the end of the fit with the least objective, and so is the
        prediction for the mean of the features as they are seen. Contours are those of at most 5,000 rows, evenly
        spread over X, or 10,000 over the number of outputs.

        Parameters
        ----------
        estimators : estimator, list of estimators or dict of str to estimator
            Linear estimators of skgd, or pipelines and fitted searches that end with one, which minimise the same
            objective: they may differ in optimizer, learning rate, batch size and so on. Fitted steps of a pipeline
            are applied to X, and name its features, where they do.
        {X, y}
        features : pair of int or str, default=(0, 1)
            Numbers, or names, of the features whose coefficients are the axes.
        output : int or str, default=0
            Which row of ``coef_``, where it has several: of a target, class or quantile, by its number, or a class by
            its name.
        bounds : sequence of (low, high), default=None
            Part of the plane to show, a pair for each coefficient; None: what holds the paths.
        names : list of str, default=None
            Names of the paths; None: those of the dict, else of the optimizers.
        {levels, equal, projection, legend, ax}

        Returns
        -------
        PathDisplay
            The display.

        Raises
        ------
        TypeError
            If an estimator isn't a linear one of skgd.
        ValueError
            If the objectives differ, or a parameter isn't what is accepted.
        """
        named = by_name(estimators, names, optimizer_name, lambda value: hasattr(value, "fit"))
        given = {
            name: Unwrapped(one, X, y, LinearEstimator, "a linear estimator of skgd") for name, one in named.items()
        }
        models, points, objectives = {}, {}, {}
        for name, one in given.items():
            models[name], points[name] = recorded_fit(one.model, one.X, y, training_coefficients)
            objectives[name] = TrainingObjective(models[name], one.X, y)
        best = min(models, key=lambda name: objectives[name].of(models[name]))
        for name, objective in objectives.items():
            if not objective.is_the_same(objectives[best]):
                raise ValueError(
                    f"estimators: {name!r} minimises another objective than {best!r}: loss, penalty, alpha, "
                    "class_weight, standardize and the steps before must be the same in one picture"
                )
        all_names, outputs = given[best].feature_names(models[best]), output_names(models[best])
        chosen = column_numbers(features, all_names)
        if len(set(chosen)) != 2:
            raise ValueError(f"features={features!r} must be two different features")
        row = output_number(output, outputs)
        surface = LinearSlice(models[best], given[best].X, y, chosen, row)
        paths = {name: np.array([0 * passed[0], *passed])[:, row][:, chosen] for name, passed in points.items()}
        of_whom = f" for {outputs[row]}" if len(outputs) > 1 else ""
        labels = *(f"coefficient of {all_names[j]}{of_whom}" for j in chosen), "objective on the training rows"
        return cls._over(surface, paths, bounds, equal, levels, labels, projection, ax).plot(ax, legend=legend)

    @classmethod
    def _over(cls, fun: Callable, paths, bounds, equal, levels, labels, projection: str | None, ax) -> Self:
        """A display of paths, with points in the shape that `fun` takes, over its values within bounds."""
        one_of("equal", equal, _EQUAL)
        n_variables = len(labels) - 1
        check_axes(ax, projection, n_variables)
        heights = {name: np.array([value_of(fun, point) for point in path]) for name, path in paths.items()}
        shape = next(iter(paths.values())).shape[1:]
        paths = {name: path.reshape(len(path), -1) for name, path in paths.items()}
        if bounds is None:
            shape_of_axes = width_to_height(ax) if projection is None else 1.0
            limits, equal = window(list(paths.values()), list(heights.values()), shape_of_axes, equal)
        else:
            limits = check_bounds(bounds, n_variables)
        grid, values = on_grid(fun, limits, shape)
        looks = {"levels": levels, "labels": labels, "equal": bool(equal), "projection": projection}
        return cls(paths, grid, values, heights=heights, **looks)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the function and the paths.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, for a surface made with ``projection="3d"``; None: new ones, with a colour bar beside
            contours.
        {legend}

        Returns
        -------
        PathDisplay
            The display itself.
        """
        check_axes(ax, self.projection, len(self.grid))
        self._own_figure = own_axes = ax is None
        ax = axes_for(ax, self.projection)
        self.contours_, self.curve_, self.surface_ = None, None, None
        if len(self.grid) == 1:
            self._draw_curve(ax)
        else:
            self._draw_plane(ax, own_axes)
        self.lines_: dict[str, Any] = {}
        self.starts_: dict[str, Any] = {}
        self.ends_: dict[str, Any] = {}
        self._dots: dict[str, np.ndarray] = {}
        for k, (name, path) in enumerate(self.paths.items()):
            self._draw_path(ax, k, name, path)
        tidy(ax, grid=len(self.grid) == 1)
        ax.set_xlabel(self.labels[0])
        ax.set_ylabel(self.labels[1])
        if legend:
            self._add_legend(ax, own_axes)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self

    @property
    def n_frames(self) -> int:
        """Number of frames for :func:`animate`: points of the longest path."""
        return max(map(len, self.paths.values()))

    def show_frame(self, frame: int) -> None:
        """Change the paths that were drawn to their first ``frame`` steps."""
        for name, path in self.paths.items():
            points = self._drawn(name, path)[: frame + 1]
            move(self.lines_[name], points)
            self.lines_[name].set_markevery(self._dots[name][: frame + 1])
            move(self.ends_[name], points[-1:])

    def _draw_curve(self, ax) -> None:
        (self.curve_,) = ax.plot(self.grid[0], self.values, color=LIGHT_GREY, linewidth=2.5)
        ax.set_xlim(self.grid[0][0], self.grid[0][-1])
        finite = self.values[np.isfinite(self.values)]
        if finite.size:
            margin = 0.06 * (np.ptp(finite) or 1.0)
            ax.set_ylim(finite.min() - margin, finite.max() + margin)

    def _draw_plane(self, ax, own_axes: bool) -> None:
        up = goes_up(list(self.heights.values()), self.values)
        levels = contour_levels(self.values, self.levels, up)
        if self.projection is not None:
            self.surface_ = draw_surface(ax, self.grid, self.values, levels, up, self.equal)
            self._top = cut(self.values, levels)
            ax.set_zlabel(self.labels[-1])
            return
        self.contours_ = draw_contours(ax, self.grid, self.values, levels, up)
        if self.equal:
            ax.set_aspect("equal")
            ax.apply_aspect()
        if own_axes:
            bar = ax.get_figure().colorbar(self.contours_, ax=ax, spacing="uniform", ticks=levels[::3], pad=0.02)
            bar.ax.set_yticklabels(
                short(np.where(np.abs(levels) > _ZERO * np.ptp(levels), levels, 0)[::3]), fontsize=SMALL
            )
            bar.ax.minorticks_off()
            bar.set_label(self.labels[-1])
            bar.outline.set_visible(False)

    def _drawn(self, name: str, path: np.ndarray) -> np.ndarray:
        """Points of a path as the axes see them."""
        if self.surface_ is not None:
            return on_surface(path, self.heights[name], self.grid, self._top)
        return path if path.shape[1] == 2 else np.column_stack([path[:, 0], self.heights[name]])

    def _draw_path(self, ax, k: int, name: str, path: np.ndarray) -> None:
        points = self._drawn(name, path)
        self._dots[name], scale = dots(ax, points), mark_scale(ax, points)
        n_steps = len(points) - 1
        label = name if len(self.paths) > 1 or name != "path" else f"path, {n_steps} step{'s' if n_steps != 1 else ''}"
        out = steps_outside(ax, points)
        if out.size:
            label += f", leaves the picture at step {out[0]}" if out[0] else ", starts outside"
        looks = {"color": color(k), "linewidth": LINE_WIDTH, "linestyle": line_style(k)}
        (self.lines_[name],) = ax.plot(
            *points.T, marker="o", markersize=3.5, markevery=self._dots[name], label=label, **looks
        )
        looks = {"color": color(k), "zorder": 5, "linestyle": "none"}
        (self.starts_[name],) = ax.plot(
            *points[:1].T,
            marker="o",
            markersize=8 * scale,
            markerfacecolor="white",
            markeredgewidth=LINE_WIDTH,
            **looks,
        )
        (self.ends_[name],) = ax.plot(
            *points[-1:].T, marker="*", markersize=13 * scale, markeredgecolor="white", **looks
        )

    def _add_legend(self, ax, own_axes: bool) -> None:
        from matplotlib.lines import Line2D

        handles, _ = ax.get_legend_handles_labels()
        looks: dict[str, Any] = {"color": GREY, "linestyle": "none"}
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", markersize=7, label="start", **looks))
        handles.append(Line2D([], [], marker="*", markersize=10, label="end", **looks))
        if own_axes and self.surface_ is not None:
            add_legend_outside(ax, own_axes, handles=handles)
        elif own_axes or len(self.grid) == 1:
            add_legend(ax, own_axes, handles=handles)
        else:  # room made above contours would be empty, and a surface leaves the corner free
            loc = "best" if self.surface_ is None else "upper right"
            ax.legend(handles=handles, fontsize=SMALL, framealpha=0.9, loc=loc)
