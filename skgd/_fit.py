"""How estimators are fitted: describe the problem, decide on a plan, solve, publish."""

import contextlib
import functools
import os
import pathlib
from collections.abc import Callable
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils import check_random_state

from . import _parallel as threads
from ._auto.advice import report
from ._auto.description import treatment
from ._constructors import VALUES, AdvisesCallers
from ._containers import all_single
from ._partitions import Partitions, partitions_of
from ._pickles import Pickles
from ._problem.describe import describe
from ._problem.model import LinearModel
from ._problem.partitioned import Reading, columns_of
from ._problem.problem import Problem
from ._problem.survey import describe_partitions
from ._solvers.driver import Driver
from ._solvers.plan import Plan
from ._solvers.restarts import best_of, salvage
from ._solvers.training import Training, begin
from ._targets.partitioned import encoded_validation_set
from ._targets.targets import Targets
from ._validation import (
    FLOATS,
    Interval,
    RealNotInt,
    RemembersValidParameters,
    StrOptions,
    check_columns,
    check_parameters,
    check_training_data,
    fit_context,
)
from ._watch import files
from ._watch.checkpoint import SavedFit, describe_fit
from ._watch.printing import Printer
from ._watch.run import Run
from ._watch.tasks import TakesCallbacks, Tasks
from ._watch.words import ending
from .optimizers import OPTIMIZERS, Optimizer
from .penalties import L2, ElasticNet
from .schedules import SCHEDULES, Schedule


class GradientDescentEstimator(AdvisesCallers, RemembersValidParameters, TakesCallbacks, Pickles):
    """Base of the estimators; holds no formula of any model."""

    _said_elsewhere = VALUES

    _parameter_constraints: dict = {
        "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "schedule": [StrOptions(set(SCHEDULES)), Schedule, callable],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "standardize": ["boolean", StrOptions({"auto", "max_abs"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"}), None],
        "criterion": [StrOptions({"objective", "gradient", "step"})],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "average": [
            "boolean",
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
        ],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": [Integral, None],
    }

    # What a kind of estimator gives: the class of its model, who decides, what its targets are, what it publishes.
    _model: ClassVar[Any]
    _decide: ClassVar[Any]
    _checks_of_y: Any
    _survey: Callable[..., Any]  # (y_like, dtype, classes, before): what asks rows in parts for their targets

    def _describe_targets(self, X, y, sample_weight, validation, classes, before, streaming) -> Targets:
        raise NotImplementedError

    def _published_parameters(self, training: Training) -> dict[str, Any]:
        raise NotImplementedError

    # Called with the estimator after every epoch, fitted as far as it has come; what is true stops the training.
    _watch: Callable[[Self], object] | None = None
    _run: Run | None = None  # while a fit lasts that callbacks watch
    _training: Training

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_training")

    @fit_context(prefer_skip_nested_validation=True)
    def resume(
        self,
        path: str | os.PathLike,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Go on with a fit that was cut short, from a checkpoint of it.

        It ends with the same bits as the fit would have that was never interrupted, whatever ``random_state`` is: the
        same rows are held out, and drawn. Nothing but ``verbose``, ``n_jobs`` and ``random_state`` may be other than
        `fit` had it. Callbacks are told of the epochs to come; to go on writing checkpoints, set one again.

        Parameters
        ----------
        path : str or pathlib.Path
            The file that :class:`skgd.callbacks.Checkpoint` wrote. It may come from strangers: it is data alone.
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features, as `fit` was given them; the same holds for all that follows.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Targets, classes or labels.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights.
        X_val : array-like of shape (n_validation_rows, n_features), default=None
            Rows to validate on.
        y_val : array-like of shape (n_validation_rows,) or (n_validation_rows, n_targets), default=None
            Their targets.
        sample_weight_val : array-like of shape (n_validation_rows,), default=None
            Their weights.

        Returns
        -------
        Self
            The fitted estimator itself.

        Raises
        ------
        OSError
            If the file can't be read.
        ValueError
            If it is no checkpoint, was cut off or damaged, is of another class or version of skgd, or was made with
            other parameters or data: shapes, dtypes, targets, weights, means and deviations of all columns and some
            thousand rows are compared.
        """
        saved = SavedFit(files.read(pathlib.Path(path)), self)
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), saved=saved)

    # -- the four stages

    def _fit(
        self,
        X,
        y,
        sample_weight,
        validation=(None, None, None),
        *,
        classes=None,
        streaming: bool = False,
        saved: SavedFit | None = None,
    ) -> Self:
        """Fit the data; saved is a fit of them that was cut short, to go on with."""
        goes_on = (streaming or self.warm_start) and saved is None and hasattr(self, "_training")
        # before attributes are remembered: what callbacks need in the end survives a failure
        tasks = None if streaming else self._tasks(X, y, sample_weight, goes_on or bool(saved and saved.goes_on))
        attributes, drivers = self.__dict__.copy(), []
        try:
            if streaming:
                check_parameters(self)  # in every call: scikit-learn's decorator would look at the first one alone
            parameters = self._parameters()
            rng = check_random_state(self.random_state) if saved is None else saved.rng
            random = None if tasks is None else rng.get_state(legacy=False)
            before = self._training.copy() if goes_on else None
            classes, dtype = (classes, None) if saved is None else (saved.classes, saved.dtype)

            # describe
            given = X, y, sample_weight, validation
            problem = self._describe(*given, parameters, rng, before, classes, streaming, dtype)
            problem = problem if saved is None else saved.checked(problem)
            # decide
            plan = type(self)._decide(parameters, problem, before)
            # solve
            if before is not None:
                before.go_on(problem, plan)
            trainings = [before] if before is not None else begin(problem, plan, rng)
            watched = bool(self.verbose or self._watch or tasks)
            drivers = [Driver(each, plan, problem, watched, number=number) for number, each in enumerate(trainings)]
            drivers = drivers if saved is None else saved.restored(drivers)
            audience = self._audience(drivers, tasks, lambda: describe_fit(self, problem, goes_on, random))
            training = self._solve(drivers, audience, plan, problem)
            # publish
            self._publish(training)
            if tasks is not None:
                tasks.finish()
        except BaseException as error:
            if not (isinstance(error, KeyboardInterrupt) and self._keep_what_is_learned(drivers)):
                self.__dict__.clear()  # leave the estimator as it was
                self.__dict__.update(attributes)
            raise
        finally:
            self.__dict__.pop("_run", None)
        return self

    def _keep_what_is_learned(self, drivers: list[Driver]) -> bool:
        """Publish what trainings have learned that were interrupted; whether that is anything."""
        with contextlib.suppress(KeyboardInterrupt):  # who presses twice can't wait
            driver = salvage(drivers)
            if driver is not None:
                self._publish(self._finished(driver.training, driver.plan, driver.problem))
                if self.verbose:
                    print(ending(driver), flush=True)
                return True
        return False

    def _audience(self, drivers: list[Driver], tasks: Tasks | None, description: Callable[[], dict]) -> Run | None:
        """Whoever watches; None: nobody."""
        watchers: list[Any] = [Printer(int(self.verbose), len(drivers))] if self.verbose else []
        if tasks is not None:
            watchers.append(tasks)
        if self._watch is not None and len(drivers) == 1:
            watchers.append(Onlooker(self))
        if not watchers:
            return None
        run = Run(drivers, watchers, description)
        if tasks is not None:
            self._run = run
        return run

    def _parameters(self) -> SimpleNamespace:
        """The parameters as they are now, those that a subclass's constructor doesn't have, too."""
        return SimpleNamespace(**{name: getattr(self, name) for name in self._parameter_constraints})

    def _describe(
        self,
        X,
        y,
        sample_weight=None,
        validation=(None, None, None),
        parameters: Any = None,
        rng=None,
        before: Training | None = None,
        classes=None,
        streaming: bool = False,
        dtype: np.dtype | None = None,
    ) -> Problem:
        """The problem that the data pose; dtype is what X is to be in, None what suits the training before, if any."""
        parameters = parameters or self._parameters()
        partitions = partitions_of(X, y, sample_weight)
        is_sparse = sparse.issparse(X if partitions is None else partitions.X_like)
        either = is_sparse and self._model is LinearModel  # computes in float64 then
        either = either or before is None or before.optimizer.searches_line
        if dtype is None and not either:
            dtype = before.dtype  # type: ignore[union-attr]
        if partitions is not None:
            return described_in_parts(self, partitions, validation, parameters, rng, before, classes, streaming, dtype)
        dtypes = FLOATS if dtype is None else (dtype,)
        total = functools.partial(threads.total, n_threads=threads.n_threads(self.n_jobs))
        X, y = check_training_data(self, X, y, reset=before is None, dtypes=dtypes, total=total, **self._checks_of_y)
        targets = self._describe_targets(X, y, sample_weight, validation, classes, before, streaming)
        how = treatment(parameters, self._model, is_sparse, streaming)
        return describe(X, targets, parameters, self._model, self._penalty(), how, rng, before, streaming)

    def _penalty(self) -> ElasticNet:
        return L2(self.alpha)

    def _solve(self, drivers: list[Driver], audience: Run | None, plan: Plan, problem: Problem) -> Training:
        """Train, and warn of what went wrong."""
        driver = drivers[0] if len(drivers) == 1 else best_of(drivers, audience, plan.n_threads)
        if len(drivers) == 1:
            driver.train(audience)
        report(type(self).__name__, driver.training, plan, problem, driver.beginning, drivers[0].first_epoch)
        return self._finished(driver.training, plan, problem)

    def _finished(self, training: Training, plan: Plan, problem: Problem) -> Training:
        """The training with what is only known when it has ended."""
        return training

    def _publish(self, training: Training) -> None:
        self.__dict__.pop("restart_scores_", None)  # of an earlier fit
        self._training = training
        self.__dict__.update(self._published(training))

    def _published(self, training: Training) -> dict[str, Any]:
        """The fitted attributes, which follow from the training's state alone."""
        published = self._published_parameters(training)
        published |= {
            "optimizer_": training.optimizer,
            "learning_rate_": training.learning_rate,
            "batch_size_": training.batch_size,
            "n_iter_": training.epochs,
            "t_": training.updates,
            "loss_curve_": training.losses.values,
            "validation_curve_": training.validation_losses.values,
            "gradient_norm_": training.gradient_norm,
            "stop_reason_": training.stop_reason,
            "converged_": training.stop_reason == "converged",
        }
        if "classes" in training.facts:
            published["classes_"] = training.facts["classes"]
        if training.restart_scores is not None:
            published["restart_scores_"] = training.restart_scores
        return published


def described_in_parts(
    estimator: Any, partitions: Partitions, validation: tuple, parameters: Any, rng, before, classes, streaming, dtype
) -> Problem:
    """The problem of an estimator whose data lie in parts, of which X and y themselves are never seen here."""
    if streaming:
        raise ValueError("partial_fit takes rows in memory: call it with one part after the other, or fit with all")
    X_like, kind = partitions.X_like, estimator._model
    check_columns(estimator, X_like, reset=before is None)
    dtype = np.dtype(dtype or (np.float32 if all_single(X_like) else np.float64))
    survey = estimator._survey(partitions.y_like, dtype, classes, before)
    unseen: Any = None
    if any(each is not None for each in validation):
        unseen = partitions_of(*validation, name="X_val")  # type: ignore[misc]
        if unseen is None:
            unseen = functools.partial(encoded_validation_set, estimator, validation)
        else:
            check_columns(estimator, unseen.X_like, reset=False)
            if sparse.issparse(unseen.X_like) != sparse.issparse(X_like):
                raise ValueError("of X and X_val one is sparse, the other dense: give collections that are alike")
    is_sparse = sparse.issparse(X_like)
    how = treatment(parameters, kind, is_sparse, streaming)
    reading = Reading(dtype, is_sparse, X_like.shape[1], estimator._checks_of_y, columns=columns_of(X_like))
    return describe_partitions(
        partitions, survey, reading, unseen, parameters, kind, estimator._penalty(), how, rng, before
    )


class Onlooker:
    """Shows the estimator itself, as far as it has been fitted, to who has asked for it."""

    def __init__(self, estimator: Any):
        self.estimator = estimator

    def begin(self, driver: Driver) -> None:
        pass

    def see(self, driver: Driver) -> object:
        self.estimator._publish(driver.training)
        return self.estimator._watch(self.estimator)

    def end(self, driver: Driver) -> None:
        pass
