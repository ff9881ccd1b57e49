"""Stand-ins for scikit-learn's networks and for the optimizers below them."""

import types

import numpy as np
from peers.adaptor import Adaptor, StandIn
from sklearn import neural_network
from sklearn.neural_network import _stochastic_optimizers
from sklearn.utils.validation import _num_samples

from skgd import GDMLPClassifier, GDMLPRegressor
from skgd.optimizers import LBFGS, SGD, Adam, Optimizer
from skgd.schedules import Constant, ReduceOnPlateau, Schedule

SAME_NAME = {  # in both
    *("hidden_layer_sizes", "activation", "batch_size", "shuffle", "random_state", "verbose", "warm_start", "loss"),
    *("early_stopping", "validation_fraction", "max_iter", "tol"),
}
CUSTOMARY_BATCH_SIZE = 200
LEAST_RATE = 1e-6  # at which the peer's learning_rate="adaptive" ends


class InverseScalingOfRows(Schedule):
    """The peer's "invscaling": a power of the rows that were seen before the epoch."""

    def __init__(self, power, n_rows):
        self.power = power
        self.n_rows = n_rows

    def factor(self, t):
        return (1.0 + self.n_rows * np.floor(t + 1e-9)) ** -self.power


def optimizer_of(given):
    if given["solver"] == "lbfgs":
        return LBFGS()
    if given["solver"] == "sgd":
        return SGD(momentum=given["momentum"], nesterov=given["nesterovs_momentum"] and given["momentum"] > 0)
    return Adam(beta1=given["beta_1"], beta2=given["beta_2"], epsilon=given["epsilon"], epsilon_hat=True)


def patience_of(given):
    """The peer takes infinity, too: more than there are epochs."""
    return int(min(given["n_iter_no_change"], given["max_iter"]))


def schedule_of(given, n_rows):
    rate = given["learning_rate"] if given["solver"] == "sgd" else "constant"
    if rate == "invscaling":
        return InverseScalingOfRows(given["power_t"], n_rows)
    if rate == "adaptive":  # a fifth until it is below the least rate
        n_decays = np.ceil(np.log(given["learning_rate_init"] / LEAST_RATE) / np.log(5))
        return ReduceOnPlateau(0.2, patience_of(given), given["tol"], floor=0.2**n_decays)
    return Constant()


def of_network(given, n_rows):
    """MLPClassifier's and MLPRegressor's parameters for a fit of so many rows."""
    translated = {name: given[name] for name in SAME_NAME & given.keys()} | {"standardize": False}
    translated |= {"optimizer": optimizer_of(given), "schedule": schedule_of(given, n_rows)}
    batch = CUSTOMARY_BATCH_SIZE if given["batch_size"] == "auto" else given["batch_size"]
    if given["solver"] == "lbfgs":
        batch = n_rows
        # max_fun bounds the steps, too: each of them needs a value of the function at least
        translated |= {"criterion": "gradient", "max_iter": min(given["max_iter"], given["max_fun"])}
    else:
        translated["learning_rate"] = given["learning_rate_init"]
    translated["alpha"] = given["alpha"] / min(batch, n_rows)  # the peer divides its penalty by the rows of the batch
    translated["n_iter_no_change"] = patience_of(given) + 1  # the peer stops at more than it is given
    return translated


def rate_factor(schedule, losses):
    """That of the next epoch."""
    if isinstance(schedule, ReduceOnPlateau):
        return schedule.factor_after(losses)
    return float(schedule(np.array([float(len(losses))]))[0])


FITTED = {  # the peer's attributes that skgd has under other names, or not at all, from its model
    "loss_curve_": lambda model: model.loss_curve_.tolist(),
    # The peer's are accuracies or R^2, of skgd's losses the least is the best.
    "validation_scores_": lambda model: (-model.validation_curve_).tolist() if model.early_stopping else None,
    "best_validation_score_": lambda model: -model.validation_curve_.min() if model.early_stopping else None,
    # under the peer's private name its tests look for the rate of the next epoch
    "_optimizer": lambda model: types.SimpleNamespace(
        learning_rate=model.learning_rate_ * rate_factor(model.schedule, model.loss_curve_)
    ),
}


class Network(Adaptor):
    fitted = Adaptor.fitted | {
        "coefs_",
        "intercepts_",
        "n_layers_",
        "n_outputs_",
        "loss_",
        "best_loss_",
        "out_activation_",
    }

    _n_rows = 1  # of the last call, and the epochs before it
    _n_before = 0
    _init = "auto"

    def __getattr__(self, name):
        if name in FITTED and "_skgd" in self.__dict__:
            return FITTED[name](self._skgd)
        fitted = super().__getattr__(name)
        return fitted - self._n_before if name == "n_iter_" else fitted

    def translated(self):
        return of_network(self.get_params(), self._n_rows) | {"init": self._init}

    def _meet(self, X, goes_on):
        """Note the rows and the epochs before; the weights that a test has set are those to start from."""
        was_set = {name: self.__dict__.pop(name) for name in (self.fitted | FITTED.keys()) & self.__dict__.keys()}
        self._init = (was_set["coefs_"], was_set["intercepts_"]) if "coefs_" in was_set else "auto"
        self._n_rows = _num_samples(X)
        self._n_before = self._skgd.n_iter_ if goes_on and hasattr(self, "coefs_") else 0

    def fit(self, X, y, sample_weight=None):
        self._meet(X, self.warm_start)
        return super().fit(X, y, sample_weight=sample_weight)


class MLPRegressor(Network, peer=neural_network.MLPRegressor):
    estimator = GDMLPRegressor

    def partial_fit(self, X, y, sample_weight=None):
        self._meet(X, goes_on=True)
        self.skgd().partial_fit(X, y, sample_weight=sample_weight)
        return self


class MLPClassifier(Network, peer=neural_network.MLPClassifier):
    estimator = GDMLPClassifier

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self._meet(X, goes_on=True)
        self.skgd().partial_fit(X, y, classes=classes, sample_weight=sample_weight)
        return self

    def predict_proba(self, X):
        return self._skgd.predict_proba(X)

    def predict_log_proba(self, X):
        return self._skgd.predict_log_proba(X)


# -- optimizers


class BaseOptimizer(StandIn):
    """A skgd optimizer whose state is in attributes, lists of arrays as the peer has them.

    The rules run as plain Python: compiled, a product and its sum are rounded once, and the tests ask for NumPy's bits.
    """

    state = ()  # names of the attributes, in the order of skgd's slots
    t = 0

    def __init__(self, learning_rate_init=0.1, skgd=None):
        self.skgd = skgd or Optimizer(learning_rate_init)
        self.skgd.compiled_rule = lambda dtype: self.skgd.rule

    def update_params(self, params, grads):
        vectors = [getattr(self, name) for name in self.state[: self.skgd.n_slots]]
        slots = {i: np.array([vector[i].ravel() for vector in vectors]) for i in range(len(params))}
        self.skgd._update_state = {i: of.reshape(self.skgd.n_slots, params[i].size) for i, of in slots.items()}, self.t
        self.skgd.update(params, grads)


class SGDOptimizer(BaseOptimizer):
    state = ("velocities",)

    def __init__(self, params, learning_rate_init=0.1, lr_schedule="constant", momentum=0.9, nesterov=True):
        super().__init__(skgd=SGD(learning_rate_init, momentum, nesterov and momentum > 0))
        self.velocities = [np.zeros_like(param) for param in params]


class AdamOptimizer(BaseOptimizer):
    state = ("ms", "vs")

    def __init__(self, params, learning_rate_init=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        super().__init__(skgd=Adam(learning_rate_init, beta_1, beta_2, epsilon, epsilon_hat=True))
        self.ms, self.vs = ([np.zeros_like(param) for param in params] for _ in range(2))


NETWORKS = [MLPRegressor, MLPClassifier]
OPTIMIZERS = [BaseOptimizer, SGDOptimizer, AdamOptimizer]


def take_their_places():
    for adaptor in NETWORKS:
        setattr(neural_network, adaptor.__name__, adaptor)
    for adaptor in OPTIMIZERS:
        setattr(_stochastic_optimizers, adaptor.__name__, adaptor)
