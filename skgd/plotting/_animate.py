"""Displays in motion."""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from ._checks import is_positive, shown
from ._curve_fit import CurveFitDisplay
from ._path import PathDisplay
from ._player import DPI, moving_picture
from ._style import pyplot

_PAUSE = 0.2  # of the time, in a GIF, to see where it ended
_GIF_COLORS = 128


def animate(
    display: PathDisplay | CurveFitDisplay,
    filename: str | Path | None = None,
    *,
    seconds: float = 6.0,
    max_frames: int = 100,
) -> Any:
    """Show how paths go on, or how a curve comes to fit, as a moving picture.

    A notebook shows it as a player where it is what a cell ends with, or is given to ``IPython.display.display``.
    It takes the place of the display's own figure: that one is closed, so that ``plt.show()`` shows the moving picture
    only, that of paths with a legend unless theirs had none; ``display.plot()`` draws the other again. Axes that were
    given to the display stay open.

    Parameters
    ----------
    display : PathDisplay or CurveFitDisplay
        What to show; the display, with its artists, stays as it is.
    filename : str or Path, default=None
        File to write: ``.gif``, or ``.html``, a page with a player, which needs no network. None: no file.
    seconds : float, default=6.0
        How long it lasts, positive; in a GIF the last frame stays for another fifth of it.
    max_frames : int, default=100
        Largest number of frames, at least 2. More steps or epochs are thinned out evenly.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        The animation. Keep it while a window shows it; ``to_jshtml()`` is the player's page.

    Raises
    ------
    TypeError
        If the display is none that moves.
    ValueError
        If the filename ends with something else, or a number is out of range.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skgd.plotting import PathDisplay, animate
    >>> path = np.array([[-4.0 * 0.8**k, 2.0 * (-0.7) ** k] for k in range(10)])
    >>> display = PathDisplay.from_function(lambda x: x[0] ** 2 / 20 + x[1] ** 2, path)
    >>> file = Path(tempfile.mkdtemp()) / "path.gif"
    >>> animation = animate(display, file, max_frames=5)
    >>> file.stat().st_size > 1000
    True
    """
    if not isinstance(display, PathDisplay | CurveFitDisplay):
        raise TypeError(f"display={shown(display)} must be a PathDisplay or a CurveFitDisplay")
    if not is_positive(seconds):
        raise ValueError(f"seconds={seconds!r} must be a positive number")
    if not (isinstance(max_frames, int | np.integer) and max_frames >= 2):
        raise ValueError(f"max_frames={max_frames!r} must be a whole number, at least 2")
    file = None if filename is None else Path(filename)
    if file is not None and file.suffix.lower() not in (".gif", ".html"):
        raise ValueError(f"filename={str(filename)!r} must end with .gif or .html")
    plt = pyplot()
    frames = np.unique(np.linspace(0, display.n_frames - 1, min(max_frames, display.n_frames)).round().astype(int))
    drawn = hasattr(display, "figure_")  # one made from arrays need not be
    moving = copy.copy(display)
    if isinstance(moving, CurveFitDisplay):
        moving.plot(frame=0)
    else:
        moving.plot(legend=not drawn or bool(display.ax_.get_legend() or display.figure_.legends))
    if drawn and display._own_figure:
        plt.close(display.figure_)
    moving.figure_.set_layout_engine("none")  # as it is, for all frames
    interval = 1000 * seconds / len(frames)
    animation = moving_picture()(
        moving.figure_, moving.show_frame, frames=frames.tolist(), interval=interval, cache_frame_data=False
    )
    moving.figure_.canvas.draw()  # matplotlib would warn that it was never drawn, where only a file is wanted
    if file is not None and file.suffix.lower() == ".gif":
        _write_gif(moving, frames, interval, file)
    elif file is not None:
        file.write_text(animation.to_jshtml(), encoding="utf-8")
    if "inline" in plt.get_backend().lower():  # a notebook would show it once more, at rest
        plt.close(moving.figure_)
    return animation


def _write_gif(display: PathDisplay | CurveFitDisplay, frames: np.ndarray, interval: float, file: Path) -> None:
    """Draw every frame once, which matplotlib's writer does three times, and let the last one stay."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure = display.figure_
    canvas, dpi = figure.canvas, figure.dpi
    drawing = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    images = []
    for frame in frames:
        display.show_frame(int(frame))
        drawing.draw()
        image = Image.fromarray(np.asarray(drawing.buffer_rgba())).convert("RGB")
        images.append(image.quantize(_GIF_COLORS, dither=Image.Dither.NONE))
    figure.set_dpi(dpi)
    figure.set_canvas(canvas)
    durations = [interval] * (len(images) - 1) + [interval + _PAUSE * interval * len(images)]
    images[0].save(file, save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)
