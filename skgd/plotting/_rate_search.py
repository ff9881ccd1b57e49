"""Scores of a search against the learning rate."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from .._docstrings import documented
from ._checks import is_positive
from ._docstrings import Displays
from ._style import COLORS, LIGHT_GREY, LINE_WIDTH, add_legend, axes_for, color, line_style, marker, tidy

_MOST_NAMED = 6  # lines that can be told apart where their bands overlap
# Lower scores leave the picture where at least this share of all stays, and they are so many times as far below these
# as these spread: few that are far away, or more that explode.
_CUTS = ((2 / 3, 5.0), (1 / 2, 1000.0))
_BAND = 0.4  # opacity of a single band, times two


@documented(Displays)
class LearningRateSearchDisplay:
    """Scores of a search against the learning rate, with their spread over the folds, and the best of them.

    A line for each setting of the other parameters; the six with the best scores have colours and names, the others are
    grey. Where most settings have a single rate, as in a random search, candidates are points.
    Few scores far below the others leave the picture, at arrow heads.
    What stands in place of a number, as "auto", is a dotted level. A candidate without a finite score, as of fits that
    failed, is an arrow head at its rate, and left out where that is no rate either, as -1.

    Made by :meth:`LearningRateDisplay.from_search`, or from arrays.

    Parameters
    ----------
    learning_rates : sequence of float or str of length n_candidates
        Rate of each candidate, or what stands in place of a number.
    scores : array-like of shape (n_candidates,)
        Mean scores, of which the largest is best; NaN of fits that failed.
    deviations : array-like of shape (n_candidates,)
        Standard deviations of the scores.
    settings : sequence of str, default=None
        What else was set, for each candidate; None: nothing.
    best : int, default=None
        Number of the candidate to mark; None: that of the largest score.
    chosen_rate : float, default=None
        The rate that the best one came to, where its own is no number.
    xlabel : str, default="learning rate"
        Label of the x-axis.
    ylabel : str, default="score"
        Label of the y-axis.

    Attributes
    ----------
    best_rate_ : float
        Learning rate of the candidate that is marked; NaN if it is unknown.
    lines_ : dict of str to matplotlib.lines.Line2D
        Scores by their settings, in the order of the rates.
    bands_ : dict of str to matplotlib artist
        Their spread, one standard deviation to both sides, of those that have names.
    levels_ : dict of str to matplotlib.lines.Line2D
        Scores of candidates whose rate is no number.
    exits_ : dict of str to matplotlib.lines.Line2D
        Arrow heads where scores leave the picture.
    mark_ : matplotlib.lines.Line2D
        The best candidate.
    {ax_, figure_}

    Examples
    --------
    >>> from skgd.plotting import LearningRateSearchDisplay
    >>> display = LearningRateSearchDisplay([0.01, 0.1, 1.0, "auto"], [0.6, 0.9, 0.3, 0.8], [0.1, 0.02, 0.2, 0.05])
    >>> display.plot().best_rate_
    0.1
    """

    def __init__(
        self,
        learning_rates: Sequence[Any],
        scores: Any,
        deviations: Any,
        *,
        settings: Sequence[str] | None = None,
        best: int | None = None,
        chosen_rate: float | None = None,
        xlabel: str = "learning rate",
        ylabel: str = "score",
    ):
        self.learning_rates = learning_rates
        self.scores = scores
        self.deviations = deviations
        self.settings = settings
        self.best = best
        self.chosen_rate = chosen_rate
        self.xlabel = xlabel
        self.ylabel = ylabel

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the scores and mark the best.

        Parameters
        ----------
        {ax, legend}

        Returns
        -------
        LearningRateSearchDisplay
            The display itself.
        """
        own_axes, ax = ax is None, axes_for(ax)
        scores, spread = (np.asarray(values, dtype=np.float64) for values in (self.scores, self.deviations))
        rates = np.array([float(rate) if is_positive(rate) else np.nan for rate in self.learning_rates])
        best = int(np.nanargmax(scores)) if self.best is None else int(self.best)
        low, high = _range(scores, spread)
        exits = _name_of_exits(scores[np.isfinite(rates)], low)
        self.lines_: dict[str, Any] = {}
        self.bands_: dict[str, Any] = {}
        self.levels_: dict[str, Any] = {}
        self.exits_: dict[str, Any] = {}
        groups, joined = self._groups(rates)
        tops = {setting: np.nan_to_num(scores[members], nan=-np.inf).max() for setting, members in groups.items()}
        first = sorted(groups, key=lambda setting: -tops[setting])[:_MOST_NAMED]
        named = [setting for setting in groups if setting in first]
        for k, setting in enumerate([*named, *(setting for setting in groups if setting not in first)]):
            looks = {"color": color(k), "marker": marker(k), "linestyle": line_style(k), "linewidth": LINE_WIDTH}
            if k >= len(named):
                looks |= {"color": LIGHT_GREY, "linestyle": "-", "linewidth": 1.0, "zorder": 1.5}
            if not joined:
                looks["linestyle"] = "none"
            members = groups[setting][np.argsort(rates[groups[setting]], kind="stable")]
            at_rates, scored = members[np.isfinite(rates[members])], np.isfinite(scores)
            numbered = at_rates[scored[at_rates]]
            if at_rates.size:
                of_line = rates[numbered], scores[numbered]
                label = setting if k < len(named) else f"{len(groups) - len(named)} others" if k == len(named) else "_"
                (self.lines_[setting],) = ax.plot(*of_line, **looks, markersize=5, label=label)
                if k < len(named):
                    self.bands_[setting] = _draw_spread(ax, *of_line, spread[numbered], color(k), joined, len(named))
                if not (scores[at_rates] >= low).all():
                    out = rates[at_rates], scores[at_rates]
                    self.exits_[setting] = _mark_exits(ax, *out, low, looks["color"], "_" if self.exits_ else exits)
            for number in (k for k in members if scored[k] and is_level(self.learning_rates[k])):
                self._draw_level(ax, number, scores[number], looks["color"], k < len(named), joined)
        self._mark_best(ax, best, rates[best], scores[best])
        ax.set_xscale("log")
        ax.set_ylim(low, high)
        tidy(ax)
        ax.set_xlabel(self.xlabel)
        ax.set_ylabel(self.ylabel)
        if legend:
            add_legend(ax, own_axes)
        self.ax_, self.figure_ = ax, ax.get_figure()
        return self

    def _groups(self, rates: np.ndarray) -> tuple[dict[str, np.ndarray], bool]:
        """Numbers of the candidates by what else was set, and whether these make lines; else all are in one."""
        settings = np.array([""] * len(rates) if self.settings is None else list(self.settings), dtype=object)
        groups = {name: np.flatnonzero(settings == name) for name in dict.fromkeys(settings)}
        sizes = np.array([np.isfinite(rates[members]).sum() for members in groups.values()])
        if len(groups) == 1 or 2 * sizes[sizes > 1].sum() >= sizes.sum():
            return groups, True
        return {f"{len(rates)} candidates": np.arange(len(rates))}, False

    def _draw_level(self, ax, number: int, score: float, color: str, named: bool, joined: bool) -> None:
        """The score of a candidate whose rate is no number; among points, one name for all."""
        rate, setting = str(self.learning_rates[number]), "" if self.settings is None else self.settings[number]
        name = f"{setting}: {rate}" if setting else rate
        label = name if joined else rate
        label = label if named and (joined or not self.levels_) else "_"
        self.levels_[name] = ax.axhline(score, color=color, linestyle=":", linewidth=LINE_WIDTH, label=label)

    def _mark_best(self, ax, best: int, rate: float, score: float) -> None:
        """A star, on the level of a candidate whose rate is no number where it came to, if that is known."""
        known = self.chosen_rate if np.isnan(rate) else rate
        self.best_rate_ = np.nan if known is None else float(known)
        words = [str(self.learning_rates[best]) if np.isnan(rate) else f"{rate:.3g}"]
        if np.isnan(rate) and known is not None:
            words.append(f"which came to {known:.3g}")
        if self.settings is not None:
            words.append(self.settings[best])
        looks: dict[str, Any] = {"marker": "*", "markersize": 15, "markeredgecolor": "white", "linestyle": "none"}
        looks |= {"color": COLORS[-1], "zorder": 6, "label": "best: " + ", ".join(filter(None, words))}
        if known is None:
            (self.mark_,) = ax.plot([1.0], [score], transform=ax.get_yaxis_transform(), clip_on=False, **looks)
        else:
            (self.mark_,) = ax.plot([known], [score], **looks)


def _draw_spread(ax, rates, scores, spread, color: str, joined: bool, n_bands: int) -> Any:
    """A band around a line, fainter where many lie upon each other; around points bars."""
    low, high = scores - spread, scores + spread
    if joined and len(rates) > 1:
        return ax.fill_between(rates, low, high, color=color, alpha=_BAND / (1 + n_bands), linewidth=0, zorder=1)
    return ax.vlines(rates, low, high, color=color, alpha=0.4, linewidth=1.2, zorder=1)


def _name_of_exits(scores: np.ndarray, low: float) -> str:
    """What the legend says of arrow heads."""
    reasons = {"below the picture": (scores < low).any(), "failed": not np.isfinite(scores).all()}
    return " or ".join(reason for reason, is_so in reasons.items() if is_so)


def _mark_exits(ax, rates, scores, low: float, color: str, label: str) -> Any:
    """Arrow heads at the lower edge below which scores lie, or have none."""
    gone = rates[~(scores >= low)]
    looks = {"marker": "v", "markersize": 8, "linestyle": "none", "color": color, "clip_on": False, "zorder": 5}
    return ax.plot(gone, np.zeros(len(gone)), transform=ax.get_xaxis_transform(), **looks, label=label)[0]


def _range(scores: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
    """The part of the y-axis to show: what is far below would crush all others."""
    order = np.argsort(-scores[np.isfinite(scores)])
    ends = scores + np.outer((0, -1, 1), np.nan_to_num(spread))
    middle, low, high = ends[:, np.isfinite(scores)][:, order]  # the best ones first
    n_shown = len(order)
    for k in range(n_shown - 1, 0, -1):
        height = high[:k].max() - low[:k].min() or abs(middle[0])
        gap = middle[k - 1] - middle[k]
        if any(k >= share * len(order) and gap > times * height for share, times in _CUTS):
            n_shown = k
    bottom, top = low[:n_shown].min(), high[:n_shown].max()
    margin = 0.06 * (top - bottom) or 0.06 * abs(top) or 1.0
    return float(bottom - margin), float(top + margin)


def is_level(value: Any) -> bool:
    """Whether a value stands in place of a rate, as "auto" does and None; -1 is a number, though no rate."""
    return not isinstance(value, float | int | np.number)
