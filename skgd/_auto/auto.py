"""What `auto` becomes: optimizer, batch size and learning rate from the data."""

import numpy as np
from scipy import sparse
from sklearn.base import clone

from .._kernels.structures import Data
from .._problem.features import scaled_rows
from ..optimizers import LBFGS, SGD, AdaGrad, Optimizer

SMALL_ROWS = 512  # up to here a full batch costs hardly more than a mini-batch
VERY_SMALL_ROWS = 64  # up to here mini-batches would hold much of the data anyway
MINI_BATCH = 16  # small enough that small rates get far in an epoch, large enough to vectorise
MINI_BATCHES = 2, 64  # for a given rate: below, a batch costs more than its rows; above, an epoch has few steps
LINE_SEARCH_TOL = 1e-10  # a line search knows what is left to gain, and its last steps are large ones
FEW_ROWS = 10_000  # up to here one step more costs nothing, and makes weights the same as repetition to 1e-7:
FEW_ROWS_TOL = 1e-25
MANY_FEATURES = 1_000  # beyond, the curvature is only known by its diagonal, and every digit costs passes
MANY_FEATURES_TOL = 1e-9
MANY_FEATURES_L1_TOL = 1e-11  # coefficients near zero change long after the objective has settled
EARLY_STOPPING_TOL = 1e-4  # the loss of rows held out tells no more
FULL_BATCH_TOL = 1e-6  # an epoch is a single step
MINI_BATCH_TOL = 1e-3  # an epoch is many steps, and its mean objective is noisy; as SGDRegressor's
CURVATURE_ROWS = 10_000  # rows from which the largest curvature is estimated
DIRECT_FEATURES = 128  # up to here the eigenvalues are computed, beyond it the largest one is iterated for
POWER_ITERATIONS = 30
SAFETY = 1.1  # the power method approaches the largest eigenvalue from below
STREAM_RATE = 0.1  # AdaGrad's rate on standardised features: coefficients of a few units within a few hundred updates


def auto_optimizer(streaming: bool, mini_batch: bool, own_steps: bool) -> Optimizer:
    """L-BFGS on all rows, or accelerated gradient if the steps are given; where rows come in parts, what bears noise.

    own_steps: the user gave a learning rate, a schedule or what else belongs to the steps of a rule.
    """
    if streaming:
        return AdaGrad(learning_rate=STREAM_RATE)
    if mini_batch:
        return SGD(momentum=0.9, nesterov=True)
    return SGD(momentum="auto", nesterov=True) if own_steps else LBFGS()


def optimizer_after(last: Optimizer) -> Optimizer:
    """What goes on with a stream: what it began with, or plain descent on from the optimum that `fit` has found."""
    return SGD() if last.follows_path else clone(last)


def auto_batch_size(n_rows: int, optimizer: Optimizer, rate_from_data: bool, streaming: bool) -> int:
    """All rows for a method that needs exact gradients and for small data, else mini-batches.

    A rate that follows from the data makes good use of exact gradients. Other ones, the customary and the user's, take
    small steps: there must be many of them.
    """
    if streaming:  # whatever the size of its parts, a stream shall make as many steps
        return min(MINI_BATCH, n_rows)
    few = SMALL_ROWS if rate_from_data and not optimizer.variance_reduced else VERY_SMALL_ROWS
    return n_rows if optimizer.follows_path or n_rows <= few else MINI_BATCH


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


def auto_tol(
    n_rows: int,
    n_features: int,
    batch_size: int,
    optimizer: Optimizer,
    criterion: str,
    early_stopping: bool,
    determined: bool,
    has_l1: bool,
) -> float:
    """Tolerance of the criterion; determined: whether there is one optimum, by a penalty or a quadratic loss."""
    if early_stopping and optimizer.searches_line:
        return EARLY_STOPPING_TOL
    if optimizer.searches_line and criterion == "objective":
        if n_features > MANY_FEATURES:
            return MANY_FEATURES_L1_TOL if has_l1 else MANY_FEATURES_TOL
        return FEW_ROWS_TOL if n_rows <= FEW_ROWS and determined else LINE_SEARCH_TOL
    if batch_size >= n_rows or optimizer.variance_reduced:
        return FULL_BATCH_TOL
    return MINI_BATCH_TOL


def gradient_rate(
    data: Data,
    curvature: float,
    optimizer: Optimizer,
    batch_size: int,
    rows_seen: int,
    partly_seen: bool,
    alpha: float,
    fit_intercept: bool,
) -> float:
    """Learning rate from the curvature of a linear model's objective: 1 / L_B, less for mini-batches.

    L_B = L (B - 1) / B + 2 c mean |x|^2 / (B (1 - momentum)) bounds the curvature that a batch of B rows shows, where
    c is the bound of the loss's curvature and L = c lambda_max(Z'Z / n) + alpha (Needell, Srebro and Ward 2016).
    The noise of a batch counts as often as momentum repeats it. Of a full batch that is L. Among T mini-batches, in
    an epoch or in a stream so far, a rate of 1 / (L_B sqrt(T)) balances the way that is made, T times the rate,
    against the noise that is left, which is proportional to the rate (Nemirovski, Juditsky, Lan and Shapiro 2009).
    Variance reduction leaves no noise within the rows at hand: there the rate is 1 / L_B.
    """
    rows = data.sample_rows(CURVATURE_ROWS)
    Z = scaled_rows(data.features, rows)
    if fit_intercept:
        ones = np.ones((len(rows), 1))
        Z = np.column_stack([Z, ones]) if isinstance(Z, np.ndarray) else sparse.hstack([Z, ones], format="csr")
    weight = np.ones(len(rows))
    if data.weight.size:
        weight = data.weight[rows]
        weight = weight * len(weight) / max(weight.sum(), np.finfo(float).tiny)
    if isinstance(Z, np.ndarray):
        lengths, trace = np.einsum("ij,ij->i", Z, Z), Z.shape[1]
        Z *= np.sqrt(weight)[:, None]
    else:
        lengths = np.asarray(Z.multiply(Z).sum(axis=1)).ravel()
        trace = lengths.max()  # of scaled features that aren't centred: as far as is known
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
    bound = curvature * largest + alpha
    if not np.isfinite(bound):
        raise ValueError(
            "learning_rate='auto': the features are so large that the curvature of the objective overflows; "
            "standardize=True brings them to one scale"
        )
    return 1.0 / max(bound, np.finfo(np.float64).tiny)


def _largest_eigenvalue(Z: np.ndarray | sparse.csr_array) -> float:
    """Largest eigenvalue of Z'Z / n, within a few per cent from below."""
    n, d = Z.shape
    with np.errstate(over="ignore", invalid="ignore"):
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
