"""Two commits beside each other: processes with the sources of each that take turns."""

import contextlib
import io
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = pathlib.Path(__file__).with_name("compare.py")


class Commit:
    """A process that fits with the sources of a folder."""

    def __init__(self, folder: pathlib.Path):
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        if folder != ROOT:  # whose machine code would take the place of ours
            environment["NUMBA_CACHE_DIR"] = str(folder / "machine_code")
        pipe = subprocess.PIPE
        command = [sys.executable, SCRIPT, "--serve"]
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)

    def seconds(self, request: str) -> float:
        """Of a fit: of the work that the request names, or of the same once more."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a fit failed: {request}")
        return float(answer)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def compare(reference: str, works: list[tuple[str, str, int]]) -> None:
    """Print a line for each work, (title, request, rounds): times of this checkout and of a commit."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", reference], check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        commits = [Commit(ROOT), Commit(pathlib.Path(folder))]
        for commit in commits:
            stack.callback(commit.close)
        print(f"| work | here | {reference} | {reference} / here | quartiles |\n|---|--:|--:|--:|---|")
        for title, request, n_rounds in works:
            for commit in commits:
                commit.seconds(request)
            rounds = [[commit.seconds("fit") for commit in commits] for _ in range(n_rounds)]
            here, there = (statistics.median(times) for times in zip(*rounds, strict=True))
            low, _, high = statistics.quantiles([theirs / ours for ours, theirs in rounds], n=4)
            ratio = f"{there / here:.2f} | {low:.2f} to {high:.2f}"
            print(f"| {title} | {here * 1e3:.3g} ms | {there * 1e3:.3g} ms | {ratio} |", flush=True)
