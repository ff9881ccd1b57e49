"""What warnings say that fits end with, and how often they are said."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.multiclass import OneVsRestClassifier

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd import _warnings as warnings_of_skgd
from skgd._auto import advice
from skgd.losses import Loss

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
NUMBERS = X @ [1.0, 2.0, 3.0, 4.0] + RNG.normal(size=200)
CLASSES = (NUMBERS > 0).astype(int)


def words_of(model, y=NUMBERS):
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, y)
    (only,) = caught
    return str(only.message)


# -- rates too small to get anywhere


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}, {"optimizer": "sgd", "learning_rate": 1e-5}])
def test_a_rate_too_small_is_told_of(settings):
    settings = {"learning_rate": 1e-7, "random_state": 0} | settings
    model = GDLinearRegressor(**settings)
    words = words_of(model)
    assert words.startswith(f"learning_rate={settings['learning_rate']:.3g} is too small to make progress that counts")
    assert LinearRegression().fit(X, NUMBERS).score(X, NUMBERS) - model.score(X, NUMBERS) > 0.1
    # who compares rates hears nothing, nor where there is nothing to be learnt, or all was
    GridSearchCV(GDLinearRegressor(**settings), {"learning_rate": [1e-7, 1e-2]}, cv=2).fit(X, NUMBERS)
    GDLinearRegressor(**settings).fit(X, RNG.permutation(NUMBERS))
    GDLinearRegressor(**settings).set_params(learning_rate=1e-2).fit(X, NUMBERS)


def test_a_rate_too_small_is_told_of_where_the_next_gradient_gains_little():
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="learning_rate=1e-06 is too small to make progress that counts"):
        model = GDLinearRegressor(learning_rate=1e-6).fit(X, y)
    assert LinearRegression().fit(X, y).score(X, y) - model.score(X, y) > 0.05
    model.set_params(learning_rate=1e-4).fit(X, y)  # says nothing
    assert LinearRegression().fit(X, y).score(X, y) - model.score(X, y) < 0.01


# -- what to do where epochs ran out


def test_a_line_search_is_not_told_to_take_a_larger_rate():
    for model in (GDLogisticClassifier(max_iter=1), GDMLPClassifier(optimizer="lbfgs", max_iter=1)):
        words = words_of(model, CLASSES)
        assert words.startswith(f"Maximum number of epochs reached, max_iter=1, before {type(model).__name__} conv")
        assert "increase max_iter or tol" in words
        assert "rate" not in words


@pytest.mark.parametrize(
    ("settings", "says", "does_not_say"),
    [
        ({"optimizer": "sgd", "batch_size": None}, ["max_iter or tol", "optimizer='lbfgs'"], ["rate", "schedule"]),
        ({"optimizer": "adam"}, ["max_iter, learning_rate or tol", "optimizer='lbfgs'"], ["schedule", "noise"]),
        ({"learning_rate": 1e-3}, ["max_iter, learning_rate or tol", "optimizer='lbfgs'"], ["schedule"]),
        ({"optimizer": "sgd", "schedule": "invscaling", "learning_rate": 1e-3}, ["go down more slowly"], ["noise"]),
        (
            {"optimizer": "sgd", "batch_size": 8, "criterion": "gradient"},
            ["noise of batches of 8 rows", "a schedule that goes down", "batch_size=None"],
            ["increase"],
        ),
        ({"optimizer": "sgd", "batch_size": 8, "criterion": "gradient", "average": True}, ["max_iter"], ["noise"]),
        ({"optimizer": "svrg", "batch_size": 8, "criterion": "gradient"}, ["max_iter"], ["noise"]),
        ({"optimizer": "sgd", "batch_size": None, "standardize": False}, ["standardize=True converges sooner"], []),
    ],
)
def test_the_advice_suits_the_fit(settings, says, does_not_say):
    words = words_of(GDLinearRegressor(max_iter=2, tol=1e-12, random_state=0).set_params(**settings))
    assert all(part in words for part in says), words
    assert not any(part in words for part in does_not_say), words


def test_standardising_is_advised_where_it_was_turned_off_alone():
    signs = np.sign(X)  # whose largest absolute values are one already
    assert "standardize" not in words_of(GDLinearRegressor(max_iter=1), NUMBERS)
    model = GDLinearRegressor(standardize="max_abs", optimizer="sgd", learning_rate=1e-4, max_iter=2)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(signs, NUMBERS)
    assert "standardize" not in str(caught[0].message)


def test_early_stopping_speaks_of_validation_data():
    model = GDMLPRegressor(early_stopping=True, max_iter=2, n_iter_no_change=7, random_state=0)
    says = "stood still to tol=0.0001 on the validation data for n_iter_no_change=7 epochs: increase max_iter"
    assert says in words_of(model)


# -- no optimum


def separable(X, y):
    """Whether linear functions, one a class, put every row's own class ahead of all others: a linear programme."""
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    Z, n_classes = np.column_stack([X, np.ones(len(X))]), int(y.max()) + 1
    rows = []
    for z, own in zip(Z, y, strict=True):
        for other in set(range(n_classes)) - {own}:
            row = np.zeros((n_classes, Z.shape[1]))
            row[own], row[other] = -z, z
            rows.append(row.ravel())
    cost = np.zeros(n_classes * Z.shape[1])
    return linprog(cost, A_ub=np.array(rows), b_ub=-np.ones(len(rows)), bounds=(None, None)).status == 0


def two_of_iris(one, other):
    X, y = load_iris(return_X_y=True)
    rows = (y == one) | (y == other)
    return X[rows], (y[rows] == other).astype(int)


DATA = {
    "cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
    "iris": load_iris(return_X_y=True),
    "setosa, versicolor": two_of_iris(0, 1),
    "versicolor, virginica": two_of_iris(1, 2),
    "noise": make_classification(300, 5, flip_y=0.2, random_state=0),
}
SETTINGS = {
    "lbfgs": {},
    "certificate": {"criterion": "gradient", "tol": 1e-5},
    "adam": {"optimizer": "adam", "learning_rate": 0.1, "max_iter": 2000, "tol": 1e-9},
    "no penalty": {"penalty": None, "alpha": 1.0},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", DATA)
def test_separable_classes_without_a_penalty_are_told_of(name, settings):
    X, y = DATA[name]
    model = GDLogisticClassifier(alpha=0, random_state=0).set_params(**SETTINGS[settings])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    told = [str(warning.message) for warning in caught if "separable" in str(warning.message)]
    # a rule may end before it has separated them
    assert len(told) == (separable(X, y) and (settings != "adam" or model.score(X, y) == 1))
    assert not told or ("alpha > 0" in told[0] and "GDLogisticClassifier has no optimum" in told[0])
    if told:
        GDLogisticClassifier().fit(X, y)


def test_float32_and_sparse_rows_and_weights_count():
    X, y = DATA["setosa, versicolor"]
    for rows in (X.astype(np.float32), sparse.csr_array(X)):
        with pytest.warns(ConvergenceWarning, match="separable"):
            GDLogisticClassifier(alpha=0).fit(rows, y)
    wrong = np.append(y, 1 - y[0])  # the first row again, of the other class
    X, weight = np.vstack([X, X[:1]]), np.ones(len(wrong))
    for weight[-1] in (1e-6, 1e-12):  # without a word: however little it weighs, there is an optimum
        assert GDLogisticClassifier(alpha=0, max_iter=10_000).fit(X, wrong, weight).converged_
    weight[-1] = 0.0
    with pytest.warns(ConvergenceWarning, match="separable"):
        GDLogisticClassifier(alpha=0).fit(X, wrong, weight)


class Exponential(Loss):
    """exp(-margin): no least value either."""

    for_classes = True
    reaches_minimum = False

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                sign = 2.0 * y[i, k] - 1.0
                value = weight[i] * np.exp(-sign * raw[i, k])
                derivative[i, k] = -sign * value
                total += value
        return total


def test_it_is_the_loss_that_has_no_optimum():
    X, y = DATA["setosa, versicolor"]
    with pytest.warns(ConvergenceWarning, match="GDLinearClassifier has no optimum"):
        GDLinearClassifier(Exponential(), alpha=0).fit(X, y)
    for loss in ("hinge", "squared_hinge", "modified_huber", "perceptron"):  # which are zero from some margin on
        GDLinearClassifier(loss, alpha=0, random_state=0).fit(X, y)


def test_nothing_is_said_where_all_epochs_were_asked_for():
    X, y = DATA["setosa, versicolor"]
    GDLogisticClassifier(alpha=0, optimizer="sgd", max_iter=50, tol=None).fit(X, y)
    GDLogisticClassifier(alpha=0).partial_fit(X, y, classes=[0, 1])


# -- how often


@pytest.fixture
def clock(monkeypatch):
    """A time that goes by as it is told to."""
    now = [0.0]
    monkeypatch.setattr(warnings_of_skgd, "_last_said", {})
    monkeypatch.setattr(warnings_of_skgd.time, "monotonic", lambda: now[0])
    return now


def said_by(search, action="default", of=ConvergenceWarning):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        search()
    return [str(warning.message) for warning in caught if issubclass(warning.category, of)]


def short_grid(model=None, grid=None, **settings):
    model = model or GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=1, tol=1e-9, random_state=0)
    return GridSearchCV(model, grid or {"alpha": [1e-5, 1e-4, 1e-3]}, cv=3, **settings).fit(X, CLASSES)


def test_a_search_says_the_same_once(clock):
    (said,) = said_by(short_grid)
    assert "max_iter=1, before GDMLPClassifier converged" in said
    clock[0] += 30
    assert not said_by(short_grid)
    clock[0] += 61
    assert len(said_by(short_grid)) == 1


def test_a_search_says_every_reason_of_every_class_once(clock):
    linear = GDLogisticClassifier(max_iter=1, optimizer="sgd", standardize=False)
    grid = {"learning_rate": [1e-9, 1e-8, 1e4, 1e5], "batch_size": [None, 20]}
    said = said_by(lambda: short_grid(OneVsRestClassifier(linear), {f"estimator__{k}": v for k, v in grid.items()}))
    assert sorted(each.partition(",")[0].partition(" in ")[0] for each in said) == [
        "GDLogisticClassifier diverged",
        "Maximum number of epochs reached",
    ]
    assert len(said_by(short_grid)) == 1


def test_filters_that_want_all_of_them_get_all(clock):
    assert len(said_by(short_grid, action="always")) == 10  # of three times three, and the last one
    with pytest.raises(ConvergenceWarning):
        said_by(lambda: short_grid(error_score="raise"), action="error")
    assert not said_by(short_grid, action="ignore")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.filterwarnings("always", "Maximum number", ConvergenceWarning)
        short_grid()
    assert len(caught) == 10


def test_a_rate_that_works_is_looked_for_where_somebody_hears_of_it(clock, monkeypatch):
    looked_for = []
    monkeypatch.setattr(advice, "rate_that_works", lambda *args: looked_for.append(0.25) or 0.25)
    model = GDLogisticClassifier(optimizer="sgd", learning_rate=1e5, standardize=False)

    def search():
        short_grid(model, {"batch_size": [None, 20]})

    assert not said_by(search, action="ignore")
    assert not looked_for
    assert "learning_rate=0.25 would work" in said_by(search)[0]
    assert len(looked_for) == 1


def test_cross_validation_counts_as_a_search_and_fits_of_ones_own_do_not(clock):
    model = GDLogisticClassifier(max_iter=1)
    assert len(said_by(lambda: cross_validate(model, X, CLASSES))) == 1
    assert len(said_by(lambda: model.fit(X, CLASSES))) == 1
    assert len(said_by(lambda: model.fit(X, CLASSES))) == 1


def test_worker_processes_say_it_once_each(answer_of_a_copy, tmp_path):
    script = f"""
        import json, os, sys, warnings
        import joblib, numpy as np
        from sklearn.model_selection import GridSearchCV
        from skgd import GDLogisticClassifier

        os.environ["PYTHONWARNINGS"] = "default::UserWarning"  # of workers that aren't copies
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("default", category=UserWarning)
        warnings.showwarning = lambda said, category, *where: print(f"{{category.__name__}}: {{said}}", file=sys.stderr)
        with open({str(tmp_path / "said")!r}, "a+", buffering=1) as sys.stderr:
            os.dup2(sys.stderr.fileno(), 2)
            X = np.random.default_rng(0).normal(size=(60, 3))
            alphas = {{"alpha": np.logspace(-4, 0, 6)}}
            grid = GridSearchCV(GDLogisticClassifier(max_iter=1), alphas, cv=5, n_jobs=2, refit=False)
            with joblib.parallel_config("multiprocessing"):
                grid.fit(X, X[:, 0] > 0)
            sys.stderr.seek(0)
            print(json.dumps(sys.stderr.read()))
    """
    said = answer_of_a_copy(script)
    assert 1 <= said.count("ConvergenceWarning: ") <= 2, said
