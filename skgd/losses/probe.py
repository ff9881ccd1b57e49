"""A user's loss, tried as plain Python before it is compiled."""

from typing import Any

import numpy as np

from .._validation import check_static
from .._warnings import warn_user

PROBE_ROWS = 8
PROBE_TOLERANCE = 0.01  # far beyond the error of finite differences


def probe(loss: Any, y: np.ndarray, n_outputs: int) -> None:
    """Raise or warn of what :meth:`Loss.probe` names."""
    name = f"{type(loss).__name__}.pointwise"
    check_static(loss, "pointwise")
    y = np.ascontiguousarray(y[:PROBE_ROWS], dtype=np.float64)
    raw = np.linspace(-0.7, 0.9, len(y) * n_outputs).reshape(len(y), n_outputs)
    hyper = loss.hyper(np.ones(y.shape[1]))
    try:
        with np.errstate(all="ignore"):
            wrong_slopes, unweighted = _slopes_that_are_wrong(loss, raw, y, hyper), _unweighted(loss, raw, y, hyper)
    except IndexError as error:  # compiled, it would read or write foreign memory
        raise ValueError(
            f"{name} reaches outside its arrays ({error}): raw and derivative have {n_outputs} columns, y has "
            f"{y.shape[1]}, hyper {hyper.size} entries"
        ) from error
    except Exception:  # what else is wrong shows in the fit itself
        return
    if wrong_slopes > len(y) / 2:  # a kink or two is none of our business
        warn_user(
            f"{name} fills derivative with what isn't the derivative of the loss that it returns, by finite "
            "differences",
            RuntimeWarning,
        )
    if unweighted:
        warn_user(
            f"{name} doesn't count rows by their weights in {' and '.join(unweighted)}: it must return the sum of "
            "weight[i] * loss(raw[i], y[i]) over the rows i, and fill derivative[i] with weight[i] times the "
            "derivative",
            RuntimeWarning,
        )


def _probed(loss: Any, raw: np.ndarray, y: np.ndarray, weight: np.ndarray, hyper: np.ndarray) -> tuple:
    """What ``pointwise`` returns, and the derivative; training hands over arrays in which anything may stand."""
    derivative = np.full_like(raw, np.nan)
    return loss.pointwise(raw, y, weight, hyper, derivative), derivative


def _slopes_that_are_wrong(loss: Any, raw: np.ndarray, y: np.ndarray, hyper: np.ndarray) -> int:
    """Number of rows whose derivative, by the first output, differs from finite differences."""
    wrong, step, one = 0, 1e-6 * np.eye(1, raw.shape[1]), np.ones(1)
    for row, target in zip(raw[:, None], y[:, None], strict=True):
        rise = _probed(loss, row + step, target, one, hyper)[0] - _probed(loss, row - step, target, one, hyper)[0]
        slope, expected = _probed(loss, row, target, one, hyper)[1][0, 0], rise / (2 * step[0, 0])
        close = abs(slope - expected) <= PROBE_TOLERANCE * max(abs(expected), PROBE_TOLERANCE)
        wrong += np.isfinite(expected) and not close
    return wrong


def _unweighted(loss: Any, raw: np.ndarray, y: np.ndarray, hyper: np.ndarray) -> list[str]:
    """Those of its results in which a row doesn't count by its weight times what it is alone."""
    alone = [_probed(loss, raw[i : i + 1], y[i : i + 1], np.ones(1), hyper) for i in range(len(y))]
    weight = 2.0 + np.arange(len(y))
    values = weight * np.array([value for value, _ in alone])
    slopes = weight[:, None] * np.vstack([derivative for _, derivative in alone])
    value, derivative = _probed(loss, raw, y, weight, hyper)
    differences = {
        "what it returns": (abs(value - values.sum()), np.abs(values).sum()),
        "derivative": (np.abs(derivative - slopes).max(), np.abs(slopes).max()),
    }
    return [name for name, (d, size) in differences.items() if d > PROBE_TOLERANCE * max(size, PROBE_TOLERANCE)]
