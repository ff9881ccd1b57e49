"""Linear models trained by gradient descent."""

from ._linear_classifier import GDLinearClassifier
from ._logistic import GDLogisticClassifier
from ._regressor import GDLinearRegressor

__all__ = ["GDLinearClassifier", "GDLinearRegressor", "GDLogisticClassifier"]
