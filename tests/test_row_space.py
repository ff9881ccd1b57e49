"""Ridge regression on fewer rows of CSR than columns: against normal equations, scikit-learn's Ridge and bounds."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from skgd import GDLinearRegressor
from skgd._auto.linear import decide
from skgd._compile.kernels import kernel
from skgd._fit import problem_of
from skgd._kernels.structures import FLOAT64
from skgd._problem.combinations import Combinations
from skgd._solvers import row_space
from skgd._solvers.driver import Driver
from skgd._solvers.row_space import RowSearch, RowSpace
from skgd._solvers.training import begin
from skgd.linear_model import regularization_path

N, D = 150, 1300
RNG = np.random.default_rng(0)
X = sparse.random_array((N, D), density=0.03, rng=RNG, format="csr", data_sampler=lambda size: RNG.uniform(1, 2, size))
Y = X @ RNG.standard_normal(D) + 5 + RNG.standard_normal(N)
ALPHA = 1e-2


def solution(X, y, alpha, weight=None, centred=True):
    """Coefficients and intercept by the dual's normal equations."""
    s = np.full(len(y), 1 / len(y)) if weight is None else weight / weight.sum()
    Z = X.toarray().astype(float)
    mean, of_y = (s @ Z, s @ y) if centred else (np.zeros(Z.shape[1]), 0.0)
    Z = Z - mean
    coef = Z.T @ np.linalg.solve(Z @ Z.T + alpha * np.diag(1 / s), y - of_y)
    return coef, of_y - mean @ coef


def solvers_of(monkeypatch):
    made = []
    init = RowSpace.__init__
    monkeypatch.setattr(RowSpace, "__init__", lambda self, *of: (made.append(self), init(self, *of))[1])
    return made


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_optimum(monkeypatch, dtype, fit_intercept, weighted):
    made, given = solvers_of(monkeypatch), X.astype(dtype)
    weight = RNG.uniform(0.5, 2, N) if weighted else None
    if weighted:
        weight[::7] = 0.0  # as if these rows weren't there
    model = GDLinearRegressor(alpha=ALPHA, standardize=False, fit_intercept=fit_intercept, tol=1e-20)
    model.fit(given, Y, sample_weight=weight)
    used = slice(None) if weight is None else weight > 0
    of_used = None if weight is None else weight[used]
    coef, intercept = solution(given[used], Y[used], ALPHA, of_used, fit_intercept)
    assert made
    assert model.converged_
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6 if dtype == np.float32 else 1e-7)
    np.testing.assert_allclose(model.intercept_, [intercept], atol=1e-5 if dtype == np.float32 else 1e-6)
    assert model.n_iter_ < 40


def test_several_targets_and_scaled_columns(monkeypatch):
    made, scaled = solvers_of(monkeypatch), X * np.logspace(-1, 1, D)
    targets = np.column_stack([Y, 100 * RNG.standard_normal(N), np.full(N, 3.0)])
    model = GDLinearRegressor(alpha=ALPHA, standardize="max_abs", tol=1e-20).fit(scaled, targets)
    scale = np.maximum(abs(scaled).max(axis=0).toarray().ravel(), 1e-300)
    expected = [solution(sparse.csr_array(scaled / scale), y, ALPHA) for y in targets.T]
    assert made
    np.testing.assert_allclose(model.coef_, [coef / scale for coef, _ in expected], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.intercept_, [intercept for _, intercept in expected], rtol=1e-6)


def test_each_step_takes_the_rows_twice_and_ends_at_the_gap_that_was_asked_for(monkeypatch):
    calls = {"of": 0, "products": 0}
    for name in calls:
        method = getattr(Combinations, name)
        monkeypatch.setattr(
            Combinations, name, lambda *of, name=name, m=method: (calls.update({name: calls[name] + 1}), m(*of))[1]
        )
    model = GDLinearRegressor(alpha=ALPHA, standardize=False).fit(X, Y)
    assert calls["of"] <= model.n_iter_ + 3  # and once for the parameters, once for the true gradient
    assert calls["products"] <= model.n_iter_ + 2

    def objective(coef, intercept):
        return 0.5 * np.mean((Y - X @ coef - intercept) ** 2) + 0.5 * ALPHA * np.sum(coef**2)

    oracle = Ridge(ALPHA * N, solver="cholesky").fit(X.toarray(), Y)
    gap = objective(model.coef_, model.intercept_[0]) - objective(oracle.coef_, oracle.intercept_)
    assert -1e-14 <= gap <= 1e-9 * np.var(Y) / 2
    gradient = (X.T @ (X @ model.coef_ + model.intercept_[0] - Y)) / N + ALPHA * model.coef_
    scale = model._training.scaling.target_scale[0]
    np.testing.assert_allclose(model.gradient_norm_, np.abs(gradient).max() / scale, rtol=1e-4)


@pytest.mark.parametrize("ridge", [1e-4, 1e-1, 10.0])
def test_bounds_are_above_what_is_left_to_gain_and_near_it(ridge):
    problem = problem_of(GDLinearRegressor(standardize=False), X, Y)
    combinations = Combinations(problem.rows, True)
    search = RowSearch(combinations, combinations.centre(problem.rows.targets.T)[0])
    search.begin(np.array([ridge]))
    Z = X.toarray() - X.mean(axis=0)
    y = search.targets[0]
    least = 0.5 * ridge * y @ np.linalg.solve(Z @ Z.T + N * ridge * np.eye(N), y)
    for _ in range(6):
        bound, left = search.look(), search.objective - least
        assert left <= bound * (1 + 1e-9) + 1e-15
        assert left <= search.duality_gaps.sum() * (1 + 1e-9) + 1e-15
        assert bound <= 2 * left + 1e-15 or ridge == 0.1  # that curves as much as the loss does
        search.move()


def test_under_another_ridge_the_first_step_is_steepest_descent():
    problem = problem_of(GDLinearRegressor(standardize=False), X, Y)
    combinations = Combinations(problem.rows, True)
    search = RowSearch(combinations, combinations.centre(problem.rows.targets.T)[0])
    Z, y = X.toarray() - X.mean(axis=0), search.targets[0]
    for ridge in (1e-2, 1e-1):
        search.begin(np.array([ridge]))
        before = Z.T @ search.factors[0]
        gradient = Z.T @ (Z @ before - y) / N + ridge * before
        search.look()
        search.move()
        step = -gradient * (gradient @ gradient) / (np.mean((Z @ gradient) ** 2) + ridge * gradient @ gradient)
        np.testing.assert_allclose(Z.T @ search.factors[0] - before, step, atol=1e-9 * np.abs(step).max())
        np.testing.assert_allclose(search.longest_step, np.abs(step).max())
        search.look()
        search.move()


def test_digits_that_residuals_have_lost_are_none_of_the_certificate(monkeypatch):
    move = RowSearch.move

    def lose(search):
        move(search)
        search.residuals[0, 0] += 1e-3 * (search.n_steps == 5)

    monkeypatch.setattr(RowSearch, "move", lose)
    model = GDLinearRegressor(alpha=ALPHA, standardize=False, criterion="gradient", tol=1e-8).fit(X, Y)
    assert model.converged_
    gradient = X.T @ (X @ model.coef_ + model.intercept_ - Y) / N + ALPHA * model.coef_
    assert np.abs(gradient).max() <= 1e-8 * np.std(Y)


@pytest.mark.parametrize("criterion", ["gradient", "step"])
def test_other_criteria(criterion):
    model = GDLinearRegressor(alpha=ALPHA, standardize=False, criterion=criterion, tol=1e-7).fit(X, Y)
    coef, _ = solution(X, Y, ALPHA)
    assert model.converged_
    np.testing.assert_allclose(model.coef_, coef, atol=1e-5)
    if criterion == "gradient":
        assert model.gradient_norm_ <= 1e-7


def test_where_it_takes_long_line_searches_go_on(monkeypatch):
    monkeypatch.setattr(row_space, "PATIENCE", 4)
    made = solvers_of(monkeypatch)
    model = GDLinearRegressor(alpha=1e-4, standardize=False, max_iter=3000).fit(X, Y)
    assert made[0].line_search is not None
    assert model.converged_
    coef, _ = solution(X, Y, 1e-4)
    np.testing.assert_allclose(model.predict(X), X @ coef + np.mean(Y - X @ coef), atol=1e-3)


@pytest.mark.parametrize("patience", [100, 4])
def test_a_fit_cut_short_ends_with_the_same_bits(monkeypatch, patience):
    monkeypatch.setattr(row_space, "PATIENCE", patience)
    model = GDLinearRegressor(alpha=1e-4, standardize=False, max_iter=60)
    problem = problem_of(model, X, Y)

    def driver(watched):
        plan = decide(model._parameters(X), problem, None)
        return Driver(begin(problem, plan, np.random.RandomState(0))[0], plan, problem, watched)

    whole = driver(watched=False).train()
    for n_epochs in 3, 8:
        first, second = driver(watched=True), driver(watched=False)
        for training in first.run():
            if training.epochs == n_epochs:
                break
        second.restore(first.state())
        training = second.train()
        assert training.params.tobytes() == whole.params.tobytes()
        assert training.losses.values.tobytes() == whole.losses.values.tobytes()


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    monkeypatch.setattr("skgd._parallel.PART_ENTRIES", 1)  # in several parts
    monkeypatch.setattr("skgd._parallel.ENTRIES_PER_PARAMETER", 1 / 400)
    models = [GDLinearRegressor(alpha=ALPHA, standardize=False, n_jobs=n).fit(X, Y) for n in (1, 3)]
    assert models[0].coef_.tobytes() == models[1].coef_.tobytes()
    coef, _ = solution(X, Y, ALPHA)
    np.testing.assert_allclose(models[0].coef_, coef, atol=1e-4)


def test_a_path():
    alphas = np.logspace(0, -3, 7)
    path = regularization_path(GDLinearRegressor(penalty="l2", standardize=False), X, Y, alphas=alphas)
    for alpha, coef, intercept in zip(path.alphas, path.coefs, path.intercepts, strict=True):
        expected, constant = solution(X, Y, alpha)
        np.testing.assert_allclose(coef, expected, atol=1e-3 * np.abs(expected).max())
        np.testing.assert_allclose(intercept, constant, rtol=1e-3)


def test_a_search_without_data_to_fit_ends_at_once():
    model = GDLinearRegressor(alpha=ALPHA, standardize=False).fit(X, np.full(N, 2.0))
    assert model.converged_
    np.testing.assert_allclose(model.intercept_, [2.0])
    assert not model.coef_.any()


def test_rows_held_out_end_it_and_take_no_part(monkeypatch):
    made = solvers_of(monkeypatch)
    settings = {"alpha": 1e-6, "standardize": False, "early_stopping": True, "random_state": 0}
    model = GDLinearRegressor(**settings).fit(X, Y)
    used = made[0].problem.rows.data.subset.astype(int)
    coef, intercept = solution(X[used], Y[used], 1e-6)
    held_out = np.setdiff1d(np.arange(N), used)

    def loss(coef, intercept):
        return 0.5 * np.mean((Y - X @ coef - intercept)[held_out] ** 2)

    assert model.stop_reason_ == "early_stopping"
    np.testing.assert_allclose(loss(model.coef_, model.intercept_), min(model.validation_curve_))
    assert loss(model.coef_, model.intercept_) <= loss(coef, intercept) * 1.001


def test_steps_have_the_slope_curvature_and_gap_of_formulas():
    rng = np.random.default_rng(3)
    n, ridge, ratio, length = 37, 0.3, 0.7, 0.9
    shares, slopes, products, factors, of_rows, a, r, y = rng.standard_normal((8, n))
    shares = abs(shares)
    shares[5] = 0.0
    d, q, sums = factors.copy(), of_rows.copy(), np.empty(3)
    kernel("conjugate_direction", FLOAT64)(ratio, shares, ridge, slopes, products, d, q, sums)
    np.testing.assert_allclose([d, q], [ratio * factors - slopes, ratio * of_rows - products])
    np.testing.assert_allclose(sums[:2], [slopes @ q, (shares * q + ridge * d) @ q])
    at, residuals, gradient = a.copy(), r.copy(), np.empty(n)
    kernel("conjugate_step", FLOAT64)(length, shares, ridge, y, d, q, at, residuals, gradient, sums)
    np.testing.assert_allclose([at, residuals], [a + length * d, r + length * q])
    np.testing.assert_allclose(gradient, shares * residuals + ridge * at)
    gap = gradient[shares > 0] ** 2 / shares[shares > 0]
    np.testing.assert_allclose(sums, [shares @ residuals**2, ridge * at @ (residuals + y), gap.sum()])


def test_a_line_search_keeps_no_vectors_of_rules():
    model = GDLinearRegressor(alpha=ALPHA, standardize=False).fit(X, Y)
    assert model._training.state.slots.size == 0
    model.partial_fit(X, Y)  # by a rule
    assert np.isfinite(model.coef_).all()
    rule = GDLinearRegressor(alpha=ALPHA, optimizer="lbfgs", batch_size=10, warm_start=True)
    rule.partial_fit(X, Y)
    assert len(rule._training.state.slots) == rule._training.optimizer.n_slots or not rule._training.state.slots.size
