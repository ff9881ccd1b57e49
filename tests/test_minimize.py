"""Descent on any function: where it gets, what it says about it, and that nothing is lost when functions misbehave."""

import ast
import math
import pickle
import re
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy import optimize, stats
from scipy.optimize import OptimizeWarning, rosen, rosen_der
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import minimize, scipy_method
from skgd._minimize.differences import Differences
from skgd._minimize.restarts import _beside
from skgd.optimizers import OPTIMIZERS, SGD, Adam, AdamW, Optimizer
from skgd.schedules import SCHEDULES, ReduceOnPlateau, StepDecay, get_schedule

# -- the usual test functions, with their minima


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def himmelblau_gradient(x):
    one, other = x[0] ** 2 + x[1] - 11, x[0] + x[1] ** 2 - 7
    return np.array([4 * x[0] * one + 2 * other, 2 * one + 4 * x[1] * other])


def beale(x):
    a, b = map(float, x)  # tens of thousands of times, which NumPy's numbers take four times as long for
    return sum((c - a + a * b**k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def beale_gradient(x):
    a, b = map(float, x)
    of_terms = [(2 * (c - a + a * b**k), k) for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))]
    return np.array([sum(t * (b**k - 1) for t, k in of_terms), sum(t * k * a * b ** (k - 1) for t, k in of_terms)])


def booth(x):
    return (x[0] + 2 * x[1] - 7) ** 2 + (2 * x[0] + x[1] - 5) ** 2


def booth_gradient(x):
    one, other = x[0] + 2 * x[1] - 7, 2 * x[0] + x[1] - 5
    return np.array([2 * one + 4 * other, 4 * one + 2 * other])


def rastrigin(x):
    return 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))


CONDITION = np.logspace(0, 6, 4)
ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
HESSIAN = ROTATION @ np.diag(CONDITION) @ ROTATION.T
HIMMELBLAU = [(3.0, 2.0), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126)]

# function, gradient, start, minima
PROBLEMS = {
    "rosenbrock": (rosen, rosen_der, [-1.2, 1.0], [(1.0, 1.0)]),
    "himmelblau": (himmelblau, himmelblau_gradient, [0.0, 0.0], HIMMELBLAU),
    "beale": (beale, beale_gradient, [1.0, 1.0], [(3.0, 0.5)]),
    "booth": (booth, booth_gradient, [0.0, 0.0], [(1.0, 3.0)]),
    "axes, condition 1e6": (lambda x: 0.5 * x @ (CONDITION * x), lambda x: CONDITION * x, np.ones(4), [np.zeros(4)]),
}
ROTATED = (lambda x: 0.5 * x @ HESSIAN @ x, lambda x: HESSIAN @ x, np.ones(4), [np.zeros(4)])

# Rules that scale each variable by itself crawl along a narrow valley across the axes: only these are tried there.
ACROSS_AXES = ("sgd", "lbfgs", "svrg")
PAGE = Path(__file__).parents[1] / "docs" / "descent.md"
SETTINGS = ast.literal_eval(
    re.search(r"^settings = (\{.*?^\})", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[1]
)
IN_NARROW_VALLEYS = {
    "momentum": {"optimizer": SGD(momentum=0.998), "max_iter": 30_000},
    "nesterov": {"optimizer": SGD(momentum="auto", nesterov=True)},
}
# A rate goes down over as many epochs as there may be: for Rosenbrock's function more than for these.
SOONER = {"rmsprop": {"max_iter": 2_000}, "adadelta": {"max_iter": 6_000}}


def test_every_optimizer_has_its_setting():
    assert SETTINGS.keys() == OPTIMIZERS.keys()


# Rosenbrock's function is that of the page with the settings, which test_docs.py holds them to.
@pytest.mark.parametrize("problem", [problem for problem in PROBLEMS if problem != "rosenbrock"])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_optimizer_finds_the_minima(name, problem):
    fun, jac, start, minima = PROBLEMS[problem]
    settings = (
        IN_NARROW_VALLEYS.get(name, SETTINGS[name]) if "1e6" in problem else SETTINGS[name] | SOONER.get(name, {})
    )
    result = minimize(fun, start, **({"optimizer": name, "jac": jac} | settings))
    assert result.success, result.message
    assert result.fun <= 1e-5 * fun(np.asarray(start))
    # in the narrow valleys a millionth of the function is a hundredth of the way
    assert min(np.abs(result.x - minimum).max() for minimum in minima) < 0.02
    assert result.nit < settings.get("max_iter", 10_000)


@pytest.mark.parametrize("name", ACROSS_AXES)
def test_a_narrow_valley_across_the_axes(name):
    fun, jac, start, _ = ROTATED
    result = minimize(fun, start, jac=jac, optimizer=name)
    assert result.success
    assert result.fun < 1e-10 * fun(start)


@pytest.mark.parametrize("seed", range(2))
def test_restarts_find_the_least_of_many_minima(seed):
    settings = {"n_restarts": 100, "bounds": [(-3.0, 3.0)] * 2, "random_state": seed}  # 36 minima
    result = minimize(rastrigin, [2.7, 2.7], **settings)
    assert result.success
    np.testing.assert_allclose(result.x, 0, atol=1e-5)
    values = [each.fun for each in result.restarts]
    assert values == sorted(values)
    assert len(values) == 100
    assert result.fun == values[0] < 1e-9 < values[-1]
    assert result.nfev == sum(each.nfev for each in result.restarts)
    if seed == 0:
        again = minimize(rastrigin, [2.7, 2.7], **settings)
        assert again.fun == result.fun
        np.testing.assert_array_equal(again.x, result.x)


@pytest.mark.parametrize("bounds", [None, [(-5.12, 5.12)] * 10])
def test_starts_beside_the_best_point_lead_to_lower_ones(bounds):
    start = np.random.default_rng(0).uniform(-5, 5, 10)
    settings = {"jac": lambda x: 2 * x + 20 * np.pi * np.sin(2 * np.pi * x), "optimizer": "lbfgs", "bounds": bounds}
    least = [
        minimize(rastrigin, start, n_restarts=100, restart_from=where, random_state=0, **settings).fun
        for where in ("start", "best")
    ]
    assert least[1] < 0.5 * least[0]


@pytest.mark.parametrize("restart_from", ["start", "best"])
def test_the_number_of_threads_changes_nothing(restart_from):
    settings = {"optimizer": "lbfgs", "n_restarts": 6, "restart_from": restart_from, "random_state": 0}
    with joblib.parallel_config("threading"):
        one, two = (minimize(rastrigin, [3.0, 2.0], n_jobs=n_jobs, **settings) for n_jobs in (1, 2))
    for each, other in zip(one.restarts, two.restarts, strict=True):
        np.testing.assert_array_equal(each.x, other.x)
        assert (each.nit, each.nfev) == (other.nit, other.nfev)


def test_restarts_without_bounds_are_drawn_around_the_start():
    met = []
    minimize(lambda x: met.append(x[0]) or x[0], [100.0], jac=np.ones_like, n_restarts=50, max_iter=1, tol=None)
    starts = np.array(met)
    assert 40 < np.abs(starts - 100).max() < 600
    assert 100.0 in starts


def test_restarts_within_bounds_are_drawn_evenly():
    # the first variable between two limits, the second below one, the third free
    settings = {"n_restarts": 300, "max_iter": 1, "tol": None, "return_path": True, "random_state": 0}
    bounds = [(0, 1000), (None, 2), (None, None)]
    result = minimize(lambda x: x @ x, [1.0, 0.0, -3.0], bounds=bounds, jac=lambda x: 2 * x, **settings)
    starts = np.array([each.path[0] for each in result.restarts])
    drawn = starts[(starts != [1.0, 0.0, -3.0]).all(axis=1)]
    assert len(drawn) == 299
    assert stats.kstest(drawn[:, 0] / 1000, "uniform").pvalue > 0.01
    assert (drawn[:, 1] <= 2).all()
    inside = drawn[drawn[:, 1] < 2, 1]  # what fell beyond the limit starts there
    assert stats.kstest(inside, stats.truncnorm(-np.inf, 2).cdf).pvalue > 0.01
    assert stats.kstest((drawn[:, 2] + 3) / 3, "norm").pvalue > 0.01


# -- x and its gradient


def test_scalars_go_in_and_come_out():
    result = minimize(lambda x: math.cosh(x - 1), 3, return_path=True)
    assert np.ndim(result.x) == np.ndim(result.jac) == 0
    assert result.x == pytest.approx(1, abs=1e-6)
    assert result.path.shape == result.fun_path.shape == (result.nit + 1,)
    for start, jac in (3.0, lambda x: [np.sinh(x - 1)]), ([3.0], lambda x: np.sinh(x[0] - 1)):
        result = minimize(lambda x: np.cosh(x - 1).sum(), start, jac=jac)
        assert result.x == pytest.approx(1, abs=1e-6)
        assert np.shape(result.x) == np.shape(result.jac) == np.shape(start)


def test_x_has_the_shape_of_the_start():
    goal = np.arange(6.0).reshape(2, 3)
    seen = set()

    def fun(W):
        seen.add(W.shape)
        return ((W - goal) ** 2).sum()

    for jac in (None, lambda W: 2 * (W - goal)):
        result = minimize(fun, np.zeros((2, 3)), jac=jac, return_path=True)
        np.testing.assert_allclose(result.x, goal, atol=1e-6)
        assert result.jac.shape == (2, 3)
        assert result.path.shape == (result.nit + 1, 2, 3)
    assert seen == {(2, 3)}


@pytest.mark.parametrize("jac", [None, "2-point", "3-point", "cs", True])
def test_ways_to_the_gradient(jac):
    calls = []

    def fun(x, a):
        calls.append(1)
        value = (1 - x[0]) ** 2 + a * (x[1] - x[0] ** 2) ** 2
        return (value, rosen_der(x)) if jac is True else value

    result = minimize(fun, [-1.2, 1.0], jac=jac, args=(100.0,), optimizer="lbfgs")
    assert result.success, result.message
    np.testing.assert_allclose(result.x, 1, atol=1e-5)
    assert result.nfev == len(calls)
    assert result.njev > result.nit


def test_evaluations_are_counted_and_not_repeated():
    points = []

    def fun(x):
        points.append(tuple(x))
        return rosen(x)

    gradients = []

    def jac(x):
        gradients.append(tuple(x))
        return rosen_der(x)

    result = minimize(fun, [-1.2, 1.0], jac=jac, learning_rate=1e-3, max_iter=50, tol=None)
    assert (result.nfev, result.njev, result.nit) == (len(points), len(gradients), 50)
    assert points == gradients
    assert len(set(points)) == len(points) == 51
    assert result.fun == rosen(result.x)
    np.testing.assert_array_equal(result.jac, rosen_der(result.x))


def test_the_users_arrays_stay_as_they_are():
    start = np.array([-1.2, 1.0])

    def fun(x):
        value = rosen(x)
        x[:] = 7
        return value

    def jac(x):
        slope = rosen_der(x)
        x[:] = 7
        return slope

    spoiling = minimize(fun, start, jac=jac, max_iter=5, tol=None)
    np.testing.assert_array_equal(start, [-1.2, 1.0])
    np.testing.assert_array_equal(spoiling.x, minimize(rosen, start, jac=rosen_der, max_iter=5, tol=None).x)
    optimizer = Adam(learning_rate=0.1)
    before = clone(optimizer)
    minimize(rosen, start, jac=rosen_der, optimizer=optimizer, max_iter=5, tol=None)
    assert repr(optimizer) == repr(before)
    assert optimizer.__dict__.keys() == before.__dict__.keys()


def test_maximize_is_descent_on_the_opposite():
    up = minimize(
        lambda x: -rosen(x) + 5, [-1.2, 1.0], maximize=True, optimizer="adam", learning_rate=0.1, return_path=True
    )
    few = {"max_iter": 20, "tol": None}
    down = minimize(rosen, [-1.2, 1.0], optimizer="adam", learning_rate=0.1, return_path=True, **few)
    np.testing.assert_allclose(up.path[:20], down.path[:20], rtol=1e-6)
    assert up.success
    assert up.fun == pytest.approx(5, abs=1e-6)
    assert up.fun_path[0] == pytest.approx(-19.2)
    slope = minimize(lambda x: -((x - 2) ** 2), 0.0, maximize=True, max_iter=1, tol=None, learning_rate=0.1)
    assert slope.x == pytest.approx(0.4)
    assert slope.jac == pytest.approx(-2 * (0.4 - 2), abs=1e-6)


# -- the line search


@pytest.mark.parametrize("problem", [*PROBLEMS, "rotated"])
def test_the_line_search_never_increases_the_function(problem):
    fun, jac, start, _ = PROBLEMS.get(problem, ROTATED)
    result = minimize(fun, start, jac=jac, return_path=True)
    assert (np.diff(result.fun_path) <= 0).all()
    np.testing.assert_array_equal(result.fun_path, [fun(x) for x in result.path])
    assert result.learning_rate is None


def test_steps_of_the_line_search_go_against_the_gradient():
    result = minimize(rosen, [-1.2, 1.0], jac=rosen_der, max_iter=30, tol=None, return_path=True)
    for x, step in zip(result.path, np.diff(result.path, axis=0), strict=False):
        g = rosen_der(x)
        cosine = -step @ g / np.linalg.norm(step) / np.linalg.norm(g)
        assert cosine == pytest.approx(1)


@pytest.mark.parametrize("factor", [1e-300, 1e-100, 1e150])
def test_the_size_of_the_function_does_not_matter(factor):
    result = minimize(lambda x: factor * booth(x), [0.0, 0.0])
    np.testing.assert_allclose(result.x, [1, 3], atol=1e-4)


def test_momentum_gets_its_rate_from_the_curvature():
    result = minimize(lambda x: 50 * x @ x, [1.0, 2.0], jac=lambda x: 100 * x, optimizer="momentum")
    assert result.success
    assert result.learning_rate == pytest.approx(1 / 100)


def test_momentum_gets_the_rate_of_the_steepest_direction():
    curvatures = np.array([1.0, 30.0, 100.0])
    result = minimize(lambda x: curvatures @ x**2 / 2, np.ones(3), jac=lambda x: curvatures * x, optimizer="momentum")
    assert result.success
    assert 0.95 <= result.learning_rate * 100 <= 1.5


def test_an_explosion_in_the_very_last_iteration_is_one():
    settings = {"jac": lambda x: 2 * x, "learning_rate": 1e4, "max_iter": 1, "tol": None}
    with pytest.warns(ConvergenceWarning, match="Diverged"):
        result = minimize(lambda x: x @ x, [1.0, 2.0], **settings)
    assert result.status == 2
    np.testing.assert_array_equal(result.x, [1.0, 2.0])


@pytest.mark.parametrize(("jac", "digits"), [("2-point", 1e-6), ("3-point", 1e-9), ("cs", 1e-14)])
def test_differences_are_those_that_are_asked_for(jac, digits):
    start = np.array([-1.2, 1.0, 0.7])
    result = minimize(rosen, start, jac=jac, learning_rate=1e-300, max_iter=1, tol=None)
    error = np.abs(result.jac - rosen_der(start)).max() / np.abs(rosen_der(start)).max()
    assert digits / 1e6 < error + digits / 1e5 < digits


def test_quasi_newton_steps_are_about_as_many_as_scipys():
    theirs = optimize.minimize(rosen, np.full(10, -1.0), jac=rosen_der, method="L-BFGS-B", options={"ftol": 0})
    ours = minimize(rosen, np.full(10, -1.0), jac=rosen_der, optimizer="lbfgs", criterion="gradient", tol=1e-5)
    assert ours.success
    assert ours.nit < 1.5 * theirs.nit


def test_a_gradient_goes_below_what_the_value_can_show():
    # of the last steps the value, with sixteen digits, tells nothing
    result = minimize(
        lambda x: 1e4 + rosen(x), [-1.2, 1.0], jac=rosen_der, optimizer="lbfgs", criterion="gradient", tol=1e-8
    )
    assert result.success, result.message
    assert np.abs(rosen_der(result.x)).max() <= 1e-8


def test_a_rate_that_leads_astray_is_reduced_if_it_is_auto():
    # nearly flat where it begins, and steep where that leads to
    def fun(x):
        return float(np.cosh(x[0]) if abs(x[0]) < 700 else np.inf)

    result = minimize(fun, [1e-3], jac=np.sinh, optimizer=SGD(momentum=0.9), max_iter=500)
    assert result.success
    start = minimize(lambda x: x[0] ** 4 + 1e-4 * x[0] ** 2, [5.0], optimizer="rmsprop", max_iter=20_000)
    assert abs(start.x[0]) < 0.1


class Bold(Optimizer):
    """Plain descent whose customary rate is far too large."""

    default_learning_rate = 10.0

    @staticmethod
    def rule(params, grads, slots, hyper, learning_rate, t):
        for j in range(params.size):
            params[j] -= learning_rate * grads[j]


def test_a_customary_rate_is_divided_by_four_until_it_leads_down():
    result = minimize(lambda x: x @ x, [1.0, -2.0], jac=lambda x: 2 * x, optimizer=Bold())
    assert result.success
    assert result.learning_rate == 10 / 4**2  # 2.5 leads astray, too: it multiplies x by -4
    with pytest.warns(ConvergenceWarning, match="Diverged"):  # the user's own rate stays as it is
        minimize(lambda x: x @ x, [1.0, -2.0], jac=lambda x: 2 * x, optimizer=Bold(), learning_rate=10.0)


def test_rates_of_adaptive_rules_fit_the_variables():
    result = minimize(booth, [0.0, 0.0], optimizer="adam", max_iter=1, tol=None)
    assert result.learning_rate == pytest.approx(0.1)
    np.testing.assert_allclose(result.x, 0.1, rtol=1e-5)  # Adam's first step is the rate, whatever the gradient
    far = minimize(lambda x: x @ x, [500.0, 500.0], optimizer="adam", max_iter=1, tol=None)
    np.testing.assert_allclose(500 - far.x, 50, rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "adagrad"])
def test_adaptive_rules_reach_minima_by_themselves(name):
    for fun, jac, start in (booth, booth_gradient, [0.0, 0.0]), (beale, beale_gradient, [1.0, 1.0]):
        result = minimize(fun, start, jac=jac, optimizer=name)
        assert result.success, result.message
        assert result.fun < 1e-6


def test_schedules_count_iterations():
    result = minimize(
        lambda x: x @ [3.0, -1.0],
        [0.0, 0.0],
        jac=lambda x: np.array([3.0, -1.0]),
        learning_rate=0.1,
        schedule=StepDecay(decay=0.5, every=2),
        max_iter=6,
        tol=None,
        return_path=True,
    )
    np.testing.assert_allclose(np.diff(result.path[:, 0]), -0.3 * np.array([1, 1, 0.5, 0.5, 0.25, 0.25]))
    same = minimize(
        lambda x: x @ [3.0, -1.0],
        [0.0, 0.0],
        jac=lambda x: np.array([3.0, -1.0]),
        learning_rate=0.1,
        schedule=lambda t: 0.5 ** (t // 2),
        max_iter=6,
        tol=None,
    )
    np.testing.assert_array_equal(same.x, result.x)


def test_an_optimizer_of_ones_own():
    class SignDescent(Optimizer):
        @staticmethod
        def rule(params, grads, slots, hyper, learning_rate, t):
            for j in range(params.size):
                params[j] -= learning_rate * np.sign(grads[j])

    result = minimize(booth, [0.0, 0.0], optimizer=SignDescent(), learning_rate=0.25, max_iter=4, tol=None)
    np.testing.assert_allclose(result.x, [1.0, 1.0])


# -- when it ends


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs", Adam(learning_rate=0.1), SGD(learning_rate=1e-3, momentum=0.9)])
@pytest.mark.parametrize(("criterion", "tol"), [("step", 1e-6), ("gradient", 1e-6), ("objective", 1e-6)])
def test_criteria(optimizer, criterion, tol):
    settings = {"jac": rosen_der, "optimizer": optimizer, "return_path": True}
    result = minimize(rosen, [-1.2, 1.0], criterion=criterion, tol=tol, **settings)
    assert result.success, result.message
    assert result.status == 0
    assert rosen(result.x) < 1e-4
    assert "Converged" in result.message
    if criterion == "gradient":
        assert np.abs(rosen_der(result.x)).max() <= tol
        assert np.abs(rosen_der(result.path[-2])).max() > tol
    if criterion == "step":
        assert np.abs(np.diff(result.path[-3:], axis=0)).max() <= tol


def test_the_first_small_step_ends_plain_descent_at_a_given_rate():
    result = minimize(lambda x: x**2, 1.0, jac=lambda x: 2 * x, learning_rate=0.25, tol=0.01, return_path=True)
    np.testing.assert_allclose(result.path, 0.5 ** np.arange(8))  # 1/64 - 1/128 is the first difference below 0.01
    assert "the last step, 0.0078, is within tol=0.01" in result.message


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True)], ids=str)
def test_momentum_must_stand_still_for_five_iterations(optimizer):
    result = minimize(rosen, [-1.2, 1.0], jac=rosen_der, optimizer=optimizer, learning_rate=1e-3, return_path=True)
    small = np.abs(np.diff(result.path, axis=0)).max(axis=1) <= 1e-6
    ends = [k for k in range(5, len(small) + 1) if small[k - 5 : k].all()]
    assert ends == [result.nit]


def test_max_iter():
    result = minimize(rosen, [-1.2, 1.0], jac=rosen_der, learning_rate=1e-3, max_iter=10)
    assert (result.status, result.success, result.nit) == (1, False, 10)
    assert "max_iter=10" in result.message
    assert "tol=1e-06 (step) was not met" in result.message


def test_a_gradient_within_tol_that_rounding_forbids():
    settings = {"optimizer": "lbfgs", "criterion": "gradient", "tol": 1e-17}
    result = minimize(lambda x: np.exp(x) - 3 * x, 0.0, jac=lambda x: np.exp(x) - 3, **settings)
    assert (result.status, result.success) == (4, False)
    assert "rounding" in result.message


@pytest.mark.parametrize("takes_result", [False, True])
@pytest.mark.parametrize("raises", [False, True])
def test_callback_sees_every_iteration_and_can_end_it(takes_result, raises):
    seen = []

    def callback(x):
        seen.append(x.copy())
        x[:] = 0
        if raises and len(seen) == 7:
            raise StopIteration
        return len(seen) == 7

    def callback_of_result(intermediate_result):
        assert intermediate_result.fun == rosen(intermediate_result.x)
        return callback(intermediate_result.x)

    result = minimize(
        rosen,
        [-1.2, 1.0],
        jac=rosen_der,
        optimizer="adam",
        learning_rate=0.1,
        callback=callback_of_result if takes_result else callback,
        return_path=True,
        n_restarts=3,
    )
    assert (result.status, result.nit, result.success) == (99, 7, False)
    assert "callback" in result.message
    np.testing.assert_array_equal(result.path[1:], seen)
    with pytest.raises(KeyError, match="mine"):
        minimize(rosen, [-1.2, 1.0], callback=lambda x: {}["mine"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_callbacks_are_told_where_every_optimizer_is_and_may_keep_it(optimizer, sign):
    told, limits = [], [(-2.0, 0.8), (-3.0, 3.0)]

    def callback(intermediate_result):
        told.append(intermediate_result)

    result = minimize(
        lambda x: sign * rosen(x),
        [-1.2, 1.0],
        jac=lambda x: sign * rosen_der(x),
        maximize=sign < 0,
        optimizer=optimizer,
        bounds=limits,
        max_iter=12,
        tol=None,
        return_path=True,
        callback=callback,
    )
    assert [each.nit for each in told] == list(range(1, result.nit + 1))
    np.testing.assert_array_equal([each.x for each in told], result.path[1:])
    for each in told:
        assert each.fun == sign * rosen(each.x)
        np.testing.assert_array_equal(each.jac, sign * rosen_der(each.x))
        assert each.learning_rate == result.learning_rate
    assert not any(np.shares_memory(each.x, other) for each in told for other in (result.x, result.path))


def test_what_callbacks_return_but_true_is_no_end():
    for answer in (None, 1, "yes", np.array([True, True]), np.False_):
        assert minimize(booth, [0.0, 0.0], max_iter=3, callback=lambda x, answer=answer: answer).nit == 3
    assert minimize(booth, [0.0, 0.0], max_iter=3, callback=lambda x: np.True_).nit == 1


def test_a_callback_that_sees_the_function_grow_gets_the_best_point_back():
    def callback(intermediate_result):
        return intermediate_result.fun > 1e7

    result = minimize(lambda x: x @ x, [1.0, 2.0], jac=lambda x: 2 * x, learning_rate=2.0, callback=callback)
    assert (result.status, result.success) == (99, False)
    np.testing.assert_array_equal(result.x, [1.0, 2.0])


def test_a_callback_ends_all_starts_whichever_was_the_best():
    seen = []

    def callback(intermediate_result):  # in the second start, far off the minimum that the first one is at
        seen.append(intermediate_result)
        return len(seen) > 1 and intermediate_result.nit == 1

    result = minimize(booth, [1.0, 3.1], n_restarts=5, bounds=[(-1e3, 1e3)] * 2, callback=callback, random_state=0)
    np.testing.assert_allclose(result.x, [1.0, 3.0], atol=1e-4)
    assert (result.status, result.success, len(result.restarts)) == (99, False, 2)
    assert [each.status for each in result.restarts] == [0, 99]


def test_all_iterations_are_a_success_where_they_were_asked_for():
    asked_for = minimize(rosen, [-1.2, 1.0], jac=rosen_der, max_iter=30, tol=None)
    assert (asked_for.success, asked_for.status, asked_for.nit) == (True, 1, 30)
    assert asked_for.message.startswith("All max_iter=30 iterations were made, as tol=None asks for")
    too_few = minimize(rosen, [-1.2, 1.0], jac=rosen_der, max_iter=30)
    assert (too_few.success, too_few.status, too_few.nit) == (False, 1, 30)
    assert "tol=1e-06 (step) was not met" in too_few.message


# -- what is no minimum


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4


def saddle_slope(x):
    return np.array([2 * x[0], 4 * x[1] ** 3 - 2 * x[1]])


def rotated_saddle(x):
    turned = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))[0] @ x
    return 0.5 * np.sum(turned**2) - turned[3] ** 2 + 0.1 * np.sum(turned**4)


NO_MINIMA = {
    "saddle": (saddle, [1.0, 0.0], "both ways along some directions.*saddle"),
    "saddle in ten dimensions": (rotated_saddle, np.zeros(10), "saddle"),
    "maximum": (lambda x: -x @ x + 0.1 * (x @ x) ** 2, [0.0, 0.0], "maximum"),
    "plateau": (lambda x: 1 - np.exp(-x @ x), [10.0, 10.0], "plateau"),
    "inflection": (lambda x: x[0] ** 3 + x[0] ** 4, [0.0], "still goes down"),
    "no end": (lambda x: -x[0], [0.0], "without end"),
}


@pytest.mark.parametrize("name", NO_MINIMA)
def test_what_is_no_minimum_is_not_called_one(name):
    fun, start, words = NO_MINIMA[name]
    jac = {"saddle": saddle_slope, "inflection": lambda x: 3 * x**2 + 4 * x**3}.get(name, "3-point")
    with pytest.warns(ConvergenceWarning, match=f"no minimum: .*{words}"):
        result = minimize(fun, start, jac=jac, max_iter=2000, escape=False)
    assert (result.status, result.success) == (3, False)


def test_steps_that_are_too_small():
    with pytest.warns(ConvergenceWarning, match="still goes down.*steps that are too small"):
        result = minimize(rosen, [-1.2, 1.0], jac=rosen_der, learning_rate=1e-9)
    assert not result.success


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(
    "fun", [lambda x: x @ x, lambda x: np.sum(x**4), lambda x: np.sum(np.abs(x)), lambda x: np.sum(x[:1] ** 2)]
)
def test_minima_are_called_so_whatever_their_scale(fun, scale):
    # smooth, flat, with a kink, and a whole line of them
    result = minimize(lambda x: fun(x / scale - 1), [3 * scale, 2 * scale], tol=1e-6 * scale)
    assert result.success, result.message


def test_a_minimum_is_not_called_a_maximum_and_the_reverse_is_no_maximum_at_a_saddle():
    with pytest.warns(ConvergenceWarning, match="no maximum: the function goes up.*saddle"):
        minimize(saddle, [0.0, 0.0], jac=saddle_slope, maximize=True, escape=False)


# -- functions that misbehave


def tutorial(x):
    return (x**3 + 2 * x - 3) ** 2


def tutorial_slope(x):
    return (tutorial(x + 1e-8) - tutorial(x)) / 1e-8


def test_the_tutorials_root():
    with pytest.warns(ConvergenceWarning, match=r"learning_rate=0.01.*grew.*learning_rate=.* would work"):
        result = minimize(tutorial, 5.0, jac=tutorial_slope, learning_rate=0.01, return_path=True)
    assert (result.x, result.fun, result.status) == (5.0, 17424.0, 2)
    assert result.path[1] == pytest.approx(5 - 0.01 * 2 * 132 * 77, rel=1e-3)
    assert minimize(tutorial, 5.0).x == pytest.approx(1, abs=1e-6)
    with pytest.warns(ConvergenceWarning, match="jac isn't the gradient"):  # it is 0 there by rounding
        minimize(tutorial, 1.8e10, jac=tutorial_slope, learning_rate=0.01)


def test_the_rate_that_is_advised_works():
    with pytest.warns(ConvergenceWarning) as caught:
        minimize(rosen, [-1.2, 1.0], jac=rosen_der, learning_rate=1.0)
    rate = float(str(caught[0].message).split("learning_rate=")[2].split()[0])
    assert minimize(rosen, [-1.2, 1.0], jac=rosen_der, learning_rate=rate, max_iter=2000).status == 1


def raises(x):
    return math.log(x)


def turns_nan(x):
    return np.log(x)


def turns_wide(x):
    return np.log(x) if x > 0 else np.zeros(2)


def turns_inf(x):
    return math.log(x) if x > 0 else math.inf


MISBEHAVING = {
    raises: "math domain error",
    turns_nan: "fun is nan",
    turns_wide: "must return a real number",
    turns_inf: "fun is -inf",
}


@pytest.mark.parametrize("part", MISBEHAVING, ids=lambda part: part.__name__)
def test_a_function_that_misbehaves_on_the_way(part):
    with pytest.warns(ConvergenceWarning, match=MISBEHAVING[part]):
        result = minimize(lambda x: x - part(x), 5.0, learning_rate=10.0, max_iter=50, return_path=True)
    assert result.status == 2
    assert result.fun == pytest.approx(5 - math.log(5))  # of the best point before
    assert result.x == 5.0
    assert result.path[1] == pytest.approx(5 - 10 * 0.8, rel=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for optimizer in ("sgd", "lbfgs"):  # a line search stays where there are values
            result = minimize(lambda x: x - part(x), 5.0, optimizer=optimizer)
            assert result.success
            assert result.x == pytest.approx(1, abs=1e-5)


def test_a_gradient_that_misbehaves_on_the_way():
    def jac(x):
        return 2 * x if x > 0.5 else np.nan

    with pytest.warns(ConvergenceWarning, match="gradient is nan"):
        result = minimize(lambda x: x**2, 4.0, jac=jac, learning_rate=0.45)
    assert result.x == 4.0  # from 0.4 no step leads on
    assert result.status == 2


def test_a_gradient_that_is_another_functions():
    with pytest.warns(ConvergenceWarning, match="jac isn't the gradient"):
        result = minimize(rosen, [-1.2, 1.0], jac=lambda x: -rosen_der(x))
    assert not result.success
    with pytest.warns(ConvergenceWarning, match="Diverged.*jac isn't the gradient"):
        minimize(rosen, [-1.2, 1.0], jac=lambda x: -rosen_der(x), learning_rate=1e-3)


def test_a_wrong_gradient_that_no_step_can_follow_is_told():
    # no step in its direction leads down, and it is far from zero: is it rounding, or another function's?
    with pytest.warns(ConvergenceWarning, match="jac isn't the gradient"):
        result = minimize(rosen, [-1.2, 1.0], jac=lambda x: -rosen_der(x), criterion="gradient")
    assert (result.status, result.success) == (3, False)


def test_what_is_wrong_at_the_start_is_an_error():
    with pytest.raises(ZeroDivisionError):
        minimize(lambda x: 1 / 0, 1.0)
    with pytest.raises(ValueError, match="fun is not finite at x0: it is nan"):
        minimize(lambda x: np.nan, 1.0)
    with pytest.raises(ValueError, match="fun must return a real number"):
        minimize(lambda x: x, [1.0, 2.0])
    with pytest.raises(ValueError, match="fun must return a real number, it returned None"):
        minimize(lambda x: None, 1.0)  # "return" was forgotten
    with pytest.raises(ValueError, match="fun must return a real number"):
        minimize(lambda x: 1j, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"jac must return an array of shape \(2,\), as x0; it returned \(3,\)"):
        minimize(rosen, [1.0, 2.0], jac=lambda x: np.ones(3))
    with pytest.raises(ValueError, match="jac is not finite"):
        minimize(rosen, [1.0, 2.0], jac=lambda x: np.full(2, np.inf))
    with pytest.raises(ValueError, match=r"jac=True fun must return \(value, gradient\)"):
        minimize(rosen, [1.0, 2.0], jac=True)


def test_a_random_start_without_a_value_loses_nothing():
    result = minimize(lambda x: x - math.log(x), 3.0, n_restarts=20, random_state=1)
    assert result.x == pytest.approx(1, abs=1e-5)
    failed = [each for each in result.restarts if each.nit == 0]
    assert failed
    assert all("ValueError" in each.message and not each.success for each in failed)
    assert result.restarts[: -len(failed)] == [each for each in result.restarts if each not in failed]


BAD_ARGUMENTS = [
    ({"optimizer": "none"}, "'optimizer' parameter of minimize must be"),
    ({"learning_rate": 0.0}, "'learning_rate' parameter of minimize must be"),
    ({"schedule": "none"}, "'schedule' parameter"),
    ({"max_iter": -1}, "'max_iter' parameter"),
    ({"tol": -1.0}, "'tol' parameter"),
    ({"criterion": "none"}, "'criterion' parameter"),
    ({"jac": "4-point"}, "'jac' parameter"),
    ({"n_restarts": 0}, "'n_restarts' parameter"),
    ({"restart_from": "end"}, "'restart_from' parameter"),
    ({"callback": print, "n_jobs": 2}, "needs n_jobs=1"),
    ({"callback": 1}, "'callback' parameter"),
    ({"x0": [1.0, np.nan]}, "x0 must be .* finite real numbers; it is"),
    ({"x0": []}, "x0 must be"),
    ({"x0": "ab"}, "x0 must be"),
    ({"x0": np.array([1j, 2])}, "x0 must be"),
    ({"bounds": [(0, 2)]}, "pair .* for each of 2 variables"),
    ({"bounds": [(0, 2), (3, 1)]}, "low <= high"),
    ({"bounds": [(0, 2), (2, 3)]}, "x0=.* must lie within bounds"),
    ({"bounds": 3}, "bounds must be"),
    ({"optimizer": Adam(beta1=2.0)}, "'beta1' parameter of Adam"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_ARGUMENTS)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        minimize(**({"fun": rosen, "x0": [1.0, 1.0]} | arguments))


def test_two_learning_rates():
    with pytest.warns(UserWarning, match="learning_rate=0.1 is used, not that of"):
        result = minimize(booth, [0.0, 0.0], optimizer=Adam(learning_rate=0.2), learning_rate=0.1, max_iter=1, tol=None)
    np.testing.assert_allclose(result.x, 0.1, rtol=1e-6)
    result = minimize(booth, [0.0, 0.0], optimizer=Adam(learning_rate=0.2), max_iter=1, tol=None)
    np.testing.assert_allclose(result.x, 0.2, rtol=1e-6)


# -- bounds


@pytest.mark.parametrize(
    "optimizer", ["sgd", "lbfgs", "momentum", Adam(learning_rate=0.03), SGD(learning_rate=1e-3)], ids=str
)
def test_bounds(optimizer):
    met = []

    def fun(x):
        met.append(x)
        return rosen(x)

    bounds = [(-2, 0.5), (None, 0.6)]
    result = minimize(fun, [-1.2, 0.5], optimizer=optimizer, bounds=bounds, return_path=True)
    assert result.success, result.message
    expected = optimize.minimize(rosen, [-1.2, 0.5], bounds=bounds).x
    np.testing.assert_allclose(result.x, expected, atol=1e-4)
    assert (np.array(met) <= [0.5, 0.6]).all()
    assert (result.path[:, 0] >= -2).all()
    of_scipy = optimize.Bounds([-2, -np.inf], [0.5, 0.6])
    np.testing.assert_array_equal(minimize(rosen, [-1.2, 0.5], optimizer=optimizer, bounds=of_scipy).x, result.x)


@pytest.mark.parametrize("jac", [None, "3-point", "cs", lambda x: np.array([2 * (x[0] - 3), 2 * (x[1] + 1)])])
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs", "momentum", Adam(learning_rate=0.1)], ids=str)
def test_variables_without_room(optimizer, jac):
    result = minimize(
        lambda x: (x[0] - 3) ** 2 + (x[1] + 1) ** 2,
        [1.0, 0.0],
        jac=jac,
        bounds=[(1, 1), (None, None)],
        optimizer=optimizer,
        criterion="gradient",
        tol=1e-5,
    )
    assert result.success, result.message
    np.testing.assert_allclose(result.x, [1, -1], atol=1e-4)
    nowhere = minimize(lambda x: x @ x, [1.0, 0.0], bounds=[(1, 1), (0, 0)], optimizer=optimizer)
    np.testing.assert_array_equal(nowhere.x, [1, 0])
    assert (nowhere.success, nowhere.nfev) == (True, 1)
    assert "fixed by their bounds" in nowhere.message


def test_one_bound_for_one_variable():
    assert minimize(lambda x: x**2, 3.0, bounds=[(1, None)]).x == 1.0


# -- as a method of SciPy


def test_scipy_method_gives_the_same_as_minimize():
    method = scipy_method("adam", learning_rate=0.1, max_iter=300, tol=None)
    given = optimize.minimize(rosen, [-1.2, 1.0], jac=rosen_der, method=method)
    alone = minimize(rosen, [-1.2, 1.0], jac=rosen_der, optimizer="adam", learning_rate=0.1, max_iter=300, tol=None)
    np.testing.assert_array_equal(given.x, alone.x)
    assert given.keys() == alone.keys()
    assert optimize.minimize(rosen, [-1.2, 1.0], method=pickle.loads(pickle.dumps(method))).nit == 300


def test_scipy_passes_on_all_it_has():
    seen = []
    result = optimize.minimize(
        lambda x, a: (rosen(x) + a, rosen_der(x)),
        [-1.2, 0.5],
        args=(3.0,),
        jac=True,
        method=scipy_method("lbfgs"),
        bounds=[(-2, 0.5), (None, 0.6)],
        tol=1e-9,
        callback=lambda xk: seen.append(xk),
        options={"maxiter": 200},
    )
    np.testing.assert_allclose(result.x, [0.5, 0.25], atol=1e-6)
    assert result.fun == pytest.approx(3.25)
    assert len(seen) == result.nit
    few = optimize.minimize(rosen, [-1.2, 1.0], method=scipy_method(), options={"maxiter": 3, "return_path": True})
    assert len(few.path) == 4


def test_options_of_scipy_go_before_the_settings():
    method = scipy_method("sgd", max_iter=2, tol=1e-3)
    result = optimize.minimize(rosen, [-1.2, 1.0], jac=rosen_der, method=method, options={"maxiter": 7})
    assert result.nit == 7
    loose = optimize.minimize(booth, [0.0, 0.0], method=scipy_method(max_iter=5000), tol=10.0)
    assert loose.nit <= 5


@pytest.mark.parametrize("raises", [False, True])
def test_scipy_callback_can_stop_it(raises):
    def callback(intermediate_result):
        if raises and intermediate_result.fun < 1:
            raise StopIteration
        return intermediate_result.fun < 1

    result = optimize.minimize(rosen, [-1.2, 1.0], method=scipy_method(), callback=callback)
    scipys = optimize.minimize(rosen, [-1.2, 1.0], method="BFGS", callback=callback)
    assert result.status == 99
    assert 0.1 < result.fun < 1
    if raises:
        assert (result.status, result.success) == (scipys.status, scipys.success)


def test_what_scipy_offers_and_descent_does_not_know(capsys):
    with pytest.warns(RuntimeWarning, match="Hessian"):
        optimize.minimize(rosen, [-1.2, 1.0], method=scipy_method(), hess=optimize.rosen_hess)
    with pytest.warns(OptimizeWarning, match="Unknown solver options: gtol"):
        optimize.minimize(rosen, [-1.2, 1.0], method=scipy_method(), options={"gtol": 1e-5})
    with pytest.raises(ValueError, match="constraints"):
        optimize.minimize(rosen, [1, 1], method=scipy_method(), constraints={"type": "eq", "fun": rosen})
    with pytest.raises(TypeError, match="knows no maxit; it takes"):
        scipy_method("adam", maxit=3)
    result = optimize.minimize(rosen, [-1.2, 1.0], method=scipy_method(), options={"disp": True})
    assert capsys.readouterr().out.strip() == result.message


def test_starts_iterations_and_nans_are_taken_as_by_scipy():
    with pytest.warns(OptimizeWarning, match="Initial guess is not within the specified bounds"):
        result = optimize.minimize(booth, [9.0, 0.0], method=scipy_method("lbfgs"), bounds=[(0, 2), (0, 9)])
    np.testing.assert_allclose(result.x, [1, 3], atol=1e-5)
    for maxiter, nit in (7.0, 7), (0, 0), (-1, 0), (np.inf, None):
        result = optimize.minimize(rosen, [-1.2, 1.0], method=scipy_method("lbfgs"), options={"maxiter": maxiter})
        assert result.nit == nit if nit is not None else result.success
        assert nit is None or result.status == 1
    with pytest.raises(ValueError, match="maxiter must be a number; it is 'many'"):
        optimize.minimize(rosen, [-1.2, 1.0], method=scipy_method(), options={"maxiter": "many"})
    for fun, start in (lambda x: np.nan, [1.0, 2.0]), (rosen, [np.nan, 2.0]):
        nowhere = optimize.minimize(fun, start, method=scipy_method(), bounds=[(0, 3)] * 2)
        theirs = optimize.minimize(fun, start, method="BFGS")
        assert (nowhere.success, nowhere.status, nowhere.nit) == (theirs.success, theirs.status, theirs.nit)
        assert np.isnan(nowhere.fun)
        np.testing.assert_array_equal(nowhere.x, start)


def test_basin_hopping_over_descent():
    result = optimize.basinhopping(
        rastrigin, [2.0, 2.0], niter=100, minimizer_kwargs={"method": scipy_method("lbfgs")}, rng=0
    )
    assert result.fun < 1


# -- the same every time


def test_same_bits_every_time():
    few = {"max_iter": 200, "tol": None}
    for settings in (few, {"optimizer": "lbfgs"}, {"optimizer": "adam", "learning_rate": 0.1} | few):
        one, other = (minimize(rosen, [-1.2, 1.0], return_path=True, random_state=3, **settings) for _ in range(2))
        np.testing.assert_array_equal(one.path, other.path)
        assert one.nfev == other.nfev


def test_many_variables():
    goal = np.linspace(-1, 1, 5_000)
    result = minimize(
        lambda x: np.sum((x - goal) ** 2),
        np.zeros(5_000),
        jac=lambda x: 2 * (x - goal),
        optimizer="adam",
        learning_rate=0.05,
    )
    assert result.success
    np.testing.assert_allclose(result.x, goal, atol=1e-3)


def test_adamw_decays_all_variables():
    result = minimize(
        lambda x: 0.0, [1.0, -2.0], jac=np.zeros_like, optimizer=AdamW(0.1, weight_decay=0.5), max_iter=1, tol=None
    )
    np.testing.assert_allclose(result.x, [0.95, -1.9])


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs", "momentum", "adam", Adam(learning_rate=0.1)], ids=str)
@pytest.mark.parametrize("last", [3, 5, 30])
def test_a_function_that_fails_for_good(optimizer, last):
    values = []

    def fun(x):
        if len(values) == last:
            raise OSError("the instrument is off")
        values.append(rosen(x))
        return values[-1]

    with pytest.warns(ConvergenceWarning, match="Ended in iteration .*OSError: the instrument is off, at x = "):
        result = minimize(fun, [-1.2, 1.0], jac=rosen_der, optimizer=optimizer)
    assert (result.status, result.success) == (2, False)
    assert result.fun == min(values) == rosen(result.x)


def test_a_line_search_that_has_lost_its_function_is_not_told_another_rate():
    # it tries shorter steps by itself, so no rate would have worked
    values = []

    def fun(x):
        if len(values) == 5:
            raise OSError("the instrument is off")
        values.append(rosen(x))
        return values[-1]

    with pytest.warns(ConvergenceWarning, match="Ended in iteration .*the instrument is off") as caught:
        result = minimize(fun, [-1.2, 1.0], jac=rosen_der, optimizer="lbfgs", learning_rate=0.5)
    assert "learning_rate" not in str(caught[0].message)
    assert result.fun == min(values) == rosen(result.x)
    assert (result.status, result.learning_rate) == (2, None)


def test_one_further_argument_needs_no_tuple():
    assert minimize(lambda x, goal: (x - goal) ** 2, 0.0, args=3.0).x == pytest.approx(3, abs=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_by_name(schedule):
    slope = np.array([3.0, -1.0])
    result = minimize(
        lambda x: x @ slope,
        [0.0, 0.0],
        jac=lambda x: slope,
        learning_rate=0.1,
        schedule=schedule,
        max_iter=100,
        tol=None,
        return_path=True,
    )
    # what falls for good has no plateau
    factors = np.ones(100) if schedule == "plateau" else get_schedule(schedule, 100)(np.arange(100.0))
    np.testing.assert_allclose(np.diff(result.path, axis=0), -0.1 * factors[:, None] * slope, rtol=1e-9, atol=1e-13)


def test_a_plateau_reduces_the_rate():
    schedule = ReduceOnPlateau(decay=0.5, patience=2)
    result = minimize(
        lambda x: 1.0,
        0.0,
        jac=lambda x: 2.0,
        learning_rate=0.1,
        schedule=schedule,
        max_iter=12,
        tol=None,
        return_path=True,
    )
    # the first value is one to beat; of those after it every second one is the end of a patience
    np.testing.assert_allclose(np.diff(result.path), -0.2 * 0.5 ** (np.maximum(np.arange(12) - 1, 0) // 2))


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.02, 0.05, "auto"])
def test_a_terrace_on_the_way_down(rate):
    # the gradient vanishes at 0, the minimum is at 9/4
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        result = minimize(lambda x: x**4 - 3 * x**3 + 9, -1.0, jac=lambda x: 4 * x**3 - 9 * x**2, learning_rate=rate)
    assert not result.success or result.x == pytest.approx(2.25, abs=1e-3)


@pytest.mark.parametrize("start", [4.0, 4.2, 5.0, 40.0])
@pytest.mark.parametrize("jac", [None, lambda x: 2 * x * np.exp(-(x**2))])
def test_a_start_on_a_plain(start, jac):
    with pytest.warns(ConvergenceWarning, match="no minimum"):
        result = minimize(lambda x: 1 - np.exp(-(x**2)), start, jac=jac, learning_rate=0.3)
    assert not result.success


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.02, 0.005])
def test_what_the_objective_criterion_leaves_is_within_tol_at_any_rate(rate):
    result = minimize(
        lambda x: 1 + x[0] ** 2 / 20 + x[1] ** 2,
        [-7.0, 2.0],
        jac=lambda x: np.array([x[0] / 10, 2 * x[1]]),
        learning_rate=rate,
        criterion="objective",
        tol=1e-3,
    )
    assert result.success, result.message
    assert 0 < result.fun - 1 < 1.1e-3


def test_noise_is_no_saddle():
    rng = np.random.default_rng(0)
    for _ in range(5):
        result = minimize(
            lambda x: x @ x + 1e-3 * rng.normal(),
            [1.0, 2.0],
            jac=lambda x: 2 * x + 1e-2 * rng.normal(size=2),
            learning_rate=0.1,
            schedule=lambda t: 1 / (1 + 0.01 * t) ** 2,
            tol=1e-4,
        )
        assert (result.status, result.success) == (4, False)
        assert "the noise of fun, about 0.00" in result.message
        assert np.abs(result.x).max() < 0.05


@pytest.mark.parametrize("start", [[1e4, -1e4], [1e6, -1e6]])
def test_a_start_far_off_is_no_measure_of_rounding(start):
    result = minimize(rosen, start, jac=rosen_der, optimizer="lbfgs")
    assert not result.success or result.fun < 1e-6


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_a_start_at_the_minimum_or_at_the_bound_that_is_it(optimizer):
    result = minimize(lambda x: (x - 50) ** 2, 50.0, jac=lambda x: 2 * (x - 50), optimizer=optimizer)
    assert result.success
    assert result.x == 50
    assert minimize(lambda x: -x, 100.0, bounds=[(0, 100)], optimizer=optimizer).x == 100


def test_the_edge_of_a_domain_is_no_saddle():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        minimize(lambda x: np.nan if x[0] < 1 else x[0] ** 2 + x[1] ** 2, [3.0, 2.0])
    assert not any("saddle" in str(warning.message) for warning in caught)


def test_the_objective_criterion_measures_the_value_now():
    result = minimize(rosen, [100.0, -100.0], jac=rosen_der, criterion="objective", optimizer="lbfgs", max_iter=50_000)
    assert result.fun < 1e-3


# -- the table of steps


def test_a_table_shows_every_step(capsys):
    minimize(lambda x: x**2, 3.0, jac=lambda x: 2 * x, learning_rate=0.1, max_iter=2, tol=None, trace=True)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["k", "x", "f", "gradient", "rate", "step"]
    assert [list(map(float, row.split())) for row in rows] == [
        [0, 3, 9, 6],
        [1, 2.4, 5.76, 4.8, 0.1, -0.6],
        [2, 1.92, 3.6864, 3.84, 0.1, -0.48],
    ]


def test_a_table_of_an_ascent_has_the_function_and_the_rates_that_a_line_search_found(capsys):
    result = minimize(lambda x: -(x**2).sum(), [1.0, -2.0], jac=lambda x: -2 * x, maximize=True, trace=True)
    _, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == result.nit + 1
    numbers = np.array(rows[1].split(), float)
    x, value, gradient, rate, step = numbers[1:3], numbers[3], numbers[4:6], numbers[6], numbers[7:9]
    np.testing.assert_allclose(step, x - [1.0, -2.0], atol=1e-3)
    np.testing.assert_allclose(value, -(x**2).sum(), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(gradient, -2 * x, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(rate * np.array([-2.0, 4.0]), step, rtol=1e-3)  # uphill


def test_a_table_of_many_variables_fits_on_a_line(capsys):
    minimize(lambda x: (x**2).sum(), np.ones(50), trace=True, max_iter=2, tol=None)
    assert max(map(len, capsys.readouterr().out.splitlines())) < 200


def test_differences_leave_fixed_variables_alone_and_shorten_as_the_function_does():
    def square(x):
        seen.append(x.copy())
        return float(x @ x)

    seen = []
    differences = Differences(None, 2, (np.array([0.0, 1.0]), np.array([2.0, 1.0])))
    np.testing.assert_allclose(differences.gradient(square, np.array([1.0, 1.0]), 2.0), [2.0, 0.0], rtol=1e-6)
    assert all(x[1] == 1 for x in seen)
    differences.shortens = True
    differences.gradient(square, np.array([0.01, 1.0]), 2e-4)  # 1e-4 of the first value: steps of its fourth root
    np.testing.assert_allclose(seen[-1][0] - 0.01, 0.1 * np.sqrt(np.finfo(float).eps), rtol=1e-3)


def test_starts_beside_the_best_move_by_shares_of_half_the_width():
    rng, best, box = np.random.RandomState(0), np.zeros(1), (np.array([-1000.0]), np.array([1000.0]))
    moves = np.abs([_beside(best, best, box, rng)[0] for _ in range(4000)])
    expected = 1000 * np.abs(rng.normal(size=40_000)) * 0.01 ** rng.uniform(size=40_000)
    np.testing.assert_allclose(np.median(moves), np.median(expected), rtol=0.15)
