"""The looks that all pictures share, and the way to matplotlib, which is imported only when one is drawn."""

from collections.abc import Callable, Sequence

import numpy as np

# Okabe and Ito 2008, Color universal design: seven colours that colour-blind people tell apart, on white; their
# yellow is too light for a line.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Of other numbers than the colours, so that each of the first 35 pairs is a new one; told apart in black and white.
LINE_STYLES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#666666"
LIGHT_GREY = "#BBBBBB"
LINE_WIDTH = 1.8
SMALL = 9  # points of the font of legends and notes; labels have the 10 of matplotlib
FIGURE_SIZE = 6.4, 4.2  # inches: half a page
_USUAL_SHAPE = 1.33
_MARGIN = 0.05  # between the curves and a legend that had to be given room, as a share of the axes
_MARKER_RADIUS = 12  # pixels around a curve, of the star at the end of a path, too
_LEAST_SHARE = 0.4  # of the axes that stays for the curves


def pyplot():
    """matplotlib.pyplot, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('skgd.plotting needs matplotlib: pip install "skgd[plot]"') from error
    return plt


def axes_for(ax, projection: str | None = None):
    """The axes to draw on: those given, else new ones in a figure of their own."""
    if ax is None:
        looks = {"projection": projection}
        _, ax = pyplot().subplots(figsize=FIGURE_SIZE, layout="constrained", subplot_kw=looks)
    return ax


def color(k: int) -> str:
    return COLORS[k % len(COLORS)]


def line_style(k: int):
    return LINE_STYLES[k % len(LINE_STYLES)]


def marker(k: int) -> str:
    return MARKERS[k % len(MARKERS)]


def tidy(ax, grid: bool = True) -> None:
    """No frame where there is no scale, and lines to read values by."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(True, color="#E5E5E5", linewidth=0.8)
        ax.set_axisbelow(True)


def _in_digits(value: float, digits: int) -> str:
    """A number in so many digits, without an exponent where that is as short."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return np.format_float_positional(value, precision=digits, fractional=False, trim="-")
    return f"{value:.{digits - 1}e}"


def short(
    values: Sequence[float] | np.ndarray, fewest: int = 2, write: Callable[[float, int], str] = _in_digits
) -> list[str]:
    """Numbers in few digits, or in as many as tell them apart."""
    for digits in range(fewest, 8):
        words = [write(float(value), digits) for value in values]
        if len(set(words)) == len(np.unique(values)):
            break
    return words


def width_to_height(ax) -> float:
    """Shape of the axes, or of what is left of a new figure beside labels and a colour bar."""
    if ax is None:
        return _USUAL_SHAPE
    box = ax.get_window_extent()
    return box.width / box.height


def add_legend(ax, own_axes: bool, **options):
    """A legend that hides no curve: where there is room, else below axes that are the only ones of their figure.

    Above the curves of other axes room is made for it.
    """
    legend = ax.legend(fontsize=SMALL, framealpha=0.9, **options)
    _lay_out(ax)  # once: a legend within its axes leaves them as they are
    for place in ("best", "upper right", "upper left", "lower left", "lower right"):
        legend.set_loc(place)
        box = legend.get_window_extent().padded(_MARKER_RADIUS)
        if not _is_crossed(ax, box):
            return legend
    legend.remove()
    return add_legend_outside(ax, own_axes, **options)


def add_legend_outside(ax, own_axes: bool, **options):
    """A legend below axes that are the only ones of their figure, or above the curves of others."""
    figure = ax.get_figure()
    make, place = (figure, "outside lower center") if own_axes else (ax, "upper right")
    room = (figure if own_axes else ax).get_window_extent().width
    for n_columns in (4, 3, 2, 1):
        legend = make.legend(loc=place, fontsize=SMALL, ncols=n_columns, frameon=not own_axes, **options)
        legend.set_in_layout(own_axes)  # a wide one would squeeze the axes that it stands in
        _lay_out(ax)
        box = legend.get_window_extent()
        if box.width <= room or n_columns == 1:
            break
        legend.remove()
    if own_axes:
        return legend
    height = box.transformed(ax.transAxes.inverted()).height
    low, high = ax.transScale.transform([(1, limit) for limit in ax.get_ylim()])[:, 1]
    high = low + (high - low) / max(1 - height - _MARGIN, _LEAST_SHARE)
    ax.set_ylim(top=ax.transScale.inverted().transform((1, high))[1])
    return legend


def add_legend_beside(ax, **options):
    """A legend at the right of axes that are the only ones of their figure."""
    return ax.get_figure().legend(loc="outside right upper", fontsize=SMALL, frameon=False, **options)


def _lay_out(ax):
    """Put axes where they will be drawn; drawing itself, which also does that, sets every text of the figure again."""
    engine = ax.get_figure().get_layout_engine()
    if engine is not None:
        engine.execute(ax.get_figure())
    ax.apply_aspect()
    ax.get_xlim(), ax.get_ylim()  # limits that follow the data do so when somebody asks for them


def _is_crossed(ax, box) -> bool:
    """Whether a curve or a bar runs through the box, in pixels."""
    from matplotlib.collections import LineCollection
    from matplotlib.path import Path

    bars = (bar for each in ax.collections if isinstance(each, LineCollection) for bar in each.get_segments())
    if any(Path(ax.transData.transform(bar)).intersects_bbox(box, filled=False) for bar in bars):
        return True
    for line in ax.lines:
        if line.get_transform() == ax.transData and len(line.get_xydata()):
            with np.errstate(all="ignore"):
                points = ax.transData.transform(line.get_xydata())
            if Path(points[np.isfinite(points).all(axis=1)]).intersects_bbox(box, filled=False):
                return True
    return False
