"""What all tests share."""

import hashlib
import os
import pathlib
import tempfile

collect_ignore = ["peer_suites.py", "peers"]  # a command by itself, on private modules of scikit-learn

# numba looks for changes in the file of a kernel only, not in those of the helpers that it calls: a cache for every
# state of the sources keeps tests of a changed checkout from running yesterday's kernels.
_sources = sorted((pathlib.Path(__file__).parents[1] / "skgd").rglob("*.py"))
_state = hashlib.sha256(b"".join(path.read_bytes() for path in _sources)).hexdigest()[:16]
os.environ.setdefault("NUMBA_CACHE_DIR", str(pathlib.Path(tempfile.gettempdir()) / f"skgd-tests-{_state}"))
