"""The function around a point as a quadratic one: how it bends along which directions, what a Newton step gains."""

from typing import NamedTuple

import numpy as np

from .._kernels.constants import EPS, TINY
from .differences import second_differences
from .function import FunctionObjective, Point

FEW_VARIABLES = 30  # whose curvatures are all looked at, each by two gradients
FEW_WITHOUT_GRADIENT = 60  # by values, of which there is one for each pair: products with vectors cost as many
VALUE_STEP, GRADIENT_STEP = EPS**0.25, EPS**0.375  # of differences, of variables up to one
PRODUCTS = 60  # of the Hessian with vectors, at most, where there are more variables
ANEW = 3  # times that such products begin anew where those before lead nowhere new
ERROR = 1e-5  # of curvatures by differences of gradients, as a share of the largest
ERROR_OF_VALUES = 1e-3  # by differences of values, which third orders spoil
DIFFERENCE = 0.1  # of the curvatures along axes: such small ones are differences of these, and looked at again
SMALL = 1e-3  # share of the way that was gone, as the size of variables near zero
LEAST = 1e-8  # size of a variable
NO_ROOM = 1e-2  # share of a step; a variable with no more room stays where it is


class Curvature(NamedTuple):
    """f(x + vectors @ t) is about f + slopes @ t + (values * t**2).sum() / 2 for small t."""

    vectors: np.ndarray  # in columns, as long as variables are large
    values: np.ndarray
    slopes: np.ndarray
    gradient: np.ndarray  # of the free variables, others are zero
    error: float  # of the values
    scaling: np.ndarray  # inverse curvature along every axis, 0 of a variable that can't move
    steps: np.ndarray | None  # that finite differences should take
    complete: bool  # whether all directions are known

    def gain(self, least: float | None = None) -> float:
        """What a Newton step should bring, if it goes down where the function bends down."""
        return 0.5 * float((self.slopes**2 / self._bends(least)).sum())

    def newton_step(self, least: float | None = None) -> np.ndarray:
        """The step."""
        return -self.vectors @ (self.slopes / self._bends(least))

    def _bends(self, least: float | None) -> np.ndarray:
        """Curvatures without their signs; those that are lost in their error count for `least`, or for the error."""
        bends = np.abs(self.values)
        return np.where(bends > self.error, bends, least or max(self.error, TINY))

    def inverse(self) -> np.ndarray:
        """Inverse of the Hessian, without signs: a matrix, or its diagonal where not all directions are known."""
        if not self.complete:
            return self.scaling
        return (self.vectors / self._bends(None)) @ self.vectors.T


def sizes_of(params: np.ndarray, start: np.ndarray) -> np.ndarray:
    """What is a large change of every variable; of those at zero one, if they have always been there."""
    sizes = np.maximum(np.abs(params), SMALL * np.abs(params - start))
    return np.where(sizes > LEAST, sizes, 1.0)


def curvature_at(objective: FunctionObjective, point: Point, sizes: np.ndarray) -> Curvature | None:
    """How the function bends; None where its values or gradients aren't finite."""
    with np.errstate(all="ignore"):
        room = np.full(point.params.size, np.inf)
        blocked = np.zeros(point.params.size, dtype=bool)
        if objective.box is not None:
            low, high = objective.box
            room = np.minimum(point.params - low, high - point.params)
            blocked = (room <= NO_ROOM * VALUE_STEP * sizes) | (low == high)
        few = FEW_WITHOUT_GRADIENT if objective.function.differentiates else FEW_VARIABLES
        look = _by_products if point.params.size > few else _along_all_axes
        found = look(objective, point, np.where(blocked, 0.0, sizes), room)
    usable = found is not None and np.isfinite(found.vectors).all() and np.isfinite(found.values).all()
    return found if usable else None


# -- few variables: the whole Hessian, in variables whose curvatures are one


def _along_all_axes(objective, point, sizes, room):
    differences = objective.function.differences
    if differences is None:
        hessian, gradient, noise, steps = _from_gradients(objective, point, sizes, room), point.gradient, 0.0, None
    else:
        hessian, gradient, noise, steps = _from_values(objective, point, sizes, room)
    if not np.isfinite(hessian).all():
        return None
    free = sizes > 0
    gradient = np.where(free, gradient, 0.0)
    bends = np.abs(np.diag(hessian))
    bent = free & (bends > EPS * np.max(bends * sizes**2, initial=0.0) / np.where(free, sizes, 1.0) ** 2)
    scale = np.where(free, sizes, 0.0)
    if bent.any():  # others are taken to be as long as these are on average
        scale = scale * np.exp(np.mean(np.log(1 / np.sqrt(bends[bent]) / sizes[bent])))
        scale[bent] = 1 / np.sqrt(bends[bent])
    values, vectors = np.linalg.eigh(scale[:, None] * hessian * scale)
    vectors = scale[:, None] * vectors
    used = np.abs(vectors).sum(axis=0) > 0
    values, vectors = values[used], vectors[:, used]
    error = ERROR
    if steps is not None:
        _look_along(objective, point, values, vectors, steps)
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.where(free, scale / np.where(free, steps, 1.0), 0.0)
        error = max(ERROR_OF_VALUES, float(4 * noise * np.max(lost, initial=0.0) ** 2))
        of_noise = 2 * np.sqrt(max(objective.noise, EPS * abs(point.value)) / np.where(bends > 0, bends, np.inf))
        fitting = np.where(steps > 0, np.minimum(sizes, steps / VALUE_STEP), np.where(free, sizes, 1.0))
        steps = np.maximum(EPS ** (1 / 3) * fitting, of_noise)
    return Curvature(vectors, values, vectors.T @ gradient, gradient, error, scale**2, steps, True)


def _from_gradients(objective, point, sizes, room):
    """Hessian by central differences of gradients along the axes: others take a third order for curvature."""
    n = point.params.size
    hessian = np.zeros((n, n))
    for j in np.flatnonzero(sizes):
        there, back = point.params.copy(), point.params.copy()
        step = min(GRADIENT_STEP * sizes[j], room[j])
        there[j] += step
        back[j] -= step
        hessian[j] = (gradient_at(objective, there) - gradient_at(objective, back)) / (there[j] - back[j])
    return 0.5 * (hessian + hessian.T)


def gradient_at(objective, params, method=None, steps=None):
    """Gradient, by differences of these steps if there are any; NaN where there is none."""
    function = objective.function
    try:
        if steps is not None:
            return function.gradient_by(method, steps, params)
        return function.gradient(params, 0.0) if callable(function.jac) else function.value_and_gradient(params)[1]
    except Exception:
        return np.full(params.size, np.nan)


def _from_values(objective, point, sizes, room):
    """Hessian and gradient by differences of values, the noise of these, and steps that are seen above it."""
    n, value, value_at = point.params.size, point.value, objective.value_at
    steps = np.minimum(VALUE_STEP * sizes, room)
    largest = abs(objective.first.value)
    forward, backward, steps = second_differences(value_at, point.params, value, steps, objective.noise, largest)
    steps = np.minimum(steps, room)
    moved = np.where(steps > 0, steps, 1.0)
    gradient = np.where(steps > 0, (forward - backward) / (2 * moved), 0.0)
    hessian = np.zeros((n, n))
    for i in np.flatnonzero(steps):
        hessian[i, i] = (forward[i] + backward[i] - 2 * value) / steps[i] ** 2
        for j in np.flatnonzero(steps[:i]):
            params = point.params.copy()
            params[[i, j]] += steps[[i, j]]
            both = value_at(params)
            hessian[i, j] = hessian[j, i] = (both - forward[i] - forward[j] + value) / (steps[i] * steps[j])
    seen = steps > 0
    size = float(np.abs([value, *forward[seen], *backward[seen]]).max())
    return hessian, gradient, max(objective.noise, EPS * size), steps


def _look_along(objective, point, values, vectors, steps):
    """Small curvatures anew, each by a second difference along its own direction."""
    for k in np.flatnonzero(values < DIFFERENCE):
        vector = vectors[:, k]
        moved = vector != 0
        length = float(np.min(steps[moved] / np.abs(vector[moved])))
        both = sum(objective.value_at(point.params + sign * length * vector) for sign in (1, -1))
        if length > 0 and np.isfinite(both):
            values[k] = (both - 2 * point.value) / length**2


# -- many: Lanczos's method


def _by_products(objective, point, sizes, room):
    """The curvatures that products of the Hessian with vectors show: the smallest and the largest ones, as by Lanczos.

    The first vector is against the gradient but for a random part, which finds what lies across it: the smallest
    curvature of a saddle. Of differences of values forward ones are enough: what they are off by is the same on both
    sides, but for third orders.
    """
    n = point.params.size
    free = sizes > 0
    rng = np.random.RandomState(2)
    differentiates = objective.function.differentiates
    steps = EPS ** (1 / 3) * np.where(free, sizes, 1.0) if differentiates else None
    gradient = np.where(free, gradient_at(objective, point.params, "3-point", steps), 0.0)
    length = VALUE_STEP if differentiates else GRADIENT_STEP
    scale = np.where(free, float(np.median(sizes[free])), 0.0) if free.any() else np.zeros(n)
    basis: list[np.ndarray] = []
    products: list[np.ndarray] = []
    vector, anew = _begin(rng, gradient * scale, free), 0
    while len(basis) < min(PRODUCTS, int(free.sum())) and vector is not None:
        step = length * scale * vector
        ends = (_inside(objective, point.params + sign * step) for sign in (1, -1))
        there, back = (gradient_at(objective, end, "2-point", steps) for end in ends)
        product = scale * np.where(free, there - back, 0.0) / (2 * length)
        basis.append(vector)
        products.append(product)
        projected = np.array(basis) @ np.array(products).T
        values, vectors = np.linalg.eigh(0.5 * (projected + projected.T))
        error = ERROR * float(np.abs(values).max())
        rest = _orthogonal(product, basis)
        left = float(np.linalg.norm(rest))
        if values[0] < -10 * error:
            break
        if left > 1e-6 * float(np.linalg.norm(product)) + TINY:
            if len(basis) > 5 and left * abs(vectors[-1, 0]) < 0.1 * abs(values[0]) and values[0] > 10 * error:
                break  # the smallest curvature is known well enough
            vector = rest / left
            continue
        anew += 1
        vector = _begin(rng, np.zeros(n), free, basis) if anew < ANEW else None
    if not basis:
        return None
    vectors = scale[:, None] * (np.array(basis).T @ vectors)
    diagonal = np.where(free, scale**2 / max(float(np.abs(values).max()), TINY), 0.0)
    return Curvature(vectors, values, vectors.T @ gradient, gradient, error, diagonal, steps, False)


def _inside(objective, params):
    objective.project(params)
    return params


def _begin(rng, gradient, free, basis=()):
    largest = float(np.abs(gradient).max(initial=0.0))
    vector = np.where(free, rng.normal(size=gradient.size), 0.0)
    vector /= max(float(np.linalg.norm(vector)), TINY)
    if largest > 0:
        gradient = gradient / largest
        vector = gradient / float(np.linalg.norm(gradient)) + 0.5 * vector
    vector = _orthogonal(vector, basis)
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-10 else None


def _orthogonal(vector, basis):
    for _ in range(2):  # once more for what rounding has left
        for other in basis:
            vector = vector - (other @ vector) * other
    return vector
