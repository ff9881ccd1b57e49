"""Many classes that depend on each other: their curvature by products, of the rows that have it."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression

from skgd import GDLogisticClassifier
from skgd._kernels.structures import FLOAT64
from skgd._problem.describe import unscaled
from skgd._problem.model import LinearModel
from skgd._problem.objective import pointwise
from skgd._problem.sample import Sample
from skgd._solvers.coupled import coupled_outputs, representative
from skgd.losses import LogLoss

K = 6


def nearly_separable(n_rows, n_columns, noise=0.1):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns))
    raw = X @ rng.standard_normal((n_columns, K)) + noise * rng.gumbel(size=(n_rows, K))
    return X, raw.argmax(axis=1)


def hessian(Z, weight, params):
    """Sum of w_i (diag(p_i) - p_i p_i') kron z_i z_i' over the sum of weights, as textbooks have it."""
    share = softmax(Z @ params.reshape(K, -1).T, axis=1)
    total = np.zeros((params.size,) * 2)
    for z, w, p in zip(Z, weight / weight.sum(), share, strict=True):
        total += w * np.kron(np.diag(p) - np.outer(p, p), np.outer(z, z))
    return total


@pytest.fixture
def some():
    """A sample of weighted rows with parameters, and the Hessian there."""
    X, y = nearly_separable(360, 5)
    rng = np.random.default_rng(1)
    weight, params = rng.uniform(0.5, 2.0, len(X)), rng.standard_normal(6 * K)
    data = unscaled(X, y[:, None].astype(float), weight, np.empty(0, np.int64))
    loss = LogLoss()
    sample = Sample(data, slice(0, len(X)), LinearModel(5, K, True, True), loss, pointwise(loss, FLOAT64))
    return sample, params, hessian(np.column_stack([X, np.ones(len(X))]), weight, params)


def test_products_are_those_of_the_whole_matrix(some):
    sample, params, expected = some
    products = sample.coupled_products(sample.shares(params), sample.weight.sum())
    found = np.array([products(column) for column in np.eye(params.size)])
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("entries", [2**17, 100 * 6 * K])  # in one go, and in parts whose last one is smaller
def test_the_matrix_of_all_outputs_is_the_textbooks(some, entries, monkeypatch):
    sample, params, expected = some
    monkeypatch.setattr("skgd._problem.sample.COUPLED_ENTRIES", entries)
    found = sample.coupled_hessian(params, np.empty(0)) / sample.weight.sum()
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_samples_are_settled_on_by_all_parameters_that_are_coupled(monkeypatch):
    X, y = nearly_separable(12_000, 49)
    seen = []

    def descend(search, training, tol, most_steps):
        seen.append((search.curvature.some.size, tol))
        return search.params

    monkeypatch.setattr("skgd._solvers.line_search.descend", descend)
    GDLogisticClassifier(alpha=1e-4).fit(X, y)
    assert seen == [(5 * 50 * K, pytest.approx(0.03 / 5))]


@pytest.mark.parametrize("ridge", [1e-1, 1e-3])
def test_steps_are_those_of_newton(some, ridge, monkeypatch):
    sample, params, expected = some
    monkeypatch.setattr("skgd._solvers.by_products.PRECISION", 1e-9)
    monkeypatch.setattr("skgd._solvers.by_products.MOST_PRODUCTS", 500)
    gradient = np.random.default_rng(2).standard_normal(params.size)
    model = coupled_outputs(sample, params, np.full(params.size, 10 * ridge)).penalised(np.full(params.size, ridge))
    step = np.linalg.solve(expected + ridge * np.eye(params.size), gradient)
    np.testing.assert_allclose(model.solve(gradient), step, rtol=1e-6, atol=1e-6 * np.abs(step).max())


def test_rough_steps_are_near_newtons_in_the_norm_of_the_curvature(some):
    sample, params, expected = some
    expected = expected + 1e-3 * np.eye(params.size)
    gradient = np.random.default_rng(2).standard_normal(params.size)
    exact = np.linalg.solve(expected, gradient)
    error = coupled_outputs(sample, params, np.full(params.size, 1e-3)).solve(gradient) - exact
    assert error @ expected @ error <= 0.05 * (exact @ expected @ exact)


def test_few_rows_have_the_curvature_of_all_where_most_are_certain_of_their_class():
    X, y = nearly_separable(4000, 5)
    fitted = LogisticRegression(C=1.0).fit(X, y)
    params = 10.0 * np.column_stack([fitted.coef_, fitted.intercept_]).ravel()
    loss, weight = LogLoss(), np.random.default_rng(3).uniform(0.5, 2.0, len(X))
    data = unscaled(X, y[:, None].astype(float), weight, np.empty(0, np.int64))
    sample = Sample(data, slice(0, len(X)), LinearModel(5, K, True, True), loss, pointwise(loss, FLOAT64))
    few, share = representative(sample, sample.shares(params), 400)
    assert 300 <= len(few.Z) <= 400
    np.testing.assert_allclose(share, few.shares(params), rtol=1e-9)
    expected = hessian(sample.Z, weight, params)
    products = few.coupled_products(share, weight.sum())
    found = np.array([products(column) for column in np.eye(params.size)])
    assert np.linalg.norm(found - expected) <= 0.05 * np.linalg.norm(expected)  # a tenth of the rows by chance: 0.3


def test_rows_are_drawn_as_their_size_says(some):
    sample, *_ = some
    size = np.repeat([0.0, 1.0, 3.0, 1000.0], 90)
    drawn, part = sample.drawn(size, 162)
    # of 162 rows 90 are taken surely, and 72 by chances of one to three
    np.testing.assert_array_equal(np.bincount(drawn // 90, minlength=4), [0, 18, 54, 90])
    rise = part.weight / sample.weight[drawn]
    np.testing.assert_allclose(rise, np.repeat([5.0, 5 / 3, 1.0], [18, 54, 90]), rtol=2e-3)
    np.testing.assert_array_equal(part.Z, sample.Z[drawn])


@pytest.mark.parametrize("alpha", [1e-4, 1e-7])
def test_nearly_separable_classes_take_few_steps(alpha):
    X, y = nearly_separable(24_000, 40)
    model = GDLogisticClassifier(alpha=alpha, standardize=False).fit(X, y)
    peer = LogisticRegression(C=1 / (alpha * len(X)), tol=1e-6, max_iter=1000).fit(X, y)

    def objective(fitted):
        raw = X @ fitted.coef_.T + fitted.intercept_
        loss = (logsumexp(raw, axis=1) - raw[np.arange(len(X)), y]).mean()
        return loss + alpha / 2 * (fitted.coef_**2).sum()

    assert model.stop_reason_ == "converged"
    assert objective(model) <= objective(peer) + 1e-9
    assert model.n_iter_ <= 14  # 19 by a matrix for each class alone
