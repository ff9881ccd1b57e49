"""Models as one flat vector of parameters: how many there are, where they start, what they mean in the units of X."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .._compile.kernels import PASSES, activation_kernels, kernel, products, python_kernel
from .._kernels.constants import MOST_OUTPUTS
from .._kernels.structures import Layer, Layers, Linear, Network, Storage
from ..activations import Activation
from .scaling import Scaling

_BLOCK_BYTES = 32_768  # rows of a block stay in the processor's first-level cache between the way there and back
_NETWORK_BLOCK_ROWS = 512
SQRT_3 = 3**0.5  # half the width of a uniform distribution of variance one

# Variance of random weights by the numbers of inputs and outputs of a layer.
VARIANCES = {
    "he": lambda n_in, n_out: 2 / n_in,
    "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
    "lecun": lambda n_in, n_out: 1 / n_in,
}
INITS = {"auto", *VARIANCES, *(f"{scheme}_{kind}" for scheme in VARIANCES for kind in ("normal", "uniform"))}


class Objective(Protocol):
    """What the loop and the estimators ask of a model."""

    kind: type
    n_outputs: int
    n_params: int

    @property
    def in_python(self) -> bool:
        """Whether parts of the model can't be compiled."""

    @property
    def random(self) -> bool:
        """Whether predictions in training are random."""

    @staticmethod
    def compute_dtype(storage: Storage) -> np.dtype:
        """What parameters, predictions and gradients are computed in."""

    def model(self, storage: Storage, random: np.ndarray | None = None) -> Any:
        """The model as kernels take it; with the state of a random generator as it is in training."""

    def block_size(self, batch_size: int, itemsize: int) -> int:
        """Rows that kernels work on at once."""

    def n_work(self, block_size: int, storage: Storage) -> int:
        """Numbers of workspace that a block needs."""

    def largest_product(self, n_rows: int) -> int:
        """Multiplications in the largest product of matrices over so many rows."""

    def flops_per_row(self) -> int:
        """Arithmetic of one row, forwards and backwards, roughly."""

    def penalised(self, factor: np.ndarray) -> np.ndarray:
        """How much the penalty counts for every parameter: `factor`, one a target or one for all; 0 for intercepts."""

    def settings(self) -> dict:
        """What makes it the model that it is, by the names of the estimators' parameters."""

    def start(self, constant: np.ndarray, scaling: Scaling, rng: np.random.RandomState) -> np.ndarray:
        """Parameters that training starts from."""

    def unpack(self, params: np.ndarray, scaling: Scaling) -> Any:
        """Parameters in the units of X and y."""

    def pack(self, unpacked: Any, scaling: Scaling) -> np.ndarray:
        """The inverse of unpack."""

    def meet_other_data(self) -> None:
        """Give up what was known of the data that training began with."""


class LinearObjective:
    """raw = Z W' + b for standardised rows Z; per output the coefficients, then the intercept.

    trains_intercept is False where there is none, and where it is known: the loss is quadratic and the data centred.
    """

    kind = Linear
    in_python = random = False

    def __init__(self, n_features: int, n_outputs: int, fit_intercept: bool, trains_intercept: bool):
        self.n_features = n_features
        self.n_outputs = n_outputs
        self.fit_intercept = fit_intercept
        self.trains_intercept = trains_intercept
        self.n_params = n_outputs * (n_features + 1)

    @staticmethod
    def compute_dtype(storage: Storage) -> np.dtype:
        return storage.dtype if storage.index_dtype is None else np.dtype(np.float64)

    def model(self, storage: Storage, random: np.ndarray | None = None) -> Linear:
        return Linear(self.trains_intercept)

    def block_size(self, batch_size: int, itemsize: int) -> int:
        return min(batch_size, max(16, _BLOCK_BYTES // (self.n_features * itemsize)))

    def n_work(self, block_size: int, storage: Storage) -> int:
        return self.n_outputs * self.n_features if storage.index_dtype is None else 0

    def largest_product(self, n_rows: int) -> int:
        return n_rows * self.n_params

    def flops_per_row(self) -> int:
        return 4 * self.n_params

    def penalised(self, factor: np.ndarray) -> np.ndarray:
        counts = np.ones((self.n_outputs, self.n_features + 1)) * factor[:, None]
        counts[:, -1] = 0
        return counts.ravel()

    def settings(self) -> dict:
        return {"number of targets": self.n_outputs, "fit_intercept": self.fit_intercept}

    def start(self, constant: np.ndarray, scaling: Scaling, rng: np.random.RandomState) -> np.ndarray:
        """Starting parameters: the constant model."""
        params = np.zeros((self.n_outputs, self.n_features + 1))
        if self.fit_intercept:
            params[:, -1] = constant
        return params.ravel()

    def unpack(self, params: np.ndarray, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (n_outputs, n_features) and intercepts (n_outputs,) in the units of X and y."""
        blocks = np.asarray(params, dtype=np.float64).reshape(self.n_outputs, -1)
        target_scale = scaling.target_scale[:, None] if scaling.target_scale.size > 1 else scaling.target_scale
        coef = blocks[:, :-1] / scaling.scale * target_scale
        return coef, blocks[:, -1] * scaling.target_scale + scaling.target_center - coef @ scaling.center

    def pack(self, unpacked: tuple[np.ndarray, np.ndarray], scaling: Scaling) -> np.ndarray:
        """The inverse of unpack."""
        coef, intercept = unpacked
        target_scale = scaling.target_scale[:, None] if scaling.target_scale.size > 1 else scaling.target_scale
        constant = (intercept - scaling.target_center + coef @ scaling.center) / scaling.target_scale
        return np.column_stack([coef * scaling.scale / target_scale, constant]).ravel()

    def meet_other_data(self) -> None:
        self.trains_intercept = self.fit_intercept


class NetworkObjective:
    """A feed-forward network; per layer the matrix (n_in, n_out) row by row, then the biases."""

    kind = Network

    def __init__(self, sizes: Sequence[int], activation: Activation, init, dropout: Sequence[float] = ()):
        self.sizes = tuple(int(size) for size in sizes)
        self.activation = activation
        self.init = init
        self.dropout = tuple(map(float, dropout)) or (0.0,) * (len(self.sizes) - 2)  # rates of the hidden layers
        self.n_outputs = self.sizes[-1]
        self.n_params = sum((n_in + 1) * n_out for n_in, n_out in self._shapes())

    def _shapes(self):
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def in_python(self) -> bool:
        return activation_kernels(self.activation, np.dtype(np.float64)).in_python

    @property
    def random(self) -> bool:
        return any(self.dropout)

    @staticmethod
    def compute_dtype(storage: Storage) -> np.dtype:
        return storage.dtype

    def model(self, storage: Storage, random: np.ndarray | None = None) -> Network:
        activation = activation_kernels(self.activation, storage.dtype)
        layers = Layers(
            table=self._table(storage, random is not None)[0],
            activation=activation.forwards,
            activation_derivative=activation.backwards,
            keeps_rows=storage.index_dtype is None,
            random=np.zeros(1, np.uint64) if random is None else random,
            products=products(storage.dtype, activation.in_python),
        )
        get = python_kernel if activation.in_python else kernel
        passes = (get(name, storage.dtype, Network, storage.index_dtype) for name in PASSES)
        return Network(layers, *(getattr(compiled, "pointer", compiled) for compiled in passes))

    def _table(self, storage: Storage, drops: bool) -> tuple[np.ndarray, int]:
        """The layers as kernels take them, and the numbers of workspace that they need for each row."""
        shapes, kept = self._shapes(), not self.activation.from_output
        table, params_at, at = np.zeros(len(shapes), Layer), 0, 0
        for k, (n_in, n_out) in enumerate(shapes):
            width = n_in if k > 0 or storage.index_dtype is None else 0
            z_at, mask_at = at + width * (kept and k > 0), at + width * (kept + self.random) * (k > 0)
            few = n_out if n_out <= MOST_OUTPUTS else 0
            rate = self.dropout[k - 1] if k > 0 and drops else 0.0
            table[k] = n_in, n_out, params_at, width, at, z_at, mask_at, 0, few, rate
            params_at, at = params_at + (n_in + 1) * n_out, mask_at + width
        widest = max(self.sizes[1:-1], default=0)
        table["below_at"] = at + widest * (np.arange(len(shapes)) % 2)  # two places in turn
        return table, at + 2 * widest

    def block_size(self, batch_size: int, itemsize: int) -> int:
        return min(batch_size, _NETWORK_BLOCK_ROWS)

    def n_work(self, block_size: int, storage: Storage) -> int:
        table, n_for_row = self._table(storage, drops=True)
        return block_size * n_for_row + MOST_OUTPUTS * int(table["width"].max())

    def largest_product(self, n_rows: int) -> int:
        return n_rows * max(n_in * n_out for n_in, n_out in self._shapes())

    def flops_per_row(self) -> int:
        return 6 * self.n_params

    def settings(self) -> dict:
        return {
            "number of targets": self.n_outputs,
            "hidden_layer_sizes": self.sizes[1:-1],
            "activation": type(self.activation),
            "dropout": self.dropout,
        }

    def penalised(self, factor: np.ndarray) -> np.ndarray:
        # of the standardised problem, whatever the loss: a network's solution isn't independent of the scale of y
        return np.concatenate([np.repeat([1.0, 0.0], [n_in * n_out, n_out]) for n_in, n_out in self._shapes()])

    def start(self, constant: np.ndarray, scaling: Scaling, rng: np.random.RandomState) -> np.ndarray:
        """The user's arrays, or random weights with the variance that keeps signals at their size."""
        if not isinstance(self.init, str):
            return self.pack(self._users_arrays(), scaling)
        init = self.activation.default_init if self.init == "auto" else self.init
        if init not in INITS or init == "auto":
            raise ValueError(
                f"default_init={init!r} of activation={self.activation!r} must be one of {sorted(INITS - {'auto'})}"
            )
        scheme, _, distribution = init.partition("_")
        parts = []
        for n_in, n_out in self._shapes():
            std = np.sqrt(VARIANCES[scheme](n_in, n_out))
            for size in (n_in * n_out, n_out):
                normal = distribution == "normal"
                parts.append(rng.normal(0.0, std, size) if normal else rng.uniform(-SQRT_3 * std, SQRT_3 * std, size))
        parts[-1] = constant
        return np.concatenate(parts)

    def _users_arrays(self):
        shapes = [(n_in, n_out) for n_in, n_out in self._shapes()], [(n_out,) for _, n_out in self._shapes()]
        expected = f"init must be (coefs, intercepts) of finite numbers with shapes {shapes[0]} and {shapes[1]}"
        if len(self.init) != 2:
            raise ValueError(f"{expected}; it has {len(self.init)} parts")
        try:
            arrays = [[np.asarray(array, dtype=np.float64) for array in part] for part in self.init]
        except (TypeError, ValueError):
            raise ValueError(f"{expected}; it is {self.init!r}") from None
        given = tuple([array.shape for array in part] for part in arrays)
        if given != shapes or not all(np.isfinite(array).all() for part in arrays for array in part):
            raise ValueError(f"{expected}; its shapes are {given[0]} and {given[1]}")
        return arrays

    def layers(self, params: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Matrix and biases of every layer, views of the parameters."""
        pairs, at = [], 0
        for n_in, n_out in self._shapes():
            end = at + n_in * n_out
            pairs.append((params[at:end].reshape(n_in, n_out), params[end : end + n_out]))
            at = end + n_out
        return pairs

    def unpack(self, params: np.ndarray, scaling: Scaling) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Matrices and biases of the layers in the units of X and y."""
        layers = self.layers(np.array(params, dtype=np.float64))
        coefs, intercepts = [coef for coef, _ in layers], [intercept for _, intercept in layers]
        coefs[0] /= scaling.scale[:, None]
        intercepts[0] -= scaling.center @ coefs[0]
        coefs[-1] *= scaling.target_scale
        intercepts[-1] = intercepts[-1] * scaling.target_scale + scaling.target_center
        return coefs, intercepts

    def pack(self, unpacked: tuple[list[np.ndarray], list[np.ndarray]], scaling: Scaling) -> np.ndarray:
        """The inverse of unpack."""
        coefs, intercepts = ([np.array(a, dtype=np.float64) for a in arrays] for arrays in unpacked)
        coefs[-1] /= scaling.target_scale
        intercepts[-1] = (intercepts[-1] - scaling.target_center) / scaling.target_scale
        intercepts[0] += scaling.center @ coefs[0]
        coefs[0] *= scaling.scale[:, None]
        return np.concatenate(
            [part for pair in zip(coefs, intercepts, strict=True) for part in (pair[0].ravel(), pair[1])]
        )

    def meet_other_data(self) -> None:
        pass
