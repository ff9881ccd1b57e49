"""A notebook shows a fit while it lasts: one picture, redrawn in place."""

import base64
import io

import pytest
from matplotlib.image import imread

nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")
pytest.importorskip("sklearn.callback")

CELL = """
from sklearn.datasets import load_diabetes
from skgd import GDMLPRegressor
from skgd.callbacks import LossPlot
X, y = load_diabetes(return_X_y=True)
plot = LossPlot(seconds=0)
model = GDMLPRegressor(hidden_layer_sizes=(5,), max_iter=300, tol=None, n_restarts=2, random_state=0)
model.set_callbacks(plot).fit(X, y);
"""
TITLE = "print(plot.figure_.axes[0].get_title(loc='left'))"


def test_the_last_picture_stays_in_the_output_and_no_file_beside_it(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (CELL, TITLE)])
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    outputs = [output for output in notebook.cells[0].outputs if output.output_type == "display_data"]
    assert len(outputs) == 1
    picture = imread(io.BytesIO(base64.b64decode(outputs[0].data["image/png"])))
    assert picture.shape == (480, 640, 4)
    assert "ran all 300 epochs" in notebook.cells[1].outputs[0].text
    assert list(tmp_path.iterdir()) == []
