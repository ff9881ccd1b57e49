r"""
How much to penalise
====================

Coefficients that go to zero one by one, and the strength that predicts best.

An L1 penalty leaves the coefficients that matter. How many those are its strength says, alpha: here are the solutions
for all alphas, and the one that predicts best.

In the guide: :doc:`penalties </linear_models>`.
"""

# %%
# All solutions
# -------------
# Of 442 patients with diabetes ten measurements are to predict how far the disease has progressed after a year. At the
# largest alpha all coefficients are zero; with each that is smaller they may grow, and one after the other comes in.
# Each solution is the start of the next one.

import numpy as np
from sklearn.datasets import load_diabetes

from skgd import GDLinearRegressor
from skgd.linear_model import AlphaSearchCV, regularization_path
from skgd.plotting import CoefficientPathDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
model = GDLinearRegressor(penalty="l1")
path = regularization_path(model, X, y)
for k in 0, 30, 60, 99:
    names = X.columns[path.coefs[k] != 0]
    print(
        f"alpha = {path.alphas[k]:.2f}: {len(names)} of {X.shape[1]} columns,"
        f" {', '.join(names)}"
    )

# %%
# The best one
# ------------
# Cross-validation tells which alpha predicts best: each fold has such a path, and the scores of its solutions on the
# rows that it left out have a mean for each alpha.

search = AlphaSearchCV(model).fit(X, y)
names = X.columns[search.best_estimator_.coef_ != 0]
print(
    f"alpha_ = {search.alpha_:.3f}, R^2 = {search.best_score_:.3f}, with {', '.join(names)}"
)

# %%
# Many alphas are as good as the best within what the folds differ by. Who wants few columns takes the largest of these.

scores, errors = (
    search.cv_results_["mean_test_score"],
    search.cv_results_["std_test_score"] / np.sqrt(search.n_splits_),
)
good = scores >= scores[search.best_index_] - errors[search.best_index_]
simple = int(np.argmax(good))
names = X.columns[path.coefs[simple] != 0]
print(
    f"alpha = {path.alphas[simple]:.2f}, R^2 = {scores[simple]:.3f},"
    f" with {', '.join(names)}"
)
CoefficientPathDisplay.from_path(path, alpha=path.alphas[simple])
