"""A fit while it lasts: what is drawn of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._curves import begin_at_zero, informative_range, leaves, mark_exit, mark_point, set_range
from ._style import LIGHT_GREY, LINE_WIDTH, SMALL, color, line_style, tidy

PROGRESS_SIZE = 6.4, 4.8  # inches: that of a loss curve, and the learning rate below it
_SHARES = 3.2, 1.0  # of the height, for losses and learning rate
_RATE_DECADES = 1.0  # that the scale of the learning rate has at least, so that one that stays isn't all of it
_EMPTY = np.empty(0)


class Progress(NamedTuple):
    """What there is to draw of a fit; curves are pairs of epochs and values."""

    title: str
    losses: Sequence[tuple[np.ndarray, np.ndarray]]  # of every start
    current: int = 0  # number of the start that all the rest is of
    validation: tuple[np.ndarray, np.ndarray] = (_EMPTY, _EMPTY)
    rates: tuple[np.ndarray, np.ndarray] = (_EMPTY, _EMPTY)  # empty where the length of steps is looked for


def draw_progress(figure: Any, progress: Progress) -> None:
    """Draw it in place of all that is in the figure."""
    figure.clear()
    if len(progress.rates[0]):
        ax, below = figure.subplots(2, sharex=True, height_ratios=_SHARES)
        _draw_rates(below, *progress.rates)
        below.set_xlabel("epochs")
    else:
        ax = figure.subplots()
        ax.set_xlabel("epochs")
    _draw_losses(ax, progress)
    ax.set_title(progress.title, loc="left", fontsize=SMALL, linespacing=1.5)


def _draw_losses(ax: Any, progress: Progress) -> None:
    curves = [curve for _, curve in progress.losses]
    unseen = progress.validation[1]
    low, high, logarithmic = informative_range([*curves, unseen], "auto")
    high = max([high, *(curve[0] for curve in curves if len(curve) and np.isfinite(curve[0]))])  # after one epoch, too
    set_range(ax, low, high, logarithmic)
    others = [pair for number, pair in enumerate(progress.losses) if number != progress.current]
    label = "other starts"
    for x, curve in others:
        ax.plot(x, curve, color=LIGHT_GREY, linewidth=LINE_WIDTH / 2, zorder=1.5, label=label)
        label = "_"  # only one of them in the legend
    x, curve = progress.losses[progress.current]
    (line,) = ax.plot(x, curve, color=color(0), linewidth=LINE_WIDTH, label="training objective")
    if len(unseen):
        style = {"color": color(1), "linestyle": line_style(1), "linewidth": LINE_WIDTH}
        ax.plot(*progress.validation, **style, label="validation loss")
        if np.isfinite(unseen).any():
            best = int(np.nanargmin(unseen))
            mark_point(ax, progress.validation[0][best], unseen[best], 1)
    if len(curve):
        if leaves(curve, high):
            mark_exit(ax, x, curve, high, color(0))
        if np.isfinite(curve[-1]):
            mark_point(ax, x[-1], curve[-1], 0)
    tidy(ax)
    begin_at_zero(ax, line)
    if others or len(unseen):
        ax.legend(loc="upper right", fontsize=SMALL, framealpha=0.9)
    else:
        ax.set_ylabel("training objective")


def _draw_rates(ax: Any, x: np.ndarray, rates: np.ndarray) -> None:
    shown = rates[np.isfinite(rates) & (rates > 0)]
    ax.plot(x, rates, color=color(2), linewidth=LINE_WIDTH)
    if shown.size:
        low, high = float(shown.min()), float(shown.max())
        wider = max(_RATE_DECADES - np.log10(high / low), 0.0) / 2
        set_range(ax, low * 10.0**-wider, high * 10.0**wider, True)
    tidy(ax)
    ax.set_ylabel("learning rate")
