"""What a search over learning rates has found, for its picture."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from .._fit import GradientDescentEstimator
from ._checks import is_positive, shown
from ._unwrap import innermost, is_search

_MOST_LETTERS = 24  # of a setting's value in the legend


def scores_of(search: Any, parameter: str | None, metric: str | None) -> dict[str, Any]:
    """What a display of a search's candidates is made from."""
    given = search
    while isinstance(search, Pipeline):
        search = search.steps[-1][1]
    if not is_search(search):
        raise TypeError(f"search={shown(given)} must be a fitted search, as GridSearchCV, not {type(search).__name__}")
    results = getattr(search, "cv_results_", None)
    if results is None:
        raise NotFittedError(f"search: this {type(search).__name__} is not fitted yet: call fit to have scores to draw")
    parameter = _rate_parameter(results["params"], parameter)
    metric, is_its_own = _metric(search, results, metric)
    scores = np.asarray(results[f"mean_test_{metric}"], dtype=np.float64)
    if not np.isfinite(scores).any():
        raise ValueError(f"search: no candidate has a score: all fits have failed, mean_test_{metric} is {scores}")
    own = search.estimator.get_params()  # of candidates that leave something as it is
    rates = [params.get(parameter, own.get(parameter)) for params in results["params"]]
    if not any(map(is_positive, rates)):
        raise ValueError(f"search: none of {parameter!r} is a positive number, they are {shown(rates)}")
    best = getattr(search, "best_index_", None) if is_its_own else None
    chosen = innermost(search.best_estimator_) if best is not None and hasattr(search, "best_estimator_") else None
    scoring = getattr(search, "scoring", None)
    title = scoring if metric == "score" and isinstance(scoring, str) else metric
    return {
        "learning_rates": rates,
        "scores": scores,
        "deviations": results[f"std_test_{metric}"],
        "settings": _settings(search, results, parameter, own),
        "best": best,
        "chosen_rate": _rate_that_was_found(chosen),
        "xlabel": "learning rate" if parameter.split("__")[-1] == "learning_rate" else parameter,
        "ylabel": f"{title}, mean \N{PLUS-MINUS SIGN} std of {search.n_splits_} folds",
    }


def _rate_that_was_found(model: Any) -> float | None:
    """The rate that a fitted estimator of skgd has come to, if its optimizer has one."""
    if not isinstance(model, GradientDescentEstimator) or model.optimizer_.searches_line:
        return None
    return float(model.learning_rate_)


def _rate_parameter(params: Sequence[Mapping], asked: str | None) -> str:
    """The parameter that is the learning rate, in a pipeline or not."""
    names = list(dict.fromkeys(name for each in params for name in each))
    found = [name for name in names if name.split("__")[-1] == "learning_rate"] if asked is None else [asked]
    if len(found) == 1 and found[0] in names:
        return found[0]
    if asked is not None:
        raise ValueError(f"parameter={asked!r} must be one that was searched: {shown(names)}")
    how = "several learning rates" if found else "no learning rate"
    raise ValueError(f"search: there is {how} among {shown(found or names)}; name the one to draw by parameter=...")


def _metric(search: Any, results: Mapping, asked: str | None) -> tuple[str, bool]:
    """The metric to draw, and whether the search has chosen its best by it."""
    names = [name.removeprefix("mean_test_") for name in results if name.startswith("mean_test_")]
    own = names[0] if len(names) == 1 else getattr(search, "refit", None)  # a function, perhaps
    metric = own if asked is None else asked
    if not isinstance(metric, str) and asked is None:
        raise ValueError(f"metric: pass metric=, one of {names}, for refit={shown(own)} names none")
    if not isinstance(metric, str) or metric not in names:
        raise ValueError(f"metric={asked!r} must be one of {names}, which the search has scored")
    return metric, metric == own


def _settings(search: Any, results: Mapping, parameter: str, own: Mapping) -> list[str] | None:
    """What else differs between candidates, in words for each."""
    params = results["params"]
    prefix = parameter.removesuffix("learning_rate")
    words: list[list[str]] = [[] for _ in params]
    for name in dict.fromkeys(name for each in params for name in each if name != parameter):
        values = [each.get(name, own.get(name)) for each in params]
        if len(set(map(repr, values))) > 1:
            for k, value in enumerate(values):
                words[k].append(f"{name.removeprefix(prefix)}={_in_short(value)}")
    rows = results.get("n_resources", [0])
    if getattr(search, "resource", None) == "n_samples" and len(set(rows)) > 1:  # of a halving search
        words = [[*each, f"{n} rows"] for each, n in zip(words, rows, strict=True)]
    return [", ".join(each) for each in words] if any(words) else None


def _in_short(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return shown(value, _MOST_LETTERS)
