"""Small networks, ready to predict few rows: all members in one block, made when it is asked for first."""

import operator
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from .._compile.kernels import activation_kernels
from .._problem.features import is_beyond
from .._problem.network import layers_of
from .._solvers.training import Training
from ._held_out import network_of

MOST_NUMBERS = 2**18  # of all members: beyond, products of matrices take so long that nothing else counts
MOST_ENTRIES = 2**15  # rows times the widest layer, of all members


class Ready:
    """Networks whose rows are few: one product of matrices for each layer of all of them."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] | None = None  # that are published, and copies of them
        self.copies: list[bytes] = []

    def holds_for(self, arrays: list[np.ndarray]) -> bool:
        """Whether it has been made from these arrays, and they are as they were."""
        known = self.arrays
        if known is None or len(known) != len(arrays):
            return False
        same = all(map(operator.is_, arrays, known))
        return same and all(array.tobytes() == copy for array, copy in zip(arrays, self.copies, strict=True))

    def prepare(self, arrays: list[np.ndarray], trainings: Sequence[Training], linear: Sequence[Training]) -> None:
        """Make it: the published arrays say what the trainings do. Linear models beside them have the same scalings."""
        model, dtype = trainings[0].model, trainings[0].dtype
        self.dtype, self.precision = dtype, trainings[0].precision
        self.layers, self.linear = stacked(trainings), stacked(linear) if linear else []
        scalings = [training.scaling for training in trainings]
        self.center = np.stack([each.center for each in scalings])[:, None].astype(dtype)
        self.inverse_scale = np.stack([1.0 / each.scale for each in scalings])[:, None].astype(dtype)
        self.target_center = np.stack([each.target_center for each in scalings])[:, None]
        self.target_scale = np.stack([each.target_scale for each in scalings])[:, None]
        self.activation = activation_kernels(model.activation, dtype)
        self.in_place = model.activation.from_output  # then what units give takes the place of what they get
        self.no_bias = np.zeros(max(model.sizes), dtype)
        self.copies = [array.tobytes() for array in arrays]
        self.arrays = arrays  # at last: other threads may look

    def raw_predictions(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Outputs in the units of y, of shape (n_members, n_rows, n_outputs), and those of the linear models."""
        a = X - self.center
        a *= self.inverse_scale
        a = a.astype(self.dtype, copy=False)
        of_linear = self.in_units_of_y(a, *self.linear[0]) if self.linear else None
        for coef, bias in self.layers[:-1]:
            z = np.matmul(a, coef)
            z += bias
            a, rows = z if self.in_place else np.empty_like(z), z.reshape(-1, z.shape[2])
            self.activation.call(rows, self.no_bias[: rows.shape[1]], a.reshape(rows.shape))
        return self.in_units_of_y(a, *self.layers[-1]), of_linear

    def in_units_of_y(self, a: np.ndarray, coef: np.ndarray, bias: np.ndarray) -> np.ndarray:
        raw = np.matmul(a, coef)
        raw += bias
        return (raw * self.target_scale + self.target_center).astype(self.precision, copy=False)


def stacked(trainings: Sequence[Training]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Matrices and biases of each layer of all networks."""
    networks = (network_of(training)[:2] for training in trainings)
    layers = [layers_of(model, np.require(params, requirements="W")) for model, params in networks]
    return [
        (np.stack([coef for coef, _ in layer]), np.stack([bias for _, bias in layer])[:, None])
        for layer in zip(*layers, strict=True)
    ]


def are_few(X, trainings: Sequence[Training]) -> bool:
    """Whether rows are few, of the precision of networks that are small, and not beyond what these compute in."""
    n_numbers, width = sum(each.params.size for each in trainings), max(trainings[0].model.sizes)
    few = n_numbers <= MOST_NUMBERS and X.shape[0] * len(trainings) * width <= MOST_ENTRIES
    alike = few and not sparse.issparse(X) and X.dtype == trainings[0].precision
    return alike and (X.dtype == trainings[0].dtype or not is_beyond(X))
