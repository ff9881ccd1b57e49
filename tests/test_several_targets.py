"""Least squares of several targets by one look at the rows, against scikit-learn's and NumPy's exact solvers."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from skgd import GDLinearRegressor
from skgd._problem import sample as samples
from skgd._problem.describe import unscaled
from skgd._problem.features import ALL_ROWS
from skgd._problem.model import LinearModel
from skgd._problem.objective import Objective
from skgd._problem.rows import Rows
from skgd._problem.sample import Sample
from skgd._problem.squares import SquaresByMoments
from skgd._solvers.hessians import Blocks, Factor
from skgd.linear_model import GDLogisticClassifier, regularization_path
from skgd.losses import Loss, SquaredError

RNG = np.random.default_rng(0)


def data(n, d, K):
    X = RNG.standard_normal((n, d))
    return X, X @ RNG.standard_normal((d, K)) + RNG.standard_normal((n, K))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(300, 12, 20), (90, 40, 2), (450, 310, 3), (10_400, 310, 4)])
def test_rows_are_looked_at_once(shape, dtype, intercept, weighted, monkeypatch):
    X, y = data(*shape)
    X, weight = X.astype(dtype), RNG.uniform(0.1, 3, len(X)) if weighted else np.ones(len(X))
    for each, name in ((Objective, "sums"), (Sample, "objective"), (Sample, "loss_and_gradient")):
        monkeypatch.setattr(each, name, None)  # no pass over them
    given = {"alpha": 0.1, "fit_intercept": intercept}
    model = GDLinearRegressor(standardize=False, **given).fit(X, y, sample_weight=weight if weighted else None)
    peer = Ridge(alpha=0.1 * weight.sum(), fit_intercept=intercept, solver="cholesky")
    peer.fit(X.astype(float), y, sample_weight=weight)
    assert model.converged_
    atol = 1e-9 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=atol)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=atol)


class Squares(Loss):
    """Twice what squared error is."""

    curvature = 2.0
    target_power = 2
    quadratic = True

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                residual = raw[i, k] - y[i, k]
                derivative[i, k] = 2 * weight[i] * residual
                total += weight[i] * residual * residual
        return total


@pytest.mark.parametrize(("n", "K"), [(300, 3), (12_000, 1)])
def test_quadratic_losses_of_another_scale_are_what_they_say(n, K):
    X, y = data(n, 4, K)
    y = y if K > 1 else y[:, 0]
    expected = Ridge(alpha=n / 2).fit(X, y).coef_
    model = GDLinearRegressor(loss=Squares(), alpha=1.0, standardize=False).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected, atol=1e-6)
    path = regularization_path(GDLinearRegressor(loss=Squares(), standardize=False), X, y, alphas=[1.0])
    np.testing.assert_allclose(path.coefs[0], expected, atol=1e-6)


@pytest.mark.parametrize("K", [1, 3])
def test_they_are_in_sparse_rows_of_more_columns_too(K):
    rng = np.random.default_rng(0)
    X = sparse.random_array((60, 400), density=0.1, rng=rng, format="csr", data_sampler=rng.normal)
    Y = X @ rng.normal(size=(400, K)) + rng.normal(size=(60, K))
    Y = Y if K > 1 else Y[:, 0]
    model = GDLinearRegressor(loss=Squares(), alpha=0.2, standardize=False).fit(X, Y)
    np.testing.assert_allclose(model.coef_, Ridge(alpha=0.1 * 60).fit(X.toarray(), Y).coef_, atol=1e-5)


def test_the_constant_model_is_measured_by_all_rows(monkeypatch):
    X, y = data(5_000, 3, 2)
    y[::7] += 5.0
    seen = []
    monkeypatch.setattr("skgd._solvers.line_search.gain_of", lambda search, training: seen.append(training) or 1.0)
    GDLinearRegressor().fit(X, y)  # of standardised targets it is half their number
    assert seen[0].progress["reference"][0] == pytest.approx(1.0, rel=1e-12)


def test_targets_are_checked_as_they_are(monkeypatch):
    X, y = data(50, 3, 2)
    expected = GDLinearRegressor().fit(X, y.tolist()).coef_
    with monkeypatch.context() as patch:
        patch.setattr("skgd._validation._validated", None)  # scikit-learn's checks take longer than the fit
        np.testing.assert_array_equal(GDLinearRegressor().fit(X, y).coef_, expected)
    with pytest.raises(ValueError, match="dim 3"):
        GDLinearRegressor().fit(X, y[:, :, None])
    y[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        GDLinearRegressor().fit(X, y)


def test_outputs_that_share_a_matrix_are_solved_together(monkeypatch):
    root, gradient = RNG.standard_normal((9, 5)), RNG.standard_normal((3, 5))
    model = Blocks([Factor(root.T @ root, np.full(5, 0.1))] * 3)
    calls, solve = [], Factor.solve
    monkeypatch.setattr(Factor, "solve", lambda factor, vector: calls.append(0) or solve(factor, vector))
    matrix = root.T @ root + 0.1 * np.eye(5)
    np.testing.assert_allclose(model.solve(gradient.ravel()).reshape(3, 5), np.linalg.solve(matrix, gradient.T).T)
    assert len(calls) == 1


def test_where_fits_begin_one_matrix_is_that_of_all_classes(monkeypatch):
    X, y = load_iris(return_X_y=True)
    X = X @ RNG.standard_normal((4, 80))  # too wide for one matrix of all parameters
    calls, gram = [], samples.gram
    monkeypatch.setattr(samples, "gram", lambda Z, weight: calls.append(0) or gram(Z, weight))
    with pytest.warns(ConvergenceWarning):
        GDLogisticClassifier(alpha=0.1, max_iter=1).fit(X, y)
    assert len(calls) == 1


@pytest.mark.each("noise", [0.1, 1e-3, 1e-5])
def test_many_columns_leave_squared_error_its_digits(noise):
    d, signal = 200, RNG.standard_normal(200)
    X = RNG.standard_normal((500, d))
    y = X @ signal + noise * RNG.standard_normal(500)
    data = unscaled(X, y[:, None], np.empty(0), ALL_ROWS)
    rows, model = Rows(data, 1), LinearModel(d, 1, True, True)
    of_rows = rows.objective(model, SquaredError(), np.empty(0), np.zeros(d + 1))
    found = SquaresByMoments(rows.second_moments(True, 1), 1, of_rows).loss_alone(np.append(signal, 0.0))
    exact = 0.5 * np.mean((X.astype(np.longdouble) @ signal - y) ** 2)
    assert found == pytest.approx(float(exact), rel=1e-11)
