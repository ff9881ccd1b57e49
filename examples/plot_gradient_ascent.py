r"""
Gradient ascent to the likeliest parameters
===========================================

Uphill on a curve and on a hill, from a guess to what explains the data best.

Along the gradient a function grows. What is to be as large as possible, as a likelihood, is climbed: ascent is descent
on the negative.

In the guide: :doc:`ascent and descent on any function </descent>`, :doc:`losses </losses>`.
"""

# %%
# Seven heads in ten throws
# -------------------------
# How likely they are depends on the coin, which shows heads with a probability p. The logarithm is easier to climb, and
# has its summit at the same place:
#
# .. math:: \ell(p) = 7 \log p + 3 \log(1 - p), \qquad \ell'(p) = \frac{7}{p} - \frac{3}{1 - p}
#
# A step goes along the slope: plus, where descent has a minus.
#
# .. math:: p \leftarrow p + \eta \, \ell'(p)

import numpy as np
from sklearn.datasets import load_breast_cancer

from skgd import GDLogisticClassifier, minimize
from skgd.plotting import PathDisplay


def likelihood(p):
    return 7 * np.log(p) + 3 * np.log(1 - p)


def slope(p):
    return 7 / p - 3 / (1 - p)


p = 0.2
for k in range(5):
    print(
        f"step {k}: p = {p:.4f}, log-likelihood {likelihood(p):.4f}, slope {slope(p):8.4f}"
    )
    p += 0.01 * slope(p)

# %%
# ``maximize=True`` is the same. At the summit the slope is zero, and p is the share of heads, 0.7.

climb = minimize(
    likelihood, 0.2, jac=slope, learning_rate=0.01, maximize=True, return_path=True
)
print(f"p = {climb.x:.6f} after {climb.nit} steps, at first {climb.path[:5].round(4)}")
PathDisplay.from_function(
    likelihood, climb, bounds=[(0.05, 0.98)], labels=("p", "log-likelihood")
)

# %%
# A hill
# ------
# The normal distribution has two parameters. Of heights in cm the mean log-likelihood of :math:`\mu` and
# :math:`\sigma` is, up to a constant,
#
# .. math:: \ell(\mu, \sigma) = -\log \sigma - \frac{1}{n} \sum_i \frac{(x_i - \mu)^2}{2 \sigma^2}
#
# Its summit is known: the mean of the data, and their standard deviation. Ascent finds it from a bad guess.

heights = np.random.default_rng(0).normal(170, 8, 200)


def of_normal(parameters):
    mu, sigma = parameters
    return -np.log(sigma) - np.mean((heights - mu) ** 2) / (2 * sigma**2)


summit = minimize(
    of_normal, [160.0, 14.0], learning_rate=20, maximize=True, return_path=True
)
print(f"ascent    {summit.x.round(3)} after {summit.nit} steps")
print(f"formulas  {np.array([heights.mean(), heights.std()]).round(3)}")
PathDisplay.from_function(
    of_normal,
    {"ascent": summit},
    bounds=[(155, 185), (5, 17)],
    labels=(r"$\mu$", r"$\sigma$", "log-likelihood"),
    projection="3d",
)

# %%
# Why everybody descends
# ----------------------
# Logistic regression's log-loss is the mean log-likelihood with the other sign. Whoever climbs the one descends on the
# other, and comes to the same coefficients.

X, y = load_breast_cancer(return_X_y=True)
Z = (X[:, :3] - X[:, :3].mean(axis=0)) / X[:, :3].std(axis=0)


def of_classes(w):
    raw = Z @ w[:3] + w[3]
    return np.mean(y * raw - np.logaddexp(0, raw))


top = minimize(of_classes, np.zeros(4), optimizer="lbfgs", maximize=True)
model = GDLogisticClassifier(alpha=0).fit(Z, y)
print("ascent on the likelihood:", top.x.round(3))
print("GDLogisticClassifier:    ", np.append(model.coef_, model.intercept_).round(3))
