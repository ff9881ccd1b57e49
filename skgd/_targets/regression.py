"""From numbers to targets."""

from typing import Any

import numpy as np
from sklearn.utils import check_array

from .._validation import check_sample_weight
from ..losses import Loss
from .targets import Targets
from .validation_set import check_validation_set


def describe_numbers(estimator: Any, X, y: np.ndarray, sample_weight, validation: tuple, loss: Loss) -> Targets:
    """What a regressor is to learn from; validation is the triple (X_val, y_val, sample_weight_val)."""
    weight = check_sample_weight(sample_weight, X)
    one_target = y.ndim == 1 and not loss.has_output_axis
    both_single = y.dtype == X.dtype == np.float32  # a copy would be a good part of a narrow X
    y = np.ascontiguousarray(y, dtype=np.float32 if both_single else np.float64).reshape(len(y), -1)
    loss.check_targets(y)
    n_targets = y.shape[1]

    def check_targets(y_val):
        y_val = check_array(y_val, ensure_2d=False, dtype=np.float64, order="C", input_name="y_val")
        y_val = y_val.reshape(len(y_val), -1)
        if y_val.shape[1] != n_targets:
            raise ValueError(f"it has {y_val.shape[1]} columns, y has {n_targets}")
        loss.check_targets(y_val)
        return y_val

    rows_to_look_at = check_validation_set(estimator, validation, check_targets)
    return Targets(y, weight, loss, loss.n_outputs(n_targets), rows_to_look_at, {"one_target": one_target})
