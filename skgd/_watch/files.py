"""Checkpoints as files: arrays, numbers and strings in a zip archive, written whole or not at all.

An archive of NumPy's (.npz): the member `state` holds a tree of dictionaries and lists as JSON, the others the arrays
in it, by their numbers. Nothing in it can be executed, and each member has a checksum.
"""

import contextlib
import glob
import json
import os
import pathlib
import shutil
import time
import zipfile
from typing import Any

import numpy as np

from .._files import TEMPORARY, replacing
from .._version import __version__

FORMAT = 1
SECONDS_TO_WRITE = 60  # at most, of a checkpoint
ARRAY = "array"  # the only key of what stands for an array


def write(path: pathlib.Path, state: dict) -> None:
    """Write a state to a file, in place of what is there once all is written: no reader sees less than the whole."""
    arrays: list[np.ndarray] = []
    tree = {"format": FORMAT, "version": __version__, "state": _plain(state, arrays)}
    members = {str(number): array for number, array in enumerate(arrays)}
    members["state"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    with replacing(path) as beside, open(beside, "xb") as file:
        np.savez(file, allow_pickle=False, **members)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())


def copy(path: pathlib.Path, other: pathlib.Path) -> None:
    """Give a file another name, too, or make a copy of it where the file system has no two names for one."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


def clean_up(path: pathlib.Path) -> None:
    """Remove what processes that were killed have left beside the path, older than any that is being written."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > SECONDS_TO_WRITE:
                left.unlink()


def read(path: pathlib.Path) -> dict:
    """The state that :func:`write` wrote.

    Raises
    ------
    OSError
        If there is no such file, or it can't be read.
    ValueError
        If it is no checkpoint, or damaged, or of another version.
    """
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is no checkpoint of skgd, or it was cut off or damaged: it is no archive")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as members:
                tree = json.loads(members["state"].tobytes())
                made_by = tree["format"], tree["version"]
                state = _whole(tree["state"], members) if made_by == (FORMAT, __version__) else {}
        except Exception as error:  # of many kinds, whatever byte is another one
            raise ValueError(f"{path} is no checkpoint of skgd, or it was cut off or damaged: {error}") from error
    if made_by != (FORMAT, __version__):
        raise ValueError(
            f"the checkpoint {path} was made by skgd {made_by[1]} in format {made_by[0]}, and this is {__version__} "
            f"with format {FORMAT}: another one doesn't go on to the same bits"
        )
    return state


def _plain(value: Any, arrays: list[np.ndarray]) -> Any:
    """The value as JSON takes it, with numbers in place of its arrays, which are added to the list."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        arrays.append(value)
        return {ARRAY: len(arrays) - 1}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), arrays)
    if isinstance(value, dict):
        return {str(key): _plain(each, arrays) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, arrays) for each in value]
    return value


def _whole(tree: Any, arrays: Any) -> Any:
    """The inverse, but for arrays of objects and tuples, which have become lists."""
    if isinstance(tree, dict):
        if tree.keys() == {ARRAY}:
            return arrays[str(tree[ARRAY])]
        return {key: _whole(each, arrays) for key, each in tree.items()}
    return [_whole(each, arrays) for each in tree] if isinstance(tree, list) else tree
