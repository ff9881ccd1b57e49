"""Updates and ends of epochs whose sums over rows were found elsewhere, part by part."""

from .epochs import after_gradient, after_update, end_settling_epoch
from .structures import RUNNING, Variables
from .vectors import copy_into


def full_step(rule, loss, state, settings, hyper, learning_rate, n_rows, progress, losses):
    """One update, which is an epoch, where the mean loss over all rows is `loss` and its gradient state.grads.

    progress[0] says how it ended; losses[0] takes the objective, if the epoch counts.
    """
    progress, params = progress[0], state.params
    progress["status"] = RUNNING
    progress["loss_sum"] = 0.0
    progress["cursor"] = 0
    copy_into(state.epoch_start, params)
    first_epoch = progress["epoch"]
    variables = Variables(params, state.grads, state.slots, state.penalised, state.l1_counts, state.total, params[:0])
    if after_gradient(rule, loss, variables, settings, hyper, learning_rate, n_rows, n_rows, progress):
        after_update(n_rows, n_rows, state, settings, first_epoch, losses, progress)


def finish_epoch(state, settings, objective, progress):
    """End an epoch whose batches had this mean objective; progress[0] says whether the fit is to go on."""
    progress = progress[0]
    progress["status"] = RUNNING
    end_settling_epoch(state, settings, objective, progress)
