"""Activations of networks: scalar functions and their derivatives, compiled into the training loop."""

import math
from types import FunctionType
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, clone

from ._constructors import AdvisesCallers
from ._kernels.elementary import exp, expm1
from ._warnings import warn_user

SLOPE_BELOW_ZERO = 0.01  # of LeakyReLU, customary
FAR = 800.0  # below -FAR functions that come back to zero are zero, where z times zero would be NaN for infinite z
SQRT_HALF = math.sqrt(0.5)
INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
PROBE_POINTS = (-3.1, -1.2, -0.4, 0.3, 0.9, 2.7)
PROBE_STEP, PROBE_TOLERANCE = 1e-6, 1e-4


class Activation(AdvisesCallers, BaseEstimator):
    """A function of a unit's input, with its derivative.

    A subclass gives both as static methods of plain Python over floats, which are compiled into the training loop.

    Attributes
    ----------
    from_output : bool, default=False
        Whether ``derivative`` looks at the output a alone: then inputs z aren't kept, which saves memory, and z is a
        as well. With dropout ``derivative`` must be finite for a = 0, too, the output of units that are left out.
    default_init : str, default="glorot"
        What ``init="auto"`` means. With "he", which keeps the size of signals through layers of relu, networks of one
        to six layers predicted worse than with "glorot" on most data tried, so that all named activations have that.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDMLPRegressor
    >>> from skgd.activations import Activation
    >>> class Sine(Activation):
    ...     @staticmethod
    ...     def function(z):
    ...         return np.sin(z)
    ...     @staticmethod
    ...     def derivative(z, a):
    ...         return np.cos(z)
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> model = GDMLPRegressor(hidden_layer_sizes=(10,), activation=Sine(), optimizer="lbfgs", random_state=0)
    >>> model.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99
    True
    """

    from_output: bool = False
    default_init: str = "glorot"

    @staticmethod
    def function(z: float) -> float:
        """The output a for the input z."""
        raise NotImplementedError("an Activation needs a static method function(z)")

    @staticmethod
    def derivative(z: float, a: float) -> float:
        """The slope at the input z, where the output is a."""
        raise NotImplementedError("an Activation needs a static method derivative(z, a)")

    def probe(self) -> None:
        """Compare a user's derivative with finite differences at some points, and warn where they disagree.

        Raises
        ------
        ValueError
            If a method is missing, isn't a static Python function, or fails.
        """
        if type(self).__module__ == __name__ and type(self) is not Activation:
            return
        function, derivative = type(self).function, type(self).derivative  # as kernels take them: without self
        needed = f"activation={self!r} needs the static methods function(z) and derivative(z, a)"
        if not all(isinstance(part, FunctionType) or hasattr(part, "py_func") for part in (function, derivative)):
            raise ValueError(f"{needed}, written as Python functions")
        wrong = []
        with np.errstate(all="ignore"):
            for z in PROBE_POINTS:
                try:
                    rise = float(function(z + PROBE_STEP)) - float(function(z - PROBE_STEP))
                    slope = float(derivative(function(z) if self.from_output else z, function(z)))
                except (TypeError, ValueError, ArithmeticError, NotImplementedError) as error:
                    raise ValueError(f"{needed}, which return a float for any z, as {z}: {error}") from error
                expected = rise / (2.0 * PROBE_STEP)
                if not abs(slope - expected) <= PROBE_TOLERANCE * max(1.0, abs(expected)):
                    wrong.append(z)
        if len(wrong) > 1:  # one may be a kink
            warn_user(
                f"{type(self).__name__}.derivative isn't the derivative of its function, by finite differences at "
                f"{wrong}",
                RuntimeWarning,
            )


class Identity(Activation):
    """z itself: a linear layer.

    Examples
    --------
    >>> from skgd.activations import Identity
    >>> a = Identity.function(1.0)
    >>> print(round(a, 4), round(Identity.derivative(1.0, a), 4))
    1.0 1.0
    """

    from_output = True

    @staticmethod
    def function(z):
        return z

    @staticmethod
    def derivative(z, a):
        return 1.0


class Logistic(Activation):
    r"""1 / (1 + exp(-z)).

    .. math:: \phi(z) = \frac{1}{1 + e^{-z}}

    Examples
    --------
    >>> from skgd.activations import Logistic
    >>> a = Logistic.function(1.0)
    >>> print(round(a, 4), round(Logistic.derivative(1.0, a), 4))
    0.7311 0.1966
    """

    from_output = True

    @staticmethod
    def function(z):
        e = exp(-abs(z))
        return (1.0 if z >= 0.0 else e) / (1.0 + e)

    @staticmethod
    def derivative(z, a):
        return a * (1.0 - a)


class Tanh(Activation):
    r"""tanh(z).

    .. math:: \phi(z) = \tanh(z)

    Examples
    --------
    >>> from skgd.activations import Tanh
    >>> a = Tanh.function(1.0)
    >>> print(round(a, 4), round(Tanh.derivative(1.0, a), 4))
    0.7616 0.42
    """

    from_output = True

    @staticmethod
    def function(z):
        e = expm1(2.0 * abs(z))
        a = e / (e + 2.0)
        return -a if z < 0.0 else a

    @staticmethod
    def derivative(z, a):
        return 1.0 - a * a


class ReLU(Activation):
    r"""max(z, 0), with slope 0 at 0.

    .. math:: \phi(z) = \max(z,\; 0)

    References
    ----------
    Nair and Hinton 2010, Rectified linear units improve restricted Boltzmann machines.

    Examples
    --------
    >>> from skgd.activations import ReLU
    >>> a = ReLU.function(-1.0)
    >>> print(round(a, 4), round(ReLU.derivative(-1.0, a), 4))
    0.0 0.0
    """

    from_output = True

    @staticmethod
    def function(z):
        return 0.0 if z < 0.0 else z  # not max(), which would turn NaN into 0

    @staticmethod
    def derivative(z, a):
        return 0.0 if a <= 0.0 else 1.0


class LeakyReLU(Activation):
    r"""max(z, 0.01 z): relu that never dies.

    .. math:: \phi(z) = \max(z,\; 0.01\, z)

    References
    ----------
    Maas, Hannun and Ng 2013, Rectifier nonlinearities improve neural network acoustic models.

    Examples
    --------
    >>> from skgd.activations import LeakyReLU
    >>> a = LeakyReLU.function(-1.0)
    >>> print(round(a, 4), round(LeakyReLU.derivative(-1.0, a), 4))
    -0.01 0.01
    """

    from_output = True

    @staticmethod
    def function(z):
        return SLOPE_BELOW_ZERO * z if z < 0.0 else z

    @staticmethod
    def derivative(z, a):
        return SLOPE_BELOW_ZERO if a <= 0.0 else 1.0


class ELU(Activation):
    r"""z above 0, exp(z) - 1 below.

    .. math:: \phi(z) = z \text{ if } z > 0, \text{ else } e^z - 1

    References
    ----------
    Clevert, Unterthiner and Hochreiter 2016, Fast and accurate deep network learning by exponential linear units.

    Examples
    --------
    >>> from skgd.activations import ELU
    >>> a = ELU.function(-1.0)
    >>> print(round(a, 4), round(ELU.derivative(-1.0, a), 4))
    -0.6321 0.3679
    """

    from_output = True

    @staticmethod
    def function(z):
        below = expm1(min(z, 0.0))
        return below if z < 0.0 else z

    @staticmethod
    def derivative(z, a):
        return 1.0 + a if a < 0.0 else 1.0


class GELU(Activation):
    r"""z Phi(z) with the normal distribution function Phi.

    .. math:: \phi(z) = z\, \Phi(z)

    References
    ----------
    Hendrycks and Gimpel 2016, Gaussian error linear units.

    Examples
    --------
    >>> from skgd.activations import GELU
    >>> a = GELU.function(-1.0)
    >>> print(round(a, 4), round(GELU.derivative(-1.0, a), 4))
    -0.1587 -0.0833
    """

    @staticmethod
    def function(z):
        z = -FAR if z < -FAR else z
        return z * (0.5 * math.erfc(-z * SQRT_HALF))

    @staticmethod
    def derivative(z, a):
        z = -FAR if z < -FAR else (FAR if z > FAR else z)
        return 0.5 * math.erfc(-z * SQRT_HALF) + z * INVERSE_SQRT_2PI * exp(-0.5 * z * z)


class SiLU(Activation):
    r"""z / (1 + exp(-z)), also called swish.

    .. math:: \phi(z) = \frac{z}{1 + e^{-z}}

    References
    ----------
    Ramachandran, Zoph and Le 2017, Searching for activation functions.

    Examples
    --------
    >>> from skgd.activations import SiLU
    >>> a = SiLU.function(-1.0)
    >>> print(round(a, 4), round(SiLU.derivative(-1.0, a), 4))
    -0.2689 0.0723
    """

    @staticmethod
    def function(z):
        z = -FAR if z < -FAR else z
        e = exp(-abs(z))
        return (z if z >= 0.0 else z * e) / (1.0 + e)

    @staticmethod
    def derivative(z, a):
        e = exp(-abs(z))
        share = (1.0 if z >= 0.0 else e) / (1.0 + e)
        return share + (FAR if a > FAR else a) * (1.0 - share)  # infinity times zero would be NaN


class Softplus(Activation):
    r"""log(1 + exp(z)), a smooth relu.

    .. math:: \phi(z) = \log(1 + e^z)

    References
    ----------
    Dugas, Bengio, Belisle, Nadeau and Garcia 2001, Incorporating second-order functional knowledge for better option
    pricing.

    Examples
    --------
    >>> from skgd.activations import Softplus
    >>> a = Softplus.function(1.0)
    >>> print(round(a, 4), round(Softplus.derivative(1.0, a), 4))
    1.3133 0.7311
    """

    from_output = True

    @staticmethod
    def function(z):
        return np.log1p(exp(-abs(z))) + (0.0 if z < 0.0 else z)

    @staticmethod
    def derivative(z, a):
        return -expm1(-a)


# The activations that have a name. A new one needs its class, an entry in the table, over which every test runs, and
# its name here, for type checkers.
ActivationName = Literal["identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus"]
ACTIVATIONS: dict[ActivationName, type[Activation]] = {
    "identity": Identity,
    "logistic": Logistic,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": SiLU,
    "softplus": Softplus,
}


def get_activation(activation: ActivationName | Activation) -> Activation:
    """Return a fresh activation for a name or an object.

    Raises
    ------
    ValueError
        If the name is unknown, or the object is no :class:`Activation`.
    """
    if isinstance(activation, str) and activation in ACTIVATIONS:
        return ACTIVATIONS[activation]()
    if isinstance(activation, Activation):
        return clone(activation)
    raise ValueError(
        f"activation={activation!r} is not known: give one of {sorted(ACTIVATIONS)} or a skgd.activations.Activation "
        "object"
    )


__all__ = [
    "ELU",
    "GELU",
    "Activation",
    "Identity",
    "LeakyReLU",
    "Logistic",
    "ReLU",
    "SiLU",
    "Softplus",
    "Tanh",
]
