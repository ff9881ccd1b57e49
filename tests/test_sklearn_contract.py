"""The estimators behave as scikit-learn's own do: its checks, and what pipelines, grids, pickles and pandas need."""

import ast
import inspect
import pickle
import re
from functools import partial
from itertools import cycle, product

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._targets.held_out import hold_out
from skgd.activations import ACTIVATIONS
from skgd.losses import CLASS_LOSSES, LOSSES, REGRESSION_LOSSES, MultilabelLogLoss
from skgd.optimizers import OPTIMIZERS, Adam
from skgd.schedules import SCHEDULES, ExponentialDecay

SmallNetwork = partial(GDMLPRegressor, hidden_layer_sizes=(8,))
SmallClassifier = partial(GDMLPClassifier, hidden_layer_sizes=(8,))
ESTIMATORS = {
    "GDLinearRegressor": GDLinearRegressor,
    "GDLinearClassifier": GDLinearClassifier,
    "GDLogisticClassifier": GDLogisticClassifier,
    "GDMLPClassifier": SmallClassifier,
    "GDMLPRegressor": SmallNetwork,
}
LINEAR = {name: make for name, make in ESTIMATORS.items() if not name.startswith("GDMLP")}
REGRESSORS = {name: make for name, make in ESTIMATORS.items() if not is_classifier(make())}

ignore_convergence = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_estimator = pytest.mark.parametrize("make", [*ESTIMATORS.values()], ids=[*ESTIMATORS])
each_regressor = pytest.mark.parametrize("make", [*REGRESSORS.values()], ids=[*REGRESSORS])

# Few epochs, and rates with which they are enough for the score that the checks ask for.
EPOCHS = 60
RATES = {"adadelta": 10.0}
RATE = 0.05


# Ways of stepping that rows, weights and calls meet in different places: from gradients, by moments that sparse rows
# bring up to date late, corrected by gradients of all rows, along lines. The others differ from these in their rule.
WAYS_OF_STEPPING = ("sgd", "adam", "svrg", "lbfgs")

# What depends on how a model is learned, and not only on how estimators are called.
CHECKS_OF_LEARNING = {
    "check_class_weight_classifiers",
    "check_classifiers_classes",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_decision_proba_consistency",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_estimators_nan_inf",
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_non_transformer_estimators_n_iter",
    "check_regressors_int",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
    "check_set_params",
}


def named(name, make, **parameters):
    label = ",".join(f"{key}={value}" for key, value in parameters.items())
    return pytest.param(make(**parameters), id=f"{name}-{label or 'defaults'}")


def of_an_optimizer(name, make, optimizer):
    """At full batch, standardised and raw, and in mini-batches."""
    for batch_size in (None,) if optimizer == "lbfgs" else (None, 64):
        for standardize in (True, False) if batch_size is None else (True,):
            estimator = make(
                optimizer=optimizer,
                learning_rate=RATES.get(optimizer, RATE),
                batch_size=batch_size,
                standardize=standardize,
                # of a function that isn't convex, line searches blow the rounding of sums up step by step
                max_iter=EPOCHS if optimizer != "lbfgs" or name in LINEAR else 15,
            )
            scaled = "standardized" if standardize else "raw"
            yield pytest.param(estimator, id=f"{name}-{optimizer}-{batch_size or 'all'}-{scaled}")


def settings_to_check():
    """Settings that pass every check, and those that pass all checks of learning.

    Every check: defaults, and each way of stepping in a linear model and in a network, one of numbers and one of
    classes. Of the ways to set an optimizer one is tried with each kind of estimator, and all with the four of them.
    What all kinds share beside it is tried in two of the four, of numbers and of classes, a linear model and a network.
    """
    whole, of_learning = [], []
    for turn, (name, make) in enumerate(ESTIMATORS.items()):
        if name == "GDLinearClassifier":  # but for the loss that is GDLogisticClassifier
            for loss in sorted(CLASS_LOSSES):
                # weights are repetitions at full batch, which is not the perceptron's default
                more = {"perceptron": {"batch_size": None}, "hinge": {"max_iter": EPOCHS}}
                whole.append(named(name, make, loss=loss, **more.get(loss, {})))
            continue
        for place, optimizer in enumerate([*OPTIMIZERS, "auto"] if name in LINEAR else OPTIMIZERS):
            settings = list(of_an_optimizer(name, make, optimizer))
            every_check = optimizer in WAYS_OF_STEPPING and (place + (turn % 3 == 0)) % 2
            in_batches = every_check and optimizer in ("sgd", "svrg")  # of all rows svrg is plain descent
            which = -1 if in_batches else (place // 3 + turn // 2) % len(settings)
            (whole if every_check else of_learning).append(settings[which])
        whole.append(pytest.param(type(make())(), id=f"{name}-defaults"))
        few = {"learning_rate": RATE, "max_iter": EPOCHS} if name not in LINEAR else {}
        others = [*shared_parameters(name)[turn % 3 == 0 :: 2], *own_parameters(name)]
        of_learning += [named(name, partial(make, **few), **parameters) for parameters in others]
    return whole, of_learning


def shared_parameters(name):
    """Every other parameter once, that others have too; each half is for every other kind of estimator."""
    return [
        {"optimizer": "sgd", "batch_size": "auto"},
        {"average": True},
        {"clip_norm": 1.0},
        {"shuffle": False},
        {"criterion": "gradient"},
        {"criterion": "step"},
        {"tol": None, "max_iter": EPOCHS},
        # separable data have no optimum then; Newton's steps, far out where no curvature is left, follow rounding
        {"alpha": 0.0} if name not in LINEAR or name in REGRESSORS else {"alpha": 0.0, "optimizer": "nesterov"},
        {"optimizer": Adam(learning_rate=RATE, amsgrad=True), "max_iter": 60, "tol": None},
        *({"schedule": schedule, "max_iter": (1 if schedule == "plateau" else 5) * EPOCHS} for schedule in SCHEDULES),
        *([{"activation": activation} for activation in ACTIVATIONS] if name not in LINEAR else []),
    ]


def own_parameters(name):
    """Those that some kinds alone have, and losses, which are what each learns."""
    return [
        *([{"penalty": None}] if name == "GDLinearRegressor" else []),
        # of losses with kinks the objective has some seven digits: too few for coefficients that a weak penalty holds
        *(
            {"loss": loss} | ({} if name not in LINEAR or LOSSES[loss].smooth else {"alpha": 1e-3})
            for loss in sorted(REGRESSION_LOSSES)
            if name in REGRESSORS
        ),
        *({"loss": loss} for loss in sorted(CLASS_LOSSES) if name == "GDMLPClassifier"),
        # without intercepts LogisticRegression fails check_class_weight_classifiers, too: the data need one
        *([{"fit_intercept": False}] if name == "GDLinearRegressor" else []),
    ]


WITH_EVERY_CHECK, WITH_CHECKS_OF_LEARNING = settings_to_check()


def needs_positive_targets(estimator):
    return not is_classifier(estimator) and estimator.__sklearn_tags__().target_tags.positive_only


def test_tags_say_which_losses_need_positive_targets():
    positive = {loss for loss in REGRESSION_LOSSES if needs_positive_targets(GDLinearRegressor(loss=loss))}
    assert positive == {"poisson", "gamma", "tweedie"}


@pytest.mark.parametrize("estimator", WITH_EVERY_CHECK)
@ignore_convergence
def test_check_estimator_passes_with_no_expected_failure(estimator):
    # its targets are negative, whatever the tag positive_only says
    known = {"check_regressor_multioutput": "negative targets"} if needs_positive_targets(estimator) else {}
    results = check_estimator(estimator, on_fail=None, on_skip=None, expected_failed_checks=known)
    failed = {
        result["check_name"]: repr(result["exception"])[:500] for result in results if result["status"] == "failed"
    }
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert not failed, failed
    assert skipped <= {"check_array_api_input"}
    ran = {result["check_name"] for result in results if result["status"] == "passed"}
    assert "check_sample_weight_equivalence_on_dense_data" in ran


def says_nothing_new(check, precision):
    """Whether a check of scores is one of three that differ in their arrays alone, and another is enough."""
    arrays = check.keywords
    return check.func.__name__ in ("check_classifiers_train", "check_regressors_train") and not (
        arrays.get("readonly_memmap") and arrays.get("X_dtype", "float64") == precision
    )


@pytest.mark.parametrize(
    ("estimator", "precision"),
    [
        pytest.param(*setting.values, precision, id=setting.id)
        for setting, precision in zip(WITH_CHECKS_OF_LEARNING, cycle(["float64", "float32"]), strict=False)
    ],
)
@ignore_convergence
def test_checks_of_learning_pass_whatever_the_parameters(estimator, precision):
    ran = set()
    for fresh, check in estimator_checks.estimator_checks_generator(estimator):
        name = check.func.__name__
        if name in CHECKS_OF_LEARNING and not says_nothing_new(check, precision):
            check(fresh)
            ran.add(name)
    others = "regressor|decision" if is_classifier(estimator) else "classifier|decision"
    others += "|nan_inf" if estimator.__sklearn_tags__().input_tags.allow_nan else ""
    assert ran >= {name for name in CHECKS_OF_LEARNING if not re.search(others, name)}


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_param_validation,
        estimator_checks.check_dataframe_column_names_consistency,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_n_features_in,
        estimator_checks.check_fit_check_is_fitted,
    ],
    ids=lambda check: check.__name__,
)
@each_estimator
@ignore_convergence
def test_checks_that_check_estimator_leaves_out(make, check):
    pytest.importorskip("pandas")
    estimator = make()
    check(type(estimator).__name__, estimator)


# -- docstrings


def documented_parameters(docstring):
    """Pairs (name, default as a Python value or None) of the section Parameters, in order."""
    section = re.search(r"\n *Parameters\n *-+\n(.*?)(?=\n *\n *[A-Z][\w ]+\n *-+\n|\Z)", docstring, re.DOTALL)
    if section is None:
        return []
    body = inspect.cleandoc("\n" + section[1])
    found = []
    for names, kind in re.findall(r"^\*?(\w[\w, ]*) : (.*)$", body, re.MULTILINE):
        default = re.search(r"default=(.+)$", kind)
        found.extend((name, default[1] if default else None) for name in names.split(", "))
    return found


def check_documented(docstring, function, what):
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    documented = documented_parameters(docstring or "")
    assert [name for name, _ in documented] == [p.name for p in parameters], what
    for (name, default), parameter in zip(documented, parameters, strict=True):
        if parameter.default is inspect.Parameter.empty:
            assert default is None, f"{what}: {name} is required, its docstring says default={default}"
        else:
            assert default is not None, f"{what}: the default of {name} is not documented"
            assert ast.literal_eval(default) == parameter.default, f"{what}: {name}"


WITH_DOCSTRINGS = {
    cls.__name__: cls
    for cls in [
        GDLinearClassifier,
        GDLinearRegressor,
        GDLogisticClassifier,
        GDMLPClassifier,
        GDMLPRegressor,
        *LOSSES.values(),
        MultilabelLogLoss,
        *(type(make()) for make in OPTIMIZERS.values()),
        *(type(make()) for make in SCHEDULES.values()),
    ]
}


@pytest.mark.each("cls", [*WITH_DOCSTRINGS.values()])
def test_docstring_lists_every_parameter_in_order_with_its_default(cls):
    if cls.__init__ is not object.__init__:
        check_documented(cls.__doc__, cls.__init__, cls.__name__)


@each_estimator
def test_docstrings_of_methods_list_their_parameters_and_what_they_return(make):
    cls = type(make())
    own = {
        name: method
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_") and inspect.unwrap(method).__module__.startswith("skgd")
    }
    assert {"fit", "partial_fit", "predict"} <= set(own)
    for name, method in own.items():
        check_documented(method.__doc__, inspect.unwrap(method), f"{cls.__name__}.{name}")
        assert "\n        Returns\n" in method.__doc__, name


@each_estimator
@ignore_convergence
def test_every_fitted_attribute_is_documented_and_every_documented_one_exists(make, regression, classes):
    pd = pytest.importorskip("pandas")
    estimator, public = make(max_iter=3), set()
    X, y = classes if is_classifier(estimator) else regression
    several = "n_restarts" in estimator.get_params()  # attributes of restarts, and those of members
    for settings in (
        ({"n_restarts": 2}, {"n_restarts": 1, "n_members": 2, "early_stopping": True}) if several else ({},)
    ):
        estimator.set_params(**settings).fit(pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]), y)
        public |= {name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")}
    section = re.search(r"\n    Attributes\n    -+\n(.*?)\n\n", type(estimator).__doc__, re.DOTALL)[1]
    documented = set(re.findall(r"^    (\w+) : ", section, re.MULTILINE))
    assert public == documented


# -- data


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4)) * [1.0, 10.0, 0.1, 3.0] + [0.0, 50.0, 1.0, -7.0]
    return X, X @ [1.0, -0.3, 20.0, 0.5] + 3.0 + 0.1 * rng.normal(size=90)


@pytest.fixture(scope="module")
def classes(regression):
    X, y = regression
    return X, np.digitize(y, np.quantile(y, [0.3, 0.7]))


def data_for(estimator, regression, classes):
    return classes if is_classifier(estimator) else regression


def few_epochs(make):
    return make(max_iter=5, tol=None, batch_size=16, random_state=0)


def parameters_of(model):
    """All fitted numbers in one vector."""
    arrays = [*model.coefs_, *model.intercepts_] if hasattr(model, "coefs_") else [model.coef_, model.intercept_]
    return np.concatenate([array.ravel() for array in arrays])


@each_estimator
def test_inputs_are_not_modified(make, regression, classes):
    model = few_epochs(make)
    X, y = (array.copy() for array in data_for(model, regression, classes))
    weight = np.linspace(0.5, 2.0, len(y))
    originals = [array.copy() for array in (X, y, weight)]
    model.fit(X, y, sample_weight=weight)
    model.partial_fit(X, y, sample_weight=weight)
    model.predict(X)
    for array, original in zip((X, y, weight), originals, strict=True):
        np.testing.assert_array_equal(array, original)
        assert array.flags.writeable


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_estimator
def test_read_only_and_memory_mapped_arrays_give_the_same_bits(make, dtype, regression, classes, tmp_path):
    X, y = data_for(make(), regression, classes)
    X, weight = X.astype(dtype), np.linspace(0.5, 2.0, len(y))
    expected = few_epochs(make).fit(X, y, sample_weight=weight)
    mapped = []
    for name, array in (("X", X), ("y", y), ("weight", weight)):
        on_disk = np.memmap(tmp_path / name, dtype=array.dtype, mode="w+", shape=array.shape)
        on_disk[:] = array
        on_disk.flush()
        mapped.append(np.memmap(tmp_path / name, dtype=array.dtype, mode="r", shape=array.shape))
    frozen = [array.copy() for array in (X, y, weight)]
    for array in frozen:
        array.flags.writeable = False
    for X_in, y_in, weight_in in (mapped, frozen):
        model = few_epochs(make).fit(X_in, y_in, sample_weight=weight_in)
        np.testing.assert_array_equal(parameters_of(model), parameters_of(expected))
        np.testing.assert_array_equal(model.predict(X_in), expected.predict(X))
        model.partial_fit(X_in, y_in, sample_weight=weight_in)


@each_estimator
def test_memory_layout_of_the_data_does_not_matter(make, regression, classes):
    X, y = data_for(make(), regression, classes)
    weight = np.linspace(0.5, 2.0, len(y))
    expected = few_epochs(make).fit(X, y, sample_weight=weight)
    wide = np.zeros((2 * len(X), 3 * X.shape[1]))
    wide[::2, 1::3] = X
    padded = np.zeros((len(y), 2))
    padded[:, 1] = weight
    layouts = {
        "Fortran": np.asfortranarray(X),
        "strided": wide[::2, 1::3],
        "reversed twice": np.ascontiguousarray(X[::-1])[::-1],
        "list": X.tolist(),
        "big-endian": X.astype(">f8"),
    }
    for layout, X_in in layouts.items():
        y_in = np.repeat(y, 2)[::2]
        model = few_epochs(make).fit(X_in, y_in, sample_weight=padded[:, 1])
        np.testing.assert_array_equal(parameters_of(model), parameters_of(expected), err_msg=layout)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64, np.uint16, bool])
@each_estimator
def test_other_numbers_are_fitted_as_the_floats_they_stand_for(make, dtype, regression, classes):
    X, y = data_for(make(), regression, classes)
    X = np.greater(X, X.mean(axis=0)) if dtype is bool else np.abs(X).astype(dtype)
    model = few_epochs(make).fit(X, y)
    expected = few_epochs(make).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(parameters_of(model), parameters_of(expected))
    assert parameters_of(model).dtype == np.float64
    np.testing.assert_array_equal(model.predict(X), expected.predict(X.astype(np.float64)))


@each_estimator
def test_float32_stays_float32(make, regression, classes):
    X, y = data_for(make(), regression, classes)
    model = few_epochs(make).fit(X.astype(np.float32), y)
    assert parameters_of(model).dtype == np.float32
    if not is_classifier(model):
        assert model.predict(X.astype(np.float32)).dtype == np.float32


@each_estimator
def test_pandas_input_goes_by_position_and_keeps_the_names(make, regression, classes):
    pd = pytest.importorskip("pandas")
    X, y = data_for(make(), regression, classes)
    weight = np.linspace(0.5, 2.0, len(y))
    expected = few_epochs(make).fit(X, y, sample_weight=weight)
    # indexes that would scramble everything if anything were aligned by them
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"], index=rng.permutation(len(y)))
    model = few_epochs(make).fit(
        frame,
        pd.Series(y, index=rng.permutation(len(y))),
        sample_weight=pd.Series(weight, index=rng.permutation(len(y))),
    )
    np.testing.assert_array_equal(parameters_of(model), parameters_of(expected))
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(model.predict(frame), expected.predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame[["b", "a", "c", "d"]], y)


@each_regressor
def test_column_vector_targets_give_the_same_model_with_columns(make, regression):
    X, y = regression
    flat, column = few_epochs(make).fit(X, y), few_epochs(make).fit(X, y[:, None])
    np.testing.assert_array_equal(parameters_of(column), parameters_of(flat))
    assert flat.predict(X).shape == (len(X),)
    np.testing.assert_array_equal(column.predict(X).ravel(), flat.predict(X))


def test_column_vector_of_classes_is_flattened_with_scikit_learns_warning(classes):
    X, y = classes
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = few_epochs(GDLogisticClassifier).fit(X, y[:, None])
    np.testing.assert_array_equal(parameters_of(column), parameters_of(few_epochs(GDLogisticClassifier).fit(X, y)))


@pytest.mark.parametrize(
    "labels", [["no", "yes", "perhaps"], [-7, 3, 12], [2.0, 5.0, 9.0]], ids=["str", "int", "float"]
)
def test_labels_of_any_kind_come_back_as_they_went_in(labels, classes):
    X, index = classes
    y = np.array(sorted(labels))[index]
    model = GDLogisticClassifier().fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.9


# -- copies


@each_estimator
def test_clone_copies_parameters_and_nested_optimizers_but_nothing_fitted(make, regression, classes):
    optimizer, schedule = Adam(beta1=0.8), ExponentialDecay(decay=0.5)
    model = few_epochs(make).set_params(optimizer=optimizer, schedule=schedule)
    before = dict(vars(optimizer)), dict(vars(schedule))
    model.fit(*data_for(model, regression, classes))
    copy = clone(model)
    assert not [name for name in vars(copy) if name.endswith("_")]
    assert copy.optimizer is not optimizer
    assert copy.get_params()["optimizer__beta1"] == 0.8
    assert repr(copy) == repr(model)
    # training left the user's objects alone
    assert (vars(optimizer), vars(schedule)) == before
    assert model.optimizer is optimizer
    assert model.optimizer_ is not optimizer


@each_estimator
def test_pickled_models_predict_the_same_and_train_on_to_the_same_bits(make, regression, classes):
    model = few_epochs(make).set_params(optimizer="adam")
    X, y = data_for(model, regression, classes)
    unfitted = pickle.loads(pickle.dumps(model))
    model.fit(X, y)
    np.testing.assert_array_equal(parameters_of(unfitted.fit(X, y)), parameters_of(model))
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        copy = pickle.loads(pickle.dumps(model, protocol=protocol))
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        assert copy.get_params() == model.get_params()
    before = parameters_of(model)
    for _ in range(3):
        copy.partial_fit(X[:40], y[:40])
        model.partial_fit(X[:40], y[:40])
    np.testing.assert_array_equal(parameters_of(copy), parameters_of(model))
    assert not np.array_equal(parameters_of(model), before)
    assert copy.n_iter_ == model.n_iter_ == 8


@each_estimator
def test_parameters_are_stored_as_given_and_settable_when_nested(make):
    model = make(optimizer=Adam(), schedule=ExponentialDecay())
    model.set_params(optimizer__beta1=0.5, schedule__decay=0.9, alpha=1)
    assert (model.optimizer.beta1, model.schedule.decay, model.alpha) == (0.5, 0.9, 1)
    with pytest.raises(ValueError, match="Invalid parameter 'beta3'"):
        model.set_params(optimizer__beta3=0.5)


@each_estimator
@ignore_convergence
def test_html_shows_the_estimator_its_parameters_and_whether_it_is_fitted(make, regression, classes):
    model = make(optimizer=Adam(beta1=0.8125), max_iter=3)
    html = model._repr_html_()
    for text in (type(model).__name__, "learning_rate", "0.8125", "Not fitted"):
        assert text in html
    html = make_pipeline(StandardScaler(), model).fit(*data_for(model, regression, classes))._repr_html_()
    assert type(model).__name__ in html
    assert "Not fitted" not in html


# -- pipelines and grids


def test_cross_validation_in_a_pipeline_scores_as_the_exact_solver_does(regression):
    X, y = regression
    model = make_pipeline(StandardScaler(), GDLinearRegressor(alpha=0.01))
    n_train = len(y) * 4 // 5
    exact = make_pipeline(StandardScaler(), Ridge(alpha=0.01 * n_train))
    np.testing.assert_allclose(cross_val_score(model, X, y, cv=5), cross_val_score(exact, X, y, cv=5), atol=1e-3)


def test_cross_validation_of_classes_scores_as_the_exact_solver_does(classes):
    X, y = classes
    model = make_pipeline(StandardScaler(), GDLogisticClassifier(alpha=0.01))
    exact = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (0.01 * len(y) * 4 / 5), tol=1e-8))
    scores = [
        cross_val_score(candidate, X, y, cv=5, scoring="neg_log_loss", error_score="raise")
        for candidate in (model, exact)
    ]
    np.testing.assert_allclose(*scores, atol=5e-3)


@each_estimator
@ignore_convergence
def test_grid_over_learning_rates_and_optimizers_picks_one_that_learns(make, regression, classes):
    X, y = data_for(make(), regression, classes)
    grid = GridSearchCV(
        make_pipeline(StandardScaler(), make(max_iter=40, random_state=0)),
        {
            (name := type(make()).__name__.lower() + "__") + "learning_rate": [1e-5, 0.1],
            name + "optimizer": ["adam", "sgd"],
        },
        cv=3,
        error_score="raise",
    ).fit(X, y)
    assert grid.best_params_[name + "learning_rate"] == 0.1
    assert grid.best_score_ > 0.7


@each_estimator
@ignore_convergence
def test_grid_over_a_nested_parameter_of_the_optimizer(make, regression, classes):
    X, y = data_for(make(), regression, classes)
    optimizer = Adam(learning_rate=0.05)
    grid = GridSearchCV(
        make(optimizer=optimizer, max_iter=20, random_state=0),
        {"optimizer__beta1": [0.0, 0.5, 0.99]},
        scoring="neg_log_loss" if is_classifier(make()) else "r2",
        cv=3,
        error_score="raise",
    ).fit(X, y)
    assert grid.best_estimator_.optimizer_.beta1 == grid.best_params_["optimizer__beta1"]
    assert len(set(grid.cv_results_["mean_test_score"])) == 3  # it reached the training
    assert optimizer.beta1 == 0.9


# -- metadata routing


def with_outliers(regression, classes, estimator):
    """Data in which every third row is nonsense, and weights that say so."""
    X, y = (array.copy() for array in data_for(estimator, regression, classes))
    rng = np.random.default_rng(3)
    bad = np.arange(len(y)) % 3 == 0
    y[bad] = rng.permutation(y[bad])
    X[bad] = rng.permutation(X[bad])
    return X, y, 1.0 - bad


@each_estimator
@ignore_convergence
def test_sample_weights_are_routed_through_grid_and_pipeline(make, regression, classes):
    model = make(batch_size=None, max_iter=100, tol=None, random_state=0)
    if isinstance(model, GDMLPClassifier | GDMLPRegressor):
        model.set_params(learning_rate=RATE)
    X, y, weight = with_outliers(regression, classes, model)
    name = type(model).__name__.lower()
    with config_context(enable_metadata_routing=True):
        requested = clone(model).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        scorer = get_scorer("accuracy" if is_classifier(model) else "r2").set_score_request(sample_weight=True)
        alphas = {f"{name}__alpha": [1e-3]}
        grid = GridSearchCV(make_pipeline(scaler, requested), alphas, scoring=scorer, cv=3, error_score="raise")
        routed = grid.fit(X, y, sample_weight=weight).best_estimator_
        ignored = make_pipeline(StandardScaler(), clone(model).set_fit_request(sample_weight=False))
        ignored[0].set_fit_request(sample_weight=True)
        ignored.set_params(**{f"{name}__alpha": 1e-3}).fit(X, y, sample_weight=weight)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            make_pipeline(StandardScaler().set_fit_request(sample_weight=True), clone(model)).fit(
                X, y, sample_weight=weight
            )
        assert grid.best_score_ > 0.5
    # weight zero is as good as absence
    expected = make_pipeline(StandardScaler(), clone(model).set_params(alpha=1e-3)).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(parameters_of(routed[-1]), parameters_of(expected[-1]), rtol=1e-6, atol=1e-9)
    assert np.abs(parameters_of(ignored[-1]) - parameters_of(expected[-1])).max() > 1e-3


@each_estimator
def test_partial_fit_takes_requests_for_its_metadata(make):
    with config_context(enable_metadata_routing=True):
        requests = make().set_partial_fit_request(sample_weight=True).get_metadata_routing()
        assert requests.partial_fit.requests["sample_weight"] is True
        if is_classifier(make()):
            assert "classes" in requests.partial_fit.requests


def test_weights_in_a_pipeline_without_routing_reach_the_last_step(regression):
    X, y, weight = with_outliers(regression, None, GDLinearRegressor())
    model = make_pipeline(StandardScaler(), GDLinearRegressor(alpha=0.0))
    model.fit(X, y, gdlinearregressor__sample_weight=weight)
    exact = make_pipeline(StandardScaler(), Ridge(alpha=0.0)).fit(X, y, ridge__sample_weight=weight)
    np.testing.assert_allclose(model.predict(X), exact.predict(X), atol=0.05 * y.std())


# -- warnings and tags


@each_estimator
def test_running_out_of_epochs_warns_as_scikit_learn_does(make, regression, classes):
    model = make(optimizer="sgd", max_iter=2, tol=1e-12, batch_size=None)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(*data_for(model, regression, classes))
    assert (model.n_iter_, model.stop_reason_, model.converged_) == (2, "max_iter", False)


# -- weights and repetitions


WEIGHT_CHECKS = [
    estimator_checks.check_sample_weight_equivalence_on_dense_data,
    estimator_checks.check_sample_weight_equivalence_on_sparse_data,
]


@pytest.mark.parametrize("check", WEIGHT_CHECKS, ids=["dense", "sparse"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@each_estimator
@ignore_convergence
def test_weights_are_repetitions_for_every_optimizer_by_name_and_nothing_else_set(make, optimizer, check):
    estimator = make(optimizer=optimizer)
    check(type(estimator).__name__, estimator)


def few_rows(estimator, regression, classes):
    """The same 25 rows three times: with whole weights, repeated, and repeated in another order."""
    X, y = (array[:25] for array in data_for(estimator, regression, classes))
    weight = np.random.default_rng(4).integers(0, 4, size=len(y))
    X[2] = [0.0, -0.0, 0.0, -0.0]
    X_repeated, y_repeated = X.repeat(weight, axis=0), y.repeat(weight)
    X_repeated[(X_repeated == 0).all(axis=1).argmax()] = 0.0  # one of the copies without the signs
    order = np.random.default_rng(5).permutation(len(y_repeated))
    return [
        (X, y, weight.astype(float)),
        (X_repeated, y_repeated, None),
        (X_repeated[order], y_repeated[order], np.ones(len(order))),
    ]


def wide(X):
    """Columns of zeros that change nothing."""
    return np.hstack([X, np.zeros((len(X), 1100))])


CONTAINERS = {"dense": np.asarray, "wide": wide, "sparse": sparse.csr_array}
# The order of sums is up to the estimator and its rows; the rule makes it seen, and each of these does.
AMPLIFYING = zip(product(CONTAINERS, ESTIMATORS), cycle(["svrg", "rmsprop", "nadam"]), strict=False)


@pytest.mark.parametrize(("container", "name", "optimizer"), [(*where, optimizer) for where, optimizer in AMPLIFYING])
@ignore_convergence
def test_weights_repetitions_and_orders_of_few_rows_give_the_same_bits(container, name, optimizer, regression, classes):
    """Their sums differ by rounding otherwise, which these rules amplify to what anyone sees."""
    make, stored = ESTIMATORS[name], CONTAINERS[container]
    fitted = [
        parameters_of(make(optimizer=optimizer, batch_size=None, random_state=0).fit(stored(rows), y, weight))
        for rows, y, weight in few_rows(make(), regression, classes)
    ]
    np.testing.assert_array_equal(fitted[1], fitted[0])
    np.testing.assert_array_equal(fitted[2], fitted[0])


def test_mini_batches_take_repeated_rows_one_by_one(regression):
    X, y = (array[:10].repeat(2, axis=0) for array in regression)
    model = GDLinearRegressor(optimizer="sgd", batch_size=5, max_iter=3, tol=None, shuffle=False).fit(X, y)
    assert model.t_ == 3 * 4
    # the order is the given one, too
    other = GDLinearRegressor(optimizer="sgd", batch_size=5, max_iter=3, tol=None, shuffle=False).fit(X[::-1], y[::-1])
    assert not np.allclose(model.coef_, other.coef_, rtol=1e-6)


def test_rows_held_out_keep_their_own_weights_where_few_are_trained_on(regression):
    X, y = (array[:30].repeat(2, axis=0) for array in regression)
    weight = np.linspace(1.0, 2.0, len(y))
    model = GDLinearRegressor(optimizer="adam", batch_size=None, early_stopping=True, max_iter=5, tol=None)
    model.set_params(standardize=False, random_state=0).fit(X, y, sample_weight=weight)
    _, held_out = hold_out(len(y), model.validation_fraction, weight, None, np.random.RandomState(0))
    losses = 0.5 * (model.predict(X[held_out]) - y[held_out]) ** 2
    expected = np.average(losses, weights=weight[held_out])
    np.testing.assert_allclose(model.validation_curve_.min(), expected, rtol=1e-6)
