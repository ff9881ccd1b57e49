"""Compile functions with numba, or run them as plain Python where numba is missing.

numba is imported by the first compilation, never by ``import skgd``. Sources are plain functions. Those of
``skgd._kernels`` that a compiled function names become part of it, and so do those that `bound` gives it.
"""

import contextlib
import functools
import gc
import os
import types
from collections.abc import Callable, Collection, Iterator
from typing import Any

from .. import _kernels
from .._kernels import backtracking, coordinates, elementary, epochs, newton, rows, stopping, vectors
from .._kernels.matrices import matrix_at, multiply, multiply_by_loops
from .._warnings import warn_user
from . import private
from .cache import DiskCache
from .intrinsics import INTRINSICS, give_up_intrinsics, intrinsic_for

# fastmath=True would delete the NaN and infinity tests that spot divergence: these flags keep them.
SAFE_FASTMATH = frozenset({"reassoc", "contract", "arcp", "nsz"})
OPTIONS = {"fastmath": set(SAFE_FASTMATH), "nogil": True, "error_model": "numpy"}
# For functions that allocate nothing. Without numba's runtime nothing counts references to arrays either, which took
# half the time of a mini-batch of one row.
LEAN_OPTIONS = OPTIONS | {"_nrt": False}
# What calls a function: each of the two takes code of its own, up to a third of what a kernel takes to compile.
EITHER, PYTHON, KERNELS = (), ("no_cfunc_wrapper",), ("no_cpython_wrapper",)
# An array is seven words to a call, and mini-batches of few rows are done in the time that calls spend on them.
_INLINE_OPTIONS: dict = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
# Rooms of parts that are optimised together with what they belong to, once, which takes less time. Others are optimised
# by themselves before: among loops around theirs LLVM finds fewer vectors (a small network took 1.6 times as long).
OPTIMISED_ONCE = {room.__name__ for room in (backtracking, coordinates, epochs, newton, rows, stopping, vectors)}
BUILTINS = max, min  # of two numbers, that is all kernels call them with
_PACKAGE_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@functools.cache
def have_numba() -> bool:
    """Whether functions can be compiled; warns, once, where they can't."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return False
    try:
        with _without_collection():
            import numba  # noqa: F401
    except ImportError as error:
        warn_user(
            f"numba can't be imported ({error}): skgd runs as plain Python, hundreds of times slower. Install numba to "
            "compile it.",
            RuntimeWarning,
        )
        return False
    return True


# -- what a function consists of


@functools.cache
def bound(function: Callable, /, **parts: Callable) -> Callable:
    """The function with global names bound to what is given, as they are in the kernels' functions that it calls."""
    names: dict[str, Callable] = {}
    for name in function.__code__.co_names:
        callee = function.__globals__.get(name)
        if name in parts:
            names[name] = parts[name]
        elif _is_source(callee) and (of_parts := bound(callee, **parts)) is not callee:
            names[name] = of_parts
    if not names:
        return function
    copy = types.FunctionType(function.__code__, function.__globals__ | names, function.__name__)
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    copy.parts = getattr(function, "parts", {}) | names  # type: ignore[attr-defined]
    return copy


def _named(function: Callable, name: str) -> Any:
    """What a function calls by a name, of what may be compiled with it."""
    return function.__globals__.get(name, {of.__name__: of for of in BUILTINS}.get(name))


def _is_source(function: object) -> bool:
    return isinstance(function, types.FunctionType) and function.__module__.startswith(_kernels.__name__ + ".")


def _name(function: Callable) -> str:
    """A name that no other function has, as long as the sources are what they are."""
    parts = getattr(function, "parts", {})
    own = f"{function.__module__}.{function.__qualname__}"
    return own + "".join(f"[{name}={_name(part)}]" for name, part in sorted(parts.items()))


def is_ours(function: Callable) -> bool:
    """Whether nothing in a function comes from outside of skgd."""
    function = getattr(function, "py_func", function)
    ours = function.__code__.co_filename.startswith(_PACKAGE_FOLDER)
    return ours and all(map(is_ours, getattr(function, "parts", {}).values()))


def _with_compiled_parts(function: Callable, lean: bool) -> Callable:
    """The function with the compiled versions of what it calls."""
    parts, compiled_parts = getattr(function, "parts", {}), {}
    for name in function.__code__.co_names:
        callee = _named(function, name)
        if name in parts or _is_source(callee) or (is_ours(function) and any(callee is each for each in BUILTINS)):
            compiled_parts[name] = _compiled_part(callee, lean)
    copy = types.FunctionType(
        function.__code__, function.__globals__ | compiled_parts, function.__name__, None, function.__closure__
    )
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


@functools.cache
def _compiled_part(function: Callable, lean: bool) -> Callable:
    """What stands for a function in others that are compiled."""
    import numba

    if hasattr(function, "py_func"):  # compiled before, by a user say
        return function
    if function in INTRINSICS:
        intrinsic = intrinsic_for(function)
        if intrinsic is not None:
            return intrinsic
        if function in BUILTINS:
            return function
        function = {multiply: multiply_by_loops}.get(function, function)
    options = (LEAN_OPTIONS if lean else OPTIONS) | _INLINE_OPTIONS
    if function.__module__ == elementary.__name__:  # whose arithmetic is done in the order that it is written in
        options |= {"fastmath": {"contract"}}
    by_compiler: dict = {}
    if is_ours(function):
        compilers = private.compilers()
        by_compiler = compilers.part if function.__module__ in OPTIMISED_ONCE else compilers.loop
    return numba.njit(**private.accepted(options), **by_compiler)(_with_compiled_parts(function, lean))


# -- compilation

asked_for: set[tuple[str, str]] = set()  # functions and signatures that this process has compiled or loaded


@functools.cache
def compiled(function: Callable, signature, lean: bool = True, callers: tuple[str, ...] = EITHER) -> Callable:
    """Compile a function for one explicit signature, or take it from the cache on disk.

    Raises whatever numba raises where the function is beyond it.
    """
    if not have_numba():
        return function
    asked_for.add((_name(function), str(signature)))
    if lean and is_ours(function) and _calls(function, [matrix_at]) and intrinsic_for(matrix_at) is None:
        lean = False  # views that aren't made by an intrinsic need numba's runtime
    try:
        return _compiled(function, signature, lean, callers)
    except Exception as error:
        # what is ours compiles, unless a private part of numba's has changed
        uses_intrinsics = is_ours(function) and _calls(function, INTRINSICS) and give_up_intrinsics(error)
        if not (uses_intrinsics or (is_ours(function) and private.give_up_compilers(error))):
            raise
        _compiled_part.cache_clear()
        return compiled(function, signature, lean, callers)


def _compiled(function: Callable, signature, lean: bool, callers: tuple[str, ...]) -> Callable:
    import numba

    unused = dict.fromkeys((*callers, *private.unused_by_addresses()), True)
    options = private.accepted((LEAN_OPTIONS if lean else OPTIONS) | unused)
    by_compiler = private.compilers().whole if is_ours(function) else {}
    dispatcher = numba.njit(**options, **by_compiler)(_with_compiled_parts(function, lean))
    if is_ours(function) and function.__closure__ is None:  # a user's globals would be frozen with the function
        private.cache_on_disk(dispatcher, DiskCache(_name(function), str(signature), repr(sorted(options))))
    with _without_collection():
        dispatcher.compile(signature)
    dispatcher.disable_compile()
    if callers != PYTHON:
        dispatcher.pointer = private.pointer_to(dispatcher)
    return dispatcher


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Leave garbage until later: to look for it takes a third of numba's import and a fifth of a compilation."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _calls(function: Callable, others: Collection[Callable]) -> bool:
    """Whether a function calls one of the others, directly or not."""
    callees: list[Any] = [_named(function, name) for name in function.__code__.co_names]
    return any(callee in others or _calls(callee, others) for callee in callees if _is_source(callee))


def pointer(function: Callable, signature) -> Callable:
    """Compile a function that travels inside a named tuple, where numba takes addresses only."""
    ready = getattr(compiled(function, signature, callers=KERNELS), "pointer", None)
    if not isinstance(ready, private.Pointer):
        return compiled(function, signature)
    # what Python calls gets code for that when it does: a few lines, where the function may take seconds to compile
    call = functools.cache(lambda: private.entry_of(compiled(_call, private.calling(ready), callers=PYTHON)))
    ready.call = lambda *args: call()(ready, args)
    return ready


def _call(function, args):
    return function(*args)


compiles_users_code = False  # whether a function of a user's has been compiled in this process


@functools.cache
def _compiled_plug_in(function: Callable, signature) -> tuple[Callable, Exception | None]:
    """A plug-in compiled, or as it is with the reason why it can't be."""
    global compiles_users_code
    compiles_users_code = compiles_users_code or not is_ours(function)
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
