"""A batch of a network shared among threads: blocks of its rows, then tiles of its layers.

Blocks leave what units gave and the gradients by them, one below the other in matrices for the whole batch; tiles are
parts of a layer's weights, whose gradients are products of these matrices. So nothing is done for having several blocks
but that products of fewer rows are slower, and nothing is added up.

The leader runs the loop over epochs and publishes what is to be done; helpers wait for it in a loop of their own. All
take the next item whenever they are free, so that a helper that the system has put to sleep holds nobody up who hasn't
its item to wait for. Items follow from the batch and the model alone, and each has its own memory: the result is the
same, bit for bit, whoever does what.

One number tells all: the round, what is to be done in it, how many items there are, and which is the next.
"""

from collections.abc import Callable

import numpy as np

from .atomics import add, give_way, load, replace, store
from .layers import add_rows, enlarge
from .matrices import matrix_at, multiply
from .network import gradients_in_place
from .products import by_loops, weight_gradients
from .rows import xorshift
from .vectors import set_columns_zero, set_zero

WORD, DONE, SEED, ROWS = 0, 16, 32, 33  # in the team's numbers; the first two in cache lines of their own
N_NUMBERS = 48
STOP, BLOCKS, TILES = 0, 1, 2  # what is to be done
NOTHING = -1
ITEM_BITS = 16
MOST_ITEMS = 2**ITEM_BITS - 1
KIND_SHIFT, ROUND_SHIFT = 2 * ITEM_BITS, 2 * ITEM_BITS + 2
WAIT = BLOCKS << KIND_SHIFT  # a round without items
LOOKS = 100  # at the number, a microsecond or so, before another thread may have the core
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
    """Loss of a block of the batch's rows, and its gradients by all units, which stay in the room."""
    team, n_rows = model.team, model.team.numbers[ROWS]
    start = block * team.block_size
    stop = min(start + team.block_size, n_rows)
    rows, raw, derivatives = room.rows[start:stop], room.raw[start:stop], room.derivatives[start:stop]
    work = room.work[: room.work.size - block * team.turned_size]  # at its end weights can lie on their side
    model.layers.random[0] = random_of_block(team.numbers[SEED], block)
    model.forward(features, rows, model.layers, params, work, raw, start, n_rows)
    team.losses[block] = loss(raw, room.targets[start:stop], room.weights[start:stop], hyper, derivatives)
    model.backward(features, rows, model.layers, params, work, derivatives, params[:0], start, n_rows)


def do_tile(number, features, model, room, grads):
    """Gradients by a tile of a layer's weights over all rows of the batch; the last one has the biases with it."""
    team, layers, n_rows, work = model.team, model.layers, model.team.numbers[ROWS], room.work
    tile = team.tiles[number]
    k, first, last, left, right = tile[0], tile[1], tile[2], tile[3], tile[4]
    layer = layers.table[k]
    n_in, n_out, at = layer["n_in"], layer["n_out"], layer["params_at"]
    of_weights, delta = matrix_at(grads, at, n_in, n_out), room.derivatives[:n_rows]
    if k < layers.table.size - 1:
        delta = matrix_at(work, n_rows * layers.table[k + 1]["below_at"], n_rows, n_out)
    if k == 0 and not layers.keeps_rows:
        set_columns_zero(of_weights, left, right)
        gradients_in_place(features, room.rows[:n_rows], delta, of_weights, left, right)
    else:
        a = matrix_at(work, n_rows * layer["a_at"], n_rows, n_in)
        if by_loops(n_in, n_out):
            turned_at = work.size - k * team.turned_size - layer["few"] * n_in
            weight_gradients(layers.products, a, delta, matrix_at(work, turned_at, layer["few"], n_in), of_weights)
        else:
            of_tile = of_weights[first:last, left:right]
            multiply(layers.products.gemm, a[:, first:last], True, delta[:, left:right], False, of_tile)
        if layer["dropout"] > 0.0:  # backwards, units were given their own size again
            enlarge(of_weights, 1.0 / (1.0 - layer["dropout"]), first, last, left, right)
    if last == n_in and right == n_out:
        of_biases = grads[at + n_in * n_out : at + (n_in + 1) * n_out]
        set_zero(of_biases)
        add_rows(delta, of_biases)


def do_items(loss, features, model, params, room, hyper, grads):
    """Do items while there are any; what kind there was in the end."""
    numbers = model.team.numbers
    item, kind = take(numbers)
    while item != NOTHING:
        if kind == BLOCKS:
            do_block(item, loss, features, model, params, room, hyper)
        else:
            do_tile(item, features, model, room, grads)
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
    _, features, rows, _, _ = of_block  # at the beginning of the buffers, which have no room for others
    team = model.team
    team.numbers[ROWS] = rows.size
    if drops(model.layers.table):
        team.random[0] = xorshift(team.random[0])
        team.numbers[SEED] = np.int64(team.random[0] >> np.uint64(1))
    n_blocks = -(-rows.size // team.block_size)
    share(BLOCKS, n_blocks, loss, features, model, params, buffers, hyper, grads)
    share(TILES, team.tiles.shape[0], loss, features, model, params, buffers, hyper, grads)
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
