"""The strength of a penalty by cross-validation, with one path of solutions for each fold."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from numbers import Real
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import BaseCrossValidator, GridSearchCV, check_cv
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metadata_routing import process_routing

from .. import _parallel as threads
from .._partitions import CALLBACKS
from .._problem.problem import Problem
from .._scores import R2, Deviations
from .._solvers.covariances import Covariances
from .._solvers.shared_moments import Others, shared_moments_of
from .._solvers.training import begin
from .._validation import Interval, StrOptions, check_parameters, check_rows_to_predict, some_rows
from ._base import LinearEstimator
from ._folds import paths_side_by_side
from ._path import (
    OF_ALPHAS,
    RegularizationPath,
    alphas_of,
    model_for_path,
    path_of,
    penalty_at,
    solver_of,
    solver_without,
    warn_of,
)

MOST_PREDICTIONS = 2**22  # at a time: 32 MB


class AlphaSearchCV(GridSearchCV):
    """Search for the alpha of a linear model by cross-validation: ``GridSearchCV`` over alpha that shares the work.

    In each fold the solutions for all alphas are one :func:`regularization_path`. Where there is no L1 part, folds of
    dense rows are solved side by side: a look at the rows serves all, and most often one model of the curvature. Of
    squared error moments tell. The model is fitted to all rows with the alpha of the best mean score, and predicts.

    Parameters
    ----------
    estimator : GDLinearRegressor, GDLinearClassifier or GDLogisticClassifier
        The model: loss, penalty, ``l1_ratio``, standardization and all else but ``alpha``. It stays as it is.
    alphas : array-like of shape (n_alphas,), default=None
        Strengths of the penalty, as in :func:`regularization_path`. None: they follow from all rows.
    n_alphas : int, default=100
        Number of alphas, where they aren't given.
    eps : float in (0, 1), default=None
        The smallest alpha over the largest. None: 1e-3, and 1e-7 without an L1 part.
    scoring : str or callable, default=None
        A score, as ``GridSearchCV`` takes one. None: that of the estimator, R^2 or accuracy, which is the fastest.
    cv : int, cross-validation generator or iterable, default=None
        Folds, as ``GridSearchCV`` takes them. None: five.
    tol : float, default=1e-5
        Tolerance of the solutions in the folds, if the estimator leaves its own to skgd: the share of what they gain on
        the constant model that they may lack. Mean scores change with its root, by less than 1e-3 near the best alpha
        most often, by more where folds follow their noise and predictions are powers of e; 1e-8 gives those of
        ``GridSearchCV`` to three digits or so. The model that is fitted to all rows in the end has the estimator's.
    n_jobs : int or None, default=None
        Folds at a time, in threads; -1 is one a core. None is one, unless a context of joblib says otherwise, and the
        estimator's ``n_jobs`` threads share its work; with several folds at a time each has one thread, and scorers and
        losses in Python are called by several at once. Folds that are solved side by side share the threads. The
        result is the same, bit for bit.

    Attributes
    ----------
    alpha_ : float
        The best alpha.
    best_estimator_ : estimator
        The model fitted to all rows with it.
    best_score_ : float
        Its mean score over the folds.
    best_index_ : int
        Its place among the alphas, the largest first.
    best_params_ : dict
        It by the name of the estimator's parameter: ``alpha``, or ``penalty__alpha``.
    cv_results_ : dict of str to ndarray
        ``params``, and scores of each fold, their means, deviations and ranks, as ``GridSearchCV`` has them.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds for the last fit.
    scorer_ : callable
        The score.
    multimetric_ : bool
        False: there is one score.

    See Also
    --------
    regularization_path : all solutions for all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDLinearRegressor
    >>> from skgd.linear_model import AlphaSearchCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = AlphaSearchCV(GDLinearRegressor(penalty="l1"), n_alphas=30).fit(X, y)
    >>> round(search.alpha_, 2), round(search.best_score_, 2), int((search.best_estimator_.coef_ != 0).sum())
    (0.07, 0.48, 9)
    """

    _parameter_constraints: dict = OF_ALPHAS | {
        **{name: GridSearchCV._parameter_constraints[name] for name in ("estimator", "cv", "n_jobs")},
        "tol": [Interval(Real, 0, None, closed="neither")],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    }

    refit, multimetric_, error_score, verbose = True, False, "raise", 0  # as GridSearchCV wants to know

    def __init__(
        self,
        estimator: LinearEstimator,
        *,
        alphas: ArrayLike | None = None,
        n_alphas: int = 100,
        eps: float | None = None,
        scoring: str | Callable | None = None,
        cv: int | BaseCrossValidator | Any = None,
        tol: float = 1e-5,
        n_jobs: int | None = None,
    ):
        self.estimator = estimator
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.eps = eps
        self.scoring = scoring
        self.cv = cv
        self.tol = tol
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags = get_tags(self.estimator).target_tags
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, **params: Any) -> Self:
        """Score all alphas in all folds, and fit the best.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Targets or classes.
        **params : dict
            ``sample_weight``, which count in fits and scores; others go to ``cv``, as ``groups``.

        Returns
        -------
        Self
            The fitted search itself.
        """
        check_parameters(self)
        scorer = check_scoring(self.estimator, self.scoring)
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **params)
            weight = routed.estimator.fit.get("sample_weight")
            of_scores, params = routed.scorer.score.get("sample_weight"), routed.splitter.split
        else:
            weight = params.pop("sample_weight", None)
            of_scores = weight if _takes_weights(scorer) else None
        n_threads = effective_n_jobs(self.n_jobs)
        model, given = model_for_path(self.estimator), (X, y, weight)
        whole = solver_of(model, *given)
        X, y, weight, of_scores = indexable(X, y, weight, of_scores)
        cv = check_cv(self.cv, y, classifier=is_classifier(model))
        numbers = np.arange(len(y))  # type: ignore[arg-type]  # for rows numbered from the end, or said by a mask
        folds = [(numbers[rows], numbers[unseen]) for rows, unseen in cv.split(X, y, **params)]
        # of classes some may be missing in a fold, and weights be others
        shares = not is_classifier(model) and whole.problem.rows.n_rows == len(numbers)
        shared = shared_moments_of(whole) if shares else None
        if shared and _hold([unseen for _, unseen in folds], numbers):
            shared.look_at([unseen for _, unseen in folds])
        alphas = alphas_of(model, whole, self.alphas, self.n_alphas, self.eps)

        at_once = n_threads if n_threads > 1 else whole.problem.rows.n_threads
        together = paths_side_by_side(folds, whole, model, alphas, self.tol, at_once)

        def scored(fold):
            (rows, unseen), found = fold
            own: Any = copy(model)  # with what is known of columns
            own.n_jobs, others = model.n_jobs if n_threads == 1 else 1, None
            if found is None:
                known = None
                if shared and _hold([rows, unseen], numbers):
                    known = solver_without(unseen, rows, shared, own, self.tol)
                solver, others = known or (solver_of(own, *_some((X, y, weight), rows), self.tol), None)
                found = solver.problem, path_of(own, solver, alphas)
            problem, path = found
            if others and self.scoring is None and of_scores is weight:
                scores = _r2_by_moments(others, path, len(unseen))
                if scores is not None:
                    return scores, path
            held_out = _some((X, y, of_scores), unseen)
            if self.scoring is None:
                return scores_by_default(own, problem, path, *held_out), path
            return [score(scorer, each, *held_out) for each in fitted(own, problem, path)], path

        # with one thread of BLAS for whatever number of folds at a time: several add up in another order
        scores, paths = zip(*threads.run(scored, [*zip(folds, together, strict=True)], n_threads), strict=True)
        for path in paths:
            warn_of(path, model)
        self._publish(model, alphas, np.array(scores), scorer)
        started = time.perf_counter()
        model.set_params(**self.best_params_)
        if _is_fitted_by_skgd_alone(model):
            problem = whole.problem_with_moments() if isinstance(whole, Covariances) else whole.problem
            problem = replace(problem, near=_mean_of(paths, self.best_index_, problem))
            model._fit(*given, described=[replace(problem, penalty=penalty_at(model, self.alpha_))])
        else:
            model.fit(X, y, **({} if weight is None else {"sample_weight": weight}))
        self.best_estimator_ = model
        self.refit_time_ = time.perf_counter() - started
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        return self

    def _publish(self, model: LinearEstimator, alphas: np.ndarray, scores: np.ndarray, scorer: Callable) -> None:
        name = "alpha" if isinstance(model.penalty, str) else "penalty__alpha"
        mean = scores.mean(axis=0)
        # as GridSearchCV has it: scores that aren't known come last
        rank = rankdata(-np.nan_to_num(mean, nan=np.nanmin(mean, initial=0) - 1), method="min").astype(np.int32)
        self.cv_results_ = {
            "params": [{name: float(alpha)} for alpha in alphas],
            f"param_{name}": np.ma.masked_array(alphas),
            **{f"split{k}_test_score": of_fold for k, of_fold in enumerate(scores)},
            "mean_test_score": mean,
            "std_test_score": scores.std(axis=0),
            "rank_test_score": rank,
        }
        self.n_splits_, self.scorer_ = len(scores), scorer
        self.best_index_ = int(rank.argmin())
        self.best_score_, self.best_params_ = (
            float(mean[self.best_index_]),
            self.cv_results_["params"][self.best_index_],
        )
        self.alpha_ = float(alphas[self.best_index_])


def _hold(parts: list[np.ndarray], numbers: np.ndarray) -> bool:
    """Whether each number is in one of these parts."""
    return np.array_equal(np.sort(np.concatenate(parts)), numbers)


def _takes_weights(scorer: Callable) -> bool:
    """Whether a scorer takes `sample_weight`, as scikit-learn's do."""
    parameters = inspect.signature(scorer).parameters
    return "sample_weight" in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def _some(arrays: tuple, numbers: np.ndarray) -> list:
    """Rows of those arrays that there are; weights that are all zero are refused."""
    *rows, weight = (None if each is None else some_rows(each, numbers) for each in arrays)
    if weight is not None and not np.any(weight):
        raise ValueError("sample_weight is zero for all rows of a fold: leave such rows out, or take other folds")
    return [*rows, weight]


def score(scorer: Callable, model: LinearEstimator, X, y, weight) -> float:
    """The score of a fitted model on rows that it hasn't seen."""
    return scorer(model, X, y) if weight is None else scorer(model, X, y, sample_weight=weight)


def fitted(model: LinearEstimator, problem: Problem, path: RegularizationPath) -> Iterator[LinearEstimator]:
    """The model as fitted with one alpha after another."""
    plan = model._decide(model._parameters(), problem, None)
    training = begin(problem, plan, check_random_state(0))[0]
    for coef, intercept in zip(path.coefs, path.intercepts, strict=True):
        unpacked = coef.reshape(len(intercept), -1), intercept
        training.state.params[:] = problem.model.pack(unpacked, problem.scaling)
        model._publish(training)
        yield model


def scores_by_default(model: LinearEstimator, problem: Problem, path: RegularizationPath, X, y, weight) -> np.ndarray:
    """R^2, or the accuracy, along the path: what `score` tells, for many alphas by one product of matrices."""
    X, y = check_rows_to_predict(model, X), np.asarray(y)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    tell = _r2 if path.classes is None else _accuracy
    n_alphas, n_outputs = path.intercepts.shape
    at_once, scores = max(1, MOST_PREDICTIONS // (len(y) * n_outputs)), []
    for start in range(0, n_alphas, at_once):
        coefs, intercepts = (each[start : start + at_once] for each in (path.coefs, path.intercepts))
        raw = safe_sparse_dot(X, coefs.reshape(intercepts.size, -1).T, dense_output=True)
        raw = raw.reshape(len(y), *intercepts.shape)
        raw += intercepts
        scores.append(tell(problem.loss, raw, y, weight, path))
    return np.concatenate(scores)


def _mean_of(paths: Sequence[RegularizationPath], index: int, problem: Problem) -> np.ndarray | None:
    """Mean of the folds' solutions for an alpha, near to that of all rows; None if classes differ or none is needed."""
    n_outputs = problem.model.n_outputs
    if problem.loss.quadratic or any(path.intercepts.shape[1] != n_outputs for path in paths):
        return None
    coef = np.mean([path.coefs[index].reshape(n_outputs, -1) for path in paths], axis=0, dtype=np.float64)
    return problem.model.pack((coef, np.mean([path.intercepts[index] for path in paths], axis=0)), problem.scaling)


def _is_fitted_by_skgd_alone(model: LinearEstimator) -> bool:
    """Whether nothing but skgd's stages happens in `fit`: neither what a subclass adds nor scikit-learn's callbacks."""
    ours = type(model).fit.__module__.startswith(__package__.partition(".")[0] + ".")
    return ours and not any(model.__dict__.get(name) for name in CALLBACKS)


def _r2_by_moments(others: Others, path: RegularizationPath, n_rows: int) -> np.ndarray | None:
    """The same of rows whose moments tell it."""
    found = others.deviations(path.coefs, path.intercepts)
    return None if found is None else np.broadcast_to(R2.finish(Deviations(n_rows, *found)), len(path.alphas))


def _r2(loss, raw, y, weight, path) -> np.ndarray:
    residuals = loss.predict(raw.reshape(-1, raw.shape[2])).reshape(raw.shape)
    y = y.reshape(len(y), -1).astype(np.float64)
    mean = np.average(y, axis=0, weights=weight)
    residuals -= y[:, None]
    around_mean = weight @ (y - mean) ** 2
    around_predictions = np.einsum("i,ijk,ijk->jk", weight, residuals, residuals)
    told = R2.finish(Deviations(len(y), float(weight.sum()), mean, around_mean, around_predictions))
    return np.broadcast_to(told, raw.shape[1])  # of a single row there is none


def _accuracy(loss, raw, y, weight, path) -> np.ndarray:
    index = (raw[..., 0] > 0).astype(int) if raw.shape[2] == 1 else raw.argmax(axis=2)
    return np.average(path.classes[index] == y.reshape(-1, 1), axis=0, weights=weight)
