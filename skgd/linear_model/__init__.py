"""Linear models trained by gradient descent, on dense and on sparse data.

Sparse X is used as it is in CSR, with float32 or float64 values and 32-bit or 64-bit indices; other formats and dtypes
are converted, and entries that are stored twice summed, in a copy. Computation is in float64; ``coef_`` has the dtype
of X. Sparse columns are scaled, never centred.

Mini-batches that touch few of the columns update these alone, with every optimizer, so that an epoch costs what its
stored entries cost. Momentum and running means of the other columns wait until a batch touches them again (as in
PyTorch's SparseAdam), and the penalty of a touched column counts 1 / (probability that a batch touches it) times,
which is right in expectation (Pedregosa, Leblond and Lacoste-Julien 2017), but never so much that a step would more
than undo the coefficient. ``average`` takes part in one of so many updates that it costs no more than the rest. Full
batches, narrow data and optimizers that need all columns at once update all of them in every step.
"""

from ._alpha_search import AlphaSearchCV
from ._linear_classifier import GDLinearClassifier
from ._logistic import GDLogisticClassifier
from ._path import RegularizationPath, regularization_path
from ._regressor import GDLinearRegressor

__all__ = [
    "AlphaSearchCV",
    "GDLinearClassifier",
    "GDLinearRegressor",
    "GDLogisticClassifier",
    "RegularizationPath",
    "regularization_path",
]
