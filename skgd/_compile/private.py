"""numba's private parts. Each is tried before skgd relies on it: where one has gone, skgd does without, and says so."""

import copy
import functools
import hashlib
import types
from typing import Any, NamedTuple

from .._warnings import warn_user
from .memory import make_memory

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
    known_flags, known_context = make_memory()

    class PartLibrary(JITCodeLibrary):
        """Code that is linked into that of others, and never called by itself."""

        codegen = types.SimpleNamespace(set_env=lambda name, env: None)  # type: ignore[assignment]

        def _optimize_functions(self, ll_module):
            ll_module.data_layout = self._codegen._data_layout

        def _optimize_final_module(self):
            pass

        def _finalize_final_module(self):
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name):
            return 0

    class LoopLibrary(PartLibrary):
        _optimize_functions = JITCodeLibrary._optimize_functions
        _optimize_final_module = JITCodeLibrary._optimize_final_module

    class WholeCompiler(Compiler):
        library = JITCodeLibrary

        def __init__(self, typing_context, target_context, library, args, return_type, flags, local_types):
            flags = known_flags(flags)
            known = known_context(typing_context, flags)
            super().__init__(known, target_context, library, args, return_type, flags, local_types)
            self.state.targetctx.typing_context = known

        def define_pipelines(self):
            state = self.state
            codegen = _without_unrolling(state.targetctx.codegen())
            state.library = self.library(codegen, state.func_id.func_qualname)
            state.library.enable_object_caching()
            (manager,) = super().define_pipelines()
            manager.passes = [entry for entry in manager.passes if entry[0].__name__ not in UNUSED_PASSES]
            return [manager]

    class PartCompiler(WholeCompiler):
        library = PartLibrary

    class LoopCompiler(PartCompiler):
        library = LoopLibrary

    return Compilers(*({"pipeline_class": compiler} for compiler in (WholeCompiler, PartCompiler, LoopCompiler)))


def _without_unrolling(codegen: Any) -> Any:
    """A code generator that unrolls loops no further than vectors do: no slower, and less to compile."""
    import llvmlite.binding as llvm
    from numba.core import config

    if not (hasattr(codegen, "_pass_builder") and hasattr(llvm, "create_pipeline_tuning_options")):
        return codegen  # numba before 0.62, say, whose passes take no such option

    def passes(opt=config.OPT, loop_vectorize=config.LOOP_VECTORIZE, slp_vectorize=config.SLP_VECTORIZE):
        tuning = llvm.create_pipeline_tuning_options(int(opt))
        tuning.loop_vectorization, tuning.slp_vectorization = loop_vectorize, slp_vectorize
        tuning.loop_unrolling = False
        return llvm.create_pass_builder(codegen._tm, tuning)

    tuned = copy.copy(codegen)
    tuned._pass_builder = passes
    return tuned


# -- addresses


def function_type(signature):
    """The type of a compiled function that is passed to others: its address alone, or numba's own type for such."""
    from numba.core.types import FunctionType

    return FunctionType(signature) if _address_type() is None else _address_type()(signature)


@functools.cache
def _address_type() -> type | None:
    """A numba type for addresses.

    For a function of its own type numba asks Python for two addresses whenever it is passed, and compiles each call of
    it in three ways, with a search for addresses in the third.
    """
    try:
        made = _make_address_type()
        if type(_typeof(Pointer(None, made("void()"), 0))) is not made:
            raise TypeError("pointers have another type")
        return made
    except Exception as error:
        warn_without("the addresses of functions", "fits of small data are slower.", in_words(error))
        return None


def _typeof(value):
    import numba

    return numba.typeof(value)


def _make_address_type() -> type:
    from numba.core import cgutils, types
    from numba.core.callconv import CPUCallConv
    from numba.core.codegen import JITCodeLibrary
    from numba.core.funcdesc import FunctionDescriptor
    from numba.core.imputils import lower_builtin
    from numba.core.typing.templates import signature
    from numba.extending import NativeValue, models, register_model, unbox

    for of, name in (
        (JITCodeLibrary, "get_pointer_to_function"),
        (FunctionDescriptor, "llvm_func_name"),
        (CPUCallConv, "call_function"),
        (CPUCallConv, "return_status_propagate"),
    ):
        getattr(of, name)

    class Address(types.Callable):
        def __init__(self, of):
            self.of = of
            # types are part of the names of all that takes them: spelled out, this one was half of the text of some
            super().__init__(f"Address({hashlib.sha256(str(of).encode()).hexdigest()[:16]})")

        def get_call_type(self, context, args, kws):
            return signature(self.of.return_type, *self.of.args, recvr=self)

        def get_call_signatures(self):
            return (self.of,), False

        def get_impl_key(self, of):
            return type(self)

        def __reduce__(self):
            return function_type, (self.of,)

    register_model(Address)(models.OpaqueModel)

    @unbox(Address)
    def unboxed(kind, pointer, c):
        number = c.pyapi.object_getattr_string(pointer, "address")
        address = c.pyapi.long_as_voidptr(number)
        c.pyapi.decref(number)
        return NativeValue(address)

    @lower_builtin(Address, Address, types.VarArg(types.Any))
    def call(context, builder, of_call, args):
        of, convention = of_call.args[0].of, context.call_conv
        kind = convention.get_function_type(of.return_type, of.args).as_pointer()
        function = builder.bitcast(args[0], kind)
        status, returned = convention.call_function(builder, function, of.return_type, of.args, args[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return returned

    return Address


class Pointer:
    """The address of a compiled function with its type."""

    def __init__(self, dispatcher, kind, address: int):
        self.dispatcher, self._numba_type_, self.address, self.call = dispatcher, kind, address, dispatcher

    def __call__(self, *args):
        return self.call(*args)


def unused_by_addresses() -> tuple[str, ...]:
    """The options without what only numba's own function types need."""
    return () if _address_type() is None else ("no_cfunc_wrapper",)


def calling(pointer: Pointer):
    """The signature of what calls a pointer that it is given, with a tuple of arguments."""
    from numba.core.types import Tuple

    of = pointer._numba_type_.of
    return of.return_type(pointer._numba_type_, Tuple(of.args))


def pointer_to(dispatcher: Any) -> Any:
    """A compiled function as others take it that it is passed to."""
    if _address_type() is None or isinstance(dispatcher, types.FunctionType):
        return dispatcher
    (result,) = dispatcher.overloads.values()
    address = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    if not address:
        raise LookupError(f"no address of {result.fndesc.llvm_func_name}")
    return Pointer(dispatcher, function_type(result.signature), address)


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
