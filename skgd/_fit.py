"""How estimators are fitted: describe the problem, decide on a plan, solve, publish."""

import time
from collections.abc import Callable
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, ClassVar, Self

from scipy import sparse
from sklearn.utils import check_random_state

from ._auto.advice import report
from ._auto.description import treatment
from ._pickles import Pickles
from ._problem.describe import describe
from ._problem.model import LinearModel
from ._problem.problem import Problem
from ._solvers.driver import Driver
from ._solvers.plan import Plan
from ._solvers.restarts import best_of
from ._solvers.training import Training, begin
from ._targets.targets import Targets
from ._validation import (
    FLOATS,
    Interval,
    RealNotInt,
    RemembersValidParameters,
    StrOptions,
    check_parameters,
    check_training_data,
)
from .optimizers import OPTIMIZERS, Optimizer
from .penalties import L2, ElasticNet
from .schedules import SCHEDULES, Schedule


class GradientDescentEstimator(RemembersValidParameters, Pickles):
    """Base of the estimators; holds no formula of any model."""

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

    def _describe_targets(self, X, y, sample_weight, validation, classes, before, streaming) -> Targets:
        raise NotImplementedError

    def _published_parameters(self, training: Training) -> dict[str, Any]:
        raise NotImplementedError

    # Called with the estimator after every epoch, fitted as far as it has come; what is true stops the training.
    _watch: Callable[[Self], object] | None = None
    _training: Training

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_training")

    # -- the four stages

    def _fit(self, X, y, sample_weight, validation=(None, None, None), *, classes=None, streaming=False) -> Self:
        attributes = self.__dict__.copy()
        try:
            if streaming:
                check_parameters(self)  # in every call: scikit-learn's decorator would look at the first one alone
            parameters, rng = self._parameters(), check_random_state(self.random_state)
            goes_on = (streaming or self.warm_start) and hasattr(self, "_training")
            before = self._training.copy() if goes_on else None

            # describe
            problem = self._describe(X, y, sample_weight, validation, parameters, rng, before, classes, streaming)
            # decide
            plan = type(self)._decide(parameters, problem, before)
            # solve
            if before is not None:
                before.go_on(problem, plan)
            training = self._solve(begin(problem, plan, rng) if before is None else [before], plan, problem)
            # publish
            self._publish(training)
        except BaseException:  # leave the estimator as it was
            self.__dict__.clear()
            self.__dict__.update(attributes)
            raise
        return self

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
    ) -> Problem:
        either = sparse.issparse(X) and self._model is LinearModel  # computes in float64 then
        either = either or before is None or before.optimizer.searches_line
        dtypes = FLOATS if either else (before.dtype,)  # type: ignore[union-attr]
        X, y = check_training_data(self, X, y, reset=before is None, dtypes=dtypes, **self._checks_of_y)
        targets = self._describe_targets(X, y, sample_weight, validation, classes, before, streaming)
        parameters = parameters or self._parameters()
        how = treatment(parameters, self._model, sparse.issparse(X), streaming)
        return describe(X, targets, parameters, self._model, self._penalty(), how, rng, before, streaming)

    def _penalty(self) -> ElasticNet:
        return L2(self.alpha)

    def _solve(self, trainings: list[Training], plan: Plan, problem: Problem) -> Training:
        """Train, and warn of what went wrong."""
        first_epoch = trainings[0].epochs
        beginnings = {id(training): None if plan.rate_is_auto else training.copy() for training in trainings}
        watched = bool(self.verbose or self._watch)
        drivers = [Driver(training, plan, problem, watched) for training in trainings]
        driver = drivers[0] if len(drivers) == 1 else best_of(drivers, self._train, plan.n_threads)
        if len(drivers) == 1:
            self._train(driver)
        name, beginning = type(self).__name__, beginnings[id(driver.training)]
        report(name, driver.training, plan, problem, beginning, first_epoch)
        return driver.training

    def _train(self, driver: Driver) -> Training:
        """Train, telling whoever watches of every epoch."""
        began, alone = time.perf_counter(), driver.plan.n_starts == 1
        for training in driver.run():
            if self.verbose:
                print(_line(training, time.perf_counter() - began))
            if self._watch is not None and alone:
                self._publish(training)
                if self._watch(self):
                    driver.stop("callback")
        return driver.training

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


def _line(training: Training, seconds: float) -> str:
    """What is printed of an epoch."""
    line = f"epoch {training.epochs:4d}  objective {training.losses.values[-1]:.6g}"
    if len(training.validation_losses):
        line += f"  validation {training.validation_losses.values[-1]:.6g}"
    return f"{line}  {seconds:.2f} s"
