"""A matrix of all rows where steps by the diagonal would be thousands: sparse rows of more than 1,000 columns."""

import numpy as np
import pytest
from scipy import sparse

from skgd import GDLinearClassifier, GDLinearRegressor
from skgd._auto.linear import decide
from skgd._fit import problem_of
from skgd._solvers.driver import Driver
from skgd._solvers.training import begin

RNG = np.random.default_rng(0)
N, D = 200, 1010


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr("skgd._auto.curvature.LEAST_BY_DIAGONAL", 100)


def words():
    """Rows of words, few of which are in most of them."""
    chance = 1 / np.arange(1, D + 1)
    columns = RNG.choice(D, 20 * N, p=chance / chance.sum())
    X = sparse.csr_array((RNG.uniform(1, 2, 20 * N), (np.repeat(np.arange(N), 20), columns)), shape=(N, D))
    X.sum_duplicates()
    return X


X = words()
RAW = X @ RNG.standard_normal(D)
RAW = 2 * (RAW - RAW.mean()) / RAW.std()
CLASSES = np.where(RAW + RNG.logistic(size=N) > 0, 1.0, -1.0)
COUNTS = RNG.poisson(np.exp(np.clip(RAW / 2, -3, 3))).astype(float)


def squared_hinge(raw):
    return -2 * CLASSES * np.maximum(0, 1 - CLASSES * raw)


def poisson(raw):
    return np.exp(raw) - COUNTS


MODELS = {
    "squared_hinge": (GDLinearClassifier("squared_hinge"), CLASSES, squared_hinge),
    "poisson": (GDLinearRegressor("poisson"), COUNTS, poisson),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_optimum_after_few_steps(name):
    model, y, slope = MODELS[name]
    alpha = 1e-4
    model.set_params(alpha=alpha, standardize=False, fit_intercept=False).fit(X, y)
    coef = np.ravel(model.coef_)
    gradient = X.T @ slope(X @ coef) / N + alpha * coef
    assert model.converged_
    assert 100 < model.n_iter_ < 200
    # by the ridge's curvature no more than this is left to gain
    assert gradient @ gradient / (2 * alpha) <= 1e-7


@pytest.mark.parametrize("n_epochs", [50, 101])
def test_going_on_elsewhere_changes_no_bit(n_epochs):
    model = GDLinearRegressor("poisson", alpha=1e-4, standardize=False)

    problem = problem_of(model, X, COUNTS)

    def driver(watched):
        plan = decide(model._parameters(X), problem, None)
        return Driver(begin(problem, plan, np.random.RandomState(0))[0], plan, problem, watched)

    whole, first, second = driver(watched=False).train(), driver(watched=True), driver(watched=False)
    for training in first.run():
        if training.epochs == n_epochs:
            break
    second.restore(first.state())
    training = second.train()
    assert training.epochs > n_epochs
    assert training.params.tobytes() == whole.params.tobytes()
