"""Worker processes of joblib's: the numbers of one. One after the other, as they share the workers that each begins."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skgd import GDLinearRegressor, minimize
from skgd.optimizers import Adam


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_grid_has_the_scores_of_one_process():
    X = np.random.default_rng(0).normal(size=(90, 4))
    y = X @ [1.0, -0.3, 20.0, 0.5] + 3.0
    model = GDLinearRegressor(optimizer=Adam(), batch_size=16, max_iter=10, random_state=0)
    grids = [
        GridSearchCV(model, {"learning_rate": [0.001, 0.01, 0.1]}, cv=2, n_jobs=n_jobs, error_score="raise").fit(X, y)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*(grid.cv_results_["mean_test_score"] for grid in grids))


def test_restarts_on_a_function_have_the_points_of_one_process():
    def rastrigin(x):
        return 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))

    settings = {"optimizer": "lbfgs", "n_restarts": 6, "restart_from": "best", "random_state": 0}
    one, two = (minimize(rastrigin, [3.0, 2.0], n_jobs=n_jobs, **settings) for n_jobs in (1, 2))
    for each, other in zip(one.restarts, two.restarts, strict=True):
        np.testing.assert_array_equal(each.x, other.x)
        assert (each.nit, each.nfev) == (other.nit, other.nfev)
