"""Batches of networks shared among threads: the formula's gradients, the same bits whoever does what."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd import _parallel as threads
from skgd._compile import intrinsics
from skgd._compile.jit import have_numba
from skgd._kernels import atomics, team
from skgd._kernels.structures import Storage
from skgd._problem import network
from skgd._solvers import teams
from skgd.activations import get_activation

pytestmark = pytest.mark.skipif(not have_numba(), reason="nothing is compiled")
SETTINGS = {"hidden_layer_sizes": (48, 16), "batch_size": 100, "max_iter": 3, "tol": None, "random_state": 0}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Networks are shared that would be done in no time."""
    monkeypatch.setattr(teams, "LEAST_WORK", 0)
    monkeypatch.setattr(teams, "FEWEST_ROWS", 16)
    monkeypatch.setattr(teams, "FEWEST_ACROSS", 8)  # and several tiles of the layers that aren't narrow


@pytest.fixture
def all_come(monkeypatch):
    """Every helper has begun before the work does, and how many did is counted."""
    begun, start = [], threads.start

    def start_and_wait(work, n_helpers, pool_size=None):
        ready = threading.Barrier(n_helpers + 1)

        def begin():
            begun.append(threading.get_ident())
            ready.wait(20)
            work()

        helpers = start(begin, n_helpers, pool_size)
        ready.wait(20)
        return helpers

    monkeypatch.setattr(threads, "start", start_and_wait)
    return begun


def rows(n_rows=530, n_features=5):  # the last batch of an epoch is a small one
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(n_rows)


def bits(model):
    return model._training.params.tobytes(), model.loss_curve_.tobytes()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dropout": 0.3, "average": True},
        {"batch_size": None, "optimizer": "sgd"},
        {"optimizer": "adam", "clip_norm": 0.1, "schedule": "cosine", "early_stopping": True},
        {"activation": "silu", "hidden_layer_sizes": (10,), "shuffle": False},
    ],
    ids=str,
)
def test_the_number_of_threads_changes_no_bit(settings, all_come):
    X, y = rows()
    models = [GDMLPRegressor(**SETTINGS | settings, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2, 3, 4, 8)]
    assert len(all_come) >= 1 + 2 + 3 + 3
    assert len({bits(model) for model in models}) == 1


def test_batches_of_more_rows_than_are_worked_on_at_once(all_come, monkeypatch):
    X, y = rows(320)
    settings = SETTINGS | {"batch_size": None, "optimizer": "sgd"}
    expected = GDMLPRegressor(**settings, n_jobs=1).fit(X, y)  # 16 blocks of 20 rows
    monkeypatch.setattr(network, "_BLOCK_ROWS", 17)  # and two rounds of so many, the last one short
    models = [GDMLPRegressor(**settings, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2, 3)]
    assert len({bits(model) for model in models}) == 1
    assert all_come
    np.testing.assert_allclose(models[0]._training.params, expected._training.params, rtol=1e-9, atol=1e-12)


def test_classes_have_the_same_bits_too(all_come):
    X, y = rows()
    classes = np.digitize(y, [-1, 0, 1])
    models = [GDMLPClassifier(**SETTINGS, n_jobs=n_jobs).fit(X, classes) for n_jobs in (1, 2, 3)]
    assert len({bits(model) for model in models}) == 1
    assert all_come


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_step_follows_the_gradient_of_the_formula(n_jobs):
    X, y = rows(320)
    weight = np.linspace(0.5, 1.5, len(X))
    settings = SETTINGS | {"max_iter": 1, "batch_size": None, "optimizer": "sgd", "learning_rate": 0.1, "alpha": 0.0}
    model = GDMLPRegressor(**settings, activation="tanh", standardize=False, n_jobs=n_jobs)
    start = [np.random.default_rng(1).standard_normal(shape) / 3 for shape in ((5, 48), (48, 16), (16, 1))]
    biases = [np.full(48, 0.1), np.full(16, -0.1), np.zeros(1)]
    model.set_params(init=(start, biases)).fit(X, y, weight)
    assert teams.block_rows(model._training.model, Storage(X.dtype), len(X)) == 20

    outputs = [X]
    for coef, intercept in zip(start, biases, strict=True):
        outputs.append(np.tanh(outputs[-1] @ coef + intercept))
    outputs[-1] = outputs[-2] @ start[-1] + biases[-1]
    delta = (outputs[-1] - y[:, None]) * weight[:, None] / weight.sum()
    for k in (2, 1, 0):
        np.testing.assert_allclose(model.coefs_[k], start[k] - 0.1 * outputs[k].T @ delta, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.intercepts_[k], biases[k] - 0.1 * delta.sum(axis=0), rtol=1e-9, atol=1e-12)
        delta = delta @ start[k].T * (1 - outputs[k] ** 2)


def test_units_that_dropout_keeps_count_for_those_that_it_drops():
    # from a last layer of zeros predictions are zero whatever is dropped: the gradient's mean over masks is known
    X, y = rows(320)
    y = 2.0 + 0.1 * y
    start = np.random.default_rng(1).standard_normal((5, 48)) / 10, np.zeros((48, 1))
    settings = SETTINGS | {"max_iter": 1, "batch_size": None, "optimizer": "sgd", "learning_rate": 0.1, "alpha": 0.0}
    model = GDMLPRegressor(
        **settings | {"hidden_layer_sizes": (48,)}, activation="tanh", dropout=0.5, standardize=False
    )
    model.set_params(init=(start, (np.ones(48), np.zeros(1)))).fit(X, y)
    assert teams.block_rows(model._training.model, Storage(X.dtype), len(X)) == 20
    expected = 0.1 * np.tanh(X @ start[0] + 1).T @ y / len(y)
    ratio = model.coefs_[1][:, 0] / expected
    assert abs(ratio.mean() - 1) < 0.03  # a standard deviation of 0.056 for each of 48
    assert 0.03 < ratio.std() < 0.09


def test_sparse_rows_are_shared_where_most_parameters_meet_every_row(all_come):
    # in float32, as the dense ones above are in float64: both of both would compile for seconds
    X, y = (array.astype(np.float32) for array in rows())
    X[np.abs(X) < 0.5] = 0.0
    settings = SETTINGS | {"standardize": False}
    models = [GDMLPRegressor(**settings, n_jobs=n_jobs).fit(sparse.csr_array(X), y) for n_jobs in (1, 2, 3)]
    assert len({bits(model) for model in models}) == 1
    assert all_come
    assert models[0].coefs_[0].dtype == np.float32
    dense = GDMLPRegressor(**settings).fit(X.astype(float), y)
    np.testing.assert_allclose(models[0].predict(X), dense.predict(X), rtol=1e-3, atol=1e-4)


def test_starts_leave_each_other_threads(monkeypatch):
    asked_for, start = [], threads.start

    def noted(work, n_helpers, pool_size=None):
        asked_for.append((n_helpers, pool_size))
        return start(work, n_helpers, pool_size)

    monkeypatch.setattr(threads, "start", noted)
    X, y = rows()
    models = [GDMLPRegressor(**SETTINGS, n_restarts=2, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 4, 3)]
    assert len({bits(model) for model in models}) == 1
    # one more thread for each of two starts, where there are four; none where there are three
    assert {each for each in asked_for if each[1] is not None} == {(1, 2)}


def test_a_leader_whose_helpers_never_come_does_all(monkeypatch):
    X, y = rows()
    expected = GDMLPRegressor(**SETTINGS, n_jobs=1).fit(X, y)
    monkeypatch.setattr(threads, "start", lambda work, n_helpers, pool_size=None: [])
    assert bits(GDMLPRegressor(**SETTINGS, n_jobs=4).fit(X, y)) == bits(expected)


def test_without_instructions_for_threads_one_works_alone(monkeypatch):
    def broken():
        raise AttributeError("gone")

    intrinsics.intrinsic_for.cache_clear()
    monkeypatch.setitem(intrinsics.INTRINSICS, atomics.replace, broken)
    X, y = rows()
    try:
        with pytest.warns(RuntimeWarning, match="without the instructions for threads of numba"):
            model = GDMLPRegressor(**SETTINGS, n_jobs=4).fit(X, y)
    finally:
        intrinsics.intrinsic_for.cache_clear()
    assert np.isfinite(model.loss_curve_).all()
    monkeypatch.setattr(teams, "give_way_address", lambda: 0)
    assert not teams.can_meet()


@pytest.mark.parametrize(
    ("hidden", "batch_size", "rows"),
    [
        ((100,), 200, None),
        ((100,), 20_000, None),
        ((256, 256), 256, 64),
        ((256, 256), 100, None),
        ((1024, 1024), 1024, 103),
    ],
)
def test_what_is_worth_it_is_shared(hidden, batch_size, rows, monkeypatch):
    monkeypatch.undo()
    model = network.NetworkModel([20, *hidden, 1], get_activation("relu"), "auto")
    assert teams.block_rows(model, Storage(np.dtype(np.float32)), batch_size) == rows
    assert teams.block_rows(model, Storage(np.dtype(np.float32), np.dtype(np.int32)), batch_size) == rows
    text = network.NetworkModel([100_000, 64, 1], get_activation("relu"), "auto")
    assert teams.block_rows(text, Storage(np.dtype(np.float64), np.dtype(np.int32)), batch_size) is None


def test_items_are_taken_once_and_rounds_dont_mix():
    numbers = np.zeros(team.N_NUMBERS, np.int64)
    numbers[team.WORD] = team.WAIT
    assert team.take(numbers) == (team.NOTHING, team.BLOCKS)
    for kind, n_items in ((team.BLOCKS, 3), (team.TILES, team.MOST_ITEMS), (team.BLOCKS, 1)):
        numbers[team.WORD] = team.next_round(int(numbers[team.WORD]), kind, n_items)
        taken = [team.take(numbers) for _ in range(n_items + 1)]
        assert taken == [*((item, kind) for item in range(n_items)), (team.NOTHING, kind)]
    numbers[team.WORD] = team.next_round((2**28 - 1) << team.ROUND_SHIFT, team.TILES, 7)  # the last one comes first
    assert team.take(numbers) == (0, team.TILES)
    numbers[team.WORD] = team.STOP
    assert team.take(numbers) == (team.NOTHING, team.STOP)


def test_rounds_that_are_alike_have_words_of_their_own():
    # or who has read the one before, and was put to sleep, would take an item of this one for one of that
    words = [team.WAIT]
    for _ in range(3):
        words.append(team.next_round(words[-1], team.BLOCKS, 4))
    assert len({word >> team.ITEM_BITS for word in words}) == 4


def test_an_item_that_another_one_has_taken_meanwhile_is_left_to_it(monkeypatch):
    def load(numbers, at):
        word = numbers[at]
        numbers[at] += 1  # by another thread, before anything is done with it here
        return word

    monkeypatch.setattr(team, "load", load)
    numbers = np.zeros(team.N_NUMBERS, np.int64)
    numbers[team.WORD] = word = team.next_round(team.WAIT, team.TILES, 5)
    assert team.take(numbers) == (team.NOTHING, team.TILES)
    assert numbers[team.WORD] == word + 1


def test_items_are_counted_that_helpers_have_done_before_the_leader_looks(monkeypatch):
    done, others = [], (None,) * 4

    def store(numbers, at, value):
        numbers[at] = value
        if at == team.WORD:  # helpers who are so fast that nothing is left
            team.do_items(None, None, model, *others)

    def give_way(address):
        raise AssertionError("waits for what is done")

    monkeypatch.setattr(team, "store", store)
    monkeypatch.setattr(team, "give_way", give_way)
    monkeypatch.setattr(team, "do_block", lambda block, *of: done.append(block))
    numbers = np.zeros(team.N_NUMBERS, np.int64)
    numbers[team.WORD], numbers[team.DONE] = team.WAIT, 7
    model = SimpleNamespace(team=SimpleNamespace(numbers=numbers, give_way=0))
    team.share(team.BLOCKS, 3, None, None, model, *others)
    assert done == [0, 1, 2]
    assert numbers[team.DONE] == 3


def test_random_states_of_blocks_are_those_of_splitmix():
    mask = 2**64 - 1
    for seed in (1, 2**62 + 3):
        for block in range(3):
            x = (seed + (block + 1) * 0x9E3779B97F4A7C15) & mask
            x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
            x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
            with np.errstate(over="ignore"):
                assert team.random_of_block(seed, block) == (x ^ (x >> 31)) | 1
