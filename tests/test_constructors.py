"""What is said to who comes from scikit-learn; that its objectives are ours with the conversions that are named."""

import inspect

import numpy as np
import pytest
import sklearn.base
from sklearn import linear_model, neural_network, svm
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import scale

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor, minimize
from skgd.losses import Huber
from skgd.optimizers import SGD, SVRG, Adam, Optimizer
from skgd.schedules import InverseScaling

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X), scale(Y)
C, CLASSES = load_breast_cancer(return_X_y=True)
C = scale(C)
IRIS, KINDS = load_iris(return_X_y=True)
WEIGHT = np.random.default_rng(0).uniform(0.5, 2, len(X))

PEERS = {
    GDLinearRegressor: [
        linear_model.SGDRegressor, linear_model.Ridge, linear_model.Lasso, linear_model.ElasticNet,
        linear_model.LogisticRegression, linear_model.HuberRegressor,
    ],
    GDLogisticClassifier: [linear_model.LogisticRegression, linear_model.SGDClassifier],
    GDLinearClassifier: [linear_model.SGDClassifier, svm.LinearSVC],
    GDMLPRegressor: [neural_network.MLPRegressor, linear_model.Ridge],
    GDMLPClassifier: [neural_network.MLPClassifier, linear_model.LogisticRegression],
}  # fmt: skip


@pytest.mark.parametrize("kind", PEERS)
def test_each_parameter_of_peers_is_taken_or_explained(kind):
    class Own(kind):
        pass

    own = inspect.signature(kind).parameters
    for name in {name for peer in PEERS[kind] for name in inspect.signature(peer).parameters} - own.keys():
        for cls in (kind, Own):
            with pytest.raises(TypeError) as raised:
                cls(**{name: 1})
            words = str(raised.value)
            assert words.startswith(f"{cls.__name__}() takes no {name}: ")
            assert ": it has" not in words  # but what to do
        with pytest.raises(ValueError, match=rf"^{kind.__name__}\(\) takes no {name}: "):
            kind().set_params(**{name: 1})


class Mine(SVRG):
    """Has no constructor of its own."""


class Defective(Optimizer):
    def __init__(self, learning_rate=None):
        super().__init__(learning_rate + None)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: GDLogisticClassifier(C=1.0), r"alpha=1 / \(C \* n_rows\)"),
        (lambda: GDMLPClassifier(hidden_layer_size=3), "^GDMLPClassifier.* did you mean hidden_layer_sizes"),
        (lambda: GDLinearRegressor(colour=3), r"^GDLinearRegressor\(\) takes no colour: it has loss, quantile,"),
        (lambda: GDLogisticClassifier(1, 2), r"^GDLogisticClassifier\(\): too many positional"),
        (lambda: Adam(lr=1), r"^Adam\(\) takes no lr: write learning_rate"),
        (lambda: Mine(eta0=1), r"^Mine\(\) takes no eta0: write learning_rate"),
        (lambda: SGD(nesterovs_momentum=True), r"^SGD\(\) takes no nesterovs_momentum: write nesterov"),
        (lambda: Huber(epsilonn=1), r"^Huber\(\) takes no epsilonn: did you mean epsilon\?"),
        (lambda: InverseScaling(powr=1), r"^InverseScaling\(\) takes no powr"),
        (lambda: Defective(), "unsupported operand"),
        (lambda: minimize(abs, 1.0, lr=0.1), r"^minimize\(\) takes no lr: write learning_rate"),
        (lambda: minimize(abs, 1.0, maxiter=3), r"^minimize\(\) takes no maxiter: write max_iter"),
        (lambda: minimize(abs), r"^minimize\(\): missing a required argument: 'x0'"),
        (lambda: minimize(lambda x: x + None, 1.0), "unsupported operand"),
    ],
)
def test_errors_of_constructors(call, words):
    with pytest.raises(TypeError, match=words):
        call()


@pytest.mark.parametrize(("value", "schedule"), [("invscaling", "invscaling"), ("adaptive", "plateau")])
def test_names_of_schedules_are_no_rates(value, schedule):
    with pytest.raises(ValueError, match=f'The .learning_rate. parameter .* Write schedule="{schedule}"'):
        GDLinearRegressor(learning_rate=value).fit(X, Y)
    with pytest.raises(ValueError, match=r"The 'learning_rate' parameter [^\n]* instead\.$"):
        GDLinearRegressor(learning_rate=-1.0).fit(X, Y)


def test_signatures_stay():
    assert list(inspect.signature(Adam).parameters)[:3] == ["learning_rate", "beta1", "beta2"]
    assert inspect.signature(Adam).parameters["beta1"].default == 0.9
    assert clone(GDLinearRegressor(alpha=3)).get_params()["alpha"] == 3
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        GDLinearRegressor().set_params(colour=3)


def close(ours, theirs, X, y, weight=None, rtol=1e-5):
    ours.set_params(standardize=False).fit(X, y, weight)
    weighted = {} if weight is None else {"sample_weight": weight}
    theirs.fit(X, y, **weighted)
    atol = rtol * np.abs(theirs.coef_).max()
    np.testing.assert_allclose(np.ravel(ours.coef_), np.ravel(theirs.coef_), atol=atol)
    if len(theirs.intercept_ if np.ndim(theirs.intercept_) else [1]) == len(ours.intercept_):
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=10 * rtol)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_squared_error_has_the_coefficients_of_its_peers(weight):
    n = len(X) if weight is None else weight.sum()
    close(GDLinearRegressor(alpha=30 / n), linear_model.Ridge(30), X, Y, weight)
    close(GDLinearRegressor(penalty="l1", alpha=0.02), linear_model.Lasso(0.02, tol=1e-10), X, Y, weight)
    mixed = {"alpha": 0.02, "l1_ratio": 0.5}
    ours = GDLinearRegressor(penalty="elasticnet", **mixed)
    close(ours, linear_model.ElasticNet(**mixed, tol=1e-10), X, Y, weight)


def test_classes_have_the_coefficients_of_their_peers():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(C))
    exact = {"tol": 1e-10, "max_iter": 10_000}
    for weights, n in ((None, len(C)), (weight, weight.sum())):
        ours = GDLogisticClassifier(alpha=1 / (0.5 * n))
        close(ours, linear_model.LogisticRegression(C=0.5, **exact), C, CLASSES, weights)
    several = GDLogisticClassifier(alpha=1 / (0.5 * len(IRIS)))
    close(several, linear_model.LogisticRegression(C=0.5, **exact), scale(IRIS), KINDS)
    sparse = linear_model.LogisticRegression(C=0.05, l1_ratio=1, solver="saga", **exact)
    close(GDLogisticClassifier(penalty="l1", alpha=1 / (0.05 * len(C))), sparse, C, CLASSES, rtol=1e-3)
    margins = svm.LinearSVC(C=0.1, intercept_scaling=1e3, tol=1e-8, max_iter=100_000)
    close(GDLinearClassifier("squared_hinge", alpha=1 / (0.1 * len(C))), margins, C, CLASSES, rtol=1e-3)


def test_the_penalty_of_networks_is_a_share_of_that_of_their_peers():
    settings = {"hidden_layer_sizes": (3,), "activation": "tanh", "random_state": 0}
    peer = neural_network.MLPRegressor(solver="lbfgs", alpha=20.0, tol=1e-12, max_iter=20_000, **settings).fit(X, Y)
    ours = GDMLPRegressor(optimizer="lbfgs", alpha=20.0 / len(X), tol=1e-12, max_iter=5_000, **settings)
    ours.set_params(standardize=False).fit(X, Y)  # of so strong a penalty there is one optimum
    for mine, theirs in zip(ours.coefs_, peer.coefs_, strict=True):
        assert (mine**2).sum() == pytest.approx((theirs**2).sum(), rel=1e-3)


def test_numbers_of_numpy_are_checked_once_and_each_of_them(monkeypatch):
    checked, check = [], sklearn.base.validate_parameter_constraints

    def count(constraints, parameters, caller_name):
        checked.append(parameters["alpha"])
        check(constraints, parameters, caller_name=caller_name)

    monkeypatch.setattr(sklearn.base, "validate_parameter_constraints", count)
    X, y = np.eye(4), np.arange(4.0)
    for alpha in np.array([0.3125, 0.6875, 0.3125, 0.6875]):
        GDLinearRegressor(alpha=alpha, max_iter=np.int64(7), tol=None).fit(X, y)
    assert checked == [0.3125, 0.6875]
    for bad in np.float64(-0.3125), np.float64("nan"), np.bool_(True):
        for _ in range(2):
            with pytest.raises(ValueError, match="'alpha' parameter"):
                GDLinearRegressor(alpha=bad, max_iter=np.int64(7), tol=None).fit(X, y)
