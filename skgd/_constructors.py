"""Errors of calls: they name the class or function called, and tell who comes from elsewhere what to write."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from sklearn.base import BaseEstimator

Function = TypeVar("Function", bound=Callable)


class AdvisesCallers:
    """Says what to write in place of parameters that a constructor doesn't take; stands before BaseEstimator.

    Constructors stay as they are, with their signatures: what they raise is put into better words.
    """

    _written_elsewhere: ClassVar[dict[str, str]] = {}  # parameters of other libraries: what to write here

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _advising(cls.__init__)  # type: ignore[method-assign]

    @functools.wraps(BaseEstimator.set_params)
    def set_params(self, **params):
        known = self.get_params(deep=False)  # type: ignore[attr-defined]
        for name in params:
            if name in self._written_elsewhere and name not in known:
                raise ValueError(_no_parameter(type(self), name, list(known)))
        return super().set_params(**params)  # type: ignore[misc]


def _advising(function: Callable, called: Any = None) -> Callable:
    """The same, but for words on what is wrong with the arguments of a constructor's class, or of what is called."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            words = _why_not_called(called or type(args[0]), inspect.signature(function), args, kwargs)
            if words is None:  # it is an error of the function's own
                raise
            raise TypeError(words) from error

    return call


def advises_callers(written_elsewhere: dict[str, str]) -> Callable[[Function], Function]:
    """Decorate a function that says what to write in place of parameters that it doesn't take, likewise."""

    def advising(function: Any) -> Any:
        function._written_elsewhere = written_elsewhere
        return _advising(function, function)

    return advising


def _why_not_called(called: Any, signature: inspect.Signature, args: tuple, kwargs: dict) -> str | None:
    """What is wrong with the arguments of a class or function; None if nothing is."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        known = [name for name in signature.parameters if name != "self"]
        unknown = [name for name in kwargs if name not in known]
        return _no_parameter(called, unknown[0], known) if unknown else f"{called.__name__}(): {error}"
    return None


def _no_parameter(called: Any, name: str, known: list[str]) -> str:
    advice = called._written_elsewhere.get(name)
    if advice is None:
        close = difflib.get_close_matches(name, known, 1, 0.7)
        advice = f"did you mean {close[0]}?" if close else f"it has {', '.join(known) or 'no parameters'}"
    return f"{called.__name__}() takes no {name}: {advice}"


RATES = dict.fromkeys(("lr", "eta0", "eta", "learning_rate_init"), "write learning_rate")
POWER = "schedule=skgd.schedules.InverseScaling(power=...)"
MOMENTUM = "write optimizer=skgd.optimizers.SGD(momentum=..., nesterov=...)"
ADAM = "write optimizer=skgd.optimizers.Adam(beta1=..., beta2=..., epsilon=...)"
NEEDLESS = "leave it out, "

OF_MINIMIZE = RATES | {
    "method": "write optimizer",
    "maxiter": "write max_iter",
    "options": "its parameters stand by themselves, as max_iter and tol",
    **dict.fromkeys(("hess", "hessp"), NEEDLESS + "curvature is found from gradients"),
}
OF_OPTIMIZERS = RATES | {
    "eps": "write epsilon",
    "betas": "write beta1 and beta2",
    "beta_1": "write beta1",
    "beta_2": "write beta2",
    "nesterovs_momentum": "write nesterov",
    "power_t": f"write {POWER} in the estimator",
}
OF_ESTIMATORS = RATES | {
    "C": "write alpha=1 / (C * n_rows), or 1 / (C * sample_weight.sum()), and standardize=False for a penalty on the "
    "coefficients of X as it is",
    "l1": 'write penalty="l1" and alpha',
    "l2": 'write penalty="l2" and alpha',
    "solver": 'write optimizer, best "auto" for linear models and "adam" for networks',
    "power_t": f"write {POWER}",
    **dict.fromkeys(("momentum", "nesterovs_momentum"), MOMENTUM),
    **dict.fromkeys(("beta_1", "beta_2", "beta1", "beta2"), ADAM),
    "epsilon": "write loss=skgd.losses.Huber(epsilon=...) or EpsilonInsensitive(epsilon=...)",
    "max_fun": NEEDLESS + "max_iter counts passes over the data",
    **dict.fromkeys(("max_epochs", "epochs", "n_epochs", "n_iter"), "write max_iter"),
    "weight_decay": "write alpha, or optimizer=skgd.optimizers.AdamW(weight_decay=...)",
    "dual": NEEDLESS + "the optimum is the same",
    "precompute": NEEDLESS + "that is decided from the data",
    "selection": NEEDLESS + "that is decided from the data",
    "copy_X": NEEDLESS + "X is never changed",
    "normalize": "write standardize",
    "intercept_scaling": NEEDLESS + "the intercept is never penalised",
    "multi_class": NEEDLESS + "log_loss takes all classes at once, other losses one against the rest",
    "positive": "skgd has no bounds on coefficients",
    "class_weight": "regressors have sample_weight in fit",
    "loss": "GDLinearClassifier has the other losses for classes",
    "quantile": "it is a parameter of regressors",
}
OF_NETWORKS = OF_ESTIMATORS | {
    "C": "write alpha",
    "penalty": "alpha is that of an L2 penalty, the only one",
    "l1_ratio": "alpha is that of an L2 penalty, the only one",
    "fit_intercept": NEEDLESS + "each unit has an intercept",
    "epsilon": ADAM,
}
OF_LINEAR_MODELS = OF_ESTIMATORS | {
    "hidden_layer_sizes": "GDMLPRegressor and GDMLPClassifier have layers",
    "activation": "GDMLPRegressor and GDMLPClassifier have layers",
}
SCHEDULED = 'Write schedule="{}", and learning_rate as a number, or leave that out.'
VALUES = {
    ("learning_rate", "constant"): SCHEDULED.format("constant"),
    ("learning_rate", "invscaling"): SCHEDULED.format("invscaling"),
    ("learning_rate", "optimal"): SCHEDULED.format("invscaling"),
    ("learning_rate", "adaptive"): SCHEDULED.format("plateau"),
}
