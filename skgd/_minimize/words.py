"""What is told about how a descent on a function ended."""

from typing import Any

import numpy as np

from .._kernels.constants import IMMENSE


def end_in_words(run: Any, idle: bool, tol: float | None, criterion: str) -> str:
    """Why the descent ended."""
    largest = float(np.abs(run.gradient).max())
    if run.reason == "callback":
        return f"Ended by the callback after {run.n_iter} iterations."
    if run.reason == "max_iter" and run.n_iter == 0:
        return f"max_iter=0 iterations were made; the largest entry of the gradient is {largest:.2g}."
    if run.reason == "max_iter":
        last = f"the last step was {run.watch.step:.2g}, the largest entry of the gradient is {largest:.2g}"
        if tol is None:
            return f"All max_iter={run.n_iter} iterations were made, as tol=None asks for; {last}."
        return f"All max_iter={run.n_iter} iterations were made; {last}; tol={tol} ({criterion}) was not met."
    if idle and run.objective.is_endless(run.value):
        return f"Stopped: its values are {IMMENSE:.0e} times as large as at the start."
    if idle:
        end = "Converged" if run.reason == "converged" else f"Stopped before the gradient was within tol={tol}"
        turn = "decreases" if run.function.sign > 0 else "increases"
        return (
            f"{end}: no step {turn} the function any further, as far as rounding shows; the largest entry of the "
            f"gradient is {largest:.2g}."
        )
    return {
        "step": f"Converged: the last step, {run.watch.step:.2g}, is within tol={tol}.",
        "gradient": f"Converged: the largest entry of the gradient, {largest:.2g}, is within tol={tol}.",
        "objective": f"Converged: what the function is expected to change by is within tol={tol} times its value.",
    }[criterion]


def divergence_in_words(run: Any, rate_that_works: float | None) -> str:
    """What went wrong, and what would work."""
    trouble = run.objective.trouble
    what = trouble or "the function grew a million times as large as at the start"
    given = run.arguments.learning_rate != "auto" and run.rate is not None  # not by a line search
    rate = f" with learning_rate={run.rate:.3g}" if given else ""
    end = "Ended" if trouble else "Diverged"
    message = f"{end} in iteration {run.n_iter}{rate}: {what}. x is the best point before."
    if rate_that_works is not None:
        message += f" learning_rate={rate_that_works:.2g} would work, and so would learning_rate='auto'."
    return message
