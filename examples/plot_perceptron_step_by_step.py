r"""
A perceptron, step by step
==========================

One unit, a sigmoid, and every product of its training written out in NumPy.

One unit that tells malignant from benign tumours, trained by gradient descent in a few lines: weighted sum,
activation, loss, gradient, update. At the end :class:`~skgd.GDLogisticClassifier` makes the same steps and comes to the
same numbers.

In the guide: :doc:`linear models </linear_models>`, :doc:`losses </losses>`.
"""

# %%
# The data
# --------
# Each row is a cell sample with 30 measurements; y is 1 for benign tumours. The measurements differ in scale by a
# factor of more than a hundred thousand, so they are standardised first: mean 0 and standard deviation 1 in every
# column. A column of ones is added: its weight is the bias.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from skgd import GDLogisticClassifier

data = load_breast_cancer()
X, y = data.data, data.target
n = len(X)
Z = np.column_stack([np.ones(n), (X - X.mean(axis=0)) / X.std(axis=0)])
print(
    f"{n} rows, standard deviations from {X.std(axis=0).min():.4f} to "
    f"{X.std(axis=0).max():.0f}"
)

# %%
# 1. Weighted sum
# ---------------
# The unit adds up its inputs, each times a weight. Input 0 is the constant 1:
#
# .. math:: z_i = w_0 + w_1 x_{i1} + \dots + w_{30} x_{i,30}
#
# All weights begin at zero, so the first sums are zero, too.

w = np.zeros(Z.shape[1])
z = Z @ w
print("weighted sums of the first rows:", z[:3])

# %%
# 2. Activation
# -------------
# The logistic function turns the sum into a probability of class 1. Zero becomes one half: the unit knows nothing yet.
#
# .. math:: p_i = \frac{1}{1 + e^{-z_i}}


def activation(z):
    return 1 / (1 + np.exp(-z))


p = activation(z)
print("probabilities of the first rows:", p[:3])

# %%
# 3. Cross-entropy
# ----------------
# How wrong are these probabilities? The loss is small where the true class got a high one, and grows without bound
# where it got nearly none. One half for every row costs log 2.
#
# .. math:: L = -\frac{1}{n} \sum_i \bigl( y_i\, \log(p_i) + (1 - y_i)\, \log(1 - p_i) \bigr)


def cross_entropy(p):
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


print(f"cross-entropy {cross_entropy(p):.6f}, log 2 is {np.log(2):.6f}")

# %%
# 4. Gradient
# -----------
# In which direction does it grow? By the chain rule through loss and activation nearly everything cancels. What
# is left is the mean of the errors, each times its input:
#
# .. math:: \frac{\partial L}{\partial w_j} = \frac{1}{n} \sum_i (p_i - y_i)\, x_{ij}
#
# A finite difference, the loss a little to the right less the loss a little to the left, agrees.


def gradient(p):
    return Z.T @ (p - y) / n


grad = gradient(p)
step = 1e-5 * (np.arange(len(w)) == 1)
right, left = (cross_entropy(activation(Z @ (w + s))) for s in (step, -step))
print(f"by w_1: {grad[1]:.8f}, by a finite difference: {(right - left) / 2e-5:.8f}")

# %%
# 5. Update
# ---------
# A step against the gradient, as long as the learning rate :math:`\eta` says:
#
# .. math:: w_j \leftarrow w_j - \eta\, \frac{\partial L}{\partial w_j}

learning_rate = 0.5
w = w - learning_rate * grad
p = activation(Z @ w)
print(
    f"w_0 {w[0]:.6f}, w_1 {w[1]:.6f}, cross-entropy {cross_entropy(p):.6f}, accuracy "
    f"{np.mean((p > 0.5) == y):.4f}"
)

# %%
# 6. Again, and again
# -------------------
# Training repeats these steps, here until there are 100 of them.

losses = [np.log(2), cross_entropy(p)]
for t in range(2, 101):
    w = w - learning_rate * gradient(p)
    p = activation(Z @ w)
    losses.append(cross_entropy(p))
    if t in (2, 3, 10, 30, 100):
        print(
            f"after step {t:3d}: cross-entropy {losses[-1]:.6f}, accuracy "
            f"{np.mean((p > 0.5) == y):.4f}"
        )

# %%
# The same from skgd
# ------------------
# Plain gradient descent on all rows at once, with the same learning rate and number of steps, no penalty and no test
# for convergence. Data and bias are prepared already, so skgd is told to leave both alone.

model = GDLogisticClassifier(
    optimizer="sgd",
    learning_rate=0.5,
    batch_size=None,
    max_iter=100,
    tol=None,
    alpha=0,
    standardize=False,
    fit_intercept=False,
).fit(Z, y)

print(f"{'':10}{'by hand':>20}{'skgd':>20}")
for name, by_hand, by_skgd in [
    ("w_0", w[0], model.coef_[0, 0]),
    ("w_1", w[1], model.coef_[0, 1]),
    ("w_30", w[30], model.coef_[0, 30]),
    (
        "loss",
        losses[99],
        model.loss_curve_[99],
    ),  # loss_curve_ has the loss before each step
]:
    print(f"{name:10}{by_hand:20.15f}{by_skgd:20.15f}")
print(f"largest difference of a weight: {np.abs(w - model.coef_[0]).max():.0e}")
print(
    f"largest difference of a loss:   {np.abs(losses[:-1] - model.loss_curve_).max():.0e}"
)

# %%
# The picture
# -----------
# The two curves lie on each other. On the right are the largest weights after the last step: measurements that are
# large in malignant tumours pull towards class 0.

largest = 1 + np.argsort(np.abs(w[1:]))[-10:]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(model.loss_curve_, color="#56B4E9", linewidth=6, label="GDLogisticClassifier")
left.plot(losses[:-1], color="black", linestyle="--", label="by hand")
left.set(xlabel="steps made", ylabel="cross-entropy", yscale="log")
left.set_yticks([0.1, 0.2, 0.5], ["0.1", "0.2", "0.5"])
left.minorticks_off()
left.legend(frameon=False)
right.barh(
    data.feature_names[largest - 1],
    w[largest],
    color=np.where(w[largest] < 0, "#D55E00", "#0072B2"),
)
right.axvline(0, color="0.6", linewidth=0.8)
right.set(xlabel="weight of the standardised feature", title="The ten largest weights")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)

# %%
# As it comes, :class:`~skgd.GDLogisticClassifier` needs none of these settings: it standardises by itself and takes
# steps that get to the optimum soon.

model = GDLogisticClassifier(alpha=1e-3).fit(X, y)
print(
    f"{model.stop_reason_} after {model.n_iter_} steps, cross-entropy with penalty "
    f"{model.loss_curve_[-1]:.6f}"
)
