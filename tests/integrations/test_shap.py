"""Explainers of shap: on linear models and their coefficients, on networks by their predictions."""

import copy
import warnings

import numpy as np
import pytest

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own, when it is imported
    shap = pytest.importorskip("shap")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = X @ [1.0, 0.0, 0.0, 2.0] + 0.1 * RNG.standard_normal(60)
SOME = X[:3]
MODELS = {
    "numbers": (GDLinearRegressor(penalty="l1", alpha=0.1), Y),
    "targets": (GDLinearRegressor(), np.column_stack([Y, -Y])),
    "two classes": (GDLogisticClassifier(penalty="l1", alpha=0.1), Y > 0),
    "three classes": (GDLogisticClassifier(), np.digitize(Y, [-1, 1])),
}


def shapley_values(coef):
    """Of a linear function of independent features: how far each lies from its mean, times its coefficient."""
    return (SOME - X.mean(axis=0))[:, :, None] * coef.reshape(-1, X.shape[1]).T


@pytest.mark.parametrize("kind", MODELS)
def test_linear_models_are_explained_by_their_coefficients(kind):
    model, y = MODELS[kind]
    model.fit(X, y)
    expected = shapley_values(model.coef_)
    assert isinstance(shap.Explainer(model, X), shap.LinearExplainer)
    found = shap.LinearExplainer(model, X)(SOME).values
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)

    # shap takes arrays of coefficients alone: a copy that is dense again, or the function that predicts
    model.sparsify()
    dense = copy.copy(model).densify()
    found = shap.LinearExplainer(dense, X)(SOME).values
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)
    assert hasattr(model.coef_, "indptr")
    raw = getattr(model, "decision_function", model.predict)
    found = shap.KernelExplainer(raw, X).shap_values(SOME, silent=True)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-6, atol=1e-9)


def test_networks_are_explained_by_their_predictions():
    settings = {"hidden_layer_sizes": (3,), "max_iter": 5, "random_state": 0}
    network = GDMLPRegressor(activation="identity", n_members=1, **settings).fit(X, Y)  # a linear function
    found = shap.KernelExplainer(network.predict, X).shap_values(SOME, silent=True)
    expected = shapley_values((network.coefs_[0] @ network.coefs_[1]).T)
    np.testing.assert_allclose(found, expected[:, :, 0], rtol=1e-6, atol=1e-9)

    classifier = GDMLPClassifier(**settings).fit(X, np.digitize(Y, [-1, 1]))
    explainer = shap.KernelExplainer(classifier.predict_proba, X)
    added = explainer.expected_value + explainer.shap_values(SOME, silent=True).sum(axis=1)
    np.testing.assert_allclose(added, classifier.predict_proba(SOME), rtol=1e-6, atol=1e-12)
