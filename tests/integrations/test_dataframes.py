"""Data frames of polars and pyarrow, and pandas's columns of pyarrow's types."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor

pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))

NAMES = list("abc")
RNG = np.random.default_rng(0)
X = RNG.integers(0, 9, (60, 3)).astype(np.float64)
Y = X @ [1.0, 2.0, -1.0] + RNG.standard_normal(60)
NETWORK = {"hidden_layer_sizes": (3,), "max_iter": 3, "tol": None, "random_state": 0}
MODELS = {
    "linear": (GDLinearRegressor(), Y),
    "logistic": (GDLogisticClassifier(), np.digitize(Y, [0, 10])),
    "network": (GDMLPRegressor(**NETWORK), Y),
    "classes": (GDMLPClassifier(**NETWORK), np.array(["no", "yes"])[(Y > 5).astype(int)]),
}


def in_polars(columns):
    return pl.DataFrame(dict(zip(NAMES, columns, strict=True)))


def in_pyarrow(columns):
    return pa.table(dict(zip(NAMES, columns, strict=True)))


def in_pandas(columns):
    types = {"float32": "float[pyarrow]", "float64": "double[pyarrow]", "int64": "int64[pyarrow]"}
    columns = dict(zip(NAMES, columns, strict=True))
    return pd.DataFrame({name: pd.array(column, dtype=types[column.dtype.name]) for name, column in columns.items()})


each_library = pytest.mark.parametrize("make", [in_polars, in_pyarrow, in_pandas])


@each_library
@pytest.mark.parametrize("dtypes", ["ffd", "fff", "ddd", "qqq", "ffq"])
@pytest.mark.parametrize("kind", MODELS)
def test_columns_are_as_good_as_arrays(kind, dtypes, make):
    model, y = MODELS[kind]
    frame = make([column.astype(dtype) for column, dtype in zip(X.T, dtypes, strict=True)])
    precision = np.float32 if dtypes == "fff" else np.float64  # where all are, and only there
    array = X.astype(precision)
    model.fit(array, y, X_val=array, y_val=y)
    expected = model.predict(array), model.score(array, y), model.validation_curve_
    model.fit(frame, y, X_val=frame, y_val=y)
    published = model.coefs_[0] if hasattr(model, "coefs_") else model.coef_
    assert published.dtype == precision
    ours = model.predict(frame), model.score(frame, y), model.validation_curve_
    for found, wanted in zip(ours, expected, strict=True):
        assert np.asarray(found).dtype == np.asarray(wanted).dtype
        np.testing.assert_array_equal(found, wanted)
    assert model.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pl.DataFrame(X, schema=["a", "b", "z"]))


@pytest.mark.parametrize("kind", MODELS)
def test_targets_and_weights_may_be_columns(kind):
    model, y = MODELS[kind]
    weight = np.linspace(1, 2, 60)
    expected = model.fit(X, y, weight).predict(X), model.score(X, y, weight)
    for make in (pl.Series, pa.array, lambda values: pa.chunked_array([values[:7], values[7:]]), pd.Series):
        found = model.fit(X, make(y), make(weight)).predict(X), model.score(X, make(y), make(weight))
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[1] == expected[1]


@pytest.mark.parametrize("make", [pl.Series, pa.array])
def test_missing_values_in_float32_are_an_error_as_ever(make):
    column = np.ma.masked_equal(X[:, 0].astype("float32"), X[3, 0]).tolist()
    kind = pl.Float32 if make is pl.Series else pa.float32()
    column = pl.Series(column, dtype=kind) if make is pl.Series else pa.array(column, kind)
    frame = (pl.DataFrame if make is pl.Series else pa.table)({"a": column})
    with pytest.raises(ValueError, match="Input X contains NaN"):
        GDLinearRegressor().fit(frame, Y)


WORDS = ["red", "green", "blue"] * 20


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": X[:, 0], "kind": WORDS}),
        pl.DataFrame({"a": X[:, 0], "kind": pl.Series(WORDS, dtype=pl.Categorical)}),
        pl.DataFrame({"a": X[:, 0], "kind": pl.Series(WORDS, dtype=pl.Enum(["red", "green", "blue"]))}),
        pa.table({"a": X[:, 0], "kind": WORDS}),
        pa.table({"a": X[:, 0], "kind": pa.array(WORDS).dictionary_encode()}),
        pd.DataFrame({"a": X[:, 0], "kind": pd.array(WORDS, dtype="string[pyarrow]")}),
    ],
    ids=["polars", "polars-categorical", "polars-enum", "pyarrow", "pyarrow-dictionary", "pandas"],
)
def test_a_column_of_words_is_named(frame):
    with pytest.raises(ValueError, match="column 'kind' holds 'red', which is no number: encode"):
        GDLinearRegressor().fit(frame, Y)
    if not isinstance(frame, pa.Table):  # which scikit-learn's transformers don't take
        encoder = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
        assert make_pipeline(encoder, GDLinearRegressor()).fit(frame, Y).score(frame, Y) > 0


GRADES = [1, 2, None] * 20


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"kind": pl.Series(WORDS, dtype=pl.Categorical), "a": X[:, 0], "gaps": GRADES}),
        pl.DataFrame({"kind": pl.Series(WORDS, dtype=pl.Enum(["red", "green", "blue"])), "a": X[:, 0], "gaps": GRADES}),
        pa.table({"kind": pa.array(WORDS).dictionary_encode(), "a": X[:, 0], "gaps": pa.array(GRADES, pa.int64())}),
        pd.DataFrame({"kind": pd.Categorical(WORDS), "a": X[:, 0], "gaps": pd.array(GRADES, dtype="Int64")}),
        pd.DataFrame(
            {
                "kind": pd.array(WORDS, dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
                "a": X[:, 0],
                "gaps": pd.array(GRADES, dtype="int64[pyarrow]"),
            }
        ),
    ],
    ids=["polars-categorical", "polars-enum", "pyarrow-dictionary", "pandas", "pandas-dictionary"],
)
@pytest.mark.parametrize("kind", ["network", "classes"])
def test_networks_take_categories_and_gaps(kind, frame):
    model, y = MODELS[kind]
    gaps = np.array(GRADES, dtype=float)
    encoded = np.column_stack(
        [
            X[:, 0],
            np.where(np.isnan(gaps), 1.5, gaps),
            np.isnan(gaps),
            OneHotEncoder().fit_transform(np.c_[WORDS]).todense(),
        ]
    )
    expected = model.fit(np.asarray(encoded), y).predict(np.asarray(encoded))
    np.testing.assert_array_equal(model.fit(frame, y).predict(frame), expected)
    assert model.feature_names_in_.tolist() == ["kind", "a", "gaps"]


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table, pd.DataFrame])
def test_columns_of_words_may_be_named_as_categories(make):
    words = [*WORDS[:-1], None]
    model = GDMLPRegressor(**NETWORK, categorical_features=["kind"]).fit(make({"kind": words}), Y)
    expected = GDMLPRegressor(**NETWORK).fit(pd.DataFrame({"kind": pd.Categorical(words)}), Y)
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])


# -- columns that hold no numbers

DAYS = pl.Series([datetime(2020, 1, 1) + timedelta(day) for day in range(60)])
TIMES = {
    "polars-datetime": DAYS,
    "polars-zone": DAYS.dt.replace_time_zone("UTC"),
    "polars-date": DAYS.dt.date(),
    "polars-time": DAYS.dt.time(),
    "polars-duration": DAYS - DAYS[0],
    "pyarrow-timestamp": pa.array(DAYS.to_list()),
    "pyarrow-zone": pa.array(DAYS.to_list(), pa.timestamp("s", "UTC")),
    "pyarrow-date": pa.array(DAYS.dt.date().to_list()),
    "pyarrow-date64": pa.array(DAYS.dt.date().to_list(), pa.date64()),
    "pyarrow-time": pa.array(range(60), pa.time32("s")),
    "pyarrow-duration": pa.array(range(60), pa.duration("s")),
    "pandas-timestamp": pd.array(DAYS.to_list(), dtype="timestamp[ns][pyarrow]"),
    "pandas-date": pd.array(DAYS.dt.date().to_list(), dtype=pd.ArrowDtype(pa.date32())),
    "pandas-time": pd.array(DAYS.dt.time().to_list(), dtype=pd.ArrowDtype(pa.time64("us"))),
}
PARTS = {
    "polars-list": pl.Series([[1.0, 2.0]] * 60),
    "polars-array": pl.Series([[1.0, 2.0]] * 60, dtype=pl.Array(pl.Float64, 2)),
    "polars-struct": pl.Series([{"x": 1.0}] * 60),
    "pyarrow-list": pa.array([[1.0, 2.0]] * 60),
    "pyarrow-struct": pa.array([{"x": 1.0}] * 60),
}
MAKERS = {"polars": pl.DataFrame, "pyarrow": pa.table, "pandas": pd.DataFrame}


@pytest.mark.parametrize("name", [*TIMES, *PARTS])
def test_a_column_of_times_or_parts_is_named(name):
    make = MAKERS[name.split("-")[0]]
    bad, good = make({"b": X[:, 0], "a": (TIMES | PARTS)[name]}), make({"b": X[:, 0], "a": X[:, 1]})
    said = "column 'a' holds times: give numbers for them" if name in TIMES else "column 'a' holds lists or structures"
    model = GDLinearRegressor().fit(good, Y)
    for call in (lambda: model.predict(bad), lambda: model.fit(bad, Y)):
        with pytest.raises(ValueError, match=said):
            call()


def test_columns_may_be_named_as_types_of_times_are():
    frame = pl.DataFrame({"Date": X[:, 0], "timestamp": X[:, 1]})
    assert GDLinearRegressor().fit(frame, Y).feature_names_in_.tolist() == frame.columns


@pytest.mark.filterwarnings("error")
def test_a_lazy_frame_is_told_to_be_collected():
    frame = pl.DataFrame({"a": X[:, 0]})
    model = GDLinearRegressor().fit(frame, Y)
    for call in (lambda: model.fit(frame.lazy(), Y), lambda: model.predict(frame.lazy())):
        with pytest.raises(ValueError, match=r"^X is a LazyFrame: call X\.collect\(\) first"):
            call()


def test_batches_of_records_are_as_good_as_tables():
    table = in_pyarrow(X.T.astype("float32"))
    batch = table.to_batches()[0]
    expected = GDLinearRegressor().fit(table, Y).predict(table)
    model = GDLinearRegressor().fit(batch, Y)
    assert model.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(model.predict(batch), expected)
    with pytest.raises(ValueError, match="column 'kind' holds 'red'"):
        model.fit(pa.RecordBatch.from_pydict({"kind": WORDS}), Y)


@each_library
def test_pictures_are_those_of_arrays(make):
    """In pictures that look at some rows, or at other ones: columns keep their names, and nobody warns."""
    plotting = pytest.importorskip("skgd.plotting")
    pytest.importorskip("matplotlib").use("agg")
    model, frame = GDLinearRegressor(optimizer="adam", max_iter=3, tol=None, random_state=0), make(X.T)
    ours, theirs = (plotting.PathDisplay.from_estimator(model, each, Y, features=[2, 0]) for each in (frame, X))
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert ours.labels[:2] == ("coefficient of c", "coefficient of a")
    only = frame.select(["a"]) if hasattr(frame, "select") else frame[["a"]]
    ours, theirs = (plotting.CurveFitDisplay.from_estimator(model, each, Y) for each in (only, X[:, :1]))
    np.testing.assert_array_equal(ours.curves, theirs.curves)
    assert (ours.labels[0], theirs.labels[0]) == ("a", "x")
    plotting._style.pyplot().close("all")
