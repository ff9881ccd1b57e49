"""Fits that are kept on the way, cut short, and gone on with."""

import errno
import functools
import json
import os
import time
import warnings
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd.losses import Huber
from skgd.optimizers import LBFGS, Adam
from skgd.schedules import ReduceOnPlateau

pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

from skgd._auto import curvature
from skgd._fit import problem_of
from skgd._kernels.structures import Progress
from skgd._solvers import by_products, multipliers
from skgd._solvers.curvature import Curvature
from skgd._solvers.plan import CurvaturePlan
from skgd._watch import files
from skgd._watch.checkpoint import parameters_of
from skgd._watch.run import Run
from skgd.callbacks import Checkpoint

X, Y = load_diabetes(return_X_y=True)
C, CLASSES = load_breast_cancer(return_X_y=True)


class StopAfter:
    """Ends a fit by an error, or as callbacks may, after some epochs."""

    def __init__(self, n_epochs, error=None):
        self.n_epochs, self.error = n_epochs, error

    def setup(self, estimator, context):
        self.n_seen = 0

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_seen += context.max_subtasks == 0
        if self.n_seen == self.n_epochs:
            if self.error is not None:
                raise self.error
            return True
        return False

    def teardown(self, estimator, context):
        pass


@pytest.fixture
def kept(tmp_path):
    """A checkpoint of a fit that stopped after five epochs, and the model that it was made with."""
    path = tmp_path / "fit.npz"
    model = GDLinearRegressor(optimizer="adam", max_iter=20, tol=None, random_state=0)
    clone(model).set_callbacks(Checkpoint(path), StopAfter(5)).fit(X, Y)
    return path, model


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals of POSIX")
@pytest.mark.parametrize("part", [0, 1] if "SKGD_KILLS" in os.environ else [0])
def test_fits_that_are_killed_at_any_moment_end_as_if_nobody_had(part, answer_of_a_copy):
    # SKGD_KILLS says how many of each kind, else there are two, and a few kinds
    n_kills = int(os.environ.get("SKGD_KILLS", 0))
    every = f"{part}::2" if n_kills else "0::4"
    script = f"""
        import contextlib, io, json, runpy
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = runpy.run_path({str(Path(__file__).with_name("killed.py"))!r})["main"]({n_kills or 2}, [{every!r}])
        print(json.dumps([status, out.getvalue().splitlines()]))
    """
    status, lines = answer_of_a_copy(script, longest=600)
    assert status == 0, lines
    assert len(lines) > (15 if n_kills else 7)
    assert all(line.endswith(" equal") and f" {n_kills or 2} killed, " in line for line in lines)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", [GDLogisticClassifier, GDLinearRegressor])  # of which one knows its intercept at first
def test_a_fit_that_went_on_from_an_earlier_one_is_resumed_to_the_same_bits(kind, optimizer, tmp_path):
    path = tmp_path / "fit.npz"
    model = kind(optimizer=optimizer, max_iter=8, tol=None, warm_start=True, random_state=0)
    model.fit(C[:300], CLASSES[:300])
    model.set_callbacks(Checkpoint(path, every=3), StopAfter(4, RuntimeError()))
    with pytest.raises(RuntimeError):
        model.fit(C, CLASSES)
    resumed = clone(model).set_callbacks().resume(path, C, CLASSES)
    whole = model.set_callbacks().fit(C, CLASSES)
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)
    np.testing.assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
    assert resumed.n_iter_ == whole.n_iter_ == 16


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["by products", "by a matrix after them", "hinge", "absolute error"])
@pytest.mark.parametrize("n_epochs", [1, 3, 5])
def test_steps_on_sparse_rows_are_resumed_to_the_same_bits(kind, n_epochs, tmp_path, monkeypatch):
    monkeypatch.setattr(curvature, "LEAST_MATRIX_WORK", 0)
    if kind == "by a matrix after them":
        monkeypatch.setattr(by_products, "MOST_PRODUCTS", 2)
    random = np.random.default_rng(0)
    rows = sparse.random(300, 80, density=0.05, random_state=random, format="csr")
    targets = rows[:, [0]].toarray().ravel() + 0.3 * random.standard_normal(300)
    model = GDLinearRegressor("absolute_error") if kind == "absolute error" else GDLogisticClassifier()
    model = GDLinearClassifier("hinge") if kind == "hinge" else model
    data = rows, targets if kind == "absolute error" else targets > 0.2
    path = tmp_path / "fit.npz"
    clone(model).set_callbacks(Checkpoint(path), StopAfter(n_epochs)).fit(*data)
    whole, resumed = clone(model).fit(*data), clone(model).resume(path, *data)
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)
    assert resumed.n_iter_ == whole.n_iter_ > n_epochs
    assert resumed.stop_reason_ == whole.stop_reason_ == "converged"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_model_may_stop_resume_and_be_watched_again_and_again(tmp_path):
    path = tmp_path / "fit.npz"
    model = GDMLPClassifier(hidden_layer_sizes=(5,), max_iter=12, early_stopping=True)
    first = clone(model).set_callbacks(Checkpoint(path), StopAfter(4)).fit(C, CLASSES)
    assert (first.n_iter_, first.stop_reason_) == (4, "callback")
    second = clone(model).set_callbacks(Checkpoint(path), StopAfter(3)).resume(path, C, CLASSES)
    assert (second.n_iter_, second.stop_reason_) == (7, "callback")
    third = clone(model).resume(path, C, CLASSES)
    assert len(third.validation_curve_) == third.n_iter_ > 7
    np.testing.assert_array_equal(third.loss_curve_[:7], second.loss_curve_)
    np.testing.assert_array_equal(third.validation_curve_[:4], first.validation_curve_)


def test_starts_that_nobody_has_been_told_of_since_are_in_a_checkpoint_as_they_were():
    drivers: list = [SimpleNamespace(number=k, begun=k < 2, state=lambda k=k: k) for k in range(3)]
    assert Run(drivers, [], dict).state()["drivers"] == [0, 1, None]


@pytest.mark.parametrize("average", [True, 0.9, 3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_best_mean_of_float32_parameters_is_kept_too(average, tmp_path):
    path, rows = tmp_path / "fit.npz", C.astype(np.float32)
    model = GDLogisticClassifier(
        optimizer="adam", average=average, early_stopping=True, max_iter=9, tol=None, random_state=0
    )
    whole = clone(model).fit(rows, CLASSES)
    for end in StopAfter(6), StopAfter(100):  # within the fit, and after it has returned to its best
        clone(model).set_callbacks(Checkpoint(path), end).fit(rows, CLASSES)
        resumed = clone(model).resume(path, rows, CLASSES)
        np.testing.assert_array_equal(resumed.coef_, whole.coef_)
        np.testing.assert_array_equal(resumed.validation_curve_, whole.validation_curve_)


def test_a_fit_that_ended_is_resumed_at_once(tmp_path):
    path = tmp_path / "fit.npz"
    model = GDLinearRegressor(loss=Huber(epsilon=1.5), optimizer=Adam(beta1=0.8), random_state=0)
    model.set_callbacks(Checkpoint(path, every=10**6)).fit(X, Y)
    again = clone(model).set_callbacks().resume(str(path), X, Y)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    assert (again.n_iter_, again.stop_reason_) == (model.n_iter_, "converged")


def test_a_checkpoint_is_arrays_numbers_and_strings(kept):
    with np.load(kept[0], allow_pickle=False) as members:
        tree = json.loads(members["state"].tobytes())
        assert all(members[name].dtype.kind in "fui" for name in members.files)
    assert (tree["format"], tree["version"]) == (1, skgd.__version__)
    assert tree["state"]["class"] == "skgd.linear_model._regressor.GDLinearRegressor"


@pytest.mark.parametrize(
    "at",
    [("progress", "cursor", -(10**9)), ("progress", "random", 0), ("vectors", "params", 3), ("vectors", "slots", 0.0)],
)
def test_what_no_training_has_written_is_refused(at, kept):
    # a file from a stranger: whole, but with what would let compiled loops read anywhere
    path, model = kept
    state = files.read(path)
    training, (part, name, value) = state["drivers"][0]["training"], at
    if part == "progress":
        progress = training["progress"].view(Progress).copy()
        progress[name] = value
        training["progress"] = progress.view(np.uint8)
    else:
        training["vectors"][name] = np.float32(training["vectors"][name][:value] if value else 0.0)
    files.write(path, state)
    with pytest.raises(ValueError, match="the checkpoint is damaged: "):
        model.resume(path, X, Y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("missing", ["drivers", "parameters", "random", "began", "beside", "data"])
def test_a_file_that_lacks_something_is_refused(missing, kept):
    path, model = kept
    state = files.read(path)
    del state[missing]
    files.write(path, state)
    with pytest.raises(ValueError, match=r"is damaged|aren't those"):
        model.resume(path, X, Y)


class KeepsStates:
    """Keeps the states of a fit, as a writer does that is slow."""

    def __init__(self):
        self.states = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.states.append(estimator._run.state())

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize(
    "model",
    [
        GDLinearRegressor(loss="absolute_error"),
        GDLinearClassifier("hinge", alpha=1e-3),
        GDLogisticClassifier(penalty="l1", alpha=1e-3),
        GDLogisticClassifier(optimizer="svrg", batch_size=16, max_iter=6),
        GDMLPClassifier(hidden_layer_sizes=(4,), early_stopping=True, n_restarts=2, n_jobs=1, max_iter=12),
        GDLinearRegressor(
            optimizer="adam", schedule=ReduceOnPlateau(patience=1, decay=0.3), learning_rate=1.0, max_iter=30
        ),
        GDLogisticClassifier(optimizer=LBFGS(preconditioner="subsample"), penalty="l1", alpha=1e-5, max_iter=20),
        GDLogisticClassifier(optimizer=LBFGS(preconditioner="working_sets"), penalty="l1", alpha=1e-4),
        GDLinearRegressor(optimizer=LBFGS(preconditioner="working_sets"), penalty="l1", alpha=0.1),
    ],
    ids=[
        "kinks",
        "interior point",
        "lasso",
        "svrg",
        "restarts",
        "plateau",
        "curvature that falls",
        "sets",
        "growing sets",
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_state_stays_as_it_was_however_late_it_is_written(model, tmp_path):
    data = (X, Y) if isinstance(model, GDLinearRegressor) else (C, CLASSES)
    model, path, keeper = clone(model).set_params(random_state=1), tmp_path / "fit.npz", KeepsStates()
    whole = clone(model).set_callbacks(keeper).fit(*data)
    for state in keeper.states[::3]:
        files.write(path, state)
        resumed = clone(model).resume(path, *data)
        np.testing.assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
        np.testing.assert_array_equal(resumed.predict(data[0]), whole.predict(data[0]))


@pytest.mark.parametrize("most_steps", [1_000, 4])  # after which line searches go on
@pytest.mark.parametrize("tol", ["auto", None])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_by_multipliers_are_resumed_to_the_same_bits(most_steps, tol, tmp_path, monkeypatch):
    for name in "FEW_ROWS_BY_KINKS", "ROWS_BY_KINKS":
        monkeypatch.setattr(curvature, name, 1)
    monkeypatch.setattr(multipliers, "MOST_STEPS", most_steps)
    model, path = GDLinearClassifier("hinge", alpha=1e-3, tol=tol, max_iter=60), tmp_path / "fit.npz"
    keeper = KeepsStates()
    whole = clone(model).set_callbacks(keeper).fit(C, CLASSES)
    for state in keeper.states[::3]:
        files.write(path, state)
        resumed = clone(model).resume(path, C, CLASSES)
        np.testing.assert_array_equal(resumed.loss_curve_, whole.loss_curve_)
        np.testing.assert_array_equal(resumed.coef_, whole.coef_)


def test_curvature_that_has_fallen_is_made_again_as_it_was():
    problem = problem_of(GDLogisticClassifier(alpha=0.0), C, CLASSES)
    plan = CurvaturePlan("subsample", False, False, len(C), 200)

    def curvature():
        return Curvature(problem.rows, problem.model, problem.loss, problem.ridge, plan)

    one, gradient = curvature(), np.linspace(-1, 1, problem.model.n_params)
    for size in (0.0, 1e3):  # where probabilities are near 0 and 1, rounding would decide without what was there before
        made = one.model(np.full(problem.model.n_params, size), problem.loss_hyper)
    again = curvature().restore(one.state())
    np.testing.assert_array_equal(again.solve(gradient), made.solve(gradient))


def test_a_fit_that_diverges_is_told_the_same_advice_after_resuming(tmp_path):
    path = tmp_path / "fit.npz"
    model = GDMLPRegressor(hidden_layer_sizes=(4,), optimizer="sgd", learning_rate=30.0, batch_size=None, max_iter=40)
    model.set_params(random_state=0)
    keeper, told = KeepsStates(), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clone(model).set_callbacks(keeper).fit(X, Y)
        for state in keeper.states[:2]:
            files.write(path, state)
            clone(model).resume(path, X, Y)
    told = {str(each.message) for each in caught}
    assert len(told) == 1
    assert "diverged" in told.pop()


@pytest.mark.parametrize("first", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_precision_of_a_fit_that_went_on_with_another_one(first, optimizer, tmp_path):
    path, then = tmp_path / "fit.npz", np.float64 if first is np.float32 else np.float32
    names = np.array(["no", "yes"], dtype=object)[CLASSES]
    model = GDLogisticClassifier(optimizer=optimizer, max_iter=4, tol=None, warm_start=True, random_state=0)
    model.fit(C.astype(first), names).set_callbacks(Checkpoint(path, every=100), StopAfter(2))
    model.fit(C.astype(then), names)
    resumed = clone(model).set_callbacks().resume(path, C.astype(then), names)
    assert resumed.coef_.dtype == model.coef_.dtype
    assert resumed.classes_.dtype == model.classes_.dtype == object
    assert resumed.n_iter_ == 8


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.Philox])
def test_other_generators_of_random_bits(bits, tmp_path):
    path, model = (
        tmp_path / "fit.npz",
        GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=5, early_stopping=True, tol=None),
    )
    whole = clone(model).set_params(random_state=np.random.RandomState(bits(3)))
    whole.set_callbacks(Checkpoint(path)).fit(C, CLASSES)
    resumed = clone(model).resume(path, C, CLASSES)
    np.testing.assert_array_equal(resumed.validation_curve_, whole.validation_curve_)


def test_other_files_beside_it_stay(tmp_path):
    theirs = tmp_path / "fit[1]-000001-final.npz"
    theirs.write_bytes(b"mine")
    path = tmp_path / "fit[1].npz"
    model = GDLinearRegressor(optimizer="adam", max_iter=4, tol=None, random_state=0)
    for n_epochs in (4, 2):
        model.set_params(max_iter=n_epochs).set_callbacks(Checkpoint(path, keep=2), Slow()).fit(X, Y)
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {theirs.name, path.name, *(f"fit[1]-00000{n}.npz" for n in (1, 2, 3, 4))}


def test_a_checkpoint_goes_where_its_path_led_when_the_fit_began(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "there" / "fit.npz")
    monkeypatch.chdir(tmp_path)

    class Elsewhere(StopAfter):
        def on_fit_task_end(self, estimator, context):
            os.chdir(tmp_path / "there")

    GDLinearRegressor().set_callbacks(Elsewhere(0), Checkpoint("fit.npz")).fit(X, Y)
    assert (tmp_path / "fit.npz").exists()
    GDLinearRegressor().set_callbacks(Checkpoint(tmp_path / "link.npz")).fit(X, Y)
    assert (tmp_path / "there" / "fit.npz").exists()


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("why")])
def test_whatever_the_writer_meets_the_fit_ends(error, tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr(files.np, "savez", fails)
    with pytest.warns(UserWarning, match="no checkpoint could be written"):
        GDLinearRegressor().set_callbacks(Checkpoint(tmp_path / "fit.npz")).fit(X, Y)


def test_fits_in_threads_may_share_a_checkpoint(tmp_path):
    model = GDLinearRegressor(optimizer="adam", max_iter=5, tol=None).set_callbacks(Checkpoint(tmp_path / "fit.npz"))
    with joblib.parallel_backend("threading", n_jobs=2):
        cross_val_score(model, X, Y, cv=4)
    assert [each.name for each in tmp_path.iterdir()] == ["fit.npz"]


def test_how_many_are_kept_and_how_often(tmp_path):
    model = GDLinearRegressor(optimizer="adam", max_iter=25, tol=None, random_state=0)
    path = tmp_path / "fit.npz"
    model.set_callbacks(Checkpoint(path, every=10, keep=2), Slow()).fit(X, Y)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["fit-000020.npz", "fit-000025.npz", "fit.npz"]
    model.fit(X, Y)  # over the files of the fit before
    assert path.samefile(tmp_path / "fit-000025.npz")  # two names: nothing is copied that a kill could leave half done
    earlier = GDLinearRegressor(optimizer="adam", max_iter=25, tol=None, random_state=0)
    np.testing.assert_array_equal(earlier.resume(tmp_path / "fit-000020.npz", X, Y).coef_, model.coef_)
    other = tmp_path / "other.npz"
    model.set_callbacks(Checkpoint(other, every=timedelta(days=1), keep=9)).fit(X, Y)
    assert [each.name for each in tmp_path.glob("other*")].count("other-000025.npz") == 1
    assert len(list(tmp_path.glob("other*"))) == 2  # the end alone


class Slow(StopAfter):
    """Gives the writer time."""

    def __init__(self):
        super().__init__(0)

    def on_fit_task_end(self, estimator, context):
        (writer,) = estimator._skl_callbacks[0]._records.values()
        with writer.condition:
            writer.condition.wait_for(lambda: not writer.busy)


# -- other data, other estimators, damaged files


def changed(array, at, by=1.0):
    array = np.array(array)
    array[at] += by
    return array


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X[:-1], Y[:-1]), "shape of X was .442, 10., now it is .441, 10."),
        ((X[:, :9], Y), "shape of X"),
        ((X.astype(np.float32), Y), "dtype of X was float64, now it is float32"),
        ((changed(X, (100, 3), 1e-9), Y), "X changed|means and deviations changed"),
        ((X, changed(Y, 441)), "y changed"),
        ((X[::-1], Y[::-1]), "X changed"),
        ((X, Y, np.arange(442.0)), "weights changed"),
    ],
)
def test_data_that_changed_are_noticed(kept, data, message):
    path, model = kept
    model.fit(X[:50], Y[:50])
    before = model.coef_
    with pytest.raises(ValueError, match=f"data aren't those that the checkpoint was made with: .*({message})"):
        model.resume(path, *data)
    assert model.coef_ is before


def test_a_row_of_many_that_changed_is_noticed_by_means_and_deviations(tmp_path):
    random = np.random.default_rng(0)
    many, targets = random.standard_normal((5000, 2)), random.standard_normal(5000)
    model = GDLinearRegressor(optimizer="adam", max_iter=2, tol=None, random_state=0)
    clone(model).set_callbacks(Checkpoint(tmp_path / "fit.npz")).fit(many, targets)
    for row in range(1, 6):  # of which a sample of a fifth has one
        with pytest.raises(ValueError, match="means and deviations changed"):
            model.resume(tmp_path / "fit.npz", changed(many, (row, 1)), targets)


def test_validation_rows_that_changed_are_noticed(tmp_path):
    path = tmp_path / "fit.npz"
    model = GDLinearRegressor(optimizer="adam", max_iter=5, tol=None, random_state=0)
    clone(model).set_callbacks(Checkpoint(path)).fit(X, Y, X_val=X[:50], y_val=Y[:50])
    model.resume(path, X, Y, X_val=X[:50], y_val=Y[:50])
    with pytest.raises(ValueError, match="y of the validation rows changed"):
        model.resume(path, X, Y, X_val=X[:50], y_val=Y[:50] + 1)
    with pytest.raises(ValueError, match="data aren't those"):
        model.resume(path, X, Y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_iter": 30}, "it had max_iter=20"),
        ({"optimizer": Adam()}, "it had optimizer='adam'"),
        ({"loss": Huber(epsilon=2.0)}, "it had loss='squared_error'"),
        ({"schedule": lambda t: 0.5**t}, "it had schedule='constant'"),
        ({"alpha": 0.5, "tol": 0.1}, "it had alpha=0.0001, tol=None"),
    ],
)
def test_other_parameters_are_refused(kept, settings, message):
    path, model = kept
    with pytest.raises(ValueError, match=message):
        model.set_params(**settings).resume(path, X, Y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (range(3, 5), range(3, 5), range(4, 6)),
        (pd.Series([3, 4]), pd.Series([3, 4]), pd.Series([4, 5])),
        (np.array([3, 4], dtype=object), np.array([3, 4], dtype=object), np.array([4, 5], dtype=object)),
    ],
    ids=["range", "series", "objects"],
)
def test_sequences_are_compared_by_what_is_in_them(one, same, other):
    parameters = [parameters_of(GDMLPRegressor(hidden_layer_sizes=sizes)) for sizes in (one, same, other)]
    assert json.dumps(parameters[0]) == json.dumps(parameters[1]) != json.dumps(parameters[2])


class Halves:
    """A schedule with an attribute."""

    def __init__(self, factor=0.5):
        self.factor = factor

    def __call__(self, t):
        return self.factor**t


def powers_of(base):
    return lambda t: base**t


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (lambda t: 0.9**t, lambda t: 0.9**t, lambda t: 0.8**t),
        (Halves(), Halves(), Halves(0.4)),
        (functools.partial(pow, 0.9), functools.partial(pow, 0.9), functools.partial(pow, 0.8)),
        (powers_of(0.9), powers_of(0.9), powers_of(0.8)),
        (lambda t, base=0.9: base**t, lambda t, base=0.9: base**t, lambda t, base=0.8: base**t),
    ],
    ids=["function", "object", "partial", "closure", "default"],
)
def test_callables_are_compared_by_what_they_do(one, same, other, tmp_path):
    path = tmp_path / "fit.npz"
    model = GDLinearRegressor(optimizer="adam", max_iter=4, tol=None, random_state=0)
    expected = clone(model).set_params(schedule=one).set_callbacks(Checkpoint(path)).fit(X, Y)
    resumed = clone(model)
    resumed.schedule = same
    if one.__class__ is not same.__class__ or not hasattr(one, "__name__"):
        np.testing.assert_array_equal(resumed.resume(path, X, Y).coef_, expected.coef_)
    with pytest.raises(ValueError, match="it had schedule="):
        clone(model).set_params(schedule=other).resume(path, X, Y)


def test_what_may_be_another(kept):
    path, model = kept
    expected = model.fit(X, Y).coef_
    settings = {"verbose": 0, "n_jobs": 1, "random_state": 7, "warm_start": True}
    np.testing.assert_array_equal(model.set_params(**settings).resume(path, X, Y).coef_, expected)


def test_another_class_is_refused(kept):
    with pytest.raises(ValueError, match=r"is of a .*GDLinearRegressor, and this is a .*GDMLPRegressor"):
        skgd.GDMLPRegressor().resume(kept[0], X, Y)


def test_another_version_is_refused(kept, monkeypatch):
    monkeypatch.setattr(files, "__version__", "9.9.9")
    with pytest.raises(ValueError, match=f"made by skgd {skgd.__version__} in format 1, and this is 9.9.9"):
        kept[1].resume(kept[0], X, Y)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_noticed(kept, share):
    path, model = kept
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"fit\.npz is no checkpoint of skgd, or it was cut off or damaged"):
        model.resume(path, X, Y)


def test_no_byte_can_be_another_unnoticed(kept):
    path, model = kept
    expected, whole = model.fit(X, Y).coef_, path.read_bytes()
    rng = np.random.default_rng(0)
    directory = whole.index(b"PK\x01\x02")  # where each bit means something
    for at in [*rng.integers(0, len(whole), 60), *rng.integers(directory, len(whole), 200)]:
        bit = 1 << rng.integers(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        try:
            resumed = clone(model).resume(path, X, Y)
        except ValueError:
            continue
        np.testing.assert_array_equal(resumed.coef_, expected)  # dates of the archive, say


def test_what_is_no_checkpoint(tmp_path):
    model, path = GDLinearRegressor(), tmp_path / "fit.npz"
    with pytest.raises(FileNotFoundError):
        model.resume(path, X, Y)
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="no checkpoint"):
        model.resume(path, X, Y)
    np.savez(path, state=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="no checkpoint"):  # nothing is unpickled
        model.resume(path, X, Y)


# -- where none can be written


def test_a_full_disk_is_warned_of_once_and_the_last_good_checkpoint_stays(tmp_path, monkeypatch):
    path, n_written = tmp_path / "fit.npz", 0
    model = GDLinearRegressor(optimizer="adam", max_iter=20, tol=None, random_state=0)
    replace = os.replace

    def full_from_the_third_on(*args):
        nonlocal n_written
        n_written += 1
        if n_written > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*args)

    monkeypatch.setattr(files.os, "replace", full_from_the_third_on)
    with pytest.warns(UserWarning, match="no checkpoint could be written .* goes on: .*No space left") as warned:
        model.set_callbacks(Checkpoint(path), Slow()).fit(X, Y)
    assert len(warned) == 1
    assert model.n_iter_ == 20
    assert [each.name for each in tmp_path.iterdir()] == ["fit.npz"]
    np.testing.assert_array_equal(clone(model).set_callbacks().resume(path, X, Y).coef_, model.coef_)


def test_a_folder_that_is_missing_is_warned_of_and_the_fit_goes_on(tmp_path):
    model = GDLinearRegressor().set_callbacks(Checkpoint(tmp_path / "none" / "fit.npz"))
    with pytest.warns(UserWarning, match="no checkpoint could be written"):
        assert model.fit(X, Y).converged_


def test_what_another_process_has_left_is_cleaned_up(tmp_path):
    path = tmp_path / "fit.npz"
    for seconds, name in ((0, "recent"), (3600, "old")):
        left = tmp_path / f".fit.npz.{name}.tmp"
        left.write_bytes(b"half")
        os.utime(left, (time.time() - seconds, time.time() - seconds))
    GDLinearRegressor().set_callbacks(Checkpoint(path)).fit(X, Y)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".fit.npz.recent.tmp", "fit.npz"]


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": 1.5}, {"every": timedelta(0)}, {"keep": 0}, {"keep": True}])
def test_parameters_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
        Checkpoint("fit.npz", **wrong)


def test_it_is_set_on_estimators_of_skgd(tmp_path):
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).set_callbacks(Checkpoint(tmp_path / "fit.npz"))
    with pytest.raises(TypeError, match="in a pipeline or a search set it on that estimator"):
        pipeline.fit(X, Y)
    model = GDLinearRegressor().set_callbacks(Checkpoint(tmp_path / "fit.npz"))
    make_pipeline(StandardScaler(), model).fit(X, Y)
    GDLinearRegressor().resume(tmp_path / "fit.npz", StandardScaler().fit_transform(X), Y)


def test_nothing_is_left_on_the_estimator(tmp_path):
    model = GDLinearRegressor(optimizer="adam", max_iter=3, tol=None).fit(X, Y)
    attributes = set(vars(model))
    model.set_callbacks(Checkpoint(tmp_path / "fit.npz")).fit(X, Y)
    assert set(vars(model)) - attributes == {"_skl_callbacks"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_callbacks().partial_fit(X, Y)


@pytest.mark.parametrize("path", ["", ".", "a\0b"])
def test_a_path_is_the_name_of_a_file(path):
    with pytest.raises(ValueError, match="must be the name of a file"):
        Checkpoint(path)
