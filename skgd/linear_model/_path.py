"""Solutions of a linear model along the strengths of its penalty."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._problem.problem import Problem
from .._auto.curvature import covariances_suit
from .._solvers.continuation import Continuation
from .._solvers.covariances import Covariances
from .._validation import Interval, check_arguments, check_parameters
from ..penalties import ElasticNet, get_penalty
from ._base import LinearEstimator

SHORT, LONG = 1e-3, 1e-7  # smallest alpha over the largest: by an L1 penalty all is let in sooner than L2 lets go
LEAST_L1_RATIO = 1e-3  # of which alpha is the largest where there are no zeros to tell (Friedman et al. 2010)
LEAST_ALPHA = float(np.finfo(np.float64).eps)  # of data that tell nothing


@dataclass(frozen=True)
class RegularizationPath:
    alphas: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    gradient_norms: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray
    scale: np.ndarray


def regularization_path(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    alphas: ArrayLike | None = None,
    n_alphas: int = 100,
    eps: float | None = None,
) -> RegularizationPath:
    model = checked_model(estimator)
    training = training_of(model, X, y, sample_weight)
    if alphas is None:
        alphas = alpha_grid(model, training, n_alphas, eps)
    else:
        alphas = checked_alphas(alphas)
    return path_of(model, training, alphas)


def checked_model(estimator):
    model = clone(estimator)
    check_parameters(model)
    if model.early_stopping:
        raise ValueError("early_stopping=True")
    penalty_at(model, 1.0)
    return model


def training_of(model, X, y, sample_weight):
    parameters = model._parameters(X)
    problem = model._problems(X, y, sample_weight, (None,) * 3, parameters, check_random_state(0))[0]

    def decide(problem):
        return model._decide(parameters, problem, None)

    plan = decide(problem)
    if not plan.searches_line:
        raise ValueError(
            f"a path needs line searches, which end at the optimum: {plan.optimizer} makes steps of a given "
            "length. Set optimizer='auto', and learning_rate, batch_size, schedule, average and clip_norm to what "
            "they are by default"
        )
    return Covariances(problem) if covariances_suit(problem) else Continuation(problem, decide)


def penalty_at(model: LinearEstimator, alpha: float) -> ElasticNet:
    """The penalty of a model with another strength."""
    penalty = model.penalty
    if penalty is None:
        raise ValueError("penalty=None")
    if isinstance(penalty, str):
        return get_penalty(penalty, alpha, model.l1_ratio)
    return get_penalty(clone(penalty).set_params(alpha=alpha), alpha)


def checked_alphas(alphas):
    return -np.sort(-np.asarray(alphas, dtype=np.float64))


def alpha_grid(model, training, n_alphas, eps):
    l1_ratio = penalty_at(model, 1.0).l1
    largest = max(training.largest_strength() / max(l1_ratio, LEAST_L1_RATIO), LEAST_ALPHA)
    eps = (SHORT if l1_ratio > 0 else LONG) if eps is None else eps
    return np.geomspace(largest, eps * largest, n_alphas)


def path_of(model, training, alphas):
    solutions = training.solutions([penalty_at(model, alpha) for alpha in alphas])
    problem = training.problem
    params, norms, n_iter, converged = map(np.array, zip(*solutions, strict=True))
    coefs, intercepts = problem.model.unpack(params, problem.scaling)
    if problem.facts.get("one_target"):
        coefs = coefs[:, 0]
    dtype = problem.rows.storage.dtype
    return RegularizationPath(alphas, coefs.astype(dtype), intercepts.astype(dtype), norms, n_iter, converged, problem.scaling.scale)
