r"""
Why a small step goes down
==========================

What a step promises, what it keeps, and from which length on it loses.

Gradient descent trusts a straight line: the first-order Taylor polynomial. It tells how much a step will gain. The
longer the step, the less this is true, and from some length on a step loses.

In the guide: :doc:`the learning rate </auto>`.
"""

# %%
# The straight line
# -----------------
# Near a point :math:`x`, a function is nearly its tangent:
#
# .. math:: f(x + d) \approx f(x) + f'(x)\, d
#
# A step of gradient descent is :math:`d = -\eta f'(x)`. Put in, the line predicts a decrease of
#
# .. math:: f(x) - f(x + d) \approx \eta f'(x)^2,
#
# which is never negative, and grows with the learning rate :math:`\eta` without end. We try it on
#
# .. math:: f(x) = (x^3 + 2x - 3)^2
#
# at :math:`x = 5`, with rates from small to large.

import matplotlib.pyplot as plt
import numpy as np

import skgd


def f(x):
    return (x**3 + 2 * x - 3) ** 2


def slope(x):
    return 2 * (x**3 + 2 * x - 3) * (3 * x**2 + 2)


x = 5.0
print(f"f = {f(x):.0f}, slope {slope(x):.0f}")
print("    rate    lands at     predicted     actual decrease")
for rate in (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
    landed = x - rate * slope(x)
    print(
        f"{rate:8.0e}  {landed:10.3f}  {rate * slope(x) ** 2:12.1f} "
        f" {f(x) - f(landed):18.1f}"
    )

# %%
# Small steps keep the promise. A rate of 1e-4 promises 41,323, more than there is: the function is 17,424 here, and
# nowhere below zero. With 1e-3 and more the step leads far up the other side, and the decrease is an increase.
#
# The error grows as the square
# -----------------------------
# What the line leaves out is, first of all, the curvature: :math:`\tfrac{1}{2} f''(x)\, d^2`. With a tenth of the step
# the error is a hundredth.

for rate in (1e-5, 1e-6, 1e-7):
    error = rate * slope(x) ** 2 - (f(x) - f(x - rate * slope(x)))
    print(f"rate {rate:.0e}: predicted less actual {error:.6f}")

# %%
# A bound
# -------
# Let :math:`L` be the largest curvature between the point and where the step lands. Then the error is at most
# :math:`\tfrac{1}{2} L d^2`, so that the step gains at least
#
# .. math:: f(x) - f(x + d) \ge \eta f'(x)^2 \left(1 - \frac{\eta L}{2}\right).
#
# The bound is best at :math:`\eta = 1 / L`, where half of the prediction is sure. At :math:`\eta = 2 / L` nothing is
# sure any more. On the way from 5 to the root at 1 the curvature is largest at 5:


def curvature(x):
    return 2 * (3 * x**2 + 2) ** 2 + 12 * x * (x**3 + 2 * x - 3)


L = curvature(x)
print(f"L = {L:.0f}: 1 / L = {1 / L:.2e}, 2 / L = {2 / L:.2e}")

# %%
# For a parabola, whose curvature is the same everywhere, the bound is exact: beyond :math:`2 / L` every step goes up.
# Our function becomes flatter towards the root, and steps that are somewhat longer gain yet, more than is sure. But
# the bound itself holds only as long as :math:`L` does. A step beyond -5 meets a larger curvature on the other
# side, and still farther out the function lies above the bound: it is broken.

rates = np.geomspace(1e-7, 1e-2, 4001)
predicted = rates * slope(x) ** 2
actual = f(x) - f(x - rates * slope(x))
bound = predicted * (1 - rates * L / 2)
loses = rates[np.argmax(actual < 0)]
steeper = rates[np.argmax(curvature(x - rates * slope(x)) > L)]
broken = rates[np.argmax(actual < bound)]
print(f"steps go up from a rate of {loses:.1e}, landing at {x - loses * slope(x):.2f}")
print(
    f"the curvature exceeds L from {steeper:.1e}, landing at {x - steeper * slope(x):.2f}"
)
print(f"the bound is broken from {broken:.1e}, landing at {x - broken * slope(x):.2f}")

# %%
# On the left the function, the line, and the parabola with curvature :math:`L`: the bound says that the function isn't
# above it. The marks are where steps of some lengths land. On the right, what share of the predicted decrease remains;
# where the curves of what is actual and what is sure cross, far down, the bound is broken.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
black, blue, orange, green = "black", "#0072B2", "#D55E00", "#009E73"

at = np.linspace(-6, 6.5, 500)
left.plot(at, f(at), color=black, linewidth=1.8, label="function")
left.plot(at, f(x) + slope(x) * (at - x), "--", color=orange, linewidth=1.8, label="line")
left.plot(
    at,
    f(x) + slope(x) * (at - x) + L / 2 * (at - x) ** 2,
    "-.",
    color=blue,
    linewidth=1.8,
    label="bound",
)
right.semilogx(rates, actual / predicted, color=black, linewidth=1.8, label="actual")
right.axhline(1, color=orange, linestyle="--", linewidth=1.8, label="predicted by the line")
right.semilogx(
    rates, bound / predicted, "-.", color=blue, linewidth=1.8, label="sure by the bound"
)
right.axhline(0, color="0.6", linewidth=0.8)
marks = [
    (1 / L, "o", "1 / L"),
    (2 / L, "s", "2 / L"),
    (loses, "^", "from here on it goes up"),
    (broken, "D", "bound broken"),
]
for rate, marker, label in marks:
    landed = x - rate * slope(x)
    looks = {
        "color": green,
        "markersize": 8,
        "markeredgecolor": "white",
        "linestyle": "none",
        "zorder": 5,
    }
    left.plot(landed, f(landed), marker, **looks)
    right.plot(
        rate, (f(x) - f(landed)) / (rate * slope(x) ** 2), marker, label=label, **looks
    )
left.plot(
    x,
    f(x),
    "o",
    color=green,
    markerfacecolor="white",
    markeredgewidth=1.8,
    markersize=8,
    zorder=5,
    label="x = 5",
)
left.set(xlabel="$x$", ylabel="$f(x)$", xlim=(-6, 6.5), ylim=(-9e3, 44e3))
right.set(
    xlabel="learning rate",
    ylabel="share of the predicted decrease",
    xlim=(1e-6, 1.5e-3),
    ylim=(-9, 2),
)
for axes in (left, right):
    axes.grid(True, color="#E5E5E5", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        frameon=False, fontsize=9, loc="upper center" if axes is left else "lower left"
    )

# %%
# What a line search makes of it
# ------------------------------
# With no rate given, :func:`skgd.minimize` looks at each step what share of the prediction it has kept. A step that
# keeps too little is made shorter. So the function never increases, and no :math:`L` is needed.

result = skgd.minimize(f, 5.0, jac=slope, return_path=True)
steps, decreases = np.diff(result.path), -np.diff(result.fun_path)
for k in range(8):
    at = result.path[k]
    print(
        f"step {k + 1}: from {at:.3f} by {steps[k]:6.3f}, share "
        f"{decreases[k] / (-slope(at) * steps[k]):.2f}"
    )
print(
    f"x = {result.x:.8f} after {result.nit} steps, smallest decrease {decreases.min():.1e}"
)
