"""Callbacks that watch fits, for ``set_callbacks`` of the estimators of skgd.

They follow the protocol of :mod:`sklearn.callback`, which scikit-learn 1.9 brought; its own ``ProgressBar`` and
``ScoringMonitor`` serve as well.
"""

from ._checkpoint import Checkpoint
from ._epoch_logger import EpochLogger
from ._epoch_table import EpochTable
from ._loss_plot import LossPlot

__all__ = ["Checkpoint", "EpochLogger", "EpochTable", "LossPlot"]
