r"""
A network written by hand
=========================

Forward pass, chain rule and update of a network in NumPy, beside the same in one line.

A network with one hidden layer that reads handwritten digits, in plain NumPy. Forward and backward pass are written
out; the steps come from :class:`skgd.optimizers.Adam`, whose ``update`` changes a dict of arrays in place. Beside it
:class:`~skgd.GDMLPClassifier`, which is the same network in one line.

In the guide: :doc:`networks </networks>`, :doc:`optimizers of your own </extending>`.
"""

# %%
# The data
# --------
# 1797 pictures of 8 x 8 pixels with values from 0 to 16; a quarter is kept for the test. Labels become rows with a
# one in the column of the digit.

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skgd import GDMLPClassifier
from skgd.optimizers import Adam

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
one_hot = np.eye(10)[y_train]
print(X_train.shape, X_test.shape)

# %%
# The network
# -----------
# Two layers: 64 pixels to 50 units with relu, 50 units to 10 outputs, which softmax turns into probabilities.
#
# .. math:: h = \max(0,\; x W_1 + b_1), \qquad z = h W_2 + b_2, \qquad p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}
#
# All parameters are held in one dict. Weights begin at random, small enough that signals keep their size (He).

rng = np.random.default_rng(0)
params = {
    "W1": rng.normal(0, np.sqrt(2 / 64), (64, 50)),
    "b1": np.zeros(50),
    "W2": rng.normal(0, np.sqrt(2 / 50), (50, 10)),
    "b2": np.zeros(10),
}


def forward(X):
    h = np.maximum(0, X @ params["W1"] + params["b1"])
    z = h @ params["W2"] + params["b2"]
    e = np.exp(z - z.max(axis=1, keepdims=True))  # the largest exponent is 0: no overflow
    return h, e / e.sum(axis=1, keepdims=True)


def cross_entropy(p, y):
    return -np.mean(np.log(p[np.arange(len(y)), y]))


# %%
# Backwards
# ---------
# The error at the outputs, :math:`p - y`, goes back through the layers by the chain rule; where relu cut a unit off,
# nothing passes:
#
# .. math::
#     \delta_2 = \tfrac{1}{n} (p - y), \qquad \frac{\partial L}{\partial W_2} = h^\top \delta_2, \qquad
#     \delta_1 = \delta_2 W_2^\top \cdot [h > 0], \qquad \frac{\partial L}{\partial W_1} = x^\top \delta_1
#
# The gradients get a dict with the same keys.


def backward(X, h, p, targets):
    delta2 = (p - targets) / len(X)
    delta1 = delta2 @ params["W2"].T * (h > 0)
    return {
        "W1": X.T @ delta1,
        "b1": delta1.sum(axis=0),
        "W2": h.T @ delta2,
        "b2": delta2.sum(axis=0),
    }


# %%
# Never trust a gradient written by hand before a finite difference agrees with it.

h, p = forward(X_train)
grads = backward(X_train, h, p, one_hot)
losses = []
for shift in (1e-6, -2e-6):
    params["W1"][20, 3] += shift
    losses.append(cross_entropy(forward(X_train)[1], y_train))
params["W1"][20, 3] += 1e-6
print(
    f"by hand {grads['W1'][20, 3]:.8f}, by a finite difference "
    f"{(losses[0] - losses[1]) / 2e-6:.8f}"
)

# %%
# Training
# --------
# In every epoch the rows are shuffled and cut into batches of 32. For each batch: forward, backward, one step of Adam.

optimizer = Adam(learning_rate=0.003)
n_epochs, batch_size = 30, 32
curve = []
for epoch in range(n_epochs):
    order = rng.permutation(len(X_train))
    total = 0.0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        h, p = forward(X_train[rows])
        total += len(rows) * cross_entropy(p, y_train[rows])
        optimizer.update(params, backward(X_train[rows], h, p, one_hot[rows]))
    curve.append(total / len(order))
    if epoch in (0, 1, 4, 9, 29):
        print(f"epoch {epoch + 1:2d}: cross-entropy {curve[-1]:.4f}")

p_test = forward(X_test)[1]
accuracy = np.mean(p_test.argmax(axis=1) == y_test)
print(f"accuracy on the test rows {accuracy:.3f}")

# %%
# The same from skgd
# ------------------
# The same layers, rule, rate, batches and number of epochs. Starts and orders of rows are random, so the two curves are
# alike but not equal.

model = GDMLPClassifier(
    hidden_layer_sizes=(50,),
    optimizer=Adam(learning_rate=0.003),
    batch_size=32,
    max_iter=30,
    tol=None,
    alpha=0,
    init="he_normal",
    standardize=False,
    random_state=0,
).fit(X_train, y_train)
print(
    f"GDMLPClassifier: cross-entropy {model.loss_curve_[-1]:.4f}, accuracy "
    f"{model.score(X_test, y_test):.3f}"
)

# %%
# The pictures
# ------------
# Both networks learn alike.

epochs = np.arange(1, n_epochs + 1)
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
axes.plot(
    epochs,
    curve,
    "o-",
    color="#0072B2",
    markersize=4,
    label=f"by hand, accuracy {accuracy:.3f}",
)
axes.plot(
    epochs,
    model.loss_curve_,
    "s--",
    color="#D55E00",
    markersize=4,
    label=f"GDMLPClassifier, accuracy {model.score(X_test, y_test):.3f}",
)
axes.set(xlabel="epoch", ylabel="cross-entropy, mean over the epoch", yscale="log")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)

# %%
# Some digits of the test with what the network by hand says: in the first row those that it is surest of, in the
# second those that it gets most wrong.

of_truth = p_test[np.arange(len(y_test)), y_test]
said = p_test.argmax(axis=1)
surest, worst = np.argsort(-of_truth)[:8], np.argsort(of_truth)[:8]

figure, grid = plt.subplots(2, 8, figsize=(9, 3), layout="constrained")
for row, digits in zip(grid, (surest, worst), strict=True):
    for axes, i in zip(row, digits, strict=True):
        axes.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
        right = said[i] == y_test[i]
        axes.set_title(
            f"{said[i]}" if right else f"{said[i]}, is {y_test[i]}",
            color="black" if right else "#D55E00",
        )
        axes.set_axis_off()
plt.show()
