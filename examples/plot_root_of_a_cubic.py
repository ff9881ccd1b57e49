r"""
The root of a cubic
===================

A step that lands at 18 billion, and a line search that finds the root.

Gradient descent looks for the lowest point of a function. With a trick it finds roots, too: where a function is zero,
its square is lowest. A learning rate that looks small sends it far away; a line search takes it to the root.

In the guide: :doc:`descent on any function </descent>`.
"""

# %%
# The function
# ------------
# We look for the root of the cubic
#
# .. math:: g(x) = x^3 + 2x - 3.
#
# It is :math:`x = 1`, and the only one. Descent minimises the square :math:`f(x) = g(x)^2`, which is zero there. The
# derivative comes from a finite difference with a step of :math:`h = 10^{-8}`:
#
# .. math:: f'(x) \approx \frac{f(x + h) - f(x)}{h}

import warnings

import matplotlib.pyplot as plt
import numpy as np

import skgd
from skgd.plotting import PathDisplay


def cubic(x):
    return x**3 + 2 * x - 3


def f(x):
    return cubic(x) ** 2


def derivative(x, h=1e-8):
    return (f(x + h) - f(x)) / h


print(f"f(1) = {f(1)}, f(5) = {f(5)}, f'(5) is about {derivative(5.0):.1f}")

# %%
# Descent by hand
# ---------------
# The rule of gradient descent goes against the derivative, as far as the learning rate :math:`\eta` says:
#
# .. math:: x \leftarrow x - \eta f'(x)
#
# ``update`` of an optimizer makes one such step in place. We start at 5, with a learning rate of 0.01.

optimizer = skgd.optimizers.SGD(learning_rate=0.01)
x = np.array([5.0])
runaway = [x.item()]
for step in range(4):
    print(
        f"before step {step + 1}: x = {x.item():.5g}, f(x) = {f(x).item():.2g}, f'(x) = "
        f"{derivative(x).item():.4g}"
    )
    optimizer.update(x, derivative(x))
    runaway.append(x.item())

# %%
# The first step lands at -198, the second at 1.8e10. There it stands still: the derivative seems to be 0. For a number
# as large as this, the next larger one that the computer knows is further away than :math:`h`, so :math:`x + h` is
# :math:`x`, and the difference is nothing.

x = runaway[-1]
print(
    f"the next larger number is {np.spacing(x):.2g} away; x + 1e-8 == x is {x + 1e-8 == x}"
)

# %%
# Why so far? At 5 the slope is 20,328, but it changes fast, too: the second derivative
#
# .. math:: f''(x) = 2 g'(x)^2 + 2 g(x) g''(x)
#
# is 19,778 there. A parabola of this curvature has its lowest point :math:`1 / f''` times the slope ahead, and with
# more than :math:`2 / f''` times the slope one comes out higher on its other side than one has been. A hundred times
# that is far too much. And far out, where :math:`f` grows as :math:`x^6`, each step is worse than the one before.

curvature = 2 * (3 * 5**2 + 2) ** 2 + 2 * cubic(5) * 6 * 5
print(f"f''(5) = {curvature}, 2 / f''(5) = {2 / curvature:.2g}")

# %%
# What skgd says
# --------------
# :func:`skgd.minimize` makes the same first step, sees what became of it, and ends with the best point that it has met.
# It warns, and tells a learning rate that would work.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = skgd.minimize(f, 5.0, jac=derivative, learning_rate=0.01, return_path=True)
print(f"{caught[0].category.__name__}: {caught[0].message}")
print(f"success {result.success}, x = {result.x}, path {result.path.round(2)}")

# %%
# Started where the descent by hand stands still, it isn't taken in by a derivative of 0, either. Before it calls a
# point a minimum it looks around.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = skgd.minimize(f, runaway[-1], jac=derivative, learning_rate=0.01)
print(f"{caught[0].category.__name__}: {caught[0].message}")
print(f"success {result.success}, x = {result.x:.5g}")

# %%
# Two ways to the root
# --------------------
# One is the smaller rate that the message has told. Descent gets there, but it slows down, for the slope goes to
# zero as the root comes near, while the rate stays what it is.
#
# The other is to give none. With ``learning_rate="auto"`` a line search chooses the length of every step, so that
# the function never increases.

small = skgd.minimize(f, 5.0, jac=derivative, learning_rate=1e-4, return_path=True)
auto = skgd.minimize(f, 5.0, jac=derivative, return_path=True)
for name, result in {"0.0001": small, "auto": auto}.items():
    print(
        f"learning rate {name}: x = {result.x:.8f} after {result.nit} steps. "
        f"{result.message}"
    )

# %%
# The picture
# -----------
# On the left the way of ``auto`` over the curve: long steps on the steep slope, short ones at its foot. On the right,
# how far the three are from the root, step by step.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
PathDisplay.from_function(
    f, {f"auto, {auto.nit} steps": auto}, bounds=[(-1.5, 5.5)], ax=left
)
left.set(xlabel="$x$", ylabel="$f(x)$")

ways = {
    "rate 0.01": (np.array(runaway), "#D55E00", "s--"),
    "rate 0.0001": (small.path, "#009E73", "-."),
    "auto": (auto.path, "#0072B2", "o-"),
}
for name, (path, color, style) in ways.items():
    right.plot(
        np.abs(path - 1), style, color=color, linewidth=1.8, markersize=4, label=name
    )
right.annotate(
    "stands still",
    (4, runaway[-1] - 1),
    (8, 0),
    textcoords="offset points",
    va="center",
    fontsize=9,
)
right.set_xscale("symlog", linthresh=10)
right.set(
    xlim=(-0.4, 2000), yscale="log", xlabel="steps made", ylabel="distance to the root"
)
right.set_xticks(
    [0, 2, 4, 6, 8, 10, 100, 1000], ["0", "2", "4", "6", "8", "10", "100", "1000"]
)
right.grid(True, color="#E5E5E5", linewidth=0.8)
right.legend(frameon=False)
right.spines[["top", "right"]].set_visible(False)
