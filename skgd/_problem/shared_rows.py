"""Losses of several problems over rows that they share."""

from collections.abc import Sequence

import numpy as np

from .. import _parallel as threads
from .problem import Problem
from .rows import Rows
from .sample import BLAS_SPEED, PART_ENTRIES, Sample

BLOCK_ENTRIES = 2**15  # of products of few parameters with many rows: BLAS takes half the time for small ones


class SharedRows:
    """Rows as a problem of all of them scales these, and the losses of problems of some of them.

    What is affine in a row is so in each scaling: parameters of one are those of another by products and sums.
    """

    def __init__(self, sample: Sample, whole: Problem, problems: Sequence[Problem], n_threads: int):
        self.sample, self.n_threads, self.problems = sample, n_threads, problems
        self.numbers, self.weights, self.targets = [], [], []
        for problem in problems:
            assert isinstance(problem.rows, Rows)
            data = problem.rows.data
            numbers = data.subset if data.subset.size else np.arange(data.n_rows)
            self.numbers.append(numbers)
            self.weights.append(np.bincount(numbers, data.shares_of(numbers), len(sample.Z)))
            self.targets.append(data.targets_of(slice(None)))
        # a column is stretch * z + shift in a problem's own scaling
        scale, center = (np.array([getattr(each.scaling, name) for each in problems]) for name in ("scale", "center"))
        self.stretch, self.shift = whole.scaling.scale / scale, (whole.scaling.center - center) / scale

    def evaluate(self, which: np.ndarray, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean losses of some problems at parameters for each of them, and their gradients."""
        sample, n_outputs = self.sample, self.sample.n_outputs
        n, p = sample.Z.shape
        coefs, block = params.reshape(-1, p), max(1, BLOCK_ENTRIES // p)

        def of_part(part):
            rows, values = slice(*part), np.empty(len(which))
            blocks = [slice(at, min(at + block, part[1])) for at in range(*part, block)]
            if n_outputs == 1:
                raw = np.hstack([coefs @ sample.Z[each].T for each in blocks])
            else:
                raw = np.vstack([sample.Z[each] @ coefs.T for each in blocks])
            derivatives, gradient = np.empty_like(raw), np.zeros(coefs.shape)
            for k, each in enumerate(which):
                columns = slice(k * n_outputs, (k + 1) * n_outputs)
                own = raw[k][:, None] if n_outputs == 1 else np.ascontiguousarray(raw[:, columns])
                found = derivatives[k][:, None] if n_outputs == 1 else np.empty_like(own)
                of_rows = self.targets[each][rows], self.weights[each][rows], self.problems[each].loss_hyper
                values[k] = sample.plug_in.call(own, *of_rows, found)
                if n_outputs > 1:
                    derivatives[:, columns] = found
            of_outputs = derivatives if n_outputs == 1 else derivatives.T
            for each in blocks:
                gradient += of_outputs[:, each.start - rows.start : each.stop - rows.start] @ sample.Z[each]
            return values, gradient

        row_cost = max(coefs.size // BLAS_SPEED, 1)
        parts = threads.run_over_rows(of_part, n, row_cost, params.size, self.n_threads, PART_ENTRIES)
        values, gradients = np.zeros(len(which)), np.zeros(coefs.shape)
        for of_rows, gradient in parts:
            values += of_rows
            gradients += gradient
        return values, gradients.reshape(params.shape)

    def own_params(self, params: np.ndarray) -> np.ndarray:
        """Parameters of all problems in their own scalings."""
        blocks = params.reshape(len(params), self.sample.n_outputs, -1).copy()
        blocks[..., :-1] /= self.stretch[:, None]
        blocks[..., -1] -= np.einsum("kij,kj->ki", blocks[..., :-1], self.shift)
        return blocks.reshape(params.shape)

    def shared_params(self, params: np.ndarray) -> np.ndarray:
        """The inverse of own_params."""
        blocks = params.reshape(len(params), self.sample.n_outputs, -1).copy()
        blocks[..., -1] += np.einsum("kij,kj->ki", blocks[..., :-1], self.shift)
        blocks[..., :-1] *= self.stretch[:, None]
        return blocks.reshape(params.shape)

    def own_gradients(self, gradients: np.ndarray) -> np.ndarray:
        """Gradients by the parameters in the problems' own scalings."""
        blocks = gradients.reshape(len(gradients), self.sample.n_outputs, -1).copy()
        blocks[..., :-1] *= self.stretch[:, None]
        blocks[..., :-1] += blocks[..., -1:] * self.shift[:, None]
        return blocks.reshape(gradients.shape)

    def shared_ridge(self, ridge: Sequence[np.ndarray]) -> np.ndarray:
        """Strengths of the L2 penalties on parameters of the shared scaling."""
        blocks = np.array(ridge).reshape(len(ridge), self.sample.n_outputs, -1)
        blocks[..., :-1] /= self.stretch[:, None] ** 2
        return blocks.reshape(len(ridge), -1)
