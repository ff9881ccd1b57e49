"""What tests and the examples in docstrings share."""

import gc
import importlib.util
import os
import sys

import pytest

# Examples of modules that need an extra, which may be absent.
NEEDED = {"skl2onnx": "skgd/onnx.py", "dask": "skgd/_dask"}  # by what is nothing without them
collect_ignore = [path for package, path in NEEDED.items() if importlib.util.find_spec(package) is None]

os.environ.setdefault("MPLBACKEND", "Agg")  # no window
if "PYTEST_XDIST_WORKER" in os.environ:  # threads of BLAS in several processes wait for each other's cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Leave garbage until later: to look for it among what is collected takes a fifth of the time, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown():
    """Close what a test has drawn: matplotlib warns of many open figures."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
