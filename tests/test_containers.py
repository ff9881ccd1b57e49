"""Whatever fit takes, predictions take: arrays, data frames, sparse formats, and arrays of other libraries."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import Ridge

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._containers import all_single

NAMES = list("abcd")
RNG = np.random.default_rng(0)
X = RNG.integers(0, 9, (40, 4)).astype(np.float64)
Y = X @ [1.0, 2.0, -1.0, 0.5] + RNG.standard_normal(40)
CLASSES = (np.median(Y) < Y).astype(int)
WEIGHT = RNG.integers(1, 4, 40).astype(np.float64)
NETWORK = {"hidden_layer_sizes": (3,), "max_iter": 3, "tol": None, "random_state": 0}

MODELS = {
    "linear": GDLinearRegressor(),
    "logistic": GDLogisticClassifier(),
    "hinge": GDLinearClassifier("hinge", max_iter=5, tol=None),
    "network": GDMLPRegressor(**NETWORK),
    "classes": GDMLPClassifier(**NETWORK),
}


def frame(values=X, dtype=None):
    return pd.DataFrame(values, columns=NAMES, dtype=dtype)


def coordinates_twice(values):
    entries = sparse.coo_array(values)
    at = tuple(np.tile(each, 2) for each in entries.coords)
    return sparse.coo_array((np.tile(entries.data / 2, 2), at), shape=values.shape)


def unwritable(values):
    values = values.copy()
    values.flags.writeable = False
    return values


def mapped(folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


INPUTS = {
    "list": X.tolist(),
    "whole numbers": X.astype(int),
    "bytes": X.astype(np.uint8),
    "half": X.astype(np.float16),
    "long double": X.astype(np.longdouble),
    "objects": X.astype(object),
    "other order of bytes": X.astype(">f8"),
    "whole in other order": X.astype(">i4"),
    "Fortran": np.asfortranarray(X),
    "strided": np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": unwritable(X),
    "masked": np.ma.array(X),
    "frame": frame(),
    "frame of whole numbers": frame(dtype="Int64"),
    "frame of nullable floats": frame(dtype="Float64"),
    "frame of kinds": frame().astype({"a": "float32", "b": "int8", "c": "Int32"}),
    "frame of objects": frame(dtype=object),
    "frame of categories": frame().astype("category"),
    "sparse frame": frame().astype(pd.SparseDtype(float, 0)),
    "sparse frame of whole numbers": frame().astype(pd.SparseDtype("int64", 0)),
    **{name: getattr(sparse, f"{name}_array")(X) for name in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")},
    "csr matrix": sparse.csr_matrix(X),
    "csr of whole numbers": sparse.csr_array(X.astype(int)),
    "entries twice": coordinates_twice(X),
}


def raw_of(model, values):
    """Raw predictions by the published parameters."""
    if hasattr(model, "coefs_"):
        hidden = np.maximum(values @ model.coefs_[0] + model.intercepts_[0], 0)
        return (hidden @ model.coefs_[1] + model.intercepts_[1])[:, 0]
    return values @ model.coef_.ravel() + model.intercept_


@pytest.mark.each("name", [*INPUTS, "file"])
@pytest.mark.parametrize("kind", MODELS)
def test_predictions_take_whatever_fit_took(kind, name, tmp_path):
    given = mapped(tmp_path) if name == "file" else INPUTS[name]
    y = Y if kind in {"linear", "network"} else CLASSES
    model = MODELS[kind].fit(given, y, WEIGHT, X_val=given, y_val=y)
    if name == "frame of categories" and hasattr(model, "coefs_"):
        return  # to networks these aren't numbers, which tests/test_encoding.py is about
    raw = raw_of(model, X)
    close = {"rtol": 1e-9, "atol": 1e-9}
    if y is Y:
        np.testing.assert_allclose(model.predict(given), raw, **close)
    else:
        np.testing.assert_allclose(model.decision_function(given), raw, **close)
        np.testing.assert_array_equal(model.predict(given), (raw > 0).astype(int))
        if kind != "hinge":
            np.testing.assert_allclose(model.predict_proba(given)[:, 1], expit(raw), **close)
            np.testing.assert_allclose(model.predict_log_proba(given)[:, 1], np.log(expit(raw)), **close)
    assert model.score(given, y, WEIGHT) <= 1
    assert hasattr(model, "feature_names_in_") == isinstance(given, pd.DataFrame)


@pytest.mark.parametrize("name", INPUTS)
def test_predictions_of_sparse_coefficients_take_it_too(name):
    model = GDLogisticClassifier().fit(INPUTS[name], CLASSES)
    raw = raw_of(model, X)
    np.testing.assert_allclose(model.sparsify().decision_function(INPUTS[name]), raw, rtol=1e-9, atol=1e-9)


# -- precision


@pytest.mark.parametrize(
    ("given", "single"),
    [
        (X.astype("float32"), True),
        (X.astype(">f4"), True),
        (X.astype("float16"), False),
        (X, False),
        (sparse.csr_array(X.astype("float32")), True),
        (frame(dtype="float32"), True),
        (frame(dtype="Float32"), True),
        (frame(X.astype("float32")).astype(pd.SparseDtype("float32", 0)), True),
        (frame(dtype="Float64"), False),
        (frame(dtype="Float32").astype({"c": "Float64"}), False),
        (frame(dtype="Float32").astype({"c": "Int64"}), False),
        (pd.DataFrame(X, columns=["dtype", "dtypes", "schema", "shape"], dtype="Float32"), True),
    ],
)
@pytest.mark.parametrize("kind", ["linear", "network"])
def test_columns_of_float32_stay_float32(kind, given, single):
    assert all_single(given) == single
    model = MODELS[kind].fit(given, Y)
    published = model.coef_ if kind == "linear" else model.coefs_[0]
    expected = np.float32 if single else np.float64
    assert published.dtype == model.predict(given).dtype == expected
    if isinstance(given, pd.DataFrame):
        assert model.feature_names_in_.tolist() == given.columns.tolist()


def test_of_categories_networks_leave_the_precision_to_the_numbers():
    given = frame(dtype="Float32").astype({"c": "category"})
    assert MODELS["linear"].fit(given, Y).coef_.dtype == np.float64
    assert MODELS["network"].fit(given, Y).coefs_[0].dtype == np.float32


def test_validation_data_in_float32_are_as_good_in_a_data_frame():
    one, other = (
        GDMLPRegressor(**NETWORK).fit(of(X), Y, X_val=of(X[:9]), y_val=Y[:9])
        for of in (lambda rows: frame(rows, "Float32"), lambda rows: frame(rows, "float32"))
    )
    np.testing.assert_array_equal(one.validation_curve_, other.validation_curve_)


def test_missing_values_in_float32_are_an_error_as_ever():
    missing = frame(dtype="Float32")
    missing.iloc[3, 2] = pd.NA
    with pytest.raises(ValueError, match="Input X contains NaN"):
        GDLinearRegressor().fit(missing, Y)


# -- columns that hold no numbers


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_a_column_of_words_is_named(dtype):
    given = frame().assign(kind=pd.Series(["1.5", "red"] * 20, dtype=dtype))
    with pytest.raises(ValueError, match="column 'kind' holds 'red', which is no number: encode"):
        GDLinearRegressor().fit(given, Y)
    if dtype != "category":
        with pytest.raises(
            ValueError, match="column 'kind' holds 'red', which is no number: name it in categorical_fe"
        ):
            GDMLPRegressor(**NETWORK).partial_fit(given, Y)
    model = GDLinearRegressor().fit(given.assign(kind=1.0), Y)
    with pytest.raises(ValueError, match="column 'kind' holds 'red'"):
        model.predict(given)
    with pytest.raises(ValueError, match="X_val: column 'kind' holds 'red'"):
        model.fit(given.assign(kind=1.0), Y, X_val=given, y_val=Y)


DAYS = pd.Series(pd.date_range("2020-01-01", periods=40))


@pytest.mark.parametrize(
    "days",
    [
        DAYS,
        DAYS.dt.tz_localize("UTC"),
        DAYS - DAYS[0],
        DAYS.dt.to_period("D"),
        DAYS.dt.date,
        DAYS.astype(object),
        DAYS.astype("category"),
        (DAYS - DAYS[0]).astype(object),
    ],
    ids=["datetime", "zone", "timedelta", "period", "date", "object", "category", "durations"],
)
def test_a_column_of_times_is_named(days):
    with pytest.raises(ValueError, match="column 'day' holds times: give numbers for them"):
        GDLinearRegressor().fit(frame().assign(day=days), Y)


@pytest.mark.parametrize("part", [[1.0, 2.0], {"x": 1.0}, (1.0, 2.0), np.ones(2)])
def test_a_column_of_parts_is_named(part):
    with pytest.raises(ValueError, match="column 'parts' holds lists or structures"):
        GDLinearRegressor().fit(frame().assign(parts=pd.Series([part] * 40)), Y)


@pytest.mark.parametrize("given", [pd.Series(X[:, 0]), np.array([["red"]] * 40, object), [[{}]] * 40])
def test_other_errors_are_left_as_they_are(given):
    with pytest.raises((TypeError, ValueError), match=r"2-dimensional|could not convert|must be a string or"):
        GDLinearRegressor().fit(given, Y)


DAYS = (np.datetime64("2026-01-01") + np.arange(40)).reshape(-1, 1)
NO_NUMBERS = {
    "times": (DAYS, "X holds times: give numbers"),
    "no time": (np.where(np.arange(40)[:, None] == 3, np.datetime64("NaT"), DAYS), "X holds times"),
    "durations": (DAYS - DAYS[0], "X holds times"),
    "list of times": ([*map(list, DAYS)], "X holds times"),
    "words": (np.arange(40).astype(str).reshape(-1, 1), r"X holds <U\d+, no numbers: convert it"),
    "list of words": ([["1"]] * 40, "X holds <U1, no numbers"),
    "bytes": (np.arange(40).astype("S2").reshape(-1, 1), r"X holds \|S2, no numbers"),
    "records": (np.zeros((40, 1), dtype=[("a", float)]), "X holds .*, no numbers"),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_arrays_that_hold_no_numbers_are_refused_where_scikit_learn_refuses_them(kind):
    given, said = NO_NUMBERS[kind]
    with pytest.raises((TypeError, ValueError)):
        Ridge().fit(given, Y).predict(given)
    network = GDMLPRegressor(hidden_layer_sizes=(2,), n_members=1, max_iter=1, tol=None)
    for model in GDLinearRegressor(), network:
        with pytest.raises(ValueError, match=said):
            model.fit(given, Y)
        with pytest.raises(ValueError, match=said):
            model.fit(np.arange(40.0).reshape(-1, 1), Y).predict(given)


# -- tensors


class Tensor:
    """What torch's tensors are to NumPy, as far as it matters here."""

    def __init__(self, values, requires_grad=False, fault=None):
        self.values, self.requires_grad, self.fault = np.asarray(values), requires_grad, fault
        self.shape, self.ndim, self.dtype = self.values.shape, self.values.ndim, f"torch.{self.values.dtype}"

    def detach(self):
        return Tensor(self.values, fault=self.fault)

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.fault is not None:
            raise self.fault
        return self.values if dtype is None else self.values.astype(dtype)

    def __dlpack__(self, **options):
        raise BufferError("not asked for")

    def __dlpack_device__(self):
        return 1, 0


def tensors():
    """The stand-in, and torch's own where it is installed."""
    kinds = {"stand-in": Tensor}
    if importlib.util.find_spec("torch"):
        from torch import tensor

        kinds["torch"] = tensor
    return kinds


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("make", tensors().values(), ids=tensors())
@pytest.mark.parametrize("kind", MODELS)
def test_tensors_give_what_their_numbers_in_numpy_give(kind, make, precision, requires_grad):
    is_classifier = kind not in {"linear", "network"}
    arrays = [X.astype(precision), CLASSES if is_classifier else Y, WEIGHT]
    of_x, of_y, of_weight = (make(a, requires_grad=requires_grad and a.dtype.kind == "f") for a in arrays)
    options = {"sample_weight": of_weight, "X_val": of_x, "y_val": of_y, "sample_weight_val": of_weight}
    model = MODELS[kind].fit(of_x, of_y, **options)
    ours = [vars(model)[name] for name in ("coef_", "intercept_") if name in vars(model)]
    ours += [model.predict(of_x), model.score(of_x, of_y, of_weight), model.validation_curve_]
    x, y, weight = arrays
    model.fit(x, y, weight, X_val=x, y_val=y, sample_weight_val=weight)
    expected = [vars(model)[name] for name in ("coef_", "intercept_") if name in vars(model)]
    expected += [model.predict(x), model.score(x, y, weight), model.validation_curve_]
    for mine, other in zip(ours, expected, strict=True):
        assert type(mine) is type(other)
        assert np.asarray(mine).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(mine, other)


def test_an_array_isnt_copied_for_it():
    seen = []

    class Watched(Tensor):
        def detach(self):
            return self

        def __array__(self, dtype=None, copy=None):
            seen.append(dtype)
            return super().__array__(dtype, copy)

    GDLinearRegressor().fit(Watched(X), Y)
    assert seen == [None]  # once, and not in another dtype


@pytest.mark.parametrize("which", ["X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val"])
def test_a_tensor_that_numpy_cant_take_is_named(which):
    fault = TypeError("Got unsupported ScalarType BFloat16")
    given = {"X": X, "y": Y, "sample_weight": WEIGHT, "X_val": X, "y_val": Y, "sample_weight_val": WEIGHT}
    given[which] = Tensor(given[which], fault=fault)
    name = which.removesuffix("_val")
    said = name if name == which else f"{which}: {name}"
    with pytest.raises(ValueError, match=f"^{said} is a .*Tensor that NumPy can't take: Got unsupported Scalar"):
        GDLinearRegressor().fit(**given)


@pytest.mark.parametrize("device", ["cuda:0", "cpu"])
def test_an_array_of_another_device_is_named_as_it_is_imported(device):
    given = Tensor(X, fault=RuntimeError("not to NumPy"))
    given.device = device
    given.detach = lambda: given
    kind = type("Array", (Tensor,), {"__module__": "array_api._inside"})
    given.__class__ = kind
    hint = "; move it to the CPU first" if device == "cuda:0" else ""
    with pytest.raises(ValueError, match=f"^X is an array_api.Array that NumPy can't take: not to NumPy{hint}$"):
        GDLinearRegressor().fit(given, Y)
