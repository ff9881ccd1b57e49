"""Squared error by second moments: once rows have been looked at, evaluating it takes no pass over them."""

import numpy as np

from .objective import MeanLoss

# Of what is added up, the share that a sum must be: less has lost four of sixteen digits, and rows know better.
LEAST_SHARE = 1e-4


class SquaresByMoments(MeanLoss):
    """Mean of 1/2 |Z w - y|^2 = 1/2 w'Z'Zw - y'Zw + 1/2 y'y, or over the rows themselves where its digits cancel."""

    def __init__(self, moments: np.ndarray, n_outputs: int, of_rows: MeanLoss):
        super().__init__(of_rows.ridge)
        self.of_rows, p = of_rows, len(moments) - n_outputs
        self.matrix, self.products = moments[:p, :p], moments[p:, :p]
        diagonal = np.diagonal(moments)
        self.sizes, self.squares = np.sqrt(diagonal[:p]), diagonal[p:]

    def sums(self, params, n_gradient):
        coefs = params.reshape(len(self.squares), -1)
        slopes = coefs @ self.matrix
        value = float((coefs * (0.5 * slopes - self.products)).sum() + 0.5 * self.squares.sum())
        added = ((np.abs(coefs) @ self.sizes + np.sqrt(self.squares)) ** 2).sum()  # Cauchy and Schwarz
        if not value >= LEAST_SHARE * added:
            return self.of_rows.sums(params, n_gradient)
        return value, (slopes - self.products).ravel()[:n_gradient]
