"""Exceptions in users' compiled functions, which numba would print before it goes on."""

import functools
import sys
import threading
from collections.abc import Callable

_lock = threading.Lock()
_calls = 0  # that are under way
_hook_before: Callable = sys.unraisablehook
_raised: dict[int, BaseException] = {}  # by thread


def surfacing(kernel: Callable) -> Callable:
    """A kernel that raises what the functions raised that it called by their pointers.

    numba hands such exceptions to ``sys.unraisablehook``. What comes from elsewhere meanwhile goes where it would.
    """

    @functools.wraps(getattr(kernel, "py_func", kernel))
    def call(*arguments):
        _begin()
        try:
            returned = kernel(*arguments)
        finally:
            _end()
            error = _raised.pop(threading.get_ident(), None)
        if error is not None:
            raise error
        return returned

    call.pointer = getattr(kernel, "pointer", kernel)  # type: ignore[attr-defined]
    return call


def _begin() -> None:
    global _calls, _hook_before
    with _lock:
        if _calls == 0:
            _hook_before, sys.unraisablehook = sys.unraisablehook, _note
        _calls += 1


def _end() -> None:
    global _calls
    with _lock:
        _calls -= 1
        if _calls == 0:
            sys.unraisablehook = _hook_before


def _note(unraisable) -> None:
    if isinstance(unraisable.object, str) and unraisable.object.startswith("<numba.") and unraisable.exc_value:
        _raised.setdefault(threading.get_ident(), unraisable.exc_value)
    else:
        _hook_before(unraisable)
