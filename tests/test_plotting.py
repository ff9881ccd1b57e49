"""Pictures: the data in them are those of the fit, nothing that is given changes, and what can't be drawn is said."""

import copy
import functools
import gc
import pickle
import re
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image
from scipy import sparse
from scipy.optimize import OptimizeResult, rosen
from scipy.special import expit, log_softmax
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold, RandomizedSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, PolynomialFeatures, StandardScaler

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPClassifier, GDMLPRegressor, minimize
from skgd.optimizers import SGD, Adam
from skgd.plotting import (
    CoefficientPathDisplay,
    CurveFitDisplay,
    LearningRateDisplay,
    LearningRateSearchDisplay,
    LossCurveDisplay,
    PathDisplay,
    RangeTestDisplay,
    _contour,
    animate,
)
from skgd.plotting._objective import TrainingObjective
from skgd.plotting._style import _lay_out, add_legend_outside, color, line_style

X, y = load_diabetes(return_X_y=True)
FRAME, _ = load_diabetes(return_X_y=True, as_frame=True)
Z = (X - X.mean(axis=0)) / X.std(axis=0)
X_CANCER, y_cancer = load_breast_cancer(return_X_y=True)
X_IRIS, y_iris = load_iris(return_X_y=True)
IRIS = load_iris().target_names[y_iris]
for _array in (X, y, X_CANCER, y_cancer, X_IRIS, y_iris):
    _array.flags.writeable = False


def descent(learning_rate=0.3, **settings):
    """Plain descent on all rows for a fixed number of epochs."""
    settings = {"optimizer": "sgd", "batch_size": None, "max_iter": 20, "tol": None} | settings
    return GDLinearRegressor(learning_rate=learning_rate, **settings)


def texts_of(display):
    """What the legend says, wherever it is."""
    legend = display.ax_.get_legend() or display.figure_.legends[0]
    return [text.get_text() for text in legend.get_texts()]


def bowl(x):
    return x[0] ** 2 / 20 + x[1] ** 2


@pytest.fixture(autouse=True)
def quick_where_nobody_looks(request):
    if "as_users_see_them" not in request.fixturenames:
        request.getfixturevalue("quick_pictures")


@pytest.fixture
def as_users_see_them():
    """For tests of where things are, and of points between those of contours."""


ZIGZAG = np.array([[-7 * 0.9**k, 2 * (-0.8) ** k] for k in range(30)])


# -- losses


def test_losses_are_those_of_the_fits():
    models = {"small": descent(0.01).fit(X, y), "large": descent(0.4).fit(X, y)}
    display = LossCurveDisplay.from_estimator(models)
    for name, model in models.items():
        x, losses = display.lines_[name].get_data()
        np.testing.assert_array_equal(x, np.arange(1, 21))
        np.testing.assert_array_equal(losses, model.loss_curve_)
        assert display.ends_[name].get_xydata().tolist() == [[20, model.loss_curve_[-1]]]
    assert display.ax_.get_xlabel() == "epochs"
    assert display.ax_.get_ylabel() == "objective on the training rows"
    assert texts_of(display) == ["small: ran all 20 epochs", "large: ran all 20 epochs"]


def test_full_batch_losses_stand_at_the_updates_before_them():
    display = LossCurveDisplay.from_estimator(descent().fit(X, y), x="updates")
    assert display.ax_.get_xlabel() == "updates"
    np.testing.assert_array_equal(display.lines_["sgd"].get_xdata(), np.arange(20))


def test_losses_of_a_line_search_stand_at_the_updates_after_which_they_are_measured():
    model = GDLogisticClassifier().fit(X_CANCER, y_cancer)
    display = LossCurveDisplay.from_estimator(model, x="updates")
    np.testing.assert_array_equal(display.lines_["GDLogisticClassifier"].get_xdata(), np.arange(1, model.n_iter_ + 1))


def test_mini_batch_losses_stand_at_the_mean_of_their_updates():
    model = descent(0.01, batch_size=100, max_iter=3).fit(X[:400], y[:400])  # 4 updates an epoch: 0 to 3, 4 to 7, ...
    display = LossCurveDisplay.from_estimator(model, x="updates")
    np.testing.assert_array_equal(display.lines_["sgd"].get_xdata(), [1.5, 5.5, 9.5])


def test_it_says_why_each_stopped():
    converged = GDLogisticClassifier().fit(X_CANCER, y_cancer)
    early = GDMLPRegressor(early_stopping=True, max_iter=200, random_state=0).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        diverged = descent(0.8, max_iter=200).fit(X, y)
    texts = texts_of(LossCurveDisplay.from_estimator([converged, early, diverged], names=["a", "b", "c"]))
    assert texts[0] == f"a: converged after {converged.n_iter_} epochs"
    best = np.argmin(early.validation_curve_) + 1
    assert texts[1] == f"b: stopped early after {early.n_iter_} epochs, best at {best}"
    assert texts[-1] == f"c: diverged in epoch {diverged.n_iter_ + 1}, leaves the picture"


def test_validation_losses_are_drawn_where_there_are_some():
    model = GDMLPRegressor(max_iter=10, n_members=1, random_state=0)
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    display = LossCurveDisplay.from_estimator([model, descent().fit(X, y)])
    assert list(display.validation_lines_) == ["adam"]
    np.testing.assert_array_equal(display.validation_lines_["adam"].get_ydata(), model.validation_curve_)
    assert display.validation_lines_["adam"].get_linestyle() != display.lines_["adam"].get_linestyle()
    assert LossCurveDisplay.from_estimator(model, validation=False).validation_lines_ == {}


def test_a_curve_that_explodes_leaves_the_picture_and_does_not_crush_the_others():
    falls, explodes = np.array([3.0, 2.0, 1.0]), np.array([3.0, 4.0, 1e30])
    display = LossCurveDisplay({"falls": falls, "explodes": explodes})
    display.plot()
    low, high = display.ax_.get_ylim()
    assert low < 1
    assert 3 < high < 10
    assert list(display.exits_) == ["explodes"]
    assert 1 <= display.exits_["explodes"].get_xdata()[0] <= 3
    assert texts_of(display)[1] == "explodes: leaves the picture"
    np.testing.assert_array_equal(display.lines_["explodes"].get_ydata(), explodes)


def test_the_highest_start_of_a_curve_that_falls_is_in_the_picture():
    display = LossCurveDisplay({"low": [2.0, 1.5, 1.0], "high": [9.0, 3.0, 1.2]}).plot()
    assert display.ax_.get_ylim()[1] > 9
    assert display.exits_ == {}


@pytest.mark.parametrize("log", [False, True])
def test_a_curve_leaves_the_picture_where_its_line_crosses_the_edge(log):
    leaves = np.array([3.0, 2.5, 4.0, 400.0, 1e4])
    display = LossCurveDisplay({"falls": [3.0, 0.02, 0.01], "leaves": leaves}, log=log).plot()
    edge = display.ax_.get_ylim()[1]
    of = np.log if log else np.asarray
    expected = np.interp(of(edge), of(leaves[1:]), np.arange(2.0, 6.0))
    assert 3 < expected < 5
    assert display.exits_["leaves"].get_xdata()[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("last", [np.inf, np.nan])
def test_a_curve_may_end_in_infinity(last):
    display = LossCurveDisplay({"a": [2.0, 1.0, last], "b": [1.0, 0.5, 0.1]}).plot()
    assert list(display.exits_) == ["a"]
    assert np.isfinite(display.ax_.get_ylim()).all()


def test_the_scale_is_logarithmic_where_that_helps():
    def scale(curve, log="auto"):
        return LossCurveDisplay({"a": curve}, log=log).plot().ax_.get_yscale()

    assert scale([1.0, 0.1, 0.01]) == "log"
    assert scale([1.0, 0.9, 0.8]) == "linear"
    assert scale([1.0, 0.1, -0.01]) == "linear"
    assert scale([1.0, 0.1, 0.01], log=False) == "linear"
    assert scale([1.0, 0.9, 0.8], log=True) == "log"
    assert scale([1.0, 0.9, 1e30]) == "linear"  # what explodes doesn't count
    with pytest.raises(ValueError, match=r"log=True needs positive values; the least is -0\.01"):
        scale([1.0, -0.01], log=True)


def test_estimators_of_scikit_learn_and_pipelines():
    theirs = MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X, y)
    ours = make_pipeline(StandardScaler(), descent()).fit(X, y)
    display = LossCurveDisplay.from_estimator([theirs, ours])
    np.testing.assert_array_equal(display.lines_["MLPRegressor"].get_ydata(), theirs.loss_curve_)
    np.testing.assert_array_equal(display.lines_["sgd"].get_ydata(), ours[-1].loss_curve_)
    with pytest.raises(ValueError, match="x='updates' needs estimators of skgd, MLPRegressor"):
        LossCurveDisplay.from_estimator(theirs, x="updates")


def test_names_of_curves():
    models = [descent().fit(X, y), descent(0.1).fit(X, y), GDLinearRegressor().fit(X, y)]
    models.append(descent(optimizer=Adam()).fit(X, y))
    assert list(LossCurveDisplay.from_estimator(models).lines_) == ["sgd 1", "sgd 2", "GDLinearRegressor", "Adam"]
    with pytest.raises(ValueError, match=r"names=\['a'\] must be different names, one for each of the 4"):
        LossCurveDisplay.from_estimator(models, names=["a"])
    with pytest.raises(ValueError, match=r"names=\['a'\] must be None where a dict"):
        LossCurveDisplay.from_estimator({"b": models[0]}, names=["a"])


def test_losses_that_cannot_be_drawn():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(descent())
    with pytest.raises(ValueError, match="estimators: LinearRegression has no loss_curve_"):
        LossCurveDisplay.from_estimator(LinearRegression().fit(X, y))
    with pytest.raises(TypeError, match=r"^estimators: 'x' must be a fitted estimator, not str$"):
        LossCurveDisplay.from_estimator("x")
    with pytest.raises(TypeError, match=r"^estimators: 'a', 'x', must be a fitted estimator, not str$"):
        LossCurveDisplay.from_estimator({"a": "x"})
    with pytest.raises(ValueError, match="the list is empty"):
        LossCurveDisplay.from_estimator([])
    with pytest.raises(ValueError, match=r"x='steps' must be one of \['epochs', 'updates'\]"):
        LossCurveDisplay.from_estimator(descent().fit(X, y), x="steps")
    with pytest.raises(ValueError, match="log=1 must be one of"):
        LossCurveDisplay.from_estimator(descent().fit(X, y), log=1)
    with pytest.raises(ValueError, match=r"nothing to draw of \['a'\]"):
        LossCurveDisplay({"a": []}).plot()


# -- what all displays share


def make_losses(ax=None):
    return LossCurveDisplay.from_estimator(descent().fit(X, y), ax=ax)


def make_path(ax=None):
    return PathDisplay.from_function(bowl, ZIGZAG, ax=ax)


def make_objective(ax=None):
    return PathDisplay.from_estimator(descent(), X, y, ax=ax)


def make_rates(ax=None):
    return LearningRateDisplay.from_estimator(descent(), X, y, learning_rates=[0.01, 0.1], ax=ax)


def make_test(ax=None):
    return LearningRateDisplay.from_range_test(descent(), X, y, n_updates=30, ax=ax)


def make_coefficients(ax=None):
    return CoefficientPathDisplay.from_estimator(descent(), X, y, ax=ax)


def make_curve(ax=None):
    return CurveFitDisplay.from_estimator(descent(), X[:, [2]], y, ax=ax)


def make_search(ax=None):
    return LearningRateDisplay.from_search(search_over("settings"), ax=ax)


EVERY = [make_losses, make_path, make_objective, make_rates, make_test, make_search, make_coefficients, make_curve]
each_display = pytest.mark.parametrize("make", EVERY, ids=lambda make: make.__name__[5:])


@each_display
def test_it_draws_on_the_axes_given(make):
    figure, (left, right) = plt.subplots(1, 2)
    display = make(right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not left.lines
    assert right.get_xlabel()
    assert right.get_ylabel()
    assert right.get_legend() is not None


@each_display
def test_it_can_be_drawn_again(make):
    display = make()
    first = display.ax_
    lines = [line.get_xydata() for line in first.lines]
    assert display.plot() is display
    assert display.ax_ is not first
    for line, before in zip(display.ax_.lines, lines, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), before)


@each_display
@pytest.mark.usefixtures("as_users_see_them")
def test_the_legend_hides_no_curve(make):
    display = make()
    display.figure_.draw_without_rendering()
    legend = display.ax_.get_legend() or display.figure_.legends[0]
    box = legend.get_window_extent()
    for line in display.ax_.lines:
        if line.get_transform() == display.ax_.transData:
            points = display.ax_.transData.transform(line.get_xydata())
            assert not ((points > box.min) & (points < box.max)).all(axis=1).any()


@pytest.mark.parametrize(("layout", "aspect"), [(None, "auto"), (None, "equal"), ("constrained", "equal")])
@pytest.mark.usefixtures("as_users_see_them")
def test_legends_are_placed_in_axes_as_they_will_be_drawn(layout, aspect):
    figure, (ax, _) = plt.subplots(1, 2, layout=layout)
    ax.plot([0.0, 700.0], [-300.0, 1e4])
    ax.set_ylabel("a label\nof several\nlines")
    ax.set_aspect(aspect)
    corners = [(0.0, -300.0), (700.0, 1e4)]
    _lay_out(ax)
    placed = ax.transData.transform(corners)
    figure.draw_without_rendering()
    np.testing.assert_allclose(placed, ax.transData.transform(corners), atol=1.0)  # pixels


@pytest.mark.usefixtures("as_users_see_them")
def test_a_legend_below_has_as_many_columns_as_there_is_room_for():
    figure, ax = plt.subplots(layout="constrained")
    for k in range(8):
        ax.plot([0, 1], [0, k], label=f"a curve whose name has letters {k}")
    box = add_legend_outside(ax, True).get_window_extent()
    room = figure.get_window_extent().width
    assert room / 2 < box.width <= room


FITTED = [
    lambda model: PathDisplay.from_estimator(model, X[:, :1].repeat(2, axis=1), y),
    lambda model: LearningRateDisplay.from_estimator(model, X, y, learning_rates=[0.1]),
    lambda model: LearningRateDisplay.from_range_test(model, X, y, n_updates=20),
    lambda model: CoefficientPathDisplay.from_estimator(model, X, y),
    lambda model: CurveFitDisplay.from_estimator(model, X[:, [2]], y),
]


@pytest.mark.parametrize("draw", FITTED)
@pytest.mark.parametrize("fitted", [False, True])
def test_the_estimator_stays_as_it_is(draw, fitted):
    random = np.random.RandomState(0)
    model = descent(0.2, optimizer=SGD(learning_rate=0.2), batch_size=50, random_state=random)
    if fitted:
        model.fit(X, y)
    before, of_random = pickle.dumps(model), random.get_state()[1].copy()
    optimizer = model.optimizer
    draw(model)
    assert model.optimizer is optimizer
    assert pickle.dumps(model) == before
    np.testing.assert_array_equal(random.get_state()[1], of_random)


@pytest.mark.parametrize("draw", FITTED)
def test_pipelines_and_searches_stay_as_they_are(draw):
    n_columns = 1 if draw is FITTED[-1] else 2 if draw is FITTED[0] else 10
    features = X[:, [2]] if n_columns == 1 else X[:, :1].repeat(2, axis=1) if n_columns == 2 else X
    fitted = make_pipeline(MinMaxScaler(), descent(0.2)).fit(features, y)
    search = GridSearchCV(make_pipeline(MinMaxScaler(), descent(0.2)), {}, cv=2).fit(features, y)
    for given in fitted, search:
        before = pickle.dumps(given)
        draw(given)
        assert pickle.dumps(given) == before


@pytest.mark.parametrize("draw", FITTED)
def test_only_estimators_of_skgd_can_be_watched(draw):
    with pytest.raises(TypeError, match=r"estimator=LinearRegression\(\) must be .* of skgd"):
        draw(LinearRegression())


def test_the_first_35_curves_look_different():
    assert len({(color(k), line_style(k)) for k in range(35)}) == 35


# -- estimators in pipelines and behind searches


def of_the_first_rows(last):
    """A pipeline whose scaler has seen other rows than those that are drawn."""
    return make_pipeline(MinMaxScaler(), last).fit(X[:200], y[:200])


FIRST = MinMaxScaler().fit(X[:200]).transform(X)
SEARCH = {"cv": 2, "param_grid": {"learning_rate": [1e-5, 0.3]}}
WRAPPED = {
    "pipeline": lambda: of_the_first_rows(descent()),
    "search": lambda: of_the_first_rows(GridSearchCV(descent(), **SEARCH)),
    "search over a pipeline": lambda: GridSearchCV(
        make_pipeline(MinMaxScaler(), descent()), {"gdlinearregressor__learning_rate": [1e-5, 0.3]}, cv=2
    ).fit(X[:200], y[:200]),
    "deeply": lambda: make_pipeline(
        "passthrough", GridSearchCV(make_pipeline(MinMaxScaler(), GridSearchCV(descent(), **SEARCH)), {}, cv=2)
    ).fit(X[:200], y[:200]),
}
each_wrapping = pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)


@each_wrapping
def test_fitted_steps_are_applied_and_the_last_one_is_drawn(wrap):
    display = CoefficientPathDisplay.from_estimator(wrap(), X, y)
    np.testing.assert_allclose(display.coefficients[-1], descent().fit(FIRST, y).coef_ * FIRST.std(axis=0))


def test_they_are_in_all_pictures_of_an_estimator():
    given, last = WRAPPED["search over a pipeline"](), descent().fit(FIRST, y)
    over = PathDisplay.from_estimator(given, X, y)
    np.testing.assert_allclose(over.lines_["sgd"].get_xydata()[-1], (last.coef_ * FIRST.std(axis=0))[:2])
    rates = LearningRateDisplay.from_estimator(given, X, y, learning_rates=[0.1], max_iter=5)
    np.testing.assert_array_equal(rates.models_[0.1].coef_, descent(0.1, max_iter=5).fit(FIRST, y).coef_)
    settings = {"low": 1e-4, "high": 0.1, "n_updates": 20}
    tested = LearningRateDisplay.from_range_test(given, X, y, **settings)
    expected = LearningRateDisplay.from_range_test(descent(), FIRST, y, **settings)
    np.testing.assert_array_equal(tested.losses, expected.losses)


@each_wrapping
def test_the_losses_are_those_of_the_fit_within(wrap):
    losses = descent().fit(FIRST[:200], y[:200]).loss_curve_
    display = LossCurveDisplay.from_estimator(wrap(), x="updates")
    np.testing.assert_array_equal(display.lines_["sgd"].get_ydata(), losses)
    assert texts_of(display) == ["sgd: ran all 20 epochs"]
    short = minimize(bowl, [3.0, 1.0], learning_rate=0.1, max_iter=20, tol=None, return_path=True)
    among = LossCurveDisplay.from_results([wrap(), short])
    np.testing.assert_array_equal(among.lines_["sgd"].get_ydata(), losses)


def test_a_curve_is_drawn_over_what_a_pipeline_is_given():
    x = np.linspace(-3, 5, 100).reshape(-1, 1)
    model = make_pipeline(StandardScaler(), PolynomialFeatures(4, include_bias=False), GDLinearRegressor())
    target = np.sin(x[:, 0])
    display = CurveFitDisplay.from_estimator(model, x, target)
    np.testing.assert_array_equal(display.points_[0].get_xdata(), x[:, 0])
    quartic = np.polynomial.Polynomial.fit(x[:, 0], target, 4)
    curve = display.lines_[0]
    np.testing.assert_allclose(curve.get_ydata(), quartic(curve.get_xdata()), atol=0.02)
    named = CurveFitDisplay.from_estimator(
        model.fit(pd.DataFrame(x, columns=["t"]), target), pd.DataFrame({"t": x[:, 0]}), target
    )
    np.testing.assert_allclose(named.curves, display.curves)
    assert named.ax_.get_xlabel() == "t"


def test_steps_that_are_not_fitted_are_fitted_to_the_rows():
    scaled = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    stateless_last = make_pipeline(MinMaxScaler(), FunctionTransformer(), descent())
    display = CoefficientPathDisplay.from_estimator(stateless_last, X, y)
    np.testing.assert_allclose(display.coefficients[-1], descent().fit(scaled, y).coef_ * scaled.std(axis=0))


def test_steps_name_the_features():
    columns = make_column_transformer((StandardScaler(), ["bmi", "s5"]), (MinMaxScaler(), ["bp"]))
    model = make_pipeline(columns, descent()).fit(FRAME, y)
    names = list(columns.fit(FRAME).get_feature_names_out())
    assert list(CoefficientPathDisplay.from_estimator(model, FRAME, y).lines_) == names
    display = PathDisplay.from_estimator(model, FRAME, y, features=(0, "minmaxscaler__bp"))
    assert display.ax_.get_xlabel() == "coefficient of standardscaler__bmi"
    nested = make_pipeline(StandardScaler(), make_pipeline(PCA(2), descent())).fit(FRAME, y)
    assert list(CoefficientPathDisplay.from_estimator(nested, FRAME, y).lines_) == ["pca0", "pca1"]
    nameless = make_pipeline(FunctionTransformer(np.asarray), descent()).fit(FRAME, y)
    assert next(iter(CoefficientPathDisplay.from_estimator(nameless, FRAME, y).lines_)) == "feature 0"
    frames = make_pipeline(StandardScaler().set_output(transform="pandas"), descent()).fit(FRAME, y)
    assert list(CoefficientPathDisplay.from_estimator(frames, FRAME, y).lines_) == list(FRAME)


def test_one_objective_needs_the_same_steps_before():
    two = X[:, [2, 8]]
    plain, turned = make_pipeline(StandardScaler(), descent()), make_pipeline(PCA(2, whiten=True), descent())
    both = {"plain": plain, "adam": make_pipeline(StandardScaler(), descent(optimizer="adam"))}
    assert list(PathDisplay.from_estimator(both, two, y).lines_) == ["plain", "adam"]
    with pytest.raises(ValueError, match=r"another objective than .*the steps before must be the same"):
        PathDisplay.from_estimator({"plain": plain, "turned": turned}, two, y)


def test_a_loaded_model_is_drawn_as_the_one_that_was_pickled():
    model = GDLinearRegressor(alpha=0.1).fit(X, y)  # whose line search leaves its scaling out of the pickle
    loaded = pickle.loads(pickle.dumps(make_pipeline(StandardScaler(), model).fit(X, y)))
    display, again = (PathDisplay.from_estimator(each, X, y) for each in (model, loaded[-1]))
    np.testing.assert_array_equal(display.values, again.values)
    np.testing.assert_array_equal(display.lines_["GDLinearRegressor"].get_xydata(), again.paths["GDLinearRegressor"])
    (losses,) = LossCurveDisplay.from_estimator(loaded, x="updates").lines_.values()
    np.testing.assert_array_equal(losses.get_ydata(), model.fit(StandardScaler().fit_transform(X), y).loss_curve_)


DRAWN = {
    "LossCurveDisplay": lambda model: LossCurveDisplay.from_estimator(model),
    "PathDisplay": lambda model: PathDisplay.from_estimator(model, X, y),
    "LearningRateDisplay": lambda model: LearningRateDisplay.from_estimator(model, X, y, learning_rates=[0.1]),
    "RangeTestDisplay": lambda model: LearningRateDisplay.from_range_test(model, X, y),
    "LearningRateSearchDisplay": lambda model: LearningRateDisplay.from_search(model),
    "CoefficientPathDisplay": lambda model: CoefficientPathDisplay.from_estimator(model, X, y),
    "CurveFitDisplay": lambda model: CurveFitDisplay.from_estimator(model, X[:, [2]], y),
}
WRONG = {
    "another": lambda: Ridge().fit(X, y),
    "a pipeline of another": lambda: make_pipeline(StandardScaler(), PCA(5), PolynomialFeatures(), Ridge()).fit(X, y),
    "a search of another": lambda: GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, cv=2).fit(X, y),
    "a search that is not fitted": lambda: GridSearchCV(descent(), {"learning_rate": [0.1, 0.2]}),
    "a pipeline of such": lambda: make_pipeline(StandardScaler(), GridSearchCV(descent(), {"max_iter": [2]})),
    "a search without refit": lambda: GridSearchCV(descent(), {"max_iter": [2]}, cv=2, refit=False).fit(X, y),
    "a name": lambda: "adam",
    "nothing": lambda: None,
    "a class": lambda: GDLinearRegressor,
    "a table": lambda: FRAME,
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
@pytest.mark.each("wrong", WRONG)
def test_what_cannot_be_drawn_is_told_in_a_line(draw, wrong):
    with pytest.raises((TypeError, ValueError, NotFittedError)) as caught:
        draw(WRONG[wrong]())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_errors_name_what_is_wrong():
    def message(wrong, draw=DRAWN["CoefficientPathDisplay"]):
        with pytest.raises((TypeError, ValueError, NotFittedError)) as caught:
            draw(WRONG[wrong]())
        return str(caught.value)

    assert message("another") == "estimator=Ridge() must be a linear estimator of skgd, not Ridge"
    assert message("a pipeline of another").endswith("... must end with a linear estimator of skgd, not Ridge")
    assert "must end with a linear estimator of skgd, not Ridge" in message("a search of another")
    assert "this GridSearchCV is not fitted yet" in message("a search that is not fitted")
    assert "GridSearchCV with refit=False has no best_estimator_" in message("a search without refit")
    assert message("a name") == "estimator='adam' must be a linear estimator of skgd, not str"
    losses, rates = DRAWN["LossCurveDisplay"], DRAWN["LearningRateSearchDisplay"]
    assert message("a name", losses) == "estimators: 'adam' must be a fitted estimator, not str"
    assert message("another", losses) == "estimators: Ridge has no loss_curve_ to draw"
    assert message("another", rates) == "search=Ridge() must be a fitted search, as GridSearchCV, not Ridge"
    assert message("a search of another", rates).startswith("search: there is no learning rate among ['alpha']")
    assert "this GridSearchCV is not fitted yet" in message("a search that is not fitted", rates)
    with pytest.raises(NotFittedError, match="This GDLinearRegressor instance is not fitted yet"):
        LossCurveDisplay.from_estimator(make_pipeline(StandardScaler(), descent()))


# -- paths


@pytest.mark.usefixtures("as_users_see_them")
def test_contours_are_those_of_the_function_and_the_path_is_that_given():
    display = make_path()
    x, rows = display.grid
    i, j = 17, 60
    assert display.values[j, i] == pytest.approx(x[i] ** 2 / 20 + rows[j] ** 2)
    np.testing.assert_array_equal(display.lines_["path"].get_xydata(), ZIGZAG)
    np.testing.assert_array_equal(display.starts_["path"].get_xydata(), ZIGZAG[:1])
    np.testing.assert_array_equal(display.ends_["path"].get_xydata(), ZIGZAG[-1:])
    (left, right), (low, high) = display.ax_.get_xlim(), display.ax_.get_ylim()
    assert ([left, low] < ZIGZAG).all()
    assert ([right, high] > ZIGZAG).all()
    assert texts_of(display) == ["path, 29 steps", "start", "end"]
    assert display.ax_.get_aspect() == 1  # steps cross contours at the angles that they have


@pytest.mark.parametrize("as_list", [False, True])
def test_results_of_several_optimizers(as_list):
    results = {"a": OptimizeResult(x=ZIGZAG[-1], path=ZIGZAG), "b": ZIGZAG * [1.0, -1.0]}
    options = {"names": ["a", "b"]} if as_list else {}
    display = PathDisplay.from_function(bowl, list(results.values()) if as_list else results, **options)
    assert list(display.lines_) == ["a", "b"]
    np.testing.assert_array_equal(display.lines_["b"].get_xydata(), ZIGZAG * [1.0, -1.0])


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_variable_is_a_curve_with_the_path_on_it(shape):
    def parabola(x):
        assert np.shape(x) == shape[1:]
        return (x - 1) ** 2

    path = np.array([5.0, 3.0, 2.0, 1.5])
    display = PathDisplay.from_function(parabola, path.reshape(shape))
    assert display.contours_ is None
    np.testing.assert_allclose(display.lines_["path"].get_xydata(), np.column_stack([path, (path - 1) ** 2]))
    x, values = display.curve_.get_data()
    np.testing.assert_allclose(values, (x - 1) ** 2)
    assert x[0] < 1.5
    assert x[-1] > 5


def test_contours_lie_in_equal_ratios_where_a_function_spans_decades():
    path = np.array([[-1.5, 2.5], [1.0, 1.0]])
    levels = PathDisplay.from_function(rosen, path, bounds=[(-2, 2), (-1, 3)]).contours_.levels
    ratios = levels[2:] / levels[1:-1]
    assert ratios == pytest.approx(ratios[0], rel=0.01)
    assert levels[1] < 10  # of 2,500: the valley is seen
    plain = PathDisplay.from_function(lambda x: x[0] + x[1], ZIGZAG).contours_.levels
    assert np.diff(plain) == pytest.approx(np.diff(plain)[0])


def test_levels_of_the_users():
    given = [0.5, 1.0, 4.0]
    np.testing.assert_array_equal(PathDisplay.from_function(bowl, ZIGZAG, levels=given).contours_.levels, given)
    assert len(PathDisplay.from_function(bowl, ZIGZAG, levels=5).contours_.levels) == 6
    with pytest.raises(ValueError, match="levels='many' must be 'auto', a number of contours above 1"):
        PathDisplay.from_function(bowl, ZIGZAG, levels="many")


def test_a_path_that_explodes_does_not_crush_the_rest():
    # the tutorial's root of x^3 + 2x - 3 at a rate of 0.01
    display = PathDisplay.from_function(lambda x: (x**3 + 2 * x - 3) ** 2, np.array([5.0, -198.0, 1.8e10, 1.8e10]))
    left, right = display.ax_.get_xlim()
    assert -100 < left < 5 < right < 100
    assert texts_of(display)[0] == "path, 3 steps, leaves the picture at step 1"
    two = np.vstack([ZIGZAG, [[1e3, 1e3], [np.inf, np.nan]]])
    display = PathDisplay.from_function(bowl, two)
    assert display.ax_.get_xlim()[1] < 20
    assert "leaves the picture at step 30" in texts_of(display)[0]


def test_a_long_way_down_is_shown_whole():
    far = np.array([[1.0, 1.0], [30.0, 2.0], [60.0, 0.0]])  # from where it began, and lower
    display = PathDisplay.from_function(lambda x: (x[0] - 60) ** 2 + x[1] ** 2, far)
    assert display.ax_.get_xlim()[1] > 60


def test_a_path_that_starts_outside_the_picture():
    display = PathDisplay.from_function(bowl, {"in": ZIGZAG[-1:], "out": ZIGZAG}, bounds=[(-1, 1), (-1, 1)])
    assert texts_of(display)[:2] == ["in", "out, starts outside"]


def test_a_path_on_a_surface():
    display = PathDisplay.from_function(bowl, ZIGZAG, bounds=[(-8, 5), (-1.5, 3)], projection="3d")
    drawn = np.array(display.lines_["path"].get_data_3d())
    outside = ZIGZAG[:, 1] < -1.5
    assert outside.tolist() == [False, True] + 28 * [False]
    np.testing.assert_allclose(drawn[:, ~outside], np.vstack([ZIGZAG.T, bowl(ZIGZAG.T)])[:, ~outside])
    assert np.isnan(drawn[:, outside]).all()
    assert "leaves the picture at step 1" in texts_of(display)[0]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel(), display.ax_.get_zlabel()) == tuple(display.labels)
    np.testing.assert_allclose(display.ax_.get_zlim(), [0, bowl([-8, 3])], atol=0.01)
    cut = PathDisplay.from_function(bowl, ZIGZAG, levels=[0, 1, 2, 3], projection="3d")
    assert cut.ax_.get_zlim()[1] <= 3 < cut.values.max()
    summit = PathDisplay.from_function(lambda x: -bowl(x), np.vstack([ZIGZAG, [[0, 0]]]), projection="3d")
    assert summit.values.max() < 0  # between the grid's points
    np.testing.assert_array_equal(np.array(summit.ends_["path"].get_data_3d()).ravel(), 0)
    display.show_frame(4)
    np.testing.assert_allclose(np.array(display.lines_["path"].get_data_3d()), drawn[:, :5])
    animate(display, max_frames=2)
    assert plt.gcf().axes[0].name == "3d"


@pytest.mark.usefixtures("as_users_see_them")
@pytest.mark.parametrize("projection", [None, "3d"])
def test_pictures_of_which_parts_are_empty(projection, monkeypatch):
    monkeypatch.setitem(_contour._GRID_POINTS, 2, 50)
    away = PathDisplay.from_function(bowl, ZIGZAG, bounds=[(5, 6), (5, 6)], projection=projection)
    assert "starts outside" in texts_of(away)[0]
    below = PathDisplay.from_function(bowl, ZIGZAG, levels=[-10, -5], projection=projection)
    hole = PathDisplay.from_function(
        lambda x: np.log(abs(x[0])), ZIGZAG, bounds=[(0, 9), (-3, 3)], projection=projection
    )
    flat = PathDisplay.from_function(lambda x: 7.0, ZIGZAG, projection=projection)
    for display in (away, below, hole, flat):
        display.figure_.canvas.draw()
    if projection is not None:
        assert np.isneginf(hole.values.min())
        assert below.ax_.get_zlim() == (-10, -5)
        np.testing.assert_allclose(hole.ax_.get_zlim(), np.log([9 / 49, 9]))
        assert flat.ax_.get_zlim() == (7, 8)


def test_axes_and_surfaces_that_do_not_go_together():
    _, flat = plt.subplots()
    _, solid = plt.subplots(subplot_kw={"projection": "3d"})
    PathDisplay.from_function(bowl, ZIGZAG, projection="3d", ax=solid)
    for settings, message in [
        ({"ax": solid}, "these axes have three dimensions, but projection=None"),
        ({"ax": flat, "projection": "3d"}, "these axes haven't three dimensions, but projection='3d'"),
        ({"projection": "polar"}, "projection='polar' must be '3d' or None"),
    ]:
        with pytest.raises(ValueError, match=message):
            PathDisplay.from_function(bowl, ZIGZAG, **settings)
    with pytest.raises(ValueError, match="draws functions of two variables, and this one has one"):
        PathDisplay.from_function(lambda x: x**2, np.array([1.0, 0.5]), projection="3d")


def test_a_legend_on_axes_given_adds_no_empty_room_above_contours():
    _, axes = plt.subplots(3, 3)
    PathDisplay.from_function(bowl, ZIGZAG, bounds=[(-8, 5), (-3, 3)], ax=axes[1, 1])
    assert axes[1, 1].get_ylim() == (-3, 3)


def test_the_colour_bar_has_few_digits_and_one_zero():
    display = PathDisplay.from_function(lambda x: (x[0] - x[1] ** 2) ** 2 * np.exp(x[0]), np.array([[0, 0.5], [1, 1]]))
    words = [text.get_text() for text in display.contours_.colorbar.ax.get_yticklabels()]
    assert words.count("0") == 1
    assert max(map(len, words)) <= 7


def test_ascent_is_shown_whole_and_with_contours_near_the_top():
    display = PathDisplay.from_function(lambda x: -bowl(x), ZIGZAG)
    levels = display.contours_.levels
    assert display.ax_.get_xlim()[0] < -7
    assert np.diff(levels)[-1] < np.diff(levels)[0]


def test_a_function_that_fails_in_places_or_returns_its_gradient():
    def partial(x):
        if x[0] < -6:
            raise ValueError("outside")
        return np.log(x[0] + 6.5) if x[1] > 3 else bowl(x)

    display = PathDisplay.from_function(partial, ZIGZAG[2:], bounds=[(-8, 1), (-3, 4)])
    assert np.isnan(display.values[:, 0]).all()
    assert np.isfinite(display.values[:, -1]).all()
    both = PathDisplay.from_function(lambda x: (bowl(x), np.zeros(2)), ZIGZAG)
    np.testing.assert_array_equal(both.values, make_path().values)
    with pytest.raises(ValueError, match=r"fun returned 2 numbers of shape \(2,\); it must return one"):
        PathDisplay.from_function(lambda x: x, ZIGZAG)
    with pytest.raises(ValueError, match="finite nowhere within bounds"):
        PathDisplay.from_function(lambda x: np.nan, ZIGZAG)


def test_bounds_of_the_users():
    display = PathDisplay.from_function(bowl, ZIGZAG, bounds=[(-3, 1), (-2, 2)])
    assert display.ax_.get_xlim() == (-3, 1)
    assert display.ax_.get_ylim() == (-2, 2)
    for bounds in ([(1, -1), (0, 1)], [(0, 1)], [(0, np.inf), (0, 1)], "all"):
        with pytest.raises(ValueError, match=r"bounds=.* must be 2 pairs \(low, high\) of finite numbers"):
            PathDisplay.from_function(bowl, ZIGZAG, bounds=bounds)


def test_paths_that_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"'path' has no path; call minimize\(..., return_path=True\)"):
        PathDisplay.from_function(bowl, OptimizeResult(x=np.zeros(2)))
    with pytest.raises(ValueError, match=r"'path' has shape \(4, 3\); it must be \(n_points, 1\) or \(n_points, 2\)"):
        PathDisplay.from_function(bowl, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="all paths must have points of one shape"):
        PathDisplay.from_function(bowl, [np.zeros((4, 2)), np.zeros((4, 1))])


# -- the objective of linear estimators


@pytest.mark.usefixtures("as_users_see_them")
def test_the_objective_over_two_coefficients_is_that_of_the_formula():
    model = descent(0.3, alpha=0.1, max_iter=30)
    display = PathDisplay.from_estimator(model, X, y, features=(2, 8))
    fitted = descent(0.3, alpha=0.1, max_iter=30).fit(X, y)
    coef = fitted.coef_ * X.std(axis=0)
    np.testing.assert_allclose(display.lines_["sgd"].get_xydata()[-1], coef[[2, 8]])
    np.testing.assert_array_equal(display.lines_["sgd"].get_xydata()[0], [0, 0])
    assert len(display.lines_["sgd"].get_xydata()) == 31
    for j, i in (3, 90), (70, 20):
        coef[[2, 8]] = display.grid[0][i], display.grid[1][j]
        by_hand = 0.5 * np.mean((y - y.mean() - Z @ coef) ** 2) + 0.1 * 0.5 * coef @ coef
        assert display.values[j, i] == pytest.approx(by_hand)
    assert display.heights["sgd"][-1] < display.heights["sgd"][0]
    assert display.ax_.get_xlabel() == "coefficient of feature 2"


@pytest.mark.usefixtures("as_users_see_them")
def test_what_is_not_shown_is_held_as_the_best_fit_left_it():
    models = {"far": descent(0.01, alpha=0.1, max_iter=1), "near": descent(0.3, alpha=0.1, max_iter=30)}
    display = PathDisplay.from_estimator(models, X, y, features=(2, 8))
    coef = models["near"].fit(X, y).coef_ * X.std(axis=0)
    coef[[2, 8]] = display.grid[0][20], display.grid[1][70]
    by_hand = 0.5 * np.mean((y - y.mean() - Z @ coef) ** 2) + 0.1 * 0.5 * coef @ coef
    assert display.values[70, 20] == pytest.approx(by_hand)


@pytest.mark.usefixtures("as_users_see_them")
def test_raw_features_are_shown_in_their_units():
    raw = Z[:, :2] * [1.0, 3.0] + [0.0, 2.0]
    display = PathDisplay.from_estimator(descent(0.02, standardize=False, alpha=0.0), raw, y)
    fitted = descent(0.02, standardize=False, alpha=0.0).fit(raw, y)
    np.testing.assert_allclose(display.lines_["sgd"].get_xydata()[-1], fitted.coef_)
    i, j = 40, 50
    w = np.array([display.grid[0][i], display.grid[1][j]])
    by_hand = 0.5 * np.mean((raw @ w + fitted.intercept_ - y) ** 2)
    assert display.values[j, i] == pytest.approx(by_hand)


def test_several_fits_end_at_the_optimum_of_the_contours():
    models = {"lbfgs": GDLinearRegressor(), "nesterov": descent(0.3, optimizer="nesterov", max_iter=3000)}
    display = PathDisplay.from_estimator(models, FRAME, y, features=("bmi", "s5"))
    exact = Ridge(alpha=1e-4 * len(y)).fit(Z, y).coef_[[2, 8]]
    for line in display.lines_.values():
        assert line.get_xydata()[-1] == pytest.approx(exact, rel=1e-3)
    assert display.ax_.get_ylabel() == "coefficient of s5"


@pytest.mark.usefixtures("as_users_see_them")
def test_classes_weights_and_sparse_features():
    balanced = GDLogisticClassifier(alpha=0.1, class_weight="balanced", standardize="max_abs")
    display = PathDisplay.from_estimator(balanced, sparse.csr_matrix(X_CANCER), y_cancer, features=(3, 7))
    model = clone(balanced).fit(sparse.csr_matrix(X_CANCER), y_cancer)
    w = model.coef_[0] * np.abs(X_CANCER).max(axis=0)
    i, j = 10, 80
    w[[3, 7]] = display.grid[0][i], display.grid[1][j]
    z = X_CANCER / np.abs(X_CANCER).max(axis=0) @ w + model.intercept_
    losses = -np.log(expit(np.where(y_cancer, z, -z)))
    by_hand = 0.5 * (losses[y_cancer == 0].mean() + losses[y_cancer == 1].mean()) + 0.1 / 2 * w @ w
    assert display.values[j, i] == pytest.approx(by_hand)


@pytest.mark.usefixtures("as_users_see_them")
def test_one_of_several_classes():
    display = PathDisplay.from_estimator(GDLogisticClassifier(alpha=0.01), X_IRIS, y_iris, output=2, features=(0, 3))
    model = GDLogisticClassifier(alpha=0.01).fit(X_IRIS, y_iris)
    scaled = (X_IRIS - X_IRIS.mean(axis=0)) / X_IRIS.std(axis=0)
    w, b = model.coef_ * X_IRIS.std(axis=0), model.decision_function(X_IRIS.mean(axis=0)[None])[0]
    i, j = 5, 95
    w[2, [0, 3]] = display.grid[0][i], display.grid[1][j]
    by_hand = -log_softmax(scaled @ w.T + b, axis=1)[np.arange(150), y_iris].mean() + 0.01 / 2 * (w**2).sum()
    assert display.values[j, i] == pytest.approx(by_hand)
    with pytest.raises(ValueError, match="output=3 must be a number from 0 to 2"):
        PathDisplay.from_estimator(GDLogisticClassifier(), X_IRIS, y_iris, output=3)


def test_objectives_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="'b' minimises another objective"):
        PathDisplay.from_estimator({"a": descent(), "b": descent(alpha=1.0)}, X, y)
    with pytest.raises(ValueError, match="'b' minimises another objective"):
        PathDisplay.from_estimator({"a": descent(), "b": descent(0.01, standardize=False)}, X, y)
    for other in {"penalty": "l1"}, {"class_weight": "balanced"}:
        with pytest.raises(
            ValueError, match="loss, penalty, alpha, class_weight, standardize and the steps before must"
        ):
            PathDisplay.from_estimator([GDLogisticClassifier(), GDLogisticClassifier(**other)], X_CANCER, y_cancer)
    with pytest.raises(TypeError, match=r"must be a linear estimator of skgd, not GDMLPRegressor"):
        PathDisplay.from_estimator(GDMLPRegressor(), X, y)
    for features in (0, 10), (0, -1), (0, "bmi"), (0, 0.5):
        with pytest.raises(ValueError, match=r"features=.* must be a number from 0 to 9"):
            PathDisplay.from_estimator(descent(), X, y, features=features)
    with pytest.raises(ValueError, match="'nothing' must be a number from 0 to 9, or among the names"):
        PathDisplay.from_estimator(descent(), FRAME, y, features=("bmi", "nothing"))
    with pytest.raises(ValueError, match=r"features=\(1, 1\) must be two different features"):
        PathDisplay.from_estimator(descent(), X, y, features=(1, 1))


@pytest.mark.parametrize(
    ("model", "X", "y"),
    [
        (GDLinearRegressor(), X, y),
        (GDLinearRegressor(loss="huber", penalty="elasticnet", alpha=0.1), X, y),
        (GDLinearRegressor(loss="poisson"), X, np.floor(y)),
        (GDLinearRegressor(loss="quantile", quantile=[0.2, 0.8]), X, y),
        (GDLogisticClassifier(penalty="l1", alpha=0.01), X_IRIS, y_iris),
        (GDLogisticClassifier(alpha=0.01), X_CANCER, np.array(["no", "yes"])[y_cancer]),
        (GDMLPRegressor(optimizer="lbfgs", hidden_layer_sizes=(4,), max_iter=20, alpha=0.1, random_state=0), X, y),
        (GDMLPClassifier(optimizer="lbfgs", hidden_layer_sizes=(4,), max_iter=20, random_state=0), X_IRIS, y_iris),
    ],
    ids=lambda value: repr(value)[:70] if hasattr(value, "fit") else "",
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_objective_is_the_one_that_was_minimised(model, X, y):
    model.fit(X, y)  # by line searches, whose curve ends with the objective of the result, but for kinks rounded off
    assert TrainingObjective(model, X, y).of(model) == pytest.approx(model.loss_curve_[-1], rel=1e-4)


@pytest.mark.parametrize("class_weight", [None, "balanced", {False: 1, True: 5}])
def test_the_objective_of_many_sorted_rows_is_that_of_an_even_part(class_weight):
    rng = np.random.default_rng(0)
    many = np.sort(rng.normal(size=(20_000, 1)), axis=0)
    target = many[:, 0] + rng.logistic(size=20_000) > 2
    model = GDLogisticClassifier(class_weight=class_weight, alpha=0.01).fit(many, target)
    assert TrainingObjective(model, many, target).of(model) == pytest.approx(model.loss_curve_[-1], rel=0.03)


# -- learning rates


def test_a_curve_for_each_learning_rate():
    display = LearningRateDisplay.from_estimator(descent(), X, y, learning_rates=[0.6, 0.01, 0.3], max_iter=30)
    np.testing.assert_array_equal(display.learning_rates, [0.01, 0.3, 0.6])
    for rate, line in zip([0.01, 0.3], display.lines_, strict=False):
        model = descent(rate, max_iter=30).fit(X, y)
        np.testing.assert_array_equal(line.get_ydata(), model.loss_curve_)
    assert display.best_rate_ == 0.3
    assert display.stop_reasons[2] == "diverged"
    texts = texts_of(display)
    assert texts[1] == "0.3: least at the end"
    assert texts[2] == "0.6: diverged, leaves the picture"
    assert display.ax_.get_xlabel() == "updates"
    assert display.ax_.get_ylim()[1] < 2 * display.losses[0][0]


def test_the_best_rate_is_that_of_the_least_loss_in_the_end():
    # not of the least on the way, and not one that diverged
    losses = [np.array([3.0, 2.0, 1.5]), np.array([3.0, 0.1, 1.6]), np.array([3.0, 1.0, 0.2])]
    reasons = ["max_iter", "max_iter", "diverged"]
    display = LearningRateDisplay([0.1, 0.2, 0.3], losses, [np.arange(3)] * 3, stop_reasons=reasons).plot()
    assert display.best_rate_ == 0.1
    assert LearningRateDisplay([0.1, 0.2, 0.3], losses, [np.arange(3)] * 3).plot().best_rate_ == 0.3


def test_fits_that_would_stop_by_themselves_run_all_epochs_over_all_rows():
    stopping = descent(early_stopping=True, n_iter_no_change=1, tol=0.5)
    display = LearningRateDisplay.from_estimator(stopping, X, y, learning_rates=[0.01, 0.3], max_iter=30)
    for rate, line in zip([0.01, 0.3], display.lines_, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), descent(rate, max_iter=30).fit(X, y).loss_curve_)


def test_rates_that_are_nearly_the_same_have_a_curve_each():
    losses, reasons = [np.array([3.0, end]) for end in (1.0, 2.0, 0.5)], np.array(["max_iter", "max_iter", "diverged"])
    for rates, names in ((0.1, 0.10001, 0.4), ["0.1", "0.10001", "0.4"]), ((0.1, 0.1, 0.4), ["0.1 1", "0.1 2", "0.4"]):
        display = LearningRateDisplay(rates, losses, [np.arange(2)] * 3, stop_reasons=reasons).plot()
        assert [line.get_label().partition(":")[0] for line in display.lines_] == names
        assert [line.get_ydata()[-1] for line in display.lines_] == [1.0, 2.0, 0.5]
        assert display.best_rate_ == 0.1


def test_a_fit_that_diverges_in_its_first_epoch_is_told_in_the_legend():
    model = descent(5.0, batch_size=1, max_iter=3)
    display = LearningRateDisplay.from_estimator(model, X, y, learning_rates=[0.001, 5.0], max_iter=3)
    assert [len(losses) for losses in display.losses] == [3, 0]
    assert texts_of(display) == ["0.001: least at the end", "5: diverged"]
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    both = LossCurveDisplay.from_estimator({"calm": descent(0.01).fit(X, y), "wild": model})
    assert texts_of(both) == ["calm: ran all 20 epochs", "wild: diverged in epoch 1"]


def test_the_rate_of_the_users_optimizer_is_put_aside():
    model = descent("auto", optimizer=Adam(learning_rate=5.0), max_iter=5)
    display = LearningRateDisplay.from_estimator(model, X, y, learning_rates=[0.1], max_iter=None)
    expected = descent(0.1, optimizer="adam", max_iter=5).fit(X, y)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), expected.loss_curve_)


def test_rates_that_cannot_be_drawn():
    for rates in ([0.1, -1.0], [], "fast", [np.inf]):
        with pytest.raises(ValueError, match=r"learning_rates=.* must be positive, finite numbers"):
            LearningRateDisplay.from_estimator(descent(), X, y, learning_rates=rates)
    searching = descent("auto", optimizer="lbfgs")
    with pytest.raises(ValueError, match="optimizer='lbfgs' searches along lines and has no learning rate"):
        LearningRateDisplay.from_estimator(searching, X, y, learning_rates=[0.1])
    with pytest.raises(ValueError, match="optimizer='lbfgs' searches along lines and has no learning rate"):
        LearningRateDisplay.from_range_test(searching, X, y)
    all_diverge = LearningRateDisplay.from_estimator(descent(), X, y, learning_rates=[5.0, 9.0])
    assert np.isnan(all_diverge.best_rate_)


# -- searches over learning rates

RATES = [0.01, 1e-4, 0.1]


@functools.cache
def search_over(kind):
    """A fitted search, few epochs for each candidate."""
    model = descent(max_iter=3)
    piped = make_pipeline(StandardScaler(), model)
    if kind == "rates":
        return GridSearchCV(model, {"learning_rate": RATES}).fit(X, y)
    if kind == "auto":
        return GridSearchCV(descent(max_iter=1), {"learning_rate": [*RATES, "auto"]}, scoring="r2").fit(X, y)
    if kind == "settings":
        grid = {"gdlinearregressor__learning_rate": RATES, "gdlinearregressor__optimizer": ["sgd", "momentum"]}
        return make_pipeline("passthrough", GridSearchCV(piped, grid, cv=3)).fit(X, y)
    if kind == "metrics":
        scoring = {"r2": "r2", "error": "neg_mean_absolute_error"}
        return GridSearchCV(model, {"learning_rate": RATES}, scoring=scoring, refit="error", cv=KFold(4)).fit(X, y)
    if kind == "random":
        space = {"learning_rate": np.geomspace(1e-3, 0.3, 50), "alpha": np.geomspace(1e-5, 1, 50)}
        return RandomizedSearchCV(model, space, n_iter=8, cv=2, random_state=0).fit(X, y)
    if kind == "halving":
        return HalvingGridSearchCV(model, {"learning_rate": RATES}, min_resources=40, random_state=0).fit(X, y)
    assert kind == "own rates"
    grids = [{"learning_rate": [0.01, 0.1]}, {"optimizer": ["lbfgs"]}, {"optimizer": ["momentum"]}]
    return GridSearchCV(model.set_params(learning_rate=0.02), grids, cv=2).fit(X, y)


def drawn_spread(display, name=""):
    """Lower and upper edge of a band, at the rates in ascending order."""
    (path,) = display.bands_[name].get_paths()
    rates = display.lines_[name].get_xdata()
    edges = [path.vertices[np.isclose(path.vertices[:, 0], rate), 1] for rate in rates]
    return np.array([edge.min() for edge in edges]), np.array([edge.max() for edge in edges])


def test_scores_against_the_rate_are_those_of_the_search():
    search = search_over("rates")
    display = LearningRateDisplay.from_search(search)
    assert isinstance(display, LearningRateSearchDisplay)
    order = np.argsort(RATES)
    means, deviations = (search.cv_results_[f"{name}_test_score"][order] for name in ("mean", "std"))
    np.testing.assert_array_equal(display.lines_[""].get_xydata(), np.column_stack([np.sort(RATES), means]))
    low, high = drawn_spread(display)
    np.testing.assert_allclose(low, means - deviations)
    np.testing.assert_allclose(high, means + deviations)
    assert display.ax_.get_xscale() == "log"
    assert display.best_rate_ == search.best_params_["learning_rate"]
    np.testing.assert_array_equal(display.mark_.get_xydata(), [[display.best_rate_, search.best_score_]])
    assert texts_of(display) == [f"best: {display.best_rate_:.3g}"]
    assert display.ax_.get_xlabel() == "learning rate"
    assert display.ax_.get_ylabel() == "score, mean ± std of 5 folds"
    assert (display.levels_, display.exits_) == ({}, {})


def test_auto_among_the_rates_is_a_level():
    search = search_over("auto")
    display = LearningRateDisplay.from_search(search)
    score = search.cv_results_["mean_test_score"][3]
    np.testing.assert_array_equal(display.levels_["auto"].get_ydata(), [score, score])
    assert len(display.lines_[""].get_xdata()) == 3
    assert search.best_params_["learning_rate"] == "auto"  # one step at the rate of theory against smaller ones
    rate = search.best_estimator_.learning_rate_
    np.testing.assert_array_equal(display.mark_.get_xydata(), [[rate, score]])
    assert display.best_rate_ == rate
    assert texts_of(display) == ["auto", f"best: auto, which came to {rate:.3g}"]
    assert display.ax_.get_ylabel() == "r2, mean ± std of 5 folds"


def test_other_parameters_have_a_line_for_each_setting():
    pipeline = search_over("settings")
    display = LearningRateDisplay.from_search(pipeline)
    results = pipeline[-1].cv_results_
    assert list(display.lines_) == ["optimizer=sgd", "optimizer=momentum"]
    for name, line in display.lines_.items():
        of_it = results["param_gdlinearregressor__optimizer"] == name.removeprefix("optimizer=")
        rates = results["param_gdlinearregressor__learning_rate"][of_it].astype(float)
        expected = np.column_stack([rates, results["mean_test_score"][of_it]])[np.argsort(rates)]
        np.testing.assert_array_equal(line.get_xydata(), expected)
    best = pipeline[-1].best_params_
    words = [*display.lines_, "best: {:.3g}, optimizer={}".format(*best.values())]
    assert texts_of(display) == words
    assert len({line.get_color() for line in display.lines_.values()}) == 2


def test_of_several_metrics_that_of_refit_is_drawn_or_the_one_asked_for():
    search = search_over("metrics")
    order = np.argsort(RATES)
    for metric, drawn in (None, "error"), ("r2", "r2"), ("error", "error"):
        display = LearningRateDisplay.from_search(search, metric=metric)
        scores = search.cv_results_[f"mean_test_{drawn}"]
        np.testing.assert_array_equal(display.lines_[""].get_ydata(), scores[order])
        assert display.best_rate_ == RATES[scores.argmax()]
        assert display.ax_.get_ylabel() == f"{drawn}, mean ± std of 4 folds"
    elsewhere = copy.copy(search)  # whose best candidate is that of the error alone
    elsewhere.cv_results_ = search.cv_results_ | {"mean_test_r2": np.roll(search.cv_results_["mean_test_r2"], 1)}
    expected = RATES[elsewhere.cv_results_["mean_test_r2"].argmax()]
    assert expected != LearningRateDisplay.from_search(elsewhere).best_rate_
    assert LearningRateDisplay.from_search(elsewhere, metric="r2").best_rate_ == expected
    with pytest.raises(ValueError, match=r"metric='accuracy' must be one of \['r2', 'error'\]"):
        LearningRateDisplay.from_search(search, metric="accuracy")
    without = GridSearchCV(
        descent(max_iter=1), {"learning_rate": [0.1]}, scoring=["r2", "neg_max_error"], refit=False, cv=2
    )
    with pytest.raises(ValueError, match=r"pass metric=, one of \['r2', 'neg_max_error'\], for refit=False names none"):
        LearningRateDisplay.from_search(without.fit(X, y))
    assert LearningRateDisplay.from_search(without, metric="r2").best_rate_ == 0.1


def test_the_best_is_the_one_that_the_search_chose():
    smallest = GridSearchCV(descent(max_iter=3), {"learning_rate": RATES}, refit=lambda results: 1).fit(X, y)
    assert LearningRateDisplay.from_search(smallest).best_rate_ == 1e-4
    unchosen = GridSearchCV(descent(max_iter=3), {"learning_rate": RATES}, refit=False).fit(X, y)
    assert LearningRateDisplay.from_search(unchosen).best_rate_ == 0.1


def test_candidates_of_a_random_search_are_points():
    search = search_over("random")
    display = LearningRateDisplay.from_search(search)
    (line,) = display.lines_.values()
    assert line.get_linestyle() == "None"
    drawn = line.get_xydata()
    rates = search.cv_results_["param_learning_rate"].astype(float)
    expected = np.column_stack([rates, search.cv_results_["mean_test_score"]])[np.argsort(rates)]
    np.testing.assert_array_equal(drawn, expected)
    deviations = search.cv_results_["std_test_score"][np.argsort(rates)]
    (bars,) = display.bands_.values()
    np.testing.assert_allclose([np.ptp(bar[:, 1]) for bar in bars.get_segments()], 2 * deviations)
    best = search.best_params_
    assert texts_of(display) == ["8 candidates", f"best: {best['learning_rate']:.3g}, alpha={best['alpha']:.4g}"]


def test_rows_of_a_halving_search_are_not_mixed():
    search = search_over("halving")
    display = LearningRateDisplay.from_search(search)
    results = search.cv_results_
    assert list(display.lines_) == ["40 rows", "120 rows"]
    last = results["n_resources"] == 120
    np.testing.assert_array_equal(display.lines_["120 rows"].get_ydata(), results["mean_test_score"][last])
    assert display.best_rate_ == search.best_params_["learning_rate"]
    assert texts_of(display)[-1].endswith(", 120 rows")


def test_candidates_that_leave_the_rate_alone_have_that_of_the_estimator():
    search = search_over("own rates")
    display = LearningRateDisplay.from_search(search)
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(display.lines_["optimizer=sgd"].get_xdata(), [0.01, 0.1])
    np.testing.assert_array_equal(display.lines_["optimizer=lbfgs"].get_xydata(), [[0.02, scores[2]]])
    np.testing.assert_array_equal(display.lines_["optimizer=momentum"].get_xydata(), [[0.02, scores[3]]])


def test_the_parameter_may_be_named():
    network = MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = GridSearchCV(network, {"learning_rate_init": [1e-3, 0.1]}, cv=2).fit(X, y)
    display = LearningRateDisplay.from_search(theirs, parameter="learning_rate_init")
    np.testing.assert_array_equal(display.lines_[""].get_ydata(), theirs.cv_results_["mean_test_score"])
    assert display.ax_.get_xlabel() == "learning_rate_init"
    with pytest.raises(ValueError, match=r"no learning rate among \['learning_rate_init'\]; name the one to draw by"):
        LearningRateDisplay.from_search(theirs)
    with pytest.raises(ValueError, match=r"parameter='rate' must be one that was searched: \['learning_rate_init'\]"):
        LearningRateDisplay.from_search(theirs, parameter="rate")
    two = {"learning_rate": ["auto"], "optimizer__learning_rate": [0.1, None]}
    both = GridSearchCV(descent(optimizer=SGD(), max_iter=1), two, cv=2).fit(X, y)
    with pytest.raises(
        ValueError, match=r"several learning rates among \['learning_rate', 'optimizer__learning_rate'\]"
    ):
        LearningRateDisplay.from_search(both)
    display = LearningRateDisplay.from_search(both, parameter="optimizer__learning_rate")
    assert list(display.levels_) == ["None"]
    with pytest.raises(ValueError, match=r"none of 'learning_rate' is a positive number, they are \['auto', 'auto'\]"):
        LearningRateDisplay.from_search(both, parameter="learning_rate")


def test_a_score_that_explodes_does_not_crush_the_others():
    scores = [0.5, 0.9, 0.8, -1e6, np.nan]
    display = LearningRateSearchDisplay([1e-3, 0.01, 0.1, 1.0, 10.0], scores, [0.1, 0.1, 0.1, 1e6, np.nan]).plot()
    low, high = display.ax_.get_ylim()
    assert -3 < low < 0.4
    assert 1.0 < high < 1.2
    np.testing.assert_array_equal(display.exits_[""].get_xdata(), [1.0, 10.0])
    assert display.best_rate_ == 0.01
    failing = GridSearchCV(descent(max_iter=1), {"learning_rate": [-1.0, -2.0]}, cv=2, refit=False, error_score=np.nan)
    failing.cv_results_ = {"params": [{"learning_rate": 0.1}], "mean_test_score": [np.nan], "std_test_score": [np.nan]}
    with pytest.raises(ValueError, match="no candidate has a score: all fits have failed"):
        LearningRateDisplay.from_search(failing)


def test_candidates_whose_fits_failed_are_in_no_line_and_no_level():
    rates, scores = [0.01, 0.1, -1.0, "auto", 1.0, -2.0], [0.5, 0.9, np.nan, np.nan, -np.inf, 0.7]
    display = LearningRateSearchDisplay(rates, scores, [0.1, 0.1, np.nan, np.nan, np.nan, 0.1]).plot()
    np.testing.assert_array_equal(display.lines_[""].get_xydata(), [[0.01, 0.5], [0.1, 0.9]])
    assert display.levels_ == {}
    np.testing.assert_array_equal(display.exits_[""].get_xdata(), [1.0])


def test_all_scores_are_seen_but_few_that_are_far_away():
    rates, deviations = [0.001, 0.01, 0.1], [0.02, 0.01, 0.01]
    display = LearningRateSearchDisplay(rates, [-0.4, -0.1, -0.05], deviations).plot()
    assert display.ax_.get_ylim()[0] < -0.42  # 0.3 below others that spread over 0.07: not far
    assert display.exits_ == {}
    display = LearningRateSearchDisplay(rates, [-0.6, -0.1, -0.05], deviations).plot()
    assert -0.12 < display.ax_.get_ylim()[0] < -0.11
    np.testing.assert_array_equal(display.exits_[""].get_xdata(), [0.001])
    assert texts_of(display) == ["below the picture", "best: 0.1"]
    display = LearningRateSearchDisplay([*rates, 1.0], [-9.0, -9.0, -0.1, -0.05], [0.01] * 4).plot()
    assert display.ax_.get_ylim()[0] < -9.0  # half of them, not few
    assert display.exits_ == {}
    display = LearningRateSearchDisplay([*rates, 1.0], [-1e6, np.nan, -0.1, -0.05], [0.01] * 4).plot()
    assert texts_of(display) == ["below the picture or failed", "best: 1"]


def test_the_legend_of_a_random_search_lies_over_no_bar():
    rates, settings = np.geomspace(1e-3, 1, 24), [f"alpha={k}" for k in range(24)]
    display = LearningRateSearchDisplay(rates, np.linspace(0.5, 0.501, 24), [0.2] * 24, settings=settings).plot()
    (legend,) = display.figure_.legends  # outside the axes: bars fill these
    display.figure_.draw_without_rendering()
    assert legend.get_window_extent().y1 < display.ax_.get_window_extent().y0


def test_of_many_settings_the_best_have_names():
    tops = [0.1, 0.9, 0.8, 0.2, 0.7, 0.6, 0.5, 0.4]
    scores = np.add.outer(tops, [-0.05, 0.0]).ravel()
    settings = [f"alpha={k}" for k in range(8) for _ in range(2)]
    display = LearningRateSearchDisplay([0.1, 0.2] * 8, scores, [0.1] * 16, settings=settings).plot()
    assert len(display.lines_) == 8
    assert texts_of(display) == [*(f"alpha={k}" for k in (1, 2, 4, 5, 6, 7)), "2 others", "best: 0.2, alpha=1"]
    assert list(display.bands_) == texts_of(display)[:6]


# -- the range test


def test_the_suggested_rate_of_plain_descent_is_stable_and_fast():
    display = make_test()
    assert isinstance(display, RangeTestDisplay)
    limit = 2 / np.linalg.eigvalsh(Z.T @ Z / len(y)).max()  # beyond it descent diverges, by theory
    assert 0.02 * limit < display.suggested_rate_ < limit
    assert display.learning_rates[-1] > limit  # it went on until the loss exploded
    assert display.mark_.get_xdata()[0] == display.suggested_rate_
    assert f"suggested rate: {display.suggested_rate_:.2g}" in texts_of(display)
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_ylim()[1] < 2 * display.losses[0]


def test_the_suggested_rate_is_a_sixth_of_the_last_one_before_the_smoothed_loss_rises():
    rates = np.geomspace(1e-4, 1.0, 81)  # twenty to the decade
    decades = np.log10(rates)
    losses = np.where(decades < -3, 1.0, np.where(decades < -1.5, 1 - 0.6 * (decades + 3), 0.1))
    losses = losses + np.where(decades > -1, 0.3 * (decades + 1) ** 2, 0.0) + 0.01 * np.sin(np.arange(81))
    losses[-3:] = 1e6  # it explodes
    cut = np.minimum(losses, 2 * losses[0] - losses.min())
    padded = np.concatenate([np.full(100, cut[0]), cut, np.full(100, cut[-1])])
    weights = np.exp(-0.5 * ((decades[:, None] - 0.05 * (np.arange(281) - 100) - decades[0]) / 0.2) ** 2)
    smooth = weights @ padded / weights.sum(axis=1)
    lowest = int(smooth.argmin())
    limit = smooth[lowest] + 0.02 * (smooth[0] - smooth[lowest])
    last = lowest
    while smooth[last + 1] <= limit:
        last += 1
    assert lowest < last < 70
    display = RangeTestDisplay(rates, losses)
    np.testing.assert_allclose(display.smoothed_, smooth, rtol=1e-3)
    assert display.suggested_rate_ == pytest.approx(rates[last] / 6)
    # a loss that falls to the end: the last rate tried
    assert RangeTestDisplay(rates, 2 - losses[0] - decades).suggested_rate_ == pytest.approx(1 / 6)


CASES = {
    "linear": (GDLinearRegressor(random_state=0, max_iter=100), X, y),
    "logistic": (GDLogisticClassifier(random_state=0, max_iter=100), X_CANCER, y_cancer),
    "network": (GDMLPClassifier(hidden_layer_sizes=(20,), random_state=0, max_iter=100), X_IRIS, y_iris),
}


@functools.cache
def optimum_of(case):
    model, X, y = CASES[case]
    longer = {"max_iter": 300, "n_members": 1} if case == "network" else {}
    return type(model)(random_state=0, **longer).fit(X, y).loss_curve_[-1]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("case", CASES)
def test_training_at_the_suggested_rate_comes_near_the_optimum(case, optimizer):
    model, X, y = CASES[case]
    optimum = optimum_of(case)
    model = model.set_params(optimizer=optimizer, learning_rate="auto", tol=None)
    rate = LearningRateDisplay.from_range_test(model, X, y).suggested_rate_
    fitted = model.set_params(learning_rate=rate).fit(X, y)
    curve = fitted.loss_curve_
    start = 0.5 * y.var() if case == "linear" else np.log(len(np.unique(y)))
    assert fitted.stop_reason_ == "max_iter"  # and not diverged
    assert curve[-1] - optimum < 0.1 * (start - optimum)


def test_the_same_test_has_the_same_result_on_all_kinds_of_features():
    test = functools.partial(
        LearningRateDisplay.from_range_test, GDLogisticClassifier(optimizer="adam"), low=1e-3, n_updates=20
    )
    first, again = test(X_CANCER, y_cancer), test(X_CANCER, y_cancer)
    np.testing.assert_array_equal(first.losses, again.losses)
    frame = test(pd.DataFrame(X_CANCER), pd.Series(y_cancer))
    np.testing.assert_array_equal(first.losses, frame.losses)
    listed = test(X_CANCER.tolist(), y_cancer.tolist())
    np.testing.assert_array_equal(first.losses, listed.losses)
    assert test(sparse.csr_matrix(X_CANCER), y_cancer).suggested_rate_ > 0
    assert test(X_CANCER, np.array(["m", "b"])[y_cancer]).suggested_rate_ > 0
    other = test(X_CANCER, y_cancer, random_state=1)
    assert not np.array_equal(first.losses, other.losses)


class Recording(GDLinearRegressor):
    """An estimator that remembers the rows that its updates have seen, whose second entries are their targets."""

    batches = []

    def partial_fit(self, X, y, sample_weight=None):
        np.testing.assert_array_equal(X[:, 1], y)
        self.batches.append(X[:, 0].copy())
        return super().partial_fit(X, y, sample_weight)


def test_updates_of_the_range_test_see_every_row_once_before_any_comes_again():
    Recording.batches.clear()
    numbered = np.column_stack([np.arange(200.0), np.random.default_rng(0).normal(size=200)])
    LearningRateDisplay.from_range_test(Recording(optimizer="sgd", batch_size=20), numbered, numbered[:, 1])
    seen = np.concatenate(Recording.batches)[:400].reshape(2, 200)
    np.testing.assert_array_equal(np.sort(seen, axis=1), [np.arange(200.0)] * 2)
    assert not np.array_equal(*seen)


def test_updates_of_the_range_test_have_the_batches_of_fits_at_their_rates():
    Recording.batches.clear()
    features = np.column_stack([X[:, 0], y, X[:, 1:]])
    display = LearningRateDisplay.from_range_test(
        Recording(optimizer="sgd"), features, y, low=1e-3, high=0.4, n_updates=20
    )
    for batch, rate in zip(Recording.batches, display.learning_rates, strict=True):
        assert len(batch) == descent(rate, batch_size="auto", max_iter=1).fit(features, y).batch_size_
    assert len({len(batch) for batch in Recording.batches}) > 3


def test_many_rows_cost_no_more_than_some():
    rng = np.random.default_rng(0)
    many = rng.normal(size=(60_000, 3))
    target = many @ [1.0, -1.0, 0.5] + rng.normal(size=60_000)
    display = LearningRateDisplay.from_range_test(GDLinearRegressor(optimizer="sgd", batch_size=32), many, target)
    assert 0.001 < display.suggested_rate_ < 2  # the curvature is 1


def test_range_tests_look_at_parameters_not_at_their_means():
    rows, target = X[:100], y[:100]
    tested = [
        LearningRateDisplay.from_range_test(GDLinearRegressor(optimizer="sgd", average=average), rows, target)
        for average in (False, True)
    ]
    np.testing.assert_array_equal(*(each.losses for each in tested))


def test_range_tests_that_tell_nothing():
    with pytest.warns(UserWarning, match=r"the loss never fell: low=100 is too large a rate already"):
        LearningRateDisplay.from_range_test(descent(), X, y, low=100, high=1000)
    refused = (0, 1, "low=0"), (1e-3, np.inf, "high=inf"), (1, 0.1, "low=1 must be below high=0.1")
    of_axes = (1e-200, 1, r"low=1e-200 must be a number from 1e-100 to 1e\+100"), (1, 1e200, "high=1e.200")
    for low, high, named in (*refused, *of_axes):
        with pytest.raises(ValueError, match=named):
            LearningRateDisplay.from_range_test(descent(), X, y, low=low, high=high)
    widest = LearningRateDisplay.from_range_test(descent(), X, y, low=1e-100, high=1e100)
    widest.figure_.canvas.draw()
    with pytest.raises(ValueError, match=r"low=1e\+99 is too large a rate: the loss isn't finite after an update"):
        LearningRateDisplay.from_range_test(descent(), X, 1e80 * y, low=1e99, high=1e100)
    with pytest.raises(ValueError, match="n_updates=5 must be a whole number, at least 20"):
        LearningRateDisplay.from_range_test(descent(), X, y, n_updates=5)


# -- coefficients


def test_coefficients_over_epochs():
    display = CoefficientPathDisplay.from_estimator(descent(max_iter=3), FRAME, y)
    assert list(display.lines_) == list(FRAME.columns)
    for epochs in range(1, 4):
        expected = descent(max_iter=epochs).fit(X, y).coef_ * X.std(axis=0)
        np.testing.assert_allclose(display.coefficients[epochs], expected)
    x, values = display.lines_["bmi"].get_data()
    np.testing.assert_array_equal(x, [0, 1, 2, 3])
    np.testing.assert_array_equal(values, display.coefficients[:, 2])
    assert values[0] == 0
    ends = display.coefficients[-1]
    assert texts_of(display) == [FRAME.columns[j] for j in np.argsort(-ends)]


def test_many_coefficients_are_not_all_named():
    display = CoefficientPathDisplay.from_estimator(GDLogisticClassifier(), X_CANCER, y_cancer)
    assert len(display.lines_) == 30
    assert texts_of(display)[-1] == "20 smaller ones"
    assert len(texts_of(display)) == 11
    largest = np.argsort(-np.abs(display.coefficients[-1]))[:10]
    assert {f"feature {j}" for j in largest} == set(texts_of(display)[:-1])


def test_chosen_coefficients_of_one_class():
    model = GDLogisticClassifier(max_iter=5, tol=None)
    display = CoefficientPathDisplay.from_estimator(model, X_IRIS, y_iris, features=[3, 0], output=1)
    fitted = model.fit(X_IRIS, y_iris)
    assert list(display.lines_) == ["feature 3", "feature 0"]
    np.testing.assert_allclose(display.coefficients[-1], (fitted.coef_ * X_IRIS.std(axis=0))[1, [3, 0]])
    with pytest.raises(ValueError, match=r"features=\[4\]: 4 must be a number from 0 to 3"):
        CoefficientPathDisplay.from_estimator(model, X_IRIS, y_iris, features=[4])


def test_classes_are_named():
    model = descent_of_classes().fit(X_IRIS, IRIS)
    scaled = model.coef_ * X_IRIS.std(axis=0)
    one = CoefficientPathDisplay.from_estimator(descent_of_classes(), X_IRIS, IRIS, output="virginica")
    np.testing.assert_allclose(one.coefficients[-1], scaled[2])
    assert one.ax_.get_ylabel() == "coefficient of the scaled feature for virginica"
    every = CoefficientPathDisplay.from_estimator(descent_of_classes(), X_IRIS, IRIS, output=None)
    np.testing.assert_allclose(every.coefficients[-1], scaled.ravel())
    assert list(every.lines_)[:5] == [f"feature {j}, setosa" for j in range(4)] + ["feature 0, versicolor"]
    feature = CoefficientPathDisplay.from_estimator(descent_of_classes(), X_IRIS, IRIS, features=3, output=None)
    assert texts_of(feature) == [np.unique(IRIS)[k] for k in np.argsort(-scaled[:, 3])]
    assert feature.ax_.get_ylabel() == "coefficient of feature 3"
    over = PathDisplay.from_estimator(descent_of_classes(), X_IRIS, IRIS, output="versicolor", features=(0, 3))
    np.testing.assert_allclose(over.paths["sgd"][-1], scaled[1, [0, 3]])
    assert over.ax_.get_xlabel() == "coefficient of feature 0 for versicolor"
    message = r"output='rose' must be a number from 0 to 2: the row of coef_; or among \['setosa', 'versicolor', 'virg"
    with pytest.raises(ValueError, match=message):
        PathDisplay.from_estimator(descent_of_classes(), X_IRIS, IRIS, output="rose")


def descent_of_classes():
    return GDLogisticClassifier(optimizer="sgd", batch_size=None, learning_rate=0.3, max_iter=10, tol=None)


def test_two_classes_and_one_target_have_a_row_without_a_name():
    display = CoefficientPathDisplay.from_estimator(descent_of_classes(), X_CANCER, y_cancer)
    assert display.ax_.get_ylabel() == "coefficient of the scaled feature"
    several = CoefficientPathDisplay.from_estimator(descent(), X[:, :2], np.column_stack([y, -y]), output=None)
    assert list(several.lines_) == [f"feature {j}, output {k}" for k in range(2) for j in range(2)]
    words = np.array(["ill", "sound"])[y_cancer]  # the row is of the second class
    display = CoefficientPathDisplay.from_estimator(descent_of_classes(), X_CANCER, words, output="sound")
    assert display.ax_.get_ylabel() == "coefficient of the scaled feature"
    with pytest.raises(ValueError, match="output='ill' must be a number"):
        CoefficientPathDisplay.from_estimator(descent_of_classes(), X_CANCER, words, output="ill")


# -- curves


def parabola():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(300, 1))
    return x, x[:, 0] ** 2 - 0.5 + rng.normal(scale=0.05, size=300)


NETWORK = GDMLPRegressor(hidden_layer_sizes=(10,), learning_rate=0.1, optimizer="sgd", max_iter=40, random_state=0)


def test_the_curve_is_that_of_the_fit_at_every_epoch():
    x, target = parabola()
    display = CurveFitDisplay.from_estimator(NETWORK, x, target)
    for epoch in (1, 40):
        expected = NETWORK.__class__(**NETWORK.get_params() | {"max_iter": epoch, "tol": None}).fit(x, target)
        frame = list(display.epochs).index(epoch)
        np.testing.assert_allclose(display.curves[frame, :, 0], expected.predict(display.grid[:, None]))
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), display.curves[-1, :, 0])
    np.testing.assert_array_equal(display.points_[0].get_xydata(), np.column_stack([x[:, 0], target]))
    assert texts_of(display)[0] == "300 points"
    assert texts_of(display)[-1] == "epoch 40"
    one = display.plot(frame=2)
    np.testing.assert_array_equal(one.lines_[0].get_ydata(), display.curves[2, :, 0])
    assert one.earlier_lines_ == []
    np.testing.assert_array_equal(display.losses, expected.loss_curve_[display.epochs - 1])
    assert one.ax_.get_title() == f"epoch 3, objective {display.losses[2]:.3g}"


def test_of_many_epochs_the_curves_that_are_kept_have_their_own_losses(monkeypatch):
    monkeypatch.setattr("skgd.plotting._curve_fit._MOST_FRAMES", 10)
    x, target = parabola()
    display = CurveFitDisplay.from_estimator(NETWORK, x, target)
    assert [display.epochs[0], display.epochs[-1]] == [1, 40]
    assert len(display.epochs) == display.n_frames <= 10
    losses = clone(NETWORK).set_params(n_members=1, tol=None).fit(x, target).loss_curve_
    np.testing.assert_array_equal(display.losses, np.asarray(losses)[display.epochs - 1])


def test_names_and_several_targets():
    x, target = parabola()
    frame = pd.DataFrame({"time": x[:, 0]})
    display = CurveFitDisplay.from_estimator(descent(), frame, pd.Series(target, name="height"))
    assert display.ax_.get_xlabel() == "time"
    assert display.ax_.get_ylabel() == "height"
    both = CurveFitDisplay.from_estimator(descent(), x, np.column_stack([target, -target]))
    assert len(both.lines_) == len(both.points_) == 2
    quantiles = CurveFitDisplay.from_estimator(GDLinearRegressor(loss="quantile", quantile=[0.1, 0.9]), x, target)
    assert len(quantiles.lines_) == 2


def test_a_curve_that_explodes_stays_near_the_points():
    x, target = parabola()
    display = CurveFitDisplay.from_estimator(descent(3.0), x, target)
    low, high = display.ax_.get_ylim()
    assert high - low < 2 * np.ptp(target)


def test_curves_that_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"X has shape \(442, 10\); it must have one column"):
        CurveFitDisplay.from_estimator(descent(), X, y)
    with pytest.raises(TypeError, match="must be a regressor of skgd"):
        CurveFitDisplay.from_estimator(GDLogisticClassifier(), X_CANCER[:, :1], y_cancer)


# -- animations


def frames_of(file):
    with Image.open(file) as image:
        return image.n_frames, image.size, image.info["duration"]


def test_a_gif_of_a_path(tmp_path):
    display = make_path()
    lines = display.lines_["path"].get_xydata().copy()
    file = tmp_path / "path.gif"
    animation = animate(display, file, seconds=3, max_frames=5)
    n_frames, size, duration = frames_of(file)
    assert n_frames == 5
    assert duration == pytest.approx(600, abs=10)
    assert min(size) > 300
    assert file.stat().st_size < 1e6
    assert animation is not None
    np.testing.assert_array_equal(display.lines_["path"].get_xydata(), lines)
    assert imread(file).std() > 0


def test_a_frame_shows_the_path_so_far():
    display = make_path()
    assert display.n_frames == 30
    display.show_frame(4)
    np.testing.assert_array_equal(display.lines_["path"].get_xydata(), ZIGZAG[:5])
    np.testing.assert_array_equal(display.ends_["path"].get_xydata(), ZIGZAG[4:5])
    of_two = PathDisplay.from_function(bowl, {"short": ZIGZAG[:9], "long": ZIGZAG})
    assert of_two.n_frames == 30  # of the longest
    of_two.show_frame(20)
    assert [len(line.get_xydata()) for line in of_two.lines_.values()] == [9, 21]
    np.testing.assert_array_equal(of_two.ends_["short"].get_xydata(), ZIGZAG[8:9])


def test_a_page_of_a_curve(tmp_path):
    display = CurveFitDisplay.from_estimator(NETWORK, *parabola())
    file = tmp_path / "curve.html"
    animate(display, str(file), max_frames=4)
    page = file.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") == 4
    display.show_frame(0)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), display.curves[0, :, 0])


def test_the_player_moves_by_itself_and_asks_no_network(tmp_path):
    file = tmp_path / "path.html"
    animation = animate(make_path(), file, max_frames=2)
    for page in file.read_text(encoding="utf-8"), animation.to_jshtml(), animation._repr_html_():
        assert page.count("data:image/png;base64") == 2
        assert not re.findall(r"https?:|src=\"(?!data:)|href=|@import|url\(", page)
        (player,) = re.findall(r"(\w+) = new Animation\(", page)
        assert f"{player}.play_animation();" in page
        assert page.count("<button") == page.count("<svg") == page.count('<path d="M') == 9
        assert "<i class" not in page


def test_no_file_is_written_unless_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    animation = animate(make_path(), max_frames=2)
    assert "<script" in animation.to_jshtml()
    assert list(tmp_path.iterdir()) == []


def test_an_animation_that_nobody_looks_at_is_no_reason_to_warn(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        animate(make_path(), tmp_path / "path.gif", max_frames=2)
        animate(make_path(), max_frames=2)
        plt.close("all")
        gc.collect()
    of_matplotlib = DeprecationWarning  # where that is older than what it uses
    assert not [warning for warning in caught if not issubclass(warning.category, of_matplotlib)]


def test_animations_that_cannot_be_made(tmp_path):
    with pytest.raises(
        TypeError, match=r"^display=<.*LossCurveDisplay object> must be a PathDisplay or a CurveFitDisplay$"
    ):
        animate(make_losses())
    with pytest.raises(TypeError, match=r"^display=Pipeline\(.*\.\.\. must be a PathDisplay or a CurveFitDisplay$"):
        animate(make_pipeline(StandardScaler(), PCA(), descent()))
    with pytest.raises(ValueError, match=r"filename='path.avi' must end with .gif or .html"):
        animate(make_path(), "path.avi")
    for seconds in 0, "6":
        with pytest.raises(ValueError, match=f"seconds={seconds!r} must be a positive number"):
            animate(make_path(), seconds=seconds)
    with pytest.raises(ValueError, match="max_frames=1 must be a whole number, at least 2"):
        animate(make_path(), max_frames=1)


# -- settings that all displays share, or some


@each_display
def test_a_picture_without_a_legend(make):
    display = make()
    plt.close(display.figure_)
    display.plot(legend=False)
    assert display.ax_.get_legend() is None
    assert not display.figure_.legends


def test_values_of_descents_are_loss_curves():
    settings = {"learning_rate": 0.1, "max_iter": 30, "tol": None, "return_path": True}
    results = {
        "down": minimize(bowl, [3.0, 1.0], **settings),
        "up": minimize(rosen, [-1.0, 1.0], **settings | {"learning_rate": 1e-4}),
    }
    display = LossCurveDisplay.from_results(results)
    for name, result in results.items():
        np.testing.assert_array_equal(display.lines_[name].get_xdata(), np.arange(31))
        np.testing.assert_array_equal(display.lines_[name].get_ydata(), result.fun_path)
    model = descent().fit(X, y)
    mixed = LossCurveDisplay.from_results([results["down"], model], names=["function", "model"])
    np.testing.assert_array_equal(mixed.lines_["model"].get_ydata(), model.loss_curve_)
    with pytest.raises(ValueError, match="has no fun_path; call minimize"):
        LossCurveDisplay.from_results(minimize(bowl, [3.0, 1.0]))


def test_losses_above_a_known_minimum():
    model = descent(max_iter=10).fit(X, y)
    display = LossCurveDisplay.from_estimator(model, minimum=1000.0)
    (line,) = display.lines_.values()
    np.testing.assert_allclose(line.get_ydata(), model.loss_curve_ - 1000)
    assert display.ax_.get_ylabel() == "objective above its minimum"
    for minimum in np.nan, "low":
        with pytest.raises(ValueError, match=f"minimum={minimum!r} must be a finite number"):
            LossCurveDisplay.from_estimator(model, minimum=minimum)


def test_an_axis_of_epochs_may_become_logarithmic():
    display = LossCurveDisplay.from_estimator(descent(max_iter=10).fit(X, y))
    display.ax_.set_xscale("log")
    left, right = display.ax_.get_xlim()
    assert 0 < left <= 1 < 10 <= right
    _, ax = plt.subplots()
    ax.set_xscale("log")
    LossCurveDisplay.from_estimator(descent(max_iter=10).fit(X, y), ax=ax)
    assert ax.get_xlim()[0] > 0


def test_labels_and_scale_of_a_function():
    path = np.array([[3.0, 1.0], [1.0, 0.5], [0.0, 0.0]])
    display = PathDisplay.from_function(
        bowl, path, labels=("mass", "length", "energy"), bounds=[(-4, 4), (-1, 2)], equal=True
    )
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("mass", "length")
    assert display.contours_.colorbar.ax.get_ylabel() == "energy"
    assert display.ax_.get_aspect() == 1
    assert (display.ax_.get_xlim(), display.ax_.get_ylim()) == ((-4, 4), (-1, 2))


def test_fits_of_several_rates_are_kept():
    display = LearningRateDisplay.from_estimator(descent(), X, y, learning_rates=[0.01, 0.1], max_iter=5)
    assert list(display.models_) == [0.01, 0.1]
    for rate, model in display.models_.items():
        assert model.learning_rate_ == rate
        np.testing.assert_array_equal(model.coef_, descent(rate, max_iter=5).fit(X, y).coef_)


@pytest.mark.parametrize("make", [make_path, make_curve])
def test_an_animation_takes_the_place_of_the_picture(make, tmp_path):
    display = make()
    moving = animate(display, tmp_path / "moving.gif", max_frames=2)
    assert display.figure_.number not in plt.get_fignums()
    assert len(plt.get_fignums()) == 1
    assert moving is not None
    figure, ax = plt.subplots()
    animate(make(ax), tmp_path / "other.gif", max_frames=2)
    assert figure.number in plt.get_fignums()


def test_displays_from_arrays_move_without_being_drawn_before():
    line = np.linspace(0.0, 1.0, 5)
    path = np.column_stack([line, line])
    curves = np.stack([line, 2 * line])[:, :, None]
    values = np.add.outer(line**2, line**2)
    heights = {"path": (path**2).sum(axis=1)}
    for display in (
        PathDisplay({"path": path}, [line, line], values, heights=heights, labels=("a", "b", "f")),
        CurveFitDisplay(line, line, line, curves, np.array([1, 2]), np.array([0.5, 0.1]), labels=("x", "y")),
    ):
        animate(display)
        assert len(plt.get_fignums()) == 1
        assert not hasattr(display, "figure_")
        plt.close("all")


@pytest.mark.parametrize("display", [CoefficientPathDisplay, PathDisplay, CurveFitDisplay])
def test_a_fit_that_diverges_at_once_is_told(display):
    features = X[:, :1] if display is CurveFitDisplay else X
    with pytest.raises(ValueError, match=r"diverged in its first epoch with learning_rate=50.*'auto'"):
        display.from_estimator(descent(50.0, batch_size=1, random_state=0), features, y)


def test_all_rates_have_batches_of_one_size():
    model = GDLinearRegressor(optimizer="sgd", random_state=0)
    display = LearningRateDisplay.from_estimator(model, X, y, learning_rates=[1e-3, 0.1, 0.4], max_iter=20)
    assert len({fit.batch_size_ for fit in display.models_.values()}) == 1
    assert len({fit.t_ for fit in display.models_.values()}) == 1
    assert display.best_rate_ != 1e-3
    own = display.from_estimator(model.set_params(batch_size=10), X, y, learning_rates=[1e-3, 0.1], max_iter=2)
    assert {fit.batch_size_ for fit in own.models_.values()} == {10}
