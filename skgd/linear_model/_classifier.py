"""What linear classifiers share."""

from __future__ import annotations  # signatures as they are written: numpy's array types spelt out fill the screen

from collections.abc import Callable
from typing import Literal

import numpy as np

from .._classifier import ClassifierFits
from ..optimizers import Optimizer, OptimizerName
from ..penalties import ElasticNet, PenaltyName
from ..schedules import Schedule, ScheduleName
from ._base import LinearEstimator


class LinearClassifier(ClassifierFits, LinearEstimator):
    """Parameters and automatic choices of classifiers whose raw predictions are linear in the features."""

    _parameter_constraints: dict = LinearEstimator._parameter_constraints | {
        "class_weight": ClassifierFits._parameter_constraints["class_weight"]
    }

    def __init__(
        self,
        *,
        optimizer: OptimizerName | Literal["auto"] | Optimizer = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        schedule: ScheduleName | Schedule | Callable = "constant",
        penalty: PenaltyName | ElasticNet | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool | Literal["auto", "max_abs"] = "auto",
        batch_size: int | Literal["auto"] | None = "auto",
        max_iter: int = 3000,
        tol: float | Literal["auto"] | None = "auto",
        criterion: Literal["objective", "gradient", "step"] = "objective",
        n_iter_no_change: int = 3,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        average: bool | float | Literal["auto"] = "auto",
        clip_norm: float | None = None,
        class_weight: dict | Literal["balanced"] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ):
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.criterion = criterion
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.average = average
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs
