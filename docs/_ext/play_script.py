"""What the page play.md descends by: skgd's own rules, and functions to descend on, translated to JavaScript."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from landscapes import LANDSCAPES, Landscape
from python_to_javascript import TABLE, VECTOR, javascript

from skgd.optimizers import OPTIMIZERS, Optimizer
from skgd.plotting._contour import contour_levels, on_grid

DOCS = Path(__file__).parents[1]
OF_RULES = {"params": VECTOR, "grads": VECTOR, "slots": TABLE, "hyper": VECTOR}
OF_LANDSCAPES = {"x": VECTOR, "data": TABLE, "grads": VECTOR}
# Shares of what was before that are kept, with the words that the page has for them
KNOBS = {
    "momentum": "Momentum",
    "rho": "Decay \N{GREEK SMALL LETTER RHO}",
    "beta1": "Decay β₁",
    "beta2": "Decay β₂",
}
TITLES = {
    "momentum": "Momentum",
    "nesterov": "Nesterov",
    "amsgrad": "AMSGrad",
}  # others are called as their classes are


def decay(params, learning_rate, weight_decay):
    """What Optimizer.update does before the rule."""
    for j in range(params.size):
        params[j] -= learning_rate * weight_decay * params[j]


def optimizers() -> dict[str, Optimizer]:
    """All but those whose steps need more than a gradient: a line search, rows."""
    made = {name: make() for name, make in OPTIMIZERS.items()}
    return {
        name: optimizer
        for name, optimizer in made.items()
        if not (optimizer.searches_line or optimizer.variance_reduced)
    }


def script() -> str:
    """The JavaScript that play.js finds its rules and functions in, as `skgd`."""
    return f"""// From the sources of skgd, by docs/_ext/python_to_javascript.py
globalThis.skgd = {{
decay: {javascript(decay, OF_RULES)},
optimizers: {{
{"".join(f"{name}: {_optimizer(name, each)},{chr(10)}" for name, each in optimizers().items())}}},
landscapes: {{
{"".join(f"{name}: {_landscape(each)},{chr(10)}" for name, each in LANDSCAPES.items())}}},
}};
"""


def _optimizer(name: str, optimizer: Optimizer) -> str:
    facts = {
        "title": TITLES.get(name, type(optimizer).__name__),
        "n_slots": optimizer.n_slots,
        "hyper": optimizer.hyper().tolist(),
        "learning_rate": optimizer.default_learning_rate,
        "weight_decay": optimizer.weight_decay,
        "knobs": list(knobs(optimizer)),
    }
    return _object(facts, rule=javascript(optimizer.rule, OF_RULES))


def knobs(optimizer: Optimizer) -> Iterator[dict]:
    """Hyper-parameters that the page has sliders for, and where in `hyper` they stand."""
    if optimizer.n_slots == 0:
        return  # remembers nothing
    before = optimizer.hyper()
    for name in [each for each in KNOBS if each in optimizer.get_params()]:
        value = getattr(optimizer, name)
        changed = optimizer.set_params(**{name: value / 2}).hyper()
        optimizer.set_params(**{name: value})
        (at,) = np.flatnonzero(changed != before).tolist()
        yield {
            "name": name,
            "title": KNOBS[name],
            "at": at,
            "step": 1e-3 if value > 0.99 else 1e-2,
        }


def _landscape(landscape: Landscape) -> str:
    of_it = vars(landscape)
    facts = {
        name: of_it[name] for name in of_it if name not in ("value", "gradient", "data")
    }
    facts["data"] = [np.asarray(each).tolist() for each in landscape.data]
    facts["lowest"] = float(landscape.value(np.array(landscape.minima[0]), landscape.data))
    facts["levels"] = _levels(landscape)
    return _object(
        facts,
        value=javascript(landscape.value, OF_LANDSCAPES),
        gradient=javascript(landscape.gradient, OF_LANDSCAPES),
    )


def _levels(landscape: Landscape) -> list[float]:
    """Where skgd's own pictures have contours."""
    n = len(landscape.bounds)
    _, values = on_grid(
        lambda x: landscape.value(x, landscape.data), landscape.bounds, (n,)
    )
    return contour_levels(values, "auto", False).tolist()


def _object(facts: dict, **functions: str) -> str:
    code = "".join(f"{name}: {function},\n" for name, function in functions.items())
    return f"{{\n...{json.dumps(facts, ensure_ascii=False)},\n{code}}}"


def page() -> str:
    """The page by itself, without the site around it."""
    static = DOCS / "_static"
    parts = re.findall(
        r"```\{raw\} html\n(.*?)```", (DOCS / "play.md").read_text(encoding="utf-8"), re.S
    )
    style, axes, acting = (
        (static / name).read_text(encoding="utf-8")
        for name in ("play.css", "play_axes.js", "play.js")
    )
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Play with descent</title>
<style>{style}</style>
</head>
<body>
{"".join(parts)}
<script>{script()}</script>
<script>{axes}</script>
<script>{acting}</script>
</body>
</html>
"""
