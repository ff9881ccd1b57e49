"""The methods of minimisation by their names in a plan."""

from collections.abc import Callable

from .._problem.problem import Problem
from .coordinates import Coordinates
from .epochs import Epochs
from .full_batches import FullBatches
from .interior_point import InteriorPoint
from .line_search import LineSearch
from .multipliers import Multipliers
from .newton import Newton
from .outcome import Solver
from .partitions import PartitionedEpochs
from .plan import Plan
from .row_space import RowSpace
from .training import Training

SOLVERS: dict[str, Callable[[Training, Plan, Problem, bool], Solver]] = {
    "epochs": Epochs,  # updates by the optimizer's rule
    "partitioned_epochs": PartitionedEpochs,  # the same of rows in parts,
    "full_batches": FullBatches,  # or of all of them at once
    "line_search": LineSearch,  # preconditioned L-BFGS on all rows
    "interior_point": InteriorPoint,  # of losses made of straight pieces, under a penalty
    "multipliers": Multipliers,  # of the same on more data
    "row_space": RowSpace,  # conjugate gradients of squared error on fewer rows of CSR than columns
    "coordinates": Coordinates,  # of small dense data by squared error, under an L1 penalty
    "newton": Newton,  # Newton's method proper, of small data
}


def make_solver(training: Training, plan: Plan, problem: Problem, pauses: bool) -> Solver:
    """The solver that the plan names; with pauses its steps are epochs."""
    return SOLVERS[plan.solver](training, plan, problem, pauses)
