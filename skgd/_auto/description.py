"""What must be decided before data are described, from the parameters and the number of rows alone."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._partitions import adapter_of
from .._problem.model import LinearModel
from .._problem.network import NetworkModel, hidden_widths
from ..optimizers import get_optimizer
from ..schedules import Constant, get_schedule

# Up to so many are all in one batch, if that is left to us: mini-batches would hold much of the data anyway.
ONE_BATCH_ROWS = {LinearModel: 64, NetworkModel: 32}
MOST_DISTINCT = 64  # rows up to which an order of their own costs nothing beside the epochs
MEMBERS = 5  # of an ensemble, if that is left to us
SMALLEST_PART, LARGEST_PART = 0.1, 0.2  # of the rows that a member holds out
FEWEST_ROWS = 40  # of which parts are held out; of fewer, weights and repetition mean the same that way
WEIGHT_AMONG_FEW = 0.25  # of linear models there, where no rows tell it
SLOPE_AMONG_FEW = 0.75  # of calibration there, of classes
OURS = {  # what the way of training follows from
    "optimizer": "adam",
    "learning_rate": "auto",
    "schedule": "auto",
    "tol": "auto",
    "criterion": "objective",
    "early_stopping": "auto",
}


class Treatment(NamedTuple):
    """How rows are to be described."""

    standardization: bool | str  # the parameter `standardize`
    most_distinct: int  # up to so many rows those that say the same become one
    centers_far: bool = False  # whether columns far from zero are centred, though the standardization leaves them
    takes_products: bool = False  # whether all rows of squared error are summed up in one look, if that is to be had
    squashes: bool = False  # whether columns with heavy tails are squashed
    narrows: bool = False  # whether float64 becomes float32 where that loses no digits that tell anything
    precision: np.dtype | None = None  # of what is published, if that isn't the one of the rows as they are described


def treatment(parameters: Any, model: type, streaming: bool) -> Treatment:
    """How the rows of a model of this class are to be described."""
    standardize = parameters.standardize
    if standardize not in ("auto", "max_abs"):
        standardize = bool(standardize)
    most_distinct = 0 if streaming else _most_distinct(parameters, model)
    # A rule's steps are those among the features that the user gave; a line search's optimum is the same if these are
    # centred, and its curvature then has no digits to lose.
    searches = not streaming and _searches_line(parameters, model)
    takes_products = searches and _takes_matrices(parameters) and standardize in (True, "auto")
    squashes = not streaming and _squashes(parameters, model)  # parts of a stream tell little of tails
    narrows = not streaming and _holds_out_by_itself(parameters, model)
    centers_far = searches and parameters.fit_intercept
    return Treatment(standardize, most_distinct, centers_far, takes_products, squashes, narrows)


def moments_tell(X: Any, sample_weight: Any, parameters: Any) -> bool:
    """Whether moments are taken of all entries, and refused where one isn't finite: X needs no look of its own then."""
    weighted = sample_weight is not None or getattr(parameters, "class_weight", None) is not None
    of_all = not (weighted or parameters.early_stopping) and parameters.standardize in (True, "auto")
    return of_all and type(X) is np.ndarray


def _squashes(parameters: Any, model: type) -> bool:
    """Whether columns with heavy tails are squashed: where scaling and initial parameters are left to us."""
    ours = model is NetworkModel and parameters.standardize == "auto" and isinstance(parameters.init, str)
    return ours and len(hidden_widths(parameters.hidden_layer_sizes)) > 0  # others are linear models


def _holds_out_by_itself(parameters: Any, model: type) -> bool:
    """Whether members hold rows out in a way of training that is left to us: their noise is far above float32's."""
    several = model is NetworkModel and parameters.n_members > 1
    return several and parameters.early_stopping and _is_ours(parameters, early_stopping=parameters.early_stopping)


def _is_ours(parameters: Any, **whatever: Any) -> bool:
    """Whether the way of training is left to us, but for what may be whatever it is."""
    return all(getattr(parameters, name) == value for name, value in (OURS | whatever).items())


def _searches_line(parameters: Any, model: type) -> bool:
    """Whether a linear model is trained by line searches, whatever the data are, or nearly so."""
    if model is not LinearModel:
        return False
    if parameters.optimizer != "auto":
        return get_optimizer(parameters.optimizer).searches_line
    return parameters.batch_size in ("auto", None) and not own_steps(parameters)


def _takes_matrices(parameters: Any) -> bool:
    """Whether line searches go by a matrix of few columns."""
    return parameters.optimizer == "auto" or get_optimizer(parameters.optimizer).preconditioner in ("auto", "subsample")


def own_steps(parameters: Any) -> bool:
    """Whether there is a learning rate, a schedule or what else belongs to the steps of a rule."""
    return (
        parameters.learning_rate != "auto"
        or parameters.clip_norm is not None
        or not (parameters.average is False or parameters.average == "auto")
        or not isinstance(get_schedule(parameters.schedule, parameters.max_iter), Constant)
    )


def _most_distinct(parameters: Any, model: type) -> int:
    """Rows up to which every update sees all. A line search to the one optimum cares for no last digits."""
    optimizer, batch_size = parameters.optimizer, parameters.batch_size
    if optimizer == "auto" or get_optimizer(optimizer).searches_line:
        return 0 if model is LinearModel else MOST_DISTINCT
    return min(ONE_BATCH_ROWS[model] if batch_size == "auto" else batch_size or MOST_DISTINCT, MOST_DISTINCT)


def settle_members(parameters: Any, X: Any, n_before: int, streaming: bool) -> None:
    """Settle how many members an ensemble has: as many as before where it goes on.

    "auto" is several where the way of training is left to us, too: they need the same rows in memory again and again,
    an end of their own, and starts of their own.
    """
    if n_before:
        if parameters.n_members not in ("auto", n_before):
            raise ValueError(
                f"training can't go on where it ended: n_members={parameters.n_members}, and it has {n_before}. Call "
                "fit with warm_start=False to begin anew"
            )
        parameters.n_members = n_before
    elif parameters.n_members == "auto":
        alone = streaming or parameters.warm_start or parameters.n_restarts > 1 or adapter_of(X) is not None
        ours = _is_ours(parameters) and isinstance(parameters.init, str)
        parameters.n_members = 1 if alone or not ours else MEMBERS


def settle_held_out(parameters: Any, count: Callable[[], int], streaming: bool, given: bool = False) -> None:
    """Settle whether rows held out, or given, end training, and their share: of members they do, unless few.

    Where these are few, settle the weight of linear models, too, which rows held out would tell. `count` says how many
    rows there are that can be held out.
    """
    n_members = parameters.n_members
    parameters.linear_weight = 0.0
    if parameters.early_stopping == "auto":
        several = n_members > 1 and not streaming
        parameters.early_stopping = several and (given or count() >= FEWEST_ROWS)
        parameters.linear_weight = WEIGHT_AMONG_FEW if several and not parameters.early_stopping else 0.0
    if parameters.validation_fraction == "auto":
        share = 1 / n_members if n_members > 1 else 0.0
        parameters.validation_fraction = min(max(share, SMALLEST_PART), LARGEST_PART)
