"""Estimators as users have them: behind a search, at the end of a pipeline, or both."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._fit import GradientDescentEstimator
from ._checks import feature_names, shown


def is_search(estimator: Any) -> bool:
    """Whether it is a search, as GridSearchCV, by what they all have; scikit-learn's base of them is private."""
    return hasattr(estimator, "best_estimator_") or (
        hasattr(estimator, "estimator") and hasattr(estimator, "error_score")
    )


def innermost(estimator: Any) -> Any:
    """What a pipeline ends with, or a search has found best, to any depth; other estimators themselves."""
    if isinstance(estimator, Pipeline):
        return innermost(estimator.steps[-1][1])
    return innermost(_best(estimator)) if is_search(estimator) else estimator


def checked_model(estimator: Any, needs: type = GradientDescentEstimator, what: str = "an estimator of skgd") -> Any:
    """The estimator of skgd that is given, alone or within others, of the class that the picture needs."""
    model = innermost(estimator)
    if not isinstance(model, needs):
        verb = "be" if model is estimator else "end with"
        raise TypeError(f"estimator={shown(estimator)} must {verb} {what}, not {type(model).__name__}")
    return model


class Unwrapped:
    """An estimator of skgd, and what reaches it of X through the steps of the pipelines around it.

    Steps that are fitted are applied, others are fitted to X and y as clones; what is given stays as it is.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, *needs: Any):
        self.model = checked_model(estimator, *needs)
        self.steps: list[Pipeline] = []
        self.X = X
        while estimator is not self.model:
            if isinstance(estimator, Pipeline):
                if len(estimator) > 1:
                    self._add(estimator[:-1], y)
                estimator = estimator.steps[-1][1]
            else:
                estimator = _best(estimator)

    def _add(self, steps: Pipeline, y: Any) -> None:
        if not _are_fitted(steps):
            steps = clone(steps).fit(self.X, y)
        self.X = steps.transform(self.X)
        self.steps.append(steps)

    def transform(self, X: Any) -> Any:
        """What reaches the estimator of other rows."""
        for steps in self.steps:
            X = steps.transform(X)
        return X

    def feature_names(self, fitted: Any) -> list[str]:
        """Names of the features that a fit to `X` has seen: those that X had or got, else numbered ones."""
        known = getattr(fitted, "feature_names_in_", None)
        if known is None and self.steps:
            known = self._names_of_steps()
        return feature_names(known, fitted.n_features_in_)

    def _names_of_steps(self) -> np.ndarray | None:
        names = None
        try:
            for steps in self.steps:
                names = steps.get_feature_names_out(names)
        except (AttributeError, ValueError):  # a step that gives none, as most functions
            return None
        return names


def _are_fitted(steps: Pipeline) -> bool:
    """Whether all are: a pipeline itself looks at the last one alone."""
    try:
        for _, step in steps.steps:
            if hasattr(step, "fit"):  # not "passthrough"
                check_is_fitted(step)
    except NotFittedError:
        return False
    return True


def _best(search: Any) -> Any:
    """The estimator that a search has found best and fitted."""
    if hasattr(search, "best_estimator_"):
        return search.best_estimator_
    kind = type(search).__name__
    if not getattr(search, "refit", True):
        raise ValueError(f"estimator: {kind} with refit=False has no best_estimator_ to draw; search with refit=True")
    raise NotFittedError(
        f"estimator: this {kind} is not fitted yet, so that it has no best_estimator_ to draw; call fit"
    )
