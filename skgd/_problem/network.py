"""Feed-forward networks as models."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np

from .._compile.kernels import PASSES, activation_kernels, kernel, products, python_kernel
from .._kernels.constants import MOST_OUTPUTS
from .._kernels.structures import Layer, Layers, Network, Storage
from ..activations import Activation, get_activation
from .model import Model
from .scaling import Scaling

_BLOCK_ROWS = 512
SQRT_3 = 3**0.5  # half the width of a uniform distribution of variance one

# Variance of random weights by the numbers of inputs and outputs of a layer.
VARIANCES = {
    "he": lambda n_in, n_out: 2 / n_in,
    "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
    "lecun": lambda n_in, n_out: 1 / n_in,
}
InitName = Literal[
    "auto",
    "he",
    "he_normal",
    "he_uniform",
    "glorot",
    "glorot_normal",
    "glorot_uniform",
    "lecun",
    "lecun_normal",
    "lecun_uniform",
]
INITS = set(get_args(InitName))


class NetworkModel(Model):
    """A feed-forward network; per layer the matrix (n_in, n_out) row by row, then the biases."""

    kind = Network
    scales_targets_of_raw_features = False
    flops_per_parameter = 6
    trains_intercept = True

    def __init__(self, sizes: Sequence[int], activation: Activation, init, dropout: Sequence[float] = ()):
        self.sizes = tuple(int(size) for size in sizes)
        self.n_features, self.linear = self.sizes[0], len(self.sizes) == 2
        self.activation = activation
        self.init = init
        self.dropout = tuple(map(float, dropout)) or (0.0,) * (len(self.sizes) - 2)  # rates of the hidden layers
        self.n_outputs = self.sizes[-1]
        self.n_params = sum((n_in + 1) * n_out for n_in, n_out in self.shapes)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Inputs and outputs of every layer."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    def in_python(self, dtype: np.dtype) -> bool:
        return activation_kernels(self.activation, dtype).in_python

    def matrix_of(self, params: np.ndarray) -> np.ndarray:
        return params.reshape(-1, self.n_outputs)

    @property
    def random(self) -> bool:  # type: ignore[override]
        return any(self.dropout)

    @staticmethod
    def compute_dtype(storage: Storage) -> np.dtype:
        return storage.dtype

    def for_kernels(self, storage: Storage, random: np.ndarray | None = None) -> Network:
        activation = activation_kernels(self.activation, storage.dtype)
        layers = Layers(
            table=layer_table(self, storage, random is not None)[0],
            activation=activation.forwards,
            activation_derivative=activation.backwards,
            keeps_rows=storage.index_dtype is None,
            random=np.zeros(1, np.uint64) if random is None else random,
            products=products(storage.dtype, activation.in_python),
        )
        get = python_kernel if activation.in_python else kernel
        passes = (get(name, storage.dtype, Network, storage.index_dtype) for name in PASSES)
        return Network(layers, *(getattr(compiled, "pointer", compiled) for compiled in passes))

    def block_size(self, batch_size: int, itemsize: int) -> int:
        return min(batch_size, _BLOCK_ROWS)

    def n_work(self, block_size: int, storage: Storage) -> int:
        table, n_for_row = layer_table(self, storage, drops=True)
        return block_size * n_for_row + MOST_OUTPUTS * int(table["width"].max())

    def settings(self) -> dict:
        return {
            "number of targets": self.n_outputs,
            "hidden_layer_sizes": self.sizes[1:-1],
            "activation": type(self.activation),
            "dropout": self.dropout,
        }

    @classmethod
    def of(cls, parameters, n_features: int, n_outputs: int, intercept_known: bool) -> "NetworkModel":
        hidden = hidden_widths(parameters.hidden_layer_sizes)
        activation = get_activation(parameters.activation)
        activation.probe()
        dropout = dropout_rates(parameters.dropout, len(hidden))
        return cls([n_features, *hidden, n_outputs], activation, parameters.init, dropout)

    def penalised(self, factor: np.ndarray) -> np.ndarray:
        # of the standardised problem, whatever the loss: a network's solution isn't independent of the scale of y
        return np.concatenate([np.repeat([1.0, 0.0], [n_in * n_out, n_out]) for n_in, n_out in self.shapes])

    def start(
        self, constant: np.ndarray, varies: np.ndarray, scaling: Scaling, rng: np.random.RandomState
    ) -> np.ndarray:
        """The user's arrays, or random weights with the variance that keeps signals at their size.

        Outputs whose targets are all the same have none: they start where they are to end.
        """
        if not isinstance(self.init, str):
            return self.pack(users_arrays(self.init, self.shapes), scaling)
        weights = random_weights(self.init, self.activation, self.shapes, rng)
        coef, intercept = layers_of(self, weights)[-1]
        coef *= varies
        intercept[:] = constant
        return weights

    def unpack(self, params: np.ndarray, scaling: Scaling) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Matrices and biases of the layers in the units of X and y."""
        layers = layers_of(self, np.array(params, dtype=np.float64))
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


def layers_of(model: NetworkModel, params: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Matrix and biases of every layer, views of the parameters."""
    pairs, at = [], 0
    for n_in, n_out in model.shapes:
        end = at + n_in * n_out
        pairs.append((params[at:end].reshape(n_in, n_out), params[end : end + n_out]))
        at = end + n_out
    return pairs


def layer_table(model: NetworkModel, storage: Storage, drops: bool) -> tuple[np.ndarray, int]:
    """The layers as kernels take them, and the numbers of workspace that they need for each row."""
    shapes, kept = model.shapes, not model.activation.from_output
    table, params_at, at = np.zeros(len(shapes), Layer), 0, 0
    for k, (n_in, n_out) in enumerate(shapes):
        width = n_in if k > 0 or storage.index_dtype is None else 0
        z_at, mask_at = at + width * (kept and k > 0), at + width * (kept + model.random) * (k > 0)
        few = n_out if n_out <= MOST_OUTPUTS else 0
        rate = model.dropout[k - 1] if k > 0 and drops else 0.0
        table[k] = n_in, n_out, params_at, width, at, z_at, mask_at, 0, few, rate
        params_at, at = params_at + (n_in + 1) * n_out, mask_at + width
    below = np.concatenate([[0, 0], np.cumsum(model.sizes[1:-1])])  # the first layer has none
    table["below_at"] = at + below[:-1]
    return table, int(at + below[-1])


def hidden_widths(hidden_layer_sizes) -> list[int]:
    """Units of each hidden layer."""
    widths = hidden_layer_sizes
    widths = [widths] if isinstance(widths, Integral) else np.atleast_1d(np.asarray(widths, dtype=object)).tolist()
    if not all(isinstance(width, Integral) and not isinstance(width, bool) and int(width) > 0 for width in widths):
        raise ValueError(f"hidden_layer_sizes={hidden_layer_sizes!r} must hold whole numbers above 0, one a layer")
    return widths


def dropout_rates(dropout, n_hidden: int) -> list[float]:
    """One rate for each hidden layer."""
    rates = np.asarray(dropout, dtype=object)
    rates = np.full(n_hidden, rates) if rates.ndim == 0 else rates
    if rates.shape != (n_hidden,) or not all(map(_is_share, rates)):
        raise ValueError(
            f"dropout={dropout!r} must be a number from 0 to below 1, or one for each of the {n_hidden} hidden layers"
        )
    return [float(rate) for rate in rates]


def _is_share(rate: object) -> bool:
    return isinstance(rate, Real) and not isinstance(rate, bool) and 0 <= rate < 1  # type: ignore[operator]


def random_weights(init: str, activation: Activation, shapes: list, rng: np.random.RandomState) -> np.ndarray:
    """Weights of all layers by a scheme of :data:`INITS`."""
    scheme = activation.default_init if init == "auto" else init
    if scheme not in INITS or scheme == "auto":
        raise ValueError(
            f"default_init={scheme!r} of activation={activation!r} must be one of {sorted(INITS - {'auto'})}"
        )
    scheme, _, distribution = scheme.partition("_")
    parts = []
    for n_in, n_out in shapes:
        std = np.sqrt(VARIANCES[scheme](n_in, n_out))
        for size in (n_in * n_out, n_out):
            normal = distribution == "normal"
            parts.append(rng.normal(0.0, std, size) if normal else rng.uniform(-SQRT_3 * std, SQRT_3 * std, size))
    return np.concatenate(parts)


def users_arrays(init, shapes: list) -> Any:
    """The user's (coefs, intercepts) as lists of arrays, whose shapes are checked."""
    expected_shapes = [(n_in, n_out) for n_in, n_out in shapes], [(n_out,) for _, n_out in shapes]
    expected = (
        f"init must be (coefs, intercepts) of finite numbers with shapes {expected_shapes[0]} and {expected_shapes[1]}"
    )
    if len(init) != 2:
        raise ValueError(f"{expected}; it has {len(init)} parts")
    try:
        arrays = [[np.asarray(array, dtype=np.float64) for array in part] for part in init]
    except (TypeError, ValueError):
        raise ValueError(f"{expected}; it is {init!r}") from None
    given = tuple([array.shape for array in part] for part in arrays)
    if given != expected_shapes or not all(np.isfinite(array).all() for part in arrays for array in part):
        raise ValueError(f"{expected}; its shapes are {given[0]} and {given[1]}")
    return arrays
