"""How an estimator's data are described that lie in parts."""

import functools
from typing import Any

import numpy as np

from ._auto.description import treatment
from ._containers import all_single, becomes_sparse
from ._encoding import categorical_columns
from ._partitions import Partitions, partitions_of
from ._problem.partitioned import Reading, columns_of
from ._problem.problem import Problem
from ._problem.survey import describe_partitions
from ._targets.partitioned import encoded_validation_set
from ._validation import check_columns


def described_in_parts(
    estimator: Any, partitions: Partitions, validation: tuple, parameters: Any, rng, before, classes, streaming, dtype
) -> Problem:
    """The problem of an estimator whose data lie in parts, of which X and y themselves are never seen here."""
    if streaming:
        raise ValueError("partial_fit takes rows in memory: call it with one part after the other, or fit with all")
    X_like, kind = partitions.X_like, estimator._model
    if estimator._encodes and categorical_columns(X_like, estimator.categorical_features).any():
        raise ValueError("columns of categories take rows in memory, and X is a collection: encode them first")
    check_columns(estimator, X_like, reset=before is None)
    dtype = np.dtype(dtype or (np.float32 if all_single(X_like) else np.float64))
    survey = estimator._survey(partitions.y_like, dtype, classes, before)
    unseen: Any = None
    if any(each is not None for each in validation):
        unseen = partitions_of(*validation, name="X_val")  # type: ignore[misc]
        if unseen is None:
            unseen = functools.partial(encoded_validation_set, estimator, validation)
        else:
            check_columns(estimator, unseen.X_like, reset=False)
            if becomes_sparse(unseen.X_like) != becomes_sparse(X_like):
                raise ValueError("of X and X_val one is sparse, the other dense: give collections that are alike")
    is_sparse = becomes_sparse(X_like)
    how = treatment(parameters, kind, streaming)
    of_X = {"columns": columns_of(X_like), "tails": estimator._tails}
    reading = Reading(dtype, is_sparse, X_like.shape[1], estimator._checks_of_y, **of_X)
    return describe_partitions(
        partitions, survey, reading, unseen, parameters, kind, estimator._penalty(), how, rng, before
    )
