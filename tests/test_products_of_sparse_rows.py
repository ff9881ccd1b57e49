"""Newton's steps on CSR by products with its entries, in place of a matrix."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize

from skgd import GDLinearRegressor, GDLogisticClassifier
from skgd._auto import curvature
from skgd._solvers import by_products

N, P, ALPHA = 400, 130, 1e-2
LOSSES = {  # of raw predictions, and its derivative by them
    "log_loss": (lambda raw, y: np.logaddexp(0, raw) - y * raw, lambda raw, y: 1 / (1 + np.exp(-raw)) - y),
    "poisson": (lambda raw, y: np.exp(raw) - y * raw, lambda raw, y: np.exp(raw) - y),
    "gamma": (lambda raw, y: y * np.exp(-raw) + raw, lambda raw, y: 1 - y * np.exp(-raw)),
}


def data(name, center=0.0):
    random = np.random.default_rng(0)
    X = sparse.random(N, P, density=0.05, random_state=random, format="csr", data_rvs=random.standard_normal)
    X = sparse.csr_array(np.hstack([X.toarray()[:, 1:], center + random.random((N, 1))]))
    raw = X[:, [0, 1, 2]] @ np.array([1.0, -1.0, 0.5]) + 0.3
    if name == "log_loss":
        return X, (random.random(N) < 1 / (1 + np.exp(-raw))).astype(int)
    return X, random.poisson(np.exp(raw)) + (0.5 if name == "gamma" else 0.0)


def optimum(name, X, y, alpha):
    loss, slope = LOSSES[name]

    def objective(params):
        raw = X @ params[:-1] + params[-1]
        slopes = slope(raw, y) / N
        gradient = np.append(X.T @ slopes + alpha * params[:-1], slopes.sum())
        return loss(raw, y).mean() + 0.5 * alpha * params[:-1] @ params[:-1], gradient

    tight = {"maxiter": 10_000, "maxfun": 20_000, "gtol": 1e-10, "ftol": 1e-16, "maxcor": 50}
    return minimize(objective, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B", options=tight).x


def model(name, **parameters):
    parameters = {"alpha": ALPHA, "standardize": False} | parameters
    return GDLogisticClassifier(**parameters) if name == "log_loss" else GDLinearRegressor(loss=name, **parameters)


@pytest.fixture
def made(monkeypatch):
    """Hessians by products that are made."""
    found, make = [], by_products.SparseHessian.at

    def at(self, *arguments):
        found.append(make(self, *arguments))
        return found[-1]

    monkeypatch.setattr(by_products.SparseHessian, "at", at)
    monkeypatch.setattr(curvature, "LEAST_MATRIX_WORK", 0)
    return found


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("center", [0.0, 5.0])
def test_they_lead_to_the_optimum(made, name, center):
    X, y = data(name, center)
    fitted = model(name).fit(X, y)
    found = np.append(fitted.coef_.ravel(), fitted.intercept_)
    np.testing.assert_allclose(found, optimum(name, X, y, ALPHA), atol=2e-6)
    assert made
    assert fitted.converged_


def test_the_hessian_is_that_of_the_dense_rows(made):
    X, y = data("log_loss", 5.0)
    model("log_loss").fit(X, y)
    hessian = made[0]
    # at zero each row has a quarter of its square; a column that is far from zero is centred
    vector = np.random.default_rng(1).standard_normal(P + 1)
    Z = np.hstack([X.toarray(), np.ones((N, 1))])
    Z[:, P - 1] -= Z[:, P - 1].mean()
    np.testing.assert_allclose(hessian.products(vector), Z.T @ (Z @ vector) / (4 * N), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(hessian.preconditioner.curvature, (Z**2).mean(axis=0) / 4, rtol=1e-9)


def test_where_they_fall_short_a_matrix_does(made, monkeypatch):
    monkeypatch.setattr(by_products, "MOST_PRODUCTS", 1)
    X, y = data("poisson")
    fitted = model("poisson").fit(X, y)
    assert any(hessian.falls_short for hessian in made)
    found = np.append(fitted.coef_.ravel(), fitted.intercept_)
    np.testing.assert_allclose(found, optimum("poisson", X, y, ALPHA), atol=2e-6)
    assert fitted.converged_


def test_small_data_have_a_matrix_at_once(made, monkeypatch):
    monkeypatch.setattr(curvature, "LEAST_MATRIX_WORK", N * (P + 1) ** 2 + 1)
    assert model("poisson").fit(*data("poisson")).converged_
    assert not made


def test_filled_rows_have_a_matrix_at_once(made):
    X, y = data("log_loss")
    assert model("log_loss").fit(sparse.csr_array(X.toarray() + 1.0), y).converged_
    assert not made
