"""Predictions and gradients of feed-forward networks: one product of matrices per layer, forwards and backwards."""

from .._jit import inline
from .constants import MOST_OUTPUTS
from .layers import add_rows, add_to_rows, drop, undo_drop
from .matrices import matrix_at, multiply
from .products import back_through_column, back_through_turned, product, turn, weight_gradients
from .vectors import set_all_zero, set_zero

# -- the first layer
#
# Dense rows are copied, standardised, and go through the first layer as through any other; CSR rows stay in place.


def copy_rows(features, rows, a):
    """Fill a with the standardised rows: a name for the function of dense or sparse rows, which takes its place."""
    raise NotImplementedError


def product_in_place(features, rows, weights, z):
    """Z = a W for rows that stay in place, likewise."""
    raise NotImplementedError


def gradients_in_place(features, rows, delta, grads):
    """Grads = a' delta, likewise."""
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


def sparse_gradients(features, rows, delta, grads):
    entries, columns, starts, _, inverse_scale = features
    set_all_zero(grads)
    for i in range(rows.size):
        for at in range(starts[rows[i]], starts[rows[i] + 1]):
            column = columns[at]
            x, of_column = entries[at] * inverse_scale[column], grads[column]
            for j in range(of_column.size):
                of_column[j] += x * delta[i, j]


def leave_rows(features, rows, a):
    pass


def no_product(features, rows, weights, z):
    pass


def no_gradients(features, rows, delta, grads):
    pass


# What the first layer's names stand for.
DENSE_ROWS = {"copy_rows": copy_dense_rows, "product_in_place": no_product, "gradients_in_place": no_gradients}
SPARSE_ROWS = {
    "copy_rows": leave_rows,
    "product_in_place": sparse_product,
    "gradients_in_place": sparse_gradients,
}


# -- the passes
#
# The workspace holds one after the other: the inputs a_k of all layers; where slopes don't follow from outputs, z_k of
# the hidden ones, which became them; with dropout its masks; two matrices in turn for the way back; and at its end
# weights that lie on their side, those of MOST_OUTPUTS units.


@inline
def first_width(model):
    """Columns of a_0: none where sparse rows are read in place."""
    return model.sizes[0] if model.keeps_rows else 0


@inline
def n_inputs(model, n_layers):
    """Numbers of the inputs of so many layers for each row."""
    total = first_width(model)
    for layer in range(1, n_layers):
        total += model.sizes[layer]
    return total


@inline
def unit_matrices(model, work, m, layer):
    """Outputs a of the units before a layer, their inputs z and their mask: a itself where these aren't kept."""
    n, n_layers = model.sizes[layer], model.sizes.size - 1
    at, all_inputs = m * n_inputs(model, layer), m * n_inputs(model, n_layers)
    hidden = all_inputs - m * first_width(model)
    a = matrix_at(work, at, m, n)
    z = mask = a
    at += hidden
    if model.keeps_inputs:
        z = matrix_at(work, at, m, n)
        at += hidden
    if model.dropout.size > 0:
        mask = matrix_at(work, at, m, n)
    return z, a, mask


def network_forward(features, rows, model, params, work, raw):
    """Raw predictions of the given rows: a_0 = (x - center) / scale, a_k+1 = activation(a_k W_k + b_k)."""
    m, sizes = rows.size, model.sizes
    n_layers = sizes.size - 1
    n_in = first_width(model)
    a = matrix_at(work, 0, m, n_in)
    copy_rows(features, rows, a)
    offset = 0
    for layer in range(n_layers):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        weights = matrix_at(params, offset, n_in, n_out)
        bias = params[offset + n_in * n_out : offset + (n_in + 1) * n_out]
        offset += (n_in + 1) * n_out
        few, length = min(n_out, MOST_OUTPUTS), n_in if layer > 0 else first_width(model)
        turned = matrix_at(work, work.size - few * length, few, length)
        z, output, mask = raw, raw, raw
        if layer < n_layers - 1:
            z, output, mask = unit_matrices(model, work, m, layer + 1)
        if layer == 0:
            product_in_place(features, rows, weights, z)
        if layer > 0 or model.keeps_rows:
            product(model.products, a, weights, turned, z)
        if layer < n_layers - 1:
            model.activation(z, bias, output)
            if model.dropout.size > 0 and model.dropout[layer] > 0.0:
                drop(output, mask, model.dropout[layer], model.random)
        else:
            add_to_rows(bias, raw)
        a = output


def network_backward(features, rows, model, params, work, derivative, grads):
    """Gradient of the block's loss, layer by layer from the last (Rumelhart, Hinton and Williams 1986)."""
    m, sizes = rows.size, model.sizes
    n_layers = sizes.size - 1
    widest, spare_at = 0, m * n_inputs(model, n_layers)
    kept_besides = int(model.keeps_inputs) + int(model.dropout.size > 0)
    spare_at += kept_besides * (spare_at - m * first_width(model))
    for layer in range(1, n_layers):
        widest = max(widest, m * sizes[layer])
    offset, delta = params.size, derivative
    of_bias = grads[offset - sizes[n_layers] :]
    set_zero(of_bias)
    add_rows(derivative, 0, m, of_bias)
    for layer in range(n_layers - 1, -1, -1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        offset -= (n_in + 1) * n_out
        weights = matrix_at(params, offset, n_in, n_out)
        of_weights = matrix_at(grads, offset, n_in, n_out)
        few, length = min(n_out, MOST_OUTPUTS), n_in if layer > 0 else first_width(model)
        turned = matrix_at(work, work.size - few * length, few, length)
        z = a = mask = matrix_at(work, 0, m, length)
        if layer > 0:
            z, a, mask = unit_matrices(model, work, m, layer)
        below = matrix_at(work, spare_at + layer % 2 * widest, m, n_in)
        if layer > 0 and n_out == 1:
            back_through_column(a, delta, weights, of_weights, below)
        elif layer > 0 or model.keeps_rows:
            weight_gradients(model.products, a, delta, turned, of_weights)
        if layer == 0:
            gradients_in_place(features, rows, delta, of_weights)
            break
        if 1 < n_out <= MOST_OUTPUTS:
            turn(weights, turned)
            back_through_turned(delta, turned, below)
        elif n_out > 1:
            multiply(model.products.gemm, delta, False, weights, True, below)
        if model.dropout.size > 0 and model.dropout[layer - 1] > 0.0:
            undo_drop(a, mask, model.dropout[layer - 1], below)
        model.activation_derivative(z, a, below, grads[offset - n_in : offset])
        delta = below


# -- what loops over batches call


def forward_by_pointer(features, rows, model, params, work, raw):
    model.forward(features, rows, model.layers, params, work, raw)


def backward_by_pointer(features, rows, model, params, work, derivative, grads):
    model.backward(features, rows, model.layers, params, work, derivative, grads)


def no_lasso(params, counts, strength, grads, side):
    """Networks have no L1 penalty; its code would be a tenth of what a loop takes to compile."""
    return 0.0


def no_side(params, counts, passage, side):
    pass


# What stands for the names that loops call.
IN_LOOPS = {
    "forward": forward_by_pointer,
    "backward": backward_by_pointer,
    "add_lasso": no_lasso,
    "keep_side": no_side,
}
