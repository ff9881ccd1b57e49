"""A batch of a network shared among threads: blocks of its rows, then slices of its gradient.

The leader runs the loop over epochs and publishes what is to be done; helpers wait for it in a loop of their own. All
take the next item whenever they are free, so that a helper that the system has put to sleep holds nobody up who hasn't
its item to wait for. Items follow from the batch and the model alone, each has its own memory, and gradients are added
in the order of the blocks: the result is the same, bit for bit, whoever does what.

One number tells all: the round, what is to be done in it, how many items there are, and which is the next.
"""

from collections.abc import Callable

import numpy as np

from .atomics import add, give_way, load, replace, store
from .rows import xorshift
from .vectors import add_into, copy_into, set_zero

WORD, DONE, SEED, ROWS = 0, 16, 32, 33  # in the team's numbers; the first two in cache lines of their own
N_NUMBERS = 48
STOP, BLOCKS, SLICES = 0, 1, 2  # what is to be done
NOTHING = -1
ITEM_BITS = 16
MOST_ITEMS = 2**ITEM_BITS - 1
KIND_SHIFT, ROUND_SHIFT = 2 * ITEM_BITS, 2 * ITEM_BITS + 2
WAIT = BLOCKS << KIND_SHIFT  # a round without items
LOOKS = 100  # at the number, a microsecond or so, before another thread may have the core
SLICE = 2**13  # parameters whose gradients are added at once
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def take(numbers):
    """The next item, as number and kind; NOTHING if all are taken, or the word has changed under our hands."""
    word = load(numbers, WORD)
    kind, n_items, item = (word >> KIND_SHIFT) & 3, (word >> ITEM_BITS) & MOST_ITEMS, word & MOST_ITEMS
    if kind == STOP:
        return NOTHING, STOP
    if item >= n_items or not replace(numbers, WORD, word, word + 1):
        return NOTHING, kind
    return item, kind


def random_of_block(seed, block):
    """A state for the random numbers of a block, never 0 (splitmix64: Steele, Lea and Flood 2014)."""
    x = np.uint64(seed) + np.uint64(block + 1) * GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) | np.uint64(1)


def drops(table):
    """Whether any layer has dropout."""
    highest = 0.0
    for k in range(table.size):
        highest = max(highest, table[k]["dropout"])
    return highest > 0.0


def do_block(block, loss, features, model, params, room, hyper):
    """Loss and gradient of a block of the batch's rows."""
    team = model.team
    start = block * team.block_size
    stop = min(start + team.block_size, team.numbers[ROWS])
    rows, targets, weights = team.rows[start:stop], team.targets[start:stop], team.weights[start:stop]
    raw, derivatives = room.raw[: stop - start], room.derivatives[: stop - start]
    model.layers.random[0] = random_of_block(team.numbers[SEED], block)
    model.forward(features, rows, model.layers, params, room.work, raw)
    team.losses[block] = loss(raw, targets, weights, hyper, derivatives)
    model.backward(features, rows, model.layers, params, room.work, derivatives, team.gradients[block])


def do_slice(number, team, grads):
    """Add the blocks' gradients by some of the parameters."""
    start = number * SLICE
    stop = min(start + SLICE, grads.size)
    of_slice = team.sums[start:stop]
    set_zero(of_slice)
    for block in range(-(-team.numbers[ROWS] // team.block_size)):
        add_into(of_slice, team.gradients[block, start:stop])
    copy_into(grads[start:stop], of_slice)


def do_items(loss, features, model, params, room, hyper, grads):
    """Do items while there are any; what kind there was in the end."""
    numbers = model.team.numbers
    item, kind = take(numbers)
    while item != NOTHING:
        if kind == BLOCKS:
            do_block(item, loss, features, model, params, room, hyper)
        else:
            do_slice(item, model.team, grads)
        add(numbers, DONE, 1)
        item, kind = take(numbers)
    return kind


def help_team(loss, features, model, params, room, hyper, grads):
    """Work for the team until it is told to stop."""
    looks = 0
    while do_items(loss, features, model, params, room, hyper, grads) != STOP:
        looks += 1
        if looks % LOOKS == 0:
            give_way(model.team.give_way)


def share(kind, n_items, loss, features, model, params, room, hyper, grads):
    """Let the team do so many items, and wait until all are done."""
    numbers = model.team.numbers
    store(numbers, DONE, 0)
    store(numbers, WORD, next_round(numbers[WORD], kind, n_items))
    do_items(loss, features, model, params, room, hyper, grads)
    looks = 0
    while load(numbers, DONE) < n_items:
        looks += 1
        if looks % LOOKS == 0:
            give_way(model.team.give_way)


def next_round(word, kind, n_items):
    """The word that begins a round."""
    number = ((word >> ROUND_SHIFT) + 1) & (2**28 - 1)
    return (number << ROUND_SHIFT) | (kind << KIND_SHIFT) | (n_items << ITEM_BITS)


def gradient_by_team(of_block, loss, model, params, buffers, hyper, grads):
    """Fill grads with the gradient of the rows' loss, and return that."""
    _, features, rows, targets, weights = of_block
    team, m = model.team, rows.size
    for i in range(m):
        team.rows[i], team.weights[i] = rows[i], weights[i]
        for k in range(targets.shape[1]):
            team.targets[i, k] = targets[i, k]
    team.numbers[ROWS] = m
    if drops(model.layers.table):
        team.random[0] = xorshift(team.random[0])
        team.numbers[SEED] = np.int64(team.random[0] >> np.uint64(1))
    n_blocks = -(-m // team.block_size)
    share(BLOCKS, n_blocks, loss, features, model, params, buffers, hyper, grads)
    share(SLICES, -(-grads.size // SLICE), loss, features, model, params, buffers, hyper, grads)
    value = 0.0
    for block in range(n_blocks):
        value += team.losses[block]
    return value


def leave_forward(features, rows, model, params, work, raw):
    pass


def leave_backward(features, rows, model, params, work, derivatives, grads):
    pass


def no_loss_yet(loss, raw, y, weight, hyper, derivative):
    return 0.0


# What stands for the names that the loop over epochs calls.
IN_TEAMS: dict[str, Callable] = {
    "forward": leave_forward,
    "pointwise": no_loss_yet,
    "backward": leave_backward,
    "shared_gradient": gradient_by_team,
}
