"""The linear part of an ensemble: beside each network a linear model of the same rows, and what both say together.

A network contains every linear model, but doesn't find it among few rows. How much the linear models count, rows say
that members held out, by the rule of one standard error (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3): of
weights that these rows don't tell apart the larger ones are the simpler models. It counts for half: the least loss has
its say where the rows are few, and tell nothing apart.

What both say is too far from the constant model where much of it is noise, or not far enough where it is sure: the
same rows tell the calibration slope (Cox 1958; Copas 1983), which of log-odds is an inverse temperature. It counts for
half, too: rows are held out by single members, which are farther off than their mean.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from .. import _parallel as threads
from .._auto.description import SLOPE_AMONG_FEW
from .._auto.network import decide
from .._kernels.structures import FLOAT64
from .._problem.network import NetworkModel
from .._problem.objective import pointwise
from .._problem.problem import Problem, targets_vary
from .._solvers.driver import Beside, Driver
from .._solvers.training import Training, begin
from ._ensemble import Raw, calibrated, held_out, mixed, raw_of_rows
from ._held_out import in_units_of_y

OWN_WAY = {  # to the optimum, whatever the networks' way is
    "optimizer": "lbfgs",
    "learning_rate": "auto",
    "schedule": "auto",
    "batch_size": None,
    "max_iter": 100,
    "tol": "auto",
    "criterion": "objective",
    "n_iter_no_change": 10,
    "early_stopping": False,
    "average": False,
    "clip_norm": None,
    "n_members": 1,
    "n_restarts": 1,
}
MOST_ROWS = 50_000  # that are learnt from, and that say the weight: more tell a linear model nothing new
WEIGHTS = np.arange(21) / 20  # the floats next to 0.05, 0.1, ...
SLOPES = np.arange(12, 33) / 20  # 0.6 to 1.6
PARTS = 4  # of the rows that a member holds out, whose losses tell how far their sum can be trusted


def learn_beside(drivers: Sequence[Driver], parameters: Any, n_threads: int) -> None:
    """Let the members that hold rows out know the linear models beside them, if any, before they are trained.

    These leave the loss on the rows that are held out, or on average over all members, whichever is more: few rows
    may be easy ones.
    """
    trainings = linear_models(drivers, parameters, n_threads)
    if not trainings:
        return
    with np.errstate(all="ignore"):
        each = zip(drivers, trainings, strict=True)
        own = [replace(driver.problem, model=it.model).validation_loss(it.params) for driver, it in each]
        losses = np.maximum(own, np.mean(own))  # NaN, which nothing is above, if one of them is
    for driver, training, loss in zip(drivers, trainings, losses, strict=True):
        driver.beside = Beside(training, float(loss))


def linear_part(drivers: Sequence[Driver], raws: Sequence[Raw], n_threads: int) -> dict[str, Any]:
    """The linear models beside the members, their weight, and what both say of rows held out: `held_out`.

    The raws are what the networks say of these. There are no linear models where these don't predict better with them.
    """
    problem, raw = drivers[0].problem, held_out(drivers, raws)
    none = {"held_out": raw}
    trainings = tuple(driver.beside.training for driver in drivers if driver.beside)
    if not trainings:
        return none
    rows: Any = [driver.problem.validation for driver in drivers]
    with np.errstate(all="ignore"):
        of_linear = [raw_of_rows(*each, n_threads) for each in zip(rows, trainings, strict=True)]
        if not all(np.isfinite(each).all() for each in of_linear):
            return none
        parts = zip((each.data.subset for each in rows), raws, of_linear, strict=True)
        told = [thinned(part, MOST_ROWS // len(drivers)) for part in parts]
        weight = best_weight(_losses_of_all(problem, told, partial(mixed, problem.loss), WEIGHTS))
        if weight == 0:
            return none
        constant = constant_of(drivers)
        together = [(unseen, mixed(problem.loss, one, other, weight)) for unseen, one, other in told]
        slope = best_slope(_losses_of_all(problem, together, partial(calibrated, constant=constant), SLOPES))
        seen = np.isfinite(raw).all(axis=1)
        both = mixed(problem.loss, raw[seen], held_out(drivers, of_linear)[seen], weight)
        raw[seen] = calibrated(both, slope, constant)
    return {
        "_linear": trainings,
        "linear_weight_": weight,
        "calibration_slope_": slope,
        "_constant": tuple(constant.tolist()),
        "held_out": raw,
    }


def linear_part_of_few(drivers: Sequence[Driver], parameters: Any, n_threads: int) -> dict[str, Any]:
    """Linear models beside members that learn from all of few rows, with the weight and slope settled for these."""
    trainings = linear_models(drivers, parameters, n_threads)
    found = {"_linear": trainings, "linear_weight_": parameters.linear_weight} if trainings else {}
    if trainings and drivers[0].problem.loss.for_classes:
        found |= {"calibration_slope_": SLOPE_AMONG_FEW, "_constant": tuple(constant_of(drivers).tolist())}
    return found


def constant_of(drivers: Sequence[Driver]) -> np.ndarray:
    """Raw prediction of the constant model in the units of y, on average over the members."""
    constants = ((each.problem.constant(), each.problem.scaling) for each in drivers)
    return np.mean([in_units_of_y(*each, FLOAT64) for each in constants], axis=0)


def linear_models(drivers: Sequence[Driver], parameters: Any, n_threads: int) -> tuple[Training, ...]:
    """One of the rows of each member; none where there is nothing to learn, or no optimum that is soon found."""
    problem = drivers[0].problem
    if not problem.loss.smooth or problem.model.linear or not targets_vary(problem).any():
        return ()
    own: Any = type(parameters)(**vars(parameters) | OWN_WAY)
    trainings = [*threads.run(lambda driver: _fitted(driver, own), drivers, n_threads)]
    return () if any(each is None for each in trainings) else tuple(trainings)


def _fitted(driver: Driver, own: Any) -> Training | None:
    """The linear model of a member's rows; None where they are such that there is none."""
    rows = driver.problem.rows.some(MOST_ROWS)
    problem = _beside(driver.problem, _linear_model(driver.problem.model), rows)
    with np.errstate(all="ignore"):
        try:
            plan = decide(own, problem, None)
            (training,) = begin(problem, plan, np.random.RandomState(0))
            training.state.params[: -problem.model.n_outputs] = 0  # of many weights that fit as well the smallest
            training.state.best[:] = training.state.params
            training = Driver(training, plan, problem).train()
        except ValueError:  # numbers beyond floats: the network has found its way
            return None
    return None if training.stop_reason == "diverged" else training


def gone_on(drivers: Sequence[Driver], parameters: Any, befores: Sequence[Training]) -> tuple[Training, ...]:
    """Linear models that go on, as the networks beside them do."""
    trainings = []
    for driver, each in zip(drivers, befores, strict=True):
        training = each.copy()
        problem = _beside(driver.problem, training.model, driver.problem.rows)
        plan = decide(parameters, problem, training)
        training.go_on(problem, plan)
        trainings.append(Driver(training, plan, problem).train())
    return tuple(trainings)


def thinned(part: Sequence[np.ndarray], most_rows: int) -> list[np.ndarray]:
    """As much of rows, and what is said of them, as there are most."""
    return [each[:: max(1, -(-len(each) // most_rows))] for each in part]


def _losses_of_all(problem: Problem, told: Iterable, becomes: Callable, values: np.ndarray) -> np.ndarray:
    """The losses on parts of the rows of all members, for each value by which what is said of them becomes a raw."""
    return np.concatenate([losses(problem, rows, (becomes(*said, value) for value in values)) for rows, *said in told])


def losses(problem: Problem, rows: np.ndarray, raws: Iterable[Raw]) -> np.ndarray:
    """The loss on parts of these rows of the problem, of shape (n_parts, n_raws), for each of the raw predictions."""
    data, scaling, dtype = problem.rows.data, problem.scaling, problem.dtype  # type: ignore[union-attr]
    targets, shares = data.targets_of(rows).astype(dtype), data.shares_of(rows).astype(dtype)
    kernel, ends = pointwise(problem.loss, dtype), np.linspace(0, len(rows), min(PARTS, len(rows)) + 1).astype(int)
    parts = [slice(*pair) for pair in itertools.pairwise(ends)]
    values = []
    for raw in raws:
        scaled = ((raw - scaling.target_center) / scaling.target_scale).astype(dtype)
        derivatives = np.empty_like(scaled)
        args = scaled, targets, shares
        values.append(
            [kernel.call(*(each[part] for each in args), problem.loss_hyper, derivatives[part]) for part in parts]
        )
    return np.array(values).T


def best_weight(of_parts: np.ndarray) -> float:
    """Midway from the weight of the least loss to the largest whose loss isn't more than a standard error above that.

    The losses have the shape (n_parts, n_weights): how parts differ tells the error of their sum.
    """
    total = np.where(np.isfinite(of_parts), of_parts, np.inf).sum(axis=0)
    least = total.argmin()
    if not np.isfinite(total[least]):
        return 0.0
    excess = of_parts - of_parts[:, [least]]
    error = excess.std(axis=0, ddof=1) * np.sqrt(len(excess))
    largest = np.flatnonzero(total - total[least] <= error)[-1]
    return float(WEIGHTS[least] + WEIGHTS[largest]) / 2


def best_slope(of_parts: np.ndarray) -> float:
    """Midway from 1 to the one of `SLOPES` with the least loss, of shape (n_parts, n_slopes)."""
    total = np.where(np.isfinite(of_parts), of_parts, np.inf).sum(axis=0)
    least = total.argmin()
    return float(1 + SLOPES[least]) / 2 if np.isfinite(total[least]) else 1.0


def _beside(problem: Problem, model: Any, rows: Any) -> Problem:
    """The problem of a linear model on these rows of a network's, scaled as for that."""
    return replace(problem, model=model, rows=rows, validation=None, n_given=rows.n_rows)


def _linear_model(model: Any) -> NetworkModel:
    return NetworkModel([model.sizes[0], model.n_outputs], model.activation, "auto")
