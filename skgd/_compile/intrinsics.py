"""Views and products of matrices without numba's runtime, which takes as long over them as small batches do.

That runtime counts references to every slice of an array, ``reshape`` is a call of C, and ``np.dot`` allocates. BLAS is
called by its address instead.
"""

import ctypes
import functools
import operator
import platform
import re
import sys
from collections.abc import Callable

import numpy as np

from .._kernels import atomics, denormals
from .._kernels.matrices import matrix_at, multiply, part_of
from .private import in_words, warn_without

GEMM = {np.dtype(np.float64): "dgemm", np.dtype(np.float32): "sgemm"}
C_REAL = {np.dtype(np.float64): ctypes.c_double, np.dtype(np.float32): ctypes.c_float}
SIGNATURE = "void(char*,char*,int*,int*,int*,real*,real*,int*,real*,int*,real*,real*,int*)"


@functools.cache
def intrinsic_for(function: Callable):
    """What stands for a function of the kernels in compiled code, or None where that can't be."""
    try:
        if _given_up:
            raise _given_up[0]
        if function is multiply:
            for dtype in GEMM:
                _gemm_address(dtype)
        return INTRINSICS[function]()
    except Exception as error:
        reason = in_words(error)
        if function.__module__ == atomics.__name__:
            warn_without("the instructions for threads", "batches of networks aren't shared among them.", reason)
        elif function is multiply:
            warn_without("BLAS, by way", "networks multiply matrices by loops, slower.", reason)
        elif function.__module__ == denormals.__name__:
            warn_without("the instruction for numbers near zero", "long fits of networks are slower.", reason)
        elif function in (max, min):
            warn_without("comparisons by way of the intrinsics", "compiling takes longer.", reason)
        else:
            warn_without("views by way of the intrinsics", "small batches of networks are slower.", reason)
        return None


_given_up: list[Exception] = []


def give_up_intrinsics(error: Exception) -> bool:
    """Do without intrinsics from here on, since a function that uses them can't be compiled; False if so before."""
    if _given_up:
        return False
    _given_up.append(error)
    intrinsic_for.cache_clear()
    return True


def gemm_address(dtype: np.dtype) -> int:
    """The address of the product of BLAS that comes with SciPy; 0 where it isn't used."""
    return _gemm_address(dtype) if intrinsic_for(multiply) is not None else 0


@functools.cache
def _gemm_address(dtype: np.dtype) -> int:
    """The address of the product of BLAS that comes with SciPy.

    Raises
    ------
    Exception
        If there is none, or it isn't what it should be: its integers have 32 bits, and it multiplies.
    """
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[GEMM[dtype]]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = api.PyCapsule_GetName(capsule)
    _check_signature(signature.decode())
    address = api.PyCapsule_GetPointer(capsule, signature)
    _check_product(address, dtype)
    return address


def _check_signature(given: str) -> None:
    """Whether sizes are passed as pointers to C's int: other builds of BLAS have integers of 64 bits."""
    found = re.sub(r"\b(double|float|__pyx_t_\w+)(?=\*)", "real", given.replace(" ", ""))
    if found != SIGNATURE or ctypes.sizeof(ctypes.c_int) != 4:
        raise TypeError(f"the product of BLAS is {given}")


def _check_product(address: int, dtype: np.dtype) -> None:
    """Whether it multiplies."""
    real, size = C_REAL[dtype], ctypes.c_int(2)
    a, b, c = np.array([[1, 2], [3, 4]], dtype), np.array([[5, 6], [7, 9]], dtype), np.zeros((2, 2), dtype)
    letter, n, one, zero = (ctypes.byref(value) for value in (ctypes.c_char(b"N"), size, real(1.0), real(0.0)))
    product = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(address)
    # by columns: c' = b' a'
    product(letter, letter, n, n, n, one, b.ctypes.data, n, a.ctypes.data, n, zero, c.ctypes.data, n)
    if not np.array_equal(c, a @ b):
        raise ArithmeticError("the product of BLAS is wrong")


def _matrix_at():
    from numba.core import types
    from numba.core.imputils import impl_ret_borrowed
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array, populate_array

    @intrinsic
    def matrix_at(typingctx, vector, start, n_rows, n_columns):
        def generate(context, builder, signature, args):
            start, n_rows, n_columns = args[1:]
            source = make_array(signature.args[0])(context, builder, args[0])
            view = make_array(signature.return_type)(context, builder)
            row_bytes = builder.mul(n_columns, source.itemsize)
            data = builder.gep(source.data, [start])
            populate_array(
                view, data, [n_rows, n_columns], [row_bytes, source.itemsize], source.itemsize, source.meminfo
            )
            # where numba counts references, it takes one away when the view goes
            return impl_ret_borrowed(context, builder, signature.return_type, view._getvalue())

        return types.Array(vector.dtype, 2, "C")(vector, types.int64, types.int64, types.int64), generate

    return matrix_at


def _part_of():
    from numba.core import cgutils, types
    from numba.core.errors import TypingError
    from numba.core.imputils import impl_ret_borrowed
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array, populate_array

    @intrinsic
    def part_of(typingctx, array, start, count):
        if array.layout != "C":  # entries that lie elsewhere would be taken for its own
            raise TypingError(f"part_of takes arrays that lie row by row, not {array}")

        def generate(context, builder, signature, args):
            entry, count = args[1:]
            source = make_array(signature.args[0])(context, builder, args[0])
            view = make_array(signature.return_type)(context, builder)
            _, *others = cgutils.unpack_tuple(builder, source.shape)
            for length in others:
                entry = builder.mul(entry, length)
            strides, data = cgutils.unpack_tuple(builder, source.strides), builder.gep(source.data, [entry])
            populate_array(view, data, [count, *others], strides, source.itemsize, source.meminfo)
            return impl_ret_borrowed(context, builder, signature.return_type, view._getvalue())

        return array(array, types.int64, types.int64), generate

    return part_of


def _multiply():
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    @intrinsic
    def multiply(typingctx, gemm, a, turns_a, b, turns_b, c):
        def generate(context, builder, signature, args):
            gemm, _, turns_a, _, turns_b, _ = args
            byte, integer = ir.IntType(8), ir.IntType(32)
            real = context.get_value_type(signature.args[1].dtype)
            a, b, c = (make_array(signature.args[i])(context, builder, args[i]) for i in (1, 3, 5))

            def letter(turns):
                return builder.select(turns, ir.Constant(byte, ord("T")), ir.Constant(byte, ord("N")))

            def entries(array):
                return builder.bitcast(array.data, byte.as_pointer())

            def length(array, axis):
                return cgutils.unpack_tuple(builder, array.shape)[axis]

            def row_length(array, number):  # and what lies between the rows of a part of a matrix
                if signature.args[number].layout == "C":
                    return length(array, 1)
                return builder.sdiv(cgutils.unpack_tuple(builder, array.strides)[0], array.itemsize)

            def by_reference(value):
                return builder.bitcast(cgutils.alloca_once_value(builder, value), byte.as_pointer())

            one, zero = by_reference(ir.Constant(real, 1.0)), by_reference(ir.Constant(real, 0.0))
            inner = builder.select(turns_a, length(a, 0), length(a, 1))
            sizes = length(c, 0), length(c, 1), inner, row_length(a, 1), row_length(b, 3), row_length(c, 5)
            m, n, k, lda, ldb, ldc = (by_reference(builder.trunc(size, integer)) for size in sizes)
            # matrices that lie row by row are their transposes to BLAS: c' = b' a'
            turns = by_reference(letter(turns_b)), by_reference(letter(turns_a))
            given = [*turns, n, m, k, one, entries(b), ldb, entries(a), lda, zero, entries(c), ldc]
            kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer()] * len(given))
            builder.call(builder.inttoptr(gemm, kind.as_pointer()), given)
            return context.get_dummy_value()

        return types.void(types.int64, a, types.boolean, b, types.boolean, c), generate

    return multiply


# -- the larger and the smaller of two numbers


def _chosen(compare: Callable):
    """An intrinsic for max or min of two, which numba makes a function of its own for each pair of types.

    As of Python's, the first one stays unless the second is beyond it: so it is where one isn't a number.
    """
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def chosen(typingctx, first, second):
        kind = typingctx.unify_types(first, second)

        def generate(context, builder, signature, args):
            first, second = (context.cast(builder, *each, kind) for each in zip(args, signature.args, strict=True))
            is_beyond = context.get_function(compare, types.boolean(kind, kind))
            return builder.select(is_beyond(builder, (second, first)), second, first)

        return kind(first, second), generate

    return chosen


# -- numbers that several threads change


def _atomic(kind: str):
    """An intrinsic for an entry of an array of int64: what `kind` says, with the order of memory that locks have."""
    from numba.core import types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    def entry(context, builder, signature, args):
        array = make_array(signature.args[0])(context, builder, args[0])
        return builder.gep(array.data, [args[1]])

    def load(typingctx, numbers, at):
        def generate(context, builder, signature, args):
            return builder.load_atomic(entry(context, builder, signature, args), "acquire", 8)

        return types.int64(numbers, types.int64), generate

    def store(typingctx, numbers, at, value):
        def generate(context, builder, signature, args):
            builder.store_atomic(args[2], entry(context, builder, signature, args), "release", 8)
            return context.get_dummy_value()

        return types.void(numbers, types.int64, types.int64), generate

    def add(typingctx, numbers, at, value):
        def generate(context, builder, signature, args):
            builder.atomic_rmw("add", entry(context, builder, signature, args), args[2], "acq_rel")
            return context.get_dummy_value()

        return types.void(numbers, types.int64, types.int64), generate

    def replace(typingctx, numbers, at, expected, value):
        def generate(context, builder, signature, args):
            place = entry(context, builder, signature, args)
            return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire"), 1)

        return types.boolean(numbers, types.int64, types.int64, types.int64), generate

    return intrinsic({"load": load, "store": store, "add": add, "replace": replace}[kind])


def _give_way():
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def give_way(typingctx, address):
        def generate(context, builder, signature, args):
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(builder.inttoptr(args[0], kind.as_pointer()), [])
            return context.get_dummy_value()

        return types.void(types.int64), generate

    return give_way


@functools.cache
def give_way_address() -> int:
    """The address of the system's function by which a thread lets others have its core; 0 where it isn't found."""
    try:
        library, name = ("kernel32", "SwitchToThread") if sys.platform == "win32" else (None, "sched_yield")
        function = getattr(ctypes.CDLL(library), name)
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    except (AttributeError, OSError):
        return 0


def _exchange_control():
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    @intrinsic
    def exchange_control(typingctx, mode):
        def generate(context, builder, signature, args):
            word, byte = ir.IntType(32), ir.IntType(8)
            place = cgutils.alloca_once(builder, word)
            address = builder.bitcast(place, byte.as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [address.type])
            take, give = (
                builder.module.declare_intrinsic(f"llvm.x86.sse.{name}", (), kind) for name in ("stmxcsr", "ldmxcsr")
            )
            builder.call(take, [address])
            before = builder.load(place)
            keeps = builder.icmp_signed("==", args[0], ir.Constant(args[0].type, denormals.KEEP))
            builder.store(builder.select(keeps, before, builder.trunc(args[0], word)), place)
            builder.call(give, [address])
            return builder.zext(before, ir.IntType(64))

        return types.int64(types.int64), generate

    return exchange_control


INTRINSICS: dict[Callable, Callable] = {
    matrix_at: _matrix_at,
    part_of: _part_of,
    multiply: _multiply,
    max: functools.partial(_chosen, operator.gt),
    min: functools.partial(_chosen, operator.lt),
    atomics.load: functools.partial(_atomic, "load"),
    atomics.store: functools.partial(_atomic, "store"),
    atomics.add: functools.partial(_atomic, "add"),
    atomics.replace: functools.partial(_atomic, "replace"),
    atomics.give_way: _give_way,
}
if platform.machine() in ("x86_64", "AMD64"):  # ARM's processors compute with them as with all others
    INTRINSICS[denormals.exchange_control] = _exchange_control
