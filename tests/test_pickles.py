"""Pickles: small, plain, the same model to the bit, of other versions and formats; and streams that never slow down."""

import itertools
import pathlib
import pickle
import pickletools

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_classification
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge

import skgd
from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._pickles import _as_bytes, _from_bytes
from skgd._solvers.training import Curve
from skgd._warnings import InconsistentVersionWarning
from skgd.activations import GELU
from skgd.optimizers import LBFGS, OPTIMIZERS, SGD
from skgd.schedules import ReduceOnPlateau

DATA = pathlib.Path(__file__).parent / "data"  # made by skgd 0.1, and in later formats


def again(model, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(model, protocol))


PEERS = {
    "ridge": (GDLinearRegressor(), Ridge(), 0),
    "least squares": (GDLinearRegressor(alpha=0.0), LinearRegression(), 0),
    "lasso": (GDLinearRegressor(penalty="l1", alpha=0.1), Lasso(alpha=0.1), 0),
    "two classes": (GDLogisticClassifier(), LogisticRegression(max_iter=500), 2),
    "five classes": (GDLogisticClassifier(), LogisticRegression(max_iter=500), 5),
    "two classes, l1": (GDLogisticClassifier(penalty="l1", alpha=0.01), LogisticRegression(max_iter=500), 2),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_columns", [10, 1000])
@pytest.mark.parametrize("name", PEERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_model_takes_little_more_than_that_of_scikit_learn(name, n_columns, dtype):
    model, peer, n_classes = PEERS[name]
    X, y = make_classification(300, n_columns, n_informative=8, n_classes=n_classes or 2, random_state=0)
    y = y if n_classes else X[:, 0] + y
    model = clone(model).set_params(max_iter=30)  # the curve of hundreds of epochs would be a good part of it
    model, peer = (each.fit(X.astype(dtype), y) for each in (model, clone(peer)))
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
def test_the_loaded_model_predicts_the_same(model, dtype):
    X, y = load_diabetes(return_X_y=True)
    X = X.astype(dtype)
    model = model.fit(X, y)
    # float32 rounds what line searches of linear models find: 36 places are kept of what predictions take in its stead
    rtol = 1e-9 if dtype == np.float32 and isinstance(model.optimizer_, LBFGS) and hasattr(model, "coef_") else 0
    for loaded in (again(model), again(model, protocol=2), again(again(model))):
        np.testing.assert_allclose(loaded.predict(X), model.predict(X), rtol=rtol)
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


def test_several_starts_are_stored():
    X, y = load_diabetes(return_X_y=True)
    model = GDMLPRegressor(hidden_layer_sizes=(3,), n_restarts=2, max_iter=2, tol=None, random_state=0).fit(X, y)
    np.testing.assert_array_equal(again(model).restart_scores_, model.restart_scores_)


def test_weights_that_a_network_began_with_are_stored_once():
    X, y = load_diabetes(return_X_y=True)
    width = 2_000
    init = [np.ones((10, width)), np.ones((width, 1))], [np.zeros(width), np.zeros(1)]
    model = GDMLPRegressor(hidden_layer_sizes=(width,), init=init, optimizer="sgd", max_iter=1, tol=None).fit(X, y)
    without_init = pickle.dumps(model.set_params(init="auto"))
    assert len(without_init) < 1.1 * 8 * model._training.model.n_params + 5_000
    model.__setstate__(model.__getstate__())
    assert model.partial_fit(X, y).n_iter_ == 2


def broken(state, **changes):
    """A stored state with some parts of the training's exchanged."""
    return state | {"_training_state": state["_training_state"] | changes}


def test_parts_that_do_not_fit_each_other_are_refused():
    # compiled code would read beyond the ends of arrays, which a file from elsewhere may hold as it likes
    X, y = load_diabetes(return_X_y=True)
    linear = GDLinearRegressor(optimizer="adam", max_iter=1, tol=None, random_state=0).fit(X, y).__getstate__()
    small = GDMLPRegressor(hidden_layer_sizes=(3,), max_iter=1, tol=None, random_state=0).fit(X, y).__getstate__()
    parts = linear["_training_state"]
    params, scaling, moments = parts["arrays"]["params"], parts["scaling"], parts["moments"]
    of_params = {"params": params[:-1]}, {"params": params.astype(">f8")}, {"params": params, "slots": np.ones((1, 3))}
    wrong = [(GDLinearRegressor, broken(linear, arrays=arrays)) for arrays in of_params]
    for k, vector in enumerate(scaling):
        changed = (*scaling[:k], np.append(vector, [1.0, 1.0]), *scaling[k + 1 :])
        wrong.append((GDLinearRegressor, broken(linear, scaling=changed)))
    name, weight, mean, std, filled = moments[0]
    wrong.append((GDLinearRegressor, broken(linear, moments=((name, weight, mean[:3], std, filled), moments[1]))))
    wrong.append((GDLinearRegressor, broken(linear, model=("linear", 500, 1, True, True))))
    wrong.append((GDLinearRegressor, linear | {"n_features_in_": 500}))
    wrong.append((GDLinearRegressor, {k: v for k, v in linear.items() if k != "n_features_in_"}))
    wrong.append((GDMLPRegressor, broken(small, model=("network", (10, 500, 1), "relu", "auto", (0.0,)))))
    turned = ("network", (10, 5, -1, 20), "relu", "auto", ())  # which adds up to 49 parameters
    wrong.append((GDMLPRegressor, broken(small, model=turned, arrays={"params": np.ones(49)})))
    for make, state in wrong:
        with pytest.raises(ValueError, match=r"as skgd stores it|broadcast"):
            make().__setstate__(state)
    for make, state in ((GDLinearRegressor, linear), (GDMLPRegressor, small)):
        model = make()
        model.__setstate__(dict(state))
        model.predict(X)


def test_objects_come_back_with_their_parameters_alone():
    # what else a file from elsewhere has set would change how much memory kernels are told of
    X, y = load_diabetes(return_X_y=True)
    model = GDMLPRegressor(hidden_layer_sizes=(3,), optimizer=SGD(momentum=0.5), max_iter=1, tol=None).fit(X, y)
    optimizer, activation = SGD(momentum=0.5), GELU()
    optimizer.__dict__["default_learning_rate"] = 7.0
    activation.__dict__["from_output"] = True
    network = ("network", (10, 3, 1), activation, "auto", (0.0,))
    model.__setstate__(broken(model.__getstate__(), optimizer=optimizer, model=network))
    assert model.optimizer_.momentum == 0.5
    assert model.optimizer_.default_learning_rate == SGD.default_learning_rate
    assert not model._training.model.activation.from_output


def test_a_second_training_in_a_file_does_not_take_the_place_of_the_one_that_was_checked():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(max_iter=1, tol=None).fit(X, y)
    loaded = GDLinearRegressor()
    loaded.__setstate__(model.__getstate__() | {"_training": SGD()})
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert not isinstance(loaded._training, SGD)


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


@pytest.mark.parametrize("name", ["linear", "single", "logistic", "network", "stream"])
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.filterwarnings("ignore::skgd._warnings.InconsistentVersionWarning")
def test_pickles_of_later_formats_predict_what_they_did_and_go_on(number, name):
    pytest.importorskip("numpy._core", reason="stored with NumPy 2, whose pickles NumPy 1.26.0 can't read")
    X, y = (load_diabetes if name in ("linear", "single") else load_iris)(return_X_y=True)
    X = X.astype(np.float32) if name == "single" else X
    stored = pickle.loads((DATA / f"skgd-format-{number}.pkl").read_bytes())[name]
    model = pickle.loads(stored["stored"])
    np.testing.assert_allclose(model.predict(X)[:50], stored["predicted"], rtol=1e-9)
    score = model.score(X, y)
    if number == 3:  # which leaves defaults out: where one of them changes, the format must be raised
        added = {"categorical_features": "from_dtype"} if name == "network" else {}  # later, as it was before
        assert model.get_params() == stored["parameters"] | added
    assert model.set_params(warm_start=True, max_iter=20).partial_fit(X, y).score(X, y) > score - 0.1


def test_shortened_numbers_round_to_the_same_float32():
    ties = np.array([1 + 2.0**-24, 1 + 3 * 2.0**-24, 1e-30 * (1 + 2.0**-24)])  # half way between two of float32
    given = np.concatenate([sign * ties * (1 + more) for sign in (1, -1) for more in (0.0, 2.0**-45, -(2.0**-45))])
    kept = _from_bytes(_as_bytes(given, np.dtype(np.float32)), np.dtype(np.float32))
    np.testing.assert_array_equal(kept.astype(np.float32), given.astype(np.float32))
    np.testing.assert_allclose(kept, given, rtol=2.0**-36)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_model_far_from_zero_predicts_the_same_from_a_pickle(dtype):
    X, y = load_diabetes(return_X_y=True)
    X = (X / X.std(axis=0) + 1e5).astype(dtype)  # float32 coefficients would be wrong by a hundredth of what they say
    model = GDLinearRegressor().fit(X, y)
    loaded = again(model)
    np.testing.assert_array_equal(loaded.coef_, model.coef_)
    np.testing.assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-5 if dtype == np.float32 else 0)


def test_parameters_at_their_defaults_come_back_and_so_do_others():
    for model in (GDLinearRegressor(), GDLinearClassifier(alpha=np.float64(1e-4), class_weight={0: 1.0}, max_iter=7)):
        loaded = again(model)
        assert loaded.get_params() == model.get_params()
        assert vars(loaded).keys() == vars(model).keys()
    assert again(GDMLPRegressor(hidden_layer_sizes=(4, 3))).hidden_layer_sizes == (4, 3)


def test_what_only_resembles_a_default_is_stored():
    for value in ((100.0,), [100], (100, 100)):
        loaded = again(GDMLPRegressor(hidden_layer_sizes=value)).hidden_layer_sizes
        assert type(loaded) is type(value)
        assert repr(loaded) == repr(value)
    assert np.signbit(again(GDLinearRegressor(alpha=-0.0)).alpha)


def test_names_that_users_add_stay_out_of_pickles(monkeypatch):
    X, y = load_diabetes(return_X_y=True)
    with monkeypatch.context() as context:
        context.setitem(OPTIMIZERS, "mine", lambda: SGD(momentum=0.5))
        stored = pickle.dumps(GDLinearRegressor(optimizer=SGD(momentum=0.5), max_iter=2, tol=None).fit(X, y))
    assert pickle.loads(stored).optimizer_.momentum == 0.5


def test_defaults_of_a_users_class_are_stored_for_they_may_change():
    class Own(GDLinearRegressor):
        def __init__(self, alpha=0.5):
            super().__init__(alpha=alpha)

    assert Own().__getstate__()["alpha"] == 0.5
    assert "alpha" not in GDLinearRegressor().__getstate__()


def test_a_loaded_rule_minimises_the_same():
    X, y = load_diabetes(return_X_y=True)
    model = GDLinearRegressor(optimizer="adam", alpha=10.0, max_iter=3, tol=None, random_state=0).fit(X, y)
    kept = again(model)._training.state
    np.testing.assert_array_equal(kept.penalised, model._training.state.penalised)
    np.testing.assert_array_equal(kept.l1_counts, model._training.state.l1_counts)


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
    state = GDLinearRegressor().fit(X, y).__getstate__()
    for later in 99, state["_skgd_format"] + 1:
        with pytest.raises(ValueError, match="can't read its format"):
            GDLinearRegressor().__setstate__(state | {"_skgd_format": later})


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


def test_streams_of_sparse_rows_from_earlier_formats_keep_their_scale():
    rng = np.random.default_rng(0)
    rows = sparse.random_array((200, 10), density=0.3, format="csr", rng=rng)
    y = rows @ rng.normal(size=10)
    model = GDLinearRegressor(standardize="max_abs", random_state=0)
    for start in range(0, 150, 50):
        model.partial_fit(rows[start : start + 50], y[start : start + 50])
    state = model.__getstate__() | {"_skgd_format": 3}
    del state["standardize"]  # "auto" was the largest absolute values of sparse X
    loaded = GDLinearRegressor.__new__(GDLinearRegressor)
    loaded.__setstate__(state)
    for each in (model, loaded):
        each.partial_fit(rows[150:], y[150:])
    np.testing.assert_array_equal(loaded.coef_, model.coef_)


def test_a_mean_that_a_fit_has_settled_on_is_kept_once():
    X, y = load_diabetes(return_X_y=True)
    settled = GDLinearRegressor(optimizer="sgd", learning_rate=0.1, batch_size=8, random_state=0)
    plain = GDLinearRegressor(optimizer="sgd", learning_rate=0.1, batch_size=8, average=False, random_state=0)
    states = [model.fit(X, y).__getstate__()["_training_state"] for model in (settled, plain)]
    assert not np.array_equal(settled.coef_, plain.coef_)  # it has settled,
    assert settled.n_iter_ == plain.n_iter_
    assert states[0]["arrays"].keys() == states[1]["arrays"].keys()  # and goes on from there, with nothing beside it
