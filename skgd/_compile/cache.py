"""Machine code on disk: a file for each compiled function, in a folder for each state of the sources.

The name of a file holds all else that its code depends on, so that nothing has to be looked up and no process waits
for another. Files are written under another name first, and begin with their checksum: what is damaged is compiled
anew.
"""

import contextlib
import functools
import hashlib
import os
import pathlib
import pickle
import shutil
import sys
import time
from typing import Any

from .._files import replacing
from .._warnings import warn_user

PACKAGE = pathlib.Path(__file__).resolve().parents[1]
PREFIX, SUFFIX = "skgd-", ".code"
CHECKSUM_BYTES = 32
UNUSED_SECONDS = 30 * 24 * 3600  # for so long a folder that others may share is kept
TOUCH_SECONDS = 24 * 3600


@functools.cache
def sources_digest() -> str:
    """A digest of all of skgd's sources; empty where there are none to read, as in a frozen program."""
    digest, found = hashlib.sha256(), False
    try:
        for folder, folders, names in os.walk(PACKAGE):
            folders[:] = sorted(set(folders) - {"__pycache__"})
            for name in sorted(name for name in names if name.endswith(".py")):
                content = pathlib.Path(folder, name).read_bytes()
                digest.update(f"{folder[len(str(PACKAGE)) :]}/{name}:{len(content)}:".encode() + content)
                found = True
    except OSError:
        return ""
    return digest.hexdigest()[:16] if found else ""


sources_digest()  # of the sources as they are imported: they may be others when something is compiled


@functools.cache
def _environment() -> str:
    """What machine code depends on beside the sources."""
    import llvmlite
    import numba
    from numba.core.registry import cpu_target

    machine = cpu_target.target_context.codegen().magic_tuple()  # kind of machine, name of the CPU, its features
    config: Any = numba.config
    return repr((sys.version, numba.__version__, llvmlite.__version__, config.OPT, machine))


# -- where


def _folders() -> list[pathlib.Path]:
    """Where code may lie, the best place first."""
    import numba

    config: Any = numba.config
    beside = config.CACHE_DIR or PACKAGE / "__pycache__"
    return [pathlib.Path(place, PREFIX + sources_digest()) for place in (beside, _users_folder())]


def _users_folder() -> str:
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or home, "skgd")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "skgd")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "skgd")


@functools.cache
def _mark_as_used(folder: pathlib.Path) -> None:
    """Set the time of a folder, once a process and at most once a day."""
    with contextlib.suppress(OSError):
        if time.time() - folder.stat().st_mtime > TOUCH_SECONDS:
            os.utime(folder)


# -- reading and writing


class DiskCache:
    """What a dispatcher of numba's asks for compiled code before it compiles."""

    def __init__(self, name: str, *depends_on: str):
        self.name, self.depends_on = name, depends_on

    @property
    def cache_path(self) -> str:
        """What numba's statistics tell."""
        return str(_folders()[0])

    def load_overload(self, signature, target_context) -> Any:
        """The compiled function, or None."""
        if not sources_digest():
            return None
        try:
            target_context.refresh()
            for folder in _folders():
                content = self._read(folder / self._file_name())
                if content is not None:
                    _mark_as_used(folder)
                    from numba.core.compiler import CompileResult

                    return CompileResult._rebuild(target_context, *pickle.loads(content))
        except Exception:  # whatever is wrong with it, it can be compiled
            return None
        return None

    def save_overload(self, signature, result) -> None:
        """Keep a function that has been compiled."""
        if not sources_digest() or not _is_writable:
            return
        try:
            from numba.core.serialize import dumps

            if result.lifted or result.library.has_dynamic_globals:
                return
            content = dumps(result._reduce())
        except Exception as error:
            _give_up(error)
            return
        for folder in _folders():
            try:
                _write(folder / self._file_name(), hashlib.sha256(content).digest() + content)
            except OSError as error:
                failed = error
            else:
                _clean_up(folder)
                return
        _give_up(failed)

    def _file_name(self) -> str:
        key = hashlib.sha256(repr((self.name, self.depends_on, _environment())).encode()).hexdigest()
        short = "".join(letter if letter.isalnum() else "_" for letter in self.name.partition("[")[0])
        return f"{short.removeprefix('skgd_')}-{key[:24]}{SUFFIX}"

    @staticmethod
    def _read(path: pathlib.Path) -> bytes | None:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        checksum, content = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
        return content if hashlib.sha256(content).digest() == checksum else None


def _write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_bytes(content)


_is_writable = True


def _give_up(error: Exception) -> None:
    """Warn, once, that nothing is kept."""
    global _is_writable
    if _is_writable:
        _is_writable = False
        warn_user(
            f"compiled code can't be kept on disk ({type(error).__name__}: {error}): every process compiles anew, for "
            "seconds. Let NUMBA_CACHE_DIR name a folder that has room and can be written to.",
            RuntimeWarning,
        )


# -- what nobody will read any more


@functools.cache
def _clean_up(folder: pathlib.Path) -> None:
    """Once a process: remove the code of other states of the sources.

    Beside the package there is no other state than this one. Other places may be shared by several installations:
    there folders go that nobody has written to for long.
    """
    with contextlib.suppress(OSError):
        os.utime(folder)
        ours_alone = folder.parent == PACKAGE / "__pycache__"
        for other in folder.parent.glob(f"{PREFIX}*"):
            if other != folder and (ours_alone or time.time() - other.stat().st_mtime > UNUSED_SECONDS):
                shutil.rmtree(other, ignore_errors=True)
        if ours_alone:  # numba's own, of versions of skgd that used its cache
            for pattern in ("*.nbi", "*.nbc"):
                for file in PACKAGE.glob(f"**/__pycache__/{pattern}"):
                    file.unlink(missing_ok=True)
