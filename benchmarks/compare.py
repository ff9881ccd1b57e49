"""skgd beside scikit-learn: time and what is left to gain, on the same arrays, in turn, in one process.

    python benchmarks/compare.py                    all cases, some minutes
    python benchmarks/compare.py logistic cold      some
    python benchmarks/compare.py --quick            small data, to see that everything runs
    python benchmarks/compare.py --against main     this checkout beside another commit, all cases or some

Prints a Markdown table: the median time of every estimator, the peer's over skgd's (above 1 where skgd is faster), and
the gap: the objective on the training rows less its optimum, as a share of what the best constant leaves to gain. The
optimum is scipy's, of the same function written out in NumPy: the mean loss plus ALPHA / 2 times the squared
coefficients of standardised features. Peers get the same strength of penalty in their own units, and a scaler.

An untimed fit of each comes first, so that compiling is not in the figures: the case `cold` measures it by itself, in
fresh processes. Ratios of one run are worth more than absolute times, those of several runs most.

Beside another commit skgd's fits alone are timed, in two processes that take turns, in twice as many rounds: the median
times, the other's over this one's (above 1 where this checkout is the faster one), and the quartiles of that ratio.
"""

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import commits
import numpy as np
import scipy.sparse
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor

ALPHA = 1e-4
RESOLUTION = 1e-9  # smaller gaps are rounding, of the optimum's own digits, too
QUICK_SHARE = 100  # by which --quick divides the number of rows
FEWEST_ROWS = 1000

# -- data, always the same


def regression_data(n_rows, n_features):
    """Correlated features of different scales, a linear signal of variance one and some noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    for j in range(1, n_features):
        X[:, j] += 0.5 * X[:, j - 1]
    signal = X @ rng.standard_normal(n_features)
    y = signal / signal.std() + 0.5 * rng.standard_normal(n_rows)
    return X * np.logspace(-1, 1, n_features) + 1.0, y


def binary_data(n_rows, n_features):
    X, y = regression_data(n_rows, n_features)
    return X, (y > 0).astype(int)


def class_data(n_rows, n_features, n_classes=10):
    """Classes drawn from a softmax model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features))
    raw = X @ rng.standard_normal((n_features, n_classes)) / np.sqrt(n_features / 4)
    return X, (raw + rng.gumbel(size=raw.shape)).argmax(axis=1)


def text_data(n_rows, n_features, words=80):
    """Rows of some words each, as frequent as in a language (Zipf), of which a few tell the class."""
    rng = np.random.default_rng(0)
    frequency = 1.0 / np.arange(1, n_features + 1)
    columns = rng.choice(n_features, size=n_rows * words, p=frequency / frequency.sum())
    starts = np.arange(0, len(columns) + 1, words, dtype=np.int32)  # scikit-learn takes no 64-bit indices
    X = scipy.sparse.csr_array((np.ones(len(columns)), columns.astype(np.int32), starts), shape=(n_rows, n_features))
    X.sum_duplicates()
    X.data = 1.0 + np.log(X.data)
    X.data /= np.maximum(X.max(axis=0).toarray().ravel(), 1.0)[X.indices]  # each word at most 1
    raw = X @ (2 * rng.standard_normal(n_features))
    return X, (raw - np.median(raw) + rng.logistic(size=n_rows) > 0).astype(int)


# -- what is minimised, and its optimum


class Objective:
    """Mean loss plus ALPHA / 2 |W|^2 of coefficients and intercepts for standardised features."""

    def __init__(self, X, y, loss):
        self.sparse = scipy.sparse.issparse(X)  # is taken as it is: its columns reach up to 1
        self.center = np.zeros(X.shape[1]) if self.sparse else X.mean(axis=0)
        self.scale = np.ones(X.shape[1]) if self.sparse else X.std(axis=0)
        self.Z = X if self.sparse else (X - self.center) / self.scale
        self.squared = loss == "squared_error"
        n_classes = 1 if self.squared else len(np.unique(y))
        self.n_outputs = 1 if n_classes == 2 else n_classes
        self.y = y.astype(float) if self.squared else np.eye(n_classes)[y]

    def __call__(self, flat):
        coef, intercept = np.split(flat.reshape(self.n_outputs, -1), [-1], axis=1)
        raw = self.Z @ coef.T + intercept[:, 0]
        if self.squared:
            residual = raw - self.y[:, None]
            value, slope = 0.5 * np.mean(residual**2), residual
        else:
            logits = np.hstack([np.zeros_like(raw), raw]) if self.n_outputs == 1 else raw
            value = np.mean(logsumexp(logits, axis=1) - (self.y * logits).sum(axis=1))
            slope = (softmax(logits, axis=1) - self.y)[:, -self.n_outputs :]
        gradient = np.column_stack([(self.Z.T @ slope).T, slope.sum(axis=0)]) / self.Z.shape[0]
        gradient[:, :-1] += ALPHA * coef
        return value + 0.5 * ALPHA * np.sum(coef**2), gradient.ravel()

    def bounds(self):
        """The values of the best model and of the best constant."""
        start = np.zeros(self.n_outputs * (self.Z.shape[1] + 1))
        options = {"maxiter": 10_000, "maxfun": 20_000, "maxcor": 30, "ftol": 1e-16, "gtol": 1e-9}
        best = minimize(self, start, jac=True, method="L-BFGS-B", options=options).fun
        mean = np.asarray(self.y.mean(axis=0))
        return best, 0.5 * float(np.var(self.y)) if self.squared else float(-(mean * np.log(mean)).sum())

    def of_model(self, model):
        last = model[-1] if isinstance(model, Pipeline) else model
        coef, intercept = np.atleast_2d(last.coef_), np.ravel(last.intercept_)
        if last is model:  # in the units of X
            coef, intercept = coef * self.scale, intercept + coef @ self.center
        with np.errstate(over="ignore", invalid="ignore"):
            return self(np.column_stack([coef, intercept]).ravel())[0]


# -- the race


@dataclasses.dataclass
class Case:
    """Estimators that do the same work: skgd's, and peers by name; `loss` is what the gap is judged by, if any."""

    work: str
    data: Callable
    n_rows: int
    n_features: int
    ours: Any
    peers: Callable[[int], dict]
    loss: str | None = None
    rounds: int = 3
    epochs: int | None = None  # then the time is that of one of so many

    def title(self, n_rows: int) -> str:
        return f"{self.work}, {n_rows:,} x {self.n_features:,}" + (", an epoch" if self.epochs else "")


def rows_of(n_rows: int, quick: bool) -> int:
    """How many rows of so many a case has."""
    return max(n_rows // QUICK_SHARE, min(FEWEST_ROWS, n_rows)) if quick else n_rows


def race(case: Case, quick: bool) -> None:
    """Time the fits in turn and print a line for each."""
    n_rows = rows_of(case.n_rows, quick)
    X, y = case.data(n_rows, case.n_features)
    models = {"skgd": case.ours, **case.peers(n_rows)}
    try:
        for model in models.values():
            model.fit(X, y)
    except TypeError as error:
        print(f"| {case.work} | left out: {str(error).splitlines()[0]} | | | |")
        return
    seconds = median_times(models, X, y, 1 if quick else case.rounds)
    gaps = dict.fromkeys(models, "")
    if case.loss is not None:
        objective = Objective(X, y, case.loss)
        best, constant = objective.bounds()
        gaps = {name: gap_left(objective, model, best, constant) for name, model in models.items()}
    for name in models:
        report(case.title(n_rows), name, *(seconds[which] / (case.epochs or 1) for which in (name, "skgd")), gaps[name])


def median_times(models, X, y, rounds):
    """Median seconds of a fit by name, from so many rounds in which they take turns."""
    times: dict = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            began = time.perf_counter()
            model.fit(X, y)
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(of_model) for name, of_model in times.items()}


def gap_left(objective, model, best, constant):
    """The gap as text; none for a model with one class against the rest where the objective is multinomial."""
    last = model[-1] if isinstance(model, Pipeline) else model
    if objective.n_outputs > 1 and isinstance(last, SGDClassifier):
        return "other objective"
    gap = (objective.of_model(model) - best) / (constant - best)
    return f"{gap:.1e}" if gap > RESOLUTION else f"< {RESOLUTION:.0e}"


def report(work, name, seconds, ours, gap=""):
    ratio = "" if name == "skgd" else f"{seconds / ours:.2f}"
    print(f"| {work} | {name} | {in_units(seconds)} | {ratio} | {gap} |", flush=True)


def in_units(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


# -- the cases


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def of_regression(n_rows):
    return {
        "Ridge, scaler": scaled(Ridge(alpha=n_rows * ALPHA)),
        "SGDRegressor, scaler": scaled(SGDRegressor(alpha=ALPHA)),
        "SGDRegressor": SGDRegressor(alpha=ALPHA),
    }


def of_classification(n_rows):
    C = 1 / (n_rows * ALPHA)
    return {
        "LogisticRegression lbfgs, scaler": scaled(LogisticRegression(C=C, max_iter=1000)),
        "LogisticRegression newton-cholesky, scaler": scaled(LogisticRegression(C=C, solver="newton-cholesky")),
        "SGDClassifier, scaler": scaled(SGDClassifier("log_loss", alpha=ALPHA)),
        "SGDClassifier": SGDClassifier("log_loss", alpha=ALPHA),
    }


def of_text(n_rows):
    return {
        "LogisticRegression lbfgs": LogisticRegression(C=1 / (n_rows * ALPHA), max_iter=1000),
        "SGDClassifier": SGDClassifier("log_loss", alpha=ALPHA),
    }


def of_rates(n_rows):
    return {"SGDRegressor, scaler": GridSearchCV(scaled(SGDRegressor()), {"sgdregressor__eta0": RATES})}


RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
BATCHES = {"optimizer": "sgd", "learning_rate": 0.005, "batch_size": 32, "max_iter": 5, "tol": None}
NETWORK = {"hidden_layer_sizes": (100,), "batch_size": 32, "max_iter": 5, "random_state": 0}

regressor, classifier = GDLinearRegressor(alpha=ALPHA), GDLogisticClassifier(alpha=ALPHA)
of_words = GDLogisticClassifier(alpha=ALPHA, standardize="max_abs")  # which changes nothing: the objective of the peers
rates = GridSearchCV(GDLinearRegressor(optimizer="sgd"), {"learning_rate": RATES})
CASES: dict[str, list[Case]] = {
    "least_squares": [Case("least squares", regression_data, 10**6, 20, regressor, of_regression, "squared_error")],
    "logistic": [Case("logistic", binary_data, 10**6, 20, classifier, of_classification, "log_loss")],
    "multinomial": [Case("ten classes", class_data, 10**5, 50, classifier, of_classification, "log_loss")],
    "sparse": [Case("words, logistic", text_data, 50_000, 20_000, of_words, of_text, "log_loss")],
    "tiny": [
        Case("least squares", regression_data, 100, 5, regressor, of_regression, "squared_error", rounds=50),
        Case("logistic", binary_data, 100, 5, classifier, of_classification, "log_loss", rounds=50),
    ],
    "grid": [Case("grid of 6 rates, 5 folds", regression_data, 20_000, 20, rates, of_rates)],
    "epoch": [
        Case(
            "batches of 32, the peer row by row",
            *(regression_data, n_rows, n_features, GDLinearRegressor(**BATCHES)),
            lambda n_rows: {"SGDRegressor, scaler": scaled(SGDRegressor(max_iter=5, tol=None))},
            epochs=5,
        )
        for n_rows, n_features in ((500_000, 20), (100_000, 100))
    ],
    "network": [
        Case(
            "Adam, 100 units, batches of 32",
            *(regression_data, 20_000, 20, GDMLPRegressor(optimizer="adam", learning_rate=1e-3, tol=None, **NETWORK)),
            lambda n_rows: {"MLPRegressor, scaler": scaled(MLPRegressor(tol=0, n_iter_no_change=10**6, **NETWORK))},
            epochs=5,
        )
    ],
}

COLD_FIT = """
import time
began = time.perf_counter()
import numpy as np
from {module} import {name}
X = np.random.default_rng(0).standard_normal((1000, 10))
{name}().fit(X, X[:, 0])
print(time.perf_counter() - began)
"""


def cold():
    """Import and first fit in a new process: before anything is compiled, and once the cache on disk is filled."""
    pairs = (
        (("skgd", "GDLinearRegressor"), ("sklearn.linear_model", "SGDRegressor")),
        (("skgd", "GDMLPRegressor"), ("sklearn.neural_network", "MLPRegressor")),
    )
    for ours, peer in pairs:
        with tempfile.TemporaryDirectory() as cache:
            first, *later = [_cold_fit(*ours, cache) for _ in range(4)]
            theirs = statistics.median(_cold_fit(*peer, cache) for _ in range(3))
        for what, mine in (("first ever", first), ("new process", statistics.median(later))):
            report(f"import and fit, {what}", "skgd", mine, mine)
            report(f"import and fit, {what}", peer[1], theirs, mine)


def _cold_fit(module, name, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONWARNINGS": "ignore"}
    code = COLD_FIT.format(module=module, name=name)
    output = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return float(output.stdout)


def serve() -> None:
    """Time a fit for each line that asks for one; a line with a case makes that the one that is asked for."""
    for line in sys.stdin:
        if line.strip() != "fit":
            name, number, quick = line.split()
            case = CASES[name][int(number)]
            X, y = case.data(rows_of(case.n_rows, bool(int(quick))), case.n_features)
            case.ours.fit(X, y)
        began = time.perf_counter()
        case.ours.fit(X, y)
        print((time.perf_counter() - began) / (case.epochs or 1), flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=", ".join([*CASES, "cold"]))
    parser.add_argument("--quick", action="store_true", help="small data")
    parser.add_argument("--against", metavar="COMMIT", help="instead of scikit-learn")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.cases) - {*CASES, "cold"}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join([*CASES, 'cold'])}")
    warnings.simplefilter("ignore")  # fixed numbers of epochs, and peers that overflow
    names = [name for name in asked.cases or CASES if name != "cold"]
    if asked.serve:
        serve()
    elif asked.against:
        works = [
            (case.title(rows_of(case.n_rows, asked.quick)), f"{name} {number} {int(asked.quick)}", 2 * case.rounds)
            for name in names
            for number, case in enumerate(CASES[name])
        ]
        commits.compare(asked.against, works)
    else:
        print("| work | estimator | time | peer / skgd | gap |\n|---|---|--:|--:|--:|")
        for name in names:
            for case in CASES[name]:
                race(case, asked.quick)
        if "cold" in asked.cases or not (asked.cases or asked.quick):
            cold()


if __name__ == "__main__":
    main()
