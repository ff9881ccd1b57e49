"""The classes that take scikit-learn's places."""

import inspect

from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if


class NotOffered(NotImplementedError):
    """A parameter of the peer that has no counterpart in skgd."""


class StandIn:
    """Marks what takes the place of a peer."""


def has(name):
    """Whether the skgd estimator has the method; the error says why it hasn't."""

    def check(adaptor):
        getattr(adaptor.skgd(), name)
        return True

    return check


class Adaptor(StandIn, BaseEstimator):
    """Parameters and signatures of a peer, work and fitted attributes of a skgd estimator."""

    def __init_subclass__(cls, peer=None):
        super().__init_subclass__()
        if peer is not None:
            cls.peer = peer

            def __init__(self, *args, **kwargs):
                given = inspect.signature(peer).bind(*args, **kwargs)
                given.apply_defaults()
                self.__dict__.update(given.arguments)

            __init__.__signature__ = inspect.signature(peer.__init__)
            cls.__init__ = __init__

    fitted = {"coef_", "intercept_", "classes_", "n_iter_", "t_", "n_features_in_", "feature_names_in_"}

    def __getattr__(self, name):
        if name in self.fitted and "_skgd" in self.__dict__:
            return getattr(self._skgd, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def skgd(self):
        """The skgd estimator, the same one for the life of the adaptor, with the parameters as they are now."""
        if "_skgd" not in self.__dict__:
            self._skgd = self.estimator()
        return self._skgd.set_params(**self.translated())

    def __sklearn_tags__(self):
        return self.skgd().__sklearn_tags__()

    def fit(self, X, y, coef_init=None, intercept_init=None, sample_weight=None):
        if coef_init is not None or intercept_init is not None:
            raise NotOffered("coef_init, intercept_init")
        self.skgd().fit(X, y, sample_weight=sample_weight)
        return self

    def predict(self, X):
        return self._skgd.predict(X)

    def score(self, X, y, sample_weight=None):
        return self._skgd.score(X, y, sample_weight)

    @available_if(has("sparsify"))
    def sparsify(self):
        self._skgd.sparsify()
        return self
