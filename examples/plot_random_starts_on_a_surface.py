r"""
Random starts on a wavy surface
===============================

Six paths down a wavy surface, in space and on its map, to six different zeros.

Where is a function of two variables zero? Descent on its square finds one of the places, and which one depends on where
it starts.

In the guide: :doc:`restarts </descent>`, :doc:`paths in pictures </pictures>`.
"""

# %%
# The surface
# -----------
# The function has hills and hollows in both directions:
#
# .. math:: z(x, y) = \sin\left(\frac{x^2}{2} - \frac{y^2}{4} + 3\right) \cos\left(2x + 1 - e^y\right)
#
# It is zero along whole curves. Descent minimises the square :math:`f = z^2`, with the gradient by the chain rule. With
# :math:`u` for what is in the sine and :math:`v` for what is in the cosine:
#
# .. math::
#
#     \frac{\partial z}{\partial x} = x \cos u \cos v - 2 \sin u \sin v, \qquad
#     \frac{\partial z}{\partial y} = -\frac{y}{2} \cos u \cos v + e^y \sin u \sin v, \qquad
#     \nabla f = 2 z \nabla z

import numpy as np

import skgd
from skgd.plotting import PathDisplay


def z(p):
    x, y = p
    return np.sin(x**2 / 2 - y**2 / 4 + 3) * np.cos(2 * x + 1 - np.exp(y))


def f(p):
    return z(p) ** 2


def gradient(p):
    x, y = p
    u, v = x**2 / 2 - y**2 / 4 + 3, 2 * x + 1 - np.exp(y)
    by_x = x * np.cos(u) * np.cos(v) - 2 * np.sin(u) * np.sin(v)
    by_y = -y / 2 * np.cos(u) * np.cos(v) + np.exp(y) * np.sin(u) * np.sin(v)
    return 2 * z(p) * np.array([by_x, by_y])


# %%
# Six starts
# ----------
# The starts are drawn evenly from the unit square. From each we descend twice: with a learning rate of 0.1, whose short
# steps draw a smooth path, and with the line search that is used where no rate is given.

starts = np.random.default_rng(0).uniform(size=(6, 2))
paths = {}
print("   start                 rate 0.1                        auto")
for k, start in enumerate(starts):
    fixed = skgd.minimize(f, start, jac=gradient, learning_rate=0.1, return_path=True)
    auto = skgd.minimize(f, start, jac=gradient)
    paths[f"start {k + 1}"] = fixed
    ends = [f"{r.nit:4} steps to ({r.x[0]:.3f}, {r.x[1]:6.3f})" for r in (fixed, auto)]
    print(f"({start[0]:.3f}, {start[1]:.3f})", *ends, sep="   ")

# %%
# Every start has an end of its own: all points of the curve are equally low, and descent stops at the first that it
# comes to. With a fixed rate it slows down on the way, as the slope goes to zero. The line search needs a few steps,
# and as these are longer it may come to another place.

largest = max(abs(z(result.x)) for result in paths.values())
print(f"largest |z| at the six ends: {largest:.1e}")

# %%
# On the surface
# --------------
# The surface is :math:`f`; the valley at its bottom is the curve where :math:`z = 0`.
# :class:`~skgd.plotting.PathDisplay` draws it with ``projection="3d"``, darker where it is lower.

looks = {
    "bounds": [(-0.5, 1.25), (-0.1, 1.2)],
    "levels": np.linspace(0, 0.6, 19) ** 2,  # equal steps of |z|
    "labels": ("$x$", "$y$", "$f = z^2$"),
    "equal": True,
}
PathDisplay.from_function(f, paths, projection="3d", **looks)

# %%
# On the map
# ----------
# The same from above. Each step goes at a right angle to the contour that it starts from: there it is steepest.

PathDisplay.from_function(f, paths, **looks)

# %%
# In one call
# -----------
# ``n_restarts`` draws the starts itself, evenly within ``bounds`` if there are any, keeps all the ends, and returns the
# best. Here steps that would leave the square end at its border.

result = skgd.minimize(
    f, [0.5, 0.5], jac=gradient, n_restarts=6, bounds=[(0, 1), (0, 1)], random_state=0
)
for each in result.restarts:
    print(f"f = {each.fun:.1e} at ({each.x[0]:.3f}, {each.x[1]:.3f})")
