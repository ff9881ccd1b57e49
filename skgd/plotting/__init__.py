"""Pictures of gradient descent, in the way of scikit-learn's displays.

Each display has class methods ``from_...``, which compute what is to be seen and draw it, and a method ``plot``, which
draws it again, on other axes. Instead of an estimator they take a pipeline, or a fitted search, that ends with one.
Needs matplotlib: ``pip install "skgd[plot]"``.
"""

from ._animate import animate
from ._coefficient_path import CoefficientPathDisplay
from ._curve_fit import CurveFitDisplay
from ._learning_rate import LearningRateDisplay
from ._loss_curve import LossCurveDisplay
from ._path import PathDisplay
from ._range_test import RangeTestDisplay
from ._rate_search import LearningRateSearchDisplay

__all__ = [
    "CoefficientPathDisplay",
    "CurveFitDisplay",
    "LearningRateDisplay",
    "LearningRateSearchDisplay",
    "LossCurveDisplay",
    "PathDisplay",
    "RangeTestDisplay",
    "animate",
]
