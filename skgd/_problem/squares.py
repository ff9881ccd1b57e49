"""Squared error by second moments: once rows have been looked at, evaluating it takes no pass over them."""

import numpy as np

from ..losses import Loss
from .objective import MeanLoss

# Of what is added up, the share that a sum must be: less has lost four of sixteen digits, and rows know better.
LEAST_SHARE = 1e-4


def is_half_square(loss: Loss, n_outputs: int) -> bool:
    """Whether a quadratic loss is 1/2 |raw - y|^2: one of another scale isn't known by second moments alone."""
    if not loss.quadratic:
        return False
    residuals = np.array([[2.0], [-1.0]]) * np.ones(n_outputs)
    derivatives, of_loss = np.empty_like(residuals), (np.ones(2), loss.hyper(np.ones(n_outputs)))
    value = loss.pointwise(residuals, np.zeros_like(residuals), *of_loss, derivatives)
    return bool((derivatives == residuals).all()) and value == 0.5 * (residuals**2).sum()


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
        # the rounding of products of columns adds up as random numbers do, to less than half of EPS times this
        sizes = np.sqrt(((coefs * self.sizes) ** 2).sum(axis=1))
        added = ((sizes + np.sqrt(self.squares)) ** 2).sum()
        if not value >= LEAST_SHARE * added:
            return self.of_rows.sums(params, n_gradient)
        return value, (slopes - self.products).ravel()[:n_gradient]
