"""Solutions of a linear model along the strengths of its penalty."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from .._auto.curvature import covariances_suit
from .._auto.description import treatment
from .._auto.linear import LEAST_PENALTY
from .._problem.describe import describe
from .._problem.features import as_stored
from .._problem.problem import Problem
from .._problem.rows import Rows
from .._solvers.continuation import Continuation, Solution
from .._solvers.covariances import Covariances
from .._solvers.plan import Plan
from .._solvers.shared_moments import Others, SharedMoments
from .._targets.targets import Targets
from .._validation import Interval, check_arguments, check_parameters
from .._warnings import warn_user
from ..penalties import ElasticNet, get_penalty
from ._base import LinearEstimator

OF_ALPHAS: dict = {
    "alphas": ["array-like", None],
    "n_alphas": [Interval(Integral, 1, None, closed="left")],
    "eps": [Interval(Real, 0, 1, closed="neither"), None],
}
SHORT, LONG = 1e-3, 1e-7  # smallest alpha over the largest, with an L1 part and without
LEAST_L1_RATIO = 1e-3  # by which alpha is the largest where nothing becomes zero (Friedman, Hastie, Tibshirani 2010)
COUPLED_PARAMETERS = 150  # of all classes with one matrix: near a solution more cost more than the steps that it saves
TOL = 1e-12  # of L2, if it is left to us: steps more for the last digits, as single fits make it, is many along a path


@dataclass(frozen=True, eq=False)
class RegularizationPath:
    """What :func:`regularization_path` returns: a solution for each alpha, in the order of ``alphas``.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty, the largest first.
    coefs : ndarray of shape (n_alphas, n_features) or (n_alphas, n_outputs, n_features)
        Coefficients, ``coef_`` for each alpha, in the units of X.
    intercepts : ndarray of shape (n_alphas, n_outputs)
        Intercepts, ``intercept_`` for each alpha.
    gradient_norms : ndarray of shape (n_alphas,)
        Largest component of the objective's gradient, under an L1 penalty of the smallest subgradient: certificates of
        the optimum, ``gradient_norm_`` for each alpha.
    n_iter : ndarray of shape (n_alphas,)
        Steps from one solution to the next: epochs, or sweeps over the coefficients where the covariances tell all.
    converged : ndarray of shape (n_alphas,)
        Whether the optimum was reached.
    scales : ndarray of shape (n_features,)
        What features are divided by in training: ``coefs * scales`` are what the penalty acts on.
    feature_names : ndarray of shape (n_features,) or None, default=None
        Names of the columns of X, where it has such.
    classes : ndarray of shape (n_classes,) or None, default=None
        Classes, of a classifier.

    See Also
    --------
    skgd.plotting.CoefficientPathDisplay : draws it.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.linear_model import regularization_path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = regularization_path(GDLinearRegressor(penalty="l1"), X, y, n_alphas=5)
    >>> path.coefs.shape, bool(path.converged.all())
    ((5, 10), True)
    """

    alphas: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    gradient_norms: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray
    scales: np.ndarray
    feature_names: np.ndarray | None = None
    classes: np.ndarray | None = None


def regularization_path(
    estimator: LinearEstimator,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    alphas: ArrayLike | None = None,
    n_alphas: int = 100,
    eps: float | None = None,
) -> RegularizationPath:
    """Solutions of a linear model for many strengths of its penalty, each a start for the next one.

    Without an L1 penalty the next one is looked for where the last three lead, as a polynomial of log(alpha), or at the
    last one where the objective is less there. X is checked and described once. Squared error with at most 3,000
    columns (1,000 of CSR) is solved from their covariances, for which all rows are looked at once, whatever the number
    of alphas; of dense rows with at least twice as many columns with an L1 part from those of the columns that come to
    matter, and without one by singular vectors.

    Parameters
    ----------
    estimator : GDLinearRegressor, GDLinearClassifier or GDLogisticClassifier
        The model: loss, penalty, ``l1_ratio``, standardization and all else but ``alpha``. It stays as it is.
    X : array-like or sparse matrix of shape (n_rows, n_features)
        Features.
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
        Targets or classes.
    sample_weight : array-like of shape (n_rows,), default=None
        Weights, not negative; only their proportions count.
    alphas : array-like of shape (n_alphas,), default=None
        Strengths of the penalty, not negative, in any order. None: ``n_alphas`` in equal ratios. The largest is the
        least for which all coefficients are zero; without an L1 part none is, and it is that of an ``l1_ratio`` of
        0.001, which makes them as good as zero.
    n_alphas : int, default=100
        Number of alphas, where they aren't given.
    eps : float in (0, 1), default=None
        The smallest alpha over the largest. None: 1e-3, and 1e-7 without an L1 part.

    Returns
    -------
    RegularizationPath
        ``alphas``, ``coefs``, ``intercepts``, ``gradient_norms``, ``n_iter``, ``converged``, ``scales``.

    Raises
    ------
    TypeError
        If the estimator isn't a linear one of skgd.
    ValueError
        If a parameter isn't what is accepted, the estimator has no penalty or stops early, or its optimizer makes steps
        by a rule: those of line searches alone end at the optimum.

    Warns
    -----
    ConvergenceWarning
        If some solutions are not at their optimum: ``converged`` says which.

    See Also
    --------
    AlphaSearchCV : chooses alpha by cross-validation.
    skgd.plotting.CoefficientPathDisplay.from_path : draws a path.

    References
    ----------
    Friedman, Hastie and Tibshirani 2010, Regularization paths for generalized linear models via coordinate descent.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.linear_model import regularization_path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = regularization_path(GDLinearRegressor(penalty="l1"), X, y, n_alphas=5)
    >>> np.count_nonzero(path.coefs, axis=1)
    array([ 0,  4,  7,  9, 10])
    """
    check_arguments("regularization_path", OF_ALPHAS, {"alphas": alphas, "n_alphas": n_alphas, "eps": eps})
    model = model_for_path(estimator)
    solver = solver_of(model, X, y, sample_weight)
    path = path_of(model, solver, alphas_of(model, solver, alphas, n_alphas, eps))
    warn_of(path, model)
    return path


def model_for_path(estimator: LinearEstimator) -> LinearEstimator:
    """A clone of the estimator, whose parameters make a path."""
    if not isinstance(estimator, LinearEstimator):
        raise TypeError(f"estimator={estimator!r} must be a linear estimator of skgd, as GDLinearRegressor()")
    model = clone(estimator)
    check_parameters(model)
    if model.early_stopping:
        raise ValueError("early_stopping=True ends before the optimum, which a path leads to: set it to False")
    penalty_at(model, 1.0)
    return model


def penalty_at(model: LinearEstimator, alpha: float) -> ElasticNet:
    """The penalty of a model with another strength."""
    penalty = model.penalty
    if penalty is None:
        raise ValueError("penalty=None has no strength: give 'l1', 'l2' or 'elasticnet'")
    if not isinstance(penalty, str):
        penalty = clone(get_penalty(penalty, 1.0)).set_params(alpha=alpha)
    return get_penalty(penalty, alpha, model.l1_ratio)


def solver_of(model: LinearEstimator, X, y, sample_weight, tol: float | None = None) -> Continuation | Covariances:
    """What solves the problem that the data pose to the model, under any penalty; tol is for who leaves it to skgd."""
    parameters = model._parameters(X)
    problem = model._problems(X, y, sample_weight, (None, None, None), parameters, check_random_state(0))[0]
    return _solver_for(problem, model, parameters, tol)


def problem_of(rows: np.ndarray, problem: Problem, model: LinearEstimator, moments: tuple | None = None) -> Problem:
    """The problem that some rows alone pose to the model; moments are theirs, where they are known."""
    assert isinstance(problem.rows, Rows)
    parameters, data = model._parameters(), problem.rows.data
    targets = Targets(data.y, data.weight, problem.loss, problem.model.n_outputs, None, problem.facts)
    given = as_stored(data.features), targets, parameters, model._model, problem.penalty
    return describe(*given, treatment(parameters, model._model, False), (rows, None), moments=moments)


def solver_without(
    left_out: np.ndarray, rows: np.ndarray, shared: SharedMoments, model: LinearEstimator, tol: float
) -> tuple[Covariances, Others] | None:
    """What solves the problem of all rows but a few, and what is known of them, if the moments of these few tell."""
    others = shared.without(left_out)
    if others is None:
        return None
    problem = problem_of(rows, shared.whole.problem, model, others.moments)
    solver = _solver_for(problem, model, model._parameters(), tol)
    assert isinstance(solver, Covariances)
    solver.known = others.moments_in(solver.problem.scaling)
    return solver, others


def _solver_for(problem: Problem, model, parameters, tol: float | None) -> Continuation | Covariances:
    decide = functools.partial(plan_of, model, parameters, tol)
    plan = decide(problem)
    if not plan.searches_line:
        raise ValueError(
            f"a path takes line searches, which end at the optimum, and {plan.optimizer!r} makes steps by a rule: set "
            "optimizer='auto', and learning_rate, batch_size, schedule, average and clip_norm to their defaults"
        )
    if not covariances_suit(problem):
        return Continuation(problem, decide)
    exact = parameters.tol == "auto" and tol is None  # which costs little there
    return Covariances(problem, replace(plan, tol=None) if exact else plan)


def plan_of(model, parameters, tol: float | None, problem: Problem) -> Plan:
    """The plan of a path; tol is for who leaves it to skgd."""
    plan = model._decide(parameters, problem, None)
    if plan.curvature is not None:
        plan = replace(plan, curvature=plan.curvature._replace(coupled=COUPLED_PARAMETERS))
    if parameters.tol != "auto" or plan.criterion != "objective":
        return plan
    least = tol or (TOL if problem.l1 is None else 0.0)
    return replace(plan, tol=max(plan.tol, least))


def alphas_of(model: LinearEstimator, solver, alphas, n_alphas: int, eps: float | None) -> np.ndarray:
    """The alphas of a path, the largest first."""
    if alphas is not None:
        given = np.asarray(alphas, dtype=np.float64)
        if given.ndim != 1 or not given.size or not (np.isfinite(given) & (given >= 0)).all():
            raise ValueError(f"alphas={alphas!r} must be finite numbers, not negative, at least one")
        return -np.sort(-given)
    l1_ratio = penalty_at(model, 1.0).l1
    largest = max(solver.largest_strength() / max(l1_ratio, LEAST_L1_RATIO), LEAST_PENALTY)
    return np.geomspace(largest, largest * (eps or (SHORT if l1_ratio > 0 else LONG)), n_alphas)


def path_of(model: LinearEstimator, solver, alphas: np.ndarray) -> RegularizationPath:
    """The solutions, in the units of X and y."""
    return as_path(model, solver.problem, solver.solutions(penalties_at(model, alphas)), alphas)


def penalties_at(model: LinearEstimator, alphas: np.ndarray) -> list[ElasticNet]:
    """The penalties of a path."""
    return [penalty_at(model, float(alpha)) for alpha in alphas]


def as_path(
    model: LinearEstimator, problem: Problem, solutions: Sequence[Solution], alphas: np.ndarray
) -> RegularizationPath:
    """Solutions of a problem, as whoever asked for them sees them."""
    params, norms, n_iter, converged = map(np.array, zip(*solutions, strict=True))
    coefs, intercepts = problem.model.unpack(params, problem.scaling)
    dtype = problem.rows.storage.dtype
    return RegularizationPath(
        alphas=alphas,
        coefs=(coefs[:, 0] if problem.facts.get("one_target") else coefs).astype(dtype),
        intercepts=intercepts.astype(dtype),
        gradient_norms=norms,
        n_iter=n_iter,
        converged=converged,
        scales=problem.scaling.scale,
        feature_names=getattr(model, "feature_names_in_", None),
        classes=problem.facts.get("classes"),
    )


def warn_of(path: RegularizationPath, model: LinearEstimator) -> None:
    """Tell who is to be told of solutions that aren't at their optimum."""
    if not path.converged.all():
        warn_user(
            f"{np.count_nonzero(~path.converged)} of {len(path.alphas)} solutions along alpha are not at their optimum "
            f"after max_iter={model.max_iter} epochs each: increase max_iter or tol, or leave the least alphas out",
            ConvergenceWarning,
        )
