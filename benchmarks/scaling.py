"""What more threads bring: fits, epochs of networks and predictions with n_jobs = 1, 2, 4, ... up to all cores.

    python benchmarks/scaling.py                    all cases, some minutes
    python benchmarks/scaling.py logistic softmax   some
    python benchmarks/scaling.py --quick            small data, to see that everything runs

Prints a Markdown table: the median time by the number of threads, which take turns; how many times as fast as one
thread the most threads are; and two shares of the time of one thread that no other thread can take over. The first is
fitted to the times, serial + parallel / threads (Amdahl 1967). The second is counted in one thread: whatever isn't done
in tasks that threads share. It needs no other cores, so that a machine of few tells of one with many; `on 16` is how
many times as fast so many would be, if memory were no slower for all of them. Batches of networks are shared inside of
compiled code, where nothing can be counted.

The parameters, or predictions, must be the same bits for every number of threads. An untimed run comes first, so that
compiling is not in the figures.
"""

import heapq
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from compare import binary_data, class_data, in_units, regression_data, rows_of, text_data

from skgd import GDLinearRegressor, GDLogisticClassifier, GDMLPRegressor, _parallel

ROUNDS, EPOCHS = 5, 3
MANY = 16  # threads that are told of where there are fewer cores


def count_data(n_rows, n_features):
    """Counts whose logarithm is linear in the features, but for their noise."""
    X, y = regression_data(n_rows, n_features)
    return X, np.random.default_rng(1).poisson(np.exp(0.5 * y)).astype(float)


def single_data(n_rows, n_features):
    """Those of regression in single precision."""
    X, y = regression_data(n_rows, n_features)
    return X.astype(np.float32), y.astype(np.float32)


class Case(NamedTuple):
    """Work to be timed: a fit, or predictions of a model that is fitted to some of the rows."""

    work: str
    data: Callable
    n_rows: int
    n_features: int
    model: Any
    epochs: int = 1  # the time is that of one of so many
    predicts: bool = False

    def prepared(self, quick: bool) -> Callable[[int], tuple[float, bytes]]:
        """A function of the number of threads: seconds, and the bits that came out."""
        X, y = self.data(rows_of(self.n_rows, quick), self.n_features)
        model = self.model
        if self.predicts:
            model.fit(X[:2000], y[:2000])

        def run(n_threads):
            model.set_params(n_jobs=n_threads)
            began = time.perf_counter()
            result = model.predict(X) if self.predicts else model.fit(X, y)
            seconds = (time.perf_counter() - began) / self.epochs
            return seconds, (result if self.predicts else model._training.params).tobytes()

        return run


def network(hidden, batch_size):
    settings = {"batch_size": batch_size, "max_iter": EPOCHS, "tol": None, "random_state": 0}
    return GDMLPRegressor(hidden_layer_sizes=hidden, optimizer="adam", learning_rate=1e-3, **settings)


def epoch(hidden, batch_size, n_rows=200_000):
    name = ", ".join(map(str, hidden))
    return Case(
        f"epoch of ({name}), batches of {batch_size}", single_data, n_rows, 20, network(hidden, batch_size), EPOCHS
    )


regressor, classifier = GDLinearRegressor(), GDLogisticClassifier()
forecast = network((256, 256), 256).set_params(max_iter=1)
CASES = {
    "least_squares": Case("least squares", regression_data, 4 * 10**6, 20, regressor),
    "logistic": Case("logistic", binary_data, 4 * 10**6, 20, classifier),
    "poisson": Case("Poisson", count_data, 4 * 10**6, 20, GDLinearRegressor(loss="poisson")),
    "softmax": Case("ten classes", class_data, 400_000, 50, classifier),
    "sparse": Case("words, logistic", text_data, 400_000, 100_000, classifier),
    "wide": Case("logistic", binary_data, 200_000, 300, classifier),
    "network_100": epoch((100,), 200),
    "network_256": epoch((256, 256), 256),
    "network_1024": epoch((1024, 1024), 1024),
    "predict": Case("predictions of (256, 256)", single_data, 10**6, 20, forecast, predicts=True),
}


# -- what is serial


class Tasks:
    """Stands for `run`: notes how long each task takes while one thread does them all."""

    def __init__(self, run):
        self.run, self.runs = run, []

    def __call__(self, work, tasks, *others):
        seconds: list = []
        self.runs.append(seconds)

        def timed(task):
            began = time.thread_time()
            result = work(task)
            seconds.append(time.thread_time() - began)
            return result

        return self.run(timed, tasks, *others)

    def shared_seconds(self, n_threads: int) -> float:
        """How long so many threads would take over the tasks of all calls, each taking the next when it is free."""
        return sum(makespan(seconds, n_threads) for seconds in self.runs)


def makespan(seconds: list, n_threads: int) -> float:
    free_at = [0.0] * n_threads
    for each in seconds:
        heapq.heapreplace(free_at, free_at[0] + each)
    return max(free_at)


def counted(run: Callable[[int], tuple[float, bytes]]) -> tuple[float, float]:
    """The serial share of one thread's time, and by how many times many threads would be as fast."""
    original = _parallel.run
    tasks = _parallel.run = Tasks(original)  # type: ignore[assignment]
    began = time.thread_time()  # of the processor, which others' work doesn't change much
    try:
        run(1)
    finally:
        _parallel.run = original
    seconds = time.thread_time() - began
    serial = seconds - tasks.shared_seconds(1)
    return serial / seconds, seconds / (serial + tasks.shared_seconds(MANY))


def fitted_share(seconds: dict[int, float]) -> float:
    """The serial share by Amdahl's law: a / (a + b) of the times a + b / threads, by least squares."""
    threads = np.array(list(seconds), dtype=float)
    design = np.column_stack([np.ones_like(threads), 1 / threads])
    serial, parallel = np.linalg.lstsq(design, np.array(list(seconds.values())), rcond=None)[0]
    return float(np.clip(serial / (serial + parallel), 0.0, 1.0))


# -- the table


def measure(case: Case, threads: list[int], quick: bool) -> None:
    """Time the work with each number of threads in turn, and print a line."""
    run = case.prepared(quick)
    bits = {run(n_threads)[1] for n_threads in threads}
    if len(bits) > 1:
        sys.exit(f"{case.work}: the result depends on the number of threads")
    times: dict[int, list] = {n_threads: [] for n_threads in threads}
    for _ in range(1 if quick else ROUNDS):
        for n_threads, of_number in times.items():
            of_number.append(run(n_threads)[0])
    seconds = {n_threads: statistics.median(of_number) for n_threads, of_number in times.items()}
    share, on_many = counted(run)
    size = f"{rows_of(case.n_rows, quick):,} x {case.n_features:,}"
    cells = [f"{case.work}, {size}", *map(in_units, seconds.values())]
    if len(threads) > 1:
        cells += [f"{seconds[1] / seconds[threads[-1]]:.2f}", f"{fitted_share(seconds):.1%}"]
    cells += ["", ""] if case.epochs > 1 else [f"{share:.1%}", f"{on_many:.1f}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main(arguments):
    quick = "--quick" in arguments
    names = [name for name in arguments if name != "--quick"]
    if unknown := set(names) - {*CASES}:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    warnings.simplefilter("ignore")  # fixed numbers of epochs
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = [2**k for k in range(cores.bit_length()) if 2**k <= cores]
    threads += [cores] if cores not in threads else []
    columns = ["work", *map(str, threads), *(["speed-up", "serial, fitted"] if cores > 1 else [])]
    columns += ["serial, counted", f"on {MANY}"]
    print(f"| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}")
    for name in names or CASES:
        measure(CASES[name], threads, quick)


if __name__ == "__main__":
    main(sys.argv[1:])
