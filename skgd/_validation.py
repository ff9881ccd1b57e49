"""Every use of scikit-learn's private names, and the checks of data that all estimators share."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.utils import _safe_indexing, check_array, check_X_y
from sklearn.utils._array_api import get_namespace_and_device
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads as openmp_threads
from sklearn.utils._param_validation import Interval as IntervalOrBool
from sklearn.utils._param_validation import RealNotInt as RealNotInt
from sklearn.utils._param_validation import StrOptions, validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, check_non_negative, validate_data

from ._containers import (
    ENCODE,
    NAME_IT,
    all_single,
    as_numpy,
    check_structure,
    checked_table,
    of_numbers,
    raise_for_columns,
    without_duplicates,
)
from ._encoding import Encoding, categorical_columns, columns_of, filled, missing_in
from ._numbers import plain

if TYPE_CHECKING:  # scikit-learn's decorators have no types: what they decorate would be anything
    Method = TypeVar("Method", bound=Callable)

    def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]: ...
    def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]: ...
else:
    from sklearn.base import _fit_context as fit_context
    from sklearn.utils.metaestimators import available_if

some_rows = _safe_indexing  # of an array, a list, a data frame or CSR, by their numbers

FLOATS = (np.float64, np.float32)
WHOLE = tuple(np.dtype(f"{sign}int{bits}").type for sign in ("", "u") for bits in (8, 16, 32, 64))
NUMBERS = (*FLOATS, np.float16, np.bool_, *WHOLE)  # that float64 holds, the largest whole ones rounded
SAFE_WEIGHTS = (1e-100, 1e100)  # sums and products of weights in between are as exact as those of any others
# Of parts nobody knows the largest of all beforehand: sums over them have room for squares of targets up to 1e50
SAFE_WEIGHTS_OF_PARTS = (1e-200, 1e200)
CSR = sparse.csr_matrix, sparse.csr_array
SQUARED_ENTRIES = 2**12  # up to so many BLAS adds squares of, which warns of nothing, in a tenth of a NumPy sum's time


class Interval(IntervalOrBool):
    """Numbers in a range that floats hold. True and False are none, though Python counts them among the whole ones."""

    def is_satisfied_by(self, val: Any) -> bool:
        return not isinstance(val, bool) and super().is_satisfied_by(plain(val, self.type))


def check_sample_weight(sample_weight, X: np.ndarray) -> np.ndarray:
    """Weights as float64, not negative and not all zero; an empty array where there are none."""
    if sample_weight is None:
        return np.empty(0)
    weight = as_numpy(sample_weight, "sample_weight")
    plain = type(weight) is np.ndarray and weight.dtype == np.float64 and weight.shape == X.shape[:1]
    # what a look at each entry would find, too: it takes scikit-learn half as long as a small batch does in all
    if not (plain and weight.flags.c_contiguous and weight.min() >= 0 and math.isfinite(weight.max())):
        weight = _check_sample_weight(weight, X, dtype=np.float64, ensure_non_negative=True)
    return at_one_scale(weight, "sample_weight")


def at_one_scale(weight: np.ndarray, name: str) -> np.ndarray:
    """Bring weights whose sum would leave the range of floats back into it; only their proportions count."""
    largest = weight.max()
    if largest == 0:
        raise ValueError(f"{name} is zero for every row: give at least one row a positive weight")
    low, high = SAFE_WEIGHTS
    return weight if low < largest < high else weight / largest


def check_weights(weight, n_rows: int) -> np.ndarray:
    """Weights of so many rows as float64, finite and not negative; all of them may be zero, and there may be none."""
    weight = check_array(
        weight, ensure_2d=False, dtype=np.float64, order="C", ensure_min_samples=0, input_name="sample_weight"
    )
    if weight.shape != (n_rows,):
        raise ValueError(f"sample_weight has the shape {weight.shape}, and there are {n_rows} rows")
    if weight.size:
        check_non_negative(weight, "`sample_weight`")
    return weight


class RemembersValidParameters:
    """Checks parameters once: small fits, in grids and in streams, would spend much of their time on it.

    Stands before BaseEstimator. Only numbers, strings, None and tuples of them are remembered, also NumPy's, which
    grids are made of: they can't change behind our back.
    """

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # scikit-learn reads them off the constructor, slowly, for every clone
        return list(_parameter_names(cls))  # type: ignore[arg-type]

    _said_elsewhere: ClassVar[dict[tuple[str, str], str]] = {}  # (parameter, its value elsewhere): what to write here

    def _validate_params(self) -> None:
        try:
            self._validate_unless_remembered()
        except ValueError as error:
            for (name, value), advice in self._said_elsewhere.items():
                if isinstance(given := getattr(self, name, None), str) and given == value:
                    raise type(error)(f"{error} {advice}") from None
            raise

    def _validate_unless_remembered(self) -> None:
        values = _parameters_of(type(self))(self)  # type: ignore[arg-type]
        kinds = _kinds(values)
        if not _SIMPLE.issuperset(kinds):
            super()._validate_params()  # type: ignore[misc]
            return
        key = type(self), kinds, values
        if key not in _VALID:
            super()._validate_params()  # type: ignore[misc]
            if len(_VALID) >= _MOST_REMEMBERED:
                _VALID.clear()
            _VALID.add(key)


def _kinds(values: tuple) -> tuple[type, ...]:
    """Types of values, of tuples those of what is in them."""
    kinds = tuple(map(type, values))
    if tuple not in kinds:
        return kinds
    return tuple(type(part) for value in values for part in (value if type(value) is tuple else (value,)))


_SIMPLE = frozenset({bool, int, float, str, type(None), np.float64, np.int64, np.bool_, np.str_})
_MOST_REMEMBERED = 1_000
_VALID: set[tuple] = set()


@functools.cache
def _parameters_of(cls: type) -> Callable[[object], tuple]:
    """Gives the values of an object's parameters."""
    names = _parameter_names(cls)
    return operator.attrgetter(*names) if len(names) > 1 else lambda self: tuple(getattr(self, name) for name in names)


@functools.cache
def _parameter_names(cls: type) -> list[str]:
    return super(RemembersValidParameters, cls)._get_param_names()  # type: ignore[misc]


def check_parameters(estimator) -> None:
    """Raise InvalidParameterError, which names the parameter, for one that breaks its constraint."""
    estimator._validate_params()


def parameter_values(estimator) -> tuple:
    """The values of all parameters that a fit reads, those that a subclass's constructor doesn't have, too."""
    return _read_by(type(estimator))(estimator)  # type: ignore[arg-type]


@functools.cache
def _read_by(cls: type) -> Callable[[object], tuple]:
    return operator.attrgetter(*cls._parameter_constraints)  # type: ignore[attr-defined]


def are_fixed(values: tuple) -> bool:
    """Whether nothing can change these values behind our back."""
    return _SIMPLE.issuperset(_kinds(values))


def check_static(owner: object, method: str) -> None:
    """Refuse a method that would be given the object, where kernels call it without."""
    if isinstance(getattr(owner, method), MethodType):
        name = f"{type(owner).__name__}.{method}"
        raise ValueError(f"{name} must be a static method: put @staticmethod in the line before it")


def check_arguments(function: str, constraints: dict, arguments: dict) -> None:
    """The same for the arguments of a function."""
    validate_parameter_constraints(constraints, arguments, caller_name=function)


def check_features(estimator, X) -> Any:
    """X, with the columns of the fit, as a C-ordered float array or in CSR, copied only if it is something else."""
    return in_rows(as_numpy(X, "X"), functools.partial(_validated, estimator, reset=False, dtypes=FLOATS, order="C"))


def check_rows_to_predict(estimator, X, total: Callable = np.sum, fill: np.ndarray | None = None) -> Any:
    """X as :func:`check_features` returns it, but arrays of whatever numbers in whatever order: for work by blocks.

    total(X) is its sum; fill takes the place of missing numbers, if the estimator takes any and had none in its fit.
    """
    if sparse.issparse(X):
        return check_features(estimator, X)
    X = as_numpy(X, "X")
    if _is_plain(X, FLOATS) and _has_columns_of(estimator, X) and _is_finite(X, total):
        return X
    X = _validated(estimator, X, reset=False, dtypes=NUMBERS, fill=fill)
    return X if sparse.issparse(X) else np.asarray(X)  # a data frame may have sparse columns


def check_fitted(estimator) -> None:
    """Refuse an estimator that isn't fitted; of one that is scikit-learn would read tags, longer than a row takes."""
    if not estimator.__sklearn_is_fitted__():
        check_is_fitted(estimator)


def check_training_data(
    estimator,
    X,
    y,
    *,
    reset: bool,
    dtypes: Sequence[Any] = FLOATS,
    y_numeric: bool,
    multi_output: bool,
    total: Callable = np.sum,
    looks: bool = True,
    sample_weight: Any = None,
    fill: np.ndarray | None = None,
) -> tuple:
    """X as :func:`check_features` returns it, with no entry twice, and y of the same length.

    total(X) is its sum; an array that needs no conversion may hold anything where nobody looks. What columns become is
    learnt with `reset`, by the weights of the rows.
    """
    X, y = as_numpy(X, "X"), as_numpy(y, "y")
    if type(X) is list and not estimator._encodes:
        X = of_numbers(X)
    if type(y) is list and (of_y := np.asarray(y)).dtype.kind in "iuf":
        y = of_y
    by_dtype = not estimator._encodes or isinstance(estimator.categorical_features, str | None)
    if by_dtype and needs_no_conversion(X, y, dtypes, looks, total, multi_output):
        if reset:
            estimator.n_features_in_ = X.shape[1]
            for name in "feature_names_in_", "_encoding":
                estimator.__dict__.pop(name, None)
        if _has_columns_of(estimator, X):
            return (without_duplicates(X) if sparse.issparse(X) else X), y
    options: dict[str, Any] = {"multi_output": multi_output, "y_numeric": y_numeric, "order": "C"}
    options |= {"reset": reset, "dtypes": dtypes, "sample_weight": sample_weight, "fill": fill}

    def check(X):
        nonlocal y
        X, y = _validated(estimator, X, y, **options)
        return X

    X = in_rows(X, check)
    return (without_duplicates(X) if sparse.issparse(X) else X), y


def check_columns(estimator, X_like, *, reset: bool) -> None:
    """Take the names and number of columns from an empty array or frame, or compare them with those of the fit."""
    validate_data(estimator, X_like, reset=reset, skip_check_array=True)


def in_library_of(X, array: Any) -> Any:
    """NumPy's array as the library has it that X is from, where scikit-learn is told to dispatch; else as it is."""
    if type(X) is np.ndarray or not hasattr(type(X), "__dlpack__") or not get_config()["array_api_dispatch"]:
        return array
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":  # only NumPy has arrays of names
        return array
    library, _, device = get_namespace_and_device(X)
    return library.asarray(array, device=device)


def needs_no_conversion(
    X, y, dtypes: Sequence[Any], looks: bool, total: Callable = np.sum, multi_output: bool = False
) -> bool:
    """Whether validate_data would return X and y as they are: it takes half as long as a small fit does in all."""
    if type(X) in CSR:
        if not (X.data.size and X.data.dtype in dtypes and X.shape[1] > 0):
            return False
        check_structure(X)
        if len(X.data) > X.nnz or not _is_finite(X.data, total):
            return False
    elif not (_is_plain(X, dtypes) and X.flags.c_contiguous):
        return False
    if not (type(y) is np.ndarray and y.dtype.kind in "iuf" and len(y) == X.shape[0]):
        return False
    if y.ndim != 1 and not (multi_output and y.ndim == 2 and y.size):
        return False
    looks = looks and not sparse.issparse(X)
    return (not looks or _is_finite(X, total)) and (y.dtype.kind != "f" or _is_finite(y, total))


def _is_plain(X, dtypes: Sequence[Any]) -> bool:
    """Whether X is an array of rows, at least one, in one of these dtypes."""
    return type(X) is np.ndarray and X.ndim == 2 and X.size > 0 and X.dtype in dtypes


def _has_columns_of(estimator, X) -> bool:
    """Whether X has the columns of the fit as they are; where they have names scikit-learn warns of an array."""
    same = X.shape[1] == estimator.n_features_in_ and estimator._encoding is None
    return same and not hasattr(estimator, "feature_names_in_")


def _is_finite(array: np.ndarray, total: Callable) -> bool:
    """Whether a sum over all entries is finite: one that isn't says that a closer look is needed."""
    if array.size <= SQUARED_ENTRIES:
        return math.isfinite(np.vdot(array, array))
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(total(array))


def _validated(estimator, X, *y, reset: bool, dtypes: Sequence, sample_weight=None, fill=None, **options) -> Any:
    """What scikit-learn makes of X, and y; its own choice among dtypes would be float64 for most data frames.

    An estimator that encodes columns learns how with `reset`, by the weights of the rows.
    """
    X, known = checked_table(X), None if reset else estimator._encoding
    if known is not None:
        categorical = known.categorical
        if sparse.issparse(X):
            raise ValueError(
                "X is sparse, and the fit was of columns with categories or gaps: give an array or a frame"
            )
        if len(np.shape(X)) != 2:
            check_array(X, dtype=None)  # raises
        check_columns(estimator, X, reset=False)
    else:
        categorical = categorical_columns(X, estimator.categorical_features if estimator._encodes and reset else None)
    columns = columns_of(X, categorical)
    if np.float32 in dtypes and all_single(columns.others):
        dtypes = (np.float32,)
    options |= {"dtype": [*dtypes], "accept_sparse": "csr", "ensure_all_finite": not estimator._encodes or "allow-nan"}
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # sums that tell whether all is finite may not be
            if columns.others is X and known is None:
                found = validate_data(estimator, of_numbers(X), *y, reset=reset, **options)
            else:
                if reset:
                    check_columns(estimator, X, reset=True)
                check = check_X_y if y else check_array
                found = check(columns.others, *y, estimator=estimator, ensure_min_features=0, **options)
    except (TypeError, ValueError) as error:
        raise_for_columns(columns.others, error, NAME_IT if estimator._encodes and reset else ENCODE)
    if not estimator._encodes:
        return found
    numbers, *others = found if y else (found,)
    if sparse.issparse(numbers) and (known is not None or categorical.any()):  # columns of a frame
        numbers = numbers.toarray()
    missing = missing_in(numbers)
    if reset:
        known = Encoding.of(columns, numbers, missing, check_sample_weight(sample_weight, numbers))
        estimator.__dict__.pop("_encoding", None)
        if known is not None:
            estimator._encoding = known
    numbers = filled(numbers, missing, fill) if known is None else known.encoded(columns, numbers, missing)
    return (numbers, *others) if others else numbers


def in_rows(X, check: Callable) -> Any:
    """What check(X) makes of X: an array, or CSR whose parts agree with each other."""
    given = X.format if sparse.issparse(X) else None
    if given in {"csr", "csc", "bsr", "coo"}:
        check_structure(X)  # before anything reads it
    X = check(X)
    if not sparse.issparse(X):
        return np.asarray(X)
    if given != "csr":
        check_structure(X)
    n_stored = X.nnz
    if len(X.data) > n_stored:  # room that was left
        X = type(X)((X.data[:n_stored], X.indices[:n_stored], X.indptr), shape=X.shape)
    return X


__all__ = [
    "FLOATS",
    "Interval",
    "RemembersValidParameters",
    "StrOptions",
    "are_fixed",
    "at_one_scale",
    "available_if",
    "check_arguments",
    "check_columns",
    "check_features",
    "check_fitted",
    "check_parameters",
    "check_rows_to_predict",
    "check_sample_weight",
    "check_static",
    "check_training_data",
    "check_weights",
    "fit_context",
    "in_library_of",
    "in_rows",
    "needs_no_conversion",
    "openmp_threads",
    "parameter_values",
]
