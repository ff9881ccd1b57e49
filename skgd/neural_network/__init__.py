"""Feed-forward networks trained by gradient descent."""

from ._classifier import GDMLPClassifier
from ._regressor import GDMLPRegressor

__all__ = ["GDMLPClassifier", "GDMLPRegressor"]
