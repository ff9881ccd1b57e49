"""Line searches along directions of a model of the curvature, renewed when steps bring less than they should."""

import numpy as np

from .._kernels.constants import SLOW, TINY
from .by_products import PRECISION, ByProducts
from .curvature import MOST_PATIENCE, Curvature, most_to_gain
from .quasi_newton import Identity, QuasiNewton

MOST_SLOW = 15  # steps of Newton's method on few rows
DIAGONAL_ANEW = 10, 40  # steps after which parameters are such that their curvature is another one
RESUMED_NUMBERS: dict[str, type] = {  # of a search, beside where it is
    **dict.fromkeys(("slow", "model_steps", "steps", "memory"), int),
    **dict.fromkeys(("promise", "first_promise", "patience"), float),
    **dict.fromkeys(("improved", "newton", "extrapolated"), bool),
}


class PreconditionedSearch(QuasiNewton):
    """A search that renews its model of the curvature when steps bring less than they should."""

    def __init__(self, function, params, memory, l1, eps, curvature: Curvature | None, hyper, grows: bool):
        super().__init__(function, params, memory, l1, eps)
        self.curvature, self.hyper, self.grows = curvature, hyper, grows
        self.steps, self.improved = 0, False
        self.first_step = 0  # under this penalty, from a guess perhaps
        self.patience = self._worth_of_model()
        self.newton = False
        if curvature is not None:
            knows_all = curvature.complete and (l1 is None or curvature.chooses_columns)
            changes = not curvature.loss.quadratic  # of a quadratic loss the model stays as it is
            self.newton = knows_all and changes and self.patience <= 0
        self.full_memory = memory
        if self.newton:
            self.memory = 0

    def state(self) -> dict:
        of_curvature = None if self.curvature is None else self.curvature.state()
        return super().state() | {name: getattr(self, name) for name in RESUMED_NUMBERS} | {"curvature": of_curvature}

    def restore(self, state: dict) -> None:
        super().restore(state)
        for name, kind in RESUMED_NUMBERS.items():
            setattr(self, name, kind(state[name]))
        if self.curvature is not None:
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                self.use(self.curvature.restore(state["curvature"]))

    @property
    def is_elsewhere(self) -> bool:
        """Whether the model is of other parameters than a path goes on from: then its promises are no end.

        Where the curvature has gone since, they are a hundredth of what is to come; the next one will tell by its rate.
        """
        return self.model_steps < self.first_step == self.steps

    @property
    def is_reliable(self) -> bool:
        """Whether what is promised is all: by a bound without a model, or by one that leaves nothing out but rows."""
        known = self.curvature is not None and (self.curvature.complete or isinstance(self.model, Identity))
        return known and self.l1 is None

    @property
    def falls_short(self) -> bool:
        """Whether products with the curvature, as many as are made for a step, have found none that is good enough."""
        known = self.curvature is not None and self.curvature.kind == "products"
        return known and isinstance(self.model, ByProducts) and self.model.falls_short

    def use(self, model) -> None:
        super().use(model)
        self.conjugate = isinstance(model, Identity) and self.curvature is not None and self.curvature.loss.quadratic

    def renew(self) -> None:
        """Take the curvature at the current parameters."""
        self.slow, self.promise, self.model_steps = 0, np.inf, self.steps
        self.first_promise = np.inf  # of the model
        if self.extrapolated:  # steps by a model need what digits there are
            self.evaluate_anew()
        if self.curvature is not None:
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                self.use(self.curvature.model(self.params, self.hyper))
            if self.curvature.complete:
                self.pairs = []

    def improve(self) -> bool:
        """Renew the model, the next times from more rows if there are; whether it wasn't as good as can be before."""
        if self.curvature is None or self.curvature.constant_model is not None:
            return False
        grown = self.grows and (self.improved or self.model_steps == self.steps) and self.curvature.grow()
        if not grown and self.model_steps == self.steps:
            return False
        self.improved = True
        tried = isinstance(self.model, Identity)  # whose patience was that of gradients alone
        self.patience = max(0.0 if tried else self.patience, self._worth_of_model())
        self.renew()
        return True

    def _worth_of_model(self) -> float:
        """Slow steps that are worth the next model."""
        if (curvature := self.curvature) is None:
            return np.inf
        n_rows = curvature.rows.n_rows if self.grows else curvature.some.size
        return curvature.patience(n_rows, self.grows and self.improved)

    def is_least(self, negligible: float) -> bool:
        """Whether the gradient proves without another direction that no more is left to gain, after an exact step."""
        curvature = self.curvature
        if curvature is None or curvature.constant_model is None or self.l1 is not None:
            return False
        proves = not self.gradient[curvature.ridge == 0].any()
        return proves and most_to_gain(self.gradient, curvature.ridge) <= negligible

    def _steps_to_come(self, negligible: float) -> float:
        """Steps until the promise is negligible or lost in rounding, at the rate of those since the model is in use."""
        least = max(negligible, self.eps * abs(self.objective), TINY)
        if not least < self.promise < self.first_promise < np.inf:
            return 0.0 if self.promise <= least else np.inf
        rate = np.log(self.first_promise / self.promise) / (self.steps - self.model_steps)
        return np.log(self.promise / least) / rate

    def look(self, negligible: float = 0.0) -> float:
        """Choose the direction; the curvature stays as it was where what it promises is negligible."""
        promise = self._look(negligible)
        if promise <= negligible and isinstance(self.model, ByProducts) and self.model.precision > PRECISION:
            self.use(self.model.finer())
            self.promise = promise = super().look()
        return promise

    def _look(self, negligible: float) -> float:
        curvature, is_old = self.curvature, self.model_steps != self.steps
        tried = curvature is not None and isinstance(self.model, Identity)
        changes = curvature if curvature is not None and curvature.constant_model is None and is_old else None
        if changes is not None and self.newton:
            before = self.promise
            # a new model of these costs no more than a look
            keeps = not (changes.chooses_columns or changes.few_rows or changes.kind == "products")
            if keeps and (promise := super().look()) <= negligible:
                return promise
            slow = self.slow
            self.renew()
            self.promise = super().look()
            self.slow = slow
            if self.promise > SLOW * before:
                changes.some.turn()
                self.slow += 1
            if changes.few_rows and self.slow > MOST_SLOW:  # where curvature comes and goes, steps tell of it
                self.newton, self.memory, self.patience = False, self.full_memory, MOST_PATIENCE
            return self.promise
        if changes is not None and changes.kind == "diagonal" and not tried and self.steps in DIAGONAL_ANEW:
            self.renew()  # what L-BFGS has learnt since is kept
        before, self.promise = self.promise, super().look()
        if curvature is not None and tried:
            self.promise = max(self.promise, most_to_gain(self.gradient, curvature.ridge))
        if self.steps == self.model_steps:
            self.first_promise = self.promise
        if tried and self._steps_to_come(negligible) <= self.patience:
            return self.promise
        self.slow = self.slow + 1 if tried or self.promise > SLOW * before else 0
        if self.is_reliable and self.promise <= negligible:
            return self.promise
        if curvature is not None and self.slow > self.patience and self.improve():
            if curvature.few_rows or not curvature.complete:  # where a new model doesn't help, others won't
                self.patience = min(MOST_PATIENCE, 2 * self.patience + 1)
            self.promise = super().look()
        return self.promise

    def move(self, length: float = 1.0) -> bool:
        self.steps += 1
        return super().move(length)
