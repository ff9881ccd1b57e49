"""skgd's networks beside scikit-learn's and PyTorch's: time of an epoch, on the same arrays, in turn, in one process.

    python benchmarks/networks.py                   all cases, some minutes
    python benchmarks/networks.py --quick           small data, to see that everything runs

PyTorch takes part if it is there; `pip install torch` gets it. It has a plain loop on the CPU: batches by indexing,
fused Adam, float32 alone. All have the same layers, batches, rate and strength of penalty, standardised features, and a
fixed number of epochs of Adam.

Prints a Markdown table: the median time of an epoch in milliseconds, and the peers' over skgd's (above 1 where skgd is
faster). An untimed fit of each comes first, so that compiling is not in the figures. Ratios of one run are worth more
than absolute times, those of several runs most.
"""

import sys
import warnings

import numpy as np
from compare import ALPHA, QUICK_SHARE, class_data, median_times, regression_data, scaled
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skgd import GDMLPClassifier, GDMLPRegressor

try:
    import torch
except ImportError:
    torch = None

N_ROWS, N_FEATURES, N_CLASSES = 20_000, 20, 4
LEARNING_RATE = 1e-3
EPOCHS, ROUNDS = 5, 5
THREADS = 2
CASES = [  # hidden layers, rows of a batch, whether there are classes
    ((10,), 32, False),
    ((100,), 32, False),
    ((100,), 200, False),
    ((256, 256), 256, False),
    ((100,), 200, True),
]


class TorchNetwork(BaseEstimator):
    """A network of PyTorch and the loop that trains it."""

    def __init__(self, hidden=(100,), batch_size=200, classes=False):
        self.hidden = hidden
        self.batch_size = batch_size
        self.classes = classes

    def fit(self, X, y):
        torch.manual_seed(0)
        X = torch.from_numpy(X)
        y = torch.from_numpy(y if self.classes else y.reshape(-1, 1))
        widths = [X.shape[1], *self.hidden]
        layers = [m for n in range(len(self.hidden)) for m in (torch.nn.Linear(*widths[n : n + 2]), torch.nn.ReLU())]
        self.network_ = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], N_CLASSES if self.classes else 1))
        loss = torch.nn.CrossEntropyLoss() if self.classes else torch.nn.MSELoss()
        adam = torch.optim.Adam(self.network_.parameters(), lr=LEARNING_RATE, weight_decay=ALPHA, fused=True)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(X)).split(self.batch_size):
                adam.zero_grad()
                loss(self.network_(X[rows]), y[rows]).backward()
                adam.step()
        return self


def networks(hidden, batch_size, classes, dtype):
    """Estimators that do the same work, by name."""
    same = {"hidden_layer_sizes": hidden, "batch_size": batch_size, "max_iter": EPOCHS, "random_state": 0}
    ours, peer = (GDMLPClassifier, MLPClassifier) if classes else (GDMLPRegressor, MLPRegressor)
    endless = {"tol": 0, "n_iter_no_change": 10**6}
    models = {
        "skgd": ours(optimizer="adam", learning_rate=LEARNING_RATE, alpha=ALPHA, tol=None, **same),
        # the peer divides its penalty by the rows of a batch
        "scikit-learn": scaled(peer(alpha=ALPHA * batch_size, learning_rate_init=LEARNING_RATE, **endless, **same)),
    }
    if torch is not None and dtype == np.float32:
        models["PyTorch"] = scaled(TorchNetwork(hidden, batch_size, classes))
    return models


def data(n_rows, classes, dtype):
    X, y = class_data(n_rows, N_FEATURES, N_CLASSES) if classes else regression_data(n_rows, N_FEATURES)
    return X.astype(dtype), y if classes else y.astype(dtype)


def race(hidden, batch_size, classes, dtype, quick):
    """Time the fits in turn and print a line."""
    X, y = data(N_ROWS // QUICK_SHARE if quick else N_ROWS, classes, dtype)
    models = networks(hidden, batch_size, classes, dtype)
    for model in models.values():
        model.fit(X, y)
    seconds = median_times(models, X, y, 1 if quick else ROUNDS)
    cells = [f"{seconds['skgd'] / EPOCHS * 1e3:.3g}"]
    for name in ("scikit-learn", "PyTorch"):
        raced = name in seconds
        cells.append(f"{seconds[name] / EPOCHS * 1e3:.3g} | {seconds[name] / seconds['skgd']:.2f}" if raced else " | ")
    work = f"{hidden}, batches of {batch_size}" + (f", {N_CLASSES} classes" if classes else "")
    print(f"| {work} | {np.dtype(dtype).name} | {' | '.join(cells)} |", flush=True)


def main(arguments):
    if unknown := set(arguments) - {"--quick"}:
        sys.exit(f"no such option: {', '.join(sorted(unknown))}; there is --quick")
    warnings.simplefilter("ignore")  # fixed numbers of epochs
    if torch is not None:
        torch.set_num_threads(THREADS)
    print("| network | dtype | skgd, ms | scikit-learn, ms | / skgd | PyTorch, ms | / skgd |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for case in CASES:
        for dtype in (np.float64, np.float32):
            race(*case, dtype, "--quick" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
