"""Numba's compiler for what is skgd's own: without what is of no use here, and what it would do again and again.

All of it are numba's private parts. Where one isn't what it was, numba's compiler does it as it is, and says so.
"""

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .private import in_words, warn_without

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
# Of LLVM's levels. Each function is made smaller by itself before it becomes part of others. All of a module is then
# optimised together, where the third level makes more code, and no fit is faster for it. Without unrolling there were a
# fifth less, but networks whose batches are single rows took 5 to 20 % longer.
FUNCTION_LEVEL, MODULE_LEVEL = 1, 2
# What names of functions begin with that take Python's objects and call others, once for thousands of rows: they were a
# third of the code of kernels, and are as fast as they are written.
CALLED_BY_PYTHON = "_ZN7cpython"


class Compilers(NamedTuple):
    """Options that let numba compile in less time what is skgd's own."""

    whole: dict  # for functions that are called
    part: dict  # for what becomes part of others, with which it is optimised: no machine code
    loop: dict  # for such parts that are optimised by themselves before
    remembering_types: Callable  # a context to compile in


AS_NUMBA_DOES = Compilers({}, {}, {}, contextlib.nullcontext)


@functools.cache
def compilers() -> Compilers:
    """Numba's compiler without what is of no use here; as it is, where it isn't what it was."""
    try:
        if _without_compiler:
            raise _without_compiler[0]
        return _make_compilers()
    except Exception as error:
        warn_without("a shorter way through the compiler", "compiling takes longer.", in_words(error))
        return AS_NUMBA_DOES


_without_compiler: list[Exception] = []


def give_up_compilers(error: Exception) -> bool:
    """Do without them from here on, since a function can't be compiled; False if so before."""
    if _without_compiler:
        return False
    _without_compiler.append(error)
    compilers.cache_clear()
    return True


def _make_compilers() -> Compilers:
    from numba.core.compiler import Compiler
    from numba.core.cpu import CPUContext

    class Context(CPUContext):
        """What translates a function, which looks for new implementations when it finds none for some types.

        Arrays have none that takes them for arrays, and need none; numba looks for one whenever it meets an array.
        """

        def get_function(self, fn, sig, _firstcall=True):
            return super().get_function(fn, sig, _firstcall and fn != "__array__")

    of_whole, of_part, of_loop = _libraries()

    class WholeCompiler(Compiler):
        library = of_whole

        def define_pipelines(self):
            state = self.state
            if type(state.targetctx) is not CPUContext:
                raise TypeError(f"a context that is a {type(state.targetctx).__name__}")
            state.targetctx.__class__ = Context  # it is a copy, for this function alone
            state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            (manager,) = super().define_pipelines()
            manager.passes = [entry for entry in manager.passes if entry[0].__name__ not in UNUSED_PASSES]
            return [manager]

    class PartCompiler(WholeCompiler):
        library = of_part

    class LoopCompiler(WholeCompiler):
        library = of_loop

    whole, part, loop = ({"pipeline_class": compiler} for compiler in (WholeCompiler, PartCompiler, LoopCompiler))
    return Compilers(whole, part, loop, _memory_of_types())


# -- code


def _libraries() -> tuple:
    """What optimises code and makes it machine code: for functions that are called, for parts, for parts with loops."""
    from numba.core.codegen import CPUCodegen, JITCodeLibrary

    for name in (
        "_optimize_functions",
        "_optimize_final_module",
        "_finalize_final_module",
        "_finalize_dynamic_globals",
    ):
        getattr(JITCodeLibrary, name)
    # older versions manage LLVM's passes in another way: numba does it
    old_managers = "llvm_module" in inspect.signature(CPUCodegen._function_pass_manager).parameters
    whole_library: Any = JITCodeLibrary if old_managers else _library_of_fewer_passes()

    class LoopLibrary(whole_library):
        """Code that is linked into that of others, and never called by itself."""

        codegen = types.SimpleNamespace(set_env=lambda name, env: None)  # type: ignore[assignment]

        def _finalize_final_module(self):
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name):
            return 0

    class PartLibrary(LoopLibrary):
        def _optimize_final_module(self):
            pass

    return whole_library, PartLibrary, LoopLibrary


def _library_of_fewer_passes():
    import llvmlite.binding as llvm
    from numba import config
    from numba.core.codegen import JITCodeLibrary

    settings: Any = config

    def level(wanted: int) -> int:  # or what the user asks numba for, if that is less
        return min(wanted, int(settings.OPT))

    class Library(JITCodeLibrary):
        def _optimize_functions(self, module):
            module.data_layout = self._codegen._data_layout
            for function in module.functions:
                if function.is_declaration:
                    continue
                if function.name.startswith(CALLED_BY_PYTHON):
                    function.add_function_attribute("noinline")
                    function.add_function_attribute("optnone")
                else:
                    manager, builder = self._codegen._function_pass_manager(opt=level(FUNCTION_LEVEL))
                    manager.run(function, builder)

        def _optimize_final_module(self):
            """As numba does it, on another level: calls are filled in first, then come the loops."""
            manager, builder = self._codegen._module_pass_manager(
                loop_vectorize=False, slp_vectorize=False, opt=0, cost="cheap"
            )
            manager.run(self._final_module, builder)
            options = llvm.create_pipeline_tuning_options(level(MODULE_LEVEL))
            options.loop_vectorization, options.slp_vectorization = settings.LOOP_VECTORIZE, settings.SLP_VECTORIZE
            options.loop_unrolling = True
            builder = llvm.create_pass_builder(self._codegen._tm, options)
            builder.getModulePassManager().run(self._final_module, builder)

    return Library


# -- types


def _memory_of_types() -> Callable:
    """A context in which numba remembers what its own functions and operators give for arguments of some types.

    It looks that up anew for each expression of each function, among dozens of candidates, which took as long as all
    the rest of what it does before LLVM.
    """
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.types.functions import BaseFunction
    from numba.core.typing.templates import _IntrinsicTemplate

    look_up = BaseFunction.get_call_type
    known: dict[tuple, tuple] = {}  # by function, which is kept, and types

    def get_call_type(self, context, args, kws):
        if kws:
            return look_up(self, context, args, kws)
        key = id(self), args
        if key not in known:
            signature = look_up(self, context, args, kws)
            if not is_fixed(self, signature):
                return signature
            known[key] = self, signature
        return known[key][1]

    def is_fixed(function, signature):  # others are compiled, with the options of where they are called
        templates = function.templates
        is_intrinsic = len(templates) == 1 and issubclass(templates[0], _IntrinsicTemplate)
        return is_intrinsic or function.get_impl_key(signature) is function.typing_key

    @contextlib.contextmanager
    def remembering_types() -> Iterator[None]:
        with global_compiler_lock:
            before = BaseFunction.get_call_type
            BaseFunction.get_call_type = get_call_type  # type: ignore[method-assign]
            try:
                yield
            finally:
                BaseFunction.get_call_type = before  # type: ignore[method-assign]

    return remembering_types
