"""skgd beside scikit-learn's own gradient descent, on the data sets that come with scikit-learn.

For three linear problems and one network it fits, on the same training rows,

- skgd's estimators as they come, alone and in a Pipeline behind a StandardScaler,
- a GridSearchCV over learning rates and one over all optimizers,
- SGDRegressor, SGDClassifier or MLPRegressor in the same ways,

prints one table and saves a picture, loss_curves.png, of how every optimizer descends. Run it with

    python examples/compare_with_sklearn.py
"""

import statistics
import time
import warnings
from dataclasses import dataclass

import matplotlib
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd.optimizers import OPTIMIZERS

matplotlib.use("Agg")  # only a file is written: no display is needed
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, ScalarFormatter

ALPHA = 1e-4  # strength of the L2 penalty, the default of skgd and of scikit-learn's SGD
RATES = [1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3]
PICTURE = "loss_curves.png"
PICTURE_EPOCHS = 100
PICTURE_BATCH_SIZE = 32
PICTURE_FLOOR = (
    1e-5  # below, it would be auto alone, and all others would lie closer together
)

# Colour, line and marks of every optimizer: a hue per family, in the colour-blind-safe palette of Okabe and Ito, and
# light and dark tones of it within a family.
MARKS = dict(zip([*OPTIMIZERS, "auto"], "osDv^<>PXd*phH", strict=False))
STYLES = {
    "sgd": ("#0072B2", "-"),
    "momentum": ("#56B4E9", "--"),
    "nesterov": ("#003B5C", ":"),
    "adagrad": ("#D55E00", "-"),
    "adadelta": ("#E69F00", "--"),
    "rmsprop": ("#7A3600", ":"),
    "adam": ("#009E73", "-"),
    "amsgrad": ("#7FD6BC", "--"),
    "adamw": ("#00543D", ":"),
    "nadam": ("#009E73", "-."),
    "lion": ("#CC79A7", "-"),
    "svrg": ("#CC79A7", "--"),
    "lbfgs": ("black", ":"),
    "auto": ("black", "-"),
}


# --------------------------------------------------------------------------------------------------------------------
# 1. The problems and the contenders


@dataclass
class Problem:
    """A data set, split, with the models to compare on it: name -> unfitted model."""

    title: str
    X: np.ndarray
    X_test: np.ndarray
    y: np.ndarray
    y_test: np.ndarray
    skgd_model: object  # what the picture shows with every optimizer
    contenders: dict
    has_optimum: bool  # whether an exact solver is among them


def scaled(model):
    """Put a StandardScaler before the model."""
    return Pipeline([("scale", StandardScaler()), ("model", model)])


def over_rates(model, parameter):
    return GridSearchCV(scaled(model), {f"model__{parameter}": RATES}, cv=3)


def over_optimizers(model):
    return GridSearchCV(scaled(model), {"model__optimizer": list(OPTIMIZERS)}, cv=3)


def linear_problem(title, data, skgd_model, peer, exact):
    X, X_test, y, y_test = split(data)
    peer_name = type(peer).__name__
    if isinstance(peer, SGDClassifier) and len(np.unique(y)) > 2:
        peer_name += "*"
    contenders = {
        "skgd, as it comes": skgd_model,
        "skgd, scaler": scaled(skgd_model),
        "skgd, scaler, grid of rates": over_rates(
            clone(skgd_model).set_params(optimizer="sgd", schedule="plateau"),
            "learning_rate",
        ),
        "skgd, scaler, grid of optimizers": over_optimizers(
            clone(skgd_model).set_params(schedule="plateau")
        ),
        f"{peer_name}, as it comes": peer,
        f"{peer_name}, scaler": scaled(peer),
        # SGDClassifier's default schedule ignores eta0; "adaptive" starts from it and reduces it when progress stalls
        f"{peer_name}, scaler, grid of rates": over_rates(
            clone(peer).set_params(learning_rate="adaptive"), "eta0"
        ),
        f"{type(exact).__name__}, scaler (exact solver)": scaled(exact),
    }
    return Problem(title, X, X_test, y, y_test, skgd_model, contenders, has_optimum=True)


def network_problem(title, data):
    # No penalty, and the same layers, batches and epochs: both minimise the same function, 1/2 the mean squared error.
    shape = {
        "hidden_layer_sizes": (20,),
        "alpha": 0.0,
        "batch_size": 32,
        "max_iter": 200,
        "random_state": 0,
    }
    skgd_model = skgd.GDMLPRegressor(n_members=1, **shape)
    peer = MLPRegressor(**shape)
    # skgd scales y by itself
    peer_scaled_y = TransformedTargetRegressor(peer, transformer=StandardScaler())
    contenders = {
        "skgd, as it comes": skgd_model,
        "skgd, scaler": scaled(skgd_model),
        "skgd, scaler, grid of rates": over_rates(skgd_model, "learning_rate"),
        "skgd, scaler, grid of optimizers": over_optimizers(
            clone(skgd_model).set_params(schedule="plateau")
        ),
        "MLPRegressor, as it comes": peer,
        "MLPRegressor, scaler": scaled(peer),
        "MLPRegressor, scaler for X and y": scaled(peer_scaled_y),
        "MLPRegressor, scaler for X and y, grid of rates": over_rates(
            peer_scaled_y, "regressor__learning_rate_init"
        ),
    }
    return Problem(title, *split(data), skgd_model, contenders, has_optimum=False)


def split(data):
    """Three quarters of the rows to train on, one to test on, classes in proportion."""
    X, y = data
    stratify = y if np.issubdtype(y.dtype, np.integer) else None
    return train_test_split(X, y, random_state=0, stratify=stratify)


def classification(title, data):
    n_rows = len(split(data)[0])
    return linear_problem(
        title,
        data,
        skgd.GDLogisticClassifier(alpha=ALPHA, random_state=0),
        SGDClassifier(loss="log_loss", alpha=ALPHA, random_state=0),
        LogisticRegression(C=1 / (ALPHA * n_rows), solver="newton-cholesky", tol=1e-10),
    )


def regression(title, data):
    n_rows = len(split(data)[0])
    return linear_problem(
        title,
        data,
        skgd.GDLinearRegressor(alpha=ALPHA, random_state=0),
        SGDRegressor(alpha=ALPHA, random_state=0),
        Ridge(alpha=ALPHA * n_rows),
    )


def problems():
    """Yield the problems, smallest first; all data in the units they were measured in."""
    diabetes = load_diabetes(return_X_y=True, scaled=False)
    yield regression("diabetes: linear regression", diabetes)
    yield classification(
        "breast_cancer: logistic regression", load_breast_cancer(return_X_y=True)
    )
    yield classification("digits: logistic regression", load_digits(return_X_y=True))
    yield network_problem("diabetes: network", diabetes)


# --------------------------------------------------------------------------------------------------------------------
# 2. One yardstick for all of them


def objective(model, X, y):
    """Objective that everybody is measured by: mean loss + ALPHA / 2 |w|^2, w for standardised features.

    It asks for predictions only, so that it treats all models alike: how much the raw prediction changes when one
    feature moves by its standard deviation is that feature's standardised coefficient. Networks have no penalty here.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if is_classifier(model):
            loss = log_loss(y, np.nan_to_num(model.predict_proba(X)), labels=np.unique(y))
        else:
            loss = np.mean((model.predict(X) - y) ** 2) / 2
        if is_network(model):
            return loss
        raw = model.decision_function if is_classifier(model) else model.predict
        moved = np.vstack([X.mean(axis=0), X.mean(axis=0) + np.diag(X.std(axis=0))])
        coefficients = raw(moved)[1:] - raw(moved)[:1]
    return loss + ALPHA / 2 * np.sum(coefficients**2)


def objective_of_constant(y, classifies):
    """Objective of the best model that ignores X."""
    if not classifies:
        return np.var(y) / 2
    shares = np.unique(y, return_counts=True)[1] / len(y)
    return -np.sum(shares * np.log(shares))


def innermost(model):
    """The estimator inside of searches and Pipelines."""
    if hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    if isinstance(model, Pipeline):
        model = model[-1]
    return getattr(model, "regressor_", model)


def is_network(model):
    return isinstance(innermost(model), MLPRegressor | skgd.GDMLPRegressor)


# --------------------------------------------------------------------------------------------------------------------
# 3. Fit and report


@dataclass
class Result:
    name: str
    score: float
    objective: float
    epochs: object
    seconds: float
    why: str


def run(name, model, problem):
    """Fit a contender, three times if it is quick, and look at what came out."""
    seconds = []
    while not seconds or (len(seconds) < 3 and sum(seconds) < 0.3):
        began = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(problem.X, problem.y)
        seconds.append(time.perf_counter() - began)
    inner = innermost(model)
    epochs = (
        np.max(n_iter) if (n_iter := getattr(inner, "n_iter_", None)) is not None else None
    )
    return Result(
        name + chosen(model),
        model.score(problem.X_test, problem.y_test),
        objective(model, problem.X, problem.y),
        "-" if epochs is None else epochs,
        statistics.median(seconds),
        why_it_stopped(inner, epochs, caught),
    )


def chosen(model):
    """What a search has chosen."""
    return (
        f": {next(iter(model.best_params_.values()))}"
        if isinstance(model, GridSearchCV)
        else ""
    )


def why_it_stopped(inner, epochs, caught):
    """In the model's own account; the warnings of scikit-learn stand here too instead of between the lines."""
    if hasattr(inner, "stop_reason_"):
        return inner.stop_reason_
    if epochs is None:
        return "solved"
    out_of_epochs = epochs >= inner.max_iter and any(
        issubclass(w.category, ConvergenceWarning) for w in caught
    )
    return "max_iter" if out_of_epochs else "converged"


def report(problem):
    """Print the lines of one problem; return the best objective known and that of a constant."""
    results = [run(name, model, problem) for name, model in problem.contenders.items()]
    best = min(result.objective for result in results)
    constant = objective_of_constant(problem.y, is_classifier(problem.skgd_model))
    n, d = problem.X.shape
    print(f"\n{problem.title}: {n} training rows, {d} features", flush=True)
    for r in results:
        distance = (r.objective - best) / (constant - best)
        print(
            f"  {r.name:42s} {score(r.score):>8s} {distance:9.1e} {r.epochs!s:>6} {r.seconds:9.3f}  {r.why}",
            flush=True,
        )
    return best, constant


def score(value):
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0e}"


# --------------------------------------------------------------------------------------------------------------------
# 4. The picture


def draw(axes, problem, best, constant):
    """One panel: the loss curve of every optimizer with the learning rate that skgd gives it."""
    for name in [*OPTIMIZERS, "auto"] if problem.has_optimum else OPTIMIZERS:
        batch_size = "auto" if name == "auto" else PICTURE_BATCH_SIZE
        model = clone(problem.skgd_model)
        model.set_params(
            optimizer=name, batch_size=batch_size, max_iter=PICTURE_EPOCHS, tol=None
        )
        curve = model.fit(problem.X, problem.y).loss_curve_
        if problem.has_optimum:
            curve = np.maximum((curve - best) / (constant - best), PICTURE_FLOOR)
        color, line = STYLES.get(name, ("gray", "-"))
        looks = {"color": color, "label": name, "linewidth": 2.2 if name == "auto" else 1.3}
        looks |= {"marker": MARKS.get(name, "."), "markersize": 5, "clip_on": False}
        # marks at other epochs for each, evenly spread over the axis
        shift = list(MARKS).index(name) / len(MARKS) if name in MARKS else 0.0
        epochs = np.geomspace(1, PICTURE_EPOCHS, 6) * PICTURE_EPOCHS ** (shift / 5)
        marked = np.unique(np.round(epochs[epochs <= len(curve)]).astype(int)) - 1
        axes.plot(
            np.arange(1, len(curve) + 1), curve, line, markevery=marked.tolist(), **looks
        )
    axes.set(xscale="log", yscale="log", xlim=(1, PICTURE_EPOCHS), xlabel="epoch")
    if problem.has_optimum:
        axes.set_ylim(PICTURE_FLOOR, 1.5)
    axes.set_title(problem.title, fontsize=10, fontweight="bold")
    axes.set_ylabel(
        "distance from the optimum\n(1: constant model)"
        if problem.has_optimum
        else "1/2 mean squared error\n(squared units of the target)"
    )
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    if (
        not problem.has_optimum
    ):  # less than a decade: plain numbers read better than powers of ten
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(ScalarFormatter())
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axes.grid(True, which="major", linewidth=0.5, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def main():
    began = time.perf_counter()
    skgd.precompile(["float64"])
    seconds = time.perf_counter() - began
    print(
        f"skgd {skgd.__version__}: kernels ready after {seconds:.1f} s, compiled once per installation"
    )
    print(EXPLANATION)
    print(
        f"{'':44s} {'score':>8s} {'distance':>9s} {'epochs':>6s} {'time [s]':>9s}  why it stopped"
    )

    figure, panels = plt.subplots(2, 2, figsize=(8.4, 8), layout="constrained")
    for axes, problem in zip(panels.flat, problems(), strict=True):
        draw(axes, problem, *report(problem))
    figure.suptitle(
        "Every optimizer with skgd's choice of the learning rate, batches of 32 rows (auto: all rows)",
        fontsize=10,
    )
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, handlelength=3
    )
    figure.savefig(PICTURE, dpi=150)
    print(
        f"\nThe loss curves of all optimizers are in {PICTURE}. It took {time.perf_counter() - began:.0f} s in all."
    )


EXPLANATION = """
score     R^2 or accuracy on held-out rows
distance  objective on the training rows, computed by the same function for all: 0 is the best known, 1 a constant model
time      one fit, the median of three if it is quick; for a grid the whole search, with 3-fold cross-validation
*         trains ten one-against-rest models, so it minimises another objective than the one that is measured
"""

if __name__ == "__main__":
    main()
