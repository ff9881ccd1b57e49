"""Linear models trained by gradient descent."""

from ._classifier import GDLogisticClassifier
from ._regressor import GDLinearRegressor

__all__ = ["GDLinearRegressor", "GDLogisticClassifier"]
