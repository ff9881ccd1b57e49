"""Mini-batches of CSR rows whose work follows the entries of the batch, not the number of columns.

The columns that the batch touches, and the intercepts, are gathered into contiguous arrays; there the ordinary rule
works on them, and from there they are put back. So the rest of the columns keeps its state as it is: momentum and
running means of a column wait until a batch touches it again, as in PyTorch's SparseAdam, while the number of
the update, t, goes on for all. The penalty of a touched column counts 1 / (probability that a batch touches it) times,
so that it is right in expectation (Pedregosa, Leblond and Lacoste-Julien 2017, Breaking the nonsmooth barrier); so
does the gradient over all rows, where variance reduction adds it.
Column 0 is in every batch, and first: there a rule may keep a number of its own for all parameters, in slots[k, 0].
"""

from collections.abc import Callable

import numpy as np

from .epochs import after_gradient, after_update, begin_epoch, look_up, rate_of_update
from .matrices import matrix_at
from .rows import count_rows
from .structures import RUNNING, Variables
from .vectors import set_zero


def decay_touched(params, penalised, rarity, share):
    """Shrink the coefficients of the touched columns, as often as is right for 1 / rarity of all batches."""
    n = rarity.size
    for at in range(0, params.size, n + 1):
        for i in range(n):
            params[at + i] *= 1.0 - min(share * rarity[i], 1.0)


def gather_rows(features, rows, batch):
    """Copy the rows, scaled, their columns numbered as they come after column 0; return how many columns there are.

    In two loops: look-ups that wait for memory overlap while nothing else has to be decided. Numbers are unsigned since
    numba takes negative indices into account, which costs time.
    """
    entries, indices, indptr = features.data, features.indices, features.indptr
    columns, touched, rarity = batch.columns, batch.touched, batch.rarity
    values, places, starts = batch.values, batch.places, batch.starts
    one, to = np.uint64(1), np.uint64(0)
    for i in range(rows.size):
        row = rows[i]
        starts[i] = to
        for at in range(np.uint64(indptr[row]), np.uint64(indptr[row + 1])):
            j = np.uint64(indices[at])
            places[to] = j
            values[to] = entries[at] * columns[j]["inverse_scale"]
            to += one
    starts[rows.size] = to
    columns[0]["place"], touched[0], rarity[0] = 0, 0, columns[0]["rarity"]
    n = one
    for at in range(to):
        j = places[at]
        column = columns[j]
        if column["place"] < 0:
            column["place"] = n
            touched[n], rarity[n] = j, column["rarity"]
            n += one
        places[at] = np.uint64(column["place"])
    return np.int64(n)


def gather_state(source, target, touched, n_features, n_outputs, n):
    """Fill target with the entries of the touched columns: per output the columns, then the intercept."""
    for k in range(n_outputs):
        values = source[k * (n_features + 1) : (k + 1) * (n_features + 1)]
        gathered = target[k * (n + 1) : (k + 1) * (n + 1)]
        for i in range(n):
            gathered[i] = values[touched[i]]
        gathered[n] = values[n_features]


def put_back(source, target, touched, n_features, n_outputs, n):
    for k in range(n_outputs):
        gathered = source[k * (n + 1) : (k + 1) * (n + 1)]
        values = target[k * (n_features + 1) : (k + 1) * (n_features + 1)]
        for i in range(n):
            values[touched[i]] = gathered[i]
        values[n_features] = gathered[n]


def gather_penalty(counts, rarity, most, target, n_features, n_outputs, n):
    """How much the penalty counts for the touched columns, `most` at most; all columns of an output count the same."""
    for k in range(n_outputs):
        count, at = counts[k * (n_features + 1)], k * (n + 1)
        for i in range(n):
            target[at + i] = min(count * rarity[i], most)
        target[at + n] = 0


def batch_forward(batch, m, n, params, raw):
    """Raw predictions of the rows of the batch."""
    values, places, starts = batch.values, batch.places, batch.starts
    for k in range(raw.shape[1]):
        w = params[k * (n + 1) : (k + 1) * (n + 1)]
        for i in range(m):
            z = w[n]
            for at in range(np.uint64(starts[i]), np.uint64(starts[i + 1])):
                z += values[at] * w[places[at]]
            raw[i, k] = z


def batch_backward(batch, m, n, trains_intercept, derivatives, grads):
    """Gradient of the batch's loss."""
    values, places, starts = batch.values, batch.places, batch.starts
    set_zero(grads)
    for k in range(derivatives.shape[1]):
        gradient = grads[k * (n + 1) : (k + 1) * (n + 1)]
        for i in range(m):
            slope = derivatives[i, k]
            for at in range(np.uint64(starts[i]), np.uint64(starts[i + 1])):
                gradient[places[at]] += slope * values[at]
            if trains_intercept:
                gradient[n] += slope


def reduce_variance(grads, of_batch, of_all, rarity, most, counts, n_features, n_outputs, n):
    """Replace the gradient of the batch at the anchor by that of all rows, right in expectation as the penalty is.

    It counts as often as the penalty, `most` included: where the two cancel, so they must here.
    """
    for k in range(n_outputs):
        count, at = counts[k * (n_features + 1)], k * (n + 1)
        limit = most / count if count > 0.0 else np.inf
        for i in range(n):
            grads[at + i] += of_all[at + i] * min(rarity[i], limit) - of_batch[at + i]
        grads[at + n] += of_all[at + n] - of_batch[at + n]


def put_all_back(variables, state, touched, n_features, n_outputs, n):
    put_back(variables.params, state.params, touched, n_features, n_outputs, n)
    for s in range(state.slots.shape[0]):
        put_back(variables.slots[s], state.slots[s], touched, n_features, n_outputs, n)


def gather_variables(state, batch, settings, most, n_features, n_outputs, n):
    """All that belongs to the columns which the batch touches; the penalty counts `most` times at most."""
    touched, rarity = batch.touched, batch.rarity[:n]
    size, n_slots = n_outputs * (n + 1), state.slots.shape[0]
    slots = matrix_at(batch.slots, 0, n_slots, size)
    variables = Variables(
        batch.params[:size],
        batch.grads[:size],
        slots,
        batch.penalised[:size],
        batch.l1_counts[:size],
        batch.side[:size],
        rarity,
    )
    gather_state(state.params, variables.params, touched, n_features, n_outputs, n)
    for s in range(n_slots):
        gather_state(state.slots[s], slots[s], touched, n_features, n_outputs, n)
    if settings.alpha > 0.0:
        gather_penalty(state.penalised, rarity, most, variables.penalised, n_features, n_outputs, n)
    if settings.l1 > 0.0:
        gather_penalty(state.l1_counts, rarity, np.inf, variables.l1_counts, n_features, n_outputs, n)
    return variables


def correct_by_anchor(loss, of_loss, model, anchor, batch, state, grads, most, n):
    """Replace the gradient at the anchor, of the rows of the batch, by that of all rows."""
    targets, weights, loss_hyper, raw, derivatives = of_loss
    d, n_outputs, m = batch.columns.size, raw.shape[1], raw.shape[0]
    there, correction = batch.anchor[: grads.size], batch.correction[: grads.size]
    gather_state(anchor.params, there, batch.touched, d, n_outputs, n)
    batch_forward(batch, m, n, there, raw)
    loss(raw, targets, weights, loss_hyper, derivatives)
    batch_backward(batch, m, n, model.trains_intercept, derivatives, correction)
    gather_state(anchor.gradient, there, batch.touched, d, n_outputs, n)
    reduce_variance(grads, correction, there, batch.rarity, most, state.penalised, d, n_outputs, n)


def run_lazy_epochs(
    loss,
    rule,
    data,
    model,
    state,
    anchor,
    buffers,
    batch,
    settings,
    loss_hyper,
    hyper,
    learning_rates,
    order,
    progress,
    losses,
    budget,
):
    """Go on with training for at most `budget` batches, as `run_epochs` does with blocks of rows."""
    progress = progress[0]
    n_rows = count_rows(data)
    rows, raw, derivatives, targets, weights, _ = buffers
    columns, touched, d, n_outputs = batch.columns, batch.touched, batch.columns.size, raw.shape[1]
    first_epoch, first_update = progress["epoch"], progress["update"]
    progress["status"] = RUNNING
    for _ in range(budget):
        cursor = progress["cursor"]
        if cursor == 0:
            begin_epoch(state.params, state.epoch_start, order, n_rows, progress)

        # 1. the rows of the batch and what their columns need
        m = min(settings.batch_size, n_rows - cursor)
        if m != rows.size:
            rows, raw, derivatives = buffers.rows[:m], buffers.raw[:m], buffers.derivatives[:m]
            targets, weights = buffers.targets[:m], buffers.weights[:m]
        look_up(data, buffers, order, settings, cursor, m, m, progress)
        n = gather_rows(data.features, rows, batch)
        rate = rate_of_update(learning_rates, first_update, progress)
        # a penalty's step that shrinks a parameter by more than itself would make it swing
        most = 1.0 / (rate * settings.alpha) if rate * settings.alpha > 0.0 else np.inf
        variables = gather_variables(state, batch, settings, most, d, n_outputs, n)

        # 2. loss, gradient
        batch_forward(batch, m, n, variables.params, raw)
        batch_loss = loss(raw, targets, weights, loss_hyper, derivatives)
        batch_backward(batch, m, n, model.trains_intercept, derivatives, variables.grads)
        if anchor.params.size > 0:
            of_loss = targets, weights, loss_hyper, raw, derivatives
            correct_by_anchor(loss, of_loss, model, anchor, batch, state, variables.grads, most, n)

        # 3. the update, perhaps the end of the epoch
        goes_on = after_gradient(rule, batch_loss, variables, settings, hyper, rate, m, n_rows, progress)
        if goes_on:
            put_all_back(variables, state, touched, d, n_outputs, n)
        for i in range(n):
            columns[touched[i]]["place"] = -1
        if not goes_on or not after_update(m, n_rows, state, settings, first_epoch, losses, progress):
            break


# What stands for the names that updates call.
IN_LAZY_EPOCHS: dict[str, Callable] = {"decay_weights": decay_touched}
