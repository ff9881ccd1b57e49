"""Several descents: where they start, and how they share the processors."""

from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from .differences import Box
from .run import FunctionRun

ROUND = 4  # descents beside one best point: as many for any n_jobs, which then changes nothing
NEAREST = 1e-2  # share of their extent that variables are moved by, between it and one


def descend_from_all(
    make: Callable[[np.ndarray], FunctionRun],
    start: np.ndarray,
    box: Box | None,
    given: Any,
    rng: np.random.RandomState,
) -> list[FunctionRun]:
    """Descents from the start and from others, in their order; an error at the start itself passes through."""
    descents = [_descend(make(start), first=True)]
    beside_best = given.restart_from == "best"
    while len(descents) < given.n_restarts and descents[-1].reason != "callback":
        number = given.n_restarts - len(descents)
        if beside_best:
            number = min(number, ROUND)
            best = min(descents, key=lambda descent: np.nan_to_num(descent.value, nan=np.inf))
            starts = [_beside(best.point.params, start, box, rng) for _ in range(number)]
        else:
            starts = [_anywhere(start, box, rng) for _ in range(number)]
        descents += _share([make(params) for params in starts], given)
    return descents


def _share(descents: list[FunctionRun], given: Any) -> list[FunctionRun]:
    if effective_n_jobs(given.n_jobs) == 1:
        for k, descent in enumerate(descents):
            if _descend(descent).reason == "callback":
                return descents[: k + 1]
        return descents
    done = Parallel(n_jobs=given.n_jobs)(delayed(_descend)(descent) for descent in descents)
    for descent in done:  # what comes back from other processes has copies of the user's functions
        descent.function.fun, descent.function.jac = given.fun, given.jac
    return done


def _descend(descent: FunctionRun, first: bool = False) -> FunctionRun:
    try:
        descent.begin()
    except Exception as error:
        if first:
            raise
        descent.fail(error)
    else:
        descent.run()
    return descent


def _anywhere(start: np.ndarray, box: Box | None, rng: np.random.RandomState) -> np.ndarray:
    """Evenly within the limits of the variables that have two, else around the start."""
    around = start + np.maximum(np.abs(start), 1.0) * rng.normal(size=start.size)
    if box is None:
        return around
    low, high = box
    finite = np.isfinite(low) & np.isfinite(high)
    drawn = np.clip(around, low, high)
    drawn[finite] = rng.uniform(low[finite], high[finite])
    return drawn


def _beside(best: np.ndarray, start: np.ndarray, box: Box | None, rng: np.random.RandomState) -> np.ndarray:
    """Some of the variables of the best point moved, by little or much: how far apart minima are nobody knows."""
    extent = np.maximum(np.abs(start), 1.0)
    if box is not None:
        width = box[1] - box[0]
        extent = np.where(np.isfinite(width), 0.5 * width, extent)
    moved = rng.permutation(best.size) < rng.randint(1, best.size + 1)
    there = best + moved * extent * NEAREST ** rng.uniform() * rng.normal(size=best.size)
    return there if box is None else np.clip(there, *box)
