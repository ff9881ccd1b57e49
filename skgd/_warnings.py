"""Warnings that point to the user's line."""

import sys
import time
import warnings
from collections.abc import Callable
from types import FrameType

from sklearn import exceptions

# Frames that stand between the user's call and the place where something is noticed.
_INSIDE = ("skgd.", "sklearn.", "scipy.", "contextlib.", "joblib.")
# Of these such that fit many times in a call.
_SEARCHES = ("sklearn.model_selection.", "sklearn.utils.parallel.")
FORGOTTEN = 60.0  # seconds

_last_said: dict[tuple, float] = {}  # when warnings that scikit-learn's searches repeat came up last


class InconsistentVersionWarning(exceptions.InconsistentVersionWarning):
    """A pickle was made by another release: scikit-learn's warning of that, in words of ours."""

    def __init__(self, message: str):
        UserWarning.__init__(self, message)
        self.message = message

    def __str__(self) -> str:
        return self.message


def warn_user(
    message: str, category: type[Warning], kind: str | None = None, more: Callable[[], str] | None = None
) -> None:
    """Warn with the file and line of the innermost frame that belongs to neither skgd nor scikit-learn.

    Python says the same once for each line of code, but scikit-learn's searches make it forget that with every fit.
    Within them warnings of one kind, if none is told those with one message, are said once where the filters ask for
    that, and again when they haven't come up for a minute: then it is another search. What the end of a message takes
    time to find is asked for where somebody hears it.
    """
    frame, level, searches = _user()
    action = _action(message, category, frame)
    once = searches and action in ("default", "module", "once")
    if action != "ignore" and not (once and _said((*_line(frame), kind or message))):
        warnings.warn(message if more is None else message + more(), category, stacklevel=level)


def within_search() -> bool:
    """Whether it is scikit-learn that fits, many times in a call of the user's: to compare what comes of it."""
    return _user()[2]


def _user() -> tuple[FrameType | None, int, bool]:
    """The user's frame for who calls, its level for warnings there, and whether a search lies in between."""
    frame: FrameType | None = sys._getframe(2)
    level, searches = 2, False
    while frame is not None and (name := f"{frame.f_globals.get('__name__', '')}.").startswith(_INSIDE):
        searches = searches or name.startswith(_SEARCHES)
        frame, level = frame.f_back, level + 1
    return frame, level, searches


def _line(frame: FrameType | None) -> tuple[str, int]:
    """File and line; beyond the outermost frame those that Python gives."""
    return ("sys", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def _action(message: str, category: type[Warning], frame: FrameType | None) -> str:
    """What the first filter that suits such a warning does with it."""

    def suits(pattern, text):
        return pattern is None or (pattern == text if isinstance(pattern, str) else bool(pattern.match(text)))

    module, line = "sys" if frame is None else frame.f_globals.get("__name__", ""), _line(frame)[1]
    # free-threaded Python from 3.14 on has filters for each context
    filters = getattr(warnings, "_get_filters", lambda: warnings.filters)()
    for action, of_message, of_category, of_module, of_line in filters:
        suited = issubclass(category, of_category) and suits(of_message, message) and suits(of_module, module)
        if suited and of_line in (0, line):
            return action
    return "default"


def _said(what: tuple) -> bool:
    """Whether this was to be said less than a minute ago, too."""
    now = time.monotonic()
    for old in [each for each, when in list(_last_said.items()) if now - when > FORGOTTEN]:
        _last_said.pop(old, None)
    said = what in _last_said
    _last_said[what] = now
    return said
