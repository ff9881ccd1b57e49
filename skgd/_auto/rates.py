"""Learning rates and batch sizes that follow from the curvature of a linear model's objective."""

import numpy as np
from scipy import sparse

from .._parallel import single_threaded_blas
from .._problem.problem import Problem
from ..optimizers import Optimizer

MINI_BATCHES = 2, 64  # for a given rate: below, a batch costs more than its rows; above, an epoch has few steps
CURVATURE_ROWS = 10_000  # rows from which the largest curvature is estimated
DIRECT_FEATURES = 128  # up to here the eigenvalues are computed, beyond it the largest one is iterated for
POWER_ITERATIONS = 30
SAFETY = 1.1  # the power method approaches the largest eigenvalue from below


def batch_size_for_rate(rate: float, n_rows: int, n_features: int, curvature: float, optimizer: Optimizer) -> int:
    """Rows per update for which `gradient_rate` would give about this rate: the next power of two, within bounds.

    The noise that plain descent leaves is proportional to the rate over the rows of a batch (Smith, Kindermans, Ying
    and Le 2018, Don't decay the learning rate, increase the batch size): small rates can do with few rows, so that an
    epoch makes many steps; large ones need more. Of standardised features only their number d counts: it is
    mean |x|^2, and lambda_max(Z'Z / n), which lies between 1 and d, is taken for its root.
    """
    smallest, largest = MINI_BATCHES
    square = n_features + 1  # with the column of ones
    size = smallest
    while size < largest:
        bound = curvature * _curvature_of_batches(np.sqrt(square), square, size, optimizer)
        if rate * bound * np.sqrt(n_rows / size) <= 1:
            break
        size *= 2
    return min(size, n_rows)


def _curvature_of_batches(largest: float, square: float, batch_size: int, optimizer: Optimizer) -> float:
    """L_B for c = 1 from lambda_max and mean |x|^2; momentum repeats the noise."""
    noise = 2 * square / (batch_size * (1 - getattr(optimizer, "momentum", 0.0)))
    return largest * (batch_size - 1) / batch_size + noise


def gradient_rate(
    problem: Problem, curvature: float, optimizer: Optimizer, batch_size: int, fit_intercept: bool
) -> float:
    """Learning rate from the curvature of a linear model's objective: 1 / L_B, less for mini-batches.

    L_B = L (B - 1) / B + 2 c mean |x|^2 / (B (1 - momentum)) bounds the curvature that a batch of B rows shows, where
    c is the bound of the loss's curvature and L = c lambda_max(Z'Z / n) + alpha (Needell, Srebro and Ward 2016).
    The noise of a batch counts as often as momentum repeats it. Of a full batch that is L. Among T mini-batches, in
    an epoch or in a stream so far, a rate of 1 / (L_B sqrt(T)) balances the way that is made, T times the rate,
    against the noise that is left, which is proportional to the rate (Nemirovski, Juditsky, Lan and Shapiro 2009).
    Variance reduction leaves no noise within the rows at hand: there the rate is 1 / L_B. Where nothing is curved it is
    the customary one.
    """
    some = problem.rows.some(CURVATURE_ROWS)
    rows_seen, partly_seen = problem.rows_seen, problem.streaming and bool(problem.standardization)
    Z = some.scaled()
    tells = isinstance(Z, np.ndarray) or Z.count_nonzero() > 0
    if fit_intercept:
        ones = np.ones((some.n_rows, 1))
        Z = np.column_stack([Z, ones]) if isinstance(Z, np.ndarray) else sparse.hstack([Z, ones], format="csr")
    weight = some.weight
    weight = weight * len(weight) / max(weight.sum(), np.finfo(float).tiny)
    if isinstance(Z, np.ndarray):
        lengths, trace = np.einsum("ij,ij->i", Z, Z), Z.shape[1]
        Z *= np.sqrt(weight)[:, None]
    else:
        lengths = np.asarray(Z.multiply(Z).sum(axis=1)).ravel()
        # of scaled features that aren't centred: as far as is known, or as of dense ones where all is zero so far
        trace = lengths.max() if tells else Z.shape[1]
        Z = sparse.diags_array(np.sqrt(weight)) @ Z
    largest = SAFETY * _largest_eigenvalue(Z)
    if partly_seen:
        # the trace bounds the curvature of standardised features, whatever the rest of the stream is like
        lengths, largest = np.maximum(lengths, trace), max(largest, trace)
    if batch_size < rows_seen or partly_seen:
        # rows come as often as one another, and count for their weight: it is squared in the noise
        largest = _curvature_of_batches(largest, float(np.mean(weight**2 * lengths)), batch_size, optimizer)
        if partly_seen or not optimizer.variance_reduced:
            largest *= np.sqrt(rows_seen / batch_size)
    if largest == 0:  # rows of zeros: those to come in a stream may be of any size
        return optimizer.default_learning_rate
    bound = curvature * largest + problem.penalty.l2
    if not np.isfinite(bound):
        raise ValueError(
            "learning_rate='auto': the features are so large that the curvature of the objective overflows; "
            "standardize=True brings them to one scale"
        )
    return 1.0 / max(bound, np.finfo(np.float64).tiny)


def _largest_eigenvalue(Z: np.ndarray | sparse.csr_array) -> float:
    """Largest eigenvalue of Z'Z / n, within a few per cent from below."""
    n, d = Z.shape
    # threads of BLAS that wait for each other on cores that others use, too, take hundreds of times as long
    with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):
        if d <= DIRECT_FEATURES:
            gram = Z.T @ Z / n
            gram = gram.toarray() if sparse.issparse(gram) else gram
            return float(np.linalg.eigvalsh(gram)[-1]) if np.isfinite(gram).all() else np.inf
        vector = np.random.default_rng(0).standard_normal(d)
        length = 0.0
        for _ in range(POWER_ITERATIONS):
            vector = Z.T @ (Z @ (vector / np.linalg.norm(vector))) / n
            length = float(np.linalg.norm(vector))
            if length == 0:
                break
        return length if np.isfinite(length) else np.inf
