"""Fitted estimators as pickles: plain values with a format version, and formats of earlier releases.

A pickle holds the constructor's parameters, the training's state, and whatever isn't derived from it. What a line
search starts from is the point where it ended, so such a training is kept in the units of X: without scaling, moments
and scratch, which would be several times the model. `partial_fit` goes on from there with the moments of its own rows.
"""

import copy
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from ._kernels.structures import Progress, State
from ._problem.model import LinearModel, penalty_factor
from ._problem.network import NetworkModel
from ._problem.scaling import LargestEntries, Moments, Scaling
from ._solvers.training import Curve, Training, new_progress, new_state
from ._version import __version__
from ._warnings import InconsistentVersionWarning, warn_user

FORMAT = 2
MODELS: dict[str, Any] = {"linear": LinearModel, "network": NetworkModel}
MOMENTS: dict[str, Any] = {"moments": Moments, "largest": LargestEntries}
PLAIN = (
    *("learning_rate", "rate_is_auto", "given_rate", "loss_unit", "facts", "plateau", "batch_size", "rows_seen"),
    *("updates", "stop_reason", "gradient_norm", "restart_scores", "precision"),
)


def check_version(state: dict, name: str, version: str) -> None:
    """Warn where another release made the pickle, refuse one of a format that is yet to come."""
    made_by, made_as = state.pop("_skgd_version", "0.1.0"), state.pop("_skgd_format", 1)
    if made_as > FORMAT:
        raise ValueError(f"this pickle of {name} was made by skgd {made_by}, and skgd {version} can't read its format")
    if made_by != version:
        warn_user(
            f"{name} was pickled by skgd {made_by} and is loaded by {version}: results may differ in last digits",
            InconsistentVersionWarning,
        )


def packed(training: Training) -> dict:
    """The training as a dictionary of arrays, numbers, strings and public objects."""
    arrays = {"params": training.state.params, "slots": training.state.slots}
    if training.progress["averaged"][0] > 0:
        arrays["average"] = training.state.average
    scaling, moments = training.scaling, training.moments
    if training.optimizer.searches_line:
        if training.model.kind is LinearModel.kind:
            identity = _identity(training.model)
            exact = training.model.unpack(training.state.params, scaling)
            arrays["params"], scaling, moments = training.model.pack(exact, identity), None, (None, None)
        del arrays["slots"]  # which then tell of the path that led here
    return {name: getattr(training, name) for name in PLAIN} | {
        "model": _named(training.model, MODELS),
        "loss": training.loss,
        "optimizer": training.optimizer,
        "scaling": None if scaling is None else tuple(scaling),
        "moments": tuple(None if each is None else _named(each, MOMENTS) for each in moments),
        "arrays": arrays,
        "progress": {name: training.progress[name].item() for name in Progress.names or ()},
        "losses": training.losses.values.copy(),
        "validation_losses": training.validation_losses.values.copy(),
    }


def unpacked(given: dict) -> Training:
    """The training that :func:`packed` made a dictionary of."""
    model, arrays, optimizer = _made(given["model"], MODELS), given["arrays"], given["optimizer"]
    scaling = _identity(model) if given["scaling"] is None else Scaling(*given["scaling"])
    params, loss = arrays["params"], given["loss"]
    penalised, l1_counts = (model.penalised(penalty_factor(loss, scaling, degree)) for degree in (2, 1))
    state = new_state(params, optimizer, params.dtype, penalised, l1_counts)._asdict()
    for name, array in arrays.items():
        state[name][...] = array
    progress = new_progress(0)
    for name, value in given["progress"].items():
        if name in (Progress.names or ()):
            progress[name] = value
    return Training(
        optimizer,
        State(**state),
        progress,
        model=model,
        loss=loss,
        scaling=scaling,
        moments=tuple(None if each is None else _made(each, MOMENTS) for each in given["moments"]),
        losses=Curve(given["losses"]),
        validation_losses=Curve(given["validation_losses"]),
        **{name: given[name] for name in PLAIN},
    )


def from_first_format(state: dict) -> Training:
    """The training of an estimator's state as skgd 0.1 pickled it; what now belongs to it is taken out of the state."""
    old = vars(state.pop("_training"))
    model = vars(old["objective"])
    facts = {"classes": state.get("classes_"), "class_totals": state.pop("_class_totals", None)}
    facts["one_target"] = state.pop("_one_target", None)
    plain = {name: old[name] for name in PLAIN if name in old}
    scale, power = old["scaling"].target_scale, old["loss"].target_power
    unit = float(scale[0] ** power) if power is not None and scale.size == 1 else 1.0
    defaults = {"plateau": (1.0, np.inf, 0, 0), "restart_scores": state.get("restart_scores_"), "loss_unit": unit}
    kept = {name: array for name, array in old["state"]._asdict().items() if array.size}
    moments = state.pop("_moments", (None, None))
    return unpacked(
        defaults
        | plain
        | {
            "facts": {name: value for name, value in facts.items() if value is not None},
            "batch_size": state["batch_size_"],
            "model": ("network" if "sizes" in model else "linear", model),
            "loss": old["loss"],
            "optimizer": old["optimizer"],
            "scaling": tuple(old["scaling"]),
            "moments": tuple(None if each is None else _named(each, MOMENTS) for each in moments),
            "arrays": {name: kept[name] for name in ("params", "slots", "average") if name in kept},
            "progress": {name: old["progress"][name].item() for name in old["progress"].dtype.names},
            "losses": np.array(old["losses"]),
            "validation_losses": np.array(old["validation_losses"]),
        }
    )


def _identity(model: Any) -> Scaling:
    """The scaling that changes nothing."""
    d, k = model.n_features, model.n_outputs
    return Scaling(np.zeros(d), np.ones(d), np.zeros(k), np.ones(k))


def _named(thing: Any, names: dict[str, type]) -> tuple[str, dict]:
    (name,) = (name for name, cls in names.items() if type(thing) is cls)
    return name, dict(vars(thing))


def _made(named: tuple[str, dict], names: dict[str, type]) -> Any:
    name, attributes = named
    thing: Any = object.__new__(names[name])
    thing.__dict__.update(attributes)
    return thing


class Pickles(BaseEstimator):
    """How estimators are pickled and copied.

    They have `_training`, if they are fitted, and `_published(training)`: the fitted attributes that follow from it.
    """

    _published: Any
    _publish: Any

    def __getstate__(self) -> dict:
        """What isn't derived from the training's state, and that state."""
        state = super().__getstate__().copy()
        training = state.pop("_training", None)
        if training is not None:
            state["_training_state"] = packed(training)
            for name, value in self._published(training).items():
                if name in state and _equal(state[name], value):
                    del state[name]
        return state | {"_skgd_version": __version__, "_skgd_format": FORMAT}

    def __setstate__(self, state: dict) -> None:
        state = dict(state)
        check_version(state, type(self).__name__, __version__)
        training = None
        if "_training_state" in state:
            training = unpacked(state.pop("_training_state"))
        elif "_training" in state:
            training = from_first_format(state)
        if training is not None:
            self._publish(training)
        super().__setstate__(state)

    def __copy__(self) -> Self:
        """A copy, which pickles leave something out of, has everything: training goes on from it to the same bits."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __deepcopy__(self, memo: dict) -> Self:
        other = type(self).__new__(type(self))
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return other


def _equal(one: object, other: object) -> bool:
    """Whether two attributes are the same to the bit; lists hold arrays."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and (one is other or (isinstance(one, int | float | str) and one == other))
