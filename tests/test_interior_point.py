"""Losses made of straight pieces under a penalty, against linear and quadratic programs."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog, minimize
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skgd import GDLinearClassifier, GDLinearRegressor
from skgd._auto import decide
from skgd._solvers import weighted_rows
from skgd._solvers.interior_point import Program
from skgd._solvers.preconditioned import PreconditionedSearch
from skgd._solvers.quasi_newton import QuasiNewton, gap_of
from skgd.linear_model import regularization_path
from skgd.losses import EpsilonInsensitive, Quantile
from skgd.optimizers import LBFGS

WINE, KIND = load_wine(return_X_y=True)
WINE = StandardScaler().fit_transform(WINE)
DIABETES, TARGET = load_diabetes(return_X_y=True)
DIABETES, TARGET = StandardScaler().fit_transform(DIABETES), TARGET / 100
WEIGHT = np.random.default_rng(0).uniform(0, 2, len(TARGET)).round()  # some are zero


def program(X, pieces, share, l1):
    """Least sum_i share_i sum_k max(low r_ik, high r_ik) + l1 |w|, r_ik = x_i w + b - at_ik, and the value at w, b."""
    low, high, at = (np.concatenate([np.broadcast_to(each[k], len(X)) for each in pieces]) for k in range(3))
    rows, share = np.vstack([X] * len(pieces)), np.tile(share, len(pieces))
    n, p = rows.shape
    costs = np.concatenate([np.full(2 * p, l1), [0.0], share * high, -share * low])
    equal = np.hstack([rows, -rows, np.ones((n, 1)), -np.eye(n), np.eye(n)])
    found = linprog(costs, A_eq=equal, b_eq=at, bounds=[(0, None)] * 2 * p + [(None, None)] + [(0, None)] * 2 * n)

    def value(w, b):
        residuals = rows @ w + b - at
        return share @ np.maximum(low * residuals, high * residuals) + l1 * np.abs(w).sum()

    return found.fun, value


def hinge(positive):
    return [(np.where(positive, -1.0, 0.0), np.where(positive, 0.0, 1.0), np.where(positive, 1.0, -1.0))]


CASES = {
    "hinge": (GDLinearClassifier("hinge"), WINE, KIND == 1, [hinge(KIND == 1)]),
    "three classes": (GDLinearClassifier("hinge"), WINE, KIND, [hinge(k == KIND) for k in range(3)]),
    "absolute": (GDLinearRegressor("absolute_error"), DIABETES, TARGET, [[(-1.0, 1.0, TARGET)]]),
    "quantiles": (
        GDLinearRegressor(Quantile([0.2, 0.9])),
        DIABETES,
        TARGET,
        [[(-q, 1 - q, TARGET)] for q in (0.2, 0.9)],
    ),
    "epsilon": (
        GDLinearRegressor(EpsilonInsensitive(0.3)),
        DIABETES,
        TARGET,
        [[(0.0, 1.0, TARGET + 0.3), (-1.0, 0.0, TARGET - 0.3)]],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ends_at_the_optimum_of_the_linear_program(case):
    model, X, y, pieces = CASES[case]
    model.set_params(penalty="l1", standardize=False)
    weight = WEIGHT if case == "absolute" else np.ones(len(y))
    rows = sparse.csr_array(X) if case == "epsilon" else X
    path = regularization_path(model, rows, y, weight, alphas=[1.0, 0.03, 1e-4])
    coefs = path.coefs.reshape(3, len(pieces), -1)
    assert path.converged.all()
    assert path.gradient_norms.max() < 1e-7
    assert path.n_iter.max() < 40
    for alpha, of_alpha, intercepts in zip(path.alphas, coefs, path.intercepts, strict=True):
        of_outputs = [program(X, each, weight / weight.sum(), alpha) for each in pieces]
        found = sum(value(*at) for (_, value), *at in zip(of_outputs, of_alpha, intercepts, strict=True))
        np.testing.assert_allclose(found, sum(least for least, _ in of_outputs), rtol=1e-8, atol=1e-8)
    assert not coefs[0].any()  # exactly
    assert not regularization_path(model, rows, y, n_alphas=2).coefs[0].any()
    fitted = model.set_params(alpha=1e-4).fit(rows, y, sample_weight=weight)
    assert fitted.stop_reason_ == "converged"
    np.testing.assert_allclose(fitted.coef_.reshape(coefs[2].shape), coefs[2], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ["absolute_error", "hinge"])
def test_more_columns_than_rows(loss, dtype):
    random = np.random.default_rng(1)
    X = random.normal(size=(40, 300)).astype(dtype)
    y = X[:, :5].sum(axis=1) + 0.5 * random.normal(size=40)
    if loss == "hinge":
        y = y > 0
        model, pieces = GDLinearClassifier("hinge"), hinge(y)
    else:
        y = y.astype(dtype)
        model, pieces = GDLinearRegressor(loss), [(-1.0, 1.0, y.astype(float))]
    model.set_params(penalty="l1", alpha=0.01, standardize=False).fit(X, y)
    least, value = program(X.astype(float), pieces, np.full(40, 1 / 40), 0.01)
    coef, intercept = np.ravel(model.coef_), np.ravel(model.intercept_)[0]
    assert coef.dtype == dtype
    assert model.stop_reason_ == "converged"
    assert model.n_iter_ < 40
    assert np.count_nonzero(coef) <= 40  # as many as a vertex has at most
    found = value(coef.astype(float), float(intercept))
    np.testing.assert_allclose(found, least, rtol=1e-7 if dtype == np.float64 else 2e-6)


@pytest.mark.parametrize("n_columns", [10, 90])
def test_rows_that_weigh_next_to_nothing(n_columns):
    random = np.random.default_rng(0)
    X = random.normal(size=(50, n_columns))
    y = X[:, 0] + 0.5 * random.normal(size=50)
    weight = np.where(random.random(50) < 0.5, 1.0, 1e-200)
    model = GDLinearRegressor("absolute_error", penalty="l1", alpha=0.02, standardize=False)
    model.fit(X, y, sample_weight=weight)
    least, value = program(X, [(-1.0, 1.0, y)], weight / weight.sum(), 0.02)
    assert model.stop_reason_ == "converged"
    np.testing.assert_allclose(value(model.coef_, np.ravel(model.intercept_)[0]), least, rtol=1e-7)


@pytest.mark.parametrize("loss", ["quantile", "epsilon"])
def test_thousands_of_columns_on_few_rows(loss):
    random = np.random.default_rng(2)
    X = random.normal(size=(20, 3200))
    y = X[:, :4].sum(axis=1) + random.normal(size=20)
    weight = random.uniform(0.5, 2, 20)
    pieces = {"quantile": [(-0.3, 0.7, y)], "epsilon": [(0.0, 1.0, y + 0.1), (-1.0, 0.0, y - 0.1)]}[loss]
    rows = X if loss == "quantile" else sparse.csr_array(X)
    model = GDLinearRegressor(Quantile(0.3) if loss == "quantile" else EpsilonInsensitive(0.1), penalty="l1")
    model.set_params(alpha=0.01, standardize=False).fit(rows, y, sample_weight=weight)
    least, value = program(X, pieces, weight / weight.sum(), 0.01)
    assert model.stop_reason_ == "converged"
    assert model.n_iter_ < 40
    np.testing.assert_allclose(value(np.ravel(model.coef_), np.ravel(model.intercept_)[0]), least, rtol=1e-7)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (6, 7)])
@pytest.mark.parametrize("n_free", [0, 1, 2])
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
def test_systems_of_weighted_rows(shape, n_free, store):
    random = np.random.default_rng(3)
    Z, weight, diagonal = random.normal(size=shape), random.uniform(0.1, 3, shape[0]), random.uniform(0.1, 3, shape[1])
    diagonal[:n_free] = 0.0
    b, q = random.normal(size=shape[1]), random.normal(size=shape[0])
    x, s = weighted_rows.Systems(store(Z)).solver(weight, diagonal)(b, q)
    matrix = np.block([[np.diag(diagonal), Z.T], [Z, -np.diag(1 / weight)]])
    np.testing.assert_allclose(np.concatenate([x, s]), np.linalg.solve(matrix, np.concatenate([b, q])), rtol=1e-10)


def test_the_matrix_is_that_of_the_smaller_side(monkeypatch):
    sizes, factorise = [], weighted_rows.dpotrf
    monkeypatch.setattr(
        weighted_rows, "dpotrf", lambda matrix, **by: (sizes.append(len(matrix)), factorise(matrix, **by))[1]
    )
    for shape in (5, 40), (40, 5):
        systems = weighted_rows.Systems(np.ones(shape))
        systems.solver(np.ones(shape[0]), np.append(np.ones(shape[1] - 1), 0.0))
    assert sizes == [5, 1, 5]  # the column without a diagonal borders the first


def test_ends_unproven_where_no_step_leads_anywhere(monkeypatch):
    step, left = Program.step, iter(range(5))
    monkeypatch.setattr(Program, "step", lambda program: next(left, None) is not None and step(program))
    model = GDLinearClassifier("hinge", penalty="l1", alpha=1e-3, standardize=False)
    with pytest.warns(ConvergenceWarning, match="no step leads on, after 6 epochs"):
        model.fit(WINE, KIND == 1)
    assert model.stop_reason_ == "max_iter"
    assert model.n_iter_ == 6
    value = program(WINE, hinge(KIND == 1), np.full(len(KIND), 1 / len(KIND)), 1e-3)[1]
    stuck, left = value(model.coef_[0], model.intercept_[0]), iter(range(5))
    with pytest.warns(ConvergenceWarning):
        model.set_params(max_iter=5).fit(WINE, KIND == 1)
    assert stuck <= value(model.coef_[0], model.intercept_[0])  # zeros are made where they cost nothing


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_subgradient_is_the_largest_of_all_outputs():
    model = GDLinearClassifier("hinge", penalty="l1", alpha=1e-3, max_iter=5)
    alone = [model.fit(WINE, k == KIND).gradient_norm_ for k in range(3)]
    np.testing.assert_allclose(model.fit(WINE, KIND).gradient_norm_, max(alone), rtol=1e-9)
    assert max(alone) > alone[0]


def test_a_start_that_is_immense_is_an_error():
    model = GDLinearClassifier("hinge", penalty="l1", alpha=0.1, standardize=False, warm_start=True)
    coef = model.fit(WINE, KIND == 1).coef_
    assert coef.any()
    with pytest.raises(ValueError, match="immense, at the starting parameters"):
        model.fit(1e150 * WINE, KIND == 1)
    np.testing.assert_array_equal(model.coef_, coef)


def test_without_a_tolerance_all_epochs_are_counted():
    model = GDLinearRegressor("absolute_error", penalty="l1", alpha=0.1)
    optimum = model.fit(DIABETES, TARGET).coef_
    model.set_params(tol=None, max_iter=60).fit(DIABETES, TARGET)
    assert (model.n_iter_, model.stop_reason_, len(model.loss_curve_)) == (60, "max_iter", 60)
    np.testing.assert_allclose(model.coef_, optimum, atol=1e-6)


def test_who_names_a_preconditioner_has_a_line_search(monkeypatch):
    monkeypatch.setattr(Program, "step", None)
    model = GDLinearRegressor("absolute_error", penalty="l1", alpha=0.1, optimizer=LBFGS(preconditioner="subsample"))
    least, value = program(DIABETES, [(-0.5, 0.5, TARGET)], np.full(len(TARGET), 1 / len(TARGET)), 0.1)
    model.set_params(standardize=False).fit(DIABETES, TARGET)
    assert value(model.coef_, model.intercept_[0]) <= 1.05 * least


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_the_elastic_net_that_interpolates_is_proven(seed):
    random, alpha = np.random.default_rng(seed), 1e-5
    X, y = random.normal(size=(8, 40)), random.normal(size=8)
    model = GDLinearRegressor("absolute_error", penalty="elasticnet", l1_ratio=0.5, alpha=alpha, standardize=False)
    model.fit(X, y)
    assert model.stop_reason_ == "converged"
    assert model.gradient_norm_ <= 1e-8 * np.abs(X).mean(axis=0).max()  # a share of the loss's largest slope
    # so weak a penalty leaves no residuals: of all interpolating parameters the least ones by the penalty
    constraints = {"type": "eq", "fun": lambda v: X @ (v[:40] - v[40:80]) + v[80] - y}
    w = np.linalg.pinv(np.c_[X, np.ones(8)]) @ y
    start = np.concatenate([np.maximum(w[:40], 0), np.maximum(-w[:40], 0), w[40:]])
    least = minimize(
        lambda v: 0.5 * v[:80].sum() + 0.25 * ((v[:40] - v[40:80]) ** 2).sum(),
        start,
        bounds=[(0, None)] * 80 + [(None, None)],
        constraints=constraints,
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    found, short = model.coef_, np.abs(model.predict(X) - y).mean() / alpha
    may_lack = 1.001e-9 * np.abs(y - np.median(y)).mean() / alpha
    assert 0.5 * np.abs(found).sum() + 0.25 * found @ found + short <= least.fun + may_lack
    assert np.count_nonzero(found) < 30


def test_targets_that_a_constant_meets_leave_zeros():
    y = np.where(np.arange(len(DIABETES)) % 3, 0.2, -0.2)  # within the width
    model = GDLinearRegressor(EpsilonInsensitive(0.5), penalty="l1", alpha=1e-3).fit(DIABETES, y)
    assert model.stop_reason_ == "converged"
    assert not model.coef_.any()
    assert np.abs(model.predict(DIABETES) - y).max() <= 0.5


def test_the_elastic_net_against_a_quadratic_program():
    X, positive, l1, l2 = WINE[:, :3], KIND == 1, 0.02, 0.03
    model = GDLinearClassifier("hinge", penalty="elasticnet", alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), standardize=False)
    model.fit(X[::3], positive[::3])
    signs, n = np.where(positive, 1.0, -1.0)[::3], len(X[::3])

    def objective(v):  # of both signs of w, the intercept, what is short of the margin
        return l1 * v[:6].sum() + 0.5 * l2 * ((v[:3] - v[3:6]) ** 2).sum() + v[7:].mean()

    margins = {"type": "ineq", "fun": lambda v: signs * (X[::3] @ (v[:3] - v[3:6]) + v[6]) - 1 + v[7:]}
    bounds = [(0, None)] * 6 + [(None, None)] + [(0, None)] * n
    least = minimize(
        objective, np.append(np.zeros(7), np.ones(n)), bounds=bounds, constraints=margins, options={"maxiter": 1000}
    )
    np.testing.assert_allclose(model.coef_[0], least.x[:3] - least.x[3:6], atol=1e-3)
    short = np.maximum(1 - signs * model.decision_function(X[::3]), 0).mean()
    w = model.coef_[0]
    assert short + l1 * np.abs(w).sum() + 0.5 * l2 * w @ w <= least.fun * (1 + 1e-6)


@pytest.mark.parametrize(("alpha", "rows"), [(1e-3, slice(None)), (1e-4, slice(None, None, 3))])
def test_line_searches_claim_no_optimum_that_they_have_not_reached(alpha, rows, monkeypatch):
    monkeypatch.setattr(decide, "solver_of_pieces", lambda *_: None)
    model, X, positive = (
        GDLinearClassifier("hinge", penalty="l1", alpha=alpha, standardize=False),
        WINE[rows],
        KIND[rows] == 1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, positive)
    least, value = program(X, hinge(positive), np.full(len(X), 1 / len(X)), alpha)
    near = value(model.coef_[0], model.intercept_[0]) <= 1.01 * least
    assert near or model.stop_reason_ != "converged"


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_a_gap_is_no_less_than_what_is_left_to_gain(l2):
    X, y, l1 = DIABETES, (TARGET - TARGET.mean()) / TARGET.std(), 0.05
    exact = ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), fit_intercept=False, tol=1e-14).fit(X, y).coef_
    ridge, ones = np.full(10, l2), np.ones(10)

    def smooth(w):
        residuals = X @ w - y
        return 0.5 * np.mean(residuals**2) + 0.5 * l2 * w @ w, X.T @ residuals / len(y) + l2 * w

    def search(w):
        return QuasiNewton(smooth, w, memory=0, l1=l1 * ones, eps=1e-16)

    least = search(exact).objective
    assert abs(gap_of(search(exact), ridge)) < 1e-8
    for w in 0 * exact, 0.5 * exact, -exact, exact + 0.3, exact - 0.3 * (exact == 0):
        assert gap_of(search(w), ridge) >= search(w).objective - least > 1e-3


def test_a_gap_of_large_coefficients_is_no_less():
    X, y, l1 = DIABETES / 100, (TARGET - TARGET.mean()) / TARGET.std(), 5e-4
    exact = ElasticNet(alpha=l1, l1_ratio=1.0, fit_intercept=False, tol=1e-14, max_iter=10**5).fit(X, y).coef_

    def smooth(w):
        residuals = X @ w - y
        return 0.5 * np.mean(residuals**2), X.T @ residuals / len(y)

    def search(w):
        return QuasiNewton(smooth, w, memory=0, l1=np.full(10, l1), eps=1e-16)

    near = exact - np.clip(0.1 * exact, -1, 1)
    assert np.abs(near).max() > 10
    assert gap_of(search(near), np.zeros(10)) >= search(near).objective - search(exact).objective > 1e-5


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_line_searches_that_make_no_step_have_not_converged(l1_ratio, monkeypatch):
    monkeypatch.setattr(decide, "solver_of_pieces", lambda *_: None)
    monkeypatch.setattr(PreconditionedSearch, "move", lambda *_: False)
    model = GDLinearClassifier("hinge", penalty="elasticnet", l1_ratio=l1_ratio, alpha=0.01, standardize=False)
    with pytest.warns(ConvergenceWarning, match="no step leads on"):
        model.fit(WINE, KIND == 1)
    assert not model.coef_.any()  # where it began


def test_what_slopes_prove_is_the_least_whatever_the_parameters():
    share, l1 = np.full(len(TARGET), 1 / len(TARGET)), 0.05
    least, value = program(DIABETES, [(-0.3, 0.7, TARGET)], share, l1)
    rows, penalty = np.c_[DIABETES, np.ones(len(TARGET))], np.append(np.full(10, l1), 0.0)
    solved = Program(
        weighted_rows.Systems(rows), [-0.3 * share], [0.7 * share], [TARGET], penalty, np.zeros(11), np.zeros(11)
    )
    while np.abs(solved.subgradient).max() > 1e-12 or solved.gap(solved.w) > 1e-9:
        assert solved.step()
    for w in solved.w, np.zeros(11), np.linspace(-1, 1, 11):
        np.testing.assert_allclose(solved.value(w), value(w[:-1], w[-1]), rtol=1e-12)
        np.testing.assert_allclose(solved.gap(w), value(w[:-1], w[-1]) - least, atol=1e-8)


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_columns", [12, 90])
@pytest.mark.parametrize("alpha", [0.1, 1e-4])
@pytest.mark.parametrize("mean", [0.0, 20.0])  # of a column that CSR has in full then
def test_an_l2_penalty_alone_against_the_dual_of_support_vector_machines(store, n_columns, alpha, mean, monkeypatch):
    stored, begin = [], weighted_rows.Systems.__init__
    monkeypatch.setattr(weighted_rows.Systems, "__init__", lambda self, Z: (stored.append(Z), begin(self, Z))[1])
    random = np.random.default_rng(4)
    X = random.normal(size=(60, n_columns)) * (random.random((60, n_columns)) < 0.05)
    if mean:
        X[:, 7] = random.normal(size=60)
    positive = X[:, :6].sum(axis=1) + 0.3 * random.normal(size=60) > 0
    signs, C = np.where(positive, 1.0, -1.0), 1 / (60 * alpha)
    far = X + mean * (np.arange(n_columns) == 7)
    model = GDLinearClassifier("hinge", alpha=alpha, standardize=False).fit(store(far), positive)
    model.intercept_ += mean * model.coef_[:, 7]  # of the rows that the peer sees, which would end far from the optimum
    exact = SVC(kernel="linear", C=C, tol=1e-10).fit(X, positive)

    def value(each):
        short = np.maximum(1 - signs * (X @ each.coef_[0] + each.intercept_[0]), 0).mean()
        return short + 0.5 * alpha * each.coef_[0] @ each.coef_[0]

    assert [sparse.issparse(Z) for Z in stored] == [store is not np.asarray and (n_columns == 90 or not mean)]
    assert model.stop_reason_ == "converged"
    assert model.n_iter_ < 30
    assert value(model) <= value(exact) + 1e-9
    np.testing.assert_allclose(value(model), value(exact), atol=3e-6)  # SVC ends a little above
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-2 * np.abs(exact.coef_).max())


def test_rows_of_next_to_no_weight_hold_up_no_steps():
    random = np.random.default_rng(1)
    X, weight = random.normal(size=(75, 38)), random.choice([1e-12, 1.0, 2.0], 75)
    positive, heavy = X @ random.normal(size=38) + 2 * random.normal(size=75) > 0, weight >= 1
    model = GDLinearClassifier("hinge", alpha=1e-3, standardize=False).fit(X, positive, sample_weight=weight)
    exact = SVC(kernel="linear", C=1 / (weight.sum() * 1e-3), tol=1e-10).fit(X[heavy], positive[heavy], weight[heavy])
    assert model.stop_reason_ == "converged"
    assert model.n_iter_ < 20
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-4)  # near the end of what SVC comes to


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_columns_whose_scales_are_far_apart_take_another_way():
    random = np.random.default_rng(37)
    scales = 10.0 ** random.integers(-6, 7, 50)
    Z = random.normal(size=(30, 50))
    y = Z[:, 0] + random.normal(size=30)
    model = GDLinearRegressor("absolute_error", alpha=1e-8, standardize=False).fit(Z * scales, y)
    # columns of large scale, which cost nothing, are enough to come near all targets
    assert np.abs(model.predict(Z * scales) - y).mean() < 0.01 * np.abs(y - np.median(y)).mean()
    with pytest.raises(ValueError, match="so large that the curvature of the objective overflows"):
        model.fit(Z * 1e160, y)


def test_products_of_rows_are_made_once_without_an_l1_penalty(monkeypatch):
    made, scaled = [], weighted_rows.scaled_columns
    monkeypatch.setattr(weighted_rows, "scaled_columns", lambda *of: (made.append(1), scaled(*of))[1])
    X, y = np.random.default_rng(5).normal(size=(30, 80)), np.arange(30) % 4
    model = GDLinearClassifier("hinge", alpha=0.1).fit(X, y)
    assert model.n_iter_ > 3
    assert len(made) == 1  # for four classes


@pytest.mark.parametrize("alpha", [1e-3, 1e3])
@pytest.mark.parametrize("quantile", [0.2, 0.8])
@pytest.mark.parametrize("n_rows", [40, 400])
def test_targets_that_a_constant_meets_are_at_their_optimum(quantile, alpha, n_rows):
    X = np.random.default_rng(6).normal(size=(n_rows, 3))
    model = GDLinearRegressor(Quantile(quantile), alpha=alpha).fit(X, np.full(n_rows, 3.0))
    assert model.stop_reason_ == "converged"
    assert not model.coef_.any()
    np.testing.assert_array_equal(model.predict(X), 3.0)


@pytest.mark.parametrize("n_columns", [1, 4])
def test_few_rows_are_solved_exactly_however_many_they_are_beside_columns(n_columns):
    """Rounded kinks ended a thousandth of the optimum above it, some after all epochs."""
    rng = np.random.default_rng(200 + n_columns)
    X = rng.standard_normal((200, n_columns))
    y = X @ rng.standard_normal(n_columns) + rng.standard_normal(200)
    least, value = program(X, [(-0.9, 0.1, y)], np.full(200, 1 / 200), 0.0)
    model = GDLinearRegressor("quantile", quantile=0.9, penalty=None).fit(X, y)
    assert model.converged_
    assert value(model.coef_, model.intercept_[0]) == pytest.approx(least, rel=1e-8)
