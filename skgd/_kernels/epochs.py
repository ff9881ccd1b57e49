"""The loop over epochs, batches and blocks: whatever the model, the loss and the optimizer."""

import numpy as np

from .matrices import part_of
from .rows import count_rows, gather_targets, next_rows, shuffle_runs
from .stopping import end_epoch, gradient_vanishes, in_its_right_mind
from .structures import DIVERGED, OUT_OF_EPOCHS, PAUSED, RUNNING, Variables
from .vectors import add_into, clip, copy_into, set_zero, subtract_from


def forward(features, rows, model, params, work, raw):
    """Fill raw with the predictions of the given rows: a name for the model's own, which takes its place."""
    raise NotImplementedError


def backward(features, rows, model, params, work, derivatives, grads):
    """Fill grads with the gradient of the rows' loss: a name for the model's own, which takes its place."""
    raise NotImplementedError


def add_gradient(features, rows, model, params, work, derivatives, grads, total):
    """Add the gradient of the rows' loss to the total; a model may have a way of its own."""
    backward(features, rows, model, params, work, derivatives, grads)
    add_into(total, grads)


def add_penalty(params, penalised, alpha, grads):
    """Add the gradient of the L2 penalty alpha / 2 |w|^2 and return its value."""
    total = 0.0
    if alpha > 0.0:
        strength = params.dtype.type(alpha)  # float32 by a double would be doubles, half as many at a time
        for j in range(params.size):
            w = penalised[j] * params[j]
            grads[j] += strength * w
            total += w * params[j]
    return 0.5 * alpha * total


def add_lasso(params, counts, strength, grads, side):
    """Turn grads into the smallest subgradient with the L1 penalty strength |w|_1 and return the penalty's value.

    side becomes the orthant in which the next step must stay (Andrew and Gao 2007, Scalable training of
    L1-regularized log-linear models): that of w, where w = 0 the one that the subgradient points to.
    """
    total = 0.0
    for j in range(params.size):
        limit, w, g = strength * counts[j], params[j], grads[j]
        if w > 0 or (w == 0 and g < -limit):
            side[j] = 1
            grads[j] = g + limit
        elif w < 0 or (w == 0 and g > limit):
            side[j] = -1
            grads[j] = g - limit
        else:
            side[j] = 0
            if limit > 0:
                grads[j] = 0
        total += limit * abs(w)
    return total


def keep_side(params, counts, passage, side):
    """Set parameters that left their orthant to zero, but let through what exceeds `passage`.

    A plain descent with rate lr has come too far by 2 lr strength when it passes zero, since the penalty pulls the
    other way there: beyond that passage it is the proximal step (Langford, Li and Zhang 2009, Sparse online learning
    via truncated gradient; Duchi and Singer 2009).
    """
    for j in range(params.size):
        if counts[j] > 0 and params[j] * side[j] <= 0:
            beyond = abs(params[j]) - passage * counts[j]
            params[j] = -side[j] * beyond if beyond > 0 and side[j] != 0 else 0


def add_to_average(params, average, settings, progress):
    """Running mean of the parameters (Polyak and Juditsky 1992), or an exponential one, which begins as such.

    One in which a fit settles begins when the objective finds no new best, and ends when it does.
    """
    if settings.settles and progress["unimproved"] == 0:
        return
    count = progress["update"] - settings.average_from
    if settings.average_from >= 0 and count > 0 and count % settings.average_every == 0:
        progress["averaged"] += 1
        share = max(1.0 / progress["averaged"], settings.least_share)
        for j in range(params.size):
            average[j] += (params[j] - average[j]) * share


def begin_epoch(params, epoch_start, order, n_rows, progress):
    copy_into(epoch_start, params)
    progress["loss_sum"] = 0.0
    progress["offset"] = 0
    if order.size > 0:
        shuffle_runs(order, n_rows, progress)


def rows_to_fetch(block, batch_rows, rows_left, room):
    """How many rows to look up at once: a block of a batch, or as many whole batches as there is room for."""
    if block < batch_rows:
        return block
    return min(max(room // batch_rows, 1), rows_left // batch_rows) * batch_rows


def decay_weights(params, penalised, rarity, share):
    """Shrink the parameters that are penalised; rarity is for `decay_touched`, which lazy epochs have in its place."""
    for j in range(params.size):
        if penalised[j] > 0.0:
            params[j] -= share * params[j]


def after_gradient(rule, loss, variables, settings, hyper, learning_rate, batch_rows, n_rows, progress):
    """Judge a batch by its loss and make its update; False where the fit ends before, as the status says."""
    params, grads, slots, penalised, l1_counts, side, rarity = variables
    objective = loss + add_penalty(params, penalised, settings.alpha, grads)
    if settings.l1 > 0.0:
        objective += add_lasso(params, l1_counts, settings.l1, grads, side)
    if not in_its_right_mind(objective, progress):
        progress["status"] = DIVERGED
        return False
    progress["loss_sum"] += objective * batch_rows
    if batch_rows == n_rows and gradient_vanishes(grads, settings, progress):
        return False
    if settings.clip_norm > 0.0:
        clip(grads, settings.clip_norm)
    if settings.weight_decay > 0.0:
        decay_weights(params, penalised, rarity, learning_rate * settings.weight_decay)
    progress["update"] += 1
    rule(params, grads, slots, hyper, learning_rate, progress["update"])
    if settings.l1 > 0.0:
        passage = 2.0 * learning_rate * settings.l1 if settings.proximal else np.inf
        keep_side(params, l1_counts, passage, side)
    return True


def end_settling_epoch(state, settings, objective, progress):
    """End an epoch; the mean over those at a standstill is none any more where that is over."""
    end_epoch(state.params, state.epoch_start, state.best, settings, objective, settings.near_zero, progress)
    if settings.settles and progress["unimproved"] == 0:
        progress["averaged"] = 0


def after_update(batch_rows, n_rows, state, settings, first_epoch, losses, progress):
    """Count the batch, and end the epoch with its last one; whether to go on."""
    add_to_average(state.params, state.average, settings, progress)
    progress["cursor"] += batch_rows
    if progress["cursor"] == n_rows:
        mean_objective = progress["loss_sum"] / n_rows
        end_settling_epoch(state, settings, mean_objective, progress)
        if progress["status"] != DIVERGED:
            n_ended = progress["epoch"] - first_epoch
            losses[n_ended - 1] = mean_objective
            if progress["status"] == RUNNING and n_ended == losses.size:
                progress["status"] = OUT_OF_EPOCHS
            elif progress["status"] == RUNNING and settings.pause:
                progress["status"] = PAUSED
    return progress["status"] == RUNNING


def rate_of_update(learning_rates, first_update, progress):
    return learning_rates[progress["update"] - first_update if learning_rates.size > 1 else 0]


def pointwise(loss, raw, y, weight, hyper, derivative):
    """The loss of some rows by its pointer."""
    return loss(raw, y, weight, hyper, derivative)


def formula(raw, y, weight, hyper, derivative):
    """A loss: a name for one that takes its place."""
    raise NotImplementedError


def pointwise_by_formula(loss, raw, y, weight, hyper, derivative):
    """The loss of some rows by a formula, whatever the pointer."""
    return formula(raw, y, weight, hyper, derivative)


def look_up(data, buffers, order, settings, position, batch_rows, m, progress):
    """Fetch rows from a position of the epoch on, for a block of m or for several batches; return how many."""
    n_rows = count_rows(data)
    count = rows_to_fetch(m, batch_rows, n_rows - progress["cursor"], buffers.rows.size)
    offset = progress["offset"]
    next_rows(order, settings.run_length, offset, data.subset, n_rows, position, buffers.rows, count)
    gather_targets(data, buffers, count, settings.weight_factor / batch_rows)
    return count


def add_block(block_loss, grads, total, m, batch_rows, progress):
    """Add a block of m rows to its batch; whether that is complete: then grads is its gradient."""
    if m == batch_rows:
        progress["batch_loss"] = block_loss
        return True
    if progress["batch_done"] == 0:
        progress["batch_loss"] = 0.0
        set_zero(total)
    progress["batch_loss"] += block_loss
    progress["batch_done"] += m
    add_into(total, grads)
    if progress["batch_done"] < batch_rows:
        return False
    progress["batch_done"] = 0
    copy_into(grads, total)
    return True


def shared_gradient(of_block, loss, model, params, buffers, hyper, grads):
    """Fill grads and return the loss where threads share a block: a name for what takes its place then."""
    return of_block[0]


def run_epochs(
    loss,
    rule,
    data,
    model,
    state,
    anchor,
    buffers,
    settings,
    loss_hyper,
    hyper,
    learning_rates,
    order,
    progress,
    losses,
    budget,
):
    """Go on with training for at most `budget` blocks of rows; progress[0] says where it stands and why it returned.

    learning_rates holds one entry for every update from here on, or a single one for all; losses takes the mean
    objective of each epoch that ends, and its size is the number of epochs that may.
    """
    progress = progress[0]
    features, params, grads, total = data.features, state.params, state.grads, state.total
    n_rows = count_rows(data)
    raw, derivatives, work = buffers.raw, buffers.derivatives, buffers.work
    # the total of the gradient has done its service when the sides of the L1 penalty are asked for
    variables = Variables(params, grads, state.slots, state.penalised, state.l1_counts, total, params[:0])
    fetched, fetched_end = 0, 0  # from where to where in the epoch the rows are in the buffers
    first_epoch, first_update = progress["epoch"], progress["update"]
    progress["status"] = RUNNING
    for _ in range(budget):
        if progress["cursor"] == 0 and progress["batch_done"] == 0:
            begin_epoch(params, state.epoch_start, order, n_rows, progress)
            fetched_end = 0

        # 1. one block of the batch: raw predictions, loss, gradient
        position = progress["cursor"] + progress["batch_done"]
        batch_rows = min(settings.batch_size, n_rows - progress["cursor"])
        m = min(settings.block_size, batch_rows - progress["batch_done"])
        if m != raw.shape[0]:
            raw, derivatives = buffers.raw[:m], buffers.derivatives[:m]
        if position >= fetched_end:
            fetched = position
            fetched_end = fetched + look_up(data, buffers, order, settings, position, batch_rows, m, progress)
        at = position - fetched
        rows, targets = part_of(buffers.rows, at, m), part_of(buffers.targets, at, m)
        weights = part_of(buffers.weights, at, m)
        forward(features, rows, model, params, work, raw)
        block_loss = pointwise(loss, raw, targets, weights, loss_hyper, derivatives)
        backward(features, rows, model, params, work, derivatives, grads)
        of_block = block_loss, features, rows, targets, weights
        block_loss = shared_gradient(of_block, loss, model, params, buffers, loss_hyper, grads)
        if anchor.params.size > 0:
            forward(features, rows, model, anchor.params, work, raw)
            pointwise(loss, raw, targets, weights, loss_hyper, derivatives)
            backward(features, rows, model, anchor.params, work, derivatives, anchor.of_block)
            subtract_from(grads, anchor.of_block)
        if not add_block(block_loss, grads, total, m, batch_rows, progress):
            continue

        # 2. the batch is complete: its objective and its update, perhaps the end of the epoch
        if anchor.params.size > 0:
            add_into(grads, anchor.gradient)
        rate, loss_sum = rate_of_update(learning_rates, first_update, progress), progress["batch_loss"]
        goes_on = after_gradient(rule, loss_sum, variables, settings, hyper, rate, batch_rows, n_rows, progress)
        if not goes_on or not after_update(batch_rows, n_rows, state, settings, first_epoch, losses, progress):
            break


def evaluate(
    loss,
    loss_hyper,
    data,
    model,
    params,
    buffers,
    weight_factor,
    grads,
    total,
    value,
    start,
    budget,
):
    """Add the loss of `budget` blocks of rows from `start` to value[0], their gradient to total; return the next row.

    An empty total asks for the loss alone. Nothing is penalised.
    """
    features, subset = data.features, data.subset
    n_rows = count_rows(data)
    rows, raw, derivatives, targets, weights, work = buffers
    no_order = rows[:0]
    factor = weight_factor / n_rows
    for _ in range(budget):
        m = min(buffers.rows.size, n_rows - start)
        if m <= 0:
            break
        if m != rows.size:
            rows, raw, derivatives = buffers.rows[:m], buffers.raw[:m], buffers.derivatives[:m]
            targets, weights = buffers.targets[:m], buffers.weights[:m]
        next_rows(no_order, m, no_order.size, subset, n_rows, start, rows, m)  # literals would compile it once more
        gather_targets(data, buffers, m, factor)
        forward(features, rows, model, params, work, raw)
        value[0] += loss(raw, targets, weights, loss_hyper, derivatives)
        if total.size > 0:
            add_gradient(features, rows, model, params, work, derivatives, grads, total)
        start += m
    return start
