"""Where a picture is shown that changes: in a notebook, in a window, as a file."""

import io
import multiprocessing
import os
import pathlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from .._files import replacing
from ._progress import PROGRESS_SIZE
from ._style import pyplot

FILE = "loss.png"  # where there is neither notebook nor window, and no other name
_DPI = 100


class Screen:
    """Shows a picture, the next in the place of the last: in each cell of a notebook once, in one window, in a file.

    Windows belong to the main thread: what others draw isn't shown in them. Worker processes show nothing, and write
    files only where a name was given.
    """

    def __init__(self, path: str | os.PathLike | None):
        self.given = path
        self.path: pathlib.Path | None = None
        self.notebook: Any = None
        self.window: Any = None
        self.figure: Any = None
        self.cell: tuple[int, Any] = 0, None  # the number of a notebook's, and the display in it

    def look_around(self) -> None:
        """Find out where the pictures to come can be shown."""
        plt = pyplot()
        working_for_others = multiprocessing.current_process().name != "MainProcess"
        self.path = None if self.given is None else pathlib.Path(self.given)
        self.notebook = None if working_for_others else _notebook()
        if working_for_others or self.notebook is not None:
            return
        if threading.current_thread() is threading.main_thread() and self._has_window(plt):
            return
        self.path = self.path or pathlib.Path(FILE)

    def show(self, draw: Callable[[Any], None]) -> None:
        """Show what `draw(figure)` draws, wherever it can be shown now."""
        from matplotlib.figure import Figure

        in_window = self._window_is_open()
        if in_window:
            self.figure = self.window
        elif self.path is None and self.notebook is None:
            return
        else:
            self.figure = Figure(figsize=PROGRESS_SIZE, layout="constrained")
        draw(self.figure)
        if in_window:
            self.window.canvas.draw_idle()
            self.window.canvas.flush_events()
        if self.path is None and self.notebook is None:
            return
        image = io.BytesIO()
        self.figure.savefig(image, format="png", dpi=_DPI)
        if self.notebook is not None:
            self._show_in_notebook(image.getvalue())
        if self.path is not None:
            with replacing(self.path) as beside:
                beside.write_bytes(image.getvalue())

    def _has_window(self, plt: Any) -> bool:
        """Open a window if there is none yet, and there can be one."""
        if self._window_is_open():
            return True
        try:
            figure = plt.figure(figsize=PROGRESS_SIZE, layout="constrained")
        except ImportError:  # of a window system that isn't running
            return False
        if getattr(figure.canvas, "required_interactive_framework", None) is None:
            plt.close(figure)
            return False
        self.window = figure
        plt.show(block=False)
        return True

    def _window_is_open(self) -> bool:
        """Whether there is one that this thread may draw in."""
        if self.window is None or threading.current_thread() is not threading.main_thread():
            return False
        return pyplot().fignum_exists(self.window.number)

    def _show_in_notebook(self, image: bytes) -> None:
        from IPython.display import Image, display

        number, shown = self.cell
        if shown is not None and number == self.notebook.execution_count:
            shown.update(Image(image))
        else:
            self.cell = self.notebook.execution_count, display(Image(image), display_id=True)


def _notebook() -> Any:
    """The shell of IPython, if pictures can be shown in it."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None
