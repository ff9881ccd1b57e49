"""Files that are written whole or not at all."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

TEMPORARY = ".tmp"  # how the names of files end that are being written


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a name beside the path to write to; what is there takes its place at the end, unless an error comes before.

    No reader sees less than the whole, and what was at the path stays until then.
    """
    beside = path.with_name(f".{path.name}.{os.urandom(8).hex()}{TEMPORARY}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
