"""Networks for classes and labels: against scikit-learn's MLPClassifier, closed forms, and what they must learn."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit, log_expit, logit
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.inspection import DecisionBoundaryDisplay, partial_dependence, permutation_importance
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.utils import get_tags

from skgd import GDLinearClassifier, GDLogisticClassifier, GDMLPClassifier
from skgd.losses import CLASS_LOSSES, LogLoss, MultilabelLogLoss
from skgd.optimizers import SGD, Adam

NO_STEP = 1e-300  # a learning rate that leaves parameters as they are

_rng = np.random.default_rng(0)
X = _rng.standard_normal((90, 4))
SIGNAL = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * _rng.standard_normal(90)
TARGETS = {
    "binary": (SIGNAL > 0.3).astype(int),
    "multiclass": np.digitize(SIGNAL, [-0.5, 0.5]),
    "multilabel": np.column_stack([SIGNAL > 0, X[:, 0] > X[:, 1], X[:, 3] > 1]).astype(int),
}
N_OUTPUTS = {"binary": 1, "multiclass": 3, "multilabel": 3}
LABELS = TARGETS["multilabel"]
for _array in (X, *TARGETS.values()):
    _array.flags.writeable = False
each_kind = pytest.mark.parametrize("kind", TARGETS)


def small(**settings):
    return GDMLPClassifier(**{"hidden_layer_sizes": (5,), "max_iter": 10, "tol": None, "random_state": 0} | settings)


def fit_quietly(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def sklearns(n_epochs, **settings):
    defaults = {"batch_size": len(X), "shuffle": False, "tol": 0, "n_iter_no_change": 10**6, "random_state": 3}
    return MLPClassifier(max_iter=n_epochs, **(defaults | settings))


def starting_weights(y, **layers):
    """The random weights that MLPClassifier begins with: those that no step has changed."""
    model = fit_quietly(sklearns(1, solver="sgd", learning_rate_init=NO_STEP, **layers), X, y)
    return model.coefs_, model.intercepts_


def parameters_of(model):
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


def assert_same_network(ours, theirs, tolerance):
    np.testing.assert_allclose(parameters_of(ours), parameters_of(theirs), rtol=tolerance, atol=tolerance)


# -- the same steps as scikit-learn's


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    ("optimizer", "theirs"),
    [
        (SGD(), {"momentum": 0.0}),
        (SGD(momentum=0.9), {"momentum": 0.9, "nesterovs_momentum": False}),
        (SGD(momentum=0.9, nesterov=True), {"momentum": 0.9, "nesterovs_momentum": True}),
    ],
    ids=["sgd", "momentum", "nesterov"],
)
@each_kind
def test_fifty_updates_agree_with_sklearn(kind, optimizer, theirs, activation):
    y = TARGETS[kind]
    layers = {"hidden_layer_sizes": (7, 5), "activation": activation}
    theirs = sklearns(50, solver="sgd", learning_rate_init=0.05, alpha=0.9, **layers, **theirs)
    ours = GDMLPClassifier(
        optimizer=optimizer,
        learning_rate=0.05,
        alpha=0.9 / len(X),  # sklearn divides its penalty by the number of rows
        init=starting_weights(y, **layers),
        standardize=False,
        batch_size=None,
        max_iter=50,
        tol=None,
        **layers,
    ).fit(X, y)
    assert ours.t_ == 50
    fit_quietly(theirs, X, y)
    assert_same_network(ours, theirs, 1e-9)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    assert ours.n_outputs_ == theirs.n_outputs_ == N_OUTPUTS[kind]


@each_kind
def test_adam_agrees_with_sklearn_where_epsilon_is_negligible(kind):
    y, layers = TARGETS[kind], {"hidden_layer_sizes": (6,), "activation": "logistic"}
    theirs = sklearns(50, solver="adam", learning_rate_init=0.01, epsilon=1e-30, alpha=0, **layers)
    ours = GDMLPClassifier(optimizer=Adam(epsilon=1e-30), learning_rate=0.01, alpha=0, batch_size=None, **layers)
    ours.set_params(init=starting_weights(y, **layers), standardize=False, max_iter=50, tol=None).fit(X, y)
    assert_same_network(ours, fit_quietly(theirs, X, y), 1e-8)


def test_without_hidden_layers_it_is_logistic_regression():
    y = TARGETS["multiclass"]
    settings = {"alpha": 0.01, "batch_size": None, "random_state": 0}
    network = GDMLPClassifier(hidden_layer_sizes=(), optimizer="lbfgs", max_iter=3000, tol=1e-10, **settings).fit(X, y)
    linear = GDLogisticClassifier(**settings).fit(X, y)
    np.testing.assert_allclose(network.predict_proba(X), linear.predict_proba(X), atol=1e-4)


# -- where training starts, and what is told about it


@each_kind
def test_the_last_bias_starts_at_the_log_odds(kind):
    y = TARGETS[kind]
    model = small(learning_rate=NO_STEP, optimizer="sgd", max_iter=1).fit(X, y)
    if kind == "multiclass":
        share = np.bincount(y) / len(y)
        expected = np.log(share) - np.log(share).mean()
    else:
        expected = logit(y.mean(axis=0))
    np.testing.assert_allclose(model.intercepts_[-1], np.atleast_1d(expected), atol=0.01)


@each_kind
def test_shapes_and_what_is_published(kind):
    y = TARGETS[kind]
    model = small().fit(X, y)
    assert is_classifier(model)
    np.testing.assert_array_equal(model.classes_, [0, 1] if kind == "binary" else [0, 1, 2])
    assert [coef.shape for coef in model.coefs_] == [(4, 5), (5, N_OUTPUTS[kind])]
    assert model.n_layers_ == 3
    assert model.decision_function(X).shape == ((90,) if kind == "binary" else (90, 3))
    assert model.predict_proba(X).shape == (90, 2 if kind == "binary" else 3)
    assert model.predict(X).shape == y.shape
    assert model.predict(X).dtype == y.dtype
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-12)
    if kind == "multilabel":
        np.testing.assert_allclose(model.predict_proba(X), expit(model.decision_function(X)))
        np.testing.assert_array_equal(model.predict(X), model.decision_function(X) > 0)
    else:
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, rtol=1e-14)
        np.testing.assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])


@each_kind
def test_the_validation_curve_is_the_loss_on_the_validation_data(kind):
    y = TARGETS[kind]
    weight = np.linspace(0.5, 2.0, 30)
    model = small().fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:], sample_weight_val=weight)
    proba = model.predict_proba(X[60:])
    if kind == "multilabel":
        expected = sum(log_loss(y[60:, k], proba[:, k], sample_weight=weight) for k in range(3))
    else:
        expected = log_loss(y[60:], proba, sample_weight=weight, labels=model.classes_)
    assert model.validation_curve_[-1] == pytest.approx(expected, rel=1e-9)
    assert len(model.validation_curve_) == 10


# -- weights


def test_class_weights_are_sample_weights_are_repetitions():
    y, factors = TARGETS["multiclass"], np.array([1, 3, 2])
    settings = {"batch_size": None, "learning_rate": 0.05, "max_iter": 50}
    by_class = small(class_weight=dict(enumerate(factors)), **settings).fit(X, y)
    by_row = small(**settings).fit(X, y, sample_weight=factors[y])
    repeated = small(**settings).fit(np.repeat(X, factors[y], axis=0), np.repeat(y, factors[y]))
    assert_same_network(by_class, by_row, 1e-9)
    assert_same_network(by_class, repeated, 1e-7)
    plain = small(**settings).fit(X, y)
    assert np.abs(parameters_of(plain) - parameters_of(by_class)).max() > 1e-3


def test_weights_of_rows_with_labels_are_repetitions():
    times = np.arange(90) % 3
    settings = {"batch_size": None, "learning_rate": 0.05, "max_iter": 50}
    weighted = small(**settings).fit(X, LABELS, sample_weight=times)
    repeated = small(**settings).fit(np.repeat(X, times, axis=0), np.repeat(LABELS, times, axis=0))
    assert_same_network(weighted, repeated, 1e-7)


def test_balanced_class_weights_find_more_of_a_rare_class():
    rng = np.random.default_rng(1)
    y = (rng.uniform(size=600) < 0.05).astype(int)
    Z = rng.standard_normal((600, 3)) + 1.2 * y[:, None]
    settings = {"hidden_layer_sizes": (8,), "learning_rate": 0.01, "max_iter": 60, "alpha": 0.01}
    plain, balanced = (small(class_weight=w, **settings).fit(Z[:300], y[:300]) for w in (None, "balanced"))
    recalls = [recall_score(y[300:], model.predict(Z[300:])) for model in (plain, balanced)]
    assert recalls[1] > recalls[0] + 0.2


# -- what it must learn


@pytest.mark.parametrize(
    ("load", "accuracy"),
    [(load_digits, 0.96), (load_wine, 0.96), (load_breast_cancer, 0.95)],
    ids=["digits", "wine", "cancer"],
)
def test_it_learns_without_tuning(load, accuracy):
    Z, y = load(return_X_y=True)
    parts = train_test_split(Z, y, random_state=0, stratify=y)
    model = GDMLPClassifier(max_iter=60, tol=None, random_state=0).fit(parts[0], parts[2])
    assert model.score(parts[1], parts[3]) >= accuracy


@pytest.mark.parametrize("loss", sorted(CLASS_LOSSES))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_learns_what_no_linear_model_can(loss, n_classes):
    rng = np.random.default_rng(0)
    Z = rng.uniform(-1, 1, (400, 2))
    y = np.minimum((Z[:, 0] * Z[:, 1] > 0) + (np.abs(Z).sum(axis=1) < 0.5), n_classes - 1)
    model = GDMLPClassifier(loss, hidden_layer_sizes=(30,), learning_rate=0.02, batch_size=40, random_state=0)
    assert fit_quietly(model, Z, y).score(Z, y) > 0.93
    assert GDLinearClassifier(loss).fit(Z, y).score(Z, y) < 0.75


def test_it_learns_labels():
    Z, Y = make_multilabel_classification(400, 20, n_classes=5, random_state=0)
    model = GDMLPClassifier(learning_rate=0.01, max_iter=20, tol=None, random_state=0)
    scores = cross_val_score(model, Z, Y, scoring="f1_micro", cv=3)
    assert scores.mean() > 0.6
    assert scores.mean() > f1_score(Y, np.ones_like(Y), average="micro") + 0.1


def test_it_works_in_cross_validation_by_probabilities():
    Z, y = load_breast_cancer(return_X_y=True)
    assert cross_val_score(small(learning_rate=0.02), Z, y, scoring="roc_auc", cv=3).mean() > 0.98


# -- labels of rows


@pytest.mark.parametrize(
    "convert",
    [np.ndarray.tolist, lambda y: y.astype(bool), lambda y: y.astype(np.float32), sparse.csr_matrix, sparse.coo_array],
    ids=["list", "bool", "float32", "csr", "coo"],
)
def test_labels_come_in_any_form(convert):
    given, expected = convert(LABELS), small().fit(X, LABELS)
    model = small().fit(X, given, X_val=X, y_val=given)
    assert_same_network(model, expected, 0)
    assert model.predict(X).dtype == np.intp
    assert model.score(X, LABELS) == np.mean((model.predict(X) == LABELS).all(axis=1))


def test_labels_that_no_row_or_every_row_has():
    model = small().fit(X, np.column_stack([LABELS, np.zeros(90), np.ones(90)]))
    np.testing.assert_array_equal(model.predict(X)[:, 3:], np.tile([0, 1], (90, 1)))
    assert np.isfinite(parameters_of(model)).all()


def test_the_loss_of_labels_can_be_given_as_an_object():
    fits = [small(loss=loss).fit(X, LABELS) for loss in ("log_loss", LogLoss(), MultilabelLogLoss())]
    assert_same_network(fits[0], fits[1], 0)
    assert_same_network(fits[0], fits[2], 0)


class AsymmetricLabels(LogLoss):
    """A user's loss of labels: those that are missed cost double."""

    multilabel = True

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                cost = weight[i] * (2.0 if y[i, k] > 0.5 else 1.0)
                sign = 1.0 if y[i, k] > 0.5 else -1.0
                total += float(cost * np.log1p(np.exp(-sign * raw[i, k])))
                derivative[i, k] = -sign * cost / (1.0 + np.exp(sign * raw[i, k]))
        return total

    def best_constant(self, y, weight, n_outputs):
        return np.zeros(n_outputs)


def test_a_users_loss_of_labels():
    settings = {"learning_rate": 0.05, "max_iter": 40}
    model = small(loss=AsymmetricLabels(), **settings).fit(X, LABELS)
    assert model.predict(X).shape == (90, 3)
    assert model.predict(X).sum() > small(**settings).fit(X, LABELS).predict(X).sum()
    with pytest.raises(ValueError, match="made for labels"):
        small(loss=AsymmetricLabels()).fit(X, TARGETS["binary"])


# -- classes


def test_classes_of_any_type():
    y = TARGETS["multiclass"]
    expected = small().fit(X, y)
    for names in (np.array(["a", "b", "c"]), np.array(["a", "b", "c"], object), np.array([-5, 7, 10**6])):
        model = small().fit(X, names[y])
        np.testing.assert_array_equal(model.classes_, names)
        np.testing.assert_array_equal(model.predict(X), names[expected.predict(X)])
        assert_same_network(model, expected, 0)


def test_a_column_of_classes_is_raveled_with_the_usual_warning():
    y = TARGETS["multiclass"]
    with pytest.warns(DataConversionWarning, match="column-vector"):
        model = small().fit(X, y[:, None])
    assert_same_network(model, small().fit(X, y), 0)


# -- streams, early stopping, copies


@each_kind
def test_partial_fit_makes_the_epochs_of_fit(kind):
    y = TARGETS[kind]
    classes = None if kind == "multilabel" else np.unique(y)
    settings = {"batch_size": None, "learning_rate": 0.05}
    streamed = small(**settings)
    for _ in range(10):
        streamed.partial_fit(X, y, classes=classes)
    assert_same_network(streamed, small(**settings).fit(X, y), 1e-9)
    assert streamed.n_iter_ == 10


def test_a_stream_of_labels():
    model = small().partial_fit(X[:40], LABELS[:40], classes=np.arange(3))
    model.partial_fit(X[40:41], sparse.csr_matrix(LABELS[40:41])).partial_fit(X[41:], LABELS[41:])
    assert model.n_iter_ == 3
    before = parameters_of(model)
    for y, classes, message in (
        (LABELS[:, :2], None, "y has 2 columns, one for each label; in the calls before it had 3"),
        (TARGETS["multiclass"], None, "it began with labels, and now y holds classes"),
        (LABELS, [1, 2, 3], r"classes=\[1, 2, 3\] must be None or 0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(X, y, classes=classes)
    np.testing.assert_array_equal(parameters_of(model), before)
    with pytest.raises(ValueError, match="it began with classes, and now y holds labels"):
        small().partial_fit(X, TARGETS["multiclass"], classes=[0, 1, 2]).partial_fit(X, LABELS)
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        small().partial_fit(X, TARGETS["multiclass"])


def test_a_stream_may_begin_without_some_of_its_classes():
    y = TARGETS["multiclass"]
    model = small().partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert (model.predict_proba(X)[:, 2] < 0.1).all()
    model.set_params(learning_rate=0.05)
    for _ in range(60):
        model.partial_fit(X, y)
    # where the gradient by the last biases is zero, probabilities are right on average
    np.testing.assert_allclose(model.predict_proba(X).mean(axis=0), np.bincount(y) / len(y), atol=0.03)


def test_early_stopping_of_labels_keeps_what_was_best_on_the_part_held_out():
    settings = {"hidden_layer_sizes": (60,), "learning_rate": 0.05, "early_stopping": True, "batch_size": 20}
    settings |= {"validation_fraction": 0.3, "alpha": 0}
    model = small(max_iter=500, tol=0.0, **settings).fit(X, LABELS)
    best = int(model.validation_curve_.argmin())
    assert model.stop_reason_ == "early_stopping"
    assert model.n_iter_ == best + 1 + model.n_iter_no_change
    assert_same_network(model, small(max_iter=best + 1, **settings).fit(X, LABELS), 0)


def test_the_part_held_out_has_the_classes_in_proportion():
    # a rare class of three rows: one is held out, always, and two are left
    y = np.repeat([0, 1], [87, 3])
    for seed in range(5):
        model = small(early_stopping=True, validation_fraction=1 / 3, learning_rate=NO_STEP, max_iter=1)
        model.set_params(random_state=seed, optimizer="sgd").fit(X, y)
        np.testing.assert_allclose(model.intercepts_[-1], logit(2 / 60), atol=0.02)
    with pytest.raises(ValueError, match=r"early_stopping=True can't hold out"):
        small(early_stopping=True).fit(X, np.repeat([0, 1], [89, 1]))


@each_kind
def test_pickled_it_predicts_the_same_and_goes_on(kind):
    y = TARGETS[kind]
    model = small(warm_start=True).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert_same_network(again.fit(X, y), model.fit(X, y), 0)
    assert again.n_iter_ == 20


# -- what is refused


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (LABELS * [1, 2, 3], "Multioutput target data is not supported: .* nothing but 0 and 1"),
        (LABELS + 1, "Multioutput target data is not supported: .* nothing but 0 and 1"),
        (LABELS.astype(str), "Multioutput target data is not supported"),
        (LABELS * 0.5, "Unknown label type: continuous-multioutput"),
        (SIGNAL, "Unknown label type: continuous"),
        (np.where(LABELS > 0, np.nan, 0.0), "Input y contains NaN"),
        (np.zeros(90), "at least two classes; the data contains only one class: 0"),
        (LABELS[:80], "inconsistent numbers of samples"),
        (LABELS[:, :, None], "dim 3"),
    ],
)
def test_bad_targets(y, message):
    model = small()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weight": "balanced"}, "class_weight is for classes.*use sample_weight instead"),
        ({"class_weight": {0: 2.0}}, "class_weight is for classes.*use sample_weight instead"),
        *(({"loss": loss}, "loss=.* is made for one class a row") for loss in sorted(CLASS_LOSSES - {"log_loss"})),
    ],
)
def test_what_labels_do_not_go_with(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings).fit(X, LABELS)
    assert not get_tags(small(**settings)).classifier_tags.multi_label


def test_validation_labels_must_fit_those_of_y():
    for y_val, message in (
        (LABELS[:, :2], "y_val: it has 2 columns, y has 3"),
        (TARGETS["binary"], "y_val: it has 1 columns, y has 3"),
        (2 * LABELS, "y_val: Multioutput target data is not supported"),
    ):
        with pytest.raises(ValueError, match=message):
            small().fit(X, LABELS, X_val=X, y_val=y_val)


@pytest.mark.parametrize("make", [GDLinearClassifier, GDLogisticClassifier])
def test_linear_models_take_no_labels(make):
    assert get_tags(small()).classifier_tags.multi_label
    assert not get_tags(make()).classifier_tags.multi_label
    with pytest.raises(ValueError, match="1d array"):
        make().fit(X, LABELS)
    with pytest.raises(ValueError, match="made for labels"):
        GDLinearClassifier(loss=MultilabelLogLoss()).fit(X, TARGETS["binary"])


def test_probabilities_only_where_the_loss_gives_them():
    assert hasattr(small(), "predict_proba")
    assert hasattr(small(loss="modified_huber"), "predict_proba")
    hinge = small(loss="hinge").fit(X, TARGETS["binary"])
    assert not hasattr(hinge, "predict_proba")
    assert hinge.decision_function(X).shape == (90,)


def test_log_probabilities_are_exact_where_probabilities_underflow():
    coefs, intercepts = [np.ones((1, 1)), np.full((1, 3), 1.0)], [np.zeros(1), np.zeros(3)]
    Z, Y = np.array([[-900.0], [0.0], [900.0]]), np.array([[0, 1, 0], [1, 1, 0], [1, 0, 1]])
    model = GDMLPClassifier(hidden_layer_sizes=(1,), activation="identity", init=(coefs, intercepts), max_iter=1)
    model.set_params(optimizer="sgd", learning_rate=NO_STEP, standardize=False, tol=None).fit(Z, Y)
    np.testing.assert_allclose(model.predict_log_proba(Z), np.tile(log_expit(Z), 3))
    assert (model.predict_proba(Z)[0] == 0).all()


# -- what is served


@each_kind
def test_fitted_attributes_have_the_meanings_of_scikit_learns(kind):
    theirs = fit_quietly(sklearns(3, hidden_layer_sizes=(5,)), X, TARGETS[kind])
    ours = small().fit(X, TARGETS[kind])
    for name in ("n_layers_", "n_outputs_", "out_activation_", "best_validation_score_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert (ours.loss_, ours.best_loss_) == (ours.loss_curve_[-1], ours.loss_curve_.min())


def test_out_activation_is_that_of_the_loss():
    assert {small(loss=loss, max_iter=1).fit(X, TARGETS["binary"]).out_activation_ for loss in CLASS_LOSSES} == {
        "identity",
        "logistic",
    }
    assert small(loss="hinge", max_iter=1).fit(X, TARGETS["multiclass"]).out_activation_ == "identity"

    class Scaled(LogLoss):
        out_activation = "scaled softmax"

    assert small(loss=Scaled(), max_iter=1).fit(X, TARGETS["multiclass"]).out_activation_ == "scaled softmax"


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@each_kind
def test_best_validation_score_is_the_accuracy_of_the_parameters_kept(kind, storage):
    y, weight = TARGETS[kind], np.linspace(0, 2, 30)
    model = small(early_stopping=True, learning_rate=0.05, class_weight=None)
    model.fit(storage(X[:60]), y[:60], X_val=storage(X[60:]), y_val=y[60:], sample_weight_val=weight)
    expected = accuracy_score(y[60:], model.predict(X[60:]), sample_weight=weight)
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-12)
    assert 0 < expected < 1
    assert model.best_loss_ is None
    assert pickle.loads(pickle.dumps(model)).best_validation_score_ == model.best_validation_score_


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_best_validation_score_of_rows_held_out(storage):
    # rows of a class are the same, and held out in proportion: which of them, doesn't matter; two classes look alike
    rows, y = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 2.0]]), np.arange(3)
    many, y = storage(np.tile(rows, (40, 1))), np.tile(y, 40)
    model = small(early_stopping=True, learning_rate=0.05, max_iter=40, n_restarts=2).fit(many, y)
    assert model.best_validation_score_ == pytest.approx(2 / 3, rel=1e-12) == model.score(many, y)


def test_score_takes_labels_in_nullable_columns():
    model = small().fit(X, pd.DataFrame(LABELS, dtype="Int64"))
    expected = accuracy_score(LABELS, model.predict(X))
    assert model.score(X, pd.DataFrame(LABELS, dtype="Int64")) == model.score(X, sparse.csr_array(LABELS)) == expected


def test_probabilities_are_calibrated_and_boundaries_drawn():
    pytest.importorskip("matplotlib").use("Agg")
    y = TARGETS["multiclass"]
    calibrated = CalibratedClassifierCV(small(), cv=2, ensemble=False).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    model = small().fit(X[:, :2], y)
    shown = DecisionBoundaryDisplay.from_estimator(model, X[:, :2], response_method="predict", grid_resolution=9)
    grid = np.column_stack([shown.xx0.ravel(), shown.xx1.ravel()])
    np.testing.assert_array_equal(shown.response.ravel(), model.predict(grid))
    dependence = partial_dependence(model, X[:, :2], [0], custom_values={0: np.array([0.0])}, kind="average")
    expected = model.predict_proba(np.column_stack([np.zeros(90), X[:, 1]])).mean(axis=0)
    np.testing.assert_allclose(dependence["average"][:, 0], expected, rtol=1e-12)
    constant = permutation_importance(model, np.column_stack([X[:, 0], np.ones(90)]), y, random_state=0)
    assert constant.importances_mean[1] == 0  # what is the same for all rows can be shuffled


def test_score_names_the_labels_that_it_was_given():
    missing = LABELS.astype(float)
    missing[0, 0] = np.nan
    model = small(max_iter=1).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"^Input y contains NaN"):
        model.score(X, missing)
