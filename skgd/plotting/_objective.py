"""The objective that an estimator minimises, at parameters of our choice."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.class_weight import compute_sample_weight

from .._containers import columns_at
from .._kernels.structures import FLOAT64
from .._problem.objective import pointwise
from .._solvers.training import same
from .._validation import some_rows

_MOST_ROWS = 5_000  # that a picture looks at, evenly spread: 10,000 points of a plane in a fraction of a second
_MOST_ENTRIES = 10_000  # rows times outputs
_MOST_ROWS_IN_PYTHON = 100  # of a loss that can't be compiled


class TrainingObjective:
    """Mean loss over the training rows, evenly thinned out to some thousand, and the penalty, in the loss's units.

    model: an estimator of skgd that has been fitted, or is being fitted, to X and y. A line search forgets in a pickle
    what it was scaled by, so models that were loaded need a fit first.
    """

    def __init__(self, model: Any, X: Any, y: Any, most_rows: int = _MOST_ROWS):
        training = model._training
        self.loss, self.scaling = training.loss, training.scaling
        self.unit, self.n_outputs = training.loss_unit, training.model.n_outputs
        self.kernel = pointwise(self.loss, FLOAT64)
        self.hyper = self.loss.hyper(self.scaling.target_scale)
        y = y.toarray() if sparse.issparse(y) else np.asarray(y)
        n_rows = min(len(y), _MOST_ROWS_IN_PYTHON if self.kernel.in_python else most_rows)
        rows = np.linspace(0, len(y) - 1, n_rows).astype(np.intp)
        self.X = rows_of(X, rows)
        self.targets = self._scaled_targets(model, y[rows])
        self.shares = np.full(n_rows, 1.0 / n_rows)
        self.class_weight = getattr(model, "class_weight", None)
        if self.class_weight is not None:
            weight = compute_sample_weight(self.class_weight, y)[rows]
            self.shares = weight / weight.sum()
        penalty, state = model._penalty(), training.state
        self.ridge = penalty.l2 * state.penalised.astype(np.float64)
        self.lasso = penalty.l1 * state.l1_counts.astype(np.float64)

    def _scaled_targets(self, model, y) -> np.ndarray:
        loss = self.loss
        if loss.for_classes and not loss.multilabel:
            y = np.searchsorted(model.classes_, y)
        y = np.ascontiguousarray(y, dtype=np.float64).reshape(len(y), -1)
        if loss.target_power is None:
            return y
        return np.ascontiguousarray((y - self.scaling.target_center) / self.scaling.target_scale)

    def raw(self, model: Any) -> np.ndarray:
        """Raw predictions of a model for the rows, in scaled units, a column for each output."""
        raw = np.asarray(model._raw_predictions(self.X), dtype=np.float64).reshape(len(self.targets), -1)
        return np.ascontiguousarray((raw - self.scaling.target_center) / self.scaling.target_scale)

    def value(self, raw: np.ndarray, params: np.ndarray) -> float:
        """The objective for raw predictions, in scaled units, and the parameters that made them."""
        loss = self.kernel.call(raw, self.targets, self.shares, self.hyper, np.empty_like(raw))
        return float(loss + 0.5 * (self.ridge @ params**2) + self.lasso @ np.abs(params)) * self.unit

    def of(self, model: Any) -> float:
        """The objective of a model as it is."""
        return self.value(self.raw(model), model._training.params.astype(np.float64))

    def is_the_same(self, other: "TrainingObjective") -> bool:
        """Whether another one, of as many rows, is the same function."""
        alike = same(self.loss, other.loss) and self.class_weight == other.class_weight
        mine, others = (
            (*each.scaling, each.ridge, each.lasso, *_arrays(each.X), each.targets) for each in (self, other)
        )
        return alike and len(mine) == len(others) and all(map(np.array_equal, mine, others))


class LinearSlice:
    """A linear model's objective as a function of two of its coefficients, all others as they are.

    Coefficients are those of the features as training sees them, by default per standard deviation, in units of y.
    The intercept is the prediction for the mean of such features.
    """

    def __init__(self, model: Any, X: Any, y: Any, features: list[int], output: int):
        self.objective = TrainingObjective(
            model, X, y, min(_MOST_ROWS, _MOST_ENTRIES // model._training.model.n_outputs)
        )
        scaling, rows = self.objective.scaling, self.objective.X
        self.scale = scaling.target_scale[output if scaling.target_scale.size > 1 else 0]
        self.features, self.output = features, output
        self.raw = self.objective.raw(model)
        self.params = np.array(model._training.params, dtype=np.float64)
        self.at = output * (model.n_features_in_ + 1) + np.array(features)
        columns = columns_at(rows, features)
        columns = np.asarray(columns.toarray() if sparse.issparse(columns) else columns, dtype=np.float64)
        self.columns = (columns - scaling.center[features]) / scaling.scale[features]

    def __call__(self, coefficients: np.ndarray) -> float:
        params = self.params.copy()
        params[self.at] = coefficients / self.scale
        raw = self.raw.copy()
        raw[:, self.output] += self.columns @ (params - self.params)[self.at]
        return self.objective.value(raw, params)


def rows_of(X: Any, rows: np.ndarray | slice) -> Any:
    """Some rows of an array, a data frame, a sparse matrix or a list."""
    if sparse.issparse(X):
        return X.tocsr()[rows]
    return some_rows(X if hasattr(X, "shape") else np.asarray(X), rows)


def _arrays(X: Any) -> tuple:
    """The arrays that tell of some rows."""
    if sparse.issparse(X):
        return X.shape, X.indptr, X.indices, X.data
    return (np.asarray(X),)


def training_coefficients(model: Any) -> np.ndarray:
    """Coefficients of the features as training sees them, in units of y: (n_outputs, n_features)."""
    return np.atleast_2d(model.coef_) * model._training.scaling.scale
