"""Ensembles of networks: members are single fits, predictions their means, and rows held out are never trained on."""

import contextlib
import itertools
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.special import expit, logit, logsumexp, softmax
from scipy.stats import sem
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_friedman1
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd._problem.features import narrowed
from skgd._solvers.stopping import EarlyStopping
from skgd._solvers.training import SEEDS
from skgd._targets.held_out import folds
from skgd.callbacks import Checkpoint, EpochLogger
from skgd.neural_network._linear_part import SLOPES, WEIGHTS, best_slope, best_weight

DIABETES, IRIS, CANCER = (load(return_X_y=True) for load in (load_diabetes, load_iris, load_breast_cancer))
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 12, "random_state": 0}
CASES = {
    "numbers": (GDMLPRegressor(**SMALL), DIABETES),
    "counts": (GDMLPRegressor("poisson", **SMALL), DIABETES),
    "two classes": (GDMLPClassifier(**SMALL), CANCER),
    "three classes": (GDMLPClassifier(**SMALL), IRIS),
    "labels": (
        GDMLPClassifier(**SMALL),
        (IRIS[0], np.column_stack([IRIS[1] == 0, IRIS[1] > 0, IRIS[1] > 1]).astype(int)),
    ),
    "margins": (GDMLPClassifier("hinge", **SMALL), CANCER),
}


def forward(model, member, X):
    """Outputs of one member, by NumPy from what is published."""
    a = X.copy()
    for j, (m, s) in model.tails_.items():
        a[:, j] = s * (np.arcsinh((X[:, j] - m) / s) - np.arcsinh(-m / s))
    for coef, intercept in zip(model.coefs_[member], model.intercepts_[member], strict=True):
        z = a @ coef + intercept
        a = np.maximum(z, 0)
    return z


@pytest.mark.parametrize("case", CASES)
def test_predictions_are_the_means_of_the_members(case):
    model, (X, y) = CASES[case]
    model = clone(model).fit(X, y)
    model.linear_weight_ = 0
    raws = [forward(model, k, X) for k in range(model.n_members_)]
    assert model.n_members_ == len(model.coefs_) == len(model.loss_curve_) == len(model.validation_curve_) == 5
    if case == "numbers":
        expected, given = np.mean(raws, axis=0)[:, 0], model.predict(X)
    elif case == "counts":
        expected, given = np.mean(np.exp(raws), axis=0)[:, 0], model.predict(X)
    elif case == "two classes":
        expected, given = np.mean(expit(raws), axis=0)[:, 0], model.predict_proba(X)[:, 1]
    elif case == "three classes":
        expected, given = np.mean(softmax(raws, axis=2), axis=0), model.predict_proba(X)
    elif case == "labels":
        expected, given = np.mean(expit(raws), axis=0), model.predict_proba(X)
    else:
        expected, given = np.mean(raws, axis=0)[:, 0], model.decision_function(X)
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
    few = np.concatenate([model.predict(X[k : k + 2]) for k in range(0, 20, 2)])  # by way of one block
    if case in ("numbers", "counts"):
        np.testing.assert_allclose(few, expected[:20], rtol=1e-5)
    else:
        np.testing.assert_array_equal(few, model.predict(X)[:20])


@pytest.mark.parametrize("case", ["numbers", "counts", "two classes", "three classes", "margins"])
def test_linear_models_beside_the_members_have_the_weight_that_predicts_rows_held_out_best(case):
    model, (X, y) = CASES[case]
    kind = LogisticRegression if hasattr(model, "predict_proba") else Ridge
    model = clone(model).set_params(hidden_layer_sizes=(2,), max_iter=2).fit(X, y)
    if case == "margins":  # which has kinks
        assert model.linear_weight_ == 0
        model.linear_weight_ = 0.5
        with pytest.raises(ValueError, match="no linear models"):
            model.predict(X)
        return
    assert 0.5 < model.linear_weight_ <= 1  # two epochs of two units tell little
    assert WEIGHTS.tolist() == [round(each, 2) for each in np.linspace(0, 1, 21)]  # 0.95, not 0.9500000000000001
    predict = "predict_proba" if kind is LogisticRegression else "predict"
    given, model.calibration_slope_ = {}, 1.0
    for weight in 0.0, 0.25, 1.0:
        model.linear_weight_ = weight
        given[weight] = getattr(model, predict)(X)
        few = np.concatenate([getattr(model, predict)(X[k : k + 2]) for k in range(0, 20, 2)])  # by way of one block
        np.testing.assert_allclose(few, given[weight][:20], rtol=1e-5)
    np.testing.assert_allclose(given[0.25], 0.75 * given[0.0] + 0.25 * given[1.0], rtol=1e-6)
    if case == "counts":
        its = PoissonRegressor(alpha=1e-4, max_iter=300)
    else:
        its = kind(C=1e4 / len(y)) if kind is LogisticRegression else Ridge(1e-4 * len(y))
    its = getattr(make_pipeline(StandardScaler(), its).fit(X, y), predict)(X)  # of all rows, not of four fifths
    assert np.corrcoef(given[1.0].ravel(), its.ravel())[0, 1] > 0.99


def test_the_weight_of_linear_models_is_midway_to_the_largest_within_a_standard_error():
    X, y = DIABETES
    model, sums = GDMLPRegressor(**SMALL).fit(X, y), []
    for k, (train, unseen) in enumerate(folds(len(y), 0.2, np.empty(0), None, 5, np.random.RandomState(0))):
        linear = make_pipeline(StandardScaler(), Ridge(1e-4 * len(train))).fit(X[train], y[train]).predict(X[unseen])
        mine = forward(model, k, X[unseen])[:, 0]
        squares = [(weight * linear + (1 - weight) * mine - y[unseen]) ** 2 for weight in WEIGHTS]
        ends = [len(unseen) * j // 4 for j in range(5)]
        sums += [[each[i:j].sum() for each in squares] for i, j in itertools.pairwise(ends)]
    least = np.sum(sums, axis=0).argmin()
    above = [[each[k] - each[least] for each in sums] for k in range(21)]
    within = [k for k in range(21) if np.mean(above[k]) <= sem(above[k])]
    assert len(sums) == 20
    assert model.linear_weight_ == pytest.approx((WEIGHTS[least] + WEIGHTS[max(within)]) / 2, abs=0.026)
    assert 0 < WEIGHTS[least] < model.linear_weight_ - 0.05 < WEIGHTS[max(within)] - 0.1


def raw_of(case, predictions):
    """What predictions, or probabilities, are the link of, up to what is the same for all classes."""
    if case == "numbers":
        return predictions
    return logit(predictions) if case in ("two classes", "labels") else np.log(predictions)


CALIBRATED = {
    "numbers": (lambda y: y.mean(), lambda y, z: (y - z) ** 2),
    "counts": (lambda y: np.log(y.mean()), lambda y, z: np.exp(z) - y * z),
    "two classes": (lambda y: logit([1 - y.mean(), y.mean()]), lambda y, z: np.log1p(np.exp((1 - 2 * y) * z[:, 1]))),
    "three classes": (
        lambda y: np.log(np.bincount(y) / len(y)),
        lambda y, z: logsumexp(z, axis=1) - z[np.arange(len(y)), y],
    ),
    "labels": (lambda y: logit(y.mean(axis=0)), lambda y, z: np.log1p(np.exp((1 - 2 * y) * z))),
}


@pytest.mark.parametrize("case", CALIBRATED)
def test_predictions_are_so_far_from_the_constant_model_as_is_halfway_best_for_rows_held_out(case):
    (model, (X, y)), (constant_of, loss) = CASES[case], CALIBRATED[case]
    some = np.random.default_rng(0).permutation(len(y))[:100]
    X, y = X[some], y[some]
    model = clone(model).set_params(hidden_layer_sizes=(2,), max_iter=3).fit(X, y)
    slope, constant = model.calibration_slope_, constant_of(y)
    predict = model.predict if case in ("numbers", "counts") else model.predict_proba
    assert model.linear_weight_ > 0
    of_held_out = (raw_of(case, model.oob_prediction_) - constant) / slope
    losses = [loss(y, constant + each * of_held_out).mean() for each in SLOPES]
    assert slope == pytest.approx((1 + SLOPES[np.argmin(losses)]) / 2)
    given = predict(X)
    few = np.concatenate([predict(X[k : k + 2]) for k in range(0, 20, 2)])  # by way of one block
    np.testing.assert_allclose(few, given[:20], rtol=1e-5)
    if case == "numbers":
        np.testing.assert_allclose(model.predict(X, return_std=True)[0], given, rtol=1e-12)
        spread = model.predict(X, return_std=True)[1]
    model.calibration_slope_ = 1.0
    apart = [raw_of(case, each) - constant for each in (given, predict(X))]
    if case == "three classes":
        apart = [each - each.mean(axis=1, keepdims=True) for each in apart]
    apart = np.ma.masked_invalid(apart)  # probabilities that are 1 to the last digit
    error = np.abs(apart[0] - slope * apart[1]).max()
    assert error < 0.01 * np.abs(apart[1]).max()  # members' constant models differ a little
    assert abs(slope - 1) > 0.02
    if case == "numbers":
        np.testing.assert_allclose(spread, slope * model.predict(X, return_std=True)[1], rtol=1e-9)
    model.linear_weight_ = 0  # the networks alone, whose mean predictions are
    alone, model.calibration_slope_ = predict(X), slope
    np.testing.assert_array_equal(predict(X), alone)


def test_rows_held_out_count_for_their_weight():
    rng = np.random.default_rng(0)
    X, heavy = rng.normal(size=(100, 3)), np.arange(100) % 2 == 0
    y = np.where(heavy, 1, -1) * X[:, 0] + 0.1 * rng.normal(size=100)  # light rows say the contrary
    model = GDMLPRegressor(hidden_layer_sizes=(2,), max_iter=3, random_state=0)
    assert model.fit(X, y, np.where(heavy, 100.0, 1.0)).calibration_slope_ > 0.95
    assert model.fit(X, y).calibration_slope_ < 0.85


@pytest.mark.parametrize("slope", [0.0, -1.0, np.nan, np.inf])
def test_slopes_that_mean_nothing_are_refused(slope):
    X, y = make_friedman1(60, random_state=0)
    model = GDMLPRegressor(hidden_layer_sizes=(2,), max_iter=2, random_state=0).fit(X, y)
    model.calibration_slope_ = slope
    with pytest.raises(ValueError, match="positive and finite"):
        model.predict(X)
    of_few = clone(model).fit(X[:30], y[:30])  # which hold none out, and tell no slope
    of_few.calibration_slope_ = 0.9
    with pytest.raises(ValueError, match="must be 1"):
        of_few.predict(X)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_of_few_rows_classes_are_three_quarters_as_far_from_the_constant_model(n_classes):
    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 7 % n_classes
    model = GDMLPClassifier(random_state=0).fit(X, y)
    assert model.calibration_slope_ == 0.75
    found, shares = model.predict_proba(X), np.bincount(y) / len(y)
    model.calibration_slope_ = 1.0
    expected = model.predict_proba(X) ** 0.75 * shares**0.25
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-3)
    weighted = GDMLPClassifier(random_state=0).fit(X, y, sample_weight=1 + np.arange(20) % 2)
    twice = np.repeat(np.arange(20), 1 + np.arange(20) % 2)
    repeated = GDMLPClassifier(random_state=0).fit(X[twice], y[twice])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-5)


@np.errstate(invalid="ignore")  # as in fits
def test_slopes_of_infinite_losses_are_none():
    losses = np.full((2, 21), np.inf)
    assert best_slope(losses) == 1
    losses[:, 1] = 2.0  # 0.65
    assert best_slope(losses) == pytest.approx(0.825)


@np.errstate(invalid="ignore")  # as in fits
def test_weights_of_infinite_losses_are_none():
    losses = np.full((2, 21), np.inf)
    assert best_weight(losses) == 0
    losses[:, 4:6] = [[1.0, 2.0], [2.0, 2.9]]  # 0.95 above on average, with an error of 0.05
    assert best_weight(losses) == pytest.approx(0.2)
    losses[1, 5] = 1.2  # 0.1 above, with an error of 0.9
    assert best_weight(losses) == pytest.approx((0.2 + 0.25) / 2)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_beside_few_rows_linear_models_of_all_have_a_quarter(loss):
    X, y = DIABETES[0][:39], DIABETES[1][:39]
    model = GDMLPRegressor(loss, **SMALL).fit(X, y)
    assert model.linear_weight_ == (0.25 if loss == "squared_error" else 0)  # the other has a kink
    if loss == "squared_error":
        linear = make_pipeline(StandardScaler(), Ridge(1e-4 * len(y))).fit(X, y).predict(X)
        networks = np.mean([forward(model, k, X)[:, 0] for k in range(5)], axis=0)
        np.testing.assert_allclose(
            model.predict(X), 0.75 * networks + 0.25 * linear, rtol=1e-3
        )  # as far as L-BFGS goes
    assert model.fit(*DIABETES).linear_weight_ != 0.25
    assert model.set_params(early_stopping=False, n_members=5).fit(X, y).linear_weight_ == 0  # not left to us


def test_the_linear_part_goes_on_and_is_stored():
    X, y = DIABETES
    model = GDMLPRegressor(**SMALL | {"max_iter": 2}).fit(X, y)
    assert model.linear_weight_ > 0.5
    assert model.oob_score_ == pytest.approx(r2_score(y, model.oob_prediction_))
    assert model.oob_score_ > 0.4  # two epochs reach no more than 0.2
    first = model.predict(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), first)
    weight, model.calibration_slope_ = model.linear_weight_, 0.9
    for _ in range(30):
        model.partial_fit(X, y + 500)
    assert model.linear_weight_ == weight
    for each in 0, 1:  # both have learnt
        model.linear_weight_ = each
        assert model.predict(X).mean() > first.mean() + 30
    assert model.calibration_slope_ == 1  # that of the rows before says nothing of these
    assert model.set_params(n_members=1).fit(X, y).linear_weight_ == 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_warm_fit_that_was_cut_short_goes_on_with_the_linear_models(tmp_path):
    pytest.importorskip("sklearn.callback")

    class Cuts:
        """Sees estimators that predict, and interrupts after some epochs."""

        def setup(self, estimator, context):
            self.seen = 0

        def on_fit_task_begin(self, estimator, context, **told):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **told):
            self.seen += 1
            assert fitted_estimator is None or np.isfinite(fitted_estimator.predict(X)).all()
            if self.seen == 6:
                raise KeyboardInterrupt

        def teardown(self, estimator, context):
            pass

    X, y = DIABETES[0][:100], DIABETES[1][:100]
    settings = SMALL | {"n_members": 2, "max_iter": 4, "warm_start": True}
    before = pickle.dumps(GDMLPRegressor(**settings).fit(X, y))
    whole, cut, resumed = (pickle.loads(before) for _ in range(3))
    with pytest.raises(KeyboardInterrupt):
        cut.set_callbacks(Checkpoint(tmp_path / "fit"), Cuts()).fit(X, y)
    np.testing.assert_array_equal(resumed.resume(tmp_path / "fit", X, y).predict(X), whole.fit(X, y).predict(X))
    assert resumed.linear_weight_ == whole.linear_weight_ > 0
    without = pickle.loads(before)
    without.linear_weight_ = 0  # would end with other predictions than the fit
    for each in GDMLPRegressor(**settings), without:
        with pytest.raises(ValueError, match="linear models beside its members"):
            each.resume(tmp_path / "fit", X, y)


def test_probabilities_stay_right_where_members_are_certain():
    X = np.r_[np.full((60, 1), -1.0), np.full((60, 1), 1.0)]
    model = GDMLPClassifier(hidden_layer_sizes=(), random_state=0, n_members=3).fit(X, X[:, 0] > 0)
    for coefs in model.coefs_:
        coefs[0][:] = 2000.0
    with np.errstate(all="raise"):
        log_proba = model.predict_log_proba([[1.0], [-1.0]])
    assert np.isfinite(log_proba).all()
    assert log_proba[0, 0] < -1000
    np.testing.assert_allclose(model.predict_proba([[1.0], [-1.0]]), [[0, 1], [1, 0]], atol=1e-12)


@pytest.mark.parametrize("case", ["numbers", "two classes"])
def test_members_are_fits_of_their_own_to_the_bit(case):
    model, (X, y) = CASES[case]
    X = X.astype(np.float32)
    unseen = {"X_val": X[::5], "y_val": y[::5]}
    ensemble = clone(model).set_params(n_members=3, early_stopping=True).fit(X, y, **unseen)
    rng = np.random.RandomState(0)
    for k in range(3):
        alone = clone(model).set_params(n_members=1, early_stopping=True, random_state=rng.randint(1, SEEDS))
        alone.set_params(learning_rate=ensemble.learning_rate_, batch_size=ensemble.batch_size_)
        alone.set_params(schedule="cosine", tol=0.0, n_iter_no_change=20)
        with (
            pytest.warns(match="max_iter|stood still")
            if ensemble.stop_reason_ == "max_iter"
            else contextlib.nullcontext()
        ):
            alone.fit(X, y, **unseen)
        for mine, its in zip(ensemble.coefs_[k], alone.coefs_, strict=True):
            np.testing.assert_array_equal(mine, its)
        np.testing.assert_array_equal(ensemble.validation_curve_[k], alone.validation_curve_)


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_bits_are_the_same_for_any_number_of_threads_and_from_a_pickle(n_jobs):
    model, (X, y) = CASES["three classes"]
    expected = clone(model).fit(X, y)
    model = clone(model).set_params(n_jobs=n_jobs).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_proba(X), expected.predict_proba(X))
    assert len(loaded.coefs_) == 5
    assert loaded.oob_score_ == expected.oob_score_
    assert len(pickle.dumps(model)) < 5 * 4000


# -- rows held out


@pytest.mark.parametrize("classes", [None, np.repeat([0.0, 1.0, 2.0, 3.0], [70, 29, 3, 1])])
def test_folds_are_disjoint_cover_all_rows_and_have_classes_in_proportion(classes):
    weight = np.ones(103)
    weight[[5, 50]] = 0
    parts = folds(103, 0.2, weight, classes, 5, np.random.RandomState(0))
    held_out = [rows for _, rows in parts]
    together = np.sort(np.concatenate(held_out))
    alone = [] if classes is None else [102]  # the class of one row is in every member's rows to train on
    np.testing.assert_array_equal(together, [k for k in range(103) if k not in (5, 50, *alone)])
    for train, rows in parts:
        assert not set(train) & set(rows)
        assert set(train) | set(rows) == set(range(103)) - {5, 50}
        assert len(rows) in (20, 21)
        if classes is not None:
            counts = np.bincount(classes[rows].astype(int), minlength=4)
            assert counts[0] in (13, 14)
            assert counts[1] in (5, 6)
            assert counts[2] <= 1
    other = folds(103, 0.2, weight, classes, 5, np.random.RandomState(1))
    assert any(not np.array_equal(a, b) for (_, a), (_, b) in zip(parts, other, strict=True))


def test_out_of_bag_predictions_are_of_members_that_never_saw_the_row():
    X = np.arange(200.0).reshape(-1, 1)
    y = np.random.default_rng(0).permutation(200).astype(float)  # to be learnt by heart, and in no other way
    alone = GDMLPRegressor("absolute_error", hidden_layer_sizes=(100, 100), n_members=5, random_state=0)
    model = alone.fit(X, y)  # with no linear models beside them
    assert model.oob_prediction_.shape == (200,)
    assert model.oob_score_ == pytest.approx(r2_score(y, model.oob_prediction_))
    assert model.oob_score_ < 0.05
    predictions = np.stack([forward(model, k, X)[:, 0] for k in range(5)])
    which = np.abs(predictions - model.oob_prediction_).argmin(axis=0)
    np.testing.assert_allclose(predictions[which, np.arange(200)], model.oob_prediction_, rtol=1e-6)
    assert (np.bincount(which, minlength=5) >= 35).all()


def test_out_of_bag_of_classes_and_of_weights():
    X, y = CANCER
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = GDMLPClassifier(**SMALL).fit(X, y, weight)
    assert model.oob_prediction_.shape == (len(y), 2)
    np.testing.assert_allclose(model.oob_prediction_.sum(axis=1), 1)
    right = model.oob_prediction_.argmax(axis=1)
    assert model.oob_score_ == pytest.approx(accuracy_score(y, right, sample_weight=weight))
    assert 0.9 < model.oob_score_ <= model.score(X, y)
    assert not hasattr(model.set_params(n_members=1).fit(X, y), "oob_score_")
    labels, (X_labels, Y) = CASES["labels"]
    of_labels = clone(labels).fit(X_labels, Y)  # of a row all must be right
    assert of_labels.oob_score_ == pytest.approx(accuracy_score(Y, of_labels.oob_prediction_ > 0.5))
    some = GDMLPClassifier(n_members=2, validation_fraction=0.25, **SMALL).fit(X, y)
    assert np.isnan(some.oob_prediction_[:, 0]).mean() == pytest.approx(0.5, abs=0.02)
    assert np.isfinite(some.oob_score_)


def test_the_spread_of_members():
    X, y = DIABETES
    model = GDMLPRegressor(**SMALL).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, model.predict(X), rtol=1e-12)
    model.linear_weight_ = 0
    mean, std = model.predict(X, return_std=True)
    of_members = np.stack([forward(model, k, X)[:, 0] for k in range(5)])
    np.testing.assert_allclose(mean, of_members.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(std, of_members.std(axis=0), rtol=1e-4, atol=1e-6)
    _, far_std = model.predict(X[:5] + 10 * X.std(axis=0), return_std=True)
    assert far_std.mean() > 3 * std.mean()
    with pytest.raises(ValueError, match="n_members=5"):
        GDMLPRegressor(n_members=1, **SMALL).fit(X, y).predict(X, return_std=True)


# -- what is asked for


@pytest.mark.parametrize(
    "own",
    [
        {"learning_rate": 0.01},
        {"schedule": "cosine"},
        {"tol": 1e-3},
        {"early_stopping": True},
        {"early_stopping": False},
        {"optimizer": "sgd"},
        {"n_restarts": 2},
        {"warm_start": True},
        {"n_members": 1},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_users_settings_mean_one_network(own):
    X, y = DIABETES
    model = GDMLPRegressor(**SMALL | own).fit(X, y)
    assert model.n_members_ == 1
    assert [coef.shape for coef in model.coefs_] == [(10, 8), (8, 1)]


def test_a_network_begins_and_ends_as_the_guide_says():
    X, y = DIABETES
    model = GDMLPRegressor(**SMALL | {"max_iter": 100}).fit(X, y)
    assert model.learning_rate_ == pytest.approx(0.006)
    assert model.stop_reason_ == "early_stopping"
    for curve in model.validation_curve_:  # 20 epochs without a new least loss are the end
        assert len(curve) == min(np.argmin(curve) + 21, 100)
    few = GDMLPRegressor(**SMALL).fit(X[:39], y[:39])
    assert few.n_members_ == 5
    assert not hasattr(few, "oob_score_")
    many = np.tile(X, (600, 1))
    model = GDMLPRegressor(**SMALL | {"hidden_layer_sizes": (1,)}).fit(many, np.tile(y, 600))
    assert model.n_iter_ == 5  # of 12: all members together make twice as many


@pytest.mark.parametrize(
    ("n_rows", "own", "batch_size"),
    [
        (500, {}, 16),  # 400 of them to learn from
        (1_500, {}, 24),
        (5_000, {}, 32),
        (50_000, {}, 40),
        (500, {"early_stopping": False}, 32),
        (500, {"learning_rate": 0.01}, 32),
        (500, {"batch_size": 7}, 7),
    ],
)
def test_members_make_fifty_updates_in_an_epoch_within_limits(n_rows, own, batch_size):
    X, y = np.arange(n_rows)[:, None] % 7.0, np.arange(n_rows) % 5.0
    few = {"hidden_layer_sizes": (1,), "max_iter": 1, "n_members": 5, "tol": None, "random_state": 0}
    assert GDMLPRegressor(**few | own).fit(X, y).batch_size_ == batch_size


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "batch_size"),
    [(500, 400, 16), (500, 800, 32), (500, 3_000, 100), (100, 3_000, 20), (60, 600, 16)],
)
def test_members_take_larger_batches_of_wide_rows(n_rows, n_columns, batch_size):
    X, y = np.random.default_rng(0).normal(size=(n_rows, n_columns)), np.arange(n_rows) % 5.0
    few = {"hidden_layer_sizes": (1,), "max_iter": 1, "random_state": 0}
    assert GDMLPRegressor(**few).fit(X, y).batch_size_ == batch_size  # 16 for each column a row, up to a quarter of all
    assert GDMLPRegressor(learning_rate=0.01, tol=None, **few).fit(X, y).batch_size_ == 32


@pytest.mark.parametrize(
    ("n_columns", "n_units", "patience"), [(20, 2, 20), (20, 50, 20), (30, 4, 40 / 3), (40, 4, 10), (800, 4, 10)]
)
@pytest.mark.parametrize("times", [1, 2])
def test_members_that_learn_from_wide_rows_or_overfit_end_sooner(n_columns, n_units, patience, times):
    X, y = np.random.default_rng(0).normal(size=(100, n_columns)), np.arange(100) % 2
    model = GDMLPClassifier(hidden_layer_sizes=n_units, n_iter_no_change=10 * times, random_state=0).fit(X, y)
    for curve in model.validation_curve_:
        # 80 rows to learn from, a quarter of which is 20; what is gained by less than a thousandth counts as nothing
        best, stale = np.inf, 0
        above = 0  # epochs on end whose loss is a fifth above the best
        for epoch, loss in enumerate(curve):
            stale = 0 if loss <= best * (1 - 1e-3 * (n_columns > 20)) else stale + 1
            best = min(best, loss)
            above = above + 1 if loss > 1.2 * best else 0
            goes_on = stale < patience * times and above < 8 * times
            assert goes_on == (epoch + 1 < len(curve)) or len(curve) == 100


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([0.5, 0.61, 0.61, 0.59, 0.61, 0.61, 0.61], True),  # three on end above 0.6
        ([0.5, 0.61, 0.61, 0.59, 0.61, 0.61, 0.59], False),
        ([0.001, 0.03, 0.03, 0.03], True),  # above a fiftieth of the constant model's loss, which is 1
        ([0.001, 0.02, 0.02, 0.02, 0.02], False),  # what the rate makes come and go where there is no noise
        ([-3.0, -2.97, -2.97, -2.97], True),  # as a likelihood's, of which no share can be taken
        ([-3.0, -2.99, -2.99, -2.99], False),
    ],
)
def test_the_end_is_where_losses_lie_far_above_the_least_for_so_many_epochs_on_end(losses, ends):
    training = SimpleNamespace(params=np.zeros(1), dtype=np.float64, plateau=(1.0,), progress={"reference": [1.0]})
    plan = SimpleNamespace(tol=0.0, n_iter_no_change=99, n_iter_recent=3, max_iter=100)
    stopping = EarlyStopping(training, plan)
    assert [stopping.is_over(loss) for loss in losses] == [False] * (len(losses) - 1) + [ends]


@pytest.mark.parametrize("tol", [0.0, 1e-3])
def test_losses_that_are_the_same_are_no_better_ones(tol):
    training = SimpleNamespace(params=np.zeros(1), dtype=np.float64, plateau=(1.0,), progress={"reference": [0.0]})
    plan = SimpleNamespace(tol=tol, n_iter_no_change=3, n_iter_recent=None, max_iter=100)
    stopping = EarlyStopping(training, plan)
    assert [stopping.is_over(0.0) for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("losses", "beside", "ends"),
    [
        ([1.9, 0.85, 0.83, 0.82], 0.1, True),  # on the way to 0.82 - 6 * 0.03 / 2 = 0.73, above 2 * 0.1
        ([0.9, 0.8, 0.7, 0.6], 0.1, False),  # to 0.6 - 6 * 0.1 = 0
        ([1.9, 0.85, 0.83, 0.82], 0.37, False),  # 2 * 0.37 is above
        ([1.9, 0.85, 0.83, 0.82], 0.36, True),
        ([0.9, 0.88, 0.88, 0.88], np.nan, False),
        ([0.9, 0.88, 0.88, 0.88], None, False),
        ([1.9, 1.85, 1.83, 1.82], 0.1, False),  # above the constant model's loss, which is 1: it hasn't begun
        ([0.2, 0.15, 0.13, 0.12], 0.0001, False),  # to 0.03: by less than a tenth of the constant model's
        ([0.5, -2.0, -2.2, -2.2], -3.0, True),  # to -2.8, as a likelihood, of which no share can be taken
        ([0.5, -2.0, -2.2, -2.25], -3.0, False),  # to -3.0
    ],
)
def test_a_member_ends_where_its_pace_leads_to_twice_the_loss_of_the_linear_model(losses, beside, ends):
    training = SimpleNamespace(params=np.zeros(1), dtype=np.float64, plateau=(1.0,), progress={"reference": [1.0]})
    plan = SimpleNamespace(tol=0.0, n_iter_no_change=99, n_iter_recent=2, max_iter=10)
    stopping, found = EarlyStopping(training, plan), []
    for training.epochs, loss in enumerate(losses, 1):
        if training.epochs == 3:  # a checkpoint is written and read
            state, stopping = stopping.state(), EarlyStopping(training, plan)
            stopping.restore(state)
        found.append(stopping.is_over(loss, beside))
    assert found == [False, False, False, ends]


@pytest.mark.parametrize(("tol", "all_epochs"), [(None, True), ("auto", False)])
def test_members_run_all_epochs_without_a_tolerance(tol, all_epochs):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 40)), rng.normal(size=80)  # columns that are learnt by heart
    model = GDMLPRegressor(tol=tol, n_members=2, early_stopping=True, max_iter=60, random_state=0).fit(X, y)
    assert [len(curve) == 60 for curve in model.validation_curve_] == [all_epochs] * 2


def test_linear_models_are_fitted_beside_members_not_beside_starts_of_which_one_is_kept(monkeypatch):
    fitted = []
    monkeypatch.setattr("skgd.neural_network._base.learn_beside", lambda *given: fitted.append(given))
    X, y = make_friedman1(60, random_state=0)
    few = SMALL | {"max_iter": 3, "early_stopping": True, "tol": None}
    assert not hasattr(GDMLPRegressor(n_restarts=2, **few).fit(X, y), "oob_score_")
    assert not fitted
    GDMLPRegressor(n_members=2, **few).fit(X, y)
    assert len(fitted) == 1


def test_members_end_soon_where_linear_models_say_all_and_else_go_on():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(600, 200))
    sets = (wide, wide @ rng.normal(size=200)), make_friedman1(600, random_state=0)
    for (X, y), ends in zip(sets, (True, False), strict=True):
        model = GDMLPRegressor(random_state=0).fit(X[:400], y[:400])
        lengths = [len(curve) for curve in model.validation_curve_]
        assert min(lengths) > 8  # which tell the pace
        assert (max(lengths) < 15) == (model.linear_weight_ == 1) == ends
        by_ridge = Ridge(0.04).fit(X[:400], y[:400]).score(X[400:], y[400:])
        assert model.score(X[400:], y[400:]) > (0.999 if ends else by_ridge + 0.1)


@pytest.mark.parametrize("settings", [{}, {"n_members": 1, "early_stopping": True}])
def test_where_all_targets_are_the_same_training_ends_by_its_patience_without_a_warning(settings):
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = GDMLPRegressor(hidden_layer_sizes=(4,), n_iter_no_change=3, random_state=0, **settings)
    model.fit(X, np.full(60, 7.25))
    assert model.n_iter_ == 3 * (1 if settings else 2) + 1
    assert (model.predict(X) == 7.25).all()


def test_a_network_of_the_users_ends_by_its_patience_alone():
    X, y = np.random.default_rng(0).normal(size=(100, 80)), np.arange(100) % 2
    model = GDMLPClassifier(learning_rate=0.01, early_stopping=True, n_iter_no_change=30, random_state=0).fit(X, y)
    curve = model.validation_curve_
    assert (curve[-9:] > 1.2 * curve.min()).all()


def test_the_rate_of_wide_rows_ends_at_zero_as_well(tmp_path):
    pytest.importorskip("sklearn.callback")
    X, y = np.random.default_rng(0).normal(size=(100, 160)), np.arange(100) % 2
    model = GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=8, random_state=0)  # half of these are made
    model.set_callbacks(EpochLogger(tmp_path / "log")).fit(X, y)
    rates = pd.read_csv(tmp_path / "log").query("start == 1")["learning_rate"]
    np.testing.assert_allclose(rates, 0.006 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2, rtol=1e-9)


def test_members_take_larger_batches_of_sparse_rows():
    few = {"hidden_layer_sizes": (1,), "max_iter": 1, "random_state": 0}
    assert GDMLPRegressor(**few).fit(csr_array(DIABETES[0]), DIABETES[1]).batch_size_ == 200


def test_members_go_on_and_callbacks_see_them(at_epoch):
    X, y = DIABETES
    model = GDMLPRegressor(n_members=3, warm_start=True, early_stopping=False, tol=None, **SMALL)
    first = model.fit(X, y).predict(X)
    assert model.best_loss_ == pytest.approx(np.mean([each.min() for each in model.loss_curve_]))
    assert model.loss_ == pytest.approx(np.mean([each[-1] for each in model.loss_curve_]))
    model.fit(X, y)
    assert (model.n_members_, model.n_iter_) == (3, 24)
    assert not np.array_equal(model.predict(X), first)
    assert model.partial_fit(X[:50], y[:50]).n_iter_ == 25
    assert model.n_members_ == 3
    with pytest.raises(ValueError, match="n_members=2, and it has 3"):
        model.set_params(n_members=2).fit(X, y)
    assert model.n_members_ == 3
    with pytest.raises(ValueError, match="n_members=2, n_restarts=2"):
        GDMLPRegressor(n_members=2, n_restarts=2, **SMALL).fit(X, y)
    seen = []
    GDMLPRegressor(n_members=2, **SMALL).set_callbacks(at_epoch(1, lambda: seen.append(1))).fit(X, y)
    assert seen


def test_the_reason_to_stop_is_that_of_the_member_that_had_to(at_epoch):
    X, y = DIABETES
    model = GDMLPRegressor(n_members=2, tol=None, early_stopping=False, n_jobs=1, **SMALL)
    assert model.fit(X, y).stop_reason_ == "max_iter"
    n_updates = model.t_
    second = at_epoch(SMALL["max_iter"] + 3, lambda: True)
    model.set_callbacks(second).fit(X, y)
    assert (model.stop_reason_, list(map(len, model.loss_curve_))) == ("callback", [12, 3])
    assert (model.n_iter_, model.t_) == (12, n_updates)  # of the one that has had most


def test_a_fit_that_was_cut_short_is_resumed_to_the_same_bits(tmp_path, at_epoch):
    from skgd.callbacks import Checkpoint

    X, y = DIABETES
    expected = GDMLPRegressor(**SMALL).fit(X, y)

    def fail():
        raise RuntimeError("cut short")

    file = tmp_path / "fit"
    with pytest.raises(RuntimeError, match="cut short"):
        GDMLPRegressor(n_jobs=1, **SMALL).set_callbacks(Checkpoint(file), at_epoch(5, fail)).fit(X, y)
    resumed = GDMLPRegressor(**SMALL).resume(file, X, y)
    np.testing.assert_array_equal(resumed.predict(X), expected.predict(X))
    np.testing.assert_array_equal(resumed.oob_prediction_, expected.oob_prediction_)
    with pytest.raises(ValueError, match="y changed"):
        GDMLPRegressor(**SMALL).resume(file, X, y + 1)


def test_ctrl_c_keeps_members_that_have_learnt_before(at_epoch):
    X, y = DIABETES

    def press():
        raise KeyboardInterrupt

    model = GDMLPRegressor(n_jobs=1, **SMALL).fit(X, y)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(warm_start=True).set_callbacks(at_epoch(2, press)).fit(X, y)
    assert (model.n_members_, model.stop_reason_) == (5, "interrupted")
    assert np.isfinite(model.predict(X)).all()


def test_rows_without_weight_and_rows_seen_before():
    X, y = DIABETES
    weight = np.zeros(len(y))
    weight[:39] = 1
    model = GDMLPRegressor(**SMALL).fit(X, y, weight)  # 39 rows are too few to hold some out
    np.testing.assert_array_equal(model.predict(X), GDMLPRegressor(**SMALL).fit(X[:39], y[:39]).predict(X))
    model = GDMLPRegressor(**SMALL).fit(X, y)
    assert hasattr(model, "oob_score_")
    assert not hasattr(model.set_params(warm_start=True, tol=None).fit(X, y), "oob_score_")
    few = GDMLPRegressor(**SMALL).fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    assert few.stop_reason_ in ("early_stopping", "max_iter")
    assert few.best_validation_score_ is not None


def test_a_single_network_takes_the_place_of_an_ensemble():
    X, y = DIABETES
    model = GDMLPRegressor(**SMALL).fit(X, y)
    assert model.n_members_ == 5
    alone = GDMLPRegressor(n_members=1, **SMALL).fit(X, y)
    model.set_params(n_members=1).fit(X, y)
    assert model.n_members_ == 1
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), alone.predict(X))


def test_published_parameters_may_be_changed():
    X, y = DIABETES
    model = GDMLPRegressor(**SMALL).fit(X, y)
    model.predict(X[:3])
    for coefs, intercepts in zip(model.coefs_, model.intercepts_, strict=True):
        coefs[1][:], intercepts[1][:] = 0, 7
    model.linear_weight_ = 0
    np.testing.assert_allclose(model.predict(X[:3]), 7, rtol=1e-5)
    np.testing.assert_allclose(model.predict(X), 7, rtol=1e-5)
    model.coefs_[0] = [coef[:1] for coef in model.coefs_[0]]
    with pytest.raises(ValueError, match="must keep their shapes"):
        model.predict(X[:3])


def test_loss_curves_of_members_are_drawn_as_their_mean():
    LossCurveDisplay = pytest.importorskip("skgd.plotting").LossCurveDisplay
    model = GDMLPRegressor(**SMALL).fit(*DIABETES)
    model.loss_curve_ = [np.array([3.0, 2.0]), np.array([1.0]), np.array([2.0, 1.0, 0.5])]
    (line,) = LossCurveDisplay.from_estimator(model, validation=False).lines_.values()
    np.testing.assert_allclose(line.get_ydata(), [2.0, 1.5, 0.5])


# -- what it is for


@pytest.mark.parametrize("data", [DIABETES, CANCER, IRIS], ids=["diabetes", "breast_cancer", "iris"])
def test_by_default_it_isnt_below_the_linear_model(data):
    X, y = data
    is_classes = y.dtype.kind == "i"
    folds = (StratifiedKFold if is_classes else KFold)(5, shuffle=True, random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression() if is_classes else Ridge(1.0))
    network = (GDMLPClassifier if is_classes else GDMLPRegressor)(random_state=0)
    method = "predict_proba" if is_classes else "predict"
    its, mine = (cross_val_predict(model, X, y, cv=folds, method=method) for model in (linear, network))
    if is_classes:
        assert accuracy_score(y, mine.argmax(axis=1)) > accuracy_score(y, its.argmax(axis=1)) - 0.015
        assert log_loss(y, mine) < log_loss(y, its) + 0.02
    else:
        assert r2_score(y, mine) > r2_score(y, its) - 0.02


def test_a_pickle_with_fewer_linear_models_than_members_is_refused():
    X, y = DIABETES[0][:100], DIABETES[1][:100]
    model = GDMLPRegressor(n_members=2, **SMALL).fit(X, y)
    state = model.__getstate__()
    state["_states_of_linear"] = state["_states_of_linear"][:1]
    with pytest.raises(ValueError, match="each member has a linear model, or none has"):
        GDMLPRegressor().__setstate__(state)


def test_folds_of_many_rows_have_one_size():
    held_out = [len(rows) for _, rows in folds(70_000, 0.2, np.empty(0), None, 5, np.random.RandomState(0))]
    assert held_out == [14_000] * 5


# -- float32 inside


def test_members_are_trained_in_float32_and_predict_in_float64():
    for case in "numbers", "three classes":
        model, (X, y) = CASES[case]
        double, single = clone(model).fit(X, y), clone(model).fit(X.astype(np.float32), y)
        assert {each.dtype.name for each in double._trainings} == {"float32"}
        for one, other in zip(double.loss_curve_, single.loss_curve_, strict=True):
            np.testing.assert_array_equal(one, other)
        predict = "predict" if case == "numbers" else "predict_proba"
        raws = np.mean([forward(double, k, X) for k in range(5)], axis=0)
        assert getattr(double, predict)(X).dtype == double.coefs_[0][0].dtype == raws.dtype == np.float64
        assert getattr(double, predict)(X[:2]).dtype == double.oob_prediction_.dtype == np.float64
        assert getattr(single, predict)(X.astype(np.float32)).dtype == single.coefs_[0][0].dtype == np.float32
        np.testing.assert_allclose(getattr(double, predict)(X[:2]), getattr(double, predict)(X)[:2], rtol=1e-5)


@pytest.mark.parametrize(
    "settings", [{"n_members": 1}, {"learning_rate": 0.01, "n_members": 3}, {"optimizer": "sgd", "n_members": 3}]
)
def test_a_way_of_training_of_the_users_is_in_the_precision_of_the_data(settings):
    model = clone(CASES["numbers"][0]).set_params(max_iter=100, **settings).fit(*DIABETES)
    assert {each.dtype.name for each in model._trainings} == {"float64"}


@pytest.mark.parametrize(
    ("of_X", "of_y"),
    [
        (lambda X: X + 1e9, None),
        (lambda X: X * 1e60, None),
        (lambda X: X * 1e-60, None),
        (lambda X: csr_array(X * 1e60), None),
        (None, lambda y: y * 1e60),
    ],
    ids=["far from zero", "huge", "tiny", "huge and sparse", "huge targets"],
)
def test_what_float32_would_lose_is_learnt_in_float64(of_X, of_y):
    X, y = DIABETES
    plain = clone(CASES["numbers"][0]).fit(X, y)
    model = clone(plain).fit(of_X(X) if of_X else X, of_y(y) if of_y else y)
    assert {each.dtype.name for each in model._trainings} == {"float64"}
    assert model.oob_score_ == pytest.approx(plain.oob_score_, abs=0.02 if of_X else 1e-3)


def test_targets_far_from_zero_keep_their_digits():
    X, y = DIABETES
    plain, far = (clone(CASES["numbers"][0]).fit(X, each) for each in (y, y + 1e9))
    np.testing.assert_allclose(far.predict(X) - 1e9, plain.predict(X), atol=0.01 * y.std())
    assert far.oob_score_ == pytest.approx(plain.oob_score_, abs=1e-3)


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_are_taken_in_float32_where_entries_differ_by_digits_that_it_keeps(sparse, monkeypatch):
    year, constant, rng = np.linspace(1990.0, 2020, 50), np.full(50, 1e6), np.random.default_rng(0)
    X, y = np.column_stack([year, constant, rng.normal(size=50)]), rng.normal(size=50)
    X = csr_array(X) if sparse else X

    def found(X, y=y, unseen=None):
        return narrowed(X, SimpleNamespace(y=y, validation=unseen))

    single = found(X)
    assert single.dtype == np.float32
    assert X.dtype == np.float64
    dense, rounded = (each.toarray() if sparse else each for each in (X, single))
    assert (abs(dense - rounded) <= 1e-4 * np.ptp(dense, axis=0)).all()
    assert found(single) is single
    days = X + 1e6 * (abs(X) > 0)  # of which a range of thirty is left
    assert (found(days) is days) == (not sparse)  # CSR isn't centred
    assert found(X, 1e30 * y) is X
    assert found(X, unseen=SimpleNamespace(X=X, y=y)).dtype == np.float32
    for beyond in SimpleNamespace(X=1e39 * X, y=y), SimpleNamespace(X=X, y=1e39 * y):
        assert found(X, unseen=beyond) is X
    tiny = X * np.array([1.0, 1.0, 1e-60]) if not sparse else csr_array(X.toarray() * np.array([1.0, 1.0, 1e-60]))
    assert found(tiny) is tiny
    monkeypatch.setattr("skgd._problem.features.MOST_COPIED", 149)
    assert found(X) is X


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_has_been_learnt_in_float64_goes_on_in_it():
    X, y = DIABETES
    model = GDMLPRegressor(max_iter=20, random_state=0).fit(X[:30], y[:30])  # none held out
    assert model._training.dtype == np.float64
    assert model.set_params(warm_start=True).fit(X, y)._training.dtype == np.float64
    assert model.score(X, y) > 0.3


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_rows_beyond_float32_are_predicted_in_float64():
    X, y = DIABETES
    model = clone(CASES["numbers"][0]).fit(X, y)
    far = X[:3] * np.array([[1.0], [1e40], [-1e200]])
    expected = np.mean([forward(model, k, far) for k in range(5)], axis=0)[:, 0]
    assert np.isfinite(model.predict(far)).all()
    model.linear_weight_ = 0
    np.testing.assert_allclose(model.predict(far), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict(np.tile(far, (5000, 1)))[:3], expected, rtol=1e-5)


@pytest.mark.parametrize("n_alone", [60, 35])
def test_rows_that_are_alone_in_their_class_are_none_to_hold_out(n_alone):
    X = np.random.default_rng(0).standard_normal((60, 2))
    y = np.minimum(np.arange(60), n_alone)
    model = GDMLPClassifier(max_iter=2, random_state=0).fit(X, y)
    assert model.n_members_ == 5
    assert not hasattr(model, "oob_score_")
    assert model.predict_proba(X).shape == (60, len(set(y)))
