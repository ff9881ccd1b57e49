"""Models converted to ONNX predict in onnxruntime what they predict here: needs the extra `onnx`."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor, losses
from skgd.activations import ACTIVATIONS, Activation, ReLU
from skgd.losses import CLASS_LOSSES, LOSSES, REGRESSION_LOSSES

skl2onnx = pytest.importorskip("skl2onnx")
types = pytest.importorskip("skl2onnx.common.data_types")
checker = pytest.importorskip("onnx.checker")
onnxruntime = pytest.importorskip("onnxruntime")
converters = pytest.importorskip("skgd.onnx")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FLOAT64 = np.dtype(np.float64)
RTOL = {np.dtype(np.float32): 1e-5, FLOAT64: 1e-12}
FLOATS = [np.float32, np.float64]

rng = np.random.RandomState(0)
X = rng.normal(size=(120, 4)) * [1, 2, 0.5, 3] + [0, 100, -1, 5]
NUMBERS = X @ [1, 0.1, -1, 0.3] + rng.normal(size=120)
POSITIVE = np.exp(NUMBERS / 10)
TWO = np.where(np.median(NUMBERS) < NUMBERS, "yes", "no")
THREE = np.digitize(NUMBERS, np.quantile(NUMBERS, [0.3, 0.6]))
LABELS = np.column_stack([NUMBERS > 10, NUMBERS > 12, X[:, 0] > 0]).astype(int)


def converted(model, rows, **options):
    """The model in ONNX's format, whose types and shapes have been checked."""
    found = skl2onnx.to_onnx(model, rows[:1], **options)
    checker.check_model(found, full_check=True)
    return found


def outputs(model, rows, **options):
    """What onnxruntime makes of the rows."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # of parts that skl2onnx leaves unused in ensembles
    graph = converted(model, rows, **options).SerializeToString()
    session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
    feed = {put.name: rows[[put.name]].to_numpy() for put in session.get_inputs()} if hasattr(rows, "columns") else None
    return session.run(None, feed or {session.get_inputs()[0].name: rows})


def scores(model, rows):
    """A column for each class, of probabilities if there are any."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)
    found = model.decision_function(rows)
    return np.column_stack([-found, found]) if found.ndim == 1 else found


def assert_close(found, expected, dtype, computed_in):
    rtol = max(RTOL[np.dtype(dtype)], RTOL[computed_in])
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def computed_in(model):
    """What networks are computed in, which of ensembles is float32 whatever the rows are; float64 of others."""
    training = getattr(model, "_training", None)
    return FLOAT64 if training is None or hasattr(model, "coef_") else training.dtype


def assert_same_numbers(model, rows, **options):
    (found,) = outputs(model, rows, **options)
    expected = model.predict(rows)
    # a column for y of one dimension, as scikit-learn's regressors have in skl2onnx
    assert found.shape == (len(rows), 1 if expected.ndim == 1 else expected.shape[1])
    assert_close(found.reshape(expected.shape), expected, getattr(rows, "dtype", np.float32), computed_in(model))


def assert_same_classes(model, rows, **options):
    labels, found = outputs(model, rows, options={"zipmap": False}, **options)
    np.testing.assert_array_equal(labels, model.predict(rows))
    assert_close(found, scores(model, rows), getattr(rows, "dtype", np.float32), computed_in(model))


# ---------------------------------------------------------------------------------------------------------------------
# Losses, links, activations


@pytest.mark.parametrize("name", sorted(REGRESSION_LOSSES))
def test_every_loss_of_numbers(name):
    model = GDLinearRegressor(loss=name, max_iter=20).fit(X, POSITIVE)
    for dtype in FLOATS:
        assert_same_numbers(model, X.astype(dtype))


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("name", sorted(CLASS_LOSSES))
def test_every_loss_of_classes(name, y):
    model = GDLinearClassifier(loss=name, max_iter=20, random_state=0).fit(X, y)
    for dtype in FLOATS:
        assert_same_classes(model, X.astype(dtype))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation(name):
    model = GDMLPRegressor(hidden_layer_sizes=(6, 5), activation=name, max_iter=3, random_state=0).fit(X, NUMBERS)
    for dtype in FLOATS:
        assert_same_numbers(model, X.astype(dtype))
        # far from what it has seen, on both sides
        assert_same_numbers(model, (1e3 * (X - X.mean(axis=0))).astype(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_are_those_of_scipy_and_stay_finite(name, dtype, twins):
    z = np.concatenate([np.linspace(-40, 40, 401), [-np.inf, -1e30, -1e3, 1e3, 1e30, np.inf]])[:, None].astype(dtype)
    unit = [[[1.0]], [[1.0]]], [[0.0], [0.0]]  # passes on what goes in
    model = GDMLPRegressor(
        hidden_layer_sizes=(1,), activation=name, init=unit, optimizer="sgd", learning_rate=1e-30, standardize=False
    )
    model.set_params(max_iter=1, loss="absolute_error").fit(z[:5] * 0, np.zeros(5))
    model.coefs_, model.intercepts_ = ([np.array(each, dtype) for each in part] for part in unit)
    (found,) = outputs(model, z)
    with np.errstate(invalid="ignore"):
        expected = twins[name].function(z.astype(np.float64))
    expected[np.isnan(expected)] = 0  # where zero times infinity comes back to zero
    # of float32 onnxruntime's own functions have an error of a few roundings
    np.testing.assert_allclose(
        found, expected, rtol=2e-6 if dtype == np.float32 else 2e-15, atol=2 * np.finfo(dtype).eps
    )


def test_the_tables_of_formulas_are_complete():
    # a new loss, link or activation comes with its formula
    assert {each.function for each in ACTIVATIONS.values()} <= converters.ACTIVATION_FORMULAS.keys()
    made = {getattr(losses, name) for name in losses.__all__} - {losses.Loss} | set(LOSSES.values())
    for loss in made:
        assert loss.predict in converters.PREDICTION_FORMULAS
        assert loss.predict_proba is losses.Loss.predict_proba or loss.predict_proba in converters.PROBABILITY_FORMULAS


def test_networks_with_a_link_and_with_several_outputs():
    common = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
    models = [
        GDMLPRegressor(loss="poisson", **common).fit(X, POSITIVE),
        GDMLPRegressor(loss="quantile", quantile=[0.9, 0.1, 0.5], **common).fit(X, NUMBERS),
        GDMLPRegressor(**common).fit(X, np.column_stack([NUMBERS, 1e3 * POSITIVE])),
        GDMLPRegressor(**common).fit(X, NUMBERS[:, None]),
    ]
    for model in models:
        for dtype in FLOATS:
            assert_same_numbers(model, X.astype(dtype))


def test_what_has_no_weight_is_not_converted():
    model = GDMLPRegressor(loss="poisson", hidden_layer_sizes=(5,), max_iter=2, n_members=2, random_state=0)
    model.fit(X, POSITIVE)
    for weight, n_products in (0.0, 4), (0.5, 6), (1.0, 2):
        model.linear_weight_ = weight
        nodes = converted(model, X).graph.node
        assert sum(node.op_type == "MatMul" for node in nodes) == n_products
        assert_same_numbers(model, X)
    model.coefs_ = [[1e6 * coef for coef in coefs] for coefs in model.coefs_]  # exp is infinite, and zero times it NaN
    assert_same_numbers(model, X)


def test_networks_that_are_calibrated():
    common = {"hidden_layer_sizes": (5,), "max_iter": 2, "random_state": 0}
    regressor, classifier = GDMLPRegressor(**common).fit(X, NUMBERS), GDMLPClassifier(**common).fit(X, THREE)
    for model in regressor, classifier:
        model.calibration_slope_ = 0.7
        assert model.linear_weight_ > 0
    assert_same_numbers(regressor, X)
    assert_same_classes(classifier, X)
    regressor.linear_weight_ = 0  # the networks alone
    assert_same_numbers(regressor, X)


@pytest.mark.parametrize("quantile", [[0.9, 0.1, 0.5, 0.3], [0.7]])
def test_several_quantiles_are_sorted(quantile):
    model = GDLinearRegressor(loss="quantile", quantile=quantile, max_iter=5).fit(X, NUMBERS)
    model.coef_ *= np.linspace(1, -1, len(quantile))[:, None]  # so that they cross
    raw = X @ model.coef_.T + model.intercept_
    (found,) = outputs(model, X)
    expected = np.sort(raw, axis=1)[:, np.argsort(np.argsort(quantile))]
    assert len(quantile) == 1 or not np.allclose(raw, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_several_targets_and_one_in_a_column():
    for y in (np.column_stack([NUMBERS, -NUMBERS]), NUMBERS[:, None]):
        model = GDLinearRegressor().fit(X, y)
        assert_same_numbers(model, X)
        assert outputs(model, X)[0].shape == y.shape


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "squared_hinge"])
@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_networks_of_classes(loss, y):
    model = GDMLPClassifier(loss=loss, hidden_layer_sizes=(5,), max_iter=3, random_state=0).fit(X, y)
    for dtype in FLOATS:
        assert_same_classes(model, X.astype(dtype))


def test_labels():
    model = GDMLPClassifier(hidden_layer_sizes=(5,), max_iter=30, random_state=0).fit(X, LABELS)
    labels, _ = outputs(model, X, options={"zipmap": False})
    assert labels.shape == LABELS.shape
    assert 0 < labels.mean() < 1
    for dtype in FLOATS:
        assert_same_classes(model, X.astype(dtype))
    _, raw = outputs(model, X, options={"zipmap": False, "raw_scores": True})
    np.testing.assert_allclose(raw, model.decision_function(X), rtol=1e-5, atol=1e-6)
    _, named = outputs(model, X.astype("f"))
    np.testing.assert_allclose([[row[k] for k in range(3)] for row in named], model.predict_proba(X), rtol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
def test_probabilities_of_extreme_scores(dtype):
    rows = np.array([-3e5, -800, -90, -40, -1, 0, 1, 40, 90, 800, 3e5], dtype)[:, None]
    two = GDLogisticClassifier().fit(X[:, :1], TWO)
    two.coef_, two.intercept_ = np.array([[1.0]]), np.array([0.0])
    labels, found = outputs(two, rows, options={"zipmap": False})
    z = rows.astype(np.float64)
    np.testing.assert_array_equal(labels, np.where(rows[:, 0] > 0, "yes", "no"))
    np.testing.assert_allclose(found, np.hstack([expit(-z), expit(z)]), rtol=1e-6, atol=np.finfo(dtype).tiny)
    three = GDLogisticClassifier().fit(X[:, :1], THREE)
    three.coef_, three.intercept_ = np.array([[1.0], [-1.0], [0.0]]), np.zeros(3)
    _, found = outputs(three, rows, options={"zipmap": False})
    np.testing.assert_allclose(found, three.predict_proba(rows), rtol=1e-5, atol=np.finfo(dtype).tiny)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_modified_huber_without_any_class():
    model = GDLinearClassifier(loss="modified_huber").fit(X, THREE)
    model.coef_, model.intercept_ = np.zeros((3, 4)), np.array([-2.0, -3.0, -1.5])
    labels, found = outputs(model, X, options={"zipmap": False})
    assert (found == 1 / 3).all()
    assert (labels == 2).all()


# ---------------------------------------------------------------------------------------------------------------------
# Ways in which models come about


def test_float32_with_large_means_has_the_unrounded_coefficients():
    rows = (X + np.array([0, 1e5, 0, 0])).astype(np.float32)
    model = GDLinearRegressor(alpha=0).fit(rows, NUMBERS.astype(np.float32))
    assert model.coef_.dtype == np.float32
    assert_same_numbers(model, rows)
    rounded = rows.astype(np.float64) @ model.coef_.astype(np.float64) + model.intercept_.astype(np.float64)
    (found,) = outputs(model, rows)
    assert np.abs(found[:, 0] - model.predict(rows)).max() < 1e-3 * np.abs(rounded - model.predict(rows)).max()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_networks_of_float32(activation):
    exact = X + np.array([0, 1e5, 0, 0])  # which float32 rounds to steps of 0.01
    rows = exact.astype(np.float32)
    common = {"hidden_layer_sizes": (6,), "activation": activation, "max_iter": 5, "random_state": 0}
    model = GDMLPRegressor(**common).fit(rows, NUMBERS.astype(np.float32))
    assert model.coefs_[0][0].dtype == np.float32
    assert_same_numbers(model, rows)
    (found,) = outputs(model, exact)
    np.testing.assert_allclose(found[:, 0], model.predict(exact), rtol=1e-6)
    assert np.abs(model.predict(exact) / model.predict(rows) - 1).max() > 1e-5
    weights = [each for each in converted(model, rows).graph.initializer if len(each.dims) == 2]
    assert {each.data_type for each in weights} == {types.guess_proto_type(types.FloatTensorType())}
    classifier = GDMLPClassifier(**common).fit(rows, THREE)
    assert_same_classes(classifier, rows)


def test_sparse_data_and_sparse_coefficients():
    S = np.where(np.abs(X) > 1, X, 0)
    model = GDLogisticClassifier(penalty="l1", alpha=0.05).fit(sparse.csr_array(S), THREE)
    regressor = GDLinearRegressor(penalty="l1", alpha=0.5).fit(S, NUMBERS)
    assert (model.coef_ == 0).any()
    assert (regressor.coef_ == 0).any()
    for dtype in FLOATS:
        assert_same_classes(model.densify(), S.astype(dtype))
        assert_same_classes(model.sparsify(), S.astype(dtype))
        assert_same_numbers(regressor.sparsify(), S.astype(dtype))


def test_dropout_averages_and_parameters_of_the_users():
    network = GDMLPRegressor(
        hidden_layer_sizes=(6,), dropout=0.3, average=True, max_iter=5, n_members=1, random_state=0
    )
    assert_same_numbers(network.fit(X, NUMBERS), X)
    network.coefs_ = [coef * 2 for coef in network.coefs_]
    assert_same_numbers(network, X)
    linear = GDLinearRegressor().fit(X.astype("f"), NUMBERS)
    linear.coef_ = linear.coef_ * 2
    assert_same_numbers(linear, X.astype("f"))


@pytest.mark.parametrize(
    "classes",
    [["b", "cc", "ä"], [-3, 0, 2**40], np.array([1, 2, 200], np.uint8), [0.0, 1.0, 5.0], [False, True]],
    ids=["strings", "int64", "uint8", "floats", "bools"],
)
def test_kinds_of_classes(classes):
    y = np.asarray(classes)[THREE % len(classes)]
    for given in (y, y.astype(object)) if y.dtype.kind == "U" else (y,):
        model = GDLogisticClassifier().fit(X, given)
        assert_same_classes(model, X)
        labels, named = outputs(model, X.astype("f"))  # probabilities as dictionaries, which ONNX has in float32 alone
        kind = str if y.dtype.kind == "U" else int
        assert [*named[0]] == [kind(each) for each in classes]
        np.testing.assert_allclose([[*row.values()] for row in named], model.predict_proba(X.astype("f")), rtol=1e-6)
        np.testing.assert_array_equal(labels, model.predict(X))


def test_options_of_scikit_learns_classifiers():
    for make in (GDLogisticClassifier, lambda: GDMLPClassifier(hidden_layer_sizes=(3,), max_iter=3, random_state=0)):
        model = make().fit(X, TWO)
        z = model.decision_function(X)
        _, found = outputs(model, X, options={"zipmap": False, "raw_scores": True})
        np.testing.assert_allclose(found, np.column_stack([-z, z]), rtol=RTOL[computed_in(model)], atol=1e-12)
        labels, found = outputs(model, X, options={"zipmap": False, "nocl": True})
        np.testing.assert_array_equal(labels, model.predict(X) == "yes")
        labels, no, yes = outputs(model, X, options={"zipmap": "columns"})
        np.testing.assert_array_equal(labels, model.predict(X))
        np.testing.assert_allclose(np.hstack([no.reshape(-1, 1), yes.reshape(-1, 1)]), found, rtol=1e-12)
        *_, names = outputs(model, X, options={"zipmap": False, "output_class_labels": True})
        assert [*names] == ["no", "yes"]


@pytest.mark.parametrize("opset", [11, 13, 15])
def test_earlier_versions_of_the_standard(opset):
    classifier = GDMLPClassifier(loss="modified_huber", hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    assert_same_classes(classifier.fit(X, THREE), X, target_opset=opset)
    model = GDLinearRegressor(loss="quantile", quantile=[0.2, 0.8]).fit(X, NUMBERS)
    assert_same_numbers(model, X, target_opset=opset)


def test_whole_numbers_and_bools_as_features():
    rows = np.round(X).astype(np.int64)
    for kind, given in ((types.Int64TensorType, rows), (types.BooleanTensorType, rows > 0)):
        for model in (GDLinearRegressor(), GDMLPRegressor(hidden_layer_sizes=(3,), max_iter=3, random_state=0)):
            model.fit(given, NUMBERS)
            (found,) = outputs(model, given, initial_types=[("X", kind([None, 4]))])
            assert_close(found[:, 0], model.predict(given), np.float32, FLOAT64)


# ---------------------------------------------------------------------------------------------------------------------
# As parts of others


@pytest.mark.parametrize("dtype", FLOATS)
def test_parts_of_pipelines_and_ensembles_of_classifiers(dtype):
    rows = X.astype(dtype)
    log, hinge = GDLogisticClassifier(alpha=0.01), GDLinearClassifier(loss="hinge", alpha=0.1)
    piped = make_pipeline(StandardScaler(), log)
    members = [("piped", piped), ("alone", log)]
    for y in (TWO, THREE):
        for model in (
            piped,
            GridSearchCV(piped, {"gdlogisticclassifier__alpha": [0.1, 1]}, cv=2),
            VotingClassifier(members, voting="soft", flatten_transform=False),
            CalibratedClassifierCV(log, cv=2),
            CalibratedClassifierCV(hinge, cv=2),
            OneVsRestClassifier(log),
            StackingClassifier(members, final_estimator=log, cv=2),
        ):
            assert_same_classes(model.fit(rows, y), rows)


@pytest.mark.parametrize("dtype", FLOATS)
def test_parts_of_pipelines_and_ensembles_of_regressors(dtype):
    rows, linear = X.astype(dtype), GDLinearRegressor(alpha=0.01)
    piped = make_pipeline(StandardScaler(), linear)
    members = [("piped", piped), ("alone", linear)]
    for model in (
        piped,
        GridSearchCV(piped, {"gdlinearregressor__alpha": [0.1, 1]}, cv=2),
        VotingRegressor(members),
        StackingRegressor(members, final_estimator=linear, cv=2),
        BaggingRegressor(linear, n_estimators=2, random_state=0),
    ):
        assert_same_numbers(model.fit(rows, NUMBERS), rows)
    assert_same_numbers(MultiOutputRegressor(linear).fit(rows, np.column_stack([NUMBERS, X[:, 0]])), rows)


def test_columns_of_a_table():
    numbers = ["one", "two"]
    table = pd.DataFrame(X[:, :2].astype(np.float32), columns=numbers)
    table["town"] = np.where(THREE, "Bonn", "Ulm")
    given = [(name, types.FloatTensorType([None, 1])) for name in numbers]
    given.append(("town", types.StringTensorType([None, 1])))
    for final, y in ((GDLogisticClassifier(), TWO), (GDLinearRegressor(), NUMBERS)):
        columns = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(sparse_output=False), ["town"]))
        model = make_pipeline(columns, final).fit(table, y)
        check = assert_same_classes if y is TWO else assert_same_numbers
        check(model, table, initial_types=given)


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


class Sine(Activation):
    @staticmethod
    def function(z):
        return np.sin(z)

    @staticmethod
    def derivative(z, a):
        return np.cos(z)


class LeakySlope(ReLU):
    """The function of relu, another derivative."""

    @staticmethod
    def derivative(z, a):
        return 0.1 if a <= 0.0 else 1.0


class LogCosh(losses.Loss):
    """A loss of one's own, whose predictions are raw ones."""

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                derivative[i, k] = weight[i] * np.tanh(raw[i, k] - y[i, k])
                total += weight[i] * np.log(np.cosh(raw[i, k] - y[i, k]))
        return total


class WithLink(LogCosh):
    def predict(self, raw):
        return raw**3


class OwnProbabilities(losses.LogLoss):
    def predict_proba(self, raw):
        return super().predict_proba(raw) ** 2


def test_an_activation_of_ones_own_is_refused_by_name():
    network = GDMLPRegressor(hidden_layer_sizes=(2,), activation=Sine(), max_iter=1).fit(X, NUMBERS)
    with pytest.raises(NotImplementedError, match=r"activation=Sine\(\) can't be converted to ONNX: its function is"):
        skl2onnx.to_onnx(network, X[:1])


def test_a_loss_of_ones_own_is_refused_where_its_predictions_are():
    assert_same_numbers(GDLinearRegressor(loss=LogCosh(), max_iter=5).fit(X, NUMBERS), X)
    with pytest.raises(NotImplementedError, match=r"loss=WithLink\(\) can't be converted to ONNX: its predict is"):
        skl2onnx.to_onnx(GDLinearRegressor(loss=WithLink(), max_iter=5).fit(X, NUMBERS), X[:1])
    model = GDLinearClassifier(loss=OwnProbabilities(), max_iter=5).fit(X, THREE)
    with pytest.raises(NotImplementedError, match=r"loss=OwnProbabilities\(\) can't be .*: its predict_proba is"):
        skl2onnx.to_onnx(model, X[:1])
    labels, found = outputs(model, X, options={"zipmap": False, "raw_scores": True})
    np.testing.assert_allclose(found, model.decision_function(X), rtol=1e-12)
    np.testing.assert_array_equal(labels, model.predict(X))


def test_a_class_that_inherits_the_function_is_converted():
    with pytest.warns(RuntimeWarning, match="LeakySlope.derivative isn't the derivative"):
        network = GDMLPRegressor(hidden_layer_sizes=(3,), activation=LeakySlope(), max_iter=2).fit(X, NUMBERS)
    assert_same_numbers(network, X)


def test_a_model_that_is_not_fitted():
    with pytest.raises(NotFittedError, match="This GDLinearRegressor instance is not fitted yet"):
        skl2onnx.to_onnx(GDLinearRegressor(), X[:1])


def test_classes_that_onnx_has_no_type_for():
    model = GDLogisticClassifier().fit(X, np.array([2**63, 2**63 + 2], np.uint64)[(TWO == "yes").astype(int)])
    with pytest.raises(NotImplementedError, match="can't be converted to ONNX, which has strings and 64-bit integers"):
        skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})


def test_categories_and_gaps_have_no_formula():
    rows = np.where(np.eye(50, 2) > 0, np.nan, 1.0)
    model = GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(rows, np.arange(50.0))
    with pytest.raises(NotImplementedError, match="categories and gaps can't be converted to ONNX: put an encoder"):
        skl2onnx.to_onnx(model, rows[:1])


# ---------------------------------------------------------------------------------------------------------------------


def test_the_page_runs(tmp_path, monkeypatch):
    # the runner of pages has no onnxruntime
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2].joinpath("docs", "saving.md").read_text(encoding="utf-8")
    section = page.partition("\n## Serving with ONNX\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```py\n(.*?)```", section, re.DOTALL)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(block, namespace)
    assert namespace["same"]


@pytest.mark.parametrize("dtype", FLOATS)
def test_columns_with_heavy_tails_are_squashed(dtype):
    heavy = X.astype(dtype)
    heavy[:, [0, 2]] = np.exp(3 * heavy[:, [2, 0]])
    rows = np.concatenate([heavy, 1e6 * heavy[:9], -heavy[:9]])
    regressor = GDMLPRegressor(max_iter=5, random_state=0).fit(heavy, NUMBERS)
    classifier = GDMLPClassifier(max_iter=5, random_state=0).fit(heavy, TWO)
    assert [*regressor.tails_] == [*classifier.tails_] == [0, 2]
    np.testing.assert_allclose(outputs(regressor, rows)[0].ravel(), regressor.predict(rows), rtol=1e-4)
    found = outputs(classifier, rows, options={"zipmap": False})[1]
    np.testing.assert_allclose(found, classifier.predict_proba(rows), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
def test_immense_entries_of_columns_with_heavy_tails_stay_finite(dtype):
    heavy = X.astype(dtype)
    heavy[:, [0, 2]] = np.exp(3 * heavy[:, [2, 0]])
    regressor = GDMLPRegressor(max_iter=5, random_state=0).fit(heavy, NUMBERS)
    rows = np.repeat(heavy[:1], 4, axis=0)
    largest = 1e38 if dtype == np.float32 else 1e300  # whose squares are infinite
    rows[:, 0] = [largest, -largest, np.sqrt(largest), 0.1 * largest]
    found = outputs(regressor, rows)[0].ravel()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, regressor.predict(rows), rtol=1e-4)
