"""Arrays of other libraries: NumPy's results by default, and theirs where scikit-learn is told to dispatch."""

import importlib.util

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor

strict = pytest.importorskip("array_api_strict")

X, Y = load_diabetes(return_X_y=True)
X, Y = 20 * X[:90], Y[:90]
WEIGHT = np.linspace(1, 2, len(Y))
CLASSES, LABELS = np.digitize(Y, [100, 200]), np.column_stack([Y > 100, Y > 200]).astype(int)
NETWORK = {"hidden_layer_sizes": (4,), "max_iter": 3, "tol": None, "random_state": 0}
MODELS = {
    "linear": (GDLinearRegressor(), Y),
    "targets": (GDLinearRegressor(), np.column_stack([Y, Y**2])),
    "logistic": (GDLogisticClassifier(), CLASSES),
    "hinge": (GDLinearClassifier("hinge", max_iter=5, tol=None), CLASSES > 0),
    "network": (GDMLPRegressor(**NETWORK), Y),
    "classes": (GDMLPClassifier(**NETWORK), CLASSES),
    "labels": (GDMLPClassifier(**NETWORK), LABELS),
}
METHODS = "predict", "predict_proba", "predict_log_proba", "decision_function"
LIBRARIES = {"array_api_strict": (strict.asarray, type(strict.asarray(X)))}
if importlib.util.find_spec("torch"):
    import torch

    LIBRARIES["torch"] = (torch.asarray, torch.Tensor)


@pytest.fixture(params=LIBRARIES)
def library(request):
    return LIBRARIES[request.param]


@pytest.fixture
def dispatch(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # scikit-learn asks for it
    with sklearn.config_context(array_api_dispatch=True):
        yield


def results(model, X, y, weight):
    found = {name: getattr(model, name)(X) for name in METHODS if hasattr(model, name)}
    return found | {"score": model.score(X, y, weight)}


def both(kind, make, precision="float64"):
    """Results for another library's arrays, and for NumPy's."""
    model, y = MODELS[kind]
    x = X.astype(precision)
    options = {"sample_weight": WEIGHT, "X_val": x, "y_val": y, "sample_weight_val": WEIGHT}
    model.fit(x, y, **options)
    expected = results(model, x, y, WEIGHT) | {"coef": getattr(model, "coef_", model.n_iter_)}
    model.fit(make(x), make(y), **{name: make(array) for name, array in options.items()})
    coef = getattr(model, "coef_", model.n_iter_)
    assert isinstance(coef, np.ndarray | int)  # fitted attributes are NumPy's in any case
    return results(model, make(x), make(y), make(WEIGHT)) | {"coef": coef}, expected


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", MODELS)
def test_results_are_numpys(kind, precision, library):
    found, expected = both(kind, library[0], precision)
    for name, array in found.items():
        assert type(array) is type(expected[name])
        assert np.asarray(array).dtype == np.asarray(expected[name]).dtype
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", MODELS)
def test_results_are_in_the_library_of_x_when_scikit_learn_dispatches(kind, precision, library):
    make, type_of_array = library
    found, expected = both(kind, make, precision)
    for name in METHODS:
        if name in found:
            assert isinstance(found[name], type_of_array), name
            assert np.asarray(found[name]).dtype == expected[name].dtype
            np.testing.assert_array_equal(np.asarray(found[name]), expected[name])
    assert float(found["score"]) == pytest.approx(expected["score"], rel=1e-5)


@pytest.mark.usefixtures("dispatch")
def test_dispatch_in_cross_validation(library):
    make = library[0]
    for kind in ("linear", "classes"):
        model, y = MODELS[kind]
        found = [float(score) for score in cross_val_score(model, make(X), make(y), cv=3)]
        np.testing.assert_allclose(found, cross_val_score(model, X, y, cv=3), rtol=1e-6)


@pytest.mark.usefixtures("dispatch")
def test_names_of_classes_stay_in_numpy(library):
    names = np.array(["low", "middle", "high"])[CLASSES]
    model = GDLogisticClassifier().fit(library[0](X), names)
    found = model.predict(library[0](X))
    assert found.dtype == names.dtype
    assert model.score(library[0](X), names) == np.mean(found == names)
    assert isinstance(model.predict_proba(library[0](X)), library[1])
    assert isinstance(model.predict(X), np.ndarray)  # as X is


@pytest.mark.usefixtures("dispatch")
def test_other_data_are_taken_as_without_dispatch():
    assert isinstance(GDLinearRegressor().fit(X.tolist(), Y.tolist()).predict(X.tolist()), np.ndarray)


@pytest.mark.parametrize("dispatches", [False, True])
def test_what_numpy_cant_take_is_an_error_that_names_it(dispatches, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    elsewhere = strict.asarray(X, device=strict.Device("device1"))
    with sklearn.config_context(array_api_dispatch=dispatches):
        model = GDLinearRegressor()
        for call in (lambda: model.fit(elsewhere, Y), lambda: model.fit(X, Y).predict(elsewhere)):
            with pytest.raises(ValueError, match=r"X is an array_api_strict.*Array that NumPy can't take: .*device1"):
                call()


def test_complex_numbers_and_wrong_shapes_are_errors_as_ever():
    for array, said in ((X + 0j, "Complex data not supported"), (X[0], "Expected 2D array"), (X * np.nan, "NaN")):
        with pytest.raises(ValueError, match=said):
            GDLinearRegressor().fit(strict.asarray(array), Y)
