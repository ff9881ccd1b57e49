"""Marks on paths: how large they are, and which steps get one, by what can be seen on the axes; which leave them."""

import numpy as np

_SEEN = 4.0  # points: shorter steps run together
_SHORT = 40.0  # points: the marks of shorter paths are smaller, so as not to hide them
_SMALLEST = 0.7  # of their size


def dots(ax, points: np.ndarray) -> np.ndarray:
    """Which points of a path get a dot: those of steps that are long enough to be seen."""
    lengths = np.hypot(*np.diff(_drawn(ax, points), axis=0).T)
    seen = lengths >= _SEEN
    return np.append(False, seen) | np.append(seen, False)


def mark_scale(ax, points: np.ndarray) -> float:
    """Size of the marks of a path's start and end, as a share of the usual one."""
    drawn = _drawn(ax, points)
    finite = drawn[np.isfinite(drawn).all(axis=1)]
    if not finite.size:
        return 1.0
    extent = np.ptp(finite, axis=0).max()
    return float(np.clip(extent / _SHORT, _SMALLEST, 1.0))


def steps_outside(ax, points: np.ndarray) -> np.ndarray:
    """Numbers of the points that the axes don't show."""
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    inside = ((points[:, :2] >= low) & (points[:, :2] <= high)).all(axis=1)
    return np.flatnonzero(~inside)


def _drawn(ax, points: np.ndarray) -> np.ndarray:
    """Where they are drawn, in typographic points; not finite where they can't be."""
    if points.shape[1] == 3:
        from mpl_toolkits.mplot3d import proj3d

        points = np.column_stack(proj3d.proj_transform(*points.T, ax.get_proj())[:2])
    with np.errstate(all="ignore"):
        return ax.transData.transform(points) * 72 / ax.get_figure().dpi
