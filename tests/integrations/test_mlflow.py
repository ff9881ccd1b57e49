"""mlflow: models saved, logged and loaded in all its formats, and what autologging sees of skgd."""

import logging
import os
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier
from skgd.losses import Huber
from skgd.optimizers import SGD

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before the first import
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # mlflow warns of its own type hints
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.sklearn")
    pytest.importorskip("mlflow.pyfunc")

X, y = load_iris(return_X_y=True)
NEEDS = ["skgd"]  # else mlflow loads each model in another process to see what it imports


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Runs in a folder that goes away, without a server."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it says that pickles run code
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize(
    "model",
    [
        GDLogisticClassifier(),
        GDLinearRegressor(loss=Huber(2.0), optimizer=SGD(momentum=0.9), max_iter=3, tol=None, random_state=0),
        GDMLPClassifier(hidden_layer_sizes=(3,), early_stopping=True, max_iter=5, random_state=0),
        make_pipeline(StandardScaler(), GDLogisticClassifier()),
    ],
    ids=["logistic", "objects", "network", "pipeline"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_default_format_needs_the_types_to_trust(model, tmp_path):
    model.fit(X, y)
    with pytest.raises(mlflow.exceptions.MlflowException, match="untrusted types"):
        mlflow.sklearn.save_model(model, tmp_path / "refused", pip_requirements=NEEDS)
    mlflow.sklearn.save_model(model, tmp_path / "saved", skops_trusted_types=skgd.TRUSTED_TYPES, pip_requirements=NEEDS)
    assert (tmp_path / "saved" / "model.skops").exists()  # the default
    for load in (mlflow.sklearn.load_model, mlflow.pyfunc.load_model):
        np.testing.assert_array_equal(load(str(tmp_path / "saved")).predict(X), model.predict(X))


@pytest.mark.parametrize("form", ["cloudpickle", "pickle"])
def test_pickles_need_nothing(form, tmp_path):
    model = GDLogisticClassifier().fit(X, y)
    mlflow.sklearn.save_model(model, tmp_path / "saved", serialization_format=form, pip_requirements=NEEDS)
    loaded = mlflow.sklearn.load_model(str(tmp_path / "saved"))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_run_keeps_parameters_curve_and_model():
    model = GDLogisticClassifier(alpha=0.01).fit(X, y)
    with mlflow.start_run() as run:
        mlflow.log_params(model.get_params())
        for epoch, objective in enumerate(model.loss_curve_, 1):
            mlflow.log_metric("objective", objective, step=epoch)
        logged = mlflow.sklearn.log_model(
            model, name="model", skops_trusted_types=skgd.TRUSTED_TYPES, pip_requirements=NEEDS
        )
    assert mlflow.get_run(run.info.run_id).data.params["alpha"] == "0.01"
    curve = mlflow.MlflowClient().get_metric_history(run.info.run_id, "objective")
    np.testing.assert_array_equal([each.value for each in curve], model.loss_curve_)
    np.testing.assert_array_equal(mlflow.sklearn.load_model(logged.model_uri).predict(X), model.predict(X))


@pytest.fixture
def autologging(monkeypatch):
    from mlflow.utils.autologging_utils import revert_patches

    monkeypatch.setattr("mlflow.models.infer_pip_requirements", lambda *_, fallback, **__: fallback)
    mlflow.sklearn.autolog(log_datasets=False, silent=True)
    yield
    mlflow.sklearn.autolog(disable=True, silent=True)
    revert_patches("sklearn")


@pytest.mark.filterwarnings("ignore:`y_pred` was renamed:FutureWarning")  # mlflow calls scikit-learn's by the old name
@pytest.mark.usefixtures("autologging")
def test_autologging_sees_pipelines_and_searches_but_no_bare_fit():
    GDLogisticClassifier().fit(X, y)
    assert mlflow.search_runs(output_format="list") == []  # mlflow patches scikit-learn's own classes alone

    pipeline = make_pipeline(GDLogisticClassifier(alpha=0.01)).fit(X, y)  # one step is enough
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.params["gdlogisticclassifier__alpha"] == "0.01"
    assert run.data.metrics["training_score"] == pipeline.score(X, y)

    grid = GridSearchCV(GDLogisticClassifier(), {"alpha": [1e-3, 1e-2]}, cv=2).fit(X, y)
    runs = mlflow.search_runs(output_format="list")
    assert len(runs) == 4  # the search, and one for each of the two candidates
    (search,) = (each for each in runs if "best_alpha" in each.data.params)
    assert search.data.params["best_alpha"] == str(grid.best_params_["alpha"])
    assert search.data.metrics["best_cv_score"] == grid.best_score_
    models = {each.name: each for each in mlflow.search_logged_models(output_format="list")}
    best = mlflow.sklearn.load_model(models["best_estimator"].model_uri)
    np.testing.assert_array_equal(best.predict_proba(X), grid.predict_proba(X))
