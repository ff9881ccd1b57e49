"""Pickles: small, plain, the same model to the bit, of other versions and formats; and streams that never slow down."""

import itertools
import pathlib
import pickle
import pickletools

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_classification
from sklearn.linear_model import LogisticRegression, Ridge

import skgd
from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._solvers.training import Curve
from skgd._warnings import InconsistentVersionWarning
from skgd.schedules import ReduceOnPlateau

DATA = pathlib.Path(__file__).parent / "data"  # made by skgd 0.1


def again(model, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(model, protocol))


@pytest.mark.parametrize("make", [GDLogisticClassifier, GDLinearRegressor])
def test_a_model_of_many_columns_takes_little_more_than_that_of_scikit_learn(make):
    X, y = make_classification(2000, 1000, random_state=0)
    peer = (Ridge() if make is GDLinearRegressor else LogisticRegression(max_iter=500)).fit(X, y)
    model = make().fit(X, y)
    assert len(pickle.dumps(model)) <= 1.5 * len(pickle.dumps(peer))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "model",
    [
        GDLinearRegressor(),
        GDLinearRegressor(penalty="l1", alpha=0.1),
        GDLinearRegressor(optimizer="adam", average=True, max_iter=5, tol=None, random_state=0),
        GDMLPRegressor(hidden_layer_sizes=(4,), max_iter=5, tol=None, random_state=0),
        GDMLPRegressor(hidden_layer_sizes=(4,), optimizer="lbfgs", max_iter=5, tol=None, random_state=0),
    ],
    ids=["line search", "l1", "average", "network", "network by line search"],
)
def test_the_loaded_model_is_the_same_to_the_bit(model, dtype):
    X, y = load_diabetes(return_X_y=True)
    X = X.astype(dtype)
    model = model.fit(X, y)
    for loaded in (again(model), again(model, protocol=2), again(again(model))):
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        assert vars(loaded).keys() == vars(model).keys()
        for name, value in vars(model).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(loaded, name), value)
                assert getattr(loaded, name).dtype == value.dtype
            elif name.endswith("_") and not isinstance(value, list) and name != "optimizer_":
                assert getattr(loaded, name) == value


def test_a_pickle_names_nothing_private():
    X, y = load_iris(return_X_y=True)
    models = [GDLogisticClassifier(), GDMLPClassifier(hidden_layer_sizes=(3,), max_iter=3, tol=None)]
    models += [GDLinearClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])]
    for model in models:
        stored = pickle.dumps(model if hasattr(model, "coef_") else model.fit(X, y))
        names = [argument for _, argument, _ in pickletools.genops(stored) if isinstance(argument, str)]
        assert not [name for name in names if name.startswith(("skgd._", "skgd.losses.probe"))]


def test_what_the_user_has_changed_goes_along():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor().fit(X, y)
    model.coef_ = model.coef_.round()
    np.testing.assert_array_equal(again(model).coef_, model.coef_)
    sparse = GDLinearRegressor(penalty="l1", alpha=1.0).fit(X, y).sparsify()
    assert again(sparse).coef_.format == "csr"
    np.testing.assert_array_equal(again(sparse).predict(X), sparse.predict(X))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_training_goes_on_from_a_loaded_optimum(dtype):
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(dtype)
    model = GDLogisticClassifier(alpha=0.01, warm_start=True).fit(X, y)
    loaded = again(model)
    warm = loaded.fit(X, y)
    assert warm.n_iter_ <= model.n_iter_ + 3  # it began where it had ended
    np.testing.assert_allclose(warm.coef_, model.coef_, rtol=1e-3, atol=1e-6)
    accuracy = model.score(X, y)
    assert again(model).partial_fit(X[:50], y[:50]).score(X, y) > accuracy - 0.03


def load_old(name):
    pytest.importorskip("numpy._core", reason="stored with NumPy 2, whose pickles NumPy 1.26.0 can't read")
    with pytest.warns(InconsistentVersionWarning, match="0.1.0"):
        return pickle.loads((DATA / f"skgd-0.1-{name}.pkl").read_bytes())


@pytest.mark.parametrize("name", ["linear", "logistic", "network", "stream"])
def test_pickles_of_the_first_format_predict_what_they_did(name):
    X, _ = (load_diabetes if name == "linear" else load_iris)(return_X_y=True)
    found = load_old(name)
    np.testing.assert_array_equal(found["model"].predict(X)[:50], found["predicted"])
    np.testing.assert_array_equal(again(found["model"]).predict(X)[:50], found["predicted"])


def test_a_stream_of_the_first_format_goes_on_as_it_would_have():
    X, y = load_iris(return_X_y=True)
    model = load_old("stream")["model"].partial_fit(X[:30], y[:30])
    # what skgd 0.1 came to
    np.testing.assert_allclose(model.coef_[0], [-0.47168484, 1.0093102, -0.24955278, -0.5435266], rtol=1e-7)
    assert model.t_ == 14


def test_another_version_is_warned_of_and_a_later_format_refused(monkeypatch):
    X, y = load_diabetes(return_X_y=True)
    stored = pickle.dumps(GDLinearRegressor().fit(X, y))
    assert pickle.loads(stored).__dict__.keys().isdisjoint({"_skgd_version", "_skgd_format"})
    monkeypatch.setattr("skgd._pickles.__version__", "9.9.9")
    with pytest.warns(InconsistentVersionWarning, match=rf"by skgd {skgd.__version__} and is loaded by 9\.9\.9"):
        pickle.loads(stored)
    later = GDLinearRegressor().fit(X, y).__getstate__() | {"_skgd_format": 99}
    with pytest.raises(ValueError, match="can't read its format"):
        GDLinearRegressor().__setstate__(later)


# -- streams


def test_curves_grow_without_being_copied_and_copies_go_their_own_way():
    curve = Curve([1.0])
    curve.extend(np.array([2.0, 3.0]))
    seen, branch = curve.values, curve.copy()
    branch.extend(np.array([4.0]))
    curve.extend(np.array([5.0]))
    np.testing.assert_array_equal(branch.values, [1, 2, 3, 4])
    np.testing.assert_array_equal(curve.values, [1, 2, 3, 5])
    np.testing.assert_array_equal(seen, [1, 2, 3])


def test_a_long_stream_copies_nothing_of_its_past():
    X, y = load_breast_cancer(return_X_y=True)
    schedule, calls = ReduceOnPlateau(), []
    advance = ReduceOnPlateau.advance
    model = GDLinearClassifier(optimizer="sgd", schedule=schedule, learning_rate=0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReduceOnPlateau, "advance", lambda *args: calls.append(1) or advance(*args))
        curves = [model.partial_fit(X[:32], y[:32], classes=[0, 1]).loss_curve_ for _ in range(100)]
    assert len(calls) == 99  # a loss is looked at once
    kept = sum(np.shares_memory(one, other) for one, other in itertools.pairwise(curves))
    assert kept >= 95  # in a buffer that doubles
    np.testing.assert_array_equal(curves[40], model.loss_curve_[:41])


def test_a_call_that_fails_leaves_the_curve_as_it_was():
    X, y = load_breast_cancer(return_X_y=True)
    model = GDLogisticClassifier(random_state=0)
    for _ in range(3):
        model.partial_fit(X[:32], y[:32], classes=[0, 1])
    before = model.loss_curve_.copy()
    with pytest.raises(ValueError, match="y contains classes"):
        model.partial_fit(X[:32], np.full(32, 7))
    np.testing.assert_array_equal(model.loss_curve_, before)
    model.partial_fit(X[:32], y[:32])
    np.testing.assert_array_equal(model.loss_curve_[:3], before)
