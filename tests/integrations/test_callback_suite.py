"""scikit-learn's own tests of its callbacks pass on an estimator of skgd."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import skgd

pytest.importorskip("rich")
pytest.importorskip("sklearn.callback")


def test_the_suite_passes(tmp_path):
    script, root = Path(__file__).with_name("callback_suite.py"), str(Path(skgd.__file__).parents[1])
    command = [sys.executable, str(script), "-W", "ignore", "--tb=short"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": root})
    assert done.returncode == 0, done.stdout[-5000:]
    n_passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert n_passed > 140
