"""From features, targets and parameters to the problem that is to be solved."""

import functools
from typing import Any

import numpy as np
from scipy import sparse

from .._compile.kernels import kernel
from .._kernels.constants import EPS
from .._kernels.structures import ROW_NUMBER, Data, Features, SparseFeatures
from .._parallel import n_threads, single_threaded_blas
from .._targets.classes import class_totals
from .._targets.held_out import Split, folds, hold_out
from .._targets.targets import Targets
from .._warnings import warn_user
from ..losses import Loss
from .distinct import distinct_rows
from .features import (
    ALL_ROWS,
    SAFE_FLOAT32,
    dense_columns,
    in_double,
    raw_features,
    read_only,
    row_numbers,
    scaled_rows,
    some_rows,
    stored_alike,
    targets_by_precision,
)
from .problem import Problem
from .products import are_few, products_of
from .rows import Rows
from .scaling import Scaling, dense_moments, feature_scales, moments_with_those_before
from .squares import is_half_square

FARTHEST = 1e9  # beyond, sums over entries that can't be centred themselves leave too few digits to converge by
FAR = 10.0  # standard deviations from zero to the mean: nearer ones cost the curvature no more than two digits
ROUNDING = 64 * EPS  # of a mean
FIRST_FAR_ROWS = 50  # tell which columns may lie far from zero; of those, seldom any, more rows are looked at
ROWS_LOOKED_AT = 16  # at a time: the first of raw features mostly tell that they aren't tiny
MOST_ROWS = 2 ** (8 * ROW_NUMBER.itemsize)


def describe(
    X,
    targets: Targets,
    parameters: Any,
    kind: type,
    penalty,
    treatment,
    split: Split | tuple[np.ndarray, None] | None,
    before=None,
    streaming=False,
    moments: tuple | None = None,
) -> Problem:
    """The problem that an estimator's parameters make of the data; `kind` is the class of its model.

    treatment says how rows are described, split which of them are held out; before is the training that goes on, if
    one does: with `streaming` its rows count for the scaling, too. moments are those of the rows, where they are known.
    """
    loss, weight = targets.loss, targets.weight
    rows, held_out = split or (ALL_ROWS, None)
    if held_out is None and weight.size and not weight.all():  # as if rows without weight weren't there
        rows = row_numbers(np.flatnonzero(weight))
    n_given = len(rows) or X.shape[0]
    if n_given <= treatment.most_distinct and not loss.trivial_optimum:
        weight, rows = distinct_rows(X, targets.y, weight, rows)
        targets = targets._replace(weight=weight)
    loss.probe(targets.y, targets.n_outputs)

    workers, goes_on = n_threads(parameters.n_jobs), streaming and before is not None
    centers_far = treatment.centers_far and not loss.trivial_optimum
    # of fewer rows than columns an intercept among columns that aren't centred is curved by nothing but the ridge
    lets_center = loss.quadratic or (loss.smooth and not sparse.issparse(X))
    centers_all = centers_far and lets_center and penalty.l1 == 0 and (len(rows) or X.shape[0]) < X.shape[1]
    scaler = Scaler(treatment.standardization, parameters, kind, sparse.issparse(X), workers, centers_far, centers_all)
    data, products = unscaled(X, targets.y, weight, rows), None
    if moments is None:
        if treatment.takes_products and before is None and are_few(data) and is_half_square(loss, targets.n_outputs):
            products = products_of(data, workers)
        if products is None:
            moments = scaler.moments(data, loss, before.moments if goes_on else (None, None))
        else:
            moments = products.moments
    data = scaler.apply(data, moments)
    scaling = scaling_of(data)
    model = _model(parameters, kind, targets, data, scaler, moments, scaling, before, streaming)

    unseen = None if held_out is None else data._replace(subset=row_numbers(held_out))
    if targets.validation is not None:
        unseen = of_validation_set(targets.validation, data)
    return Problem(
        rows=Rows(data, workers, products),
        validation=None if unseen is None else Rows(unseen, workers),
        model=model,
        loss=loss,
        penalty=penalty,
        scaling=scaling,
        moments=moments,
        standardization=scaler.standardization,
        constant=functools.cache(functools.partial(starting_constant, targets, data, scaler, kind, goes_on)),
        facts=targets.facts,
        n_given=n_given,
        rows_seen=n_given + (before.rows_seen if goes_on else 0),
        streaming=streaming,
        precision=np.result_type(treatment.precision or data.features.storage.dtype, data.features.storage.dtype),
    )


def splits_of(n_rows: int, targets: Targets, parameters: Any, rng, streaming: bool) -> list[Split | None]:
    """For each member the numbers of its rows to train on and to validate on; None: all rows are to train on."""
    weight, fraction, n_members = targets.weight, parameters.validation_fraction, parameters.n_members
    holds_out = parameters.early_stopping and targets.validation is None
    if n_rows > MOST_ROWS and (weight.size or holds_out):
        raise ValueError(f"X has {n_rows} rows: with weights, or some of them held out, it may have {MOST_ROWS}")
    if not holds_out:
        return [None] * n_members
    if streaming:
        raise ValueError("early_stopping=True needs all data at once, partial_fit sees a part: set it to False")
    try:
        if n_members == 1:
            return [hold_out(n_rows, fraction, weight, targets.stratify, rng)]
        return [*folds(n_rows, fraction, weight, targets.stratify, n_members, rng)]
    except ValueError as error:
        n_rows = int(np.count_nonzero(weight)) if weight.size else n_rows
        raise ValueError(
            f"early_stopping=True can't hold out validation_fraction={fraction} of {n_rows} rows: {error}"
        ) from error


class Scaler:
    """What the standardization means for features and targets, and the scaling that follows from the data."""

    def __init__(
        self,
        standardization: bool | str,
        parameters: Any,
        kind: Any,
        is_sparse: bool,
        n_threads: int,
        centers_far: bool = False,
        centers_all: bool = False,
    ):
        self.kind, self.n_threads, self.standardization = kind, n_threads, standardization
        # among raw features the intercept is left to the descent
        self.centers_targets = bool(standardization) and getattr(parameters, "fit_intercept", True)
        # sparse features never are: the free intercept makes up for it
        self.centers_features = self.centers_targets and not is_sparse and standardization != "max_abs"
        self.centers_far = centers_far and not self.centers_features
        self.centers_all = centers_all and self.centers_far
        self.centers_targets = self.centers_targets or self.centers_all
        self.scales_targets = kind.scales_targets_of_raw_features or bool(standardization)

    def moments(self, data: Data, loss: Loss, before: tuple = (None, None)) -> tuple:
        """Moments of features and targets, None where nothing follows from them."""
        of_X = of_y = None
        if self.standardization:
            of_X = feature_scales(data, self.standardization, before[0], self.n_threads)
        if loss.target_power is not None and self.scales_targets:
            of_rows = data.y, data.weight, data.subset, "y", self.n_threads
            of_y = dense_moments(*of_rows) if before[1] is None else moments_with_those_before(before[1], *of_rows)
        return of_X, of_y

    def apply(self, data: Data, moments: tuple) -> Data:
        """The data with the scaling that follows from the moments."""
        features, k = data.features, data.y.shape[1]
        target_center, target_scale = np.zeros(k), np.ones(k)
        center, scale = features.center, features.inverse_scale  # zeros and ones
        of_X, of_y = moments
        if self.centers_far and not (self.centers_all and isinstance(features, Features)):
            center = far_centers(data)  # looks for columns of CSR whose digits are lost, too
        if self.centers_all:
            center = column_means(data)
        if of_X is None:
            check_raw_features(data)
        else:
            scale = of_X.scale(np.finfo(features.storage.dtype).eps, self.standardization == "auto")
            center = of_X.mean if self.centers_features else center
            if self.kind.compute_dtype(features.storage) == np.float32 and not _fits_float32(scale):
                features = in_double(features)
        if of_y is not None:
            target_scale = of_y.scale(EPS)
            target_center = of_y.mean if self.centers_targets else target_center
        elif max(data.y.max(), -data.y.min()) > np.finfo(self.kind.compute_dtype(features.storage)).max:
            raise ValueError("y is beyond what float32 holds, as X is: give X as float64, or y in other units")
        # the center as the kernels see it, rounded to the dtype of X, is the center that counts
        dtype = self.kind.compute_dtype(features.storage)
        features = features._replace(center=center.astype(dtype), inverse_scale=(1.0 / scale).astype(dtype))
        return data._replace(features=features, target_center=target_center, target_inverse_scale=1.0 / target_scale)


def unscaled(X, y: np.ndarray, weight: np.ndarray, rows: np.ndarray) -> Data:
    """The data as they are."""
    zeros, ones = np.zeros(y.shape[1]), np.ones(y.shape[1])
    return Data(raw_features(X), *targets_by_precision(y), zeros, ones, read_only(weight), row_numbers(rows))


def scaling_of(data: Data) -> Scaling:
    """The scaling that the data carry."""
    return Scaling(
        data.features.center.astype(np.float64),
        1.0 / data.features.inverse_scale.astype(np.float64),
        data.target_center,
        1.0 / data.target_inverse_scale,
    )


def _model(parameters, kind, targets, data, scaler, moments, scaling, before, streaming):
    """The model that the parameters ask for, or that of the training that goes on."""
    # On centred features and targets the best intercept is zero, if the loss is quadratic and no mean rounded.
    exact = kind.compute_dtype(data.features.storage) == np.float64
    centered = (scaler.centers_features or scaler.centers_all) and moments[1] is not None and exact
    known = targets.loss.quadratic and centered and not streaming and before is None
    model = kind.of(parameters, data.features.center.size, targets.n_outputs, known)
    return model if before is None else before.model_to_go_on_with(model, targets.loss, scaling)


def starting_constant(targets: Targets, data: Data, scaler: Scaler, kind: Any, goes_on: bool = False) -> np.ndarray:
    """Raw prediction of the constant model that training starts from, in scaled units.

    A stream that goes on asks for no more than a measure, and gets the mean: the best constant of some losses takes
    longer than everything else that is done with a few rows.
    """
    loss, n_outputs = targets.loss, targets.n_outputs
    centers_features = scaler.centers_features or scaler.centers_all
    given = kind.starting_constant(loss, centers_features, scaler.centers_targets, scaler.centers_far)
    if given is not None:
        return np.full(n_outputs, given)
    y, weight = data.y, data.weight if data.weight.size else None
    if "classes" in targets.facts and not loss.multilabel:
        # counted by threads, where a copy of some rows' targets would be a good part of a narrow X, too
        subset = data.subset if data.subset.size else None
        weight = class_totals(y, data.weight, max(2, n_outputs), subset, scaler.n_threads)
        y = np.arange(float(len(weight)))[:, None]
    elif data.subset.size:
        y, weight = y[data.subset], None if weight is None else weight[data.subset]
    if weight is not None:  # only proportions count: at most 1, so that products with the largest targets stay numbers
        weight = np.ldexp(weight, -np.frexp(weight.max())[1])
    if goes_on and loss.target_power is not None:
        return np.average((y - data.target_center) * data.target_inverse_scale, axis=0, weights=weight)
    constant = loss.best_constant(y, weight, n_outputs)
    if "classes" not in targets.facts:  # a mean of equal targets is rounded, which would be something to learn
        of_first = loss.best_constant(y[:1], None, n_outputs)
        with np.errstate(over="ignore"):
            constant = np.where(np.abs(constant - of_first) <= ROUNDING * np.abs(of_first), of_first, constant)
    if loss.target_power is not None:  # a class index has no scale
        constant = (constant - data.target_center) * data.target_inverse_scale
    return constant


def of_validation_set(validation, data: Data) -> Data:
    """The validation set as kernels take it, stored and scaled as the training data are."""
    features: Features | SparseFeatures = raw_features(stored_alike(validation.X, data.features.storage))
    features = features._replace(center=data.features.center, inverse_scale=data.features.inverse_scale)
    (doubles, singles), weight = targets_by_precision(validation.y), read_only(validation.weight)
    return data._replace(
        features=features, doubles=doubles, singles=singles, weight=weight, subset=row_numbers(ALL_ROWS)
    )


def _fits_float32(scale: np.ndarray) -> bool:
    low, high = SAFE_FLOAT32
    return bool(((scale > low) & (scale < high)).all())


def column_means(data: Data) -> np.ndarray:
    """Weighted means of all columns, up to rounding, which leaves constant ones as they are."""
    used = data.subset if data.subset.size else slice(0, len(data.y))
    features, used_shares = data.features, data.shares_of(used)
    if isinstance(features, SparseFeatures):
        mean, storage = np.zeros(features.center.size), features.storage
        add = kernel("combine_rows", storage.dtype, index=storage.index_dtype)
        add(features, data.subset, used_shares, mean, 0, data.n_rows)
    else:
        X, shares = features.X, np.zeros(len(data.y), features.X.dtype)
        shares[used] = used_shares
        # BLAS's own threads would go on waiting in busy loops beside those that come next
        with np.errstate(over="ignore", invalid="ignore"), single_threaded_blas():
            mean = (shares @ X).astype(np.float64)
        first = X[data.subset[0] if data.subset.size else 0]
        mean = np.where(np.abs(mean - first) <= len(shares) * np.finfo(X.dtype).eps * np.abs(mean), first, mean)
    mean[~np.isfinite(mean)] = 0.0
    return mean


def far_centers(data: Data) -> np.ndarray:
    """Means, as some rows tell them, of columns that lie far from zero; 0 of others.

    Whatever is taken off a column, the free intercept makes up for it exactly. But the curvature of columns as they are
    has no digits left for what they tell.
    """
    features, d, numbers = data.features, data.features.center.size, data.sample_rows(1000)
    center, some = np.zeros(d), numbers[:: -(-len(numbers) // FIRST_FAR_ROWS)]
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(features, Features):
            # of fewer rows the squares of deviations add up to less, and the mean is half as large at least
            far, _ = _far(*_means(features.X[some]), 4 * len(numbers) / len(some))
            which, mean = _far(*_means(features.X[np.ix_(numbers, far)]))
            far = far[which]
        else:
            # a column with a share of zeros that is more than 1 / (FAR^2 + 1) varies by more than FAR allows
            full = np.bincount(some_rows(features, some).indices) >= len(some) - len(numbers) / (FAR**2 + 1)
            if not full.any():
                return center
            columns = dense_columns(scaled_rows(features, numbers), full.nonzero()[0])
            far, mean = _far(*_means(columns))
            far = full.nonzero()[0][far]
    center[far] = mean
    if far.size and not isinstance(features, Features):
        columns, size = dense_columns(scaled_rows(features, numbers), far), np.abs(mean)
        deviation = (columns - columns[0]).std(axis=0)
        lost = far[(deviation < size / FARTHEST) & (deviation > 4 * EPS * size)]  # others are constant
        if lost.size:
            warn_user(
                f"column {lost[0]} of the sparse X lies so far from zero, {center[lost[0]]:.3g} on average, that sums "
                "lose the digits in which its entries differ: subtract the mean, or give X as an array",
                RuntimeWarning,
            )
    return center


def _means(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of columns and of their squares."""
    rows = rows.astype(np.float64, copy=False)
    return rows.mean(axis=0), np.einsum("ij,ij->j", rows, rows) / len(rows)


def _far(mean: np.ndarray, square: np.ndarray, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the columns whose variance, over a factor, is small beside the square of their mean; their means."""
    is_far = (square - mean**2 < factor * (mean / FAR) ** 2) & (mean != 0) & np.isfinite(square)
    far = np.flatnonzero(is_far)
    return far, mean[far]


def check_raw_features(data: Data) -> None:
    """Refuse raw features whose squares underflow, so that no gradient tells anything."""
    least, largest = np.sqrt(np.finfo(data.features.inverse_scale.dtype).tiny), 0.0
    numbers = data.sample_rows(1000)
    for start in range(0, numbers.size, ROWS_LOOKED_AT):
        sample = scaled_rows(data.features, numbers[start : start + ROWS_LOOKED_AT])
        largest = max(largest, np.abs(sample.data if sparse.issparse(sample) else sample).max(initial=0))
        if largest >= least:
            return
    if largest > 0:
        raise ValueError(
            f"standardize=False: the features are so small, {largest:.3g} at most, that their squares underflow; "
            "standardize=True brings them to one scale"
        )
