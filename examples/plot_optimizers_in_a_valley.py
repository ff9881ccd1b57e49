r"""
Nine optimizers in a valley
===========================

Nine optimizers' ways through a long valley, side by side, and step by step.

In a long valley with steep sides the slope points across, hardly ever along. Plain gradient descent zig-zags from side
to side, or creeps. The other optimizers try to cure this: some remember the direction, some give every variable a
rate of its own. Not every cure beats plain descent at its best rate, but most need less luck with the rate.

In the guide: :doc:`which optimizer, with their equations </choosing>`, :doc:`a valley to play with </play>`.
"""

# %%
# The valley
# ----------
# The function is twenty times as steep across, in :math:`y`, as it is along, in :math:`x`. Its minimum is at (0, 0);
# descent starts at (-7, 2).
#
# .. math::
#
#     f(x, y) = \frac{x^2}{20} + y^2, \qquad
#     \nabla f = \left(\frac{x}{10}, 2y\right)

import matplotlib.pyplot as plt
import numpy as np

import skgd
from skgd.plotting import LossCurveDisplay, PathDisplay


def f(p):
    return p[0] ** 2 / 20 + p[1] ** 2


def gradient(p):
    return np.array([p[0] / 10, 2 * p[1]])


start = [-7.0, 2.0]
print(
    f"the slope at the start, downhill: {-gradient(start)}; the way to the minimum: "
    f"{-np.array(start)}"
)

# %%
# The zig-zag
# -----------
# A step of plain descent with the rate :math:`\eta` multiplies :math:`x` by :math:`1 - \eta / 10` and :math:`y` by
# :math:`1 - 2 \eta`. Beyond :math:`\eta = 1` the second is below -1, and :math:`y` grows from step to step. Shortly
# before this, :math:`y` changes its sign with each step: the path zig-zags. With a small rate it doesn't, but
# :math:`x` hardly moves. The best rate is a compromise, close to the one at which it diverges.

for rate in (0.1, 0.95, 1.01):
    path = skgd.minimize(
        f, start, jac=gradient, learning_rate=rate, max_iter=30, tol=None, return_path=True
    ).path
    print(
        f"rate {rate}: y is {path[:4, 1].round(2)} at first; after 30 steps at "
        f"({path[-1, 0]:.2f}, {path[-1, 1]:.2f})"
    )

# %%
# Its cures
# ---------
# Each optimizer makes 100 steps, at a rate that suits it here.
#
# - Momentum adds a share of the last step to each: to and fro across the valley cancels, along the valley adds up.
#   Nesterov's momentum looks where this will lead it and takes the slope there.
# - AdaGrad divides each variable's step by the root of the sum of its squared slopes: all variables come equally
#   far, and steps get shorter. RMSProp forgets old slopes, and its steps don't get shorter. AdaDelta takes the length
#   of its steps from the last ones, which are tiny at first: it is slow to start, here even with a rate of 50.
# - Adam is momentum and RMSProp in one; NAdam does it with Nesterov's. Lion only takes the sign: each step is equally
#   long in all variables.

settings = {
    "SGD": ("sgd", 0.95),
    "Momentum": (skgd.optimizers.SGD(momentum=0.5), 0.9),
    "Nesterov": (skgd.optimizers.SGD(momentum=0.6, nesterov=True), 0.6),
    "AdaGrad": ("adagrad", 1.5),
    "RMSProp": ("rmsprop", 0.3),
    "AdaDelta": ("adadelta", 50.0),
    "Adam": ("adam", 0.4),
    "NAdam": ("nadam", 0.4),
    "Lion": ("lion", 0.3),
}
results = {}
for name, (optimizer, rate) in settings.items():
    results[name] = skgd.minimize(
        f,
        start,
        jac=gradient,
        optimizer=optimizer,
        learning_rate=rate,
        max_iter=100,
        tol=None,
        return_path=True,
    )
    after_40, after_100 = results[name].fun_path[[40, 100]]
    print(
        f"{name:8}  rate {rate:5}   f after 40 steps {after_40:.0e}, after 100 steps "
        f"{after_100:.0e}"
    )

# %%
# Momentum helps if it isn't too much: here 0.5 and 0.6. The customary 0.9 remembers for longer. It is meant for
# valleys that are longer yet, and overshoots in this one.

customary = skgd.minimize(
    f, start, jac=gradient, optimizer="momentum", learning_rate=0.2, max_iter=100, tol=None
)
print(f"Momentum of 0.9, rate 0.2: f after 100 steps {customary.fun:.0e}")

# %%
# The first 40 steps, from the circle to the star:

figure, grid = plt.subplots(
    3, 3, figsize=(9, 5.2), sharex=True, sharey=True, layout="constrained"
)
for axes, (name, result) in zip(grid.flat, results.items(), strict=True):
    looks = {
        "bounds": [(-8, 5), (-3, 3)],
        "equal": True,
        "labels": ("$x$", "$y$", "$f$"),
        "legend": False,
    }
    PathDisplay.from_function(f, {name: result.path[:41]}, **looks, ax=axes)
    axes.set_title(f"{name}, rate {settings[name][1]:g}", fontsize=11)
    axes.label_outer()

# %%
# Step by step
# ------------
# On the left those with one rate for all variables, on the right those with a rate for each. Those
# that divide by the size of recent gradients don't settle down at a constant rate: once RMSProp has come very close,
# the gradients that it remembers are tiny, and dividing by them throws it out again. Lion's steps never get shorter.

figure, both = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for axes, members in zip(both, (list(results)[:3], list(results)[3:]), strict=True):
    values = {name: results[name].fun_path for name in members}
    steps = dict.fromkeys(members, np.arange(101))
    LossCurveDisplay(
        values, positions=steps, xlabel="steps made", ylabel="$f$", log=True
    ).plot(axes)
    axes.set_ylim(1e-12, 20)
    axes.label_outer()

# %%
# Without a rate
# --------------
# A rate that falls to zero lets Lion and RMSProp settle, too: ``schedule="cosine"``. And where all of the function is
# at hand, not only some rows of data at a time, a line search makes the most of plain descent: ``"sgd"`` with no rate.

for name in ("RMSProp", "Lion"):
    optimizer, rate = settings[name]
    falling = skgd.minimize(
        f,
        start,
        jac=gradient,
        optimizer=optimizer,
        learning_rate=rate,
        schedule="cosine",
        max_iter=100,
        tol=None,
    )
    print(f"{name}, rate falling from {rate}: f after 100 steps {falling.fun:.0e}")
searched = skgd.minimize(f, start, jac=gradient)
print(f"SGD with a line search: f = {searched.fun:.0e} after {searched.nit} steps")
