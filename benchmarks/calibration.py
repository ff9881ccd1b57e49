"""How far probabilities can be trusted: networks by default beside scikit-learn's, as they come and calibrated.

    python benchmarks/calibration.py                a few minutes
    python benchmarks/calibration.py --quick        small data, to see that everything runs
    python benchmarks/calibration.py ijcnn1.npz     with data of yours, too: arrays X and y of classes

The expected calibration error (Naeini, Cooper and Hauskrecht 2015) is the mean distance between what a model says of
the class that it predicts and how often it is right, over 15 bins of equal width: 0 where 80 % means 80 %. It says
nothing about how much is known, which log-loss does. Two folds, at most 3,000 rows, the predictions of all together.
Prints a Markdown table of both.
"""

import itertools
import pathlib
import sys
import warnings

import numpy as np
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import GDMLPClassifier

N_BINS, N_FOLDS, MOST_ROWS = 15, 2, 3000
QUICK_ROWS, QUICK_ITERATIONS = 100, 5  # of the first problem and of files, with --quick


def models(**settings):
    """Whose probabilities are compared, by name; settings of all."""
    boosting = HistGradientBoostingClassifier(random_state=0, **settings)
    network = make_pipeline(StandardScaler(), MLPClassifier(random_state=0, **settings))
    return {
        "skgd": GDMLPClassifier(random_state=0, **settings),
        "MLP, scaler": network,
        "the same, calibrated": CalibratedClassifierCV(network),
        "boosting": boosting,
        "the same, calibrated ": CalibratedClassifierCV(boosting),
    }


def problems():
    """Names, features and classes: bundled data and made-up data with noise."""
    for name in ("breast_cancer", "wine"):
        yield name, *getattr(datasets, f"load_{name}")(return_X_y=True)
    for flip_y in (0.1, 0.3):
        made = datasets.make_classification(2000, 20, n_informative=8, n_classes=3, flip_y=flip_y, random_state=0)
        yield f"three classes, {flip_y:.0%} at random", *made
    rng = np.random.default_rng(0)
    numbers = [rng.integers(0, size, 2000) for size in (3, 5, 8, 20)]
    log_odds = sum(rng.normal(size=column.max() + 1)[column] for column in numbers)
    one_hot = np.hstack([np.eye(column.max() + 1)[column] for column in numbers])
    yield "categories, one-hot", one_hot, (rng.random(2000) < 1 / (1 + np.exp(-log_odds))).astype(int)


def stored_problems(files):
    """The same of files."""
    for file in files:
        stored = np.load(file)
        yield pathlib.Path(file).stem, np.asarray(stored["X"], float), stored["y"]


def calibration_error(y, probabilities):
    """Mean distance between the largest probability and how often its class is the right one."""
    said, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    number = np.minimum((said * N_BINS).astype(int), N_BINS - 1)
    sums = [np.bincount(number, weights=each, minlength=N_BINS) for each in (said, right)]
    return np.abs(sums[0] - sums[1]).sum() / len(y)


def main(arguments):
    files = [each for each in arguments if not each.startswith("--")]
    if unknown := set(arguments) - {*files, "--quick"}:
        sys.exit(f"no such option: {', '.join(sorted(unknown))}; there is --quick")
    quick = "--quick" in arguments
    most_rows, settings = (QUICK_ROWS, {"max_iter": QUICK_ITERATIONS}) if quick else (MOST_ROWS, {})
    names = list(models())
    print(f"| data | {' | '.join(name.strip() for name in names)} |")
    print(f"|---|{'--:|' * len(names)}")
    for name, X, y in itertools.chain(itertools.islice(problems(), 1 if quick else None), stored_problems(files)):
        rows = np.random.default_rng(0).permutation(len(X))[:most_rows]
        X, y = X[rows], np.unique(y[rows], return_inverse=True)[1]
        folds, cells = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0), []
        for model in models(**settings).values():
            said = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
            cells.append(f"{100 * calibration_error(y, said):.1f} %, {log_loss(y, np.clip(said, 1e-7, 1)):.3f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # scikit-learn's networks end at max_iter
    main(sys.argv[1:])
