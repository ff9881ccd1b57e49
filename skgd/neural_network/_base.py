"""What networks share."""

import functools
import sys
from numbers import Integral, Real
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from .._auto.description import settle_members
from .._auto.network import decide
from .._constructors import OF_NETWORKS
from .._fit import GradientDescentEstimator
from .._parallel import n_threads, total
from .._problem.network import INITS, NetworkModel
from .._problem.problem import Problem
from .._solvers.driver import Driver
from .._solvers.plan import Plan
from .._solvers.training import Training
from .._tails import squashed, unsquashed
from .._validation import Interval, StrOptions, check_fitted, check_rows_to_predict
from .._watch.run import Run
from ..activations import ACTIVATIONS, Activation
from ..schedules import SCHEDULES, Schedule
from ._ensemble import Raws, all_hold_out, calibrated, checked_slope, of_all, out_of_bag, raw_predictions_of
from ._held_out import validated
from ._linear_part import gone_on, learn_beside, linear_part, linear_part_of_few
from ._ready import Ready, are_few

NO_IMPORTANCES = (
    "{} has no feature_importances_: nothing in a network says by itself how much a feature counts. "
    "sklearn.inspection.permutation_importance measures it, which SelectFromModel takes as importance_getter=lambda "
    "model: permutation_importance(model, X, y).importances_mean; RFE, which drops columns on the way, can't; "
    "SequentialFeatureSelector needs no importances"
)


class NetworkEstimator(GradientDescentEstimator):
    """Layers, weights and raw predictions of feed-forward networks."""

    _parameter_constraints: dict = GradientDescentEstimator._parameter_constraints | {
        "hidden_layer_sizes": ["array-like", Integral],
        "activation": [StrOptions(set(ACTIVATIONS)), Activation],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "init": [StrOptions(INITS), tuple, list],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "n_members": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "schedule": [StrOptions({*SCHEDULES, "auto"}), Schedule, callable],
    }

    _written_elsewhere = OF_NETWORKS
    _encodes = True
    _model = NetworkModel
    _decide = staticmethod(decide)
    _linear: tuple[Training, ...] = ()  # of an ensemble whose members have a linear model beside them
    _constant: tuple[float, ...] = ()  # raw prediction of the constant model, where there are these
    linear_weight_: float
    calibration_slope_: float
    _BESIDE: ClassVar[dict] = {"_linear": (), "_constant": (), "linear_weight_": 0.0, "calibration_slope_": 1.0}
    _HAS_BESIDE = "a fit with linear models beside its members, or with categories, gaps or heavy tails in its columns"

    @property
    def _trainings(self) -> tuple[Training, ...]:
        """The training, or those of all members."""
        return self._training, *self._others

    def _parameters(self, X: Any = None, n_before: int = 0, streaming: bool = False) -> SimpleNamespace:
        parameters = super()._parameters(X, n_before, streaming)
        settle_members(parameters, X, n_before, streaming)
        return parameters

    def _publish(self, training: Training, *others: Training) -> None:
        super()._publish(training, *others)
        for name in "linear_weight_", "calibration_slope_":
            self.__dict__.setdefault(name, self._BESIDE[name])
        self._ready = Ready()

    def _published_parameters(self, training: Training, *others: Training) -> dict[str, Any]:
        trainings = training, *others
        units = [in_units_of_data(each) for each in trainings]
        coefs, intercepts = map(list, zip(*units, strict=True)) if others else units[0]
        last = [each.losses.values[-1] if len(each.losses) else np.nan for each in trainings]
        scores = [each.validation_score for each in trainings if each.validation_score is not None]
        n_outputs, out_activation = training.model.n_outputs, training.loss.out_activation
        return {
            "coefs_": coefs,
            "intercepts_": intercepts,
            "tails_": {} if self._tails is None else self._tails.by_column(),
            "n_members_": len(trainings),
            "n_layers_": len(training.model.sizes),
            "n_outputs_": n_outputs,
            "out_activation_": "logistic" if out_activation == "softmax" and n_outputs == 1 else out_activation,
            "loss_": float(np.mean(last)),
            "best_loss_": None if scores else float(np.mean([each.losses.least for each in trainings])),
            "best_validation_score_": float(np.mean(scores)) if scores else None,
        }

    def _finished(self, training: Training, plan: Plan, problem: Problem) -> Training:
        self._validated(training, plan, problem)
        return training

    def _validated(self, training: Training, plan: Plan, problem: Problem) -> np.ndarray | None:
        """Let the training know its score on rows that end it; raw predictions of these, if they are in memory."""
        if not plan.early_stopping or problem.validation is None:
            return None
        training.validation_score, raw = validated(training, problem.validation, n_threads(self.n_jobs))
        return raw

    def _solve(self, drivers: list[Driver], audience: Run | None, parameters: Any, goes_on: bool) -> list[Driver]:
        if not goes_on and parameters.n_members > 1 and all_hold_out(drivers):  # of restarts one is kept
            learn_beside(drivers, parameters, n_threads(self.n_jobs))
        return super()._solve(drivers, audience, parameters, goes_on)

    def _found(self, drivers: list[Driver], parameters: Any, goes_on: bool) -> dict[str, Any]:
        raws: Any = [self._validated(each.training, each.plan, each.problem) for each in drivers]
        if goes_on:  # members may have seen before what they hold out now
            if not self._linear:
                return {}
            return {"_linear": gone_on(drivers, parameters, self._linear), "calibration_slope_": 1.0}
        if parameters.linear_weight:
            return linear_part_of_few(drivers, parameters, n_threads(self.n_jobs))
        if not all_hold_out(drivers):
            return {}
        found, problem = linear_part(drivers, raws, n_threads(self.n_jobs)), drivers[0].problem
        return found | out_of_bag(problem, found.pop("held_out"))

    def _raw_predictions(self, X: ArrayLike) -> np.ndarray:
        """Outputs of the last layer in the units of y, of shape (n_rows, n_outputs); of an ensemble its mean."""
        raws, of_linear, weight, calibration = self._raw_predictions_of_members(X)
        return calibrated(of_all(self._training.loss, raws, of_linear, weight), *calibration)

    def _raw_predictions_of_members(self, X: Any) -> tuple[Raws, Raws | None, float, tuple]:
        """Those of each member, of the linear models beside them, if any, and their weight, slope and constant."""
        check_fitted(self)
        total_of = functools.partial(total, n_jobs=self.n_jobs)
        X = check_rows_to_predict(self, X, total_of, unsquashed(self._tails, self._training.scaling.center))
        X = squashed(self._tails, X)
        trainings, weight = self._trainings, self._weight_of_linear()
        calibration = (checked_slope(self), self._constant) if weight else (1.0, ())
        if are_few(X, trainings) and (ready := self._made_ready()) is not None:
            return *ready.raw_predictions(X), weight, calibration
        networks, workers = zip(trainings, self._parameters_to_predict(), strict=True), n_threads(self.n_jobs)
        raws = raw_predictions_of(X, networks, workers)
        if not weight:
            return raws, None, 0.0, calibration
        of_linear = raw_predictions_of(X, ((each, each.params) for each in self._linear), workers)
        return raws, of_linear, weight, calibration

    def _weight_of_linear(self) -> float:
        """What is published, or what the user made of it."""
        weight = float(vars(self).get("linear_weight_", 0.0))  # callbacks see estimators that have none
        if not 0 <= weight <= (1 if self._linear else 0):
            most = "1" if self._linear else "0, as there are no linear models beside the networks"
            raise ValueError(f"linear_weight_={weight} must be from 0 to {most}")
        return weight

    def _made_ready(self) -> Ready | None:
        """The members in one block; None where the user has changed what is published."""
        published, trainings = self._of_members(), self._trainings
        arrays = [array for each in published for part in each for array in part]
        ready = vars(self).get("_ready") or Ready()  # callbacks see estimators that have none
        if not ready.holds_for(arrays):
            exact = map(in_units_of_data, trainings)
            if not all(_same_arrays(*each) for each in zip(published, exact, strict=True)):
                return None
            ready.prepare(arrays, trainings, self._linear)
        return ready

    def _of_members(self) -> list[tuple]:
        """Matrices and biases of each member, as they are published, or as the user has changed them."""
        n_members = len(self._trainings)
        if n_members == 1:
            return [(self.coefs_, self.intercepts_)]
        if not len(self.coefs_) == len(self.intercepts_) == n_members:
            raise ValueError(f"coefs_ and intercepts_ must have an entry for each of the {n_members} members")
        return [*zip(self.coefs_, self.intercepts_, strict=True)]

    def _parameters_to_predict(self) -> list[np.ndarray]:
        """All parameters in scaled units, as predictions take them: the trainings', or what the user made of them."""
        return [self._to_predict(*each) for each in zip(self._trainings, self._of_members(), strict=True)]

    def _to_predict(self, training: Training, published: tuple) -> np.ndarray:
        model: Any = training.model
        params = training.params
        if not _same_arrays(published, in_units_of_data(training)):  # the user has changed them
            shapes = [*model.shapes], [(n_out,) for _, n_out in model.shapes]
            if tuple([np.shape(array) for array in part] for part in published) != shapes:
                raise ValueError(f"coefs_ and intercepts_ must keep their shapes, {shapes[0]} and {shapes[1]}")
            params = model.pack(published, training.scaling)
        return params.astype(training.dtype, copy=False)

    if not TYPE_CHECKING:  # for type checkers it would mean that there are attributes of any name

        def __getattr__(self, name: str) -> NoReturn:
            """Say of an attribute that isn't there why."""
            if name != "feature_importances_":
                return super().__getattribute__(name)  # which knows what to say
            # scikit-learn's selectors look for it with hasattr, which hides what an AttributeError says
            asked_by = sys._getframe(1).f_globals.get("__name__", "")
            kind = ValueError if asked_by.startswith("sklearn.feature_selection") else AttributeError
            raise kind(NO_IMPORTANCES.format(type(self).__name__))


def in_units_of_data(training: Training) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases as they are published."""
    coefs, intercepts = training.model.unpack(training.params, training.scaling)
    return [coef.astype(training.precision) for coef in coefs], [b.astype(training.precision) for b in intercepts]


def _same_arrays(one: tuple, other: tuple) -> bool:
    pairs = zip(one, other, strict=True)
    return all(len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in pairs)
