r"""
Batch, mini-batch and single rows
=================================

Loss against epochs and against time, for steps on all rows, on 32 and on single ones.

What pays depends on whether one counts epochs or seconds, and on how close to the minimum one wants to get: the fewer
rows a step sees, the more steps an epoch has, and the noisier each of them is.

In the guide: :doc:`batches </training>`, :doc:`how skgd chooses their size </auto>`.
"""

# %%
# Three ways to see all rows once
# -------------------------------
# The loss is a mean over n rows. A step on the rows of a batch B takes the mean over these for the whole:
#
# .. math:: w \leftarrow w - \eta \, \frac{1}{\left| B \right|} \sum_{i \in B} \nabla \ell_i(w)
#
# An epoch sees every row once, in shuffled order, and so makes :math:`n / \left| B \right|` steps. The data are 1797
# handwritten digits of 64 pixels; the question is whether the digit is odd. Gradients of few rows are noisy, so they
# get a smaller rate.

from time import perf_counter

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss

from skgd import GDLogisticClassifier
from skgd.plotting import LossCurveDisplay

X, y = load_digits(return_X_y=True)
y = y % 2
ways = {
    "all rows": {"batch_size": None, "learning_rate": 1.0},
    "batches of 32": {"batch_size": 32, "learning_rate": 0.1},
    "single rows": {"batch_size": 1, "learning_rate": 0.01},
}
for name, settings in ways.items():
    steps = -(-len(X) // (settings["batch_size"] or len(X)))
    print(f"{name:14} {steps:5d} steps an epoch")

# %%
# Losses after 1, 2, 4, ... 256 epochs
# ------------------------------------
# For each number of epochs a fit from the start, with the same seed, so that longer fits continue shorter ones. The
# loss is that of all rows, less the least one there is, which skgd finds by itself. The time is that of the whole
# fit, the least of five; the first fit of all isn't counted, in which code is loaded.

best = GDLogisticClassifier(alpha=0).fit(X, y)
least = log_loss(y, best.predict_proba(X))
print(f"least loss {least:.4f}")

epochs = [1, 2, 4, 8, 16, 32, 64, 128, 256]
excess = {name: [] for name in ways}
milliseconds = {name: [] for name in ways}
for name, settings in ways.items():
    model = GDLogisticClassifier(
        optimizer="sgd", tol=None, alpha=0, random_state=0, **settings
    ).fit(X, y)
    for n in epochs:
        model.set_params(max_iter=n)
        times = []
        for _ in range(5):
            begin = perf_counter()
            model.fit(X, y)
            times.append(perf_counter() - begin)
        milliseconds[name].append(1000 * min(times))
        excess[name].append(log_loss(y, model.predict_proba(X)) - least)

print(f"{'epochs':>6}" + "".join(f"{name:>16}" for name in ways))
for k, n in enumerate(epochs):
    print(f"{n:6d}" + "".join(f"{excess[name][k]:16.4f}" for name in ways))

# %%
# Against epochs and against time
# -------------------------------
# Counted in epochs, single rows win at first: one pass over the data, and they are about where all rows get after
# sixteen. But from eight epochs on the loss goes up and down: at a constant rate they jump around the minimum, while
# all rows go down and down. Batches of 32 are the compromise: not as fast at first, but much closer in the end.
#
# Counted in time, small batches lose some of their lead. The products are as many, but an update of all coefficients
# follows every batch, and processors multiply many rows at once faster than one by one.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 4), sharey=True, layout="constrained"
)
LossCurveDisplay(
    excess, positions=dict.fromkeys(ways, epochs), ylabel="loss above its minimum"
).plot(left)
display = LossCurveDisplay(
    excess, positions=milliseconds, xlabel="time of the fit in milliseconds", ylabel=""
)
display.plot(right, legend=False)
for axes in (left, right):
    axes.set_xscale("log")
left.set_xlim(0.8, 320)
right.set_xlim(
    0.8 * min(map(min, milliseconds.values())), 1.25 * max(map(max, milliseconds.values()))
)

# %%
# What an epoch takes on the machine that built this page:

for name, times in milliseconds.items():
    print(
        f"{name:14} {1000 * (times[-1] - times[0]) / (epochs[-1] - epochs[0]):6.0f} "
        f"microseconds"
    )

# %%
# A falling rate brings small batches to the minimum, too: see the example on learning rates. And skgd's own choice for
# linear models, L-BFGS on all rows, needs neither a rate nor a batch size:

print(f"{best.stop_reason_} after {best.n_iter_} steps")
plt.show()
