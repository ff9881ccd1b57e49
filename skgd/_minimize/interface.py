"""Gradient descent on any function, by the optimizers, schedules and criteria of the estimators, in their loop."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

import functools
import inspect
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Literal

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from scipy.optimize import Bounds, OptimizeResult, OptimizeWarning
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from .._auto.decide import users_optimizer
from .._constructors import OF_MINIMIZE, advises_callers
from .._numbers import ENDLESS
from .._validation import Interval, StrOptions, check_arguments
from .._warnings import warn_user
from ..optimizers import OPTIMIZERS, Optimizer, OptimizerName
from ..schedules import SCHEDULES, Schedule, ScheduleName, get_schedule
from .differences import METHODS, Box
from .function import Function, NotFiniteAtStartError
from .restarts import descend_from_all
from .run import STATUS, FunctionRun, leave

CONSTRAINTS: dict = {
    "fun": [callable],
    "jac": [callable, "boolean", StrOptions(set(METHODS)), None],
    "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer],
    "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    "schedule": [StrOptions(set(SCHEDULES)), Schedule, callable],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left"), None],
    "criterion": [StrOptions({"objective", "gradient", "step"})],
    "escape": ["boolean", StrOptions({"auto"})],
    "maximize": ["boolean"],
    "n_restarts": [Interval(Integral, 1, None, closed="left")],
    "restart_from": [StrOptions({"start", "best"})],
    "n_jobs": [Integral, None],
    "callback": [callable, None],
    "return_path": ["boolean"],
    "trace": ["boolean"],
    "random_state": ["random_state"],
}


@advises_callers(OF_MINIMIZE)
def minimize(
    fun: Callable,
    x0: ArrayLike,
    *,
    jac: Callable | bool | str | None = None,
    args: tuple = (),
    optimizer: OptimizerName | Optimizer = "sgd",
    learning_rate: float | Literal["auto"] = "auto",
    schedule: ScheduleName | Schedule | Callable = "constant",
    max_iter: int = 10_000,
    tol: float | None = 1e-6,
    criterion: Literal["objective", "gradient", "step"] = "step",
    escape: bool | Literal["auto"] = "auto",
    maximize: bool = False,
    n_restarts: int = 1,
    restart_from: Literal["start", "best"] = "start",
    n_jobs: int | None = None,
    bounds: Bounds | Sequence | None = None,
    callback: Callable | None = None,
    return_path: bool = False,
    trace: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> OptimizeResult:
    r"""Find a minimum of a function of one or more variables by gradient descent.

    With the gradient :math:`g_k = \nabla f(x_k)` an optimizer's rule makes the step; for plain descent it is

    .. math:: x_{k+1} = x_k - \eta \, s(k) \, g_k

    with the learning rate :math:`\eta` and the schedule's factor :math:`s`, which counts time in iterations. It is
    the loop that trains skgd's estimators, with the same optimizers, schedules and criteria.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float``, where x has the shape of ``x0``.
    x0 : float or array-like
        Where to start, of any shape.
    jac : callable, True, {"2-point", "3-point", "cs"} or None, default=None
        The gradient: ``jac(x, *args)``, an array shaped like ``x0``; True: ``fun`` returns the pair (value, gradient);
        else SciPy's finite differences, forward, central or by complex steps. None begins as "2-point"; where these are
        too rough, or ``fun`` is noisy, central ones with steps that fit noise and curvature take over.
    args : tuple, default=()
        Further arguments of ``fun`` and ``jac``; a single one needs no tuple.
    optimizer : str or Optimizer, default="sgd"
        A name, as estimators take it, or an object from :mod:`skgd.optimizers`.
    learning_rate : float or "auto", default="auto"
        Step size, positive. "auto" is the optimizer's own ``learning_rate`` if it has one; else for "sgd" a line search
        that never increases the function; for momentum the inverse of the curvature that a few such steps
        have met; for adaptive rules a hundred times the customary rate, times the median of abs(x0) if that is above 1,
        halved after every fifty iterations without progress. With "auto" a rate that leads astray is reduced.
    schedule : str, Schedule or callable, default="constant"
        Factor on the learning rate over the iterations. With another one than "constant" there is no line search.
    max_iter : int, default=10000
        Most iterations; with 0 of them the function is evaluated at ``x0``.
    tol : float or None, default=1e-6
        Tolerance of the criterion, not negative. None: all ``max_iter`` iterations are made.
    criterion : {"step", "gradient", "objective"}, default="step"
        When to stop: "step", once no variable changes by more than ``tol`` in an iteration; "gradient", once no entry
        of the gradient exceeds ``tol``; "objective", once what the function is still expected to change by is less than
        ``tol`` times its value. Step and objective must hold for five iterations on end, but for plain descent at a
        rate of yours, since momentum and line searches have a small step now and then.
    escape : bool or "auto", default="auto"
        Whether a descent that ends at what is no minimum goes on: from a saddle along the direction in which the
        function bends down, from a halt on the way with a Newton step, or with better differences. ``message`` tells.
        "auto" does where ``learning_rate`` is "auto" and the schedule constant: what descent at a rate of yours does
        is to be seen.
    maximize : bool, default=False
        Whether to look for a maximum instead, by gradient ascent.
    n_restarts : int, default=1
        Number of starts, the first at ``x0``.
    restart_from : {"start", "best"}, default="start"
        Where the others are. "start": drawn evenly within ``bounds`` where they are finite, else from a normal
        distribution around ``x0``, with the larger of abs(x0) and 1 as standard deviation. "best": beside the best
        point so far, of which some variables are moved, by 1 to 100 % of that standard deviation or half the bounds'
        width.
    n_jobs : int or None, default=None
        Processes that share the descents from these starts, as joblib has it: None is 1, -1 one for each processor. The
        result is the same for any number. ``callback`` and ``trace`` need 1.
    bounds : scipy.optimize.Bounds or sequence of (low, high), default=None
        Limits of the variables, a pair for each; None or infinity where there is none. Steps that leave them end there.
    callback : callable, default=None
        Called after every iteration, as by SciPy: ``callback(intermediate_result)``, if its only parameter has this
        name, with an OptimizeResult of ``x``, ``fun``, ``jac``, ``nit`` and ``learning_rate``, None for a line search;
        else ``callback(x)``. Arrays that it keeps don't change any more. It ends the descent, and with it those from
        other starts, by returning True or raising StopIteration; the result then is no ``success``, as SciPy's.
    return_path : bool, default=False
        Whether the result has ``path`` and ``fun_path``.
    trace : bool, default=False
        Whether to print a line for each iteration: x, the function and its gradient there, and the learning rate and
        the step that led there; of more than four variables the first two and the last two.
    random_state : int, RandomState or None, default=None
        For the starts.

    Returns
    -------
    scipy.optimize.OptimizeResult
        - ``x``, ``fun``, ``jac``: the last point, or the best one after a divergence, with value and gradient there,
          whether limits are reached or not;
        - ``success``, ``status``, ``message``: whether and why it ended. 0: a criterion was met, and nothing speaks
          against a minimum; 1: all ``max_iter`` iterations were made, a success only where ``tol=None`` asks for that;
          2: diverged, or the function could not be evaluated; 3: a criterion was met at what is no minimum: a plateau,
          a saddle, or a place with lower ones nearby; 4: rounding, or noise of ``fun``, ended it, or hides whether it
          is a minimum; 5: of ``restarts``, a criterion was met higher than elsewhere, and nobody looked around; 99:
          ended by ``callback``;
        - ``nit``, ``nfev``, ``njev``: iterations, evaluations of the function (with those of finite differences, and of
          some around the end), and of the gradient;
        - ``learning_rate``: what was used in the end; None for a line search;
        - ``path`` of shape (nit + 1, \*x0.shape) and ``fun_path`` of shape (nit + 1,), on request;
        - ``restarts``: with several starts, the results of all, best first. The best one is the result itself, but for
          ``nfev`` and ``njev``, which are those of all.

    Raises
    ------
    ValueError
        If an argument is out of range, or the function not a finite number, or its gradient of the wrong shape, at
        ``x0``. What ``fun`` and ``jac`` raise there passes through; later on it ends the descent with the best point.

    Warns
    -----
    ConvergenceWarning
        If the descent diverges, or ends at what is no minimum.

    See Also
    --------
    scipy_method : the same as a method of scipy.optimize.minimize.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2nd edition, chapters 2 and 3.
    Frassoldati, Zanni and Zanghirati 2008, New adaptive stepsize selections in gradient methods (the line search).
    Kim, Sra and Dhillon 2010, Tackling box-constrained optimization via a new projected quasi-Newton approach (lbfgs).
    Moré and Wild 2011, Estimating computational noise.

    Examples
    --------
    >>> import skgd
    >>> result = skgd.minimize(lambda x: (x[0] - 1) ** 2 + 10 * (x[1] + 2) ** 2, [0.0, 0.0])
    >>> result.x.round(4), result.success
    (array([ 1., -2.]), True)
    >>> float(skgd.minimize(lambda x: (x**2 - 4) ** 2, 1.0, optimizer="adam", learning_rate=0.1).x.round(3))
    2.0
    """
    given = SimpleNamespace(**locals())
    check_arguments("minimize", CONSTRAINTS, {name: getattr(given, name) for name in CONSTRAINTS})
    start = _start(x0)
    args = args if isinstance(args, tuple) else (args,)
    box = _box(bounds, start, start.size)
    rng = check_random_state(random_state)
    given.optimizer, given.schedule = users_optimizer(given), get_schedule(schedule, max(max_iter, 1))
    if effective_n_jobs(n_jobs) > 1 and (callback is not None or trace):
        raise ValueError(f"callback and trace see every step in its order, which needs n_jobs=1; it is {n_jobs!r}")

    def make(params):
        return FunctionRun(Function(fun, jac, args, start.shape, -1.0 if maximize else 1.0, box), params, given)

    descents = descend_from_all(make, start.ravel(), box, given, rng)
    last = descents[-1]
    descents.sort(key=lambda descent: np.nan_to_num(descent.value, nan=np.inf))
    with np.errstate(over="ignore", invalid="ignore"):
        descents[0].verify()
    for descent in descents[1:]:
        leave(descent)
    results = [descent.result() for descent in descents]
    result = results[0]
    if n_restarts > 1:
        totals = {name: sum(each[name] for each in results) for name in ("nfev", "njev")}
        result = OptimizeResult({**result, **totals, "restarts": results})
        if last.reason == "callback":  # an end to all, whichever start was the best
            result.update({name: last.result()[name] for name in ("success", "status", "message")})
    if result.status in (STATUS["diverged"], STATUS["no minimum"]):
        warn_user(result.message, ConvergenceWarning)
    return result


# -- arguments


def _start(x0: ArrayLike) -> np.ndarray:
    try:
        start = np.empty(0) if np.iscomplexobj(x0) else np.array(x0, dtype=np.float64)
    except (TypeError, ValueError):
        start = np.empty(0)
    if start.size == 0 or not np.isfinite(start).all():
        words = f"x0 must be a number or an array of finite real numbers; it is {x0!r:.200}"
        if start.size == 0:
            raise ValueError(words)
        nothing = {"x": start, "fun": np.nan, "jac": np.full_like(start, np.nan), "nfev": 0}
        raise NotFiniteAtStartError(words, nothing)
    return start


def _box(bounds: Bounds | Sequence | None, start: np.ndarray | None, size: int) -> Box | None:
    """Lower and upper limits of the flat variables, infinite where there are none."""
    if bounds is None:
        return None
    expected = f"bounds must be a scipy.optimize.Bounds, or a pair (low, high) for each of {size} variables"
    try:
        if isinstance(bounds, Bounds):
            pair = [np.broadcast_to(np.asarray(limit, float).ravel(), size) for limit in (bounds.lb, bounds.ub)]
        else:
            rows = [(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds]
            pair = list(np.array(rows, dtype=np.float64).reshape(size, 2).T)
    except (TypeError, ValueError):
        raise ValueError(f"{expected}, with None or infinity where there is no limit; it is {bounds!r:.200}") from None
    low, high = (np.array(limit) for limit in pair)
    if not (low <= high).all():
        raise ValueError(f"{expected} with low <= high; it is {bounds!r:.200}")
    if start is not None and not ((low <= start.ravel()) & (start.ravel() <= high)).all():
        raise ValueError(f"x0={start!r:.200} must lie within bounds={bounds!r:.200}")
    return low, high


# -- for SciPy


def scipy_method(optimizer: OptimizerName | Optimizer = "sgd", **settings) -> Callable:
    """Gradient descent as a method of :func:`scipy.optimize.minimize`.

    Parameters
    ----------
    optimizer : str or Optimizer, default="sgd"
        A name, as estimators take it, or an object from :mod:`skgd.optimizers`.
    **settings
        Keyword arguments of :func:`skgd.minimize`, but for ``fun``, ``x0``, ``args``, ``bounds``, ``callback`` and
        ``maximize``. SciPy's ``tol`` and ``options`` go before them; of the options, ``maxiter`` is ``max_iter``,
        ``disp=True`` prints how it ended.

    Returns
    -------
    callable
        What ``scipy.optimize.minimize`` takes as its ``method``. It knows no constraints, and no use of a Hessian.

    Raises
    ------
    TypeError
        If there is no such setting.

    Examples
    --------
    >>> from scipy.optimize import minimize, rosen, rosen_der
    >>> import skgd
    >>> method = skgd.scipy_method("adam", learning_rate=0.1, max_iter=5_000)
    >>> minimize(rosen, [-1.0, 2.0], jac=rosen_der, method=method).x.round(2)
    array([1., 1.])
    """
    unknown = sorted(settings.keys() - _SETTINGS)
    if unknown:
        raise TypeError(f"scipy_method knows no {', '.join(unknown)}; it takes optimizer and {sorted(_SETTINGS)}")
    return functools.partial(_minimize_for_scipy, settings={"optimizer": optimizer, **settings})


_GIVEN_BY_SCIPY = {"fun", "x0", "args", "bounds", "callback", "maximize", "optimizer"}
_SETTINGS = {*inspect.signature(minimize).parameters} - _GIVEN_BY_SCIPY


def _minimize_for_scipy(
    fun,
    x0,
    args=(),
    *,
    settings,
    jac=None,
    hess=None,
    hessp=None,
    bounds=None,
    constraints=(),
    callback=None,
    **options,
) -> OptimizeResult:
    if constraints != () and constraints != []:
        raise ValueError("gradient descent knows no constraints but bounds: give method='SLSQP' or 'trust-constr'")
    if hess is not None or hessp is not None:
        warn_user("Gradient descent does not use Hessian information (hess, hessp).", RuntimeWarning)
    maxiter = options.pop("maxiter", None)
    if maxiter is not None:
        number = float(maxiter) if isinstance(maxiter, Real) else np.nan
        if np.isnan(number):
            raise ValueError(f"maxiter must be a number; it is {maxiter!r}")
        options["max_iter"] = int(min(max(number, 0.0), ENDLESS))
    disp = options.pop("disp", False)
    unknown = sorted(options.keys() - _SETTINGS)
    if unknown:
        warn_user(f"Unknown solver options: {', '.join(unknown)}", OptimizeWarning)
    known = {name: value for name, value in options.items() if name in _SETTINGS}
    settings = settings | known | ({} if jac is None else {"jac": jac})
    try:
        result = minimize(fun, _within(x0, bounds), args=args, bounds=bounds, callback=callback, **settings)
    except NotFiniteAtStartError as error:
        result = OptimizeResult(error.found, nit=0, status=3, success=False, message=f"NaN result encountered: {error}")
    if disp:
        print(result.message)
    return result


def _within(x0: ArrayLike, bounds: Bounds | Sequence | None) -> ArrayLike:
    """The start, brought within the bounds as by SciPy's own methods."""
    start = _start(x0)
    box = None if bounds is None else _box(bounds, None, start.size)
    if box is None:
        return x0
    inside = np.clip(start, *(limit.reshape(start.shape) for limit in box))
    if not np.array_equal(inside, start):
        warn_user("Initial guess is not within the specified bounds", OptimizeWarning)
    return inside


__all__ = ["minimize", "scipy_method"]
