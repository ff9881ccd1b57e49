"""Compile functions with numba, or run them as plain Python where numba is missing.

numba is imported by the first compilation, never by ``import skgd``.
"""

import functools
import hashlib
import os
import types
from collections.abc import Callable
from typing import Any

from .._warnings import warn_user

# fastmath=True would delete the NaN and infinity tests that spot divergence: these flags keep them.
SAFE_FASTMATH = frozenset({"reassoc", "contract", "arcp", "nsz"})
_PACKAGE_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
OPTIONS = {"fastmath": set(SAFE_FASTMATH), "nogil": True, "error_model": "numpy"}
# For functions that allocate nothing. Without numba's runtime nothing counts references to arrays either, which took
# half the time of a mini-batch of one row.
LEAN_OPTIONS = OPTIONS | {"_nrt": False}
# An array is seven words to a call, and mini-batches of few rows are done in the time that calls spend on them.
_INLINE_OPTIONS: dict = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}


@functools.cache
def have_numba() -> bool:
    """Whether functions can be compiled; warns, once, where they can't."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return False
    try:
        import numba  # noqa: F401
    except ImportError as error:
        warn_user(
            f"numba can't be imported ({error}): skgd runs as plain Python, hundreds of times slower. Install numba to "
            "compile it.",
            RuntimeWarning,
        )
        return False
    return True


def inline(function: Callable) -> Callable:
    """Decorate a helper that only compiled kernels call: without the wrappers for Python, half the compile time."""
    return _inline(function, LEAN_OPTIONS)


def helper(function: Callable) -> Callable:
    """Decorate a helper of functions that stay plain Python until one of them is compiled: numba needn't be there yet.

    Its arithmetic is done in the order that it is written in.
    """
    function.is_helper = True  # type: ignore[attr-defined]
    return function


def _with_helpers(function: Callable) -> Callable:
    """The function with the plain helpers that it calls compiled into it."""
    found = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    parts = {name: _inline_exactly(part) for name, part in found.items() if getattr(part, "is_helper", False)}
    return bound(function, **parts) if parts else function


@functools.cache
def _inline_exactly(function: Callable) -> Callable:
    return _inline(function, LEAN_OPTIONS | {"fastmath": {"contract"}})


def _inline(function: Callable, options: dict) -> Callable:
    if not have_numba():
        return function
    import numba

    return numba.njit(**(_INLINE_OPTIONS | options))(_with_helpers(function))


@functools.cache
def inline_into(function: Callable, /, variant: str = "", **parts: Callable) -> Callable:
    """The function with global names bound to these functions, which become part of its compiled code.

    The cache on disk tells variants with other parts, but the same signature, from each other by their names.
    """
    ready = {name: part if hasattr(part, "py_func") else inline(part) for name, part in parts.items()}
    whole = bound(function, **ready)
    whole.__qualname__ += variant
    whole.is_users = not all(map(_is_ours, parts.values()))  # type: ignore[attr-defined]
    return whole


@functools.cache
def without_pointer(function: Callable) -> Callable:
    """A plug-in with one argument more in front, where its pointer would be."""
    inner = inline(function)

    def plug_in(pointer, raw, y, weight, hyper, derivative):
        return inner(raw, y, weight, hyper, derivative)

    return plug_in


def _is_ours(function: Callable) -> bool:
    function = getattr(function, "py_func", function)
    return function.__code__.co_filename.startswith(_PACKAGE_FOLDER)


def bound(function: Callable, /, **names: Callable) -> Callable:
    """The function with global names bound to what is given."""
    copy = types.FunctionType(function.__code__, function.__globals__ | names, function.__name__)
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


@functools.cache
def plain(function: Callable) -> Callable:
    """A kernel as plain Python, with plain versions of the helpers that it calls."""
    function = getattr(function, "py_func", function)
    namespace = dict(function.__globals__)
    for name in function.__code__.co_names:
        part: Any = namespace.get(name)
        if hasattr(part, "plain_version"):
            namespace[name] = part.plain_version
        elif hasattr(part, "py_func"):
            namespace[name] = plain(part)
    return types.FunctionType(function.__code__, namespace, function.__name__)


@functools.cache
def compiled(function: Callable, signature, lean: bool = True) -> Callable:
    """Compile ``function`` for one explicit ``signature``, from the cache on disk where there is one.

    Raises whatever numba raises where the function is beyond it.
    """
    if not have_numba():
        return function
    return _compiled(function, signature, LEAN_OPTIONS if lean else OPTIONS)


def _compiled(function: Callable, signature, options: dict) -> Callable:
    import numba

    # a user's function isn't cached on disk: its globals would be frozen with it
    cache = _is_ours(function) and not getattr(function, "is_users", False)
    function = _with_helpers(function)
    # numba keeps all signatures of a function in one index, which processes that start together could mix up
    distinct = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, None, function.__closure__
    )
    distinct.__module__ = function.__module__
    distinct.__qualname__ = f"{function.__qualname__}-{hashlib.sha256(str(signature).encode()).hexdigest()[:8]}"
    try:
        dispatcher = numba.njit([signature], cache=cache, **options)(distinct)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        dispatcher = numba.njit([signature], **options)(distinct)  # nowhere to write, in a read-only container say
    _remember_addresses(dispatcher)
    return dispatcher


class Pointer:
    """The address of a compiled function with its type, which numba would look up, slowly, whenever it is passed."""

    def __init__(self, dispatcher, address: int):
        from numba.core.types import FunctionType

        (signature,) = dispatcher.nopython_signatures
        self._numba_type_ = FunctionType(signature)
        self.function, self.address = dispatcher, address

    def __wrapper_address__(self) -> int:
        return self.address

    def __call__(self, *args):
        return self.function(*args)


def _remember_addresses(dispatcher) -> None:
    """Look the addresses of a compiled function up once: numba does so, slowly, whenever it is passed as a pointer."""
    (result,) = dispatcher.overloads.values()
    names = result.fndesc.llvm_cfunc_wrapper_name, result.fndesc.llvm_func_name
    addresses = {name: result.library.get_pointer_to_function(name) for name in names}
    library = types.SimpleNamespace(get_pointer_to_function=addresses.__getitem__)
    remembered = types.SimpleNamespace(fndesc=result.fndesc, library=library)
    dispatcher.get_compile_result = lambda signature: remembered
    dispatcher.pointer = Pointer(dispatcher, addresses[names[0]])


def pointer(function: Callable, signature) -> object:
    """Compile a function that travels inside a named tuple, where numba takes addresses only."""
    ready = compiled(function, signature)
    return getattr(ready, "pointer", ready)


@functools.cache
def _compiled_plug_in(function: Callable, signature) -> tuple[Callable, Exception | None]:
    """A plug-in compiled, or as it is with the reason why it can't be."""
    try:
        return compiled(function, signature), None
    except Exception:  # numba raises many kinds, from its own and from what it wraps
        try:
            return compiled(function, signature, lean=False), None  # it allocates arrays, perhaps
        except Exception as error:
            return function, error


def compiled_or_python(function: Callable, signature, name: str, warns: bool = True) -> Callable:
    """Compile a user's plug-in, or warn why that can't be and return it as it is."""
    ready, error = _compiled_plug_in(function, signature)
    if error is not None and warns:
        reason = " ".join(str(error).split())[:400]
        warn_user(f"{name} can't be compiled and runs as plain Python, slower: {reason}", RuntimeWarning)
    return ready
