"""Every step of a descent as a line of a table, as a textbook prints it."""

from typing import Any

import numpy as np

from .function import Point

VARIABLES = 4  # up to here all are printed; of more the first two and the last two
PARALLEL = 1e-9  # a step and the gradient are, if no more than this share of it is beside


class Table:
    """Prints the points of a descent, what function and gradient are there, and the steps that have led there."""

    def __init__(self, shaped: Any, sign: float):
        self.shaped, self.sign = shaped, sign  # of variables, and -1 where the descent is an ascent

    def begin(self, k: int, point: Point, x: str = "x", f: str = "f") -> None:
        """The descent begins, or goes on, here after k steps, with these names of the variables and the function."""
        width = len(self._vector(point.params))
        self.widths = (5, width, 12, width, 9, width)
        self._print("k", x, f, "gradient", "rate", "step")
        self._point(k, point, "", "")

    def see(self, k: int, point: Point, rate: float | None) -> None:
        """Step k has led here, at this rate; if nobody knows it, it shows where the step is along the gradient."""
        step, gradient = point.params - self.last.params, self.last.gradient
        if rate is None and gradient.any():
            rate = -float(step @ gradient) / float(gradient @ gradient)
            if not np.abs(step + rate * gradient).max() <= PARALLEL * np.abs(step).max():
                rate = None
        self._point(k, point, "" if rate is None else f"{rate:.4g}", self._vector(step))

    def _point(self, k: int, point: Point, rate: str, step: str) -> None:
        self.last = point
        x, gradient = self._vector(point.params), self._vector(self.sign * point.gradient)
        self._print(str(k), x, f"{self.sign * point.value:.6g}", gradient, rate, step)

    def _vector(self, values: np.ndarray) -> str:
        numbers = [f"{value:10.4g}" for value in np.ravel(self.shaped(values))]
        return " ".join(numbers if len(numbers) <= VARIABLES else [*numbers[:2], "...", *numbers[-2:]])

    def _print(self, *cells: str) -> None:
        print(" ".join(cell.rjust(width) for cell, width in zip(cells, self.widths, strict=True)).rstrip(), flush=True)
