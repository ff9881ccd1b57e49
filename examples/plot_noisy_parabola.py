r"""
The noisy parabola
==================

A network's curve on its way to the points, as a film, and the same by nine optimizers.

Ten units learn a curve: points around a parabola, a network with one hidden layer, and plain descent on all points at
once. The fit in motion, and what other optimizers make of it.

In the guide: :doc:`networks </networks>`, :doc:`moving pictures </pictures>`.
"""

# %%
# The points
# ----------
# 300 of them, evenly spread over [-1, 1], with noise of standard deviation 0.05:
#
# .. math:: y = x^2 - 0.5 + \varepsilon, \qquad \varepsilon \sim N(0,\, 0.05^2)
#
# Half the mean squared error of the parabola itself is what the noise costs. Nobody should get far below it.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone

from skgd import GDMLPRegressor
from skgd.plotting import CurveFitDisplay, LossCurveDisplay, animate

rng = np.random.default_rng(0)
x = np.linspace(-1, 1, 300)
y = x**2 - 0.5 + rng.normal(0, 0.05, 300)
X = x.reshape(-1, 1)
noise = np.mean((y - (x**2 - 0.5)) ** 2) / 2
print(f"half the mean square of the noise: {noise:.5f}")

# %%
# The network
# -----------
# Each hidden unit is a ray that is zero up to a kink. Their weighted sum is a broken line with ten kinks at most, at
# :math:`-b_j / w_j`:
#
# .. math:: \hat y(x) = c + \sum_{j=1}^{10} v_j \max(0,\; w_j x + b_j)
#
# Plain descent on all 300 points, with a rate of 0.1: one step an epoch, a thousand of them.

model = GDMLPRegressor(
    hidden_layer_sizes=(10,),
    activation="relu",
    optimizer="sgd",
    learning_rate=0.1,
    batch_size=None,
    max_iter=1000,
    tol=None,
    schedule="constant",
    alpha=0,
    standardize=False,
    random_state=0,
)
display = CurveFitDisplay.from_estimator(model, X, y)

# %%
# The fit in motion
# -----------------
# First the line finds the height of the points, then it bends. What takes long are the kinks, which have to move to
# where the parabola needs them. So frames are close together at first, and further and further apart later on.

animation = animate(display, max_frames=28, seconds=6)

# %%
# Where the kinks are in the end, of those units that have one among the points:

model.fit(X, y)
kinks = -model.intercepts_[0] / model.coefs_[0][0]
print(
    "kinks at",
    np.sort(kinks[np.abs(kinks) < 1]).round(2),
    f"loss {model.loss_curve_[-1]:.5f}",
)

# %%
# The other optimizers
# --------------------
# From the same start, with rates that suit each of them. The black line is what the noise costs.

rates = {
    "sgd": 0.1,
    "momentum": 0.1,
    "nesterov": 0.1,
    "adagrad": 0.1,
    "adadelta": 1.0,
    "rmsprop": 0.01,
    "adam": 0.01,
    "nadam": 0.01,
    "lion": 0.003,
}
fits = {
    f"{name}, {rate}": clone(model).set_params(optimizer=name, learning_rate=rate).fit(X, y)
    for name, rate in rates.items()
}
for name, fit in fits.items():
    losses = fit.loss_curve_
    within = (
        f"{np.argmax(losses < 2 * noise):3d} epochs"
        if losses.min() < 2 * noise
        else "never"
    )
    print(f"{name:14} loss {losses[-1]:.5f}, within twice the noise: {within}")

curves = {name: fit.loss_curve_ for name, fit in fits.items()}
figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for axes, names in zip(panels, (list(fits)[:4], list(fits)[4:]), strict=True):
    LossCurveDisplay(
        {name: curves[name] for name in names}, ylabel="half the mean squared error"
    ).plot(axes)
    axes.axhline(noise, color="black", linewidth=1, zorder=1)
    axes.label_outer()

# %%
# Momentum with the same rate gets in about a hundred epochs where plain descent doesn't get in a thousand. Adaptive
# rates go steadily while gradients are small, which is what kinks far from their place give.
#
# What they drew
# --------------
# Ten units are few, and some are lost on the way: with another ``random_state`` other curves come out. That is what
# ``n_restarts`` is for.

figure, grid = plt.subplots(
    3, 3, figsize=(8, 7), sharex=True, sharey=True, layout="constrained"
)
for axes, (name, fit) in zip(grid.flat, fits.items(), strict=True):
    axes.plot(x, y, "o", color="#56B4E9", markersize=2.5, markeredgewidth=0, alpha=0.6)
    axes.plot(x, fit.predict(X), color="#D55E00", linewidth=2)
    axes.set_title(f"{name}: loss {fit.loss_curve_[-1]:.5f}", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
