"""What scikit-learn's callbacks are told of a fit, and what they may do to it."""

import collections
import copy
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearClassifier, GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor
from skgd._solvers.driver import Driver
from skgd._watch import tasks
from skgd.callbacks import EpochTable
from skgd.linear_model import AlphaSearchCV

callback = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

X, Y = load_diabetes(return_X_y=True)
C, CLASSES = load_breast_cancer(return_X_y=True)
NUMBERS, LABELS = (X, Y), (C, CLASSES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Recorder:
    """Notes all that it is told, and keeps the fitted estimators."""

    def __init__(self, stop_after=None, fail_at=None):
        self.stop_after, self.fail_at = stop_after, fail_at
        self.told, self.fitted, self.lock = [], [], threading.Lock()

    def _note(self, what, context):
        with self.lock:
            self.told.append((what, context.task_name, context.task_id, context.max_subtasks))
        if what == self.fail_at:
            raise ValueError(f"failed at {what}")

    def setup(self, estimator, context):
        self._note("setup", context)

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.X, self.y, self.metadata = X, y, metadata
        self._note("begin", context)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.max_subtasks == 0 and fitted_estimator is not None:
            self.fitted.append(fitted_estimator)
        self._note("end", context)
        return len(self.fitted) == self.stop_after

    def teardown(self, estimator, context):
        self._note("teardown", context)


class OneByOne(Recorder):
    """Takes its time, and bears no second thread meanwhile."""

    def _note(self, what, context):
        with self.lock:
            self.busy, was_busy = True, getattr(self, "busy", False)
        assert not was_busy
        time.sleep(2e-3)
        self.busy = False
        super()._note(what, context)


KINDS = {
    "line search": (GDLogisticClassifier(), *LABELS),
    "lasso": (GDLogisticClassifier(penalty="l1", alpha=1e-2), *LABELS),
    "kinks": (GDLinearRegressor(loss="absolute_error", max_iter=12), *NUMBERS),
    "rule": (GDLinearRegressor(optimizer="adam", max_iter=8), *NUMBERS),
    "average": (GDLinearClassifier(optimizer="sgd", average=True, batch_size=16, max_iter=8), *LABELS),
    "accelerated": (GDLogisticClassifier(optimizer="nesterov", batch_size=None, max_iter=8), *LABELS),
    "variance reduced": (GDLinearRegressor(optimizer="svrg", batch_size=16, max_iter=6), *NUMBERS),
    "certificate": (GDLinearRegressor(optimizer="momentum", criterion="gradient", max_iter=8), *NUMBERS),
    "network": (GDMLPRegressor(hidden_layer_sizes=(6,), learning_rate=0.01, max_iter=8), *NUMBERS),
    "early stopping": (GDMLPClassifier(hidden_layer_sizes=(6,), early_stopping=True, max_iter=15), *LABELS),
    "dropout": (GDMLPClassifier(hidden_layer_sizes=(6,), dropout=0.2, learning_rate=0.01, max_iter=5), *LABELS),
    "single precision": (GDLogisticClassifier(), C.astype(np.float32), CLASSES),
}
SCORES = "best_loss_", "best_validation_score_"  # of networks
PUBLISHED = "loss_curve_", "validation_curve_", "n_iter_", "t_", "stop_reason_", "gradient_norm_", "learning_rate_"


def parameters(model):
    return model.coefs_ + model.intercepts_ if hasattr(model, "coefs_") else [model.coef_, model.intercept_]


@pytest.mark.parametrize("kind", KINDS)
def test_each_epoch_has_the_estimator_of_a_fit_with_so_many(kind):
    model, features, targets = KINDS[kind]
    model, recorder = clone(model).set_params(random_state=3), Recorder()
    model.set_callbacks(recorder).fit(features, targets)
    assert [each.n_iter_ for each in recorder.fitted] == list(range(1, model.n_iter_ + 1))
    assert len(recorder.fitted) > 3
    for n_epochs, seen in enumerate(recorder.fitted, start=1):
        alone = clone(model).set_callbacks().set_params(max_iter=n_epochs).fit(features, targets)
        assert all(map(np.array_equal, parameters(seen), parameters(alone)))
        assert all(np.array_equal(getattr(seen, name), getattr(alone, name)) for name in PUBLISHED)
        assert all(getattr(seen, name, None) == getattr(alone, name, None) for name in SCORES)
        np.testing.assert_array_equal(seen.predict(features), alone.predict(features))


def test_the_tasks_of_a_fit():
    recorder, weight = Recorder(), np.ones(len(Y))
    model = GDLinearRegressor(optimizer="adam", max_iter=2, tol=None).set_callbacks(recorder)
    model.fit(X, Y, sample_weight=weight)
    epochs = [(what, f"iteration {n}", n, 0) for n in range(2) for what in ("begin", "end")]
    fit = "fit", 0, 2
    assert recorder.told == [("setup", *fit), ("begin", *fit), *epochs, ("end", *fit), ("teardown", *fit)]
    assert recorder.X is X
    assert recorder.y is Y
    assert recorder.metadata == {"sample_weight": weight}
    assert set(vars(model.set_callbacks())) == set(vars(clone(model).fit(X, Y)))


def test_the_last_fit_of_a_search_begins_and_ends_as_any():
    recorder = Recorder()
    AlphaSearchCV(GDLinearRegressor(penalty="l1").set_callbacks(recorder), n_alphas=3).fit(X, Y)
    told = [each[0] for each in recorder.told]
    assert told[0] == "setup"
    assert told[-1] == "teardown"
    assert told.count("setup") == told.count("teardown") == 1


def test_a_fit_that_ends_early_ends_all_tasks_that_began():
    recorder = Recorder()
    GDLogisticClassifier().set_callbacks(recorder).fit(C, CLASSES)
    told = [each[:3] for each in recorder.told]
    begun = [each[1:] for each in told if each[0] == "begin"]
    assert sorted(begun) == sorted(each[1:] for each in told if each[0] == "end")


@pytest.mark.parametrize(
    "model", [GDLinearRegressor(optimizer="adam"), GDMLPRegressor(), GDLinearRegressor(loss="huber")]
)
def test_a_callback_may_stop_the_fit(model):
    model = clone(model).set_params(tol=None, random_state=0)
    model.set_callbacks(Recorder(stop_after=3), Recorder()).fit(X, Y)
    assert (model.n_iter_, model.stop_reason_, model.converged_) == (3, "callback", False)
    assert len(model.get_params()) == len(clone(model).get_params())
    model.set_params(warm_start=True).set_callbacks(Recorder(stop_after=2)).fit(X, Y)
    assert model.n_iter_ == 5


def test_a_fit_that_goes_on_counts_its_own_epochs_and_has_one_start():
    model = GDMLPRegressor(hidden_layer_sizes=(4,), n_restarts=2, max_iter=3, warm_start=True, random_state=0)
    recorder = Recorder()
    model.fit(X, Y).set_callbacks(recorder).fit(X, Y)
    begun = [each[1:] for each in recorder.told if each[0] == "begin"]
    assert begun == [("fit", 0, 3), *((f"iteration {n}", n, 0) for n in range(3))]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_starts_are_tasks_with_epochs_of_their_own(n_jobs):
    recorder = OneByOne()
    model = GDMLPRegressor(hidden_layer_sizes=(4,), n_restarts=3, n_jobs=n_jobs, max_iter=4, random_state=0)
    model.set_callbacks(recorder).fit(X, Y)
    starts = [each for each in recorder.told if each[0] == "begin" and each[1].startswith("start")]
    assert sorted(starts) == [("begin", f"start {n + 1}", n, 4) for n in range(3)]
    assert ("begin", "fit", 0, 3) in recorder.told
    assert [each[1] for each in recorder.told if each[0] == "end"].count("iteration 3") == 3
    silent = clone(model).set_callbacks().fit(X, Y)
    np.testing.assert_array_equal(model.restart_scores_, silent.restart_scores_)
    ends = [each.loss_curve_[-1] for each in recorder.fitted if each.n_iter_ == 4]
    np.testing.assert_allclose(sorted(ends), sorted(model.restart_scores_), rtol=0.2)


@pytest.mark.parametrize("n_restarts", [1, 3])
@pytest.mark.parametrize("where", ["setup", "begin", "end"])
def test_an_error_of_a_callback_passes_through_and_leaves_the_earlier_model(where, n_restarts):
    model = GDMLPRegressor(hidden_layer_sizes=(4,), n_restarts=n_restarts, max_iter=3, random_state=0).fit(X, Y)
    before, recorder = dict(vars(model)), Recorder(fail_at=where)
    with pytest.raises(ValueError, match=f"failed at {where}"):
        model.set_callbacks(recorder).fit(X[:, :4], Y)
    assert recorder.told[-1][0] == "teardown"
    model.set_callbacks()
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)


def test_the_estimator_can_be_copied_while_it_is_fitted():
    class Copies(Recorder):
        def on_fit_task_end(self, estimator, context):
            self.fitted += [copy.deepcopy(estimator), copy.copy(estimator)]

        def __getstate__(self):
            return {}

    recorder = Copies()
    GDLinearRegressor(max_iter=2, optimizer="adam").set_callbacks(recorder).fit(X, Y)
    assert len(recorder.fitted) == 3 * 2
    assert not any("_run" in vars(each) for each in recorder.fitted)


def test_a_second_interrupt_leaves_the_earlier_model(monkeypatch):
    class Interrupts(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    def interrupted_again(self):
        raise KeyboardInterrupt

    model = GDLinearRegressor(optimizer="adam").fit(X, Y)
    expected = model.predict(X)
    monkeypatch.setattr(Driver, "interrupted", interrupted_again)
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(Interrupts()).fit(X[:, :4], Y)
    np.testing.assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("n_restarts", [1, 3])
def test_an_interrupt_keeps_what_was_learned(n_restarts, capsys):
    class Interrupts(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.fitted.append(fitted_estimator)
            if len(self.fitted) == 5:
                raise KeyboardInterrupt

    model = GDMLPRegressor(
        hidden_layer_sizes=(4,), n_restarts=n_restarts, n_jobs=1, max_iter=8, verbose=1, random_state=0
    )
    recorder = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(recorder).fit(X, Y)
    assert (model.stop_reason_, model.converged_, model.n_iter_) == ("interrupted", False, 5)
    np.testing.assert_array_equal(model.predict(X), recorder.fitted[-1].predict(X))
    assert capsys.readouterr().out.splitlines()[-1].startswith("interrupted after epoch 5  objective")
    assert recorder.told[-1][0] == "teardown"
    model.set_params(warm_start=True).set_callbacks().fit(X, Y)
    assert model.n_iter_ == 13


def test_an_interrupt_amid_numbers_that_are_none_returns_to_the_best_parameters():
    class Interrupts(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.fitted.append(fitted_estimator)
            if len(self.fitted) == 4:
                estimator._run.driver.training.state.params[:] = np.nan
                raise KeyboardInterrupt

    model = GDLinearRegressor(optimizer="adam", random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(Interrupts()).fit(X, Y)
    assert np.isfinite(model.coef_).all()
    assert model.coef_.any()


def test_a_start_that_fails_ends_its_tasks(monkeypatch):
    run, recorder = Driver.run, Recorder()

    def fails_in_the_second(self):
        for training in run(self):
            if self.number == 1:
                raise ValueError("nothing can be learnt from here")
            yield training

    monkeypatch.setattr(Driver, "run", fails_in_the_second)
    GDMLPRegressor(hidden_layer_sizes=(4,), n_restarts=3, n_jobs=1, max_iter=2).set_callbacks(recorder).fit(X, Y)
    counts = collections.Counter(each[:2] for each in recorder.told)
    assert counts["begin", "start 2"] == counts["end", "start 2"] == 1
    assert counts["begin", "iteration 0"] == counts["end", "iteration 0"] == 3


def test_an_error_of_the_fit_tears_down():
    recorder = Recorder()
    with pytest.raises(ValueError, match="NaN"):
        GDLinearRegressor().set_callbacks(recorder).fit(X * np.nan, Y)
    assert recorder.told[-1][0] == "teardown"


def test_scores_of_every_epoch_in_a_pipeline_and_a_search():
    monitor = callback.ScoringMonitor(scoring="r2")
    model = GDLinearRegressor(optimizer="adam", max_iter=3, tol=None, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model)
    pipeline.named_steps["gdlinearregressor"].set_callbacks(monitor)
    pipeline.fit(X, Y)
    scores = [row["r2"] for row in monitor.get_logs().data if row["task_name"].startswith("iteration")]
    Z = StandardScaler().fit_transform(X)
    for n_epochs, score in enumerate(scores, start=1):
        model = GDLinearRegressor(optimizer="adam", max_iter=n_epochs, tol=None, random_state=0).fit(Z, Y)
        assert score == pytest.approx(r2_score(Y, model.predict(Z)), abs=1e-12)
    assert len(scores) == 3

    recorder = Recorder()
    model = GDLinearRegressor(max_iter=3, tol=None).set_callbacks(recorder)
    GridSearchCV(model, {"optimizer": ["sgd", "adam"]}, cv=2).fit(X, Y)
    assert [each[0] for each in recorder.told].count("setup") == 2 * 2 + 1
    assert len(recorder.fitted) == 3 * (2 * 2 + 1)


def test_a_search_without_callbacks_stops_after_no_epoch():
    # scikit-learn gives every estimator in a search a context, whether there are callbacks or not
    class Told(GDLinearRegressor):
        def _tasks(self, *args):
            watchers.append(super()._tasks(*args))
            return watchers[-1]

    watchers = []
    GridSearchCV(Told(max_iter=3, tol=None), {"optimizer": ["sgd", "adam"]}, cv=2).fit(X, Y)
    assert watchers == [None] * (2 * 2 + 1)


def test_partial_fit_tells_nobody():
    recorder = Recorder()
    GDLinearRegressor().set_callbacks(recorder).partial_fit(X, Y)
    assert recorder.told == []


def test_older_releases_say_what_is_needed():
    # as the module is made where scikit-learn has no callbacks
    source = Path(tasks.__file__).read_text(encoding="utf-8").replace("from sklearn.callback", "from sklearn.none")
    module = {"__name__": "skgd._watch.older", "__package__": "skgd._watch"}
    exec(compile(source, "older", "exec"), module)
    with pytest.raises(ImportError, match=rf"scikit-learn 1\.9 or newer, and here is {sklearn.__version__}"):
        module["TakesCallbacks"]().set_callbacks(Recorder())


def test_a_table_of_epochs_has_the_numbers_of_the_textbook(capsys):
    x, y = np.array([0.0, 1.0, 2.0, 4.0]), np.array([1.0, 3.0, 5.0, 6.0])
    settings = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": None, "alpha": 0, "max_iter": 3, "tol": None}
    line = GDLinearRegressor(standardize=False, **settings).set_callbacks(EpochTable())
    line.fit(x[:, None], y)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["k", "parameters", "objective", "gradient", "rate", "step"]
    parameters = step = np.zeros(2)
    for k, cells in enumerate(map(str.split, lines)):
        parameters = parameters + step
        residual = parameters[0] * x + parameters[1] - y
        slopes = [np.mean(residual * x), np.mean(residual)]
        expected = [k, *parameters, np.mean(residual**2) / 2, *slopes, *([0.1, *step] if k else [])]
        np.testing.assert_allclose([float(cell) for cell in cells], expected, rtol=1e-3)
        step = -0.1 * np.array(slopes)
    np.testing.assert_allclose([*line.coef_, *line.intercept_], parameters)
    line.set_params(warm_start=True).fit(x[:, None], y)  # goes on from there
    again = [cells.split() for cells in capsys.readouterr().out.splitlines()[1:]]
    assert [cells[0] for cells in again] == ["3", "4", "5", "6"]
    assert again[0] == lines[-1].split()[:6]  # without the rate and the step that have led there

    # whatever training standardizes, numbers are in the units of the data
    scaled = GDLinearRegressor(standardize=True, **settings).set_callbacks(EpochTable()).fit(x[:, None], y)
    _, w, b, value, *slopes = map(float, capsys.readouterr().out.splitlines()[-1].split()[:6])
    residual = x * scaled.coef_[0] + scaled.intercept_ - y
    np.testing.assert_allclose([w, b], [*scaled.coef_, *scaled.intercept_], rtol=1e-3)
    np.testing.assert_allclose(
        [value, *slopes], [np.mean(residual**2) / 2, residual @ x / 4, residual.mean()], atol=1e-3
    )
    model = GDLogisticClassifier(standardize=True, **settings).set_callbacks(EpochTable())  # whose intercept is trained
    model.fit(x[:, None], x > 3)
    slopes = [float(each) for each in capsys.readouterr().out.splitlines()[-1].split()[4:6]]
    off = model.predict_proba(x[:, None])[:, 1] - (x > 3)
    np.testing.assert_allclose(slopes, [off @ x / 4, off.mean()], rtol=2e-3)
    with pytest.raises(
        TypeError, match="EpochTable must be set on a linear model of skgd, and this is a GDMLPRegressor"
    ):
        GDMLPRegressor().set_callbacks(EpochTable()).fit(x[:, None], y)
