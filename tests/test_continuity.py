"""Training that goes on, in streams and warm starts, and parameters that change on the way."""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import Ridge

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.losses import Loss, SquaredError
from skgd.optimizers import SGD, Adam


def make_data(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X @ [1.0, -2.0, 0.5, 3.0] + 5 + 0.3 * rng.normal(size=n)


class Absolute(Loss):
    """|raw - y|, smoothed near zero."""

    curvature = 10.0

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                r = raw[i, k] - y[i, k]
                size = np.sqrt(r * r + 0.01)
                derivative[i, k] = weight[i] * r / size
                total += weight[i] * size
        return total


@pytest.mark.parametrize(("optimizer", "batch_size"), [("sgd", 1), ("adam", 16), ("sgd", 16)])
def test_no_lucky_first_batch_makes_a_sound_fit_diverge(optimizer, batch_size):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(300, 5))
        y = 0.1 * X[:, 0] + rng.normal(size=300)
        model = GDLinearRegressor(optimizer=optimizer, batch_size=batch_size, random_state=seed).fit(X, y)
        assert model.stop_reason_ == "converged"
        assert model.score(X, y) > -0.1


@pytest.mark.parametrize(
    ("optimizer", "fit_intercept"),
    [("auto", True), ("auto", False), ("sgd", True), ("momentum", False), ("nesterov", True), ("adam", False)],
)
def test_a_stream_of_single_rows_neither_explodes_nor_loses_its_rate(optimizer, fit_intercept):
    X, y = make_data(400)
    y = y if fit_intercept else y - 5
    model = GDLinearRegressor(optimizer=optimizer, fit_intercept=fit_intercept, random_state=0)
    for i in range(len(X)):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    assert model.stop_reason_ != "diverged"
    assert model.learning_rate_ > 1e-4
    assert model.score(X, y) > (
        0.2 if optimizer == "adam" else 0.9
    )  # Adam's customary rate hasn't come far in 400 steps


@pytest.mark.parametrize("cls", [GDLinearRegressor, GDLogisticClassifier])
def test_partial_fit_after_fit_stays_near_the_optimum(cls):
    X, y = make_data()
    y = y if cls is GDLinearRegressor else (y > 5).astype(int)
    model = cls(random_state=0).fit(X, y)
    fitted = model.score(X, y)
    for start in range(0, 200, 40):
        model.partial_fit(X[start : start + 40], y[start : start + 40])
        assert model.score(X, y) > fitted - 0.03


@pytest.mark.parametrize("rate", [1, 1.0, np.float32(0.5), np.int64(1)])
def test_rates_of_any_number_type_go_on(rate):
    X, y = make_data(60)
    model = GDLinearRegressor(learning_rate=rate, optimizer="adam", warm_start=True, max_iter=2, tol=None)
    model.fit(X, y).fit(X, y).partial_fit(X, y)
    assert type(model.learning_rate_) is float
    assert model.n_iter_ == 5


@pytest.mark.parametrize(
    ("make", "change", "name"),
    [
        (GDLinearRegressor, {"loss": Absolute()}, "loss"),
        (GDLinearRegressor, {"fit_intercept": False}, "fit_intercept"),
        (GDMLPClassifier, {"hidden_layer_sizes": (2, 2)}, "hidden_layer_sizes"),
        (GDMLPClassifier, {"activation": "tanh"}, "activation"),
        (GDMLPClassifier, {"loss": "squared_hinge"}, "loss"),
        (GDMLPRegressor, {"hidden_layer_sizes": (2, 2)}, "hidden_layer_sizes"),
        (GDMLPRegressor, {"activation": "tanh"}, "activation"),
    ],
)
def test_what_can_not_go_on_is_named(make, change, name):
    X, y = make_data(60)
    y = y > 5 if make is GDMLPClassifier else y
    settings = {"hidden_layer_sizes": (4,)} if make in (GDMLPClassifier, GDMLPRegressor) else {}
    model = make(warm_start=True, max_iter=3, tol=None, random_state=0, **settings).fit(X[:, :1], y)
    before = model.predict(X[:, :1])
    with pytest.raises(ValueError, match=rf"can't go on.*{name}.*warm_start=False"):
        model.set_params(**change).fit(X[:, :1], y)
    np.testing.assert_array_equal(model.predict(X[:, :1]), before)  # with the activation that it was trained with
    model.set_params(warm_start=False).fit(X[:, :1], y)


def test_a_rate_that_changes_between_calls_is_the_one_that_counts():
    X, y = make_data()
    model = GDLinearRegressor(optimizer="sgd", learning_rate=1e-9, warm_start=True, max_iter=2, tol=None).fit(X, y)
    assert model.set_params(learning_rate="auto").fit(X, y).learning_rate_ > 1e-3
    assert model.set_params(learning_rate=0.25).fit(X, y).learning_rate_ == 0.25
    model.set_params(learning_rate="auto", optimizer=SGD(learning_rate=0.125)).fit(X, y)
    assert model.learning_rate_ == 0.125
    assert model.set_params(optimizer__learning_rate=0.0625).fit(X, y).learning_rate_ == 0.0625


def test_an_average_that_is_switched_off_is_no_longer_published():
    X, y = make_data()
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.05, batch_size=10, warm_start=True, max_iter=5, tol=None)
    plain = model.set_params(random_state=0).fit(X, y).fit(X, y).coef_
    model = GDLinearRegressor(**model.get_params()).set_params(average=True).fit(X, y)
    np.testing.assert_array_equal(model.set_params(average=False).fit(X, y).coef_, plain)


@pytest.mark.parametrize("flag", [True, False])
def test_numpys_booleans_mean_what_pythons_do(flag):
    X, y = make_data()
    settings = {"optimizer": "sgd", "batch_size": 10, "max_iter": 4, "tol": None, "random_state": 0}
    coefs = [GDLinearRegressor(average=average, **settings).fit(X, y).coef_ for average in (flag, np.bool_(flag))]
    np.testing.assert_array_equal(*coefs)


def test_the_certificate_is_for_the_averaged_parameters_where_those_are_published():
    X, y = make_data()
    Z, t = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    settings = {"optimizer": "sgd", "batch_size": None, "average": True, "criterion": "gradient", "tol": 1e-3}
    model = GDLinearRegressor(alpha=0.01, **settings).fit(X, y)
    w = model.coef_ * X.std(0) / y.std()
    gradient = Z.T @ (Z @ w - t) / len(t) + 0.01 * w
    assert model.converged_
    assert np.abs(gradient).max() <= 1e-3
    np.testing.assert_allclose(model.gradient_norm_, np.abs(gradient).max(), rtol=1e-6)


def test_the_scale_of_targets_leaves_the_solution_of_any_power_the_same():
    class Scaled(Absolute):
        target_power = 1

        @staticmethod
        def pointwise(raw, y, weight, hyper, derivative):
            total = 0.0
            for i in range(raw.shape[0]):
                for k in range(raw.shape[1]):
                    r = raw[i, k] - y[i, k]
                    derivative[i, k] = weight[i] * np.sign(r)
                    total += weight[i] * abs(r)
            return total

    class AsTheyAre(Scaled):
        target_power = None

    X, y = make_data(300)
    settings = {"alpha": 0.5, "optimizer": "adagrad", "max_iter": 3000, "tol": None, "batch_size": None}
    fits = [
        GDLinearRegressor(loss=loss(), learning_rate=rate, **settings).fit(X, 10 * y).coef_
        for loss, rate in ((Scaled, 0.1), (AsTheyAre, 2.0))
    ]
    np.testing.assert_allclose(*fits, rtol=0.02)


def test_every_call_of_partial_fit_validates_its_parameters():
    X, y = make_data(60)
    model = GDLinearRegressor(optimizer="sgd").partial_fit(X, y)
    before = model.predict(X)
    for wrong in ({"learning_rate": -0.1}, {"alpha": -3}, {"optimizer": "sgdd"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            GDLinearRegressor.set_params(model, **wrong).partial_fit(X, y)
        model.set_params(learning_rate="auto", alpha=1e-4, optimizer="sgd")
    np.testing.assert_array_equal(model.predict(X), before)


def test_what_was_recorded_stays_as_it_was_and_updates_are_counted_on():
    X, y = make_data()
    model = GDLinearRegressor(optimizer="adam", batch_size=20).partial_fit(X, y)
    first = model.loss_curve_[0]
    model.partial_fit(X, 100 * y)
    assert model.loss_curve_[0] == first
    assert model.t_ == 20
    model.set_params(optimizer=Adam(beta1=0.8)).partial_fit(X, y)
    assert model.t_ == 30
    assert model.n_iter_ == len(model.loss_curve_) == 3


def test_early_stopping_splits_the_rows_that_have_a_weight():
    X, y = make_data(60)
    weight = np.zeros(60)
    weight[:30] = 1.0
    settings = {"early_stopping": True, "random_state": 0, "optimizer": "sgd"}
    weighted = GDLinearRegressor(**settings).fit(X, y, weight)
    alone = GDLinearRegressor(**settings).fit(X[:30], y[:30])
    np.testing.assert_allclose(weighted.coef_, alone.coef_, rtol=1e-9)
    assert np.isfinite(weighted.validation_curve_).all()
    weight[1:30] = 0.0
    with pytest.raises(ValueError, match="validation_fraction"):
        GDLinearRegressor(**settings).fit(X, y, weight)


def test_a_loss_that_reaches_outside_its_arrays_is_refused():
    class Outside(SquaredError):
        @staticmethod
        def pointwise(raw, y, weight, hyper, derivative):
            derivative[0, 7] = 1.0
            return 0.0

    with pytest.raises(ValueError, match="outside its arrays"):
        GDLinearRegressor(loss=Outside()).fit(*make_data())


def test_a_wrong_derivative_is_noticed():
    class Uphill(SquaredError):
        @staticmethod
        def pointwise(raw, y, weight, hyper, derivative):
            total = 0.0
            for i in range(raw.shape[0]):
                for k in range(raw.shape[1]):
                    r = raw[i, k] - y[i, k]
                    derivative[i, k] = -weight[i] * r
                    total += 0.5 * weight[i] * r * r
            return total

    with pytest.warns(RuntimeWarning, match="isn't the derivative"):
        GDLinearRegressor(loss=Uphill(), optimizer="sgd", learning_rate=1e-3, max_iter=2, tol=None).fit(*make_data())


def test_float32_predictions_survive_large_means():
    rng = np.random.default_rng(0)
    X = (1e5 + rng.normal(size=(500, 20))).astype(np.float32)
    y = (X.astype(np.float64) - 1e5).sum(axis=1)
    model = GDLinearRegressor(alpha=0).fit(X, y)
    prediction = model.predict(X)
    assert prediction.dtype == np.float32
    assert np.mean((prediction - y) ** 2) < 1e-4 * np.var(y)


def test_a_mean_of_an_earlier_rule_is_not_what_a_line_search_has_found():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="sgd", average=True, warm_start=True, max_iter=10, tol=None).fit(X, y)
    model.set_params(optimizer="lbfgs").fit(X, -y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(model.predict(X), -Ridge(1e-4 * len(y)).fit(Z, y).predict(Z), rtol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_balanced_streams_remember_what_they_saw_before_a_call_without_balance():
    X, y = load_breast_cancer(return_X_y=True)
    paused = GDLogisticClassifier(class_weight="balanced", random_state=0)
    paused.partial_fit(X[:300], y[:300], classes=[0, 1])
    paused.set_params(class_weight=None).partial_fit(X[300:310], y[300:310])
    paused.set_params(class_weight="balanced").partial_fit(X[310:320], y[310:320])
    counts = np.bincount(y[:300], minlength=2) + np.bincount(y[310:320], minlength=2)
    np.testing.assert_array_equal(paused._training.facts["class_totals"], counts)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_go_on_to_the_same_bits(copied):
    X, y = load_breast_cancer(return_X_y=True)
    model = GDLogisticClassifier(random_state=0).fit(X[:300], y[:300])
    other = copied(model)
    for each in (model, other):
        each.partial_fit(X[300:305], y[300:305])
    np.testing.assert_array_equal(other.coef_, model.coef_)


def test_curves_cannot_be_written_into():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="sgd", max_iter=5, tol=None).fit(X, y)
    with pytest.raises(ValueError, match="read-only"):
        model.loss_curve_[0] = 0.0


def test_a_subclass_may_leave_parameters_at_their_defaults():
    class Strong(GDLogisticClassifier):
        def __init__(self, strength=1.0):
            super().__init__(alpha=strength / 100)
            self.strength = strength

    X, y = load_breast_cancer(return_X_y=True)
    np.testing.assert_array_equal(Strong(2.0).fit(X, y).coef_, GDLogisticClassifier(alpha=0.02).fit(X, y).coef_)
    # and change them between calls: a step of plain descent on raw features from zero is rate times gradient
    rng = np.random.default_rng(0)
    Z, t = rng.normal(size=(8, 3)), rng.normal(size=8)

    class Plain(GDLinearRegressor):
        def __init__(self, seed=0):
            super().__init__(optimizer="sgd", batch_size=None, standardize=False, alpha=0.0, learning_rate=0.05)
            self.seed = seed

    model, coef, intercept = Plain(), np.zeros(3), 0.0
    for rate in 0.05, 0.2:
        model.learning_rate = rate
        left = Z @ coef + intercept - t
        coef, intercept = coef - rate * Z.T @ left / 8, intercept - rate * left.mean()
        np.testing.assert_allclose(model.partial_fit(Z, t).coef_, coef, rtol=1e-9)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_what_calls_leave_for_the_next_one_is_given_up_where_parameters_or_rows_change(stored):
    # plain descent on raw features, one update with all rows of each part, by its formula
    rng = np.random.default_rng(0)
    parts = [(5, {}), *[(8, {})] * 2, *[(8, {"alpha": 0.5})] * 2, (5, {}), (8, {"learning_rate": 0.02}), (8, {})]
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.05, batch_size=None, standardize=False, alpha=0.1)
    w, b = np.zeros(3), 0.0
    for n_rows, change in parts * 2:
        model.set_params(**change)
        X, y, weight = rng.normal(size=(n_rows, 3)), rng.normal(size=n_rows), rng.uniform(0.5, 2, n_rows)
        model.partial_fit(stored(X), y, weight)
        slope = weight / weight.sum() * (X @ w + b - y)
        w, b = w - model.learning_rate * (X.T @ slope + model.alpha * w), b - model.learning_rate * slope.sum()
        np.testing.assert_allclose(model.coef_, w, rtol=1e-9)
        np.testing.assert_allclose(model.intercept_, b, rtol=1e-9)


def test_values_that_are_equal_and_mean_another_thing_are_noticed_by_the_next_call():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.05, batch_size=None, standardize=False, average=False)
    model.partial_fit(X, y).partial_fit(X, y)
    plain = copy.deepcopy(model)
    steps = [plain.partial_fit(X, y).coef_.copy() for _ in range(3)]
    model.set_params(average=0)  # from now on all updates have a part in the mean
    for mean in np.cumsum(steps, axis=0) / np.arange(1, 4)[:, None]:
        np.testing.assert_allclose(model.partial_fit(X, y).coef_, mean, rtol=1e-9)


def test_copies_of_a_stream_share_nothing_that_its_calls_write_into():
    X, y = make_data(64)
    model = GDMLPRegressor(hidden_layer_sizes=(5,)).partial_fit(X[:16], y[:16]).partial_fit(X[16:32], y[16:32])
    assert "_stream" in vars(model)
    for made in copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)):
        assert "_stream" not in vars(made(model))


@pytest.mark.parametrize("X", [[[1.0, np.nan], [0.0, 1.0]], sparse.csr_array([[1.0, np.inf], [0.0, 1.0]])])
def test_a_stream_refuses_what_is_not_finite_and_goes_on(X):
    model, good = GDLinearRegressor(), sparse.csr_array([[1.0, 2.0], [0.0, 1.0]])
    other = model.partial_fit(good, [1.0, 2.0]).partial_fit(good.toarray().tolist(), [2.0, 1.0]).coef_.copy()
    with pytest.raises(ValueError, match=r"infinity|NaN"):
        model.partial_fit(X, [1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(good, [1.0, 2.0], [1.0, np.nan])
    with pytest.raises(ValueError, match="Negative"):
        model.partial_fit(good, [1.0, 2.0], np.array([1.0, -1.0]))
    np.testing.assert_array_equal(model.coef_, other)
    assert (model.partial_fit(good, [1.0, 2.0]).coef_ != other).any()


@pytest.mark.parametrize("standardize", ["auto", "max_abs", False])
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "svrg"])
def test_a_stream_that_begins_with_rows_of_zeros_has_a_rate_for_those_to_come(optimizer, store, standardize):
    X = np.random.default_rng(0).normal(size=(20, 2))
    for fit_intercept in False, True:
        model = GDLinearRegressor(optimizer=optimizer, standardize=standardize, fit_intercept=fit_intercept)
        model.set_params(random_state=0).partial_fit(store(0 * X), X[:, 0])
        for _ in range(9):
            model.partial_fit(store(X), X[:, 0])
        assert model.score(X, X[:, 0]) > 0.15  # and not -1e34


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_network_without_hidden_layers_on_one_column_of_csr():
    X = np.random.default_rng(0).normal(size=(200, 1))
    model = GDMLPRegressor(
        hidden_layer_sizes=(), n_members=1, alpha=0, batch_size=None, max_iter=300, learning_rate=0.1
    )
    model.fit(sparse.csr_matrix(X), 3 * X[:, 0])
    np.testing.assert_allclose(model.predict(X), 3 * X[:, 0], atol=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "svrg"])
@pytest.mark.parametrize("density", [0.005, 0.03])
def test_what_follows_from_the_entries_of_rows_is_that_of_the_next_rows(optimizer, density):
    rng = np.random.default_rng(0)
    rows = [sparse.random_array((300, 3000), density=share, rng=rng, format="csr") for share in (0.005, density)]
    settings = {"batch_size": 8, "learning_rate": 0.01, "standardize": False, "random_state": 0}
    model = GDLinearRegressor(optimizer=optimizer, **settings).partial_fit(rows[0], rng.standard_normal(300))
    copy, y = pickle.loads(pickle.dumps(model)), rng.standard_normal(300)  # which knows of no call before
    np.testing.assert_array_equal(model.partial_fit(rows[1], y).coef_, copy.partial_fit(rows[1], y).coef_)
