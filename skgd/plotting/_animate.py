"""Displays in motion."""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from ._curve_fit import CurveFitDisplay
from ._path import PathDisplay
from ._style import pyplot

_DPI = 80  # 512 pixels wide
_PAUSE = 0.2  # of the time, to see where it ended
_MEGABYTES = 100.0  # of an HTML page before matplotlib leaves frames out


def animate(
    display: PathDisplay | CurveFitDisplay,
    filename: str | Path | None = None,
    *,
    seconds: float = 6.0,
    max_frames: int = 100,
) -> Any:
    """Show how paths go on, or how a curve comes to fit, as a moving picture.

    Parameters
    ----------
    display : PathDisplay or CurveFitDisplay
        What to show, in a figure of its own; the display stays as it is.
    filename : str or Path, default=None
        File to write: ``.gif``, or ``.html``, a page with a player. None: no file.
    seconds : float, default=6.0
        How long it lasts, positive; the last frame stays for another fifth of it.
    max_frames : int, default=100
        Largest number of frames, at least 2. More steps or epochs are thinned out evenly.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        The animation. Keep it while it is shown; ``to_jshtml()`` shows it in a notebook.

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
        raise TypeError(f"display={display!r} must be a PathDisplay or a CurveFitDisplay, not {type(display).__name__}")
    if not (np.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds={seconds!r} must be a positive number")
    if not (isinstance(max_frames, int | np.integer) and max_frames >= 2):
        raise ValueError(f"max_frames={max_frames!r} must be a whole number, at least 2")
    file = None if filename is None else Path(filename)
    if file is not None and file.suffix.lower() not in (".gif", ".html"):
        raise ValueError(f"filename={str(filename)!r} must end with .gif or .html")
    plt = pyplot()
    from matplotlib.animation import FuncAnimation, PillowWriter

    frames = np.unique(np.linspace(0, display.n_frames - 1, min(max_frames, display.n_frames)).round().astype(int))
    per_second = len(frames) / seconds
    moving = copy.copy(display)
    if isinstance(moving, CurveFitDisplay):
        moving.plot(frame=0)
    else:
        moving.plot()
    order = [*frames.tolist(), *[int(frames[-1])] * pause]
    animation = FuncAnimation(
        moving.figure_, moving.show_frame, frames=order, interval=interval, cache_frame_data=False
    )
    if file is None:
        return animation
    with plt.rc_context({"animation.embed_limit": _MEGABYTES, "savefig.dpi": _DPI}):
        if file.suffix.lower() == ".gif":
            animation.save(file, writer=PillowWriter(fps=per_second), dpi=_DPI)  # type: ignore[arg-type]
        else:
            file.write_text(animation.to_jshtml(fps=per_second), encoding="utf-8")  # type: ignore[arg-type]
    return animation
