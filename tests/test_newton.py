"""The compiled Newton's method of small data: against scipy's optima, formulas, and scikit-learn's exact solvers."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier
from skgd._compile.kernels import kernel, plug_in, python_kernel
from skgd._kernels.backtracking import decreases_enough, is_within_rounding, shortening, stretching
from skgd._kernels.constants import FARTHEST, STEEP
from skgd._kernels.structures import (
    CONVERGED,
    NEVER,
    OBJECTIVE,
    PAUSED,
    STUCK,
    FewRows,
    Linear,
    NewtonSettings,
    NewtonWork,
    Search,
)
from skgd._solvers import newton
from skgd._solvers.quasi_newton import QuasiNewton
from skgd._solvers.solvers import SOLVERS
from skgd._solvers.stopping import SearchCriterion
from skgd.losses import Huber, LogLoss, Loss, Poisson, SquaredError
from skgd.optimizers import LBFGS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((80, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, -1.0, 100.0]
Z = StandardScaler().fit_transform(X)
SIGNAL = Z @ [1.0, -0.5, 0.3, 0.0]
NUMBERS = SIGNAL + 0.5 * RNG.standard_normal(80)
COUNTS = RNG.poisson(np.exp(SIGNAL)).astype(float)
POSITIVE = np.exp(SIGNAL) * RNG.gamma(2.0, size=80)
CLASSES = (2 * SIGNAL + RNG.logistic(size=80) > 0).astype(int)
SIGNS = 2 * CLASSES - 1
ALPHA = 1e-2


class LogCosh(Loss):
    """A user's loss."""

    target_power = None

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                r = raw[i, k] - y[i, k]
                derivative[i, k] = weight[i] * np.tanh(r)
                total += weight[i] * (abs(r) + np.log1p(np.exp(-2 * abs(r))) - np.log(2.0))
        return total


def huber(r, epsilon=1.35):
    return np.where(np.abs(r) <= epsilon, r**2 / 2, epsilon * np.abs(r) - epsilon**2 / 2)


# model, targets, the loss by its definition and its derivative by the raw predictions
PROBLEMS = {
    "squared error": (GDLinearRegressor(), NUMBERS, lambda z: (z - NUMBERS) ** 2 / 2, lambda z: z - NUMBERS),
    "huber": (
        GDLinearRegressor(loss=Huber(1.35)),
        NUMBERS,
        lambda z: huber(z - NUMBERS),
        lambda z: np.clip(z - NUMBERS, -1.35, 1.35),
    ),
    "poisson": (
        GDLinearRegressor(loss="poisson"),
        COUNTS,
        lambda z: np.exp(z) - COUNTS * z,
        lambda z: np.exp(z) - COUNTS,
    ),
    "gamma": (
        GDLinearRegressor(loss="gamma"),
        POSITIVE,
        lambda z: z + POSITIVE * np.exp(-z),
        lambda z: 1 - POSITIVE * np.exp(-z),
    ),
    "tweedie": (
        GDLinearRegressor(loss="tweedie"),  # power 1.5
        COUNTS,
        lambda z: 2 * np.exp(z / 2) + 2 * COUNTS * np.exp(-z / 2),
        lambda z: np.exp(z / 2) - COUNTS * np.exp(-z / 2),
    ),
    "log-loss": (
        GDLogisticClassifier(),
        CLASSES,
        lambda z: np.logaddexp(0, -SIGNS * z),
        lambda z: -SIGNS / (1 + np.exp(SIGNS * z)),
    ),
    "squared hinge": (
        GDLinearClassifier(loss="squared_hinge"),
        CLASSES,
        lambda z: np.maximum(0, 1 - SIGNS * z) ** 2,
        lambda z: -2 * SIGNS * np.maximum(0, 1 - SIGNS * z),
    ),
    "a user's": (
        GDLinearRegressor(loss=LogCosh()),
        NUMBERS,
        lambda z: np.log(np.cosh(z - NUMBERS)),
        lambda z: np.tanh(z - NUMBERS),
    ),
}


def objective_of(loss, slope, fit_intercept=True, weight=None):
    """Objective and gradient at the coefficients of standardised features and the intercept."""
    rows = np.column_stack([Z if fit_intercept else X / X.std(axis=0), np.full(80, float(fit_intercept))])
    share = np.full(80, 1 / 80) if weight is None else weight / weight.sum()

    def objective(theta):
        raw, penalised = rows @ theta, np.append(theta[:-1], 0)
        value = share @ loss(raw) + ALPHA / 2 * penalised @ penalised
        return value, rows.T @ (share * slope(raw)) + ALPHA * penalised

    return objective


def optimum(objective):
    options = {"maxiter": 10_000, "gtol": 1e-11, "ftol": 1e-16}
    return minimize(objective, np.zeros(5), jac=True, method="L-BFGS-B", options=options)


def raw_predictions(model):
    return X @ np.ravel(model.coef_) + model.intercept_[0]


@pytest.fixture
def made(monkeypatch):
    """The Newton objects of all fits; line_search is None where they needed no help."""
    found = []

    class Recorded(newton.Newton):
        def __init__(self, *args):
            super().__init__(*args)
            found.append(self)

    monkeypatch.setitem(SOLVERS, "newton", Recorded)
    return found


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_fits_of_small_data_reach_the_optimum(name, fit_intercept, made):
    model, y, loss, slope = PROBLEMS[name]
    objective = objective_of(loss, slope, fit_intercept)
    best = optimum(objective)
    model = clone(model).set_params(alpha=ALPHA, fit_intercept=fit_intercept).fit(X, y)
    assert [each.line_search for each in made] == [None]
    scale = X.std(axis=0)
    coef = np.ravel(model.coef_) * scale
    theta = np.append(coef, model.intercept_[0] + (X.mean(axis=0) / scale @ coef if fit_intercept else 0.0))
    np.testing.assert_allclose(theta, best.x, atol=2e-6)
    if name not in ("squared error", "huber"):  # their targets are scaled, and the curve is that of the penalty, too
        assert model.loss_curve_[-1] == pytest.approx(objective(theta)[0], rel=1e-12)
        assert model.gradient_norm_ == pytest.approx(np.abs(objective(theta)[1]).max(), abs=1e-9)
    assert objective(theta)[0] <= best.fun + 1e-12
    assert model.converged_
    assert model.n_iter_ == model.t_ == len(model.loss_curve_) < 20
    assert (np.diff(model.loss_curve_) <= 1e-15 * max(1.0, model.loss_curve_[0])).all()


def test_against_solvers_of_scikit_learn(made):
    exact = [
        (GDLinearRegressor(), NUMBERS, Ridge(alpha=80 * ALPHA)),
        (GDLinearRegressor(loss="poisson"), COUNTS, PoissonRegressor(alpha=ALPHA, tol=1e-12, solver="newton-cholesky")),
        (GDLinearRegressor(loss="gamma"), POSITIVE, GammaRegressor(alpha=ALPHA, tol=1e-12, solver="newton-cholesky")),
        (
            GDLogisticClassifier(),
            CLASSES,
            LogisticRegression(C=1 / (80 * ALPHA), tol=1e-12, solver="newton-cholesky"),
        ),
    ]
    for model, y, peer in exact:
        model.set_params(alpha=ALPHA).fit(X, y)
        peer.fit(Z, y)
        raw = Z @ np.ravel(peer.coef_) + np.ravel(peer.intercept_)
        np.testing.assert_allclose(raw_predictions(model), raw, atol=1e-7)
    assert [each.line_search for each in made] == [None] * len(exact)


@pytest.mark.parametrize("name", PROBLEMS)
def test_weights_equal_repetition(name, made):
    model, y, *_ = PROBLEMS[name]
    model = clone(model).set_params(alpha=ALPHA)
    counts = RNG.integers(0, 4, 80)
    weighted = raw_predictions(model.fit(X, y, sample_weight=counts * 7.0))
    repeated = raw_predictions(model.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-7, atol=1e-7)
    assert [each.line_search for each in made] == [None, None]


@pytest.mark.parametrize("alpha", [1e-4, 1e-8])
def test_separable_classes(alpha, made):
    y = (Z[:, 0] > 0).astype(int)
    model = GDLogisticClassifier(alpha=alpha).fit(X, y)
    peer = LogisticRegression(C=1 / (80 * alpha), tol=1e-13, solver="newton-cholesky", max_iter=1000).fit(Z, y)
    raw = Z @ peer.coef_[0] + peer.intercept_
    np.testing.assert_allclose(raw_predictions(model), raw, rtol=1e-4, atol=1e-4)
    assert made


def test_separable_classes_without_penalty_end():
    with pytest.warns(ConvergenceWarning, match="separable"):
        model = GDLogisticClassifier(alpha=0.0).fit(X, (Z[:, 0] > 0).astype(int))
    assert np.isfinite(model.coef_).all()
    assert model.loss_curve_[-1] < 1e-6


def test_singular_features_without_penalty(made):
    wide = np.column_stack([X, X[:, 0], X[:, 0] - X[:, 1], np.ones(80)])
    model = GDLinearRegressor(alpha=0.0).fit(wide, NUMBERS)
    columns = np.column_stack([Z, np.ones(80)])
    np.testing.assert_allclose(
        model.predict(wide), columns @ np.linalg.lstsq(columns, NUMBERS, rcond=None)[0], atol=1e-6
    )
    model = GDLinearRegressor(loss="poisson", alpha=0.0).fit(wide, COUNTS)
    peer = PoissonRegressor(alpha=0.0, tol=1e-12, solver="newton-cholesky").fit(Z, COUNTS)
    np.testing.assert_allclose(model.predict(wide), peer.predict(Z), rtol=1e-6)
    assert model.converged_
    assert len(made) == 2


def test_real_data_with_and_without_help_from_the_sub_samples_curvature():
    rows, y = load_breast_cancer(return_X_y=True)
    scaled = StandardScaler().fit_transform(rows)
    peer = LogisticRegression(C=1 / (len(y) * 1e-4), tol=1e-12, solver="newton-cholesky").fit(scaled, y)
    for preconditioner in ("auto", "subsample", "diagonal"):
        model = GDLogisticClassifier(optimizer=LBFGS(preconditioner=preconditioner)).fit(rows, y)
        expected = scaled @ peer.coef_[0] + peer.intercept_
        np.testing.assert_allclose(model.decision_function(rows), expected, rtol=1e-4, atol=1e-4)


def test_who_looks_in_between_changes_nothing(capsys, made):
    silent = GDLogisticClassifier().fit(X, CLASSES)
    watched = GDLogisticClassifier().fit(X, CLASSES, X_val=X, y_val=CLASSES)
    verbose = GDLogisticClassifier(verbose=1).fit(X, CLASSES)
    for model in (watched, verbose):
        np.testing.assert_array_equal(model.coef_, silent.coef_)
        np.testing.assert_array_equal(model.loss_curve_, silent.loss_curve_)
    assert len(watched.validation_curve_) == silent.n_iter_ > 2
    assert f"converged after epoch {silent.n_iter_} " in capsys.readouterr().out
    assert len(made) == 3


def test_all_epochs_where_there_is_no_tolerance(made):
    model = GDLinearRegressor(loss="poisson", tol=None, max_iter=250).fit(X, COUNTS)
    assert model.n_iter_ == model.t_ == len(model.loss_curve_) == 250
    assert model.stop_reason_ == "max_iter"
    assert model.loss_curve_[-1] == pytest.approx(GDLinearRegressor(loss="poisson").fit(X, COUNTS).loss_curve_[-1])
    assert made[0].line_search is not None  # where rounding was reached


def test_what_is_left_is_measured_by_what_there_is_to_gain():
    y = (np.arange(80) + (X[:, 1] > 5)) % 2 == 0  # which columns hardly tell
    model = GDLogisticClassifier(alpha=ALPHA, tol=0.05).fit(X, y)
    signs = np.where(y, 1.0, -1.0)

    def objective(theta):
        return np.logaddexp(0, -signs * (Z @ theta[:4] + theta[4])).mean() + ALPHA / 2 * theta[:4] @ theta[:4]

    share = y.mean()
    constant, least = -(share * np.log(share) + (1 - share) * np.log(1 - share)), minimize(objective, np.zeros(5)).fun
    assert constant - least < 0.04 * least  # a small part of the objective
    coef = model.coef_[0] * X.std(axis=0)
    found = objective(np.append(coef, model.intercept_ + model.coef_ @ X.mean(axis=0)))
    assert found - least <= 0.1 * (constant - least)


def test_criteria():
    by_gradient = GDLogisticClassifier(criterion="gradient", tol=1e-9).fit(X, CLASSES)
    assert by_gradient.converged_
    assert by_gradient.gradient_norm_ <= 1e-9
    by_step = GDLogisticClassifier(criterion="step", tol=1e-3).fit(X, CLASSES)
    assert by_step.converged_
    assert by_step.n_iter_ <= by_gradient.n_iter_ + 1
    with pytest.warns(ConvergenceWarning, match="max_iter=60"):
        GDLogisticClassifier(criterion="gradient", tol=1e-300, max_iter=60).fit(X, CLASSES)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        assert GDLogisticClassifier(max_iter=2).fit(X, CLASSES).n_iter_ == 2


def test_a_warm_start_at_the_optimum_stays_there():
    model = GDLogisticClassifier(warm_start=True).fit(X, CLASSES)
    coef, n_iter = model.coef_.copy(), model.n_iter_
    assert model.fit(X, CLASSES).n_iter_ <= n_iter + 1
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-10)


def test_float32_is_published_as_such():
    model = GDLogisticClassifier().fit(X.astype(np.float32), CLASSES)
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, GDLogisticClassifier().fit(X, CLASSES).coef_, rtol=1e-3)


def test_immense_raw_features_are_refused_with_a_reason():
    with pytest.raises(ValueError, match="standardize=True"):
        GDLogisticClassifier(standardize=False).fit(X * 1e200, CLASSES)


# -- the kernel by itself


def problem(loss, targets, criterion=OBJECTIVE, tol=1e-20, ridge=ALPHA, quadratic=False, columns=None):
    """Arguments of the kernel at parameters of zero, but for the loss and the curve."""
    columns = np.ascontiguousarray(np.vstack([Z.T, np.ones(80)]) if columns is None else columns)
    p, n = columns.shape
    rows = FewRows(columns, targets[:, None].astype(float), np.full(n, 1 / n), np.append(np.full(p - 1, ridge), 0.0))
    vectors = np.empty((4, n))
    search = np.zeros(1, Search)
    search["reference"] = 1.0
    search["last_promise"] = search["largest_step"] = np.inf
    settings = NewtonSettings(criterion, tol, 1, 1.0, np.finfo(float).eps, quadratic)
    work = NewtonWork(vectors, vectors[:, :, None], np.empty((4, p)), np.empty((p, p)))
    return loss.hyper(np.ones(1)), rows, settings, np.zeros(p), work, search


def pointwise(loss):
    return plug_in(loss.pointwise, "loss", np.dtype(float), "loss")


def test_a_step_is_newtons():
    arguments = problem(LogLoss(), CLASSES, NEVER)
    curve = np.empty(1)
    assert kernel("newton", np.dtype(float))(pointwise(LogLoss()).pointer, *arguments, curve) == PAUSED
    rows = np.column_stack([Z, np.ones(80)])
    penalty = np.diag([ALPHA] * 4 + [0.0])
    hessian = rows.T @ rows / 320 + penalty  # the second derivative is 1/4 where the probability is 1/2
    step = -np.linalg.solve(hessian, rows.T @ (0.5 - CLASSES) / 80)
    np.testing.assert_allclose(arguments[3], step, rtol=1e-6)
    expected = np.mean(np.logaddexp(0, -SIGNS * (rows @ step))) + step @ penalty @ step / 2
    assert curve[0] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(np.tril(arguments[4].lower), np.linalg.cholesky(hessian), rtol=1e-6, atol=1e-9)
    hyper, few_rows, settings, *others = problem(LogLoss(), CLASSES, NEVER)
    half = settings._replace(first_length=0.5)
    kernel("newton", np.dtype(float))(pointwise(LogLoss()).pointer, hyper, few_rows, half, *others, curve)
    np.testing.assert_allclose(others[0], step / 2, rtol=1e-6)
    np.testing.assert_allclose(others[2]["largest_step"], np.abs(step).max() / 2, rtol=1e-6)


@pytest.mark.parametrize(("loss", "targets"), [(LogLoss(), CLASSES), (Poisson(), COUNTS), (SquaredError(), NUMBERS)])
def test_compiled_and_as_plain_python(loss, targets):
    results = []
    for in_python in (False, True):
        arguments, curve = problem(loss, targets, quadratic=loss.quadratic), np.zeros(30)
        call = loss.pointwise if in_python else pointwise(loss).pointer
        run = python_kernel("newton", Linear) if in_python else kernel("newton", np.dtype(float))
        assert run(call, *arguments, curve) == CONVERGED
        results.append((arguments[3], curve))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-9)
    # the finite differences of second derivatives amplify what rounding makes of another order of the sums
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10)


def test_trouble_is_reported_and_leaves_the_last_good_parameters():
    columns = np.vstack([Z.T * 1e200, np.ones(80)])
    for loss, targets in ((LogLoss(), CLASSES), (SquaredError(), NUMBERS)):
        arguments = problem(loss, targets, columns=columns, quadratic=loss.quadratic)
        assert kernel("newton", np.dtype(float))(pointwise(loss).pointer, *arguments, np.empty(5)) == STUCK
        np.testing.assert_array_equal(arguments[3], 0.0)
        assert arguments[-1]["steps"][0] == 0


# -- parts that line searches share


def test_steps_are_accepted_by_a_share_of_the_slope_but_for_rounding():
    eps = np.finfo(float).eps
    assert decreases_enough(10.0, 10.0 - 0.5, -1.0, eps)
    assert not decreases_enough(10.0, 10.0 - 1e-7, -1.0, eps)
    assert decreases_enough(10.0, 10.0 * (1 + 2 * eps), -1e-20, eps)
    assert not decreases_enough(10.0, 10.0 * (1 + 8 * eps), -1e-20, eps)
    assert not any(decreases_enough(10.0, after, -1.0, eps) for after in (np.nan, np.inf, -np.inf))
    assert is_within_rounding(10.0, -1e-8, eps)
    assert not is_within_rounding(10.0, -1e-6, eps)


def test_a_step_is_shortened_to_the_minimum_of_the_parabola_within_limits():
    # t^2 a - t: the value 3 at the end of the step, the slope -1 where it begins, so a = 4 and the minimum at 1 / 8
    assert shortening(0.0, 3.0, -1.0) == pytest.approx(1 / 8)
    assert shortening(0.0, 1e9, -1.0) == shortening(0.0, np.inf, -1.0) == shortening(0.0, np.nan, -1.0) > 0
    assert 0.25 < shortening(0.0, -0.4, -1.0) < 1


def test_a_step_goes_on_to_where_the_slope_vanishes_within_limits():
    # (t - 3)^2 has the slopes -6 at 0 and -4 at 1, from where two more stretches lead to its minimum
    assert stretching(-6.0, -4.0) == pytest.approx(2.0)
    assert stretching(-6.0, -5.9) == stretching(-6.0, -6.0) == stretching(-6.0, -7.0) == FARTHEST


class OfTenfoldCurvature:
    """A model whose steps are a tenth of what they should be."""

    def __init__(self, rough):
        self.rough = rough

    def solve(self, vector):
        return 0.1 * vector


@pytest.mark.parametrize("rough", [False, True])
def test_a_step_goes_on_while_it_is_steep_unless_pairs_tell_how_long_the_next_should_be(rough):
    evaluated = []

    def square(params):
        evaluated.append(params[0])
        return 0.5 * float(params @ params), params.copy()

    search = QuasiNewton(square, np.ones(1), memory=5, l1=None, eps=np.finfo(float).eps)
    search.stretches_below = np.inf
    search.use(OfTenfoldCurvature(rough))
    search.look()
    assert search.move()
    assert (abs(search.params[0]) <= STEEP) != rough
    np.testing.assert_allclose(search.params[0], evaluated[-1])
    np.testing.assert_allclose(search.gradient, search.params)
    np.testing.assert_allclose(search.moved_by, 1.0 - search.params[0])
    np.testing.assert_allclose(search.pairs[-1][0], search.params - 1.0)
    assert not rough or evaluated == [1.0, 0.9]


def whole_newton_steps(X, signs, alpha, n_steps):
    """The objective of logistic regression after each of some steps of Newton's method, none longer than one."""
    Z, ridge = np.column_stack([X, np.ones(len(X))]), np.append(np.full(X.shape[1], alpha), 0.0)
    params, objectives = np.zeros(Z.shape[1]), []
    for _ in range(n_steps):
        share = expit(-signs * (Z @ params))
        hessian = (Z.T * (share * (1 - share) / len(Z))) @ Z + np.diag(ridge)
        params = params - np.linalg.solve(hessian, ridge * params - Z.T @ (signs * share) / len(Z))
        objectives.append(np.logaddexp(0.0, -signs * (Z @ params)).mean() + 0.5 * ridge @ params**2)
    return objectives


@pytest.mark.parametrize("n_rows", [150, 3_000])  # by the kernel, and by line searches
@pytest.mark.parametrize("alpha", [1e-6, 1e-4])
def test_steps_towards_separable_classes_go_further_than_those_of_newton(n_rows, alpha):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n_rows, 40))
    signs = np.sign(X @ rng.standard_normal(40))
    model = GDLogisticClassifier(alpha=alpha, standardize=False).fit(X, signs)
    whole = whole_newton_steps(X, signs, alpha, 40)
    np.testing.assert_allclose(model.loss_curve_[-1], whole[-1], rtol=1e-9)
    assert model.loss_curve_[4] - whole[-1] < 0.6 * (whole[4] - whole[-1])


def test_small_steps_count_on_end_only():
    plan = SimpleNamespace(criterion_of_solver="step", tol=1e-3, n_iter_no_change=3)
    criterion, met = SearchCriterion(plan), []
    for step in (1e-4, 1e-4, 1.0, 1e-3, 0.0, 1e-5):
        met.append(criterion.is_met(SimpleNamespace(longest_step=step), None, 1.0))
    assert met == [False, False, False, False, False, True]
