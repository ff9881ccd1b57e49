"""Functions to descend on, in the page that one can play with, each with its gradient.

They are written as rules are, in loops over numbers in arrays, for they are translated to JavaScript as well:
`value(x, data)` returns a number, `gradient(x, data, grads)` fills the last.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

# Anscombe 1973, Graphs in statistical analysis: the first of his four sets
INPUTS = np.array([10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0])
TARGETS = np.array([8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68])
SCALED = (INPUTS - INPUTS.mean()) / INPUTS.std()


@dataclass(frozen=True)
class Landscape:
    """A function, where to look at it, where to start, and where it is lowest, that first."""

    title: str
    formula: str
    value: Callable
    gradient: Callable
    bounds: list[tuple[float, float]]
    start: list[float]
    minima: list[list[float]]
    n_steps: int = 100
    data: list = field(default_factory=list)
    variables: tuple[str, ...] = ("x", "y")
    equal: bool = False  # whether a step right and one up are drawn equally long


def bowl(x, data):
    return x[0] * x[0] + x[1] * x[1]


def bowl_gradient(x, data, grads):
    grads[0] = 2.0 * x[0]
    grads[1] = 2.0 * x[1]


def valley(x, data):
    return x[0] ** 2 / 20.0 + x[1] ** 2


def valley_gradient(x, data, grads):
    grads[0] = x[0] / 10.0
    grads[1] = 2.0 * x[1]


def squared_cubic(x, data):
    return (x[0] ** 3 + 2.0 * x[0] - 3.0) ** 2


def squared_cubic_gradient(x, data, grads):
    grads[0] = 2.0 * (x[0] ** 3 + 2.0 * x[0] - 3.0) * (3.0 * x[0] ** 2 + 2.0)


def two_hollows(x, data):
    return x[0] ** 4 - 4.0 * x[0] ** 2 + x[0]


def two_hollows_gradient(x, data, grads):
    grads[0] = 4.0 * x[0] ** 3 - 8.0 * x[0] + 1.0


def saddle(x, data):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 2.0


def saddle_gradient(x, data, grads):
    grads[0] = 2.0 * x[0]
    grads[1] = 2.0 * x[1] ** 3 - 2.0 * x[1]


def rosenbrock(x, data):
    return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2


def rosenbrock_gradient(x, data, grads):
    above = x[1] - x[0] ** 2
    grads[0] = 2.0 * (x[0] - 1.0) - 400.0 * x[0] * above
    grads[1] = 200.0 * above


def line_loss(x, data):
    inputs, targets = data[0], data[1]
    total = 0.0
    for i in range(inputs.size):
        residual = x[0] * inputs[i] + x[1] - targets[i]
        total += residual * residual
    return total / inputs.size


def line_loss_gradient(x, data, grads):
    inputs, targets = data[0], data[1]
    grads[0] = 0.0
    grads[1] = 0.0
    for i in range(inputs.size):
        residual = x[0] * inputs[i] + x[1] - targets[i]
        grads[0] += 2.0 * residual * inputs[i] / inputs.size
        grads[1] += 2.0 * residual / inputs.size


def line_through(inputs: np.ndarray, **where) -> Landscape:
    return Landscape(
        formula="f = mean of (w · input + b - target)², for a line of slope w and intercept b "
        "through Anscombe's eleven points",
        value=line_loss,
        gradient=line_loss_gradient,
        minima=[np.polyfit(inputs, TARGETS, 1).tolist()],
        data=[inputs, TARGETS],
        variables=("w", "b"),
        **where,
    )


HOLLOWS = np.sort(
    np.roots([4.0, 0.0, -8.0, 1.0])
)  # where its slope is zero; a hill between
LANDSCAPES = {
    "bowl": Landscape(
        "Bowl",
        "f = x² + y²",
        bowl,
        bowl_gradient,
        [(-3.0, 3.0), (-2.0, 2.0)],
        [-2.5, 1.5],
        [[0.0, 0.0]],
        equal=True,
    ),
    "valley": Landscape(
        "Narrow valley",
        "f = x²/20 + y²",
        valley,
        valley_gradient,
        [(-8.0, 4.0), (-3.0, 3.0)],
        [-7.0, 2.0],
        [[0.0, 0.0]],
        equal=True,
    ),
    "cubic": Landscape(
        "Root of a cubic",
        "f = (x³ + 2x - 3)²",
        squared_cubic,
        squared_cubic_gradient,
        [(-1.7, 2.2)],
        [2.0],
        [[1.0]],
        variables=("x",),
    ),
    "hollows": Landscape(
        "Two minima",
        "f = x⁴ - 4x² + x",
        two_hollows,
        two_hollows_gradient,
        [(-2.3, 2.2)],
        [2.0],
        [[HOLLOWS[0]], [HOLLOWS[2]]],
        variables=("x",),
    ),
    "saddle": Landscape(
        "Saddle",
        "f = x² - y² + y⁴/2",
        saddle,
        saddle_gradient,
        [(-2.4, 2.4), (-1.6, 1.6)],
        [-2.0, 0.01],
        [[0.0, -1.0], [0.0, 1.0]],
        equal=True,
    ),
    "rosenbrock": Landscape(
        "Rosenbrock",
        "f = (1 - x)² + 100 (y - x²)²",
        rosenbrock,
        rosenbrock_gradient,
        [(-2.0, 2.0), (-0.8, 2.4)],
        [-1.2, 1.0],
        [[1.0, 1.0]],
        n_steps=500,
    ),
    "line": line_through(
        INPUTS, title="Line, raw", bounds=[(-0.6, 1.6), (-1.0, 7.0)], start=[-0.2, 1.0]
    ),
    "scaled": line_through(
        SCALED,
        title="Line, scaled",
        bounds=[(-4.0, 7.0), (2.0, 13.0)],
        start=[-2.0, 4.0],
        equal=True,
    ),
}
