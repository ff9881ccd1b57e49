"""The page of the site that one can play with runs skgd's rules, translated to JavaScript."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from skgd.optimizers import OPTIMIZERS, SGD, AdaGrad, AdamW, RMSProp

DOCS = Path(__file__).parents[1] / "docs"
N_STEPS = 20
HALF = 0.5


@pytest.fixture(scope="module")
def page():
    """The modules that make the page, from the folder of Sphinx's extensions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS / "_ext")
        import landscapes
        import play_script
        import python_to_javascript

        yield {"functions": landscapes.LANDSCAPES, "make": play_script, "translate": python_to_javascript}


def in_node(code):
    """What the code prints, as JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not on PATH: JavaScript can't be run")
    ran = subprocess.run([node, "-"], input=code, capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def path_in_python(optimizer, landscape, n_steps=N_STEPS, start=None):
    x, gradient = np.array(start or landscape.start), np.zeros(len(landscape.start))
    path = []
    for _ in range(n_steps + 1):
        landscape.gradient(x, landscape.data, gradient)
        path.append([*x, landscape.value(x, landscape.data), *gradient])
        optimizer.update(x, gradient)
    return path


def test_all_optimizers_that_need_no_more_than_a_gradient_are_there(page):
    assert OPTIMIZERS.keys() - page["make"].optimizers().keys() == {"lbfgs", "svrg"}


def test_paths_in_javascript_are_those_of_update(page):
    script = (DOCS / "_static" / "play.js").read_text(encoding="utf-8")
    rates = {name: 5e-4 if each.steps_with_gradient else 0.05 for name, each in page["make"].optimizers().items()}
    paths = in_node(
        f"""{page["make"].script()}
        {script}
        const paths = {{}};
        for (const [name, rate] of Object.entries({json.dumps(rates)})) {{
          for (const [place, landscape] of Object.entries(skgd.landscapes)) {{
            const optimizer = skgd.optimizers[name];
            const of = {{...landscape, n_steps: {N_STEPS}}};
            const path = descend(of, optimizer, rate, optimizer.hyper, landscape.start);
            paths[name + " on " + place] = path.map(({{x, f, gradient}}) => [...x, f, ...gradient]);
          }}
        }}
        console.log(JSON.stringify(paths));
        """
    )
    for name, rate in rates.items():
        for place, landscape in page["functions"].items():
            expected = path_in_python(OPTIMIZERS[name]().set_params(learning_rate=rate), landscape)
            scale = np.abs(expected).max(axis=0)
            np.testing.assert_allclose(
                paths[f"{name} on {place}"] / scale, expected / scale, rtol=0, atol=1e-12, err_msg=f"{name} on {place}"
            )


def test_what_the_page_says_of_its_experiments(page):
    valley, cubic = page["functions"]["valley"], page["functions"]["cubic"]
    assert valley.n_steps == 100

    def heights(optimizer):
        return np.array(path_in_python(optimizer, valley, 100))[:, 2]

    assert (np.diff(heights(SGD(1.02))[10:]) > 0).all()
    assert heights(SGD(0.98))[-1] < 0.1
    assert heights(SGD(0.1, momentum=0.8))[-1] < 1e-5
    assert heights(SGD(0.1))[-1] > 0.3
    assert heights(SGD(0.1, momentum=0.95))[-1] > 1e-3
    adagrad, rmsprop = (np.array(path_in_python(each(0.2), valley, 100)) for each in (AdaGrad, RMSProp))
    assert 0.4 < adagrad[-1, 0] / adagrad[0, 0] < 0.6
    assert (np.abs(rmsprop[-20:, :2]) < 0.5).all()
    assert np.ptp(rmsprop[-20:, 1]) > 0.1
    far = path_in_python(SGD(0.02), cubic, 2)
    assert abs(far[2][0]) > cubic.bounds[0][1]
    near = path_in_python(SGD(0.02), cubic, 5, [1.05])
    assert near[5][0] == pytest.approx(1, abs=1e-6)
    curvature = [(cubic_slope(x + 1e-6) - cubic_slope(x - 1e-6)) / 2e-6 for x in (1.0, 2.0)]
    np.testing.assert_allclose(curvature, [50, 608], rtol=1e-3)


def cubic_slope(x):
    return 2 * (x**3 + 2 * x - 3) * (3 * x**2 + 2)


def test_sliders_lead_to_the_hyper_parameters_of_their_names(page):
    optimizer = AdamW(beta1=0.7, beta2=0.8)
    knobs = page["make"].knobs(optimizer)
    assert [(knob["name"], optimizer.hyper()[knob["at"]]) for knob in knobs] == [("beta1", 0.7), ("beta2", 0.8)]


def test_gradients_are_those_of_the_functions(page):
    rng = np.random.default_rng(0)
    for name, landscape in page["functions"].items():
        low, high = np.transpose(landscape.bounds)
        for x in rng.uniform(low, high, (5, low.size)):
            gradient = np.full(low.size, np.nan)
            landscape.gradient(x, landscape.data, gradient)
            h = 1e-5
            ways = h * np.eye(low.size)
            ahead = np.array([landscape.value(x + way, landscape.data) for way in ways])
            behind = np.array([landscape.value(x - way, landscape.data) for way in ways])
            np.testing.assert_allclose(gradient, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-6, err_msg=name)


def test_minima_are_minima_and_the_first_is_the_lowest(page):
    for name, landscape in page["functions"].items():
        lowest = landscape.value(np.array(landscape.minima[0]), landscape.data)
        for minimum in landscape.minima:
            gradient = np.full(len(minimum), np.nan)
            landscape.gradient(np.array(minimum), landscape.data, gradient)
            np.testing.assert_allclose(gradient, 0, atol=1e-9, err_msg=name)
        axes = np.meshgrid(*(np.linspace(*bounds, 41) for bounds in landscape.bounds))
        for x in np.stack(axes, axis=-1).reshape(-1, len(axes)):
            assert landscape.value(x, landscape.data) >= lowest - 1e-12, f"{name} is lower at {x}"


def everything(x, table, n):
    """Of all that is translated, what could come out otherwise."""
    a, b = x[0], x[1]
    a, b = b, a
    c = d = 0.0
    row = table[1]
    for i in range(2, row.size):
        if i == 3 and not a > b:
            continue
        if row[i] < 0.0 or i != i:
            c -= -(a**2) - (b - (c - row[i]))
        else:
            c += 2.0**3**2 / (a / b) * HALF
        for j in range(i):
            if j > 2:
                break
            d += i * j
    x[0] = -(abs(a) ** 2) if n >= 3 else max(a, b) + min(c, d)
    return c * d + x[0] + (1e-10 if n <= 2 else np.sign(a - b)) + (np.sqrt(d) + np.exp(-b))


def test_what_is_translated_means_the_same(page):
    code = page["translate"].javascript(everything, {"x": "vector", "table": "table"})
    for n in (2, 3):
        for x in ([0.5, 2.0], [3.0, 2.0]):
            table = [[0.0], [1.0, -2.0, -0.3, 4.0, 5.0, -0.1]]
            mine = np.array(x)
            result = everything(mine, [np.array(row) for row in table], n)
            theirs = in_node(
                f"const f = {code}; const x = {x}; x.push(f(x, {table}, {n})); console.log(JSON.stringify(x))"
            )
            np.testing.assert_allclose(theirs, [*mine, result], rtol=1e-15)


def rounds_down(x):
    x[0] = x[0] // 2.0


def takes_a_remainder(x, t):
    return x[t % 2]


def works_on_whole_arrays(x):
    return x[0] + 2.0 * x


def changes_a_whole_array(x):
    x -= 1.0


def counts_from_the_end(x):
    return x[-1]


def slices(x):
    x[1:] = 0.0


def calls_what_is_unknown(x):
    return np.cbrt(x[0])


def calls_what_only_has_the_name(x, max):
    return max(x[0], 1.0)


def moves_the_end_of_a_loop(x, n):
    for j in range(n):
        n += x[j]


def moves_a_counter(x):
    for j in range(x.size):
        j += 1


def reads_a_counter_afterwards(x):
    for j in range(x.size):
        x[j] = 0.0
    return j


def asks_a_number_for_its_truth(x):
    if x[0]:
        return 1.0
    return 0.0


def compares_thrice(x):
    return 1.0 if 0.0 < x[0] < 1.0 else 0.0


def loops_while(x):
    while x[0] > 0.0:
        x[0] -= 1.0


def returns_a_tuple(x):
    return x[0], 1.0


def has_a_default(x, n=2):
    return x[0] * n


def takes_the_size_of_a_table(table):
    return table.size


def uses_a_reserved_word(x):
    new = x[0]
    x[0] = new + 1.0


REFUSED = {
    rounds_down: "unknown expression: x\\[0\\] // 2.0",
    takes_a_remainder: "unknown expression: t % 2",
    works_on_whole_arrays: "a vector where a number belongs: x",
    changes_a_whole_array: "a vector where a number belongs: x",
    counts_from_the_end: "unknown index: x\\[-1\\]",
    slices: "unknown expression: 1:",
    calls_what_is_unknown: "unknown function: np.cbrt",
    calls_what_only_has_the_name: "unknown function: max",
    moves_the_end_of_a_loop: "an end that may move: range\\(n\\)",
    moves_a_counter: "a change of a loop's counter: j",
    reads_a_counter_afterwards: "unknown name: j",
    asks_a_number_for_its_truth: "a number where a truth belongs: x\\[0\\]",
    compares_thrice: "unknown expression: 0.0 < x\\[0\\] < 1.0",
    loops_while: "unknown statement: while",
    returns_a_tuple: "unknown expression: \\(x\\[0\\], 1.0\\)",
    has_a_default: "other arguments than plain ones",
    takes_the_size_of_a_table: "a table where a vector belongs: table",
    uses_a_reserved_word: "a name that JavaScript keeps for itself: new",
    np.sqrt: "no plain function",
    OPTIMIZERS["lbfgs"]().rule: "unknown function: int",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_what_is_not_known_to_mean_the_same_is_refused(page, function):
    kinds = {
        "x": "vector",
        "params": "vector",
        "grads": "vector",
        "hyper": "vector",
        "slots": "table",
        "table": "table",
    }
    with pytest.raises(page["translate"].NotTranslated, match=REFUSED[function]):
        page["translate"].javascript(function, kinds)
