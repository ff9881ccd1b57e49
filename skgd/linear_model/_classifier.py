"""What linear classifiers share."""

from .._classifier import ClassifierFits
from ._base import LinearEstimator


class LinearClassifier(ClassifierFits, LinearEstimator):
    """Parameters and automatic choices of classifiers whose raw predictions are linear in the features."""

    _parameter_constraints: dict = LinearEstimator._parameter_constraints | {
        "class_weight": ClassifierFits._parameter_constraints["class_weight"]
    }

    def __init__(
        self,
        *,
        optimizer="auto",
        learning_rate="auto",
        schedule="constant",
        penalty="l2",
        alpha=1e-4,
        l1_ratio=0.15,
        fit_intercept=True,
        standardize="auto",
        batch_size="auto",
        max_iter=3000,
        tol="auto",
        criterion="objective",
        n_iter_no_change=3,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        average=False,
        clip_norm=None,
        class_weight=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        n_jobs=None,
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
