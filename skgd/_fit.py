"""What all estimators share: parameters, the way from data to a trained model, and what is told about it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import check_random_state

from ._auto import auto
from ._kernels.structures import Data, Features, SparseFeatures
from ._parallel import n_threads
from ._problem.features import raw_features, read_only, scaled_rows, stored_alike
from ._problem.models import LinearObjective, Objective
from ._problem.scaling import Scaling, dense_moments, feature_scales
from ._solvers.driver import Loop, Plan
from ._solvers.restarts import best_of
from ._solvers.training import Training, new_training, same
from ._targets.classes import class_totals
from ._targets.validation_set import ValidationSet, hold_out
from ._validation import (
    FLOATS,
    Interval,
    RealNotInt,
    RemembersValidParameters,
    StrOptions,
    check_parameters,
    check_training_data,
)
from ._warnings import warn_user
from .losses import Loss
from .optimizers import OPTIMIZERS, Optimizer, get_optimizer
from .penalties import L2, Penalty
from .schedules import SCHEDULES, Constant, Schedule, get_schedule

# Standard deviations whose squares, sums and quotients float32 holds; data outside is computed in float64.
SAFE_FLOAT32 = (1e-15, 1e15)
SEEDS = 2**31 - 1
EPS = float(np.finfo(np.float64).eps)
_ALL_ROWS = np.empty(0, np.int64)  # as a subset


class GradientDescentEstimator(RemembersValidParameters, BaseEstimator):
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

    # -- what a kind of model decides

    _objective: Any  # its class

    def _make_objective(self, n_features: int, n_outputs: int, intercept_known: bool) -> Objective:
        raise NotImplementedError

    def _publish_parameters(self, training: Training) -> None:
        raise NotImplementedError

    def _auto_batch_size(
        self, X, n_rows: int, n_outputs: int, optimizer: Optimizer, loss: Loss, streaming: bool
    ) -> int:
        raise NotImplementedError

    def _n_starts(self) -> int:
        """How many fits from different starts the best one is chosen of."""
        return 1

    def _anneals(self, optimizer: Optimizer, streaming: bool) -> bool:
        """Whether skgd lets the rate go down to zero over all epochs."""
        return False

    def _with_exact_gradients(self, optimizer: Optimizer) -> Optimizer:
        """What the optimizer becomes where every update sees all rows."""
        return optimizer

    def _rate_from_data(self, data, loss, n_outputs, optimizer, batch_size, rows_seen, streaming) -> float | None:
        """A learning rate that theory gives for this data, or None."""
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # -- from data to a trained model

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Leave the estimator as it was if anything fails on the way."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _continues(self, streaming: bool) -> bool:
        return (streaming or self.warm_start) and hasattr(self, "_training")

    def _check_training_data(self, X, y, streaming, **of_targets):
        goes_on = self._continues(streaming)
        either = sparse.issparse(X) and self._objective is LinearObjective  # computes in float64 then
        dtypes = (self._training.dtype,) if goes_on and not either else FLOATS
        return check_training_data(self, X, y, reset=not goes_on, dtypes=dtypes, **of_targets)

    def _train(
        self,
        X: np.ndarray | sparse.csr_matrix,
        y: np.ndarray,
        n_outputs: int,
        weight: np.ndarray,
        loss: Loss,
        *,
        streaming: bool,
        stratify: np.ndarray | None = None,
        validation: ValidationSet | None = None,
    ) -> None:
        """Train on X, targets y of shape (n_rows, n_targets) and weights (empty: none), and publish the result."""
        if streaming:
            check_parameters(self)  # scikit-learn's decorator looks at the first call alone
        rng = check_random_state(self.random_state)
        n_rows, n_features = X.shape
        holds_out = bool(self.early_stopping) and validation is None
        rows, held_out = self._split(n_rows, weight, rng, stratify, streaming) if holds_out else (_ALL_ROWS, None)
        if not holds_out and weight.size and not weight.all():  # as if rows without weight weren't there
            rows = np.flatnonzero(weight)
        before = self._training.copy() if self._continues(streaming) else None
        optimizer = self._resolve_optimizer(len(rows) or n_rows, streaming, before)
        batch_size = self._resolve_batch_size(X, len(rows) or n_rows, n_outputs, optimizer, loss, streaming)
        if batch_size >= (len(rows) or n_rows) and not streaming:
            optimizer = self._with_exact_gradients(optimizer)
        loss.probe(y, n_outputs)

        data, moments = self._scaled_data(X, y, weight, rows, loss, before if streaming else None)
        storage = data.features.storage
        rows_seen = data.n_rows + (before.rows_seen if before is not None and streaming else 0)
        scaling = _scaling_of(data)
        constant = self._starting_constant(n_outputs, loss, data)
        given_rate = self.learning_rate, optimizer.learning_rate, self._anneals(optimizer, streaming)

        def rate_from_data():
            return self._rate_from_data(data, loss, n_outputs, optimizer, batch_size, rows_seen, streaming)

        if before is None:
            rate = self._resolve_rate(optimizer, rate_from_data)
            # On centred features and targets the best intercept is zero, if the loss is quadratic and no mean rounded.
            centered = self._centers(data.features) and moments[1] is not None and storage.dtype == np.float64
            intercept_known = loss.quadratic and centered and not streaming
            objective = self._make_objective(n_features, n_outputs, intercept_known)
            compute = objective.compute_dtype(storage)
            trainings = []
            for _ in range(1 if streaming else self._n_starts()):
                params, seed = objective.start(constant, scaling, rng), rng.randint(1, SEEDS)
                started = new_training(objective, loss, optimizer, scaling, params, compute, rate, given_rate, seed)
                trainings.append(replace(started, precision=storage.dtype))
            training = trainings[0]
        else:
            training = before
            trainings = [before]
            _check_continuity(training, self._make_objective(n_features, n_outputs, False), loss)
            if given_rate != training.given_rate or not same(optimizer, training.optimizer):
                training.learning_rate, training.rate_is_auto = self._resolve_rate(optimizer, rate_from_data)
                training.given_rate = given_rate
            training.go_on(optimizer, scaling, training.objective.compute_dtype(storage))
            training.precision = np.result_type(training.precision, storage.dtype)
        average = self.average.item() if isinstance(self.average, np.generic) else self.average
        if average is False:
            training.progress["averaged"] = 0
        self._moments = moments
        for started in trainings:
            started.rows_seen = rows_seen

        unseen = None if held_out is None else data._replace(subset=read_only(held_out))
        if validation is not None:
            unseen = _of_validation_set(validation, data)
        penalty = self._penalty()
        determined = penalty.l2 > 0 or loss.quadratic
        of_fit = data.n_rows, n_features, batch_size, optimizer, self.criterion, bool(self.early_stopping)
        schedule, tol = self._schedule_and_tol(
            optimizer, streaming, lambda: auto.auto_tol(*of_fit, determined, penalty.l1 > 0)
        )
        plan = Plan(
            batch_size=batch_size,
            max_iter=1 if streaming else self.max_iter,
            alpha=penalty.l2,
            l1=penalty.l1,
            schedule=schedule,
            backs_off=training.rate_is_auto,
            safe_rate=rate_from_data,
            constant=constant,
            streaming=streaming,
            early_stopping=bool(self.early_stopping),
            tol=tol,
            criterion=self.criterion,
            n_iter_no_change=self.n_iter_no_change,
            shuffle=self.shuffle,
            average=average,
            clip_norm=self.clip_norm,
            verbose=self.verbose,
            n_threads=n_threads(self.n_jobs),
            watch=None if self._watch is None else lambda training: self._show(training, batch_size),
        )
        self.__dict__.pop("restart_scores_", None)  # of an earlier fit
        if len(trainings) > 1:
            training, self.restart_scores_ = best_of(trainings, plan, data, unseen, plan.n_threads)
        else:
            Loop(training, plan, data, unseen).run()
        self._publish(training, batch_size)

    def _schedule_and_tol(
        self, optimizer: Optimizer, streaming: bool, auto_tol: Callable[[], float]
    ) -> tuple[Schedule | Callable, float | None]:
        """The schedule, and the tolerance: None where all epochs are run."""
        tol = auto_tol() if isinstance(self.tol, str) else self.tol
        return get_schedule(self.schedule, self.max_iter), None if streaming else tol

    def _penalty(self) -> Penalty:
        return L2(self.alpha)

    def _split(self, n_rows, weight, rng, stratify, streaming) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers to train on and to validate on."""
        if streaming:
            raise ValueError("early_stopping=True needs all data at once, partial_fit sees a part: set it to False")
        try:
            return hold_out(n_rows, self.validation_fraction, weight, stratify, rng)
        except ValueError as error:
            n_rows = np.count_nonzero(weight) if weight.size else n_rows
            raise ValueError(
                f"early_stopping=True can't hold out validation_fraction={self.validation_fraction} of {n_rows} rows: "
                f"{error}"
            ) from error

    def _resolve_optimizer(self, n_rows: int, streaming: bool, before: Training | None) -> Optimizer:
        if isinstance(self.optimizer, str) and self.optimizer == "auto":
            if streaming and before is not None:
                return auto.optimizer_after(before.optimizer)
            mini_batch = isinstance(self.batch_size, Integral) and self.batch_size < n_rows
            own_steps = self.learning_rate != "auto" or self.clip_norm is not None or self.average is not False
            own_steps = own_steps or not isinstance(get_schedule(self.schedule, self.max_iter), Constant)
            return auto.auto_optimizer(streaming, mini_batch, own_steps)
        optimizer = get_optimizer(self.optimizer)
        if self.learning_rate != "auto" and optimizer.learning_rate not in (None, self.learning_rate):
            warn_user(f"learning_rate={self.learning_rate} is used, not that of optimizer={optimizer}", UserWarning)
        return optimizer

    def _resolve_batch_size(
        self, X, n_rows: int, n_outputs: int, optimizer: Optimizer, loss: Loss, streaming: bool
    ) -> int:
        if self.batch_size is None or optimizer.searches_line:
            return n_rows
        if self.batch_size == "auto":
            return self._auto_batch_size(X, n_rows, n_outputs, optimizer, loss, streaming)
        return min(int(self.batch_size), n_rows)

    def _resolve_rate(self, optimizer: Optimizer, rate_from_data: Callable[[], float | None]) -> tuple[float, bool]:
        """The learning rate, and whether it was left to skgd: the estimator's, else the optimizer's, else derived."""
        if self.learning_rate != "auto":
            return float(self.learning_rate), False
        if optimizer.learning_rate is not None:
            return float(optimizer.learning_rate), self.optimizer == "auto"
        rate = rate_from_data()
        return (optimizer.default_learning_rate if rate is None else rate), True

    def _scaled_data(self, X, y, weight, rows, loss, before) -> tuple[Data, tuple]:
        """The data as kernels take it, with the scaling of its own rows and of those that `before` has seen."""
        d, k, n_workers = X.shape[1], y.shape[1], n_threads(self.n_jobs)
        y, weight, rows = map(read_only, (y, weight, rows))
        features = raw_features(X)
        target_center, target_scale, of_y = np.zeros(k), np.ones(k), None
        center, scale, of_X = np.zeros(d), np.ones(d), None
        data = Data(features, y, target_center, target_scale, weight, rows)
        standardize = self._standardization(features)
        if standardize:
            of_X = feature_scales(data, standardize, None if before is None else self._moments[0], n_workers)
            scale = of_X.scale(np.finfo(X.dtype).eps)
            center = of_X.mean if self._centers(features) else center
            if self._objective.compute_dtype(features.storage) == np.float32 and not _fits_float32(scale):
                features = raw_features(X.astype(np.float64))
        else:
            _check_raw_features(data)
        if loss.target_power is not None and self._scales_targets():
            of_y = dense_moments(y, weight, rows, "y", n_workers)
            if before is not None and self._moments[1] is not None:
                of_y = self._moments[1].merged(of_y)
            target_scale = of_y.scale(EPS)
            target_center = of_y.mean if self._centers_targets(features) else target_center
        # the center as the kernels see it, rounded to the dtype of X, is the center that counts
        dtype = self._objective.compute_dtype(features.storage)
        features = features._replace(center=center.astype(dtype), inverse_scale=(1.0 / scale).astype(dtype))
        data = data._replace(features=features, target_center=target_center, target_inverse_scale=1.0 / target_scale)
        return data, (of_X, of_y)

    def _standardization(self, features: Features | SparseFeatures) -> bool | str:
        """What `standardize` means for these features: True, False or "max_abs"."""
        if isinstance(self.standardize, str):
            return "max_abs" if self.standardize == "max_abs" or isinstance(features, SparseFeatures) else True
        return bool(self.standardize)

    def _centers(self, features: Features | SparseFeatures) -> bool:
        """Whether features are centred. Sparse ones never are: the free intercept makes up for it."""
        is_sparse = isinstance(features, SparseFeatures)
        return self._centers_targets(features) and not is_sparse and self._standardization(features) is True

    def _centers_targets(self, features: Features | SparseFeatures) -> bool:
        """Whether targets are centred; among raw features the intercept is left to the descent."""
        return bool(self._standardization(features)) and getattr(self, "fit_intercept", True)

    def _scales_targets(self) -> bool:
        return True

    def _starting_constant(self, n_outputs: int, loss: Loss, data: Data) -> np.ndarray:
        """Raw prediction of the constant model that training starts from, in scaled units."""
        y, weight = data.y, data.weight if data.weight.size else None
        if data.subset.size and is_classifier(self) and not loss.multilabel:
            # counted, where a copy of some rows' targets would be a good part of a narrow X
            weight = class_totals(y, data.weight, max(2, n_outputs), data.subset)
            y = np.arange(float(len(weight)))[:, None]
        elif data.subset.size:
            y, weight = y[data.subset], None if weight is None else weight[data.subset]
        constant = loss.best_constant(y, weight, n_outputs)
        if loss.target_power is not None:  # a class index has no scale
            constant = (constant - data.target_center) * data.target_inverse_scale
        return constant

    # -- what is told about it

    # Called with the estimator after every epoch, fitted as far as it has come; what is true stops the training.
    _watch: Callable[["GradientDescentEstimator"], object] | None = None

    def _show(self, training: Training, batch_size: int) -> object:
        self._publish(training, batch_size)
        assert self._watch is not None
        return self._watch(self)

    def _publish(self, training: Training, batch_size: int) -> None:
        self._training = training
        self._publish_parameters(training)
        self.optimizer_ = training.optimizer
        self.learning_rate_ = training.learning_rate
        self.batch_size_ = batch_size
        self.n_iter_ = training.epochs
        self.t_ = training.updates
        self.loss_curve_ = np.array(training.losses)
        self.validation_curve_ = np.array(training.validation_losses)
        self.gradient_norm_ = training.gradient_norm
        self.stop_reason_ = training.stop_reason
        self.converged_ = training.stop_reason == "converged"


def _of_validation_set(validation: ValidationSet, data: Data) -> Data:
    """The validation set as kernels take it, stored and scaled as the training data are."""
    features = raw_features(stored_alike(validation.X, data.features.storage))
    features = features._replace(center=data.features.center, inverse_scale=data.features.inverse_scale)
    y, weight = read_only(validation.y.astype(data.y.dtype, copy=False)), read_only(validation.weight)
    return data._replace(features=features, y=y, weight=weight, subset=read_only(_ALL_ROWS))


def _scaling_of(data: Data) -> Scaling:
    return Scaling(
        data.features.center.astype(np.float64),
        1.0 / data.features.inverse_scale.astype(np.float64),
        data.target_center,
        1.0 / data.target_inverse_scale,
    )


def _fits_float32(scale: np.ndarray) -> bool:
    low, high = SAFE_FLOAT32
    return bool(((scale > low) & (scale < high)).all())


def _check_continuity(training: Training, objective: Objective, loss: Loss) -> None:
    """Raise an error that names what changed since training began, if it can't go on."""
    now, then = objective.settings(), training.objective.settings()
    changed = [name for name in now if now[name] != then.get(name)]
    if not same(loss, training.loss):
        changed.append("loss")
    if changed:
        raise ValueError(
            f"training can't go on where it ended: {', '.join(changed)} changed since it began. Call fit with "
            "warm_start=False to begin anew"
        )


def _check_raw_features(data: Data) -> None:
    """Refuse raw features whose squares underflow, so that no gradient tells anything."""
    sample = scaled_rows(data.features, data.sample_rows(1000))
    largest = np.abs(sample.data if sparse.issparse(sample) else sample).max(initial=0)
    if 0 < largest < np.sqrt(np.finfo(data.features.inverse_scale.dtype).tiny):
        raise ValueError(
            f"standardize=False: the features are so small, {largest:.3g} at most, that their squares underflow; "
            "standardize=True brings them to one scale"
        )
