"""Whatever users hand over by mistake: a clear error or a correct fit, and a fitted model survives both."""

import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError, generate_invalid_param_val, make_constraint

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.activations import ACTIVATIONS
from skgd.losses import CLASS_LOSSES, LOSSES, REGRESSION_LOSSES, Hinge, Loss, Quantile, SquaredError
from skgd.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, Optimizer
from skgd.penalties import L1, L2, PENALTIES, ElasticNet
from skgd.schedules import SCHEDULES, Cosine, StepDecay

_small = {"hidden_layer_sizes": (4,), "max_iter": 5, "tol": None, "random_state": 0}
SmallNetwork, SmallClassifier = partial(GDMLPRegressor, **_small), partial(GDMLPClassifier, **_small)
ESTIMATORS = {
    "GDLinearRegressor": GDLinearRegressor,
    "GDLinearClassifier": GDLinearClassifier,
    "GDLogisticClassifier": GDLogisticClassifier,
    "GDMLPClassifier": SmallClassifier,
    "GDMLPRegressor": SmallNetwork,
}
CLASSIFIERS = (GDLinearClassifier, GDLogisticClassifier, SmallClassifier)
REGRESSORS = {name: make for name, make in ESTIMATORS.items() if make not in CLASSIFIERS}
LINEAR = {name: make for name, make in ESTIMATORS.items() if not name.startswith("GDMLP")}
each_estimator = pytest.mark.parametrize("make", [*ESTIMATORS.values()], ids=[*ESTIMATORS])
each_regressor = pytest.mark.parametrize("make", [*REGRESSORS.values()], ids=[*REGRESSORS])
each_linear_model = pytest.mark.parametrize("make", [*LINEAR.values()], ids=[*LINEAR])

# adding up 1.7e308 and -1.7e308 to look for infinities
overflow_in_scikit_learns_own_check = pytest.mark.filterwarnings(
    "ignore:invalid value encountered in reduce:RuntimeWarning"
)

_rng = np.random.default_rng(0)
X = _rng.normal(size=(60, 3))
TARGETS = X @ [1.0, -2.0, 3.0] + 1.0 + 0.1 * _rng.normal(size=60)
CLASSES = (TARGETS + _rng.normal(size=60) > 1).astype(int)
for _array in (X, TARGETS, CLASSES):
    _array.flags.writeable = False


def targets(make):
    return CLASSES if make in CLASSIFIERS else TARGETS


def all_classes(make):
    """What the first call of partial_fit needs beside X and y."""
    return {"classes": [0, 1]} if make in CLASSIFIERS else {}


def predictions(model, X=X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def exact_predictions(make, X, y, alpha):
    """Of the solution of scikit-learn's own solvers: the same objective on standardised features."""
    Z = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    if make in CLASSIFIERS:
        return LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=1000).fit(Z, y).predict_proba(Z)
    return Ridge(alpha=alpha * len(y)).fit(Z, y).predict(Z)


# -- parameters

WRONG_VALUES = {
    "optimizer": ["adm", "ADAM", 3, Adam, None, ["adam"]],
    "learning_rate": [0, -0.1, np.nan, np.inf, "fast", None, "0.1", True],
    "schedule": ["cosin", 0.5, None],
    "loss": ["squared", 1, SquaredError, None, ["huber"]],
    "quantile": [0, 1.0, -0.5, np.nan, "half", None, [], [0.5, 1.5], [[0.5]], ["half"], {0.5: 1}],
    "activation": ["swish", np.tanh, None],
    "hidden_layer_sizes": [(0,), (5, -1), 0, (2.5,), "ten", None, (5, None), True],
    "dropout": [-0.1, 1, 1.5, "some", None, [0.1, 0.2, 0.3], [0.1, 1.0], ["a"], False, [False], ["0"]],
    "n_members": [0, -1, 1.5, "many", None, True],
    "n_restarts": [0, -1, 1.5, "many", None, True],
    "init": ["xavier", 1, ([], []), ([np.zeros((3, 4))], [np.zeros(4)]), ([np.zeros((3, 5)), 0], [1])],
    "penalty": ["l3", 1, True, L1],
    "alpha": [-1e-9, np.nan, np.inf, "small", None, True],
    "l1_ratio": [-0.1, 1.1, np.nan, "half", None, True],
    "fit_intercept": ["no", 2, None],
    "standardize": ["yes", 2, None],
    "batch_size": [0, -1, 2.5, "all", np.nan, True],
    "max_iter": [0, -5, 10.5, np.inf, None, "many", True],
    "tol": [-1e-3, np.nan, "tight", True],
    "criterion": ["loss", None],
    "n_iter_no_change": [0, 1.5, None, True],
    "shuffle": ["yes", None],
    "early_stopping": ["yes", 1, None],
    "validation_fraction": [0, 1, 1.5, -0.1, np.nan, "tenth"],
    "average": [-1, "yes", None, 1.5, -0.5],
    "clip_norm": [0, -1, np.inf, np.nan, "one", True],
    "categorical_features": ["by_name", 1.5],
    "class_weight": ["equal", [1, 2], 3],
    "warm_start": ["yes", None],
    "random_state": [-1, "zero", 1.5],
    "verbose": [-1, "yes", None],
    "n_jobs": [1.5, "all", [2]],
}

# What a message about each parameter has to offer; the table of its names where there is one.
ACCEPTED = {
    "optimizer": [*OPTIMIZERS, "Optimizer"],
    "schedule": [*SCHEDULES, "Schedule", "callable"],
    "loss": ["Loss"],
    "quantile": [],
    "activation": [*ACTIVATIONS],
    "learning_rate": ["(0.0, inf)", "auto"],
    "hidden_layer_sizes": [],
    "dropout": [],
    "n_members": ["int", "[1, inf)", "auto"],
    "n_restarts": ["int in the range [1, inf)"],
    "init": [],
    "penalty": [*PENALTIES, "penalties.L1", "penalties.L2", "penalties.ElasticNet", "None"],
    "alpha": ["[0.0, inf)"],
    "l1_ratio": ["[0.0, 1.0]"],
    "standardize": ["bool", "auto", "max_abs"],
    "batch_size": ["int", "[1, inf)", "auto", "None"],
    "max_iter": ["int", "[1, inf)"],
    "tol": ["[0.0, inf)", "None"],
    "criterion": ["objective", "gradient", "step"],
    "n_iter_no_change": ["int", "[1, inf)"],
    "validation_fraction": ["(0.0, 1.0)"],
    "average": ["bool", "int", "float in the range (0.0, 1.0)"],
    "clip_norm": ["(0.0, inf)", "None"],
    "categorical_features": ["array-like", "from_dtype", "None"],
    "class_weight": ["dict", "balanced", "None"],
    "random_state": ["int", "RandomState", "None"],
    "verbose": ["bool", "int"],
    "n_jobs": ["int"],
}
ACCEPTED |= {name: ["bool"] for name in ("fit_intercept", "shuffle", "early_stopping", "warm_start")}


@each_estimator
def test_wrong_parameters_are_refused_by_name_with_what_is_accepted(make):
    estimator = make()
    parameters = estimator.get_params(deep=False)
    assert set(parameters) <= set(WRONG_VALUES), "a parameter without wrong values here"
    for name in parameters:
        for value in WRONG_VALUES[name]:
            for method in ("fit", "partial_fit"):
                arguments = all_classes(make) if method == "partial_fit" else {}
                model = make(**{name: value})  # the constructor takes anything, as scikit-learn wants it
                with pytest.raises(ValueError, match=name) as caught:
                    getattr(model, method)(X, targets(make), **arguments)
                message = str(caught.value)
                names = [] if name != "loss" else CLASS_LOSSES if make in CLASSIFIERS else REGRESSION_LOSSES
                missing = [text for text in (*ACCEPTED[name], *names) if text not in message]
                assert not missing, f"{name}={value!r}: {missing} not in {message!r}"
                assert not hasattr(model, "n_features_in_")


@each_estimator
def test_losses_for_classes_and_for_numbers_are_kept_apart(make):
    wrong = [Quantile(), *REGRESSION_LOSSES] if make in CLASSIFIERS else [Hinge(), *CLASS_LOSSES]
    for loss in wrong:
        model = make()
        if "loss" in model.get_params():
            with pytest.raises(ValueError, match=r"'loss' parameter|loss=.*is made for"):
                model.set_params(loss=loss).fit(X, targets(make))


PARTS = {
    type(part).__name__: (parameter, part)
    for parameter, makers in (
        ("optimizer", OPTIMIZERS.values()),
        ("schedule", SCHEDULES.values()),
        ("loss", LOSSES.values()),
        ("penalty", [L1, L2, ElasticNet]),
    )
    for part in (make() for make in makers)
}


@pytest.mark.parametrize(("parameter", "part"), [*PARTS.values()], ids=[*PARTS])
def test_wrong_parameters_of_optimizers_and_schedules_are_refused_by_name(parameter, part):
    assert set(part._parameter_constraints) == set(part.get_params())
    for name, constraints in part._parameter_constraints.items():
        wrong = ["much", object(), True, False]
        for constraint in constraints:
            try:
                wrong.append(generate_invalid_param_val(make_constraint(constraint)))
            except NotImplementedError:
                continue
        for value in wrong:
            if any(make_constraint(constraint).is_satisfied_by(value) for constraint in constraints):
                continue  # out of one interval, yet "auto" or None is welcome
            bad = type(part)(**{**part.get_params(), name: value})
            make = GDLinearClassifier if getattr(part, "for_classes", False) else GDLinearRegressor
            model = make(**{parameter: bad})
            with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of {type(part).__name__} must be"):
                model.fit(X, TARGETS)


@each_estimator
@pytest.mark.parametrize("returned", [np.nan, -1.0, np.inf])
def test_schedules_whose_factors_make_no_sense_are_refused(make, returned):
    with pytest.raises(ValueError, match=r"schedule.*non-negative"):
        make(schedule=lambda t: np.full_like(t, returned)).fit(X, targets(make))


def test_schedules_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"schedule.*one.*factor for each"):
        GDLinearRegressor(schedule=lambda t: np.ones(2)).fit(X, TARGETS)


@pytest.mark.parametrize("schedule", [Cosine, StepDecay], ids=lambda cls: cls.__name__)
def test_classes_instead_of_objects_are_refused(schedule):
    with pytest.raises(ValueError, match="schedule"):
        GDLinearRegressor(schedule=schedule).fit(X, TARGETS)


@pytest.mark.parametrize(
    "class_weight",
    [{0: -1, 1: 1}, {0: 0, 1: 0}, {0: np.nan, 1: 1}, {0: np.inf, 1: 1}, {0: 1, 7: 2}, {0: "heavy", 1: 1}],
)
def test_class_weights_that_make_no_sense_are_refused(class_weight):
    with pytest.raises(ValueError, match="class_weight"):
        GDLogisticClassifier(class_weight=class_weight).fit(X, CLASSES)


def test_balanced_class_weights_where_the_sample_weights_leave_a_class_empty():
    with pytest.raises(ValueError, match="class"):
        GDLogisticClassifier(class_weight="balanced").fit(X, CLASSES, sample_weight=CLASSES)


# -- targets

WRONG_TARGETS = {
    "NaN": (np.where(np.arange(60) == 7, np.nan, TARGETS), "NaN"),
    "infinity": (np.where(np.arange(60) == 7, np.inf, TARGETS), "infinity"),
    "too short": (TARGETS[:-1], r"inconsistent numbers of samples: \[60, 59\]"),
    "too long": (np.r_[TARGETS, 0], r"inconsistent numbers of samples: \[60, 61\]"),
    "missing": (None, "requires y"),
    "three-dimensional": (np.zeros((60, 2, 2)), "dim"),
    "complex": (TARGETS + 0j, "Complex"),
}


@pytest.mark.parametrize("problem", WRONG_TARGETS)
@each_estimator
def test_wrong_targets_are_refused(make, problem):
    y, message = WRONG_TARGETS[problem]
    model = make().fit(X, targets(make))
    before = predictions(model)
    for method in (model.fit, model.partial_fit):
        with pytest.raises((ValueError, TypeError), match=message):
            method(X, y)
    np.testing.assert_array_equal(predictions(model), before)


@each_regressor
def test_words_as_targets_of_a_regressor_are_refused(make):
    with pytest.raises(ValueError, match="could not convert string to float"):
        make().fit(X, np.where(CLASSES, "high", "low"))


@pytest.mark.parametrize("y", [np.zeros(60), np.full(60, "spam")], ids=["number", "word"])
def test_one_class_only_is_refused_and_named(y):
    with pytest.raises(ValueError, match=f"two classes.*one class.*{y[0]}"):
        GDLogisticClassifier().fit(X, y)
    with pytest.raises(ValueError, match="two classes"):
        GDLogisticClassifier().partial_fit(X, y, classes=[y[0]])


def test_continuous_labels_are_refused():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        GDLogisticClassifier().fit(X, TARGETS)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        GDLogisticClassifier().partial_fit(X, TARGETS, classes=[0, 1])


def test_classes_of_several_types_are_refused_and_named():
    y = np.array(["a", 1] * (len(X) // 2), dtype=object)
    model = GDLogisticClassifier().fit(X, CLASSES)
    for teach in (model.fit, GDLogisticClassifier().partial_fit):
        with pytest.raises(TypeError, match="y holds int and str, which have no order"):
            teach(X, y)
    with pytest.raises(TypeError, match="y holds NoneType and str"):
        model.fit(X, np.where(y == 1, None, y))
    model.predict(X)


def test_several_columns_of_labels_are_refused():
    with pytest.raises(ValueError, match="1d array"):
        GDLogisticClassifier().fit(X, np.column_stack([CLASSES, CLASSES]))


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_targets_of_extreme_size_scale_the_solution(size):
    model = GDLinearRegressor().fit(X, TARGETS * size)
    assert model.converged_
    np.testing.assert_allclose(
        model.predict(X) / size, exact_predictions(GDLinearRegressor, X, TARGETS, 1e-4), atol=1e-2
    )


@overflow_in_scikit_learns_own_check
@each_regressor
def test_targets_that_span_more_than_floats_hold_are_refused(make):
    with pytest.raises(ValueError, match=r"(?i)(target|y ).*float64"):
        make().fit(X, np.where(CLASSES, 1.7e308, -1.7e308))


@pytest.mark.parametrize("value", [7.5, 0.0, 1e12])
def test_constant_targets_are_predicted_without_complaint(value):
    model = GDLinearRegressor().fit(X, np.full(60, value))
    np.testing.assert_allclose(model.predict(X), value, rtol=1e-12)
    assert model.stop_reason_ == "converged"


# -- sample weights

WRONG_WEIGHTS = {
    "negative": (-np.ones(60), "(?i)negative"),
    "one negative": (np.r_[-1e-9, np.ones(59)], "(?i)negative"),
    "all zero": (np.zeros(60), "(?i)(non-zero|zero for every)"),
    "too short": (np.ones(59), r"sample_weight.*59.*60"),
    "too long": (np.ones(61), r"sample_weight.*61.*60"),
    "NaN": (np.r_[np.nan, np.ones(59)], "sample_weight.*NaN"),
    "infinity": (np.r_[np.inf, np.ones(59)], "sample_weight.*infinity"),
    "two columns": (np.ones((60, 2)), "(?i)sample.weights must be 1D"),
    "words": (["heavy"] * 60, "could not convert"),
}


@pytest.mark.parametrize("problem", WRONG_WEIGHTS)
@each_estimator
def test_wrong_sample_weights_are_refused(make, problem):
    weight, message = WRONG_WEIGHTS[problem]
    model = make().fit(X, targets(make))
    before = predictions(model)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            method(X, targets(make), sample_weight=weight)
    np.testing.assert_array_equal(predictions(model), before)


@each_estimator
@pytest.mark.parametrize("size", [1e308, 1e-320])
def test_sample_weights_beyond_what_sums_can_hold_fit_or_are_refused_by_name(make, size):
    try:
        model = make().fit(X, targets(make), sample_weight=np.full(60, size))
    except ValueError as error:
        assert "sample_weight" in str(error)  # noqa: PT017 - either outcome is right
    else:
        expected = make().fit(X, targets(make))
        np.testing.assert_allclose(predictions(model), predictions(expected), rtol=1e-6, atol=1e-9)


# -- features


def with_entry(value):
    bad = X.copy()
    bad[2, 1] = value
    return bad


WRONG_FEATURES = {
    "NaN": (with_entry(np.nan), ValueError, "X contains NaN"),
    "infinity": (with_entry(np.inf), ValueError, "X contains infinity"),
    "minus infinity": (with_entry(-np.inf), ValueError, "X contains infinity"),
    "complex": (X + 0j, ValueError, "Complex data not supported"),
    "words": (np.full((60, 3), "a"), ValueError, "X holds <U1, no numbers"),
    "objects": (np.full((60, 3), object()), (ValueError, TypeError), "float"),
    "no columns": (np.empty((60, 0)), ValueError, r"0 feature\(s\).*minimum of 1"),
    "no rows": (np.empty((0, 3)), ValueError, r"(0 sample\(s\).*minimum of 1|inconsistent)"),
    "one-dimensional": (X[:, 0], ValueError, "Expected 2D array, got 1D array"),
    "three-dimensional": (X[None], ValueError, "dim 3"),
    "sparse CSR": (sp.csr_array(X), TypeError, "Sparse data was passed"),
    "sparse CSC matrix": (sp.csc_matrix(X), TypeError, "Sparse data was passed"),
    "None": (None, ValueError, "2D array"),
}


@pytest.mark.parametrize("problem", WRONG_FEATURES)
@each_estimator
def test_wrong_features_are_refused_and_a_fitted_model_survives(make, problem):
    bad, error, message = WRONG_FEATURES[problem]
    model = make(random_state=0)
    if problem == "NaN" and get_tags(model).input_tags.allow_nan:
        pytest.skip("no wrong features")
    if sp.issparse(bad) and get_tags(model).input_tags.sparse:
        bad, error, message = bad.copy(), ValueError, "NaN"  # it takes sparse data, but not these
        bad.data[0] = np.nan
    with pytest.raises(error, match=message):
        model.fit(bad, targets(make))
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, targets(make))
    before, attributes = predictions(model), set(vars(model))
    for method in (model.fit, model.partial_fit):
        with pytest.raises(error, match=message):
            method(bad, targets(make))
    with pytest.raises(error, match=message if problem != "no rows" else "0 sample"):
        model.predict(bad)
    np.testing.assert_array_equal(predictions(model), before)
    assert set(vars(model)) == attributes
    # and it learns on as if nothing had happened
    untouched = make(random_state=0).fit(X, targets(make)).partial_fit(X, targets(make))
    np.testing.assert_array_equal(predictions(model.partial_fit(X, targets(make))), predictions(untouched))


def test_a_number_of_another_type_is_refused_where_one_that_equals_it_was_accepted():
    few = {"max_iter": 5, "tol": None}
    GDLinearRegressor(n_iter_no_change=3, **few).fit(X, X[:, 0])
    with pytest.raises(InvalidParameterError, match="n_iter_no_change"):
        GDLinearRegressor(n_iter_no_change=3.0, **few).fit(X, X[:, 0])


def test_whole_numbers_beyond_64_bits_are_numbers_as_others():
    model = GDLinearRegressor(tol=10**30, optimizer=LBFGS(learning_rate=10**30)).fit(X, X[:, 0])
    assert model.stop_reason_ == "converged"


@pytest.mark.each(
    ("make", "given", "plain"),
    [
        (GDLinearRegressor, {"n_iter_no_change": 10**400}, {"n_iter_no_change": 20}),
        (GDLinearRegressor, {"n_iter_no_change": np.int32(3)}, {"n_iter_no_change": 3}),
        (GDLinearRegressor, {"n_iter_no_change": np.uint64(3)}, {"n_iter_no_change": 3}),
        (GDLinearRegressor, {"average": 10**30}, {"average": 10**9}),
        (GDLinearRegressor, {"average": np.uint8(3)}, {"average": 3}),
        (GDLinearRegressor, {"average": np.float32(0.5)}, {"average": 0.5}),
        (GDLinearRegressor, {"average": np.False_}, {"average": False}),
        (GDLinearRegressor, {"average": np.False_, "optimizer": "auto"}, {"average": False, "optimizer": "auto"}),
        (GDLinearRegressor, {"clip_norm": 10**30}, {"clip_norm": 1e30}),
        (GDLinearRegressor, {"tol": 10**30}, {"tol": 1e30}),
        (GDLinearRegressor, {"batch_size": 10**30}, {"batch_size": 60}),
        (SmallNetwork, {"n_iter_no_change": 10**30, "n_members": 1}, {"n_iter_no_change": 20, "n_members": 1}),
        (SmallNetwork, {"n_iter_no_change": 10**30, "tol": "auto"}, {"n_iter_no_change": 20, "tol": "auto"}),
    ],
)
def test_numbers_mean_the_same_whatever_their_type_and_size(make, given, plain):
    few = {"max_iter": 6, "random_state": 0} | ({"optimizer": "adam", "tol": 0.0} if make is GDLinearRegressor else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model, expected = (make(**few | settings).fit(X, TARGETS) for settings in (given, plain))
    np.testing.assert_array_equal(predictions(model), predictions(expected))
    assert model.n_iter_ == expected.n_iter_


def test_fits_may_have_as_many_epochs_as_any_number_says():
    settings = {"n_members": 1, "tol": 1e-3}, {"n_members": 2, "early_stopping": True}
    for each in settings:
        model = SmallNetwork(**{"tol": "auto", **each, "max_iter": 10**30}).fit(X, TARGETS)
        assert 1 < model.n_iter_ < 10_000


@pytest.mark.each("name", ["tol", "alpha", "clip_norm", "learning_rate"])
def test_numbers_beyond_floats_are_refused_by_name(name):
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter .* must be a float in the range"):
        GDLinearRegressor(**{name: 10**400}).fit(X, TARGETS)


def test_a_share_whose_inverse_is_infinite_is_too_small():
    with pytest.raises(ValueError, match="validation_fraction=1e-320 of 60 rows"):
        GDMLPRegressor(validation_fraction=1e-320).fit(np.ones((60, 1)), np.arange(60.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"class_weight": {0: 0.0, 1: 1.0}},
        {"early_stopping": True},
        {"early_stopping": True, "validation_fraction": 0.999, "random_state": 0},  # a row that is held out
        {"standardize": False},
        {"warm_start": True},
    ],
    ids=str,
)
def test_the_last_entry_of_many_rows_is_looked_at(settings, bad):
    of_classes = "class_weight" in settings
    X, y = np.random.default_rng(0).standard_normal((3_000, 2)), np.arange(3_000) % (2 if of_classes else 3_000)
    model = (GDLogisticClassifier if of_classes else GDLinearRegressor)(**settings)
    if "warm_start" in settings:
        model.fit(X, y)
    X[-2 if of_classes else -1, 1] = bad  # a row without weight, where there are classes
    with pytest.raises(ValueError, match="X contains " + ("NaN" if np.isnan(bad) else "infinity")):
        model.fit(X, y)


@each_estimator
def test_another_number_of_features_is_refused(make):
    model = make().fit(X, targets(make))
    before = predictions(model)
    for method in (model.predict, partial(model.partial_fit, y=targets(make))):
        with pytest.raises(ValueError, match=r"X has 2 features.*expecting 3"):
            method(X[:, :2])
    np.testing.assert_array_equal(predictions(model), before)
    assert model.fit(X[:, :2], targets(make)).n_features_in_ == 2  # a fit starts anew


@each_regressor
def test_one_row_is_fitted_by_its_target(make):
    model = make().set_params(max_iter=300, tol=None).fit(X[:1], [3.5])
    # Adam's constant rate keeps the network in motion
    np.testing.assert_allclose(
        model.predict(X[:1]), [3.5], rtol=1e-2 if make in (SmallNetwork, SmallClassifier) else 1e-6
    )


def test_one_row_for_a_classifier_is_refused_or_streamed():
    with pytest.raises(ValueError, match="one class"):
        GDLogisticClassifier().fit(X[:1], [1])
    model = GDLogisticClassifier().partial_fit(X[:1], [1], classes=[0, 1])
    assert np.isfinite(model.predict_proba(X)).all()
    assert model.predict(X[:1]) == [1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 4.0, 0.1, 1e6, -1e30])
@each_linear_model
def test_constant_columns_get_no_coefficient_and_change_nothing(make, value, dtype):
    y = targets(make)
    plain = make(alpha=0.01).fit(X.astype(dtype), y)
    padded = np.insert(X, 1, value, axis=1).astype(dtype)
    model = make(alpha=0.01).fit(padded, y)
    coef = np.atleast_2d(model.coef_)
    assert (coef[:, 1] == 0).all()
    np.testing.assert_allclose(np.delete(coef, 1, axis=1), np.atleast_2d(plain.coef_), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(predictions(model, padded), predictions(plain, X.astype(dtype)), atol=1e-3)


@each_estimator
def test_nothing_but_constant_columns_gives_the_constant_prediction(make):
    y = targets(make)
    model = make().set_params(max_iter=300, tol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.full((60, 3), 2.5), y)
    predicted = predictions(model, np.full((1, 3), 2.5)).ravel()[-1]
    np.testing.assert_allclose(predicted, y.mean(), atol=1e-2)


EXTREME_SCALES = {
    "1e300": [1e300] * 3,
    "1e-300": [1e-300] * 3,
    "mixed": [1e300, 1.0, 1e-300],
}


@pytest.mark.parametrize("scales", EXTREME_SCALES)
@each_estimator
def test_features_of_extreme_size_are_standardised_to_the_same_fit(make, scales):
    y, factors = targets(make), np.array(EXTREME_SCALES[scales])
    model = make().fit(X * factors, y)
    assert model.stop_reason_ != "diverged"
    predicted = predictions(model, X * factors)
    if make in (SmallNetwork, SmallClassifier):
        np.testing.assert_allclose(predicted, predictions(make().fit(X, y)), atol=1e-3)
    else:
        np.testing.assert_allclose(predicted, exact_predictions(make, X, y, model.alpha), atol=1e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e300, 1e30, 1e-30, 1e-300])
@each_estimator
def test_raw_features_of_extreme_size_fit_or_say_why_not(make, size, dtype):
    """Without standardization: an error or a warning that names the cure, or finite numbers; no stray warnings."""
    extreme = X * size
    if dtype is np.float32:
        if not 1e-40 < size < 1e38:
            pytest.skip("float32 can't hold it")
        extreme = extreme.astype(dtype)
    model = make(standardize=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(extreme, targets(make))
        except ValueError as error:
            assert "standardize" in str(error)  # noqa: PT017 - either outcome is right
            return
    assert {warning.category for warning in caught} <= {ConvergenceWarning}
    if model.stop_reason_ == "diverged":
        assert "standardize" in str(caught[-1].message)
    assert np.isfinite(predictions(model, extreme)).all()


@overflow_in_scikit_learns_own_check
@each_estimator
def test_a_column_that_spans_more_than_floats_hold_is_refused_by_number(make):
    spread = X.copy()
    spread[:, 1] = np.where(X[:, 1] > 0, 1.7e308, -1.7e308)
    for standardize in (True, False):
        with pytest.raises(ValueError, match=r"(?i)(column|feature).*1|standardize"):
            make(standardize=standardize).fit(spread, targets(make))


@each_linear_model
def test_a_mean_far_above_the_spread_costs_no_accuracy(make):
    y = targets(make)
    shifted = X + np.array([1e9, -1e9, 1e6])
    model = make(alpha=0.01).fit(shifted, y)
    np.testing.assert_allclose(predictions(model, shifted), exact_predictions(make, X, y, 0.01), atol=2e-2)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64, np.uint8])
@each_linear_model
def test_half_precision_and_integers_are_fitted_like_floats(make, dtype):
    y, small = targets(make), (X * 10).astype(dtype) if dtype != np.uint8 else (np.abs(X) * 50).astype(dtype)
    model = make(alpha=0.01).fit(small, y)
    exact = exact_predictions(make, small.astype(np.float64), y, 0.01)
    np.testing.assert_allclose(predictions(model, small), exact, atol=2e-2)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64])
@each_linear_model
def test_whole_numbers_are_fitted_with_all_digits_of_float64(make, dtype):
    large = (X * 1e6).astype(np.int64) + 2**30  # more digits than float32 holds
    model, expected = (make(alpha=0.01).fit(rows, targets(make)) for rows in (large.astype(dtype), large.astype(float)))
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.coef_.dtype == np.float64
    np.testing.assert_array_equal(predictions(model, large.astype(dtype)), predictions(expected, large.astype(float)))


def test_largest_half_precision_numbers_do_not_overflow():
    big = np.array([[60000.0], [-60000.0], [30000.0], [0.0]], dtype=np.float16)
    model = GDLinearRegressor(alpha=0).fit(big, [2.0, -2.0, 1.0, 0.0])
    np.testing.assert_allclose(model.predict(big), [2, -2, 1, 0], atol=5e-2)


# -- batches, parts and refits


@each_estimator
def test_a_batch_size_above_the_number_of_rows_means_all_rows(make):
    settings = {"learning_rate": 0.01, "max_iter": 5, "tol": None, "optimizer": "adam", "random_state": 0}
    model, expected = (make(**settings, batch_size=batch_size).fit(X, targets(make)) for batch_size in (10**9, None))
    np.testing.assert_array_equal(predictions(model), predictions(expected))
    assert model.batch_size_ == 60
    assert model.t_ == 5


@each_estimator
def test_early_stopping_with_too_few_rows_is_refused(make):
    with pytest.raises(ValueError, match=r"(?i)(validation|test_size|early_stopping|class)"):
        make(early_stopping=True).fit(X[:1], targets(make)[:1])


def test_new_classes_in_partial_fit_are_refused_and_named():
    model = GDLogisticClassifier().partial_fit(X, CLASSES, classes=[0, 1])
    before = predictions(model)
    with pytest.raises(ValueError, match=r"2.*\[0 1\]"):
        model.partial_fit(X, np.where(np.arange(60) == 5, 2, CLASSES))
    with pytest.raises(ValueError, match=r"classes=\[0 1 2\].*\[0 1\]"):
        model.partial_fit(X, CLASSES, classes=[0, 1, 2])
    np.testing.assert_array_equal(predictions(model), before)


def test_the_first_partial_fit_of_a_classifier_needs_all_classes():
    with pytest.raises(ValueError, match="classes must be given in the first call of partial_fit"):
        GDLogisticClassifier().partial_fit(X, CLASSES)
    with pytest.raises(ValueError, match=r"1.*\[0 2\]"):
        GDLogisticClassifier().partial_fit(X, CLASSES, classes=[0, 2])


@each_regressor
def test_another_number_of_targets_in_partial_fit_is_refused(make):
    model = make().fit(X, TARGETS)
    before = predictions(model)
    with pytest.raises(ValueError, match=r"(?i)(targets|outputs)"):
        model.partial_fit(X, np.column_stack([TARGETS, TARGETS]))
    np.testing.assert_array_equal(predictions(model), before)


@each_regressor
def test_another_number_of_targets_in_a_warm_start_is_refused(make):
    model = make(warm_start=True).fit(X, TARGETS)
    before = predictions(model)
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X, np.column_stack([TARGETS, TARGETS]))
    np.testing.assert_array_equal(predictions(model), before)


def test_another_shape_of_the_network_in_partial_fit_is_refused():
    model = SmallNetwork().fit(X, TARGETS)
    before = predictions(model)
    model.set_params(hidden_layer_sizes=(7,))
    with pytest.raises(ValueError, match=r"hidden_layer_sizes|number of parameters"):
        model.partial_fit(X, TARGETS)
    np.testing.assert_array_equal(predictions(model), before)


@each_estimator
def test_predicting_before_fitting_is_refused(make):
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(make(), method):
            with pytest.raises(NotFittedError):
                getattr(make(), method)(X)


# -- rules and losses of users


class NaNRule(Optimizer):
    """Good for three updates."""

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] = np.nan if t > 3 else params[j] - learning_rate * grads[j]


class NaNFromTheStart(Optimizer):
    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] = np.nan


class NaNState(Optimizer):
    """Spoils its own memory only; the parameters follow one update later."""

    n_slots = 1

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] -= learning_rate * (grads[j] + slots[0, j])
            slots[0, j] = np.nan if t == 5 else grads[j]


def assert_as_good_as_new(model, make):
    """A failed fit leaves nothing behind that a later one would see."""
    settings = {"optimizer": "adam", "learning_rate": 0.01, "max_iter": 5, "tol": None, "batch_size": None}
    again, fresh = (candidate.set_params(**settings).fit(X, targets(make)) for candidate in (model, make()))
    np.testing.assert_array_equal(predictions(again), predictions(fresh))


@pytest.mark.parametrize("learning_rate", ["auto", 0.01])
@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("rule", [NaNRule, NaNFromTheStart], ids=lambda cls: cls.__name__)
@each_estimator
def test_a_rule_that_returns_nan_ends_in_finite_parameters_and_a_warning(make, rule, batch_size, learning_rate):
    model = make(optimizer=rule(), learning_rate=learning_rate, batch_size=batch_size, max_iter=10)
    # with a rate left to skgd the fit goes on from its best parameters, and may see its epochs out in good updates
    goes_on = learning_rate == "auto" and rule is NaNRule and batch_size is None
    with warnings.catch_warnings() if goes_on else pytest.warns(ConvergenceWarning, match="diverged in epoch"):
        warnings.simplefilter("ignore" if goes_on else "always")
        model.fit(X, targets(make))
    assert model.stop_reason_ == ("max_iter" if goes_on else "diverged")
    assert not model.converged_
    assert np.isfinite(predictions(model)).all()
    assert np.isfinite(model.loss_curve_).all()
    assert_as_good_as_new(model, make)


@pytest.mark.parametrize("batch_size", [None, 16])
@each_estimator
def test_nan_in_the_very_last_update_is_noticed(make, batch_size):
    n_batches = 1 if batch_size is None else 4
    rule = NaNFromTheStart() if n_batches == 1 else NaNRule()  # whose fourth update is the epoch's last
    model = make(optimizer=rule, learning_rate=0.01, batch_size=batch_size, max_iter=1, tol=None)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 1"):
        model.fit(X, targets(make))
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(predictions(model)).all()


@each_estimator
def test_nan_in_partial_fit_leaves_the_finite_model_from_before(make):
    model = make(optimizer="adam", learning_rate=0.01, max_iter=5, tol=None).fit(X, targets(make))
    model.set_params(optimizer=NaNFromTheStart())
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.partial_fit(X, targets(make))
    assert np.isfinite(predictions(model)).all()


@pytest.mark.parametrize("learning_rate", ["auto", 0.01])
@each_estimator
def test_a_rule_that_spoils_its_state_ends_in_finite_parameters(make, learning_rate):
    """With a rate left to the fit, beginning again with a new state is a way out; with the user's it is not."""
    model = make(optimizer=NaNState(), learning_rate=learning_rate, max_iter=10, tol=None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, targets(make))
    if learning_rate != "auto":
        assert model.stop_reason_ == "diverged"
        assert "diverged" in str(caught[-1].message)
    assert np.isfinite(predictions(model)).all()
    assert_as_good_as_new(model, make)


class ShapeChanger(Optimizer):
    """Changes its state's shape: only possible in plain Python."""

    n_slots = 2

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        params -= learning_rate * grads
        slots.shape = (slots.size,)


class Raises(Optimizer):
    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        if t == 3:
            raise ZeroDivisionError("in update", t)
        for j in range(params.size):
            params[j] -= learning_rate * grads[j]


class TooFewArguments(Optimizer):
    @staticmethod
    def rule(params, grads):
        params -= grads


class NoRule(Optimizer):
    pass


class WordsAsHyperparameters(Optimizer):
    def hyperparameters(self):
        return ("much",)

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] -= learning_rate * grads[j]


class SlotsBeyondTheEnd(Optimizer):
    """Uses a state vector that it hasn't asked for, n_slots being 0."""

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] -= learning_rate * (grads[j] + 1e-300 * slots[0, j])


class Returning(Optimizer):
    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        return params - learning_rate * grads


BROKEN_RULES = {
    Returning: (ValueError, "Returning.rule returned a ndarray: it must change params in place"),
    ShapeChanger: (ValueError, "ShapeChanger.*shape"),
    Raises: (ZeroDivisionError, "update', 3"),
    TooFewArguments: (TypeError, "argument"),
    NoRule: (NotImplementedError, "rule"),
    WordsAsHyperparameters: (ValueError, "(?i)hyper|could not convert"),
    SlotsBeyondTheEnd: ((ValueError, IndexError), "(?i)slots|index"),
}


@pytest.mark.filterwarnings("ignore:.*can't be compiled:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*changed no parameter:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
@pytest.mark.parametrize("rule", [*BROKEN_RULES], ids=lambda cls: cls.__name__)
@each_estimator
def test_a_broken_rule_is_an_error_and_a_fitted_model_survives(make, rule):
    error, message = BROKEN_RULES[rule]
    model = make().fit(X, targets(make))
    before = predictions(model)
    model.set_params(optimizer=rule(), learning_rate=0.01, max_iter=5)
    with pytest.raises(error, match=message):
        model.fit(X, targets(make))
    np.testing.assert_array_equal(predictions(model), before)
    model.set_params(**make().get_params(deep=False)).partial_fit(X, targets(make))
    assert np.isfinite(predictions(model)).all()


class NaNLoss(Loss):
    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                derivative[i, k] = np.nan
                total += np.nan
        return total


@each_regressor
def test_a_loss_that_is_nan_from_the_start_is_refused(make):
    with pytest.raises(ValueError, match="loss is nan for the constant model"):
        make(loss=NaNLoss()).fit(X, TARGETS)


@each_regressor
def test_a_loss_that_raises_leaves_a_fitted_model_as_it_was(make):
    class Raising(Loss):
        @staticmethod
        def pointwise(raw, y, weight, hyper, derivative):
            raise ArithmeticError(f"{type(raw)}: no")

    model = make().fit(X, TARGETS)
    before = predictions(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that it can't be compiled
        with pytest.raises(ArithmeticError, match="no"):
            model.set_params(loss=Raising()).fit(X, TARGETS)
    np.testing.assert_array_equal(predictions(model), before)


def test_the_tutorials_example_ends_finite_and_the_rate_that_the_warning_names_works():
    """0.01 as the learning rate with features in the hundreds."""
    wide = 300.0 + 100.0 * X
    model = GDLinearRegressor(optimizer="sgd", learning_rate=0.01, standardize=False, batch_size=16, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"epoch 1 .*learning_rate=0.01.*learning_rate=(\S+) would work"
    ) as caught:
        model.fit(wide, TARGETS)
    assert np.isfinite(model.coef_).all()
    assert model.stop_reason_ == "diverged"
    rate = float(str(caught[0].message).split("learning_rate=")[2].split()[0])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Maximum number of epochs", ConvergenceWarning)
        again = model.set_params(learning_rate=rate).fit(wide, TARGETS)
    assert again.stop_reason_ != "diverged"
    assert again.loss_curve_[-1] < again.loss_curve_[0]


@pytest.mark.parametrize(
    "optimizer", [SGD(learning_rate=1e6), SGD(learning_rate=1e300, momentum=0.9)], ids=["1e6", "1e300"]
)
@each_linear_model
def test_rates_far_too_large_end_finite_with_a_warning_or_a_converged_fit(make, optimizer):
    model = make(optimizer=optimizer, alpha=0.1, max_iter=50)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, targets(make))
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.loss_curve_).all()
