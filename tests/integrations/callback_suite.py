"""scikit-learn's own tests of its callbacks, as they are installed, run on an estimator of skgd.

    python tests/integrations/callback_suite.py [options for pytest]

Before pytest imports the suite, estimators of skgd take the place of those that it tests callbacks with. Worker
processes import this file as a module, so it runs as one.
"""

import os
import pathlib
import sys

from sklearn.base import _fit_context
from sklearn.datasets import make_regression

from skgd import GDLinearRegressor

DATA = make_regression(n_samples=100, n_features=2, random_state=0)


class MaxIterEstimator(GDLinearRegressor):
    """What the suite makes of its estimator of this name: one that runs all of max_iter, with or without data."""

    def __init__(self, max_iter=20, computation_intensity=0.001):
        super().__init__(optimizer="adam", max_iter=max_iter, tol=None, random_state=0)
        self.computation_intensity = computation_intensity

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X=None, y=None, *, sample_weight=None):
        X, y = DATA if X is None else (X, y)
        return GDLinearRegressor.fit.__wrapped__(self, X, y, sample_weight)


class ParentFitEstimator(MaxIterEstimator):
    """The same with the parent's fit."""

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X=None, y=None):
        return super().fit(X, y)


def run(options):
    """The exit status of pytest on the suite."""
    import pytest
    import sklearn.callback.tests._utils as suite

    suite.MaxIterEstimator, suite.ParentFitEstimator = MaxIterEstimator, ParentFitEstimator
    return pytest.main(["--pyargs", "sklearn.callback.tests", "-q", "-p", "no:cacheprovider", *options])


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    sys.path.insert(0, str(here))
    import callback_suite

    sys.exit(callback_suite.run(sys.argv[1:]))
