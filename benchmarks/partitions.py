"""skgd on data in parts: memory, time, workers, peers and how costs grow, with Dask on this machine.

    python benchmarks/partitions.py parquet          10 million rows in Parquet: memory and time beside a fit in memory
    python benchmarks/partitions.py disk             30 GB on disk, 2 GB of memory at most: a linear model, a network
    python benchmarks/partitions.py workers          two workers beside one, and where their time goes
    python benchmarks/partitions.py peers            dask-ml at the same objective
    python benchmarks/partitions.py costs            passes, bytes and seconds of the client by partitions and columns
    python benchmarks/partitions.py --quick          all of them on small data, to see that everything runs

It needs the extra `dask`, and pyarrow; dask-ml takes part if it is there (XGBoost's linear booster isn't for clusters
any more). Files are written to a temporary folder, or to `--folder F`, where they are left and found again.
`--gigabytes N` is the size on disk of the second.

Everything is measured in child processes. Memory is the anonymous part of what a process has in memory (RssAnon),
looked at every ten milliseconds: pages of files that the system keeps aren't counted, as they cost nobody anything.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import numpy as np
from accounts import Accounts, bytes_sent, counted_passes

N_COLUMNS = 20
NAMES = [f"x{j}" for j in range(N_COLUMNS)]
ALPHA = 1e-4


# -- data


def rows_of(number, n_rows, n_columns=N_COLUMNS):
    """Features of different scales and means, and classes that depend on them: the same for the same number."""
    rng = np.random.default_rng(number)
    scale = np.logspace(0, 1, n_columns)
    X = rng.normal(size=(n_rows, n_columns)) * scale + 3
    chance = 1 / (1 + np.exp(-((X - 3) / scale) @ np.linspace(-1, 1, n_columns)))
    return X, (rng.random(n_rows) < chance).astype(np.int64)


def write_parquet(folder, n_rows, n_partitions):
    """A file for each partition, as they come from elsewhere; those that are there stay."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_partitions):
        path = folder / f"part.{number:05}.parquet"
        if not path.exists():
            X, y = rows_of(number, n_rows // n_partitions)
            columns = {name: X[:, j] for j, name in enumerate(NAMES)} | {"y": y}
            parquet.write_table(pyarrow.table(columns), path, compression="NONE", use_dictionary=False)
    return sum(file.stat().st_size for file in folder.iterdir())


BY_COLUMN = {"read": {"pre_buffer": False}}  # files on this machine are read a column at a time


def frame(folder, **options):
    from dask import dataframe

    data = dataframe.read_parquet(folder, **options)
    return data[NAMES], data["y"]


# -- what is measured


class Watch:
    """Seconds that a block takes, and the most anonymous memory of this process meanwhile."""

    def __enter__(self):
        self.peak, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        self.began = time.perf_counter()
        return self

    def __exit__(self, *error):
        self.seconds = time.perf_counter() - self.began
        self.over.set()
        self.thread.join()

    def _look(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, anonymous_memory())

    @property
    def measured(self):
        return {"seconds": round(self.seconds, 2), "peak_MB": round(self.peak / 1e6)}


def anonymous_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def in_child(task, *arguments, memory=None):
    """What a task of this script returns, in a process of its own, with at most so many bytes of memory of its own."""
    command = [sys.executable, __file__, "--task", task, *map(str, arguments)]
    # the allocator of Arrow reserves a gigabyte at once, which counts for the limit, used or not
    limits = {"SKGD_BENCHMARK_MEMORY": str(memory), "ARROW_DEFAULT_MEMORY_POOL": "system"} if memory else {}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | limits)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["killed"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


# -- tasks, each in a child process


def fit_parquet(folder, by_column=""):
    """A logistic fit from Parquet, by the local scheduler."""
    from skgd import GDLogisticClassifier

    X, y = frame(folder, **(BY_COLUMN if by_column else {}))
    model = GDLogisticClassifier(alpha=ALPHA)
    with counted_passes() as passes, Watch() as watch:
        model.fit(X, y)
    with Watch() as reading:  # what every pass needs, without us
        X.map_partitions(len).compute()
    return watch.measured | {
        "passes": passes.number,
        "read_seconds": round(reading.seconds, 2),
        "n_iter": model.n_iter_,
        "intercept": model.intercept_[0],
    }


def fit_in_memory(folder):
    """The same with all in memory, read before the clock starts."""
    from skgd import GDLogisticClassifier

    X, y = frame(folder)
    X, y = np.ascontiguousarray(X.compute().to_numpy()), y.compute().to_numpy()
    model = GDLogisticClassifier(alpha=ALPHA)
    with Watch() as watch:
        model.fit(X, y)
    return watch.measured | {"n_iter": model.n_iter_, "intercept": model.intercept_[0]}


def fit_network(folder):
    """One epoch of a network from Parquet."""
    from skgd import GDMLPClassifier

    X, y = frame(folder)
    model = GDMLPClassifier(hidden_layer_sizes=(100,), batch_size=256, max_iter=1, random_state=0)
    with Watch() as watch:
        model.fit(X.astype("float32"), y)
    return watch.measured | {"loss": round(model.loss_, 4)}


def fit_on_workers(n_workers, n_rows, n_partitions):
    """Fits on data that the workers hold; the fastest of three, and where its time went, as means of a pass."""
    import dask.array as da
    from distributed import Client, LocalCluster

    from skgd import GDLogisticClassifier

    cluster = LocalCluster(n_workers=int(n_workers), threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        X, y = arrays(int(n_rows), int(n_partitions), N_COLUMNS)
        X, y = client.persist([X, y])
        da.stack([X.sum(), y.sum()]).compute()
        GDLogisticClassifier(alpha=ALPHA).fit(X, y)  # compiled, imported
        fits = []
        for _ in range(3):
            with Accounts(client) as accounts:
                model = GDLogisticClassifier(alpha=ALPHA).fit(X, y)
            fits.append(accounts.of_a_pass | {"coef": model.coef_.tolist(), "n_iter": model.n_iter_})
        return min(fits, key=lambda fit: fit["seconds"])


def fit_peer(peer, n_rows, n_partitions):
    """A fit of skgd or a peer on two workers that hold the data; its objective."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        X, y = client.persist(arrays(int(n_rows), int(n_partitions), N_COLUMNS, standard=True))
        y.sum().compute()
        fit = PEERS[peer]
        fit(client, X, y)  # for what is compiled, or imported, once
        with Watch() as watch:
            coef, intercept = fit(client, X, y)
        raw = X @ np.asarray(coef, float).ravel() + float(intercept)
        loss = float((np_logaddexp(raw) - y * raw).mean().compute())
        objective = loss + 0.5 * ALPHA * float(np.sum(np.square(coef)))
        return {"seconds": round(watch.seconds, 2), "objective": objective}


def np_logaddexp(raw):
    return raw.map_blocks(lambda z: np.logaddexp(0, z))


def arrays(n_rows, n_partitions, n_columns, standard=False):
    """Dask arrays whose blocks are made where they are needed."""
    import dask
    import dask.array as da

    n_each = n_rows // n_partitions
    parts = [dask.delayed(rows_of, nout=2)(number, n_each, n_columns) for number in range(n_partitions)]
    X = da.concatenate([da.from_delayed(X, (n_each, n_columns), float) for X, _ in parts])
    y = da.concatenate([da.from_delayed(y, (n_each,), np.int64) for _, y in parts])
    return [(X - 3) / np.logspace(0, 1, n_columns) if standard else X, y]


def by_skgd(client, X, y):
    from skgd import GDLogisticClassifier

    model = GDLogisticClassifier(alpha=ALPHA, standardize=False).fit(X, y)
    return model.coef_, model.intercept_[0]


def by_dask_ml(client, X, y):
    from dask_ml.linear_model import LogisticRegression

    model = LogisticRegression(penalty="l2", C=1 / (ALPHA * len(X)), solver="lbfgs", max_iter=200).fit(X, y)
    return model.coef_, model.intercept_


PEERS = {"skgd": by_skgd, "dask-ml": by_dask_ml}


def cost_of_partitions(n_partitions, n_columns):
    """What a fit on so many small partitions costs the client, where the work in them is as good as nothing."""
    from distributed import Client, LocalCluster

    from skgd import GDLogisticClassifier

    n_partitions, n_columns = int(n_partitions), int(n_columns)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        n_each = max(20, 2 * n_columns // n_partitions)
        X, y = client.persist(arrays(n_each * n_partitions, n_partitions, n_columns))
        y.sum().compute()
        with counted_passes() as passes:
            GDLogisticClassifier(alpha=1e-2).fit(X, y)  # compiled, imported
            warm, sent = passes.number, bytes_sent(client)
            began, cpu = time.perf_counter(), time.process_time()
            GDLogisticClassifier(alpha=1e-2).fit(X, y)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            n_passes, sent = passes.number - warm, bytes_sent(client) - sent
    return {
        "passes": n_passes,
        "kilobytes_per_pass": round(sent / n_passes / 1e3, 1),
        "seconds_per_pass": round(seconds / n_passes, 3),
        "client_cpu_seconds_per_pass": round(cpu / n_passes, 3),
    }


# -- the tables


def parquet(options):
    n_rows, n_partitions = (200_000, 8) if options.quick else (10_000_000, 64)
    folder = options.folder / f"parquet-{n_rows}"
    write_parquet(folder, n_rows, n_partitions)
    in_child("fit_parquet", folder)  # compiles
    whole = in_child("fit_in_memory", folder)
    print(f"logistic {n_rows} x {N_COLUMNS} float64 in memory: {whole}")
    for name, arguments in {"as Dask reads it": (), "read by columns": ("by_column",)}.items():
        parts = in_child("fit_parquet", folder, *arguments)
        print(f"in Parquet, {n_partitions} partitions, local scheduler, {name}: {parts}")
        if "seconds" in parts and "seconds" in whole:
            reads = parts["passes"] * parts["read_seconds"]
            allowed = 2 * whole["seconds"] + reads
            share = reads / parts["seconds"]
            print(f"twice the time in memory and one read per pass: {allowed:.2f} s; share of reading {share:.2f}")


def disk(options):
    gigabytes = 0.05 if options.quick else options.gigabytes
    n_partitions = max(4, int(gigabytes * 1e9 / 50e6))
    n_rows = int(gigabytes * 1e9 / 8 / (N_COLUMNS + 1)) // n_partitions * n_partitions
    folder = options.folder / f"disk-{n_rows}"
    size = write_parquet(folder, n_rows, n_partitions)
    print(f"{size / 1e9:.1f} GB in {n_partitions} files, {n_rows} rows; limit of 2 GB of memory of its own")
    for task in ("fit_parquet", "fit_network"):
        print(f"{task}: {in_child(task, folder, memory=2_000_000_000)}", flush=True)


def workers(options):
    n_rows = 100_000 if options.quick else 4_000_000
    one, two = (in_child("fit_on_workers", n, n_rows, 32) for n in (1, 2))
    if "error" in one or "error" in two:
        print({1: one, 2: two})
        return
    print("| of a pass | one worker | two workers | times |\n|---|--:|--:|--:|")
    for name in one:
        if name != "coef":
            print(f"| {name.replace('_', ' ')} | {one[name]} | {two[name]} | {one[name] / max(two[name], 1e-9):.2f} |")
    print(f"the same bits: {one['coef'] == two['coef']}")


def peers(options):
    n_rows = 20_000 if options.quick else 1_000_000
    found = {peer: in_child("fit_peer", peer, n_rows, 16) for peer in PEERS}
    least = min(each.get("objective", np.inf) for each in found.values())
    for peer, each in found.items():
        if "error" in each:
            print(f"{peer}: {each['error']}")
        else:
            times = each["seconds"] / found["skgd"]["seconds"]
            print(f"{peer}: {each['seconds']} s, {times:.1f} times skgd's, gap {each['objective'] - least:.1e}")


def costs(options):
    print("| partitions | columns | passes | of each: KB that workers send | seconds | CPU seconds of the client |")
    print("|--:|--:|--:|--:|--:|--:|")
    cases = [(10, 10), (10, 1000)] if options.quick else [(10, 10), (100, 10), (1000, 10), (10, 1000), (100, 1000)]
    cases += [] if options.quick else [(1000, 1000), (10, 10_000), (100, 10_000)]
    for n_partitions, n_columns in cases:
        found = in_child("cost_of_partitions", n_partitions, n_columns)
        print(f"| {n_partitions} | {n_columns} | {' | '.join(map(str, found.values()))} |", flush=True)


TABLES = {each.__name__: each for each in (parquet, disk, workers, peers, costs)}
TASKS = {
    each.__name__: each
    for each in (fit_parquet, fit_in_memory, fit_network, fit_on_workers, fit_peer, cost_of_partitions)
}


def run_task(name, *arguments):
    warnings.simplefilter("ignore")
    limit = os.environ.get("SKGD_BENCHMARK_MEMORY")
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))
    print(json.dumps(TASKS[name](*arguments)))


def main():
    if sys.argv[1:2] == ["--task"]:
        run_task(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--gigabytes", type=float, default=30)
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        options.folder = options.folder or pathlib.Path(temporary)
        for table in options.tables or TABLES:
            print(f"## {table}")
            TABLES[table](options)


if __name__ == "__main__":
    main()
