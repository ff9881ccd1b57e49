"""Validation data of the user's own: what is measured on them, when they stop a fit, and what is refused."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import is_classifier
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._targets import held_out as parts
from skgd.losses import Huber

ESTIMATORS = {
    "GDLinearRegressor": GDLinearRegressor,
    "GDLinearClassifier": GDLinearClassifier,
    "GDLogisticClassifier": GDLogisticClassifier,
    "GDMLPClassifier": lambda **settings: GDMLPClassifier(hidden_layer_sizes=(8,), **settings),
    "GDMLPRegressor": lambda **settings: GDMLPRegressor(hidden_layer_sizes=(8,), **settings),
}
each_estimator = pytest.mark.parametrize("make", [*ESTIMATORS.values()], ids=[*ESTIMATORS])

_rng = np.random.default_rng(0)
X = _rng.normal(size=(200, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, 3.0]
SIGNAL = (X - X.mean(axis=0)) / X.std(axis=0) @ [1.0, -1.0, 0.5]
TARGETS = 500 + 100 * SIGNAL + 80 * _rng.normal(size=200)
CLASSES = np.array(["a", "b", "c"])[np.digitize(SIGNAL + _rng.normal(size=200), [-0.7, 0.7])]
TRAIN, VALID = slice(0, 120), slice(120, 200)
WEIGHT = _rng.uniform(0.1, 2.0, 200)
for _array in (X, TARGETS, CLASSES, WEIGHT):
    _array.flags.writeable = False


def data_for(make):
    y = CLASSES if is_classifier(make()) else TARGETS
    return X[TRAIN], y[TRAIN], X[VALID], y[VALID]


def loss_of(model, X, y, weight=None):
    if is_classifier(model):
        return log_loss(y, model.predict_proba(X), sample_weight=weight, labels=model.classes_)
    return 0.5 * np.average((model.predict(X) - y) ** 2, weights=weight)


def parameters_of(model):
    arrays = [*model.coefs_, *model.intercepts_] if hasattr(model, "coefs_") else [model.coef_, model.intercept_]
    return np.concatenate([array.ravel() for array in arrays])


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@each_estimator
def test_without_early_stopping_they_are_watched_and_change_nothing(make, weight, batch_size, average):
    X, y, X_val, y_val = data_for(make)
    settings = {"batch_size": batch_size, "average": average, "max_iter": 12, "tol": None, "random_state": 0}
    settings |= {"optimizer": "adam", "learning_rate": 0.05}
    alone = make(**settings).fit(X, y)
    weights = {} if weight is None else {"sample_weight_val": weight[VALID]}
    model = make(**settings).fit(X, y, X_val=X_val, y_val=y_val, **weights)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(alone))
    assert len(model.validation_curve_) == model.n_iter_ == 12
    assert len(alone.validation_curve_) == 0
    expected = loss_of(model, X_val, y_val, weights.get("sample_weight_val"))
    assert model.validation_curve_[-1] == pytest.approx(expected, rel=1e-6)
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("criterion", ["objective", "gradient", "step"])
@each_estimator
def test_without_early_stopping_the_criterion_decides(make, criterion):
    X, y, X_val, y_val = data_for(make)
    settings = {"batch_size": None, "criterion": criterion, "alpha": 0.1, "tol": 1e-4, "random_state": 0}
    settings |= {"optimizer": "nesterov", "learning_rate": 0.05, "max_iter": 3000}
    if isinstance(make(), GDMLPClassifier | GDMLPRegressor):
        settings["tol"] = 1e-2
    alone, model = make(**settings).fit(X, y), make(**settings).fit(X, y, X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == alone.stop_reason_ == "converged"
    np.testing.assert_array_equal(parameters_of(model), parameters_of(alone))
    assert len(model.validation_curve_) == model.n_iter_


@pytest.mark.parametrize(("dtype", "average"), [(np.float64, False), (np.float64, True), (np.float32, False)])
@each_estimator
def test_with_early_stopping_they_stop_the_fit_at_the_best_parameters_for_them(make, dtype, average):
    X, y, X_val, y_val = data_for(make)
    settings = {"optimizer": "adam", "learning_rate": 0.1, "batch_size": 16, "max_iter": 300, "n_iter_no_change": 5}
    model = make(early_stopping=True, average=average, tol=0.0, random_state=0, **settings)
    model.fit(X.astype(dtype), y, X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == "early_stopping"
    assert len(model.validation_curve_) == model.n_iter_ < 300
    best = model.validation_curve_.min()
    assert np.argmin(model.validation_curve_) == model.n_iter_ - 6
    rel = 1e-6 if dtype == np.float64 else 1e-3
    assert loss_of(model, X_val.astype(dtype), y_val) == pytest.approx(best, rel=rel)
    # nothing of the training data is held out
    assert model.t_ == model.n_iter_ * 8


@pytest.mark.parametrize("make", [GDLinearRegressor, GDLogisticClassifier])
@pytest.mark.parametrize("times", [1, 50])
def test_with_early_stopping_nothing_else_ends_a_line_search(make, times):
    # neither Newton's steps on few rows nor those on many: the optimum on the training rows is no reason
    X, y, X_val, y_val = data_for(make)
    y = y == "a" if is_classifier(make()) else y
    y_val = y_val == "a" if is_classifier(make()) else y_val
    model = make(early_stopping=True, alpha=1.0, tol=1e-4, n_iter_no_change=30)
    model.fit(np.tile(X, (times, 1)), np.tile(y, times), X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == "early_stopping"
    assert model.n_iter_ > 30


@each_estimator
def test_early_stopping_on_a_part_held_out_is_as_before(make):
    X, y, _, _ = data_for(make)
    model = make(early_stopping=True, optimizer="adam", learning_rate=0.1, batch_size=16, random_state=0).fit(X, y)
    assert model.t_ == model.n_iter_ * 7  # 108 rows
    assert len(model.validation_curve_) == model.n_iter_


def test_they_are_scaled_as_the_training_data_are():
    shifted = X[VALID] + [100.0, -3.0, 5.0]
    model = GDLinearRegressor(max_iter=50, tol=None).fit(X[TRAIN], TARGETS[TRAIN], X_val=shifted, y_val=TARGETS[VALID])
    assert model.validation_curve_[-1] == pytest.approx(loss_of(model, shifted, TARGETS[VALID]), rel=1e-9)


def test_they_may_be_of_another_dtype_and_layout():
    settings = {"max_iter": 20, "tol": None}
    X_val = np.asfortranarray(X[VALID].astype(np.float32))
    for dtype in (np.float64, np.float32):
        model = GDLinearRegressor(**settings).fit(
            X[TRAIN].astype(dtype), TARGETS[TRAIN], X_val=X_val.tolist(), y_val=TARGETS[VALID].tolist()
        )
        expected = loss_of(model, X_val.astype(dtype), TARGETS[VALID])
        assert model.validation_curve_[-1] == pytest.approx(expected, rel=1e-4)


def test_several_targets_quantiles_and_links():
    Y = np.column_stack([TARGETS, -TARGETS])
    rows = {"max_iter": 10, "tol": None}
    model = GDLinearRegressor(**rows).fit(X[TRAIN], Y[TRAIN], X_val=X[VALID], y_val=Y[VALID])
    of_targets = 0.5 * np.mean((model.predict(X[VALID]) - Y[VALID]) ** 2, axis=0) / Y[TRAIN].var(axis=0)
    assert model.validation_curve_[-1] == pytest.approx(of_targets.sum())  # each in units of its variance
    model = GDLinearRegressor(loss="quantile", quantile=[0.1, 0.9], **rows)
    model.fit(X[TRAIN], TARGETS[TRAIN], X_val=X[VALID], y_val=TARGETS[VALID])
    residual = TARGETS[VALID, None] - (X[VALID] @ model.coef_.T + model.intercept_)
    pinball = np.maximum([0.1, 0.9] * residual, [-0.9, -0.1] * residual).mean(axis=0)
    assert model.validation_curve_[-1] == pytest.approx(pinball.sum())  # of kinks as they are, not rounded off
    model = GDLinearRegressor(loss=Huber(10.0), **rows).fit(
        X[TRAIN], TARGETS[TRAIN], X_val=X[VALID], y_val=TARGETS[VALID]
    )
    size = np.abs(model.predict(X[VALID]) - TARGETS[VALID])
    assert model.validation_curve_[-1] == pytest.approx(np.mean(np.where(size <= 10, size**2 / 2, 10 * size - 50)))
    with pytest.raises(ValueError, match=r"y_val: y contains -1.*Poisson.*no negative"):
        GDLinearRegressor(loss="poisson").fit(X[TRAIN], TARGETS[TRAIN] + 500, X_val=X[:2], y_val=[3.0, -1.0])


@pytest.mark.parametrize("class_weight", ["balanced", {"a": 5.0, "b": 0.5}])
def test_class_weights_count_for_them_too(class_weight):
    X, y, X_val, y_val = data_for(GDLogisticClassifier)
    model = GDLogisticClassifier(class_weight=class_weight, max_iter=20, tol=None)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=WEIGHT[VALID])
    factors = class_weight
    if class_weight == "balanced":
        factors = {c: 1 / np.sum(y == c) for c in "abc"}
    weight = WEIGHT[VALID] * [factors.get(c, 1.0) for c in y_val]
    assert model.validation_curve_[-1] == pytest.approx(loss_of(model, X_val, y_val, weight), rel=1e-6)


@each_estimator
def test_a_warm_start_goes_on_with_the_curve(make):
    X, y, X_val, y_val = data_for(make)
    model = make(warm_start=True, max_iter=5, tol=None, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert len(model.validation_curve_) == model.n_iter_ == 10
    assert model.validation_curve_[-1] == pytest.approx(loss_of(model, X_val, y_val), rel=1e-6)


@each_estimator
def test_what_is_wrong_with_them_is_said_by_name_and_a_fitted_model_survives(make):
    X, y, X_val, y_val = data_for(make)
    model = make(max_iter=5, tol=None, random_state=0).fit(X, y)
    before = parameters_of(model)
    nan = X_val.copy()
    nan[3, 1] = np.nan
    wrong = [
        ({"X_val": X_val}, "y_val is missing: validation data need both X_val and y_val"),
        ({"y_val": y_val}, "X_val is missing"),
        ({"sample_weight_val": np.ones(80)}, "sample_weight_val needs X_val and y_val"),
        ({"X_val": X_val[:, :2], "y_val": y_val}, r"X_val: X has 2 features, but .* is expecting 3.*transform_input"),
        ({"X_val": nan, "y_val": y_val}, "X_val: (Input )?X contains NaN"),
        ({"X_val": X_val[0], "y_val": y_val}, "X_val: Expected 2D array"),
        ({"X_val": X_val[:0], "y_val": y_val[:0]}, r"X_val: Found array with 0 sample"),
        ({"X_val": X_val[:-1], "y_val": y_val}, "X_val has 79 rows and y_val 80"),
        ({"X_val": X_val, "y_val": y_val, "sample_weight_val": np.ones(79)}, "sample_weight_val: .*79"),
        ({"X_val": X_val, "y_val": y_val, "sample_weight_val": -np.ones(80)}, "sample_weight_val: .*[Nn]egative"),
    ]
    if is_classifier(model):
        wrong += [
            ({"X_val": X_val, "y_val": np.full(80, "d")}, r"y_val: .*\['d'\] .*known"),
            ({"X_val": X_val, "y_val": np.column_stack([y_val, y_val])}, "y_val: .*1d array"),
        ]
    else:
        wrong += [
            ({"X_val": X_val, "y_val": np.column_stack([y_val, y_val])}, "y_val: it has 2 columns, y has 1"),
            ({"X_val": X_val, "y_val": np.where(y_val > 500, np.nan, y_val)}, "y_val: Input y_val contains NaN"),
            ({"X_val": X_val, "y_val": np.full(80, "d")}, "y_val: could not convert"),
        ]
    for arguments, message in wrong:
        for early_stopping in (False, True):
            with pytest.raises(ValueError, match=message):
                model.set_params(early_stopping=early_stopping).fit(X, y, **arguments)
            np.testing.assert_array_equal(parameters_of(model), before)


@each_estimator
def test_names_of_features_must_agree(make):
    pd = pytest.importorskip("pandas")
    X, y, X_val, y_val = data_for(make)
    frame, frame_val = (pd.DataFrame(array, columns=["a", "b", "c"]) for array in (X, X_val))
    settings = {"max_iter": 3, "tol": None, "random_state": 0}
    model = make(**settings).fit(frame, y, X_val=frame_val, y_val=pd.Series(y_val, index=np.arange(80)[::-1]))
    expected = make(**settings).fit(X, y, X_val=X_val, y_val=y_val)
    np.testing.assert_array_equal(model.validation_curve_, expected.validation_curve_)
    with pytest.raises(ValueError, match=r"X_val: .*feature names"):
        make(**settings).fit(frame, y, X_val=frame_val[["b", "a", "c"]], y_val=y_val)


@each_estimator
def test_a_pipeline_transforms_them_where_it_is_told_to(make):
    X, y, X_val, y_val = data_for(make)
    settings = {"max_iter": 5, "tol": None, "random_state": 0}
    scaler = StandardScaler().fit(X)
    expected = make(**settings).fit(scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val)
    with config_context(enable_metadata_routing=True):
        model = make(**settings).set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    np.testing.assert_array_equal(pipeline[-1].validation_curve_, expected.validation_curve_)


@each_estimator
def test_they_are_not_changed(make):
    X, y, X_val, y_val = data_for(make)
    copies = X_val.copy(), y_val.copy(), WEIGHT[VALID].copy()
    make(max_iter=3, tol=None, early_stopping=True).fit(
        X, y, X_val=copies[0], y_val=copies[1], sample_weight_val=copies[2]
    )
    for now, then in zip(copies, (X_val, y_val, WEIGHT[VALID]), strict=True):
        np.testing.assert_array_equal(now, then)
        assert now.flags.writeable


@pytest.mark.parametrize("rows_at_once", [7, 1000])
def test_rows_are_held_out_at_random_and_every_class_in_proportion(rows_at_once, monkeypatch):
    monkeypatch.setattr(parts, "ROWS_AT_ONCE", rows_at_once)
    rng = np.random.RandomState(0)
    classes = np.repeat([0.0, 1.0, 2.0], [60, 30, 10])[rng.permutation(100)]
    weight = np.where(np.arange(100) % 10 == 3, 0.0, 1.0)
    times = np.zeros(100)
    for _ in range(400):
        rows, held_out = parts.hold_out(100, 0.2, np.empty(0), classes, rng)
        np.testing.assert_array_equal(np.sort(np.concatenate([rows, held_out])), np.arange(100))
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(np.bincount(classes[held_out].astype(int)), [12, 6, 2])
        times[held_out] += 1
    # each row is drawn with a chance of 0.2: within five standard deviations of 80
    assert np.abs(times - 80).max() < 5 * np.sqrt(400 * 0.2 * 0.8)
    rows, held_out = parts.hold_out(100, 0.25, weight, None, rng)
    assert len(held_out) == np.ceil(0.25 * 90)
    np.testing.assert_array_equal(np.sort(np.concatenate([rows, held_out])), np.flatnonzero(weight))


def test_what_cant_be_held_out_is_refused():
    for counts, fraction in (([50, 1], 0.5), ([5, 5], 0.1), ([1], 0.5)):
        y = np.repeat(np.arange(len(counts)), counts)
        model = GDLogisticClassifier if len(counts) > 1 else GDLinearRegressor
        message = f"early_stopping=True can't hold out validation_fraction={fraction} of {len(y)} rows"
        with pytest.raises(ValueError, match=message):
            model(early_stopping=True, validation_fraction=fraction).fit(np.eye(len(y)), y)


def test_a_row_of_every_class_is_left_to_train_on():
    classes = np.repeat([0.0, 1.0, 2.0], [40, 2, 3])
    rows, held_out = parts.hold_out(45, 0.9, np.empty(0), classes, np.random.RandomState(0))
    np.testing.assert_array_equal(np.bincount(classes[rows].astype(int)), [4, 1, 1])
    np.testing.assert_array_equal(np.bincount(classes[held_out].astype(int)), [36, 1, 2])


@pytest.mark.parametrize("make", [GDLogisticClassifier, GDLinearRegressor])
def test_validation_rows_without_targets_are_refused(make):
    X, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    with pytest.raises(ValueError, match=r"y_val 0: they must be as many|y_val: Found array with 0 sample"):
        make(early_stopping=True).fit(X, y, X_val=X[:3], y_val=y[:0])
