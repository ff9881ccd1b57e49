"""Stand-ins for scikit-learn's linear models."""

import importlib

import numpy as np
from peers.adaptor import Adaptor, NotOffered, has
from scipy.special import expit
from sklearn import linear_model
from sklearn.linear_model import _glm
from sklearn.utils.metaestimators import available_if

from skgd import GDLinearClassifier, GDLinearRegressor
from skgd.losses import (
    CLASS_LOSSES,
    EpsilonInsensitive,
    Gamma,
    Huber,
    Loss,
    Poisson,
    SquaredEpsilonInsensitive,
    SquaredError,
    Tweedie,
)
from skgd.schedules import InverseScaling


class Proportion(Loss):
    """Half the binomial deviance with a logit link, for targets from 0 to 1: log(1 + exp(raw)) - y raw."""

    curvature = 0.25

    @staticmethod
    def pointwise(raw, y, weight, hyper, derivative):
        total = 0.0
        for i in range(raw.shape[0]):
            z, e = raw[i, 0], np.exp(-abs(raw[i, 0]))
            total += weight[i] * (np.log1p(e) + max(z, 0.0) - y[i, 0] * z)
            derivative[i, 0] = weight[i] * ((1.0 if z > 0.0 else e) / (1.0 + e) - y[i, 0])
        return total

    def predict(self, raw):
        return expit(raw)


# -- the peers' parameters in skgd's words

GLM_LOSSES = {  # by the class of scikit-learn's loss
    "HalfSquaredError": lambda loss: SquaredError(),
    "HalfBinomialLoss": lambda loss: Proportion(),
    "HalfPoissonLoss": lambda loss: Poisson(),
    "HalfGammaLoss": lambda loss: Gamma(),
    "HalfTweedieLoss": lambda loss: Tweedie(power=float(loss.closs.power)),
    "HalfTweedieLossIdentity": lambda loss: _with_identity(float(loss.closs.power)),
}
SGD_LOSSES = {
    "squared_error": lambda epsilon: SquaredError(),
    "huber": Huber,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
}
SAME_NAME = {  # in both
    *("penalty", "alpha", "fit_intercept", "max_iter", "tol", "shuffle", "verbose", "random_state", "early_stopping"),
    *("validation_fraction", "n_iter_no_change", "class_weight", "warm_start"),
}


def _with_identity(power):
    if power == 0:
        return SquaredError()
    raise NotOffered(f"Tweedie deviance of power {power} with an identity link")


def of_sgd(given):
    """SGDClassifier's and SGDRegressor's parameters: steps row by row at their rates, "auto" for rate "optimal"."""
    translated = {name: given[name] for name in SAME_NAME & given.keys()} | {"standardize": False}
    if given["penalty"] == "elasticnet":
        translated["l1_ratio"] = given["l1_ratio"]
    first = int(given["average"])  # the peer's first update that counts; skgd's number of those that don't
    translated["average"] = first - 1 if first else False
    loss, rate = given["loss"], given["learning_rate"]
    if "class_weight" in given:
        if loss not in CLASS_LOSSES:
            raise NotOffered(f"loss={loss!r} for classes")
        translated["loss"] = loss
    else:
        translated["loss"] = SGD_LOSSES[loss](given["epsilon"])
    if rate in ("pa1", "pa2"):
        raise NotOffered("passive-aggressive steps")
    if rate != "optimal":
        schedule = InverseScaling(given["power_t"]) if rate == "invscaling" and given["power_t"] != 0 else "constant"
        translated |= {"optimizer": "sgd", "batch_size": 1, "learning_rate": given["eta0"], "schedule": schedule}
        if rate == "adaptive":
            translated["schedule"] = "plateau"
    return translated


def of_glm(given, loss):
    """Parameters of generalised linear models: their solvers stop by the largest entry of the gradient."""
    translated = {name: given[name] for name in SAME_NAME & given.keys()}
    translated |= {"loss": GLM_LOSSES[type(loss).__name__](loss), "criterion": "gradient"}
    return translated | {"standardize": False, "optimizer": "lbfgs"}


# -- the classes


class SGDRegressor(Adaptor, peer=linear_model.SGDRegressor):
    estimator = GDLinearRegressor

    def translated(self):
        return of_sgd(self.get_params())

    def partial_fit(self, X, y, sample_weight=None):
        self.skgd().partial_fit(X, y, sample_weight=sample_weight)
        return self


class SGDClassifier(Adaptor, peer=linear_model.SGDClassifier):
    estimator = GDLinearClassifier
    loss_functions = linear_model.SGDClassifier.loss_functions

    def translated(self):
        return of_sgd(self.get_params())

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.skgd().partial_fit(X, y, classes=classes, sample_weight=sample_weight)
        return self

    def decision_function(self, X):
        return self._skgd.decision_function(X)

    @available_if(has("predict_proba"))
    def predict_proba(self, X):
        return self._skgd.predict_proba(X)

    @available_if(has("predict_log_proba"))
    def predict_log_proba(self, X):
        return self._skgd.predict_log_proba(X)


class GeneralizedLinearRegressor(Adaptor, peer=_glm._GeneralizedLinearRegressor):
    estimator = GDLinearRegressor

    def _get_loss(self, *namespace):
        """scikit-learn's loss, from which its tests compute the optimum by themselves."""
        return self.peer(**self.get_params())._get_loss(*namespace)

    def translated(self):
        return of_glm(self.get_params(), self._get_loss())

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight)


class PoissonRegressor(GeneralizedLinearRegressor, peer=linear_model.PoissonRegressor):
    pass


class GammaRegressor(GeneralizedLinearRegressor, peer=linear_model.GammaRegressor):
    pass


class TweedieRegressor(GeneralizedLinearRegressor, peer=linear_model.TweedieRegressor):
    pass


ADAPTORS = [SGDRegressor, SGDClassifier, PoissonRegressor, GammaRegressor, TweedieRegressor]


def take_their_places():
    for adaptor in ADAPTORS:
        setattr(linear_model, adaptor.__name__, adaptor)
    for module in (_glm, importlib.import_module("sklearn.linear_model._glm.glm")):
        module._GeneralizedLinearRegressor = GeneralizedLinearRegressor
