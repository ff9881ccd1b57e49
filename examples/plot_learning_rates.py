r"""
Learning rates
==============

Rates from too small to diverging, a run that finds a good one, and schedules that fall.

How long should a step be? Too short, and descent takes forever; too long, and it leaps from side to side, or away.
First on a parabola, where everything can be computed, then on real data; how one run finds a good rate; and what helps
where no single rate is right.

In the guide: :doc:`the learning rate </choosing>`, :doc:`schedules </training>`, :doc:`a slider to move it </play>`.
"""

# %%
# Four rates on a parabola
# ------------------------
# Plain descent on :math:`f(x) = x^2` from x = 4. The gradient is 2x, so every step multiplies x by the same number:
#
# .. math:: x_{k+1} = x_k - \eta \, f'(x_k) = (1 - 2 \eta)\, x_k
#
# It shrinks as long as :math:`\left| 1 - 2\eta \right| < 1`. In general the limit is :math:`2 / f''`, and the best
# rate, which arrives in one step, is :math:`1 / f''`: here 1 and 0.5.

import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning

from skgd import GDLinearRegressor, GDMLPClassifier, minimize
from skgd.plotting import LearningRateDisplay, LossCurveDisplay, PathDisplay
from skgd.schedules import StepDecay


def f(x):
    return x**2


rates = {"too small": 0.03, "right": 0.4, "large": 0.95, "diverging": 1.05}
figure, grid = plt.subplots(
    2, 2, figsize=(7, 5.2), sharex=True, sharey=True, layout="constrained"
)
for axes, (name, rate) in zip(grid.flat, rates.items(), strict=True):
    result = minimize(f, 4.0, learning_rate=rate, max_iter=8, tol=None, return_path=True)
    PathDisplay.from_function(f, result, bounds=[(-9.5, 9.5)], legend=False, ax=axes)
    axes.set(xticks=range(-8, 9, 4), ylim=(-6, 95))
    axes.set_title(rf"{name}: $\eta$ = {rate}", fontsize="medium")
    axes.label_outer()
    print(
        f"{name:10} {rate:<4}: every step times {1 - 2 * rate:5.2f}, after 8 steps x = "
        f"{result.x:8.4f}"
    )

# %%
# Each picture has eight steps, from the circle to the star. Left to itself the last one goes on until skgd stops it.
# The result is then the best point it has seen, and the warning says which rate would have worked.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", ConvergenceWarning)
    result = minimize(f, 4.0, learning_rate=1.05)
print(textwrap.fill(str(caught[0].message), 85))
print("x =", result.x)

# %%
# Real data
# ---------
# A linear model has a parabola, too, in as many dimensions as it has coefficients. Its second derivatives are a
# matrix; the limit is two over its largest eigenvalue, because in that direction steps leap first, and one over it is
# a good rate. The data are 442 patients with diabetes, ten measurements of each, which skgd standardises.

X, y = load_diabetes(return_X_y=True)
Z = (X - X.mean(axis=0)) / X.std(axis=0)
largest = np.linalg.eigvalsh(Z.T @ Z / len(Z)).max()
print(
    f"largest eigenvalue {largest:.3f}: good rate {1 / largest:.3f}, limit "
    f"{2 / largest:.3f}"
)

model = GDLinearRegressor(optimizer="sgd", batch_size=None, alpha=0)
display = LearningRateDisplay.from_estimator(
    model, X, y, learning_rates=[0.003, 0.03, 0.25, 0.49, 0.51]
)
print("least loss after 50 steps:", display.best_rate_)
print(f"skgd's own choice: {model.fit(X, y).learning_rate_:.3f}")

# %%
# With 0.49 the leaps along one direction die away slowly, with 0.51 they grow.
#
# Finding a rate in one run
# -------------------------
# Where nobody knows the second derivatives, as in networks, a range test helps: start with a tiny rate, raise it by
# the same factor with every update, and look at the loss. At first nothing happens, then it falls, in the end it
# explodes. The rate to take lies well before the explosion: skgd takes a sixth of the largest rate before the loss,
# smoothed, rises again.

X_digits, y_digits = load_digits(return_X_y=True)
network = GDMLPClassifier(
    optimizer="sgd", batch_size=32, schedule="constant", max_iter=20, random_state=0
)
display = LearningRateDisplay.from_range_test(
    network, X_digits, y_digits, low=1e-4, high=10
)
suggested = display.suggested_rate_
print(f"suggested rate: {suggested:.3f}")

# %%
# Fits of 20 epochs with a hundredth of this rate, with the rate itself, and with thirty times as much:

rates = np.array([suggested / 100, suggested, 30 * suggested])
display = LearningRateDisplay.from_estimator(
    network, X_digits, y_digits, learning_rates=rates, max_iter=20
)
for rate, losses, reason in zip(rates, display.losses, display.stop_reasons, strict=True):
    print(
        f"rate {rate:.4f}: {reason}, "
        + (f"loss {losses[-1]:.4f}" if len(losses) else "in the first epoch")
    )

# %%
# Cures: rates that fall
# ----------------------
# Mini-batches point in slightly wrong directions. A large rate gets near the optimum soon, and then jumps around it; a
# small one would get nearer, but takes long. So begin large and let the rate fall:
#
# - by a factor every few epochs (``StepDecay``): :math:`\eta_t = \eta \, d^{\lfloor t / T \rfloor}`,
# - with the root of time (``invscaling``): :math:`\eta_t = \eta / \sqrt{1 + t}`, where t counts epochs,
# - by AdaGrad, which divides every coefficient's rate by the root of the sum of its squared gradients so far:
#   :math:`\eta_t = \eta / \sqrt{g_1^2 + \dots + g_t^2}`.
#
# Batches of eight rows; drawn is how far the loss is above the least one there is.

least = GDLinearRegressor(alpha=0).fit(X, y).loss_curve_[-1]
cures = {
    "constant": {"learning_rate": 0.05},
    "halved every 10 epochs": {
        "learning_rate": 0.05,
        "schedule": StepDecay(decay=0.5, every=10),
    },
    r"$1/\sqrt{1 + t}$": {"learning_rate": 0.05, "schedule": "invscaling"},
    "AdaGrad": {"learning_rate": 0.1, "optimizer": "adagrad"},
}
losses = {}
model = GDLinearRegressor(
    optimizer="sgd", batch_size=8, max_iter=80, tol=None, alpha=0, random_state=0
)
for name, settings in cures.items():
    fitted = GDLinearRegressor(**model.get_params() | settings).fit(X, y)
    losses[name] = fitted.loss_curve_
    print(
        f"{name:24} {losses[name][-10:].mean() - least:6.2f} above the least loss, mean "
        f"of the last 10 epochs"
    )
LossCurveDisplay(losses, ylabel="objective", minimum=least).plot()

# %%
# The constant rate stays where it got within two epochs. AdaGrad's curve lies on that of the root of time, and that is
# no accident: the noise keeps the gradients at one size, so that their squares sum up to a multiple of t.
#
# AdaGrad's best rate
# -------------------
# In AdaGrad's first step the sum holds one gradient only, and what is left of it is its sign:
#
# .. math:: x_1 = x_0 - \eta \, \frac{f'(x_0)}{\sqrt{f'(x_0)^2}} = x_0 - \eta \, \mathrm{sign}\, f'(x_0)
#
# The first step is exactly as long as the rate, however steep the function is. So the best rate is the
# distance to the minimum. On a parabola the slope is the second derivative times this distance, so
#
# .. math:: \eta^* = \left| x_0 - x^* \right| = \frac{\left| f'(x_0) \right|}{f''}
#
# that is, the first derivative over the second. Plain descent would want :math:`1 / f''`, wherever it starts.

steepness, minimum, start = 6.0, 1.0, 4.5


def parabola(x):
    return steepness / 2 * (x - minimum) ** 2


def slope(x):
    return steepness * (x - minimum)


best = abs(slope(start)) / steepness
print(f"|f'| / f'' = {abs(slope(start)):.1f} / {steepness:.1f} = {best}")
for rate in (best / 10, best / 2, best, 2 * best):
    result = minimize(
        parabola,
        start,
        jac=slope,
        optimizer="adagrad",
        learning_rate=rate,
        max_iter=10,
        tol=None,
        return_path=True,
    )
    print(
        f"rate {rate:5.2f}: after 1 step x = {result.path[1]:8.5f}, after 10 steps x = "
        f"{result.path[10]:8.5f}"
    )

# %%
# The same for a hundred rates. The gap lies at the best one. With a larger rate the first step goes too far, but the
# large gradient out there makes the next ones shorter: after 25 steps the distance is below what is drawn.
# With a smaller rate steps shrink before they have got anywhere. With several variables each has a best rate of its
# own; one for all is right where the distances are alike, which standardising helps.

many_rates = best * np.geomspace(0.05, 20, 101)
paths = [
    minimize(
        parabola,
        start,
        jac=slope,
        optimizer="adagrad",
        learning_rate=rate,
        max_iter=25,
        tol=None,
        return_path=True,
    ).path
    for rate in many_rates
]
figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
looks = {1: ("#0072B2", "-"), 5: ("#D55E00", "--"), 25: ("#009E73", "-.")}
for steps, (color, style) in looks.items():
    distances = [abs(path[steps] - minimum) for path in paths]
    axes.plot(
        many_rates,
        distances,
        color=color,
        linestyle=style,
        label=f"{steps} step{'s' * (steps > 1)}",
    )
axes.axvline(best, color="0.6", linewidth=1, zorder=0)
axes.text(best * 0.93, 30, "$|f'|\\,/f''$", ha="right")
axes.set(
    xscale="log",
    yscale="log",
    ylim=(1e-6, 1e2),
    xlabel="AdaGrad's learning rate",
    ylabel="distance to minimum",
)
axes.spines[["top", "right"]].set_visible(False)
axes.grid(color="#E5E5E5")
axes.legend(frameon=False, title="after", loc="lower left")
plt.show()
