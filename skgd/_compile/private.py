"""numba's private parts. Each is tried before skgd relies on it: where one has gone, skgd does without, and says so."""

import functools
import types
from typing import Any, NamedTuple

from .._warnings import warn_user

OPTIONS = {"_nrt", "no_cpython_wrapper", "no_cfunc_wrapper", "forceinline"}


@functools.cache
def warn_without(part: str, consequence: str, reason: str) -> None:
    """Warn, once, of what this version of numba lacks."""
    try:
        from numba import __version__ as version
    except ImportError:
        return  # which somebody has said
    warn_user(f"skgd does without {part} of numba {version} ({reason}): {consequence}", RuntimeWarning)


def in_words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


# -- options


def accepted(options: dict) -> dict:
    """The options without those that this version of numba doesn't take."""
    refused = _refused_options()
    return {name: value for name, value in options.items() if name not in refused} if refused else options


@functools.cache
def _refused_options() -> frozenset[str]:
    refused = {name: reason for name in sorted(OPTIONS) if (reason := _why_refused(name))}
    for name, reason in refused.items():
        warn_without(f"the option {name}", "compiled code is slower.", reason)
    return frozenset(refused)


def _why_refused(option: str) -> str:
    """Why numba wouldn't take an option, as far as can be known without compiling anything."""
    import numba

    try:
        from numba.core.compiler import Flags

        dispatcher, flags = numba.njit(**{option: True})(_why_refused), Flags()  # type: ignore[call-overload]
        dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
        getattr(flags, option.removeprefix("_"))
    except Exception as error:
        return in_words(error)
    return ""


# -- the compiler

# What it does for generators, closures, parallel loops, expressions of whole arrays and arguments that are None, which
# the kernels have none of, and its look at whether there is what it can't compile.
UNUSED_PASSES = {
    "WithLifting",
    "InlineClosureLikes",
    "MakeFunctionToJitFunction",
    "InlineInlinables",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "LiteralPropagationSubPipelinePass",
    "NopythonRewrites",
    "DumpParforDiagnostics",
    "DeadBranchPrune",
    "RewriteSemanticConstants",
    "RewriteDynamicRaises",
    "InlineOverloads",
    "NoPythonSupportedFeatureValidation",
}


class Compilers(NamedTuple):
    """Options that let numba compile in less time what is skgd's own."""

    whole: dict  # for functions that are called
    part: dict  # for what becomes part of others, with which it is optimised: no machine code
    loop: dict  # for such parts that are optimised by themselves before


@functools.cache
def compilers() -> Compilers:
    """Numba's compiler without what is of no use here; as it is, where it isn't what it was."""
    try:
        if _without_compiler:
            raise _without_compiler[0]
        return _make_compilers()
    except Exception as error:
        warn_without("a shorter way through the compiler", "compiling takes longer.", in_words(error))
        return Compilers({}, {}, {})


_without_compiler: list[Exception] = []


def give_up_compilers(error: Exception) -> bool:
    """Do without them from here on, since a function can't be compiled; False if so before."""
    if _without_compiler:
        return False
    _without_compiler.append(error)
    compilers.cache_clear()
    return True


def _make_compilers() -> Compilers:
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import Compiler

    for name in (
        "_optimize_functions",
        "_optimize_final_module",
        "_finalize_final_module",
        "_finalize_dynamic_globals",
    ):
        getattr(JITCodeLibrary, name)

    class PartLibrary(JITCodeLibrary):
        """Code that is linked into that of others, and never called by itself."""

        codegen = types.SimpleNamespace(set_env=lambda name, env: None)  # type: ignore[assignment]

        def _optimize_final_module(self):
            pass

        def _finalize_final_module(self):
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name):
            return 0

    class LoopLibrary(PartLibrary):
        _optimize_final_module = JITCodeLibrary._optimize_final_module

    class WholeCompiler(Compiler):
        def define_pipelines(self):
            (manager,) = super().define_pipelines()
            manager.passes = [entry for entry in manager.passes if entry[0].__name__ not in UNUSED_PASSES]
            return [manager]

    class PartCompiler(WholeCompiler):
        library = PartLibrary

        def define_pipelines(self):
            state = self.state
            state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            return super().define_pipelines()

    class LoopCompiler(PartCompiler):
        library = LoopLibrary

    return Compilers(*({"pipeline_class": compiler} for compiler in (WholeCompiler, PartCompiler, LoopCompiler)))


# -- addresses


class Pointer:
    """The address of a compiled function with its type, which numba would look up, slowly, whenever it is passed."""

    def __init__(self, dispatcher, address: int):
        from numba.core.types import FunctionType

        (signature,) = dispatcher.nopython_signatures
        self._numba_type_ = FunctionType(signature)
        self.dispatcher, self.address, self.call = dispatcher, address, dispatcher

    def __wrapper_address__(self) -> int:
        return self.address

    def __call__(self, *args):
        return self.call(*args)


def calling(pointer: Pointer):
    """The signature of what calls a pointer that it is given, with a tuple of arguments."""
    from numba.core.types import Tuple

    of = pointer._numba_type_
    return of.signature.return_type(of, Tuple(of.signature.args))


def remember_addresses(dispatcher) -> None:
    """Look the addresses of a compiled function up once: numba does so, slowly, whenever it is passed as a pointer."""
    dispatcher.pointer = dispatcher
    if not _without_addresses:
        try:
            _remember_addresses(dispatcher)
        except Exception as error:
            _without_addresses.append(error)
            warn_without("the addresses of functions", "fits of small data are slower.", in_words(error))


_without_addresses: list[Exception] = []


def _remember_addresses(dispatcher: Any) -> None:
    import numba
    from numba.experimental.function_type import _get_wrapper_address

    (result,) = dispatcher.overloads.values()
    names = result.fndesc.llvm_cfunc_wrapper_name, result.fndesc.llvm_func_name
    addresses = {name: result.library.get_pointer_to_function(name) for name in names}
    if not all(addresses.values()):
        raise LookupError(f"no address of {names}")
    pointer = Pointer(dispatcher, addresses[names[0]])
    if not isinstance(numba.typeof(pointer), numba.types.FunctionType):
        raise TypeError(f"numba takes a pointer for {numba.typeof(pointer)}")
    if _get_wrapper_address(pointer, result.signature) != pointer.address:
        raise LookupError("numba finds another address")
    library = types.SimpleNamespace(get_pointer_to_function=addresses.__getitem__)
    remembered = types.SimpleNamespace(fndesc=result.fndesc, library=library)
    dispatcher.get_compile_result = lambda signature: remembered
    dispatcher.pointer = pointer


def entry_of(dispatcher: Any) -> Any:
    """A compiled function without the look at the types of its arguments, which takes longer than a short call.

    For arguments of the types that the dispatcher has taken before: others it would read as what they aren't. A plain
    function, where nothing is compiled, is its own.
    """
    if isinstance(dispatcher, types.FunctionType):
        return dispatcher
    try:
        return _entry_of(dispatcher)
    except Exception as error:
        warn_without("the entries of functions", "fits that callbacks watch are slower.", in_words(error))
        return dispatcher


@functools.cache  # numba asks each part of a signature what it is, which takes as long as some short fits do
def _entry_of(dispatcher):
    (result,) = dispatcher.overloads.values()
    if not callable(result.entry_point):
        raise TypeError("an entry that can't be called")
    return result.entry_point


# -- the cache


def cache_on_disk(dispatcher, cache) -> None:
    """Let the dispatcher ask our cache instead of its own."""
    own = getattr(dispatcher, "_cache", None)
    if hasattr(own, "load_overload") and hasattr(own, "save_overload"):
        dispatcher._cache = cache
    else:
        warn_without("the cache", "every process compiles anew.", "a dispatcher has none")
