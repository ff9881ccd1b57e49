"""What callbacks are set on."""

from typing import Any

from .._fit import GradientDescentEstimator


def check_is_ours(callback: Any, estimator: Any) -> None:
    """Refuse to watch estimators that aren't skgd's."""
    if not isinstance(estimator, GradientDescentEstimator):
        raise TypeError(
            f"{type(callback).__name__} must be set on an estimator of skgd, and this is a {type(estimator).__name__}: "
            "in a pipeline or a search set it on that estimator"
        )
