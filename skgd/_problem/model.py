"""Models as one flat vector of parameters: how many there are, where they start, what they mean in the units of X."""

from typing import Any

import numpy as np

from .._kernels.structures import FLOAT64, Linear, Storage
from ..losses import Loss
from .scaling import Scaling

_BLOCK_BYTES = 32_768  # rows of a block stay in the processor's first-level cache between the way there and back
# At the mean of y the gradient of the intercept is zero up to rounding: a rule that takes its sign would follow that.
START_OFFSET = 1e-3


class Model:
    """What objectives, solvers and estimators ask of a model; a class of models overrides what raises here.

    Attributes
    ----------
    kind : type
        Its name among kernels.
    scales_targets_of_raw_features : bool
        Whether targets are scaled where features aren't.
    n_outputs, n_params : int
        Raw predictions of a row, and parameters.
    linear : bool
        Whether raw predictions are products of features with parameters: then it has `n_features`, `trains_intercept`
        and `matrix_of`.
    random : bool
        Whether predictions in training are random.
    flops_per_parameter : int
        Arithmetic of one row, forwards and backwards, roughly.
    """

    kind: type
    scales_targets_of_raw_features = True
    n_outputs: int
    n_params: int
    flops_per_parameter: int
    linear: Any = False
    random: Any = False
    n_features: Any
    trains_intercept: bool

    @classmethod
    def of(cls, parameters: Any, n_features: int, n_outputs: int, intercept_known: bool) -> "Model":
        """The model that an estimator's parameters ask for."""
        raise NotImplementedError

    # -- of the class

    @staticmethod
    def compute_dtype(storage: Storage) -> np.dtype:
        """What parameters, predictions and gradients are computed in."""
        raise NotImplementedError

    @staticmethod
    def starting_constant(loss: Loss, centers_features: bool, centers_targets: bool, centers_far: bool) -> float | None:
        """Raw prediction of the constant model that training starts from, in scaled units; None: the best one."""
        return None

    # -- as kernels take it

    def in_python(self, dtype: np.dtype) -> bool:
        """Whether parts of the model can't be compiled for a dtype."""
        return False

    def for_kernels(self, storage: Storage, random: np.ndarray | None = None) -> Any:
        """The model as kernels take it; with the state of a random generator as it is in training."""
        raise NotImplementedError

    def block_size(self, batch_size: int, itemsize: int) -> int:
        """Rows that kernels work on at once."""
        raise NotImplementedError

    def n_work(self, block_size: int, storage: Storage) -> int:
        """Numbers of workspace that a block needs."""
        return 0

    # -- its parameters

    def penalised(self, factor: np.ndarray) -> np.ndarray:
        """How much the penalty counts for every parameter: `factor`, one a target or one for all; 0 for intercepts."""
        raise NotImplementedError

    def settings(self) -> dict:
        """What makes it the model that it is, by the names of the estimators' parameters."""
        raise NotImplementedError

    def start(
        self, constant: np.ndarray, varies: np.ndarray, scaling: Scaling, rng: np.random.RandomState
    ) -> np.ndarray:
        """Parameters to start from; constant is the best constant prediction, varies says which targets differ."""
        raise NotImplementedError

    def unpack(self, params: np.ndarray, scaling: Scaling) -> Any:
        """Parameters in the units of X and y."""
        raise NotImplementedError

    def pack(self, unpacked: Any, scaling: Scaling) -> np.ndarray:
        """The inverse of unpack."""
        raise NotImplementedError

    def matrix_of(self, params: np.ndarray) -> np.ndarray:
        """By what standardised rows are multiplied that have a one at the end, a view of the parameters."""
        raise NotImplementedError

    def of_other_data(self) -> "Model":
        """The model without what was known of the data that training began with."""
        return self


class LinearModel(Model):
    """raw = Z W' + b for standardised rows Z; per output the coefficients, then the intercept.

    trains_intercept is False where there is none, and where it is known: the loss is quadratic and the data centred.
    """

    kind = Linear
    linear = True
    flops_per_parameter = 4

    def __init__(self, n_features: int, n_outputs: int, fit_intercept: bool, trains_intercept: bool):
        self.n_features = n_features
        self.n_outputs = n_outputs
        self.fit_intercept = fit_intercept
        self.trains_intercept = trains_intercept
        self.n_params = n_outputs * (n_features + 1)

    @staticmethod
    def compute_dtype(storage: Storage) -> np.dtype:
        return storage.dtype if storage.index_dtype is None else FLOAT64

    def for_kernels(self, storage: Storage, random: np.ndarray | None = None) -> Linear:
        return Linear(self.trains_intercept)

    def block_size(self, batch_size: int, itemsize: int) -> int:
        return min(batch_size, max(16, _BLOCK_BYTES // (self.n_features * itemsize)))

    def penalised(self, factor: np.ndarray) -> np.ndarray:
        counts = np.empty((self.n_outputs, self.n_features + 1))
        counts[:, :-1], counts[:, -1] = factor[:, None], 0
        return counts.ravel()

    def settings(self) -> dict:
        return {"number of targets": self.n_outputs, "fit_intercept": self.fit_intercept}

    @classmethod
    def of(cls, parameters, n_features: int, n_outputs: int, intercept_known: bool) -> "LinearModel":
        fit_intercept = parameters.fit_intercept
        return cls(n_features, n_outputs, fit_intercept, fit_intercept and not intercept_known)

    @staticmethod
    def starting_constant(loss: Loss, centers_features: bool, centers_targets: bool, centers_far: bool) -> float | None:
        if loss.trivial_optimum:
            return None
        if not centers_targets:
            # among raw features the best constant is a bad start of a rule: it would be a long way back. Line searches
            # look at centred columns, and would walk to targets far from zero where a loss has straight pieces; below
            # exp the loss at zero may be 1e6 times that of the best constant, a measure by which nothing is to gain
            is_far = loss.target_power is not None or loss.out_activation == "exp"
            return None if centers_far and is_far and not loss.quadratic else 0.0
        if not loss.quadratic:
            return None
        return 0.0 if centers_features else START_OFFSET  # the mean is zero

    def start(
        self, constant: np.ndarray, varies: np.ndarray, scaling: Scaling, rng: np.random.RandomState
    ) -> np.ndarray:
        """Starting parameters: the constant model."""
        params = np.zeros((self.n_outputs, self.n_features + 1))
        if self.fit_intercept:
            params[:, -1] = constant
        return params.ravel()

    def unpack(self, params: np.ndarray, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (..., n_outputs, n_features) and intercepts (..., n_outputs) in the units of X and y.

        Of parameters (..., n_params): there may be several.
        """
        blocks = np.asarray(params, dtype=np.float64).reshape(*np.shape(params)[:-1], self.n_outputs, -1)
        target_scale = scaling.target_scale[:, None] if scaling.target_scale.size > 1 else scaling.target_scale
        coef = blocks[..., :-1] / scaling.scale * target_scale
        return coef, blocks[..., -1] * scaling.target_scale + scaling.target_center - coef @ scaling.center

    def pack(self, unpacked: tuple[np.ndarray, np.ndarray], scaling: Scaling) -> np.ndarray:
        """The inverse of unpack."""
        coef, intercept = unpacked
        target_scale = scaling.target_scale[:, None] if scaling.target_scale.size > 1 else scaling.target_scale
        blocks = np.empty((self.n_outputs, self.n_features + 1))
        blocks[:, :-1] = coef * scaling.scale / target_scale
        blocks[:, -1] = (intercept - scaling.target_center + coef @ scaling.center) / scaling.target_scale
        return blocks.ravel()

    def matrix_of(self, params: np.ndarray) -> np.ndarray:
        return params.reshape(self.n_outputs, -1).T

    def of_other_data(self) -> "LinearModel":
        if self.trains_intercept == self.fit_intercept:
            return self
        return LinearModel(self.n_features, self.n_outputs, self.fit_intercept, self.fit_intercept)


def penalty_factor(loss: Loss, scaling: Scaling, degree: int = 2) -> np.ndarray:
    """What alpha must be multiplied by so that scaling a target by s leaves the solution the same: s^(degree - p).

    The degree is that of the penalty in the parameters: 2 for L2, 1 for L1.
    """
    if loss.target_power is None:
        return np.ones(1)
    return scaling.target_scale ** float(degree - loss.target_power)
