"""Views and products of matrices without numba's runtime, which takes as long over them as small batches do.

That runtime counts references to every slice of an array, ``reshape`` is a call of C, and ``np.dot`` allocates. BLAS is
called by its address instead.
"""

import numpy as np

from .._compile.jit import have_numba


def matrix_in_python(vector, start, n_rows, n_columns):
    """The matrix that lies row by row in a vector from `start` on."""
    return vector[start : start + n_rows * n_columns].reshape(n_rows, n_columns)


def multiply_in_python(gemm, a, turns_a, b, turns_b, c):
    """C = a b, with a or b transposed on request."""
    np.matmul(a.T if turns_a else a, b.T if turns_b else b, out=c)


def _compiled_matrix():
    from numba.core import types
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
            return view._getvalue()

        return types.Array(vector.dtype, 2, "C")(vector, types.int64, types.int64, types.int64), generate

    matrix_at.plain_version = matrix_in_python
    return matrix_at


def _compiled_multiply():
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

            def by_reference(value):
                return builder.bitcast(cgutils.alloca_once_value(builder, value), byte.as_pointer())

            one, zero = by_reference(ir.Constant(real, 1.0)), by_reference(ir.Constant(real, 0.0))
            inner = builder.select(turns_a, length(a, 0), length(a, 1))
            sizes = length(c, 0), length(c, 1), inner, length(a, 1), length(b, 1), length(c, 1)
            m, n, k, lda, ldb, ldc = (by_reference(builder.trunc(size, integer)) for size in sizes)
            # matrices that lie row by row are their transposes to BLAS: c' = b' a'
            turns = by_reference(letter(turns_b)), by_reference(letter(turns_a))
            given = [*turns, n, m, k, one, entries(b), ldb, entries(a), lda, zero, entries(c), ldc]
            kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer()] * len(given))
            builder.call(builder.inttoptr(gemm, kind.as_pointer()), given)
            return context.get_dummy_value()

        return types.void(types.int64, a, types.boolean, b, types.boolean, c), generate

    multiply.plain_version = multiply_in_python
    return multiply


matrix_at = _compiled_matrix() if have_numba() else matrix_in_python
multiply = _compiled_multiply() if have_numba() else multiply_in_python
