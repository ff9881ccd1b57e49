"""scikit-learn's callbacks: what they are told of a fit, and when."""

from typing import Any, Self

import sklearn

from .._solvers.driver import Driver

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Says what is needed."""

        def set_callbacks(self, *callbacks):
            raise ImportError(
                "set_callbacks needs the callbacks of scikit-learn 1.9 or newer, and here is "
                f"{sklearn.__version__}: pip install --upgrade scikit-learn"
            )


class TakesCallbacks(CallbackSupportMixin):
    """An estimator that tells scikit-learn's callbacks of its fit, its starts and its epochs."""

    _init_callback_context: Any

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set those who watch the fits to come; without arguments nobody.

        They are told when a fit begins and ends, when each of several starts or members does, and each epoch: with the
        data, and with a fitted estimator as it would be if this epoch were the last one: that of a fit with so small a
        ``max_iter``, but where a schedule goes by it, as the networks' own and "cosine" do. One that returns True after
        an epoch ends the training, of an ensemble that of the member; ``stop_reason_`` is "callback" then.
        `partial_fit` tells nobody.

        Parameters
        ----------
        *callbacks : object
            Of :mod:`sklearn.callback` as ``ProgressBar()``, of :mod:`skgd.callbacks`, or your own with the same four
            methods.

        Returns
        -------
        Self
            The estimator itself.

        Raises
        ------
        TypeError
            If one is no callback.
        ImportError
            If scikit-learn is older than 1.9, which brought them.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skgd import GDLinearRegressor
        >>> class TwoEpochs:
        ...     def setup(self, estimator, context):
        ...         self.n_epochs = 0
        ...     def on_fit_task_begin(self, estimator, context):
        ...         pass
        ...     def on_fit_task_end(self, estimator, context):
        ...         self.n_epochs += context.max_subtasks == 0  # the tasks that have no others in them
        ...         return self.n_epochs == 2
        ...     def teardown(self, estimator, context):
        ...         pass
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = GDLinearRegressor(optimizer="sgd")
        >>> model.set_callbacks(TwoEpochs()).fit(X, y).stop_reason_
        'callback'
        """
        return super().set_callbacks(*callbacks)

    def _tasks(self, X, y, sample_weight, parameters: Any, goes_on: bool) -> "Tasks | None":
        """What tells the callbacks; None where there are none, as in most searches, though these have contexts."""
        if self.__dict__.get("_skl_callbacks"):
            n_starts = 1 if goes_on else getattr(parameters, "n_restarts", 1)
            return Tasks(self, X, y, sample_weight, max(n_starts, parameters.n_members))
        return None


class Tasks:
    """The tasks of a fit: itself, its starts or members where there are several, their epochs."""

    def __init__(self, estimator: Any, X, y, sample_weight, n_starts: int):
        self.estimator, self.several, self.max_iter = estimator, n_starts > 1, estimator.max_iter
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        n_tasks = n_starts if self.several else self.max_iter
        self.fit = estimator._init_callback_context(max_subtasks=n_tasks, sequential_subtasks=not self.several)
        self.starts: dict[int, Any] = {}
        self.epochs: dict[int, Any] = {}
        self.fit.call_on_fit_task_begin(**self.told)

    def begin(self, driver: Driver) -> None:
        """Tell that a start begins, and its first epoch."""
        start = self.fit
        if self.several:
            start = self.fit.subcontext(f"{driver.plan.kind} {driver.number + 1}", driver.number, self.max_iter)
            start.call_on_fit_task_begin(**self.told)
        self.starts[driver.number] = start
        if driver.goes_on:
            self._begin_epoch(driver)

    def see(self, driver: Driver) -> bool:
        """Tell that an epoch has ended, and the next one begins; whether somebody wants to stop."""
        epoch = self.epochs.pop(driver.number)
        stop = epoch.call_on_fit_task_end(**self.told, reconstruction_attributes=lambda: self._fitted(driver))
        if not stop and driver.goes_on:
            self._begin_epoch(driver)
        return stop

    def end(self, driver: Driver) -> None:
        """Tell that a start has ended, perhaps in the middle of an epoch."""
        epoch = self.epochs.pop(driver.number, None)
        if epoch is not None:
            epoch.call_on_fit_task_end(**self.told)
        if self.several:
            start = self.starts[driver.number]
            start.call_on_fit_task_end(**self.told, reconstruction_attributes=lambda: self._fitted(driver))

    def finish(self) -> None:
        """Tell that the fit has ended; its estimator is the fitted one."""
        self.fit.call_on_fit_task_end(**self.told, reconstruction_attributes={})

    def _fitted(self, driver: Driver) -> dict:
        """Attributes of the estimator if this epoch is the last one."""
        training = self.estimator._finished(driver.as_if_ended(), driver.plan, driver.problem)
        return self.estimator._published(training) | {"_training": training, "_others": ()} | self.estimator._BESIDE

    def _begin_epoch(self, driver: Driver) -> None:
        start = self.starts[driver.number]
        epoch = start.subcontext(f"iteration {driver.training.epochs - driver.first_epoch}")  # scikit-learn's words
        self.epochs[driver.number] = epoch
        epoch.call_on_fit_task_begin(**self.told)
