"""Fitted estimators as pickles: plain values with a format version, and formats of earlier releases.

A pickle holds the constructor's parameters, the training's state, and whatever isn't derived from it. What a line
search starts from is the point where it ended, so such a training is kept in the units of X: without scaling, moments
and scratch, which would be several times the model. `partial_fit` goes on from there with the moments of its own rows.
What has the value that fits with defaults give it isn't stored either: names take more room than small models.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone

from ._encoding import Encoding
from ._kernels.structures import Progress, State
from ._problem.model import LinearModel, penalty_factor
from ._problem.network import NetworkModel
from ._problem.scaling import LargestEntries, Moments, Scaling
from ._solvers.training import Curve, Training, new_progress, new_state, same
from ._tails import Tails
from ._validation import FLOATS
from ._version import __version__
from ._warnings import InconsistentVersionWarning, warn_user
from .activations import ACTIVATIONS
from .losses import LOSSES
from .optimizers import OPTIMIZERS

FORMAT = 4
FIRST_TO_SETTLE = 4  # whose linear models have average="auto"
MODELS: dict[str, Any] = {"linear": LinearModel, "network": NetworkModel}
MOMENTS: dict[str, Any] = {"moments": Moments, "largest": LargestEntries}
# What training goes on with, by itself and of its progress; what isn't here begins anew with every call. Values that a
# fit with defaults comes to aren't stored, here and among the estimator's parameters: a release in which they are other
# ones must raise the format.
PLAIN = {
    "learning_rate": 1.0,
    "rate_is_auto": True,
    "given_rate": ("auto", None, False),
    "loss_unit": 1.0,
    "facts": {},
    "plateau": (1.0, np.inf, 0, 0),
    "batch_size": 0,
    "rows_seen": 0,
    "updates": 0,
    "stop_reason": "converged",
    "gradient_norm": None,
    "restart_scores": None,
    "validation_score": None,
    "precision": "float64",
}
PROGRESS = "epoch", "update", "averaged", "random"
WITHOUT = PLAIN | {"scaling": None, "moments": (None, None), "losses": b"", "validation_losses": b""}
# without what users add: it may be missing elsewhere
NAMED_OPTIMIZERS, NAMED_LOSSES, NAMED_ACTIVATIONS = dict(OPTIMIZERS), dict(LOSSES), dict(ACTIVATIONS)
MADE_ANEW = "_run", "_ready", "_stream"  # of a fit in progress; for few rows to predict; for more to learn from
SHORT = 6  # bytes of a number that is stored so that it is the same in float32, and nearly so in float64


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
    """The training as a dictionary of arrays, bytes of arrays, numbers, strings and public objects."""
    state = {name: getattr(training, name) for name in PLAIN} | {
        "precision": training.precision.name,
        "model": _named_model(training.model),
        "loss": _name_or_object(training.loss, NAMED_LOSSES),
        "optimizer": _name_or_object(training.optimizer, NAMED_OPTIMIZERS),
        "progress": tuple(training.progress[name].item() for name in PROGRESS),
        "losses": training.losses.values.astype("<f8").tobytes(),
        "validation_losses": training.validation_losses.values.astype("<f8").tobytes(),
    }
    if training.optimizer.searches_line and training.model.kind is LinearModel.kind:
        exact = training.model.unpack(training.state.params, training.scaling)
        state["params"] = _as_bytes(training.model.pack(exact, _identity(training.model)), training.precision)
    else:
        state["arrays"] = {"params": training.state.params}
        if not training.optimizer.searches_line:  # else they tell of the path that led here
            state["arrays"]["slots"] = training.state.slots
        if training.progress["averaged"][0] > 0:
            state["arrays"]["average"] = training.state.average
        state["scaling"] = tuple(training.scaling)
        state["moments"] = tuple(None if each is None else _named(each, MOMENTS) for each in training.moments)
    return {name: value for name, value in state.items() if name not in WITHOUT or not _equal(value, WITHOUT[name])}


def unpacked(given: dict) -> Training:
    """The training that :func:`packed` made a dictionary of, in this format or an earlier one.

    Raises ValueError where its parts don't fit each other: files of strangers may hold anything.
    """
    given = WITHOUT | given
    optimizer, loss = _fresh(given["optimizer"], NAMED_OPTIMIZERS), _fresh(given["loss"], NAMED_LOSSES)
    model: Any = _made(given["model"], MODELS)
    if isinstance(model, NetworkModel):
        model.activation = _fresh(model.activation, NAMED_ACTIVATIONS)
    precision, progress = np.dtype(given["precision"]), given["progress"]
    arrays = {"params": _from_bytes(given["params"], precision)} if "params" in given else given["arrays"]
    scaling = _identity(model) if given["scaling"] is None else Scaling(*given["scaling"])
    moments = tuple(None if each is None else _made(each, MOMENTS) for each in given["moments"])
    params = arrays["params"]
    _check_shapes(model, params, scaling, moments)
    penalised, l1_counts = (model.penalised(penalty_factor(loss, scaling, degree)) for degree in (2, 1))
    n_slots = optimizer.n_slots if "slots" in arrays or not optimizer.searches_line else 0
    state = new_state(params, n_slots, params.dtype, penalised, l1_counts)._asdict()
    for name, array in arrays.items():
        state[name][...] = array
    of_progress = new_progress(0)
    for name, value in (progress if isinstance(progress, dict) else dict(zip(PROGRESS, progress, strict=True))).items():
        if name in (Progress.names or ()):
            of_progress[name] = value
    return Training(
        optimizer,
        State(**state),
        of_progress,
        model=model,
        loss=loss,
        scaling=scaling,
        moments=moments,
        losses=_curve(given["losses"]),
        validation_losses=_curve(given["validation_losses"]),
        **{name: given[name] for name in PLAIN} | {"precision": precision},
    )


def _curve(values: np.ndarray | bytes) -> Curve:
    return Curve(np.frombuffer(values, "<f8") if isinstance(values, bytes) else values)


def _as_bytes(params: np.ndarray, precision: np.dtype) -> bytes:
    """Parameters in the units of X; of float32 to 36 binary places, odd if some more were lost.

    So they round to the same float32, and with means of many standard deviations that is not enough.
    """
    bits = params.astype("<f8").view("<u8")
    if precision == np.float64:
        return bits.tobytes()
    n_lost = 8 * (8 - SHORT)
    shortened = (bits >> n_lost) | ((bits & (2**n_lost - 1)) != 0)
    return shortened.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :SHORT].tobytes()


def _from_bytes(stored: bytes, precision: np.dtype) -> np.ndarray:
    if precision == np.float64:
        return np.frombuffer(stored, "<f8").astype(np.float64)
    bits = np.zeros((len(stored) // SHORT, 8), np.uint8)
    bits[:, 8 - SHORT :] = np.frombuffer(stored, np.uint8).reshape(-1, SHORT)
    return bits.view("<f8").ravel().astype(np.float64)


def from_first_format(state: dict) -> Training:
    """The training of an estimator's state as skgd 0.1 pickled it; what now belongs to it is taken out of the state."""
    old = vars(state.pop("_training"))
    model = vars(old["objective"])
    facts = {"classes": state.get("classes_"), "class_totals": state.pop("_class_totals", None)}
    facts["one_target"] = state.pop("_one_target", None)
    plain = {name: old[name] for name in PLAIN if name in old}
    scale, power = old["scaling"].target_scale, old["loss"].target_power
    unit = float(scale[0] ** power) if power is not None and scale.size == 1 else 1.0
    defaults = {"restart_scores": state.get("restart_scores_"), "loss_unit": unit}
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


def _check_shapes(model: Any, params: np.ndarray, scaling: Scaling, moments: tuple) -> None:
    """Refuse arrays that don't fit the model: compiled code would read beyond their ends."""
    sizes = getattr(model, "sizes", (n_features(model), model.n_outputs))
    if not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        raise ValueError(f"this is no model as skgd stores it: it has the sizes {sizes}")
    of_features, of_targets = {(n_features(model),)}, {(1,), (model.n_outputs,)}
    expected = [("the parameters", params, {(model.n_params,)})]
    expected += [(name, getattr(scaling, name), of_features) for name in ("center", "scale")]
    expected += [(name, getattr(scaling, name), of_targets) for name in ("target_center", "target_scale")]
    for each, shapes in zip(moments, (of_features, of_targets), strict=True):
        vectors = [] if each is None else [name for name in vars(each) if name != "weight"]
        expected += [(name, getattr(each, name), shapes) for name in vectors]
    for name, array, shapes in expected:
        if not (isinstance(array, np.ndarray) and array.dtype in FLOATS and array.shape in shapes):
            raise ValueError(f"this is no model as skgd stores it: {name} must have floats of shape {max(shapes)}")


def _check_columns(state: dict, trainings: Sequence[Training]) -> None:
    """Refuse models of more or fewer columns than X has, or becomes."""
    encoding, n_given = state.get("_encoding"), state.get("n_features_in_")
    d = n_given if encoding is None or encoding.n_features != n_given else encoding.width
    if any(n_features(each.model) != d for each in trainings):
        raise ValueError(f"this is no model as skgd stores it: n_features_in_ must be {d}")
    if state.get("_tails") is not None and not state["_tails"].are_of(d):
        raise ValueError(f"this is no model as skgd stores it: tails must be of its {d} columns")


def n_features(model: Any) -> int:
    """Columns of X that the model takes."""
    return model.n_features if isinstance(model, LinearModel) else model.sizes[0]


def _fresh(part: Any, table: Mapping[Any, Callable]) -> Any:
    """What a name stands for; of an object another one with its parameters, without whatever else a file has set."""
    return table[part]() if isinstance(part, str) else clone(part)


def _named(thing: Any, names: dict[str, type]) -> tuple:
    """The name of a thing's class, and the values that make it."""
    (name,) = (name for name, cls in names.items() if type(thing) is cls)
    return (name, *(getattr(thing, each) for each in inspect.signature(type(thing)).parameters))


def _named_model(model: Any) -> tuple:
    """The same of a model; what weights a network began with is left out."""
    if not isinstance(model, NetworkModel):
        return _named(model, MODELS)
    return "network", model.sizes, _name_or_object(model.activation, NAMED_ACTIVATIONS), "auto", model.dropout


def _made(named: tuple, names: dict[str, type]) -> Any:
    """What :func:`_named` has named; earlier formats hold attributes by name."""
    name, *values = named
    make = names[name]
    if len(values) == 1 and isinstance(values[0], dict):
        return make(**{each: values[0][each] for each in inspect.signature(make).parameters if each in values[0]})
    return make(*values)


def _name_or_object(thing: Any, table: Mapping[Any, Callable]) -> Any:
    """The name in the table under which there is the same; itself where there is none."""
    return next((name for name, make in table.items() if same(make(), thing)), thing)


@functools.cache
def _defaults(cls: type) -> dict[str, Any]:
    """The defaults of a class's parameters that nothing can change; none of users' classes, who may change them."""
    parameters = inspect.signature(cls).parameters.values() if cls.__module__.startswith("skgd.") else ()
    return {each.name: each.default for each in parameters if isinstance(each.default, str | Number | tuple | None)}


class Pickles(BaseEstimator):
    """How estimators are pickled and copied.

    They have `_training`, if they are fitted, and `_published(training)`: the fitted attributes that follow from it.
    """

    _published: Any
    _publish: Any

    def __getstate__(self) -> dict:
        """What isn't derived from the training's state, and that state."""
        state = super().__getstate__().copy()
        for name in (*MADE_ANEW, "oob_prediction_"):  # that is as long as the data
            state.pop(name, None)
        for name, default in _defaults(type(self)).items():  # type: ignore[arg-type]
            if name in state and _equal(state[name], default):
                del state[name]
        if state.get("_encoding") is not None:
            state["_encoding"] = state["_encoding"].state()
        if state.get("_tails") is not None:
            state["_tails"] = state["_tails"]._asdict()
        training, others, linear = state.pop("_training", None), state.pop("_others", ()), state.pop("_linear", ())
        if training is not None:
            state["_training_state"] = packed(training)
            for name, trainings in ("_states_of_others", others), ("_states_of_linear", linear):
                if trainings:
                    state[name] = [packed(each) for each in trainings]
            published = self._published(training, *others)
            if sparse.issparse(state.get("coef_")):  # which not every way of storing knows
                state["coef_"] = state["coef_"].toarray().reshape(published["coef_"].shape)
                state["_sparsified"] = True
            for name, value in published.items():
                if name in state and _equal(state[name], value):
                    del state[name]
        return state | {"_skgd_version": __version__, "_skgd_format": FORMAT}

    def __setstate__(self, state: dict) -> None:
        defaults = _defaults(type(self))  # type: ignore[arg-type]
        if state.get("_skgd_format", 1) < FIRST_TO_SETTLE:
            defaults = defaults | {"average": False}
            if state.get("standardize", defaults.get("standardize")) == "auto":  # what it was then, for what goes on
                moments = state.get("_training_state", {}).get("moments", ())
                is_sparse = any(each is not None and each[0] == "largest" for each in moments)
                state = state | {"standardize": "max_abs"} if is_sparse else state
        state = defaults | state
        check_version(state, type(self).__name__, __version__)
        stored = (state.pop(name, ()) for name in ("_states_of_others", "_states_of_linear"))
        training, (others, linear) = None, ([unpacked(each) for each in states] for states in stored)
        if "_training_state" in state:
            training = unpacked(state.pop("_training_state"))
            for name in ("_training", "_others", "_linear"):  # nobody but strangers would store both
                state.pop(name, None)
        elif "_training" in state:
            training = from_first_format(state)
        sparsified = state.pop("_sparsified", False)
        if training is not None:
            for name in ("_encoding", "_tails"):  # those of another model don't outlive it
                self.__dict__.pop(name, None)
            if state.get("_encoding") is not None:
                state["_encoding"] = Encoding(**state["_encoding"])
            if state.get("_tails") is not None:
                self.__dict__["_tails"] = state["_tails"] = Tails(**state["_tails"])  # attributes follow from it
            _check_columns(state, [training, *others, *linear])
            self._publish(training, *others)
            if linear and len(linear) != 1 + len(others):
                raise ValueError("this is no model as skgd stores it: each member has a linear model, or none has")
            if linear:
                self._linear = tuple(linear)
        super().__setstate__(state)
        if sparsified:
            self.sparsify()  # type: ignore[attr-defined]

    def __copy__(self) -> Self:
        """A copy, which pickles leave something out of, has everything: training goes on from it to the same bits."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        for name in MADE_ANEW:
            other.__dict__.pop(name, None)
        return other

    def __deepcopy__(self, memo: dict) -> Self:
        other = type(self).__new__(type(self))
        attributes = {name: value for name, value in self.__dict__.items() if name not in ("_run", "_stream")}
        other.__dict__.update(copy.deepcopy(attributes, memo))
        return other


def _equal(one: object, other: object) -> bool:
    """Whether two attributes are the same to the bit, and of one type."""
    if type(one) is type(other) and isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if type(one) is type(other) and isinstance(one, int | float | str | bytes):
        return repr(one) == repr(other)
    return one is other or (isinstance(one, dict) and isinstance(other, dict) and not one and not other)
