"""What callbacks of skgd share."""

from typing import Any

from .._fit import GradientDescentEstimator


class FitCallback:
    """Watches fits of skgd's estimators, with a record of its own for each: clones share a callback.

    Records aren't pickled: worker processes make their own.
    """

    def __init__(self) -> None:
        self._records: dict[int, Any] = {}  # of the fits in progress, by their estimators

    def _begin(self, estimator: Any) -> Any:
        """The record of a fit that begins: it has `see(driver)`, for each epoch, and `end(estimator)`."""
        raise NotImplementedError

    def _record(self, estimator: Any) -> Any:
        return self._records[id(estimator)]

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin to watch a fit."""
        if not isinstance(estimator, GradientDescentEstimator):
            raise TypeError(
                f"{type(self).__name__} must be set on an estimator of skgd, and this is a {type(estimator).__name__}: "
                "in a pipeline or a search set it on that estimator"
            )
        self._records[id(estimator)] = self._begin(estimator)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing has been learnt yet."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Look at an epoch that has ended."""
        if context.max_subtasks == 0:  # else it is a start, a member or the fit
            self._record(estimator).see(estimator._run.driver)

    def teardown(self, estimator: Any, context: Any) -> None:
        """End the record of a fit, however it ended."""
        record = self._records.pop(id(estimator), None)
        if record is not None:
            record.end(estimator)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_records": {}}
