"""Warnings that point to the user's line."""

import sys
import warnings
from types import FrameType

from sklearn import exceptions

# Frames that stand between the user's call and the place where something is noticed.
_INSIDE = ("skgd.", "sklearn.", "scipy.", "contextlib.", "joblib.")


class InconsistentVersionWarning(exceptions.InconsistentVersionWarning):
    """A pickle was made by another release: scikit-learn's warning of that, in words of ours."""

    def __init__(self, message: str):
        UserWarning.__init__(self, message)
        self.message = message

    def __str__(self) -> str:
        return self.message


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn with the file and line of the innermost frame that belongs to neither skgd nor scikit-learn."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
