"""Views and products of matrices without numba's runtime, which takes as long over them as small batches do.

That runtime counts references to every slice of an array, ``reshape`` is a call of C, and ``np.dot`` allocates. BLAS is
called by its address instead.
"""

import numpy as np

from .._jit import have_numba, inline


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
    def call(typingctx, gemm, turns_a, turns_b, m, n, k, a, lda, b, ldb, c, ldc):
        def generate(context, builder, signature, args):
            gemm, turns_a, turns_b, m, n, k, _, lda, _, ldb, _, ldc = args
            byte, integer = ir.IntType(8), ir.IntType(32)
            real = context.get_value_type(signature.args[6].dtype)

            def letter(turns):
                return builder.select(turns, ir.Constant(byte, ord("T")), ir.Constant(byte, ord("N")))

            def entries(position):
                array = make_array(signature.args[position])(context, builder, args[position])
                return builder.bitcast(array.data, byte.as_pointer())

            def by_reference(value):
                return builder.bitcast(cgutils.alloca_once_value(builder, value), byte.as_pointer())

            one, zero = by_reference(ir.Constant(real, 1.0)), by_reference(ir.Constant(real, 0.0))
            m, n, k, lda, ldb, ldc = (by_reference(builder.trunc(size, integer)) for size in (m, n, k, lda, ldb, ldc))
            # matrices that lie row by row are their transposes to BLAS: c' = b' a'
            turns = by_reference(letter(turns_b)), by_reference(letter(turns_a))
            given = [*turns, n, m, k, one, entries(8), ldb, entries(6), lda, zero, entries(10), ldc]
            kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer()] * len(given))
            builder.call(builder.inttoptr(gemm, kind.as_pointer()), given)
            return context.get_dummy_value()

        i8, flag = types.int64, types.boolean
        return types.void(i8, flag, flag, i8, i8, i8, a, i8, b, i8, c, i8), generate

    @inline
    def multiply(gemm, a, turns_a, b, turns_b, c):
        inner = a.shape[0] if turns_a else a.shape[1]
        m, n = c.shape
        call(gemm, turns_a, turns_b, m, n, inner, a, a.shape[1], b, b.shape[1], c, n)

    multiply.plain_version = multiply_in_python
    return multiply


matrix_at = _compiled_matrix() if have_numba() else matrix_in_python
multiply = _compiled_multiply() if have_numba() else multiply_in_python
