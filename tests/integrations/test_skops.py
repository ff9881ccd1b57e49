"""skops: files that name no types but skgd's public classes, and hold the same model as a pickle."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.activations import ACTIVATIONS
from skgd.losses import CLASS_LOSSES, LOSSES, Huber, MultilabelLogLoss
from skgd.optimizers import OPTIMIZERS, SGD
from skgd.penalties import L1, L2, PENALTIES, ElasticNet
from skgd.schedules import SCHEDULES, Cosine

sio = pytest.importorskip("skops.io")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, NUMBERS = (array[:60] for array in load_diabetes(return_X_y=True))
CLASSES = load_iris().target[::3][:50]
X_CLASSES = load_iris().data[::3][:50]
LABELS = np.column_stack([CLASSES > 0, CLASSES > 1]).astype(int)
FEW = {"max_iter": 2, "tol": None, "random_state": 0}
SMALL = FEW | {"hidden_layer_sizes": (3,)}

# What a fit takes, by the table that it comes from: each row of each, by name and as an object.
REGRESSORS = {f"optimizer {name}": GDLinearRegressor(optimizer=name, **FEW) for name in OPTIMIZERS}
REGRESSORS |= {f"optimizer {name}()": GDLinearRegressor(optimizer=make(), **FEW) for name, make in OPTIMIZERS.items()}
REGRESSORS |= {f"loss {name}": GDLinearRegressor(loss=name, **FEW) for name in LOSSES if name not in CLASS_LOSSES}
REGRESSORS |= {
    f"schedule {name}": GDLinearRegressor("huber", schedule=name, optimizer="sgd", **FEW) for name in SCHEDULES
}
REGRESSORS |= {
    f"schedule {name}()": GDLinearRegressor(Huber(epsilon=2.0), schedule=make(), optimizer="sgd", **FEW)
    for name, make in SCHEDULES.items()
}
REGRESSORS |= {f"penalty {name}": GDLinearRegressor(penalty=name, alpha=0.1) for name in PENALTIES}
REGRESSORS |= {f"penalty {each}": GDLinearRegressor(penalty=each) for each in (L1(0.1), L2(0.1), ElasticNet(0.1, 0.5))}
REGRESSORS |= {
    "quantiles": GDLinearRegressor(loss="quantile", quantile=[0.1, 0.5]),
    "early stopping": GDLinearRegressor(optimizer="adam", early_stopping=True, max_iter=5, random_state=0),
    "average": GDLinearRegressor(optimizer=SGD(momentum="auto", nesterov=True), average=0.9, **FEW),
    "numbers of NumPy": GDLinearRegressor(alpha=np.float32(0.1), max_iter=np.int64(3), penalty=L2(np.float64(0.5))),
    "random state": GDLinearRegressor(optimizer="adam", max_iter=2, tol=None, random_state=np.random.RandomState(0)),
    "network": GDMLPRegressor(**SMALL),
    "network of numbers": GDMLPRegressor(hidden_layer_sizes=np.array([3, 2]), dropout=[0.5, 0.0], **FEW),
    "network by line search": GDMLPRegressor(optimizer="lbfgs", **SMALL),
    "restarts": GDMLPRegressor(n_restarts=2, schedule=Cosine(), average=True, **SMALL),
}
CLASSIFIERS = {f"loss {name}": GDLinearClassifier(loss=name, **FEW) for name in sorted(CLASS_LOSSES)}
CLASSIFIERS |= {f"loss {name}()": GDLinearClassifier(loss=LOSSES[name](), **FEW) for name in sorted(CLASS_LOSSES)}
CLASSIFIERS |= {f"activation {name}": GDMLPClassifier(activation=name, **SMALL) for name in ACTIVATIONS}
CLASSIFIERS |= {
    f"activation {name}()": GDMLPClassifier(activation=make(), **SMALL) for name, make in ACTIVATIONS.items()
}
CLASSIFIERS |= {
    "logistic": GDLogisticClassifier(),
    "class weights": GDLogisticClassifier(class_weight={0: 1.0, 1: np.float64(2.0), 2: 3}),
    "balanced": GDLinearClassifier(class_weight="balanced", optimizer="adagrad", **FEW),
    "early stopping": GDMLPClassifier(hidden_layer_sizes=(3,), early_stopping=True, max_iter=5, random_state=0),
}
CASES = {f"regressor, {name}": (model, X, NUMBERS) for name, model in REGRESSORS.items()}
CASES |= {f"classifier, {name}": (model, X_CLASSES, CLASSES) for name, model in CLASSIFIERS.items()}
CASES |= {
    "two targets": (GDLinearRegressor(), X, np.column_stack([NUMBERS, X[:, 0]])),
    "names of classes": (GDLogisticClassifier(), X_CLASSES, np.array(["a", "b", "cc"])[CLASSES]),
    "objects as classes": (GDLogisticClassifier(), X_CLASSES, np.array(["a", "b", "cc"], dtype=object)[CLASSES]),
    "labels": (GDMLPClassifier(**SMALL), X_CLASSES, LABELS),
    "labels by a loss": (GDMLPClassifier(loss=MultilabelLogLoss(), **SMALL), X_CLASSES, LABELS),
    "float32": (GDLinearRegressor(), X.astype(np.float32), NUMBERS),
    "float32 by a rule": (GDLinearRegressor(optimizer="adam", **FEW), X.astype(np.float32), NUMBERS),
    "sparse": (GDLinearRegressor(optimizer="adam", **FEW), sparse.csr_matrix(X), NUMBERS),
    "sparse, moments": (GDLinearRegressor(optimizer="adam", standardize=True, **FEW), sparse.csr_array(X), NUMBERS),
}


def again(model):
    """The model from a file, of which nothing but skgd's public classes is trusted."""
    stored = sio.dumps(model)
    assert set(sio.get_untrusted_types(data=stored)) <= set(skgd.TRUSTED_TYPES)
    return sio.loads(stored, trusted=skgd.TRUSTED_TYPES)


@pytest.mark.parametrize("name", CASES)
def test_a_file_holds_the_model_that_a_pickle_holds_and_names_public_classes_alone(name):
    model, X, y = CASES[name]
    model = clone(model).fit(X, y)
    loaded, pickled = again(model), pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X), pickled.predict(X))
    if name == "float32":  # where line searches of linear models store less than they have
        np.testing.assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-9)
    else:
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    parameters, expected = ({k: repr(v) for k, v in each.get_params().items()} for each in (loaded, model))
    if name != "regressor, random state":  # whose repr is its address
        assert parameters == expected
    assert vars(loaded).keys() == vars(model).keys()
    for attribute, value in vars(model).items():
        if attribute.endswith("_") and not isinstance(value, list) and attribute != "optimizer_":
            assert type(vars(loaded)[attribute]) is type(value)
            np.testing.assert_array_equal(vars(loaded)[attribute], value)


@pytest.mark.parametrize("name", CASES)
def test_training_goes_on_as_from_a_pickle(name):
    model, X, y = CASES[name]
    model = clone(model).fit(X, y)
    streams, warm = {"early_stopping": False}, {"warm_start": True}
    ways = lambda model: model.set_params(**streams).partial_fit(X, y), lambda model: model.set_params(**warm).fit(X, y)
    for go_on in ways:
        loaded, pickled = go_on(again(model)), go_on(pickle.loads(pickle.dumps(model)))
        assert loaded.t_ == pickled.t_ >= model.t_
        np.testing.assert_array_equal(loaded.predict(X), pickled.predict(X))
        np.testing.assert_array_equal(loaded.loss_curve_, pickled.loss_curve_)


@pytest.mark.parametrize("given", [1.0, 5.0])
def test_a_sparsified_model_stays_sparse(given):
    model = GDLinearRegressor(penalty="l1", alpha=5.0).fit(X, NUMBERS).sparsify()
    model.coef_ *= given  # what the user has changed goes along
    loaded = again(model)
    assert loaded.coef_.format == "csr"
    assert loaded.coef_.nnz == model.coef_.nnz < X.shape[1]
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_pipelines_and_files(tmp_path):
    model = make_pipeline(StandardScaler(), GDLogisticClassifier()).fit(X_CLASSES, CLASSES)
    sio.dump(model, tmp_path / "model.skops")
    loaded = sio.load(tmp_path / "model.skops", trusted=skgd.TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.predict_proba(X_CLASSES), model.predict_proba(X_CLASSES))
    with pytest.raises(Exception, match="GDLogisticClassifier"):  # nothing is trusted unless it is said
        sio.load(tmp_path / "model.skops")


class OwnLoss(Huber):
    pass


def halves(t):
    return 0.5**t


def test_classes_and_functions_of_ones_own_are_asked_for():
    model = GDLinearRegressor(loss=OwnLoss(2.0), schedule=halves, optimizer="sgd", **FEW).fit(X, NUMBERS)
    stored = sio.dumps(model)
    own = set(sio.get_untrusted_types(data=stored)) - set(skgd.TRUSTED_TYPES)
    assert own == {f"{__name__}.OwnLoss", f"{__name__}.halves"}
    with pytest.raises(Exception, match="OwnLoss"):
        sio.loads(stored, trusted=skgd.TRUSTED_TYPES)
    loaded = sio.loads(stored, trusted=[*skgd.TRUSTED_TYPES, *own])
    np.testing.assert_array_equal(loaded.partial_fit(X, NUMBERS).coef_, model.partial_fit(X, NUMBERS).coef_)


def test_a_file_that_names_something_else_is_refused():
    stored = sio.dumps(GDLinearRegressor(optimizer=SGD(), **FEW).fit(X, NUMBERS))
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stored)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                step = schema["content"]["content"]["optimizer"]
                assert (step["__module__"], step["__class__"]) == ("skgd.optimizers.sgd", "SGD")
                step["__module__"], step["__class__"] = "subprocess", "Popen"
                content = json.dumps(schema).encode()
            target.writestr(name, content)
    with pytest.raises(Exception, match=r"subprocess\.Popen"):
        sio.loads(changed.getvalue(), trusted=skgd.TRUSTED_TYPES)
