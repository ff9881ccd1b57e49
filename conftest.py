"""What tests and the examples in docstrings share."""

import os
import sys

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # no window


@pytest.fixture(autouse=True)
def _closed_figures():
    """Close what a test has drawn: matplotlib warns of many open figures."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
