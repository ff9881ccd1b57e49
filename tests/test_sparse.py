"""Sparse data: the same results as dense data, in all formats, with work that follows the entries."""

import itertools
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from skgd._auto.decide import column_chances
from skgd._compile.kernels import kernel, plug_in
from skgd._kernels.structures import Buffers, Data, Linear
from skgd._problem.features import NO_TARGETS, dense_rows, raw_features, scaled_rows
from skgd._problem.rows import Rows
from skgd._problem.scaling import feature_moments, largest_entries
from skgd._targets.held_out import hold_out
from skgd.losses import SquaredError
from skgd.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, AdamW, NAdam, Optimizer

MAKERS = {"regressor": GDLinearRegressor, "classifier": GDLogisticClassifier}


def make_data(n=300, d=20, density=0.2, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = sparse.random(n, d, density=density, random_state=seed, format="csr", data_rvs=rng.standard_normal)
    signal = X @ rng.standard_normal(d)
    return X.astype(dtype), 3 + signal + 0.1 * rng.standard_normal(n)


def targets(kind, y, n_classes=2):
    return y if kind == "regressor" else np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))


def wide(n=500, d=5000, seed=0):
    """So wide that mini-batches are updated lazily; column 7 is dense."""
    X, y = make_data(n, d, 0.003, seed)
    X = X.tolil()
    X[:, 7] = np.random.default_rng(1).standard_normal((n, 1))
    return X.tocsr(), y


def quiet(model, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*data)


def data_of(X, y=None, weight=(), subset=()):
    y = np.zeros((X.shape[0], 1)) if y is None else y.reshape(-1, 1)
    arrays = [np.asarray(array, dtype) for array, dtype in ((y, float), (weight, float), (subset, np.uint32))]
    for array in arrays:
        array.flags.writeable = False
    return Data(raw_features(X), arrays[0], NO_TARGETS["float32"], np.zeros(1), np.ones(1), *arrays[1:])


# -- the same as dense


@pytest.mark.each("optimizer", [*OPTIMIZERS, "auto"])
@pytest.mark.parametrize("standardize", ["max_abs", False])
@pytest.mark.parametrize("kind", MAKERS)
def test_full_batches_make_the_same_steps_as_on_dense_data(kind, standardize, optimizer):
    X, y = make_data()
    settings = {"optimizer": optimizer, "standardize": standardize, "batch_size": None, "max_iter": 20, "tol": None}
    on_sparse = MAKERS[kind](**settings).fit(X, targets(kind, y))
    on_dense = MAKERS[kind](**settings).fit(X.toarray(), targets(kind, y))
    np.testing.assert_allclose(on_sparse.coef_, on_dense.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(on_sparse.loss_curve_, on_dense.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("penalty", ["l2", "l1", None])
def test_mini_batches_of_narrow_data_make_the_same_steps(n_classes, penalty):
    X, y = make_data()
    settings = {"optimizer": "adam", "batch_size": 7, "max_iter": 3, "tol": None, "random_state": 0, "penalty": penalty}
    c = targets("classifier", y, n_classes)
    on_sparse, on_dense = (
        GDLogisticClassifier(alpha=0.01, standardize="max_abs", **settings).fit(given, c) for given in (X, X.toarray())
    )
    np.testing.assert_allclose(on_sparse.coef_, on_dense.coef_, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(
    ("batch_size", "n_classes", "clip_norm"),
    [(1, 2, None), (1, 3, 0.1), (8, 2, 0.1), (8, 3, None), (33, 2, None), (33, 3, 0.1)],
)
def test_lazy_descent_without_a_penalty_makes_the_same_steps(batch_size, n_classes, clip_norm):
    X, y = wide()
    c = targets("classifier", y, n_classes)
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "penalty": None, "batch_size": batch_size, "max_iter": 3}
    settings |= {"tol": None, "random_state": 0, "clip_norm": clip_norm}
    lazy, dense = (GDLogisticClassifier(standardize="max_abs", **settings).fit(given, c) for given in (X, X.toarray()))
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(lazy.loss_curve_, dense.loss_curve_, rtol=1e-9)
    assert column_chances(Rows(data_of(X), 1), batch_size, SGD()) is not None


def test_lazy_descent_begins_anew_after_a_divergence_as_dense_descent_does(monkeypatch):
    monkeypatch.setattr("skgd._auto.linear.gradient_rate", lambda *of: 50.0)
    X, y = wide()
    settings = {"optimizer": "sgd", "penalty": None, "batch_size": 8, "max_iter": 3, "tol": None, "random_state": 0}
    lazy, dense = (GDLinearRegressor(standardize="max_abs", **settings).fit(given, y) for given in (X, X.toarray()))
    assert lazy.learning_rate_ == dense.learning_rate_ < 50
    np.testing.assert_allclose(lazy.coef_, dense.coef_, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_optimum_of_standardised_sparse_data_is_that_of_dense_data(fit_intercept, weighted):
    X, y = make_data()
    weight = np.random.default_rng(0).uniform(0.1, 3, len(y)) if weighted else None
    settings = {"standardize": True, "fit_intercept": fit_intercept, "alpha": 0.1, "criterion": "gradient", "tol": 1e-8}
    on_sparse = GDLinearRegressor(max_iter=20_000, **settings).fit(X, y, weight)
    on_dense = GDLinearRegressor(max_iter=20_000, **settings).fit(X.toarray(), y, weight)
    np.testing.assert_allclose(on_sparse.coef_, on_dense.coef_, atol=1e-6)
    np.testing.assert_allclose(on_sparse.intercept_, on_dense.intercept_, atol=1e-6)


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_many_sparse_rows_without_an_intercept_have_none(loss):
    rng, n = np.random.default_rng(0), 25_000
    X = sparse.random_array((n, 6), density=0.2, rng=rng, format="csr")
    signs = np.where(X.sum(axis=1) + rng.logistic(size=n) > -0.5, 1.0, -1.0)
    model = GDLinearClassifier(loss, alpha=1e-3, standardize=False, fit_intercept=False).fit(X, signs)
    assert not model.intercept_.any()
    margins = signs * (X @ model.coef_[0])
    slopes = -1 / (1 + np.exp(margins)) if loss == "log_loss" else -2 * np.maximum(1 - margins, 0)
    np.testing.assert_allclose(X.T @ (slopes * signs) / n + 1e-3 * model.coef_[0], 0, atol=1e-5)


def test_max_abs_against_the_exact_solver():
    X, y = make_data()
    scale = np.abs(X).max(axis=0).toarray().ravel()
    Z = X.toarray() / scale
    settings = {"standardize": "max_abs", "alpha": 0.01, "criterion": "gradient", "tol": 1e-9, "max_iter": 50_000}
    model = GDLinearRegressor(**settings).fit(X, y)
    oracle = Ridge(alpha=0.01 * len(y)).fit(Z, y)
    np.testing.assert_allclose(model.coef_ * scale, oracle.coef_, atol=1e-6)
    classes = targets("classifier", y)
    model = GDLogisticClassifier(**settings).fit(X, classes)
    oracle = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-10, max_iter=10_000).fit(Z, classes)
    np.testing.assert_allclose(model.coef_ * scale, oracle.coef_, atol=1e-5)


def mixed_columns(n_rows=600):
    """A long tail, rare and common indicators, counts, and numbers: what one-hot encoding leaves beside the rest."""
    rng = np.random.default_rng(0)
    tail = np.where(rng.random(n_rows) < 0.1, np.exp(rng.normal(8, 1.5, n_rows)), 0.0)
    indicators = rng.random((n_rows, 3)) < [0.012, 0.3, 0.9]
    X = np.column_stack([tail, indicators, rng.poisson(0.4, n_rows), rng.normal(40, 13, n_rows), np.zeros(n_rows)])
    z = np.log1p(tail) / 4 + indicators @ [2.0, -1.0, 0.5] + (X[:, 5] - 40) / 20 - 0.5
    return X, z + rng.logistic(size=n_rows) / 2, rng.integers(0, 3, n_rows).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
def test_what_auto_means_is_up_to_the_column_however_it_is_stored(kind, weighted):
    X, y, weight = mixed_columns()
    weight = weight if weighted else np.ones(len(y))
    stored = sparse.csr_array(X)
    explicit = sparse.csr_array((X.ravel(), np.tile(np.arange(7), len(X)), np.arange(0, X.size + 1, 7)), shape=X.shape)
    share = weight @ (X != 0) / weight.sum()
    mean = weight @ X / weight.sum()
    std = np.sqrt(weight @ (X - mean) ** 2 / weight.sum())
    rare = 0.01 / share[:6].mean()
    scale = np.r_[std[:6] * np.maximum(1, rare / share[:6]) ** 0.625, 1.0]
    assert 0 < (share[:6] < rare).sum() < 6
    Z = (X - mean) / scale
    alpha, n = 1e-2, weight.sum()
    model = MAKERS[kind](alpha=alpha, criterion="gradient", tol=1e-10)
    if kind == "classifier":
        oracle = LogisticRegression(C=1 / (alpha * n), tol=1e-12, max_iter=10_000).fit(Z, y > 0, weight)
    else:
        oracle = Ridge(alpha=alpha * n).fit(Z, y, weight)
    for given in (X, stored, explicit):  # zeros may be stored
        model.fit(given, y if kind == "regressor" else y > 0, weight)
        np.testing.assert_allclose(np.ravel(model.coef_) * scale, np.ravel(oracle.coef_), atol=2e-6)
        np.testing.assert_allclose(
            model.intercept_, oracle.intercept_ - mean / scale @ np.ravel(oracle.coef_), atol=2e-5
        )


def test_all_words_of_text_are_rare_columns():
    X, _ = make_data(3000, 400, 0.006)
    share, std = (X.toarray() != 0).mean(axis=0), X.toarray().std(axis=0)
    np.testing.assert_allclose(feature_moments(data_of(X)).scale(1e-16, True), std / share**0.625)


# -- lazy updates


@pytest.mark.parametrize("optimizer", [name for name, make in OPTIMIZERS.items() if not make().searches_line])
def test_every_rule_learns_lazily(optimizer):
    X, y = wide()
    rate = {"adadelta": 10.0, "sgd": 0.5, "svrg": 0.5, "momentum": 0.1, "nesterov": 0.1}.get(optimizer, 0.02)
    model = GDLogisticClassifier(optimizer=optimizer, learning_rate=rate, batch_size=8, max_iter=20, tol=None)
    c = targets("classifier", y)
    assert quiet(model, X, c).score(X, c) > 0.9
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]


def replayed_lazily(X, c, batch_size, n_epochs, rate, alpha=0.0, l1=0.0, decay=0.0, adam=False):
    """Logistic regression on raw CSR rows in memory order, in NumPy: columns that no row of a batch has stay behind.

    Penalties and decay of a column count 1 / (probability that a batch touches it) times. The intercept is last.
    """
    n, d = X.shape
    count = np.bincount(X.indices, minlength=d)
    chance = -np.expm1(batch_size * np.log1p(-np.minimum(count / n, 1 - 1e-16)))
    chance[0] = 1.0  # belongs to every batch, as the intercept does
    rarity = np.append(1 / np.where(chance > 0, chance, 1), 0.0)
    theta, m, v = np.zeros(d + 1), np.zeros(d + 1), np.zeros(d + 1)
    Z = np.column_stack([X.toarray(), np.ones(n)])
    for t, start in enumerate(n_epochs * list(range(0, n, batch_size)), start=1):
        rows = slice(start, start + batch_size)
        touched = (Z[rows] != 0).any(axis=0)
        touched[[0, -1]] = True
        w = theta[touched]
        counts = rarity[touched]
        gradient = (Z[rows].T @ (expit(Z[rows] @ theta) - c[rows]))[touched] / len(Z[rows])
        gradient += alpha * np.minimum(counts, 1 / (rate * alpha) if alpha else np.inf) * w
        w = w * (1 - np.minimum(rate * decay * counts, 1))
        if adam:
            m[touched] = 0.9 * m[touched] + 0.1 * gradient
            v[touched] = 0.999 * v[touched] + 0.001 * gradient**2
            gradient = m[touched] / (1 - 0.9**t) / (np.sqrt(v[touched] / (1 - 0.999**t)) + 1e-8)
        w = w - rate * gradient
        theta[touched] = np.sign(w) * np.maximum(np.abs(w) - rate * l1 * counts, 0)
    return theta


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": 0.05},
        {"alpha": 3.0},  # steps of the penalty that would go beyond zero end there
        {"alpha": 0.05, "adam": True},
        {"decay": 0.5, "adam": True},
        {"decay": 50.0, "adam": True},
        {"l1": 0.002},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_lazy_penalties_count_as_often_as_their_columns_are_rare(batch_size, settings):
    X, y = wide(120, 2000)
    c, rate = targets("classifier", y), 0.03 if "adam" in settings else 0.5
    theta = replayed_lazily(X, c, batch_size, 3, rate, **settings)
    optimizer = AdamW(weight_decay=settings.get("decay", 0.0)) if "adam" in settings else "sgd"
    penalty = "l1" if "l1" in settings else "l2"
    model = GDLogisticClassifier(optimizer=optimizer, learning_rate=rate, penalty=penalty, batch_size=batch_size)
    model.set_params(alpha=settings.get("l1", settings.get("alpha", 0.0)), standardize=False, shuffle=False)
    model.set_params(max_iter=3, tol=None).fit(X, c)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), theta, rtol=1e-4, atol=1e-6)


def test_rows_held_out_of_lazy_updates_are_those_that_are_judged():
    X, y = wide()
    c = targets("classifier", y)
    X = sparse.csr_matrix(X.multiply((np.arange(500) % 5 > 0)[:, None]))  # rows of very different lengths
    X.eliminate_zeros()
    _, rows = hold_out(500, 0.1, np.empty(0), c, np.random.RandomState(0))
    model = GDLogisticClassifier(early_stopping=True, optimizer="adam", batch_size=8, random_state=0, max_iter=300)
    quiet(model.set_params(tol=0.0), X, c)
    assert model.stop_reason_ == "early_stopping"
    expected = -model.predict_log_proba(X)[rows, c[rows]].mean()
    assert model.validation_curve_.min() == pytest.approx(expected, rel=1e-9)


def test_untouched_columns_keep_parameters_and_state():
    X, y = wide()
    X = X[:64]
    columns = np.unique(X.indices)
    rest = np.setdiff1d(np.arange(1, X.shape[1]), columns)
    model = quiet(GDLinearRegressor(optimizer=Adam(), batch_size=4, max_iter=3, tol=None), X, y[:64])
    assert np.abs(model.coef_[columns]).min() > 0
    assert (model.coef_[rest] == 0).all()
    assert (model._training.state.slots[:, rest] == 0).all()


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_lazy_penalties_lead_to_the_optimum_on_average(penalty):
    X, y = wide(400, 600)
    alpha = 0.02
    common = {"penalty": penalty, "alpha": alpha, "l1_ratio": 0.3, "standardize": "max_abs", "random_state": 0}
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "schedule": "invscaling", "max_iter": 400, "tol": None}
    lazy = GDLinearRegressor(batch_size=2, average=100 * 200, **settings, **common).fit(X, y)
    assert column_chances(Rows(data_of(X), 1), 2, SGD()) is not None
    # scikit-learn's objective is n times skgd's for Ridge, and the same for ElasticNet
    scale = np.abs(X).max(axis=0).toarray().ravel()
    scale[scale == 0] = 1.0
    exact = Ridge(alpha=alpha * len(y)) if penalty == "l2" else ElasticNet(alpha=alpha, l1_ratio=0.3, tol=1e-8)
    best = exact.fit(X.toarray() / scale, y).coef_
    distance = np.linalg.norm(lazy.coef_ * scale - best) / np.linalg.norm(best)
    assert distance < 0.05, distance


def test_strong_penalties_of_rare_columns_dont_overshoot():
    X, y = wide()
    settings = {"optimizer": "sgd", "learning_rate": 0.3, "batch_size": 2, "max_iter": 5, "tol": None}
    model = quiet(GDLinearRegressor(alpha=3.0, **settings), X, y)
    assert model.stop_reason_ == "max_iter"
    scale = np.abs(X).max(axis=0).toarray().ravel()
    assert np.abs(model.coef_ * scale).max() < 10 * y.std()


class CountsInItsFirstEntry(Optimizer):
    n_slots = 1
    default_learning_rate = 1e-3

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        if slots[0, 0] != t - 1:
            params[0] = np.nan
        slots[0, 0] = t
        for j in range(params.size):
            params[j] -= learning_rate * grads[j]


@pytest.mark.parametrize("optimizer", [CountsInItsFirstEntry(), NAdam(learning_rate=0.01)])
def test_a_rule_may_keep_a_number_in_its_first_entry(optimizer):
    X, y = wide()
    model = quiet(GDLinearRegressor(optimizer=optimizer, batch_size=4, max_iter=3, tol=None), X, y)
    assert model.stop_reason_ == "max_iter"
    assert model.t_ == 3 * 125


class InPython(Optimizer):
    default_learning_rate = 0.1

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        params -= learning_rate * np.array([g for g in grads.tolist() if isinstance(g, float)])


def test_python_rules_work_lazily_too():
    X, y = wide(60)
    settings = {"batch_size": 4, "max_iter": 2, "tol": None, "random_state": 0, "learning_rate": 0.1}
    with pytest.warns(RuntimeWarning, match="can't be compiled"):
        python = GDLinearRegressor(optimizer=InPython(), **settings).fit(X, y[:60])
    compiled = GDLinearRegressor(optimizer="sgd", **settings).fit(X, y[:60])
    np.testing.assert_allclose(python.coef_, compiled.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("average", [True, 0.99])
def test_averages_of_lazy_updates_lie_near_those_of_all_updates(average):
    X, y = wide()
    settings = {"optimizer": "sgd", "learning_rate": 0.1, "penalty": None, "batch_size": 4, "max_iter": 20, "tol": None}
    settings |= {"average": average, "random_state": 0}
    lazy, dense = (GDLinearRegressor(standardize="max_abs", **settings).fit(given, y) for given in (X, X.toarray()))
    assert not np.array_equal(lazy.coef_, dense.coef_)  # of fewer updates
    np.testing.assert_allclose(lazy.coef_, dense.coef_, atol=0.05 * np.abs(dense.coef_).max())


def test_the_same_seed_gives_the_same_bits():
    X, y = wide()
    one, two = (
        quiet(GDLinearRegressor(optimizer="adam", batch_size=8, max_iter=4, random_state=5), X, y) for _ in range(2)
    )
    np.testing.assert_array_equal(one.coef_, two.coef_)


# -- formats


def reversed_columns(csr):
    """The same matrix with the entries of each row in the other order."""
    unsorted = csr.copy()
    for row in range(csr.shape[0]):
        part = slice(csr.indptr[row], csr.indptr[row + 1])
        unsorted.indices[part] = unsorted.indices[part][::-1].copy()
        unsorted.data[part] = unsorted.data[part][::-1].copy()
    unsorted.has_sorted_indices = False
    return unsorted


def formats(X):
    csr = sparse.csr_matrix(X)
    unsorted = reversed_columns(csr)
    long = csr.copy()
    long.indices, long.indptr = long.indices.astype(np.int64), long.indptr.astype(np.int64)
    twice = sparse.csr_matrix((np.repeat(csr.data / 2, 2), np.repeat(csr.indices, 2), csr.indptr * 2), shape=csr.shape)
    stored = sparse.csr_matrix(np.vstack([np.ones(X.shape[1]), X[1:]]))
    stored.data[: X.shape[1]] = X[0]
    yield from (csr.tocsc(), csr.tocoo(), csr.tolil(), csr.todok(), csr.tobsr(), sparse.csr_array(csr))
    yield from (sparse.coo_array(csr), unsorted, long, twice, stored)


def test_every_format_gives_the_same_model():
    X, y = make_data(60, 8)
    expected = quiet(GDLinearRegressor(max_iter=30), X, y)
    for given in formats(X.toarray()):
        model = quiet(GDLinearRegressor(max_iter=30), given, y)
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, err_msg=str(type(given)))
        np.testing.assert_allclose(model.predict(given), expected.predict(X.toarray()), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, bool, np.longdouble])
def test_other_dtypes_are_converted(dtype):
    X, y = make_data(50, 5, 0.5)
    X = sparse.csr_matrix((3 * X.toarray()).astype(dtype).astype(float))
    expected = quiet(GDLinearRegressor(max_iter=20), X, y)
    if dtype is np.float16:
        return
    np.testing.assert_array_equal(quiet(GDLinearRegressor(max_iter=20), X.astype(dtype), y).coef_, expected.coef_)


def test_float32_gives_float32_coefficients():
    X, y = make_data(dtype=np.float32)
    model, exact = (
        quiet(GDLinearRegressor(max_iter=50), X, y),
        quiet(GDLinearRegressor(max_iter=50), X.astype(float), y),
    )
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-4, atol=1e-6)
    model.partial_fit(X, y)
    assert model.coef_.dtype == np.float32
    model.partial_fit(X.astype(np.float64), y)  # from then on there is more to tell
    assert model.coef_.dtype == np.float64
    assert model.partial_fit(X, y).coef_.dtype == np.float64


def test_inputs_are_neither_copied_nor_changed(tmp_path):
    X, y = make_data()
    names = ("data", "indices", "indptr")
    before = {name: getattr(X, name).copy() for name in names}
    for name in names:
        getattr(X, name).flags.writeable = False
    assert np.shares_memory(raw_features(X).data, X.data)
    assert np.shares_memory(raw_features(X).indices, X.indices)
    expected = quiet(GDLinearRegressor(optimizer="adam", batch_size=16, max_iter=3, random_state=0), X, y)
    twice = next(given for given in formats(X.toarray()) if given.nnz == 2 * X.nnz)
    stored = twice.data.copy()
    quiet(GDLinearRegressor(max_iter=3), twice, y)
    np.testing.assert_array_equal(twice.data, stored)
    mapped = X.copy()
    for name in names:
        np.save(tmp_path / name, before[name])
        np.testing.assert_array_equal(getattr(X, name), before[name])
        setattr(mapped, name, np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    model = quiet(GDLinearRegressor(optimizer="adam", batch_size=16, max_iter=3, random_state=0), mapped, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize("optimizer", ["auto", "adam"])
@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("standardize", ["auto", True, False])
def test_empty_rows_columns_and_matrices(standardize, batch_size, optimizer):
    settings = {"standardize": standardize, "batch_size": batch_size, "optimizer": optimizer, "max_iter": 30}
    y = np.arange(12.0)
    nothing = sparse.csr_matrix((12, 400))
    model = quiet(GDLinearRegressor(**settings), nothing, y)
    assert (model.coef_ == 0).all()
    some = nothing.tolil()
    some[3, 5], some[7, 5], some[4, 0] = 2.0, 1.0, 3.0
    model = quiet(GDLinearRegressor(**settings), some.tocsr(), y)
    assert np.isfinite(model.coef_).all()
    assert set(np.flatnonzero(model.coef_)) <= {0, 5}
    model = quiet(GDLinearRegressor(**settings), some.tocsr()[3], y[3:4])
    assert np.isfinite(model.predict(some.tocsr())).all()


# -- errors


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_and_the_model_survives(bad):
    X, y = make_data()
    model = quiet(GDLinearRegressor(max_iter=5), X, y)
    coef = model.coef_.copy()
    broken = X.copy()
    broken.data[3] = bad
    for call in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            call(broken, y)
    np.testing.assert_array_equal(model.coef_, coef)


@pytest.mark.parametrize("storage", ["csr", "csc", "bsr", "coo", "lil"])
def test_columns_and_rows_out_of_range_are_refused(storage):
    X, y = make_data()
    model = quiet(GDLinearRegressor(max_iter=5), X, y)
    for number in (-1, 10**9):
        broken = X.asformat(storage).copy()
        if storage == "coo":
            broken.row[5] = number
        elif storage == "lil":
            broken.rows[5], broken.data[5] = [number], [1.0]
        else:
            broken.indices[5] = number
        for call in (GDLinearRegressor().fit, model.partial_fit, model.score):
            with pytest.raises(
                ValueError, match=r"X is no valid C?[A-Z]+ matrix: it has (column|row) numbers outside 0"
            ):
                call(broken, y)
    with pytest.raises(ValueError, match="X_val: X is no valid"):
        GDLinearRegressor().fit(X, y, X_val=broken, y_val=y)


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csr_array])
def test_rows_that_end_before_they_begin_are_refused(make):
    X, y = make_data()
    wrong = {
        "decreases": lambda X: X.indptr.__setitem__(5, X.indptr[6] + 1),
        "from 0 on": lambda X: X.indptr.__setitem__(0, 1),
        "301 entries": lambda X: setattr(X, "indptr", X.indptr[:-1]),
        "stored entries, but": lambda X: X.indptr.__setitem__(-1, len(X.data) + 1),
        "of the lengths": lambda X: setattr(X, "indices", X.indices[:-1]),
        "but arrays of the lengths": lambda X: setattr(X, "data", np.append(X.data, 1.0)),
    }
    for message, spoil in wrong.items():
        broken = make(X.copy())
        spoil(broken)
        with pytest.raises(ValueError, match=f"X is no valid CSR matrix: .*{message}"):
            GDLinearRegressor().fit(broken, y)


def test_room_behind_the_last_entry_is_not_read():
    X, y = make_data(60, 8)
    expected = quiet(GDLinearRegressor(), X, y)
    roomy = X.copy()
    roomy.data, roomy.indices = np.append(X.data, 1e9), np.append(X.indices, 3).astype(X.indices.dtype)
    np.testing.assert_array_equal(quiet(GDLinearRegressor(), roomy, y).coef_, expected.coef_)
    assert len(roomy.data) == X.nnz + 1


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_unsorted_columns_are_not_copied(index):
    X, y = make_data(30_000, 100, 0.2)
    X = reversed_columns(X)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    settings = {"max_iter": 3, "tol": None, "optimizer": "nesterov", "learning_rate": 0.01, "batch_size": None}
    expected = GDLinearRegressor(**settings).fit(X.sorted_indices(), y)
    given = X.indices.copy()
    GDLinearRegressor(**settings).fit(X, y)  # its kernels compile here, for SciPy may sort int64 into int32
    tracemalloc.start()
    model = GDLinearRegressor(**settings).fit(X, y)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 0.5 * (X.data.nbytes + X.indices.nbytes)
    np.testing.assert_array_equal(X.indices, given)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_, rtol=1e-9)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_entries_given_twice_count_for_their_sum(batch_size):
    X, y = wide(100, 2000)
    unsorted = reversed_columns(X)
    at = unsorted.indptr[70]
    halves = np.insert(unsorted.data, at, unsorted.data[at] / 2)
    halves[at + 1] /= 2
    columns, begins = np.insert(unsorted.indices, at, unsorted.indices[at]), unsorted.indptr.copy()
    begins[71:] += 1
    twice = sparse.csr_matrix((halves, columns, begins), shape=X.shape)
    settings = {"batch_size": batch_size, "max_iter": 3, "tol": None, "optimizer": "adam", "random_state": 0}
    expected = GDLinearRegressor(**settings).fit(X, y)
    for given in (unsorted, twice):
        before = given.indices.copy()
        model = GDLinearRegressor(**settings).fit(given, y)
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(given.indices, before)


def test_entries_given_twice_whose_sum_is_infinite_are_refused():
    twice = sparse.csr_matrix((np.full(4, 1e308), [0, 0, 1, 2], [0, 2, 3, 4]), shape=(3, 3))
    assert np.isfinite(twice.data).all()
    for model in GDLinearRegressor(), GDLinearRegressor(optimizer="adam"):
        with pytest.raises(ValueError, match="entries twice whose sum is infinite"):
            model.fit(twice, np.arange(3.0))


def test_raw_features_too_small_to_learn_from_are_refused():
    X, y = make_data()
    with pytest.raises(ValueError, match="standardize=False"):
        GDLinearRegressor(standardize=False).fit(X * 1e-200, y)
    model = GDLinearRegressor().fit(X * 1e-200, y)
    np.testing.assert_allclose(model.predict(X * 1e-200), quiet(GDLinearRegressor(), X, y).predict(X), rtol=1e-6)


# -- going on


@pytest.mark.parametrize("standardize", ["auto", True, "max_abs", False])
@pytest.mark.parametrize("kind", MAKERS)
def test_partial_fit_learns_from_a_stream(kind, standardize):
    X, y = make_data(2000)
    y = targets(kind, y)
    model, classes = MAKERS[kind](standardize=standardize), {"classes": [0, 1]} if kind == "classifier" else {}
    for _ in range(5):
        for start in range(0, 2000, 200):
            part = slice(start, start + 200)
            model.partial_fit(X[part], y[part], **classes)
    assert model.score(X, y) > 0.9
    if standardize == "max_abs":
        np.testing.assert_allclose(model._training.scaling.scale, np.abs(X).max(axis=0).toarray().ravel())
    elif standardize:
        assert (X.toarray() != 0).mean(axis=0).min() > 0.1  # none of them is rare
        np.testing.assert_allclose(model._training.scaling.scale, X.toarray().std(axis=0))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_training_goes_on_from_dense_to_sparse_and_back(dtype):
    X, y = make_data(dtype=dtype)
    for first, second in ((X, X.toarray()), (X.toarray(), X)):
        model = GDLinearRegressor(warm_start=True).fit(first, y)
        prediction = model.predict(X.toarray())
        np.testing.assert_allclose(model.predict(X), prediction, rtol=1e-4, atol=1e-5)
        model.partial_fit(second, y)
        np.testing.assert_allclose(model.predict(X), prediction, atol=0.2)
        model.fit(second, y)
        assert model.score(X, y) > 0.98


def test_the_rate_from_data_is_that_of_dense_data():
    X, y = make_data(1000, 200)
    for batch_size in (None, 16):
        settings = {"optimizer": "sgd", "batch_size": batch_size, "max_iter": 2, "tol": None, "standardize": "max_abs"}
        on_sparse, on_dense = (GDLinearRegressor(**settings).fit(given, y) for given in (X, X.toarray()))
        assert on_sparse.learning_rate_ == pytest.approx(on_dense.learning_rate_, rel=0.05)


# -- what kernels and moments compute


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_moments_of_columns(dtype, index):
    X, _ = make_data(200, 6, 0.4, dtype=dtype)
    X = X.tolil()
    X[:, 2] = 1e6 + np.random.default_rng(0).standard_normal((200, 1))
    X[:, 3] = 0
    X = X.tocsr()
    X.indices = X.indices.astype(index)
    weight = np.random.default_rng(1).integers(0, 3, 200).astype(float)
    subset = np.flatnonzero(np.random.default_rng(2).random(200) < 0.7)
    dense = X.toarray().astype(float)[subset]
    found = feature_moments(data_of(X, weight=weight, subset=subset))
    mean = np.average(dense, axis=0, weights=weight[subset])
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9, atol=1e-12)
    std = np.sqrt(np.average((dense - mean) ** 2, axis=0, weights=weight[subset]))
    np.testing.assert_allclose(found.std, std, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.filled, np.average(dense != 0, axis=0, weights=weight[subset]))
    largest = largest_entries(data_of(X, weight=weight, subset=subset)).largest
    np.testing.assert_array_equal(largest, np.abs(dense[weight[subset] > 0]).max(axis=0))
    assert largest_entries(data_of(X)).scale(1e-16)[3] == 1


def test_shares_of_columns_are_those_of_the_rows_in_use():
    X, subset = make_data()[0], np.arange(0, 300, 3)
    for used in ((), subset):
        dense = X.toarray()[subset] if len(used) else X.toarray()
        np.testing.assert_allclose(Rows(data_of(X, subset=used), 1).column_shares(), np.mean(dense != 0, axis=0))


def test_mean_squares_are_those_of_scaled_columns():
    X, scale = make_data()[0], np.geomspace(0.1, 10, 20)
    data = data_of(X)
    data = data._replace(features=data.features._replace(inverse_scale=1 / scale))
    np.testing.assert_allclose(Rows(data, 1).mean_squares(), np.mean((X.toarray() / scale) ** 2, axis=0), rtol=1e-12)


@pytest.mark.parametrize("n_parts", [1, 3])
def test_full_columns_that_are_constant_are_so_whatever_the_weights(n_parts):
    rng, moments = np.random.default_rng(0), None
    for rows in np.array_split(np.arange(343), n_parts):
        X = sparse.csr_matrix(np.column_stack([rng.normal(size=len(rows)), np.ones((len(rows), 2)) * [1, 0.3]]))
        of_part = feature_moments(data_of(X, weight=rng.random(len(rows))))
        moments = of_part if moments is None else moments.merged(of_part)
    assert moments.varies(np.finfo(float).eps).tolist() == [True, False, False]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_column_of_ones_beside_weights(optimizer):
    rng = np.random.default_rng(2)
    X, weight = np.column_stack([np.ones(343), rng.normal(size=(343, 2))]), rng.random(343)
    y = X @ [0, 1, 2] + 5
    model = GDLinearRegressor(alpha=0, optimizer=optimizer, random_state=0).fit(sparse.csr_matrix(X), y, weight)
    np.testing.assert_allclose(model.predict(X), y, atol=0.2)


def test_moments_of_extreme_entries():
    X = sparse.csr_matrix(np.array([[1e300, 1e-300], [-1e300, 0.0], [0.0, 3e-300]]))
    found = feature_moments(data_of(X))
    np.testing.assert_allclose(found.std, [1e300 * np.sqrt(2 / 3), 1e-300 * np.std([1, 0, 3])])


def test_samples_of_rows():
    X, _ = make_data()
    features = raw_features(X)._replace(inverse_scale=np.arange(1.0, 21.0))
    rows = np.array([5, 3, 3, 299])
    expected = X.toarray()[rows] * np.arange(1.0, 21.0)
    out = np.empty((4, 20))
    dense_rows(features, rows, out)
    np.testing.assert_array_equal(out, expected)
    assert sparse.issparse(scaled_rows(features, rows))
    dense = raw_features(X.toarray())._replace(center=np.full(20, 0.5))
    dense_rows(dense, rows, out)
    np.testing.assert_array_equal(out, X.toarray()[rows] - 0.5)


def test_passes_over_parts_add_up():
    X, y = make_data()
    data = data_of(X, y)
    index = X.indices.dtype
    evaluate = kernel("evaluate", X.dtype, Linear, index)
    loss = plug_in(SquaredError.pointwise, "loss", np.dtype(float), "loss").pointer
    params = np.random.default_rng(0).standard_normal(21)

    def run(start, budget, block):
        empty = np.empty((block, 1))
        buffers = Buffers(np.empty(block, np.int64), empty, empty.copy(), empty.copy(), np.empty(block), np.empty(0))
        total, value = np.zeros(21), np.zeros(1)
        model, place = (data, Linear(True), params, buffers, 1.0, np.empty(0)), (total, value, start, budget)
        end = evaluate(loss, np.empty(0), *model, *place)
        return end, value[0], total

    (_, left, left_total), (end, right, right_total) = run(0, 3, 50), run(150, 100, 50)
    residual = X @ params[:-1] + params[-1] - y
    assert end == 300
    assert left + right == pytest.approx(np.mean(residual**2) / 2)
    gradient = np.append(X.T @ residual, residual.sum()) / 300
    np.testing.assert_allclose(left_total + right_total, gradient, rtol=1e-10)


def test_probabilities_of_sparse_rows():
    X, y = make_data()
    model = quiet(GDLogisticClassifier(max_iter=20), X, targets("classifier", y))
    raw = X @ model.coef_.ravel() + model.intercept_
    np.testing.assert_allclose(model.decision_function(X), raw)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expit(raw))
    np.testing.assert_array_equal(model.predict(X), (raw > 0).astype(int))


def test_without_any_entry_the_constant_model_is_left():
    y = np.arange(200) % 4 == 0
    model = GDLogisticClassifier().fit(sparse.csr_array((200, 1_500)), y)
    np.testing.assert_allclose(model.predict_proba(sparse.csr_array((1, 1_500)))[0, 1], 0.25, rtol=1e-6)


def test_sparsified_coefficients_of_float32_predict_as_before():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((500, 5)) + 1e6).astype(np.float32)
    model = GDLinearRegressor().fit(X, X[:, 0] - 1e6 + rng.standard_normal(500))
    dense = model.predict(X)
    np.testing.assert_array_equal(model.sparsify().predict(X), dense)


@pytest.mark.parametrize("preconditioner", ["diagonal", "working_sets"])
def test_entries_of_a_row_may_come_in_any_order_and_stay_so(preconditioner):
    rng = np.random.default_rng(0)
    X = sparse.random_array((400, 300), density=0.05, format="csr", rng=rng)
    y = X @ rng.standard_normal(300) > 0
    mixed = X.copy()
    for start, stop in itertools.pairwise(X.indptr):
        order = start + rng.permutation(stop - start)
        mixed.indices[start:stop], mixed.data[start:stop] = X.indices[order], X.data[order]
    mixed.has_sorted_indices = False
    before = mixed.indices.copy()
    model = GDLogisticClassifier(penalty="elasticnet", alpha=1e-3, optimizer=LBFGS(preconditioner=preconditioner))
    expected = model.fit(X, y).coef_
    np.testing.assert_allclose(model.fit(mixed, y).coef_, expected, atol=1e-6)
    np.testing.assert_array_equal(mixed.indices, before)
