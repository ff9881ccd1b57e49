"""What an optimizer is."""

import math
import numbers
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._compile import jit as _jit
from .._constructors import OF_OPTIMIZERS, AdvisesCallers
from .._validation import Interval, RemembersValidParameters, check_parameters, check_static
from .._warnings import warn_user

PROBE_UPDATES = (1, 2, 3, 4, 1000)
PROBE_SLOPES = (1.0, -1.0, 1.0, -1.0)  # up and down, and often enough that a rule with noise can't go uphill each time

POSITIVE = Interval(numbers.Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(numbers.Real, 0, None, closed="left")
SHARE = Interval(numbers.Real, 0, 1, closed="left")  # decay rates


class Optimizer(AdvisesCallers, RemembersValidParameters, BaseEstimator):
    """Hyper-parameters and a rule: gradient in, parameters changed in place.

    A subclass stores its constructor's arguments and gives ``n_slots`` (or a property), ``hyperparameters`` and
    ``rule``. The rule is plain Python over one-dimensional arrays; estimators compile it into their training loop.
    One that numba can't compile runs as it is, slower, with a warning that says why.

    Parameters
    ----------
    learning_rate : float, default=None
        Step size, positive. None is ``default_learning_rate``, or the estimator's choice.

    Attributes
    ----------
    default_learning_rate : float
        The customary learning rate.
    n_slots : int
        Number of state vectors that the rule needs, each with an entry per parameter, zero at the start.
    steps_with_gradient : bool
        Whether the step is proportional to the gradient, so that a rate follows from the curvature of the data.
    follows_path : bool
        Whether the state describes the path to the current parameters, so that it is forgotten when training goes
        on with other data.
    searches_line : bool
        Whether estimators make its steps with a line search over all rows, instead of by the rule.
    variance_reduced : bool
        Whether the rule gets gradients of mini-batches that are corrected by those at a snapshot, see :class:`SVRG`.
    weight_decay : float
        Decoupled decay, not negative: each update begins with ``params -= learning_rate * weight_decay * params``; in
        estimators intercepts don't decay.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDLinearRegressor
    >>> from skgd.optimizers import Optimizer
    >>> class SignSGD(Optimizer):
    ...     default_learning_rate = 1e-2
    ...     @staticmethod
    ...     def rule(params, grads, slots, hyper, learning_rate, t):
    ...         for j in range(params.size):
    ...             params[j] -= learning_rate * np.sign(grads[j])
    >>> X = np.arange(8.0).reshape(-1, 1)
    >>> GDLinearRegressor(optimizer=SignSGD(), alpha=0).fit(X, 3 * X[:, 0]).coef_.round(1)
    array([3.])
    """

    _written_elsewhere = OF_OPTIMIZERS

    learning_rate: float | None = None
    default_learning_rate = 0.01
    n_slots = 0
    steps_with_gradient = False
    follows_path = False
    searches_line = False
    variance_reduced = False
    weight_decay = 0.0

    _update_state: tuple[dict, int] | None = None  # state vectors by name and the updates made, of update() alone

    _parameter_constraints: dict = {"learning_rate": [POSITIVE, None]}

    def __init__(self, learning_rate: float | None = None):
        self.learning_rate = learning_rate

    def check(self) -> None:
        """Raise an error that names a hyper-parameter out of range and what it accepts."""
        check_parameters(self)

    def hyperparameters(self) -> Sequence[float]:
        """Floats that the rule receives as its array ``hyper``."""
        return ()

    @staticmethod
    def rule(
        params: np.ndarray, grads: np.ndarray, slots: np.ndarray, hyper: np.ndarray, learning_rate: float, t: int
    ) -> None:
        """Change ``params`` in place.

        Parameters
        ----------
        params, grads : ndarray of shape (n_params,)
            Parameters and the gradient of the objective at them.
        slots : ndarray of shape (n_slots, n_params)
            State vectors, zero before the first update, to be changed in place.
        hyper : ndarray
            What :meth:`hyperparameters` returned.
        learning_rate : float
            Learning rate of this update.
        t : int
            Number of the update: 1, 2, ...
        """
        raise NotImplementedError(
            "an Optimizer needs a static method rule(params, grads, slots, hyper, learning_rate, t)"
        )

    def update(self, params: "Arrays", grads: "Arrays") -> None:
        """Make one step on parameters of your own, in place; the state is kept on this object.

        Parameters
        ----------
        params : ndarray, list or dict of ndarray or float
            Floating-point arrays of any shape; lists and dicts may hold numbers, too, which are replaced.
        grads : the same structure
            Gradients.

        Raises
        ------
        ValueError
            If structures or shapes differ, from ``params`` or from the calls before.
        """
        self.check()
        pairs = dict(_named_arrays(params, grads))
        if self._update_state is None:
            slots = {key: np.zeros((self.n_slots, param.size), param.dtype) for key, (param, _) in pairs.items()}
            self._update_state = slots, 0
        slots, t = self._update_state
        expected = {key: ((self.n_slots, param.size), param.dtype) for key, (param, _) in pairs.items()}
        if {key: (state.shape, state.dtype) for key, state in slots.items()} != expected:
            raise ValueError(
                "params changed their names, sizes or dtypes since the last update(), or the optimizer its "
                "hyper-parameters: call reset() to start anew"
            )
        hyper = self.hyper()
        learning_rate = self.default_learning_rate if self.learning_rate is None else self.learning_rate
        for key, (param, grad) in pairs.items():
            flat = np.ascontiguousarray(param).reshape(-1)
            if self.weight_decay > 0:
                flat -= learning_rate * self.weight_decay * flat
            flat_grad = np.array(grad, dtype=flat.dtype, order="C").reshape(-1)
            self.compiled_rule(flat.dtype)(flat, flat_grad, slots[key], hyper, learning_rate, t + 1)
            if _holds_number(params, key):
                params[key] = flat.item()  # type: ignore[index, call-overload]
            elif not np.shares_memory(flat, param):
                param[...] = flat.reshape(param.shape)
        self._update_state = slots, t + 1

    def reset(self) -> None:
        """Forget the state that :meth:`update` has kept."""
        self._update_state = None

    def compiled_rule(self, dtype: np.dtype) -> Callable:
        """The rule compiled for a dtype; the rule itself where it can't be, with a warning that says why."""
        from .._compile.types import signatures

        return _jit.compiled_or_python(self.rule, signatures(np.dtype(dtype)).rule, f"{type(self).__name__}.rule")

    def hyper(self) -> np.ndarray:
        """What :meth:`hyperparameters` returns as the array that rules get; raises ValueError for what isn't finite."""
        values = self.hyperparameters()
        try:
            array = np.array(values, dtype=np.float64).ravel()
        except (TypeError, ValueError):
            array = np.array([np.nan])
        if not all(map(math.isfinite, array.tolist())):
            raise ValueError(f"{self!r}: hyperparameters() must return finite numbers, it returned {values!r}")
        return array

    def probe(self) -> None:
        """Run a user's rule a few times as plain Python, where mistakes show that compiled code would hide.

        Raises
        ------
        ValueError
            If ``rule`` is no static method, or reaches outside its arrays, which compiled would read or write foreign
            memory.

        Warns
        -----
        RuntimeWarning
            If it changes no parameter, or goes uphill.
        """
        if type(self).__module__.startswith(__package__):
            return
        name = f"{type(self).__name__}.rule"
        check_static(self, "rule")
        try:
            with np.errstate(all="ignore"):
                hyper = self.hyper()
                steps = np.array([step for slope in PROBE_SLOPES for step in self._first_steps(slope, hyper)])
        except IndexError as error:
            raise ValueError(
                f"{name} reaches outside its arrays ({error}): it has n_slots={self.n_slots} state vectors and "
                f"{self.hyper().size} hyperparameters()"
            ) from error
        except Exception:  # what else may be wrong shows in the fit itself
            return
        if not steps.any():
            warn_user(
                f"{name} changed no parameter in its first updates: it must work in place, as in "
                "params[j] -= learning_rate * grads[j]",
                RuntimeWarning,
            )
        elif (steps >= 0).all():
            warn_user(
                f"{name} goes uphill: none of its first updates was a step against the gradient, as in "
                "params[j] -= learning_rate * grads[j]",
                RuntimeWarning,
            )

    def _first_steps(self, slope: float, hyper: np.ndarray) -> list[float]:
        """How far the first updates go uphill on a plane of that slope in all directions."""
        params, slots, steps = np.ones(4), np.zeros((self.n_slots, 4)), []
        for t in PROBE_UPDATES:
            before = params.copy()
            self.rule(params, np.full(4, slope), slots, hyper, 1e-3, t)
            steps.append(slope * float((params - before).sum()))
        if slots.shape != (self.n_slots, 4):
            raise ValueError("the rule has changed the shape of its state")
        return steps


Arrays = np.ndarray | Sequence[np.ndarray | float] | Mapping[str, np.ndarray | float]


def _named_arrays(params: Arrays, grads: Arrays) -> Iterator[tuple[object, tuple[np.ndarray, np.ndarray]]]:
    """Pairs (parameter, gradient) of two dicts, lists or arrays, by key; checks that they match."""
    named, named_grads = _by_name(params), _by_name(grads)
    if isinstance(params, Mapping) != isinstance(grads, Mapping) or named.keys() != named_grads.keys():
        raise ValueError(
            "params and grads differ in structure: give two dicts with the same keys, two lists of the same length or "
            "two arrays"
        )
    for key, param in named.items():
        grad = np.asarray(named_grads[key])
        if _holds_number(params, key):
            param = np.array(param, dtype=np.float64)
        changeable = isinstance(param, np.ndarray) and param.dtype in (np.float32, np.float64)
        if not changeable or not param.flags.writeable:
            raise ValueError(f"params[{key!r}] can't be changed in place: give a writeable float32 or float64 array")
        if grad.shape != param.shape:
            raise ValueError(f"grads[{key!r}] has shape {grad.shape}, its parameter {param.shape}")
        yield key, (param, grad)


def _holds_number(params: Arrays, key: Any) -> bool:
    """Whether a number stands there that another one can take the place of."""
    if not isinstance(params, list | MutableMapping):
        return False
    return isinstance(params[key], numbers.Real) and not isinstance(params[key], bool)


def _by_name(arrays: Arrays) -> dict:
    if isinstance(arrays, Mapping):
        return dict(arrays)
    return dict(enumerate(arrays if isinstance(arrays, list | tuple) else [arrays]))
