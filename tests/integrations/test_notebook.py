"""A notebook shows moving pictures that move, and nothing of them twice."""

import re
from pathlib import Path

import pytest

import skgd

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

CELLS = [
    """
    import numpy as np
    from skgd import GDLinearRegressor
    from skgd.plotting import CurveFitDisplay, PathDisplay, animate

    path = np.array([[-7 * 0.9**k, 2 * (-0.8) ** k] for k in range(30)])
    display = PathDisplay.from_function(lambda x: x[0] ** 2 / 20 + x[1] ** 2, path)
    """,
    "animate(display, max_frames=5)",
    """
    x = np.linspace(-1, 1, 50).reshape(-1, 1)
    model = GDLinearRegressor(optimizer="sgd", batch_size=None, max_iter=4, tol=None)
    animate(CurveFitDisplay.from_estimator(model, x, x[:, 0]))
    """,
    """
    from IPython.display import display as show

    moving = animate(display, "path.html", max_frames=3)
    show(moving)
    len(open("path.html").read())
    """,
    "display.plot();",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell shows, by its types."""
    cells = [
        nbformat.v4.new_code_cell("\n".join(line.removeprefix("    ") for line in cell.split("\n"))) for cell in CELLS
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MPLBACKEND", raising=False)  # a notebook has its own
        patch.setenv("PYTHONPATH", str(Path(skgd.__file__).parents[1]))
        client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
        client.execute()
    return [[output.get("data", output) for output in cell.outputs] for cell in notebook.cells]


def is_player(output, n_frames):
    """Whether it is a page with all frames that plays by itself and asks no network."""
    page = output["text/html"]
    (name,) = re.findall(r"(\w+) = new Animation\(", page)
    assert f"{name}.play_animation();" in page
    assert not re.search("https?:", page)
    return page.count("data:image/png;base64") == n_frames


def test_a_picture_is_shown_at_rest(outputs):
    for cell in outputs[0], outputs[4]:
        (picture,) = cell
        assert "image/png" in picture


@pytest.mark.parametrize(("cell", "n_frames"), [(1, 5), (2, 4)])
def test_a_moving_picture_is_a_player_and_stands_nowhere_else(outputs, cell, n_frames):
    (player,) = outputs[cell]
    assert is_player(player, n_frames)
    assert "image/png" not in player


def test_it_can_be_shown_anywhere_in_a_cell(outputs):
    player, result = outputs[3]
    assert is_player(player, 3)
    assert int(result["text/plain"]) > 10_000
