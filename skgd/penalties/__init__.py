"""Penalties on coefficients: value, gradient, proximal step."""

from collections.abc import Callable

from .base import Penalty, smallest_subgradient
from .elastic_net import L1, L2, ElasticNet

# The penalties that have a name, made from alpha and l1_ratio. Every test of penalties runs over this table.
PENALTIES: dict[str, Callable[[float, float], Penalty]] = {
    "l2": lambda alpha, l1_ratio: L2(alpha),
    "l1": lambda alpha, l1_ratio: L1(alpha),
    "elasticnet": ElasticNet,
}

__all__ = ["L1", "L2", "ElasticNet", "Penalty", "smallest_subgradient"]


def get_penalty(penalty: str | None, alpha: float, l1_ratio: float = 0.15) -> Penalty:
    """Return the penalty of that name; None is none at all.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if penalty is None:
        return L2(0.0)
    if penalty not in PENALTIES:
        raise ValueError(f"penalty={penalty!r} is not known: give one of {sorted(PENALTIES)} or None")
    return PENALTIES[penalty](alpha, l1_ratio)
