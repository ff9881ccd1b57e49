"""Tasks and their results: on this machine, or on a cluster, whose failures are told in plain words."""

import asyncio
import concurrent.futures
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import dask

from .._warnings import warn_user

PATIENCE = 30.0  # seconds without a result, after which somebody looks whether there are workers

NO_WORKERS = "the cluster has no workers: waiting for some to come; Ctrl-C ends that, and keeps what has been learnt"
KILLED_WORKERS = (
    "work on a partition ended each worker that tried it, most often for want of memory: make smaller partitions, or "
    "give workers more memory"
)
LOST_CONNECTION = (
    "the connection to the cluster's scheduler is lost: connect a new Client and fit again; what a fit had learnt "
    "until then skgd.callbacks.Checkpoint keeps"
)
LOST_ROWS = (
    "rows are lost with the worker that held them, and nothing tells how to compute them again, as of what "
    "client.scatter has sent: load them from files, or persist() collections that know where their rows come from"
)
REASONS = {  # for which distributed cancels work
    "lost dependencies": LOST_ROWS,
    "already forgotten": LOST_ROWS,
    "scheduler-connection-lost": LOST_CONNECTION,
    "scheduler-restart": "the cluster was restarted while it worked for a fit: fit again",
}


def compute(task: Any) -> Any:
    """What a task gives, on the scheduler in force."""
    client = client_in_force()
    return on_this_machine(task) if client is None else OnCluster(client, task).result()


def kept(pieces: list) -> list:
    """Values that aren't computed yet, as such that a cluster keeps, where there is one."""
    client = client_in_force()
    return pieces if client is None else _running(client).persist(pieces)


def _running(client: Any) -> Any:
    if client.status != "running":
        raise RuntimeError(LOST_CONNECTION)
    return client


def on_this_machine(task: Any) -> Any:
    return dask.compute(task)[0]


def client_in_force() -> Any:
    """The client of distributed that is in force, or None; nothing is imported for it."""
    if "distributed" not in sys.modules:
        return None
    client = getattr(dask.base.get_scheduler(), "__self__", None)
    return client if isinstance(client, sys.modules["distributed"].Client) else None


class OnCluster:
    """A task that has been sent to a cluster, whose result is waited for with open eyes."""

    def __init__(self, client: Any, task: Any):
        self.client, self.future = client, _running(client).compute(task)
        gather = client.gather(self.future, asynchronous=True)
        self.gathered = asyncio.run_coroutine_threadsafe(gather, client.loop.asyncio_loop)

    def result(self) -> Any:
        """What the task gives; a RuntimeError where the cluster can't say it."""
        try:
            with told_in_plain_words(), _beside_other_tasks():
                if not concurrent.futures.wait([self.gathered], timeout=PATIENCE).done and not self.client.nthreads():
                    warn_user(NO_WORKERS, RuntimeWarning)
                return self.gathered.result()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody wants the result any more."""
        self.future.release()


@contextlib.contextmanager
def _beside_other_tasks() -> Iterator[None]:
    """In a task of a worker let others have its thread while it waits for them."""
    distributed = sys.modules["distributed"]
    inside = False
    with contextlib.suppress(Exception):  # of many kinds: here is no worker, or the thread has been given away
        distributed.secede()
        inside = True
    try:
        yield
    finally:
        if inside:
            distributed.rejoin()


@contextlib.contextmanager
def told_in_plain_words() -> Iterator[None]:
    """Errors of clusters as a RuntimeError that says what they mean."""
    try:
        yield
    except Exception as error:
        words = _in_plain_words(error)
        if words is None:
            raise
        raise RuntimeError(words) from error


def _in_plain_words(error: Exception) -> str | None:
    """What an error of a cluster means for a fit; None of errors that the work itself raised."""
    if not type(error).__module__.startswith("distributed."):
        return None
    if type(error).__name__ == "KilledWorker":
        return f"{KILLED_WORKERS} ({error})"
    if isinstance(error, OSError):
        return LOST_CONNECTION
    return REASONS.get(getattr(error, "reason", ""), f"the cluster gave the work up: {error}")
