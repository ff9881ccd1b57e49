"""Losses made of straight pieces on many rows under an L2 penalty, against support vector machines and programs."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, SVR

from skgd import GDLinearClassifier, GDLinearRegressor
from skgd._auto import curvature
from skgd._compile.kernels import kernel
from skgd._kernels.structures import FLOAT64
from skgd._solvers import multipliers
from skgd._solvers.multipliers import RoundedProgram
from skgd._solvers.weighted_rows import Systems
from skgd.linear_model import regularization_path
from skgd.losses import EpsilonInsensitive, Quantile

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 3))
TARGET = X[:, 0] - 0.5 * X[:, 1] + 0.5 * RANDOM.standard_t(3, size=400)
POSITIVE = X[:, 0] + 0.7 * RANDOM.normal(size=400) > 0
WEIGHT = RANDOM.integers(0, 4, 400).astype(float)
WIDE = RANDOM.normal(size=(30, 50)) * (RANDOM.random((30, 50)) < 0.2)


@pytest.fixture
def stepped(monkeypatch):
    """Programs that were stepped, each time."""
    monkeypatch.setattr(curvature, "FEW_ROWS_BY_KINKS", 0)
    programs, step = [], RoundedProgram.step
    monkeypatch.setattr(RoundedProgram, "step", lambda self: (programs.append(self), step(self))[1])
    return programs


def of_machine(rows, losses, alpha, weight=None):
    """The objective of a linear model with this penalty."""
    return lambda coef, b: np.average(losses(rows @ coef + b), weights=weight) + 0.5 * alpha * coef @ coef


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("alpha", [0.3, 1e-4])
def test_hinge_ends_at_the_optimum_of_support_vector_machines(store, weight, alpha, stepped):
    model = GDLinearClassifier("hinge", alpha=alpha, standardize=False).fit(store(X), POSITIVE, sample_weight=weight)
    n = len(X) if weight is None else weight.sum()
    exact = SVC(kernel="linear", C=1 / (alpha * n), tol=1e-9).fit(X, POSITIVE, sample_weight=weight)
    signs = np.where(POSITIVE, 1.0, -1.0)
    value = of_machine(X, lambda raw: np.maximum(1 - signs * raw, 0), alpha, weight)
    found, peers = value(model.coef_[0], model.intercept_[0]), value(exact.coef_[0], exact.intercept_[0])
    assert stepped
    assert model.stop_reason_ == "converged"
    assert found <= peers + 1e-9
    np.testing.assert_allclose(found, peers, atol=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 0.4])
@pytest.mark.parametrize("alpha", [0.3, 1e-3])
def test_absolute_errors_end_at_the_optimum_of_support_vector_regression(epsilon, alpha, stepped):
    loss = EpsilonInsensitive(epsilon) if epsilon else "absolute_error"
    model = GDLinearRegressor(loss, alpha=alpha, standardize=False).fit(X, TARGET)
    exact = SVR(kernel="linear", C=1 / (alpha * len(X)), epsilon=epsilon, tol=1e-9).fit(X, TARGET)
    value = of_machine(X, lambda raw: np.maximum(np.abs(raw - TARGET) - epsilon, 0), alpha)
    found, peers = value(model.coef_, np.ravel(model.intercept_)[0]), value(exact.coef_[0], exact.intercept_[0])
    assert stepped
    assert model.stop_reason_ == "converged"
    assert found <= peers + 1e-9
    np.testing.assert_allclose(found, peers, atol=1e-6)


def test_quantiles_under_next_to_no_penalty_end_at_the_optimum_of_linear_programs(stepped):
    model = GDLinearRegressor(Quantile([0.2, 0.9]), alpha=1e-8).fit(X, TARGET)
    assert model.stop_reason_ == "converged"
    assert len({id(each) for each in stepped}) == 2
    n, rows = len(X), np.c_[X, np.ones(len(X))]
    for q, coef, b in zip((0.2, 0.9), model.coef_, model.intercept_, strict=True):
        costs = np.r_[np.zeros(4), np.full(n, (1 - q) / n), np.full(n, q / n)]
        bounds = [(None, None)] * 4 + [(0, None)] * 2 * n
        exact = linprog(costs, A_eq=np.c_[rows, -np.eye(n), np.eye(n)], b_eq=TARGET, bounds=bounds)
        off = X @ coef + b - TARGET
        np.testing.assert_allclose(np.maximum((1 - q) * off, -q * off).mean(), exact.fun, atol=1e-7)


@pytest.mark.parametrize("widest", [0, 1000])  # columns, or rows, of matrices: else steps are found by products
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
def test_steps_by_products_come_to_the_same_optimum(widest, store, stepped, monkeypatch):
    for name in "WIDEST_MATRIX", "WIDEST_SPARSE_MATRIX":
        monkeypatch.setattr(multipliers, name, widest)
    monkeypatch.setattr(curvature, "MATRIX_COLUMNS_BY_KINKS", 0)
    positive = WIDE[:, :9].sum(axis=1) + 0.3 * np.random.default_rng(1).normal(size=30) > 0
    model = GDLinearClassifier("hinge", alpha=0.03, standardize=False).fit(store(WIDE), positive)
    exact = SVC(kernel="linear", C=1 / (30 * 0.03), tol=1e-9).fit(WIDE, positive)
    assert stepped
    assert model.stop_reason_ == "converged"
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-4)


def hinge_program(rows, positive, alpha):
    signs = np.where(positive, 1.0, -1.0)
    pieces = -np.maximum(signs, 0) / len(signs), np.maximum(-signs, 0) / len(signs), signs
    p = rows.shape[1] + 1
    ridge = np.append(np.full(p - 1, alpha), 0.0)
    Z = np.c_[rows, np.ones(len(rows))]
    return RoundedProgram(Systems(Z), *(each[None] for each in pieces), np.zeros(p), ridge, np.zeros(p))


def test_what_slopes_prove_is_never_more_than_the_least():
    program, signs = hinge_program(X, POSITIVE, 0.01), np.where(POSITIVE, 1.0, -1.0)
    exact = SVC(kernel="linear", C=1 / (0.01 * len(X)), tol=1e-10).fit(X, POSITIVE)
    value = of_machine(X, lambda raw: np.maximum(1 - signs * raw, 0), 0.01)
    least, proven, some = value(exact.coef_[0], exact.intercept_[0]), [], []
    for _ in range(100):
        program.step()
        proven.append(program.least[0])
        some.append(program.is_near.mean())
        np.testing.assert_allclose(program.value(program.w), value(program.w[:-1], program.w[-1]), rtol=1e-12)
        if program.value(program.w) - program.least[0] <= 1e-10:
            break
    assert max(proven) <= least + 1e-12
    assert proven[-1] >= least - 1e-6
    assert min(some) < 0.5  # rows that are far from the kinks are looked at in the end alone
    shares = -program.proof.sum(axis=0) * signs * len(X)
    assert ((shares >= 0) & (shares <= 1)).all()  # of the machine's multipliers


def test_programs_go_on_from_their_state_to_the_same_bits():
    one = hinge_program(X, POSITIVE, 0.01)
    for _ in range(12):
        one.step()
    other = hinge_program(X, POSITIVE, 0.01)
    other.restore(one.state())
    assert not one.is_near.all()
    for _ in range(12):
        one.step()
        other.step()
        np.testing.assert_array_equal(one.w, other.w)
        assert one.least == other.least


@pytest.mark.parametrize("fails", ["_newton", "_look"])
def test_where_no_step_leads_on_line_searches_do(fails, stepped, monkeypatch):
    monkeypatch.setattr(RoundedProgram, fails, lambda *_: False)
    monkeypatch.setattr(multipliers, "MOST_STEPS", 40)
    model = GDLinearClassifier("hinge", alpha=1e-2, standardize=False).fit(X, POSITIVE)
    exact = SVC(kernel="linear", C=1 / (1e-2 * len(X)), tol=1e-9).fit(X, POSITIVE)
    assert stepped
    assert model.converged_
    assert model.n_iter_ > 20
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-2)


def test_slopes_prove_nothing_more_however_far_the_intercept_is():
    """An intercept of 50 units was taken to be at most one away: that proved a least above the optimum."""
    random = np.random.default_rng(5)
    rows, n = random.normal(size=(300, 2)), 300
    at = 50 + rows @ [0.3, -0.2] + 0.1 * random.normal(size=n)
    Z, ridge = np.c_[rows, np.ones(n)], np.array([1e-3, 1e-3, 0.0])
    sides = -np.full((1, n), 0.5 / n), np.full((1, n), 0.5 / n), at[None]
    program, best, proven = RoundedProgram(Systems(Z), *sides, np.zeros(3), ridge, np.zeros(3)), np.inf, []
    for _ in range(200):
        program.step()
        best = min(best, 0.5 * np.abs(Z @ program.w - at).mean() + 0.5 * ridge @ program.w**2)
        proven.append(program.least[0])
    assert max(proven) <= best + 1e-12
    assert best - max(proven) < 1e-9


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e3, 1e9])
def test_lines_over_kinks_are_gone_along_whatever_their_scale(scale):
    random = np.random.default_rng(6)
    along, off, sides = scale * random.normal(size=80), random.normal(size=(1, 80)), np.ones((1, 80))
    curved = 1e-3 * scale**2
    near = multipliers.Near(slice(None), None, -sides, sides, 0 * sides, 0.2 * sides)

    def slope(length):
        return float(np.clip(0.2 * (off[0] + length * along), -1, 1) @ along) + length * curved

    if slope(0.0) > 0:
        along = -along
    first = slope(0.0)
    length = multipliers.length_of_step(near, off, along, first, 0.0, curved)
    assert length > 0
    assert abs(slope(length)) <= 0.1 * -first


def test_slopes_along_a_line():
    random = np.random.default_rng(2)
    low, high = -random.random(50), random.random(50)
    start, along, curved = random.normal(size=50), random.normal(size=50), random.random(50)
    sums = np.array([0.3, 0.2])
    kernel("slope_along", FLOAT64)(0.7, start, curved, low, high, along, sums)
    aims = start + 0.7 * curved * along
    inside = (aims > low) & (aims < high)
    expected = [0.3 + np.clip(aims, low, high) @ along, 0.2 + (curved * along**2)[inside].sum()]
    np.testing.assert_allclose(sums, expected, rtol=1e-12)


def test_an_intercept_that_may_be_anything_in_a_range_stays_there():
    """All rows lie on pieces at the optimum, and the slopes of an intercept are rounding: steps along it had no end."""
    random = np.random.default_rng(3)
    rows = sparse.random_array((1750, 8), density=0.3, rng=random, format="csr", data_sampler=random.normal)
    positive = rows @ random.normal(size=8) + random.standard_cauchy(1750)
    positive = positive > np.median(positive)
    model = GDLinearClassifier("hinge", alpha=1.0, standardize=False).fit(rows, positive)
    signs = np.where(positive, 1.0, -1.0)
    assert model.converged_
    assert model.n_iter_ < 50
    assert (signs * model.decision_function(rows) < 1).all()
    np.testing.assert_allclose(model.coef_[0], rows.T @ signs / 1750, atol=1e-5)  # as far as a gap of 1e-9 tells


def test_a_path_that_ends_without_a_penalty_ends_at_that_optimum(stepped):
    path = regularization_path(GDLinearRegressor("absolute_error"), X, TARGET, alphas=[1e-2, 0.0])
    n, costs = len(X), np.r_[np.zeros(4), np.full(2 * len(X), 1 / len(X))]
    rows = np.c_[X, np.ones(n), -np.eye(n), np.eye(n)]
    least = linprog(costs, A_eq=rows, b_eq=TARGET, bounds=[(None, None)] * 4 + [(0, None)] * 2 * n).fun
    found = np.abs(X @ path.coefs[-1] + path.intercepts[-1] - TARGET).mean()
    assert stepped
    assert least - 1e-12 < found < least + 1e-5
    assert not any(program.ridge[0] == 0 for program in stepped)


def test_the_last_loss_is_that_of_the_parameters(stepped):
    for max_iter in range(5, 12):
        with pytest.warns(ConvergenceWarning):
            model = GDLinearClassifier("hinge", alpha=1e-3, standardize=False, max_iter=max_iter).fit(X, POSITIVE)
        signs, coef = np.where(POSITIVE, 1.0, -1.0), model.coef_[0]
        value = np.maximum(1 - signs * model.decision_function(X), 0).mean() + 0.5e-3 * coef @ coef
        assert model.loss_curve_[-1] == pytest.approx(value, rel=1e-12)
    assert stepped


@pytest.mark.parametrize("criterion", ["objective", "gradient"])
def test_separable_classes_have_a_subgradient_that_says_so(criterion, stepped):
    rows = np.r_[X + 10, X - 10]
    model = GDLinearClassifier("hinge", alpha=1e-9, standardize=False, criterion=criterion, tol=1e-6)
    model.fit(rows, np.arange(800) < 400)
    assert stepped
    assert model.converged_
    assert model.gradient_norm_ < 1e-4


def test_what_is_proven_stays_while_epochs_go_on(stepped, monkeypatch):
    monkeypatch.setattr(multipliers, "MOST_STEPS", 100)
    settings = {"alpha": 1e-2, "standardize": False}
    proven = GDLinearClassifier("hinge", **settings).fit(X, POSITIVE)
    longer = GDLinearClassifier("hinge", tol=None, max_iter=150, **settings).fit(X, POSITIVE)
    assert stepped
    assert proven.n_iter_ < 100 < longer.n_iter_
    np.testing.assert_array_equal(longer.coef_, proven.coef_)


@pytest.mark.parametrize("side", [1, -1])
def test_slopes_are_changed_within_their_pieces(side):
    low, high = np.sort([np.full(40, -0.1 * side), np.full(40, 0.2 * side)], axis=0)[:, None]
    slopes = side * np.r_[np.full(10, -0.1), np.linspace(-0.095, 0.195, 30)][None]  # 0.5 in sum
    found = multipliers.adding_up_to_zero(slopes, low, high)
    assert abs(found.sum()) < 1e-14
    assert ((low <= found) & (found <= high)).all()
    np.testing.assert_array_equal(found[0, :10], slopes[0, :10])
    assert multipliers.adding_up_to_zero(np.where(slopes == slopes[0, 0], slopes, high), low, high) is None
