"""Pictures and tables of fits while they last: what is in them is what was fitted, and nothing ends a fit."""

import io
import os
import pickle
import subprocess
import sys
import types

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearRegressor, GDMLPRegressor

pytest.importorskip("sklearn.callback")

from skgd.callbacks import EpochLogger, LossPlot

X, y = load_diabetes(return_X_y=True)
ALWAYS = {"seconds": 0}


def adam(**settings):
    return GDLinearRegressor(**{"optimizer": "adam", "max_iter": 5, "tol": None, "random_state": 0} | settings)


def network(**settings):
    return GDMLPRegressor(**{"hidden_layer_sizes": (5,), "max_iter": 6, "tol": None, "random_state": 0} | settings)


def lines_of(figure):
    """The curves in the picture of losses, by their labels in the legend."""
    return {line.get_label(): line for line in figure.axes[0].lines}


def table(path):
    return pd.read_csv(path, float_precision="round_trip")


class Other:
    """A callback that does nothing, to be changed."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


class Fails(Other):
    """Raises in its third epoch."""

    def __init__(self, error):
        self.error, self.seen = error, 0

    def on_fit_task_end(self, estimator, context):
        self.seen += context.max_subtasks == 0
        if self.seen == 3:
            raise self.error


# -- pictures


def test_the_last_picture_is_that_of_the_whole_fit(tmp_path):
    plot = LossPlot(tmp_path / "loss.png")
    model = network(schedule="step").set_callbacks(plot)
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    lines = lines_of(plot.figure_)
    np.testing.assert_array_equal(lines["training objective"].get_xdata(), np.arange(1, 7))
    np.testing.assert_array_equal(lines["training objective"].get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(lines["validation loss"].get_ydata(), model.validation_curve_)
    title = plot.figure_.axes[0].get_title(loc="left")
    assert title.startswith("GDMLPRegressor: ran all 6 epochs\n")
    assert f"validation {model.validation_curve_[-1]:.6g}" in title
    rates = plot.figure_.axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(rates, model.learning_rate_, rtol=1e-12)  # as the default steps come later
    assert plot.figure_.axes[1].get_yscale() == "log"
    assert imread(tmp_path / "loss.png").shape == (480, 640, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["loss.png"]


def test_rates_are_those_of_the_schedule(tmp_path):
    plot = LossPlot(tmp_path / "loss.png")
    adam(schedule=lambda t: 0.5**t, learning_rate=0.1).set_callbacks(plot).fit(X, y)
    np.testing.assert_allclose(plot.figure_.axes[1].lines[0].get_ydata(), 0.1 * 0.5 ** np.arange(5))


def test_a_line_search_has_no_rate_to_draw(tmp_path):
    plot = LossPlot(tmp_path / "loss.png")
    model = GDLinearRegressor(optimizer="lbfgs").set_callbacks(plot).fit(X, y)
    (ax,) = plot.figure_.axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), model.loss_curve_)


def test_it_says_where_a_fit_stands(tmp_path):
    titles = []

    class Look(Other):
        def on_fit_task_end(self, estimator, context):
            titles.append(plot.figure_.axes[0].get_title(loc="left"))

    plot = LossPlot(tmp_path / "loss.png", **ALWAYS)
    plot.seconds = 0
    import skgd.callbacks._loss_plot as module

    share, module.SHARE = module.SHARE, np.inf
    try:
        adam().set_callbacks(plot, Look()).fit(X, y)
    finally:
        module.SHARE = share
    assert [title.split("\n")[0] for title in titles[:5]] == [f"GDLinearRegressor: epoch {k}/5" for k in range(1, 6)]
    assert "s to go" in titles[1]


def test_of_several_starts_the_best_one_is_marked(tmp_path):
    plot, logger = LossPlot(tmp_path / "loss.png"), EpochLogger(tmp_path / "fit.csv")
    model = network(n_restarts=3, n_jobs=2).set_callbacks(plot, logger).fit(X, y)
    lines = lines_of(plot.figure_)
    np.testing.assert_array_equal(lines["training objective"].get_ydata(), model.loss_curve_)
    best = int(np.argmin(model.restart_scores_)) + 1
    assert f"start {best}/3" in plot.figure_.axes[0].get_title(loc="left")
    thin = [line for line in plot.figure_.axes[0].lines if line.get_linewidth() < 1]
    assert len(thin) == 2
    frame = table(tmp_path / "fit.csv")
    assert frame["start"].value_counts().to_dict() == {1: 6, 2: 6, 3: 6}
    np.testing.assert_array_equal(frame[frame["start"] == best]["objective"], model.loss_curve_)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_fits_that_are_cut_short_have_a_picture_and_lines(tmp_path, error):
    plot, logger = LossPlot(tmp_path / "loss.png"), EpochLogger(tmp_path / "fit.csv")
    with pytest.raises(type(error)):
        adam().set_callbacks(plot, logger, Fails(error)).fit(X, y)
    how = "interrupted after 3 epochs" if isinstance(error, KeyboardInterrupt) else "ended by an error"
    assert how in plot.figure_.axes[0].get_title(loc="left")
    assert len(plot.figure_.axes[0].lines[0].get_ydata()) == 3
    assert len(table(tmp_path / "fit.csv")) == 3
    assert plot._views == logger._logs == {}


def test_a_fit_that_never_began_leaves_no_picture(tmp_path):
    with pytest.raises(ValueError, match="NaN"):
        adam().set_callbacks(LossPlot(tmp_path / "loss.png")).fit(np.full_like(X, np.nan), y)
    assert list(tmp_path.iterdir()) == []


def test_without_notebook_and_window_there_is_a_file_of_a_usual_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adam().set_callbacks(LossPlot()).fit(X, y)
    assert (tmp_path / "loss.png").exists()
    assert plt.get_fignums() == []


class Window(FigureCanvasAgg):
    """Agg, as if it were shown on a screen."""

    required_interactive_framework = "none that exists"
    flushed = 0

    def flush_events(self):
        Window.flushed += 1


def test_where_there_are_windows_it_redraws_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt._get_backend_mod(), "FigureCanvas", Window)
    monkeypatch.setattr(Window, "flushed", 0)
    new = plt.figure

    def figure(**settings):
        made = new(**settings)
        manager, canvas = made.canvas.manager, Window(made)
        canvas.manager, manager.canvas = manager, canvas
        return made

    monkeypatch.setattr(plt, "figure", figure)
    monkeypatch.setattr(plt, "show", lambda block: None)
    plot = LossPlot()
    for _ in range(2):  # the second fit in the window of the first
        model = adam().set_callbacks(plot).fit(X, y)
    (number,) = plt.get_fignums()
    assert plt.fignum_exists(number)
    assert Window.flushed >= 2
    np.testing.assert_array_equal(plot.figure_.axes[0].lines[0].get_ydata(), model.loss_curve_)
    assert list(tmp_path.iterdir()) == []
    plt.close(number)


def test_in_notebooks_the_display_of_a_cell_is_updated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown, updated = [], []
    handle = types.SimpleNamespace(update=updated.append)
    shell = types.SimpleNamespace(kernel=object(), execution_count=1)

    def display(image, display_id):
        shown.append(image)
        return handle

    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    views = types.SimpleNamespace(Image=lambda data: data, display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", views)
    plot = LossPlot()
    adam().set_callbacks(plot).fit(X, y)
    adam().set_callbacks(plot).fit(X, y)
    assert (len(shown), len(updated)) == (1, 1)
    shell.execution_count = 2  # the next cell has one of its own
    adam().set_callbacks(plot).fit(X, y)
    assert (len(shown), len(updated)) == (2, 1)
    assert imread(io.BytesIO(shown[0])).shape == (480, 640, 4)
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported_with_the_callbacks():
    code = "import sys, skgd.callbacks; print({'matplotlib', 'IPython'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"skgd\[plot\]"):
        adam().set_callbacks(LossPlot()).fit(X, y)


# -- tables


def test_the_table_holds_every_epoch_to_the_last_digit(tmp_path):
    path = tmp_path / "fit.csv"
    seen = []

    class Follow(Other):
        def on_fit_task_end(self, estimator, context):
            seen.append(len(path.read_text().splitlines()))

    model = network().set_callbacks(EpochLogger(path), Follow())
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    frame = table(path)
    assert list(frame) == ["start", "epoch", "objective", "validation", "learning_rate", "seconds"]
    assert frame["epoch"].tolist() == list(range(1, 7))
    np.testing.assert_array_equal(frame["objective"], model.loss_curve_)
    np.testing.assert_array_equal(frame["validation"], model.validation_curve_)
    assert frame["seconds"].is_monotonic_increasing
    assert seen[:6] == [2, 3, 4, 5, 6, 7]  # each is there as soon as its epoch has ended


def test_what_there_is_not_stays_empty(tmp_path):
    GDLinearRegressor(optimizer="lbfgs").set_callbacks(EpochLogger(tmp_path / "fit.csv")).fit(X, y)
    frame = table(tmp_path / "fit.csv")
    assert frame[["validation", "learning_rate"]].isna().all(axis=None)


def test_a_table_begins_anew_or_goes_on(tmp_path):
    path = tmp_path / "fit.csv"
    model = adam(warm_start=True).set_callbacks(EpochLogger(path))
    model.fit(X, y)
    model.set_callbacks(EpochLogger(path, append=True)).fit(X, y)
    assert table(path)["epoch"].tolist() == list(range(1, 11))
    np.testing.assert_array_equal(table(path)["objective"], model.loss_curve_)
    adam().set_callbacks(EpochLogger(path)).fit(X, y)
    assert table(path)["epoch"].tolist() == list(range(1, 6))


# -- both


def both(folder):
    return LossPlot(folder / "loss.png"), EpochLogger(folder / "fit.csv")


def test_a_folder_that_is_not_there_costs_a_warning_each(tmp_path):
    model = adam().set_callbacks(*both(tmp_path / "absent"))
    with pytest.warns(UserWarning, match="fit goes on") as caught:
        model.fit(X, y)
    assert len(caught) == 2
    np.testing.assert_array_equal(model.coef_, adam().fit(X, y).coef_)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")
def test_a_full_disk_costs_one_warning():
    with pytest.warns(UserWarning, match="No space left") as caught:
        model = adam().set_callbacks(EpochLogger("/dev/full")).fit(X, y)
    assert len(caught) == 1
    assert model.n_iter_ == 5


def test_they_can_be_pickled_while_a_fit_lasts(tmp_path):
    copies = []

    class Pickles(Other):
        def on_fit_task_end(self, estimator, context):
            copies.append(pickle.loads(pickle.dumps((plot, logger))))

    plot, logger = both(tmp_path)
    adam(max_iter=1).set_callbacks(plot, logger, Pickles()).fit(X, y)
    again, log = copies[0]
    assert (again.path, again.seconds, log.path, log.append) == (plot.path, 1.0, logger.path, False)
    adam().set_callbacks(again, log).fit(X, y)
    assert len(table(tmp_path / "fit.csv")) == 5


def test_in_a_pipeline_they_are_set_on_the_step(tmp_path):
    plot, logger = both(tmp_path)
    model = make_pipeline(StandardScaler(), adam().set_callbacks(plot, logger)).fit(X, y)
    np.testing.assert_array_equal(table(tmp_path / "fit.csv")["objective"], model[-1].loss_curve_)
    np.testing.assert_array_equal(plot.figure_.axes[0].lines[0].get_ydata(), model[-1].loss_curve_)


@pytest.mark.parametrize("make", [LossPlot, lambda: EpochLogger("fit.csv")])
def test_on_others_estimators_they_are_an_error(make):
    with pytest.raises(TypeError, match=r"must be set on an estimator of skgd, and this is a Ridge"):
        make().setup(estimator=Ridge(), context=None)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_after_a_search_there_is_the_best_estimator(tmp_path, backend):
    from joblib import parallel_config

    plot, logger = both(tmp_path)
    grid = GridSearchCV(adam().set_callbacks(plot, logger), {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2)
    with parallel_config(backend):
        grid.fit(X, y)
    best = grid.best_estimator_.loss_curve_
    np.testing.assert_array_equal(table(tmp_path / "fit.csv")["objective"], best)
    np.testing.assert_array_equal(plot.figure_.axes[0].lines[0].get_ydata(), best)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit.csv", "loss.png"]


@pytest.mark.parametrize("seconds", [-1, np.nan, np.inf, "1"])
def test_seconds_out_of_range_are_named(seconds):
    with pytest.raises(ValueError, match="seconds="):
        LossPlot(seconds=seconds)
