"""Mini-batches of CSR rows whose work follows the entries of the batch, not the number of columns.

The columns that the batch touches, and the intercepts, are gathered into contiguous arrays; there the ordinary rule
works on them, and from there they are put back. So the rest of the columns keeps its state as it is: momentum and
running means of a column wait until a batch touches it again, as in PyTorch's SparseAdam, while the number of
the update, t, goes on for all. The penalty of a touched column counts 1 / (probability that a batch touches it) times,
so that it is right in expectation (Pedregosa, Leblond and Lacoste-Julien 2017, Breaking the nonsmooth barrier); so
does the gradient over all rows, where variance reduction adds it.
Column 0 is in every batch, and first: there a rule may keep a number of its own for all parameters, in slots[k, 0].
"""

import numpy as np

from .epochs import add_lasso, add_penalty, add_to_average, begin_epoch, end_batch, keep_side
from .rows import gather_targets, next_rows
from .stopping import in_its_right_mind
from .structures import DIVERGED, RUNNING
from .vectors import clip, set_zero


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
    features, subset = data.features, data.subset
    all_params, all_slots, average, epoch_start, best_params = (
        state.params,
        state.slots,
        state.average,
        state.epoch_start,
        state.best,
    )
    n_rows = subset.size if subset.size > 0 else data.y.shape[0]
    d, n_slots = features.inverse_scale.size, all_slots.shape[0]
    rows, raw, derivatives, targets, weights, _ = buffers
    n_outputs = raw.shape[1]
    columns, touched, rarity = batch.columns, batch.touched, batch.rarity
    reduces_variance = anchor.params.size > 0
    first_epoch, first_update = progress["epoch"], progress["update"]
    progress["status"] = RUNNING
    for _ in range(budget):
        cursor = progress["cursor"]
        if cursor == 0:
            begin_epoch(all_params, epoch_start, order, n_rows, progress)

        # 1. the rows of the batch and what their columns need
        m = min(settings.batch_size, n_rows - cursor)
        if m != rows.size:
            rows, raw, derivatives = buffers.rows[:m], buffers.raw[:m], buffers.derivatives[:m]
            targets, weights = buffers.targets[:m], buffers.weights[:m]
        next_rows(order, settings.run_length, progress["offset"], subset, n_rows, cursor, rows, m)
        factor = settings.weight_factor / m
        gather_targets(data, buffers, m, factor)
        n = gather_rows(features, rows, batch)
        size = n_outputs * (n + 1)
        params, grads = batch.params[:size], batch.grads[:size]
        slots = batch.slots[: n_slots * size].reshape(n_slots, size)
        gather_state(all_params, params, touched, d, n_outputs, n)
        for s in range(n_slots):
            gather_state(all_slots[s], slots[s], touched, d, n_outputs, n)

        # 2. loss, gradient, penalty
        batch_forward(batch, m, n, params, raw)
        objective = loss(raw, targets, weights, loss_hyper, derivatives)
        batch_backward(batch, m, n, model.trains_intercept, derivatives, grads)
        learning_rate = learning_rates[progress["update"] - first_update if learning_rates.size > 1 else 0]
        # a penalty's step that shrinks a parameter by more than itself would make it swing
        shrinkage = learning_rate * settings.alpha
        most = 1.0 / shrinkage if shrinkage > 0.0 else np.inf
        if reduces_variance:
            there, correction = batch.anchor[:size], batch.correction[:size]
            gather_state(anchor.params, there, touched, d, n_outputs, n)
            batch_forward(batch, m, n, there, raw)
            loss(raw, targets, weights, loss_hyper, derivatives)
            batch_backward(batch, m, n, model.trains_intercept, derivatives, correction)
            gather_state(anchor.gradient, there, touched, d, n_outputs, n)
            reduce_variance(grads, correction, there, rarity, most, state.penalised, d, n_outputs, n)
        if settings.alpha > 0.0:
            penalised = batch.penalised[:size]
            gather_penalty(state.penalised, rarity, most, penalised, d, n_outputs, n)
            objective += add_penalty(params, penalised, settings.alpha, grads)
        if settings.l1 > 0.0:
            l1_counts, side = batch.l1_counts[:size], batch.side[:size]
            gather_penalty(state.l1_counts, rarity, np.inf, l1_counts, d, n_outputs, n)
            objective += add_lasso(params, l1_counts, settings.l1, grads, side)
        sane = in_its_right_mind(objective, progress)

        # 3. the update
        if sane:
            progress["loss_sum"] += objective * m
            if settings.clip_norm > 0.0:
                clip(grads, settings.clip_norm)
            if settings.weight_decay > 0.0:
                for k in range(n_outputs):
                    for i in range(n):
                        params[k * (n + 1) + i] *= 1.0 - min(learning_rate * settings.weight_decay * rarity[i], 1.0)
            progress["update"] += 1
            rule(params, grads, slots, hyper, learning_rate, progress["update"])
            if settings.l1 > 0.0:
                passage = 2.0 * learning_rate * settings.l1 if settings.proximal else np.inf
                keep_side(params, batch.l1_counts[:size], passage, batch.side[:size])
            put_back(params, all_params, touched, d, n_outputs, n)
            for s in range(n_slots):
                put_back(slots[s], all_slots[s], touched, d, n_outputs, n)
        for i in range(n):
            columns[touched[i]]["place"] = -1
        if not sane:
            progress["status"] = DIVERGED
            break
        add_to_average(all_params, average, settings, progress)

        # 4. the end of the batch, and perhaps of the epoch
        end_batch(m, n_rows, all_params, epoch_start, best_params, settings, first_epoch, losses, progress)
        if progress["status"] != RUNNING:
            break
