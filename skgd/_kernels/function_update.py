"""One update on a function whose value and gradient were found elsewhere."""

from .stopping import end_epoch, gradient_vanishes, in_its_right_mind
from .structures import DIVERGED, RUNNING
from .vectors import copy_into


def function_update(rule, value, state, settings, hyper, learning_rate, progress):
    """Go on from state.params, where the function is `value` with gradient state.grads, and return the status.

    progress[0] says more, as it does for epochs: an update counts as one. Where the function has diverged, or its
    gradient is small enough, nothing is changed.
    """
    progress = progress[0]
    params, grads = state.params, state.grads
    progress["status"] = RUNNING
    copy_into(state.epoch_start, params)
    if not in_its_right_mind(value, progress):
        progress["status"] = DIVERGED
    elif not gradient_vanishes(grads, settings, progress):
        if settings.weight_decay > 0.0:
            for j in range(params.size):
                params[j] -= learning_rate * settings.weight_decay * params[j]
        progress["update"] += 1
        rule(params, grads, state.slots, hyper, learning_rate, progress["update"])
        end_epoch(params, state.epoch_start, state.best, settings, value, 0.0, progress)
    return progress["status"]
