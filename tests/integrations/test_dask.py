"""Dask's collections: fits of linear models, predictions and scores."""

import functools
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from scipy import sparse
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score

from skgd import (
    GDLinearClassifier,
    GDLinearRegressor,
    GDLogisticClassifier,
    GDMLPClassifier,
    GDMLPRegressor,
    _validation,
)
from skgd._partitions import partitions_of
from skgd._problem.objective import Objective
from skgd._problem.partitioned import PartitionedObjective
from skgd.callbacks import Checkpoint

dask, distributed, pd = (pytest.importorskip(name) for name in ("dask", "distributed", "pandas"))
da, dd = (pytest.importorskip(name) for name in ("dask.array", "dask.dataframe"))

RNG = np.random.default_rng(0)
N, D = 6_000, 6
NAMES = list("abcdef")
X = RNG.standard_normal((N, D)) + np.linspace(0, 2, D)
SIGNAL = (X - X.mean(axis=0)) @ np.linspace(-1, 1, D)
NUMBERS = 3 + SIGNAL + RNG.standard_normal(N)
COUNTS = RNG.poisson(np.exp(0.3 * SIGNAL)).astype(float)
TWO = (SIGNAL + RNG.logistic(size=N) > 0.3).astype(int)
WORDS = np.array(["no", "perhaps", "yes"])[np.digitize(SIGNAL + RNG.logistic(size=N), [-1, 1])]
WEIGHT = RNG.uniform(0, 2, N) * (RNG.random(N) > 0.1)


def parts(array, rows=1_300, columns=-1):
    """An array in blocks."""
    return da.from_array(array, chunks=(rows, columns)[: array.ndim])


def csr_parts(array, rows=1_300):
    return parts(array, rows).map_blocks(sparse.csr_array, meta=sparse.csr_array((0, 0)))


def frame_of(array):
    return pd.DataFrame(array, columns=NAMES[: array.shape[1]])


def frame_parts(array, npartitions=5):
    given = frame_of(array) if array.ndim == 2 else pd.Series(array)
    return dd.from_pandas(given, npartitions=npartitions)


def pinball(raw, y, quantile=0.5):
    return np.maximum(quantile * (y - raw), (quantile - 1) * (y - raw))


def softmax_loss(raw, y):
    return logsumexp(raw, axis=1) - raw[np.arange(len(y)), np.unique(y, return_inverse=True)[1]]


def huber(raw, y):
    r = np.abs(raw - y)
    return np.where(r <= 1.35, r**2 / 2, 1.35 * r - 1.35**2 / 2)


LOSSES = {
    "squared_error": lambda raw, y: (raw - y) ** 2 / 2,
    "huber": huber,
    "quantile": pinball,
    "poisson": lambda raw, y: np.exp(raw) - y * raw,
    "hinge": lambda raw, y: np.maximum(0, 1 - (2 * y - 1) * raw),
    "log_loss": lambda raw, y: np.logaddexp(0, raw) - y * raw,
    "softmax": softmax_loss,
}
PENALTIES = {
    "l2": lambda w: w @ w / 2,
    "l1": lambda w: np.abs(w).sum(),
    "elasticnet": lambda w: 0.15 * np.abs(w).sum() + 0.85 * (w @ w) / 2,
}


def objective(model, loss, y, weight=None):
    """What the fit makes small, by its definition."""
    raw = X @ np.atleast_2d(model.coef_).T + model.intercept_
    pointwise = LOSSES[loss](raw if loss == "softmax" else raw[:, 0], y)
    return np.average(pointwise, weights=weight) + model.alpha * PENALTIES[model.penalty](model.coef_.ravel())


def assert_same_optimum(model, loss, y, X_in_parts, weight=None, **more):
    model.set_params(standardize=False)
    weighted = {} if weight is None else {"sample_weight": weight}
    one = objective(clone(model).fit(X, y, **weighted), loss, y, weight)
    in_parts = {} if weight is None else {"sample_weight": parts(weight)}
    other = objective(clone(model).fit(X_in_parts, parts(y), **in_parts), loss, y, weight)
    assert abs(other - one) < 1e-6 * abs(one)


REGRESSIONS = [("squared_error", NUMBERS), ("huber", NUMBERS), ("quantile", NUMBERS), ("poisson", COUNTS)]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("loss", "y"), REGRESSIONS, ids=[loss for loss, _ in REGRESSIONS])
def test_numbers_have_the_optimum_that_they_have_in_memory(loss, y, penalty):
    alpha = 1e-2 if loss == "quantile" else 1e-3
    assert_same_optimum(GDLinearRegressor(loss, penalty=penalty, alpha=alpha), loss, y, parts(X))


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(("loss", "y"), [("hinge", TWO), ("log_loss", TWO), ("softmax", WORDS)])
def test_classes_have_the_optimum_that_they_have_in_memory(loss, y, penalty):
    settings = {"penalty": penalty, "alpha": 1e-3}
    model = GDLinearClassifier("hinge", **settings) if loss == "hinge" else GDLogisticClassifier(**settings)
    assert_same_optimum(model, loss, y, parts(X, columns=4), weight=WEIGHT)


def test_rows_of_csr_have_it_too():
    assert_same_optimum(GDLogisticClassifier(alpha=1e-3), "log_loss", TWO, csr_parts(X))
    assert_same_optimum(GDLinearRegressor(alpha=1e-3), "squared_error", NUMBERS, csr_parts(X), weight=WEIGHT)


def in_halves(block):
    """CSR with each entry there twice, half of it each time."""
    rows = sparse.csr_array(block)
    data, indices = np.repeat(rows.data / 2, 2), np.repeat(rows.indices, 2)
    return sparse.csr_array((data, indices, 2 * rows.indptr), shape=rows.shape)


def test_entries_of_csr_that_are_there_twice_are_added_up():
    rows = parts(X).map_blocks(in_halves, meta=sparse.csr_array((0, 0)))
    one, other = (GDLinearRegressor().fit(*given) for given in ((rows, parts(NUMBERS)), (sparse.csr_array(X), NUMBERS)))
    close(one, other)


def test_frames_of_sparse_columns_have_it_too():
    frame = pd.DataFrame.sparse.from_spmatrix(sparse.csr_array(X), columns=NAMES[: X.shape[1]])
    in_parts = dd.from_pandas(frame, npartitions=5), dd.from_pandas(pd.Series(TWO), npartitions=5)
    one, other = (GDLogisticClassifier(alpha=1e-3).fit(*rows) for rows in ((sparse.csr_array(X), TWO), in_parts))
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-4, atol=1e-6)
    assert float(other.score(*in_parts)) == pytest.approx(one.score(X, TWO), abs=1e-12)


def test_scikit_learn_has_the_same_coefficients():
    Z, alpha = (X - X.mean(axis=0)) / X.std(axis=0), 1e-2
    rows = parts(Z, 700)
    logistic = LogisticRegression(C=1 / (alpha * WEIGHT.sum()), tol=1e-10).fit(Z, TWO, WEIGHT)
    ours = GDLogisticClassifier(alpha=alpha, standardize=False).fit(rows, parts(TWO, 700), parts(WEIGHT, 700))
    np.testing.assert_allclose(ours.coef_, logistic.coef_, atol=1e-5)
    ridge = Ridge(alpha=alpha * N, tol=1e-12).fit(Z, NUMBERS)
    ours = GDLinearRegressor(alpha=alpha, standardize=False).fit(rows, parts(NUMBERS, 700))
    np.testing.assert_allclose(ours.coef_, ridge.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, ridge.intercept_, atol=1e-5)
    poisson = PoissonRegressor(alpha=alpha, tol=1e-10).fit(Z, COUNTS)
    ours = GDLinearRegressor("poisson", alpha=alpha, standardize=False).fit(rows, parts(COUNTS, 700))
    np.testing.assert_allclose(ours.coef_, poisson.coef_, atol=1e-5)


def close(one, other, tolerance=1e-5):
    np.testing.assert_allclose(one.coef_, other.coef_, atol=tolerance)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=10 * tolerance)


@pytest.mark.parametrize("class_weight", [{"no": 2, "yes": 0.5}, "balanced"])
def test_weights_of_classes_count_as_in_memory(class_weight):
    model = GDLogisticClassifier(class_weight=class_weight)
    close(clone(model).fit(parts(X), parts(WORDS), parts(WEIGHT)), clone(model).fit(X, WORDS, WEIGHT))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_frames_are_as_good_as_arrays(dtype):
    frame, rows = frame_of(X.astype(dtype)), frame_parts(X.astype(dtype))
    one = GDLogisticClassifier().fit(frame, WORDS, WEIGHT)
    other = GDLogisticClassifier().fit(rows, frame_parts(WORDS), frame_parts(WEIGHT))
    assert other.coef_.dtype == dtype
    assert list(other.feature_names_in_) == NAMES
    assert list(other.classes_) == ["no", "perhaps", "yes"]
    close(other, one, 1e-5 if dtype == np.float64 else 1e-3)
    both = frame_parts(np.column_stack([NUMBERS, 2 - NUMBERS]))
    several = GDLinearRegressor().fit(rows, both)
    close(several, GDLinearRegressor().fit(frame, both.compute()), 1e-5 if dtype == np.float64 else 1e-3)
    assert several.coef_.shape == (2, D)


def test_parts_that_are_as_kernels_take_them_are_not_converted(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("converted")

    y = X @ np.linspace(-1, 1, D)
    expected = GDLinearRegressor().fit(X, y)
    monkeypatch.setattr(_validation, "check_X_y", refuse)
    for rows, targets in ((parts(X), parts(y)), (frame_parts(X), frame_parts(y))):
        close(GDLinearRegressor().fit(rows, targets), expected, 1e-5)


@pytest.mark.parametrize("y", [TWO, TWO.astype(bool), TWO.astype(np.uint8), np.array(["a", "b"], object)[TWO]])
def test_classes_of_every_kind(y):
    model = GDLogisticClassifier().fit(parts(X), parts(y))
    assert model.classes_.dtype == np.unique(y).dtype
    close(model, GDLogisticClassifier().fit(X, TWO))


def test_partitions_may_be_empty_of_any_size_and_without_some_classes():
    order = np.argsort(WORDS, kind="stable")  # so that partitions have one class, or two
    rows = (1, 0, 2_500, 13, 0, 3_000, N - 5_514)
    expected = GDLogisticClassifier().fit(X[order], WORDS[order])
    close(GDLogisticClassifier().fit(parts(X[order], rows), parts(WORDS[order], rows)), expected)
    weight = np.where(np.arange(N) < 1_300, 0.0, 1.0)  # none in the first partition
    expected = GDLogisticClassifier(class_weight="balanced").fit(X[order], WORDS[order], weight)
    model = GDLogisticClassifier(class_weight="balanced")
    close(model.fit(parts(X[order]), parts(WORDS[order]), parts(weight)), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["auto", "adam"])
def test_partitions_may_hold_nothing_but_classes_whose_weight_is_zero(optimizer):
    order = np.argsort(WORDS, kind="stable")
    settings = {"class_weight": {"no": 0, "perhaps": 1, "yes": 2}, "random_state": 0}
    model = GDLogisticClassifier(optimizer=optimizer, max_iter=60, tol=None, **settings)
    expected = clone(model).fit(X[order], WORDS[order])
    model.fit(parts(X[order], 600), parts(WORDS[order], 600))
    atol = 1e-5 if optimizer == "auto" else 0.1  # intercepts go to infinity
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=atol)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classes_are_known_wherever_they_are_even_of_rows_without_weight():
    weight, words = np.where(np.arange(N) < 1_300, 0.0, 1.0), WORDS.astype("U9")
    words[:1_300] = "elsewhere"
    for class_weight in (None, {"yes": 2}):
        model = GDLogisticClassifier(class_weight=class_weight, max_iter=5)
        expected = clone(model).fit(X, words, weight).classes_
        assert list(model.fit(parts(X), parts(words), parts(weight)).classes_) == list(expected)


def test_labels_may_be_csr():
    labels = (X[:, :2] > 0.2).astype(int)
    model = GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=3, tol=None, random_state=0)
    model.fit(parts(X), csr_parts(labels))
    assert np.array_equal(model.coefs_[0], clone(model).fit(parts(X), parts(labels)).coefs_[0])
    assert float(model.score(parts(X), csr_parts(labels))) == float(model.score(parts(X), parts(labels)))


def test_whole_numbers_that_may_be_missing_are_the_same_classes_with_class_weights_or_without():
    y = pd.Series(TWO).astype("Int64")
    for class_weight in (None, "balanced"):
        model = GDLogisticClassifier(class_weight=class_weight)
        expected = clone(model).fit(frame_of(X), y).classes_
        found = model.fit(frame_parts(X), dd.from_pandas(y, npartitions=5)).classes_
        assert (found.dtype, list(found)) == (expected.dtype, list(expected))


def test_numbers_of_rows_need_not_be_known():
    kept = X[:, 0] > 1.5
    rows, targets = parts(X), parts(TWO)
    model = GDLogisticClassifier().fit(rows[rows[:, 0] > 1.5], targets[rows[:, 0] > 1.5])
    close(model, GDLogisticClassifier().fit(X[kept], TWO[kept]))
    frame = frame_parts(np.column_stack([X[:, 1:], TWO]))
    chosen = frame[frame["a"] > 2]
    model = GDLogisticClassifier().fit(chosen[NAMES[:5]], chosen["f"])
    kept = frame.compute()
    kept = kept[kept["a"] > 2]
    close(model, GDLogisticClassifier().fit(kept[NAMES[:5]], kept["f"]))


@pytest.mark.parametrize("make", [parts, np.asarray, frame_parts])
def test_validation_rows_may_be_parts_or_in_memory(make):
    half = N // 2
    learnt = [frame_parts(each[:half]) if make is frame_parts else parts(each[:half]) for each in (X, WORDS)]
    model = GDLogisticClassifier(early_stopping=True, class_weight="balanced")
    model.fit(*learnt, X_val=make(X[half:]), y_val=make(WORDS[half:]), sample_weight_val=make(WEIGHT[half:]))
    logits = X[half:] @ model.coef_.T + model.intercept_
    share = N / 2 / (3 * np.unique(WORDS[:half], return_counts=True)[1])  # of the classes, as they are learnt from
    weight = WEIGHT[half:] * share[np.unique(WORDS[half:], return_inverse=True)[1]]
    expected = np.average(softmax_loss(logits, WORDS[half:]), weights=weight)
    np.testing.assert_allclose(model.validation_curve_.min(), expected, rtol=1e-9)


def test_rows_of_every_partition_are_held_out_for_early_stopping():
    model = GDLogisticClassifier(early_stopping=True, validation_fraction=0.3, random_state=0)
    model.fit(parts(X), parts(TWO))
    assert len(model.validation_curve_) == model.n_iter_
    np.testing.assert_allclose(model.coef_, GDLogisticClassifier().fit(X, TWO).coef_, atol=0.15)
    assert np.array_equal(model.coef_, clone(model).fit(parts(X), parts(TWO)).coef_)
    assert not np.array_equal(model.coef_, clone(model).set_params(random_state=1).fit(parts(X), parts(TWO)).coef_)


@pytest.mark.parametrize(("y", "class_weight"), [(TWO, None), (WORDS, {"no": 0})])
def test_the_loss_on_rows_that_are_held_out_is_their_mean(y, class_weight):
    weight = (np.random.default_rng(1).random(N) < 0.05).astype(float)  # many parts of ten rows have one, or none
    model = GDLogisticClassifier(early_stopping=True, validation_fraction=0.3, class_weight=class_weight, alpha=1e3)
    model.set_params(max_iter=10, random_state=0).fit(parts(X, 10), parts(y, 10), parts(weight, 10))
    assert model.validation_curve_[-1] == pytest.approx(model.loss_curve_[-1], rel=0.1)  # all but constant


def test_networks_go_on_in_parts_with_the_tails_that_a_fit_in_memory_has_squashed():
    heavy, y = np.exp(3 * X), X[:, 0] + X[:, 1]
    network = GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=2, tol=None, random_state=0, warm_start=True)
    assert clone(network).fit(parts(heavy), parts(y)).tails_ == {}
    network.fit(heavy, y)
    tails, in_memory = network.tails_, pickle.loads(pickle.dumps(network))
    assert len(tails) == D
    given = {"X_val": heavy[:99], "y_val": y[:99]}
    network.fit(parts(heavy), parts(y), **given)
    assert network.tails_ == tails
    assert network.validation_curve_[-1] < 2 * in_memory.fit(heavy, y, **given).validation_curve_[-1]
    np.testing.assert_allclose(network.predict(parts(heavy)).compute(), network.predict(heavy), rtol=1e-9)
    np.testing.assert_allclose(network.predict(heavy), in_memory.predict(heavy), atol=0.5)


def test_warm_starts_go_on_from_the_optimum():
    model, in_memory = (GDLogisticClassifier(warm_start=True) for _ in range(2))
    model.fit(parts(X), parts(WORDS))
    coef = model.coef_
    model.fit(parts(X), parts(WORDS))
    assert model.n_iter_ <= in_memory.fit(X, WORDS).fit(X, WORDS).n_iter_ + 2  # in two fits
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6)


@pytest.mark.parametrize(("first", "then"), [(np.float64, np.float32), (np.float32, np.float64)])
def test_warm_starts_go_on_in_the_dtype_in_which_they_began(first, then):
    network = GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=2, tol=None, random_state=0, warm_start=True)
    network.fit(X.astype(first), NUMBERS).fit(parts(X.astype(then)), parts(NUMBERS))
    assert (network.coefs_[0].dtype, network.n_iter_) == (first, 4)


def test_callbacks_watch_stop_and_break_a_fit(at_epoch, tmp_path):
    rows, targets = parts(X), parts(COUNTS)
    model = GDLinearRegressor("poisson")
    whole = clone(model).fit(rows, targets)
    assert whole.n_iter_ > 2
    stopped = clone(model).set_callbacks(at_epoch(2, lambda: True)).fit(rows, targets)
    assert (stopped.n_iter_, stopped.stop_reason_) == (2, "callback")

    def breaks():
        raise OSError("the power is off")

    path = tmp_path / "fit.npz"
    with pytest.raises(OSError, match="power"):
        clone(model).set_callbacks(Checkpoint(path), at_epoch(2, breaks)).fit(rows, targets)
    resumed = clone(model).resume(path, rows, targets)
    assert np.array_equal(resumed.coef_, whole.coef_)
    assert np.array_equal(resumed.intercept_, whole.intercept_)
    other = parts(np.where(np.arange(N) == 4_000, COUNTS + 1, COUNTS))
    with pytest.raises(ValueError, match="partitions"):
        clone(model).resume(path, rows, other)


def with_entry(array, row, value):
    other = array.astype(float)
    other[row] = value
    return parts(other)


POSITIVE = X[:, 0] > 0
REFUSED = {
    "NaN in a partition": (lambda: (with_entry(X, (1_400, 1), np.nan), parts(TWO)), "partition 1: .* NaN"),
    "infinity in a partition": (lambda: (with_entry(X, (5_999, 1), np.inf), parts(TWO)), "partition 4: .* infinity"),
    "NaN in y": (lambda: (parts(X), with_entry(TWO, 2_700, np.nan)), "partition 2: .* y contains NaN"),
    "other rows": (lambda: (parts(X), parts(TWO[1:])), "X has 6000 rows and y 5999"),
    "other rows in a partition": (
        lambda: (parts(X)[parts(POSITIVE)], parts(TWO)[parts(~POSITIVE)]),
        "partition .: .* inconsistent numbers",
    ),
    "other partitions": (lambda: (parts(X)[parts(POSITIVE)], parts(TWO, 999)), "X has 5 partitions and y 7"),
    "words": (lambda: (frame_parts(X).assign(a="x"), frame_parts(TWO)), "column 'a' holds 'x'"),
    "infinite weight": (lambda: (parts(X), parts(TWO), with_entry(WEIGHT, 0, np.inf)), "partition 0: .* infinity"),
    "negative weight": (lambda: (parts(X), parts(TWO), with_entry(WEIGHT, 1_301, -1)), "partition 1: Negative"),
    "weights of zero": (lambda: (parts(X), parts(TWO), parts(0 * WEIGHT)), "no rows with weight"),
    "weights by columns": (lambda: (parts(X), parts(TWO), parts(X)), "partition .: sample_weight has the shape"),
    "one weight": (lambda: (parts(X), parts(TWO), 2.0), "sample_weight must have an entry for each row"),
    "sparse, said to be dense": (
        lambda: (parts(X).map_blocks(sparse.csr_array, meta=np.empty((0, 0))), parts(TWO)),
        "partition .: X is sparse, and its meta is dense",
    ),
    "narrower than said": (
        lambda: (parts(X).map_blocks(lambda block: block[:, :2], meta=np.empty((0, 0))), parts(TWO)),
        "partition .: X has 2 columns, and .* 6",
    ),
    "one dimension": (lambda: (parts(X)[:, 0], parts(TWO)), "X has 1 dimension"),
    "nobody knows how many columns": (
        lambda: (parts(X)[:, da.from_array(np.arange(D) < 3)], parts(TWO)),
        "unknown number of columns: call X.compute_chunk_sizes",
    ),
    "no y": (lambda: (parts(X), None), "X needs a y"),
    "y alone": (lambda: (X, parts(TWO)), "X is a ndarray, and something beside it is a Dask collection"),
    "weights alone": (lambda: (X, TWO, parts(WEIGHT)), "X is a ndarray, and something beside it"),
    "one class": (lambda: (parts(X), parts(0 * TWO)), "only one class"),
    "columns in another order": (
        lambda: (
            dd.from_delayed(
                [dask.delayed(frame_of(X)[:3_000]), dask.delayed(frame_of(X)[3_000:][NAMES[::-1]])],
                meta=frame_of(X)[:0],
                verify_meta=False,
            ),
            frame_parts(TWO, 2),
        ),
        "partition 1: X has the columns .'f', 'e'",
    ),
    "words that are missing": (
        lambda: (frame_parts(X), dd.from_pandas(pd.Series(WORDS).where(pd.Series(np.arange(N) != 1_300)), 5)),
        "partition 1: y contains NaN",
    ),
    "an index that ends later": (
        lambda: (frame_parts(X[:5_000]), frame_parts(TWO)),
        "index of X goes from 0 to 4999, .* from 0 to 5999",
    ),
    "an index that begins earlier": (
        lambda: (dd.from_pandas(frame_of(X)[1_000:], 5), dd.from_pandas(pd.Series(TWO), 4)),
        "index of X goes from 1000 to 5999, .* from 0 to 5999",
    ),
    "other partitions of unknown rows": (
        lambda: (frame_parts(X).clear_divisions(), frame_parts(TWO, 4)),
        "X and what is beside it have 5, 4 partitions",
    ),
    "other rows in a partition of a frame": (
        lambda: (frame_parts(X).clear_divisions(), frame_parts(TWO[:-1]).clear_divisions()),
        "partition 4: .* inconsistent numbers",
    ),
    "delayed": (lambda: (dask.delayed(X), TWO), "X is a Dask Delayed.*: give an Array or a DataFrame"),
    "nothing": (lambda: (parts(X)[parts(X[:, 0] > 99)], parts(TWO)[parts(X[:, 0] > 99)]), "no rows with weight"),
    "numbers for classes": (lambda: (parts(X), parts(NUMBERS)), "Unknown label type"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fitted_is_told_of_and_the_former_model_stays(case):
    make, message = REFUSED[case]
    model = GDLogisticClassifier().fit(X[:500], TWO[:500])
    before = pickle.dumps(model)
    with dask.config.set(scheduler="synchronous"), pytest.raises(ValueError, match=message):
        model.fit(*make())
    assert pickle.dumps(model) == before


class Turning:
    """Blocks of which the third holds an entry that isn't finite from some reading on."""

    def __init__(self, entry, after):
        self.entry, self.after, self.n_read = entry, after, 0

    def __call__(self, block):
        if not block.size or block[0, 0] != X[2_600, 0]:
            return block
        self.n_read += 1
        block = block.copy()
        block[7, 1] = self.entry if self.n_read > self.after else block[7, 1]
        return block


@pytest.mark.parametrize(
    ("model", "after"),
    [
        (GDLogisticClassifier(), 1),
        (GDLogisticClassifier(), 2),
        (GDLinearRegressor(), 1),
        (GDLinearRegressor(loss="huber"), 2),
        (GDLogisticClassifier(optimizer="adam", batch_size=100, max_iter=5), 3),
        (GDLogisticClassifier(early_stopping=True), 2),
    ],
)
@pytest.mark.parametrize("entry", [np.nan, -np.inf])
def test_what_is_no_number_any_more_in_a_later_pass_is_told_of_with_its_part(model, after, entry):
    rows = parts(X).map_blocks(Turning(entry, after), meta=np.empty((0, 0)))
    refused = pytest.raises(ValueError, match=r"^partition 2: X holds NaN or infinity now")
    with dask.config.set(scheduler="synchronous"), refused:
        clone(model).fit(rows, parts(TWO))


@pytest.mark.parametrize(
    "model", [GDLogisticClassifier(class_weight="balanced"), GDMLPClassifier(max_iter=1, tol=None)]
)
def test_classes_in_a_column_are_warned_of_once(model):
    column = pd.DataFrame({"y": TWO})
    with pytest.warns(DataConversionWarning, match="y is a column") as warned:
        model.fit(frame_parts(X), dd.from_pandas(column, npartitions=5))
    assert [each.filename for each in warned] == [__file__]
    assert list(model.classes_) == [0, 1]
    assert 0.5 < float(model.score(frame_parts(X), dd.from_pandas(column, npartitions=5))) < 1
    one = GDLinearRegressor().fit(frame_parts(X), dd.from_pandas(column, npartitions=5))
    assert one.coef_.shape == (1, D)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_weights_of_all_parts_may_be_tiny_or_immense(unit):
    model = GDLogisticClassifier(class_weight="balanced")
    expected = clone(model).fit(X, TWO, WEIGHT)
    close(model.fit(parts(X), parts(TWO), parts(WEIGHT * unit)), expected)
    weighted = float(model.score(parts(X), parts(TWO), parts(WEIGHT * unit)))
    assert weighted == pytest.approx(expected.score(X, TWO, WEIGHT))
    alone = WEIGHT * np.where(np.arange(N) < 1_300, unit, 1)  # of the first part, beside others
    expected = Ridge(alpha=1e-4 * alone.sum() / alone.max()).fit(X, NUMBERS, alone / alone.max())
    ours = GDLinearRegressor(alpha=1e-4, standardize=False).fit(parts(X), parts(NUMBERS), parts(alone))
    np.testing.assert_allclose(ours.coef_, expected.coef_, atol=1e-4)


def sent_for_a_pass(rows):
    return max(len(pickle.dumps(dict(rows.parts.needed_for(number)))) for number in range(rows.n_partitions))


def test_targets_and_weights_in_memory_go_to_their_parts_alone_and_to_a_cluster_once(monkeypatch):
    expected = GDLogisticClassifier().fit(parts(X), parts(WORDS), parts(WEIGHT)).coef_
    assert np.array_equal(GDLogisticClassifier().fit(parts(X), list(WORDS), WEIGHT).coef_, expected)
    lazy = da.random.random((N, D), chunks=(600, D))  # which takes nothing along
    assert sent_for_a_pass(partitions_of(lazy, NUMBERS, WEIGHT)) < 2 * 600 * 8 * 1.5
    with pytest.raises(ValueError, match="X has 6000 rows and y 5999"):
        partitions_of(lazy, NUMBERS[1:], WEIGHT)
    client, cluster = cluster_of(2, 1)
    with cluster, client:
        rows = partitions_of(lazy, NUMBERS, WEIGHT)
        assert sent_for_a_pass(rows) < 5_000
        assert sum(rows.map(sum_of_targets)) == pytest.approx(NUMBERS @ WEIGHT)
        assert np.array_equal(GDLogisticClassifier().fit(parts(X), WORDS, WEIGHT).coef_, expected)


def sum_of_targets(part):
    return part.y @ part.weight


def test_cross_validation_takes_arrays():
    model, grid = GDLogisticClassifier(), {"alpha": [1e-3, 1.0]}
    expected = cross_val_score(model, X, TWO, cv=3)
    np.testing.assert_allclose(cross_val_score(model, parts(X), parts(TWO), cv=3), expected, atol=1e-3)
    search = GridSearchCV(model, grid, cv=3).fit(parts(X), parts(TWO))
    assert search.best_params_ == GridSearchCV(model, grid, cv=3).fit(X, TWO).best_params_
    assert np.isscalar(model.fit(parts(X), parts(TWO)).score(parts(X), parts(TWO)).item())


def test_validation_rows_are_checked_as_all_others():
    model, half = GDLogisticClassifier(), X[:3_000]
    with pytest.raises(ValueError, match="has 3 features"):  # and nothing is read beyond their ends
        model.fit(parts(X), parts(TWO), X_val=parts(X[:, :3]), y_val=parts(TWO))
    with pytest.raises(ValueError, match="validation data are a collection, and X isn't"):
        model.fit(half, TWO[:3_000], X_val=parts(X), y_val=parts(TWO))
    with pytest.raises(ValueError, match=r"X_val: partition .: y contains classes"):
        model.fit(parts(X), parts(TWO), X_val=parts(X), y_val=parts(TWO + 5))
    with pytest.raises(ValueError, match="X_val is a ndarray"):
        model.fit(parts(X), parts(TWO), X_val=half, y_val=parts(TWO))
    with pytest.raises(ValueError, match="of X and X_val one is sparse"):
        model.fit(parts(X), parts(TWO), X_val=csr_parts(X), y_val=parts(TWO))
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        model.fit(parts(X), parts(TWO), X_val=frame_parts(X), y_val=frame_parts(TWO))


def test_partial_fit_takes_rows_in_memory():
    with pytest.raises(ValueError, match="partial_fit takes rows in memory"):
        GDLinearRegressor().partial_fit(parts(X), parts(NUMBERS))


def cluster_of(n_workers, n_threads):
    """A cluster in this process, and its client."""
    options = {"processes": False, "dashboard_address": ":0"}
    cluster = distributed.LocalCluster(n_workers=n_workers, threads_per_worker=n_threads, **options)
    return distributed.Client(cluster), cluster


def fits():
    two = GDLogisticClassifier(class_weight="balanced", early_stopping=True, random_state=0)
    return [
        two.fit(parts(X), parts(TWO), parts(WEIGHT)).coef_,
        GDLinearRegressor("huber").fit(csr_parts(X, 300), parts(NUMBERS, 300)).coef_,
    ]


def test_the_bits_are_the_same_wherever_the_work_is_done():
    with dask.config.set(scheduler="synchronous"):
        expected = fits()
    found = {}
    with dask.config.set(scheduler="threads", num_workers=2):
        found["threads"] = fits()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, dask.config.set(scheduler="processes", pool=pool):
        found["processes"] = fits()
    for shape in ((1, 1), (1, 2), (2, 1), (2, 2)):
        client, cluster = cluster_of(*shape)
        with cluster, client:
            found[shape] = fits()
    for where, coefs in found.items():
        assert all(map(np.array_equal, coefs, expected)), where


@pytest.fixture
def gathered(monkeypatch):
    """Sizes in bytes of all that comes from the parts."""
    from skgd._dask import DaskPartitions

    sizes = []
    for name in ("map", "total"):
        whole = getattr(DaskPartitions, name)

        @functools.wraps(whole)
        def counted(self, *arguments, whole=whole, **named):
            result = whole(self, *arguments, **named)
            sizes.append(len(pickle.dumps(result)))
            return result

        monkeypatch.setattr(DaskPartitions, name, counted)
    return sizes


def test_nothing_whole_is_gathered(gathered):
    big = np.tile(X, (20, 1))
    y = np.tile(TWO, 20)
    GDLogisticClassifier().fit(parts(big, 7_000), parts(y, 7_000))
    first, *passes = gathered
    assert first < 12_000 * (D + 2) * 8 * 1.2  # a sample of some ten thousand rows, in no need of their number
    assert max(passes) < 1_000
    assert len(passes) < 10


@pytest.mark.parametrize(
    ("model", "y"),
    [(GDLogisticClassifier(), TWO), (GDLogisticClassifier(), WORDS), (GDLinearRegressor("poisson"), COUNTS)],
)
def test_there_is_no_more_than_one_pass_above_those_in_memory(model, y, monkeypatch):
    big, y = np.tile(X, (10, 1)) + RNG.standard_normal((10 * N, D)), np.tile(y, 10)
    n_passes = dict.fromkeys((Objective, PartitionedObjective), 0)
    for kind in n_passes:

        def counted(self, *arguments, kind=kind, sums=kind.sums):
            n_passes[kind] += 1
            return sums(self, *arguments)

        monkeypatch.setattr(kind, "sums", counted)
    clone(model).fit(big, y)
    in_memory = n_passes[Objective]
    n_passes[Objective] = 0
    clone(model).fit(parts(big, 6_500), parts(y, 6_500))
    assert 0 < n_passes[PartitionedObjective] <= in_memory + 1


# -- predictions


MODELS = {
    "two": (GDLogisticClassifier(), TWO),
    "words": (GDLogisticClassifier(), WORDS),
    "margins": (GDLinearClassifier("hinge"), TWO),
    "numbers": (GDLinearRegressor(), NUMBERS),
    "several": (GDLinearRegressor(), np.column_stack([NUMBERS, COUNTS])),
    "network": (GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=2, tol=None, random_state=0), WORDS),
    "labels": (GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=2, tol=None), (X[:, :2] > 0.2).astype(int)),
    "net": (GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=2, tol=None, random_state=0), NUMBERS),
}
METHODS = "predict", "decision_function", "predict_proba", "predict_log_proba"


@functools.cache
def fitted(kind, dtype=np.float64):
    model, y = MODELS[kind]
    return clone(model).fit(X.astype(dtype), y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", MODELS)
def test_predictions_are_lazy_and_as_in_memory(kind, dtype):
    model, rows = fitted(kind, dtype), X.astype(dtype)
    unknown = parts(rows)[parts(X[:, 0] < 99)]
    for name in METHODS:
        if not hasattr(model, name):
            continue
        expected = getattr(model, name)(rows)
        for given in (parts(rows), parts(rows, columns=2), unknown, csr_parts(rows)):
            lazy = getattr(model, name)(given)
            assert isinstance(lazy, da.Array)
            assert (lazy.dtype, lazy._meta.dtype, lazy.ndim) == (expected.dtype, expected.dtype, expected.ndim)
            assert lazy.shape[1:] == expected.shape[1:]
            assert np.array_equal(lazy.chunks[0], given.chunks[0], equal_nan=True)
            found = lazy.compute(scheduler="synchronous")
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(found, expected, rtol=1e-5 if found.dtype == np.float32 else 1e-9, atol=1e-6)
            else:
                assert np.mean(found == expected) > 0.999  # sums in another order may turn one that is undecided


def test_predictions_for_frames_go_with_their_rows():
    frame, rows = frame_of(X), frame_parts(X)
    model = GDLogisticClassifier().fit(frame, WORDS)
    found = model.predict(rows)
    assert isinstance(found, dd.Series)
    assert found.divisions == rows.divisions
    assert found.dtype == found.compute().dtype == object  # words of a block mustn't be taken for something else
    pd.testing.assert_series_equal(found.compute(), pd.Series(model.predict(frame), frame.index, object))
    assert list(rows.assign(g=found)["g"].compute()) == list(model.predict(frame))
    chosen = rows[rows["a"] > 2]  # some of whose partitions may be empty
    kept = frame[frame["a"] > 2]
    pd.testing.assert_series_equal(model.predict(chosen).compute(), pd.Series(model.predict(kept), kept.index, object))
    probabilities = model.predict_proba(chosen)
    assert isinstance(probabilities, da.Array)
    assert probabilities.shape[1] == 3
    assert np.array_equal(probabilities.compute(), model.predict_proba(kept))


def test_empty_blocks_have_empty_predictions():
    rows = parts(X, (0, 10, 0, N - 10))
    assert np.array_equal(fitted("words").predict(rows).compute(), fitted("words").predict(X))
    none = parts(X)[parts(X[:, 0] > 99)]
    assert fitted("words").predict_proba(none).compute().shape == (0, 3)


def test_spreads_of_predictions_take_rows_in_memory():
    network = GDMLPRegressor(hidden_layer_sizes=(4,), n_members=2, max_iter=2, tol=None, random_state=0)
    network.fit(X[:60], NUMBERS[:60])
    with pytest.raises(ValueError, match="return_std: takes rows in memory"):
        network.predict(parts(X), return_std=True)
    expected = network.predict(X, return_std=False)
    np.testing.assert_allclose(network.predict(parts(X), return_std=False).compute(), expected, rtol=1e-9)


def test_wrong_columns_are_told_of_before_anything_is_computed():
    def never(block):
        raise AssertionError("computed")

    model, rows = GDLogisticClassifier().fit(frame_of(X), TWO), frame_parts(X)
    for name in METHODS:
        method = getattr(model, name)
        with pytest.raises(ValueError, match="feature names"):
            method(rows[NAMES[::-1]])
        with pytest.raises(ValueError, match="feature names"):
            method(rows[NAMES[:3]].map_partitions(never, meta=rows._meta[NAMES[:3]]))
        with pytest.raises(ValueError, match="1 dimension"):
            method(rows["a"])
        with pytest.raises(ValueError, match="has 2 features"):
            getattr(fitted("two"), name)(parts(X)[:, :2].map_blocks(never, meta=np.empty((0, 0))))
        with pytest.raises(NotFittedError):
            getattr(GDLogisticClassifier(), name)(parts(X))
    assert not hasattr(GDLinearClassifier("hinge").fit(X, TWO), "predict_proba")
    with pytest.raises(ValueError, match="feature names"):
        model.score(rows[NAMES[::-1]], frame_parts(TWO))
    with pytest.raises(NotFittedError):
        GDLinearRegressor().score(parts(X), parts(NUMBERS))


def test_predictions_are_those_of_the_model_as_it_was():
    model = clone(MODELS["two"][0]).fit(X, TWO)
    before, lazy, score = model.predict_proba(X), model.predict_proba(parts(X)), model.score(parts(X), parts(TWO))
    expected = model.score(X, TWO)
    model.coef_[:] = 0
    model.fit(X, 1 - TWO)
    np.testing.assert_allclose(lazy.compute(), before, rtol=1e-12)
    assert float(score) == pytest.approx(expected)


class Doubled(GDLinearRegressor):
    """Calls its base's method."""

    def predict(self, X):
        return 2 * super().predict(X)


def test_subclasses_may_call_the_method_of_their_base():
    model = Doubled().fit(X, NUMBERS)
    np.testing.assert_allclose(model.predict(parts(X)).compute(), model.predict(X))
    np.testing.assert_allclose(float(model.score(parts(X), parts(NUMBERS))), model.score(X, NUMBERS))


class Watcher:
    """Can't be pickled."""

    setup = on_fit_task_begin = on_fit_task_end = teardown = lambda self, estimator, context: None

    def __reduce__(self):
        raise TypeError("callbacks don't travel")


def test_the_model_travels_once_without_its_callbacks():
    model = clone(MODELS["words"][0]).set_callbacks(Watcher()).fit(X, WORDS)
    few, many = (model.predict_proba(parts(X, rows)) for rows in (N, 60))
    # tasks travel one by one
    sizes = [sum(len(pickle.dumps(task)) for task in dict(lazy.dask).values()) for lazy in (few, many)]
    one = len(pickle.dumps(clone(MODELS["words"][0]).fit(X, WORDS)))
    assert sizes[0] > one
    assert sizes[1] - sizes[0] < 100 * one  # what 99 more blocks take: no model
    np.testing.assert_allclose(few.compute(), model.predict_proba(X), rtol=1e-9)


def test_fitted_models_are_ordinary_ones():
    client, cluster = cluster_of(1, 1)
    with cluster, client:
        model = GDLogisticClassifier().fit(parts(X), parts(WORDS))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    assert clone(model).get_params() == model.get_params()
    assert not any("dask" in type(value).__module__ for value in vars(model).values())


@pytest.mark.parametrize("kind", MODELS)
def test_scores_are_those_in_memory(kind):
    model, y = fitted(kind), MODELS[kind][1]
    score = model.score(parts(X), parts(y))
    assert isinstance(score, da.Array)
    assert (score.shape, score.dtype) == ((), np.float64)
    assert float(score) == pytest.approx(model.score(X, y), rel=1e-9)
    weight = np.where(np.arange(N) < 1_300, 0, WEIGHT)  # none in the first partition
    score = model.score(parts(X), parts(y), sample_weight=parts(weight))
    assert float(score) == pytest.approx(model.score(X, y, weight), rel=1e-9)


def test_scores_of_frames():
    model = GDLogisticClassifier().fit(frame_of(X), WORDS)
    assert float(model.score(frame_parts(X), frame_parts(WORDS))) == pytest.approx(model.score(frame_of(X), WORDS))


def test_scores_keep_their_digits_far_from_zero():
    y = 1e9 + NUMBERS
    model = GDLinearRegressor().fit(X, y)
    assert float(model.score(parts(X), parts(y))) == pytest.approx(model.score(X, y), rel=1e-6)
    constant = np.full(N, 2.0)
    assert float(model.score(parts(X), parts(constant))) == model.score(X, constant) == 0
    assert float(GDLinearRegressor().fit(X, constant).score(parts(X), parts(constant))) == 1


def test_what_has_no_score_is_told_of():
    model = fitted("numbers")
    with pytest.raises(ValueError, match="X is a ndarray, and something beside it"):
        model.score(X, parts(NUMBERS))
    with pytest.raises(ValueError, match=r"partition .: y has 2 columns, and predictions 1"):
        float(model.score(parts(X), parts(X[:, :2])))
    with pytest.raises(ValueError, match=r"partition .: y holds NaN"):
        float(model.score(parts(X), with_entry(NUMBERS, 0, np.nan)))
    with pytest.raises(ValueError, match="X has 6000 rows and y 5999"):
        model.score(parts(X), parts(NUMBERS[1:]))
    with pytest.raises(ValueError, match=r"partition .: X has \d+ rows and y \d+"):
        float(model.score(parts(X)[parts(POSITIVE)], parts(NUMBERS)[parts(~POSITIVE)]))
    assert np.isnan(float(model.score(parts(X), parts(NUMBERS), parts(0 * WEIGHT))))


# -- parts, one after the other


def number_of(part):
    return part.number


def test_parts_are_fetched_ahead_in_any_order():
    begun = []

    def read(block):
        if block.size:
            begun.append(block[0, 0])
        return block

    firsts = list(X[::1_300, 0])
    rows = partitions_of(parts(X).map_blocks(read, meta=np.empty((0, 0))), parts(TWO), None)
    numbers = [3, 0, 4, 1, 2]
    assert list(rows.fetch(number_of, numbers)) == numbers
    assert sorted(begun) == sorted(firsts)  # each once
    begun.clear()
    some = rows.fetch(number_of, numbers)
    assert next(some) == 3
    some.close()
    assert len(begun) <= 3  # and what nobody wants any more isn't read


def test_parts_are_fetched_under_numpys_settings_in_force_here():
    found = []

    def read(block):
        found.append(np.geterr()["over"])
        return block

    rows = partitions_of(parts(X).map_blocks(read, meta=np.empty((0, 0))), parts(TWO), None)
    with dask.config.set(scheduler="synchronous"), np.errstate(over="call"):
        assert list(rows.fetch(number_of, [1, 0])) == [1, 0]
    assert found == ["call", "call"]


def fails_at_two(part):
    if part.number == 2:
        raise KeyError("two")
    return part.number


def test_what_fails_while_it_is_fetched_is_told_where_it_is_asked_for():
    found = []
    with pytest.raises(KeyError, match="two"):
        found.extend(partitions_of(parts(X), parts(TWO), None).fetch(fails_at_two, [1, 0, 2, 3]))
    some = partitions_of(parts(X), parts(TWO), None).fetch(fails_at_two, [1, 0, 2, 3])
    assert [next(some), next(some)] == [1, 0]


def test_categories_take_rows_in_memory_but_predictions_don_t():
    table = frame_of(X[:60]).assign(a=lambda frame: frame["a"].round().astype("category"))
    collection, model = (
        dd.from_pandas(table, npartitions=3),
        GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0),
    )
    with pytest.raises(ValueError, match="columns of categories take rows in memory"):
        model.fit(collection, dd.from_pandas(pd.Series(NUMBERS[:60]), npartitions=3))
    model.fit(table, NUMBERS[:60])
    np.testing.assert_array_equal(model.predict(collection).compute(scheduler="synchronous"), model.predict(table))
