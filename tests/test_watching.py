"""What is drawn and written of a fit while it lasts."""

import os
import pickle
import time
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearRegressor, GDMLPClassifier, GDMLPRegressor
from skgd._watch import words
from skgd.callbacks import EpochLogger, LossPlot, _loss_plot

pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

X, Y = load_diabetes(return_X_y=True)
C, CLASSES = load_breast_cancer(return_X_y=True)
RULE = GDLinearRegressor(optimizer="adam", schedule="cosine", learning_rate=0.1, max_iter=12, tol=None, random_state=0)
STARTS = GDMLPRegressor(hidden_layer_sizes=(4,), n_restarts=3, n_jobs=2, max_iter=6, random_state=0)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("quick_pictures"),
]


def curves(figure):
    """The y of all lines with more than one point, by their numbers of points."""
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    return [np.asarray(line.get_ydata(), float) for line in lines if len(line.get_ydata()) > 1]


def holds(figure, values):
    return any(len(each) == len(values) and np.allclose(each, values) for each in curves(figure))


def text(figure):
    found = [each.get_text() for each in figure.findobj(matplotlib.text.Text)]
    return "\n".join(found)


# -- the table


def test_each_epoch_is_a_line_with_all_digits(tmp_path):
    path = tmp_path / "fit.csv"
    model = clone(RULE).set_callbacks(EpochLogger(path)).fit(X, Y, X_val=X[:40], y_val=Y[:40])
    table = pd.read_csv(path, dtype=str).map(float)  # Python's, which lets no digit go
    assert list(table.columns) == ["start", "epoch", "objective", "validation", "learning_rate", "seconds"]
    np.testing.assert_array_equal(table.epoch, np.arange(1, 13))
    np.testing.assert_array_equal(table.objective, model.loss_curve_)
    np.testing.assert_array_equal(table.validation, model.validation_curve_)
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(12) / 12)) / 2
    np.testing.assert_allclose(table.learning_rate, expected)
    assert (np.diff(table.seconds) >= 0).all()


def test_a_line_search_has_no_rate_and_starts_have_numbers(tmp_path):
    path = tmp_path / "fit.csv"
    model = GDLinearRegressor(loss="huber").set_callbacks(EpochLogger(path)).fit(X, Y)
    table = pd.read_csv(path)
    assert table[["learning_rate", "validation"]].isna().all(axis=None)
    assert len(table) == model.n_iter_
    clone(STARTS).set_callbacks(EpochLogger(path)).fit(X, Y)
    assert sorted(pd.read_csv(path).start) == sorted([1, 2, 3] * 6)


def test_lines_are_there_as_soon_as_the_epoch_has_ended_and_may_be_added_to(tmp_path):
    path, seen = tmp_path / "fit.csv", []

    class Reads:
        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            seen.append(len(path.read_text().splitlines()))

        def teardown(self, estimator, context):
            pass

    model = clone(RULE).set_params(warm_start=True).set_callbacks(EpochLogger(path, append=True), Reads()).fit(X, Y)
    assert seen[:12] == list(range(2, 14))
    model.fit(X, Y)
    np.testing.assert_array_equal(pd.read_csv(path).epoch, np.arange(1, 25))


@pytest.mark.parametrize("make", [EpochLogger, LossPlot])
def test_where_nothing_can_be_written_the_fit_goes_on_with_one_warning(make, tmp_path):
    model = clone(RULE).set_callbacks(make(tmp_path / "none" / "fit.png"))
    with pytest.warns(UserWarning, match="the fit goes on") as warned:
        model.fit(X, Y)
    assert len(warned) == 1
    assert model.n_iter_ == 12


@pytest.mark.parametrize("make", [EpochLogger, LossPlot])
def test_they_watch_estimators_of_skgd(make, tmp_path):
    watcher = make(tmp_path / "fit.png")
    with pytest.raises(TypeError, match="must be set on an estimator of skgd"):
        make_pipeline(StandardScaler(), LinearRegression()).set_callbacks(watcher).fit(X, Y)
    make_pipeline(StandardScaler(), clone(RULE).set_callbacks(watcher)).fit(X, Y)
    search = GridSearchCV(clone(RULE).set_callbacks(watcher), {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    assert search.best_estimator_.n_iter_ == 12
    (tmp_path / "fit.png").unlink()
    as_workers_get_it = pickle.loads(pickle.dumps(clone(RULE).set_callbacks(watcher)))
    assert as_workers_get_it.fit(X, Y).n_iter_ == 12
    assert (tmp_path / "fit.png").exists()


# -- the clock


def test_what_is_to_come_is_told_by_the_epochs_after_the_first(monkeypatch):
    now = iter([100.0, 107.0, 107.0, 109.0, 109.0])  # the first epoch had much to prepare, others take a second each
    monkeypatch.setattr(words, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    driver = SimpleNamespace(training=SimpleNamespace(epochs=3), last_epoch=12)
    clock = words.Clock()
    clock.see(driver)
    assert clock.to_go(driver) == "7.0 s"
    driver.training.epochs = 5
    assert clock.to_go(driver) == "9.0 s, at most 7.0 s to go"


# -- the picture


def test_the_last_picture_holds_the_whole_fit(tmp_path):
    plot = LossPlot(tmp_path / "loss.png", seconds=0)
    model = clone(RULE).set_callbacks(plot).fit(X, Y, X_val=X[:40], y_val=Y[:40])
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert [each.name for each in tmp_path.iterdir()] == ["loss.png"]
    assert holds(plot.figure_, model.loss_curve_)
    assert holds(plot.figure_, model.validation_curve_)
    assert holds(plot.figure_, 0.1 * (1 + np.cos(np.pi * np.arange(12) / 12)) / 2)
    assert "ran all 12 epochs" in text(plot.figure_)
    assert f"{model.loss_curve_[-1]:.6g}" in text(plot.figure_)


def test_pictures_on_the_way_say_where_the_fit_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(_loss_plot, "SHARE", 1e9)  # of the time: it is drawn after every epoch
    titles = []

    class Reads(LossPlot):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            titles.append(text(self.figure_) if self.figure_ else "")

    plot = Reads(tmp_path / "loss.png", seconds=0)
    clone(RULE).set_params(max_iter=4).set_callbacks(plot).fit(X, Y)
    assert [f"epoch {n}/4" in title for n, title in enumerate(titles[:4], start=1)] == [True] * 4
    assert ["to go" in title for title in titles[:4]] == [False] + [True] * 3


def test_all_starts_are_drawn_and_the_best_one_in_the_end(tmp_path):
    plot = LossPlot(tmp_path / "loss.png")
    model = clone(STARTS).set_callbacks(plot).fit(X, Y)
    assert sum(len(each) == 6 for each in curves(plot.figure_)) >= 3
    assert holds(plot.figure_, model.loss_curve_)
    assert f"start {np.argmin(model.restart_scores_) + 1}/3" in text(plot.figure_)


def test_the_best_start_is_the_one_drawn_in_the_end_whichever_it_is(tmp_path):
    best = set()
    for seed in range(4):
        plot = LossPlot(tmp_path / "loss.png")
        model = clone(STARTS).set_params(n_jobs=1, max_iter=2, random_state=seed).set_callbacks(plot).fit(X, Y)
        best.add(int(np.argmin(model.restart_scores_)) + 1)
        assert f"start {np.argmin(model.restart_scores_) + 1}/3" in text(plot.figure_)
    assert len(best) > 1


def test_losses_on_validation_rows_of_an_earlier_fit_are_not_drawn(tmp_path):
    plot = LossPlot(tmp_path / "loss.png")
    model = clone(RULE).set_params(warm_start=True).set_callbacks(plot).fit(X, Y, X_val=X[:40], y_val=Y[:40])
    assert "validation" in text(plot.figure_)
    model.fit(X, Y)
    assert "validation" not in text(plot.figure_)


def test_drawing_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    drawn = []

    def draw_slowly(figure, progress):
        drawn.append(progress)
        time.sleep(0.1)  # after which two seconds go by without a drawing

    monkeypatch.setattr(_loss_plot, "draw_progress", draw_slowly)
    clone(RULE).set_callbacks(LossPlot(tmp_path / "loss.png", seconds=0)).fit(X, Y)
    assert 2 <= len(drawn) <= 4  # of twelve epochs


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_fit_that_is_cut_short_is_drawn_to_its_end(error, tmp_path):
    class Fails:
        def setup(self, estimator, context):
            self.n_epochs = 0

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.n_epochs += 1
            if self.n_epochs == 4:
                raise error

        def teardown(self, estimator, context):
            pass

    plot = LossPlot(tmp_path / "loss.png")
    with pytest.raises(error):
        clone(RULE).set_callbacks(plot, Fails()).fit(X, Y)
    assert any(len(each) == 4 for each in curves(plot.figure_))
    assert ("interrupted after 4 epochs" if error is KeyboardInterrupt else "ended by an error") in text(plot.figure_)


def test_without_a_name_and_a_window_there_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    GDMLPClassifier(hidden_layer_sizes=(4,), max_iter=3).set_callbacks(LossPlot()).fit(C, CLASSES)
    assert os.listdir(tmp_path) == ["loss.png"]


def test_a_window_is_drawn_in_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(type(plt.figure().canvas), "required_interactive_framework", "fake", raising=False)
    monkeypatch.setattr(plt, "show", lambda block: None)
    plt.close("all")
    plot = LossPlot(seconds=0)
    for _ in range(2):
        model = clone(RULE).set_callbacks(plot).fit(X, Y)
        assert len(plt.get_fignums()) == 1
        assert holds(plot.figure_, model.loss_curve_)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("seconds", [-1, np.nan, "1"])
def test_seconds_out_of_range(seconds):
    with pytest.raises(ValueError, match="seconds="):
        LossPlot(seconds=seconds)
