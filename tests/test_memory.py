"""What fits and predictions take beside the data they are given."""

import tracemalloc

import numpy as np
import pytest

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor

N_ROWS, N_FEATURES = 400_000, 20


def most_memory(work):
    """Bytes that work() took at most: maps of files don't count."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """64 MB in a file, and targets for them."""
    path = tmp_path_factory.mktemp("mapped") / "X.npy"
    X = np.lib.format.open_memmap(path, "w+", np.float64, (N_ROWS, N_FEATURES))
    rng = np.random.default_rng(0)
    for start in range(0, N_ROWS, 50_000):
        X[start : start + 50_000] = rng.standard_normal((50_000, N_FEATURES))
    y = X[:, 0] + rng.standard_normal(N_ROWS)
    X.flush()
    del X
    return np.load(path, mmap_mode="r"), y


FITS = {
    "line search": (GDLinearRegressor, {}, 0.09),
    "largest values": (GDLinearRegressor, {"standardize": "max_abs"}, 0.09),
    "mini-batches": (GDLinearRegressor, {"optimizer": "adam", "max_iter": 1, "tol": None}, 0.09),
    "two classes": (GDLogisticClassifier, {}, 0.15),
    "five classes": (GDLogisticClassifier, {"max_iter": 2, "tol": None}, 0.28),
    "network": (GDMLPRegressor, {"hidden_layer_sizes": (4,), "max_iter": 1, "tol": None}, 0.1),
}


@pytest.mark.parametrize("name", FITS)
def test_early_stopping_copies_no_rows(mapped, name):
    # some MB are samples of rows; what grows with X is the numbers of rows and, among classes, these as numbers
    X, y = mapped
    make, settings, most = FITS[name]
    borders = {"two classes": [0.0], "five classes": [-1.0, -0.3, 0.3, 1.0]}.get(name)
    y = y if borders is None else np.digitize(y, borders)
    model = make(early_stopping=True, random_state=0, n_jobs=2, **settings)
    model.fit(X[:1000], y[:1000])  # compiles
    of_half = most_memory(lambda: model.fit(X[: N_ROWS // 2], y[: N_ROWS // 2]))
    of_all = most_memory(lambda: model.fit(X, y))
    assert len(model.validation_curve_) == model.n_iter_
    assert of_all / X.nbytes < most
    assert (of_all - of_half) / (X.nbytes / 2) < (0.04 if borders is None else 0.09)


def small_network():
    return GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=2, n_members=1)


@pytest.mark.parametrize(
    ("make", "dtype"),
    # networks convert by the same lines, whatever the dtype
    [*((GDLinearRegressor, dtype) for dtype in (np.int8, np.int64, np.float16, bool)), (small_network, np.int8)],
)
def test_predictions_convert_some_rows_at_a_time(make, dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2 if dtype is bool else 5, (100_000, 50)).astype(dtype)
    model = make().set_params(n_jobs=2).fit(X[:1000], X[:1000, 0].astype(float))
    predictions = model.predict(X.astype(float))
    if make is GDLinearRegressor:
        np.testing.assert_allclose(predictions, X @ model.coef_ + model.intercept_, rtol=1e-9, atol=1e-9)
    assert most_memory(lambda: np.testing.assert_array_equal(model.predict(X), predictions)) < 0.5 * 8 * X.size
    np.testing.assert_array_equal(model.predict(np.asfortranarray(X)), predictions)


@pytest.mark.parametrize("make", [GDLinearRegressor, small_network])
def test_predictions_from_columns_copy_some_rows_at_a_time(make):
    X = np.random.default_rng(0).standard_normal((100_000, 50))
    model = make().set_params(n_jobs=2).fit(X[:1000], X[:1000, 0])
    predictions, by_columns = model.predict(X), np.asfortranarray(X)
    assert most_memory(lambda: np.testing.assert_array_equal(model.predict(by_columns), predictions)) < 0.5 * X.nbytes


def test_training_converts_other_numbers_once():
    X = np.random.default_rng(0).integers(0, 100, (100_000, 50)).astype(np.int8)
    model = GDLinearRegressor(max_iter=2, tol=None)
    model.fit(X[:1000], X[:1000, 0])
    in_float64 = 8 * X.size
    assert in_float64 < most_memory(lambda: model.fit(X, X[:, 0])) < 1.1 * in_float64
