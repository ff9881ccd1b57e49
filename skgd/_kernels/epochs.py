"""The loop over epochs, batches and blocks: whatever the model, the loss and the optimizer."""

import numpy as np

from .._jit import inline
from .rows import gather_targets, next_rows, shuffle_runs
from .signatures import CONVERGED, DIVERGED, GRADIENT, OBJECTIVE, OUT_OF_EPOCHS, PAUSED, RUNNING, STEP

# The objective may grow by this factor over that of the first batch before a fit counts as diverged.
DIVERGENCE_FACTOR = 1e10


@inline
def n_rows_used(data):
    return data.subset.size if data.subset.size > 0 else data.X.shape[0]


@inline
def add_penalty(params, penalised, alpha, grads):
    """Add the gradient of the L2 penalty alpha / 2 |w|^2 and return its value."""
    total = 0.0
    if alpha > 0.0:
        for j in range(params.size):
            w = penalised[j] * params[j]
            grads[j] += alpha * w
            total += w * w
    return 0.5 * alpha * total


@inline
def largest(vector):
    """Largest absolute entry; NaN where there is one."""
    biggest = 0.0
    for j in range(vector.size):
        entry = abs(vector[j])
        if not entry <= biggest:
            biggest = entry
            if biggest != biggest:
                break
    return biggest


@inline
def clip(grads, clip_norm):
    """Scale the gradient down to a Euclidean norm of at most clip_norm."""
    norm = 0.0
    for j in range(grads.size):
        norm += grads[j] * grads[j]
    norm = np.sqrt(norm)
    if norm > clip_norm:
        for j in range(grads.size):
            grads[j] *= clip_norm / norm


@inline
def add_to_average(params, average, progress):
    """Running mean of the parameters (Polyak and Juditsky 1992)."""
    progress["averaged"] += 1
    for j in range(params.size):
        average[j] += (params[j] - average[j]) / progress["averaged"]


@inline
def begin_epoch(state, order, n_rows, progress):
    state.epoch_start[:] = state.params
    progress["loss_sum"] = 0.0
    progress["offset"] = 0
    if order.size > 0:
        shuffle_runs(order, n_rows, progress)


@inline
def end_epoch(state, settings, objective, progress):
    """Compare the epoch with those before it and set the status."""
    progress["epoch"] += 1
    progress["cursor"] = 0
    step = 0.0
    for j in range(state.params.size):
        step = max(step, abs(state.params[j] - state.epoch_start[j]))
    if not np.isfinite(step):
        progress["status"] = DIVERGED
        return
    best = progress["best_loss"]
    floor = settings.tol * abs(progress["reference"])  # below it only progress in absolute terms counts
    improved = not objective > best - settings.tol * max(abs(best), floor)
    if objective < best:
        progress["best_loss"] = objective
        state.best[:] = state.params
    if settings.criterion == OBJECTIVE:
        progress["stale"] = 0 if improved else progress["stale"] + 1
    elif settings.criterion == STEP:
        progress["stale"] = progress["stale"] + 1 if step <= settings.tol else 0
    if settings.criterion != GRADIENT and progress["stale"] >= settings.n_iter_no_change:
        # a rate on the brink of divergence stagnates too, far above where it began
        worse = objective > progress["reference"] + 0.5 * abs(progress["reference"])
        progress["status"] = DIVERGED if worse else CONVERGED


@inline
def workspace(settings, n_targets, dtype):
    """Buffers of one block: rows, raw predictions, derivatives, targets, weights, and what the model needs."""
    m = settings.block_size
    return (
        np.empty(m, np.int64),
        np.empty((m, settings.n_outputs), dtype),
        np.empty((m, settings.n_outputs), dtype),
        np.empty((m, n_targets), dtype),
        np.empty(m, dtype),
        np.empty(settings.n_work, dtype),
    )


def run_epochs(
    forward, loss, backward, rule, data, model, state, settings, hyper, learning_rates, order, progress, losses, budget
):
    """Go on with training for at most `budget` blocks of rows; progress[0] says where it stands and why it returned.

    learning_rates holds one entry for every update from here on, or a single one for all; losses takes the mean
    objective of each epoch that ends, and its size is the number of epochs that may.
    """
    progress = progress[0]
    params, grads, total = state.params, state.grads, state.total
    n_rows = n_rows_used(data)
    rows, raw, derivative, targets, weights, work = workspace(settings, data.y.shape[1], params.dtype)
    first_epoch, first_update = progress["epoch"], progress["update"]
    progress["status"] = RUNNING
    for _ in range(budget):
        if progress["cursor"] == 0 and progress["batch_done"] == 0:
            begin_epoch(state, order, n_rows, progress)

        # 1. one block of the batch: raw predictions, loss, gradient
        cursor, done = progress["cursor"], progress["batch_done"]
        batch_rows = min(settings.batch_size, n_rows - cursor)
        m = min(settings.block_size, batch_rows - done)
        next_rows(order, settings.run_length, progress["offset"], data.subset, n_rows, cursor + done, rows, m)
        gather_targets(data, rows, m, settings.weight_factor / batch_rows, targets, weights)
        forward(data, rows[:m], model, params, work, raw[:m])
        block_loss = loss(raw[:m], targets[:m], weights[:m], derivative[:m])
        backward(data, rows[:m], model, params, work, derivative[:m], grads)
        if m < batch_rows:
            if done == 0:
                progress["batch_loss"] = 0.0
                total[:] = 0.0
            progress["batch_loss"] += block_loss
            total += grads
            if done + m < batch_rows:
                progress["batch_done"] += m
                continue
            grads[:] = total
            block_loss = progress["batch_loss"]
            progress["batch_done"] = 0

        # 2. the whole batch: its objective, and whether the fit is still in its right mind
        objective = block_loss + add_penalty(params, state.penalised, settings.alpha, grads)
        if progress["update"] == 0:
            progress["reference"] = objective
        limit = DIVERGENCE_FACTOR * max(abs(progress["reference"]), 1.0)
        if not abs(objective) <= limit:
            progress["status"] = DIVERGED
            break
        progress["loss_sum"] += objective * batch_rows
        if batch_rows == n_rows:
            progress["gradient_norm"] = largest(grads)
            if settings.criterion == GRADIENT and progress["gradient_norm"] <= settings.tol:
                progress["status"] = CONVERGED
                break

        # 3. the update
        if settings.clip_norm > 0.0:
            clip(grads, settings.clip_norm)
        u = progress["update"] - first_update
        learning_rate = learning_rates[u if learning_rates.size > 1 else 0]
        if settings.weight_decay > 0.0:
            for j in range(params.size):
                params[j] -= learning_rate * settings.weight_decay * state.penalised[j] * params[j]
        progress["update"] += 1
        rule(params, grads, state.slots, hyper, learning_rate, progress["update"])
        if settings.average_from >= 0 and progress["update"] > settings.average_from:
            add_to_average(params, state.average, progress)

        # 4. the end of the epoch
        progress["cursor"] += batch_rows
        if progress["cursor"] == n_rows:
            mean_objective = progress["loss_sum"] / n_rows
            end_epoch(state, settings, mean_objective, progress)
            if progress["status"] == DIVERGED:
                break
            e = progress["epoch"] - first_epoch
            losses[e - 1] = mean_objective
            if progress["status"] == RUNNING and e == losses.size:
                progress["status"] = OUT_OF_EPOCHS
            elif progress["status"] == RUNNING and settings.pause:
                progress["status"] = PAUSED
            if progress["status"] != RUNNING:
                break


def evaluate(forward, loss, backward, data, model, params, settings, grads, total, value, start, budget):
    """Add the loss of `budget` blocks of rows from `start` on to value[0], their gradient to total; return the next row.

    An empty total asks for the loss alone. Nothing is penalised.
    """
    n_rows = n_rows_used(data)
    rows, raw, derivative, targets, weights, work = workspace(settings, data.y.shape[1], params.dtype)
    no_order = np.empty(0, np.int64)
    for _ in range(budget):
        m = min(settings.block_size, n_rows - start)
        if m <= 0:
            break
        next_rows(no_order, 1, 0, data.subset, n_rows, start, rows, m)
        gather_targets(data, rows, m, settings.weight_factor / n_rows, targets, weights)
        forward(data, rows[:m], model, params, work, raw[:m])
        value[0] += loss(raw[:m], targets[:m], weights[:m], derivative[:m])
        if total.size > 0:
            backward(data, rows[:m], model, params, work, derivative[:m], grads)
            total += grads
        start += m
    return start
