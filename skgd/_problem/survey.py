"""From rows in parts to the problem that is to be solved: one pass over them, in which each part is checked, too."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .._checked_parts import check_part_of_y
from .._kernels.structures import Data
from .._parallel import n_threads
from .._partitions import Part, Partitions
from .._targets.partitioned import check_part_of_weights
from .._targets.targets import Targets
from .._targets.validation_set import ValidationSet
from .describe import Scaler, of_validation_set, scaling_of, starting_constant, unscaled
from .features import ALL_ROWS, checksum
from .partitioned import (
    HeldOut,
    PartitionedRows,
    Preparation,
    Reading,
    Tally,
    columns_of,
    joined,
    naming,
    some_of,
    weightless,
)
from .problem import Problem
from .rows import Rows
from .sample import MORE_ENTRIES, ROWS_PER_PARAMETER, SAMPLE_ENTRIES, SAMPLE_ROWS, more_rows

SEEDS = 2**31 - 1


class Summary(NamedTuple):
    """What parts tell of themselves; the sum of two speaks of the parts of both."""

    tally: Tally = Tally()  # of the rows in use,
    held_out: Tally = Tally()  # and of those that are held out
    moments: tuple = (None, None)  # of features and targets
    found: tuple = ()  # of the targets
    samples: tuple = ()  # X, y and weights of some rows, which stand for all in use
    digests: tuple = ()
    lengths: tuple = ()  # numbers of parts, and how many rows are in use in each

    def __add__(self, other: "Summary") -> "Summary":  # type: ignore[override]
        moments = tuple(map(_merged, self.moments, other.moments))
        lists = (mine + others for mine, others in zip(self[3:], other[3:], strict=True))
        return Summary(self.tally + other.tally, self.held_out + other.held_out, moments, *lists)


def _merged(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return one if other is None else other
    return one.merged(other)


@dataclass(frozen=True)
class Look:
    """The look at the classes of a part, where the weights of rows depend on them."""

    survey: Any

    def __call__(self, part: Part) -> Any:
        with naming(part.number):
            return looked_at(part, self.survey)


def looked_at(part: Part, survey: Any) -> Any:
    """What a part tells of its classes, those of rows without weight, too; None if it is empty."""
    if not part.y.shape[0]:
        return None
    y = check_part_of_y(part.y)
    return survey.look(y, check_part_of_weights(part.weight, len(y)))


@dataclass(frozen=True)
class Summarise:
    """The look at all of a part."""

    reading: Reading
    survey: Any
    encoding: Any  # None: it isn't known yet, and no weight depends on it
    scaler: Any  # None: nobody asks for moments
    n_sampled: int  # rows of a part,
    every: int = 1  # and that of one part in so many
    most_sampled: int = 0  # where there are so many rows that more of them save passes

    def __call__(self, part: Part) -> Summary | None:
        with naming(part.number):
            read = self.reading.read(part, finite=True)
            if read is None:
                found = None if self.encoding is not None else looked_at(part, self.survey)
                return None if found is None else Summary(found=(found,))
            X, y, weight, subset = read
            found, targets = (), np.zeros((len(y), 1), np.float32)
            if self.encoding is None:
                found = (self.survey.look(y, weight),)
            else:
                targets = self.encoding.targets(y)
                weight = self.encoding.weights(weight, targets)
            data = unscaled(X, targets, weight, subset)
            held_out = self._held_out(part, data, read[2])
            if weightless(weight, subset):
                return Summary(held_out=held_out)
            moments = (None, None) if self.scaler is None else self.scaler.moments(data, self.survey.loss)
            more = min(more_rows(data.n_rows, self.reading.n_features + 1, self.reading.dtype), self.most_sampled)
            sample = some_of(data, X, y, max(self.n_sampled, more))
            samples = (sample,) if part.number % self.every == 0 and sample[2].any() else ()
            digests, tally = (_digest(sample[0], y, weight),), Tally.of(data)
            return Summary(tally, held_out, moments, found, samples, digests, ((part.number, tally.n_rows),))

    def _held_out(self, part: Part, data: Data, weight: np.ndarray) -> Tally:
        """Of rows that are held out; weight is that of rows before their classes counted."""
        held_out = self.reading.held_out
        if held_out is None:
            return Tally()
        rows = replace(held_out, validates=True).subset(part.number, len(data.y), weight)
        if data.weight.size:
            rows = rows[data.weight[rows] > 0]
        return Tally.of(data._replace(subset=rows)) if rows.size else Tally()


def _digest(X, y: np.ndarray, weight: np.ndarray) -> int:
    """A checksum of a part: of some of its rows, all of its targets and weights."""
    parts = [X.data, X.indices, X.indptr] if sparse.issparse(X) else [X]
    y = np.asarray(y, dtype=str) if y.dtype == object else y
    return checksum(*parts, y, weight)


def describe_partitions(
    partitions: Partitions,
    survey: Any,
    reading: Reading,
    validation: Any,
    parameters: Any,
    kind: type,
    penalty: Any,
    treatment: Any,
    rng: np.random.RandomState,
    before: Any,
) -> Problem:
    """The problem that an estimator's parameters make of data in parts; see :func:`describe`.

    survey knows what the targets may be. validation are other rows to look at: in parts; in memory, as a function that
    checks and encodes them; or None.
    """
    if parameters.early_stopping and validation is None:
        reading = replace(reading, held_out=HeldOut(rng.randint(1, SEEDS), parameters.validation_fraction))
    encoding = _encoding_beforehand(partitions, survey)
    centers_far = treatment.centers_far and not survey.loss.trivial_optimum
    scaler = Scaler(treatment.standardization, parameters, kind, reading.is_sparse, 1, centers_far)
    n_features = partitions.X_like.shape[1]
    wanted, n_parts = _rows_at_hand(n_features, reading.is_sparse), partitions.n_partitions
    most = 0 if reading.is_sparse else MORE_ENTRIES // (n_features + 1) // n_parts
    look = Summarise(reading, survey, encoding, scaler, -(-wanted // n_parts), max(1, n_parts // wanted), most)
    summary = _of_rows(partitions.total(look), "X")
    if not summary.samples:  # just those parts had no rows
        summary = _of_rows(partitions.total(replace(look, every=1)), "X")
    encoding = encoding or survey.encoding(summary.found)

    targets, data = _sample(summary, encoding)
    encoding.loss.probe(targets.y, encoding.n_outputs)
    data = scaler.apply(data, summary.moments)
    scaling, features = scaling_of(data), data.features
    model = kind.of(parameters, n_features, encoding.n_outputs, False)  # type: ignore[attr-defined]
    model = model if before is None else before.model_to_go_on_with(model, encoding.loss, scaling)

    reading = replace(reading, dtype=features.storage.dtype)
    of_data = features.center, features.inverse_scale, data.target_center, data.target_inverse_scale
    preparation = Preparation(reading, encoding, of_data)
    workers = n_threads(parameters.n_jobs)
    tally, digests, lengths = summary.tally, list(summary.digests), [0] * n_parts
    for number, n_rows in summary.lengths:
        lengths[number] = n_rows
    unseen = None
    if validation is not None:
        looks = replace(preparation, reading=replace(reading, held_out=None))
        unseen = _others(validation, looks, survey, data, workers)
    elif reading.held_out is not None:
        unseen = _held_out(partitions, preparation, summary.held_out, digests)
    return Problem(
        rows=PartitionedRows(partitions, preparation, tally, digests, Rows(data, workers), workers, lengths),
        validation=unseen,
        model=model,
        loss=encoding.loss,
        penalty=penalty,
        scaling=scaling,
        moments=summary.moments,
        standardization=scaler.standardization,
        constant=functools.cache(functools.partial(starting_constant, targets, data, scaler, kind)),
        facts=encoding.facts,
        n_given=tally.n_rows,
        rows_seen=tally.n_rows,
        streaming=False,
        precision=data.features.storage.dtype,
    )


def _encoding_beforehand(partitions: Partitions, survey: Any) -> Any:
    """How targets are encoded, where that is known before the look at all, or weights depend on it; else None."""
    if survey.needs_first_look:
        found = partitions.map(Look(survey), without_X=True)
        return survey.encoding([each for each in found if each is not None])
    return survey.encoding([]) if survey.known_beforehand else None


def _rows_at_hand(n_features: int, is_sparse: bool) -> int:
    """Rows of a sample that tells what the curvature is like."""
    if is_sparse:
        return SAMPLE_ROWS
    return max(1, min(max(SAMPLE_ROWS, ROWS_PER_PARAMETER * (n_features + 1)), SAMPLE_ENTRIES // (n_features + 1)))


def _of_rows(summary: Summary | None, name: str) -> Summary:
    """A summary of all parts, unless there is nothing in them."""
    if summary is None or not summary.tally.n_rows:
        raise ValueError(f"{name} has no rows with weight: all of its partitions are empty, or held out")
    return summary


def _sample(summary: Summary, encoding: Any) -> tuple[Targets, Any]:
    """The rows of all samples, as targets and as data."""
    X, y, weight = joined(list(summary.samples))
    targets = encoding.targets(y)
    described = Targets(targets, weight, encoding.loss, encoding.n_outputs, None, encoding.facts)
    return described, unscaled(X, targets, weight, ALL_ROWS)


def _held_out(partitions: Partitions, of_training: Preparation, tally: Tally, digests: list[int]) -> PartitionedRows:
    """The rows of each part that are not learnt from."""
    reading = of_training.reading
    assert reading.held_out is not None
    if not tally.n_rows:
        raise ValueError(
            f"early_stopping=True can't hold out validation_fraction={reading.held_out.fraction} of so few rows: none "
            "was left to validate on"
        )
    looks = replace(of_training, reading=replace(reading, held_out=replace(reading.held_out, validates=True)))
    return PartitionedRows(partitions, looks, tally, digests)


def _others(
    rows: Partitions | Callable[[Any], ValidationSet], looks: Preparation, survey: Any, data: Data, n_threads: int
) -> Rows | PartitionedRows:
    """Rows to look at that are no part of the collection."""
    if callable(rows):
        return Rows(of_validation_set(rows(looks.encoding), data), n_threads)
    looks = replace(looks, reading=replace(looks.reading, columns=columns_of(rows.X_like)))
    try:
        summary = rows.total(Summarise(looks.reading, survey, looks.encoding, None, 1))
    except ValueError as error:
        raise ValueError(f"X_val: {error}") from error
    summary = _of_rows(summary, "X_val")
    return PartitionedRows(rows, looks, summary.tally, list(summary.digests))
