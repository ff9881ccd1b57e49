"""The shorter way through numba's compiler: that it ends where numba's ends, and what happens where it is barred."""

import operator
import threading

import numpy as np
import pytest

from skgd._compile import compilers, jit, private
from skgd._compile.jit import compiled, have_numba
from skgd._kernels import vectors

pytestmark = pytest.mark.skipif(not have_numba(), reason="nothing is compiled")
VECTOR = "f8[::1]"


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Nothing is known of numba's private parts, and nothing is on the disk, before and after."""
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of the user"))
    monkeypatch.setattr(compilers, "_without_compiler", [])
    cached = private.warn_without, compilers.compilers, jit._compiled_part, compiled

    def forget():
        for function in cached:
            function.cache_clear()

    forget()
    yield
    forget()


def test_compiled_so_or_by_numba_alone_results_have_the_same_bits(fresh):
    signature = f"void({VECTOR}, f8)"
    rng = np.random.default_rng(0)
    vector = rng.normal(size=1003)
    ours, numbas = vector.copy(), vector.copy()
    assert compilers.compilers().whole
    compiled.__wrapped__(vectors.clip, signature)(ours, 1.5)
    assert compilers.give_up_compilers(AttributeError("gone"))
    jit._compiled_part.cache_clear()
    with pytest.warns(RuntimeWarning, match="without a shorter way"):
        compiled.__wrapped__(vectors.clip, signature)(numbas, 1.5)
    np.testing.assert_array_equal(ours, numbas)
    np.testing.assert_allclose(np.linalg.norm(ours), 1.5, rtol=1e-12)


def bar_function_level(monkeypatch):
    from numba.core.codegen import JITCodeLibrary

    monkeypatch.delattr(JITCodeLibrary.__mro__[1], "_optimize_functions")


def bar_types(monkeypatch):
    from numba.core.typing import templates

    monkeypatch.delattr(templates, "_IntrinsicTemplate")


@pytest.mark.parametrize("bar", [bar_function_level, bar_types])
def test_parts_of_numba_that_are_gone(fresh, bar, monkeypatch):
    with monkeypatch.context() as barred:
        bar(barred)
        with pytest.warns(RuntimeWarning, match="without a shorter way through the compiler .*compiling takes longer"):
            found = compilers.compilers()
    assert not any((found.whole, found.part, found.loop))
    function = compiled.__wrapped__(vectors.add_into, f"void({VECTOR}, {VECTOR})")
    total = np.array([1.0, 2.0])
    function(total, np.array([10.0, 20.0]))
    np.testing.assert_array_equal(total, [11.0, 22.0])


def fail_at_levels(monkeypatch):
    import llvmlite.binding

    create = llvmlite.binding.create_pipeline_tuning_options
    monkeypatch.setattr(llvmlite.binding, "create_pipeline_tuning_options", lambda: create())


def fail_at_contexts(monkeypatch):
    from numba.core.cpu import CPUContext

    subtarget = CPUContext.subtarget

    def another(self, **options):
        context = subtarget(self, **options)
        context.__class__ = type("AnotherContext", (CPUContext,), {})
        return context

    monkeypatch.setattr(CPUContext, "subtarget", another)


@pytest.mark.parametrize("fail", [fail_at_levels, fail_at_contexts])
def test_parts_of_numba_that_do_something_else(fresh, fail, monkeypatch):
    fail(monkeypatch)
    with pytest.warns(RuntimeWarning, match="without a shorter way through the compiler .*compiling takes longer"):
        function = compiled.__wrapped__(vectors.add_into, f"void({VECTOR}, {VECTOR})")
    total = np.array([1.0, 2.0])
    function(total, np.array([10.0, 20.0]))
    np.testing.assert_array_equal(total, [11.0, 22.0])


# -- what is remembered of types


@pytest.fixture
def typing():
    """Numba's look at functions and types, and its function type of an operator."""
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    return cpu_target.typing_context


def types_to_try():
    from numba import types

    matrix, vector = (types.Array(types.float64, ndim, "C") for ndim in (2, 1))
    numbers = types.float64, types.float32, types.int64, types.uint64, types.boolean
    literals = types.literal(2), types.literal(-1)
    pairs = [(a, b) for a in (*numbers, *literals) for b in (*numbers, *literals)]
    by_place = [(vector, types.int64), (vector, types.literal(0)), (matrix, types.UniTuple(types.int64, 2))]
    return pairs, [*by_place, (vector, types.slice2_type)]


def test_what_is_remembered_is_what_numba_finds(fresh, typing):
    pairs, by_place = types_to_try()
    operators = operator.add, operator.mul, operator.lt, operator.truediv, operator.pow, operator.iadd
    questions = [(name, pair) for name in operators for pair in pairs]
    questions += [(operator.getitem, pair) for pair in by_place]
    functions = {name: typing.resolve_value_type(name) for name, _ in questions}
    alone = [functions[name].get_call_type(typing, pair, {}) for name, pair in questions]
    with compilers.compilers().remembering_types():
        for _ in range(2):
            found = [functions[name].get_call_type(typing, pair, {}) for name, pair in questions]
            assert found == alone


def test_numba_looks_once(fresh, typing, monkeypatch):
    from numba import types
    from numba.core.types.functions import BaseFunction

    looked, look_up = [], BaseFunction.get_call_type
    monkeypatch.setattr(BaseFunction, "get_call_type", lambda self, *of: looked.append(of[1]) or look_up(self, *of))
    add, pair = typing.resolve_value_type(operator.add), (types.float64, types.int64)
    with compilers.compilers().remembering_types():
        for _ in range(3):
            add.get_call_type(typing, pair, {})
    assert looked == [pair]


def overloaded(x):
    raise NotImplementedError


def test_what_is_compiled_where_it_is_called_is_not_remembered(fresh, typing, monkeypatch):
    from numba import types
    from numba.core.types.functions import BaseFunction
    from numba.extending import overload

    overload(overloaded)(lambda x: lambda x: x + 1.0)
    typing.refresh()
    looked, look_up = [], BaseFunction.get_call_type
    monkeypatch.setattr(BaseFunction, "get_call_type", lambda self, *of: looked.append(of[1]) or look_up(self, *of))
    function = typing.resolve_value_type(overloaded)
    with compilers.compilers().remembering_types():
        for _ in range(2):
            function.get_call_type(typing, (types.float64,), {})
    assert looked.count((types.float64,)) == 2


def test_numba_is_as_it_was_afterwards_whatever_threads_do(fresh):
    from numba.core.types.functions import BaseFunction

    before, inside = BaseFunction.get_call_type, threading.Event()
    remembering_types = compilers.compilers().remembering_types

    def enter():
        with remembering_types():
            inside.set()

    thread = threading.Thread(target=enter)
    with remembering_types():
        assert BaseFunction.get_call_type is not before
        thread.start()
        assert not inside.wait(0.05)
        with remembering_types():
            pass
        assert BaseFunction.get_call_type is not before
    thread.join()
    assert BaseFunction.get_call_type is before
    with pytest.raises(ZeroDivisionError), remembering_types():
        raise ZeroDivisionError
    assert BaseFunction.get_call_type is before
