r"""
Feature scaling
===============

A narrow valley that becomes a bowl, and zig-zags that become a few steps.

The same patients, the same model, the same rule: with measurements in the units that they came in, descent goes zig-zag
along the valley. With columns divided by their standard deviations it is nearly round.

In the guide: :doc:`standardization of linear models </linear_models>`, :doc:`what skgd does by itself </auto>`.
"""

# %%
# Two measurements
# ----------------
# Of 442 patients with diabetes we take the body mass index and the blood pressure, to predict how far the disease has
# progressed after a year. All columns and the target are centred, so that no intercept is needed and scale is the only
# thing that differs.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes

from skgd import GDLinearRegressor
from skgd.plotting import LossCurveDisplay, PathDisplay

data = load_diabetes(scaled=False)
y = data.target - data.target.mean()
raw = data.data[:, [data.feature_names.index(name) for name in ("bmi", "bp")]]
raw = raw - raw.mean(axis=0)
standardised = raw / raw.std(axis=0)
print("standard deviations of bmi and bp:", raw.std(axis=0).round(1))

# %%
# The shape of the valley
# -----------------------
# Half the mean squared error is a parabola in the coefficients. Its second derivatives are the matrix
# :math:`H = X^\top X / n`. How long the valley is for its width is told by the condition number, the largest eigenvalue
# over the smallest:
#
# .. math:: \kappa = \lambda_{max} / \lambda_{min}
#
# The best learning rate, and what each step then leaves of the distance to the minimum, are
#
# .. math:: \eta = \frac{2}{\lambda_{max} + \lambda_{min}}, \qquad \rho = \frac{\kappa - 1}{\kappa + 1}
#
# and :math:`\rho^2` is what it leaves of the loss that there is to gain.


def eigenvalues(X):
    values = np.linalg.eigvalsh(X.T @ X / len(X))
    return values[-1], values[0]


def best_rate(X):
    return 2 / sum(eigenvalues(X))


tables = {"raw": raw, "standardised": standardised}
for name, X in tables.items():
    high, low = eigenvalues(X)
    kappa = high / low
    print(
        f"{name:13} condition {kappa:5.2f}, best rate {best_rate(X):.5f}, a step leaves "
        f"{(kappa - 1) / (kappa + 1):.3f}"
    )

# %%
# Contours, elongated and round
# -----------------------------
# Plain descent on all rows with the best rate of each table. Steps begin at right angles to the contours. Where these
# are elongated, that is not the way to the minimum; where they are round, it is. On the right they are rounder: what
# is left comes from the two measurements going together, which no scale changes. ``standardize=False``, because
# otherwise skgd would do it by itself.

model = GDLinearRegressor(
    optimizer="sgd",
    batch_size=None,
    alpha=0,
    standardize=False,
    fit_intercept=False,
    max_iter=60,
    tol=None,
)
fits = {
    name: clone(model).set_params(learning_rate=best_rate(X)) for name, X in tables.items()
}
figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.7), layout="constrained")
for ax, (name, X) in zip(axes, tables.items(), strict=True):
    PathDisplay.from_estimator({name: fits[name]}, X, y, ax=ax)
    ax.set_xlabel("coefficient of bmi")
    ax.set_ylabel("coefficient of bp")
    ax.set_title(name, fontsize="medium")

# %%
# Epochs until the same loss
# --------------------------
# Both tables have the same least loss, for they hold the same information. How many epochs until the loss is within
# a thousandth of what there is to gain?


def excess(model, X):
    """How far the loss is above the least one, as a share of what there is to gain."""
    least = GDLinearRegressor(alpha=0).fit(X, y).loss_curve_[-1]
    above = model.fit(X, y).loss_curve_ - least
    return above / above[0]


shares = {name: excess(fits[name], X) for name, X in tables.items()}
for name, share in shares.items():
    print(f"{name:13} {np.argmax(share < 1e-3):3d} epochs")

# not below rounding
curves = {name: np.maximum(share, 1e-12) for name, share in shares.items()}
# on all rows the loss is that before the epoch's step
before = dict.fromkeys(curves, np.arange(60))
display = LossCurveDisplay(
    curves, positions=before, xlabel="epochs made", ylabel="share of the loss still to gain"
)
axes = display.plot().ax_
axes.axhline(1e-3, color="black", linewidth=1)
axes.text(40.5, 1.2e-3, "a thousandth", va="bottom", ha="right")
axes.set(xlim=(0, 40.5), ylim=(1e-6, 2))

# %%
# All ten measurements
# --------------------
# Their standard deviations go from 0.5 to 35, and some of them say nearly the same. This is where scaling decides
# whether descent gets anywhere.

n_epochs = 20_000
everything = data.data - data.data.mean(axis=0)
print("standard deviations:", everything.std(axis=0).round(1))
for name, X in {
    "raw": everything,
    "standardised": everything / everything.std(axis=0),
}.items():
    high, low = eigenvalues(X)
    share = excess(model.set_params(learning_rate=best_rate(X), max_iter=n_epochs), X)
    reached = np.argmax(share < 1e-3) if share[-1] < 1e-3 else f"not within {n_epochs}"
    print(
        f"{name:13} condition {high / low:6.0f}, epochs until a thousandth is left: "
        f"{reached}"
    )

# %%
# This is why skgd standardises unless told not to. ``coef_`` is in the units of the table that it was given.

model = GDLinearRegressor(optimizer="sgd", batch_size=None, alpha=0).fit(
    data.data, data.target
)
print(
    f"{model.stop_reason_} after {model.n_iter_} epochs, R2 "
    f"{model.score(data.data, data.target):.4f}"
)
plt.show()
