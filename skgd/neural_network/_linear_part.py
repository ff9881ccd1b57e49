"""The linear part of an ensemble: beside each network a linear model of the same rows, and the weight that it has.

A network contains every linear model, but doesn't find it among few rows. How much the linear models count, rows say
that members held out, by the rule of one standard error (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3): of
weights that these rows don't tell apart the larger ones are the simpler models. It counts for half: the least loss has
its say where the rows are few, and tell nothing apart.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import _parallel as threads
from .._auto.network import decide
from .._problem.network import NetworkModel
from .._problem.objective import pointwise
from .._problem.problem import Problem, targets_vary
from .._solvers.driver import Driver
from .._solvers.training import Training, begin
from ._ensemble import Raw, held_out, mixed, raw_of_rows

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
PARTS = 4  # of the rows that a member holds out, whose losses tell how far their sum can be trusted


def linear_part(drivers: Sequence[Driver], parameters: Any, raws: Sequence[Raw], n_threads: int) -> dict[str, Any]:
    """Linear models beside the members, their weight, and what both say together of rows held out: `held_out`.

    The raws are what the networks say of these. There are no linear models where these don't predict better with them.
    """
    problem, raw = drivers[0].problem, held_out(drivers, raws)
    none = {"held_out": raw}
    trainings = linear_models(drivers, parameters, n_threads)
    if not trainings:
        return none
    rows: Any = [driver.problem.validation for driver in drivers]
    with np.errstate(all="ignore"):
        of_linear = [raw_of_rows(*each, n_threads) for each in zip(rows, trainings, strict=True)]
        if not all(np.isfinite(each).all() for each in of_linear):
            return none
        parts = zip((each.data.subset for each in rows), raws, of_linear, strict=True)
        weight = best_weight(np.concatenate([losses(problem, *part, MOST_ROWS // len(drivers)) for part in parts]))
        if weight == 0:
            return none
        seen = np.isfinite(raw).all(axis=1)
        raw[seen] = mixed(problem.loss, raw[seen], held_out(drivers, of_linear)[seen], weight)
    return {"_linear": trainings, "linear_weight_": weight, "held_out": raw}


def linear_part_of_few(drivers: Sequence[Driver], parameters: Any, n_threads: int) -> dict[str, Any]:
    """Linear models beside members that learn from all of few rows, with the weight that is settled for these."""
    trainings = linear_models(drivers, parameters, n_threads)
    return {"_linear": trainings, "linear_weight_": parameters.linear_weight} if trainings else {}


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


def losses(problem: Problem, rows: np.ndarray, raw: Raw, of_linear: Raw, most_rows: int) -> np.ndarray:
    """The loss on parts of some of these rows of the problem, for each of `WEIGHTS` of linear predictions."""
    some = slice(None, None, max(1, -(-len(rows) // most_rows)))
    rows, raw, of_linear = rows[some], raw[some], of_linear[some]
    data, scaling, dtype = problem.rows.data, problem.scaling, problem.dtype  # type: ignore[union-attr]
    targets, shares = data.targets_of(rows).astype(dtype), data.shares_of(rows).astype(dtype)
    kernel, ends = pointwise(problem.loss, dtype), np.linspace(0, len(rows), min(PARTS, len(rows)) + 1).astype(int)
    parts = [slice(*pair) for pair in itertools.pairwise(ends)]
    values = np.empty((len(parts), len(WEIGHTS)))
    for k, weight in enumerate(WEIGHTS):
        together = mixed(problem.loss, raw, of_linear, weight)
        scaled = ((together - scaling.target_center) / scaling.target_scale).astype(dtype)
        derivatives = np.empty_like(scaled)
        for j, part in enumerate(parts):
            args = scaled[part], targets[part], shares[part], problem.loss_hyper, derivatives[part]
            values[j, k] = kernel.call(*args)
    return values


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


def _beside(problem: Problem, model: Any, rows: Any) -> Problem:
    """The problem of a linear model on these rows of a network's, scaled as for that."""
    return replace(problem, model=model, rows=rows, validation=None, n_given=rows.n_rows)


def _linear_model(model: Any) -> NetworkModel:
    return NetworkModel([model.sizes[0], model.n_outputs], model.activation, "auto")
