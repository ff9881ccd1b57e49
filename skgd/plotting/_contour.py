"""A function over a plane or a line: where to look, its values, and at which of them to draw contours."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_N_CONTOURS = 14
_DARKEST, _LIGHTEST = 0.62, 0.06  # of matplotlib's Greys: paths stand out, and so do the lines of contours
_SPANS_DECADES = 8.0  # largest over median height above the lowest value: beyond it, equal steps would show nothing
_CURVED = 2.5  # the same ratio from which on contours lie closer near the lowest value
_LOG_FROM = 1e-4, 1e-2  # between these shares of the range the lowest contour lies above the minimum
_LOW = 0.02  # share of the picture below it
_MARGIN = 0.12  # around the paths, as a share of their extent
_GRID_POINTS = {1: 400, 2: 150}  # along each variable, of so many: with fewer, contours of narrow valleys fray
_FAR = 10.0  # times as far as its start from zero, and higher by so many times its descent: there a path explodes
_SLIMMEST = 1 / 3  # of a window around paths, short side over long side: a line would show no contours


def value_of(fun: Callable, point: np.ndarray) -> float:
    """The function at a point; NaN where it can't be computed, the first value where it returns its gradient, too."""
    try:
        with np.errstate(all="ignore"):
            value = fun(point)
    except (ArithmeticError, ValueError):
        return np.nan
    value = np.asarray(value[0] if isinstance(value, tuple) else value, dtype=np.float64)
    if value.size != 1:
        raise ValueError(f"fun returned {value.size} numbers of shape {value.shape}; it must return one")
    return float(value.ravel()[0])


def window(
    points: Sequence[np.ndarray], heights: Sequence[np.ndarray], width_to_height: float, equal: bool | None = None
) -> tuple[list[tuple[float, float]], bool]:
    """Bounds, one pair for each variable, that hold the paths, but for what explodes; and whether axes have one scale.

    They have where the paths aren't too slim for it, unless told: then steps cross contours at the angles that they
    have.
    """
    near = [_not_exploding(path, height) for path, height in zip(points, heights, strict=True)]
    low, high = np.min([p.min(axis=0) for p in near], axis=0), np.max([p.max(axis=0) for p in near], axis=0)
    extent, center = high - low, (low + high) / 2
    largest = extent.max() or max(1.0, float(np.abs(low).max()))
    if equal is None:
        equal = len(extent) == 2 and bool(extent.min() >= _SLIMMEST * largest)
    extent = np.maximum(extent, _SLIMMEST * largest if extent.any() else largest) * (1 + 2 * _MARGIN)
    if equal and len(extent) == 2:
        extent = np.maximum(extent, extent[::-1] * [width_to_height, 1 / width_to_height])
    return [(float(c - e / 2), float(c + e / 2)) for c, e in zip(center, extent, strict=True)], equal


def _not_exploding(path: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Points of a path without those that are both far from its start and far higher."""
    finite = np.isfinite(path).all(axis=1) & np.isfinite(heights)
    if finite[0] and finite.any():
        span = abs(heights[0] - heights[finite].min()) or abs(heights[0])
        size = max(float(np.abs(path[0]).max()), 1.0)
        with np.errstate(invalid="ignore"):
            far = np.abs(path - path[0]).max(axis=1) > _FAR * size
            finite &= ~(far & (heights - heights[0] > _FAR * span))
    finite[0] = True
    return path[finite]


def check_bounds(bounds: Any, n_variables: int) -> list[tuple[float, float]]:
    """Bounds as pairs of floats, one for each variable."""
    try:
        pairs = np.asarray(bounds, dtype=np.float64)
        pairs = pairs[None] if pairs.shape == (2,) and n_variables == 1 else pairs
    except (TypeError, ValueError):
        pairs = np.empty(0)
    if pairs.shape != (n_variables, 2) or not (np.isfinite(pairs).all() and (pairs[:, 0] < pairs[:, 1]).all()):
        raise ValueError(f"bounds={bounds!r} must be {n_variables} pairs (low, high) of finite numbers, low below high")
    return [(float(low), float(high)) for low, high in pairs]


def contour_levels(values: np.ndarray, levels: Any, upside_down: bool) -> np.ndarray:
    """Values to draw contours at, ascending.

    Equal steps, where they show the shape. Contours closer to each other near the lowest value, or in equal ratios
    above it, where the function spans decades. `upside_down`: near the highest value, for paths that go up.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ValueError("the function is finite nowhere within bounds: give other bounds")
    if not isinstance(levels, str) and np.ndim(levels) == 1:
        return np.unique(np.asarray(levels, dtype=np.float64))
    if not (isinstance(levels, str) and levels == "auto") and not (isinstance(levels, int | np.integer) and levels > 1):
        raise ValueError(f"levels={levels!r} must be 'auto', a number of contours above 1, or a list of values")
    n = _N_CONTOURS if isinstance(levels, str) else int(levels)
    extreme = finite.max() if upside_down else finite.min()
    heights = np.abs(finite - extreme)
    top = float(heights.max())
    if top == 0:
        return np.array([extreme, extreme + 1.0])
    ratio = top / max(float(np.median(heights)), 1e-300)
    if ratio > _SPANS_DECADES:
        bottom = np.clip(float(np.quantile(heights, _LOW)) / top, *_LOG_FROM)
        steps = np.r_[0.0, np.geomspace(bottom, 1.0, n)]
    else:
        steps = np.linspace(0, 1, n + 1) ** (2.0 if ratio > _CURVED else 1.0)
    return np.unique(extreme + (-top if upside_down else top) * steps)


def on_grid(fun: Callable, bounds: Sequence[tuple[float, float]], shape: tuple[int, ...]) -> tuple:
    """Axes of a grid within bounds, and the function's values there: (n,) or (n, n), rows along the second axis."""
    axes = [np.linspace(low, high, _GRID_POINTS[len(bounds)]) for low, high in bounds]
    if len(axes) == 1:
        return axes, np.array([value_of(fun, np.full(shape, x)[()]) for x in axes[0]])
    x, y = axes
    return axes, np.array([[value_of(fun, np.array([a, b]).reshape(shape)) for a in x] for b in y])


def draw_contours(ax, grid: Sequence[np.ndarray], values: np.ndarray, levels: np.ndarray, upside_down: bool):
    """Areas between the levels, darker where paths are to get to."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    colors = ListedColormap(colormaps["Greys"](shades(len(levels) - 1, upside_down)))
    known = np.ma.masked_invalid(values)
    areas = ax.contourf(*grid, known, levels=levels, cmap=colors, norm=BoundaryNorm(levels, len(levels) - 1))
    ax.contour(*grid, known, levels=levels, colors="white", linewidths=0.7, linestyles="solid")
    ax.set_xlim(grid[0][0], grid[0][-1])
    ax.set_ylim(grid[1][0], grid[1][-1])
    return areas


def shades(n: int, upside_down: bool) -> np.ndarray:
    """Of grey, between 0 and 1, from the lowest level to the highest: darker where paths are to get to."""
    return np.linspace(_DARKEST, _LIGHTEST, n)[:: -1 if upside_down else 1]


def goes_up(heights: Sequence[np.ndarray], values: np.ndarray) -> bool:
    """Whether paths with these heights, over a function with these values, seek a maximum."""
    rises = [h[-1] - h[0] for h in heights if np.isfinite(h[[0, -1]]).all()]
    best = [np.nanmax(h) for h in heights if np.isfinite(h).any()]
    finite = values[np.isfinite(values)]
    return bool(rises) and min(rises) > 0 and max(best) <= finite.max() + np.ptp(finite)
