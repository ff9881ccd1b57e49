"""Columns of categories and gaps, which networks take: as the same network does behind scikit-learn's transformers."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import GDLinearRegressor, GDMLPClassifier, GDMLPRegressor
from skgd.callbacks import Checkpoint

RNG = np.random.default_rng(0)
N = 64  # means of whole numbers over powers of two are exact
COLOURS = RNG.choice(["red", "green", "blue"], N)
NUMBERS = RNG.integers(0, 9, (N, 2)).astype(float)
Y = NUMBERS @ [1.0, -2.0] + 3 * (COLOURS == "red") + 0.1 * RNG.standard_normal(N)
CLASSES = np.where(np.median(Y) < Y, "many", "few")
NETWORK = {"hidden_layer_sizes": (4,), "max_iter": 5, "tol": None, "random_state": 0}
AS_ONE = {"kind": "category", "grade": "category"}


def frame(gaps=(), missing=()):
    """Two columns of numbers, gaps in the second, and two of categories, the first with missing ones."""
    table = pd.DataFrame({"kind": COLOURS, "a": NUMBERS[:, 0], "grade": NUMBERS[:, 1] % 3, "b": NUMBERS[:, 1]})
    table.loc[list(gaps), "b"] = np.nan
    table.loc[list(missing), "kind"] = None
    return table.astype(AS_ONE)


def by_scikit_learn(table, **options):
    """Its transformers, fitted, that do to columns what networks are to do."""
    numbers, categories = table.select_dtypes("number"), table.select_dtypes("category")
    encode = OneHotEncoder(handle_unknown="ignore", **options)
    fill = SimpleImputer(add_indicator=True, keep_empty_features=True)
    return make_column_transformer((fill, [*numbers]), (encode, [*categories]), sparse_threshold=0).fit(table)


def network(**parameters):
    return GDMLPRegressor(**NETWORK | parameters)


TABLES = {"whole": frame(), "gaps": frame(range(32)), "missing": frame(range(32), range(3)), "few": frame(missing=[5])}


@pytest.mark.parametrize("name", TABLES)
def test_a_network_learns_as_behind_scikit_learns_transformers(name):
    table = TABLES[name]
    encode = by_scikit_learn(table)
    X = encode.transform(table)
    expected = network().fit(X, Y, X_val=X[:9], y_val=Y[:9])
    model = network().fit(table, Y, X_val=table[:9], y_val=Y[:9])
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert_array_equal(model.predict(table), expected.predict(X))
    assert_array_equal(model.validation_curve_, expected.validation_curve_)
    assert model.score(table, Y) == expected.score(X, Y)
    assert model.n_features_in_ == 4
    assert model.feature_names_in_.tolist() == table.columns.tolist()
    classes = GDMLPClassifier(**NETWORK)
    said = classes.fit(table, CLASSES).predict_proba(table)
    assert_array_equal(said, clone(classes).fit(X, CLASSES).predict_proba(X))


def test_many_categories_are_stored_sparsely_and_numbers_centred():
    many = frame(gaps=range(32)).assign(town=pd.Series(np.arange(N) % 60).astype("category"))
    encode = by_scikit_learn(many)
    centred = encode.transform(many)
    centred[:, :2] = StandardScaler(with_std=False).fit_transform(centred[:, :2])
    expected = network().fit(sparse.csr_array(centred), Y)
    model = network().fit(many, Y)
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-12, atol=1e-12)
    assert_allclose(model.predict(many), expected.predict(sparse.csr_array(centred)), rtol=1e-12)
    assert_array_equal(model.predict(many[:1]), model.predict(many)[:1])


# -- which columns


WORDS = frame().astype({"kind": object, "grade": float})


@pytest.mark.parametrize("given", [["kind", "grade"], [0, 2], [True, False, True, False], np.array([2, 0])], ids=str)
@pytest.mark.parametrize("kind", ["frame", "array", "list"])
def test_columns_are_named_in_whatever_way(kind, given):
    X = {"frame": WORDS, "array": WORDS.to_numpy(object), "list": WORDS.to_numpy(object).tolist()}[kind]
    if kind != "frame" and isinstance(given[0], str):
        with pytest.raises(ValueError, match="'kind' is no column of X, whose columns have numbers instead of names"):
            network(categorical_features=given).fit(X, Y)
        return
    expected = network().fit(frame(), Y).predict(frame())
    assert_array_equal(network(categorical_features=given).fit(X, Y).predict(X), expected)


def test_numbers_may_be_categories():
    grades = frame()[["grade"]]
    expected = network().fit(by_scikit_learn(grades).transform(grades), Y).predict(np.eye(3))
    model = network(categorical_features=[0]).fit(NUMBERS[:, 1:] % 3, Y)
    assert_array_equal(model.predict([[0], [1], [2]]), expected)
    assert_array_equal(network().fit(grades, Y).predict(grades[:9]), model.predict(NUMBERS[:9, 1:] % 3))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["kind", "size"], r"'size' is no column of X, which has the columns \['kind', 'a', 'grade', 'b'\]"),
        ([4], r"categorical_features=\[4\]: columns of X have the numbers 0 to 3"),
        ([-1], "the numbers 0 to 3"),
        ([True], "a mask of 1 columns, and X has 4"),
        ("kind", "'categorical_features' parameter of GDMLPRegressor must be"),
        (["a"], "column 'kind' holds '(red|green|blue)', which is no number: name it in categorical_features"),
        (None, "column 'kind' holds"),
        ([], "column 'kind' holds"),
    ],
)
def test_what_is_no_column_or_no_category_is_an_error(given, said):
    with pytest.raises(ValueError, match=said):
        network(categorical_features=given).fit(WORDS, Y)


def test_none_takes_categories_that_are_numbers_as_numbers():
    table = frame()[["a", "grade"]]
    model = network(categorical_features=None).fit(table, Y)
    assert_array_equal(model.coefs_[0], network().fit(table.astype(float).to_numpy(), Y).coefs_[0])


def test_categories_of_several_kinds_in_a_column_are_an_error():
    with pytest.raises(ValueError, match="all words or all numbers"):
        network().fit(frame().assign(kind=pd.Series([1, "red"] * 32).astype("category")), Y)


# -- what the fit hasn't seen


def test_unknown_categories_are_none_of_the_known_ones():
    model, unknown = network().fit(frame(), Y), frame()
    encode = by_scikit_learn(frame())
    for kind in "grey", None:
        unknown["kind"] = pd.Series([kind] * N).astype("category")
        rows = encode.transform(unknown.astype({"kind": object}))
        assert not rows[:, 2:5].any()
        assert_array_equal(model.predict(unknown), network().fit(encode.transform(frame()), Y).predict(rows))


@pytest.mark.parametrize(
    ("learnt", "given", "said"),
    [
        ([1, 2], ["1", "2"], "'kind' holds categories that are words, as '1', and those of the fit are numbers, as 1:"),
        (["1", "2"], [1, 2], "'kind' holds categories that are numbers, as 1, and those of the fit are words, as '1':"),
        ([1, None], ["1", None], "words"),
    ],
)
def test_categories_of_another_type_than_the_fits_are_warned_of(learnt, given, said):
    learnt, given = ({"kind": pd.Series(each * (N // 2), dtype=object)} for each in (learnt, given))
    model = network(categorical_features=["kind"]).fit(frame().assign(**learnt), Y)
    with pytest.warns(UserWarning, match=said):
        found = model.predict(frame().assign(**given))
    unknown = 9 if learnt["kind"][0] == 1 else "9"
    assert_array_equal(found[0], model.predict(frame().assign(kind=unknown))[0])


@pytest.mark.parametrize("given", [[1.0, 2.0], [True, 2], [1, 3], [3, 4], [None, 1], [None, None]])
def test_of_categories_that_are_equal_or_new_nothing_is_said(given):
    model = network(categorical_features=["kind"]).fit(frame().assign(kind=[1, 2] * 32), Y)
    assert np.isfinite(model.predict(frame().assign(kind=pd.Series(given * 32, dtype=object)))).all()


def test_weights_mean_repetition_for_means_gaps_and_categories_too():
    table = frame(gaps=range(32), missing=range(3)).astype({"grade": float, "kind": object})
    weight = np.random.default_rng(1).integers(0, 3, N)
    weight[:6], table.loc[:5, "a"], table.loc[4:5, "kind"] = 0, np.nan, "grey"  # what only rows without weight have
    table = table.astype({"kind": "category"})
    repeated = np.repeat(np.arange(N), weight)
    options = {"batch_size": None, "shuffle": False}
    model = network(**options).fit(table, Y, weight)
    expected = network(**options).fit(table.iloc[repeated].reset_index(drop=True), Y[repeated])
    assert_allclose(model._encoding.means, np.nanmean(table[["a", "grade", "b"]].to_numpy()[repeated], axis=0))
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-9)
    assert_allclose(model.predict(table), expected.predict(table), rtol=1e-9)
    assert_allclose(network(**options).fit(table, Y, 1e9 * weight).predict(table), expected.predict(table), rtol=1e-9)


def test_missing_categories_are_the_same_whatever_says_so():
    model = network().fit(frame(missing=range(3)), Y)
    expected = model.predict(frame(missing=range(3)))
    for missing in None, np.nan, pd.NA:
        table = frame().astype({"kind": object})
        table.loc[:2, "kind"] = missing
        assert_array_equal(model.predict(table), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gaps_that_the_fit_has_not_seen_are_filled_by_means(dtype):
    X = NUMBERS.astype(dtype)
    gaps = X.copy()
    gaps[:5, 1] = np.nan
    filled = np.where(np.isnan(gaps), X.mean(axis=0), gaps)
    model = network().fit(X, Y)
    assert model.predict(gaps).dtype == dtype
    assert_allclose(model.predict(gaps), model.predict(filled), rtol=1e-6)
    categories = network().fit(frame(), Y)
    assert_array_equal(categories.predict(frame(gaps=[3])), categories.predict(frame().assign(b=lambda table: [
        table["b"].mean() if row == 3 else each for row, each in enumerate(table["b"])
    ])))  # fmt: skip


def test_gaps_in_arrays_have_a_column_that_tells_of_them():
    X = NUMBERS.copy()
    X[:32, 1] = np.nan
    fill = SimpleImputer(add_indicator=True).fit(X)
    expected = network().fit(fill.transform(X), Y)
    model = network().fit(X, Y)
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert_array_equal(model.predict(NUMBERS), expected.predict(fill.transform(NUMBERS)))
    assert_array_equal(model.predict(X[:1]), expected.predict(fill.transform(X[:1])))
    single = network().fit(X.astype(np.float32), Y)  # is trained in the precision that it comes in
    assert single.coefs_[0].dtype == single.predict(X.astype(np.float32)).dtype == np.float32


def test_gaps_beside_weights():
    X, weight = NUMBERS.copy(), np.random.default_rng(1).integers(0, 3, N)
    X[:32, 1] = np.nan
    fill = SimpleImputer(add_indicator=True).fit(np.repeat(X, weight, axis=0))
    expected = network().fit(fill.transform(X), Y, weight)
    for given in X, pd.DataFrame(X):
        model = network().fit(given, Y, weight)
        assert_allclose(model.predict(given), expected.predict(fill.transform(X)), rtol=1e-9)


def test_a_column_may_be_all_gaps_and_large_numbers_have_a_mean():
    X = np.column_stack([np.full(N, np.nan), NUMBERS])
    model = network().fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
    assert model.coefs_[0].shape == (4, 4)  # with a column that tells of the gaps, though the mean is 0
    X = NUMBERS * 1e307
    X[0, 0] = np.nan
    model = network().fit(X, Y)
    assert_allclose(model._encoding.means, SimpleImputer().fit(X / 1e10).statistics_ * 1e10, rtol=1e-12)
    assert np.isfinite(model.predict(X)).all()


def test_what_is_refused():
    table, holes = frame(gaps=[0]), NUMBERS.copy()
    holes[3, 1] = np.nan
    with pytest.raises(ValueError, match="X is sparse and contains NaN"):
        network().fit(sparse.csr_array(holes), Y)
    with pytest.raises(ValueError, match="X is sparse"):
        network(categorical_features=[0]).fit(sparse.csr_array(NUMBERS), Y)
    with pytest.raises(ValueError, match="Input X contains infinity"):
        network().fit(table.assign(a=np.inf), Y)
    with pytest.raises(ValueError, match="X_val: X contains NaN, and there was none in the rows to learn from"):
        network().fit(NUMBERS, Y, X_val=holes, y_val=Y)
    with pytest.raises(ValueError, match="feature names should match"):
        network().fit(table, Y).predict(table.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="contains NaN"):
        network().fit(table, np.where(np.arange(N) == 4, np.nan, Y))
    for missing in holes, table.drop(columns=["kind"]):
        with pytest.raises(ValueError, match="contains NaN"):
            GDLinearRegressor().fit(missing, Y)


# -- what lives on


def test_pickles_copies_and_clones():
    table = frame(range(32), range(3))
    model = GDMLPRegressor(random_state=0, max_iter=5).fit(table, Y)
    expected = model.predict(table)
    for other in pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model), clone(model).fit(table, Y):
        assert_array_equal(other.predict(table), expected)
        assert other.n_features_in_ == 4
    assert_array_equal(model.fit(NUMBERS, Y).predict(NUMBERS), clone(model).fit(NUMBERS, Y).predict(NUMBERS))
    state = model.fit(table, Y).__getstate__()
    state["_encoding"]["means"] = np.zeros(1)
    with pytest.raises(ValueError, match="no model as skgd stores it"):
        GDMLPRegressor().__setstate__(state)


def test_partial_fit_keeps_the_categories_of_its_first_call():
    table = frame(range(32))
    encode = by_scikit_learn(table)
    model, expected = network(), network()
    for rows in slice(None), slice(9), slice(40, 50):
        unknown = table[rows].assign(kind=lambda part: part["kind"].cat.rename_categories({"red": "grey"}))
        part = table if rows == slice(None) else unknown
        model.partial_fit(part, Y[rows])
        expected.partial_fit(encode.transform(part), Y[rows])
    assert_array_equal(model.predict(table), expected.predict(encode.transform(table)))
    assert_array_equal(
        network().partial_fit(NUMBERS, Y).partial_fit(NUMBERS + np.nan, Y).predict([[np.nan] * 2]).size, 1
    )


def test_warm_start_goes_on_with_the_same_categories():
    table = frame(range(32))
    X = by_scikit_learn(table).transform(table)
    model, expected = network(warm_start=True), network(warm_start=True)
    for _ in range(2):
        model.fit(table, Y)
        expected.fit(X, Y)
    assert_array_equal(model.predict(table), expected.predict(X))


def test_a_fit_that_fails_leaves_the_categories():
    table = frame(range(32))
    model = network().fit(table, Y)
    expected = model.predict(table)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(NUMBERS, np.where(np.arange(N) == 4, np.inf, Y))
    assert_array_equal(model.predict(table), expected)


def test_a_checkpoint_goes_on_with_categories(tmp_path):
    table, path = frame(range(32)), tmp_path / "fit"
    expected = network().fit(table, Y).predict(table)
    stopped = network(max_iter=5)

    def stop(fitted):
        return fitted.n_iter_ == 3

    stopped.set_callbacks(Checkpoint(path))
    stopped._watch = stop
    stopped.fit(table, Y)
    assert stopped.n_iter_ == 3
    assert_array_equal(network().resume(path, table, Y).predict(table), expected)
    with pytest.raises(ValueError, match="the data aren't those"):
        network().resume(path, table.assign(kind=table["kind"].cat.rename_categories({"red": "a"})), Y)


def test_a_warm_fit_is_resumed_by_who_has_the_categories_that_it_began_with(tmp_path):
    file, later = tmp_path / "checkpoint", frame(range(9)).assign(a=50 + NUMBERS[:, 0])
    model = network(warm_start=True).fit(frame(range(32)), Y)
    again = copy.deepcopy(model)
    model.set_callbacks(Checkpoint(file)).fit(later, Y)
    with pytest.raises(ValueError, match="heavy tails in its columns, which the checkpoint doesn't hold"):
        network(warm_start=True).resume(file, later, Y)
    assert_array_equal(again.resume(file, later, Y).predict(TABLES["gaps"]), model.predict(TABLES["gaps"]))


@pytest.mark.parametrize("of", ["whole", "gaps"])
def test_other_columns_than_the_fits_are_refused_by_scikit_learn(of):
    table = TABLES[of] if of == "whole" else TABLES[of][["a", "b"]]
    model = network().fit(table, Y)
    with pytest.raises(ValueError, match="X is sparse, and the fit was of columns with categories or gaps"):
        model.predict(sparse.csr_array(np.ones((3, table.shape[1]))))
    for bad, said in [
        (table[["a"]], "yet now missing"),
        (table[[*table][::-1]], "same order"),
        ([], "2D"),
        (None, "2D"),
    ]:
        with pytest.raises(ValueError, match=said):
            model.predict(bad)


def test_sparse_columns_of_a_frame_may_stand_beside_categories():
    table = TABLES["whole"]
    stored = table.assign(**{name: pd.arrays.SparseArray(table[name], fill_value=0.0) for name in "ab"})
    assert_array_equal(network().fit(stored, Y).predict(stored), network().fit(table, Y).predict(table))


def test_what_others_are_to_put_out_does_not_matter():
    many = pd.DataFrame({"a": NUMBERS[:, 0], "code": pd.Categorical(np.arange(N).astype(str))})
    expected = network().fit(many, Y).predict(many)
    with config_context(transform_output="pandas"):
        assert_array_equal(network().fit(many, Y).predict(many), expected)


def test_na_of_pandas_is_missing_in_arrays_of_objects():
    X, with_none = (np.column_stack([NUMBERS, COLOURS]).astype(object) for _ in range(2))
    X[::7, 2], with_none[::7, 2] = pd.NA, None
    found, expected = (network(categorical_features=[2]).fit(each, Y).predict(each) for each in (X, with_none))
    assert_array_equal(found, expected)


def test_in_cross_validation_folds_may_lack_gaps_and_categories():
    table = frame(gaps=[3])
    table["kind"] = table["kind"].cat.add_categories(["rare"])
    table.loc[7, "kind"] = "rare"
    assert np.isfinite(cross_val_score(network(max_iter=50), table, Y, error_score="raise")).all()


def test_tags():
    for model, takes in (network(), True), (GDLinearRegressor(), False):
        assert model.__sklearn_tags__().input_tags.allow_nan is takes
