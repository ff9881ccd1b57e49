"""The Python in README and docs runs as it stands, and what the text says of its results holds.

A comment ``<!-- holds: expression -->`` beside such a sentence is evaluated after the blocks above it. ``printed`` is
what the last of them has printed, ``numbers`` are the numbers in it, ``warned`` what it has said of convergence.
"""

import contextlib
import importlib.util
import io
import re
import warnings
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LONGEST_LINE = 92  # characters of code on a screen 1,400 pixels wide
ON_A_CARD = 95  # characters of the gallery, before sphinx-gallery cuts a line off
NEEDS = {  # beyond the core dependencies
    "pictures.md": ["matplotlib", "skgd.plotting"],
    "tour.md": ["matplotlib", "skgd.plotting"],
    "large_data.md": ["dask.dataframe", "pyarrow"],
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_a_page_run_one_after_the_other(page, request):
    for module in NEEDS.get(page.name, []):
        pytest.importorskip(module)
    if importlib.util.find_spec("matplotlib"):
        request.getfixturevalue("quick_pictures")  # the build of the site draws them whole
    namespace = {"__name__": "__main__"}
    parts = re.findall(r"```python\n(.*?)```|<!-- holds: (.*?) -->", page.read_text(encoding="utf-8"), re.DOTALL)
    for block, claim in parts:
        if claim:
            assert eval(" ".join(claim.split()), namespace), f"{page.name}: {claim}"
            continue
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()) as out:
            warnings.simplefilter("always", ConvergenceWarning)  # a page may show one
            exec(compile(block, page.name, "exec"), namespace)
        printed, warned = out.getvalue(), " ".join(str(warning.message) for warning in caught)
        numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]?\d+)?", printed)]
        namespace |= {"printed": printed, "numbers": numbers, "warned": warned}


def test_lines_of_code_fit_on_the_page():
    for page in PAGES:
        for block in re.findall(r"```py(?:thon)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                assert len(line) <= LONGEST_LINE, f"{page.name}: {line}"
    for example in sorted((ROOT / "examples").glob("plot_*.py")):
        head, code = example.read_text(encoding="utf-8").split('"""', 2)[1:]
        assert len(head.split("\n\n")[1]) <= ON_A_CARD, f"{example.name}: what its card says"
        for line in code.splitlines():
            assert len(line) <= LONGEST_LINE or line.startswith("#"), f"{example.name}: {line}"


def test_the_workflow_calls_legs_that_exist():
    legs = re.search(r"^legs=\((.*)\)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    called = re.findall(r"leg: (?:\[(.*)\]|(\w+))", workflow)
    assert {leg for pair in called for leg in re.findall(r"\w+", " ".join(pair))} == set(legs)


def test_the_pages_link_to_files_that_exist():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            if target.startswith(("api/", "gallery/")):
                continue  # made when the site is built, which fails on dead links
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
