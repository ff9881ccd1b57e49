"""Predictions and gradients of feed-forward networks: one product of matrices per layer, forwards and backwards."""

from collections.abc import Callable

from .constants import MOST_OUTPUTS
from .layers import add_rows, add_to_rows, drop, undo_drop
from .matrices import matrix_at, multiply
from .products import back_through_column, product, turn, weight_gradients
from .vectors import set_zero

ROWS_IN_CACHE = 32  # of a layer of common width: what is done to them one after the other finds them in the first cache

# -- the first layer
#
# Dense rows are copied, standardised, and go through the first layer as through any other; CSR rows stay in place.


def copy_rows(features, rows, a):
    """Fill a with the standardised rows: a name for the function of dense or sparse rows, which takes its place."""
    raise NotImplementedError


def product_in_place(features, rows, weights, z):
    """Z = a W for rows that stay in place, likewise."""
    raise NotImplementedError


def gradients_in_place(features, rows, delta, grads, first, last):
    """Add a' delta to grads, of the units from first to last, likewise."""
    raise NotImplementedError


def copy_dense_rows(features, rows, a):
    X, center, inverse_scale = features
    for i in range(rows.size):
        row = rows[i]
        for j in range(center.size):
            a[i, j] = (X[row, j] - center[j]) * inverse_scale[j]


def sparse_product(features, rows, weights, z):
    entries, columns, starts, _, inverse_scale = features
    for i in range(rows.size):
        set_zero(z[i])
        for at in range(starts[rows[i]], starts[rows[i] + 1]):
            column = columns[at]
            x, w = entries[at] * inverse_scale[column], weights[column]
            for j in range(w.size):
                z[i, j] += x * w[j]


def sparse_gradients(features, rows, delta, grads, first, last):
    entries, columns, starts, _, inverse_scale = features
    for i in range(rows.size):
        for at in range(starts[rows[i]], starts[rows[i] + 1]):
            column = columns[at]
            x, of_column = entries[at] * inverse_scale[column], grads[column]
            for j in range(first, last):
                of_column[j] += x * delta[i, j]


def leave_rows(features, rows, a):
    pass


def no_product(features, rows, weights, z):
    pass


def no_gradients(features, rows, delta, grads, first, last):
    pass


# What the first layer's names stand for.
DENSE_ROWS: dict[str, Callable] = {
    "copy_rows": copy_dense_rows,
    "product_in_place": no_product,
    "gradients_in_place": no_gradients,
}
SPARSE_ROWS: dict[str, Callable] = {
    "copy_rows": leave_rows,
    "product_in_place": sparse_product,
    "gradients_in_place": sparse_gradients,
}


# -- the passes
#
# Work has matrices for n_rows rows, of which the given ones are those from `start` on.


def network_forward(features, rows, model, params, work, raw, start, n_rows):
    """Raw predictions of the given rows: a_0 = (x - center) / scale, a_k+1 = activation(a_k W_k + b_k)."""
    m, n_layers = rows.size, model.table.size
    a = matrix_at(work, start * model.table[0]["width"], m, model.table[0]["width"])
    copy_rows(features, rows, a)
    for k in range(n_layers):
        layer = model.table[k]
        n_in, n_out, at = layer["n_in"], layer["n_out"], layer["params_at"]
        weights, bias = matrix_at(params, at, n_in, n_out), params[at + n_in * n_out : at + (n_in + 1) * n_out]
        z = output = raw
        if k < n_layers - 1:
            above = model.table[k + 1]
            z = matrix_at(work, n_rows * above["z_at"] + start * n_out, m, n_out)
            output = matrix_at(work, n_rows * above["a_at"] + start * n_out, m, n_out)
        if k == 0:
            product_in_place(features, rows, weights, z)
        if k > 0 or model.keeps_rows:
            turned = matrix_at(work, work.size - layer["few"] * n_in, layer["few"], n_in)
            product(model.products, a, weights, turned, z)
        if k == n_layers - 1:
            add_to_rows(bias, raw)
            break
        model.activation(z, bias, output)
        if above["dropout"] > 0.0:
            mask = matrix_at(work, n_rows * above["mask_at"] + start * n_out, m, n_out)
            drop(output, mask, above["dropout"], model.random)
        a = output


def network_backward(features, rows, model, params, work, derivative, grads, start, n_rows):
    """Gradient of the block's loss, layer by layer from the last (Rumelhart, Hinton and Williams 1986).

    Where grads is empty, those by units alone, which stay in work.
    """
    m, delta, by_weights = rows.size, derivative, grads.size > 0
    if by_weights:
        set_sums_zero(model, grads)
        add_rows(derivative, grads[grads.size - derivative.shape[1] :])
    for k in range(model.table.size - 1, -1, -1):
        layer = model.table[k]
        n_in, n_out, at = layer["n_in"], layer["n_out"], layer["params_at"]
        weights = matrix_at(params, at, n_in, n_out)
        of_weights = matrix_at(grads, at if by_weights else 0, n_in if by_weights else 0, n_out)
        a = matrix_at(work, n_rows * layer["a_at"] + start * layer["width"], m, layer["width"])
        turned = matrix_at(work, work.size - layer["few"] * layer["width"], layer["few"], layer["width"])
        one_column = by_weights and k > 0 and n_out == 1  # both gradients at once
        if by_weights and not one_column and (k > 0 or model.keeps_rows):
            weight_gradients(model.products, a, delta, turned, of_weights)
        if k == 0:
            if by_weights:
                gradients_in_place(features, rows, delta, of_weights, 0, n_out)
            break
        below = matrix_at(work, n_rows * layer["below_at"] + start * n_in, m, n_in)
        if n_out > MOST_OUTPUTS:
            multiply(model.products.gemm, delta, False, weights, True, below)
        elif not one_column:
            turn(weights, turned)
        for first in range(0, m, ROWS_IN_CACHE):
            part = ROWS_IN_CACHE if first + ROWS_IN_CACHE < m else m - first
            above, at_row = delta[first : first + part], start + first
            below_part = matrix_at(work, n_rows * layer["below_at"] + at_row * n_in, part, n_in)
            a_part = matrix_at(work, n_rows * layer["a_at"] + at_row * n_in, part, n_in)
            if one_column:
                back_through_column(a_part, above, weights, of_weights, below_part)
            elif n_out <= MOST_OUTPUTS:
                model.products.by_loops(above, False, turned, below_part)
            if layer["dropout"] > 0.0:
                mask = matrix_at(work, n_rows * layer["mask_at"] + at_row * n_in, part, n_in)
                undo_drop(a_part, mask, layer["dropout"], below_part)
            z_part = matrix_at(work, n_rows * layer["z_at"] + at_row * n_in, part, n_in)
            model.activation_derivative(z_part, a_part, below_part, grads[at - n_in : at])
        delta = below


def set_sums_zero(model, grads):
    """Set the gradients to zero that are added to; products are written over whatever is there."""
    for k in range(model.table.size):
        layer = model.table[k]
        n_in, n_out, at = layer["n_in"], layer["n_out"], layer["params_at"]
        sums = n_out == 1 if k > 0 else not model.keeps_rows
        set_zero(grads[at + (0 if sums else n_in * n_out) : at + (n_in + 1) * n_out])


# -- what loops over batches call


def forward_by_pointer(features, rows, model, params, work, raw):
    model.forward(features, rows, model.layers, params, work, raw, 0, rows.size)


def backward_by_pointer(features, rows, model, params, work, derivative, grads):
    model.backward(features, rows, model.layers, params, work, derivative, grads, 0, rows.size)


def no_lasso(params, counts, strength, grads, side):
    """Networks have no L1 penalty; its code would be a tenth of what a loop takes to compile."""
    return 0.0


def no_side(params, counts, passage, side):
    pass


# What stands for the names that loops call.
IN_LOOPS: dict[str, Callable] = {
    "forward": forward_by_pointer,
    "backward": backward_by_pointer,
    "add_lasso": no_lasso,
    "keep_side": no_side,
}
