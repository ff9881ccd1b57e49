"""What descent on a function ends at is a minimum wherever it says so: known functions, saddles, noise, bad scales."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import optimize
from scipy.optimize import rosen, rosen_der
from sklearn.exceptions import ConvergenceWarning

from skgd import minimize
from skgd._minimize.curvature import VALUE_STEP, curvature_at
from skgd._minimize.differences import noise_along, second_differences
from skgd._minimize.function import Function, FunctionObjective
from skgd._minimize.kinks import shortest_mean
from skgd._minimize.surroundings import Surroundings

# -- saddles, started exactly on the ridge: the ways down are across all gradients


def ridge(x):
    return np.sum(x[:-1] ** 2) - x[-1] ** 2 + x[-1] ** 4 / 4


def ridge_slope(x):
    return np.append(2 * x[:-1], x[-1] ** 3 - 2 * x[-1])


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
@pytest.mark.parametrize(("n", "jac"), [(2, None), (2, ridge_slope), (50, None), (100, None), (200, ridge_slope)])
def test_saddles_are_left_and_told_of(n, jac, optimizer):
    result = minimize(ridge, np.append(np.ones(n - 1), 0.0), jac=jac, optimizer=optimizer)
    assert result.success, result.message
    assert result.fun == pytest.approx(-1)  # at z = sqrt(2)
    assert abs(result.x[-1]) == pytest.approx(np.sqrt(2), abs=1e-4)
    if jac is not None:  # differences are off enough to lead past it
        assert "It had left a saddle where f = " in result.message


def monkey(x):
    # r^3 cos(3 phi) + r^4 in two variables: of second order there is nothing
    return x[0] ** 3 - 3 * x[0] * x[1] ** 2 + (x[0] ** 2 + x[1] ** 2) ** 2 + np.sum(x[2:] ** 2)


def monkey_slope(x):
    square = x[0] ** 2 + x[1] ** 2
    first = 3 * x[0] ** 2 - 3 * x[1] ** 2 + 4 * x[0] * square
    return np.array([first, -6 * x[0] * x[1] + 4 * x[1] * square, *2 * x[2:]])


@pytest.mark.parametrize(
    ("n", "jac"), [(2, monkey_slope), (10, monkey_slope), (40, monkey_slope), (10, None), (80, None)]
)
def test_a_saddle_of_third_order(n, jac):
    result = minimize(monkey, np.append([0.0, 0.0], np.ones(n - 2)), jac=jac, optimizer="lbfgs")
    assert result.success, result.message
    assert result.fun == pytest.approx(-27 / 256)  # at r = 3/4


@pytest.mark.parametrize("jac", [None, lambda x: np.array([2 * x[0], 4e-4 * (x[1] ** 3 - x[1] / 2)])])
def test_a_curvature_much_smaller_than_the_largest(jac):
    result = minimize(lambda x: x[0] ** 2 + 1e-4 * (x[1] ** 4 - x[1] ** 2), [1.0, 0.0], jac=jac, optimizer="lbfgs")
    assert result.success, result.message
    assert abs(result.x[1]) == pytest.approx(np.sqrt(0.5), abs=1e-3)


def test_who_does_not_want_it_stays_at_the_saddle():
    for settings in ({"escape": False}, {"learning_rate": 0.1}):
        with pytest.warns(ConvergenceWarning, match="no minimum: .*saddle"):
            result = minimize(ridge, [1.0, 0.0], jac=ridge_slope, **settings)
        assert (result.status, result.success) == (3, False)
        assert result.x[1] == 0
    result = minimize(ridge, [1.0, 0.0], jac=ridge_slope, learning_rate=0.1, escape=True)
    assert result.success, result.message
    assert result.fun == pytest.approx(-1)


def test_the_path_leads_over_the_saddle_and_counts_on():
    told = []

    def callback(intermediate_result):
        told.append(intermediate_result.nit)

    result = minimize(ridge, [1.0, 0.0], jac=ridge_slope, callback=callback, return_path=True)
    assert told == list(range(1, result.nit + 1))
    assert len(result.path) == result.nit + 1
    np.testing.assert_array_equal(result.path[-1], result.x)
    assert (np.diff(result.fun_path) <= 0).all()


@pytest.mark.parametrize(("n", "most"), [(20, 300), (60, 2_200), (80, 10_500)])
def test_the_smallest_curvature_is_known_from_values_and_what_it_costs(n, most):
    bends = np.append(np.linspace(1, 3, n - 1), -1e-2)
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(n, n)))[0]
    function = Function(lambda x: float(0.5 * bends @ (Q @ x) ** 2), None, (), (n,), 1.0, None)
    objective = FunctionObjective(function)
    objective.begin(Q.T @ np.eye(n)[0])
    before = function.counts["nfev"]
    found = curvature_at(objective, objective.first, np.ones(n))
    assert function.counts["nfev"] - before < most
    down = found.vectors[:, np.argmin(found.values)]
    assert -1e-2 <= bends @ (Q @ down) ** 2 / (down @ down) < -4e-3  # Lanczos's method ends once it is below zero


def test_steps_of_second_differences_fit_the_bend_but_at_a_kink():
    def steep(x):
        return float(np.cosh(1e4 * x[0]) + 1e3 * abs(x[1]))

    given = np.full(2, VALUE_STEP)
    forward, backward, steps = second_differences(steep, np.zeros(2), 1.0, given, 0.0, 1.0)
    assert (forward[0] + backward[0] - 2) / steps[0] ** 2 == pytest.approx(1e8, rel=1e-5)
    assert steps[1] == given[1]
    assert forward[1] == steep([0.0, steps[1]])


# -- valleys without end


def beale(x):
    a, b = map(float, x)
    return sum((c - a + a * b**k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("start", [(-2.0, 2.0), (-5.0, 5.0), (0.0, 3.0), (1.0, 2.2)])
def test_a_valley_that_falls_for_ever_has_no_minimum_that_is_a_success(start):
    result = minimize(beale, start, optimizer="lbfgs")
    assert result.fun > 0.45  # it goes to infinity beside the minimum, which is 0
    assert not result.success


def test_rough_differences_end_where_they_lead_nowhere():
    A = np.outer(np.arange(1, 36), np.arange(1, 8.0))  # of rank one: Moré, Garbow and Hillstrom 1981, function 33
    result = minimize(lambda x: float(np.sum((A @ x - 1) ** 2)), np.full(7, 10.0), optimizer="lbfgs")
    assert result.success, result.message
    assert result.fun == pytest.approx(35 * 34 / (2 * (2 * 35 + 1)))
    assert result.nfev < 500


# -- noise


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_noise_that_hides_the_way_down_is_told(optimizer):
    rng = np.random.default_rng(0)
    for _ in range(5):
        result = minimize(lambda x: np.sum((x - 1) ** 2) + 1e-3 * rng.normal(), np.zeros(5), optimizer=optimizer)
        assert (result.status, result.success) == (4, False)
        assert "the noise of fun, about 0.00" in result.message
        assert np.sum((result.x - 1) ** 2) < 0.01


def test_differences_step_over_the_rounding_of_single_precision():
    def fun(x):
        return float(np.sum((x.astype(np.float32) - np.float32(0.3)) ** 2, dtype=np.float32))

    result = minimize(fun, np.ones(4), optimizer="lbfgs")
    np.testing.assert_allclose(result.x, 0.3, atol=1e-3)


@pytest.mark.parametrize("sigma", [1e-12, 1e-6, 1.0])
def test_the_noise_of_a_smooth_function_is_estimated(sigma):
    rng = np.random.default_rng(1)

    def fun(x):
        return np.cosh(x @ x) + sigma * rng.normal()

    estimates = [noise_along(fun, np.full(3, 0.5), fun(np.full(3, 0.5))) for _ in range(50)]
    found = [estimate for estimate in estimates if estimate > 0]
    assert len(found) > 30
    assert 0.5 < np.median(found) / sigma < 2


@pytest.mark.parametrize("offset", [1e6, 1e8, 1e10])
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_a_constant_that_is_added_hides_no_more_than_its_rounding(offset, optimizer):
    result = minimize(lambda x: offset + rosen(x), [-1.2, 1.0], optimizer=optimizer)
    assert rosen(result.x) < 1e-4 + 32 * np.spacing(offset)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
@pytest.mark.parametrize("beyond", [np.inf, np.nan])
def test_a_search_that_meets_nothing_but_infinities_is_lost(optimizer, beyond):
    start = np.zeros(2)  # beside which there are floats however small a step is
    result = minimize(lambda x: x.sum() if (x >= 0).all() else beyond, start, jac=np.ones_like, optimizer=optimizer)
    assert result.status == 2
    assert f"fun is {beyond} at x" in result.message
    np.testing.assert_array_equal(result.x, start)


def test_steps_behind_a_saddle_are_no_longer_than_the_one_that_led_away():
    result = minimize(
        lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4,
        [1000.0, 0.0],  # from where a step of the first rate is some hundred long
        jac=lambda x: np.array([2 * x[0], 4 * x[1] ** 3 - 2 * x[1]]),
        optimizer="adagrad",
        return_path=True,
    )
    assert result.success
    assert "a saddle" in result.message
    assert 0.7 < np.abs(result.path[:, 1]).max() < 2  # the minima are at 0.71


# -- kinks


def valley_with_a_kink(x):
    return abs(1 - x[0]) + 100 * abs(x[1] - x[0] ** 2)


def slope_beside_the_kink(x):
    side = np.sign(x[1] - x[0] ** 2)
    return np.array([-np.sign(1 - x[0]) - 200 * x[0] * side, 100 * side])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
@pytest.mark.parametrize("jac", [None, slope_beside_the_kink])
def test_a_kink_along_which_the_function_falls_is_no_minimum(jac, optimizer):
    result = minimize(valley_with_a_kink, [-1.2, 1.0], jac=jac, optimizer=optimizer)
    assert not result.success  # it is 0 at (1, 1)
    assert "along a kink" in result.message


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_a_kink_that_is_a_minimum_is_one(optimizer):
    result = minimize(lambda x: abs(x[0] - 0.3) + 3 * abs(x[0] + x[1]), [2.0, 1.0], optimizer=optimizer)
    assert result.success, result.message
    np.testing.assert_allclose(result.x, [0.3, -0.3], atol=1e-5)


@pytest.mark.parametrize(("power", "is_kink"), [(1.0, True), (1.3, True), (1.7, False), (2.0, False)])
def test_kinks_are_told_from_bends_by_how_steep_they_are_nearby(power, is_kink):
    # a hundredth as far away the function rises by 0.01^power as much: that of a kink by more than a thousandth
    objective = FunctionObjective(Function(lambda x: float(abs(x[0]) ** power), None, (), (1,), 1.0, None))
    objective.begin(np.zeros(1))
    surroundings = Surroundings(objective, objective.first, np.ones(1), allowed=1e-12)
    assert surroundings._is_kink(SimpleNamespace(gradient=np.ones(1))) == is_kink
    assert not surroundings._is_kink(SimpleNamespace(gradient=np.zeros(1)))


@pytest.mark.parametrize(("gradients", "shortest"), [([[1, 0], [0, 1]], [0.5, 0.5]), ([[1, 2], [1, -1]], [1, 0])])
def test_the_shortest_mean_of_gradients(gradients, shortest):
    # of all points of the line between both the nearest to zero
    np.testing.assert_allclose(shortest_mean(np.array(gradients, dtype=float)), shortest, atol=1e-12)
    assert not shortest_mean(np.array([[1.0, 1.0], [-2.0, -2.0]])).round(12).any()


# -- functions of Moré, Garbow and Hillstrom 1981 whose variables have different scales, with the minima given there


def squares(residuals):
    return lambda x: float(np.sum(np.square(residuals(x))))


MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]
)
BADLY_SCALED = {
    "brown": (lambda x: np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2]), [1.0, 1.0], 0.0),
    "powell": (lambda x: np.array([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001]), [0.0, 1.0], 0.0),
    "meyer": (lambda x: x[0] * np.exp(x[1] / (50 + 5.0 * np.arange(16) + x[2])) - MEYER, [0.02, 4000, 250], 87.9458),
    "wood": (
        lambda x: np.array(
            [
                10 * (x[1] - x[0] ** 2),
                1 - x[0],
                np.sqrt(90) * (x[3] - x[2] ** 2),
                1 - x[2],
                np.sqrt(10) * (x[1] + x[3] - 2),
                (x[1] - x[3]) / np.sqrt(10),
            ]
        ),
        [-3.0, -1.0, -3.0, -1.0],
        0.0,
    ),
}


@pytest.mark.parametrize("name", BADLY_SCALED)
def test_variables_of_different_scales(name):
    residuals, start, least = BADLY_SCALED[name]
    with np.errstate(all="ignore"):
        result = minimize(squares(residuals), start, optimizer="lbfgs")
    assert result.fun == pytest.approx(least, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("name", "optimizer"), [*((name, "lbfgs") for name in BADLY_SCALED), ("wood", "sgd")])
def test_success_is_never_said_where_least_squares_gain_more(name, optimizer):
    residuals, start, _ = BADLY_SCALED[name]
    with np.errstate(all="ignore"):
        result = minimize(squares(residuals), start, optimizer=optimizer, max_iter=2000)
        polished = 2 * optimize.least_squares(residuals, result.x, xtol=1e-15, ftol=1e-15, gtol=1e-15).cost
    assert not result.success or result.fun - polished <= 1e-6 * (1 + polished)


def watson(x):
    t, j = np.arange(1, 30)[:, None] / 29, np.arange(x.size)
    residuals = (j[1:] * t ** (j[1:] - 1)) @ x[1:] - (t**j @ x) ** 2 - 1
    return float(residuals @ residuals + x[0] ** 2 + (x[1] - x[0] ** 2 - 1) ** 2)


def test_quasi_newton_steps_find_what_curvatures_hide_that_are_lost_in_the_error_of_others():
    # where plain descent ends on Watson's function in nine variables, whose minimum is 1.39976e-6
    end = [-1.2612024e-4, 1.0004458, -0.01709269, 0.47178769, -0.43737693]
    end += [0.64850683, 0.11215911, -0.6461538, 0.42481045]
    function = Function(watson, None, (), (9,), 1.0, None)
    function.differences.refine(np.full(9, 6e-6))
    objective = FunctionObjective(function)
    objective.begin(np.array(end))
    surroundings = Surroundings(objective, objective.first, np.full(9, 5.0), allowed=1e-7)
    curvature = curvature_at(objective, objective.first, np.abs(end))
    assert watson(surroundings._search(curvature)) == pytest.approx(1.39976e-6, rel=1e-3)
    assert watson(surroundings.look().lower) < watson(np.array(end)) - 1e-7
    surroundings._way_down = lambda *_: ("", None)  # where nothing else finds a lower point
    surroundings._along_kink = lambda: None
    found = surroundings.look()
    assert "by quasi-Newton steps" in found.words
    assert watson(found.lower) == pytest.approx(1.39976e-6, rel=1e-3)


# -- limits


@pytest.mark.parametrize("jac", [None, optimize.rosen_der])
def test_the_gradient_at_limits_is_the_true_one_and_the_verdict_that_of_karush_kuhn_and_tucker(jac):
    bounds = [(-2.0, 0.5), (-1.0, 0.2), (0.1, 3.0)]
    result = minimize(optimize.rosen, [-1.2, 0.1, 2.0], jac=jac, optimizer="lbfgs", bounds=bounds)
    assert result.success, result.message
    slope = optimize.rosen_der(result.x)
    np.testing.assert_allclose(result.jac, slope, atol=1e-4)
    low, high = np.transpose(bounds)
    inside = (result.x > low) & (result.x < high)
    assert not inside.all()
    np.testing.assert_allclose(slope[inside], 0, atol=1e-4)
    assert (slope[result.x == high] < 0).all()
    assert (slope[result.x == low] > 0).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("settings", [{"criterion": "gradient"}, {"criterion": "objective"}, {"tol": None}])
@pytest.mark.parametrize("jac", [None, rosen_der])
def test_lbfgs_ends_where_no_step_decreases_the_function(settings, jac):
    result = minimize(rosen, [-1.2, 1.0], jac=jac, optimizer="lbfgs", **settings)
    assert result.nfev < 2_000
    np.testing.assert_allclose(result.x, 1, atol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
@pytest.mark.parametrize("jac", [None, lambda x: -np.exp(-x)])
def test_a_function_that_falls_for_ever_leads_to_no_infinity(optimizer, jac):
    result = minimize(lambda x: float(np.exp(-x[0])), [0.0], jac=jac, optimizer=optimizer, max_iter=500)
    assert np.isfinite(result.x).all()
    assert result.fun < 1e-3


def test_other_starts_are_no_successes_that_nobody_looked_at():
    def hollow(x):
        return min(((x - 1) ** 2).sum(), 1.0)

    result = minimize(hollow, [1.5, 1.5], n_restarts=5, random_state=0)
    assert result.success
    assert [(other.success, other.status) for other in result.restarts] == [(True, 0)] + 4 * [(False, 5)]


def test_the_rate_that_is_told_is_that_of_the_step():
    rates = []

    def watch(intermediate_result):
        rates.append(intermediate_result.learning_rate)

    settings = {"learning_rate": 0.1, "schedule": "exponential", "max_iter": 3, "tol": None}
    result = minimize(lambda x: x**2, 1.0, jac=lambda x: 2 * x, callback=watch, return_path=True, **settings)
    np.testing.assert_allclose(np.diff(result.path), -np.array(rates) * 2 * result.path[:-1])
    assert result.learning_rate == rates[-1] < rates[0]


def mancino(x):
    """Zero at its minimum, 3e9 at the start: Moré, Garbow and Hillstrom 1981, function 21 as Moré and Wild have it."""
    i = np.arange(1, x.size + 1)
    v = np.sqrt(x[:, None] ** 2 + i[:, None] / i)
    return float(
        np.sum((1400 * x + (i - 50) ** 3 + (v * (np.sin(np.log(v)) ** 5 + np.cos(np.log(v)) ** 5)).sum(1)) ** 2)
    )


@pytest.mark.parametrize("function", [mancino, rosen])
def test_differences_cost_no_more_until_the_value_that_scipy_ends_at(function):
    start, values = np.linspace(90.0, 110.0, 8) if function is mancino else np.array([-1.2, 1.0]), []

    def counted(x):
        values.append(function(x))
        return values[-1]

    theirs = optimize.minimize(function, start, method="L-BFGS-B")
    minimize(counted, start, optimizer="lbfgs")
    assert np.argmax(np.array(values) <= theirs.fun + 1e-10) < 1.5 * theirs.nfev
    assert min(values) <= theirs.fun + 1e-10


@pytest.mark.parametrize(
    ("optimizer", "function"),
    [("lbfgs", lambda x: (x[0] ** 2 + x[1] ** 2) ** 0.75 + x[2]), ("lbfgs", np.sum), ("sgd", np.sum)],
)
def test_a_descent_without_end_is_followed_no_farther_than_it_takes_to_tell(optimizer, function):
    with pytest.warns(ConvergenceWarning, match="seems to go down without end.*1e.20 times as large"):
        result = minimize(function, [1.3, 0.4, 1.0], optimizer=optimizer)
    assert (result.status, result.success) == (3, False)
    assert -1e60 < result.fun < -1e18
    assert result.nfev < 1_000
