"""Pictures of gradient descent, in the way of scikit-learn's displays.

Each display has class methods ``from_...``, which compute what is to be seen and draw it, and a method ``plot``, which
draws it again, on other axes. Needs matplotlib: ``pip install "skgd[plot]"``.
"""

from ._loss_curve import LossCurveDisplay
from ._path import PathDisplay

__all__ = ["LossCurveDisplay", "PathDisplay"]
