"""Columns with heavy tails: networks learn as behind a transformer that squashes these, and leaves all others."""

import copy
import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearRegressor, GDMLPClassifier, GDMLPRegressor
from skgd._kernels.structures import sample_of
from skgd._tails import Tails
from skgd.callbacks import Checkpoint

RNG = np.random.default_rng(0)
N = 201  # whose median is one of them
Z = RNG.standard_normal((N, 4))
X = np.column_stack([Z[:, 0], np.exp(2 * Z[:, 1]), 50 - np.exp(2 * Z[:, 2]), np.where(Z[:, 3] > 1, Z[:, 3], 0)])
Y = Z @ [1.0, -2.0, 1.0, 0.0] + 0.1 * RNG.standard_normal(N)
CLASSES = np.where(np.median(Y) < Y, "many", "few")
NETWORK = {"hidden_layer_sizes": (4,), "max_iter": 5, "tol": None, "random_state": 0}


def network(**parameters):
    return GDMLPRegressor(**NETWORK | parameters)


def as_it_is(**parameters):
    """A network that leaves tails as they are, and is else the same, as no column is rarely non-zero."""
    return network(standardize=True, **parameters)


def by_formula(fitted, X):
    """The columns squashed, in NumPy: medians and scales are those of the rows that were fitted."""
    X = np.array(X, dtype=np.float64)
    for j in 1, 2:
        m = np.median(fitted[:, j])
        s = 3 * np.quantile(np.setdiff1d(np.abs(fitted[:, j] - m), [0]), 0.5, method="inverted_cdf")
        X[:, j] = s * (np.arcsinh((X[:, j] - m) / s) + np.arcsinh(m / s))
    return X


def test_columns_have_the_same_tails_one_by_one_as_all_at_once():
    rng = np.random.default_rng(1)
    for n_rows in 1, 2, 3, 40, 41:
        cauchy = rng.standard_cauchy((n_rows, 30))
        columns = np.column_stack([cauchy, np.round(cauchy), np.zeros(n_rows), cauchy * (cauchy > 0)])
        for dtype in np.float64, np.float32:
            found = Tails.of(columns.astype(dtype), None, np.empty(0))
            expected = Tails.of(columns.astype(dtype), None, np.ones(n_rows))
            assert (found is None) == (expected is None)
            for one, other in zip(found or (), expected or (), strict=True):
                assert_array_equal(one, other)


def test_a_network_learns_as_behind_a_transformer():
    fitted, unseen = X[:151], np.vstack([X[151:], [[0.0, 1e9, -1e9, 0.0]]])
    model = network().fit(fitted, Y[:151], X_val=X[151:], y_val=Y[151:])
    assert [*model.tails_] == [1, 2]
    here, there = by_formula(fitted, fitted), by_formula(fitted, unseen)
    expected = as_it_is().fit(here, Y[:151], X_val=there[:50], y_val=Y[151:])
    assert expected.tails_ == {}
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-6)
    assert_allclose(model.validation_curve_, expected.validation_curve_, rtol=1e-6)
    assert_allclose(model.predict(unseen), expected.predict(there), rtol=1e-6)
    for kind in sparse.csr_array, np.asfortranarray, lambda rows: rows.tolist():
        assert_allclose(model.predict(kind(unseen)), model.predict(unseen), rtol=1e-9)
    median, scale = model.tails_[1]
    assert_allclose([median, scale], [np.median(fitted[:, 1]), 3 * np.median(np.abs(fitted[:, 1] - median))], rtol=0.1)


def test_a_table_has_one_meaning_however_it_is_stored():
    table = X.copy()
    table[0, 1] = 0.0
    dense, stored = network().fit(table, Y), network().fit(sparse.csr_array(table), Y)
    assert dense.tails_ == stored.tails_ != {}
    squashed = as_it_is().fit(sparse.csr_array(by_formula(table, table)), Y)
    assert_allclose(stored.predict(table), squashed.predict(by_formula(table, table)), rtol=1e-6)
    single = network().fit(table.astype(np.float32), Y)
    assert single.predict(table.astype(np.float32)).dtype == np.float32
    assert_allclose(np.array([*single.tails_.values()]), [*dense.tails_.values()], rtol=1e-5)
    frame = pd.DataFrame(table, columns=[*"abcd"])
    assert_array_equal(network().fit(frame, Y).predict(frame), dense.predict(table))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_light_tails_stay_as_they_are(kind):
    rng = np.random.default_rng(1)
    normal, rare = rng.normal(1e3, 1, (5000, 2)), rng.random((5000, 2)) < 0.01
    light = np.column_stack([normal, rare, rng.random((5000, 2)), rng.integers(0, 3, (5000, 2)), np.ones(5000)])
    assert network(max_iter=1).fit(kind(light), light[:, 0]).tails_ == {}


def test_the_limit_is_thirty_typical_distances():
    column = np.tile([-1.0, -1.0, 0.0, 1.0, 1.0], 20)
    for farthest, tails in (29.9, {}), (-29.9, {}), (30.1, {0: (0.0, 3.0)}), (-30.1, {0: (0.0, 3.0)}):
        column[0] = farthest
        for kind in np.asarray, sparse.csr_array:
            assert network(max_iter=1).fit(kind(column[:, None]), np.abs(column) < 1).tails_ == tails


@pytest.mark.parametrize(
    "own",
    [
        {"standardize": True},
        {"standardize": False},
        {"standardize": "max_abs"},
        {"hidden_layer_sizes": ()},
        {"init": ([np.ones((4, 4)), np.ones((4, 1))], [np.ones(4), np.ones(1)])},
    ],
)
def test_what_the_user_has_settled_leaves_columns_as_they_are(own):
    model = network(**own, learning_rate=1e-9).fit(X, Y)
    assert model.tails_ == {}
    assert not hasattr(GDLinearRegressor().fit(X, Y), "tails_")


def test_streams_learn_from_columns_as_they_are_and_go_on_with_those_of_a_fit():
    assert network().partial_fit(X, Y).partial_fit(X, Y).tails_ == {}
    model, expected = network(warm_start=True).fit(X, Y), as_it_is(warm_start=True).fit(by_formula(X, X), Y)
    tails = model.tails_
    for go_on in "partial_fit", "fit":
        getattr(model, go_on)(1e3 * X, Y)
        getattr(expected, go_on)(by_formula(X, 1e3 * X), Y)
        assert model.tails_ == tails
    assert_allclose(model.predict(X), expected.predict(by_formula(X, X)), rtol=1e-6)
    assert model.set_params(warm_start=False).fit(Z, Y).tails_ == {}


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_rows_tell_of_tails_by_their_weights(kind):
    weight = (np.arange(N) + 1) % 3
    assert weight[np.argmax(X[:, 1])] > 0
    repeated = np.repeat(np.arange(N), weight)
    weighted = network().fit(kind(X), Y, sample_weight=weight)
    assert weighted.tails_ == network().fit(kind(X[repeated]), Y[repeated]).tails_ != {}
    assert network().fit(kind(X), Y, sample_weight=weight / 1024).tails_ == weighted.tails_  # by proportions alone
    far = np.where(X.max(axis=0) == X, 1e9, Z)
    assert network().fit(kind(far), Y).tails_ != {}
    assert network().fit(kind(far), Y, sample_weight=(far < 1e9).all(axis=1)).tails_ == {}


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_columns_stay_whose_tails_targets_follow(kind):
    noise = 0.1 * RNG.standard_normal(N)
    follows = X[:, 1] + noise  # the second column's; a third of that much the third's, when the former is known
    assert [*network().fit(kind(X), follows).tails_] == [2]
    assert [*network().fit(kind(X), np.column_stack([Y, follows])).tails_] == [2]
    assert network().fit(kind(X), follows + X[:, 2] / 10).tails_ == {}
    assert [*network().fit(kind(np.add(X, [0, 0, 1e4, 0])), X[:, 2] + noise).tails_] == [1]  # as if it lay around zero
    assert [*network().fit(kind(X), np.log(X[:, 1] + 1) + noise).tails_] == [1, 2]
    assert [*network().fit(kind(X), np.ones(N)).tails_] == [1, 2]
    assert [*GDMLPClassifier(**NETWORK).fit(kind(X), CLASSES).tails_] == [1, 2]


@pytest.mark.parametrize("weighted", [False, True])
def test_wide_sparse_rows_have_the_tails_of_dense_ones(weighted):
    rng = np.random.default_rng(4)
    wide = np.where(rng.random((1500, 200)) < rng.choice([0.1, 0.3, 0.7], 200), rng.lognormal(0, 2.5, (1500, 200)), 0)
    wide[:, 1::2] *= -1
    y = wide[:, [5, 6]].sum(axis=1) + rng.standard_normal(1500)
    weight = rng.integers(0, 3, 1500) if weighted else np.ones(1500, int)
    dense, stored = (
        network(max_iter=1).fit(kind(wide), y, sample_weight=weight).tails_ for kind in (np.asarray, sparse.csr_array)
    )
    assert dense == stored
    assert 150 < len(stored) < 200
    assert not {5, 6} & stored.keys()
    rows = np.repeat(wide, weight, axis=0)
    for j, (median, scale) in stored.items():
        expected = np.quantile(rows[:, j], 0.5, method="inverted_cdf")
        distance = np.abs(rows[:, j] - expected)
        typical = np.quantile(distance[distance > 0], 0.5, method="inverted_cdf")
        assert_allclose([median, scale], [expected, 3 * typical], rtol=1e-12 if weighted else 0.1, atol=1e-12)


@pytest.mark.parametrize("of", [GDMLPRegressor, GDMLPClassifier])
def test_tails_of_wide_sparse_rows_take_no_dense_copy(of):
    rng = np.random.default_rng(5)
    wide = sparse.random_array((2000, 5000), density=0.01, format="csr", rng=rng)
    wide.data = rng.standard_cauchy(wide.nnz)
    y = np.arange(2000) % 2
    tracemalloc.start()
    try:
        tails = of(hidden_layer_sizes=(1,), n_members=1, max_iter=1, tol=None).fit(wide, y).tails_
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(tails) > 1000
    assert peak < 2000 * 5000 * 8 / 4


def test_rows_of_weight_zero_cost_no_copy_of_the_others():
    rows = RNG.standard_normal((150_000, 40))  # 48 MB
    rows[77_777, 3] = rows[99_999, 5] = 1e9
    weight = np.ones(len(rows))
    weight[[0, 99_999]] = 0
    tracemalloc.start()
    try:
        tails = Tails.of(rows, None, weight)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tails.columns.tolist() == [3]
    assert peak < 1.2 * 2**22 * 8  # a part of four million entries at a time


def test_many_rows_have_the_tails_of_some():
    rng = np.random.default_rng(2)
    many = np.exp(2 * rng.standard_normal((20_000, 2)))
    many[:, 1] = rng.standard_normal(20_000)
    many[-2, 1] = 1e6  # a single one counts
    tails = network(max_iter=1).fit(many, many[:, 1] > 0).tails_
    for j in 0, 1:
        median = np.median(many[:, j])
        assert_allclose(tails[j], [median, 3 * np.median(np.abs(many[:, j] - median))], rtol=0.1, atol=0.05)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_rows_of_each_phase_of_a_period_tell_of_tails(kind):
    rng = np.random.default_rng(2)
    periodic = rng.standard_normal((16_384, 1))  # every fourth row of which is another distribution's
    periodic[::4] = 50 + 10 * periodic[::4]
    model = network(max_iter=1)
    for phase in range(4):
        assert model.fit(kind(np.roll(periodic, phase, axis=0)), periodic[:, 0] > 0).tails_.keys() == {0}
        median, scale = model.tails_[0]
        expected = np.median(periodic)
        assert_allclose([median, scale], [expected, 3 * np.median(np.abs(periodic - expected))], rtol=0.2, atol=0.1)


def test_gaps_have_the_mean_that_the_network_sees():
    gap = np.where(np.arange(N)[:, None] == [[-1, 5, 5, -1]], np.nan, X)
    model, seen = network().fit(X, Y), by_formula(X, X)
    expected = as_it_is().fit(seen, Y)
    assert_allclose(model.predict(gap), expected.predict(np.where(np.isnan(gap), np.nan, seen)), rtol=1e-6)
    table = network().fit(gap, Y)
    assert [*table.tails_] == [1, 2]
    assert table.coefs_[0].shape == (6, 4)
    assert np.isfinite(table.predict(gap)).all()


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e150, 1e300])
def test_units_make_no_difference(unit):
    model = network().fit(X, Y)
    assert_allclose(network().fit(X * unit, Y).predict(X * unit), model.predict(X), rtol=1e-6)
    assert np.isfinite(model.predict([[0.0, 1e308, -1e308, 0.0]])).all()


def test_what_spans_more_than_floats_hold_is_refused_in_words():
    far = np.where(X[:, :2] > np.median(X[:, :2], axis=0), 1.7e308, -1.7e308)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in network(), GDMLPRegressor(max_iter=5, random_state=0):
            with pytest.raises(ValueError, match="spans more than float64 can hold"):
                model.fit(far, Y)


def test_what_lives_on(tmp_path):
    model = network(max_iter=6).fit(X, Y)
    expected = model.predict(X)
    for other in pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model):
        assert_array_equal(other.predict(X), expected)
        assert other.tails_ == model.tails_
    file = tmp_path / "checkpoint"
    network(max_iter=6).set_callbacks(Checkpoint(file)).fit(X, Y)
    assert_array_equal(network(max_iter=6).resume(file, X, Y).predict(X), expected)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(Z, Y + np.nan)
    assert_array_equal(model.predict(X), expected)
    state = model.__getstate__()
    for wrong in {"columns": np.array([9])}, {"scale": np.ones(1)}, {"center": "x"}:
        with pytest.raises(ValueError, match="no model as skgd stores it"):
            GDMLPRegressor().__setstate__(state | {"_tails": state["_tails"] | wrong})


def test_a_state_replaces_the_tails_of_another_model():
    with_tails, without = network().fit(X, Y), network().fit(Z, Y)
    assert "_tails" not in vars(without) | without.__getstate__()
    states, expected = [each.__getstate__() for each in (with_tails, without)], without.predict(X)
    for state in states[1], states[1] | {"_tails": None}:
        with_tails.__setstate__(state)
        assert with_tails.tails_ == {}
        assert_array_equal(with_tails.predict(X), expected)
    without.__setstate__(states[0])
    assert_array_equal(without.predict(X), network().fit(X, Y).predict(X))


def test_a_warm_fit_is_resumed_by_who_has_the_tails_that_it_began_with(tmp_path):
    file = tmp_path / "checkpoint"
    model = network(warm_start=True).fit(X, Y)
    again = copy.deepcopy(model)
    model.set_callbacks(Checkpoint(file)).fit(2 * X, Y)
    with pytest.raises(ValueError, match="heavy tails in its columns, which the checkpoint doesn't hold"):
        network(warm_start=True).resume(file, 2 * X, Y)
    assert_array_equal(again.resume(file, 2 * X, Y).predict(X), model.predict(X))
    model = network(warm_start=True).fit(Z, Y)
    again = copy.deepcopy(model)
    model.set_callbacks(Checkpoint(file)).fit(X, Y)
    assert again.resume(file, X, Y).tails_ == model.tails_ == {}


@pytest.mark.parametrize("name", ["standard_cauchy", "lognormal"])
def test_networks_predict_from_heavy_tails(name):
    rng = np.random.default_rng(3)
    X = getattr(rng, name)(size=(500, 4)) ** (1 if name == "standard_cauchy" else 3)
    shares = X.argsort(axis=0).argsort(axis=0) / len(X) - 0.5
    y = shares[:, 0] * 4 + shares[:, 1] * shares[:, 2] * 12 + 0.2 * rng.standard_normal(len(X))
    scaled = make_pipeline(StandardScaler(), MLPRegressor(max_iter=50, random_state=0))
    models = GDMLPRegressor(random_state=0), scaled, GDMLPRegressor(standardize=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours, *others = (np.mean((cross_val_predict(each, X, y, cv=2) - y) ** 2) for each in models)
    assert ours < 0.3 * y.var() < 0.5 * min(others)


def test_of_sparse_columns_weights_tell_whether_zero_is_the_median():
    rng = np.random.default_rng(0)
    column = np.where(np.arange(400) % 5 < 2, 5 + np.exp(2 * rng.standard_normal(400)), 0.0)[:, None]  # 2 of 5 entries
    weight = np.where(column[:, 0] > 0, 3.0, 1.0)  # which have two thirds of the weight
    dense, of_csr = (Tails.of(kind(column), None, weight) for kind in (np.asarray, sparse.csr_matrix))
    repeated = np.repeat(column[:, 0], weight.astype(int))
    assert_allclose(dense.center, [np.median(repeated)], rtol=0.05)
    assert_allclose([of_csr.center, of_csr.scale], [dense.center, dense.scale])


def test_an_outlier_beside_a_sample_that_is_constant_is_no_tail():
    column = np.zeros((10_000, 1))
    unseen = np.setdiff1d(np.arange(10_000), sample_of(10_000, 4096))[0]
    column[unseen] = 1e6
    assert Tails.of(column, None, np.empty(0)) is None
