"""What tests and the examples in docstrings share."""

import importlib.util
import os
import sys

import pytest

# Examples of modules that need an extra, which may be absent.
collect_ignore = [] if importlib.util.find_spec("skl2onnx") else ["skgd/onnx.py"]

os.environ.setdefault("MPLBACKEND", "Agg")  # no window
if "PYTEST_XDIST_WORKER" in os.environ:  # threads of BLAS in several processes wait for each other's cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _closed_figures():
    """Close what a test has drawn: matplotlib warns of many open figures."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
