r"""
Local minima, plateaus and saddles
==================================

Where descent stands still: hollows, a plateau, a saddle, and ways out of them.

Where the slope is zero, gradient descent stands still. That may be the lowest point of all; or the lowest one
nearby, a plateau, or a saddle. What helps: other starts, momentum, many starts, and to look at what
:func:`skgd.minimize` says about the end.

In the guide: :doc:`descent on any function </descent>`.
"""

# %%
# Initial values
# --------------
# A parabola with waves has many minima, one in each hollow:
#
# .. math:: f(x) = \frac{x^2}{10} + \frac{3}{5} \sin 3x
#
# Plain descent goes down from where it starts, and stays in the first hollow that it comes to.

import warnings

import matplotlib.pyplot as plt
import numpy as np

import skgd
from skgd.plotting import PathDisplay


def waves(x):
    return x**2 / 10 + 0.6 * np.sin(3 * x)


def waves_slope(x):
    return x / 5 + 1.8 * np.cos(3 * x)


descents = {}
for start in (-6.0, -2.0, -1.0, 2.5, 6.0):
    result = skgd.minimize(
        waves, start, jac=waves_slope, learning_rate=0.05, return_path=True
    )
    descents[f"from {start:g}"] = result
    print(
        f"from {start:4}: x = {result.x:6.3f}, f = {result.fun:6.3f}, success "
        f"{result.success}"
    )

# %%
# Each of them is a success: a minimum has been found, if not the lowest. No method that sees only slopes and values
# nearby can tell these from each other.
#
# Momentum
# --------
# With momentum, descent is like a ball that rolls: it has the speed to get over small hills. From 6 it rolls through
# three hollows, over the lowest one, and back into it. From -6 it rolls into another one: momentum isn't
# sure to find the lowest.

rolling = {}
for start in (-6.0, 6.0):
    result = skgd.minimize(
        waves,
        start,
        jac=waves_slope,
        optimizer="momentum",
        learning_rate=0.1,
        return_path=True,
    )
    rolling[f"from {start:g}"] = result
    print(
        f"momentum from {start:4}: x = {result.x:6.3f}, f = {result.fun:6.3f}, lowest x "
        f"{result.path.min():.2f}"
    )

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 4), sharey=True, layout="constrained"
)
for axes, paths, title in [(left, descents, "Plain descent"), (right, rolling, "Momentum")]:
    PathDisplay.from_function(waves, paths, bounds=[(-7, 7)], ax=axes)
    axes.set_title(title, fontsize=11)
    axes.label_outer()

# %%
# Random restarts
# ---------------
# The simplest cure, and a good one for few variables: many starts, of which the best result is taken.

result = skgd.minimize(
    waves, 6.0, jac=waves_slope, n_restarts=10, bounds=[(-7, 7)], random_state=0
)
print("ends of ten starts, best first:", *(f"{each.x:.3f}" for each in result.restarts))
print(f"result: x = {result.x:.3f}, f = {result.fun:.3f}")

# %%
# A plateau
# ---------
# The function
#
# .. math:: f(x) = x^4 - 3x^3 + 9
#
# has its minimum at :math:`x = 2.25`. At :math:`x = 0` it has a terrace: there the slope is zero, too, but it goes on
# down behind it. From -1, descent comes to the terrace and gets slower and slower. ``minimize`` looks around
# where it ends, finds that it goes down from there, and warns.


def terrace(x):
    return x**4 - 3 * x**3 + 9


def terrace_slope(x):
    return 4 * x**3 - 9 * x**2


def told(*args, **settings):
    """The result of minimize; a warning is printed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = skgd.minimize(*args, return_path=True, **settings)
    for warning in caught:
        print(f"{warning.category.__name__}: {warning.message}")
    return result


descent = told(terrace, -1.0, jac=terrace_slope)
print(
    f"x = {descent.x:.1e} after {descent.nit} steps, success {descent.success}, status "
    f"{descent.status}"
)

# %%
# Momentum rolls on over the terrace:

momentum = told(terrace, -1.0, jac=terrace_slope, optimizer="momentum", learning_rate=0.01)
print(f"x = {momentum.x:.4f} after {momentum.nit} steps, success {momentum.success}")

display = PathDisplay.from_function(
    terrace, {"descent": descent, "momentum": momentum}, bounds=[(-1.3, 3.2)]
)

# %%
# Worse is a plain on which there is nearly no slope at all. The bell upside down,
#
# .. math:: f(x) = 1 - e^{-x^2},
#
# is so flat at 6 that the slope is 3e-15. Momentum doesn't help, for there is nothing to gather speed from. The
# message tells what is wrong; a better start, or longer steps, are the cure. The line search of ``auto`` tries long
# steps where the slope is small.


def bell(x):
    return 1 - np.exp(-(x**2))


def bell_slope(x):
    return 2 * x * np.exp(-(x**2))


print(f"slope at 6: {bell_slope(6.0):.0e}")
for optimizer in ("sgd", "momentum"):
    result = told(bell, 6.0, jac=bell_slope, optimizer=optimizer, learning_rate=0.3)
    print(f"{optimizer}: x = {result.x:.3f}, success {result.success}")
result = told(bell, 6.0, jac=bell_slope)
print(f"auto: x = {abs(result.x):.3f}, success {result.success}")

# %%
# A saddle
# --------
# With two variables a point can be lowest along one and highest along the other, like the middle of a saddle:
#
# .. math:: f(x, y) = x^2 - y^2 + \frac{y^4}{2}
#
# The saddle is at (0, 0), the minima are at (0, 1) and (0, -1). A descent that starts exactly on the ridge, at
# :math:`y = 0`, never leaves it, with or without momentum, for the slope has no part sideways. ``minimize`` tells
# that it is a saddle.


def saddle(p):
    return p[0] ** 2 - p[1] ** 2 + p[1] ** 4 / 2


def saddle_slope(p):
    return np.array([2 * p[0], -2 * p[1] + 2 * p[1] ** 3])


on_ridge = told(saddle, [1.5, 0.0], jac=saddle_slope, learning_rate=0.1)
print(f"x = {on_ridge.x.round(5)}, success {on_ridge.success}, status {on_ridge.status}")

# %%
# The least bit beside it is enough, for the distance from the ridge grows with every step. At first it is still small,
# and so descent lingers at the saddle. Two ways out: from the point that was found, a small push; or several starts.

pushed = told(saddle, on_ridge.x + np.array([0, 1e-3]), jac=saddle_slope, learning_rate=0.1)
print(
    f"pushed: x = {pushed.x.round(4)} after {pushed.nit} steps more, success "
    f"{pushed.success}"
)
beside = told(saddle, [1.5, 1e-2], jac=saddle_slope, learning_rate=0.1)
print(
    f"started at y = 0.01: x = {beside.x.round(4)} after {beside.nit} steps, success "
    f"{beside.success}"
)
box = {"bounds": [(-2, 2), (-1.5, 1.5)], "n_restarts": 5, "random_state": 0}
several = told(saddle, [1.5, 0.0], jac=saddle_slope, learning_rate=0.1, **box)
print(f"best of five starts: x = {several.x.round(4)}, success {several.success}")

paths = {"on the ridge": on_ridge, "beside it": beside, "best of 5": several}
display = PathDisplay.from_function(saddle, paths, bounds=[(-2.2, 2.2), (-1.65, 1.65)])
display.ax_.set(xlabel="$x$", ylabel="$y$")
display.ax_.set_aspect("equal")
