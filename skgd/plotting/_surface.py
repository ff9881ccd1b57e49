"""A function of two variables as a surface in space."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._contour import shades

SURFACE = "3d"  # matplotlib's name of the projection
_FACES = 50  # of the surface along each variable: a third of the grid's, since all are drawn in every frame
_RELIEF = 0.6  # height of the box, as a share of its longer side
_ZOOM = 1.08  # matplotlib leaves much room around the box
_ROUNDING = 1e-9  # of levels, as a share of their range
_VIEW = {"elev": 40, "azim": -65}  # degrees: into valleys, and before the walls


def check_axes(ax: Any, projection: str | None, n_variables: int) -> None:
    """Complain of axes, or of variables, that don't go with the projection."""
    if projection not in (None, SURFACE):
        raise ValueError(f"projection={projection!r} must be '3d' or None")
    if projection == SURFACE and n_variables != 2:
        raise ValueError("projection='3d' draws functions of two variables, and this one has one")
    if ax is not None and (ax.name == SURFACE) != (projection == SURFACE):
        have = "have" if ax.name == SURFACE else "haven't"
        raise ValueError(f"ax: these axes {have} three dimensions, but projection={projection!r}; give both alike")


def cut(values: np.ndarray, levels: np.ndarray) -> float:
    """Height above which nothing is drawn: the highest level, unless no value is above it, up to rounding."""
    top, extent = levels[-1], levels[-1] - levels[0]
    return float(top) if np.nanmax(values) > top + _ROUNDING * extent else np.inf


def draw_surface(
    ax, grid: Sequence[np.ndarray], values: np.ndarray, levels: np.ndarray, upside_down: bool, equal: bool
) -> Any:
    """The surface, up to the highest level, darker where paths are to get to."""
    from matplotlib import colormaps

    known = np.where(np.isfinite(values) & (values <= cut(values, levels)), values, np.nan)
    order = shades(len(levels), upside_down)
    colors = colormaps["Greys"](np.interp(np.nan_to_num(known, nan=levels[-1]), levels, order))
    ax.computed_zorder = False  # paths before the surface, wherever they are
    looks: dict[str, Any] = {"facecolors": colors, "edgecolor": "white", "linewidth": 0.2, "shade": False}
    surface = ax.plot_surface(*np.meshgrid(*grid), known, rcount=_FACES, ccount=_FACES, **looks)
    ax.view_init(**_VIEW)
    ax.locator_params(nbins=5)  # as many numbers as the shorter sides have room for
    ax.set_xlim(grid[0][0], grid[0][-1])
    ax.set_ylim(grid[1][0], grid[1][-1])
    ax.set_zlim(*_box(known[np.isfinite(known)], levels))
    sides = np.array([np.ptp(axis) for axis in grid]) if equal else np.ones(2)
    ax.set_box_aspect((*sides, _RELIEF * sides.max()), zoom=_ZOOM)
    return surface


def _box(heights: np.ndarray, levels: np.ndarray) -> tuple[float, float]:
    """Limits that hold the surface; the levels, where it is above all of them, so that nothing of it is drawn."""
    shown = heights if heights.size else levels
    low, high = float(shown.min()), float(shown.max())
    return low, high if high > low else low + 1.0


def move(line: Any, points: np.ndarray) -> None:
    """Change the points of a line in the plane or in space."""
    (line.set_data if points.shape[1] == 2 else line.set_data_3d)(*points.T)


def on_surface(path: np.ndarray, heights: np.ndarray, grid: Sequence[np.ndarray], top: float) -> np.ndarray:
    """Points of a path in space; NaN outside of the box, where nothing would hide them."""
    points = np.column_stack([path, heights])
    low, high = np.array([(axis[0], axis[-1]) for axis in grid]).T
    inside = ((path >= low) & (path <= high)).all(axis=1) & (heights <= top)
    points[~inside] = np.nan
    return points
