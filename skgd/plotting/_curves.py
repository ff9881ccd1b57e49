"""Curves of a loss, several in one picture: the scale, and what to do with those that explode."""

from collections.abc import Sequence

import numpy as np

from ._style import LINE_WIDTH, color, marker

_DECADES = 1.0  # a logarithmic scale pays from here on
_FEW_DECADES = 10**2.5  # up to here powers of ten alone would be too few ticks
_HEADROOM = 0.5  # of a scale's range, above where training began, for what still swings
_RISING = 0.1  # of its range, from where half of a curve is higher: it seeks a maximum, and doesn't explode
_MOST_LOG_DECADES = 3.0  # above where training began, on a logarithmic scale


def informative_range(
    curves: Sequence[np.ndarray], log: bool | str, minimum: float | None = None
) -> tuple[float, float, bool]:
    """The lowest and highest value worth showing, and whether a logarithmic scale helps.

    Training begins somewhere and goes down. A curve that explodes would crush all others: what lies far above the
    highest beginning is left out, and the curve leaves the picture. A maximum is approached from below, and is shown.
    minimum: what has been subtracted. Values that are at it, but for rounding, are below every logarithmic scale.
    """
    finite = [curve[np.isfinite(curve)] for curve in curves]
    finite = [curve for curve in finite if curve.size]
    if not finite:
        return 0.0, 1.0, False
    low = min(float(curve.min()) for curve in finite)
    high = max(float(curve.max()) for curve in finite)
    starts = [float(curve[0]) for curve in finite if curve.argmin() > 0]  # of those that go down at all
    start = max(starts) if starts else min(float(curve[0]) for curve in finite)
    if not starts and all(np.median(curve) > curve.min() + _RISING * np.ptp(curve) for curve in finite):
        start = high
    least = low
    if minimum is not None:
        above = [curve[curve > np.finfo(float).eps * abs(minimum)] for curve in finite]
        least = min((float(curve.min()) for curve in above if curve.size), default=low)
    can_be_log = least > 0
    if log is True and not can_be_log:
        raise ValueError(f"log=True needs positive values; the least is {least:.3g}. Set log='auto' or log=False")
    logarithmic = bool(log) if isinstance(log, bool) else can_be_log and np.log10(min(high, start) / least) > _DECADES
    most = start * 10.0**_MOST_LOG_DECADES if logarithmic else start + _HEADROOM * (start - low)
    return least if logarithmic else low, min(high, most), bool(logarithmic)


def set_range(ax, low: float, high: float, logarithmic: bool) -> None:
    """Axes from the lowest to the highest value, with a margin."""
    if logarithmic:
        margin = max((high / low) ** 0.06, 1.1)
        ax.set_yscale("log")
        ax.set_ylim(low / margin, high * margin)
        if high / low < _FEW_DECADES:
            from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.yaxis.set_minor_formatter(NullFormatter())
        return
    margin = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    ax.set_ylim(low - margin, high + margin)


def begin_at_zero(ax, line) -> None:
    """Let the x-axis begin at 0; where it is logarithmic, or is made so later on, with the first points."""
    line.sticky_edges.x.append(0.0)
    ax.update_datalim([(0.0, 0.0)], updatey=False)
    ax.autoscale_view(scaley=False)


def leaves(curve: np.ndarray, high: float) -> bool:
    """Whether a curve goes on above the picture, or to infinity."""
    return bool(((curve > high) | ~np.isfinite(curve)).any())


def mark_exit(ax, x: np.ndarray, curve: np.ndarray, high: float, color: str):
    """An arrow head at the upper edge, where the curve leaves the picture."""
    out = int(np.argmax((curve > high) | ~np.isfinite(curve)))
    at = x[max(out - 1, 0)]
    if out > 0 and np.isfinite(curve[out]):  # where the line crosses the edge
        of = np.log if ax.get_yscale() == "log" else np.asarray
        before, after, edge = of(curve[out - 1]), of(curve[out]), of(ax.get_ylim()[1])
        at += (x[out] - x[out - 1]) * float(np.clip((edge - before) / (after - before), 0, 1))
    (mark,) = ax.plot(
        [at], [1.0], marker="^", color=color, markersize=9, clip_on=False, transform=ax.get_xaxis_transform(), zorder=5
    )
    return mark


def mark_point(ax, x: float, y: float, k: int):
    """A point of the k-th curve, hollow, so that several in one place are seen."""
    looks = {"markerfacecolor": "white", "markersize": 7, "markeredgewidth": LINE_WIDTH, "zorder": 4}
    (mark,) = ax.plot([x], [y], marker(k), color=color(k), **looks)
    return mark
