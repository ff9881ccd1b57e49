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
from sklearn.utils import check_random_state

from . import _parallel as threads
from ._auto.advice import report
from ._auto.description import moments_tell, settle_held_out, treatment
from ._constructors import VALUES, AdvisesCallers
from ._containers import becomes_sparse
from ._encoding import Encoding
from ._in_parts import described_in_parts
from ._numbers import kinds_of, settled
from ._partitions import adapter_of, partitions_of
from ._pickles import Pickles
from ._problem.describe import describe, splits_of
from ._problem.features import narrowed
from ._problem.model import LinearModel
from ._problem.predictions import check_predictions
from ._problem.problem import Problem
from ._random import generator, give_back
from ._solvers.driver import Driver
from ._solvers.plan import Plan
from ._solvers.several import all_of, attributes_of, best_of, check_range, one_for_each, salvage
from ._solvers.stream import Stream, drivers_of, loops_of
from ._solvers.training import Training
from ._tails import Tails, squashed, unsquashed
from ._targets.held_out import n_to_hold_out
from ._targets.targets import Targets
from ._validation import (
    FLOATS,
    Interval,
    RealNotInt,
    RemembersValidParameters,
    StrOptions,
    are_fixed,
    check_parameters,
    check_training_data,
    fit_context,
    parameter_values,
)
from ._watch import files
from ._watch.audience import audience_of
from ._watch.checkpoint import SavedFit, describe_fit
from ._watch.run import Run
from ._watch.tasks import TakesCallbacks
from ._watch.words import ending
from .optimizers import OPTIMIZERS, Optimizer
from .penalties import L2, ElasticNet
from .schedules import SCHEDULES, Schedule

OF_COLUMNS = "_encoding", "_tails"  # what becomes of X, as a fit has found it
OF_ROWS = "oob_score_", "oob_prediction_", "_ready"  # what a fit makes that isn't in its trainings


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
    _encodes: ClassVar[bool] = False  # whether columns may hold categories and gaps
    _survey: Callable[..., Any]  # (y_like, dtype, classes, before): what asks rows in parts for their targets

    def _describe_targets(self, X, y, sample_weight, validation, classes, before, streaming) -> Targets:
        raise NotImplementedError

    def _published_parameters(self, training: Training, *others: Training) -> dict[str, Any]:
        raise NotImplementedError

    # Called with the estimator after every epoch, fitted as far as it has come; what is true stops the training.
    _watch: Callable[[Self], object] | None = None
    _stream: Stream | None = None  # what the last call of `partial_fit` left for the next
    _run: Run | None = None  # while a fit lasts that callbacks watch
    _training: Training
    _others: tuple[Training, ...] = ()  # of an ensemble's members but the first
    _encoding: Encoding | None = None  # how X becomes numbers, where it isn't as it is
    _tails: Tails | None = None  # which of these are squashed
    _BESIDE: ClassVar[dict] = {}  # what goes on beside trainings, as it is where there is nothing
    _HAS_BESIDE: ClassVar[str] = "an estimator with more than its trainings"  # one that has, in words

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._encodes  # `categorical` would say that X is made of nothing else
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
        described: list[Problem] | None = None,
    ) -> Self:
        """Fit the data; saved is a fit of them that was cut short, described are their problems, if known."""
        stream = left_for(self, streaming)
        goes_on = (streaming or self.warm_start) and saved is None and hasattr(self, "_training")
        n_before = len(self._others) + 1 if goes_on else 0
        n_before = len(saved.state["drivers"]) if saved is not None and saved.goes_on else n_before
        parameters = stream.parameters if stream else self._parameters(X, n_before, streaming)
        # before attributes are remembered: what callbacks need in the end survives a failure
        goes_on_in_the_end = goes_on or bool(saved and saved.goes_on)
        tasks = None if streaming else self._tasks(X, y, sample_weight, parameters, goes_on_in_the_end)
        attributes, drivers = self.__dict__.copy(), []
        try:
            # nobody shall see those of an earlier fit beside what this one has learnt so far
            for name in OF_ROWS if goes_on_in_the_end or described else (*OF_ROWS, *OF_COLUMNS, *self._BESIDE):
                self.__dict__.pop(name, None)
            rng = generator(self.random_state) if saved is None else saved.rng
            random = None if tasks is None else rng.get_state(legacy=False)
            before = [each.copy() for each in (self._training, *self._others)] if goes_on else None
            classes, dtype = (classes, None) if saved is None else (saved.classes, saved.dtype)

            # describe
            given = X, y, sample_weight, validation
            problems = described or self._problems(*given, parameters, rng, before, classes, streaming, dtype)
            if saved is not None:  # the other members' rows follow from the same data and random numbers
                problems[0] = saved.checked(problems[0])
            # decide, and solve
            watched = bool(self.verbose or self._watch or tasks)
            decide, befores = functools.partial(type(self)._decide, parameters), one_for_each(before, len(problems))
            loops = stream.loops_for(problems, befores) if stream and not watched else [None] * len(problems)
            drivers = drivers_of(decide, problems, befores, rng, loops, watched)
            if saved is None:
                give_back(rng, self.random_state)
            else:
                drivers = saved.restored(drivers)
            audience = audience_of(self, drivers, tasks, lambda: describe_fit(self, problems[0], goes_on, random))
            kept = self._solve(drivers, audience, parameters, goes_on_in_the_end)
            found = self._found(kept, parameters, goes_on_in_the_end)
            # publish
            self._publish(*(each.training for each in kept))
            self.__dict__.update(found)
            if adapter_of(X) is None:
                check_predictions(self, X)
            if tasks is not None:
                tasks.finish()
            if streaming and not watched:
                leave(self, stream, parameters, kept)
        except BaseException as error:
            are_members = parameters.n_members > 1
            if not (isinstance(error, KeyboardInterrupt) and self._keep_what_is_learned(drivers, are_members)):
                self.__dict__.clear()  # leave the estimator as it was
                self.__dict__.update(attributes)
            raise
        finally:
            self.__dict__.pop("_run", None)
        return self

    def _keep_what_is_learned(self, drivers: list[Driver], are_members: bool) -> bool:
        """Publish what trainings have learned that were interrupted; whether that is anything."""
        with contextlib.suppress(KeyboardInterrupt):  # who presses twice can't wait
            kept = salvage(drivers, are_members)
            if kept:
                self._publish(*(self._finished(each.training, each.plan, each.problem) for each in kept))
                if self.verbose:
                    print(ending(kept[0]), flush=True)
                return True
        return False

    def _parameters(self, X: Any = None, n_before: int = 0, streaming: bool = False) -> SimpleNamespace:
        """The parameters as they are now, those that a subclass's constructor doesn't have, too."""
        kinds = kinds_of(type(self))  # type: ignore[arg-type]
        named = {name: settled(getattr(self, name), kind) for name, kind in kinds.items()}
        return SimpleNamespace(**{"n_members": 1} | named)

    def _problems(
        self,
        X,
        y,
        sample_weight,
        validation: tuple,
        parameters: Any,
        rng: np.random.RandomState,
        before: list[Training] | None = None,
        classes=None,
        streaming: bool = False,
        dtype: np.dtype | None = None,
    ) -> list[Problem]:
        """The problem that the data pose, one for each member of an ensemble.

        dtype is what X is to be in, None what suits the trainings before, if any. What the parameters leave to be
        decided by the number of rows is settled.
        """
        partitions, first = partitions_of(X, y, sample_weight), before[0] if before else None
        is_sparse = becomes_sparse(X if partitions is None else partitions.X_like)
        either = is_sparse and self._model is LinearModel  # computes in float64 then
        either = either or first is None or first.optimizer.searches_line
        if dtype is None and not either:
            dtype = first.dtype  # type: ignore[union-attr]
        if partitions is not None:
            settle_held_out(parameters, int, streaming)
            if parameters.n_members > 1:
                raise ValueError(f"n_members={parameters.n_members} takes rows in memory: collections have one member")
            given = partitions, validation, parameters, rng, first, classes, streaming, dtype
            return [described_in_parts(self, *given)]
        dtypes = FLOATS if dtype is None else (dtype,)
        told = first is None and not self._encodes and moments_tell(X, sample_weight, parameters)
        options = self._checks_of_y | {
            "reset": first is None and self._encoding is None,
            "dtypes": dtypes,
            "total": functools.partial(threads.total, n_jobs=self.n_jobs),
            "sample_weight": sample_weight,
            "fill": None if first is None else unsquashed(self._tails, first.scaling.center),
        }
        X, y = check_training_data(self, X, y, looks=not told, **options)
        targets = self._describe_targets(X, y, sample_weight, validation, classes, first, streaming)
        count = functools.partial(n_to_hold_out, X.shape[0], targets.weight, targets.stratify)
        settle_held_out(parameters, count, streaming, targets.validation is not None)
        how = treatment(parameters, self._model, streaming)
        if how.squashes and first is dtype is None:  # else it goes on
            tails = Tails.of(X, None if targets.loss.for_classes else targets.y, targets.weight)
            self.__dict__.pop("_tails", None)
            self.__dict__ |= {} if tails is None else {"_tails": tails}  # what isn't there needn't be stored
        X, targets = squashed(self._tails, X), targets.squashed(self._tails)
        narrows = how.narrows and dtype is None  # what goes on does so in the dtype that it has
        X, how = narrowed(X, targets) if narrows else X, how._replace(precision=X.dtype)
        splits = splits_of(X.shape[0], targets, parameters, rng, streaming)
        of_all = X, targets, parameters, self._model, self._penalty(), how
        each = zip(splits, one_for_each(before, len(splits)), strict=True)
        try:
            return [describe(*of_all, split, training, streaming) for split, training in each]
        except ValueError:
            if told:
                check_training_data(self, X, y, **options)  # raises where X isn't finite, in scikit-learn's words
            raise

    def _penalty(self) -> ElasticNet:
        return L2(self.alpha)

    def _solve(self, drivers: list[Driver], audience: Run | None, parameters: Any, goes_on: bool) -> list[Driver]:
        """Train, and warn of what went wrong: all trainings, or of those from several starts the best."""
        if parameters.n_members > 1:
            kept = all_of(drivers, audience, drivers[0].plan.n_threads)
        elif len(drivers) > 1:
            kept = [best_of(drivers, audience, drivers[0].plan.n_threads)]
        else:
            kept = drivers
            drivers[0].train(audience)
        reported = set()
        for each in kept:
            if each.training.stop_reason not in reported:  # what is to be said of one holds for all
                report(type(self).__name__, each.training, each.plan, each.problem, each.beginning, each.first_epoch)
                reported.add(each.training.stop_reason)
        return [*kept]

    def _finished(self, training: Training, plan: Plan, problem: Problem) -> Training:
        """The training with what is only known when it has ended."""
        return training

    def _found(self, drivers: list[Driver], parameters: Any, goes_on: bool) -> dict[str, Any]:
        """Finish the trainings of a fit that has come to its end; fitted attributes that don't follow from them."""
        for each in drivers:
            self._finished(each.training, each.plan, each.problem)
        return {}

    def _publish(self, training: Training, *others: Training) -> None:
        published = self._published(training, *others)
        check_range(type(self).__name__, published)
        for name in ("restart_scores_", "_others", *OF_ROWS):  # of an earlier fit
            self.__dict__.pop(name, None)
        self._training = training
        if others:
            self._others = others
        self.__dict__.update(published)

    def _published(self, training: Training, *others: Training) -> dict[str, Any]:
        """The fitted attributes, which follow from the state of the training, or of the members', alone."""
        with np.errstate(over="ignore", invalid="ignore"):
            parameters = self._published_parameters(training, *others)
        return parameters | attributes_of((training, *others))


def left_for(estimator: Any, streaming: bool) -> Stream | None:
    """What the last call of `partial_fit` left, where parameters are the same; else these are checked, if streaming."""
    stream = estimator.__dict__.pop("_stream", None)  # whatever becomes of this call
    if not streaming or (stream is not None and stream.holds(parameter_values(estimator))):
        return stream if streaming else None
    check_parameters(estimator)  # in each call: scikit-learn's decorator would look at the first one alone
    return None


def leave(estimator: Any, stream: Stream | None, parameters: SimpleNamespace, drivers: list[Driver]) -> None:
    """Leave for the next call of `partial_fit` what has been decided, unless parameters can change behind our back.

    What the last call left, `stream`, was looked through, if it still holds.
    """
    values = stream.values if stream else parameter_values(estimator)
    if stream or are_fixed(values):
        estimator._stream = Stream(values, parameters, loops_of(drivers))


def problem_of(estimator: Any, X: Any, y: Any) -> Problem:
    """The problem that the data pose to an estimator, or to the first member of an ensemble."""
    parameters = estimator._parameters(X)
    return estimator._problems(X, y, None, (None, None, None), parameters, check_random_state(0))[0]
