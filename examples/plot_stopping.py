r"""
When to stop
============

Where the step, the gradient, the objective or a number of epochs ends a descent.

Descent never quite arrives. It can end after a number of iterations, or once a step, the gradient, or what the
objective has still to gain is small. Each of these leaves something on the table, and not the same.

In the guide: :doc:`stopping </training>`, :doc:`how convergence is judged </auto>`.
"""

# %%
# A valley
# --------
# The minimum is 1, at (0, 0). Along the valley, in x, the second derivative is 0.1; across, in y, it is 2:
#
# .. math:: f(x, y) = 1 + \tfrac{1}{20} x^2 + y^2, \qquad \nabla f = \left( \tfrac{1}{10} x,\; 2 y \right)

import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skgd import GDLogisticClassifier, minimize


def f(x):
    return 1 + x[0] ** 2 / 20 + x[1] ** 2


def gradient(x):
    return np.array([x[0] / 10, 2 * x[1]])


def descend(rate, **settings):
    """Descent from (-7, 2), and the warning if there was one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        result = minimize(
            f, [-7.0, 2.0], jac=gradient, learning_rate=rate, return_path=True, **settings
        )
    return result, [str(warning.message) for warning in caught]


# %%
# Four reasons to stop
# --------------------
# The same descent with a rate of 0.5, and the same tolerance for three very different things:
#
# - a number of iterations: ``max_iter``, with ``tol=None``;
# - the step: no variable changed by more than the tolerance, :math:`\max_j \left| x_{k+1} - x_k \right|_j \le tol`;
# - the gradient: no entry is larger, :math:`\max_j \left| \nabla f \right|_j \le tol`;
# - the objective: what it has still to gain is a small share of its value,
#   :math:`f - f_\infty \le tol \cdot \left| f \right|`. The end :math:`f_\infty` is foretold from the last changes, as
#   if they went on as a geometric series.

tol = 1e-3
rules = {
    "30 iterations": {"max_iter": 30, "tol": None},
    "step": {"criterion": "step", "tol": tol},
    "gradient": {"criterion": "gradient", "tol": tol},
    "objective": {"criterion": "objective", "tol": tol},
}
results = {name: descend(0.5, **rule)[0] for name, rule in rules.items()}
for name, result in results.items():
    print(
        f"{name:13} stops at {result.nit:3d}, f - 1 = {result.fun - 1:.1e}, distance "
        f"{np.linalg.norm(result.x):.4f}"
    )

# %%
# skgd says in words why it ended:

for name, result in results.items():
    print(textwrap.fill(f"{name}: {result.message}", 85, subsequent_indent="    "))

# %%
# Small steps are no proof
# ------------------------
# A step is the rate times the gradient. Whoever makes the rate small makes steps small, and they pass for an arrival
# far from the minimum. With the second derivative :math:`\lambda` along the valley the distances left are
#
# .. math:: \frac{tol}{\lambda} \;\text{ by the gradient}, \qquad \frac{tol}{\eta \lambda} \;\text{ by the step}
#
# The gradient isn't fooled by the rate, but by flat valleys: :math:`tol / \lambda` is large where
# :math:`\lambda` is small. Nor is the objective: it counts the steps that are still to come.

slow, warned = {}, {}
for name in ("step", "gradient", "objective"):
    slow[name], warned[name] = descend(0.02, **rules[name])
for name, expected in {"step": tol / (0.02 * 0.1), "gradient": tol / 0.1}.items():
    distance = np.linalg.norm(slow[name].x)
    print(
        f"{name:9} stops at {slow[name].nit:4d}, distance {distance:.4f}, by the "
        f"formula {expected:.4f}"
    )
print(
    f"objective stops at {slow['objective'].nit:4d}, f - 1 = "
    f"{slow['objective'].fun - 1:.1e}"
)

# %%
# After a criterion was met, skgd looks around. Where the function clearly goes on down, the message says so, and it
# comes as a warning, too:

for name, messages in warned.items():
    print(
        textwrap.fill(
            f"{name}: {' '.join(messages) or 'no warning'}", 85, subsequent_indent="    "
        )
    )

# %%

colors = dict(zip(rules, ("#000000", "#0072B2", "#D55E00", "#009E73"), strict=True))
markers = dict(zip(rules, "vosD", strict=True))
figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for axes, rate, stops in zip(panels, (0.5, 0.02), (results, slow), strict=True):
    longest = max(stops.values(), key=lambda result: result.nit)
    axes.plot(longest.fun_path - 1, color="0.6", linewidth=2)
    for name, result in stops.items():
        looks = {
            "color": colors[name],
            "marker": markers[name],
            "markersize": 8,
            "linestyle": "none",
        }
        axes.plot(result.nit, result.fun - 1, label=name, **looks)
    axes.set(yscale="log", xlabel="iterations", title=f"learning rate {rate}")
    axes.legend(title="stopped by", loc="lower left")
panels[0].set_ylabel("objective above its minimum")
for axes in panels:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E5E5E5")

# %%
# A model
# -------
# Now a logistic regression on breast_cancer, by plain descent on all rows. Its minimum is known from skgd's own choice
# of optimizer. For each rule: how far the objective is above the minimum, by how much the worst coefficient is off
# (of standardised features), and what that means for rows that training hasn't seen.

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
scale = X_train.std(axis=0)
alpha = 1e-3


def objective(model):
    return log_loss(y_train, model.predict_proba(X_train)) + alpha / 2 * np.sum(
        (model.coef_ * scale) ** 2
    )


best = GDLogisticClassifier(alpha=alpha).fit(X_train, y_train)
least = objective(best)
print(f"{'':22} epochs  objective  coefficient  test loss  accuracy")


def report(name, model):
    gap, off = objective(model) - least, np.abs((model.coef_ - best.coef_) * scale).max()
    loss, accuracy = (
        log_loss(y_test, model.predict_proba(X_test)),
        model.score(X_test, y_test),
    )
    print(
        f"{name:22} {model.n_iter_:6d}  {gap:9.1e}  {off:11.3f}  {loss:9.4f} "
        f" {accuracy:8.3f}"
    )


model_rules = {
    "20 epochs": {"max_iter": 20, "tol": None},
    "early stopping": {"early_stopping": True, "random_state": 0},
    "step": {"criterion": "step", "tol": 1e-3},
    "gradient": {"criterion": "gradient", "tol": 1e-3},
    "objective": {"criterion": "objective", "tol": 1e-3},
    "objective, tol 1e-6": {"criterion": "objective", "tol": 1e-6},
}
models = {}
for name, rule in model_rules.items():
    settings = {
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "batch_size": None,
        "alpha": alpha,
        "max_iter": 20_000,
    } | rule
    models[name] = GDLogisticClassifier(**settings).fit(X_train, y_train)
    report(name, models[name])
report("the minimum", best)

# %%
# Whoever wants to predict can stop early: for the test rows the second half of the way is worth nothing. Whoever wants
# to read coefficients can't: with the objective about 0.001 above its minimum, where the gradient stops, one of them is
# still off by 0.57, and after 20 epochs by 1.6.

figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
axes.plot(models["objective, tol 1e-6"].loss_curve_ - least, color="0.6", linewidth=2)
colors = ("#000000", "#CC79A7", "#0072B2", "#D55E00", "#009E73", "#E69F00")
for (name, model), color, marker in zip(models.items(), colors, "v^osDP", strict=True):
    looks = {"color": color, "marker": marker, "markersize": 8, "linestyle": "none"}
    axes.plot(model.n_iter_, objective(model) - least, label=name, **looks)
axes.set(xscale="log", yscale="log", xlabel="epochs", ylabel="objective above its minimum")
axes.spines[["top", "right"]].set_visible(False)
axes.grid(color="#E5E5E5")
axes.legend(title="stopped by", loc="lower left")
plt.show()
