"""matplotlib's player of moving pictures, for notebooks and pages: it starts by itself, and asks no network."""

import functools
import re
from typing import Any

from ._style import pyplot

DPI = 80  # 512 pixels wide
_MEGABYTES = 100.0  # of a page before matplotlib leaves frames out
_STYLES = re.compile(r'<link\s[^>]*href="https?://[^>]*>')
_START = re.compile(r"(anim\w+) = new Animation\([^)]*\);")
_ICON = re.compile(r'<i class="fa fa-([\w -]+)"></i>')
# The symbols of its buttons, which are a font from a server in matplotlib's page, drawn in squares of 16.
_SHAPES = {
    "minus": "M2 7h12v2H2z",
    "fast-backward": "M1 2h2v12H1zM9 2v12L3 8zM15 2v12L9 8z",
    "step-backward": "M3 2h2v12H3zM13 2v12L5 8z",
    "play fa-flip-horizontal": "M14 2v12L3 8z",
    "pause": "M3 2h4v12H3zM9 2h4v12H9z",
    "play": "M2 2v12l11-6z",
    "step-forward": "M11 2h2v12h-2zM3 2v12l8-6z",
    "fast-forward": "M13 2h2v12h-2zM7 2v12l6-6zM1 2v12l6-6z",
    "plus": "M2 7h5V2h2v5h5v2H9v5H7V9H2z",
}


@functools.cache
def moving_picture() -> Any:
    """The class of what moves: matplotlib is imported only when something does."""
    plt = pyplot()
    from matplotlib.animation import FuncAnimation

    class MovingPicture(FuncAnimation):
        """An animation that moves where a notebook shows it."""

        def to_jshtml(self, *args: Any, **kwargs: Any) -> str:
            with plt.rc_context({"animation.embed_limit": _MEGABYTES, "savefig.dpi": DPI}):
                return at_home(super().to_jshtml(*args, **kwargs))

        def _repr_html_(self) -> str:
            return super()._repr_html_() or self.to_jshtml()  # a video, if matplotlib is told to make one

    return MovingPicture


def at_home(page: str) -> str:
    """The page with symbols of its own in place of a font that lies elsewhere, and playing from the start."""
    page = _START.sub(r"\g<0> \1.play_animation();", _STYLES.sub("", page))
    return _ICON.sub(lambda icon: _symbol(icon[1]), page)


def _symbol(name: str) -> str:
    shape = _SHAPES.get(name, "")
    return f'<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true"><path d="{shape}"/></svg>'
